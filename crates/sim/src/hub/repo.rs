//! One repository and everything it ever held.
//!
//! Owns the linear history: every path and every folder keeps its versions by number of commit, so that any commit
//! can be listed at any time and none costs a copy of the tree. Refuses to know requests, rights and quotas.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;

use super::digest::{Sha1Id, Sha256Id, blob_id, hex, pointer, sha1};
use super::object::Object;
use crate::content::mix;

/// One file at one commit. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    /// The blob that git has: the file itself, or the pointer to the object.
    pub(crate) blob: Sha1Id,
    pub(crate) kind: Kind,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Regular(Bytes),
    Lfs(Sha256Id),
}

impl Entry {
    pub(crate) fn regular(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, blob: blob_id(&bytes), kind: Kind::Regular(bytes) }
    }

    pub(crate) fn lfs(oid: Sha256Id, size: u64) -> Self {
        Self { size, blob: blob_id(pointer(&oid, size).as_bytes()), kind: Kind::Lfs(oid) }
    }

    pub(crate) fn oid(&self) -> Option<&Sha256Id> {
        match &self.kind {
            Kind::Regular(_) => None,
            Kind::Lfs(oid) => Some(oid),
        }
    }
}

/// One folder at one commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Folder {
    /// Files below it at any depth; none means that it is not there.
    pub(crate) files: u64,
    /// Files and folders directly in it.
    pub(crate) entries: u64,
    /// Changes with every file below; the order of changes does not matter.
    sum: u128,
}

impl Folder {
    /// An id that is equal for equal content.
    // Not the tree id of git: nothing but equality can be seen of it through the interface.
    pub(crate) fn oid(&self) -> String {
        hex(&sha1(&[b"tree", &self.sum.to_be_bytes(), &self.files.to_be_bytes()]))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) oid: String,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) author: String,
    pub(crate) at: Timestamp,
    pub(crate) operations: usize,
}

/// One change of one commit.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(String, Entry),
    Delete(String),
    DeleteFolder(String),
}

/// Why a commit cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What should be deleted is not there.
    Absent(String),
    /// A file and a folder cannot have the same name.
    InTheWay(String),
    /// These folders would hold too many entries.
    FullFolders(Vec<String>),
    /// The repository would hold so many files.
    FullRepo(u64),
}

/// What a commit must not pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) files: u64,
    pub(crate) folder: u64,
}

impl Limits {
    /// For seeding.
    pub(crate) const NONE: Self = Self { files: u64::MAX, folder: u64::MAX };
}

/// Who makes a commit, when, and what is said about it.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) author: String,
    pub(crate) at: Timestamp,
}

type Versions<T> = Vec<(u32, T)>;

#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) id: String,
    pub(crate) private: bool,
    pub(crate) created: Timestamp,
    seed: u64,
    commits: Vec<Commit>,
    numbers: BTreeMap<String, u32>,
    paths: BTreeMap<String, Versions<Option<Entry>>>,
    folders: BTreeMap<String, Versions<Folder>>,
    /// Everything that was put into the storage for this repository.
    pub(crate) objects: BTreeMap<Sha256Id, Object>,
    /// When the commits were made that requests asked for; the oldest first.
    pub(crate) window: Vec<Timestamp>,
    /// How often the window was found full.
    pub(crate) refused: u64,
}

/// One line of a listing.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    Folder(&'a str, Folder),
    File(&'a str, &'a Entry),
}

impl Row<'_> {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Folder(path, _) | Self::File(path, _) => path,
        }
    }
}

impl Repo {
    pub(crate) fn new(id: &str, private: bool, seed: u64, created: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            private,
            created,
            seed,
            commits: Vec::new(),
            numbers: BTreeMap::new(),
            paths: BTreeMap::new(),
            folders: BTreeMap::new(),
            objects: BTreeMap::new(),
            window: Vec::new(),
            refused: 0,
        }
    }

    pub(crate) fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// The number of the newest commit.
    pub(crate) fn head(&self) -> u32 {
        u32::try_from(self.commits.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn head_oid(&self) -> &str {
        self.oid_at(self.head())
    }

    pub(crate) fn oid_at(&self, number: u32) -> &str {
        self.commit_at(number).map_or("", |commit| commit.oid.as_str())
    }

    pub(crate) fn commit_at(&self, number: u32) -> Option<&Commit> {
        self.commits.get(usize::try_from(number).ok()?)
    }

    /// The newest commit that was there at a time; the first one is always there.
    pub(crate) fn number_at(&self, at: Timestamp) -> u32 {
        let after = self.commits.partition_point(|commit| commit.at <= at);
        u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The commit of this id; at least five digits of it, and no other one that begins so.
    pub(crate) fn number_of(&self, oid: &str) -> Option<u32> {
        if oid.len() < 5 {
            return None;
        }
        let mut fitting =
            self.numbers.range(oid.to_owned()..).take_while(|(known, _)| known.starts_with(oid));
        let (_, number) = fitting.next()?;
        fitting.next().is_none().then_some(*number)
    }

    pub(crate) fn entry(&self, path: &str, number: u32) -> Option<&Entry> {
        version(self.paths.get(path)?, number)?.as_ref()
    }

    pub(crate) fn folder(&self, path: &str, number: u32) -> Option<Folder> {
        version(self.folders.get(path)?, number).copied().filter(|folder| folder.files > 0)
    }

    /// The last commit up to a number that changed a file or something in a folder.
    pub(crate) fn changed_at(&self, path: &str, number: u32) -> u32 {
        let last = |at: &u32| *at <= number;
        let file = self.paths.get(path).and_then(|all| all.iter().rev().map(|(at, _)| *at).find(last));
        let folder = self.folders.get(path).and_then(|all| all.iter().rev().map(|(at, _)| *at).find(last));
        file.into_iter().chain(folder).max().unwrap_or(0)
    }

    /// Files at a commit below a folder (the root is the empty path), from a path on, which need not exist.
    pub(crate) fn files_from<'a>(
        &'a self,
        folder: &str,
        from: &str,
        number: u32,
    ) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let start = from.max(prefix.as_str()).to_owned();
        self.paths
            .range(start..)
            .take_while(move |(path, _)| path.starts_with(prefix.as_str()))
            .filter_map(move |(path, versions)| Some((path.as_str(), version(versions, number)?.as_ref()?)))
    }

    /// Lines of a listing of a folder behind the line of a path (`None` begins), at most `limit` of them.
    pub(crate) fn rows(
        &self,
        folder: &str,
        after: Option<&str>,
        recursive: bool,
        number: u32,
        limit: usize,
    ) -> Vec<Row<'_>> {
        let skip = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let mut done = after.unwrap_or(folder).to_owned();
        let mut start = match after {
            None => String::new(),
            // Below a folder whose line was given come its files; beside it, what follows them.
            Some(last) if self.folder(last, number).is_some() => {
                format!("{last}{}", if recursive { '/' } else { '0' })
            }
            Some(last) => format!("{last}\0"),
        };
        let mut out = Vec::new();
        'seek: loop {
            for (path, entry) in self.files_from(folder, &start, number) {
                let slashes = path.match_indices('/').map(|(at, _)| at).filter(|at| *at >= skip);
                for above in slashes.filter_map(|at| path.get(..at)) {
                    if above != done && !is_below(&done, above) {
                        out.extend(self.folder(above, number).map(|found| Row::Folder(above, found)));
                    }
                    if !recursive {
                        start = format!("{above}0");
                        above.clone_into(&mut done);
                        if out.len() >= limit {
                            break 'seek;
                        }
                        continue 'seek;
                    }
                }
                out.push(Row::File(path, entry));
                if out.len() >= limit {
                    break 'seek;
                }
                path.clone_into(&mut done);
            }
            break;
        }
        out.truncate(limit);
        out
    }

    /// Makes a commit of all changes or of none.
    pub(crate) fn commit(
        &mut self,
        changes: &[Change],
        label: Label,
        limits: Limits,
    ) -> Result<&Commit, Refusal> {
        let number = u32::try_from(self.commits.len()).unwrap_or(u32::MAX);
        let mut touched = BTreeSet::new();
        let before = self.folder_at_end("").files;
        let mut applied = Ok(());
        for change in changes {
            applied = self.apply(change, number, &mut touched);
            if applied.is_err() {
                break;
            }
        }
        if let Err(refusal) = applied.and_then(|()| self.within(limits, number, before)) {
            self.undo(number, &touched);
            return Err(refusal);
        }
        let parent = self.commits.last().map(|commit| commit.oid.clone()).unwrap_or_default();
        let root = self.folder_at_end("");
        let oid = hex(&sha1(&[
            &self.seed.to_be_bytes(),
            self.id.as_bytes(),
            parent.as_bytes(),
            &root.sum.to_be_bytes(),
            &number.to_be_bytes(),
            label.title.as_bytes(),
            label.at.to_string().as_bytes(),
        ]));
        self.numbers.insert(oid.clone(), number);
        self.commits.push(Commit {
            oid,
            title: label.title,
            message: label.message,
            author: label.author,
            at: label.at,
            operations: changes.len(),
        });
        self.commits.last().ok_or(Refusal::FullRepo(0))
    }

    fn apply(&mut self, change: &Change, number: u32, touched: &mut BTreeSet<String>) -> Result<(), Refusal> {
        match change {
            Change::Put(path, entry) => {
                if self.folder_at_end(path).files > 0 {
                    return Err(Refusal::InTheWay(path.clone()));
                }
                let blocked = parents(path).find(|above| !above.is_empty() && self.at_end(above).is_some());
                if let Some(above) = blocked {
                    return Err(Refusal::InTheWay(above.to_owned()));
                }
                self.set(path, Some(entry.clone()), number);
                touched.insert(path.clone());
            }
            Change::Delete(path) => {
                if self.at_end(path).is_none() {
                    return Err(Refusal::Absent(path.clone()));
                }
                self.set(path, None, number);
                touched.insert(path.clone());
            }
            Change::DeleteFolder(folder) => {
                let below: Vec<String> =
                    self.files_from(folder, "", number).map(|(path, _)| path.to_owned()).collect();
                if below.is_empty() {
                    return Err(Refusal::Absent(folder.clone()));
                }
                for path in below {
                    self.set(&path, None, number);
                    touched.insert(path);
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, path: &str, entry: Option<Entry>, number: u32) {
        let old = self.at_end(path).map(|entry| mark(path, &entry.blob));
        let new = entry.as_ref().map(|entry| mark(path, &entry.blob));
        put_version(self.paths.entry(path.to_owned()).or_default(), number, entry);
        // Whether the name just looked at, first the file and then the folder above it, came or went.
        let mut came = i64::from(new.is_some()) - i64::from(old.is_some());
        let files = came;
        for above in parents(path) {
            let mut folder = self.folder_at_end(above);
            let was = folder.files > 0;
            folder.sum ^= old.unwrap_or(0) ^ new.unwrap_or(0);
            folder.files = folder.files.saturating_add_signed(files);
            folder.entries = folder.entries.saturating_add_signed(came);
            came = i64::from(folder.files > 0) - i64::from(was);
            put_version(self.folders.entry(above.to_owned()).or_default(), number, folder);
        }
    }

    /// Only what grew is refused: a repository that is over the limit already can shrink.
    fn within(&self, limits: Limits, number: u32, before: u64) -> Result<(), Refusal> {
        let full: Vec<String> = self
            .folders
            .iter()
            .filter(|(_, versions)| {
                let Some((last, now)) = versions.last() else { return false };
                let old = versions.iter().rev().nth(1).map_or(0, |(_, folder)| folder.entries);
                *last == number && now.entries > limits.folder && now.entries > old
            })
            .map(|(path, _)| if path.is_empty() { "/".to_owned() } else { format!("/{path}/") })
            .collect();
        if !full.is_empty() {
            return Err(Refusal::FullFolders(full));
        }
        let files = self.folder_at_end("").files;
        if files > limits.files && files > before { Err(Refusal::FullRepo(files)) } else { Ok(()) }
    }

    fn undo(&mut self, number: u32, touched: &BTreeSet<String>) {
        let drop_last = |at: u32| at != number;
        for path in touched {
            if let Some(versions) = self.paths.get_mut(path) {
                versions.retain(|(at, _)| drop_last(*at));
            }
            for above in parents(path) {
                if let Some(versions) = self.folders.get_mut(above) {
                    versions.retain(|(at, _)| drop_last(*at));
                }
            }
        }
    }

    fn at_end(&self, path: &str) -> Option<&Entry> {
        self.paths.get(path)?.last()?.1.as_ref()
    }

    fn folder_at_end(&self, path: &str) -> Folder {
        self.folders
            .get(path)
            .and_then(|versions| versions.last())
            .map(|(_, folder)| *folder)
            .unwrap_or_default()
    }

    /// Every content that any commit named and the storage may not have: regular files.
    pub(crate) fn regular_contents(&self) -> impl Iterator<Item = &Bytes> {
        self.paths.values().flatten().filter_map(|(_, entry)| match &entry.as_ref()?.kind {
            Kind::Regular(bytes) => Some(bytes),
            Kind::Lfs(_) => None,
        })
    }
}

/// The folders above a path, the nearest first, the root last as an empty path.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rfind('/') {
        Some(at) => path.get(..at),
        None => (!path.is_empty()).then_some(""),
    })
    .skip(1)
}

/// Whether a path lies below a folder.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn version<T>(versions: &Versions<T>, number: u32) -> Option<&T> {
    versions.iter().rev().find(|(at, _)| *at <= number).map(|(_, value)| value)
}

fn put_version<T>(versions: &mut Versions<T>, number: u32, value: T) {
    match versions.last_mut() {
        Some((at, last)) if *at == number => *last = value,
        _ => versions.push((number, value)),
    }
}

/// A number of 128 bits that tells files apart. Nobody tries to make two alike here, so it need not be a digest.
fn mark(path: &str, blob: &Sha1Id) -> u128 {
    let half = |salt: u64| {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        mix(path.as_bytes().iter().chain(blob).fold(0xcbf2_9ce4_8422_2325 ^ salt, step))
    };
    (u128::from(half(0)) << 64) | u128::from(half(0x9e37_79b9_7f4a_7c15))
}
