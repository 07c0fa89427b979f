//! The feeder: scans due rows by key, prepares them in batches just before use, and starts workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Mode, Mover};
use crate::error::StoreError;
use crate::ledger::{FileFilter, Record};
use crate::row::FileRow;
use crate::state::{Event, Reason, State, Via};
use crate::store::Opening;
use crate::words::{ByteSize, FileId};

/// Rows read from the ledger at a time.
const SCAN: usize = 200;
/// Rows that may wait for their time at the end of a pass and are looked through for the earliest.
const WAITING: usize = 1000;

type Workers = JoinSet<FileId>;

impl Mover {
    /// Moves everything that is due, until nothing is, or somebody asks to stop.
    ///
    /// Dropping it aborts the workers; whatever they had not recorded is found again by the next run.
    ///
    /// # Errors
    /// The ledger's own; a file's trouble goes to its row, and what must end the run to `take_fatal`.
    pub(in crate::engine) async fn drive(self: &Arc<Self>) -> Result<(), StoreError> {
        if !self.batches() || self.mode == Mode::Download {
            return self.feed_all().await;
        }
        let feed = async {
            let fed = match self.mode {
                Mode::Upload => Ok(()),
                Mode::Run | Mode::Download => self.feed_all().await,
            };
            self.feeding.store(false, Relaxed);
            self.wake.notify_one();
            fed
        };
        let (fed, shipped) = tokio::join!(biased; feed, self.ship_all());
        fed.and(shipped)
    }

    /// Starts workers for everything that is due, until nothing is.
    async fn feed_all(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut workers = Workers::new();
        let mut after = FileId(0);
        loop {
            if self.engine.stop.is_cancelled() || self.has_fatal() || self.limit_reached() {
                break;
            }
            let rows = self.due_rows(after).await?;
            match rows.last() {
                Some(last) => {
                    after = last.id;
                    self.feed(rows, &mut workers).await?;
                }
                None if self.impatient.swap(false, Relaxed) => after = FileId(0),
                None if !workers.is_empty() => {
                    self.reap(&mut workers, true).await;
                    after = FileId(0);
                }
                None => {
                    if !self.wait_for(&self.filter()).await? {
                        break;
                    }
                    after = FileId(0);
                }
            }
        }
        while !workers.is_empty() {
            self.reap(&mut workers, true).await;
        }
        Ok(())
    }

    fn limit_reached(&self) -> bool {
        self.options.limit.is_some_and(|limit| self.taken.load(Relaxed) >= limit)
    }

    pub(super) fn filter(&self) -> FileFilter {
        let states = match self.mode {
            // What is LOCAL leaves with a batch.
            Mode::Run if self.batches() => vec![State::Pending],
            Mode::Run => vec![State::Pending, State::Local],
            Mode::Download => vec![State::Pending],
            Mode::Upload => vec![State::Local],
        };
        // Whoever asks for a retry does not want to wait for pauses of an earlier run.
        let due = (!self.impatient.load(Relaxed)).then(|| self.engine.clock.now());
        FileFilter { states, due, ..FileFilter::default() }
    }

    /// The next due rows that nobody works on.
    async fn due_rows(&self, after: FileId) -> Result<Vec<FileRow>, StoreError> {
        let mut after = after;
        loop {
            let rows = self.engine.ledger.scan(self.job.handle.id, &self.filter(), after, SCAN).await?;
            let Some(last) = rows.last() else { return Ok(rows) };
            after = last.id;
            let wanted: Vec<FileRow> = rows.into_iter().filter(|row| self.wants(row)).collect();
            if !wanted.is_empty() {
                return Ok(wanted);
            }
        }
    }

    pub(super) fn wants(&self, row: &FileRow) -> bool {
        if self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).contains(&row.id) {
            return false;
        }
        let Some(slot) = self.job.slot(row.source) else { return false };
        row.path()
            .and_then(|path| path.below(&slot.scope))
            .is_some_and(|path| self.options.paths.take_path(&path))
            && self.options.only.as_ref().is_none_or(|only| only.contains(&row.entry.key))
            && slot.source.takes(&row.entry)
    }

    async fn feed(self: &Arc<Self>, rows: Vec<FileRow>, workers: &mut Workers) -> Result<(), StoreError> {
        let mut by_source: BTreeMap<_, Vec<FileRow>> = BTreeMap::new();
        for row in rows {
            by_source.entry(row.source).or_default().push(row);
        }
        for (source, rows) in by_source {
            let batch = self.job.slot(source).map_or(1, |s| s.source.caps().prepare_batch.max(1));
            for rows in rows.chunks(batch) {
                let mut rows = rows.to_vec();
                if let Some(limit) = self.options.limit {
                    let left = limit.saturating_sub(self.taken.load(Relaxed));
                    rows.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                }
                if rows.is_empty() || self.engine.stop.is_cancelled() || self.has_fatal() {
                    return Ok(());
                }
                let bytes = rows.iter().map(|row| row.entry.size.0).sum();
                if self.batches() && self.mode == Mode::Run && !self.room_for(ByteSize(bytes)).await {
                    return Ok(());
                }
                // Keys to bytes are short-lived: none is fetched before a worker is free.
                while self.files.available_permits() == 0 {
                    self.reap(workers, true).await;
                }
                self.taken.fetch_add(rows.len() as u64, Relaxed);
                self.start(rows, workers).await?;
            }
        }
        Ok(())
    }

    async fn start(self: &Arc<Self>, rows: Vec<FileRow>, workers: &mut Workers) -> Result<(), StoreError> {
        let openings = self.prepare(&rows).await;
        if self.mode != Mode::Download && !self.batches() {
            self.intend(&rows).await?;
        }
        for (row, opening) in rows.into_iter().zip(openings) {
            self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(row.id);
            let Ok(permit) = self.files.clone().acquire_owned().await else { return Ok(()) };
            let mover = self.clone();
            workers.spawn(async move {
                let id = row.id;
                mover.one(row, opening).await;
                drop(permit);
                id
            });
            self.reap(workers, false).await;
        }
        Ok(())
    }

    /// Fetches the keys to the bytes of those rows whose bytes will be read from the source.
    async fn prepare(&self, rows: &[FileRow]) -> Vec<Option<Result<Opening, StoreError>>> {
        let reads = |row: &FileRow| {
            row.state == State::Pending && row.entry.size.0 > 0 && !(self.mode == Mode::Run && self.copies())
        };
        let entries: Vec<_> = rows.iter().filter(|r| reads(r)).map(|r| r.entry.clone()).collect();
        let slot = rows.first().and_then(|r| self.job.slot(r.source));
        let mut answers = match slot {
            Some(slot) if !entries.is_empty() => slot.source.prepare(&entries).await.into_iter(),
            _ => Vec::new().into_iter(),
        };
        rows.iter().map(|row| if reads(row) { answers.next() } else { None }).collect()
    }

    /// The way that this row's bytes take.
    pub(super) fn way(&self, row: &FileRow) -> Via {
        let spooled = row.state == State::Local
            || self.job.destination.caps().digest_first
            || row.reason == Some(Reason::SourceMismatch);
        if self.batches() {
            return Via::Spool;
        }
        match (self.job.policy.via, row.entry.size.0) {
            (_, 0) if row.state == State::Pending => Via::Stream,
            (Via::Copy, _) if row.state == State::Pending => Via::Copy,
            (Via::Spool, _) => Via::Spool,
            _ if spooled => Via::Spool,
            _ => Via::Stream,
        }
    }

    /// True where the service copies by itself.
    pub(super) fn copies(&self) -> bool {
        self.job.policy.via == Via::Copy
    }

    /// Writes down that uploads are about to begin, in one transaction for the batch.
    async fn intend(&self, rows: &[FileRow]) -> Result<(), StoreError> {
        let at = self.engine.clock.now();
        let records: Vec<Record> = rows
            .iter()
            .filter(|row| !row.intended || row.via != Some(self.way(row)))
            .map(|row| Record {
                file: row.id,
                expect: row.state,
                event: Event::Intended { via: self.way(row) },
                at,
            })
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        self.engine.ledger.record(&self.job.handle, records).await
    }

    /// Takes the ends of workers; waits for one where `wait`.
    async fn reap(&self, workers: &mut Workers, wait: bool) {
        let mut ended = if wait { workers.join_next().await } else { workers.try_join_next() };
        while let Some(result) = ended {
            match result {
                Ok(id) => {
                    self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                }
                Err(error) => self.end_with(crate::engine::internal("move", "a worker", &error)),
            }
            ended = workers.try_join_next();
        }
    }

    /// Waits for the next row of a filter that will be due; `false` where none is soon enough to wait for.
    pub(super) async fn wait_for(&self, filter: &FileFilter) -> Result<bool, StoreError> {
        let filter = FileFilter { due: None, ..filter.clone() };
        let rows = self.engine.ledger.scan(self.job.handle.id, &filter, FileId(0), WAITING).await?;
        let earliest = rows.iter().filter(|row| self.wants(row)).filter_map(|row| row.not_before).min();
        let Some(earliest) = earliest else { return Ok(false) };
        let wait = earliest.duration_since(self.engine.clock.now());
        let wait = Duration::try_from(wait).unwrap_or_default();
        if wait > self.job.policy.patience {
            return Ok(false);
        }
        let waiting = rows.iter().filter(|row| self.wants(row) && row.not_before.is_some()).count();
        self.engine.meter.waiting(waiting as u64, earliest.as_second());
        let go_on = tokio::select! {
            biased;
            // Both branches only wait: dropping either loses nothing.
            () = self.engine.stop.cancelled() => false,
            () = tokio::time::sleep(wait + Duration::from_millis(1)) => true,
        };
        self.engine.meter.waiting(0, 0);
        Ok(go_on)
    }
}
