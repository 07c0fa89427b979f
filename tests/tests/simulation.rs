//! Seeds by the thousand: faults and kills over whole jobs, in virtual time.
//!
//! `LANDFALL_SEEDS` sets how many (1,000 by default), `LANDFALL_SEED` runs a single one. A failing seed
//! is printed; put it into `tests/seeds.txt` and it is run first for ever.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use landfall_core::state::Via;
use landfall_sim::Faults;
use landfall_tests::simulation::{Case, in_virtual_time, run};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_plain_job_makes_landfall_and_a_second_run_writes_nothing() {
    let outcome = in_virtual_time(run(&Case::plain(1, 60))).unwrap();
    assert_eq!(outcome.report.tally.all().files, 60);
}

#[test]
fn every_way_makes_landfall_under_wild_faults() {
    for via in [Via::Stream, Via::Spool, Via::Copy] {
        in_virtual_time(run(&Case { via, faults: Faults::Wild, ..Case::plain(7, 40) })).unwrap();
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..12 {
        let case = Case::drawn(seed);
        let first = in_virtual_time(run(&case)).unwrap();
        let second = in_virtual_time(run(&case)).unwrap();
        assert_eq!(first.trace, second.trace, "{case:?}");
    }
    let differ = [1, 2].map(|seed| in_virtual_time(run(&Case::plain(seed, 5))).unwrap().trace);
    assert_ne!(differ[0], differ[1], "the trace does not see what happens");
}

#[test]
fn a_kill_at_every_single_crash_point_loses_nothing() {
    for via in [Via::Stream, Via::Spool, Via::Copy] {
        let case = Case { via, ..Case::plain(3, 4) };
        let points = in_virtual_time(run(&case)).unwrap().points;
        assert!(points > 50, "only {points} crash points");
        in_parallel(points, |kill| {
            let case = Case { kills: vec![kill], ..case.clone() };
            let outcome = in_virtual_time(run(&case)).map_err(|e| format!("{e:#}"))?;
            if outcome.killed == 1 { Ok(()) } else { Err(format!("kill {kill} never happened")) }
        });
    }
}

#[test]
fn drawn_seeds_hold_every_invariant() {
    let known =
        include_str!("../seeds.txt").lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    for seed in known {
        in_virtual_time(run(&Case::drawn(seed))).unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
    }
    if let Some(seed) = number("LANDFALL_SEED") {
        in_virtual_time(run(&Case::drawn(seed))).unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
        return;
    }
    let killed = AtomicU64::new(0);
    let seeds = number("LANDFALL_SEEDS").unwrap_or(1000);
    in_parallel(seeds, |seed| {
        let outcome = in_virtual_time(run(&Case::drawn(seed)))
            .map_err(|e| format!("LANDFALL_SEED={seed} fails; add it to tests/seeds.txt: {e:#}"))?;
        killed.fetch_add(u64::from(outcome.killed), Relaxed);
        Ok(())
    });
    println!("{seeds} seeds, {} kills", killed.load(Relaxed));
    assert!(seeds < 100 || killed.load(Relaxed) > seeds / 4, "hardly anything was killed");
}

/// Runs cases on both cores; each has a runtime of its own, so they share nothing.
fn in_parallel(count: u64, one: impl Fn(u64) -> Result<(), String> + Sync) {
    let next = AtomicU64::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Relaxed);
                    if at >= count || failures.lock().unwrap().len() >= 5 {
                        return;
                    }
                    if let Err(text) = one(at) {
                        failures.lock().unwrap().push(format!("{at}: {text}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
