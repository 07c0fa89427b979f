//! Empty files: a session cannot carry them, so they are put in one request and get their times after.
//!
//! Owns the recognition of our own PUT after a lost reply or a kill. The second version that setting the
//! times makes is the service's own (reference/graph.md, section 0.4).

use bytes::Bytes;
use http::{Method, header};
use landfall_core::error::Look;
use landfall_core::memo::MemoKey;
use landfall_core::store::{Landed, Put};
use landfall_core::words::ItemKey;
use landfall_core::{ErrorKind, RelPath, Retry, StoreError, Times};

use super::destination::{GraphDestination, found, write_refused};
use super::item::DriveItem;
use super::place::unexpected;
use super::remembered::{Begun, Remembered};
use super::units;
use crate::wire::{Call, Refusal};

/// Tries around answers that pass by themselves.
const TRIES: u32 = 8;

const OPERATION: &str = "upload";

/// An empty file: a `Put` without its content.
struct Empty {
    parent: ItemKey,
    name: String,
    path: RelPath,
    times: Times,
    memo: MemoKey,
    resumed: bool,
    replaces: Option<ItemKey>,
}

/// What an earlier process left.
enum Before {
    /// Something stands there that is not known to be ours.
    Occupied(Landed),
    /// Our PUT may have been carried out.
    Sent,
    Nothing,
}

impl GraphDestination {
    pub(super) async fn upload_empty(&self, put: Put<'_>) -> Result<Landed, StoreError> {
        let Put { parent, name, path, times, content, memo, resumed, replaces } = put;
        content.finish().await?;
        self.put_empty(Empty { parent, name, path, times, memo, resumed, replaces }).await
    }

    async fn put_empty(&self, put: Empty) -> Result<Landed, StoreError> {
        let subject = put.path.as_str().to_owned();
        let mut ours = match self.begun_empty(&put).await? {
            Before::Occupied(landed) => return Ok(landed),
            Before::Sent => true,
            Before::Nothing => false,
        };
        if !ours {
            Remembered::new(Begun::Empty, 0).keep(&*self.memo, &put.memo).await?;
        }
        for failures in 1..=TRIES {
            let sent = self.place.wire.send(&self.empty_call(&put)).await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(error) if error.code.is_none() && failures < TRIES => {
                    ours = true;
                    self.pause(failures).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if answer.status.is_success() {
                let item: Option<DriveItem> = answer.json();
                return match item.filter(|item| item.holding().is_some()) {
                    Some(item) => self.dated(&put, item, true).await,
                    None => Err(unexpected(OPERATION, &subject, "the answer is no drive item")
                        .with_retry(Retry::Soon)),
                };
            }
            let refusal = Refusal::of(&answer);
            match refusal.status.as_u16() {
                409 if put.replaces.is_none() => return self.stands(&put, ours).await,
                404 if put.replaces.is_none() => {
                    self.wait_for(&put.parent, failures, &subject, &refusal).await?;
                }
                408 | 500..=599
                    if failures < TRIES && write_refused(&refusal, OPERATION, &subject).code.is_none() =>
                {
                    ours = true;
                    self.pause(failures).await;
                }
                _ => {
                    self.memo.forget(&put.memo).await?;
                    return Err(write_refused(&refusal, OPERATION, &subject));
                }
            }
        }
        Err(unexpected(OPERATION, &subject, "the service did not take it").with_retry(Retry::Soon))
    }

    /// What an earlier process did: asked only where there may have been one.
    async fn begun_empty(&self, put: &Empty) -> Result<Before, StoreError> {
        if !put.resumed {
            return Ok(Before::Nothing);
        }
        match Remembered::recall(&*self.memo, &put.memo).await? {
            Some(Remembered { begun: Begun::Empty, .. }) => return Ok(Before::Sent),
            // A session for an earlier, longer content of the same file.
            Some(_) => self.abandon_session(&put.memo).await?,
            None => {}
        }
        match self.standing(put).await {
            Look::Present(item) if put.replaces.is_none() || item.size().0 == 0 => found(&item)
                .map(|found| Before::Occupied(Landed::Occupied(found)))
                .ok_or_else(|| unexpected(OPERATION, put.path.as_str(), "the answer is no drive item")),
            Look::Unknown(error) => Err(error),
            Look::Present(_) | Look::Absent => Ok(Before::Nothing),
        }
    }

    fn empty_call(&self, put: &Empty) -> Call {
        let url = match &put.replaces {
            Some(item) => format!("{}/content", self.place.address.item(item.as_str())),
            None => {
                let query = "@microsoft.graph.conflictBehavior=fail";
                self.place.address.child(put.parent.as_str(), &put.name, Some("content"), query)
            }
        };
        Call::new(Method::PUT, url, OPERATION, put.path.as_str())
            .cost(units(2))
            .once()
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .bytes(Bytes::new())
    }

    async fn standing(&self, put: &Empty) -> Look<DriveItem> {
        match &put.replaces {
            Some(item) => self.place.item(item.as_str(), "", put.path.as_str()).await,
            None => self.item_at(&put.parent, &put.name).await,
        }
    }

    /// The name is taken: by our own PUT, whose reply was lost, or by somebody else.
    async fn stands(&self, put: &Empty, ours: bool) -> Result<Landed, StoreError> {
        match self.standing(put).await {
            Look::Present(item) if ours && item.is_file() && item.size().0 == 0 => {
                self.dated(put, item, false).await
            }
            Look::Present(item) => {
                self.memo.forget(&put.memo).await?;
                found(&item)
                    .map(Landed::Occupied)
                    .ok_or_else(|| unexpected(OPERATION, put.path.as_str(), "the answer is no drive item"))
            }
            Look::Absent => Err(StoreError::new(
                ErrorKind::Interrupted,
                OPERATION,
                put.path.as_str(),
                "something that cannot be seen yet holds the name",
            )),
            Look::Unknown(error) => Err(error),
        }
    }

    /// Sets the times where they are not yet ours, forgets the memo, and says what is held.
    async fn dated(&self, put: &Empty, item: DriveItem, new: bool) -> Result<Landed, StoreError> {
        let subject = put.path.as_str();
        let nothing = || unexpected(OPERATION, subject, "the answer is no drive item");
        let holding = item.holding().ok_or_else(nothing)?;
        if new {
            self.made(holding.item.as_str());
        }
        let (have, want) = (item.times(), put.times.whole_seconds());
        let differs = |want: Option<jiff::Timestamp>, have| want.is_some() && want != have;
        let mut holding = holding;
        if differs(want.created, have.created) || differs(want.modified, have.modified) {
            let key = ItemKey(holding.item.as_str().to_owned());
            if let Some(changed) = self.set_times(&key, put.times, subject).await?
                && let Some(changed) = changed.holding()
            {
                holding = changed;
            }
        }
        self.memo.forget(&put.memo).await?;
        Ok(Landed::Held(holding))
    }
}
