//! The archive's part of a job: a catalogue of posts, the seal, and a dataset on the Hub, checked.
//!
//! Owns what their keys mean and which of them need each other: nothing goes to the Hub without a seal.
//! Opens nothing; the seal's own options are looked at where it is opened.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use landfall_core::{ByteSize, Code};
use landfall_stores::catalogue::media::{Limits, MEDIA_HOSTS, PolicyConfig, UrlPolicy};
use landfall_stores::catalogue::{Columns, Layout, Roots, TableSpec};
use landfall_stores::hub::RepoId;
use toml::Spanned;

use super::parts::{
    DestinationKind, DestinationPart, JobPart, LimitsPart, ResolverKind, ResolverPart, SealPart, SourceKind,
    SourcePart, TableEntry, TablePart,
};
use super::{Config, values};
use crate::error::CommandError;

/// Where a file goes in the dataset where the configuration says nothing.
const LAYOUT: &str = "encrypted_{kind}/{username}/{name}";

/// Where the database is: told, or in a variable, since it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// `sqlite:PATH` with the path settled, `postgres://…` or `mysql://…`.
    Url(String),
    /// The variable that holds it.
    Variable(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => write!(f, "Url({:?})", url.split('@').next_back().unwrap_or_default()),
            Self::Variable(name) => write!(f, "Variable({name})"),
        }
    }
}

/// Who is asked for posts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResolverSpec {
    /// A command that speaks JSON lines, run in the configuration's folder.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Variables that it gets besides the usual ones.
        environment: Vec<String>,
        /// Time for one post.
        each: Option<Duration>,
    },
    /// The documented API of X.
    XApi {
        /// The most posts that may be read.
        max_reads: Option<u64>,
        /// The most that may be spent, in millionths of a US dollar.
        max_micro_usd: Option<u64>,
        /// Where it is, if not where it always is.
        base: Option<String>,
    },
}

/// A catalogue of posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CataloguePlace {
    /// The database.
    pub(crate) database: Database,
    /// Its tables.
    pub(crate) tables: Vec<TableSpec>,
    /// The local folders.
    pub(crate) roots: Roots,
    /// Who is asked for posts again.
    pub(crate) resolver: Option<ResolverSpec>,
    /// Hosts that media may be fetched from.
    pub(crate) hosts: Vec<String>,
    /// Hosts that lead to this machine instead.
    pub(crate) overrides: Vec<(String, String)>,
    /// Bounds of downloads.
    pub(crate) limits: Limits,
}

/// Where the seal's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealSpec {
    /// `rclone.conf`; where rclone looks for it if not given.
    pub(crate) config: Option<PathBuf>,
    /// The remote of the type crypt; the first one if not given.
    pub(crate) remote: Option<String>,
}

/// A dataset on the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatasetPlace {
    /// Owner and name.
    pub(crate) repo: RepoId,
    /// Where a file goes in it.
    pub(crate) layout: String,
}

/// Reads the source table of a catalogue.
pub(super) fn catalogue(part: &Spanned<SourcePart>, config: &Config) -> Result<CataloguePlace, CommandError> {
    let source = part.get_ref();
    let database = match (&source.database, &source.database_env) {
        (Some(url), None) => Database::Url(database_url(url, config)?),
        (None, Some(name)) => Database::Variable(name.get_ref().clone()),
        _ => {
            return Err(config.mistake(
                part.span(),
                "a catalogue needs exactly one of `database` (sqlite:FILE, postgres://…, mysql://…) and `database_env`",
            ));
        }
    };
    let Some(tables) = source.tables.as_ref().filter(|tables| !tables.get_ref().is_empty()) else {
        return Err(config.mistake(part.span(), "a catalogue needs `tables`, for instance [\"all_tweets\"]"));
    };
    let mut known = BTreeSet::new();
    let mut specs = Vec::with_capacity(tables.get_ref().len());
    for entry in tables.get_ref() {
        let spec = table(entry.get_ref());
        if !known.insert(spec.name.clone()) {
            return Err(config.mistake(entry.span(), "this table stands there twice"));
        }
        specs.push(spec);
    }
    let Some(roots) = &source.roots else {
        return Err(config.mistake(
            part.span(),
            "a catalogue needs `roots = { images = …, videos = … }`: the folders of the local files",
        ));
    };
    let roots =
        Roots { images: config.path(&roots.get_ref().images), videos: config.path(&roots.get_ref().videos) };
    let overrides = overrides(config)?;
    Ok(CataloguePlace {
        database,
        tables: specs,
        roots,
        resolver: source.resolver.as_ref().map(|part| resolver(part, config)).transpose()?,
        hosts: hosts(source, config)?,
        overrides,
        limits: limits(source.limits.as_ref(), config)?,
    })
}

/// A relative database file counts from the configuration's folder.
fn database_url(url: &Spanned<String>, config: &Config) -> Result<String, CommandError> {
    let text = url.get_ref();
    if let Some(file) = text.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        if file.is_empty() {
            return Err(config.mistake(url.span(), "sqlite: is followed by the path of the file"));
        }
        return Ok(format!("sqlite:{}", config.path(file).display()));
    }
    let schemes = ["postgres://", "postgresql://", "mysql://", "mariadb://"];
    if !schemes.iter().any(|scheme| text.starts_with(scheme)) {
        return Err(config.mistake(url.span(), "known databases are sqlite:FILE, postgres://… and mysql://…"));
    }
    let authority = text.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user).unwrap_or_default();
    if user.contains(':') {
        let what =
            "a password stands here: put the whole URL into a variable and name it with `database_env`";
        // The line would show the password.
        return Err(CommandError::new(Code::BadConfig, format!("database: {what}")));
    }
    Ok(text.clone())
}

fn table(entry: &TableEntry) -> TableSpec {
    let part = match entry {
        TableEntry::Name(name) => return TableSpec::usual(name.clone()),
        TableEntry::Columns(part) => part,
    };
    let TablePart {
        name,
        id,
        username,
        display_name,
        media_urls,
        local_media,
        huggingface_urls,
        uploaded,
        date,
    } = part.as_ref();
    let mut spec = TableSpec::usual(name.clone());
    let mut required = BTreeSet::new();
    let mut must = |own: &Option<String>, usual: &mut String| {
        if let Some(own) = own {
            usual.clone_from(own);
            required.insert(own.clone());
        }
    };
    let Columns { id: i, username: u, media_urls: m, huggingface_urls: h, .. } = &mut spec.columns;
    must(id, i);
    must(username, u);
    must(media_urls, m);
    must(huggingface_urls, h);
    let mut may = |own: &Option<String>, usual: &mut Option<String>| match own.as_deref() {
        None => {}
        Some("") => *usual = None,
        Some(own) => {
            *usual = Some(own.to_owned());
            required.insert(own.to_owned());
        }
    };
    may(display_name, &mut spec.columns.display_name);
    may(local_media, &mut spec.columns.local_media);
    may(uploaded, &mut spec.columns.uploaded);
    may(date, &mut spec.columns.date);
    spec.required = required;
    spec
}

fn resolver(part: &Spanned<ResolverPart>, config: &Config) -> Result<ResolverSpec, CommandError> {
    let own = part.get_ref();
    let api = own.kind == Some(ResolverKind::XApi);
    let strange = match (api, &own.command, &own.max_reads, &own.max_cost) {
        (true, Some(command), ..) => Some((command.span(), "`command` does not belong to the kind x-api")),
        (false, _, Some(reads), _) => Some((reads.span(), "`max_reads` belongs to the kind x-api")),
        (false, _, _, Some(cost)) => Some((cost.span(), "`max_cost` belongs to the kind x-api")),
        _ => None,
    };
    if let Some((span, what)) = strange {
        return Err(config.mistake(span, what));
    }
    if api {
        let max_micro_usd = match &own.max_cost {
            None => None,
            Some(cost) => Some(micro(*cost.get_ref()).ok_or_else(|| {
                config.mistake(cost.span(), "max_cost is a sum in US dollars, at most a million")
            })?),
        };
        let base = config.network.overrides.get("api.x.com").map(|url| url.get_ref().clone());
        let max_reads = own.max_reads.as_ref().map(|reads| *reads.get_ref());
        if max_reads.is_none() && max_micro_usd.is_none() {
            return Err(
                config.mistake(part.span(), "x-api costs money: set `max_reads` or `max_cost` (US dollars)")
            );
        }
        return Ok(ResolverSpec::XApi { max_reads, max_micro_usd, base });
    }
    let Some(command) = own.command.as_ref().filter(|command| !command.get_ref().is_empty()) else {
        return Err(
            config.mistake(part.span(), "a resolver needs `command = [\"PROGRAM\", …]`, or kind = \"x-api\"")
        );
    };
    Ok(ResolverSpec::Command {
        argv: command.get_ref().clone(),
        environment: own.environment.clone(),
        each: own.seconds.as_ref().map(|seconds| Duration::from_secs((*seconds.get_ref()).max(1))),
    })
}

/// US dollars in millionths.
fn micro(dollars: f64) -> Option<u64> {
    // A duration counts seconds with nine decimals: the same arithmetic, without casts.
    if dollars > 1_000_000.0 {
        return None;
    }
    u64::try_from(Duration::try_from_secs_f64(dollars).ok()?.as_micros()).ok()
}

fn hosts(source: &SourcePart, config: &Config) -> Result<Vec<String>, CommandError> {
    let usual = MEDIA_HOSTS.iter().map(|host| (*host).to_owned());
    let Some(more) = &source.allow_hosts else { return Ok(usual.collect()) };
    let hosts: Vec<String> = usual.chain(more.get_ref().iter().cloned()).collect();
    UrlPolicy::new(&PolicyConfig { hosts: hosts.clone(), overrides: Vec::new() })
        .map_err(|error| config.mistake(more.span(), &error.to_string()))?;
    Ok(hosts)
}

/// `[network.override]`, which leads to this machine or nowhere.
fn overrides(config: &Config) -> Result<Vec<(String, String)>, CommandError> {
    let mut pairs = Vec::new();
    for (host, url) in &config.network.overrides {
        let pair = (host.clone(), url.get_ref().clone());
        UrlPolicy::new(&PolicyConfig { hosts: Vec::new(), overrides: vec![pair.clone()] }).map_err(
            |error| {
                let mut mistake = config.mistake(url.span(), &error.to_string());
                mistake.code = Code::InsecureEndpoint;
                mistake
            },
        )?;
        pairs.push(pair);
    }
    Ok(pairs)
}

fn limits(part: Option<&Spanned<LimitsPart>>, config: &Config) -> Result<Limits, CommandError> {
    let mut limits = Limits::default();
    let Some(part) = part else { return Ok(limits) };
    let size = |value: &Option<Spanned<String>>, usual: ByteSize| match value {
        None => Ok(usual),
        Some(text) => values::size(text.get_ref())
            .filter(|size| size.0 > 0)
            .ok_or_else(|| config.mistake(text.span(), "no size like 10M or 1.5G")),
    };
    limits.image = size(&part.get_ref().image, limits.image)?;
    limits.video = size(&part.get_ref().video, limits.video)?;
    if let Some(time) = &part.get_ref().time {
        limits.total = values::duration(time.get_ref()).map_err(|what| config.mistake(time.span(), &what))?;
    }
    Ok(limits)
}

/// Reads the destination table of a dataset.
pub(super) fn dataset(
    part: &Spanned<DestinationPart>,
    config: &Config,
) -> Result<DatasetPlace, CommandError> {
    let to = part.get_ref();
    let Some(repo) = &to.repo else {
        return Err(config.mistake(part.span(), "huggingface needs `repo = \"datasets/OWNER/NAME\"`"));
    };
    let repo = RepoId::parse(repo.get_ref()).map_err(|error| config.mistake(repo.span(), &error.detail))?;
    let layout = match &to.layout {
        None => LAYOUT.to_owned(),
        Some(layout) => {
            Layout::new(layout.get_ref()).map_err(|error| config.mistake(layout.span(), &error.detail))?;
            layout.get_ref().clone()
        }
    };
    Ok(DatasetPlace { repo, layout })
}

/// The seal of a job, and that it is there where it must be.
pub(super) fn seal(job: &JobPart, config: &Config) -> Result<Option<SealSpec>, CommandError> {
    let from = job.source.get_ref().kind == SourceKind::Catalogue;
    let to = job.destination.get_ref().kind == DestinationKind::Huggingface;
    if from != to {
        let (span, what) = match from {
            true => (job.destination.span(), "a catalogue is backed up to `kind = \"huggingface\"`"),
            false => (job.source.span(), "to huggingface goes what a `kind = \"catalogue\"` records"),
        };
        return Err(config.mistake(span, what));
    }
    let Some(part) = &job.seal else {
        return match to {
            false => Ok(None),
            true => Err(config.mistake(
                job.destination.span(),
                "no key, no upload: a job to huggingface needs `seal = { kind = \"rclone-crypt\", config = …, remote = … }`",
            )),
        };
    };
    if !to {
        return Err(config.mistake(part.span(), "a seal belongs to a job whose destination is huggingface"));
    }
    Ok(Some(seal_spec(part.get_ref(), config)))
}

/// Where a seal's key is.
pub(super) fn seal_spec(part: &SealPart, config: &Config) -> SealSpec {
    SealSpec { config: part.config.as_ref().map(|path| config.path(path)), remote: part.remote.clone() }
}
