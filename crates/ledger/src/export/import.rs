//! `log import`: what the logs, indexes and temporary folder of older scripts tell about files that a
//! crawl has listed.
//!
//! Nothing in them is believed beyond what can be checked: SUCCESS stays to be proven, bytes in the
//! temporary folder are hashed before they count as LOCAL, and what the ledger learnt later than a row
//! was written wins over it. Nothing is recorded before every file was read. Rules: `docs/log.md`.

mod adopt;
mod apply;
mod claims;
mod old_index;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use landfall_core::ledger::{JobHandle, Ledger};
use landfall_core::spool::Spool;
use landfall_core::{Clock, Code, ErrorKind, RelPath, StoreError};

use super::bounded::Noticed;
use claims::Claims;

/// What is imported.
#[derive(Clone, Debug)]
pub struct Import {
    /// Logs, and indexes: those whose name ends in `.json`. In any order.
    pub files: Vec<PathBuf>,
    /// The older scripts' folder of fetched bytes; it stays as it is.
    pub temp_dir: Option<PathBuf>,
    /// The folder of the source that paths in the files may begin at; the root where they always count
    /// from the source's root.
    pub base: RelPath,
    /// The zone of times that name none.
    pub zone: TimeZone,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// A file that was refused whole.
#[derive(Debug)]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Why, with lines and code.
    pub error: StoreError,
}

/// What an import amounted to.
#[derive(Debug, Default)]
pub struct Imported {
    /// Files that could not be understood; nothing of them counts.
    pub refused: Vec<Refusal>,
    /// Rows of the logs that were understood.
    pub rows: u64,
    /// Entries of the indexes that were understood.
    pub entries: u64,
    /// Files whose bytes were found in the temporary folder and are LOCAL now.
    pub adopted: u64,
    /// Their bytes.
    pub adopted_bytes: u64,
    /// PENDING rows with a file in the temporary folder that is not what the source holds, with the reason.
    pub not_adopted: Noticed,
    /// SUCCESS rows: their files are looked for at the destination and proven.
    pub to_prove: u64,
    /// Rows that the ledger already knew so, or that ask for nothing but what happens anyway.
    pub unchanged: u64,
    /// Rows that changed the ledger in another way: `path: before -> set to`.
    pub changed: Noticed,
    /// Rows older than what the ledger knows, where the two differ.
    pub overtaken: Noticed,
    /// Paths on which files disagree; the newest row counted.
    pub disagreements: Noticed,
    /// Index entries whose size is not the source's.
    pub resized: Noticed,
    /// Paths that the ledger does not know, or that can mean several files, or no longer take part.
    pub unknown: Noticed,
}

/// Imports files of older scripts, or logs edited by hand, into a job that was crawled.
///
/// Must hold the job's lease. Repeating it changes nothing more.
///
/// # Errors
/// `Rejected` with code `BadArgument` where the job was never crawled. A file that cannot be understood
/// is no error of the import: it is among the refused. Where the spool is full the import stops, and can be
/// repeated.
pub async fn import(
    ledger: &dyn Ledger,
    job: &JobHandle,
    spool: &dyn Spool,
    clock: &dyn Clock,
    what: &Import,
) -> Result<Imported, StoreError> {
    require_crawl(ledger, job).await?;
    let mut report = Imported::default();
    let mut claims = Claims::new(ledger, job, what).await?;
    for path in what.files.iter().filter(|p| !is_index(p)) {
        if let Err(error) = claims.read_log(path, &mut report).await {
            refuse(path, error, &mut report)?;
        }
    }
    for path in what.files.iter().filter(|p| is_index(p)) {
        if let Err(error) = claims.read_index(path, &mut report).await {
            refuse(path, error, &mut report)?;
        }
    }
    let at = clock.now();
    let scene = apply::Scene { ledger, job, spool, what };
    apply::apply(scene, claims.settled(), at, &mut report).await?;
    Ok(report)
}

/// Keeps the refusal of one file and goes on; anything else ends the import.
fn refuse(path: &Path, error: StoreError, report: &mut Imported) -> Result<(), StoreError> {
    let of_the_file =
        matches!(error.code, Some(Code::LogUnreadable | Code::LogColumns | Code::LogStatus | Code::LogRow));
    if !of_the_file {
        return Err(error);
    }
    report.refused.push(Refusal { path: path.to_owned(), error });
    Ok(())
}

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

async fn require_crawl(ledger: &dyn Ledger, job: &JobHandle) -> Result<(), StoreError> {
    let tally = ledger.tally(job.id, None).await?;
    if tally.all().files + tally.unsettled + tally.gone + tally.outside > 0 || !tally.skipped.is_empty() {
        return Ok(());
    }
    let detail = format!("the ledger knows no file of this job yet: run `landfall crawl {}` first", job.name);
    Err(StoreError::new(ErrorKind::Rejected, "import log", job.name.clone(), detail)
        .with_code(Code::BadArgument))
}

#[cfg(test)]
mod tests;
