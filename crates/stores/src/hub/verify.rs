//! What the repository shows to hold after a commit: read anew, at exactly that commit.
//!
//! This takes the place of the LFS `verify` action: one request for 500 files instead of one for each, and it sees
//! what the listing will show.

use std::collections::HashMap;

use landfall_core::state::Reason;
use landfall_core::store::Holding;
use landfall_core::{ErrorKind, StoreError};

use super::dataset::Shared;
use super::publish::{Answers, Item, Job, echo};
use super::repo::RepoId;
use super::send::inline_id;
use super::types::TreeEntry;

impl Shared {
    /// Answers every change of a chunk by what stands at its path at a commit. Where looking fails, each of them is
    /// answered with that.
    pub(super) async fn verify(&self, at: usize, chunk: &[Item], commit: &str, answers: &mut Answers) {
        let paths: Vec<String> = chunk
            .iter()
            .filter(|item| !matches!(item.job, Job::Delete(_)))
            .map(|item| item.path.clone())
            .collect();
        let found = match self.repo(at) {
            Ok(repo) => self.api.paths_info(&repo, commit, &paths).await.map(|found| (repo, found)),
            Err(error) => Err(error),
        };
        let (repo, found) = match found {
            Ok(found) => found,
            Err(error) => {
                for item in chunk {
                    answers.set(item, Err(echo(&error)));
                }
                return;
            }
        };
        let found: HashMap<&str, &TreeEntry> =
            found.iter().map(|entry| (entry.path.as_str(), entry)).collect();
        for item in chunk {
            let answer = shown(item, found.get(item.path.as_str()).copied(), &repo).await;
            answers.set(item, answer);
        }
    }
}

async fn shown(item: &Item, entry: Option<&TreeEntry>, repo: &RepoId) -> Result<Option<Holding>, StoreError> {
    if matches!(item.job, Job::Delete(_)) {
        return Ok(None);
    }
    let error = |detail: &str, reason| {
        StoreError::new(ErrorKind::Corrupt, "publish", &item.path, detail).with_reason(reason)
    };
    let Some(entry) = entry else {
        return Err(error("the commit was carried out and does not hold it", Reason::AbsentAtDestination));
    };
    let right = match &item.job {
        Job::Put(put) if entry.lfs.is_none() => {
            entry.size == put.object.size && entry.git_sha1() == Some(inline_id(item, put).await?.as_str())
        }
        Job::Put(put) => entry.is_object(&put.object.sha256, put.object.size),
        Job::Move { object, .. } => entry.is_object(&object.sha256, object.size),
        Job::Delete(_) => true,
    };
    if right {
        return Ok(Some(entry.holding(repo)));
    }
    Err(error("the commit holds something else than what was sent", Reason::CorruptAtDestination))
}
