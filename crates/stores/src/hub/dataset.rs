//! A dataset, grown over as many repositories as it needs, as a destination of files.
//!
//! Owns what the dataset is (its family of repositories, their heads and counts) and what it refuses. The ways of
//! writing have modules of their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use landfall_core::digest::Algo;
use landfall_core::error::Look;
use landfall_core::memo::MemoKey;
use landfall_core::state::Reason;
use landfall_core::store::{
    Change, Copy, Destination, DestinationCaps, Found, Holding, KeptTimes, Landed, Listed, Listing, Put,
};
use landfall_core::transport::Body;
use landfall_core::words::{ByteSize, Cursor, ItemKey};
use landfall_core::{ErrorKind, RelPath, StoreError, Times};

use super::PRICES;
use super::api::HubApi;
use super::counts::Counts;
use super::listing::FamilyListing;
use super::repo::RepoId;
use super::scale::{MOST, Scale};
use super::types::{EntryKind, parse_item};

/// The largest file.
// Source: hub-docs, storage limits, read 2026-11.
const LARGEST: ByteSize = ByteSize(500_000_000_000);

/// Bytes of one name.
// Unverified: what the Hub takes; most file systems that people clone to end here.
const NAME: usize = 255;

/// Repositories that one dataset may grow over; more is a mistake in the numbering.
const FAMILY: usize = 200;

/// How a dataset is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Files that one repository may hold before the next is begun.
    // Source: the refusal's own text, as users quoted it.
    pub files_per_repo: u64,
    /// Entries that one folder may hold.
    pub files_per_folder: u64,
    /// Objects uploaded at once.
    pub parallel: usize,
    /// Only what lies below these is listed; everything where there are none.
    pub prefixes: Vec<RelPath>,
    /// Whether the first repository is made, private, where it is missing.
    pub create: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            files_per_repo: 100_000,
            files_per_folder: 10_000,
            parallel: 8,
            prefixes: Vec::new(),
            create: false,
        }
    }
}

/// One repository of the family.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) repo: RepoId,
    /// The head as it was seen last, or as our own last commit made it.
    pub(super) head: Option<String>,
    /// What it holds; `None` until it was listed.
    pub(super) counts: Option<Counts>,
}

/// What a dataset and its listings share.
pub(super) struct Shared {
    pub(super) api: HubApi,
    pub(super) settings: Settings,
    pub(super) scale: Scale,
    family: Mutex<Vec<Member>>,
}

/// A dataset that files go to: `NAME`, and `NAME_2`, `NAME_3`, … where it has outgrown one repository.
pub struct HubDataset {
    pub(super) shared: Arc<Shared>,
    caps: DestinationCaps,
    base: RepoId,
    /// One batch at a time: commits to one repository follow one another anyway.
    publishing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for HubDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubDataset({})", self.base)
    }
}

impl HubDataset {
    /// Finds the dataset's repositories: `NAME` and whatever of `NAME_2`, `NAME_3`, … there is.
    ///
    /// # Errors
    /// `Denied` where the first one is missing or hidden and is not to be made; else where looking fails: an
    /// unknown family is never taken for a small one.
    pub async fn open(api: &HubApi, repo: &RepoId, settings: Settings) -> Result<Self, StoreError> {
        let first = match api.repo_seen(repo).await? {
            Ok(info) => info,
            Err(refusal) if refusal.is_repo_hidden() && settings.create => {
                api.create_repo(repo, true).await?
            }
            Err(refusal) => return Err(refusal.error("open", &repo.to_string())),
        };
        let mut family = vec![Member { repo: repo.clone(), head: Some(first.sha), counts: None }];
        let mut next = repo.next();
        while family.len() < FAMILY {
            match api.repo_seen(&next).await? {
                Ok(info) => {
                    family.push(Member { repo: next.clone(), head: Some(info.sha), counts: None });
                    next = next.next();
                }
                Err(refusal) if refusal.is_repo_hidden() => break,
                Err(refusal) => return Err(refusal.error("open", &next.to_string())),
            }
        }
        let caps = DestinationCaps {
            publishes: vec![Algo::Sha256],
            digest_first: true,
            rewrites: Vec::new(),
            max_size: Some(LARGEST),
            copy_realm: None,
            fragment: ByteSize(512 << 10),
            incremental: true,
            keeps: KeptTimes::default(),
            prices: PRICES,
            batch: Some(MOST),
        };
        let shared =
            Shared { api: api.clone(), settings, scale: Scale::default(), family: Mutex::new(family) };
        Ok(Self {
            shared: Arc::new(shared),
            caps,
            base: repo.clone(),
            publishing: tokio::sync::Mutex::default(),
        })
    }

    /// The connection.
    #[must_use]
    pub fn api(&self) -> &HubApi {
        &self.shared.api
    }

    /// The head of each repository as it was last seen here.
    #[must_use]
    pub fn heads(&self) -> std::collections::BTreeMap<String, String> {
        let known = |member: &Member| Some((member.repo.to_string(), member.head.clone()?));
        self.shared.family().iter().filter_map(known).collect()
    }

    /// The repositories of the family, in the order of their numbers.
    #[must_use]
    pub fn repos(&self) -> Vec<RepoId> {
        self.shared.family().iter().map(|member| member.repo.clone()).collect()
    }

    /// Takes over what a repository holds from a listing that the caller has kept, so that it is not listed for
    /// its limits alone. Nothing happens for a repository that is not of the family.
    pub fn note_counts(&self, repo: &RepoId, counts: Counts) {
        if let Some(member) = self.shared.family().iter_mut().find(|member| member.repo == *repo) {
            member.counts = Some(counts);
        }
    }
}

impl Shared {
    pub(super) fn family(&self) -> MutexGuard<'_, Vec<Member>> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one member, where there is one.
    pub(super) fn member<T>(&self, at: usize, act: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.family().get_mut(at).map(act)
    }

    /// The name of one member.
    pub(super) fn repo(&self, at: usize) -> Result<RepoId, StoreError> {
        self.member(at, |member| member.repo.clone()).ok_or_else(|| {
            StoreError::new(
                ErrorKind::Unsupported,
                "find",
                format!("repository {at}"),
                "it is not of this dataset",
            )
        })
    }
}

fn refuse_name(name: &str) -> Option<(Reason, String)> {
    // Source: huggingface_hub 2.4.0 refuses these parts of a path, read 2026-11.
    if name.eq_ignore_ascii_case(".git") || name == ".cache" {
        return Some((Reason::NameReserved, format!("{name:?} is reserved in a repository")));
    }
    if name.chars().any(char::is_control) {
        return Some((Reason::NameIllegal, "it holds a control character".to_owned()));
    }
    (name.len() > NAME).then(|| (Reason::NameTooLong, format!("a name of more than {NAME} bytes")))
}

#[async_trait]
impl Destination for HubDataset {
    fn caps(&self) -> &DestinationCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        format!("datasets/{}", self.base)
    }

    fn root(&self) -> ItemKey {
        ItemKey(String::new())
    }

    fn refuses(&self, path: &RelPath, _folder: bool) -> Option<(Reason, String)> {
        path.segments().find_map(refuse_name)
    }

    fn maps(&self, name: &str) -> String {
        let mut mapped: String = name
            .chars()
            .map(|c| match c {
                '\u{7f}' => '\u{2421}',
                // The pictures of the control characters stand in their order.
                c if c.is_ascii_control() => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
                c if c.is_control() => '\u{fffd}',
                c => c,
            })
            .collect();
        if mapped.eq_ignore_ascii_case(".git") || mapped == ".cache" {
            mapped.replace_range(..1, "．");
        }
        mapped
    }

    async fn changes(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Ok(Box::new(FamilyListing::begin(&self.shared, since).await?))
    }

    async fn children(
        &self,
        folder: &ItemKey,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        self.shared.children(folder.as_str(), page).await
    }

    async fn find(&self, parent: &ItemKey, name: &str) -> Look<Found> {
        let path = if parent.as_str().is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        for repo in self.repos() {
            match self.find_in(&repo, &path).await {
                Ok(Some(found)) => return Look::Present(found),
                Ok(None) => {}
                Err(error) => return Look::Unknown(error),
            }
        }
        Look::Absent
    }

    async fn ensure_folder(
        &self,
        parent: &ItemKey,
        name: &str,
        _path: &RelPath,
    ) -> Result<ItemKey, StoreError> {
        // Folders come and go with their files.
        Ok(ItemKey(if parent.as_str().is_empty() { name.to_owned() } else { format!("{parent}/{name}") }))
    }

    async fn set_folder_times(&self, folders: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>> {
        folders.iter().map(|_| Ok(())).collect()
    }

    async fn upload(&self, put: Put<'_>) -> Result<Landed, StoreError> {
        let detail = "files reach a dataset in batches, not one by one";
        Err(StoreError::new(ErrorKind::Unsupported, "upload", put.path.as_str(), detail))
    }

    async fn abandon(&self, _memo: &MemoKey) -> Result<(), StoreError> {
        // Objects that no commit points to are the service's to sweep.
        Ok(())
    }

    /// How many changes one commit carries now; a larger batch is cut into several commits.
    fn batch_now(&self) -> usize {
        self.shared.scale.now()
    }

    async fn publish(
        &self,
        changes: Vec<Change>,
    ) -> Result<Vec<Result<Option<Holding>, StoreError>>, StoreError> {
        let _one = self.publishing.lock().await;
        self.shared.publish(changes).await
    }

    async fn copy_from(&self, copy: Copy) -> Result<Landed, StoreError> {
        let detail = "the Hub copies nothing from elsewhere";
        Err(StoreError::new(ErrorKind::Unsupported, "copy", copy.path.as_str(), detail))
    }

    async fn read(&self, item: &ItemKey, from: u64) -> Result<Body, StoreError> {
        let Some((repo, path)) = parse_item(item) else {
            let detail = "it is no id of a file in a dataset";
            return Err(StoreError::new(ErrorKind::Unsupported, "read", item.as_str(), detail));
        };
        self.shared.api.read(&repo, "main", path, from).await
    }
}

impl HubDataset {
    /// Looks in one repository at its head, which is read first: a listing by branch may lag behind it.
    async fn find_in(&self, repo: &RepoId, path: &str) -> Result<Option<Found>, StoreError> {
        let head = self.shared.api.repo(repo).await?.sha;
        let found = self.shared.api.paths_info(repo, &head, &[path.to_owned()]).await?;
        Ok(found.into_iter().find(|entry| entry.path == path).map(|entry| match entry.kind {
            EntryKind::File => Found::File(entry.holding(repo)),
            EntryKind::Folder => Found::Folder(ItemKey(entry.path)),
        }))
    }
}
