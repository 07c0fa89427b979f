//! A client of the tests: single requests, and a small migration that copes with everything the simulator does.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use landfall_sim::{CallError, Sim, quick_xor, to_base64};
use serde_json::{Value, json};

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn inner(&self) -> String {
        self.json()["error"]["innerError"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) struct Client {
    pub(crate) sim: Sim,
    token: String,
    pub(crate) trace: Vec<String>,
}

impl Client {
    pub(crate) async fn new(sim: &Sim) -> Self {
        let mut client = Self { sim: sim.clone(), token: String::new(), trace: Vec::new() };
        client.sign_in().await;
        client
    }

    pub(crate) async fn sign_in(&mut self) {
        let env = self.sim.env();
        let url = format!("http://login.sim/{}/oauth2/v2.0/token", env["AZURE_TENANT_ID"]);
        let form = format!(
            "grant_type=client_credentials&scope=.default&client_id={}&client_secret={}",
            env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        );
        for attempt in 0..20 {
            match self.raw("POST", &url, &[], form.clone().into()).await {
                Ok(answer) if answer.status == 200 => {
                    self.token = answer.json()["access_token"].as_str().unwrap().to_owned();
                    return;
                }
                Ok(answer) => wait(&answer, attempt).await,
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        panic!("no token");
    }

    pub(crate) async fn raw(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, CallError> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.sim.call(request.body(Body::from(body)).unwrap()).await;
        let outcome = match response {
            Err(error) => Err(error),
            Ok(response) => {
                let (parts, body) = response.into_parts();
                match body.collect().await {
                    Ok(all) => Ok(Answer {
                        status: parts.status.as_u16(),
                        headers: parts.headers,
                        body: all.to_bytes(),
                    }),
                    Err(_) => Err(CallError),
                }
            }
        };
        let seen = outcome.as_ref().map_or(0, |answer| answer.status);
        self.trace.push(format!("{method} {url} {seen}"));
        outcome
    }

    /// One request to Graph, with the token; a broken connection fails the test.
    pub(crate) async fn graph(&mut self, method: &str, path: &str, body: Value) -> Answer {
        self.graph_with(method, path, &[], body).await
    }

    pub(crate) async fn graph_with(
        &mut self,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.try_graph(method, path, extra, body).await.expect("the connection holds")
    }

    pub(crate) async fn try_graph(
        &mut self,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, CallError> {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("http://graph.sim/v1.0{path}") };
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend_from_slice(extra);
        self.raw(method, &url, &headers, body).await
    }

    /// Asks until the answer is one of those that are wanted. Only for requests that may be repeated.
    pub(crate) async fn insist(&mut self, method: &str, path: &str, body: &Value, wanted: &[u16]) -> Answer {
        for attempt in 0..40 {
            let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
            match self.try_graph(method, path, &[], bytes).await {
                Ok(answer) if wanted.contains(&answer.status) => return answer,
                Ok(answer) if answer.status == 401 => self.sign_in().await,
                Ok(answer) => wait(&answer, attempt).await,
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        panic!(
            "{method} {path} never came to an end: {:?}",
            self.trace.iter().rev().take(8).collect::<Vec<_>>()
        );
    }

    pub(crate) fn source(&self) -> String {
        self.sim.drive_id(None).unwrap()
    }

    pub(crate) fn library(&self) -> String {
        self.sim.drive_id(Some("Documents")).unwrap()
    }
}

async fn wait(answer: &Answer, attempt: u32) {
    let told = answer.header("retry-after").and_then(|text| text.parse().ok());
    tokio::time::sleep(Duration::from_secs(told.unwrap_or(1 << attempt.min(4)))).await;
}

pub(crate) fn encode(name: &str) -> String {
    name.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Moves a job's tree the simple way: one thing at a time, everything checked. Fragments have one unit.
pub(crate) struct Migration {
    pub(crate) client: Client,
    target: String,
    folders: BTreeMap<String, String>,
}

impl Migration {
    pub(crate) async fn run(sim: &Sim, from: &str, to: &str) -> Client {
        let mut client = Client::new(sim).await;
        let source = client.source();
        let library = client.library();
        let items = enumerate(&mut client, &source).await;
        let root = client.insist("GET", &format!("/drives/{library}/root"), &Value::Null, &[200]).await.id();
        let mut this = Self { client, target: library, folders: BTreeMap::from([(String::new(), root)]) };
        let mut paths: Vec<(String, Value)> = items
            .values()
            .filter_map(|item| Some((path_of(item, &items)?, item.clone())))
            .filter(|(path, _)| path.starts_with(&format!("{from}/")))
            .collect();
        paths.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, item) in paths {
            let place = format!("{to}{}", path.strip_prefix(from).unwrap());
            if item.get("file").is_some() {
                this.file(&source, &item, &place).await;
            } else {
                this.folder(&place).await;
            }
        }
        this.client
    }

    async fn folder(&mut self, path: &str) -> String {
        if let Some(known) = self.folders.get(path) {
            return known.clone();
        }
        let (above, name) = path.rsplit_once('/').unwrap();
        let parent = Box::pin(self.folder(above)).await;
        let target = self.target.clone();
        let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
        let made = self
            .client
            .insist("POST", &format!("/drives/{target}/items/{parent}/children"), &body, &[201, 409])
            .await;
        let id = if made.status == 201 {
            made.id()
        } else {
            let known = format!("/drives/{target}/items/{parent}:/{}:", encode(name));
            self.client.insist("GET", &known, &Value::Null, &[200]).await.id()
        };
        self.folders.insert(path.to_owned(), id.clone());
        id
    }

    async fn file(&mut self, source: &str, item: &Value, path: &str) {
        let id = item["id"].as_str().unwrap();
        let size = item["size"].as_u64().unwrap();
        let hash = item["file"]["hashes"]["quickXorHash"].as_str().unwrap().to_owned();
        let bytes = self.download(source, id, size, &hash).await;
        let (above, name) = path.rsplit_once('/').unwrap();
        let parent = self.folder(above).await;
        let place = format!("/drives/{}/items/{parent}:/{}:", self.target, encode(name));
        for _ in 0..20 {
            if let Some(there) = self.look(&place, size, &hash).await {
                assert!(there, "{path} is there with other bytes");
                return;
            }
            if size == 0 {
                self.client.insist("PUT", &format!("{place}/content"), &Value::Null, &[200, 201]).await;
                let times = json!({"fileSystemInfo": item["fileSystemInfo"]});
                self.client.insist("PATCH", &place, &times, &[200]).await;
            } else {
                self.session(&place, item, &bytes).await;
            }
        }
        panic!("{path} does not arrive: {:#?}", self.client.trace.iter().rev().take(12).collect::<Vec<_>>());
    }

    /// Absent, or present with the right bytes or not. Waits for a hash that is late.
    async fn look(&mut self, place: &str, size: u64, hash: &str) -> Option<bool> {
        for _ in 0..60 {
            let found = self.client.insist("GET", place, &Value::Null, &[200, 404]).await;
            if found.status == 404 {
                return None;
            }
            let found = found.json();
            if let Some(theirs) = found["file"]["hashes"]["quickXorHash"].as_str() {
                return Some(theirs == hash && found["size"] == json!(size));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        panic!("{place} never gets a hash");
    }

    async fn download(&mut self, drive: &str, id: &str, size: u64, hash: &str) -> Bytes {
        for attempt in 0..40 {
            let moved = self
                .client
                .insist("GET", &format!("/drives/{drive}/items/{id}/content"), &Value::Null, &[302])
                .await;
            let url = moved.header("location").unwrap().to_owned();
            match self.client.raw("GET", &url, &[], Bytes::new()).await {
                Ok(answer) if answer.status == 200 => {
                    let whole = answer.body.len() as u64 == size;
                    if whole && to_base64(quick_xor(&answer.body)) == hash {
                        return answer.body;
                    }
                }
                Ok(answer) => wait(&answer, attempt).await,
                Err(_) => {}
            }
        }
        panic!("{id} cannot be downloaded");
    }

    /// One session, from opening to commit or to the point where it is of no use any more.
    async fn session(&mut self, place: &str, item: &Value, bytes: &Bytes) {
        let body = json!({"item": {
            "@microsoft.graph.conflictBehavior": "fail", "fileSystemInfo": item["fileSystemInfo"],
        }});
        let path = format!("{place}/createUploadSession");
        let opened = self.client.insist("POST", &path, &body, &[200, 409]).await;
        if opened.status == 409 {
            // The name is taken, or held by a session whose URL was lost: only time helps.
            tokio::time::sleep(Duration::from_secs(6 * 3600)).await;
            return;
        }
        let url = opened.json()["uploadUrl"].as_str().unwrap().to_owned();
        let mut at = 0;
        for attempt in 0..60 {
            let end = (at + 327_680).min(bytes.len());
            let range = format!("bytes {at}-{}/{}", end - 1, bytes.len());
            let sent = self.client.raw("PUT", &url, &[("content-range", &range)], bytes.slice(at..end)).await;
            match sent {
                Ok(answer) => match answer.status {
                    200 | 201 => return,
                    202 => at = end,
                    404 => return,
                    401 | 409 => {
                        self.cancel(&url).await;
                        return;
                    }
                    _ => wait(&answer, attempt).await,
                },
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
            match self.client.raw("GET", &url, &[], Bytes::new()).await {
                Ok(answer) if answer.status == 200 => {
                    let next = answer.json()["nextExpectedRanges"][0].as_str().unwrap_or("0-").to_owned();
                    at = next.trim_end_matches('-').parse().unwrap();
                }
                Ok(answer) if answer.status == 404 => return,
                Ok(answer) => wait(&answer, attempt).await,
                Err(_) => {}
            }
        }
        panic!("{url} never ends");
    }

    async fn cancel(&mut self, url: &str) {
        for attempt in 0..20 {
            match self.client.raw("DELETE", url, &[], Bytes::new()).await {
                Ok(answer) if matches!(answer.status, 204 | 404) => return,
                Ok(answer) => wait(&answer, attempt).await,
                Err(_) => {}
            }
        }
        panic!("{url} cannot be cancelled");
    }
}

/// Every item of a drive by id, the last word about each.
pub(crate) async fn enumerate(client: &mut Client, drive: &str) -> BTreeMap<String, Value> {
    let start = format!("/drives/{drive}/root/delta?$top=50");
    let mut link = start.clone();
    let mut items = BTreeMap::new();
    for _ in 0..500 {
        let page = client.insist("GET", &link, &Value::Null, &[200, 410]).await;
        if page.status == 410 {
            items.clear();
            link = page.header("location").map_or(start.clone(), str::to_owned);
            continue;
        }
        let page = page.json();
        for item in page["value"].as_array().unwrap() {
            items.insert(item["id"].as_str().unwrap().to_owned(), item.clone());
        }
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => return items,
        }
    }
    panic!("the enumeration never ends");
}

/// The path of an item, from ids.
pub(crate) fn path_of(item: &Value, items: &BTreeMap<String, Value>) -> Option<String> {
    if item.get("root").is_some() {
        return Some(String::new());
    }
    let parent = items.get(item["parentReference"]["id"].as_str()?)?;
    Some(format!("{}/{}", path_of(parent, items)?, item["name"].as_str()?))
}
