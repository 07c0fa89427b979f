//! How far a verify came: kept in the ledger, so that an interrupted one goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_stores::catalogue::{LocalFile, Narrowing, Post, PostKey, Wanted};
use serde::{Deserialize, Serialize};

use super::VerifyOptions;
use crate::Archive;

/// An interrupted verify older than this begins anew.
const KEEPS: Duration = Duration::from_secs(24 * 3600);

/// How far a verify came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// When it began.
    pub(super) started: Timestamp,
    /// What it is about, so that only the same is gone on with.
    about: String,
    /// The pinned state of each repository.
    pub(super) heads: BTreeMap<String, String>,
    /// The last post that is done with: its table and id.
    pub(super) after: Option<(String, String)>,
    /// URLs that were counted up to there.
    pub(super) urls: u64,
    /// It came to its end.
    pub(super) finished: bool,
    /// An earlier process began it.
    #[serde(skip)]
    pub(super) resumed: bool,
}

impl Archive {
    fn state_memo(&self) -> MemoKey {
        MemoKey::new(self.job.handle.id, "verify", "state")
    }

    /// Begins a verify, or goes on with an interrupted one of the same words that is younger than a day, where no
    /// run or repair of this job began since.
    pub(super) async fn begin_verify(&self, options: &VerifyOptions) -> Result<State, StoreError> {
        let about = self.about(options);
        let now = self.engine.clock.now();
        let earlier = self.engine.ledger.memo(&self.state_memo()).await?;
        if let Some(earlier) = earlier.and_then(|text| serde_json::from_str::<State>(&text).ok()) {
            let young = now.duration_since(earlier.started).unsigned_abs() < KEEPS;
            // What we sent since is not in the states that it had pinned: it would be reported as absent.
            let runs = self.engine.ledger.runs(self.job.handle.id, 1).await?;
            let wrote = runs.first().is_some_and(|run| run.started >= earlier.started);
            if !options.fresh && !earlier.finished && young && !wrote && earlier.about == about {
                return Ok(State { resumed: true, ..earlier });
            }
        }
        let heads = BTreeMap::new();
        Ok(State { started: now, about, heads, after: None, urls: 0, finished: false, resumed: false })
    }

    /// A repair begins: an interrupted verify has pinned states that lack what it will send.
    pub(crate) async fn end_interrupted_verify(&self) -> Result<(), StoreError> {
        let earlier = self.engine.ledger.memo(&self.state_memo()).await?;
        match earlier.and_then(|text| serde_json::from_str::<State>(&text).ok()) {
            Some(state) if !state.finished => self.engine.ledger.forget(&self.state_memo()).await,
            _ => Ok(()),
        }
    }

    /// Writes down how far it came.
    pub(super) async fn save_state(&self, state: &State) -> Result<(), StoreError> {
        let text = serde_json::to_string(state).unwrap_or_default();
        self.engine
            .ledger
            .remember(&self.state_memo(), MemoValue { text, secret: false, expires: None })
            .await
    }

    /// What a verify is about, in words that differ where it differs.
    fn about(&self, options: &VerifyOptions) -> String {
        format!("{:?} {:?} {:?} {:?}", self.narrowing(), options.depth, options.limit, options.only)
    }

    /// True where a verify was about everything that is recorded.
    pub(super) fn is_whole(&self, options: &VerifyOptions) -> bool {
        *self.narrowing() == Default::default() && options.limit.is_none() && options.only.is_none()
    }

    /// How many entries a repository had when it was last listed.
    pub(super) async fn entries_of(&self, repo: &str) -> Result<Option<u64>, StoreError> {
        let memo = MemoKey::new(self.job.handle.id, "entries", repo);
        Ok(self.engine.ledger.memo(&memo).await?.and_then(|text| text.parse().ok()))
    }

    /// Keeps how many entries a repository has.
    pub(super) async fn remember_entries(&self, repo: &str, entries: u64) -> Result<(), StoreError> {
        let memo = MemoKey::new(self.job.handle.id, "entries", repo);
        let value = MemoValue { text: entries.to_string(), secret: false, expires: None };
        self.engine.ledger.remember(&memo, value).await
    }

    /// The reason for which a finding was settled for good, where it was.
    pub(crate) async fn settled(&self, subject: &str) -> Result<Option<String>, StoreError> {
        self.engine.ledger.memo(&MemoKey::new(self.job.handle.id, "settled", subject)).await
    }

    /// The local files of a post that a plain name may mean.
    pub(super) async fn local_files(&self, post: &Post, plain: &str) -> Result<Vec<LocalFile>, StoreError> {
        let wanted = Wanted { name: Some(plain.to_owned()), ..Wanted::numbered(post.key(), 1) };
        let wanted = Wanted { index: None, ..wanted };
        self.catalogue.find_local(post, &wanted).await
    }

    /// Walks over the posts that the catalogue is narrowed to, after one.
    pub(crate) fn walk(&self, after: Option<(String, String)>) -> Walk<'_> {
        let skip = if after.is_some() { 0 } else { self.narrowing().start.unwrap_or(0) };
        Walk { archive: self, after, table: 0, done: false, skip }
    }
}

/// A walk over posts, table by table, by id.
pub(crate) struct Walk<'a> {
    archive: &'a Archive,
    after: Option<(String, String)>,
    table: usize,
    done: bool,
    /// Posts of those that are meant to be left out at the beginning.
    skip: u64,
}

impl Walk<'_> {
    /// The next posts; `None` at the end. May be an empty page where nothing on it is meant.
    pub(crate) async fn next(&mut self, limit: usize) -> Result<Option<Vec<Post>>, StoreError> {
        let tables: Vec<&str> = self.archive.catalogue.catalogue().tables().collect();
        while !self.done {
            if let Some((table, _)) = &self.after {
                let Some(at) = tables.iter().position(|name| *name == table.as_str()) else { break };
                self.table = self.table.max(at);
            }
            let Some(table) = tables.get(self.table) else { break };
            let after =
                self.after.as_ref().filter(|(name, _)| name.as_str() == *table).map(|(_, id)| id.as_str());
            let posts = self.archive.catalogue.catalogue().posts(table, after, limit).await?.posts;
            let Some(last) = posts.last() else {
                self.table += 1;
                self.after = None;
                continue;
            };
            self.after = Some(((*table).to_owned(), last.id.clone()));
            let narrowing = self.archive.narrowing();
            let wanted = |post: &Post| narrowing.takes(&post.table, &post.username, &post.date);
            let mut wanted: Vec<Post> = posts.into_iter().filter(wanted).collect();
            let skipped = wanted.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            wanted.drain(..skipped);
            self.skip -= skipped as u64;
            return Ok(Some(wanted));
        }
        self.done = true;
        Ok(None)
    }

    /// The last post that was given.
    pub(crate) fn at(&self) -> Option<(String, String)> {
        self.after.clone()
    }
}

impl Archive {
    /// What part of the catalogue this is about.
    pub(crate) fn narrowing(&self) -> &Narrowing {
        &self.catalogue.catalogue().config().narrowing
    }

    /// The post of a key, as it is now.
    pub(crate) async fn post(&self, key: &PostKey) -> Result<Option<Post>, StoreError> {
        self.catalogue.catalogue().post(key).await
    }
}
