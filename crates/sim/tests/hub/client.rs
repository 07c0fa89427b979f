//! A client of the tests: single requests, and the few that make up an upload.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use landfall_sim::{CallError, HubConfig, HubSim};
use serde_json::{Value, json};

pub(crate) const REPO: &str = "me/arch";
pub(crate) const WRITE: &str = "hf_sim_write";
pub(crate) const READ: &str = "hf_sim_read";
pub(crate) const OTHER: &str = "hf_sim_other";

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

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The address of the next page.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header("link");
        Some(link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?.to_owned())
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) sim: HubSim,
    pub(crate) token: &'static str,
}

impl Client {
    /// A Hub with one empty private repository.
    pub(crate) fn new(config: HubConfig) -> Self {
        let sim = HubSim::new(config);
        sim.create_repo(REPO, true);
        Self { sim, token: WRITE }
    }

    pub(crate) fn with(&self, token: &'static str) -> Self {
        Self { sim: self.sim.clone(), token }
    }

    /// A path is one of the Hub and takes the token along; an address goes where it says, without.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, CallError> {
        let body = body.into();
        let own = url.starts_with('/');
        let url = if own { format!("http://hub.sim{url}") } else { url.to_owned() };
        let mut request = Request::builder().method(method).uri(url);
        if (own || headers.iter().any(|(name, _)| *name == "token")) && !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if method == "PUT" || method == "POST" {
            request = request.header("content-length", body.len());
        }
        for (name, value) in headers.iter().filter(|(name, _)| *name != "token") {
            request = request.header(*name, *value);
        }
        let response = self.sim.call(request.body(Body::from(body)).unwrap()).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| CallError)?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    pub(crate) async fn send(&self, method: &str, url: &str, body: impl Into<Bytes>) -> Answer {
        self.try_send(method, url, &[], body).await.unwrap()
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send("GET", url, "").await
    }

    pub(crate) async fn post(&self, url: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.try_send("POST", url, &[("content-type", "application/json")], body).await.unwrap()
    }

    pub(crate) async fn batch(&self, oid: &str, size: u64) -> Answer {
        let body = json!({
            "operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256",
            "objects": [{"oid": oid, "size": size}],
        });
        self.post(&format!("/datasets/{REPO}.git/info/lfs/objects/batch"), &body).await
    }

    /// Brings an object into the storage and gives its name.
    pub(crate) async fn store(&self, bytes: &[u8]) -> String {
        let oid = sha256(bytes);
        let answer = self.batch(&oid, bytes.len() as u64).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if let Some(href) = answer.json()["objects"][0]["actions"]["upload"]["href"].as_str() {
            assert_eq!(self.send("PUT", href, bytes.to_vec()).await.status, 200);
        }
        oid
    }

    /// A commit without a parent.
    pub(crate) async fn commit(&self, lines: &[Value]) -> Answer {
        self.commit_on(None, lines).await
    }

    pub(crate) async fn commit_on(&self, parent: Option<&str>, lines: &[Value]) -> Answer {
        self.send("POST", &format!("/api/datasets/{REPO}/commit/main"), body(parent, lines)).await
    }

    /// All rows of a listing, page by page: type, path, oid.
    pub(crate) async fn tree(&self, rev: &str, path: &str, recursive: bool) -> Vec<(String, String, String)> {
        let below = if path.is_empty() { String::new() } else { format!("/{}", escape(path)) };
        let mut url = format!("/api/datasets/{REPO}/tree/{rev}{below}?recursive={recursive}&expand=false");
        let mut out = Vec::new();
        loop {
            let page = self.try_send("GET", &url, &[("token", "")], "").await.unwrap();
            assert_eq!(page.status, 200, "{url}: {page:?}");
            let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
            let rows = page.json();
            out.extend(
                rows.as_array()
                    .unwrap()
                    .iter()
                    .map(|row| (text(row, "type"), text(row, "path"), text(row, "oid"))),
            );
            match page.next() {
                Some(next) => url = next,
                None => return out,
            }
        }
    }
}

pub(crate) fn body(parent: Option<&str>, lines: &[Value]) -> String {
    let header =
        json!({"key": "header", "value": {"summary": "束", "description": "", "parentCommit": parent}});
    std::iter::once(&header).chain(lines).map(|line| format!("{line}\n")).collect()
}

pub(crate) fn file(path: &str, text: &str) -> Value {
    let content = base64(text.as_bytes());
    json!({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}})
}

pub(crate) fn lfs_file(path: &str, oid: &str, size: Option<usize>) -> Value {
    json!({"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": size}})
}

pub(crate) fn deleted(path: &str) -> Value {
    json!({"key": "deletedFile", "value": {"path": path}})
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Binary from its first bytes on, as an encrypted file is.
pub(crate) fn sealed(size: usize, salt: u8) -> Vec<u8> {
    let mut out = b"RCLONE\0\0".to_vec();
    out.extend((0..=250u8).cycle().take(size.saturating_sub(8)).map(|byte| byte ^ salt));
    out
}
