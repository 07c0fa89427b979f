//! The lease on a job: one living process at a time.
//!
//! SQLite: a lock on a file beside the database, which the system releases when the process dies.
//! PostgreSQL: an advisory lock of a session of its own, which the server releases when the connection
//! ends. Either is only the polite half: the epoch in the job's row refuses the writes of whoever lost it.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use landfall_core::{Code, Epoch, ErrorKind, StoreError};
use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Connection as _};

use crate::error::{failed, unreachable};

/// Something that ends with the process.
#[derive(Debug)]
pub(crate) enum Hold {
    /// The locked file.
    File(#[expect(dead_code, reason = "held for its lock")] File),
    /// The session with the advisory lock.
    Session(Box<AnyConnection>),
    /// A ledger that nobody else can open.
    Alone,
}

/// One job's lease, held by this ledger object.
#[derive(Debug)]
pub(crate) struct Lease {
    /// What keeps others out.
    pub(crate) hold: Hold,
    /// The newest epoch taken under it.
    pub(crate) epoch: Epoch,
}

fn busy(job: &str, by: &str) -> StoreError {
    let who = if by.trim().is_empty() { "another process" } else { by.trim() };
    StoreError::new(ErrorKind::Locked, "open job", job, format!("{who} works on it")).with_code(Code::JobBusy)
}

/// A name for the lock file: the job's own where that is plain, else its fingerprint.
fn lock_path(database: &Path, job: &str) -> PathBuf {
    let plain = job.len() <= 64 && job.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let name = if plain {
        job.to_owned()
    } else {
        Sha256::digest(job.as_bytes()).iter().take(12).map(|b| format!("{b:02x}")).collect()
    };
    let mut path = database.as_os_str().to_owned();
    path.push(format!(".{name}.lock"));
    PathBuf::from(path)
}

/// Locks the file of a job. The file stays when the lock goes: taking it away would let two processes
/// hold locks on two files of one name.
pub(crate) fn lock_file(database: &Path, job: &str, holder: &str) -> Result<Hold, StoreError> {
    let path = lock_path(database, job);
    let shown = || path.display().to_string();
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|e| unreachable(shown(), "the lock file cannot be opened", e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            // Who holds it is only for the message; not to know it is no second failure.
            drop(file.read_to_string(&mut by));
            return Err(busy(job, &by));
        }
        Err(TryLockError::Error(error)) => {
            return Err(unreachable(shown(), "the lock file cannot be locked", error));
        }
    }
    let text = format!("process {} ({holder})\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
    written.map_err(|e| unreachable(shown(), "the lock file cannot be written", e))?;
    Ok(Hold::File(file))
}

const ADVISE: &str = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END";
const HOLDER: &str = "SELECT holder FROM job WHERE name = $1";

/// Takes the advisory lock of a job on a session of its own.
pub(crate) async fn lock_session(url: &str, job: &str) -> Result<Hold, StoreError> {
    let mut session = AnyConnection::connect(url).await.map_err(failed("open job"))?;
    let digest = Sha256::digest(format!("landfall job {job}").as_bytes());
    let number = digest.iter().take(8).fold(0_i64, |sum, b| (sum << 8) | i64::from(*b));
    let taken: i64 =
        sqlx::query_scalar(ADVISE).bind(number).fetch_one(&mut session).await.map_err(failed("open job"))?;
    if taken == 1 {
        return Ok(Hold::Session(Box::new(session)));
    }
    let holder = sqlx::query_scalar(HOLDER).bind(job).fetch_optional(&mut session).await;
    let holder: Option<String> = holder.map_err(failed("open job"))?;
    Err(busy(job, holder.as_deref().unwrap_or_default()))
}

/// Gives a lease back.
pub(crate) async fn release(hold: Hold) {
    if let Hold::Session(session) = hold
        && let Err(error) = session.close().await
    {
        tracing::debug!(%error, "the session of a lease ended by itself");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("台帳.db");
        let first = lock_file(&database, "音声/移行", "ada@host").unwrap();
        let error = lock_file(&database, "音声/移行", "bob@host").unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Locked, Some(Code::JobBusy)));
        assert!(error.detail.contains("ada@host") && error.detail.contains(&std::process::id().to_string()));
        lock_file(&database, "別", "bob@host").unwrap();
        drop(first);
        lock_file(&database, "音声/移行", "bob@host").unwrap();
    }
}
