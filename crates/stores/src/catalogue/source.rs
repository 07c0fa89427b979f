//! The catalogue as a source: posts without a backup, and what a repair wants, as entries.
//!
//! An entry's key is `table/id/stem`. A slot whose bytes are not at hand is listed as skipped with its
//! reason; gathering brings them within reach and keeps the outcome as a memo, so that a kill costs at most
//! the one try. What is proven is told to the database by compare-and-set. It knows no destination.

mod bytes;
mod correcting;
mod fetching;
mod gather;
mod listing;
mod slot;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::clock::Clock;
use landfall_core::error::Look;
use landfall_core::memo::Memo;
use landfall_core::state::Reason;
use landfall_core::store::{
    Entry, Gather, Gathered, Holding, Listed, Listing, Opening, Owe, Owed, Source, SourceCaps, Told,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey, SourceId};
use landfall_core::{Algo, ByteSize, ErrorKind, JobId, StoreError};

pub use self::correcting::{Correction, ListColumn};
use self::listing::CatalogueListing;
pub use self::slot::{AtHand, Lies, Outcome, Stand, Wanted, keys_of};
use self::slot::{MEDIA, WANTED, keep, recall};
use super::config::{Kinds, Narrowing};
use super::database::Catalogue;
use super::layout::Layout;
use super::local::LocalFiles;
use super::names::Folder;
use super::{Fetcher, Resolver};

/// What the source is made of.
pub struct SourceParts {
    /// The database.
    pub catalogue: Arc<Catalogue>,
    /// Where files go at the destination.
    pub layout: Layout,
    /// Keeps what became of each media file.
    pub memo: Arc<dyn Memo>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Downloads media; without it only local files are backed up.
    pub fetcher: Option<Arc<dyn Fetcher>>,
    /// Finds media anew.
    pub resolver: Option<Arc<dyn Resolver>>,
    /// What a proven object is called in the database.
    pub url_of: Box<dyn Fn(&Holding) -> String + Send + Sync>,
}

impl std::fmt::Debug for SourceParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceParts").field("catalogue", &self.catalogue).finish_non_exhaustive()
    }
}

/// The catalogue as a source of media files. Cloning it gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct CatalogueSource(Arc<Inner>);

/// What its handles and listings share.
struct Inner {
    parts: SourceParts,
    local: LocalFiles,
    scratch: bytes::Scratch,
    caps: SourceCaps,
    /// Tells this process's cursors from those of others.
    process: String,
    bound: OnceLock<(JobId, SourceId)>,
    changed: Mutex<Changed>,
    at: tokio::sync::Mutex<gather::Position>,
    resolver_down: AtomicBool,
    resolver_until: Mutex<Option<Timestamp>>,
}

/// Slots whose outcome changed in this process, in order.
#[derive(Debug, Default)]
struct Changed {
    seq: u64,
    keys: BTreeMap<u64, String>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl CatalogueSource {
    /// Makes the source. Nothing is opened beyond what the catalogue already has.
    #[must_use]
    pub fn new(parts: SourceParts) -> Self {
        let config = parts.catalogue.config();
        let local = LocalFiles::new(&config.roots);
        let scratch = bytes::Scratch::new(scratch_path(&config.state));
        let process = parts.clock.now().as_nanosecond().to_string();
        let caps = SourceCaps {
            publishes: vec![Algo::Sha256],
            prepare_batch: 100,
            incremental: true,
            gathers: true,
            ..SourceCaps::default()
        };
        Self(Arc::new(Inner {
            parts,
            local,
            scratch,
            caps,
            process,
            bound: OnceLock::new(),
            changed: Mutex::default(),
            at: tokio::sync::Mutex::default(),
            resolver_down: AtomicBool::new(false),
            resolver_until: Mutex::new(None),
        }))
    }

    /// Says whose memos its memos are and which source of the job it is, once the ledger knows both. Until
    /// then, and where it is never said, both are number 0; a second word changes nothing.
    pub fn bind(&self, job: JobId, source: SourceId) {
        self.0.bound.get_or_init(|| (job, source));
    }

    /// The database beneath.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.0.parts.catalogue
    }

    /// The local folders.
    #[must_use]
    pub fn local(&self) -> &LocalFiles {
        &self.0.local
    }

    /// Wants one media file, whatever the database says of its backup: the next gathering brings it, the
    /// next listing names it. Wanting it again changes nothing.
    ///
    /// # Errors
    /// Where it cannot be kept.
    pub async fn want(&self, wanted: &Wanted) -> Result<ItemKey, StoreError> {
        self.0.want(wanted).await
    }

    /// The key of the entry that [`CatalogueSource::want`] would answer with.
    ///
    /// # Errors
    /// Where the memos cannot be read.
    pub async fn key_of(&self, wanted: &Wanted) -> Result<ItemKey, StoreError> {
        self.0.key_of(wanted).await
    }

    /// What became of a slot so far; `None` where nothing was tried.
    ///
    /// # Errors
    /// Where the memos cannot be read.
    pub async fn outcome(&self, key: &ItemKey) -> Result<Option<Outcome>, StoreError> {
        self.0.outcome(&key.0).await
    }
}

impl Inner {
    fn job(&self) -> JobId {
        self.bound.get().map_or(JobId(0), |(job, _)| *job)
    }

    /// The key of a file that may be wanted. A file keeps the key that it was first wanted under.
    async fn key_of(&self, wanted: &Wanted) -> Result<ItemKey, StoreError> {
        let key = wanted.key();
        let Some(kind) = wanted.kind() else { return Ok(key) };
        let taken = match self.outcome(&key.0).await? {
            Some(known) => Some(known.promised.unwrap_or(known.folder)),
            None => recall::<Wanted>(self.parts.memo.as_ref(), self.job(), WANTED, &key.0)
                .await?
                .and_then(|other| other.kind()),
        };
        Ok(if taken.is_none_or(|other| other == kind) { key } else { wanted.key_beside(kind) })
    }

    async fn want(&self, wanted: &Wanted) -> Result<ItemKey, StoreError> {
        let key = self.key_of(wanted).await?;
        keep(self.parts.memo.as_ref(), self.job(), WANTED, &key.0, wanted).await?;
        if let Some(known) = self.outcome(&key.0).await? {
            let same = wanted.index.is_none_or(|index| known.index == Some(index));
            let index = wanted.index.or(known.index);
            let known = Outcome { replaces: wanted.replaces.clone(), index, ..known };
            let outcome = match known.stand {
                // Bytes at hand need no second gathering, where they are those that are meant.
                Stand::Ready if same => known,
                _ => known.stands(Stand::Waiting, Reason::AwaitingMedia, "wanted"),
            };
            self.settle(&key.0, &outcome).await?;
        }
        Ok(key)
    }

    async fn outcome(&self, key: &str) -> Result<Option<Outcome>, StoreError> {
        recall(self.parts.memo.as_ref(), self.job(), MEDIA, key).await
    }

    /// Keeps what became of a slot; the next listing names it.
    async fn settle(&self, key: &str, outcome: &Outcome) -> Result<(), StoreError> {
        keep(self.parts.memo.as_ref(), self.job(), MEDIA, key, outcome).await?;
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.seq += 1;
        let seq = changed.seq;
        changed.keys.insert(seq, key.to_owned());
        Ok(())
    }

    fn narrowing(&self) -> &Narrowing {
        &self.parts.catalogue.config().narrowing
    }

    /// True where a file of this kind is meant.
    fn takes_folder(&self, folder: Folder) -> bool {
        match self.narrowing().kind {
            None => true,
            Some(Kinds::Images) => folder == Folder::Images,
            Some(Kinds::Videos) => folder == Folder::Videos,
        }
    }

    /// The resolver, where there is one that answers.
    fn resolver(&self) -> Option<&Arc<dyn Resolver>> {
        let down = self.resolver_down.load(Ordering::Relaxed);
        self.parts.resolver.as_ref().filter(|_| !down)
    }

    fn resolver_until(&self) -> Option<Timestamp> {
        let until = *self.resolver_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|at| *at > self.parts.clock.now())
    }
}

fn scratch_path(state: &std::path::Path) -> PathBuf {
    state.join("media")
}

#[async_trait]
impl Source for CatalogueSource {
    fn caps(&self) -> &SourceCaps {
        &self.0.caps
    }

    fn identity(&self) -> String {
        self.0.parts.catalogue.identity()
    }

    async fn list(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Ok(Box::new(CatalogueListing::begin(Arc::clone(&self.0), since.as_ref())))
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        entries.iter().map(|_| Ok(Opening { token: String::new(), entry: None })).collect()
    }

    async fn open(&self, entry: &Entry, _: &Opening, from: u64) -> Result<Body, StoreError> {
        let file = self.0.unchanged(entry).await?;
        self.0.body(entry, &file, from).await
    }

    /// The entry as long as its bytes are those that were recorded; anything else is nobody's to send.
    async fn look(&self, entry: &Entry) -> Look<Entry> {
        match self.0.unchanged(entry).await {
            Ok(_) => Look::Present(entry.clone()),
            Err(error) if error.kind == ErrorKind::NotFound => Look::Absent,
            Err(error) => Look::Unknown(error),
        }
    }

    async fn children(
        &self,
        folder: Option<&ItemKey>,
        _: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        let mut listing = CatalogueListing::begin(Arc::clone(&self.0), None);
        let mut children: BTreeMap<ItemKey, Listed> = BTreeMap::new();
        while let Some(page) = listing.next().await? {
            for item in page.items {
                let (key, parent) = match &item {
                    Listed::File(entry) | Listed::Skipped { entry, .. } => (&entry.key, &entry.parent),
                    Listed::Folder(folder) => (&folder.key, &folder.parent),
                    Listed::Gone(_) => continue,
                };
                if parent.as_ref() == folder {
                    children.insert(key.clone(), item);
                }
            }
        }
        Ok((children.into_values().collect(), None))
    }

    async fn gather(&self, stage: Gather) -> Result<Gathered, StoreError> {
        self.0.gather_stage(stage).await
    }

    fn takes(&self, entry: &Entry) -> bool {
        let Some(post) = slot::post_of_key(&entry.key.0) else { return true };
        let parent = entry.parent.as_ref().map_or("", ItemKey::as_str);
        let username = self.0.parts.layout.username_in(parent).unwrap_or_default();
        let date = entry.times.created.map(|at| at.to_string()).unwrap_or_default();
        let folder = self.0.parts.layout.folder_in(parent);
        self.0.narrowing().takes(&post.table, username, &date)
            && folder.is_none_or(|folder| self.0.takes_folder(folder))
    }

    async fn receipt(&self, entry: &Entry, holding: &Holding) -> Option<Owe> {
        let post = slot::post_of_key(&entry.key.0)?;
        let outcome = match self.0.outcome(&entry.key.0).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(entry = %entry.key, error = %error.chain(), "what is owed is told by the URL alone");
                None
            }
        };
        let url = (self.0.parts.url_of)(holding);
        let text = telling::text(&entry.key.0, url, outcome.as_ref(), &self.0.parts.catalogue, &post);
        let source = self.0.bound.get().map_or(SourceId(0), |(_, source)| *source);
        Some(Owe { source, subject: post.to_string(), text })
    }

    async fn acknowledge(&self, owed: &[Owed]) -> Vec<Told> {
        self.0.tell(owed).await
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        Ok(None)
    }
}

/// Entries of posts that were named in one pass.
type Seen = BTreeSet<ItemKey>;
