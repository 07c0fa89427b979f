//! A BagIt bag around a restored tree (RFC 8493): the tag files; the tree itself lies in `data/`.
//!
//! Source: RFC 8493, October 2018, sections 2.1 and 2.2.

use std::io::{self, Write};

use jiff::civil::Date;
use sha2::Digest as _;

use super::{aside, listed};
use crate::digest::Sha256;
use crate::manifest::{Entry, Held};

const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// What `bag-info.txt` says beside the sums that are counted.
#[derive(Clone, Debug)]
pub struct BagInfo {
    /// The day it was made.
    pub date: Date,
    /// Labels and values in the order in which they are written: `Source-Organization`, `External-Identifier`.
    pub labels: Vec<(String, String)>,
}

/// The small files of a bag, to be written beside `manifest-sha256.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFiles {
    /// `bagit.txt`
    pub declaration: String,
    /// `bag-info.txt`
    pub info: String,
    /// `tagmanifest-sha256.txt`
    pub tag_manifest: String,
}

/// Writes `manifest-sha256.txt` and the side list; the other tag files follow from it at the end.
#[derive(Debug)]
pub struct Bag<M, O> {
    manifest: Hashed<M>,
    others: Hashed<O>,
    files: u64,
    bytes: u64,
}

impl<M: Write, O: Write> Bag<M, O> {
    /// The name of the side list within the bag.
    pub const OTHERS: &'static str = "landfall-without-sha256.txt";

    /// Writes the payload manifest and the side list into these two.
    pub fn new(manifest: M, others: O) -> Self {
        Self { manifest: Hashed::new(manifest), others: Hashed::new(others), files: 0, bytes: 0 }
    }

    /// Writes one file's line. A file without SHA-256 is no part of the bag: it must not lie in `data/`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(digest) = listed(entry) else { return aside(&mut self.others, entry) };
        self.files += 1;
        let bytes = match &entry.held {
            Some(Held::Rewritten(object)) => object.size,
            Some(Held::Sealed(_)) | None => entry.size,
        };
        self.bytes = self.bytes.saturating_add(bytes);
        writeln!(self.manifest, "{digest}  data/{}", encoded(entry.path.as_str()))
    }

    /// Ends both lists and gives the other tag files.
    ///
    /// # Errors
    /// Where the lists cannot be written, or a label or value does not fit on its line.
    pub fn finish(mut self, info: &BagInfo) -> io::Result<(TagFiles, M, O)> {
        self.manifest.flush()?;
        self.others.flush()?;
        let mut text = String::new();
        for (label, value) in &info.labels {
            text.push_str(&labelled(label, value)?);
        }
        text.push_str(&labelled("Bagging-Date", &info.date.to_string())?);
        text.push_str(&labelled("Payload-Oxum", &format!("{}.{}", self.bytes, self.files))?);
        let (manifest, manifest_sum) = self.manifest.finish();
        let (others, others_sum) = self.others.finish();
        let tag_manifest = [
            (Sha256::of(text.as_bytes()), "bag-info.txt"),
            (Sha256::of(DECLARATION.as_bytes()), "bagit.txt"),
            (others_sum, Self::OTHERS),
            (manifest_sum, "manifest-sha256.txt"),
        ]
        .iter()
        .map(|(digest, name)| format!("{digest}  {name}\n"))
        .collect();
        let files = TagFiles { declaration: DECLARATION.to_owned(), info: text, tag_manifest };
        Ok((files, manifest, others))
    }
}

/// A path in a payload manifest: only CR, LF and the percent sign are encoded.
fn encoded(path: &str) -> String {
    path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// One line of `bag-info.txt`; a label has no colon, and neither has a line break.
fn labelled(label: &str, value: &str) -> io::Result<String> {
    let breaks = |text: &str| text.contains(['\r', '\n']);
    if label.is_empty() || label.trim() != label || label.contains(':') || breaks(label) || breaks(value) {
        let why = format!("label {label:?} or its value does not fit on a line of bag-info.txt");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(format!("{label}: {value}\n"))
}

/// Passes bytes on and hashes them.
struct Hashed<W> {
    out: W,
    hash: sha2::Sha256,
}

impl<W> Hashed<W> {
    fn new(out: W) -> Self {
        Self { out, hash: sha2::Sha256::new() }
    }

    fn finish(self) -> (W, Sha256) {
        (self.out, Sha256::new(self.hash.finalize().into()))
    }
}

impl<W> std::fmt::Debug for Hashed<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashed")
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.hash.update(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
