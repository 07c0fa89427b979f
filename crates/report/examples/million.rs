//! Measures a report: fills a SQLite ledger with files, all but some proven, then reads it once.
//!
//! `cargo run --release -p landfall-report --example million -- fill /tmp/million.db 1000000`, then the same with
//! `report` in place of `fill`: a process of its own, so that the memory is that of the report alone.

#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;

use jiff::Timestamp;
use landfall_core::ledger::{Enrolment, FileFilter, JobHandle, Ledger, Placement, Record};
use landfall_core::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason, Via};
use landfall_core::store::{Entry, Holding, Listed};
use landfall_core::words::{ByteSize, Cursor, FileId, ItemKey, Revision, Times, fold_hash};
use landfall_core::{Algo, Digest, Digests};
use landfall_ledger::Options;
use landfall_report::{Asked, Language, Question, Table, gather, page};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PAGE: u64 = 1000;
const BEGAN: i64 = 1_760_000_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or("`fill` or `report` is needed")?;
    let path = arguments.next().ok_or("a file is needed")?;
    let files: u64 = arguments.next().ok_or("a number of files is needed")?.parse()?;
    let ledger = landfall_ledger::open(&format!("sqlite:{path}"), Options::default()).await?;
    match what.as_str() {
        "fill" => fill(ledger.as_ref(), files).await,
        _ => report(ledger.as_ref(), &path).await,
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]
fn clock() -> Instant {
    Instant::now()
}

async fn report(ledger: &dyn Ledger, path: &str) -> Outcome<()> {
    let job = ledger.find_job("million").await?.ok_or("fill it first")?;
    let started = clock();
    let mut csv = BufWriter::new(File::create(format!("{path}.csv"))?);
    let lookup = |key: &str| key.to_owned();
    let language = Language { code: "en", lookup: &lookup };
    let question = Question {
        job: &job,
        asked: Asked::default(),
        unreached: Vec::new(),
        program: "Landfall".to_owned(),
        now: Timestamp::from_second(BEGAN + 90 * 86_400)?,
    };
    let mut table = Table::new(&mut csv, language);
    let report = gather(ledger, question, Some(&mut table)).await?;
    let rows = table.rows();
    let read = started.elapsed().as_secs_f64();
    let html = page(&report, &language);
    std::fs::write(format!("{path}.html"), &html)?;
    println!(
        "{} of {} files proven, {} events, {rows} rows of CSV, {} bytes of HTML: {read:.1} s reading, {:.3} s drawing, peak memory {}",
        report.totals.proven.files,
        report.totals.all.files,
        report.activity.events,
        html.len(),
        started.elapsed().as_secs_f64() - read,
        peak()
    );
    Ok(())
}

/// The most memory that this process held, as the machine tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}

async fn fill(ledger: &dyn Ledger, files: u64) -> Outcome<()> {
    let at = Timestamp::from_second(BEGAN)?;
    let job = ledger.open_job("million", "宛先", "million", at).await?;
    let source = ledger.open_source(&job, "ada@contoso.com", "drive").await?;
    let pass = ledger.begin_pass(&job, source, true).await?.pass;
    for number in 0..files.div_ceil(PAGE) {
        let items = (number * PAGE..files.min((number + 1) * PAGE)).map(|n| Listed::File(entry(n))).collect();
        let complete = (number + 1) * PAGE >= files;
        let cursor = Some(Cursor("token".to_owned()));
        ledger.enrol(&job, Enrolment { source, pass, items, cursor, complete, at }).await?;
    }
    ledger.settle_tree(&job, source, at).await?;
    each(ledger, &job, Standing::Unsettled, async |rows| {
        Ok(ledger.place(&job, rows.iter().map(placement).collect()).await?)
    })
    .await?;
    each(ledger, &job, Standing::In, async |rows| {
        Ok(ledger.record(&job, rows.iter().flat_map(life).collect()).await?)
    })
    .await?;
    println!("{files} files");
    Ok(())
}

fn entry(n: u64) -> Entry {
    let when = Timestamp::from_second(1_600_000_000 + i64::try_from(n).unwrap_or(0)).ok();
    let digest = [[0x5a; 12].as_slice(), &n.to_be_bytes()].concat();
    Entry {
        key: ItemKey(format!("01{n:032X}")),
        parent: None,
        name: format!("録音_2025-06-21_会議_{n:07}.{}", n % 60),
        size: ByteSize(1_000_000 + n),
        times: Times { created: when, modified: when },
        revision: Some(Revision(format!("\"{{{n:032X}-0000}},1\""))),
        digests: Digests { quickxor: Digest::new(Algo::QuickXor, &digest), ..Digests::none() },
        authors: landfall_core::store::Authors::default(),
    }
}

fn placement(row: &FileRow) -> Placement {
    let fold = fold_hash(&row.entry.name);
    Placement { file: row.id, standing: Standing::In, skip: None, dest_name: None, target: fold, fold }
}

/// Nine in ten are proven; the others failed.
fn life(row: &FileRow) -> Vec<Record> {
    let at = Timestamp::from_second(BEGAN + row.id.0 % 100_000_000 / 20).unwrap_or_default();
    let sha256 = Digest::new(Algo::Sha256, &[0xa5; 32]);
    let sent = Digests { sha256, ..row.entry.digests.clone() };
    let theirs = Evidence { size: row.entry.size, digests: row.entry.digests.clone() };
    let ours = Evidence { size: row.entry.size, digests: sent.clone() };
    let item = ItemKey(row.entry.key.as_str().replace("01", "02"));
    let holding = Holding { item, revision: row.entry.revision.clone(), evidence: theirs.clone() };
    let leg = Some(SourceLeg::Matched);
    let mut events = vec![Event::Intended { via: Via::Stream }];
    if row.id.0 % 10 == 0 {
        let comment = "the item is checked out".to_owned();
        events.push(Event::Failed { reason: Reason::SourceDenied, comment, last: true });
    } else {
        events.push(Event::Present { holding, via: Via::Stream, sent, leg, reason: Reason::HashPending });
        let comparison = Proof::compare(&ours, &theirs, SourceLeg::Matched, ProofKind::Hash, at);
        if let Comparison::Proven(proof) = comparison {
            events.push(Event::Proven(proof));
        }
    }
    let mut state = row.state;
    let record = |event: Event| {
        let expect = state;
        state = state.apply(&event).unwrap_or(state);
        Record { file: row.id, expect, event, at }
    };
    events.into_iter().map(record).collect()
}

async fn each(
    ledger: &dyn Ledger,
    job: &JobHandle,
    standing: Standing,
    mut work: impl AsyncFnMut(&[FileRow]) -> Outcome<()>,
) -> Outcome<()> {
    let filter = FileFilter { standings: vec![standing], ..FileFilter::default() };
    let mut after = FileId(0);
    loop {
        let rows = ledger.scan(job.id, &filter, after, 1000).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        work(&rows).await?;
    }
}
