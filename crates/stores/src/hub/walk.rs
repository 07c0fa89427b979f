//! A whole repository at one commit, page by page, also where it is too large for one recursive listing.
//!
//! Owns the fall-back: when the gateway gives up on the recursive listing, the walk begins again and lists folder
//! by folder. Whoever counts must begin again too, so a step says so.

use landfall_core::StoreError;

use super::api::HubApi;
use super::repo::RepoId;
use super::tree::PageError;
use super::types::{EntryKind, TreeEntry};

/// Time-outs of the recursive listing before folders are listed one by one.
const PATIENCE: u32 = 2;

/// One page of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What stands in it; folders too.
    pub entries: Vec<TreeEntry>,
    /// True where everything given so far comes again from here on.
    pub restarted: bool,
}

/// A listing under way.
#[derive(Debug)]
pub struct Walk {
    api: HubApi,
    repo: RepoId,
    rev: String,
    state: State,
    restarted: bool,
}

#[derive(Debug)]
enum State {
    /// One recursive listing; the address of the next page.
    Whole {
        next: Option<String>,
        timeouts: u32,
    },
    /// Folders still to be listed, the present one last, with its next page.
    Folders {
        left: Vec<String>,
        next: Option<String>,
    },
    Done,
}

impl Walk {
    /// Begins a walk over a repository at a revision, which should be a commit.
    #[must_use]
    pub fn new(api: &HubApi, repo: &RepoId, rev: &str) -> Self {
        Self::resume(api, repo, rev, None)
    }

    /// Goes on at the address of a page that [`Walk::next_page`] gave.
    #[must_use]
    pub fn resume(api: &HubApi, repo: &RepoId, rev: &str, next: Option<String>) -> Self {
        let state = State::Whole { next, timeouts: 0 };
        Self { api: api.clone(), repo: repo.clone(), rev: rev.to_owned(), state, restarted: false }
    }

    /// The address at which the walk can go on; `None` where it would have to begin anew.
    #[must_use]
    pub fn next_page(&self) -> Option<&str> {
        match &self.state {
            State::Whole { next, .. } => next.as_deref(),
            State::Folders { .. } | State::Done => None,
        }
    }

    /// True where everything has been given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// Where a page cannot be had; asking again asks for the same page.
    pub async fn next(&mut self) -> Result<Option<Step>, StoreError> {
        loop {
            let step = match &self.state {
                State::Done => return Ok(None),
                State::Whole { .. } => self.whole().await?,
                State::Folders { .. } => self.folder().await?,
            };
            if let Some(entries) = step {
                let restarted = std::mem::take(&mut self.restarted);
                return Ok(Some(Step { entries, restarted }));
            }
        }
    }

    /// A page of the recursive listing; `None` where the state changed instead.
    async fn whole(&mut self) -> Result<Option<Vec<TreeEntry>>, StoreError> {
        let State::Whole { next, timeouts } = &mut self.state else { return Ok(None) };
        match self.api.tree_page(&self.repo, &self.rev, None, true, next.as_deref()).await {
            Ok(page) => {
                self.state =
                    page.next.map_or(State::Done, |next| State::Whole { next: Some(next), timeouts: 0 });
                Ok(Some(page.entries))
            }
            Err(PageError::TooLarge(error)) => {
                *timeouts += 1;
                let failures = *timeouts;
                if failures < PATIENCE {
                    self.api.pause(failures).await;
                } else {
                    tracing::debug!(repo = %self.repo, error = %error, "listing folder by folder");
                    self.state = State::Folders { left: vec![String::new()], next: None };
                    self.restarted = true;
                }
                Ok(None)
            }
            Err(PageError::Refused(refusal)) => Err(refusal.error("list", &self.repo.to_string())),
            Err(PageError::Failed(error)) => Err(error),
        }
    }

    async fn folder(&mut self) -> Result<Option<Vec<TreeEntry>>, StoreError> {
        let State::Folders { left, next } = &mut self.state else { return Ok(None) };
        let Some(folder) = left.last().cloned() else {
            self.state = State::Done;
            return Ok(None);
        };
        let page = self.api.tree(&self.repo, &self.rev, Some(&folder), false, next.as_deref()).await?;
        *next = page.next;
        if next.is_none() {
            left.pop();
        }
        // Pushed below the present folder's remaining pages.
        let at = left.len() - usize::from(next.is_some());
        for entry in page.entries.iter().filter(|entry| entry.kind == EntryKind::Folder) {
            left.insert(at, entry.path.clone());
        }
        if left.is_empty() {
            self.state = State::Done;
        }
        Ok(Some(page.entries))
    }
}
