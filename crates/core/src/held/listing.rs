//! The listing of what has landed: folders by path, then files by number, each page with where to go on.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::choice::BATCH;
use super::{Held, Origin, folder_key, listed_folder};
use crate::error::StoreError;
use crate::ledger::FolderRow;
use crate::row::{FileRow, Standing};
use crate::store::{Listed, Listing, Page};
use crate::words::{FileId, FolderId, ItemKey, RelPath};

/// Folders remembered at a time; past that all are forgotten and read again, which changes nothing.
const REMEMBERED: usize = 20_000;
/// No tree is deeper; a chain of parents that is longer goes in a circle.
const DEEPEST: usize = 1000;

/// Folders above files, read from the ledger once each.
#[derive(Debug, Default)]
pub(super) struct Ancestors(BTreeMap<FolderId, Option<FolderRow>>);

impl Ancestors {
    async fn row(&mut self, origin: &Origin, folder: FolderId) -> Result<Option<FolderRow>, StoreError> {
        if let Some(known) = self.0.get(&folder) {
            return Ok(known.clone());
        }
        let row = origin.ledger.folder(origin.job, folder).await?;
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(folder, row.clone());
        Ok(row)
    }

    /// A folder and all above it but the root, the nearest first; nothing where one of them has no name.
    async fn chain(
        &mut self,
        origin: &Origin,
        folder: FolderId,
    ) -> Result<Option<Vec<FolderRow>>, StoreError> {
        let mut chain = Vec::new();
        let mut at = Some(folder);
        while let Some(id) = at {
            let Some(row) = self.row(origin, id).await? else { return Ok(None) };
            if row.name.is_none() || chain.len() >= DEEPEST {
                return Ok(None);
            }
            at = row.parent;
            if at.is_some() {
                chain.push(row);
            }
        }
        Ok(Some(chain))
    }

    /// The path of a file whose folder the source has lost, by the names its folders had.
    pub(super) async fn path(
        &mut self,
        origin: &Origin,
        row: &FileRow,
    ) -> Result<Option<RelPath>, StoreError> {
        let Some(chain) = self.chain(origin, row.folder).await? else { return Ok(None) };
        let names = chain.iter().rev().filter_map(|folder| folder.name.as_deref());
        let path = names.chain([row.entry.name.as_str()]).try_fold(RelPath::root(), |at, name| at.join(name));
        Ok(path.ok())
    }
}

/// Where the listing stands.
#[derive(Clone, Debug)]
enum At {
    Folders(Option<RelPath>),
    Files(FileId),
    End,
}

/// A listing under way. It gives no cursor: reading the ledger again costs little, and a listing that went on
/// after a kill could miss what landed meanwhile, or mix two choices.
pub(super) struct HeldListing {
    held: Held,
    at: At,
    ancestors: Ancestors,
}

impl HeldListing {
    pub(super) fn new(held: &Held) -> Self {
        let at = if held.choice.is_all() { At::Folders(None) } else { At::Files(FileId(0)) };
        let held = Held::new(held.origin.clone(), held.source, held.choice.clone());
        Self { held, at, ancestors: Ancestors::default() }
    }

    /// The folders that the job carries, with those above them.
    async fn folders(&mut self, after: Option<RelPath>) -> Result<Vec<Listed>, StoreError> {
        let origin = &self.held.origin;
        let rows = origin.ledger.folders(origin.job, self.held.source, after.as_ref(), BATCH).await?;
        self.at = match rows.last() {
            Some(last) => At::Folders(last.path.clone()),
            None => At::Files(FileId(0)),
        };
        let mut items = Vec::new();
        let mut listed = BTreeSet::new();
        for row in rows.iter().filter(|row| row.standing == Standing::In && row.parent.is_some()) {
            self.above(row.id, &mut listed, &mut items).await?;
        }
        Ok(items)
    }

    async fn files(&mut self, after: FileId) -> Result<Vec<Listed>, StoreError> {
        let (rows, next) = self.held.wanted(after, &mut self.ancestors).await?;
        self.at = next.map_or(At::End, At::Files);
        let mut items = Vec::new();
        let mut listed = BTreeSet::new();
        for (row, _) in rows {
            let within = self.above(row.folder, &mut listed, &mut items).await?;
            // Without a way to the root its folder is named and never listed: it has no path, and is counted.
            let parent = within.unwrap_or_else(|| Some(folder_key(row.folder)));
            items.push(Listed::File(self.held.entry(&row, parent)));
        }
        Ok(items)
    }

    /// Lists a folder and those above it, each once a page; gives its key, none for the root itself, and
    /// nothing where it has no way to the root.
    async fn above(
        &mut self,
        folder: FolderId,
        listed: &mut BTreeSet<FolderId>,
        items: &mut Vec<Listed>,
    ) -> Result<Option<Option<ItemKey>>, StoreError> {
        let Some(chain) = self.ancestors.chain(&self.held.origin, folder).await? else { return Ok(None) };
        let top = chain.len().saturating_sub(1);
        for (depth, row) in chain.iter().enumerate() {
            if !listed.insert(row.id) {
                break;
            }
            let Some(mut folder) = listed_folder(row) else { return Ok(None) };
            if depth == top {
                folder.parent = None;
            }
            items.push(Listed::Folder(folder));
        }
        Ok(Some(chain.first().map(|row| folder_key(row.id))))
    }
}

#[async_trait]
impl Listing for HeldListing {
    async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        let items = match self.at.clone() {
            At::Folders(after) => self.folders(after).await?,
            At::Files(after) => self.files(after).await?,
            At::End => return Ok(None),
        };
        let complete = matches!(self.at, At::End);
        Ok(Some(Page { items, cursor: None, complete, restarted: false }))
    }
}
