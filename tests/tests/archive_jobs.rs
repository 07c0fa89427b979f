//! The archive workload from end to end, in one process and in virtual time: verify, repair, run, verify.
//!
//! The seeds kill processes at drawn calls of Transport, Ledger, Memo and Spool, with faults at the Hub and the
//! media origin, and ask the answer file at the end. `LANDFALL_ARCHIVE_SEEDS` says how many, `LANDFALL_SEED` plays one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use landfall_sim::{ArchiveConfig, Faults};
use landfall_tests::archive::{Bench, Process};
use landfall_tests::simulation::in_virtual_time;

/// Times that a step is repeated where something was postponed.
const TURNS: usize = 12;
/// Failing seeds after which no further one is played.
const TOLD: usize = 5;

/// Repairs and runs until nothing is postponed; what the services throttle is waited for.
async fn finish(bench: &Bench, process: &Process, tolerant: bool) -> Result<()> {
    for turn in 0..TURNS {
        let outcome: Result<bool> = async {
            let seen = process.verify().await?;
            let repaired = process.repair().await?;
            let ran = process.run().await?;
            let told = ran.conflicts.is_empty() && ran.untold.is_empty();
            if std::env::var_os("LANDFALL_TRACE").is_some() {
                eprintln!("turn {turn}: {:?} {:?} {:?} {ran:?}", seen.findings, seen.unknown, repaired);
            }
            let moved = ran.tally.files(landfall_core::state::State::Success) == ran.tally.all().files;
            Ok(repaired.complete() && ran.gathered.postponed == 0 && seen.unknown == 0 && told && moved)
        }
        .await;
        match outcome {
            Ok(true) if turn > 0 => return Ok(()),
            Ok(_) => {}
            Err(error) if tolerant => tolerated(&error)?,
            Err(error) => return Err(error),
        }
        bench.wait(Duration::from_secs(3700)).await;
    }
    anyhow::bail!("something is still postponed after {TURNS} turns")
}

/// Under faults a call may end with an error that a person would answer by calling again.
fn tolerated(error: &anyhow::Error) -> Result<()> {
    let text = format!("{error:#}");
    let passing = [
        "401",
        "403",
        "429",
        "500",
        "502",
        "503",
        "504",
        "connection",
        "broke",
        "resumes",
        "timed out",
        "closed",
    ];
    ensure!(passing.iter().any(|word| text.contains(word)), "{text}");
    Ok(())
}

async fn holds(bench: &Bench, process: &Process) -> Result<()> {
    // Virtual time stands still where nothing is waited for; a verify begins later than the one before.
    bench.wait(Duration::from_secs(1)).await;
    let last = process.verify().await?;
    let check = bench.check().await?;
    ensure!(check.violated.is_empty(), "{:#?}", check.violated);
    ensure!(check.orphans.is_empty(), "objects that no row names: {:#?}", check.orphans);
    // Plain files were only replaced here: nobody said that they may be removed.
    let settled = last.open_findings() == 0 && last.unknown + last.unread == 0 && !last.interrupted;
    ensure!(settled, "{last:#?}");
    Ok(())
}

#[test]
fn what_the_answer_file_expects_is_what_repair_and_run_leave() {
    in_virtual_time(async {
        let config = ArchiveConfig { files: 300, ..ArchiveConfig::default() };
        let bench = Bench::new(config).await.unwrap();
        let process = bench.process().await.unwrap();
        let first = process.verify().await.unwrap();
        assert!(first.open_findings() > 0);
        assert_eq!(first.checked, first.present + first.absent + first.unknown);
        finish(&bench, &process, false).await.unwrap();
        holds(&bench, &process).await.unwrap();
        let commits: usize = bench.world.repos().iter().map(|repo| bench.world.hub.commits(repo).len()).sum();
        let before = std::fs::read(bench.folder.path().join("data/eventmonitor.db")).unwrap();
        let repaired = process.repair().await.unwrap();
        assert!(repaired.posts.is_empty(), "{repaired:?}");
        process.run().await.unwrap();
        let again: usize = bench.world.repos().iter().map(|repo| bench.world.hub.commits(repo).len()).sum();
        assert_eq!(commits, again, "a second repair and run commit nothing");
        assert!(before == std::fs::read(bench.folder.path().join("data/eventmonitor.db")).unwrap());
    });
}

/// One case: kills at drawn points under faults, then whatever is left, then the answer file.
async fn case(seed: u64) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let faults = [Faults::None, Faults::Mild, Faults::Wild][rng.usize(..3)];
    let bench = Bench::new(ArchiveConfig { seed, files: 60, faults, ..ArchiveConfig::default() }).await?;
    for _ in 0..rng.usize(1..4) {
        let at = rng.u64(20..4000);
        let step = rng.u8(..3);
        let opened = bench.mortal(at);
        let (fuse, process) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                tolerated(&error)?;
                continue;
            }
        };
        let work = async {
            let verified = process.verify().await.map(drop);
            match step {
                0 => verified.and(process.repair().await.map(drop)),
                1 => verified.and(process.run().await.map(drop)),
                _ => process.repair().await.map(drop).and(process.run().await.map(drop)),
            }
        };
        tokio::select! {
            biased;
            // The process is dropped where the fuse blew: that is the kill.
            () = fuse.blown() => {}
            ended = work => {
                if let Err(error) = ended {
                    tolerated(&error)?;
                }
            }
        }
        drop(process);
        bench.crash();
        bench.wait(Duration::from_secs(1)).await;
    }
    bench.world.hub.set_faults(Faults::None);
    let process = bench.process().await?;
    finish(&bench, &process, true).await?;
    holds(&bench, &process).await
}

#[test]
fn drawn_seeds_with_faults_and_kills_end_as_the_answer_file_says() {
    let one = std::env::var("LANDFALL_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let count =
        std::env::var("LANDFALL_ARCHIVE_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(6);
    let seeds = one.map_or(0..count, |seed| seed..seed + 1);
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().unwrap().len() >= TOLD {
                        return;
                    }
                    // Each seed has a runtime and a virtual time of its own.
                    let played = std::thread::spawn(move || play(seed)).join();
                    match played {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            failed.lock().unwrap().push(format!("LANDFALL_SEED={seed}: {error:?}"))
                        }
                        Err(_) => failed.lock().unwrap().push(format!("LANDFALL_SEED={seed} panicked")),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn play(seed: u64) -> Result<()> {
    let outcome = Arc::new(Mutex::new(None));
    let told = outcome.clone();
    in_virtual_time(async move {
        let played = case(seed).await;
        *told.lock().unwrap() = Some(played);
    });
    outcome.lock().unwrap().take().context("it never ended")?
}

#[test]
fn what_we_sent_ourselves_is_never_absent_to_a_verify_that_was_interrupted_before() {
    in_virtual_time(async {
        let bench = Bench::new(ArchiveConfig { files: 60, ..ArchiveConfig::default() }).await.unwrap();
        let interrupt = async || {
            let process = bench.process().await.unwrap();
            process.engine.stop.cancel();
            assert!(process.verify().await.unwrap().interrupted);
        };
        interrupt().await;
        let first = bench.process().await.unwrap().verify().await.unwrap();
        assert!(first.resumed, "nothing was written: it goes on");
        interrupt().await;
        let process = bench.process().await.unwrap();
        process.repair().await.unwrap();
        bench.wait(Duration::from_secs(1)).await;
        let after = process.verify().await.unwrap();
        assert!(!after.resumed);
        let lost =
            |report: &landfall_archive::VerifyReport| report.findings.get("absent").copied().unwrap_or(0);
        assert!(lost(&after) < lost(&first), "{after:#?}");
    });
}

/// Runs one statement on the archive's database, as another program would.
async fn execute(bench: &Bench, statement: String) {
    let url = format!("sqlite:{}", bench.folder.path().join("data/eventmonitor.db").display());
    let done = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use sqlx::Connection as _;
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let statement = sqlx::AssertSqlSafe(statement);
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap().rows_affected()
        })
    });
    assert_eq!(done.await.unwrap(), 1);
}

#[test]
fn sealed_content_under_a_plain_name_is_moved_without_bytes() {
    in_virtual_time(async {
        let bench = Bench::new(ArchiveConfig { files: 60, ..ArchiveConfig::default() }).await.unwrap();
        let seal = bench.seal().unwrap();
        let process = bench.process().await.unwrap();
        finish(&bench, &process, false).await.unwrap();
        let repo = &bench.world.repos()[0];
        let sealed = bench.world.hub.files(repo).into_iter().find_map(|file| {
            let (folder, name) = file.path.strip_prefix("encrypted_")?.rsplit_once('/')?;
            let plain = seal.plain_name(name)?;
            let id = plain.split('_').next()?.to_owned();
            Some((file.path.clone(), format!("{folder}/{plain}"), id))
        });
        let (sealed, plain, id) = sealed.unwrap();
        bench.world.hub.rename(repo, &sealed, &plain);
        let url = |path: &str| format!("https://huggingface.co/datasets/{repo}/resolve/main/{path}");
        let encoded = |path: &str| process.archive.shelves.print(&landfall_archive::Place::new(repo, path));
        let mut changed = 0;
        for table in ["all_tweets", "log_only_tweets"] {
            let text = format!(
                "UPDATE {table} SET huggingface_urls = replace(huggingface_urls, '{}', '{}') WHERE id = '{id}'",
                encoded(&sealed),
                url(&plain)
            );
            if bench.check().await.unwrap().rows > 0 && changed == 0 {
                let path = bench.folder.path().join("data/eventmonitor.db");
                let before = std::fs::read(&path).unwrap();
                if process
                    .archive
                    .catalogue
                    .catalogue()
                    .post(&landfall_stores::catalogue::PostKey::new(table, id.clone()))
                    .await
                    .unwrap()
                    .is_some()
                {
                    execute(&bench, text).await;
                    changed += usize::from(before != std::fs::read(&path).unwrap());
                }
            }
        }
        assert_eq!(changed, 1);
        bench.wait(Duration::from_secs(1)).await;
        let found = process.verify().await.unwrap();
        assert_eq!(found.findings.get("leak"), Some(&1), "{:?}", found.findings);
        let sent = bench.world.hub.requests().bytes_in;
        let repaired = process.repair().await.unwrap();
        assert_eq!(repaired.steps.get("move"), Some(&1), "{repaired:?}");
        let after = bench.world.hub.requests().bytes_in;
        assert!(after - sent < 20_000, "{} bytes for a move", after - sent);
        let lies: Vec<String> = bench.world.hub.files(repo).into_iter().map(|file| file.path).collect();
        assert!(lies.contains(&sealed) && !lies.contains(&plain), "{lies:?}");
        bench.wait(Duration::from_secs(1)).await;
        // Others lie there plain still, for nobody asked to take them away.
        let last = process.verify().await.unwrap();
        assert!(last.findings.is_empty() && last.unknown == 0, "{last:#?}");
        assert!(!last.leaks.iter().any(|url| url.ends_with(&plain)), "{:?}", last.leaks);
    });
}
