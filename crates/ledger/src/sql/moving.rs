//! Placement and the events that move files, with what is owed for them.

use std::collections::BTreeMap;

use landfall_core::ledger::intake;
use landfall_core::ledger::{FolderPlacement, JobHandle, Placement, Record};
use landfall_core::row::FileRow;
use landfall_core::words::{FileId, FolderId, ItemKey, RelPath};
use landfall_core::{ErrorKind, StoreError};
use serde_json::{Value, json};
use sqlx::AnyConnection;

use super::Context;
use super::jobs::{end_id, fence, first_id};
use super::listing::{event, write_events};
use super::owing;
use crate::error::{failed, missing};
use crate::rows::{Cells, UPDATE_FILES, bulk, bulk_of, file_columns, file_json, file_row};

const FILES_BY_ID: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM json_each($3) AS e CROSS JOIN file AS f CROSS JOIN folder AS d",
    " WHERE f.id = CAST(e.value ->> 0 AS BIGINT) AND f.id > $1 AND f.id < $2 AND d.id = f.folder"
);

/// Applies events and notes what is owed for them, all of it or nothing.
pub(super) async fn record(
    tx: &mut AnyConnection,
    context: &Context,
    job: &JobHandle,
    records: Vec<Record>,
    owes: Vec<Value>,
) -> Result<(), StoreError> {
    let mut counters = fence(tx, job).await?;
    if !records.is_empty() {
        counters.seq = apply(tx, context, job, counters.seq, records).await?;
    }
    counters.owed = owing::write(tx, job, counters.owed, owes).await?;
    counters.keep(tx).await
}

/// Applies events to their rows and gives the number of the last.
async fn apply(
    tx: &mut AnyConnection,
    context: &Context,
    job: &JobHandle,
    seq: i64,
    records: Vec<Record>,
) -> Result<i64, StoreError> {
    let ids = bulk_of(records.iter().map(|r| r.file.0).collect::<std::collections::BTreeSet<_>>());
    let load = sqlx::query(FILES_BY_ID).bind(first_id(job.id)).bind(end_id(job.id)).bind(ids);
    let loaded = load.fetch_all(&mut *tx).await.map_err(failed("record"))?;
    let row = |row| file_row(&mut Cells::of(row), &context.words).map(|file| (file.id, file));
    let mut rows = loaded.iter().map(row).collect::<Result<BTreeMap<FileId, FileRow>, StoreError>>()?;
    let mut events: Vec<Value> = Vec::with_capacity(records.len());
    for Record { file, expect, event: happened, at } in records {
        let row = rows.get_mut(&file).ok_or_else(|| missing("record", file.to_string()))?;
        if row.state != expect {
            let detail = format!("it is {}, not {expect}", row.state);
            return Err(StoreError::new(ErrorKind::Changed, "record", row.entry.name.clone(), detail));
        }
        let applied = intake::apply(row, happened, at).map_err(|illegal| {
            StoreError::new(
                ErrorKind::Changed,
                "record",
                row.entry.name.clone(),
                "the event cannot be applied",
            )
            .with_source(illegal)
        })?;
        events.push(event(events.len() + 1, file, &applied, at, context));
    }
    let rows = bulk(rows.values().map(|row| file_json(row, &context.words)).collect());
    sqlx::query(UPDATE_FILES).bind(rows).execute(&mut *tx).await.map_err(failed("record"))?;
    write_events(tx, job, seq, events).await
}

const PLACE: &str = "
UPDATE file SET standing = x.standing, skip = x.skip, dest_name = x.dest_name, target = x.target,
    fold = CASE WHEN x.fold = file.name_fold THEN NULL ELSE x.fold END
FROM (SELECT CAST(e.value ->> 0 AS BIGINT) AS id, CAST(e.value ->> 1 AS SMALLINT) AS standing,
    CAST(e.value ->> 2 AS SMALLINT) AS skip, e.value ->> 3 AS dest_name,
    CAST(e.value ->> 4 AS BIGINT) AS target, CAST(e.value ->> 5 AS BIGINT) AS fold
    FROM json_each($3) AS e) AS x
WHERE file.id = x.id AND file.id > $1 AND file.id < $2 AND file.standing <> 4";

pub(super) async fn place(
    tx: &mut AnyConnection,
    context: &Context,
    job: &JobHandle,
    places: Vec<Placement>,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    // Of several placements of one file the last counts.
    let places: BTreeMap<FileId, Placement> = places.into_iter().map(|place| (place.file, place)).collect();
    let row = |place: Placement| {
        let skip = place.skip.map(|reason| context.words.number(reason.name()));
        json!([place.file.0, place.standing.number(), skip, place.dest_name, place.target, place.fold])
    };
    let rows = bulk(places.into_values().map(row).collect());
    let put = sqlx::query(PLACE).bind(first_id(job.id)).bind(end_id(job.id)).bind(rows);
    put.execute(tx).await.map_err(failed("place"))?;
    Ok(())
}

const PLACE_FOLDERS: &str = "
UPDATE folder SET standing = x.standing,
    dest_item = CASE WHEN folder.target IS DISTINCT FROM x.target THEN NULL ELSE folder.dest_item END,
    timed = CASE WHEN folder.target IS DISTINCT FROM x.target THEN 0 ELSE folder.timed END,
    target = x.target, target_hash = x.target_hash
FROM (SELECT CAST(e.value ->> 0 AS BIGINT) AS id, CAST(e.value ->> 1 AS SMALLINT) AS standing,
    e.value ->> 2 AS target, CAST(e.value ->> 3 AS BIGINT) AS target_hash
    FROM json_each($3) AS e) AS x
WHERE folder.id = x.id AND folder.id > $1 AND folder.id < $2 AND folder.standing <> 4";

pub(super) async fn place_folders(
    tx: &mut AnyConnection,
    job: &JobHandle,
    places: Vec<FolderPlacement>,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let places: BTreeMap<FolderId, FolderPlacement> =
        places.into_iter().map(|place| (place.folder, place)).collect();
    let row = |place: FolderPlacement| {
        let target = place.target.as_ref().map(RelPath::as_str);
        json!([place.folder.0, place.standing.number(), target, place.target_hash])
    };
    let rows = bulk(places.into_values().map(row).collect());
    let put = sqlx::query(PLACE_FOLDERS).bind(first_id(job.id)).bind(end_id(job.id)).bind(rows);
    put.execute(tx).await.map_err(failed("place folders"))?;
    Ok(())
}

const BIND: &str = "
UPDATE folder SET timed = CASE WHEN dest_item IS DISTINCT FROM $4 THEN 0 ELSE timed END, dest_item = $4
WHERE id = $3 AND id > $1 AND id < $2";
const TIMED: &str = "UPDATE folder SET timed = 1 WHERE id = $3 AND id > $1 AND id < $2";

pub(super) async fn bind_folder(
    tx: &mut AnyConnection,
    job: &JobHandle,
    folder: FolderId,
    item: Option<ItemKey>,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let bind = sqlx::query(BIND).bind(first_id(job.id)).bind(end_id(job.id)).bind(folder.0);
    let done = bind.bind(item.map(|item| item.0)).execute(tx).await.map_err(failed("bind folder"))?;
    if done.rows_affected() == 0 { Err(missing("bind folder", folder.to_string())) } else { Ok(()) }
}

pub(super) async fn folder_timed(
    tx: &mut AnyConnection,
    job: &JobHandle,
    folder: FolderId,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let timed = sqlx::query(TIMED).bind(first_id(job.id)).bind(end_id(job.id)).bind(folder.0);
    let done = timed.execute(tx).await.map_err(failed("time folder"))?;
    if done.rows_affected() == 0 { Err(missing("time folder", folder.to_string())) } else { Ok(()) }
}
