//! `SHA256SUMS` as GNU coreutils writes and reads it.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{aside, listed};
use crate::manifest::Entry;

/// A name as coreutils writes it: a backslash before the line where the name needs escapes.
///
/// Source: coreutils manual, "md5sum invocation", and `sha256sum` 9.1 as it behaves, 2026-11.
pub(super) fn escaped(path: &str) -> (&'static str, Cow<'_, str>) {
    if path.contains(['\\', '\n', '\r']) {
        let path = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        ("\\", Cow::Owned(path))
    } else {
        ("", Cow::Borrowed(path))
    }
}

/// Writes `SHA256SUMS` and, beside it, the list of files that have no SHA-256.
#[derive(Debug)]
pub struct Sums<S, O> {
    sums: S,
    others: O,
}

impl<S: Write, O: Write> Sums<S, O> {
    /// Writes into these two.
    pub fn new(sums: S, others: O) -> Self {
        Self { sums, others }
    }

    /// Writes one file's line into the one list or the other.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        match listed(entry) {
            Some(digest) => {
                let (mark, path) = escaped(entry.path.as_str());
                writeln!(self.sums, "{mark}{digest}  {path}")
            }
            None => aside(&mut self.others, entry),
        }
    }

    /// Flushes both.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn finish(mut self) -> io::Result<(S, O)> {
        self.sums.flush()?;
        self.others.flush()?;
        Ok((self.sums, self.others))
    }
}
