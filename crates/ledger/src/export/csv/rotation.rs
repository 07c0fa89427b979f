//! Backups of the log, and the rotation at the start of a new run.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_core::ledger::{JobHandle, Ledger, RunRow};
use landfall_core::{RunId, StoreError};

use super::{LogMemo, UploadLog};
use crate::export::file::{self, unusable};
use crate::export::stamp::whole_second;

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// Rows that were SUCCESS are left out from here on; the log as it was lies in the backup.
    Done {
        /// The backup; `None` where there was no log yet.
        backup: Option<PathBuf>,
    },
    /// The log was rotated for this run, or a later one, before.
    Already,
    /// Somebody edited the log; it is rotated once the edits are applied or set aside.
    Edited,
}

impl UploadLog {
    /// Rotates the log for a run, once: repeating it, also after a kill, changes nothing more.
    ///
    /// A run that goes on after an interruption has its own id again and so is not rotated twice.
    ///
    /// # Errors
    /// With code `StateFolder` where backup or log cannot be written.
    pub async fn rotate_for(
        &self,
        ledger: &dyn Ledger,
        job: &JobHandle,
        run: &RunRow,
    ) -> Result<Rotated, StoreError> {
        let memo = LogMemo::load(ledger, job.id).await?;
        if memo.run.is_some_and(|last| last >= run.id) {
            return Ok(Rotated::Already);
        }
        self.turn(ledger, job, Some(run.id), run.started).await
    }

    /// Rotates the log now, by hand.
    ///
    /// # Errors
    /// With code `StateFolder` where backup or log cannot be written.
    pub async fn rotate(
        &self,
        ledger: &dyn Ledger,
        job: &JobHandle,
        at: Timestamp,
    ) -> Result<Rotated, StoreError> {
        self.turn(ledger, job, None, at).await
    }

    async fn turn(
        &self,
        ledger: &dyn Ledger,
        job: &JobHandle,
        run: Option<RunId>,
        at: Timestamp,
    ) -> Result<Rotated, StoreError> {
        let mut memo = LogMemo::load(ledger, job.id).await?;
        let backup = match file::digest_of(&self.path).await? {
            None => None,
            Some(digest) if !memo.wrote(&digest) => return Ok(Rotated::Edited),
            Some(digest) => Some(self.back_up(at, "", &digest).await?),
        };
        // A ledger may keep whole seconds only: what was proven within the run's first second stays in.
        memo.since = Some(whole_second(at));
        memo.run = run.or(memo.run);
        memo.save(ledger, job.id).await?;
        if self.refresh(ledger, job).await? == super::Refreshed::Edited {
            return Ok(Rotated::Edited);
        }
        Ok(Rotated::Done { backup })
    }

    /// Copies the log beside itself under a time stamp and drops the oldest backups of that kind.
    ///
    /// `digest` is the log's: a backup with these bytes that is there already (from before a kill) is
    /// taken as it is. Another backup is never overwritten: the name then ends in a number.
    pub(in crate::export) async fn back_up(
        &self,
        at: Timestamp,
        kind: &str,
        digest: &str,
    ) -> Result<PathBuf, StoreError> {
        let stamp = at.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string();
        let (stem, tail) = self.name();
        let mut number = 1;
        let path = loop {
            let again = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.path.with_file_name(format!("{stem}.{stamp}{again}{kind}{tail}"));
            match file::digest_of(&path).await? {
                None => break path,
                Some(there) if there == digest => return Ok(path),
                Some(_) => number += 1,
            }
        };
        file::copy(&self.path, &path).await?;
        self.prune(kind).await?;
        Ok(path)
    }

    async fn prune(&self, kind: &str) -> Result<(), StoreError> {
        let (stem, tail) = self.name();
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut backups = Vec::new();
        let mut entries = tokio::fs::read_dir(folder).await.map_err(|e| unusable("list", folder, e))?;
        while let Some(entry) = entries.next_entry().await.map_err(|e| unusable("list", folder, e))? {
            let name = entry.file_name();
            let stamp = name
                .to_str()
                .and_then(|n| {
                    n.strip_prefix(&stem)?.strip_prefix('.')?.strip_suffix(&tail)?.strip_suffix(kind)
                })
                .and_then(order);
            if let Some(stamp) = stamp {
                backups.push((stamp, entry.path()));
            }
        }
        backups.sort();
        let surplus = backups.len().saturating_sub(self.keep.max(1));
        for (_, path) in backups.into_iter().take(surplus) {
            tokio::fs::remove_file(&path).await.map_err(|e| unusable("remove", &path, e))?;
        }
        Ok(())
    }

    /// The file's name before and from its last dot.
    fn name(&self) -> (String, String) {
        let part = |p: Option<&std::ffi::OsStr>| p.unwrap_or_default().to_string_lossy().into_owned();
        let tail = part(self.path.extension());
        (part(self.path.file_stem()), if tail.is_empty() { tail } else { format!(".{tail}") })
    }
}

/// Reads `YYYYMMDD-HHMMSS` or `YYYYMMDD-HHMMSS-n`; `None` for any other name, which is not a backup.
fn order(stamp: &str) -> Option<(String, u32)> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let mut parts = stamp.splitn(3, '-');
    let (date, time) = (parts.next()?, parts.next()?);
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let number = parts.next().map_or(Some(1), |n| n.parse().ok())?;
    Some((format!("{date}{time}"), number))
}
