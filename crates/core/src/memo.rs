//! What a store must remember over a restart: upload sessions, folder ids, hash states, quota windows.
//!
//! A memo is a small text under (job, kind, key). Secrets (pre-authenticated URLs) are sealed by the
//! ledger before they touch a disk. A lost memo costs repeated work, never a file.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::words::JobId;

/// The name of one memo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoKey {
    /// The job it belongs to.
    pub job: JobId,
    /// What kind of thing it is ("session", "hash", "window", "csv").
    pub kind: &'static str,
    /// Which one of that kind.
    pub key: String,
}

impl MemoKey {
    /// Names a memo.
    #[must_use]
    pub fn new(job: JobId, kind: &'static str, key: impl Into<String>) -> Self {
        Self { job, kind, key: key.into() }
    }
}

/// The text of one memo and how it is to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct MemoValue {
    /// The text, at most some KiB.
    pub text: String,
    /// True for what must not lie readable on a disk.
    pub secret: bool,
    /// When it loses its worth; it may be erased from then on.
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for MemoValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoValue({} bytes{})", self.text.len(), if self.secret { ", secret" } else { "" })
    }
}

/// Keeps memos. Every call is durable when it returns.
#[async_trait]
pub trait Memo: Send + Sync {
    /// Reads one; `None` where there is none, or where the key that sealed it is lost.
    async fn memo(&self, key: &MemoKey) -> Result<Option<String>, StoreError>;

    /// Writes one, replacing what was there.
    async fn remember(&self, key: &MemoKey, value: MemoValue) -> Result<(), StoreError>;

    /// Erases one; nothing happens where there is none.
    async fn forget(&self, key: &MemoKey) -> Result<(), StoreError>;

    /// Lists the keys of one kind, ascending, at most `limit` after `after`.
    async fn memos(
        &self,
        job: JobId,
        kind: &'static str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;
}
