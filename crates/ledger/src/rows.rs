//! Rows as the database keeps them: what is read from a row, what is written as JSON for the bulk statements.
//!
//! A bulk statement takes one JSON text, an array of arrays, so that one static text serves a page of any
//! size on both databases. Digests are packed into one column ([`digests`]).

mod cells;
mod digests;

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::ledger::intake::{Applied, ROOT};
use landfall_core::ledger::{CourseRow, CursorRow, EventRow, FolderRow, FoundRow};
use landfall_core::proof::{Evidence, ProofKind, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::seal::Sealed;
use landfall_core::state::{Reason, State, Via};
use landfall_core::store::{Authors, Entry, Holding};
use landfall_core::words::{
    ByteSize, Cursor, Epoch, FileId, FolderId, ItemKey, RelPath, Revision, SourceId, Times, fold_hash,
};
use serde_json::{Value, json};
use sqlx::any::AnyRow;

pub(crate) use cells::Cells;

use crate::error::corrupt;
use crate::words::Words;

/// The columns of a file `f` with those of its folder `d`, in the order of [`file_row`].
macro_rules! file_columns {
    () => {
        "f.id, f.source, f.folder, d.key, f.key, f.name, f.size, f.created, f.modified, f.revision, \
         f.digests, f.standing, f.skip, f.state, f.reason, f.comment, f.attempts, f.last, \
         f.not_before, f.intended, f.dest_name, f.target, f.fold, f.name_fold, f.ours, f.ours_size, \
         f.leg, f.item, f.item_revision, f.item_size, f.item_digests, f.via, f.proven, \
         f.unchanged_at, f.hash_at, f.bytes_at, f.changed_at, f.seen, f.sealed, f.created_by, f.modified_by, d.path, d.target, \
         d.dest_item"
    };
}
pub(crate) use file_columns;

/// The columns of a folder `d`, in the order of [`folder_row`].
macro_rules! folder_columns {
    () => {
        "d.id, d.source, d.key, d.parent, d.name, d.path, d.created, d.modified, d.child_count, d.standing, \
         d.target, d.dest_item, d.timed, d.seen"
    };
}
pub(crate) use folder_columns;

/// The columns of a found thing `o`, in the order of [`found_row`].
macro_rules! found_columns {
    () => {
        "o.item, o.parent, o.name, o.folder, o.size, o.digests, o.revision, o.created, o.modified, o.changed_by"
    };
}
pub(crate) use found_columns;

/// Writes whole file rows, new or known; `$1` is made of [`file_json`].
pub(crate) const PUT_FILES: &str = "
INSERT INTO file (
    id, source, folder, standing, skip, state, reason, proven, leg, via, attempts, last,
    intended, size, seen, name_fold, fold, target, not_before, changed_at, unchanged_at,
    hash_at, bytes_at, created, modified, ours_size, key, name, revision, dest_name, comment,
    digests, ours, item, item_revision, item_size, item_digests, sealed, created_by, modified_by
)
SELECT
    CAST(e.value ->> 0 AS BIGINT), CAST(e.value ->> 1 AS BIGINT), CAST(e.value ->> 2 AS BIGINT),
    CAST(e.value ->> 3 AS SMALLINT), CAST(e.value ->> 4 AS SMALLINT),
    CAST(e.value ->> 5 AS SMALLINT), CAST(e.value ->> 6 AS SMALLINT),
    CAST(e.value ->> 7 AS SMALLINT), CAST(e.value ->> 8 AS SMALLINT),
    CAST(e.value ->> 9 AS SMALLINT), CAST(e.value ->> 10 AS BIGINT),
    CAST(e.value ->> 11 AS SMALLINT), CAST(e.value ->> 12 AS SMALLINT),
    CAST(e.value ->> 13 AS BIGINT), CAST(e.value ->> 14 AS BIGINT),
    CAST(e.value ->> 15 AS BIGINT), CAST(e.value ->> 16 AS BIGINT),
    CAST(e.value ->> 17 AS BIGINT), CAST(e.value ->> 18 AS BIGINT),
    CAST(e.value ->> 19 AS BIGINT), CAST(e.value ->> 20 AS BIGINT),
    CAST(e.value ->> 21 AS BIGINT), CAST(e.value ->> 22 AS BIGINT),
    CAST(e.value ->> 23 AS BIGINT), CAST(e.value ->> 24 AS BIGINT),
    CAST(e.value ->> 25 AS BIGINT), e.value ->> 26, e.value ->> 27, e.value ->> 28,
    e.value ->> 29, e.value ->> 30, unhex(e.value ->> 31), unhex(e.value ->> 32),
    e.value ->> 33, e.value ->> 34, CAST(e.value ->> 35 AS BIGINT), unhex(e.value ->> 36),
    e.value ->> 37, e.value ->> 38, e.value ->> 39
FROM json_each($1) AS e WHERE TRUE
ON CONFLICT (id) DO UPDATE SET
    folder = excluded.folder, standing = excluded.standing, skip = excluded.skip,
    state = excluded.state, reason = excluded.reason, proven = excluded.proven,
    leg = excluded.leg, via = excluded.via, attempts = excluded.attempts, last = excluded.last,
    intended = excluded.intended, size = excluded.size, seen = excluded.seen,
    name_fold = excluded.name_fold, fold = excluded.fold, target = excluded.target,
    not_before = excluded.not_before, changed_at = excluded.changed_at,
    unchanged_at = excluded.unchanged_at, hash_at = excluded.hash_at,
    bytes_at = excluded.bytes_at, created = excluded.created, modified = excluded.modified,
    ours_size = excluded.ours_size, name = excluded.name, revision = excluded.revision,
    dest_name = excluded.dest_name, comment = excluded.comment, digests = excluded.digests,
    ours = excluded.ours, item = excluded.item, item_revision = excluded.item_revision,
    item_size = excluded.item_size, item_digests = excluded.item_digests, sealed = excluded.sealed,
    created_by = excluded.created_by, modified_by = excluded.modified_by";

/// Writes the rows of files that are new, a third of the work of [`PUT_FILES`]; `$1` is made of [`new_file_json`].
pub(crate) const ENROL_FILES: &str = "
INSERT INTO file (
    id, source, folder, standing, skip, size, seen, name_fold, changed_at, created, modified, key,
    name, revision, digests, created_by, modified_by, state, attempts, last, intended, fold, target
)
SELECT
    CAST(e.value ->> 0 AS BIGINT), CAST(e.value ->> 1 AS BIGINT), CAST(e.value ->> 2 AS BIGINT),
    CAST(e.value ->> 3 AS SMALLINT), CAST(e.value ->> 4 AS SMALLINT), CAST(e.value ->> 5 AS BIGINT),
    CAST(e.value ->> 6 AS BIGINT), CAST(e.value ->> 7 AS BIGINT), CAST(e.value ->> 8 AS BIGINT),
    CAST(e.value ->> 9 AS BIGINT), CAST(e.value ->> 10 AS BIGINT), e.value ->> 11, e.value ->> 12,
    e.value ->> 13, unhex(e.value ->> 14), e.value ->> 15, e.value ->> 16, 0, 0, 0, 0, 0, 0
FROM json_each($1) AS e";

/// Writes what events change in file rows; `$1` is made of [`file_json`].
pub(crate) const UPDATE_FILES: &str = "
UPDATE file SET
    standing = x.standing, state = x.state, reason = x.reason, proven = x.proven, leg = x.leg,
    via = x.via, attempts = x.attempts, last = x.last, intended = x.intended,
    not_before = x.not_before, changed_at = x.changed_at, unchanged_at = x.unchanged_at,
    hash_at = x.hash_at, bytes_at = x.bytes_at, ours_size = x.ours_size, comment = x.comment,
    ours = x.ours, item = x.item, item_revision = x.item_revision, item_size = x.item_size,
    item_digests = x.item_digests, sealed = x.sealed
FROM (SELECT
    CAST(e.value ->> 0 AS BIGINT) AS id, CAST(e.value ->> 3 AS SMALLINT) AS standing,
    CAST(e.value ->> 5 AS SMALLINT) AS state, CAST(e.value ->> 6 AS SMALLINT) AS reason,
    CAST(e.value ->> 7 AS SMALLINT) AS proven, CAST(e.value ->> 8 AS SMALLINT) AS leg,
    CAST(e.value ->> 9 AS SMALLINT) AS via, CAST(e.value ->> 10 AS BIGINT) AS attempts,
    CAST(e.value ->> 11 AS SMALLINT) AS last, CAST(e.value ->> 12 AS SMALLINT) AS intended,
    CAST(e.value ->> 18 AS BIGINT) AS not_before, CAST(e.value ->> 19 AS BIGINT) AS changed_at,
    CAST(e.value ->> 20 AS BIGINT) AS unchanged_at, CAST(e.value ->> 21 AS BIGINT) AS hash_at,
    CAST(e.value ->> 22 AS BIGINT) AS bytes_at, CAST(e.value ->> 25 AS BIGINT) AS ours_size,
    e.value ->> 30 AS comment, unhex(e.value ->> 32) AS ours, e.value ->> 33 AS item,
    e.value ->> 34 AS item_revision, CAST(e.value ->> 35 AS BIGINT) AS item_size,
    unhex(e.value ->> 36) AS item_digests, e.value ->> 37 AS sealed
FROM json_each($1) AS e) AS x WHERE file.id = x.id";

/// Writes folder rows as the listing knows them; `$1` is made of [`folder_json`].
pub(crate) const PUT_FOLDERS: &str = "
INSERT INTO folder (
    id, source, key, parent, name, path, path_fold, created, modified, child_count, standing,
    target, target_hash, dest_item, timed, seen
)
SELECT
    CAST(e.value ->> 0 AS BIGINT), CAST(e.value ->> 1 AS BIGINT), e.value ->> 2,
    CAST(e.value ->> 3 AS BIGINT), e.value ->> 4, e.value ->> 5, CAST(e.value ->> 6 AS BIGINT),
    CAST(e.value ->> 7 AS BIGINT), CAST(e.value ->> 8 AS BIGINT), CAST(e.value ->> 9 AS BIGINT),
    CAST(e.value ->> 10 AS SMALLINT), e.value ->> 11, CAST(e.value ->> 12 AS BIGINT),
    e.value ->> 13, CAST(e.value ->> 14 AS SMALLINT), CAST(e.value ->> 15 AS BIGINT)
FROM json_each($1) AS e WHERE TRUE
ON CONFLICT (id) DO UPDATE SET
    parent = excluded.parent, name = excluded.name, created = excluded.created,
    modified = excluded.modified, child_count = excluded.child_count,
    standing = excluded.standing, timed = excluded.timed, seen = excluded.seen";

/// Writes found things of tree `$1`; `$2` is made of [`found_json`].
pub(crate) const PUT_FOUND: &str = "
INSERT INTO found (
    tree, item, parent, fold, name, folder, size, digests, revision, created, modified, seen, changed_by
)
SELECT
    $1, e.value ->> 0, e.value ->> 1, CAST(e.value ->> 2 AS BIGINT), e.value ->> 3,
    CAST(e.value ->> 4 AS SMALLINT), CAST(e.value ->> 5 AS BIGINT), unhex(e.value ->> 6),
    e.value ->> 7, CAST(e.value ->> 8 AS BIGINT), CAST(e.value ->> 9 AS BIGINT),
    CAST(e.value ->> 10 AS BIGINT), e.value ->> 11
FROM json_each($2) AS e WHERE TRUE
ON CONFLICT (tree, item) DO UPDATE SET
    parent = excluded.parent, fold = excluded.fold, name = excluded.name,
    folder = excluded.folder, size = excluded.size, digests = excluded.digests,
    revision = excluded.revision, created = excluded.created, modified = excluded.modified,
    seen = excluded.seen, changed_by = excluded.changed_by";

/// Writes events of job `$1` after number `$2` under epoch `$3`; `$4` is made of [`event_json`].
pub(crate) const PUT_EVENTS: &str = "
INSERT INTO event (job, seq, epoch, file, name, before, after, reason, comment, at)
SELECT $1, $2 + CAST(e.value ->> 0 AS BIGINT), $3,
    CAST(e.value ->> 1 AS BIGINT), CAST(e.value ->> 2 AS SMALLINT),
    CAST(e.value ->> 3 AS SMALLINT), CAST(e.value ->> 4 AS SMALLINT),
    CAST(e.value ->> 5 AS SMALLINT), e.value ->> 6, CAST(e.value ->> 7 AS BIGINT)
FROM json_each($4) AS e";

/// A moment as stored: microseconds since 1970 UTC.
pub(crate) fn moment(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn moments(at: Option<Timestamp>) -> Option<i64> {
    at.map(moment)
}

/// A size as stored; none that exists is cut.
pub(crate) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A text as stored: PostgreSQL holds no NUL.
pub(crate) fn held(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

fn hex(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    Value::String(digits.filter_map(|d| char::from_digit(u32::from(d), 16)).collect())
}

/// A list of lists as the text of a bulk statement.
pub(crate) fn bulk(rows: Vec<Value>) -> String {
    Value::Array(rows).to_string()
}

/// A list of plain values as the text of a bulk statement.
pub(crate) fn bulk_of<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> String {
    bulk(values.into_iter().map(|v| Value::Array(vec![v.into()])).collect())
}

/// One file for [`PUT_FILES`] and [`UPDATE_FILES`].
pub(crate) fn file_json(row: &FileRow, words: &Words) -> Value {
    let word = |reason: Option<Reason>| reason.map(|r| words.number(r.name()));
    let name_fold = fold_hash(&row.entry.name);
    let fold = (row.fold != name_fold).then_some(row.fold);
    let holding = row.holding.as_ref();
    let published = &row.entry.digests;
    json!([
        row.id.0,
        row.source.0,
        row.folder.0,
        row.standing.number(),
        word(row.skip),
        row.state.number(),
        word(row.reason),
        row.proven.map(|k| words.number(k.name())),
        row.leg.map(|l| words.number(l.name())),
        row.via.map(|v| words.number(v.name())),
        row.attempts,
        i64::from(row.last),
        i64::from(row.intended),
        signed(row.entry.size.0),
        row.seen,
        name_fold,
        fold,
        row.target,
        moments(row.not_before),
        moment(row.changed_at),
        moments(row.unchanged_at),
        moments(row.hash_at),
        moments(row.bytes_at),
        moments(row.entry.times.created),
        moments(row.entry.times.modified),
        row.ours_size.map(|s| signed(s.0)),
        row.entry.key.as_str(),
        row.entry.name,
        row.entry.revision.as_ref().map(|r| r.0.as_str()),
        row.dest_name,
        (!row.comment.is_empty()).then(|| held(&row.comment)),
        hex(&digests::pack(published, None)),
        hex(&digests::pack(&row.ours, Some(published))),
        holding.map(|h| h.item.as_str()),
        holding.and_then(|h| h.revision.as_ref()).map(|r| r.0.as_str()),
        holding.map(|h| signed(h.evidence.size.0)),
        hex(&holding.map(|h| digests::pack(&h.evidence.digests, Some(published))).unwrap_or_default()),
        row.sealed.as_ref().map(Sealed::save),
        row.entry.authors.created,
        row.entry.authors.modified,
    ])
}

/// One file for [`ENROL_FILES`]: a row as [`FileRow::enrolled`] makes it, perhaps skipped.
pub(crate) fn new_file_json(row: &FileRow, words: &Words) -> Value {
    let entry = &row.entry;
    json!([
        row.id.0,
        row.source.0,
        row.folder.0,
        row.standing.number(),
        row.skip.map(|r| words.number(r.name())),
        signed(entry.size.0),
        row.seen,
        fold_hash(&entry.name),
        moment(row.changed_at),
        moments(entry.times.created),
        moments(entry.times.modified),
        entry.key.as_str(),
        entry.name,
        entry.revision.as_ref().map(|r| r.0.as_str()),
        hex(&digests::pack(&entry.digests, None)),
        entry.authors.created,
        entry.authors.modified,
    ])
}

/// One folder for [`PUT_FOLDERS`].
pub(crate) fn folder_json(row: &FolderRow) -> Value {
    json!([
        row.id.0,
        row.source.0,
        row.key.as_str(),
        row.parent.map(|p| p.0),
        row.name,
        row.path.as_ref().map(RelPath::as_str),
        row.path.as_ref().map(|p| fold_hash(p.as_str())),
        moments(row.times.created),
        moments(row.times.modified),
        row.child_count.map(signed),
        row.standing.number(),
        row.target.as_ref().map(RelPath::as_str),
        0,
        row.dest_item.as_ref().map(ItemKey::as_str),
        i64::from(row.timed),
        row.seen,
    ])
}

/// One found thing for [`PUT_FOUND`].
pub(crate) fn found_json(row: &FoundRow, pass: i64) -> Value {
    json!([
        row.item.as_str(),
        row.parent.as_ref().map_or(ROOT, ItemKey::as_str),
        fold_hash(&row.name),
        row.name,
        i64::from(row.folder),
        signed(row.evidence.size.0),
        hex(&digests::pack(&row.evidence.digests, None)),
        row.revision.as_ref().map(|r| r.0.as_str()),
        moments(row.times.created),
        moments(row.times.modified),
        pass,
        row.changed_by,
    ])
}

/// Published digests as `found` keeps them, in hex; none where there is none.
pub(crate) fn packed(digests: &landfall_core::Digests) -> Option<String> {
    match hex(&digests::pack(digests, None)) {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// One event for [`PUT_EVENTS`]; `number` counts from one.
pub(crate) fn event_json(
    number: usize,
    file: FileId,
    applied: &Applied,
    at: Timestamp,
    words: &Words,
) -> Value {
    let (reason, comment) = applied.event.detail();
    json!([
        number,
        file.0,
        words.number(applied.event.name()),
        applied.from.number(),
        applied.to.number(),
        reason.map(|r| words.number(r.name())),
        (!comment.is_empty()).then(|| held(comment)),
        moment(at),
    ])
}

fn standing(number: i64) -> Result<Standing, StoreError> {
    let known = i16::try_from(number).ok().and_then(Standing::from_number);
    known.ok_or_else(|| corrupt(format!("{number} is no standing")))
}

pub(crate) fn state(number: i64) -> Result<State, StoreError> {
    let known = i16::try_from(number).ok().and_then(State::from_number);
    known.ok_or_else(|| corrupt(format!("{number} is no state")))
}

fn path(text: Option<String>) -> Result<Option<RelPath>, StoreError> {
    let path = text.map(RelPath::new).transpose();
    path.map_err(|error| corrupt("a stored path is not one").with_source(error))
}

/// Reads a file from [`file_columns`].
pub(crate) fn file_row(cells: &mut Cells<'_>, words: &Words) -> Result<FileRow, StoreError> {
    let (id, source, folder) =
        (FileId(cells.number()?), SourceId(cells.number()?), FolderId(cells.number()?));
    let entry = entry(cells)?;
    let published = entry.digests.clone();
    let standing = standing(cells.number()?)?;
    let mut row = FileRow::enrolled(id, source, folder, entry, Timestamp::UNIX_EPOCH, 0);
    row.standing = standing;
    row.skip = words.read(cells.maybe()?, Reason::parse)?;
    row.state = state(cells.number()?)?;
    row.reason = words.read(cells.maybe()?, Reason::parse)?;
    row.comment = cells.text()?.unwrap_or_default();
    row.attempts = u32::try_from(cells.number()?).unwrap_or(u32::MAX);
    row.last = cells.number()? != 0;
    row.not_before = cells.moment()?;
    row.intended = cells.number()? != 0;
    row.dest_name = cells.text()?;
    row.target = cells.number()?;
    let (fold, name_fold) = (cells.maybe()?, cells.number()?);
    row.fold = fold.unwrap_or(name_fold);
    row.ours = digests::unpack(cells.bytes()?.as_deref(), Some(&published))?;
    row.ours_size = cells.size()?;
    row.leg = words.read(cells.maybe()?, SourceLeg::parse)?;
    row.holding = holding(cells, &published)?;
    row.via = words.read(cells.maybe()?, Via::parse)?;
    row.proven = words.read(cells.maybe()?, ProofKind::parse)?;
    row.unchanged_at = cells.moment()?;
    row.hash_at = cells.moment()?;
    row.bytes_at = cells.moment()?;
    row.changed_at = cells.moment()?.unwrap_or_default();
    row.seen = cells.number()?;
    row.sealed = sealed(cells)?;
    row.entry.authors = Authors { created: cells.text()?, modified: cells.text()? };
    row.folder_path = path(cells.text()?)?;
    row.folder_target = path(cells.text()?)?;
    row.folder_item = cells.text()?.map(ItemKey);
    Ok(row)
}

fn entry(cells: &mut Cells<'_>) -> Result<Entry, StoreError> {
    let parent = cells.text()?.filter(|key| !key.is_empty()).map(ItemKey);
    Ok(Entry {
        parent,
        key: ItemKey(cells.text()?.unwrap_or_default()),
        name: cells.text()?.unwrap_or_default(),
        size: cells.size()?.unwrap_or_default(),
        times: Times { created: cells.moment()?, modified: cells.moment()? },
        revision: cells.text()?.map(Revision),
        digests: digests::unpack(cells.bytes()?.as_deref(), None)?,
        authors: Authors::default(),
    })
}

fn holding(cells: &mut Cells<'_>, published: &landfall_core::Digests) -> Result<Option<Holding>, StoreError> {
    let (item, revision, size) = (cells.text()?, cells.text()?, cells.size()?);
    let digests = digests::unpack(cells.bytes()?.as_deref(), Some(published))?;
    let evidence = Evidence { size: size.unwrap_or_default(), digests };
    Ok(item.map(|item| Holding { item: ItemKey(item), revision: revision.map(Revision), evidence }))
}

fn sealed(cells: &mut Cells<'_>) -> Result<Option<Sealed>, StoreError> {
    let Some(text) = cells.text()? else { return Ok(None) };
    Sealed::load(&text).map(Some).ok_or_else(|| corrupt("what is kept of a sealing cannot be read"))
}

/// Reads a folder from [`folder_columns`].
pub(crate) fn folder_row(cells: &mut Cells<'_>) -> Result<FolderRow, StoreError> {
    Ok(FolderRow {
        id: FolderId(cells.number()?),
        source: SourceId(cells.number()?),
        key: ItemKey(cells.text()?.unwrap_or_default()),
        parent: cells.maybe()?.map(FolderId),
        name: cells.text()?,
        path: path(cells.text()?)?,
        times: Times { created: cells.moment()?, modified: cells.moment()? },
        child_count: cells.size()?.map(|s| s.0),
        standing: standing(cells.number()?)?,
        target: path(cells.text()?)?,
        dest_item: cells.text()?.map(ItemKey),
        timed: cells.number()? != 0,
        seen: cells.number()?,
    })
}

/// Reads a found thing from [`found_columns`].
pub(crate) fn found_row(cells: &mut Cells<'_>) -> Result<FoundRow, StoreError> {
    found_maybe(cells)?.ok_or_else(|| corrupt("a found thing has no id"))
}

/// Reads a found thing that a join may have left out.
pub(crate) fn found_maybe(cells: &mut Cells<'_>) -> Result<Option<FoundRow>, StoreError> {
    let Some(item) = cells.text()? else { return Ok(None) };
    Ok(Some(FoundRow {
        item: ItemKey(item),
        parent: cells.text()?.filter(|key| key != ROOT).map(ItemKey),
        name: cells.text()?.unwrap_or_default(),
        folder: cells.number()? != 0,
        evidence: Evidence {
            size: cells.size()?.unwrap_or(ByteSize(0)),
            digests: digests::unpack(cells.bytes()?.as_deref(), None)?,
        },
        revision: cells.text()?.map(Revision),
        times: Times { created: cells.moment()?, modified: cells.moment()? },
        changed_by: cells.text()?,
    }))
}

/// Reads an event: seq, file, name, before, after, reason, comment, at, epoch.
pub(crate) fn event_row(row: &AnyRow, words: &Words) -> Result<EventRow, StoreError> {
    let mut cells = Cells::of(row);
    Ok(EventRow {
        seq: cells.number()?,
        file: FileId(cells.number()?),
        name: words.text(cells.number()?)?.to_owned(),
        from: state(cells.number()?)?,
        to: state(cells.number()?)?,
        reason: words.read(cells.maybe()?, Reason::parse)?,
        comment: cells.text()?.unwrap_or_default(),
        at: cells.moment()?.unwrap_or_default(),
        epoch: Epoch(cells.number()?),
    })
}

/// Reads the sum of some events: second, name, reason, how many, bytes.
pub(crate) fn course_row(row: &AnyRow, words: &Words) -> Result<CourseRow, StoreError> {
    let mut cells = Cells::of(row);
    Ok(CourseRow {
        second: cells.number()?,
        name: words.text(cells.number()?)?.to_owned(),
        reason: words.read(cells.maybe()?, Reason::parse)?,
        events: cells.number()?.unsigned_abs(),
        bytes: ByteSize(cells.number()?.unsigned_abs()),
    })
}

/// Reads where a listing stands: cursor, pass, whole, complete.
pub(crate) fn cursor_row(cells: &mut Cells<'_>) -> Result<CursorRow, StoreError> {
    Ok(CursorRow {
        cursor: cells.text()?.map(Cursor),
        pass: cells.number()?,
        full: cells.number()? != 0,
        complete: cells.number()? != 0,
    })
}
