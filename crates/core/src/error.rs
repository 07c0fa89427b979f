//! The one error of stores, ledgers and the engine, named by what the caller can do about it.
//!
//! Rules: the text is a lowercase fragment that names the object; an error shows its source through
//! `source()`, never in its own text; URLs come here without query and userinfo, bodies cut at 1 KiB;
//! a secret never enters. `code` is set where a person has to act, and then the run stops.

use std::time::Duration;

use crate::Code;
use crate::state::Reason;
use crate::words::Quoted;

/// What went wrong, named by remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing is shown not to be there.
    NotFound,
    /// Something already stands under that name.
    Exists,
    /// We may not.
    Denied,
    /// Our credentials were refused.
    Unauthenticated,
    /// Too many requests.
    Throttled,
    /// Somebody holds a lock; later it may work.
    Locked,
    /// No space left at the place written to.
    Full,
    /// The thing changed while we worked on it.
    Changed,
    /// Bytes are not what their digest says.
    Corrupt,
    /// The service holds the file back as infected.
    Malware,
    /// The place cannot hold or do this (a name, a size, a kind).
    Unsupported,
    /// The connection or the service failed; nothing is known of the outcome.
    Interrupted,
    /// The service refuses this request for good.
    Rejected,
    /// We were told to stop.
    Stopped,
}

/// When trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not without a change by somebody.
    Never,
    /// Later, at the caller's own pace.
    Soon,
    /// Not before this much time has passed.
    After(Duration),
}

/// What went wrong with which thing during which operation.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}: {detail}", Quoted(subject))]
pub struct StoreError {
    /// Named by remedy.
    pub kind: ErrorKind,
    /// When trying again makes sense.
    pub retry: Retry,
    /// What was being done, as a verb ("upload", "list").
    pub operation: &'static str,
    /// The thing it was done to, as a person would name it.
    pub subject: String,
    /// What is wrong, a lowercase fragment without full stop.
    pub detail: String,
    /// Set where a person has to act before anything can go on: the run stops with this code.
    pub code: Option<Code>,
    /// Set where the store knows which reason belongs on the file's row.
    pub reason: Option<Reason>,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// Makes an error; its retry follows from its kind until [`StoreError::retry`] says otherwise.
    #[must_use]
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let retry = match kind {
            ErrorKind::Throttled
            | ErrorKind::Interrupted
            | ErrorKind::Locked
            | ErrorKind::Changed
            | ErrorKind::Corrupt => Retry::Soon,
            _ => Retry::Never,
        };
        Self {
            kind,
            retry,
            operation,
            subject: subject.into(),
            detail: detail.into(),
            code: None,
            reason: None,
            source: None,
        }
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Marks an error that a person has to act on.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Says which reason belongs on the row.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Keeps what lies beneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The error and everything beneath it, joined by `: `.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// True where the outcome of the request is not known, so that looking must come before acting.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Interrupted | ErrorKind::Throttled | ErrorKind::Unauthenticated | ErrorKind::Denied
        )
    }
}

/// The answer of looking: unknown is not absent.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Present(T),
    /// It is shown not to be there.
    Absent,
    /// Looking failed; nothing may be concluded.
    Unknown(StoreError),
}
