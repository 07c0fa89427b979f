//! `landfall report`: three files at once, the figures of the ledger, and nothing that costs a network.

use serde_json::Value;

use crate::support::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("data/会議")).unwrap();
    bench.write("data/会議/録音.wav", "音");
    bench.write("data/<b>&.wav", "音声");
    bench.write("data/=メモ.txt", "hello");
    bench.write(
        "landfall.toml",
        "[jobs.backup]\nsource = { kind = \"folder\", path = \"data\" }\ndestination = { kind = \"folder\", path = \"copy\" }\ninclude = [\"*.wav\"]\n",
    );
    bench
}

#[test]
fn a_report_has_the_figures_of_the_ledger_in_every_form() {
    let bench = bench();
    assert_eq!(bench.landfall(&["run", "backup"]).code, 1);
    let before = bench.landfall(&["report", "backup", "--json"]).json();
    assert_eq!((&before["audit"], &before["written"]["html"]), (&Value::Null, &Value::Null));
    assert_eq!(bench.landfall(&["crawl", "backup", "--audit"]).code, 0);
    let words = ["report", "backup", "--html", "報告.html", "--csv", "表.csv", "--json", "数.json"];
    let written = bench.landfall(&words);
    assert_eq!(written.code, 1, "{}", written.stderr);
    for name in ["報告.html", "表.csv", "数.json"] {
        assert!(written.stdout.contains(name), "{}", written.stdout);
    }
    let status = bench.landfall(&["status", "backup", "--json"]).json();
    let report: Value = serde_json::from_str(&bench.read("数.json")).unwrap();
    assert_eq!(report["totals"]["all"]["files"], status["files"]);
    assert_eq!(report["totals"]["all"]["bytes"], status["bytes"]);
    assert_eq!(report["states"]["SUCCESS"]["files"], status["states"]["SUCCESS"]);
    assert_eq!(report["proofs"]["bytes"], status["proven_by"]["bytes"]);
    assert_eq!((&report["skipped"]["total"], &report["complete"]), (&1.into(), &false.into()));
    assert_eq!(report["audit"]["files"], 3);
    assert!(report["audit"]["complete_as_of"].is_string(), "{}", report["audit"]);
    assert_eq!(report["asked"]["filters"], serde_json::json!(["include *.wav"]));
    let csv = bench.read("表.csv");
    let row = csv.lines().nth(1).unwrap();
    assert!(row.contains("'=メモ.txt") && row.contains(",skipped,filtered,"), "{csv}");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let page = bench.read("報告.html");
    assert!(page.contains("<html lang=\"en\">") && page.contains("All 2 files that take part"), "{page}");
    assert!(page.contains("=メモ.txt") && !page.contains("<script") && !page.contains("://"), "{page}");
}

#[test]
fn a_report_speaks_japanese_and_says_little_on_a_terminal() {
    let bench = bench();
    bench.landfall(&["run", "backup"]);
    let page = bench.landfall(&["--lang", "ja", "report", "backup", "--html", "page.html"]);
    assert_eq!(page.code, 1, "{}", page.stderr);
    let text = bench.read("page.html");
    assert!(text.contains("<html lang=\"ja\">") && text.contains("フィルターで除かれています"), "{text}");
    let lines = bench.landfall(&["report", "backup"]);
    assert!(lines.stdout.contains("proven") && lines.stdout.contains("never audited"), "{}", lines.stdout);
    assert!(lines.stdout.lines().count() < 12, "{}", lines.stdout);
}

#[test]
fn a_report_that_cannot_be_is_refused_and_leaves_nothing() {
    let bench = bench();
    let unknown = bench.landfall(&["report", "backup", "--html", "page.html"]);
    assert_eq!(unknown.code, 1, "{}", unknown.stdout);
    assert!(unknown.stderr.contains("LF0701"), "{}", unknown.stderr);
    bench.landfall(&["run", "backup"]);
    let twice = bench.landfall(&["report", "backup", "--html", "page.html", "--csv", "page.html"]);
    assert_eq!(twice.code, 2, "{}", twice.stderr);
    let nowhere = bench.landfall(&["report", "backup", "--csv", "ない/page.csv"]);
    assert_eq!(nowhere.code, 8, "{}", nowhere.stderr);
    assert!(nowhere.stderr.contains("LF0509"), "{}", nowhere.stderr);
    assert!(!bench.path("page.html").exists() && !bench.path("ない").exists());
}
