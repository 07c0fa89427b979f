use std::path::PathBuf;

use landfall_core::ByteSize;
use landfall_core::spool::{MemorySpool, Spool};
use landfall_core::state::{Reason, State};

use super::*;
use crate::export::fixture::{World, evidence};

const HEAD: &str = "relative_path,file_name,file_size_bytes,status,timestamp,comment\n";
const A: &str = "Recordings/会議/朝会.wav";
const B: &str = "Recordings/会議/夕会.wav";
const C: &str = "Recordings/昼会.wav";

struct Old {
    world: World,
    spool: MemorySpool,
    what: Import,
}

async fn old() -> Old {
    let world = World::crawled(&[(A, "aaa"), (B, "bb"), (C, "c")]).await;
    let temp_dir = world.path("temp_dir");
    std::fs::create_dir(&temp_dir).unwrap();
    let what = Import {
        files: Vec::new(),
        temp_dir: Some(temp_dir),
        base: RelPath::new("Recordings").unwrap(),
        zone: TimeZone::fixed(jiff::tz::offset(9)),
        dry_run: false,
    };
    Old { world, spool: MemorySpool::new(), what }
}

impl Old {
    fn file(&mut self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.world.path(name);
        std::fs::write(&path, bytes).unwrap();
        self.what.files.push(path.clone());
        path
    }

    fn log(&mut self, name: &str, rows: &str) -> PathBuf {
        self.file(name, format!("{HEAD}{rows}"))
    }

    fn temp(&self, name: &str, content: &str) {
        let path = self.world.path("temp_dir").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn import(&self) -> Imported {
        let world = &self.world;
        import(&world.ledger, &world.job, &self.spool, &world.clock, &self.what).await.unwrap()
    }
}

#[tokio::test]
async fn pending_rows_whose_bytes_lie_there_become_local() {
    let mut old = old().await;
    old.log(
        "upload_log.csv",
        "会議/朝会.wav,朝会.wav,3,PENDING,2025-06-21 09:00,\n\
         会議/夕会.wav,夕会.wav,2,PENDING,2025-06-21 09:00,\n\
         昼会.wav,昼会.wav,1,PENDING,2025-06-21 09:00,\n",
    );
    old.file(
        "index.json",
        r#"[{"id":"01B","name":"夕会.wav","path":"会議","size":2},{"id":"01C","path":"昼会.wav","size":9}]"#,
    );
    old.temp("会議/朝会.wav", "aaa");
    old.temp("01B", "bb");
    old.temp("昼会.wav", "X");
    let report = old.import().await;
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    assert_eq!((report.rows, report.entries, report.adopted, report.adopted_bytes), (3, 2, 2, 5));
    assert_eq!(report.not_adopted.total(), 1);
    assert!(report.not_adopted.first()[0].contains("its hash is not the one"), "{:?}", report.not_adopted);
    assert_eq!(report.resized.first(), ["昼会.wav: 9 bytes in the index, 1 at the source"]);
    let row = old.world.row(A).await;
    assert_eq!((row.state, row.ours), (State::Local, evidence("aaa").digests));
    assert_eq!(old.spool.size(row.id).await.unwrap(), Some(ByteSize(3)));
    assert_eq!(old.world.row(B).await.state, State::Local);
    let row = old.world.row(C).await;
    assert_eq!(row.state, State::Pending);
    assert_eq!(old.spool.size(row.id).await.unwrap(), None);
    assert!(old.world.path("temp_dir/01B").exists(), "the folder stays as it is");

    let again = old.import().await;
    assert_eq!((again.adopted, again.unchanged, again.changed.total()), (0, 3, 0));
}

#[tokio::test]
async fn success_is_never_believed_only_marked_to_be_proven() {
    let mut old = old().await;
    old.world.bring(B, State::Ng).await;
    old.world.bring(C, State::Success).await;
    old.log(
        "old.csv",
        "会議/朝会.wav,朝会.wav,3,SUCCESS,2025-06-21 09:00,\n\
         会議/夕会.wav,夕会.wav,2,SUCCESS,2025-06-21 09:00,\n\
         昼会.wav,昼会.wav,1,SUCCESS,2025-06-21 09:00,\n",
    );
    let report = old.import().await;
    assert_eq!((report.to_prove, report.unchanged), (2, 1));
    let row = old.world.row(A).await;
    assert_eq!((row.state, row.comment.as_str(), row.not_before), (State::Pending, "imported SUCCESS", None));
    assert_eq!(row.reason, Some(Reason::Imported));
    assert_eq!(old.world.row(B).await.state, State::Pending);
    let events = old.world.ledger.events(old.world.job.id, 0, 100).await.unwrap().len();
    old.import().await;
    assert_eq!(old.world.ledger.events(old.world.job.id, 0, 100).await.unwrap().len(), events);
}

#[tokio::test]
async fn the_newest_row_of_a_path_counts_and_disagreements_are_listed() {
    let mut old = old().await;
    old.log("new.csv", "会議/朝会.wav,朝会.wav,3,SUCCESS,2025-06-22T00:00:00Z,\n");
    old.log(
        "old.csv",
        "会議/朝会.wav,朝会.wav,3,NG,2025-06-21 09:00,\n昼会.wav,昼会.wav,1,NG,2025-06-21 09:00,\n",
    );
    let report = old.import().await;
    assert_eq!((report.to_prove, report.unchanged), (1, 1));
    assert_eq!(report.disagreements.total(), 1);
    let text = &report.disagreements.first()[0];
    assert!(text.starts_with("会議/朝会.wav: SUCCESS at 2025-06-22T00:00:00Z in "), "{text}");
    assert!(text.ends_with("old.csv; SUCCESS counts"), "{text}");
}

#[tokio::test]
async fn what_the_ledger_learnt_later_wins() {
    let mut old = old().await;
    old.world.bring(A, State::Success).await;
    old.world.bring(B, State::Success).await;
    old.world.bring(C, State::Ng).await;
    // The ledger's rows changed at 09:00 UTC: A's row is older, B's and C's say the same minute.
    old.log(
        "edited.csv",
        "会議/朝会.wav,朝会.wav,3,PENDING,2026-11-21T08:59:59Z,\n\
         会議/夕会.wav,夕会.wav,2,PENDING,2026-11-21 18:00,\n\
         昼会.wav,昼会.wav,1,PENDING,2026-11-21T09:00:00Z,\n",
    );
    let report = old.import().await;
    assert_eq!((report.overtaken.total(), report.changed.total()), (1, 2));
    assert_eq!(old.world.row(A).await.state, State::Success);
    assert_eq!(old.world.row(B).await.state, State::Pending);
    assert_eq!(old.world.row(C).await.state, State::Pending);
}

#[tokio::test]
async fn a_bad_file_is_refused_whole_and_the_others_apply() {
    let mut old = old().await;
    old.log(
        "bad.csv",
        "会議/朝会.wav,朝会.wav,3,SUCCESS,2025-06-21 09:00,\n昼会.wav,昼会.wav,1,FERTIG,2025-06-21 09:00,\n",
    );
    old.file("bad.json", "[{\"path\":\"昼会.wav\",\n\"size\":");
    let rows = "会議/夕会.wav,夕会.wav,2,SUCCESS,2025-06-21 09:00,\n知らない.wav,知らない.wav,1,NG,2025-06-21 09:00,\n";
    let text = format!("{HEAD}{rows}");
    old.file("cp932.csv", encoding_rs::SHIFT_JIS.encode(&text).0);
    let report = old.import().await;
    let refused: Vec<(Option<Code>, &str)> =
        report.refused.iter().map(|r| (r.error.code, r.error.detail.as_str())).collect();
    assert_eq!(refused[0], (Some(Code::LogStatus), "line 3: unknown status \"FERTIG\""));
    assert_eq!(refused[1].0, Some(Code::LogUnreadable));
    assert!(refused[1].1.starts_with("line 2:"), "{}", refused[1].1);
    assert_eq!((report.rows, report.entries, report.to_prove), (2, 0, 1));
    assert_eq!(report.unknown.first(), ["知らない.wav: not in the ledger"]);
    assert_eq!(old.world.row(A).await.comment, "", "nothing of the bad file was applied");
}

#[tokio::test]
async fn a_bare_name_counts_only_where_the_source_publishes_a_hash() {
    let mut old = old().await;
    old.log("old.csv", "会議/朝会.wav,朝会.wav,3,PENDING,2025-06-21 09:00,\n");
    old.temp("朝会.wav", "xyz");
    assert_eq!(old.import().await.adopted, 0);
    old.temp("朝会.wav", "aaa");
    assert_eq!(old.import().await.adopted, 1);
}

#[tokio::test]
async fn a_full_spool_stops_and_a_repetition_goes_on() {
    let mut old = old().await;
    old.spool = MemorySpool::with_limit(ByteSize(3));
    old.log(
        "old.csv",
        "会議/朝会.wav,朝会.wav,3,PENDING,2025-06-21 09:00,\n会議/夕会.wav,夕会.wav,2,PENDING,2025-06-21 09:00,\n",
    );
    old.temp("会議/朝会.wav", "aaa");
    old.temp("会議/夕会.wav", "bb");
    let world = &old.world;
    let error = import(&world.ledger, &world.job, &old.spool, &world.clock, &old.what).await.unwrap_err();
    assert_eq!(error.code, Some(Code::SpoolFull));
    assert_eq!(old.world.states().await, [(State::Pending, 2), (State::Local, 1)].into());
    old.spool = MemorySpool::new();
    assert_eq!(old.import().await.adopted, 1);
}

#[tokio::test]
async fn a_dry_run_touches_neither_ledger_nor_spool() {
    let mut old = old().await;
    old.what.dry_run = true;
    old.log("old.csv", "会議/朝会.wav,朝会.wav,3,PENDING,2025-06-21 09:00,\n");
    old.temp("会議/朝会.wav", "aaa");
    assert_eq!(old.import().await.adopted, 1);
    assert_eq!(old.world.row(A).await.state, State::Pending);
    assert_eq!(old.spool.used().await.unwrap(), ByteSize(0));
}

#[tokio::test]
async fn a_job_that_was_never_crawled_says_what_to_run() {
    let world = World::empty().await;
    let what = Import {
        files: Vec::new(),
        temp_dir: None,
        base: RelPath::root(),
        zone: TimeZone::UTC,
        dry_run: false,
    };
    let error =
        import(&world.ledger, &world.job, &MemorySpool::new(), &world.clock, &what).await.unwrap_err();
    assert!(error.detail.ends_with("run `landfall crawl voices` first"), "{}", error.detail);
}

#[tokio::test]
async fn our_own_index_and_exported_log_are_understood() {
    let mut old = old().await;
    let world = &old.world;
    let index = world.path("index.json");
    super::super::index::write(&world.ledger, &world.job, &index, world.clock.now()).await.unwrap();
    let mut out = Vec::new();
    let stamp = super::super::Stamp::Rfc3339;
    super::super::csv::export_all(&world.ledger, &world.job, &stamp, true, &mut out).await.unwrap();
    old.file("export.csv", out);
    old.what.files.push(index);
    let report = old.import().await;
    assert_eq!((report.rows, report.entries, report.unknown.total()), (3, 3, 0));
    assert_eq!((report.unchanged, report.refused.len()), (3, 0));
    assert_eq!(report.changed.total(), 0);
}
