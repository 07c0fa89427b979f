#!/usr/bin/env python3
"""A finished job, damaged, verified, repaired and accepted, over real sockets, in an empty folder.

    scripts/lasting_end_to_end.py PATH_OF_LANDFALL [--files N] [--rate P%] [--seed N] [--scenario NAME] [--keep]

1. `landfall sim`, `run`: everything lands.
2. `sim damage --kinds all`: the simulator damages the destination and writes what a verify without fault would find.
3. `verify --depth bytes` finds exactly that, file by file and kind by kind, and nothing else. What the library rewrote
   late (scenario `office`, the default) is shown to be the same by its parts.
4. `repair` mends what may be mended and leaves other people's work alone; `accept` settles the rest; the next
   `verify --depth bytes` finds nothing. A second `repair` writes nothing.
5. Documents that are not what their names say (scenario `office`): a changed member with a good check value, a zip bomb, a
   zip whose names climb, each behind `.docx`. A verify that reads the listing alone finds them, a repair mends them.
6. `drill` reads files back; the manifest is signed, and Debian's `minisign` and `sha256sum -c` agree with it.
7. The report's figures are the ledger's.

Prints what it saw, then what failed, and `N passed, N failed`. Needs Python's own library, minisign and sha256sum.
"""

import argparse
import collections
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

PATIENCE = 1800  # Seconds that one command may take.
KINDS = ("absent", "changed", "misplaced", "doubled", "edited", "moved-by-user", "deleted-by-user", "foreign",
         "wrong-times", "extra-versions")
WORDS = {"absent": "absent-at-destination", "changed": "changed-at-destination"}


class Failed(Exception):
    """A check that did not hold."""


def check(holds, text):
    if not holds:
        raise Failed(text)


def environment():
    drop = ("LANDFALL_", "AZURE_", "HF_", "RCLONE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


class World:
    """A simulator and the commands that are run against it."""

    def __init__(self, binary, folder, args):
        self.binary, self.folder, self.job = binary, folder, args.scenario
        self.log = open(folder / "sim.log", "wb")
        self.process = subprocess.Popen(
            [binary, "sim", "--listen", "127.0.0.1:0", "--config", "landfall.toml", "--scenario", args.scenario,
             "--files", str(args.files), "--seed", str(args.seed)],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=self.log,
        )
        self.ready = json.loads(self.process.stdout.readline())

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def run(self, *words, codes=(0,), more=()):
        started = time.monotonic()
        command = [self.binary, *words, "--json", *more]
        done = subprocess.run(command, cwd=self.folder, env=environment(), capture_output=True, timeout=PATIENCE)
        name = " ".join(words)
        check(done.returncode in codes,
              f"`landfall {name}` ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
        print(f"  landfall {name}: exit {done.returncode}, {time.monotonic() - started:.1f} s", flush=True)
        return json.loads(done.stdout) if done.stdout.strip() else {}


def expected(answers):
    """What a verify must say, as the multiset of (finding, path below the job's folder at the destination)."""
    wanted = collections.Counter()
    for line in answers:
        if line["expect"] != "rewritten":
            wanted[WORDS.get(line["expect"], line["expect"]), line["path"].strip("/")] += 1
    return wanted


def found(report):
    """The report's open findings in the same form."""
    seen = collections.Counter()
    for one in report["open"]:
        target = (one.get("target") or "").split("/", 1)[-1]
        seen[one["finding"], target] += 1
    return seen


def differences(wanted, seen):
    lines = [f"not found: {kind} {path}" for kind, path in (wanted - seen)]
    lines += [f"found and not done: {kind} {path}" for kind, path in (seen - wanted)]
    return lines


def damaged(world, rate, seed):
    time.sleep(2)  # Versions have whole seconds.
    world.run(*f"sim damage --inspect {world.ready['inspect']} --kinds all --rate {rate} --seed {seed}".split(),
              "--answers", "answers.jsonl")
    lines = (world.folder / "answers.jsonl").read_text().splitlines()
    answers = [json.loads(line) for line in lines]
    kinds = collections.Counter(line["kind"] for line in answers)
    print("  damaged:", ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())))
    return answers


def opened(world):
    """All open findings, from the list that a verify writes."""
    return world.run("verify", world.job, "--depth", "bytes", "--list", "findings.jsonl", codes=(0, 6))


def findings(world):
    report = opened(world)
    path = world.folder / "findings.jsonl"
    report["open"] = [json.loads(line) for line in path.read_text().splitlines()]
    return report


def lands(world, args):
    report = world.run("run", world.job)
    check(report["complete"], "the run is not complete")


def is_found(world, args):
    answers = damaged(world, args.rate, args.seed)
    report = findings(world)
    counted = {kind: number for kind, number in report["findings"].items() if number}
    print("  found:", counted, "requests", report["requests"])
    wrong = differences(expected(answers), found(report))
    check(not wrong, "\n    ".join([f"{len(wrong)} differences", *wrong[:20]]))
    check(report["unknown"] == 0, f"{report['unknown']} unknown")
    late = sum(line["expect"] == "rewritten" for line in answers)
    print(f"  rewritten late and shown to be the same: {report['rewritten']} of {late}")
    check(report["rewritten"] == late, "what was rewritten late was not shown to be the same")
    check(sum(report["findings"].values()) == sum(expected(answers).values()), "the counts are not those of the list")
    (world.folder / "kept.json").write_text(json.dumps(answers))


def is_repaired(world, args):
    answers = json.loads((world.folder / "kept.json").read_text())
    # 6: what people did, and doubles, are left open.
    report = world.run("repair", world.job, codes=(6,))
    mendable = [line for line in answers if line["repairable"] and line["expect"] != "rewritten"]
    print(f"  repair: plan {report['plan']['acts']} acts, {report['plan']['requests']} requests, "
          f"{report['plan']['bytes']} bytes; mended {report['mended']}, failed {report['failed']}")
    check(report["failed"] == 0, f"{report['failed']} not mended: {report['files'][:3]}")
    check(report["mended"] == len(mendable), f"{report['mended']} mended of {len(mendable)}")
    again = world.run("repair", world.job, codes=(6,))
    check(again["plan"]["acts"] == 0, "a second repair would do something")
    left = findings(world)
    wanted = expected([line for line in answers if not line["repairable"]])
    wrong = differences(wanted, found(left))
    check(not wrong, "\n    ".join(["after repair", *wrong[:20]]))


def is_accepted(world, args):
    report = world.run("accept", world.job, "**")
    check(report["failed"] == 0, f"not accepted: {report['files'][:3]}")
    report = findings(world)
    check(report["clean"], f"not clean after accept: {report['findings']} unknown {report['unknown']}")
    run = world.run("run", world.job)
    check(run["complete"], "the job is no longer complete")


def graph(world, method, path, body=None):
    """One request of a plain client: the answer's bytes."""
    env, tenant = world.ready["env"], world.ready["env"]["AZURE_TENANT_ID"]
    words = {"grant_type": "client_credentials", "client_id": env["AZURE_CLIENT_ID"],
             "client_secret": env["AZURE_CLIENT_SECRET"], "scope": "https://graph.microsoft.com/.default"}
    login = urllib.request.Request(f"{world.ready['login']}/{tenant}/oauth2/v2.0/token",
                                   data=urllib.parse.urlencode(words).encode())
    with urllib.request.urlopen(login) as answer:
        token = json.load(answer)["access_token"]
    request = urllib.request.Request(world.ready["graph"] + path, data=body, method=method)
    request.add_unredirected_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/octet-stream")
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def is_not_fooled(world, args):
    if args.scenario != "office":
        print("  no documents here")
        return
    site = json.loads(graph(world, "GET", "/sites/contoso.sharepoint.com:/sites/Archive"))
    drives = json.loads(graph(world, "GET", f"/sites/{site['id']}/drives"))["value"]
    drive = next(drive["id"] for drive in drives if drive["name"] == "Documents")
    world.run("manifest", world.job, "--out", "held.jsonl", codes=(0, 1))
    held = [json.loads(line) for line in (world.folder / "held.jsonl").read_text().splitlines()]
    documents = [line for line in held if line.get("path", "").endswith(".docx") and "held" in line][:3]
    check(len(documents) == 3, "there are no three documents that the library rewrote")
    place = {line["path"]: f"/drives/{drive}/items/{line['id']}/content" for line in documents}
    whole = graph(world, "GET", place[documents[0]["path"]])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    owned = ("docProps/", "customXml/", "_rels/", "[Content_Types].xml", "word/_rels/")
    changed = next((name for name in members if name.startswith("word/media/")),
                   max((name for name in members if not name.startswith(owned)), key=lambda name: len(members[name])))
    content = members[changed]
    forged = {**members, changed: content[:-1] + bytes([content[-1] ^ 1])}
    hostile = (zipped(forged), zipped({**members, "word/media/bomb.png": bytes(256 << 20)}),
               zipped({**members, "../../../etc/climbed": b"?"}))
    for line, bytes_there in zip(documents, hostile):
        graph(world, "PUT", place[line["path"]], bytes_there)
    report = world.run("verify", world.job, "--list", "hostile.jsonl", codes=(0, 6))
    lines = [json.loads(line) for line in (world.folder / "hostile.jsonl").read_text().splitlines()]
    for line in lines:
        print(f"  {line['finding']}: {line['path']}: {line['words']}")
    check({line["path"] for line in lines} == set(place), f"found {report['findings']}")
    check(any(changed in line["words"] for line in lines), f"the changed member {changed} is not named")
    mended = world.run("repair", world.job)
    check((mended["mended"], mended["failed"]) == (3, 0), f"{mended['mended']} mended, {mended['failed']} failed")
    report = findings(world)
    check(report["clean"], f"not clean after the repair: {report['findings']}")


def outside(world, *command, folder="."):
    """A program of somebody else's."""
    done = subprocess.run(command, cwd=world.folder / folder, capture_output=True, timeout=PATIENCE)
    check(done.returncode == 0, f"`{' '.join(command)}`: {(done.stdout + done.stderr).decode(errors='replace')[-500:]}")


def outsiders_agree(world, args):
    drill = world.run("drill", world.job, "--sample", "20")
    print("  drill:", {name: drill[name] for name in ("files", "equal", "different") if name in drill})
    world.run("manifest", "key", "secret.key")
    # 1: what people deleted, and somebody accepted, is not there and not in the manifest.
    world.run("manifest", world.job, "--out", "m.jsonl", "--key", "secret.key", "--sums", "SHA256SUMS", codes=(0, 1))
    outside(world, "minisign", "-Vm", "m.jsonl", "-p", "secret.key.pub")
    world.run("manifest", "check", "m.jsonl", "--key", "secret.key.pub", "--job", world.job)
    world.run("restore", world.job, "back", codes=(0, 1))
    outside(world, "sha256sum", "--quiet", "-c", "../SHA256SUMS", folder="back")
    lines = (world.folder / "m.jsonl").read_text().splitlines(keepends=True)
    line = lines[len(lines) // 2]
    (world.folder / "forged.jsonl").write_text("".join(lines).replace(line, line.replace('"size":', '"size":1', 1), 1))
    shutil.copy(world.folder / "m.jsonl.minisig", world.folder / "forged.jsonl.minisig")
    forged = subprocess.run([world.binary, "manifest", "check", "forged.jsonl"], cwd=world.folder, env=environment(),
                            capture_output=True, timeout=PATIENCE)
    check(forged.returncode != 0, "a forged line was taken")


def is_reported(world, args):
    report = world.run("report", world.job, codes=(0, 1, 6))
    status = world.run("status", world.job, codes=(0, 1))
    proven, success = report["totals"]["proven"]["files"], status["states"]["SUCCESS"]["files"] if isinstance(
        status["states"]["SUCCESS"], dict) else status["states"]["SUCCESS"]
    check(proven == success, f"the report says {proven}, the ledger {success}")
    check(report["totals"]["all"]["files"] == status["files"], "the report and the ledger count other files")
    print(f"  report: {proven} of {report['totals']['all']['files']} proven")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("landfall")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rate", default="5%")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scenario", default="office", choices=("office", "voices"))
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    binary = str(Path(args.landfall).resolve())
    folder = Path(tempfile.mkdtemp(prefix="landfall-lasting-"))
    world = World(binary, folder, args)
    passed, failed = 0, 0
    try:
        for step in (lands, is_found, is_repaired, is_accepted, is_not_fooled, outsiders_agree, is_reported):
            try:
                print(step.__name__.replace("_", " "), flush=True)
                step(world, args)
                passed += 1
            except (Failed, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError) as error:
                print(f"FAILED {step.__name__}: {error if isinstance(error, Failed) else repr(error)}")
                failed += 1
                break
    finally:
        world.close()
    print(f"{passed} passed, {failed} failed")
    if not args.keep and not failed:
        shutil.rmtree(folder)
    else:
        print(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
