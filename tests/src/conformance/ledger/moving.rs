//! Placement, events, scans, look-ups and totals.

use std::sync::Arc;

use landfall_core::ledger::{Count, FileFilter, FolderPlacement, Placement, Record};
use landfall_core::proof::{Comparison, Evidence, Proof, ProofKind, Sense, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason, State, Via};
use landfall_core::store::{Holding, Listed};
use landfall_core::words::{ByteSize, FileId, ItemKey, RelPath, Revision, fold_hash};
use landfall_core::{Algo, Digest, Digests, ErrorKind};

use super::{Scene, Setup, at, entry, file, folder, intended, placed, quickxor};

/// A record on a row in its present state.
pub(super) fn record(row: &FileRow, event: Event) -> Record {
    Record { file: row.id, expect: row.state, event, at: at(100) }
}

pub(super) fn sent() -> Digests {
    Digests { sha256: Digest::new(Algo::Sha256, &[7; 32]), ..quickxor(1) }
}

pub(super) fn holding() -> Holding {
    let evidence = Evidence { size: ByteSize(10), digests: quickxor(1) };
    Holding { item: ItemKey::from("dest-1"), revision: Some(Revision("\"d,1\"".into())), evidence }
}

pub(super) fn proof() -> Proof {
    let ours = Evidence { size: ByteSize(10), digests: sent() };
    match Proof::compare(&ours, &holding().evidence, SourceLeg::Matched, ProofKind::Hash, at(103)) {
        Comparison::Proven(proof) => proof,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn lead(scene: &Scene, key: &str, events: Vec<Event>) {
    for event in events {
        let row = scene.file(key).await;
        scene.ledger.record(&scene.job, vec![record(&row, event)]).await.unwrap();
    }
}

pub(super) fn present() -> Event {
    Event::Present { holding: holding(), via: Via::Stream, sent: sent(), leg: None, reason: Reason::Unproven }
}

pub(super) async fn placement_decides_who_takes_part(setup: Setup) {
    let scene = Scene::open(&setup, "placement").await;
    scene.pass(true, vec![file("a", "", "一.wav"), file("b", "", "二:.wav"), file("c", "", "三.wav")]).await;
    let files = scene.files().await;
    let skipped =
        Placement { standing: Standing::Skipped, skip: Some(Reason::Filtered), ..placed(&files[2]) };
    let mapped =
        Placement { dest_name: Some("二_.wav".into()), fold: fold_hash("二_.wav"), ..placed(&files[1]) };
    let nobody = Placement { file: FileId(i64::MAX), ..placed(&files[0]) };
    scene.ledger.place(&scene.job, vec![placed(&files[0]), mapped.clone(), skipped, nobody]).await.unwrap();
    let files = scene.files().await;
    assert_eq!((files[0].target, files[0].fold), (fold_hash("一.wav"), fold_hash("一.wav")));
    assert_eq!((files[1].dest_name.as_deref(), files[1].fold), (Some("二_.wav"), mapped.fold));
    assert_eq!((files[2].standing, files[2].skip), (Standing::Skipped, Some(Reason::Filtered)));
    let taking_part = scene.ledger.scan(scene.job.id, &FileFilter::default(), FileId(0), 10).await.unwrap();
    assert_eq!(taking_part, files[..2]);
    scene
        .ledger
        .place(&scene.job, vec![Placement { fold: 5, target: 0, ..placed(&files[0]) }])
        .await
        .unwrap();
    assert_eq!((scene.file("a").await.fold, scene.file("a").await.target), (5, 0));
    assert!(scene.events(0).await.is_empty(), "placing is no event");
}

pub(super) async fn files_that_share_a_target_are_found(setup: Setup) {
    let scene = Scene::open(&setup, "collisions").await;
    let names =
        ["Memo.txt", "memo.TXT", "録音", "か\u{3099}.wav", "が.wav", "alone.txt", "out.txt", "OUT.txt"];
    let mut items: Vec<_> = names.iter().map(|n| file(n, "", n)).collect();
    items.push(folder("d", "", "録音"));
    scene.pass(true, items).await;
    scene.place_all().await;
    let out = Placement { standing: Standing::Outside, ..placed(&scene.file("OUT.txt").await) };
    scene.ledger.place(&scene.job, vec![out]).await.unwrap();
    let d = scene.ledger.folders(scene.job.id, scene.source, None, 9).await.unwrap().remove(1);
    let hash = fold_hash("録音");
    let place = FolderPlacement { folder: d.id, standing: Standing::In, target: d.path, target_hash: hash };
    scene.ledger.place_folders(&scene.job, vec![place.clone()]).await.unwrap();
    let all = scene.ledger.collisions(scene.job.id, (0, FileId(0)), 100).await.unwrap();
    let keys: Vec<_> = all.iter().map(|f| (f.target, f.id)).collect();
    assert!(keys.is_sorted());
    let mut found: Vec<_> = all.iter().map(|f| f.entry.key.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["Memo.txt", "memo.TXT", "か\u{3099}.wav", "が.wav", "録音"]);
    let mut paged = Vec::new();
    let mut after = (0, FileId(0));
    while let Some(row) = scene.ledger.collisions(scene.job.id, after, 1).await.unwrap().pop() {
        after = (row.target, row.id);
        paged.push(row);
    }
    assert_eq!(paged, all);
    let outside = FolderPlacement { standing: Standing::Outside, ..place };
    scene.ledger.place_folders(&scene.job, vec![outside]).await.unwrap();
    assert_eq!(scene.ledger.collisions(scene.job.id, (0, FileId(0)), 100).await.unwrap().len(), 4);
}

pub(super) async fn a_file_goes_the_whole_way(setup: Setup) {
    let scene = Scene::open(&setup, "whole-way").await;
    scene.pass(true, vec![file("f", "", "会議.wav")]).await;
    scene.place_all().await;
    let spooled =
        Event::Spooled { size: ByteSize(10), digests: sent(), leg: SourceLeg::Contradicted, sealed: None };
    let wait =
        Event::Deferred { reason: Reason::Throttled, comment: "429 だ".into(), not_before: Some(at(500)) };
    lead(&scene, "f", vec![spooled, intended(), wait]).await;
    let row = scene.file("f").await;
    assert_eq!((row.state, row.intended, row.attempts), (State::Local, true, 1));
    assert_eq!(
        (row.reason, row.comment.as_str(), row.not_before),
        (Some(Reason::Throttled), "429 だ", Some(at(500)))
    );
    assert_eq!(
        (&row.ours, row.ours_size, row.leg),
        (&sent(), Some(ByteSize(10)), Some(SourceLeg::Contradicted))
    );
    lead(&scene, "f", vec![present()]).await;
    let row = scene.file("f").await;
    assert_eq!(
        (row.holding.clone(), row.via, row.reason),
        (Some(holding()), Some(Via::Stream), Some(Reason::Unproven))
    );
    lead(
        &scene,
        "f",
        vec![
            Event::Proven(proof()),
            Event::Checked { sense: Sense::Unchanged, holding: None, sha256: None, proof: None },
        ],
    )
    .await;
    let row = scene.file("f").await;
    assert_eq!(
        (row.state, row.proven, row.leg),
        (State::Success, Some(ProofKind::Hash), Some(SourceLeg::Matched))
    );
    assert_eq!(
        (row.hash_at, row.unchanged_at, row.bytes_at, row.changed_at),
        (Some(at(103)), Some(at(100)), None, at(100))
    );
    assert_eq!((row.intended, row.holding), (false, Some(holding())));
    let mut model = FileRow::enrolled(row.id, row.source, row.folder, row.entry.clone(), at(11), 1);
    assert_eq!(model.state, State::Pending);
    model.apply(&present(), at(1)).unwrap();
    let events = scene.ledger.events(scene.job.id, 0, 10).await.unwrap();
    let told: Vec<_> = events.iter().map(|e| (e.seq, e.name.as_str(), e.from, e.to, e.reason)).collect();
    use State::{Dupe, Local, Pending, Success};
    assert_eq!(
        told,
        [
            (1, "Spooled", Pending, Local, None),
            (2, "Intended", Local, Local, None),
            (3, "Deferred", Local, Local, Some(Reason::Throttled)),
            (4, "Present", Local, Dupe, Some(Reason::Unproven)),
            (5, "Proven", Dupe, Success, None),
            (6, "Checked", Success, Success, None),
        ]
    );
    assert_eq!((events[2].comment.as_str(), events[4].comment.as_str()), ("429 だ", "hash"));
    assert_eq!((events[0].file, events[0].at, events[0].epoch), (row.id, at(100), scene.job.epoch));
    assert_eq!(scene.ledger.events(scene.job.id, 4, 1).await.unwrap(), events[4..5]);
    let lapsed = Event::Lapsed { reason: Reason::ChangedAtDestination, comment: "別物".into() };
    let superseded = Event::Superseded { comment: "変わった".into() };
    lead(&scene, "f", vec![lapsed, superseded]).await;
    let row = scene.file("f").await;
    assert_eq!(
        (row.state, row.ours.is_empty(), row.ours_size, row.proven, row.via),
        (Pending, true, None, None, None)
    );
}

pub(super) async fn an_illegal_event_leaves_the_batch_unwritten(setup: Setup) {
    let scene = Scene::open(&setup, "illegal").await;
    scene.pass(true, vec![file("a", "", "一.wav"), file("b", "", "二.wav")]).await;
    scene.place_all().await;
    let (a, b) = (scene.file("a").await, scene.file("b").await);
    let before = scene.files().await;
    let wrong_state = Record { expect: State::Dupe, ..record(&b, intended()) };
    let unknown = Record { file: FileId(i64::MAX), ..record(&b, intended()) };
    let cases = [
        (record(&b, Event::SpoolLost), ErrorKind::Changed),
        (wrong_state, ErrorKind::Changed),
        (unknown, ErrorKind::NotFound),
    ];
    for (bad, kind) in cases {
        let error = scene.ledger.record(&scene.job, vec![record(&a, present()), bad]).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert_eq!(scene.files().await, before);
        assert!(scene.events(0).await.is_empty());
    }
    scene.ledger.record(&scene.job, vec![]).await.unwrap();
    let proven = Record { expect: State::Dupe, ..record(&a, Event::Proven(proof())) };
    scene
        .ledger
        .record(&scene.job, vec![record(&a, present()), record(&b, intended()), proven])
        .await
        .unwrap();
    assert_eq!(scene.file("a").await.state, State::Success, "one row may have several events in a batch");
    assert_eq!(scene.events(0).await, ["Present", "Intended", "Proven"]);
}

pub(super) async fn event_numbers_have_no_gap_under_concurrency(setup: Setup) {
    let scene = Arc::new(Scene::open(&setup, "gapless").await);
    scene.pass(true, (0..40).map(|n| file(&format!("k{n}"), "", &format!("録音{n}.wav"))).collect()).await;
    scene.place_all().await;
    let mut tasks = tokio::task::JoinSet::new();
    for row in scene.files().await {
        let scene = Arc::clone(&scene);
        tasks.spawn(async move {
            let deferred =
                Event::Deferred { reason: Reason::Interrupted, comment: String::new(), not_before: None };
            for _ in 0..5 {
                let bad = record(&row, Event::SpoolLost);
                scene.ledger.record(&scene.job, vec![record(&row, intended()), bad]).await.unwrap_err();
                let good = vec![record(&row, intended()), record(&row, deferred.clone())];
                scene.ledger.record(&scene.job, good).await.unwrap();
            }
        });
    }
    // A reader that follows the events must never see a later one before an earlier one.
    let mut seen = 0;
    while seen < 400 {
        for event in scene.ledger.events(scene.job.id, seen, 64).await.unwrap() {
            seen += 1;
            assert_eq!(event.seq, seen);
        }
        tokio::task::yield_now().await;
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(scene.ledger.events(scene.job.id, 400, 10).await.unwrap().is_empty());
    assert!(scene.files().await.iter().all(|f| f.attempts == 5));
}

pub(super) async fn filters_choose(setup: Setup) {
    let scene = Scene::open(&setup, "filters").await;
    let other = scene.ledger.open_source(&scene.job, "bob", "drive-2").await.unwrap();
    scene.pass(true, (0..6).map(|n| file(&format!("k{n}"), "", &format!("{n}.wav"))).collect()).await;
    let second = Scene { ledger: Arc::clone(&scene.ledger), job: scene.job.clone(), source: other };
    second.pass(true, vec![file("z", "", "別.wav")]).await;
    scene.place_all().await;
    let failed = |last| Event::Failed { reason: Reason::Rejected, comment: String::new(), last };
    let later =
        Event::Deferred { reason: Reason::Throttled, comment: String::new(), not_before: Some(at(900)) };
    lead(&scene, "k0", vec![failed(true)]).await;
    lead(&scene, "k1", vec![failed(false)]).await;
    lead(&scene, "k2", vec![later]).await;
    lead(&scene, "k3", vec![intended()]).await;
    lead(&scene, "k4", vec![present(), Event::Proven(proof())]).await;
    let job = scene.job.id;
    let keys = async |filter: FileFilter, after: FileId, limit: usize| {
        let rows = scene.ledger.scan(job, &filter, after, limit).await.unwrap();
        rows.into_iter().map(|f| f.entry.key.0).collect::<Vec<_>>()
    };
    let all = FileFilter::default;
    let pending = || FileFilter { states: vec![State::Pending], ..all() };
    assert_eq!(keys(all(), FileId(0), 100).await, ["k0", "k1", "k2", "k3", "k4", "k5", "z"]);
    assert_eq!(keys(all(), scene.file("k3").await.id, 2).await, ["k4", "k5"]);
    assert_eq!(keys(pending(), FileId(0), 100).await, ["k2", "k3", "k5", "z"]);
    assert_eq!(
        keys(FileFilter { states: vec![State::Success, State::Ng], ..all() }, FileId(0), 100).await,
        ["k0", "k1", "k4"]
    );
    assert_eq!(keys(FileFilter { source: Some(other), ..all() }, FileId(0), 100).await, ["z"]);
    assert_eq!(keys(FileFilter { due: Some(at(899)), ..pending() }, FileId(0), 100).await, ["k3", "k5", "z"]);
    assert_eq!(keys(FileFilter { due: Some(at(900)), ..pending() }, FileId(0), 100).await.len(), 4);
    assert_eq!(keys(FileFilter { intended: Some(true), ..all() }, FileId(0), 100).await, ["k3"]);
    assert_eq!(
        keys(FileFilter { intended: Some(false), ..pending() }, FileId(0), 100).await,
        ["k2", "k5", "z"]
    );
    let retryable = FileFilter { states: vec![State::Ng], retryable: true, ..all() };
    assert_eq!(keys(retryable, FileId(0), 100).await, ["k1"]);
    let unsettled = FileFilter { standings: vec![Standing::Unsettled], ..all() };
    assert!(keys(unsettled.clone(), FileId(0), 100).await.is_empty());
    scene.pass(false, vec![file("k9", "", "新.wav")]).await;
    assert_eq!(keys(unsettled, FileId(0), 100).await, ["k9"]);
    let stranger =
        scene.ledger.scan(landfall_core::JobId(i64::from(u32::MAX)), &all(), FileId(0), 10).await.unwrap();
    assert!(stranger.is_empty());
}

pub(super) async fn a_folder_whose_target_changes_loses_its_item(setup: Setup) {
    let scene = Scene::open(&setup, "binding").await;
    scene.pass(true, vec![folder("d", "", "録音"), file("f", "d", "一.wav")]).await;
    let id = scene.file("f").await.folder;
    let place = |target: &str| FolderPlacement {
        folder: id,
        standing: Standing::In,
        target: RelPath::new(target).ok(),
        target_hash: fold_hash(target),
    };
    let (ledger, job) = (&scene.ledger, &scene.job);
    let read = async || ledger.folder(job.id, id).await.unwrap().unwrap();
    ledger.place_folders(job, vec![place("Voices/録音")]).await.unwrap();
    let row = read().await;
    assert_eq!(
        (row.standing, row.target, row.dest_item),
        (Standing::In, RelPath::new("Voices/録音").ok(), None)
    );
    ledger.bind_folder(job, id, Some(ItemKey::from("dest"))).await.unwrap();
    ledger.folder_timed(job, id).await.unwrap();
    let row = scene.file("f").await;
    assert_eq!(
        (row.folder_target, row.folder_item),
        (RelPath::new("Voices/録音").ok(), Some(ItemKey::from("dest")))
    );
    ledger.place_folders(job, vec![place("Voices/録音")]).await.unwrap();
    assert_eq!(
        (read().await.dest_item, read().await.timed),
        (Some(ItemKey::from("dest")), true),
        "the same place keeps it"
    );
    ledger.bind_folder(job, id, Some(ItemKey::from("dest"))).await.unwrap();
    assert!(read().await.timed);
    ledger.bind_folder(job, id, Some(ItemKey::from("other"))).await.unwrap();
    assert!(!read().await.timed, "another folder has other times");
    ledger.place_folders(job, vec![place("Voices/別")]).await.unwrap();
    assert_eq!((read().await.dest_item, read().await.timed), (None, false));
    ledger.bind_folder(job, id, Some(ItemKey::from("third"))).await.unwrap();
    ledger.folder_timed(job, id).await.unwrap();
    let Listed::Folder(mut listed) = folder("d", "", "録音") else { unreachable!() };
    listed.times.modified = Some(at(5));
    scene.pass(false, vec![Listed::Folder(listed)]).await;
    assert_eq!(
        (read().await.standing, read().await.timed),
        (Standing::In, false),
        "new times have to be set again"
    );
    ledger.bind_folder(job, id, None).await.unwrap();
    assert_eq!(read().await.dest_item, None);
    assert!(ledger.bind_folder(job, landfall_core::FolderId(i64::MAX), None).await.is_err());
}

pub(super) async fn paths_are_found_as_spelt_or_as_folded(setup: Setup) {
    let scene = Scene::open(&setup, "find-path").await;
    let items = vec![
        folder("d", "", "ガイド"),
        file("nfc", "d", "が.wav"),
        file("nfd", "d", "か\u{3099}.wav"),
        file("only-nfd", "d", "ぎ\u{301}e\u{301}.wav"),
        file("root", "", "Memo.txt"),
        file("gone", "", "去.txt"),
    ];
    scene.pass(true, items).await;
    scene.pass(false, vec![Listed::Gone(ItemKey::from("gone"))]).await;
    let find = async |path: &str| {
        let rows = scene.ledger.find_path(scene.job.id, &RelPath::new(path).unwrap()).await.unwrap();
        rows.into_iter().map(|f| f.entry.key.0).collect::<Vec<_>>()
    };
    assert_eq!(find("ガイド/が.wav").await, ["nfc"]);
    assert_eq!(find("ガイド/か\u{3099}.wav").await, ["nfd"]);
    assert_eq!(
        find("カ\u{3099}イト\u{3099}/が.WAV").await,
        ["nfc", "nfd"],
        "no exact spelling: all that fold alike"
    );
    assert_eq!(find("ガイド/ぎ\u{301}é.wav").await, ["only-nfd"]);
    assert_eq!(find("memo.txt").await, ["root"]);
    assert!(find("去.txt").await.is_empty());
    assert!(find("").await.is_empty());
    assert!(find("無/い").await.is_empty());
    scene.pass(false, vec![folder("d", "", "手引")]).await;
    assert!(find("ガイド/が.wav").await.is_empty());
    assert_eq!(find("手引/が.wav").await, ["nfc"]);
}

pub(super) async fn totals_add_up(setup: Setup) {
    let scene = Scene::open(&setup, "totals").await;
    let mut items: Vec<_> = (0..6).map(|n| file(&format!("k{n}"), "d", &format!("{n}.wav"))).collect();
    items.push(folder("d", "", "録音"));
    items.push(Listed::Skipped { entry: entry("s", "", "近道", 3), reason: Reason::Shortcut });
    scene.pass(true, items).await;
    let unsettled = scene.ledger.tally(scene.job.id, None).await.unwrap();
    assert_eq!((unsettled.unsettled, unsettled.states.len(), unsettled.folders), (6, 0, 0));
    scene.place_all().await;
    let rows = scene.ledger.folders(scene.job.id, scene.source, None, 9).await.unwrap();
    let places = rows.into_iter().map(|f| FolderPlacement {
        folder: f.id,
        standing: Standing::In,
        target: f.path,
        target_hash: 0,
    });
    scene.ledger.place_folders(&scene.job, places.collect()).await.unwrap();
    lead(&scene, "k0", vec![present(), Event::Proven(proof())]).await;
    lead(&scene, "k1", vec![present()]).await;
    lead(
        &scene,
        "k2",
        vec![Event::Failed { reason: Reason::NameIllegal, comment: String::new(), last: true }],
    )
    .await;
    let out = Placement { standing: Standing::Outside, ..placed(&scene.file("k3").await) };
    scene.ledger.place(&scene.job, vec![out]).await.unwrap();
    scene.pass(false, vec![Listed::Gone(ItemKey::from("k4"))]).await;
    let tally = scene.ledger.tally(scene.job.id, Some(scene.source)).await.unwrap();
    let one = Count { files: 1, bytes: ByteSize(10) };
    let states: Vec<_> = tally.states.iter().map(|(s, c)| (*s, *c)).collect();
    assert_eq!(states, [(State::Pending, one), (State::Dupe, one), (State::Success, one), (State::Ng, one)]);
    assert_eq!(tally.skipped[&Reason::Shortcut], Count { files: 1, bytes: ByteSize(3) });
    assert_eq!(tally.reasons[&(State::Ng, Reason::NameIllegal)], 1);
    assert_eq!(tally.reasons[&(State::Dupe, Reason::Unproven)], 1);
    assert_eq!(
        (tally.proven_by[&ProofKind::Hash], tally.legs[&SourceLeg::Matched], tally.via[&Via::Stream]),
        (1, 1, 1)
    );
    assert_eq!(
        (tally.unsettled, tally.outside, tally.gone, tally.folders),
        (0, 1, 1, 1),
        "the root row is not counted"
    );
    assert_eq!(scene.ledger.tally(scene.job.id, None).await.unwrap(), tally);
    let other = scene.ledger.open_source(&scene.job, "bob", "drive-2").await.unwrap();
    assert_eq!(scene.ledger.tally(scene.job.id, Some(other)).await.unwrap(), Default::default());
}
