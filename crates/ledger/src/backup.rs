//! Copies of a ledger that is one file: backups, snapshots, and the way back.
//!
//! `VACUUM INTO` gives a whole and consistent copy while others work, without the holes of the original. Owns when
//! a copy counts (checked, durable, under its name) and what restoring one may overwrite. A ledger on a server
//! is none of its business: that has tools of its own.

mod snapshot;

pub use snapshot::{Snapshots, mark, snapshot};

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::error::{corrupt, failed, unreachable};
use crate::open::{beside, escape};
use crate::schema;

const PREPARE: &str = "PRAGMA busy_timeout = 30000";
const COPY: &str = "VACUUM INTO $1";
const CHECK: &str = "PRAGMA quick_check(1)";
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const VERSION: &str = "SELECT MAX(version) FROM landfall_schema";
const JOBS: &str = "SELECT name, seq FROM job ORDER BY name";
const VERIFIED: &str = "SELECT COALESCE(MAX(id), 0) FROM run WHERE command = 'verify' AND ended IS NOT NULL";

/// What stands in a ledger, as far as one is compared with another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The version of its schema.
    pub version: i64,
    /// Its jobs by name, with the number of their last event.
    pub jobs: Vec<(String, i64)>,
    /// The last verify that came to its end: it changes dates and makes no event.
    pub verified: i64,
}

impl Contents {
    /// Jobs of which this ledger knows more than another.
    #[must_use]
    pub fn ahead_of(&self, other: &Self) -> Vec<String> {
        let known = |name: &str| other.jobs.iter().find(|(job, _)| job == name).map_or(-1, |(_, seq)| *seq);
        self.jobs.iter().filter(|(name, seq)| *seq > known(name)).map(|(name, _)| name.clone()).collect()
    }
}

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// What stands in it.
    pub contents: Contents,
}

/// Copies a ledger into a file, whatever was there: checked and durable before it gets its name.
///
/// # Errors
/// Code `LedgerUnreachable` where there is no such ledger, `LedgerCorrupt` where it or its copy is not sound, `StateFolder`
/// where the copy cannot be written.
pub async fn backup(database: &Path, to: &Path) -> Result<Copied, StoreError> {
    let temp = beside(to, &format!(".{}.tmp", std::process::id()));
    let made = copy(database, &temp).await;
    let made = match made {
        Ok(contents) => place(&temp, to).map(|bytes| Copied { bytes, contents }),
        Err(error) => Err(error),
    };
    if made.is_err() {
        let _gone = std::fs::remove_file(&temp);
    }
    made
}

async fn copy(database: &Path, temp: &Path) -> Result<Contents, StoreError> {
    // What a killed process of this number left; the database would refuse to write over it.
    let _left = std::fs::remove_file(temp);
    let mut from = connect(database).await?;
    let copied = sqlx::query(COPY).bind(temp.display().to_string()).execute(&mut from).await;
    let closed = from.close().await;
    copied.map_err(failed("back up"))?;
    closed.map_err(failed("back up"))?;
    read(temp).await
}

/// Checks a ledger from its first page to its last, and says what stands in it.
///
/// # Errors
/// Code `LedgerCorrupt` where it is not sound or no ledger.
pub async fn read(database: &Path) -> Result<Contents, StoreError> {
    let mut connection = connect(database).await?;
    let read = contents(&mut connection, true).await;
    connection.close().await.map_err(failed("read ledger"))?;
    read.map_err(|error| of(database, error))
}

async fn contents(connection: &mut AnyConnection, check: bool) -> Result<Contents, StoreError> {
    if check {
        let answer: String =
            sqlx::query_scalar(CHECK).fetch_one(&mut *connection).await.map_err(failed("check ledger"))?;
        if answer != "ok" {
            return Err(corrupt(answer));
        }
    }
    let version: Option<i64> =
        sqlx::query_scalar(VERSION).fetch_one(&mut *connection).await.map_err(failed("read ledger"))?;
    let rows = sqlx::query(JOBS).fetch_all(&mut *connection).await.map_err(failed("read ledger"))?;
    let mut jobs = Vec::with_capacity(rows.len());
    for row in rows {
        let job = row.try_get(0).and_then(|name| Ok((name, row.try_get(1)?)));
        jobs.push(job.map_err(failed("read ledger"))?);
    }
    let verified: i64 =
        sqlx::query_scalar(VERIFIED).fetch_one(connection).await.map_err(failed("read ledger"))?;
    Ok(Contents { version: version.unwrap_or_default(), jobs, verified })
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What stands in the ledger now.
    pub contents: Contents,
    /// Where the one lies that was there.
    pub kept: Option<PathBuf>,
    /// Jobs of which that one knew more.
    pub lost: Vec<String>,
}

/// Puts a copy in a ledger's place. What was there is kept beside it.
///
/// # Errors
/// `Locked` with code `JobBusy` where anybody has the ledger open; `Rejected` with code `BadArgument` where it knows more
/// than the copy and `force` is not set; code `LedgerCorrupt` or `LedgerNewer` for the copy. Nothing has
/// changed then.
pub async fn restore(
    from: &Path,
    database: &Path,
    force: bool,
    now: Timestamp,
) -> Result<Restored, StoreError> {
    let wanted = read(from).await?;
    let known = i64::try_from(schema::SQLITE.len()).unwrap_or(i64::MAX);
    if wanted.version > known {
        let detail = format!("its version is {}, this program knows {known}", wanted.version);
        let error = StoreError::new(ErrorKind::Unsupported, "restore", from.display().to_string(), detail);
        return Err(error.with_code(Code::LedgerNewer));
    }
    let _alone = alone(database)?;
    let mut lost = Vec::new();
    if database.exists() {
        // One that cannot be read is why somebody restores.
        lost = settle(database).await.map(|now| now.ahead_of(&wanted)).unwrap_or_default();
        if !lost.is_empty() && !force {
            let detail = format!(
                "it knows more than the copy of {}; --force puts the copy there all the same",
                lost.join(", ")
            );
            let error =
                StoreError::new(ErrorKind::Rejected, "restore over", database.display().to_string(), detail);
            return Err(error.with_code(Code::BadArgument));
        }
    }
    let temp = beside(database, &format!(".{}.tmp", std::process::id()));
    let placed = std::fs::copy(from, &temp).map_err(unwritable(&temp)).and_then(|_| {
        let kept = keep(database, now)?;
        place(&temp, database)?;
        Ok(kept)
    });
    if placed.is_err() {
        let _gone = std::fs::remove_file(&temp);
    }
    Ok(Restored { contents: wanted, kept: placed?, lost })
}

/// Holds a ledger for ourselves: everybody who has it open holds this lock too, until the system takes it back.
fn alone(database: &Path) -> Result<File, StoreError> {
    let path = beside(database, ".lock");
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let lock = opened
        .map_err(|error| unreachable(path.display().to_string(), "its folder cannot be written", error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let subject = database.display().to_string();
            let error =
                StoreError::new(ErrorKind::Locked, "restore over", subject, "another process has it open");
            Err(error.with_code(Code::JobBusy))
        }
        Err(TryLockError::Error(error)) => {
            Err(unreachable(path.display().to_string(), "its lock cannot be taken", error))
        }
    }
}

/// Brings what lies in the write-ahead log into the database itself, and says what stands there.
async fn settle(database: &Path) -> Result<Contents, StoreError> {
    let mut connection = connect(database).await?;
    let settled = sqlx::query(CHECKPOINT).fetch_optional(&mut connection).await.map_err(failed("restore"));
    let read = contents(&mut connection, false).await;
    connection.close().await.map_err(failed("restore"))?;
    settled?;
    read
}

/// Gives the present ledger a second name. Its place is never empty: the copy is renamed over it.
fn keep(database: &Path, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
    if !database.exists() {
        return Ok(None);
    }
    let kept = beside(database, &format!(".before-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    if kept.exists() {
        let error =
            StoreError::new(ErrorKind::Exists, "keep", kept.display().to_string(), "it is there already");
        return Err(error.with_code(Code::StateFolder));
    }
    // Not every file system has second names.
    std::fs::hard_link(database, &kept)
        .or_else(|_| std::fs::copy(database, &kept).map(drop))
        .map_err(unwritable(&kept))?;
    for ending in ["-wal", "-shm"] {
        let log = beside(database, ending);
        // A log is left where the database could not be read: it belongs to what is kept.
        if log.exists() {
            std::fs::rename(&log, beside(&kept, ending)).map_err(unwritable(&log))?;
        }
    }
    Ok(Some(kept))
}

/// Makes a finished file durable and gives it its name; its size.
fn place(temp: &Path, to: &Path) -> Result<u64, StoreError> {
    let placed = File::open(temp).and_then(|file| {
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        std::fs::rename(temp, to)?;
        // The name is durable once the folder is; not every system opens folders.
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty())
            && let Ok(folder) = File::open(folder)
        {
            let _durable = folder.sync_all();
        }
        Ok(bytes)
    });
    placed.map_err(unwritable(to))
}

async fn connect(database: &Path) -> Result<AnyConnection, StoreError> {
    sqlx::any::install_default_drivers();
    if !database.is_file() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(unreachable(database.display().to_string(), "there is no such file", missing));
    }
    let url = format!("sqlite:{}?mode=rw", escape(database));
    let mut connection = AnyConnection::connect(&url).await.map_err(failed("open ledger"))?;
    sqlx::query(PREPARE).execute(&mut connection).await.map_err(failed("open ledger"))?;
    Ok(connection)
}

/// A failure to understand a file means that it is no sound ledger, and says which file that is.
fn of(database: &Path, error: StoreError) -> StoreError {
    let code = match error.code {
        Some(Code::Internal) | None => Code::LedgerCorrupt,
        Some(code) => code,
    };
    let subject = database.display().to_string();
    StoreError::new(error.kind, "read", subject, "it is no sound ledger").with_code(code).with_source(error)
}

fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |error| {
        let subject = path.display().to_string();
        let made = StoreError::new(ErrorKind::Denied, "write", subject, "it cannot be written");
        made.with_code(Code::StateFolder).with_source(error)
    }
}

#[cfg(test)]
mod tests;
