//! One request as the stores describe it, and its answer.
//!
//! Owns what a request is before it has a token and a permit. Refuses to know how it is sent, waited
//! for or sent again.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use landfall_core::pacing::{Cost, Verdict};
use landfall_core::transport::Body;
use serde::de::DeserializeOwned;

use super::redact::shown_url;

/// Who vouches for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The lane's token. It goes to Graph's own origin only.
    Bearer,
    /// The URL itself: an `Authorization` header there is refused by the service, so none is sent.
    PreAuthenticated,
}

/// One request. Its URL may be a secret and is never printed whole.
#[derive(Clone)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    pub(crate) cost: Cost,
    pub(crate) batched: u64,
    pub(crate) operation: &'static str,
    pub(crate) subject: String,
    pub(crate) repeatable: bool,
    pub(crate) auth: Auth,
    pub(crate) judge: fn(&Answer) -> Verdict,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({} {})", self.method, shown_url(&self.url))
    }
}

impl Call {
    /// Describes a request with the token; it may be repeated blindly until [`Call::once`] says otherwise.
    pub fn new(
        method: Method,
        url: impl Into<String>,
        operation: &'static str,
        subject: impl Into<String>,
    ) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            cost: Cost::free(),
            batched: 0,
            operation,
            subject: subject.into(),
            repeatable: true,
            auth: Auth::Bearer,
            judge: Answer::verdict,
        }
    }

    /// Describes a GET.
    pub fn get(url: impl Into<String>, operation: &'static str, subject: impl Into<String>) -> Self {
        Self::new(Method::GET, url, operation, subject)
    }

    /// Says what it costs.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// Says that it must not be sent twice unless the first was certainly not carried out.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// Says that its URL carries its own authentication.
    #[must_use]
    pub fn pre_authenticated(mut self) -> Self {
        self.auth = Auth::PreAuthenticated;
        self
    }

    /// Adds a header; a value that no header can hold is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Gives it a body of JSON.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        let body = Bytes::from(value.to_string());
        self.header(header::CONTENT_TYPE, "application/json").bytes(body)
    }

    /// Gives it a body of bytes.
    #[must_use]
    pub fn bytes(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Says that it carries this many requests, and who judges their answers.
    #[must_use]
    pub fn batch(mut self, requests: u64, judge: fn(&Answer) -> Verdict) -> Self {
        self.batched = requests;
        self.judge = judge;
        self
    }
}

/// An answer with its whole body: of any status that trying again would not change.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; foreign text that may be anything.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status.as_u16(), self.body.len())
    }
}

impl Answer {
    /// Reads the body as JSON; `None` where it is not what is asked for.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_text(&self.headers, name)
    }

    /// What the lane has to learn from it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.status.as_u16() {
            429 | 503 | 509 => Verdict::Throttled { retry_after: super::wait::retry_after(&self.headers) },
            408 | 500 | 502 | 504 => Verdict::Failed,
            _ => Verdict::Fine,
        }
    }
}

/// One header as text.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The answer to a request whose body is wanted piece by piece.
pub enum Opened {
    /// Success: the body follows.
    Body {
        /// 200 or 206.
        status: StatusCode,
        /// The headers.
        headers: HeaderMap,
        /// The body; ends in an error where it is shorter than announced.
        body: Body,
    },
    /// Anything else, read whole.
    Refused(Answer),
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body { status, .. } => write!(f, "Opened({})", status.as_u16()),
            Self::Refused(answer) => answer.fmt(f),
        }
    }
}
