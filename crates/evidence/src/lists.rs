//! The same files for other people's tools: `SHA256SUMS` for `sha256sum -c`, and a BagIt bag (RFC 8493).
//!
//! Both can carry SHA-256 only. What has none, for its bytes never passed through Landfall or a service rewrote
//! them since, is named in a list of its own, so that nobody takes a short list for a whole one.

mod bag;
mod sums;

pub use bag::{Bag, BagInfo, TagFiles};
pub use sums::Sums;

use std::io::{self, Write};

use crate::digest::{FileDigest, Sha256};
use crate::manifest::{Entry, Held};

/// The digest of what a reader gets who takes this file out of the destination and opens its seal.
fn expected(entry: &Entry) -> &FileDigest {
    match &entry.held {
        // The original bytes are nowhere any more; the source's digest would call a sound file damaged.
        Some(Held::Rewritten(object)) => &object.digest,
        Some(Held::Sealed(_)) | None => &entry.digest,
    }
}

fn listed(entry: &Entry) -> Option<&Sha256> {
    expected(entry).sha256()
}

/// One line of the side list: algorithm, digest, path, in the escapes of the list of sums.
fn aside(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let digest = expected(entry);
    let (mark, path) = sums::escaped(entry.path.as_str());
    writeln!(out, "{mark}{} {digest}  {path}", digest.name())
}
