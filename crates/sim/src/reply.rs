//! Replies before they become HTTP.
//!
//! Owns the error envelope of Graph (`graph.md`, section 14), bodies that are made while they are sent, and the
//! ways in which a reply may be damaged on the wire. Refuses to know what the reply is about.

use std::collections::VecDeque;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::content::{Content, to_usize};

const CHUNK: u64 = 1 << 16;

/// A refusal in the form that Graph gives it.
#[derive(Clone, Debug)]
pub(crate) struct Fail {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<u64>,
}

impl Fail {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), retry_after: None }
    }

    pub(crate) fn inner(mut self, code: &'static str) -> Self {
        self.inner = Some(code);
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "itemNotFound", "The resource could not be found.")
    }

    pub(crate) fn exists() -> Self {
        Self::new(409, "nameAlreadyExists", "Name already exists")
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "invalidRequest", message)
    }
}

/// What goes back, and how it gets there.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload,
    /// The connection breaks before a byte of the reply is sent.
    pub(crate) lost: bool,
}

/// The body of a reply.
#[derive(Debug)]
pub(crate) enum Payload {
    Bytes(Bytes),
    Content(Serving),
}

/// A run of content on its way out.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) content: Content,
    pub(crate) from: u64,
    pub(crate) len: u64,
    /// The byte at this offset of the file is sent wrong.
    pub(crate) wrong: Option<u64>,
    /// The connection breaks after this many bytes.
    pub(crate) cut: Option<u64>,
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: Payload::Bytes(Bytes::new()),
            lost: false,
        }
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        let mut reply = Self::empty(status);
        reply.set(
            "content-type",
            "application/json;odata.metadata=minimal;odata.streaming=true;charset=utf-8",
        );
        reply.body = Payload::Bytes(serde_json::to_vec(value).unwrap_or_default().into());
        reply
    }

    pub(crate) fn text(status: u16, kind: &str, text: impl Into<String>) -> Self {
        let mut reply = Self::empty(status);
        reply.set("content-type", kind);
        reply.body = Payload::Bytes(text.into().into_bytes().into());
        reply
    }

    pub(crate) fn redirect(location: &str) -> Self {
        let mut reply = Self::empty(302);
        reply.set("location", location);
        reply
    }

    pub(crate) fn fail(fail: &Fail, date: &str, request_id: &str) -> Self {
        let mut inner = json!({"date": date, "request-id": request_id, "client-request-id": request_id});
        if let (Some(code), Some(map)) = (fail.inner, inner.as_object_mut()) {
            map.insert("code".into(), code.into());
        }
        let body = json!({"error": {"code": fail.code, "message": fail.message, "innerError": inner}});
        let mut reply = Self::json(fail.status, &body);
        if let Some(seconds) = fail.retry_after {
            reply.set("retry-after", &seconds.to_string());
        }
        if fail.status == 401 {
            reply.set(
                "www-authenticate",
                "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
                 client_id=\"00000003-0000-0000-c000-000000000000\"",
            );
        }
        reply
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    /// Bytes of content in the body.
    pub(crate) fn served(&self) -> u64 {
        match &self.body {
            Payload::Bytes(_) => 0,
            Payload::Content(serving) => serving.cut.unwrap_or(serving.len).min(serving.len),
        }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        match self.body {
            Payload::Bytes(bytes) => *response.body_mut() = Body::from(bytes),
            Payload::Content(serving) => {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(serving.len));
                *response.body_mut() = serving.into_body();
            }
        }
        response
    }
}

/// Sets a member of a JSON object.
pub(crate) fn member(value: &mut Value, name: &str, content: impl Into<Value>) {
    if let Some(map) = value.as_object_mut() {
        map.insert(name.to_owned(), content.into());
    }
}

/// The connection broke in the middle of a body.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connection reset by the simulator")]
pub(crate) struct Reset;

impl Serving {
    fn into_body(self) -> Body {
        let mut plan: VecDeque<Result<(u64, u64), Reset>> = VecDeque::new();
        if let Some(cut) = self.cut {
            if cut > 0 {
                plan.push_back(Ok((self.from, cut.min(self.len))));
            }
            plan.push_back(Err(Reset));
        } else if self.len > 0 {
            plan.push_back(Ok((self.from, self.len)));
        }
        let (content, wrong) = (self.content, self.wrong);
        Body::from_stream(stream::iter(std::iter::from_fn(move || match plan.pop_front()? {
            Err(reset) => Some(Err(reset)),
            Ok((at, left)) => {
                let step = left.min(CHUNK);
                if left > step {
                    plan.push_front(Ok((at + step, left - step)));
                }
                Some(Ok(chunk(&content, at, step, wrong)))
            }
        })))
    }
}

fn chunk(content: &Content, at: u64, len: u64, wrong: Option<u64>) -> Bytes {
    let mut bytes = content.read(at, to_usize(len));
    if let Some(offset) = wrong.and_then(|wrong| wrong.checked_sub(at))
        && let Some(byte) = bytes.get_mut(to_usize(offset))
    {
        *byte ^= 0x20;
    }
    bytes.into()
}
