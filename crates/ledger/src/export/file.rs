//! Files that are replaced whole: temporary file, fsync, rename, fsync of the folder.
//!
//! A kill leaves the old file or the new one, and at most one temporary file, which the next write of
//! the same output takes over.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use landfall_core::{Algo, Code, Digest, ErrorKind, StoreError};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes read at a time; hashing them takes well under a millisecond.
const CHUNK: usize = 128 * 1024;

/// A file being written beside the one that it will replace.
#[derive(Debug)]
pub(super) struct Replacement {
    file: tokio::fs::File,
    temp: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Begins the temporary file; the folder is made where it is missing.
    pub(super) async fn begin(path: &Path) -> Result<Self, StoreError> {
        let temp = temp_of(path);
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|e| unusable("write", folder, e))?;
        }
        let file = tokio::fs::File::create(&temp).await.map_err(|e| unusable("write", &temp, e))?;
        Ok(Self { file, temp, path: path.to_owned() })
    }

    /// Makes everything written durable; the rename is still to come.
    pub(super) async fn seal(&mut self) -> Result<(), StoreError> {
        self.file.flush().await.map_err(|e| unusable("write", &self.temp, e))?;
        self.file.sync_all().await.map_err(|e| unusable("write", &self.temp, e))
    }

    /// Puts the sealed file into place; durable when it returns.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        drop(self.file);
        tokio::fs::rename(&self.temp, &self.path).await.map_err(|e| unusable("replace", &self.path, e))?;
        sync_folder(&self.path).await
    }

    /// Drops the temporary file.
    pub(super) async fn discard(self) -> Result<(), StoreError> {
        drop(self.file);
        tokio::fs::remove_file(&self.temp).await.map_err(|e| unusable("remove", &self.temp, e))
    }
}

impl AsyncWrite for Replacement {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.file).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_shutdown(cx)
    }
}

/// The temporary file of an output.
pub(super) fn temp_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// The SHA-256 of a file in hex; `None` where there is none.
pub(super) async fn digest_of(path: &Path) -> Result<Option<String>, StoreError> {
    let mut file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable("read", path, error)),
    };
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; CHUNK];
    loop {
        let read = file.read(&mut buffer).await.map_err(|e| unusable("read", path, e))?;
        if read == 0 {
            return Ok(Some(hex(&hash.finalize())));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

/// Lower case hex of a SHA-256.
pub(super) fn hex(bytes: &[u8]) -> String {
    Digest::new(Algo::Sha256, bytes).map(|d| d.hex()).unwrap_or_default()
}

/// Copies a file durably to another name and returns the SHA-256 of what was copied.
///
/// The copy is what a caller then reads, so that somebody who saves the file meanwhile cannot make the
/// backup and the reading differ.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<String, StoreError> {
    let mut source = tokio::fs::File::open(from).await.map_err(|e| unusable("read", from, e))?;
    let mut copy = Replacement::begin(to).await?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; CHUNK];
    loop {
        let read = source.read(&mut buffer).await.map_err(|e| unusable("read", from, e))?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        hash.update(bytes);
        copy.write_all(bytes).await.map_err(|e| unusable("write", to, e))?;
    }
    copy.seal().await?;
    copy.commit().await?;
    Ok(hex(&hash.finalize()))
}

/// Makes a rename in a file's folder durable.
#[cfg(unix)]
async fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let open = tokio::fs::File::open(folder).await.map_err(|e| unusable("write", folder, e))?;
    open.sync_all().await.map_err(|e| unusable("write", folder, e))
}

/// A rename is durable by itself where folders cannot be opened as files.
#[cfg(not(unix))]
async fn sync_folder(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// An output that cannot be read or written: the state folder is at fault.
pub(super) fn unusable(operation: &'static str, path: &Path, error: io::Error) -> StoreError {
    let (kind, detail) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (ErrorKind::Full, "the disk is full"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Denied, "the folder or file is not writable")
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "it does not exist"),
        _ => (ErrorKind::Interrupted, "the file system failed"),
    };
    StoreError::new(kind, operation, path.display().to_string(), detail)
        .with_code(Code::StateFolder)
        .with_source(error)
}

/// Work on another thread that did not come to its end.
pub(super) fn broken(operation: &'static str, error: tokio::task::JoinError) -> StoreError {
    StoreError::new(ErrorKind::Interrupted, operation, "worker thread", "the work was cut off")
        .with_code(Code::Internal)
        .with_source(error)
}
