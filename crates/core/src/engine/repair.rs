//! Mending what a verify found: each file by the cheapest way, proven before it counts.
//!
//! Owns which finding is mended how, and what is never touched unasked. Moves and times are set one by one at
//! the destination; what must be sent goes the way of every other file, as a new version of whatever stands
//! there. Killed and called again it goes on: a finding is open until a proof closes it (`docs/verify.md`).

mod accept;
mod act;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::engine::verify::{Detail, file_of, folder_of};
use crate::engine::{Engine, Job, Policy, RunOptions, Stage};
use crate::error::StoreError;
use crate::ledger::{LookFilter, Looked};
use crate::row::FileRow;
use crate::state::{Reason, State};

pub use accept::Accepted;
pub use plan::{Remedy, RepairPlan};

use plan::{About, remedy};

const BATCH: usize = 500;
/// Files sent in one go; more follow in the next.
const SENT_AT_ONCE: usize = 10_000;

/// How a repair is to go.
#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    /// At most this many findings are acted on.
    pub limit: Option<u64>,
    /// People's work that is mended all the same.
    pub include: BTreeSet<Reason>,
    /// Only these findings; empty means all.
    pub only: BTreeSet<Reason>,
    /// Doubles are taken away where the file they repeat is proven.
    pub remove_doubles: bool,
    /// The sources are gone for good: what could only be sent again is left as it is, for a try would end in NG
    /// with a reason that hides what is wrong with it.
    pub sourceless: bool,
}

/// What became of one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// The file's path at the source, or the object's at the destination.
    pub path: String,
    /// The finding.
    pub finding: String,
    /// What was done.
    pub remedy: Remedy,
    /// Whether it is mended.
    pub mended: bool,
    /// Why not, in words.
    pub words: String,
}

/// What a repair amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Findings that are mended and proven.
    pub mended: u64,
    /// Findings that were to be mended and are not.
    pub failed: u64,
    /// Somebody asked to stop.
    pub interrupted: bool,
}

/// One open finding and what it is about.
struct Open {
    look: Looked,
    reason: Reason,
    /// What it is about.
    about: About,
    remedy: Remedy,
}

impl Engine {
    /// Mends what is open. `told` hears of each finding as it is done with.
    ///
    /// # Errors
    /// What must end the repair: credentials, a full destination, the ledger. A single file's trouble is told.
    pub async fn repair(
        &self,
        job: &Arc<Job>,
        options: &RepairOptions,
        told: &(dyn Fn(&Mended) + Sync),
    ) -> Result<RepairReport, StoreError> {
        let mut report = RepairReport::default();
        match self.mend_all(job, options, told, &mut report).await {
            Err(error) if error.kind == crate::ErrorKind::Stopped => report.interrupted = true,
            other => other?,
        }
        report.interrupted |= self.stop.is_cancelled();
        self.meter.phase(0);
        Ok(report)
    }

    async fn mend_all(
        &self,
        job: &Arc<Job>,
        options: &RepairOptions,
        told: &(dyn Fn(&Mended) + Sync),
        report: &mut RepairReport,
    ) -> Result<(), StoreError> {
        self.check_seal(job).await?;
        self.meter.phase(3);
        let mut acts = 0;
        let mut after = String::new();
        let mut sending: Vec<Open> = Vec::new();
        'pages: while let Some((open, last)) = self.open_findings(job, options, &after).await? {
            after = last;
            for open in open {
                if open.remedy.acts() && options.limit.is_some_and(|limit| acts >= limit) {
                    break 'pages;
                }
                acts += u64::from(open.remedy.acts());
                match open.remedy {
                    Remedy::Send => sending.push(open),
                    _ => {
                        let mended = self.mend_one(job, open).await?;
                        report.add(&mended);
                        told(&mended);
                    }
                }
                if sending.len() >= SENT_AT_ONCE {
                    self.send_again(job, std::mem::take(&mut sending), told, report).await?;
                }
            }
        }
        self.send_again(job, sending, told, report).await
    }

    /// One page of open findings after a subject, with the last subject of the page; `None` at the end.
    async fn open_findings(
        &self,
        job: &Job,
        options: &RepairOptions,
        after: &str,
    ) -> Result<Option<(Vec<Open>, String)>, StoreError> {
        let filter = LookFilter { findings: true, section: None };
        let looks = self.ledger.looks(job.handle.id, &filter, after, BATCH).await?;
        let Some(last) = looks.last().map(|look| look.subject.clone()) else { return Ok(None) };
        let mut open = Vec::with_capacity(looks.len());
        for look in looks {
            let Some(reason) = look.finding.as_deref().and_then(Reason::parse) else { continue };
            if !options.only.is_empty() && !options.only.contains(&reason) {
                continue;
            }
            let about = self.about(job, &look.subject).await?;
            let remedy = remedy(reason, &about, &look, options);
            open.push(Open { look, reason, about, remedy });
        }
        Ok(Some((open, last)))
    }

    async fn about(&self, job: &Job, subject: &str) -> Result<About, StoreError> {
        if let Some(id) = file_of(subject) {
            return Ok(self.file(job, id).await?.map_or(About::Stranger, |row| About::File(Box::new(row))));
        }
        let folder = match folder_of(subject) {
            Some(id) => self.ledger.folder(job.handle.id, id).await?,
            None => None,
        };
        Ok(folder.map_or(About::Stranger, |row| About::Folder(Box::new(row))))
    }

    /// Sends files again over whatever stands there, and says of each whether it is proven now.
    async fn send_again(
        &self,
        job: &Arc<Job>,
        open: Vec<Open>,
        told: &(dyn Fn(&Mended) + Sync),
        report: &mut RepairReport,
    ) -> Result<(), StoreError> {
        if open.is_empty() {
            return Ok(());
        }
        let mut keys = BTreeSet::new();
        let mut replaces = BTreeMap::new();
        for open in &open {
            let Some(row) = open.about.file() else { continue };
            keys.insert(row.entry.key.clone());
            if !matches!(open.reason, Reason::AbsentAtDestination | Reason::DeletedByUser) {
                let item =
                    Detail::of(&open.look).item().or(row.holding.as_ref().map(|held| held.item.clone()));
                let found = match item {
                    Some(item) => self.ledger.found_item(job.tree, &item).await?,
                    None => None,
                };
                replaces.insert(row.entry.key.clone(), found.and_then(|found| found.revision));
            }
            self.let_go(job, row.clone(), open.reason).await?;
        }
        let policy = Policy { replaces: Arc::new(replaces), ..job.policy.clone() };
        let over = Arc::new(Job { policy, ..job.as_ref().clone() });
        let run = RunOptions { stage: Stage::Repair, only: Some(Arc::new(keys)), ..RunOptions::default() };
        self.run(&over, run).await?;
        for open in open {
            let About::File(row) = open.about else { continue };
            let now = self.file(job, row.id).await?;
            let mended = now.as_ref().is_some_and(|row| row.state == State::Success);
            if mended {
                self.close(job, &open.look.subject).await?;
            }
            let words = match &now {
                Some(now) if !mended => {
                    let reason = now.reason.map(|reason| reason.to_string()).unwrap_or_default();
                    format!("{} {reason} {}", now.state, now.comment).trim().to_owned()
                }
                _ => String::new(),
            };
            let finding = open.reason.to_string();
            let outcome = Mended { path: open.look.owner, finding, remedy: Remedy::Send, mended, words };
            report.add(&outcome);
            told(&outcome);
        }
        self.go_on("repair")
    }

    /// Lets a file go again whose proof was taken back; one that a killed repair had let go is on its way already.
    async fn let_go(&self, job: &Job, row: FileRow, reason: Reason) -> Result<(), StoreError> {
        match row.state {
            State::Ng | State::Success => self.lapse(job, row, reason, &format!("repair of {reason}")).await,
            State::Pending | State::Local | State::Dupe => Ok(()),
        }
    }
}

impl RepairReport {
    fn add(&mut self, mended: &Mended) {
        if mended.remedy.acts() {
            *(if mended.mended { &mut self.mended } else { &mut self.failed }) += 1;
        }
    }

    /// True where nothing is left that a repair may do.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.failed == 0 && !self.interrupted
    }
}
