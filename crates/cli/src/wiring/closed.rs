//! A job whose source is gone for good: the memo that says so, and what stands in the source's place.
//!
//! The place is never asked for, not even resolved. Whatever would need its bytes fails for that one file; what
//! would list it does not begin.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::engine::Slot;
use landfall_core::ledger::{Ledger, SourceRow};
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::store::{Entry, Listed, Listing, Opening, Prices, Source, SourceCaps};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Code, ErrorKind, JobId, Look, StoreError};
use rust_i18n::t;

use crate::config::JobConfig;
use crate::error::CommandError;
use crate::ui;

const KIND: &str = "closed";
const KEY: &str = "source";

/// Since when a job is closed; nothing where it is not.
pub(crate) async fn since(ledger: &dyn Ledger, job: JobId) -> Result<Option<Timestamp>, StoreError> {
    let text = ledger.memo(&MemoKey::new(job, KIND, KEY)).await?;
    // A moment that cannot be read still says that it is closed.
    Ok(text.map(|text| text.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
}

/// Closes a job.
pub(crate) async fn mark(ledger: &dyn Ledger, job: JobId, at: Timestamp) -> Result<(), StoreError> {
    let value = MemoValue { text: at.to_string(), secret: false, expires: None };
    ledger.remember(&MemoKey::new(job, KIND, KEY), value).await
}

/// Opens it again.
pub(crate) async fn unmark(ledger: &dyn Ledger, job: JobId) -> Result<(), StoreError> {
    ledger.forget(&MemoKey::new(job, KIND, KEY)).await
}

/// The refusal of a command that lists or moves.
pub(super) fn refusal(job: &str, since: Timestamp) -> CommandError {
    let detail = format!("{job} was closed at {}: its source is gone for good", ui::moment(since));
    CommandError::new(Code::SourceClosed, detail).hinted(t!("job.refused", job = job))
}

/// The sources that the ledger knows and the configuration still names, each with nothing behind it.
///
/// # Errors
/// Code `BadConfig` where a user's name makes the destination no path.
pub(super) fn slots(
    job: &JobConfig,
    known: &[SourceRow],
    since: Timestamp,
) -> Result<Vec<Slot>, CommandError> {
    let mut slots = Vec::with_capacity(known.len());
    for spec in &job.sources {
        let Some(row) = known.iter().find(|row| row.label == spec.label) else { continue };
        let identity = row.identity.split(" path ").next().unwrap_or_default().to_owned();
        let source = Closed { label: spec.label.clone(), identity, since, caps: caps() };
        slots.push(Slot {
            id: row.id,
            label: spec.label.clone(),
            source: Arc::new(source),
            scope: spec.path.clone(),
            prefix: job.prefix(&spec.user)?,
        });
    }
    Ok(slots)
}

fn caps() -> SourceCaps {
    SourceCaps {
        publishes: Vec::new(),
        prepare_batch: 1,
        incremental: false,
        copy_realm: None,
        prices: Prices::default(),
        gathers: false,
    }
}

/// What stands in a source's place.
struct Closed {
    label: String,
    identity: String,
    since: Timestamp,
    caps: SourceCaps,
}

impl Closed {
    fn gone(&self, operation: &'static str) -> StoreError {
        let detail = format!("the job was closed at {}: its source is gone for good", ui::moment(self.since));
        StoreError::new(ErrorKind::Rejected, operation, self.label.clone(), detail)
    }
}

#[async_trait]
impl Source for Closed {
    fn caps(&self) -> &SourceCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn list(&self, _since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Err(self.gone("list").with_code(Code::SourceClosed))
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        entries.iter().map(|_| Err(self.gone("prepare"))).collect()
    }

    async fn open(&self, _entry: &Entry, _opening: &Opening, _from: u64) -> Result<Body, StoreError> {
        Err(self.gone("open"))
    }

    async fn look(&self, _entry: &Entry) -> Look<Entry> {
        Look::Unknown(self.gone("look at"))
    }

    async fn children(
        &self,
        _folder: Option<&ItemKey>,
        _page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        Err(self.gone("list").with_code(Code::SourceClosed))
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        Err(self.gone("ask").with_code(Code::SourceClosed))
    }
}
