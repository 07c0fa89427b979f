//! Whether a resolver may be asked at all: paused until a time, or given up for this process.
//!
//! Owns nothing durable: after a restart the resolver is asked again, and says again what holds.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::super::Resolved;

/// The pause where a service states no time, or one that has passed.
const SHORTEST: Duration = Duration::from_secs(60);

/// The longest pause that is believed; windows of the services last 15 minutes, caps at most a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Timestamp>,
    fatal: Option<String>,
}

impl Gate {
    /// What every post gets without being asked for; `None` where the way is free.
    pub(super) fn closed(&self, now: Timestamp) -> Option<Resolved> {
        let state = self.state();
        if let Some(detail) = &state.fatal {
            return Some(Resolved::Fatal { detail: detail.clone() });
        }
        state.until.filter(|until| *until > now).map(|until| Resolved::RateLimited { until })
    }

    /// Pauses until a stated time, held within reason; gives the time that holds.
    pub(super) fn pause(&self, now: Timestamp, stated: Option<Timestamp>) -> Timestamp {
        let at = |wait: Duration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let until = stated.filter(|until| *until > now).unwrap_or(at(SHORTEST)).min(at(LONGEST));
        let mut state = self.state();
        let until = state.until.map_or(until, |before| before.max(until));
        state.until = Some(until);
        until
    }

    /// Gives the resolver up.
    pub(super) fn give_up(&self, detail: &str) {
        self.state().fatal.get_or_insert_with(|| detail.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_held_within_reason_and_only_ever_extended() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        let gate = Gate::default();
        assert_eq!(gate.closed(now), None);
        assert_eq!(gate.pause(now, Some(at(-5))), at(60));
        assert_eq!(Gate::default().pause(now, Some(at(2))), at(2));
        assert_eq!(gate.pause(now, Some(at(900))), at(900));
        assert_eq!(gate.pause(now, None), at(900));
        assert_eq!(gate.closed(at(899)), Some(Resolved::RateLimited { until: at(900) }));
        assert_eq!(gate.closed(at(900)), None);
        assert_eq!(gate.pause(now, Some(Timestamp::MAX)), at(86_400));
        gate.give_up("no active account");
        gate.give_up("another");
        assert_eq!(gate.closed(at(99_999)), Some(Resolved::Fatal { detail: "no active account".into() }));
    }
}
