//! The verify: every recorded URL is looked at and judged, in batches, and every answer is kept in the ledger.
//!
//! It reads the user's database and writes nothing to it, nor to any repository. Interrupted, it goes on
//! within a day at the states of the repositories that it had pinned. A place is absent only where a
//! complete answer of an existing repository does not name it; everything else is unknown.

pub(crate) mod candidates;
mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_core::ledger::{Answer, LookFilter, Looked};
use landfall_core::words::ItemKey;
use landfall_core::{Digest, ErrorKind, StoreError};
use landfall_stores::catalogue::{Kinds, Post};

use crate::Archive;
use crate::claim::{Claim, Name, Place, belongs, kind_of, name_of};
use crate::finding::Finding;
use crate::look::{Looker, Seen};
use crate::report::{Detail, LEAKS, VerifyReport};
use state::State;

/// Posts read from the database at a time.
const POSTS: usize = 500;
/// Claims that wait for their candidates at most.
const POOL: usize = 2000;
/// Looks read from the ledger at a time.
const LOOKS: usize = 1000;
/// The kind of memo that keeps a plain file which a repair left on the Hub.
pub(crate) const LEAK: &str = "leak";

/// Pages of posts after which a verify asks for all that waits, so that an interrupted one repeats little.
const PAGES_KEPT: u64 = 20;

/// Claims that wait until one repository has enough of them for a full request.
struct Waiting {
    most: usize,
    by_repo: BTreeMap<String, Vec<(Claim, Post)>>,
}

impl Waiting {
    fn new(most: usize) -> Self {
        Self { most, by_repo: BTreeMap::new() }
    }

    /// Takes a claim; gives back a full batch.
    fn add(&mut self, claim: Claim, post: Post) -> Option<Vec<(Claim, Post)>> {
        let repo = claim.place.as_ref().map(|place| place.repo.clone()).unwrap_or_default();
        let batch = self.by_repo.entry(repo).or_default();
        batch.push((claim, post));
        (batch.len() >= self.most).then(|| std::mem::take(batch))
    }

    fn all(&mut self) -> Vec<(Claim, Post)> {
        std::mem::take(&mut self.by_repo).into_values().flatten().collect()
    }

    fn is_empty(&self) -> bool {
        self.by_repo.values().all(Vec::is_empty)
    }
}

/// How deep a verify looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// That it is there, under that name; what was proven once is compared by its published hash.
    #[default]
    Exists,
    /// That it holds the file's bytes: what has no record yet is shown by sealing the local file again.
    Hash,
}

/// How a verify is to go.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How deep.
    pub depth: Depth,
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
        let interrupted = match self.verify_all(options, &per_repo, &mut state, &mut looker).await {
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

    /// Findings about a post as a whole.
    async fn judge_post(&self, post: &Post) -> Result<Vec<Looked>, StoreError> {
        let mut findings = Vec::new();
        for (column, fault) in post.faults() {
            let finding = if fault.is_unreadable() { Finding::Malformed } else { Finding::Doubled };
            findings.push((column, finding, fault.name().to_owned()));
        }
        if post.lost_its_media() && post.media.unreadable().is_none() {
            findings.push(("media_urls", Finding::LostMedia, String::new()));
        }
        let mut looks = Vec::with_capacity(findings.len());
        for (column, finding, words) in findings {
            let subject = format!("{} {column}", post.key());
            let settled = self.settled(&subject).await?;
            looks.push(Looked {
                subject,
                owner: post.key().to_string(),
                section: post.username.clone(),
                answer: Answer::Present,
                finding: Some(finding.name().to_owned()),
                detail: Detail { words, settled, ..Detail::default() }.text(),
                at: self.engine.clock.now(),
            });
        }
        Ok(looks)
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

    /// Looks at claims and judges each by itself.
    pub(crate) async fn judge(
        &self,
        batch: Vec<(Claim, Post)>,
        options: &VerifyOptions,
        looker: &mut Looker,
    ) -> Result<Vec<(Judged, Post)>, StoreError> {
        let nowhere = Place::new("", "");
        let places: Vec<Place> = batch.iter().filter_map(|(claim, _)| claim.place.clone()).collect();
        let mut seen = looker.look(&places).await?.into_iter();
        let shown = self.shown_before(&batch).await?;
        let mut out = Vec::with_capacity(batch.len());
        for (claim, post) in batch {
            let place = claim.place.clone().unwrap_or_else(|| nowhere.clone());
            let seen = match claim.place.is_some() {
                true => seen.next().unwrap_or(Seen::Absent),
                false => Seen::Absent,
            };
            let mut judged = self.judge_one(claim, &place, seen, &post, &shown);
            let open = judged.answer == Answer::Present && judged.finding.is_none();
            if options.depth == Depth::Hash && open && judged.detail.shown != judged.detail.sha256 {
                self.show(&mut judged, &place, &post, looker).await?;
            }
            out.push((judged, post));
        }
        Ok(out)
    }

    fn judge_one(
        &self,
        claim: Claim,
        place: &Place,
        seen: Seen,
        post: &Post,
        shown: &BTreeMap<String, String>,
    ) -> Judged {
        let kind = match kind_of(&place.path) {
            Some(Kinds::Images) => "images",
            Some(Kinds::Videos) => "videos",
            None => "",
        };
        let mut detail = Detail { url: claim.url.clone(), kind: kind.to_owned(), ..Detail::default() };
        let name = name_of(place, self.seal.as_deref());
        let (answer, finding) = match seen {
            _ if claim.place.is_none() => (Answer::Absent, Some(Finding::ForeignUrl)),
            Seen::Unknown(words) => {
                detail.words = words;
                (Answer::Unknown, None)
            }
            Seen::Absent => match name {
                Name::Plain(_) => (Answer::Absent, Some(Finding::UnsealedPath)),
                _ => (Answer::Absent, Some(Finding::Absent)),
            },
            Seen::Present(thing) => {
                detail.size = Some(thing.evidence.size.0);
                detail.sha256 = thing.evidence.digests.sha256.as_ref().map(Digest::hex);
                detail.shown = shown.get(&claim.subject()).cloned();
                let changed = detail.shown.is_some() && detail.shown != detail.sha256;
                let finding = match &name {
                    Name::Plain(_) => Some(Finding::Leak),
                    Name::Sealed(plain) | Name::Enc(plain) if !belongs(plain, &post.id) => {
                        detail.words = format!("its name is that of {plain}");
                        Some(Finding::Mispaired)
                    }
                    _ if changed => Some(Finding::Changed),
                    _ => None,
                };
                (Answer::Present, finding)
            }
        };
        Judged { claim, answer, finding, found: Vec::new(), detail, sealed: false }
    }

    /// What claims were shown to hold: by the ledger's rows of what we sent ourselves, and by earlier looks.
    async fn shown_before(&self, batch: &[(Claim, Post)]) -> Result<BTreeMap<String, String>, StoreError> {
        let mut shown = BTreeMap::new();
        let Some(slot) = self.job.slots.first() else { return Ok(shown) };
        let mut keys: BTreeMap<ItemKey, (String, String)> = BTreeMap::new();
        for (claim, _) in batch {
            let Some(place) = &claim.place else { continue };
            if let Name::Sealed(plain) = name_of(place, self.seal.as_deref()) {
                let stem = plain.rsplit_once('.').map_or(plain.as_str(), |(stem, _)| stem);
                let item = format!("{}:{}", place.repo, place.path);
                keys.insert(ItemKey(format!("{}/{stem}", claim.post)), (claim.subject(), item));
            }
        }
        let wanted: Vec<ItemKey> = keys.keys().cloned().collect();
        for row in self.engine.ledger.files_by_key(self.job.handle.id, slot.id, &wanted).await? {
            let Some((subject, item)) = keys.remove(&row.entry.key) else { continue };
            let same = row.holding.as_ref().is_some_and(|held| held.item.as_str() == item);
            if let (true, true, Some(sha)) = (same, row.proven.is_some(), &row.ours.sha256) {
                shown.insert(subject, sha.hex());
            }
        }
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(shown) };
        let (mut after, end) = (first.0.post.to_string(), format!("{}~", last.0.post));
        loop {
            let looks =
                self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), &after, LOOKS).await?;
            let Some(last) = looks.last() else { return Ok(shown) };
            after.clone_from(&last.subject);
            for look in &looks {
                if let Some(sha) = Detail::of(look).shown {
                    shown.entry(look.subject.clone()).or_insert(sha);
                }
            }
            if after > end || looks.len() < LOOKS {
                return Ok(shown);
            }
        }
    }

    /// Shows that an object holds the local file's bytes: its nonce is read and the file sealed again with it.
    async fn show(
        &self,
        judged: &mut Judged,
        place: &Place,
        post: &Post,
        looker: &Looker,
    ) -> Result<(), StoreError> {
        let Some(seal) = &self.seal else { return Ok(()) };
        judged.finding = Some(Finding::Unproven);
        let plain = match name_of(place, Some(seal.as_ref())) {
            Name::Sealed(plain) | Name::Enc(plain) => plain,
            Name::Plain(_) | Name::Unreadable => return Ok(()),
        };
        let Some(local) = self.one_local(post, &plain).await? else {
            judged.detail.words = "no local file to compare it with".to_owned();
            return Ok(());
        };
        let header = match looker.beginning(place, seal.header().0).await {
            Ok(header) => header,
            Err(error) if error.code.is_some() => return Err(error),
            Err(error) => {
                judged.detail.words = error.chain();
                return Ok(());
            }
        };
        let Some(nonce) = seal.nonce_of(&header) else {
            judged.finding = Some(Finding::Changed);
            judged.detail.words = "it is not sealed".to_owned();
            return Ok(());
        };
        let body = self.catalogue.read_local(&local).await?;
        let (_, sealed) = self.engine.seal_again(seal.as_ref(), nonce, body, &plain).await?;
        let sha = sealed.digests.sha256.as_ref().map(Digest::hex);
        if sha.is_some() && sha == judged.detail.sha256 {
            judged.detail.shown = sha;
            judged.finding = None;
        } else {
            judged.finding = Some(Finding::Changed);
            judged.detail.words = "it does not hold the bytes of the local file".to_owned();
        }
        Ok(())
    }

    /// The look that keeps a judged claim, settled where it was settled before.
    pub(crate) async fn look_of(&self, judged: Judged) -> Result<Looked, StoreError> {
        let subject = judged.claim.subject();
        let mut detail = judged.detail;
        if judged.finding.is_some() {
            detail.settled = self.settled(&subject).await?;
        }
        if let Some(found) = judged.found.first() {
            detail.found = Some(self.shelves.print(found));
        }
        Ok(Looked {
            subject,
            owner: judged.claim.post.to_string(),
            section: judged.claim.username,
            answer: judged.answer,
            finding: judged.finding.map(|finding| finding.name().to_owned()),
            detail: detail.text(),
            at: self.engine.clock.now(),
        })
    }

    /// Adds up what this verify saw.
    async fn sum_up(&self, state: &State) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let mut after = String::new();
        loop {
            let looks =
                self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), &after, LOOKS).await?;
            let Some(last) = looks.last() else { break };
            after.clone_from(&last.subject);
            for look in looks.iter().filter(|look| look.at >= state.started) {
                report.add(look);
            }
        }
        report.finish();
        Ok(report)
    }

    /// Plain files that a repair left on the Hub are no longer recorded, and are told of all the same.
    async fn add_known_leaks(
        &self,
        looker: &mut Looker,
        report: &mut VerifyReport,
    ) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let keys = self.engine.ledger.memos(self.job.handle.id, LEAK, &after, LOOKS).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after.clone_from(last);
            let place = |key: &String| key.split_once(':').map(|(repo, path)| Place::new(repo, path));
            let places: Vec<Place> = keys.iter().filter_map(place).collect();
            for (place, seen) in places.iter().zip(looker.look(&places).await?) {
                let url = self.shelves.print(place);
                if matches!(seen, Seen::Present(_))
                    && report.leaks.len() < LEAKS
                    && !report.leaks.contains(&url)
                {
                    report.leaks.push(url);
                }
            }
        }
    }

    /// Says which repositories moved on while the pinned state was looked at.
    async fn name_moved_heads(&self, looker: &Looker, report: &mut VerifyReport) -> Result<(), StoreError> {
        for (repo, head) in looker.heads() {
            let moved = match report.resumed {
                true => self.shelves.head(&repo).await.ok().flatten().filter(|now| *now != head),
                false => None,
            };
            report.repositories.insert(repo, (head, moved));
        }
        Ok(())
    }
}
