//! What an upload or a copy must know after a restart, as the text of a memo.
//!
//! Owns the format (versioned JSON). The URLs in it are secrets: the memo is marked so.

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::memo::{Memo, MemoKey, MemoValue};
use serde::{Deserialize, Serialize};

/// The format's version.
const VERSION: u8 = 1;

/// Work at the service that was begun.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    v: u8,
    pub(crate) begun: Begun,
    /// Size of the content, in bytes.
    pub(crate) size: u64,
    /// The mark of the object that is to be replaced, as it was before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) was: Option<String>,
    /// When the service forgets it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) expires: Option<Timestamp>,
}

/// What kind of work.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Begun {
    /// An upload session with its pre-authenticated URL.
    Session(String),
    /// The PUT of an empty file.
    Empty,
    /// A copy with its monitor's URL.
    Copy(String),
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.begun {
            Begun::Session(_) => "Remembered(session)",
            Begun::Empty => "Remembered(empty)",
            Begun::Copy(_) => "Remembered(copy)",
        })
    }
}

impl Remembered {
    pub(crate) fn new(begun: Begun, size: u64) -> Self {
        Self { v: VERSION, begun, size, was: None, expires: None }
    }

    /// Reads what is remembered; a text of another version or a broken one is as good as lost.
    pub(crate) async fn recall(memo: &dyn Memo, key: &MemoKey) -> Result<Option<Self>, StoreError> {
        let text = memo.memo(key).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).filter(|have: &Self| have.v == VERSION))
    }

    /// Writes it down, durable when this returns.
    pub(crate) async fn keep(&self, memo: &dyn Memo, key: &MemoKey) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let value = MemoValue { text, secret: true, expires: self.expires };
        memo.remember(key, value).await
    }
}
