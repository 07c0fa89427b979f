//! The verify: every recorded URL is looked at and judged, in batches, and every answer is kept in the ledger.
//!
//! It reads the user's database and writes nothing to it, nor to any repository. Interrupted, it goes on
//! within a day at the states of the repositories that it had pinned. A place is absent only where a
//! complete answer of an existing repository does not name it; everything else is unknown.

pub(crate) mod candidates;
mod doubt;
mod judge;
mod proof;
mod reading;
mod state;
mod summary;
mod waiting;

pub(crate) use doubt::Verdict;
pub use judge::PROOFS_AT_ONCE;
pub(crate) use summary::LEAK;

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_core::engine::Sample;
use landfall_core::ledger::Answer;
use landfall_core::{ErrorKind, StoreError};
use landfall_stores::catalogue::Post;

use crate::Archive;
use crate::claim::{Claim, Place, kind_of};
use crate::finding::Finding;
use crate::look::Looker;
use crate::report::{Detail, VerifyReport};
use reading::ReadBack;
use state::State;
use waiting::Waiting;

/// Posts read from the database at a time.
const POSTS: usize = 500;
/// Claims that wait for their candidates at most.
const POOL: usize = 2000;
/// Pages of posts after which a verify asks for all that waits, so that an interrupted one repeats little.
const PAGES_KEPT: u64 = 20;

/// How deep a verify looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// That it is there, under that name; what was proven once is compared by its published hash.
    #[default]
    Exists,
    /// That it holds the file's bytes: what has no record yet is shown by sealing the local file again.
    Hash,
    /// As [`Depth::Exists`], and the objects themselves are read back: that their bytes are those whose hash is
    /// published, and open with the key.
    Bytes,
    /// As [`Depth::Exists`]; what an earlier verify found `changed` or `unproven` is compared again, and where
    /// two contents differ it is found out which one is right. A repair looks like that.
    Doubts,
}

/// How a verify is to go.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How deep.
    pub depth: Depth,
    /// How many objects are read back, those first that were read longest ago, where bytes are asked for.
    pub sample: Sample,
    /// URLs in one batch.
    pub batch: usize,
    /// Pause between batches.
    pub delay: Duration,
    /// Begin anew even where an interrupted one could be gone on with.
    pub fresh: bool,
    /// At most so many URLs.
    pub limit: Option<u64>,
    /// Only these URLs, whatever else is recorded.
    pub only: Option<std::collections::BTreeSet<String>>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            depth: Depth::Exists,
            sample: Sample::All,
            batch: crate::look::ASKED,
            delay: Duration::ZERO,
            fresh: false,
            limit: None,
            only: None,
        }
    }
}

/// A claim that was looked at, with everything needed to judge and to mend it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) claim: Claim,
    pub(crate) answer: Answer,
    pub(crate) finding: Option<Finding>,
    /// Where else objects lie that it may be about, the likeliest first.
    pub(crate) found: Vec<Place>,
    pub(crate) detail: Detail,
    /// A plain name with sealed content: known only where its first bytes were read.
    pub(crate) sealed: bool,
    /// Which of two contents is right, where that was asked.
    pub(crate) verdict: Option<Verdict>,
}

impl Judged {
    /// Under which subject its finding is settled.
    pub(crate) fn settling(&self) -> String {
        let subject = self.claim.subject();
        self.finding.map_or_else(
            || subject.clone(),
            |finding| finding.settled_as(&subject, self.detail.sha256.as_deref()),
        )
    }
}

impl Archive {
    /// Looks at every recorded URL and keeps what was seen.
    ///
    /// # Errors
    /// What a person has to act on, and the ledger's own. A repository that cannot be looked at makes its
    /// URLs unknown and ends nothing.
    pub async fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport, StoreError> {
        // With a wrong key no name could be read, and every pairing would look right.
        self.engine.check_seal(&self.job).await?;
        let mut state = self.begin_verify(options).await?;
        let mut looker = Looker::new(self.shelves.clone());
        let per_repo = self.count_claims(options).await?;
        let mut back = ReadBack::default();
        let work = async {
            self.verify_all(options, &per_repo, &mut state, &mut looker).await?;
            if options.depth == Depth::Bytes {
                self.read_back(options, state.started, &mut back).await?;
            }
            Ok::<(), StoreError>(())
        };
        let interrupted = match work.await {
            Ok(()) => self.engine.stop.is_cancelled(),
            Err(error) if error.kind == ErrorKind::Stopped => true,
            Err(error) => return Err(error),
        };
        if !interrupted {
            state.finished = true;
            self.save_state(&state).await?;
            if self.is_whole(options) {
                self.engine.ledger.forget_looks(&self.job.handle, state.started).await?;
            }
        }
        let mut report = self.sum_up(&state).await?;
        match self.add_known_leaks(&mut looker, &mut report).await {
            // Whoever stops it hears of them another time.
            Err(error) if error.kind == ErrorKind::Stopped => {}
            told => told?,
        }
        report.recorded = per_repo.values().sum();
        report.resumed = state.resumed;
        report.interrupted = interrupted;
        (report.read, report.read_bytes, report.unread) = (back.read, back.bytes, back.unread);
        self.name_moved_heads(&looker, &mut report).await?;
        Ok(report)
    }

    async fn verify_all(
        &self,
        options: &VerifyOptions,
        per_repo: &BTreeMap<String, u64>,
        state: &mut State,
        looker: &mut Looker,
    ) -> Result<(), StoreError> {
        self.prepare_repos(per_repo, state, looker).await?;
        self.verify_posts(options, state, looker, per_repo.keys()).await
    }

    /// Pins every repository, and lists those whose listing is the cheaper way.
    async fn prepare_repos(
        &self,
        per_repo: &BTreeMap<String, u64>,
        state: &mut State,
        looker: &mut Looker,
    ) -> Result<(), StoreError> {
        for repo in per_repo.keys().cloned().chain(self.family.iter().cloned()) {
            let kept = state.heads.get(&repo).cloned();
            looker.pin(&repo, kept.as_deref()).await?;
        }
        state.heads = looker.heads();
        self.save_state(state).await?;
        for (repo, paths) in per_repo {
            let entries = self.entries_of(repo).await?;
            if let Some(entries) = looker.list_if_cheaper(repo, *paths, entries).await? {
                self.remember_entries(repo, entries).await?;
            }
        }
        Ok(())
    }

    /// Recorded URLs by repository.
    async fn count_claims(&self, options: &VerifyOptions) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        let mut walk = self.walk(None);
        while let Some(posts) = walk.next(POSTS).await? {
            for post in &posts {
                for claim in self.claims(post, options) {
                    *counts.entry(claim.place.map(|p| p.repo).unwrap_or_default()).or_default() += 1;
                }
            }
        }
        counts.remove("");
        Ok(counts)
    }

    /// The claims of a post that this verify is about.
    pub(crate) fn claims(&self, post: &Post, options: &VerifyOptions) -> Vec<Claim> {
        let wanted = self.narrowing().kind;
        let fits = |claim: &Claim| {
            let kind = claim.place.as_ref().and_then(|place| kind_of(&place.path));
            let kind = wanted.is_none() || kind.is_none() || kind == wanted;
            kind && options.only.as_ref().is_none_or(|only| only.contains(&claim.url))
        };
        let mut seen = std::collections::BTreeSet::new();
        let mut once = |claim: &Claim| seen.insert(claim.url.clone());
        Claim::of(post, self.shelves.as_ref()).into_iter().filter(fits).filter(&mut once).collect()
    }

    async fn verify_posts(
        &self,
        options: &VerifyOptions,
        state: &mut State,
        looker: &mut Looker,
        repos: impl Iterator<Item = &String>,
    ) -> Result<(), StoreError> {
        let repos: Vec<String> = candidates::repos(repos, &self.family);
        let mut walk = self.walk(state.after.clone());
        let mut waiting = Waiting::new(options.batch.max(1));
        let mut pool: Vec<(Judged, Post)> = Vec::new();
        let mut seen = state.urls;
        let full = |seen: u64| options.limit.is_some_and(|limit| seen >= limit);
        let mut pages = 0;
        while let Some(posts) = walk.next(POSTS).await? {
            self.engine.go_on("verify")?;
            let mut whole = Vec::new();
            for post in posts {
                if full(seen) {
                    break;
                }
                whole.extend(self.judge_post(&post).await?);
                for claim in self.claims(&post, options) {
                    if full(seen) {
                        break;
                    }
                    seen += 1;
                    if let Some(batch) = waiting.add(claim, post.clone()) {
                        self.engine.go_on("verify")?;
                        self.look_at(batch, options, looker, &mut pool).await?;
                        tokio::time::sleep(options.delay).await;
                    }
                }
            }
            self.engine.ledger.looked(&self.job.handle, whole).await?;
            pages += 1;
            let due = options.batch < crate::look::ASKED || pages % PAGES_KEPT == 0;
            if due || full(seen) {
                self.look_at(waiting.all(), options, looker, &mut pool).await?;
            }
            if pool.len() >= POOL {
                self.look_elsewhere(std::mem::take(&mut pool), &repos, looker).await?;
            }
            let settled = pool.is_empty() && waiting.is_empty();
            self.keep_place(settled, state, walk.at(), seen).await?;
            if full(seen) {
                break;
            }
        }
        self.look_at(waiting.all(), options, looker, &mut pool).await?;
        self.look_elsewhere(pool, &repos, looker).await?;
        (state.after, state.urls) = (walk.at(), seen);
        Ok(())
    }

    /// Writes down how far the verify came, where nothing before that place waits for its answer.
    async fn keep_place(
        &self,
        settled: bool,
        state: &mut State,
        at: Option<(String, String)>,
        seen: u64,
    ) -> Result<(), StoreError> {
        if !settled {
            return Ok(());
        }
        (state.after, state.urls) = (at, seen);
        self.save_state(state).await
    }

    /// Looks at a batch of claims; those that are not there wait in the pool for their candidates.
    async fn look_at(
        &self,
        mut batch: Vec<(Claim, Post)>,
        options: &VerifyOptions,
        looker: &mut Looker,
        pool: &mut Vec<(Judged, Post)>,
    ) -> Result<(), StoreError> {
        batch.sort_by(|(a, _), (b, _)| (&a.post, a.position).cmp(&(&b.post, b.position)));
        if batch.is_empty() {
            return Ok(());
        }
        let judged = self.judge(batch, options, looker).await?;
        let mut looks = Vec::with_capacity(judged.len());
        for (judged, post) in judged {
            match judged.finding {
                Some(finding) if finding.is_absence() || finding == Finding::Mispaired => {
                    pool.push((judged, post));
                }
                _ => looks.push(self.look_of(judged).await?),
            }
        }
        self.engine.ledger.looked(&self.job.handle, looks).await
    }
}
