//! Which files of which post a folder holds, read once instead of once a post.
//!
//! Bounded: past a number of names the folders read first are forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use cap_std::fs::Dir;
use landfall_core::RelPath;

use super::super::names::{Folder, post_id_of};
use super::{folder, is_absent};

/// Names kept at most: about 100 bytes each.
const NAMES: usize = 200_000;

type Place = (Folder, RelPath);

#[derive(Debug, Default)]
pub(super) struct Index {
    folders: BTreeMap<Place, BTreeMap<String, Vec<String>>>,
    order: VecDeque<Place>,
    names: usize,
}

impl Index {
    /// The names in a folder that begin with a post's id, ascending; reads the folder where it is not known.
    pub(super) fn of(
        &mut self,
        root: Folder,
        dir: &Dir,
        path: &RelPath,
        id: &str,
    ) -> io::Result<Vec<String>> {
        let place = (root, path.clone());
        if !self.folders.contains_key(&place) {
            let read = read(dir, path)?;
            self.names += read.values().map(Vec::len).sum::<usize>();
            self.folders.insert(place.clone(), read);
            self.order.push_back(place.clone());
            self.forget();
        }
        Ok(self.folders.get(&place).and_then(|posts| posts.get(id)).cloned().unwrap_or_default())
    }

    fn forget(&mut self) {
        while self.names > NAMES && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { return };
            let gone = self.folders.remove(&oldest).unwrap_or_default();
            self.names -= gone.values().map(Vec::len).sum::<usize>();
        }
    }

    /// Adds a file to its folder, where that is known.
    pub(super) fn add(&mut self, root: Folder, path: &RelPath) {
        let Some(above) = path.parent() else { return };
        let Some(posts) = self.folders.get_mut(&(root, above)) else { return };
        if let Some(id) = post_id_of(path.name()) {
            let names = posts.entry(id.to_owned()).or_default();
            if !names.iter().any(|name| name == path.name()) {
                names.push(path.name().to_owned());
                self.names += 1;
            }
        }
    }
}

fn read(dir: &Dir, path: &RelPath) -> io::Result<BTreeMap<String, Vec<String>>> {
    let mut posts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let dir = match folder(dir, path) {
        Ok(dir) => dir,
        Err(error) if is_absent(&error) => return Ok(posts),
        Err(error) => return Err(error),
    };
    for entry in dir.entries()? {
        let name = entry?.file_name();
        // A name that is not Unicode carries no id.
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(".part") {
            continue;
        }
        if let Some(id) = post_id_of(name) {
            posts.entry(id.to_owned()).or_default().push(name.to_owned());
        }
    }
    for names in posts.values_mut() {
        names.sort_unstable();
    }
    Ok(posts)
}
