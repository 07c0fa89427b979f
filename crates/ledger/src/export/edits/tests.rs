use landfall_core::Code;
use landfall_core::state::Reason;

use super::*;
use crate::export::fixture::World;

const A: &str = "会議/朝会.wav";
const B: &str = "会議/夕会.wav";
const C: &str = "昼会.wav";

async fn world(states: [State; 3]) -> World {
    let world = World::crawled(&[(A, "aaa"), (B, "bb"), (C, "c")]).await;
    for (path, state) in [A, B, C].into_iter().zip(states) {
        world.bring(path, state).await;
    }
    world.refresh().await;
    world.at("2026-11-21T10:00:00Z");
    world
}

async fn apply(world: &World, mode: Mode) -> Option<Edits> {
    apply_edits(&world.log, &world.ledger, &world.job, &world.clock, mode).await.unwrap()
}

#[tokio::test]
async fn a_log_as_we_wrote_it_or_none_at_all_changes_nothing() {
    let world = world([State::Success, State::Ng, State::Pending]).await;
    assert_eq!(apply(&world, Mode::Apply).await, None);
    std::fs::remove_file(&world.log.path).unwrap();
    assert_eq!(apply(&world, Mode::Apply).await, None);
}

#[tokio::test]
async fn a_row_set_to_pending_or_ng_is_moved_again() {
    let world = world([State::Success, State::Success, State::Ng]).await;
    world.edit("朝会.wav,3,SUCCESS", "朝会.wav,3,PENDING");
    world.edit("夕会.wav,2,SUCCESS", "夕会.wav,2,NG");
    world.edit("昼会.wav,1,NG", "昼会.wav,1,PENDING");
    let edited = world.text();
    let edits = apply(&world, Mode::Apply).await.unwrap();
    assert_eq!((edits.rows, edits.changed.total(), edits.ignored.total()), (3, 3, 0));
    assert_eq!(edits.changed.first()[0], format!("{A}: SUCCESS -> PENDING"));
    assert_eq!(world.states().await, [(State::Pending, 3)].into());
    let row = world.row(B).await;
    assert_eq!((row.reason, row.comment.as_str()), (Some(Reason::Imported), "set to NG in the log"));
    let names: Vec<String> =
        world.ledger.events(world.job.id, 5, 10).await.unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["Superseded", "Lapsed", "Retried", "Retried"]);
    let backup = edits.backup.unwrap();
    assert_eq!(backup, world.path("upload_log.20261121-100000.edited.csv"));
    assert_eq!(std::fs::read_to_string(backup).unwrap(), edited);
    assert!(!world.text().contains("SUCCESS"), "the log is written anew: {}", world.text());
    assert_eq!(apply(&world, Mode::Apply).await, None);
}

#[tokio::test]
async fn a_pending_row_set_to_ng_is_moved_all_the_same() {
    let world = world([State::Pending, State::Pending, State::Dupe]).await;
    world.edit("朝会.wav,3,PENDING", "朝会.wav,3,NG");
    world.edit("昼会.wav,1,DUPE", "昼会.wav,1,NG");
    let edits = apply(&world, Mode::Apply).await.unwrap();
    assert_eq!((edits.changed.total(), edits.ignored.total()), (1, 1));
    assert_eq!(world.row(A).await.state, State::Pending);
    assert_eq!(world.row(C).await.state, State::Dupe, "an object that is there is proven again, not sent");
}

#[tokio::test]
async fn nobody_makes_success_by_hand_and_missing_rows_mean_nothing() {
    let world = world([State::Pending, State::Pending, State::Local]).await;
    world.edit("朝会.wav,3,PENDING", "朝会.wav,3,SUCCESS");
    world.edit("昼会.wav,1,LOCAL", "昼会.wav,1,PENDING");
    let taken_out: String =
        world.text().lines().filter(|l| !l.contains("夕会")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&world.log.path, taken_out + "知らない.wav,知らない.wav,1,NG,,\n").unwrap();
    let edits = apply(&world, Mode::Apply).await.unwrap();
    assert_eq!((edits.rows, edits.changed.total(), edits.ignored.total()), (3, 0, 3));
    assert!(edits.ignored.first()[0].starts_with(&format!("line 2: {A}: SUCCESS needs a proof")));
    assert!(edits.ignored.first()[2].ends_with("the ledger has no such file"));
    assert_eq!(world.states().await, [(State::Pending, 2), (State::Local, 1)].into());
    assert!(world.text().contains("夕会"));
}

#[tokio::test]
async fn an_edit_while_a_run_goes_on_does_not_undo_the_run() {
    let world = world([State::Pending, State::Pending, State::Success]).await;
    world.edit("昼会.wav,1,SUCCESS", "昼会.wav,1,PENDING");
    // The run moves A and fails at B; neither stands in the log that the person saved.
    world.bring(A, State::Success).await;
    world.bring(B, State::Ng).await;
    assert_eq!(world.refresh().await, Refreshed::Edited);
    let edits = apply(&world, Mode::Apply).await.unwrap();
    assert_eq!((edits.changed.total(), edits.overtaken, edits.ignored.total()), (1, 2, 0));
    assert_eq!(world.row(A).await.state, State::Success);
    assert_eq!(world.row(B).await.state, State::Ng);
    assert_eq!(world.row(C).await.state, State::Pending);
}

#[tokio::test]
async fn a_malformed_row_refuses_the_whole_file_until_it_is_set_aside() {
    let world = world([State::Success, State::Success, State::Success]).await;
    world.edit("朝会.wav,3,SUCCESS", "朝会.wav,3,PENDING");
    world.edit("昼会.wav,1,SUCCESS", "昼会.wav,1,DONE");
    let edited = world.text();
    let error =
        apply_edits(&world.log, &world.ledger, &world.job, &world.clock, Mode::Apply).await.unwrap_err();
    assert_eq!(error.code, Some(Code::LogStatus));
    assert_eq!(error.subject, world.log.path.display().to_string());
    assert!(error.detail.contains("line 4: unknown status \"DONE\""), "{}", error.detail);
    assert_eq!((world.states().await, world.text()), ([(State::Success, 3)].into(), edited.clone()));
    let edits = apply(&world, Mode::SetAside).await.unwrap();
    assert_eq!(std::fs::read_to_string(edits.backup.unwrap()).unwrap(), edited);
    assert_eq!(world.states().await, [(State::Success, 3)].into());
    assert!(!world.text().contains("DONE"));
}

#[tokio::test]
async fn a_kill_half_way_is_repeated_without_harm() {
    let world = world([State::Success, State::Success, State::Ng]).await;
    world.edit("朝会.wav,3,SUCCESS", "朝会.wav,3,PENDING");
    world.edit("昼会.wav,1,NG", "昼会.wav,1,PENDING");
    // As if the first batch had been written and the second had not.
    world.record(A, landfall_core::state::Event::Superseded { comment: "log edited".to_owned() }).await;
    let edits = apply(&world, Mode::Apply).await.unwrap();
    assert_eq!((edits.changed.total(), edits.ignored.total()), (1, 0));
    assert_eq!(world.states().await, [(State::Pending, 2), (State::Success, 1)].into());
}

#[tokio::test]
async fn a_dry_run_only_tells() {
    let world = world([State::Success, State::Success, State::Ng]).await;
    world.edit("朝会.wav,3,SUCCESS", "朝会.wav,3,PENDING");
    let edited = world.text();
    let edits = apply(&world, Mode::DryRun).await.unwrap();
    assert_eq!((edits.changed.total(), edits.backup), (1, None));
    assert_eq!((world.row(A).await.state, world.text()), (State::Success, edited));
}

#[tokio::test]
async fn a_log_saved_by_a_japanese_excel_is_applied() {
    let world = world([State::Success, State::Success, State::Success]).await;
    world.edit("朝会.wav,3,SUCCESS", "朝会.wav,3,PENDING");
    let text = world.text().replace('\n', "\r\n").replace("2026-11-21T09:00:00Z", "2026/11/21 9:00");
    std::fs::write(&world.log.path, encoding_rs::SHIFT_JIS.encode(&text).0).unwrap();
    assert_eq!(apply(&world, Mode::Apply).await.unwrap().changed.total(), 1);
    assert_eq!(world.row(A).await.state, State::Pending);
}

/// 100,000 rows are written, edited in two places and read back; the bound is that rows are matched with
/// pages of a scan, a few hundred of them, instead of one by one.
#[tokio::test]
async fn a_hundred_thousand_rows_take_bounded_time() {
    let names: Vec<String> = (0..100_000).map(|n| format!("録音{}/{n:06}.wav", n / 1000)).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "x")).collect();
    let world = World::crawled(&files).await;
    let begun = tokio::time::Instant::now();
    world.refresh().await;
    world.edit("000007.wav,1,PENDING", "000007.wav,1,NG");
    world.edit("099999.wav,1,PENDING", "099999.wav,1,NG");
    let edits = apply(&world, Mode::Apply).await.unwrap();
    assert_eq!((edits.rows, edits.changed.total(), edits.ignored.total()), (100_000, 0, 2));
    let seconds = begun.elapsed().as_secs();
    assert!(seconds < 60, "{seconds} s for writing twice and reading once without optimisation");
}
