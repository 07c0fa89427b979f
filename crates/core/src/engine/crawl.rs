//! The crawl: a source's listing goes into the ledger page by page, each with its cursor.
//!
//! Killed anywhere, it goes on from the last page's cursor; finished, the next one reads only changes.
//! A file may move only once the pass that named it is complete, because a listing promises neither
//! order nor a final path before its end.

use std::time::Duration;

use crate::code::Code;
use crate::engine::{Engine, Job, Slot};
use crate::error::{ErrorKind, Retry, StoreError};
use crate::ledger::{CursorRow, EnrolTally, Enrolment};
use crate::store::Page;

/// Pages are taken up again this often after a listing broke, before the crawl gives up.
const RESTARTS: u32 = 6;

/// What a crawl amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrawlReport {
    /// Totals over all pages.
    pub tally: EnrolTally,
    /// Pages read.
    pub pages: u64,
    /// Files whose place was decided.
    pub placed: u64,
    /// True where every source was listed in full by this crawl.
    pub full: bool,
    /// Of many sources, those that could not be listed to their end, with the error: the others go on,
    /// and nothing of these is moved in this run.
    pub failed: Vec<(String, String)>,
}

impl CrawlReport {
    /// Adds what a later crawl of the same run amounted to.
    pub(super) fn add(&mut self, later: Self) {
        self.full = later.full && (self.full || self.pages == 0);
        self.tally += later.tally;
        self.pages += later.pages;
        self.placed += later.placed;
        self.failed = later.failed;
    }
}

impl Engine {
    /// Lists every source of the job and places what was listed.
    ///
    /// # Errors
    /// A single source that cannot be listed ends it, and so does what concerns every source; of many
    /// sources, one with a trouble of its own is set aside. What was read stays, a repeat goes on there.
    pub async fn crawl(&self, job: &Job, full: bool) -> Result<CrawlReport, StoreError> {
        self.meter.phase(1);
        let mut report = CrawlReport { full: true, ..CrawlReport::default() };
        let mut listed = Vec::with_capacity(job.slots.len());
        for slot in &job.slots {
            match self.crawl_slot(job, slot, full, &mut report).await {
                Ok(()) => {
                    self.ledger.settle_tree(&job.handle, slot.id, self.clock.now()).await?;
                    listed.push(slot);
                }
                Err(error) if job.slots.len() > 1 && is_its_own(&error) => {
                    tracing::warn!(source = %slot.label, error = %error.chain(), "source set aside");
                    report.failed.push((slot.label.clone(), error.chain()));
                }
                Err(error) => return Err(error),
            }
        }
        report.placed = self.place(job, &listed).await?;
        Ok(report)
    }

    async fn crawl_slot(
        &self,
        job: &Job,
        slot: &Slot,
        full: bool,
        report: &mut CrawlReport,
    ) -> Result<(), StoreError> {
        let mut at = self.begin_pass(job, slot, full).await?;
        report.full &= at.full;
        let mut broken = 0;
        loop {
            match self.read_pages(job, slot, &mut at, report).await {
                Ok(()) => return Ok(()),
                Err(error) if !passes(&error) || broken >= RESTARTS => {
                    return Err(error);
                }
                Err(error) => {
                    broken += 1;
                    tracing::debug!(source = %slot.label, error = %error.chain(), "listing broke, going on from its cursor");
                    let pause = match error.retry {
                        Retry::After(pause) => pause,
                        _ => Duration::from_secs(1 << broken),
                    };
                    tokio::time::sleep(self.chance.jitter(pause)).await;
                    // A store that cannot go on mid-way lists anew, as a pass of its own.
                    at = match self.ledger.cursor(job.handle.id, slot.id).await? {
                        row if row.cursor.is_some() => row,
                        _ => self.ledger.begin_pass(&job.handle, slot.id, true).await?,
                    };
                }
            }
        }
    }

    /// Decides whether this crawl goes on with a pass, reads changes, or begins in full.
    async fn begin_pass(&self, job: &Job, slot: &Slot, full: bool) -> Result<CursorRow, StoreError> {
        let at = self.ledger.cursor(job.handle.id, slot.id).await?;
        let interrupted = at.pass > 0 && !at.complete && at.cursor.is_some();
        if interrupted && (at.full || !full) {
            return Ok(at);
        }
        let incremental = at.complete && at.cursor.is_some() && slot.source.caps().incremental && !full;
        self.ledger.begin_pass(&job.handle, slot.id, !incremental).await
    }

    async fn read_pages(
        &self,
        job: &Job,
        slot: &Slot,
        at: &mut CursorRow,
        report: &mut CrawlReport,
    ) -> Result<(), StoreError> {
        let mut listing = slot.source.list(at.cursor.clone()).await?;
        while let Some(page) = listing.next().await? {
            self.go_on(&slot.label)?;
            let Page { items, cursor, complete, restarted } = page;
            if restarted {
                *at = self.ledger.begin_pass(&job.handle, slot.id, true).await?;
                report.full = true;
            }
            self.meter.listed(items.len());
            report.pages += 1;
            let page =
                Enrolment { source: slot.id, pass: at.pass, items, cursor, complete, at: self.clock.now() };
            report.tally += self.ledger.enrol(&job.handle, page).await?;
            if complete {
                return Ok(());
            }
        }
        Err(StoreError::new(
            ErrorKind::Interrupted,
            "list",
            &slot.label,
            "the listing ended before its last page",
        ))
    }
}

/// True for an error after which a listing may be taken up again. A token that is refused twice may have
/// been revoked twice; where it is refused for good, the next tries say so too.
pub(super) fn passes(error: &StoreError) -> bool {
    match error.code {
        Some(code) => code == Code::TokenRefused,
        None => error.retry != Retry::Never,
    }
}

/// True for a trouble that only this one source has.
fn is_its_own(error: &StoreError) -> bool {
    let own = [Code::NoOneDrive, Code::DriveGone, Code::DestinationLocked, Code::SiteNotFound];
    error.kind != ErrorKind::Stopped && error.code.is_none_or(|code| own.contains(&code))
}
