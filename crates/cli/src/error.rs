//! What a person is told when something goes wrong, and what the shell is told: made in this one place.
//!
//! Every error has a code, a title and a remedy (both from the catalogue), and the chain of what lies
//! beneath. It knows no store and no ledger, only their one error type.

use std::process::ExitCode;

use landfall_core::{Code, ErrorKind, StoreError};

/// What the process ends with, the gravest last, so that the greater of two is the one to end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything has made landfall.
    Complete,
    /// Something is NG, DUPE, skipped or not done.
    Incomplete,
    /// A second look disagrees with the first.
    Findings,
    /// It could not be looked.
    Unknown,
    /// Ledger or spool cannot be used.
    Storage,
    /// The destination is full or gone.
    Destination,
    /// Credentials or permissions are missing.
    Credentials,
    /// Usage or configuration.
    Usage,
    /// Interrupted, and resumable.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::Credentials => 3,
            Self::Destination => 5,
            Self::Findings => 6,
            Self::Unknown => 7,
            Self::Storage => 8,
            Self::Interrupted => 130,
        }
    }

    /// The exit that belongs to a code.
    fn of(code: Code) -> Self {
        match code {
            Code::NoOneDrive
            | Code::SiteNotFound
            | Code::LibraryNotFound
            | Code::SourceNotFound
            | Code::DestinationIsFile
            | Code::RequiredColumns => Self::Usage,
            Code::DestinationFull | Code::DestinationLocked | Code::DriveGone => Self::Destination,
            Code::RepositoryDenied => Self::Credentials,
            Code::Incomplete | Code::CatalogueConflict => Self::Incomplete,
            Code::CouldNotLook => Self::Unknown,
            Code::AuditDiffers | Code::Findings => Self::Findings,
            Code::Interrupted => Self::Interrupted,
            Code::Internal => Self::Storage,
            other => match other.number() / 100 {
                2 => Self::Credentials,
                4 => Self::Unknown,
                5 => Self::Storage,
                _ => Self::Usage,
            },
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// An error that ends a command.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct CommandError {
    /// Its stable code.
    pub(crate) code: Code,
    /// What the process ends with.
    pub(crate) exit: Exit,
    /// The chain of lowercase fragments; may have several lines where a file is shown.
    pub(crate) detail: String,
    /// A remedy for this very case, where the catalogue's is too general.
    pub(crate) hint: Option<String>,
    /// The catalogue's key of a title for this very case.
    heading: Option<&'static str>,
}

impl CommandError {
    /// An error with the exit that belongs to its code.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, exit: Exit::of(code), detail: detail.into(), hint: None, heading: None }
    }

    /// Says what helps in this very case.
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Gives it a title of its own, by its key in the catalogue.
    pub(crate) fn titled(mut self, key: &'static str) -> Self {
        self.heading = Some(key);
        self
    }

    fn title_key(&self) -> String {
        self.heading.map_or_else(|| format!("code.{}.title", self.code), str::to_owned)
    }

    /// The title in the user's language.
    pub(crate) fn title(&self) -> String {
        crate::ui::word(&self.title_key())
    }

    /// The remedy in the user's language.
    pub(crate) fn remedy(&self) -> String {
        self.hint.clone().unwrap_or_else(|| crate::ui::word(&format!("code.{}.remedy", self.code)))
    }

    /// The error for machines, in English.
    pub(crate) fn json(&self) -> serde_json::Value {
        let code = self.code.to_string();
        serde_json::json!({
            "code": code,
            "title": crate::ui::english(&self.title_key()),
            "detail": self.detail,
            "next": self.hint.clone().unwrap_or_else(|| crate::ui::english(&format!("code.{code}.remedy"))),
        })
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let code = error.code.unwrap_or(match error.kind {
            ErrorKind::Denied => Code::PermissionMissing,
            ErrorKind::Unauthenticated => Code::TokenRefused,
            ErrorKind::Throttled => Code::ThrottledTooLong,
            ErrorKind::Locked => Code::DestinationLocked,
            ErrorKind::Full => Code::DestinationFull,
            ErrorKind::Interrupted => Code::Unreachable,
            ErrorKind::Stopped => Code::Interrupted,
            _ => Code::UnexpectedAnswer,
        });
        Self::new(code, error.chain())
    }
}

#[cfg(test)]
mod tests;
