//! Why two files could not be shown to be the same but for the service's own parts.
//!
//! Two things are kept apart: a [`Refusal`] is a verdict on bytes that were read, the same at each repetition; a
//! failure to read is no verdict at all, and nothing follows from it.

use std::fmt;

use serde::Serialize;

use crate::hash::Mark;

/// What kept a proof from being made.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The bytes were read, and they do not prove it.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The bytes could not be read; ask again.
    #[error("cannot read the {0}")]
    Unread(Side, #[source] std::io::Error),
}

impl RewriteError {
    /// The verdict, if there is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unread(..) => None,
        }
    }
}

/// Which of the two files is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// What was sent.
    Original,
    /// What the service holds now.
    Destination,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "original",
            Self::Destination => "destination",
        })
    }
}

/// The first difference that the service has no business with, or why there was no comparing at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{side}: {reason}{}{}", About(part), About(detail))]
pub struct Refusal {
    /// The file that shows it.
    pub side: Side,
    /// The member, stream, object or segment; empty where the whole file is meant.
    pub part: String,
    /// What is wrong.
    pub reason: Reason,
    /// What exactly, in a few words; empty where the reason says it all.
    pub detail: String,
    /// The part as it was sent.
    pub before: Option<Mark>,
    /// The part as the destination has it.
    pub after: Option<Mark>,
}

struct About<'a>(&'a str);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// The closed list of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The bytes are not of the format that they were said to be.
    NotThisFormat,
    /// The fingerprint is of another format or version.
    NotThisFingerprint,
    /// The file ends before what it announces.
    Truncated,
    /// The file breaks its format's own rules.
    Malformed,
    /// Check sum, size or compressed data do not agree.
    Corrupt,
    /// Bytes that belong to no part: before, between, within or after the parts.
    Hidden,
    /// Two descriptions of one part contradict each other.
    Contradicting,
    /// Two parts answer to one name.
    Doubled,
    /// A name that leads elsewhere or that programs read differently.
    BadName,
    /// A part is encrypted, so that nothing can be said of it.
    Encrypted,
    /// A feature that this crate does not read, and so does not vouch for.
    Unsupported,
    /// More members, bytes or compression than the limits allow.
    OverLimit,
    /// A part of the original is not at the destination.
    Missing,
    /// A part that the service does not own has other bytes.
    Differs,
    /// A part that the service does not own was added.
    NotOwned,
    /// An entry of a list of types or relations was removed, changed, or added for a part that the service does not own.
    Entries,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotThisFormat => "the bytes are not of this format",
            Self::NotThisFingerprint => "the fingerprint is of another format or version",
            Self::Truncated => "the file is cut short",
            Self::Malformed => "the file breaks its format's rules",
            Self::Corrupt => "the data contradict their own check values",
            Self::Hidden => "there are bytes that belong to no part",
            Self::Contradicting => "two descriptions of one part contradict each other",
            Self::Doubled => "two parts have one name",
            Self::BadName => "a name is not to be trusted",
            Self::Encrypted => "a part is encrypted",
            Self::Unsupported => "a feature that cannot be vouched for",
            Self::OverLimit => "a limit is exceeded",
            Self::Missing => "a part is missing",
            Self::Differs => "a part differs",
            Self::NotOwned => "a part was added that the service does not own",
            Self::Entries => "an entry was removed, changed or added that the service does not own",
        })
    }
}

/// A refusal under way to its reader.
pub(crate) fn refused(side: Side, reason: Reason, part: &str, detail: impl Into<String>) -> RewriteError {
    let detail = detail.into();
    let refusal = Refusal { side, part: part.to_owned(), reason, detail, before: None, after: None };
    RewriteError::Refused(Box::new(refusal))
}

/// A difference between the two, with what each has.
pub(crate) fn differs(reason: Reason, part: &str, before: Option<Mark>, after: Option<Mark>) -> RewriteError {
    let (side, detail) = (Side::Destination, String::new());
    RewriteError::Refused(Box::new(Refusal { side, part: part.to_owned(), reason, detail, before, after }))
}

/// The same of a list, with what became of its entries.
pub(crate) fn entries(part: &str, detail: String, before: Option<Mark>, after: Option<Mark>) -> RewriteError {
    let (side, reason) = (Side::Destination, Reason::Entries);
    RewriteError::Refused(Box::new(Refusal { side, part: part.to_owned(), reason, detail, before, after }))
}
