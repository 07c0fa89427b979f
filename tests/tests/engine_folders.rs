//! The same engine from folder to folder: no digests published on either side, so everything is read back.

use std::path::Path;
use std::sync::Arc;

use landfall_core::engine::{Engine, Job, Meter, Policy, RunOptions, RunReport, Slot};
use landfall_core::ledger::{Ledger, MemoryLedger};
use landfall_core::spool::MemorySpool;
use landfall_core::store::{Destination as _, OnConflict, Source as _};
use landfall_core::{Chance, Clock as _, RelPath, SystemClock};
use landfall_stores::fs::{FsDestination, FsSource};
use tokio_util::sync::CancellationToken;

async fn run(ledger: &MemoryLedger, from: &Path, to: &Path) -> RunReport {
    run_as(ledger, from, to, OnConflict::Keep).await
}

async fn run_as(ledger: &MemoryLedger, from: &Path, to: &Path, on_conflict: OnConflict) -> RunReport {
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
    let policy = Policy { on_conflict, ..Policy::default() };
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

/// Neither size nor digest tells: only the revision, which has nanoseconds.
#[tokio::test]
async fn an_edit_of_equal_size_within_the_same_second_arrives() {
    let scratch = tempfile::tempdir().unwrap();
    let (from, to) = (scratch.path().join("元"), scratch.path().join("先"));
    for folder in [&from, &to] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let put = |text: &str, nanos: u32| {
        std::fs::write(from.join("録音.txt"), text).unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, nanos);
        let file = std::fs::File::options().write(true).open(from.join("録音.txt")).unwrap();
        file.set_modified(at).unwrap();
    };
    let ledger = MemoryLedger::new();
    for (text, nanos) in [("一一一", 100_000_000), ("二二二", 700_000_000), ("三三三", 900_000_000)]
    {
        put(text, nanos);
        let report = run(&ledger, &from, &to).await;
        assert!(report.complete(), "{text}: {report:?}");
        assert_eq!(std::fs::read_to_string(to.join("録音.txt")).unwrap(), text);
    }
}

/// Where no digest is published only reading tells a stranger from the file, and it must not tell it for ever.
#[tokio::test]
async fn a_stranger_of_equal_size_is_replaced_or_set_apart_once() {
    for (on_conflict, names) in [(OnConflict::Replace, 1), (OnConflict::Rename, 2)] {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("元"), scratch.path().join("先"));
        for (folder, text) in [(&from, "われら"), (&to, "だれか")] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("録音.txt"), text).unwrap();
        }
        let ledger = MemoryLedger::new();
        let work = run_as(&ledger, &from, &to, on_conflict);
        let report = tokio::time::timeout(std::time::Duration::from_secs(30), work).await.unwrap();
        assert!(report.complete(), "{on_conflict:?}: {report:?}");
        let files = std::fs::read_dir(&to).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count();
        assert_eq!(files, names, "{on_conflict:?}");
    }
}
