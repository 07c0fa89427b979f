//! The ledgers held to one suite: memory, SQLite, PostgreSQL.

use std::sync::Arc;

use landfall_core::ledger::{Ledger, MemoryLedger};
use landfall_tests::conformance::ledger::{Setup, random, run_all};

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
