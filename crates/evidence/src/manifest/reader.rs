//! Reads a manifest line by line and names the first line that is wrong.

use std::io::{BufRead, Read as _};

use serde::de::DeserializeOwned;

use super::error::{ManifestError, Misfit, Wrong};
use super::line::{self, FileLine, HeaderLine, Mark, Running, TrailerLine};
use super::{Counts, Entry, FilePath, Header, LINE_LIMIT, Trailer, VERSION};

/// A manifest that is being read: an iterator over its files, which ends with the first error.
///
/// Nothing is shown of the file as a whole until the iterator has ended without an error: only then
/// [`ManifestReader::trailer`] is there.
#[derive(Debug)]
pub struct ManifestReader<R> {
    input: R,
    buffer: Vec<u8>,
    running: Running,
    line: u64,
    header: Header,
    counts: Counts,
    before: Option<FilePath>,
    trailer: Option<Trailer>,
    ended: bool,
}

impl<R: BufRead> ManifestReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Where the first line is not one.
    pub fn open(mut input: R) -> Result<Self, ManifestError> {
        let mut buffer = Vec::new();
        let running = Running::default();
        let header = read_line(&mut input, &mut buffer)
            .and_then(|()| header(&running, &buffer))
            .map_err(|why| ManifestError { line: 1, why })?;
        let counts = Counts::default();
        let mut reader = Self {
            input,
            buffer,
            running,
            line: 1,
            header,
            counts,
            before: None,
            trailer: None,
            ended: false,
        };
        reader.running.pass(&reader.buffer);
        Ok(reader)
    }

    /// What the manifest says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The trailer, once every line was read and nothing was wrong.
    #[must_use]
    pub fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    fn advance(&mut self) -> Result<Option<Entry>, Wrong> {
        self.line += 1;
        read_line(&mut self.input, &mut self.buffer)?;
        if self.buffer.starts_with(line::FILE) {
            let entry = self.file()?;
            self.running.pass(&self.buffer);
            return Ok(Some(entry));
        }
        self.trailer = Some(self.last()?);
        Ok(None)
    }

    fn file(&mut self) -> Result<Entry, Wrong> {
        let parsed: FileLine<'_> = parse(&self.buffer)?;
        let (n, check) = (parsed.n, parsed.check);
        if n > self.line {
            return Err(Wrong::Missing { found: n });
        }
        if n < self.line {
            return Err(Wrong::Repeated { found: n });
        }
        let entry = parsed.entry();
        let due = self.running.check(line::body(&self.buffer));
        // Canonical is what this crate would have written; only the check may be wrong in it.
        let again = self.running.seal(&FileLine::of(n, &entry)).map_err(Wrong::Unreadable)?;
        if line::body(again.as_bytes()) != line::body(&self.buffer) {
            return Err(Wrong::NotCanonical);
        }
        if check != Some(due) {
            return Err(Wrong::Changed);
        }
        if again.as_bytes() != self.buffer {
            return Err(Wrong::NotCanonical);
        }
        if self.before.as_ref().is_some_and(|before| *before >= entry.path) {
            return Err(Wrong::Order);
        }
        self.counts.add(&entry);
        self.before = Some(entry.path.clone());
        Ok(entry)
    }

    fn last(&mut self) -> Result<Trailer, Wrong> {
        let trailer = Trailer::from(parse::<TrailerLine>(&self.buffer)?);
        let mut again = serde_json::to_vec(&TrailerLine::from(trailer)).map_err(Wrong::Unreadable)?;
        again.push(b'\n');
        if again != self.buffer {
            return Err(Wrong::NotCanonical);
        }
        let (says, is) = (trailer.counts, self.counts);
        for (what, says, counted) in [
            (Misfit::Files, says.files, is.files),
            (Misfit::Bytes, says.bytes, is.bytes),
            (Misfit::Hash, says.hash, is.hash),
            (Misfit::Read, says.read, is.read),
            (Misfit::Parts, says.parts, is.parts),
            (Misfit::Sha256, says.sha256, is.sha256),
        ] {
            if says != counted {
                return Err(Wrong::Count { what, says, counted });
            }
        }
        if trailer.sha256 != self.running.sha256() {
            return Err(Wrong::Digest);
        }
        if !self.input.fill_buf().map_err(Wrong::Io)?.is_empty() {
            self.line += 1;
            return Err(Wrong::Trailing);
        }
        if self.header.files != is.files {
            self.line = 1;
            return Err(Wrong::Count { what: Misfit::Announced, says: self.header.files, counted: is.files });
        }
        Ok(trailer)
    }
}

impl<R: BufRead> Iterator for ManifestReader<R> {
    type Item = Result<Entry, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.advance();
        self.ended = !matches!(step, Ok(Some(_)));
        step.map_err(|why| ManifestError { line: self.line, why }).transpose()
    }
}

impl<R: BufRead> std::iter::FusedIterator for ManifestReader<R> {}

/// Reads a whole manifest and keeps nothing of it but header and trailer.
///
/// # Errors
/// With the first line that is wrong, and why.
pub fn check(input: impl BufRead) -> Result<(Header, Trailer), ManifestError> {
    let mut reader = ManifestReader::open(input)?;
    for entry in reader.by_ref() {
        entry?;
    }
    let ManifestReader { header, trailer, line, .. } = reader;
    trailer.map(|trailer| (header, trailer)).ok_or(ManifestError { line, why: Wrong::Absent })
}

fn header(running: &Running, bytes: &[u8]) -> Result<Header, Wrong> {
    let mark: Mark = parse(bytes)?;
    if mark.manifest == HeaderLine::NAME && mark.version != u64::from(VERSION) {
        return Err(Wrong::Version(mark.version));
    }
    let parsed: HeaderLine<'_> = parse(bytes)?;
    let check = parsed.check;
    let header = parsed.about();
    let again = running.seal(&HeaderLine::of(&header)).map_err(Wrong::Unreadable)?;
    if line::body(again.as_bytes()) != line::body(bytes) {
        return Err(Wrong::NotCanonical);
    }
    if check != Some(running.check(line::body(bytes))) {
        return Err(Wrong::Changed);
    }
    if again.as_bytes() == bytes { Ok(header) } else { Err(Wrong::NotCanonical) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(bytes).map_err(Wrong::Unreadable)
}

/// One line with its newline, never more than the limit in memory.
fn read_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> Result<(), Wrong> {
    buffer.clear();
    let limit = LINE_LIMIT as u64;
    input.by_ref().take(limit).read_until(b'\n', buffer).map_err(Wrong::Io)?;
    match buffer.last() {
        None => Err(Wrong::Absent),
        Some(b'\n') => Ok(()),
        Some(_) if buffer.len() >= LINE_LIMIT => Err(Wrong::TooLong),
        Some(_) => Err(Wrong::CutOff),
    }
}
