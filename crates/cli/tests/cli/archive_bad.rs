//! Bad input of the archive's commands: a clear error with its code and exit, and nothing done.

use crate::support::{Output, ServedArchive};

#[track_caller]
fn refused(output: &Output, exit: i32, code: &str, words: &str) {
    assert_eq!(output.code, exit, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stderr.contains(code), "{code}: {}", output.stderr);
    assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
}

#[test]
fn what_is_no_database_or_has_no_such_table_is_named() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let with = |from: &str, to: &str| {
        assert!(toml.contains(from), "{from}");
        sim.bench.write("landfall.toml", &toml.replace(from, to));
        sim.bench.landfall(&["verify", "tweets"])
    };
    sim.bench.write("写真.db", "これはデータベースではない、ただの文章です。");
    refused(&with("sqlite:data/eventmonitor.db", "sqlite:写真.db"), 2, "LF0321", "写真.db");
    refused(&with("sqlite:data/eventmonitor.db", "sqlite:無い.db"), 2, "LF0321", "無い.db");
    refused(&with("\"all_tweets\"", "\"al_tweets\""), 2, "LF0313", "all_tweets");
    let columns = "{ name = \"all_tweets\", media_urls = \"urls\" }";
    refused(&with("\"all_tweets\"", columns), 2, "LF0313", "media_urls");
    refused(&with("tables = [\"all_tweets\", \"log_only_tweets\"]", "tables = []"), 2, "LF0102", "tables");
    sim.bench.write("landfall.toml", &toml);
    refused(&sim.bench.landfall(&["backlog", "tweets", "--table", "pixiv"]), 2, "LF0104", "log_only_tweets");
    assert!(!sim.bench.path("無い.db").exists());
}

#[test]
fn without_the_right_key_nothing_is_sent() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let conf = sim.bench.read("rclone.conf");
    let before = sim.bytes();
    let run = || sim.bench.landfall(&["run", "tweets"]);
    let unsealed: Vec<&str> = toml.lines().filter(|line| !line.starts_with("seal")).collect();
    sim.bench.write("landfall.toml", &(unsealed.join("\n") + "\n"));
    refused(&run(), 2, "LF0102", "no key, no upload");
    sim.bench.write("landfall.toml", &toml.replace("\"rclone.conf\"", "\"鍵.conf\""));
    refused(&run(), 2, "LF0110", "鍵.conf");
    sim.bench.write("landfall.toml", &toml.replace("\"secret\"", "\"disk\""));
    refused(&run(), 2, "LF0110", "not crypt");
    sim.bench.write("landfall.toml", &toml);
    sim.bench.write(
        "rclone.conf",
        &conf.replace("directory_name_encryption = false", "directory_name_encryption = true"),
    );
    refused(&run(), 2, "LF0110", "directory_name_encryption");
    // "potato" as `rclone obscure` hides it: another key than the archive's.
    let other: Vec<String> = conf
        .lines()
        .map(|line| match line.starts_with("password =") {
            true => "password = IMEUm2sCRswfwtjsQojXl6wPcIn4tw".to_owned(),
            false => line.to_owned(),
        })
        .collect();
    sim.bench.write("rclone.conf", &(other.join("\n") + "\n"));
    refused(&run(), 3, "LF0214", "key");
    sim.bench.write("rclone.conf", "\u{0}\u{1}");
    refused(&run(), 2, "LF0110", "rclone.conf");
    assert!(sim.bytes() == before, "the user's files were changed");
}

#[test]
fn tokens_and_repositories_that_do_not_serve_end_the_command() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let env = sim.bench.read(".env");
    sim.bench.replace(".env", "HF_TOKEN=", "HF_TOKEN=hf_revoked");
    refused(&sim.bench.landfall(&["run", "tweets"]), 3, "LF02", "");
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
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("HF_TOKEN"));
}

#[test]
fn configurations_that_could_do_harm_are_refused_at_their_place() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let with = |from: &str, to: &str| {
        assert!(toml.contains(from), "{from}");
        sim.bench.write("landfall.toml", &toml.replace(from, to));
        sim.bench.landfall(&["verify", "tweets"])
    };
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
fn a_resolver_that_prints_garbage_hangs_up_or_lies_costs_nothing_but_its_answers() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "4"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets", "--json"]).code, 6);
    let before = sim.check();
    sim.bench.write("resolver.py", "print('no JSON at all')\nprint('error: log in first')\n");
    let output = sim.bench.landfall(&["repair", "tweets", "--json", "--pattern", "3", "--limit", "2"]);
    assert_eq!(output.code, 1, "{}\n{}", output.stdout, output.stderr);
    let object = output.json();
    assert!(object["files"]["postponed"].as_u64().is_some_and(|n| n > 0), "{object}");
    assert_eq!(object["files"]["mended"], serde_json::Value::Null, "{object}");
    assert_eq!(sim.check()["rows"], before["rows"]);
}
