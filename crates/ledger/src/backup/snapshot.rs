//! Snapshots: copies that are made by themselves, kept by number, at most one in a while.
//!
//! Whether anything changed is read from the newest one itself, so there is nothing to remember.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use landfall_core::{Code, ErrorKind, StoreError};

use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;

use super::{Contents, backup, connect, contents};

const FORM: &str = "ledger-%Y%m%dT%H%M%SZ.db";

/// Where snapshots lie, and how many.
#[derive(Clone, Debug)]
pub struct Snapshots {
    /// The ledger.
    pub database: PathBuf,
    /// Their folder; made where it is missing. Files of other names in it are left alone.
    pub folder: PathBuf,
    /// How many are kept; at least one.
    pub keep: usize,
    /// The least time between two.
    pub every: Duration,
}

/// Makes a snapshot where the newest one is old enough and the ledger has changed since; takes the oldest away.
///
/// # Errors
/// As [`backup`].
pub async fn snapshot(rule: &Snapshots, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
    let mut there = known(&rule.folder)?;
    if let Some((at, newest)) = there.last() {
        let age = now.duration_since(*at).unsigned_abs();
        // A clock that was set back is no reason to make none for years.
        if *at <= now && age < rule.every {
            return Ok(None);
        }
        if same(rule, newest).await {
            return Ok(None);
        }
    }
    std::fs::create_dir_all(&rule.folder).map_err(unusable(&rule.folder))?;
    let path = rule.folder.join(now.strftime(FORM).to_string());
    backup(&rule.database, &path).await?;
    if there.last().is_none_or(|(_, newest)| *newest != path) {
        there.push((now, path.clone()));
    }
    let spare = there.len().saturating_sub(rule.keep.max(1));
    for (_, old) in there.iter().filter(|(_, old)| *old != path).take(spare) {
        std::fs::remove_file(old).map_err(unusable(old))?;
    }
    Ok(Some(path))
}

/// True where the newest snapshot says all that the ledger says. One that cannot be read says nothing.
async fn same(rule: &Snapshots, newest: &Path) -> bool {
    match (standing(newest).await, standing(&rule.database).await) {
        (Ok(before), Ok(now)) => before == now,
        _ => false,
    }
}

async fn standing(database: &Path) -> Result<Contents, StoreError> {
    let mut connection = connect(database).await?;
    let read = contents(&mut connection, false).await;
    connection.close().await.map_err(crate::error::failed("read ledger"))?;
    read
}

/// A short text that changes when what the ledger says does, without reading more of it than its jobs.
///
/// # Errors
/// Where there is no such ledger, or it cannot be read.
pub async fn mark(database: &Path) -> Result<String, StoreError> {
    let Contents { version, jobs, verified } = standing(database).await?;
    let text = serde_json::json!([version, jobs, verified]).to_string();
    Ok(Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The snapshots there are, by the moment in their names.
fn known(folder: &Path) -> Result<Vec<(Timestamp, PathBuf)>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(folder)(error)),
    };
    let mut known = Vec::new();
    for entry in entries {
        let path = entry.map_err(unusable(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let at = DateTime::strptime(FORM, name).and_then(|at| at.to_zoned(TimeZone::UTC));
        if let Ok(at) = at {
            known.push((at.timestamp(), path));
        }
    }
    known.sort();
    Ok(known)
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |error| {
        let subject = path.display().to_string();
        let made = StoreError::new(ErrorKind::Denied, "keep snapshots in", subject, "it cannot be used");
        made.with_code(Code::StateFolder).with_source(error)
    }
}
