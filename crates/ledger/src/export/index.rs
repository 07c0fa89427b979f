//! `index.json`: what the source lists, as the crawl left it in the ledger.
//!
//! Streamed from scans, so a million entries cost the memory of one page. It never holds a cursor (which
//! may be a URL with a token in it), only the number of the listing pass that it shows.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use landfall_core::ledger::{FileFilter, JobHandle, Ledger};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::Reason;
use landfall_core::{FileId, StoreError};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::file::{Replacement, temp_of, unusable};
use super::naming::Naming;
use super::stamp::whole_second;

/// The version of the format.
pub const VERSION: u32 = 1;

/// Rows read from the ledger at a time.
const PAGE: usize = 500;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Indexed {
    /// Files that the source lists and the job takes.
    pub files: u64,
    /// Their bytes as the source publishes them.
    pub bytes: u64,
    /// Folders that take part.
    pub folders: u64,
    /// Files of `files` whose place is not settled, because the crawl has not ended.
    pub unsettled: u64,
    /// Things listed and never moved, by reason.
    pub skipped: BTreeMap<Reason, u64>,
}

#[derive(Serialize)]
struct SourceLine<'a> {
    label: &'a str,
    identity: &'a str,
    pass: i64,
    full: bool,
    complete: bool,
}

#[derive(Serialize)]
struct EntryLine<'a> {
    id: &'a str,
    path: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quickxor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Reason>,
}

/// Writes the index of a job. `at` is the moment that it names as its own.
///
/// A kill leaves the old or the new file. One entry stands on one line, so that line tools can read it.
///
/// # Errors
/// With code `StateFolder` where the file cannot be written; the old one stays.
pub async fn write(
    ledger: &dyn Ledger,
    job: &JobHandle,
    path: &Path,
    at: Timestamp,
) -> Result<Indexed, StoreError> {
    let mut replacement = Replacement::begin(path).await?;
    let mut lines = Lines { writer: &mut replacement, path: &temp_of(path) };
    let indexed = stream(ledger, job, at, &mut lines).await?;
    replacement.seal().await?;
    replacement.commit().await?;
    Ok(indexed)
}

async fn stream(
    ledger: &dyn Ledger,
    job: &JobHandle,
    at: Timestamp,
    lines: &mut Lines<'_>,
) -> Result<Indexed, StoreError> {
    let naming = Naming::of(ledger, job.id).await?;
    let mut indexed = Indexed { folders: ledger.tally(job.id, None).await?.folders, ..Indexed::default() };
    lines.put(format!("{{\"version\":{VERSION},\n\"job\":{},\n", text(&job.name))).await?;
    lines.put(format!("\"time\":{},\n\"sources\":[", text(&whole_second(at)))).await?;
    let mut sources = naming.sources().to_vec();
    sources.sort_by_key(|s| s.id);
    for (n, source) in sources.iter().enumerate() {
        let cursor = ledger.cursor(job.id, source.id).await?;
        let line = SourceLine {
            label: &source.label,
            identity: &source.identity,
            pass: cursor.pass,
            full: cursor.full,
            complete: cursor.complete,
        };
        lines.put(format!("{}\n{}", comma(n == 0), text(&line))).await?;
    }
    lines.put("],\n\"entries\":[".to_owned()).await?;
    entries(ledger, job, &naming, &mut indexed, lines).await?;
    // The counts come last: they count what was written, whatever changed in the ledger meanwhile.
    lines.put(format!("],\n\"counts\":{}}}\n", text(&indexed))).await?;
    Ok(indexed)
}

async fn entries(
    ledger: &dyn Ledger,
    job: &JobHandle,
    naming: &Naming,
    indexed: &mut Indexed,
    lines: &mut Lines<'_>,
) -> Result<(), StoreError> {
    let standings = vec![Standing::In, Standing::Unsettled, Standing::Skipped];
    let filter = FileFilter { standings, ..FileFilter::default() };
    let mut after = FileId(i64::MIN);
    let mut first = true;
    loop {
        let rows = ledger.scan(job.id, &filter, after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        let mut page = String::new();
        for row in &rows {
            count(row, indexed);
            page.push_str(comma(first));
            page.push('\n');
            page.push_str(&text(&entry(row, naming)));
            first = false;
        }
        lines.put(page).await?;
    }
}

fn count(row: &FileRow, indexed: &mut Indexed) {
    if row.standing == Standing::Skipped {
        *indexed.skipped.entry(row.skip.unwrap_or(Reason::Unknown)).or_default() += 1;
        return;
    }
    indexed.files += 1;
    indexed.bytes += row.entry.size.0;
    indexed.unsettled += u64::from(row.standing == Standing::Unsettled);
}

fn entry<'a>(row: &'a FileRow, naming: &Naming) -> EntryLine<'a> {
    let digests = &row.entry.digests;
    EntryLine {
        id: row.entry.key.as_str(),
        path: naming.path(row),
        size: row.entry.size.0,
        modified: row.entry.times.modified.map(whole_second),
        quickxor: digests.quickxor.as_ref().map(landfall_core::Digest::base64),
        sha256: digests.sha256.as_ref().map(landfall_core::Digest::hex),
        sha1: digests.sha1.as_ref().map(landfall_core::Digest::hex),
        skipped: (row.standing == Standing::Skipped).then(|| row.skip.unwrap_or(Reason::Unknown)),
    }
}

fn comma(first: bool) -> &'static str {
    if first { "" } else { "," }
}

/// The JSON of a value that always has one: no maps with odd keys, no floats.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

struct Lines<'a> {
    writer: &'a mut (dyn AsyncWrite + Unpin + Send),
    path: &'a Path,
}

impl Lines<'_> {
    async fn put(&mut self, text: String) -> Result<(), StoreError> {
        self.writer.write_all(text.as_bytes()).await.map_err(|e| unusable("write", self.path, e))
    }
}

#[cfg(test)]
mod tests;
