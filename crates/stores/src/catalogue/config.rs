//! Which tables and columns, which folders, and what part of them a run is about.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

/// What a table's columns are called. The defaults are those of the tables of tweets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The key: a text.
    pub id: String,
    /// The author's handle.
    pub username: String,
    /// The author's display name, by which earlier folders were called; left out where a table has none.
    pub display_name: Option<String>,
    /// The media URLs.
    pub media_urls: String,
    /// The local files; left out where a table has none.
    pub local_media: Option<String>,
    /// The URLs of the backup.
    pub huggingface_urls: String,
    /// The mark of being backed up; left out where a table has none.
    pub uploaded: Option<String>,
    /// The date; left out where a table has none.
    pub date: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            id: "id".into(),
            username: "username".into(),
            display_name: Some("display_name".into()),
            media_urls: "media_urls".into(),
            local_media: Some("local_media".into()),
            huggingface_urls: "huggingface_urls".into(),
            uploaded: Some("uploaded_to_hf".into()),
            date: Some("tweet_date".into()),
        }
    }
}

/// One table of posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Columns,
    /// Columns that were named by the user and so must be there; the other optional ones may be missing.
    pub required: BTreeSet<String>,
}

impl TableSpec {
    /// A table of the usual shape. Tables of works (`pixiv_works`, …) call their date `work_date`.
    #[must_use]
    pub fn usual(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut columns = Columns::default();
        if name.ends_with("_works") {
            columns.date = Some("work_date".into());
        }
        Self { name, columns, required: BTreeSet::new() }
    }
}

/// The local folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Holds `<user>/<file>` of pictures; its paths are recorded as `images/…`.
    pub images: PathBuf,
    /// Holds `<user>/<file>` of videos; its paths are recorded as `videos/…`.
    pub videos: PathBuf,
}

/// Which kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Pictures.
    Images,
    /// Videos, animations, sounds.
    Videos,
}

/// What part of the catalogue a run is about; empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Only these authors, compared without regard to case.
    pub users: BTreeSet<String>,
    /// Only these tables.
    pub tables: BTreeSet<String>,
    /// Only this kind of files.
    pub kind: Option<Kinds>,
    /// Only posts from then on, by their date.
    pub since: Option<Timestamp>,
    /// Skips this many posts.
    pub start: Option<u64>,
}

impl Narrowing {
    /// True where a post of this author, table and date is meant.
    #[must_use]
    pub fn takes(&self, table: &str, username: &str, date: &str) -> bool {
        let user = self.users.is_empty()
            || self.users.iter().any(|user| user.to_lowercase() == username.to_lowercase());
        user && (self.tables.is_empty() || self.tables.contains(table))
            && self.since.is_none_or(|since| date_of(date).is_none_or(|at| at >= since))
    }
}

/// A date as the three databases print it: UTC, no zone written. `None` where it is none.
pub(super) fn date_of(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil: jiff::civil::DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// How the catalogue is opened.
#[derive(Clone)]
pub struct CatalogueConfig {
    /// `sqlite:PATH`, `postgres://…` or `mysql://…`. May hold a password: never printed.
    pub url: String,
    /// The tables of posts.
    pub tables: Vec<TableSpec>,
    /// The local folders.
    pub roots: Roots,
    /// What part a run is about.
    pub narrowing: Narrowing,
    /// Our own folder, for what is kept of written rows and for files of tables without local files.
    pub state: PathBuf,
}

impl std::fmt::Debug for CatalogueConfig {
    /// The URL is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogueConfig")
            .field("tables", &self.tables)
            .field("roots", &self.roots)
            .field("narrowing", &self.narrowing)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
