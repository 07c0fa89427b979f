//! Writes a manifest, line by line as entries come.

use std::io::{self, Write};

use super::line::{FileLine, HeaderLine, Running, TrailerLine};
use super::{Counts, Entry, FilePath, Header, LINE_LIMIT, Trailer};

/// Why a manifest was not written to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The bytes could not be written.
    #[error("manifest could not be written")]
    Io(#[from] io::Error),
    /// The entries are not sorted by path, bytewise.
    #[error(
        "\"{path}\" does not come after \"{before}\": entries must be sorted by the bytes of their paths"
    )]
    Unsorted {
        /// The path that came too late.
        path: FilePath,
        /// The path before it.
        before: FilePath,
    },
    /// One path came twice.
    #[error("\"{path}\" comes twice")]
    Doubled {
        /// The path.
        path: FilePath,
    },
    /// A line would be longer than readers take.
    #[error("the line of \"{path}\" would have {bytes} bytes, and {LINE_LIMIT} are the limit")]
    TooLong {
        /// The file's path, or "header".
        path: String,
        /// Bytes that the line would have.
        bytes: usize,
    },
    /// The header announced another number of files.
    #[error("header announces {announced} files, and {written} came")]
    Announced {
        /// What the header says.
        announced: u64,
        /// What came.
        written: u64,
    },
    /// A value does not go into JSON: no value of this crate does that.
    #[error("line could not be encoded")]
    Encode(#[from] serde_json::Error),
}

/// A manifest that is being written. Without [`ManifestWriter::finish`] it has no trailer and no reader takes it.
#[derive(Debug)]
pub struct ManifestWriter<W> {
    out: W,
    running: Running,
    announced: u64,
    counts: Counts,
    before: Option<FilePath>,
}

impl<W: Write> ManifestWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Where it cannot be written, or is too long.
    pub fn begin(out: W, header: &Header) -> Result<Self, WriteError> {
        let mut writer = Self {
            out,
            running: Running::default(),
            announced: header.files,
            counts: Counts::default(),
            before: None,
        };
        let line = writer.running.seal(&HeaderLine::of(header))?;
        writer.put(&line, "header")?;
        Ok(writer)
    }

    /// Writes one file's line.
    ///
    /// # Errors
    /// Where its path does not come after the one before it, where it is one more than announced, or where it
    /// cannot be written. What was written so far is no manifest then.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), WriteError> {
        let path = &entry.path;
        match &self.before {
            Some(before) if before == path => return Err(WriteError::Doubled { path: path.clone() }),
            Some(before) if before > path => {
                return Err(WriteError::Unsorted { path: path.clone(), before: before.clone() });
            }
            _ => {}
        }
        if self.counts.files == self.announced {
            return Err(WriteError::Announced { announced: self.announced, written: self.counts.files + 1 });
        }
        // The header is line 1.
        let line = self.running.seal(&FileLine::of(self.counts.files + 2, entry))?;
        self.put(&line, path.as_str())?;
        self.counts.add(entry);
        self.before = Some(path.clone());
        Ok(())
    }

    /// Writes the trailer and flushes.
    ///
    /// # Errors
    /// Where fewer files came than the header announced, or it cannot be written.
    pub fn finish(mut self) -> Result<(Trailer, W), WriteError> {
        if self.counts.files != self.announced {
            return Err(WriteError::Announced { announced: self.announced, written: self.counts.files });
        }
        let trailer = Trailer { counts: self.counts, sha256: self.running.sha256() };
        serde_json::to_writer(&mut self.out, &TrailerLine::from(trailer))?;
        self.out.write_all(b"\n")?;
        self.out.flush()?;
        Ok((trailer, self.out))
    }

    fn put(&mut self, line: &str, path: &str) -> Result<(), WriteError> {
        if line.len() > LINE_LIMIT {
            return Err(WriteError::TooLong { path: path.to_owned(), bytes: line.len() });
        }
        self.running.pass(line.as_bytes());
        self.out.write_all(line.as_bytes())?;
        Ok(())
    }
}

/// Writes a whole manifest from entries that come sorted by path.
///
/// # Errors
/// As [`ManifestWriter`].
pub fn write<W: Write>(
    out: W,
    header: &Header,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<(Trailer, W), WriteError> {
    let mut writer = ManifestWriter::begin(out, header)?;
    for entry in entries {
        writer.entry(&entry)?;
    }
    writer.finish()
}
