//! The counting: one pass over the files and one over the events side by side, then one over the findings.
//!
//! All in pages. Memory holds the figures and lists of at most 500 entries. Nothing is written.

mod files;

use std::io;

use futures_util::future::try_join;
use jiff::Timestamp;
use landfall_core::ledger::{CourseRow, FileFilter, JobHandle, Ledger, LookFilter, Looked, RunRow, Tally};
use landfall_core::row::Standing;
use landfall_core::state::{Reason, State};
use landfall_core::{FileId, JobId, StoreError};
use serde_json::Value;

use crate::audit::Audit;
use crate::buckets::{Step, Timeline};
use crate::report::{Activity, Asked, Finding, Findings, Report, Run, Unreached};
use crate::table::Table;
use files::Files;

/// The version of the report's form.
const VERSION: u32 = 1;
/// Rows read at a time: about a megabyte.
const PAGE: usize = 1000;
/// Events that the ledger sums up at a time: at worst as many sums, of about 60 bytes each.
const WINDOW: u32 = 50_000;
/// Runs that are read, the newest first.
const RUNS: usize = 100;

/// What the report is about, and what the ledger does not know.
#[derive(Debug)]
pub struct Question<'a> {
    /// The job.
    pub job: &'a JobHandle,
    /// What the configuration asks for.
    pub asked: Asked,
    /// Sources that could not be reached.
    pub unreached: Vec<Unreached>,
    /// The program and its version.
    pub program: String,
    /// The present moment.
    pub now: Timestamp,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[from] StoreError),
    /// The table cannot be written.
    #[error("the table cannot be written")]
    Write(#[from] io::Error),
}

/// Reads the job once and counts; rows that are not proven go to the table as they are met.
///
/// # Errors
/// Where the ledger cannot be read or the table cannot be written.
pub async fn gather(
    ledger: &dyn Ledger,
    question: Question<'_>,
    table: Option<&mut Table<'_>>,
) -> Result<Report, ReportError> {
    let job = question.job.id;
    let before = ledger.tally(job, None).await?;
    let sealed = question.asked.seal.is_some();
    let files = Files::new(ledger.sources(job).await?, question.now, sealed);
    // Two readers at once: each alone would leave the machine half idle.
    let (files, activity) = try_join(scan(ledger, job, files, table), course(ledger, question.job)).await?;
    let runs = runs(ledger, question.job).await?;
    let findings = findings(ledger, question.job).await?;
    let audit = Audit::last(ledger, job).await?;
    let tally = ledger.tally(job, None).await?;
    let moving = tally != before || files.totals.all.files != tally.all().files;
    Ok(finish(question, files, &tally, Rest { activity, runs, findings, audit, moving }))
}

/// What stands beside the files' figures.
struct Rest {
    activity: Activity,
    runs: Vec<Run>,
    findings: Findings,
    audit: Option<Audit>,
    moving: bool,
}

fn finish(question: Question<'_>, files: Files, tally: &Tally, rest: Rest) -> Report {
    let mut counted = files.finish();
    let totals = &mut counted.totals;
    totals.folders = tally.folders;
    // A source that has lost everything looks like one that never held anything.
    let emptied = totals.all.files == 0;
    let complete = !emptied
        && totals.open.files + totals.skipped.files + totals.unsettled.files == 0
        && question.unreached.is_empty();
    Report {
        version: VERSION,
        program: question.program,
        made_at: question.now,
        job: question.job.name.clone(),
        identity: question.job.identity.clone(),
        asked: question.asked,
        unreached: question.unreached,
        complete,
        moving: rest.moving,
        audit: rest.audit,
        totals: counted.totals,
        states: counted.states,
        proofs: counted.proofs,
        legs: counted.legs,
        ways: counted.ways,
        groups: counted.groups,
        open: counted.open,
        skipped: counted.skipped,
        renamed: counted.renamed,
        freshness: counted.freshness,
        sizes: counted.sizes,
        kinds: counted.kinds,
        activity: rest.activity,
        runs: rest.runs,
        findings: rest.findings,
        sources: counted.sources,
        left_behind: None,
    }
}

/// The pass over the files.
async fn scan(
    ledger: &dyn Ledger,
    job: JobId,
    mut files: Files,
    mut table: Option<&mut Table<'_>>,
) -> Result<Files, ReportError> {
    let filter = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
    let mut after = FileId(i64::MIN);
    loop {
        let rows = ledger.scan(job, &filter, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in &rows {
            files.take(row, table.as_deref_mut())?;
        }
    }
    if let Some(table) = table {
        table.finish()?;
    }
    Ok(files)
}

/// The pass over the events, summed up by the ledger: millions of them are a few thousand sums.
async fn course(ledger: &dyn Ledger, job: &JobHandle) -> Result<Activity, ReportError> {
    let mut timeline = Timeline::default();
    let mut all = 0;
    loop {
        let after = i64::try_from(all).unwrap_or(i64::MAX);
        let sums = ledger.course(job.id, after, WINDOW).await?;
        let events = sums.iter().map(|sum| sum.events).sum::<u64>();
        for sum in &sums {
            if let Some(step) = step(sum) {
                let at = Timestamp::from_second(sum.second).unwrap_or_default();
                timeline.add(at, step, sum.events, sum.bytes.0);
            }
        }
        all += events;
        if events < u64::from(WINDOW) {
            return Ok(timeline.finish(all));
        }
    }
}

fn step(sum: &CourseRow) -> Option<Step> {
    match sum.name.as_str() {
        "Proven" => Some(Step::Proven),
        "Deferred" if sum.reason == Some(Reason::Throttled) => Some(Step::Throttled),
        "Deferred" => Some(Step::Deferred),
        "Failed" | "Lapsed" => Some(Step::Failed),
        _ => None,
    }
}

async fn runs(ledger: &dyn Ledger, job: &JobHandle) -> Result<Vec<Run>, StoreError> {
    Ok(ledger.runs(job.id, RUNS).await?.into_iter().map(run).collect())
}

fn run(row: RunRow) -> Run {
    let mut summary: Value = serde_json::from_str(&row.summary).unwrap_or_default();
    if let Some(map) = summary.as_object_mut() {
        // Thousands of users in each of a hundred runs would outweigh everything else.
        map.remove("sources");
    }
    Run { command: row.command, started: row.started, ended: row.ended, summary }
}

async fn findings(ledger: &dyn Ledger, job: &JobHandle) -> Result<Findings, StoreError> {
    let mut found = Findings::default();
    let filter = LookFilter { findings: true, section: None };
    let mut after = String::new();
    loop {
        let looks = ledger.looks(job.id, &filter, &after, PAGE).await?;
        let Some(last) = looks.last() else { return Ok(found) };
        after.clone_from(&last.subject);
        for look in looks {
            note(&mut found, look);
        }
    }
}

fn note(found: &mut Findings, look: Looked) {
    let Some(word) = look.finding else { return };
    let detail: Value = serde_json::from_str(&look.detail).unwrap_or_default();
    let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    if !text("settled").is_empty() {
        found.settled += 1;
        return;
    }
    *found.open.entry(word.clone()).or_default() += 1;
    found.list.push(|| Finding {
        subject: look.subject,
        section: look.section,
        finding: word,
        words: text("words"),
        at: look.at,
    });
}

/// The name of a row's standing in groups, lists and the table.
fn standing(standing: Standing, state: State) -> &'static str {
    match standing {
        Standing::In => state.name(),
        Standing::Unsettled => "unsettled",
        Standing::Skipped => "skipped",
        Standing::Outside => "outside",
        Standing::Gone => "gone",
    }
}
