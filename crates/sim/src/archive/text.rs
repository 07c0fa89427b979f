//! Texts in the database as Python wrote them.
//!
//! Owns `json.dumps` with its defaults (comma and blank, everything beyond ASCII escaped) and dates without a zone.
//! Refuses to know what they say.

use jiff::Timestamp;

/// A list of strings as `json.dumps` writes it: `[]` for none.
pub(crate) fn dumps<S: AsRef<str>>(list: &[S]) -> String {
    let items = list.iter().map(|item| dump(item.as_ref())).collect::<Vec<String>>();
    format!("[{}]", items.join(", "))
}

/// One string as `json.dumps` writes it.
pub(crate) fn dump(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

/// A list of strings, if a text is one.
pub(crate) fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// `2025-04-06 15:10:40.000000` for milliseconds since 1970 and a shift in hours.
pub(crate) fn date(ms: u64, hours: i64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX).saturating_add(hours * 3_600_000);
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_as_python_writes_them() {
        assert_eq!(dumps::<&str>(&[]), "[]");
        assert_eq!(dumps(&["a", "花\"\\\n🎆"]), r#"["a", "\u82b1\"\\\n\ud83c\udf86"]"#);
        assert_eq!(list(&dumps(&["花🎆"])), Some(vec!["花🎆".to_owned()]));
        assert_eq!(list("null"), None);
    }

    #[test]
    fn dates_have_six_decimals_and_no_zone() {
        assert_eq!(date(1_743_952_240_769, 0), "2025-04-06 15:10:40.769000");
        assert_eq!(date(1_743_952_240_000, 9), "2025-04-07 00:10:40.000000");
    }
}
