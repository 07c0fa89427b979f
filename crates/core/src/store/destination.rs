//! [`Destination`]: a place that files go to.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::digest::Algo;
use crate::error::{ErrorKind, Look, StoreError};
use crate::memo::MemoKey;
use crate::proof::Evidence;
use crate::state::Reason;
use crate::store::{Listed, Listing, Prices};
use crate::transport::Body;
use crate::words::{ByteSize, Cursor, ItemKey, RelPath, Revision, Times};

/// What a destination can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationCaps {
    /// The digests it publishes of what it holds; none means that proofs read back.
    pub publishes: Vec<Algo>,
    /// True where an upload needs size and SHA-256 before its first byte (LFS): the engine then spools.
    pub digest_first: bool,
    /// Lower-case extensions that it may rewrite after an upload; empty where it never does.
    pub rewrites: Vec<String>,
    /// The largest file it takes.
    pub max_size: Option<ByteSize>,
    /// The realm in which `copy_from` works, compared with the source's.
    pub copy_realm: Option<String>,
    /// The largest piece of content an upload holds in memory at a time.
    pub fragment: ByteSize,
    /// True where a listing can go on from an earlier cursor.
    pub incremental: bool,
    /// The times that it keeps as an upload sets them.
    pub keeps: KeptTimes,
    /// What its steps cost.
    pub prices: Prices,
    /// The most changes that one [`Destination::publish`] takes; `None` where files are uploaded one by one.
    pub batch: Option<usize>,
}

/// Which times a destination keeps as they were set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptTimes {
    /// When it was made.
    pub created: bool,
    /// When it was last changed.
    pub modified: bool,
    /// Both hold for folders as well, whatever is put into them later.
    pub folders: bool,
}

/// The bytes of one file that a batch carries, which may be read more than once.
#[async_trait]
pub trait Reread: Send + Sync {
    /// Opens them from an offset on.
    async fn open(&self, from: u64) -> Result<Body, StoreError>;
}

/// One change of a batch.
pub enum Change {
    /// A file to be put.
    Put {
        /// Where, from the destination's root.
        path: RelPath,
        /// Its size and SHA-256.
        evidence: Evidence,
        /// Its bytes.
        bytes: Box<dyn Reread>,
        /// True where another object that stands there gives way.
        replace: bool,
    },
    /// An object to be moved without bytes: the same content at the new path, the old one taken away.
    Move {
        /// What is moved, and what it must hold; anything else is left alone.
        from: Holding,
        /// Where to.
        path: RelPath,
    },
    /// An object to be taken away.
    Delete {
        /// What, and what it must hold; anything else is left alone.
        from: Holding,
    },
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put { path, evidence, .. } => write!(f, "Put({path:?}, {} bytes)", evidence.size.0),
            Self::Move { from, path } => write!(f, "Move({}, {path:?})", from.item),
            Self::Delete { from } => write!(f, "Delete({})", from.item),
        }
    }
}

/// What a destination says it holds at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its id there.
    pub item: ItemKey,
    /// Changes when the object changes.
    pub revision: Option<Revision>,
    /// Size and published digests.
    pub evidence: Evidence,
}

/// What stands under a name at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File(Holding),
    /// A folder with this id.
    Folder(ItemKey),
}

/// What to do where something else already stands under the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It stays; our file is DUPE with `different-at-destination`.
    #[default]
    Keep,
    /// It is replaced by a new version, the old one kept as undo.
    Replace,
    /// Ours gets another name.
    Rename,
}

/// The bytes of one file as an upload takes them: in order, from a position the destination names.
#[async_trait]
pub trait Content: Send {
    /// The size that will be sent in all.
    fn size(&self) -> ByteSize;

    /// Continues from this offset, because the destination already holds everything before it. The
    /// digests still cover the whole content: from a saved state, or by reading the beginning again.
    async fn seek(&mut self, to: u64) -> Result<(), StoreError>;

    /// The next bytes, at most 512 KiB; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError>;

    /// Called when the destination has confirmed everything up to this offset.
    async fn confirmed(&mut self, offset: u64) -> Result<(), StoreError>;

    /// Called once after the last byte was read and before the last bytes are sent: judges what was
    /// read against the source's own digest, so that a changed file is never committed.
    ///
    /// # Errors
    /// `Changed` or `Corrupt`: the upload must then be abandoned.
    async fn finish(&mut self) -> Result<(), StoreError>;
}

/// One file to be uploaded.
pub struct Put<'a> {
    /// The folder it goes into.
    pub parent: ItemKey,
    /// The name there.
    pub name: String,
    /// Where a person looks for it, for error texts.
    pub path: RelPath,
    /// Times to set.
    pub times: Times,
    /// Its bytes.
    pub content: &'a mut dyn Content,
    /// Where the store may remember an upload session for this file.
    pub memo: MemoKey,
    /// True where an earlier process may have begun: the destination is asked before anything is sent.
    pub resumed: bool,
    /// The object to make a new version of, where the policy is to replace it.
    pub replaces: Option<ItemKey>,
}

impl std::fmt::Debug for Put<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Put({:?}, {} bytes)", self.path, self.content.size().0)
    }
}

/// The answer to an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// The destination took it and says what it holds now.
    Held(Holding),
    /// Something already stands under that name, and it is not known to be ours.
    Occupied(Found),
}

/// A file to be copied by the service itself.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The source's own identity of the drive.
    pub from_drive: String,
    /// The item there.
    pub from_item: ItemKey,
    /// The folder it goes into.
    pub parent: ItemKey,
    /// The name there.
    pub name: String,
    /// Where a person looks for it.
    pub path: RelPath,
    /// Where the store may remember the copy's monitor.
    pub memo: MemoKey,
}

/// A place that files go to.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What it can do.
    fn caps(&self) -> &DestinationCaps;

    /// What it resolved to, kept as the job's identity.
    fn identity(&self) -> String;

    /// The id of the folder that all paths begin at.
    fn root(&self) -> ItemKey;

    /// Says why a name or path cannot stand there; `None` where it can. `path` counts from the root.
    fn refuses(&self, path: &RelPath, folder: bool) -> Option<(Reason, String)>;

    /// The nearest name that it takes, for the name policy `map`: reversible, deterministic.
    fn maps(&self, name: &str) -> String;

    /// Starts a listing of everything it holds, or of what changed since a cursor.
    async fn changes(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError>;

    /// Lists one folder's direct children, to see again what an incremental listing may not show: a hash
    /// that was published late. Pages as in [`Source::children`](crate::store::Source::children). A place that publishes no digest is
    /// never asked and need not answer.
    async fn children(
        &self,
        folder: &ItemKey,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        drop(page);
        Err(StoreError::new(
            ErrorKind::Unsupported,
            "list",
            folder.as_str(),
            "this place publishes no digests",
        ))
    }

    /// Looks for one name in one folder. Names are compared as the destination compares them.
    async fn find(&self, parent: &ItemKey, name: &str) -> Look<Found>;

    /// Makes a folder, or adopts the one that is there. Repeating it changes nothing.
    ///
    /// # Errors
    /// `Exists` with reason `folder-is-file` where a file stands there.
    async fn ensure_folder(
        &self,
        parent: &ItemKey,
        name: &str,
        path: &RelPath,
    ) -> Result<ItemKey, StoreError>;

    /// Sets the times of folders after they were filled, at most 20 a call, in one request where the
    /// service allows. One answer a folder, in order. Repeating it changes nothing.
    async fn set_folder_times(&self, folders: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>>;

    /// Uploads one file. After a kill at any point, calling it again with `resumed` finishes the
    /// same upload or finds that it was finished; it never makes a second object or version.
    async fn upload(&self, put: Put<'_>) -> Result<Landed, StoreError>;

    /// Gives up an upload that was begun, so that nothing of it is left at the destination.
    async fn abandon(&self, memo: &MemoKey) -> Result<(), StoreError>;

    /// How many changes the next [`Destination::publish`] should carry so that they leave as one: at most
    /// [`DestinationCaps::batch`]. The store learns from each batch, so it is asked before every one.
    fn batch_now(&self) -> usize {
        self.caps().batch.unwrap_or(1)
    }

    /// Carries out many changes as one, where the destination takes batches ([`DestinationCaps::batch`]).
    ///
    /// One answer a change, in order: for a file put or moved what the destination *shows* to hold now,
    /// read anew after the change was made; `None` for a deletion. What the destination already holds at
    /// that path is not sent again. Where the reply to the decisive request is lost, the store looks
    /// whether it was carried out before it answers or repeats it.
    ///
    /// # Errors
    /// What concerns the whole batch; nothing is known of its changes then, and looking comes first.
    async fn publish(
        &self,
        changes: Vec<Change>,
    ) -> Result<Vec<Result<Option<Holding>, StoreError>>, StoreError> {
        let detail = "this place takes files one by one";
        Err(StoreError::new(ErrorKind::Unsupported, "publish", format!("{} changes", changes.len()), detail))
    }

    /// Copies within the service; no byte passes through us.
    async fn copy_from(&self, copy: Copy) -> Result<Landed, StoreError>;

    /// Reads an object back from an offset on.
    async fn read(&self, item: &ItemKey, from: u64) -> Result<Body, StoreError>;

    /// Moves or renames an object within the destination; no byte is sent. Where it already stands there,
    /// nothing is changed.
    ///
    /// # Errors
    /// `Changed` where the object is no longer what is described; `Exists` where something else stands there.
    async fn relocate(&self, from: &Holding, parent: &ItemKey, name: &str) -> Result<Holding, StoreError> {
        Err(unable("move", &from.item, &format!("to {name} in {parent}: this place moves nothing")))
    }

    /// Takes an object away so that it can be brought back: into the recycle bin. Taking it away again changes nothing.
    ///
    /// # Errors
    /// `Changed` where the object is no longer what is described.
    async fn remove(&self, from: &Holding) -> Result<(), StoreError> {
        Err(unable("remove", &from.item, "this place keeps nothing that was removed"))
    }

    /// Takes away something of our own that is no file of any job (an old snapshot of the ledger): as
    /// [`Destination::remove`], and for good where the place has nothing like a recycle bin.
    ///
    /// # Errors
    /// As [`Destination::remove`].
    async fn discard(&self, from: &Holding) -> Result<(), StoreError> {
        self.remove(from).await
    }

    /// Sets the times of an object and says what it is then. Repeating it changes nothing, but may cost a version.
    ///
    /// # Errors
    /// As for any write.
    async fn set_times(&self, item: &ItemKey, times: Times) -> Result<Holding, StoreError> {
        let _ = times;
        Err(unable("set the times of", item, "this place keeps no times"))
    }

    /// When each version of an object was made, the newest first; one where the place keeps none.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    async fn versions(&self, item: &ItemKey) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let _ = item;
        Ok(vec![None])
    }

    /// What people and programs deleted here and can still be brought back, in pages as in [`Source::children`](crate::store::Source::children).
    ///
    /// # Errors
    /// Where it cannot be read: then nobody knows who deleted what.
    async fn bin(&self, page: Option<Cursor>) -> Result<(Vec<Binned>, Option<Cursor>), StoreError> {
        drop(page);
        Ok((Vec::new(), None))
    }
}

/// Something that was deleted and can still be brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binned {
    /// Where it lay, counted from the destination's root; `None` where the place says nothing that could be used.
    pub path: Option<RelPath>,
    /// Its size.
    pub size: ByteSize,
    /// Who deleted it, where the place says that.
    pub by: Option<String>,
}

fn unable(operation: &'static str, item: &ItemKey, detail: &str) -> StoreError {
    StoreError::new(ErrorKind::Unsupported, operation, item.as_str(), detail)
}
