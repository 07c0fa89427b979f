//! The lane: a queue whose head waits for a slot, the hold and the windows at once.
//!
//! Only the head of the queue watches the conditions and the queue is a fair lock, so cancelling a
//! waiter at any point loses neither a wake-up nor a unit. Arithmetic stands in [`super::window`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reserve::Keeper;
use super::window::{Window, millis};
use super::{Cost, LaneConfig, LaneSnapshot, Observed, QuotaSnapshot, Verdict};
use crate::clock::{Chance, Clock};

/// Least time between two halvings.
const COOL_DOWN: Duration = Duration::from_secs(5);
/// The longest hold that the lane sets by itself.
const LONGEST_BACKOFF_SECONDS: u64 = 300;

/// What is throttled together; see the module's introduction.
#[derive(Debug)]
pub struct Lane {
    pub(super) name: String,
    most: usize,
    origin: Instant,
    pub(super) clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    /// The queue: whoever holds it is the head and the only one that watches `changed`.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
    waiting: AtomicUsize,
    state: Mutex<State>,
    pub(super) keeper: Mutex<Option<Keeper>>,
    pub(super) stop: OnceLock<CancellationToken>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) windows: Vec<Window>,
    totals: BTreeMap<&'static str, u64>,
    in_flight: usize,
    limit: usize,
    fine: usize,
    not_before: i64,
    struck_at: i64,
    cut_at: i64,
    strikes: u32,
    throttled: u64,
    held: i64,
    /// The hold that was written down last.
    pub(super) kept_hold: i64,
}

/// What the head of the queue is to do next.
enum Step {
    Admitted(i64),
    Slot,
    Until(i64),
    KeepHold(i64),
    Reserve,
}

/// Leaves the count of waiting requests when the wait ends, by admission or by cancelling.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    /// Makes a lane with empty windows, its time beginning now.
    #[must_use]
    pub fn new(config: LaneConfig, clock: Arc<dyn Clock>, chance: Arc<Chance>) -> Arc<Self> {
        let most = config.most.max(1);
        Arc::new(Self {
            name: config.name,
            most,
            origin: Instant::now(),
            clock,
            chance,
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                windows: config.quotas.iter().map(Window::new).collect(),
                totals: BTreeMap::new(),
                in_flight: 0,
                limit: config.start.clamp(1, most),
                fine: 0,
                not_before: 0,
                struck_at: i64::MIN / 2,
                cut_at: i64::MIN / 2,
                strikes: 0,
                throttled: 0,
                held: 0,
                kept_hold: 0,
            }),
            keeper: Mutex::new(None),
            stop: OnceLock::new(),
        })
    }

    /// Waits, first come first served, until a request of this cost may be sent, and charges it.
    ///
    /// Safe to cancel: before admission nothing is charged. The request must be sent at once.
    pub async fn admit(self: &Arc<Self>, cost: Cost) -> Permit {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let _turn = self.turn.lock().await;
        loop {
            match self.step(&cost) {
                Step::Admitted(at) => {
                    return Permit { lane: Arc::clone(self), cost, admitted: at, open: true };
                }
                Step::Slot => self.changed.notified().await,
                Step::Until(at) => self.until(at).await,
                Step::KeepHold(at) => self.keep_hold(at).await,
                Step::Reserve => self.reserve(&cost).await,
            }
        }
    }

    async fn until(&self, at: i64) {
        let at = self.origin + Duration::from_millis(u64::try_from(at).unwrap_or(0));
        tokio::time::sleep_until(at).await;
    }

    fn step(&self, cost: &Cost) -> Step {
        let keeps = self.keeps();
        let mut state = self.state();
        let now = self.now();
        if now < state.not_before {
            // A hold outlives a kill: whoever waits for it first writes it down.
            return match keeps && state.kept_hold < state.not_before {
                true => Step::KeepHold(state.not_before),
                false => Step::Until(state.not_before),
            };
        }
        if state.in_flight >= state.limit {
            return Step::Slot;
        }
        let mut room = None;
        let mut reserve = false;
        for window in &mut state.windows {
            let charge = window.charge(cost.units(window.name));
            if charge == 0 {
                continue;
            }
            window.advance(now);
            room = room.max(window.room_at(charge));
            reserve |= keeps && window.is_kept() && window.must_reserve(now, charge);
        }
        if let Some(at) = room {
            return Step::Until(at.max(now + 1));
        }
        if reserve {
            return Step::Reserve;
        }
        for window in &mut state.windows {
            let charge = window.charge(cost.units(window.name));
            if charge > 0 {
                window.spend(now, charge);
            }
        }
        for (name, units) in cost.parts() {
            *state.totals.entry(name).or_default() += units;
        }
        state.in_flight += 1;
        Step::Admitted(now)
    }

    /// The lane as it stands now.
    #[must_use]
    pub fn snapshot(&self) -> LaneSnapshot {
        let mut state = self.state();
        let now = self.now();
        for window in &mut state.windows {
            window.advance(now);
        }
        let mut spent: Vec<QuotaSnapshot> = state
            .windows
            .iter()
            .map(|window| QuotaSnapshot {
                name: window.name,
                total: state.totals.get(window.name).copied().unwrap_or(0),
                in_window: window.in_window(),
                usable: window.usable(),
            })
            .collect();
        for (&name, &total) in &state.totals {
            if !spent.iter().any(|quota| quota.name == name) {
                spent.push(QuotaSnapshot { name, total, in_window: 0, usable: u64::MAX });
            }
        }
        let remaining = (state.not_before - now).max(0);
        let as_duration = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        LaneSnapshot {
            in_flight: state.in_flight,
            waiting: self.waiting.load(Ordering::Relaxed),
            limit: state.limit,
            throttled: state.throttled,
            throttled_for: as_duration(state.held - remaining),
            spent,
            held_until: (remaining > 0).then(|| self.origin + as_duration(state.not_before)),
        }
    }

    /// Takes over what the service itself says of one of its quotas, which it counts in fixed windows: the
    /// quota's size and length, and how much of it is left until when. What others spent of it counts as ours.
    /// Nothing happens for a quota that the lane does not limit.
    pub fn observe(&self, quota: &str, seen: Observed) {
        let now = self.now();
        let mut state = self.state();
        if let Some(window) = state.windows.iter_mut().find(|window| window.name == quota) {
            window.advance(now);
            window.observe(now, seen);
        }
    }

    /// Milliseconds since the lane was made, rounded down.
    pub(super) fn now(&self) -> i64 {
        millis(self.origin.elapsed())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeps(&self) -> bool {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn settle(&self, admitted: i64, cost: &Cost, verdict: Option<Verdict>) {
        let mut state = self.state();
        let now = self.now();
        match verdict {
            Some(Verdict::Fine) => state.fine(now, admitted, cost, self.most),
            Some(Verdict::Throttled { retry_after }) => {
                state.throttled(now, admitted, cost, retry_after, &self.chance);
            }
            Some(Verdict::Failed) | None => {}
        }
        state.in_flight = state.in_flight.saturating_sub(1);
        drop(state);
        self.changed.notify_one();
    }
}

impl State {
    fn fine(&mut self, now: i64, admitted: i64, cost: &Cost, most: usize) {
        for window in &mut self.windows {
            let units = cost.units(window.name);
            if units > 0 {
                window.advance(now);
                window.pass(now, units);
            }
        }
        if admitted > self.struck_at {
            self.strikes = 0;
        }
        if self.in_flight * 2 < self.limit {
            return;
        }
        self.fine += 1;
        if self.fine >= self.limit {
            self.fine = 0;
            self.limit = (self.limit + 1).min(most);
        }
    }

    fn throttled(
        &mut self,
        now: i64,
        admitted: i64,
        cost: &Cost,
        retry_after: Option<Duration>,
        chance: &Chance,
    ) {
        self.throttled += 1;
        self.fine = 0;
        let new_strike = admitted > self.struck_at;
        if new_strike {
            self.struck_at = now;
            self.strikes = self.strikes.saturating_add(1);
        }
        match retry_after.filter(|after| !after.is_zero()) {
            // `now` was rounded down, so one millisecond more keeps the promise.
            Some(after) => self.hold(now, millis(after).saturating_add(1)),
            None if new_strike => {
                let seconds = 1u64.checked_shl(self.strikes).unwrap_or(LONGEST_BACKOFF_SECONDS);
                let around = Duration::from_secs(seconds.min(LONGEST_BACKOFF_SECONDS));
                self.hold(now, millis(chance.jitter(around)));
            }
            None => {}
        }
        if new_strike && now.saturating_sub(self.cut_at) >= millis(COOL_DOWN) {
            self.cut_at = now;
            self.limit = (self.limit / 2).max(1);
            self.learn(now, cost);
        }
    }

    /// Until when everything waits, in the lane's milliseconds.
    pub(super) fn not_before(&self) -> i64 {
        self.not_before
    }

    /// Takes over a hold from before a restart.
    pub(super) fn restore_hold(&mut self, until: i64) {
        self.not_before = self.not_before.max(until);
        self.kept_hold = self.not_before;
    }

    fn hold(&mut self, now: i64, wait: i64) {
        let until = now.saturating_add(wait);
        let from = self.not_before.max(now);
        self.held = self.held.saturating_add((until - from).max(0));
        self.not_before = self.not_before.max(until);
    }

    /// The fullest window that the refused request paid into learns.
    fn learn(&mut self, now: i64, cost: &Cost) {
        let mut fullest: Option<(u64, &mut Window)> = None;
        for window in self.windows.iter_mut().filter(|window| cost.units(window.name) > 0) {
            window.advance(now);
            let Some(fill) = window.fill() else { continue };
            if fullest.as_ref().is_none_or(|(most, _)| fill > *most) {
                fullest = Some((fill, window));
            }
        }
        if let Some((_, window)) = fullest {
            window.learn(now);
        }
    }
}

/// The right to send one request now. Dropped unsettled (the request was cancelled) it frees its slot;
/// its cost stays spent.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once frees its slot"]
pub struct Permit {
    lane: Arc<Lane>,
    cost: Cost,
    admitted: i64,
    open: bool,
}

impl Permit {
    /// Tells the lane how the request went and frees its slot.
    pub fn settle(mut self, verdict: Verdict) {
        self.open = false;
        self.lane.settle(self.admitted, &self.cost, Some(verdict));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.open {
            self.lane.settle(self.admitted, &self.cost, None);
        }
    }
}
