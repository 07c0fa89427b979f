//! Commits (`hub.md`, sections 10 to 12).
//!
//! Owns the reading of NDJSON, compare-and-swap on the parent, the window of commits per repository, the refusals
//! with the texts that clients match, and the making of the commit as one transaction. Refuses to know listings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::writable;
use super::answer::{HubCall, storage_refused};
use super::digest::oid;
use super::faults::HubFault;
use super::lfs::sound;
use super::reply::HubReply;
use super::repo::{Change, Entry, Label, Limits, Refusal, Repo};
use super::state::Hub;

const MOVED: &str = "A commit has happened since. Please refresh and try again.";

#[derive(Debug, Deserialize)]
struct Line {
    key: String,
    value: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Header {
    summary: String,
    description: Option<String>,
    parent_commit: Option<String>,
}

pub(crate) fn handle(hub: &mut Hub, call: &HubCall, arrived: Timestamp) -> HubReply {
    try_handle(hub, call, arrived).unwrap_or_else(|refusal| refusal)
}

fn try_handle(hub: &mut Hub, call: &HubCall, arrived: Timestamp) -> Result<HubReply, HubReply> {
    let id = writable(hub, call)?.id.clone();
    if call.query.get("create_pr").is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true")) {
        return Err(HubReply::error(403, None, "Discussions are disabled for this repo"));
    }
    if !matches!(call.address.rev.as_str(), "main" | "refs/heads/main") {
        return Err(HubReply::no_revision(&call.address.rev));
    }
    window(hub, call, &id, arrived)?;
    if hub.storage_full {
        return Err(storage_refused(hub, call));
    }
    let (header, lines) = read(&call.body)?;
    let now = call.now;
    let limits = Limits { files: hub.config.files_per_repo, folder: hub.config.files_per_folder };
    let (check, origin) = (hub.config.check_lfs_bytes, hub.origins.hub.clone());
    let repo = writable(hub, call)?;
    if call.fault == Some(HubFault::Conflict) {
        let label = Label {
            title: "Somebody else was here".into(),
            message: String::new(),
            author: "somebody".into(),
            at: now,
        };
        // An empty commit cannot be refused.
        drop(repo.commit(&[], label, Limits::NONE).map(|commit| commit.oid.clone()));
        return Err(HubReply::error(412, None, MOVED));
    }
    if let Some(parent) = header.parent_commit.as_deref().filter(|text| !text.is_empty())
        && (parent.len() < 5 || !repo.head_oid().starts_with(parent))
    {
        return Err(HubReply::error(412, None, MOVED));
    }
    let changes = changes(repo, &lines, check)?;
    let label = Label {
        title: header.summary,
        message: header.description.unwrap_or_default(),
        author: call.caller.user.clone(),
        at: now,
    };
    let commit = repo.commit(&changes, label, limits).map_err(|why| refused(&why, limits))?;
    let body = json!({
        "success": true, "commitOid": commit.oid, "commitUrl": format!("{origin}/datasets/{id}/commit/{}", commit.oid),
        "hookOutput": "",
    });
    repo.window.push(now);
    hub.audit.requests.commits += 1;
    Ok(HubReply::json(&body))
}

/// Reads the lines of a body. The header comes first.
fn read(body: &[u8]) -> Result<(Header, Vec<Line>), HubReply> {
    let mut header = None;
    let mut lines = Vec::new();
    for text in body.split(|byte| *byte == b'\n').filter(|text| !text.trim_ascii().is_empty()) {
        let line: Line = serde_json::from_slice(text)
            .map_err(|error| HubReply::bad(&format!("Invalid line in the commit body: {error}")))?;
        if line.key == "header" {
            let value: Header = serde_json::from_value(line.value)
                .map_err(|error| HubReply::bad(&format!("Invalid commit header: {error}")))?;
            header = Some(value);
        } else if header.is_none() {
            return Err(HubReply::bad("The first line of a commit must be its header"));
        } else {
            lines.push(line);
        }
    }
    let header = header.filter(|header| !header.summary.is_empty());
    Ok((header.ok_or_else(|| HubReply::bad("A commit needs a header with a summary"))?, lines))
}

fn changes(repo: &Repo, lines: &[Line], check: bool) -> Result<Vec<Change>, HubReply> {
    let mut out = Vec::with_capacity(lines.len());
    let mut missing = Vec::new();
    for line in lines {
        let text = |name: &str| line.value.get(name).and_then(Value::as_str);
        let path = text("path").ok_or_else(|| HubReply::bad("\"path\" is required"))?;
        let path = path.trim_end_matches('/');
        checked(path)?;
        out.push(match line.key.as_str() {
            "file" => Change::Put(path.to_owned(), Entry::regular(content(&line.value)?)),
            "lfsFile" => {
                let id =
                    text("oid").and_then(oid).ok_or_else(|| HubReply::bad("\"oid\" must be a SHA-256"))?;
                let size = line.value.get("size").and_then(Value::as_u64);
                let object = repo.objects.get(&id).filter(|object| sound(object, &id, check));
                match object.filter(|object| size.is_none_or(|size| size == object.len)) {
                    Some(object) => Change::Put(path.to_owned(), Entry::lfs(id, object.len)),
                    None => {
                        missing.push(path.to_owned());
                        continue;
                    }
                }
            }
            "deletedFile" => Change::Delete(path.to_owned()),
            "deletedFolder" => Change::DeleteFolder(path.to_owned()),
            other => return Err(HubReply::bad(&format!("Unknown key in the commit body: {other}"))),
        });
    }
    if missing.is_empty() {
        return Ok(out);
    }
    // Source: text as users quoted it (hub.md, section 10). Unverified: how more than one file is listed.
    let list: String = missing.iter().map(|path| format!("\n  - {path}")).collect();
    let files = if missing.len() == 1 { "file" } else { "files" };
    Err(HubReply::bad(&format!(
        "Your push was rejected because an LFS pointer pointed to a file that does not exist. For instance, this can \
         happen if you used git push --no-verify to push your changes. Offending {files}:{list}"
    )))
}

fn content(value: &Value) -> Result<Bytes, HubReply> {
    let text = value
        .get("content")
        .and_then(Value::as_str)
        .ok_or_else(|| HubReply::bad("\"content\" is required"))?;
    match value.get("encoding").and_then(Value::as_str) {
        Some("base64") => {
            STANDARD.decode(text).map(Bytes::from).map_err(|_| HubReply::bad("\"content\" is not base64"))
        }
        None | Some("utf-8") => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(other) => Err(HubReply::bad(&format!("Unknown encoding: {other}"))),
    }
}

// Unverified: status and words; clients refuse such paths themselves.
fn checked(path: &str) -> Result<(), HubReply> {
    let forbidden = |part: &str| matches!(part, "" | "." | ".." | ".git" | ".cache");
    if path.split('/').any(forbidden) {
        return Err(HubReply::bad(&format!("Invalid path in repo: {path}")));
    }
    Ok(())
}

fn refused(why: &Refusal, limits: Limits) -> HubReply {
    match why {
        Refusal::Absent(path) => {
            HubReply::entry_not_found(&format!("A file with this name doesn't exist: {path}"))
        }
        // Unverified: status and words.
        Refusal::InTheWay(path) => {
            HubReply::bad(&format!("Your push was rejected because {path} is both a file and a folder"))
        }
        Refusal::FullFolders(folders) => HubReply::bad(&format!(
            "Your push was rejected because it contains too many files per directory. Each directory in your git repo \
             can only contain up to {} files. Offending reference: refs/heads/main Offending directories: {}",
            limits.folder,
            folders.join(" ")
        )),
        // Unverified: 400 or 403.
        Refusal::FullRepo(files) => HubReply::bad(&format!(
            "Your git repo would contain {files} files after this push, over the limit of {} files.",
            limits.files
        )),
    }
}

/// Refuses a commit when the window of the repository is full.
fn window(hub: &mut Hub, call: &HubCall, id: &str, arrived: Timestamp) -> Result<(), HubReply> {
    let (limit, length) = (hub.config.commits_per_hour, hub.config.commit_window);
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    let early = hub.audit.check_hold(&held(id), arrived, hub.grace(), "POST commit");
    let repo = writable(hub, call)?;
    let start = call.now.checked_sub(length).unwrap_or(Timestamp::MIN);
    repo.window.retain(|at| *at > start);
    if (repo.window.len() as u64) < limit {
        return Ok(());
    }
    // The window has room again when its oldest commit leaves it.
    let free = repo.window.first().map_or(length, |oldest| length - call.now.duration_since(*oldest));
    let wait = u64::try_from(free.as_millis()).unwrap_or(0).div_ceil(1000).max(1);
    repo.refused += 1;
    let form = repo.refused % 3;
    if !early {
        hub.audit.violate(format!("more than {limit} commits to {id} within the window"));
    }
    Err(wait_reply(hub, call, id, wait, form))
}

/// The refusal of the action quota as a fault.
pub(crate) fn told_to_wait(
    hub: &mut Hub,
    call: &HubCall,
    arrived: Timestamp,
    retry_after: Option<u64>,
) -> HubReply {
    let id = call.address.repo.clone();
    hub.audit.check_hold(&held(&id), arrived, hub.grace(), "POST commit");
    let wait = retry_after.unwrap_or(hub.config.commit_window.as_secs());
    wait_reply(hub, call, &id, wait, if retry_after.is_some() { 2 } else { 1 })
}

fn held(id: &str) -> String {
    format!("commits to {id}")
}

/// 429 in one of three forms: today's words, the same with `Retry-After`, older words without a time.
// Source: texts as users quoted them (hub.md, section 12).
fn wait_reply(hub: &mut Hub, call: &HubCall, id: &str, wait: u64, form: u64) -> HubReply {
    let limit = hub.config.commits_per_hour;
    let (stated, words) = if wait >= 3600 {
        let hours = wait.div_ceil(3600);
        (hours * 3600, format!("about {hours} hour{}", if hours == 1 { "" } else { "s" }))
    } else {
        let minutes = wait.div_ceil(60);
        (minutes * 60, format!("{minutes} minute{}", if minutes == 1 { "" } else { "s" }))
    };
    let text = format!(
        "You have exceeded the rate limit for repository commits ({limit} per hour). You can retry this action in \
         {words}. To reduce the number of commits, you can upload entire folders at once using the Python client or \
         the command line."
    );
    let (reply, told) = match form {
        1 => (HubReply::error(429, None, &text), stated),
        2 => (HubReply::error(429, None, &text).with("retry-after", &wait.to_string()), wait),
        _ => {
            let text = format!(
                "You have been rate-limited; you exceeded our hourly quotas for action: commit ({limit} per hour)."
            );
            (HubReply::error(429, None, &text), wait)
        }
    };
    let told = SignedDuration::from_secs(i64::try_from(told).unwrap_or(i64::MAX));
    hub.audit.hold(&held(id), call.now, told);
    reply
}
