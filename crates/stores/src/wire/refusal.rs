//! What a service says when it refuses, in the form of our one error.
//!
//! Owns the error envelope of Graph and SharePoint (reference/graph.md, section 14): JSON with nested
//! codes of which the deepest known one counts, and bodies that are HTML or empty. Refuses to know what
//! a refusal means for a file: the callers say that.

use http::StatusCode;
use landfall_core::{Code, ErrorKind, Retry, StoreError};
use serde_json::Value;

use super::call::Answer;
use super::redact::shown_text;
use super::wait::retry_after;

/// Deepest nesting of inner errors that is followed.
const DEPTH: usize = 8;

/// A refusal, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The codes, outermost first; empty where the body is not the envelope.
    pub(crate) codes: Vec<String>,
    /// The text, cleaned of secrets.
    pub(crate) message: String,
    /// True where the answer names a virus.
    pub(crate) infected: bool,
    request_id: Option<String>,
    date: Option<String>,
    retry_after: Option<std::time::Duration>,
}

impl Refusal {
    /// Takes an answer apart. Any body is survived.
    pub(crate) fn of(answer: &Answer) -> Self {
        let envelope: Option<Value> = answer.json();
        let error = envelope.as_ref().and_then(|value| value.get("error"));
        let codes = error.map(codes).unwrap_or_default();
        let message = error
            .and_then(|error| error.get("message"))
            .and_then(Value::as_str)
            .map(shown_text)
            .unwrap_or_else(|| shown_text(&String::from_utf8_lossy(&answer.body)));
        let infected = answer.headers.contains_key("x-virus-infected")
            || codes.iter().any(|code| code.eq_ignore_ascii_case("malwareDetected"));
        Self {
            status: answer.status,
            infected,
            request_id: header(answer, &["request-id", "sprequestguid"]),
            date: header(answer, &["date"]),
            retry_after: retry_after(&answer.headers),
            codes,
            message,
        }
    }

    /// True where the code stands on any level.
    pub(crate) fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|have| have.eq_ignore_ascii_case(code))
    }

    /// True where the text holds these words, in any case.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.message.to_lowercase().contains(words)
    }

    /// True where somebody holds a lock on the item or the whole site is locked or archived.
    pub(crate) fn is_locked(&self) -> bool {
        self.status == StatusCode::LOCKED
            || self.has("resourceLocked")
            || self.has("siteArchived")
            || self.says("locked for editing")
            || self.says("checked out")
    }

    /// True where the whole place is out of use, not one item.
    pub(crate) fn is_closed(&self) -> bool {
        self.has("siteArchived") || self.has("siteLocked") || self.says("site has been locked")
    }

    /// True where the place written to has no room.
    pub(crate) fn is_full(&self) -> bool {
        self.status == StatusCode::INSUFFICIENT_STORAGE
            || self.has("quotaLimitReached")
            || self.has("quotaLimitExceeded")
    }

    /// The refusal in one line: status, deepest code, text, and what Microsoft's support asks for.
    pub(crate) fn text(&self) -> String {
        let mut text = self.status.as_u16().to_string();
        if let Some(code) = self.codes.last() {
            text = format!("{text} {}", shown_text(code));
        }
        if !self.message.is_empty() {
            text = format!("{text}: {}", self.message.trim_end_matches('.'));
        }
        let trace = [("request-id", &self.request_id), ("date", &self.date)];
        let trace: Vec<String> =
            trace.iter().filter_map(|(name, value)| value.as_ref().map(|v| format!("{name} {v}"))).collect();
        if trace.is_empty() { text } else { format!("{text} ({})", trace.join(", ")) }
    }

    /// The refusal as an error, by the rules that hold for every request.
    pub(crate) fn error(&self, operation: &'static str, subject: &str) -> StoreError {
        let kind = self.kind();
        let mut error = StoreError::new(kind, operation, subject, self.text());
        if kind == ErrorKind::Throttled
            && let Some(wait) = self.retry_after
        {
            error.retry = Retry::After(wait);
        }
        match kind {
            ErrorKind::Unauthenticated => error.with_code(Code::TokenRefused),
            ErrorKind::Full => error.with_code(Code::DestinationFull),
            _ => error,
        }
    }

    fn kind(&self) -> ErrorKind {
        if self.infected {
            return ErrorKind::Malware;
        }
        if self.is_full() {
            return ErrorKind::Full;
        }
        if self.is_locked() {
            return ErrorKind::Locked;
        }
        match self.status.as_u16() {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::Denied,
            404 | 410 => ErrorKind::NotFound,
            409 => ErrorKind::Exists,
            412 => ErrorKind::Changed,
            413 => ErrorKind::Unsupported,
            429 | 503 | 509 => ErrorKind::Throttled,
            408 | 416 | 500..=599 => ErrorKind::Interrupted,
            _ => ErrorKind::Rejected,
        }
    }
}

fn header(answer: &Answer, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| answer.header(name)).map(shown_text)
}

/// All codes from the outermost to the deepest.
fn codes(error: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut level = Some(error);
    for _ in 0..DEPTH {
        let Some(value) = level else { break };
        if let Some(code) = value.get("code").and_then(Value::as_str)
            && !code.is_empty()
        {
            found.push(code.to_owned());
        }
        level = value.get("innerError").or_else(|| value.get("innererror"));
    }
    found
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_vec().into() }
    }

    #[test]
    fn the_deepest_code_counts_and_the_trace_is_kept() {
        let body = br#"{"error":{"code":"invalidRequest","message":"bad name.","innererror":{"code":"invalidPath","innerError":{"code":"pathIsTooLong"}}}}"#;
        let refusal = Refusal::of(&answer(400, &[("request-id", "r-1"), ("date", "Mon")], body));
        assert!(refusal.has("PATHISTOOLONG") && refusal.has("invalidRequest"));
        assert_eq!(refusal.text(), "400 pathIsTooLong: bad name (request-id r-1, date Mon)");
        assert_eq!(refusal.error("upload", "録音.wav").kind, ErrorKind::Rejected);
    }

    #[test]
    fn html_and_empty_bodies_are_survived() {
        let refusal = Refusal::of(&answer(502, &[], b"<html><body>proxy \xff</body></html>"));
        assert_eq!(refusal.error("list", "d").kind, ErrorKind::Interrupted);
        let refusal = Refusal::of(&answer(400, &[("x-virus-infected", "EICAR")], b""));
        assert_eq!(refusal.error("open", "f").kind, ErrorKind::Malware);
    }

    #[test]
    fn kinds_follow_status_and_code() {
        let kind = |status, code: &str| {
            let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
            Refusal::of(&answer(status, &[], body.as_bytes())).error("x", "y").kind
        };
        assert_eq!(kind(403, "accessDenied"), ErrorKind::Denied);
        assert_eq!(kind(403, "siteArchived"), ErrorKind::Locked);
        assert_eq!(kind(403, "malwareDetected"), ErrorKind::Malware);
        assert_eq!(kind(507, "quotaLimitReached"), ErrorKind::Full);
        assert_eq!(kind(500, "quotaLimitReached"), ErrorKind::Full);
        assert_eq!(kind(423, "notAllowed"), ErrorKind::Locked);
        assert_eq!(kind(429, "activityLimitReached"), ErrorKind::Throttled);
        assert_eq!(kind(404, "itemNotFound"), ErrorKind::NotFound);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(status in 400u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let refusal = Refusal::of(&answer(status, &[], &body));
            prop_assert!(refusal.text().len() < 4096);
        }
    }
}
