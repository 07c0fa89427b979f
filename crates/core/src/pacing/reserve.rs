//! Keeps long windows over restarts: slices are written down before they are spent.
//!
//! The memo holds wall-clock seconds, the lane counts its own milliseconds; the two meet only here. A
//! clock that was set back makes units count longer, by at most one window.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cost, Lane};
use crate::error::StoreError;
use crate::memo::{Memo, MemoKey, MemoValue};
use crate::words::JobId;

/// The memo's kind.
const KIND: &str = "window";
/// The memo's key of the hold, beside those of the quotas.
const HOLD: &str = "hold";

/// Where the lane writes its slices.
#[derive(Clone)]
pub(super) struct Keeper {
    memo: Arc<dyn Memo>,
    job: JobId,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({})", self.job)
    }
}

/// The memo's text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    /// (Unix second from which they no longer count, units), oldest first.
    grains: Vec<(i64, u64)>,
}

/// What is to be written before a request may go.
struct Slice {
    name: &'static str,
    units: u64,
    text: String,
    expires: Option<Timestamp>,
}

impl Lane {
    /// Takes over what earlier processes spent of the long windows, and keeps them in `memo` from now on.
    ///
    /// Called once before the first request. A memo that cannot be understood counts as none.
    ///
    /// # Errors
    /// Where the memo cannot be read; the lane then keeps nothing.
    pub async fn restore(&self, memo: Arc<dyn Memo>, job: JobId) -> Result<(), StoreError> {
        let names: Vec<&'static str> =
            self.state().windows.iter().filter(|w| w.is_kept()).map(|w| w.name).collect();
        for name in names {
            let Some(text) = memo.memo(&self.memo_key(job, name)).await? else { continue };
            let Ok(kept) = serde_json::from_str::<Kept>(&text) else {
                tracing::warn!(lane = %self.name, quota = name, "a kept quota window is not readable and begins anew");
                continue;
            };
            let wall = self.clock.now().as_second();
            let now = self.now();
            let grains = kept
                .grains
                .iter()
                .map(|&(until, units)| {
                    (now.saturating_add(until.saturating_sub(wall).saturating_mul(1000)), units)
                })
                .collect();
            if let Some(window) = self.state().windows.iter_mut().find(|w| w.name == name) {
                window.restore(now, grains);
            }
        }
        if let Some(text) = memo.memo(&self.memo_key(job, HOLD)).await?
            && let Ok(until) = text.parse::<i64>()
        {
            let wait = until.saturating_sub(self.clock.now().as_millisecond());
            self.state().restore_hold(self.now().saturating_add(wait));
        }
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(Keeper { memo, job });
        Ok(())
    }

    /// Writes a hold down that a reply has just set, before anything else is done.
    pub async fn keep(&self) {
        let (until, kept) = {
            let state = self.state();
            (state.not_before(), state.kept_hold)
        };
        if until > kept && until > self.now() {
            self.keep_hold(until).await;
        }
    }

    /// Writes down until when everything waits, so that a restart waits too.
    pub(super) async fn keep_hold(&self, at: i64) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keeper) = keeper else { return };
        let wait = Duration::from_millis(u64::try_from(at - self.now()).unwrap_or(0));
        let until = self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        let text = until.as_millisecond().to_string();
        let value = MemoValue { text, secret: false, expires: Some(until) };
        if let Err(error) = keeper.memo.remember(&self.memo_key(keeper.job, HOLD), value).await {
            tracing::warn!(lane = %self.name, error = %error.chain(), "a hold could not be kept over a restart");
        }
        self.state().kept_hold = at;
    }

    fn memo_key(&self, job: JobId, quota: &str) -> MemoKey {
        MemoKey::new(job, KIND, format!("{}/{quota}", self.name))
    }

    /// Writes down the slices that a request of this cost needs. Cancelled half-way, it is done again.
    pub(super) async fn reserve(&self, cost: &Cost) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keeper) = keeper else { return };
        let at = self.now();
        for slice in self.slices(at, cost) {
            let value = MemoValue { text: slice.text, secret: false, expires: slice.expires };
            if let Err(error) = keeper.memo.remember(&self.memo_key(keeper.job, slice.name), value).await {
                tracing::warn!(
                    lane = %self.name,
                    quota = slice.name,
                    error = %error.chain(),
                    "a quota window could not be kept; a restart may forget units"
                );
            }
            if let Some(window) = self.state().windows.iter_mut().find(|w| w.name == slice.name) {
                window.reserve(at, slice.units);
            }
        }
    }

    fn slices(&self, at: i64, cost: &Cost) -> Vec<Slice> {
        let wall = self.clock.now();
        let mut slices = Vec::new();
        for window in self.state().windows.iter().filter(|w| w.is_kept()) {
            let charge = window.charge(cost.units(window.name));
            if !window.must_reserve(at, charge) {
                continue;
            }
            let units = window.slice(charge);
            // Rounded up, so that a restart never lets units lapse early.
            let second = |until: i64| wall.as_second() + (until - at).div_euclid(1000) + 2;
            let grains: Vec<_> = window
                .with_slice(at, units)
                .into_iter()
                .map(|(until, units)| (second(until), units))
                .collect();
            let last =
                grains.last().map_or(0, |(until, _)| u64::try_from(until - wall.as_second()).unwrap_or(0));
            let Ok(text) = serde_json::to_string(&Kept { version: 1, grains }) else { continue };
            slices.push(Slice {
                name: window.name,
                units,
                text,
                expires: wall.checked_add(Duration::from_secs(last)).ok(),
            });
        }
        slices
    }
}
