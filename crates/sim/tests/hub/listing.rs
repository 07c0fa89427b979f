//! Trees at every commit, pages, given paths and the lag.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall_sim::HubConfig;
use serde_json::{Value, json};

use crate::client::{Client, REPO, deleted, escape, file};

type Files = BTreeMap<String, String>;

/// What a listing of a folder must hold: folders and files.
fn expected(files: &Files, folder: &str, recursive: bool) -> BTreeSet<(String, String)> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut out = BTreeSet::new();
    for path in files.keys().filter(|path| path.starts_with(&prefix)) {
        let rest = &path[prefix.len()..];
        let slashes: Vec<usize> = rest.match_indices('/').map(|(at, _)| at).collect();
        let shown = if recursive { slashes.len() } else { slashes.len().min(1) };
        for at in &slashes[..shown] {
            out.insert(("directory".to_owned(), format!("{prefix}{}", &rest[..*at])));
        }
        if recursive || slashes.is_empty() {
            out.insert(("file".to_owned(), path.clone()));
        }
    }
    out
}

async fn compare(client: &Client, rev: &str, files: &Files, folder: &str, recursive: bool) {
    let rows = client.tree(rev, folder, recursive).await;
    let shown: BTreeSet<_> = rows.iter().map(|(kind, path, _)| (kind.clone(), path.clone())).collect();
    assert_eq!(shown, expected(files, folder, recursive), "{folder:?} at {rev}, recursive {recursive}");
    assert_eq!(shown.len(), rows.len(), "a row came twice");
    let paths: Vec<_> = rows.iter().map(|(_, path, _)| path).collect();
    for (at, path) in paths.iter().enumerate() {
        let above = path.rsplit_once('/').map(|(above, _)| above).filter(|above| *above != folder);
        if let Some(above) = above.filter(|_| recursive) {
            assert!(paths[..at].iter().any(|earlier| *earlier == above), "{path} came before its folder");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_commit_ever_made_shows_what_it_held() {
    for seed in 0..12 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let page = rng.usize(1..5);
        let client = Client::new(HubConfig { page, seed, api_quota: u64::MAX, ..HubConfig::default() });
        let mut files: Files = [(".gitattributes".to_owned(), String::new())].into();
        let mut history = vec![(client.sim.head(REPO).unwrap(), files.clone())];
        // Names whose order differs from that of their folders: a slash lies between a dot and a letter.
        let names = ["a", "a.b", "a-b", "a0", "録", "録音"];
        for _ in 0..15 {
            let mut lines = BTreeMap::new();
            for _ in 0..rng.usize(1..5) {
                let mut path = String::new();
                for _ in 0..rng.usize(0..3) {
                    path.push_str(rng.choice(names).unwrap());
                    path.push('/');
                }
                // No file has the name of a folder.
                path.push('f');
                path.push_str(rng.choice(names).unwrap());
                if files.contains_key(&path) && rng.bool() {
                    lines.insert(path.clone(), deleted(&path));
                } else {
                    lines.insert(path.clone(), file(&path, &rng.u8(..).to_string()));
                }
            }
            let body: Vec<Value> = lines.values().cloned().collect();
            assert_eq!(client.commit(&body).await.status, 200);
            for (path, line) in lines {
                match line["key"] == "file" {
                    true => drop(files.insert(path, String::new())),
                    false => drop(files.remove(&path)),
                }
            }
            history.push((client.sim.head(REPO).unwrap(), files.clone()));
        }
        for (oid, files) in &history {
            compare(&client, oid, files, "", true).await;
            compare(&client, &oid[..12], files, "", false).await;
            let all = expected(files, "", true);
            for (_, folder) in all.iter().filter(|(kind, _)| kind == "directory") {
                compare(&client, oid, files, folder, true).await;
                compare(&client, oid, files, folder, false).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_has_another_id_when_anything_below_it_changes() {
    let client = Client::new(HubConfig::default());
    let id = async |name: &str| {
        let rows = client.tree("main", "", true).await;
        rows.into_iter().find(|(_, path, _)| path == name).unwrap().2
    };
    client.commit(&[file("a/b/録音", "1"), file("c/d", "1")]).await;
    let (a, b, c) = (id("a").await, id("a/b").await, id("c").await);
    client.commit(&[file("a/b/録音", "2")]).await;
    assert!(a != id("a").await && b != id("a/b").await && c == id("c").await);
    client.commit(&[file("a/b/録音", "1")]).await;
    assert_eq!((a, b), (id("a").await, id("a/b").await), "the same content has the same id again");
}

#[tokio::test(start_paused = true)]
async fn absent_things_are_told_apart() {
    let client = Client::new(HubConfig::default());
    client.commit(&[file("花子/録音", "x")]).await;
    let code = async |path: &str| {
        let answer = client.get(path).await;
        (answer.status, answer.header("x-error-code").to_owned())
    };
    let base = format!("/api/datasets/{REPO}");
    assert_eq!(code(&format!("{base}/tree/main/{}", escape("太郎"))).await, (404, "EntryNotFound".into()));
    assert_eq!(
        code(&format!("{base}/tree/main/{}", escape("花子/録音"))).await,
        (404, "EntryNotFound".into())
    );
    assert_eq!(code(&format!("{base}/tree/other")).await, (404, "RevisionNotFound".into()));
    assert_eq!(code(&format!("{base}/revision/{}", "0".repeat(40))).await, (404, "RevisionNotFound".into()));
    assert_eq!(code("/api/datasets/me/none/tree/main").await, (404, "RepoNotFound".into()));
    assert_eq!(code(&format!("/datasets/{REPO}/resolve/main/none")).await, (404, "EntryNotFound".into()));
    assert_eq!(code(&format!("{base}/tree/main?cursor=x")).await, (400, String::new()));
    assert_eq!(code(&format!("{base}/xet-write-token/main")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn given_paths_come_as_form_or_json_and_absent_ones_are_left_out() {
    let client = Client::new(HubConfig::default());
    client
        .sim
        .put(REPO, vec![("花子/録音".into(), b"RCLONE\0\0x".as_slice().into()), ("b".into(), "y".into())]);
    let url = format!("/api/datasets/{REPO}/paths-info/main");
    let form =
        format!("paths={}&paths=none&paths=b&expand=false&paths={}", escape("花子"), escape("花子/録音"));
    let by_form = client.send("POST", &url, form).await;
    let by_json = client.post(&url, &json!({"paths": ["花子", "none", "b", "花子/録音"]})).await;
    let mut forms: Vec<Value> = by_form.json().as_array().unwrap().clone();
    assert_eq!(by_json.json().as_array().unwrap().len(), 3);
    forms.sort_by_key(Value::to_string);
    let mut jsons: Vec<Value> = by_json.json().as_array().unwrap().clone();
    jsons.sort_by_key(Value::to_string);
    assert_eq!(forms, jsons);
    let sealed = jsons.iter().find(|row| row["path"] == "花子/録音").unwrap();
    assert_eq!(sealed["lfs"]["oid"], crate::client::sha256(b"RCLONE\0\0x"));
    assert_eq!((&sealed["size"], &sealed["lfs"]["pointerSize"]), (&json!(9), &json!(126)));
    let many: Vec<String> = (0..1001).map(|number| format!("x{number}")).collect();
    let refused = client.post(&url, &json!({"paths": many})).await;
    assert_eq!((refused.status, refused.error().as_str()), (413, "too many parameters"));
    assert_eq!(client.post(&url, &json!({"paths": many[..1000]})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_listed_late_and_a_commit_at_once() {
    let client = Client::new(HubConfig { listing_lag: Duration::from_secs(20), ..HubConfig::default() });
    // The first request starts the clock.
    client.get("/api/whoami-v2").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let oid = client.commit(&[file("録音", "x")]).await.json()["commitOid"].as_str().unwrap().to_owned();
    assert_eq!(client.tree("main", "", true).await.len(), 1);
    assert_eq!(client.tree(&oid, "", true).await.len(), 2);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(client.tree("main", "", true).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn repository_information_names_a_part_of_the_files_only() {
    let client = Client::new(HubConfig { siblings: 3, ..HubConfig::default() });
    client.sim.put(REPO, (0..9).map(|number| (format!("録音{number}"), "x".into())).collect());
    let info = client.get(&format!("/api/datasets/{REPO}?blobs=true")).await.json();
    assert_eq!(info["siblings"].as_array().unwrap().len(), 3);
    assert_eq!(info["sha"], client.sim.head(REPO).unwrap());
    assert_eq!((&info["private"], &info["author"]), (&json!(true), &json!("me")));
    client.sim.remove(REPO, &["録音0".to_owned(), "無い".to_owned()]);
    client.sim.rename(REPO, "録音1", "別/録音1");
    let now: Vec<String> = client.sim.files(REPO).into_iter().map(|file| file.path).collect();
    assert!(now.contains(&"別/録音1".to_owned()) && !now.contains(&"録音0".to_owned()) && now.len() == 9);
    let page = client.get(&format!("/api/datasets/{REPO}/commits/main?limit=2")).await;
    assert_eq!((page.json().as_array().unwrap().len(), page.header("x-total-count")), (2, "4"));
    assert!(page.next().unwrap().contains("p=1"));
}
