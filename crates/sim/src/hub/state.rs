//! What the Hub remembers.
//!
//! Owns repositories, accounts, uploads in parts, windows, faults and counts, and the making of repositories.
//! Refuses to know requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::audit::HubAudit;
use super::config::HubConfig;
use super::digest::{Sha256Id, sha256};
use super::faults::HubFaultPlan;
use super::link::Link;
use super::object::Object;
use super::pattern::{DEFAULT_ATTRIBUTES, Patterns};
use super::quota::Windows;
use super::repo::{Change, Entry, Kind, Label, Limits, Repo};
use crate::content::mix;
use crate::ids::Guid;

/// An upload in parts that is not complete.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) repo: String,
    pub(crate) oid: Sha256Id,
    pub(crate) size: u64,
    /// How many there must be.
    pub(crate) count: u32,
    pub(crate) parts: BTreeMap<u32, Object>,
}

/// Base URLs without a trailing slash.
#[derive(Clone, Debug)]
pub(crate) struct HubOrigins {
    pub(crate) hub: String,
    /// Where objects are put.
    pub(crate) lfs: String,
    /// Where objects are read.
    pub(crate) cdn: String,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The account; empty for anonymous.
    pub(crate) user: String,
    /// The token may write where the account may.
    pub(crate) writes: bool,
    /// The account and its organizations.
    pub(crate) namespaces: Vec<String>,
}

impl Caller {
    pub(crate) fn is_anonymous(&self) -> bool {
        self.user.is_empty()
    }

    pub(crate) fn belongs_to(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|own| own.eq_ignore_ascii_case(namespace))
    }
}

#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) config: HubConfig,
    pub(crate) origins: HubOrigins,
    pub(crate) grace: Duration,
    /// By id in lower case: the Hub does not tell cases apart.
    pub(crate) repos: BTreeMap<String, Repo>,
    /// Repositories that were deleted.
    pub(crate) gone: Vec<Repo>,
    /// Objects that were put again with other bytes.
    pub(crate) replaced: Vec<Object>,
    pub(crate) uploads: BTreeMap<u64, Parts>,
    pub(crate) revoked: BTreeSet<String>,
    pub(crate) storage_full: bool,
    pub(crate) windows: Windows,
    pub(crate) faults: HubFaultPlan,
    pub(crate) audit: HubAudit,
    /// Until when recursive listings of a repository are answered with 504.
    pub(crate) tree_down: BTreeMap<String, Timestamp>,
    counter: u64,
}

impl Hub {
    pub(crate) fn new(config: HubConfig, _epoch: Timestamp) -> Self {
        let faults = HubFaultPlan::new(config.seed, config.faults);
        Self {
            config,
            origins: HubOrigins {
                hub: "http://hub.sim".into(),
                lfs: "http://lfs.hub.sim".into(),
                cdn: "http://cdn.hub.sim".into(),
            },
            grace: Duration::ZERO,
            repos: BTreeMap::new(),
            gone: Vec::new(),
            replaced: Vec::new(),
            uploads: BTreeMap::new(),
            revoked: BTreeSet::new(),
            storage_full: false,
            windows: Windows::default(),
            faults,
            audit: HubAudit::default(),
            tree_down: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(crate) fn repo(&self, id: &str) -> Option<&Repo> {
        self.repos.get(&id.to_lowercase())
    }

    pub(crate) fn repo_mut(&mut self, id: &str) -> Option<&mut Repo> {
        self.repos.get_mut(&id.to_lowercase())
    }

    /// Makes a repository with its first commit; says whether it was new.
    pub(crate) fn create(&mut self, id: &str, private: bool, now: Timestamp) -> bool {
        if self.repo(id).is_some() {
            return false;
        }
        let mut repo = Repo::new(id, private, self.config.seed ^ self.fresh(), now);
        let attributes = Entry::regular(Bytes::from_static(DEFAULT_ATTRIBUTES.as_bytes()));
        let label = Label {
            title: "initial commit".into(),
            message: String::new(),
            author: id.split('/').next().unwrap_or_default().to_owned(),
            at: now,
        };
        let first = [Change::Put(".gitattributes".into(), attributes)];
        let made = repo.commit(&first, label, Limits::NONE).is_ok();
        self.repos.insert(id.to_lowercase(), repo);
        made
    }

    pub(crate) fn seed_files(&mut self, id: &str, files: Vec<(String, Bytes)>, now: Timestamp) {
        let threshold = self.config.lfs_threshold;
        let Some(repo) = self.repo_mut(id) else { return };
        let attributes = attributes_of(repo);
        let mut changes = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            let sample = bytes.get(..512).unwrap_or(&bytes);
            if is_lfs(&attributes, threshold, &path, bytes.len() as u64, sample) {
                let oid = sha256([bytes.as_ref()]);
                let entry = Entry::lfs(oid, bytes.len() as u64);
                repo.objects.insert(oid, Object::of(bytes, oid));
                changes.push(Change::Put(path, entry));
            } else {
                changes.push(Change::Put(path, Entry::regular(bytes)));
            }
        }
        let label = Label {
            title: "Upload files".into(),
            message: String::new(),
            author: "somebody".into(),
            at: now,
        };
        // A refusal leaves the repository as it was; seeds with a file and a folder of one name are a test's mistake.
        drop(repo.commit(&changes, label, Limits::NONE).map(|commit| commit.oid.clone()));
    }

    /// A number that was not given before; a function of the seed and of how many were.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.counter += 1;
        mix(self.config.seed ^ mix(self.counter))
    }

    /// `X-Request-Id` as the Hub forms it.
    pub(crate) fn request_id(&mut self, now: Timestamp) -> String {
        let (trace, id) = (self.fresh(), self.fresh());
        format!("Root=1-{:08x}-{:024x};{}", now.as_second(), trace, Guid::derived(id).text())
    }

    pub(crate) fn signed(&self, link: &Link, origin: &str, now: Timestamp) -> String {
        format!("{origin}{}", link.sign(self.config.seed, now, self.config.link_lifetime))
    }

    pub(crate) fn grace(&self) -> SignedDuration {
        SignedDuration::try_from(self.grace).unwrap_or(SignedDuration::ZERO)
    }

    /// Whose token it is; nobody's if it was revoked or never given.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        let known = self.config.tokens.iter().find(|known| known.token == token)?;
        if self.revoked.contains(token) {
            return None;
        }
        let mut namespaces = vec![known.user.clone()];
        namespaces.extend(known.orgs.iter().cloned());
        Some(Caller { user: known.user.clone(), writes: known.role == "write", namespaces })
    }
}

/// What the repository itself says about LFS.
pub(crate) fn attributes_of(repo: &Repo) -> Patterns {
    Patterns::attributes(&text_of(repo, ".gitattributes"))
}

/// What the repository itself says about files to leave out.
pub(crate) fn ignored_by(repo: &Repo) -> Patterns {
    Patterns::ignore(&text_of(repo, ".gitignore"))
}

fn text_of(repo: &Repo, path: &str) -> String {
    match repo.entry(path, repo.head()).map(|entry| &entry.kind) {
        Some(Kind::Regular(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// Whether a file becomes an LFS file (`hub.md`, section 7); an empty one never does.
// Unverified: how the service knows binary content; a NUL byte in the sample stands for it.
pub(crate) fn is_lfs(attributes: &Patterns, threshold: u64, path: &str, size: u64, sample: &[u8]) -> bool {
    size > 0 && (size > threshold || sample.contains(&0) || attributes.matches(path))
}
