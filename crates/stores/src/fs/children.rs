//! The second enumeration: one folder's children, page by page, by its own simple way.
//!
//! It opens each folder by its path and not by walking, so that it can show what the walk has missed. A
//! folder with more than one page stays open in between: reading a million names again for each page
//! would take hours.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind as Io};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::{Dir, ReadDir};
use landfall_core::RelPath;
use landfall_core::store::Listed;
use landfall_core::words::Cursor;

use super::names::is_ours;
use super::place::{below, folder};
use super::walk::{hostile, listed, ours};

/// Children a page.
const PAGE: usize = 1000;
/// Folders that may be open between pages; beyond it the one that waits longest is closed.
const OPEN: usize = 16;

/// A folder under way.
pub(super) struct Reading {
    key: String,
    dir: Dir,
    entries: ReadDir,
}

impl Reading {
    pub(super) fn begin(root: &Dir, key: String) -> io::Result<Self> {
        let path = RelPath::new(key.as_str()).map_err(|error| io::Error::new(Io::InvalidInput, error))?;
        let dir = folder(root, &path)?;
        Ok(Self { key, entries: dir.entries()?, dir })
    }

    /// The next children; the folder again where there may be more.
    pub(super) fn page(mut self) -> io::Result<(Vec<Listed>, Option<Self>)> {
        let mut items = Vec::new();
        while items.len() < PAGE {
            let Some(found) = self.entries.next() else { return Ok((items, None)) };
            let name = found?.file_name();
            let Some(text) = name.to_str() else {
                items.push(hostile(&self.key, &name));
                continue;
            };
            match self.dir.symlink_metadata(text) {
                Ok(_) if self.key.is_empty() && is_ours(text) => items.push(ours(text)),
                Ok(metadata) => {
                    items.push(listed(&self.key, below(&self.key, text), text.to_owned(), &metadata));
                }
                Err(error) if error.kind() == Io::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((items, Some(self)))
    }
}

/// The folders that are open between two pages.
#[derive(Default)]
pub(super) struct Readings(Mutex<(u64, BTreeMap<u64, Reading>)>);

impl std::fmt::Debug for Readings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readings(..)")
    }
}

impl Readings {
    /// Keeps a folder open and gives the cursor of its next page.
    pub(super) fn keep(&self, reading: Reading) -> Cursor {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let number = kept.0;
        kept.1.insert(number, reading);
        if kept.1.len() > OPEN {
            kept.1.pop_first();
        }
        Cursor(number.to_string())
    }

    /// Gives a folder back for its next page.
    pub(super) fn resume(&self, page: &Cursor, key: &str) -> Option<Reading> {
        let number = page.0.parse().ok()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.remove(&number).filter(|reading| reading.key == key)
    }
}
