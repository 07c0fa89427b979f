//! What a verify asks of a job: whose an object is, what was read longest ago; and the dates.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::store::Job;
use crate::proof::Sense;
use crate::row::{FileRow, Standing};
use crate::state::State;
use crate::words::{FileId, ItemKey};

impl Job {
    /// The objects that are held for a file of the job.
    pub(super) fn held_items(&self) -> BTreeSet<ItemKey> {
        self.files.values().filter_map(item).cloned().collect()
    }

    pub(super) fn holder(&self, wanted: &ItemKey) -> Option<FileId> {
        self.files.values().find(|row| item(row) == Some(wanted)).map(|row| row.id)
    }

    pub(super) fn stalest(&self, limit: usize) -> Vec<FileId> {
        let lies = |row: &&FileRow| {
            row.state == State::Success
                && matches!(row.standing, Standing::In | Standing::Gone)
                && row.holding.is_some()
        };
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
