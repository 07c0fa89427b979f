//! The plan: what a run would do, what it would cost, and every name that cannot land, before the first byte.

use std::collections::BTreeMap;

use crate::engine::{CrawlReport, Engine, Filters, Job};
use crate::error::StoreError;
use crate::ledger::{FileFilter, FoundRow};
use crate::row::FileRow;
use crate::state::{Reason, State, Via};
use crate::store::Fee;
use crate::words::{ByteSize, FileId, RelPath};

const BATCH: usize = 500;

/// A file that cannot land as things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlandable {
    /// The source that lists it.
    pub source: String,
    /// Its path from the source folder.
    pub path: RelPath,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub comment: String,
}

/// What a run would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanReport {
    /// The crawl that it rests on.
    pub crawl: CrawlReport,
    /// Files to be moved.
    pub files: u64,
    /// Their bytes.
    pub bytes: ByteSize,
    /// Files that already lie at the destination and only need a proof.
    pub present: u64,
    /// Files that have made landfall.
    pub done: u64,
    /// Folders to be made.
    pub folders: u64,
    /// Things that are never moved, by reason.
    pub skipped: BTreeMap<Reason, u64>,
    /// Files that cannot land: how many, and the first thousand of them.
    pub unlandable: u64,
    /// The first of them.
    pub unlandable_first: Vec<Unlandable>,
    /// Names that policy `map` gives, the first thousand: path, name at the destination.
    pub renamed: Vec<(RelPath, String)>,
    /// Requests on the wire.
    pub requests: u64,
    /// Units of the service's price list.
    pub units: u64,
}

/// Names kept in a plan at most; the count goes on.
const LISTED: usize = 1000;

impl Engine {
    /// Makes the plan: crawls, looks at the destination, and adds up. Writes nothing to either side.
    ///
    /// `paths` and `limit` narrow it to what a run with the same words would take.
    ///
    /// # Errors
    /// Where one of the sides cannot be listed.
    pub async fn plan(
        &self,
        job: &Job,
        full: bool,
        paths: &Filters,
        limit: Option<u64>,
    ) -> Result<PlanReport, StoreError> {
        let crawl = self.crawl(job, full).await?;
        self.look_at_destination(job, false).await?;
        self.bind_folders(job).await?;
        let mut plan = PlanReport { crawl, ..PlanReport::default() };
        let tally = self.ledger.tally(job.handle.id, None).await?;
        plan.skipped = tally.skipped.iter().map(|(reason, count)| (*reason, count.files)).collect();
        plan.done = tally.files(State::Success);
        self.plan_folders(job, &mut plan).await?;
        self.plan_files(job, paths, limit, &mut plan).await?;
        Ok(plan)
    }

    async fn plan_folders(&self, job: &Job, plan: &mut PlanReport) -> Result<(), StoreError> {
        for slot in &job.slots {
            let mut after: Option<RelPath> = None;
            loop {
                let rows = self.ledger.folders(job.handle.id, slot.id, after.as_ref(), BATCH).await?;
                let Some(last) = rows.last() else { break };
                after = last.path.clone();
                let missing = rows.iter().filter(|r| r.target.is_some() && r.dest_item.is_none()).count();
                plan.folders += missing as u64;
            }
        }
        charge(plan, job.destination.caps().prices.folder, plan.folders);
        Ok(())
    }

    async fn plan_files(
        &self,
        job: &Job,
        paths: &Filters,
        limit: Option<u64>,
        plan: &mut PlanReport,
    ) -> Result<(), StoreError> {
        let filter =
            FileFilter { states: vec![State::Pending, State::Local, State::Ng], ..FileFilter::default() };
        let mut after = FileId(0);
        let mut reads = 0;
        loop {
            self.go_on("plan")?;
            let rows = self.ledger.scan(job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let last_id = last.id;
            let first_id = rows.first().map_or(last_id, |r| r.id);
            let before = FileId(first_id.0 - 1);
            let present = self.ledger.matches(job.handle.id, job.tree, &filter, before, BATCH).await?;
            for row in rows.iter().filter(|row| within(job, row, paths)) {
                if limit.is_some_and(|limit| plan.files + plan.present >= limit) {
                    break;
                }
                let there = present
                    .iter()
                    .any(|(file, found): &(FileRow, FoundRow)| file.id == row.id && !found.folder);
                reads += self.plan_file(job, row, there, plan);
            }
        }
        let batch = job.slots.first().map_or(1, |s| s.source.caps().prepare_batch.max(1)) as u64;
        if let Some(slot) = job.slots.first() {
            charge(plan, slot.source.caps().prices.prepare, u64::div_ceil(reads, batch));
        }
        Ok(())
    }

    /// Adds one file to the plan; returns 1 where its bytes will be read from the source.
    fn plan_file(&self, job: &Job, row: &FileRow, there: bool, plan: &mut PlanReport) -> u64 {
        let Some(slot) = job.slot(row.source) else { return 0 };
        let path = row.path().and_then(|p| p.below(&slot.scope)).unwrap_or_default();
        if row.state == State::Ng && row.last {
            plan.unlandable += 1;
            if plan.unlandable_first.len() < LISTED {
                let reason = row.reason.unwrap_or(Reason::Rejected);
                let (source, comment) = (slot.label.clone(), row.comment.clone());
                plan.unlandable_first.push(Unlandable { source, path, reason, comment });
            }
            return 0;
        }
        if let Some(name) = &row.dest_name
            && plan.renamed.len() < LISTED
        {
            plan.renamed.push((path, name.clone()));
        }
        if there {
            plan.present += 1;
            return 0;
        }
        plan.files += 1;
        plan.bytes.0 += row.entry.size.0;
        let to = job.destination.caps().prices;
        let from = slot.source.caps().prices;
        match (row.entry.size.0, job.policy.via) {
            (0, _) => charge(plan, to.empty_file, 1),
            (_, Via::Copy) => charge(plan, to.copy, 1),
            (size, _) => {
                if row.state != State::Local {
                    charge(plan, from.open, 1);
                }
                charge(plan, to.upload, 1);
                charge(plan, to.fragment, size.div_ceil(job.destination.caps().fragment.0.max(1)));
                return u64::from(row.state != State::Local);
            }
        }
        0
    }
}

/// True for a file that a run over these paths would take.
fn within(job: &Job, row: &FileRow, paths: &Filters) -> bool {
    let Some(slot) = job.slot(row.source) else { return false };
    row.path().and_then(|path| path.below(&slot.scope)).is_some_and(|path| paths.take_path(&path))
}

fn charge(plan: &mut PlanReport, fee: Fee, times: u64) {
    plan.requests += fee.requests * times;
    plan.units += fee.units * times;
}
