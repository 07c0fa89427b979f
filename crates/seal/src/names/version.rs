//! Versions in names: `-v2024-01-02-030405-678` at the end of what stands before the last dot.
//!
//! rclone takes such a part out before it encrypts the name of a file and puts it back in clear. So does
//! this module, including that a name may come back changed. Does not know how the rest is encoded.
//! Source: observed with rclone 1.75.2.

/// Bytes of a version.
const LENGTH: usize = 23;

/// The name without its version, and the version; `None` where the name has none with a valid date.
pub(crate) fn take(name: &str) -> Option<(String, &str)> {
    let (base, extension) = split(name);
    let start = base.len().checked_sub(LENGTH)?;
    let stamp = base.get(start..)?;
    valid(stamp).then(|| (format!("{}{extension}", base.get(..start).unwrap_or_default()), stamp))
}

/// Puts a version before the last dot.
pub(crate) fn put(name: &str, stamp: &str) -> String {
    let (base, extension) = split(name);
    format!("{base}{stamp}{extension}")
}

/// Parts the name before its last dot. A name whose only dot is its first character has no extension.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        None | Some(0) => (name, ""),
        Some(dot) => name.split_at_checked(dot).unwrap_or((name, "")),
    }
}

fn valid(stamp: &str) -> bool {
    let shape = "-vdddd-dd-dd-dddddd-ddd";
    let fits = stamp.len() == LENGTH
        && stamp.bytes().zip(shape.bytes()).all(|(byte, expected)| match expected {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        });
    let number = |from: usize, to: usize| stamp.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
    let parts = (number(2, 6), number(7, 9), number(10, 12), number(13, 15), number(15, 17), number(17, 19));
    let (true, (Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second))) = (fits, parts)
    else {
        return false;
    };
    (1..=days(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60
}

/// Days of a month; none for a month that is none.
fn days(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400) => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_with_a_date_that_exists_are_taken_out() {
        let taken = |name| take(name).map(|(rest, _)| rest);
        assert_eq!(taken("写真-v2024-02-29-235959-999.jpg").as_deref(), Some("写真.jpg"));
        assert_eq!(taken("写真-v2023-02-29-235959-999.jpg"), None);
        assert_eq!(taken("写真-v1900-02-29-000000-000.jpg"), None);
        assert_eq!(taken("写真-v2000-02-29-000000-000.jpg").as_deref(), Some("写真.jpg"));
        assert_eq!(taken("写真-v2024-13-01-000000-000.jpg"), None);
        assert_eq!(taken("写真-v2024-00-01-000000-000.jpg"), None);
        assert_eq!(taken("写真-v2024-04-31-000000-000.jpg"), None);
        assert_eq!(taken("写真-v2024-04-30-240000-000.jpg"), None);
        assert_eq!(taken("写真-v2024-04-30-235960-000.jpg"), None);
        assert_eq!(taken("写真-v2024-04-30-236000-000.jpg"), None);
        assert_eq!(taken("写真-v2024-04-30-235959-000"), Some("写真".to_owned()));
        assert_eq!(taken("写真-v2024-04-30-235959-000.tar.gz"), None);
        assert_eq!(taken("写真v2024-04-30-235959-000.jpg"), None);
        assert_eq!(taken("真-v2024-04-30-２３５９５９-000.jpg"), None);
    }

    #[test]
    fn a_name_of_nothing_but_a_version_comes_back_changed() {
        let (rest, stamp) = take("-v2024-01-02-030405-678.txt").unwrap();
        assert_eq!(rest, ".txt");
        assert_eq!(put(&rest, stamp), ".txt-v2024-01-02-030405-678");
        assert_eq!(put("花火.mp4", stamp), "花火-v2024-01-02-030405-678.mp4");
    }
}
