//! A ledger that a program of version 1 left behind is upgraded when it is opened, and work goes on.
//!
//! `version_1.sql` holds the rows of a ledger that such a program wrote; the first migration, which is
//! never edited, makes its tables.

use std::sync::Arc;

use landfall_core::ledger::{Answer, Count, Enrolment, FileFilter, Ledger, LookFilter, Looked, Record};
use landfall_core::memo::MemoKey;
use landfall_core::proof::{ProofKind, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason, State, Via};
use landfall_core::store::{Listed, Owe};
use landfall_core::words::{ByteSize, Cursor, Epoch, FileId, ItemKey, JobId, SourceId};
use landfall_core::{Algo, Digest, Digests};
use sqlx::{AnyConnection, Connection as _};

use super::moving::{holding, present, proof, record, sent};
use super::owing::sealed;
use super::{at, file, quickxor};

/// The first migration of SQLite, which makes the tables of version 1.
pub const SQLITE: &str = include_str!("../../../../crates/ledger/migrations/sqlite/0001_ledger.sql");
/// The same of PostgreSQL.
pub const POSTGRES: &str = include_str!("../../../../crates/ledger/migrations/postgres/0001_ledger.sql");
/// Lets the counters of PostgreSQL go on after the rows that were put in with their ids.
pub const COUNTERS: &str = "
SELECT setval(pg_get_serial_sequence('job', 'id'), 1);
SELECT setval(pg_get_serial_sequence('run', 'id'), 1);
SELECT setval(pg_get_serial_sequence('source', 'id'), 1);
SELECT setval(pg_get_serial_sequence('tree', 'id'), 1)";
const ROWS: &str = include_str!("version_1.sql");

/// Runs statements on a database.
pub async fn execute(url: &str, statements: &'static str) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Leaves behind, in an empty database, what a program of version 1 did.
pub async fn leave(url: &str, first_migration: &'static str, counters: &'static str) {
    execute(url, first_migration).await;
    execute(url, ROWS).await;
    execute(url, counters).await;
}

/// The version that a ledger is at.
pub async fn version(url: &str) -> i64 {
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let version = sqlx::query_scalar("SELECT MAX(version) FROM landfall_schema");
    let version = version.fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    version
}

const JOB: JobId = JobId(1);
const SOURCE: SourceId = SourceId(1);

async fn row(ledger: &dyn Ledger, key: &str) -> FileRow {
    let rows = ledger.files_by_key(JOB, SOURCE, &[ItemKey::from(key)]).await.unwrap();
    rows.into_iter().next().unwrap_or_else(|| panic!("no file {key}"))
}

/// Everything that version 1 wrote is there as it was.
pub async fn is_as_it_was(ledger: &dyn Ledger) {
    assert_eq!(ledger.find_job("移行").await.unwrap().map(|j| (j.id, j.epoch)), Some((JOB, Epoch(1))));
    let everything = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
    let rows = ledger.scan(JOB, &everything, FileId(0), 100).await.unwrap();
    let told = rows.iter().map(|r| (r.entry.key.as_str(), r.entry.name.as_str(), r.standing, r.state));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("success", "会議.wav", Standing::In, State::Success),
            ("local", "議事録.docx", Standing::In, State::Local),
            ("ng", "写真 #1.jpg", Standing::In, State::Ng),
            ("pending", "it's.txt", Standing::In, State::Pending),
            ("gone", "去.txt", Standing::Gone, State::Local),
            ("skipped", "近道", Standing::Skipped, State::Pending),
        ]
    );
    assert!(rows.iter().all(|r| r.sealed.is_none() && r.entry.digests == quickxor(1)));
    let (success, local, ng) = (&rows[0], &rows[1], &rows[2]);
    assert_eq!((&success.ours, &success.holding), (&sent(), &Some(holding())));
    assert_eq!(
        (success.proven, success.leg, success.via),
        (Some(ProofKind::Hash), Some(SourceLeg::Matched), Some(Via::Stream))
    );
    assert_eq!((success.hash_at, success.changed_at), (Some(at(9)), at(10)));
    assert_eq!(
        (local.ours_size, local.path().map(String::from)),
        (Some(ByteSize(10)), Some("録音/議事録.docx".into()))
    );
    assert_eq!((ng.reason, ng.comment.as_str(), ng.last), (Some(Reason::Rejected), "拒否された", true));
    assert_eq!((ng.dest_name.as_deref(), rows[5].skip), (Some("写真 _1.jpg"), Some(Reason::Shortcut)));
    let tally = ledger.tally(JOB, None).await.unwrap();
    assert_eq!(tally.states[&State::Success], Count { files: 1, bytes: ByteSize(10) });
    assert_eq!((tally.gone, tally.folders), (1, 1));
    let cursor = ledger.cursor(JOB, SOURCE).await.unwrap();
    assert_eq!((cursor.cursor, cursor.pass), (Some(Cursor("https://delta?2".into())), 2));
    let events = ledger.events(JOB, 0, 100).await.unwrap();
    let names: Vec<_> = events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["Intended", "Present", "Proven", "Spooled", "Failed", "Spooled", "Deferred", "Gone"]);
    assert_eq!((events[4].reason, events[4].comment.as_str()), (Some(Reason::Rejected), "拒否された"));
    let tree = ledger.open_tree("drive-9").await.unwrap();
    let found = ledger.found_item(tree, &ItemKey::from("dest-1")).await.unwrap();
    assert_eq!(found.map(|f| f.name).as_deref(), Some("会議.wav"));
    let memo = ledger.memo(&MemoKey::new(JOB, "window", "窓")).await.unwrap();
    assert_eq!(memo.as_deref(), Some("{\"n\":1}"));
    assert!(ledger.owed(JOB, 0, 10).await.unwrap().is_empty());
    assert!(ledger.looks(JOB, &LookFilter::default(), "", 10).await.unwrap().is_empty());
}

fn look() -> Looked {
    Looked {
        subject: "投稿/1".into(),
        owner: "all_tweets/1".into(),
        section: "ada".into(),
        answer: Answer::Absent,
        finding: Some("missing".into()),
        detail: "{}".into(),
        at: at(30),
    }
}

/// Work goes on where version 1 left it, with what version 2 brought.
pub async fn goes_on(ledger: &Arc<dyn Ledger>) {
    let job = ledger.open_job("移行", "宛先", "version 2", at(20)).await.unwrap();
    assert_eq!((job.id, job.epoch), (JOB, Epoch(2)));
    let local = row(ledger.as_ref(), "local").await;
    let records = vec![
        record(&local, present()),
        Record { expect: State::Dupe, ..record(&local, Event::Proven(proof())) },
    ];
    let owe = Owe { source: SOURCE, subject: "投稿/1".into(), text: "{}".into() };
    ledger.record_owing(&job, records, vec![owe], at(21)).await.unwrap();
    let digests = Digests { sha256: Digest::new(Algo::Sha256, &[9; 32]), ..Digests::none() };
    let (size, leg, seal) = (ByteSize(58), SourceLeg::Matched, Some(Box::new(sealed(3))));
    let spooled = Event::Spooled { size, digests, leg, sealed: seal };
    let pending = row(ledger.as_ref(), "pending").await;
    ledger.record(&job, vec![record(&pending, spooled)]).await.unwrap();
    ledger.looked(&job, vec![look()]).await.unwrap();
    let pass = ledger.begin_pass(&job, SOURCE, false).await.unwrap().pass;
    let items = vec![file("new", "d", "新しい.wav"), Listed::Gone(ItemKey::from("ng"))];
    let page = Enrolment { source: SOURCE, pass, items, cursor: None, complete: true, at: at(22) };
    ledger.enrol(&job, page).await.unwrap();
    let other = ledger.open_source(&job, "bob", "drive-2").await.unwrap();
    assert_ne!(other, SOURCE);
}

/// What [`goes_on`] wrote is there after reopening.
pub async fn went_on(ledger: &dyn Ledger) {
    assert_eq!(row(ledger, "local").await.state, State::Success);
    let pending = row(ledger, "pending").await;
    assert_eq!((pending.state, pending.sealed), (State::Local, Some(sealed(3))));
    assert_eq!(row(ledger, "ng").await.standing, Standing::Gone);
    assert_eq!(row(ledger, "new").await.entry.name, "新しい.wav");
    let owed = ledger.owed(JOB, 0, 10).await.unwrap();
    assert_eq!((owed.len(), owed[0].seq, owed[0].owe.subject.as_str()), (1, 1, "投稿/1"));
    assert_eq!(ledger.looks(JOB, &LookFilter::default(), "", 10).await.unwrap(), [look()]);
    let events = ledger.events(JOB, 8, 100).await.unwrap();
    let told: Vec<_> = events.iter().map(|e| (e.seq, e.name.as_str(), e.epoch.0)).collect();
    assert_eq!(told, [(9, "Present", 2), (10, "Proven", 2), (11, "Spooled", 2), (12, "Gone", 2)]);
}
