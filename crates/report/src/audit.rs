//! The outcome of the last second enumeration, kept as a memo of the job: the engine's report is not stored.

use jiff::Timestamp;
use landfall_core::engine::AuditReport;
use landfall_core::ledger::Ledger;
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::{JobId, StoreError};
use serde::{Deserialize, Serialize};

const KIND: &str = "audit";
const KEY: &str = "last";
/// Differences that are kept; a memo is some KiB.
const KEPT: usize = 20;
/// Characters of one that are kept.
const LENGTH: usize = 300;

/// What the last second enumeration of the sources found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When it ended.
    pub at: Timestamp,
    /// Folders visited.
    pub folders: u64,
    /// Files seen.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the sources say they hold, where they do.
    pub usage: Option<u64>,
    /// Places where the two enumerations disagree.
    pub different: u64,
    /// The first of them, one sentence each.
    pub differences: Vec<String>,
    /// Changes that a last incremental listing showed.
    pub changed_meanwhile: u64,
    /// Set where both agree and nothing changed meanwhile.
    pub complete_as_of: Option<Timestamp>,
}

impl Audit {
    /// What the engine found, ended at a moment.
    #[must_use]
    pub fn of(report: &AuditReport, at: Timestamp) -> Self {
        let cut = |text: &String| text.chars().take(LENGTH).collect();
        Self {
            at,
            folders: report.folders,
            files: report.files,
            bytes: report.bytes.0,
            usage: report.usage.map(|usage| usage.0),
            different: report.different,
            differences: report.differences.iter().take(KEPT).map(cut).collect(),
            changed_meanwhile: report.changed_meanwhile,
            complete_as_of: report.complete_as_of,
        }
    }

    /// Keeps it in the ledger in place of the one before.
    ///
    /// # Errors
    /// Where the ledger cannot be written.
    pub async fn keep(&self, ledger: &dyn Ledger, job: JobId) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        ledger.remember(&MemoKey::new(job, KIND, KEY), MemoValue { text, secret: false, expires: None }).await
    }

    /// Reads the last one; `None` where there was none.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub async fn last(ledger: &dyn Ledger, job: JobId) -> Result<Option<Self>, StoreError> {
        let text = ledger.memo(&MemoKey::new(job, KIND, KEY)).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}
