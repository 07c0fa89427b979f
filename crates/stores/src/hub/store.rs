//! Sending one object to the storage: one PUT, or parts and their joining.
//!
//! Owns the bytes' way: streamed from where they lie, never held whole, hashed in passing where they go in one
//! piece, so that a spool file that rotted never becomes an object. The token never comes here.
// Source: reference/hub.md, section 8.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, header};
use landfall_core::digest::{Algo, Digest};
use landfall_core::pacing::Cost;
use landfall_core::store::Reread;
use landfall_core::transport::{Body, Stage, TransportError};
use landfall_core::{ErrorKind, Retry, StoreError};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::API;
use super::api::HubApi;
use super::lfs::{LFS_TYPE, LfsAnswer, Upload};
use super::refusal::HubRefusal;
use super::repo::RepoId;
use super::types::Lfs;
use crate::wire::{Call, Stretch, same_origin};

/// Addresses asked for anew when one has expired or was lost.
const ADDRESSES: u32 = 4;

const OPERATION: &str = "upload";

impl HubApi {
    /// Sends one object where it is wanted. Where an address has expired, or the reply to the decisive request was
    /// lost, the storage is asked again whether and where it wants it. Repeating it changes nothing.
    ///
    /// # Errors
    /// `Corrupt` where the bytes are not those of the object; else what the storage says.
    pub async fn store(
        &self,
        repo: &RepoId,
        object: &Lfs,
        upload: Upload,
        bytes: &dyn Reread,
        subject: &str,
    ) -> Result<(), StoreError> {
        let mut upload = upload;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.store_once(object, &upload, bytes, subject).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind != ErrorKind::Interrupted || tries == ADDRESSES => {
                    return Err(error);
                }
                Err(error) => error,
            };
            tracing::debug!(file = subject, error = %error.chain(), "upload address asked for again");
            self.pause(tries).await;
            match self.lfs_batch(repo, std::slice::from_ref(object)).await?.remove(&object.sha256) {
                Some(LfsAnswer::Stored) => return Ok(()),
                Some(LfsAnswer::Wanted(fresh)) => upload = fresh,
                Some(LfsAnswer::Refused(detail)) => {
                    return Err(StoreError::new(ErrorKind::Rejected, OPERATION, subject, detail));
                }
                None => return Err(error),
            }
        }
    }

    async fn store_once(
        &self,
        object: &Lfs,
        upload: &Upload,
        bytes: &dyn Reread,
        subject: &str,
    ) -> Result<(), StoreError> {
        match upload {
            Upload::Basic { href } => {
                let stretch = Stretch { from: 0, length: object.size };
                let checked = Checked {
                    bytes,
                    subject,
                    size: object.size,
                    expected: Digest::from_hex(Algo::Sha256, &object.sha256),
                    rotten: Arc::default(),
                };
                let answer = self.0.storage.pour(&put(href, subject), &checked, stretch).await?;
                if answer.status.is_success() {
                    return Ok(());
                }
                Err(storage_refused(&answer, subject))
            }
            Upload::Multipart { done, chunk, parts } => {
                self.store_parts(object, (done, *chunk, parts), bytes, subject).await
            }
        }
    }

    async fn store_parts(
        &self,
        object: &Lfs,
        (done, chunk, parts): (&str, u64, &[String]),
        bytes: &dyn Reread,
        subject: &str,
    ) -> Result<(), StoreError> {
        let mut tags = Vec::with_capacity(parts.len());
        for (number, href) in (0u64..).zip(parts) {
            let from = number * chunk;
            let stretch = Stretch { from, length: chunk.min(object.size.saturating_sub(from)) };
            let answer = self.0.storage.pour(&put(href, subject), bytes, stretch).await?;
            if !answer.status.is_success() {
                return Err(storage_refused(&answer, subject));
            }
            // With its quotes: the joining compares it as it is.
            let Some(tag) = answer.header("etag") else {
                return Err(self.unexpected(OPERATION, subject, "a part was taken without an ETag"));
            };
            tags.push(json!({"partNumber": number + 1, "etag": tag}));
        }
        let body = json!({"oid": object.sha256, "parts": tags});
        let home = same_origin(done, self.endpoint());
        let cost = if home { Cost::of(API, 1) } else { Cost::free() };
        let call = Call::new(Method::POST, done, OPERATION, subject)
            .pre_authenticated()
            .cost(cost)
            .header(header::ACCEPT, LFS_TYPE)
            .header(header::CONTENT_TYPE, LFS_TYPE)
            .bytes(body.to_string().into());
        let wire = if home { &self.0.wire } else { &self.0.storage };
        let answer = wire.send(&call).await?;
        if home {
            self.learn(&answer.headers);
        }
        if answer.status.is_success() { Ok(()) } else { Err(storage_refused(&answer, subject)) }
    }
}

fn put(href: &str, subject: &str) -> Call {
    Call::new(Method::PUT, href, OPERATION, subject).pre_authenticated()
}

/// A refusal of the storage. Whatever it is, a fresh address may help: the old one may have expired, or the parts
/// may have been joined already.
fn storage_refused(answer: &crate::wire::Answer, subject: &str) -> StoreError {
    StoreError::new(ErrorKind::Interrupted, OPERATION, subject, HubRefusal::of(answer).text())
}

/// A content that is hashed in passing and breaks off before its last piece where the whole is not the object.
struct Checked<'a> {
    bytes: &'a dyn Reread,
    subject: &'a str,
    size: u64,
    expected: Option<Digest>,
    /// Set once the bytes were seen to be wrong: they are not read again.
    rotten: Arc<AtomicBool>,
}

#[async_trait]
impl Reread for Checked<'_> {
    async fn open(&self, from: u64) -> Result<Body, StoreError> {
        if self.rotten.load(Ordering::Relaxed) {
            let detail = "the bytes to be sent are not those that were hashed";
            let error = StoreError::new(ErrorKind::Corrupt, OPERATION, self.subject, detail);
            return Err(error.with_retry(Retry::Never));
        }
        let state = Passing {
            body: self.bytes.open(from).await?,
            hash: Sha256::new(),
            seen: 0,
            kept: None,
            over: false,
            size: self.size,
            expected: self.expected.clone(),
            rotten: Arc::clone(&self.rotten),
        };
        Ok(Box::pin(futures_util::stream::unfold(state, Passing::next)))
    }
}

struct Passing {
    body: Body,
    hash: Sha256,
    seen: u64,
    /// The last piece read, given out once the one after it came or the whole was found right.
    kept: Option<Bytes>,
    over: bool,
    size: u64,
    expected: Option<Digest>,
    rotten: Arc<AtomicBool>,
}

impl Passing {
    async fn next(mut self) -> Option<(Result<Bytes, TransportError>, Self)> {
        if self.over {
            return None;
        }
        loop {
            match self.body.next().await {
                Some(Ok(piece)) => {
                    self.hash.update(&piece);
                    self.seen += piece.len() as u64;
                    if let Some(earlier) = self.kept.replace(piece) {
                        return Some((Ok(earlier), self));
                    }
                }
                Some(Err(error)) => {
                    self.over = true;
                    return Some((Err(error), self));
                }
                None => break,
            }
        }
        self.over = true;
        let have = Digest::new(Algo::Sha256, &self.hash.clone().finalize());
        if self.seen == self.size && have == self.expected {
            let last = self.kept.take()?;
            return Some((Ok(last), self));
        }
        self.rotten.store(true, Ordering::Relaxed);
        let detail = "the content is not what it was when it was hashed".to_owned();
        Some((Err(TransportError { stage: Stage::Body, detail }), self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text(&'static str);

    #[async_trait]
    impl Reread for Text {
        async fn open(&self, _from: u64) -> Result<Body, StoreError> {
            let pieces: Vec<_> =
                self.0.as_bytes().chunks(4).map(|piece| Ok(Bytes::from_static(piece))).collect();
            Ok(Box::pin(futures_util::stream::iter(pieces)))
        }
    }

    #[tokio::test]
    async fn bytes_that_rotted_never_go_out_whole() {
        let whole = "録音の本体";
        for (text, good) in
            [(whole, true), ("録音の本休", false), ("録音の本体 と余り", false), ("録音", false)]
        {
            let bytes = Text(text);
            let checked = Checked {
                bytes: &bytes,
                subject: "録音.wav",
                size: 15,
                expected: Digest::new(Algo::Sha256, &Sha256::digest(whole)),
                rotten: Arc::default(),
            };
            let sent: Vec<_> = checked.open(0).await.unwrap().collect().await;
            let length: usize = sent.iter().flatten().map(Bytes::len).sum();
            assert_eq!(sent.iter().all(Result::is_ok), good, "{text}");
            assert_eq!(length == text.len(), good, "{text}");
            assert_eq!(checked.open(0).await.is_ok(), good, "{text}: read again");
        }
    }
}
