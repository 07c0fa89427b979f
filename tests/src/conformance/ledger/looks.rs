//! What a verify saw.

use landfall_core::ledger::{Answer, LookFilter, Looked};

use super::{Scene, Setup, at};

fn look(subject: &str, finding: Option<&str>, second: i64) -> Looked {
    Looked {
        subject: subject.to_owned(),
        owner: "all_tweets/1".into(),
        section: "ada".into(),
        answer: if finding.is_some() { Answer::Absent } else { Answer::Present },
        finding: finding.map(str::to_owned),
        detail: "{\"大きさ\":3}".into(),
        at: at(second),
    }
}

async fn all(scene: &Scene) -> Vec<Looked> {
    scene.ledger.looks(scene.job.id, &LookFilter::default(), "", 10_000).await.unwrap()
}

pub(super) async fn a_newer_look_replaces_the_one_before(setup: Setup) {
    let scene = Scene::open(&setup, "looks").await;
    let (ledger, job) = (&scene.ledger, &scene.job);
    ledger.looked(job, vec![]).await.unwrap();
    ledger.looked(job, vec![look("投稿一", Some("missing"), 1), look("投稿二", None, 1)]).await.unwrap();
    let other = Looked {
        owner: "log_only_tweets/2".into(),
        section: "bob's".into(),
        answer: Answer::Unknown,
        detail: "[]".into(),
        ..look("投稿一", None, 5)
    };
    ledger.looked(job, vec![look("投稿一", Some("changed"), 3), other.clone()]).await.unwrap();
    assert_eq!(all(&scene).await, [other.clone(), look("投稿二", None, 1)], "of one call the last counts");
    ledger.looked(job, vec![other.clone()]).await.unwrap();
    let again = (setup.again)().await;
    let seen = again.looks(job.id, &LookFilter::default(), "", 10).await.unwrap();
    assert_eq!(seen, [other, look("投稿二", None, 1)], "repeating changes nothing, another process sees it");
    let stranger = ledger.open_job("looks elsewhere", "宛先", "test", at(0)).await.unwrap();
    assert!(ledger.looks(stranger.id, &LookFilter::default(), "", 10).await.unwrap().is_empty());
    ledger.looked(&stranger, vec![look("投稿一", None, 9)]).await.unwrap();
    assert_eq!(all(&scene).await.len(), 2);
    assert_eq!(all(&scene).await[0].at, at(5), "a subject belongs to its job");
    let odd = Looked { detail: "\0".into(), finding: Some("\0".into()), ..look("零\0", None, 7) };
    let odd = Looked { at: at(7) + jiff::SignedDuration::from_nanos(2_999), ..odd };
    ledger.looked(&stranger, vec![odd]).await.unwrap();
    let held = ledger.looks(stranger.id, &LookFilter::default(), "投稿一", 10).await.unwrap();
    let cut = at(7) + jiff::SignedDuration::from_micros(2);
    assert_eq!(
        (held[0].subject.as_str(), held[0].finding.as_deref(), held[0].detail.as_str(), held[0].at),
        ("零\u{2400}", Some("\u{2400}"), "\u{2400}", cut),
        "no ledger holds a NUL or a nanosecond"
    );
}

pub(super) async fn one_look_is_read_and_settled_by_its_subject(setup: Setup) {
    let scene = Scene::open(&setup, "looks-one").await;
    let (ledger, job) = (&scene.ledger, &scene.job);
    let (first, second) = (look("会議 (1)", Some("doubled"), 1), look("会議", None, 1));
    ledger.looked(job, vec![first.clone(), second.clone()]).await.unwrap();
    assert_eq!(ledger.look(job.id, "会議 (1)").await.unwrap(), Some(first.clone()));
    assert_eq!(ledger.look(job.id, "会").await.unwrap(), None);
    let stranger = ledger.open_job("looks-one elsewhere", "宛先", "test", at(0)).await.unwrap();
    assert_eq!(ledger.look(stranger.id, "会議").await.unwrap(), None, "a subject belongs to its job");
    ledger.unlook(&stranger, vec!["会議".into()]).await.unwrap();
    ledger.unlook(job, vec!["会議".into(), "知らない".into()]).await.unwrap();
    assert_eq!(all(&scene).await, [first]);
    ledger.unlook(job, vec![]).await.unwrap();
    let stale = landfall_core::ledger::JobHandle {
        epoch: landfall_core::words::Epoch(job.epoch.0 - 1),
        ..job.clone()
    };
    assert!(ledger.unlook(&stale, vec!["会議 (1)".into()]).await.is_err());
    assert_eq!(all(&scene).await.len(), 1);
}

pub(super) async fn looks_page_bytewise_by_subject(setup: Setup) {
    let scene = Scene::open(&setup, "looks-paged").await;
    // In UTF-16 U+20BB7 would come before U+FF76, in most languages' order z after Z and é after e.
    let mut subjects = ["Z", "a", "z", "é", "あ", "ア", "写真/10", "写真/9", "ｶ", "𠮷野家"];
    let looks = subjects.iter().rev().enumerate().map(|(n, s)| {
        let section = if n % 3 == 0 { "bob" } else { "ada" };
        Looked { section: section.into(), ..look(s, (n % 2 == 0).then_some("missing"), 1) }
    });
    let looks: Vec<Looked> = looks.collect();
    scene.ledger.looked(&scene.job, looks.clone()).await.unwrap();
    subjects.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for findings in [false, true] {
        for section in [None, Some("ada"), Some("bob"), Some("")] {
            let filter = LookFilter { findings, section: section.map(str::to_owned) };
            let wanted = |s: &&&str| {
                let look = looks.iter().find(|l| l.subject == ***s).unwrap();
                (!findings || look.finding.is_some()) && section.is_none_or(|s| s == look.section)
            };
            let expected: Vec<&str> = subjects.iter().filter(wanted).copied().collect();
            let mut paged: Vec<Looked> = Vec::new();
            loop {
                let after = paged.last().map_or("", |look| look.subject.as_str());
                let page = scene.ledger.looks(scene.job.id, &filter, after, 2).await.unwrap();
                assert!(page.len() <= 2);
                if page.is_empty() {
                    break;
                }
                paged.extend(page);
            }
            let got: Vec<&str> = paged.iter().map(|l| l.subject.as_str()).collect();
            assert_eq!(got, expected, "{filter:?}");
            assert!(paged.iter().all(|l| looks.contains(l)));
        }
    }
    let after = scene.ledger.looks(scene.job.id, &LookFilter::default(), "写真", 1).await.unwrap();
    assert_eq!(after[0].subject, "写真/10", "one may begin between two subjects");
}

pub(super) async fn looks_that_were_not_repeated_are_forgotten(setup: Setup) {
    let scene = Scene::open(&setup, "looks-forgotten").await;
    let (ledger, job) = (&scene.ledger, &scene.job);
    let subject = |n: i64| format!("投稿{n:05}");
    let pass = |second: i64, take: fn(i64) -> bool| -> Vec<Looked> {
        (0..1200)
            .filter(|n| take(*n))
            .map(|n| look(&subject(n), (n % 7 == 0).then_some("gone"), second))
            .collect()
    };
    ledger.looked(job, pass(10, |_| true)).await.unwrap();
    assert_eq!(all(&scene).await, pass(10, |_| true), "a large page is taken whole");
    let stranger = ledger.open_job("looks-forgotten elsewhere", "宛先", "test", at(0)).await.unwrap();
    ledger.looked(&stranger, vec![look("投稿", None, 1)]).await.unwrap();
    ledger.forget_looks(job, at(10)).await.unwrap();
    assert_eq!(all(&scene).await.len(), 1200, "a look of that very moment is not older");
    ledger.looked(job, pass(20, |n| n % 2 == 0)).await.unwrap();
    ledger.forget_looks(job, at(20) + jiff::SignedDuration::from_nanos(900)).await.unwrap();
    assert_eq!(all(&scene).await, pass(20, |n| n % 2 == 0), "nor one of the same microsecond");
    let findings = LookFilter { findings: true, section: None };
    let found = ledger.looks(job.id, &findings, "", 10_000).await.unwrap();
    assert_eq!(found, pass(20, |n| n % 14 == 0), "forgotten findings are found no more");
    ledger.forget_looks(job, at(20)).await.unwrap();
    ledger.forget_looks(job, at(21)).await.unwrap();
    assert!(all(&scene).await.is_empty());
    let theirs = ledger.looks(stranger.id, &LookFilter::default(), "", 10).await.unwrap();
    assert_eq!(theirs.len(), 1, "a job forgets its own");
}
