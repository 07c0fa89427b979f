//! The shipper: where a destination takes batches, files that wait in the spool leave it many at a time.
//!
//! Runs beside the feeder. A batch goes when it is as full as the destination wants the next one to be, when
//! nothing more will come in this run, when the spool has no room for more, or when its first file has waited
//! long enough. What a batch amounted to is judged
//! file by file; a batch of which nothing is known leaves its files LOCAL, and the destination is asked
//! before any of them is sent again.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::Mover;
use super::work::Sent;
use crate::digest::Digests;
use crate::error::{ErrorKind, StoreError};
use crate::ledger::{FileFilter, Record};
use crate::proof::Evidence;
use crate::row::FileRow;
use crate::spool::Spool;
use crate::state::{Event, Reason, State, Via};
use crate::store::{Change, Found, OnConflict, Reread};
use crate::transport::Body;
use crate::words::{ByteSize, FileId};
use crate::{Look, Retry};

/// The longest that a file waits in the spool for others to share its batch.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often the shipper looks whether a batch is full, where nobody wakes it.
const TICK: Duration = Duration::from_secs(1);

/// A spool file as a batch reads it.
struct Lying {
    spool: Arc<dyn Spool>,
    file: FileId,
}

#[async_trait]
impl Reread for Lying {
    async fn open(&self, from: u64) -> Result<Body, StoreError> {
        self.spool.read(self.file, from).await
    }
}

impl Mover {
    /// True where this destination takes batches.
    pub(super) fn batches(&self) -> bool {
        self.job.destination.caps().batch.is_some()
    }

    /// Ships what waits in the spool until nothing more comes in this pass. Where a later one brings more, a
    /// batch that is not full is left to it.
    pub(super) async fn ship_all(&self) -> Result<(), StoreError> {
        let mut since = self.options.waits;
        loop {
            if self.engine.stop.is_cancelled() || self.has_fatal() {
                break;
            }
            let feeding = self.feeding.load(Relaxed);
            let fetched = self.fetched.load(Relaxed);
            let most = self.job.destination.batch_now().max(1);
            let rows = self.waiting_rows(most).await?;
            let now = self.engine.clock.now();
            since = (!rows.is_empty()).then(|| since.unwrap_or(now));
            let waited = since.map_or(Duration::ZERO, |at| now.duration_since(at).unsigned_abs());
            let full = rows.len() >= most || self.cramped.load(Relaxed) || waited >= LONGEST_WAIT;
            let last = !feeding && !self.options.more;
            if !rows.is_empty() && (full || last) {
                since = None;
                self.ship(rows).await?;
                self.room.notify_waiters();
                continue;
            }
            if !feeding && (self.options.more || !self.wait_for(&self.local_filter()).await?) {
                break;
            }
            if feeding {
                self.wait_for_files(fetched + (most - rows.len())).await;
            }
        }
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = since;
        self.shipping.store(false, Relaxed);
        self.room.notify_waiters();
        Ok(())
    }

    /// Waits until so many files were fetched in all, or something else has to be looked at; a tick at most.
    /// Looking for what waits reads a whole batch from the ledger, so not every single file is a reason to.
    async fn wait_for_files(&self, enough: usize) {
        let tick = tokio::time::sleep(TICK);
        tokio::pin!(tick);
        loop {
            tokio::select! {
                biased;
                // Both branches only wait.
                () = self.wake.notified() => {}
                () = &mut tick => return,
            }
            let over = !self.feeding.load(Relaxed) || self.cramped.load(Relaxed) || self.has_fatal();
            if over || self.engine.stop.is_cancelled() || self.fetched.load(Relaxed) >= enough {
                return;
            }
        }
    }

    fn local_filter(&self) -> FileFilter {
        FileFilter { states: vec![State::Local], ..self.filter() }
    }

    async fn waiting_rows(&self, most: usize) -> Result<Vec<FileRow>, StoreError> {
        let mut after = FileId(0);
        let mut wanted = Vec::new();
        while wanted.len() < most {
            let rows = self.engine.ledger.scan(self.job.handle.id, &self.local_filter(), after, most).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            wanted.extend(rows.into_iter().filter(|row| self.wants(row)));
        }
        wanted.truncate(most);
        Ok(wanted)
    }

    /// Ships one batch and judges its files.
    async fn ship(&self, rows: Vec<FileRow>) -> Result<(), StoreError> {
        let mut ready = Vec::with_capacity(rows.len());
        let mut changes = Vec::with_capacity(rows.len());
        for mut row in rows {
            match self.change_of(&mut row).await {
                Ok(Some(change)) => {
                    ready.push(row);
                    changes.push(change);
                }
                Ok(None) => {}
                Err(error) => self.settle_failure(&mut row, error).await?,
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        self.intend_shipping(&ready).await?;
        match self.job.destination.publish(changes).await {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for mut row in ready {
                    let answer = answers.next().unwrap_or_else(|| {
                        Err(crate::engine::internal("publish", &row.entry.name, &"no answer for a change"))
                    });
                    if let Err(error) = self.shipped(&mut row, answer).await
                        && let Err(error) = self.settle_failure(&mut row, error).await
                    {
                        self.end_with(error);
                    }
                }
            }
            Err(error) if error.kind == ErrorKind::Stopped => {}
            Err(error) if error.code.is_some() => self.end_with(error),
            Err(error) => {
                for mut row in ready {
                    if let Err(error) = self.settle_failure(&mut row, again(&error)).await {
                        self.end_with(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// The change that carries a row; `None` where its spool file is lost, which is written down.
    async fn change_of(&self, row: &mut FileRow) -> Result<Option<Change>, StoreError> {
        let size = row.ours_size.unwrap_or(row.entry.size);
        if self.engine.spool.size(row.id).await? != Some(size) {
            self.engine.spool.remove(row.id).await?;
            self.give_room(row);
            self.engine.note(&self.job.handle, row, vec![Event::SpoolLost]).await?;
            self.again.store(true, Relaxed);
            return Ok(None);
        }
        let (_, path) = self.place_of(row).await?;
        // No plain name leaves the machine, whatever placement may have thought.
        if let Some(seal) = &self.job.seal
            && (row.sealed.is_none() || seal.plain_name(row.dest_name()).is_none())
        {
            let detail = "the file or its name is not sealed";
            return Err(crate::engine::internal("publish", &row.entry.name, &detail));
        }
        let ours_before = row.holding.is_some() && row.reason == Some(Reason::SourceChanged);
        Ok(Some(Change::Put {
            path,
            evidence: Evidence { size, digests: row.ours.clone() },
            bytes: Box::new(Lying { spool: self.engine.spool.clone(), file: row.id }),
            replace: ours_before
                || self.job.policy.on_conflict == OnConflict::Replace
                || self.job.policy.replaces.contains_key(&row.entry.key),
        }))
    }

    async fn intend_shipping(&self, rows: &[FileRow]) -> Result<(), StoreError> {
        let at = self.engine.clock.now();
        let record = |row: &FileRow| Record {
            file: row.id,
            expect: row.state,
            event: Event::Intended { via: Via::Spool },
            at,
        };
        let fresh: Vec<Record> = rows.iter().filter(|row| !row.intended).map(record).collect();
        match fresh.is_empty() {
            true => Ok(()),
            false => self.engine.ledger.record(&self.job.handle, fresh).await,
        }
    }

    async fn shipped(
        &self,
        row: &mut FileRow,
        answer: Result<Option<crate::store::Holding>, StoreError>,
    ) -> Result<(), StoreError> {
        match answer {
            Ok(Some(holding)) => {
                let size = row.ours_size.unwrap_or(row.entry.size);
                let sent = Sent { via: Via::Spool, digests: row.ours.clone(), size, leg: row.leg };
                self.landed(row, holding, sent).await?;
                self.give_room(row);
                Ok(())
            }
            Ok(None) => Err(crate::engine::internal("publish", &row.entry.name, &"nothing is held")),
            Err(error) if error.kind == ErrorKind::Exists => self.stands_there(row, error).await,
            Err(error) => Err(error),
        }
    }

    /// Another object stands under the name and stays: DUPE, with the difference on the row.
    async fn stands_there(&self, row: &mut FileRow, error: StoreError) -> Result<(), StoreError> {
        let (parent, _) = self.place_of(row).await?;
        match self.job.destination.find(&parent, row.dest_name()).await {
            Look::Present(Found::File(there)) => {
                let present = Event::Present {
                    holding: there.clone(),
                    via: Via::AlreadyThere,
                    sent: Digests::none(),
                    leg: None,
                    reason: Reason::Unproven,
                };
                self.engine.note(&self.job.handle, row, vec![present]).await?;
                self.engine.judge(&self.job, row, there, false).await
            }
            Look::Unknown(error) => Err(error),
            _ => Err(error.with_retry(Retry::Soon)),
        }
    }

    /// Waits until the spool has room for more, where files leave it in batches; `false` where it never will.
    pub(super) async fn room_for(&self, size: ByteSize) -> bool {
        let limit = self.job.policy.spool_limit.0;
        loop {
            let room = self.room.notified();
            let used = self.spooled.load(Relaxed);
            if used == 0 || used + size.0 <= limit {
                self.cramped.store(false, Relaxed);
                return true;
            }
            if !self.shipping.load(Relaxed) || self.engine.stop.is_cancelled() || self.has_fatal() {
                return false;
            }
            self.cramped.store(true, Relaxed);
            self.wake.notify_one();
            tokio::select! {
                biased;
                // Both branches only wait.
                () = room => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Counts spool bytes as free again.
    fn give_room(&self, row: &FileRow) {
        let size = row.entry.size.0;
        let less = |used: u64| Some(used.saturating_sub(size));
        if self.spooled.fetch_update(Relaxed, Relaxed, less).is_err() {
            tracing::debug!(file = %row.id, "the spool's count did not change");
        }
    }
}

/// The same error once more, for another file of a batch.
fn again(error: &StoreError) -> StoreError {
    let mut copy = StoreError::new(error.kind, error.operation, error.subject.clone(), error.chain())
        .with_retry(error.retry);
    copy.reason = error.reason;
    copy
}
