//! `landfall job close`: the source is gone for good, and what has landed is looked after without it.

use crate::support::Served;

#[test]
fn a_closed_job_is_verified_repaired_and_attested_without_its_source() {
    let served = Served::start(&["--files", "60", "--seed", "5"]);
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["job", "close", "voices"]).code, 1, "nothing has run yet");
    assert_eq!(bench.landfall(&["run", "voices"]).code, 0);
    served.reset();
    assert_eq!(bench.landfall(&["verify", "voices"]).code, 0);
    let open = drives_asked(&served);
    let closed = bench.landfall(&["job", "close", "voices", "--json"]);
    assert_eq!((closed.code, &closed.json()["unproven"]), (0, &0.into()), "{}", closed.stderr);
    let since = closed.json()["since"].clone();
    // The user is gone, and so is whatever the configuration says of them.
    let config = bench.read("landfall.toml");
    let at = config.find("source").unwrap();
    let line = config[at..].lines().next().unwrap().to_owned();
    bench.write(
        "landfall.toml",
        &config.replace(&line, "source = { kind = \"onedrive\", user = \"誰もいない@contoso.example\" }"),
    );

    refuses_what_lists(&served);
    bench.write("landfall.toml", &config);
    // Repeating keeps the moment.
    pause_and_repeat(&served, &since);

    served.reset();
    let verified = bench.landfall(&["verify", "voices", "--depth", "bytes", "--json"]);
    assert_eq!((verified.code, &verified.json()["read"]), (0, &60.into()), "{}", verified.stderr);
    assert_eq!(drives_asked(&served) + 1, open, "{}", served.requests());
    served.reset();
    assert_eq!(bench.landfall(&["manifest", "voices", "--out", "m"]).code, 0);
    assert_eq!(bench.landfall(&["report", "voices"]).code, 0);
    assert_eq!(served.requests()["total"], 0);
    assert_eq!(bench.landfall(&["manifest", "check", "m", "--job", "voices"]).code, 0);
    assert_eq!(drives_asked(&served) + 1, open, "{}", served.requests());

    mends_without_sending(&served, open);

    assert_eq!(bench.landfall(&["job", "open", "voices"]).code, 0);
    assert_eq!(bench.landfall(&["repair", "voices"]).code, 0);
    assert_eq!(bench.landfall(&["verify", "voices"]).code, 0);
    assert_eq!(bench.landfall(&["run", "voices"]).code, 0);
}

#[track_caller]
fn pause_and_repeat(served: &Served, since: &serde_json::Value) {
    crate::support::pause(1100);
    let again = served.bench.landfall(&["job", "close", "voices", "--json"]);
    assert_eq!((again.code, &again.json()["since"]), (0, since));
}

/// How often a drive was looked up: a session does so once for the source, which is a user's.
fn drives_asked(served: &Served) -> u64 {
    served.requests()["by_route"]["GET drive"].as_u64().unwrap_or_default()
}

#[track_caller]
fn refuses_what_lists(served: &Served) {
    let bench = &served.bench;
    for command in ["run", "crawl", "plan", "download", "upload", "retry"] {
        served.reset();
        let refused = bench.landfall(&[command, "voices"]);
        assert!(refused.code == 2 && refused.stderr.contains("LF0111"), "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("landfall job open voices"), "{command}: {}", refused.stderr);
        assert_eq!(served.requests()["total"], 0, "{command}");
    }
}

#[track_caller]
fn mends_without_sending(served: &Served, open: u64) {
    let bench = &served.bench;
    let damage = [
        "sim",
        "damage",
        "--inspect",
        &served.inspect(),
        "--kinds",
        "deleted,moved",
        "--rate",
        "10%",
        "--seed",
        "2",
    ];
    assert_eq!(bench.landfall(&[&damage[..], &["--answers", "a.jsonl"]].concat()).code, 0);
    assert_eq!(bench.landfall(&["verify", "voices"]).code, 6);
    let lost = bench.read("a.jsonl").lines().filter(|line| line.contains("\"absent\"")).count();
    let moved = bench.read("a.jsonl").lines().filter(|line| line.contains("\"misplaced\"")).count();
    assert!(lost > 0 && moved > 0, "{}", bench.read("a.jsonl"));
    served.reset();
    let repaired = bench.landfall(&["repair", "voices", "--json"]);
    assert_eq!(
        (repaired.code, &repaired.json()["mended"]),
        (6, &moved.into()),
        "what has no source is left: {}",
        repaired.stderr
    );
    assert_eq!(drives_asked(served) + 1, open, "{}", served.requests());
    served.reset();
    let send = bench.landfall(&["repair", "voices", "--pattern", "absent", "--json"]);
    let left = &send.json()["plan"]["findings"]["absent-at-destination"]["no-source"];
    assert_eq!((send.code, left), (6, &lost.into()), "{}", send.stderr);
    assert_eq!(served.requests()["writes"], 0, "{}", served.requests());
    let status = bench.landfall(&["status", "voices"]);
    assert!(status.stdout.contains("voices is closed since"), "{}", status.stdout);
    assert!(status.stdout.contains("`landfall repair voices -n`"), "{}", status.stdout);
    assert!(!status.stdout.contains("landfall retry") && !status.stdout.contains("landfall run"));
    // What is lost stays a finding with its reason.
    let again = bench.landfall(&["verify", "voices", "--json"]).json();
    assert_eq!(again["findings"]["absent-at-destination"], lost, "{again}");
}
