//! Scans by key, look-ups and totals.

use std::collections::BTreeSet;

use landfall_core::StoreError;
use landfall_core::ledger::{Count, CourseRow, EventRow, FileFilter, FolderRow, FoundRow, Tally, intake};
use landfall_core::proof::{ProofKind, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Reason, State, Via};
use landfall_core::words::{ByteSize, FileId, FolderId, JobId, RelPath, SourceId, TreeId, fold_hash};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection};

use super::Context;
use super::jobs::{bound, end_id, first_id};
use crate::error::failed;
use crate::rows::{
    Cells, course_row, event_row, file_columns, file_row, folder_columns, folder_row, found_columns,
    found_maybe, found_row, moment, state,
};
use crate::words::Words;

/// The conditions of a filter: ids after `$1` and before `$2`, source `$3`, standings `$4` and states `$5`
/// as sets of bits, due `$6`, intended `$7`, retryable `$8`.
macro_rules! filter {
    () => {
        "f.id > $1 AND f.id < $2 AND ($3 = 0 OR f.source = $3) AND ($4 >> f.standing) & 1 = 1 \
         AND ($5 >> f.state) & 1 = 1 AND ($6 = 0 OR f.not_before IS NULL OR f.not_before <= $6) \
         AND ($7 < 0 OR f.intended = $7) AND ($8 = 0 OR f.last = 0)"
    };
}

macro_rules! scan {
    ($only:literal) => {
        concat!(
            "SELECT ",
            file_columns!(),
            " FROM file AS f CROSS JOIN folder AS d WHERE d.id = f.folder AND ",
            filter!(),
            $only,
            " ORDER BY f.id LIMIT $9"
        )
    };
}

/// Three texts, for the last two conditions let the database use its partial indexes.
const SCAN: &str = scan!("");
const SCAN_OPEN: &str = scan!(" AND f.standing = 1 AND f.state <> 3");
const SCAN_UNSETTLED: &str = scan!(" AND f.standing = 0");

/// A filter as numbers.
struct Sieve {
    source: i64,
    standings: i64,
    states: i64,
    due: i64,
    intended: i64,
    retryable: i64,
}

impl Sieve {
    fn of(filter: &FileFilter) -> Self {
        let standings = filter.standings.iter().fold(0, |set, s| set | 1_i64 << s.number());
        let states = filter.states.iter().fold(0, |set, s| set | 1_i64 << s.number());
        Self {
            source: filter.source.map_or(0, |s| s.0),
            standings: if standings == 0 { 1 << Standing::In.number() } else { standings },
            states: if states == 0 { i64::from(u8::MAX) } else { states },
            due: filter.due.map_or(0, moment),
            intended: filter.intended.map_or(-1, i64::from),
            retryable: i64::from(filter.retryable),
        }
    }

    fn scan(&self) -> &'static str {
        if self.standings == 1 << Standing::Unsettled.number() {
            SCAN_UNSETTLED
        } else if self.standings == 1 << Standing::In.number()
            && self.states >> State::Success.number() & 1 == 0
        {
            SCAN_OPEN
        } else {
            SCAN
        }
    }

    fn bind(&self, statement: &'static str, after: i64, end: i64) -> Query<'static, Any, AnyArguments> {
        let query = sqlx::query(statement).bind(after).bind(end).bind(self.source).bind(self.standings);
        query.bind(self.states).bind(self.due).bind(self.intended).bind(self.retryable)
    }
}

fn files(rows: &[AnyRow], words: &Words) -> Result<Vec<FileRow>, StoreError> {
    rows.iter().map(|row| file_row(&mut Cells::of(row), words)).collect()
}

pub(super) async fn scan(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    filter: &FileFilter,
    after: FileId,
    limit: usize,
) -> Result<Vec<FileRow>, StoreError> {
    let sieve = Sieve::of(filter);
    let query = sieve.bind(sieve.scan(), after.0.max(first_id(job)), end_id(job)).bind(bound(limit));
    files(&query.fetch_all(tx).await.map_err(failed("scan"))?, &context.words)
}

const MATCHES: &str = concat!(
    "SELECT ",
    file_columns!(),
    ", ",
    found_columns!(),
    " FROM file AS f CROSS JOIN folder AS d CROSS JOIN found AS o WHERE d.id = f.folder AND ",
    filter!(),
    " AND o.tree = $9 AND o.parent = d.dest_item AND o.fold = COALESCE(f.fold, f.name_fold)",
    " ORDER BY f.id, o.item LIMIT $10"
);

/// Files with what lies in their place; all pairs of the last file are in the page.
pub(super) async fn matches(
    tx: &mut AnyConnection,
    context: &Context,
    of: (JobId, TreeId),
    filter: &FileFilter,
    range: (FileId, usize),
) -> Result<Vec<(FileRow, FoundRow)>, StoreError> {
    let ((job, tree), (after, limit)) = (of, range);
    let sieve = Sieve::of(filter);
    let query = sieve.bind(MATCHES, after.0.max(first_id(job)), end_id(job)).bind(tree.0).bind(bound(limit));
    let mut pairs = read_pairs(&query.fetch_all(&mut *tx).await.map_err(failed("match"))?, &context.words)?;
    let last = pairs.last().map(|(file, _)| file.id).filter(|_| pairs.len() >= limit);
    if let Some(last) = last {
        pairs.retain(|(file, _)| file.id != last);
        let query = sieve.bind(MATCHES, last.0 - 1, last.0 + 1).bind(tree.0).bind(i64::MAX);
        pairs.extend(read_pairs(&query.fetch_all(tx).await.map_err(failed("match"))?, &context.words)?);
    }
    Ok(pairs)
}

const HELD: &str = concat!(
    "SELECT ",
    file_columns!(),
    ", ",
    found_columns!(),
    " FROM file AS f CROSS JOIN folder AS d LEFT JOIN found AS o ON o.tree = $9 AND o.item = f.item",
    " WHERE d.id = f.folder AND f.item IS NOT NULL AND ",
    filter!(),
    " ORDER BY f.id LIMIT $10"
);

/// Files for which something is held, with what the tree has under its id.
pub(super) async fn held(
    tx: &mut AnyConnection,
    context: &Context,
    of: (JobId, TreeId),
    filter: &FileFilter,
    range: (FileId, usize),
) -> Result<Vec<(FileRow, Option<FoundRow>)>, StoreError> {
    let ((job, tree), (after, limit)) = (of, range);
    let query = Sieve::of(filter).bind(HELD, after.0.max(first_id(job)), end_id(job));
    let rows = query.bind(tree.0).bind(bound(limit)).fetch_all(tx).await.map_err(failed("look over"))?;
    let pair = |row: &AnyRow| {
        let mut cells = Cells::of(row);
        Ok((file_row(&mut cells, &context.words)?, found_maybe(&mut cells)?))
    };
    rows.iter().map(pair).collect()
}

fn read_pairs(rows: &[AnyRow], words: &Words) -> Result<Vec<(FileRow, FoundRow)>, StoreError> {
    let pair = |row: &AnyRow| {
        let mut cells = Cells::of(row);
        Ok((file_row(&mut cells, words)?, found_row(&mut cells)?))
    };
    rows.iter().map(pair).collect()
}

const FOLDERS: &str = concat!(
    "SELECT ",
    folder_columns!(),
    " FROM folder AS d WHERE d.source = $1 AND d.path IS NOT NULL AND d.id > $2 AND d.id < $3",
    " AND d.path > $4 ORDER BY d.path, d.id LIMIT $5"
);
const FOLDERS_FROM_ROOT: &str = concat!(
    "SELECT ",
    folder_columns!(),
    " FROM folder AS d WHERE d.source = $1 AND d.path IS NOT NULL AND d.id > $2 AND d.id < $3",
    " ORDER BY d.path, d.id LIMIT $4"
);
const FOLDERS_AT: &str = concat!(
    "SELECT ",
    folder_columns!(),
    " FROM folder AS d WHERE d.source = $1 AND d.path = $2 AND d.id > $3 ORDER BY d.id"
);
const FOLDER: &str =
    concat!("SELECT ", folder_columns!(), " FROM folder AS d WHERE d.id = $1 AND d.id > $2 AND d.id < $3");

/// Folders by path; folders of one path stay in one page, for the path alone is the key to go on from.
pub(super) async fn folders(
    tx: &mut AnyConnection,
    of: (JobId, SourceId),
    after: Option<RelPath>,
    limit: usize,
) -> Result<Vec<FolderRow>, StoreError> {
    let (job, source) = of;
    let query = match after {
        None => sqlx::query(FOLDERS_FROM_ROOT).bind(source.0).bind(first_id(job)).bind(end_id(job)),
        Some(path) => {
            let query = sqlx::query(FOLDERS).bind(source.0).bind(first_id(job)).bind(end_id(job));
            query.bind(String::from(path))
        }
    };
    let rows = query.bind(bound(limit)).fetch_all(&mut *tx).await.map_err(failed("read folders"))?;
    let mut folders = read_folders(&rows)?;
    if folders.len() >= limit
        && let Some((path, id)) = folders.last().and_then(|last| Some((last.path.clone()?, last.id)))
    {
        let query = sqlx::query(FOLDERS_AT).bind(source.0).bind(String::from(path)).bind(id.0);
        folders.extend(read_folders(&query.fetch_all(tx).await.map_err(failed("read folders"))?)?);
    }
    Ok(folders)
}

fn read_folders(rows: &[AnyRow]) -> Result<Vec<FolderRow>, StoreError> {
    rows.iter().map(|row| folder_row(&mut Cells::of(row))).collect()
}

pub(super) async fn folder(
    tx: &mut AnyConnection,
    job: JobId,
    folder: FolderId,
) -> Result<Option<FolderRow>, StoreError> {
    let query = sqlx::query(FOLDER).bind(folder.0).bind(first_id(job)).bind(end_id(job));
    let row = query.fetch_optional(tx).await.map_err(failed("read folder"))?;
    row.map(|row| folder_row(&mut Cells::of(&row))).transpose()
}

const COLLISIONS: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM file AS f CROSS JOIN folder AS d WHERE d.id = f.folder AND f.standing = 1 AND f.target <> 0",
    " AND f.id > $1 AND f.id < $2 AND f.target >= $3 AND (f.target > $3 OR f.id > $4)",
    " AND (EXISTS (SELECT 1 FROM file AS o WHERE o.standing = 1 AND o.target = f.target AND o.id <> f.id",
    " AND o.id > $1 AND o.id < $2)",
    " OR EXISTS (SELECT 1 FROM folder AS p WHERE p.standing = 1 AND p.target_hash = f.target",
    " AND p.id > $1 AND p.id < $2))",
    " ORDER BY f.target, f.id LIMIT $5"
);

pub(super) async fn collisions(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    after: (i64, FileId),
    limit: usize,
) -> Result<Vec<FileRow>, StoreError> {
    let query = sqlx::query(COLLISIONS).bind(first_id(job)).bind(end_id(job)).bind(after.0).bind(after.1.0);
    files(&query.bind(bound(limit)).fetch_all(tx).await.map_err(failed("find collisions"))?, &context.words)
}

const CHILD_FILES: &str = "
SELECT COUNT(*), CAST(COALESCE(SUM(f.size), 0) AS BIGINT) FROM folder AS d CROSS JOIN file AS f
WHERE d.source = $1 AND d.key = $2 AND d.id > $3 AND d.id < $4 AND f.folder = d.id AND f.standing <> 4";
const CHILD_FOLDERS: &str = "
SELECT COUNT(*) FROM folder AS d CROSS JOIN folder AS c
WHERE d.source = $1 AND d.key = $2 AND d.id > $3 AND d.id < $4
    AND c.parent = d.id AND c.name IS NOT NULL AND c.standing <> 4";

pub(super) async fn child_tally(
    tx: &mut AnyConnection,
    job: JobId,
    source: SourceId,
    key: &str,
) -> Result<(u64, u64, u64), StoreError> {
    let query = sqlx::query(CHILD_FILES).bind(source.0).bind(key).bind(first_id(job)).bind(end_id(job));
    let row = query.fetch_one(&mut *tx).await.map_err(failed("count children"))?;
    let mut cells = Cells::of(&row);
    let (files, bytes) = (unsigned(cells.number()?), unsigned(cells.number()?));
    let query =
        sqlx::query_scalar(CHILD_FOLDERS).bind(source.0).bind(key).bind(first_id(job)).bind(end_id(job));
    let folders: i64 = query.fetch_one(tx).await.map_err(failed("count children"))?;
    Ok((files, unsigned(folders), bytes))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

const KNOWN: &str = "
SELECT f.key FROM json_each($2) AS e CROSS JOIN file AS f
WHERE f.source = $1 AND f.key = e.value ->> 0 AND f.standing <> 4 AND f.id > $3 AND f.id < $4
UNION
SELECT d.key FROM json_each($2) AS e CROSS JOIN folder AS d
WHERE d.source = $1 AND d.key = e.value ->> 0 AND d.standing <> 4 AND d.name IS NOT NULL AND d.id > $3 AND d.id < $4";

pub(super) async fn known(
    tx: &mut AnyConnection,
    job: JobId,
    source: SourceId,
    keys: &str,
) -> Result<BTreeSet<String>, StoreError> {
    let query =
        sqlx::query_scalar(KNOWN).bind(source.0).bind(keys.to_owned()).bind(first_id(job)).bind(end_id(job));
    let known: Vec<String> = query.fetch_all(tx).await.map_err(failed("look up keys"))?;
    Ok(known.into_iter().collect())
}

const FILES_BY_KEY: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM json_each($2) AS e CROSS JOIN file AS f CROSS JOIN folder AS d",
    " WHERE f.source = $1 AND f.key = e.value ->> 0 AND f.id > $3 AND f.id < $4 AND d.id = f.folder"
);

/// The files of these keys, whatever their standing.
pub(super) async fn files_by_key(
    tx: &mut AnyConnection,
    context: &Context,
    of: (JobId, SourceId),
    keys: &str,
) -> Result<Vec<FileRow>, StoreError> {
    let (job, source) = of;
    let query = sqlx::query(FILES_BY_KEY).bind(source.0).bind(keys.to_owned());
    let query = query.bind(first_id(job)).bind(end_id(job));
    files(&query.fetch_all(tx).await.map_err(failed("look up keys"))?, &context.words)
}

const AT_PATH: &str = concat!(
    "SELECT ",
    file_columns!(),
    " FROM folder AS d CROSS JOIN file AS f WHERE d.path_fold = $1 AND d.id > $3 AND d.id < $4",
    " AND f.folder = d.id AND f.name_fold = $2 AND f.standing <> 4 ORDER BY f.id"
);

/// Exact spelling first; where nothing is spelt so, whatever folds alike.
pub(super) async fn find_path(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    path: &RelPath,
) -> Result<Vec<FileRow>, StoreError> {
    let Some(parent) = path.parent() else { return Ok(Vec::new()) };
    let query = sqlx::query(AT_PATH).bind(fold_hash(parent.as_str())).bind(fold_hash(path.name()));
    let query = query.bind(first_id(job)).bind(end_id(job));
    let rows = files(&query.fetch_all(tx).await.map_err(failed("find path"))?, &context.words)?;
    Ok(intake::spelt(rows, path))
}

const TALLY: &str = "
SELECT f.standing, f.state, f.skip, f.reason, f.proven, f.leg, f.via, COUNT(*), CAST(SUM(f.size) AS BIGINT)
FROM file AS f WHERE f.source IN (SELECT s.id FROM source AS s WHERE s.job = $1 AND ($2 = 0 OR s.id = $2))
GROUP BY f.standing, f.state, f.skip, f.reason, f.proven, f.leg, f.via";
const TALLY_FOLDERS: &str = "
SELECT COUNT(*) FROM folder AS d
WHERE d.id > $1 AND d.id < $2 AND ($3 = 0 OR d.source = $3) AND d.standing = 1 AND d.parent IS NOT NULL";

pub(super) async fn tally(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    source: Option<SourceId>,
) -> Result<Tally, StoreError> {
    let source = source.map_or(0, |s| s.0);
    let query = sqlx::query(TALLY).bind(job.0).bind(source);
    let rows = query.fetch_all(&mut *tx).await.map_err(failed("tally"))?;
    let query = sqlx::query_scalar(TALLY_FOLDERS).bind(first_id(job)).bind(end_id(job)).bind(source);
    let folders: i64 = query.fetch_one(tx).await.map_err(failed("tally"))?;
    let mut tally = Tally { folders: unsigned(folders), ..Tally::default() };
    for row in &rows {
        add(&mut tally, row, &context.words)?;
    }
    Ok(tally)
}

/// Adds one group of files to the totals.
fn add(tally: &mut Tally, row: &AnyRow, words: &Words) -> Result<(), StoreError> {
    let mut cells = Cells::of(row);
    let standing = i16::try_from(cells.number()?).ok().and_then(Standing::from_number);
    let state = state(cells.number()?)?;
    let skip = words.read(cells.maybe()?, Reason::parse)?;
    let reason = words.read(cells.maybe()?, Reason::parse)?;
    let proven = words.read(cells.maybe()?, ProofKind::parse)?;
    let leg = words.read(cells.maybe()?, SourceLeg::parse)?;
    let via = words.read(cells.maybe()?, Via::parse)?;
    let (files, bytes) = (unsigned(cells.number()?), unsigned(cells.number()?));
    let grow = |count: &mut Count| {
        count.files += files;
        count.bytes = ByteSize(count.bytes.0 + bytes);
    };
    let lapsed = state == State::Ng && proven.is_some() && reason.is_some_and(Reason::lapses);
    if lapsed && standing != Some(Standing::In) {
        tally.lost += files;
    }
    match standing {
        Some(Standing::In) => {
            grow(tally.states.entry(state).or_default());
            if let Some(reason) = reason {
                *tally.reasons.entry((state, reason)).or_default() += files;
            }
            let success = state == State::Success;
            if let Some(kind) = proven.filter(|_| success) {
                *tally.proven_by.entry(kind).or_default() += files;
            }
            if let Some(leg) = leg.filter(|_| success) {
                *tally.legs.entry(leg).or_default() += files;
            }
            if let Some(via) = via.filter(|_| success) {
                *tally.via.entry(via).or_default() += files;
            }
        }
        Some(Standing::Skipped) => {
            if let Some(reason) = skip {
                grow(tally.skipped.entry(reason).or_default());
            }
        }
        Some(Standing::Unsettled) => tally.unsettled += files,
        Some(Standing::Outside) => tally.outside += files,
        Some(Standing::Gone) | None => tally.gone += files,
    }
    Ok(())
}

const EVENTS: &str = "
SELECT seq, file, name, before, after, reason, comment, at, epoch FROM event
WHERE job = $1 AND seq > $2 ORDER BY seq LIMIT $3";

pub(super) async fn events(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    after: i64,
    limit: usize,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query(EVENTS).bind(job.0).bind(after).bind(bound(limit));
    let rows = rows.fetch_all(tx).await.map_err(failed("read events"))?;
    rows.iter().map(|row| event_row(row, &context.words)).collect()
}

const COURSE: &str = "
SELECT event.at / 1000000 AS second, event.name, event.reason, COUNT(*), CAST(SUM(file.size) AS BIGINT)
FROM event CROSS JOIN file
WHERE event.job = $1 AND event.seq > $2 AND event.seq <= $3 AND file.id = event.file
GROUP BY 1, event.name, event.reason";

pub(super) async fn course(
    tx: &mut AnyConnection,
    context: &Context,
    job: JobId,
    after: i64,
    window: u32,
) -> Result<Vec<CourseRow>, StoreError> {
    let query = sqlx::query(COURSE).bind(job.0).bind(after).bind(after.saturating_add(i64::from(window)));
    let rows = query.fetch_all(tx).await.map_err(failed("sum up events"))?;
    rows.iter().map(|row| course_row(row, &context.words)).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection as _, Row as _};

    use super::*;
    use crate::schema;

    /// Read by its key alone, a tree of a million things would be read whole for every file.
    #[tokio::test]
    async fn what_lies_in_a_files_place_is_found_by_its_name() {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect("sqlite::memory:").await.unwrap();
        schema::prepare(&mut connection, "BEGIN", schema::SQLITE).await.unwrap();
        let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {MATCHES}")));
        for _ in 0..10 {
            query = query.bind(1_i64);
        }
        let rows = query.fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>(3)).collect();
        let by_name = "found_name (tree=? AND parent=? AND fold=?)";
        assert!(plan.iter().any(|step| step.contains(by_name)), "{plan:?}");
    }
}
