//! Gathering: the next slots are brought within reach, a stage at a time.
//!
//! In this order for each: the local file through all eras, the recorded media URL, the resolver. All slots
//! of a post belong to one stage, so a post that got part of its backup is not forgotten with the rest.
//! Each outcome is kept before the next stage, and a kill repeats at most the tries of one stage.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use landfall_core::StoreError;
use landfall_core::state::Reason;
use landfall_core::store::{Gather, Gathered};

use super::super::local::{LocalFile, local_error};
use super::super::names::username_fault;
use super::super::post::{Post, PostKey};
use super::Inner;
use super::bytes::blocking;
use super::fetching::Try;
use super::listing::guessed;
use super::slot::{AtHand, MEDIA, Outcome, Stand, WANTED, Wanted, post_of_key, recall};

/// Posts that one page reads.
const PAGE: usize = 200;

/// Slots that are tried at a time; each host has its own, smaller bound.
const AT_ONCE: usize = 8;

/// How far the gathering of this process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Position {
    /// Before the first wanted slot.
    #[default]
    Start,
    /// Within what is wanted.
    Wanted(String),
    /// Within what waits from earlier runs, though its post has part of its backup by now.
    Waiting(String),
    /// Within a table.
    Table { name: String, after: Option<String>, passed: u64 },
    /// Everything was looked at.
    End,
}

/// One slot under way.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) key: String,
    pub(super) post: Post,
    pub(super) wanted: Wanted,
    pub(super) outcome: Outcome,
    /// A local file without bytes has the name: it stays, and a download goes into our own folder.
    pub(super) blocked: bool,
}

/// What a stage has so far.
#[derive(Debug, Default)]
struct Tally {
    gathered: Gathered,
    bytes: u64,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome.stand {
            Stand::Ready | Stand::Done => self.gathered.ready += 1,
            Stand::Settled => self.gathered.settled += 1,
            Stand::Waiting => self.gathered.postponed += 1,
        }
        self.bytes += outcome.file.as_ref().map_or(0, |file| file.size);
    }

    fn is_full(&self, stage: Gather) -> bool {
        self.gathered.ready >= stage.files || self.bytes >= stage.bytes.0
    }
}

impl Inner {
    pub(super) async fn gather_stage(&self, stage: Gather) -> Result<Gathered, StoreError> {
        let mut at = self.at.lock().await;
        self.local.refresh();
        if stage.wanted_only && !matches!(*at, Position::Wanted(_)) {
            *at = Position::Start;
        }
        let mut tally = Tally::default();
        let mut tried = BTreeSet::new();
        while *at != Position::End && !tally.is_full(stage) {
            let (slots, next) = self.page(&at, stage, &tally, &mut tried).await?;
            // A slot takes its own time; those of one page do not wait for each other.
            for outcome in self.try_all(slots).await? {
                tally.count(&outcome);
            }
            *at = next;
        }
        tally.gathered.more = *at != Position::End;
        if *at == Position::End {
            // A later run of this process begins anew.
            *at = Position::Start;
        }
        Ok(tally.gathered)
    }

    /// The due slots of the next page, and where the one after it begins.
    async fn page(
        &self,
        at: &Position,
        stage: Gather,
        tally: &Tally,
        tried: &mut BTreeSet<String>,
    ) -> Result<(Vec<Slot>, Position), StoreError> {
        let room = usize::try_from(stage.files.saturating_sub(tally.gathered.ready)).unwrap_or(PAGE);
        let limit = room.clamp(1, PAGE);
        let mut slots = Vec::new();
        let next = match at {
            Position::Start => Position::Wanted(String::new()),
            Position::Wanted(after) => {
                let keys = self.parts.memo.memos(self.job(), WANTED, after, limit).await?;
                for key in &keys {
                    self.add_wanted(key, stage, &mut slots).await?;
                }
                match keys.last().filter(|_| keys.len() == limit) {
                    Some(last) => Position::Wanted(last.clone()),
                    None if stage.wanted_only => Position::End,
                    None => Position::Waiting(String::new()),
                }
            }
            Position::Waiting(after) => {
                let keys = self.parts.memo.memos(self.job(), MEDIA, after, limit).await?;
                for key in &keys {
                    self.add_waiting(key, stage, &mut slots).await?;
                }
                match keys.last().filter(|_| keys.len() == limit) {
                    Some(last) => Position::Waiting(last.clone()),
                    None => self.gather_table(None),
                }
            }
            Position::Table { name, after, passed } => {
                self.add_posts((name, after.as_deref(), *passed), limit, stage, &mut slots).await?
            }
            Position::End => Position::End,
        };
        slots.retain(|slot| tried.insert(slot.key.clone()));
        Ok((slots, next))
    }

    fn gather_table(&self, name: Option<&str>) -> Position {
        let tables: Vec<&str> = self.parts.catalogue.tables().collect();
        let at = name.map_or(Some(0), |name| tables.iter().position(|t| *t == name).map(|at| at + 1));
        match at.and_then(|at| tables.get(at)) {
            Some(name) => Position::Table { name: (*name).to_owned(), after: None, passed: 0 },
            None => Position::End,
        }
    }

    async fn add_posts(
        &self,
        (name, after, mut passed): (&str, Option<&str>, u64),
        limit: usize,
        stage: Gather,
        slots: &mut Vec<Slot>,
    ) -> Result<Position, StoreError> {
        // Most posts of a page are backed up or have several slots: a small page bounds the stage.
        let page = self.parts.catalogue.posts(name, after, limit).await?;
        for post in &page.posts {
            if !post.is_backlog() || !self.narrowing().takes(name, &post.username, &post.date) {
                continue;
            }
            passed += 1;
            if self.narrowing().start.is_some_and(|start| passed <= start) {
                continue;
            }
            for wanted in Wanted::of_post(post) {
                let key = wanted.key().0;
                let known = self.outcome(&key).await?;
                self.add(post.clone(), (key, wanted), known, stage, slots);
            }
        }
        Ok(match page.next {
            Some(after) => Position::Table { name: name.to_owned(), after: Some(after), passed },
            None => self.gather_table(Some(name)),
        })
    }

    async fn add_wanted(&self, key: &str, stage: Gather, slots: &mut Vec<Slot>) -> Result<(), StoreError> {
        let wanted: Option<Wanted> = recall(self.parts.memo.as_ref(), self.job(), WANTED, key).await?;
        let Some(wanted) = wanted else { return Ok(()) };
        let known = self.outcome(key).await?;
        if let Some(post) = self.post_of(&wanted.post).await? {
            self.add(post, (key.to_owned(), wanted), known, stage, slots);
        }
        Ok(())
    }

    async fn add_waiting(&self, key: &str, stage: Gather, slots: &mut Vec<Slot>) -> Result<(), StoreError> {
        let Some(outcome) = self.outcome(key).await? else { return Ok(()) };
        if !outcome.is_due(self.parts.clock.now(), stage.again) {
            return Ok(());
        }
        let Some(of) = post_of_key(key) else { return Ok(()) };
        let Some(post) = self.post_of(&of).await? else { return Ok(()) };
        let Some(index) = outcome.index else { return Ok(()) };
        let wanted = Wanted { replaces: outcome.replaces.clone(), ..Wanted::numbered(of, index) };
        if wanted.key().0 == key {
            self.add(post, (key.to_owned(), wanted), Some(outcome), stage, slots);
        }
        Ok(())
    }

    /// The post, where it is one of the tables and users that are meant.
    async fn post_of(&self, key: &PostKey) -> Result<Option<Post>, StoreError> {
        if !self.parts.catalogue.tables().any(|table| table == key.table) {
            return Ok(None);
        }
        let post = self.parts.catalogue.post(key).await?;
        Ok(post.filter(|post| self.narrowing().takes(&post.table, &post.username, &post.date)))
    }

    /// Adds a slot that is due and meant.
    fn add(
        &self,
        post: Post,
        (key, wanted): (String, Wanted),
        known: Option<Outcome>,
        stage: Gather,
        slots: &mut Vec<Slot>,
    ) {
        if username_fault(&post.username).is_some() || username_fault(&post.id).is_some() {
            return;
        }
        let outcome = known.unwrap_or_else(|| Outcome::begin(&post, &wanted, guessed(&post, &wanted)));
        if outcome.is_due(self.parts.clock.now(), stage.again) && self.takes_folder(outcome.folder) {
            slots.push(Slot { key, post, wanted, outcome, blocked: false });
        }
    }

    /// Tries every slot: local files and recorded URLs first, then the resolver for those that are left.
    async fn try_all(&self, slots: Vec<Slot>) -> Result<Vec<Outcome>, StoreError> {
        let (mut settled, mut open) = (Vec::new(), Vec::new());
        let mut tries = stream::iter(slots.into_iter().map(|slot| self.try_near(slot))).buffered(AT_ONCE);
        while let Some(tried) = tries.next().await {
            match tried? {
                Try::Settled(slot) => settled.push(*slot),
                Try::Resolve { slot, otherwise } => open.push((*slot, *otherwise)),
            }
        }
        drop(tries);
        settled.extend(self.resolve_all(open).await?);
        let mut outcomes = Vec::with_capacity(settled.len());
        for slot in settled {
            self.settle(&slot.key, &slot.outcome).await?;
            outcomes.push(slot.outcome);
        }
        Ok(outcomes)
    }

    /// The local file, then the recorded URL.
    async fn try_near(&self, slot: Slot) -> Result<Try, StoreError> {
        let files = {
            let (local, post, wanted) = (self.local.clone(), slot.post.clone(), slot.wanted.clone());
            blocking(move || local.find(&post, &wanted)).await
        };
        let files = files.map_err(|error| local_error("look for", &slot.key, error))?;
        if files.is_empty() {
            return self.try_recorded(slot).await;
        }
        if let Some(empty) = files.iter().find(|file| file.size.0 == 0) {
            return self.try_instead_of(slot, &empty.recorded()).await;
        }
        Ok(Try::Settled(Box::new(self.take_local(slot, &files).await?)))
    }

    /// Something else than a local file without bytes; where nothing else is to be had, the slot is settled
    /// with that file as the reason.
    async fn try_instead_of(&self, slot: Slot, empty: &str) -> Result<Try, StoreError> {
        let settled = slot.outcome.clone().stands(Stand::Settled, Reason::LocalFileEmpty, empty);
        let slot = Slot { blocked: true, ..slot };
        Ok(match self.try_recorded(slot).await? {
            Try::Resolve { slot, .. } => Try::Resolve { slot, otherwise: Box::new(settled) },
            tried => tried,
        })
    }

    /// Takes the one file that fits. Two fit only where their bytes are the same.
    async fn take_local(&self, slot: Slot, files: &[LocalFile]) -> Result<Slot, StoreError> {
        let outcome = slot.outcome.clone();
        let mut at_hand: Option<(AtHand, &LocalFile)> = None;
        for file in files {
            let recorded = file.recorded();
            let hashed = match self.hashed(file.root.into(), file.path.as_str()).await {
                Ok(hashed) => hashed,
                Err(error) => {
                    let outcome = outcome.stands(Stand::Waiting, Reason::LocalFileMissing, error.chain());
                    return Ok(Slot { outcome, ..slot });
                }
            };
            match &at_hand {
                Some((first, other)) if first.sha256 != hashed.sha256 => {
                    let both = format!("{} and {recorded}", other.recorded());
                    let outcome = outcome.stands(Stand::Settled, Reason::LocalFileAmbiguous, both);
                    return Ok(Slot { outcome, ..slot });
                }
                Some(_) => {}
                None => at_hand = Some((hashed, file)),
            }
        }
        let Some((file, found)) = at_hand else { return Ok(slot) };
        let outcome = Outcome {
            stand: Stand::Ready,
            folder: found.root,
            file: Some(file),
            reason: None,
            detail: None,
            not_before: None,
            ..outcome
        };
        Ok(Slot { outcome, ..slot })
    }
}
