//! What people did with the files of a source before anybody thought of moving them.
//!
//! Owns which few files and folders are shared, labelled and have earlier versions; a function of the seed. The bytes,
//! ids and the change log stay as they are.

use crate::content::{Content, mix};
use crate::sharing::{Scope, Share};
use crate::world::item::{Editor, Item, Version};
use crate::world::{JobSource, World};

/// About so many files of one source get something of each kind.
const MOST: usize = 40;
/// One file in so many at the most.
const LEAST_STRIDE: usize = 7;
const SENSITIVITY: [&str; 2] = ["社外秘", "Confidential"];
const RETENTION: [&str; 2] = ["7年保存", "Contracts"];

/// Shares and labels what the jobs move.
pub(super) fn share(world: &mut World) {
    let sources: Vec<JobSource> = world.jobs.iter().flat_map(|job| job.sources.clone()).collect();
    let mut done: Vec<(usize, String)> = Vec::new();
    for source in sources {
        let place = (source.drive, source.path.clone());
        // Two jobs may have the same source.
        if !done.contains(&place) {
            share_source(world, &source);
            done.push(place);
        }
    }
}

fn share_source(world: &mut World, source: &JobSource) {
    let (files, folders) = below(world, source);
    let draw = mix(world.config.seed ^ (source.drive as u64) ^ 0x5a5a);
    let picked = |all: &[u32], nth: u64| -> Vec<u32> {
        let stride = (all.len() / MOST).max(LEAST_STRIDE);
        let offset = usize::try_from((draw >> (nth * 7)) % stride as u64).unwrap_or(0);
        all.iter().copied().skip(offset.min(all.len().saturating_sub(1))).step_by(stride).collect()
    };
    for (at, index) in picked(&files, 0).into_iter().enumerate() {
        let scope = [Scope::Anonymous, Scope::Users, Scope::Direct, Scope::Organization].get(at % 4).copied();
        let role = if at.is_multiple_of(2) { "read" } else { "write" };
        give(world, source.drive, index, scope.unwrap_or(Scope::Direct), role);
    }
    // A folder's grants hold for everything below, so few are enough.
    for (at, index) in picked(&folders, 1).into_iter().take(3).enumerate() {
        let scope = if at.is_multiple_of(2) { Scope::Users } else { Scope::Direct };
        give(world, source.drive, index, scope, "write");
    }
    for (at, index) in picked(&files, 2).into_iter().enumerate() {
        let Some(shared) = world.shared_mut(source.drive, index) else { continue };
        match at % 3 {
            0 => shared.sensitivity = SENSITIVITY.get(at / 3 % 2).map(|name| (*name).to_owned()),
            1 => shared.retention = RETENTION.get(at / 3 % 2).map(|name| (*name).to_owned()),
            _ => {
                shared.sensitivity = SENSITIVITY.first().map(|name| (*name).to_owned());
                shared.retention = RETENTION.first().map(|name| (*name).to_owned());
            }
        }
    }
    for (at, index) in picked(&files, 3).into_iter().enumerate() {
        age(world, source.drive, index, 1 + at as u64 % 4);
    }
}

/// Files and folders below a source's folder, which itself counts.
fn below(world: &World, source: &JobSource) -> (Vec<u32>, Vec<u32>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let Some(drive) = world.drive(source.drive) else { return (files, folders) };
    let path = source.path.split('/').filter(|name| !name.is_empty());
    let mut open: Vec<u32> = drive.walk(0, path).into_iter().collect();
    while let Some(index) = open.pop() {
        folders.push(index);
        for child in drive.item(index).and_then(Item::folder).into_iter().flat_map(|f| f.children.values()) {
            match drive.item(*child) {
                Some(item) if item.is_folder() => open.push(*child),
                _ => files.push(*child),
            }
        }
    }
    files.sort_unstable();
    folders.retain(|index| *index != 0);
    folders.sort_unstable();
    (files, folders)
}

fn give(world: &mut World, drive: usize, index: u32, scope: Scope, role: &str) {
    let named = matches!(scope, Scope::Users | Scope::Direct);
    let people = world.colleagues.iter().copied().filter(|_| named).take(1 + index as usize % 2).collect();
    let share =
        Share { scope, people, role: role.to_owned(), expires: None, number: (u64::from(index) << 8) | 1 };
    if let Some(shared) = world.shared_mut(drive, index) {
        shared.shares.push(share);
    }
}

/// Gives a file earlier versions.
fn age(world: &mut World, drive: usize, index: u32, versions: u64) {
    let seed = mix(world.config.seed ^ u64::from(index) ^ 0xa6e);
    let Some(item) = world.drive_mut(drive).and_then(|drive| drive.item_mut(index)) else { return };
    let (size, by, modified) = (item.size(), item.by, item.modified);
    let older = (1..=versions).map(|number| Version {
        number: u32::try_from(number).unwrap_or(u32::MAX),
        content: Content::Generated { seed: mix(seed ^ number), len: size / 2 + number },
        modified: modified - 86_400 * i64::try_from(versions - number + 1).unwrap_or(1),
        by: if by == Editor::APP { Editor::person(0) } else { by },
    });
    item.extra_mut().older = older.collect();
}
