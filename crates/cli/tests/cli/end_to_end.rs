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
    let mut kills = Vec::new();
    for round in 0..4_u64 {
        let mut child = sim.bench.start(&["run", "voices", "--json"]);
        pause(400 + 300 * round);
        kills.push(landfall_core::Clock::now(&landfall_core::SystemClock));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["states"]["SUCCESS"], 150);
    sim.assert_clean_but("voices", &|violation| told_too_late(violation, &kills));
    let status = sim.bench.landfall(&["status", "voices", "--json"]);
    assert_eq!((status.code, &status.json()["complete"]), (0, &Value::Bool(true)));
}

/// A request to wait that came in the last moments before a kill could not be written down.
fn told_too_late(violation: &str, kills: &[jiff::Timestamp]) -> bool {
    let told = violation.split_once("but at ").and_then(|(_, rest)| rest.split_once(' '));
    let Some(told) = told.and_then(|(at, _)| at.parse::<jiff::Timestamp>().ok()) else { return false };
    kills.iter().any(|kill| (-20..250).contains(&kill.duration_since(told).as_millis()))
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
    let status = sim.bench.landfall(&["status", "voices", "--json"]).json();
    for run in status["runs"].as_array().unwrap() {
        assert!(run["ended"].is_string(), "a refused log left a run open: {status}");
    }
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
    let status = sim.bench.landfall(&["status", "leavers", "--json"]);
    assert_eq!((status.code, &status.json()["complete"]), (1, &Value::Bool(false)), "{}", status.stdout);
    assert_eq!(status.json()["unresolved"][0]["source"], "emi@contoso.com");
    assert_eq!(status.json()["unresolved"][0]["error"]["code"], "LF0301");
    let status = sim.bench.landfall(&["status", "leavers"]);
    assert!(status.stdout.contains("emi@contoso.com (LF0301)"), "{}", status.stdout);
    assert!(status.stdout.contains("`landfall run leavers`"), "{}", status.stdout);
    let plan = sim.bench.landfall(&["plan", "leavers"]);
    assert_eq!(plan.code, 1, "{}", plan.stderr);
    assert!(plan.stdout.contains("sources that cannot be reached"), "{}", plan.stdout);
    // Whoever leaves the list is not missed.
    let list = sim.bench.read("leavers.csv");
    let rest: Vec<&str> = list.lines().filter(|line| !line.contains("emi@contoso.com")).collect();
    assert!(rest.len() < list.lines().count(), "{list}");
    sim.bench.write("leavers.csv", &(rest.join("\n") + "\n"));
    assert_eq!(sim.bench.landfall(&["status", "leavers"]).code, 0);
    sim.bench.write("leavers.csv", &list);
    assert_eq!(sim.bench.landfall(&["status", "leavers"]).code, 1);
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
    std::fs::create_dir_all(bench.path("別の場所")).unwrap();
    let text = bench.read("landfall.toml");
    bench.write("landfall.toml", &text.replace("\"data\"", "\"別の場所\""));
    let other = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!((other.code, &other.json()["error"]["code"]), (2, &"LF0107".into()), "{}", other.stdout);
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

#[test]
fn the_status_says_where_the_names_are_and_what_comes_next() {
    let sim = Served::start(&["--scenario", "voices", "--files", "6"]);
    let never = sim.bench.landfall(&["status", "voices"]);
    assert_eq!(never.code, 1);
    assert!(never.stderr.contains("this job has not run yet"), "{}", never.stderr);
    let pilot = sim.bench.landfall(&["run", "voices", "--limit", "2", "--json"]);
    assert_eq!((&pilot.json()["gone"], &pilot.json()["renamed_after_landing"]), (&0.into(), &0.into()));
    let said = sim.bench.landfall(&["status", "voices"]).stdout;
    assert!(said.contains("upload_log.csv") && said.contains("`landfall run voices`"), "{said}");
    assert!(!said.contains("landfall status") && !said.contains("landfall retry"), "{said}");
    let run = said.lines().find(|line| line.starts_with("run: began ")).unwrap();
    assert!(!run.contains('.') && run.matches('Z').count() == 2, "moments are not in seconds: {run}");
    let plan = sim.bench.landfall(&["run", "-n", "voices", "--via", "copy"]);
    assert!(plan.stdout.contains("keep no times"), "{}", plan.stdout);
    assert!(!sim.bench.landfall(&["plan", "voices"]).stdout.contains("keep no times"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let sim = Served::start(&["--scenario", "voices", "--files", "3"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = sim.bench.command(&["run", "voices", "--json"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("error[LF0509]") && said.contains("standard output"), "{said}");
    let mut child = sim.bench.start(&["status", "voices", "--json"]);
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "a closed pipe is no error");
}
