//! From a configuration to an engine and a job: the only place that knows all crates.
//!
//! Resolves sources and destination over the network, opens ledger and spool, takes the lease. Owns the
//! order in which that happens and the checks that need both sides; moves nothing.

mod archives;
pub(crate) mod closed;
mod graphs;
mod landed;
mod places;
mod quota;
mod sealed;
mod seals;
mod snapshots;
mod tidy;
mod unresolved;

pub(crate) use archives::{OpenArchive, catalogue, catalogue_of, hub, narrowing, resolver, since};
pub(crate) use graphs::Graphs;
pub(crate) use landed::{Landed, Target, safe};
pub(crate) use places::{destination_drive, source_drive};
pub(crate) use quota::Quota;
pub(crate) use sealed::{Sends, without_ledger};
pub(crate) use seals::{of as seal_error, remote as seal_remote, seal};
pub(crate) use unresolved::unresolved;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use landfall_archive::Archive;
use landfall_core::engine::{Engine, Job, Slot};
use landfall_core::ledger::{JobHandle, Ledger};
use landfall_core::rewriting::Rewriting;
use landfall_core::spool::DiskSpool;
use landfall_core::state::Via;
use landfall_core::store::{Destination, Source};
use landfall_core::{Code, RelPath, StoreError, SystemClock};
use landfall_ledger::backup::Snapshots;
use landfall_ledger::export::csv::UploadLog;
use landfall_stores::rewriting::PartsJudge;
use tokio_util::sync::CancellationToken;

use self::sealed::Sending;
use crate::args::{Global, Posts};
use crate::config::{Config, JobConfig, SourceSpec};
use crate::environment::Environment;
use crate::error::CommandError;
use crate::machine;
use crate::ui::Screen;

/// What every command works with.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Flags of all commands.
    pub(crate) global: Global,
    /// Variables; with the `.env` beside the configuration once that is loaded.
    pub(crate) environment: Environment,
    /// Where things are shown.
    pub(crate) screen: Screen,
    /// Set when somebody asks to stop.
    pub(crate) stop: CancellationToken,
}

impl Context {
    /// The path of the configuration.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.global.config.clone().unwrap_or_else(|| PathBuf::from("landfall.toml"))
    }

    /// Reads the configuration, and the `.env` beside it.
    pub(crate) fn load(&mut self) -> Result<Arc<Config>, CommandError> {
        let config = Config::load(&self.config_path())?;
        self.environment = std::mem::take(&mut self.environment).with_file_in(&config.folder)?;
        Ok(Arc::new(config))
    }

    /// Opens the ledger.
    pub(crate) async fn ledger(&self, config: &Config) -> Result<Arc<dyn Ledger>, CommandError> {
        let key = crate::credentials::ledger_key(&self.environment)?;
        let key_file = key_file(config, key.is_some())?;
        let options = landfall_ledger::Options { key, key_file, holder: machine::holder() };
        Ok(landfall_ledger::open(&ledger_url(config), options).await?)
    }
}

/// The file of the ledger's key. A ledger on a server has it beside the configuration where nothing else
/// is said, so that sealed upload sessions outlive the process; a ledger that is a file has it beside itself.
fn key_file(config: &Config, given: bool) -> Result<Option<PathBuf>, CommandError> {
    if let Some(path) = &config.ledger.key_file {
        return Ok(Some(config.path(path)));
    }
    if given || config.ledger.url.starts_with("sqlite:") {
        return Ok(None);
    }
    let folder = config.path(".landfall");
    make_state_folder(&folder)?;
    Ok(Some(folder.join("ledger.key")))
}

/// A relative database file counts from the configuration's folder.
fn ledger_url(config: &Config) -> String {
    match config.ledger_file() {
        Some(file) => format!("sqlite:{}", file.display()),
        None => config.ledger.url.clone(),
    }
}

/// A source that could not be reached, while the others go on.
#[derive(Debug)]
pub(crate) struct FailedSource {
    /// Its label.
    pub(crate) label: String,
    /// Why.
    pub(crate) error: CommandError,
}

/// How a session is to be opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The way of the bytes, in place of the configuration's.
    pub(crate) via: Option<Via>,
    /// Which posts this call is about.
    pub(crate) posts: Posts,
    /// This call writes to the destination.
    pub(crate) writes: bool,
    /// `--since` is about files as well.
    pub(crate) ages: bool,
    /// This call lists the sources or reads from them: a job that was closed refuses it.
    pub(crate) lists: bool,
    /// Whether a sealed snapshot of the ledger is sent at the end.
    pub(crate) sends: Sends,
}

/// A job with everything open, the lease held.
#[derive(Debug)]
pub(crate) struct Session {
    /// The engine.
    pub(crate) engine: Engine,
    /// The job.
    pub(crate) job: Arc<Job>,
    /// Sources of a list that could not be reached.
    pub(crate) failed: Vec<FailedSource>,
    /// The connections, for their counters.
    pub(crate) graphs: Graphs,
    /// The archive's places, where the job is one.
    pub(crate) archive: Option<OpenArchive>,
    /// The log.
    pub(crate) log: UploadLog,
    /// The folder of `index.json` and `upload_log.csv`.
    pub(crate) state: PathBuf,
    /// The folder of files on their way.
    spool: PathBuf,
    /// When the ledger is copied.
    snapshots: Option<Snapshots>,
    /// Where sealed copies of it go.
    sending: Option<Sending>,
    /// Since when the source is gone for good.
    pub(crate) closed: Option<Timestamp>,
}

impl Session {
    /// Opens everything. Costs a few requests and one lease.
    pub(crate) async fn open(context: &mut Context, name: &str, asked: Asked) -> Result<Self, CommandError> {
        let config = context.load()?;
        let mut wanted = config.job(name)?;
        let snapshots = snapshots::rule(&config)?;
        let sending = sealed::wanted(context, &config, &wanted, &asked.sends)?;
        let narrowing = narrowing(&asked.posts)?;
        refuse_posts(&asked, &wanted)?;
        if let Some(via) = asked.via.filter(|_| wanted.seal.is_none()) {
            wanted.policy.via = via;
        }
        let ledger = context.ledger(&config).await?;
        let before = ledger.find_job(name).await?;
        let closed = match &before {
            Some(handle) => closed::since(ledger.as_ref(), handle.id).await?,
            None => None,
        };
        // Before anything is asked of any place.
        if let Some(since) = closed.filter(|_| asked.lists) {
            return Err(closed::refusal(name, since));
        }
        let mut graphs = Graphs::new(context, &config, &ledger)?;
        let state = config.state_folder(name);
        make_state_folder(&state)?;
        let wish = archives::Wish {
            context,
            config: &config,
            job: &wanted,
            ledger: &ledger,
            narrowing,
            writes: asked.writes,
        };
        let Ends { archive, destination, sources, failed } =
            ends(wish, &mut graphs, closed.is_some(), before.as_ref()).await?;
        let identity = format!("{} path {:?}", destination.identity(), wanted.path);
        let handle = ledger.open_job(name, &identity, &machine::holder(), machine::now()).await?;
        let slots = match closed {
            Some(since) => closed::slots(&wanted, &ledger.sources(handle.id).await?, since)?,
            None => slots(&wanted, sources, ledger.as_ref(), &handle).await?,
        };
        if let (Some(archive), Some(slot)) = (&archive, slots.first()) {
            archive.source.bind(handle.id, slot.id);
        }
        if closed.is_none() {
            unresolved::keep(ledger.as_ref(), handle.id, &failed).await?;
        }
        let tree = ledger.open_tree(&destination.identity()).await?;
        let spool = DiskSpool::open(&wanted.spool).await?;
        let engine = Engine {
            ledger,
            spool: Arc::new(spool),
            clock: Arc::new(SystemClock),
            chance: Arc::new(machine::chance()),
            meter: Arc::default(),
            stop: context.stop.clone(),
        };
        let sending = match sending {
            Some(sending) => Some(sending.claim(&engine, Arc::clone(&destination), &handle).await?),
            None => None,
        };
        let destination = sealed::aside(destination, &config, engine.ledger.as_ref()).await?;
        let seal = archive.as_ref().map(|archive| Arc::clone(&archive.seal));
        let rewriting = Some(Arc::new(PartsJudge::new(&wanted.spool)) as Arc<dyn Rewriting>);
        let job = Arc::new(Job { handle, slots, destination, seal, rewriting, tree, policy: wanted.policy });
        let log = upload_log(&config, name)?;
        let spool = wanted.spool;
        Ok(Self { engine, job, failed, graphs, archive, log, state, spool, snapshots, sending, closed })
    }

    /// The archive's half of the work.
    ///
    /// # Errors
    /// Code `BadArgument` where the job is no archive.
    pub(crate) fn archive(&self) -> Result<Archive, CommandError> {
        match &self.archive {
            Some(open) => Ok(open.archive(&self.engine, &self.job)),
            None => Err(no_archive(&self.job.handle.name)),
        }
    }

    /// Sends a sealed copy of the ledger where that is due, tidies up, then gives the lease back: nobody else may
    /// be at work in these folders meanwhile. Then the ledger is copied beside itself, where that is due.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        if let Some(sending) = &self.sending {
            sending.take(&self.engine).await;
        }
        tidy::tidy(&self.state, &self.spool);
        self.engine.ledger.close_job(&self.job.handle).await?;
        if let Some(rule) = &self.snapshots {
            snapshots::take(rule).await;
        }
        Ok(())
    }

    /// A source folder that the listing did not show, if there is one: it was never there, or it is gone.
    pub(crate) async fn missing_folder(&self) -> Result<Option<CommandError>, StoreError> {
        for slot in self.job.slots.iter().filter(|slot| !slot.scope.is_root()) {
            let tally = self.engine.ledger.tally(self.job.handle.id, Some(slot.id)).await?;
            if tally.folders == 0 && tally.all().files == 0 && tally.unsettled == 0 {
                let detail = format!("{:?} does not lie in {}", slot.scope.as_str(), slot.label);
                return Ok(Some(CommandError::new(Code::SourceNotFound, detail)));
            }
        }
        Ok(None)
    }
}

/// Words about posts are refused for a job that has none.
fn refuse_posts(asked: &Asked, wanted: &JobConfig) -> Result<(), CommandError> {
    let of_posts = match asked.ages {
        true => Posts { since: None, ..asked.posts.clone() },
        false => asked.posts.clone(),
    };
    if catalogue_of(wanted).is_some() || of_posts.is_empty() {
        return Ok(());
    }
    let name = &wanted.name;
    let detail =
        format!("--user, --table, --file-type, --since and --start are about posts; {name} has none");
    Err(CommandError::new(Code::BadArgument, detail))
}

/// Both ends of a job.
struct Ends {
    archive: Option<OpenArchive>,
    destination: Arc<dyn Destination>,
    sources: Vec<OpenSource>,
    failed: Vec<FailedSource>,
}

/// Opens both ends; the sources of a closed job are asked for nothing.
async fn ends(
    wish: archives::Wish<'_>,
    graphs: &mut Graphs,
    closed: bool,
    before: Option<&JobHandle>,
) -> Result<Ends, CommandError> {
    let (wanted, config, ledger) = (wish.job, wish.config, wish.ledger);
    if let Some((archive, sources)) = archives::open(wish, graphs).await? {
        let destination: Arc<dyn Destination> = Arc::clone(&archive.dataset) as Arc<dyn Destination>;
        return Ok(Ends { archive: Some(archive), destination, sources, failed: Vec::new() });
    }
    let destination = places::destination(wanted, config, graphs, ledger).await?;
    let (sources, failed) = match closed {
        true => (Vec::new(), Vec::new()),
        false => reached(wanted, config, graphs, (ledger.as_ref(), destination.as_ref(), before)).await?,
    };
    Ok(Ends { archive: None, destination, sources, failed })
}

/// The sources, each resolved and checked against the destination; those that cannot be reached set aside.
async fn reached(
    wanted: &JobConfig,
    config: &Config,
    graphs: &mut Graphs,
    (ledger, destination, before): (&dyn Ledger, &dyn Destination, Option<&JobHandle>),
) -> Result<(Vec<OpenSource>, Vec<FailedSource>), CommandError> {
    let (sources, mut failed) = places::sources(wanted, config, graphs).await?;
    places::check(wanted, &sources, destination, before.is_some()).await?;
    let known = match before {
        Some(handle) => ledger.sources(handle.id).await?,
        None => Vec::new(),
    };
    let sources = places::with_their_folders(wanted, sources, &known, &mut failed).await?;
    Ok((sources, failed))
}

/// A resolved source with what the configuration says of it.
pub(crate) struct OpenSource {
    pub(crate) spec: SourceSpec,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) prefix: RelPath,
}

async fn slots(
    wanted: &JobConfig,
    sources: Vec<OpenSource>,
    ledger: &dyn Ledger,
    handle: &JobHandle,
) -> Result<Vec<Slot>, CommandError> {
    if !wanted.listed {
        // Where there is no list the source is the job's own: another one is another job.
        let known = ledger.sources(handle.id).await?;
        if let Some(other) = known.iter().find(|known| sources.iter().all(|s| s.spec.label != known.label)) {
            let now: Vec<&str> = sources.iter().map(|s| s.spec.label.as_str()).collect();
            let detail = format!("the source was {:?} before and is {:?} now", other.label, now.join(", "));
            return Err(CommandError::new(Code::TargetChanged, detail));
        }
    }
    let mut slots = Vec::with_capacity(sources.len());
    for OpenSource { spec, source, prefix } in sources {
        let identity = format!("{} path {:?}", source.identity(), spec.path.as_str());
        let id = ledger.open_source(handle, &spec.label, &identity).await?;
        slots.push(Slot { id, label: spec.label, source, scope: spec.path, prefix });
    }
    tracing::debug!(job = %wanted.name, sources = slots.len(), "job opened");
    Ok(slots)
}

/// A command that is about files, asked of an archive.
pub(crate) fn no_landed(job: &str) -> CommandError {
    CommandError::new(Code::BadArgument, format!("{job} is an archive: its findings are settled by `repair`"))
}

/// The error of an archive's command for a job that is none.
pub(crate) fn no_archive(job: &str) -> CommandError {
    let detail = format!("the source of {job} is no catalogue of posts");
    CommandError::new(Code::BadArgument, detail)
}

/// The job's log in its state folder.
pub(crate) fn upload_log(config: &Config, job: &str) -> Result<UploadLog, CommandError> {
    let mut log = UploadLog::at(config.state_folder(job).join("upload_log.csv"));
    log.stamp = config.stamp()?;
    if let Some(keep) = config.log.keep {
        log.keep = keep;
    }
    Ok(log)
}

/// Makes the state folder.
pub(crate) fn make_state_folder(folder: &Path) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| CommandError::new(Code::StateFolder, format!("make {}: {error}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_ledger_on_a_server_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("landfall.toml");
        let of = |ledger: &str, given| {
            std::fs::write(&path, format!("[ledger]\n{ledger}\n")).unwrap();
            key_file(&Config::load(&path).unwrap(), given).unwrap()
        };
        assert_eq!(of("url = \"sqlite:台帳.db\"", false), None);
        assert_eq!(of("url = \"postgres://host/landfall\"", true), None);
        assert!(!folder.path().join(".landfall").exists());
        let usual = folder.path().join(".landfall").join("ledger.key");
        assert_eq!(of("url = \"postgres://host/landfall\"", false), Some(usual));
        assert!(folder.path().join(".landfall").is_dir());
        let own = of("url = \"postgres://host/landfall\"\nkey_file = \"鍵\"", false);
        assert_eq!(own, Some(folder.path().join("鍵")));
    }
}
