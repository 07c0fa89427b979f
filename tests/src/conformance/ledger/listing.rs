//! Taking pages and settling the tree.

use landfall_core::ErrorKind;
use landfall_core::ledger::{EnrolTally, FolderPlacement};
use landfall_core::row::Standing;
use landfall_core::state::{Reason, State};
use landfall_core::store::Listed;
use landfall_core::words::{ItemKey, RelPath, Revision, fold_hash};

use super::{Scene, Setup, at, entry, file, folder, intended, quickxor};

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

async fn folder_paths(scene: &Scene) -> Vec<String> {
    let rows = scene.ledger.folders(scene.job.id, scene.source, None, 1000).await.unwrap();
    rows.into_iter().map(|f| f.path.unwrap().to_string()).collect()
}

pub(super) async fn children_may_come_before_their_parents(setup: Setup) {
    let scene = Scene::open(&setup, "before-parents").await;
    scene.ledger.begin_pass(&scene.job, scene.source, true).await.unwrap();
    scene.page(vec![file("f1", "d2", "会議.wav"), folder("d2", "d1", "二月")], false).await;
    assert_eq!(scene.file("f1").await.path(), None, "no path before the parents are known");
    let tally = scene.page(vec![folder("d1", "", "録音"), file("f2", "", "議事録.txt")], true).await;
    assert_eq!(tally, EnrolTally { new: 1, folders: 1, ..EnrolTally::default() });
    assert_eq!(scene.ledger.settle_tree(&scene.job, scene.source, at(1)).await.unwrap(), 0);
    assert_eq!(folder_paths(&scene).await, ["", "録音", "録音/二月"]);
    let row = scene.file("f1").await;
    assert_eq!(row.path(), Some(path("録音/二月/会議.wav")));
    assert_eq!(row.entry, entry("f1", "d2", "会議.wav", 10));
    assert_eq!(
        (row.standing, row.state, row.seen, row.source),
        (Standing::Unsettled, State::Pending, 1, scene.source)
    );
    let root = scene.file("f2").await;
    assert_eq!((root.path(), root.entry.parent), (Some(path("議事録.txt")), None));
    let rows = scene.ledger.folders(scene.job.id, scene.source, None, 10).await.unwrap();
    assert_eq!((rows[1].parent, rows[2].parent), (Some(rows[0].id), Some(rows[1].id)));
    assert_eq!((rows[1].child_count, rows[1].times.modified), (Some(2), Some(at(-70))));
    assert_eq!(scene.ledger.folder(scene.job.id, rows[2].id).await.unwrap().as_ref(), Some(&rows[2]));
    assert_eq!(row.folder, rows[2].id);
    assert!(scene.events(0).await.is_empty(), "enrolling is no event");
}

pub(super) async fn the_last_of_a_key_counts_and_repeating_changes_nothing(setup: Setup) {
    let scene = Scene::open(&setup, "repeats").await;
    scene.ledger.begin_pass(&scene.job, scene.source, true).await.unwrap();
    let items = vec![
        file("f1", "d1", "旧.wav"),
        folder("d1", "", "旧"),
        file("f2", "d1", "二.wav"),
        folder("d1", "", "新"),
        file("f1", "d1", "新.wav"),
        file("f3", "", "三.wav"),
        Listed::Gone(ItemKey::from("f3")),
        Listed::Gone(ItemKey::from("f2")),
        file("f2", "d1", "二.wav"),
        Listed::Gone(ItemKey::from("unknown")),
    ];
    let tally = scene.page(items.clone(), false).await;
    assert_eq!(tally, EnrolTally { new: 2, folders: 1, ..EnrolTally::default() });
    let before = scene.files().await;
    assert_eq!(before.iter().map(|f| f.entry.name.as_str()).collect::<Vec<_>>(), ["新.wav", "二.wav"]);
    let tally = scene.page(items, true).await;
    assert_eq!(tally, EnrolTally { unchanged: 2, folders: 1, ..EnrolTally::default() });
    assert_eq!(scene.files().await, before);
    scene.ledger.settle_tree(&scene.job, scene.source, at(1)).await.unwrap();
    assert_eq!(folder_paths(&scene).await, ["", "新"]);
    let settled = scene.files().await;
    assert_eq!(scene.ledger.settle_tree(&scene.job, scene.source, at(2)).await.unwrap(), 0);
    assert_eq!(scene.files().await, settled, "settling again changes nothing");
    assert!(scene.events(0).await.is_empty());
}

pub(super) async fn a_moved_folder_moves_its_files(setup: Setup) {
    let scene = Scene::open(&setup, "moved").await;
    let items = vec![
        folder("a", "", "営業"),
        folder("b", "", "経理"),
        folder("c", "a", "録音"),
        file("f1", "c", "一.wav"),
        file("f2", "c", "二.wav"),
        file("f3", "a", "三.wav"),
        file("f4", "c", "四.wav"),
    ];
    scene.pass(true, items).await;
    scene.place_all().await;
    let out =
        super::Placement { standing: Standing::Outside, target: 0, ..super::placed(&scene.file("f4").await) };
    scene.ledger.place(&scene.job, vec![out]).await.unwrap();
    scene.pass(false, vec![folder("c", "b", "録音（旧）")]).await;
    assert_eq!(folder_paths(&scene).await, ["", "営業", "経理", "経理/録音（旧）"]);
    let moved = scene.file("f1").await;
    assert_eq!((moved.path(), moved.standing), (Some(path("経理/録音（旧）/一.wav")), Standing::Unsettled));
    assert_eq!(scene.file("f3").await.standing, Standing::In, "what did not move stays placed");
    assert_eq!(scene.file("f4").await.standing, Standing::Unsettled, "outside may now be inside");
    let events = scene.ledger.events(scene.job.id, 0, 10).await.unwrap();
    let told: Vec<_> = events.iter().map(|e| (e.seq, e.name.as_str(), e.comment.as_str(), e.at)).collect();
    assert_eq!(
        told,
        [(1, "Renamed", "営業/録音/一.wav", at(20)), (2, "Renamed", "営業/録音/二.wav", at(20))],
        "those that took part are told of the move, once"
    );
    assert_eq!(
        (events[0].from, events[0].to, events[0].epoch),
        (State::Pending, State::Pending, scene.job.epoch)
    );
    scene.place_all().await;
    scene.pass(false, vec![folder("b", "", "経理部")]).await;
    assert_eq!(
        scene.file("f2").await.path(),
        Some(path("経理部/録音（旧）/二.wav")),
        "a rename reaches below"
    );
    assert_eq!(scene.events(2).await, ["Renamed", "Renamed", "Renamed"]);
}

pub(super) async fn a_parent_that_never_comes_leaves_no_path(setup: Setup) {
    let scene = Scene::open(&setup, "no-parent").await;
    scene
        .pass(
            true,
            vec![file("f1", "ghost", "孤児.wav"), folder("d", "ghost", "下"), file("f2", "d", "孫.wav")],
        )
        .await;
    for key in ["f1", "f2"] {
        let row = scene.file(key).await;
        assert_eq!((row.path(), row.standing), (None, Standing::Unsettled), "{key}");
    }
    assert_eq!(folder_paths(&scene).await, [""]);
    scene.pass(false, vec![folder("ghost", "", "親")]).await;
    assert_eq!(scene.file("f2").await.path(), Some(path("親/下/孫.wav")));
    assert_eq!(folder_paths(&scene).await, ["", "親", "親/下"]);
    scene.place_all().await;
    scene.pass(false, vec![Listed::Gone(ItemKey::from("ghost"))]).await;
    let row = scene.file("f2").await;
    assert_eq!((row.path(), row.standing), (None, Standing::Unsettled), "a lost folder is a missing parent");
}

pub(super) async fn a_full_pass_sweeps_what_it_did_not_see(setup: Setup) {
    let scene = Scene::open(&setup, "sweep").await;
    let items = vec![
        folder("d", "", "資料"),
        file("f1", "d", "一.txt"),
        file("f2", "d", "二.txt"),
        folder("e", "", "空"),
    ];
    scene.pass(true, items).await;
    scene.place_all().await;
    let (_, gone) = scene.pass(false, vec![]).await;
    assert_eq!(gone, 0, "an incremental pass sweeps nothing");
    let (tally, gone) = scene.pass(true, vec![folder("d", "", "資料"), file("f2", "d", "二.txt")]).await;
    assert_eq!((tally.unchanged, gone), (1, 1));
    assert_eq!(scene.events(0).await, ["Gone"]);
    assert_eq!(scene.file("f1").await.standing, Standing::Gone);
    assert_eq!(scene.file("f2").await.standing, Standing::In, "what was seen unchanged stays placed");
    assert_eq!(folder_paths(&scene).await, ["", "資料"], "the root is spared, the unseen folder is gone");
    assert_eq!(scene.ledger.settle_tree(&scene.job, scene.source, at(3)).await.unwrap(), 0);
    assert_eq!(scene.events(0).await.len(), 1);
}

pub(super) async fn changed_content_supersedes(setup: Setup) {
    let scene = Scene::open(&setup, "superseded").await;
    let keys = ["size", "digest", "news", "revision"];
    let mut items: Vec<_> = keys.iter().map(|k| entry(k, "", &format!("{k}-録音.wav"), 10)).collect();
    items[2].digests = landfall_core::Digests::none();
    items[3].digests = landfall_core::Digests::none();
    scene.pass(true, items.iter().cloned().map(Listed::File).collect()).await;
    scene.place_all().await;
    items[0].size = landfall_core::ByteSize(11);
    items[1].digests = quickxor(2);
    items[2].digests = quickxor(3);
    items[3].revision = Some(Revision("\"2\"".into()));
    items[3].times.modified = Some(at(-1));
    let (tally, _) = scene.pass(false, items.into_iter().map(Listed::File).collect()).await;
    assert_eq!(tally, EnrolTally { superseded: 3, unchanged: 1, ..EnrolTally::default() });
    for (key, reason) in [("size", true), ("digest", true), ("news", false), ("revision", true)] {
        let row = scene.file(key).await;
        assert_eq!(row.standing, Standing::Unsettled, "{key}");
        assert_eq!(row.reason, reason.then_some(Reason::SourceChanged), "{key}");
    }
    let events = scene.ledger.events(scene.job.id, 0, 10).await.unwrap();
    assert_eq!(events.len(), 3);
    assert!(events[0].comment.contains("10 to 11"), "{}", events[0].comment);
    assert_eq!(scene.file("news").await.entry.digests, quickxor(3), "a new hash is taken as news");
}

pub(super) async fn a_file_may_be_renamed_lost_and_come_back(setup: Setup) {
    let scene = Scene::open(&setup, "back").await;
    scene.pass(true, vec![folder("d", "", "下"), file("f", "d", "旧.wav")]).await;
    scene.place_all().await;
    let (tally, _) = scene.pass(false, vec![file("f", "", "新.wav")]).await;
    assert_eq!(tally, EnrolTally { renamed: 1, ..EnrolTally::default() });
    let events = scene.ledger.events(scene.job.id, 0, 10).await.unwrap();
    assert_eq!((events[0].name.as_str(), events[0].comment.as_str()), ("Renamed", "下/旧.wav"));
    assert_eq!(scene.file("f").await.path(), Some(path("新.wav")));
    scene.place_all().await;
    let (tally, _) = scene.pass(false, vec![Listed::Gone(ItemKey::from("f"))]).await;
    assert_eq!(tally.gone, 1);
    let gone = scene.file("f").await;
    assert_eq!(gone.standing, Standing::Gone);
    scene.ledger.place(&scene.job, vec![super::placed(&gone)]).await.unwrap();
    assert_eq!(scene.file("f").await.standing, Standing::Gone, "nobody places what is gone");
    let (tally, _) = scene.pass(false, vec![Listed::Gone(ItemKey::from("f"))]).await;
    assert_eq!(tally.gone, 0, "it goes once");
    let (tally, _) = scene.pass(false, vec![file("f", "", "新.wav")]).await;
    assert_eq!((tally.new, tally.unchanged), (0, 1));
    assert_eq!(scene.file("f").await.standing, Standing::Unsettled);
    assert_eq!(scene.events(0).await, ["Renamed", "Gone"]);
}

pub(super) async fn skipped_things_keep_their_reason(setup: Setup) {
    let scene = Scene::open(&setup, "skipped").await;
    let shortcut = |name: &str| Listed::Skipped { entry: entry("s", "d", name, 7), reason: Reason::Shortcut };
    let (tally, _) =
        scene.pass(true, vec![folder("d", "", "共有"), shortcut("近道"), file("f", "d", "除外.tmp")]).await;
    assert_eq!((tally.skipped, tally.new), (1, 1));
    let filtered = super::Placement {
        standing: Standing::Skipped,
        skip: Some(Reason::Filtered),
        target: 0,
        ..super::placed(&scene.file("f").await)
    };
    scene.ledger.place(&scene.job, vec![filtered]).await.unwrap();
    scene.pass(false, vec![shortcut("近道"), file("f", "d", "除外.tmp")]).await;
    for (key, reason) in [("s", Reason::Shortcut), ("f", Reason::Filtered)] {
        let row = scene.file(key).await;
        assert_eq!((row.standing, row.skip), (Standing::Skipped, Some(reason)), "{key} unchanged");
    }
    scene.pass(false, vec![folder("d", "", "共有（新）")]).await;
    assert_eq!(
        scene.file("s").await.skip,
        Some(Reason::Shortcut),
        "a listing's reason survives a moved folder"
    );
    assert_eq!(scene.file("f").await.standing, Standing::Unsettled, "a filter has to look again");
    scene.pass(false, vec![Listed::File(entry("s", "d", "近道", 7))]).await;
    let row = scene.file("s").await;
    assert_eq!((row.standing, row.skip), (Standing::Unsettled, None), "it is an ordinary file now");
    scene.pass(false, vec![shortcut("近道")]).await;
    assert_eq!(scene.file("s").await.standing, Standing::Skipped);
    assert!(scene.events(0).await.is_empty());
}

pub(super) async fn a_key_may_change_its_kind(setup: Setup) {
    let scene = Scene::open(&setup, "kinds").await;
    scene.pass(true, vec![file("x", "", "何か"), folder("y", "", "箱")]).await;
    let (tally, _) = scene.pass(false, vec![folder("x", "", "何か"), file("y", "", "箱")]).await;
    assert_eq!(tally, EnrolTally { new: 1, gone: 1, folders: 1, ..EnrolTally::default() });
    assert_eq!(scene.file("x").await.standing, Standing::Gone);
    assert_eq!(folder_paths(&scene).await, ["", "何か"]);
    assert_eq!(scene.events(0).await, ["Gone"]);
}

pub(super) async fn an_unfinished_listing_is_not_settled(setup: Setup) {
    let scene = Scene::open(&setup, "unfinished").await;
    scene.pass(true, vec![file("f", "", "一.wav")]).await;
    scene.ledger.begin_pass(&scene.job, scene.source, true).await.unwrap();
    scene.page(vec![], false).await;
    let error = scene.ledger.settle_tree(&scene.job, scene.source, at(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected, "half a listing must not sweep");
    assert_eq!(scene.file("f").await.standing, Standing::Unsettled);
}

pub(super) async fn folders_page_by_path(setup: Setup) {
    let scene = Scene::open(&setup, "folder-pages").await;
    let mut items =
        vec![folder("a", "", "a"), folder("a2", "", "a b"), folder("a3", "a", "c"), folder("twin", "", "a")];
    items.extend((0..5).map(|n| folder(&format!("j{n}"), "", &format!("録音{n}"))));
    scene.pass(true, items).await;
    let mut paths = Vec::new();
    let mut after: Option<RelPath> = None;
    loop {
        let rows = scene.ledger.folders(scene.job.id, scene.source, after.as_ref(), 2).await.unwrap();
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.path);
        paths.extend(rows.into_iter().map(|f| f.path.unwrap().to_string()));
    }
    assert_eq!(paths, ["", "a", "a", "a b", "a/c", "録音0", "録音1", "録音2", "録音3", "録音4"]);
    assert!(
        scene
            .ledger
            .folders(scene.job.id, landfall_core::SourceId(i64::MAX), None, 5)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn children_are_counted_and_unknown_keys_named(setup: Setup) {
    let scene = Scene::open(&setup, "children").await;
    let items = vec![
        folder("d", "", "下"),
        file("f1", "d", "一"),
        file("f2", "d", "二"),
        folder("e", "d", "更に下"),
        file("f3", "", "三"),
        file("f4", "ghost", "四"),
        Listed::Skipped { entry: entry("s", "d", "近道", 5), reason: Reason::Shortcut },
    ];
    scene.pass(true, items).await;
    scene.pass(false, vec![Listed::Gone(ItemKey::from("f2"))]).await;
    let (ledger, job, source) = (&scene.ledger, scene.job.id, scene.source);
    assert_eq!(ledger.child_tally(job, source, Some(&ItemKey::from("d"))).await.unwrap(), (2, 1, 15));
    assert_eq!(
        ledger.child_tally(job, source, None).await.unwrap(),
        (1, 1, 10),
        "a folder only named by children is none"
    );
    assert_eq!(ledger.child_tally(job, source, Some(&ItemKey::from("none"))).await.unwrap(), (0, 0, 0));
    let keys: Vec<ItemKey> =
        ["f2", "d", "never", "f1", "ghost", "s"].into_iter().map(ItemKey::from).collect();
    let unknown = ledger.unknown_keys(job, source, &keys).await.unwrap();
    assert_eq!(unknown, ["f2", "never", "ghost"].map(ItemKey::from));
    assert!(ledger.unknown_keys(job, source, &[]).await.unwrap().is_empty());
}

pub(super) async fn hostile_names_are_held_and_lead_nowhere(setup: Setup) {
    let scene = Scene::open(&setup, "hostile").await;
    let names =
        ["..", ".", "a/b", "nul\0nul", "'; DROP TABLE file; --", "\u{202e}txt.exe", "{\"a\":1}", "\\"];
    let mut items: Vec<_> =
        names.iter().enumerate().map(|(n, name)| folder(&format!("d{n}"), "", name)).collect();
    items.extend((0..names.len()).map(|n| file(&format!("f{n}"), &format!("d{n}"), names[n])));
    scene.pass(true, items).await;
    let mut paths = folder_paths(&scene).await;
    paths.sort();
    let mut wanted =
        vec!["", "nul\u{2400}nul", "'; DROP TABLE file; --", "\u{202e}txt.exe", "{\"a\":1}", "\\"];
    wanted.sort_unstable();
    assert_eq!(paths, wanted);
    for (n, name) in names.iter().enumerate() {
        let row = scene.file(&format!("f{n}")).await;
        assert_eq!(row.entry.name, name.replace('\0', "\u{2400}"));
        assert_eq!(row.path().is_some(), n > 2, "{name:?}");
    }
}

pub(super) async fn a_large_page_is_taken_whole(setup: Setup) {
    let scene = Scene::open(&setup, "large").await;
    let items: Vec<_> =
        (0..2500).map(|n| file(&format!("k{n}"), &format!("d{}", n % 7), &format!("録音{n}.wav"))).collect();
    scene.ledger.begin_pass(&scene.job, scene.source, true).await.unwrap();
    let tally = scene.page(items.clone(), true).await;
    assert_eq!(tally.new, 2500);
    let ids: Vec<_> = scene.files().await.iter().map(|f| (f.id, f.entry.name.clone())).collect();
    assert!(ids.windows(2).all(|w| w[0].0 < w[1].0));
    assert_eq!(ids[2499].1, "録音2499.wav", "ids ascend in the order of enrolment");
    let place = |standing| FolderPlacement {
        folder: landfall_core::FolderId(-1),
        standing,
        target: None,
        target_hash: 0,
    };
    scene.ledger.place_folders(&scene.job, vec![place(Standing::In)]).await.unwrap();
    assert_eq!(fold_hash("録音.WAV"), fold_hash("録音.wav"));
    scene.place_all().await;
    let row = scene.file("k3").await;
    let record =
        landfall_core::ledger::Record { file: row.id, expect: State::Pending, event: intended(), at: at(1) };
    scene.ledger.record(&scene.job, vec![record]).await.unwrap();
    assert!(scene.file("k3").await.intended);
}
