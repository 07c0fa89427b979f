//! Sealed snapshots of the ledger: where they go, what they are sealed with, and when they are sent.
//!
//! Owns the checks before anything is done (a seal, a folder of their own that no job fills) and the order after a
//! session: copy, seal, send, prove, take old ones away. What was done is done: one that cannot be sent is a
//! warning, and the next session goes on with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use jiff::Timestamp;
use landfall_core::engine::{Engine, SnapshotFolder};
use landfall_core::ledger::{JobHandle, Ledger, MemoryLedger};
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::seal::Seal;
use landfall_core::spool::{DiskSpool, MemorySpool};
use landfall_core::store::Destination;
use landfall_core::transport::{Body, Stage, TransportError};
use landfall_core::{Code, JobId, RelPath, StoreError, SystemClock};
use landfall_ledger::backup;
use rust_i18n::t;
use tokio::io::AsyncReadExt as _;

use super::{Context, Graphs, landed, seal, tidy};
use crate::config::{Config, JobConfig, snapshot_folder};
use crate::error::CommandError;
use crate::machine;

/// Remembers for no job in particular which folders of a destination snapshots lie in.
const ASIDE: &str = "aside";
/// Folders of one destination that are looked for; nobody has as many.
const FOLDERS: usize = 100;
/// The plain copy, for as long as it is sealed.
const COPY: &str = "ledger.db";
/// The largest piece that is read at once.
const PIECE: usize = 512 << 10;

/// Whether a session sends a snapshot at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sends {
    /// It only looks, or only plans.
    #[default]
    Never,
    /// Where the configuration names a folder.
    AsConfigured,
    /// Into this folder.
    To(String),
}

impl Sends {
    /// What a command that works does, with the folder that it was told.
    pub(crate) fn told(folder: Option<&String>) -> Self {
        folder.map_or(Self::AsConfigured, |folder| Self::To(folder.clone()))
    }
}

/// What is asked for, checked as far as that needs no network.
pub(super) struct Wanted {
    folder: RelPath,
    seal: Arc<dyn Seal>,
    keep: usize,
    every: Duration,
    database: PathBuf,
    outgoing: PathBuf,
}

/// A session's snapshots, ready to be sent.
#[derive(Debug)]
pub(super) struct Sending {
    folder: SnapshotFolder,
    since: Timestamp,
    keep: usize,
    every: Duration,
    database: PathBuf,
    outgoing: PathBuf,
}

/// The folder that is meant, and its mistakes.
fn folder_of(config: &Config, job: &JobConfig, given: Option<&str>) -> Result<Option<RelPath>, CommandError> {
    let folder = match given {
        None => config.snapshot_to()?,
        Some(text) => Some(snapshot_folder(text).map_err(|what| {
            CommandError::new(Code::BadArgument, format!("--snapshot-to {text:?}: {what}"))
        })?),
    };
    let Some(folder) = folder else { return Ok(None) };
    let fixed: Vec<&str> = job.path.split('/').take_while(|name| !name.contains("{user}")).collect();
    let own = RelPath::lenient(&fixed.join("/")).unwrap_or_default();
    if own.below(&folder).is_some() {
        let detail = format!(
            "snapshots cannot go to {:?}: {} puts its files into {:?}",
            folder.as_str(),
            job.name,
            own.as_str()
        );
        return Err(CommandError::new(Code::BadConfig, detail).hinted(t!("ledger.own_folder")));
    }
    Ok(Some(folder))
}

/// The key that snapshots are sealed with: the ledger's, else the job's own.
fn seal_of(config: &Config, job: &JobConfig, context: &Context) -> Result<Arc<dyn Seal>, CommandError> {
    match config.ledger_seal().as_ref().or(job.seal.as_ref()) {
        Some(spec) => Ok(Arc::new(seal(spec, &context.environment)?)),
        None => {
            let detail = "no key, no upload: snapshots of the ledger need a seal";
            Err(CommandError::new(Code::SealConfig, detail).hinted(t!("ledger.no_seal")))
        }
    }
}

/// What a session is to send; nothing where it is to send none.
///
/// # Errors
/// Where there is no seal, no ledger that is a file, or no folder that could serve.
pub(super) fn wanted(
    context: &Context,
    config: &Config,
    job: &JobConfig,
    sends: &Sends,
) -> Result<Option<Wanted>, CommandError> {
    let given = match sends {
        Sends::To(folder) => Some(folder.as_str()),
        Sends::AsConfigured | Sends::Never => None,
    };
    // A folder that cannot be meant is refused by whoever only looks, too: it would hide the job's own files.
    let folder = folder_of(config, job, given)?;
    let Some(folder) = folder.filter(|_| *sends != Sends::Never) else { return Ok(None) };
    let refuse =
        |detail: &str| Err(CommandError::new(Code::BadConfig, format!("snapshots cannot be sent: {detail}")));
    let (keep, every) = config.snapshots()?;
    if keep == 0 {
        return refuse("`snapshots` or `snapshot_every` is 0, so that none is ever made");
    }
    let Some(database) = config.ledger_file() else {
        return refuse("the ledger is no file; a server has tools of its own for copies");
    };
    let seal = seal_of(config, job, context)?;
    let outgoing = config.state_folder(&job.name).join("outgoing");
    Ok(Some(Wanted { folder, seal, keep, every, database, outgoing }))
}

fn aside_key(identity: &str, folder: &RelPath) -> MemoKey {
    MemoKey::new(JobId(0), ASIDE, format!("{identity}\n{}", folder.as_str()))
}

/// The destination without the folders in which snapshots lie: as configured, and as they were ever sent to.
pub(super) async fn aside(
    destination: Arc<dyn Destination>,
    config: &Config,
    ledger: &dyn Ledger,
) -> Result<Arc<dyn Destination>, CommandError> {
    let mut folders: Vec<RelPath> = config.snapshot_to()?.into_iter().collect();
    let begin = format!("{}\n", destination.identity());
    for key in ledger.memos(JobId(0), ASIDE, &begin, FOLDERS).await? {
        let Some(folder) = key.strip_prefix(&begin) else { break };
        if let Ok(folder) = RelPath::new(folder)
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    Ok(landfall_core::store::Aside::around(destination, folders))
}

impl Wanted {
    /// Looks at the folder where this ledger never did, and notes that it is no business of any job.
    ///
    /// # Errors
    /// Code `BadConfig` where its names cannot stand there, or something else lies in it.
    pub(super) async fn claim(
        self,
        engine: &Engine,
        destination: Arc<dyn Destination>,
        handle: &JobHandle,
    ) -> Result<Sending, CommandError> {
        let Self { folder, seal, keep, every, database, outgoing } = self;
        let folder =
            SnapshotFolder { job: handle.id, series: handle.name.clone(), destination, folder, seal };
        let path = folder.path(machine::now())?;
        if let Some((_, words)) = folder.destination.refuses(&path, false) {
            let detail = format!("snapshots cannot lie at {:?}: {words}", path.as_str());
            return Err(CommandError::new(Code::BadConfig, detail).hinted(t!("ledger.own_folder")));
        }
        let (since, before) = match engine.claim_snapshots(&folder).await {
            Ok(claimed) => claimed,
            Err(error) if error.kind == landfall_core::ErrorKind::Exists => {
                let error = CommandError::new(Code::BadConfig, error.chain());
                return Err(error.hinted(t!("ledger.own_folder")));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(newest) = before.snapshots.last() {
            tracing::warn!(
                folder = folder.folder.as_str(),
                newest = %newest.at,
                "snapshots of an earlier ledger lie at the destination and stay; `landfall ledger restore --from {}` brings the newest back",
                folder.series
            );
        }
        let key = aside_key(&folder.destination.identity(), &folder.folder);
        engine.ledger.remember(&key, MemoValue { text: String::new(), secret: false, expires: None }).await?;
        Ok(Sending { folder, since, keep, every, database, outgoing })
    }
}

impl Sending {
    /// Sends what waits from an earlier session, else a new one where it is time.
    pub(super) async fn take(&self, engine: &Engine) {
        if engine.stop.is_cancelled() {
            return;
        }
        match self.send(engine).await {
            Ok(Some(at)) => {
                tracing::info!(folder = self.folder.folder.as_str(), %at, "sealed snapshot of the ledger sent");
                self.prune(engine).await;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                folder = self.folder.folder.as_str(),
                error = %error.chain(),
                "no sealed snapshot of the ledger could be sent; the next session tries again"
            ),
        }
        // What waits to be sent stays; empty folders of the spool need not.
        tidy::take_away(&self.outgoing);
    }

    async fn send(&self, engine: &Engine) -> Result<Option<Timestamp>, StoreError> {
        let spool = Arc::new(DiskSpool::open(&self.outgoing).await?);
        let engine = Engine { spool, meter: Arc::default(), ..engine.clone() };
        if let Some(at) = engine.deliver_snapshot(&self.folder).await? {
            return Ok(Some(at));
        }
        let mark = backup::mark(&self.database).await?;
        if !engine.snapshot_is_due(&self.folder, &mark, self.every).await? {
            return Ok(None);
        }
        self.sweep();
        let copy = self.outgoing.join(COPY);
        backup::backup(&self.database, &copy).await?;
        let sealed = match body(&copy).await {
            Ok(plain) => engine.seal_snapshot(&self.folder, plain, &mark).await,
            Err(error) => Err(error),
        };
        // Sealed or not, no plain copy lies about.
        let _gone = std::fs::remove_file(&copy);
        sealed?;
        engine.deliver_snapshot(&self.folder).await
    }

    /// Takes plain copies away that killed sessions left half made.
    fn sweep(&self) {
        for entry in std::fs::read_dir(&self.outgoing).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(COPY)) {
                let _gone = std::fs::remove_file(entry.path());
            }
        }
    }

    async fn prune(&self, engine: &Engine) {
        match engine.prune_snapshots(&self.folder, self.since, self.keep).await {
            Ok(0) => {}
            Ok(went) => tracing::info!(went, "old snapshots taken away at the destination"),
            Err(error) => {
                tracing::warn!(error = %error.chain(), "old snapshots could not be taken away at the destination");
            }
        }
    }
}

/// A file's bytes in order.
async fn body(path: &Path) -> Result<Body, StoreError> {
    let file = tokio::fs::File::open(path).await.map_err(|error| {
        let subject = path.display().to_string();
        StoreError::new(landfall_core::ErrorKind::Denied, "read", subject, "the copy cannot be read")
            .with_source(error)
    })?;
    Ok(Box::pin(stream::try_unfold(file, |mut file| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        match file.read_buf(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((piece.freeze(), file))),
            Err(error) => Err(TransportError { stage: Stage::Body, detail: error.to_string() }),
        }
    })))
}

/// The snapshots of a job at its destination, found with nothing but the configuration and the key: no ledger is
/// opened, for there may be none.
pub(crate) async fn without_ledger(
    context: &mut Context,
    job: &str,
    given: Option<&str>,
) -> Result<(Engine, SnapshotFolder), CommandError> {
    let config = context.load()?;
    let wanted = config.job(job)?;
    let Some(folder) = folder_of(&config, &wanted, given)? else {
        let detail = "the configuration names no folder for sealed snapshots";
        return Err(CommandError::new(Code::BadArgument, detail).hinted(t!("ledger.no_folder")));
    };
    let seal = seal_of(&config, &wanted, context)?;
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let mut graphs = Graphs::new(context, &config, &ledger)?;
    let destination = landed::alone(context, &wanted, &config, (&mut graphs, &ledger)).await?;
    let engine = Engine {
        ledger,
        spool: Arc::new(MemorySpool::new()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(machine::chance()),
        meter: Arc::default(),
        stop: context.stop.clone(),
    };
    let folder = SnapshotFolder { job: JobId(0), series: wanted.name, destination, folder, seal };
    Ok((engine, folder))
}
