//! What is remembered of the log between writes: its digest, the events it shows, its rotation.
//!
//! A lost memo costs that the next edit is compared with the ledger as it is now instead of with what
//! the log last said.

use jiff::Timestamp;
use landfall_core::ledger::Ledger;
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::{Code, ErrorKind, JobId, RunId, StoreError};
use serde::{Deserialize, Serialize};

const KIND: &str = "csv";
const KEY: &str = "upload_log";
const VERSION: u32 = 1;

/// Events read at a time.
const PAGE: usize = 1000;

/// One version of the file as we wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::export) struct Written {
    /// SHA-256 of its bytes, hex.
    pub(in crate::export) digest: String,
    /// Every event up to this one is in it.
    pub(in crate::export) from: i64,
    /// No event after this one is in it; those between happened while it was written.
    pub(in crate::export) to: i64,
}

/// The memo of one job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::export) struct LogMemo {
    version: u32,
    /// What lies on the disk.
    pub(in crate::export) current: Option<Written>,
    /// What is about to be put into its place, or already is after a kill.
    pub(in crate::export) pending: Option<Written>,
    /// SUCCESS rows that have not changed since are left out.
    pub(in crate::export) since: Option<Timestamp>,
    /// The run for which it was last rotated.
    pub(in crate::export) run: Option<RunId>,
}

impl Default for LogMemo {
    fn default() -> Self {
        Self { version: VERSION, current: None, pending: None, since: None, run: None }
    }
}

impl LogMemo {
    pub(in crate::export) async fn load(ledger: &dyn Ledger, job: JobId) -> Result<Self, StoreError> {
        let Some(text) = ledger.memo(&MemoKey::new(job, KIND, KEY)).await? else {
            return Ok(Self::default());
        };
        let memo: Self =
            serde_json::from_str(&text).map_err(|e| damaged("it cannot be read").with_source(e))?;
        if memo.version != VERSION {
            return Err(damaged("it was written by another version").with_code(Code::LedgerNewer));
        }
        Ok(memo)
    }

    pub(in crate::export) async fn save(&self, ledger: &dyn Ledger, job: JobId) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).map_err(|e| damaged("it cannot be written").with_source(e))?;
        ledger.remember(&MemoKey::new(job, KIND, KEY), MemoValue { text, secret: false, expires: None }).await
    }

    /// True where we wrote a file with this digest.
    pub(in crate::export) fn wrote(&self, digest: &str) -> bool {
        [&self.current, &self.pending].into_iter().flatten().any(|w| w.digest == digest)
    }

    /// Notes which of the two versions lies on the disk; false where it is neither.
    pub(in crate::export) fn settle(&mut self, digest: &str) -> bool {
        if self.pending.as_ref().is_some_and(|w| w.digest == digest) {
            self.current = self.pending.take();
        }
        self.current.as_ref().is_some_and(|w| w.digest == digest)
    }

    /// The newest event that any version shows; 0 before the first.
    pub(in crate::export) fn newest(&self) -> i64 {
        [&self.current, &self.pending].into_iter().flatten().map(|w| w.to).max().unwrap_or(0)
    }

    /// The events that an edited file may or may not show: those after the first number and up to the
    /// second. `None` where no version was ever written.
    pub(in crate::export) fn horizon(&self) -> Option<(i64, i64)> {
        let versions = [&self.current, &self.pending];
        let from = versions.into_iter().flatten().map(|w| w.from).min()?;
        Some((from, self.newest()))
    }
}

/// The number of the newest event, looking from a known one on.
pub(in crate::export) async fn newest_event(
    ledger: &dyn Ledger,
    job: JobId,
    known: i64,
) -> Result<i64, StoreError> {
    let mut newest = known;
    loop {
        let page = ledger.events(job, newest, PAGE).await?;
        let Some(last) = page.last() else { return Ok(newest) };
        newest = last.seq;
        if page.len() < PAGE {
            return Ok(newest);
        }
    }
}

fn damaged(detail: &'static str) -> StoreError {
    StoreError::new(ErrorKind::Rejected, "read memo", "upload log", detail).with_code(Code::LedgerCorrupt)
}
