//! The same engine from folder to folder: no digests published on either side, so everything is read back.

use std::path::Path;
use std::sync::Arc;

use landfall_core::engine::{Engine, Job, Meter, Policy, RunOptions, RunReport, Slot};
use landfall_core::ledger::{Ledger, MemoryLedger};
use landfall_core::spool::MemorySpool;
use landfall_core::store::{Destination as _, Source as _};
use landfall_core::{Chance, Clock as _, RelPath, SystemClock};
use landfall_stores::fs::{FsDestination, FsSource};
use tokio_util::sync::CancellationToken;

async fn run(ledger: &MemoryLedger, from: &Path, to: &Path) -> RunReport {
    let ledger: Arc<dyn Ledger> = Arc::new(ledger.another_process());
    let source = FsSource::open(from).await.unwrap();
    let destination = FsDestination::open(to).await.unwrap();
    let handle = ledger.open_job("copy", &destination.identity(), "test", SystemClock.now()).await.unwrap();
    let id = ledger.open_source(&handle, "src", &source.identity()).await.unwrap();
    let tree = ledger.open_tree(&destination.identity()).await.unwrap();
    let slot = Slot {
        id,
        label: "src".into(),
        source: Arc::new(source),
        scope: RelPath::root(),
        prefix: RelPath::root(),
    };
    let policy = Policy::default();
    let job = Job {
        handle,
        slots: vec![slot],
        destination: Arc::new(destination),
        seal: None,
        rewriting: None,
        tree,
        policy,
    };
    let engine = Engine {
        ledger,
        spool: Arc::new(MemorySpool::new()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(Chance::seeded(1)),
        meter: Arc::new(Meter::default()),
        stop: CancellationToken::new(),
    };
    engine.run(&Arc::new(job), RunOptions::default()).await.unwrap()
}

#[tokio::test]
async fn folders_are_carried_proven_and_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let (from, to) = (scratch.path().join("元"), scratch.path().join("先"));
    std::fs::create_dir_all(from.join("会議/空")).unwrap();
    std::fs::create_dir_all(&to).unwrap();
    std::fs::write(from.join("会議/録音.wav"), vec![7; 700_000]).unwrap();
    std::fs::write(from.join("空.txt"), "").unwrap();
    let ledger = MemoryLedger::new();
    let report = run(&ledger, &from, &to).await;
    assert!(report.complete(), "{report:?}");
    assert_eq!(std::fs::read(to.join("会議/録音.wav")).unwrap(), vec![7; 700_000]);
    assert!(to.join("会議/空").is_dir() && to.join("空.txt").is_file());

    // Our own older file gives way to the source's newer content; a stranger's does not.
    std::fs::write(from.join("会議/録音.wav"), "新しい録音").unwrap();
    let report = run(&ledger, &from, &to).await;
    assert!(report.complete(), "{report:?}");
    assert_eq!(std::fs::read_to_string(to.join("会議/録音.wav")).unwrap(), "新しい録音");
    std::fs::write(to.join("会議/録音.wav"), "他人の編集").unwrap();
    std::fs::write(from.join("会議/録音.wav"), "さらに新しい録音").unwrap();
    let report = run(&ledger, &from, &to).await;
    assert!(!report.complete(), "{report:?}");
    assert_eq!(std::fs::read_to_string(to.join("会議/録音.wav")).unwrap(), "他人の編集");
}
