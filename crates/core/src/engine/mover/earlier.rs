//! What lies at the destination by an earlier landing of ours, where the source has another file of that name now, or
//! has renamed and edited a file at once: it gives way to its successor, and stays as an older version.

use super::Mover;
use super::work::same_object;
use crate::engine::survey::{holding, is_superseded, lies_in};
use crate::engine::{Engine, Job};
use crate::error::{ErrorKind, StoreError};
use crate::proof::agree;
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::store::Holding;
use crate::words::ItemKey;

impl Engine {
    /// True where an object was landed for a file that the source has lost since, and nobody has touched it: the
    /// file of that name now is its successor. The lost one's proof is taken back first, for what was shown of it
    /// will be true no longer; killed in between, it is found as it was left.
    pub(in crate::engine) async fn gives_way(
        &self,
        job: &Job,
        row: &FileRow,
        there: &Holding,
    ) -> Result<bool, StoreError> {
        for id in self.ledger.holders(job.handle.id, &there.item).await? {
            if id == row.id {
                continue;
            }
            let Some(mut earlier) = self.file(job, id).await? else { continue };
            let gone = earlier.standing == Standing::Gone && earlier.source == row.source;
            let untouched = earlier.holding.as_ref().is_some_and(|held| same_object(held, there));
            if !gone || !untouched {
                return Ok(false);
            }
            match (earlier.state, earlier.reason) {
                (State::Success, _) => {
                    let comment =
                        "another file has its name at the source now, and takes its place".to_owned();
                    let event = Event::Lapsed { reason: Reason::SourceChanged, comment };
                    self.note(&job.handle, &mut earlier, vec![event]).await?;
                    return Ok(true);
                }
                (State::Ng, Some(Reason::SourceChanged)) => return Ok(true),
                _ => return Ok(false),
            }
        }
        Ok(false)
    }
}

impl Mover {
    /// Moves the earlier landing of a file that was renamed and edited at once to where the file goes now, so that
    /// the new content becomes a version of it. Where that cannot be done it stays where it is.
    pub(super) async fn bring_along(&self, row: &mut FileRow, parent: &ItemKey) -> Result<(), StoreError> {
        let Some(held) = row.holding.clone().filter(|_| is_superseded(row)) else { return Ok(()) };
        let Some(found) = self.engine.ledger.found_item(self.job.tree, &held.item).await? else {
            return Ok(());
        };
        let stands = lies_in(&self.job, &found) == *parent && found.name == row.dest_name();
        let touched = found.changed_by.is_some()
            || agree(&held.evidence, &found.evidence) == Some(false)
            || found.folder;
        if stands || touched {
            return Ok(());
        }
        match self.job.destination.relocate(&holding(&found), parent, row.dest_name()).await {
            Ok(there) => row.holding = Some(Holding { evidence: held.evidence, ..there }),
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
            Err(error) => {
                tracing::info!(file = %row.id, error = %error.chain(), "its earlier landing stays where it is");
            }
        }
        Ok(())
    }
}
