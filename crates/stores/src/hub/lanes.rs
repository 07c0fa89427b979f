//! One lane for the commits of each repository: a hundred an hour, one at a time, remembered over restarts.
//!
//! Owns the naming of these lanes. A commit is reserved in the ledger before it is sent, so a kill can make us
//! think that one more was made, never one less. Refuses to send.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_core::memo::Memo;
use landfall_core::pacing::{Lane, LaneConfig, QuotaConfig};
use landfall_core::{Chance, Clock, JobId, StoreError};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::repo::RepoId;
use super::{COMMIT_WINDOW, COMMITS, COMMITS_PER_HOUR};
use crate::wire::WireParts;

/// The job under which lanes keep what they spent: a repository belongs to an account, not to one job.
const SHARED: JobId = JobId(0);

/// The lanes that were needed so far.
pub(super) struct CommitLanes {
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    memo: Option<Arc<dyn Memo>>,
    stop: Option<CancellationToken>,
    open: Mutex<BTreeMap<RepoId, Arc<Lane>>>,
}

impl CommitLanes {
    pub(super) fn new(wire: &WireParts, memo: Option<Arc<dyn Memo>>) -> Self {
        Self {
            clock: Arc::clone(&wire.clock),
            chance: Arc::clone(&wire.chance),
            memo,
            stop: wire.lane.heeded().cloned(),
            open: Mutex::default(),
        }
    }

    /// The lane of one repository, with what earlier processes spent of it.
    ///
    /// # Errors
    /// Where the memo cannot be read: without it the quota could be exceeded.
    pub(super) async fn of(&self, repo: &RepoId) -> Result<Arc<Lane>, StoreError> {
        let mut open = self.open.lock().await;
        if let Some(lane) = open.get(repo) {
            return Ok(Arc::clone(lane));
        }
        let config = LaneConfig {
            name: format!("commits:{repo}"),
            quotas: vec![QuotaConfig { name: COMMITS, units: COMMITS_PER_HOUR, window: COMMIT_WINDOW }],
            start: 1,
            most: 1,
        };
        let lane = Lane::new(config, Arc::clone(&self.clock), Arc::clone(&self.chance));
        if let Some(stop) = &self.stop {
            lane.heed(stop.clone());
        }
        if let Some(memo) = &self.memo {
            lane.restore(Arc::clone(memo), SHARED).await?;
        }
        open.insert(repo.clone(), Arc::clone(&lane));
        Ok(lane)
    }
}
