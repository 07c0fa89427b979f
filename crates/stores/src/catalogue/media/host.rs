//! One host that media come from: its lane, and whether it has shut us out.
//!
//! Owns the rule that a host which refuses several different files in a row refuses *us*: then nothing more
//! is asked of it for a while and nothing is concluded about any file. One refused file proves nothing.
//! Refuses to know what the files are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::pacing::{Cost, Lane, LaneConfig, Permit};
use landfall_core::{Chance, Clock};

use super::super::FetchFailure;
use super::Limits;

/// So many different files refused in a row mean that the host has blocked us.
const BLOCKED_AFTER: usize = 3;

/// A hold up to this long is waited for; a longer one is told to the caller, who has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host and what it has said lately.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    lane: Arc<Lane>,
    clock: Arc<dyn Clock>,
    rest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files refused since the host last answered anything else.
    refused: BTreeSet<String>,
    blocked_until: Option<Timestamp>,
}

impl Host {
    pub(super) fn new(name: &str, limits: &Limits, clock: Arc<dyn Clock>, chance: Arc<Chance>) -> Self {
        let config = LaneConfig {
            name: format!("media {name}"),
            quotas: Vec::new(),
            start: limits.start,
            most: limits.most,
        };
        Self {
            name: name.to_owned(),
            lane: Lane::new(config, Arc::clone(&clock), chance),
            clock,
            rest: limits.rest,
            state: Mutex::new(State::default()),
        }
    }

    /// Waits until a request may be sent.
    ///
    /// # Errors
    /// `HostBlocked` while it has shut us out, `Later` where it wants a longer silence than is waited for.
    pub(super) async fn enter(&self) -> Result<Permit, FetchFailure> {
        self.passable()?;
        let permit = self.lane.admit(Cost::free()).await;
        // Others may have been refused while this one waited.
        self.passable()?;
        Ok(permit)
    }

    fn passable(&self) -> Result<(), FetchFailure> {
        let now = self.clock.now();
        if let Some(until) = self.state().blocked_until.filter(|until| *until > now) {
            return Err(self.blocked(until));
        }
        let Some(held) = self.lane.snapshot().held_until else { return Ok(()) };
        let wait = held.saturating_duration_since(tokio::time::Instant::now());
        if wait <= PATIENCE {
            return Ok(());
        }
        let detail = format!("{} wants no request for {} s", self.name, wait.as_secs());
        Err(FetchFailure::Later { detail, not_before: now.checked_add(wait).ok() })
    }

    /// Takes note that a file was refused.
    pub(super) fn refuses(&self, file: &str) -> FetchFailure {
        let now = self.clock.now();
        let mut state = self.state();
        // The set is bounded: once it says "blocked", more files say nothing more.
        if state.refused.len() < BLOCKED_AFTER {
            state.refused.insert(file.to_owned());
        }
        if state.refused.len() < BLOCKED_AFTER {
            drop(state);
            let detail = format!("{} refuses this file (403)", self.name);
            return FetchFailure::Later { detail, not_before: now.checked_add(self.rest).ok() };
        }
        let until = now.checked_add(self.rest).unwrap_or(Timestamp::MAX);
        state.blocked_until = Some(until);
        drop(state);
        tracing::warn!(host = self.name, %until, "the host refuses one file after another: it is left alone");
        self.blocked(until)
    }

    /// Takes note that the host answered something else than a refusal.
    pub(super) fn answers(&self) {
        let mut state = self.state();
        state.refused.clear();
        state.blocked_until = None;
    }

    fn blocked(&self, until: Timestamp) -> FetchFailure {
        let detail = format!("{} refuses every file (403): it has shut us out", self.name);
        FetchFailure::HostBlocked { detail, until: Some(until) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
