use landfall_core::row::Standing;

use super::*;
use crate::export::fixture::{World, time};

/// The format, to the byte: a change here is a change of `VERSION`.
const SNAPSHOT: &str = r#"{"version":1,
"job":"voices",
"time":"2026-11-21T10:00:00Z",
"sources":[
{"label":"ada","identity":"drive-ada","pass":1,"full":true,"complete":true}],
"entries":[
{"id":"id:会議/朝会.wav","path":"会議/朝会.wav","size":3,"modified":"2025-06-21T00:00:00Z","quickxor":"YQhDGAAAAAAAAAAAAwAAAAAAAAA="},
{"id":"id:近道","path":"近道","size":0,"modified":"2025-06-21T00:00:00Z","quickxor":"AAAAAAAAAAAAAAAAAAAAAAAAAAA=","skipped":"shortcut"}],
"counts":{"files":1,"bytes":3,"folders":FOLDERS,"unsettled":0,"skipped":{"shortcut":1}}}
"#;

#[tokio::test]
async fn the_format_is_this_and_holds_no_cursor() {
    let world = World::crawled(&[("会議/朝会.wav", "aaa"), ("近道", "")]).await;
    world.place(Standing::Skipped, Some(Reason::Shortcut), |row| row.entry.name == "近道").await;
    let path = world.path("state/index.json");
    let indexed = write(&world.ledger, &world.job, &path, time("2026-11-21T10:00:00.7Z")).await.unwrap();
    assert_eq!((indexed.files, indexed.bytes), (1, 3));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, SNAPSHOT.replace("FOLDERS", &indexed.folders.to_string()));
    assert!(!text.contains("token") && !text.contains("geheim"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["entries"].as_array().unwrap().len(), 2);
    assert!(!temp_of(&path).exists());
}

#[tokio::test]
async fn an_empty_job_gives_valid_json() {
    let world = World::empty().await;
    let path = world.path("index.json");
    write(&world.ledger, &world.job, &path, time("2026-11-21T10:00:00Z")).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["counts"]["files"], 0);
}
