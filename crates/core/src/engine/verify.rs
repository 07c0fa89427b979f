//! A later look: whether what was proven still holds, for every file of a job, from one listing of the destination.
//!
//! Owns the order of a verify and what becomes of a finding. Order: list what changed at the destination (or
//! all of it anew), lay the listing beside the ledger, ask once more for what seems gone, look at what nobody
//! sent, read back what is to be read. Nothing at the destination is touched. Killed and started again it
//! begins anew, but what it had read stays read (`docs/verify.md`).

mod absent;
mod folders;
mod judge;
mod places;
mod reading;
mod strangers;
mod telling;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::Code;
use crate::engine::{Engine, Job};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::FileFilter;
use crate::proof::{Comparison, Evidence, Proof, ProofKind, Sense, SourceLeg, agree};
use crate::row::{FileRow, Standing};
use crate::state::{Reason, State};
use crate::store::Holding;
use crate::words::{FileId, ItemKey};
use judge::Seen;
use places::Places;
use telling::Sight;

pub(super) use telling::{ACCEPTED, Detail, file_of, folder_of};

/// Files laid beside the listing at a time.
const BATCH: usize = 1000;
/// Requests about single files that are under way at once; the lane may allow fewer.
const ASKING: usize = 8;

/// How deep a verify looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// That everything is there and unchanged, as far as the service reports changes.
    #[default]
    Exists,
    /// That everything publishes the hash that was proven: the listing is read anew.
    Hash,
    /// That the bytes are the file's: they are read back.
    Bytes,
}

/// How many files a verify reads back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sample {
    /// All.
    #[default]
    All,
    /// So many, those first that were read longest ago.
    Files(u64),
    /// So many of a hundred, those first that were read longest ago.
    Percent(f64),
}

impl Sample {
    /// The number among `all`, rounded up.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count; at most one file more or less above 2^52 files"
    )]
    pub fn of(self, all: u64) -> u64 {
        match self {
            Self::All => all,
            Self::Files(files) => files.min(all),
            Self::Percent(share) => ((all as f64 * share.clamp(0.0, 100.0) / 100.0).ceil() as u64).min(all),
        }
    }
}

/// How a verify is to go.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// How deep.
    pub depth: Depth,
    /// How many files are read back, where bytes are.
    pub sample: Sample,
    /// Only files that landed at or after this moment.
    pub since: Option<Timestamp>,
    /// At most this many files.
    pub limit: Option<u64>,
}

impl VerifyOptions {
    /// True where not every file is looked at: what was not met may then not be forgotten.
    fn narrows(&self) -> bool {
        self.since.is_some() || self.limit.is_some()
    }

    fn takes(&self, row: &FileRow) -> bool {
        self.since.is_none_or(|since| row.changed_at >= since)
    }
}

/// What a verify amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files that were looked at.
    pub checked: u64,
    /// Files that stand as they were proven.
    pub held: u64,
    /// Files proven again after an earlier finding: somebody mended them.
    pub recovered: u64,
    /// Findings by kind. A file may have more than one.
    pub findings: BTreeMap<Reason, u64>,
    /// Findings that an earlier verify had not.
    pub new: u64,
    /// Files of which nothing could be learnt now.
    pub unknown: u64,
    /// Files whose bytes were read back and are right.
    pub read: u64,
    /// Bytes that were read back.
    pub read_bytes: u64,
    /// Files whose published hash was read again.
    pub hashed: u64,
    /// Files that the service rewrote since, shown to be the same by their parts.
    pub rewritten: u64,
    /// Why the recycle bin could not be read, in words; who deleted what is then not known.
    pub bin_unread: Option<String>,
    /// Somebody asked to stop.
    pub interrupted: bool,
}

impl VerifyReport {
    /// True where everything was looked at and nothing was found.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.findings.is_empty() && self.unknown == 0 && !self.interrupted
    }
}

/// One verify under way.
struct Verify<'a> {
    engine: &'a Engine,
    job: &'a Job,
    options: &'a VerifyOptions,
    begun: Timestamp,
    /// In which sense the listing confirms what it shows unchanged.
    sense: Sense,
    report: VerifyReport,
    places: Places,
    /// Strangers that are the content of a file that is gone from its place.
    claimed: BTreeSet<ItemKey>,
    /// Hashes of the places of files that a repair had let go and that have not landed again yet.
    under_way: BTreeSet<i64>,
}

impl Engine {
    /// Looks whether what was proven still holds, and records what does not. Nothing at the destination changes.
    ///
    /// # Errors
    /// Where the destination cannot be listed, or the ledger fails. What was learnt stays.
    pub async fn verify(&self, job: &Job, options: &VerifyOptions) -> Result<VerifyReport, StoreError> {
        let mut verify = Verify {
            engine: self,
            job,
            options,
            begun: self.clock.now(),
            sense: match options.depth {
                Depth::Hash => Sense::Hash,
                Depth::Exists | Depth::Bytes => Sense::Unchanged,
            },
            report: VerifyReport::default(),
            places: Places::default(),
            claimed: BTreeSet::new(),
            under_way: BTreeSet::new(),
        };
        match verify.go().await {
            Err(error) if error.kind == ErrorKind::Stopped => verify.report.interrupted = true,
            other => other?,
        }
        self.meter.phase(0);
        Ok(verify.report)
    }
}

impl Verify<'_> {
    async fn go(&mut self) -> Result<(), StoreError> {
        self.engine.check_seal(self.job).await?;
        self.engine.meter.phase(2);
        self.is_there().await?;
        self.engine.look_at_destination(self.job, self.options.depth == Depth::Hash).await?;
        self.engine.meter.phase(4);
        self.lay_side_by_side().await?;
        if !self.options.narrows() {
            self.keep_under_way().await?;
            self.look_at_folders().await?;
            self.look_at_strangers().await?;
        }
        if self.options.depth == Depth::Bytes {
            self.read_back().await?;
        }
        if !self.options.narrows() {
            self.engine.ledger.forget_looks(&self.job.handle, self.begun).await?;
        }
        Ok(())
    }

    /// Makes sure that the place itself is there: a disk that is not mounted has lost nothing. A service that
    /// reports changes says by itself where it is gone.
    async fn is_there(&self) -> Result<(), StoreError> {
        let destination = &self.job.destination;
        if destination.caps().incremental {
            return Ok(());
        }
        let Err(error) = destination.children(&destination.root(), None).await else { return Ok(()) };
        if error.kind != ErrorKind::NotFound {
            return Err(error);
        }
        if self.engine.ledger.stalest(self.job.handle.id, 1).await?.is_empty() {
            return Ok(());
        }
        let detail = "it is not there; is the disk mounted? Nothing is concluded about the files";
        Err(StoreError::new(ErrorKind::NotFound, "look at", destination.identity(), detail)
            .with_code(Code::Unreachable))
    }

    /// Lays the ledger's files beside what the destination listed.
    async fn lay_side_by_side(&mut self) -> Result<(), StoreError> {
        // What has landed is looked at, whatever the source or the job's filters say of it by now.
        let filter = FileFilter {
            standings: Standing::ALL.to_vec(),
            states: vec![State::Success, State::Ng],
            ..FileFilter::default()
        };
        let mut after = FileId(0);
        loop {
            self.engine.go_on("verify")?;
            let (job, tree) = (self.job.handle.id, self.job.tree);
            let pairs = self.engine.ledger.held(job, tree, &filter, after, BATCH).await?;
            let Some((last, _)) = pairs.last() else { return Ok(()) };
            after = last.id;
            let mut batch = Batch::default();
            for (row, found) in pairs {
                if !is_landed(&row) || !self.options.takes(&row) {
                    continue;
                }
                if self.options.limit.is_some_and(|limit| self.report.checked >= limit) {
                    break;
                }
                self.report.checked += 1;
                match found {
                    None => batch.gone.push(row),
                    Some(found) => {
                        let seen = self.judge(&row, &found).await?;
                        batch.add(row, found, seen);
                    }
                }
            }
            self.settle(batch).await?;
            if self.options.limit.is_some_and(|limit| self.report.checked >= limit) {
                return Ok(());
            }
        }
    }

    /// Records what one batch amounted to.
    async fn settle(&mut self, batch: Batch) -> Result<(), StoreError> {
        let at = self.engine.clock.now();
        for (sense, files) in [(Sense::Unchanged, batch.unchanged), (Sense::Hash, batch.hashed)] {
            self.report.held += files.len() as u64;
            if sense == Sense::Hash {
                self.report.hashed += files.len() as u64;
            }
            if !files.is_empty() {
                self.engine.ledger.confirm(&self.job.handle, files, sense, at).await?;
            }
        }
        for (row, reason, sight) in batch.found {
            self.find(row, reason, sight).await?;
        }
        self.look_closer(batch.closer).await?;
        self.look_for_gone(batch.gone).await
    }
}

/// What the destination should hold: what it was seen to hold when it was proven, with our own SHA-256.
pub(super) fn expected(row: &FileRow) -> Evidence {
    match (&row.holding, row.proven) {
        // The service's own content is what was shown: its SHA-256 is with it.
        (Some(holding), Some(ProofKind::Parts)) => holding.evidence.clone(),
        (Some(holding), _) => {
            let mut expected = row.evidence();
            let theirs = &holding.evidence.digests;
            expected.digests.quickxor = expected.digests.quickxor.or_else(|| theirs.quickxor.clone());
            expected.digests.sha1 = expected.digests.sha1.or_else(|| theirs.sha1.clone());
            expected
        }
        (None, _) => row.evidence(),
    }
}

/// Compares what the destination publishes with what it should hold: the proof of a rewritten file stays one by parts.
pub(super) fn compare_published(row: &FileRow, there: &Evidence, at: Timestamp) -> Comparison {
    let leg = row.leg.unwrap_or(SourceLeg::Unpublished);
    match row.proven {
        Some(ProofKind::Parts) => Proof::compare_expected(&expected(row), there, leg, at),
        _ => Proof::compare(&expected(row), there, leg, ProofKind::Hash, at),
    }
}

/// Compares what was read back with what it should be.
pub(super) fn compare_read(row: &FileRow, read: &Evidence, at: Timestamp) -> Comparison {
    let leg = row.leg.unwrap_or(SourceLeg::Unpublished);
    let kind = if row.proven == Some(ProofKind::Parts) { ProofKind::Parts } else { ProofKind::Bytes };
    Proof::compare(&expected(row), read, leg, kind, at)
}

/// What stands there, with what is known of its content where that is the same.
pub(super) fn renewed(row: &FileRow, there: Holding) -> Holding {
    match &row.holding {
        Some(held) if agree(&held.evidence, &there.evidence) != Some(false) => {
            Holding { evidence: held.evidence.clone(), ..there }
        }
        _ => there,
    }
}

/// True for a file that once was proven, and whose failure, if any, is a verify's.
pub(super) fn is_landed(row: &FileRow) -> bool {
    let lapsed = row.proven.is_some() && row.reason.is_some_and(Reason::lapses);
    row.state == State::Success || lapsed
}

/// What a page of files amounts to.
#[derive(Default)]
struct Batch {
    unchanged: Vec<FileId>,
    hashed: Vec<FileId>,
    found: Vec<(FileRow, Reason, Sight)>,
    closer: Vec<judge::Closer>,
    gone: Vec<FileRow>,
}

impl Batch {
    fn add(&mut self, row: FileRow, found: crate::ledger::FoundRow, seen: Seen) {
        match seen {
            Seen::Held(_) if row.state != State::Success => {
                self.closer.push(judge::Closer { row, found, why: judge::Why::Mended });
            }
            Seen::Held(Sense::Hash) => self.hashed.push(row.id),
            Seen::Held(_) => self.unchanged.push(row.id),
            Seen::Finding(reason, sight) => self.found.push((row, reason, sight)),
            Seen::Closer(why) => self.closer.push(judge::Closer { row, found, why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nightly_percent_covers_everything_in_a_hundred_nights() {
        for all in [1, 99, 100, 101, 5000, 1_000_000] {
            assert!(Sample::Percent(1.0).of(all) * 100 >= all, "{all}");
        }
        assert_eq!(Sample::Percent(1.0).of(5000), 50);
        assert_eq!(Sample::Files(7).of(3), 3);
        assert_eq!(Sample::All.of(3), 3);
    }
}
