//! Finds the ledger's row that a log's path means.
//!
//! A log mostly stands in the order of the ledger's own scan, so after two hits close to each other a
//! page of rows is read ahead; a log in another order costs one look-up a row. Rows are handed out
//! once: whoever asks for a path again gets the row as it is by then.

use std::collections::HashMap;

use landfall_core::ledger::{FileFilter, JobHandle, Ledger};
use landfall_core::row::{FileRow, Standing};
use landfall_core::words::fold;
use landfall_core::{FileId, StoreError};

use super::naming::Naming;

/// Rows read ahead; about 300 KiB of memory.
const AHEAD: usize = 500;

/// The answer to a path.
#[derive(Debug)]
pub(super) enum Located {
    /// This row is meant.
    Row(Box<FileRow>),
    /// The ledger has no such file.
    Unknown,
    /// Several files can be meant.
    Ambiguous,
}

/// Looks rows up by their path in a log.
pub(super) struct Locator<'a> {
    ledger: &'a dyn Ledger,
    job: &'a JobHandle,
    naming: Naming,
    ahead: HashMap<String, FileRow>,
    last: FileId,
}

impl<'a> Locator<'a> {
    pub(super) async fn new(ledger: &'a dyn Ledger, job: &'a JobHandle) -> Result<Self, StoreError> {
        let naming = Naming::of(ledger, job.id).await?;
        Ok(Self { ledger, job, naming, ahead: HashMap::new(), last: FileId(i64::MIN) })
    }

    /// Finds the row of a path as the log shows it.
    pub(super) async fn find(&mut self, text: &str) -> Result<Located, StoreError> {
        if let Some(row) = self.ahead.remove(text) {
            return Ok(Located::Row(Box::new(row)));
        }
        let located = self.look_up(text).await?;
        if let Located::Row(row) = &located {
            self.read_ahead(row.id).await?;
        }
        Ok(located)
    }

    async fn look_up(&self, text: &str) -> Result<Located, StoreError> {
        let mut near = Vec::new();
        for (source, path) in self.naming.meanings(text) {
            let mut rows = self.ledger.find_path(self.job.id, &path).await?;
            rows.retain(|row| source.is_none_or(|id| row.source == id));
            for row in rows {
                let own = row.path().unwrap_or_default();
                if own != path && fold(own.as_str()) != fold(path.as_str()) {
                    continue;
                }
                near.push((own == path, row));
            }
            // A path with its source's label before it says more than a bare one.
            if !near.is_empty() {
                break;
            }
        }
        // The exact path before one that differs by case, a file that is there before one that went.
        near.sort_by_key(|(exact, row)| (!exact, rank(row.standing), row.id));
        let mut rows = near.into_iter();
        let Some((exact, first)) = rows.next() else { return Ok(Located::Unknown) };
        match rows.next() {
            Some((also, second)) if also == exact && rank(second.standing) == rank(first.standing) => {
                Ok(Located::Ambiguous)
            }
            _ => Ok(Located::Row(Box::new(first))),
        }
    }

    async fn read_ahead(&mut self, id: FileId) -> Result<(), StoreError> {
        let reach = i64::try_from(AHEAD).unwrap_or(i64::MAX);
        let close = id > self.last && id.0.saturating_sub(self.last.0) <= reach;
        self.last = id;
        if !close {
            return Ok(());
        }
        let standings = vec![Standing::In, Standing::Unsettled];
        let filter = FileFilter { standings, ..FileFilter::default() };
        let rows = self.ledger.scan(self.job.id, &filter, id, AHEAD).await?;
        if let Some(row) = rows.last() {
            self.last = row.id;
        }
        self.ahead.clear();
        let mut doubled = Vec::new();
        for row in rows {
            let path = self.naming.path(&row);
            if self.ahead.insert(path.clone(), row).is_some() {
                doubled.push(path);
            }
        }
        // Two files of one path are looked up, so that they are seen to be ambiguous.
        for path in doubled {
            self.ahead.remove(&path);
        }
        Ok(())
    }
}

fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::In | Standing::Unsettled => 0,
        Standing::Skipped | Standing::Outside => 1,
        Standing::Gone => 2,
    }
}
