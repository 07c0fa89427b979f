//! A job as the engine sees it: sources resolved, a destination, and what the user wants done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::Filters;
use crate::ledger::JobHandle;
use crate::rewriting::Rewriting;
use crate::seal::Seal;
use crate::state::Via;
use crate::store::{Destination, OnConflict, Source};
use crate::words::{ByteSize, ItemKey, RelPath, Revision, SourceId, TreeId};

/// One source of a job.
#[derive(Clone)]
pub struct Slot {
    /// Its id in the ledger.
    pub id: SourceId,
    /// How the configuration names it (a user, a drive, a folder).
    pub label: String,
    /// The place itself.
    pub source: Arc<dyn Source>,
    /// The folder in it that the job is about.
    pub scope: RelPath,
    /// The destination's folder that carries that folder.
    pub prefix: RelPath,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({:?}: {:?} to {:?})", self.label, self.scope, self.prefix)
    }
}

/// A job with everything resolved.
#[derive(Clone)]
pub struct Job {
    /// The ledger's handle, with the lease.
    pub handle: JobHandle,
    /// Its sources.
    pub slots: Vec<Slot>,
    /// Where it all goes.
    pub destination: Arc<dyn Destination>,
    /// What stands between, where names and bytes are sealed on their way.
    pub seal: Option<Arc<dyn Seal>>,
    /// Who judges files that the destination rewrote; without one they stay unproven.
    pub rewriting: Option<Arc<dyn Rewriting>>,
    /// The ledger's record of what the destination holds.
    pub tree: TreeId,
    /// What the user wants.
    pub policy: Policy,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({:?}, {} sources)", self.handle.name, self.slots.len())
    }
}

impl Job {
    /// The slot of a source.
    #[must_use]
    pub fn slot(&self, id: SourceId) -> Option<&Slot> {
        self.slots.iter().find(|s| s.id == id)
    }
}

/// What to do with names that the destination cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamePolicy {
    /// That file is NG, the rest goes on.
    #[default]
    Refuse,
    /// It gets the nearest name that can, kept in the ledger.
    Map,
}

/// What the user wants done and how hard to try.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What to do where something else stands under the name.
    pub on_conflict: OnConflict,
    /// What was shown not to be a file, by the file's key, in the revision that was looked at (`None`: in any): the
    /// file takes its place, whatever `on_conflict` says and whatever hash it publishes.
    pub replaces: Arc<BTreeMap<ItemKey, Option<Revision>>>,
    /// What to do with names that cannot land.
    pub names: NamePolicy,
    /// Which files take part.
    pub filters: Filters,
    /// The way that bytes take, where the destination leaves a choice.
    pub via: Via,
    /// Tries before a file is NG.
    pub attempts: u32,
    /// Files under way at once; the lane limits requests below that.
    pub files_in_flight: usize,
    /// Bytes of content held in memory at once.
    pub buffer: ByteSize,
    /// Bytes that may lie in the spool.
    pub spool_limit: ByteSize,
    /// How long a missing hash is asked for again before the bytes are read back.
    pub hash_wait: Duration,
    /// How long a run waits for the next file that is due before it ends incomplete.
    pub patience: Duration,
}

impl Policy {
    /// True where this revision in a file's place was shown not to be the file.
    #[must_use]
    pub fn is_shown_wrong(&self, key: &ItemKey, there: Option<&Revision>) -> bool {
        self.replaces.get(key).is_some_and(|wrong| wrong.is_none() || wrong.as_ref() == there)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            on_conflict: OnConflict::Keep,
            replaces: Arc::default(),
            names: NamePolicy::Refuse,
            filters: Filters::default(),
            via: Via::Stream,
            attempts: 6,
            files_in_flight: 24,
            buffer: ByteSize(48 << 20),
            spool_limit: ByteSize(20 << 30),
            hash_wait: Duration::from_secs(90),
            patience: Duration::from_secs(300),
        }
    }
}

/// Which part of a job one run moves.
#[derive(Clone, Debug, Default)]
pub struct MoveOptions {
    /// At most this many files.
    pub limit: Option<u64>,
    /// Only files whose path matches one of these.
    pub paths: Filters,
    /// Begin with everything, due or not.
    pub impatient: bool,
    /// Only entries of these keys.
    pub only: Option<Arc<BTreeSet<ItemKey>>>,
    /// More files come in a later pass of this run: what does not fill a batch waits for them.
    pub more: bool,
    /// Since when the first file of the next batch has been waiting, where an earlier pass left some.
    pub waits: Option<Timestamp>,
}
