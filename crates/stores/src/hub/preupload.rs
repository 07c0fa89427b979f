//! Asking before an upload: which way each file goes, and what already stands at its path.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use landfall_core::StoreError;
use serde::Deserialize;
use serde_json::json;

use super::api::{HubApi, TRIES};
use super::refusal::HubRefusal;
use super::repo::RepoId;

/// Files asked about in one request: the service's own limit.
// Source: huggingface_hub 2.4.0, read 2026-11.
pub(super) const FILES: usize = 256;

/// Bytes of the beginning that decide whether a file is binary.
pub(super) const SAMPLE: usize = 512;

/// One file that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where it is to stand.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its first 512 bytes at most.
    pub sample: Vec<u8>,
}

/// What the Hub plans for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// True where the content goes to the LFS storage, false where it goes inline into the commit.
    pub lfs: bool,
    /// True where the repository's `.gitignore` leaves it out.
    pub ignored: bool,
    /// What stands at that path now: SHA-256 of an LFS file, git blob SHA-1 of a regular one; `None` where nothing
    /// does.
    pub oid: Option<String>,
}

impl HubApi {
    /// Asks about files, 256 a request. Besides the answers, in order, gives the commit that the first of them
    /// looked at, where the service says so.
    ///
    /// # Errors
    /// Where any request fails.
    pub async fn preupload(
        &self,
        repo: &RepoId,
        rev: &str,
        files: &[Asked],
    ) -> Result<(Vec<Planned>, Option<String>), StoreError> {
        let mut plans = Vec::with_capacity(files.len());
        let mut commit = None;
        for piece in files.chunks(FILES) {
            let (more, at) = self.preupload_piece(repo, rev, piece).await?;
            plans.extend(more);
            commit = commit.or(at);
        }
        Ok((plans, commit))
    }

    async fn preupload_piece(
        &self,
        repo: &RepoId,
        rev: &str,
        files: &[Asked],
    ) -> Result<(Vec<Planned>, Option<String>), StoreError> {
        let subject = repo.to_string();
        let asked: Vec<_> = files
            .iter()
            .map(|file| json!({"path": file.path, "size": file.size, "sample": BASE64.encode(&file.sample)}))
            .collect();
        let address = format!("/api/datasets/{repo}/preupload/{}", crate::wire::encode(rev));
        let call =
            self.call(Method::POST, &address, "ask about files for", &subject).json(&json!({"files": asked}));
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(&call).await?;
            if !answer.status.is_success() {
                return Err(HubRefusal::of(&answer).error("ask about files for", &subject));
            }
            if let Some(read) = answer.json::<WirePlans>()
                && let Some(plans) = read.in_order_of(files)
            {
                return Ok((plans, read.commit));
            }
            if tries == TRIES {
                return Err(self.unexpected("ask about files for", &subject, "the answer leaves files out"));
            }
            self.pause(tries).await;
        }
    }
}

#[derive(Deserialize)]
struct WirePlans {
    files: Vec<WirePlan>,
    #[serde(rename = "commitOid")]
    commit: Option<String>,
}

#[derive(Deserialize)]
struct WirePlan {
    path: String,
    #[serde(rename = "uploadMode")]
    mode: String,
    #[serde(rename = "shouldIgnore", default)]
    ignored: bool,
    oid: Option<String>,
}

impl WirePlans {
    /// The answers in the order of the questions; `None` where one is missing.
    fn in_order_of(&self, files: &[Asked]) -> Option<Vec<Planned>> {
        let by_path: std::collections::BTreeMap<&str, &WirePlan> =
            self.files.iter().map(|plan| (plan.path.as_str(), plan)).collect();
        files
            .iter()
            .map(|file| {
                let plan = by_path.get(file.path.as_str())?;
                Some(Planned {
                    // S3 refuses empty objects, whatever the answer says.
                    lfs: plan.mode == "lfs" && file.size > 0,
                    ignored: plan.ignored,
                    oid: plan.oid.clone().filter(|oid| !oid.is_empty()),
                })
            })
            .collect()
    }
}
