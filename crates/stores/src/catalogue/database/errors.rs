//! Errors of the three databases, named by what can be done about them.

use landfall_core::{Code, ErrorKind, StoreError};

/// What the database's own code means.
fn meaning(code: &str) -> Option<(ErrorKind, Code, &'static str)> {
    // Sources: sqlite.org/rescode.html; PostgreSQL 15 appendix A; MariaDB error codes. Read 2026-11.
    // SQLite's extended codes hold the primary one in their lowest byte; its codes are below 10,000, those
    // of MySQL (by SQLSTATE and number) are told apart by the caller.
    Some(match code {
        "S5" | "S6" | "P55P03" | "P40001" | "P40P01" | "M1205" | "M1213" | "M1222" => (
            ErrorKind::Locked,
            Code::CatalogueBusy,
            "another program has the database locked, and did not let go of it in time",
        ),
        "S26" | "S11" => (ErrorKind::Corrupt, Code::CatalogueUnusable, "it is no database, or a damaged one"),
        "S14" => (ErrorKind::Denied, Code::CatalogueUnusable, "the database file cannot be opened"),
        "S8" | "S23" | "S3" | "P42501" | "P25006" | "M1044" | "M1142" | "M1143" | "M1290" | "M1792" => {
            (ErrorKind::Denied, Code::CatalogueUnusable, "we may not")
        }
        "S13" | "P53100" | "M1021" | "M1114" => {
            (ErrorKind::Full, Code::CatalogueUnusable, "the database has no space left")
        }
        "P28000" | "P28P01" | "M1045" | "M1698" => {
            (ErrorKind::Unauthenticated, Code::CatalogueUnusable, "the server refuses user or password")
        }
        "P3D000" | "M1049" => {
            (ErrorKind::NotFound, Code::CatalogueUnusable, "the server has no such database")
        }
        _ => return None,
    })
}

/// Names a database's error by its remedy.
pub(super) fn named(operation: &'static str, subject: &str, error: sqlx::Error) -> StoreError {
    let make = |kind, detail: &str| StoreError::new(kind, operation, subject, detail);
    let known = match &error {
        sqlx::Error::Database(said) => code_of(said.as_ref()).and_then(|code| meaning(&code)),
        _ => None,
    };
    if let Some((kind, code, detail)) = known {
        return make(kind, detail).with_code(code).with_source(beneath(error));
    }
    match error {
        sqlx::Error::Database(_) => {
            make(ErrorKind::Rejected, "the database refuses the statement").with_source(beneath(error))
        }
        sqlx::Error::PoolTimedOut => {
            make(ErrorKind::Interrupted, "no connection came about").with_code(Code::CatalogueUnusable)
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
            make(ErrorKind::Interrupted, "the connection failed")
                .with_code(Code::CatalogueUnusable)
                .with_source(beneath(error))
        }
        other => make(ErrorKind::Interrupted, "the database failed").with_source(other),
    }
}

/// What an error of the driver is about: its own text repeats that of what lies beneath it.
fn beneath(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        sqlx::Error::Database(said) => said.into_error(),
        sqlx::Error::Io(error) => Box::new(error),
        sqlx::Error::Tls(error) | sqlx::Error::Configuration(error) => error,
        other => Box::new(other),
    }
}

/// The database's code with a letter for the database; SQLite's cut to its primary code.
fn code_of(said: &dyn sqlx::error::DatabaseError) -> Option<String> {
    if let Some(mysql) = said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return Some(format!("M{}", mysql.number()));
    }
    let code = said.code()?;
    if said.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return Some(format!("P{code}"));
    }
    code.parse::<u32>().ok().map(|code| format!("S{}", code & 0xff))
}

/// An error of the machine around the database.
pub(super) fn refused(
    operation: &'static str,
    subject: &str,
    detail: &str,
    error: std::io::Error,
) -> StoreError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Interrupted,
    };
    StoreError::new(kind, operation, subject, detail).with_code(Code::CatalogueUnusable).with_source(error)
}
