//! Files by their path (`hub.md`, section 6).
//!
//! Owns the answers of `resolve` and `raw`: the redirect to the storage with the facts in its headers, regular files
//! here or behind a redirect on the same host, the git blob. Refuses to know the bytes of LFS objects.

use std::time::Duration;

use http::Method;

use super::account::{readable, revision};
use super::answer::HubCall;
use super::digest::{hex, pointer};
use super::faults::HubFault;
use super::link::{Link, Purpose};
use super::reply::HubReply;
use super::repo::Kind;
use super::state::Hub;
use super::storage::ranged;
use crate::url::encode;

pub(crate) fn resolve(hub: &Hub, call: &HubCall) -> HubReply {
    try_resolve(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_resolve(hub: &Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let repo = readable(hub, call)?;
    let number = revision(repo, &call.address.rev, call.now, Duration::ZERO)?;
    let commit = repo.oid_at(number);
    let path = &call.address.path;
    let Some(entry) = repo.entry(path, number) else { return Err(absent(commit)) };
    let blob = format!("\"{}\"", hex(&entry.blob));
    let reply = match &entry.kind {
        Kind::Lfs(oid) => {
            let link = Link { repo: repo.id.clone(), oid: *oid, purpose: Purpose::Get };
            let location = hub.signed(&link, &hub.origins.cdn, call.now);
            let size =
                if call.fault == Some(HubFault::WrongLinkedSize) { entry.size + 1 } else { entry.size };
            let page = format!("Found. Redirecting to {location}");
            HubReply::typed(302, "text/plain; charset=utf-8", page)
                .with("location", &location)
                .with("x-linked-size", &size.to_string())
                .with("x-linked-etag", &format!("\"{}\"", hex(oid)))
                .with("etag", &blob)
                .with("accept-ranges", "bytes")
        }
        Kind::Regular(_) if hub.config.resolve_cache && !call.path.starts_with("/api/resolve-cache/") => {
            let path: Vec<String> = path.split('/').map(encode).collect();
            let location = format!(
                "/api/resolve-cache/datasets/{}/{commit}/{}?etag={}",
                repo.id,
                path.join("/"),
                encode(&blob)
            );
            HubReply::typed(307, "text/plain; charset=utf-8", "Temporary Redirect")
                .with("location", &location)
                .with("x-linked-size", &entry.size.to_string())
                .with("x-linked-etag", &blob)
        }
        Kind::Regular(bytes) => {
            let range = call.header("range").filter(|_| call.method == Method::GET);
            ranged(range, entry.size, |from, len| {
                let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                vec![bytes.slice(within(from)..within(from.saturating_add(len)))]
            })
            .with("content-type", "text/plain; charset=utf-8")
            .with("etag", &blob)
        }
    };
    Ok(reply.with("x-repo-commit", commit))
}

pub(crate) fn raw(hub: &Hub, call: &HubCall) -> HubReply {
    try_raw(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_raw(hub: &Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let repo = readable(hub, call)?;
    let number = revision(repo, &call.address.rev, call.now, Duration::ZERO)?;
    let commit = repo.oid_at(number);
    let Some(entry) = repo.entry(&call.address.path, number) else { return Err(absent(commit)) };
    let bytes = match &entry.kind {
        Kind::Regular(bytes) => bytes.clone(),
        Kind::Lfs(oid) => pointer(oid, entry.size).into(),
    };
    let reply = HubReply::typed(200, "text/plain; charset=utf-8", bytes);
    Ok(reply.with("etag", &format!("\"{}\"", hex(&entry.blob))).with("x-repo-commit", commit))
}

fn absent(commit: &str) -> HubReply {
    let reply = HubReply::typed(404, "text/plain; charset=utf-8", "Entry not found");
    reply
        .with("x-error-code", "EntryNotFound")
        .with("x-error-message", "Entry not found")
        .with("x-repo-commit", commit)
}
