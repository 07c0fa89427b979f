//! What a verify asks of a job: whose an object is, what was read longest ago; and the dates.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::store::Job;
use crate::ledger::types::{FileFilter, FolderRow};
use crate::proof::Sense;
use crate::row::{FileRow, Standing};
use crate::state::{Reason, State};
use crate::words::{FileId, ItemKey};

impl Job {
    /// The objects that are held for a file of the job.
    pub(super) fn held_items(&self) -> BTreeSet<ItemKey> {
        self.files.values().filter_map(item).cloned().collect()
    }

    pub(super) fn holders(&self, wanted: &ItemKey) -> Vec<FileId> {
        self.files.values().filter(|row| item(row) == Some(wanted)).map(|row| row.id).take(16).collect()
    }

    pub(super) fn carriers(&self, wanted: &ItemKey) -> u64 {
        let carries =
            |row: &&FolderRow| row.standing == Standing::In && row.dest_item.as_ref() == Some(wanted);
        self.folders.values().map(|folder| &folder.row).filter(carries).count() as u64
    }

    pub(super) fn renamed(&self, after: FileId, limit: usize) -> Vec<FileRow> {
        let filter = FileFilter { states: vec![State::Success], ..FileFilter::default() };
        let renamed = |row: &FileRow| row.reason == Some(Reason::RenamedAtSource);
        self.scan(&filter, after).filter(renamed).take(limit).collect()
    }

    pub(super) fn stalest(&self, limit: usize) -> Vec<FileId> {
        let lies = |row: &&FileRow| row.state == State::Success && row.holding.is_some();
        let mut rows: Vec<&FileRow> = self.files.values().filter(lies).collect();
        rows.sort_by_key(|row| (row.bytes_at.is_some(), row.bytes_at, row.id));
        rows.into_iter().take(limit).map(|row| row.id).collect()
    }

    pub(super) fn confirm(&mut self, files: &[FileId], sense: Sense, at: Timestamp) {
        for file in files {
            if let Some(row) = self.files.get_mut(file) {
                row.confirm(sense, at);
            }
        }
    }
}

fn item(row: &FileRow) -> Option<&ItemKey> {
    row.holding.as_ref().map(|holding| &holding.item)
}
