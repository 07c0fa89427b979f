//! What goes wrong goes wrong in the way that is asked for, and nothing else does.

use std::time::Duration;

use landfall_sim::{HubConfig, HubFault, HubFaultRule, HubRoute};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Answer, Client, REPO, escape, file, sealed, sha256};

fn hurt(client: &Client, route: HubRoute, fault: HubFault) {
    client.sim.add_fault(HubFaultRule { route, skip: 0, times: 1, fault });
}

async fn commit_with(fault: HubFault) -> (Client, Option<Answer>, bool) {
    let client = Client::new(HubConfig::default());
    hurt(&client, HubRoute::Commit, fault);
    let url = format!("/api/datasets/{REPO}/commit/main");
    let body = crate::client::body(None, &[file("録音.txt", "x")]);
    let answer = client.try_send("POST", &url, &[], body).await.ok();
    let made = client.sim.read(REPO, "録音.txt").is_some();
    (client, answer, made)
}

#[tokio::test(start_paused = true)]
async fn a_commit_may_be_made_and_its_reply_be_lost() {
    let (_, answer, made) = commit_with(HubFault::LostReply).await;
    assert!(answer.is_none() && made);
    let (_, answer, made) = commit_with(HubFault::FailAfter { status: 504 }).await;
    let answer = answer.unwrap();
    assert!(made && answer.status == 504 && answer.header("content-type").starts_with("text/html"));
    assert_eq!(answer.header("ratelimit"), "");
    let (_, answer, made) = commit_with(HubFault::FailAfter { status: 500 }).await;
    let answer = answer.unwrap();
    assert!(made && answer.status == 500 && answer.header("ratelimit").starts_with("\"api\""));
    let (_, answer, made) = commit_with(HubFault::DropBefore).await;
    assert!(answer.is_none() && !made);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_commit_comes_first_even_without_a_parent() {
    let (client, answer, made) = commit_with(HubFault::Conflict).await;
    assert!(answer.unwrap().status == 412 && !made);
    assert_eq!(client.sim.commits(REPO).len(), 2);
    assert_eq!(client.sim.files(REPO).len(), 1, "nothing but the head changed");
    assert_eq!(client.sim.requests().commits, 0);
}

#[tokio::test(start_paused = true)]
async fn refusals_look_as_they_do_at_the_real_one() {
    let (_, answer, made) = commit_with(HubFault::ThrottleHtml).await;
    let answer = answer.unwrap();
    assert!(answer.status == 429 && !made && answer.header("ratelimit").is_empty());
    assert!(answer.body.starts_with(b"<!DOCTYPE html>"));
    let (client, answer, made) = commit_with(HubFault::Throttle { seconds: 7 }).await;
    assert!(!made);
    assert_eq!(answer.unwrap().header("ratelimit"), "\"api\";r=0;t=7");
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.get("/api/whoami-v2").await;
    assert_eq!(client.sim.requests().violations.len(), 1, "one second too early");
    let (client, answer, _) = commit_with(HubFault::CommitQuota { retry_after: None }).await;
    let answer = answer.unwrap();
    assert!(answer.header("ratelimit").contains("r=999"), "requests are left");
    assert!(answer.error().contains("retry this action in about 1 hour"));
    client.get("/api/whoami-v2").await;
    assert_eq!(client.sim.requests().violations.len(), 0, "other requests need not wait");
    let (client, answer, _) = commit_with(HubFault::Unauthorized).await;
    assert_eq!(answer.unwrap().status, 401);
    assert_eq!(client.get("/api/whoami-v2").await.status, 200);
    let (_, answer, _) = commit_with(HubFault::StorageRefused).await;
    assert_eq!(answer.unwrap().status, 403);
    let (_, answer, _) = commit_with(HubFault::Unavailable { retry_after: Some(3) }).await;
    assert_eq!(answer.unwrap().header("retry-after"), "3");
}

#[tokio::test(start_paused = true)]
async fn listings_fail_in_their_own_ways() {
    let client = Client::new(HubConfig { page: 10, ..HubConfig::default() });
    client.sim.put(REPO, (0..25).map(|number| (format!("花子/{number:02}"), "x".into())).collect());
    let url = format!("/api/datasets/{REPO}/tree/main?recursive=true");
    hurt(&client, HubRoute::Tree, HubFault::TreeTimeout { seconds: 30 });
    for _ in 0..2 {
        assert_eq!(client.get(&url).await.status, 504);
    }
    let flat = client.get(&format!("/api/datasets/{REPO}/tree/main/{}", escape("花子"))).await;
    assert_eq!(flat.status, 200, "folder by folder it can be read");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(client.get(&url).await.json().as_array().unwrap().len(), 10);

    hurt(&client, HubRoute::Tree, HubFault::ShortPage);
    let short = client.get(&url).await;
    assert!(short.json().as_array().unwrap().len() == 4 && short.next().is_some());
    hurt(&client, HubRoute::Tree, HubFault::ShortPage);
    assert_eq!(client.tree("main", "", true).await.len(), 27, "and nothing is left out");
    hurt(&client, HubRoute::Tree, HubFault::TruncatedPage);
    let torn = client.get(&url).await;
    assert!(torn.status == 200 && serde_json::from_slice::<serde_json::Value>(&torn.body).is_err());
    client.sim.put(REPO, vec![("後".into(), "x".into())]);
    hurt(&client, HubRoute::PathsInfo, HubFault::Stale { seconds: 10 });
    let ask = async || {
        client
            .post(&format!("/api/datasets/{REPO}/paths-info/main"), &serde_json::json!({"paths": ["後"]}))
            .await
    };
    assert_eq!(ask().await.body, "[]");
    assert_ne!(ask().await.body, "[]");
}

#[tokio::test(start_paused = true)]
async fn downloads_break_in_their_own_ways() {
    let client = Client::new(HubConfig::default());
    let bytes = sealed(4000, 9);
    client.sim.put(REPO, vec![("映像".into(), bytes.clone().into())]);
    let resolve = format!("/datasets/{REPO}/resolve/main/{}", escape("映像"));
    hurt(&client, HubRoute::Resolve, HubFault::WrongLinkedSize);
    assert_eq!(client.send("HEAD", &resolve, "").await.header("x-linked-size"), "4001");
    let link = client.get(&resolve).await.header("location").to_owned();
    let get = async |fault: HubFault| {
        hurt(&client, HubRoute::StorageGet, fault);
        client.try_send("GET", &link, &[("range", "bytes=100-")], "").await.ok()
    };
    assert!(get(HubFault::Cut).await.is_none(), "the body breaks");
    let short = get(HubFault::Truncated).await.unwrap();
    assert!(short.body.len() < 3900 && short.header("content-length") == short.body.len().to_string());
    let wrong = get(HubFault::WrongByte).await.unwrap();
    assert_eq!(wrong.body.iter().zip(&bytes[100..]).filter(|(a, b)| a != b).count(), 1);
    let whole = get(HubFault::WholeBody).await.unwrap();
    assert_eq!((whole.status, whole.body.len()), (200, 4000));
    assert_eq!(get(HubFault::ExpiredLink).await.unwrap().status, 403);
    let error = get(HubFault::ServerError { status: 500 }).await.unwrap();
    assert!(error.status == 500 && error.body.starts_with(b"<?xml"));
}

#[tokio::test(start_paused = true)]
async fn rules_skip_and_repeat() {
    let client = Client::new(HubConfig::default());
    let fault = HubFault::ServerError { status: 502 };
    client.sim.add_fault(HubFaultRule { route: HubRoute::Any, skip: 2, times: 2, fault });
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(client.get("/api/whoami-v2").await.status);
    }
    assert_eq!(seen, [200, 200, 502, 502, 200, 200]);
    assert_eq!(client.sim.requests().faults["server_error"], 2);
}

#[tokio::test]
async fn an_upload_is_cut_while_it_is_sent() {
    let client = Client::new(HubConfig::default());
    let any = "127.0.0.1:0".parse().unwrap();
    let served = client.sim.serve(any, any).await.unwrap();
    let storage = served.storage.clone();
    assert!(storage.starts_with("http://localhost:"), "another name than the Hub's");
    let exchange = async {
        let bytes = sealed(1 << 20, 1);
        let answer = client.batch(&sha256(&bytes), bytes.len() as u64).await.json();
        let href = answer["objects"][0]["actions"]["upload"]["href"].as_str().unwrap().to_owned();
        let target = href.strip_prefix(&storage).unwrap();
        let head =
            format!("PUT {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", bytes.len());
        let at = storage.replace("http://localhost", "127.0.0.1");
        hurt(&client, HubRoute::StoragePut, HubFault::CutBody);
        let mut socket = tokio::net::TcpStream::connect(&at).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        // A little more than half: the simulator hangs up without waiting for the rest.
        socket.write_all(&bytes[..(1 << 19) + 65_536]).await.unwrap();
        let mut reply = Vec::new();
        // Closed or reset, both are a break without a reply.
        drop(socket.read_to_end(&mut reply).await);
        assert!(reply.is_empty(), "{}", String::from_utf8_lossy(&reply));
        assert!(!client.sim.history_has(&sha256(&bytes)));

        let mut socket = tokio::net::TcpStream::connect(&at).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&bytes).await.unwrap();
        let mut reply = [0; 12];
        socket.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200");
        assert!(client.sim.history_has(&sha256(&bytes)));
    };
    tokio::select! {
        _ = served.run(std::future::pending()) => panic!("the server ended"),
        () = exchange => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("the socket was not closed"),
    }
}
