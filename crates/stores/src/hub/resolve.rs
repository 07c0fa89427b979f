//! The bytes of a file: resolved at the Hub, read from the storage behind it.
//!
//! Owns the redirects, which are followed by hand: one that stays on the Hub keeps the token, one that leaves it
//! goes without. Signed links are short-lived and never kept; an expired one is asked for anew.
// Source: reference/hub.md, section 6.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Method, header};
use landfall_core::pacing::Cost;
use landfall_core::transport::Body;
use landfall_core::{ErrorKind, Retry, StoreError};

use super::RESOLVERS;
use super::api::{HubApi, encode_path};
use super::refusal::HubRefusal;
use super::repo::RepoId;
use crate::wire::{Answer, Call, Opened, encode, header_text, same_origin};

/// Redirects that are followed for one file.
const HOPS: u32 = 5;

/// Fresh links asked for when one has expired or its storage fails.
const LINKS: u32 = 3;

const OPERATION: &str = "read";

/// What asking one address gave.
enum Hop {
    Body(Body),
    /// A redirect, and whether the link is a signed one of the storage.
    To(String),
    Empty,
    /// The storage refuses its link.
    Expired(StoreError),
    /// The storage has nothing under its own link.
    Lost,
    Refused(StoreError),
}

impl HubApi {
    /// Some of a file's bytes, read whole: meant for headers. Bytes beyond the file's end are left out.
    ///
    /// # Errors
    /// `NotFound` where the file is shown not to be there; `Corrupt` where it is listed and its object is gone.
    pub async fn header(
        &self,
        repo: &RepoId,
        rev: &str,
        path: &str,
        range: Range<u64>,
    ) -> Result<Bytes, StoreError> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut tries = 0;
        loop {
            tries += 1;
            let mut body = self.resolved(repo, rev, path, range.start, Some(range.end)).await?;
            let mut bytes = BytesMut::new();
            let mut broken = None;
            while let Some(piece) = body.next().await {
                match piece {
                    Ok(piece) => bytes.extend_from_slice(&piece),
                    Err(error) => broken = Some(error),
                }
                if bytes.len() >= length || broken.is_some() {
                    break;
                }
            }
            match broken {
                Some(error) if bytes.len() < length && tries == LINKS => {
                    let made = StoreError::new(ErrorKind::Interrupted, OPERATION, path, "the body broke off");
                    return Err(made.with_source(error));
                }
                Some(_) if bytes.len() < length => self.pause(tries).await,
                _ => {
                    bytes.truncate(length);
                    return Ok(bytes.freeze());
                }
            }
        }
    }

    /// A file's bytes from an offset on. The body may break; the caller counts.
    ///
    /// # Errors
    /// As [`HubApi::header`].
    pub async fn read(&self, repo: &RepoId, rev: &str, path: &str, from: u64) -> Result<Body, StoreError> {
        self.resolved(repo, rev, path, from, None).await
    }

    async fn resolved(
        &self,
        repo: &RepoId,
        rev: &str,
        path: &str,
        from: u64,
        to: Option<u64>,
    ) -> Result<Body, StoreError> {
        let subject = format!("{repo}:{path}");
        let start =
            format!("{}/datasets/{repo}/resolve/{}/{}", self.endpoint(), encode(rev), encode_path(path));
        let mut last = None;
        for tries in 1..=LINKS {
            match self.follow(&start, (from, to), &subject).await? {
                Hop::Body(body) => return Ok(body),
                Hop::Empty => return Ok(Box::pin(futures_util::stream::empty())),
                Hop::Refused(error) => return Err(error),
                Hop::Expired(error) => last = Some(error),
                Hop::Lost => {
                    let detail = "the repository points to an object that its storage does not hold";
                    last = Some(
                        StoreError::new(ErrorKind::Corrupt, OPERATION, &subject, detail)
                            .with_retry(Retry::Never),
                    );
                }
                Hop::To(_) => return Err(self.unexpected(OPERATION, &subject, "the redirects do not end")),
            }
            self.pause(tries).await;
        }
        Err(last.unwrap_or_else(|| self.unexpected(OPERATION, &subject, "no link was given")))
    }

    async fn follow(&self, start: &str, range: (u64, Option<u64>), subject: &str) -> Result<Hop, StoreError> {
        let mut url = start.to_owned();
        let mut hop = Hop::Lost;
        for _ in 0..HOPS {
            hop = self.hop(&url, range, subject).await?;
            match hop {
                Hop::To(next) => url = next,
                done => return Ok(done),
            }
            hop = Hop::To(url.clone());
        }
        Ok(hop)
    }

    async fn hop(&self, url: &str, (from, to): (u64, Option<u64>), subject: &str) -> Result<Hop, StoreError> {
        let home = same_origin(url, self.endpoint());
        let call = if home {
            self.call_to(Method::GET, url.to_owned(), OPERATION, subject).cost(Cost::of(RESOLVERS, 1))
        } else {
            Call::get(url, OPERATION, subject).pre_authenticated()
        };
        let range = match to {
            Some(end) => Some(format!("bytes={from}-{}", end.saturating_sub(1))),
            None if from > 0 => Some(format!("bytes={from}-")),
            None => None,
        };
        let call = call.header(header::ACCEPT_ENCODING, "identity");
        let call = range.iter().fold(call, |call, range| call.header(header::RANGE, range));
        let wire = if home { &self.0.wire } else { &self.0.storage };
        match wire.open(&call).await? {
            Opened::Body { status, headers, body } => {
                if home {
                    self.learn(&headers);
                }
                // A server that ignores the range gives everything: what lies before is skipped here.
                let skip = if status.as_u16() == 206 { 0 } else { from };
                let begins = header_text(&headers, "content-range").and_then(first_byte);
                if status.as_u16() == 206 && begins.is_some_and(|first| first != from) {
                    return Err(self.unexpected(OPERATION, subject, "another range came than was asked for"));
                }
                Ok(Hop::Body(skipping(body, skip)))
            }
            Opened::Refused(answer) => {
                if home {
                    self.learn(&answer.headers);
                }
                Ok(self.refused(&answer, url, home, subject))
            }
        }
    }

    fn refused(&self, answer: &Answer, url: &str, home: bool, subject: &str) -> Hop {
        let refusal = HubRefusal::of(answer);
        match answer.status.as_u16() {
            300..=399 => match answer.header("location").and_then(|to| joined(url, to)) {
                Some(next) => Hop::To(next),
                None => Hop::Refused(self.unexpected(OPERATION, subject, "a redirect without an address")),
            },
            416 => Hop::Empty,
            404 if !home => Hop::Lost,
            // 403: the link has expired. The storage is not the Hub: its 401 says nothing about our token.
            401 | 403 if !home => {
                let detail = refusal.text();
                Hop::Expired(StoreError::new(ErrorKind::Interrupted, OPERATION, subject, detail))
            }
            _ if !home => Hop::Expired(refusal.error(OPERATION, subject)),
            _ => Hop::Refused(refusal.error(OPERATION, subject)),
        }
    }
}

/// The address of a redirect, which may be relative.
fn joined(base: &str, location: &str) -> Option<String> {
    if location.contains("://") {
        return Some(location.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    match location.strip_prefix("//") {
        Some(other) => Some(format!("{scheme}://{other}")),
        None => location.starts_with('/').then(|| format!("{scheme}://{host}{location}")),
    }
}

/// The first byte that a `Content-Range` names.
fn first_byte(text: &str) -> Option<u64> {
    text.trim().strip_prefix("bytes")?.trim().split('-').next()?.trim().parse().ok()
}

/// The body without its first bytes.
fn skipping(body: Body, skip: u64) -> Body {
    if skip == 0 {
        return body;
    }
    let mut left = skip;
    Box::pin(body.map(move |piece| {
        piece.map(|mut piece| {
            let cut = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            left -= cut as u64;
            piece.split_off(cut)
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_redirects_stay_on_their_host() {
        let base = "https://huggingface.co/datasets/me/a/resolve/main/x?download=true";
        assert_eq!(
            joined(base, "/api/resolve-cache/datasets/me/a/9f/x?etag=1").as_deref(),
            Some("https://huggingface.co/api/resolve-cache/datasets/me/a/9f/x?etag=1")
        );
        assert_eq!(joined(base, "//cdn.hf.co/x").as_deref(), Some("https://cdn.hf.co/x"));
        assert_eq!(joined(base, "x"), None);
        assert_eq!(first_byte("bytes 32-63/100"), Some(32));
    }

    #[tokio::test]
    async fn a_server_that_ignores_the_range_is_put_right() {
        let pieces = ["録音", "abc"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let body: Body = Box::pin(futures_util::stream::iter(pieces));
        let rest: Vec<_> = skipping(body, 7).collect().await;
        let rest: Vec<u8> = rest.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(rest, b"bc");
    }
}
