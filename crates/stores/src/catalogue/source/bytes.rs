//! The bytes of slots: hashed once, opened for reading, shown to be unchanged.

use std::io::{self, ErrorKind as Io, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use ::bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::stream;
use landfall_core::error::Retry;
use landfall_core::state::Reason;
use landfall_core::store::Entry;
use landfall_core::transport::{Body, Stage, TransportError};
use landfall_core::{ByteSize, ErrorKind, RelPath, StoreError};
use sha2::Digest as _;

use super::super::local::{LocalFiles, local_error};
use super::super::names::Folder;
use super::Inner;
use super::slot::{AtHand, Lies, Stand};

/// The largest piece read at once.
const PIECE: u64 = 512 * 1024;

/// Our own folder for media of tables that record no local files.
#[derive(Clone, Debug)]
pub(super) struct Scratch(Arc<PathBuf>);

impl Scratch {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(path))
    }

    /// Opens a folder of it, making what is missing. Pictures and videos lie apart: they may share a stem.
    pub(super) fn folder(&self, table: &str, kind: Folder) -> io::Result<Dir> {
        std::fs::create_dir_all(self.0.as_path())?;
        let root = Dir::open_ambient_dir(self.0.as_path(), ambient_authority())?;
        let within = format!("{table}/{}", kind.name());
        root.create_dir_all(&within)?;
        root.open_dir(&within)
    }

    fn open(&self, path: &RelPath) -> io::Result<(std::fs::File, ByteSize, i128)> {
        let root = Dir::open_ambient_dir(self.0.as_path(), ambient_authority())?;
        let file = root.open(path.as_str())?;
        let metadata = file.metadata()?;
        Ok((file.into_std(), ByteSize(metadata.len()), super::super::local::modified(&metadata)))
    }

    /// Deletes a file that is no longer needed; nothing happens where there is none.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let path = RelPath::new(path).map_err(|error| io::Error::new(Io::InvalidInput, error))?;
        let removed = Dir::open_ambient_dir(self.0.as_path(), ambient_authority())
            .and_then(|root| root.remove_file(path.as_str()));
        match removed {
            Err(error) if error.kind() != Io::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Opens a file wherever it lies.
pub(super) fn open(
    local: &LocalFiles,
    scratch: &Scratch,
    lies: Lies,
    path: &str,
) -> io::Result<(std::fs::File, ByteSize, i128)> {
    let path = RelPath::new(path).map_err(|error| io::Error::new(Io::InvalidInput, error))?;
    match lies.folder() {
        Some(root) => local.open(root, &path),
        None => scratch.open(&path),
    }
}

/// Reads a whole file through SHA-256. Blocking.
pub(super) fn hash(local: &LocalFiles, scratch: &Scratch, lies: Lies, path: &str) -> io::Result<AtHand> {
    let (mut file, _, modified) = open(local, scratch, lies, path)?;
    let mut sha256 = sha2::Sha256::new();
    let mut size = 0_u64;
    let mut piece = vec![0; 128 * 1024];
    loop {
        let read = file.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sha256.update(bytes);
        size += bytes.len() as u64;
    }
    let sha256 = sha256.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(AtHand { lies, path: path.to_owned(), size, modified: modified.to_string(), sha256 })
}

impl Inner {
    /// Reads a file through SHA-256 on a blocking thread.
    pub(super) async fn hashed(&self, lies: Lies, path: &str) -> Result<AtHand, StoreError> {
        let (local, scratch, owned) = (self.local.clone(), self.scratch.clone(), path.to_owned());
        let call = move || hash(&local, &scratch, lies, &owned);
        blocking(call).await.map_err(|error| local_error("hash", path, error))
    }

    /// The file of an entry, where it still holds the bytes that were recorded. Only a file whose size and
    /// time are the recorded ones is believed unread.
    pub(super) async fn unchanged(&self, entry: &Entry) -> Result<AtHand, StoreError> {
        let gone = |detail: &str| {
            StoreError::new(ErrorKind::NotFound, "open", entry.name.clone(), detail)
                .with_reason(Reason::LocalFileMissing)
        };
        let outcome = self.outcome(&entry.key.0).await?;
        let file = outcome
            .filter(|outcome| matches!(outcome.stand, Stand::Ready | Stand::Done))
            .and_then(|outcome| outcome.file)
            .ok_or_else(|| gone("its bytes are not at hand"))?;
        let (local, scratch, at) = (self.local.clone(), self.scratch.clone(), file.clone());
        let looked = blocking(move || open(&local, &scratch, at.lies, &at.path)).await;
        let (_, size, modified) = looked.map_err(|error| match error.kind() {
            Io::NotFound | Io::NotADirectory => gone("the local file is not there").with_source(error),
            _ => local_error("open", &entry.name, error),
        })?;
        let changed = |detail: &str| {
            StoreError::new(ErrorKind::Changed, "open", entry.name.clone(), detail)
                .with_retry(Retry::Never)
                .with_reason(Reason::LocalFileChanged)
        };
        if entry.digests.sha256.as_ref().is_some_and(|d| d.hex() != file.sha256) || entry.size.0 != file.size
        {
            return Err(changed("it is not what was listed"));
        }
        if size.0 == 0 && file.size != 0 {
            let detail = "the local file has no bytes any more";
            return Err(changed(detail).with_reason(Reason::LocalFileEmpty));
        }
        if size.0 != file.size {
            return Err(changed("the local file has another size than when it was recorded"));
        }
        if modified.to_string() != file.modified
            && self.hashed(file.lies, &file.path).await?.sha256 != file.sha256
        {
            return Err(changed("the local file has other bytes than when it was recorded"));
        }
        Ok(file)
    }

    /// The bytes of a file from an offset on, at most one more than were recorded.
    pub(super) async fn body(&self, entry: &Entry, file: &AtHand, from: u64) -> Result<Body, StoreError> {
        self.read(&entry.name, file, from).await
    }

    /// Opens a file from an offset on; one byte more than it should have is read, so that growth is seen.
    pub(super) async fn read(&self, name: &str, file: &AtHand, from: u64) -> Result<Body, StoreError> {
        let (local, scratch, at) = (self.local.clone(), self.scratch.clone(), file.clone());
        let most = file.size.saturating_sub(from).saturating_add(1);
        let opened = blocking(move || {
            let (mut file, _, _) = open(&local, &scratch, at.lies, &at.path)?;
            file.seek(SeekFrom::Start(from))?;
            Ok(file)
        });
        let file = opened.await.map_err(|error| local_error("open", name, error))?;
        Ok(Box::pin(stream::try_unfold((file, most), piece)))
    }
}

type Reading = (std::fs::File, u64);

/// Reads the next piece; the file travels to the blocking thread and back.
async fn piece((mut file, left): Reading) -> Result<Option<(Bytes, Reading)>, TransportError> {
    let want = left.min(PIECE);
    let read = blocking(move || {
        let mut piece = Vec::with_capacity(usize::try_from(want).unwrap_or_default());
        (&mut file).take(want).read_to_end(&mut piece)?;
        Ok((Bytes::from(piece), file))
    });
    let broken = |error: io::Error| TransportError { stage: Stage::Body, detail: error.to_string() };
    let (piece, file) = read.await.map_err(broken)?;
    let left = left.saturating_sub(piece.len() as u64);
    Ok((!piece.is_empty()).then_some((piece, (file, left))))
}

/// Runs a file call on a blocking thread. Cancelled, the call still runs to its end.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|join| Err(io::Error::other(join)))
}
