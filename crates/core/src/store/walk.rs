//! Folders of a destination by their path from the root.

use super::{Destination, Found};
use crate::error::{ErrorKind, Look, StoreError};
use crate::words::{ItemKey, RelPath};

/// The id of a folder by its path from the root; `None` where no folder stands there.
///
/// # Errors
/// Where it cannot be looked: unknown is not absent.
pub async fn folder_at(destination: &dyn Destination, path: &RelPath) -> Result<Option<ItemKey>, StoreError> {
    let mut at = destination.root();
    for name in path.segments() {
        match destination.find(&at, name).await {
            Look::Present(Found::Folder(key)) => at = key,
            Look::Present(Found::File(_)) | Look::Absent => return Ok(None),
            Look::Unknown(error) => return Err(error),
        }
    }
    Ok(Some(at))
}

/// The same, made where it is missing, with everything above it. Repeating it changes nothing.
///
/// # Errors
/// As `ensure_folder`.
pub async fn make_folder_at(destination: &dyn Destination, path: &RelPath) -> Result<ItemKey, StoreError> {
    let (mut at, mut walked) = (destination.root(), RelPath::root());
    for name in path.segments() {
        walked = walked.join(name).map_err(|error| {
            StoreError::new(ErrorKind::Unsupported, "make folder", name, error.to_string())
        })?;
        at = destination.ensure_folder(&at, name, &walked).await?;
    }
    Ok(at)
}
