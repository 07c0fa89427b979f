//! The recycle bin of a site.
//!
//! Owns what was deleted, by whom, and where it lay. Refuses to know what an item held: its bytes stay with the
//! drive, where they count against the quota.

use crate::world::World;
use crate::world::item::{Editor, Hand};

/// One deletion: a file, or a folder with everything in it.
#[derive(Clone, Debug)]
pub(crate) struct Binned {
    /// Unique identifier of the deletion.
    pub(crate) id: String,
    pub(crate) name: Box<str>,
    pub(crate) size: u64,
    pub(crate) at: i64,
    pub(crate) by: Editor,
    /// The folder it lay in, relative to the host: `sites/Archive/Shared Documents/Voices`.
    pub(crate) from: String,
}

impl World {
    /// Sends an item and everything below it to its site's recycle bin.
    pub(crate) fn recycle(&mut self, drive_index: usize, index: u32, hand: Hand) {
        let id = self.fresh().text();
        let Some(drive) = self.drive(drive_index) else { return };
        let (Some(item), Some(site)) = (drive.item(index), self.sites.get(drive.site)) else { return };
        let site_path = site.path.trim_matches('/');
        let mut from = vec![site_path, &drive.segment];
        from.extend(drive.path(item.parent));
        from.retain(|part| !part.is_empty());
        let binned = Binned {
            id,
            name: item.name.clone(),
            size: item.size(),
            at: hand.at,
            by: hand.who,
            from: from.join("/"),
        };
        let site_index = drive.site;
        if let Some(site) = self.sites.get_mut(site_index) {
            site.bin.push(binned);
        }
        if let Some(drive) = self.drive_mut(drive_index) {
            drive.recycle(index);
        }
    }

    /// Removes an item and everything below it for good: in no recycle bin and no quota.
    pub(crate) fn remove(&mut self, drive: usize, index: u32) {
        if let Some(drive) = self.drive_mut(drive) {
            drive.recycle(index);
            drive.purge(index);
        }
    }
}
