//! `landfall ledger`: copies and the way back, with the program as a person has it.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Bench, Served};

fn bench(ledger: &str) -> Bench {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("data/録音")).unwrap();
    bench.write("data/録音/一.wav", "一");
    bench.write("data/録音/二.wav", "二");
    let config = format!(
        "[ledger]\n{ledger}\n[jobs.backup]\nsource = {{ kind = \"folder\", path = \"data\" }}\ndestination = {{ kind = \"folder\", path = \"copy\" }}\n"
    );
    bench.write("landfall.toml", &config);
    bench
}

fn snapshots(bench: &Bench) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bench.path(".landfall/snapshots")).into_iter().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn a_backup_comes_back_and_the_next_run_sends_nothing_twice() {
    let bench = bench("snapshots = 0");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let made = bench.landfall(&["ledger", "backup", "backup", "控え.db", "--json"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert_eq!(made.json()["jobs"], serde_json::json!(["backup"]));
    assert_eq!(bench.landfall(&["ledger", "backup", "--all", "控え2.db"]).code, 0);
    bench.write("data/録音/三.wav", "三");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);

    let refused = bench.landfall(&["ledger", "restore", "控え.db"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("backup") && refused.stderr.contains("--force"), "{}", refused.stderr);
    let restored = bench.landfall(&["ledger", "restore", "控え.db", "--force", "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let restored = restored.json();
    assert_eq!(restored["set_back"], serde_json::json!(["backup"]));
    assert!(std::fs::metadata(bench.path(restored["kept"].as_str().unwrap())).unwrap().len() > 0);
    assert_eq!(bench.landfall(&["status", "backup", "--json"]).json()["states"]["SUCCESS"], 2);
    let again = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let again = again.json();
    assert_eq!((&again["states"]["SUCCESS"], &again["via"]["already_there"]), (&3.into(), &1.into()));
    // A ledger that is gone comes back without force.
    std::fs::remove_file(bench.path("landfall.db")).unwrap();
    assert_eq!(bench.landfall(&["ledger", "restore", "控え2.db"]).code, 0);
    assert_eq!(bench.landfall(&["status", "backup", "--json"]).json()["states"]["SUCCESS"], 2);
    assert_eq!(snapshots(&bench).len(), 0);
}

#[test]
fn what_cannot_be_copied_is_refused_with_the_reason() {
    let bench = bench("");
    assert_eq!(bench.landfall(&["ledger", "backup", "backup", "a.db"]).code, 8);
    assert!(!bench.path("landfall.db").exists(), "looking makes no ledger");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let whole = std::fs::read(bench.path("landfall.db")).unwrap();
    for words in [
        &["ledger", "backup", "a.db"][..],
        &["ledger", "backup", "--all", "backup", "a.db"],
        &["ledger", "backup", "ない", "a.db"],
        &["ledger", "backup", "--all", "landfall.db"],
        &["ledger", "restore", "landfall.db"],
    ] {
        assert_eq!(bench.landfall(words).code, 2, "{words:?}");
    }
    bench.write("紙.db", "ただの文");
    assert_eq!(bench.landfall(&["ledger", "restore", "紙.db"]).code, 8);
    assert_eq!(std::fs::read(bench.path("landfall.db")).unwrap(), whole);
    assert!(!bench.path("a.db").exists());
    bench.replace("landfall.toml", "[ledger]", "[ledger]\nurl = \"postgres://user:geheim@host/landfall\"");
    for words in [&["ledger", "backup", "--all", "a.dump"][..], &["ledger", "restore", "a.dump"]] {
        let refused = bench.landfall(words);
        assert!(refused.code == 2 && !refused.stderr.contains("geheim"), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("pg_dump") || refused.stderr.contains("pg_restore"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn each_session_that_changed_something_leaves_a_snapshot_when_it_is_time() {
    let bench = bench("snapshots = 2\nsnapshot_every = \"1ms\"");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    assert_eq!(snapshots(&bench).len(), 1);
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    assert_eq!(snapshots(&bench).len(), 1, "nothing changed");
    // A verify renews dates without an event; names have seconds, so the newest may take the place of the one before.
    assert_eq!(bench.landfall(&["verify", "backup"]).code, 0);
    for name in ["三", "四", "五"] {
        bench.write(&format!("data/録音/{name}.wav"), name);
        assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
        crate::support::pause(1100);
    }
    assert_eq!(snapshots(&bench).len(), 2);
    std::fs::remove_file(bench.path("landfall.db")).unwrap();
    let newest = snapshots(&bench).pop().unwrap();
    assert_eq!(bench.landfall(&["ledger", "restore", newest.to_str().unwrap()]).code, 0);
    assert_eq!(bench.landfall(&["status", "backup", "--json"]).json()["states"]["SUCCESS"], 5);
    bench.replace("landfall.toml", "snapshot_every", "snapshot_every = \"gleich\"");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 2);
}

#[test]
fn a_lost_ledger_is_adopted_from_one_listing_of_each_side() {
    let served = Served::start(&["--files", "2000", "--file-size", "300", "--seed", "3"]);
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["run", "voices"]).code, 0);
    let manifest = |name: &str| {
        assert_eq!(bench.landfall(&["manifest", "voices", "--out", name]).code, 0);
        let text = bench.read(name);
        let lines = text.lines().skip(1).filter_map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["path"].as_str().map(str::to_owned)
        });
        lines.collect::<Vec<String>>()
    };
    let before = manifest("一");
    assert_eq!(before.len(), 2000);
    for name in ["landfall.db", "landfall.db-wal", "landfall.db-shm"] {
        let _gone = std::fs::remove_file(bench.path(name));
    }
    std::fs::remove_dir_all(bench.path(".landfall")).unwrap();
    served.reset();
    let adopted = bench.landfall(&["ledger", "adopt", "voices", "--json"]);
    assert_eq!(adopted.code, 0, "{}", adopted.stderr);
    let adopted = adopted.json();
    assert_eq!((&adopted["proven"], &adopted["unproven"]), (&2000.into(), &0.into()));
    let requests = served.requests();
    let total = requests["total"].as_u64().unwrap();
    // Two pages of a thousand on each side, their ends, the sign-in, and looking both places up.
    assert!((5..=20).contains(&total), "{requests}");
    assert_eq!(requests["writes"], 0);
    assert_eq!(manifest("二"), before);
    served.reset();
    let again = bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.json()["files"], 0);
    served.assert_clean("voices");
}

#[test]
fn what_no_published_hash_shows_is_not_adopted_as_proven() {
    let bench = bench("");
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    bench.write("data/録音/三.wav", "三");
    std::fs::remove_file(bench.path("landfall.db")).unwrap();
    let adopted = bench.landfall(&["ledger", "adopt", "backup", "--json"]);
    assert_eq!(adopted.code, 1, "{}", adopted.stderr);
    let adopted = adopted.json();
    assert_eq!((&adopted["proven"], &adopted["unproven"]), (&0.into(), &2.into()));
    assert_eq!((&adopted["states"]["DUPE"], &adopted["states"]["PENDING"]), (&2.into(), &1.into()));
    let run = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!((run.code, &run.json()["states"]["SUCCESS"]), (0, &3.into()), "{}", run.stderr);
}
