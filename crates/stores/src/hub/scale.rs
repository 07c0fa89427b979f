//! How many changes one commit carries: more after a full and fast one, fewer after a slow or failed one.
// Source: huggingface_hub 2.4.0 (the scale, its start and the 40 seconds), read 2026-11.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The sizes there are.
const SCALE: [usize; 10] = [20, 50, 75, 100, 125, 200, 250, 400, 600, 1000];

/// Where it starts: 250.
const START: usize = 6;

/// A commit that took longer was slow.
const FAST: Duration = Duration::from_secs(40);

/// The most changes that a commit ever carries.
pub(super) const MOST: usize = 1000;

/// The sizes of the fewest commits that carry so many files, each of them full and fast.
pub fn fewest_commits(files: u64) -> impl Iterator<Item = u64> {
    let sizes = SCALE.iter().skip(START).map(|size| *size as u64);
    let sizes = sizes.chain(std::iter::repeat(MOST as u64));
    sizes
        .scan(files, |left, size| {
            let carried = size.min(*left);
            *left -= carried;
            Some(carried)
        })
        .take_while(|carried| *carried > 0)
}

/// The present size.
#[derive(Debug)]
pub(super) struct Scale(AtomicUsize);

impl Default for Scale {
    fn default() -> Self {
        Self(AtomicUsize::new(START))
    }
}

impl Scale {
    /// How many changes the next commit carries.
    pub(super) fn now(&self) -> usize {
        SCALE.get(self.0.load(Ordering::Relaxed)).copied().unwrap_or(MOST)
    }

    /// Learns from a commit that was carried out with so many changes in this time.
    pub(super) fn done(&self, changes: usize, took: Duration) {
        if took >= FAST {
            self.failed();
        } else if changes >= self.now() {
            let at = self.0.load(Ordering::Relaxed);
            self.0.store((at + 1).min(SCALE.len() - 1), Ordering::Relaxed);
        }
    }

    /// Learns from a commit that was not.
    pub(super) fn failed(&self) {
        let at = self.0.load(Ordering::Relaxed);
        self.0.store(at.saturating_sub(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_files_are_twelve_commits() {
        let sizes: Vec<u64> = fewest_commits(10_000).collect();
        assert_eq!(sizes[..4], [250, 400, 600, 1000]);
        assert_eq!((sizes.len(), sizes[11], sizes.iter().sum()), (12, 750, 10_000));
        assert_eq!(fewest_commits(250).collect::<Vec<_>>(), [250]);
        assert_eq!(fewest_commits(0).count(), 0);
    }

    #[test]
    fn only_full_and_fast_commits_make_it_grow() {
        let scale = Scale::default();
        assert_eq!(scale.now(), 250);
        scale.done(100, Duration::from_secs(1));
        assert_eq!(scale.now(), 250);
        for expected in [400, 600, 1000, 1000] {
            scale.done(scale.now(), Duration::from_secs(39));
            assert_eq!(scale.now(), expected);
        }
        scale.done(1000, Duration::from_secs(41));
        assert_eq!(scale.now(), 600);
        for _ in 0..20 {
            scale.failed();
        }
        assert_eq!(scale.now(), 20);
    }
}
