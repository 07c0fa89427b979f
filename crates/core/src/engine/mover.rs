//! Moving: feeds due files to workers, each of which brings one file to DUPE and, mostly, to SUCCESS.
//!
//! Files under way are bounded by a semaphore, their bytes in memory by another; requests below that
//! are the lane's business. A failed try is written down and repeated when it is due; nobody calls back.

mod earlier;
mod failure;
mod feed;
mod fetch;
mod ship;
mod work;

pub(super) use work::{found_via, same_object};

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};

use crate::Code;
use crate::engine::folders::Folders;
use crate::engine::{Engine, Job, MoveOptions};
use crate::error::{ErrorKind, StoreError};
use crate::state::Reason;
use crate::words::{ByteSize, FileId};

/// What a pass moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// From the source all the way, by the policy's way.
    Run,
    /// Only into the spool.
    Download,
    /// Only what lies in the spool.
    Upload,
}

/// One pass of moving.
pub(super) struct Mover {
    engine: Engine,
    job: Arc<Job>,
    mode: Mode,
    options: MoveOptions,
    pub(super) folders: Folders,
    files: Arc<Semaphore>,
    buffer: Arc<Semaphore>,
    spooled: AtomicU64,
    /// Where files leave in batches: more is being fetched, batches still go, the spool has no room.
    feeding: AtomicBool,
    shipping: AtomicBool,
    cramped: AtomicBool,
    room: Notify,
    wake: Notify,
    /// Files that came into the spool, by which the shipper knows when a batch may be full.
    fetched: AtomicUsize,
    /// Since when what this pass left for the next one has been waiting.
    waits: Mutex<Option<Timestamp>>,
    taken: AtomicU64,
    again: AtomicBool,
    impatient: AtomicBool,
    /// Files that landed, and refusals in a row that are no single file's own trouble.
    landed: AtomicU64,
    strikes: AtomicU64,
    fatal: Mutex<Option<StoreError>>,
    in_flight: Mutex<BTreeSet<FileId>>,
}

/// Refusals in a row that end the run, on top of one for each file under way: a few files that a tenant
/// blocks by their type must not stop a job in which others would land.
const STRIKES: usize = 4;

/// The unit in which buffer memory is counted: a semaphore counts in 32 bits.
const BUFFER_UNIT: u64 = 64 << 10;

impl Mover {
    pub(super) async fn new(
        engine: &Engine,
        job: &Arc<Job>,
        mode: Mode,
        options: MoveOptions,
    ) -> Result<Arc<Self>, StoreError> {
        let units = usize::try_from(job.policy.buffer.0 / BUFFER_UNIT).unwrap_or(usize::MAX / 2);
        let spooled = engine.spool.used().await?;
        let (impatient, waits) = (options.impatient, Mutex::new(options.waits));
        Ok(Arc::new(Self {
            engine: engine.clone(),
            job: job.clone(),
            mode,
            options,
            folders: Folders::new(engine.clone(), job.clone()),
            files: Arc::new(Semaphore::new(job.policy.files_in_flight.max(1))),
            buffer: Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS))),
            spooled: AtomicU64::new(spooled.0),
            feeding: AtomicBool::new(true),
            shipping: AtomicBool::new(true),
            cramped: AtomicBool::new(false),
            room: Notify::new(),
            wake: Notify::new(),
            fetched: AtomicUsize::new(0),
            waits,
            taken: AtomicU64::new(0),
            again: AtomicBool::new(false),
            impatient: AtomicBool::new(impatient),
            landed: AtomicU64::new(0),
            strikes: AtomicU64::new(0),
            fatal: Mutex::new(None),
            in_flight: Mutex::default(),
        }))
    }

    /// True where the sources should be listed again, because files were not what the listing said.
    pub(super) fn wants_new_listing(&self) -> bool {
        self.again.load(Relaxed)
    }

    /// The error that ended the pass, if one did.
    pub(super) fn take_fatal(&self) -> Option<StoreError> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Since when what this pass left in the spool for the next one has been waiting for its batch.
    pub(super) fn waits(&self) -> Option<Timestamp> {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_fatal(&self) -> bool {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Counts a landing: whatever refused before was not for good.
    fn note_landing(&self) {
        self.landed.fetch_add(1, Relaxed);
        self.strikes.store(0, Relaxed);
    }

    /// Judges a refusal that may concern everything (no right to write, a locked place, a token that is
    /// not taken): where it comes again and again and nothing lands between, it ends the run, and the
    /// rows stay as they are.
    fn concerns_all(&self, error: &StoreError) -> Option<Code> {
        let code = match (error.kind, error.code, error.reason) {
            (_, Some(Code::TokenRefused), _) => Code::TokenRefused,
            (ErrorKind::Denied, None, None | Some(Reason::DestinationDenied)) => Code::PermissionMissing,
            (ErrorKind::Locked, None, None | Some(Reason::Locked)) => Code::DestinationLocked,
            _ => return None,
        };
        let strikes = self.strikes.fetch_add(1, Relaxed) + 1;
        let only_at_first = code != Code::TokenRefused && self.landed.load(Relaxed) > 0;
        let most = (self.job.policy.files_in_flight + STRIKES) as u64;
        (strikes >= most && !only_at_first).then_some(code)
    }

    /// Keeps the first error that must end the run.
    fn end_with(&self, error: StoreError) {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        if fatal.is_none() {
            *fatal = Some(error);
        }
    }

    /// Buffer units that one file needs: a fragment, or the whole file where it is smaller.
    fn buffer_units(&self, size: ByteSize) -> u32 {
        let most = self.job.policy.buffer.0 / BUFFER_UNIT;
        let need = size.0.min(self.job.destination.caps().fragment.0).div_ceil(BUFFER_UNIT);
        u32::try_from(need.clamp(1, most.max(1))).unwrap_or(u32::MAX)
    }
}
