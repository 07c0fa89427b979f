//! The program as a person has it: the binary, a simulator that the binary serves, real sockets and files.
//!
//! One test a promise of the end: complete, nothing twice, killed and resumed, refused where it must be.

use crate::support::{Bench, SECRET_MARK, Served, assert_shape, pause, wait_until};
use serde_json::Value;

#[test]
fn a_run_ends_complete_and_a_second_one_writes_nothing() {
    let sim = Served::start(&["--scenario", "voices", "--files", "120", "--faults", "mild"]);
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let summary = run.json();
    assert_eq!(summary["states"]["SUCCESS"], 120);
    for state in ["PENDING", "LOCAL", "DUPE", "NG"] {
        assert_eq!(summary["states"][state], 0, "{state}");
    }
    assert_shape(&summary);
    assert_eq!(summary["complete"], true);
    assert_eq!(summary["files"], 120);
    sim.assert_clean("voices");
    assert_eq!(sim.bench.log_rows("voices", "SUCCESS"), 120);
    let index: Value = serde_json::from_str(&sim.bench.read(".landfall/voices/index.json")).unwrap();
    assert_eq!(index["counts"]["files"], 120);
    sim.reset();
    let again = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(sim.requests()["writes"], 0);
    assert_eq!(again.json()["files"], 0);
    assert_eq!(again.json()["states"]["SUCCESS"], 120);
    sim.assert_clean("voices");
}

#[test]
fn killed_again_and_again_it_loses_and_doubles_nothing() {
    let sim =
        Served::start(&["--scenario", "voices", "--files", "150", "--faults", "mild", "--latency", "10ms"]);
    for round in 0..4_u64 {
        let mut child = sim.bench.start(&["run", "voices", "--json"]);
        pause(400 + 300 * round);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["states"]["SUCCESS"], 150);
    sim.assert_clean("voices");
    let status = sim.bench.landfall(&["status", "voices", "--json"]);
    assert_eq!((status.code, &status.json()["complete"]), (0, &Value::Bool(true)));
}

#[test]
fn a_second_process_on_the_same_job_is_refused() {
    let sim = Served::start(&["--scenario", "voices", "--files", "400", "--latency", "40ms"]);
    let mut first = sim.bench.start(&["run", "voices", "--json"]);
    wait_until("the first write", || sim.requests()["writes"] != 0);
    let second = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(second.code, 8, "{}", second.stderr);
    assert_eq!(second.json()["error"]["code"], "LF0501");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn one_interrupt_drains_and_leaves_the_run_open() {
    let sim = Served::start(&["--scenario", "voices", "--files", "400", "--latency", "40ms"]);
    let first = sim.bench.start(&["run", "voices", "--json"]);
    wait_until("the first write", || sim.requests()["writes"] != 0);
    let asked = std::process::Command::new("kill").args(["-INT", &first.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["interrupted"], true);
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!((run.code, &run.json()["resumed"]), (0, &Value::Bool(true)), "{}", run.stderr);
    sim.assert_clean("voices");
}

#[test]
fn an_edited_log_drives_the_next_run() {
    let sim = Served::start(&["--scenario", "voices", "--files", "20"]);
    assert_eq!(sim.bench.landfall(&["run", "voices", "--json"]).code, 0);
    let log = sim.bench.read(".landfall/voices/upload_log.csv");
    let edited = log.replacen(",SUCCESS,", ",PENDING,", 1);
    assert_ne!(log, edited);
    sim.bench.write(".landfall/voices/upload_log.csv", &edited);
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["log_edits"]["changed"], 1);
    sim.assert_clean("voices");
    sim.bench.write(".landfall/voices/upload_log.csv", &log.replacen(",SUCCESS,", ",FERTIG,", 1));
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!((run.code, &run.json()["error"]["code"]), (2, &Value::from("LF0603")), "{}", run.stderr);
    assert_eq!(sim.bench.landfall(&["run", "voices", "--json", "--ignore-log"]).code, 0);
}

#[test]
fn the_two_halves_and_the_plan_agree_with_the_run() {
    let sim = Served::start(&["--scenario", "voices", "--files", "40"]);
    let plan = sim.bench.landfall(&["plan", "voices", "--json"]);
    assert_eq!((plan.code, &plan.json()["files"]), (0, &Value::from(40)), "{}", plan.stderr);
    assert_eq!(sim.requests()["writes"], 0);
    let pilot = sim.bench.landfall(&["run", "voices", "--json", "--limit", "5"]);
    assert_eq!((pilot.code, &pilot.json()["states"]["SUCCESS"]), (1, &Value::from(5)), "{}", pilot.stderr);
    let down = sim.bench.landfall(&["download", "voices", "--json"]);
    assert_eq!((down.code, &down.json()["states"]["LOCAL"]), (0, &Value::from(35)), "{}", down.stderr);
    let up = sim.bench.landfall(&["upload", "voices", "--json"]);
    assert_eq!((up.code, &up.json()["states"]["SUCCESS"]), (0, &Value::from(40)), "{}", up.stderr);
    assert_eq!(up.json()["via"]["spool"], 35);
    sim.assert_clean("voices");
    let audit = sim.bench.landfall(&["crawl", "voices", "--audit", "--json"]);
    assert_eq!(audit.code, 0, "{}", audit.stderr);
    assert!(audit.json()["audit"]["complete_as_of"].is_string(), "{}", audit.stdout);
    let export = sim.bench.landfall(&["log", "export", "voices", "--all"]);
    assert_eq!(export.stdout.matches(",SUCCESS,").count(), 40);
}

#[test]
fn of_many_users_those_that_are_there_go_on() {
    let sim = Served::start(&["--scenario", "leavers", "--files", "16"]);
    let run = sim.bench.landfall(&["run", "leavers", "--json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let summary = run.json();
    let sources = summary["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 5);
    let failed: Vec<&Value> = sources.iter().filter(|s| s["error"].is_object()).collect();
    assert_eq!(failed.len(), 1, "{summary}");
    assert_eq!(
        (&failed[0]["source"], &failed[0]["error"]["code"]),
        (&Value::from("emi@contoso.com"), &Value::from("LF0301"))
    );
    assert!(sources.iter().filter(|s| s["error"].is_null()).all(|s| s["complete"] == true), "{summary}");
    sim.assert_clean("leavers");
}

#[test]
fn folder_to_folder_works_offline() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("data/会議/空")).unwrap();
    bench.write("data/会議/録音.wav", "音");
    bench.write("data/読んで.txt", "hello");
    bench.write(
        "landfall.toml",
        "[jobs.backup]\nsource = { kind = \"folder\", path = \"data\" }\ndestination = { kind = \"folder\", path = \"copy\" }\n",
    );
    let run = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!((run.code, &run.json()["states"]["SUCCESS"]), (0, &Value::from(2)), "{}", run.stderr);
    assert_eq!(bench.read("copy/会議/録音.wav"), "音");
    assert!(bench.path("copy/会議/空").is_dir());
    assert_eq!(run.json()["proven_by"]["bytes"], 2);
}

#[test]
fn no_secret_is_ever_printed_logged_or_kept() {
    let sim = Served::start(&["--scenario", "voices", "--files", "12"]);
    sim.bench.replace(".env", "AZURE_CLIENT_SECRET=", &format!("AZURE_CLIENT_SECRET={SECRET_MARK}"));
    let mut said = String::new();
    for command in ["run", "doctor", "plan", "crawl"] {
        let output = sim.bench.landfall(&["-vvv", "--log-file", "landfall.log", command, "voices", "--json"]);
        assert_eq!(output.code, 3, "{}", output.stderr);
        said.push_str(&output.stdout);
        said.push_str(&output.stderr);
    }
    assert!(said.contains("LF0201"), "{said}");
    said.push_str(&sim.bench.read("landfall.log"));
    said.push_str(&String::from_utf8_lossy(&std::fs::read(sim.bench.path("landfall.db")).unwrap()));
    assert!(!said.contains(SECRET_MARK));
}

#[test]
fn texts_come_in_japanese_and_machine_output_stays_english() {
    let bench = Bench::new();
    let error = bench.landfall(&["run", "voices", "--lang", "ja"]);
    assert!(error.stderr.contains("設定がありません"), "{}", error.stderr);
    let error = bench.landfall(&["run", "voices", "--lang", "ja", "--json"]);
    assert_eq!(error.json()["error"]["title"], "there is no configuration");
}
