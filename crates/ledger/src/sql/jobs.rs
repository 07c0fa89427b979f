//! Jobs, runs and sources; the fence that every write passes; the counters of ids, events and debts.

use jiff::Timestamp;
use landfall_core::ledger::{JobHandle, RunRow, RunStart, SourceRow};
use landfall_core::words::{Epoch, FileId, FolderId, JobId, RunId, SourceId};
use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::{failed, missing};
use crate::rows::{Cells, moment};

/// Ids of files and folders hold their job's id above this many bits: four thousand million of each a job.
const JOB_BITS: u32 = 32;

/// The first id of files and folders that belongs to a job.
pub(super) fn first_id(job: JobId) -> i64 {
    job.0 << JOB_BITS
}

/// The first id that belongs to the next job.
pub(super) fn end_id(job: JobId) -> i64 {
    first_id(JobId(job.0 + 1))
}

/// A limit as a parameter.
pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn changed_target(operation: &'static str, subject: &str, before: &str, now: &str) -> StoreError {
    let detail = format!("it was {before:?} before and is {now:?} now");
    StoreError::new(ErrorKind::Rejected, operation, subject, detail).with_code(Code::TargetChanged)
}

const FIND: &str = "SELECT id, name, identity, epoch FROM job WHERE name = $1";
const MAKE: &str = "
INSERT INTO job (name, identity, epoch, seq, next_file, next_folder, holder, opened)
VALUES ($1, $2, 0, 0, 0, 0, '', 0) ON CONFLICT (name) DO NOTHING";
const TAKE: &str = "
UPDATE job SET epoch = epoch + 1, holder = $2, opened = $3 WHERE name = $1
RETURNING id, name, identity, epoch";
const EPOCH: &str = "SELECT epoch FROM job WHERE id = $1";

fn handle(row: &AnyRow) -> Result<JobHandle, StoreError> {
    let mut cells = Cells::of(row);
    Ok(JobHandle {
        id: JobId(cells.number()?),
        name: cells.text()?.unwrap_or_default(),
        identity: cells.text()?.unwrap_or_default(),
        epoch: Epoch(cells.number()?),
    })
}

pub(super) async fn find(tx: &mut AnyConnection, name: &str) -> Result<Option<JobHandle>, StoreError> {
    let row = sqlx::query(FIND).bind(name).fetch_optional(tx).await.map_err(failed("find job"))?;
    row.as_ref().map(handle).transpose()
}

pub(super) async fn open(
    tx: &mut AnyConnection,
    name: &str,
    identity: &str,
    holder: &str,
    at: Timestamp,
) -> Result<JobHandle, StoreError> {
    sqlx::query(MAKE).bind(name).bind(identity).execute(&mut *tx).await.map_err(failed("open job"))?;
    let take = sqlx::query(TAKE).bind(name).bind(holder).bind(moment(at));
    let job = handle(&take.fetch_one(&mut *tx).await.map_err(failed("open job"))?)?;
    if job.identity != identity {
        return Err(changed_target("open job", name, &job.identity, identity));
    }
    Ok(job)
}

pub(super) async fn epoch(tx: &mut AnyConnection, job: JobId) -> Result<Option<Epoch>, StoreError> {
    let epoch = sqlx::query_scalar(EPOCH).bind(job.0).fetch_optional(tx).await.map_err(failed("read job"))?;
    Ok(epoch.map(Epoch))
}

/// What a job has counted so far; its row is locked until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    job: JobId,
    /// Events written.
    pub(super) seq: i64,
    file: i64,
    folder: i64,
    /// Things ever owed.
    pub(super) owed: i64,
}

const FENCE: &str = "
UPDATE job SET seq = seq WHERE id = $1 AND epoch = $2 RETURNING seq, next_file, next_folder, next_owed";
const COUNT: &str = "
UPDATE job SET seq = $2, next_file = $3, next_folder = $4, next_owed = $5 WHERE id = $1";

/// Lets a write pass that is made under the current epoch.
pub(super) async fn fence(tx: &mut AnyConnection, job: &JobHandle) -> Result<Counters, StoreError> {
    let row = sqlx::query(FENCE).bind(job.id.0).bind(job.epoch.0).fetch_optional(&mut *tx).await;
    let Some(row) = row.map_err(failed("write to job"))? else {
        let now = epoch(tx, job.id).await?.unwrap_or_default();
        let detail = format!("the lease of epoch {} was lost to epoch {now}", job.epoch);
        return Err(StoreError::new(ErrorKind::Rejected, "write to job", job.name.clone(), detail)
            .with_code(Code::LeaseLost));
    };
    let mut cells = Cells::of(&row);
    Ok(Counters {
        job: job.id,
        seq: cells.number()?,
        file: cells.number()?,
        folder: cells.number()?,
        owed: cells.number()?,
    })
}

impl Counters {
    pub(super) fn next_file(&mut self) -> FileId {
        self.file += 1;
        FileId(first_id(self.job) + self.file)
    }

    pub(super) fn next_folder(&mut self) -> FolderId {
        self.folder += 1;
        FolderId(first_id(self.job) + self.folder)
    }

    /// Writes the counters back, once, at the end of a call that counted.
    pub(super) async fn keep(self, tx: &mut AnyConnection) -> Result<(), StoreError> {
        let keep = sqlx::query(COUNT).bind(self.job.0).bind(self.seq).bind(self.file).bind(self.folder);
        keep.bind(self.owed).execute(tx).await.map_err(failed("count"))?;
        Ok(())
    }
}

const NEWEST_RUN: &str = "
SELECT id, command, started, ended, resumed, summary FROM run WHERE job = $1 AND command = $2
ORDER BY id DESC LIMIT 1";
const RESUME_RUN: &str = "UPDATE run SET resumed = 1 WHERE id = $1";
const BEGIN_RUN: &str = "
INSERT INTO run (job, command, started, resumed, summary) VALUES ($1, $2, $3, 0, '') RETURNING id";
const END_RUN: &str = "UPDATE run SET ended = $3, summary = $4 WHERE id = $2 AND job = $1";
const RUNS: &str = "
SELECT id, command, started, ended, resumed, summary FROM run WHERE job = $1 ORDER BY id DESC LIMIT $2";

fn run_row(row: &AnyRow) -> Result<RunRow, StoreError> {
    let mut cells = Cells::of(row);
    Ok(RunRow {
        id: RunId(cells.number()?),
        command: cells.text()?.unwrap_or_default(),
        started: cells.moment()?.unwrap_or_default(),
        ended: cells.moment()?,
        resumed: cells.number()? != 0,
        summary: cells.text()?.unwrap_or_default(),
    })
}

pub(super) async fn begin_run(
    tx: &mut AnyConnection,
    job: &JobHandle,
    start: RunStart,
) -> Result<RunRow, StoreError> {
    fence(tx, job).await?;
    let newest = sqlx::query(NEWEST_RUN).bind(job.id.0).bind(start.command.as_str());
    let newest = newest.fetch_optional(&mut *tx).await.map_err(failed("begin run"))?;
    let newest = newest.as_ref().map(run_row).transpose()?;
    if let Some(run) = newest.filter(|run| run.ended.is_none() && !start.fresh) {
        sqlx::query(RESUME_RUN).bind(run.id.0).execute(tx).await.map_err(failed("begin run"))?;
        return Ok(RunRow { resumed: true, ..run });
    }
    let begin =
        sqlx::query_scalar(BEGIN_RUN).bind(job.id.0).bind(start.command.as_str()).bind(moment(start.at));
    let id = RunId(begin.fetch_one(tx).await.map_err(failed("begin run"))?);
    let (command, started) = (start.command, start.at);
    Ok(RunRow { id, command, started, ended: None, resumed: false, summary: String::new() })
}

pub(super) async fn end_run(
    tx: &mut AnyConnection,
    job: &JobHandle,
    run: RunId,
    at: Timestamp,
    summary: &str,
) -> Result<(), StoreError> {
    fence(tx, job).await?;
    let end = sqlx::query(END_RUN).bind(job.id.0).bind(run.0).bind(moment(at)).bind(summary);
    let done = end.execute(tx).await.map_err(failed("end run"))?;
    if done.rows_affected() == 0 { Err(missing("end run", run.to_string())) } else { Ok(()) }
}

pub(super) async fn runs(
    tx: &mut AnyConnection,
    job: JobId,
    limit: usize,
) -> Result<Vec<RunRow>, StoreError> {
    let rows =
        sqlx::query(RUNS).bind(job.0).bind(bound(limit)).fetch_all(tx).await.map_err(failed("read runs"))?;
    rows.iter().map(run_row).collect()
}

const FIND_SOURCE: &str = "SELECT id, identity FROM source WHERE job = $1 AND label = $2";
const MAKE_SOURCE: &str = "
INSERT INTO source (job, label, identity, root, pass, whole, complete) VALUES ($1, $2, $3, $4, 0, 0, 0)
RETURNING id";
const MAKE_ROOT: &str = "
INSERT INTO folder (id, source, key, name, path, path_fold, standing, target_hash, timed, seen)
VALUES ($1, $2, '', '', '', $3, 0, 0, 0, 0)";
const SOURCES: &str = "SELECT id, label, identity FROM source WHERE job = $1 ORDER BY id";

pub(super) async fn open_source(
    tx: &mut AnyConnection,
    job: &JobHandle,
    label: &str,
    identity: &str,
) -> Result<SourceId, StoreError> {
    let mut counters = fence(tx, job).await?;
    let known = sqlx::query(FIND_SOURCE).bind(job.id.0).bind(label).fetch_optional(&mut *tx).await;
    if let Some(row) = known.map_err(failed("open source"))? {
        let mut cells = Cells::of(&row);
        let (id, before) = (cells.number()?, cells.text()?.unwrap_or_default());
        if before != identity {
            return Err(changed_target("open source", label, &before, identity));
        }
        return Ok(SourceId(id));
    }
    let root = counters.next_folder();
    let make = sqlx::query_scalar(MAKE_SOURCE).bind(job.id.0).bind(label).bind(identity).bind(root.0);
    let id: i64 = make.fetch_one(&mut *tx).await.map_err(failed("open source"))?;
    let path_fold = landfall_core::words::fold_hash("");
    let make = sqlx::query(MAKE_ROOT).bind(root.0).bind(id).bind(path_fold);
    make.execute(&mut *tx).await.map_err(failed("open source"))?;
    counters.keep(tx).await?;
    Ok(SourceId(id))
}

pub(super) async fn sources(tx: &mut AnyConnection, job: JobId) -> Result<Vec<SourceRow>, StoreError> {
    let rows = sqlx::query(SOURCES).bind(job.0).fetch_all(tx).await.map_err(failed("read sources"))?;
    let source = |row: &AnyRow| {
        let mut cells = Cells::of(row);
        let id = SourceId(cells.number()?);
        Ok(SourceRow {
            id,
            label: cells.text()?.unwrap_or_default(),
            identity: cells.text()?.unwrap_or_default(),
        })
    };
    rows.iter().map(source).collect()
}
