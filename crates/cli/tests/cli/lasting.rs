//! Proof that lasts: a finished job is damaged behind its back, and `verify`, `repair` and `accept` are held to the
//! simulator's own answers; folders are damaged by hand.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::support::{Bench, Output, Served, pause};

type Findings = BTreeMap<(String, String), usize>;

/// The answers as the findings of a verify: kind and path below the job's folder.
fn wanted(answers: &[Value], take: impl Fn(&Value) -> bool) -> Findings {
    let mut all = Findings::new();
    for line in answers.iter().filter(|line| line["expect"] != "rewritten" && take(line)) {
        let kind = match line["expect"].as_str().unwrap() {
            "absent" => "absent-at-destination",
            "changed" => "changed-at-destination",
            other => other,
        };
        let path = line["path"].as_str().unwrap().trim_matches('/');
        *all.entry((kind.to_owned(), path.to_owned())).or_default() += 1;
    }
    all
}

fn lines(bench: &Bench, name: &str) -> Vec<Value> {
    bench.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Verifies and gives the open findings with the final object.
fn verify(bench: &Bench, job: &str, depth: &str) -> (Findings, Output) {
    let words = ["verify", job, "--depth", depth, "--list", "open.jsonl", "--json"];
    let output = bench.landfall(&words);
    let mut all = Findings::new();
    for line in lines(bench, "open.jsonl") {
        let kind = line["finding"].as_str().unwrap().to_owned();
        let target = line["target"].as_str().unwrap();
        let path = target.strip_prefix("Voices/").unwrap_or(target).to_owned();
        *all.entry((kind, path)).or_default() += 1;
    }
    (all, output)
}

#[test]
fn damage_is_found_mended_and_accepted_exactly() {
    let sim = Served::start(&["--scenario", "voices", "--files", "260", "--seed", "11"]);
    let bench = &sim.bench;
    assert_eq!(bench.landfall(&["run", "voices", "--json"]).code, 0);
    let clean = bench.landfall(&["verify", "voices", "--depth", "hash", "--json"]);
    assert_eq!((clean.code, &clean.json()["hashed"]), (0, &Value::from(260)), "{}", clean.stderr);
    let inspect = sim.inspect();
    // Versions have whole seconds: one that is made within the second of the landing cannot be told from it.
    pause(2000);
    let damage = ["sim", "damage", "--inspect", &inspect, "--kinds", "all", "--rate", "20%", "--seed", "7"];
    let done = bench.landfall(&[&damage[..], &["--answers", "answers.jsonl"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let answers = lines(bench, "answers.jsonl");
    assert!(answers.len() > 40, "{}", answers.len());

    let (open, found) = verify(bench, "voices", "bytes");
    assert_eq!(found.code, 6, "{}", found.stderr);
    assert_eq!(open, wanted(&answers, |_| true));
    let json = found.json();
    let counted: u64 = json["findings"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(counted, open.values().sum::<usize>() as u64);
    stays_found(&sim, &open);
    is_mended(bench, &answers);
    is_accepted(&sim);
}

/// A second verify has no news, and neither a run nor a retry touches what was found.
fn stays_found(sim: &Served, open: &Findings) {
    let bench = &sim.bench;
    let (again, found) = verify(bench, "voices", "bytes");
    assert_eq!((&again, &found.json()["new"]), (open, &Value::from(0)), "what was found is no news");
    sim.reset();
    assert_eq!(bench.landfall(&["run", "voices", "--json"]).code, 1);
    assert_eq!(bench.landfall(&["retry", "voices", "--json"]).code, 1);
    assert_eq!(sim.requests()["writes"], 0);
}

fn is_mended(bench: &Bench, answers: &[Value]) {
    let dry = bench.landfall(&["repair", "voices", "-n", "--json"]);
    let repaired = bench.landfall(&["repair", "voices", "--json"]);
    assert_eq!(repaired.code, 6, "people's work and doubles are left: {}", repaired.stderr);
    assert_eq!(dry.json()["plan"], repaired.json()["plan"]);
    let mendable = wanted(answers, |line| line["repairable"] == true).values().sum::<usize>();
    assert_eq!(repaired.json()["mended"], mendable);
    let (left, _) = verify(bench, "voices", "bytes");
    assert_eq!(left, wanted(answers, |line| line["repairable"] == false));
}

fn is_accepted(sim: &Served) {
    let bench = &sim.bench;
    let accepted = bench.landfall(&["accept", "voices", "**", "--json"]);
    assert_eq!((accepted.code, &accepted.json()["failed"]), (0, &Value::from(0)), "{}", accepted.stdout);
    let (none, clean) = verify(bench, "voices", "bytes");
    assert_eq!((none, clean.code), (Findings::new(), 0), "{}", clean.stdout);
    assert_eq!(bench.landfall(&["run", "voices", "--json"]).code, 0);
    sim.reset();
    assert_eq!(bench.landfall(&["repair", "voices", "--json"]).json()["plan"]["acts"], 0);
    assert_eq!(sim.requests()["writes"], 0);
}

#[test]
fn a_verify_asks_for_pages_and_not_for_files() {
    let sim = Served::start(&["--scenario", "flat", "--files", "2500"]);
    assert_eq!(sim.bench.landfall(&["run", "flat", "--json"]).code, 0);
    // The first one lists what the run itself has put there since it looked; the next one only asks for changes.
    for (depth, most) in [("exists", 10), ("exists", 8), ("hash", 10)] {
        let verify = sim.bench.landfall(&["verify", "flat", "--depth", depth, "--json"]);
        assert_eq!(verify.code, 0, "{}", verify.stderr);
        let requests = verify.json()["requests"].as_u64().unwrap();
        assert!(requests <= most, "{depth}: {requests}");
    }
    let sample = sim.bench.landfall(&["verify", "flat", "--depth", "bytes", "--sample", "1%", "--json"]);
    assert_eq!(sample.json()["read"], 25);
}

/// A job from folder to folder, finished.
fn folders() -> Bench {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("元/会議")).unwrap();
    for name in ["一.txt", "二.txt", "会議/三.txt", "会議/四.txt", "会議/五.txt"] {
        bench.write(&format!("元/{name}"), &format!("{name} の中身"));
    }
    bench.write(
        "landfall.toml",
        "[ledger]\nurl = \"sqlite:landfall.db\"\n\n[jobs.backup]\nsource = { kind = \"folder\", path = \"元\" }\n\
         destination = { kind = \"folder\", path = \"先\" }\n",
    );
    let run = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    bench
}

#[test]
fn a_folder_is_verified_and_mended_like_a_cloud() {
    let bench = folders();
    let (none, clean) = verify(&bench, "backup", "bytes");
    assert_eq!((none, clean.code, &clean.json()["read"]), (Findings::new(), 0, &Value::from(5)));

    fs::remove_file(bench.path("先/一.txt")).unwrap();
    fs::rename(bench.path("先/二.txt"), bench.path("先/会議/迷子.txt")).unwrap();
    // Same size, other bytes, other time: the place itself says no hash.
    bench.write("先/会議/三.txt", "会議/三.txt の裏身");
    fs::copy(bench.path("先/会議/四.txt"), bench.path("先/会議/四 (1).txt")).unwrap();
    bench.write("先/会議/他人.txt", "誰かのもの");
    let (open, found) = verify(&bench, "backup", "bytes");
    let one = |kind: &str, path: &str| ((kind.to_owned(), path.to_owned()), 1);
    let all = Findings::from([
        one("absent-at-destination", "一.txt"),
        one("misplaced", "二.txt"),
        one("changed-at-destination", "会議/三.txt"),
        one("doubled", "会議/四.txt"),
        one("foreign", "会議/他人.txt"),
    ]);
    assert_eq!((open, found.code), (all, 6), "{}", found.stdout);

    let repaired = bench.landfall(&["repair", "backup", "--json"]);
    let mended = repaired.json()["mended"].clone();
    assert_eq!((repaired.code, mended), (6, Value::from(3)), "two are left: {}", repaired.stdout);
    for name in ["一.txt", "二.txt", "会議/三.txt", "会議/四.txt", "会議/五.txt"] {
        assert_eq!(bench.read(&format!("先/{name}")), format!("{name} の中身"));
    }
    assert!(!bench.path("先/会議/迷子.txt").exists());
    assert_eq!(bench.read("先/会議/他人.txt"), "誰かのもの", "nobody else's work is touched");
    assert_eq!(bench.read("先/会議/四 (1).txt"), "会議/四.txt の中身", "a double is kept unless asked for");
    let (left, _) = verify(&bench, "backup", "bytes");
    assert_eq!(left, Findings::from([one("doubled", "会議/四.txt"), one("foreign", "会議/他人.txt")]));
    assert_eq!(bench.landfall(&["accept", "backup", "会議/**", "--json"]).code, 0);
    assert_eq!(verify(&bench, "backup", "bytes").1.code, 0);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let bench = folders();
    let before = bench.read("landfall.toml");
    for words in [
        &["verify", "backup", "--list", "landfall.toml"][..],
        &["ledger", "backup", "--all", "landfall.toml"],
    ] {
        let refused = bench.landfall(words);
        assert_eq!(refused.code, 2, "{words:?}: {}", refused.stdout);
        assert!(refused.stderr.contains("something else"), "{words:?}: {}", refused.stderr);
        assert_eq!(bench.read("landfall.toml"), before);
    }
    for _ in 0..2 {
        assert_eq!(bench.landfall(&["verify", "backup", "--list", "開.jsonl"]).code, 0);
        assert_eq!(bench.landfall(&["ledger", "backup", "--all", "写し.db"]).code, 0);
    }
    assert_eq!(
        bench.landfall(&["accept", "backup", ""]).code,
        2,
        "an empty pattern means nothing, and not all"
    );
    for (words, says) in [
        (vec!["verify", "backup", "--depth", "bytes", "--sample", "0%"], "1%"),
        (vec!["verify", "backup", "--sample", "1%"], "--depth bytes"),
        (vec!["verify", "backup", "--depth", "hash", "--sample", "3"], "--depth bytes"),
        (vec!["verify", "backup", "--limit", "0"], "--limit 0"),
        (vec!["repair", "backup", "--include", "removed"], "no finding"),
        (vec!["repair", "backup", "--remove-leaks"], "archives"),
        (vec!["accept", "backup"], "--all"),
        (vec!["verify", "backup", "--user", "ada"], "posts"),
    ] {
        let refused = bench.landfall(&words);
        assert_eq!(refused.code, 2, "{words:?}: {}", refused.stdout);
        assert!(refused.stderr.contains(says), "{words:?}: {}", refused.stderr);
    }
}

#[test]
fn a_mirror_names_what_it_would_take_before_it_takes_anything() {
    let bench = folders();
    fs::remove_file(bench.path("元/一.txt")).unwrap();
    fs::remove_file(bench.path("元/会議/三.txt")).unwrap();
    let words = ["run", "backup", "-n", "--mirror", "--max-delete"];
    let plan = bench.landfall(&[&words[..], &["2"]].concat());
    assert_eq!(plan.code, 0, "{}\n{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("Mirror: 2 files") && plan.stdout.contains("三.txt"), "{}", plan.stdout);
    let refused = bench.landfall(&[&words[..], &["1", "--json"]].concat());
    assert_eq!((refused.code, &refused.json()["mirror"]["planned"]), (1, &2.into()), "{}", refused.stdout);
    assert!(refused.json()["mirror"]["refused"].is_string(), "{}", refused.stdout);
    assert!(bench.path("先/一.txt").exists() && bench.path("先/会議/三.txt").exists());
}

#[test]
fn a_part_is_not_said_to_be_everything() {
    let bench = folders();
    let all = bench.landfall(&["verify", "backup", "--json"]);
    assert_eq!((all.code, &all.json()["narrowed"]), (0, &Value::Bool(false)), "{}", all.stderr);
    let words = ["verify", "backup", "--limit", "2"];
    let part = bench.landfall(&words);
    assert!(part.stdout.contains("in the 2 files looked at"), "{}", part.stdout);
    assert!(!part.stdout.contains("everything is there"), "{}", part.stdout);
    let json = bench.landfall(&[&words[..], &["--json"]].concat()).json();
    assert_eq!((&json["clean"], &json["narrowed"]), (&Value::Bool(true), &Value::Bool(true)));
    let none = bench.landfall(&["verify", "backup", "--since", "2200-01-01"]);
    assert_eq!(none.code, 0, "{}", none.stderr);
    assert!(none.stdout.contains("Nothing was looked at"), "{}", none.stdout);
    assert!(!none.stdout.contains("has landed yet"), "{}", none.stdout);
}

/// A damaged document is sent again, and the library rewrites it again: then its parts are what is compared, and
/// only the revision that was shown to be wrong gives way.
#[test]
fn what_the_library_rewrites_is_sent_again_and_proven_by_its_parts() {
    let served = Served::start(&["--scenario", "office", "--files", "80", "--seed", "3"]);
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["run", "office"]).code, 0);
    let inspect = served.inspect();
    let kinds = "truncated,other-format,flipped,flipped-silently,deleted,rewritten-late";
    let damage = ["sim", "damage", "--inspect", &inspect, "--kinds", kinds, "--rate", "60%", "--seed", "4"];
    assert_eq!(bench.landfall(&[&damage[..], &["--answers", "a.jsonl"]].concat()).code, 0);
    let answers = bench.read("a.jsonl");
    let late = answers.lines().filter(|line| line.contains("\"rewritten\"")).count();
    let wrong = answers.lines().count() - late;
    assert!(late > 3 && wrong > 20, "{answers}");
    let found = bench.landfall(&["verify", "office", "--depth", "bytes", "--json"]);
    assert_eq!((found.code, &found.json()["rewritten"]), (6, &late.into()), "{}", found.stderr);
    let mended = bench.landfall(&["repair", "office", "--json"]).json();
    assert_eq!((&mended["mended"], &mended["failed"]), (&wrong.into(), &0.into()), "{mended}");
    let clean = bench.landfall(&["verify", "office", "--depth", "bytes"]);
    assert_eq!(clean.code, 0, "{}", clean.stdout);
}

#[test]
fn damage_is_accepted_only_by_its_kind_and_named_in_the_manifest() {
    let bench = folders();
    bench.write("先/一.txt", "短い");
    assert_eq!(verify(&bench, "backup", "bytes").1.code, 6);
    let passed = bench.landfall(&["accept", "backup", "一.txt", "--json"]);
    assert_eq!((passed.code, &passed.json()["left"]["changed-at-destination"]), (1, &Value::from(1)));
    let named = bench.landfall(&["accept", "backup", "一.txt", "--include", "changed-at-destination"]);
    assert_eq!(named.code, 0, "{}", named.stdout);
    assert_eq!(bench.landfall(&["manifest", "backup", "--out", "目録"]).code, 0);
    let manifest = bench.read("目録");
    let accepted: Vec<&str> = manifest.lines().filter(|line| line.contains("\"accepted\":true")).collect();
    assert!(accepted.len() == 1 && accepted[0].contains("一.txt"), "{manifest}");
}

#[test]
fn a_disk_that_is_not_mounted_has_lost_nothing() {
    let bench = folders();
    fs::rename(bench.path("先"), bench.path("外した先")).unwrap();
    let away = bench.landfall(&["verify", "backup"]);
    assert_eq!(away.code, 7, "{}", away.stderr);
    assert!(away.stderr.contains("mounted"), "{}", away.stderr);
    fs::rename(bench.path("外した先"), bench.path("先")).unwrap();
    assert_eq!(verify(&bench, "backup", "bytes").1.code, 0);
}
