//! A small client that copes with everything: it always finishes, and the same seed gives the same history.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_sim::{Faults, HubConfig};
use serde_json::{Value, json};

use crate::client::{Answer, Client, REPO, lfs_file, sealed, sha256};

/// More tries for one step than this mean that it never ends.
const TRIES: u32 = 60;

/// Sends until an answer comes that means something, and waits as long as the answers say.
async fn steady(client: &Client, method: &str, url: &str, body: &str) -> Answer {
    for _ in 0..TRIES {
        let headers = [("content-type", "application/json"), ("token", "")];
        let headers = if url.contains("hub.sim") { &headers[..1] } else { &headers[..] };
        let answer = client.try_send(method, url, headers, body.to_owned()).await;
        let Ok(answer) = answer else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        match answer.status {
            429 | 500..=599 => tokio::time::sleep(Duration::from_secs(told(&answer))).await,
            _ => return answer,
        }
    }
    panic!("{method} {url} never ends");
}

fn told(answer: &Answer) -> u64 {
    if let Ok(seconds) = answer.header("retry-after").parse() {
        return seconds;
    }
    if answer.error().contains("about 1 hour") || answer.error().contains("hourly quotas") {
        return 3600;
    }
    let empty = answer.header("ratelimit").split_once("r=0;t=");
    empty.and_then(|(_, seconds)| seconds.parse().ok()).unwrap_or(1)
}

async fn put(client: &Client, bytes: &[u8]) {
    let oid = sha256(bytes);
    let batch = json!({
        "operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": bytes.len()}],
    });
    for _ in 0..TRIES {
        let url = format!("/datasets/{REPO}.git/info/lfs/objects/batch");
        let answer = steady(client, "POST", &url, &batch.to_string()).await.json();
        let Some(href) = answer["objects"][0]["actions"]["upload"]["href"].as_str() else { return };
        drop(client.try_send("PUT", href, &[], bytes.to_vec()).await);
    }
    panic!("an object is never stored");
}

async fn is_there(client: &Client, wanted: &BTreeMap<String, Vec<u8>>) -> bool {
    let head = steady(client, "GET", &format!("/api/datasets/{REPO}/revision/main"), "").await.json();
    let paths: Vec<&String> = wanted.keys().collect();
    let url = format!("/api/datasets/{REPO}/paths-info/{}", head["sha"].as_str().unwrap());
    let rows = steady(client, "POST", &url, &json!({"paths": paths}).to_string()).await.json();
    let oids: BTreeMap<&str, &str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["lfs"]["oid"].as_str().unwrap()))
        .collect();
    wanted.iter().all(|(path, bytes)| oids.get(path.as_str()).is_some_and(|oid| **oid == sha256(bytes)))
}

/// Every file as the Hub shows and gives it: the tree at one commit, then each by its own path.
async fn read_back(client: &Client) -> BTreeMap<String, Vec<u8>> {
    let head = steady(client, "GET", &format!("/api/datasets/{REPO}/revision/main"), "").await.json();
    let commit = head["sha"].as_str().unwrap();
    let mut next = Some(format!("http://hub.sim/api/datasets/{REPO}/tree/{commit}?recursive=true"));
    let mut out = BTreeMap::new();
    while let Some(url) = next {
        let page = steady(client, "GET", url.strip_prefix("http://hub.sim").unwrap(), "").await;
        let Ok(rows) = serde_json::from_slice::<Vec<Value>>(&page.body) else {
            next = Some(url);
            continue;
        };
        for row in rows.iter().filter(|row| row["lfs"].is_object()) {
            let path = row["path"].as_str().unwrap();
            let bytes = fetched(client, commit, path, row["lfs"]["oid"].as_str().unwrap()).await;
            out.insert(path.to_owned(), bytes);
        }
        next = page.next();
    }
    out
}

async fn fetched(client: &Client, commit: &str, path: &str, oid: &str) -> Vec<u8> {
    let resolve = format!("/datasets/{REPO}/resolve/{commit}/{}", crate::client::escape(path));
    for _ in 0..TRIES {
        let link = steady(client, "GET", &resolve, "").await.header("location").to_owned();
        let answer = client.try_send("GET", &link, &[], "").await;
        if let Some(answer) = answer.ok().filter(|answer| sha256(&answer.body) == oid) {
            return answer.body.to_vec();
        }
    }
    panic!("{path} is never read");
}

async fn migrate(seed: u64) -> (Client, Vec<String>) {
    let client = Client::new(HubConfig { seed, faults: Faults::Wild, page: 6, ..HubConfig::default() });
    let mut sent = BTreeMap::new();
    for batch in 0..4 {
        let files: BTreeMap<String, Vec<u8>> =
            (0..5).map(|number| (format!("録音/{batch}/{number}"), sealed(600 + number, batch))).collect();
        for bytes in files.values() {
            put(&client, bytes).await;
        }
        let lines: Vec<Value> =
            files.iter().map(|(path, bytes)| lfs_file(path, &sha256(bytes), Some(bytes.len()))).collect();
        let mut tries = 0;
        while !is_there(&client, &files).await {
            tries += 1;
            assert!(tries < TRIES, "a commit is never made");
            let url = format!("/api/datasets/{REPO}/commit/main");
            let answer = client.try_send("POST", &url, &[], crate::client::body(None, &lines)).await;
            if let Ok(answer) = answer.as_ref().map_err(drop).and_then(|answer| match answer.status {
                429 | 500..=599 => Ok(answer),
                _ => Err(()),
            }) {
                tokio::time::sleep(Duration::from_secs(told(answer))).await;
            }
        }
        sent.extend(files);
    }
    assert_eq!(read_back(&client).await, sent, "seed {seed}");
    let commits = client.sim.commits(REPO);
    let mut trace: Vec<String> =
        commits.iter().map(|commit| format!("{} {}", commit.oid, commit.at)).collect();
    trace.push(serde_json::to_string(&client.sim.requests()).unwrap());
    (client, trace)
}

#[tokio::test(start_paused = true)]
async fn a_patient_client_finishes_under_every_fault_and_is_never_too_early() {
    let mut met = BTreeMap::new();
    for seed in 0..30 {
        let (client, _) = migrate(seed).await;
        assert_eq!(client.sim.files(REPO).len(), 21, "seed {seed}");
        let requests = client.sim.requests();
        assert!(requests.violations.is_empty(), "seed {seed}: {:?}", requests.violations);
        for (kind, count) in requests.faults {
            *met.entry(kind).or_insert(0) += count;
        }
    }
    assert!(met.len() >= 18, "too few kinds of fault were met: {met:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_history() {
    assert_eq!(migrate(7).await.1, migrate(7).await.1);
    assert_ne!(migrate(7).await.1, migrate(8).await.1);
}
