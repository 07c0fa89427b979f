use std::time::Duration;

use jiff::tz::TimeZone;
use landfall_core::row::Standing;
use landfall_core::state::Reason;
use landfall_core::state::State;

use super::*;
use crate::export::fixture::{World, time};

const FILES: [(&str, &str); 4] =
    [("会議/朝会.wav", "aaa"), ("会議/夕会, \"最終\".wav", "bb"), ("改行\n名.txt", "c"), ("=式.csv", "d")];

#[tokio::test]
async fn one_row_a_file_with_its_present_state() {
    let world = World::crawled(&FILES).await;
    world.bring(FILES[0].0, State::Success).await;
    world.bring(FILES[1].0, State::Ng).await;
    let Refreshed::Written(poured) = world.refresh().await else { panic!("not written") };
    assert_eq!(poured.rows, 4);
    assert_eq!(
        world.text(),
        "relative_path,file_name,file_size_bytes,status,timestamp,comment\n\
         会議/朝会.wav,朝会.wav,3,SUCCESS,2026-11-21T09:00:00Z,\n\
         \"会議/夕会, \"\"最終\"\".wav\",\"夕会, \"\"最終\"\".wav\",2,NG,2026-11-21T09:00:00Z,source-denied: the item is checked out (1 attempt)\n\
         \"改行\n名.txt\",\"改行\n名.txt\",1,PENDING,2026-11-21T09:00:00Z,\n\
         =式.csv,=式.csv,1,PENDING,2026-11-21T09:00:00Z,\n"
    );
    assert!(!file::temp_of(&world.log.path).exists());
}

#[tokio::test]
async fn several_sources_put_their_label_before_the_path() {
    let world = World::crawled(&[("会議/朝会.wav", "aaa")]).await;
    world.crawl("bob", &[("会議/朝会.wav", "bbb")]).await;
    world.refresh().await;
    let text = world.text();
    assert!(
        text.contains("\nada/会議/朝会.wav,朝会.wav,3,") && text.contains("\nbob/会議/朝会.wav,朝会.wav,3,"),
        "{text}"
    );
}

#[tokio::test]
async fn minutes_are_written_in_the_zone_that_was_asked_for() {
    let mut world = World::crawled(&FILES[..1]).await;
    world.log.stamp = Stamp::Minute(TimeZone::fixed(jiff::tz::offset(9)));
    world.refresh().await;
    assert!(world.text().contains(",PENDING,2026-11-21 18:00,\n"), "{}", world.text());
}

#[tokio::test]
async fn an_edited_log_is_never_overwritten() {
    let world = World::crawled(&FILES).await;
    world.refresh().await;
    world.edit("PENDING", "NG");
    let edited = world.text();
    assert!(world.log.is_edited(&world.ledger, &world.job).await.unwrap());
    assert_eq!(world.refresh().await, Refreshed::Edited);
    let run = world.run("2026-11-21T10:00:00Z").await;
    assert_eq!(world.log.rotate_for(&world.ledger, &world.job, &run).await.unwrap(), Rotated::Edited);
    assert_eq!(world.text(), edited);
}

#[tokio::test]
async fn a_log_of_unknown_origin_counts_as_edited() {
    let world = World::crawled(&FILES).await;
    std::fs::write(&world.log.path, "mine").unwrap();
    assert_eq!(world.refresh().await, Refreshed::Edited);
    assert_eq!(world.text(), "mine");
}

/// Every point at which a write can be cut off leaves files and a memo as they are made here.
#[tokio::test]
async fn a_kill_at_any_point_of_a_write_is_no_edit() {
    let world = World::crawled(&FILES).await;
    world.refresh().await;
    let old = world.text();
    let old_memo = LogMemo::load(&world.ledger, world.job.id).await.unwrap();
    world.bring(FILES[0].0, State::Success).await;
    world.refresh().await;
    let new = world.text();
    let new_memo = LogMemo::load(&world.ledger, world.job.id).await.unwrap();
    let mut between = old_memo.clone();
    between.pending = new_memo.current.clone();
    for (disk, memo) in [(&old, &old_memo), (&old, &between), (&new, &between), (&new, &new_memo)] {
        std::fs::write(&world.log.path, disk).unwrap();
        std::fs::write(file::temp_of(&world.log.path), &new[..new.len() / 2]).unwrap();
        memo.save(&world.ledger, world.job.id).await.unwrap();
        assert!(!world.log.is_edited(&world.ledger, &world.job).await.unwrap());
        assert!(matches!(world.refresh().await, Refreshed::Written(_)));
        assert_eq!(world.text(), new);
        let after = LogMemo::load(&world.ledger, world.job.id).await.unwrap();
        assert_eq!((after.current, after.pending), (new_memo.current.clone(), None));
        assert!(!file::temp_of(&world.log.path).exists());
    }
}

#[tokio::test]
async fn a_lost_log_is_written_anew() {
    let world = World::crawled(&FILES).await;
    world.refresh().await;
    let text = world.text();
    std::fs::remove_file(&world.log.path).unwrap();
    world.refresh().await;
    assert_eq!(world.text(), text);
}

#[tokio::test]
async fn a_new_run_rotates_once_and_leaves_earlier_success_out() {
    let world = World::crawled(&FILES).await;
    let first = world.run("2026-11-21T09:30:00Z").await;
    world.log.rotate_for(&world.ledger, &world.job, &first).await.unwrap();
    world.bring(FILES[0].0, State::Success).await;
    world.refresh().await;
    let before = world.text();
    let resumed = world.run("2026-11-21T10:00:00Z").await;
    assert_eq!(resumed.id, first.id);
    assert_eq!(world.log.rotate_for(&world.ledger, &world.job, &resumed).await.unwrap(), Rotated::Already);
    world.ledger.end_run(&world.job, first.id, time("2026-11-21T10:30:00Z"), "{}").await.unwrap();

    let second = world.run("2026-11-21T11:00:00.5Z").await;
    let rotated = world.log.rotate_for(&world.ledger, &world.job, &second).await.unwrap();
    let backup = world.path("upload_log.20261121-110000.csv");
    assert_eq!(rotated, Rotated::Done { backup: Some(backup.clone()) });
    assert_eq!(std::fs::read_to_string(&backup).unwrap(), before);
    assert!(!world.text().contains("朝会") && world.text().contains("夕会"));
    world.bring(FILES[2].0, State::Success).await;
    world.refresh().await;
    assert!(world.text().contains("SUCCESS"), "what this run proves is shown");
    assert_eq!(world.log.rotate_for(&world.ledger, &world.job, &second).await.unwrap(), Rotated::Already);
}

#[tokio::test]
async fn a_kill_between_backup_and_memo_makes_no_second_backup() {
    let world = World::crawled(&FILES).await;
    world.refresh().await;
    let old = LogMemo::load(&world.ledger, world.job.id).await.unwrap();
    let run = world.run("2026-11-21T11:00:00Z").await;
    let first = world.log.rotate_for(&world.ledger, &world.job, &run).await.unwrap();
    old.save(&world.ledger, world.job.id).await.unwrap();
    assert_eq!(world.log.rotate_for(&world.ledger, &world.job, &run).await.unwrap(), first);
}

#[tokio::test]
async fn the_newest_backups_are_kept_and_nothing_else_is_touched() {
    let mut world = World::crawled(&FILES).await;
    world.log.keep = 2;
    world.refresh().await;
    std::fs::write(world.path("upload_log.mine.csv"), "keep").unwrap();
    for minute in 0..4 {
        // Another text each time, so that two backups of one second have two names.
        world
            .record(
                FILES[0].0,
                landfall_core::state::Event::Deferred {
                    reason: Reason::Throttled,
                    comment: format!("{minute}"),
                    not_before: None,
                },
            )
            .await;
        world.refresh().await;
        let at = time(&format!("2026-11-21T11:0{}:00Z", minute / 2));
        world.log.rotate(&world.ledger, &world.job, at).await.unwrap();
    }
    let mut names: Vec<String> = std::fs::read_dir(world.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "upload_log.20261121-110100-2.csv",
            "upload_log.20261121-110100.csv",
            "upload_log.csv",
            "upload_log.mine.csv"
        ]
    );
}

#[tokio::test]
async fn everything_is_exported_and_a_spreadsheet_computes_nothing() {
    let world = World::crawled(&FILES).await;
    world.bring(FILES[0].0, State::Success).await;
    world.log.rotate(&world.ledger, &world.job, time("2026-11-21T12:00:00Z")).await.unwrap();
    world.place(Standing::Skipped, Some(Reason::Shortcut), |row| row.entry.name.starts_with("改行")).await;
    let mut out = Vec::new();
    let poured = export_all(&world.ledger, &world.job, &Stamp::Rfc3339, true, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(poured.bytes, text.len() as u64);
    assert!(text.starts_with("\u{feff}relative_path,"));
    assert!(text.contains("\n会議/朝会.wav,朝会.wav,3,SUCCESS,"), "{text}");
    assert!(text.contains("\n'=式.csv,'=式.csv,1,PENDING,"), "{text}");
    assert!(text.ends_with("名.txt\",1,,2026-11-21T09:00:00Z,skipped shortcut\n"), "{text}");
    let mut out = Vec::new();
    let current = Export { scope: Scope::Current, stamp: &Stamp::Rfc3339, spreadsheet: false };
    export(&world.ledger, &world.job, &current, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("SUCCESS") && !text.contains("skipped") && text.contains("\n=式.csv,"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn following_writes_at_the_end_and_rests_in_between() {
    let world = World::crawled(&FILES).await;
    let begun = Instant::now();
    let stop = tokio::time::sleep(Duration::from_millis(1500));
    let last = world.log.follow(&world.ledger, &world.job, stop).await.unwrap();
    assert!(matches!(last, Refreshed::Written(Poured { rows: 4, .. })));
    assert!(begun.elapsed() < SHORTEST, "stopping is not waited for");

    let seen = async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        world.bring(FILES[0].0, State::Success).await;
        let early = world.text();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        (early, world.text())
    };
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let stop = async {
        let _ = receiver.await;
    };
    let watch = async {
        let seen = seen.await;
        sender.send(()).unwrap();
        seen
    };
    let (last, (early, late)) = tokio::join!(world.log.follow(&world.ledger, &world.job, stop), watch);
    assert!(matches!(last.unwrap(), Refreshed::Written(_)));
    assert!(!early.contains("SUCCESS") && late.contains("SUCCESS"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named_with_its_code() {
    let world = World::crawled(&FILES).await;
    std::fs::write(world.path("state"), "a file, not a folder").unwrap();
    let log = UploadLog::at(world.path("state").join("upload_log.csv"));
    let error = log.refresh(&world.ledger, &world.job).await.unwrap_err();
    assert_eq!(error.code, Some(landfall_core::Code::StateFolder));
}
