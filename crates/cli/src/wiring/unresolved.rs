//! Sources of a list that could not be reached, remembered in the ledger from one command to the next.
//!
//! A memo a label, written whenever a job is opened and erased once the label resolves or leaves the list:
//! what the ledger holds of the others never looks complete without them. Looks nothing up by itself.

use landfall_core::ledger::Ledger;
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::{Code, JobId, StoreError};

use super::FailedSource;
use crate::error::CommandError;

const KIND: &str = "unresolved";

/// Labels read at once.
const BATCH: usize = 500;

/// Remembers exactly these. Killed half way, the next opening does the rest.
pub(super) async fn keep(ledger: &dyn Ledger, job: JobId, failed: &[FailedSource]) -> Result<(), StoreError> {
    for label in labels(ledger, job).await? {
        if failed.iter().all(|source| source.label != label) {
            ledger.forget(&MemoKey::new(job, KIND, label)).await?;
        }
    }
    for FailedSource { label, error } in failed {
        let text = format!("{} {}", error.code, error.detail);
        let value = MemoValue { text, secret: false, expires: None };
        ledger.remember(&MemoKey::new(job, KIND, label.as_str()), value).await?;
    }
    Ok(())
}

/// The sources that could not be reached when the job was last opened.
pub(crate) async fn unresolved(ledger: &dyn Ledger, job: JobId) -> Result<Vec<FailedSource>, StoreError> {
    let mut all = Vec::new();
    for label in labels(ledger, job).await? {
        let Some(text) = ledger.memo(&MemoKey::new(job, KIND, label.as_str())).await? else { continue };
        let (code, detail) = text.split_once(' ').unwrap_or(("", &text));
        let code = Code::ALL.iter().copied().find(|known| known.to_string() == code);
        let error = CommandError::new(code.unwrap_or(Code::UnexpectedAnswer), detail);
        all.push(FailedSource { label, error });
    }
    Ok(all)
}

async fn labels(ledger: &dyn Ledger, job: JobId) -> Result<Vec<String>, StoreError> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().cloned().unwrap_or_default();
        let page = ledger.memos(job, KIND, &after, BATCH).await?;
        let last = page.len() < BATCH;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}
