//! Enumeration and changes by delta, as `graph.md` section 6 has them.

use landfall_sim::{Config, Fault, FaultRule, Sim, WorldOp};
use serde_json::{Value, json};

use crate::client::{Client, enumerate, path_of};

fn sim() -> Sim {
    Sim::new(Config { files: 30, ..Config::default() })
}

/// Follows links to the end: all pages and the delta link.
async fn follow(client: &mut Client, start: &str) -> (Vec<Vec<Value>>, String) {
    let mut link = start.to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = client.graph("GET", &link, Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        let page = answer.json();
        pages.push(page["value"].as_array().unwrap().clone());
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => return (pages, page["@odata.deltaLink"].as_str().unwrap().to_owned()),
        }
    }
}

fn names(pages: &[Vec<Value>]) -> Vec<String> {
    pages.iter().flatten().map(|item| item["name"].as_str().unwrap_or("(deleted)").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_enumeration_names_everything_once_without_ctags() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let start = format!("/drives/{}/root/delta?$top=7", client.source());
    let (pages, _) = follow(&mut client, &start).await;
    assert!(pages.len() > 4);
    let total: usize = pages.iter().map(Vec::len).sum();
    assert_eq!(total, sim.tree(None, "/").len() + 1, "and the root");
    assert!(pages.iter().flatten().all(|item| item.get("cTag").is_none()));
    assert!(pages[0][0].get("root").is_some(), "parents come first");
}

#[tokio::test(start_paused = true)]
async fn changes_come_with_their_ancestors_and_deletions_without_a_name() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let start = format!("/drives/{}/root/delta", client.source());
    let (_, link) = follow(&mut client, &start).await;
    let (quiet, link) = follow(&mut client, &link).await;
    assert!(names(&quiet).is_empty(), "nothing changed");
    let file = sim.tree(None, "/Recordings").into_iter().find(|entry| !entry.folder).unwrap();
    sim.change(WorldOp::Write { drive: None, path: file.path.clone(), text: Some("新".into()), size: None })
        .unwrap();
    let (pages, link) = follow(&mut client, &link).await;
    let expected: Vec<&str> = std::iter::once("root").chain(file.path.split('/').skip(1)).collect();
    assert_eq!(names(&pages), expected, "root, folders, file");
    sim.change(WorldOp::Delete { drive: None, path: file.path }).unwrap();
    let (pages, _) = follow(&mut client, &link).await;
    let gone = pages.iter().flatten().find(|item| item.get("deleted").is_some()).unwrap();
    assert!(gone.get("name").is_none());
    assert_eq!(gone["id"], json!(file.id));
}

#[tokio::test(start_paused = true)]
async fn a_renamed_folder_comes_without_its_descendants() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let start = format!("/drives/{}/root/delta", client.source());
    let (_, link) = follow(&mut client, &start).await;
    sim.change(WorldOp::Move {
        drive: None,
        path: "/Recordings/2019年".into(),
        to: "/Recordings/平成31年".into(),
    })
    .unwrap();
    let (pages, _) = follow(&mut client, &link).await;
    assert_eq!(names(&pages), ["root", "Recordings", "平成31年"]);
}

#[tokio::test(start_paused = true)]
async fn latest_and_time_stamps_are_tokens_too() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let drive = client.source();
    let (pages, _) = follow(&mut client, &format!("/drives/{drive}/root/delta?token=latest")).await;
    assert!(names(&pages).is_empty());
    sim.change(WorldOp::Folder { drive: None, path: "/新しい".into() }).unwrap();
    let since = format!("/drives/{drive}/root/delta?token=2026-01-05T00%3A00%3A00Z");
    let (pages, _) = follow(&mut client, &since).await;
    assert!(names(&pages).contains(&"新しい".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_token_too_old_gets_410_with_a_fresh_start() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let start = format!("/drives/{}/root/delta", client.source());
    let (_, link) = follow(&mut client, &start).await;
    sim.change(WorldOp::ForgetDelta { drive: None }).unwrap();
    let gone = client.graph("GET", &link, Value::Null).await;
    assert_eq!((gone.status, gone.code().as_str()), (410, "resyncRequired"));
    assert!(gone.inner().starts_with("resyncChanges"), "{}", gone.inner());
    let fresh = gone.header("location").unwrap().to_owned();
    assert_eq!(client.graph("GET", &fresh, Value::Null).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_altered_next_link_is_refused_and_noted() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let page =
        client.graph("GET", &format!("/drives/{}/root/delta?$top=5", client.source()), Value::Null).await;
    let link = page.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    assert_eq!(client.graph("GET", &format!("{link}x"), Value::Null).await.status, 400);
    assert!(sim.violations()[0].contains("altered"));
}

#[tokio::test(start_paused = true)]
async fn awkward_pages_lead_to_the_same_tree() {
    let expected = {
        let sim = sim();
        let mut client = Client::new(&sim).await;
        let drive = client.source();
        paths(&enumerate(&mut client, &drive).await)
    };
    for (fault, times) in
        [(Fault::EmptyPage, 2), (Fault::RepeatedItems, 2), (Fault::LoopingLink, 1), (Fault::Resync, 1)]
    {
        let sim = sim();
        sim.script(FaultRule { route: "GET delta".into(), nth: 2, times, subject: None, fault });
        let mut client = Client::new(&sim).await;
        let drive = client.source();
        assert_eq!(paths(&enumerate(&mut client, &drive).await), expected, "{fault:?}");
    }
    let sim = Sim::new(Config { files: 30, children_first: true, ..Config::default() });
    let mut client = Client::new(&sim).await;
    let drive = client.source();
    assert_eq!(paths(&enumerate(&mut client, &drive).await), expected);
}

fn paths(items: &std::collections::BTreeMap<String, Value>) -> Vec<String> {
    let mut out: Vec<String> = items.values().map(|item| path_of(item, items).unwrap()).collect();
    out.sort();
    out
}
