//! What a capture leaves in the ledger: one memo that says when and whom it asked, and one for each page of answers.
//!
//! Owns the form of both. A page is written whole, so that progress and answers cannot part at a kill. Pages carry
//! their capture's number: a new capture takes the place of the one before only when it has ended.

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, StoreError};
use crate::ledger::Ledger;
use crate::memo::{MemoKey, MemoValue};
use crate::store::LeftBehind;
use crate::words::JobId;

/// The version of both forms.
const VERSION: u32 = 1;
const KIND: &str = "left";
const PAGES: &str = "left-page";
const LAST: &str = "last";
const UNDER_WAY: &str = "under-way";
/// Keys that are listed at a time.
const KEYS: usize = 200;

/// One capture of what stays behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    version: u32,
    pub(super) number: u64,
    /// When it began.
    pub begun: Timestamp,
    /// When it ended; `None` where it is under way or was cut off.
    pub ended: Option<Timestamp>,
    /// The sources that were asked, by their ids in the ledger.
    pub(super) sources: Vec<i64>,
    /// Sources of a kind that has nothing of the sort to tell.
    pub silent: Vec<String>,
    /// Sources that could not be reached: nothing of theirs was asked.
    pub unreached: Vec<String>,
}

/// How far a capture has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    /// Folders of this source up to this path.
    Folders(i64, String),
    /// All folders, and files up to this id.
    Files(i64),
}

/// One file or folder of which something stays behind, or of which that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// The source's label.
    pub source: String,
    /// The path from the source's root as it was then; empty for the root itself.
    pub path: String,
    /// True for a folder: what is said of its sharing holds for everything below.
    #[serde(default)]
    pub folder: bool,
    /// What stays behind. Of a file only grants of its own are kept.
    pub left: LeftBehind,
}

/// The answers about some files or folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapturedPage {
    version: u32,
    pub(super) at: Position,
    /// How many files were asked about.
    pub files: u64,
    /// How many folders.
    pub folders: u64,
    /// Those that the source no longer has.
    pub gone: u64,
    /// Those of sources that could not be reached.
    pub unreached: u64,
    /// Those with something to say.
    pub things: Vec<Captured>,
}

impl CapturedPage {
    pub(super) fn at(at: Position) -> Self {
        Self { version: VERSION, at, files: 0, folders: 0, gone: 0, unreached: 0, things: Vec::new() }
    }

    pub(super) fn asked(&self) -> u64 {
        self.files + self.folders
    }
}

fn unread(what: &str) -> StoreError {
    StoreError::new(ErrorKind::Rejected, "read", what, "this program does not know its form")
}

impl Capture {
    pub(super) fn new(number: u64, begun: Timestamp) -> Self {
        Self {
            version: VERSION,
            number,
            begun,
            ended: None,
            sources: Vec::new(),
            silent: Vec::new(),
            unreached: Vec::new(),
        }
    }

    /// The last one that ended; `None` where there is none.
    ///
    /// # Errors
    /// Where the ledger cannot be read, or another program wrote it.
    pub async fn last(ledger: &dyn Ledger, job: JobId) -> Result<Option<Self>, StoreError> {
        Self::read(ledger, job, LAST).await
    }

    /// One that was begun and has not ended.
    ///
    /// # Errors
    /// As for [`Capture::last`].
    pub async fn under_way(ledger: &dyn Ledger, job: JobId) -> Result<Option<Self>, StoreError> {
        Self::read(ledger, job, UNDER_WAY).await
    }

    async fn read(ledger: &dyn Ledger, job: JobId, key: &str) -> Result<Option<Self>, StoreError> {
        let Some(text) = ledger.memo(&MemoKey::new(job, KIND, key)).await? else { return Ok(None) };
        let capture: Option<Self> = serde_json::from_str(&text).ok();
        capture.filter(|one| one.version == VERSION).map(Some).ok_or_else(|| unread("capture"))
    }

    pub(super) async fn begin(&self, ledger: &dyn Ledger, job: JobId) -> Result<(), StoreError> {
        self.write(ledger, job, UNDER_WAY).await
    }

    /// Takes the place of the one before, whose pages are then erased.
    pub(super) async fn end(&self, ledger: &dyn Ledger, job: JobId) -> Result<(), StoreError> {
        self.write(ledger, job, LAST).await?;
        ledger.forget(&MemoKey::new(job, KIND, UNDER_WAY)).await?;
        erase(ledger, job, &[self.number]).await
    }

    async fn write(&self, ledger: &dyn Ledger, job: JobId, key: &str) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        ledger.remember(&MemoKey::new(job, KIND, key), MemoValue { text, secret: false, expires: None }).await
    }

    /// Its pages, in the order in which they were asked.
    #[must_use]
    pub fn pages<'a>(&self, ledger: &'a dyn Ledger, job: JobId) -> CapturedPages<'a> {
        let prefix = prefix(self.number);
        CapturedPages { ledger, job, after: prefix.clone(), prefix, keys: VecDeque::new() }
    }

    pub(super) async fn keep(
        &self,
        ledger: &dyn Ledger,
        job: JobId,
        (nth, page): (u64, &CapturedPage),
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(page).unwrap_or_default();
        let key = MemoKey::new(job, PAGES, format!("{}{nth:012}", prefix(self.number)));
        ledger.remember(&key, MemoValue { text, secret: false, expires: None }).await
    }
}

fn prefix(number: u64) -> String {
    format!("{number:012}.")
}

/// Erases pages of captures that nobody needs any more.
pub(super) async fn erase(ledger: &dyn Ledger, job: JobId, needed: &[u64]) -> Result<(), StoreError> {
    let needed: Vec<String> = needed.iter().map(|number| prefix(*number)).collect();
    let mut after = String::new();
    loop {
        let keys = ledger.memos(job, PAGES, &after, KEYS).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after.clone_from(last);
        let idle = keys.iter().filter(|key| needed.iter().all(|prefix| !key.starts_with(prefix.as_str())));
        let names: Vec<MemoKey> = idle.map(|key| MemoKey::new(job, PAGES, key.clone())).collect();
        try_join_all(names.iter().map(|name| ledger.forget(name))).await?;
    }
}

/// The pages of one capture, read one by one.
pub struct CapturedPages<'a> {
    ledger: &'a dyn Ledger,
    job: JobId,
    prefix: String,
    after: String,
    keys: VecDeque<String>,
}

impl std::fmt::Debug for CapturedPages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CapturedPages(after {:?})", self.after)
    }
}

impl CapturedPages<'_> {
    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// Where the ledger cannot be read, or another program wrote it.
    pub async fn next(&mut self) -> Result<Option<CapturedPage>, StoreError> {
        if self.keys.is_empty() {
            let keys = self.ledger.memos(self.job, PAGES, &self.after, KEYS).await?;
            self.keys = keys.into_iter().take_while(|key| key.starts_with(&self.prefix)).collect();
        }
        let Some(key) = self.keys.pop_front() else { return Ok(None) };
        let text = self.ledger.memo(&MemoKey::new(self.job, PAGES, key.clone())).await?.unwrap_or_default();
        self.after = key;
        let page: Option<CapturedPage> = serde_json::from_str(&text).ok();
        page.filter(|page| page.version == VERSION).map(Some).ok_or_else(|| unread("captured page"))
    }
}
