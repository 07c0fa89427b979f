//! The tables of one job as they are written: keys and their types, nothing of their meaning.

mod tables;

pub(in crate::config) use tables::{TableEntry, TablePart, TablesPart};

use std::path::PathBuf;

use landfall_core::state::Via;
use serde::Deserialize;
use toml::Spanned;

/// `[jobs.NAME]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct JobPart {
    pub(in crate::config) source: Spanned<SourcePart>,
    pub(in crate::config) destination: Spanned<DestinationPart>,
    pub(in crate::config) seal: Option<Spanned<SealPart>>,
    #[serde(default)]
    pub(in crate::config) include: Spanned2<Vec<String>>,
    #[serde(default)]
    pub(in crate::config) exclude: Spanned2<Vec<String>>,
    pub(in crate::config) min_size: Option<Spanned<String>>,
    pub(in crate::config) max_size: Option<Spanned<String>>,
    pub(in crate::config) since: Option<Spanned<String>>,
    pub(in crate::config) via: Option<Way>,
    pub(in crate::config) names: Option<Names>,
    pub(in crate::config) on_conflict: Option<Conflict>,
    pub(in crate::config) credentials: Option<Spanned<String>>,
    pub(in crate::config) parallel: Option<Spanned<usize>>,
    pub(in crate::config) attempts: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::config) spool: SpoolPart,
}

/// A list that may be left out, with its place.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct Spanned2<T>(pub(in crate::config) Spanned<T>);

impl<T: Default> Default for Spanned2<T> {
    fn default() -> Self {
        Self(Spanned::new(0..0, T::default()))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SpoolPart {
    pub(in crate::config) folder: Option<PathBuf>,
    pub(in crate::config) limit: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SourcePart {
    pub(in crate::config) kind: SourceKind,
    pub(in crate::config) user: Option<Spanned<String>>,
    pub(in crate::config) drive: Option<Spanned<String>>,
    pub(in crate::config) site_url: Option<Spanned<String>>,
    pub(in crate::config) users: Option<Spanned<PathBuf>>,
    pub(in crate::config) site: Option<Spanned<String>>,
    pub(in crate::config) library: Option<Spanned<String>>,
    pub(in crate::config) path: Option<Spanned<String>>,
    pub(in crate::config) credentials: Option<Spanned<String>>,
    pub(in crate::config) database: Option<Spanned<String>>,
    pub(in crate::config) database_env: Option<Spanned<String>>,
    pub(in crate::config) tables: Option<Spanned<TablesPart>>,
    pub(in crate::config) roots: Option<Spanned<RootsPart>>,
    pub(in crate::config) resolver: Option<Spanned<ResolverPart>>,
    pub(in crate::config) allow_hosts: Option<Spanned<Vec<String>>>,
    pub(in crate::config) limits: Option<Spanned<LimitsPart>>,
}

/// The local folders of a catalogue's files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RootsPart {
    pub(in crate::config) images: PathBuf,
    pub(in crate::config) videos: PathBuf,
}

/// Who is asked for posts again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ResolverPart {
    pub(in crate::config) kind: Option<ResolverKind>,
    pub(in crate::config) command: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(in crate::config) environment: Vec<String>,
    pub(in crate::config) seconds: Option<Spanned<u64>>,
    pub(in crate::config) max_reads: Option<Spanned<u64>>,
    pub(in crate::config) max_cost: Option<Spanned<f64>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ResolverKind {
    Command,
    XApi,
}

/// Bounds of downloads.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct LimitsPart {
    pub(in crate::config) image: Option<Spanned<String>>,
    pub(in crate::config) video: Option<Spanned<String>>,
    pub(in crate::config) time: Option<Spanned<String>>,
}

/// What stands between source and destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SealPart {
    #[expect(dead_code, reason = "there is one kind, and naming another is refused while it is read")]
    pub(in crate::config) kind: SealKind,
    pub(in crate::config) config: Option<PathBuf>,
    pub(in crate::config) remote: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::config) enum SealKind {
    #[serde(rename = "rclone-crypt")]
    RcloneCrypt,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct DestinationPart {
    pub(in crate::config) kind: DestinationKind,
    pub(in crate::config) site: Option<Spanned<String>>,
    pub(in crate::config) library: Option<Spanned<String>>,
    pub(in crate::config) user: Option<Spanned<String>>,
    pub(in crate::config) drive: Option<Spanned<String>>,
    pub(in crate::config) path: Option<Spanned<String>>,
    pub(in crate::config) credentials: Option<Spanned<String>>,
    pub(in crate::config) repo: Option<Spanned<String>>,
    pub(in crate::config) layout: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SourceKind {
    Onedrive,
    Sharepoint,
    Folder,
    Catalogue,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum DestinationKind {
    Sharepoint,
    Onedrive,
    Folder,
    Huggingface,
}

/// The way of the bytes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Way {
    /// In passing.
    Stream,
    /// Through the spool.
    Spool,
    /// By the service.
    Copy,
}

impl From<Way> for Via {
    fn from(way: Way) -> Self {
        match way {
            Way::Stream => Self::Stream,
            Way::Spool => Self::Spool,
            Way::Copy => Self::Copy,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Names {
    Refuse,
    Map,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Conflict {
    Keep,
    Replace,
    Rename,
}
