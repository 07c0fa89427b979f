//! How long the Hub wants silence: every way in which it says so, of which the longest counts.
//!
//! Owns the `RateLimit` headers and the wordings of refusals that users have quoted. Refuses to wait: it reads.
// Source: hub-docs rate-limits (draft-09 headers), read 2026-11; wordings: reference/media-catalogue.md 1.6.

use std::time::Duration;

use http::HeaderMap;

use crate::wire::{header_text, retry_after};

/// No stated wait is believed beyond a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What a refused action waits for where nobody says how long.
const ACTION: Duration = Duration::from_secs(3600);

/// What the `RateLimit` headers say of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// `api`, `resolvers` or `pages`.
    pub name: String,
    /// Requests left.
    pub left: u64,
    /// Seconds until the window ends.
    pub resets: u64,
    /// Requests a window; 0 where not told.
    pub quota: u64,
    /// The window in seconds; 0 where not told.
    pub window: u64,
}

/// Reads `RateLimit` and `RateLimit-Policy`; `None` where they are absent or something else.
#[must_use]
pub fn bucket(headers: &HeaderMap) -> Option<Bucket> {
    let text = header_text(headers, "ratelimit")?;
    let (name, rest) = text.trim().strip_prefix('"')?.split_once('"')?;
    let policy = header_text(headers, "ratelimit-policy").unwrap_or("");
    Some(Bucket {
        name: name.to_ascii_lowercase(),
        left: parameter(rest, 'r')?,
        resets: parameter(rest, 't')?,
        quota: parameter(policy, 'q').unwrap_or(0),
        window: parameter(policy, 'w').unwrap_or(0),
    })
}

/// The number of `;name=number`, in any case and with any spaces.
fn parameter(text: &str, name: char) -> Option<u64> {
    text.split([';', ',']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let mut key = key.trim().chars();
        (key.next()?.eq_ignore_ascii_case(&name) && key.next().is_none())
            .then(|| value.trim().parse().ok())?
    })
}

/// True where a 429 is not about a bucket of requests but about an action of its own (commits an hour): the bucket
/// still has something left, or the text says so.
pub(crate) fn is_action(headers: &HeaderMap, body: &str) -> bool {
    let text = body.to_ascii_lowercase();
    text.contains("rate limit for repository commits")
        || text.contains("quotas for action")
        || (!text.contains("quota of") && bucket(headers).is_some_and(|bucket| bucket.left > 0))
}

/// How long a 429 or 503 wants silence: the longest of the headers and of every wait that its text states, and a
/// second more. `None` where nothing is said at all (an HTML page of the servers in front).
#[must_use]
pub fn stated_wait(headers: &HeaderMap, body: &str) -> Option<Duration> {
    let (waits, windows) = durations(body);
    let action = is_action(headers, body);
    // While something is left in the bucket its end is not what is waited for.
    let refill =
        bucket(headers).filter(|bucket| bucket.left == 0).map(|bucket| Duration::from_secs(bucket.resets));
    let said = [retry_after(headers), refill, waits].into_iter().flatten().max();
    let wait = said.or(if action { Some(ACTION) } else { windows })?;
    Some(wait.saturating_add(Duration::from_secs(1)).min(LONGEST))
}

/// The longest wait and the longest length of a window that a text names.
fn durations(text: &str) -> (Option<Duration>, Option<Duration>) {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter(|word| !word.is_empty())
        .collect();
    let (mut waits, mut windows) = (None, None);
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or("");
        let Some((length, used)) = length(word, next) else { continue };
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or("");
        let after = words.get(at + used).copied().unwrap_or("");
        // "per 5 minutes period" and "current 300s window" tell the size of a quota, not a wait.
        let is_window =
            matches!(before, "per" | "every" | "each") || after.starts_with("window") || after == "period";
        let slot = if is_window { &mut windows } else { &mut waits };
        *slot = (*slot).max(Some(length));
    }
    (waits, windows)
}

/// A length that begins at this word (`271 seconds`, `5min`, `an hour`), and how many words it takes.
fn length(word: &str, next: &str) -> Option<(Duration, usize)> {
    let seconds = |number: u64, unit: u64| Duration::from_secs(number.saturating_mul(unit)).min(LONGEST);
    if matches!(word, "a" | "an" | "one") {
        return unit(next).filter(|_| next.len() > 1).map(|unit| (seconds(1, unit), 2));
    }
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = word.split_at(digits);
    let rest = rest.trim_end_matches('.');
    // A fraction counts as the next whole number.
    let number: u64 = number.parse().ok()?;
    if let Some(fraction) = rest.strip_prefix('.') {
        fraction.parse::<u64>().ok()?;
        return unit(next).map(|unit| (seconds(number.saturating_add(1), unit), 2));
    }
    match rest {
        "" => unit(next).map(|unit| (seconds(number, unit), 2)),
        joined => unit(joined).map(|unit| (seconds(number, unit), 1)),
    }
}

/// Seconds of a unit.
fn unit(word: &str) -> Option<u64> {
    match word.trim_end_matches('.') {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3600),
        "d" | "day" | "days" => Some(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    const FULL: &[(&str, &str)] = &[
        ("ratelimit", "\"api\";r=949;t=271"),
        ("ratelimit-policy", "\"fixed window\";\"api\";q=1000;w=300"),
    ];
    const EMPTY: &[(&str, &str)] = &[("ratelimit", "\"api\"; R=0; T=271")];

    #[test]
    fn the_headers_are_read_in_any_case() {
        let read = bucket(&headers(FULL)).unwrap();
        assert_eq!(
            (read.name.as_str(), read.left, read.resets, read.quota, read.window),
            ("api", 949, 271, 1000, 300)
        );
        assert_eq!(bucket(&headers(EMPTY)).unwrap().left, 0);
        for bad in ["", "api;r=1", "\"api\"", "\"api\";r=x;t=1"] {
            assert_eq!(bucket(&headers(&[("ratelimit", bad)])), None, "{bad}");
        }
    }

    #[test]
    fn every_wording_that_users_quoted_is_understood() {
        let wait = |text: &str| stated_wait(&HeaderMap::new(), text).map(|wait| wait.as_secs());
        for (text, seconds) in [
            ("You can retry this action in about 1 hour.", 3601),
            ("You can retry this action in about 2 hours. To reduce the number of commits, …", 7201),
            ("retry this action in about 59 minutes", 3541),
            ("you can retry this action in 30 seconds", 31),
            ("Please retry in 5 minutes.", 301),
            ("retry in 45 seconds", 46),
            ("retry in 2 hours", 7201),
            ("please wait for 90 seconds", 91),
            ("try again in 10 minutes", 601),
            ("You can retry this action in about an hour.", 3601),
            ("try again in a minute", 61),
            ("wait 1.5 minutes", 121),
            ("retry in 300s", 301),
            (
                "Retry after 271 seconds (949/1000 requests remaining in current 300s window). You have exceeded the \
                 rate limit for repository commits (128 per hour). You can retry this action in about 1 hour.",
                3601,
            ),
            (
                "You have exceeded our hourly quotas for action: commit (128 per hour). We invite you to retry later.",
                3601,
            ),
            (
                "We had to rate limit you, you hit the quota of 1000 api requests per 5 minutes period. Upgrade to a \
                 PRO user or Team/Enterprise organization account",
                301,
            ),
        ] {
            assert_eq!(wait(text), Some(seconds), "{text}");
        }
        assert_eq!(wait("<html><body>Too many requests 429</body></html>"), None);
    }

    #[test]
    fn the_longest_stated_wait_counts() {
        let hour = "You have exceeded the rate limit for repository commits (128 per hour). You can retry this action in about 1 hour.";
        assert_eq!(stated_wait(&headers(FULL), hour), Some(Duration::from_secs(3601)));
        let quota = "you hit the quota of 1000 api requests per 5 minutes period";
        assert_eq!(stated_wait(&headers(EMPTY), quota), Some(Duration::from_secs(272)));
        let with_header = headers(&[("retry-after", "4000"), EMPTY[0]]);
        assert_eq!(stated_wait(&with_header, hour), Some(Duration::from_secs(4001)));
        assert_eq!(stated_wait(&headers(&[("retry-after", "5")]), hour), Some(Duration::from_secs(3601)));
        let nothing = stated_wait(&headers(FULL), "Too many requests");
        assert_eq!(
            nothing,
            Some(Duration::from_secs(3601)),
            "a bucket with something left was not the cause"
        );
    }

    #[test]
    fn the_two_kinds_of_429_are_told_apart() {
        assert!(is_action(&headers(FULL), "exceeded the rate limit for repository commits (128 per hour)"));
        assert!(is_action(&headers(FULL), "no words"));
        assert!(is_action(&HeaderMap::new(), "exceeded our hourly quotas for action: commit (128 per hour)"));
        assert!(!is_action(&headers(EMPTY), "you hit the quota of 1000 api requests per 5 minutes period"));
        assert!(!is_action(&HeaderMap::new(), "<html>429</html>"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in any::<String>()) {
            if let Some(wait) = stated_wait(&HeaderMap::new(), &text) {
                prop_assert!(wait <= LONGEST);
            }
        }
    }
}
