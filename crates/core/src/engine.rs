//! The engine: drives files from a job's sources to its destination, and proves each.
//!
//! It knows stores, ledger, spool and clock only by their seams, and cannot tell one cloud from
//! another. Order of a run: list the sources, place what was listed, look at the destination once,
//! move, prove, look again for what is late. Everything it learns goes to the ledger before it acts
//! on it, so it may be dropped at any await and started anew (`docs/engine.md`).

mod adopt;
mod audit;
mod content;
mod crawl;
mod filter;
mod folders;
mod follow;
mod job;
mod left;
mod meter;
mod mirror;
mod mover;
mod parts;
mod place;
mod plan;
mod prove;
mod repair;
mod restore;
mod run;
mod sealing;
mod snapshot;
mod survey;
mod verify;

pub use adopt::AdoptReport;
pub use audit::AuditReport;
pub use crawl::CrawlReport;
pub use filter::{FilterError, Filters};
pub use job::{Job, MoveOptions, NamePolicy, Policy, Slot};
pub use left::{Capture, Captured, CapturedPage, CapturedPages, LeftPlan};
pub use meter::{Meter, MeterReading};
pub use mirror::{MirrorPlan, MirrorReport};
pub use plan::{PlanReport, Unlandable};
pub use repair::{Accepted, Mended, Remedy, RepairOptions, RepairPlan, RepairReport};
pub use restore::{Drilled, Unequal};
pub use run::{RunOptions, RunReport, Stage};
pub use snapshot::{SealedSnapshot, SnapshotFolder, SnapshotListing};
pub use verify::{Depth, Sample, VerifyOptions, VerifyReport};

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::error::{ErrorKind, StoreError};
use crate::ledger::{FileFilter, JobHandle, Ledger, Record};
use crate::proof::Proof;
use crate::row::{FileRow, Standing};
use crate::spool::Spool;
use crate::state::{Event, Reason, State, Via};
use crate::store::{Holding, Owe};
use crate::words::FileId;
use crate::{Chance, Clock, Digests};

/// What every step of the engine works with. Cloning it shares all of it.
#[derive(Clone)]
pub struct Engine {
    /// The source of truth.
    pub ledger: Arc<dyn Ledger>,
    /// Where fetched bytes wait.
    pub spool: Arc<dyn Spool>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Seeded chance.
    pub chance: Arc<Chance>,
    /// Counters that bars and metrics read.
    pub meter: Arc<Meter>,
    /// Set when somebody asked to stop: nothing new is begun, what is under way ends or is left resumable.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("meter", &self.meter).finish_non_exhaustive()
    }
}

/// The words of one file's trouble, empty where there was none; what concerns every file stays an error.
pub(crate) fn trouble(outcome: Result<(), StoreError>) -> Result<String, StoreError> {
    match outcome {
        Ok(()) => Ok(String::new()),
        Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
        Err(error) => Ok(error.chain().to_string()),
    }
}

/// What is to be recorded of one row.
pub(crate) struct Note<'a> {
    pub(crate) row: &'a mut FileRow,
    pub(crate) events: Vec<Event>,
    /// What is owed to the source's owner for it.
    pub(crate) owe: Option<Owe>,
}

/// What was shown to stand in a file's place.
pub(crate) struct Shown {
    pub(crate) there: Holding,
    pub(crate) proof: Proof,
    /// Digests that are to count as ours from now on; none where those at hand stay.
    pub(crate) sent: Digests,
}

impl Engine {
    /// Applies events to one row, durably, then to the copy at hand.
    pub(crate) async fn note(
        &self,
        job: &JobHandle,
        row: &mut FileRow,
        events: Vec<Event>,
    ) -> Result<(), StoreError> {
        self.note_all(job, vec![Note { row, events, owe: None }]).await.map(drop)
    }

    /// As [`Engine::note`] for many rows, with what is owed to the sources' owners, all in one transaction.
    pub(crate) async fn note_all<'a>(
        &self,
        job: &JobHandle,
        notes: Vec<Note<'a>>,
    ) -> Result<Vec<&'a FileRow>, StoreError> {
        let at = self.clock.now();
        let (mut records, mut owes) = (Vec::with_capacity(notes.len()), Vec::new());
        let mut changed = Vec::with_capacity(notes.len());
        for Note { row, events, owe } in notes {
            let mut copy = row.clone();
            for event in events {
                let expect = copy.state;
                copy.apply(&event, at).map_err(|e| internal("record", &row.entry.name, &e))?;
                records.push(Record { file: row.id, expect, event, at });
            }
            owes.extend(owe);
            changed.push((row, copy));
        }
        match (records.is_empty(), owes.is_empty()) {
            (true, _) => {}
            (false, true) => self.ledger.record(job, records).await?,
            (false, false) => self.ledger.record_owing(job, records, owes, at).await?,
        }
        Ok(changed
            .into_iter()
            .map(|(row, copy)| {
                self.meter.moved(row, &copy);
                *row = copy;
                &*row
            })
            .collect())
    }

    /// One row of a job by its id, whatever its standing.
    pub(crate) async fn file(&self, job: &Job, id: FileId) -> Result<Option<FileRow>, StoreError> {
        let every = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let rows = self.ledger.scan(job.handle.id, &every, FileId(id.0 - 1), 1).await?;
        Ok(rows.into_iter().find(|row| row.id == id))
    }

    /// Makes a row whose proof was taken back SUCCESS again, by the ordinary way and a new proof.
    pub(crate) async fn land_again(
        &self,
        job: &Job,
        row: &mut FileRow,
        shown: Shown,
        why: &str,
    ) -> Result<(), StoreError> {
        let Shown { there, proof, sent } = shown;
        let (via, leg) = (row.via.unwrap_or(Via::AlreadyThere), Some(proof.leg()));
        let present = Event::Present { holding: there, via, sent, leg, reason: Reason::Unproven };
        let mut events = vec![present, Event::Proven(proof)];
        if row.state == State::Ng {
            events.insert(0, Event::Retried { comment: why.to_owned() });
        }
        self.note(&job.handle, row, events).await
    }

    /// Takes back what a row was proven to be, because a later look found otherwise, and lets it go again.
    /// A row that is not SUCCESS, or whose tries failed, is only let go again.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn lapse(
        &self,
        job: &Job,
        mut row: FileRow,
        reason: Reason,
        comment: &str,
    ) -> Result<(), StoreError> {
        let comment = comment.to_owned();
        let events = match row.state {
            State::Success => {
                vec![Event::Lapsed { reason, comment: comment.clone() }, Event::Retried { comment }]
            }
            State::Ng => vec![Event::Retried { comment }],
            State::Dupe => vec![Event::Vanished { comment }],
            State::Pending | State::Local => return Ok(()),
        };
        self.note(&job.handle, &mut row, events).await
    }

    /// An error where somebody asked to stop.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn go_on(&self, subject: &str) -> Result<(), StoreError> {
        if self.stop.is_cancelled() {
            return Err(stopped(subject));
        }
        Ok(())
    }

    /// Waits for something long that may be dropped as by a kill; a stop ends it.
    ///
    /// # Errors
    /// `Stopped` where somebody asks to stop first.
    pub async fn or_stop<T>(&self, subject: &str, long: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::select! {
            biased;
            outcome = long => Ok(outcome),
            () = self.stop.cancelled() => Err(stopped(subject)),
        }
    }
}

fn stopped(subject: &str) -> StoreError {
    StoreError::new(ErrorKind::Stopped, "work on", subject, "stopped on request")
}

/// An error that only a defect of Landfall can cause.
pub(crate) fn internal(operation: &'static str, subject: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(ErrorKind::Rejected, operation, subject, error.to_string())
        .with_code(crate::Code::Internal)
}
