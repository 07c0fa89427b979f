//! File errors named by remedy, and the one way to a blocking thread.

use std::io::{self, ErrorKind as Io};

use landfall_core::state::Reason;
use landfall_core::{Code, ErrorKind, StoreError};

/// Which end of a job a folder is: the same file error has another remedy at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// Names a file error by its remedy.
pub(super) fn named(side: Side, operation: &'static str, subject: &str, error: io::Error) -> StoreError {
    let destination = side == Side::Destination;
    let make = |kind, detail: &str| StoreError::new(kind, operation, subject, detail);
    let made = match error.kind() {
        Io::NotFound if destination => make(ErrorKind::NotFound, "it is not there"),
        Io::NotFound => make(ErrorKind::NotFound, "it is not there").with_reason(Reason::SourceGone),
        Io::AlreadyExists => make(ErrorKind::Exists, "something stands there already"),
        Io::NotADirectory if destination => {
            make(ErrorKind::Exists, "a file stands where a folder must be").with_reason(Reason::FolderIsFile)
        }
        Io::NotADirectory => make(ErrorKind::NotFound, "its folder is no folder any more"),
        Io::StorageFull | Io::QuotaExceeded => make(ErrorKind::Full, "no space is left")
            .with_code(Code::DestinationFull)
            .with_reason(Reason::DestinationFull),
        Io::FileTooLarge => make(ErrorKind::Unsupported, "the file system takes no file so large")
            .with_reason(Reason::TooLarge),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            let reason = if destination { Reason::DestinationDenied } else { Reason::SourceDenied };
            make(ErrorKind::Denied, "we may not").with_reason(reason)
        }
        Io::InvalidFilename => make(ErrorKind::Unsupported, "the file system cannot hold this name")
            .with_reason(Reason::NameIllegal),
        Io::CrossesDevices => {
            make(ErrorKind::Unsupported, "another file system is mounted within the destination folder")
                .with_reason(Reason::Rejected)
        }
        Io::InvalidInput => make(ErrorKind::Unsupported, "it cannot be named so here"),
        _ => make(ErrorKind::Interrupted, "the file system failed"),
    };
    made.with_source(error)
}

/// Runs a file call on a blocking thread. Cancelled, the call still runs to its end.
pub(super) async fn blocking<T: Send + 'static>(
    side: Side,
    operation: &'static str,
    subject: &str,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| named(side, operation, subject, error)),
        Err(join) => Err(named(side, operation, subject, io::Error::other(join))),
    }
}
