//! What was asked of the simulator, and what should not have been asked.
//!
//! Owns the counts by route, the sum of resource units and the list of violations. Violations never change a reply.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// More violations than these are counted and not kept.
const KEPT: usize = 1000;

/// Counts since the start or since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// HTTP requests, a batch being one.
    pub total: u64,
    /// Requests inside batches.
    pub batched: u64,
    /// By route; requests inside batches are here too.
    pub by_route: BTreeMap<&'static str, u64>,
    /// Price of everything.
    pub resource_units: u64,
    /// Replies with 429, and 503 with Retry-After.
    pub throttled: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of content that downloads were given.
    pub bytes_out: u64,
    /// Requests that asked for a change of a drive.
    pub writes: u64,
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<String, u64>,
}

/// Counts and violations.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) requests: Requests,
    violations: Vec<String>,
    pub(crate) violation_count: u64,
    holds: Vec<Hold>,
}

/// A Retry-After that was given: nothing may come between the reply and its end.
#[derive(Clone, Copy, Debug)]
struct Hold {
    told: Timestamp,
    until: Timestamp,
}

impl Audit {
    pub(crate) fn count(&mut self, route: &'static str) {
        *self.requests.by_route.entry(route).or_default() += 1;
    }

    pub(crate) fn violate(&mut self, sentence: String) {
        self.violation_count += 1;
        if self.violations.len() < KEPT {
            self.violations.push(sentence);
        }
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(crate) fn reset(&mut self) {
        self.requests = Requests::default();
    }

    /// Remembers that the application was told to wait.
    pub(crate) fn hold(&mut self, told: Timestamp, seconds: u64) {
        self.requests.throttled += 1;
        let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let until = told.checked_add(wait).unwrap_or(Timestamp::MAX);
        self.holds.retain(|hold| hold.until > told);
        self.holds.push(Hold { told, until });
    }

    /// Notes a request that came too early. `grace` is how long one may have been on its way.
    pub(crate) fn check_hold(&mut self, arrived: Timestamp, grace: SignedDuration, what: &str) {
        let early = self.holds.iter().find(|hold| {
            let from = hold.told.checked_add(grace).unwrap_or(Timestamp::MAX);
            arrived > from && arrived < hold.until
        });
        if let Some(Hold { told, until }) = early.copied() {
            self.violate(format!(
                "{what} came at {arrived}, but at {told} the application was told to wait until {until}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_flight_is_no_violation_and_a_later_one_is() {
        let mut audit = Audit::default();
        let told: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        audit.hold(told, 5);
        audit.check_hold(told, SignedDuration::ZERO, "GET item");
        assert!(audit.violations().is_empty());
        audit.check_hold(told + SignedDuration::from_secs(4), SignedDuration::ZERO, "GET item");
        assert_eq!(audit.violations().len(), 1);
        audit.check_hold(told + SignedDuration::from_secs(5), SignedDuration::ZERO, "GET item");
        assert_eq!(audit.violations().len(), 1, "waiting exactly as long as told is right");
    }
}
