//! Bringing back what has landed: from the simulated library and from sealed folders, under faults and kills.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use landfall_core::digest::{Algo, Hasher};
use landfall_core::engine::{Engine, Filters, Job, Meter, Policy, RunOptions, RunReport, Slot};
use landfall_core::held::{Choice, Held, Known, Origin, Survey};
use landfall_core::ledger::{FileFilter, MemoryLedger};
use landfall_core::row::FileRow;
use landfall_core::seal::Seal;
use landfall_core::spool::MemorySpool;
use landfall_core::state::{Reason, State, Via};
use landfall_core::store::{Destination, Source as _};
use landfall_core::words::FileId;
use landfall_core::{Chance, Clock as _, RelPath, StoreError, SystemClock};
use landfall_seal::{Cipher, Keys, Options};
use landfall_sim::{Faults, WorldOp};
use landfall_stores::fs::{FsDestination, FsSource};
use landfall_stores::seal::CryptSeal;
use landfall_tests::crash::Fuse;
use landfall_tests::simulation::{Case, World, in_virtual_time};
use tokio_util::sync::CancellationToken;

fn flat(error: StoreError) -> anyhow::Error {
    anyhow::anyhow!(error.chain())
}

/// The job that brings back what another one has landed.
async fn restoring(engine: &Engine, origin: &Origin, to: &Path, choice: &Choice) -> Result<Arc<Job>> {
    let ledger = &engine.ledger;
    let target = FsDestination::open(to).await.map_err(flat)?;
    let name = format!("restore to {}", target.identity());
    let at = engine.clock.now();
    let handle = ledger.open_job(&name, &target.identity(), "test", at).await.map_err(flat)?;
    let tree = ledger.open_tree(&target.identity()).await.map_err(flat)?;
    let mut slots = Vec::new();
    for source in ledger.sources(origin.job).await.map_err(flat)? {
        let held = Held::new(origin.clone(), source.id, choice.clone());
        let id = ledger.open_source(&handle, &source.label, &held.identity()).await.map_err(flat)?;
        let root = RelPath::root();
        slots.push(Slot {
            id,
            label: source.label,
            source: Arc::new(held),
            scope: root.clone(),
            prefix: root,
        });
    }
    let policy = Policy { files_in_flight: 4, ..Policy::default() };
    Ok(Arc::new(Job {
        handle,
        slots,
        destination: Arc::new(target),
        seal: None,
        rewriting: None,
        tree,
        policy,
    }))
}

/// One process's restore of a world's job.
async fn restore(world: &World, fuse: &Arc<Fuse>, to: &Path, choice: &Choice) -> Result<RunReport> {
    let (engine, job) = world.engine(fuse).await?;
    let origin = origin(&engine, &job);
    let job = restoring(&engine, &origin, to, choice).await?;
    engine.restore(&job).await.map_err(flat)
}

fn origin(engine: &Engine, job: &Job) -> Origin {
    Origin {
        ledger: engine.ledger.clone(),
        job: job.handle.id,
        destination: job.destination.clone(),
        seal: job.seal.clone(),
    }
}

fn fuse(at: Option<u64>) -> Arc<Fuse> {
    Fuse::new(at, Arc::new(Mutex::default()))
}

fn sha256(path: &Path) -> Option<String> {
    let mut hasher = Hasher::new();
    hasher.update(&std::fs::read(path).ok()?);
    hasher.digests().sha256.map(|digest| digest.hex())
}

/// Every file below a folder by its path, but not our own part of it.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path != folder.join(".landfall") {
                    folders.push(path);
                }
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// What was brought back is what the ledger says was sent: the same files, bytes and times, and nothing else.
fn same(rows: &BTreeMap<String, FileRow>, to: &Path) -> Result<()> {
    let paths: BTreeSet<String> = rows.keys().cloned().collect();
    ensure!(tree(to) == paths, "{:?} is there and not {paths:?}", tree(to));
    for (path, row) in rows {
        let expected = row.ours.get(Algo::Sha256).context("what was sent passed through us")?.hex();
        let file = to.join(path);
        ensure!(sha256(&file) == Some(expected), "{path} holds other bytes");
        let modified = std::fs::metadata(&file)?.modified()?;
        let modified = jiff::Timestamp::try_from(modified)?;
        ensure!(Some(modified) == row.entry.times.whole_seconds().modified, "{path} has another time");
    }
    Ok(())
}

/// What the job has landed, by path at the source.
async fn rows(world: &World) -> Result<BTreeMap<String, FileRow>> {
    let mut rows = world.rows().await?;
    rows.retain(|_, row| row.state == State::Success);
    Ok(rows)
}

async fn landed(case: &Case) -> Result<World> {
    let world = World::new(case);
    let report = world.run_once().await?;
    ensure!(report.complete(), "{report:?}");
    Ok(world)
}

#[test]
fn what_landed_comes_back_and_a_second_restore_writes_nothing() {
    in_virtual_time(async {
        let world = landed(&Case::plain(5, 40)).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let to = scratch.path().join("戻し");
        let report = restore(&world, &fuse(None), &to, &Choice::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        let rows = rows(&world).await.unwrap();
        same(&rows, &to).unwrap();
        let before = std::fs::metadata(&to).unwrap().modified().unwrap();
        world.sim.reset_requests();
        let report = restore(&world, &fuse(None), &to, &Choice::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!(std::fs::metadata(&to).unwrap().modified().unwrap(), before);
        let requests = world.sim.requests();
        assert_eq!(requests.writes, 0);
        assert!(requests.total < 12, "files were read again: {:?}", requests.by_route);

        // What somebody took away or changed since: the one comes back, the other stays and is named.
        let paths: Vec<&String> = rows.keys().collect();
        std::fs::remove_file(to.join(paths[0])).unwrap();
        std::fs::write(to.join(paths[1]), "他人の編集").unwrap();
        let report = restore(&world, &fuse(None), &to, &Choice::default()).await.unwrap();
        assert!(!report.complete(), "{report:?}");
        assert_eq!(report.tally.reasons.get(&(State::Dupe, Reason::DifferentAtDestination)), Some(&1));
        assert_eq!(std::fs::read_to_string(to.join(paths[1])).unwrap(), "他人の編集");
        assert!(to.join(paths[0]).is_file());
        std::fs::remove_file(to.join(paths[1])).unwrap();
        let report = restore(&world, &fuse(None), &to, &Choice::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        same(&rows, &to).unwrap();
    });
}

#[test]
fn a_choice_brings_back_what_it_names_and_a_sample_is_the_same_again() {
    in_virtual_time(async {
        let world = landed(&Case::plain(6, 30)).await.unwrap();
        let rows = rows(&world).await.unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let origin = origin(&engine, &job);
        let source = job.slots[0].id;
        let scope = RelPath::new("Recordings").unwrap();
        let wanted = rows.keys().find(|path| path.matches('/').count() > 1).unwrap();
        let below = wanted.strip_prefix("Recordings/").unwrap();
        let escaped: String = below
            .chars()
            .flat_map(|c| if "[]{}*?!\\".contains(c) { vec!['[', c, ']'] } else { vec![c] })
            .collect();
        let paths = Filters::new(&[format!("/{escaped}")], &[]).unwrap();
        let one = Choice { paths, scope: scope.clone(), only: None };
        let scratch = tempfile::tempdir().unwrap();
        let report = restore(&world, &fuse(None), scratch.path(), &one).await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!(tree(scratch.path()), BTreeSet::from([wanted.clone()]));

        let all = [(source, Choice { scope, ..Choice::default() })];
        let sample = origin.sample(&all, 7, 11).await.unwrap();
        assert_eq!(sample.len(), 7);
        assert_eq!(origin.sample(&all, 7, 11).await.unwrap(), sample);
        assert!(origin.sample(&all, 9, 11).await.unwrap().is_superset(&sample));
        assert_ne!(origin.sample(&all, 7, 12).await.unwrap(), sample);
        assert_eq!(origin.sample(&all, 70, 11).await.unwrap().len(), 30);
        // A wider choice for the same folder keeps what is there and brings the rest.
        let only = Some(Arc::new(sample));
        let seven = Choice { only, ..Choice::default() };
        let report = restore(&world, &fuse(None), scratch.path(), &seven).await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert!(matches!(tree(scratch.path()).len(), 7 | 8));
        let report = restore(&world, &fuse(None), scratch.path(), &Choice::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        same(&rows, scratch.path()).unwrap();
    });
}

#[test]
fn what_the_source_lost_comes_back_under_the_path_it_had() {
    in_virtual_time(async {
        let world = landed(&Case::plain(8, 12)).await.unwrap();
        let before = rows(&world).await.unwrap();
        let drive = Some("ada@contoso.com".to_owned());
        let path = "Recordings".to_owned();
        world.sim.change(WorldOp::Delete { drive, path }).unwrap();
        let report = world.run_once().await.unwrap();
        assert_eq!(report.tally.gone, 12, "{report:?}");
        let scratch = tempfile::tempdir().unwrap();
        let report = restore(&world, &fuse(None), scratch.path(), &Choice::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        same(&before, scratch.path()).unwrap();
    });
}

/// Rot in the library: one byte of a file, behind the same published hash.
fn rot(world: &World, row: &FileRow) {
    let path = row.dest_path().unwrap().to_string();
    world.sim.change(WorldOp::Corrupt { drive: Some("Documents".into()), path }).unwrap();
}

#[test]
fn rot_and_loss_are_named_and_never_brought_back() {
    in_virtual_time(async {
        let world = landed(&Case::plain(9, 12)).await.unwrap();
        let mut rows = rows(&world).await.unwrap();
        let full = |row: &&FileRow| row.entry.size.0 > 0;
        let rotten: Vec<FileRow> = rows.values().filter(full).take(2).cloned().collect();
        rot(&world, &rotten[0]);
        let path = rotten[1].dest_path().unwrap().to_string();
        world.sim.change(WorldOp::Delete { drive: Some("Documents".into()), path }).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let report = restore(&world, &fuse(None), scratch.path(), &Choice::default()).await.unwrap();
        let reasons = &report.tally.reasons;
        assert_eq!(reasons.get(&(State::Ng, Reason::ChangedAtDestination)), Some(&1), "{report:?}");
        assert_eq!(reasons.get(&(State::Ng, Reason::AbsentAtDestination)), Some(&1), "{report:?}");
        for row in &rotten {
            rows.remove(row.path().unwrap().as_str());
        }
        same(&rows, scratch.path()).unwrap();

        // The drill finds the same, and what it compared is a proof of today.
        let (engine, job) = world.plain_engine().await.unwrap();
        let origin = origin(&engine, &job);
        let all = [(job.slots[0].id, Choice::default())];
        let files = Arc::new(origin.sample(&all, 100, 1).await.unwrap());
        let place = scratch.path().join("演習");
        let to: Arc<dyn Destination> = Arc::new(FsDestination::open(&place).await.unwrap());
        let drilled = engine.drill(&origin, &files, to, &Policy::default()).await.unwrap();
        assert_eq!((drilled.equal.len(), drilled.weak.len()), (10, 0), "{drilled:?}");
        let name = |row: &FileRow| format!("{}", row.path().unwrap());
        assert_eq!(drilled.different.len(), 1);
        assert_eq!(drilled.different[0].path, name(&rotten[0]));
        assert_eq!(drilled.unreadable.len(), 1);
        assert_eq!(drilled.unreadable[0].path, name(&rotten[1]));
    });
}

#[test]
fn what_no_byte_of_ever_passed_through_us_is_compared_by_the_weaker_digest_and_named() {
    in_virtual_time(async {
        let world = landed(&Case { via: Via::Copy, ..Case::plain(4, 8) }).await.unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let held = Held::new(origin(&engine, &job), job.slots[0].id, Choice::default());
        let mut survey = Survey::default();
        held.survey(&mut survey, false).await.unwrap();
        let weak = survey.kinds.get(&Known::Weak).map_or(0, |(files, _)| *files);
        assert!(weak > 0 && survey.named.len() as u64 == weak, "{survey:?}");
        let scratch = tempfile::tempdir().unwrap();
        let report = restore(&world, &fuse(None), scratch.path(), &Choice::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!(tree(scratch.path()).len(), 8);
    });
}

#[test]
fn a_full_target_ends_it_and_with_room_it_goes_on() {
    in_virtual_time(async {
        let world = landed(&Case::plain(2, 12)).await.unwrap();
        let (engine, job) = world.plain_engine().await.unwrap();
        let held = Held::new(origin(&engine, &job), job.slots[0].id, Choice::default());
        let at = engine.clock.now();
        let identity = job.destination.identity();
        let handle = engine.ledger.open_job("戻し", &identity, "test", at).await.unwrap();
        let id = engine.ledger.open_source(&handle, "ada", &held.identity()).await.unwrap();
        let prefix = RelPath::new("戻し").unwrap();
        let root = RelPath::root();
        let slot = Slot { id, label: "ada".into(), source: Arc::new(held), scope: root, prefix };
        let restoring = Arc::new(Job { handle, slots: vec![slot], ..job });
        let documents = || Some("Documents".to_owned());
        let used: u64 = rows(&world).await.unwrap().values().map(|row| row.entry.size.0).sum();
        let room = |total| world.sim.change(WorldOp::Quota { drive: documents(), total }).unwrap();
        room(Some(used + used / 3));
        let error = engine.restore(&restoring).await.unwrap_err();
        assert_eq!(error.code, Some(landfall_core::Code::DestinationFull), "{}", error.chain());
        room(Some(used * 10));
        let report = engine.restore(&restoring).await.unwrap();
        assert!(report.complete(), "{report:?}");
        let back = world.sim.tree(Some("Documents"), "戻し/Recordings");
        let landed = world.sim.tree(Some("Documents"), "Voices");
        assert_eq!(back.len(), landed.len());
        assert!(landed.len() >= 12);
    });
}

/// Restores under kills until it is whole.
async fn killed(case: &Case) -> Result<u64> {
    let world = landed(&Case { faults: Faults::None, ..Case::plain(case.seed, case.files) }).await?;
    let level = format!("{:?}", case.faults).to_lowercase();
    world.sim.change(WorldOp::Faults { level }).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let scratch = tempfile::tempdir()?;
    let rows = rows(&world).await?;
    for at in &case.kills {
        let fuse = fuse(Some(*at));
        let all = Choice::default();
        let process = restore(&world, &fuse, scratch.path(), &all);
        tokio::select! {
            biased;
            // The process is dropped where the fuse blew: that is the kill.
            () = fuse.blown() => {}
            ended = process => { tolerated(case, ended)?; }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for _ in 0..12 {
        let fuse = fuse(None);
        let ended = restore(&world, &fuse, scratch.path(), &Choice::default()).await;
        if tolerated(case, ended)?.is_some_and(|report| report.complete()) {
            same(&rows, scratch.path()).with_context(|| format!("{case:?}"))?;
            let compare = world.sim.compare("voices").context("compare")?;
            ensure!(compare.missing.is_empty() && compare.different.is_empty() && compare.extra.is_empty());
            return Ok(fuse.points());
        }
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    anyhow::bail!("never whole: {case:?}")
}

/// Wild faults may revoke two tokens in a row: such a restore ends, says so, and the next one goes on.
fn tolerated(case: &Case, ended: Result<RunReport>) -> Result<Option<RunReport>> {
    match ended {
        Ok(report) => Ok(Some(report)),
        Err(error) if case.faults != Faults::None && format!("{error:#}").contains("Authentication") => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("{case:?}")),
    }
}

#[test]
fn a_restore_killed_at_every_single_crash_point_is_whole_in_the_end() {
    let case = Case::plain(3, 4);
    let points = in_virtual_time(killed(&case)).unwrap();
    assert!(points > 50, "only {points} crash points");
    for kill in 0..points {
        let case = Case { kills: vec![kill], ..case.clone() };
        in_virtual_time(killed(&case)).unwrap_or_else(|error| panic!("kill {kill}: {error:#}"));
    }
}

#[test]
fn drawn_seeds_with_faults_and_kills_bring_back_what_landed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("LANDFALL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LANDFALL_SEEDS").map_or(60, |seeds: u64| seeds.div_ceil(10)),
    };
    for seed in seeds {
        let case = Case { via: Via::Stream, ..Case::drawn(seed) };
        in_virtual_time(killed(&case)).unwrap_or_else(|error| panic!("LANDFALL_SEED={seed}: {error:#}"));
    }
}

fn seal(password: &str) -> Arc<dyn Seal> {
    let options = Options { directory_names: false, ..Options::default() };
    Arc::new(CryptSeal::new(Cipher::new(Keys::derive(password.as_bytes(), Some(b"salt1")), options)))
}

fn engine(ledger: &MemoryLedger) -> Engine {
    Engine {
        ledger: Arc::new(ledger.another_process()),
        spool: Arc::new(MemorySpool::new()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(Chance::seeded(1)),
        meter: Arc::new(Meter::default()),
        stop: CancellationToken::new(),
    }
}

/// Seals a folder into another one, and gives where that landed.
async fn sealed(ledger: &MemoryLedger, from: &Path, to: &Path) -> Origin {
    let engine = engine(ledger);
    let source = FsSource::open(from).await.unwrap();
    let destination = Arc::new(FsDestination::open(to).await.unwrap());
    let at = SystemClock.now();
    let handle = engine.ledger.open_job("封印", &destination.identity(), "test", at).await.unwrap();
    let id = engine.ledger.open_source(&handle, "src", &source.identity()).await.unwrap();
    let tree = engine.ledger.open_tree(&destination.identity()).await.unwrap();
    let root = RelPath::root();
    let slot = Slot { id, label: "src".into(), source: Arc::new(source), scope: root.clone(), prefix: root };
    let policy = Policy { via: Via::Spool, ..Policy::default() };
    let seal = Some(seal("合言葉"));
    let job = Job { handle, slots: vec![slot], destination, seal, rewriting: None, tree, policy };
    let origin = origin(&engine, &job);
    let report = engine.run(&Arc::new(job), RunOptions::default()).await.unwrap();
    assert!(report.complete(), "{report:?}");
    origin
}

#[tokio::test]
async fn what_was_sealed_comes_back_open_and_a_forged_or_cut_object_does_not() {
    let scratch = tempfile::tempdir().unwrap();
    let (from, to) = (scratch.path().join("元"), scratch.path().join("封"));
    std::fs::create_dir_all(from.join("会議/空")).unwrap();
    let recording: Vec<u8> = (0..400_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(from.join("会議/録音.wav"), &recording).unwrap();
    std::fs::write(from.join("会議/短い.wav"), "あ").unwrap();
    std::fs::write(from.join("会議/切れる.wav"), &recording).unwrap();
    std::fs::write(from.join("無.txt"), "").unwrap();
    let ledger = MemoryLedger::new();
    let origin = sealed(&ledger, &from, &to).await;
    assert!(tree(&to).iter().all(|path| !path.contains("wav")), "{:?}", tree(&to));

    let engine = engine(&ledger);
    let back = scratch.path().join("戻");
    let job = restoring(&engine, &origin, &back, &Choice::default()).await.unwrap();
    let report = engine.restore(&job).await.unwrap();
    assert!(report.complete(), "{report:?}");
    assert_eq!(tree(&back), tree(&from));
    assert!(back.join("会議/空").is_dir());
    for path in tree(&from) {
        let both = [from.join(&path), back.join(&path)].map(|path| std::fs::read(path).unwrap());
        assert!(both[0] == both[1], "{path}");
    }

    // From the middle: what comes before is opened and dropped.
    let held =
        Held::new(origin.clone(), origin.ledger.sources(origin.job).await.unwrap()[0].id, Choice::default());
    let filter = FileFilter::default();
    let rows = origin.ledger.scan(origin.job, &filter, FileId(0), 10).await.unwrap();
    let of = |name: &str| rows.iter().find(|row| row.entry.name == name).unwrap().clone();
    let restored = engine.ledger.scan(job.handle.id, &filter, FileId(0), 10).await.unwrap();
    let entry = restored.iter().find(|row| row.entry.name == "録音.wav").unwrap().entry.clone();
    let opening = held.prepare(std::slice::from_ref(&entry)).await.remove(0).unwrap();
    let mut body = held.open(&entry, &opening, 100_001).await.unwrap();
    let mut rest = Vec::new();
    while let Some(piece) = futures_util::StreamExt::next(&mut body).await {
        rest.extend_from_slice(&piece.unwrap());
    }
    assert!(rest == recording[100_001..]);

    let lies = |name: &str| to.join(of(name).dest_path().unwrap().as_str());
    let mut bytes = std::fs::read(lies("録音.wav")).unwrap();
    bytes[200_000] ^= 1;
    std::fs::write(lies("録音.wav"), bytes).unwrap();
    let bytes = std::fs::read(lies("切れる.wav")).unwrap();
    std::fs::write(lies("切れる.wav"), &bytes[..bytes.len() - 70_000]).unwrap();
    std::fs::remove_file(lies("無.txt")).unwrap();
    let files: BTreeSet<FileId> = rows.iter().map(|row| row.id).collect();
    let place: Arc<dyn Destination> = Arc::new(FsDestination::open(scratch.path().join("演")).await.unwrap());
    let drilled = engine.drill(&origin, &Arc::new(files), place, &Policy::default()).await.unwrap();
    assert_eq!(drilled.equal, [of("短い.wav").id], "{drilled:?}");
    let different: BTreeSet<&str> = drilled.different.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(different, BTreeSet::from(["会議/切れる.wav", "会議/録音.wav"]), "{drilled:?}");
    assert_eq!(drilled.unreadable.len(), 1, "{drilled:?}");
    assert_eq!(drilled.unreadable[0].reason, Some(Reason::AbsentAtDestination));

    // Another key opens nothing, and says so instead of giving noise.
    let other = Origin { seal: Some(seal("別の合言葉")), ..origin };
    let elsewhere = scratch.path().join("別");
    let job = restoring(&engine, &other, &elsewhere, &Choice::default()).await.unwrap();
    let report = engine.restore(&job).await.unwrap();
    assert_eq!(report.tally.reasons.get(&(State::Ng, Reason::SourceDenied)), Some(&3), "{report:?}");
    assert_eq!(tree(&elsewhere), BTreeSet::from(["無.txt".to_owned()]));
}
