//! The seams to places that hold files: [`Source`] lists and gives, [`Destination`] takes and shows.
//!
//! The engine asks a store's capabilities and never its kind. A listing is a sequence of pages, each
//! with a cursor that the ledger keeps in the same transaction as the page, so that a killed crawl
//! goes on where it was. Order within a listing is not promised: children may come before parents,
//! one key may come many times (the last one counts), pages may be empty.

mod aside;
mod left;
mod listing;
mod walk;

pub use aside::Aside;
pub use left::{Aspect, Audience, Bearer, Grant, LeftBehind, LeftPrices, Person, Unasked};
pub use listing::{Authors, Entry, Listed, ListedFolder, Listing, Page};
pub use walk::{folder_at, make_folder_at};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::digest::Algo;
use crate::error::{ErrorKind, Look, StoreError};
use crate::memo::MemoKey;
use crate::proof::Evidence;
use crate::state::Reason;
use crate::transport::Body;
use crate::words::{ByteSize, Cursor, ItemKey, RelPath, Revision, SourceId, Times};

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
    /// Moving, dating or removing one object.
    pub amend: Fee,
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
    /// True where the bytes of its entries must first be gathered ([`Source::gather`]).
    pub gathers: bool,
}

/// How much a source is to gather in one stage, so that what waits on disk stays bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// At most this many files.
    pub files: u64,
    /// At most about this many bytes.
    pub bytes: ByteSize,
    /// What was settled for good earlier is looked at again.
    pub again: bool,
    /// Only what somebody asked for by name; the rest waits for another run.
    pub wanted_only: bool,
}

/// What one stage of gathering amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Files whose bytes are at hand now.
    pub ready: u64,
    /// Files settled for good: the place they came from no longer has them.
    pub settled: u64,
    /// Files whose try failed and that are tried again by a later run.
    pub postponed: u64,
    /// True where there is more to gather.
    pub more: bool,
}

/// What the source's owner wants to be told once a file is proven, kept with the proof until it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owe {
    /// The source that is told.
    pub source: SourceId,
    /// What it is about (for a catalogue: the post); everything owed to one subject is told together.
    pub subject: String,
    /// The source's own text.
    pub text: String,
}

/// Something owed, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Ascends within a job.
    pub seq: i64,
    /// What is owed to whom.
    pub owe: Owe,
    /// Since when.
    pub at: Timestamp,
}

/// What became of telling one thing owed.
#[derive(Debug)]
pub enum Told {
    /// It is written there.
    Done,
    /// What stands there is no longer what it was, and nothing was written; in words.
    Conflict(String),
    /// Telling failed; it stays owed.
    Failed(StoreError),
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

    /// Brings bytes of listed entries within reach (downloads them), so that the next listing gives them
    /// as files with their true names and sizes. Killed and repeated it goes on.
    ///
    /// # Errors
    /// What concerns every file; a single file's trouble stands on its entry in the next listing.
    async fn gather(&self, stage: Gather) -> Result<Gathered, StoreError> {
        let _ = stage;
        Ok(Gathered::default())
    }

    /// True for entries that this run is about, where the source was narrowed by its own words (a user, a
    /// table).
    fn takes(&self, entry: &Entry) -> bool {
        let _ = entry;
        true
    }

    /// What the source's owner is owed once this entry is proven to be held so: kept in the transaction
    /// that records the proof. `None` where nobody waits for word. The engine fills in the source.
    async fn receipt(&self, entry: &Entry, holding: &Holding) -> Option<Owe> {
        let _ = (entry, holding);
        None
    }

    /// Tells what is owed; one answer each, in order. Repeating what was told before changes nothing.
    async fn acknowledge(&self, owed: &[Owed]) -> Vec<Told> {
        owed.iter().map(|_| Told::Done).collect()
    }

    /// What asking what stays behind costs; `None` where this kind of source has no sharing, versions and labels to
    /// tell of.
    fn left_prices(&self) -> Option<LeftPrices> {
        None
    }

    /// Says what of each thing stays behind when it is moved; one answer each, in order. Changes nothing.
    async fn left_behind(&self, things: &[Bearer]) -> Vec<Look<LeftBehind>> {
        things.iter().map(|_| Look::Present(LeftBehind::default())).collect()
    }

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

    /// What people and programs deleted here and can still be brought back, in pages as in [`Source::children`].
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
