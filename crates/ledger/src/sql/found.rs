//! What destination trees hold, as their own listing says.

use landfall_core::StoreError;
use landfall_core::ledger::intake::{self, ROOT};
use landfall_core::ledger::{CursorRow, Enrolment, FoundRow};
use landfall_core::store::Listed;
use landfall_core::words::{ItemKey, TreeId};
use sqlx::AnyConnection;

use super::listing::{check_complete, check_pass};
use crate::error::{failed, missing};
use crate::rows::{Cells, PUT_FOUND, bulk, bulk_of, cursor_row, found_columns, found_json, found_row};

const FIND: &str = "SELECT id FROM tree WHERE identity = $1";
const MAKE: &str = "
INSERT INTO tree (identity, pass, whole, complete) VALUES ($1, 0, 0, 0) ON CONFLICT (identity) DO NOTHING";
const CURSOR: &str = "SELECT cursor, pass, whole, complete FROM tree WHERE id = $1";
const BEGIN_PASS: &str = "
UPDATE tree SET pass = pass + 1, whole = $2, complete = 0, cursor = CASE WHEN $2 = 1 THEN NULL ELSE cursor END
WHERE id = $1 RETURNING cursor, pass, whole, complete";
const KEEP_CURSOR: &str = "UPDATE tree SET cursor = $2, complete = $3 WHERE id = $1";
const FORGET_BELOW: &str = "
DELETE FROM found WHERE tree = $1 AND item IN (
    WITH RECURSIVE below (item) AS (
        SELECT o.item FROM json_each($2) AS e CROSS JOIN found AS o WHERE o.tree = $1 AND o.item = e.value ->> 0
        UNION
        SELECT o.item FROM json_each($2) AS e CROSS JOIN found AS o WHERE o.tree = $1 AND o.parent = e.value ->> 0
        UNION
        SELECT o.item FROM below AS b CROSS JOIN found AS o WHERE o.tree = $1 AND o.parent = b.item
    )
    SELECT item FROM below
)";
const FORGET_UNSEEN: &str = "DELETE FROM found WHERE tree = $1 AND seen <> $2";
const CHILDREN: &str = concat!(
    "SELECT ",
    found_columns!(),
    " FROM found AS o WHERE o.tree = $1 AND o.parent = $2 AND o.fold = $3 ORDER BY o.item"
);
const ITEM: &str = concat!("SELECT ", found_columns!(), " FROM found AS o WHERE o.tree = $1 AND o.item = $2");

pub(super) async fn open(tx: &mut AnyConnection, identity: &str) -> Result<TreeId, StoreError> {
    if let Some(id) = find(tx, identity).await? {
        return Ok(id);
    }
    sqlx::query(MAKE).bind(identity).execute(&mut *tx).await.map_err(failed("open tree"))?;
    find(tx, identity).await?.ok_or_else(|| missing("open tree", identity))
}

async fn find(tx: &mut AnyConnection, identity: &str) -> Result<Option<TreeId>, StoreError> {
    let id = sqlx::query_scalar(FIND).bind(identity).fetch_optional(tx).await.map_err(failed("open tree"))?;
    Ok(id.map(TreeId))
}

pub(super) async fn cursor(tx: &mut AnyConnection, tree: TreeId) -> Result<Option<CursorRow>, StoreError> {
    let row = sqlx::query(CURSOR).bind(tree.0).fetch_optional(tx).await.map_err(failed("read cursor"))?;
    row.map(|row| cursor_row(&mut Cells::of(&row))).transpose()
}

pub(super) async fn begin_pass(
    tx: &mut AnyConnection,
    tree: TreeId,
    full: bool,
) -> Result<CursorRow, StoreError> {
    let begin = sqlx::query(BEGIN_PASS).bind(tree.0).bind(i64::from(full));
    let row = begin.fetch_optional(tx).await.map_err(failed("begin pass"))?;
    let row = row.ok_or_else(|| missing("begin pass", tree.to_string()))?;
    cursor_row(&mut Cells::of(&row))
}

/// Takes a page: first what went, with everything below it, then what is there.
pub(super) async fn observe(tx: &mut AnyConnection, tree: TreeId, page: Enrolment) -> Result<(), StoreError> {
    // Writing the cursor first locks the tree's row, so that two jobs take turns.
    let keep = sqlx::query(KEEP_CURSOR).bind(tree.0).bind(page.cursor.as_ref().map(|c| c.0.as_str()));
    keep.bind(i64::from(page.complete)).execute(&mut *tx).await.map_err(failed("observe"))?;
    let now = cursor(tx, tree).await?.ok_or_else(|| missing("observe", tree.to_string()))?;
    check_pass(&now, page.pass)?;
    let items = intake::prepare(page.items);
    let gone: Vec<&str> = items
        .iter()
        .filter_map(|item| match item {
            Listed::Gone(key) => Some(key.as_str()),
            _ => None,
        })
        .collect();
    if !gone.is_empty() {
        let forget = sqlx::query(FORGET_BELOW).bind(tree.0).bind(bulk_of(gone));
        forget.execute(&mut *tx).await.map_err(failed("observe"))?;
    }
    let there = items.into_iter().filter_map(intake::found_row).map(|row| found_json(&row, page.pass));
    let put = sqlx::query(PUT_FOUND).bind(tree.0).bind(bulk(there.collect()));
    put.execute(tx).await.map_err(failed("observe"))?;
    Ok(())
}

pub(super) async fn settle(tx: &mut AnyConnection, tree: TreeId) -> Result<u64, StoreError> {
    let now = cursor(tx, tree).await?.ok_or_else(|| missing("settle", tree.to_string()))?;
    check_complete(&now)?;
    if !now.full {
        return Ok(0);
    }
    let forget = sqlx::query(FORGET_UNSEEN).bind(tree.0).bind(now.pass);
    Ok(forget.execute(tx).await.map_err(failed("settle"))?.rows_affected())
}

pub(super) async fn children(
    tx: &mut AnyConnection,
    tree: TreeId,
    parent: Option<ItemKey>,
    fold: i64,
) -> Result<Vec<FoundRow>, StoreError> {
    let parent = parent.map_or_else(|| ROOT.to_owned(), |key| key.0);
    let rows = sqlx::query(CHILDREN).bind(tree.0).bind(parent).bind(fold);
    let rows = rows.fetch_all(tx).await.map_err(failed("find"))?;
    rows.iter().map(|row| found_row(&mut Cells::of(row))).collect()
}

pub(super) async fn item(
    tx: &mut AnyConnection,
    tree: TreeId,
    item: &ItemKey,
) -> Result<Option<FoundRow>, StoreError> {
    let row = sqlx::query(ITEM)
        .bind(tree.0)
        .bind(item.as_str())
        .fetch_optional(tx)
        .await
        .map_err(failed("find"))?;
    row.map(|row| found_row(&mut Cells::of(&row))).transpose()
}
