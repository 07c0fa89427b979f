//! Measures what a look costs in the ledger: bytes a row and the time, in pages of 500 as a verify writes them.
//!
//! `cargo run --release -p landfall-ledger --example look_size -- sqlite:/tmp/looks.db 100000`
//! The URL may be one of a PostgreSQL server with an empty database.

#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::error::Error;
use std::time::Instant;

use jiff::Timestamp;
use landfall_core::ledger::{Answer, LookFilter, Looked};
use landfall_ledger::Options;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Looks in one call.
const PAGE: u64 = 500;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("a URL is needed")?;
    let looks: u64 = arguments.next().ok_or("a number of looks is needed")?.parse()?;
    let ledger = landfall_ledger::open(&url, Options::default()).await?;
    let job = ledger.open_job("looks", "宛先", "look_size", Timestamp::from_second(1_760_000_000)?).await?;
    let empty = bytes(&url).await?;
    for (pass, what) in [(1, "written"), (2, "replaced")] {
        let started = clock();
        for page in 0..looks.div_ceil(PAGE) {
            let page = (page * PAGE..looks.min((page + 1) * PAGE)).map(|n| look(n, pass));
            ledger.looked(&job, page.collect::<Outcome<Vec<Looked>>>()?).await?;
        }
        let (seconds, size) = (started.elapsed().as_secs_f64(), bytes(&url).await? - empty);
        println!("{looks} looks {what}: {seconds:.2} s, {} bytes a row ({size} in all)", size / looks);
    }
    for findings in [false, true] {
        let (started, filter) = (clock(), LookFilter { findings, section: None });
        let (mut after, mut read) = (String::new(), 0);
        loop {
            let page = ledger.looks(job.id, &filter, &after, 1000).await?;
            let Some(last) = page.last() else { break };
            last.subject.clone_into(&mut after);
            read += page.len();
        }
        println!("{read} read (findings only: {findings}): {:.2} s", started.elapsed().as_secs_f64());
    }
    let started = clock();
    ledger.forget_looks(&job, Timestamp::from_second(1_760_000_003)?).await?;
    println!("all forgotten: {:.2} s", started.elapsed().as_secs_f64());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]
fn clock() -> Instant {
    Instant::now()
}

/// One picture of a post, as a catalogue's verify sees it; one in a hundred has a finding.
fn look(n: u64, pass: i64) -> Outcome<Looked> {
    let (post, position) = (1_800_000_000_000_000_000 + n / 2, n % 2);
    let finding = n.is_multiple_of(100).then(|| "missing".to_owned());
    Ok(Looked {
        subject: format!(
            "all_tweets/{post}/{position}/https://pbs.twimg.com/media/G{n:014X}?format=jpg&name=orig"
        ),
        owner: format!("all_tweets/{post}"),
        section: format!("利用者{:04}", n % 997),
        answer: if finding.is_some() { Answer::Absent } else { Answer::Present },
        finding,
        detail: format!("{{\"path\":\"encrypted_images/利用者{:04}/{n:064x}\",\"size\":{n}}}", n % 997),
        at: Timestamp::from_second(1_760_000_000 + pass)?,
    })
}

/// Asks the database for its own size.
async fn bytes(url: &str) -> Outcome<u64> {
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(url).await?;
    let statement = if url.starts_with("postgres") {
        "SELECT CAST(pg_total_relation_size('look') AS BIGINT)"
    } else {
        "SELECT (c.page_count - f.freelist_count) * s.page_size \
         FROM pragma_page_count AS c, pragma_freelist_count AS f, pragma_page_size AS s"
    };
    let bytes: i64 = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
    Ok(u64::try_from(bytes)?)
}
