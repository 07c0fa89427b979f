//! What is owed to the sources' owners: written with the proof, struck out once they were told.
//!
//! An outbox: the numbers come from a counter in the job's row, under its lock, so a reader that follows
//! them skips none, and a number that was settled is never given to something else. It knows neither
//! whom it concerns nor what the texts say.

use landfall_core::StoreError;
use landfall_core::ledger::{JobHandle, intake};
use landfall_core::store::{Owe, Owed};
use landfall_core::words::{JobId, SourceId};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::jobs::{bound, fence};
use crate::error::failed;
use crate::rows::{Cells, bulk, bulk_of, moment};

/// Writes debts of job `$1` after number `$2`; `$3` is made of [`owe_json`].
const OWE: &str = "
INSERT INTO owed (job, seq, source, subject, text, at)
SELECT $1, $2 + CAST(e.value ->> 0 AS BIGINT), CAST(e.value ->> 1 AS BIGINT), e.value ->> 2,
    e.value ->> 3, CAST(e.value ->> 4 AS BIGINT)
FROM json_each($3) AS e";
const OWED: &str = "
SELECT seq, source, subject, text, at FROM owed WHERE job = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const SETTLE: &str = "
DELETE FROM owed WHERE job = $1
    AND seq IN (SELECT CAST(e.value ->> 0 AS BIGINT) FROM json_each($2) AS e)";

/// Debts as [`write`] takes them.
pub(super) fn owe_json(owes: Vec<Owe>, at: jiff::Timestamp) -> Vec<Value> {
    let value = |(number, owe): (i64, Owe)| {
        let owe = intake::owe(owe);
        json!([number, owe.source.0, owe.subject, owe.text, moment(at)])
    };
    (1..).zip(owes).map(value).collect()
}

/// Writes debts after a number and gives the number of the last.
pub(super) async fn write(
    tx: &mut AnyConnection,
    job: &JobHandle,
    after: i64,
    owes: Vec<Value>,
) -> Result<i64, StoreError> {
    if owes.is_empty() {
        return Ok(after);
    }
    let last = after + bound(owes.len());
    let put = sqlx::query(OWE).bind(job.id.0).bind(after).bind(bulk(owes));
    put.execute(tx).await.map_err(failed("record what is owed"))?;
    Ok(last)
}

fn owed_row(row: &AnyRow) -> Result<Owed, StoreError> {
    let mut cells = Cells::of(row);
    let seq = cells.number()?;
    let source = SourceId(cells.number()?);
    let owe =
        Owe { source, subject: cells.text()?.unwrap_or_default(), text: cells.text()?.unwrap_or_default() };
    Ok(Owed { seq, owe, at: cells.moment()?.unwrap_or_default() })
}

pub(super) async fn owed(
    tx: &mut AnyConnection,
    job: JobId,
    after: i64,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let rows = sqlx::query(OWED).bind(job.0).bind(after).bind(bound(limit));
    let rows = rows.fetch_all(tx).await.map_err(failed("read what is owed"))?;
    rows.iter().map(owed_row).collect()
}

pub(super) async fn settle(
    tx: &mut AnyConnection,
    job: &JobHandle,
    seqs: Vec<i64>,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    if seqs.is_empty() {
        return Ok(());
    }
    let settle = sqlx::query(SETTLE).bind(job.id.0).bind(bulk_of(seqs));
    settle.execute(tx).await.map_err(failed("settle what is owed"))?;
    Ok(())
}
