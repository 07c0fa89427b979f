//! A library that really rewrites: what it touches, what it leaves, and what `compare` says of it.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_sim::{Config, Rewriting, Scenario, Sim, WorldOp};
use serde_json::Value;

use crate::client::{Client, Migration, enumerate};

const HOUR: Duration = Duration::from_secs(3600);
/// Kinds that the scenario holds and nobody parses.
const PLAIN: [&str; 2] = [".txt", ".wav"];

fn column(value: &str) -> WorldOp {
    WorldOp::Column { drive: Some("Documents".into()), name: "案件".into(), value: value.into() }
}

/// Files of the library's folder by name.
async fn files(client: &mut Client) -> BTreeMap<String, Value> {
    let library = client.library();
    let items = enumerate(client, &library).await.into_values();
    let files = items.filter(|item| item.get("file").is_some());
    files.map(|item| (item["name"].as_str().unwrap().to_owned(), item)).collect()
}

#[tokio::test(start_paused = true)]
async fn real_files_are_rewritten_late_again_and_again_and_compare_as_the_same() {
    let config = Config {
        scenario: Scenario::Office,
        files: 44,
        rewriting: Some(Rewriting::After(HOUR)),
        ..Config::default()
    };
    let sim = Sim::new(config);
    let mut client = Migration::run(&sim, "/書類", "/Office").await;
    let sent = files(&mut client).await;
    assert_eq!(sent.len(), 45, "the files of the job and the one that was there");
    let compare = sim.compare("office").unwrap();
    assert!(compare.is_clean() && compare.rewritten.is_empty(), "{compare:#?}");

    tokio::time::sleep(2 * HOUR).await;
    let rewritten = files(&mut client).await;
    for value in ["", "港湾 & 倉庫"] {
        let before = if value.is_empty() { &sent } else { &rewritten };
        if !value.is_empty() {
            sim.change(column(value)).unwrap();
        }
        let now = files(&mut client).await;
        for (name, item) in &now {
            let parsed = !PLAIN.iter().any(|kind| name.ends_with(kind));
            let old = &before[name];
            assert_eq!(item["eTag"] != old["eTag"], parsed, "{name}");
            assert_eq!(item["file"]["hashes"] != old["file"]["hashes"], parsed, "{name}");
            assert_eq!(item["lastModifiedBy"], old["lastModifiedBy"], "{name} is nobody else's work");
            let path =
                format!("/drives/{}/items/{}/versions", client.library(), item["id"].as_str().unwrap());
            let versions = client.graph("GET", &path, Value::Null).await.json();
            assert_eq!(versions["value"].as_array().unwrap().len(), 1, "{name}");
        }
        let compare = sim.compare("office").unwrap();
        assert!(compare.is_clean(), "{compare:#?}");
        assert_eq!(compare.totals["rewritten"], 36);
    }
    let rot = "/Office/資料 00000.docx".to_owned();
    sim.change(WorldOp::Corrupt { drive: Some("Documents".into()), path: rot }).unwrap();
    assert_eq!(sim.compare("office").unwrap().different.len(), 1, "what was sent excuses no rot");
}

#[tokio::test(start_paused = true)]
async fn a_library_that_writes_nothing_takes_no_column() {
    let voices = Sim::new(Config { files: 3, ..Config::default() });
    let off =
        Config { scenario: Scenario::Office, files: 3, rewriting: Some(Rewriting::Off), ..Config::default() };
    for sim in [voices, Sim::new(off)] {
        assert!(sim.change(column("第二営業部")).is_err());
    }
    let office = Sim::new(Config { scenario: Scenario::Office, files: 3, ..Config::default() });
    let mut client = Client::new(&office).await;
    office.change(column("第二営業部")).unwrap();
    let there = files(&mut client).await;
    let etag = there["読んでください.txt"]["eTag"].as_str().unwrap();
    assert!(there.len() == 1 && etag.ends_with(",1\""), "{there:?}");
}
