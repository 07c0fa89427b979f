//! The old checker's progress file: read so that its findings can be looked at again, written for whatever
//! still reads it.
//!
//! Its `false` meant "an exception was thrown", so it is taken as *unknown* and never as absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The old checker's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldProgress {
    /// Each URL and whether it was there.
    #[serde(default)]
    pub checked_urls: BTreeMap<String, bool>,
    /// How far it came.
    #[serde(default)]
    pub last_index: u64,
    /// Its totals.
    #[serde(default)]
    pub stats: OldStats,
}

/// The old checker's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldStats {
    /// URLs in all.
    #[serde(default)]
    pub total: u64,
    /// URLs that were looked at.
    #[serde(default)]
    pub checked: u64,
    /// Of these there.
    #[serde(default)]
    pub existing: u64,
    /// Of these not there.
    #[serde(default)]
    pub missing: u64,
    /// Of the missing those with a wrong path.
    #[serde(default)]
    pub wrong_path: u64,
}

impl OldProgress {
    /// Reads the file's text.
    ///
    /// # Errors
    /// In words, with the line, where it is not of that shape.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The URLs that the old checker did not find.
    #[must_use]
    pub fn doubtful(&self) -> Vec<&str> {
        self.checked_urls.iter().filter(|(_, there)| !**there).map(|(url, _)| url.as_str()).collect()
    }

    /// The file's text.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_shape_is_read_and_written() {
        let text = r#"{"checked_urls": {"https://a/花": true, "https://a/月": false}, "last_index": 2,
            "stats": {"total": 9, "checked": 2, "existing": 1, "missing": 1, "wrong_path": 0, "more": 1}}"#;
        let read = OldProgress::read(text).unwrap();
        assert_eq!(read.doubtful(), ["https://a/月"]);
        assert_eq!(OldProgress::read(&read.write()).unwrap(), read);
        assert!(OldProgress::read("[1]").is_err());
    }
}
