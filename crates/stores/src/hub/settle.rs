//! Looking before sending: what of a group is done already, what stands in its way, what is left.
//!
//! Owns the meaning of what stands at a path. Refuses to send: what it leaves over is sent by [`super::send`] on
//! top of exactly the commit that was looked at.

use std::collections::HashMap;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use landfall_core::state::Reason;
use landfall_core::store::Reread;
use landfall_core::{ErrorKind, StoreError};

use super::dataset::Shared;
use super::preupload::{Asked, Planned, SAMPLE};
use super::publish::{Answers, Item, Job, PutJob, occupied};
use super::repo::RepoId;
use super::types::{Lfs, TreeEntry, git_blob_sha1};

/// A regular file of more bytes than this is not read to compare it.
// Unverified: the service's own threshold between regular and LFS files.
const REGULAR: u64 = 16 << 20;

impl Shared {
    /// Answers what is done or impossible, keeps the rest, and gives the commit that was looked at.
    pub(super) async fn settle_known(
        &self,
        at: usize,
        items: &mut Vec<Item>,
        answers: &mut Answers,
    ) -> Result<String, StoreError> {
        let repo = self.repo(at)?;
        let (mut puts, others): (Vec<Item>, Vec<Item>) =
            std::mem::take(items).into_iter().partition(|item| matches!(item.job, Job::Put(_)));
        let asked = sampled(&mut puts, answers).await;
        let mut held = Vec::new();
        let mut parent = None;
        if !asked.is_empty() {
            let (plans, commit) = self.api.preupload(&repo, "main", &asked).await?;
            parent = commit;
            for (item, plan) in puts.into_iter().zip(plans) {
                match self.judge(item, &plan, answers).await {
                    Some(Judged::Held(item)) => held.push(item),
                    Some(Judged::Wanted(item)) => items.push(item),
                    None => {}
                }
            }
        }
        // A head that was seen earlier says nothing of what stands there now: others write too.
        let parent = match parent {
            Some(head) => head,
            None => self.api.repo(&repo).await?.sha,
        };
        if !others.is_empty() {
            let found = self.stand_at(&repo, &parent, &others).await?;
            items.extend(others.into_iter().filter_map(|item| weigh(item, &found, &repo, answers)));
        }
        self.member(at, |member| member.head = Some(parent.clone()));
        if !held.is_empty() {
            self.verify(at, &held, &parent, answers).await;
        }
        Ok(parent)
    }

    /// What the plan for one put means. `None` where it was answered.
    async fn judge(&self, mut item: Item, plan: &Planned, answers: &mut Answers) -> Option<Judged> {
        let Job::Put(put) = &mut item.job else { return None };
        if plan.ignored {
            let detail = "the repository's .gitignore leaves it out";
            let error = StoreError::new(ErrorKind::Rejected, "publish", &item.path, detail);
            answers.set(&item, Err(error.with_reason(Reason::Rejected)));
            return None;
        }
        put.inline = !plan.lfs;
        put.fresh = plan.oid.is_none();
        let Some(oid) = &plan.oid else { return Some(Judged::Wanted(item)) };
        match same_content(put, oid).await {
            Ok(true) => Some(Judged::Held(item)),
            Ok(false) if put.replace => Some(Judged::Wanted(item)),
            Ok(false) => {
                let error = occupied(&item.path);
                answers.set(&item, Err(error));
                None
            }
            Err(error) => {
                answers.set(&item, Err(error));
                None
            }
        }
    }

    async fn stand_at(
        &self,
        repo: &RepoId,
        commit: &str,
        items: &[Item],
    ) -> Result<HashMap<String, TreeEntry>, StoreError> {
        let mut paths: Vec<String> = Vec::with_capacity(items.len() * 2);
        for item in items {
            paths.push(item.path.clone());
            if let Job::Move { from, .. } = &item.job {
                paths.push(from.clone());
            }
        }
        let found = self.api.paths_info(repo, commit, &paths).await?;
        Ok(found.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
    }
}

enum Judged {
    Held(Item),
    Wanted(Item),
}

/// The questions about puts; one whose bytes cannot be read is answered and left out.
async fn sampled(puts: &mut Vec<Item>, answers: &mut Answers) -> Vec<Asked> {
    let mut asked = Vec::with_capacity(puts.len());
    let mut kept = Vec::with_capacity(puts.len());
    for mut item in std::mem::take(puts) {
        let Job::Put(put) = &mut item.job else { continue };
        let sample = match &put.sample {
            Some(sample) => Ok(sample.clone()),
            None => gather(put.bytes.as_ref(), SAMPLE as u64, &item.path).await.map(|mut bytes| {
                bytes.truncate(SAMPLE);
                bytes.to_vec()
            }),
        };
        match sample {
            Ok(sample) => {
                put.sample = Some(sample.clone());
                asked.push(Asked { path: item.path.clone(), size: put.object.size, sample });
                kept.push(item);
            }
            Err(error) => answers.set(&item, Err(error)),
        }
    }
    *puts = kept;
    asked
}

/// True where what stands at the path is our content: by SHA-256, or by git's id for a regular file.
async fn same_content(put: &PutJob, oid: &str) -> Result<bool, StoreError> {
    if oid.len() == 64 {
        return Ok(oid.eq_ignore_ascii_case(&put.object.sha256));
    }
    if put.object.size > REGULAR {
        return Ok(false);
    }
    let bytes = gather(put.bytes.as_ref(), put.object.size, "its bytes").await?;
    Ok(git_blob_sha1(&bytes).eq_ignore_ascii_case(oid))
}

/// Reads a content from its beginning until at least `enough` bytes are there or it ends.
pub(super) async fn gather(bytes: &dyn Reread, enough: u64, subject: &str) -> Result<BytesMut, StoreError> {
    let mut body = bytes.open(0).await?;
    let mut whole = BytesMut::new();
    while (whole.len() as u64) < enough {
        let Some(piece) = body.next().await else { break };
        let piece = piece.map_err(|error| {
            StoreError::new(ErrorKind::Interrupted, "read", subject, "its bytes cannot be read")
                .with_source(error)
        })?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// What stands at the paths of a move or deletion means this. `None` where it was answered.
fn weigh(
    mut item: Item,
    found: &HashMap<String, TreeEntry>,
    repo: &RepoId,
    answers: &mut Answers,
) -> Option<Item> {
    let error = |kind, detail: &str| StoreError::new(kind, "publish", &item.path, detail);
    let answer = match &mut item.job {
        Job::Put(_) => return Some(item),
        Job::Delete(guard) => match found.get(&item.path) {
            None => Ok(None),
            Some(entry) if guard.fits(entry) => return Some(item),
            Some(_) => {
                Err(error(ErrorKind::Changed, "what stands there is no longer what was to be taken away"))
            }
        },
        Job::Move { from, object, placed } => {
            let old = found.get(from.as_str());
            let fits = |entry: &TreeEntry, object: &Lfs| entry.is_object(&object.sha256, object.size);
            match (found.get(&item.path), old) {
                (Some(new), None) if fits(new, object) => Ok(Some(new.holding(repo))),
                (Some(new), Some(old)) if fits(new, object) && fits(old, object) => {
                    *placed = true;
                    return Some(item);
                }
                // The new place is right; what stands at the old one is somebody else's.
                (Some(new), Some(_)) if fits(new, object) => Ok(Some(new.holding(repo))),
                (Some(_), _) => Err(occupied(&item.path)),
                (None, Some(old)) if fits(old, object) => return Some(item),
                (None, Some(_)) => {
                    Err(error(ErrorKind::Changed, "what was to be moved is no longer what it was"))
                }
                (None, None) => Err(error(ErrorKind::NotFound, "what was to be moved is not there")),
            }
        }
    };
    answers.set(&item, answer);
    None
}
