//! A claim: one recorded URL of one post, and what its path says by itself.

use landfall_core::seal::Seal;
use landfall_stores::catalogue::{Kinds, Post, PostKey};

use crate::look::Shelves;

/// The longest URL that stands in a subject as it is, in bytes.
const LONGEST: usize = 1500;

/// Where an object lies: a repository and a path in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Owner and name.
    pub repo: String,
    /// The path from the repository's root.
    pub path: String,
}

impl Place {
    /// Names a place.
    #[must_use]
    pub fn new(repo: impl Into<String>, path: impl Into<String>) -> Self {
        Self { repo: repo.into(), path: path.into() }
    }

    /// The last segment of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that the object lies in by name: in all layouts the user's.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.path.rsplit('/').nth(1).unwrap_or_default()
    }
}

/// One recorded URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The post that records it.
    pub post: PostKey,
    /// The post's author.
    pub username: String,
    /// Its position in the list: it tells nothing of which media it is.
    pub position: usize,
    /// The text as recorded.
    pub url: String,
    /// The place that it names; `None` where it names none.
    pub place: Option<Place>,
}

/// What the last segment of a claim's path says of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// It unseals to this plain name.
    Sealed(String),
    /// It is a plain name, with the mark of an earlier uploader whose content is sealed all the same.
    Enc(String),
    /// It is a plain name.
    Plain(String),
    /// It can be read by nobody here: another key, or no name of a media file.
    Unreadable,
}

impl Claim {
    /// The claims of one post, in the order of the list.
    pub(crate) fn of(post: &Post, shelves: &dyn Shelves) -> Vec<Self> {
        let claim = |(position, url): (usize, &String)| Self {
            post: post.key(),
            username: post.username.clone(),
            position,
            url: url.clone(),
            place: shelves.parse(url),
        };
        post.hub.items.iter().enumerate().map(claim).collect()
    }

    /// What a verify calls it: unique in the job, and sorted by table and post.
    pub(crate) fn subject(&self) -> String {
        // Keys of an index are bounded, and what is recorded is not.
        match self.url.len() <= LONGEST {
            true => format!("{} {}", self.post, self.url),
            false => format!("{} #{:016x}", self.post, landfall_core::words::fold_hash(&self.url)),
        }
    }
}

/// Reads the last segment of a place.
pub(crate) fn name_of(place: &Place, seal: Option<&dyn Seal>) -> Name {
    let name = place.name();
    if let Some(plain) = name.strip_suffix(".enc").filter(|plain| has_extension(plain)) {
        return Name::Enc(plain.to_owned());
    }
    if let Some(plain) = seal.and_then(|seal| seal.plain_name(name)) {
        return Name::Sealed(plain);
    }
    match has_extension(name) {
        true => Name::Plain(name.to_owned()),
        false => Name::Unreadable,
    }
}

/// True where a plain name belongs to a post: its digits up to the first `_` or the extension are its id.
pub(crate) fn belongs(name: &str, id: &str) -> bool {
    name.strip_prefix(id).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (2..=5).contains(&extension.len())
            && extension.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Which kind of file a path is about: by its folders, else by its extension.
#[must_use]
pub fn kind_of(path: &str) -> Option<Kinds> {
    for segment in path.split('/') {
        if segment.ends_with("images") {
            return Some(Kinds::Images);
        }
        if segment.ends_with("videos") {
            return Some(Kinds::Videos);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_a_post_by_its_whole_number() {
        assert!(belongs("1908900169724363186_1.jpg", "1908900169724363186"));
        assert!(belongs("1908.jpg", "1908"));
        assert!(!belongs("19089_1.jpg", "1908"));
        assert!(!belongs("花_1.jpg", "1908"));
    }

    #[test]
    fn names_are_told_apart_without_a_key() {
        let read = |path: &str| name_of(&Place::new("me/絵", path), None);
        assert_eq!(read("images/花子/1_1.jpg"), Name::Plain("1_1.jpg".to_owned()));
        assert_eq!(read("encrypted_images/u/1/1_0.jpg.enc"), Name::Enc("1_0.jpg".to_owned()));
        assert_eq!(read("encrypted_images/u/g2liiurhi8tf1vepet2aqrt26pra5mim"), Name::Unreadable);
        assert_eq!(kind_of("batch_encrypted/u/encrypted_videos/u/x"), Some(Kinds::Videos));
        assert_eq!(kind_of("data/eventmonitor.db"), None);
    }
}
