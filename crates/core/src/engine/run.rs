//! A run: crawl, look, move and prove in one pass, or one of these parts alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::mover::{Mode, Mover};
use crate::engine::verify::is_landed;
use crate::engine::{CrawlReport, Engine, Filters, Job, MirrorReport, MoveOptions};
use crate::error::StoreError;
use crate::ledger::{FileFilter, Record, Tally};
use crate::memo::MemoKey;
use crate::row::Standing;
use crate::state::{Event, Reason, State};
use crate::store::{Gather, Gathered, Owed, Told};
use crate::words::{FileId, ItemKey};

/// Times the sources are listed again within one run because files were not what the listing said.
const ROUNDS: u32 = 3;
const BATCH: usize = 500;
/// Files gathered in one stage at most.
const STAGE_FILES: u64 = 10_000;

/// Which parts of a run are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Crawl, look, move, prove.
    #[default]
    All,
    /// Only into the spool.
    Download,
    /// Only from the spool, then prove.
    Upload,
    /// What is NG goes again, what is DUPE is proven again; no crawl.
    Retry,
    /// What was let go again for a repair; no crawl, nothing else is tried again.
    Repair,
}

/// How a run is to go.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Which parts.
    pub stage: Stage,
    /// List the sources in full.
    pub full: bool,
    /// Move at most this many files.
    pub limit: Option<u64>,
    /// Only files whose path matches.
    pub paths: Filters,
    /// What was settled for good at the source is looked at again.
    pub again: bool,
    /// What landed and the source no longer has goes to the recycle bin, if it is at most so many files.
    pub mirror: Option<u64>,
    /// Only entries of these keys, which the source was asked for by name.
    pub only: Option<Arc<BTreeSet<ItemKey>>>,
}

/// What a run amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// The crawl's part.
    pub crawl: CrawlReport,
    /// Totals of the job after the run.
    pub tally: Tally,
    /// What was gathered beforehand, where the source gathers.
    pub gathered: Gathered,
    /// What the source's owner was told.
    pub told: u64,
    /// What could not be told because it was changed by somebody else in between, in words.
    pub conflicts: Vec<String>,
    /// What stays owed because telling failed, in words.
    pub untold: Vec<String>,
    /// What a mirror took away, where one was asked for.
    pub mirror: Option<MirrorReport>,
    /// Folders that could not be carried.
    pub folders_failed: u64,
    /// True where somebody asked to stop.
    pub interrupted: bool,
}

impl RunReport {
    /// True where everything that is listed has made landfall, folders included.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.tally.complete()
            && self.folders_failed == 0
            && self.crawl.failed.is_empty()
            && self.conflicts.is_empty()
            && self.untold.is_empty()
            && self.mirror.as_ref().is_none_or(|mirror| mirror.refused.is_none())
            && !self.interrupted
    }
}

/// Where a run stands between its stages.
struct Turn {
    /// It is the first stage.
    first: bool,
    /// Another one follows: what does not fill a batch waits for it.
    more: bool,
    /// Since when that has been waiting.
    waits: Option<Timestamp>,
}

impl Engine {
    /// Runs a job. Killed anywhere and called again it goes on; finished and called again it reads only
    /// what changed and writes nothing to the destination.
    ///
    /// # Errors
    /// What must end the run: credentials, a full destination, the ledger. Files' own troubles are on
    /// their rows and in the report.
    pub async fn run(&self, job: &Arc<Job>, options: RunOptions) -> Result<RunReport, StoreError> {
        let mut report = RunReport::default();
        let outcome = self.run_stages(job, &options, &mut report).await;
        match outcome {
            Err(error) if error.kind == crate::ErrorKind::Stopped => report.interrupted = true,
            Err(error) => return Err(error),
            Ok(()) => report.interrupted = self.stop.is_cancelled(),
        }
        report.tally = self.ledger.tally(job.handle.id, None).await?;
        self.meter.phase(0);
        Ok(report)
    }

    async fn run_stages(
        &self,
        job: &Arc<Job>,
        options: &RunOptions,
        report: &mut RunReport,
    ) -> Result<(), StoreError> {
        self.sweep(job).await?;
        // With a wrong key a sealed destination looks empty: nothing is fetched or sent for that.
        self.check_seal(job).await?;
        // What a kill left untold is told before anything else, so that the listing sees it.
        self.acknowledge(job, report).await?;
        let mut turn = Turn { first: true, more: false, waits: None };
        loop {
            let more = match options.stage {
                Stage::All | Stage::Download => self.gather(job, options, report).await?,
                Stage::Upload | Stage::Retry | Stage::Repair => false,
            };
            turn.more = more && options.limit.is_none();
            self.run_stage(job, options, report, &mut turn).await?;
            self.acknowledge(job, report).await?;
            if !turn.more || self.stop.is_cancelled() {
                break;
            }
            turn.first = false;
        }
        if let Some(most) = options.mirror {
            self.go_on("mirror")?;
            report.mirror = Some(self.mirror(job, &report.crawl, most).await?);
        }
        Ok(())
    }

    /// One stage: what is listed and at hand goes all the way.
    async fn run_stage(
        &self,
        job: &Arc<Job>,
        options: &RunOptions,
        report: &mut RunReport,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        let first = turn.first;
        match options.stage {
            Stage::All | Stage::Download => {
                let crawl = self.crawl(job, options.full && first).await?;
                report.crawl.add(crawl);
                if first {
                    self.retry_failed(job, false).await?;
                }
            }
            Stage::Retry => self.retry_failed(job, true).await?,
            Stage::Upload | Stage::Repair => {}
        }
        if options.stage == Stage::Download {
            return self.move_files(job, Mode::Download, options, report, turn).await;
        }
        self.meter.phase(2);
        self.look_and_follow(job, first, options.stage).await?;
        self.prove_listed(job, false).await?;
        let mode = if options.stage == Stage::Upload { Mode::Upload } else { Mode::Run };
        self.move_files(job, mode, options, report, turn).await?;
        self.go_on("proof")?;
        if self.unproven(job).await? {
            self.look_at_destination(job, false).await?;
            self.prove_all(job).await?;
            // What had vanished is PENDING again and gets its chance within this run.
            self.move_files(job, mode, options, report, turn).await?;
            self.prove_listed(job, true).await?;
        }
        Ok(())
    }

    /// Looks at the destination, lets it follow what moved at the source, and notes what is there.
    async fn look_and_follow(&self, job: &Job, first: bool, stage: Stage) -> Result<(), StoreError> {
        if first {
            self.look_at_destination(job, false).await?;
            if stage == Stage::All && self.follow(job).await? > 0 {
                self.look_at_destination(job, false).await?;
            }
        }
        self.bind_folders(job).await?;
        self.take_note_of_present(job).await?;
        Ok(())
    }

    /// Brings the next lot of bytes within reach, where a source must; true where there is more after it.
    async fn gather(
        &self,
        job: &Job,
        options: &RunOptions,
        report: &mut RunReport,
    ) -> Result<bool, StoreError> {
        let mut more = false;
        for slot in job.slots.iter().filter(|slot| slot.source.caps().gathers) {
            self.go_on(&slot.label)?;
            self.meter.phase(5);
            let files = options.limit.unwrap_or(STAGE_FILES).min(STAGE_FILES);
            let stage = Gather {
                files,
                bytes: job.policy.spool_limit,
                again: options.again,
                wanted_only: options.only.is_some(),
            };
            // A stage that is dropped has kept what it came to.
            let gathered = self.or_stop(&slot.label, slot.source.gather(stage)).await??;
            report.gathered.ready += gathered.ready;
            report.gathered.settled += gathered.settled;
            report.gathered.postponed += gathered.postponed;
            more |= gathered.more;
        }
        report.gathered.more = more;
        Ok(more)
    }

    /// Tells the sources' owners what they are owed. Repeating it changes nothing; what fails stays owed.
    pub async fn acknowledge(&self, job: &Job, report: &mut RunReport) -> Result<(), StoreError> {
        report.conflicts.clear();
        report.untold.clear();
        let mut after = 0;
        loop {
            let owed = self.ledger.owed(job.handle.id, after, BATCH).await?;
            let Some(last) = owed.last() else { return Ok(()) };
            after = last.seq;
            for slot in &job.slots {
                let mine: Vec<Owed> = owed.iter().filter(|o| o.owe.source == slot.id).cloned().collect();
                if mine.is_empty() {
                    continue;
                }
                let answers = slot.source.acknowledge(&mine).await;
                let mut told = Vec::new();
                for (owed, answer) in mine.iter().zip(answers) {
                    match answer {
                        Told::Done => told.push(owed.seq),
                        Told::Conflict(words) => {
                            report.conflicts.push(format!("{}: {words}", owed.owe.subject));
                        }
                        Told::Failed(error) if error.code.is_some() => return Err(error),
                        Told::Failed(error) => {
                            report.untold.push(format!("{}: {}", owed.owe.subject, error.chain()));
                        }
                    }
                }
                report.told += told.len() as u64;
                self.ledger.settle_owed(&job.handle, told).await?;
            }
        }
    }

    /// Clears away what a kill between a proof and its tidying left: spool files, sessions, hash states.
    async fn sweep(&self, job: &Job) -> Result<(), StoreError> {
        for shard in 0..=u8::MAX {
            for id in self.spool.lying(shard).await? {
                if !self.is_under_way(job, id).await? {
                    self.spool.remove(id).await?;
                }
            }
        }
        for kind in ["session", "hash", "contradiction"] {
            let mut after = String::new();
            loop {
                let keys = self.ledger.memos(job.handle.id, kind, &after, BATCH).await?;
                let Some(last) = keys.last() else { break };
                after.clone_from(last);
                for key in keys {
                    let Ok(id) = key.parse().map(FileId) else { continue };
                    if self.is_under_way(job, id).await? {
                        continue;
                    }
                    let memo = MemoKey::new(job.handle.id, kind, key);
                    match kind {
                        // What cannot be closed now is tried again by the next run.
                        "session" => match job.destination.abandon(&memo).await {
                            Err(error) if error.code.is_some() => return Err(error),
                            _ => {}
                        },
                        _ => self.ledger.forget(&memo).await?,
                    }
                }
            }
        }
        Ok(())
    }

    /// True for a file that may still need what was kept for it.
    async fn is_under_way(&self, job: &Job, id: FileId) -> Result<bool, StoreError> {
        let row = self.file(job, id).await?;
        Ok(row.is_some_and(|r| r.state != State::Success && r.standing != Standing::Gone))
    }

    async fn unproven(&self, job: &Job) -> Result<bool, StoreError> {
        let filter = FileFilter { states: vec![State::Dupe], ..FileFilter::default() };
        Ok(!self.ledger.scan(job.handle.id, &filter, FileId(0), 1).await?.is_empty())
    }

    async fn move_files(
        &self,
        job: &Arc<Job>,
        mode: Mode,
        options: &RunOptions,
        report: &mut RunReport,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        let impatient = options.stage == Stage::Retry;
        let moving = MoveOptions {
            limit: options.limit,
            paths: options.paths.clone(),
            impatient,
            only: options.only.clone(),
            more: turn.more,
            waits: None,
        };
        let pilot = options.only.is_some()
            || options.limit.is_some()
            || !options.paths.fingerprint().eq(&Filters::default().fingerprint());
        for round in 1..=ROUNDS {
            self.meter.phase(3);
            self.expect(job).await?;
            let moving = MoveOptions { waits: turn.waits, ..moving.clone() };
            let mover = Mover::new(self, job, mode, moving).await?;
            mover.drive().await?;
            turn.waits = mover.waits();
            if let Some(error) = mover.take_fatal() {
                return Err(error);
            }
            self.go_on("moving")?;
            if mode != Mode::Download && !pilot {
                report.folders_failed = mover.folders.finish().await?;
            }
            if !mover.wants_new_listing() || mode == Mode::Upload || round == ROUNDS {
                break;
            }
            tracing::info!("some files were not what the listing said; listing again");
            self.crawl(job, false).await?;
        }
        Ok(())
    }

    /// Tells the meter how much there is to do.
    async fn expect(&self, job: &Job) -> Result<(), StoreError> {
        let tally = self.ledger.tally(job.handle.id, None).await?;
        let all = tally.all();
        self.meter.expect(all.files, all.bytes.0);
        Ok(())
    }

    /// Gives what failed another chance: everything where a person asked, else what is not settled for good.
    async fn retry_failed(&self, job: &Job, all: bool) -> Result<(), StoreError> {
        let filter = FileFilter {
            states: if all { vec![State::Ng, State::Dupe] } else { vec![State::Ng] },
            retryable: !all,
            ..FileFilter::default()
        };
        let mut after = FileId(0);
        loop {
            let rows = self.ledger.scan(job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let at = self.clock.now();
            let records: Vec<Record> = rows
                .iter()
                .filter(|row| all || row.reason != Some(Reason::Imported))
                // What a verify found is mended by a repair, and what a person did only where that was asked for.
                .filter(|row| row.state != State::Ng || !is_landed(row))
                .filter(|row| all || row.reason != Some(Reason::DeletionAccepted))
                .map(|row| Record {
                    file: row.id,
                    expect: row.state,
                    event: Event::Retried { comment: String::new() },
                    at,
                })
                .collect();
            self.ledger.record(&job.handle, records).await?;
        }
    }
}
