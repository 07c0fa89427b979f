//! Counters of a run, written by the engine and read by bars, summaries and metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::row::FileRow;
use crate::state::State;

/// Running totals. Reading them never stops the work.
#[derive(Debug, Default)]
pub struct Meter {
    listed: AtomicU64,
    found: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    read_back: AtomicU64,
    expected_files: AtomicU64,
    expected_bytes: AtomicU64,
    failed: AtomicU64,
    deferred: AtomicU64,
    proven: AtomicU64,
    phase: AtomicU64,
    waiting: AtomicU64,
    waiting_until: AtomicI64,
}

/// The totals at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterReading {
    /// Things read from source listings.
    pub listed: u64,
    /// Things read from destination listings.
    pub found: u64,
    /// Files whose bytes were moved in this run (or copied, or found there).
    pub files: u64,
    /// Content bytes read from sources, the spool and destinations in this run, repeats included.
    pub bytes: u64,
    /// Of these the bytes that were read back from the destination, to compare them.
    pub read_back: u64,
    /// Files to be moved, as far as is known.
    pub expected_files: u64,
    /// Their bytes.
    pub expected_bytes: u64,
    /// Files that became NG in this run.
    pub failed: u64,
    /// Tries that failed and are repeated.
    pub deferred: u64,
    /// Files proven in this run.
    pub proven: u64,
    /// What is being done: 0 nothing, 1 crawl, 2 look at the destination, 3 move, 4 prove.
    pub phase: u64,
    /// Files that are waited for while nothing else is due.
    pub waiting: u64,
    /// Until when, in seconds since 1970; 0 where nothing is waited for.
    pub waiting_until: i64,
}

impl Meter {
    /// The totals now.
    #[must_use]
    pub fn read(&self) -> MeterReading {
        MeterReading {
            listed: self.listed.load(Relaxed),
            found: self.found.load(Relaxed),
            files: self.files.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            read_back: self.read_back.load(Relaxed),
            expected_files: self.expected_files.load(Relaxed),
            expected_bytes: self.expected_bytes.load(Relaxed),
            failed: self.failed.load(Relaxed),
            deferred: self.deferred.load(Relaxed),
            proven: self.proven.load(Relaxed),
            phase: self.phase.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            waiting_until: self.waiting_until.load(Relaxed),
        }
    }

    pub(super) fn phase(&self, phase: u64) {
        self.phase.store(phase, Relaxed);
    }

    pub(super) fn listed(&self, items: usize) {
        self.listed.fetch_add(items as u64, Relaxed);
    }

    pub(super) fn found(&self, items: usize) {
        self.found.fetch_add(items as u64, Relaxed);
    }

    pub(super) fn bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn read_back(&self, bytes: usize) {
        self.read_back.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn expect(&self, files: u64, bytes: u64) {
        self.expected_files.store(files, Relaxed);
        self.expected_bytes.store(bytes, Relaxed);
    }

    /// Says that nothing is due before a moment; no files, no moment: it goes on.
    pub(super) fn waiting(&self, files: u64, until: i64) {
        self.waiting.store(files, Relaxed);
        self.waiting_until.store(until, Relaxed);
    }

    pub(super) fn deferred(&self) {
        self.deferred.fetch_add(1, Relaxed);
    }

    /// Counts what a change of a row amounts to.
    pub(super) fn moved(&self, before: &FileRow, after: &FileRow) {
        let early = |s: State| matches!(s, State::Pending | State::Local);
        if early(before.state) && matches!(after.state, State::Dupe | State::Success) {
            self.files.fetch_add(1, Relaxed);
        }
        if before.state != State::Success && after.state == State::Success {
            self.proven.fetch_add(1, Relaxed);
        }
        if before.state != State::Ng && after.state == State::Ng {
            self.failed.fetch_add(1, Relaxed);
        }
    }
}
