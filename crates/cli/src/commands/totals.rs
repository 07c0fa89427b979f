//! What commands say of a job in the same words: totals, and each source where there are many.

use landfall_core::ledger::{JobHandle, Ledger, SourceRow};
use landfall_core::{Code, JobId, SourceId, StoreError};
use rust_i18n::t;

use crate::config::JobConfig;
use crate::error::CommandError;
use crate::ui::{SourceSummary, skipped, states};
use crate::wiring::{FailedSource, Session, unresolved};

/// A job that the ledger knows, without the lease.
pub(crate) async fn known(ledger: &dyn Ledger, name: &str) -> Result<JobHandle, CommandError> {
    if let Some(handle) = ledger.find_job(name).await? {
        return Ok(handle);
    }
    let detail = format!("the ledger knows nothing of {name:?} yet");
    let error = CommandError::new(Code::Incomplete, detail).titled("status.not_run");
    Err(error.hinted(t!("status.never", job = name)))
}

/// The sources that could not be reached when the job was last opened. Whoever has left the list since then
/// is not missed.
pub(crate) async fn missed(
    ledger: &dyn Ledger,
    job: JobId,
    config: &JobConfig,
) -> Result<Vec<FailedSource>, StoreError> {
    let mut missed = unresolved(ledger, job).await?;
    missed.retain(|one| config.sources.iter().any(|spec| spec.label == one.label));
    Ok(missed)
}

/// Each source of a session, where there are many or one failed.
pub(crate) async fn sources(session: &Session) -> Result<Vec<SourceSummary>, StoreError> {
    if session.job.slots.len() + session.failed.len() < 2 {
        return Ok(Vec::new());
    }
    let rows: Vec<(SourceId, &str)> = session.job.slots.iter().map(|s| (s.id, s.label.as_str())).collect();
    let mut all = each(session.engine.ledger.as_ref(), session.job.handle.id, &rows).await?;
    all.extend(session.failed.iter().map(failed));
    Ok(all)
}

/// Each source that the ledger knows or that could not be reached, where there are many or one failed.
pub(crate) async fn known_sources(
    ledger: &dyn Ledger,
    job: JobId,
    unresolved: &[FailedSource],
) -> Result<Vec<SourceSummary>, StoreError> {
    let known: Vec<SourceRow> = ledger.sources(job).await?;
    if known.len() < 2 && unresolved.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(SourceId, &str)> = known.iter().map(|s| (s.id, s.label.as_str())).collect();
    let mut all = each(ledger, job, &rows).await?;
    for source in unresolved {
        // One that was reached earlier keeps its numbers.
        match all.iter_mut().find(|known| known.source == source.label) {
            Some(known) => (known.complete, known.error) = (false, Some(source.error.json())),
            None => all.push(failed(source)),
        }
    }
    Ok(all)
}

async fn each(
    ledger: &dyn Ledger,
    job: JobId,
    rows: &[(SourceId, &str)],
) -> Result<Vec<SourceSummary>, StoreError> {
    let mut all = Vec::with_capacity(rows.len());
    for (id, label) in rows {
        let tally = ledger.tally(job, Some(*id)).await?;
        all.push(SourceSummary {
            source: (*label).to_owned(),
            states: states(&tally),
            skipped: skipped(&tally),
            complete: tally.complete(),
            error: None,
        });
    }
    Ok(all)
}

fn failed(source: &FailedSource) -> SourceSummary {
    SourceSummary {
        source: source.label.clone(),
        states: states(&Default::default()),
        skipped: Default::default(),
        complete: false,
        error: Some(source.error.json()),
    }
}
