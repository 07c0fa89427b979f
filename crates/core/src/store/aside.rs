//! A destination without some of its folders: what lies in them is none of a job's business.
//!
//! Sealed snapshots of the ledger lie beside a job's files, often in the very folder that the job fills. Here they
//! are taken out of every listing and refused as a place for files, so that no verify, mirror or adoption ever
//! meets them. Owns that and nothing else: whoever writes into such a folder talks to the place itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Binned, Change, Copy, Destination, DestinationCaps, Found, Holding, Landed, Listed, Listing, Page, Put,
};
use crate::error::{Look, StoreError};
use crate::memo::MemoKey;
use crate::state::Reason;
use crate::transport::Body;
use crate::words::{Cursor, ItemKey, RelPath, Times, fold};

/// A destination without some of its folders.
pub struct Aside {
    inner: Arc<dyn Destination>,
    folders: Vec<RelPath>,
}

impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aside({}, {:?})", self.inner.identity(), self.folders)
    }
}

impl Aside {
    /// The place without these folders; the place itself where there are none.
    #[must_use]
    pub fn around(inner: Arc<dyn Destination>, folders: Vec<RelPath>) -> Arc<dyn Destination> {
        if folders.is_empty() { inner } else { Arc::new(Self { inner, folders }) }
    }

    /// True for a path in one of the folders, whatever its case: many places do not tell cases apart.
    fn holds(&self, path: &RelPath) -> bool {
        self.folders.iter().any(|folder| {
            let mut own = path.segments();
            folder.segments().all(|name| own.next().is_some_and(|own| fold(own) == fold(name)))
        })
    }

    /// The folders that are there now. One that is made during a listing appears in it empty, and is gone from
    /// the next one.
    async fn hidden(&self) -> Result<BTreeSet<ItemKey>, StoreError> {
        let mut hidden = BTreeSet::new();
        for folder in &self.folders {
            hidden.extend(super::folder_at(self.inner.as_ref(), folder).await?);
        }
        Ok(hidden)
    }
}

/// Takes out what lies in hidden folders; folders in them are hidden too.
fn sift(hidden: &mut BTreeSet<ItemKey>, items: &mut Vec<Listed>) {
    items.retain(|item| {
        let (key, parent) = match item {
            Listed::File(entry) | Listed::Skipped { entry, .. } => (&entry.key, &entry.parent),
            Listed::Folder(folder) => (&folder.key, &folder.parent),
            Listed::Gone(_) => return true,
        };
        let within = parent.as_ref().is_some_and(|parent| hidden.contains(parent));
        if within && matches!(item, Listed::Folder(_)) {
            hidden.insert(key.clone());
        }
        !within && !hidden.contains(key)
    });
}

/// A listing without what is hidden.
struct Sifted {
    inner: Box<dyn Listing>,
    hidden: BTreeSet<ItemKey>,
}

#[async_trait]
impl Listing for Sifted {
    async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        let Some(mut page) = self.inner.next().await? else { return Ok(None) };
        sift(&mut self.hidden, &mut page.items);
        Ok(Some(page))
    }
}

#[async_trait]
impl Destination for Aside {
    fn caps(&self) -> &DestinationCaps {
        self.inner.caps()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn root(&self) -> ItemKey {
        self.inner.root()
    }

    fn refuses(&self, path: &RelPath, folder: bool) -> Option<(Reason, String)> {
        if self.holds(path) {
            let words = "snapshots of the ledger lie in this folder of the destination".to_owned();
            return Some((Reason::NameReserved, words));
        }
        self.inner.refuses(path, folder)
    }

    fn maps(&self, name: &str) -> String {
        self.inner.maps(name)
    }

    async fn changes(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        let hidden = self.hidden().await?;
        Ok(Box::new(Sifted { inner: self.inner.changes(since).await?, hidden }))
    }

    async fn children(
        &self,
        folder: &ItemKey,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        // Asked of folders that files were put into, which are never hidden ones.
        self.inner.children(folder, page).await
    }

    async fn find(&self, parent: &ItemKey, name: &str) -> Look<Found> {
        self.inner.find(parent, name).await
    }

    async fn ensure_folder(
        &self,
        parent: &ItemKey,
        name: &str,
        path: &RelPath,
    ) -> Result<ItemKey, StoreError> {
        self.inner.ensure_folder(parent, name, path).await
    }

    async fn set_folder_times(&self, folders: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>> {
        self.inner.set_folder_times(folders).await
    }

    async fn upload(&self, put: Put<'_>) -> Result<Landed, StoreError> {
        self.inner.upload(put).await
    }

    async fn abandon(&self, memo: &MemoKey) -> Result<(), StoreError> {
        self.inner.abandon(memo).await
    }

    fn batch_now(&self) -> usize {
        self.inner.batch_now()
    }

    async fn publish(
        &self,
        changes: Vec<Change>,
    ) -> Result<Vec<Result<Option<Holding>, StoreError>>, StoreError> {
        self.inner.publish(changes).await
    }

    async fn copy_from(&self, copy: Copy) -> Result<Landed, StoreError> {
        self.inner.copy_from(copy).await
    }

    async fn read(&self, item: &ItemKey, from: u64) -> Result<Body, StoreError> {
        self.inner.read(item, from).await
    }

    async fn relocate(&self, from: &Holding, parent: &ItemKey, name: &str) -> Result<Holding, StoreError> {
        self.inner.relocate(from, parent, name).await
    }

    async fn remove(&self, from: &Holding) -> Result<(), StoreError> {
        self.inner.remove(from).await
    }

    async fn discard(&self, from: &Holding) -> Result<(), StoreError> {
        self.inner.discard(from).await
    }

    async fn set_times(&self, item: &ItemKey, times: Times) -> Result<Holding, StoreError> {
        self.inner.set_times(item, times).await
    }

    async fn versions(&self, item: &ItemKey) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.inner.versions(item).await
    }

    async fn bin(&self, page: Option<Cursor>) -> Result<(Vec<Binned>, Option<Cursor>), StoreError> {
        self.inner.bin(page).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digests;
    use crate::store::{Authors, Entry, ListedFolder};
    use crate::words::ByteSize;

    fn file(key: &str, parent: Option<&str>) -> Listed {
        Listed::File(Entry {
            key: ItemKey::from(key),
            parent: parent.map(ItemKey::from),
            name: key.to_owned(),
            size: ByteSize(1),
            times: Times::default(),
            revision: None,
            digests: Digests::none(),
            authors: Authors::default(),
        })
    }

    fn folder(key: &str, parent: Option<&str>) -> Listed {
        Listed::Folder(ListedFolder {
            key: ItemKey::from(key),
            parent: parent.map(ItemKey::from),
            name: key.to_owned(),
            times: Times::default(),
            child_count: None,
            authors: Authors::default(),
        })
    }

    #[test]
    fn what_lies_in_a_hidden_folder_is_in_no_page() {
        let mut hidden = BTreeSet::from([ItemKey::from("控え")]);
        let gone = Listed::Gone(ItemKey::from("消えた"));
        let mut items = vec![
            folder("控え", None),
            file("封印", Some("控え")),
            folder("中", Some("控え")),
            file("奥", Some("中")),
            file("録音.wav", None),
            file("二.wav", Some("録音")),
            gone.clone(),
        ];
        sift(&mut hidden, &mut items);
        assert_eq!(items, [file("録音.wav", None), file("二.wav", Some("録音")), gone]);
    }
}
