//! Folders: made once, adopted where they stand, their times set after they were filled.
//!
//! Owns the creation in fail mode and the patience with folders that were made a moment ago. Refuses to
//! know the tree: the engine makes parents first. Reference: reference/graph.md, section 9.

use http::Method;
use landfall_core::error::Look;
use landfall_core::state::Reason;
use landfall_core::words::ItemKey;
use landfall_core::{ErrorKind, RelPath, Retry, StoreError, Times};
use serde_json::json;

use super::destination::{GraphDestination, write_refused};
use super::item::{DriveItem, file_system_info};
use super::place::unexpected;
use super::units;
use crate::wire::{Call, Refusal};

/// Tries around states of the service that pass by themselves.
const TRIES: u32 = 8;

impl GraphDestination {
    pub(super) async fn make_folder(
        &self,
        parent: &ItemKey,
        name: &str,
        path: &RelPath,
    ) -> Result<ItemKey, StoreError> {
        let subject = path.as_str();
        let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
        let call =
            Call::new(Method::POST, self.place.address.children(parent.as_str()), "make folder", subject)
                .cost(units(2))
                .json(&body);
        for failures in 1..=TRIES {
            let answer = self.place.wire.send(&call).await?;
            let refusal = match answer.status.as_u16() {
                200 | 201 => {
                    let made = answer.json::<DriveItem>().and_then(|item| item.id);
                    let made =
                        made.ok_or_else(|| unexpected("make folder", subject, "the answer is no folder"))?;
                    self.made(&made);
                    return Ok(ItemKey(made));
                }
                _ => Refusal::of(&answer),
            };
            match refusal.status.as_u16() {
                409 => match self.adopt(parent, name, subject).await? {
                    Some(folder) => return Ok(folder),
                    // It is there and cannot be seen yet.
                    None => self.pause(failures).await,
                },
                404 => self.wait_for(parent, failures, subject, &refusal).await?,
                _ => return Err(write_refused(&refusal, "make folder", subject)),
            }
        }
        Err(unexpected("make folder", subject, "it neither can be made nor be seen").with_retry(Retry::Soon))
    }

    /// The folder that stands under a name; `None` where nothing can be seen there.
    async fn adopt(
        &self,
        parent: &ItemKey,
        name: &str,
        subject: &str,
    ) -> Result<Option<ItemKey>, StoreError> {
        match self.item_at(parent, name).await {
            Look::Present(item) if item.is_folder() => Ok(item.id.map(ItemKey)),
            Look::Present(_) => {
                Err(StoreError::new(ErrorKind::Exists, "make folder", subject, "a file stands there")
                    .with_reason(Reason::FolderIsFile))
            }
            Look::Absent => Ok(None),
            Look::Unknown(error) => Err(error),
        }
    }

    /// Waits for a parent that answered 404: a new one may not be known everywhere yet. One that is old
    /// is looked at before it is given up.
    pub(super) async fn wait_for(
        &self,
        parent: &ItemKey,
        failures: u32,
        subject: &str,
        refusal: &Refusal,
    ) -> Result<(), StoreError> {
        if !self.is_fresh(parent) {
            match self.place.item(parent.as_str(), "", subject).await {
                Look::Present(_) if failures < TRIES => self.made(parent.as_str()),
                Look::Present(_) => return Err(refusal.error("upload", subject).with_retry(Retry::Soon)),
                Look::Absent => {
                    let detail = "the folder that it belongs into is gone from the destination";
                    return Err(StoreError::new(ErrorKind::NotFound, "upload", subject, detail)
                        .with_reason(Reason::AbsentAtDestination)
                        .with_retry(Retry::Soon));
                }
                Look::Unknown(error) => return Err(error),
            }
        }
        self.pause(failures).await;
        Ok(())
    }

    pub(super) async fn pause(&self, failures: u32) {
        self.place.wire.pause(failures).await;
    }

    /// Sets the times of an item and gives it as it then is. On a file this makes a version, so a request
    /// whose outcome is unknown is not repeated before the item was looked at.
    pub(super) async fn set_times(
        &self,
        item: &ItemKey,
        times: Times,
        subject: &str,
    ) -> Result<Option<DriveItem>, StoreError> {
        let Some(info) = file_system_info(times) else {
            return Ok(None);
        };
        let call = Call::new(Method::PATCH, self.place.address.item(item.as_str()), "set times of", subject)
            .cost(units(2))
            .once()
            .json(&json!({ "fileSystemInfo": info }));
        for failures in 1..TRIES {
            let answer = match self.place.wire.send(&call).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer.json()),
                Ok(answer) => answer,
                Err(error) if error.code.is_some() => return Err(error),
                Err(_) => {
                    if let Some(done) = self.has_times(item, times, subject).await? {
                        return Ok(Some(done));
                    }
                    self.pause(failures).await;
                    continue;
                }
            };
            let refusal = Refusal::of(&answer);
            match refusal.status.as_u16() {
                // What was made a moment ago may not be known everywhere yet.
                404 if self.is_fresh(item) => {}
                408 | 500..=599 => {
                    if let Some(done) = self.has_times(item, times, subject).await? {
                        return Ok(Some(done));
                    }
                }
                _ => return Err(write_refused(&refusal, "set times of", subject)),
            }
            self.pause(failures).await;
        }
        Err(unexpected("set times of", subject, "the service did not take them").with_retry(Retry::Soon))
    }

    /// The item where it already has these times; `None` where it has others or cannot be seen yet.
    async fn has_times(
        &self,
        item: &ItemKey,
        times: Times,
        subject: &str,
    ) -> Result<Option<DriveItem>, StoreError> {
        match self.place.item(item.as_str(), "", subject).await {
            Look::Present(there) => {
                let (have, want) = (there.times(), times.whole_seconds());
                let same = |want: Option<jiff::Timestamp>, have| want.is_none() || want == have;
                let done = same(want.created, have.created) && same(want.modified, have.modified);
                Ok(done.then_some(there))
            }
            Look::Absent => Ok(None),
            Look::Unknown(error) => Err(error),
        }
    }
}
