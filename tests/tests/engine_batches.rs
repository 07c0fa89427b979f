//! How many commits a backlog costs: a source that gathers in stages, the engine, and the simulated Hub.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::engine::{Engine, Job, Meter, Policy, RunOptions, Slot};
use landfall_core::ledger::{Ledger, MemoryLedger};
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::spool::MemorySpool;
use landfall_core::store::{
    Destination as _, Entry, Gather, Gathered, Listed, Listing, Opening, Source, SourceCaps,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Chance, Clock, Look, RelPath, StoreError, VirtualClock};
use landfall_sim::{HubConfig as SimConfig, HubSim};
use landfall_stores::fs::FsSource;
use landfall_stores::hub::{HubApi, HubConfig, HubDataset, RepoId, Settings, quotas};
use landfall_stores::wire::WireParts;
use landfall_tests::hub_transport::HubTransport;
use landfall_tests::simulation::in_virtual_time;
use secrecy::SecretString;

const REPO: &str = "me/EventMonitor";

/// A folder that is filled a stage at a time: so many files each, and so long for it.
struct Stages {
    inner: FsSource,
    caps: SourceCaps,
    folder: PathBuf,
    sizes: Vec<usize>,
    takes: Duration,
    stage: AtomicUsize,
    made: AtomicUsize,
}

#[async_trait]
impl Source for Stages {
    fn caps(&self) -> &SourceCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    async fn list(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        self.inner.list(since).await
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        self.inner.prepare(entries).await
    }

    async fn open(&self, entry: &Entry, opening: &Opening, from: u64) -> Result<Body, StoreError> {
        self.inner.open(entry, opening, from).await
    }

    async fn look(&self, entry: &Entry) -> Look<Entry> {
        self.inner.look(entry).await
    }

    async fn children(
        &self,
        folder: Option<&ItemKey>,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        self.inner.children(folder, page).await
    }

    async fn gather(&self, _stage: Gather) -> Result<Gathered, StoreError> {
        tokio::time::sleep(self.takes).await;
        let stage = self.stage.fetch_add(1, Ordering::Relaxed);
        let files = self.sizes.get(stage).copied().unwrap_or_default();
        for _ in 0..files {
            let n = self.made.fetch_add(1, Ordering::Relaxed);
            // Binary, so that the Hub puts it into its storage.
            std::fs::write(self.folder.join(format!("録音{n:05}")), format!("RCLONE\0\0 録音 {n}")).unwrap();
        }
        let more = stage + 1 < self.sizes.len();
        Ok(Gathered { ready: files as u64, more, ..Gathered::default() })
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        self.inner.usage().await
    }
}

/// Backs up what such a source gathers; gives the number of changes of each commit.
fn commits(sizes: &[usize], takes: Duration, policy: Policy) -> Vec<usize> {
    let (all, sizes) = (sizes.iter().sum::<usize>(), sizes.to_vec());
    let (given, taken) = std::sync::mpsc::channel();
    in_virtual_time(async move {
        let scratch = tempfile::tempdir().unwrap();
        let sim = HubSim::new(SimConfig::default());
        sim.create_repo(REPO, true);
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting(sim.now()));
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::with_clock(clock.clone()));
        let chance = Arc::new(Chance::seeded(1));
        let lane = LaneConfig { name: "hub".into(), quotas: quotas(false), start: 8, most: 16 };
        let api = HubApi::connect(HubConfig {
            endpoint: "http://hub.sim".into(),
            token: Some(SecretString::from("hf_sim_write")),
            wire: WireParts {
                transport: Arc::new(HubTransport { hub: sim.clone() }),
                lane: Lane::new(lane, clock.clone(), chance.clone()),
                clock: clock.clone(),
                chance: chance.clone(),
                meter: Arc::default(),
            },
            memo: Some(ledger.clone()),
        });
        let repo = RepoId::parse(REPO).unwrap();
        let destination = HubDataset::open(&api, &repo, Settings::default()).await.unwrap();
        let inner = FsSource::open(scratch.path()).await.unwrap();
        let source = Stages {
            caps: SourceCaps { gathers: true, ..inner.caps().clone() },
            inner,
            folder: scratch.path().to_owned(),
            sizes,
            takes,
            stage: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
        };
        let handle = ledger.open_job("録音", &destination.identity(), "test", clock.now()).await.unwrap();
        let id = ledger.open_source(&handle, "src", &source.identity()).await.unwrap();
        let tree = ledger.open_tree(&destination.identity()).await.unwrap();
        let slot = Slot {
            id,
            label: "src".into(),
            source: Arc::new(source),
            scope: RelPath::root(),
            prefix: RelPath::new("encrypted_images/花子").unwrap(),
        };
        let destination = Arc::new(destination);
        let job = Job { handle, slots: vec![slot], destination, seal: None, rewriting: None, tree, policy };
        let engine = Engine {
            ledger,
            spool: Arc::new(MemorySpool::new()),
            clock,
            chance,
            meter: Arc::new(Meter::default()),
            stop: tokio_util::sync::CancellationToken::new(),
        };
        let report = engine.run(&Arc::new(job), RunOptions::default()).await.unwrap();
        assert!(report.complete(), "{report:?}");
        assert_eq!(sim.requests().violations, Vec::<String>::new());
        assert_eq!(sim.files(REPO).iter().filter(|file| file.path.contains("録音")).count(), all);
        let sizes = sim.commits(REPO).iter().skip(1).map(|commit| commit.operations).collect();
        given.send(sizes).unwrap();
    });
    taken.recv().unwrap()
}

#[test]
fn every_commit_but_the_last_is_as_full_as_the_scale_allows() {
    let sizes = commits(&[2600], Duration::ZERO, Policy::default());
    assert_eq!(sizes, [250, 400, 600, 1000, 350]);
}

#[test]
fn what_does_not_fill_a_commit_goes_with_the_next_stage() {
    let sizes = commits(&[300, 300, 300, 300], Duration::from_secs(20), Policy::default());
    assert_eq!(sizes, [250, 400, 550]);
}

#[test]
fn what_waited_long_enough_is_not_held_back_for_a_fuller_commit() {
    let sizes = commits(&[100, 100], Duration::from_secs(400), Policy::default());
    assert_eq!(sizes, [100, 100]);
}

#[test]
fn a_spool_without_room_ends_the_waiting() {
    // Each file has at least 17 bytes, and as many as are under way are counted only once they lie there.
    let policy = Policy { spool_limit: ByteSize(1000), ..Policy::default() };
    let most = 1000 / 17 + policy.files_in_flight;
    let sizes = commits(&[120, 120], Duration::ZERO, policy);
    assert_eq!(sizes.iter().sum::<usize>(), 240);
    assert!(sizes.iter().all(|changes| *changes <= most), "{sizes:?}");
}
