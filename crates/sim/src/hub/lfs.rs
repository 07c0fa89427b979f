//! LFS at the Hub (`hub.md`, section 8).
//!
//! Owns the batch answers with their signed links, verify, the end of an upload in parts, and the list of stored
//! objects with their removal for good. Refuses to know the storage's own requests. xet is never offered.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::account::{date, readable, writable};
use super::answer::{HubCall, storage_refused};
use super::digest::{Sha256Id, hex, oid};
use super::link::{Link, Purpose};
use super::object::Object;
use super::reply::HubReply;
use super::state::{Hub, Parts};

#[derive(Debug, Deserialize)]
struct Batch {
    operation: String,
    #[serde(default)]
    transfers: Vec<String>,
    objects: Vec<Wanted>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    oid: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Completion {
    oid: String,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    part_number: u32,
    etag: String,
}

pub(crate) fn batch(hub: &mut Hub, call: &HubCall) -> HubReply {
    try_batch(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_batch(hub: &mut Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let batch: Batch = serde_json::from_slice(&call.body)
        .map_err(|error| HubReply::bad(&format!("Invalid body: {error}")))?;
    let upload = batch.operation == "upload";
    let id = if upload { writable(hub, call)?.id.clone() } else { readable(hub, call)?.id.clone() };
    if upload && hub.storage_full {
        return Err(storage_refused(hub, call));
    }
    // Unverified: status and words of this refusal.
    if batch.objects.len() > hub.config.files_per_call {
        return Err(HubReply::error(413, None, "Too many objects in the batch request"));
    }
    let in_parts = batch.transfers.iter().any(|name| name == "multipart");
    let mut multipart = false;
    let mut objects = Vec::new();
    for wanted in &batch.objects {
        let Some(sha) = oid(&wanted.oid) else {
            let error = json!({"code": 422, "message": "Invalid oid: it must be a SHA-256 in hexadecimal"});
            objects.push(json!({"oid": wanted.oid, "size": wanted.size, "error": error}));
            continue;
        };
        let stored = hub.repo(&id).and_then(|repo| repo.objects.get(&sha)).filter(|object| {
            !object.lost && object.len == wanted.size && (object.sha256 == sha || !hub.config.check_lfs_bytes)
        });
        let actions = match (upload, stored.is_some()) {
            (true, true) => None,
            (false, false) => {
                let error = json!({"code": 404, "message": "Object does not exist"});
                objects.push(json!({"oid": wanted.oid, "size": wanted.size, "error": error}));
                continue;
            }
            (false, true) => {
                let link = Link { repo: id.clone(), oid: sha, purpose: Purpose::Get };
                Some(json!({"download": {"href": hub.signed(&link, &hub.origins.cdn, call.now)}}))
            }
            (true, false) if in_parts && wanted.size > hub.config.multipart_above => {
                multipart = true;
                Some(parts_action(hub, call, &id, sha, wanted.size))
            }
            (true, false) => {
                let link = Link { repo: id.clone(), oid: sha, purpose: Purpose::Put };
                Some(json!({"upload": {"href": hub.signed(&link, &hub.origins.lfs, call.now)}}))
            }
        };
        let mut object = json!({"oid": wanted.oid, "size": wanted.size});
        if let (Some(mut actions), Some(map)) = (actions, object.as_object_mut()) {
            if upload && let Some(actions) = actions.as_object_mut() {
                let href = format!("{}/datasets/{id}.git/info/lfs/verify", hub.origins.hub);
                actions.insert("verify".into(), json!({"href": href, "header": {}}));
            }
            map.insert("actions".into(), actions);
        }
        objects.push(object);
    }
    // Unverified: what one answer says whose objects differ; clients look at every object.
    let transfer = if multipart { "multipart" } else { "basic" };
    Ok(HubReply::lfs(&json!({"transfer": transfer, "objects": objects})))
}

fn parts_action(hub: &mut Hub, call: &HubCall, id: &str, oid: Sha256Id, size: u64) -> Value {
    let chunk = hub.config.chunk_size.max(1);
    let count = u32::try_from(size.div_ceil(chunk)).unwrap_or(u32::MAX);
    let upload = hub.fresh() >> 1;
    let parts = Parts { repo: id.to_owned(), oid, size, count, parts: BTreeMap::new() };
    hub.uploads.insert(upload, parts);
    let mut header = Map::new();
    header.insert("chunk_size".into(), chunk.to_string().into());
    for number in 1..=count {
        let link = Link { repo: id.to_owned(), oid, purpose: Purpose::Part { upload, number } };
        header.insert(format!("{number:05}"), hub.signed(&link, &hub.origins.lfs, call.now).into());
    }
    let link = Link { repo: id.to_owned(), oid, purpose: Purpose::Complete { upload } };
    json!({"upload": {"href": hub.signed(&link, &hub.origins.hub, call.now), "header": header}})
}

/// The check of one object; clients may leave it out.
pub(crate) fn verify(hub: &mut Hub, call: &HubCall) -> HubReply {
    let check = hub.config.check_lfs_bytes;
    let repo = match writable(hub, call) {
        Ok(repo) => repo,
        Err(refusal) => return refusal,
    };
    let Ok(wanted) = serde_json::from_slice::<Wanted>(&call.body) else {
        return HubReply::bad("Invalid body");
    };
    let stored = oid(&wanted.oid).and_then(|sha| Some((sha, repo.objects.get(&sha)?)));
    match stored {
        Some((sha, object)) if sound(object, &sha, check) && object.len == wanted.size => {
            HubReply::lfs(&json!({"oid": wanted.oid, "size": wanted.size}))
        }
        _ => HubReply::error(404, None, "Object not found or of another size"),
    }
}

/// Whether the storage has the object under its name.
pub(crate) fn sound(object: &Object, oid: &Sha256Id, check: bool) -> bool {
    !object.lost && (!check || object.sha256 == *oid)
}

/// All parts are there: the object is made of them. The link carries the right to do it, no token is needed.
pub(crate) fn complete(hub: &mut Hub, call: &HubCall) -> HubReply {
    try_complete(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_complete(hub: &mut Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let link = Link::read(hub.config.seed, &call.path, &call.raw_query, call.now)?;
    let Purpose::Complete { upload } = link.purpose else { return Err(HubReply::bad("Invalid link")) };
    if call.header("authorization").is_some() {
        hub.audit.violate("the completion of parts was sent with Authorization".into());
    }
    let said: Completion = serde_json::from_slice(&call.body)
        .map_err(|error| HubReply::bad(&format!("Invalid body: {error}")))?;
    let there = hub.repo(&link.repo).and_then(|repo| repo.objects.get(&link.oid)).is_some();
    let Some(parts) = hub.uploads.get(&upload) else {
        // Said twice: the first answer was lost.
        let text = "The specified upload does not exist.";
        return if there {
            Ok(HubReply::json(&json!({"success": true})))
        } else {
            Err(HubReply::error(404, None, text))
        };
    };
    if oid(&said.oid) != Some(parts.oid) || parts.repo != link.repo {
        return Err(HubReply::bad("The oid is not the one of this upload"));
    }
    let mut pieces = Vec::new();
    for (number, part) in (1..).zip(&said.parts) {
        let known = parts.parts.get(&number).filter(|_| part.part_number == number);
        // The quotes belong to the tag.
        match known.filter(|known| known.etag() == part.etag) {
            Some(known) => pieces.extend(known.slice(0, known.len)),
            None => {
                return Err(HubReply::bad(
                    "InvalidPart: one or more of the parts could not be found or is out of order",
                ));
            }
        }
    }
    let object = Object::new(pieces);
    if u32::try_from(said.parts.len()).ok() != Some(parts.count) || object.len != parts.size {
        return Err(HubReply::bad("Some parts are missing"));
    }
    hub.uploads.remove(&upload);
    store(hub, &link, object);
    Ok(HubReply::json(&json!({"success": true})))
}

/// Keeps an object under the name that the link gives it, as the storage does, whatever its bytes are.
pub(crate) fn store(hub: &mut Hub, link: &Link, object: Object) {
    hub.audit.requests.bytes_in += object.len;
    let Some(repo) = hub.repo_mut(&link.repo) else { return };
    let new = object.sha256;
    if let Some(old) = repo.objects.insert(link.oid, object).filter(|old| old.sha256 != new) {
        hub.replaced.push(old);
    }
}

/// The stored objects of a repository, and their removal for good.
pub(crate) fn files(hub: &mut Hub, call: &HubCall) -> HubReply {
    let outcome = match (call.method.as_str(), call.address.path.as_str()) {
        ("GET", "") => list(hub, call),
        ("POST", "batch") => remove(hub, call),
        _ => Err(HubReply::error(404, None, "Sorry, we can't find the page you are looking for.")),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

fn list(hub: &mut Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let page = hub.config.page.max(1);
    let origin = hub.origins.hub.clone();
    let repo = writable(hub, call)?;
    let from = call.query.get("cursor").and_then(oid).unwrap_or_default();
    let names: BTreeMap<Sha256Id, &str> = repo
        .files_from("", "", repo.head())
        .filter_map(|(path, entry)| Some((*entry.oid()?, path)))
        .collect();
    let mut objects = repo.objects.range(from..);
    let shown = |(oid, object): (&Sha256Id, &Object)| {
        let name = names.get(oid);
        json!({
            "fileOid": hex(oid), "filename": name, "oid": hex(oid), "size": object.len, "ref": "main",
            "pushedAt": date(repo.created), "pusher": {"user": {"name": repo.id.split('/').next()}},
        })
    };
    let rows: Vec<Value> = objects.by_ref().take(page).map(shown).collect();
    let mut reply = HubReply::json(&Value::Array(rows));
    if let Some((next, _)) = objects.next() {
        reply.set("link", &format!("<{origin}{}?cursor={}>; rel=\"next\"", call.path, hex(next)));
    }
    Ok(reply)
}

// Unverified: what the history looks like afterwards; here the pointers stay and lead nowhere.
fn remove(hub: &mut Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let repo = writable(hub, call)?;
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| HubReply::bad("Invalid JSON"))?;
    let list = body.pointer("/deletions/sha").and_then(Value::as_array);
    let list = list.ok_or_else(|| HubReply::bad("\"deletions.sha\" is required"))?;
    let ids: Vec<Sha256Id> = list.iter().filter_map(Value::as_str).filter_map(oid).collect();
    let gone: Vec<Object> = ids.iter().filter_map(|oid| repo.objects.remove(oid)).collect();
    hub.replaced.extend(gone);
    Ok(HubReply::json(&json!({})))
}
