//! Looking at what a repository holds (`hub.md`, sections 4 and 5).
//!
//! Owns the pages of a tree, with their links and cursors, and the look-up of given paths. Refuses to know the bytes
//! of files.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::account::{date, readable, revision};
use super::answer::HubCall;
use super::digest::{hex, pointer};
use super::faults::HubFault;
use super::reply::HubReply;
use super::repo::{Entry, Folder, Repo, Row};
use super::state::Hub;
use crate::reply::member;
use crate::url::{Query, encode};

/// Entries of a page that says more about each.
const EXPANDED_PAGE: usize = 50;

pub(crate) fn tree(hub: &mut Hub, call: &HubCall) -> HubReply {
    try_tree(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_tree(hub: &mut Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let recursive = flag(&call.query, "recursive");
    let down = readable(hub, call)?.id.clone();
    if let Some(HubFault::TreeTimeout { seconds }) = call.fault {
        let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        hub.tree_down.insert(down.clone(), call.now.checked_add(wait).unwrap_or(call.now));
    }
    if recursive && hub.tree_down.get(&down).is_some_and(|until| call.now < *until) {
        return Err(HubReply::html(504, "504 Gateway Time-out"));
    }
    let repo = readable(hub, call)?;
    let number = shown(hub, repo, call)?;
    let folder = call.address.path.trim_matches('/');
    if !folder.is_empty() && repo.folder(folder, number).is_none() {
        let text = format!("{folder} does not exist on \"{}\"", call.address.rev);
        return Err(HubReply::entry_not_found(&text));
    }
    let expand = flag(&call.query, "expand");
    let limit = call.query.get("limit").and_then(|text| text.parse::<usize>().ok()).unwrap_or(usize::MAX);
    let mut size = limit.clamp(1, hub.config.page.max(1));
    if expand {
        size = size.min(EXPANDED_PAGE);
    }
    if call.fault == Some(HubFault::ShortPage) {
        size = size.div_ceil(3);
    }
    let cursor = call.query.get("cursor");
    let after = match cursor {
        None => None,
        Some(text) => Some(opened(text).ok_or_else(|| HubReply::bad("Invalid cursor"))?),
    };
    // One more than the page holds tells whether there is another one.
    let mut rows = repo.rows(folder, after.as_deref(), recursive, number, size + 1);
    let full = rows.len() > size;
    rows.truncate(size);
    let more = rows.last().filter(|_| full).map(|row| row.path().to_owned());
    let entries = rows.iter().map(|row| line(row, repo, number, expand)).collect();
    let mut reply = HubReply::json(&Value::Array(entries));
    if let Some(last) = more {
        let kept: Vec<String> = call
            .query
            .names()
            .filter(|name| *name != "cursor")
            .map(|name| format!("{name}={}", encode(call.query.get(name).unwrap_or_default())))
            .chain([format!("cursor={}", closed(&last))])
            .collect();
        let next = format!("{}{}?{}", hub.origins.hub, call.path, kept.join("&"));
        reply.set("link", &format!("<{next}>; rel=\"next\""));
    }
    Ok(reply)
}

pub(crate) fn paths_info(hub: &Hub, call: &HubCall) -> HubReply {
    try_paths_info(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_paths_info(hub: &Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let repo = readable(hub, call)?;
    let number = shown(hub, repo, call)?;
    let is_json = call.header("content-type").is_some_and(|kind| kind.contains("json"));
    let (paths, expand) = if is_json {
        let body: Value = serde_json::from_slice(&call.body).map_err(|_| HubReply::bad("Invalid JSON"))?;
        let list = match body.get("paths") {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => return Err(HubReply::bad("\"paths\" is required")),
        };
        (list, body.get("expand").and_then(Value::as_bool).unwrap_or(false))
    } else {
        let form = Query::parse(&String::from_utf8_lossy(&call.body));
        (form.all("paths").map(str::to_owned).collect::<Vec<_>>(), flag(&form, "expand"))
    };
    // Unverified: that JSON has the same limit as a form.
    if paths.len() > hub.config.paths_per_call {
        return Err(HubReply::error(413, None, "too many parameters"));
    }
    let row = |path: &String| {
        let path = path.trim_end_matches('/');
        if let Some(entry) = repo.entry(path, number) {
            return Some(line(&Row::File(path, entry), repo, number, expand));
        }
        let folder = repo.folder(path, number)?;
        Some(line(&Row::Folder(path, folder), repo, number, expand))
    };
    Ok(HubReply::json(&Value::Array(paths.iter().filter_map(row).collect())))
}

/// The commit that a listing shows: behind the head by the lag, and by the fault.
fn shown(hub: &Hub, repo: &Repo, call: &HubCall) -> Result<u32, HubReply> {
    let mut lag = hub.config.listing_lag;
    if let Some(HubFault::Stale { seconds }) = call.fault {
        lag += std::time::Duration::from_secs(seconds);
    }
    revision(repo, &call.address.rev, call.now, lag)
}

fn line(row: &Row<'_>, repo: &Repo, number: u32, expand: bool) -> Value {
    let mut out = match row {
        Row::Folder(path, folder) => folder_line(path, *folder),
        Row::File(path, entry) => file_line(path, entry),
    };
    if expand {
        if let Some(last) = repo.commit_at(repo.changed_at(row.path(), number)) {
            member(
                &mut out,
                "lastCommit",
                json!({"id": last.oid, "title": last.title, "date": date(last.at)}),
            );
        }
        if matches!(row, Row::File(..)) {
            let scan = json!({"status": "safe", "avScan": null, "pickleImportScan": null});
            member(&mut out, "securityFileStatus", scan);
        }
    }
    out
}

fn folder_line(path: &str, folder: Folder) -> Value {
    json!({"type": "directory", "oid": folder.oid(), "size": 0, "path": path})
}

fn file_line(path: &str, entry: &Entry) -> Value {
    let mut out = json!({"type": "file", "oid": hex(&entry.blob), "size": entry.size, "path": path});
    if let Some(oid) = entry.oid() {
        let length = pointer(oid, entry.size).len();
        member(&mut out, "lfs", json!({"oid": hex(oid), "size": entry.size, "pointerSize": length}));
    }
    out
}

fn flag(query: &Query, name: &str) -> bool {
    query.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
}

fn closed(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"after": last}).to_string())
}

fn opened(cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok()?.get("after")?.as_str().map(str::to_owned)
}
