//! The ledgers held to one suite: memory, SQLite, PostgreSQL.

use std::sync::Arc;

use landfall_core::ledger::{Ledger, MemoryLedger};
use landfall_ledger::Options;
use landfall_tests::conformance::ledger::{Setup, random, run_all, upgrade};
use landfall_tests::postgres::ScratchPostgres;

#[tokio::test]
async fn memory_conforms() {
    let ledger = MemoryLedger::new().exclusive();
    let other = ledger.clone();
    let again = Arc::new(move || {
        let other: Arc<dyn Ledger> = Arc::new(other.another_process());
        Box::pin(async move { other }) as _
    });
    run_all(Setup { ledger: Arc::new(ledger), again }).await;
}

#[tokio::test]
async fn the_random_story_repeats_in_memory() {
    for seed in 0..20 {
        random::compare(Arc::new(MemoryLedger::new()), "memory", seed, 200).await;
    }
}

fn options() -> Options {
    Options { holder: "test".into(), ..Options::default() }
}

/// A ledger at a URL, and how another process opens it.
async fn setup(url: String) -> Setup {
    let ledger = landfall_ledger::open(&url, options()).await.unwrap();
    let again = Arc::new(move || {
        let url = url.clone();
        Box::pin(async move { landfall_ledger::open(&url, options()).await.unwrap() }) as _
    });
    Setup { ledger, again }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("台帳 100%.db").display());
    let setup = setup(url).await;
    run_all(setup.clone()).await;
    for seed in 0..12 {
        random::compare(Arc::clone(&setup.ledger), "sqlite", seed, 120).await;
    }
}

#[tokio::test]
async fn sqlite_in_memory_tells_the_same_story() {
    let ledger = landfall_ledger::open("sqlite::memory:", options()).await.unwrap();
    for seed in 100..104 {
        random::compare(Arc::clone(&ledger), "sqlite", seed, 120).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let server = ScratchPostgres::start().await.unwrap();
    let setup = setup(server.url().to_owned()).await;
    run_all(setup.clone()).await;
    for seed in 0..12 {
        random::compare(Arc::clone(&setup.ledger), "postgres", seed, 120).await;
    }
    drop(setup);
    server.stop().await.unwrap();
}

/// Two programs come at once upon a ledger of version 1; one of them upgrades it, and work goes on.
async fn is_upgraded(url: &str) {
    assert_eq!(upgrade::version(url).await, 1);
    let (first, second) =
        tokio::join!(landfall_ledger::open(url, options()), landfall_ledger::open(url, options()));
    let (ledger, second) = (first.unwrap(), second.unwrap());
    assert_eq!(upgrade::version(url).await, 4);
    upgrade::is_as_it_was(ledger.as_ref()).await;
    upgrade::goes_on(&ledger).await;
    upgrade::went_on(second.as_ref()).await;
    drop((ledger, second));
    let ledger = landfall_ledger::open(url, options()).await.unwrap();
    assert_eq!(upgrade::version(url).await, 4);
    upgrade::went_on(ledger.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_ledger_of_version_1_is_upgraded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    upgrade::leave(&format!("sqlite:{}?mode=rwc", file.display()), upgrade::SQLITE, "SELECT 1").await;
    is_upgraded(&format!("sqlite:{}", file.display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_ledger_of_version_1_is_upgraded() {
    let server = ScratchPostgres::start().await.unwrap();
    upgrade::execute(server.url(), "DROP DATABASE IF EXISTS landfall_version_1").await;
    upgrade::execute(server.url(), "CREATE DATABASE landfall_version_1").await;
    let (host, _) = server.url().rsplit_once('/').unwrap();
    let url = format!("{host}/landfall_version_1");
    upgrade::leave(&url, upgrade::POSTGRES, upgrade::COUNTERS).await;
    is_upgraded(&url).await;
    server.stop().await.unwrap();
}
