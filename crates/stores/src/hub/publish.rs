//! A batch of changes: sorted, given to repositories, carried out in as few commits as may be.
//!
//! Owns the order of things for one batch. What is there already is never sent again, so that a batch that was
//! killed anywhere and is repeated ends in the same state with no second commit of what the first had done.
//! Design: `docs/hub.md`.

use std::collections::BTreeMap;

use landfall_core::digest::Algo;
use landfall_core::state::Reason;
use landfall_core::store::{Change, Holding, Reread};
use landfall_core::{ErrorKind, StoreError};

use super::assign::Groups;
use super::dataset::Shared;
use super::send::Sent;
use super::types::{Lfs, TreeEntry, parse_item};

/// Tries of one group without any progress.
const TRIES: u32 = 8;

/// Times that one batch may be given to repositories anew because one was full.
const ROLLS: u32 = 12;

/// Bytes of small files that one commit carries in itself.
const INLINE: u64 = 32 << 20;

/// The answers of one batch, in its order; `None` while not settled.
pub(super) struct Answers(Vec<Option<Result<Option<Holding>, StoreError>>>);

impl Answers {
    pub(super) fn set(&mut self, item: &Item, answer: Result<Option<Holding>, StoreError>) {
        self.put(item.index, answer);
    }

    fn put(&mut self, index: usize, answer: Result<Option<Holding>, StoreError>) {
        if let Some(slot) = self.0.get_mut(index) {
            *slot = Some(answer);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    fn finish(self, error: &StoreError) -> Vec<Result<Option<Holding>, StoreError>> {
        self.0.into_iter().map(|answer| answer.unwrap_or_else(|| Err(echo(error)))).collect()
    }
}

/// One change of a batch, on its way.
pub(super) struct Item {
    pub(super) index: usize,
    /// Where the file is to stand, or the one to be taken away stands.
    pub(super) path: String,
    pub(super) job: Job,
    /// The repository that a move or deletion belongs to.
    pub(super) member: Option<usize>,
}

pub(super) enum Job {
    Put(PutJob),
    Move {
        from: String,
        object: Lfs,
        /// The new place holds the object already: only the old one is still to go.
        placed: bool,
    },
    Delete(Guard),
}

pub(super) struct PutJob {
    pub(super) object: Lfs,
    pub(super) bytes: Box<dyn Reread>,
    pub(super) replace: bool,
    /// Its beginning, once it was read.
    pub(super) sample: Option<Vec<u8>>,
    /// It travels within the commit.
    pub(super) inline: bool,
    /// The storage holds its object.
    pub(super) stored: bool,
    /// The service refused a pointer to its object although the storage said to hold it.
    pub(super) doubted: bool,
    /// Nothing stood at its path.
    pub(super) fresh: bool,
}

/// What an object must be, so that it may be taken away.
pub(super) struct Guard {
    pub(super) size: u64,
    pub(super) sha256: Option<String>,
    pub(super) revision: Option<String>,
}

impl Guard {
    /// True where the entry is what was meant, by SHA-256 or else by git's id.
    pub(super) fn fits(&self, entry: &TreeEntry) -> bool {
        match (&self.sha256, &self.revision) {
            (Some(sha256), _) => entry.is_object(sha256, self.size),
            (None, Some(revision)) => entry.size == self.size && entry.oid == *revision,
            (None, None) => false,
        }
    }
}

/// A copy of an error, without what lies beneath.
pub(super) fn echo(error: &StoreError) -> StoreError {
    let mut copy = StoreError::new(error.kind, error.operation, error.subject.clone(), error.detail.clone());
    copy.retry = error.retry;
    copy.code = error.code;
    copy.reason = error.reason;
    copy
}

/// Another object stands at the path.
pub(super) fn occupied(path: &str) -> StoreError {
    StoreError::new(ErrorKind::Exists, "publish", path, "another object stands there")
        .with_reason(Reason::DifferentAtDestination)
}

impl Shared {
    /// Carries out a batch; see `Destination::publish`.
    pub(super) async fn publish(
        &self,
        changes: Vec<Change>,
    ) -> Result<Vec<Result<Option<Holding>, StoreError>>, StoreError> {
        let mut answers = Answers(changes.iter().map(|_| None).collect());
        let (items, twins) = self.sort(changes, &mut answers);
        let outcome = self.carry_out(items, &mut answers).await;
        for (index, first) in twins {
            let answer = match answers.0.get(first) {
                Some(Some(Ok(holding))) => Ok(holding.clone()),
                Some(Some(Err(error))) => Err(echo(error)),
                _ => continue,
            };
            answers.put(index, answer);
        }
        match outcome {
            Err(error) if answers.is_empty() => Err(error),
            Err(error) => Ok(answers.finish(&error)),
            Ok(()) => {
                let lost =
                    StoreError::new(ErrorKind::Interrupted, "publish", "a change", "it was never settled");
                Ok(answers.finish(&lost))
            }
        }
    }

    /// Takes the changes apart. The second of two equal puts waits for the first one's answer.
    fn sort(&self, changes: Vec<Change>, answers: &mut Answers) -> (Vec<Item>, Vec<(usize, usize)>) {
        let mut items: Vec<Item> = Vec::with_capacity(changes.len());
        let mut twins = Vec::new();
        let mut taken: BTreeMap<String, (usize, Option<String>)> = BTreeMap::new();
        for (index, change) in changes.into_iter().enumerate() {
            let item = match self.item(index, change) {
                Ok(item) => item,
                Err(error) => {
                    answers.put(index, Err(error));
                    continue;
                }
            };
            let sha256 = match &item.job {
                Job::Put(put) => Some(put.object.sha256.clone()),
                Job::Move { object, .. } => Some(object.sha256.clone()),
                Job::Delete(_) => None,
            };
            match taken.get(&item.path) {
                Some((first, have)) if *have == sha256 && matches!(item.job, Job::Put(_)) => {
                    twins.push((index, *first));
                }
                Some(_) => answers.put(index, Err(occupied(&item.path))),
                None => {
                    taken.insert(item.path.clone(), (index, sha256));
                    items.push(item);
                }
            }
        }
        (items, twins)
    }

    fn item(&self, index: usize, change: Change) -> Result<Item, StoreError> {
        let unsupported =
            |subject: &str, detail: &str| StoreError::new(ErrorKind::Unsupported, "publish", subject, detail);
        let held = |from: &Holding| -> Result<(usize, String, Guard), StoreError> {
            let (repo, path) = parse_item(&from.item)
                .ok_or_else(|| unsupported(from.item.as_str(), "it is no id of a file in a dataset"))?;
            let member = self.family().iter().position(|member| member.repo == repo);
            let member = member
                .ok_or_else(|| unsupported(from.item.as_str(), "its repository is not of this dataset"))?;
            let guard = Guard {
                size: from.evidence.size.0,
                sha256: from.evidence.digests.get(Algo::Sha256).map(landfall_core::digest::Digest::hex),
                revision: from.revision.as_ref().map(|revision| revision.0.clone()),
            };
            Ok((member, path.to_owned(), guard))
        };
        match change {
            Change::Put { path, evidence, bytes, replace } => {
                let path = path.as_str().to_owned();
                let sha256 = evidence.digests.get(Algo::Sha256).map(landfall_core::digest::Digest::hex);
                let sha256 =
                    sha256.ok_or_else(|| unsupported(&path, "its SHA-256 must be known beforehand"))?;
                let object = Lfs { sha256, size: evidence.size.0 };
                let put = PutJob {
                    object,
                    bytes,
                    replace,
                    sample: None,
                    inline: false,
                    stored: false,
                    doubted: false,
                    fresh: true,
                };
                Ok(Item { index, path, job: Job::Put(put), member: None })
            }
            Change::Move { from, path } => {
                let (member, old, guard) = held(&from)?;
                let path = path.as_str().to_owned();
                let sha256 = guard.sha256.ok_or_else(|| {
                    unsupported(&old, "only files of the LFS storage can be moved without their bytes")
                })?;
                let object = Lfs { sha256, size: guard.size };
                let job = Job::Move { from: old, object, placed: false };
                Ok(Item { index, path, job, member: Some(member) })
            }
            Change::Delete { from } => {
                let (member, path, guard) = held(&from)?;
                Ok(Item { index, path, job: Job::Delete(guard), member: Some(member) })
            }
        }
    }

    async fn carry_out(&self, items: Vec<Item>, answers: &mut Answers) -> Result<(), StoreError> {
        let mut items = items;
        for _ in 0..ROLLS {
            let mut left = Vec::new();
            let groups: Groups = self.assign(items, answers).await?;
            for (member, group) in groups {
                left.extend(self.group(member, group, answers).await?);
            }
            if left.is_empty() {
                return Ok(());
            }
            items = left;
        }
        let detail = "every repository of the dataset turned out to be full";
        Err(StoreError::new(ErrorKind::Full, "publish", self.repo(0)?.to_string(), detail))
    }

    /// Carries out what belongs to one repository; gives back what has to go elsewhere because it is full.
    async fn group(
        &self,
        at: usize,
        group: Vec<Item>,
        answers: &mut Answers,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = group;
        let mut tries = 0;
        while !items.is_empty() {
            let mut parent = self.settle_known(at, &mut items, answers).await?;
            while !items.is_empty() {
                let mut chunk = self.cut(&mut items);
                match self.send(at, &mut chunk, &parent, answers).await? {
                    Sent::Nothing => {}
                    Sent::Done(commit) => {
                        self.verify(at, &chunk, &commit, answers).await;
                        parent = commit;
                        tries = 0;
                    }
                    Sent::Crowded => {
                        chunk.append(&mut items);
                        return Ok(chunk);
                    }
                    Sent::Again(error) => {
                        tries += 1;
                        chunk.append(&mut items);
                        items = chunk;
                        if tries >= TRIES {
                            return Err(error);
                        }
                        tracing::debug!(repo = %self.repo(at)?, error = %error.chain(), "commit tried again");
                        self.api.pause(tries).await;
                        break;
                    }
                }
            }
        }
        Ok(Vec::new())
    }

    /// The changes of the next commit.
    fn cut(&self, items: &mut Vec<Item>) -> Vec<Item> {
        let most = self.scale.now().min(items.len()).max(1);
        let mut inline = 0u64;
        let mut count = 0;
        for item in items.iter().take(most) {
            if let Job::Put(PutJob { inline: true, object, .. }) = &item.job {
                inline = inline.saturating_add(object.size);
            }
            if inline > INLINE && count > 0 {
                break;
            }
            count += 1;
        }
        let rest = items.split_off(count.min(items.len()));
        std::mem::replace(items, rest)
    }
}
