//! Resource units: the price of requests and the limits on them.
//!
//! Owns a minute and a day bucket per application. Throttled requests are charged too (`graph.md`, section 11).
//! Refuses to know routes; the price comes with the call.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::Quota;

/// Resource units per minute of the smallest tenant.
const MINUTE: u64 = 1_250;
/// Resource units per day of the smallest tenant.
const DAY: u64 = 1_200_000;

/// The accounts of all applications.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: Option<(u64, u64)>,
    window: Duration,
    apps: BTreeMap<String, Account>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    minute: u128,
    in_minute: u64,
    day: i64,
    in_day: u64,
}

/// What a charge came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    /// Whole seconds to wait, where the limit is passed.
    pub(crate) retry_after: Option<u64>,
    /// Units of the minute: limit, left, whole seconds until it is new.
    pub(crate) state: Option<(u64, u64, u64)>,
}

impl Meter {
    pub(crate) fn new(quota: Quota, window: Duration) -> Self {
        let limit = match quota {
            Quota::None => None,
            Quota::SmallTenant => Some((MINUTE, DAY)),
        };
        Self { limit, window: window.max(Duration::from_millis(1)), apps: BTreeMap::new() }
    }

    /// Charges an application and says whether it has to wait.
    pub(crate) fn charge(&mut self, app: &str, units: u64, now: Timestamp) -> Charge {
        let Some((minute_limit, day_limit)) = self.limit else {
            return Charge { retry_after: None, state: None };
        };
        let millis = u128::try_from(now.as_millisecond()).unwrap_or(0);
        let window = self.window.as_millis();
        let (minute, day) = (millis / window, now.as_second() / 86_400);
        let account = self.apps.entry(app.to_owned()).or_default();
        if account.minute != minute {
            account.minute = minute;
            account.in_minute = 0;
        }
        if account.day != day {
            account.day = day;
            account.in_day = 0;
        }
        account.in_minute += units;
        account.in_day += units;
        let rest = seconds_up(window - millis % window);
        let retry_after = if account.in_day > day_limit {
            Some(u64::try_from((day + 1) * 86_400 - now.as_second()).unwrap_or(1))
        } else {
            (account.in_minute > minute_limit).then_some(rest)
        };
        let left = minute_limit.saturating_sub(account.in_minute);
        Charge { retry_after, state: Some((minute_limit, left, rest)) }
    }
}

fn seconds_up(millis: u128) -> u64 {
    u64::try_from(millis.div_ceil(1000)).unwrap_or(1).max(1)
}

/// A duration of std as jiff counts it.
pub(crate) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_binds_and_throttled_calls_are_charged() {
        let mut meter = Meter::new(Quota::SmallTenant, Duration::from_secs(6));
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        for _ in 0..625 {
            assert_eq!(meter.charge("app", 2, start).retry_after, None);
        }
        assert_eq!(meter.charge("app", 1, start).retry_after, Some(6));
        assert_eq!(meter.charge("other", 1, start).retry_after, None, "each application has its own");
        let later = start + SignedDuration::from_millis(5_100);
        assert_eq!(meter.charge("app", 1, later).retry_after, Some(1), "rounded up");
        let fresh = start + SignedDuration::from_secs(6);
        assert_eq!(meter.charge("app", 1, fresh).retry_after, None);
    }

    #[test]
    fn the_day_blocks_until_midnight() {
        let mut meter = Meter::new(Quota::SmallTenant, Duration::from_secs(60));
        let start: Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
        assert_eq!(meter.charge("app", 1_200_001, start).retry_after, Some(12 * 3600));
    }
}
