//! `landfall manifest`: other people's programs judge what is written, and a check finds what was altered.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{Bench, Served};

const NAMES: [&str; 6] =
    ["会議/録音.wav", "会議 2/一.wav", "会議/%0A 百%.wav", "改\n行.wav", "円\\記号.wav", "a/b/c.txt"];

fn bench() -> Bench {
    let bench = Bench::new();
    for name in NAMES {
        let path = bench.path("data").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{name} の中身")).unwrap();
    }
    bench.write(
        "landfall.toml",
        "[jobs.backup]\nsource = { kind = \"folder\", path = \"data\" }\ndestination = { kind = \"folder\", path = \"copy\" }\n",
    );
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    bench
}

/// Some other program in the bench's folder.
#[track_caller]
fn other(bench: &Bench, folder: &str, program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.current_dir(bench.path(folder)).args(args).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{program}, which judges our files: {error}"))
}

#[track_caller]
fn passes(output: &Output) -> String {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// One statement to the ledger, by a program that is not ours.
#[track_caller]
fn sql(bench: &Bench, statement: &str) {
    let script = "import sqlite3, sys\nbase = sqlite3.connect('landfall.db')\nprint(base.execute(sys.argv[1]).rowcount)\nbase.commit()";
    let output = bench.python(script).arg(statement).output().unwrap();
    assert!(
        output.status.success() && output.stdout != b"0\n",
        "{statement}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The rules of RFC 8493, read by code that shares nothing with the writer.
const BAG: &str = r"
import hashlib, pathlib, re, sys
bag = pathlib.Path(sys.argv[1])
assert (bag / 'bagit.txt').read_text() == 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n'
def lines(name):
    for line in (bag / name).read_bytes().decode().split('\n')[:-1]:
        digest, path = line.split('  ', 1)
        yield digest, re.sub('%(0A|0D|25)', lambda found: chr(int(found[1], 16)), path)
listed = set()
for digest, path in list(lines('manifest-sha256.txt')) + list(lines('tagmanifest-sha256.txt')):
    assert hashlib.sha256((bag / path).read_bytes()).hexdigest() == digest, path
    listed.add(path)
there = {str(p.relative_to(bag)) for p in (bag / 'data').rglob('*') if p.is_file()}
assert there == {path for path in listed if path.startswith('data/')}, there
size = sum((bag / path).stat().st_size for path in there)
assert f'Payload-Oxum: {size}.{len(there)}' in (bag / 'bag-info.txt').read_text().splitlines()
";

#[test]
fn minisign_sha256sum_openssl_and_a_reader_of_bags_accept_what_is_written() {
    let bench = bench();
    let made = bench.landfall(&["manifest", "key", "鍵", "--json"]).json();
    assert_eq!(made["password"], false);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(bench.path("鍵")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
    let words = [
        "manifest",
        "backup",
        "--out",
        "目録",
        "--key",
        "鍵",
        "--sums",
        "SHA256SUMS",
        "--bag",
        "bag",
        "--tsq",
        "tsq",
    ];
    let written = bench.landfall(&[&words[..], &["--json"]].concat());
    assert_eq!(written.code, 0, "{}", written.stderr);
    let written = written.json();
    assert_eq!((&written["files"], &written["with_sha256"]), (&6.into(), &6.into()));
    assert_eq!((&written["unproven"], &written["skipped"]), (&0.into(), &0.into()));

    let said = passes(&other(&bench, ".", "minisign", &["-V", "-H", "-p", "鍵.pub", "-m", "目録"]));
    assert!(
        said.contains("landfall manifest of backup, 6 files")
            && said.contains(written["chain"]["link"].as_str().unwrap()),
        "{said}"
    );
    let said = passes(&other(&bench, "copy", "sha256sum", &["-c", "--strict", "../SHA256SUMS"]));
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 6, "{said}");
    assert!(!bench.path("SHA256SUMS.without-sha256.txt").exists());
    std::fs::rename(bench.path("copy"), bench.path("bag/data")).unwrap();
    passes(&bench.python(BAG).arg("bag").output().unwrap());
    let said = passes(&other(&bench, ".", "openssl", &["ts", "-query", "-in", "tsq", "-text"]));
    let imprint = passes(&other(&bench, ".", "sha256sum", &["目録.minisig"]));
    let dumped: String = said
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .map(|(_, hex)| hex.get(..48).unwrap_or(hex))
        .collect();
    let dumped: String = dumped.chars().filter(char::is_ascii_hexdigit).collect();
    assert!(dumped.starts_with(&imprint[..64]), "{said}\n{imprint}");

    // Lines are in the order of whole paths, which is not that of folders and names.
    let text = bench.read("目録");
    let paths: Vec<String> = text
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].as_str().map(str::to_owned)
        })
        .collect();
    let mut due: Vec<&str> = NAMES.to_vec();
    due.sort_unstable();
    assert_eq!(paths, due);
    // Evidence is never written over.
    assert_eq!(bench.landfall(&words).code, 2);
    assert_eq!(bench.landfall(&["manifest", "key", "鍵"]).code, 2);
    assert_eq!(bench.read("目録"), text);
}

#[test]
fn a_key_under_a_password_needs_it_and_minisign_takes_it_too() {
    let bench = bench();
    let with = |args: &[&str], password: &str| {
        let output = bench.command(args).env("LANDFALL_KEY_PASSWORD", password).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(with(&["manifest", "key", "k"], "合言葉").0, 0);
    for wrong in ["違う", ""] {
        let (code, said) = with(&["manifest", "backup", "--out", "m", "--key", "k"], wrong);
        assert!(code == 2 && said.contains("LANDFALL_KEY_PASSWORD"), "{code} {said}");
    }
    assert!(!bench.path("m").exists());
    assert_eq!(with(&["manifest", "backup", "--out", "m", "--key", "k"], "合言葉").0, 0);
    passes(&other(&bench, ".", "minisign", &["-V", "-p", "k.pub", "-m", "m"]));
    let mut child = Command::new("minisign")
        .args(["-S", "-s", "k", "-m", "landfall.toml"])
        .current_dir(bench.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("合言葉\n".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_check_finds_a_changed_line_a_wrong_key_and_a_missing_signature() {
    let bench = bench();
    bench.landfall(&["manifest", "key", "k"]);
    bench.landfall(&["manifest", "key", "k2"]);
    assert_eq!(bench.landfall(&["manifest", "backup", "--out", "m", "--key", "k"]).code, 0);
    let good = bench.landfall(&["manifest", "check", "m", "--key", "k.pub", "--json"]);
    assert_eq!(good.code, 0, "{}", good.stdout);
    let good = good.json();
    assert_eq!(
        (&good["signature"], &good["chain"]["holds"], &good["form"]["files"]),
        (&"fits".into(), &true.into(), &6.into())
    );
    // The line of a key will do; what nobody asked for is said to be unasked.
    let line = bench.read("k.pub").lines().nth(1).unwrap().to_owned();
    assert_eq!(bench.landfall(&["manifest", "check", "m", "--key", &line]).code, 0);
    assert_eq!(bench.landfall(&["manifest", "check", "m", "--json"]).json()["signature"], "unasked");
    let unasked = bench.landfall(&["manifest", "check", "m"]);
    assert!(unasked.stdout.contains("m.minisig is there"), "{}", unasked.stdout);
    assert!(unasked.stdout.contains("`landfall manifest check m --key PUBLIC`"), "{}", unasked.stdout);

    let other = bench.landfall(&["manifest", "check", "m", "--key", "k2.pub", "--json"]);
    assert_eq!((other.code, &other.json()["signature"]), (6, &"wrong".into()));
    let text = bench.read("m");
    bench.write("m", &text.replacen("\"size\":", "\"size\":1", 1));
    let changed = bench.landfall(&["manifest", "check", "m", "--key", "k.pub", "--json"]);
    assert_eq!(changed.code, 6);
    let changed = changed.json();
    assert_eq!((&changed["signature"], &changed["form"]["line"]), (&"wrong".into(), &2.into()));
    // Whoever makes the form fit again is found by the signature alone, and one without any shows nothing of that.
    bench.write("m", &text);
    std::fs::remove_file(bench.path("m.minisig")).unwrap();
    assert_eq!(bench.landfall(&["manifest", "check", "m", "--key", "k.pub"]).code, 6);
    for damaged in ["", &text[..text.len() / 2], "PK\u{3}\u{4}"] {
        bench.write("m", damaged);
        let found = bench.landfall(&["manifest", "check", "m", "--json"]);
        assert_eq!((found.code, &found.json()["form"]["holds"]), (6, &false.into()));
    }
    assert_eq!(bench.landfall(&["manifest", "check", "ない"]).code, 2);
}

#[test]
fn one_changed_event_breaks_the_chain_before_the_head_that_was_given_out() {
    let bench = bench();
    assert_eq!(bench.landfall(&["manifest", "backup", "--out", "一"]).code, 0);
    // More events after it, and a second head that is walked on from the first.
    bench.write("data/新.wav", "新");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let second = bench.landfall(&["manifest", "backup", "--out", "二", "--json"]).json();
    for name in ["一", "二"] {
        let held = bench.landfall(&["manifest", "check", name, "--json"]).json();
        assert_eq!(
            (&held["chain"]["holds"], &held["chain"]["events"]),
            (&true.into(), &second["chain"]["seq"]),
            "{name}"
        );
    }
    for statement in [
        "UPDATE event SET at = at + 1 WHERE seq = 2",
        "UPDATE event SET comment = 'x' WHERE seq = 3",
        "DELETE FROM event WHERE seq = (SELECT MAX(seq) FROM event)",
    ] {
        let whole = std::fs::read(bench.path("landfall.db")).unwrap();
        sql(&bench, statement);
        let found = bench.landfall(&["manifest", "check", "二", "--json"]);
        assert_eq!(found.code, 6, "{statement}");
        assert_eq!(found.json()["chain"]["holds"], false, "{statement}");
        let shown = bench.landfall(&["manifest", "check", "二"]);
        assert!(shown.stdout.contains("Chain: BROKEN"), "{statement}: {}", shown.stdout);
        std::fs::write(bench.path("landfall.db"), whole).unwrap();
    }
    // The first head lies before what was altered last, and still tells where it must have been.
    sql(&bench, "UPDATE event SET at = at + 1 WHERE seq = (SELECT MAX(seq) FROM event)");
    let found = bench.landfall(&["manifest", "check", "一", "--json"]).json();
    let first: serde_json::Value = serde_json::from_str(bench.read("一").lines().next().unwrap()).unwrap();
    assert_eq!(found["chain"]["from"].as_u64(), first["about"]["chain"]["seq"].as_u64().map(|seq| seq + 1));
    assert_eq!(found["chain"]["to"], second["chain"]["seq"]);
}

#[test]
fn a_check_names_every_line_that_ledger_or_destination_no_longer_bear_out() {
    let served = Served::start(&["--files", "120", "--seed", "7"]);
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["run", "voices"]).code, 0);
    let made = bench.landfall(&["manifest", "voices", "--out", "m", "--json"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(bench.read("m").contains("\"created_by\":\""), "who made a file stands in its line");
    let header: serde_json::Value = serde_json::from_str(bench.read("m").lines().next().unwrap()).unwrap();
    assert!(!["", "unknown"].contains(&header["about"]["tenant"].as_str().unwrap()), "{header}");
    // What stands for the configuration is made again by a reader that is not ours.
    let script = r#"import hashlib,json,tomllib; t=tomllib.load(open("landfall.toml","rb"))["jobs"]["voices"]; print(hashlib.sha256(json.dumps(t,sort_keys=True,separators=(",",":"),ensure_ascii=False).encode()).hexdigest(), end="")"#;
    let theirs = bench.python(script).output().unwrap();
    assert_eq!(header["about"]["configuration"].as_str().unwrap().as_bytes(), theirs.stdout);
    served.reset();
    let held = bench.landfall(&["manifest", "check", "m", "--job", "voices", "--json"]);
    assert_eq!(held.code, 0, "{}", held.stdout);
    let held = held.json();
    assert_eq!((&held["lines"]["held"], &held["same_configuration"]), (&120.into(), &true.into()));
    let asked = served.requests()["total"].as_u64().unwrap();
    assert!((1..=12).contains(&asked), "{}", served.requests());

    // The list fits what a restore brings back.
    assert_eq!(bench.landfall(&["manifest", "voices", "--out", "m2", "--sums", "SHA256SUMS"]).code, 0);
    assert_eq!(bench.landfall(&["restore", "voices", "back"]).code, 0);
    let said = passes(&other(bench, "back", "sha256sum", &["-c", "--strict", "../SHA256SUMS"]));
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 120, "{said}");

    let damaged = bench.landfall(&[
        "sim",
        "damage",
        "--inspect",
        &served.inspect(),
        "--kinds",
        "deleted,flipped",
        "--rate",
        "5%",
        "--seed",
        "3",
        "--answers",
        "answers.jsonl",
    ]);
    assert_eq!(damaged.code, 0, "{}", damaged.stderr);
    let answers = bench.read("answers.jsonl").lines().count() as u64;
    let found = bench.landfall(&["manifest", "check", "m", "--job", "voices", "--json"]);
    assert_eq!(found.code, 6, "{}", found.stdout);
    assert!(answers > 0);
    assert_eq!(found.json()["lines"]["lapsed"], answers, "{}\n{}", found.stdout, bench.read("answers.jsonl"));
    assert_eq!(bench.landfall(&["manifest", "check", "m", "--job", "ない"]).code, 2);
}

#[test]
fn what_was_skipped_or_failed_is_counted_in_the_header_and_what_vanished_at_the_source_is_listed() {
    let bench = bench();
    std::fs::remove_dir_all(bench.path("data/会議")).unwrap();
    bench.write("data/円\\記号.wav", "新しい中身");
    let config = bench.read("landfall.toml") + "exclude = [\"*.txt\"]\n";
    bench.write("landfall.toml", &config);
    assert_eq!(bench.landfall(&["run", "backup"]).code, 1);
    let made = bench.landfall(&["manifest", "backup", "--out", "m", "--json"]);
    assert_eq!(made.code, 1, "{}", made.stderr);
    let made = made.json();
    assert_eq!((&made["files"], &made["skipped"]), (&6.into(), &1.into()), "{made}");
    let text = bench.read("m");
    assert!(text.contains("会議/録音.wav"), "{text}");
    let held = bench.landfall(&["manifest", "check", "m", "--job", "backup", "--json"]).json();
    assert_eq!((&held["exit"], &held["lines"]["compared"]), (&0.into(), &6.into()), "{held}");
    // A folder publishes no digest: only the size was compared, and that is said.
    assert_eq!(held["lines"]["same_size"], 6);
    std::fs::remove_file(bench.path("copy").join(Path::new("会議/録音.wav"))).unwrap();
    let found = bench.landfall(&["manifest", "check", "m", "--job", "backup", "--json"]).json();
    assert_eq!(found["lines"]["named"], serde_json::json!([{ "path": "会議/録音.wav", "lapse": "absent" }]));
}
