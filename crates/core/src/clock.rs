//! Time and chance as things passed in, so that a simulation repeats to the letter.
//!
//! All waiting is `tokio::time`, which a paused runtime turns into virtual time; [`VirtualClock`]
//! makes the wall clock follow it. All chance is a [`Chance`] made from one seed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that starts at a given moment and advances with tokio's time, paused or not.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl VirtualClock {
    /// Starts at `start`; must be called inside a runtime.
    #[must_use]
    pub fn starting(start: Timestamp) -> Self {
        Self { start, origin: tokio::time::Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start.checked_add(self.origin.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// Seeded randomness shared by everyone who needs some.
#[derive(Debug)]
pub struct Chance(Mutex<fastrand::Rng>);

impl Chance {
    /// Makes the sequence that belongs to a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Draws a whole number below `bound`; 0 where the bound is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(..bound)
    }

    /// Draws a delay evenly from half of `around` to all of it.
    pub fn jitter(&self, around: Duration) -> Duration {
        let half = u64::try_from(around.as_millis() / 2).unwrap_or(u64::MAX / 4);
        Duration::from_millis(half + self.below(half + 1))
    }

    /// Draws a random UUID (version 4) as text, for request ids.
    pub fn uuid(&self) -> String {
        let (high, low) = {
            let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (rng.u64(..), rng.u64(..))
        };
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}
