//! Lines as they stand in the file: the order of keys here is the order there.
//!
//! Every line but the trailer ends with its check: the first 16 hex digits of the SHA-256 over all lines before
//! it, followed by its own bytes up to the comma before the check.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{AtSource, Counts, Entry, FilePath, Header, Held, Proof, Trailer, VERSION};
use crate::digest::{FileDigest, Hex, Sha256};

/// How a line of a file begins, and no other.
pub(super) const FILE: &[u8] = b"{\"n\":";
const CHECK: &str = ",\"check\":\"";

pub(super) type Check = Hex<8>;

/// The marks of a manifest, read first: a newer version may have other fields.
#[derive(Deserialize)]
pub(super) struct Mark {
    pub(super) manifest: String,
    pub(super) version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderLine<'a> {
    manifest: Cow<'a, str>,
    version: u32,
    about: Cow<'a, Header>,
    #[serde(default, skip_serializing)]
    pub(super) check: Option<Check>,
}

impl<'a> HeaderLine<'a> {
    pub(super) const NAME: &'static str = "landfall";

    pub(super) fn of(about: &'a Header) -> Self {
        Self {
            manifest: Cow::Borrowed(Self::NAME),
            version: VERSION,
            about: Cow::Borrowed(about),
            check: None,
        }
    }

    pub(super) fn about(self) -> Header {
        self.about.into_owned()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLine<'a> {
    pub(super) n: u64,
    path: Cow<'a, FilePath>,
    size: u64,
    digest: FileDigest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Held>,
    id: Cow<'a, str>,
    proof: Proof,
    source: Cow<'a, AtSource>,
    #[serde(default, skip_serializing)]
    pub(super) check: Option<Check>,
}

impl<'a> FileLine<'a> {
    pub(super) fn of(n: u64, entry: &'a Entry) -> Self {
        Self {
            n,
            path: Cow::Borrowed(&entry.path),
            size: entry.size,
            digest: entry.digest,
            held: entry.held,
            id: Cow::Borrowed(&entry.id),
            proof: entry.proof,
            source: Cow::Borrowed(&entry.source),
            check: None,
        }
    }

    pub(super) fn entry(self) -> Entry {
        Entry {
            path: self.path.into_owned(),
            size: self.size,
            digest: self.digest,
            held: self.held,
            id: self.id.into_owned(),
            proof: self.proof,
            source: self.source.into_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrailerLine {
    counts: Counts,
    sha256: Sha256,
}

impl From<Trailer> for TrailerLine {
    fn from(trailer: Trailer) -> Self {
        Self { counts: trailer.counts, sha256: trailer.sha256 }
    }
}

impl From<TrailerLine> for Trailer {
    fn from(line: TrailerLine) -> Self {
        Self { counts: line.counts, sha256: line.sha256 }
    }
}

/// Everything before the next line, hashed: both sides of the format keep one.
#[derive(Debug, Default)]
pub(super) struct Running(sha2::Sha256);

impl Running {
    /// The whole line, newline included, with its check.
    pub(super) fn seal(&self, line: &impl Serialize) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(line)?;
        // The closing brace comes behind the check.
        text.pop();
        let check = self.check(text.as_bytes());
        text.push_str(CHECK);
        text.push_str(&check.to_string());
        text.push_str("\"}\n");
        Ok(text)
    }

    /// The check that a line with these bytes before it must carry.
    pub(super) fn check(&self, body: &[u8]) -> Check {
        let mut hash = self.0.clone();
        hash.update(body);
        let whole: [u8; 32] = hash.finalize().into();
        let mut check = [0; 8];
        check.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Check::new(check)
    }

    pub(super) fn pass(&mut self, line: &[u8]) {
        self.0.update(line);
    }

    pub(super) fn sha256(&self) -> Sha256 {
        Sha256::new(self.0.clone().finalize().into())
    }
}

/// A line's bytes up to the comma before its check, by the length that every check has.
pub(super) fn body(line: &[u8]) -> &[u8] {
    let tail = CHECK.len() + 16 + "\"}\n".len();
    line.get(..line.len().saturating_sub(tail)).unwrap_or_default()
}
