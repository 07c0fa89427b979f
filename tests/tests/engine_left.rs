//! What stays behind at the source: captured in virtual time, under throttling, killed at every point, refused in part.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use landfall_core::engine::{Capture, Captured, Engine, Job};
use landfall_core::store::{Audience, Grant};
use landfall_sim::{Config, Fault, FaultRule, Faults, Quota, Scenario, WorldOp};
use landfall_tests::simulation::{JobSpec, World, in_virtual_time};

fn world(config: Config) -> World {
    let config = Config { scenario: Scenario::Flat, files: 3, seed: 4, ..config };
    let world = World::with(config, JobSpec::of("flat", "Recordings", "Flat"));
    for (path, text) in [
        ("/Recordings/会議/議事録.txt", "一"),
        ("/Recordings/会議/下/録音.txt", "二"),
        ("/Recordings/別/日誌.txt", "三"),
        ("/書類/外.txt", "四"),
    ] {
        world.sim.change(write(path, text)).unwrap();
    }
    world
}

fn write(path: &str, text: &str) -> WorldOp {
    WorldOp::Write { drive: None, path: path.into(), text: Some(text.into()), size: None }
}

fn share(path: &str, people: &[&str], link: Option<&str>) -> WorldOp {
    WorldOp::Share {
        drive: None,
        path: path.into(),
        people: people.iter().map(|name| format!("{name}@contoso.com")).collect(),
        role: "write".into(),
        link: link.map(str::to_owned),
        expires: None,
    }
}

fn label(path: &str, sensitivity: Option<&str>, retention: Option<&str>) -> WorldOp {
    WorldOp::Label {
        drive: None,
        path: path.into(),
        sensitivity: sensitivity.map(str::to_owned),
        retention: retention.map(str::to_owned),
    }
}

async fn captured(world: &World) -> (Capture, BTreeMap<String, Captured>) {
    let (engine, job) = world.plain_engine().await.unwrap();
    engine.crawl(&job, false).await.unwrap();
    let capture = engine.capture_left(&job, &AtomicU64::new(0)).await.unwrap();
    (capture, kept(&engine, &job).await)
}

async fn kept(engine: &Engine, job: &Job) -> BTreeMap<String, Captured> {
    let mut things = BTreeMap::new();
    let capture = Capture::last(engine.ledger.as_ref(), job.handle.id).await.unwrap().unwrap();
    let mut pages = capture.pages(engine.ledger.as_ref(), job.handle.id);
    while let Some(page) = pages.next().await.unwrap() {
        for thing in page.things {
            assert!(things.insert(thing.path.clone(), thing).is_none(), "named twice");
        }
    }
    things
}

/// Who was let in at a thing by itself.
fn own(things: &BTreeMap<String, Captured>, path: &str) -> Vec<String> {
    let shown = |grant: &Grant| match grant.audience {
        Audience::Anyone => "anyone".to_owned(),
        Audience::Organization => "organization".to_owned(),
        Audience::People => grant.people.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("+"),
    };
    things.get(path).into_iter().flat_map(|thing| thing.left.own()).map(shown).collect()
}

fn dress(world: &World) {
    for op in [
        share("/Recordings", &["ken.sato"], None),
        share("/Recordings/会議", &["hanako.yamada"], Some("users")),
        share("/Recordings/会議/下/録音.txt", &[], Some("anonymous")),
        share("/書類/外.txt", &[], Some("organization")),
        label("/Recordings/会議/議事録.txt", Some("社外秘"), None),
        label("/Recordings/別", None, Some("7年保存")),
        write("/Recordings/別/日誌.txt", "五"),
        write("/Recordings/別/日誌.txt", "六"),
    ] {
        world.sim.change(op).unwrap();
    }
}

#[track_caller]
fn as_dressed(things: &BTreeMap<String, Captured>) {
    assert_eq!(own(things, ""), ["Ada"], "whose drive it is stands at its root, once");
    assert!(own(things, "Recordings").contains(&"佐藤 健".to_owned()), "{things:?}");
    assert_eq!(own(things, "Recordings/会議"), ["山田 花子"], "what a folder above has is not repeated");
    assert_eq!(own(things, "Recordings/会議/下"), [""; 0]);
    assert_eq!(own(things, "Recordings/会議/下/録音.txt"), ["anyone"]);
    assert_eq!(own(things, "Recordings/会議/議事録.txt"), [""; 0]);
    assert!(!things.contains_key("書類/外.txt"), "it is no part of the job");
    let minutes = &things["Recordings/会議/議事録.txt"].left;
    assert_eq!((minutes.sensitivity.as_deref(), minutes.older), (Some("社外秘"), 0));
    let diary = &things["Recordings/別/日誌.txt"].left;
    assert_eq!((diary.retention.as_deref(), diary.older), (Some("7年保存"), 2));
    assert!(things["Recordings/別"].folder);
    assert!(things.values().all(|thing| thing.left.unknown.is_empty()), "{things:?}");
}

#[test]
fn everything_is_asked_once_and_what_a_folder_has_is_told_once() {
    in_virtual_time(async {
        let world = world(Config::default());
        dress(&world);
        let (engine, job) = world.plain_engine().await.unwrap();
        engine.crawl(&job, false).await.unwrap();
        let plan = engine.plan_left(&job).await.unwrap();
        world.sim.reset_requests();
        let asked = AtomicU64::new(0);
        let capture = engine.capture_left(&job, &asked).await.unwrap();
        as_dressed(&kept(&engine, &job).await);
        assert!(capture.ended.is_some() && capture.silent.is_empty() && capture.unreached.is_empty());
        assert_eq!(asked.load(Relaxed), plan.files + plan.folders);
        let spent = world.sim.requests();
        assert!(
            spent.resource_units >= plan.least.units && spent.resource_units <= plan.most.units,
            "{plan:?}"
        );
        assert_eq!(spent.by_route["GET item"], plan.files + plan.folders);
        assert_eq!(spent.writes, 0);
        // Files that are shared only by a folder above them are asked; those of no shared folder are not.
        assert!(spent.by_route["GET versions"] < plan.files, "{:?}", spent.by_route);
    });
}

#[test]
fn a_second_capture_takes_the_place_of_the_first_and_leaves_nothing_of_it() {
    in_virtual_time(async {
        let world = world(Config::default());
        let (_, before) = captured(&world).await;
        dress(&world);
        let (second, after) = captured(&world).await;
        as_dressed(&after);
        assert_ne!(before, after);
        let (engine, job) = world.plain_engine().await.unwrap();
        let keys = engine.ledger.memos(job.handle.id, "left-page", "", 1000).await.unwrap();
        let mut pages = second.pages(engine.ledger.as_ref(), job.handle.id);
        let mut number = 0;
        while pages.next().await.unwrap().is_some() {
            number += 1;
        }
        assert_eq!((keys.len(), number), (2, 2), "{keys:?}");
    });
}

#[test]
fn what_is_refused_is_unknown_and_nothing_else_is() {
    in_virtual_time(async {
        let world = world(Config::default());
        dress(&world);
        world
            .sim
            .change(WorldOp::Guard { drive: None, path: "/Recordings/会議/下/録音.txt".into() })
            .unwrap();
        world.sim.change(WorldOp::Delete { drive: None, path: "/Recordings/別/日誌.txt".into() }).unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        engine.crawl(&job, false).await.unwrap();
        world
            .sim
            .change(WorldOp::Delete { drive: None, path: "/Recordings/会議/議事録.txt".into() })
            .unwrap();
        let capture = engine.capture_left(&job, &AtomicU64::new(0)).await.unwrap();
        let things = kept(&engine, &job).await;
        let guarded = &things["Recordings/会議/下/録音.txt"].left;
        assert!(guarded.grants.is_empty());
        let why: Vec<_> = guarded.unknown.iter().map(|one| (one.aspect.name(), one.why.as_str())).collect();
        assert!(why.len() == 1 && why[0].0 == "sharing" && why[0].1.contains("403"), "{why:?}");
        let unknown = things.values().filter(|thing| !thing.left.unknown.is_empty()).count();
        assert_eq!(unknown, 1);
        // What went since the crawl is gone, and neither unknown nor unshared.
        assert!(!things.contains_key("Recordings/会議/議事録.txt"));
        let mut pages = capture.pages(engine.ledger.as_ref(), job.handle.id);
        let mut gone = 0;
        while let Some(page) = pages.next().await.unwrap() {
            gone += page.gone;
        }
        assert_eq!(gone, 1);
    });
}

#[test]
fn a_service_without_columns_is_asked_plainly_and_labels_stay_unknown() {
    in_virtual_time(async {
        let world = world(Config { list_columns: false, ..Config::default() });
        dress(&world);
        let (_, things) = captured(&world).await;
        assert_eq!(own(&things, "Recordings/会議/下/録音.txt"), ["anyone"]);
        assert_eq!(things["Recordings/別/日誌.txt"].left.older, 2);
        let known = things.values().filter(|thing| thing.left.unknown.is_empty()).count();
        assert_eq!(known, 0, "labels could not be asked of anything");
    });
}

#[test]
fn long_lists_come_in_pages_and_throttling_is_waited_out() {
    in_virtual_time(async {
        let config =
            Config { max_page: 1, quota: Quota::SmallTenant, faults: Faults::Wild, ..Config::default() };
        let world = world(config);
        dress(&world);
        for (route, times) in [("GET permissions", 5), ("GET item", 3), ("POST $batch", 2)] {
            let fault = Fault::Throttle { retry_after: Some(30) };
            world.sim.script(FaultRule { route: route.into(), nth: 2, times, subject: None, fault });
        }
        let (engine, job) = world.plain_engine().await.unwrap();
        let mut tries = 0;
        while engine.crawl(&job, false).await.is_err() {
            tries += 1;
            assert!(tries < 20);
        }
        engine.capture_left(&job, &AtomicU64::new(0)).await.unwrap();
        as_dressed(&kept(&engine, &job).await);
        let requests = world.sim.requests();
        assert!(requests.throttled > 0);
        let compared = world.sim.compare("flat").unwrap();
        assert!(compared.violations.is_empty(), "nothing came before its time: {:?}", compared.violations);
    });
}

#[test]
fn killed_at_any_point_it_goes_on_and_ends_the_same() {
    in_virtual_time(async {
        let plain = world(Config::default());
        dress(&plain);
        let (_, whole) = captured(&plain).await;
        let mut at = 0;
        loop {
            let world = world(Config::default());
            dress(&world);
            let (engine, job) = world.plain_engine().await.unwrap();
            engine.crawl(&job, false).await.unwrap();
            drop((engine, job));
            let fuse = world.fuse(Some(at));
            let lived = {
                let killed = async {
                    let (engine, job) = world.engine(&fuse).await.unwrap();
                    engine.capture_left(&job, &AtomicU64::new(0)).await.unwrap();
                };
                tokio::select! {
                    biased;
                    () = killed => true,
                    () = fuse.blown() => false,
                }
            };
            if lived {
                assert!(at > 10, "{at} points are too few to mean anything");
                return;
            }
            let (engine, job) = world.plain_engine().await.unwrap();
            engine.capture_left(&job, &AtomicU64::new(0)).await.unwrap();
            assert_eq!(kept(&engine, &job).await, whole, "killed at {at}");
            assert!(Capture::under_way(engine.ledger.as_ref(), job.handle.id).await.unwrap().is_none());
            at += 1;
        }
    });
}

#[test]
fn what_was_asked_before_a_kill_is_not_asked_again() {
    in_virtual_time(async {
        let world = World::with(
            Config { scenario: Scenario::Flat, files: 900, seed: 4, ..Config::default() },
            JobSpec::of("flat", "Recordings", "Flat"),
        );
        let (engine, job) = world.plain_engine().await.unwrap();
        engine.crawl(&job, false).await.unwrap();
        world.sim.reset_requests();
        // The service breaks down after some pages, for longer than anybody waits.
        let fault = Fault::ServerError { status: 500 };
        world.sim.script(FaultRule {
            route: "POST $batch".into(),
            nth: 40,
            times: 1000,
            subject: None,
            fault,
        });
        let broken = engine.capture_left(&job, &AtomicU64::new(0)).await.unwrap_err();
        assert_eq!(broken.kind, landfall_core::ErrorKind::Interrupted);
        let first = world.sim.requests().by_route["GET item"];
        assert!(Capture::last(engine.ledger.as_ref(), job.handle.id).await.unwrap().is_none());
        assert!(Capture::under_way(engine.ledger.as_ref(), job.handle.id).await.unwrap().is_some());
        assert!(engine.plan_left(&job).await.unwrap().resumes);
        drop((engine, job));
        loop {
            let (engine, job) = world.plain_engine().await.unwrap();
            let asked = AtomicU64::new(0);
            if engine.capture_left(&job, &asked).await.is_ok() {
                assert_eq!(asked.load(Relaxed), 902, "what was asked before counts as well");
                break;
            }
        }
        let all = world.sim.requests().by_route["GET item"];
        assert!(first >= 200 && all < 902 + 200 + 200, "{first} before the break, {all} in all");
    });
}
