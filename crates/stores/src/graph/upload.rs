//! Uploading one file through a session, and finishing it after any interruption.
//!
//! Owns the order of things: the session's URL is remembered before the first byte, the content is
//! judged before the last one is sent, and whatever is in doubt is asked of the service before anything
//! is sent again. On the way without trouble: one POST and one PUT a fragment, nothing else. Refuses to
//! know digests beyond the one that tells our own file from a stranger's. Design: `docs/sessions.md`.

mod feed;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use landfall_core::digest::{Algo, Digest, QuickXor};
use landfall_core::error::Look;
use landfall_core::memo::MemoKey;
use landfall_core::state::Reason;
use landfall_core::store::{Content, Landed, Put};
use landfall_core::words::ItemKey;
use landfall_core::{ErrorKind, RelPath, Retry, StoreError, Times};
use serde::Deserialize;
use serde_json::{Value, json};

use super::destination::{GraphDestination, LOCK_PAUSE, found, write_refused};
use super::item::{DriveItem, file_system_info};
use super::place::unexpected;
use super::remembered::{Begun, Remembered};
use super::units;
use crate::wire::{Answer, Call, Refusal};
use feed::{Fed, Progress};

/// How many sessions one upload may open before it is left for another time.
const SESSIONS: u32 = 4;

/// Tries around answers to the creation that pass by themselves.
const TRIES: u32 = 8;

/// How often an item that should be there is looked for before it counts as absent: the service may not
/// show a new file everywhere at once.
const LOOKS: u32 = 4;

const OPERATION: &str = "upload";

/// What the service says of a session.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SessionBody {
    upload_url: Option<String>,
    expiration_date_time: Option<String>,
    next_expected_ranges: Option<Vec<Value>>,
}

impl SessionBody {
    /// The first byte that the service waits for; `None` where it does not say.
    fn next(&self) -> Option<u64> {
        let first = self.next_expected_ranges.as_ref()?.first()?.as_str()?;
        first.split('-').next()?.trim().parse().ok()
    }

    fn expires(&self) -> Option<Timestamp> {
        self.expiration_date_time.as_ref()?.parse().ok()
    }
}

/// Where a session begins, or why none does.
enum Opened {
    Session(String),
    Landed(Landed),
}

/// What is to be uploaded where: everything but the content.
struct Job<'a> {
    to: &'a GraphDestination,
    parent: ItemKey,
    name: String,
    path: RelPath,
    times: Times,
    memo: MemoKey,
    resumed: bool,
    replaces: Option<ItemKey>,
    size: u64,
    /// The mark of the object to be replaced, as it was before.
    was: Option<String>,
}

/// One upload under way.
struct Upload<'a, 'p> {
    job: Job<'a>,
    content: &'p mut dyn Content,
    /// Where the content stands.
    at: u64,
    /// Read from the content and not yet sent.
    rest: Bytes,
    /// The hash of everything read, as long as it was read in order from the beginning.
    hash: Option<QuickXor>,
    /// True once the last fragment may have reached the service.
    whole_sent: bool,
}

impl GraphDestination {
    pub(super) async fn upload_session(&self, put: Put<'_>) -> Result<Landed, StoreError> {
        let Put { parent, name, path, times, content, memo, resumed, replaces } = put;
        let size = content.size().0;
        let job = Job { to: self, parent, name, path, times, memo, resumed, replaces, size, was: None };
        let upload = Upload {
            job,
            content,
            at: 0,
            rest: Bytes::new(),
            hash: Some(QuickXor::default()),
            whole_sent: false,
        };
        upload.run().await
    }

    /// Gives up what is remembered under a memo; nothing happens where nothing is.
    pub(super) async fn abandon_session(&self, memo: &MemoKey) -> Result<(), StoreError> {
        if let Some(Remembered { begun: Begun::Session(url), .. }) =
            Remembered::recall(&*self.memo, memo).await?
        {
            self.close(&url, "an upload that was given up").await?;
        }
        self.memo.forget(memo).await
    }

    /// Closes a session. One that is closed already, or has expired, is as good.
    async fn close(&self, url: &str, subject: &str) -> Result<(), StoreError> {
        let call = Call::new(Method::DELETE, url, "abandon", subject).cost(units(1)).pre_authenticated();
        let answer = self.place.wire.send(&call).await?;
        match answer.status.as_u16() {
            200..=299 | 401 | 403 | 404 | 410 => Ok(()),
            _ => Err(write_refused(&Refusal::of(&answer), "abandon", subject)),
        }
    }
}

impl Upload<'_, '_> {
    async fn run(mut self) -> Result<Landed, StoreError> {
        let mut begun = self.job.begun().await?;
        if self.job.resumed
            && begun.is_none()
            && let Some(landed) = self.job.stands_there().await?
        {
            return Ok(landed);
        }
        let mut from = 0;
        if let Some(url) = &begun {
            match self.job.progress(url).await? {
                Progress::At(offset) => from = offset,
                Progress::Gone => match self.job.judge(true, None).await? {
                    Some(landed) => return self.job.done(landed).await,
                    None => begun = None,
                },
            }
        }
        for _ in 0..SESSIONS {
            let url = match begun.take() {
                Some(url) => url,
                None => match self.job.open().await? {
                    Opened::Session(url) => url,
                    Opened::Landed(landed) => return Ok(landed),
                },
            };
            let fed = self.feed(&url, from).await?;
            from = 0;
            // The service refused the last fragment and keeps the session: it would hold on for a day.
            let lingers = matches!(fed, Fed::NameTaken);
            let landed = match fed {
                Fed::Committed(answer) => self.job.committed(&answer).await?,
                Fed::Vanished => {
                    self.job.judge(self.whole_sent || self.job.resumed, self.digest().as_ref()).await?
                }
                Fed::NameTaken => self.job.judge(true, self.digest().as_ref()).await?,
            };
            match landed {
                Some(landed @ Landed::Occupied(_)) => {
                    self.job.discard(&url).await?;
                    return Ok(landed);
                }
                Some(landed) if lingers => {
                    self.job.discard(&url).await?;
                    return Ok(landed);
                }
                Some(landed) => return self.job.done(landed).await,
                // Whatever is left of it must not hold the name against the next session.
                None => self.job.discard(&url).await?,
            }
        }
        Err(self
            .job
            .error(ErrorKind::Interrupted, "the service dropped every session")
            .with_retry(Retry::Soon))
    }

    /// The hash of the whole content, where all of it passed here.
    fn digest(&self) -> Option<Digest> {
        let whole = self.hash.as_ref().filter(|hash| hash.len() == self.job.size)?;
        Digest::new(Algo::QuickXor, &whole.finish())
    }
}

impl Job<'_> {
    /// The session of an earlier process, if it is for this content. Read only where there may be one.
    async fn begun(&mut self) -> Result<Option<String>, StoreError> {
        if !self.resumed {
            return Ok(None);
        }
        let Some(have) = Remembered::recall(&*self.to.memo, &self.memo).await? else {
            return Ok(None);
        };
        self.was = have.was;
        match have.begun {
            Begun::Session(url) if have.size == self.size => Ok(Some(url)),
            Begun::Session(url) => {
                self.discard(&url).await?;
                Ok(None)
            }
            Begun::Empty | Begun::Copy(_) => Ok(None),
        }
    }

    /// What stands there already, where an earlier process may have finished and nothing is remembered.
    async fn stands_there(&self) -> Result<Option<Landed>, StoreError> {
        let look = match &self.replaces {
            // An old version of another size is certainly not what we would have sent.
            Some(item) => match self.to.place.item(item.as_str(), "", self.subject()).await {
                Look::Present(item) if item.size().0 != self.size => Look::Absent,
                look => look,
            },
            None => self.to.item_at(&self.parent, &self.name).await,
        };
        match look {
            Look::Present(item) => Ok(found(&item).map(Landed::Occupied)),
            Look::Absent => Ok(None),
            Look::Unknown(error) => Err(error),
        }
    }

    /// Opens a session and remembers its URL; nothing of the content has been sent when this returns.
    async fn open(&mut self) -> Result<Opened, StoreError> {
        let call = self.creation().await?;
        let mut closed_old = false;
        for failures in 1..=TRIES {
            let answer = self.to.place.wire.send(&call).await?;
            if answer.status.is_success() {
                return self.remember(&answer).await.map(Opened::Session);
            }
            let refusal = Refusal::of(&answer);
            match refusal.status.as_u16() {
                409 if !closed_old && self.close_old().await? => closed_old = true,
                409 if self.replaces.is_none() => return self.name_taken().await.map(Opened::Landed),
                404 if self.replaces.is_none() => {
                    self.to.wait_for(&self.parent, failures, self.subject(), &refusal).await?;
                }
                409 => return Err(self.reserved(&refusal.text())),
                _ => return Err(write_refused(&refusal, OPERATION, self.subject())),
            }
        }
        Err(self.error(ErrorKind::Interrupted, "the folder cannot be seen").with_retry(Retry::Soon))
    }

    /// The request that opens a session. In fail mode it may be repeated: where the first was carried
    /// out, the second is refused with 409, which is looked into.
    async fn creation(&mut self) -> Result<Call, StoreError> {
        let mut item = serde_json::Map::new();
        let url = match &self.replaces {
            Some(old) => {
                // No If-Match on sessions: the service bumps the eTag itself and then refuses the end.
                match self.to.place.item(old.as_str(), "", self.subject()).await {
                    Look::Present(item) => self.was = item.revision().map(|revision| revision.0),
                    Look::Absent => {
                        return Err(self
                            .error(ErrorKind::NotFound, "what it is to replace is gone")
                            .with_reason(Reason::AbsentAtDestination));
                    }
                    Look::Unknown(error) => return Err(error),
                }
                item.insert("@microsoft.graph.conflictBehavior".into(), "replace".into());
                format!("{}/createUploadSession", self.to.place.address.item(old.as_str()))
            }
            None => {
                item.insert("@microsoft.graph.conflictBehavior".into(), "fail".into());
                item.insert("name".into(), self.name.clone().into());
                let parent = self.parent.as_str();
                self.to.place.address.child(parent, &self.name, Some("createUploadSession"), "")
            }
        };
        if let Some(info) = file_system_info(self.times) {
            // Times set in the session cost no version of their own.
            item.insert("fileSystemInfo".into(), info);
        }
        let call = Call::new(Method::POST, url, OPERATION, self.subject()).cost(units(2));
        Ok(call.json(&json!({ "item": item })))
    }

    async fn remember(&self, answer: &Answer) -> Result<String, StoreError> {
        let body: SessionBody = answer.json().unwrap_or_default();
        let expires = body.expires();
        let Some(url) = body.upload_url.filter(|url| !url.is_empty()) else {
            return Err(unexpected(OPERATION, self.subject(), "the answer names no upload session"));
        };
        let mut remembered = Remembered::new(Begun::Session(url.clone()), self.size);
        remembered.was.clone_from(&self.was);
        remembered.expires = expires;
        remembered.keep(&*self.to.memo, &self.memo).await?;
        Ok(url)
    }

    /// Closes a session that an earlier process left under this memo; false where there is none.
    async fn close_old(&self) -> Result<bool, StoreError> {
        match Remembered::recall(&*self.to.memo, &self.memo).await? {
            Some(Remembered { begun: Begun::Session(url), .. }) => {
                self.discard(&url).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The name is taken: by something that can be seen, or by a session that nobody knows the URL of.
    async fn name_taken(&self) -> Result<Landed, StoreError> {
        match self.to.item_at(&self.parent, &self.name).await {
            Look::Present(item) => match found(&item) {
                Some(found) => Ok(Landed::Occupied(found)),
                None => Err(unexpected(OPERATION, self.subject(), "the answer is no drive item")),
            },
            Look::Absent => {
                Err(self.reserved("an upload session of which nobody knows the address holds the name"))
            }
            Look::Unknown(error) => Err(error),
        }
    }

    fn reserved(&self, detail: &str) -> StoreError {
        self.error(ErrorKind::Locked, detail)
            .with_reason(Reason::UploadReserved)
            .with_retry(Retry::After(LOCK_PAUSE))
    }

    /// Reads the item that the last fragment was answered with.
    async fn committed(&self, answer: &Answer) -> Result<Option<Landed>, StoreError> {
        match answer.json::<DriveItem>().and_then(|item| item.holding()) {
            Some(holding) => Ok(Some(Landed::Held(holding))),
            // Committed, but the answer is unreadable: the file itself tells.
            None => self.judge(true, None).await,
        }
    }

    /// Looks what has become of an upload whose session is gone: ours, a stranger's, or nothing.
    async fn judge(&self, may_be_ours: bool, ours: Option<&Digest>) -> Result<Option<Landed>, StoreError> {
        let looks = if may_be_ours { LOOKS } else { 1 };
        for failures in 1..=looks {
            let look = match &self.replaces {
                Some(item) => self.to.place.item(item.as_str(), "", self.subject()).await,
                None => self.to.item_at(&self.parent, &self.name).await,
            };
            match look {
                Look::Present(item) if may_be_ours && self.is_ours(&item, ours) => {
                    return Ok(item.holding().map(Landed::Held));
                }
                // The old version still stands: nothing was committed.
                Look::Present(_) if self.replaces.is_some() => return Ok(None),
                Look::Present(item) => return Ok(found(&item).map(Landed::Occupied)),
                Look::Absent if failures < looks => self.to.pause(failures + 1).await,
                Look::Absent => return Ok(None),
                Look::Unknown(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// True where what stands there is what we sent, as far as can be told without reading it.
    fn is_ours(&self, item: &DriveItem, ours: Option<&Digest>) -> bool {
        if !item.is_file() || self.was.is_some() && item.revision().map(|r| r.0) == self.was {
            return false;
        }
        let times = item.times().modified;
        if self.to.may_rewrite(&self.name) && times.is_some() && times == self.times.whole_seconds().modified
        {
            // A library changes size and hash of such files as it takes them; the times are ours.
            return true;
        }
        if item.size().0 != self.size {
            return false;
        }
        match (ours, item.digests().quickxor) {
            (Some(ours), Some(theirs)) => *ours == theirs,
            _ => true,
        }
    }

    async fn done(&self, landed: Landed) -> Result<Landed, StoreError> {
        if let Landed::Held(holding) = &landed {
            self.to.made(holding.item.as_str());
        }
        self.to.memo.forget(&self.memo).await?;
        Ok(landed)
    }

    /// Closes the session and forgets it.
    async fn discard(&self, url: &str) -> Result<(), StoreError> {
        self.to.close(url, self.subject()).await?;
        self.to.memo.forget(&self.memo).await
    }

    fn subject(&self) -> &str {
        self.path.as_str()
    }

    fn error(&self, kind: ErrorKind, detail: impl Into<String>) -> StoreError {
        StoreError::new(kind, OPERATION, self.subject(), detail)
    }
}

#[cfg(test)]
mod tests;
