//! Adoption: a ledger that was lost is rebuilt from one listing of each side, with no request a file.
//!
//! What lies where ours would go and publishes the digest that the source publishes is recorded as it would be by
//! a run: present, proven by hash. Everything else stays what it is; the next run proves or moves it. Nothing is
//! sent, read back or deleted.

use crate::engine::survey::{holding, is_same_place, present};
use crate::engine::{CrawlReport, Engine, Job};
use crate::error::StoreError;
use crate::ledger::{FileFilter, FoundRow, Record, Tally};
use crate::proof::{Comparison, Proof, ProofKind, SourceLeg};
use crate::row::FileRow;
use crate::state::{Event, State};
use crate::words::FileId;

const BATCH: usize = 500;

/// What an adoption amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptReport {
    /// The listing of the sources.
    pub crawl: CrawlReport,
    /// Files shown by hash to lie at the destination.
    pub proven: u64,
    /// Files in whose place something lies that no published digest shows to be them.
    pub unproven: u64,
    /// Totals of the job afterwards.
    pub tally: Tally,
}

impl Engine {
    /// Lists both sides anew and takes over what is there. Killed and repeated it begins anew, and what was taken
    /// over stays.
    ///
    /// # Errors
    /// Where one of the sides cannot be listed.
    pub async fn adopt(&self, job: &Job) -> Result<AdoptReport, StoreError> {
        let crawl = self.crawl(job, true).await?;
        self.meter.phase(2);
        self.look_at_destination(job, true).await?;
        self.bind_folders(job).await?;
        let mut report = AdoptReport { crawl, ..AdoptReport::default() };
        let filter = FileFilter { states: vec![State::Pending], ..FileFilter::default() };
        let mut after = FileId(0);
        loop {
            self.go_on("adopt")?;
            let pairs = self.ledger.matches(job.handle.id, job.tree, &filter, after, BATCH).await?;
            let Some((last, _)) = pairs.last() else { break };
            after = last.id;
            let mut records = Vec::with_capacity(2 * pairs.len());
            let mut before = None;
            for (row, found) in pairs.iter().filter(|(row, found)| is_same_place(row, found)) {
                // A place may hold two names that fold alike; the first one counts, as in a run.
                if before.replace(row.id) == Some(row.id) {
                    continue;
                }
                match self.records_of(job, row, found) {
                    [Some(present), Some(proven)] => {
                        report.proven += 1;
                        records.extend([present, proven]);
                    }
                    [present, _] => {
                        report.unproven += 1;
                        records.extend(present);
                    }
                }
            }
            if !records.is_empty() {
                self.ledger.record(&job.handle, records).await?;
            }
        }
        report.tally = self.ledger.tally(job.handle.id, None).await?;
        self.meter.phase(0);
        Ok(report)
    }

    /// That it is there, and, where both sides publish the same digest, the proof.
    fn records_of(&self, job: &Job, row: &FileRow, found: &FoundRow) -> [Option<Record>; 2] {
        let at = self.clock.now();
        let event = present(row, found);
        let present = Some(Record { file: row.id, expect: row.state, event, at });
        let leg = match row.entry.digests.is_empty() {
            true => SourceLeg::Unpublished,
            false => SourceLeg::Matched,
        };
        let there = holding(found);
        // What is sealed publishes digests of its sealed bytes, and those are not the source's.
        let compared = match job.seal {
            None => Proof::compare(&row.evidence(), &there.evidence, leg, ProofKind::Hash, at),
            Some(_) => Comparison::Undecided,
        };
        let proven = match compared {
            Comparison::Proven(proof) => {
                Some(Record { file: row.id, expect: State::Dupe, event: Event::Proven(proof), at })
            }
            Comparison::Differs(_) | Comparison::Undecided => None,
        };
        [present, proven]
    }
}
