//! The archive in one process: a simulated Hub, media origin and resolver, a database and folders of its own,
//! and the real catalogue, Hub store, seal, engine and repair over them, in virtual time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_archive::{Archive, HubShelves, RepairOptions, RepairReport, VerifyOptions, VerifyReport};
use landfall_core::engine::{Engine, Job, Meter, Policy, RunOptions, RunReport, Slot};
use landfall_core::ledger::{Ledger, MemoryLedger};
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::seal::Seal;
use landfall_core::spool::{MemorySpool, Spool};
use landfall_core::store::{Destination as _, Holding, Source as _};
use landfall_core::transport::{Body, Request, Response, Stage, Transport, TransportError};
use landfall_core::{Chance, Clock, JobId, RelPath, StoreError, VirtualClock};
use landfall_sim::{Archive as World, ArchiveConfig, MediaSim};
use landfall_stores::catalogue::media::{FetchParts, Limits, MediaFetcher, PolicyConfig, UrlPolicy};
use landfall_stores::catalogue::{
    Ask, Catalogue, CatalogueConfig, CatalogueSource, Layout, MediaItem, MediaKind, Narrowing, Price,
    Resolved, Resolver, Roots, SourceParts, TableSpec, Unavailable,
};
use landfall_stores::hub::{HubApi, HubConfig, HubDataset, RecordedUrl, RepoId, Settings, quotas};
use landfall_stores::seal::CryptSeal;
use landfall_stores::wire::WireParts;
use secrecy::SecretString;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::crash::{CrashLedger, CrashSpool, CrashTransport, Fuse};
use crate::hub_transport::HubTransport;

/// Carries requests to the media origin in this process.
#[derive(Clone, Debug)]
pub struct MediaTransport(pub MediaSim);

#[async_trait]
impl Transport for MediaTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let reply = self.0.call(request.map(axum::body::Body::from)).await;
        let reply =
            reply.map_err(|error| TransportError { stage: Stage::Answer, detail: error.to_string() })?;
        Ok(reply.map(|body| {
            let broken =
                |error: axum::Error| TransportError { stage: Stage::Body, detail: error.to_string() };
            body.into_data_stream().map_err(broken).boxed() as Body
        }))
    }
}

/// The world's resolver without a process: a paused clock and a child process do not mix.
struct Oracle(World);

#[async_trait]
impl Resolver for Oracle {
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved> {
        asks.iter().map(|ask| self.answer(ask)).collect()
    }

    fn price(&self) -> Option<Price> {
        None
    }
}

impl Oracle {
    fn answer(&self, ask: &Ask) -> Resolved {
        let request = serde_json::json!({"v": 1, "id": ask.id, "username": ask.username}).to_string();
        let Ok(lines) = self.0.resolve(&request) else { return Resolved::Unanswered };
        for line in lines {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
            let detail = line["detail"].as_str().unwrap_or_default().to_owned();
            return match line["status"].as_str() {
                Some("ok") => Resolved::Media {
                    items: line["media"].as_array().into_iter().flatten().map(item).collect(),
                    username: line["username"].as_str().map(str::to_owned),
                },
                Some("unavailable") => {
                    let reason = match line["reason"].as_str() {
                        Some("deleted") => Unavailable::Deleted,
                        Some("protected") => Unavailable::Protected,
                        _ => Unavailable::Unknown,
                    };
                    Resolved::Unavailable { reason, detail }
                }
                Some("rate_limited") => Resolved::RateLimited {
                    until: jiff::Timestamp::from_second(line["retry_at"].as_i64().unwrap_or_default())
                        .unwrap(),
                },
                _ => Resolved::Later { detail },
            };
        }
        Resolved::Unanswered
    }
}

fn item(media: &serde_json::Value) -> MediaItem {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let mut variants: Vec<&serde_json::Value> = media["variants"].as_array().into_iter().flatten().collect();
    variants.retain(|variant| variant["content_type"] == "video/mp4");
    variants.sort_by_key(|variant| std::cmp::Reverse(variant["bitrate"].as_u64()));
    let urls = text(&media["url"]).into_iter().chain(variants.into_iter().filter_map(|v| text(&v["url"])));
    MediaItem {
        n: media["n"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
        kind: if media["type"] == "photo" { MediaKind::Image } else { MediaKind::Video },
        urls: urls.collect(),
    }
}

/// A world with everything that outlives a process.
pub struct Bench {
    /// The simulated services and the answer file.
    pub world: World,
    /// Where database and folders lie.
    pub folder: tempfile::TempDir,
    /// What this process and its predecessors know.
    pub ledger: MemoryLedger,
    spool: MemorySpool,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    trace: Arc<Mutex<Sha256>>,
}

/// One process over a world.
pub struct Process {
    /// Verify and repair.
    pub archive: Archive,
    /// The engine that they share with `run`.
    pub engine: Engine,
    /// The job.
    pub job: Arc<Job>,
}

fn flat(error: StoreError) -> anyhow::Error {
    anyhow::anyhow!(error.chain())
}

impl Bench {
    /// Draws a world and writes its database and folders; must be called in virtual time.
    pub async fn new(config: ArchiveConfig) -> Result<Self> {
        let chance = Arc::new(Chance::seeded(config.seed));
        let world = World::new(config);
        let folder = tempfile::tempdir()?;
        world.write_to(folder.path()).await?;
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting(world.hub.now()));
        let ledger = MemoryLedger::with_clock(clock.clone());
        Ok(Self { world, folder, ledger, spool: MemorySpool::new(), clock, chance, trace: Arc::default() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The seal that the world's `rclone.conf` describes.
    pub fn seal(&self) -> Result<Arc<dyn Seal>> {
        let text = std::fs::read(self.path("rclone.conf"))?;
        let file = landfall_seal::ConfigFile::read(&text, None, |_| None)?;
        let remote = landfall_seal::Remote::load(&file, |_| None, Some("secret"))?;
        Ok(Arc::new(CryptSeal::new(remote.for_writing()?.clone())))
    }

    fn lane(&self, token: bool) -> Arc<Lane> {
        let lane = LaneConfig { name: "hub".into(), quotas: quotas(!token), start: 8, most: 16 };
        Lane::new(lane, self.clock.clone(), self.chance.clone())
    }

    /// A new process, with crash points on everything it touches.
    pub async fn process_with(&self, fuse: &Arc<Fuse>, narrowing: Narrowing) -> Result<Process> {
        let ledger: Arc<dyn Ledger> =
            Arc::new(CrashLedger { inner: Arc::new(self.ledger.another_process()), fuse: fuse.clone() });
        let spool: Arc<dyn Spool> =
            Arc::new(CrashSpool { inner: Arc::new(self.spool.clone()), fuse: fuse.clone() });
        let through = |inner: Arc<dyn Transport>| CrashTransport { inner, fuse: fuse.clone() };
        let hub = through(Arc::new(HubTransport { hub: self.world.hub.clone() }));
        let media = through(Arc::new(MediaTransport(self.world.media.clone())));
        let env = self.world.env("http://hub.sim");
        let lane = self.lane(true);
        lane.restore(ledger.clone(), JobId(0)).await.map_err(flat)?;
        let api = HubApi::connect(HubConfig {
            endpoint: "http://hub.sim".into(),
            token: env.get("HF_TOKEN").map(|token| SecretString::from(token.as_str())),
            wire: WireParts {
                transport: Arc::new(hub),
                lane,
                clock: self.clock.clone(),
                chance: self.chance.clone(),
                meter: Arc::default(),
            },
            memo: Some(ledger.clone()),
        });
        let repo = RepoId::parse(&self.world.repos()[0]).map_err(flat)?;
        let dataset = HubDataset::open(&api, &repo, Settings { create: true, ..Settings::default() });
        let dataset = Arc::new(dataset.await.map_err(flat)?);
        let seal = self.seal()?;
        let source = Arc::new(self.catalogue(&ledger, media, narrowing).await?);
        let engine = Engine {
            ledger: ledger.clone(),
            spool,
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            meter: Arc::new(Meter::default()),
            stop: CancellationToken::new(),
        };
        let identity = dataset.identity();
        let handle =
            ledger.open_job("tweets", &identity, "simulation", self.clock.now()).await.map_err(flat)?;
        let tree = ledger.open_tree(&identity).await.map_err(flat)?;
        let id = ledger.open_source(&handle, "catalogue", &source.identity()).await.map_err(flat)?;
        source.bind(handle.id, id);
        let slot = Slot {
            id,
            label: "catalogue".to_owned(),
            source: source.clone(),
            scope: RelPath::root(),
            prefix: RelPath::root(),
        };
        let family = dataset.repos().iter().map(RepoId::to_string).collect();
        let job = Arc::new(Job {
            handle,
            slots: vec![slot],
            destination: dataset,
            seal: Some(seal.clone()),
            rewriting: None,
            tree,
            policy: Policy::default(),
        });
        let archive = Archive {
            engine: engine.clone(),
            job: job.clone(),
            catalogue: source,
            shelves: Arc::new(HubShelves::new(api)),
            seal: Some(seal),
            resolver: Some(Arc::new(Oracle(self.world.clone()))),
            family,
        };
        Ok(Process { archive, engine, job })
    }

    async fn catalogue(
        &self,
        ledger: &Arc<dyn Ledger>,
        media: CrashTransport,
        narrowing: Narrowing,
    ) -> Result<CatalogueSource> {
        let config = CatalogueConfig {
            url: format!("sqlite:{}", self.path("data/eventmonitor.db").display()),
            tables: vec![TableSpec::usual("all_tweets"), TableSpec::usual("log_only_tweets")],
            roots: Roots { images: self.path("images"), videos: self.path("videos") },
            narrowing,
            state: self.path(".landfall/tweets"),
        };
        let catalogue = Catalogue::open(config, self.clock.clone()).await.map_err(flat)?;
        let fetcher = MediaFetcher::new(FetchParts {
            transport: Arc::new(media),
            policy: UrlPolicy::new(&PolicyConfig::default()).map_err(flat)?,
            limits: Limits::default(),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
        });
        Ok(CatalogueSource::new(SourceParts {
            catalogue: Arc::new(catalogue),
            layout: Layout::new("encrypted_{kind}/{username}/{name}").map_err(flat)?,
            memo: ledger.clone(),
            clock: self.clock.clone(),
            fetcher: Some(Arc::new(fetcher)),
            resolver: Some(Arc::new(Oracle(self.world.clone()))),
            url_of: Box::new(recorded),
        }))
    }

    /// A process without crash points.
    pub async fn process(&self) -> Result<Process> {
        self.process_with(&Fuse::new(None, self.trace.clone()), Narrowing::default()).await
    }

    /// A process that dies at a call.
    pub async fn mortal(&self, at: u64) -> Result<(Arc<Fuse>, Process)> {
        let fuse = Fuse::new(Some(at), self.trace.clone());
        let process = self.process_with(&fuse, Narrowing::default()).await?;
        Ok((fuse, process))
    }

    /// Whatever a power cut would take from the spool.
    pub fn crash(&self) {
        self.spool.crash(&self.chance);
    }

    /// Asks the answer file.
    pub async fn check(&self) -> Result<landfall_sim::ArchiveCheck> {
        Ok(self.world.check(self.folder.path()).await?)
    }

    /// Lets time pass.
    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

impl Process {
    /// `verify`.
    pub async fn verify(&self) -> Result<VerifyReport> {
        self.archive.verify(&VerifyOptions::default()).await.map_err(flat)
    }

    /// `repair`.
    pub async fn repair(&self) -> Result<RepairReport> {
        let tell = |post: &landfall_archive::PostOutcome| {
            if std::env::var_os("LANDFALL_TRACE").is_some() {
                eprintln!("{post:?}");
            }
        };
        self.archive.repair(&RepairOptions::default(), &tell).await.map_err(flat)
    }

    /// `run`.
    pub async fn run(&self) -> Result<RunReport> {
        self.engine.run(&self.job, RunOptions::default()).await.map_err(flat)
    }
}

fn recorded(holding: &Holding) -> String {
    let parts = holding.item.as_str().split_once(':').unwrap();
    RecordedUrl::print(&RepoId::parse(parts.0).unwrap(), &RelPath::new(parts.1).unwrap())
}
