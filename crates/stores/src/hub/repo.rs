//! The name of a dataset repository and the names that it rolls over to.
//!
//! Owns the rules for names and the numbering `NAME`, `NAME_2`, `NAME_3`. Refuses to know whether a repository
//! exists.
// Source: huggingface_hub 2.4.0, validators, read 2026-11; numbering: reference/media-catalogue.md 1.4.

use landfall_core::{ErrorKind, StoreError};

/// Longest name of a repository, in characters.
const LONGEST: usize = 96;

/// One dataset repository: `OWNER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId {
    owner: String,
    name: String,
}

impl RepoId {
    /// Reads `datasets/OWNER/NAME` or `OWNER/NAME`.
    ///
    /// # Errors
    /// Kind `Rejected` where it is no name of a dataset.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let bare = text.trim_matches('/');
        let bare = bare.strip_prefix("datasets/").unwrap_or(bare);
        let parts = bare.split_once('/').filter(|(owner, name)| is_name(owner) && is_name(name));
        let (owner, name) = parts.ok_or_else(|| {
            StoreError::new(
                ErrorKind::Rejected,
                "read the name of",
                text,
                "a dataset is named datasets/OWNER/NAME",
            )
        })?;
        Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The account or organisation.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name within it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that follows when this one is full: `X` and `X_1` give `X_2`, `X_2` gives `X_3`.
    #[must_use]
    pub fn next(&self) -> Self {
        let numbered = self.name.rsplit_once('_').and_then(|(stem, digits)| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let number = digits.parse::<u32>().ok().filter(|_| plain && !stem.is_empty())?;
            Some((stem, number))
        });
        let (stem, number) = numbered.unwrap_or((&self.name, 1));
        Self { owner: self.owner.clone(), name: format!("{stem}_{}", number.saturating_add(1).max(2)) }
    }
}

impl std::fmt::Display for RepoId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let edge = |c: Option<char>| c.is_some_and(|c| c != '-' && c != '.');
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(legal)
        && edge(text.chars().next())
        && edge(text.chars().last())
        && !text.contains("--")
        && !text.contains("..")
        && !text.to_ascii_lowercase().ends_with(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_bad_ones_refused() {
        let repo = RepoId::parse("datasets/me/EventMonitor").unwrap();
        assert_eq!(repo.to_string(), "me/EventMonitor");
        assert_eq!(RepoId::parse("me/EventMonitor").unwrap(), repo);
        for bad in [
            "EventMonitor",
            "me/",
            "me/../x",
            "me/a/b",
            "me/a--b",
            "me/-a",
            "me/a.git",
            "me/録音",
            "models/a/b",
        ] {
            assert!(RepoId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_full_repository_rolls_over_to_the_next_number() {
        let next = |name: &str| RepoId::parse(&format!("me/{name}")).unwrap().next().name().to_owned();
        assert_eq!(next("X"), "X_2");
        assert_eq!(next("X_1"), "X_2");
        assert_eq!(next("X_2"), "X_3");
        assert_eq!(next("X_y"), "X_y_2");
        assert_eq!(next("X_9"), "X_10");
    }
}
