//! Folders: that the empty ones are there, and that all have the times that were set.
//!
//! A folder with something in it is there as long as that is, so only an empty one can be missed. Folders have
//! no state and no events: a finding is a look and nothing else.

use super::Verify;
use super::judge::times_differ;
use super::telling::{Detail, folder_subject};
use crate::engine::Slot;
use crate::error::{Look, StoreError};
use crate::ledger::FolderRow;
use crate::row::Standing;
use crate::state::Reason;
use crate::store::Found;
use crate::words::RelPath;

/// Folders looked at together.
const BATCH: usize = 500;

impl Verify<'_> {
    /// Looks at every folder that the job made.
    pub(super) async fn look_at_folders(&mut self) -> Result<(), StoreError> {
        let job = self.job;
        for slot in &job.slots {
            let mut after: Option<RelPath> = None;
            loop {
                self.engine.go_on("verify")?;
                let rows = self.engine.ledger.folders(job.handle.id, slot.id, after.as_ref(), BATCH).await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.path);
                for row in rows {
                    self.look_at_folder(slot, row).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_at_folder(&mut self, slot: &Slot, row: FolderRow) -> Result<(), StoreError> {
        let part = row.standing == Standing::In;
        let Some(target) = row.target.clone().filter(|target| part && *target != slot.prefix) else {
            return Ok(());
        };
        let Some(item) = &row.dest_item else { return Ok(()) };
        let keeps = self.job.destination.caps().keeps;
        let Some(found) = self.engine.ledger.found_item(self.job.tree, item).await? else {
            return self.is_missing(row, target).await;
        };
        if !keeps.folders || !row.timed {
            return Ok(());
        }
        let Some(words) = times_differ(keeps, row.times, found.times) else { return Ok(()) };
        let detail = Detail {
            path: row.path.map(String::from),
            target: Some(String::from(target)),
            words: Some(match &found.changed_by {
                Some(person) => format!("the folder: {words}; by {person}"),
                None => format!("the folder: {words}"),
            }),
            item: Some(found.item.0.clone()),
            by: found.changed_by.clone(),
            ..Detail::default()
        };
        let subject = folder_subject(row.id, Reason::WrongTimes);
        let revision = found.revision.as_ref().map(|revision| revision.0.as_str());
        self.find_rowless(subject, Reason::WrongTimes, revision, &detail).await
    }

    /// A folder that the listing no longer has: a finding where it was empty and is not there when asked for.
    async fn is_missing(&mut self, row: FolderRow, target: RelPath) -> Result<(), StoreError> {
        let (ledger, job) = (&self.engine.ledger, self.job.handle.id);
        let (files, folders, _) = ledger.child_tally(job, row.source, Some(&row.key)).await?;
        if files + folders > 0 {
            return Ok(());
        }
        let above = match row.parent {
            Some(parent) => ledger.folder(job, parent).await?.and_then(|parent| parent.dest_item),
            None => None,
        };
        let look = match above {
            Some(above) => self.job.destination.find(&above, target.name()).await,
            // Nothing carries what it lay in: so it went with that.
            None => Look::Absent,
        };
        match look {
            Look::Present(Found::Folder(_)) => Ok(()),
            Look::Unknown(error) if error.code.is_some() => Err(error),
            Look::Unknown(_) => {
                self.report.unknown += 1;
                Ok(())
            }
            Look::Present(Found::File(_)) | Look::Absent => {
                let detail = Detail {
                    path: row.path.map(String::from),
                    target: Some(String::from(target)),
                    words: Some("the destination no longer holds this empty folder".to_owned()),
                    ..Detail::default()
                };
                let reason = Reason::AbsentAtDestination;
                self.find_rowless(folder_subject(row.id, reason), reason, None, &detail).await
            }
        }
    }
}
