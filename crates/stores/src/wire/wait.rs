//! How long to wait: what a service asks for, and what we choose where it says nothing.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use landfall_core::Chance;

use super::call::header_text;

/// The longest Retry-After that is believed: a day is the longest window of the services' quotas.
const LONGEST: u64 = 24 * 3600;

/// First pause after a failure; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// Longest pause after a failure.
const CAP: Duration = Duration::from_secs(30);

/// Reads `Retry-After`, which is a number of seconds or (from proxies) a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header_text(headers, "retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(LONGEST)));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)));
    }
    // A date is measured against the answer's own date, so that our clock plays no part.
    let until = http_date(text)?;
    let from = http_date(header_text(headers, "date")?)?;
    let seconds = u64::try_from(until.as_second() - from.as_second()).unwrap_or(0);
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

/// Reads a date as HTTP writes it.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

/// The pause before the try after `failures` failures (1 or more), with jitter.
pub(crate) fn backoff(chance: &Chance, failures: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10));
    chance.jitter(doubled.min(CAP))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_str(v).unwrap()))
            .collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs));
        assert_eq!(read(&[("retry-after", "31")]), Some(Duration::from_secs(31)));
        assert_eq!(read(&[("retry-after", " 1.5 ")]), Some(Duration::from_millis(1500)));
        assert_eq!(read(&[("retry-after", "99999999999")]), Some(Duration::from_secs(86_400)));
        assert_eq!(
            read(&[
                ("retry-after", "Mon, 05 Jan 2026 00:01:00 GMT"),
                ("date", "Mon, 05 Jan 2026 00:00:00 GMT")
            ]),
            Some(Duration::from_secs(60))
        );
        for bad in ["", "soon", "-3", "NaN", "-0.5"] {
            assert_eq!(read(&[("retry-after", bad)]), None, "{bad}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_cap() {
        let chance = Chance::seeded(1);
        for (failures, most) in [(1, 500), (2, 1000), (4, 4000), (60, 30_000)] {
            let pause = backoff(&chance, failures).as_millis();
            assert!(pause <= most && pause >= most / 2, "{failures}: {pause}");
        }
    }
}
