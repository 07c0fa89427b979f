//! The schema and its version: numbered files, forward only.

use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::AnyConnection;

use crate::error::failed;
use crate::words::Words;

/// The migrations of one kind of database, the first being version 1.
pub(crate) type Migrations = &'static [&'static str];

pub(crate) const SQLITE: Migrations = &[
    include_str!("../migrations/sqlite/0001_ledger.sql"),
    include_str!("../migrations/sqlite/0002_seal_owed_look.sql"),
    include_str!("../migrations/sqlite/0003_verify.sql"),
    include_str!("../migrations/sqlite/0004_statistics.sql"),
];
pub(crate) const POSTGRES: Migrations = &[
    include_str!("../migrations/postgres/0001_ledger.sql"),
    include_str!("../migrations/postgres/0002_seal_owed_look.sql"),
    include_str!("../migrations/postgres/0003_verify.sql"),
    include_str!("../migrations/postgres/0004_statistics.sql"),
];

const MAKE: &str = "CREATE TABLE IF NOT EXISTS landfall_schema (version BIGINT PRIMARY KEY)";
const VERSION: &str = "SELECT MAX(version) FROM landfall_schema";
const STEP: &str = "INSERT INTO landfall_schema (version) VALUES ($1)";

/// Brings the schema to the present version and reads the dictionary, in one transaction.
///
/// # Errors
/// `Unsupported` with code `LedgerNewer` where a newer program has written the ledger.
pub(crate) async fn prepare(
    connection: &mut AnyConnection,
    begin: &'static str,
    migrations: Migrations,
) -> Result<Words, StoreError> {
    for statement in begin.split_inclusive(';') {
        sqlx::query(statement).execute(&mut *connection).await.map_err(failed("open ledger"))?;
    }
    let prepared = migrate(connection, migrations).await;
    let end = if prepared.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = sqlx::query(end).execute(connection).await.map_err(failed("open ledger"));
    let words = prepared?;
    ended?;
    Ok(words)
}

async fn migrate(tx: &mut AnyConnection, migrations: Migrations) -> Result<Words, StoreError> {
    sqlx::query(MAKE).execute(&mut *tx).await.map_err(failed("open ledger"))?;
    let version: Option<i64> =
        sqlx::query_scalar(VERSION).fetch_one(&mut *tx).await.map_err(failed("open ledger"))?;
    let version = usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    if version > migrations.len() {
        let detail = format!("its version is {version}, this program knows {}", migrations.len());
        return Err(StoreError::new(ErrorKind::Unsupported, "open ledger", "ledger", detail)
            .with_code(Code::LedgerNewer));
    }
    for (number, text) in (1_i64..).zip(migrations).skip(version) {
        sqlx::raw_sql(*text).execute(&mut *tx).await.map_err(failed("migrate ledger"))?;
        sqlx::query(STEP).bind(number).execute(&mut *tx).await.map_err(failed("migrate ledger"))?;
    }
    Words::load(tx).await
}
