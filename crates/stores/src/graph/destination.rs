//! A drive as a destination of files.
//!
//! Owns what the drive can do, what it refuses, and the meaning of its refusals for a file. The ways of
//! writing have modules of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::digest::Algo;
use landfall_core::error::Look;
use landfall_core::memo::{Memo, MemoKey};
use landfall_core::state::Reason;
use landfall_core::store::{
    Binned, Copy, Destination, DestinationCaps, Found, Holding, KeptTimes, Landed, Listed, Listing, Put,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Code, ErrorKind, RelPath, Retry, StoreError, Times};
use tokio::time::Instant;

use super::item::DriveItem;
use super::listing::Delta;
use super::names;
use super::place::{Fetched, Place, empty, source_refused, unexpected};
use super::resolve::Drive;
use crate::wire::Refusal;

/// Every fragment but the last is a multiple of this, in bytes.
// Source: reference/graph.md, section 8.3 (learn.microsoft.com, createUploadSession, read 2026-11).
pub(crate) const GRAIN: u64 = 320 * 1024;

/// A fragment must stay below this.
const FRAGMENT_LIMIT: u64 = 60 << 20;

/// Ten mebibytes: the largest size that the documentation recommends.
const FRAGMENT: u64 = 32 * GRAIN;

/// The largest file.
// Unverified: whether the 250 GB are decimal; the larger reading leaves the verdict to the service.
const LARGEST: ByteSize = ByteSize(250 << 30);

/// For so long a new item may seem not to be there.
const FRESH: Duration = Duration::from_secs(60);

/// Tries to read an item back, pauses included some forty seconds.
const READS: u32 = 7;

/// How long a locked item or a reserved name is left alone.
pub(crate) const LOCK_PAUSE: Duration = Duration::from_secs(300);

/// Extensions that libraries rewrite after an upload. Personal drives mostly do not.
// Source: reference/graph.md, section 13 (public issue threads; Microsoft publishes no list).
const REWRITTEN: &[&str] = &[
    "docx", "xlsx", "pptx", "docm", "xlsm", "pptm", "dotx", "xltx", "potx", "doc", "xls", "ppt", "dot",
    "pot", "pdf", "html", "htm", "aspx", "jpg", "jpeg", "png",
];

/// How a destination works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The size of an upload's fragments. It is cut to a multiple of 320 KiB below 60 MiB, at least one.
    pub fragment: ByteSize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fragment: ByteSize(FRAGMENT) }
    }
}

impl Settings {
    fn fragment(&self) -> ByteSize {
        let most = (FRAGMENT_LIMIT - 1) / GRAIN;
        ByteSize((self.fragment.0 / GRAIN).clamp(1, most) * GRAIN)
    }
}

/// A OneDrive or a document library that files go to.
pub struct GraphDestination {
    pub(super) place: Place,
    pub(super) memo: Arc<dyn Memo>,
    caps: DestinationCaps,
    pub(super) prefix: String,
    /// The host of the library's address.
    pub(super) host: String,
    /// Items that were made a moment ago: a 404 on them is not believed yet. Bounded by what is made in a minute.
    fresh: Mutex<BTreeMap<String, Instant>>,
}

impl std::fmt::Debug for GraphDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GraphDestination({})", self.place.label)
    }
}

impl GraphDestination {
    pub(super) fn new(place: Place, drive: &Drive, memo: Arc<dyn Memo>, settings: Settings) -> Self {
        let rewrites = if drive.is_library() { REWRITTEN } else { &[] };
        let caps = DestinationCaps {
            batch: None,
            publishes: vec![Algo::QuickXor],
            digest_first: false,
            rewrites: rewrites.iter().map(|&extension| extension.to_owned()).collect(),
            max_size: Some(LARGEST),
            copy_realm: Some(place.realm.clone()),
            fragment: settings.fragment(),
            incremental: true,
            // Unverified: that a folder's fileSystemInfo stays when something is put into the folder.
            keeps: KeptTimes { created: true, modified: true, folders: true },
            prices: super::PRICES,
        };
        Self {
            place,
            memo,
            caps,
            prefix: drive.prefix(),
            host: drive.host(),
            fresh: Mutex::new(BTreeMap::new()),
        }
    }

    /// Looks for one name in one folder, with the whole item.
    pub(super) async fn item_at(&self, parent: &ItemKey, name: &str) -> Look<DriveItem> {
        let url = self.place.address.child(parent.as_str(), name, None, "");
        self.place.look_at(url, "look for", name).await
    }

    /// The size of a fragment, in bytes.
    pub(super) fn caps_fragment(&self) -> u64 {
        self.caps.fragment.0
    }

    /// Notes that an item was made just now.
    pub(super) fn made(&self, item: &str) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.retain(|_, since| since.elapsed() < FRESH);
        fresh.insert(item.to_owned(), Instant::now());
    }

    /// True where an item is so new that the service may not know it everywhere.
    pub(super) fn is_fresh(&self, item: &ItemKey) -> bool {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.get(item.as_str()).is_some_and(|since| since.elapsed() < FRESH)
    }

    /// True where the service may change a file of this name after the upload.
    pub(super) fn may_rewrite(&self, name: &str) -> bool {
        name.rsplit_once('.').is_some_and(|(_, extension)| {
            self.caps.rewrites.iter().any(|rewritten| rewritten.eq_ignore_ascii_case(extension))
        })
    }
}

/// What stands under a name, from its item.
pub(super) fn found(item: &DriveItem) -> Option<Found> {
    let holding = item.holding()?;
    Some(if item.is_file() { Found::File(holding) } else { Found::Folder(holding.item) })
}

/// A refusal to write, with the reason that belongs on the file's row.
pub(super) fn write_refused(refusal: &Refusal, operation: &'static str, subject: &str) -> StoreError {
    let error = refusal.error(operation, subject);
    match error.kind {
        ErrorKind::Full => error.with_reason(Reason::DestinationFull),
        ErrorKind::Locked => {
            let error = error.with_reason(Reason::Locked).with_retry(Retry::After(LOCK_PAUSE));
            if refusal.is_closed() { error.with_code(Code::DestinationLocked) } else { error }
        }
        ErrorKind::Denied => error.with_reason(Reason::DestinationDenied),
        ErrorKind::Malware => error.with_reason(Reason::Malware),
        ErrorKind::Throttled => error.with_reason(Reason::Throttled),
        ErrorKind::Interrupted => error.with_reason(Reason::Interrupted),
        ErrorKind::Unsupported => error.with_reason(Reason::TooLarge),
        ErrorKind::Rejected => {
            let reason = rejected_for(refusal);
            error.with_reason(reason)
        }
        _ => error,
    }
}

/// Which rule a request broke, as far as the codes say.
fn rejected_for(refusal: &Refusal) -> Reason {
    if refusal.has("nameContainsInvalidCharacters") {
        Reason::NameIllegal
    } else if refusal.has("pathIsTooLong") {
        Reason::NameTooLong
    } else if refusal.has("invalidPath") {
        Reason::NameReserved
    } else if refusal.has("maxFileSizeExceeded") {
        Reason::TooLarge
    } else {
        Reason::Rejected
    }
}

#[async_trait]
impl Destination for GraphDestination {
    fn caps(&self) -> &DestinationCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        self.place.address.drive_id().to_owned()
    }

    fn root(&self) -> ItemKey {
        ItemKey(self.place.root.clone())
    }

    fn refuses(&self, path: &RelPath, folder: bool) -> Option<(Reason, String)> {
        names::refuses(&self.prefix, path, folder)
    }

    fn maps(&self, name: &str) -> String {
        names::maps(name)
    }

    async fn changes(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Ok(Box::new(Delta::new(self.place.clone(), since)))
    }

    async fn children(
        &self,
        folder: &ItemKey,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        self.place.children(Some(folder.as_str()), page).await
    }

    async fn find(&self, parent: &ItemKey, name: &str) -> Look<Found> {
        match self.item_at(parent, name).await {
            Look::Present(item) => match found(&item) {
                Some(found) => Look::Present(found),
                None => Look::Unknown(unexpected("look for", name, "the answer is no drive item")),
            },
            Look::Absent => Look::Absent,
            Look::Unknown(error) => Look::Unknown(error),
        }
    }

    async fn ensure_folder(
        &self,
        parent: &ItemKey,
        name: &str,
        path: &RelPath,
    ) -> Result<ItemKey, StoreError> {
        self.make_folder(parent, name, path).await
    }

    async fn set_folder_times(&self, folders: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>> {
        self.place.patch_times(folders).await
    }

    async fn upload(&self, put: Put<'_>) -> Result<Landed, StoreError> {
        if put.content.size().0 == 0 { self.upload_empty(put).await } else { self.upload_session(put).await }
    }

    async fn abandon(&self, memo: &MemoKey) -> Result<(), StoreError> {
        self.abandon_session(memo).await
    }

    async fn copy_from(&self, copy: Copy) -> Result<Landed, StoreError> {
        self.copy_within(copy).await
    }

    async fn read(&self, item: &ItemKey, from: u64) -> Result<Body, StoreError> {
        let subject = format!("item {item}");
        let mut last = None;
        for failures in 1..=READS {
            let url = match self.place.locate(item.as_str(), &subject).await {
                Ok(url) => url,
                // What landed a moment ago may not be known everywhere yet.
                Err(error) if error.kind == ErrorKind::NotFound && self.is_fresh(item) => {
                    last = Some(error);
                    self.pause(failures).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self.place.fetch(&url, from, &subject).await? {
                Fetched::Body(body) => return Ok(body),
                Fetched::PastEnd => return Ok(empty()),
                Fetched::Expired(refusal) => last = Some(source_refused(&refusal, &subject)),
            }
        }
        Err(last.unwrap_or_else(|| unexpected("read", &subject, "its address expired again and again")))
    }

    async fn relocate(&self, from: &Holding, parent: &ItemKey, name: &str) -> Result<Holding, StoreError> {
        self.move_item(from, parent, name).await
    }

    async fn remove(&self, from: &Holding) -> Result<(), StoreError> {
        self.remove_item(from).await
    }

    async fn set_times(&self, item: &ItemKey, times: Times) -> Result<Holding, StoreError> {
        self.date(item, times).await
    }

    async fn versions(&self, item: &ItemKey) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.versions_of(item).await
    }

    async fn bin(&self, page: Option<Cursor>) -> Result<(Vec<Binned>, Option<Cursor>), StoreError> {
        self.binned(page).await
    }
}
