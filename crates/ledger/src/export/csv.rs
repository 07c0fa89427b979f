//! `upload_log.csv`: one row a file with its present state, rewritten whole from the ledger.
//!
//! The ledger is the truth and this file its picture, made again and again through temporary file, fsync
//! and rename. The digest of what was written is remembered, so that a file that somebody edited since is
//! recognised and never overwritten unseen. The caller keeps one [`UploadLog`] per job and lets
//! only one task at a time use it. Format and rules: `docs/log.md`.

mod memory;
mod rotation;
mod rows;

pub use rotation::Rotated;
pub use rows::{HEADER, Poured, Scope};

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use landfall_core::ledger::{JobHandle, Ledger};
use landfall_core::{FileId, StoreError};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

pub(super) use memory::{LogMemo, Written, newest_event};

use super::file::{self, Replacement};
use super::stamp::Stamp;
use rows::Form;

/// The shortest time between two writes of the log: a person who watches the file needs no more.
const SHORTEST: Duration = Duration::from_secs(2);

/// The log rests this many times as long as its last write took, so that it costs at most a tenth.
const REST: u32 = 10;

/// Where a job's log lies and how it is written.
#[derive(Clone, Debug)]
pub struct UploadLog {
    /// The file, usually `upload_log.csv` in the state folder.
    pub path: PathBuf,
    /// How times are written.
    pub stamp: Stamp,
    /// How many backups of each kind are kept; the oldest go first.
    pub keep: usize,
}

/// What a refresh did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The file shows the ledger as it was during the write.
    Written(Poured),
    /// The file was edited by somebody; it stays as it is until the edits are applied or set aside.
    Edited,
}

impl UploadLog {
    /// A log at a path, with RFC 3339 times and ten backups.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), stamp: Stamp::default(), keep: 10 }
    }

    /// True where the file is there and is not what was written last.
    ///
    /// # Errors
    /// Where the file or the ledger cannot be read.
    pub async fn is_edited(&self, ledger: &dyn Ledger, job: &JobHandle) -> Result<bool, StoreError> {
        let memo = LogMemo::load(ledger, job.id).await?;
        let disk = file::digest_of(&self.path).await?;
        Ok(disk.is_some_and(|digest| !memo.wrote(&digest)))
    }

    /// Writes the log anew from the ledger, unless somebody edited it.
    ///
    /// Killed anywhere, it leaves the old or the new file, and both are known as our own. The file is
    /// looked at again right before it is replaced; only a save within that moment would be lost.
    ///
    /// # Errors
    /// With code `StateFolder` where the file cannot be written; the old file stays.
    pub async fn refresh(&self, ledger: &dyn Ledger, job: &JobHandle) -> Result<Refreshed, StoreError> {
        let mut stored = LogMemo::load(ledger, job.id).await?;
        let mut memo = stored.clone();
        let before = file::digest_of(&self.path).await?;
        if before.as_ref().is_some_and(|digest| !memo.settle(digest)) {
            return Ok(Refreshed::Edited);
        }
        let from = newest_event(ledger, job.id, memo.newest()).await?;
        let mut replacement = Replacement::begin(&self.path).await?;
        let form = Form { scope: Scope::Current, since: memo.since, stamp: &self.stamp, spreadsheet: false };
        let poured = rows::pour(ledger, job, &form, &mut replacement)
            .await
            .map_err(|error| error.at(&file::temp_of(&self.path)))?;
        replacement.seal().await?;
        let to = newest_event(ledger, job.id, from).await?;
        let written = Written { digest: poured.digest.clone(), from, to };
        let now = file::digest_of(&self.path).await?;
        if now != before {
            replacement.discard().await?;
            return Ok(Refreshed::Edited);
        }
        if now.as_ref() == Some(&poured.digest) {
            replacement.discard().await?;
        } else {
            memo.pending = Some(written.clone());
            memo.save(ledger, job.id).await?;
            stored = memo.clone();
            replacement.commit().await?;
        }
        memo.current = Some(written);
        memo.pending = None;
        if memo != stored {
            memo.save(ledger, job.id).await?;
        }
        Ok(Refreshed::Written(poured))
    }

    /// Keeps the log current until `stop` is ready, then writes it a last time.
    ///
    /// It rests at least two seconds and at least ten times as long as the last write took. A write that
    /// fails on the way is logged and tried again: the move does not stop for its picture. Stopping
    /// never cuts a write off.
    ///
    /// # Errors
    /// Where the last write fails.
    pub async fn follow(
        &self,
        ledger: &dyn Ledger,
        job: &JobHandle,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Refreshed, StoreError> {
        let mut stop = pin!(stop);
        let mut rest = SHORTEST;
        loop {
            // Both branches only wait; dropping either loses nothing.
            let stopped = tokio::select! {
                biased;
                () = &mut stop => true,
                () = tokio::time::sleep(rest) => false,
            };
            if stopped {
                return self.refresh(ledger, job).await;
            }
            let begun = Instant::now();
            if let Err(error) = self.refresh(ledger, job).await {
                tracing::warn!(job = %job.name, error = %error.chain(), "the log could not be written");
            }
            rest = SHORTEST.max(begun.elapsed() * REST);
        }
    }
}

/// Writes a log to somewhere else: the rows of the present log, or everything that the ledger knows.
///
/// `since` of the present log is the start of the run at which it was last rotated. For `spreadsheet`
/// a byte order mark comes first and cells that a spreadsheet would compute begin with an apostrophe.
///
/// # Errors
/// Where the ledger cannot be read or the writer fails.
pub async fn export(
    ledger: &dyn Ledger,
    job: &JobHandle,
    what: &Export<'_>,
    writer: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<Poured, StoreError> {
    let memo = LogMemo::load(ledger, job.id).await?;
    let form =
        Form { scope: what.scope, since: memo.since, stamp: what.stamp, spreadsheet: what.spreadsheet };
    rows::pour(ledger, job, &form, writer).await.map_err(|error| error.at("output".as_ref()))
}

/// Writes everything that the ledger knows of a job, skipped things and vanished files too.
///
/// # Errors
/// As [`export`].
pub async fn export_all(
    ledger: &dyn Ledger,
    job: &JobHandle,
    stamp: &Stamp,
    spreadsheet: bool,
    writer: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<Poured, StoreError> {
    export(ledger, job, &Export { scope: Scope::All, stamp, spreadsheet }, writer).await
}

/// What an export holds and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// Which rows.
    pub scope: Scope,
    /// How times are written.
    pub stamp: &'a Stamp,
    /// For a spreadsheet: byte order mark, and no cell that computes.
    pub spreadsheet: bool,
}

/// Rows read from the ledger at a time; about 300 KiB of memory.
const PAGE: usize = 500;

/// Where a scan begins: ids are positive.
const FIRST: FileId = FileId(i64::MIN);

#[cfg(test)]
mod tests;
