//! Turns claims into events, in one scan of the job.

use std::path::Path;

use jiff::Timestamp;
use landfall_core::ledger::{FileFilter, JobHandle, Ledger};
use landfall_core::row::{FileRow, Standing};
use landfall_core::spool::Spool;
use landfall_core::state::{Event, Reason, State};
use landfall_core::{ErrorKind, FileId, StoreError};

use super::adopt::{self, Bytes, Lying};
use super::claims::{Claim, Settled};
use super::{Import, Imported};
use crate::export::edits::{Decision, Recorder, decide};
use crate::export::naming::Naming;

/// Rows read from the ledger at a time.
const PAGE: usize = 500;

/// The comment of a file that a log calls SUCCESS.
const CLAIMED: &str = "imported SUCCESS";

/// Where claims are applied.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) job: &'a JobHandle,
    pub(super) spool: &'a dyn Spool,
    pub(super) what: &'a Import,
}

struct Applying<'a> {
    spool: &'a dyn Spool,
    what: &'a Import,
    naming: Naming,
    recorder: Recorder<'a>,
    report: &'a mut Imported,
}

/// Acts on every claim.
pub(super) async fn apply(
    scene: Scene<'_>,
    settled: Settled,
    at: Timestamp,
    report: &mut Imported,
) -> Result<(), StoreError> {
    let Scene { ledger, job, spool, what } = scene;
    let at = (!what.dry_run).then_some(at);
    let naming = Naming::of(ledger, job.id).await?;
    let mut applying = Applying { spool, what, naming, recorder: Recorder::new(ledger, job, at), report };
    let standings = vec![Standing::In, Standing::Unsettled];
    let filter = FileFilter { standings, ..FileFilter::default() };
    let Some((first, _)) = settled.claims.first_key_value() else { return Ok(()) };
    let mut after = FileId(first.0.saturating_sub(1));
    loop {
        let rows = ledger.scan(job.id, &filter, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in &rows {
            if let Some(claim) = settled.claims.get(&row.id) {
                let id = settled.ids.get(&row.id).map(String::as_str);
                let done = applying.take(row, claim, id).await;
                if done.is_err() {
                    // What was adopted before stays adopted.
                    applying.recorder.flush().await?;
                }
                done?;
            }
        }
    }
    applying.recorder.flush().await
}

impl Applying<'_> {
    async fn take(&mut self, row: &FileRow, claim: &Claim, id: Option<&str>) -> Result<(), StoreError> {
        match (claim.status, row.state) {
            (State::Pending | State::Local, State::Pending) => self.adopt(row, id, Vec::new()).await,
            (State::Success, _) => self.claimed(row).await,
            (State::Pending, State::Ng) if !claim.time.before(row.changed_at) => {
                self.note_change(row, State::Pending);
                let retried = Event::Retried { comment: "set to PENDING in an imported log".to_owned() };
                self.adopt(row, id, vec![retried]).await
            }
            (State::Pending | State::Ng, State::Success) | (State::Pending, State::Dupe)
                if !claim.time.before(row.changed_at) =>
            {
                self.set(row, claim.status).await
            }
            (State::Pending | State::Local | State::Ng, State::Success | State::Ng)
                if claim.status != row.state =>
            {
                let (path, state) = (self.naming.path(row), row.state);
                self.report.overtaken.add(|| {
                    format!("{path}: {} at {}, {state} in the ledger since", claim.status, claim.time.at)
                });
                Ok(())
            }
            _ => self.unchanged(),
        }
    }

    fn unchanged(&mut self) -> Result<(), StoreError> {
        self.report.unchanged += 1;
        Ok(())
    }

    fn note_change(&mut self, row: &FileRow, wanted: State) {
        let path = self.naming.path(row);
        self.report.changed.add(|| format!("{path}: {} -> {wanted}", row.state));
    }

    async fn set(&mut self, row: &FileRow, wanted: State) -> Result<(), StoreError> {
        match decide(row, wanted) {
            Decision::Change(events) => {
                self.note_change(row, wanted);
                self.recorder.push(row, events).await
            }
            Decision::Same | Decision::Ignore(_) => self.unchanged(),
        }
    }

    /// A log's SUCCESS is no proof: the row is marked, and the destination's listing shows whether it is there.
    async fn claimed(&mut self, row: &FileRow) -> Result<(), StoreError> {
        if row.state == State::Success {
            return self.unchanged();
        }
        self.report.to_prove += 1;
        if row.comment == CLAIMED {
            return Ok(());
        }
        let comment = CLAIMED.to_owned();
        let event = match row.state {
            State::Ng | State::Dupe => Event::Retried { comment },
            _ => Event::Deferred { reason: Reason::Imported, comment, not_before: None },
        };
        self.recorder.push(row, vec![event]).await
    }

    /// Takes a file's bytes from the temporary folder where they lie there; `before` happens in any case.
    async fn adopt(&mut self, row: &FileRow, id: Option<&str>, before: Vec<Event>) -> Result<(), StoreError> {
        let retried = !before.is_empty();
        let mut events = before;
        match self.lying(row, id).await? {
            Lying::Bytes(bytes) => {
                events.extend(self.take_in(row, bytes).await?);
            }
            Lying::Other(why) => {
                let path = self.naming.path(row);
                self.report.not_adopted.add(|| format!("{path}: {why}"));
            }
            Lying::Nothing => {}
        }
        if events.is_empty() {
            return self.unchanged();
        }
        tracing::debug!(file = row.id.0, retried, "taken over from a log");
        self.recorder.push(row, events).await
    }

    async fn lying(&self, row: &FileRow, id: Option<&str>) -> Result<Lying, StoreError> {
        let Some(temp_dir) = self.what.temp_dir.as_deref() else { return Ok(Lying::Nothing) };
        adopt::look(temp_dir, &self.what.base, row, id).await
    }

    /// Puts bytes into the spool. The original stays, so a kill before the event is written costs nothing.
    async fn take_in(&mut self, row: &FileRow, bytes: Bytes) -> Result<Option<Event>, StoreError> {
        if !self.what.dry_run && !self.in_spool(row, &bytes.path, bytes.read.size).await? {
            return Ok(None);
        }
        self.report.adopted += 1;
        self.report.adopted_bytes += bytes.read.size.0;
        Ok(Some(Event::Spooled {
            size: bytes.read.size,
            digests: bytes.read.digests,
            leg: bytes.leg,
            sealed: None,
        }))
    }

    async fn in_spool(
        &mut self,
        row: &FileRow,
        path: &Path,
        size: landfall_core::ByteSize,
    ) -> Result<bool, StoreError> {
        let why = match self.spool.adopt(row.id, path).await {
            Ok(taken) if taken == size => return Ok(true),
            Ok(taken) => {
                self.spool.remove(row.id).await?;
                format!("{} bytes were taken instead of {}: it changed meanwhile", taken.0, size.0)
            }
            // A spool that cannot take this file takes no other either.
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Full => return Err(error),
            Err(error) => error.chain(),
        };
        let shown = self.naming.path(row);
        self.report.not_adopted.add(|| format!("{shown}: {}: {why}", path.display()));
        Ok(false)
    }
}
