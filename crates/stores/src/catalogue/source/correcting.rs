//! Corrections: what a repair has the database told beside what was sent.
//!
//! A correction names what it was decided on: the URL that gives way, or the column's whole text. Where that
//! no longer stands there nothing is written, and the owner hears of it.

use landfall_core::StoreError;
use landfall_core::store::{Holding, Owe};
use landfall_core::transport::Body;
use landfall_core::words::SourceId;
use serde::{Deserialize, Serialize};

use super::super::lists::JsonList;
use super::super::local::{LocalFile, local_error};
use super::super::post::{Post, PostKey, Update, Written};
use super::bytes::blocking;
use super::slot::{AtHand, Wanted};
use super::{CatalogueSource, Inner};

/// How often a row that changed under us is read again.
const TRIES: u32 = 4;

/// A list column of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListColumn {
    /// The media URLs.
    Media,
    /// The local files.
    Local,
    /// The backup URLs.
    Hub,
}

impl ListColumn {
    /// The word in messages and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Local => "local",
            Self::Hub => "hub",
        }
    }

    fn of(self, post: &Post) -> Option<&JsonList> {
        match self {
            Self::Media => Some(&post.media),
            Self::Local => post.local.as_ref(),
            Self::Hub => Some(&post.hub),
        }
    }
}

/// A correction of a post's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "correct", rename_all = "lowercase", deny_unknown_fields)]
pub enum Correction {
    /// A recorded backup URL gives way to another, which was shown to be there.
    Url {
        /// The recorded one.
        from: String,
        /// The one in its place.
        to: String,
    },
    /// A column is written anew, as long as it still holds the text that was read.
    Column {
        /// Which.
        column: ListColumn,
        /// The text that was read; none for NULL.
        was: Option<String>,
        /// Its elements from now on.
        items: Vec<String>,
    },
}

impl Correction {
    /// What is to be written; `None` where it already stands so, in words where it cannot be any more.
    fn update(&self, post: &Post) -> Result<Option<Update>, String> {
        match self {
            Self::Url { from, to } => {
                if let Some(fault) = post.hub.unreadable() {
                    return Err(format!("its backup URLs are no list any more ({})", fault.name()));
                }
                let mut hub = post.hub.items.clone();
                let there = hub.contains(to);
                match hub.iter().position(|url| url == from) {
                    Some(at) if there => {
                        hub.remove(at);
                    }
                    Some(at) => {
                        if let Some(url) = hub.get_mut(at) {
                            url.clone_from(to);
                        }
                    }
                    None if there => return Ok(None),
                    None => return Err("the URL to be corrected is no longer recorded".to_owned()),
                }
                Ok(Some(Update { hub: Some(hub), ..Update::default() }))
            }
            Self::Column { column, was, items } => {
                let Some(list) = column.of(post) else { return Ok(None) };
                if list.fault.is_none() && list.items == *items {
                    return Ok(None);
                }
                if list.raw != *was {
                    return Err(format!("the column {} was changed by another program", column.name()));
                }
                let items = Some(items.clone());
                Ok(Some(match column {
                    ListColumn::Media => Update { media: items, ..Update::default() },
                    ListColumn::Local => Update { local: items, ..Update::default() },
                    ListColumn::Hub => Update { hub: items, ..Update::default() },
                }))
            }
        }
    }
}

impl Inner {
    /// Writes one correction; the words of a conflict where it cannot be written any more.
    pub(super) async fn correct(
        &self,
        key: &PostKey,
        correction: &Correction,
    ) -> Result<Option<String>, StoreError> {
        let catalogue = &self.parts.catalogue;
        let mut now = catalogue.post(key).await?;
        for _ in 0..TRIES {
            let Some(post) = now else { return Ok(Some("the row is no longer there".to_owned())) };
            let update = match correction.update(&post) {
                Ok(Some(update)) => update,
                Ok(None) => return Ok(None),
                Err(words) => return Ok(Some(words)),
            };
            match catalogue.write(key, &post.expected(), &update).await? {
                Written::Done => return Ok(None),
                Written::Conflict { now: changed } => now = changed.map(|post| *post),
            }
        }
        Ok(Some(format!("the row was changed by another program {TRIES} times in a row")))
    }
}

impl CatalogueSource {
    /// A correction as the ledger's outbox keeps it.
    #[must_use]
    pub fn owe(&self, source: SourceId, post: &PostKey, correction: &Correction) -> Owe {
        let text = serde_json::to_string(correction).unwrap_or_default();
        Owe { source, subject: post.to_string(), text }
    }

    /// What a proven object is called in the database.
    #[must_use]
    pub fn url_of(&self, holding: &Holding) -> String {
        (self.0.parts.url_of)(holding)
    }

    /// The local files of a post that a plain name or a number means; two that fit are both given.
    ///
    /// # Errors
    /// Where a folder cannot be read: nothing may be concluded then.
    pub async fn find_local(&self, post: &Post, wanted: &Wanted) -> Result<Vec<LocalFile>, StoreError> {
        let (local, of, what) = (self.0.local.clone(), post.clone(), wanted.clone());
        let found = blocking(move || local.find(&of, &what)).await;
        found.map_err(|error| local_error("look for", &post.key().to_string(), error))
    }

    /// Reads a local file from its beginning.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn read_local(&self, file: &LocalFile) -> Result<Body, StoreError> {
        let size = file.size.0;
        let at = AtHand {
            lies: file.root.into(),
            path: file.path.as_str().to_owned(),
            size,
            modified: String::new(),
            sha256: String::new(),
        };
        self.0.read(&file.recorded(), &at, 0).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(hub: &str) -> Post {
        Post {
            table: "all_tweets".to_owned(),
            id: "19".to_owned(),
            username: "花子".to_owned(),
            display: None,
            date: String::new(),
            media: JsonList::default(),
            local: None,
            hub: JsonList::read(Some(hub.to_owned())),
            uploaded: None,
        }
    }

    #[test]
    fn a_url_is_corrected_in_its_place_and_only_while_it_stands_there() {
        let correction = Correction::Url { from: "b".to_owned(), to: "花".to_owned() };
        let hub = |text: &str| correction.update(&post(text)).map(|u| u.and_then(|u| u.hub));
        assert_eq!(hub(r#"["a", "b", "c"]"#).unwrap().unwrap(), ["a", "花", "c"]);
        assert_eq!(hub(r#"["a", "b", "花"]"#).unwrap().unwrap(), ["a", "花"]);
        assert_eq!(hub(r#"["a", "花"]"#).unwrap(), None);
        assert!(hub(r#"["a"]"#).is_err() && hub("null").is_err());
    }

    #[test]
    fn a_column_is_written_only_over_the_text_that_was_read() {
        let was = Some("null".to_owned());
        let correction = Correction::Column { column: ListColumn::Hub, was, items: Vec::new() };
        assert_eq!(correction.update(&post("null")).unwrap().unwrap().hub.unwrap(), Vec::<String>::new());
        assert_eq!(correction.update(&post("[]")).unwrap(), None);
        assert!(correction.update(&post(r#"["a"]"#)).is_err());
    }
}
