//! Relative paths as every store writes them: forward slashes, never absolute, no way out.

use serde::{Deserialize, Serialize};

/// A path below some root: segments joined by `/`, never empty segments, `.`, `..` or NUL.
///
/// The empty path names the root itself. Names are kept exactly as given (NFC or NFD, any case):
/// a path is evidence. Backslashes are ordinary characters here; a destination that cannot hold one
/// says so by its own name rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

/// Why a text is not a relative path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It begins with a slash.
    #[error("{0:?} is absolute")]
    Absolute(String),
    /// A segment is empty, `.` or `..`.
    #[error("{0:?} has the segment {1:?}, which leads out of its folder or nowhere")]
    Segment(String, String),
    /// A NUL stands in it.
    #[error("{0:?} holds a NUL character")]
    Nul(String),
}

impl RelPath {
    /// The root itself.
    #[must_use]
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Takes a path as given.
    ///
    /// # Errors
    /// When it is absolute, has an empty, `.` or `..` segment, or holds a NUL.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() {
            return Ok(Self(text));
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute(text));
        }
        if text.contains('\0') {
            return Err(PathError::Nul(text));
        }
        if let Some(bad) = text.split('/').find(|s| s.is_empty() || *s == "." || *s == "..") {
            let bad = bad.to_owned();
            return Err(PathError::Segment(text, bad));
        }
        Ok(Self(text))
    }

    /// Takes a path as people write it in a configuration: outer slashes are ignored.
    ///
    /// # Errors
    /// As [`RelPath::new`].
    pub fn lenient(text: &str) -> Result<Self, PathError> {
        Self::new(text.trim_matches('/'))
    }

    /// Appends one name.
    ///
    /// # Errors
    /// When the name is empty, `.`, `..`, or holds a slash or NUL.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        if name.contains('/') || name.is_empty() {
            return Err(PathError::Segment(self.0.clone(), name.to_owned()));
        }
        let tail = Self::new(name)?;
        Ok(self.concat(&tail))
    }

    /// Appends a whole path.
    #[must_use]
    pub fn concat(&self, tail: &Self) -> Self {
        match (self.0.is_empty(), tail.0.is_empty()) {
            (true, _) => tail.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, tail.0)),
        }
    }

    /// The path text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last segment; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The path without its last segment; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(self.0.rsplit_once('/').map_or_else(Self::root, |(head, _)| Self(head.to_owned())))
    }

    /// The segments in order; none for the root.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|s| !s.is_empty())
    }

    /// What follows `base`, where this path lies in it by folded names; the root when it is `base` itself.
    #[must_use]
    pub fn below(&self, base: &Self) -> Option<Self> {
        let mut mine = self.segments();
        for wanted in base.segments() {
            let have = mine.next()?;
            if have != wanted && super::fold(have) != super::fold(wanted) {
                return None;
            }
        }
        Some(Self(mine.collect::<Vec<_>>().join("/")))
    }
}

impl std::fmt::Display for RelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for RelPath {
    type Error = PathError;
    fn try_from(value: String) -> Result<Self, PathError> {
        Self::new(value)
    }
}

impl From<RelPath> for String {
    fn from(value: RelPath) -> Self {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ways_out_are_refused() {
        for bad in ["/a", "a//b", "a/", "../a", "a/..", "a/./b", "a\0b"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?} was taken");
        }
        assert!(RelPath::root().join("..").is_err());
        assert!(RelPath::root().join("a/b").is_err());
    }

    #[test]
    fn below_compares_as_a_destination_does() {
        let base = RelPath::new("Recordings/か\u{3099}").unwrap();
        let path = RelPath::new("recordings/が/会議.wav").unwrap();
        assert_eq!(path.below(&base).unwrap().as_str(), "会議.wav");
        assert_eq!(base.below(&base).unwrap(), RelPath::root());
        assert!(RelPath::new("Recordings2/が").unwrap().below(&base).is_none());
    }

    proptest! {
        #[test]
        fn parent_and_name_rebuild_the_path(parts in proptest::collection::vec("[^/\\.\0][^/\0]{0,8}", 1..6)) {
            let path = RelPath::new(parts.join("/")).unwrap();
            prop_assert_eq!(path.parent().unwrap().join(path.name()).unwrap(), path);
        }
    }
}
