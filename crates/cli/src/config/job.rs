//! One job of the configuration, checked: where from, where to, and how.
//!
//! The tables `source` and `destination` are told apart by `kind`; every key that does not belong to the
//! kind is refused at its place in the file.

use std::path::PathBuf;

use landfall_core::engine::{Filters, NamePolicy, Policy};
use landfall_core::state::Via;
use landfall_core::store::OnConflict;
use landfall_core::{Code, RelPath};
use toml::Spanned;

use super::archive::{self, CataloguePlace, DatasetPlace, SealSpec};
use super::parts::{Conflict, DestinationKind, DestinationPart, JobPart, Names, SourceKind, SourcePart};
use super::{Config, read_users, values};
use crate::error::CommandError;

/// Where one source lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourcePlace {
    /// A user's OneDrive.
    User(String),
    /// A drive by its id.
    Drive(String),
    /// A personal site by its address.
    PersonalSite(String),
    /// A library of a site.
    Library {
        /// Host and path.
        site: String,
        /// Name; the default library if not given.
        library: Option<String>,
    },
    /// A local folder.
    Folder(PathBuf),
    /// A database of posts.
    Catalogue(Box<CataloguePlace>),
}

/// One source with its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceSpec {
    /// How it is called in reports and in the log.
    pub(crate) label: String,
    /// Where it lies.
    pub(crate) place: SourcePlace,
    /// The folder in it; the root for a local folder, which is a place itself.
    pub(crate) path: RelPath,
    /// What `{user}` in the destination's path stands for.
    pub(crate) user: String,
}

/// Where the destination lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DestinationPlace {
    /// A library of a site.
    Library {
        /// Host and path.
        site: String,
        /// Name; the default library if not given.
        library: Option<String>,
    },
    /// A user's OneDrive.
    User(String),
    /// A drive by its id.
    Drive(String),
    /// A local folder.
    Folder(PathBuf),
    /// A dataset on the Hub.
    Dataset(DatasetPlace),
}

/// A job, checked.
#[derive(Debug)]
pub(crate) struct JobConfig {
    /// Its name.
    pub(crate) name: String,
    /// Its sources; at least one.
    pub(crate) sources: Vec<SourceSpec>,
    /// True where the sources come from a list of users: one that cannot be resolved stops nobody else.
    pub(crate) listed: bool,
    /// Its destination.
    pub(crate) destination: DestinationPlace,
    /// The path below the destination's root, `{user}` still in it.
    pub(crate) path: String,
    /// The credentials of the sources.
    pub(crate) source_credentials: Option<String>,
    /// The credentials of the destination.
    pub(crate) destination_credentials: Option<String>,
    /// What the user wants, filters included.
    pub(crate) policy: Policy,
    /// The patterns of those filters as they are written: what to take, what to leave out.
    pub(crate) patterns: [Vec<String>; 2],
    /// Where the spool lies.
    pub(crate) spool: PathBuf,
    /// What stands between source and destination.
    pub(crate) seal: Option<SealSpec>,
}

/// Checks a job.
pub(super) fn check(name: &str, part: &Spanned<JobPart>, config: &Config) -> Result<JobConfig, CommandError> {
    let job = part.get_ref();
    if !is_name(name) {
        return Err(config.mistake(
            part.span(),
            &format!("job {name:?}: a name is at most 64 letters, digits, `-`, `_` or `.`, and no path"),
        ));
    }
    let seal = archive::seal(job, config)?;
    let (destination, path) = destination(&job.destination, config)?;
    if path.split('/').any(|s| s == "..") || RelPath::lenient(&path).is_err() {
        return Err(config.mistake(job.destination.span(), "path: not a path below the destination's root"));
    }
    let (sources, listed) = sources(&job.source, config)?;
    let credentials = |own: &Option<Spanned<String>>| -> Result<Option<String>, CommandError> {
        let Some(name) = own.as_ref().or(job.credentials.as_ref()) else { return Ok(None) };
        if config.credentials.contains_key(name.get_ref()) {
            return Ok(Some(name.get_ref().clone()));
        }
        Err(config.mistake(name.span(), "no [credentials] of that name"))
    };
    let spool =
        job.spool.folder.as_ref().map_or_else(|| config.state_folder(name).join("spool"), |f| config.path(f));
    Ok(JobConfig {
        name: name.to_owned(),
        sources,
        listed,
        destination,
        path,
        source_credentials: credentials(&job.source.get_ref().credentials)?,
        destination_credentials: credentials(&job.destination.get_ref().credentials)?,
        policy: policy(job, config)?,
        patterns: [job.include.0.get_ref().clone(), job.exclude.0.get_ref().clone()],
        spool,
        seal,
    })
}

/// A job's name is also a folder's name.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= 64
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn policy(job: &JobPart, config: &Config) -> Result<Policy, CommandError> {
    let filters = Filters::new(job.include.0.get_ref(), job.exclude.0.get_ref()).map_err(|error| {
        let includes = job.include.0.get_ref().contains(&error.pattern);
        let span = if includes { job.include.0.span() } else { job.exclude.0.span() };
        config.mistake(span, &format!("{error}: {}", error.source))
    })?;
    let mut policy = Policy { filters, ..Policy::default() };
    let size = |value: &Option<Spanned<String>>| {
        let Some(text) = value else { return Ok(None) };
        values::size(text.get_ref())
            .map(Some)
            .ok_or_else(|| config.mistake(text.span(), "no size like 10M or 1.5G"))
    };
    policy.filters.min_size = size(&job.min_size)?;
    policy.filters.max_size = size(&job.max_size)?;
    if let Some(since) = &job.since {
        let at = values::moment(since.get_ref(), crate::machine::now());
        policy.filters.since =
            Some(at.ok_or_else(|| config.mistake(since.span(), "no date, RFC 3339 time or age like 30d"))?);
    }
    policy.via = match (job.via, &job.seal) {
        (None, Some(_)) => Via::Spool,
        (Some(via), Some(seal)) if Via::from(via) != Via::Spool => {
            return Err(config
                .mistake(seal.span(), "what is sealed goes through the spool: `via` can only be \"spool\""));
        }
        (via, _) => via.map_or(Via::Stream, Via::from),
    };
    policy.names = match job.names {
        None | Some(Names::Refuse) => NamePolicy::Refuse,
        Some(Names::Map) => NamePolicy::Map,
    };
    policy.on_conflict = match job.on_conflict {
        None | Some(Conflict::Keep) => OnConflict::Keep,
        Some(Conflict::Replace) => OnConflict::Replace,
        Some(Conflict::Rename) => OnConflict::Rename,
    };
    if let Some(parallel) = &job.parallel {
        if !(1..=512).contains(parallel.get_ref()) {
            return Err(config.mistake(parallel.span(), "parallel is from 1 to 512"));
        }
        policy.files_in_flight = *parallel.get_ref();
    }
    if let Some(attempts) = &job.attempts {
        if *attempts.get_ref() == 0 {
            return Err(config.mistake(attempts.span(), "attempts is at least 1"));
        }
        policy.attempts = *attempts.get_ref();
    }
    if let Some(limit) = size(&job.spool.limit)? {
        policy.spool_limit = limit;
    }
    Ok(policy)
}

fn sources(part: &Spanned<SourcePart>, config: &Config) -> Result<(Vec<SourceSpec>, bool), CommandError> {
    let source = part.get_ref();
    let names: [(&str, Option<std::ops::Range<usize>>); 13] = [
        ("user", source.user.as_ref().map(Spanned::span)),
        ("drive", source.drive.as_ref().map(Spanned::span)),
        ("site_url", source.site_url.as_ref().map(Spanned::span)),
        ("users", source.users.as_ref().map(Spanned::span)),
        ("site", source.site.as_ref().map(Spanned::span)),
        ("library", source.library.as_ref().map(Spanned::span)),
        ("database", source.database.as_ref().map(Spanned::span)),
        ("database_env", source.database_env.as_ref().map(Spanned::span)),
        ("tables", source.tables.as_ref().map(Spanned::span)),
        ("roots", source.roots.as_ref().map(Spanned::span)),
        ("resolver", source.resolver.as_ref().map(Spanned::span)),
        ("allow_hosts", source.allow_hosts.as_ref().map(Spanned::span)),
        ("limits", source.limits.as_ref().map(Spanned::span)),
    ];
    let allowed: &[&str] = match source.kind {
        SourceKind::Catalogue => {
            &["database", "database_env", "tables", "roots", "resolver", "allow_hosts", "limits"]
        }
        SourceKind::Onedrive => &["user", "drive", "site_url", "users"],
        SourceKind::Sharepoint => &["site", "library"],
        SourceKind::Folder => &[],
    };
    refuse_others(&names, allowed, "source", config)?;
    if let (SourceKind::Catalogue, Some(path)) = (source.kind, &source.path) {
        return Err(
            config.mistake(path.span(), "`path` does not belong to a catalogue: its posts name their files")
        );
    }
    let path = relative(source.path.as_ref(), source.kind == SourceKind::Folder, config)?;
    let one = |label: String, place, user: String| {
        Ok((vec![SourceSpec { label, place, path: path.clone(), user }], false))
    };
    match source.kind {
        SourceKind::Catalogue => {
            let place = archive::catalogue(part, config)?;
            one("catalogue".to_owned(), SourcePlace::Catalogue(Box::new(place)), String::new())
        }
        SourceKind::Folder => {
            let Some(folder) = &source.path else {
                return Err(config.mistake(part.span(), "a folder needs `path`"));
            };
            let place = config.path(folder.get_ref());
            let user = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            one(folder.get_ref().clone(), SourcePlace::Folder(place), user)
        }
        SourceKind::Sharepoint => {
            let Some(site) = &source.site else {
                return Err(config.mistake(part.span(), "sharepoint needs `site`"));
            };
            let library = source.library.as_ref().map(|l| l.get_ref().clone());
            let user = site.get_ref().rsplit('/').next().unwrap_or_default().to_owned();
            let label = format!("{}/{}", site.get_ref(), library.as_deref().unwrap_or_default());
            one(label, SourcePlace::Library { site: site.get_ref().clone(), library }, user)
        }
        SourceKind::Onedrive => match (&source.user, &source.drive, &source.site_url, &source.users) {
            (Some(user), None, None, None) => one(
                user.get_ref().clone(),
                SourcePlace::User(user.get_ref().clone()),
                local_part(user.get_ref()),
            ),
            (None, Some(drive), None, None) => one(
                drive.get_ref().clone(),
                SourcePlace::Drive(drive.get_ref().clone()),
                drive.get_ref().clone(),
            ),
            (None, None, Some(url), None) => one(
                url.get_ref().clone(),
                SourcePlace::PersonalSite(url.get_ref().clone()),
                last_segment(url.get_ref()),
            ),
            (None, None, None, Some(list)) => Ok((read_users(&config.path(list.get_ref()), &path)?, true)),
            _ => Err(config
                .mistake(part.span(), "onedrive needs exactly one of `user`, `drive`, `site_url`, `users`")),
        },
    }
}

fn destination(
    part: &Spanned<DestinationPart>,
    config: &Config,
) -> Result<(DestinationPlace, String), CommandError> {
    let to = part.get_ref();
    let names: [(&str, Option<std::ops::Range<usize>>); 6] = [
        ("site", to.site.as_ref().map(Spanned::span)),
        ("library", to.library.as_ref().map(Spanned::span)),
        ("user", to.user.as_ref().map(Spanned::span)),
        ("drive", to.drive.as_ref().map(Spanned::span)),
        ("repo", to.repo.as_ref().map(Spanned::span)),
        ("layout", to.layout.as_ref().map(Spanned::span)),
    ];
    let allowed: &[&str] = match to.kind {
        DestinationKind::Huggingface => &["repo", "layout"],
        DestinationKind::Sharepoint => &["site", "library"],
        DestinationKind::Onedrive => &["user", "drive"],
        DestinationKind::Folder => &[],
    };
    refuse_others(&names, allowed, "destination", config)?;
    if to.kind == DestinationKind::Huggingface {
        if let Some(path) = &to.path {
            return Err(config.mistake(
                path.span(),
                "`path` does not belong to huggingface: `layout` says where files go",
            ));
        }
        return Ok((DestinationPlace::Dataset(archive::dataset(part, config)?), String::new()));
    }
    let path = to.path.as_ref().map(|p| p.get_ref().clone()).unwrap_or_default();
    let place = match (to.kind, &to.site, &to.user, &to.drive) {
        (DestinationKind::Sharepoint, Some(site), ..) => DestinationPlace::Library {
            site: site.get_ref().clone(),
            library: to.library.as_ref().map(|l| l.get_ref().clone()),
        },
        (DestinationKind::Onedrive, _, Some(user), None) => DestinationPlace::User(user.get_ref().clone()),
        (DestinationKind::Onedrive, _, None, Some(drive)) => DestinationPlace::Drive(drive.get_ref().clone()),
        (DestinationKind::Folder, ..) => {
            let (folder, rest) = folder_and_rest(&path);
            if folder.is_empty() {
                return Err(config.mistake(part.span(), "a folder needs `path`"));
            }
            return Ok((DestinationPlace::Folder(config.path(folder)), rest));
        }
        (DestinationKind::Sharepoint, ..) => {
            return Err(config.mistake(part.span(), "sharepoint needs `site`"));
        }
        (DestinationKind::Onedrive | DestinationKind::Huggingface, ..) => {
            return Err(config.mistake(part.span(), "onedrive needs exactly one of `user` and `drive`"));
        }
    };
    Ok((place, path.trim_matches('/').to_owned()))
}

/// A local path is the place up to the first segment with `{user}`; from there on it is the path below.
fn folder_and_rest(path: &str) -> (String, String) {
    let segments: Vec<&str> = path.split('/').collect();
    let at = segments.iter().position(|s| s.contains("{user}")).unwrap_or(segments.len());
    let (head, tail) = segments.split_at(at);
    (head.join("/"), tail.join("/").trim_matches('/').to_owned())
}

fn refuse_others(
    names: &[(&str, Option<std::ops::Range<usize>>)],
    allowed: &[&str],
    table: &str,
    config: &Config,
) -> Result<(), CommandError> {
    for (name, span) in names {
        if let Some(span) = span
            && !allowed.contains(name)
        {
            let known = if allowed.is_empty() {
                "`path`".to_owned()
            } else {
                format!("`{}`, `path`", allowed.join("`, `"))
            };
            return Err(config.mistake(
                span.clone(),
                &format!("`{name}` does not belong to this kind of {table}; it takes {known}"),
            ));
        }
    }
    Ok(())
}

fn relative(path: Option<&Spanned<String>>, local: bool, config: &Config) -> Result<RelPath, CommandError> {
    match path {
        Some(path) if !local => {
            RelPath::lenient(path.get_ref()).map_err(|error| config.mistake(path.span(), &error.to_string()))
        }
        _ => Ok(RelPath::root()),
    }
}

/// What `{user}` stands for: the name before the `@`.
pub(super) fn local_part(user: &str) -> String {
    user.split('@').next().unwrap_or(user).to_owned()
}

/// The last segment of an address: for a personal site the user in underscores.
pub(crate) fn last_segment(url: &str) -> String {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or(url).to_owned()
}

impl JobConfig {
    /// The destination's path for one source.
    ///
    /// # Errors
    /// Code `BadConfig` where the user's name makes it no path.
    pub(crate) fn prefix(&self, user: &str) -> Result<RelPath, CommandError> {
        let path = self.path.replace("{user}", user);
        RelPath::lenient(&path)
            .map_err(|error| CommandError::new(Code::BadConfig, format!("destination path: {error}")))
    }
}
