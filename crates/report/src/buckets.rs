//! Histograms with fixed classes, and the course over time with at most 120 intervals.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::report::{Activity, Age, Ages, Figure, Interval, SizeClass};

/// Ages in days; what is older stands in a class of its own.
const DAYS: [u32; 7] = [1, 7, 30, 90, 180, 365, 730];
const DAY: i64 = 86_400;

/// Sizes in bytes: nothing, then steps of four from 1 KiB to 1 TiB.
const SIZES: [u64; 17] = [
    1,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
    1 << 26,
    1 << 28,
    1 << 30,
    1 << 32,
    1 << 34,
    1 << 36,
    1 << 38,
    1 << 40,
];

/// Lengths of an interval in seconds; each is a multiple of the one before.
const WIDTHS: [i64; 12] = [1, 5, 15, 60, 300, 900, 3600, 21_600, DAY, 7 * DAY, 28 * DAY, 336 * DAY];
/// Intervals that a plot can show.
const INTERVALS: i64 = 120;

/// Ages under way.
#[derive(Debug)]
pub(crate) struct AgeCount {
    now: Timestamp,
    files: [u64; DAYS.len() + 1],
    never: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl AgeCount {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, files: [0; DAYS.len() + 1], never: 0, oldest: None, newest: None }
    }

    pub(crate) fn add(&mut self, at: Option<Timestamp>) {
        let Some(at) = at else {
            self.never += 1;
            return;
        };
        let seconds = self.now.as_second() - at.as_second();
        let class = DAYS.partition_point(|days| seconds >= i64::from(*days) * DAY);
        if let Some(files) = self.files.get_mut(class) {
            *files += 1;
        }
        self.oldest = Some(self.oldest.map_or(at, |known| known.min(at)));
        self.newest = Some(self.newest.map_or(at, |known| known.max(at)));
    }

    pub(crate) fn finish(self) -> Ages {
        let edges = DAYS.into_iter().map(Some).chain([None]);
        let ages = edges.zip(self.files).map(|(below_days, files)| Age { below_days, files });
        Ages { ages: ages.collect(), never: self.never, oldest: self.oldest, newest: self.newest }
    }
}

/// Sizes under way.
#[derive(Debug, Default)]
pub(crate) struct SizeCount([Figure; SIZES.len() + 1]);

impl SizeCount {
    pub(crate) fn add(&mut self, bytes: u64) {
        if let Some(figure) = self.0.get_mut(SIZES.partition_point(|below| bytes >= *below)) {
            figure.add(bytes);
        }
    }

    pub(crate) fn finish(self) -> Vec<SizeClass> {
        let edges = SIZES.into_iter().map(Some).chain([None]);
        edges.zip(self.0).map(|(below, figure)| SizeClass { below, figure }).collect()
    }
}

/// What happened to a file, as far as the course shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Proven,
    Throttled,
    Deferred,
    Failed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    proven: u64,
    bytes: u64,
    throttled: u64,
    deferred: u64,
    failed: u64,
}

/// The course under way: where it grows too long, intervals are joined.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    width: usize,
    cells: BTreeMap<i64, Cell>,
}

impl Timeline {
    fn seconds(&self) -> i64 {
        WIDTHS.get(self.width).copied().unwrap_or(1)
    }

    /// Adds so many events about files of so many bytes; only those of proven files are shown.
    pub(crate) fn add(&mut self, at: Timestamp, step: Step, events: u64, bytes: u64) {
        let cell = self.cells.entry(at.as_second().div_euclid(self.seconds())).or_default();
        match step {
            Step::Proven => {
                cell.proven += events;
                cell.bytes += bytes;
            }
            Step::Throttled => cell.throttled += events,
            Step::Deferred => cell.deferred += events,
            Step::Failed => cell.failed += events,
        }
        while self.span() > INTERVALS && self.width + 1 < WIDTHS.len() {
            self.join();
        }
    }

    fn span(&self) -> i64 {
        match (self.cells.first_key_value(), self.cells.last_key_value()) {
            (Some((first, _)), Some((last, _))) => last - first + 1,
            _ => 0,
        }
    }

    fn join(&mut self) {
        let before = self.seconds();
        self.width += 1;
        let factor = self.seconds() / before;
        for (at, cell) in std::mem::take(&mut self.cells) {
            let sum = self.cells.entry(at.div_euclid(factor)).or_default();
            sum.proven += cell.proven;
            sum.bytes += cell.bytes;
            sum.throttled += cell.throttled;
            sum.deferred += cell.deferred;
            sum.failed += cell.failed;
        }
    }

    pub(crate) fn finish(self, events: u64) -> Activity {
        let seconds = self.seconds();
        let interval = |(at, cell): (&i64, &Cell)| Interval {
            at: Timestamp::from_second(at * seconds).unwrap_or_default(),
            proven: cell.proven,
            bytes: cell.bytes,
            throttled: cell.throttled,
            deferred: cell.deferred,
            failed: cell.failed,
        };
        let intervals = self.cells.iter().map(interval).collect();
        Activity { seconds: seconds.unsigned_abs(), intervals, events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_stands_in_its_class_and_never_is_counted_apart() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut ages = AgeCount::new(now);
        for seconds in [-5, 0, DAY - 1, DAY, 7 * DAY, 729 * DAY, 730 * DAY, 9000 * DAY] {
            ages.add(Timestamp::from_second(now.as_second() - seconds).ok());
        }
        ages.add(None);
        let ages = ages.finish();
        let files: Vec<u64> = ages.ages.iter().map(|age| age.files).collect();
        assert_eq!(files, [3, 1, 1, 0, 0, 0, 1, 2]);
        assert_eq!((ages.never, ages.ages[7].below_days), (1, None));
        assert_eq!(ages.newest.unwrap().as_second(), now.as_second() + 5);
    }

    #[test]
    fn a_size_stands_below_the_edge_that_it_does_not_reach() {
        let mut sizes = SizeCount::default();
        for bytes in [0, 1, 1023, 1024, 1 << 40, u64::from(u32::MAX)] {
            sizes.add(bytes);
        }
        let sizes = sizes.finish();
        let at = |below| sizes.iter().find(|class| class.below == below).unwrap().figure.files;
        assert_eq!((at(Some(1)), at(Some(1024)), at(Some(4096)), at(None)), (1, 2, 1, 1));
        assert_eq!(at(Some(1 << 32)), 1);
    }

    #[test]
    fn a_long_course_keeps_its_sums_in_few_intervals() {
        let mut course = Timeline::default();
        for n in 0..5000_i64 {
            let at = Timestamp::from_second(1_700_000_000 + n * 977).unwrap();
            course.add(at, Step::Proven, 1, 3);
            course.add(Timestamp::from_second(1_700_000_000 - n * 13).unwrap(), Step::Throttled, 1, 7);
        }
        let course = course.finish(10_000);
        assert!(course.intervals.len() <= 120, "{}", course.intervals.len());
        assert_eq!(course.seconds, 86_400);
        assert_eq!(course.intervals.iter().map(|i| i.proven).sum::<u64>(), 5000);
        assert_eq!(course.intervals.iter().map(|i| i.bytes).sum::<u64>(), 15_000);
        assert_eq!(course.intervals.iter().map(|i| i.throttled).sum::<u64>(), 5000);
    }
}
