//! Taking pages of a source's listing.
//!
//! A page loads the rows it names in two statements, lets `intake` change them, and writes what changed
//! in at most five, whatever its size.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::ErrorKind;
use landfall_core::StoreError;
use landfall_core::ledger::intake::{self, Applied};
use landfall_core::ledger::{CursorRow, EnrolTally, Enrolment, FolderRow, JobHandle};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason};
use landfall_core::store::{Entry, Listed, ListedFolder};
use landfall_core::words::{FolderId, ItemKey, JobId, SourceId, Times};
use serde_json::Value;
use sqlx::AnyConnection;

use super::Context;
use super::jobs::{Counters, fence};
use crate::error::{failed, missing};
use crate::rows::{
    Cells, ENROL_FILES, PUT_EVENTS, PUT_FILES, PUT_FOLDERS, bulk, bulk_of, cursor_row, event_json,
    file_columns, file_json, file_row, folder_columns, folder_json, folder_row, new_file_json,
};

const CURSOR: &str = "SELECT cursor, pass, whole, complete FROM source WHERE id = $2 AND job = $1";
const BEGIN_PASS: &str = "
UPDATE source SET pass = pass + 1, whole = $3, complete = 0, cursor = CASE WHEN $3 = 1 THEN NULL ELSE cursor END
WHERE id = $2 AND job = $1 RETURNING cursor, pass, whole, complete";
const ROOT: &str = "SELECT root, cursor, pass, whole, complete FROM source WHERE id = $2 AND job = $1";
const KEEP_CURSOR: &str = "UPDATE source SET cursor = $2, complete = $3 WHERE id = $1";
const FILES_BY_KEY: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM json_each($2) AS e CROSS JOIN file AS f CROSS JOIN folder AS d",
    " WHERE f.source = $1 AND f.key = e.value ->> 0 AND d.id = f.folder"
);
const FOLDERS_BY_KEY: &str = concat!(
    "SELECT ",
    folder_columns!(),
    " FROM json_each($2) AS e CROSS JOIN folder AS d WHERE d.source = $1 AND d.key = e.value ->> 0"
);
const SEEN: &str = "
UPDATE file SET seen = $1 WHERE id IN (SELECT CAST(e.value ->> 0 AS BIGINT) FROM json_each($2) AS e)";

pub(super) async fn cursor(
    tx: &mut AnyConnection,
    job: JobId,
    source: SourceId,
) -> Result<CursorRow, StoreError> {
    let row = sqlx::query(CURSOR)
        .bind(job.0)
        .bind(source.0)
        .fetch_optional(tx)
        .await
        .map_err(failed("read cursor"))?;
    row.map_or_else(|| Ok(CursorRow::default()), |row| cursor_row(&mut Cells::of(&row)))
}

pub(super) async fn begin_pass(
    tx: &mut AnyConnection,
    job: &JobHandle,
    source: SourceId,
    full: bool,
) -> Result<CursorRow, StoreError> {
    fence(tx, job).await?;
    let begin = sqlx::query(BEGIN_PASS).bind(job.id.0).bind(source.0).bind(i64::from(full));
    let row = begin.fetch_optional(tx).await.map_err(failed("begin pass"))?;
    let row = row.ok_or_else(|| missing("begin pass", source.to_string()))?;
    cursor_row(&mut Cells::of(&row))
}

/// The root folder of a source and where its listing stands.
pub(super) async fn root(
    tx: &mut AnyConnection,
    job: &JobHandle,
    source: SourceId,
) -> Result<(FolderId, CursorRow), StoreError> {
    let row =
        sqlx::query(ROOT).bind(job.id.0).bind(source.0).fetch_optional(tx).await.map_err(failed("enrol"))?;
    let row = row.ok_or_else(|| missing("open source", source.to_string()))?;
    let mut cells = Cells::of(&row);
    Ok((FolderId(cells.number()?), cursor_row(&mut cells)?))
}

/// Refuses a page of another pass than the present one.
pub(super) fn check_pass(cursor: &CursorRow, pass: i64) -> Result<(), StoreError> {
    if cursor.pass == pass {
        return Ok(());
    }
    let detail = format!("the page belongs to pass {pass}, the ledger is at pass {}", cursor.pass);
    Err(StoreError::new(ErrorKind::Changed, "enrol", "page", detail))
}

/// Refuses to settle what is not listed to its end.
pub(super) fn check_complete(cursor: &CursorRow) -> Result<(), StoreError> {
    if cursor.complete {
        return Ok(());
    }
    let detail = format!("pass {} has not come to its end", cursor.pass);
    Err(StoreError::new(ErrorKind::Rejected, "settle", "listing", detail))
}

pub(super) async fn enrol(
    tx: &mut AnyConnection,
    context: &Context,
    job: &JobHandle,
    page: Enrolment,
) -> Result<EnrolTally, StoreError> {
    let counters = fence(tx, job).await?;
    let (root, cursor) = root(tx, job, page.source).await?;
    check_pass(&cursor, page.pass)?;
    let keep = sqlx::query(KEEP_CURSOR).bind(page.source.0).bind(page.cursor.as_ref().map(|c| c.0.as_str()));
    keep.bind(i64::from(page.complete)).execute(&mut *tx).await.map_err(failed("enrol"))?;
    let items = intake::prepare(page.items);
    let mut taking = Taking {
        source: page.source,
        root,
        pass: page.pass,
        at: page.at,
        counters,
        files: files_by_key(tx, context, page.source, &items).await?,
        folders: folders_by_key(tx, page.source, &items).await?,
        files_new: Vec::new(),
        files_changed: BTreeSet::new(),
        folders_changed: BTreeSet::new(),
        files_seen: Vec::new(),
        events: Vec::new(),
        tally: EnrolTally::default(),
    };
    for item in items {
        taking.take(item, context);
    }
    taking.write(tx, context, job).await
}

async fn files_by_key(
    tx: &mut AnyConnection,
    context: &Context,
    source: SourceId,
    items: &[Listed],
) -> Result<BTreeMap<ItemKey, FileRow>, StoreError> {
    let keys = bulk_of(items.iter().map(|item| intake::key_of(item).as_str()));
    let rows =
        sqlx::query(FILES_BY_KEY).bind(source.0).bind(keys).fetch_all(tx).await.map_err(failed("enrol"))?;
    let row = |row| file_row(&mut Cells::of(row), &context.words).map(|file| (file.entry.key.clone(), file));
    rows.iter().map(row).collect()
}

async fn folders_by_key(
    tx: &mut AnyConnection,
    source: SourceId,
    items: &[Listed],
) -> Result<BTreeMap<ItemKey, FolderRow>, StoreError> {
    let parent = |item: &'_ Listed| match item {
        Listed::File(entry) | Listed::Skipped { entry, .. } => entry.parent.clone(),
        Listed::Folder(folder) => folder.parent.clone(),
        Listed::Gone(_) => None,
    };
    let mut keys: BTreeSet<ItemKey> = items.iter().filter_map(parent).collect();
    keys.extend(items.iter().map(|item| intake::key_of(item).clone()));
    let keys = bulk_of(keys.into_iter().map(|key| key.0));
    let rows =
        sqlx::query(FOLDERS_BY_KEY).bind(source.0).bind(keys).fetch_all(tx).await.map_err(failed("enrol"))?;
    let row = |row| folder_row(&mut Cells::of(row)).map(|folder| (folder.key.clone(), folder));
    rows.iter().map(row).collect()
}

/// A page on its way into the rows that it names.
struct Taking {
    source: SourceId,
    root: FolderId,
    pass: i64,
    at: jiff::Timestamp,
    counters: Counters,
    files: BTreeMap<ItemKey, FileRow>,
    folders: BTreeMap<ItemKey, FolderRow>,
    files_new: Vec<Value>,
    files_changed: BTreeSet<ItemKey>,
    folders_changed: BTreeSet<ItemKey>,
    files_seen: Vec<i64>,
    events: Vec<Value>,
    tally: EnrolTally,
}

impl Taking {
    fn take(&mut self, item: Listed, context: &Context) {
        match item {
            Listed::File(entry) => self.file(&entry, None, context),
            Listed::Skipped { entry, reason } => {
                self.tally.skipped += 1;
                self.file(&entry, Some(reason), context);
            }
            Listed::Folder(folder) => {
                self.tally.folders += 1;
                self.folder(&folder, context);
            }
            Listed::Gone(key) => {
                self.lose_folder(&key);
                self.lose_file(&key, context);
            }
        }
    }

    fn folder_of(&mut self, parent: Option<&ItemKey>) -> FolderId {
        let Some(key) = parent else { return self.root };
        if let Some(known) = self.folders.get(key) {
            return known.id;
        }
        let id = self.counters.next_folder();
        let row = FolderRow {
            id,
            source: self.source,
            key: key.clone(),
            parent: Some(self.root),
            name: None,
            path: None,
            times: Times::default(),
            child_count: None,
            standing: Standing::Unsettled,
            target: None,
            dest_item: None,
            timed: false,
            seen: 0,
        };
        self.folders.insert(key.clone(), row);
        self.folders_changed.insert(key.clone());
        id
    }

    fn file(&mut self, entry: &Entry, skip: Option<Reason>, context: &Context) {
        let folder = self.folder_of(entry.parent.as_ref());
        self.lose_folder(&entry.key);
        let Some(row) = self.files.get_mut(&entry.key) else {
            let id = self.counters.next_file();
            let mut row = FileRow::enrolled(id, self.source, folder, entry.clone(), self.at, self.pass);
            if skip.is_some() {
                row.standing = Standing::Skipped;
                row.skip = skip;
            }
            self.tally.new += u64::from(skip.is_none());
            self.files_new.push(new_file_json(&row, &context.words));
            return;
        };
        let before = row.clone();
        let applied = intake::take_file(row, (entry, skip), folder, self.pass, self.at);
        if skip.is_none() {
            intake::count(&mut self.tally, &applied);
        }
        let id = row.id;
        if (FileRow { seen: self.pass, ..before }) == *row {
            self.files_seen.push(id.0);
        } else {
            self.files_changed.insert(entry.key.clone());
        }
        for applied in applied {
            let number = self.events.len() + 1;
            self.events.push(event_json(number, id, &applied, self.at, &context.words));
        }
    }

    fn folder(&mut self, listed: &ListedFolder, context: &Context) {
        let parent = self.folder_of(listed.parent.as_ref());
        self.folder_of(Some(&listed.key));
        if let Some(row) = self.folders.get_mut(&listed.key) {
            intake::take_folder(row, listed, parent, self.pass);
            self.folders_changed.insert(listed.key.clone());
        }
        self.lose_file(&listed.key, context);
    }

    fn lose_folder(&mut self, key: &ItemKey) {
        if let Some(row) = self.folders.get_mut(key) {
            row.standing = Standing::Gone;
            self.folders_changed.insert(key.clone());
        }
    }

    fn lose_file(&mut self, key: &ItemKey, context: &Context) {
        let Some(row) = self.files.get_mut(key).filter(|row| row.standing != Standing::Gone) else { return };
        let Ok(applied) = intake::apply(row, Event::Gone, self.at) else { return };
        self.tally.gone += 1;
        self.files_changed.insert(key.clone());
        let number = self.events.len() + 1;
        self.events.push(event_json(number, row.id, &applied, self.at, &context.words));
    }

    async fn write(
        mut self,
        tx: &mut AnyConnection,
        context: &Context,
        job: &JobHandle,
    ) -> Result<EnrolTally, StoreError> {
        let folders: Vec<Value> =
            self.folders_changed.iter().filter_map(|key| self.folders.get(key)).map(folder_json).collect();
        put(tx, PUT_FOLDERS, folders).await?;
        put(tx, ENROL_FILES, std::mem::take(&mut self.files_new)).await?;
        let files = self.files_changed.iter().filter_map(|key| self.files.get(key));
        let files: Vec<Value> = files.map(|row| file_json(row, &context.words)).collect();
        put(tx, PUT_FILES, files).await?;
        if !self.files_seen.is_empty() {
            let seen = sqlx::query(SEEN).bind(self.pass).bind(bulk_of(self.files_seen));
            seen.execute(&mut *tx).await.map_err(failed("enrol"))?;
        }
        self.counters.seq = write_events(tx, job, self.counters.seq, self.events).await?;
        self.counters.keep(tx).await?;
        Ok(self.tally)
    }
}

/// Runs one bulk statement, unless it has nothing to do.
async fn put(tx: &mut AnyConnection, statement: &'static str, rows: Vec<Value>) -> Result<(), StoreError> {
    if !rows.is_empty() {
        sqlx::query(statement).bind(bulk(rows)).execute(tx).await.map_err(failed("enrol"))?;
    }
    Ok(())
}

/// Writes events after a number and gives the number of the last.
pub(super) async fn write_events(
    tx: &mut AnyConnection,
    job: &JobHandle,
    seq: i64,
    events: Vec<Value>,
) -> Result<i64, StoreError> {
    if events.is_empty() {
        return Ok(seq);
    }
    let last = seq + super::jobs::bound(events.len());
    let put = sqlx::query(PUT_EVENTS).bind(job.id.0).bind(seq).bind(job.epoch.0).bind(bulk(events));
    put.execute(tx).await.map_err(failed("write events"))?;
    Ok(last)
}

/// One event as JSON, for callers outside this module.
pub(super) fn event(
    number: usize,
    file: landfall_core::FileId,
    applied: &Applied,
    at: jiff::Timestamp,
    context: &Context,
) -> Value {
    event_json(number, file, applied, at, &context.words)
}
