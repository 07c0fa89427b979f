//! Preupload, batches, parts and verify; making repositories.

use landfall_sim::HubConfig;
use serde_json::{Value, json};

use crate::client::{Client, OTHER, REPO, base64, file, lfs_file, sealed, sha256};

async fn preupload(client: &Client, files: Vec<Value>, ignore: Option<&str>) -> Value {
    let url = format!("/api/datasets/{REPO}/preupload/main");
    let answer = client.post(&url, &json!({"files": files, "gitIgnore": ignore})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(start_paused = true)]
async fn preupload_says_how_what_is_left_out_and_what_is_there() {
    let client = Client::new(HubConfig { lfs_threshold: 1000, ..HubConfig::default() });
    let bytes = sealed(300, 1);
    let oid = client.store(&bytes).await;
    client.commit(&[lfs_file("映像", &oid, None), file("読んで.txt", "x")]).await;
    let question =
        |path: &str, size: u64, sample: &[u8]| json!({"path": path, "size": size, "sample": base64(sample)});
    let files = vec![
        question("映像", 300, &bytes),
        question("読んで.txt", 1, b"x"),
        question("絵.png", 10, b"text"),
        question("空.png", 0, b""),
        question("長い.txt", 1001, b"text"),
        question("短い.txt", 1000, b"text"),
        question("x.tmp", 5, b"text"),
    ];
    let answer = preupload(&client, files, Some("*.tmp\n")).await;
    let seen: Vec<(&str, &str, bool)> = answer["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap();
            (text("path"), text("uploadMode"), one["shouldIgnore"].as_bool().unwrap())
        })
        .collect();
    let expected = [
        ("映像", "lfs", false),
        ("読んで.txt", "regular", false),
        ("絵.png", "lfs", false),
        ("空.png", "regular", false),
        ("長い.txt", "lfs", false),
        ("短い.txt", "regular", false),
        ("x.tmp", "regular", true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(answer["files"][0]["oid"], oid);
    // `printf x | git hash-object --stdin`.
    assert_eq!(answer["files"][1]["oid"], "c1b0730e0133447badcfd47fd144e254807b06e1");
    assert_eq!(answer["files"][2]["oid"], Value::Null);
    assert_eq!(answer["commitOid"], client.sim.head(REPO).unwrap());
}

#[tokio::test(start_paused = true)]
async fn calls_have_a_largest_number_of_files() {
    let client = Client::new(HubConfig::default());
    let files = |count: usize| -> Vec<Value> {
        (0..count).map(|number| json!({"path": format!("録音{number}"), "size": 1, "sample": ""})).collect()
    };
    preupload(&client, files(256), None).await;
    let url = format!("/api/datasets/{REPO}/preupload/main");
    assert_eq!(client.post(&url, &json!({"files": files(257)})).await.status, 400);
    let objects: Vec<Value> =
        (0..257).map(|number| json!({"oid": format!("{number:064x}"), "size": 1})).collect();
    let url = format!("/datasets/{REPO}.git/info/lfs/objects/batch");
    let body = json!({"operation": "upload", "objects": objects});
    assert_eq!(client.post(&url, &body).await.status, 413);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_there_needs_no_action_and_a_bad_name_is_told() {
    let client = Client::new(HubConfig::default());
    let bytes = sealed(400, 2);
    let oid = sha256(&bytes);
    let first = client.batch(&oid, 400).await;
    assert_eq!(first.header("content-type"), "application/vnd.git-lfs+json; charset=utf-8");
    let object = &first.json()["objects"][0];
    assert!(object["actions"]["upload"]["href"].as_str().unwrap().starts_with("http://lfs.hub.sim/"));
    let verify = object["actions"]["verify"]["href"].as_str().unwrap().to_owned();
    let said = |size: u64| json!({"oid": oid, "size": size}).to_string();
    let ask = async |size: u64| {
        client.try_send("POST", &verify, &[("token", "")], said(size)).await.unwrap().status
    };
    assert_eq!(ask(400).await, 404, "nothing was put yet");
    client.store(&bytes).await;
    assert_eq!((ask(400).await, ask(401).await), (200, 404));
    assert_eq!(client.batch(&oid, 400).await.json()["objects"][0]["actions"], Value::Null);
    let bad = client.batch("ABC", 4).await.json();
    assert_eq!(bad["objects"][0]["error"]["code"], 422);
}

#[tokio::test(start_paused = true)]
async fn parts_must_be_all_there_in_order_and_with_their_tags() {
    let client = Client::new(HubConfig { multipart_above: 100, chunk_size: 40, ..HubConfig::default() });
    let bytes = sealed(110, 5);
    let oid = sha256(&bytes);
    let answer = client.batch(&oid, 110).await.json();
    assert_eq!(answer["transfer"], "multipart");
    let upload = &answer["objects"][0]["actions"]["upload"];
    let (header, href) = (&upload["header"], upload["href"].as_str().unwrap());
    assert_eq!((&header["chunk_size"], header.as_object().unwrap().len()), (&json!("40"), 4));
    let mut tags = Vec::new();
    for (number, part) in bytes.chunks(40).enumerate() {
        let url = header[format!("{:05}", number + 1)].as_str().unwrap();
        let answer = client.send("PUT", url, part.to_vec()).await;
        assert_eq!(answer.status, 200);
        tags.push(answer.header("etag").to_owned());
    }
    assert!(tags[0].starts_with('"') && tags[0].ends_with('"'));
    let parts = |order: &[usize], quoted: bool| {
        let tag =
            |at: &usize| if quoted { tags[*at].clone() } else { tags[*at].trim_matches('"').to_owned() };
        let parts: Vec<Value> =
            order.iter().map(|at| json!({"partNumber": at + 1, "etag": tag(at)})).collect();
        json!({"oid": oid, "parts": parts})
    };
    for wrong in [parts(&[0, 1], true), parts(&[1, 0, 2], true), parts(&[0, 1, 2], false)] {
        assert_eq!(client.post(href, &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(client.post(href, &parts(&[0, 1, 2], true)).await.status, 200);
    assert_eq!(client.post(href, &parts(&[0, 1, 2], true)).await.status, 200, "said twice");
    assert_eq!(client.commit(&[lfs_file("映像", &oid, Some(110))]).await.status, 200);
    assert_eq!(client.sim.read(REPO, "映像").unwrap(), bytes);
    assert!(client.sim.requests().violations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_storage_wants_a_length_and_takes_each_link_for_one_thing() {
    let client = Client::new(HubConfig::default());
    let bytes = sealed(50, 1);
    let answer = client.batch(&sha256(&bytes), 50).await.json();
    let href = answer["objects"][0]["actions"]["upload"]["href"].as_str().unwrap();
    let put = async |body: axum::body::Body| {
        client.sim.call(http::Request::put(href).body(body).unwrap()).await.unwrap().status().as_u16()
    };
    let pieces: [Result<Vec<u8>, std::io::Error>; 1] = [Ok(bytes.clone())];
    assert_eq!(put(axum::body::Body::from_stream(futures_util::stream::iter(pieces))).await, 411);
    assert_eq!(
        put(axum::body::Body::from(bytes.clone())).await,
        200,
        "the length is known without its header"
    );
    assert_eq!(client.get(href).await.status, 403);
    assert_eq!(client.send("PUT", href, bytes).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn repositories_are_made_once_and_by_their_owners() {
    let client = Client::new(HubConfig::default());
    let create = async |client: &Client, body: Value| client.post("/api/repos/create", &body).await;
    let new =
        json!({"type": "dataset", "name": "EventMonitor_2", "organization": "me", "visibility": "private"});
    let made = create(&client, new.clone()).await;
    assert_eq!((made.status, &made.json()["name"]), (200, &json!("me/EventMonitor_2")));
    assert_eq!(client.sim.is_private("me/EventMonitor_2"), Some(true));
    let again = create(&client, new.clone()).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["url"], "http://hub.sim/datasets/me/EventMonitor_2");
    assert_eq!(create(&client.with(OTHER), new.clone()).await.status, 403);
    assert_eq!(create(&client.with(""), new).await.status, 401);
    let old = json!({"type": "dataset", "name": "acme/x", "private": true});
    assert_eq!(create(&client, old).await.status, 200, "an organization, and the older body");
    for name in ["a--b", "..", "-a", "a.git", "日本", ""] {
        let body = json!({"type": "dataset", "name": name, "organization": "me"});
        assert_eq!(create(&client, body).await.status, 400, "{name:?}");
    }
    let files = client.sim.files("me/EventMonitor_2");
    assert!(files.len() == 1 && files[0].path == ".gitattributes");
}
