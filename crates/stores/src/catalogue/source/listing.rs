//! The listing: every post without a backup, then everything that was ever gathered or wanted.
//!
//! A full pass names every slot there ever was, so nothing is taken for gone because it got its backup. An
//! incremental one names at least what changed: within one process exactly that, else everything again.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::digest::Digests;
use landfall_core::state::Reason;
use landfall_core::store::{Authors, Entry, Listed, ListedFolder, Listing, Page};
use landfall_core::words::{Cursor, ItemKey, Revision};
use landfall_core::{ByteSize, RelPath, StoreError, Times};
use serde::{Deserialize, Serialize};

use super::super::config::date_of;
use super::super::names::{Folder, folder_of, folder_of_url, username_fault};
use super::super::post::Post;
use super::slot::{MEDIA, Outcome, Stand, WANTED, Wanted, post_of_key, recall};
use super::{Inner, Seen};

/// Posts or memos that one page names.
const PAGE: usize = 500;

/// Where a listing is; the text of its cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "lowercase")]
enum At {
    /// Before the first table.
    #[default]
    Start,
    /// Within the tables.
    Table { name: String, after: Option<String> },
    /// Within the slots that were gathered.
    Media { after: String },
    /// Within the slots that are wanted.
    Wanted { after: String },
    /// Complete; what changed since can be told to the process that wrote this.
    End { process: String, seq: u64 },
}

/// A listing under way.
pub(super) struct CatalogueListing {
    source: Arc<Inner>,
    at: Option<At>,
    folders: BTreeSet<RelPath>,
    seen: Seen,
    /// The last change when it began: later ones are told by the next listing.
    seq: u64,
}

impl CatalogueListing {
    /// Begins a listing.
    pub(super) fn begin(source: Arc<Inner>, since: Option<&Cursor>) -> Self {
        let seq = source.changed.lock().unwrap_or_else(PoisonError::into_inner).seq;
        let at = since.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default();
        let at = match at {
            At::End { process, .. } if process != source.process => At::Start,
            at => at,
        };
        Self { source, at: Some(at), folders: BTreeSet::new(), seen: Seen::new(), seq }
    }
}

#[async_trait]
impl Listing for CatalogueListing {
    async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        let Some(at) = self.at.clone() else { return Ok(None) };
        let mut items = Vec::new();
        let next = match at {
            At::Start => self.table_after(None),
            At::Table { name, after } => self.table(name, after, &mut items).await?,
            At::Media { after } => self.media(&after, &mut items).await?,
            At::Wanted { after } => self.wanted(&after, &mut items).await?,
            At::End { seq, .. } => {
                self.changes(seq, &mut items).await?;
                self.end()
            }
        };
        let complete = matches!(next, At::End { .. });
        let cursor = serde_json::to_string(&next).ok().map(Cursor);
        self.at = (!complete).then_some(next);
        Ok(Some(Page { items, cursor, complete, restarted: false }))
    }
}

impl CatalogueListing {
    fn end(&self) -> At {
        At::End { process: self.source.process.clone(), seq: self.seq }
    }

    /// The table after this one; the narrowing leaves none out here, or its posts would seem to be gone.
    fn table_after(&self, name: Option<&str>) -> At {
        let tables = &self.source.parts.catalogue.config().tables;
        let at = name.map_or(Some(0), |name| tables.iter().position(|t| t.name == name).map(|at| at + 1));
        match at.and_then(|at| tables.get(at)) {
            Some(table) => At::Table { name: table.name.clone(), after: None },
            None => At::Media { after: String::new() },
        }
    }

    async fn table(
        &mut self,
        name: String,
        after: Option<String>,
        items: &mut Vec<Listed>,
    ) -> Result<At, StoreError> {
        let page = self.source.parts.catalogue.posts(&name, after.as_deref(), PAGE).await?;
        for post in &page.posts {
            self.post(post, items).await?;
        }
        Ok(match page.next {
            Some(after) => At::Table { name, after: Some(after) },
            None => self.table_after(Some(&name)),
        })
    }

    /// The slots of one post, where it belongs to the backlog or may belong to it.
    async fn post(&mut self, post: &Post, items: &mut Vec<Listed>) -> Result<(), StoreError> {
        if let Some((column, fault)) = backlog_fault(post) {
            let detail = format!("{column}: {}", fault.name());
            tracing::warn!(post = %post.key(), detail, "a row cannot be read and is left out");
            items.push(self.unusable(post, Reason::RowUnreadable));
            return Ok(());
        }
        if !post.is_backlog() {
            return Ok(());
        }
        if username_fault(&post.username).is_some() || username_fault(&post.id).is_some() {
            items.push(self.unusable(post, Reason::HostileName));
            return Ok(());
        }
        for wanted in Wanted::of_post(post) {
            let key = wanted.key();
            let outcome = match self.source.outcome(&key.0).await? {
                Some(outcome) => outcome,
                None => Outcome::begin(post, &wanted, guessed(post, &wanted)),
            };
            self.seen.insert(key.clone());
            self.slot(key, &outcome, items);
        }
        Ok(())
    }

    /// A row whose slots cannot even be named.
    fn unusable(&self, post: &Post, reason: Reason) -> Listed {
        let entry = Entry {
            key: ItemKey(format!("{}/row", post.key())),
            parent: None,
            name: post.id.replace('/', "_"),
            size: ByteSize(0),
            times: Times { created: date_of(&post.date), modified: None },
            revision: None,
            digests: Digests::none(),
            authors: Authors::default(),
        };
        Listed::Skipped { entry, reason }
    }

    async fn media(&mut self, after: &str, items: &mut Vec<Listed>) -> Result<At, StoreError> {
        let memo = &self.source.parts.memo;
        let keys = memo.memos(self.source.job(), MEDIA, after, PAGE).await?;
        for key in &keys {
            let entry = ItemKey(key.clone());
            if post_of_key(key).is_none() || self.seen.contains(&entry) {
                continue;
            }
            if let Some(outcome) = self.source.outcome(key).await? {
                self.slot(entry, &outcome, items);
            }
        }
        Ok(match keys.last().filter(|_| keys.len() == PAGE) {
            Some(last) => At::Media { after: last.clone() },
            None => At::Wanted { after: String::new() },
        })
    }

    async fn wanted(&mut self, after: &str, items: &mut Vec<Listed>) -> Result<At, StoreError> {
        let (memo, job) = (Arc::clone(&self.source.parts.memo), self.source.job());
        let keys = memo.memos(job, WANTED, after, PAGE).await?;
        for key in &keys {
            if self.source.outcome(key).await?.is_some() {
                continue;
            }
            let Some(wanted) = recall::<Wanted>(memo.as_ref(), job, WANTED, key).await? else { continue };
            if let Some(post) = self.source.parts.catalogue.post(&wanted.post).await? {
                let outcome = Outcome::begin(&post, &wanted, guessed(&post, &wanted));
                self.slot(ItemKey(key.clone()), &outcome, items);
            }
        }
        Ok(match keys.last().filter(|_| keys.len() == PAGE) {
            Some(last) => At::Wanted { after: last.clone() },
            None => self.end(),
        })
    }

    /// What changed in this process since an earlier listing of it.
    async fn changes(&mut self, since: u64, items: &mut Vec<Listed>) -> Result<(), StoreError> {
        let keys: BTreeSet<String> = {
            let mut changed = self.source.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.keys = changed.keys.split_off(&(since + 1));
            changed.keys.values().cloned().collect()
        };
        for key in keys {
            if let Some(outcome) = self.source.outcome(&key).await? {
                self.slot(ItemKey(key), &outcome, items);
            }
        }
        Ok(())
    }

    /// One slot with the folders above it.
    fn slot(&mut self, key: ItemKey, outcome: &Outcome, items: &mut Vec<Listed>) {
        let stem = key.0.rsplit('/').next().unwrap_or_default();
        let stem = stem.split(':').next().unwrap_or_default().to_owned();
        let Ok(folder) = self.source.parts.layout.folder(outcome.folder, &outcome.username) else {
            let entry = entry(key, None, stem, outcome);
            items.push(Listed::Skipped { entry, reason: Reason::HostileName });
            return;
        };
        self.folder(&folder, items);
        let name = match &outcome.file {
            Some(file) => file.path.rsplit('/').next().unwrap_or_default().to_owned(),
            None => stem,
        };
        let entry = entry(key, Some(ItemKey(folder.as_str().to_owned())), name, outcome);
        items.push(match outcome.stand {
            Stand::Ready | Stand::Done => Listed::File(entry),
            Stand::Waiting | Stand::Settled => {
                Listed::Skipped { entry, reason: outcome.reason().unwrap_or(Reason::AwaitingMedia) }
            }
        });
    }

    fn folder(&mut self, path: &RelPath, items: &mut Vec<Listed>) {
        if path.is_root() || !self.folders.insert(path.clone()) {
            return;
        }
        let above = path.parent().filter(|above| !above.is_root());
        if let Some(above) = &above {
            self.folder(above, items);
        }
        items.push(Listed::Folder(ListedFolder {
            key: ItemKey(path.as_str().to_owned()),
            parent: above.map(|above| ItemKey(above.as_str().to_owned())),
            name: path.name().to_owned(),
            times: Times::default(),
            child_count: None,
            authors: Authors::default(),
        }));
    }
}

/// The column that keeps it from being known whether a post belongs to the backlog.
fn backlog_fault(post: &Post) -> Option<(&'static str, super::super::ListFault)> {
    if let Some(fault) = post.hub.unreadable() {
        return Some(("hub", fault));
    }
    post.media.unreadable().filter(|_| post.hub.items.is_empty()).map(|fault| ("media", fault))
}

/// The folder that a slot will most likely belong to.
pub(super) fn guessed(post: &Post, wanted: &Wanted) -> Folder {
    let by_name = || wanted.name.as_deref().map(folder_of);
    wanted.folder.or_else(by_name).or_else(|| wanted.url(post).map(folder_of_url)).unwrap_or(Folder::Images)
}

fn entry(key: ItemKey, parent: Option<ItemKey>, name: String, outcome: &Outcome) -> Entry {
    let file = outcome.file.as_ref();
    let modified = file.and_then(|file| Timestamp::from_nanosecond(file.modified.parse().ok()?).ok());
    Entry {
        key,
        parent,
        name,
        size: ByteSize(file.map_or(0, |file| file.size)),
        // The date of the post serves as the time of its making: the narrowing by date reads it there.
        times: Times { created: date_of(&outcome.date), modified }.whole_seconds(),
        revision: file.map(|file| Revision(file.sha256.clone())),
        digests: Digests { sha256: outcome.digest(), ..Digests::none() },
        authors: Authors::default(),
    }
}
