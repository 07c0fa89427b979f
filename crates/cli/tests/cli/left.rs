//! `landfall report --permissions`: what stays behind is asked once, kept, and shown after the source has gone.

use serde_json::Value;

use crate::support::{Bench, Served, interrupted, wait_until};

const WORLD: &str = r#"[
    {"op": "write", "path": "/Recordings/会議/議事録.txt", "text": "一"},
    {"op": "write", "path": "/Recordings/会議/議事録.txt", "text": "二"},
    {"op": "write", "path": "/Recordings/会議/秘密.txt", "text": "三"},
    {"op": "write", "path": "/Recordings/=見積.txt", "text": "四"},
    {"op": "share", "path": "/Recordings/会議", "people": ["hanako.yamada@contoso.com", "ken.sato@contoso.com"], "role": "write", "link": "users"},
    {"op": "share", "path": "/Recordings/=見積.txt", "role": "read", "link": "anonymous", "expires": "2027-04-01T00:00:00Z"},
    {"op": "label", "path": "/Recordings/会議/議事録.txt", "sensitivity": "社外秘", "retention": "7年保存"},
    {"op": "guard", "path": "/Recordings/会議/秘密.txt"}
]"#;

fn served() -> Served {
    let served = Served::start(&["--files", "40", "--seed", "3"]);
    served.ask("POST", "world", WORLD);
    assert_eq!(served.bench.landfall(&["run", "voices"]).code, 0);
    served.reset();
    served
}

/// The rows of a table about one path: what, value, who, role, how, expires.
fn rows(bench: &Bench, table: &str, path: &str) -> Vec<[String; 6]> {
    let text = bench.read(table);
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let rows = reader.records().map(Result::unwrap).filter(|row| &row[1] == path);
    rows.map(|row| [3, 4, 5, 7, 8, 9].map(|at| row[at].to_owned())).collect()
}

fn row(cells: [&str; 6]) -> [String; 6] {
    cells.map(str::to_owned)
}

#[test]
fn what_stays_behind_is_listed_and_outlives_the_source() {
    let served = served();
    let bench = &served.bench;
    let never = bench.landfall(&["report", "voices", "--captured", "--json"]);
    assert_eq!((never.code, never.json().get("left_behind")), (0, None), "{}", never.stderr);
    let early = bench.landfall(&["job", "close", "voices"]);
    assert!(early.stdout.contains("never captured"), "{}", early.stdout);
    assert_eq!(bench.landfall(&["job", "open", "voices"]).code, 0);
    served.reset();

    let asked =
        ["report", "voices", "--permissions", "--html", "r.html", "--permissions-csv", "r.csv", "--json"];
    let told = bench.landfall(&asked);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stderr.contains("at least") && told.stderr.contains("resource units"), "{}", told.stderr);
    let behind = told.json()["left_behind"].clone();
    figures(&behind);
    let requests = served.requests();
    assert_eq!(requests["writes"], 0, "{requests}");
    assert!(behind["ended"].is_string() && behind["outdated"].is_null(), "{behind}");

    listed(bench);

    // The source goes; what was captured stays and nobody is asked.
    let closed = bench.landfall(&["job", "close", "voices", "--json"]).json();
    assert_eq!(closed["captured"], true);
    served.reset();
    let later =
        bench.landfall(&["report", "voices", "--permissions", "--permissions-csv", "s.csv", "--json"]);
    assert_eq!((later.code, served.requests()["total"].clone()), (0, 0.into()), "{}", later.stderr);
    assert_eq!(later.json()["left_behind"], behind);
    assert_eq!(bench.read("s.csv"), bench.read("r.csv"));
    let plain = bench.landfall(&["report", "voices", "--json"]).json();
    assert!(plain.get("left_behind").is_none(), "who was let in is told only where it is asked for");
    let japanese = bench.landfall(&["report", "voices", "--captured", "--lang", "ja", "--html", "j.html"]);
    assert!(japanese.stdout.contains("移行元に残るもの"), "{}", japanese.stdout);
    assert!(bench.read("j.html").contains("名前を挙げた人またはグループ"));
}

/// The table and the page name everything.
#[track_caller]
fn listed(bench: &Bench) {
    let table = bench.read("r.csv");
    assert_eq!(
        rows(bench, "r.csv", "Recordings/=見積.txt"),
        [row(["sharing", "anyone", "", "read", "link", "2027-04-01T00:00:00Z"])]
    );
    let folder = rows(bench, "r.csv", "Recordings/会議");
    assert_eq!(
        folder,
        [
            row(["sharing", "people", "山田 花子", "write", "link", ""]),
            row(["sharing", "people", "佐藤 健", "write", "link", ""]),
        ]
    );
    let minutes: Vec<_> =
        rows(bench, "r.csv", "Recordings/会議/議事録.txt").into_iter().map(|r| r[..2].to_vec()).collect();
    assert_eq!(minutes, [["versions", "1"], ["sensitivity", "社外秘"], ["retention", "7年保存"]]);
    assert_eq!(
        rows(bench, "r.csv", "Recordings/会議/秘密.txt"),
        [row(["unknown", "sharing", "", "", "", ""])]
    );
    let page = bench.read("r.html");
    for text in [
        "What stays behind",
        "山田 花子",
        "社外秘",
        "7年保存",
        "Recordings/会議/秘密.txt",
        "anyone with the link",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("/:u:/g/") && !table.contains("/:u:/g/"), "a link is a key");
}

#[track_caller]
fn figures(behind: &Value) {
    assert_eq!((&behind["unknown"], &behind["unknown_by"]["sharing"]), (&1.into(), &1.into()), "{behind}");
    assert!(behind["files"].as_u64() == Some(43) && behind["folders"].as_u64() > Some(3), "{behind}");
    for field in ["shared_files", "shared_folders", "aged", "older"] {
        assert!(behind[field].as_u64() > Some(0), "{field}: {behind}");
    }
    assert!(
        behind["sensitivity"]["社外秘"].as_u64() > Some(0) && behind["grants"]["anyone"].as_u64() > Some(0)
    );
    let shared: Vec<&str> = behind["let_in"]["first"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert!(
        !shared.contains(&"Recordings/会議/議事録.txt"),
        "its folder's sharing is not told again: {shared:?}"
    );
}

#[test]
fn a_run_afterwards_makes_a_capture_old_and_another_one_takes_its_place() {
    let served = served();
    let bench = &served.bench;
    let first = bench.landfall(&["report", "voices", "--permissions", "--json"]).json();
    crate::support::pause(1100);
    served.ask("POST", "world", r#"{"op": "write", "path": "/Recordings/後から.txt", "text": "五"}"#);
    assert_eq!(bench.landfall(&["run", "voices"]).code, 0);
    let old = bench.landfall(&["report", "voices", "--captured", "--json"]).json();
    assert!(old["left_behind"]["outdated"].is_string(), "{}", old["left_behind"]);
    let new = bench.landfall(&["report", "voices", "--permissions", "--json"]).json();
    assert_eq!(new["left_behind"]["files"].as_u64(), first["left_behind"]["files"].as_u64().map(|n| n + 1));
    assert!(new["left_behind"]["outdated"].is_null());
}

#[test]
fn a_capture_that_was_stopped_is_gone_on_with() {
    let served =
        Served::start(&["--files", "1500", "--seed", "3", "--scenario", "flat", "--latency", "150ms"]);
    let bench = &served.bench;
    assert_eq!(bench.landfall(&["crawl", "flat"]).code, 0);
    served.reset();
    let child = bench.start(&["report", "flat", "--permissions"]);
    let items = || served.requests()["by_route"]["GET item"].as_u64().unwrap_or_default();
    wait_until("some were asked", || items() >= 600);
    let (stopped, _) = interrupted(child);
    assert_ne!(stopped.status.code(), Some(0));
    let part = bench.landfall(&["report", "flat", "--captured", "--json"]).json();
    let before = part["left_behind"]["files"].as_u64().unwrap();
    assert!(part["left_behind"]["ended"].is_null() && (1..1500).contains(&before), "{before}");
    let whole = bench.landfall(&["report", "flat", "--permissions", "--json"]);
    assert!(whole.stderr.contains("goes on behind it"), "{}", whole.stderr);
    assert_eq!(whole.json()["left_behind"]["files"], 1500);
    assert!(items() < 1500 + 20 + 1000, "{}", items());
}

#[test]
fn a_folder_has_nothing_of_the_sort_to_tell() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("data/会議")).unwrap();
    bench.write("data/会議/録音.wav", "音");
    bench.write(
        "landfall.toml",
        "[jobs.backup]\nsource = { kind = \"folder\", path = \"data\" }\ndestination = { kind = \"folder\", path = \"copy\" }\n",
    );
    assert_eq!(bench.landfall(&["run", "backup"]).code, 0);
    let told = bench.landfall(&["report", "backup", "--permissions", "--html", "r.html"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stderr.contains("no sharing, versions or labels"), "{}", told.stderr);
    assert!(bench.read("r.html").contains("a kind that has none of this to tell"));
    let closed = bench.landfall(&["job", "close", "backup"]);
    assert!(!closed.stdout.contains("never captured"), "{}", closed.stdout);
}
