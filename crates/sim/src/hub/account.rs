//! Accounts and repositories as wholes (`hub.md`, sections 2 and 3).
//!
//! Owns who may see and change a repository, revisions by name, and the routes that make, show and delete
//! repositories. Refuses to know files. There is one branch and there are no pull requests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::HubCall;
use super::digest::hex;
use super::reply::HubReply;
use super::repo::{Commit, Entry, Repo};
use super::state::Hub;
use crate::reply::member;

/// Commits of one page of the history.
const COMMITS_PAGE: usize = 50;
const NAME_LIMIT: usize = 96;

/// The repository of a request, if the caller may know of it.
pub(crate) fn readable<'a>(hub: &'a Hub, call: &HubCall) -> Result<&'a Repo, HubReply> {
    let id = &call.address.repo;
    let namespace = id.split('/').next().unwrap_or_default();
    // Anonymous callers cannot tell what is hidden from what is not there; nor can others, but they are told 404.
    let hidden = || match call.caller.is_anonymous() {
        true => HubReply::error(401, Some("RepoNotFound"), "Repository not found"),
        false => HubReply::error(404, Some("RepoNotFound"), "Repository not found"),
    };
    let repo = hub.repo(id).ok_or_else(hidden)?;
    if repo.private && !call.caller.belongs_to(namespace) { Err(hidden()) } else { Ok(repo) }
}

/// The repository of a request, if the caller may change it.
// Unverified: the words of both refusals.
pub(crate) fn writable<'a>(hub: &'a mut Hub, call: &HubCall) -> Result<&'a mut Repo, HubReply> {
    let id = readable(hub, call)?.id.clone();
    may_write(call, id.split('/').next().unwrap_or_default())?;
    hub.repo_mut(&id).ok_or_else(|| HubReply::error(404, Some("RepoNotFound"), "Repository not found"))
}

fn may_write(call: &HubCall, namespace: &str) -> Result<(), HubReply> {
    if call.caller.is_anonymous() {
        return Err(HubReply::error(401, None, "Invalid username or password."));
    }
    if !call.caller.writes {
        let text = "Forbidden: you must use a write token to upload to a repository.";
        return Err(HubReply::error(403, None, text));
    }
    if call.caller.belongs_to(namespace) {
        return Ok(());
    }
    let text = format!("You don't have the rights to write to the namespace \"{namespace}\"");
    Err(HubReply::error(403, None, &text))
}

/// The number of the commit that a revision names. A branch is seen as it was `lag` ago.
pub(crate) fn revision(repo: &Repo, rev: &str, now: Timestamp, lag: Duration) -> Result<u32, HubReply> {
    if matches!(rev, "main" | "refs/heads/main" | "HEAD") {
        let lag = SignedDuration::try_from(lag).unwrap_or(SignedDuration::ZERO);
        return Ok(if lag.is_zero() {
            repo.head()
        } else {
            repo.number_at(now.checked_sub(lag).unwrap_or(Timestamp::MIN))
        });
    }
    repo.number_of(rev).ok_or_else(|| HubReply::no_revision(rev))
}

/// Milliseconds, as the Hub shows times.
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(crate) fn whoami(call: &HubCall) -> HubReply {
    if call.caller.is_anonymous() {
        return HubReply::error(401, None, "Invalid username or password.");
    }
    let user = &call.caller.user;
    let id = |name: &str| hex(&super::digest::sha1(&[name.as_bytes()])).chars().take(24).collect::<String>();
    let orgs: Vec<Value> = call
        .caller
        .namespaces
        .iter()
        .skip(1)
        .map(|org| json!({"type": "org", "id": id(org), "name": org, "fullname": org, "roleInOrg": "write"}))
        .collect();
    let role = if call.caller.writes { "write" } else { "read" };
    HubReply::json(&json!({
        "type": "user", "id": id(user), "name": user, "fullname": user, "isPro": false, "canPay": false,
        "periodEnd": null, "orgs": orgs,
        "auth": {"type": "access_token", "accessToken": {"displayName": "simulated", "role": role}},
    }))
}

/// Makes, deletes and sets up repositories.
pub(crate) fn repos(hub: &mut Hub, call: &HubCall) -> HubReply {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
        return HubReply::bad("Invalid JSON");
    };
    let outcome = match (call.method.as_str(), call.address.path.as_str()) {
        ("POST", "create") => create(hub, call, &body),
        ("DELETE", "delete") => delete(hub, call, &body),
        ("PUT", "settings") => settings(hub, call, &body),
        _ => Err(HubReply::error(404, None, "Sorry, we can't find the page you are looking for.")),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

fn create(hub: &mut Hub, call: &HubCall, body: &Value) -> Result<HubReply, HubReply> {
    let (id, url) = named(hub, call, body)?;
    let private = is_private(body).unwrap_or(false);
    if !hub.create(&id, private, call.now) {
        let text = json!({"error": "You already created this dataset repo", "url": url});
        return Err(HubReply::json_with(409, &text));
    }
    let number = hub.fresh();
    Ok(HubReply::json(&json!({"url": url, "name": id, "id": format!("{number:024x}")})))
}

fn delete(hub: &mut Hub, call: &HubCall, body: &Value) -> Result<HubReply, HubReply> {
    let (id, _) = named(hub, call, body)?;
    match hub.repos.remove(&id.to_lowercase()) {
        Some(repo) => hub.gone.push(repo),
        None => return Err(HubReply::error(404, Some("RepoNotFound"), "Repository not found")),
    }
    Ok(HubReply::typed(200, "text/plain; charset=utf-8", "OK"))
}

fn settings(hub: &mut Hub, call: &HubCall, body: &Value) -> Result<HubReply, HubReply> {
    let repo = writable(hub, call)?;
    repo.private = is_private(body).unwrap_or(repo.private);
    Ok(HubReply::json(&json!({"private": repo.private})))
}

fn is_private(body: &Value) -> Option<bool> {
    let visibility = body.get("visibility").and_then(Value::as_str).map(|text| text != "public");
    visibility.or_else(|| body.get("private").and_then(Value::as_bool))
}

/// Id and URL of the repository that a body names, if the caller may write there.
fn named(hub: &Hub, call: &HubCall, body: &Value) -> Result<(String, String), HubReply> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if text("type") != Some("dataset") {
        return Err(HubReply::bad("this simulator keeps datasets only: \"type\" must be \"dataset\""));
    }
    let name = text("name").unwrap_or_default();
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name),
        None => (text("organization").unwrap_or(&call.caller.user).to_owned(), name),
    };
    may_write(call, &namespace)?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let edges = name.starts_with(['-', '.']) || name.ends_with(['-', '.']);
    let twice = name.contains("--") || name.contains("..") || name.ends_with(".git");
    if name.is_empty() || name.len() > NAME_LIMIT || !plain || edges || twice {
        return Err(HubReply::bad(&format!("Invalid repo name: {name}")));
    }
    let id = format!("{namespace}/{name}");
    let url = format!("{}/datasets/{id}", hub.origins.hub);
    Ok((id, url))
}

pub(crate) fn info(hub: &Hub, call: &HubCall) -> HubReply {
    try_info(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_info(hub: &Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let repo = readable(hub, call)?;
    if !call.address.path.is_empty() {
        return Err(HubReply::error(404, None, "Sorry, we can't find the page you are looking for."));
    }
    let number = revision(repo, &call.address.rev, call.now, Duration::ZERO)?;
    let blobs = call.query.get("blobs").is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1");
    let sibling = |(path, entry): (&str, &Entry)| {
        let mut out = json!({"rfilename": path});
        if blobs {
            member(&mut out, "blobId", hex(&entry.blob));
            member(&mut out, "size", entry.size);
            if let Some(oid) = entry.oid() {
                let pointer = super::digest::pointer(oid, entry.size).len();
                member(
                    &mut out,
                    "lfs",
                    json!({"sha256": hex(oid), "size": entry.size, "pointerSize": pointer}),
                );
            }
        }
        out
    };
    // Truncated as the real one is, so that nobody relies on it.
    let siblings: Vec<Value> =
        repo.files_from("", "", number).take(hub.config.siblings).map(sibling).collect();
    let used: u64 = repo.objects.values().map(|object| object.len).sum();
    let modified = repo.commit_at(number).map_or(repo.created, |commit| commit.at);
    let id: String = hex(&super::digest::sha1(&[repo.id.as_bytes()])).chars().take(24).collect();
    Ok(HubReply::json(&json!({
        "_id": id, "id": repo.id, "author": repo.id.split('/').next(), "sha": repo.oid_at(number),
        "lastModified": date(modified), "createdAt": date(repo.created), "private": repo.private,
        "gated": false, "disabled": false, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
        "usedStorage": used,
    })))
}

pub(crate) fn refs(hub: &Hub, call: &HubCall) -> HubReply {
    let reply = readable(hub, call).map(|repo| {
        HubReply::json(&json!({
            "branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head_oid()}],
            "tags": [], "converts": [],
        }))
    });
    reply.unwrap_or_else(|refusal| refusal)
}

pub(crate) fn commits(hub: &Hub, call: &HubCall) -> HubReply {
    try_commits(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_commits(hub: &Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let repo = readable(hub, call)?;
    let number = revision(repo, &call.address.rev, call.now, Duration::ZERO)?;
    let number_of = |name: &str| call.query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (page, limit) = (number_of("p").unwrap_or(0), number_of("limit").unwrap_or(COMMITS_PAGE));
    let limit = limit.clamp(1, 1000);
    let shown = |commit: &Commit| {
        json!({
            "id": commit.oid, "title": commit.title, "message": commit.message,
            "authors": [{"user": commit.author}], "date": date(commit.at),
        })
    };
    let total = usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
    let from_end = repo.commits().iter().take(total).rev();
    let list: Vec<Value> = from_end.skip(page.saturating_mul(limit)).take(limit).map(shown).collect();
    let mut reply = HubReply::json(&Value::Array(list)).with("x-total-count", &total.to_string());
    if page.saturating_add(1).saturating_mul(limit) < total {
        let next = format!("<{}{}?p={}&limit={limit}>; rel=\"next\"", hub.origins.hub, call.path, page + 1);
        reply.set("link", &next);
    }
    Ok(reply)
}
