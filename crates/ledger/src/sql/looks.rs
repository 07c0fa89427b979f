//! What a verify saw: one row a subject, the newest look replacing the one before.
//!
//! A page of looks is one statement, sorted by the table's key, so that neighbours share their leaves. It
//! knows no finding by name and does not read a detail.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::ledger::{Answer, JobHandle, LookFilter, Looked, intake};
use landfall_core::words::JobId;
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::jobs::{bound, fence};
use crate::error::{corrupt, failed};
use crate::rows::{Cells, bulk, bulk_of, moment};

const PUT: &str = "
INSERT INTO look (job, subject, owner, section, answer, finding, detail, at)
SELECT $1, e.value ->> 0, e.value ->> 1, e.value ->> 2, CAST(e.value ->> 3 AS SMALLINT),
    e.value ->> 4, e.value ->> 5, CAST(e.value ->> 6 AS BIGINT)
FROM json_each($2) AS e WHERE TRUE
ON CONFLICT (job, subject) DO UPDATE SET
    owner = excluded.owner, section = excluded.section, answer = excluded.answer,
    finding = excluded.finding, detail = excluded.detail, at = excluded.at";
/// Forgets looks of job `$1` before `$2`.
const FORGET: &str = "DELETE FROM look WHERE job = $1 AND at < $2";

macro_rules! looks {
    ($only:literal) => {
        concat!(
            "SELECT subject, owner, section, answer, finding, detail, at FROM look",
            " WHERE job = $1 AND subject > $2 AND ($3 = 0 OR section = $4)",
            $only,
            " ORDER BY subject LIMIT $5"
        )
    };
}

/// Two texts, for the last condition lets the database use its partial index.
const LOOKS: &str = looks!("");
const FINDINGS: &str = looks!(" AND finding IS NOT NULL");

const ONE: &str =
    "SELECT subject, owner, section, answer, finding, detail, at FROM look WHERE job = $1 AND subject = $2";

pub(super) async fn one(
    tx: &mut AnyConnection,
    job: JobId,
    subject: &str,
) -> Result<Option<Looked>, StoreError> {
    let row = sqlx::query(ONE).bind(job.0).bind(subject.to_owned()).fetch_optional(tx).await;
    row.map_err(failed("read looks"))?.as_ref().map(look_row).transpose()
}

pub(super) async fn put(
    tx: &mut AnyConnection,
    job: &JobHandle,
    looks: Vec<Looked>,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    // Of several looks at one subject the last counts; a statement must not name a key twice.
    let looks: BTreeMap<String, Looked> =
        looks.into_iter().map(intake::look).map(|look| (look.subject.clone(), look)).collect();
    if looks.is_empty() {
        return Ok(());
    }
    let put = sqlx::query(PUT).bind(job.id.0).bind(bulk(looks.into_values().map(look_json).collect()));
    put.execute(tx).await.map_err(failed("write looks"))?;
    Ok(())
}

fn look_json(look: Looked) -> Value {
    json!([
        look.subject,
        look.owner,
        look.section,
        look.answer.number(),
        look.finding,
        look.detail,
        moment(look.at)
    ])
}

fn look_row(row: &AnyRow) -> Result<Looked, StoreError> {
    let mut cells = Cells::of(row);
    let (subject, owner, section) = (cells.text()?, cells.text()?, cells.text()?);
    let number = cells.number()?;
    let answer = i16::try_from(number).ok().and_then(Answer::from_number);
    Ok(Looked {
        subject: subject.unwrap_or_default(),
        owner: owner.unwrap_or_default(),
        section: section.unwrap_or_default(),
        answer: answer.ok_or_else(|| corrupt(format!("{number} is no answer")))?,
        finding: cells.text()?,
        detail: cells.text()?.unwrap_or_default(),
        at: cells.moment()?.unwrap_or_default(),
    })
}

pub(super) async fn page(
    tx: &mut AnyConnection,
    job: JobId,
    filter: &LookFilter,
    after: &str,
    limit: usize,
) -> Result<Vec<Looked>, StoreError> {
    let text = if filter.findings { FINDINGS } else { LOOKS };
    let query = sqlx::query(text).bind(job.0).bind(after).bind(i64::from(filter.section.is_some()));
    let query = query.bind(filter.section.as_deref().unwrap_or_default()).bind(bound(limit));
    let rows = query.fetch_all(tx).await.map_err(failed("read looks"))?;
    rows.iter().map(look_row).collect()
}

pub(super) async fn forget(
    tx: &mut AnyConnection,
    job: &JobHandle,
    before: Timestamp,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let forget = sqlx::query(FORGET).bind(job.id.0).bind(moment(before));
    forget.execute(tx).await.map_err(failed("forget looks"))?;
    Ok(())
}

const SETTLE: &str = "
DELETE FROM look WHERE job = $1 AND subject IN (SELECT e.value ->> 0 FROM json_each($2) AS e)";

pub(super) async fn settle(
    tx: &mut AnyConnection,
    job: &JobHandle,
    subjects: Vec<String>,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let settle = sqlx::query(SETTLE).bind(job.id.0).bind(bulk_of(subjects));
    settle.execute(tx).await.map_err(failed("settle looks"))?;
    Ok(())
}
