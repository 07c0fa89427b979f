//! What a verify asks: who holds what, strangers, equal contents, what was read longest ago; and the dates.

use std::collections::BTreeMap;

use landfall_core::ledger::FileFilter;
use landfall_core::proof::{Evidence, Sense};
use landfall_core::state::{Event, Reason, State};
use landfall_core::store::{Authors, Holding, Listed};
use landfall_core::words::{ByteSize, FileId, ItemKey, TreeId};
use landfall_core::{Digest, digest::Algo};

use super::destination::tree;
use super::moving::{holding, lead, present, proof, record};
use super::{Scene, Setup, at, entry, file, intended, quickxor};

/// Three files proven (一, 二, 三), of which the tree has the first two, and two objects of nobody's.
async fn proven(setup: &Setup, name: &str) -> (Scene, TreeId) {
    let scene = Scene::open(setup, name).await;
    scene.pass(true, vec![file("a", "", "一.wav"), file("b", "", "二.wav"), file("c", "", "三.wav")]).await;
    scene.place_all().await;
    for key in ["a", "b", "c"] {
        let item = ItemKey(format!("{name}-{key}"));
        let Event::Present { via, sent, leg, reason, .. } = present() else { panic!() };
        let held = Event::Present { holding: Holding { item, ..holding() }, via, sent, leg, reason };
        lead(&scene, key, vec![intended(), held, Event::Proven(proof())]).await;
    }
    let mut edited = entry(&format!("{name}-b"), "", "二.wav", 10);
    edited.authors = Authors { created: None, modified: Some("山田 花子".into()) };
    let items = vec![
        file(&format!("{name}-a"), "", "一.wav"),
        Listed::File(edited),
        file(&format!("{name}-x"), "", "一 (1).wav"),
        Listed::File(entry(&format!("{name}-y"), "", "無関係.txt", 11)),
        super::folder(&format!("{name}-z"), "", "他人"),
    ];
    (scene, tree(setup.ledger.as_ref(), &format!("tree-{name}"), items).await)
}

pub(super) async fn files_are_held_with_what_the_tree_has_of_them(setup: Setup) {
    let (scene, tree) = proven(&setup, "held").await;
    let filter = FileFilter { states: vec![State::Success], ..FileFilter::default() };
    let pairs = scene.ledger.held(scene.job.id, tree, &filter, FileId(0), 10).await.unwrap();
    let seen: Vec<_> = pairs
        .iter()
        .map(|(row, found)| (row.entry.name.as_str(), found.as_ref().map(|f| f.changed_by.as_deref())))
        .collect();
    assert_eq!(seen, [("一.wav", Some(None)), ("二.wav", Some(Some("山田 花子"))), ("三.wav", None)]);
    let (first, _) = &pairs[0];
    let rest = scene.ledger.held(scene.job.id, tree, &filter, first.id, 1).await.unwrap();
    assert_eq!(rest[0].0.entry.name, "二.wav");
    let none = FileFilter { states: vec![State::Dupe], ..FileFilter::default() };
    assert!(scene.ledger.held(scene.job.id, tree, &none, FileId(0), 10).await.unwrap().is_empty());
}

pub(super) async fn what_is_held_for_nobody_is_a_stranger(setup: Setup) {
    let (scene, tree) = proven(&setup, "strange").await;
    let all = scene.ledger.strangers(tree, None, 10).await.unwrap();
    let names: Vec<_> = all.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["一 (1).wav", "無関係.txt"]);
    let after = scene.ledger.strangers(tree, Some(&all[0].item), 10).await.unwrap();
    assert_eq!(after.len(), 1);
    let like = Evidence { size: ByteSize(10), digests: quickxor(1) };
    let same = scene.ledger.found_like(tree, &like, 10).await.unwrap();
    assert_eq!(same.len(), 3, "{same:?}");
    let other = Evidence { digests: quickxor(2), ..like.clone() };
    assert!(scene.ledger.found_like(tree, &other, 10).await.unwrap().is_empty());
    let silent = Evidence { digests: landfall_core::Digests::none(), ..like };
    assert!(scene.ledger.found_like(tree, &silent, 10).await.unwrap().is_empty(), "they publish a digest");
    let held = ItemKey::from("strange-b");
    assert_eq!(scene.ledger.holders(scene.job.id, &held).await.unwrap(), [scene.file("b").await.id]);
    assert!(scene.ledger.holders(scene.job.id, &all[1].item).await.unwrap().is_empty());
}

pub(super) async fn the_three_dates_stay_apart_and_the_stalest_come_first(setup: Setup) {
    let (scene, _) = proven(&setup, "dates").await;
    let ids: Vec<FileId> = scene.files().await.iter().map(|row| row.id).collect();
    let (ledger, job) = (&scene.ledger, &scene.job);
    let before = scene.file("a").await;
    ledger.confirm(job, vec![ids[0]], Sense::Unchanged, at(500)).await.unwrap();
    let row = scene.file("a").await;
    assert_eq!((row.unchanged_at, row.hash_at, row.bytes_at), (Some(at(500)), before.hash_at, None));
    assert_eq!(row.changed_at, before.changed_at, "a look that finds nothing is no change");
    ledger.confirm(job, vec![ids[0], ids[1]], Sense::Hash, at(600)).await.unwrap();
    let row = scene.file("b").await;
    assert_eq!((row.unchanged_at, row.hash_at, row.bytes_at), (Some(at(600)), Some(at(600)), None));
    ledger.confirm(job, vec![ids[2]], Sense::Bytes, at(700)).await.unwrap();
    ledger.confirm(job, vec![ids[0]], Sense::Bytes, at(800)).await.unwrap();
    assert_eq!(ledger.stalest(job.id, 10).await.unwrap(), [ids[1], ids[2], ids[0]]);
    assert_eq!(ledger.stalest(job.id, 1).await.unwrap(), [ids[1]]);
    assert!(!scene.events(0).await.contains(&"Checked".to_owned()));
    let stale = landfall_core::ledger::JobHandle {
        epoch: landfall_core::words::Epoch(job.epoch.0 - 1),
        ..job.clone()
    };
    assert!(ledger.confirm(&stale, ids, Sense::Bytes, at(900)).await.is_err());
}

pub(super) async fn a_check_may_learn_what_was_not_known(setup: Setup) {
    let (scene, _) = proven(&setup, "learnt").await;
    let row = scene.file("a").await;
    let sha256 = Digest::new(Algo::Sha256, &[7; 32]).unwrap();
    let mut now = row.holding.clone().unwrap();
    now.revision = None;
    let checked = Event::Checked {
        sense: Sense::Bytes,
        holding: Some(Box::new(now.clone())),
        sha256: Some(sha256.clone()),
        proof: None,
    };
    let seen = Event::Observed { reason: Reason::WrongTimes, comment: "更新日時".into() };
    scene.ledger.record(&scene.job, vec![record(&row, checked), record(&row, seen)]).await.unwrap();
    let after = scene.file("a").await;
    assert_eq!((after.state, after.reason, after.holding), (State::Success, row.reason, Some(now)));
    assert_eq!(after.ours.sha256, Some(sha256));
    assert!(after.bytes_at.is_some() && after.hash_at == row.hash_at);
    let events = scene.ledger.events(scene.job.id, 0, 100).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(
        (last.name.as_str(), last.reason, last.comment.as_str()),
        ("Observed", Some(Reason::WrongTimes), "更新日時")
    );
}

pub(super) async fn what_was_renamed_after_landing_is_found_again(setup: Setup) {
    let scene = Scene::open(&setup, "renamed").await;
    scene
        .pass(
            true,
            vec![
                super::folder("d", "", "録音"),
                file("a", "d", "一.wav"),
                file("b", "d", "二.wav"),
                file("c", "", "三.wav"),
            ],
        )
        .await;
    scene.place_all().await;
    for key in ["a", "c"] {
        lead(&scene, key, vec![intended(), present(), Event::Proven(proof())]).await;
    }
    let folder = scene.file("a").await.folder;
    let item = ItemKey::from("dest-folder");
    assert_eq!(scene.ledger.carriers(scene.job.id, &item).await.unwrap(), 0);
    scene.pass(false, vec![super::folder("d", "", "移動後"), file("c", "", "改名.wav")]).await;
    scene.place_all().await;
    let renamed = scene.ledger.renamed(scene.job.id, FileId(0), 10).await.unwrap();
    let names: Vec<_> = renamed.iter().map(|row| (row.entry.name.as_str(), row.comment.as_str())).collect();
    assert_eq!(names, [("一.wav", "landed as 録音/一.wav"), ("改名.wav", "landed as 三.wav")]);
    assert_eq!(scene.ledger.renamed(scene.job.id, renamed[0].id, 1).await.unwrap().len(), 1);
    assert_eq!(scene.file("b").await.reason, None, "what has not landed only has a new name");
    let moved = Event::Relocated { holding: Box::new(holding()), comment: "移動後/一.wav".into() };
    lead(&scene, "a", vec![moved]).await;
    assert_eq!((scene.file("a").await.reason, scene.file("a").await.comment), (None, String::new()));
    assert_eq!(scene.ledger.renamed(scene.job.id, FileId(0), 10).await.unwrap().len(), 1);
    let place = landfall_core::ledger::FolderPlacement {
        folder,
        standing: landfall_core::row::Standing::In,
        target: Some(landfall_core::RelPath::new("移動後").unwrap()),
        target_hash: 7,
    };
    scene.ledger.place_folders(&scene.job, vec![place]).await.unwrap();
    scene.ledger.bind_folder(&scene.job, folder, Some(item.clone())).await.unwrap();
    assert_eq!(scene.ledger.carriers(scene.job.id, &item).await.unwrap(), 1);
}

pub(super) async fn whose_a_file_was_is_kept(setup: Setup) {
    let scene = Scene::open(&setup, "authors").await;
    let mut by = entry("a", "", "議事録.docx", 10);
    by.authors = Authors { created: Some("田中 一郎".into()), modified: Some("山田 花子".into()) };
    scene.pass(true, vec![Listed::File(by.clone())]).await;
    assert_eq!(scene.file("a").await.entry.authors, by.authors);
    by.authors.modified = None;
    by.name = "議事録2.docx".into();
    scene.pass(true, vec![Listed::File(by.clone())]).await;
    assert_eq!(scene.file("a").await.entry.authors, by.authors);
}

/// Whatever the window, the sums are those of the events one by one; another job's are left out.
pub(super) async fn the_course_is_the_sum_of_the_events(setup: Setup) {
    let (scene, _) = proven(&setup, "course").await;
    proven(&setup, "course-of-another").await;
    lead(&scene, "a", vec![Event::Lapsed { reason: Reason::Edited, comment: "山田".into() }]).await;
    let sizes: BTreeMap<FileId, u64> =
        scene.files().await.into_iter().map(|row| (row.id, row.entry.size.0)).collect();
    let mut wanted = BTreeMap::<_, (u64, u64)>::new();
    let events = scene.ledger.events(scene.job.id, 0, 100).await.unwrap();
    for event in &events {
        let sum = wanted.entry((event.at.as_second(), event.name.clone(), event.reason)).or_default();
        *sum = (sum.0 + 1, sum.1 + sizes[&event.file]);
    }
    assert!(events.len() >= 10 && wanted.keys().any(|(_, _, reason)| *reason == Some(Reason::Edited)));
    for window in [1, 3, 100] {
        let mut sums = BTreeMap::<_, (u64, u64)>::new();
        let mut after = 0;
        loop {
            let rows = scene.ledger.course(scene.job.id, after, window).await.unwrap();
            let met: u64 = rows.iter().map(|row| row.events).sum();
            for row in rows {
                let sum = sums.entry((row.second, row.name, row.reason)).or_default();
                *sum = (sum.0 + row.events, sum.1 + row.bytes.0);
            }
            after += i64::try_from(met).unwrap();
            if met < u64::from(window) {
                break;
            }
        }
        assert_eq!(sums, wanted, "in windows of {window}");
    }
}
