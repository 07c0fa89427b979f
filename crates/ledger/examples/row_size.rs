//! Measures what a file costs in the ledger: bytes a row after the crawl and after SUCCESS, and the time.
//!
//! `cargo run --release -p landfall-ledger --example row_size -- sqlite:/tmp/size.db 100000`
//! The URL may be one of a PostgreSQL server with an empty database.

#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::error::Error;
use std::time::Instant;

use jiff::Timestamp;
use landfall_core::ledger::{Enrolment, FileFilter, JobHandle, Ledger, Placement, Record};
use landfall_core::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason, Via};
use landfall_core::store::{Authors, Entry, Holding, Listed};
use landfall_core::words::{ByteSize, Cursor, FileId, ItemKey, Revision, SourceId, Times, fold_hash};
use landfall_core::{Algo, Digest, Digests};
use landfall_ledger::Options;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Files in a page, as a listing gives them.
const PAGE: u64 = 1000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("a URL is needed")?;
    let files: u64 = arguments.next().ok_or("a number of files is needed")?.parse()?;
    let ledger = landfall_ledger::open(&url, Options::default()).await?;
    let at = Timestamp::from_second(1_760_000_000)?;
    let job = ledger.open_job("size", "宛先", "row_size", at).await?;
    let source = ledger.open_source(&job, "ada@contoso.com", "drive").await?;
    let measure = Measure { url, files };

    let started = clock();
    crawl(ledger.as_ref(), &job, source, files).await?;
    measure.tell("crawled", started).await?;
    let started = clock();
    ledger.settle_tree(&job, source, at).await?;
    measure.tell("settled", started).await?;
    let started = clock();
    for_each_page(ledger.as_ref(), &job, Standing::Unsettled, async |rows| {
        Ok(ledger.place(&job, rows.iter().map(placement).collect()).await?)
    })
    .await?;
    measure.tell("placed", started).await?;
    let started = clock();
    for_each_page(ledger.as_ref(), &job, Standing::In, async |rows| {
        for rows in rows.chunks(100) {
            ledger.record(&job, rows.iter().flat_map(|row| success(row, at)).collect()).await?;
        }
        Ok(())
    })
    .await?;
    measure.tell("all SUCCESS, three events each", started).await?;
    let started = clock();
    let tally = ledger.tally(job.id, None).await?;
    println!("tally of {} files in {:.3} s", tally.all().files, started.elapsed().as_secs_f64());
    let started = clock();
    crawl(ledger.as_ref(), &job, source, files).await?;
    ledger.settle_tree(&job, source, at).await?;
    measure.tell("crawled again in full, nothing changed", started).await
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]
fn clock() -> Instant {
    Instant::now()
}

async fn crawl(ledger: &dyn Ledger, job: &JobHandle, source: SourceId, files: u64) -> Outcome<()> {
    let at = Timestamp::from_second(1_760_000_000)?;
    let pass = ledger.begin_pass(job, source, true).await?.pass;
    for page in 0..files.div_ceil(PAGE) {
        let items = (page * PAGE..files.min((page + 1) * PAGE)).map(|n| Listed::File(entry(n))).collect();
        let complete = (page + 1) * PAGE >= files;
        let cursor = Some(Cursor("https://graph.example/delta?token=".to_owned() + &"x".repeat(200)));
        ledger.enrol(job, Enrolment { source, pass, items, cursor, complete, at }).await?;
    }
    Ok(())
}

/// A file as OneDrive lists one: 34 characters of id, an eTag of 44, a quickXorHash.
fn entry(n: u64) -> Entry {
    let when = Timestamp::from_second(1_600_000_000 + i64::try_from(n).unwrap_or(0)).ok();
    Entry {
        key: ItemKey(format!("01{n:032X}")),
        parent: None,
        name: format!("録音_2025-06-21_会議_{n:07}.wav"),
        size: ByteSize(1_000_000 + n),
        times: Times { created: when, modified: when },
        revision: Some(Revision(format!("\"{{{n:032X}-0000}},1\""))),
        digests: quickxor(n),
        authors: Authors::default(),
    }
}

fn quickxor(n: u64) -> Digests {
    let bytes = [[0x5a; 12].as_slice(), &n.to_be_bytes()].concat();
    Digests { quickxor: Digest::new(Algo::QuickXor, &bytes), ..Digests::none() }
}

fn placement(row: &FileRow) -> Placement {
    let fold = fold_hash(&row.entry.name);
    Placement { file: row.id, standing: Standing::In, skip: None, dest_name: None, target: fold, fold }
}

fn success(row: &FileRow, at: Timestamp) -> Vec<Record> {
    let sha256 = Digest::new(Algo::Sha256, &[0xa5; 32]);
    let sent = Digests { sha256, ..row.entry.digests.clone() };
    let theirs = Evidence { size: row.entry.size, digests: row.entry.digests.clone() };
    let ours = Evidence { size: row.entry.size, digests: sent.clone() };
    let item = ItemKey(row.entry.key.as_str().replace("01", "02"));
    let holding = Holding { item, revision: row.entry.revision.clone(), evidence: theirs.clone() };
    let leg = Some(SourceLeg::Matched);
    let present = Event::Present { holding, via: Via::Stream, sent, leg, reason: Reason::HashPending };
    let mut events = vec![Event::Intended { via: Via::Stream }, present];
    if let Comparison::Proven(proof) = Proof::compare(&ours, &theirs, SourceLeg::Matched, ProofKind::Hash, at)
    {
        events.push(Event::Proven(proof));
    }
    let mut state = row.state;
    events
        .into_iter()
        .map(|event| {
            let expect = state;
            state = state.apply(&event).unwrap_or(state);
            Record { file: row.id, expect, event, at }
        })
        .collect()
}

async fn for_each_page(
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

/// Asks the database for its own size.
struct Measure {
    url: String,
    files: u64,
}

impl Measure {
    async fn tell(&self, what: &str, started: Instant) -> Outcome<()> {
        let seconds = started.elapsed().as_secs_f64();
        let bytes = self.bytes().await?;
        let (each, rate) = (bytes / self.files, self.files as f64 / seconds);
        println!("{what}: {each} bytes a file ({bytes} in all), {seconds:.1} s, {rate:.0} files/s");
        Ok(())
    }

    async fn bytes(&self) -> Outcome<u64> {
        let server = self.url.starts_with("postgres");
        let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&self.url).await?;
        let statement = if server {
            "SELECT CAST(SUM(pg_total_relation_size(c.oid)) AS BIGINT) FROM pg_class AS c \
             WHERE c.relname IN ('file', 'event', 'folder', 'found', 'job')"
        } else {
            "SELECT (c.page_count - f.freelist_count) * s.page_size \
             FROM pragma_page_count AS c, pragma_freelist_count AS f, pragma_page_size AS s"
        };
        let bytes: i64 = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
        Ok(u64::try_from(bytes)?)
    }
}
