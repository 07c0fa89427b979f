//! The seams to places that hold files: [`Source`] lists and gives, [`Destination`] takes and shows.
//!
//! The engine asks a store's capabilities and never its kind. A listing is a sequence of pages, each
//! with a cursor that the ledger keeps in the same transaction as the page, so that a killed crawl
//! goes on where it was. Order within a listing is not promised: children may come before parents,
//! one key may come many times (the last one counts), pages may be empty.

mod listing;

pub use listing::{Entry, Listed, ListedFolder, Listing, Page};

use async_trait::async_trait;
use bytes::Bytes;

use crate::digest::Algo;
use crate::error::{ErrorKind, Look, StoreError};
use crate::memo::MemoKey;
use crate::proof::Evidence;
use crate::state::Reason;
use crate::transport::Body;
use crate::words::{ByteSize, Cursor, ItemKey, RelPath, Revision, Times};

/// What one kind of step costs: requests on the wire and units of the service's own price list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fee {
    /// Requests.
    pub requests: u64,
    /// Units (for Graph: resource units).
    pub units: u64,
}

/// A store's price list, by which `plan` says beforehand what a job will cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// One page of a listing (1,000 items).
    pub page: Fee,
    /// One `prepare` of a whole batch (its inner requests included in the units).
    pub prepare: Fee,
    /// Opening one file's bytes.
    pub open: Fee,
    /// Opening one upload.
    pub upload: Fee,
    /// One fragment of an upload.
    pub fragment: Fee,
    /// Uploading one empty file, all told.
    pub empty_file: Fee,
    /// Making one folder and setting its times.
    pub folder: Fee,
    /// One copy by the service.
    pub copy: Fee,
}

/// What a source can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCaps {
    /// The digests its listing usually carries; none means that the source leg is `unpublished`.
    pub publishes: Vec<Algo>,
    /// How many entries one `prepare` takes best (20 for a Graph batch, 1 where it costs nothing).
    pub prepare_batch: usize,
    /// True where a listing can go on from an earlier cursor and then holds only changes.
    pub incremental: bool,
    /// The tenant (or machine) within which a destination could copy by itself.
    pub copy_realm: Option<String>,
    /// What its steps cost.
    pub prices: Prices,
}

/// A place that files come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it can do.
    fn caps(&self) -> &SourceCaps;

    /// What it resolved to (drive id, folder), kept as the job's identity.
    fn identity(&self) -> String;

    /// Starts a listing of everything, or of what changed since a cursor.
    ///
    /// # Errors
    /// Where not even the start is possible; an expired cursor is not an error, the listing then
    /// restarts in full and says so in its first page.
    async fn list(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError>;

    /// Gets ready to open entries, for instance by fetching short-lived download URLs in one batch.
    ///
    /// The answer has one element an entry, in order.
    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>>;

    /// Opens an entry's bytes from an offset on. A body may end early or break: the caller counts.
    ///
    /// # Errors
    /// `Changed` or `NotFound` where the entry is no longer what was listed; where the opening has
    /// expired the store renews it by itself and looks whether the entry is still the same.
    async fn open(&self, entry: &Entry, opening: &Opening, from: u64) -> Result<Body, StoreError>;

    /// Looks one entry up again: its present size, digests and revision.
    async fn look(&self, entry: &Entry) -> Look<Entry>;

    /// Lists one folder's direct children, for the independent second enumeration. `page` is what the
    /// previous answer gave; `None` begins. The folder `None` is the root.
    async fn children(
        &self,
        folder: Option<&ItemKey>,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError>;

    /// Bytes and files that the place itself says it holds, where it says so.
    async fn usage(&self) -> Result<Option<ByteSize>, StoreError>;
}

/// A key to an entry's bytes, short-lived and never stored. The text is the store's own.
#[derive(Clone)]
pub struct Opening {
    /// What the store needs (a pre-authenticated URL); empty where nothing is needed.
    pub token: String,
    /// The entry as it is now, where preparing told.
    pub entry: Option<Entry>,
}

impl std::fmt::Debug for Opening {
    /// The token is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening(..)")
    }
}

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
    /// What its steps cost.
    pub prices: Prices,
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
    /// that was published late. Pages as in [`Source::children`]. A place that publishes no digest is
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

    /// Copies within the service; no byte passes through us.
    async fn copy_from(&self, copy: Copy) -> Result<Landed, StoreError>;

    /// Reads an object back from an offset on.
    async fn read(&self, item: &ItemKey, from: u64) -> Result<Body, StoreError>;
}
