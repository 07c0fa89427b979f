//! The user's database of posts as a source: what is recorded, what lies locally, what is missing.
//!
//! A *post* is one row of the user's table; it expands to entries, one a media file. The database is the
//! user's: it is opened read-only for everything but writing back, only the columns named are written, and
//! each of them only where it still holds what was read. It knows no seal and no destination: how a proven
//! object is called there comes from a closure. Design: `docs/catalogue.md`.

mod config;
mod database;
mod layout;
mod lists;
mod local;
pub mod media;
mod names;
mod numbering;
mod post;
pub mod resolver;
mod source;

pub use config::{CatalogueConfig, Columns, Kinds, Narrowing, Roots, TableSpec};
pub use database::{Catalogue, Counts, Finding, PostPage};
pub use layout::Layout;
pub use lists::{JsonList, ListFault};
pub use local::{LocalFile, LocalFiles, LocalTrouble};
pub use names::{
    Era, Folder, MediaName, folder_of, folder_of_url, identity, post_id_of, sanitised, username_fault,
};
pub use numbering::{media_name, media_number};
pub use post::{Expected, Post, PostKey, Update, Written};
pub use source::{
    AtHand, CatalogueSource, Correction, Lies, ListColumn, Outcome, SourceParts, Stand, Wanted, keys_of,
};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::{ByteSize, Digest, StoreError};

/// A media URL as the database or a resolver gives it: hostile until a policy has looked at it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaUrl(String);

impl MediaUrl {
    /// Takes a text as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, unjudged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for MediaUrl {
    /// Without query and user info: either may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MediaUrl({:?})", masked(&self.0))
    }
}

/// A URL without its query and user info, for logs and messages.
fn masked(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(h, p)| (h, Some(p)));
            let host = host.rsplit('@').next().unwrap_or_default();
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => bare.to_owned(),
    }
}

/// What the bytes of a file are, by content and not by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video, an animation or a sound.
    Video,
}

/// A media file as it was fetched; it lies in the folder that was given, fsynced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its name there: the stem and the extension that its content shows.
    pub name: String,
    /// Its size.
    pub size: ByteSize,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// What its content is.
    pub kind: MediaKind,
    /// Which smaller size had to be taken, where the original was not to be had.
    pub reduced: Option<String>,
    /// The URL that gave it.
    pub url: String,
}

/// Why a media URL gave no file, named by what follows from it.
#[derive(Debug)]
pub enum FetchFailure {
    /// Shown not to be there any more, in any size.
    Gone {
        /// In words.
        detail: String,
    },
    /// A URL that may not be fetched: a strange host, a private address, no https.
    Refused {
        /// In words.
        detail: String,
    },
    /// The answer is no media: a page, a playlist, nothing at all.
    NotMedia {
        /// In words.
        detail: String,
    },
    /// Larger than the limit.
    TooLarge {
        /// In words.
        detail: String,
    },
    /// The host refuses us altogether: says nothing about any one file, and nothing more is asked of it.
    HostBlocked {
        /// In words.
        detail: String,
        /// When it may be asked again.
        until: Option<Timestamp>,
    },
    /// The try failed; nothing is known.
    Later {
        /// In words.
        detail: String,
        /// Not before then, where somebody said so.
        not_before: Option<Timestamp>,
    },
    /// Our own disk failed.
    Local(StoreError),
}

/// Downloads media.
#[async_trait]
pub trait Fetcher: Send + Sync {
    /// Downloads one media URL into `into`, under the stem and the extension that its content shows.
    ///
    /// An existing file is never overwritten; one with the same bytes is adopted.
    ///
    /// # Errors
    /// Each failure says what follows from it; only [`FetchFailure::Local`] concerns other files.
    async fn fetch(
        &self,
        url: &MediaUrl,
        into: &cap_std::fs::Dir,
        name: &SaveAs,
    ) -> Result<Fetched, FetchFailure>;
}

/// How a download is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveAs {
    /// The name without its extension.
    pub stem: String,
    /// What its content must be, where a name has promised it; anything else is not taken.
    pub kind: Option<MediaKind>,
}

/// A post whose media a resolver is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The post's id: digits, as text.
    pub id: String,
    /// Its author's handle.
    pub username: String,
}

/// One media file of a post, as a resolver names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaItem {
    /// Its number among all media of the post, from 1.
    pub n: u32,
    /// What it is said to be.
    pub kind: MediaKind,
    /// Where it may be had, best first. Hostile as any other URL.
    pub urls: Vec<String>,
}

/// Why a post's media cannot be had from where it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The post was deleted.
    Deleted,
    /// Its author was suspended.
    Suspended,
    /// Its author shows it to followers only.
    Protected,
    /// It is shown to those of age only.
    AgeGated,
    /// It is withheld in a country.
    Withheld,
    /// It is not said why.
    Unknown,
}

/// What a resolver says about one post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Its media in order; may be empty where the post has none.
    Media {
        /// The media.
        items: Vec<MediaItem>,
        /// The handle its author has now, where it is said.
        username: Option<String>,
    },
    /// It cannot be had.
    Unavailable {
        /// Why.
        reason: Unavailable,
        /// In words.
        detail: String,
    },
    /// The resolver may not be asked anything before then.
    RateLimited {
        /// Until when.
        until: Timestamp,
    },
    /// The try failed; it may be asked again later.
    Later {
        /// In words.
        detail: String,
    },
    /// No answer came.
    Unanswered,
    /// The resolver cannot be used at all; everything else goes on without it.
    Fatal {
        /// In words.
        detail: String,
    },
}

/// What asking a resolver costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Millionths of a US dollar for one post.
    pub micro_usd: u64,
    /// The most posts that may be asked for, where that is capped.
    pub max_reads: Option<u64>,
}

/// Finds the media of posts anew.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Asks for posts. The answer has one element an ask, in order.
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved>;

    /// What a post costs; `None` where it costs nothing.
    fn price(&self) -> Option<Price>;
}

#[cfg(test)]
mod tests;
