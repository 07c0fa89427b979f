//! Plain files on the Hub: remembered when they are met, and taken away when somebody asks for it.
//!
//! Once the sealed file is recorded in its place, nothing in the database names the plain one any more; the
//! ledger does. Nothing is taken away while the database still records it, or before a sealed file of the
//! same name is recorded and shown to be there.

use landfall_core::StoreError;
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::store::{Change, Holding};
use landfall_core::words::ItemKey;
use landfall_stores::catalogue::{Post, PostKey, identity};

use super::{FileOutcome, PostOutcome};
use crate::Archive;
use crate::claim::{Name, Place, name_of};
use crate::finding::Finding;
use crate::look::{Looker, Seen};
use crate::verify::{Judged, LEAK};

const LEAKS: usize = 500;

impl Archive {
    /// Remembers plain files that lie on the Hub, with the post that recorded them.
    pub(super) async fn keep_leaks(&self, judged: &[Judged]) -> Result<(), StoreError> {
        for judged in judged.iter().filter(|judged| judged.finding == Some(Finding::Leak) && !judged.sealed) {
            let Some(place) = &judged.claim.place else { continue };
            let value = MemoValue { text: judged.claim.post.to_string(), secret: false, expires: None };
            self.engine.ledger.remember(&self.leak_memo(place), value).await?;
        }
        Ok(())
    }

    /// True where plain files are remembered that were replaced and, as far as we know, lie there still.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn has_left_leaks(&self) -> Result<bool, StoreError> {
        Ok(!self.engine.ledger.memos(self.job.handle.id, LEAK, "", 1).await?.is_empty())
    }

    fn leak_memo(&self, place: &Place) -> MemoKey {
        MemoKey::new(self.job.handle.id, LEAK, format!("{}:{}", place.repo, place.path))
    }

    /// Takes away every remembered plain file whose sealed one is recorded and there; one outcome a file.
    pub(super) async fn remove_leaks(&self, dry_run: bool) -> Result<Vec<PostOutcome>, StoreError> {
        let mut looker = Looker::new(self.shelves.clone());
        let mut outcomes = Vec::new();
        let mut after = String::new();
        loop {
            let keys = self.engine.ledger.memos(self.job.handle.id, LEAK, &after, LEAKS).await?;
            let Some(last) = keys.last() else { return Ok(outcomes) };
            after.clone_from(last);
            for key in keys {
                let Some(place) = key.split_once(':').map(|(repo, path)| Place::new(repo, path)) else {
                    continue;
                };
                let memo = self.leak_memo(&place);
                let post = self.engine.ledger.memo(&memo).await?.and_then(|text| PostKey::parse(&text));
                let Some(post) = post else { continue };
                outcomes.extend(self.remove_leak(&place, &post, &mut looker, dry_run).await?);
            }
        }
    }

    async fn remove_leak(
        &self,
        place: &Place,
        key: &PostKey,
        looker: &mut Looker,
        dry_run: bool,
    ) -> Result<Option<PostOutcome>, StoreError> {
        let thing = match looker.look(std::slice::from_ref(place)).await?.pop() {
            Some(Seen::Present(thing)) => thing,
            Some(Seen::Absent) if dry_run => return Ok(None),
            Some(Seen::Absent) => {
                self.engine.ledger.forget(&self.leak_memo(place)).await?;
                return Ok(None);
            }
            Some(Seen::Unknown(words)) => return Ok(Some(outcome(place, key, "", "postponed", &words))),
            None => return Ok(None),
        };
        let Some(post) = self.post(key).await? else {
            return Ok(Some(outcome(place, key, "", "left", "its post is no longer in the database")));
        };
        let user = post.username.clone();
        if !self.is_replaced(place, &post, looker).await? {
            let words = "no sealed file is recorded in its place yet";
            return Ok(Some(outcome(place, key, &user, "postponed", words)));
        }
        if dry_run {
            return Ok(Some(outcome(place, key, &user, "planned", "")));
        }
        let item = ItemKey(format!("{}:{}", place.repo, place.path));
        let from = Holding { item, revision: None, evidence: thing.evidence };
        let answer = self.job.destination.publish(vec![Change::Delete { from }]).await?.pop();
        Ok(Some(match answer {
            Some(Ok(_)) => {
                self.engine.ledger.forget(&self.leak_memo(place)).await?;
                outcome(place, key, &user, "mended", "older commits of the repository still hold it")
            }
            Some(Err(error)) => outcome(place, key, &user, "postponed", &error.chain()),
            None => outcome(place, key, &user, "postponed", "no answer"),
        }))
    }

    /// True where the post records a sealed file of the same name, which is there, and not the plain one.
    async fn is_replaced(&self, place: &Place, post: &Post, looker: &mut Looker) -> Result<bool, StoreError> {
        let recorded: Vec<Place> = post.hub.items.iter().filter_map(|url| self.shelves.parse(url)).collect();
        if recorded.contains(place) {
            return Ok(false);
        }
        let same = |recorded: &&Place| match name_of(recorded, self.seal.as_deref()) {
            Name::Sealed(plain) => identity(&plain) == identity(place.name()),
            _ => false,
        };
        let Some(sealed) = recorded.iter().find(same) else { return Ok(false) };
        let seen = looker.look(std::slice::from_ref(sealed)).await?.pop();
        Ok(matches!(seen, Some(Seen::Present(_))))
    }
}

fn outcome(place: &Place, post: &PostKey, user: &str, outcome: &str, words: &str) -> PostOutcome {
    PostOutcome {
        post: post.to_string(),
        username: user.to_owned(),
        files: vec![FileOutcome {
            finding: Finding::Leak.name().to_owned(),
            subject: place.path.clone(),
            step: "remove".to_owned(),
            outcome: outcome.to_owned(),
            reason: None,
            words: words.to_owned(),
            url: None,
        }],
        ..PostOutcome::default()
    }
}
