//! The one case-fold function: two names are the same to a destination when they fold alike.
//!
//! OneDrive and SharePoint compare names without case and treat NFC and NFD as one name
//! (reference/graph.md, section 12). The service's own table is not published, so its 409 wins over
//! this function; this one only has to find collisions before the first byte.

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

/// Folds a name or path for comparison: NFC, then lower case code point by code point, then NFC again.
///
/// Full case folding (`ß` to `ss`) is left out: NTFS-born services map one code unit to one code unit.
// Unverified: the exact folding table of SharePoint.
#[must_use]
pub fn fold(name: &str) -> String {
    name.nfc().map(upcase).nfc().collect()
}

/// Maps one character to upper case where that is a single character, as the services' tables do.
fn upcase(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// A stable 63-bit fingerprint of a folded name, small enough to be a column and an index key.
///
/// Equal fingerprints are a hint, never a verdict: whoever finds two compares the folded names.
#[must_use]
pub fn fold_hash(name: &str) -> i64 {
    let digest = Sha256::digest(fold(name).as_bytes());
    let mut first = [0_u8; 8];
    for (to, from) in first.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    i64::from_be_bytes(first) & i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_distinguish_names() {
        assert_eq!(fold("Été.WAV"), fold("e\u{301}te\u{301}.wav"));
        assert_eq!(fold("が会議.m4a"), fold("か\u{3099}会議.M4A"));
        assert_ne!(fold("会議"), fold("会儀"));
        assert_eq!(fold("straße"), fold("STRAßE"));
        assert_ne!(fold("strasse"), fold("straße"));
    }

    #[test]
    fn the_fingerprint_is_stable_over_versions() {
        assert_eq!(fold_hash("録音.WAV"), fold_hash("録音.wav"));
        assert_eq!(fold_hash("a"), fold_hash("A"));
        assert!(fold_hash("x") >= 0);
    }
}
