//! What is owed with a proof, what is kept of a sealing, and rows by their keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use landfall_core::ledger::{JobHandle, Record};
use landfall_core::proof::{Evidence, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::seal::{Nonce, Sealed};
use landfall_core::state::{Event, Reason, State};
use landfall_core::store::{Listed, Owe, Owed};
use landfall_core::words::{ByteSize, ItemKey, RelPath, SourceId};
use landfall_core::{Algo, Code, Digest, Digests, ErrorKind};

use super::moving::{lead, present, proof, record};
use super::{Scene, Setup, at, entry, file, intended};

fn owe(source: SourceId, subject: &str) -> Owe {
    Owe { source, subject: subject.to_owned(), text: format!("{{\"投稿\":\"{subject}\",\"it's\":true}}") }
}

async fn owed(scene: &Scene) -> Vec<Owed> {
    scene.ledger.owed(scene.job.id, 0, 1000).await.unwrap()
}

pub(super) async fn what_is_owed_is_written_with_its_proof_and_survives(setup: Setup) {
    let scene = Scene::open(&setup, "owed").await;
    scene.pass(true, vec![file("f", "", "写真.jpg")]).await;
    scene.place_all().await;
    lead(&scene, "f", vec![present()]).await;
    let (ledger, job, source) = (&scene.ledger, &scene.job, scene.source);
    let proven = record(&scene.file("f").await, Event::Proven(proof()));
    let owes = vec![owe(source, "投稿\0一"), owe(source, "投稿二")];
    let moment = at(200) + jiff::SignedDuration::from_nanos(1_999);
    ledger.record_owing(job, vec![proven], owes, moment).await.unwrap();
    assert_eq!(scene.file("f").await.state, State::Success);
    assert_eq!(scene.events(0).await, ["Present", "Proven"]);
    let kept = owed(&scene).await;
    assert_eq!(kept.iter().map(|o| o.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(kept[0].owe.subject, "投稿\u{2400}一", "no ledger holds a NUL");
    assert_eq!(kept[1].owe, owe(source, "投稿二"));
    let cut = at(200) + jiff::SignedDuration::from_micros(1);
    assert_eq!((kept[0].at, kept[1].at), (cut, cut), "moments are cut to microseconds");

    let other = (setup.again)().await;
    assert_eq!(other.owed(job.id, 0, 10).await.unwrap(), kept, "another process sees the same");
    assert_eq!(other.owed(job.id, 0, 1).await.unwrap(), kept[..1]);
    assert_eq!(other.owed(job.id, 1, 10).await.unwrap(), kept[1..]);
    let stranger = ledger.open_job("owed elsewhere", "宛先", "test", at(0)).await.unwrap();
    assert!(ledger.owed(stranger.id, 0, 10).await.unwrap().is_empty());
    assert!(ledger.owed(landfall_core::JobId(i64::from(u32::MAX)), 0, 10).await.unwrap().is_empty());
    ledger.settle_owed(&stranger, vec![1, 2]).await.unwrap();
    assert_eq!(owed(&scene).await, kept, "a job settles only what is its own");
}

pub(super) async fn settling_is_repeatable_and_numbers_are_never_given_again(setup: Setup) {
    let scene = Scene::open(&setup, "settle").await;
    let (ledger, job, source) = (&scene.ledger, &scene.job, scene.source);
    let owes = ["甲", "乙", "丙"].map(|subject| owe(source, subject));
    ledger.record_owing(job, vec![], owes.to_vec(), at(1)).await.unwrap();
    assert!(scene.events(0).await.is_empty(), "owing alone is no event");
    ledger.settle_owed(job, vec![2, 2, 99, -1]).await.unwrap();
    ledger.settle_owed(job, vec![2]).await.unwrap();
    ledger.settle_owed(job, vec![]).await.unwrap();
    assert_eq!(owed(&scene).await.iter().map(|o| o.seq).collect::<Vec<_>>(), [1, 3]);
    ledger.settle_owed(job, vec![3, 1]).await.unwrap();
    assert!(owed(&scene).await.is_empty());
    ledger.record_owing(job, vec![], vec![], at(2)).await.unwrap();
    ledger.record_owing(job, vec![], vec![owe(source, "丁")], at(2)).await.unwrap();
    assert_eq!(owed(&scene).await, [Owed { seq: 4, owe: owe(source, "丁"), at: at(2) }]);
    // The counter of what is owed and that of the events are two.
    scene.pass(true, vec![file("f", "", "写真.jpg")]).await;
    scene.place_all().await;
    lead(&scene, "f", vec![intended()]).await;
    let events = ledger.events(job.id, 0, 10).await.unwrap();
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1]);
    let again = ledger.open_job("settle", "宛先", "test", at(3)).await.unwrap();
    ledger.record_owing(&again, vec![], vec![owe(source, "戊")], at(3)).await.unwrap();
    assert_eq!(owed(&scene).await.iter().map(|o| o.seq).collect::<Vec<_>>(), [4, 5]);
}

pub(super) async fn an_illegal_event_owes_nothing(setup: Setup) {
    let scene = Scene::open(&setup, "illegal-owing").await;
    scene.pass(true, vec![file("a", "", "一.jpg"), file("b", "", "二.jpg")]).await;
    scene.place_all().await;
    let (a, b) = (scene.file("a").await, scene.file("b").await);
    let before = scene.files().await;
    let owes = vec![owe(scene.source, "投稿")];
    let cases = [
        (record(&b, Event::SpoolLost), ErrorKind::Changed),
        (Record { expect: State::Dupe, ..record(&b, intended()) }, ErrorKind::Changed),
        (Record { file: landfall_core::FileId(i64::MAX), ..record(&b, intended()) }, ErrorKind::NotFound),
    ];
    for (bad, kind) in cases {
        let records = vec![record(&a, present()), bad];
        let error = scene.ledger.record_owing(&scene.job, records, owes.clone(), at(1)).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert_eq!(scene.files().await, before);
        assert!(scene.events(0).await.is_empty() && owed(&scene).await.is_empty());
    }
    let stale = JobHandle { epoch: landfall_core::Epoch(scene.job.epoch.0 - 1), ..scene.job.clone() };
    let error = scene
        .ledger
        .record_owing(&stale, vec![record(&a, present())], owes.clone(), at(1))
        .await
        .unwrap_err();
    assert_eq!(error.code, Some(Code::LeaseLost));
    assert_eq!((scene.files().await, owed(&scene).await), (before, vec![]));
    scene.ledger.record_owing(&scene.job, vec![record(&a, present())], owes, at(1)).await.unwrap();
    assert_eq!(owed(&scene).await[0].seq, 1, "what was refused took no number");
}

pub(super) async fn a_reader_of_what_is_owed_skips_nothing(setup: Setup) {
    let scene = Arc::new(Scene::open(&setup, "owed-gapless").await);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let scene = Arc::clone(&scene);
        tasks.spawn(async move {
            for n in 0..10 {
                let owes =
                    vec![owe(scene.source, &format!("投稿{writer}")), owe(scene.source, &n.to_string())];
                scene.ledger.record_owing(&scene.job, vec![], owes, at(n)).await.unwrap();
            }
        });
    }
    let mut seen = 0;
    while seen < 160 {
        for owed in scene.ledger.owed(scene.job.id, seen, 16).await.unwrap() {
            seen += 1;
            assert_eq!(owed.seq, seen);
        }
        tokio::task::yield_now().await;
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(scene.ledger.owed(scene.job.id, 160, 10).await.unwrap().is_empty());
}

/// What is kept of a sealing, unlike for each number.
pub(super) fn sealed(number: u8) -> Sealed {
    let digests = Digests { sha256: Digest::new(Algo::Sha256, &[number; 32]), ..Digests::none() };
    Sealed {
        nonce: Nonce([number; 24]),
        key: "鍵の印\"'".into(),
        plain: Evidence { size: ByteSize(u64::from(number)), digests },
    }
}

fn spooled(sealed: Option<Sealed>) -> Event {
    let digests = Digests { sha256: Digest::new(Algo::Sha256, &[9; 32]), ..Digests::none() };
    let (size, leg) = (ByteSize(48), SourceLeg::Matched);
    Event::Spooled { size, digests, leg, sealed: sealed.map(Box::new) }
}

pub(super) async fn a_sealing_is_kept_until_the_content_changes(setup: Setup) {
    let scene = Scene::open(&setup, "sealing").await;
    scene.pass(true, vec![file("f", "", "秘密.jpg"), file("g", "", "平.jpg")]).await;
    scene.place_all().await;
    assert_eq!(scene.file("f").await.sealed, None);
    lead(&scene, "f", vec![spooled(Some(sealed(1))), intended()]).await;
    lead(&scene, "g", vec![spooled(None)]).await;
    assert_eq!(scene.file("f").await.sealed, Some(sealed(1)));
    assert_eq!(scene.file("g").await.sealed, None);
    let found = scene.ledger.find_path(scene.job.id, &RelPath::new("秘密.jpg").unwrap()).await.unwrap();
    assert_eq!(found[0].sealed, Some(sealed(1)));
    let other = (setup.again)().await;
    let key = [ItemKey::from("f")];
    let read = other.files_by_key(scene.job.id, scene.source, &key).await.unwrap();
    assert_eq!(read[0].sealed, Some(sealed(1)), "another process sees the same");

    lead(&scene, "f", vec![Event::SpoolLost, spooled(Some(sealed(2)))]).await;
    assert_eq!(scene.file("f").await.sealed, Some(sealed(2)), "sealing again replaces it");
    let renamed = Listed::File(entry("f", "", "改名.jpg", 10));
    scene.pass(false, vec![renamed]).await;
    assert_eq!(scene.file("f").await.sealed, Some(sealed(2)), "a rename is no new content");
    scene.place_all().await;
    lead(&scene, "f", vec![present(), Event::Proven(proof())]).await;
    assert_eq!(scene.file("f").await.sealed, Some(sealed(2)), "a proof keeps it");
    let mut changed = entry("f", "", "改名.jpg", 11);
    changed.revision = None;
    scene.pass(false, vec![Listed::File(changed)]).await;
    let row = scene.file("f").await;
    assert_eq!((row.state, row.sealed), (State::Pending, None), "a page that supersedes clears it");
    scene.place_all().await;
    let superseded = Event::Superseded { comment: "変わった".into() };
    lead(&scene, "f", vec![spooled(Some(sealed(3))), superseded]).await;
    assert_eq!(scene.file("f").await.sealed, None, "an event that supersedes clears it");
    lead(&scene, "f", vec![spooled(Some(sealed(4))), Event::SpoolLost, spooled(None)]).await;
    assert_eq!(scene.file("f").await.sealed, None, "plain bytes are no longer sealed ones");
}

pub(super) async fn files_are_found_by_their_keys(setup: Setup) {
    let scene = Scene::open(&setup, "by-key").await;
    let bob = scene.ledger.open_source(&scene.job, "bob", "drive-2").await.unwrap();
    let second = Scene { ledger: Arc::clone(&scene.ledger), job: scene.job.clone(), source: bob };
    let skipped =
        Listed::Skipped { entry: entry("投稿/三", "", "三.jpg", 3), reason: Reason::AwaitingMedia };
    scene.pass(true, vec![file("投稿/一", "", "一.jpg"), file("投稿/二", "", "二.jpg"), skipped]).await;
    second.pass(true, vec![file("投稿/一", "", "別.jpg")]).await;
    scene.place_all().await;
    scene.pass(false, vec![Listed::Gone(ItemKey::from("投稿/二"))]).await;
    let keys = ["投稿/一", "投稿/二", "投稿/三", "投稿/四", "投稿/一", "it's \"x\""].map(ItemKey::from);
    let (ledger, job) = (&scene.ledger, scene.job.id);
    let rows = ledger.files_by_key(job, scene.source, &keys).await.unwrap();
    let standings: BTreeSet<_> = rows.iter().map(|r| (r.entry.key.0.as_str(), r.standing.number())).collect();
    let numbers = [Standing::In, Standing::Gone, Standing::Skipped].map(Standing::number);
    assert_eq!(
        standings,
        BTreeSet::from([("投稿/一", numbers[0]), ("投稿/二", numbers[1]), ("投稿/三", numbers[2])])
    );
    assert_eq!(rows.len(), 3, "each once");
    let one = |rows: Vec<FileRow>| rows.into_iter().find(|r| r.entry.key.as_str() == "投稿/一").unwrap();
    assert_eq!(one(rows), scene.file("投稿/一").await, "the whole row, with its folder's columns");
    let theirs = ledger.files_by_key(job, bob, &keys).await.unwrap();
    assert_eq!(theirs.iter().map(|r| r.entry.name.as_str()).collect::<Vec<_>>(), ["別.jpg"]);
    assert!(ledger.files_by_key(job, bob, &[]).await.unwrap().is_empty());
    let stranger = ledger.open_job("by-key elsewhere", "宛先", "test", at(0)).await.unwrap();
    assert!(
        ledger.files_by_key(stranger.id, scene.source, &keys).await.unwrap().is_empty(),
        "a source of another job is none of this one"
    );
}
