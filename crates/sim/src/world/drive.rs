//! One drive or document library: a tree of items and its change log.
//!
//! Owns names within folders, sizes up the tree, versions, tags and the numbering of changes. Every change of an
//! item goes through here. Refuses to know HTTP, faults and who asks.

use std::collections::BTreeMap;

use crate::content::Content;
use crate::ids::{Guid, IdSpace};
use crate::names::fold;
use crate::office::Library;
use crate::world::item::{Editor, Extra, Hand, Item, Kind, Version};

/// A drive with everything in it.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) id: String,
    pub(crate) ids: IdSpace,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    /// Index of the site that holds it; every personal drive has a site of its own.
    pub(crate) site: usize,
    pub(crate) list: Guid,
    /// The last part of its web address, for example `Shared Documents`.
    pub(crate) segment: String,
    pub(crate) items: Vec<Item>,
    /// Items by the number of their latest change.
    pub(crate) changes: BTreeMap<u64, u32>,
    pub(crate) last_change: u64,
    /// Names held by open upload sessions.
    pub(crate) reserved: BTreeMap<(u32, Box<str>), String>,
    /// Capacity in bytes.
    pub(crate) quota: u64,
    /// Bytes of all versions, and of what lies in the recycle bin.
    pub(crate) used: u64,
    pub(crate) recycled: u64,
    pub(crate) state: DriveState,
    /// The columns that a library writes into its files; none leaves them as they are.
    pub(crate) library: Option<Box<Library>>,
    pub(crate) requires_checkout: bool,
    /// Something in it is shared or labelled, or was.
    pub(crate) sharing: bool,
    /// Delta tokens older than this change are answered with 410.
    pub(crate) oldest_token: u64,
}

/// Whose drive it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// OneDrive of the user at this index.
    User(usize),
    /// Document library of a site.
    Library,
}

impl Owner {
    /// Who made what a drive begins with.
    pub(crate) fn person(self) -> Editor {
        match self {
            Self::User(index) => Editor::person(index),
            Self::Library => Editor::person(0),
        }
    }
}

/// Whether the drive can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriveState {
    Normal,
    /// Reads work, writes get 423.
    ReadOnly,
    /// Everything gets 423 `resourceLocked`.
    Locked,
    /// Everything gets 403 `siteArchived`.
    Archived,
}

/// Client times of an item, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

impl Times {
    pub(crate) fn both(at: i64) -> Self {
        Self { created: at, modified: at }
    }
}

/// What a drive is made from.
#[derive(Debug)]
pub(crate) struct DriveSeed {
    pub(crate) seed: u64,
    pub(crate) name: String,
    pub(crate) segment: String,
    pub(crate) owner: Owner,
    pub(crate) site: usize,
    pub(crate) site_guid: Guid,
    pub(crate) web_guid: Guid,
}

impl Drive {
    pub(crate) fn new(from: DriveSeed, now: i64) -> Self {
        let owner = from.owner.person();
        let list = Guid::derived(from.seed ^ 0x6c69_7374);
        let root = Item {
            name: "root".into(),
            parent: 0,
            kind: Kind::Folder(Box::default()),
            created: now,
            modified: now,
            fs_created: now,
            fs_modified: now,
            etag: 1,
            ctag: 0,
            change: 1,
            deleted: false,
            made_by: owner,
            by: owner,
            extra: None,
        };
        Self {
            id: IdSpace::drive_id(from.site_guid, from.web_guid, list),
            ids: IdSpace::new(from.seed),
            name: from.name,
            owner: from.owner,
            site: from.site,
            list,
            segment: from.segment,
            items: vec![root],
            changes: BTreeMap::from([(1, 0)]),
            last_change: 1,
            reserved: BTreeMap::new(),
            quota: 1 << 40,
            used: 0,
            recycled: 0,
            state: DriveState::Normal,
            library: None,
            requires_checkout: false,
            sharing: false,
            oldest_token: 0,
        }
    }

    pub(crate) fn item(&self, index: u32) -> Option<&Item> {
        self.items.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn item_mut(&mut self, index: u32) -> Option<&mut Item> {
        self.items.get_mut(usize::try_from(index).ok()?)
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    /// The child of a folder, by any spelling of its name.
    pub(crate) fn child(&self, folder: u32, name: &str) -> Option<u32> {
        self.item(folder)?.folder()?.children.get(&fold(name)).copied()
    }

    /// Follows a path from a folder down.
    pub(crate) fn walk<'a>(&self, from: u32, path: impl IntoIterator<Item = &'a str>) -> Option<u32> {
        path.into_iter().try_fold(from, |at, segment| self.child(at, segment))
    }

    /// Names from the root down to the item, without the root.
    pub(crate) fn path(&self, index: u32) -> Vec<&str> {
        let mut names = Vec::new();
        let mut at = index;
        while at != 0 {
            let Some(item) = self.item(at) else { break };
            names.push(&*item.name);
            at = item.parent;
        }
        names.reverse();
        names
    }

    /// Whether `index` is `ancestor` or lies below it.
    pub(crate) fn is_below(&self, index: u32, ancestor: u32) -> bool {
        let mut at = index;
        loop {
            if at == ancestor {
                return true;
            }
            match self.item(at) {
                Some(item) if at != 0 => at = item.parent,
                _ => return false,
            }
        }
    }

    /// Gives an item the next number of the change log.
    pub(crate) fn touch(&mut self, index: u32) {
        self.last_change += 1;
        let change = self.last_change;
        let Some(item) = self.item_mut(index) else { return };
        let before = item.change;
        item.change = change;
        item.etag += 1;
        self.changes.remove(&before);
        self.changes.insert(change, index);
    }

    /// Adds a file or folder. The name must be free.
    pub(crate) fn add(&mut self, parent: u32, name: &str, kind: Kind, times: Times, hand: Hand) -> u32 {
        let index = self.count();
        let size = match &kind {
            Kind::File(content) => content.len(),
            Kind::Folder(_) => 0,
        };
        self.last_change += 1;
        let ctag = u32::from(matches!(kind, Kind::File(_)));
        self.items.push(Item {
            name: name.into(),
            parent,
            kind,
            created: hand.at,
            modified: hand.at,
            fs_created: times.created,
            fs_modified: times.modified,
            etag: 1,
            ctag,
            change: self.last_change,
            deleted: false,
            made_by: hand.who,
            by: hand.who,
            extra: None,
        });
        self.changes.insert(self.last_change, index);
        if let Some(folder) = self.item_mut(parent).and_then(Item::folder_mut) {
            folder.children.insert(fold(name), index);
        }
        self.used += size;
        self.resize(parent, 0, size);
        index
    }

    pub(crate) fn add_folder(&mut self, parent: u32, name: &str, times: Times, hand: Hand) -> u32 {
        self.add(parent, name, Kind::Folder(Box::default()), times, hand)
    }

    /// Puts new bytes into a file; the old ones become a version.
    pub(crate) fn replace(&mut self, index: u32, content: Content, times: Option<Times>, hand: Hand) {
        let size = content.len();
        let Some(item) = self.item_mut(index) else { return };
        let (parent, old) = (item.parent, item.size());
        let (number, modified, by) = (item.next_version(), item.modified, item.by);
        if let Kind::File(current) = &mut item.kind {
            let before = std::mem::replace(current, content);
            let Extra { older, sent, served, .. } = item.extra_mut();
            older.push(Version { number, content: before, modified, by });
            *sent = None;
            *served = None;
        }
        item.modified = hand.at;
        item.by = hand.who;
        item.ctag += 1;
        let times = times.unwrap_or(Times { created: item.fs_created, modified: hand.at });
        item.fs_created = times.created;
        item.fs_modified = times.modified;
        self.used += size;
        self.resize(parent, old, size);
        self.touch(index);
    }

    /// Replaces the current bytes without a version, as enrichment does. It stays the last editor's work.
    pub(crate) fn rewrite(&mut self, index: u32, content: Content, now: i64) {
        let size = content.len();
        let Some(item) = self.item_mut(index) else { return };
        let (parent, old) = (item.parent, item.size());
        if let Kind::File(current) = &mut item.kind {
            let before = std::mem::replace(current, content);
            let Extra { sent, served, .. } = item.extra_mut();
            // What is rewritten is what lay there, and not what the hash said.
            sent.get_or_insert(served.take().unwrap_or(before));
        }
        item.modified = now;
        item.ctag += 1;
        self.used = self.used.saturating_sub(old) + size;
        self.resize(parent, old, size);
        self.touch(index);
    }

    /// Puts other bytes in place of a file's, without a version and with its client times.
    pub(crate) fn overwrite(&mut self, index: u32, content: Content, hand: Hand) {
        self.rewrite(index, content, hand.at);
        let Some(item) = self.item_mut(index) else { return };
        item.by = hand.who;
        item.extra_mut().sent = None;
    }

    /// Sets client times. On a file that makes a version.
    pub(crate) fn set_times(&mut self, index: u32, times: Times, hand: Hand) {
        let Some(item) = self.item_mut(index) else { return };
        item.fs_created = times.created;
        item.fs_modified = times.modified;
        if let Some(content) = item.content().cloned() {
            let (number, modified, by) = (item.next_version(), item.modified, item.by);
            let size = content.len();
            item.extra_mut().older.push(Version { number, content, modified, by });
            item.modified = hand.at;
            item.by = hand.who;
            self.used += size;
        } else {
            item.by = hand.who;
        }
        self.touch(index);
    }

    /// Gives an item another name or folder. The new name must be free.
    pub(crate) fn relocate(&mut self, index: u32, parent: u32, name: &str, hand: Hand) {
        let Some(item) = self.item(index) else { return };
        let (old_parent, size, key) = (item.parent, item.size(), fold(&item.name));
        if let Some(folder) = self.item_mut(old_parent).and_then(Item::folder_mut) {
            folder.children.remove(&key);
        }
        self.resize(old_parent, size, 0);
        if let Some(folder) = self.item_mut(parent).and_then(Item::folder_mut) {
            folder.children.insert(fold(name), index);
        }
        self.resize(parent, 0, size);
        if let Some(item) = self.item_mut(index) {
            item.name = name.into();
            item.parent = parent;
            item.modified = hand.at;
            item.by = hand.who;
        }
        self.touch(index);
    }

    /// Sends an item and everything below it to the recycle bin, where it still counts against the quota.
    pub(crate) fn recycle(&mut self, index: u32) {
        let Some(item) = self.item(index) else { return };
        let (parent, size, key) = (item.parent, item.size(), fold(&item.name));
        if let Some(folder) = self.item_mut(parent).and_then(Item::folder_mut) {
            folder.children.remove(&key);
        }
        self.resize(parent, size, 0);
        self.recycled += size;
        let mut pending = vec![index];
        while let Some(at) = pending.pop() {
            let Some(item) = self.item_mut(at) else { continue };
            item.deleted = true;
            if let Some(folder) = item.folder() {
                pending.extend(folder.children.values().copied());
            }
            self.touch(at);
        }
    }

    /// Takes an item out of the recycle bin for good and gives its bytes back.
    pub(crate) fn purge(&mut self, index: u32) {
        let size = self.item(index).map_or(0, Item::size);
        self.recycled = self.recycled.saturating_sub(size);
        self.used = self.used.saturating_sub(size);
    }

    fn resize(&mut self, folder: u32, old: u64, new: u64) {
        let mut at = folder;
        loop {
            let Some(item) = self.item_mut(at) else { return };
            let parent = item.parent;
            if let Some(folder) = item.folder_mut() {
                folder.size = folder.size.saturating_sub(old) + new;
            }
            if at == 0 {
                return;
            }
            at = parent;
        }
    }

    pub(crate) fn etag(&self, index: u32) -> String {
        let version = self.item(index).map_or(0, |item| item.etag);
        format!("\"{{{}}},{version}\"", self.ids.guid(index).upper())
    }

    pub(crate) fn ctag(&self, index: u32) -> String {
        let version = self.item(index).map_or(0, |item| item.ctag);
        format!("\"c:{{{}}},{version}\"", self.ids.guid(index).upper())
    }

    /// A name near the wanted one that is free in the folder.
    pub(crate) fn free_name(&self, parent: u32, wanted: &str, is_folder: bool) -> String {
        let (stem, extension) = match wanted.rfind('.') {
            Some(dot) if dot > 0 && !is_folder => wanted.split_at(dot),
            _ => (wanted, ""),
        };
        (1u32..)
            .map(|n| format!("{stem} {n}{extension}"))
            .find(|name| self.child(parent, name).is_none())
            .unwrap_or_else(|| wanted.to_owned())
    }
}
