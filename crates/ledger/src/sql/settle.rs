//! Settling a source's tree after a complete pass: sweep, paths, and what follows from moved folders.
//!
//! Everything is set-based, so memory does not grow with the tree; one transaction holds the whole.

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::ledger::JobHandle;
use landfall_core::ledger::intake::PLACED_REASONS;
use landfall_core::state::Reason;
use landfall_core::words::{FolderId, SourceId, fold_hash};
use serde_json::json;
use sqlx::AnyConnection;

use super::Context;
use super::jobs::{Counters, fence};
use super::listing::{check_complete, root};
use crate::error::failed;
use crate::rows::{Cells, bulk, moment};

const LOSE_FOLDERS: &str = "
UPDATE folder SET standing = 4 WHERE source = $1 AND seen <> $2 AND standing <> 4 AND id <> $3";
const GONE_EVENTS: &str = "
INSERT INTO event (job, seq, file, name, before, after, at, epoch)
SELECT $1, $2 + ROW_NUMBER() OVER (ORDER BY f.id), f.id, $3, f.state, f.state, $4, $5
FROM file AS f WHERE f.source = $6 AND f.seen <> $7 AND f.standing <> 4";
const LOSE_FILES: &str = "
UPDATE file SET standing = 4, changed_at = $3 WHERE source = $1 AND seen <> $2 AND standing <> 4";
const CLEAR_MOVED: &str = "DELETE FROM moved";
const FIND_MOVED: &str = "
INSERT INTO moved (folder, before, after)
WITH RECURSIVE reached (id, path) AS (
    SELECT d.id, d.path FROM folder AS d WHERE d.id = $2
    UNION ALL
    SELECT c.id, CASE WHEN r.path = '' THEN c.name ELSE r.path || '/' || c.name END
    FROM reached AS r CROSS JOIN folder AS c
    WHERE c.parent = r.id AND c.source = $1 AND c.standing <> 4
        AND c.name NOT IN ('', '.', '..') AND c.name NOT LIKE '%/%'
)
SELECT d.id, d.path, r.path FROM folder AS d LEFT JOIN reached AS r ON r.id = d.id
WHERE d.source = $1 AND d.path IS DISTINCT FROM r.path";
const RENAMED_EVENTS: &str = "
INSERT INTO event (job, seq, file, name, before, after, comment, at, epoch)
SELECT $1, $2 + ROW_NUMBER() OVER (ORDER BY f.id), f.id, $3, f.state, f.state,
    CASE WHEN m.before IS NULL OR m.before = '' OR f.name IN ('', '.', '..') OR f.name LIKE '%/%' THEN f.name
        ELSE m.before || '/' || f.name END, $4, $5
FROM moved AS m CROSS JOIN file AS f WHERE f.folder = m.folder AND f.standing = 1";
const SAY_MOVED: &str = "
UPDATE file SET reason = $1,
    comment = 'landed as ' || CASE WHEN m.before IS NULL OR m.before = '' THEN file.name
        ELSE m.before || '/' || file.name END
FROM moved AS m WHERE m.folder = file.folder AND file.standing = 1 AND file.state = 3";
const UNSETTLE: &str = "
UPDATE file SET standing = 0, skip = NULL, changed_at = CASE WHEN standing = 1 THEN $1 ELSE changed_at END
WHERE folder IN (SELECT m.folder FROM moved AS m)
    AND (standing IN (1, 2) OR (standing = 3 AND skip IN ($2, $3)))";
const MOVE: &str = "
UPDATE folder SET path = m.after, path_fold = NULL, standing = CASE WHEN standing = 4 THEN 4 ELSE 0 END
FROM moved AS m WHERE m.folder = folder.id";
const UNFOLDED: &str = "
SELECT d.id, d.path FROM moved AS m CROSS JOIN folder AS d
WHERE d.id = m.folder AND m.folder > $1 AND d.path IS NOT NULL ORDER BY m.folder LIMIT 1000";
const FOLD: &str = "
UPDATE folder SET path_fold = x.hash
FROM (SELECT CAST(e.value ->> 0 AS BIGINT) AS id, CAST(e.value ->> 1 AS BIGINT) AS hash FROM json_each($1) AS e) AS x
WHERE folder.id = x.id";

/// What the events of one settling have in common.
struct Stamp<'a> {
    context: &'a Context,
    job: &'a JobHandle,
    source: SourceId,
    at: i64,
}

pub(super) async fn settle(
    tx: &mut AnyConnection,
    context: &Context,
    job: &JobHandle,
    source: SourceId,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let mut counters = fence(tx, job).await?;
    let (root, cursor) = root(tx, job, source).await?;
    check_complete(&cursor)?;
    let stamp = Stamp { context, job, source, at: moment(at) };
    let gone = if cursor.full { sweep(tx, &stamp, &mut counters, root, cursor.pass).await? } else { 0 };
    run(tx, CLEAR_MOVED).await?;
    let find = sqlx::query(FIND_MOVED).bind(source.0).bind(root.0);
    if find.execute(&mut *tx).await.map_err(failed("settle"))?.rows_affected() > 0 {
        tell_moved(tx, &stamp, &mut counters).await?;
        run(tx, MOVE).await?;
        fold_paths(tx).await?;
        run(tx, CLEAR_MOVED).await?;
    }
    counters.keep(tx).await?;
    Ok(gone)
}

async fn run(tx: &mut AnyConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(tx).await.map_err(failed("settle"))?;
    Ok(())
}

/// Marks what a full pass did not see as gone.
async fn sweep(
    tx: &mut AnyConnection,
    stamp: &Stamp<'_>,
    counters: &mut Counters,
    root: FolderId,
    pass: i64,
) -> Result<u64, StoreError> {
    let lose = sqlx::query(LOSE_FOLDERS).bind(stamp.source.0).bind(pass).bind(root.0);
    lose.execute(&mut *tx).await.map_err(failed("settle"))?;
    let tell = sqlx::query(GONE_EVENTS).bind(stamp.job.id.0).bind(counters.seq);
    let tell = tell.bind(stamp.context.words.number("Gone")).bind(stamp.at).bind(stamp.job.epoch.0);
    let told = tell.bind(stamp.source.0).bind(pass).execute(&mut *tx).await.map_err(failed("settle"))?;
    let gone = told.rows_affected();
    counters.seq += i64::try_from(gone).unwrap_or(i64::MAX);
    let lose = sqlx::query(LOSE_FILES).bind(stamp.source.0).bind(pass).bind(stamp.at);
    lose.execute(tx).await.map_err(failed("settle"))?;
    Ok(gone)
}

/// Makes the files of moved folders unsettled; those that took part are told of the move.
async fn tell_moved(
    tx: &mut AnyConnection,
    stamp: &Stamp<'_>,
    counters: &mut Counters,
) -> Result<(), StoreError> {
    let tell = sqlx::query(RENAMED_EVENTS).bind(stamp.job.id.0).bind(counters.seq);
    let tell = tell.bind(stamp.context.words.number("Renamed")).bind(stamp.at).bind(stamp.job.epoch.0);
    let told = tell.execute(&mut *tx).await.map_err(failed("settle"))?.rows_affected();
    counters.seq += i64::try_from(told).unwrap_or(i64::MAX);
    let reason = stamp.context.words.number(Reason::RenamedAtSource.name());
    sqlx::query(SAY_MOVED).bind(reason).execute(&mut *tx).await.map_err(failed("settle"))?;
    let mut unsettle = sqlx::query(UNSETTLE).bind(stamp.at);
    for reason in PLACED_REASONS {
        unsettle = unsettle.bind(stamp.context.words.number(reason.name()));
    }
    unsettle.execute(tx).await.map_err(failed("settle"))?;
    Ok(())
}

/// The fingerprints of the new paths, in pages: folding is ours, not the database's.
async fn fold_paths(tx: &mut AnyConnection) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let rows = sqlx::query(UNFOLDED).bind(after).fetch_all(&mut *tx).await.map_err(failed("settle"))?;
        let mut folded = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut cells = Cells::of(row);
            after = cells.number()?;
            folded.push(json!([after, fold_hash(&cells.text()?.unwrap_or_default())]));
        }
        if folded.is_empty() {
            return Ok(());
        }
        sqlx::query(FOLD).bind(bulk(folded)).execute(&mut *tx).await.map_err(failed("settle"))?;
    }
}
