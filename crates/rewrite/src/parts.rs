//! What is kept of an original, and what a proof says.

use serde::{Deserialize, Serialize};

use crate::format::Format;
use crate::hash::{Mark, Sha256};

/// The version of [`Parts`] as they are written.
pub(crate) const VERSION: u32 = 1;

/// The fingerprint of an original: enough to judge the destination's bytes later, without the original's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// 1.
    pub version: u32,
    /// Of the original.
    pub format: Format,
    /// The whole original, as sent.
    pub whole: Mark,
    /// What is inside.
    pub body: Body,
}

/// The inside of a file, by the kind of its format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Body {
    /// Named parts in any order (Office Open XML, compound files).
    Members {
        /// Sorted by name.
        parts: Vec<Part>,
    },
    /// A sequence into which a service inserts pieces (HTML, JPEG, PNG).
    Frame {
        /// What is left once every piece of an ownable kind is taken out: few, in their order.
        rest: Vec<Part>,
        /// The original's own pieces of such kinds.
        pieces: Vec<Insertion>,
    },
    /// The whole is a prefix of what comes back (PDF): size and digest of the whole are all that is needed.
    Prefix,
}

/// One member, stream or stretch of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name within the file.
    pub name: String,
    /// Its bytes, after decompression.
    pub mark: Mark,
    /// Whether the service may change it, by name and content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owned: bool,
    /// For lists of types and relations: their entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Entries>,
}

/// A list of types or relations, taken as a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// How many entries concern parts that the service does not own.
    pub others: u64,
    /// The SHA-256 of those, sorted.
    pub digest: Sha256,
    /// The entries that concern the service's own parts, sorted, in a canonical form.
    pub owned: Vec<String>,
}

/// A piece of an ownable kind within a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Insertion {
    /// How many bytes of the rest stand before it.
    pub at: u64,
    /// Its kind.
    pub name: String,
    /// Its bytes.
    pub mark: Mark,
}

/// A proof by parts: nothing but what is named here differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rewrite {
    /// Of both files.
    pub format: Format,
    /// What has been shown, which depends on the format.
    pub proves: Proves,
    /// The original as sent.
    pub original: Mark,
    /// The destination's bytes as read: from now on the ones to expect.
    pub destination: Mark,
    /// Parts that were shown to be unchanged.
    pub unchanged: u64,
    /// Their bytes together.
    pub unchanged_bytes: u64,
    /// Every part of the service's that differs.
    pub changes: Vec<Change>,
}

/// What a proof shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proves {
    /// The two files are the same, byte for byte.
    Identical,
    /// Every part that the service does not own is the same after decompression.
    EveryPart,
    /// The original's bytes are all there: with the named pieces taken out, it is back byte for byte.
    WholeWithin,
}

/// One part of the service's that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its name within the file.
    pub part: String,
    /// What became of it.
    pub how: How,
    /// As it was sent; nothing if it was added.
    pub before: Option<Mark>,
    /// As the destination has it.
    pub after: Option<Mark>,
}

/// What became of a part of the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It was not there before.
    Added,
    /// It has other bytes.
    Changed,
}
