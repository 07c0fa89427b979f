//! How many files a repository holds, and how many entries each of its folders: the limits are planned for.
//!
//! Owns the counting. Memory: one number a folder. Refuses to know where the numbers of a first listing come from.

use std::collections::HashMap;

use super::types::{EntryKind, TreeEntry};

/// Files of a repository and entries of its folders (the root is the empty path).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    files: u64,
    folders: HashMap<String, u64>,
}

impl Counts {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one entry of a listing in which every entry comes once, folders before or after what lies in them.
    pub fn list(&mut self, entry: &TreeEntry) {
        if entry.kind == EntryKind::File {
            self.files += 1;
        } else {
            self.folders.entry(entry.path.clone()).or_default();
        }
        *self.folders.entry(parent(&entry.path).to_owned()).or_default() += 1;
    }

    /// Counts a file that was added, and the folders that came with it.
    pub fn add(&mut self, path: &str) {
        self.files += 1;
        let mut child = path;
        loop {
            let folder = parent(child);
            let known = folder.is_empty() || self.folders.contains_key(folder);
            *self.folders.entry(folder.to_owned()).or_default() += 1;
            if known {
                return;
            }
            child = folder;
        }
    }

    /// Counts a file that was taken away. Folders that end with it are not discounted: that errs on the safe side.
    pub fn remove(&mut self, path: &str) {
        self.files = self.files.saturating_sub(1);
        if let Some(count) = self.folders.get_mut(parent(path)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Files in all.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Files and folders in all, as a recursive listing counts them.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.files + self.folders.keys().filter(|folder| !folder.is_empty()).count() as u64
    }

    /// True where one more file at this path keeps within the limits.
    pub(super) fn has_room(&self, path: &str, files: u64, per_folder: u64) -> bool {
        if self.files >= files {
            return false;
        }
        let mut child = path;
        loop {
            let folder = parent(child);
            match self.folders.get(folder) {
                Some(have) => return *have < per_folder,
                None if folder.is_empty() => return per_folder > 0,
                None => child = folder,
            }
        }
    }

    /// Learns that the repository is full.
    pub(super) fn fill(&mut self, files: u64) {
        self.files = self.files.max(files);
    }

    /// Learns that a folder is full.
    pub(super) fn fill_folder(&mut self, folder: &str, entries: u64) {
        let have = self.folders.entry(folder.to_owned()).or_default();
        *have = (*have).max(entries);
    }
}

/// The folder that a path lies in; empty for the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_counts_in_the_folder_above() {
        let mut counts = Counts::new();
        counts.add("images/花子/a");
        counts.add("images/花子/b");
        counts.add("images/太郎/a");
        assert_eq!((counts.files(), counts.entries()), (3, 6));
        assert!(counts.has_room("images/花子/c", 4, 3));
        assert!(!counts.has_room("images/花子/c", 4, 2), "the folder is full");
        assert!(!counts.has_room("images/次郎/a", 4, 2), "a new folder would be the third entry of images");
        assert!(!counts.has_room("images/花子/c", 3, 9), "the repository is full");
        counts.remove("images/花子/b");
        assert!(counts.has_room("images/花子/c", 3, 2));
    }

    #[test]
    fn listing_and_adding_count_alike() {
        let entry =
            |path: &str, kind| TreeEntry { path: path.into(), kind, size: 1, oid: "a".into(), lfs: None };
        let (mut listed, mut added) = (Counts::new(), Counts::new());
        for path in ["README.md", "a/b/一", "a/b/二"] {
            listed.list(&entry(path, EntryKind::File));
            added.add(path);
        }
        for folder in ["a", "a/b"] {
            listed.list(&entry(folder, EntryKind::Folder));
        }
        assert_eq!(listed, added);
    }
}
