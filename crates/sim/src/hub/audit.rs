//! What was asked of the Hub, and what should not have been asked.
//!
//! Owns the counts by class and route and the list of violations: requests before a told wait had passed, commits
//! beyond the limit, tokens sent to the storage. Violations never change a reply.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// More violations than these are counted and not kept.
const KEPT: usize = 1000;

/// Counts since the start or since the last reset. Seeding and inspection are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HubRequests {
    /// Requests of the class `api`, refused ones too.
    pub api: u64,
    /// Requests of the class `resolvers`.
    pub resolvers: u64,
    /// Requests of the class `pages`.
    pub pages: u64,
    /// Requests to the storage host.
    pub storage: u64,
    /// By method and route, for example `POST commit`.
    pub by_route: BTreeMap<String, u64>,
    /// Replies with 429.
    pub throttled: u64,
    /// Commits that were made by requests.
    pub commits: u64,
    /// Bytes of bodies that the storage took.
    pub bytes_in: u64,
    /// Bytes of bodies that the storage gave.
    pub bytes_out: u64,
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<String, u64>,
    /// What clients did that they were told not to do, one sentence each.
    pub violations: Vec<String>,
}

/// Counts, violations and the waits that were told.
#[derive(Debug, Default)]
pub(crate) struct HubAudit {
    pub(crate) requests: HubRequests,
    holds: Vec<Hold>,
}

/// Nothing of this kind may come between the reply and its end.
#[derive(Clone, Debug)]
struct Hold {
    what: String,
    told: Timestamp,
    until: Timestamp,
}

impl HubAudit {
    pub(crate) fn violate(&mut self, sentence: String) {
        if self.requests.violations.len() < KEPT {
            self.requests.violations.push(sentence);
        }
    }

    /// Remembers that somebody was told to wait with a kind of request.
    pub(crate) fn hold(&mut self, what: &str, told: Timestamp, wait: SignedDuration) {
        let until = told.checked_add(wait).unwrap_or(Timestamp::MAX);
        self.holds.retain(|hold| hold.until > told);
        self.holds.push(Hold { what: what.to_owned(), told, until });
    }

    /// Notes a request that came too early; says whether it did. `grace` is how long one may have been on its way.
    pub(crate) fn check_hold(
        &mut self,
        what: &str,
        arrived: Timestamp,
        grace: SignedDuration,
        request: &str,
    ) -> bool {
        let early = self.holds.iter().find(|hold| {
            let from = hold.told.checked_add(grace).unwrap_or(Timestamp::MAX);
            hold.what == what && arrived > from && arrived < hold.until
        });
        let Some(Hold { told, until, .. }) = early.cloned() else { return false };
        self.violate(format!(
            "{request} came at {arrived}, but at {told} it was told to wait until {until} ({what})"
        ));
        true
    }
}
