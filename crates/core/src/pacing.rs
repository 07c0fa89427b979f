//! Pacing: what is throttled together waits together.
//!
//! A [`Lane`] is one app in one tenant (or one Hub account). Every request asks it for admission with
//! a cost vector over the lane's named quotas and tells it afterwards how it went. The lane holds an
//! adaptive limit on requests under way, one `not_before` for everybody (a Retry-After stops the whole
//! lane, not one request), and the quotas' windows. It knows no prices and no service. Design:
//! `docs/pacing.md`.

mod lane;
mod reserve;
mod stopping;
mod window;

pub use lane::{Lane, Permit};

use std::time::Duration;

/// What one request costs, in units of named quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost(Vec<(&'static str, u64)>);

impl Cost {
    /// Costs nothing; it still counts as a request under way and waits out a hold.
    #[must_use]
    pub fn free() -> Self {
        Self::default()
    }

    /// Costs this many units of one quota.
    #[must_use]
    pub fn of(quota: &'static str, units: u64) -> Self {
        Self::free().and(quota, units)
    }

    /// Costs this many units of another quota as well; the same name twice adds up.
    #[must_use]
    pub fn and(mut self, quota: &'static str, units: u64) -> Self {
        match self.0.iter_mut().find(|(name, _)| *name == quota) {
            Some((_, have)) => *have = have.saturating_add(units),
            None => self.0.push((quota, units)),
        }
        self
    }

    /// The units of one quota; 0 where it is not named.
    #[must_use]
    pub fn units(&self, quota: &str) -> u64 {
        self.0.iter().find(|(name, _)| *name == quota).map_or(0, |(_, units)| *units)
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }
}

/// One quota: at most so many units within any stretch of the window's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// What costs call it.
    pub name: &'static str,
    /// Units a window, margin already taken off; at least 1 is used.
    pub units: u64,
    /// The window's length.
    pub window: Duration,
}

/// What a service says of one of its quotas, as in the `RateLimit` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Units a window, margin already taken off; 0 where the service does not say.
    pub units: u64,
    /// Units that others and we have spent of the present window, the margin not counted.
    pub spent: u64,
    /// The present window ends after this.
    pub resets: Duration,
}

/// How a lane begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneConfig {
    /// Names the lane in logs and memos; the same over restarts, without secrets.
    pub name: String,
    /// Its quotas. A cost may name others: those are counted and never waited for.
    pub quotas: Vec<QuotaConfig>,
    /// Requests under way at once in the beginning; at least 1 is used.
    pub start: usize,
    /// Requests under way at once at most.
    pub most: usize,
}

/// How a request went, as far as pacing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered; an HTTP error that is not about pace counts as fine too.
    Fine,
    /// It was refused for its pace (429, 503, 509).
    Throttled {
        /// How long the service wants silence, where it says so.
        retry_after: Option<Duration>,
    },
    /// No answer, or one that says nothing about pace (a reset, a 500).
    Failed,
}

/// One quota as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaSnapshot {
    /// What costs call it.
    pub name: &'static str,
    /// Units spent since the lane was made.
    pub total: u64,
    /// Units that count against the window now; 0 for a quota that the lane does not limit.
    pub in_window: u64,
    /// Units a window that the lane allows itself now; below the table where it has learned so.
    pub usable: u64,
}

/// A lane as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that wait for admission.
    pub waiting: usize,
    /// Requests that may be under way at once.
    pub limit: usize,
    /// Throttled answers so far.
    pub throttled: u64,
    /// Time for which the lane has been held so far.
    pub throttled_for: Duration,
    /// Every quota that the lane limits or a cost has named.
    pub spent: Vec<QuotaSnapshot>,
    /// The end of the present hold.
    pub held_until: Option<tokio::time::Instant>,
}

impl LaneSnapshot {
    /// Units of one quota spent since the lane was made.
    #[must_use]
    pub fn total(&self, quota: &str) -> u64 {
        self.spent.iter().find(|q| q.name == quota).map_or(0, |q| q.total)
    }
}

#[cfg(test)]
mod tests;
