//! Pages of a listing and what stands in them.

use async_trait::async_trait;

use crate::digest::Digests;
use crate::error::StoreError;
use crate::state::Reason;
use crate::words::{ByteSize, Cursor, ItemKey, Revision, Times};

/// The people who made a thing and last changed it, by name. None where a program did, or the place does not say:
/// what somebody did at a destination is told by this from what a service or a copying program did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors {
    /// Who made it.
    pub created: Option<String>,
    /// Who changed it last.
    pub modified: Option<String>,
}

/// One file as a store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the store calls it, unchanged by renames.
    pub key: ItemKey,
    /// The folder it lies in; `None` for the root.
    pub parent: Option<ItemKey>,
    /// Its name, exactly as given.
    pub name: String,
    /// Its size as published; may lie for labelled files.
    pub size: ByteSize,
    /// Its times.
    pub times: Times,
    /// Changes when it changes.
    pub revision: Option<Revision>,
    /// The digests that the store publishes, if any.
    pub digests: Digests,
    /// Whose it is.
    pub authors: Authors,
}

/// One folder as a store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFolder {
    /// What the store calls it.
    pub key: ItemKey,
    /// The folder it lies in; `None` for a child of the root.
    pub parent: Option<ItemKey>,
    /// Its name.
    pub name: String,
    /// Its times.
    pub times: Times,
    /// How many direct children the store says it has.
    pub child_count: Option<u64>,
    /// Whose it is.
    pub authors: Authors,
}

/// One element of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A file.
    File(Entry),
    /// A folder, or a package that is carried as one. The root itself is never listed as a folder.
    Folder(ListedFolder),
    /// Something that is listed and never moved.
    Skipped {
        /// What the store calls it, with its name, folder and size.
        entry: Entry,
        /// Why.
        reason: Reason,
    },
    /// Something that was there and no longer is.
    Gone(ItemKey),
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What stands in it, in the store's order; may be empty.
    pub items: Vec<Listed>,
    /// Where the listing can be taken up after this page; `None` where it would have to begin anew.
    pub cursor: Option<Cursor>,
    /// True for the last page: the cursor then begins the next incremental listing.
    pub complete: bool,
    /// True where an expired cursor made the store begin again: this page starts a full listing.
    pub restarted: bool,
}

/// A listing under way.
#[async_trait]
pub trait Listing: Send {
    /// The next page; `None` after the complete one.
    ///
    /// # Errors
    /// The listing can be taken up again from the last page's cursor.
    async fn next(&mut self) -> Result<Option<Page>, StoreError>;
}
