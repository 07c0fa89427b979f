//! Resolve, links to the storage, ranges and damage.

use std::time::Duration;

use landfall_sim::HubConfig;

use crate::client::{Client, OTHER, REPO, escape, sealed, sha256};

fn url(path: &str) -> String {
    format!("/datasets/{REPO}/resolve/main/{}", escape(path))
}

fn stocked(config: HubConfig) -> (Client, Vec<u8>) {
    let client = Client::new(config);
    let bytes = sealed(5000, 3);
    client
        .sim
        .put(REPO, vec![("映像/東京".into(), bytes.clone().into()), ("読んで.txt".into(), "こ".into())]);
    (client, bytes)
}

#[tokio::test(start_paused = true)]
async fn the_redirect_carries_the_facts_and_leads_to_another_host() {
    let (client, bytes) = stocked(HubConfig::default());
    let head = client.send("HEAD", &url("映像/東京"), "").await;
    assert_eq!((head.status, head.body.len()), (302, 0));
    assert_eq!(head.header("x-linked-size"), "5000");
    assert_eq!(head.header("x-linked-etag"), format!("\"{}\"", sha256(&bytes)));
    assert_eq!(head.header("x-repo-commit"), client.sim.head(REPO).unwrap());
    assert_ne!(head.header("content-length"), "5000", "that is the length of the redirect's own page");
    let link = head.header("location").to_owned();
    assert!(link.starts_with("http://cdn.hub.sim/"), "{link}");
    assert_eq!(client.get(&link).await.body, bytes);
    let part = client.try_send("GET", &link, &[("range", "bytes=8-31")], "").await.unwrap();
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 8-31/5000"));
    assert_eq!(part.body, bytes[8..32]);
    let beyond = client.try_send("GET", &link, &[("range", "bytes=5000-")], "").await.unwrap();
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */5000"));
    assert_eq!(client.send("HEAD", &link, "").await.status, 403, "the method is signed");
    assert!(client.sim.requests().violations.is_empty());
    let told = client.try_send("GET", &link, &[("token", "")], "").await.unwrap();
    assert_eq!(told.status, 400);
    let violations = client.sim.requests().violations;
    assert!(violations.len() == 1 && violations[0].contains("was sent with Authorization"), "{violations:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_and_a_new_one_can_be_had() {
    let (client, bytes) =
        stocked(HubConfig { link_lifetime: Duration::from_secs(60), ..HubConfig::default() });
    let link = client.get(&url("映像/東京")).await.header("location").to_owned();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.get(&link).await.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let expired = client.get(&link).await;
    assert_eq!(expired.status, 403);
    assert!(String::from_utf8_lossy(&expired.body).contains("Request has expired"));
    let fresh = client.get(&url("映像/東京")).await.header("location").to_owned();
    assert_eq!(client.get(&fresh).await.body, bytes);
    assert_eq!(client.get(&fresh.replace("Expires=17", "Expires=27")).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn regular_files_come_in_place_or_by_a_redirect_on_the_same_host() {
    let (client, _) = stocked(HubConfig::default());
    let plain = client.get(&url("読んで.txt")).await;
    assert_eq!((plain.status, plain.body.as_ref()), (200, "こ".as_bytes()));
    let head = client.send("HEAD", &url("読んで.txt"), "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "3", 0));

    let (client, _) = stocked(HubConfig { resolve_cache: true, ..HubConfig::default() });
    let redirect = client.get(&url("読んで.txt")).await;
    assert_eq!(redirect.status, 307);
    let location = redirect.header("location").to_owned();
    assert!(location.starts_with(&format!("/api/resolve-cache/datasets/{REPO}/")), "{location}");
    let before = client.sim.requests();
    assert_eq!(client.get(&location).await.body.as_ref(), "こ".as_bytes());
    let after = client.sim.requests();
    assert_eq!((after.resolvers, after.api), (before.resolvers + 1, before.api), "paid by the resolvers");
}

#[tokio::test(start_paused = true)]
async fn raw_is_the_pointer() {
    let (client, bytes) = stocked(HubConfig::default());
    let raw = client.get(&format!("/datasets/{REPO}/raw/main/{}", escape("映像/東京"))).await;
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5000\n", sha256(&bytes));
    assert_eq!(raw.body, pointer);
}

#[tokio::test(start_paused = true)]
async fn private_files_are_hidden_and_public_ones_are_not() {
    let (client, _) = stocked(HubConfig::default());
    client.sim.put("me/open", vec![("録音".into(), "x".into())]);
    for (token, hidden) in [(OTHER, 404), ("", 401)] {
        let answer = client.with(token).get(&url("読んで.txt")).await;
        assert_eq!((answer.status, answer.header("x-error-code")), (hidden, "RepoNotFound"));
        let open = format!("/datasets/me/open/resolve/main/{}", escape("録音"));
        assert_eq!(client.with(token).get(&open).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn damage_in_the_storage_leaves_the_pointer() {
    let (client, bytes) = stocked(HubConfig::default());
    let fetched = async || {
        let link = client.get(&url("映像/東京")).await.header("location").to_owned();
        client.get(&link).await
    };
    assert!(client.sim.flip_byte(REPO, "映像/東京"));
    let wrong = fetched().await;
    let differing = wrong.body.iter().zip(&bytes).filter(|(a, b)| a != b).count();
    assert_eq!((wrong.body.len(), differing), (5000, 1));
    assert!(client.sim.lose_object(REPO, "映像/東京"));
    assert_eq!(fetched().await.status, 404);
    assert_eq!(client.sim.read(REPO, "映像/東京"), None);
    assert_eq!(client.sim.files(REPO)[1].sha256, Some(sha256(&bytes)), "the listing shows nothing of it");
    assert!(!client.sim.lose_object(REPO, "読んで.txt"), "git has no object to lose");
    // The same bytes put again heal it.
    client.store(&bytes).await;
    assert_eq!(fetched().await.body, bytes);
}
