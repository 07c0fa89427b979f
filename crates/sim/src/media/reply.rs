//! How a medium answers.
//!
//! Owns the size ladder, the rules of `tag` and `Referer`, and the damaged bodies. Refuses to know counts and hosts.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::key::{MediaKey, PhotoSize};
use super::stub::MediaKind;
use super::{Medium, Trouble};
use crate::reply::Reset;
use crate::sim::CallError;
use crate::url::Query;

/// One piece of an endless body, in bytes.
const ENDLESS_CHUNK: usize = 1 << 16;

/// What one request brings along.
pub(crate) struct Ask<'a> {
    pub(crate) key: &'a MediaKey,
    pub(crate) query: &'a Query,
    /// Whether it has a `Referer`.
    pub(crate) foreign: bool,
    /// The how-manieth request of this medium it is, from 1.
    pub(crate) times: u64,
    /// A fault that has nothing to do with the medium.
    pub(crate) chance: Option<Fault>,
}

/// What goes wrong by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Unavailable,
    Throttled,
    Truncated,
    Lost,
}

impl Fault {
    pub(crate) fn drawn(value: u64) -> Self {
        match value % 5 {
            0 | 1 => Self::Unavailable,
            2 => Self::Throttled,
            3 => Self::Truncated,
            _ => Self::Lost,
        }
    }
}

/// What goes back.
pub(crate) enum Answer {
    Status(u16),
    RetryAfter(u64),
    Whole(&'static str, Bytes),
    Cut(&'static str, Bytes),
    Endless(&'static str, Bytes),
    Redirect(String),
    Lost,
}

/// A reply that is only a status.
pub(crate) fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// Decides on one request. A fault by chance comes before anything else, as a broken line would.
pub(crate) fn answer(medium: &Medium, ask: &Ask<'_>) -> Answer {
    match ask.chance {
        Some(Fault::Unavailable) => return Answer::Status(503),
        Some(Fault::Throttled) => return Answer::RetryAfter(2),
        Some(Fault::Lost) => return Answer::Lost,
        Some(Fault::Truncated) | None => {}
    }
    // Seen since 2025 on videos that are asked for from a foreign page.
    if ask.foreign && ask.key.video {
        return Answer::Status(403);
    }
    let refused = match &medium.trouble {
        Trouble::Dead => Some(Answer::Status(404)),
        Trouble::Gone => Some(Answer::Status(410)),
        Trouble::Forbidden => Some(Answer::Status(403)),
        Trouble::TagForbidden => ask.query.get("tag").map(|_| Answer::Status(403)),
        Trouble::Unavailable { times } => (ask.times <= *times).then_some(Answer::Status(503)),
        Trouble::Throttled { times, retry_after } => {
            (ask.times <= *times).then_some(Answer::RetryAfter(*retry_after))
        }
        Trouble::Html => Some(Answer::Whole(
            "text/html; charset=utf-8",
            Bytes::from_static(b"<!DOCTYPE html><html><body>Something went wrong.</body></html>"),
        )),
        Trouble::Playlist => Some(Answer::Whole("application/x-mpegURL", playlist())),
        Trouble::Redirect(location) => Some(Answer::Redirect(location.clone())),
        _ => None,
    };
    if let Some(refused) = refused {
        return refused;
    }
    let Some(size) = size_of(medium, ask.key) else { return Answer::Status(404) };
    let bytes = medium.bytes(&ask.key.text, size);
    let kind = medium.kind.content_type();
    match &medium.trouble {
        Trouble::WrongType => Answer::Whole("text/plain", bytes),
        Trouble::Empty => Answer::Whole(kind, Bytes::new()),
        Trouble::Endless => Answer::Endless(kind, bytes),
        Trouble::Truncated { times } if ask.times <= *times => Answer::Cut(kind, bytes),
        _ if ask.chance == Some(Fault::Truncated) => Answer::Cut(kind, bytes),
        _ => Answer::Whole(kind, bytes),
    }
}

/// The body of a playlist: what a client must not take for a video.
pub(crate) fn playlist() -> Bytes {
    Bytes::from_static(
        b"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:BANDWIDTH=2176000,RESOLUTION=1280x720\n/pl/1280x720.m3u8\n",
    )
}

/// The size that is served; none where that size or format never existed.
fn size_of(medium: &Medium, key: &MediaKey) -> Option<PhotoSize> {
    if key.video {
        return (medium.kind == MediaKind::Mp4).then_some(PhotoSize::Orig);
    }
    let size = key.size.filter(|size| *size <= medium.top)?;
    // The original exists in one format only; the service makes the other sizes in either, this one in its own.
    let fits = key.format.as_deref().is_none_or(|format| {
        format == medium.format || (size != PhotoSize::Orig && matches!(format, "jpg" | "png"))
    });
    fits.then_some(size)
}

impl Answer {
    /// Bytes of media that the reply announces.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Whole(_, bytes) | Self::Cut(_, bytes) => bytes.len() as u64,
            _ => 0,
        }
    }

    pub(crate) fn into_response(self) -> Result<Response<Body>, CallError> {
        let mut response = match self {
            Self::Status(code) => status(code),
            Self::RetryAfter(seconds) => {
                let mut response = status(429);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::Redirect(location) => {
                let mut response = status(302);
                if let Ok(location) = HeaderValue::from_str(&location) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Self::Lost => return Err(CallError),
            Self::Whole(kind, bytes) => with_body(kind, Some(bytes.len()), Body::from(bytes)),
            Self::Cut(kind, bytes) => {
                let half = bytes.slice(..bytes.len() / 2);
                let body = Body::from_stream(stream::iter([Ok(half), Err(Reset)]));
                with_body(kind, Some(bytes.len()), body)
            }
            Self::Endless(kind, bytes) => {
                let more = Bytes::from(vec![0xA5; ENDLESS_CHUNK]);
                let pieces = std::iter::once(bytes).chain(std::iter::repeat(more)).map(Ok::<_, Reset>);
                with_body(kind, None, Body::from_stream(stream::iter(pieces)))
            }
        };
        let name = HeaderName::from_static("x-served-by");
        response.headers_mut().insert(name, HeaderValue::from_static("landfall-sim"));
        Ok(response)
    }
}

fn with_body(kind: &'static str, length: Option<usize>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
