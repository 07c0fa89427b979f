//! The two forms of a time in a log, written and read.
//!
//! RFC 3339 in whole seconds of UTC is what we write by default. The minute form of the older scripts
//! has no zone, so whoever writes or reads it says which zone is meant.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// How times are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// `2025-06-21T09:00:00Z`: RFC 3339, whole seconds, UTC.
    #[default]
    Rfc3339,
    /// `2025-06-21 09:00` in a zone, as the older scripts wrote it.
    Minute(TimeZone),
}

impl Stamp {
    /// Writes a time.
    #[must_use]
    pub fn write(&self, at: Timestamp) -> String {
        match self {
            Self::Rfc3339 => whole_second(at).to_string(),
            Self::Minute(zone) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        }
    }
}

/// Cuts a time to its whole second.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A time that was read, with how exact it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The beginning of the second or minute that was meant.
    pub(super) at: Timestamp,
    /// Length of what it stands for, in seconds: 1 or 60.
    pub(super) span: i64,
}

impl Read {
    /// True where `other` began after the whole span that this time stands for.
    pub(super) fn before(&self, other: Timestamp) -> bool {
        other.as_second() >= self.at.as_second() + self.span
    }
}

/// Reads RFC 3339, `2025-06-21 09:00` and `2025-06-21 09:00:00`, the last two also with slashes and
/// without leading zeros, as spreadsheets save them. A form without a zone is taken to be in `zone`.
pub(super) fn read(text: &str, zone: &TimeZone) -> Option<Read> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Read { at: whole_second(at), span: 1 });
    }
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut date = date.split(['-', '/']);
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    let mut time = time.split(':');
    let (hour, minute) = (number(time.next()?)?, number(time.next()?)?);
    let second = time.next();
    if date.next().is_some() || time.next().is_some() {
        return None;
    }
    let whole = second.map(|s| s.split('.').next().unwrap_or(s)).map_or(Some(0), number)?;
    let narrow = |n: i16| i8::try_from(n).ok();
    let local = civil::DateTime::new(
        year,
        narrow(month)?,
        narrow(day)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(whole)?,
        0,
    )
    .ok()?;
    let at = local.to_zoned(zone.clone()).ok()?.timestamp();
    Some(Read { at, span: if second.is_some() { 1 } else { 60 } })
}

fn number(text: &str) -> Option<i16> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokyo() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(9))
    }

    #[test]
    fn both_forms_are_written_and_read_back() {
        let at: Timestamp = "2025-06-21T00:00:59.9Z".parse().unwrap();
        assert_eq!(Stamp::Rfc3339.write(at), "2025-06-21T00:00:59Z");
        assert_eq!(Stamp::Minute(tokyo()).write(at), "2025-06-21 09:00");
        let read_back = read("2025-06-21 09:00", &tokyo()).unwrap();
        assert_eq!(read_back.at.to_string(), "2025-06-21T00:00:00Z");
        assert!(!read_back.before(at), "the same minute is not later");
        assert!(read_back.before("2025-06-21T00:01:00Z".parse().unwrap()));
        assert!(read("2025-06-21T00:00:58Z", &tokyo()).unwrap().before(at));
    }

    #[test]
    fn what_spreadsheets_and_scripts_save_is_read() {
        let wanted = "2025-06-21T00:05:00Z";
        for text in [
            "2025-06-21T00:05:00Z",
            "2025-06-21T09:05:00+09:00",
            "2025/6/21 9:05",
            "2025-06-21 09:05:00",
            "2025-06-21T09:05:00.123456",
        ] {
            assert_eq!(read(text, &tokyo()).unwrap().at.to_string(), wanted, "{text}");
        }
        for bad in
            ["", "yesterday", "2025-06-21", "2025-13-01 09:00", "21.06.2025 09:00", "2025-06-21 09:00:00:1"]
        {
            assert_eq!(read(bad, &tokyo()), None, "{bad:?} was taken");
        }
    }
}
