//! One row of the user's table, as it was read, and what is to be written into it.

use super::lists::JsonList;

/// Which post: the table and the text of its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct PostKey {
    /// The table.
    pub table: String,
    /// The id, as text.
    pub id: String,
}

impl PostKey {
    /// Names a post.
    #[must_use]
    pub fn new(table: impl Into<String>, id: impl Into<String>) -> Self {
        Self { table: table.into(), id: id.into() }
    }

    /// Reads `table/id`; the id may itself hold slashes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (table, id) = text.split_once('/')?;
        (!table.is_empty() && !id.is_empty()).then(|| Self::new(table, id))
    }
}

impl std::fmt::Display for PostKey {
    /// `table/id`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.table, self.id)
    }
}

/// One post as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The table it stands in.
    pub table: String,
    /// Its id, as text.
    pub id: String,
    /// Its author's name as recorded: hostile.
    pub username: String,
    /// The author's display name, where there is such a column: earlier folders were named by it.
    pub display: Option<String>,
    /// Its date as the database prints it; empty where there is none.
    pub date: String,
    /// The recorded media URLs.
    pub media: JsonList,
    /// The recorded local files; `None` where the table has no such column.
    pub local: Option<JsonList>,
    /// The recorded URLs of its backup.
    pub hub: JsonList,
    /// The mark of being backed up, where the table has one and it is set to something.
    pub uploaded: Option<bool>,
}

impl Post {
    /// Which post it is.
    #[must_use]
    pub fn key(&self) -> PostKey {
        PostKey::new(self.table.clone(), self.id.clone())
    }

    /// Everything that was read of the columns that may be written, to be compared when writing.
    #[must_use]
    pub fn expected(&self) -> Expected {
        Expected {
            media: self.media.raw.clone(),
            local: self.local.as_ref().and_then(|list| list.raw.clone()),
            hub: self.hub.raw.clone(),
        }
    }

    /// True where it has media and no backup.
    #[must_use]
    pub fn is_backlog(&self) -> bool {
        !self.media.items.is_empty() && !self.hub.holds_something()
    }

    /// True where a backup is recorded but the media it came from is not.
    #[must_use]
    pub fn lost_its_media(&self) -> bool {
        !self.hub.items.is_empty() && !self.media.holds_something()
    }

    /// Faults of its columns, with the words for them.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, super::ListFault)> {
        let local = self.local.as_ref().and_then(|list| list.fault);
        [("media", self.media.fault), ("local", local), ("hub", self.hub.fault)]
            .into_iter()
            .filter_map(|(column, fault)| fault.map(|fault| (column, fault)))
            .collect()
    }
}

/// The raw texts that were read; what is written is written only where they still stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Of the media URLs.
    pub media: Option<String>,
    /// Of the local files.
    pub local: Option<String>,
    /// Of the backup URLs.
    pub hub: Option<String>,
}

/// What is to be written; `None` leaves a column as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// New media URLs.
    pub media: Option<Vec<String>>,
    /// New local files; ignored where the table has no such column.
    pub local: Option<Vec<String>>,
    /// New backup URLs.
    pub hub: Option<Vec<String>>,
    /// The mark of being backed up; ignored where the table has none.
    pub uploaded: Option<bool>,
}

impl Update {
    /// True where nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What became of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written, or there was nothing to write.
    Done,
    /// The row no longer holds what was read; nothing was written. What stands there now, where the row
    /// is still there at all.
    Conflict {
        /// The post as it is now.
        now: Option<Box<Post>>,
    },
}
