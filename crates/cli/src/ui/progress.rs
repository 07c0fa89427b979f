//! Progress while a command works: bars on a terminal, a plain line now and then elsewhere.
//!
//! Reads counters and never touches the work. The time left is the larger of what the rate says and
//! what the tenant's quota allows.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use landfall_core::ByteSize;
use landfall_core::engine::{Meter, MeterReading};
use landfall_core::pacing::Lane;
use rust_i18n::t;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Screen, span};
use crate::wiring::Quota;

/// How often bars are drawn.
const FRAME: Duration = Duration::from_millis(250);

/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(10);

/// Where the numbers come from.
#[derive(Debug)]
pub(crate) struct Gauge {
    /// The engine's counters.
    pub(crate) meter: Arc<Meter>,
    /// The wire's counters.
    pub(crate) wire: Arc<landfall_stores::wire::Meter>,
    /// The lanes, for their holds.
    pub(crate) lanes: Vec<Arc<Lane>>,
    /// What the tenant allows.
    pub(crate) quota: Quota,
}

impl Gauge {
    /// The time for which the lanes have been held so far.
    pub(crate) fn throttled_for(&self) -> Duration {
        self.lanes.iter().map(|lane| lane.snapshot().throttled_for).max().unwrap_or_default()
    }

    fn text(&self, now: &MeterReading, rate: u64, left: Option<Duration>) -> String {
        let mut text = match now.phase {
            1 => t!("progress.crawl", items = super::count(now.listed)).into_owned(),
            2 => t!("progress.look", items = super::count(now.found)).into_owned(),
            _ => t!(
                "progress.move",
                done = super::count(now.proven),
                files = super::count(now.files),
                bytes = ByteSize(now.bytes),
                rate = ByteSize(rate)
            )
            .into_owned(),
        };
        if let Some(until) = waiting_until(now) {
            let files = super::count(now.waiting);
            text.push_str(&format!(" · {}", t!("progress.waiting", files = files, until = until)));
        } else if let Some(left) = left {
            text.push_str(&format!(" · {}", t!("progress.left", time = span(left))));
        }
        let held = self.throttled_for();
        if !held.is_zero() {
            text.push_str(&format!(" · {}", t!("progress.throttled", time = span(held))));
        }
        if now.failed > 0 {
            text.push_str(&format!(" · NG {}", super::count(now.failed)));
        }
        text
    }
}

/// The time of day until which nothing is due, in UTC; nothing where work goes on.
fn waiting_until(now: &MeterReading) -> Option<String> {
    if now.waiting == 0 || now.waiting_until <= 0 {
        return None;
    }
    let until = jiff::Timestamp::from_second(now.waiting_until).ok()?;
    Some(until.strftime("%H:%M:%S UTC").to_string())
}

/// The state of one display.
struct Pace {
    begun: Option<(Instant, MeterReading, u64)>,
}

impl Pace {
    /// Bytes a second, and the time left, since moving began.
    fn at(&mut self, now: &MeterReading, gauge: &Gauge) -> (u64, Option<Duration>) {
        if now.phase != 3 && now.phase != 4 {
            self.begun = None;
            return (0, None);
        }
        let units = gauge.wire.read().resource_units;
        let (since, first, units_then) = *self.begun.get_or_insert((Instant::now(), *now, units));
        let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = now.bytes.saturating_sub(first.bytes).saturating_mul(1000) / millis;
        let files = now.files.saturating_sub(first.files);
        let rest = now.expected_files.saturating_sub(first.proven).saturating_sub(files);
        if files == 0 || millis < 2000 {
            return (rate, None);
        }
        let by_rate = Duration::from_millis(millis.saturating_mul(rest) / files);
        let by_quota = gauge.quota.time_for(units.saturating_sub(units_then).saturating_mul(rest) / files);
        (rate, by_quota.map_or(Some(by_rate), |quota| Some(quota.max(by_rate))))
    }
}

/// Shows progress until `done`.
pub(crate) async fn show(screen: Screen, gauge: &Gauge, done: CancellationToken) {
    if screen.is_quiet() {
        return done.cancelled().await;
    }
    let bar = screen.is_terminal().then(|| screen.bars().add(bar()));
    let mut pace = Pace { begun: None };
    let mut next_line = Instant::now() + LINE;
    loop {
        // Both branches only wait; dropping either loses nothing.
        let over = tokio::select! {
            () = done.cancelled() => true,
            () = tokio::time::sleep(FRAME) => false,
        };
        let now = gauge.meter.read();
        let (rate, left) = pace.at(&now, gauge);
        if over {
            break;
        }
        match &bar {
            Some(bar) => {
                bar.set_length(now.expected_files);
                bar.set_position(now.proven.min(now.expected_files));
                bar.set_message(gauge.text(&now, rate, left));
            }
            None if Instant::now() >= next_line => {
                next_line += LINE;
                screen.note(gauge.text(&now, rate, left));
            }
            None => {}
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
        screen.bars().remove(&bar);
    }
}

/// Shows that work goes on, in words that are asked for anew each time, until `done`.
pub(crate) async fn show_working(screen: Screen, text: impl Fn() -> String, done: CancellationToken) {
    if screen.is_quiet() {
        return done.cancelled().await;
    }
    let spinner = screen.is_terminal().then(|| screen.bars().add(ProgressBar::new_spinner()));
    let mut next_line = Instant::now() + LINE;
    loop {
        // Both branches only wait; dropping either loses nothing.
        let over = tokio::select! {
            () = done.cancelled() => true,
            () = tokio::time::sleep(FRAME) => false,
        };
        if over {
            break;
        }
        match &spinner {
            Some(spinner) => {
                spinner.set_message(text());
                spinner.tick();
            }
            None if Instant::now() >= next_line => {
                next_line += LINE;
                screen.note(text());
            }
            None => {}
        }
    }
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
        screen.bars().remove(&spinner);
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bar:40} {pos}/{len}\n  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style.progress_chars("━╸─"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_shown_with_its_end() {
        let waits =
            |waiting, waiting_until| MeterReading { waiting, waiting_until, ..MeterReading::default() };
        assert_eq!(waiting_until(&waits(3, 1_700_000_000)).as_deref(), Some("22:13:20 UTC"));
        assert_eq!(waiting_until(&waits(0, 1_700_000_000)), None);
        assert_eq!(waiting_until(&waits(3, 0)), None);
    }
}
