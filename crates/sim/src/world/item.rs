//! One file or folder of a drive.
//!
//! Owns the record and what is seldom set about it. Kept small, as a scenario may hold a million. Refuses to know
//! drives, requests and the wire.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::content::Content;
use crate::sharing::Shared;

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
    pub(crate) made_by: Editor,
    /// Who changed it last; the library's own rewriting counts for nobody.
    pub(crate) by: Editor,
    pub(crate) extra: Option<Box<Extra>>,
}

/// Who did something: the application, or a person by the index among the users. One byte, for a million items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Editor(u8);

impl Editor {
    pub(crate) const APP: Self = Self(0);

    /// A person; those behind the 255th share one number, as no scenario has so many.
    pub(crate) fn person(index: usize) -> Self {
        Self(u8::try_from(index + 1).unwrap_or(u8::MAX))
    }

    /// The index among the users; none for the application.
    pub(crate) fn user(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

/// Who does something, and when in whole seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hand {
    pub(crate) who: Editor,
    pub(crate) at: i64,
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
    /// What is really served where size and hash lie (labelled files, rot on a disk).
    pub(crate) served: Option<Content>,
    /// No write until then, and reads of content neither where `reads` says so.
    pub(crate) locked_until: Option<Timestamp>,
    /// The hash is not published before then.
    pub(crate) hash_at: Option<Timestamp>,
    /// Not found before then.
    pub(crate) visible_at: Option<Timestamp>,
    /// The file as it was sent, where the library rewrote it and nobody damaged it since.
    pub(crate) sent: Option<Content>,
    pub(crate) checked_out: bool,
    /// Earlier versions, oldest first.
    pub(crate) older: Vec<Version>,
    /// Who was let in, and labels.
    pub(crate) shared: Option<Box<Shared>>,
}

/// An earlier version of a file.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) content: Content,
    pub(crate) modified: i64,
    pub(crate) by: Editor,
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

    /// The number that the current version gets when it becomes an earlier one.
    pub(crate) fn next_version(&self) -> u32 {
        let older = self.extra.as_ref().and_then(|extra| extra.older.last());
        older.map_or(1, |version| version.number + 1)
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

    /// The bytes that were sent, where a library wrote into them, or else those that a download serves.
    pub(crate) fn meant(&self) -> Option<Content> {
        let sent = self.extra.as_ref().and_then(|extra| extra.sent.clone());
        sent.or_else(|| self.served())
    }

    /// The bytes that a download serves.
    pub(crate) fn served(&self) -> Option<Content> {
        let lie = self.extra.as_ref().and_then(|extra| extra.served.clone());
        lie.or_else(|| self.content().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_stays_small_and_knows_its_editors() {
        assert!(size_of::<Item>() <= 112, "{} bytes, and a scenario may hold a million", size_of::<Item>());
        assert_eq!(Editor::APP.user(), None);
        assert_eq!(Editor::person(7).user(), Some(7));
        assert_ne!(Editor::person(0), Editor::APP);
    }
}
