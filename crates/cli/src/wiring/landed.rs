//! A job from its other end: ledger, destination and seal, without its sources, which may be long gone; and
//! the place that something is brought back to.
//!
//! Owns the order of opening and the checks that need both: the same destination as before, the same key, and
//! a target that lies in neither end of the job.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_core::engine::{Engine, Filters, Job, NamePolicy, Policy, Slot};
use landfall_core::held::{Choice, Held, Origin};
use landfall_core::ledger::{JobHandle, Ledger, SourceRow};
use landfall_core::memo::MemoKey;
use landfall_core::rewriting::Rewriting;
use landfall_core::seal::Seal;
use landfall_core::spool::DiskSpool;
use landfall_core::state::Via;
use landfall_core::store::{Destination, OnConflict, Source as _};
use landfall_core::words::{SourceId, fold_hash};
use landfall_core::{Code, RelPath, StoreError, SystemClock};
use landfall_stores::hub::{HubDataset, Settings};
use landfall_stores::rewriting::PartsJudge;
use rust_i18n::t;

use super::{Context, Graphs, archives, make_state_folder, places, seal, sealed, tidy};
use crate::config::{Config, DestinationPlace, JobConfig, last_segment};
use crate::error::CommandError;
use crate::machine;

/// A job's destination, open for reading.
#[derive(Debug)]
pub(crate) struct Landed {
    config: Arc<Config>,
    wanted: JobConfig,
    /// Where what has landed lies.
    pub(crate) origin: Origin,
    /// The job in the ledger, without its lease.
    pub(crate) handle: JobHandle,
    /// Its sources.
    pub(crate) sources: Vec<SourceRow>,
    /// The connections, for their counters.
    pub(crate) graphs: Graphs,
    /// The job's state folder.
    pub(crate) state: PathBuf,
}

impl Landed {
    /// Opens it. Asks nothing of any source.
    ///
    /// # Errors
    /// Where the job never ran, its destination is another one by now, or the key is missing or another one.
    pub(crate) async fn open(context: &mut Context, name: &str) -> Result<Self, CommandError> {
        let config = context.load()?;
        let wanted = config.job(name)?;
        let ledger = context.ledger(&config).await?;
        let Some(handle) = ledger.find_job(name).await? else {
            let detail = format!("the ledger knows nothing of {name:?} yet");
            let error = CommandError::new(Code::Incomplete, detail).titled("status.not_run");
            return Err(error.hinted(t!("status.never", job = name)));
        };
        // Before anything that needs the network.
        let seal = key_of(&wanted, context, ledger.as_ref(), &handle).await?;
        let mut graphs = Graphs::new(context, &config, &ledger)?;
        let destination = alone(context, &wanted, &config, (&mut graphs, &ledger)).await?;
        let now = format!("{} path {:?}", destination.identity(), wanted.path);
        if now != handle.identity {
            let detail = format!("it was {} before and is {now} now", handle.identity);
            return Err(CommandError::new(Code::TargetChanged, detail));
        }
        let state = config.state_folder(name);
        make_state_folder(&state)?;
        let sources = ledger.sources(handle.id).await?;
        let origin = Origin { ledger, job: handle.id, destination, seal };
        Ok(Self { config, wanted, origin, handle, sources, graphs, state })
    }

    /// What of each source is wanted, by filters that count from the folder that the job is about.
    pub(crate) fn choices(&self, paths: &Filters) -> Vec<(SourceId, Choice)> {
        let choice = |source: &SourceRow| {
            let spec = self.wanted.sources.iter().find(|spec| spec.label == source.label);
            let scope = spec.map(|spec| spec.path.clone()).unwrap_or_default();
            (source.id, Choice { paths: paths.clone(), scope, only: None })
        };
        self.sources.iter().map(choice).collect()
    }

    /// An engine that fetches into a spool of its own: the job's spool holds the job's files, by their numbers.
    pub(crate) async fn engine(&self, context: &Context, spool: &Path) -> Result<Engine, CommandError> {
        Ok(Engine {
            ledger: Arc::clone(&self.origin.ledger),
            spool: Arc::new(DiskSpool::open(spool).await?),
            clock: Arc::new(SystemClock),
            chance: Arc::new(machine::chance()),
            meter: Arc::default(),
            stop: context.stop.clone(),
        })
    }

    /// How to move: as the job is configured, and never over anything that is there.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            on_conflict: OnConflict::Keep,
            // What cannot stand there under its name comes back under the nearest one, and is counted.
            names: NamePolicy::Map,
            filters: Filters::default(),
            via: Via::Stream,
            ..self.wanted.policy.clone()
        }
    }

    /// Takes the lease on the job itself, for dates and runs of its own.
    ///
    /// # Errors
    /// Code `JobBusy`, among others of the ledger's.
    pub(crate) async fn lease(&self) -> Result<JobHandle, StoreError> {
        let (name, identity) = (&self.handle.name, &self.handle.identity);
        self.origin.ledger.open_job(name, identity, &machine::holder(), machine::now()).await
    }
}

/// A job's destination of whatever kind, without anything of its sources.
pub(super) async fn alone(
    context: &Context,
    wanted: &JobConfig,
    config: &Config,
    (graphs, ledger): (&mut Graphs, &Arc<dyn Ledger>),
) -> Result<Arc<dyn Destination>, CommandError> {
    match &wanted.destination {
        DestinationPlace::Dataset(dataset) => {
            let api = archives::hub(&context.environment, graphs, ledger).await?;
            Ok(Arc::new(HubDataset::open(&api, &dataset.repo, Settings::default()).await?))
        }
        _ => places::destination(wanted, config, graphs, ledger).await,
    }
}

/// The key that opens what the job has landed.
async fn key_of(
    wanted: &JobConfig,
    context: &Context,
    ledger: &dyn Ledger,
    handle: &JobHandle,
) -> Result<Option<Arc<dyn Seal>>, CommandError> {
    let before = ledger.memo(&MemoKey::new(handle.id, "seal", "fingerprint")).await?;
    let Some(spec) = &wanted.seal else {
        return match before {
            None => Ok(None),
            Some(_) => {
                let detail =
                    format!("the files of {} are sealed, and the job names no seal now", wanted.name);
                Err(CommandError::new(Code::SealConfig, detail))
            }
        };
    };
    let seal: Arc<dyn Seal> = Arc::new(seal(spec, &context.environment)?);
    if before.is_some_and(|before| before != seal.fingerprint()) {
        let detail = format!("{} was sealed with another key", wanted.name);
        return Err(CommandError::new(Code::WrongSealKey, detail));
    }
    Ok(Some(seal))
}

/// Where something is brought back to.
#[derive(Clone)]
pub(crate) struct Target {
    destination: Arc<dyn Destination>,
    /// The path below its root, `{user}` still in it.
    path: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({self})")
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let identity = self.destination.identity();
        let place = identity.strip_prefix("fs:").unwrap_or(&identity);
        if self.path.is_empty() { f.write_str(place) } else { write!(f, "{place} {}", self.path) }
    }
}

impl Target {
    /// Finds it.
    ///
    /// # Errors
    /// Code `BadArgument` for a place that takes no plain files; `DestinationInsideSource` for one that lies in
    /// the job's own source or destination, or holds one of them.
    pub(crate) async fn open(landed: &mut Landed, text: &str) -> Result<Self, CommandError> {
        let bad = |detail: String| Err(CommandError::new(Code::BadArgument, detail));
        let target = match text.strip_prefix("job:") {
            Some(name) => {
                let other = landed.config.job(name)?;
                if other.seal.is_some() || matches!(other.destination, DestinationPlace::Dataset(_)) {
                    return bad(format!("{name} seals what it holds; nothing is brought back there"));
                }
                let (config, ledger) = (&landed.config, &landed.origin.ledger);
                let destination = places::destination(&other, config, &mut landed.graphs, ledger).await?;
                let destination = sealed::aside(destination, config, ledger.as_ref()).await?;
                Self { destination, path: other.path }
            }
            None if text.trim().is_empty() => return bad("TARGET is empty".to_owned()),
            None => Self { destination: places::folder(Path::new(text)).await?, path: String::new() },
        };
        target.keep_apart(landed)?;
        Ok(target)
    }

    /// The path up to where it differs from user to user.
    fn fixed(path: &str) -> RelPath {
        let fixed: Vec<&str> = path.split('/').take_while(|s| !s.contains("{user}")).collect();
        RelPath::lenient(&fixed.join("/")).unwrap_or_default()
    }

    fn keep_apart(&self, landed: &Landed) -> Result<(), CommandError> {
        let own = (self.destination.identity(), Self::fixed(&self.path));
        let refuse = |what: &str| {
            let detail = format!("{self} overlaps with {what} of {}", landed.handle.name);
            Err(CommandError::new(Code::DestinationInsideSource, detail).titled("restore.overlap"))
        };
        let destination = (landed.origin.destination.identity(), Self::fixed(&landed.wanted.path));
        if overlap(&own, &destination) {
            return refuse("the destination");
        }
        if landed.sources.iter().any(|source| overlap(&own, &place_of(&source.identity))) {
            return refuse("a source");
        }
        if let Some((catalogue, _)) = archives::catalogue_of(&landed.wanted) {
            for root in [&catalogue.roots.images, &catalogue.roots.videos] {
                let root = root.canonicalize().unwrap_or_else(|_| root.clone());
                if overlap(&own, &(format!("fs:{}", root.display()), RelPath::root())) {
                    return refuse("a folder of local files");
                }
            }
        }
        Ok(())
    }

    /// The job by which the ledger knows this restore: as often as it is called, it is the same one.
    ///
    /// # Errors
    /// Code `JobBusy` where another process is at it; the ledger's own.
    pub(crate) async fn job(&self, landed: &Landed) -> Result<(JobHandle, PathBuf), CommandError> {
        let name = self.job_name(landed);
        let identity = format!("{} path {:?}", self.destination.identity(), self.path);
        let spool = landed.state.join("restore").join(format!("{:016x}", fold_hash(&name)));
        let ledger = &landed.origin.ledger;
        let handle = ledger.open_job(&name, &identity, &machine::holder(), machine::now()).await?;
        Ok((handle, spool))
    }

    /// The name of that job.
    pub(crate) fn job_name(&self, landed: &Landed) -> String {
        format!("restore of {} to {self}", landed.handle.name)
    }

    /// That job with everything resolved, for one choice of files.
    ///
    /// # Errors
    /// The ledger's own.
    pub(crate) async fn resolved(
        &self,
        landed: &Landed,
        (handle, spool): (&JobHandle, &Path),
        choices: Vec<(SourceId, Choice)>,
    ) -> Result<Arc<Job>, CommandError> {
        let ledger = &landed.origin.ledger;
        let mut slots = Vec::with_capacity(choices.len());
        for (source, choice) in choices {
            let Some(row) = landed.sources.iter().find(|row| row.id == source) else { continue };
            let held = Held::new(landed.origin.clone(), source, choice);
            let id = ledger.open_source(handle, &row.label, &held.identity()).await?;
            let prefix = self.prefix(landed, &row.label)?;
            let label = row.label.clone();
            slots.push(Slot { id, label, source: Arc::new(held), scope: RelPath::root(), prefix });
        }
        let destination = Arc::clone(&self.destination);
        let tree = ledger.open_tree(&destination.identity()).await?;
        let handle = handle.clone();
        // A target may rewrite what it is given, as any destination may.
        let rewriting = Some(Arc::new(PartsJudge::new(spool)) as Arc<dyn Rewriting>);
        let policy = landed.policy();
        Ok(Arc::new(Job { handle, slots, destination, seal: None, rewriting, tree, policy }))
    }

    /// Where one source's files go: of many, each below its own label.
    fn prefix(&self, landed: &Landed, label: &str) -> Result<RelPath, CommandError> {
        let many = landed.wanted.listed || landed.sources.len() > 1;
        let own = safe(label);
        let path = match self.path.contains("{user}") {
            true => {
                let spec = landed.wanted.sources.iter().find(|spec| spec.label == label);
                self.path.replace("{user}", spec.map_or(&own, |spec| &spec.user))
            }
            false if many => format!("{}/{own}", self.path),
            false => self.path.clone(),
        };
        RelPath::lenient(&path)
            .map_err(|error| CommandError::new(Code::BadConfig, format!("destination path: {error}")))
    }

    /// Tidies up, then gives the lease back.
    ///
    /// # Errors
    /// The ledger's own.
    pub(crate) async fn close(landed: &Landed, handle: &JobHandle, spool: &Path) -> Result<(), StoreError> {
        tidy::tidy(&landed.state, spool);
        // Refused where something still lies in them, which is the point.
        let _spool = std::fs::remove_dir(spool);
        let _folder = std::fs::remove_dir(landed.state.join("restore"));
        landed.origin.ledger.close_job(handle).await
    }
}

/// A label as one segment of a path anywhere.
pub(crate) fn safe(label: &str) -> String {
    // Of an address only its end names somebody.
    let label = if label.contains("://") { last_segment(label) } else { label.to_owned() };
    let clean: String =
        label.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect();
    let clean = clean.trim_matches(['.', ' ']);
    if clean.is_empty() { "_".to_owned() } else { clean.to_owned() }
}

type Place = (String, RelPath);

/// Place and path of a source as the ledger names it.
fn place_of(identity: &str) -> Place {
    let Some((place, path)) = identity.rsplit_once(" path \"") else {
        return (identity.to_owned(), RelPath::root());
    };
    // A path that cannot be read back counts as the whole place.
    let path: Option<String> = serde_json::from_str(&format!("\"{path}")).ok();
    (place.to_owned(), path.and_then(|path| RelPath::lenient(&path).ok()).unwrap_or_default())
}

/// True where one of two places lies in the other.
fn overlap(one: &Place, other: &Place) -> bool {
    let within = |(inner, path): &Place, (outer, scope): &Place| {
        if let (Some(inner), Some(outer)) = (inner.strip_prefix("fs:"), outer.strip_prefix("fs:")) {
            return Path::new(inner).join(path.as_str()).starts_with(Path::new(outer).join(scope.as_str()));
        }
        inner == outer && path.below(scope).is_some()
    };
    within(one, other) || within(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_nest_overlap_and_neighbours_do_not() {
        let place = |identity: &str, path: &str| (identity.to_owned(), RelPath::lenient(path).unwrap());
        assert!(overlap(&place("fs:/写真/戻し", ""), &place("fs:/写真", "")));
        assert!(overlap(&place("fs:/写真", ""), &place("fs:/写真/戻し", "")));
        assert!(overlap(&place("fs:/写真", "戻し"), &place("fs:/写真/戻し", "")));
        assert!(!overlap(&place("fs:/写真2", ""), &place("fs:/写真", "")));
        assert!(overlap(&place("drive b!1", "録音/戻し"), &place("drive b!1", "録音")));
        assert!(!overlap(&place("drive b!1", "戻し"), &place("drive b!1", "録音")));
        assert!(!overlap(&place("drive b!1", ""), &place("drive b!2", "")));
        assert_eq!(place_of("drive b!1 path \"録音/\\\"2025\\\"\""), place("drive b!1", "録音/\"2025\""));
        assert_eq!(place_of("catalogue"), place("catalogue", ""));
    }

    #[test]
    fn a_label_becomes_one_name() {
        assert_eq!(safe("ada@contoso.com"), "ada@contoso.com");
        assert_eq!(safe("host/sites/録音"), "host_sites_録音");
        assert_eq!(safe("https://host/personal/dan_contoso_com"), "dan_contoso_com");
        assert_eq!(safe(".."), "_");
        assert_eq!(safe("C:\\写真"), "C__写真");
    }
}
