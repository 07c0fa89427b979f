//! Jobs, leases, runs and cursors.

use landfall_core::ledger::{Answer, Enrolment, FolderPlacement, LookFilter, Looked, Record, RunStart};
use landfall_core::row::Standing;
use landfall_core::state::State;
use landfall_core::store::Owe;
use landfall_core::words::{Cursor, FileId, FolderId};
use landfall_core::{Code, ErrorKind};

use super::{Scene, Setup, at, file, intended};

pub(super) async fn jobs_are_found_and_epochs_grow(setup: Setup) {
    let ledger = setup.ledger;
    assert_eq!(ledger.find_job("議事録").await.unwrap(), None);
    let first = ledger.open_job("議事録", "site", "a", at(0)).await.unwrap();
    let second = ledger.open_job("議事録", "site", "a", at(1)).await.unwrap();
    assert_eq!((first.id, first.epoch.0 + 1), (second.id, second.epoch.0));
    assert_eq!(ledger.find_job("議事録").await.unwrap(), Some(second.clone()));
    assert!(!ledger.holds(first.id, first.epoch).await.unwrap());
    assert!(ledger.holds(second.id, second.epoch).await.unwrap());
    let source = ledger.open_source(&second, "録音", "d").await.unwrap();
    assert_eq!(ledger.open_source(&second, "録音", "d").await.unwrap(), source);
    let other = ledger.open_source(&second, "録画", "e").await.unwrap();
    let labels: Vec<_> =
        ledger.sources(second.id).await.unwrap().into_iter().map(|s| (s.id, s.label)).collect();
    assert_eq!(labels, [(source, "録音".to_owned()), (other, "録画".to_owned())]);
    let roots = ledger.folders(second.id, source, None, 10).await.unwrap();
    assert_eq!(roots.len(), 1, "opening a source makes its root row, once");
    assert_eq!((roots[0].key.as_str(), roots[0].parent, roots[0].name.as_deref()), ("", None, Some("")));
    assert_eq!(roots[0].standing, Standing::Unsettled);
    assert!(roots[0].path.as_ref().unwrap().is_root());
}

pub(super) async fn a_changed_target_is_refused(setup: Setup) {
    let scene = Scene::open(&setup, "changed-target").await;
    let error = scene.ledger.open_job("changed-target", "別の宛先", "test", at(0)).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Rejected, Some(Code::TargetChanged)));
    assert!(
        scene.ledger.holds(scene.job.id, scene.job.epoch).await.unwrap(),
        "the refused opening took nothing"
    );
    let error = scene.ledger.open_source(&scene.job, "ada@contoso.com", "drive-2").await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Rejected, Some(Code::TargetChanged)));
}

pub(super) async fn a_stale_epoch_is_refused_on_every_write(setup: Setup) {
    let scene = Scene::open(&setup, "stale").await;
    scene.pass(true, vec![file("k1", "", "会議.wav")]).await;
    scene.place_all().await;
    let row = scene.file("k1").await;
    let run = scene
        .ledger
        .begin_run(&scene.job, RunStart { command: "run".into(), at: at(0), fresh: true })
        .await
        .unwrap();
    let (ledger, stale, source) = (&scene.ledger, &scene.job, scene.source);
    let owe = Owe { source, subject: "投稿".into(), text: "{}".into() };
    let look = Looked {
        subject: "投稿".into(),
        owner: String::new(),
        section: String::new(),
        answer: Answer::Present,
        finding: None,
        detail: "{}".into(),
        at: at(1),
    };
    ledger.record_owing(stale, vec![], vec![owe.clone()], at(0)).await.unwrap();
    ledger.looked(stale, vec![look.clone()]).await.unwrap();
    ledger.open_job("stale", "宛先", "test", at(1)).await.unwrap();
    let before = scene.files().await;
    let page = Enrolment { source, pass: 1, items: vec![], cursor: None, complete: true, at: at(1) };
    let record = Record { file: row.id, expect: State::Pending, event: intended(), at: at(1) };
    let place = FolderPlacement { folder: row.folder, standing: Standing::In, target: None, target_hash: 0 };
    let refusals = [
        ledger.begin_run(stale, RunStart { command: "run".into(), at: at(1), fresh: false }).await.err(),
        ledger.end_run(stale, run.id, at(1), "{}").await.err(),
        ledger.open_source(stale, "bob", "d").await.err(),
        ledger.begin_pass(stale, source, true).await.err(),
        ledger.enrol(stale, page).await.err(),
        ledger.settle_tree(stale, source, at(1)).await.err(),
        ledger.place(stale, vec![super::placed(&row)]).await.err(),
        ledger.place_folders(stale, vec![place]).await.err(),
        ledger.record(stale, vec![record.clone()]).await.err(),
        ledger.record_owing(stale, vec![record], vec![owe.clone()], at(1)).await.err(),
        ledger.record_owing(stale, vec![], vec![owe], at(1)).await.err(),
        ledger.settle_owed(stale, vec![1]).await.err(),
        ledger.looked(stale, vec![Looked { at: at(9), ..look.clone() }]).await.err(),
        ledger.forget_looks(stale, at(2)).await.err(),
        ledger.bind_folder(stale, row.folder, None).await.err(),
        ledger.folder_timed(stale, row.folder).await.err(),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        let error = refusal.unwrap_or_else(|| panic!("write {number} went through under a stale epoch"));
        assert_eq!((error.kind, error.code), (ErrorKind::Rejected, Some(Code::LeaseLost)), "write {number}");
    }
    assert_eq!(scene.files().await, before);
    assert_eq!(ledger.owed(stale.id, 0, 10).await.unwrap().len(), 1, "nothing was owed, nothing settled");
    let looks = ledger.looks(stale.id, &LookFilter::default(), "", 10).await.unwrap();
    assert_eq!(looks, [look], "no look was replaced, none forgotten");
}

pub(super) async fn a_second_process_is_refused_while_the_first_lives(setup: Setup) {
    let first = &setup.ledger;
    let job = first.open_job("lease", "site", "first", at(0)).await.unwrap();
    let second = (setup.again)().await;
    let error = second.open_job("lease", "site", "second", at(1)).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Locked, Some(Code::JobBusy)), "{}", error.chain());
    assert!(first.holds(job.id, job.epoch).await.unwrap(), "the refused opening took nothing");
    assert_eq!(second.find_job("lease").await.unwrap(), Some(job.clone()), "reading needs no lease");
    second.open_job("another lease", "site", "second", at(1)).await.unwrap();
    first.close_job(&job).await.unwrap();
    let taken = second.open_job("lease", "site", "second", at(2)).await.unwrap();
    assert_eq!(taken.epoch.0, job.epoch.0 + 1);
    drop(second);
    // The end of a process gives its lease back, if not at the very moment.
    for _ in 0..100 {
        match first.open_job("lease", "site", "first", at(3)).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.code, Some(Code::JobBusy)),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the lease of a process that ended is still held");
}

pub(super) async fn an_interrupted_run_goes_on(setup: Setup) {
    let Scene { ledger, job, .. } = Scene::open(&setup, "runs").await;
    let start = |command: &str, second, fresh| RunStart { command: command.into(), at: at(second), fresh };
    let first = ledger.begin_run(&job, start("run", 1, false)).await.unwrap();
    assert!(!first.resumed);
    let again = ledger.begin_run(&job, start("run", 2, false)).await.unwrap();
    assert_eq!((again.id, again.started, again.resumed), (first.id, at(1), true));
    let other = ledger.begin_run(&job, start("crawl", 3, false)).await.unwrap();
    assert_ne!(other.id, first.id);
    ledger.end_run(&job, first.id, at(4), "{\"件数\":1}").await.unwrap();
    let next = ledger.begin_run(&job, start("run", 5, false)).await.unwrap();
    assert!(next.id > other.id && !next.resumed);
    let fresh = ledger.begin_run(&job, start("run", 6, true)).await.unwrap();
    assert!(fresh.id > next.id);
    ledger.end_run(&job, fresh.id, at(7), "{}").await.unwrap();
    let after = ledger.begin_run(&job, start("run", 8, false)).await.unwrap();
    assert!(after.id > fresh.id, "only the newest run of a command goes on");
    let runs = ledger.runs(job.id, 10).await.unwrap();
    assert_eq!(
        runs.iter().map(|r| r.id).collect::<Vec<_>>(),
        [after.id, fresh.id, next.id, other.id, first.id]
    );
    assert_eq!(
        (runs[4].ended, runs[4].summary.as_str(), runs[4].resumed),
        (Some(at(4)), "{\"件数\":1}", true)
    );
    assert_eq!(ledger.runs(job.id, 2).await.unwrap(), runs[..2]);
    assert!(ledger.end_run(&job, landfall_core::RunId(i64::MAX), at(9), "").await.is_err());
}

pub(super) async fn a_pass_keeps_or_drops_its_cursor(setup: Setup) {
    let scene = Scene::open(&setup, "cursors").await;
    let (ledger, job, source) = (&scene.ledger, &scene.job, scene.source);
    assert_eq!(ledger.cursor(job.id, source).await.unwrap(), landfall_core::ledger::CursorRow::default());
    let row = ledger.begin_pass(job, source, true).await.unwrap();
    assert_eq!((row.pass, row.full, row.complete, row.cursor), (1, true, false, None));
    scene.page(vec![], false).await;
    let row = ledger.cursor(job.id, source).await.unwrap();
    assert_eq!((row.complete, row.cursor), (false, Some(Cursor("cursor-1".into()))));
    scene.page(vec![], true).await;
    let row = ledger.begin_pass(job, source, false).await.unwrap();
    assert_eq!(
        (row.pass, row.full, row.complete, row.cursor),
        (2, false, false, Some(Cursor("cursor-1".into())))
    );
    let row = ledger.begin_pass(job, source, true).await.unwrap();
    assert_eq!((row.pass, row.full, row.cursor), (3, true, None));
    let late = Enrolment { source, pass: 2, items: vec![], cursor: None, complete: true, at: at(1) };
    let error = ledger.enrol(job, late).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Changed, "a page of an earlier pass is refused");
    assert!(ledger.folder(job.id, FolderId(i64::MAX)).await.unwrap().is_none());
    assert!(ledger.scan(job.id, &Default::default(), FileId(0), 10).await.unwrap().is_empty());
}
