//! What a job does with a living world: edits, renames, conflicts, rewriting libraries, lies and limits.
//!
//! Everything runs in virtual time against the simulator in process; rows are looked at in the ledger,
//! results in the simulated library.

use std::time::Duration;

use landfall_core::engine::{Filters, NamePolicy, RunOptions};
use landfall_core::proof::SourceLeg;
use landfall_core::row::Standing;
use landfall_core::state::{Reason, State, Via};
use landfall_core::store::OnConflict;
use landfall_core::{Code, ErrorKind};
use landfall_sim::{Config, Fault, FaultRule, Rewriting, Scenario, WorldOp};
use landfall_tests::simulation::{JobSpec, World, in_virtual_time};

fn voices(files: u64) -> World {
    let config = Config { seed: 11, scenario: Scenario::Voices, files, ..Config::default() };
    World::with(config, JobSpec::voices())
}

fn scenario(scenario: Scenario, files: u64, spec: JobSpec) -> World {
    World::with(Config { seed: 5, scenario, files, ..Config::default() }, spec)
}

fn library() -> Option<String> {
    Some("Documents".to_owned())
}

fn write(drive: Option<String>, path: &str, text: &str) -> WorldOp {
    WorldOp::Write { drive, path: path.into(), text: Some(text.into()), size: None }
}

fn versions(world: &World, path: &str) -> Option<usize> {
    let tree = world.sim.tree(Some("Documents"), "/");
    tree.into_iter().find(|e| e.path.trim_start_matches('/') == path).map(|e| e.versions)
}

#[test]
fn an_edit_at_the_source_becomes_a_new_version_and_a_rename_sends_nothing() {
    in_virtual_time(async {
        let world = voices(12);
        world.sim.change(write(None, "/Recordings/議事/メモ.txt", "初版")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(write(None, "/Recordings/議事/メモ.txt", "第二版、長くなった")).unwrap();
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!(versions(&world, "Voices/議事/メモ.txt"), Some(2), "the old version is kept as undo");
        assert!(world.sim.compare("voices").unwrap().different.is_empty());

        world.sim.reset_requests();
        let to = "/Recordings/議事録".to_owned();
        world.sim.change(WorldOp::Move { drive: None, path: "/Recordings/議事".into(), to }).unwrap();
        world.run_once().await.unwrap();
        let row = &world.rows().await.unwrap()["Recordings/議事録/メモ.txt"];
        assert_eq!((row.state, row.standing), (State::Success, Standing::In));
        assert_eq!(world.sim.requests().by_route.get("POST createUploadSession"), None);
    });
}

#[test]
fn the_same_size_with_other_bytes_is_noticed_too() {
    in_virtual_time(async {
        let world = voices(3);
        world.sim.change(write(None, "/Recordings/a.txt", "甲")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(write(None, "/Recordings/a.txt", "乙")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        assert!(world.sim.compare("voices").unwrap().different.is_empty());
    });
}

#[test]
fn what_vanishes_at_the_source_is_recorded_and_stays_at_the_destination() {
    in_virtual_time(async {
        let world = voices(6);
        world.sim.change(write(None, "/Recordings/消える.txt", "まもなく")).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(WorldOp::Delete { drive: None, path: "/Recordings/消える.txt".into() }).unwrap();
        let report = world.run_once().await.unwrap();
        assert_eq!(report.tally.gone, 1);
        assert_eq!(versions(&world, "Voices/消える.txt"), Some(1));
    });
}

#[test]
fn a_strangers_file_stays_unless_the_policy_says_otherwise() {
    for (policy, state, others) in [
        (OnConflict::Keep, State::Dupe, 1),
        (OnConflict::Replace, State::Success, 2),
        (OnConflict::Rename, State::Success, 1),
    ] {
        in_virtual_time(async {
            let mut world = voices(4);
            world.spec.policy.on_conflict = policy;
            world.sim.change(write(None, "/Recordings/報告.txt", "われわれの報告")).unwrap();
            world.sim.change(write(library(), "/Voices/報告.txt", "他人の報告")).unwrap();
            let report = world.run_once().await.unwrap();
            let row = &world.rows().await.unwrap()["Recordings/報告.txt"];
            assert_eq!(row.state, state, "{policy:?} {report:?} {}", row.comment);
            assert_eq!(versions(&world, "Voices/報告.txt"), Some(others), "{policy:?}");
            match policy {
                OnConflict::Keep => assert_eq!(row.reason, Some(Reason::DifferentAtDestination)),
                OnConflict::Rename => assert_eq!(versions(&world, "Voices/報告~2.txt"), Some(1)),
                OnConflict::Replace => {}
            }
            // Whatever it decided, a second run has nothing to add.
            world.sim.reset_requests();
            world.run_once().await.unwrap();
            assert_eq!(world.sim.requests().writes, 0, "{policy:?} {:?}", world.sim.requests().by_route);
        });
    }
}

#[test]
fn what_already_lies_there_is_proven_and_not_sent() {
    in_virtual_time(async {
        let world = voices(3);
        world.sim.change(write(None, "/Recordings/既存.txt", "同じ中身")).unwrap();
        world.sim.change(write(library(), "/voices/既存.TXT", "同じ中身")).unwrap();
        let report = world.run_once().await.unwrap();
        assert!(report.complete());
        let row = &world.rows().await.unwrap()["Recordings/既存.txt"];
        assert_eq!(row.via, Some(Via::AlreadyThere));
        assert!(row.ours.sha256.is_none(), "no byte passed, so no SHA-256 may be claimed");
        assert_eq!(versions(&world, "voices/既存.TXT"), Some(1));
    });
}

#[test]
fn a_rewriting_library_leaves_files_dupe_and_nothing_is_sent_or_deleted_for_it() {
    for rewriting in [Rewriting::Immediate, Rewriting::After(Duration::from_secs(4))] {
        in_virtual_time(async {
            let config = Config {
                seed: 5,
                scenario: Scenario::Office,
                files: 14,
                rewriting: Some(rewriting),
                ..Config::default()
            };
            let world = World::with(config, JobSpec::of("office", "書類", "Office"));
            let first = world.run_once().await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            world.sim.reset_requests();
            let second = world.run_once().await.unwrap();
            let writes = world.sim.requests().writes;
            assert_eq!(writes, 0, "{rewriting:?} {:?}", world.sim.requests().by_route);
            for (path, row) in world.rows().await.unwrap() {
                if row.standing != Standing::In {
                    continue;
                }
                let plain = path.ends_with(".txt") || path.ends_with(".wav");
                match (plain, rewriting) {
                    // What was proven before the library came back to it was proven; later looks find it (verify).
                    (true, _) | (false, Rewriting::After(_)) => {
                        assert_eq!(row.state, State::Success, "{path}")
                    }
                    (false, _) => {
                        assert_eq!((row.state, row.reason), (State::Dupe, Some(Reason::Rewritten)), "{path}");
                    }
                }
            }
            assert_eq!(first.tally, second.tally);
            let compare = world.sim.compare("office").unwrap();
            assert!(compare.missing.is_empty() && compare.extra_versions.is_empty(), "{compare:?}");
        });
    }
}

#[test]
fn everything_hostile_is_carried_or_named() {
    in_virtual_time(async {
        let world = scenario(
            Scenario::Hostile,
            6,
            JobSpec::of("hostile", "", "Hostile/とても長い名前の移行先フォルダー"),
        );
        let report = world.run_once().await.unwrap();
        let rows = world.rows().await.unwrap();
        let at = |end: &str| rows.iter().find(|(path, _)| path.ends_with(end)).map(|(_, row)| row).unwrap();
        assert_eq!(at("第一章.one").state, State::Success);
        assert_eq!(at("Open Notebook.onetoc2").state, State::Success);
        assert_eq!(at("請求書.exe").skip, Some(Reason::Malware));
        assert_eq!(at("チームの資料").skip, Some(Reason::Shortcut));
        let labelled = at("社外秘.pdf");
        assert_eq!(
            (labelled.state, labelled.leg),
            (State::Success, Some(SourceLeg::Contradicted)),
            "{}",
            labelled.comment
        );
        assert_eq!(labelled.ours_size.map(|s| s.0), Some(20_480));
        let deep = at("これ以上は入らない名前.wav");
        assert_eq!((deep.state, deep.reason), (State::Ng, Some(Reason::NameTooLong)));
        assert!(!report.complete());
        assert_eq!(report.tally.skipped.len(), 2);
        let compare = world.sim.compare("hostile").unwrap();
        assert!(compare.violations.is_empty(), "{:?}", compare.violations);
    });
}

#[test]
fn a_reserved_name_at_the_root_is_refused_or_mapped_and_the_rest_goes_on() {
    for names in [NamePolicy::Refuse, NamePolicy::Map] {
        in_virtual_time(async {
            let mut world = scenario(Scenario::Hostile, 2, JobSpec::of("roots", "根へ", ""));
            world.spec.policy.names = names;
            let report = world.run_once().await.unwrap();
            let row = &world.rows().await.unwrap()["根へ/Forms/申込書.txt"];
            match names {
                NamePolicy::Refuse => {
                    assert_eq!(
                        (row.state, row.reason),
                        (State::Ng, Some(Reason::NameReserved)),
                        "{report:?}"
                    );
                }
                NamePolicy::Map => assert_eq!(row.state, State::Success, "{} {report:?}", row.comment),
            }
        });
    }
}

#[test]
fn merged_users_collide_before_the_first_byte_and_mapping_parts_them() {
    for names in [NamePolicy::Refuse, NamePolicy::Map] {
        in_virtual_time(async {
            let mut spec = JobSpec::of("merged", "", "Merged");
            spec.users = vec!["ada@contoso.com", "ben@contoso.com", "chie@contoso.com"];
            spec.policy.names = names;
            let world = scenario(Scenario::Leavers, 8, spec);
            let (engine, job) = world.plain_engine().await.unwrap();
            let plan = engine.plan(&job, false, &Filters::default(), None).await.unwrap();
            let report = world.run_once().await.unwrap();
            let collided =
                report.tally.reasons.get(&(State::Ng, Reason::NameCollision)).copied().unwrap_or(0);
            match names {
                NamePolicy::Refuse => {
                    assert!(collided >= 3, "{report:?}");
                    assert_eq!(plan.unlandable, collided, "the plan knew");
                    assert!(!report.complete());
                }
                NamePolicy::Map => assert!(report.complete() && collided == 0, "{report:?}"),
            }
        });
    }
}

#[test]
fn a_full_library_ends_the_run_and_nothing_is_lost() {
    in_virtual_time(async {
        let world = voices(10);
        world.sim.change(WorldOp::Quota { drive: library(), total: None }).unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let error = engine.run(&std::sync::Arc::new(job), RunOptions::default()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Full, Some(Code::DestinationFull)),
            "{}",
            error.chain()
        );
        world.sim.change(WorldOp::Quota { drive: library(), total: Some(1 << 40) }).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        assert!(world.sim.compare("voices").unwrap().is_clean());
    });
}

#[test]
fn the_plan_states_what_the_run_then_needs() {
    in_virtual_time(async {
        let world = voices(120);
        let (engine, job) = world.plain_engine().await.unwrap();
        let plan = engine.plan(&job, false, &Filters::default(), None).await.unwrap();
        world.sim.reset_requests();
        let report = world.run_once().await.unwrap();
        assert_eq!(plan.files, report.tally.files(State::Success));
        let done = world.sim.requests();
        // Connecting, two listings and the folder times come on top of what moving costs.
        let slack = 20;
        assert!(
            plan.requests <= done.total + slack && done.total <= plan.requests + slack,
            "{plan:?} {done:?}"
        );
        assert!(
            plan.units.abs_diff(done.resource_units) <= plan.units / 10 + 40,
            "{} {}",
            plan.units,
            done.resource_units
        );
    });
}

#[test]
fn the_audit_confirms_a_quiet_source_and_names_what_the_crawl_missed() {
    in_virtual_time(async {
        let world = voices(40);
        let (engine, job) = world.plain_engine().await.unwrap();
        engine.crawl(&job, false).await.unwrap();
        let audit = engine.audit(&job).await.unwrap();
        assert!(audit.complete_as_of.is_some(), "{audit:?}");
        assert!(audit.files >= 40 && audit.usage.is_some());
        // A file that comes between the two enumerations is a difference, and the next audit is clean.
        world.sim.change(write(None, "/Recordings/遅れて.txt", "来た")).unwrap();
        let audit = engine.audit(&job).await.unwrap();
        assert!(
            audit.complete_as_of.is_none() && audit.different > 0 && audit.changed_meanwhile > 0,
            "{audit:?}"
        );
        assert!(engine.audit(&job).await.unwrap().complete_as_of.is_some());
    });
}

#[test]
fn a_pilot_moves_so_many_files_of_one_folder_and_no_more() {
    in_virtual_time(async {
        let world = voices(30);
        for n in 0..9 {
            world
                .sim
                .change(write(None, &format!("/Recordings/試行/録音{n}.txt"), &"あ".repeat(n + 1)))
                .unwrap();
        }
        let (engine, job) = world.plain_engine().await.unwrap();
        let paths = Filters::new(&["/試行/**".into()], &[]).unwrap();
        let plan = engine.plan(&job, false, &paths, Some(5)).await.unwrap();
        assert_eq!(plan.files, 5, "the plan of a pilot is the pilot's");
        let options = RunOptions { limit: Some(5), paths, ..RunOptions::default() };
        let report = engine.run(&std::sync::Arc::new(job), options).await.unwrap();
        assert_eq!(report.tally.files(State::Success), 5);
        let moved: Vec<String> =
            world.sim.tree(Some("Documents"), "/Voices").into_iter().map(|e| e.path).collect();
        assert!(moved.iter().all(|p| p.contains("試行") || p.ends_with("Voices")), "{moved:?}");
        assert!(world.run_once().await.unwrap().complete());
    });
}

#[test]
fn a_hash_that_comes_late_is_waited_for_with_listings_only() {
    in_virtual_time(async {
        let world = voices(8);
        let rule = FaultRule {
            route: "PUT fragment".into(),
            nth: 1,
            times: 100,
            subject: None,
            fault: Fault::LateHash { seconds: 20 },
        };
        world.sim.script(rule);
        let report = world.run_once().await.unwrap();
        assert!(report.complete(), "{report:?}");
        let requests = world.sim.requests().by_route;
        assert_eq!(requests["GET content"], requests["PUT fragment"], "nothing was read back");
        assert!(
            requests.get("GET item").is_none_or(|n| *n < 4),
            "no file is asked for by itself: {requests:?}"
        );
    });
}

#[test]
fn a_wrong_byte_in_a_download_never_arrives() {
    in_virtual_time(async {
        let world = voices(8);
        let fault = Fault::WrongByte;
        world.sim.script(FaultRule { route: "GET download".into(), nth: 1, times: 3, subject: None, fault });
        assert!(world.run_once().await.unwrap().complete());
        assert!(world.sim.compare("voices").unwrap().is_clean());
    });
}

#[test]
fn a_folder_that_somebody_deletes_at_the_destination_is_made_again() {
    in_virtual_time(async {
        let world = voices(5);
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(write(None, "/Recordings/新規/後から.txt", "続き")).unwrap();
        world.sim.change(WorldOp::Folder { drive: library(), path: "/Voices/新規".into() }).unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        engine.plan(&job, false, &Filters::default(), None).await.unwrap();
        world.sim.change(WorldOp::Delete { drive: library(), path: "/Voices/新規".into() }).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        assert_eq!(versions(&world, "Voices/新規/後から.txt"), Some(1));
    });
}

#[test]
fn one_user_who_cannot_be_listed_does_not_keep_the_others_from_landing() {
    in_virtual_time(async {
        let mut spec = JobSpec::of("leavers", "", "Leavers/{user}");
        spec.users = vec!["ada@contoso.com", "ben@contoso.com"];
        let world = scenario(Scenario::Leavers, 8, spec);
        let (engine, job) = world.plain_engine().await.unwrap();
        world
            .sim
            .change(WorldOp::State { drive: Some("ada@contoso.com".into()), state: "locked".into() })
            .unwrap();
        let report = engine.run(&std::sync::Arc::new(job), RunOptions::default()).await.unwrap();
        assert_eq!(report.crawl.failed.len(), 1, "{:?}", report.crawl.failed);
        assert_eq!(report.crawl.failed[0].0, "ada@contoso.com");
        assert!(!report.complete() && report.tally.files(State::Success) > 0);
        world
            .sim
            .change(WorldOp::State { drive: Some("ada@contoso.com".into()), state: "normal".into() })
            .unwrap();
        assert!(world.run_once().await.unwrap().complete());
    });
}

#[test]
fn a_missing_right_to_write_ends_the_run_and_leaves_the_rows_as_they_are() {
    in_virtual_time(async {
        let world = voices(40);
        let read = vec!["Files.Read.All".to_owned(), "Sites.Read.All".to_owned()];
        world.sim.change(WorldOp::Roles { roles: read }).unwrap();
        world.sim.change(WorldOp::RevokeTokens).unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let error = engine.run(&std::sync::Arc::new(job), RunOptions::default()).await.unwrap_err();
        assert_eq!(error.code, Some(Code::PermissionMissing), "{}", error.chain());
        let rows = world.rows().await.unwrap();
        assert!(rows.values().all(|row| row.state == State::Pending), "no file is to blame");
        let write = vec!["Files.ReadWrite.All".to_owned(), "Sites.ReadWrite.All".to_owned()];
        world.sim.change(WorldOp::Roles { roles: write }).unwrap();
        world.sim.change(WorldOp::RevokeTokens).unwrap();
        assert!(world.run_once().await.unwrap().complete());
        assert!(world.sim.compare("voices").unwrap().is_clean());
    });
}

#[test]
fn a_read_only_library_ends_the_run() {
    in_virtual_time(async {
        let world = voices(40);
        world.sim.change(WorldOp::State { drive: library(), state: "read_only".into() }).unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let error = engine.run(&std::sync::Arc::new(job), RunOptions::default()).await.unwrap_err();
        assert!(
            matches!(error.code, Some(Code::DestinationLocked | Code::PermissionMissing)),
            "{:?} {}",
            error.code,
            error.chain()
        );
        world.sim.change(WorldOp::State { drive: library(), state: "normal".into() }).unwrap();
        assert!(world.run_once().await.unwrap().complete());
    });
}

#[test]
fn a_source_that_lost_everything_is_not_complete() {
    in_virtual_time(async {
        let world = voices(3);
        assert!(world.run_once().await.unwrap().complete());
        world.sim.change(WorldOp::Delete { drive: None, path: "/Recordings".into() }).unwrap();
        let report = world.run_once().await.unwrap();
        assert!(report.tally.gone >= 3 && !report.complete(), "{report:?}");
    });
}
