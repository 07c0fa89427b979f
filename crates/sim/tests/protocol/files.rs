//! Items, folders, content, names, copies and batches.

use std::time::Duration;

use bytes::Bytes;
use landfall_sim::{Config, Fault, FaultRule, Rewriting, Scenario, Sim, WorldOp, quick_xor, to_base64};
use serde_json::{Value, json};

use crate::client::{Client, encode};

fn sim() -> Sim {
    Sim::new(Config { files: 30, ..Config::default() })
}

async fn client(sim: &Sim) -> Client {
    Client::new(sim).await
}

#[tokio::test(start_paused = true)]
async fn drives_and_sites_are_found_in_every_way() {
    let sim = sim();
    let mut client = client(&sim).await;
    let (source, library) = (client.source(), client.library());
    let site = client.graph("GET", "/sites/contoso.sharepoint.com:/sites/Archive", Value::Null).await.id();
    for (path, id) in [
        ("/users/ada@contoso.com/drive".to_owned(), &source),
        (format!("/drives/{}", source.replace('!', "%21")), &source),
        ("/sites/contoso-my.sharepoint.com:/personal/ada_contoso_com:/drive".to_owned(), &source),
        (format!("/sites/{site}/drive"), &library),
        ("/sites/contoso.sharepoint.com:/sites/Archive:/drive".to_owned(), &library),
    ] {
        let answer = client.graph("GET", &path, Value::Null).await;
        assert_eq!((answer.status, &answer.id()), (200, id), "{path}");
    }
    let all = client.graph("GET", &format!("/sites/{site}/drives?$select=id,name"), Value::Null).await.json();
    let names: Vec<&str> =
        all["value"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Documents", "Site Assets"]);
    assert_eq!(client.graph("GET", "/users/nobody@contoso.com/drive", Value::Null).await.status, 404);
    assert_eq!(client.graph("GET", "/sites/contoso.sharepoint.com:/sites/No", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_user_is_reached_through_the_site_only() {
    let sim = Sim::new(Config { scenario: Scenario::Leavers, files: 8, ..Config::default() });
    let mut client = client(&sim).await;
    assert_eq!(client.graph("GET", "/users/dan@contoso.com/drive", Value::Null).await.status, 404);
    let site = "/sites/contoso-my.sharepoint.com:/personal/dan_contoso_com";
    assert_eq!(client.graph("GET", site, Value::Null).await.status, 200);
    assert_eq!(client.graph("GET", &format!("{site}:/drive"), Value::Null).await.status, 200);
    let none = client.graph("GET", "/users/emi@contoso.com/drive", Value::Null).await;
    assert!(matches!(none.status, 400 | 404), "a user without a OneDrive");
}

#[tokio::test(start_paused = true)]
async fn children_come_in_pages_and_in_full() {
    let sim = Sim::new(Config { scenario: Scenario::Flat, files: 25, ..Config::default() });
    let mut client = client(&sim).await;
    let mut link =
        format!("/drives/{}/root:/Recordings:/children?$top=10&$select=name,size", client.source());
    let mut names = Vec::new();
    loop {
        let page = client.graph("GET", &link, Value::Null).await.json();
        for item in page["value"].as_array().unwrap() {
            assert!(item.get("eTag").is_none(), "only what was selected");
            names.push(item["name"].as_str().unwrap().to_owned());
        }
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).map(|n| format!("録音_{n:07}.wav")).collect();
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn content_is_a_redirect_to_bytes_that_hash_as_promised() {
    let sim = sim();
    let mut client = client(&sim).await;
    let source = client.source();
    for entry in sim.tree(None, "/Recordings").into_iter().filter(|entry| !entry.folder) {
        let path = format!("/drives/{source}/items/{}", entry.id);
        let item = client.graph("GET", &path, Value::Null).await.json();
        let moved = client.graph("GET", &format!("{path}/content"), Value::Null).await;
        assert_eq!(moved.status, 302);
        let url = moved.header("location").unwrap().to_owned();
        let whole = client.raw("GET", &url, &[], Bytes::new()).await.unwrap();
        assert_eq!(whole.body.len() as u64, entry.size);
        assert_eq!(
            item["file"]["hashes"]["quickXorHash"],
            to_base64(quick_xor(&whole.body)),
            "{}",
            entry.path
        );
        if entry.size > 100 {
            let part = client.raw("GET", &url, &[("range", "bytes=50-")], Bytes::new()).await.unwrap();
            assert_eq!((part.status, &part.body), (206, &whole.body.slice(50..)));
            let beyond = format!("bytes={}-", entry.size);
            assert_eq!(
                client.raw("GET", &url, &[("range", &beyond)], Bytes::new()).await.unwrap().status,
                416
            );
        }
        let etag = item["eTag"].as_str().unwrap();
        let same = client
            .graph_with("GET", &format!("{path}/content"), &[("if-none-match", etag)], Value::Null)
            .await;
        assert_eq!(same.status, 304);
    }
}

#[tokio::test(start_paused = true)]
async fn download_urls_expire_and_must_not_be_altered() {
    let sim = sim();
    let mut client = client(&sim).await;
    let entry =
        sim.tree(None, "/Recordings").into_iter().find(|entry| !entry.folder && entry.size > 0).unwrap();
    let path = format!("/drives/{}/items/{}", client.source(), entry.id);
    let item = client.graph("GET", &path, Value::Null).await.json();
    let url = item["@microsoft.graph.downloadUrl"].as_str().unwrap().to_owned();
    let (base, query) = url.split_once('?').unwrap();
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.reverse();
    let reordered = format!("{base}?{}", parts.join("&"));
    assert_eq!(client.raw("GET", &reordered, &[], Bytes::new()).await.unwrap().status, 401);
    assert_eq!(client.graph("GET", &url, Value::Null).await.status, 401, "no bearer here");
    tokio::time::sleep(Duration::from_secs(3601)).await;
    assert_eq!(client.raw("GET", &url, &[], Bytes::new()).await.unwrap().status, 401);
}

#[tokio::test(start_paused = true)]
async fn folders_are_made_once_and_found_by_any_spelling() {
    let sim = sim();
    let mut client = client(&sim).await;
    let library = client.library();
    let children = format!("/drives/{library}/root/children");
    let body =
        |name: &str, behavior: &str| json!({"name": name, "folder": {}, "@name.conflictBehavior": behavior});
    let made = client.graph("POST", &children, body("ガイド", "fail")).await;
    assert_eq!(made.status, 201);
    let nfd = "カ\u{3099}イト\u{3099}";
    let again = client.graph("POST", &children, body(nfd, "fail")).await;
    assert_eq!((again.status, again.code().as_str()), (409, "nameAlreadyExists"));
    let found = client.graph("GET", &format!("/drives/{library}/root:/{}", encode(nfd)), Value::Null).await;
    assert_eq!((found.id(), found.json()["name"].clone()), (made.id(), json!("ガイド")));
    let other = client.graph("POST", &children, body("ガイド", "rename")).await;
    assert_eq!(other.json()["name"], "ガイド 1");
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_are_refused_with_their_code() {
    let sim = sim();
    let mut client = client(&sim).await;
    let library = client.library();
    for (name, inner) in [
        ("a:b", "nameContainsInvalidCharacters"),
        ("問い?", "nameContainsInvalidCharacters"),
        ("末尾.", "nameContainsInvalidCharacters"),
        ("CON", "invalidPath"),
        ("forms", "invalidPath"),
        (&"長".repeat(256), "pathIsTooLong"),
    ] {
        let body = json!({"name": name, "folder": {}});
        let answer = client.graph("POST", &format!("/drives/{library}/root/children"), body).await;
        assert_eq!((answer.status, answer.inner().as_str()), (400, inner), "{name}");
    }
    // 14 characters for `sites/Archive/`, 17 for `Shared Documents/`, and what remains of 400.
    let deep = format!("{}/{}", "深".repeat(200), "い".repeat(168));
    let path = format!("/drives/{library}/root:/{}:/content", encode(&deep).replace("%2F", "/"));
    let fits = client.graph("PUT", &path, Value::Null).await;
    assert_eq!(fits.status, 201, "{}", fits.json());
    let path = path.replace(":/content", "x:/content");
    assert_eq!(client.graph("PUT", &path, Value::Null).await.inner(), "pathIsTooLong");
}

#[tokio::test(start_paused = true)]
async fn times_by_patch_make_a_version_of_a_file_and_none_of_a_folder() {
    let sim = sim();
    let mut client = client(&sim).await;
    let library = client.library();
    let put = client.graph("PUT", &format!("/drives/{library}/root:/空.txt:/content"), Value::Null).await;
    assert_eq!((put.status, put.json()["size"].as_u64()), (201, Some(0)));
    let times = json!({"fileSystemInfo": {"lastModifiedDateTime": "2020-02-02T00:00:00Z"}});
    let path = format!("/drives/{library}/items/{}", put.id());
    let patched = client.graph("PATCH", &path, times).await;
    assert_eq!(patched.json()["fileSystemInfo"]["lastModifiedDateTime"], "2020-02-02T00:00:00Z");
    let versions = client.graph("GET", &format!("{path}/versions"), Value::Null).await.json();
    assert_eq!(versions["value"].as_array().unwrap().len(), 2);
    let stale = client.graph_with("DELETE", &path, &[("if-match", "\"{0},1\"")], Value::Null).await;
    assert_eq!(stale.status, 412);
    assert_eq!(client.graph("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(client.graph("GET", &path, Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_copy_runs_behind_a_monitor_and_keeps_no_times() {
    let sim = sim();
    let mut client = client(&sim).await;
    let entry =
        sim.tree(None, "/Recordings").into_iter().find(|entry| !entry.folder && entry.size > 0).unwrap();
    let path = format!("/drives/{}/items/{}/copy", client.source(), entry.id);
    let body = json!({"parentReference": {"driveId": client.library()}, "name": "写し.wav"});
    let started = client.graph("POST", &path, body.clone()).await;
    assert_eq!(started.status, 202);
    let monitor = started.header("location").unwrap().to_owned();
    let running = client.raw("GET", &monitor, &[], Bytes::new()).await.unwrap();
    assert_eq!((running.status, running.json()["status"].clone()), (202, json!("inProgress")));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let done = client.raw("GET", &monitor, &[], Bytes::new()).await.unwrap().json();
    assert_eq!(done["status"], "completed");
    let copied = sim.tree(Some("Documents"), "/").into_iter().find(|e| e.path == "/写し.wav").unwrap();
    assert_eq!((json!(copied.id), copied.size), (done["resourceId"].clone(), entry.size));
    assert_ne!(copied.times, entry.times);
    let again = client.graph("POST", &path, body).await.header("location").unwrap().to_owned();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let failed = client.raw("GET", &again, &[], Bytes::new()).await.unwrap().json();
    assert_eq!(failed["error"]["code"], "nameAlreadyExists");
}

#[tokio::test(start_paused = true)]
async fn a_batch_serves_every_request_by_itself() {
    let sim = sim();
    let mut client = client(&sim).await;
    let source = client.source();
    let files: Vec<_> = sim
        .tree(None, "/Recordings")
        .into_iter()
        .filter(|entry| !entry.folder && entry.size > 0)
        .take(19)
        .collect();
    let mut requests: Vec<Value> = files
        .iter()
        .enumerate()
        .map(|(n, entry)| {
            json!({"id": n.to_string(), "method": "GET", "url": format!("/drives/{source}/items/{}/content", entry.id)})
        })
        .collect();
    requests.push(json!({"id": "none", "method": "GET", "url": format!("/drives/{source}/items/01NONE")}));
    sim.reset_requests();
    let answer = client.graph("POST", "/$batch", json!({"requests": requests})).await.json();
    let responses = answer["responses"].as_array().unwrap();
    assert_eq!(responses.len(), 20);
    assert_ne!(responses[0]["id"], "0", "the order is not that of the requests");
    for response in responses {
        let missing = response["id"] == "none";
        assert_eq!(response["status"], if missing { 404 } else { 302 });
        assert_eq!(response["headers"].get("Location").is_some(), !missing);
    }
    let counts = sim.requests();
    assert_eq!((counts.total, counts.batched, counts.resource_units), (1, 20, 20));
    requests.push(json!({"id": "more", "method": "GET", "url": "/sites/root"}));
    assert_eq!(client.graph("POST", "/$batch", json!({"requests": requests})).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_rewriting_library_changes_office_files_and_nothing_else() {
    for (rewriting, at_once) in
        [(Rewriting::Immediate, true), (Rewriting::After(Duration::from_secs(5)), false)]
    {
        let config =
            Config { scenario: Scenario::Office, files: 7, rewriting: Some(rewriting), ..Config::default() };
        let sim = Sim::new(config);
        let mut client = client(&sim).await;
        let library = client.library();
        let real: &[u8] = include_bytes!("../../samples/libreoffice.docx");
        let none: &[u8] = b"PK\x03\x04 is no archive";
        for (name, bytes, rewritten) in
            [("計画.docx", real, true), ("空の計画.docx", none, false), ("録音.wav", real, false)]
        {
            let path = format!("http://graph.sim/v1.0/drives/{library}/root:/{}:/content", encode(name));
            let put = client.try_graph("PUT", &path, &[], Bytes::from_static(bytes)).await.unwrap().json();
            assert_eq!(put["size"] != json!(bytes.len()), rewritten && at_once, "{name}");
            tokio::time::sleep(Duration::from_secs(6)).await;
            let id = put["id"].as_str().unwrap();
            let later =
                client.graph("GET", &format!("/drives/{library}/items/{id}"), Value::Null).await.json();
            assert_eq!(later["size"] != json!(bytes.len()), rewritten, "{name}");
            assert_eq!(later["eTag"] != put["eTag"], rewritten && !at_once);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_things_are_shown_as_the_service_shows_them() {
    let sim = Sim::new(Config { scenario: Scenario::Hostile, files: 3, ..Config::default() });
    let mut client = client(&sim).await;
    let source = client.source();
    let mut get = async |name: &str, action: &str| {
        client
            .graph(
                "GET",
                &format!("/drives/{source}/root:/{}:{action}", encode(name).replace("%2F", "/")),
                Value::Null,
            )
            .await
    };
    let notebook = get("ノート/会議ノート", "").await.json();
    assert_eq!(
        (notebook["package"]["type"].clone(), notebook.get("folder").is_some()),
        (json!("oneNote"), true)
    );
    assert_eq!(get("ノート/会議ノート", "/content").await.status, 404);
    assert_eq!(get("ノート/会議ノート/第一章.one", "/content").await.status, 302);
    assert!(get("チームの資料", "").await.json().get("remoteItem").is_some());
    assert!(get("請求書.exe", "").await.json().get("malware").is_some());
    let virus = get("請求書.exe", "/content").await;
    assert_eq!((virus.status, virus.code().as_str()), (403, "malwareDetected"));
    let size = get("社外秘.pdf", "").await.json()["size"].as_u64().unwrap();
    let url = get("社外秘.pdf", "/content").await.header("location").unwrap().to_owned();
    let served = client.raw("GET", &url, &[], Bytes::new()).await.unwrap();
    assert_ne!(served.body.len() as u64, size, "labelled files lie about their size");
}

#[tokio::test(start_paused = true)]
async fn damaged_downloads_are_damaged_as_asked() {
    let sim = sim();
    let mut client = client(&sim).await;
    let entry =
        sim.tree(None, "/Recordings").into_iter().find(|entry| !entry.folder && entry.size > 1000).unwrap();
    let item = format!("/drives/{}/items/{}/content", client.source(), entry.id);
    let url = client.graph("GET", &item, Value::Null).await.header("location").unwrap().to_owned();
    let good = client.raw("GET", &url, &[], Bytes::new()).await.unwrap();
    let mut with = async |fault: Fault, headers: &[(&str, &str)]| {
        sim.script(FaultRule { route: "GET download".into(), nth: 1, times: 1, subject: None, fault });
        client.raw("GET", &url, headers, Bytes::new()).await
    };
    assert!(with(Fault::Cut, &[]).await.is_err());
    assert!(with(Fault::Truncated, &[]).await.unwrap().body.len() < good.body.len());
    let wrong = with(Fault::WrongByte, &[]).await.unwrap();
    assert_eq!(wrong.body.iter().zip(&good.body).filter(|(a, b)| a != b).count(), 1);
    assert_eq!(with(Fault::WholeBody, &[("range", "bytes=5-")]).await.unwrap().status, 200);
    assert_eq!(with(Fault::ExpiredUrl, &[]).await.unwrap().status, 401);
    let html = with(Fault::Html { status: 403 }, &[]).await.unwrap();
    assert!(html.body.starts_with(b"<html>"));
}

#[tokio::test(start_paused = true)]
async fn locks_archives_and_late_hashes_are_shown() {
    let sim = sim();
    let mut client = client(&sim).await;
    let library = client.library();
    let late = Fault::LateHash { seconds: 10 };
    sim.script(FaultRule { route: "PUT content".into(), nth: 1, times: 1, subject: None, fault: late });
    let path = format!("/drives/{library}/root:/a.txt:");
    let put = client.graph("PUT", &format!("{path}/content"), json!({})).await;
    assert_eq!(put.status, 201);
    assert!(client.graph("GET", &path, Value::Null).await.json()["file"].get("hashes").is_none());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(client.graph("GET", &path, Value::Null).await.json()["file"].get("hashes").is_some());
    let drive = || Some("Documents".to_owned());
    sim.change(WorldOp::Lock { drive: drive(), path: "/a.txt".into(), seconds: 60 }).unwrap();
    assert_eq!(client.graph("DELETE", &path, Value::Null).await.status, 423);
    sim.change(WorldOp::State { drive: drive(), state: "archived".into() }).unwrap();
    let archived = client.graph("GET", &path, Value::Null).await;
    assert_eq!((archived.status, archived.inner().as_str()), (403, "siteArchived"));
}

#[tokio::test(start_paused = true)]
async fn the_recycle_bin_counts_and_a_permanent_deletion_does_not() {
    let sim = sim();
    let mut client = client(&sim).await;
    let library = client.library();
    let mut used = async |path: &str, method: &str| {
        if !method.is_empty() {
            client.graph(method, &format!("/drives/{library}{path}"), json!({"a": 1})).await;
        }
        let quota = client.graph("GET", &format!("/drives/{library}"), Value::Null).await.json();
        (quota["quota"]["used"].as_u64().unwrap(), quota["quota"]["deleted"].as_u64().unwrap())
    };
    let (start, _) = used("", "").await;
    assert_eq!(used("/root:/a.txt:/content", "PUT").await, (start + 7, 0));
    assert_eq!(used("/root:/a.txt:/content", "PUT").await, (start + 14, 0), "two versions");
    assert_eq!(used("/root:/a.txt:", "DELETE").await, (start + 14, 7));
    assert_eq!(used("/root:/b.txt:/content", "PUT").await, (start + 21, 7));
    assert_eq!(used("/root:/b.txt:/permanentDelete", "POST").await, (start + 14, 7));
}
