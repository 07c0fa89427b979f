//! The only way that anything is ever deleted: what the source no longer has goes to the recycle bin, asked for by name.
//!
//! The number is counted and shown before, and where it is larger than was allowed nothing is deleted at all.

use crate::engine::survey::holding;
use crate::engine::{CrawlReport, Engine, Job};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::FileFilter;
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::words::{ByteSize, FileId};

const BATCH: usize = 500;

/// Names that a plan keeps.
const NAMED: usize = 20;

/// What a mirror would take away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorPlan {
    /// Files that landed and that the source no longer has.
    pub files: u64,
    /// Their bytes.
    pub bytes: ByteSize,
    /// The first of them, by the paths that they had at the source.
    pub first: Vec<String>,
}

/// What a mirror amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorReport {
    /// What was to be taken away.
    pub plan: MirrorPlan,
    /// Why nothing was, in words.
    pub refused: Option<String>,
    /// Files taken to the recycle bin.
    pub removed: u64,
    /// Files left because they are no longer what was proven, or could not be removed.
    pub left: u64,
}

impl Engine {
    /// Counts what a mirror would take away: from the ledger alone.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn plan_mirror(&self, job: &Job) -> Result<MirrorPlan, StoreError> {
        let mut plan = MirrorPlan::default();
        let mut after = FileId(0);
        loop {
            let rows = self.gone(job, after).await?;
            let Some(last) = rows.last() else { return Ok(plan) };
            after = last.id;
            plan.files += rows.len() as u64;
            plan.bytes.0 += rows.iter().map(|row| row.entry.size.0).sum::<u64>();
            let named = |row: &FileRow| row.path().map_or_else(|| row.entry.name.clone(), |p| p.to_string());
            plan.first.extend(rows.iter().take(NAMED - plan.first.len()).map(named));
        }
    }

    /// Says what a mirror after this crawl would be about, and why it would be refused. Takes nothing away.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn weigh_mirror(
        &self,
        job: &Job,
        crawl: &CrawlReport,
        most: u64,
    ) -> Result<MirrorReport, StoreError> {
        let plan = self.plan_mirror(job).await?;
        let files = plan.files;
        let mut report = MirrorReport { plan, ..MirrorReport::default() };
        let tally = self.ledger.tally(job.handle.id, None).await?;
        report.refused = if !crawl.failed.is_empty() {
            Some("a source could not be listed, so what is gone is not known".to_owned())
        } else if tally.all().files == 0 && files > 0 {
            Some("the source shows nothing at all: that is more likely a mistake than a wish".to_owned())
        } else if files > most {
            Some(format!("{files} files would be deleted, at most {most} were allowed"))
        } else {
            None
        };
        Ok(report)
    }

    /// Takes to the recycle bin what landed and the source no longer has, if it is at most `most` files.
    ///
    /// # Errors
    /// What must end the run. An object that is no longer what was proven stays.
    pub async fn mirror(
        &self,
        job: &Job,
        crawl: &CrawlReport,
        most: u64,
    ) -> Result<MirrorReport, StoreError> {
        let mut report = self.weigh_mirror(job, crawl, most).await?;
        if report.refused.is_some() {
            return Ok(report);
        }
        let mut after = FileId(0);
        loop {
            let rows = self.gone(job, after).await?;
            let Some(last) = rows.last() else { return Ok(report) };
            after = last.id;
            for row in rows {
                self.go_on("mirror")?;
                match self.remove_gone(job, row).await? {
                    true => report.removed += 1,
                    false => report.left += 1,
                }
            }
        }
    }

    async fn gone(&self, job: &Job, after: FileId) -> Result<Vec<FileRow>, StoreError> {
        let filter = FileFilter {
            standings: vec![Standing::Gone],
            states: vec![State::Success],
            ..FileFilter::default()
        };
        self.ledger.scan(job.handle.id, &filter, after, BATCH).await
    }

    async fn remove_gone(&self, job: &Job, mut row: FileRow) -> Result<bool, StoreError> {
        let Some(held) = row.holding.clone() else { return Ok(false) };
        let Some(found) = self.ledger.found_item(job.tree, &held.item).await? else { return Ok(false) };
        let there = holding(&found);
        // Somebody has worked with it since: it is no longer ours to take away.
        let touched = found.changed_by.is_some()
            || crate::proof::agree(&held.evidence, &there.evidence) == Some(false)
            || self.ledger.holders(job.handle.id, &held.item).await?.len() > 1;
        if touched {
            return Ok(false);
        }
        match job.destination.remove(&there).await {
            Ok(()) => {}
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
            Err(error) => {
                tracing::info!(file = %row.id, error = %error.chain(), "could not be removed");
                return Ok(false);
            }
        }
        let comment = "gone at the source; taken to the recycle bin".to_owned();
        let event = Event::Lapsed { reason: Reason::Mirrored, comment };
        self.note(&job.handle, &mut row, vec![event]).await?;
        Ok(true)
    }
}
