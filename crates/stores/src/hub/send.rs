//! Sending one commit's worth of changes: the objects first, then the commit, then, where its reply was lost, the
//! look at what became of it.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use landfall_core::state::Reason;
use landfall_core::{ErrorKind, StoreError};
use tokio::time::Instant;

use super::commit::{CommitReply, Op};
use super::dataset::Shared;
use super::lfs::{LfsAnswer, Upload};
use super::publish::{Answers, Item, Job, PutJob, echo};
use super::repo::RepoId;
use super::settle::gather;
use super::types::{Lfs, git_blob_sha1};

/// What became of one commit's worth.
pub(super) enum Sent {
    /// Carried out as this commit.
    Done(String),
    /// Not carried out as far as one sees: look again, then try again.
    Again(StoreError),
    /// The repository or a folder of it is full; the counts know it now.
    Crowded,
    /// Nothing was left to commit.
    Nothing,
}

impl Shared {
    /// Sends what `chunk` holds on top of `parent`. What fails for itself is answered and taken out.
    pub(super) async fn send(
        &self,
        at: usize,
        chunk: &mut Vec<Item>,
        parent: &str,
        answers: &mut Answers,
    ) -> Result<Sent, StoreError> {
        let repo = self.repo(at)?;
        self.store_objects(&repo, chunk, answers).await?;
        let ops = self.ops(chunk, answers).await;
        if chunk.is_empty() {
            return Ok(Sent::Nothing);
        }
        let began = Instant::now();
        let summary = summary(chunk);
        let reply = self.api.commit(&repo, &ops, Some(parent), &summary).await?;
        if !matches!(reply, CommitReply::Done(_)) {
            // Unless the look below shows otherwise, what is known of the head is no longer good.
            self.member(at, |member| member.head = None);
        }
        match reply {
            CommitReply::Done(commit) => {
                self.scale.done(chunk.len(), began.elapsed());
                self.landed(at, chunk, &commit);
                Ok(Sent::Done(commit))
            }
            CommitReply::Lost(error) => {
                self.scale.failed();
                match self.carried_out(&repo, chunk, parent).await? {
                    Some(head) => {
                        self.landed(at, chunk, &head);
                        Ok(Sent::Done(head))
                    }
                    None => Ok(Sent::Again(error)),
                }
            }
            CommitReply::Moved(error) | CommitReply::Limited(error) => Ok(Sent::Again(error)),
            CommitReply::TooLarge(error) => {
                self.scale.failed();
                if let [only] = chunk.as_slice() {
                    answers.set(only, Err(error));
                    chunk.clear();
                    return Ok(Sent::Nothing);
                }
                Ok(Sent::Again(error))
            }
            CommitReply::Unstored(paths, error) => {
                doubt(chunk, &paths, &error, answers);
                Ok(Sent::Again(error))
            }
            CommitReply::Crowded { folders, error } => {
                tracing::info!(repo = %repo, error = %error, "a repository is full");
                self.crowd(at, chunk, &folders);
                Ok(Sent::Crowded)
            }
        }
    }

    /// Puts every object of the chunk into the storage that is not there yet.
    async fn store_objects(
        &self,
        repo: &RepoId,
        chunk: &mut Vec<Item>,
        answers: &mut Answers,
    ) -> Result<(), StoreError> {
        let wanted: Vec<Lfs> = chunk.iter().filter_map(unstored).map(|put| put.object.clone()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut places = self.api.lfs_batch(repo, &wanted).await?;
        let mut sends = Vec::new();
        let mut failed: HashMap<usize, StoreError> = HashMap::new();
        for item in chunk.iter() {
            let Some(put) = unstored(item) else { continue };
            // Two files of the same content: the first one's upload serves both.
            match places.get(&put.object.sha256) {
                Some(LfsAnswer::Wanted(_)) => {
                    if let Some(LfsAnswer::Wanted(upload)) =
                        places.insert(put.object.sha256.clone(), LfsAnswer::Stored)
                    {
                        sends.push(self.store_one(repo, item, put, upload));
                    }
                }
                Some(LfsAnswer::Stored) if put.doubted => {
                    let detail = "the storage says that it holds the object, and a pointer to it is refused";
                    failed.insert(
                        item.index,
                        StoreError::new(ErrorKind::Corrupt, "publish", &item.path, detail),
                    );
                }
                Some(LfsAnswer::Refused(detail)) => {
                    let error = StoreError::new(ErrorKind::Rejected, "upload", &item.path, detail.clone());
                    failed.insert(item.index, error.with_reason(Reason::Rejected));
                }
                Some(LfsAnswer::Stored) | None => {}
            }
        }
        let outcomes: Vec<_> =
            futures_util::stream::iter(sends).buffer_unordered(self.settings.parallel.max(1)).collect().await;
        // A failed upload also fails the others that counted on it.
        let mut lost: HashMap<String, StoreError> = HashMap::new();
        for (sha256, error) in
            outcomes.into_iter().filter_map(|(sha256, outcome)| Some((sha256, outcome.err()?)))
        {
            // No room and no right concern everybody.
            if error.code.is_some() && error.kind != ErrorKind::Interrupted {
                return Err(error);
            }
            lost.insert(sha256, error);
        }
        chunk.retain_mut(|item| {
            let index = item.index;
            let Job::Put(put) = &mut item.job else { return true };
            if put.inline || put.stored {
                return true;
            }
            let error = failed.remove(&index).or_else(|| lost.get(&put.object.sha256).map(echo));
            match error {
                Some(error) => {
                    answers.set(item, Err(error));
                    false
                }
                None => {
                    put.stored = true;
                    put.doubted = false;
                    true
                }
            }
        });
        Ok(())
    }

    async fn store_one(
        &self,
        repo: &RepoId,
        item: &Item,
        put: &PutJob,
        upload: Upload,
    ) -> (String, Result<(), StoreError>) {
        let outcome = self.api.store(repo, &put.object, upload, put.bytes.as_ref(), &item.path).await;
        (put.object.sha256.clone(), outcome)
    }

    /// The commit's changes. A small file whose bytes cannot be read, or are not what they were, is taken out.
    async fn ops(&self, chunk: &mut Vec<Item>, answers: &mut Answers) -> Vec<Op> {
        let mut ops = Vec::with_capacity(chunk.len());
        let mut kept = Vec::with_capacity(chunk.len());
        for item in std::mem::take(chunk) {
            match item_ops(&item).await {
                Ok(more) => {
                    ops.extend(more);
                    kept.push(item);
                }
                Err(error) => answers.set(&item, Err(error)),
            }
        }
        *chunk = kept;
        ops
    }

    /// After a lost reply: the head, if every change of the chunk is in it.
    async fn carried_out(
        &self,
        repo: &RepoId,
        chunk: &[Item],
        parent: &str,
    ) -> Result<Option<String>, StoreError> {
        let head = self.api.repo(repo).await?.sha;
        if head == parent {
            // It may still be carried out; then the next one on the same parent is refused.
            return Ok(None);
        }
        let mut paths = Vec::new();
        for item in chunk {
            paths.push(item.path.clone());
            if let Job::Move { from, .. } = &item.job {
                paths.push(from.clone());
            }
        }
        let found = self.api.paths_info(repo, &head, &paths).await?;
        let found: HashMap<&str, _> = found.iter().map(|entry| (entry.path.as_str(), entry)).collect();
        let mut all = true;
        for item in chunk {
            let entry = found.get(item.path.as_str());
            all &= match &item.job {
                Job::Delete(_) => entry.is_none(),
                Job::Move { from, object, .. } => {
                    !found.contains_key(from.as_str())
                        && entry.is_some_and(|entry| entry.is_object(&object.sha256, object.size))
                }
                Job::Put(put) if put.inline => match entry {
                    Some(entry) => entry.git_sha1() == Some(inline_id(item, put).await?.as_str()),
                    None => false,
                },
                Job::Put(put) => {
                    entry.is_some_and(|entry| entry.is_object(&put.object.sha256, put.object.size))
                }
            };
        }
        Ok(all.then_some(head))
    }

    /// Notes what a commit changed.
    fn landed(&self, at: usize, chunk: &[Item], commit: &str) {
        self.member(at, |member| {
            member.head = Some(commit.to_owned());
            let Some(counts) = &mut member.counts else { return };
            for item in chunk {
                match &item.job {
                    Job::Put(put) if put.fresh => counts.add(&item.path),
                    Job::Put(_) => {}
                    Job::Move { from, placed, .. } => {
                        if !placed {
                            counts.add(&item.path);
                        }
                        counts.remove(from);
                    }
                    Job::Delete(_) => counts.remove(&item.path),
                }
            }
        });
    }

    /// Notes that a repository, or folders of it, hold as much as they may.
    fn crowd(&self, at: usize, chunk: &[Item], folders: &[String]) {
        let (files, per_folder) = (self.settings.files_per_repo, self.settings.files_per_folder);
        self.member(at, |member| {
            let counts = member.counts.get_or_insert_with(super::Counts::new);
            if folders.is_empty() {
                counts.fill(files);
            }
            for folder in folders {
                // Where none of ours lies in a folder that is named, the name was not understood.
                let known = chunk.iter().any(|item| item.path.starts_with(folder.as_str()));
                if known { counts.fill_folder(folder, per_folder) } else { counts.fill(files) }
            }
        });
    }
}

fn unstored(item: &Item) -> Option<&PutJob> {
    match &item.job {
        Job::Put(put) if !put.inline && !put.stored => Some(put),
        _ => None,
    }
}

async fn item_ops(item: &Item) -> Result<Vec<Op>, StoreError> {
    let path = item.path.clone();
    let object = |object: &Lfs| Op::Object {
        path: item.path.clone(),
        sha256: object.sha256.clone(),
        size: object.size,
    };
    Ok(match &item.job {
        Job::Put(put) if put.inline => vec![Op::File { path, content: inline(item, put).await? }],
        Job::Put(put) => vec![object(&put.object)],
        Job::Move { from, placed: true, .. } => vec![Op::Delete { path: from.clone() }],
        Job::Move { from, object: moved, .. } => vec![object(moved), Op::Delete { path: from.clone() }],
        Job::Delete(_) => vec![Op::Delete { path }],
    })
}

/// The bytes of a small file, shown to be those that were hashed.
async fn inline(item: &Item, put: &PutJob) -> Result<bytes::Bytes, StoreError> {
    use sha2::Digest as _;
    let bytes = gather(put.bytes.as_ref(), put.object.size.saturating_add(1), &item.path).await?.freeze();
    let have: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() as u64 == put.object.size && have.eq_ignore_ascii_case(&put.object.sha256) {
        return Ok(bytes);
    }
    let detail = "the bytes to be sent are not those that were hashed";
    Err(StoreError::new(ErrorKind::Corrupt, "publish", &item.path, detail)
        .with_retry(landfall_core::Retry::Never))
}

/// The git id that a small file has once it landed.
pub(super) async fn inline_id(item: &Item, put: &PutJob) -> Result<String, StoreError> {
    Ok(git_blob_sha1(&inline(item, put).await?))
}

/// The service refuses pointers to these paths: their objects are sent again, whatever the storage says of them.
fn doubt(chunk: &mut Vec<Item>, paths: &[String], error: &StoreError, answers: &mut Answers) {
    let named = chunk.iter().any(|item| paths.contains(&item.path));
    chunk.retain_mut(|item| {
        if named && !paths.contains(&item.path) {
            return true;
        }
        match &mut item.job {
            Job::Put(put) => {
                put.stored = false;
                put.doubted = true;
                true
            }
            Job::Move { .. } => {
                let copy = echo(error);
                answers.set(item, Err(copy));
                false
            }
            Job::Delete(_) => true,
        }
    });
}

fn summary(chunk: &[Item]) -> String {
    let count = |what: fn(&Job) -> bool| chunk.iter().filter(|item| what(&item.job)).count();
    let puts = count(|job| matches!(job, Job::Put(_)));
    let moves = count(|job| matches!(job, Job::Move { .. }));
    let deletions = count(|job| matches!(job, Job::Delete(_)));
    format!("landfall: {puts} files put, {moves} moved, {deletions} taken away")
}
