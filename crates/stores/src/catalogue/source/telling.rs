//! What the database is told once a file is proven: one compare-and-set a post, repeated on a changed row.

use std::collections::BTreeMap;

use landfall_core::StoreError;
use landfall_core::memo::MemoKey;
use landfall_core::store::{Owed, Told};
use serde::{Deserialize, Serialize};

use super::super::database::Catalogue;
use super::super::names::stem_of;
use super::super::post::{Post, PostKey, Update, Written};
use super::Inner;
use super::correcting::Correction;
use super::slot::{Lies, Outcome, Stand, WANTED};

/// How often a row that changed under us is read again.
const TRIES: u32 = 4;

/// What is owed for one file; kept in the ledger's outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Debt {
    v: u32,
    /// The entry's key.
    key: String,
    /// What the proven object is called.
    url: String,
    /// Its number among the post's media.
    #[serde(default)]
    index: Option<u32>,
    /// The recorded URL that gives way.
    #[serde(default)]
    replaces: Option<String>,
    /// The local file to be recorded.
    #[serde(default)]
    local: Option<String>,
    /// The media URL to be recorded.
    #[serde(default)]
    media: Option<String>,
    /// True where the table has a mark of being backed up.
    #[serde(default)]
    uploaded: bool,
}

/// Writes down what is owed for an entry.
pub(super) fn text(
    key: &str,
    url: String,
    outcome: Option<&Outcome>,
    catalogue: &Catalogue,
    post: &PostKey,
) -> String {
    let local = outcome.and_then(|outcome| outcome.file.as_ref()).and_then(|file| {
        let folder = file.lies.folder()?;
        catalogue.records_local(&post.table).then(|| format!("{}/{}", folder.name(), file.path))
    });
    let debt = Debt {
        v: 1,
        key: key.to_owned(),
        url,
        index: outcome.and_then(|outcome| outcome.index),
        replaces: outcome.and_then(|outcome| outcome.replaces.clone()),
        local,
        media: outcome.filter(|outcome| outcome.found_again).and_then(|outcome| outcome.url.clone()),
        uploaded: catalogue.has_mark(&post.table),
    };
    serde_json::to_string(&debt).unwrap_or_default()
}

impl Inner {
    /// Tells the database what is owed, post by post.
    pub(super) async fn tell(&self, owed: &[Owed]) -> Vec<Told> {
        let mut posts: BTreeMap<&str, Vec<(usize, Debt)>> = BTreeMap::new();
        let mut told: Vec<Option<Told>> = Vec::new();
        for (at, owed) in owed.iter().enumerate() {
            if let Ok(correction) = serde_json::from_str::<Correction>(&owed.owe.text) {
                told.push(Some(self.tell_correction(&owed.owe.subject, &correction).await));
                continue;
            }
            match serde_json::from_str::<Debt>(&owed.owe.text) {
                Ok(debt) if debt.v == 1 => {
                    posts.entry(&owed.owe.subject).or_default().push((at, debt));
                    told.push(None);
                }
                _ => told.push(Some(Told::Conflict("what is owed was written by another program".into()))),
            }
        }
        for (subject, mut debts) in posts {
            debts.sort_by_key(|(_, debt)| debt.index);
            let all: Vec<&Debt> = debts.iter().map(|(_, debt)| debt).collect();
            let mut answer = match PostKey::parse(subject) {
                Some(post) => self.tell_post(&post, &all).await,
                None => Ok(Some("it names no post".to_owned())),
            };
            for (at, debt) in &debts {
                if let Ok(None) = answer
                    && let Err(error) = self.finish(debt).await
                {
                    answer = Err(error);
                }
                let answer = match &answer {
                    Ok(None) => Told::Done,
                    Ok(Some(words)) => Told::Conflict(words.clone()),
                    Err(error) => Told::Failed(again(error)),
                };
                if let Some(told) = told.get_mut(*at) {
                    *told = Some(answer);
                }
            }
        }
        told.into_iter().flatten().collect()
    }

    async fn tell_correction(&self, subject: &str, correction: &Correction) -> Told {
        let Some(post) = PostKey::parse(subject) else {
            return Told::Conflict("it names no post".to_owned());
        };
        match self.correct(&post, correction).await {
            Ok(None) => Told::Done,
            Ok(Some(words)) => Told::Conflict(words),
            Err(error) => Told::Failed(error),
        }
    }

    /// Tells one post; the words of a conflict where it cannot be told.
    async fn tell_post(&self, key: &PostKey, debts: &[&Debt]) -> Result<Option<String>, StoreError> {
        let catalogue = &self.parts.catalogue;
        let mut now = catalogue.post(key).await?;
        for _ in 0..TRIES {
            let Some(post) = now else { return Ok(Some("the row is no longer there".to_owned())) };
            if let Some(fault) = post.hub.unreadable() {
                return Ok(Some(format!("its backup URLs are no list any more ({})", fault.name())));
            }
            let update = update_of(&post, debts);
            if update.is_empty() {
                return Ok(None);
            }
            match catalogue.write(key, &post.expected(), &update).await? {
                Written::Done => return Ok(None),
                Written::Conflict { now: changed } => now = changed.map(|post| *post),
            }
        }
        Ok(Some(format!("the row was changed by another program {TRIES} times in a row")))
    }

    /// Marks a slot as done and gives back its scratch file.
    async fn finish(&self, debt: &Debt) -> Result<(), StoreError> {
        let Some(outcome) = self.outcome(&debt.key).await? else { return Ok(()) };
        if let Some(file) = outcome.file.as_ref().filter(|file| file.lies == Lies::Scratch) {
            let (scratch, path) = (self.scratch.clone(), file.path.clone());
            if let Err(error) = super::bytes::blocking(move || scratch.remove(&path)).await {
                tracing::warn!(entry = %debt.key, %error, "a file that is no longer needed cannot be deleted");
            }
        }
        if outcome.stand != Stand::Done {
            let done = Outcome { stand: Stand::Done, replaces: None, ..outcome };
            self.settle(&debt.key, &done).await?;
        }
        self.parts.memo.forget(&MemoKey::new(self.job(), WANTED, debt.key.clone())).await
    }
}

/// What is to be written so that the post says what was proven; empty where it already does.
fn update_of(post: &Post, debts: &[&Debt]) -> Update {
    let mut hub = post.hub.items.clone();
    let mut media = post.media.items.clone();
    let mut local = post.local.as_ref().map(|list| list.items.clone()).unwrap_or_default();
    for debt in debts {
        record_url(&mut hub, debt);
        if let Some(url) = debt.media.as_ref().filter(|url| !media.contains(url)) {
            let number = debt.index.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            media.insert(number.saturating_sub(1).min(media.len()), url.clone());
        }
        if let Some(path) = &debt.local {
            record_local(&mut local, path);
        }
    }
    let changed = |before: &[String], after: Vec<String>| (before != after.as_slice()).then_some(after);
    let readable_local = post.local.as_ref().filter(|list| list.unreadable().is_none());
    let mark = debts.iter().any(|debt| debt.uploaded) && post.uploaded != Some(true);
    Update {
        media: changed(&post.media.items, media).filter(|_| post.media.unreadable().is_none()),
        local: readable_local.and_then(|list| changed(&list.items, local)),
        hub: changed(&post.hub.items, hub),
        uploaded: mark.then_some(true),
    }
}

/// Puts the URL in the place of the one that gives way; at the end where there is none.
fn record_url(hub: &mut Vec<String>, debt: &Debt) {
    let old = debt.replaces.as_ref().filter(|old| **old != debt.url);
    let place = old.and_then(|old| hub.iter().position(|url| url == old));
    let there = hub.contains(&debt.url);
    match place {
        Some(place) if there => {
            hub.remove(place);
        }
        Some(place) => {
            if let Some(url) = hub.get_mut(place) {
                url.clone_from(&debt.url);
            }
        }
        None if there => {}
        None => hub.push(debt.url.clone()),
    }
}

/// Records a local file; one recorded under another extension gives way to it.
fn record_local(local: &mut Vec<String>, path: &String) {
    let name = |path: &str| path.replace('\\', "/").rsplit('/').next().unwrap_or_default().to_owned();
    if local.iter().any(|known| known == path || known.ends_with(&format!("/{path}"))) {
        return;
    }
    let stem = stem_of(&name(path)).to_owned();
    match local.iter_mut().find(|known| stem_of(&name(known)) == stem) {
        Some(known) if name(known) != name(path) => known.clone_from(path),
        Some(_) => {}
        None => local.push(path.clone()),
    }
}

/// The same failure for one more debt of the post.
fn again(error: &StoreError) -> StoreError {
    let mut copy = StoreError::new(error.kind, error.operation, error.subject.clone(), error.detail.clone())
        .with_retry(error.retry);
    copy.code = error.code;
    match std::error::Error::source(error) {
        Some(source) => copy.with_source(source.to_string()),
        None => copy,
    }
}
