//! Sealed snapshots of the ledger: the machine is lost with everything on it, and the destination gives the ledger
//! back to whoever has the configuration and the key.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Bench, Served, ServedArchive, wait_until};

const PLACE: &str = ".landfall-ledger";

/// A remote of the type crypt under a password.
fn key(password: &str) -> String {
    let hidden = landfall_seal::obscure(password.as_bytes(), [7; 16]);
    format!("[secret]\ntype = crypt\nremote = /x\npassword = {hidden}\ndirectory_name_encryption = false\n")
}

/// The head of a configuration that sends them into a folder.
fn ledger(folder: &str) -> String {
    format!(
        "[ledger]\nsnapshot_to = \"{folder}\"\nsnapshot_every = \"1ms\"\nsnapshots = 3\n\
         seal = {{ kind = \"rclone-crypt\", config = \"rclone.conf\", remote = \"secret\" }}\n"
    )
}

/// Two files that go from one folder to another.
fn folders(ledger: &str) -> Bench {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("data/録音")).unwrap();
    bench.write("data/録音/一.wav", "一");
    bench.write("data/録音/二.wav", "二");
    bench.write("rclone.conf", &key("合言葉"));
    let jobs = "[jobs.backup]\nsource = { kind = \"folder\", path = \"data\" }\ndestination = { kind = \"folder\", path = \"copy\" }\n";
    bench.write("landfall.toml", &format!("{ledger}{jobs}"));
    bench
}

/// What lies in a folder of a bench, by name; a missing one holds nothing.
fn lies(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Everything on the machine but configuration, variables and keys is gone.
fn lose(bench: &Bench) {
    for path in lies(bench.path("").as_path()) {
        if path.file_name().unwrap().to_str().unwrap().starts_with("landfall.db") {
            fs::remove_file(path).unwrap();
        }
    }
    fs::remove_dir_all(bench.path(".landfall")).unwrap();
}

/// The chain's head as a manifest gives it out, with its number.
fn head(bench: &Bench, job: &str) -> Value {
    let name = (0..).map(|number| format!("m{number}")).find(|name| !bench.path(name).exists()).unwrap();
    let made = bench.landfall(&["manifest", job, "--out", &name]);
    assert!(matches!(made.code, 0 | 1), "{}", made.stderr);
    let header: Value = serde_json::from_str(bench.read(&name).lines().next().unwrap()).unwrap();
    let chain = header["about"]["chain"].clone();
    assert!(chain.is_object(), "{header}");
    chain
}

fn listed(bench: &Bench, job: &str) -> Vec<Value> {
    let listed = bench.landfall(&["ledger", "snapshots", job, "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    listed.json()["snapshots"].as_array().unwrap().clone()
}

/// A clean verify that meets nothing foreign.
#[track_caller]
fn verifies(bench: &Bench, words: &[&str], files: u64) {
    let seen = bench.landfall(&[&["verify"], words, &["--json"]].concat());
    assert_eq!(seen.code, 0, "{}\n{}", seen.stdout, seen.stderr);
    let seen = seen.json();
    assert!(seen["findings"].as_object().unwrap().values().all(|number| *number == 0), "{seen}");
    assert_eq!((&seen["clean"], &seen["checked"]), (&Value::Bool(true), &files.into()), "{seen}");
}

#[test]
fn a_folder_gives_the_lost_ledger_back_and_no_verify_meets_its_snapshots() {
    let bench = folders(&ledger(PLACE));
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let before = head(&bench, "backup");
    let sealed = lies(&bench.path("copy").join(PLACE));
    assert_eq!(sealed.len(), 1);
    let bytes = fs::read(&sealed[0]).unwrap();
    assert!(bytes.starts_with(b"RCLONE\0\0"), "it is sealed");
    let name = sealed[0].file_name().unwrap().to_str().unwrap();
    assert!(!name.contains("ledger") && !name.contains("backup"), "{name}");
    assert!(
        lies(&bench.path(".landfall/backup/outgoing")).is_empty(),
        "nothing plain or sealed stays behind"
    );
    verifies(&bench, &["backup", "--depth", "bytes"], 2);
    assert_eq!(listed(&bench, "backup").len(), 2, "a verify renews dates");

    lose(&bench);
    let restored = bench.landfall(&["ledger", "restore", "--from", "backup", "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert_eq!(restored.json()["jobs"], serde_json::json!(["backup"]));
    assert_eq!(head(&bench, "backup"), before);
    verifies(&bench, &["backup"], 2);
}

#[test]
fn so_many_are_kept_and_an_older_one_comes_back_where_it_is_asked_for() {
    let bench = folders(&ledger(PLACE));
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    for name in ["三", "四", "五"] {
        bench.write(&format!("data/録音/{name}.wav"), name);
        assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    }
    let kept = listed(&bench, "backup");
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert_eq!(lies(&bench.path("copy").join(PLACE)).len(), 3);
    // A run that changed nothing sends nothing.
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    assert_eq!(listed(&bench, "backup"), kept);
    let at = kept[1]["at"].as_str().unwrap();
    let refused = bench.landfall(&["ledger", "restore", "--from", "backup", "--at", at]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    let back = ["ledger", "restore", "--from", "backup", "--at", at, "--force", "--json"];
    let forced = bench.landfall(&back);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    assert_eq!(forced.json()["from"], kept[1]["name"]);
    assert_eq!(bench.landfall(&["status", "backup", "--json"]).json()["states"]["SUCCESS"], 4);
    assert!(
        lies(bench.path("").as_path()).iter().all(|path| !path.display().to_string().contains(".opened"))
    );
}

#[test]
fn a_wrong_key_and_damaged_snapshots_leave_the_present_ledger_alone() {
    let bench = folders(&ledger(PLACE));
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let object = lies(&bench.path("copy").join(PLACE)).pop().unwrap();
    let sealed = fs::read(&object).unwrap();
    let restore = ["ledger", "restore", "--from", "backup", "--force", "--json"];
    let refused = |code: i32, error: &str| {
        let whole = fs::read(bench.path("landfall.db")).unwrap();
        let output = bench.landfall(&restore);
        assert_eq!(
            (output.code, &output.json()["error"]["code"]),
            (code, &Value::from(error)),
            "{}",
            output.stderr
        );
        assert!(fs::read(bench.path("landfall.db")).unwrap() == whole, "{error}: the ledger was touched");
        let left = lies(bench.path("").as_path());
        let strange = |path: &&PathBuf| {
            path.to_string_lossy().contains("before-") || path.to_string_lossy().contains("opened")
        };
        assert_eq!(left.iter().find(strange), None);
        output.stderr
    };
    bench.write("rclone.conf", &key("別の鍵"));
    refused(3, "LF0214");
    let sends = bench.landfall(&["run", "backup"]);
    assert_eq!(sends.code, 2, "another key would mix what lies there: {}", sends.stderr);
    bench.write("rclone.conf", &key("合言葉"));

    let mut flipped = sealed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&object, &flipped).unwrap();
    assert!(refused(8, "LF0502").contains("--at"));
    // Within a block, between two blocks, within the header, and nothing at all.
    for cut in [sealed.len() - 7, 32 + 65552, 20, 0] {
        fs::write(&object, &sealed[..cut]).unwrap();
        refused(8, "LF0502");
    }
    fs::write(&object, &sealed).unwrap();
    assert_eq!(bench.landfall(&restore).code, 0);
}

#[test]
fn without_a_seal_or_a_folder_of_their_own_nothing_is_done() {
    let bench = folders("");
    let to = |folder: &str| bench.landfall(&["run", "backup", "--snapshot-to", folder, "--json"]);
    let no_seal = to(PLACE);
    assert_eq!(
        (no_seal.code, &no_seal.json()["error"]["code"]),
        (2, &Value::from("LF0110")),
        "{}",
        no_seal.stderr
    );
    assert!(no_seal.json()["error"]["next"].as_str().unwrap().contains("seal = {"), "{}", no_seal.stdout);
    let sealed = "seal = { kind = \"rclone-crypt\", config = \"rclone.conf\", remote = \"secret\" }\n";
    let text = bench.read("landfall.toml");
    bench.write("landfall.toml", &format!("[ledger]\nsnapshots = 0\n{sealed}{text}"));
    assert_eq!(to(PLACE).code, 2);
    bench.write("landfall.toml", &format!("[ledger]\nurl = \"postgres://host/landfall\"\n{sealed}{text}"));
    let server = to(PLACE);
    assert!(server.code == 2 && server.stderr.contains("tools of its own"), "{}", server.stderr);
    bench.write("landfall.toml", &format!("[ledger]\n{sealed}{text}"));
    for folder in ["", "/", "a/../b"] {
        assert_eq!(to(folder).code, 2, "{folder:?}");
    }
    assert!(!bench.path("copy").exists() && !bench.path("landfall.db").exists(), "nothing was done");
    // Where files lie already, also those of the job itself.
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let own = to("録音");
    assert_eq!((own.code, &own.json()["error"]["code"]), (2, &Value::from("LF0102")), "{}", own.stderr);
    verifies(&bench, &["backup"], 2);
    // A plan sends nothing.
    assert_eq!(bench.landfall(&["run", "backup", "-n", "--snapshot-to", PLACE]).code, 0);
    assert!(!bench.path("copy").join(PLACE).exists());
    assert_eq!(to(PLACE).code, 0);
    assert_eq!(lies(&bench.path("copy").join(PLACE)).len(), 1);
    // The folder stays out of the job's sight when nobody says it again, and the job's files out of the folder.
    verifies(&bench, &["backup"], 2);
    fs::create_dir_all(bench.path("data").join(PLACE)).unwrap();
    bench.write(&format!("data/{PLACE}/三.wav"), "三");
    let run = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!((run.code, &run.json()["states"]["SUCCESS"]), (1, &Value::from(2)), "{}", run.stdout);
    assert_eq!(lies(&bench.path("copy").join(PLACE)).len(), 1);
    let from = bench.landfall(&["ledger", "restore", "--from", "backup"]);
    assert_eq!(from.code, 2, "the configuration names no folder: {}", from.stderr);
    assert_eq!(
        bench.landfall(&["ledger", "restore", "--from", "backup", "--snapshot-to", PLACE, "--force"]).code,
        0
    );
}

#[test]
fn an_earlier_ledgers_snapshots_are_named_and_never_taken_away() {
    let bench = folders(&ledger(PLACE));
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let old = listed(&bench, "backup");
    lose(&bench);
    let anew = bench.landfall(&["run", "backup"]);
    assert_eq!(anew.code, 0, "{}", anew.stderr);
    assert!(anew.stderr.contains("ledger restore --from backup"), "{}", anew.stderr);
    for name in ["三", "四", "五", "六"] {
        bench.write(&format!("data/録音/{name}.wav"), name);
        let run = bench.landfall(&["run", "backup"]);
        assert!(run.code == 0 && !run.stderr.contains("restore"), "{}", run.stderr);
    }
    let now = listed(&bench, "backup");
    assert_eq!((now.len(), &now[0]), (4, &old[0]), "three of its own, and what was there before");
}

#[test]
fn a_folder_that_a_job_fills_is_refused_even_by_those_who_only_look() {
    let served = library(&["--files", "5"], "Voices");
    for words in [&["plan", "voices"][..], &["run", "voices"], &["ledger", "snapshots", "voices"]] {
        let refused = served.bench.landfall(words);
        assert_eq!(refused.code, 2, "{words:?}: {}", refused.stderr);
    }
    assert_eq!(served.requests()["total"], 0);
}

/// A simulated library with sealed snapshots in a folder.
fn library(args: &[&str], folder: &str) -> Served {
    let served = Served::start(args);
    served.bench.write("rclone.conf", &key("合言葉"));
    let text = served.bench.read("landfall.toml").replacen("[ledger]\n", &ledger(folder), 1);
    served.bench.write("landfall.toml", &text);
    served
}

#[test]
fn a_library_gives_the_lost_ledger_back() {
    let served = library(&["--files", "150", "--faults", "mild", "--seed", "4"], PLACE);
    let bench = &served.bench;
    let run = bench.landfall(&["run", "voices"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let before = head(bench, "voices");
    served.assert_clean("voices");
    assert_eq!(listed(bench, "voices").len(), 1);
    lose(bench);
    served.reset();
    let restored = bench.landfall(&["ledger", "restore", "--from", "voices"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert_eq!(served.requests()["writes"], 0);
    assert_eq!(head(bench, "voices"), before);
    verifies(bench, &["voices", "--depth", "hash"], 150);
    served.assert_clean("voices");
    // Old ones go, to the recycle bin.
    for _ in 0..4 {
        verifies(bench, &["voices"], 150);
    }
    assert_eq!(listed(bench, "voices").len(), 3);
    served.assert_clean("voices");
}

#[test]
fn snapshots_within_the_jobs_own_folder_are_nobodys_business() {
    let served = library(&["--files", "60", "--seed", "5"], "Voices/控え");
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["run", "voices"]).code, 0);
    assert_eq!(listed(bench, "voices").len(), 1);
    verifies(bench, &["voices", "--depth", "hash"], 60);
    let mirror = bench.landfall(&["run", "voices", "--mirror", "--max-delete", "100", "--json"]);
    assert_eq!(mirror.code, 0, "{}", mirror.stderr);
    let all = listed(bench, "voices");
    assert!(all.len() >= 2, "{all:?}");
    lose(bench);
    // Adopting binds what lies there to the source, and the snapshots are not of it.
    let adopted = bench.landfall(&["ledger", "adopt", "voices", "--json"]);
    assert_eq!((adopted.code, &adopted.json()["proven"]), (0, &Value::from(60)), "{}", adopted.stderr);
    assert_eq!(listed(bench, "voices"), all, "what adopting knows is worth less than what lies there");
}

#[test]
fn a_kill_while_a_snapshot_leaves_is_gone_on_from() {
    let served = library(&["--files", "40", "--latency", "300ms", "--seed", "6"], PLACE);
    let bench = &served.bench;
    let mut child = bench.start(&["run", "voices"]);
    let there = || {
        let tree = served.ask("GET", "tree?drive=Documents", "");
        tree["items"].as_array().unwrap().iter().any(|item| item["path"] == format!("/{PLACE}"))
    };
    // The folder is made right before its first object is sent, in three more requests.
    wait_until("the folder of snapshots", there);
    child.kill().unwrap();
    child.wait().unwrap();
    let waiting = || fs::exists(bench.path(".landfall/voices/outgoing")).unwrap();
    assert!(waiting(), "it was sealed before anything of it left");
    assert_eq!(listed(bench, "voices").len(), 0);
    let next = bench.landfall(&["status", "voices", "--json"]);
    assert_eq!(next.json()["states"]["SUCCESS"], 40, "{}", next.stdout);
    verifies(bench, &["voices"], 40);
    assert_eq!(listed(bench, "voices").len(), 1);
    assert!(!waiting());
    served.assert_clean("voices");
    lose(bench);
    let restored = bench.landfall(&["ledger", "restore", "--from", "voices"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    verifies(bench, &["voices", "--depth", "hash"], 40);
}

#[test]
fn a_snapshot_that_cannot_be_sent_is_a_warning_and_comes_later() {
    let served = library(&["--files", "20", "--seed", "8"], PLACE);
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["run", "voices", "--limit", "19"]).code, 1);
    assert_eq!(listed(bench, "voices").len(), 1);
    // The session that would send the next one is refused for good, as often as it is opened.
    served.ask(
        "POST",
        "faults",
        r#"{"route":"POST createUploadSession","times":1000,"fault":{"kind":"locked"}}"#,
    );
    let seen = bench.landfall(&["verify", "voices", "--json"]);
    assert!(seen.stderr.contains("no sealed snapshot"), "{}", seen.stderr);
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert_eq!(listed(bench, "voices").len(), 1);
}

#[test]
fn an_archive_gives_its_ledger_back_under_its_own_key() {
    let sim = ServedArchive::start(&["--files", "120", "--seed", "2"]);
    let landfall = |args: &[&str]| sim.bench.landfall(args);
    let to = format!("[ledger]\nsnapshot_to = \"{PLACE}\"\nsnapshot_every = \"1ms\"\nsnapshots = 2\n");
    sim.bench.write("landfall.toml", &sim.toml.replacen("[ledger]\n", &to, 1));
    assert_eq!(landfall(&["verify", "tweets", "--json"]).code, 6);
    let mended = landfall(&["repair", "tweets", "--remove-leaks", "--json"]);
    assert!(matches!(mended.code, 0 | 1), "{}", mended.stderr);
    let run = landfall(&["run", "tweets", "--json"]);
    assert!(matches!(run.code, 0 | 1), "{}", run.stderr);
    let seen = landfall(&["verify", "tweets", "--json"]);
    assert_eq!(
        (seen.code, &seen.json()["clean"]),
        (0, &Value::Bool(true)),
        "{}\n{}",
        seen.stdout,
        seen.stderr
    );
    assert_eq!(listed(&sim.bench, "tweets").len(), 2, "{}", seen.stderr);
    let check = sim.check();
    assert_eq!(check["violated"], serde_json::json!([]), "{check}");
    let states = landfall(&["status", "tweets", "--json"]).json()["states"].clone();
    lose(&sim.bench);
    let restored = landfall(&["ledger", "restore", "--from", "tweets"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert_eq!(landfall(&["status", "tweets", "--json"]).json()["states"], states);
    let again = landfall(&["verify", "tweets", "--json"]);
    assert_eq!((again.code, &again.json()["clean"]), (0, &Value::Bool(true)), "{}", again.stdout);
}
