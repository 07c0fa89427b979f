//! The spool on a real disk: blocking file calls on tokio's blocking threads, one call a piece.
//!
//! A call that was begun goes on when its task is cancelled. So the open file of a writer lies in a
//! slot that the next writer of the same file empties, waiting for a call under way: late bytes of a
//! cancelled fetch cannot land in the file of the next one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind as Io, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

use super::{PIECE, Spool, SpoolWriter, absent, full, subject};
use crate::code::Code;
use crate::error::{ErrorKind, StoreError};
use crate::state::Reason;
use crate::transport::{Body, Stage, TransportError};
use crate::words::{ByteSize, FileId};

/// The open file of one writer; empty once it was shut or has finished.
type Slot = Mutex<Option<File>>;

/// A spool folder on disk.
#[derive(Clone, Debug)]
pub struct DiskSpool {
    root: Arc<PathBuf>,
    writers: Arc<Mutex<BTreeMap<FileId, Weak<Slot>>>>,
}

impl DiskSpool {
    /// Opens the folder, making it where it is missing, and tries whether it can be written.
    ///
    /// # Errors
    /// Code `SpoolUnusable` or `SpoolFull`.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root: PathBuf = root.into();
        let folder = root.clone();
        blocking("open", root.display().to_string(), move || {
            make_folder(&folder)?;
            // A name that is no number, so it is never taken for a spool file.
            let probe = folder.join("probe");
            let mut file = private().write(true).create(true).truncate(true).open(&probe)?;
            file.write_all(b"landfall")?;
            file.sync_all()?;
            found(fs::remove_file(&probe)).map(drop)
        })
        .await?;
        Ok(Self::at(root))
    }

    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: Arc::new(root.into()), writers: Arc::default() }
    }

    /// A writer on a device of the test's choice.
    #[cfg(test)]
    pub(super) fn writer_on(&self, file: FileId, device: File) -> Box<dyn SpoolWriter> {
        let slot = Arc::new(Mutex::new(Some(device)));
        Box::new(DiskWriter { file, slot, place: Arc::new(self.place(file)) })
    }

    fn place(&self, file: FileId) -> Place {
        let [low, high, ..] = file.0.to_le_bytes();
        let folder = self.root.join(format!("{low:02x}")).join(format!("{high:02x}"));
        Place {
            finished: folder.join(file.0.to_string()),
            part: folder.join(format!("{}.part", file.0)),
            folder,
        }
    }

    fn writers(&self) -> MutexGuard<'_, BTreeMap<FileId, Weak<Slot>>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a new writer's slot in the place of the earlier one, which the caller has to shut.
    fn exchange(&self, file: FileId, slot: Option<&Arc<Slot>>) -> Option<Arc<Slot>> {
        let mut writers = self.writers();
        writers.retain(|_, slot| slot.strong_count() > 0);
        let earlier = match slot {
            Some(slot) => writers.insert(file, Arc::downgrade(slot)),
            None => writers.remove(&file),
        };
        earlier.and_then(|slot| slot.upgrade())
    }
}

/// Where one file lies.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    finished: PathBuf,
    part: PathBuf,
}

#[async_trait]
impl Spool for DiskSpool {
    async fn writer(&self, file: FileId, from: u64) -> Result<Box<dyn SpoolWriter>, StoreError> {
        let place = self.place(file);
        let slot: Arc<Slot> = Arc::default();
        let earlier = self.exchange(file, Some(&slot));
        let opened = Arc::clone(&slot);
        let found = blocking("open", subject(file), move || {
            shut(earlier);
            make_folder(&place.folder)?;
            let mut part = private().read(true).write(true).create(true).truncate(false).open(&place.part)?;
            let found = part.metadata()?.len();
            if found >= from {
                part.set_len(from)?;
                part.seek(SeekFrom::Start(from))?;
                *lock(&opened) = Some(part);
            }
            Ok(found)
        })
        .await?;
        if found < from {
            return Err(absent("open", file, &format!("only {found} of {from} bytes lie there")));
        }
        Ok(Box::new(DiskWriter { file, slot, place: Arc::new(self.place(file)) }))
    }

    async fn partial(&self, file: FileId) -> Result<Option<ByteSize>, StoreError> {
        let place = self.place(file);
        blocking("look", subject(file), move || size_of(&place.part)).await
    }

    async fn size(&self, file: FileId) -> Result<Option<ByteSize>, StoreError> {
        let place = self.place(file);
        blocking("look", subject(file), move || size_of(&place.finished)).await
    }

    async fn read(&self, file: FileId, from: u64) -> Result<Body, StoreError> {
        self.body(file, self.place(file).finished, from).await
    }

    async fn read_partial(&self, file: FileId) -> Result<Body, StoreError> {
        self.body(file, self.place(file).part, 0).await
    }

    async fn remove(&self, file: FileId) -> Result<(), StoreError> {
        let place = self.place(file);
        let earlier = self.exchange(file, None);
        blocking("remove", subject(file), move || {
            shut(earlier);
            for path in [&place.part, &place.finished] {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != Io::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }

    async fn used(&self) -> Result<ByteSize, StoreError> {
        let root = Arc::clone(&self.root);
        blocking("count", root.display().to_string(), move || {
            let mut used = 0;
            for first in 0..=u8::MAX {
                each_file(&root.join(format!("{first:02x}")), &mut |entry| {
                    used += entry.metadata().map_or(0, |m| m.len());
                })?;
            }
            Ok(ByteSize(used))
        })
        .await
    }

    async fn lying(&self, shard: u8) -> Result<Vec<FileId>, StoreError> {
        let folder = self.root.join(format!("{shard:02x}"));
        let mut ids = blocking("list", folder.display().to_string(), move || {
            let mut ids = Vec::new();
            each_file(&folder, &mut |entry| {
                let name = entry.file_name();
                let id =
                    name.to_str().map(|n| n.strip_suffix(".part").unwrap_or(n)).and_then(|n| n.parse().ok());
                ids.extend(id.map(FileId));
            })?;
            Ok(ids)
        })
        .await?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    async fn adopt(&self, file: FileId, path: &Path) -> Result<ByteSize, StoreError> {
        let place = self.place(file);
        let from = path.to_owned();
        let earlier = self.exchange(file, None);
        let named = path.display().to_string();
        let taken = blocking("adopt", named.clone(), move || {
            // An absent original is the caller's matter, an absent spool is not: they are told apart here.
            let Some(metadata) = found(fs::symlink_metadata(&from))? else { return Ok(Adopted::Absent) };
            if !metadata.is_file() {
                return Ok(Adopted::Special);
            }
            shut(earlier);
            make_folder(&place.folder)?;
            found(fs::remove_file(&place.part))?;
            if fs::hard_link(&from, &place.part).is_err() {
                let mut part = private().write(true).create_new(true).open(&place.part)?;
                io::copy(&mut File::open(&from)?, &mut part)?;
            }
            // Windows flushes only what is open for writing.
            let part = OpenOptions::new().read(true).write(cfg!(windows)).open(&place.part)?;
            complete(&part, &place).map(Adopted::Taken)
        })
        .await?;
        match taken {
            Adopted::Taken(size) => Ok(size),
            Adopted::Absent => Err(StoreError::new(ErrorKind::NotFound, "adopt", named, "it is not there")),
            Adopted::Special => {
                Err(StoreError::new(ErrorKind::Unsupported, "adopt", named, "it is not a plain file"))
            }
        }
    }
}

/// What became of an adoption.
enum Adopted {
    Taken(ByteSize),
    Absent,
    Special,
}

impl DiskSpool {
    async fn body(&self, file: FileId, path: PathBuf, from: u64) -> Result<Body, StoreError> {
        let opened = blocking("read", subject(file), move || {
            let Some(mut opened) = found(File::open(path))? else { return Ok(None) };
            opened.seek(SeekFrom::Start(from))?;
            Ok(Some(opened))
        })
        .await?;
        let Some(opened) = opened else { return Err(absent("read", file, "it is not there")) };
        Ok(Box::pin(stream::try_unfold(opened, piece)))
    }
}

/// Reads the next piece; the file travels to the blocking thread and back.
async fn piece(mut file: File) -> Result<Option<(Bytes, File)>, TransportError> {
    let broken = |detail: String| TransportError { stage: Stage::Body, detail };
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(PIECE);
        let limit = u64::try_from(PIECE).unwrap_or(u64::MAX);
        let read = (&mut file).take(limit).read_to_end(&mut piece);
        read.map(|_| (Bytes::from(piece), file))
    });
    let (piece, file) = read.await.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.to_string()))?;
    Ok((!piece.is_empty()).then_some((piece, file)))
}

/// Writes one `.part`.
struct DiskWriter {
    file: FileId,
    slot: Arc<Slot>,
    place: Arc<Place>,
}

#[async_trait]
impl SpoolWriter for DiskWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let slot = Arc::clone(&self.slot);
        blocking("write", subject(self.file), move || match lock(&slot).as_mut() {
            Some(part) => part.write_all(&bytes),
            None => Err(was_shut()),
        })
        .await
    }

    async fn finish(self: Box<Self>) -> Result<ByteSize, StoreError> {
        let (slot, place) = (Arc::clone(&self.slot), Arc::clone(&self.place));
        blocking("finish", subject(self.file), move || {
            let mut slot = lock(&slot);
            let part = slot.take().ok_or_else(was_shut)?;
            complete(&part, &place)
        })
        .await
    }
}

fn was_shut() -> io::Error {
    io::Error::new(Io::BrokenPipe, "another writer of the same file was opened, or it was removed")
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<File>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the call under way of an earlier writer and takes its file from it.
fn shut(earlier: Option<Arc<Slot>>) {
    if let Some(slot) = earlier {
        drop(lock(&slot).take());
    }
}

/// Makes a `.part` the finished file, durably.
fn complete(part: &File, place: &Place) -> io::Result<ByteSize> {
    part.sync_all()?;
    let size = part.metadata()?.len();
    fs::rename(&place.part, &place.finished)?;
    sync_folder(&place.folder)?;
    Ok(ByteSize(size))
}

/// Makes a folder and those above it, each durable in its parent.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() != Io::AlreadyExists || !folder.is_dir() => return Err(error),
        _ => {}
    }
    parent.map_or(Ok(()), sync_folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be synced here; the platform's journal has to do.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Options for files that only we may read, where the platform has modes.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn size_of(path: &Path) -> io::Result<Option<ByteSize>> {
    Ok(found(fs::metadata(path))?.map(|metadata| ByteSize(metadata.len())))
}

/// Visits the files of one of the 256 first-level folders.
fn each_file(first: &Path, visit: &mut dyn FnMut(&fs::DirEntry)) -> io::Result<()> {
    let Some(seconds) = found(fs::read_dir(first))? else { return Ok(()) };
    for second in seconds {
        let second = second?;
        if !second.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(second.path())? {
            visit(&entry?);
        }
    }
    Ok(())
}

/// Runs a file call on a blocking thread and names what went wrong.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    subject: String,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let error = match tokio::task::spawn_blocking(call).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(join) => io::Error::other(join),
    };
    Err(match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => full(operation, subject).with_source(error),
        Io::BrokenPipe => {
            StoreError::new(ErrorKind::Stopped, operation, subject, "the writer was shut").with_source(error)
        }
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            unusable(ErrorKind::Denied, operation, subject, error)
        }
        _ => unusable(ErrorKind::Rejected, operation, subject, error),
    })
}

fn unusable(kind: ErrorKind, operation: &'static str, subject: String, error: io::Error) -> StoreError {
    StoreError::new(kind, operation, subject, "the spool cannot be used")
        .with_code(Code::SpoolUnusable)
        .with_reason(Reason::SpoolFailed)
        .with_source(error)
}
