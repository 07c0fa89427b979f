//! After a job has landed: what follows from the source, what a verify finds and a repair mends, killed at every point.
//!
//! Everything runs in virtual time against the simulator in process, whose own answers say what must be found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::engine::{Depth, Engine, Job, RepairOptions, RunOptions, VerifyOptions, VerifyReport};
use landfall_core::row::Standing;
use landfall_core::state::{Reason, State};
use landfall_sim::{Config, DamageOrder, Damaged, Scenario, WorldOp};
use landfall_tests::crash::Fuse;
use landfall_tests::simulation::{JobSpec, World, in_virtual_time};

fn voices(files: u64) -> World {
    let config = Config { seed: 11, scenario: Scenario::Voices, files, ..Config::default() };
    World::with(config, JobSpec::voices())
}

fn write(drive: Option<&str>, path: &str, text: &str) -> WorldOp {
    WorldOp::Write { drive: drive.map(str::to_owned), path: path.into(), text: Some(text.into()), size: None }
}

fn moved(path: &str, to: &str) -> WorldOp {
    WorldOp::Move { drive: None, path: path.into(), to: to.into() }
}

fn sent(world: &World) -> u64 {
    world.sim.requests().by_route.get("POST createUploadSession").copied().unwrap_or_default()
}

fn patched(world: &World) -> u64 {
    world.sim.requests().by_route.get("PATCH item").copied().unwrap_or_default()
}

fn clean(world: &World) {
    let compared = world.sim.compare("voices").unwrap();
    assert!(compared.is_clean(), "{compared:?}");
}

#[test]
fn a_rename_after_landing_is_followed_by_a_move_and_sends_nothing() {
    in_virtual_time(async {
        let world = voices(4);
        world.sim.change(write(None, "/Recordings/旧名.txt", "同じ中身")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(moved("/Recordings/旧名.txt", "/Recordings/新名.txt")).unwrap();
        world.sim.reset_requests();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!((sent(&world), patched(&world)), (0, 1));
        let row = &world.rows().await.unwrap()["Recordings/新名.txt"];
        assert_eq!((row.state, row.reason), (State::Success, None));
        clean(&world);
        world.sim.reset_requests();
        world.run_once().await.unwrap();
        assert_eq!(patched(&world), 0, "it is followed once");
    });
}

#[test]
fn a_moved_folder_is_one_move_whatever_lies_in_it() {
    in_virtual_time(async {
        let world = voices(3);
        for n in 0..30 {
            world.sim.change(write(None, &format!("/Recordings/会議/議事{n}.txt"), &format!("{n}"))).unwrap();
            world
                .sim
                .change(write(None, &format!("/Recordings/会議/下/録音{n}.txt"), &format!("下{n}")))
                .unwrap();
        }
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(moved("/Recordings/会議", "/Recordings/過去の会議")).unwrap();
        world.sim.reset_requests();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!(sent(&world), 0);
        // One move; the folder's times are set again in a batch.
        assert!(patched(&world) <= 3, "{:?}", world.sim.requests().by_route);
        clean(&world);
        let rows = world.rows().await.unwrap();
        assert!(rows.values().all(|row| row.reason.is_none()), "followed rows carry no reason");
    });
}

#[test]
fn what_a_person_moved_at_the_destination_is_not_followed() {
    in_virtual_time(async {
        let world = voices(2);
        world.sim.change(write(None, "/Recordings/甲.txt", "甲")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        let drive = Some("Documents".to_owned());
        world
            .sim
            .change(WorldOp::Move {
                drive, path: "/Voices/甲.txt".into(), to: "/Voices/人の名.txt".into()
            })
            .unwrap();
        world.sim.change(moved("/Recordings/甲.txt", "/Recordings/乙.txt")).unwrap();
        let report = world.run_once().await.unwrap();
        assert_eq!(report.tally.reasons.get(&(State::Success, Reason::RenamedAtSource)), Some(&1));
        let tree = world.sim.tree(Some("Documents"), "/");
        assert!(
            tree.iter().any(|entry| entry.path.ends_with("人の名.txt")),
            "it stays where the person put it"
        );
    });
}

async fn mirrored(world: &World, most: u64) -> landfall_core::engine::RunReport {
    let (engine, job) = world.plain_engine().await.unwrap();
    let options = RunOptions { mirror: Some(most), ..RunOptions::default() };
    engine.run(&Arc::new(job), options).await.unwrap()
}

#[test]
fn a_mirror_takes_what_is_gone_to_the_bin_and_never_more_than_was_allowed() {
    in_virtual_time(async {
        let world = voices(6);
        for n in 0..5 {
            world.sim.change(write(None, &format!("/Recordings/消える{n}.txt"), &format!("{n}"))).unwrap();
        }
        assert!(world.run_once().await.unwrap().complete());
        // A person works with one of them at the destination: it is no longer ours to take away.
        world.sim.change(write(Some("Documents"), "/Voices/消える0.txt", "人の続き")).unwrap();
        for n in 0..5 {
            world
                .sim
                .change(WorldOp::Delete { drive: None, path: format!("/Recordings/消える{n}.txt") })
                .unwrap();
        }
        let refused = mirrored(&world, 4).await.mirror.unwrap();
        assert!(refused.refused.is_some() && refused.removed == 0, "{refused:?}");
        assert_eq!((refused.plan.files, refused.plan.first.len()), (5, 5), "{refused:?}");
        let held = |name: &str| world.sim.tree(Some("Documents"), "/").iter().any(|e| e.path.ends_with(name));
        assert!(held("消える4.txt"));
        let done = mirrored(&world, 5).await.mirror.unwrap();
        assert_eq!((done.removed, done.left, done.refused), (4, 1, None));
        assert!(held("消える0.txt") && !held("消える4.txt"));
        let again = mirrored(&world, 5).await.mirror.unwrap();
        assert_eq!((again.plan.files, again.removed), (1, 0));
        let rows = world.rows().await.unwrap();
        let gone: Vec<_> = rows.values().filter(|row| row.standing == Standing::Gone).collect();
        assert_eq!(gone.iter().filter(|row| row.reason == Some(Reason::Mirrored)).count(), 4);
    });
}

#[test]
fn a_mirror_of_a_source_that_shows_nothing_deletes_nothing() {
    in_virtual_time(async {
        let world = voices(3);
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(WorldOp::Delete { drive: None, path: "/Recordings".into() }).unwrap();
        let refused = mirrored(&world, 1000).await.mirror.unwrap();
        assert!(refused.refused.is_some() && refused.removed == 0, "{refused:?}");
    });
}

type Findings = BTreeMap<(String, String), usize>;

fn wanted(answers: &[Damaged], unmended: bool) -> Findings {
    let mut all = Findings::new();
    for one in answers.iter().filter(|one| one.expect != "rewritten" && !(unmended && one.repairable)) {
        let kind = match one.expect.as_str() {
            "absent" => "absent-at-destination",
            "changed" => "changed-at-destination",
            other => other,
        };
        *all.entry((kind.to_owned(), one.path.clone())).or_default() += 1;
    }
    all
}

async fn open(engine: &Engine, job: &Job) -> Findings {
    let filter = landfall_core::ledger::LookFilter { findings: true, section: None };
    let looks = engine.ledger.looks(job.handle.id, &filter, "", 10_000).await.unwrap();
    let mut all = Findings::new();
    for look in looks {
        let detail: serde_json::Value = serde_json::from_str(&look.detail).unwrap();
        // What takes part no longer has no place of its own.
        let target = detail["target"].as_str().or(detail["path"].as_str()).unwrap();
        let path = target.strip_prefix("Voices/").unwrap_or(target).to_owned();
        *all.entry((look.finding.unwrap(), path)).or_default() += 1;
    }
    all
}

/// What stands in one and not in the other.
#[track_caller]
fn same(found: &Findings, wanted: &Findings, when: &str) {
    let missing: Vec<_> = wanted.iter().filter(|one| found.get(one.0) != Some(one.1)).collect();
    let extra: Vec<_> = found.iter().filter(|one| wanted.get(one.0) != Some(one.1)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{when}: missing {missing:?}, too many {extra:?}");
}

async fn verified(world: &World) -> (VerifyReport, Findings) {
    let (engine, job) = world.plain_engine().await.unwrap();
    let options = VerifyOptions { depth: Depth::Bytes, ..VerifyOptions::default() };
    let report = engine.verify(&job, &options).await.unwrap();
    let found = open(&engine, &job).await;
    (report, found)
}

async fn damaged(files: u64) -> (World, Vec<Damaged>) {
    let world = voices(files);
    assert!(world.run_once().await.unwrap().complete());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let order = DamageOrder { job: None, kinds: vec!["all".into()], rate: 0.6, seed: 3, versioned: false };
    let answers = world.sim.damage(&order).unwrap();
    (world, answers)
}

/// One process: verify by bytes, then repair.
async fn mend(world: &World, fuse: &Arc<Fuse>) {
    let (engine, job) = world.engine(fuse).await.unwrap();
    let options = VerifyOptions { depth: Depth::Bytes, ..VerifyOptions::default() };
    engine.verify(&job, &options).await.unwrap();
    engine.repair(&Arc::new(job), &RepairOptions::default(), &|_| {}).await.unwrap();
}

#[test]
fn verify_and_repair_killed_at_any_point_find_and_mend_the_same() {
    let points = in_virtual_time(async {
        let (world, answers) = damaged(30).await;
        let (_, found) = verified(&world).await;
        same(&found, &wanted(&answers, false), "first");
        let fuse = world.fuse(None);
        mend(&world, &fuse).await;
        fuse.points()
    });
    // Every point in turn would be a thousand worlds; a prime step meets all kinds of calls.
    for at in (0..points).step_by(5) {
        in_virtual_time(async {
            let (world, answers) = damaged(30).await;
            let fuse = world.fuse(Some(at));
            let died = tokio::select! {
                biased;
                () = fuse.blown() => true,
                () = mend(&world, &fuse) => false,
            };
            if died {
                world.crash();
                tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
            }
            for _ in 0..2 {
                mend(&world, &world.fuse(None)).await;
            }
            let (report, found) = verified(&world).await;
            same(&found, &wanted(&answers, true), &format!("killed at {at}"));
            assert_eq!(report.unknown, 0, "killed at {at}");
            let (engine, job) = world.plain_engine().await.unwrap();
            let tally = engine.ledger.tally(job.handle.id, None).await.unwrap();
            let lapsed = |kind: &str| Reason::parse(kind).is_some_and(Reason::lapses);
            let left: usize = found.iter().filter(|((kind, _), _)| lapsed(kind)).map(|(_, n)| n).sum();
            let is = |state| usize::try_from(tally.files(state)).unwrap();
            assert_eq!(is(State::Ng), left, "killed at {at}");
            assert_eq!(
                is(State::Success) + left,
                30,
                "killed at {at}: a file was let go and never landed again"
            );
        });
    }
}

#[test]
fn a_run_and_a_retry_leave_alone_what_a_verify_found() {
    in_virtual_time(async {
        let (world, answers) = damaged(40).await;
        let (_, found) = verified(&world).await;
        world.sim.reset_requests();
        world.run_once().await.unwrap();
        let fuse = world.fuse(None);
        world.process(&fuse, landfall_core::engine::Stage::Retry).await.unwrap();
        assert_eq!(world.sim.requests().writes, 0);
        same(&found, &wanted(&answers, false), "first");
        same(&verified(&world).await.1, &found, "again");
    });
}

/// An empty folder shows nothing of itself but that it is there, and its times.
#[test]
fn an_empty_folder_is_missed_and_made_again_with_its_times() {
    in_virtual_time(async {
        let world = voices(3);
        world.sim.change(WorldOp::Folder { drive: None, path: "/Recordings/空の会議".into() }).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        let times = |world: &World| {
            let tree = world.sim.tree(Some("Documents"), "/");
            tree.into_iter().find(|entry| entry.path.ends_with("空の会議")).map(|entry| entry.times)
        };
        let dated = times(&world).unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let (report, _) = verified(&world).await;
        assert!(report.clean(), "{report:?}");
        let path = "/Voices/空の会議".to_owned();
        world.sim.change(WorldOp::Delete { drive: Some("Documents".into()), path }).unwrap();
        let (report, found) = verified(&world).await;
        assert_eq!(report.findings, BTreeMap::from([(Reason::AbsentAtDestination, 1)]));
        assert_eq!(found.keys().next().unwrap().1, "空の会議");
        mend(&world, &world.fuse(None)).await;
        assert_eq!(times(&world), Some(dated), "made again with the times of the source's");
        let (report, found) = verified(&world).await;
        assert!(report.clean() && found.is_empty(), "{report:?}");
    });
}

/// The object at the destination, changed as a disk changes it: nobody did it and nothing reports it.
fn rot(path: &str) -> WorldOp {
    WorldOp::Corrupt { drive: Some("Documents".into()), path: path.into() }
}

fn deleted(drive: Option<&str>, path: &str) -> WorldOp {
    WorldOp::Delete { drive: drive.map(str::to_owned), path: path.into() }
}

async fn tally(world: &World) -> landfall_core::ledger::Tally {
    let (engine, job) = world.plain_engine().await.unwrap();
    engine.ledger.tally(job.handle.id, None).await.unwrap()
}

#[test]
fn names_that_two_files_exchanged_are_followed_without_sending_a_byte() {
    in_virtual_time(async {
        let world = voices(2);
        for name in ["甲", "乙", "丙", "丁"] {
            world.sim.change(write(None, &format!("/Recordings/{name}.txt"), name)).unwrap();
        }
        assert!(world.run_once().await.unwrap().complete());
        // 甲 and 乙 change places; 丙 takes the name that 丁 gives up.
        for (from, to) in [("甲", "仮"), ("乙", "甲"), ("仮", "乙"), ("丁", "戊"), ("丙", "丁")] {
            let path = |name: &str| format!("/Recordings/{name}.txt");
            world.sim.change(moved(&path(from), &path(to))).unwrap();
        }
        world.sim.reset_requests();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        // Four moves, one step aside, and the tries at names that were taken yet.
        assert_eq!(sent(&world), 0);
        assert!((5..=12).contains(&patched(&world)), "{}", patched(&world));
        clean(&world);
        assert!(world.rows().await.unwrap().values().all(|row| row.reason.is_none()));
        assert!(verified(&world).await.0.clean());
    });
}

#[test]
fn what_landed_is_verified_although_it_takes_part_no_longer() {
    in_virtual_time(async {
        let world = voices(2);
        for name in ["甲", "乙", "丙"] {
            world.sim.change(write(None, &format!("/Recordings/会議/{name}.txt"), name)).unwrap();
        }
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(moved("/Recordings/会議", "/書庫の会議")).unwrap();
        world.sim.change(deleted(None, "/書庫の会議/丙.txt")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        let (report, _) = verified(&world).await;
        assert_eq!((report.checked, report.read, report.clean()), (5, 5, true), "{report:?}");
        world.sim.change(rot("/Voices/会議/甲.txt")).unwrap();
        world.sim.change(deleted(Some("Documents"), "/Voices/会議/丙.txt")).unwrap();
        let (report, _) = verified(&world).await;
        // Without a place of its own the deleted one cannot be told in the bin.
        let wanted = BTreeMap::from([(Reason::ChangedAtDestination, 1), (Reason::AbsentAtDestination, 1)]);
        assert_eq!((&report.findings, report.unknown), (&wanted, 0), "{report:?}");
        // It may have been the only copy: no run calls this complete.
        let tally = tally(&world).await;
        assert_eq!((tally.lost, tally.complete()), (2, false), "{tally:?}");
        assert!(!world.run_once().await.unwrap().complete());
    });
}

#[test]
fn a_folder_that_a_person_deleted_is_that_persons_work_file_by_file() {
    in_virtual_time(async {
        let world = voices(2);
        for name in ["甲", "下/乙"] {
            world.sim.change(write(None, &format!("/Recordings/会議/{name}.txt"), name)).unwrap();
        }
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(deleted(Some("Documents"), "/Voices/会議")).unwrap();
        let (report, _) = verified(&world).await;
        assert_eq!(report.findings, BTreeMap::from([(Reason::DeletedByUser, 2)]), "{report:?}");
        world.sim.reset_requests();
        mend(&world, &world.fuse(None)).await;
        assert_eq!(world.sim.requests().writes, 0, "nobody asked for it");
    });
}

#[test]
fn bytes_that_rotted_together_with_the_published_hash_are_found_by_reading() {
    in_virtual_time(async {
        let world = voices(2);
        world.sim.change(write(None, "/Recordings/甲.txt", "甲の中身")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        assert!(verified(&world).await.0.clean());
        world.sim.change(rot("/Voices/甲.txt")).unwrap();
        let (report, _) = verified(&world).await;
        assert_eq!(report.findings, BTreeMap::from([(Reason::ChangedAtDestination, 1)]), "{report:?}");
        assert_eq!(report.unknown, 0);
        mend(&world, &world.fuse(None)).await;
        assert!(verified(&world).await.0.clean());
        // The rotten bytes stay as the older version.
        let compared = world.sim.compare("voices").unwrap();
        assert!(compared.missing.is_empty() && compared.different.is_empty(), "{compared:?}");
    });
}

#[test]
fn a_double_stays_where_the_file_that_it_repeats_is_no_longer_right() {
    in_virtual_time(async {
        let world = voices(2);
        world.sim.change(write(None, "/Recordings/甲.txt", "甲の中身")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(write(Some("Documents"), "/Voices/甲 1.txt", "甲の中身")).unwrap();
        let (report, _) = verified(&world).await;
        assert_eq!(report.findings, BTreeMap::from([(Reason::Doubled, 1)]), "{report:?}");
        // Between the verify and the repair the good one becomes another of the same size.
        world.sim.change(write(Some("Documents"), "/Voices/甲.txt", "乙の中身")).unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let options = RepairOptions { remove_doubles: true, ..RepairOptions::default() };
        let report = engine.repair(&Arc::new(job), &options, &|_| {}).await.unwrap();
        assert_eq!((report.mended, report.failed), (0, 1), "{report:?}");
        let tree = world.sim.tree(Some("Documents"), "/");
        assert!(tree.iter().any(|entry| entry.path.ends_with("甲 1.txt")), "the only good one is kept");
    });
}

#[test]
fn a_file_that_was_deleted_and_made_anew_takes_its_own_place_as_a_version() {
    in_virtual_time(async {
        let world = voices(2);
        world.sim.change(write(None, "/Recordings/甲.txt", "古い中身")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(deleted(None, "/Recordings/甲.txt")).unwrap();
        world.sim.change(write(None, "/Recordings/甲.txt", "新しい中身です")).unwrap();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        let compared = world.sim.compare("voices").unwrap();
        assert!(compared.missing.is_empty() && compared.different.is_empty() && compared.extra.is_empty());
        let (report, found) = verified(&world).await;
        assert!(
            report.clean() && found.is_empty(),
            "the lost one is not looked for any more: {report:?} {found:?}"
        );
        world.sim.reset_requests();
        assert!(world.run_once().await.unwrap().complete());
        assert_eq!(world.sim.requests().writes, 0);
    });
}

#[test]
fn a_stranger_in_the_place_of_a_file_made_anew_is_still_nobody_elses_business() {
    in_virtual_time(async {
        let world = voices(2);
        world.sim.change(write(None, "/Recordings/甲.txt", "古い中身")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(write(Some("Documents"), "/Voices/甲.txt", "人の仕事")).unwrap();
        world.sim.change(deleted(None, "/Recordings/甲.txt")).unwrap();
        world.sim.change(write(None, "/Recordings/甲.txt", "新しい中身です")).unwrap();
        let report = world.run_once().await.unwrap();
        assert_eq!((report.tally.files(State::Dupe), report.complete()), (1, false), "{report:?}");
        let tree = world.sim.tree(Some("Documents"), "/");
        let kept = tree.iter().find(|entry| entry.path.ends_with("甲.txt")).unwrap();
        assert_eq!(kept.size, "人の仕事".len() as u64);
    });
}

#[test]
fn a_file_that_was_renamed_and_edited_at_once_leaves_nothing_behind() {
    in_virtual_time(async {
        let world = voices(2);
        world.sim.change(write(None, "/Recordings/旧名.txt", "古い中身")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(WorldOp::Folder { drive: None, path: "/Recordings/会議".into() }).unwrap();
        world.sim.change(moved("/Recordings/旧名.txt", "/Recordings/会議/新名.txt")).unwrap();
        world.sim.change(write(None, "/Recordings/会議/新名.txt", "新しい中身です")).unwrap();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        let compared = world.sim.compare("voices").unwrap();
        assert!(compared.missing.is_empty() && compared.different.is_empty() && compared.extra.is_empty());
        let (report, found) = verified(&world).await;
        assert!(report.clean() && found.is_empty(), "{report:?} {found:?}");
    });
}

#[test]
fn names_are_exchanged_also_where_one_of_the_files_was_edited_and_where_they_are_folders() {
    in_virtual_time(async {
        let world = voices(2);
        for path in ["右/一", "右/二", "左/一", "左/二"] {
            let folder = path.split('/').next().unwrap();
            let _made =
                world.sim.change(WorldOp::Folder { drive: None, path: format!("/Recordings/{folder}") });
            world.sim.change(write(None, &format!("/Recordings/{path}.txt"), path)).unwrap();
        }
        assert!(world.run_once().await.unwrap().complete());
        let exchange = |one: &str, other: &str| {
            for (from, to) in [(one, "仮"), (other, one), ("仮", other)] {
                let path = |name: &str| format!("/Recordings/{name}");
                world.sim.change(moved(&path(from), &path(to))).unwrap();
            }
        };
        exchange("右", "左");
        world.sim.reset_requests();
        assert!(world.run_once().await.unwrap().complete());
        assert_eq!(sent(&world), 0);
        clean(&world);
        exchange("右/一.txt", "右/二.txt");
        world.sim.change(write(None, "/Recordings/右/一.txt", "交換した後の新しい中身")).unwrap();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        let compared = world.sim.compare("voices").unwrap();
        let lists = [&compared.missing, &compared.different, &compared.extra, &compared.doubled];
        assert!(lists.iter().all(|list| list.is_empty()), "{compared:?}");
        let (report, found) = verified(&world).await;
        assert!(report.clean() && found.is_empty(), "{report:?} {found:?}");
    });
}
