//! `landfall.toml`: what stands in it, and what it means.
//!
//! Unknown keys are refused with line and caret, by serde for keys and by [`mistake`] for values. Owns
//! the shape of the file and its defaults; resolves nothing over a network and reads no secret.

mod archive;
mod job;
mod mistake;
mod parts;
mod users;
mod values;

pub(crate) use archive::{CataloguePlace, Database, DatasetPlace, ResolverSpec, SealSpec};
pub(crate) use job::{DestinationPlace, JobConfig, SourcePlace, SourceSpec, last_segment};
pub(crate) use users::read as read_users;
pub(crate) use values::{duration, moment, pause};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_core::{Code, RelPath};
use serde::Deserialize;
use toml::Spanned;

use crate::error::CommandError;

/// Snapshots of the ledger that are kept, and the least time between two, where nothing else is said.
const SNAPSHOTS: usize = 7;
const SNAPSHOT_EVERY: Duration = Duration::from_secs(86_400);

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    ledger: LedgerPart,
    #[serde(default)]
    log: LogPart,
    #[serde(default)]
    quota: QuotaPart,
    #[serde(default)]
    network: NetworkPart,
    #[serde(default)]
    credentials: BTreeMap<String, CredentialPart>,
    #[serde(default)]
    jobs: BTreeMap<String, Spanned<parts::JobPart>>,
}

/// `[ledger]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerPart {
    /// `sqlite:FILE` or `postgres://…`.
    #[serde(default = "LedgerPart::url")]
    pub(crate) url: String,
    /// The key file of a ledger that is not a file itself.
    #[serde(default)]
    pub(crate) key_file: Option<PathBuf>,
    /// How many snapshots of a ledger that is a file are kept; none are made where it is 0.
    #[serde(default)]
    pub(crate) snapshots: Option<usize>,
    /// The least time between two.
    #[serde(default)]
    pub(crate) snapshot_every: Option<Spanned<String>>,
    /// The folder at each job's destination that sealed ones go to, counted from its root.
    #[serde(default)]
    snapshot_to: Option<Spanned<String>>,
    /// What they are sealed with; a job's own seal if not given.
    #[serde(default)]
    seal: Option<Spanned<parts::SealPart>>,
}

impl LedgerPart {
    fn url() -> String {
        "sqlite:landfall.db".to_owned()
    }
}

impl Default for LedgerPart {
    fn default() -> Self {
        Self {
            url: Self::url(),
            key_file: None,
            snapshots: None,
            snapshot_every: None,
            snapshot_to: None,
            seal: None,
        }
    }
}

/// `[log]`: how `upload_log.csv` is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogPart {
    /// How times are written.
    #[serde(default)]
    pub(crate) timestamp: TimestampForm,
    /// The zone of times without one, as `+09:00`; UTC if not given.
    #[serde(default)]
    pub(crate) utc_offset: Option<Spanned<String>>,
    /// How many backups are kept.
    #[serde(default)]
    pub(crate) keep: Option<usize>,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TimestampForm {
    /// RFC 3339, whole seconds.
    #[default]
    Rfc3339,
    /// `2025-06-21 09:00`, as the older scripts wrote it.
    Minute,
}

/// `[quota]`: what the tenant's licences allow.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaPart {
    /// The number of licences in the tenant; the smallest tier if not given.
    #[serde(default)]
    pub(crate) licences: Option<u64>,
    /// Requests under way at once at most.
    #[serde(default)]
    pub(crate) parallel: Option<usize>,
}

/// `[network]`: how media are fetched.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkPart {
    /// Hosts that lead to this machine instead: for tests, loopback or refused.
    #[serde(default, rename = "override")]
    pub(crate) overrides: BTreeMap<String, Spanned<String>>,
    /// The proxy that media go through; none is used unless it is named here.
    #[serde(default)]
    pub(crate) proxy: Option<String>,
}

/// `[credentials.NAME]`: names of variables, never values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialPart {
    /// The variable that holds the tenant's id or domain.
    #[serde(default)]
    pub(crate) tenant_env: Option<String>,
    /// The variable that holds the application's id.
    #[serde(default)]
    pub(crate) client_id_env: Option<String>,
    /// The variable that holds the client secret.
    #[serde(default)]
    pub(crate) secret_env: Option<String>,
    /// A file that holds the client secret.
    #[serde(default)]
    pub(crate) secret_file: Option<PathBuf>,
    /// A command that prints the client secret.
    #[serde(default)]
    pub(crate) secret_command: Option<Vec<String>>,
    /// The variable that holds the path of a PEM file with key and certificate.
    #[serde(default)]
    pub(crate) certificate_env: Option<String>,
    /// The variable that holds the path of a file with a federated token.
    #[serde(default)]
    pub(crate) federated_token_env: Option<String>,
    /// `global`, `us`, `dod` or `china`.
    #[serde(default)]
    pub(crate) cloud: Option<Spanned<String>>,
}

/// The configuration as the rest of the program sees it.
#[derive(Debug)]
pub(crate) struct Config {
    /// The folder that relative paths count from.
    pub(crate) folder: PathBuf,
    /// Where the ledger lies.
    pub(crate) ledger: LedgerPart,
    /// How the log is written.
    pub(crate) log: LogPart,
    /// What the tenant allows.
    pub(crate) quota: QuotaPart,
    /// How media are fetched.
    pub(crate) network: NetworkPart,
    /// Named credentials.
    pub(crate) credentials: BTreeMap<String, CredentialPart>,
    source: mistake::Source,
    jobs: BTreeMap<String, Spanned<parts::JobPart>>,
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Code `NoConfig` or `BadConfig`, the latter with line and caret.
    pub(crate) fn load(path: &Path) -> Result<Self, CommandError> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
                let detail =
                    format!("{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to());
                CommandError::new(Code::BadConfig, detail)
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CommandError::new(Code::NoConfig, format!("{} is not there", path.display())));
            }
            Err(error) => {
                return Err(CommandError::new(Code::NoConfig, format!("read {}: {error}", path.display())));
            }
        };
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let document: Document = toml::from_str(&text).map_err(|error| {
            CommandError::new(
                Code::BadConfig,
                format!("{}\n{}", path.display(), mistake::without_secrets(error.to_string().trim_end())),
            )
        })?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self {
            folder,
            ledger: document.ledger,
            log: document.log,
            quota: document.quota,
            network: document.network,
            credentials: document.credentials,
            source: mistake::Source { path: path.to_owned(), text },
            jobs: document.jobs,
        })
    }

    /// The names of all jobs.
    pub(crate) fn job_names(&self) -> Vec<&str> {
        self.jobs.keys().map(String::as_str).collect()
    }

    /// A job, checked.
    ///
    /// # Errors
    /// Code `UnknownJob` naming those there are, or `BadConfig`.
    pub(crate) fn job(&self, name: &str) -> Result<JobConfig, CommandError> {
        let Some(part) = self.jobs.get(name) else {
            let known = self.job_names();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let detail = format!("no job {name:?} in {}; there are: {known}", self.source.path.display());
            return Err(CommandError::new(Code::UnknownJob, detail));
        };
        job::check(name, part, self)
    }

    /// The table of a job as JSON, keys sorted and without blanks: the same for every way to write the same
    /// thing, and to be made again by anybody with a reader of TOML. Secrets never stand in it.
    ///
    /// # Errors
    /// Code `UnknownJob`.
    pub(crate) fn canonical(&self, name: &str) -> Result<String, CommandError> {
        let document: toml::Table = toml::from_str(&self.source.text).unwrap_or_default();
        let table = document.get("jobs").and_then(|jobs| jobs.get(name));
        let table = table.and_then(|table| serde_json::to_string(table).ok());
        table.ok_or_else(|| CommandError::new(Code::UnknownJob, format!("no job {name:?}")))
    }

    /// A path of the configuration, counted from its folder.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }

    /// The file of the ledger, where it is one; a relative one counts from the configuration's folder.
    pub(crate) fn ledger_file(&self) -> Option<PathBuf> {
        let file = self.ledger.url.strip_prefix("sqlite:")?;
        let file = file.strip_prefix("//").unwrap_or(file);
        (!file.starts_with(':')).then(|| self.path(file))
    }

    /// How many snapshots of the ledger are kept, and the least time between two.
    ///
    /// # Errors
    /// Code `BadConfig` where that is no duration.
    pub(crate) fn snapshots(&self) -> Result<(usize, Duration), CommandError> {
        let every = match &self.ledger.snapshot_every {
            None => SNAPSHOT_EVERY,
            Some(text) => duration(text.get_ref()).map_err(|what| self.mistake(text.span(), &what))?,
        };
        // `0` says off in either place.
        let keep = self.ledger.snapshots.unwrap_or(SNAPSHOTS);
        Ok((if every.is_zero() { 0 } else { keep }, every))
    }

    /// The folder at a destination that sealed snapshots go to, where there is one.
    ///
    /// # Errors
    /// Code `BadConfig` where it is no folder below the root.
    pub(crate) fn snapshot_to(&self) -> Result<Option<RelPath>, CommandError> {
        let Some(text) = &self.ledger.snapshot_to else { return Ok(None) };
        snapshot_folder(text.get_ref()).map(Some).map_err(|what| self.mistake(text.span(), &what))
    }

    /// What snapshots are sealed with, where that is said for all jobs.
    pub(crate) fn ledger_seal(&self) -> Option<SealSpec> {
        self.ledger.seal.as_ref().map(|part| archive::seal_spec(part.get_ref(), self))
    }

    /// The folder for what a job keeps beside the ledger.
    pub(crate) fn state_folder(&self, job: &str) -> PathBuf {
        self.folder.join(".landfall").join(job)
    }

    /// How times of the log are written.
    ///
    /// # Errors
    /// Code `BadConfig` where the offset is none.
    pub(crate) fn stamp(&self) -> Result<landfall_ledger::export::Stamp, CommandError> {
        Ok(match self.log.timestamp {
            TimestampForm::Rfc3339 => landfall_ledger::export::Stamp::Rfc3339,
            TimestampForm::Minute => landfall_ledger::export::Stamp::Minute(self.zone()?),
        })
    }

    /// The zone of times that name none.
    ///
    /// # Errors
    /// Code `BadConfig` where the offset is none.
    pub(crate) fn zone(&self) -> Result<jiff::tz::TimeZone, CommandError> {
        let Some(offset) = &self.log.utc_offset else { return Ok(jiff::tz::TimeZone::UTC) };
        values::offset(offset.get_ref())
            .map(jiff::tz::TimeZone::fixed)
            .ok_or_else(|| self.mistake(offset.span(), "not an offset like +09:00"))
    }

    /// An error that points at a place in the file.
    pub(crate) fn mistake(&self, span: std::ops::Range<usize>, what: &str) -> CommandError {
        self.source.mistake(span, what)
    }
}

/// A folder below a destination's root.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn snapshot_folder(text: &str) -> Result<RelPath, String> {
    let path = RelPath::lenient(text).map_err(|error| error.to_string())?;
    match path.is_root() {
        true => Err("snapshots need a folder of their own, for instance .landfall-ledger".to_owned()),
        false => Ok(path),
    }
}

#[cfg(test)]
mod tests;
