//! A simulator of the part of the Hugging Face Hub that keeps datasets.
//!
//! Owns the Hub as others hold it: the lock over its state, the clock, seeding and looking inside without a request.
//! It speaks the real protocol (accounts, repositories, listings, preupload, LFS, commits, downloads, quotas), on TCP
//! for any client or in process under a paused clock, and is a function of its configuration. It knows nothing of
//! Landfall and nothing of xet. The facts it follows are in the reference on the Hub; where that has no answer,
//! [`HubConfig`] has a switch.

mod account;
mod answer;
mod audit;
mod commit;
mod config;
mod digest;
mod faults;
mod fetch;
mod inspect;
mod lfs;
mod link;
mod listing;
mod object;
mod pattern;
mod preupload;
mod quota;
mod reply;
mod repo;
mod route;
mod serve;
mod state;
mod storage;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

pub use audit::HubRequests;
pub use config::{HubConfig, HubToken};
pub use faults::{HubFault, HubFaultRule};
pub use route::HubRoute;
pub use serve::ServedHub;

use crate::config::Faults;
use crate::quota::signed;
use digest::hex;
use repo::{Change, Entry, Kind, Label, Limits, Repo};
use state::Hub;

/// 2026-01-05T00:00:00Z.
const DEFAULT_EPOCH: i64 = 1_767_571_200;

/// A simulated Hub and its storage. Clones are the same Hub.
#[derive(Clone)]
pub struct HubSim {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Mutex<Hub>,
    latency: Duration,
    epoch: Timestamp,
    started: OnceLock<Instant>,
}

impl fmt::Debug for HubSim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSim").field("epoch", &self.inner.epoch).finish_non_exhaustive()
    }
}

/// One file of a repository as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// From the root of the repository.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of an LFS file: its oid, 64 hexadecimal digits. Git knows only SHA-1 of the others.
    pub sha256: Option<String>,
    /// Whether git has a pointer only.
    pub lfs: bool,
}

/// One commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubCommit {
    /// 40 hexadecimal digits.
    pub oid: String,
    /// First line of the message.
    pub title: String,
    /// When it was made.
    pub at: Timestamp,
    /// How many changes it was made of.
    pub operations: usize,
    /// The commit before it.
    pub parent: Option<String>,
}

impl HubSim {
    /// Makes an empty Hub. Time begins with the first request.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        let epoch = config.epoch.or_else(|| Timestamp::from_second(DEFAULT_EPOCH).ok()).unwrap_or_default();
        let latency = config.latency;
        let hub = Mutex::new(Hub::new(config, epoch));
        Self { inner: Arc::new(Inner { hub, latency, epoch, started: OnceLock::new() }) }
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.inner.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Hub's time: its epoch and what has passed on tokio's clock since the first request.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.passed_since(*self.inner.started.get_or_init(Instant::now))
    }

    /// The time without starting it, for what is done before the first request.
    fn peek(&self) -> Timestamp {
        self.inner.started.get().map_or(self.inner.epoch, |started| self.passed_since(*started))
    }

    fn passed_since(&self, started: Instant) -> Timestamp {
        let passed = signed(Instant::now().saturating_duration_since(started));
        self.inner.epoch.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Makes a dataset with the first commit that the Hub makes; nothing if there is one already.
    pub fn create_repo(&self, id: &str, private: bool) {
        let now = self.peek();
        self.hub().create(id, private, now);
    }

    /// Puts files as one commit of somebody else. Which become LFS files is decided as for an upload.
    /// The dataset is made, public, if it is not there.
    pub fn put(&self, repo: &str, files: Vec<(String, Bytes)>) {
        let now = self.peek();
        let mut hub = self.hub();
        hub.create(repo, false, now);
        hub.seed_files(repo, files, now);
    }

    /// Deletes files as one commit of somebody else. Paths that are not there are passed over.
    pub fn remove(&self, repo: &str, paths: &[String]) {
        self.seed(repo, "Delete files", |repo| {
            let there = |path: &&String| repo.entry(path, repo.head()).is_some();
            paths.iter().filter(there).cloned().map(Change::Delete).collect()
        });
    }

    /// Moves one file as one commit of somebody else.
    pub fn rename(&self, repo: &str, from: &str, to: &str) {
        self.seed(repo, "Rename a file", |repo| {
            let entry: Option<Entry> = repo.entry(from, repo.head()).cloned();
            entry
                .map(|entry| vec![Change::Delete(from.to_owned()), Change::Put(to.to_owned(), entry)])
                .unwrap_or_default()
        });
    }

    /// Every file of a repository at its head, by path.
    #[must_use]
    pub fn files(&self, repo: &str) -> Vec<HubFile> {
        let hub = self.hub();
        let Some(repo) = hub.repo(repo) else { return Vec::new() };
        let file = |(path, entry): (&str, &Entry)| HubFile {
            path: path.to_owned(),
            size: entry.size,
            sha256: entry.oid().map(|oid| hex(oid)),
            lfs: entry.oid().is_some(),
        };
        repo.files_from("", "", repo.head()).map(file).collect()
    }

    /// The bytes that a download of a path at the head would give; nothing where the object is lost.
    #[must_use]
    pub fn read(&self, repo: &str, path: &str) -> Option<Bytes> {
        let hub = self.hub();
        let repo = hub.repo(repo)?;
        match &repo.entry(path, repo.head())?.kind {
            Kind::Regular(bytes) => Some(bytes.clone()),
            Kind::Lfs(oid) => repo.objects.get(oid).filter(|object| !object.lost).map(object::Object::bytes),
        }
    }

    /// Ids of all repositories.
    #[must_use]
    pub fn repos(&self) -> Vec<String> {
        self.hub().repos.values().map(|repo| repo.id.clone()).collect()
    }

    /// Whether a repository is private; nothing if there is none.
    #[must_use]
    pub fn is_private(&self, repo: &str) -> Option<bool> {
        self.hub().repo(repo).map(|repo| repo.private)
    }

    /// The newest commit of a repository.
    #[must_use]
    pub fn head(&self, repo: &str) -> Option<String> {
        self.hub().repo(repo).map(|repo| repo.head_oid().to_owned())
    }

    /// All commits of a repository, the oldest first.
    #[must_use]
    pub fn commits(&self, repo: &str) -> Vec<HubCommit> {
        let hub = self.hub();
        let Some(repo) = hub.repo(repo) else { return Vec::new() };
        let mut parent = None;
        let mut out = Vec::new();
        for commit in repo.commits() {
            out.push(HubCommit {
                oid: commit.oid.clone(),
                title: commit.title.clone(),
                at: commit.at,
                operations: commit.operations,
                parent: parent.replace(commit.oid.clone()),
            });
        }
        out
    }

    /// Every content that ever reached the Hub or its storage, with its real SHA-256: objects that were uploaded and
    /// not committed, files that were deleted since, repositories that are gone.
    #[must_use]
    pub fn contents(&self) -> Vec<(String, Bytes)> {
        let hub = self.hub();
        let mut out = BTreeMap::new();
        for repo in hub.repos.values().chain(&hub.gone) {
            for object in repo.objects.values() {
                out.insert(object.sha256, object.bytes());
            }
            for bytes in repo.regular_contents() {
                out.insert(digest::sha256([bytes.as_ref()]), bytes.clone());
            }
        }
        for object in &hub.replaced {
            out.insert(object.sha256, object.bytes());
        }
        out.into_iter().map(|(sha256, bytes)| (hex(&sha256), bytes)).collect()
    }

    /// Whether these bytes ever reached the Hub, told by their SHA-256 in hexadecimal digits.
    #[must_use]
    pub fn history_has(&self, sha256: &str) -> bool {
        self.contents().iter().any(|(known, _)| known == sha256)
    }

    /// Counts since the start or the last reset, and all violations.
    #[must_use]
    pub fn requests(&self) -> HubRequests {
        self.hub().audit.requests.clone()
    }

    /// Starts counting anew, violations too. Quotas and told waits stay.
    pub fn reset_requests(&self) {
        self.hub().audit.requests = HubRequests::default();
    }

    /// Forces a fault.
    pub fn add_fault(&self, rule: HubFaultRule) {
        self.hub().faults.script(rule);
    }

    /// Sets how much goes wrong by chance from now on.
    pub fn set_faults(&self, level: Faults) {
        self.hub().faults.set_level(level);
    }

    /// Makes one byte of a stored LFS object wrong; its oid stays. Says whether there was one.
    pub fn flip_byte(&self, repo: &str, path: &str) -> bool {
        self.with_object(repo, path, object::Object::flip)
    }

    /// Loses a stored LFS object; its pointer stays. Says whether there was one.
    pub fn lose_object(&self, repo: &str, path: &str) -> bool {
        self.with_object(repo, path, |object| object.lost = true)
    }

    /// Makes a token invalid.
    pub fn revoke(&self, token: &str) {
        self.hub().revoked.insert(token.to_owned());
    }

    /// Fills the storage, or empties it.
    pub fn storage_full(&self, full: bool) {
        self.hub().storage_full = full;
    }

    fn with_object(&self, repo: &str, path: &str, act: impl FnOnce(&mut object::Object)) -> bool {
        let mut hub = self.hub();
        let Some(repo) = hub.repo_mut(repo) else { return false };
        let Some(oid) = repo.entry(path, repo.head()).and_then(|entry| entry.oid().copied()) else {
            return false;
        };
        repo.objects.get_mut(&oid).map(act).is_some()
    }

    fn seed(&self, repo: &str, title: &str, changes: impl FnOnce(&Repo) -> Vec<Change>) {
        let now = self.peek();
        let mut hub = self.hub();
        let Some(repo) = hub.repo_mut(repo) else { return };
        let changes = changes(repo);
        if changes.is_empty() {
            return;
        }
        let label =
            Label { title: title.to_owned(), message: String::new(), author: "somebody".into(), at: now };
        // A refusal leaves the repository as it was: a seed that names nothing real changes nothing.
        drop(repo.commit(&changes, label, Limits::NONE).map(|commit| commit.oid.clone()));
    }
}
