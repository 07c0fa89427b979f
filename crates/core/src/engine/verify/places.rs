//! Where a found object lies: its path, rebuilt from the ids of its folders.

use std::collections::BTreeMap;

use super::Verify;
use crate::error::StoreError;
use crate::ledger::FoundRow;
use crate::words::{ItemKey, RelPath};

/// Folders remembered at a time; more are looked up again.
const REMEMBERED: usize = 20_000;
/// Folders above one another at most: a circle ends there.
const DEEPEST: usize = 400;

/// A folder's path and the person who last changed it or one above it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: RelPath,
    pub(super) by: Option<String>,
}

/// Folders that were looked up.
#[derive(Default)]
pub(super) struct Places(BTreeMap<ItemKey, Option<Place>>);

impl Verify<'_> {
    /// The folder that an object lies in; `None` where the listing leaves a gap above it.
    pub(super) async fn place(&mut self, parent: Option<&ItemKey>) -> Result<Option<Place>, StoreError> {
        let root = self.job.destination.root();
        let mut open: Vec<FoundRow> = Vec::new();
        let mut at = parent.cloned();
        let mut place = loop {
            let Some(item) = at.filter(|item| *item != root) else {
                break Some(Place { path: RelPath::root(), by: None });
            };
            if let Some(known) = self.places.0.get(&item) {
                break known.clone();
            }
            let row = self.engine.ledger.found_item(self.job.tree, &item).await?;
            let Some(row) = row.filter(|row| row.folder && open.len() < DEEPEST) else { break None };
            at = row.parent.clone();
            open.push(row);
        };
        if self.places.0.len() > REMEMBERED {
            self.places.0.clear();
        }
        while let Some(row) = open.pop() {
            place = place.and_then(|above| {
                Some(Place { path: above.path.join(&row.name).ok()?, by: row.changed_by.or(above.by) })
            });
            self.places.0.insert(row.item, place.clone());
        }
        Ok(place)
    }

    /// The path of an object, and who may have moved it there.
    pub(super) async fn path_of(&mut self, found: &FoundRow) -> Result<Option<Place>, StoreError> {
        let Some(place) = self.place(found.parent.as_ref()).await? else { return Ok(None) };
        let Ok(path) = place.path.join(&found.name) else { return Ok(None) };
        Ok(Some(Place { path, by: found.changed_by.clone().or(place.by) }))
    }

    /// True for a path in the job's part of the destination.
    pub(super) fn is_ours(&self, path: &RelPath) -> bool {
        let below = |prefix: &RelPath| {
            prefix.is_root()
                || path.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        self.job.slots.iter().any(|slot| below(&slot.prefix))
    }
}
