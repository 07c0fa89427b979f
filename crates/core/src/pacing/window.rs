//! One sliding window of one quota: what was spent when, what is usable, what the service taught.
//!
//! Plain arithmetic on milliseconds of the lane's own time; it waits for nothing and reads no clock.
//! Times before the lane began are negative: they come from a restored window.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Observed, QuotaConfig};

/// Grains a window: the loss of throughput is one grain a window.
const GRAINS: i64 = 64;
/// Windows up to this length learn; longer ones are kept over restarts.
const SHORT_MS: i64 = 3_600_000;
/// Learned limits stay at or above the table divided by this, and recover by as much per window.
const STEP: u64 = 20;
/// Windows without a refusal before a learned limit grows again, at first and at most.
const PATIENCE: (i64, i64) = (5, 80);

/// Whole milliseconds, saturating.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Units with the moment from which they no longer count, oldest first.
#[derive(Debug, Default)]
struct Log {
    grains: VecDeque<(i64, u64)>,
    total: u64,
}

impl Log {
    fn add(&mut self, until: i64, units: u64) {
        self.total = self.total.saturating_add(units);
        match self.grains.back_mut() {
            // A restored grain may end a little later than the present one: joining it errs on the safe side.
            Some((last, have)) if *last >= until => *have = have.saturating_add(units),
            _ => self.grains.push_back((until, units)),
        }
    }

    /// Adds units that end at any moment, not only last.
    fn insert(&mut self, until: i64, units: u64) {
        self.total = self.total.saturating_add(units);
        let at = self.grains.partition_point(|(have, _)| *have < until);
        match self.grains.get_mut(at) {
            Some((have, more)) if *have == until => *more = more.saturating_add(units),
            _ => self.grains.insert(at, (until, units)),
        }
    }

    fn expire(&mut self, now: i64) {
        while let Some(&(until, units)) = self.grains.front() {
            if until > now {
                break;
            }
            self.total = self.total.saturating_sub(units);
            self.grains.pop_front();
        }
    }
}

/// The state of one quota.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) name: &'static str,
    table: u64,
    length: i64,
    grain: i64,
    spent: Log,
    passed: Log,
    usable: u64,
    patience: i64,
    recovers_at: i64,
    /// Units already written to the memo and good until the grain's end.
    reserved: u64,
    reserved_until: i64,
}

impl Window {
    pub(super) fn new(quota: &QuotaConfig) -> Self {
        let length = millis(quota.window).max(1);
        Self {
            name: quota.name,
            table: quota.units.max(1),
            length,
            grain: (length / GRAINS).max(1),
            spent: Log::default(),
            passed: Log::default(),
            usable: quota.units.max(1),
            patience: PATIENCE.0,
            recovers_at: i64::MAX,
            reserved: 0,
            reserved_until: i64::MIN,
        }
    }

    /// True where the window is too long to be forgotten by a restart.
    pub(super) fn is_kept(&self) -> bool {
        self.length > SHORT_MS
    }

    /// What a request that costs `units` is charged: never more than the whole window.
    pub(super) fn charge(&self, units: u64) -> u64 {
        units.min(self.table)
    }

    fn until(&self, now: i64) -> i64 {
        self.grain_end(now).saturating_add(self.length)
    }

    fn grain_end(&self, now: i64) -> i64 {
        now.div_euclid(self.grain).saturating_add(1).saturating_mul(self.grain)
    }

    /// Brings the window to the present: forgets what no longer counts, recovers what was learned.
    pub(super) fn advance(&mut self, now: i64) {
        self.spent.expire(now);
        self.passed.expire(now);
        if now < self.recovers_at {
            return;
        }
        let windows = (now - self.recovers_at) / self.length + 1;
        let gain = (self.table / STEP).max(1).saturating_mul(u64::try_from(windows).unwrap_or(1));
        self.usable = self.usable.saturating_add(gain).min(self.table);
        self.recovers_at = self.recovers_at.saturating_add(windows.saturating_mul(self.length));
        if self.usable == self.table {
            self.recovers_at = i64::MAX;
            self.patience = PATIENCE.0;
        }
    }

    /// The moment at which a charge has room; `None` where it has room now.
    pub(super) fn room_at(&self, charge: u64) -> Option<i64> {
        // A limit learned to be below one request's price still lets it pass alone.
        let allowed = self.usable.max(charge);
        let mut total = self.spent.total;
        if total.saturating_add(charge) <= allowed {
            return None;
        }
        for &(until, units) in &self.spent.grains {
            total = total.saturating_sub(units);
            if total.saturating_add(charge) <= allowed {
                return Some(until);
            }
        }
        self.spent.grains.back().map(|(until, _)| *until)
    }

    /// Spends a charge that has room.
    pub(super) fn spend(&mut self, now: i64, charge: u64) {
        let until = self.until(now);
        self.spent.add(until, charge);
        self.reserved = self.reserved.saturating_sub(charge);
    }

    /// Notes that a request of this cost was answered well.
    pub(super) fn pass(&mut self, now: i64, units: u64) {
        let until = self.until(now);
        self.passed.add(until, self.charge(units));
    }

    /// How full the window is, in thousandths of what is usable; `None` where it does not learn.
    pub(super) fn fill(&self) -> Option<u64> {
        (!self.is_kept()).then(|| self.spent.total.saturating_mul(1000) / self.usable)
    }

    /// Shrinks to what was seen to pass, after a refusal that this window may have caused.
    pub(super) fn learn(&mut self, now: i64) {
        if self.recovers_at != i64::MAX && now >= self.recovers_at - self.length {
            self.patience = (self.patience * 2).min(PATIENCE.1);
        }
        let least = (self.usable / 2).max(self.table / STEP).max(1);
        let most = (self.usable - self.usable / 10).max(least);
        self.usable = self.passed.total.clamp(least, most).min(self.usable);
        self.recovers_at = now.saturating_add(self.patience.saturating_mul(self.length));
    }

    /// Adapts to what the service says: its size, and units of others that count until its window ends.
    pub(super) fn observe(&mut self, now: i64, seen: Observed) {
        if seen.units > 0 && seen.units != self.table {
            self.table = seen.units;
            self.usable = seen.units;
            self.recovers_at = i64::MAX;
        }
        let unseen = seen.spent.min(self.table).saturating_sub(self.spent.total);
        if unseen > 0 {
            self.spent.insert(now.saturating_add(millis(seen.resets)).saturating_add(1), unseen);
        }
    }

    pub(super) fn in_window(&self) -> u64 {
        self.spent.total
    }

    pub(super) fn usable(&self) -> u64 {
        self.usable
    }

    /// True where the charge must be written down before it may be spent.
    pub(super) fn must_reserve(&self, now: i64, charge: u64) -> bool {
        charge > 0 && (self.reserved_until != self.grain_end(now) || self.reserved < charge)
    }

    /// The slice to write down for a charge: 1 % of the table, or the charge where that is more.
    pub(super) fn slice(&self, charge: u64) -> u64 {
        (self.table / 100).max(charge).max(1)
    }

    /// What counts, with a slice of the present grain added: (counts until, units), oldest first.
    pub(super) fn with_slice(&self, now: i64, slice: u64) -> Vec<(i64, u64)> {
        let mut grains: Vec<_> = self.spent.grains.iter().copied().collect();
        grains.push((self.until(now), slice));
        grains
    }

    /// Notes that a slice was written down during the grain that holds `at`.
    pub(super) fn reserve(&mut self, at: i64, slice: u64) {
        self.reserved = slice;
        self.reserved_until = self.grain_end(at);
    }

    /// Takes over what an earlier process spent. No grain counts longer than one spent now.
    pub(super) fn restore(&mut self, now: i64, mut grains: Vec<(i64, u64)>) {
        let latest = self.until(now);
        grains.extend(self.spent.grains.drain(..));
        grains.sort_unstable();
        self.spent = Log::default();
        for (until, units) in grains {
            self.spent.add(until.min(latest), units);
        }
        self.spent.expire(now);
    }
}
