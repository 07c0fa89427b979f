//! The manifest of a job: one line a file, sorted by path, the same bytes for the same ledger.
//!
//! JSON lines between a header and a trailer. Every line carries a check over all lines up to it, so that the
//! first wrong one can be named; the trailer carries the SHA-256 of everything before it. Checks find damage and
//! careless edits; against somebody who recomputes them stands the signature ([`crate::minisign`]).
//! Format: `docs/evidence.md`, "Manifest".

mod error;
mod line;
mod reader;
mod writer;

pub use error::{ManifestError, Misfit, Wrong};
pub use reader::{ManifestReader, check};
pub use writer::{ManifestWriter, WriteError, write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::digest::{FileDigest, Sha256};

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The longest line in bytes, its newline included: a path of 4,096 bytes written in escapes has room several times over.
pub const LINE_LIMIT: usize = 128 << 10;

/// A path below the job's root: forward slashes, never absolute, no empty, `.` or `..` segment, no NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

impl FilePath {
    /// Takes a path as given; NFC and NFD stay what they are.
    ///
    /// # Errors
    /// Where it would lead out of its folder or nowhere.
    pub fn new(path: impl Into<String>) -> Result<Self, PathRefused> {
        let path = path.into();
        let bad = |segment: &str| matches!(segment, "" | "." | "..");
        if path.contains('\0') || path.split('/').any(bad) { Err(PathRefused(path)) } else { Ok(Self(path)) }
    }

    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for FilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FilePath {
    type Error = PathRefused;

    fn try_from(path: String) -> Result<Self, PathRefused> {
        Self::new(path)
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

/// A text that is no path of a file below a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no path below the job's root")]
pub struct PathRefused(String);

/// What a manifest says of itself and of the job as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The job's name.
    pub job: String,
    /// The tenant, or whatever stands for it at the destination; empty for local folders.
    pub tenant: String,
    /// Name and version of the program that wrote it.
    pub program: String,
    /// SHA-256 of the configuration that the job ran with.
    pub configuration: Sha256,
    /// The moment it speaks of.
    pub moment: Timestamp,
    /// How far the chain of events reached at that moment.
    pub chain: Head,
    /// Files listed below.
    pub files: u64,
    /// Files of the job that are *not* listed, for they are not proven.
    pub unproven: u64,
    /// Things the source listed that are never moved.
    pub skipped: u64,
}

/// How the destination was shown to hold a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// The digest that the destination publishes equals ours.
    Hash,
    /// The bytes were read back, and their SHA-256 is equal.
    Bytes,
    /// The service rewrote the file; every inner part that it does not own is identical.
    Parts,
}

/// A proof with its three dates, which are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// How.
    pub kind: ProofKind,
    /// The bytes are not what was sent: somebody changed them at the destination, and that was accepted. Size and
    /// digest are theirs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
    /// When the service last reported no change: a report, not a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_at: Option<Timestamp>,
    /// When the published hash was last read and compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_at: Option<Timestamp>,
    /// When the bytes were last read back and compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_at: Option<Timestamp>,
}

/// Size and digest of what the destination holds where that is not the file's own content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Number of bytes.
    pub size: u64,
    /// Its strongest known digest.
    pub digest: FileDigest,
}

/// Why the destination holds other bytes than the file's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// The service rewrote it after it arrived; this is what to expect there now.
    Rewritten(Object),
    /// It lies there sealed; opened it has the file's own size and digest.
    Sealed(Object),
}

/// What the source said of a file at the crawl.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtSource {
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When its content last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Who changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_by: Option<String>,
}

/// One proven file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies below the job's root at the destination.
    pub path: FilePath,
    /// Number of bytes of the file as it was at the source; of what was accepted in its place, where the proof
    /// says so.
    pub size: u64,
    /// The strongest digest of those bytes that is known.
    pub digest: FileDigest,
    /// What the destination holds, where that differs by design.
    pub held: Option<Held>,
    /// What the destination calls it: for Graph the drive and the item id.
    pub id: String,
    /// How and when it was proven.
    pub proof: Proof,
    /// What the source said of it.
    pub source: AtSource,
}

/// Numbers by which a reader sees at once how strong a manifest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Lines of files.
    pub files: u64,
    /// Bytes of those files as they were at the source.
    pub bytes: u64,
    /// Proven by published hash.
    pub hash: u64,
    /// Proven by bytes read back.
    pub read: u64,
    /// Proven by parts.
    pub parts: u64,
    /// Listed with a SHA-256; the others have a weaker digest only.
    pub sha256: u64,
}

impl Counts {
    fn add(&mut self, entry: &Entry) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        match entry.proof.kind {
            ProofKind::Hash => self.hash += 1,
            ProofKind::Bytes => self.read += 1,
            ProofKind::Parts => self.parts += 1,
        }
        self.sha256 += u64::from(entry.digest.sha256().is_some());
    }
}

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// What was listed.
    pub counts: Counts,
    /// SHA-256 over all lines before it, newlines included.
    pub sha256: Sha256,
}

#[cfg(test)]
mod tests;
