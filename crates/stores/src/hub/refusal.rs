//! What the Hub says when it refuses, in the form of our one error.
//!
//! Owns the error bodies (a text, a list, a list of objects, a page of HTML), `X-Error-Code`, the trace that its
//! support asks for, and the quota that ran out with the moment it fills again. Refuses to know what a refusal
//! means for a file.
// Source: reference/hub.md, section 13.

use http::StatusCode;
use landfall_core::state::Reason;
use landfall_core::{Code, ErrorKind, Retry, StoreError};
use serde_json::Value;

use super::stated::{bucket, is_action, stated_wait};
use crate::wire::{Answer, retry_after, shown_text};

/// A refusal, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct HubRefusal {
    pub(crate) status: StatusCode,
    /// `RepoNotFound`, `RevisionNotFound`, `EntryNotFound`, `GatedRepo` or nothing.
    pub(crate) code: String,
    /// The text, cleaned of secrets.
    pub(crate) message: String,
    /// The whole text, for the rules that read it; never shown.
    whole: String,
    trace: Option<String>,
    /// The quota that ran out, where the refusal is about one.
    quota: Option<String>,
    wait: Option<std::time::Duration>,
}

impl HubRefusal {
    /// Takes an answer apart. Any body is survived.
    pub(crate) fn of(answer: &Answer) -> Self {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let told = answer.json::<Value>().map(|value| texts(&value)).filter(|text| !text.is_empty());
        let header = answer.header("x-error-message").map(str::to_owned);
        let message = told.or(header).unwrap_or_else(|| without_markup(&body));
        let pace = answer.status.as_u16() == 429;
        let quota = pace.then(|| {
            if is_action(&answer.headers, &body) {
                "commits an hour".to_owned()
            } else {
                bucket(&answer.headers).map_or_else(|| "unnamed".to_owned(), |bucket| bucket.name)
            }
        });
        Self {
            status: answer.status,
            code: answer.header("x-error-code").map(shown_text).unwrap_or_default(),
            message: shown_text(&message),
            trace: ["x-request-id", "x-amz-cf-id"]
                .iter()
                .find_map(|name| answer.header(name))
                .map(shown_text),
            quota,
            wait: if pace { stated_wait(&answer.headers, &body) } else { retry_after(&answer.headers) },
            whole: message,
        }
    }

    /// True where the entry is shown not to be there, in a repository and revision that are.
    pub(crate) fn is_entry_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.code.eq_ignore_ascii_case("EntryNotFound")
    }

    /// True where the service knows no such repository, or does not show it to us.
    pub(crate) fn is_repo_hidden(&self) -> bool {
        matches!(self.status.as_u16(), 401 | 404) && self.code.eq_ignore_ascii_case("RepoNotFound")
    }

    /// True where the text holds these words, in any case.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.whole.to_lowercase().contains(&words.to_lowercase())
    }

    /// The whole text as it came.
    pub(crate) fn whole(&self) -> &str {
        &self.whole
    }

    /// True where the account has no room left.
    pub(crate) fn is_full(&self) -> bool {
        self.status == StatusCode::INSUFFICIENT_STORAGE
            || (matches!(self.status.as_u16(), 402 | 403)
                && (self.says("storage limit")
                    || self.says("storage patterns")
                    || self.says("storage quota")))
    }

    /// The refusal in one line.
    pub(crate) fn text(&self) -> String {
        let mut text = self.status.as_u16().to_string();
        if !self.code.is_empty() {
            text = format!("{text} {}", self.code);
        }
        if !self.message.is_empty() {
            text = format!("{text}: {}", self.message.trim_end_matches('.'));
        }
        let wait = self.wait.map(|wait| format!("resumes in {} s", wait.as_secs()));
        let quota = self.quota.as_ref().map(|quota| format!("quota {quota}"));
        let trace = self.trace.as_ref().map(|trace| format!("request id {trace}"));
        let notes: Vec<String> = [quota, wait, trace].into_iter().flatten().collect();
        if notes.is_empty() { text } else { format!("{text} ({})", notes.join(", ")) }
    }

    /// The refusal as an error, by the rules that hold for every request.
    pub(crate) fn error(&self, operation: &'static str, subject: &str) -> StoreError {
        let kind = self.kind();
        let error = StoreError::new(kind, operation, subject, self.text());
        match kind {
            ErrorKind::Throttled => match self.wait {
                Some(wait) => error.with_retry(Retry::After(wait)).with_reason(Reason::Throttled),
                None => error.with_reason(Reason::Throttled),
            },
            ErrorKind::Unauthenticated => error.with_code(Code::HubTokenRefused),
            ErrorKind::Full => error.with_code(Code::DestinationFull).with_reason(Reason::DestinationFull),
            ErrorKind::Denied => {
                let hidden = self.is_repo_hidden();
                let code = if hidden { Code::RepositoryNotFound } else { Code::RepositoryDenied };
                error.with_code(code).with_reason(Reason::DestinationDenied)
            }
            ErrorKind::Interrupted => error.with_reason(Reason::Interrupted),
            ErrorKind::Rejected => error.with_reason(Reason::Rejected),
            _ => error,
        }
    }

    fn kind(&self) -> ErrorKind {
        if self.is_full() {
            return ErrorKind::Full;
        }
        if self.is_repo_hidden() {
            // Missing and hidden look the same: nothing may be concluded about what lies in it.
            return ErrorKind::Denied;
        }
        match self.status.as_u16() {
            401 => ErrorKind::Unauthenticated,
            402 | 403 => ErrorKind::Denied,
            404 if self.is_entry_absent() => ErrorKind::NotFound,
            // Without its code a 404 may come from anything in between.
            404 => ErrorKind::Interrupted,
            409 | 412 => ErrorKind::Changed,
            413 => ErrorKind::Unsupported,
            429 | 503 | 509 => ErrorKind::Throttled,
            408 | 416 | 500..=599 => ErrorKind::Interrupted,
            _ => ErrorKind::Rejected,
        }
    }
}

/// Every text of an error body, joined.
fn texts(value: &Value) -> String {
    let mut found: Vec<String> = Vec::new();
    for key in ["error", "errors", "message"] {
        match value.get(key) {
            Some(Value::String(text)) => found.push(text.clone()),
            Some(Value::Array(list)) => {
                found.extend(list.iter().filter_map(|item| {
                    item.as_str().or_else(|| item.get("message").and_then(Value::as_str)).map(str::to_owned)
                }));
            }
            _ => {}
        }
    }
    found.dedup();
    found.join("; ")
}

/// A page of HTML as text: what stands between its tags.
fn without_markup(body: &str) -> String {
    if !body.trim_start().starts_with('<') {
        return body.to_owned();
    }
    let mut out = String::new();
    for piece in body.split('<') {
        out.push_str(piece.split_once('>').map_or("", |(_, text)| text));
        out.push(' ');
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn refusal(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> HubRefusal {
        let headers: HeaderMap =
            headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let body = body.as_bytes().to_vec().into();
        HubRefusal::of(&Answer { status: StatusCode::from_u16(status).unwrap(), headers, body })
    }

    #[test]
    fn a_refusal_names_quota_wait_and_request() {
        let headers = &[("ratelimit", "\"api\";r=949;t=271"), ("x-request-id", "Root=1-ab;c")];
        let body = r#"{"error":"You have exceeded the rate limit for repository commits (128 per hour). You can retry this action in about 1 hour."}"#;
        let text = refusal(429, headers, body).text();
        assert!(text.contains("quota commits an hour, resumes in 3601 s, request id Root=1-ab;c"), "{text}");
        let api =
            refusal(429, &[("ratelimit", "\"api\";r=0;t=271")], "you hit the quota of 1000 api requests");
        assert!(api.text().contains("quota api, resumes in 272 s"), "{}", api.text());
        assert_eq!(api.error("list", "me/a").kind, ErrorKind::Throttled);
    }

    #[test]
    fn only_a_named_entry_is_absent() {
        let kind =
            |status, code: &'static str| refusal(status, &[("x-error-code", code)], "").error("x", "y").kind;
        assert_eq!(kind(404, "EntryNotFound"), ErrorKind::NotFound);
        assert_eq!(kind(404, "RepoNotFound"), ErrorKind::Denied);
        assert_eq!(kind(401, "RepoNotFound"), ErrorKind::Denied);
        assert_eq!(kind(404, "RevisionNotFound"), ErrorKind::Interrupted);
        assert_eq!(kind(404, ""), ErrorKind::Interrupted);
        assert_eq!(kind(403, "GatedRepo"), ErrorKind::Denied);
        assert_eq!(kind(401, ""), ErrorKind::Unauthenticated);
        for status in [401, 403, 429, 500, 503, 504] {
            assert!(refusal(status, &[], "").error("x", "y").is_unknown(), "{status}");
        }
    }

    #[test]
    fn bodies_of_every_shape_are_read() {
        assert_eq!(refusal(400, &[], r#"{"error":["a","b"]}"#).message, "a; b");
        assert_eq!(refusal(400, &[], r#"{"error":"x","errors":[{"message":"y"}]}"#).message, "x; y");
        let html = refusal(
            504,
            &[],
            "<html><head><title>504</title></head><body><h1>Gateway 時間切れ</h1></body></html>",
        );
        assert_eq!(html.message, "504 Gateway 時間切れ");
        assert_eq!(html.error("commit to", "me/a").kind, ErrorKind::Interrupted);
        let full = refusal(403, &[], r#"{"error":"Private repository storage limit reached"}"#);
        assert_eq!(full.error("x", "y").kind, ErrorKind::Full);
        let odd = refusal(403, &[], "Your storage patterns tripped our internal systems!");
        assert_eq!(odd.error("x", "y").code, Some(Code::DestinationFull));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(status in 400u16..600, body in any::<String>()) {
            prop_assert!(refusal(status, &[], &body).text().len() < 4096);
        }
    }
}
