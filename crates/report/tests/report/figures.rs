//! Every figure counted a second time, by plain filters over all rows and events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::engine::AuditReport;
use landfall_core::ledger::{EventRow, Ledger, LookFilter};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Reason, State};
use landfall_core::{ByteSize, FileId};
use landfall_report::{Ages, Audit, Figure, Report, Unreached};

use crate::world::{World, takes_part, time};

type DateOf = fn(&FileRow) -> Option<Timestamp>;

fn figure<'a>(rows: impl Iterator<Item = &'a FileRow>) -> Figure {
    rows.fold(Figure::default(), |sum, row| Figure {
        files: sum.files + 1,
        bytes: sum.bytes + row.entry.size.0,
    })
}

fn of(rows: &[FileRow], pick: impl Fn(&FileRow) -> bool) -> Figure {
    figure(rows.iter().filter(|row| pick(row)))
}

fn not_proven(row: &FileRow) -> bool {
    match row.standing {
        Standing::In => row.state != State::Success,
        Standing::Unsettled | Standing::Skipped => true,
        Standing::Gone => row.state != State::Success,
        Standing::Outside => false,
    }
}

fn totals(report: &Report, rows: &[FileRow]) {
    let t = &report.totals;
    assert_eq!(t.all, of(rows, |r| r.standing == Standing::In));
    assert_eq!(t.proven, of(rows, |r| takes_part(r, State::Success)));
    assert_eq!(t.open, of(rows, |r| r.standing == Standing::In && r.state != State::Success));
    assert_eq!(t.skipped, of(rows, |r| r.standing == Standing::Skipped));
    assert_eq!(t.unsettled, of(rows, |r| r.standing == Standing::Unsettled));
    assert_eq!(t.gone_landed, of(rows, |r| r.standing == Standing::Gone && r.state == State::Success));
    assert_eq!(t.gone_open, of(rows, |r| r.standing == Standing::Gone && r.state != State::Success));
    assert_eq!(t.outside, of(rows, |r| r.standing == Standing::Outside).files);
    assert_eq!(t.with_sha256, of(rows, |r| takes_part(r, State::Success) && r.ours.sha256.is_some()).files);
    for state in State::ALL {
        let counted = report.states.get(state.name()).copied().unwrap_or_default();
        assert_eq!(counted, of(rows, |r| takes_part(r, state)), "{state}");
    }
    for reason in Reason::ALL {
        let counted: u64 = report
            .groups
            .iter()
            .filter(|group| group.standing == "skipped" && group.reason.as_deref() == Some(reason.name()))
            .map(|group| group.figure.files)
            .sum();
        let skipped = |r: &FileRow| r.standing == Standing::Skipped && r.skip == Some(*reason);
        assert_eq!(counted, of(rows, skipped).files);
    }
    let groups: u64 = report.groups.iter().map(|group| group.figure.files).sum();
    assert_eq!(groups, of(rows, not_proven).files);
    assert_eq!(groups, report.open.total + report.skipped.total);
}

fn spread(report: &Report, rows: &[FileRow], now: Timestamp) {
    let proven: Vec<&FileRow> = rows.iter().filter(|r| takes_part(r, State::Success)).collect();
    let dates: [(&Ages, DateOf); 3] = [
        (&report.freshness.bytes, |r| r.bytes_at),
        (&report.freshness.hash, |r| r.hash_at),
        (&report.freshness.unchanged, |r| r.unchanged_at),
    ];
    for (ages, date) in dates {
        let mut from = i64::MIN;
        for age in &ages.ages {
            let below = age.below_days.map_or(i64::MAX, |days| i64::from(days) * 86_400);
            let inside = |r: &&&FileRow| {
                date(r).is_some_and(|at| (from..below).contains(&(now.as_second() - at.as_second())))
            };
            assert_eq!(age.files, proven.iter().filter(inside).count() as u64);
            from = below;
        }
        assert_eq!(ages.never, proven.iter().filter(|r| date(r).is_none()).count() as u64);
        assert_eq!(ages.newest, proven.iter().filter_map(|r| date(r)).max());
    }
    let mut from = 0;
    for class in &report.sizes {
        let below = class.below.unwrap_or(u64::MAX);
        let inside = |r: &FileRow| r.standing == Standing::In && (from..below).contains(&r.entry.size.0);
        assert_eq!(class.figure, of(rows, inside));
        from = below;
    }
    let kinds = report.kinds.iter().fold(Figure::default(), |sum, kind| Figure {
        files: sum.files + kind.figure.files,
        bytes: sum.bytes + kind.figure.bytes,
    });
    assert_eq!(kinds, report.totals.all);
    for (name, counted) in &report.proofs {
        let kind = |r: &&&FileRow| r.proven.is_some_and(|kind| kind.name() == name);
        assert_eq!(*counted, proven.iter().filter(kind).count() as u64);
    }
    assert_eq!(report.proofs.values().sum::<u64>(), proven.len() as u64);
    assert_eq!(report.legs.values().sum::<u64>(), proven.len() as u64);
}

fn course(report: &Report, rows: &[FileRow], events: &[EventRow]) {
    let sizes: BTreeMap<FileId, u64> = rows.iter().map(|row| (row.id, row.entry.size.0)).collect();
    let named = |name: &str| events.iter().filter(|e| e.name == name).collect::<Vec<_>>();
    let sum =
        |of: fn(&landfall_report::Interval) -> u64| report.activity.intervals.iter().map(of).sum::<u64>();
    assert_eq!(report.activity.events, events.len() as u64);
    assert_eq!(sum(|i| i.proven), named("Proven").len() as u64);
    assert_eq!(sum(|i| i.bytes), named("Proven").iter().map(|e| sizes[&e.file]).sum::<u64>());
    let throttled = named("Deferred").iter().filter(|e| e.reason == Some(Reason::Throttled)).count() as u64;
    assert_eq!(sum(|i| i.throttled), throttled);
    assert_eq!(sum(|i| i.deferred), named("Deferred").len() as u64 - throttled);
    assert_eq!(sum(|i| i.failed), (named("Failed").len() + named("Lapsed").len()) as u64);
    // Each event lies in its own interval.
    for event in named("Proven") {
        let seconds = i64::try_from(report.activity.seconds).unwrap();
        let inside = |i: &&landfall_report::Interval| {
            (0..seconds).contains(&(event.at.as_second() - i.at.as_second()))
        };
        assert!(report.activity.intervals.iter().find(inside).unwrap().proven > 0);
    }
}

async fn sources_and_findings(world: &World, report: &Report, rows: &[FileRow]) {
    for source in world.ledger.sources(world.job.id).await.unwrap() {
        let mine: Vec<FileRow> = rows.iter().filter(|r| r.source == source.id).cloned().collect();
        let counted = report.sources.iter().find(|one| one.source == source.label).unwrap();
        assert_eq!(counted.all, of(&mine, |r| r.standing == Standing::In));
        assert_eq!(counted.proven, of(&mine, |r| takes_part(r, State::Success)));
        assert_eq!(counted.skipped, of(&mine, |r| r.standing == Standing::Skipped).files);
    }
    let filter = LookFilter { findings: true, section: None };
    let looks = world.ledger.looks(world.job.id, &filter, "", usize::MAX).await.unwrap();
    let open = looks.iter().filter(|look| !look.detail.contains("settled")).count() as u64;
    assert_eq!(report.findings.open.values().sum::<u64>(), open);
    assert_eq!(report.findings.settled, looks.len() as u64 - open);
    let renamed = rows.iter().filter(|r| {
        (r.standing == Standing::In && r.dest_name.is_some() && !world.sealed)
            || (takes_part(r, State::Success) && r.reason == Some(Reason::RenamedAtSource))
    });
    // A file that was given another name and renamed afterwards is listed for both.
    let both = |r: &&FileRow| {
        takes_part(r, State::Success)
            && r.reason == Some(Reason::RenamedAtSource)
            && r.dest_name.is_some()
            && !world.sealed
    };
    assert_eq!(report.renamed.total, (renamed.count() + rows.iter().filter(both).count()) as u64);
}

#[tokio::test]
async fn the_figures_equal_an_independent_count() {
    for seed in 0..60 {
        let world = World::drawn(seed, 160).await;
        let (report, csv) = world.report().await;
        let rows = world.rows().await;
        let events = world.ledger.events(world.job.id, 0, usize::MAX).await.unwrap();
        totals(&report, &rows);
        spread(&report, &rows, world.now);
        course(&report, &rows, &events);
        sources_and_findings(&world, &report, &rows).await;
        let missing = rows.iter().filter(|row| not_proven(row)).count();
        let lines = records(&csv);
        assert_eq!(lines.len(), missing + 1, "seed {seed}");
        for line in &lines {
            assert_eq!(line.len(), 11, "seed {seed}: {line:?}");
            for cell in line {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "seed {seed}: {cell}");
            }
        }
        let tally = world.ledger.tally(world.job.id, None).await.unwrap();
        assert_eq!(report.complete, tally.complete() && tally.all().files > 0, "seed {seed}");
        assert!(!report.moving, "seed {seed}");
        serde_json::to_string(&report).unwrap();
    }
}

#[tokio::test]
async fn a_list_is_cut_and_says_how_many_there_are() {
    let world = World::drawn(3, 4000).await;
    let (report, csv) = world.report().await;
    assert!(report.open.total > 500, "the seed draws too few: {}", report.open.total);
    assert_eq!(report.open.first.len(), landfall_report::LISTED);
    assert_eq!(records(&csv).len() as u64, report.open.total + report.skipped.total + 1);
}

#[tokio::test]
async fn a_source_out_of_reach_makes_a_finished_job_incomplete() {
    let mut world = World::empty().await;
    assert!(!world.report().await.0.complete, "nothing is not complete");
    let mut seed = 0;
    while !world.report().await.0.complete {
        world = World::drawn(seed, 4).await;
        seed += 1;
        assert!(seed < 5000, "no seed draws a complete job");
    }
    world.unreached = vec![Unreached { source: "花子".to_owned(), why: "no OneDrive".to_owned() }];
    assert!(!world.report().await.0.complete);
}

#[tokio::test]
async fn the_outcome_of_an_audit_is_kept_and_replaced() {
    let world = World::empty().await;
    assert_eq!(Audit::last(&world.ledger, world.job.id).await.unwrap(), None);
    let long = AuditReport {
        files: 3,
        bytes: ByteSize(9),
        different: 2000,
        differences: vec!["違い".repeat(900); 1000],
        ..AuditReport::default()
    };
    Audit::of(&long, world.now).keep(&world.ledger, world.job.id).await.unwrap();
    let kept = Audit::last(&world.ledger, world.job.id).await.unwrap().unwrap();
    assert_eq!((kept.files, kept.different, kept.differences.len()), (3, 2000, 20));
    assert!(serde_json::to_string(&kept).unwrap().len() < 20_000);
    let at = time("2026-11-22T11:00:00Z");
    let good = AuditReport { files: 3, complete_as_of: Some(at), ..AuditReport::default() };
    Audit::of(&good, world.now).keep(&world.ledger, world.job.id).await.unwrap();
    assert_eq!(world.report().await.0.audit.unwrap().complete_as_of, Some(at));
}

/// Reads CSV as RFC 4180 has it, by hand: quotes, doubled quotes, line ends within quotes.
fn records(csv: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = csv.strip_prefix('\u{feff}').expect("a byte order mark").chars().peekable();
    while let Some(c) = chars.next() {
        let cell = records.last_mut().unwrap().last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => records.last_mut().unwrap().push(String::new()),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                records.push(vec![String::new()]);
            }
            c => cell.push(c),
        }
    }
    assert_eq!(records.pop(), Some(vec![String::new()]), "the last line ends");
    records
}
