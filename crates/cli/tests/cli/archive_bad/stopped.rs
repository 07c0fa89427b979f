//! Somebody asks to stop while the Hub is down, and what is left behind at the end.

use std::time::Duration;

use crate::support::{ServedArchive, interrupted, wait_until};

#[test]
fn a_stop_ends_a_command_that_waits_for_a_hub_that_is_down() {
    let sim = ServedArchive::start(&["--files", "120", "--seed", "16"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    for command in ["verify", "repair", "run"] {
        for skip in [0, 4] {
            let before = sim.faults();
            let fault = r#""fault":{"kind":"server_error","status":502}"#;
            sim.fault(&format!(r#"{{"route":"any","skip":{skip},"times":60,{fault}}}"#));
            let child = sim.bench.start(&[command, "tweets", "--json"]);
            wait_until("some answers 502", || sim.faults() > before + 3);
            let (output, took) = interrupted(child);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{command} {skip}: {said}");
            assert!(took < Duration::from_secs(3), "{command} {skip}: {took:?}");
            sim.end_faults("any");
        }
    }
    // The verify that was stopped would go on at the states that it had pinned.
    assert_eq!(sim.bench.landfall(&["verify", "tweets", "--fresh"]).code, 6);
    sim.settles();
}

#[test]
fn a_run_leaves_no_empty_folders_behind() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "17"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    sim.settles();
    let mut folders = vec![sim.bench.path(".landfall")];
    while let Some(folder) = folders.pop() {
        let entries: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!entries.is_empty() || folder.ends_with("spool"), "{} is empty", folder.display());
        folders.extend(entries.into_iter().filter(|path| path.is_dir()));
    }
}
