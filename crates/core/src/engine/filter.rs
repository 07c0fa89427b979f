//! Filters in rclone's words: include, exclude, min_size, max_size, since.
//!
//! A pattern that begins with `/` counts from the source folder; any other matches at the end of the
//! path, at a segment's start (`*.wav` finds every .wav file). `*` and `?` stay within a segment, `**`
//! crosses them, `{a,b}` is either. Matching is on the source's names, without case folding.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::Timestamp;

use crate::store::Entry;
use crate::words::{ByteSize, RelPath};

/// Why a pattern is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("pattern {pattern:?}")]
pub struct FilterError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it.
    #[source]
    pub source: globset::Error,
}

/// Which files take part.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
    /// Smallest size that takes part.
    pub min_size: Option<ByteSize>,
    /// Largest size that takes part.
    pub max_size: Option<ByteSize>,
    /// Modified at or after this moment.
    pub since: Option<Timestamp>,
    words: String,
}

impl Filters {
    /// Makes filters of patterns; empty lists filter nothing.
    ///
    /// # Errors
    /// Where a pattern is malformed.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        Ok(Self {
            include: set(include)?,
            exclude: set(exclude)?,
            words: format!("{include:?} {exclude:?}"),
            ..Self::default()
        })
    }

    /// True where this file takes part; `path` counts from the source folder.
    #[must_use]
    pub fn take(&self, path: &RelPath, entry: &Entry) -> bool {
        self.take_path(path)
            && self.min_size.is_none_or(|min| entry.size >= min)
            && self.max_size.is_none_or(|max| entry.size <= max)
            && self.since.is_none_or(|since| entry.times.modified.is_some_and(|m| m >= since))
    }

    /// The same for the path alone.
    #[must_use]
    pub fn take_path(&self, path: &RelPath) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(path.as_str()))
            && !self.exclude.as_ref().is_some_and(|set| set.is_match(path.as_str()))
    }

    /// A text that changes whenever the filters do.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{} {:?} {:?} {:?}", self.words, self.min_size, self.max_size, self.since)
    }
}

fn set(patterns: &[String]) -> Result<Option<GlobSet>, FilterError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        let wrap = |source| FilterError { pattern: pattern.clone(), source };
        let anchored = match pattern.strip_prefix('/') {
            Some(rest) => rest.to_owned(),
            None => format!("**/{pattern}"),
        };
        let anchored = if anchored.ends_with('/') { format!("{anchored}**") } else { anchored };
        builder.add(GlobBuilder::new(&anchored).literal_separator(true).build().map_err(wrap)?);
    }
    let wrap = |source| FilterError { pattern: patterns.join(", "), source };
    Ok(Some(builder.build().map_err(wrap)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        Filters::new(&own(include), &own(exclude)).unwrap().take_path(&RelPath::new(path).unwrap())
    }

    #[test]
    fn patterns_mean_what_rclone_users_expect() {
        assert!(takes(&["*.wav"], &[], "2025/会議/録音.wav"));
        assert!(!takes(&["*.wav"], &[], "2025/会議/録音.mp3"));
        assert!(takes(&["/2025/*.wav"], &[], "2025/録音.wav"));
        assert!(!takes(&["/2025/*.wav"], &[], "古い/2025/録音.wav"));
        assert!(!takes(&["/2025/*.wav"], &[], "2025/会議/録音.wav"));
        assert!(takes(&["/2025/**"], &[], "2025/会議/録音.wav"));
        assert!(takes(&["会議/"], &[], "2025/会議/録音.wav"));
        assert!(!takes(&["*.wav"], &["会議/**"], "2025/会議/録音.wav"));
        assert!(takes(&["*.{wav,m4a}"], &[], "録音.m4a"));
        assert!(Filters::new(&["[".to_owned()], &[]).is_err());
    }
}
