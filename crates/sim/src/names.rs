//! What a file may be called, and when two names are the same name.
//!
//! Owns the rules of `graph.md`, section 12: illegal characters, reserved names, lengths, and the equality of names
//! by case and Unicode form. Refuses to know items.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The longest path below the host, decoded, in UTF-16 units.
pub(crate) const PATH_LIMIT: usize = 400;
const SEGMENT_LIMIT: usize = 255;

/// Why a name is refused: the inner code that the service gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadName {
    Characters,
    Reserved,
    TooLong,
}

impl BadName {
    pub(crate) fn inner_code(self) -> &'static str {
        match self {
            Self::Characters => "nameContainsInvalidCharacters",
            Self::Reserved => "invalidPath",
            Self::TooLong => "pathIsTooLong",
        }
    }
}

/// Names that differ only in case or in composition have the same key.
pub(crate) fn fold(name: &str) -> Box<str> {
    if name.is_ascii() {
        return name.to_ascii_lowercase().into_boxed_str();
    }
    let composed: String = if is_nfc(name) { name.to_owned() } else { name.nfc().collect() };
    let lowered = composed.to_lowercase();
    if is_nfc(&lowered) {
        lowered.into_boxed_str()
    } else {
        lowered.nfc().collect::<String>().into_boxed_str()
    }
}

/// Length as the service counts it.
pub(crate) fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Checks one name for a file or folder in a folder.
pub(crate) fn check(name: &str, at_library_root: bool, is_folder: bool) -> Result<(), BadName> {
    let illegal =
        |c: char| c.is_control() || matches!(c, '"' | '*' | ':' | '<' | '>' | '?' | '/' | '\\' | '|');
    if name.is_empty() || name.chars().any(illegal) {
        return Err(BadName::Characters);
    }
    if name.starts_with(' ') || name.ends_with(' ') || name.ends_with('.') {
        return Err(BadName::Characters);
    }
    if utf16_len(name) > SEGMENT_LIMIT {
        return Err(BadName::TooLong);
    }
    if reserved(&name.to_lowercase(), at_library_root, is_folder) {
        return Err(BadName::Reserved);
    }
    Ok(())
}

fn reserved(lower: &str, at_library_root: bool, is_folder: bool) -> bool {
    let device = |prefix: &str| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.chars().all(|c| c.is_ascii_digit()))
    };
    matches!(lower, ".lock" | "con" | "prn" | "aux" | "nul" | "desktop.ini" | "_vti_")
        || device("com")
        || device("lpt")
        || lower.contains("_vti_")
        || lower.starts_with("~$")
        || (is_folder && lower.starts_with('~'))
        || (at_library_root && lower == "forms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_tell_names_apart() {
        assert_eq!(fold("会議録音.WAV"), fold("会議録音.wav"));
        assert_eq!(fold("ガイド.wav"), fold("カ\u{3099}イト\u{3099}.wav"));
        assert_ne!(fold("東京.wav"), fold("京都.wav"));
    }

    #[test]
    fn refused_names_are_refused_for_their_reason() {
        for name in ["a:b", "a*b", "問?", "x\u{1}", " a", "a ", "a.", ""] {
            assert_eq!(check(name, false, false), Err(BadName::Characters), "{name:?}");
        }
        for name in ["CON", "com1", "LPT9", "desktop.ini", ".lock", "a_vti_b", "~$plan.docx"] {
            assert_eq!(check(name, false, false), Err(BadName::Reserved), "{name:?}");
        }
        assert_eq!(check("forms", true, true), Err(BadName::Reserved));
        assert_eq!(check("forms", false, true), Ok(()));
        assert_eq!(check("~x", false, true), Err(BadName::Reserved));
        assert_eq!(check("~x", false, false), Ok(()));
        assert_eq!(check(&"あ".repeat(256), false, false), Err(BadName::TooLong));
        assert_eq!(check("録音 #1 100%'+.wav", true, false), Ok(()));
    }
}
