//! Whether a job's destination holds what its source holds.
//!
//! Owns the judgement that benches and tests end with: missing, different, extra and doubled entries, extra versions,
//! sessions left behind, and violations of the protocol. Sees the world directly and asks no client.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::content::Content;
use crate::world::drive::Drive;
use crate::world::item::Item;
use crate::world::{Job, JobSource, World};

/// Longer lists are cut; `totals` has the full counts.
const SHOWN: usize = 100;

/// What differs between source and destination of a job. Paths are relative to the job's destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compare {
    /// At the source and not at the destination.
    pub missing: Vec<String>,
    /// At both, and not the same bytes, name or times. The reason follows the path.
    pub different: Vec<String>,
    /// At the destination and not at the source.
    pub extra: Vec<String>,
    /// Extra files that hold the bytes of a file that was moved.
    pub doubled: Vec<String>,
    /// Files with more versions than moving them makes: one, or two for an empty file.
    pub extra_versions: Vec<String>,
    /// Upload sessions that are open and not expired.
    pub leftover_sessions: Vec<String>,
    /// What the protocol forbids, one sentence each.
    pub violations: Vec<String>,
    /// Files that the library rewrote; they count as the same if what was sent is.
    pub rewritten: Vec<String>,
    /// Folders whose times differ.
    pub folder_times: Vec<String>,
    /// Entries that no client can fetch or land as they are: shortcuts and malware.
    pub not_movable: Vec<String>,
    /// Lengths before the lists were cut, and the number of entries compared as `entries`.
    pub totals: BTreeMap<&'static str, u64>,
}

impl Compare {
    /// Whether everything arrived exactly once and nothing was done that must not be done.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let totals = |name| self.totals.get(name).copied().unwrap_or(0) == 0;
        ["missing", "different", "extra", "doubled", "extra_versions", "leftover_sessions", "violations"]
            .into_iter()
            .all(totals)
    }
}

struct Judge<'a> {
    world: &'a World,
    out: Compare,
    entries: u64,
    extra_files: Vec<(String, Content)>,
    moved: BTreeMap<(u64, [u8; 20]), Vec<Content>>,
}

impl World {
    /// Compares a job's destination with its source.
    pub(crate) fn compare(&self, job: &str) -> Option<Compare> {
        let job = self.jobs.iter().find(|known| known.name == job)?;
        let mut judge = Judge {
            world: self,
            out: Compare::default(),
            entries: 0,
            extra_files: Vec::new(),
            moved: BTreeMap::new(),
        };
        judge.job(job);
        judge.out.leftover_sessions = self.leftover_sessions();
        judge.out.violations = self.audit.violations().to_vec();
        Some(judge.finish(self.audit.violation_count))
    }

    fn leftover_sessions(&self) -> Vec<String> {
        let open = self.sessions.values().filter(|session| session.expires > self.now);
        open.map(|session| {
            let folder = self.drive(session.drive).map(|drive| drive.path(session.parent).join("/"));
            format!("{}/{}", folder.unwrap_or_default(), session.name)
        })
        .collect()
    }
}

impl Judge<'_> {
    fn job(&mut self, job: &Job) {
        let Some(target) = self.world.drive(job.drive) else { return };
        let mut seen: Vec<(Option<u32>, Vec<&JobSource>)> = Vec::new();
        for source in &job.sources {
            let place = destination(target, &job.path, source);
            match seen.iter_mut().find(|(known, _)| *known == place && place.is_some()) {
                Some((_, sources)) => sources.push(source),
                None => seen.push((place, vec![source])),
            }
        }
        for (place, sources) in seen {
            let roots = sources.iter().filter_map(|source| {
                let drive = self.world.drive(source.drive)?;
                let path = source.path.split('/').filter(|name| !name.is_empty());
                Some((drive, drive.walk(0, path)?))
            });
            let roots: Vec<(&Drive, u32)> = roots.collect();
            self.folder(&roots, target, place, "");
        }
    }

    /// Compares folders that were merged into one.
    fn folder(&mut self, roots: &[(&Drive, u32)], target: &Drive, place: Option<u32>, path: &str) {
        let mut wanted: BTreeMap<Box<str>, Vec<(&Drive, u32)>> = BTreeMap::new();
        for (drive, index) in roots {
            let children = drive.item(*index).and_then(Item::folder).map(|folder| &folder.children);
            for (key, child) in children.into_iter().flatten() {
                wanted.entry(key.clone()).or_default().push((drive, *child));
            }
        }
        for (key, sources) in &wanted {
            let Some((drive, first)) = sources.first() else { continue };
            let Some(item) = drive.item(*first) else { continue };
            let here = format!("{path}/{}", item.name);
            self.entries += 1;
            if item.extra.as_ref().is_some_and(|extra| extra.malware || extra.shortcut.is_some()) {
                self.out.not_movable.push(here);
                continue;
            }
            let found = place.and_then(|place| target.item(place)?.folder()?.children.get(key).copied());
            if item.is_folder() {
                let folder = found.filter(|found| target.item(*found).is_some_and(Item::is_folder));
                match folder.and_then(|found| target.item(found)) {
                    Some(there) if !same_times(item, there) => self.out.folder_times.push(here.clone()),
                    Some(_) => {}
                    None => self.out.missing.push(here.clone()),
                }
                let folders: Vec<(&Drive, u32)> = sources
                    .iter()
                    .filter(|(drive, index)| drive.item(*index).is_some_and(Item::is_folder))
                    .copied()
                    .collect();
                self.folder(&folders, target, folder, &here);
            } else {
                self.file(item, found.and_then(|found| target.item(found)), &here);
            }
        }
        self.extras(&wanted, target, place, path);
    }

    fn file(&mut self, item: &Item, found: Option<&Item>, path: &str) {
        let Some(served) = item.served() else { return };
        self.moved.entry((served.len(), served.quick_xor())).or_default().push(served.clone());
        let Some(there) = found else {
            self.out.missing.push(path.to_owned());
            return;
        };
        if there.extra.as_ref().is_some_and(|extra| extra.sent.is_some()) {
            self.out.rewritten.push(path.to_owned());
        }
        match there.meant() {
            None => self.out.different.push(format!("{path}: a folder lies in its place")),
            Some(content) if !content.same(&served) => self.out.different.push(format!(
                "{path}: other bytes, {} at the source and {} at the destination",
                served.len(),
                content.len()
            )),
            Some(_) if there.name != item.name => {
                self.out.different.push(format!("{path}: named {}", there.name));
            }
            Some(_) if there.fs_modified != item.fs_modified => {
                self.out.different.push(format!("{path}: another time of change"));
            }
            Some(_) if there.fs_created != item.fs_created => {
                self.out.different.push(format!("{path}: another time of creation"));
            }
            Some(_) => {}
        }
        let allowed = if served.is_empty() { 2 } else { 1 };
        if there.versions() > allowed {
            self.out.extra_versions.push(format!("{path}: {} versions", there.versions()));
        }
    }

    fn extras(
        &mut self,
        wanted: &BTreeMap<Box<str>, Vec<(&Drive, u32)>>,
        target: &Drive,
        place: Option<u32>,
        path: &str,
    ) {
        let children = place.and_then(|place| target.item(place)?.folder()).map(|folder| &folder.children);
        for (key, child) in children.into_iter().flatten() {
            let Some(item) = target.item(*child).filter(|_| !wanted.contains_key(key)) else { continue };
            let here = format!("{path}/{}", item.name);
            match item.meant() {
                Some(content) => self.extra_files.push((here, content)),
                None => {
                    self.out.extra.push(here.clone());
                    self.extras(&BTreeMap::new(), target, Some(*child), &here);
                }
            }
        }
    }

    fn finish(mut self, violations: u64) -> Compare {
        for (path, content) in std::mem::take(&mut self.extra_files) {
            let same = self.moved.get(&(content.len(), content.quick_xor()));
            if !content.is_empty() && same.is_some_and(|all| all.iter().any(|one| one.same(&content))) {
                self.out.doubled.push(path);
            } else {
                self.out.extra.push(path);
            }
        }
        let mut totals = BTreeMap::from([("entries", self.entries)]);
        let out = &mut self.out;
        let lists = [
            ("missing", &mut out.missing),
            ("different", &mut out.different),
            ("extra", &mut out.extra),
            ("doubled", &mut out.doubled),
            ("extra_versions", &mut out.extra_versions),
            ("leftover_sessions", &mut out.leftover_sessions),
            ("rewritten", &mut out.rewritten),
            ("folder_times", &mut out.folder_times),
            ("not_movable", &mut out.not_movable),
            ("violations", &mut out.violations),
        ];
        for (name, list) in lists {
            totals.insert(name, list.len() as u64);
            list.truncate(SHOWN);
        }
        totals.insert("violations", violations);
        self.out.totals = totals;
        self.out
    }
}

/// The folder that a source lands in. `{user}` may be spelt in several ways.
pub(crate) fn destination(target: &Drive, path: &str, source: &JobSource) -> Option<u32> {
    let spelt = |user: &str| {
        let path = path.replace("{user}", user);
        target.walk(0, path.split('/').filter(|name| !name.is_empty()))
    };
    source.user_folders.iter().find_map(|user| spelt(user))
}

fn same_times(a: &Item, b: &Item) -> bool {
    a.fs_created == b.fs_created && a.fs_modified == b.fs_modified
}
