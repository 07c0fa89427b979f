//! One drive as both stores use it: single look-ups, listings by folder, downloads.
//!
//! Owns reading. Refuses to write anything.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use landfall_core::error::Look;
use landfall_core::state::Reason;
use landfall_core::store::Listed;
use landfall_core::transport::Body;
use landfall_core::words::Cursor;
use landfall_core::{ByteSize, Code, ErrorKind, StoreError};
use serde_json::Value;

use super::address::Address;
use super::item::{DriveItem, ItemPage};
use super::units;
use crate::wire::{Answer, Call, Opened, Refusal, Wire, header_text};

/// One drive that was resolved.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) wire: Arc<Wire>,
    pub(crate) address: Address,
    /// The root folder's id.
    pub(crate) root: String,
    /// Where copies within the service are possible.
    pub(crate) realm: String,
    /// The drive as a person knows it.
    pub(crate) label: String,
    /// The permission that is missing where listing is refused.
    pub(crate) grant: &'static str,
}

/// The answer of a download host.
pub(crate) enum Fetched {
    Body(Body),
    /// The offset lies at or behind the end.
    PastEnd,
    /// The URL is used up, or the item is gone: looking at the item tells.
    Expired(Refusal),
}

/// An answer of success that does not say what it must.
pub(crate) fn unexpected(operation: &'static str, subject: &str, what: &str) -> StoreError {
    StoreError::new(ErrorKind::Interrupted, operation, subject, what)
}

/// A body of nothing.
pub(crate) fn empty() -> Body {
    Box::pin(futures_util::stream::empty())
}

impl Place {
    /// Looks one item up by URL. Absent only where Graph itself says so in its own envelope.
    pub(crate) async fn look_at(
        &self,
        url: String,
        operation: &'static str,
        subject: &str,
    ) -> Look<DriveItem> {
        let call = Call::get(url, operation, subject).cost(units(1));
        let answer = match self.wire.send(&call).await {
            Ok(answer) => answer,
            Err(error) => return Look::Unknown(error),
        };
        if answer.status.is_success() {
            return match answer.json::<DriveItem>().filter(|item| item.id.is_some()) {
                Some(item) if item.is_deleted() => Look::Absent,
                Some(item) => Look::Present(item),
                None => Look::Unknown(unexpected(operation, subject, "the answer is no drive item")),
            };
        }
        let refusal = Refusal::of(&answer);
        // A proxy's 404 in HTML is no evidence of absence.
        if refusal.status.as_u16() == 404 && !refusal.codes.is_empty() {
            return Look::Absent;
        }
        Look::Unknown(refusal.error(operation, subject))
    }

    /// Looks one item up by id.
    pub(crate) async fn item(&self, item: &str, query: &str, subject: &str) -> Look<DriveItem> {
        self.look_at(format!("{}{query}", self.address.item(item)), "look at", subject).await
    }

    /// One page of a folder's direct children.
    pub(crate) async fn children(
        &self,
        folder: Option<&str>,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        let url = match page {
            Some(link) => link.0,
            None => format!("{}?$top=1000", self.address.children(folder.unwrap_or(&self.root))),
        };
        let call = Call::get(url, "list", &self.label).cost(units(2));
        let answer = self.wire.send(&call).await?;
        if !answer.status.is_success() {
            return Err(self.listing_refused(&answer));
        }
        let page: ItemPage =
            answer.json().ok_or_else(|| unexpected("list", &self.label, "the answer is no page of items"))?;
        let items = page.value.iter().filter_map(|item| item.listed(&self.root)).collect();
        Ok((items, page.next.map(Cursor)))
    }

    /// The refusal of a listing: here a missing permission or drive stops the run.
    pub(crate) fn listing_refused(&self, answer: &Answer) -> StoreError {
        let refusal = Refusal::of(answer);
        let mut error = refusal.error("list", &self.label);
        if refusal.has("cannotSnapshotTree") {
            error.kind = ErrorKind::Interrupted;
            error.retry = landfall_core::Retry::After(std::time::Duration::from_secs(300));
            return error;
        }
        match error.kind {
            ErrorKind::Denied => {
                error.detail = format!("{}; the application needs {}", error.detail, self.grant);
                error.with_code(Code::PermissionMissing)
            }
            ErrorKind::NotFound => error.with_code(Code::DriveGone),
            ErrorKind::Locked => error.with_code(Code::DestinationLocked),
            _ => error,
        }
    }

    /// The bytes that the drive says it uses; `None` where it does not say.
    pub(crate) async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        let url = format!("{}?$select=id,quota", self.address.drive());
        let call = Call::get(url, "look at", &self.label).cost(units(1));
        let answer = self.wire.send(&call).await?;
        if !answer.status.is_success() {
            return Err(self.listing_refused(&answer));
        }
        let used = answer.json::<Value>().and_then(|drive| drive.get("quota")?.get("used")?.as_u64());
        // Libraries often say 0 of everything, which means that they do not say.
        Ok(used.filter(|used| *used > 0).map(ByteSize))
    }

    /// Asks where an item's bytes are: a URL that opens them by itself for a short time.
    pub(crate) async fn locate(&self, item: &str, subject: &str) -> Result<String, StoreError> {
        let url = format!("{}/content", self.address.item(item));
        let call = Call::get(url, "open", subject).cost(units(1));
        let answer = self.wire.send(&call).await?;
        match (answer.status.as_u16(), answer.header("location")) {
            (302, Some(location)) => Ok(location.to_owned()),
            (200..400, _) => Err(unexpected("open", subject, "the answer names no download address")),
            _ => Err(source_refused(&Refusal::of(&answer), subject)),
        }
    }

    /// Reads from a download URL, which gets no token. A service that ignores the range is put right here.
    pub(crate) async fn fetch(&self, url: &str, from: u64, subject: &str) -> Result<Fetched, StoreError> {
        let mut call = Call::get(url, "read", subject).pre_authenticated();
        if from > 0 {
            call = call.header(http::header::RANGE, &format!("bytes={from}-"));
        }
        let (status, headers, body) = match self.wire.open(&call).await? {
            Opened::Body { status, headers, body } => (status, headers, body),
            Opened::Refused(answer) => return judge_refusal(&answer, from, subject),
        };
        if status.as_u16() != 206 {
            return Ok(Fetched::Body(if from > 0 { skipping(body, from) } else { body }));
        }
        let begins = header_text(&headers, "content-range").and_then(range_start);
        if begins.unwrap_or(from) != from {
            return Err(unexpected(
                "read",
                subject,
                "the service answered with another range than was asked for",
            ));
        }
        Ok(Fetched::Body(body))
    }
}

fn judge_refusal(answer: &Answer, from: u64, subject: &str) -> Result<Fetched, StoreError> {
    let refusal = Refusal::of(answer);
    if refusal.infected {
        return Err(source_refused(&refusal, subject));
    }
    match refusal.status.as_u16() {
        416 if from > 0 => Ok(Fetched::PastEnd),
        401 | 403 | 404 | 410 => Ok(Fetched::Expired(refusal)),
        _ => Err(source_refused(&refusal, subject)),
    }
}

/// A refusal to give bytes, with the reason that belongs on the file's row.
pub(crate) fn source_refused(refusal: &Refusal, subject: &str) -> StoreError {
    let error = refusal.error("open", subject);
    match error.kind {
        ErrorKind::Malware => error.with_reason(Reason::Malware),
        ErrorKind::NotFound => error.with_reason(Reason::SourceGone),
        ErrorKind::Denied | ErrorKind::Rejected => error.with_reason(Reason::SourceDenied),
        _ => error,
    }
}

/// Where a `Content-Range: bytes a-b/total` begins.
fn range_start(text: &str) -> Option<u64> {
    text.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.trim().parse().ok()
}

/// A body without its first bytes.
fn skipping(body: Body, skip: u64) -> Body {
    let state = (body, skip);
    Box::pin(futures_util::stream::unfold(state, |(mut body, mut skip)| async move {
        loop {
            let piece: Bytes = match body.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (body, skip))),
            };
            let cut = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            skip -= cut as u64;
            if cut < piece.len() {
                return Some((Ok(piece.slice(cut..)), (body, skip)));
            }
        }
    }))
}
