//! Reads logs that people or older scripts wrote, strictly: a file is understood whole or refused whole.
//!
//! A file is read twice from the disk, never held in memory: the first reading finds its encoding and
//! every mistake with its line, the second hands out rows. It knows nothing of the ledger.

mod decode;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use landfall_core::state::State;
use landfall_core::{Code, ErrorKind, StoreError};

use super::csv::HEADER;
use super::file::broken;
use super::stamp;
use decode::{Decoded, Encoding};

/// Rows handed out at a time.
const BATCH: usize = 500;

/// Mistakes that an error text names; more are only counted.
const NAMED: usize = 20;

/// How a log is read.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Every row needs a time that can be read; otherwise times are not looked at.
    pub(super) timed: bool,
    /// The zone of times that name none.
    pub(super) zone: TimeZone,
}

/// One row of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogRow {
    /// The line that it begins on, counted from 1.
    pub(super) line: u64,
    /// `relative_path` as it stands there.
    pub(super) path: String,
    /// `file_name` as it stands there.
    pub(super) name: String,
    /// Bytes; `None` where the cell is empty.
    pub(super) size: Option<u64>,
    /// The state; `None` for a row of something skipped or gone, whose status is empty.
    pub(super) status: Option<State>,
    /// When; `None` where it is not looked at.
    pub(super) time: Option<stamp::Read>,
}

/// A log that was found to be in order and is being handed out.
pub(super) struct Rows {
    reader: Option<Reader>,
    /// Rows in all.
    pub(super) count: u64,
}

impl Rows {
    /// Reads the whole file once and refuses it if anything in it cannot be understood.
    ///
    /// `path` is read, `shown` is what errors call it.
    ///
    /// # Errors
    /// `Rejected` with code `LogUnreadable`, `LogColumns`, `LogStatus` or `LogRow`; the text names the
    /// first mistakes with their lines.
    pub(super) async fn open(path: PathBuf, shown: PathBuf, manner: Manner) -> Result<Self, StoreError> {
        let work = move || {
            let encoding = decode::detect(&path, &shown)?;
            let count = Reader::open(&path, &shown, encoding, manner.clone())?.check()?;
            let reader = Reader::open(&path, &shown, encoding, manner)?;
            Ok(Self { reader: Some(reader), count })
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| broken("read log", e))?
    }

    /// The next rows; empty at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<LogRow>, StoreError> {
        let Some(mut reader) = self.reader.take() else { return Ok(Vec::new()) };
        let work = move || {
            let batch = reader.batch();
            (reader, batch)
        };
        let (reader, batch) = tokio::task::spawn_blocking(work).await.map_err(|e| broken("read log", e))?;
        let batch = batch?;
        if !batch.is_empty() {
            self.reader = Some(reader);
        }
        Ok(batch)
    }
}

/// One mistake.
struct Mistake {
    line: u64,
    code: Code,
    text: String,
}

struct Reader {
    lines: ::csv::Reader<Decoded<BufReader<File>>>,
    record: ::csv::StringRecord,
    shown: PathBuf,
    manner: Manner,
}

impl Reader {
    fn open(path: &Path, shown: &Path, encoding: Encoding, manner: Manner) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|e| unreadable(shown, "it cannot be opened").with_source(e))?;
        let decoded = Decoded::new(BufReader::new(file), encoding);
        let lines = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(decoded);
        let mut reader = Self { lines, record: ::csv::StringRecord::new(), shown: shown.to_owned(), manner };
        reader.header()?;
        Ok(reader)
    }

    fn header(&mut self) -> Result<(), StoreError> {
        let there = self.advance()?;
        if there && self.record.iter().eq(HEADER) {
            return Ok(());
        }
        let have =
            if there { self.record.iter().collect::<Vec<_>>().join(",") } else { "nothing".to_owned() };
        let have: String = have.chars().take(200).collect();
        let detail = format!("line 1: the columns must be {}, and there is {have}", HEADER.join(","));
        Err(refused(&self.shown, Code::LogColumns, detail))
    }

    fn advance(&mut self) -> Result<bool, StoreError> {
        self.lines
            .read_record(&mut self.record)
            .map_err(|e| unreadable(&self.shown, "it cannot be read").with_source(e))
    }

    /// Reads to the end and counts the rows.
    fn check(mut self) -> Result<u64, StoreError> {
        let mut rows = 0;
        let mut wrong = 0_u64;
        let mut named: Vec<Mistake> = Vec::new();
        let mut last = 1;
        while self.advance()? {
            rows += 1;
            last = self.line();
            if let Err(mistake) = self.row() {
                wrong += 1;
                if named.len() < NAMED {
                    named.push(mistake);
                }
            }
        }
        if self.lines.get_ref().quotes() % 2 == 1 {
            let text = "a quotation mark is never closed".to_owned();
            wrong += 1;
            named.push(Mistake { line: last, code: Code::LogRow, text });
        }
        let Some(first) = named.first() else { return Ok(rows) };
        let code = first.code;
        let mut detail =
            named.iter().map(|m| format!("line {}: {}", m.line, m.text)).collect::<Vec<_>>().join("; ");
        let more = wrong.saturating_sub(named.len() as u64);
        if more > 0 {
            detail.push_str(&format!("; and {more} more"));
        }
        Err(refused(&self.shown, code, detail))
    }

    fn batch(&mut self) -> Result<Vec<LogRow>, StoreError> {
        let mut rows = Vec::new();
        while rows.len() < BATCH && self.advance()? {
            let row = self.row().map_err(|mistake| {
                let detail =
                    format!("line {}: {} (it changed while it was read)", mistake.line, mistake.text);
                refused(&self.shown, mistake.code, detail)
            })?;
            rows.push(row);
        }
        Ok(rows)
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, ::csv::Position::line)
    }

    /// Understands the record at hand.
    fn row(&self) -> Result<LogRow, Mistake> {
        let line = self.line();
        let mistake = |code, text| Mistake { line, code, text };
        let wrong = |text: String| mistake(Code::LogRow, text);
        let cells: Vec<&str> = self.record.iter().collect();
        let &[path, name, size, status, time, comment] = cells.as_slice() else {
            return Err(wrong(format!("{} cells instead of {}", cells.len(), HEADER.len())));
        };
        if path.is_empty() {
            return Err(wrong("relative_path is empty".to_owned()));
        }
        if path.contains('\0') {
            return Err(wrong("relative_path holds a NUL character".to_owned()));
        }
        let size = match size.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong(format!("{} is no number of bytes", cut(text))))?),
        };
        let status = match status.trim() {
            "" if comment.starts_with("skipped ") || comment.starts_with("gone ") => None,
            text => {
                let state = State::parse(text);
                Some(state.ok_or_else(|| mistake(Code::LogStatus, format!("unknown status {}", cut(text))))?)
            }
        };
        let time = if self.manner.timed && status.is_some() {
            let read = stamp::read(time, &self.manner.zone);
            Some(read.ok_or_else(|| wrong(format!("{} is no time", cut(time))))?)
        } else {
            None
        };
        Ok(LogRow { line, path: path.to_owned(), name: name.to_owned(), size, status, time })
    }
}

/// Opens any text file, decoded, for a reader of another format.
pub(super) fn text(path: &Path) -> Result<impl std::io::Read + use<>, StoreError> {
    let encoding = decode::detect(path, path)?;
    let file = File::open(path).map_err(|e| unreadable(path, "it cannot be opened").with_source(e))?;
    Ok(Decoded::new(file, encoding))
}

/// A cell as an error may quote it.
fn cut(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

fn unreadable(path: &Path, detail: &str) -> StoreError {
    refused(path, Code::LogUnreadable, detail.to_owned())
}

fn refused(path: &Path, code: Code, detail: String) -> StoreError {
    StoreError::new(ErrorKind::Rejected, "read log", path.display().to_string(), detail).with_code(code)
}

#[cfg(test)]
mod tests;
