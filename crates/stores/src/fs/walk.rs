//! The walk over a tree, a page at a time: only the folders from the root down to here are open.
//!
//! Memory is one page and one open folder a level, whatever the size of a folder. Two handles are open
//! for each level, so a tree deeper than half the process's limit of handles cannot be listed.

use std::io::{self, ErrorKind as Io};
use std::sync::Arc;

use async_trait::async_trait;
use cap_std::fs::{Dir, DirEntry, Metadata, ReadDir};
use landfall_core::digest::Digests;
use landfall_core::state::Reason;
use landfall_core::store::{Authors, Entry, Listed, ListedFolder, Listing, Page};
use landfall_core::words::ItemKey;
use landfall_core::{ByteSize, ErrorKind, StoreError, Times};

use super::errors::{Side, blocking};
use super::names::is_ours;
use super::place::{below, entry, parent_key, times};

/// Elements a page: large enough for few transactions, small enough for memory.
const PAGE: usize = 1000;

/// A folder under way.
struct Level {
    key: String,
    entries: ReadDir,
}

/// A tree under way.
struct Walk {
    side: Side,
    levels: Vec<Level>,
}

/// The listing of a whole tree. It has no cursor: a killed one begins anew.
pub(super) struct FsListing {
    side: Side,
    subject: String,
    stage: At,
    restarted: bool,
}

/// How far the listing is.
enum At {
    Start(Option<Arc<Dir>>),
    Within(Walk),
    /// Ended, or lost with a cancelled or failed page.
    End {
        complete: bool,
    },
}

impl FsListing {
    /// Lists below `root`; nothing where there is no root.
    pub(super) fn new(side: Side, subject: String, root: Option<Arc<Dir>>, restarted: bool) -> Self {
        Self { side, subject, stage: At::Start(root), restarted }
    }
}

#[async_trait]
impl Listing for FsListing {
    async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        let side = self.side;
        let stage = std::mem::replace(&mut self.stage, At::End { complete: false });
        let (walk, items) = match stage {
            At::End { complete: true } => {
                self.stage = At::End { complete: true };
                return Ok(None);
            }
            At::End { complete: false } => {
                let detail = "the listing broke off earlier";
                return Err(StoreError::new(ErrorKind::Stopped, "list", self.subject.clone(), detail));
            }
            At::Start(None) => (Walk { side, levels: Vec::new() }, Vec::new()),
            At::Start(Some(root)) => {
                blocking(side, "list", &self.subject, move || {
                    let root = Level { key: String::new(), entries: root.entries()? };
                    Walk { side, levels: vec![root] }.page()
                })
                .await?
            }
            At::Within(walk) => blocking(side, "list", &self.subject, move || walk.page()).await?,
        };
        let complete = walk.levels.is_empty();
        self.stage = if complete { At::End { complete } } else { At::Within(walk) };
        Ok(Some(Page { items, cursor: None, complete, restarted: std::mem::take(&mut self.restarted) }))
    }
}

impl Walk {
    fn page(mut self) -> io::Result<(Self, Vec<Listed>)> {
        let mut items = Vec::new();
        while items.len() < PAGE {
            let Some(level) = self.levels.last_mut() else { break };
            let Some(found) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let found = found?;
            let Some(key) = key_of(&level.key, &found, self.side, &mut items) else { continue };
            let parent = level.key.clone();
            if let Some(level) = visit(&parent, key, &found, &mut items)? {
                self.levels.push(level);
            }
        }
        Ok((self, items))
    }
}

/// The key of what was found; `None` where it is not walked into, and then it was said why.
fn key_of(parent: &str, found: &DirEntry, side: Side, items: &mut Vec<Listed>) -> Option<String> {
    let name = found.file_name();
    let Some(name) = name.to_str() else {
        items.push(hostile(parent, &name));
        return None;
    };
    if !(parent.is_empty() && is_ours(name)) {
        return Some(below(parent, name));
    }
    if side == Side::Source {
        items.push(ours(name));
    }
    None
}

/// Lists what was found; gives the level below where it is a folder.
fn visit(parent: &str, key: String, found: &DirEntry, items: &mut Vec<Listed>) -> io::Result<Option<Level>> {
    let name = key.rsplit('/').next().unwrap_or_default().to_owned();
    let metadata = match found.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return refused(error, skipped(parent, key, name, None, Reason::SourceDenied), items),
    };
    if !metadata.is_dir() {
        items.push(listed(parent, key, name, &metadata));
        return Ok(None);
    }
    match found.open_dir().and_then(|dir| dir.entries()) {
        Ok(entries) => {
            items.push(listed(parent, key.clone(), name, &metadata));
            Ok(Some(Level { key, entries }))
        }
        Err(error) => {
            let skipped = skipped(parent, key, name, Some(&metadata), Reason::SourceDenied);
            refused(error, skipped, items)
        }
    }
}

/// What vanished meanwhile was never there; what may not be read is skipped; the rest ends the listing.
fn refused(error: io::Error, skipped: Listed, items: &mut Vec<Listed>) -> io::Result<Option<Level>> {
    match error.kind() {
        Io::NotFound => Ok(None),
        Io::PermissionDenied => {
            items.push(skipped);
            Ok(None)
        }
        _ => Err(error),
    }
}

/// A destination's own folder, found at the root of a source.
pub(super) fn ours(name: &str) -> Listed {
    skipped("", name.to_owned(), name.to_owned(), None, Reason::Filtered)
}

/// A file, a folder, or what is neither.
pub(super) fn listed(parent: &str, key: String, name: String, metadata: &Metadata) -> Listed {
    if metadata.is_dir() {
        let (parent, times) = (parent_key(parent), times(metadata));
        let (key, authors) = (ItemKey(key), Authors::default());
        return Listed::Folder(ListedFolder { key, parent, name, times, child_count: None, authors });
    }
    if metadata.is_file() {
        return Listed::File(entry(parent, key, name, metadata));
    }
    skipped(parent, key, name, Some(metadata), Reason::Special)
}

/// A name that is not Unicode: shown with replacement characters, its key kept apart by the raw bytes.
pub(super) fn hostile(parent: &str, name: &std::ffi::OsStr) -> Listed {
    let shown = name.to_string_lossy().into_owned();
    let raw: String = name.as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let key = below(parent, &format!("{shown}#{raw}"));
    skipped(parent, key, shown, None, Reason::HostileName)
}

fn skipped(parent: &str, key: String, name: String, metadata: Option<&Metadata>, reason: Reason) -> Listed {
    let entry = match metadata {
        Some(metadata) => entry(parent, key, name, metadata),
        None => Entry {
            key: ItemKey(key),
            parent: parent_key(parent),
            name,
            size: ByteSize(0),
            times: Times::default(),
            revision: None,
            digests: Digests::none(),
            authors: Authors::default(),
        },
    };
    Listed::Skipped { entry, reason }
}
