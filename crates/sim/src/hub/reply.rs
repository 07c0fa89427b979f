//! Replies of the Hub and of the storage before they become HTTP.
//!
//! Owns the error forms of both (`hub.md`, section 13) and the ways in which a body may break on the wire. Refuses
//! to know what a reply is about.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::reply::Reset;

/// What goes back, and how it gets there.
#[derive(Debug)]
pub(crate) struct HubReply {
    pub(crate) status: u16,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<Bytes>,
    /// The connection breaks after this many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// The connection breaks before a byte of the reply is sent.
    pub(crate) lost: bool,
}

impl HubReply {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), cut: None, lost: false }
    }

    /// The connection breaks.
    pub(crate) fn lost() -> Self {
        Self { lost: true, ..Self::empty(500) }
    }

    /// A body in pieces.
    pub(crate) fn of(status: u16, body: Vec<Bytes>) -> Self {
        Self { body, ..Self::empty(status) }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::json_with(200, value)
    }

    pub(crate) fn json_with(status: u16, value: &Value) -> Self {
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        Self::typed(status, "application/json; charset=utf-8", bytes)
    }

    /// What LFS calls JSON.
    pub(crate) fn lfs(value: &Value) -> Self {
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        Self::typed(200, "application/vnd.git-lfs+json; charset=utf-8", bytes)
    }

    pub(crate) fn typed(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status);
        reply.set("content-type", kind);
        reply.body = vec![body.into()];
        reply
    }

    pub(crate) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>{title}</body></html>\n"
        );
        Self::typed(status, "text/html; charset=utf-8", page)
    }

    /// A refusal of the Hub. The code is for machines, the text for people and for section 10's matching.
    pub(crate) fn error(status: u16, code: Option<&str>, text: &str) -> Self {
        let mut reply = Self::json_with(status, &json!({"error": text}));
        if let Some(code) = code {
            reply.set("x-error-code", code);
        }
        reply.set("x-error-message", text);
        reply
    }

    pub(crate) fn bad(text: &str) -> Self {
        Self::error(400, None, text)
    }

    pub(crate) fn entry_not_found(text: &str) -> Self {
        Self::error(404, Some("EntryNotFound"), text)
    }

    pub(crate) fn no_revision(rev: &str) -> Self {
        Self::error(404, Some("RevisionNotFound"), &format!("Invalid rev id: {rev}"))
    }

    /// A refusal of the storage.
    pub(crate) fn xml(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        Self::typed(status, "application/xml", body)
    }

    /// Sets a header. Text beyond ASCII becomes question marks, since headers have none.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        let plain: String =
            value.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, plain));
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Bytes of the body.
    pub(crate) fn len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// Drops what lies behind an offset, as if it had never been there.
    pub(crate) fn truncate(&mut self, len: usize) {
        let mut left = len;
        for piece in &mut self.body {
            piece.truncate(left);
            left -= piece.len();
        }
    }

    pub(crate) fn into_response(self, method: &Method) -> Response<Body> {
        let len = self.len();
        let mut response = Response::new(Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if self.status != 204 {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        }
        if *method == Method::HEAD {
            return response;
        }
        let Some(cut) = self.cut else {
            *response.body_mut() = match <[Bytes; 1]>::try_from(self.body) {
                Ok([one]) => Body::from(one),
                Err(many) => Body::from_stream(stream::iter(many.into_iter().map(Ok::<_, Reset>))),
            };
            return response;
        };
        let whole = self.body.concat();
        let head = Bytes::copy_from_slice(whole.get(..cut).unwrap_or(&whole));
        *response.body_mut() = Body::from_stream(stream::iter([Ok(head), Err(Reset)]));
        response
    }
}
