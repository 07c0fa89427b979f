//! Repositories of the Hub as the shelves that a verify looks at.
//!
//! Owns the translation of paths, listings and answers; a repository that is hidden is not there for us,
//! and nothing else is concluded from an error. Looks only.

use std::collections::BTreeMap;

use async_trait::async_trait;
use landfall_core::{Code, RelPath, StoreError};
use landfall_stores::hub::{EntryKind, HubApi, RecordedUrl, RepoId, TreeEntry, Walk};
use tokio::sync::Mutex;

use crate::claim::Place;
use crate::look::{Shelves, Thing};

/// The branch whose files are recorded.
const BRANCH: &str = "main";

/// The Hub's repositories.
pub struct HubShelves {
    api: HubApi,
    /// The endpoint's own host, where it is not the Hub's usual one.
    host: Option<String>,
    /// Listings under way, by repository and state.
    walks: Mutex<BTreeMap<(String, String), Walk>>,
    known: std::sync::Mutex<BTreeMap<String, String>>,
}

impl HubShelves {
    /// Looks through a connection.
    #[must_use]
    pub fn new(api: HubApi) -> Self {
        let host = api.endpoint().split("://").nth(1).and_then(|rest| rest.split('/').next());
        let host = host.map(str::to_owned);
        Self { api, host, walks: Mutex::default(), known: std::sync::Mutex::default() }
    }

    /// Takes heads that were looked at a moment ago: each answers the first question for it.
    #[must_use]
    pub fn knowing(self, heads: BTreeMap<String, String>) -> Self {
        Self { known: std::sync::Mutex::new(heads), ..self }
    }
}

impl std::fmt::Debug for HubShelves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubShelves").field("host", &self.host).finish_non_exhaustive()
    }
}

fn thing(entry: TreeEntry) -> Thing {
    Thing { evidence: entry.evidence(), path: entry.path }
}

#[async_trait]
impl Shelves for HubShelves {
    fn parse(&self, url: &str) -> Option<Place> {
        let hosts: Vec<&str> = self.host.iter().map(String::as_str).collect();
        let read = RecordedUrl::parse(url, &hosts).ok()?;
        // An address of another revision says nothing of what lies there now.
        (read.rev == BRANCH).then(|| Place::new(read.repo.to_string(), read.path.as_str()))
    }

    fn print(&self, place: &Place) -> String {
        match (RepoId::parse(&place.repo), RelPath::new(place.path.as_str())) {
            (Ok(repo), Ok(path)) => RecordedUrl::print(&repo, &path),
            _ => format!("{}:{}", place.repo, place.path),
        }
    }

    async fn head(&self, repo: &str) -> Result<Option<String>, StoreError> {
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(repo);
        if known.is_some() {
            return Ok(known);
        }
        match self.api.repo(&RepoId::parse(repo)?).await {
            Ok(info) => Ok(Some(info.sha)),
            Err(error) if error.code == Some(Code::RepositoryNotFound) => Ok(None),
            // Somebody else's repository makes its own URLs unknown and ends nothing.
            Err(mut error) if error.code == Some(Code::RepositoryDenied) => {
                error.code = None;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn page(
        &self,
        repo: &str,
        head: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<Thing>, u64, Option<String>), StoreError> {
        let key = (repo.to_owned(), head.to_owned());
        let kept = self.walks.lock().await.remove(&key).filter(|_| cursor.is_some());
        let mut walk = match kept {
            Some(walk) => walk,
            None => Walk::new(&self.api, &RepoId::parse(repo)?, head),
        };
        let Some(step) = walk.next().await? else { return Ok((Vec::new(), 0, None)) };
        let count = step.entries.len() as u64;
        let files =
            step.entries.into_iter().filter(|entry| entry.kind == EntryKind::File).map(thing).collect();
        if walk.is_done() {
            return Ok((files, count, None));
        }
        self.walks.lock().await.insert(key, walk);
        Ok((files, count, Some(head.to_owned())))
    }

    async fn things(&self, repo: &str, head: &str, paths: &[String]) -> Result<Vec<Thing>, StoreError> {
        let found = self.api.paths_info(&RepoId::parse(repo)?, head, paths).await?;
        Ok(found.into_iter().filter(|entry| entry.kind == EntryKind::File).map(thing).collect())
    }

    async fn beginning(&self, repo: &str, head: &str, path: &str, most: u64) -> Result<Vec<u8>, StoreError> {
        Ok(self.api.header(&RepoId::parse(repo)?, head, path, 0..most).await?.to_vec())
    }
}
