//! The log still drives: what somebody changed in `upload_log.csv` becomes events, and a report.
//!
//! A row counts as edited where its status is none that we can have written: the events since the last
//! write tell what each row said. So a log that was edited while a run went on does not undo what that
//! run did to the other rows. Nobody can make SUCCESS, LOCAL or DUPE by hand. Rules: `docs/log.md`.

mod decide;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_core::ledger::{JobHandle, Ledger, Record};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::State;
use landfall_core::{Clock, FileId, JobId, StoreError};

pub(super) use decide::{Decision, decide};

use super::bounded::Noticed;
use super::csv::{LogMemo, Refreshed, UploadLog, Written};
use super::file;
use super::locate::{Located, Locator};
use super::reading::{LogRow, Manner, Rows};

/// Events written in one transaction at most, give or take one row's.
pub(super) const BATCH: usize = 500;

/// Events read at a time.
const PAGE: usize = 1000;

/// What is done with an edited log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is backed up, then applied, then written anew.
    Apply,
    /// It is backed up and written anew; nothing of it is applied (`--ignore-log`).
    SetAside,
    /// It is only said what applying would change.
    DryRun,
}

/// What an edited log amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Where the file as it was edited lies; `None` in a dry run.
    pub backup: Option<PathBuf>,
    /// Rows read.
    pub rows: u64,
    /// Rows that changed the ledger, each as `path: before -> set to`.
    pub changed: Noticed,
    /// Rows that say something else than the ledger and changed nothing, with the reason.
    pub ignored: Noticed,
    /// Rows that say what the log last said, while the ledger has moved on since.
    pub overtaken: u64,
}

/// Applies `upload_log.csv` where somebody edited it; `None` where it is as we wrote it, or not there.
///
/// Must hold the job's lease. Killed anywhere, it is called again and does the rest: an edit that was
/// applied equals the ledger by then. At its end the log is written anew.
///
/// # Errors
/// `Rejected` with code `LogUnreadable`, `LogColumns`, `LogStatus` or `LogRow` where anything in the
/// file cannot be understood: nothing of it is applied and it stays as it is.
pub async fn apply_edits(
    log: &UploadLog,
    ledger: &dyn Ledger,
    job: &JobHandle,
    clock: &dyn Clock,
    mode: Mode,
) -> Result<Option<Edits>, StoreError> {
    let memo = LogMemo::load(ledger, job.id).await?;
    let digest = match file::digest_of(&log.path).await? {
        Some(digest) if !memo.wrote(&digest) => digest,
        _ => return Ok(None),
    };
    let scene = Scene { log, ledger, job, memo: &memo };
    if mode == Mode::DryRun {
        return scene.read(&log.path, None).await.map(Some);
    }
    // The backup is what is read: a save in between cannot make the two differ.
    let at = clock.now();
    let backup = log.back_up(at, ".edited", &digest).await?;
    let digest = file::digest_of(&backup).await?.unwrap_or(digest);
    let edits = if mode == Mode::Apply { scene.read(&backup, Some(at)).await? } else { Edits::default() };
    accept(log, ledger, job, memo, digest).await?;
    Ok(Some(Edits { backup: Some(backup), ..edits }))
}

/// Takes the edited file for ours, so that the next write may replace it, and writes it anew.
async fn accept(
    log: &UploadLog,
    ledger: &dyn Ledger,
    job: &JobHandle,
    mut memo: LogMemo,
    digest: String,
) -> Result<(), StoreError> {
    let newest = super::csv::newest_event(ledger, job.id, memo.newest()).await?;
    memo.current = Some(Written { digest, from: newest, to: newest });
    memo.pending = None;
    memo.save(ledger, job.id).await?;
    if log.refresh(ledger, job).await? == Refreshed::Edited {
        tracing::warn!(job = %job.name, "the log was edited again while its edits were applied");
    }
    Ok(())
}

/// What an edited log is read against.
struct Scene<'a> {
    log: &'a UploadLog,
    ledger: &'a dyn Ledger,
    job: &'a JobHandle,
    memo: &'a LogMemo,
}

impl Scene<'_> {
    /// Reads an edited log and records what it changes; without a moment it only reports.
    async fn read(&self, path: &Path, at: Option<Timestamp>) -> Result<Edits, StoreError> {
        let manner = Manner { timed: false, zone: TimeZone::UTC };
        let mut rows = Rows::open(path.to_owned(), self.log.path.clone(), manner).await?;
        let mut applying = Applying {
            locator: Locator::new(self.ledger, self.job).await?,
            recorder: Recorder::new(self.ledger, self.job, at),
            said: Said::since(self.ledger, self.job.id, self.memo.horizon()).await?,
            touched: HashSet::new(),
            edits: Edits { rows: rows.count, ..Edits::default() },
        };
        loop {
            let batch = rows.next().await?;
            if batch.is_empty() {
                applying.recorder.flush().await?;
                return Ok(applying.edits);
            }
            for row in batch {
                applying.take(&row).await?;
            }
        }
    }
}

/// What the log may have said of rows that changed since: a bit for each state.
struct Said(HashMap<FileId, u8>);

impl Said {
    /// Reads the events since the last write; about 20 bytes for each file that they name.
    async fn since(ledger: &dyn Ledger, job: JobId, horizon: Option<(i64, i64)>) -> Result<Self, StoreError> {
        let mut said = HashMap::new();
        let Some((from, to)) = horizon else { return Ok(Self(said)) };
        let mut after = from;
        loop {
            let page = ledger.events(job, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Self(said)) };
            after = last.seq;
            for event in page {
                let bits = said.entry(event.file).or_insert_with(|| bit(event.from));
                if event.seq <= to {
                    *bits |= bit(event.to);
                }
            }
        }
    }

    fn covers(&self, file: FileId, state: State) -> bool {
        self.0.get(&file).is_some_and(|bits| bits & bit(state) != 0)
    }
}

fn bit(state: State) -> u8 {
    1_u8 << state.number().clamp(0, 7)
}

struct Applying<'a> {
    locator: Locator<'a>,
    recorder: Recorder<'a>,
    said: Said,
    touched: HashSet<FileId>,
    edits: Edits,
}

impl Applying<'_> {
    async fn take(&mut self, log_row: &LogRow) -> Result<(), StoreError> {
        let Some(wanted) = log_row.status else { return Ok(()) };
        let row = match self.locator.find(&log_row.path).await? {
            Located::Row(row) => row,
            Located::Unknown => return self.ignore(log_row, "the ledger has no such file"),
            Located::Ambiguous => return self.ignore(log_row, "several files can be meant"),
        };
        if row.standing != Standing::In && row.standing != Standing::Unsettled {
            return self.ignore(log_row, "the file no longer takes part");
        }
        if self.touched.contains(&row.id) {
            return self.ignore(log_row, "an earlier line changed the same file");
        }
        if wanted != row.state && self.said.covers(row.id, wanted) {
            self.edits.overtaken += 1;
            return Ok(());
        }
        match decide(&row, wanted) {
            Decision::Same => Ok(()),
            Decision::Ignore(why) => self.ignore(log_row, why),
            Decision::Change(events) => {
                self.touched.insert(row.id);
                self.edits.changed.add(|| format!("{}: {} -> {wanted}", log_row.path, row.state));
                self.recorder.push(&row, events).await
            }
        }
    }

    /// Notes a row that changes nothing; never fails.
    fn ignore(&mut self, row: &LogRow, why: &str) -> Result<(), StoreError> {
        self.edits.ignored.add(|| format!("line {}: {}: {why}", row.line, row.path));
        Ok(())
    }
}

/// Collects events and writes them in batches; without a moment it drops them.
pub(super) struct Recorder<'a> {
    ledger: &'a dyn Ledger,
    job: &'a JobHandle,
    at: Option<Timestamp>,
    batch: Vec<Record>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(ledger: &'a dyn Ledger, job: &'a JobHandle, at: Option<Timestamp>) -> Self {
        Self { ledger, job, at, batch: Vec::new() }
    }

    /// Takes one row's events; they are written together.
    pub(super) async fn push(
        &mut self,
        row: &FileRow,
        events: Vec<landfall_core::state::Event>,
    ) -> Result<(), StoreError> {
        let Some(at) = self.at else { return Ok(()) };
        let mut expect = row.state;
        for event in events {
            let next = expect.apply(&event);
            self.batch.push(Record { file: row.id, expect, event, at });
            // An event that cannot happen is refused by the ledger, which then says so.
            expect = next.unwrap_or(expect);
        }
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Writes what is left.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { self.ledger.record(self.job, batch).await }
    }
}

#[cfg(test)]
mod tests;
