//! What a job has landed: files that lie where its source says.

use std::collections::BTreeSet;

use crate::compare::destination;
use crate::names::fold;
use crate::world::drive::Drive;
use crate::world::item::Item;
use crate::world::{Job, World};

/// A day in seconds.
const DAY: i64 = 86_400;

/// One landed file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) item: u32,
    pub(super) parent: u32,
    /// Relative to the job's destination.
    pub(super) path: String,
}

/// All files of a job, by path.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    pub(super) drive: usize,
    /// Folders above the job's destination, itself included.
    pub(super) depth: usize,
    pub(super) files: Vec<File>,
    /// Folders that hold some of them.
    pub(super) folders: Vec<u32>,
    /// Where the job's files belong, by folder and folded name.
    pub(super) places: BTreeSet<(u32, Box<str>)>,
}

impl Landed {
    pub(super) fn of(world: &World, job: &Job) -> Self {
        let fixed = job.path.split('/').filter(|name| !name.is_empty());
        let depth = fixed.take_while(|name| !name.contains("{user}")).count();
        let mut items = BTreeSet::new();
        let Some(target) = world.drive(job.drive) else { return Self::none(job.drive) };
        for source in &job.sources {
            let from = world.drive(source.drive).and_then(|drive| {
                let start = drive.walk(0, source.path.split('/').filter(|name| !name.is_empty()))?;
                Some((drive, start))
            });
            if let (Some((drive, start)), Some(place)) = (from, destination(target, &job.path, source)) {
                pairs(drive, start, target, place, &mut items);
            }
        }
        let file = |item: u32| {
            let parent = target.item(item)?.parent;
            Some(File { item, parent, path: relative(target, item, depth) })
        };
        let mut files: Vec<File> = items.into_iter().filter_map(file).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut folders = Vec::new();
        for file in &files {
            if !folders.contains(&file.parent) {
                folders.push(file.parent);
            }
        }
        let name = |file: &File| target.item(file.item).map(|item| fold(&item.name)).unwrap_or_default();
        let places = files.iter().map(|file| (file.parent, name(file))).collect();
        Self { drive: job.drive, depth, files, folders, places }
    }

    /// Folders whose times a client has set: they say that they are older than their being made here.
    pub(super) fn dated_folders(&self, world: &World) -> Vec<u32> {
        let Some(drive) = world.drive(self.drive) else { return Vec::new() };
        let dated =
            |folder: &u32| drive.item(*folder).is_some_and(|item| item.fs_modified + DAY < item.created);
        self.folders.iter().copied().filter(dated).collect()
    }

    fn none(drive: usize) -> Self {
        Self { drive, depth: 0, files: Vec::new(), folders: Vec::new(), places: BTreeSet::new() }
    }
}

/// The path of an item from the job's destination on.
pub(super) fn relative(drive: &Drive, item: u32, depth: usize) -> String {
    drive.path(item).get(depth..).unwrap_or_default().join("/")
}

/// Files of the destination that have one of their name at the source.
fn pairs(source: &Drive, start: u32, target: &Drive, place: u32, out: &mut BTreeSet<u32>) {
    let mut pending = vec![(start, place)];
    while let Some((from, to)) = pending.pop() {
        let folders = source.item(from).and_then(Item::folder).zip(target.item(to).and_then(Item::folder));
        let Some((wanted, there)) = folders else { continue };
        for (key, child) in &wanted.children {
            let Some(found) = there.children.get(key) else { continue };
            let both = source.item(*child).zip(target.item(*found));
            match both.map(|(wanted, there)| (wanted.is_folder(), there.is_folder())) {
                Some((true, true)) => pending.push((*child, *found)),
                Some((false, false)) => {
                    out.insert(*found);
                }
                _ => {}
            }
        }
    }
}
