//! The archive's places, opened: catalogue with downloads and resolver, the Hub, and the seal between them.
//!
//! Owns how they are put together and which part of the catalogue a call is about. Opening costs the
//! requests that find the dataset's repositories, and writes nothing except where a missing one is made.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall_archive::{Archive, HubShelves, Shelves};
use landfall_core::engine::{Engine, Job};
use landfall_core::ledger::Ledger;
use landfall_core::memo::Memo;
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::seal::Seal;
use landfall_core::store::Holding;
use landfall_core::{Code, JobId, RelPath, SystemClock};
use landfall_stores::catalogue::media::{FetchParts, MediaFetcher, MediaTransport, PolicyConfig, UrlPolicy};
use landfall_stores::catalogue::resolver::{CommandConfig, CommandResolver, XApi, XApiConfig};
use landfall_stores::catalogue::{
    Catalogue, CatalogueConfig, CatalogueSource, Kinds, Layout, Narrowing, Resolver, SourceParts,
};
use landfall_stores::hub::{self, HubApi, HubConfig, HubDataset, RecordedUrl, RepoId, Settings};
use landfall_stores::wire::{ReqwestTransport, WireParts};

use super::{Context, Graphs, OpenSource, Quota};
use crate::args::{FileType, Posts};
use crate::config::{
    CataloguePlace, Config, Database, DatasetPlace, DestinationPlace, JobConfig, ResolverSpec, SourcePlace,
    moment,
};
use crate::environment::Environment;
use crate::error::CommandError;
use crate::{credentials, machine};

/// Requests to the Hub under way at once, at first and at most.
const AT_ONCE: (usize, usize) = (8, 16);

/// Posts that are read at a time.
const PAGE: usize = 2000;

/// The least that a resolver's command gets for its start, however little for each post.
const STARTS: Duration = Duration::from_secs(5);

/// API requests that are spent in one of the Hub's windows, and that window's length in seconds.
// Source: hub-docs, rate limits of the free plan, read 2026-11; nine tenths of it, as the lane plans.
const WINDOW: (u64, u64) = (900, 300);

/// The archive's places of a session.
pub(crate) struct OpenArchive {
    /// The catalogue as a source.
    pub(crate) source: Arc<CatalogueSource>,
    /// The Hub.
    pub(crate) api: HubApi,
    /// The dataset on it.
    pub(crate) dataset: Arc<HubDataset>,
    /// The seal.
    pub(crate) seal: Arc<dyn Seal>,
    /// Who is asked for posts again.
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
}

impl std::fmt::Debug for OpenArchive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenArchive").field("api", &self.api).finish_non_exhaustive()
    }
}

impl OpenArchive {
    /// The archive's half of the work.
    pub(crate) fn archive(&self, engine: &Engine, job: &Arc<Job>) -> Archive {
        let shelves: Arc<dyn Shelves> =
            Arc::new(HubShelves::new(self.api.clone()).knowing(self.dataset.heads()));
        Archive {
            engine: engine.clone(),
            job: Arc::clone(job),
            catalogue: Arc::clone(&self.source),
            shelves,
            seal: Some(Arc::clone(&self.seal)),
            resolver: self.resolver.clone(),
            family: self.dataset.repos().iter().map(RepoId::to_string).collect(),
        }
    }
}

/// The moment that `--since` means.
///
/// # Errors
/// Code `BadArgument` where it is none.
pub(crate) fn since(text: &str) -> Result<jiff::Timestamp, CommandError> {
    moment(text, machine::now()).ok_or_else(|| {
        let detail = format!("--since {text:?} is no date, RFC 3339 time or age like 30d");
        CommandError::new(Code::BadArgument, detail)
    })
}

/// The part of the catalogue that a call is about.
///
/// # Errors
/// Code `BadArgument` where the date is none.
pub(crate) fn narrowing(posts: &Posts) -> Result<Narrowing, CommandError> {
    let since = posts.since.as_deref().map(since).transpose()?;
    Ok(Narrowing {
        users: posts.user.iter().cloned().collect(),
        tables: posts.table.iter().cloned().collect(),
        kind: posts.file_type.map(|kind| match kind {
            FileType::Images => Kinds::Images,
            FileType::Videos => Kinds::Videos,
        }),
        since,
        start: posts.start,
    })
}

/// The catalogue of a job; nothing where its source is another one.
pub(crate) fn catalogue_of(job: &JobConfig) -> Option<(&CataloguePlace, &DatasetPlace)> {
    match (job.sources.first().map(|spec| &spec.place), &job.destination) {
        (Some(SourcePlace::Catalogue(place)), DestinationPlace::Dataset(dataset)) => Some((place, dataset)),
        _ => None,
    }
}

/// Opens the database for reading.
///
/// # Errors
/// What a person has to act on: no database, a missing table or column, a lock; an unknown `--table` or `--user`.
pub(crate) async fn catalogue(
    place: &CataloguePlace,
    narrowing: Narrowing,
    state: PathBuf,
    environment: &Environment,
) -> Result<Catalogue, CommandError> {
    let known: Vec<&str> = place.tables.iter().map(|table| table.name.as_str()).collect();
    if let Some(other) = narrowing.tables.iter().find(|table| !known.contains(&table.as_str())) {
        let detail = format!("--table {other:?} is no table of the job; there are: {}", known.join(", "));
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    let url = match &place.database {
        Database::Url(url) => url.clone(),
        Database::Variable(name) => environment
            .get(name)
            .map(str::to_owned)
            .ok_or_else(|| CommandError::new(Code::MissingVariable, format!("{name} is not set")))?,
    };
    let (tables, roots) = (place.tables.clone(), place.roots.clone());
    let config = CatalogueConfig { url, tables, roots, narrowing, state };
    let catalogue = Catalogue::open(config, Arc::new(SystemClock)).await?;
    wrote_something(&catalogue).await?;
    Ok(catalogue)
}

/// Refuses a `--user` by whom no post is: a slip in a name would look like an archive in good order.
async fn wrote_something(catalogue: &Catalogue) -> Result<(), CommandError> {
    let mut missing = catalogue.config().narrowing.users.clone();
    let tables: Vec<&str> = catalogue.tables().collect();
    for table in &tables {
        let mut after: Option<String> = None;
        while !missing.is_empty() {
            let page = catalogue.posts(table, after.as_deref(), PAGE).await?;
            for post in &page.posts {
                missing.retain(|user| user.to_lowercase() != post.username.to_lowercase());
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(user) => {
            let detail = format!("--user {user:?} matches no post in {}", tables.join(", "));
            Err(CommandError::new(Code::BadArgument, detail))
        }
    }
}

/// A connection to the Hub, its lane restored from the ledger.
///
/// # Errors
/// Code `InsecureEndpoint`, and where the network or the ledger cannot be used.
pub(crate) async fn hub(
    environment: &Environment,
    graphs: &mut Graphs,
    ledger: &Arc<dyn Ledger>,
) -> Result<HubApi, CommandError> {
    let endpoint = credentials::hub_endpoint(environment)?;
    let token = credentials::hub_token(environment)?;
    let chance = Arc::new(machine::chance());
    let lane = LaneConfig {
        name: format!("hub/{endpoint}"),
        quotas: hub::quotas(token.is_none()),
        start: AT_ONCE.0,
        most: AT_ONCE.1,
    };
    let lane = Lane::new(lane, Arc::new(SystemClock), Arc::clone(&chance));
    let memo: Arc<dyn Memo> = Arc::clone(ledger) as Arc<dyn Memo>;
    // The account's quota belongs to no one job.
    lane.restore(Arc::clone(&memo), JobId(0)).await?;
    graphs.adopt(Arc::clone(&lane));
    let (units, seconds) = WINDOW;
    graphs.quota = Quota { minute: Some(units), window: Duration::from_secs(seconds), day: None };
    let wire = WireParts {
        transport: Arc::new(ReqwestTransport::new(hub::USER_AGENT)?),
        lane,
        clock: Arc::new(SystemClock),
        chance,
        meter: Arc::clone(&graphs.meter),
    };
    Ok(HubApi::connect(HubConfig { endpoint, token, wire, memo: Some(memo) }))
}

/// Who is asked for posts again, where the configuration names somebody.
///
/// # Errors
/// Code `MissingVariable` where a token is needed and not set.
pub(crate) fn resolver(
    place: &CataloguePlace,
    config: &Config,
    environment: &Environment,
) -> Result<Option<Arc<dyn Resolver>>, CommandError> {
    let clock = Arc::new(SystemClock);
    Ok(match &place.resolver {
        None => None,
        Some(ResolverSpec::Command { argv, environment: allow, each }) => {
            let mut command = CommandConfig::new(argv.clone(), environment.all());
            command.folder = Some(config.folder.clone());
            command.allow.clone_from(allow);
            if let Some(each) = *each {
                command.each = each;
                command.grace = each.clamp(STARTS, command.grace);
            }
            Some(Arc::new(CommandResolver::new(command, clock)))
        }
        Some(ResolverSpec::XApi { max_reads, max_micro_usd, base }) => {
            let mut api =
                XApiConfig { max_reads: *max_reads, max_micro_usd: *max_micro_usd, ..XApiConfig::default() };
            if let Some(base) = base {
                api.base.clone_from(base);
            }
            let bearer = credentials::required_secret("X_BEARER_TOKEN", environment)?;
            let transport = Arc::new(ReqwestTransport::new(hub::USER_AGENT)?);
            Some(Arc::new(XApi::new(transport, bearer, &api, clock, Arc::new(machine::chance()))?))
        }
    })
}

/// What opening the archive's places needs.
pub(super) struct Wish<'a> {
    pub(super) context: &'a Context,
    pub(super) config: &'a Config,
    pub(super) job: &'a JobConfig,
    pub(super) ledger: &'a Arc<dyn Ledger>,
    pub(super) narrowing: Narrowing,
    /// A missing repository is made, and a token is needed.
    pub(super) writes: bool,
}

/// Opens all of it; nothing where the job is no archive.
pub(super) async fn open(
    wish: Wish<'_>,
    graphs: &mut Graphs,
) -> Result<Option<(OpenArchive, Vec<OpenSource>)>, CommandError> {
    let Wish { context, config, job, ledger, narrowing, writes } = wish;
    let environment = &context.environment;
    let Some((place, dataset)) = catalogue_of(job) else { return Ok(None) };
    let Some(seal) = &job.seal else {
        return Err(CommandError::new(Code::BadConfig, "no key, no upload: the job has no seal"));
    };
    // First whatever needs no network.
    let seal: Arc<dyn Seal> = Arc::new(super::seal(seal, environment)?);
    let resolver = resolver(place, config, environment)?;
    let catalogue = catalogue(place, narrowing, config.state_folder(&job.name), environment).await?;
    if writes && credentials::hub_token(environment)?.is_none() {
        return Err(credentials::no_hub_token());
    }
    let api = hub(environment, graphs, ledger).await?;
    let settings = Settings { create: writes, ..Settings::default() };
    let opened = HubDataset::open(&api, &dataset.repo, settings).await?;
    let source = CatalogueSource::new(SourceParts {
        catalogue: Arc::new(catalogue),
        layout: Layout::new(&dataset.layout)?,
        memo: Arc::clone(ledger) as Arc<dyn Memo>,
        clock: Arc::new(SystemClock),
        fetcher: Some(Arc::new(fetcher(place, config)?)),
        resolver: resolver.clone(),
        url_of: Box::new(recorded),
    });
    let source = Arc::new(source);
    let opened = OpenArchive { source: Arc::clone(&source), api, dataset: Arc::new(opened), seal, resolver };
    let spec = job.sources.first().cloned();
    let sources = spec.map(|spec| OpenSource { spec, source, prefix: RelPath::root() });
    Ok(Some((opened, sources.into_iter().collect())))
}

fn fetcher(place: &CataloguePlace, config: &Config) -> Result<MediaFetcher, CommandError> {
    let policy = PolicyConfig { hosts: place.hosts.clone(), overrides: place.overrides.clone() };
    let policy = UrlPolicy::new(&policy)?;
    let transport = Arc::new(MediaTransport::new(&policy, config.network.proxy.as_deref())?);
    let (clock, chance) = (Arc::new(SystemClock), Arc::new(machine::chance()));
    Ok(MediaFetcher::new(FetchParts { transport, policy, limits: place.limits.clone(), clock, chance }))
}

/// What a proven object is called in the database.
fn recorded(holding: &Holding) -> String {
    let item = holding.item.as_str();
    let parts = item.split_once(':');
    let read = parts.and_then(|(repo, path)| Some((RepoId::parse(repo).ok()?, RelPath::new(path).ok()?)));
    read.map_or_else(|| item.to_owned(), |(repo, path)| RecordedUrl::print(&repo, &path))
}

#[cfg(test)]
mod tests {
    use landfall_core::Digests;
    use landfall_core::proof::Evidence;
    use landfall_core::words::ItemKey;

    use super::*;

    #[test]
    fn a_proven_object_is_recorded_under_the_address_that_other_programs_expect() {
        let evidence = Evidence { size: landfall_core::ByteSize(48), digests: Digests::none() };
        let held = |item: &str| Holding {
            item: ItemKey(item.to_owned()),
            revision: None,
            evidence: evidence.clone(),
        };
        assert_eq!(
            recorded(&held("me/EventMonitor_2:encrypted_images/花子/g2li")),
            "https://huggingface.co/datasets/me/EventMonitor_2/resolve/main/encrypted_images/%E8%8A%B1%E5%AD%90/g2li"
        );
    }

    #[test]
    fn words_of_the_command_line_narrow_the_catalogue() {
        let posts = Posts {
            user: vec!["花子".to_owned()],
            file_type: Some(FileType::Videos),
            since: Some("2025-06-21".to_owned()),
            ..Posts::default()
        };
        let narrowed = narrowing(&posts).unwrap();
        assert!(narrowed.takes("all_tweets", "花子", "2025-06-21 00:00:01"));
        assert!(!narrowed.takes("all_tweets", "花子", "2025-06-20 23:59:59"));
        assert!(!narrowed.takes("all_tweets", "太郎", "2025-06-22 00:00:00"));
        assert_eq!(narrowed.kind, Some(Kinds::Videos));
        let bad = Posts { since: Some("yesterday".to_owned()), ..Posts::default() };
        assert_eq!(narrowing(&bad).unwrap_err().code, Code::BadArgument);
    }
}
