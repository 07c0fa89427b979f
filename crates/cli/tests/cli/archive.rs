//! The archive as a person has it: the binary against a Hub, a media origin and a resolver that it serves.
//!
//! The simulator judges by its own answers and its own seal; these tests hold the program's word against it.

use serde_json::Value;

use crate::support::{ServedArchive, pause};

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {object}"))
}

/// The figures of the first look at a damaged archive.
fn first_figures(seen: &Value) {
    let all = number(seen, "/present") + number(seen, "/absent") + number(seen, "/unknown");
    assert_eq!(number(seen, "/checked"), all);
    assert_eq!(number(seen, "/unknown"), 0);
    for finding in ["absent", "wrong-path", "unsealed-path", "leak", "mispaired", "lost-media", "malformed"] {
        assert!(number(seen, &format!("/findings/{finding}")) > 0, "{finding}");
    }
    assert_eq!(number(seen, "/unsealed"), number(seen, "/findings/leak"));
    assert!(seen["worst_users"].as_array().is_some_and(|users| !users.is_empty() && users.len() <= 20));
    assert!(number(seen, "/requests") <= 26, "{seen}");
}

/// Plain files that were replaced and left are told of until somebody has them taken away.
fn leaks_go(sim: &ServedArchive) {
    let leaking = sim.bench.landfall(&["verify", "tweets"]);
    assert_eq!(leaking.code, 6, "plain files were replaced and left: {}", leaking.stdout);
    assert!(leaking.stdout.contains("repair tweets --remove-leaks"), "{}", leaking.stdout);
    assert!(!leaking.stdout.contains("Nothing was found"), "{}", leaking.stdout);
    let removed = sim.bench.landfall(&["repair", "tweets", "--remove-leaks", "--json"]);
    assert!(matches!(removed.code, 0 | 1), "{}", removed.stderr);
    assert_eq!(removed.json()["leaks_left"], false, "{}", removed.stdout);
}

#[test]
fn a_damaged_archive_is_verified_repaired_backed_up_and_whole() {
    let sim = ServedArchive::start(&["--files", "300", "--seed", "1"]);
    let landfall = |args: &[&str]| sim.bench.landfall(args);

    let first = landfall(&["verify", "tweets", "--json"]);
    assert_eq!(first.code, 6, "{}", first.stderr);
    first_figures(&first.json());

    let backlog = landfall(&["backlog", "tweets", "--json"]);
    assert_eq!(backlog.code, 0, "{}", backlog.stderr);
    assert!(number(&backlog.json(), "/posts") > 20);

    let mended = landfall(&["repair", "tweets", "--json"]);
    assert!(matches!(mended.code, 0 | 1), "{}", mended.stderr);
    assert!(number(&mended.json(), "/files/mended") > 20, "{}", mended.stdout);
    assert_eq!(mended.json()["files"]["conflict"], Value::Null);
    assert_eq!(mended.json()["leaks_left"], true, "nobody asked for them to be taken away");

    let run = landfall(&["run", "tweets", "--json"]);
    assert!(matches!(run.code, 0 | 1), "{}", run.stderr);
    for state in ["PENDING", "LOCAL", "DUPE", "NG"] {
        assert_eq!(run.json()["states"][state], 0, "{state}: {}", run.stdout);
    }

    leaks_go(&sim);
    let last = landfall(&["verify", "tweets", "--json"]);
    assert_eq!(last.code, 0, "{}\n{}", last.stdout, last.stderr);
    assert_eq!(last.json()["clean"], true);
    let again = landfall(&["repair", "tweets", "-n", "--json"]);
    assert_eq!(again.json()["files"], serde_json::json!({}), "{}", again.stdout);
    let check = sim.check();
    assert_eq!(check["violated"], serde_json::json!([]), "{check}");
    assert_eq!(check["clean"], true, "{check}");
}

#[test]
fn looking_and_planning_change_no_byte_of_the_users() {
    let sim = ServedArchive::start(&["--files", "80", "--seed", "3"]);
    let before = sim.bytes();
    for args in [
        &["doctor", "tweets"][..],
        &["backlog", "tweets"],
        &["backlog", "tweets", "--csv"],
        &["verify", "tweets", "--delay", "1ms", "--batch-size", "20"],
        &["repair", "tweets", "--dry-run"],
        &["run", "tweets", "--dry-run"],
        &["plan", "tweets"],
        &["verify", "tweets", "--fresh", "--user", "hanako_art", "--file-type", "images"],
    ] {
        let output = sim.bench.landfall(args);
        assert!(matches!(output.code, 0 | 1 | 6), "{args:?}: {}\n{}", output.stdout, output.stderr);
        assert!(!output.stdout.is_empty() || args.contains(&"--csv"), "{args:?}");
        assert!(sim.bytes() == before, "{args:?} changed something");
    }
}

#[test]
fn a_verify_speaks_loudly_of_plain_files_and_in_japanese_too() {
    let sim = ServedArchive::start(&["--files", "80", "--seed", "2"]);
    let spoken = sim.bench.landfall(&["verify", "tweets"]);
    assert_eq!(spoken.code, 6, "{}", spoken.stderr);
    assert!(spoken.stdout.contains("PLAIN FILES LIE ON THE HUB"), "{}", spoken.stdout);
    assert!(
        spoken.stdout.contains("--remove-leaks") && spoken.stdout.contains("history"),
        "{}",
        spoken.stdout
    );
    let japanese = sim.bench.landfall(&["repair", "tweets", "-n", "--lang", "ja", "--pattern", "2"]);
    assert!(japanese.stdout.contains("封印して送る"), "{}\n{}", japanese.stdout, japanese.stderr);
}

#[test]
fn the_old_checkers_findings_are_looked_at_before_they_are_believed() {
    let sim = ServedArchive::start(&["--files", "80", "--seed", "5"]);
    let verified = sim.bench.landfall(&["verify", "tweets", "--json", "--progress-file", "old.json"]);
    assert_eq!(verified.code, 6, "{}", verified.stderr);
    let mut old: Value = serde_json::from_str(&sim.bench.read("old.json")).unwrap();
    assert_eq!(number(&old, "/stats/existing"), number(&verified.json(), "/present"));
    let urls = old["checked_urls"].as_object_mut().unwrap();
    let healthy: Vec<String> =
        urls.iter().filter(|(_, there)| **there == true).map(|(url, _)| url.clone()).take(3).collect();
    urls.retain(|url, _| healthy.contains(url));
    for there in urls.values_mut() {
        *there = Value::Bool(false);
    }
    sim.bench.write("old.json", &old.to_string());
    let repair = sim.bench.landfall(&["repair", "tweets", "-n", "--json", "--from", "old.json"]);
    let sent = repair.json()["steps"]["send"].as_u64().unwrap_or_default();
    assert_eq!(sent, 0, "what is there is not sent again: {}", repair.stdout);
}

#[test]
fn an_interrupted_verify_goes_on_and_a_fresh_one_does_not() {
    let sim = ServedArchive::start(&["--files", "150", "--seed", "6"]);
    let slow = ["verify", "tweets", "--json", "--batch-size", "3", "--delay", "0.2"];
    let child = sim.bench.start(&slow);
    pause(2500);
    let asked = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let first: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(first["interrupted"], true, "{first}");
    let second = sim.bench.landfall(&["verify", "tweets", "--json"]);
    assert_eq!((second.code, &second.json()["resumed"]), (6, &Value::Bool(true)), "{}", second.stdout);
    let fresh = sim.bench.landfall(&["verify", "tweets", "--json", "--fresh"]);
    assert_eq!(fresh.json()["resumed"], false);
    for figure in ["/checked", "/present", "/absent", "/posts_affected"] {
        assert_eq!(number(&second.json(), figure), number(&fresh.json(), figure), "{figure}");
    }
}
