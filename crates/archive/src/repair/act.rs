//! Carrying out a plan: columns first, then the database alone, then moves, then what must be sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use landfall_core::engine::{Job, Policy, RunOptions, RunReport, Stage};
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::proof::Evidence;
use landfall_core::state::{Reason, State};
use landfall_core::store::{Change, Holding};
use landfall_core::words::ItemKey;
use landfall_core::{Digest, Digests, RelPath, StoreError};
use landfall_stores::catalogue::{
    Ask, Correction, Kinds, ListColumn, Post, PostKey, Resolved, Unavailable, Wanted,
};

use super::plan::Planned;
use super::{FileOutcome, PostOutcome, RepairOptions, Step};
use crate::Archive;
use crate::claim::{Claim, Place, kind_of};
use crate::finding::Finding;
use crate::look::{ASKED, Looker};
use crate::verify::candidates::extension_of;
use crate::verify::{Depth, Judged, VerifyOptions};

/// One post under repair.
struct Patient {
    post: Post,
    outcome: PostOutcome,
}

/// Posts under repair, in their order.
type Ward = BTreeMap<PostKey, Patient>;

impl Archive {
    /// Mends some posts together.
    pub(super) async fn mend(
        &self,
        keys: &[PostKey],
        options: &RepairOptions,
    ) -> Result<Vec<PostOutcome>, StoreError> {
        let mut ward = self.admit(keys).await?;
        self.mend_columns(&mut ward, options).await?;
        let judged = self.judge_again(&ward).await?;
        let mut sends: Vec<(PostKey, Planned)> = Vec::new();
        for (key, judged) in &judged {
            let judged = &self.unsettled(judged, options).await?;
            let Some(patient) = ward.get_mut(key) else { continue };
            patient.count(judged);
            if !options.dry_run {
                self.keep_leaks(judged).await?;
            }
            for planned in self.plan_claims(&patient.post, judged, options) {
                if options.dry_run {
                    patient.planned(&planned);
                    continue;
                }
                match &planned.step {
                    Step::Correct { from, to } => {
                        let correction = Correction::Url { from: from.clone(), to: to.clone() };
                        let outcome = self.tell(key, &correction).await?;
                        patient.done(&planned, outcome, Some(to.clone()));
                    }
                    Step::Move { from, to } => {
                        let outcome = self.move_object(judged, &planned, from, to).await?;
                        patient.done(&planned, outcome, Some(self.shelves.print(to)));
                    }
                    Step::Send { .. } => sends.push((key.clone(), planned)),
                    Step::Settle(reason, words) => {
                        patient.settle(self, &planned, *reason, words.clone()).await?;
                    }
                    _ => patient.left(&planned),
                }
            }
        }
        while !sends.is_empty() {
            sends = self.send(&mut ward, sends).await?;
        }
        Ok(ward.into_values().map(|patient| patient.outcome).collect())
    }

    /// Leaves out what was settled for good, unless somebody asked for it again.
    async fn unsettled(&self, all: &[Judged], options: &RepairOptions) -> Result<Vec<Judged>, StoreError> {
        let mut open = Vec::with_capacity(all.len());
        for judged in all {
            let about = judged.settling();
            let found = judged.finding.is_some() && !options.retry_gone;
            if !found || self.settled(&about).await?.is_none() {
                open.push(judged.clone());
            }
        }
        Ok(open)
    }

    async fn admit(&self, keys: &[PostKey]) -> Result<Ward, StoreError> {
        let mut ward = Ward::new();
        for key in keys {
            if let Some(post) = self.post(key).await? {
                let outcome = PostOutcome {
                    post: key.to_string(),
                    username: post.username.clone(),
                    ..PostOutcome::default()
                };
                ward.insert(key.clone(), Patient { post, outcome });
            }
        }
        Ok(ward)
    }

    /// Writes one thing into a post's row, through the outbox: `mended` or `conflict`, with words.
    async fn tell(
        &self,
        key: &PostKey,
        correction: &Correction,
    ) -> Result<(&'static str, String), StoreError> {
        let Some(slot) = self.job.slots.first() else { return Ok(("left", String::new())) };
        let owe = self.catalogue.owe(slot.id, key, correction);
        let at = self.engine.clock.now();
        self.engine.ledger.record_owing(&self.job.handle, Vec::new(), vec![owe], at).await?;
        let mut report = RunReport::default();
        self.engine.acknowledge(&self.job, &mut report).await?;
        let about = format!("{key}:");
        let words = |list: &[String]| list.iter().find(|line| line.starts_with(&about)).cloned();
        Ok(match (words(&report.conflicts), words(&report.untold)) {
            (Some(words), _) => ("conflict", words),
            (_, Some(words)) => ("postponed", words),
            _ => ("mended", String::new()),
        })
    }

    /// Mends what is wrong with the columns themselves, and reads the posts again.
    async fn mend_columns(&self, ward: &mut Ward, options: &RepairOptions) -> Result<(), StoreError> {
        let mut asks: Vec<(PostKey, Planned)> = Vec::new();
        for (key, patient) in ward.iter_mut() {
            let mut written = false;
            for planned in self.plan_columns(&patient.post, options) {
                match &planned.step {
                    _ if options.dry_run => patient.planned(&planned),
                    Step::Rewrite { column, was, items } => {
                        let (column, was, items) = (*column, was.clone(), items.clone());
                        let correction = Correction::Column { column, was, items };
                        let outcome = self.tell(key, &correction).await?;
                        written |= outcome.0 == "mended";
                        patient.done(&planned, outcome, None);
                    }
                    Step::Ask => asks.push((key.clone(), planned)),
                    _ if planned.finding == Finding::Malformed => {
                        self.keep_settled(&planned.about, Finding::Malformed.name()).await?;
                        patient.push(&planned, "settled", None, String::new());
                    }
                    _ => patient.left(&planned),
                }
            }
            if written && let Some(post) = self.post(key).await? {
                patient.post = post;
            }
        }
        self.ask(ward, asks).await
    }

    /// Asks for posts again whose media URLs are lost.
    async fn ask(&self, ward: &mut Ward, asks: Vec<(PostKey, Planned)>) -> Result<(), StoreError> {
        let Some(resolver) = self.resolver.as_ref().filter(|_| !asks.is_empty()) else { return Ok(()) };
        let questions: Vec<Ask> = asks
            .iter()
            .filter_map(|(key, _)| ward.get(key))
            .map(|p| Ask { id: p.post.id.clone(), username: p.post.username.clone() })
            .collect();
        // Dropping the question ends its command and everything that it started.
        let answers = self.engine.or_stop("resolver", resolver.resolve(&questions)).await?;
        for ((key, planned), answer) in asks.into_iter().zip(answers) {
            let Some(patient) = ward.get_mut(&key) else { continue };
            match answer {
                Resolved::Media { items, .. } => {
                    let urls: Vec<String> =
                        items.into_iter().filter_map(|item| item.urls.into_iter().next()).collect();
                    if urls.is_empty() {
                        patient
                            .settle(self, &planned, Reason::MediaGone, "the post has no media".to_owned())
                            .await?;
                        continue;
                    }
                    let (column, was) = (ListColumn::Media, patient.post.media.raw.clone());
                    let outcome = self.tell(&key, &Correction::Column { column, was, items: urls }).await?;
                    patient.done(&planned, outcome, None);
                    if let Some(post) = self.post(&key).await? {
                        patient.post = post;
                    }
                }
                Resolved::Unavailable { reason, detail } => match reason {
                    Unavailable::Deleted | Unavailable::Suspended => {
                        patient.settle(self, &planned, Reason::PostDeleted, detail).await?;
                    }
                    Unavailable::Protected | Unavailable::AgeGated | Unavailable::Withheld => {
                        patient.settle(self, &planned, Reason::PostProtected, detail).await?;
                    }
                    Unavailable::Unknown => patient.postponed(&planned, Reason::Unresolved, detail),
                },
                Resolved::RateLimited { until } => {
                    patient.postponed(&planned, Reason::Throttled, format!("not before {until}"));
                }
                Resolved::Later { detail } | Resolved::Fatal { detail } => {
                    patient.postponed(&planned, Reason::Unresolved, detail);
                }
                Resolved::Unanswered => {
                    patient.postponed(&planned, Reason::Unresolved, "no answer came".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Looks at the posts' claims anew: nothing is mended by what an earlier verify saw.
    async fn judge_again(&self, ward: &Ward) -> Result<Vec<(PostKey, Vec<Judged>)>, StoreError> {
        let options = VerifyOptions { depth: Depth::Doubts, ..VerifyOptions::default() };
        let mut looker = Looker::new(self.shelves.clone());
        let mut repos: BTreeSet<String> = self.family.iter().cloned().collect();
        let mut claims: Vec<(Claim, Post)> = Vec::new();
        for patient in ward.values() {
            for claim in self.claims(&patient.post, &options) {
                repos.extend(claim.place.as_ref().map(|place| place.repo.clone()));
                claims.push((claim, patient.post.clone()));
            }
        }
        let repos: Vec<String> = repos.into_iter().collect();
        let mut by_post: BTreeMap<PostKey, Vec<Judged>> = BTreeMap::new();
        let mut claims = claims.into_iter();
        loop {
            let batch: Vec<(Claim, Post)> = claims.by_ref().take(ASKED).collect();
            if batch.is_empty() {
                break;
            }
            let judged = self.judge(batch, &options, &mut looker).await?;
            let astray = |judged: &Judged| {
                judged
                    .finding
                    .is_some_and(|f| f.is_absence() || f == Finding::Mispaired || f == Finding::Leak)
            };
            let (lost, fine): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(judged, _)| astray(judged));
            let found = self.find_elsewhere(lost, &repos, &mut looker).await?;
            for (mut judged, _) in fine.into_iter().chain(found) {
                self.read_beginnings(&mut judged, &looker).await?;
                by_post.entry(judged.claim.post.clone()).or_default().push(judged);
            }
        }
        let mut all = Vec::with_capacity(by_post.len());
        for (key, mut judged) in by_post {
            judged.sort_by_key(|j| j.claim.position);
            all.push((key, judged));
        }
        Ok(all)
    }

    /// Moves an object without bytes, and records where it lies once it was shown to be there.
    async fn move_object(
        &self,
        judged: &[Judged],
        planned: &Planned,
        from: &Place,
        to: &Place,
    ) -> Result<(&'static str, String), StoreError> {
        let Some(of) = judged.iter().find(|j| j.claim.subject() == planned.about) else {
            return Ok(("left", String::new()));
        };
        let sha = of.detail.sha256.as_deref();
        let sha256 = sha.and_then(|hex| Digest::from_hex(landfall_core::Algo::Sha256, hex));
        let size = landfall_core::ByteSize(of.detail.size.unwrap_or_default());
        let evidence = Evidence { size, digests: Digests { sha256, ..Digests::none() } };
        let item = ItemKey(format!("{}:{}", from.repo, from.path));
        let from = Holding { item, revision: None, evidence };
        let Ok(path) = RelPath::new(to.path.as_str()) else { return Ok(("left", to.path.clone())) };
        match self.job.destination.publish(vec![Change::Move { from, path }]).await?.pop() {
            Some(Ok(Some(held))) => {
                let url = self.catalogue.url_of(&held);
                let correction = Correction::Url { from: of.claim.url.clone(), to: url };
                self.tell(&of.claim.post, &correction).await
            }
            Some(Err(error)) => Ok(("postponed", error.chain())),
            _ => Ok(("postponed", "the answer names nothing that is held".to_owned())),
        }
    }

    /// Reads the first bytes of objects with plain names: the content may be sealed all the same.
    async fn read_beginnings(&self, judged: &mut Judged, looker: &Looker) -> Result<(), StoreError> {
        let (Some(seal), Some(place)) = (&self.seal, &judged.claim.place) else { return Ok(()) };
        if judged.finding != Some(Finding::Leak) {
            return Ok(());
        }
        match looker.beginning(place, seal.header().0).await {
            Ok(read) => judged.sealed = seal.nonce_of(&read).is_some(),
            Err(error) if error.code.is_some() => return Err(error),
            // Unknown: it is treated as plain, and the sealed file is sent beside it.
            Err(error) => tracing::debug!(path = place.path, error = %error.chain(), "could not be read"),
        }
        Ok(())
    }

    /// Sends what must be sent: the catalogue brings the bytes within reach, the engine does the rest. What has the
    /// key of another file of this round comes back; it is sent after it.
    async fn send(
        &self,
        ward: &mut Ward,
        sends: Vec<(PostKey, Planned)>,
    ) -> Result<Vec<(PostKey, Planned)>, StoreError> {
        let (mut now, mut later, mut over) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        for (key, planned) in sends {
            let Step::Send { name, media, replaces, siblings } = &planned.step else { continue };
            let wanted = Wanted {
                post: key.clone(),
                name: Some(name.clone()),
                index: *media,
                folder: None,
                plain_size: None,
                replaces: replaces.clone(),
                siblings: siblings.clone(),
            };
            if now.contains_key(&self.catalogue.key_of(&wanted).await?) {
                later.push((key, planned));
                continue;
            }
            let item = self.catalogue.want(&wanted).await?;
            self.send_again(&item).await?;
            // What lies there was weighed, and is not what belongs there.
            if planned.finding == Finding::Changed {
                over.insert(item.clone(), None);
            }
            now.insert(item, (key, planned));
        }
        let Some(slot) = self.job.slots.first() else { return Ok(Vec::new()) };
        let keys: Vec<ItemKey> = now.keys().cloned().collect();
        let only = Some(Arc::new(keys.iter().cloned().collect::<BTreeSet<ItemKey>>()));
        let options = RunOptions { stage: Stage::All, only, ..RunOptions::default() };
        let policy = Policy { replaces: Arc::new(over), ..self.job.policy.clone() };
        let job = Arc::new(Job { policy, ..Job::clone(&self.job) });
        let report = self.engine.run(&job, options).await?;
        let rows = self.engine.ledger.files_by_key(self.job.handle.id, slot.id, &keys).await?;
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.entry.key.clone(), row)).collect();
        for (item, (key, planned)) in now {
            let Some(patient) = ward.get_mut(&key) else { continue };
            let Some(row) = rows.get(&item) else {
                patient.postponed(&planned, Reason::Unknown, "it was not listed".to_owned());
                continue;
            };
            let about = format!("{key}:");
            if let Some(words) = report.conflicts.iter().find(|line| line.starts_with(&about)) {
                patient.done(&planned, ("conflict", words.clone()), None);
                continue;
            }
            if row.state == State::Success && row.skip.is_none() {
                let url = row.holding.as_ref().map(|held| self.catalogue.url_of(held));
                patient.done(&planned, ("mended", String::new()), url);
                self.forget_settled(&planned.about).await?;
                continue;
            }
            let reason = row.skip.or(row.reason).unwrap_or(Reason::Unknown);
            let outcome = self.catalogue.outcome(&row.entry.key).await?;
            let words = outcome.and_then(|outcome| outcome.detail).unwrap_or_else(|| row.comment.clone());
            match reason {
                reason if is_final(reason) => patient.settle(self, &planned, reason, words).await?,
                Reason::LocalFileAmbiguous => patient.refused(&planned, reason, words),
                reason => patient.postponed(&planned, reason, words),
            }
        }
        Ok(later)
    }

    /// A row that made landfall once and is gone again goes anew.
    async fn send_again(&self, item: &ItemKey) -> Result<(), StoreError> {
        let Some(slot) = self.job.slots.first() else { return Ok(()) };
        let rows =
            self.engine.ledger.files_by_key(self.job.handle.id, slot.id, std::slice::from_ref(item)).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(()) };
        self.engine
            .lapse(&self.job, row, Reason::AbsentAtDestination, "not found as it was by a verify")
            .await
    }

    /// Keeps that nothing more can be done about a finding, until somebody asks for it again.
    async fn keep_settled(&self, about: &str, reason: &str) -> Result<(), StoreError> {
        let memo = MemoKey::new(self.job.handle.id, "settled", about);
        let value = MemoValue { text: reason.to_owned(), secret: false, expires: None };
        self.engine.ledger.remember(&memo, value).await
    }

    async fn forget_settled(&self, about: &str) -> Result<(), StoreError> {
        self.engine.ledger.forget(&MemoKey::new(self.job.handle.id, "settled", about)).await
    }
}

/// Reasons for which trying again makes no sense before somebody asks for it.
fn is_final(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PostDeleted
            | Reason::PostProtected
            | Reason::MediaGone
            | Reason::MediaRefused
            | Reason::MediaNotMedia
            | Reason::MediaTooLarge
            | Reason::LocalFileMissing
            | Reason::LocalFileEmpty
    )
}

impl Patient {
    /// Counts what was found about the post's URLs.
    fn count(&mut self, judged: &[Judged]) {
        for judged in judged.iter().filter(|judged| judged.finding.is_some()) {
            self.outcome.absent += u64::from(judged.answer == landfall_core::ledger::Answer::Absent);
            let kind = judged.claim.place.as_ref().and_then(|place| kind_of(&place.path));
            match kind {
                Some(Kinds::Videos) => self.outcome.videos += 1,
                Some(Kinds::Images) => self.outcome.images += 1,
                None if extension_of(&judged.claim.url) == "mp4" => self.outcome.videos += 1,
                None => {}
            }
        }
    }

    fn push(
        &mut self,
        planned: &Planned,
        outcome: &str,
        reason: Option<Reason>,
        words: String,
    ) -> &mut FileOutcome {
        let words = match &planned.step {
            Step::Leave(why) if words.is_empty() => why.clone(),
            _ => words,
        };
        self.outcome.files.push(FileOutcome {
            finding: planned.finding.name().to_owned(),
            subject: planned.subject.clone(),
            step: planned.step.name().to_owned(),
            outcome: outcome.to_owned(),
            reason: reason.map(|reason| reason.name().to_owned()),
            words,
            url: None,
        });
        let last = self.outcome.files.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was pushed just now")]
        &mut self.outcome.files[last]
    }

    fn planned(&mut self, planned: &Planned) {
        let outcome = if matches!(planned.step, Step::Leave(_)) { "left" } else { "planned" };
        self.push(planned, outcome, None, String::new());
    }

    fn left(&mut self, planned: &Planned) {
        self.push(planned, "left", None, String::new());
    }

    fn refused(&mut self, planned: &Planned, reason: Reason, words: String) {
        self.push(planned, "left", Some(reason), words);
    }

    fn postponed(&mut self, planned: &Planned, reason: Reason, words: String) {
        self.push(planned, "postponed", Some(reason), words);
    }

    fn done(&mut self, planned: &Planned, (outcome, words): (&str, String), url: Option<String>) {
        self.push(planned, outcome, None, words).url = url;
    }

    async fn settle(
        &mut self,
        archive: &Archive,
        planned: &Planned,
        reason: Reason,
        words: String,
    ) -> Result<(), StoreError> {
        archive.keep_settled(&planned.about, reason.name()).await?;
        self.push(planned, "settled", Some(reason), words);
        Ok(())
    }
}
