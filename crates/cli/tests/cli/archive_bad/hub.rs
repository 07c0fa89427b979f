//! The Hub: tokens that are refused or revoked, places of somebody else, no room left.

use super::refused;
use crate::support::{SECRET_MARK, ServedArchive};

#[test]
fn tokens_and_repositories_that_do_not_serve_end_the_command() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let env = sim.bench.read(".env");
    sim.bench.replace(".env", "HF_TOKEN=", "HF_TOKEN=hf_revoked");
    refused(&sim.bench.landfall(&["run", "tweets"]), 3, "LF0213", "");
    sim.bench.write(".env", &env);
    sim.bench.write("landfall.toml", &toml.replace("datasets/me/EventMonitor", "datasets/stranger/絵"));
    refused(&sim.bench.landfall(&["verify", "tweets"]), 2, "LF0102", "datasets/OWNER/NAME");
    sim.bench.write("landfall.toml", &toml.replace("datasets/me/EventMonitor", "datasets/stranger/Pictures"));
    let output = sim.bench.landfall(&["verify", "tweets"]);
    refused(&output, 2, "LF0310", "stranger/Pictures");
    let lines: Vec<&str> = env.lines().filter(|line| !line.starts_with("HF_TOKEN")).collect();
    sim.bench.write(".env", &(lines.join("\n") + "\n"));
    sim.bench.write("landfall.toml", &toml);
    let mut command = sim.bench.command(&["run", "tweets"]);
    command.env("HOME", sim.bench.path("images")).env_remove("XDG_CACHE_HOME");
    let output = command.output().unwrap();
    // For whoever runs it no token is the same as one that is refused.
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("LF0213") && said.contains("HF_TOKEN") && said.contains("no token"), "{said}");
}

#[test]
fn a_token_that_is_revoked_in_mid_run_ends_it_and_nothing_is_lost() {
    let sim = ServedArchive::start(&["--files", "120", "--seed", "13"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    for (command, route) in [("repair", "preupload"), ("run", "commit"), ("run", "lfs-batch")] {
        sim.fault(&format!(r#"{{"route":"{route}","times":60,"fault":{{"kind":"unauthorized"}}}}"#));
        let output = sim.bench.landfall(&[command, "tweets"]);
        refused(&output, 3, "LF0213", "");
        assert!(!output.stderr.contains("hf_sim"), "{}", output.stderr);
        sim.end_faults(route);
    }
    sim.settles();
}

#[test]
fn a_token_that_is_revoked_while_it_is_looked_ends_that_and_concludes_nothing() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "13"]);
    let before = sim.bytes();
    for route in ["paths-info", "tree"] {
        sim.fault(&format!(r#"{{"route":"{route}","times":60,"fault":{{"kind":"unauthorized"}}}}"#));
    }
    refused(&sim.bench.landfall(&["verify", "tweets"]), 3, "LF0213", "");
    assert!(sim.bytes() == before, "something was written");
}

#[test]
fn somebody_elses_repository_is_not_written_to() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "14"]);
    sim.put("other/Pictures", "secret.bin", SECRET_MARK);
    let held = || {
        (
            sim.sql("SELECT group_concat(quote(huggingface_urls)) FROM all_tweets"),
            sim.hub("GET", "commits?repo=other/Pictures", ""),
        )
    };
    let before = held();
    let toml = sim.toml.replace("datasets/me/EventMonitor", "datasets/other/Pictures");
    sim.bench.write("landfall.toml", &toml);
    refused(&sim.bench.landfall(&["run", "tweets"]), 3, "LF0311", "other/Pictures");
    assert_eq!(held(), before, "something was written");
}

#[test]
fn a_hub_without_room_ends_the_run_and_the_next_one_goes_on() {
    let sim = ServedArchive::start(&["--files", "120", "--seed", "15"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    for (command, route) in [("repair", "lfs-batch"), ("run", "commit"), ("run", "lfs-batch")] {
        sim.fault(&format!(r#"{{"route":"{route}","times":60,"fault":{{"kind":"storage_refused"}}}}"#));
        let output = sim.bench.landfall(&[command, "tweets"]);
        refused(&output, 5, "LF0306", "storage");
        sim.end_faults(route);
    }
    sim.settles();
}
