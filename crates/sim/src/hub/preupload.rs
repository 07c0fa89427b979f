//! The question how files are to be uploaded (`hub.md`, section 7).
//!
//! Owns the decision between LFS and git, the files to leave out and what is there already. Refuses to know bytes
//! beyond the sample.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{revision, writable};
use super::answer::HubCall;
use super::digest::hex;
use super::pattern::Patterns;
use super::reply::HubReply;
use super::repo::Entry;
use super::state::{Hub, attributes_of, ignored_by, is_lfs};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    files: Vec<File>,
    git_attributes: Option<String>,
    git_ignore: Option<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    path: String,
    size: u64,
    #[serde(default)]
    sample: String,
}

pub(crate) fn handle(hub: &mut Hub, call: &HubCall) -> HubReply {
    try_handle(hub, call).unwrap_or_else(|refusal| refusal)
}

fn try_handle(hub: &mut Hub, call: &HubCall) -> Result<HubReply, HubReply> {
    let (threshold, limit) = (hub.config.lfs_threshold, hub.config.files_per_call);
    let repo = writable(hub, call)?;
    let number = revision(repo, &call.address.rev, call.now, std::time::Duration::ZERO)?;
    let question: Question = serde_json::from_slice(&call.body)
        .map_err(|error| HubReply::bad(&format!("Invalid body: {error}")))?;
    // Unverified: status and words of this refusal.
    if question.files.len() > limit {
        return Err(HubReply::bad(&format!("\"files\" must contain less than or equal to {limit} items")));
    }
    let attributes = match &question.git_attributes {
        Some(text) => Patterns::attributes(text),
        None => attributes_of(repo),
    };
    let ignored = match &question.git_ignore {
        Some(text) => Patterns::ignore(text),
        None => ignored_by(repo),
    };
    let answer = |file: &File| {
        let sample = STANDARD.decode(&file.sample).unwrap_or_default();
        let lfs = is_lfs(&attributes, threshold, &file.path, file.size, &sample);
        let there = repo.entry(&file.path, number).map(shown_oid);
        json!({
            "path": file.path, "uploadMode": if lfs { "lfs" } else { "regular" },
            "shouldIgnore": ignored.matches(&file.path), "oid": there,
        })
    };
    let files: Vec<Value> = question.files.iter().map(answer).collect();
    Ok(HubReply::json(&json!({"files": files, "commitOid": repo.oid_at(number)})))
}

fn shown_oid(entry: &Entry) -> String {
    entry.oid().map_or_else(|| hex(&entry.blob), |oid| hex(oid))
}
