//! Looking inside and interfering over HTTP, for scripts: everything below `/__sim/` of the Hub's host.
//!
//! Owns no knowledge; it says over HTTP what [`HubSim`] says in process. Nothing here is counted, and no quota is
//! charged. Refuses to know the protocol.

use http::Method;
use serde_json::{Value, json};

use super::HubSim;
use super::reply::HubReply;
use crate::url::Query;

pub(crate) fn handle(
    sim: &HubSim,
    method: &Method,
    path: &str,
    query: &Query,
    body: &bytes::Bytes,
) -> HubReply {
    let repo = query.get("repo").unwrap_or_default();
    let file = query.get("path").unwrap_or_default();
    match (method.as_str(), path) {
        ("GET", "requests") => HubReply::json(&serde_json::to_value(sim.requests()).unwrap_or_default()),
        ("POST", "requests/reset") => {
            sim.reset_requests();
            HubReply::empty(204)
        }
        ("GET", "repos") => {
            let one = |id: String| json!({"private": sim.is_private(&id), "head": sim.head(&id), "id": id});
            lines(sim.repos().into_iter().map(one))
        }
        ("GET", "files") => lines(sim.files(repo).into_iter().map(
            |file| json!({"path": file.path, "size": file.size, "sha256": file.sha256, "lfs": file.lfs}),
        )),
        ("GET", "commits") => lines(sim.commits(repo).into_iter().map(|commit| {
            json!({
                "oid": commit.oid, "title": commit.title, "at": commit.at.to_string(),
                "operations": commit.operations, "parent": commit.parent,
            })
        })),
        ("GET", "read") => match sim.read(repo, file) {
            Some(bytes) => HubReply::typed(200, "application/octet-stream", bytes),
            None => HubReply::error(404, None, "there is no such file"),
        },
        ("POST", "put") => {
            sim.put(repo, vec![(file.to_owned(), body.clone())]);
            HubReply::empty(204)
        }
        ("POST", "remove") => {
            sim.remove(repo, &[file.to_owned()]);
            HubReply::empty(204)
        }
        ("POST", "fault") => match serde_json::from_slice(body) {
            Ok(rule) => {
                sim.add_fault(rule);
                HubReply::empty(204)
            }
            Err(error) => HubReply::bad(&error.to_string()),
        },
        _ => HubReply::error(404, None, "the inspection has no such path"),
    }
}

/// One JSON object a line.
fn lines(rows: impl Iterator<Item = Value>) -> HubReply {
    let text: String = rows.map(|row| format!("{row}\n")).collect();
    HubReply::typed(200, "application/x-ndjson", text)
}
