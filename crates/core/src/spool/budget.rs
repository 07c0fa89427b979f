//! The budget of bytes on disk: what lies there already, and a room for each file that is to come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::words::ByteSize;

/// Counts bytes on disk against a limit. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct SpoolBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: u64,
    /// The queue: its holder is the head and the only one that waits for `freed`.
    turn: tokio::sync::Mutex<()>,
    freed: Notify,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    /// Bytes in rooms.
    taken: u64,
    /// Bytes that an earlier process left and nobody has taken over yet.
    found: u64,
}

impl SpoolBudget {
    /// Begins with the bytes that [`super::Spool::used`] counted.
    #[must_use]
    pub fn new(limit: ByteSize, found: ByteSize) -> Self {
        Self(Arc::new(Shared {
            limit: limit.0,
            turn: tokio::sync::Mutex::new(()),
            freed: Notify::new(),
            counts: Mutex::new(Counts { taken: 0, found: found.0 }),
        }))
    }

    /// Waits, first come first served, until so many bytes have room. More than the whole limit goes
    /// when nobody holds a room. What an earlier process left counts until it is taken over or forgotten,
    /// so somebody else must be working that off; where nobody is, use [`SpoolBudget::try_reserve`].
    /// Safe to cancel.
    pub async fn reserve(&self, bytes: ByteSize) -> SpoolRoom {
        let _turn = self.0.turn.lock().await;
        loop {
            if let Some(room) = self.take(bytes) {
                return room;
            }
            self.0.freed.notified().await;
        }
    }

    /// Takes room if there is some now and nobody waits for it.
    #[must_use]
    pub fn try_reserve(&self, bytes: ByteSize) -> Option<SpoolRoom> {
        let _turn = self.0.turn.try_lock().ok()?;
        self.take(bytes)
    }

    /// Takes over a file that an earlier process left: always granted, the bytes are there already.
    pub fn take_over(&self, bytes: ByteSize) -> SpoolRoom {
        let mut counts = self.counts();
        counts.found = counts.found.saturating_sub(bytes.0);
        counts.taken = counts.taken.saturating_add(bytes.0);
        SpoolRoom { budget: self.clone(), bytes: bytes.0 }
    }

    /// Forgets bytes that an earlier process left, because they were removed.
    pub fn forget_found(&self, bytes: ByteSize) {
        let mut counts = self.counts();
        counts.found = counts.found.saturating_sub(bytes.0);
        drop(counts);
        self.0.freed.notify_one();
    }

    /// The bytes counted now.
    #[must_use]
    pub fn used(&self) -> ByteSize {
        let counts = self.counts();
        ByteSize(counts.taken.saturating_add(counts.found))
    }

    fn take(&self, bytes: ByteSize) -> Option<SpoolRoom> {
        let mut counts = self.counts();
        let used = counts.taken.saturating_add(counts.found);
        let oversize = counts.taken == 0 && bytes.0 > self.0.limit;
        if used.saturating_add(bytes.0) > self.0.limit && !oversize {
            return None;
        }
        counts.taken = counts.taken.saturating_add(bytes.0);
        Some(SpoolRoom { budget: self.clone(), bytes: bytes.0 })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one file; dropping it gives the bytes back, so it is dropped after the file was removed.
#[derive(Debug)]
#[must_use = "room that is dropped at once is given back"]
pub struct SpoolRoom {
    budget: SpoolBudget,
    bytes: u64,
}

impl SpoolRoom {
    /// The bytes it stands for.
    #[must_use]
    pub fn bytes(&self) -> ByteSize {
        ByteSize(self.bytes)
    }

    /// Leaves the bytes counted as lying there, for a file that stays after this process (LOCAL).
    pub fn leave(self) {
        let mut counts = self.budget.counts();
        counts.found = counts.found.saturating_add(self.bytes);
    }
}

impl Drop for SpoolRoom {
    fn drop(&mut self) {
        let mut counts = self.budget.counts();
        counts.taken = counts.taken.saturating_sub(self.bytes);
        drop(counts);
        self.budget.0.freed.notify_one();
    }
}
