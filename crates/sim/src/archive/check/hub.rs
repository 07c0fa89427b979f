//! The Hub's side of the check.
//!
//! Owns which objects are there, what they open to, and that nothing plain, doubled or foreign was done. Refuses to
//! know rows but for the URLs in them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::super::oracle::{self, Oracle};
use super::super::{Archive, world};
use super::Look;
use crate::hub::HubSim;

const PREFIX: &str = "https://huggingface.co/datasets/";

/// All objects of all repositories at their heads.
pub(super) struct Shelf<'a> {
    archive: &'a Archive,
    oracle: &'a Oracle,
    /// By repository and path: the hash of the content, where git keeps only a pointer.
    files: BTreeMap<(String, String), Option<String>>,
    /// Hashes of what objects open to.
    opened: RefCell<BTreeMap<(String, String), Result<String, String>>>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(archive: &'a Archive) -> Self {
        Self {
            archive,
            oracle: &archive.inner.layout.oracle,
            files: files(&archive.hub),
            opened: RefCell::default(),
        }
    }

    /// The object that a URL names.
    pub(super) fn locate(&self, url: &str) -> Option<(String, String)> {
        let (repo, path) = url.strip_prefix(PREFIX)?.split_once("/resolve/main/")?;
        let key = (repo.to_owned(), path.to_owned());
        self.files.contains_key(&key).then_some(key)
    }

    /// SHA-256 of what an object opens to.
    pub(super) fn plain(&self, url: &str) -> Result<String, String> {
        let key = self.locate(url).ok_or("is not on the Hub")?;
        let known = self.opened.borrow().get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let sealed = self.archive.hub.read(&key.0, &key.1).ok_or("has lost its object")?;
        let opened = self.oracle.open(&sealed).map_err(|error| format!("does not open: {error}"));
        let opened = opened.map(|plain| world::sha256(&plain));
        self.opened.borrow_mut().insert(key, opened.clone());
        opened
    }

    /// Whether a URL leads to a sealed object of a post. A plain name is right only in the form of the `.enc` era and
    /// only where it stood before.
    pub(super) fn of_post(&self, url: &str, id: &str, kept: bool) -> Result<(), String> {
        self.plain(url)?;
        let last = url.rsplit('/').next().unwrap_or_default();
        let prefix = format!("{id}_");
        if kept && last.starts_with(&prefix) && last.ends_with(".enc") && url.contains("/encrypted_") {
            return Ok(());
        }
        match self.oracle.plain_name(last) {
            Some(name) if name.starts_with(&prefix) => Ok(()),
            Some(name) => Err(format!("is {name}")),
            None => Err("has a name that is not sealed".to_owned()),
        }
    }
}

/// URLs of what somebody else deleted or moved later.
pub(super) fn harmed(archive: &Archive) -> BTreeSet<String> {
    archive.harm().iter().map(|harm| format!("{PREFIX}{}/resolve/main/{}", harm.repo, harm.path)).collect()
}

/// Every file of every repository: the hash of its content, where git keeps only a pointer.
pub(crate) fn files(hub: &HubSim) -> BTreeMap<(String, String), Option<String>> {
    let mut out = BTreeMap::new();
    for repo in hub.repos() {
        for file in hub.files(&repo) {
            out.insert((repo.clone(), file.path), file.sha256);
        }
    }
    out
}

impl Look<'_> {
    pub(super) fn hub(&mut self) {
        self.contents();
        self.vanished();
        self.arrived();
    }

    /// Nothing but sealed content reached the Hub, and no nonce serves two contents.
    fn contents(&mut self) {
        let mut nonces = BTreeMap::new();
        for (sha256, bytes) in self.archive.hub.contents() {
            let new = !self.archive.inner.before.contents.contains(&sha256);
            if new && let Err(error) = self.shelf.oracle.open(&bytes) {
                self.wrong(format!("content {sha256} of {} bytes reached the Hub: {error}", bytes.len()));
            }
            if let Some(nonce) = oracle::nonce(&bytes)
                && let Some(other) = nonces.insert(nonce, sha256.clone())
            {
                self.wrong(format!("contents {other} and {sha256} have one nonce"));
            }
        }
    }

    /// Nothing that was there is gone, but leaks that were removed, what was moved, and what somebody else did.
    fn vanished(&mut self) {
        let leaks = self.archive.expected().iter().flat_map(|post| &post.leaks);
        let leaks = leaks.map(|leak| (leak.repo.as_str(), leak.path.as_str())).collect::<BTreeSet<_>>();
        let harmed = harmed(self.archive);
        let there = self.shelf.files.values().flatten().collect::<BTreeSet<&String>>();
        let mut sentences = Vec::new();
        for ((repo, path), sha256) in &self.archive.inner.before.files {
            let key = (repo.clone(), path.clone());
            let now = self.shelf.files.get(&key);
            if now == Some(sha256) || harmed.contains(&format!("{PREFIX}{repo}/resolve/main/{path}")) {
                continue;
            }
            let moved = sha256.as_ref().is_some_and(|sha256| there.contains(sha256));
            if now.is_some() {
                sentences.push(format!("{repo} {path} was replaced"));
            } else if !moved && !leaks.contains(&(repo.as_str(), path.as_str())) {
                sentences.push(format!("{repo} {path} was removed"));
            }
        }
        self.check.violated.extend(sentences);
    }

    /// What is new has a sealed name; what no row names is an orphan.
    fn arrived(&mut self) {
        let mut named = BTreeSet::new();
        for row in self.now.values() {
            let urls = row.list("huggingface_urls").unwrap_or_default();
            named.extend(urls.iter().filter_map(|url| self.shelf.locate(url)));
        }
        let known = |key: &(String, String)| self.archive.inner.before.files.contains_key(key);
        let harm = self.archive.harm();
        let moved = harm.iter().filter_map(|harm| Some((harm.repo.clone(), harm.moved_to.clone()?)));
        let moved = moved.collect::<BTreeSet<(String, String)>>();
        drop(harm);
        let (mut orphans, mut sentences) = (Vec::new(), Vec::new());
        for key in self.shelf.files.keys().filter(|key| !known(key) && !moved.contains(*key)) {
            let (repo, path) = key;
            let last = path.rsplit('/').next().unwrap_or_default();
            if last.starts_with(".git") {
                continue;
            }
            if self.shelf.oracle.plain_name(last).is_none() {
                sentences.push(format!("{repo} {path} has a name that is not sealed"));
            }
            if !named.contains(key) {
                orphans.push(format!("{repo} {path}"));
            }
        }
        self.check.violated.extend(sentences);
        self.check.orphans = orphans;
    }
}
