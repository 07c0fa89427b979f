//! What can be wrong with a manifest, and at which line.

use crate::manifest::{LINE_LIMIT, VERSION};

/// The first line that is wrong, and why.
#[derive(Debug, thiserror::Error)]
#[error("manifest is wrong at line {line}")]
pub struct ManifestError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub why: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// It could not be read at all.
    #[error("it could not be read")]
    Io(#[source] std::io::Error),
    /// There is no line there: not even a header, or no trailer.
    #[error("the file ends before it: it was cut off")]
    Absent,
    /// The line does not end with a newline.
    #[error("the file ends within it: it was cut off")]
    CutOff,
    /// It is longer than any line of a manifest.
    #[error("it is longer than {LINE_LIMIT} bytes")]
    TooLong,
    /// It is not a line of a manifest.
    #[error("it is no line of a manifest")]
    Unreadable(#[source] serde_json::Error),
    /// The manifest was written by a newer program.
    #[error("its format has version {0}, and this program reads version {VERSION}")]
    Version(u64),
    /// Another number stands there than is due.
    #[error("it carries number {found}: lines before it are missing or were moved")]
    Missing {
        /// The number it carries.
        found: u64,
    },
    /// A number that was there before.
    #[error("it carries number {found}: it stands there a second time, or was moved")]
    Repeated {
        /// The number it carries.
        found: u64,
    },
    /// It says the same as a line that this crate writes, in other bytes.
    #[error("it is not in the canonical form")]
    NotCanonical,
    /// Its check does not fit.
    #[error("it was changed: its check does not fit")]
    Changed,
    /// Its path does not come after the path before it.
    #[error("its path does not come after the one before it")]
    Order,
    /// The trailer, or the header, counts otherwise.
    #[error("it says {says} {what}, and there are {counted}")]
    Count {
        /// What is counted.
        what: Misfit,
        /// What the line says.
        says: u64,
        /// What there is.
        counted: u64,
    },
    /// The trailer's SHA-256 is another.
    #[error("its SHA-256 is not that of the lines before it")]
    Digest,
    /// Something stands behind the trailer.
    #[error("bytes stand behind the trailer")]
    Trailing,
}

/// What is counted otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Files by the header, against lines.
    Announced,
    /// Files by the trailer.
    Files,
    /// Bytes.
    Bytes,
    /// Proven by hash.
    Hash,
    /// Proven by bytes.
    Read,
    /// Proven by parts.
    Parts,
    /// With a SHA-256.
    Sha256,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Announced => "files to come",
            Self::Files => "files",
            Self::Bytes => "bytes",
            Self::Hash => "files proven by hash",
            Self::Read => "files proven by bytes",
            Self::Parts => "files proven by parts",
            Self::Sha256 => "files with a SHA-256",
        })
    }
}
