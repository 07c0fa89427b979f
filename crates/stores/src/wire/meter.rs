//! Counters of what went over the wire, read by the command line while requests are under way.
//!
//! Owns numbers only. A `$batch` is one request; the requests inside it are counted as `batched`.

use std::sync::atomic::{AtomicU64, Ordering};

/// What went over the wire since the start of the process.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    batched: AtomicU64,
    resource_units: AtomicU64,
    throttled: AtomicU64,
    retries: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// HTTP requests sent, tries included; a `$batch` is one.
    pub requests: u64,
    /// Requests carried inside batches.
    pub batched: u64,
    /// Resource units by our own price table, tries included.
    pub resource_units: u64,
    /// Answers that said "too many requests".
    pub throttled: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Bytes of bodies received.
    pub bytes_in: u64,
    /// Bytes of bodies sent.
    pub bytes_out: u64,
}

impl Meter {
    /// Counts one request that is about to be sent.
    pub(crate) fn sent(&self, units: u64, bytes: usize, batched: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.resource_units.fetch_add(units, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        self.batched.fetch_add(batched, Ordering::Relaxed);
    }

    /// Counts bytes of a streamed body.
    pub(crate) fn sent_more(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads all counters; they may move while they are read.
    #[must_use]
    pub fn read(&self) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            requests: get(&self.requests),
            batched: get(&self.batched),
            resource_units: get(&self.resource_units),
            throttled: get(&self.throttled),
            retries: get(&self.retries),
            bytes_in: get(&self.bytes_in),
            bytes_out: get(&self.bytes_out),
        }
    }
}
