//! What becomes of a try that failed: repeated when it is due, NG, or the end of the run.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use jiff::Timestamp;

use super::Mover;
use crate::Code;
use crate::engine::prove::session_memo;
use crate::error::{ErrorKind, Retry, StoreError};
use crate::row::FileRow;
use crate::state::{Event, Reason, State};

/// Longest pause between two tries of one file.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// First pause before a name is tried again that a lost session holds; doubled each time.
const FIRST_RESERVED: Duration = Duration::from_secs(15);

impl Mover {
    /// Writes a failed try to the row: repeated later, NG, or the end of the run.
    pub(super) async fn settle_failure(
        &self,
        row: &mut FileRow,
        error: StoreError,
    ) -> Result<(), StoreError> {
        if error.kind == ErrorKind::Stopped {
            return Ok(());
        }
        if let Some(code) = self.concerns_all(&error) {
            return Err(error.with_code(code));
        }
        if error.code.is_some_and(|code| code != Code::TokenRefused) {
            return Err(error);
        }
        let reason = error.reason.unwrap_or_else(|| reason_of(&error));
        let lost_folder = error.kind == ErrorKind::NotFound && error.reason.is_none();
        if lost_folder && let Some(target) = row.folder_target.clone() {
            self.folders.lost(row.folder, &target).await?;
        }
        if matches!(reason, Reason::SourceChanged | Reason::SourceGone) {
            self.again.store(true, Relaxed);
        }
        if reason == Reason::SpoolFailed && row.state == State::Local {
            self.engine.spool.remove(row.id).await?;
            return self.engine.note(&self.job.handle, row, vec![Event::SpoolLost]).await;
        }
        let waits = reason == Reason::UploadReserved;
        // Tries count on over retries by hand; each of those gives a full round of them.
        let spent = (row.attempts + 1).is_multiple_of(self.job.policy.attempts.max(1)) && !waits;
        // Before anything has landed a refusal may still turn out to concern everything.
        let early = self.landed.load(Relaxed) == 0 && reason == Reason::DestinationDenied;
        let passing = lost_folder || early || error.code.is_some() || reason == Reason::SourceGone;
        let hopeless = error.retry == Retry::Never && !passing;
        let comment = error.chain();
        tracing::debug!(file = %row.id, attempt = row.attempts + 1, error = %comment, "a try failed");
        let event = match spent || hopeless {
            true if row.state == State::Success => return Ok(()),
            true => Event::Failed { reason, comment, last: hopeless },
            false => Event::Deferred { reason, comment, not_before: Some(self.next_try(row, &error)) },
        };
        if matches!(event, Event::Failed { .. }) {
            self.job
                .destination
                .abandon(&session_memo(&self.job, row.id))
                .await
                .or_else(|e| if e.code.is_some() { Err(e) } else { Ok(()) })?;
        }
        self.engine.meter.deferred();
        self.engine.note(&self.job.handle, row, vec![event]).await
    }

    /// When a file is tried again: the service's word, or doubling pauses with jitter.
    fn next_try(&self, row: &FileRow, error: &StoreError) -> Timestamp {
        let pause = match error.retry {
            // Our own lost session may hold the name for a day, or end any moment.
            _ if error.reason == Some(Reason::UploadReserved) => {
                FIRST_RESERVED * 2_u32.pow(row.attempts.min(6))
            }
            Retry::After(pause) => pause,
            _ => {
                let doubled = Duration::from_secs(1 << row.attempts.min(7)).min(LONGEST_PAUSE);
                self.engine.chance.jitter(doubled)
            }
        };
        self.engine.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

fn reason_of(error: &StoreError) -> Reason {
    match error.kind {
        ErrorKind::NotFound => Reason::AbsentAtDestination,
        ErrorKind::Exists => Reason::DifferentAtDestination,
        ErrorKind::Denied | ErrorKind::Unauthenticated => Reason::DestinationDenied,
        ErrorKind::Throttled => Reason::Throttled,
        ErrorKind::Locked => Reason::Locked,
        ErrorKind::Full => Reason::DestinationFull,
        ErrorKind::Changed => Reason::SourceChanged,
        ErrorKind::Corrupt => Reason::SourceMismatch,
        ErrorKind::Malware => Reason::Malware,
        ErrorKind::Unsupported | ErrorKind::Rejected => Reason::Rejected,
        ErrorKind::Interrupted | ErrorKind::Stopped => Reason::Interrupted,
    }
}
