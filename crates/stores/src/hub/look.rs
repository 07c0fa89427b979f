//! Looking for many paths at one commit by whichever way costs fewer requests.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::StoreError;

use super::api::HubApi;
use super::repo::RepoId;
use super::tree::PATHS;
use super::types::TreeEntry;
use super::walk::Walk;

/// Entries of one page of a tree.
const PAGE: u64 = 1000;

/// Files that a repository may hold, for one whose number nobody knows.
const MOST: u64 = 100_000;

impl HubApi {
    /// What stands at these paths at a revision (a commit, so that the pages agree). A path that is not in the
    /// answer is absent. `entries` is how many the repository holds, folders counted, where that is known.
    ///
    /// # Errors
    /// Where any request fails: nothing may then be concluded.
    pub async fn look_up(
        &self,
        repo: &RepoId,
        rev: &str,
        paths: &[String],
        entries: Option<u64>,
    ) -> Result<BTreeMap<String, TreeEntry>, StoreError> {
        let by_paths = paths.len().div_ceil(PATHS) as u64;
        let by_tree = entries.unwrap_or(MOST).div_ceil(PAGE).max(1);
        if by_paths <= by_tree {
            let found = self.paths_info(repo, rev, paths).await?;
            return Ok(found.into_iter().map(|entry| (entry.path.clone(), entry)).collect());
        }
        let wanted: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
        let mut found = BTreeMap::new();
        let mut walk = Walk::new(self, repo, rev);
        while let Some(step) = walk.next().await? {
            let hits = step.entries.into_iter().filter(|entry| wanted.contains(entry.path.as_str()));
            found.extend(hits.map(|entry| (entry.path.clone(), entry)));
        }
        Ok(found)
    }
}
