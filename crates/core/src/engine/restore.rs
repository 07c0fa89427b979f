//! Bringing back: a run whose source is what another job has landed ([`crate::held`]), and a drill of it.
//!
//! A restore is a job of its own, so it is resumed, proven and bounded as every run is. Two things differ. Its
//! target belongs to a person, who may have taken away what an earlier restore put there: that is looked for
//! first. And what failed is tried again each time, for the archive may have been mended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::mover::same_object;
use crate::engine::survey::holding;
use crate::engine::{Engine, Job, Policy, RunOptions, RunReport, Slot, internal};
use crate::error::{ErrorKind, StoreError};
use crate::held::{Choice, Held, Origin, file_of};
use crate::ledger::{FileFilter, Ledger, MemoryLedger, Record};
use crate::proof::SourceLeg;
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::store::{Destination, Opening, Source as _};
use crate::words::{ByteSize, FileId, RelPath, SourceId};

const BATCH: usize = 500;

/// A file that a drill could not show to be as it was, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unequal {
    /// The file's row.
    pub file: FileId,
    /// Its path at the source.
    pub path: String,
    /// Why.
    pub reason: Option<Reason>,
    /// In words.
    pub comment: String,
}

/// What drilling some files showed.
#[derive(Clone, Debug, Default)]
pub struct Drilled {
    /// Brought back whole and equal by SHA-256.
    pub equal: Vec<FileId>,
    /// Brought back and equal by a weaker digest, or by size alone: nobody knows the SHA-256 of what was sent.
    pub weak: Vec<FileId>,
    /// Brought back, and other bytes.
    pub different: Vec<Unequal>,
    /// Not brought back.
    pub unreadable: Vec<Unequal>,
    /// Plain bytes of what was brought back.
    pub bytes: ByteSize,
}

impl Engine {
    /// Runs a job whose sources are [`Held`].
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn restore(&self, job: &Arc<Job>) -> Result<RunReport, StoreError> {
        match self.prepare_restore(job).await {
            Ok(()) => self.run(job, RunOptions::default()).await,
            Err(error) if error.kind == ErrorKind::Stopped => {
                let tally = self.ledger.tally(job.handle.id, None).await?;
                Ok(RunReport { tally, interrupted: true, ..RunReport::default() })
            }
            Err(error) => Err(error),
        }
    }

    async fn prepare_restore(&self, job: &Job) -> Result<(), StoreError> {
        self.meter.phase(2);
        self.look_at_destination(job, false).await?;
        self.let_go_of_lost(job).await?;
        let filter = FileFilter {
            states: vec![State::Ng],
            standings: vec![Standing::In, Standing::Gone],
            ..FileFilter::default()
        };
        let mut after = FileId(0);
        loop {
            let rows = self.ledger.scan(job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let at = self.clock.now();
            let event = || Event::Retried { comment: String::new() };
            let again = |row: &FileRow| Record { file: row.id, expect: row.state, event: event(), at };
            self.ledger.record(&job.handle, rows.iter().map(again).collect()).await?;
        }
    }

    /// What was restored and is no longer there, or no longer as it was put there, goes again: as a file that is
    /// missing, or to be compared with what stands in its place, which is never overwritten.
    async fn let_go_of_lost(&self, job: &Job) -> Result<(), StoreError> {
        let filter = FileFilter {
            states: vec![State::Success],
            standings: vec![Standing::In, Standing::Gone],
            ..FileFilter::default()
        };
        let mut after = FileId(0);
        loop {
            self.go_on("target")?;
            let pairs = self.ledger.held(job.handle.id, job.tree, &filter, after, BATCH).await?;
            let Some((last, _)) = pairs.last() else { return Ok(()) };
            after = last.id;
            for (row, found) in pairs {
                let there = found.as_ref().filter(|found| !found.folder).map(holding);
                let ours = row.holding.as_ref();
                let (reason, words) = match (ours, &there) {
                    (Some(ours), Some(there)) if same_object(ours, there) => continue,
                    (_, Some(_)) => (Reason::ChangedAtDestination, "it was changed since it was restored"),
                    (_, None) => (Reason::AbsentAtDestination, "it is no longer where it was restored to"),
                };
                self.lapse(job, row, reason, words).await?;
            }
        }
    }

    /// Brings files back into an empty place and compares each with what the ledger says it was. Whoever calls
    /// empties the place again. Leaves nothing in the ledger: the drill's own rows are kept in memory, so the
    /// number of files must be bounded.
    ///
    /// # Errors
    /// What must end it; a single file's trouble is in the answer.
    pub async fn drill(
        &self,
        origin: &Origin,
        files: &Arc<BTreeSet<FileId>>,
        to: Arc<dyn Destination>,
        policy: &Policy,
    ) -> Result<Drilled, StoreError> {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::with_clock(self.clock.clone()));
        let identity = to.identity();
        let handle = ledger.open_job("drill", &identity, "drill", self.clock.now()).await?;
        let tree = ledger.open_tree(&identity).await?;
        let mut slots = Vec::new();
        let mut sources: BTreeMap<SourceId, Arc<Held>> = BTreeMap::new();
        for known in origin.ledger.sources(origin.job).await? {
            let choice = Choice { only: Some(Arc::clone(files)), ..Choice::default() };
            let held = Arc::new(Held::new(origin.clone(), known.id, choice));
            let label = known.id.to_string();
            let id = ledger.open_source(&handle, &label, &held.identity()).await?;
            let prefix = RelPath::new(label.as_str()).unwrap_or_default();
            sources.insert(id, Arc::clone(&held));
            slots.push(Slot { id, label, source: held, scope: RelPath::root(), prefix });
        }
        let policy = Policy { names: super::NamePolicy::Map, ..policy.clone() };
        let job = Arc::new(Job { handle, slots, destination: to, seal: None, rewriting: None, tree, policy });
        let engine = Engine { ledger: Arc::clone(&ledger), ..self.clone() };
        let report = engine.run(&job, RunOptions::default()).await?;
        if report.interrupted {
            return Err(super::stopped("drill"));
        }
        let every = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let mut drilled = Drilled::default();
        let mut after = FileId(0);
        loop {
            let rows = ledger.scan(job.handle.id, &every, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(drilled) };
            after = last.id;
            for row in rows {
                let held = sources.get(&row.source).ok_or_else(|| {
                    internal("drill", &row.entry.name, &"its source is not part of the drill")
                })?;
                self.count_drilled(held, &row, &mut drilled).await?;
            }
        }
    }

    async fn count_drilled(
        &self,
        held: &Held,
        row: &FileRow,
        drilled: &mut Drilled,
    ) -> Result<(), StoreError> {
        let file = file_of(&row.entry.key)
            .ok_or_else(|| internal("drill", &row.entry.name, &"its key is not one of ours"))?;
        let path = row.path().map_or_else(|| row.entry.name.clone(), |path| path.to_string());
        let (mut reason, mut comment) = (row.reason.or(row.skip), row.comment.clone());
        let mut equal = row.state == State::Success;
        // An engine need not open what has no bytes; a drill is about what can be opened.
        if equal && row.entry.size.0 == 0 {
            let opening = Opening { token: String::new(), entry: None };
            let open = |from| held.open(&row.entry, &opening, from);
            match self.hash_body(&row.entry.name, row.entry.size, open).await {
                Ok(read) if read.size.0 == 0 => {}
                Ok(read) => {
                    equal = false;
                    reason = Some(Reason::ChangedAtDestination);
                    comment = format!("the destination gives {} bytes where there were none", read.size.0);
                }
                Err(error) if error.kind == ErrorKind::Stopped || error.code.is_some() => return Err(error),
                Err(error) => {
                    equal = false;
                    (reason, comment) = (error.reason, error.chain());
                }
            }
        }
        if equal {
            drilled.bytes.0 += row.entry.size.0;
            // The source's leg is the comparison: every byte that came was hashed, and SHA-256 was equal.
            let whole = row.entry.digests.sha256.is_some() && row.leg == Some(SourceLeg::Matched);
            if whole {
                drilled.equal.push(file);
            } else {
                drilled.weak.push(file);
            }
            return Ok(());
        }
        let unequal = Unequal { file, path, reason, comment };
        match reason {
            Some(Reason::ChangedAtDestination) => drilled.different.push(unequal),
            _ => drilled.unreadable.push(unequal),
        }
        Ok(())
    }
}
