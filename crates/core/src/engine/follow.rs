//! What was renamed or moved at the source follows at the destination: the service moves it, no byte is sent.
//!
//! Folders first, parents before children, so that a folder of ten thousand files is one request; then files that
//! were renamed by themselves. What a person moved at the destination is left to that person. Killed and called
//! again it goes on: a folder's old object is remembered before its place changes, a file's reason stays until it
//! was followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::survey::{holding, is_superseded, lies_in};
use crate::engine::{Engine, Job};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::{FolderRow, FoundRow};
use crate::memo::{MemoKey, MemoValue};
use crate::proof::Evidence;
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::store::{Holding, make_folder_at};
use crate::words::{ByteSize, FileId, FolderId, ItemKey, RelPath, fold};

const BATCH: usize = 500;
/// The memo of the object that carried a folder before its place changed, by the folder's id.
const WAS: &str = "folder-was";

impl Engine {
    /// Remembers which object carries a folder whose place is about to change.
    pub(super) async fn remember_place(&self, job: &Job, row: &FolderRow) -> Result<(), StoreError> {
        let Some(item) = &row.dest_item else { return Ok(()) };
        let value = MemoValue { text: item.0.clone(), secret: false, expires: None };
        self.ledger.remember(&was(job, row.id), value).await
    }

    /// Moves folders and files to where the source has them now; gives how many requests that took.
    ///
    /// # Errors
    /// What must end the run. A single object that cannot be moved stays where it is, and its row says so.
    pub(super) async fn follow(&self, job: &Job) -> Result<u64, StoreError> {
        let moved = self.follow_folders(job).await?;
        let renamed = (State::Success, Reason::RenamedAtSource);
        let any = self.ledger.tally(job.handle.id, None).await?.reasons.get(&renamed).is_some_and(|n| *n > 0);
        if !any {
            return Ok(moved);
        }
        if moved > 0 {
            self.look_at_destination(job, false).await?;
        }
        self.bind_folders(job).await?;
        Ok(moved + self.follow_files(job).await?)
    }

    async fn follow_folders(&self, job: &Job) -> Result<u64, StoreError> {
        let mut rows = Vec::new();
        let mut after = String::new();
        loop {
            let keys = self.ledger.memos(job.handle.id, WAS, &after, BATCH).await?;
            let Some(last) = keys.last() else { break };
            after.clone_from(last);
            for key in keys {
                let Ok(id) = key.parse().map(FolderId) else { continue };
                match self.ledger.folder(job.handle.id, id).await? {
                    Some(row) if row.standing == Standing::In && row.target.is_some() => rows.push(row),
                    _ => self.ledger.forget(&was(job, id)).await?,
                }
            }
        }
        // Parents before children: what lies in a folder moves with it.
        rows.sort_by(|a, b| a.target.cmp(&b.target));
        let mut moved = 0;
        for row in rows {
            self.go_on("destination")?;
            moved += u64::from(self.follow_folder(job, &row).await?);
            self.ledger.forget(&was(job, row.id)).await?;
        }
        Ok(moved)
    }

    /// True where the folder was moved now.
    async fn follow_folder(&self, job: &Job, row: &FolderRow) -> Result<bool, StoreError> {
        let Some(target) = row.target.clone().filter(|target| !target.is_root()) else { return Ok(false) };
        let Some(item) = self.ledger.memo(&was(job, row.id)).await?.map(ItemKey) else { return Ok(false) };
        let Some(found) = self.ledger.found_item(job.tree, &item).await?.filter(|found| found.folder) else {
            return Ok(false);
        };
        let above = target.parent().unwrap_or_default();
        let parent = make_folder_at(job.destination.as_ref(), &above).await?;
        let stands = lies_in(job, &found) == parent && fold(&found.name) == fold(target.name());
        // Another of the job's folders may still be carried by the same object, or stand there already.
        let shared = self.ledger.carriers(job.handle.id, &item).await? > 0;
        if shared || found.changed_by.is_some() && !stands {
            return Ok(false);
        }
        if !stands {
            let nothing = Evidence { size: ByteSize(0), digests: crate::Digests::none() };
            let from = Holding { item: item.clone(), revision: None, evidence: nothing };
            match job.destination.relocate(&from, &parent, target.name()).await {
                Ok(_) => {}
                Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
                Err(error) => {
                    tracing::info!(folder = %target, error = %error.chain(), "a folder could not be moved");
                    return Ok(false);
                }
            }
        }
        self.ledger.bind_folder(&job.handle, row.id, Some(item)).await?;
        Ok(!stands)
    }

    async fn follow_files(&self, job: &Job) -> Result<u64, StoreError> {
        let mut after = FileId(0);
        let mut moved = 0;
        let mut blocked = Vec::new();
        loop {
            let rows = self.ledger.renamed(job.handle.id, after, BATCH).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for mut row in rows {
                self.go_on("destination")?;
                match self.follow_file(job, &mut row, None).await? {
                    Followed::Moved => moved += 1,
                    Followed::Blocked => blocked.push(row),
                    Followed::Left => {}
                }
            }
        }
        Ok(moved + self.follow_blocked(job, blocked).await?)
    }

    /// Moves files whose new names were taken by others that move as well: in the order in which names become
    /// free, and where names go in a circle with one of them put aside meanwhile. Killed then, the next call finds
    /// that one by its id.
    async fn follow_blocked(&self, job: &Job, mut blocked: Vec<FileRow>) -> Result<u64, StoreError> {
        let mut moved = 0;
        let mut aside: BTreeMap<ItemKey, Holding> = BTreeMap::new();
        while !blocked.is_empty() {
            let before = blocked.len();
            let mut left = Vec::new();
            for mut row in blocked {
                self.go_on("destination")?;
                let stands = row.holding.as_ref().and_then(|held| aside.get(&held.item)).cloned();
                match self.follow_file(job, &mut row, stands).await? {
                    Followed::Moved => moved += 1,
                    Followed::Blocked => left.push(row),
                    Followed::Left => {}
                }
            }
            if left.len() == before && !self.put_aside(job, &left, &mut aside).await? {
                break;
            }
            blocked = left;
        }
        Ok(moved + aside.len() as u64)
    }

    /// True where an object is the earlier landing of a file that was renamed and edited at once: it leaves its name
    /// when the new content is sent.
    async fn is_leaving(&self, job: &Job, found: &FoundRow) -> Result<bool, StoreError> {
        for id in self.ledger.holders(job.handle.id, &found.item).await? {
            let Some(row) = self.file(job, id).await? else { continue };
            let elsewhere = row.folder_item.as_ref() != Some(&lies_in(job, found));
            let renamed = fold(row.dest_name()) != fold(&found.name) || elsewhere;
            if row.standing == Standing::In && row.state == State::Pending && is_superseded(&row) && renamed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives one object of a circle of names another name for now; `false` where there is no circle.
    async fn put_aside(
        &self,
        job: &Job,
        blocked: &[FileRow],
        aside: &mut BTreeMap<ItemKey, Holding>,
    ) -> Result<bool, StoreError> {
        let ours: BTreeSet<&ItemKey> =
            blocked.iter().filter_map(|row| row.holding.as_ref().map(|held| &held.item)).collect();
        let root = job.destination.root();
        for row in blocked {
            let parent = row.folder_item.as_ref().filter(|item| **item != root);
            let rows = self.ledger.found_child(job.tree, parent, row.fold).await?;
            let stands = rows.into_iter().find(|found| fold(&found.name) == fold(row.dest_name()));
            let Some(stands) = stands.filter(|found| found.changed_by.is_none()) else { continue };
            let leaves = ours.contains(&stands.item) || self.is_leaving(job, &stands).await?;
            if !leaves || aside.contains_key(&stands.item) {
                continue;
            }
            let name = format!("{}.moving-{}", stands.name, row.id);
            let folder = parent.unwrap_or(&root);
            match job.destination.relocate(&holding(&stands), folder, &name).await {
                Ok(there) => {
                    aside.insert(stands.item, there);
                    return Ok(true);
                }
                Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
                Err(error) => {
                    tracing::info!(file = %row.id, error = %error.chain(), "a file could not be put aside");
                }
            }
        }
        Ok(false)
    }

    /// Moves one file's object, which stands `aside` where an earlier step has put it there.
    async fn follow_file(
        &self,
        job: &Job,
        row: &mut FileRow,
        aside: Option<Holding>,
    ) -> Result<Followed, StoreError> {
        let (Some(held), Some(folder)) = (row.holding.clone(), row.folder_target.clone()) else {
            return Ok(Followed::Left);
        };
        let Some(found) = self.ledger.found_item(job.tree, &held.item).await? else {
            return Ok(Followed::Left);
        };
        let stands = aside.is_none()
            && row.folder_item.as_ref() == Some(&lies_in(job, &found))
            && found.name == row.dest_name();
        let mut there = aside.unwrap_or_else(|| holding(&found));
        if !stands {
            // A person's own placing or change is not undone by a rename at the source.
            if found.changed_by.is_some()
                || crate::proof::agree(&held.evidence, &there.evidence) == Some(false)
            {
                return Ok(Followed::Left);
            }
            let parent = match &row.folder_item {
                Some(item) => item.clone(),
                None => make_folder_at(job.destination.as_ref(), &folder).await?,
            };
            there = match job.destination.relocate(&there, &parent, row.dest_name()).await {
                Ok(there) => there,
                Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
                Err(error) if error.kind == ErrorKind::Exists => return Ok(Followed::Blocked),
                Err(error) => {
                    tracing::info!(file = %row.id, error = %error.chain(), "a file could not be moved");
                    return Ok(Followed::Left);
                }
            };
        }
        let comment = format!("followed to {}", row.dest_path().unwrap_or(RelPath::root()));
        // What the destination expects of rewritten files is not in every answer: only the place is news.
        let there = Holding { evidence: held.evidence, ..there };
        self.note(&job.handle, row, vec![Event::Relocated { holding: Box::new(there), comment }]).await?;
        Ok(if stands { Followed::Left } else { Followed::Moved })
    }
}

/// What became of one file that was renamed at the source.
enum Followed {
    /// Its object was moved now.
    Moved,
    /// Something else has its name.
    Blocked,
    /// It stands there already, or stays where it is.
    Left,
}

fn was(job: &Job, folder: FolderId) -> MemoKey {
    MemoKey::new(job.handle.id, WAS, folder.to_string())
}
