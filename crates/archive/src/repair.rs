//! The repair: plans the cheapest proven way for each file that a verify found wanting, and carries it out.
//!
//! Cheapest first: the database alone, where the object lies elsewhere; a move without bytes; the local
//! file sealed and sent; the recorded media fetched; the post asked for again. Everything is looked at anew
//! before anything is done, nothing is done on *unknown*, and what is recorded is recorded only after the
//! object was shown to be there. Killed at any point and repeated it ends in the same state: moves and
//! uploads are the engine's, what is owed to the database stands in the ledger's outbox.

mod act;
mod leaks;
mod plan;

use std::collections::BTreeSet;

use landfall_core::ledger::LookFilter;
use landfall_core::state::Reason;
use landfall_core::{ErrorKind, StoreError};
use landfall_stores::catalogue::{ListColumn, PostKey};
use serde::Serialize;

use crate::Archive;
use crate::claim::Place;
use crate::finding::Finding;
use crate::report::Detail;

/// Posts planned and mended together: what they need sent shares commits.
const POSTS_AT_ONCE: usize = 200;
const LOOKS: usize = 500;

/// What is done about one thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The database records another URL; no object is touched.
    Correct {
        /// The recorded URL.
        from: String,
        /// Where the object lies.
        to: String,
    },
    /// A column is written again in the form that other programs expect.
    Rewrite {
        /// Which.
        column: ListColumn,
        /// The text that was read.
        was: Option<String>,
        /// Its elements.
        items: Vec<String>,
    },
    /// An object whose content is sealed and whose name is plain is moved without bytes.
    Move {
        /// Where it lies.
        from: Place,
        /// The sealed path of the same repository.
        to: Place,
    },
    /// The file is sealed and sent: from its local copy, the recorded media, or the post asked for again.
    Send {
        /// Its plain name.
        name: String,
        /// Which of the post's media it is, from 1, where that is known.
        media: Option<u32>,
        /// The URL that gives way.
        replaces: Option<String>,
        /// The plain names of the post's other files.
        siblings: Vec<String>,
    },
    /// The post is asked for again, because its media URLs are lost.
    Ask,
    /// Nothing can be done now, in words.
    Leave(String),
    /// Nobody here can know or mend it: left for good, with the reason and in words.
    Settle(Reason, String),
}

impl Step {
    /// The word in tables and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Correct { .. } => "correct",
            Self::Rewrite { .. } => "rewrite",
            Self::Move { .. } => "move",
            Self::Send { .. } => "send",
            Self::Ask => "ask",
            Self::Leave(_) | Self::Settle(..) => "leave",
        }
    }
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileOutcome {
    /// The finding that it is about.
    pub finding: String,
    /// The file's plain name, or the recorded URL where that is not known.
    pub subject: String,
    /// What was done, or would be.
    pub step: String,
    /// `mended`, `planned`, `settled`, `postponed`, `conflict` or `left`.
    pub outcome: String,
    /// Why, as a reason's word, where it is not mended.
    pub reason: Option<String>,
    /// In words.
    pub words: String,
    /// What is recorded now.
    pub url: Option<String>,
}

/// What became of one post.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PostOutcome {
    /// Its number in this repair, from 1, and how many there are.
    pub number: (u64, u64),
    /// Table and id.
    pub post: String,
    /// Its author.
    pub username: String,
    /// Recorded URLs that are absent.
    pub absent: u64,
    /// Of the files wanting mending, pictures.
    pub images: u64,
    /// Of the files wanting mending, videos.
    pub videos: u64,
    /// What each file got.
    pub files: Vec<FileOutcome>,
}

impl PostOutcome {
    /// The post's outcome: the worst of its files'.
    #[must_use]
    pub fn outcome(&self) -> &str {
        let order = ["conflict", "left", "postponed", "settled", "planned", "mended"];
        let has = |word: &&&str| self.files.iter().any(|file| file.outcome == **word);
        order.iter().find(has).copied().unwrap_or("mended")
    }
}

/// What a repair amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Posts by outcome.
    pub posts: std::collections::BTreeMap<String, u64>,
    /// Files by outcome.
    pub files: std::collections::BTreeMap<String, u64>,
    /// Files by what was done.
    pub steps: std::collections::BTreeMap<String, u64>,
    /// Bytes of local files that were or would be sent.
    pub bytes: u64,
    /// Posts that were left for another repair by `--limit`.
    pub remaining: u64,
    /// True where somebody asked to stop.
    pub interrupted: bool,
}

impl RepairReport {
    pub(crate) fn add(&mut self, post: &PostOutcome) {
        *self.posts.entry(post.outcome().to_owned()).or_default() += 1;
        for file in &post.files {
            *self.files.entry(file.outcome.clone()).or_default() += 1;
            *self.steps.entry(file.step.clone()).or_default() += 1;
        }
    }

    /// True where everything that was found is mended or settled for good.
    #[must_use]
    pub fn complete(&self) -> bool {
        !self.interrupted
            && self.remaining == 0
            && self.files.keys().all(|outcome| outcome == "mended" || outcome == "settled")
    }
}

/// How a repair is to go.
#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    /// Plan only.
    pub dry_run: bool,
    /// At most so many posts.
    pub limit: Option<u64>,
    /// Only findings of these patterns; empty means all.
    pub patterns: BTreeSet<String>,
    /// Only posts that record one of these URLs, whatever a verify found.
    pub urls: Option<BTreeSet<String>>,
    /// Plain files that really lie there are taken away once the sealed one is proven.
    pub remove_leaks: bool,
    /// What was settled for good is tried again.
    pub retry_gone: bool,
}

impl RepairOptions {
    pub(crate) fn wants(&self, finding: Finding) -> bool {
        self.patterns.is_empty()
            || self.patterns.contains(finding.pattern())
            || self.patterns.contains(finding.name())
    }
}

impl Archive {
    /// Mends what was found, post by post; `tell` hears of each post as it is done.
    ///
    /// # Errors
    /// What a person has to act on, and the ledger's own; a file's trouble is in its outcome.
    pub async fn repair(
        &self,
        options: &RepairOptions,
        tell: &(dyn Fn(&PostOutcome) + Sync),
    ) -> Result<RepairReport, StoreError> {
        let mut report = RepairReport::default();
        if !options.dry_run {
            self.engine.check_seal(&self.job).await?;
            self.end_interrupted_verify().await?;
            let mut told = landfall_core::engine::RunReport::default();
            self.engine.acknowledge(&self.job, &mut told).await?;
        }
        let mut posts: Vec<PostKey> = self.posts_with_findings(options).await?.into_iter().collect();
        if let Some(limit) = options.limit {
            report.remaining = (posts.len() as u64).saturating_sub(limit);
            posts.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let all = posts.len() as u64;
        let mut number = 0;
        for keys in posts.chunks(POSTS_AT_ONCE) {
            if self.engine.stop.is_cancelled() {
                report.interrupted = true;
                break;
            }
            let mended = match self.mend(keys, options).await {
                Err(error) if error.kind == ErrorKind::Stopped => {
                    report.interrupted = true;
                    break;
                }
                mended => mended?,
            };
            for mut outcome in mended {
                if outcome.files.is_empty() {
                    // What was found is mended already.
                    continue;
                }
                number += 1;
                outcome.number = (number, all);
                report.add(&outcome);
                tell(&outcome);
            }
        }
        if options.remove_leaks && !report.interrupted {
            for outcome in self.remove_leaks(options.dry_run).await? {
                report.add(&outcome);
                tell(&outcome);
            }
        }
        Ok(report)
    }

    /// Posts that a verify found something about, and that this repair is about.
    async fn posts_with_findings(&self, options: &RepairOptions) -> Result<BTreeSet<PostKey>, StoreError> {
        if let Some(urls) = &options.urls {
            return self.posts_with_urls(urls).await;
        }
        let filter = LookFilter { findings: true, section: None };
        let mut posts = BTreeSet::new();
        let mut after = String::new();
        loop {
            let looks = self.engine.ledger.looks(self.job.handle.id, &filter, &after, LOOKS).await?;
            let Some(last) = looks.last() else { return Ok(posts) };
            after.clone_from(&last.subject);
            for look in looks {
                let finding = look.finding.as_deref().and_then(Finding::parse);
                if !finding.is_some_and(|finding| options.wants(finding)) {
                    continue;
                }
                // Settled since the look was made, or before it.
                let settling = finding
                    .map(|finding| finding.settled_as(&look.subject, Detail::of(&look).sha256.as_deref()));
                let settling = settling.unwrap_or_else(|| look.subject.clone());
                let wanted = options.retry_gone || self.settled(&settling).await?.is_none();
                let user = &look.section;
                if let Some(post) = PostKey::parse(&look.owner).filter(|_| wanted)
                    && self.narrowing().takes(&post.table, user, "")
                {
                    posts.insert(post);
                }
            }
        }
    }

    async fn posts_with_urls(&self, urls: &BTreeSet<String>) -> Result<BTreeSet<PostKey>, StoreError> {
        let mut posts = BTreeSet::new();
        let mut walk = self.walk(None);
        while let Some(page) = walk.next(LOOKS).await? {
            let named = page.iter().filter(|post| post.hub.items.iter().any(|url| urls.contains(url)));
            posts.extend(named.map(landfall_stores::catalogue::Post::key));
        }
        Ok(posts)
    }
}
