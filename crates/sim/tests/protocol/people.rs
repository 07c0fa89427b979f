//! Whose work things are: editors, versions, moves on the server, and the recycle bin.

use std::collections::BTreeSet;

use bytes::Bytes;
use landfall_sim::{Config, Sim, WorldOp};
use serde_json::{Value, json};

use crate::client::{Client, encode};

fn sim() -> Sim {
    Sim::new(Config { files: 12, ..Config::default() })
}

fn library() -> Option<String> {
    Some("Documents".to_owned())
}

/// Puts a file into the library as the application.
async fn put(client: &mut Client, path: &str, bytes: &'static [u8]) -> Value {
    let path = format!("/drives/{}/root:{}:/content", client.library(), encode(path).replace("%2F", "/"));
    client.try_graph("PUT", &path, &[], Bytes::from_static(bytes)).await.unwrap().json()
}

async fn get(client: &mut Client, rest: &str) -> Value {
    let path = format!("/drives/{}{rest}", client.library());
    client.graph("GET", &path, Value::Null).await.json()
}

async fn archive(client: &mut Client) -> String {
    client.graph("GET", "/sites/contoso.sharepoint.com:/sites/Archive", Value::Null).await.id()
}

fn write(path: &str, text: &str) -> WorldOp {
    WorldOp::Write { drive: library(), path: path.into(), text: Some(text.into()), size: None }
}

#[tokio::test(start_paused = true)]
async fn the_application_is_named_without_a_user_and_a_person_without_an_application() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let put = put(&mut client, "/保管/議事録.txt", "一".as_bytes()).await;
    let app = json!({"application": {"id": sim.env()["AZURE_CLIENT_ID"], "displayName": "Migration"}});
    assert_eq!((&put["createdBy"], &put["lastModifiedBy"]), (&app, &app));
    let folder = get(&mut client, "/root:/%E4%BF%9D%E7%AE%A1:").await;
    assert_eq!(folder["createdBy"], app, "folders made on the way are the application's too");

    sim.change(write("/保管/議事録.txt", "二")).unwrap();
    let id = put["id"].as_str().unwrap();
    let edited = get(&mut client, &format!("/items/{id}")).await;
    assert_eq!(edited["createdBy"], app);
    let hanako = &edited["lastModifiedBy"]["user"];
    assert_eq!(
        (hanako["displayName"].as_str(), hanako["email"].as_str()),
        (Some("山田 花子"), Some("hanako.yamada@contoso.com"))
    );
    assert!(hanako["id"].is_string() && edited["lastModifiedBy"].get("application").is_none());

    let versions = get(&mut client, &format!("/items/{id}/versions")).await;
    let shown: Vec<_> = versions["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["id"].clone(), v["lastModifiedBy"].clone()))
        .collect();
    assert_eq!(shown, [(json!("2.0"), edited["lastModifiedBy"].clone()), (json!("1.0"), app.clone())]);

    let selected = get(&mut client, &format!("/items/{id}?$select=lastModifiedBy")).await;
    assert_eq!(selected.as_object().unwrap().len(), 3, "id, context and what was asked for: {selected}");
    let delta = get(&mut client, "/root/delta").await;
    let seen = delta["value"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
    assert_eq!(seen["lastModifiedBy"], edited["lastModifiedBy"]);
}

#[tokio::test(start_paused = true)]
async fn what_lies_at_the_source_is_its_owners_work() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let entry = sim.tree(None, "/Recordings").into_iter().find(|entry| !entry.folder).unwrap();
    let path = format!("/drives/{}/items/{}", client.source(), entry.id);
    let item = client.graph("GET", &path, Value::Null).await.json();
    for who in ["createdBy", "lastModifiedBy"] {
        assert_eq!(item[who]["user"]["email"], "ada@contoso.com");
        assert!(item[who].get("application").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_on_the_server_needs_no_bytes_and_honours_if_match() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let item = put(&mut client, "/保管/録音.wav", b"abc").await;
    put(&mut client, "/別館/録音.wav", b"taken").await;
    let (id, etag) = (item["id"].as_str().unwrap(), item["eTag"].as_str().unwrap());
    let target = get(&mut client, &format!("/root:/{}:", encode("別館"))).await;
    let path = format!("/drives/{}/items/{id}", client.library());
    let to = |name: &str| json!({"name": name, "parentReference": {"id": target["id"]}});
    let taken = client.graph("PATCH", &path, to("録音.WAV")).await;
    assert_eq!((taken.status, taken.code().as_str()), (409, "nameAlreadyExists"));
    let stale = client.graph_with("PATCH", &path, &[("if-match", "\"{0},9\"")], to("録音 二.wav")).await;
    assert_eq!(stale.status, 412);
    sim.reset_requests();
    let moved = client.graph_with("PATCH", &path, &[("if-match", etag)], to("録音 二.wav")).await;
    assert_eq!(moved.status, 200);
    let moved = moved.json();
    assert_eq!((&moved["id"], &moved["name"]), (&item["id"], &json!("録音 二.wav")));
    assert_eq!(moved["parentReference"]["id"], target["id"]);
    assert_eq!(moved["cTag"], item["cTag"], "the content is the same");
    assert_ne!(moved["eTag"], item["eTag"]);
    assert!(moved["lastModifiedBy"].get("application").is_some());
    assert_eq!(sim.requests().bytes_out, 0);
    let below = json!({"parentReference": {"id": id}});
    let folder = format!("/drives/{}/items/{}", client.library(), target["id"].as_str().unwrap());
    assert_eq!(client.graph("PATCH", &folder, below).await.status, 400, "a file holds nothing");
    let times = json!({"fileSystemInfo": {"lastModifiedDateTime": "2020-02-02T00:00:00Z"}});
    client.graph("PATCH", &path, times).await;
    let versions = get(&mut client, &format!("/items/{id}/versions")).await;
    assert_eq!(versions["value"].as_array().unwrap().len(), 2, "times cost a version");
}

#[tokio::test(start_paused = true)]
async fn the_recycle_bin_says_what_was_deleted_where_and_by_whom() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let site = archive(&mut client).await;
    let path = format!("/sites/{site}/recycleBin/items");
    assert_eq!(client.graph("GET", &path, Value::Null).await.json()["value"], json!([]));
    let mut ids = Vec::new();
    for name in ["/Voices/東京/一.wav", "/Voices/二.wav", "/三.wav"] {
        ids.push(put(&mut client, name, b"12345").await["id"].as_str().unwrap().to_owned());
    }
    let used = async |client: &mut Client| get(client, "").await["quota"]["used"].as_u64().unwrap();
    let before = used(&mut client).await;
    let delta = get(&mut client, "/root/delta?token=latest").await["@odata.deltaLink"].clone();
    sim.change(WorldOp::Delete { drive: library(), path: "/Voices/東京/一.wav".into() }).unwrap();
    let item = format!("/drives/{}/items/{}", client.library(), ids[1]);
    assert_eq!(client.graph("DELETE", &item, Value::Null).await.status, 204);
    assert_eq!(used(&mut client).await, before, "what lies in the bin counts");
    let item = format!("/drives/{}/items/{}/permanentDelete", client.library(), ids[2]);
    assert_eq!(client.graph("POST", &item, Value::Null).await.status, 204);
    assert_eq!(used(&mut client).await, before - 5, "what is gone for good does not");

    let bin = client.graph("GET", &path, Value::Null).await.json();
    let [by_app, by_person] = bin["value"].as_array().unwrap().as_slice() else { panic!("{bin}") };
    assert_eq!((&by_app["name"], &by_app["size"]), (&json!("二.wav"), &json!(5)));
    assert_eq!(by_app["deletedFromLocation"], "sites/Archive/Shared Documents/Voices");
    assert!(by_app["deletedBy"].get("application").is_some());
    assert_eq!(by_person["deletedFromLocation"], "sites/Archive/Shared Documents/Voices/東京");
    assert_eq!(by_person["deletedBy"]["user"]["displayName"], "山田 花子");
    assert!(by_person["deletedDateTime"].as_str().unwrap().starts_with("2026-01-05T"));
    assert_ne!(by_person["id"], ids[0].as_str(), "the id is that of the deletion");

    let changes = client.graph("GET", delta.as_str().unwrap(), Value::Null).await.json();
    let gone: BTreeSet<&str> = changes["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item.get("deleted").is_some())
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(gone, ids.iter().map(String::as_str).collect());
}

#[tokio::test(start_paused = true)]
async fn the_recycle_bin_comes_in_pages_whatever_is_deleted_meanwhile() {
    let sim = Sim::new(Config { files: 12, bin_editors: false, ..Config::default() });
    let mut client = Client::new(&sim).await;
    let site = archive(&mut client).await;
    for n in 0..8 {
        sim.change(write(&format!("/録音 {n}.wav"), "x")).unwrap();
    }
    let delete =
        |n: usize| sim.change(WorldOp::Delete { drive: library(), path: format!("/録音 {n}.wav") });
    (0..7).for_each(|n| delete(n).unwrap());
    let mut link = format!("/sites/{site}/recycleBin/items?$top=3&$select=name,deletedBy");
    let mut names = Vec::new();
    loop {
        let page = client.graph("GET", &link, Value::Null).await.json();
        for item in page["value"].as_array().unwrap() {
            assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name"]);
            names.push(item["name"].as_str().unwrap().to_owned());
        }
        if names.len() == 3 {
            delete(7).unwrap();
        }
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, (0..7).rev().map(|n| format!("録音 {n}.wav")).collect::<Vec<_>>());
    let forged = format!("/sites/{site}/recycleBin/items?$skiptoken=abc");
    assert_eq!(client.graph("GET", &forged, Value::Null).await.status, 400);
    sim.change(WorldOp::Roles { roles: vec!["User.Read.All".into()] }).unwrap();
    client.sign_in().await;
    let path = format!("/sites/{site}/recycleBin/items");
    assert_eq!(client.graph("GET", &path, Value::Null).await.status, 403);
    sim.change(WorldOp::Roles { roles: vec!["Sites.Read.All".into()] }).unwrap();
    client.sign_in().await;
    assert_eq!(client.graph("GET", &path, Value::Null).await.status, 200);
}
