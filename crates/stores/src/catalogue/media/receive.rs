//! One URL until it has given a file or an answer that more tries would not change.
//!
//! Owns tries, redirects followed by hand, time-outs, and the checks of a body while it arrives: its size
//! as counted, its first bytes, its length against what was announced. Refuses to know other sizes and
//! forms of the same file. Nothing of a failed body stays on the disk.

use std::time::Duration;

use cap_std::fs::Dir;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use landfall_core::pacing::Verdict;
use landfall_core::transport::{Body, Request, Response, Stage, TransportError};
use landfall_core::{ByteSize, StoreError};

use super::super::{FetchFailure, Fetched, MediaKind, SaveAs};
use super::MediaFetcher;
use super::policy::Allowed;
use super::save::Part;
use super::sniff::{Content, ENOUGH, agrees, sniff};
use crate::wire::{backoff, header_text, retry_after, shown_url};

/// Redirects followed for one file.
const MOST_REDIRECTS: u32 = 3;

/// Tries of one URL, the first included, that broke or were throttled.
const MOST_TRIES: u32 = 4;

/// An answer that throttles for longer than this ends the tries: the caller has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why one URL gave nothing.
pub(super) enum Miss {
    /// 404: not in this size or form.
    Absent,
    /// 410: not any more.
    Gone,
    /// 403: not to us, or not in this form.
    Refused,
    /// What it means for the file is settled.
    Failed(FetchFailure),
}

/// What one try came to.
enum Try {
    Done(Box<Fetched>),
    Moved(Allowed),
    Missed(Miss),
    Throttled(Option<Duration>, String),
    Broken(String),
}

impl MediaFetcher {
    /// Downloads from one URL.
    pub(super) async fn receive(&self, url: &Allowed, into: &Dir, name: &SaveAs) -> Result<Fetched, Miss> {
        let mut at = url.clone();
        let (mut redirects, mut tries) = (0, 0);
        loop {
            let host = self.host(at.host());
            let permit = host.enter().await.map_err(Miss::Failed)?;
            let outcome = tokio::time::timeout(self.parts.limits.total, self.once(&at, into, name)).await;
            let outcome = outcome.unwrap_or_else(|_| Try::Broken("it took too long".into()));
            permit.settle(verdict(&outcome));
            if matches!(&outcome, Try::Done(_) | Try::Missed(Miss::Absent | Miss::Gone)) {
                host.answers();
            }
            match outcome {
                Try::Done(mut fetched) => {
                    fetched.url = url.url().to_string();
                    return Ok(*fetched);
                }
                Try::Missed(miss) => return Err(miss),
                Try::Moved(to) => {
                    redirects += 1;
                    if redirects > MOST_REDIRECTS {
                        return Err(refused(format!("more than {MOST_REDIRECTS} redirects")));
                    }
                    at = to;
                }
                Try::Throttled(after, detail) => {
                    tries += 1;
                    // The lane is held now; the next request waits there, unless that is too long.
                    if tries >= MOST_TRIES || after.is_some_and(|after| after > PATIENCE) {
                        return Err(self.later(detail, after));
                    }
                }
                Try::Broken(detail) => {
                    tries += 1;
                    if tries >= MOST_TRIES {
                        return Err(self.later(detail, None));
                    }
                    tokio::time::sleep(backoff(&self.parts.chance, tries)).await;
                }
            }
        }
    }

    fn later(&self, detail: String, after: Option<Duration>) -> Miss {
        let not_before = after.and_then(|after| self.parts.clock.now().checked_add(after).ok());
        Miss::Failed(FetchFailure::Later { detail, not_before })
    }

    async fn once(&self, at: &Allowed, into: &Dir, name: &SaveAs) -> Try {
        let Some(request) = request(at) else {
            return Try::Missed(refused("no URL that can be sent".into()));
        };
        let sent = tokio::time::timeout(self.parts.limits.stall, self.parts.transport.send(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Try::Broken(format!("{}: {error}", at.host())),
            Err(_) => return Try::Broken(format!("{} does not answer", at.host())),
        };
        let status = response.status().as_u16();
        tracing::trace!(url = %shown_url(at.url().as_str()), status, "media");
        let says = || format!("{} answers {status}", at.host());
        match status {
            200 => self.body(response, into, name).await,
            301 | 302 | 303 | 307 | 308 => self.moved(at, response.headers()),
            403 => Try::Missed(Miss::Refused),
            404 => Try::Missed(Miss::Absent),
            410 => Try::Missed(Miss::Gone),
            429 | 503 | 509 => Try::Throttled(retry_after(response.headers()), says()),
            408 | 425 | 500 | 502 | 504 => Try::Broken(says()),
            _ => Try::Missed(self.later(says(), Some(self.parts.limits.rest))),
        }
    }

    fn moved(&self, at: &Allowed, headers: &HeaderMap) -> Try {
        let Some(location) = header_text(headers, "location") else {
            return Try::Missed(refused("a redirect to nowhere".into()));
        };
        match self.parts.policy.follow(at, location) {
            Ok(to) => Try::Moved(to),
            Err(why) => Try::Missed(refused(why.to_string())),
        }
    }

    async fn body(&self, response: Response, into: &Dir, name: &SaveAs) -> Try {
        let (head, body) = response.into_parts();
        if let Some(encoding) = header_text(&head.headers, "content-encoding")
            && !encoding.eq_ignore_ascii_case("identity")
        {
            // Nobody asked for it, and unpacking is how a few bytes become a full disk.
            return Try::Missed(not_media(format!("packed as {encoding}")));
        }
        match self.store(&head.headers, body, into, name).await {
            Ok(fetched) => Try::Done(Box::new(fetched)),
            Err(Ended::Settled(failure)) => Try::Missed(Miss::Failed(failure)),
            Err(Ended::Broken(detail)) => Try::Broken(detail),
        }
    }

    async fn store(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        into: &Dir,
        name: &SaveAs,
    ) -> Result<Fetched, Ended> {
        let announced = header_text(headers, "content-length").and_then(|text| text.trim().parse().ok());
        let mut first = Vec::new();
        while first.len() < ENOUGH {
            let Some(piece) = self.piece(&mut body).await? else { break };
            first.extend_from_slice(&piece);
        }
        if first.len() < ENOUGH {
            // The body has ended: a short one must not be judged by what is missing of it.
            check_length(first.len() as u64, announced)?;
        }
        let content = judge(&first, headers)?;
        if let Some(promised) = name.kind.filter(|promised| *promised != content.kind) {
            return Err(Ended::Settled(other_kind(content, promised)));
        }
        let limit = self.limit(content);
        check_size(announced.unwrap_or(0).max(first.len() as u64), limit)?;
        let mut part = Part::begin(into, &name.stem).await?;
        part.write(&first).await?;
        while let Some(piece) = self.piece(&mut body).await? {
            check_size(part.len().saturating_add(piece.len() as u64), limit)?;
            part.write(&piece).await?;
        }
        check_length(part.len(), announced)?;
        let saved = part.finish(content.extension).await?;
        Ok(Fetched {
            name: saved.name,
            size: saved.size,
            sha256: saved.sha256,
            kind: content.kind,
            reduced: None,
            url: String::new(),
        })
    }

    /// The next piece; a body that is silent for too long is a broken one.
    async fn piece(&self, body: &mut Body) -> Result<Option<bytes::Bytes>, Ended> {
        match tokio::time::timeout(self.parts.limits.stall, body.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(TransportError { stage: Stage::Body, detail }))) => Err(Ended::Broken(detail)),
            Ok(Some(Err(error))) => Err(Ended::Broken(error.to_string())),
            Ok(None) => Ok(None),
            Err(_) => Err(Ended::Broken("the body stalled".into())),
        }
    }

    fn limit(&self, content: Content) -> ByteSize {
        match content.kind {
            MediaKind::Image => self.parts.limits.image,
            // An animation is a picture to the one who stores it and not to the one who keeps it.
            MediaKind::Video if content.class == "image" => self.parts.limits.image,
            MediaKind::Video => self.parts.limits.video,
        }
    }
}

/// A picture under the name of a video would pass for it ever after.
fn other_kind(content: Content, promised: MediaKind) -> FetchFailure {
    let promised = match promised {
        MediaKind::Image => "a picture",
        MediaKind::Video => "a video",
    };
    let detail =
        format!("it is a file of the kind {}, and the name is that of {promised}", content.extension);
    FetchFailure::NotMedia { detail }
}

/// Why a body was not taken.
enum Ended {
    Settled(FetchFailure),
    Broken(String),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Settled(FetchFailure::Local(error))
    }
}

fn judge(first: &[u8], headers: &HeaderMap) -> Result<Content, Ended> {
    let settled = |detail: String| Ended::Settled(FetchFailure::NotMedia { detail });
    let content = sniff(first).map_err(|what| settled(format!("{what}, not media")))?;
    let stated = header_text(headers, "content-type");
    if agrees(content, stated) {
        return Ok(content);
    }
    let stated: String = stated.unwrap_or_default().chars().take(60).collect();
    Err(settled(format!("sent as {stated}, but its bytes are {}", content.extension)))
}

fn check_size(size: u64, limit: ByteSize) -> Result<(), Ended> {
    if size <= limit.0 {
        return Ok(());
    }
    Err(Ended::Settled(FetchFailure::TooLarge { detail: format!("more than {limit}") }))
}

fn check_length(size: u64, announced: Option<u64>) -> Result<(), Ended> {
    match announced {
        Some(announced) if announced != size => {
            Err(Ended::Broken(format!("{size} bytes came and {announced} were announced")))
        }
        _ => Ok(()),
    }
}

fn verdict(outcome: &Try) -> Verdict {
    match outcome {
        Try::Done(_) | Try::Moved(_) | Try::Missed(_) => Verdict::Fine,
        Try::Throttled(retry_after, _) => Verdict::Throttled { retry_after: *retry_after },
        Try::Broken(_) => Verdict::Failed,
    }
}

/// No cookie, no referrer, no token: there is nothing to leak to a host that a redirect names.
fn request(at: &Allowed) -> Option<Request> {
    let mut request = Request::new(bytes::Bytes::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = at.target().parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("image/*, video/*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(host) = at.host_header() {
        headers.insert(header::HOST, HeaderValue::from_str(host).ok()?);
    }
    Some(request)
}

fn refused(detail: String) -> Miss {
    Miss::Failed(FetchFailure::Refused { detail })
}

fn not_media(detail: String) -> Miss {
    Miss::Failed(FetchFailure::NotMedia { detail })
}
