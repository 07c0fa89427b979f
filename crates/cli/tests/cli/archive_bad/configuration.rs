//! Configurations and arguments that could do harm, or that match nothing.

use super::refused;
use crate::support::ServedArchive;

#[test]
fn configurations_that_could_do_harm_are_refused_at_their_place() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let with = |from: &str, to: &str| sim.verify_with(from, to);
    let media = toml.lines().find(|line| line.starts_with("\"pbs")).unwrap().to_owned();
    refused(&with(&media, "\"pbs.twimg.com\" = \"http://10.0.0.1:80\""), 2, "LF0109", "^");
    refused(
        &with("remote = \"secret\" }", "remote = \"secret\", salt = \"x\" }"),
        2,
        "LF0102",
        "unknown field `salt`",
    );
    refused(&with("roots = {", "rots = {"), 2, "LF0102", "unknown field `rots`");
    refused(&with("{username}/{name}", "{name}/{username}"), 2, "LF0102", "layout");
    refused(
        &with("sqlite:data/eventmonitor.db", "postgres://me:geheim@db/posts"),
        2,
        "LF0102",
        "database_env",
    );
    assert!(!sim.bench.landfall(&["verify", "tweets"]).stderr.contains("geheim"));
    sim.bench.write("landfall.toml", &toml);
    refused(&sim.bench.landfall(&["repair", "tweets"]), 1, "LF0701", "verify");
    refused(&sim.bench.landfall(&["verify", "tweets", "--since", "gestern"]), 2, "LF0104", "gestern");
    refused(&sim.bench.landfall(&["repair", "tweets", "--pattern", "9"]), 2, "LF0104", "wrong-path");
    sim.bench.write("old.json", "[1, 2");
    refused(&sim.bench.landfall(&["repair", "tweets", "--from", "old.json"]), 2, "LF0104", "old.json");
}

#[test]
fn a_narrowing_that_matches_nothing_says_so() {
    let sim = ServedArchive::start(&["--files", "60"]);
    for command in ["verify", "backlog", "run", "plan"] {
        let output = sim.bench.landfall(&[command, "tweets", "--user", "hanako_art", "--user", "誰でもない"]);
        refused(&output, 2, "LF0104", "誰でもない");
        assert!(output.stderr.contains("log_only_tweets"), "{}", output.stderr);
    }
    assert_eq!(sim.bench.landfall(&["verify", "tweets", "--user", "HANAKO_ART"]).code, 6);
    let later = sim.bench.landfall(&["verify", "tweets", "--since", "2200-01-01"]);
    assert_eq!(later.code, 0, "{}", later.stderr);
    assert!(later.stdout.contains("nothing was looked at"), "{}", later.stdout);
    assert!(!later.stdout.contains("every recorded backup is there"), "{}", later.stdout);
}
