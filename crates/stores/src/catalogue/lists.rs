//! Lists as the user's database keeps them: a JSON array of strings in a text, as Python's `json.dumps` writes it.
//!
//! NULL, the empty text and `[]` all mean that there is none. What is no list of strings is kept as it
//! stands with its fault, and never written over. It knows no database.

use std::fmt::Write as _;

/// What is wrong with a list as it stands in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListFault {
    /// No JSON.
    Malformed,
    /// JSON, but no array.
    NotAnArray,
    /// The JSON `null` as a text: it means that there is none, and may be written over.
    NullText,
    /// An array with something else than strings in it.
    NotStrings,
    /// The bytes are no UTF-8.
    NotText,
    /// A list of strings in which one occurs twice. It can be read, and written.
    Duplicates,
}

impl ListFault {
    /// The word in messages and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAnArray => "not-an-array",
            Self::NullText => "null-text",
            Self::NotStrings => "not-strings",
            Self::NotText => "not-text",
            Self::Duplicates => "duplicates",
        }
    }

    /// True where what stands there cannot be taken for a list.
    #[must_use]
    pub fn is_unreadable(self) -> bool {
        !matches!(self, Self::Duplicates | Self::NullText)
    }
}

/// One list column of a post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonList {
    /// The column exactly as read; `None` for SQL NULL.
    pub raw: Option<String>,
    /// Its elements in order; none where it cannot be read.
    pub items: Vec<String>,
    /// What is wrong with it, if anything.
    pub fault: Option<ListFault>,
}

impl JsonList {
    /// Reads a column. Never fails: what is wrong stands in `fault`.
    #[must_use]
    pub fn read(raw: Option<String>) -> Self {
        let text = raw.as_deref().unwrap_or_default().trim();
        let (items, fault) = if text.is_empty() { (Vec::new(), None) } else { parse(text) };
        Self { raw, items, fault }
    }

    /// A column whose bytes are no text.
    pub(super) fn not_text() -> Self {
        Self { raw: None, items: Vec::new(), fault: Some(ListFault::NotText) }
    }

    /// The fault, where there is one that keeps the list from being read.
    #[must_use]
    pub fn unreadable(&self) -> Option<ListFault> {
        self.fault.filter(|fault| fault.is_unreadable())
    }

    /// True where it holds something, readable or not.
    #[must_use]
    pub fn holds_something(&self) -> bool {
        !self.items.is_empty() || self.unreadable().is_some()
    }

    /// Writes a list as Python's `json.dumps` does: `, ` between elements, everything but ASCII escaped,
    /// characters beyond the basic plane as surrogate pairs, `[]` for none.
    #[must_use]
    pub fn dump(items: &[String]) -> String {
        let mut text = String::from("[");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            dump_string(&mut text, item);
        }
        text.push(']');
        text
    }
}

fn parse(text: &str) -> (Vec<String>, Option<ListFault>) {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return (Vec::new(), Some(ListFault::Malformed));
    };
    let array = match value {
        serde_json::Value::Array(array) => array,
        serde_json::Value::Null => return (Vec::new(), Some(ListFault::NullText)),
        _ => return (Vec::new(), Some(ListFault::NotAnArray)),
    };
    let mut items = Vec::with_capacity(array.len());
    for element in array {
        match element {
            serde_json::Value::String(item) => items.push(item),
            _ => return (Vec::new(), Some(ListFault::NotStrings)),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let doubled = !items.iter().all(|item| seen.insert(item));
    (items, doubled.then_some(ListFault::Duplicates))
}

fn dump_string(text: &mut String, item: &str) {
    text.push('"');
    for character in item.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            // Python leaves DEL as it is: only what is below the space or beyond ASCII is escaped.
            ' '..='\u{7f}' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing into a String cannot fail.
                    let _: std::fmt::Result = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> JsonList {
        JsonList::read(Some(text.to_owned()))
    }

    #[test]
    fn null_the_empty_text_and_an_empty_array_all_mean_none() {
        for raw in [None, Some(""), Some("  "), Some("[]"), Some("[ ]")] {
            let read = JsonList::read(raw.map(str::to_owned));
            assert_eq!((read.items.len(), read.fault), (0, None), "{raw:?}");
            assert!(!read.holds_something());
        }
    }

    #[test]
    fn what_is_no_list_of_strings_keeps_its_text_and_its_fault() {
        for (text, fault) in [
            ("[\"a\",", ListFault::Malformed),
            ("https://pbs.twimg.com/media/花", ListFault::Malformed),
            ("\"https://pbs.twimg.com/media/KEY\"", ListFault::NotAnArray),
            ("{\"a\": 1}", ListFault::NotAnArray),
            ("[\"a\", null]", ListFault::NotStrings),
            ("[\"\\ud800\"]", ListFault::Malformed),
        ] {
            let read = list(text);
            assert_eq!((read.items.len(), read.unreadable()), (0, Some(fault)), "{text}");
            assert_eq!(read.raw.as_deref(), Some(text));
        }
        let null = list("null");
        assert_eq!((null.fault, null.holds_something()), (Some(ListFault::NullText), false));
        let doubled = list(r#"["a", "b", "a"]"#);
        assert_eq!((doubled.items.len(), doubled.unreadable()), (3, None));
        assert_eq!(doubled.fault, Some(ListFault::Duplicates));
    }

    #[test]
    fn lists_are_written_to_the_letter_as_python_writes_them() {
        let dump =
            |items: &[&str]| JsonList::dump(&items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(dump(&[]), "[]");
        assert_eq!(dump(&["a", "b"]), r#"["a", "b"]"#);
        assert_eq!(dump(&["images/花子/1_1.jpg"]), r#"["images/\u82b1\u5b50/1_1.jpg"]"#);
        assert_eq!(dump(&["🌸\u{7f}é/\"\\\n\u{1}"]), "[\"\\ud83c\\udf38\u{7f}\\u00e9/\\\"\\\\\\n\\u0001\"]");
    }

    /// Python's own word for many texts at once; without Python the fixed vectors above stand alone.
    fn python(lists: &[Vec<String>]) -> Option<Vec<String>> {
        use std::io::Write as _;
        let script = "import json,sys\nfor line in sys.stdin:\n print(json.dumps(json.loads(line)))";
        let mut child = std::process::Command::new("python3")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .ok()?;
        let mut input = child.stdin.take()?;
        for list in lists {
            writeln!(input, "{}", serde_json::to_string(list).unwrap()).ok()?;
        }
        drop(input);
        let said = String::from_utf8(child.wait_with_output().ok()?.stdout).unwrap();
        Some(said.lines().map(str::to_owned).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn any_list_is_written_as_python_writes_it_and_read_back(
            lists in proptest::collection::vec(proptest::collection::vec(any::<String>(), 0..4), 64)
        ) {
            let ours: Vec<String> = lists.iter().map(|items| JsonList::dump(items)).collect();
            for (items, text) in lists.iter().zip(&ours) {
                prop_assert_eq!(&JsonList::read(Some(text.clone())).items, items);
            }
            if let Some(theirs) = python(&lists) {
                prop_assert_eq!(theirs, ours);
            }
        }
    }
}
