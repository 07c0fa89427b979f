//! The listing of a dataset: every repository of its family at a pinned commit.
//!
//! Owns the cursor (the heads, and the place within a listing that was interrupted). Unchanged heads mean an
//! unchanged dataset and cost one request a repository; anything else lists everything again.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use landfall_core::state::Reason;
use landfall_core::store::{Authors, Entry, Listed, ListedFolder, Listing, Page};
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{RelPath, StoreError, Times};
use serde::{Deserialize, Serialize};

use super::counts::{Counts, parent};
use super::dataset::Shared;
use super::repo::RepoId;
use super::tree::PageError;
use super::types::{EntryKind, TreeEntry, item_key};
use super::walk::Walk;
use crate::wire::same_origin;

/// The cursor's text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    version: u32,
    /// The commit of each repository.
    heads: BTreeMap<String, String>,
    /// Where an unfinished listing goes on; `None` for a finished one.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Place>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    repo: String,
    next: Option<String>,
}

/// The next page of one folder, over the family.
#[derive(Serialize, Deserialize)]
struct ChildPage {
    member: usize,
    next: Option<String>,
}

/// A listing under way.
pub(super) struct FamilyListing {
    shared: Arc<Shared>,
    repos: Vec<RepoId>,
    heads: BTreeMap<String, String>,
    at: usize,
    walk: Option<Walk>,
    /// What the present repository holds, as far as it was listed from its beginning.
    counts: Option<Counts>,
    restarted: bool,
    /// Nothing changed: one empty page says so.
    unchanged: bool,
    over: bool,
}

impl FamilyListing {
    /// Begins a listing, or goes on with one.
    pub(super) async fn begin(shared: &Arc<Shared>, since: Option<Cursor>) -> Result<Self, StoreError> {
        let repos: Vec<RepoId> = shared.family().iter().map(|member| member.repo.clone()).collect();
        let mark = since.as_ref().and_then(|cursor| serde_json::from_str::<Mark>(&cursor.0).ok());
        let mut listing = Self {
            shared: Arc::clone(shared),
            repos,
            heads: BTreeMap::new(),
            at: 0,
            walk: None,
            counts: Some(Counts::new()),
            restarted: false,
            unchanged: false,
            over: false,
        };
        if let Some(mark) = &mark
            && listing.goes_on(mark)
        {
            return Ok(listing);
        }
        for (at, repo) in listing.repos.iter().enumerate() {
            let sha = shared.api.repo(repo).await?.sha;
            shared.member(at, |member| member.head = Some(sha.clone()));
            listing.heads.insert(repo.to_string(), sha);
        }
        listing.unchanged = mark.is_some_and(|mark| mark.at.is_none() && mark.heads == listing.heads);
        listing.restarted = since.is_some() && !listing.unchanged;
        Ok(listing)
    }

    /// Takes up an unfinished listing, where it fits what there is now.
    fn goes_on(&mut self, mark: &Mark) -> bool {
        let Some(place) = &mark.at else { return false };
        let Some(at) = self.repos.iter().position(|repo| repo.to_string() == place.repo) else {
            return false;
        };
        let complete = self.repos.iter().all(|repo| mark.heads.contains_key(&repo.to_string()));
        let ours = place.next.as_deref().is_none_or(|next| same_origin(next, self.shared.api.endpoint()));
        let (true, true, Some(repo), Some(head)) =
            (complete, ours, self.repos.get(at), mark.heads.get(&place.repo))
        else {
            return false;
        };
        if place.next.is_some() {
            self.walk = Some(Walk::resume(&self.shared.api, repo, head, place.next.clone()));
            self.counts = None;
        }
        self.at = at;
        self.heads.clone_from(&mark.heads);
        true
    }

    fn cursor(&self, at: Option<Place>) -> Option<Cursor> {
        serde_json::to_string(&Mark { version: 1, heads: self.heads.clone(), at }).ok().map(Cursor)
    }

    /// The cursor after the page that was just read; `None` where the listing could not go on there.
    fn place(&self) -> Option<Cursor> {
        let repo = self.repos.get(self.at)?.to_string();
        match &self.walk {
            Some(walk) => {
                let next = walk.next_page()?.to_owned();
                self.cursor(Some(Place { repo, next: Some(next) }))
            }
            None => self.cursor(Some(Place { repo, next: None })),
        }
    }

    /// Notes that a repository was listed to its end, and goes to the next.
    fn finish(&mut self) {
        let head = self.repos.get(self.at).and_then(|repo| self.heads.get(&repo.to_string())).cloned();
        if let Some(counts) = self.counts.replace(Counts::new()) {
            // Counts of an older head than the one we have committed to since would lack our own files.
            self.shared.member(self.at, |member| {
                if member.head == head {
                    member.counts = Some(counts);
                }
            });
        }
        self.walk = None;
        self.at += 1;
    }
}

#[async_trait]
impl Listing for FamilyListing {
    async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let Some(repo) = self.repos.get(self.at).cloned().filter(|_| !self.unchanged) else {
            self.over = true;
            let restarted = std::mem::take(&mut self.restarted);
            return Ok(Some(Page {
                items: Vec::new(),
                cursor: self.cursor(None),
                complete: true,
                restarted,
            }));
        };
        let head = self.heads.get(&repo.to_string()).cloned().unwrap_or_default();
        let walk = self.walk.get_or_insert_with(|| Walk::new(&self.shared.api, &repo, &head));
        let step = walk.next().await?;
        let done = walk.is_done();
        let mut items = Vec::new();
        if let Some(step) = step {
            if step.restarted {
                self.counts = Some(Counts::new());
            }
            for entry in step.entries {
                if let Some(counts) = &mut self.counts {
                    counts.list(&entry);
                }
                if is_wanted(&self.shared.settings.prefixes, &entry) {
                    items.push(listed(&repo, entry));
                }
            }
        }
        if done {
            self.finish();
        }
        let complete = self.at >= self.repos.len();
        self.over = complete;
        let cursor = if complete { self.cursor(None) } else { self.place() };
        let restarted = std::mem::take(&mut self.restarted);
        Ok(Some(Page { items, cursor, complete, restarted }))
    }
}

impl Shared {
    /// One page of a folder's direct children in one repository of the family after the other.
    pub(super) async fn children(
        &self,
        folder: &str,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        let place = page.and_then(|cursor| serde_json::from_str::<ChildPage>(&cursor.0).ok());
        let ChildPage { member, next } = place.unwrap_or(ChildPage { member: 0, next: None });
        let repo = self.repo(member)?;
        let path = (!folder.is_empty()).then_some(folder);
        let (entries, next) = match self.api.tree_page(&repo, "main", path, false, next.as_deref()).await {
            Ok(page) => (page.entries, page.next),
            // Another repository of the family may hold the folder.
            Err(PageError::Refused(refusal)) if refusal.is_entry_absent() => (Vec::new(), None),
            Err(PageError::Refused(refusal)) => return Err(refusal.error("list", folder)),
            Err(PageError::TooLarge(error) | PageError::Failed(error)) => return Err(error),
        };
        let items = entries.into_iter().map(|entry| listed(&repo, entry)).collect();
        let last = member + 1 >= self.family().len();
        let after = match next {
            Some(next) => Some(ChildPage { member, next: Some(next) }),
            None if last => None,
            None => Some(ChildPage { member: member + 1, next: None }),
        };
        let cursor = after.and_then(|after| serde_json::to_string(&after).ok()).map(Cursor);
        Ok((items, cursor))
    }
}

/// True where an entry lies below one of the prefixes, or is a folder above one.
fn is_wanted(prefixes: &[RelPath], entry: &TreeEntry) -> bool {
    let below = |path: &str, top: &str| {
        top.is_empty() || path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
    };
    prefixes.is_empty()
        || prefixes.iter().any(|prefix| {
            below(&entry.path, prefix.as_str())
                || (entry.kind == EntryKind::Folder && below(prefix.as_str(), &entry.path))
        })
}

fn listed(repo: &RepoId, entry: TreeEntry) -> Listed {
    let above = parent(&entry.path);
    let parent = (!above.is_empty()).then(|| ItemKey(above.to_owned()));
    let name = entry.path.rsplit('/').next().unwrap_or("").to_owned();
    let hostile = RelPath::new(entry.path.clone()).is_err();
    if entry.kind == EntryKind::Folder && !hostile {
        let key = ItemKey(entry.path);
        return Listed::Folder(ListedFolder {
            key,
            parent,
            name,
            times: Times::default(),
            child_count: None,
            authors: Authors::default(),
        });
    }
    let holding = entry.holding(repo);
    let file = Entry {
        key: item_key(repo, &entry.path),
        parent,
        name,
        size: holding.evidence.size,
        times: Times::default(),
        revision: holding.revision,
        digests: holding.evidence.digests,
        authors: Authors::default(),
    };
    if hostile { Listed::Skipped { entry: file, reason: Reason::HostileName } } else { Listed::File(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_keep_what_is_below_and_the_way_there() {
        let entry =
            |path: &str, kind| TreeEntry { path: path.into(), kind, size: 0, oid: String::new(), lfs: None };
        let prefixes = [RelPath::new("a/花子").unwrap()];
        let file = |path| is_wanted(&prefixes, &entry(path, EntryKind::File));
        assert!(file("a/花子/x") && file("a/花子"));
        assert!(!file("a/花子2/x") && !file("a/x"));
        assert!(is_wanted(&prefixes, &entry("a", EntryKind::Folder)));
        assert!(!is_wanted(&prefixes, &entry("b", EntryKind::Folder)));
        assert!(is_wanted(&[], &entry("b", EntryKind::File)));
    }
}
