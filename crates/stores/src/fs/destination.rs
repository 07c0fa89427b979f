//! A folder that files go to.
//!
//! Names are looked up by the file system itself, so they are compared as it compares them (case,
//! composition) and nothing has to be found out about it. The root and what is above it are made with
//! the first write, so that a plan writes nothing.

use std::io::{self, ErrorKind as Io};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use cap_std::fs::{Dir, Metadata};
use landfall_core::digest::Digests;
use landfall_core::error::Look;
use landfall_core::memo::MemoKey;
use landfall_core::proof::Evidence;
use landfall_core::state::Reason;
use landfall_core::store::{
    Copy, Destination, DestinationCaps, Found, Holding, KeptTimes, Landed, Listed, Listing, Prices, Put,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Code, ErrorKind, RelPath, StoreError, Times};

use super::children::{Reading, Readings};
use super::errors::{Side, blocking, named};
use super::names::{maps, refuses};
use super::place::{Root, body, folder, is_same, open_plain, parent, path_of, revision, set_times, sync};
use super::upload::{Upload, forget};
use super::walk::FsListing;

/// The root's key: no relative path is so written, so no folder's key can equal it.
const ROOT: &str = "/";
/// Bytes between two syncs of an upload, at least: what is synced is confirmed, and resumed after.
const STEP: u64 = 32 << 20;
/// The largest piece of content held in memory.
const FRAGMENT: u64 = 512 * 1024;

/// A folder as destination. It publishes no digests; proofs read back.
#[derive(Debug)]
pub struct FsDestination {
    root: Arc<Root>,
    identity: String,
    caps: DestinationCaps,
    readings: Readings,
    pub(super) step: u64,
    /// False in tests that play a file system without hard links.
    pub(super) links: bool,
}

impl FsDestination {
    /// Takes the folder; it need not be there yet.
    ///
    /// # Errors
    /// Code `DestinationIsFile` where a file stands there; `Denied` where we may not look.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path: PathBuf = path.into();
        let subject = path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || {
            let path = std::path::absolute(path)?;
            let root = Root::new(path.clone());
            match root.dir(false) {
                Ok(_) => Ok((root, path.canonicalize()?)),
                Err(error) if error.kind() == Io::NotFound => Ok((root, path)),
                Err(error) => Err(error),
            }
        })
        .await
        .unwrap_or_else(|join| Err(io::Error::other(join)));
        let (root, path) = opened.map_err(|error| {
            let file = error.kind() == Io::NotADirectory;
            let error = named(Side::Destination, "open", &subject, error);
            if file { error.with_code(Code::DestinationIsFile) } else { error }
        })?;
        Ok(Self {
            root: Arc::new(root),
            identity: format!("fs:{}", path.display()),
            caps: DestinationCaps {
                batch: None,
                publishes: Vec::new(),
                digest_first: false,
                rewrites: Vec::new(),
                max_size: None,
                copy_realm: None,
                fragment: ByteSize(FRAGMENT),
                incremental: false,
                keeps: KeptTimes { created: false, modified: true, folders: false },
                prices: Prices::default(),
            },
            readings: Readings::default(),
            step: STEP,
            links: true,
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: &str,
        make: bool,
        call: impl FnOnce(&Arc<Dir>) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let root = Arc::clone(&self.root);
        blocking(Side::Destination, operation, subject, move || call(&root.dir(make)?)).await
    }
}

/// A folder's key as a path; the root's key is the root.
pub(super) fn folder_path(key: &ItemKey) -> io::Result<RelPath> {
    if key.as_str() == ROOT { Ok(RelPath::root()) } else { path_of(key.as_str()) }
}

/// The path of a name in a folder, judged again: nothing of ours and no way out.
fn target(parent: &ItemKey, name: &str) -> io::Result<RelPath> {
    let path = folder_path(parent)?.join(name).map_err(|error| io::Error::new(Io::InvalidInput, error))?;
    match refuses(&path, cfg!(windows)) {
        Some((_, detail)) => Err(io::Error::new(Io::InvalidFilename, detail)),
        None => Ok(path),
    }
}

/// What is said of something that stands at a path. Links and devices are files that cannot be read.
pub(super) fn standing(path: &RelPath, metadata: &Metadata) -> Found {
    let item = ItemKey::from(path.as_str());
    if metadata.is_dir() {
        return Found::Folder(item);
    }
    Found::File(holding(path, metadata))
}

pub(super) fn holding(path: &RelPath, metadata: &Metadata) -> Holding {
    Holding {
        item: ItemKey::from(path.as_str()),
        revision: Some(revision(metadata)),
        evidence: Evidence { size: ByteSize(metadata.len()), digests: Digests::none() },
    }
}

/// Moves a plain file without ever replacing another: the new name is a second link before the old one goes.
fn relocate(root: &Dir, from: &Holding, to: &ItemKey, name: &str) -> io::Result<Holding> {
    let path = target(to, name)?;
    let above = folder(root, &folder_path(to)?)?;
    let old = path_of(from.item.as_str())?;
    let (dir, old_name) = parent(root, &old)?;
    let before = match dir.symlink_metadata(&old_name) {
        Ok(before) => before,
        // A kill after the move: what stands there now decides.
        Err(error) if error.kind() == Io::NotFound => {
            let now = holding(&path, &above.symlink_metadata(name)?);
            return if now.evidence.size == from.evidence.size { Ok(now) } else { Err(error) };
        }
        Err(error) => return Err(error),
    };
    if before.is_dir() {
        // A folder is renamed where nothing stands; renaming over an empty one would only take that away.
        if above.symlink_metadata(name).is_ok() {
            return Err(Io::AlreadyExists.into());
        }
        dir.rename(&old_name, &above, name)?;
        sync(&above)?;
        sync(&dir)?;
        return Ok(holding(&path, &above.symlink_metadata(name)?));
    }
    if !before.is_file() || holding(&old, &before).evidence.size != from.evidence.size {
        return Err(io::Error::new(Io::InvalidData, "it was changed meanwhile"));
    }
    match dir.hard_link(&old_name, &above, name) {
        Ok(()) => {}
        // A kill between the two names, or another file: the same file under both names is ours.
        Err(error) if error.kind() == Io::AlreadyExists => {
            if !is_same(&before, &above.symlink_metadata(name)?) {
                return Err(error);
            }
        }
        // Without links the name is looked for first; only another program could come in between.
        Err(_) if above.symlink_metadata(name).is_err() => {
            dir.rename(&old_name, &above, name)?;
            sync(&above)?;
            sync(&dir)?;
            return Ok(holding(&path, &above.symlink_metadata(name)?));
        }
        Err(_) => return Err(Io::AlreadyExists.into()),
    }
    sync(&above)?;
    dir.remove_file(&old_name)?;
    sync(&dir)?;
    Ok(holding(&path, &above.symlink_metadata(name)?))
}

#[async_trait]
impl Destination for FsDestination {
    fn caps(&self) -> &DestinationCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn root(&self) -> ItemKey {
        ItemKey::from(ROOT)
    }

    fn refuses(&self, path: &RelPath, _: bool) -> Option<(Reason, String)> {
        refuses(path, cfg!(windows))
    }

    fn maps(&self, name: &str) -> String {
        maps(name, cfg!(windows))
    }

    async fn changes(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        let subject = self.root.path().display().to_string();
        let root = match self.blocking("list", &subject, false, |root| Ok(Arc::clone(root))).await {
            Ok(root) => Some(root),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Box::new(FsListing::new(Side::Destination, subject, root, since.is_some())))
    }

    async fn children(
        &self,
        parent: &ItemKey,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        let key = if parent.as_str() == ROOT { String::new() } else { parent.0.clone() };
        let subject = key.clone();
        let reading = match &page {
            None => self.blocking("list", &subject, false, move |root| Reading::begin(root, key)).await?,
            Some(page) => self.readings.resume(page, &key).ok_or_else(|| {
                let detail = "this page of the folder is no longer known";
                StoreError::new(ErrorKind::Interrupted, "list", subject.clone(), detail)
            })?,
        };
        let (items, rest) = self.blocking("list", &subject, false, move |_| reading.page()).await?;
        Ok((items, rest.map(|rest| self.readings.keep(rest))))
    }

    async fn find(&self, parent: &ItemKey, name: &str) -> Look<Found> {
        let (parent, name) = (parent.clone(), name.to_owned());
        let subject = name.clone();
        let seen = self.blocking("find", &subject, false, move |root| {
            let path = target(&parent, &name)?;
            let metadata = folder(root, &folder_path(&parent)?)?.symlink_metadata(path.name())?;
            Ok(standing(&path, &metadata))
        });
        match seen.await {
            Ok(found) => Look::Present(found),
            // Where the folder is a file nothing can stand in it.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Exists) => Look::Absent,
            Err(error) => Look::Unknown(error),
        }
    }

    async fn ensure_folder(
        &self,
        parent: &ItemKey,
        name: &str,
        path: &RelPath,
    ) -> Result<ItemKey, StoreError> {
        let (parent, name) = (parent.clone(), name.to_owned());
        self.blocking("make folder", path.as_str(), true, move |root| {
            let path = target(&parent, &name)?;
            let above = folder(root, &folder_path(&parent)?)?;
            match above.create_dir(&name) {
                Ok(()) => sync(&above)?,
                Err(error) if error.kind() != Io::AlreadyExists => return Err(error),
                Err(_) if above.symlink_metadata(&name)?.is_dir() => {}
                Err(_) => return Err(Io::NotADirectory.into()),
            }
            Ok(ItemKey::from(path.as_str()))
        })
        .await
    }

    async fn set_folder_times(&self, folders: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>> {
        let mut answers = Vec::with_capacity(folders.len());
        for (key, times) in folders {
            let (folder_key, times) = (key.clone(), *times);
            let set = self.blocking("set times", key.as_str(), false, move |root| {
                let dir = folder(root, &folder_path(&folder_key)?)?;
                // Windows opens no folder as a file; its folder times are left as they are.
                if cfg!(unix) { set_times(&dir.open(".")?.into_std(), times) } else { Ok(()) }
            });
            answers.push(set.await);
        }
        answers
    }

    async fn upload(&self, put: Put<'_>) -> Result<Landed, StoreError> {
        let (parent, name, memo) = (put.parent.clone(), put.name.clone(), put.memo.clone());
        let replaces = put.replaces.clone().map(|item| item.0);
        let (links, resumed) = (self.links, put.resumed);
        let begun = self.blocking("upload", put.path.as_str(), true, move |root| {
            let path = target(&parent, &name)?;
            Upload::begin(root, path, &memo, replaces.as_deref(), resumed, links)
        });
        begun.await?.run(put, self.step).await
    }

    async fn abandon(&self, memo: &MemoKey) -> Result<(), StoreError> {
        let key = memo.clone();
        let done = self.blocking("abandon", &memo.key, false, move |root| forget(root, &key)).await;
        match done {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn copy_from(&self, copy: Copy) -> Result<Landed, StoreError> {
        let detail = "a folder copies nothing by itself";
        Err(StoreError::new(ErrorKind::Unsupported, "copy", copy.path.as_str(), detail))
    }

    async fn read(&self, item: &ItemKey, from: u64) -> Result<Body, StoreError> {
        let key = item.clone();
        self.blocking("read", item.as_str(), false, move |root| {
            let (file, _) = open_plain(root, &path_of(key.as_str())?)?;
            body(file, from, u64::MAX)
        })
        .await
    }

    async fn relocate(&self, from: &Holding, parent: &ItemKey, name: &str) -> Result<Holding, StoreError> {
        let (from, parent, name) = (from.clone(), parent.clone(), name.to_owned());
        let subject = name.clone();
        self.blocking("move", &subject, false, move |root| relocate(root, &from, &parent, &name)).await
    }

    async fn discard(&self, from: &Holding) -> Result<(), StoreError> {
        let from = from.clone();
        let subject = from.item.0.clone();
        let same = self.blocking("remove", &subject, false, move |root| {
            let path = path_of(from.item.as_str())?;
            let (dir, name) = parent(root, &path)?;
            let before = match dir.symlink_metadata(&name) {
                Ok(before) => before,
                Err(error) if error.kind() == Io::NotFound => return Ok(true),
                Err(error) => return Err(error),
            };
            if !before.is_file() || Some(revision(&before)) != from.revision {
                return Ok(false);
            }
            dir.remove_file(&name)?;
            sync(&dir)?;
            Ok(true)
        });
        match same.await? {
            true => Ok(()),
            false => {
                let detail = "it was changed meanwhile";
                Err(StoreError::new(ErrorKind::Changed, "remove", subject, detail))
            }
        }
    }

    async fn set_times(&self, item: &ItemKey, times: Times) -> Result<Holding, StoreError> {
        let key = item.clone();
        self.blocking("set times", item.as_str(), false, move |root| {
            let path = path_of(key.as_str())?;
            let (dir, name) = parent(root, &path)?;
            let mut open = cap_std::fs::OpenOptions::new();
            // The owner may set times of what it may not write to; Windows asks for the right to write.
            let file = dir.open_with(&name, open.read(true).write(cfg!(windows)))?.into_std();
            set_times(&file, times)?;
            file.sync_all()?;
            Ok(holding(&path, &dir.symlink_metadata(&name)?))
        })
        .await
    }
}
