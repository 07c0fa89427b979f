#!/usr/bin/env python3
"""What the compiler does not see: seams between crates, and documents that name things which must exist.

- No crate depends on what docs/ARCHITECTURE.md says it must not know, neither of ours nor of others'.
- Only `cli` reads environment, home and terminal; only `stores/src/wire` sends (and the transport of media).
- Every dependency has its row in docs/dependencies.md, and no row is left over.
- Every test named in docs/ARCHITECTURE.md exists; links between documents lead somewhere.
- README.md and README.ja.md have the same sections, code and tables.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))

# Crate: which of ours it may stand on, and what of others' must not be among its dependencies; tests' own aside.
OURS = {
    "core": [],
    "seal": [],
    "rewrite": [],
    # An auditor builds it alone; core and ledger may stand on it, never the other way round.
    "evidence": [],
    "stores": ["core", "rewrite", "seal"],
    "archive": ["core", "stores"],
    "ledger": ["core"],
    "report": ["core"],
    "sim": [],
    # It drives the program from outside; worlds come from the simulator, and one case seals by itself.
    "bench": ["seal", "sim"],
}
FORBIDDEN = {
    "core": ["reqwest", "hyper", "sqlx", "axum", "clap", "rustls", "indicatif"],
    "seal": ["tokio", "reqwest", "hyper", "sqlx", "axum", "clap", "indicatif", "fastrand"],
    "rewrite": ["tokio", "reqwest", "hyper", "sqlx", "axum", "clap", "indicatif", "fastrand", "zip", "cfb"],
    "evidence": ["tokio", "reqwest", "hyper", "sqlx", "axum", "clap", "indicatif", "fastrand"],
    # sqlx: the catalogue is a database of the user's; the ledger's stays in its own crate.
    "stores": ["clap", "axum", "indicatif"],
    "archive": ["reqwest", "hyper", "sqlx", "axum", "clap", "indicatif"],
    "ledger": ["reqwest", "hyper", "axum", "clap", "indicatif"],
    "report": ["tokio", "reqwest", "hyper", "sqlx", "axum", "clap", "indicatif", "fastrand", "rust-i18n"],
    # sqlx: it draws the archivist's database and reads it afterwards.
    "sim": ["reqwest", "clap", "indicatif"],
}
# Words in a crate's own code that belong to another place.
READS = re.compile(r"\bstd::env::(?!consts)|\benv::vars?\b|\bhome_dir\b|\bIsTerminal\b|\bstd::io::stdin\b")
# Media come from hosts that nobody vouches for: their transport checks addresses at connect time.
SENDERS = ("crates/stores/src/wire", "crates/stores/src/catalogue/media/network.rs")
SENDS = re.compile(r"\breqwest\b|\bhyper\b|\bTcpStream\b")


def manifests():
    for path in sorted(ROOT.glob("crates/*/Cargo.toml")) + [ROOT / "tests/Cargo.toml", ROOT / "bench/Cargo.toml"]:
        yield path.parent.name, tomllib.loads(path.read_text())


def needs(manifest, *kinds):
    """Names of dependencies, those for one platform only among them."""
    for part in (manifest, *manifest.get("target", {}).values()):
        for kind in kinds:
            yield from part.get(kind, {})


def sources(crate):
    """The crate's shipped files: name and text without comments and without what is only for tests."""
    for path in sorted((ROOT / "crates" / crate / "src").rglob("*.rs")):
        if path.stem in ("tests", "testing", "fixture") or "tests" in path.relative_to(ROOT).parts[2:-1]:
            continue
        text = path.read_text().split("#[cfg(test)]\nmod tests {")[0]
        yield path.relative_to(ROOT), re.sub(r"//[^\n]*", "", text)


def seams():
    for crate, manifest in manifests():
        for name in needs(manifest, "dependencies"):
            ours = name.startswith("landfall-")
            stranger = ours and crate in OURS and name.removeprefix("landfall-") not in OURS[crate]
            if stranger or name in FORBIDDEN.get(crate, []):
                yield f"{crate} must not depend on {name}"
    for crate in ("core", "seal", "rewrite", "evidence", "stores", "archive", "ledger", "report", "sim"):
        for path, text in sources(crate):
            for found in set(READS.findall(text)):
                yield f"{path}: {found} belongs to the crate cli"
            if crate != "sim" and not str(path).startswith(SENDERS):
                for found in set(SENDS.findall(text)):
                    yield f"{path}: {found}: only wire sends"


def dependencies():
    page = (ROOT / "docs/dependencies.md").read_text()
    rows = set()
    for row in re.findall(r"^\| (`[^|]+) \|", page, re.M):
        rows.update(re.findall(r"`([a-z0-9_-]+)`", row))
    used = set()
    for _, manifest in manifests():
        names = needs(manifest, "dependencies", "dev-dependencies", "build-dependencies")
        used.update(name for name in names if not name.startswith("landfall"))
    for name in sorted(used - rows):
        yield f"docs/dependencies.md has no row for {name}"
    for name in sorted(rows - used):
        yield f"docs/dependencies.md has a row for {name}, which no crate uses"


def tests():
    known = set()
    for path in ROOT.glob("**/*.rs"):
        if "target" not in path.relative_to(ROOT).parts:
            known.update(re.findall(r"\bfn ([a-z0-9_]+)", path.read_text()))
    page = (ROOT / "docs/ARCHITECTURE.md").read_text()
    section = page.split("## Invariants")[1].split("\n## ")[0]
    for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`", section):
        if name not in known:
            yield f"docs/ARCHITECTURE.md names the test {name}, which is not there"


def anchors(page):
    yield from re.findall(r'<a id="([^"]+)">', page)
    for title in re.findall(r"^#+ (.+)$", page, re.M):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def links():
    for path in DOCUMENTS:
        # Code is not text.
        text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith(("http://", "https://")):
                continue
            name, _, anchor = target.partition("#")
            other = (path.parent / name) if name else path
            if not other.exists():
                yield f"{path.relative_to(ROOT)}: link to {target}, which is not there"
            elif anchor and other.suffix == ".md" and anchor not in anchors(other.read_text()):
                yield f"{path.relative_to(ROOT)}: {target} has no such section"


def shape(page):
    """What a translation shares with its original: levels of titles, code without comments, rows of tables."""
    code = [re.sub(r"#.*", "", block).split() for block in re.findall(r"```.*?```", page, re.S)]
    return re.findall(r"^(#+) ", page, re.M), code, len(re.findall(r"^\|", page, re.M))


def translation():
    english, japanese = (shape((ROOT / name).read_text()) for name in ("README.md", "README.ja.md"))
    for what, one, other in zip(("sections", "code", "rows of tables"), english, japanese):
        if one != other:
            yield f"README.md and README.ja.md differ in their {what}"


def main():
    wrong = [text for check in (seams, dependencies, tests, links, translation) for text in check()]
    print("\n".join(wrong) if wrong else "seams, dependencies, named tests, links and translation: all well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
