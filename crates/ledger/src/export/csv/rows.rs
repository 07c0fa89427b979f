//! Rows of the log as text, poured page by page from a scan of the ledger.

use std::path::Path;

use jiff::Timestamp;
use landfall_core::ledger::{FileFilter, JobHandle, Ledger};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::State;
use landfall_core::{ErrorKind, StoreError};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{FIRST, PAGE};
use crate::export::file::{hex, unusable};
use crate::export::naming::Naming;
use crate::export::stamp::Stamp;

/// The log's columns, in order.
pub const HEADER: [&str; 6] =
    ["relative_path", "file_name", "file_size_bytes", "status", "timestamp", "comment"];

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Files that take part, without those that were SUCCESS before the log was last rotated.
    Current,
    /// Every file that takes part; then what was skipped and what the source lost, with an empty status.
    All,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poured {
    /// Rows, the header not counted.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, hex.
    pub digest: String,
}

/// What is written and how.
pub(super) struct Form<'a> {
    pub(super) scope: Scope,
    pub(super) since: Option<Timestamp>,
    pub(super) stamp: &'a Stamp,
    pub(super) spreadsheet: bool,
}

/// Why pouring stopped.
pub(super) enum PourError {
    Ledger(StoreError),
    Write(std::io::Error),
    Format(::csv::Error),
}

impl PourError {
    /// Names the file that was written to.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Ledger(error) => error,
            Self::Write(error) => unusable("write", path, error),
            Self::Format(error) => StoreError::new(
                ErrorKind::Rejected,
                "write",
                path.display().to_string(),
                "a row has no CSV form",
            )
            .with_source(error),
        }
    }
}

/// Writes the header and all rows of the scope, a page in memory at a time.
pub(super) async fn pour(
    ledger: &dyn Ledger,
    job: &JobHandle,
    form: &Form<'_>,
    writer: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<Poured, PourError> {
    let naming = Naming::of(ledger, job.id).await.map_err(PourError::Ledger)?;
    let mut sink = Sink { writer, hash: Sha256::new(), rows: 0, bytes: 0 };
    let mut page = Page::begin();
    page.header(form.spreadsheet).map_err(PourError::Format)?;
    sink.take(page).await?;
    let sections: &[&[Standing]] = match form.scope {
        Scope::Current => &[&[Standing::In, Standing::Unsettled]],
        Scope::All => &[&[Standing::In, Standing::Unsettled], &[Standing::Skipped], &[Standing::Gone]],
    };
    for standings in sections {
        let filter = FileFilter { standings: standings.to_vec(), ..FileFilter::default() };
        let mut after = FIRST;
        loop {
            let rows = ledger.scan(job.id, &filter, after, PAGE).await.map_err(PourError::Ledger)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let mut page = Page::begin();
            for row in rows.iter().filter(|row| shown(row, form)) {
                page.row(&cells(row, &naming, form.stamp), form.spreadsheet).map_err(PourError::Format)?;
            }
            sink.take(page).await?;
        }
    }
    sink.writer.flush().await.map_err(PourError::Write)?;
    Ok(Poured { rows: sink.rows, bytes: sink.bytes, digest: hex(&sink.hash.finalize()) })
}

/// A row that is listed anew and was placed before still takes part; one never placed does not yet.
fn shown(row: &FileRow, form: &Form<'_>) -> bool {
    if row.standing == Standing::Unsettled && row.target == 0 {
        return false;
    }
    let settled_before =
        row.state == State::Success && form.since.is_some_and(|since| row.changed_at < since);
    form.scope == Scope::All || !settled_before
}

fn cells(row: &FileRow, naming: &Naming, stamp: &Stamp) -> [String; 6] {
    let (status, comment) = match row.standing {
        Standing::Skipped => (
            String::new(),
            format!("skipped {}", row.skip.map_or("unknown", landfall_core::state::Reason::name)),
        ),
        Standing::Gone => (String::new(), format!("gone from the source, was {}", row.state)),
        _ => (row.state.name().to_owned(), comment(row)),
    };
    [
        naming.path(row),
        row.entry.name.clone(),
        row.entry.size.0.to_string(),
        status,
        stamp.write(row.changed_at),
        comment,
    ]
}

/// `reason: text (n attempts)`, each part only where there is one.
fn comment(row: &FileRow) -> String {
    let mut parts = Vec::with_capacity(2);
    match (row.reason, row.comment.as_str()) {
        (Some(reason), "") => parts.push(reason.name().to_owned()),
        (Some(reason), text) => parts.push(format!("{reason}: {text}")),
        (None, "") => {}
        (None, text) => parts.push(text.to_owned()),
    }
    match row.attempts {
        0 => {}
        1 => parts.push("(1 attempt)".to_owned()),
        n => parts.push(format!("({n} attempts)")),
    }
    parts.join(" ")
}

/// A cell that a spreadsheet would compute or misread gets an apostrophe before it.
fn disarm(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// Lines that are not written yet.
struct Page {
    lines: ::csv::Writer<Vec<u8>>,
    rows: u64,
    mark: bool,
}

impl Page {
    fn begin() -> Self {
        Self { lines: ::csv::Writer::from_writer(Vec::new()), rows: 0, mark: false }
    }

    fn header(&mut self, mark: bool) -> Result<(), ::csv::Error> {
        self.mark = mark;
        self.lines.write_record(HEADER)
    }

    fn row(&mut self, cells: &[String; 6], spreadsheet: bool) -> Result<(), ::csv::Error> {
        self.rows += 1;
        if spreadsheet {
            self.lines.write_record(cells.iter().map(|c| disarm(c)))
        } else {
            self.lines.write_record(cells)
        }
    }
}

/// Where lines go, with the digest of all of them.
struct Sink<'a> {
    writer: &'a mut (dyn AsyncWrite + Unpin + Send),
    hash: Sha256,
    rows: u64,
    bytes: u64,
}

impl Sink<'_> {
    async fn take(&mut self, page: Page) -> Result<(), PourError> {
        if page.mark {
            self.put("\u{feff}".as_bytes()).await?;
        }
        self.rows += page.rows;
        let lines = page.lines.into_inner().map_err(|e| PourError::Write(e.into_error()))?;
        self.put(&lines).await
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), PourError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.writer.write_all(bytes).await.map_err(PourError::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_would_compute_is_disarmed() {
        for cell in ["=1", "+1", "-1", "@a", "\tx", "\rx", "\nx"] {
            assert_eq!(disarm(cell), format!("'{cell}"));
        }
        assert_eq!(disarm("名=a"), "名=a");
    }
}
