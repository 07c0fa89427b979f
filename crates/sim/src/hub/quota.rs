//! The fixed windows of the three classes of requests (`hub.md`, sections 11 and 12).
//!
//! Owns the counts of every account. Commits have a window of their own, kept with the repository. Refuses to know
//! what a request is for.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::route::Class;

/// Counts of the current window by account and class.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    counts: BTreeMap<(String, Class), (u128, u64)>,
}

/// What is left of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) quota: u64,
    pub(crate) left: u64,
    /// Whole seconds until the window's end, at least one.
    pub(crate) seconds: u64,
    /// Length of the window in whole seconds.
    pub(crate) window: u64,
    /// The request is beyond the quota.
    pub(crate) over: bool,
}

impl Windows {
    /// Counts one request.
    // Unverified: whether refused requests count; here they do, which changes nothing before the window's end.
    pub(crate) fn charge(
        &mut self,
        account: &str,
        class: Class,
        quota: u64,
        window: Duration,
        now: Timestamp,
    ) -> Left {
        let millis = u128::try_from(now.as_millisecond()).unwrap_or(0);
        let length = window.as_millis().max(1);
        let current = millis / length;
        let (at, used) = self.counts.entry((account.to_owned(), class)).or_default();
        if *at != current {
            (*at, *used) = (current, 0);
        }
        *used += 1;
        Left {
            quota,
            left: quota.saturating_sub(*used),
            seconds: seconds_up(length - millis % length),
            window: seconds_up(length),
            over: *used > quota,
        }
    }
}

fn seconds_up(millis: u128) -> u64 {
    u64::try_from(millis.div_ceil(1000)).unwrap_or(1).max(1)
}
