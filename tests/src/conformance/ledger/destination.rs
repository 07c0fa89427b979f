//! What destination trees hold, and the join with files.

use landfall_core::ErrorKind;
use landfall_core::ledger::{Enrolment, FileFilter, FolderPlacement, Ledger};
use landfall_core::row::Standing;
use landfall_core::state::{Reason, State};
use landfall_core::store::Listed;
use landfall_core::words::{ByteSize, Cursor, FileId, ItemKey, RelPath, SourceId, TreeId, fold_hash};

use super::{Scene, Setup, at, entry, file, folder, quickxor};

async fn page(ledger: &dyn Ledger, tree: TreeId, items: Vec<Listed>, complete: bool) {
    let pass = ledger.tree_cursor(tree).await.unwrap().pass;
    let cursor = Some(Cursor(format!("tree-{pass}")));
    let page = Enrolment { source: SourceId(0), pass, items, cursor, complete, at: at(1) };
    ledger.observe(tree, page).await.unwrap();
}

pub(super) async fn tree(ledger: &dyn Ledger, name: &str, items: Vec<Listed>) -> TreeId {
    let tree = ledger.open_tree(name).await.unwrap();
    ledger.begin_tree_pass(tree, true).await.unwrap();
    page(ledger, tree, items, true).await;
    tree
}

async fn names(ledger: &dyn Ledger, tree: TreeId, parent: Option<&str>, name: &str) -> Vec<String> {
    let parent = parent.map(ItemKey::from);
    let rows = ledger.found_child(tree, parent.as_ref(), fold_hash(name)).await.unwrap();
    rows.into_iter().map(|r| r.name).collect()
}

pub(super) async fn a_tree_is_kept_as_listed(setup: Setup) {
    let ledger = setup.ledger.as_ref();
    let shortcut = Listed::Skipped { entry: entry("s", "root", "近道", 3), reason: Reason::Shortcut };
    let items = vec![folder("d", "", "録音"), file("f", "d", "会議.WAV"), shortcut];
    let tree = tree(ledger, "tree-kept", items.clone()).await;
    assert_eq!(ledger.open_tree("tree-kept").await.unwrap(), tree);
    assert_ne!(ledger.open_tree("別の木").await.unwrap(), tree);
    let cursor = ledger.tree_cursor(tree).await.unwrap();
    assert_eq!(
        (cursor.pass, cursor.full, cursor.complete, cursor.cursor),
        (1, true, true, Some(Cursor("tree-1".into())))
    );
    let row = ledger.found_item(tree, &ItemKey::from("f")).await.unwrap().unwrap();
    let wanted = entry("f", "d", "会議.WAV", 10);
    assert_eq!(
        (&row.name, row.folder, &row.parent, row.times),
        (&wanted.name, false, &wanted.parent, wanted.times)
    );
    assert_eq!(
        (row.evidence.size, row.evidence.digests, row.revision),
        (wanted.size, wanted.digests, wanted.revision)
    );
    assert_eq!(names(ledger, tree, Some("d"), "会議.wav").await, ["会議.WAV"]);
    assert_eq!(names(ledger, tree, None, "録音").await, ["録音"]);
    assert_eq!(names(ledger, tree, Some("root"), "録音").await, ["録音"]);
    assert_eq!(names(ledger, tree, None, "近道").await, ["近道"], "what is never moved still holds its name");
    assert!(ledger.found_item(tree, &ItemKey::from("d")).await.unwrap().unwrap().folder);
    assert!(names(ledger, tree, None, "会議.wav").await.is_empty());
    page(ledger, tree, items, true).await;
    assert_eq!(names(ledger, tree, Some("d"), "会議.wav").await.len(), 1, "repeating a page changes nothing");
    let mut renamed = entry("f", "", "議事録.txt", 12);
    renamed.digests = quickxor(9);
    ledger.begin_tree_pass(tree, false).await.unwrap();
    page(ledger, tree, vec![Listed::File(renamed)], true).await;
    assert!(names(ledger, tree, Some("d"), "会議.wav").await.is_empty());
    assert_eq!(names(ledger, tree, None, "議事録.TXT").await, ["議事録.txt"]);
    let row = ledger.found_item(tree, &ItemKey::from("f")).await.unwrap().unwrap();
    assert_eq!((row.evidence.size, row.evidence.digests, row.parent), (ByteSize(12), quickxor(9), None));
}

pub(super) async fn what_goes_takes_everything_below_it(setup: Setup) {
    let ledger = setup.ledger.as_ref();
    let items = vec![
        folder("a", "", "上"),
        folder("b", "a", "中"),
        file("f", "b", "下.wav"),
        file("g", "b", "逃.wav"),
        file("h", "", "外.wav"),
    ];
    let tree = tree(ledger, "tree-gone", items).await;
    ledger.begin_tree_pass(tree, false).await.unwrap();
    page(ledger, tree, vec![file("g", "", "逃.wav"), Listed::Gone(ItemKey::from("a"))], true).await;
    for (key, there) in [("a", false), ("b", false), ("f", false), ("g", true), ("h", true)] {
        assert_eq!(ledger.found_item(tree, &ItemKey::from(key)).await.unwrap().is_some(), there, "{key}");
    }
    page(ledger, tree, vec![Listed::Gone(ItemKey::from("h")), Listed::Gone(ItemKey::from("never"))], true)
        .await;
    assert!(ledger.found_item(tree, &ItemKey::from("h")).await.unwrap().is_none());
}

pub(super) async fn a_full_pass_forgets_what_it_did_not_see(setup: Setup) {
    let ledger = setup.ledger.as_ref();
    let tree = tree(ledger, "tree-sweep", vec![file("f", "", "一.wav"), file("g", "", "二.wav")]).await;
    ledger.begin_tree_pass(tree, false).await.unwrap();
    page(ledger, tree, vec![], true).await;
    assert_eq!(ledger.settle_found(tree).await.unwrap(), 0);
    ledger.begin_tree_pass(tree, true).await.unwrap();
    assert_eq!(ledger.tree_cursor(tree).await.unwrap().cursor, None);
    page(ledger, tree, vec![file("g", "", "二.wav")], false).await;
    assert_eq!(ledger.settle_found(tree).await.unwrap_err().kind, ErrorKind::Rejected);
    page(ledger, tree, vec![], true).await;
    assert_eq!(ledger.settle_found(tree).await.unwrap(), 1);
    assert_eq!(ledger.settle_found(tree).await.unwrap(), 0);
    assert!(ledger.found_item(tree, &ItemKey::from("f")).await.unwrap().is_none());
    assert!(ledger.found_item(tree, &ItemKey::from("g")).await.unwrap().is_some());
}

pub(super) async fn files_match_what_lies_in_their_place(setup: Setup) {
    let scene = Scene::open(&setup, "matches").await;
    let items = vec![
        folder("d", "", "録音"),
        folder("e", "", "未"),
        file("f1", "d", "会議.wav"),
        file("f2", "d", "無.wav"),
        file("f3", "e", "会議.wav"),
        file("f4", "", "根.txt"),
    ];
    scene.pass(true, items).await;
    scene.place_all().await;
    let (ledger, job) = (scene.ledger.as_ref(), &scene.job);
    let rows = ledger.folders(job.id, scene.source, None, 9).await.unwrap();
    for (row, item) in rows.iter().zip([Some("root"), None, Some("D")]) {
        let target = RelPath::new(format!("宛先{}", row.name.as_deref().unwrap())).ok();
        let place = FolderPlacement { folder: row.id, standing: Standing::In, target, target_hash: 1 };
        ledger.place_folders(job, vec![place]).await.unwrap();
        ledger.bind_folder(job, row.id, item.map(ItemKey::from)).await.unwrap();
    }
    let there = vec![
        folder("D", "", "録音"),
        file("F1", "D", "会議.WAV"),
        folder("F1d", "D", "会議.wav"),
        file("F3", "E", "会議.wav"),
        file("F4", "", "根.txt"),
    ];
    let tree = tree(ledger, "tree-matches", there).await;
    let filter = FileFilter { states: vec![State::Pending], ..FileFilter::default() };
    let pairs = ledger.matches(job.id, tree, &filter, FileId(0), 100).await.unwrap();
    let keys: Vec<_> = pairs.iter().map(|(f, r)| (f.entry.key.as_str(), r.item.as_str(), r.folder)).collect();
    assert_eq!(keys, [("f1", "F1", false), ("f1", "F1d", true), ("f4", "F4", false)]);
    assert_eq!(pairs[0].0, scene.file("f1").await, "the row comes as a scan gives it");
    assert_eq!(Some(&pairs[0].1), ledger.found_item(tree, &ItemKey::from("F1")).await.unwrap().as_ref());
    let first = ledger.matches(job.id, tree, &filter, FileId(0), 1).await.unwrap();
    assert_eq!(first, pairs[..2], "all of one file's come in one page");
    let rest = ledger.matches(job.id, tree, &filter, first[1].0.id, 1).await.unwrap();
    assert_eq!(rest, pairs[2..]);
    let none = FileFilter { states: vec![State::Dupe], ..FileFilter::default() };
    assert!(ledger.matches(job.id, tree, &none, FileId(0), 10).await.unwrap().is_empty());
    scene.pass(false, vec![file("f1", "d", "改名.wav")]).await;
    scene.place_all().await;
    let pairs = ledger.matches(job.id, tree, &filter, FileId(0), 100).await.unwrap();
    assert_eq!(pairs.len(), 1, "a renamed file no longer matches its old place");
}
