//! What a database says, as the one error of ours: named by remedy, with a code where a person has to act.

use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::error::DatabaseError;

/// Turns a database's error into ours; for `map_err`.
pub(crate) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| translate(operation, error)
}

fn translate(operation: &'static str, error: sqlx::Error) -> StoreError {
    let (kind, code, detail) = match &error {
        sqlx::Error::Database(database) => kind_of(database.as_ref()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::Configuration(_) => {
            (ErrorKind::Interrupted, Some(Code::LedgerUnreachable), "the database cannot be reached")
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            (ErrorKind::Corrupt, Some(Code::LedgerCorrupt), "a value is not what the ledger writes")
        }
        _ => (ErrorKind::Interrupted, Some(Code::LedgerUnreachable), "the database broke off"),
    };
    let made = StoreError::new(kind, operation, "ledger", detail).with_source(error);
    match code {
        Some(code) => made.with_code(code),
        None => made,
    }
}

/// SQLite's result codes (sqlite.org/rescode.html) and PostgreSQL's classes (appendix A of its manual).
fn kind_of(error: &dyn DatabaseError) -> (ErrorKind, Option<Code>, &'static str) {
    let code = error.code().unwrap_or_default();
    let primary = code.parse::<u32>().map(|n| n & 0xff);
    match (primary, code.get(..2)) {
        (_, Some("40" | "55")) if code.len() == 5 => {
            (ErrorKind::Locked, None, "another process is in the way")
        }
        (_, Some("53")) if code.len() == 5 => {
            (ErrorKind::Full, Some(Code::LedgerUnreachable), "the server has no room")
        }
        (_, Some("08" | "28" | "3D" | "57")) if code.len() == 5 => {
            (ErrorKind::Interrupted, Some(Code::LedgerUnreachable), "the server refuses the connection")
        }
        (_, Some("XX")) => (ErrorKind::Corrupt, Some(Code::LedgerCorrupt), "the database is damaged"),
        (Ok(5 | 6), _) => (ErrorKind::Locked, None, "another process is in the way"),
        (Ok(11 | 26), _) => (ErrorKind::Corrupt, Some(Code::LedgerCorrupt), "the file is no sound database"),
        (Ok(13), _) => (ErrorKind::Full, Some(Code::LedgerUnreachable), "the disk is full"),
        (Ok(8 | 10 | 14 | 23), _) => (
            ErrorKind::Denied,
            Some(Code::LedgerUnreachable),
            "the database file cannot be opened for writing",
        ),
        _ => (ErrorKind::Rejected, Some(Code::Internal), "the database refuses a statement"),
    }
}

/// A row that the ledger does not have.
pub(crate) fn missing(operation: &'static str, subject: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::NotFound, operation, subject, "the ledger has no such row")
}

/// A value in the database that this program never wrote.
pub(crate) fn corrupt(detail: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, "read", "ledger", detail).with_code(Code::LedgerCorrupt)
}

/// A ledger that cannot be opened, with the cause.
pub(crate) fn unreachable(
    subject: impl Into<String>,
    detail: &'static str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::new(ErrorKind::Denied, "open ledger", subject, detail)
        .with_code(Code::LedgerUnreachable)
        .with_source(cause)
}
