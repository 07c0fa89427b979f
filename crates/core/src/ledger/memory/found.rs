//! What destination trees hold, and the join of files with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::store::{Job, check_complete, check_pass};
use crate::error::StoreError;
use crate::ledger::intake::{self, ROOT, found_row};
use crate::ledger::types::{CursorRow, Enrolment, FileFilter, FoundRow};
use crate::proof::Evidence;
use crate::row::FileRow;
use crate::store::Listed;
use crate::words::{FileId, ItemKey, fold_hash};

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) identity: String,
    pub(super) cursor: CursorRow,
    rows: BTreeMap<ItemKey, (FoundRow, i64)>,
    /// Items by parent and fingerprint of the folded name.
    by_name: BTreeSet<(String, i64, ItemKey)>,
}

impl Tree {
    pub(super) fn new(identity: &str) -> Self {
        let identity = identity.to_owned();
        Self { identity, cursor: CursorRow::default(), rows: BTreeMap::new(), by_name: BTreeSet::new() }
    }

    /// Takes a page: first what went, with everything below it, then what is there.
    pub(super) fn observe(&mut self, page: Enrolment) -> Result<(), StoreError> {
        check_pass(&self.cursor, page.pass)?;
        self.cursor.cursor = page.cursor;
        self.cursor.complete = page.complete;
        let items = intake::prepare(page.items);
        for item in &items {
            if let Listed::Gone(key) = item {
                self.remove_below(key);
            }
        }
        for row in items.into_iter().filter_map(found_row) {
            self.remove(&row.item.clone());
            self.by_name.insert((parent_key(&row), fold_hash(&row.name), row.item.clone()));
            self.rows.insert(row.item.clone(), (row, page.pass));
        }
        Ok(())
    }

    fn remove(&mut self, item: &ItemKey) -> bool {
        let Some((row, _)) = self.rows.remove(item) else { return false };
        self.by_name.remove(&(parent_key(&row), fold_hash(&row.name), row.item));
        true
    }

    fn remove_below(&mut self, item: &ItemKey) {
        let mut open = vec![item.clone()];
        while let Some(item) = open.pop() {
            self.remove(&item);
            let from = (item.0.clone(), i64::MIN, ItemKey(String::new()));
            open.extend(self.by_name.range(from..).take_while(|k| k.0 == item.0).map(|k| k.2.clone()));
        }
    }

    pub(super) fn settle(&mut self) -> Result<u64, StoreError> {
        check_complete(&self.cursor)?;
        if !self.cursor.full {
            return Ok(0);
        }
        let pass = self.cursor.pass;
        let unseen: Vec<ItemKey> =
            self.rows.iter().filter(|(_, (_, seen))| *seen != pass).map(|(key, _)| key.clone()).collect();
        Ok(unseen.iter().filter(|key| self.remove(key)).count() as u64)
    }

    pub(super) fn children(&self, parent: &str, fold: i64) -> Vec<FoundRow> {
        let from = (parent.to_owned(), fold, ItemKey(String::new()));
        let keys = self.by_name.range(from..).take_while(|k| k.0 == parent && k.1 == fold);
        keys.filter_map(|k| self.item(&k.2)).collect()
    }

    /// Files that are none of the known ones, by id.
    pub(super) fn strangers(
        &self,
        known: &BTreeSet<ItemKey>,
        after: Option<&ItemKey>,
        limit: usize,
    ) -> Vec<FoundRow> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let files = self.rows.range::<ItemKey, _>((after, Bound::Unbounded)).map(|(_, (row, _))| row);
        files.filter(|row| !row.folder && !known.contains(&row.item)).take(limit).cloned().collect()
    }

    pub(super) fn like(&self, evidence: &Evidence, limit: usize) -> Vec<FoundRow> {
        let same = |row: &&FoundRow| !row.folder && row.evidence == *evidence;
        self.rows.values().map(|(row, _)| row).filter(same).take(limit).cloned().collect()
    }

    pub(super) fn item(&self, item: &ItemKey) -> Option<FoundRow> {
        self.rows.get(item).map(|(row, _)| row.clone())
    }
}

/// Files with what a tree has under the id of the object that is held for them.
pub(super) fn held(
    job: &Job,
    tree: &Tree,
    filter: &FileFilter,
    after: FileId,
    limit: usize,
) -> Vec<(FileRow, Option<FoundRow>)> {
    let files = job.scan(filter, after).filter(|file| file.holding.is_some()).take(limit);
    files
        .map(|file| {
            let found = file.holding.as_ref().and_then(|holding| tree.item(&holding.item));
            (file, found)
        })
        .collect()
}

fn parent_key(row: &FoundRow) -> String {
    row.parent.as_ref().map_or_else(|| ROOT.to_owned(), |p| p.0.clone())
}

/// Files with what a tree holds in their place; all of one file's stay in one page.
pub(super) fn matches(
    job: &Job,
    tree: &Tree,
    filter: &FileFilter,
    after: FileId,
    limit: usize,
) -> Vec<(FileRow, FoundRow)> {
    let mut pairs: Vec<(FileRow, FoundRow)> = Vec::new();
    for file in job.scan(filter, after) {
        if pairs.len() >= limit {
            break;
        }
        let Some(parent) = &file.folder_item else { continue };
        let found = tree.children(parent.as_str(), file.fold);
        pairs.extend(found.into_iter().map(|row| (file.clone(), row)));
    }
    pairs
}
