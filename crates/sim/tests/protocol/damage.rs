//! Damage to a finished job: each kind does what it says, as a client sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use landfall_sim::{Config, DamageOrder, Damaged, Rewriting, Scenario, Sim, WorldOp, quick_xor, to_base64};
use serde_json::{Value, json};

use crate::client::{Client, Migration, enumerate, path_of};

/// A file of the destination as a client sees it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    item: Value,
    bytes: Bytes,
    versions: usize,
}

impl Seen {
    fn hash(&self) -> &str {
        self.item["file"]["hashes"]["quickXorHash"].as_str().unwrap()
    }

    fn tells_the_truth(&self) -> bool {
        self.hash() == to_base64(quick_xor(&self.bytes)) && self.item["size"] == json!(self.bytes.len())
    }

    fn by_app(&self) -> bool {
        self.item["lastModifiedBy"].get("application").is_some()
    }
}

struct Case {
    client: Client,
    root: &'static str,
    before: BTreeMap<String, Seen>,
}

/// All files below a folder of the library, by path from there.
async fn look(client: &mut Client, root: &str) -> BTreeMap<String, Seen> {
    let library = client.library();
    let items = enumerate(client, &library).await;
    let mut out = BTreeMap::new();
    for item in items.values().filter(|item| item.get("file").is_some() && item.get("deleted").is_none()) {
        let Some(path) = path_of(item, &items) else { continue };
        let Some(path) = path.strip_prefix(&format!("{root}/")) else { continue };
        let base = format!("/drives/{library}/items/{}", item["id"].as_str().unwrap());
        let moved = client.graph("GET", &format!("{base}/content"), Value::Null).await;
        let url = moved.header("location").unwrap().to_owned();
        let bytes = client.raw("GET", &url, &[], Bytes::new()).await.unwrap().body;
        let versions = client.graph("GET", &format!("{base}/versions"), Value::Null).await.json();
        let versions = versions["value"].as_array().unwrap().len();
        out.insert(path.to_owned(), Seen { item: item.clone(), bytes, versions });
    }
    out
}

impl Case {
    async fn voices() -> Self {
        let sim = Sim::new(Config { files: 96, seed: 3, ..Config::default() });
        for n in 0..4 {
            let path = format!("/Recordings/長い録音 {n}.wav");
            sim.change(WorldOp::Write { drive: None, path, text: None, size: Some(1_000_000 + n) }).unwrap();
        }
        let mut client = Migration::run(&sim, "/Recordings", "/Voices").await;
        assert!(sim.compare("voices").unwrap().is_clean());
        let before = look(&mut client, "/Voices").await;
        Self { client, root: "/Voices", before }
    }

    async fn office() -> Self {
        let config = Config {
            scenario: Scenario::Office,
            files: 66,
            rewriting: Some(Rewriting::After(Duration::from_secs(3600))),
            ..Config::default()
        };
        let sim = Sim::new(config);
        let mut client = Migration::run(&sim, "/書類", "/Office").await;
        tokio::time::sleep(Duration::from_secs(7200)).await;
        let before = look(&mut client, "/Office").await;
        Self { client, root: "/Office", before }
    }

    async fn post(&mut self, order: &Value) -> (u16, Vec<Damaged>) {
        let url = "http://graph.sim/inspect/damage";
        let answer = self.client.raw("POST", url, &[], order.to_string().into()).await.unwrap();
        let lines = String::from_utf8(answer.body.to_vec()).unwrap();
        let parsed = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (answer.status, parsed)
    }

    async fn damage(&mut self, kinds: &[&str], rate: f64) -> Vec<Damaged> {
        let (status, done) = self.post(&json!({"kinds": kinds, "rate": rate, "seed": 7})).await;
        assert_eq!(status, 200);
        done
    }

    async fn after(&mut self) -> BTreeMap<String, Seen> {
        look(&mut self.client, self.root).await
    }

    async fn bin(&mut self) -> Vec<Value> {
        let site =
            self.client.graph("GET", "/sites/contoso.sharepoint.com:/sites/Archive", Value::Null).await.id();
        let path = format!("/sites/{site}/recycleBin/items");
        self.client.graph("GET", &path, Value::Null).await.json()["value"].as_array().unwrap().clone()
    }
}

/// What every damage leaves alone: files that are not named, in every way.
fn others_are_as_before(done: &[Damaged], before: &BTreeMap<String, Seen>, after: &BTreeMap<String, Seen>) {
    let named: BTreeSet<&str> =
        done.iter().flat_map(|one| [Some(one.path.as_str()), one.to.as_deref()]).flatten().collect();
    for (path, seen) in before.iter().filter(|(path, _)| !named.contains(path.as_str())) {
        assert_eq!(Some(seen), after.get(path), "{path}");
    }
    let new = after.keys().filter(|path| !before.contains_key(*path));
    assert!(new.clone().all(|path| named.contains(path.as_str())), "{:?}", new.collect::<Vec<_>>());
}

fn differing_bits(a: &[u8], b: &[u8]) -> u32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[tokio::test(start_paused = true)]
async fn damaged_bytes_are_what_is_served_and_only_rot_is_silent() {
    let kinds =
        ["truncated", "flipped", "flipped-silently", "swapped-fragments", "zero-length", "other-format"];
    let mut case = Case::voices().await;
    let done = case.damage(&kinds, 0.2).await;
    assert_eq!(done.len(), 20);
    assert_eq!(done.iter().map(|one| one.kind.as_str()).collect::<BTreeSet<_>>(), kinds.into());
    let after = case.after().await;
    others_are_as_before(&done, &case.before, &after);
    for one in &done {
        let (old, new) = (&case.before[&one.path], &after[&one.path]);
        assert_eq!((one.expect.as_str(), one.repairable, &one.to), ("changed", true, &None));
        assert_ne!(new.bytes, old.bytes, "{one:?}");
        assert_eq!(new.item["fileSystemInfo"], old.item["fileSystemInfo"], "{one:?}");
        assert_eq!(new.versions, 1, "{one:?}");
        if one.kind == "flipped-silently" {
            assert_eq!(new.item, old.item, "nothing tells of it");
            assert_eq!((differing_bits(&new.bytes, &old.bytes), one.by.as_str()), (1, "nobody"));
            continue;
        }
        assert!(new.tells_the_truth() && new.by_app() && one.by == "app", "{one:?}");
        assert_ne!(new.item["eTag"], old.item["eTag"], "{one:?}");
        match one.kind.as_str() {
            "truncated" => assert!(!new.bytes.is_empty() && old.bytes.starts_with(&new.bytes)),
            "flipped" => assert_eq!(differing_bits(&new.bytes, &old.bytes), 1),
            "zero-length" => assert!(new.bytes.is_empty()),
            "other-format" => {
                assert_eq!(new.bytes.len(), old.bytes.len());
                assert!(new.bytes.starts_with(b"MZ") || new.bytes.starts_with(b"\x7fELF"));
            }
            _ => {
                let mut back = new.bytes[327_680..655_360].to_vec();
                back.extend_from_slice(&new.bytes[..327_680]);
                back.extend_from_slice(&new.bytes[655_360..]);
                assert_eq!(
                    (back.as_slice(), new.hash()),
                    (&*old.bytes, old.hash()),
                    "the hash does not tell"
                );
            }
        }
    }
    assert_eq!(case.client.sim.compare("voices").unwrap().different.len(), done.len());
}

#[tokio::test(start_paused = true)]
async fn misplaced_and_doubled_files_keep_their_bytes() {
    let mut case = Case::voices().await;
    let done = case.damage(&["moved", "renamed", "doubled", "moved-by-user"], 0.2).await;
    let after = case.after().await;
    others_are_as_before(&done, &case.before, &after);
    assert_eq!(done.iter().map(|one| one.to.clone().unwrap()).collect::<BTreeSet<_>>().len(), done.len());
    for one in &done {
        let (old, to) = (&case.before[&one.path], one.to.as_deref().unwrap());
        let new = &after[to];
        assert_eq!(
            (&new.bytes, &new.item["fileSystemInfo"], new.versions),
            (&old.bytes, &old.item["fileSystemInfo"], 1)
        );
        assert_eq!(new.item["id"] == old.item["id"], one.kind != "doubled");
        assert_eq!(after.contains_key(&one.path), one.kind == "doubled", "{one:?}");
        assert_eq!(new.by_app(), one.kind != "moved-by-user");
        let split = |path: &str| {
            path.rsplit_once('/').map_or((String::new(), path.to_owned()), |(a, b)| (a.into(), b.into()))
        };
        let ((folder, name), (new_folder, new_name)) = (split(&one.path), split(to));
        let (same_folder, same_name) = (folder == new_folder, name == new_name);
        match one.kind.as_str() {
            "moved" | "moved-by-user" => assert!(!same_folder && same_name, "{one:?}"),
            "renamed" => assert!(same_folder && !same_name, "{one:?}"),
            _ => {
                let (stem, kind) = name.rsplit_once('.').unwrap();
                let forms = [format!("{stem} 1.{kind}"), format!("{stem} (1).{kind}")];
                assert!(same_folder && forms.contains(&new_name), "{one:?}");
            }
        }
        let by = new.item["lastModifiedBy"]["user"]["displayName"].as_str().unwrap_or("app");
        assert_eq!(one.by, by);
        let expected = match one.kind.as_str() {
            "moved" | "renamed" => ("misplaced", true),
            "doubled" => ("doubled", false),
            _ => ("moved-by-user", false),
        };
        assert_eq!((one.expect.as_str(), one.repairable), expected);
    }
    let doubled = done.iter().filter(|one| one.kind == "doubled").count();
    assert_eq!(case.client.sim.compare("voices").unwrap().missing.len(), done.len() - doubled);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_lies_in_the_bin_where_a_person_threw_it() {
    let mut case = Case::voices().await;
    let done = case.damage(&["deleted", "deleted-by-user"], 0.1).await;
    assert_eq!(done.len(), 10);
    let after = case.after().await;
    others_are_as_before(&done, &case.before, &after);
    assert!(done.iter().all(|one| !after.contains_key(&one.path)));
    let place = |item: &Value| {
        format!("{}/{}", item["deletedFromLocation"].as_str().unwrap(), item["name"].as_str().unwrap())
    };
    let bin: BTreeMap<String, String> = case
        .bin()
        .await
        .iter()
        .map(|item| (place(item), item["deletedBy"]["user"]["displayName"].as_str().unwrap().to_owned()))
        .collect();
    let thrown = done.iter().filter(|one| one.kind == "deleted-by-user");
    let expected =
        thrown.map(|one| (format!("sites/Archive/Shared Documents/Voices/{}", one.path), one.by.clone()));
    assert_eq!(bin, expected.collect());
    for one in &done {
        let deleted = one.kind == "deleted";
        assert_eq!((one.repairable, one.by == "nobody"), (deleted, deleted));
        assert_eq!(one.expect, if deleted { "absent" } else { "deleted-by-user" });
    }
}

#[tokio::test(start_paused = true)]
async fn edits_times_versions_and_foreign_files() {
    let mut case = Case::voices().await;
    let done = case.damage(&["edited", "times-lost", "extra-version", "foreign"], 0.2).await;
    let after = case.after().await;
    others_are_as_before(&done, &case.before, &after);
    for one in &done {
        let new = &after[&one.path];
        let person = new.item["lastModifiedBy"]["user"]["displayName"].as_str().unwrap_or("app");
        assert_eq!((one.by.as_str(), &one.to), (person, &None), "{one:?}");
        let Some(old) = case.before.get(&one.path) else {
            assert_eq!(
                (one.kind.as_str(), one.expect.as_str(), one.repairable),
                ("foreign", "foreign", false)
            );
            assert!(!new.by_app() && new.item["createdBy"]["user"].is_object());
            continue;
        };
        assert_ne!(new.item["eTag"], old.item["eTag"]);
        let same_bytes = new.bytes == old.bytes;
        let same_times = new.item["fileSystemInfo"] == old.item["fileSystemInfo"];
        let facts = (one.expect.as_str(), new.by_app(), same_bytes, same_times, new.versions - old.versions);
        match one.kind.as_str() {
            "edited" => assert_eq!(facts, ("edited", false, false, false, 1)),
            "times-lost" => assert_eq!(facts, ("wrong-times", true, true, false, 0)),
            _ => assert_eq!(facts, ("extra-versions", true, true, true, 1)),
        }
        assert_eq!(one.repairable, one.kind == "times-lost");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_a_library_parses_is_rewritten_late_and_compares_as_the_same() {
    let mut case = Case::office().await;
    let done = case.damage(&["rewritten-late"], 0.3).await;
    assert_eq!(done.len(), 20);
    let after = case.after().await;
    others_are_as_before(&done, &case.before, &after);
    for one in &done {
        let (old, new) = (&case.before[&one.path], &after[&one.path]);
        assert!(!one.path.ends_with(".txt") && !one.path.ends_with(".wav"));
        assert!(new.tells_the_truth() && new.by_app() && new.bytes != old.bytes && new.versions == 1);
        assert_eq!((one.expect.as_str(), one.by.as_str(), one.repairable), ("rewritten", "library", false));
    }
    let compare = case.client.sim.compare("office").unwrap();
    assert!(compare.is_clean(), "{compare:#?}");
    let rot = case.damage(&["flipped-silently"], 1.0).await;
    assert_eq!(rot.len(), 66, "every file can rot");
    assert_eq!(
        case.client.sim.compare("office").unwrap().different.len(),
        66,
        "and what was sent excuses none"
    );
}

#[tokio::test(start_paused = true)]
async fn all_kinds_take_a_file_each_and_the_same_seed_takes_the_same() {
    let order =
        |seed: u64| DamageOrder { job: None, kinds: vec!["all".into()], rate: 0.5, seed, versioned: false };
    let mut outcomes = Vec::new();
    for seed in [7, 7, 8] {
        let case = Case::voices().await;
        let done = case.client.sim.damage(&order(seed)).unwrap();
        assert_eq!(done.len(), 50);
        let mut kinds = BTreeMap::<&str, usize>::new();
        done.iter().for_each(|one| *kinds.entry(&one.kind).or_default() += 1);
        assert_eq!(kinds.len(), 16, "all but rewriting, as this library parses nothing: {kinds:?}");
        assert!(kinds.values().all(|count| (2..=4).contains(count)), "spread evenly: {kinds:?}");
        assert_eq!(done.iter().map(|one| &one.path).collect::<BTreeSet<_>>().len(), done.len());
        outcomes.push(done);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_ne!(outcomes[0], outcomes[2]);
}

#[tokio::test(start_paused = true)]
async fn versions_are_kept_where_asked_for_and_orders_are_checked() {
    let mut case = Case::voices().await;
    for (order, status) in [
        (json!({"job": "nobody", "kinds": ["all"], "rate": 0.5, "seed": 1}), 404),
        (json!({"kinds": ["burnt"], "rate": 0.5, "seed": 1}), 400),
        (json!({"kinds": ["all"], "rate": 0.0, "seed": 1}), 400),
        (json!({"kinds": ["all"], "rate": 1.5, "seed": 1}), 400),
        (json!({"kinds": ["all"], "rate": 0.5}), 400),
    ] {
        assert_eq!(case.post(&order).await, (status, Vec::new()), "{order}");
    }
    assert_eq!(case.after().await, case.before, "nothing was damaged by what was refused");
    let order = json!({"job": "voices", "kinds": ["truncated", "times-lost"], "rate": 0.1, "seed": 1, "versioned": true});
    let (_, done) = case.post(&order).await;
    let after = case.after().await;
    assert_eq!(done.len(), 10);
    for one in &done {
        let (old, new) = (&case.before[&one.path], &after[&one.path]);
        assert_eq!(new.versions, old.versions + 1, "{one:?}");
    }
}
