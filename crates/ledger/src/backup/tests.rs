use std::time::Duration;

use landfall_core::ledger::{Enrolment, FileFilter, Ledger};
use landfall_core::store::{Authors, Entry, Listed};
use landfall_core::words::{ByteSize, FileId, ItemKey};
use landfall_core::{Digests, Times};

use super::*;
use crate::{Options, open};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A ledger in a folder, with one job of so many files.
async fn ledger(folder: &Path) -> std::sync::Arc<dyn Ledger> {
    open(&format!("sqlite:{}", folder.join("台帳 #1.db").display()), Options::default()).await.unwrap()
}

fn database(folder: &Path) -> PathBuf {
    folder.join("台帳 #1.db")
}

/// Adds a file, and takes it away: that is an event.
async fn happen(ledger: &dyn Ledger, name: &str) {
    let job = ledger.open_job("録音", "fs:/a", "x", NOW).await.unwrap();
    let source = ledger.open_source(&job, "s", "fs:/b").await.unwrap();
    for (pass_full, items) in [(true, vec![Listed::File(entry(name))]), (true, Vec::new())] {
        let at = ledger.begin_pass(&job, source, pass_full).await.unwrap();
        let page = Enrolment { source, pass: at.pass, items, cursor: None, complete: true, at: NOW };
        ledger.enrol(&job, page).await.unwrap();
        ledger.settle_tree(&job, source, NOW).await.unwrap();
    }
    ledger.close_job(&job).await.unwrap();
}

fn entry(name: &str) -> Entry {
    Entry {
        key: ItemKey::from(name),
        parent: None,
        name: name.to_owned(),
        size: ByteSize(1),
        times: Times::default(),
        revision: None,
        digests: Digests::none(),
        authors: Authors::default(),
    }
}

#[tokio::test]
async fn a_copy_made_while_others_work_is_whole_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let open_ledger = ledger(folder).await;
    happen(open_ledger.as_ref(), "一.wav").await;
    let copy = folder.join("控え.db");
    let made = backup(&database(folder), &copy).await.unwrap();
    assert_eq!(made.contents.jobs.len(), 1);
    assert!(made.contents.jobs[0].1 > 0 && made.bytes > 0);
    // Somebody has it open.
    let refused = restore(&copy, &database(folder), true, NOW).await.unwrap_err();
    assert_eq!(refused.code, Some(Code::JobBusy));
    happen(open_ledger.as_ref(), "二.wav").await;
    drop(open_ledger);
    tokio::time::sleep(Duration::from_millis(200)).await;

    // It knows more than the copy.
    let newer = restore(&copy, &database(folder), false, NOW).await.unwrap_err();
    assert_eq!((newer.kind, newer.code), (ErrorKind::Rejected, Some(Code::BadArgument)));
    let before = read(&database(folder)).await.unwrap();
    let restored = restore(&copy, &database(folder), true, NOW).await.unwrap();
    assert_eq!(restored.lost, ["録音"]);
    assert_eq!(read(&database(folder)).await.unwrap(), made.contents);
    let kept = restored.kept.unwrap();
    assert_eq!(read(&kept).await.unwrap(), before);
    // The other way round needs no force; what is kept under the same second is not written over.
    assert_eq!(restore(&kept, &database(folder), false, NOW).await.unwrap_err().kind, ErrorKind::Exists);
    let later = NOW + jiff::SignedDuration::from_secs(1);
    assert_eq!(restore(&kept, &database(folder), false, later).await.unwrap().lost, Vec::<String>::new());
    let back = ledger(folder).await;
    let job = back.find_job("録音").await.unwrap().unwrap();
    let every = FileFilter { standings: landfall_core::row::Standing::ALL.to_vec(), ..FileFilter::default() };
    assert_eq!(back.scan(job.id, &every, FileId(0), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_no_ledger_or_of_a_newer_program_is_refused_and_a_damaged_one_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let live = ledger(folder).await;
    happen(live.as_ref(), "一.wav").await;
    drop(live);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let copy = folder.join("控え.db");
    backup(&database(folder), &copy).await.unwrap();
    let whole = std::fs::read(&copy).unwrap();
    let bad = folder.join("悪い.db");
    for content in [
        &b""[..],
        b"PK\x03\x04",
        &whole[..whole.len() / 2],
        &[&whole[..4096], &vec![0xff; whole.len() - 4096][..]].concat(),
    ] {
        std::fs::write(&bad, content).unwrap();
        let error = restore(&bad, &database(folder), true, NOW).await.unwrap_err();
        assert_eq!(error.code, Some(Code::LedgerCorrupt), "{}", error.chain());
    }
    assert_eq!(
        std::fs::read_dir(folder)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().to_string_lossy().contains("before"))
            .count(),
        0
    );
    // A newer program's.
    std::fs::write(&bad, &whole).unwrap();
    let mut connection = connect(&bad).await.unwrap();
    sqlx::query("INSERT INTO landfall_schema (version) VALUES (9999)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert_eq!(restore(&bad, &database(folder), true, NOW).await.unwrap_err().code, Some(Code::LedgerNewer));
    // A damaged ledger is why one restores: no force is needed, and it is kept too.
    std::fs::write(database(folder), "壊れた").unwrap();
    let restored = restore(&copy, &database(folder), false, NOW).await.unwrap();
    assert_eq!(std::fs::read(restored.kept.unwrap()).unwrap(), "壊れた".as_bytes());
    assert_eq!(std::fs::read(database(folder)).unwrap(), whole);
    assert_eq!(backup(&folder.join("ない.db"), &bad).await.unwrap_err().code, Some(Code::LedgerUnreachable));
    let nowhere = backup(&database(folder), &folder.join("ない").join("x.db")).await;
    assert!(nowhere.is_err());
}

#[tokio::test]
async fn snapshots_are_made_of_news_only_not_too_often_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let live = ledger(folder).await;
    let rule = Snapshots {
        database: database(folder),
        folder: folder.join("snapshots"),
        keep: 3,
        every: Duration::from_secs(3600),
    };
    let at = |hours: i64| NOW + jiff::SignedDuration::from_hours(hours);
    happen(live.as_ref(), "0").await;
    let mark_before = mark(&rule.database).await.unwrap();
    let first = snapshot(&rule, at(0)).await.unwrap().unwrap();
    assert!(first.ends_with("ledger-19700101T000000Z.db"), "{}", first.display());
    happen(live.as_ref(), "1").await;
    assert_eq!(snapshot(&rule, NOW + jiff::SignedDuration::from_mins(59)).await.unwrap(), None);
    assert!(snapshot(&rule, at(1)).await.unwrap().is_some());
    let said = mark(&rule.database).await.unwrap();
    assert_ne!(said, mark_before);
    // Nothing happened since.
    assert_eq!(mark(&rule.database).await.unwrap(), said);
    assert_eq!(snapshot(&rule, at(9)).await.unwrap(), None);
    std::fs::write(rule.folder.join("メモ.txt"), "私の").unwrap();
    for hour in 10..15 {
        happen(live.as_ref(), &hour.to_string()).await;
        assert!(snapshot(&rule, at(hour)).await.unwrap().is_some());
    }
    let mut names: Vec<String> = std::fs::read_dir(&rule.folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let due = [
        "ledger-19700101T120000Z.db",
        "ledger-19700101T130000Z.db",
        "ledger-19700101T140000Z.db",
        "メモ.txt",
    ];
    assert_eq!(names, due);
    // A verify makes no event and is news all the same.
    let job = live.open_job("録音", "fs:/a", "x", NOW).await.unwrap();
    let start = landfall_core::ledger::RunStart { command: "verify".to_owned(), at: NOW, fresh: true };
    let run = live.begin_run(&job, start).await.unwrap();
    live.end_run(&job, run.id, NOW, "{}").await.unwrap();
    assert!(snapshot(&rule, at(30)).await.unwrap().is_some());
    assert_eq!(snapshot(&rule, at(60)).await.unwrap(), None);
}
