//! What stays behind: read from memos as they lie in a ledger, with names that nobody should have, in both languages.

use landfall_core::memo::{Memo as _, MemoKey, MemoValue};
use landfall_report::{Behind, BehindTable, LISTED, Report, page};
use serde_json::{Value, json};

use crate::paper::safe;
use crate::texts::{ENGLISH, JAPANESE, language};
use crate::world::{HOSTILE, World};

fn capture(number: u64, ended: bool) -> Value {
    json!({
        "version": 1, "number": number, "begun": "2026-11-20T10:00:00Z",
        "ended": ended.then_some("2026-11-20T11:00:00Z"),
        "sources": [1], "silent": ["folder: <b>倉庫"], "unreached": ["花子@contoso.com"],
    })
}

fn grant(name: &str, audience: &str) -> Value {
    json!({
        "id": "x", "audience": audience, "role": "write", "link": audience != "people",
        "people": [{"name": name, "mail": "</bdi><script>"}, {"mail": "i:0#.f|membership|x"}, {"name": "グループ"}],
        "expires": "2027-01-01T00:00:00Z",
    })
}

fn things() -> Vec<Value> {
    let mut all = vec![
        json!({"source": "花子", "path": "", "folder": true, "left": {"grants": [grant("花子", "people")]}}),
        json!({"source": "花子", "path": "会議", "folder": true, "left": {"retention": "7年<保存>", "grants": [
            {"id": "y", "audience": "people", "role": "read", "inherited": true},
            {"id": "z", "audience": "organization", "role": "read", "link": true},
        ]}}),
        json!({"source": "花子", "path": "会議/秘密.txt", "left": {"unknown": [
            {"aspect": "sharing", "why": "403 <accessDenied>"}, {"aspect": "versions", "why": "503"},
            {"aspect": "sensitivity", "why": "400"}, {"aspect": "retention", "why": "400"},
        ]}}),
    ];
    for (at, name) in HOSTILE.iter().enumerate() {
        all.push(json!({"source": name, "path": format!("会議/{name}"), "left": {
            "grants": [grant(name, ["anyone", "people"][at % 2])], "older": at, "sensitivity": name,
        }}));
    }
    all
}

async fn keep(world: &World, kind: &'static str, key: &str, value: &Value) {
    let value = MemoValue { text: value.to_string(), secret: false, expires: None };
    world.ledger.remember(&MemoKey::new(world.job.id, kind, key), value).await.unwrap();
}

async fn pages(world: &World, number: u64, copies: usize) {
    for nth in 0..copies {
        let page = json!({
            "version": 1, "at": {"files": 9}, "files": 17, "folders": 2, "gone": 1, "unreached": 3, "things": things(),
        });
        keep(world, "left-page", &format!("{number:012}.{nth:012}"), &page).await;
    }
}

async fn read(world: &World) -> (Report, String) {
    let (mut report, _) = world.report().await;
    let mut csv = Vec::new();
    let mut table = BehindTable::new(&mut csv);
    let behind = Behind::read(&world.ledger, world.job.id, &report, Some(&mut table)).await.unwrap();
    report.left_behind = behind;
    (report, String::from_utf8(csv).unwrap())
}

#[tokio::test]
async fn the_figures_are_those_of_the_memos_and_the_page_is_safe() {
    let world = World::drawn(7, 20).await;
    assert!(read(&world).await.0.left_behind.is_none());
    keep(&world, "left", "last", &capture(3, true)).await;
    pages(&world, 2, 1).await;
    pages(&world, 3, 2).await;
    let (report, csv) = read(&world).await;
    let behind = report.left_behind.clone().unwrap();
    assert_eq!((behind.files, behind.folders, behind.gone, behind.unreached_files), (34, 4, 2, 6));
    assert_eq!((behind.shared_files, behind.shared_folders, behind.unknown), (24, 4, 2));
    assert_eq!((behind.aged, behind.older), (22, 2 * (0..12).sum::<u64>()));
    assert_eq!(
        behind.grants.iter().map(|(word, n)| (*word, *n)).collect::<Vec<_>>(),
        [("anyone", 12), ("organization", 2), ("people", 14)]
    );
    assert_eq!(behind.unknown_by.values().copied().collect::<Vec<_>>(), [2; 4]);
    assert_eq!((behind.retention["7年<保存>"], behind.sensitivity.len()), (2, HOSTILE.len()));
    // One row a person (three of each grant, but one where nobody is named), version count, label, unknown thing.
    let rows = csv.matches("\r\n").count() - 1;
    assert_eq!(rows, 2 * (3 * (1 + HOSTILE.len()) + 1 + 11 + HOSTILE.len() + 1 + 4), "{csv}");
    for cell in ["'=HYPERLINK", "'+81-3", "'@花子", "'-1.jpg"] {
        assert!(csv.contains(cell), "{cell}");
    }
    for (code, texts) in [("en", &ENGLISH), ("ja", &JAPANESE)] {
        safe(&page(&report, &language(code, texts)));
    }
}

#[tokio::test]
async fn a_part_an_older_one_and_an_old_one_each_say_so() {
    let world = World::drawn(3, 10).await;
    keep(&world, "left", "under-way", &capture(1, false)).await;
    pages(&world, 1, 1).await;
    let (part, _) = read(&world).await;
    let behind = part.left_behind.as_ref().unwrap();
    assert!(behind.ended.is_none() && behind.repeated.is_none());
    assert!(page(&part, &language("en", &ENGLISH)).contains("This is a part"));

    keep(&world, "left", "last", &capture(1, true)).await;
    keep(&world, "left", "under-way", &capture(2, false)).await;
    world.run("run", "{}").await;
    let (old, _) = read(&world).await;
    let behind = old.left_behind.as_ref().unwrap();
    assert!(behind.ended.is_some() && behind.repeated.is_some() && behind.outdated == Some(world.now));
    for (code, texts) in [("en", &ENGLISH), ("ja", &JAPANESE)] {
        safe(&page(&old, &language(code, texts)));
    }
    let english = page(&old, &language("en", &ENGLISH));
    assert!(english.contains("the one before it") && english.contains("is not in it"));
}

#[tokio::test]
async fn lists_are_cut_and_a_form_of_another_program_is_refused() {
    let world = World::drawn(5, 5).await;
    keep(&world, "left", "last", &capture(1, true)).await;
    pages(&world, 1, 60).await;
    let (report, csv) = read(&world).await;
    let behind = report.left_behind.as_ref().unwrap();
    assert_eq!((behind.let_in.first.len(), behind.let_in.total), (LISTED, 60 * 14));
    assert!(csv.matches("\r\n").count() > 3000);
    assert!(page(&report, &language("en", &ENGLISH)).contains("The first 500 of 840"));
    let mut later = capture(1, true);
    later["version"] = 2.into();
    keep(&world, "left", "last", &later).await;
    let (report, _) = world.report().await;
    assert!(Behind::read(&world.ledger, world.job.id, &report, None).await.is_err());
}
