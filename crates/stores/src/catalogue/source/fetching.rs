//! Downloads for slots: the recorded URL, then whatever a resolver names, stored where it belongs.

use std::collections::BTreeMap;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use cap_std::fs::Dir;
use jiff::SignedDuration;
use landfall_core::state::Reason;
use landfall_core::{ErrorKind, RelPath, StoreError};

use super::super::local::local_error;
use super::super::names::{Folder, folder_of, key_in};
use super::super::numbering::media_number;
use super::super::post::PostKey;
use super::super::{Ask, FetchFailure, Fetched, MediaItem, MediaKind, MediaUrl, Resolved, Unavailable};
use super::Inner;
use super::bytes::blocking;
use super::gather::Slot;
use super::slot::{Lies, Outcome, Stand, Wanted};

/// Posts that a resolver is asked for at once.
const BATCH: usize = 100;

/// After how long a protected post is asked for again.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What the near tries amounted to.
#[derive(Debug)]
pub(super) enum Try {
    /// The slot has its outcome.
    Settled(Box<Slot>),
    /// Only a resolver can help; `otherwise` holds where there is none.
    Resolve { slot: Box<Slot>, otherwise: Box<Outcome> },
}

/// What a download amounted to.
enum Got {
    /// The slot has its bytes.
    Ready(Outcome),
    /// This URL will never give them; another one may.
    No(Reason, String),
    /// Stop here: the outcome stands.
    Stop(Outcome),
}

impl Inner {
    /// The recorded URL.
    pub(super) async fn try_recorded(&self, slot: Slot) -> Result<Try, StoreError> {
        let Some(url) = slot.wanted.url(&slot.post).map(str::to_owned) else {
            let otherwise = without_url(&slot);
            return Ok(Try::Resolve { slot: Box::new(slot), otherwise: Box::new(otherwise) });
        };
        if self.parts.fetcher.is_none() {
            let detail = "nothing is downloaded in this run";
            let outcome = slot.outcome.clone().stands(Stand::Waiting, Reason::AwaitingMedia, detail);
            return Ok(Try::Settled(Box::new(Slot { outcome, ..slot })));
        }
        Ok(match self.download(&slot, &url).await? {
            Got::Ready(outcome) | Got::Stop(outcome) => Try::Settled(Box::new(Slot { outcome, ..slot })),
            Got::No(reason @ (Reason::MediaRefused | Reason::MediaTooLarge), detail) => {
                let outcome = slot.outcome.clone().stands(Stand::Settled, reason, detail);
                Try::Settled(Box::new(Slot { outcome, ..slot }))
            }
            Got::No(reason, detail) => {
                let otherwise = slot.outcome.clone().stands(Stand::Settled, reason, detail);
                Try::Resolve { slot: Box::new(slot), otherwise: Box::new(otherwise) }
            }
        })
    }

    /// Downloads one URL for a slot.
    async fn download(&self, slot: &Slot, url: &str) -> Result<Got, StoreError> {
        let Some(fetcher) = &self.parts.fetcher else {
            let detail = "nothing is downloaded in this run";
            return Ok(Got::Stop(slot.outcome.clone().stands(Stand::Waiting, Reason::AwaitingMedia, detail)));
        };
        let (into, lies) = self.folder_for(slot, slot.outcome.folder).await?;
        let waits = |reason, detail: String| slot.outcome.clone().stands(Stand::Waiting, reason, detail);
        Ok(match fetcher.fetch(&MediaUrl::new(url), &into, &slot.wanted.save_as()).await {
            Ok(fetched) => match self.shelve(slot, &into, lies, fetched).await? {
                Some(outcome) => Got::Ready(outcome),
                None => {
                    let detail = "another file already has this name";
                    Got::Stop(waits(Reason::LocalFileAmbiguous, detail.to_owned()))
                }
            },
            Err(FetchFailure::Gone { detail }) => Got::No(Reason::MediaGone, detail),
            Err(FetchFailure::Refused { detail }) => Got::No(Reason::MediaRefused, detail),
            Err(FetchFailure::NotMedia { detail }) => Got::No(Reason::MediaNotMedia, detail),
            Err(FetchFailure::TooLarge { detail }) => Got::No(Reason::MediaTooLarge, detail),
            Err(FetchFailure::HostBlocked { detail, until }) => {
                Got::Stop(waits(Reason::Throttled, detail).until(until))
            }
            Err(FetchFailure::Later { detail, not_before }) => {
                Got::Stop(waits(Reason::Interrupted, detail).until(not_before))
            }
            Err(FetchFailure::Local(error)) if error.kind == ErrorKind::Exists => {
                let outcome = slot.outcome.clone();
                Got::Stop(outcome.stands(Stand::Settled, Reason::LocalFileAmbiguous, error.chain()))
            }
            Err(FetchFailure::Local(error)) => return Err(error),
        })
    }

    /// The folder that a slot's download goes into.
    async fn folder_for(&self, slot: &Slot, folder: Folder) -> Result<(Dir, Lies), StoreError> {
        let (local, scratch) = (self.local.clone(), self.scratch.clone());
        let (table, user) = (slot.post.table.clone(), slot.post.username.clone());
        let lies = match self.parts.catalogue.records_local(&table) {
            true if !slot.blocked => Lies::from(folder),
            _ => Lies::Scratch,
        };
        let opened = blocking(move || match lies.folder() {
            Some(root) => local.user_folder(root, &user),
            None => scratch.folder(&table, folder),
        });
        opened.await.map(|dir| (dir, lies)).map_err(|error| local_error("open folder", &slot.key, error))
    }

    /// Takes a download into account; one whose content is of the other kind is moved to the other folder.
    /// `None` where another file has its name there.
    async fn shelve(
        &self,
        slot: &Slot,
        into: &Dir,
        lies: Lies,
        fetched: Fetched,
    ) -> Result<Option<Outcome>, StoreError> {
        let by_name = folder_of(&fetched.name);
        let folder = if fetched.kind == MediaKind::Video { Folder::Videos } else { by_name };
        let mut lies = lies;
        if lies.folder().is_some_and(|there| there != folder) {
            let (other, there) = self.folder_for(slot, folder).await?;
            let from = into.try_clone().map_err(|error| local_error("move", &fetched.name, error))?;
            let name = fetched.name.clone();
            let moved = blocking(move || move_to(&from, &other, &name)).await;
            if !moved.map_err(|error| local_error("move", &fetched.name, error))? {
                return Ok(None);
            }
            lies = there;
        }
        let path = match lies {
            // Where it was downloaded to: our own folder is arranged by what was promised.
            Lies::Scratch => format!("{}/{}/{}", slot.post.table, slot.outcome.folder.name(), fetched.name),
            Lies::Images | Lies::Videos => format!("{}/{}", slot.post.username, fetched.name),
        };
        if let (Some(root), Ok(path)) = (lies.folder(), RelPath::new(path.as_str())) {
            self.local.noted(root, &path);
        }
        // Read again from the disk: what is sent later is what lies there, and its time is kept with it.
        let file = self.hashed(lies, &path).await?;
        if file.sha256 != fetched.sha256.hex() {
            let detail = "the file is not what was downloaded into it";
            return Err(StoreError::new(ErrorKind::Corrupt, "store", path, detail));
        }
        Ok(Some(Outcome {
            stand: Stand::Ready,
            folder,
            file: Some(file),
            url: Some(fetched.url),
            reduced: fetched.reduced,
            reason: None,
            detail: None,
            not_before: None,
            ..slot.outcome.clone()
        }))
    }

    /// Asks the resolver for the posts of these slots and downloads what it names.
    pub(super) async fn resolve_all(&self, open: Vec<(Slot, Outcome)>) -> Result<Vec<Slot>, StoreError> {
        let mut posts: BTreeMap<PostKey, Vec<(Slot, Outcome)>> = BTreeMap::new();
        for (slot, otherwise) in open {
            posts.entry(slot.post.key()).or_default().push((slot, otherwise));
        }
        let mut settled = Vec::new();
        let mut posts: Vec<Vec<(Slot, Outcome)>> = posts.into_values().collect();
        while !posts.is_empty() {
            let batch: Vec<_> = posts.drain(..posts.len().min(BATCH)).collect();
            let answers = self.ask(&batch).await;
            for (slots, answer) in batch.into_iter().zip(answers) {
                for (slot, otherwise) in slots {
                    let outcome = self.answered(&slot, otherwise, &answer).await?;
                    settled.push(Slot { outcome, ..slot });
                }
            }
        }
        Ok(settled)
    }

    /// One answer a post; `None` where there is nobody to ask.
    async fn ask(&self, batch: &[Vec<(Slot, Outcome)>]) -> Vec<Option<Resolved>> {
        let nobody = || batch.iter().map(|_| None).collect();
        if let Some(until) = self.resolver_until() {
            return batch.iter().map(|_| Some(Resolved::RateLimited { until })).collect();
        }
        let Some(resolver) = self.resolver() else { return nobody() };
        let posts = batch.iter().filter_map(|slots| slots.first()).map(|(slot, _)| &slot.post);
        let asks: Vec<Ask> =
            posts.map(|post| Ask { id: post.id.clone(), username: post.username.clone() }).collect();
        let mut answers: Vec<Option<Resolved>> =
            resolver.resolve(&asks).await.into_iter().map(Some).collect();
        answers.resize(batch.len(), Some(Resolved::Unanswered));
        for answer in answers.iter().flatten() {
            match answer {
                Resolved::Fatal { detail } => {
                    tracing::warn!(%detail, "the resolver cannot be used; everything else goes on without it");
                    self.resolver_down.store(true, Ordering::Relaxed);
                }
                Resolved::RateLimited { until } => {
                    *self.resolver_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(*until);
                }
                _ => {}
            }
        }
        answers
    }

    /// What an answer means for one slot.
    async fn answered(
        &self,
        slot: &Slot,
        otherwise: Outcome,
        answer: &Option<Resolved>,
    ) -> Result<Outcome, StoreError> {
        let stands = |stand, reason, detail: &str| slot.outcome.clone().stands(stand, reason, detail);
        let later = |detail: &str| stands(Stand::Waiting, Reason::Unresolved, detail);
        Ok(match answer {
            None => otherwise,
            Some(Resolved::Media { items, username }) => {
                if let Some(now) = username.as_ref().filter(|now| **now != slot.post.username) {
                    tracing::info!(post = %slot.post.key(), now, "the author has another handle now; the folder stays");
                }
                self.resolved(slot, otherwise, items).await?
            }
            Some(Resolved::Unavailable { reason, detail }) => {
                let again = self.parts.clock.now().checked_add(ASK_AGAIN).ok();
                match reason {
                    Unavailable::Deleted | Unavailable::Suspended => {
                        stands(Stand::Settled, Reason::PostDeleted, detail)
                    }
                    Unavailable::Protected | Unavailable::AgeGated | Unavailable::Withheld => {
                        stands(Stand::Settled, Reason::PostProtected, detail).until(again)
                    }
                    // Not said why: no proof of anything.
                    Unavailable::Unknown => later(detail).until(again),
                }
            }
            Some(Resolved::RateLimited { until }) => {
                later("the resolver's limit is reached").until(Some(*until))
            }
            Some(Resolved::Later { detail } | Resolved::Fatal { detail }) => later(detail),
            Some(Resolved::Unanswered) => later("the resolver gave no answer"),
        })
    }

    /// Downloads the media that a resolver named for a slot.
    async fn resolved(
        &self,
        slot: &Slot,
        otherwise: Outcome,
        items: &[MediaItem],
    ) -> Result<Outcome, StoreError> {
        let item = match item_of(slot, items) {
            Meant::One(item) => item,
            Meant::None => {
                let detail = format!("the post has {} media now, and this is none of them", items.len());
                return Ok(slot.outcome.clone().stands(Stand::Settled, Reason::MediaGone, detail));
            }
            Meant::Untold => return Ok(untold(slot, items.len())),
        };
        let mut last = otherwise;
        for url in &item.urls {
            match self.download(slot, url).await? {
                Got::Ready(outcome) => {
                    let lost = !slot.post.media.holds_something();
                    return Ok(Outcome {
                        found_again: lost,
                        index: slot.outcome.index.or(Some(item.n)),
                        ..outcome
                    });
                }
                Got::Stop(outcome) => return Ok(outcome),
                Got::No(reason, detail) => {
                    last = slot.outcome.clone().stands(Stand::Settled, reason, detail);
                }
            }
        }
        Ok(last)
    }
}

/// Which of a resolver's media a slot means.
enum Meant<'a> {
    One(&'a MediaItem),
    None,
    /// Nothing tells.
    Untold,
}

/// By the recorded URL's media key, which outlives every other part of it; by the name, where its siblings
/// show how the post was counted; by the number, where the post records as many media as it has.
fn item_of<'a>(slot: &Slot, items: &'a [MediaItem]) -> Meant<'a> {
    let one = |item: Option<&'a MediaItem>| item.map_or(Meant::None, Meant::One);
    let wanted = &slot.wanted;
    let same = |item: &&MediaItem, key: &str| item.urls.iter().any(|url| key_in(url) == Some(key));
    if let Some(key) = wanted.url(&slot.post).and_then(key_in)
        && let Some(item) = items.iter().find(|item| same(item, key))
    {
        return Meant::One(item);
    }
    let Some(name) = &wanted.name else {
        let recorded = Wanted::media(&slot.post).len();
        let item = items.iter().find(|item| wanted.index == Some(item.n));
        return one(item.filter(|_| recorded == 0 || recorded == items.len()));
    };
    let kinds: Vec<Folder> = items
        .iter()
        .map(|item| if item.kind == MediaKind::Video { Folder::Videos } else { Folder::Images })
        .collect();
    if !kinds.contains(&folder_of(name)) {
        return Meant::None;
    }
    let names = wanted.siblings.iter().map(String::as_str);
    match media_number(name, &slot.post.id, names, &kinds).and_then(|number| usize::try_from(number - 1).ok())
    {
        Some(at) => one(items.get(at)),
        None => Meant::Untold,
    }
}

/// Where no URL is recorded that could be asked.
fn without_url(slot: &Slot) -> Outcome {
    let media = Wanted::media(&slot.post).len();
    if media > 0 && slot.wanted.index.is_none() {
        return untold(slot, media);
    }
    let missing = slot.post.local.as_ref().is_some_and(|list| !list.items.is_empty());
    let reason = if missing { Reason::LocalFileMissing } else { Reason::Unresolved };
    slot.outcome.clone().stands(
        Stand::Waiting,
        reason,
        "no media URL is recorded, and no local file was found",
    )
}

/// Nobody guesses which of several media a name means: a wrong one would pass for it ever after.
fn untold(slot: &Slot, media: usize) -> Outcome {
    let name = slot.wanted.name.as_deref().unwrap_or_default();
    let detail = format!(
        "{name} may be more than one of the post's {media} media: its number and the other files' do not tell; put the file into its local folder"
    );
    slot.outcome.clone().stands(Stand::Settled, Reason::LocalFileAmbiguous, detail)
}

/// Moves a file without overwriting one; the same bytes count as moved. False where other bytes are there.
fn move_to(from: &Dir, into: &Dir, name: &str) -> io::Result<bool> {
    use std::io::Read as _;
    match from.hard_link(name, into, name) {
        Ok(()) => from.remove_file(name).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let read = |dir: &Dir| {
                let mut bytes = Vec::new();
                dir.open(name)?.read_to_end(&mut bytes).map(|_| bytes)
            };
            let same = from.metadata(name)?.len() == into.metadata(name)?.len() && read(from)? == read(into)?;
            from.remove_file(name).map(|()| same)
        }
        // Another file system, or one without links.
        Err(_) => {
            let mut options = cap_std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            let mut target = into.open_with(name, &options)?;
            io::copy(&mut from.open(name)?, &mut target)?;
            target.sync_all()?;
            from.remove_file(name).map(|()| true)
        }
    }
}
