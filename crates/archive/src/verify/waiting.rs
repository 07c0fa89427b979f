//! Claims that wait for company: a request asks for many paths of one repository.

use std::collections::BTreeMap;

use landfall_stores::catalogue::Post;

use crate::claim::Claim;

/// Claims that wait until one repository has enough of them for a full request.
pub(super) struct Waiting {
    most: usize,
    by_repo: BTreeMap<String, Vec<(Claim, Post)>>,
}

impl Waiting {
    pub(super) fn new(most: usize) -> Self {
        Self { most, by_repo: BTreeMap::new() }
    }

    /// Takes a claim; gives back a full batch.
    pub(super) fn add(&mut self, claim: Claim, post: Post) -> Option<Vec<(Claim, Post)>> {
        let repo = claim.place.as_ref().map(|place| place.repo.clone()).unwrap_or_default();
        let batch = self.by_repo.entry(repo).or_default();
        batch.push((claim, post));
        (batch.len() >= self.most).then(|| std::mem::take(batch))
    }

    pub(super) fn all(&mut self) -> Vec<(Claim, Post)> {
        std::mem::take(&mut self.by_repo).into_values().flatten().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_repo.values().all(Vec::is_empty)
    }
}
