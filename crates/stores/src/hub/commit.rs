//! One commit: many changes in one request, of which all are carried out or none.
//!
//! Owns the lines of the request, the hour's quota of the repository, and the meaning of the answer. A commit is
//! sent once: whether a lost one was carried out, the caller looks before it sends another.
// Source: reference/hub.md, section 10.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, header};
use landfall_core::pacing::{Cost, Verdict};
use landfall_core::{ErrorKind, StoreError};
use serde::Deserialize;
use serde_json::json;

use super::COMMITS;
use super::api::{HubApi, judged};
use super::pace;
use super::refusal::HubRefusal;
use super::repo::RepoId;
use super::stated::{is_action, stated_wait};
use crate::wire::{Answer, stopped};

/// One change of a commit.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    /// A small file whose bytes travel in the commit itself.
    File {
        /// Where.
        path: String,
        /// Its bytes.
        content: Bytes,
    },
    /// A file whose bytes the storage holds, put there before or standing at another path.
    Object {
        /// Where.
        path: String,
        /// SHA-256 of the content, hex.
        sha256: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A file to be taken away.
    Delete {
        /// Which.
        path: String,
    },
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, content } => write!(f, "File({path}, {} bytes)", content.len()),
            Self::Object { path, size, .. } => write!(f, "Object({path}, {size} bytes)"),
            Self::Delete { path } => write!(f, "Delete({path})"),
        }
    }
}

/// What came of a commit.
#[derive(Debug)]
pub enum CommitReply {
    /// It was carried out as this commit.
    Done(String),
    /// The head has moved, or one of the paths is no longer as it was: look again, then try again.
    Moved(StoreError),
    /// Refused for its pace; the repository's lane waits before the next one.
    Limited(StoreError),
    /// No answer, or one that leaves it open: it may have been carried out, or may be yet.
    Lost(StoreError),
    /// The storage does not hold what these paths point to; empty where the service does not name them.
    Unstored(Vec<String>, StoreError),
    /// A folder (named) or the whole repository holds as many files as it may.
    Crowded {
        /// The folders named; empty where the repository as a whole is full.
        folders: Vec<String>,
        /// The refusal.
        error: StoreError,
    },
    /// The request is too large: fewer changes may do.
    TooLarge(StoreError),
}

const OPERATION: &str = "commit to";

impl HubApi {
    /// Sends one commit on top of `parent`, after the repository's quota has room; the quota is written down
    /// before anything is sent.
    ///
    /// # Errors
    /// What no repetition changes: no right, no room, a change that the service refuses.
    pub async fn commit(
        &self,
        repo: &RepoId,
        ops: &[Op],
        parent: Option<&str>,
        summary: &str,
    ) -> Result<CommitReply, StoreError> {
        let subject = repo.to_string();
        let lane = self.0.commits.of(repo).await?;
        let call = self
            .call(Method::POST, &format!("/api/datasets/{repo}/commit/main"), OPERATION, &subject)
            .once()
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .bytes(lines(ops, parent, summary));
        let call = judged(call, pace::judge_action);
        let permit = lane.admit_or_stop(Cost::of(COMMITS, 1)).await;
        let permit = permit.ok_or_else(|| stopped(OPERATION, &subject))?;
        let answer = match self.ask(&call).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Interrupted => {
                permit.settle(Verdict::Failed);
                return Ok(CommitReply::Lost(error));
            }
            Err(error) => return Err(error),
        };
        let body = String::from_utf8_lossy(&answer.body);
        if answer.status.as_u16() == 429 {
            // Of the account's own buckets the wire's lane already knows; an action's wait is this repository's.
            let action = is_action(&answer.headers, &body);
            let retry_after = stated_wait(&answer.headers, &body).filter(|_| action);
            permit.settle(if action { Verdict::Throttled { retry_after } } else { Verdict::Failed });
            lane.keep().await;
            return Ok(CommitReply::Limited(HubRefusal::of(&answer).error(OPERATION, &subject)));
        }
        permit.settle(Verdict::Fine);
        self.reply(&answer, &subject)
    }

    fn reply(&self, answer: &Answer, subject: &str) -> Result<CommitReply, StoreError> {
        if answer.status.is_success() {
            let read = answer.json::<WireCommit>().filter(|commit| !commit.oid.is_empty());
            return Ok(match read {
                Some(commit) => CommitReply::Done(commit.oid),
                None => CommitReply::Lost(self.unexpected(OPERATION, subject, "the answer names no commit")),
            });
        }
        let refusal = HubRefusal::of(answer);
        let error = refusal.error(OPERATION, subject);
        // The texts count, not the status: nobody has seen with which one each of them comes.
        if refusal.says("pointer pointed to a file that does not exist") {
            return Ok(CommitReply::Unstored(offending_files(refusal.whole()), error));
        }
        if refusal.says("too many files per directory") {
            return Ok(CommitReply::Crowded { folders: offending_folders(refusal.whole()), error });
        }
        if refusal.says("over the limit of") && refusal.says("files after this push") {
            return Ok(CommitReply::Crowded { folders: Vec::new(), error });
        }
        Ok(match answer.status.as_u16() {
            409 | 412 => CommitReply::Moved(error),
            404 if refusal.is_entry_absent() || refusal.says("with this name doesn't exist") => {
                CommitReply::Moved(error)
            }
            413 => CommitReply::TooLarge(error),
            408 | 500..=599 => CommitReply::Lost(error),
            _ => return Err(error),
        })
    }
}

/// The request's body: one JSON object a line, the header first.
fn lines(ops: &[Op], parent: Option<&str>, summary: &str) -> Bytes {
    let mut value = json!({"summary": summary, "description": ""});
    if let (Some(parent), Some(fields)) = (parent, value.as_object_mut()) {
        fields.insert("parentCommit".to_owned(), json!(parent));
    }
    let mut text = String::new();
    let mut push = |key: &str, value: serde_json::Value| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{}", json!({"key": key, "value": value}));
    };
    push("header", value);
    for op in ops {
        match op {
            Op::File { path, content } => {
                let content = BASE64.encode(content);
                push("file", json!({"content": content, "path": path, "encoding": "base64"}));
            }
            Op::Object { path, sha256, size } => {
                push("lfsFile", json!({"path": path, "algo": "sha256", "oid": sha256, "size": size}));
            }
            Op::Delete { path } => push("deletedFile", json!({"path": path})),
        }
    }
    text.into()
}

/// The paths of `Offending file: - a - b`, or one a line.
fn offending_files(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let Some(at) = lower.find("offending file") else { return Vec::new() };
    let rest = text.get(at..).and_then(|rest| rest.split_once(':')).map_or("", |(_, rest)| rest);
    let pieces = rest.split('\n').flat_map(|line| line.split(" - "));
    let clean = |piece: &str| piece.trim().trim_start_matches("- ").trim().to_owned();
    pieces.map(clean).filter(|path| !path.is_empty() && path != "-").collect()
}

/// The folders of `Offending directories: /a/b/`, without their outer slashes.
fn offending_folders(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let Some(at) = lower.find("offending director") else { return Vec::new() };
    let rest = text.get(at..).and_then(|rest| rest.split_once(':')).map_or("", |(_, rest)| rest);
    let pieces = rest.split(['\n', ',']).flat_map(|line| line.split(" - "));
    pieces
        .map(|piece| piece.trim().trim_start_matches("- ").trim_matches([' ', '/']).to_owned())
        .filter(|path| !path.is_empty() && path != "-")
        .collect()
}

#[derive(Deserialize)]
struct WireCommit {
    #[serde(rename = "commitOid", default)]
    oid: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_one_object_a_line() {
        let ops = [
            Op::File { path: "README.md".into(), content: Bytes::from_static(b"hello\n") },
            Op::Object { path: "encrypted_images/花子/8k2m".into(), sha256: "ab".into(), size: 48 },
            Op::Delete { path: "old/path".into() },
        ];
        let text = String::from_utf8(lines(&ops, Some("9f2c"), "landfall: 3 files").to_vec()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["value"]["parentCommit"], "9f2c");
        assert_eq!(lines[1]["value"]["content"], "aGVsbG8K");
        assert_eq!(
            (lines[2]["key"].as_str(), lines[2]["value"]["algo"].as_str()),
            (Some("lfsFile"), Some("sha256"))
        );
        assert_eq!(lines[3], serde_json::json!({"key": "deletedFile", "value": {"path": "old/path"}}));
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn rejections_name_what_offends() {
        let text = "Your push was rejected because an LFS pointer pointed to a file that does not exist. For more \
                    information see …. Offending file: - encrypted_images/花子/8k2m";
        assert_eq!(offending_files(text), ["encrypted_images/花子/8k2m"]);
        let two = "… does not exist. Offending files:\n - a/b\n - c - d";
        assert_eq!(offending_files(two), ["a/b", "c", "d"]);
        let crowded =
            "… up to 10000 files. Offending reference: refs/heads/main Offending directories: /a/花子/";
        assert_eq!(offending_folders(crowded), ["a/花子"]);
        assert!(offending_files("nothing named").is_empty());
    }
}
