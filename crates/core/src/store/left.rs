//! What stays behind at a source when bytes, names and times are moved: who was let in, earlier versions, labels.
//!
//! Owns the words. A source that knows of such things answers for them through [`Source::left_behind`]; what
//! could not be asked is named in the answer, because unknown is not absent.
//!
//! [`Source::left_behind`]: super::Source::left_behind

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Fee;
use crate::words::ItemKey;

/// A file or folder that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// What the source calls it; empty for the source's root.
    pub key: ItemKey,
    /// How a person knows it, for error texts.
    pub name: String,
    /// True for a folder.
    pub folder: bool,
}

/// What asking costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftPrices {
    /// How many things one request asks about.
    pub batch: usize,
    /// Each thing; its requests are counted by batches.
    pub each: u64,
    /// Further units for each that is shared.
    pub shared: u64,
    /// Further units for each file that has earlier versions.
    pub older: u64,
}

impl LeftPrices {
    /// The least that asking about so many things costs: the units where nothing is shared and nothing has a history.
    #[must_use]
    pub fn least(&self, things: u64) -> Fee {
        let batch = self.batch.max(1) as u64;
        Fee { requests: things.div_ceil(batch), units: things * self.each }
    }

    /// The most: every thing is shared, every file has a history.
    #[must_use]
    pub fn most(&self, files: u64, folders: u64) -> Fee {
        let least = self.least(files + folders);
        // Folders are asked before files, and the last batch of either may not be full.
        let (files_asked, folders_asked) = (self.least(files).requests, self.least(folders).requests);
        let all = files_asked + folders_asked;
        let shared = if self.shared > 0 { all } else { 0 };
        let older = if self.older > 0 { files_asked } else { 0 };
        Fee {
            requests: all + shared + older,
            units: least.units + (files + folders) * self.shared + files * self.older,
        }
    }
}

/// Who a grant lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Whoever has the link, without signing in.
    Anyone,
    /// Everybody of the organization who has the link.
    Organization,
    /// The people or groups that are named.
    People,
}

/// A person, a group or an application, as the service names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The address, or what identifies it where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mail: String,
}

/// One way in which somebody was let in. Never holds a link itself: that is a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The store's own id: the same at everything that inherits it.
    pub id: String,
    /// Whom.
    pub audience: Audience,
    /// Those that are named; may be empty for a link that nobody has used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
    /// What they may do, in the service's words: `read`, `write`, `owner`.
    pub role: String,
    /// By a link, and not directly.
    #[serde(default)]
    pub link: bool,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// It comes from a folder above.
    #[serde(default)]
    pub inherited: bool,
}

/// One of the things that are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// Who was let in.
    Sharing,
    /// Earlier versions.
    Versions,
    /// The sensitivity label.
    Sensitivity,
    /// The retention label.
    Retention,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sharing, Self::Versions, Self::Sensitivity, Self::Retention];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sharing => "sharing",
            Self::Versions => "versions",
            Self::Sensitivity => "sensitivity",
            Self::Retention => "retention",
        }
    }
}

/// Something that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unasked {
    /// What.
    pub aspect: Aspect,
    /// Why, in words.
    pub why: String,
}

/// What of one thing stays behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// Who was let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Versions older than the present one.
    #[serde(default)]
    pub older: u64,
    /// The sensitivity label's name, or its id where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<String>,
    /// The retention label's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// What could not be asked: of that nothing may be concluded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unasked>,
}

/// Characters of a reason that are kept.
const LENGTH: usize = 300;

impl LeftBehind {
    /// Nothing is known of it.
    #[must_use]
    pub fn unasked(folder: bool, why: &str) -> Self {
        let mut left = Self::default();
        // A folder has no versions.
        for aspect in Aspect::ALL.into_iter().filter(|aspect| !folder || *aspect != Aspect::Versions) {
            left.note_unasked(aspect, why);
        }
        left
    }

    /// Notes that one of its aspects could not be asked.
    pub fn note_unasked(&mut self, aspect: Aspect, why: &str) {
        let why = why.chars().take(LENGTH).collect();
        self.unknown.push(Unasked { aspect, why });
    }

    /// Grants that are its own.
    pub fn own(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| !grant.inherited)
    }

    /// True where there is nothing to say of it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.grants.is_empty()
            && self.older == 0
            && self.sensitivity.is_none()
            && self.retention.is_none()
            && self.unknown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_lies_between_nothing_shared_and_everything_shared() {
        let prices = LeftPrices { batch: 20, each: 1, shared: 5, older: 2 };
        assert_eq!(prices.least(41), Fee { requests: 3, units: 41 });
        assert_eq!(prices.most(40, 1), Fee { requests: 3 + 3 + 2, units: 41 + 205 + 80 });
        assert_eq!(prices.least(11).requests, 1);
        assert_eq!(prices.most(10, 1).requests, 2 + 2 + 1);
        assert_eq!(LeftPrices::default().most(3, 0), Fee { requests: 3, units: 0 });
    }

    #[test]
    fn what_was_not_asked_is_named_for_each_aspect() {
        let left = LeftBehind::unasked(true, "403");
        let aspects: Vec<&str> = left.unknown.iter().map(|one| one.aspect.name()).collect();
        assert_eq!(aspects, ["sharing", "sensitivity", "retention"]);
        assert!(!left.is_nothing());
        assert_eq!(LeftBehind::unasked(false, &"長".repeat(1000)).unknown[1].why.chars().count(), LENGTH);
    }

    #[test]
    fn it_is_read_back_as_it_was_kept() {
        let grant = Grant {
            id: "aTowIy5m".into(),
            audience: Audience::People,
            people: vec![Person { name: "山田 花子".into(), mail: "hanako@contoso.com".into() }],
            role: "write".into(),
            link: true,
            expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            inherited: false,
        };
        let left =
            LeftBehind { grants: vec![grant], retention: Some("7年".into()), ..LeftBehind::default() };
        let text = serde_json::to_string(&left).unwrap();
        assert_eq!(serde_json::from_str::<LeftBehind>(&text).unwrap(), left);
        assert_eq!(serde_json::from_str::<LeftBehind>("{}").unwrap(), LeftBehind::default());
    }
}
