//! Whole jobs in virtual time: the engine and the Graph store against the simulator in process, with
//! faults by seed and kills at chosen crash points, judged by the invariants of the design.
//!
//! One seed decides everything. [`run`] plays a case to its end over any number of kills and returns
//! a trace hash; the same case gives the same hash.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use landfall_core::engine::{Engine, Filters, Job, Meter, Policy, RunOptions, RunReport, Slot, Stage};
use landfall_core::ledger::{FileFilter, Ledger, MemoryLedger};
use landfall_core::memo::Memo as _;
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::row::Standing;
use landfall_core::spool::{MemorySpool, Spool};
use landfall_core::state::{State, Via};
use landfall_core::store::Destination as _;
use landfall_core::words::FileId;
use landfall_core::{Chance, Clock, RelPath, VirtualClock};
use landfall_sim::{Config, Faults, Quota, Scenario, Sim, WorldOp};
use landfall_stores::graph::{Graph, GraphConfig, Settings, quotas};
use landfall_stores::wire::{Credential, Endpoints, WireParts};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::crash::{CrashLedger, CrashSpool, CrashTransport, Fuse};
use crate::sim_transport::SimTransport;

/// One simulated life of a job.
#[derive(Clone, Debug)]
pub struct Case {
    /// Decides content, faults, jitter and everything else that is drawn.
    pub seed: u64,
    /// Files at the source.
    pub files: u64,
    /// How much goes wrong.
    pub faults: Faults,
    /// The way bytes take.
    pub via: Via,
    /// Crash points, one a process, at which it is killed; afterwards one lives to the end.
    pub kills: Vec<u64>,
    /// A tenant that throttles.
    pub quota: Quota,
    /// Children before their parents in full listings.
    pub children_first: bool,
}

impl Case {
    /// A plain case without faults or kills.
    pub fn plain(seed: u64, files: u64) -> Self {
        Self {
            seed,
            files,
            faults: Faults::None,
            via: Via::Stream,
            kills: Vec::new(),
            quota: Quota::None,
            children_first: false,
        }
    }

    /// Draws a case from a seed: faults, way, kills and order.
    pub fn drawn(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x1a2d_fa11);
        let files = rng.u64(3..16);
        let kills = (0..rng.usize(0..4)).map(|_| rng.u64(0..files * 60)).collect();
        Self {
            seed,
            files,
            faults: [Faults::None, Faults::Mild, Faults::Wild, Faults::Wild][rng.usize(0..4)],
            via: [Via::Stream, Via::Stream, Via::Spool, Via::Copy][rng.usize(0..4)],
            kills,
            quota: if rng.u8(0..4) == 0 { Quota::SmallTenant } else { Quota::None },
            children_first: rng.bool(),
        }
    }
}

/// The job that a world's processes run.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Its name, as the simulator's scenario has it.
    pub name: &'static str,
    /// The users whose drives are its sources.
    pub users: Vec<&'static str>,
    /// The folder in each.
    pub scope: &'static str,
    /// Where it goes in the library.
    pub prefix: &'static str,
    /// What the user wants.
    pub policy: Policy,
}

impl JobSpec {
    /// The job of the scenario `voices`.
    pub fn voices() -> Self {
        Self::of("voices", "Recordings", "Voices")
    }

    /// A job of one user's folder.
    pub fn of(name: &'static str, scope: &'static str, prefix: &'static str) -> Self {
        let policy = Policy { files_in_flight: 6, ..Policy::default() };
        Self { name, users: vec!["ada@contoso.com"], scope, prefix, policy }
    }
}

/// What survives a kill: the world, the ledger's store, the spool's disk.
pub struct World {
    /// The simulated tenant.
    pub sim: Sim,
    /// Its job; a test may change the policy between processes.
    pub spec: JobSpec,
    /// The ledger's store.
    pub ledger: MemoryLedger,
    /// The spool's disk.
    pub spool: MemorySpool,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    trace: Arc<Mutex<Sha256>>,
}

/// How a case ended.
#[derive(Debug)]
pub struct Outcome {
    /// Hash over every call of every process, in order.
    pub trace: String,
    /// Points passed by the last process.
    pub points: u64,
    /// Kills that really happened.
    pub killed: u32,
    /// The last run's report.
    pub report: RunReport,
    /// Requests on the wire in all.
    pub requests: u64,
}

impl World {
    /// Builds the world of a case; must be called within a paused runtime.
    pub fn new(case: &Case) -> Self {
        let mut spec = JobSpec::voices();
        spec.policy.via = case.via;
        let config = Config {
            seed: case.seed,
            scenario: Scenario::Voices,
            files: case.files,
            faults: case.faults,
            quota: case.quota,
            latency: Duration::from_millis(20),
            children_first: case.children_first,
            max_page: 7,
            ..Config::default()
        };
        Self::with(config, spec)
    }

    /// Builds a world for any scenario and job.
    pub fn with(config: Config, spec: JobSpec) -> Self {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting(start));
        let chance = Arc::new(Chance::seeded(config.seed));
        Self {
            sim: Sim::new(config),
            spec,
            ledger: MemoryLedger::with_clock(clock.clone()),
            spool: MemorySpool::new(),
            clock,
            chance,
            trace: Arc::default(),
        }
    }

    /// A process without crash points runs the job once.
    pub async fn run_once(&self) -> Result<RunReport> {
        let fuse = Fuse::new(None, self.trace.clone());
        self.process(&fuse, Stage::All).await
    }

    /// One process's run, with crash points on everything it touches.
    pub async fn process(&self, fuse: &Arc<Fuse>, stage: Stage) -> Result<RunReport> {
        let (engine, job) = self.engine(fuse).await?;
        let options = RunOptions { stage, paths: Filters::default(), ..RunOptions::default() };
        engine.run(&Arc::new(job), options).await.map_err(|e| anyhow::anyhow!("run: {}", e.chain()))
    }

    /// A fuse that blows at a point of the next process, or never.
    #[must_use]
    pub fn fuse(&self, at: Option<u64>) -> Arc<Fuse> {
        Fuse::new(at, self.trace.clone())
    }

    /// What a power cut does to the spool of a process that died.
    pub fn crash(&self) {
        self.spool.crash(&self.chance);
    }

    /// An engine and its job, as one process has them.
    pub async fn engine(&self, fuse: &Arc<Fuse>) -> Result<(Engine, Job)> {
        let ledger: Arc<dyn Ledger> =
            Arc::new(CrashLedger { inner: Arc::new(self.ledger.another_process()), fuse: fuse.clone() });
        let spool: Arc<dyn Spool> =
            Arc::new(CrashSpool { inner: Arc::new(self.spool.clone()), fuse: fuse.clone() });
        let transport =
            CrashTransport { inner: Arc::new(SimTransport { sim: self.sim.clone() }), fuse: fuse.clone() };
        let job = self.job(&ledger, Arc::new(transport)).await?;
        let engine = Engine {
            ledger,
            spool,
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            meter: Arc::new(Meter::default()),
            stop: CancellationToken::new(),
        };
        Ok((engine, job))
    }

    /// An engine without crash points.
    pub async fn plain_engine(&self) -> Result<(Engine, Job)> {
        self.engine(&Fuse::new(None, self.trace.clone())).await
    }

    /// All rows that take part or once did, by path at the source.
    pub async fn rows(&self) -> Result<std::collections::BTreeMap<String, landfall_core::row::FileRow>> {
        let flat = |e: landfall_core::StoreError| anyhow::anyhow!(e.chain());
        let job = self.ledger.find_job(self.spec.name).await.map_err(flat)?.context("job")?;
        let filter = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let rows = self.ledger.scan(job.id, &filter, FileId(0), 100_000).await.map_err(flat)?;
        Ok(rows.into_iter().map(|r| (r.path().map_or_else(String::new, |p| p.to_string()), r)).collect())
    }

    async fn job(
        &self,
        ledger: &Arc<dyn Ledger>,
        transport: Arc<dyn landfall_core::transport::Transport>,
    ) -> Result<Job> {
        let lane = Lane::new(
            LaneConfig { name: "sim".into(), quotas: quotas(1000, 1_200_000), start: 4, most: 16 },
            self.clock.clone(),
            self.chance.clone(),
        );
        let parts = WireParts {
            transport,
            lane: lane.clone(),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            meter: Arc::default(),
        };
        // What the service was told to wait for, and the day's spending, outlive a kill.
        let known = ledger.find_job(self.spec.name).await.map_err(|e| anyhow::anyhow!(e.chain()))?;
        let first = known.is_none();
        if let Some(known) = known {
            parts.lane.restore(ledger.clone(), known.id).await.map_err(|e| anyhow::anyhow!(e.chain()))?;
        }
        let flat = |e: landfall_core::StoreError| anyhow::anyhow!(e.chain());
        let env = self.sim.env();
        let get =
            |name: &str| env.get(name).cloned().with_context(|| format!("the simulator names no {name}"));
        let graph = Graph::connect(GraphConfig {
            endpoints: Endpoints::replaced(
                landfall_stores::wire::Cloud::Global,
                Some(&get("LANDFALL_LOGIN_URL")?),
                Some(&get("LANDFALL_GRAPH_URL")?),
            )
            .map_err(|e| anyhow::anyhow!(e.chain()))?,
            tenant: get("AZURE_TENANT_ID")?,
            client: get("AZURE_CLIENT_ID")?,
            credential: Credential::Secret(SecretString::from(get("AZURE_CLIENT_SECRET")?)),
            wire: parts,
        });
        let site = graph.site("contoso.sharepoint.com/sites/Archive").await.map_err(flat)?;
        let drive = graph.library(&site, "Documents").await.map_err(flat)?;
        let library = graph.destination(&drive, ledger.clone(), Settings::default());
        let handle = ledger
            .open_job(self.spec.name, &library.identity(), "simulation", self.clock.now())
            .await
            .map_err(flat)?;
        if first {
            lane.restore(ledger.clone(), handle.id).await.map_err(flat)?;
        }
        let tree = ledger.open_tree(&library.identity()).await.map_err(flat)?;
        let mut slots = Vec::new();
        for user in &self.spec.users {
            let drive = graph.user_drive(user).await.map_err(flat)?;
            let source: Arc<dyn landfall_core::store::Source> = Arc::new(graph.source(&drive));
            let id = ledger.open_source(&handle, user, &source.identity()).await.map_err(flat)?;
            let name = user.split('@').next().unwrap_or(user);
            slots.push(Slot {
                id,
                label: (*user).to_owned(),
                source,
                scope: RelPath::lenient(self.spec.scope).unwrap(),
                prefix: RelPath::lenient(&self.spec.prefix.replace("{user}", name)).unwrap(),
            });
        }
        Ok(Job {
            handle,
            slots,
            destination: Arc::new(library),
            seal: None,
            rewriting: None,
            tree,
            policy: self.spec.policy.clone(),
        })
    }
}

/// Plays a case to its end and asserts the invariants.
pub async fn run(case: &Case) -> Result<Outcome> {
    let world = World::new(case);
    let mut killed = Vec::new();
    for kill in &case.kills {
        let fuse = Fuse::new(Some(*kill), world.trace.clone());
        let died = {
            let process = world.process(&fuse, Stage::All);
            tokio::select! {
                biased;
                // The process is dropped where the fuse blew: that is the kill.
                () = fuse.blown() => true,
                ended = process => {
                    // A run may end incomplete under faults; the next one goes on.
                    tolerated(case, ended)?;
                    false
                }
            }
        };
        if died {
            killed.push(world.sim.now());
            world.spool.crash(&world.chance);
            // Whatever was on its way at the service arrives or is lost, a little later.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        still_true(&world).await.with_context(|| format!("after kill at {kill} of {case:?}"))?;
    }
    let mut last = None;
    for turn in 0..12 {
        let fuse = Fuse::new(None, world.trace.clone());
        let stage = if turn < 2 { Stage::All } else { Stage::Retry };
        if let Some(report) = tolerated(case, world.process(&fuse, stage).await)? {
            let complete = report.complete();
            last = Some((report, fuse.points()));
            if complete {
                break;
            }
        }
        // A session whose address was lost holds its name for a day, and wild faults may lose four.
        tokio::time::sleep(Duration::from_secs(13 * 3600)).await;
    }
    let (report, points) = last.context("no run")?;
    judge(case, &world, &report, &killed).await.with_context(|| format!("{case:?}"))?;
    let hash = world.trace.lock().unwrap().clone().finalize();
    let trace = hash.iter().map(|b| format!("{b:02x}")).collect();
    Ok(Outcome {
        trace,
        points,
        killed: u32::try_from(killed.len())?,
        report,
        requests: world.sim.requests().total,
    })
}

/// Wild faults may revoke two tokens in a row: such a run ends, says so, and the next one goes on.
fn tolerated(case: &Case, ended: Result<RunReport>) -> Result<Option<RunReport>> {
    match ended {
        Ok(report) => Ok(Some(report)),
        Err(error)
            if case.faults == Faults::Wild && format!("{error:#}").contains("InvalidAuthenticationToken") =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("{case:?}")),
    }
}

/// What must hold at every moment: no SUCCESS that the world does not bear out.
async fn still_true(world: &World) -> Result<()> {
    let Some(job) = world.ledger.find_job("voices").await.map_err(|e| anyhow::anyhow!(e.chain()))? else {
        return Ok(());
    };
    let compare = world.sim.compare("voices").context("compare")?;
    let bad: Vec<&String> = compare.missing.iter().chain(&compare.different).collect();
    let filter = FileFilter { states: vec![State::Success], ..FileFilter::default() };
    let rows = world
        .ledger
        .scan(job.id, &filter, FileId(0), 10_000)
        .await
        .map_err(|e| anyhow::anyhow!(e.chain()))?;
    for row in rows {
        let path = row.dest_path().context("a proven file has a place")?;
        let below = path.as_str().trim_start_matches("Voices");
        ensure!(row.proven.is_some() && row.holding.is_some(), "{path} is SUCCESS without a proof");
        let copied = row.via == Some(Via::Copy);
        let lie = bad.iter().find(|text| text.as_str() == below || text.starts_with(&format!("{below}:")));
        // A copy by the service keeps no times; that is said.
        if let Some(lie) = lie.filter(|text| !(copied && text.contains("another time"))) {
            bail!("{path} is SUCCESS and yet {lie}");
        }
    }
    Ok(())
}

/// What must hold at the end.
async fn judge(case: &Case, world: &World, report: &RunReport, killed: &[Timestamp]) -> Result<()> {
    let flat = |e: landfall_core::StoreError| anyhow::anyhow!(e.chain());
    let job = world.ledger.find_job("voices").await.map_err(flat)?.context("job")?;
    if !report.complete() {
        let filter = FileFilter::default();
        let rows = world.ledger.scan(job.id, &filter, FileId(0), 10_000).await.map_err(flat)?;
        let open: Vec<String> = rows
            .iter()
            .filter(|r| r.state != State::Success)
            .map(|r| {
                format!("{} {} {:?} {} ({} attempts)", r.entry.name, r.state, r.reason, r.comment, r.attempts)
            })
            .collect();
        bail!("not complete: {:?} {open:#?}", report);
    }
    let compare = world.sim.compare("voices").context("compare")?;
    let copied = case.via == Via::Copy;
    ensure!(compare.missing.is_empty(), "missing {:?}", compare.missing);
    // A copy by the service keeps no times; that is said, and allowed here.
    let different: Vec<_> =
        compare.different.iter().filter(|d| !(copied && d.contains("another time"))).collect();
    ensure!(different.is_empty(), "different {different:?}");
    ensure!(
        compare.extra.is_empty() && compare.doubled.is_empty(),
        "extra {:?} {:?}",
        compare.extra,
        compare.doubled
    );
    ensure!(compare.extra_versions.is_empty(), "versions {:?}", compare.extra_versions);
    let violations: Vec<_> = compare.violations.iter().filter(|v| !told_as_it_died(v, killed)).collect();
    ensure!(violations.is_empty(), "violations {violations:?}, killed at {killed:?}");
    ensure!(compare.leftover_sessions.is_empty(), "sessions {:?}", compare.leftover_sessions);
    ensure!(compare.folder_times.is_empty(), "folder times {:?}", compare.folder_times);
    ensure!(world.spool.used().await.map_err(flat)?.0 == 0, "something lies in the spool");
    let left = world.ledger.memos(job.id, "session", "", 10).await.map_err(flat)?;
    ensure!(left.is_empty(), "sessions are still remembered: {left:?}");
    still_true(world).await?;
    history(world, job.id).await?;
    second_run_is_quiet(world).await
}

/// A process that was told to wait and died before it could write that down cannot have passed it on.
fn told_as_it_died(violation: &str, killed: &[Timestamp]) -> bool {
    let told =
        violation.split("but at ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<Timestamp>().ok());
    told.is_some_and(|told| killed.iter().any(|at| (0..=40).contains(&at.duration_since(told).as_millis())))
}

/// Every row's events form a legal way from PENDING, without a gap in the sequence.
async fn history(world: &World, job: landfall_core::JobId) -> Result<()> {
    let mut states = std::collections::BTreeMap::new();
    let mut after = 0;
    loop {
        let events = world.ledger.events(job, after, 500).await.map_err(|e| anyhow::anyhow!(e.chain()))?;
        let Some(last) = events.last() else { break };
        for event in &events {
            ensure!(event.seq == after + 1, "event {} follows {after}", event.seq);
            after = event.seq;
            let before = states.insert(event.file, event.to).unwrap_or(State::Pending);
            ensure!(
                before == event.from,
                "file {} was {before}, event {} says {}",
                event.file,
                event.name,
                event.from
            );
        }
        after = last.seq;
    }
    let all = FileFilter { standings: vec![Standing::In], ..FileFilter::default() };
    let rows =
        world.ledger.scan(job, &all, FileId(0), 10_000).await.map_err(|e| anyhow::anyhow!(e.chain()))?;
    for row in rows {
        let replayed = states.get(&row.id).copied().unwrap_or(State::Pending);
        ensure!(
            replayed == row.state,
            "{} is {} but its events lead to {replayed}",
            row.entry.name,
            row.state
        );
    }
    Ok(())
}

/// A second run of a finished job sends no write.
async fn second_run_is_quiet(world: &World) -> Result<()> {
    world.sim.change(WorldOp::Faults { level: "none".into() }).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    world.sim.reset_requests();
    let fuse = Fuse::new(None, world.trace.clone());
    let report = world.process(&fuse, Stage::All).await?;
    ensure!(report.complete(), "the second run is not complete: {report:?}");
    let requests = world.sim.requests();
    ensure!(requests.writes == 0, "the second run wrote: {:?}", requests.by_route);
    Ok(())
}

/// Runs an async case in a runtime of its own with a paused clock.
pub fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made")
        .block_on(work)
}
