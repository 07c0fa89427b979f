//! What a verify asks besides: strangers, equal contents, whose an object is, what was read longest ago; and the dates.

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::ledger::{FoundRow, JobHandle};
use landfall_core::proof::{Evidence, Sense};
use landfall_core::row::FileRow;
use landfall_core::state::Reason;
use landfall_core::words::{FileId, ItemKey, JobId, TreeId};
use sqlx::AnyConnection;

use super::Context;
use super::jobs::{bound, end_id, fence, first_id};
use crate::error::failed;
use crate::rows::{Cells, bulk_of, file_columns, file_row, found_columns, found_row, moment, packed};

const STRANGERS: &str = concat!(
    "SELECT ",
    found_columns!(),
    " FROM found AS o WHERE o.tree = $1 AND o.folder = 0 AND o.item > $2",
    " AND NOT EXISTS (SELECT 1 FROM file AS f WHERE f.item = o.item) ORDER BY o.item LIMIT $3"
);
const LIKE: &str = concat!(
    "SELECT ",
    found_columns!(),
    " FROM found AS o WHERE o.tree = $1 AND o.size = $2 AND o.folder = 0",
    " AND (o.digests = unhex($3) OR (CAST($3 AS TEXT) IS NULL AND o.digests IS NULL))",
    " ORDER BY o.item LIMIT $4"
);
const HOLDER: &str =
    "SELECT f.id FROM file AS f WHERE f.item = $1 AND f.id > $2 AND f.id < $3 ORDER BY f.id LIMIT 16";
const CARRIERS: &str =
    "SELECT COUNT(*) FROM folder AS d WHERE d.dest_item = $1 AND d.id > $2 AND d.id < $3 AND d.standing = 1";
const RENAMED: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM file AS f CROSS JOIN folder AS d WHERE d.id = f.folder AND f.id > $1 AND f.id < $2",
    " AND f.standing = 1 AND f.state = 3 AND f.reason = $3 ORDER BY f.id LIMIT $4"
);
const STALEST: &str = "
SELECT f.id FROM file AS f
WHERE f.id > $1 AND f.id < $2 AND f.state = 3 AND f.item IS NOT NULL
ORDER BY f.bytes_at IS NOT NULL, f.bytes_at, f.id LIMIT $3";
const CONFIRM_UNCHANGED: &str = "
UPDATE file SET unchanged_at = $4
WHERE id IN (SELECT CAST(e.value ->> 0 AS BIGINT) FROM json_each($3) AS e) AND id > $1 AND id < $2";
const CONFIRM_HASH: &str = "
UPDATE file SET unchanged_at = $4, hash_at = $4
WHERE id IN (SELECT CAST(e.value ->> 0 AS BIGINT) FROM json_each($3) AS e) AND id > $1 AND id < $2";
const CONFIRM_BYTES: &str = "
UPDATE file SET bytes_at = $4
WHERE id IN (SELECT CAST(e.value ->> 0 AS BIGINT) FROM json_each($3) AS e) AND id > $1 AND id < $2";

pub(super) async fn strangers(
    tx: &mut AnyConnection,
    tree: TreeId,
    after: &str,
    limit: usize,
) -> Result<Vec<FoundRow>, StoreError> {
    let query = sqlx::query(STRANGERS).bind(tree.0).bind(after.to_owned()).bind(bound(limit));
    let rows = query.fetch_all(tx).await.map_err(failed("look for strangers"))?;
    rows.iter().map(|row| found_row(&mut Cells::of(row))).collect()
}

pub(super) async fn like(
    tx: &mut AnyConnection,
    tree: TreeId,
    evidence: &Evidence,
    limit: usize,
) -> Result<Vec<FoundRow>, StoreError> {
    let digests = packed(&evidence.digests);
    let size = i64::try_from(evidence.size.0).unwrap_or(i64::MAX);
    let query = sqlx::query(LIKE).bind(tree.0).bind(size).bind(digests).bind(bound(limit));
    let rows = query.fetch_all(tx).await.map_err(failed("look for a content"))?;
    rows.iter().map(|row| found_row(&mut Cells::of(row))).collect()
}

pub(super) async fn holders(
    tx: &mut AnyConnection,
    job: JobId,
    item: &ItemKey,
) -> Result<Vec<FileId>, StoreError> {
    let query = sqlx::query_scalar(HOLDER).bind(item.0.clone()).bind(first_id(job)).bind(end_id(job));
    let ids: Vec<i64> = query.fetch_all(tx).await.map_err(failed("look for a holder"))?;
    Ok(ids.into_iter().map(FileId).collect())
}

pub(super) async fn carriers(tx: &mut AnyConnection, job: JobId, item: &ItemKey) -> Result<u64, StoreError> {
    let query = sqlx::query_scalar(CARRIERS).bind(item.0.clone()).bind(first_id(job)).bind(end_id(job));
    let number: i64 = query.fetch_one(tx).await.map_err(failed("look for a folder"))?;
    Ok(u64::try_from(number).unwrap_or_default())
}

pub(super) async fn renamed(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    after: FileId,
    limit: usize,
) -> Result<Vec<FileRow>, StoreError> {
    let reason = context.words.number(Reason::RenamedAtSource.name());
    let query = sqlx::query(RENAMED).bind(after.0.max(first_id(job))).bind(end_id(job)).bind(reason);
    let rows = query.bind(bound(limit)).fetch_all(tx).await.map_err(failed("scan"))?;
    rows.iter().map(|row| file_row(&mut Cells::of(row), &context.words)).collect()
}

pub(super) async fn stalest(
    tx: &mut AnyConnection,
    job: JobId,
    limit: usize,
) -> Result<Vec<FileId>, StoreError> {
    let query = sqlx::query_scalar(STALEST).bind(first_id(job)).bind(end_id(job)).bind(bound(limit));
    let ids: Vec<i64> = query.fetch_all(tx).await.map_err(failed("look for what was read longest ago"))?;
    Ok(ids.into_iter().map(FileId).collect())
}

pub(super) async fn confirm(
    tx: &mut AnyConnection,
    job: &JobHandle,
    files: Vec<FileId>,
    sense: Sense,
    at: Timestamp,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let statement = match sense {
        Sense::Unchanged => CONFIRM_UNCHANGED,
        Sense::Hash => CONFIRM_HASH,
        Sense::Bytes => CONFIRM_BYTES,
    };
    let ids = bulk_of(files.into_iter().map(|file| file.0));
    let confirm = sqlx::query(statement).bind(first_id(job.id)).bind(end_id(job.id)).bind(ids);
    confirm.bind(moment(at)).execute(tx).await.map_err(failed("confirm"))?;
    Ok(())
}
