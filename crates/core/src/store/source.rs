//! [`Source`]: a place that files come from.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::digest::Algo;
use crate::error::{Look, StoreError};
use crate::store::{Bearer, Entry, Holding, LeftBehind, LeftPrices, Listed, Listing, Prices};
use crate::transport::Body;
use crate::words::{ByteSize, Cursor, ItemKey, SourceId};

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
