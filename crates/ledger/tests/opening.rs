//! Opening a ledger: what is refused, with which code, and what survives.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::path::Path;

use jiff::Timestamp;
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::{Code, StoreError};
use landfall_ledger::{Options, open};

fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

async fn refusal(file: &Path) -> StoreError {
    match open(&url(file), Options::default()).await {
        Ok(_) => panic!("{} was opened", file.display()),
        Err(error) => error,
    }
}

/// A ledger with one job, closed again.
async fn made(file: &Path) {
    let ledger = open(&url(file), Options::default()).await.unwrap();
    let job = ledger.open_job("移行", "宛先", "test", Timestamp::UNIX_EPOCH).await.unwrap();
    ledger.close_job(&job).await.unwrap();
}

async fn raw(file: &Path, statement: &'static str) {
    sqlx::any::install_default_drivers();
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&url(file)).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("台帳.db");
    std::fs::write(&file, "これはデータベースではない。".repeat(100)).unwrap();
    let error = refusal(&file).await;
    assert_eq!(error.code, Some(Code::LedgerCorrupt), "{}", error.chain());
}

#[tokio::test]
async fn a_newer_ledger_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    made(&file).await;
    raw(&file, "INSERT INTO landfall_schema (version) VALUES (999)").await;
    let error = refusal(&file).await;
    assert_eq!(error.code, Some(Code::LedgerNewer), "{}", error.chain());
    assert!(error.detail.contains("999"));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&folder.path().join("無い/ledger.db")).await;
    assert_eq!(error.code, Some(Code::LedgerUnreachable));
    assert!(error.chain().contains("No such file"), "the cause is named: {}", error.chain());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let result = open("postgres://landfall@127.0.0.1:1/none", Options::default()).await;
    assert_eq!(result.err().and_then(|e| e.code), Some(Code::LedgerUnreachable));
    let result = open("mysql://somewhere", Options::default()).await;
    assert_eq!(result.err().and_then(|e| e.code), Some(Code::BadConfig));
}

#[tokio::test]
async fn damage_is_found_after_an_unclean_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    made(&file).await;
    let log = folder.path().join("ledger.db-wal");
    assert_eq!(log.metadata().map_or(0, |log| log.len()), 0, "closing the job empties the log");
    // A kill in the midst of a write to a bad disk: damaged pages, and a log that nobody emptied.
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.chunks_mut(4096).skip(2).step_by(2).for_each(|page| page.fill(0xff));
    std::fs::write(&file, &bytes).unwrap();
    std::fs::write(&log, [0; 64]).unwrap();
    let error = refusal(&file).await;
    assert_eq!(error.code, Some(Code::LedgerCorrupt), "{}", error.chain());
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("台帳.db");
    let name = |job| MemoKey::new(job, "session", "録音");
    let (job, epoch) = {
        let ledger = open(&url(&file), Options::default()).await.unwrap();
        let job = ledger.open_job("移行", "宛先", "test", Timestamp::UNIX_EPOCH).await.unwrap();
        let value = MemoValue { text: "https://up?秘密の鍵".into(), secret: true, expires: None };
        ledger.remember(&name(job.id), value).await.unwrap();
        (job.id, job.epoch)
    };
    let ledger = open(&url(&file), Options::default()).await.unwrap();
    let again = ledger.open_job("移行", "宛先", "test", Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!((again.id, again.epoch.0), (job, epoch.0 + 1));
    assert_eq!(ledger.memo(&name(job)).await.unwrap().as_deref(), Some("https://up?秘密の鍵"));
    drop(ledger);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let secret = "秘密の鍵".as_bytes();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "a secret lies readable on the disk");
    }
    std::fs::remove_file(folder.path().join("台帳.db.key")).unwrap();
    let ledger = open(&url(&file), Options::default()).await.unwrap();
    assert_eq!(ledger.memo(&name(job)).await.unwrap(), None, "a lost key costs the memo, nothing else");
    let other = Options { key: Some([1; 32]), ..Options::default() };
    let ledger = open(&url(&file), other).await.unwrap();
    assert_eq!(ledger.memo(&name(job)).await.unwrap(), None);
}
