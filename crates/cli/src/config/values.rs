//! Small values as people write them: durations, sizes, moments, offsets.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::ByteSize;

/// Reads `20ms`, `6s`, `1.5m`, `2h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration like 20ms, 6s, 2m, 1h or 30d");
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// Reads a pause: as a duration, or a bare number of seconds as the older scripts took it (`0.2`).
pub(crate) fn pause(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| format!("{text:?} is no pause like 0.2 (seconds) or 200ms")),
        Err(_) => duration(text),
    }
}

/// Reads `512`, `100k`, `10M`, `1.5G`, `2T`: units of 1024, as rclone's filters have them.
pub(crate) fn size(text: &str) -> Option<ByteSize> {
    let text = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (number, shift) = match text.chars().last()? {
        'k' | 'K' => (text.get(..text.len() - 1)?, 10),
        'M' | 'm' => (text.get(..text.len() - 1)?, 20),
        'G' | 'g' => (text.get(..text.len() - 1)?, 30),
        'T' | 't' => (text.get(..text.len() - 1)?, 40),
        _ => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole =
        whole.parse::<u64>().ok()?.checked_shl(shift).filter(|n| n >> shift == whole.parse().unwrap_or(0))?;
    if !number.contains('.') {
        return Some(ByteSize(whole));
    }
    let digits = u32::try_from(part.len()).ok().filter(|n| *n <= 6)?;
    let fraction = (part.parse::<u64>().ok()? << shift) / 10_u64.pow(digits);
    Some(ByteSize(whole + fraction))
}

/// Reads RFC 3339, a date (midnight UTC), or an age like `30d` before `now`.
pub(crate) fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Some(at);
    }
    now.checked_sub(duration(text).ok()?).ok()
}

/// Reads `+09:00`, `-3:30`, `Z`.
pub(crate) fn offset(text: &str) -> Option<jiff::tz::Offset> {
    if text == "Z" {
        return Some(jiff::tz::Offset::UTC);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=23).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_says_its_unit() {
        for (text, millis) in [("0.2", 200), ("200ms", 200), ("0", 0), ("1.5s", 1500), (" 2 ", 2000)] {
            assert_eq!(pause(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["-1", "fast", "", "inf", "NaN"] {
            assert!(pause(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("20ms").unwrap(), Duration::from_millis(20));
        assert_eq!(duration("1.5m").unwrap(), Duration::from_secs(90));
        assert!(duration("6").is_err() && duration("-1s").is_err() && duration("6 weeks").is_err());
        for (text, bytes) in
            [("512", 512), ("100k", 102_400), ("10MiB", 10 << 20), ("1.5G", 3 << 29), ("2T", 2 << 40)]
        {
            assert_eq!(size(text), Some(ByteSize(bytes)), "{text}");
        }
        for bad in ["", "x", "10X", "-1", "1.k", "99999999999999999999", "9999999999T", "k"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_dates_times_or_ages() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let read = |text| moment(text, now).map(|t| t.to_string());
        assert_eq!(read("2025-06-21").as_deref(), Some("2025-06-21T00:00:00Z"));
        assert_eq!(read("2025-06-21T09:00:00+09:00").as_deref(), Some("2025-06-21T00:00:00Z"));
        assert_eq!(read("30d").as_deref(), Some("2026-01-01T12:00:00Z"));
        assert_eq!(read("昨日"), None);
        assert_eq!(offset("+09:00").map(jiff::tz::Offset::seconds), Some(32_400));
        assert_eq!(offset("-3:30").map(jiff::tz::Offset::seconds), Some(-12_600));
        assert_eq!(offset("09:00"), None);
    }
}
