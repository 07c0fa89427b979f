//! One file or folder of a drive.
//!
//! Owns the record and what is seldom set about it. Kept small, as a scenario may hold a million. Refuses to know
//! drives, requests and the wire.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::content::Content;

/// A file or folder. Times are whole seconds since 1970, as the service shows them.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: Box<str>,
    /// Index of the folder it is in; the root names itself.
    pub(crate) parent: u32,
    pub(crate) kind: Kind,
    /// When the service made it.
    pub(crate) created: i64,
    /// When the service last changed it.
    pub(crate) modified: i64,
    /// What the client said about its creation.
    pub(crate) fs_created: i64,
    /// What the client said about its last change.
    pub(crate) fs_modified: i64,
    pub(crate) etag: u32,
    pub(crate) ctag: u32,
    /// The number of its last change in the drive's log.
    pub(crate) change: u64,
    pub(crate) deleted: bool,
    /// Last changed by the application and not by a person.
    pub(crate) by_app: bool,
    pub(crate) extra: Option<Box<Extra>>,
}

/// File or folder.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Folder(Box<Folder>),
    File(Content),
}

/// What a folder holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    /// Children by folded name.
    pub(crate) children: BTreeMap<Box<str>, u32>,
    /// Bytes of everything below.
    pub(crate) size: u64,
}

/// What is set on few items.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) malware: bool,
    /// `oneNote` on the root of a notebook.
    pub(crate) package: Option<&'static str>,
    /// A shortcut: drive index and item index of what it points to.
    pub(crate) shortcut: Option<(usize, u32)>,
    /// What is really served where size and hash lie (labelled files).
    pub(crate) served: Option<Content>,
    /// No write until then, and reads of content neither where `reads` says so.
    pub(crate) locked_until: Option<Timestamp>,
    /// The hash is not published before then.
    pub(crate) hash_at: Option<Timestamp>,
    /// Not found before then.
    pub(crate) visible_at: Option<Timestamp>,
    /// The file as it was sent, where the library rewrote it.
    pub(crate) sent: Option<Content>,
    pub(crate) checked_out: bool,
    /// Earlier versions, oldest first.
    pub(crate) older: Vec<Version>,
}

/// An earlier version of a file.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) content: Content,
    pub(crate) modified: i64,
}

impl Item {
    pub(crate) fn folder(&self) -> Option<&Folder> {
        match &self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::File(_) => None,
        }
    }

    pub(crate) fn folder_mut(&mut self) -> Option<&mut Folder> {
        match &mut self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::File(_) => None,
        }
    }

    pub(crate) fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            Kind::Folder(_) => None,
        }
    }

    pub(crate) fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder(_))
    }

    /// Bytes of the current version, or of everything below a folder.
    pub(crate) fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.len(),
            Kind::Folder(folder) => folder.size,
        }
    }

    /// Number of versions, the current one included.
    pub(crate) fn versions(&self) -> usize {
        1 + self.extra.as_ref().map_or(0, |extra| extra.older.len())
    }

    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(Box::default)
    }

    pub(crate) fn visible(&self, now: Timestamp) -> bool {
        !self.deleted && self.extra.as_ref().and_then(|extra| extra.visible_at).is_none_or(|at| at <= now)
    }

    pub(crate) fn hash_known(&self, now: Timestamp) -> bool {
        self.extra.as_ref().and_then(|extra| extra.hash_at).is_none_or(|at| at <= now)
    }

    pub(crate) fn locked(&self, now: Timestamp) -> bool {
        self.extra.as_ref().and_then(|extra| extra.locked_until).is_some_and(|until| until > now)
    }

    /// The bytes that a download serves.
    pub(crate) fn served(&self) -> Option<Content> {
        let lie = self.extra.as_ref().and_then(|extra| extra.served.clone());
        lie.or_else(|| self.content().cloned())
    }
}
