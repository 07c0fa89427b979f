//! The spool of the simulation: in memory, without threads, with kills and a full disk on demand.
//!
//! Clones share what lies there, so it outlives a simulated kill; [`MemorySpool::crash`] then cuts
//! what was not finished at a byte that the seed chooses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{PIECE, Spool, SpoolWriter, absent, full, subject};
use crate::clock::Chance;
use crate::error::{ErrorKind, StoreError};
use crate::transport::Body;
use crate::words::{ByteSize, FileId};

/// A spool in memory.
#[derive(Clone, Debug)]
pub struct MemorySpool(Arc<Mutex<Shelf>>);

#[derive(Debug)]
struct Shelf {
    finished: BTreeMap<FileId, Bytes>,
    parts: BTreeMap<FileId, Part>,
    limit: u64,
    used: u64,
    writers: u64,
}

#[derive(Debug, Default)]
struct Part {
    bytes: Vec<u8>,
    /// The writer that may write it; an earlier one is shut.
    writer: u64,
}

impl Default for MemorySpool {
    fn default() -> Self {
        Self::with_limit(ByteSize(u64::MAX))
    }
}

impl MemorySpool {
    /// Makes an empty one without limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty one whose disk is full beyond so many bytes.
    #[must_use]
    pub fn with_limit(limit: ByteSize) -> Self {
        Self(Arc::new(Mutex::new(Shelf {
            finished: BTreeMap::new(),
            parts: BTreeMap::new(),
            limit: limit.0,
            used: 0,
            writers: 0,
        })))
    }

    /// Does to the disk what a kill and a power cut do: every unfinished file ends at a byte of chance,
    /// and no writer of before can write any more.
    pub fn crash(&self, chance: &Chance) {
        let mut shelf = self.shelf();
        shelf.writers += 1;
        let epoch = shelf.writers;
        let mut lost = 0;
        for part in shelf.parts.values_mut() {
            let length = part.bytes.len();
            let keep = usize::try_from(chance.below(length as u64 + 1)).unwrap_or(length);
            part.bytes.truncate(keep);
            part.writer = epoch;
            lost += (length - keep) as u64;
        }
        shelf.used -= lost;
    }

    /// Cuts a finished file at a byte, as somebody who meddles with the folder would.
    pub fn damage(&self, file: FileId, keep: u64) {
        let mut shelf = self.shelf();
        let Some(bytes) = shelf.finished.get_mut(&file) else { return };
        let before = bytes.len();
        bytes.truncate(usize::try_from(keep).unwrap_or(before));
        let lost = before - bytes.len();
        shelf.used -= lost as u64;
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn finish(&mut self, file: FileId, bytes: Bytes) -> ByteSize {
        let size = ByteSize(bytes.len() as u64);
        if let Some(earlier) = self.finished.insert(file, bytes) {
            self.used -= earlier.len() as u64;
        }
        size
    }

    fn drop_part(&mut self, file: FileId) {
        if let Some(part) = self.parts.remove(&file) {
            self.used -= part.bytes.len() as u64;
        }
    }
}

#[async_trait]
impl Spool for MemorySpool {
    async fn writer(&self, file: FileId, from: u64) -> Result<Box<dyn SpoolWriter>, StoreError> {
        let mut shelf = self.shelf();
        shelf.writers += 1;
        let writer = shelf.writers;
        let part = shelf.parts.entry(file).or_default();
        part.writer = writer;
        let found = part.bytes.len();
        let Some(keep) = usize::try_from(from).ok().filter(|from| *from <= found) else {
            return Err(absent("open", file, &format!("only {found} of {from} bytes lie there")));
        };
        part.bytes.truncate(keep);
        shelf.used -= (found - keep) as u64;
        drop(shelf);
        Ok(Box::new(MemoryWriter { spool: self.clone(), file, writer }))
    }

    async fn partial(&self, file: FileId) -> Result<Option<ByteSize>, StoreError> {
        Ok(self.shelf().parts.get(&file).map(|part| ByteSize(part.bytes.len() as u64)))
    }

    async fn size(&self, file: FileId) -> Result<Option<ByteSize>, StoreError> {
        Ok(self.shelf().finished.get(&file).map(|bytes| ByteSize(bytes.len() as u64)))
    }

    async fn read(&self, file: FileId, from: u64) -> Result<Body, StoreError> {
        let bytes = self.shelf().finished.get(&file).cloned();
        let bytes = bytes.ok_or_else(|| absent("read", file, "it is not there"))?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        Ok(body(bytes.slice(from..)))
    }

    async fn read_partial(&self, file: FileId) -> Result<Body, StoreError> {
        let bytes = self.shelf().parts.get(&file).map(|part| Bytes::copy_from_slice(&part.bytes));
        Ok(body(bytes.ok_or_else(|| absent("read", file, "it is not there"))?))
    }

    async fn remove(&self, file: FileId) -> Result<(), StoreError> {
        let mut shelf = self.shelf();
        shelf.drop_part(file);
        if let Some(bytes) = shelf.finished.remove(&file) {
            shelf.used -= bytes.len() as u64;
        }
        Ok(())
    }

    async fn used(&self) -> Result<ByteSize, StoreError> {
        Ok(ByteSize(self.shelf().used))
    }

    async fn lying(&self, shard: u8) -> Result<Vec<FileId>, StoreError> {
        let shelf = self.shelf();
        let mut ids: Vec<FileId> = shelf.finished.keys().chain(shelf.parts.keys()).copied().collect();
        ids.retain(|id| id.0.to_le_bytes().first() == Some(&shard));
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Reads the file from the real disk, on this thread.
    async fn adopt(&self, file: FileId, path: &Path) -> Result<ByteSize, StoreError> {
        let named = path.display().to_string();
        let metadata = std::fs::symlink_metadata(path).map_err(|error| {
            StoreError::new(ErrorKind::NotFound, "adopt", named.clone(), "it is not there").with_source(error)
        })?;
        if !metadata.is_file() {
            return Err(StoreError::new(ErrorKind::Unsupported, "adopt", named, "it is not a plain file"));
        }
        let bytes = std::fs::read(path).map_err(|error| {
            StoreError::new(ErrorKind::NotFound, "adopt", named, "it cannot be read").with_source(error)
        })?;
        let mut shelf = self.shelf();
        if shelf.used.saturating_add(bytes.len() as u64) > shelf.limit {
            return Err(full("adopt", subject(file)));
        }
        shelf.drop_part(file);
        shelf.used += bytes.len() as u64;
        Ok(shelf.finish(file, Bytes::from(bytes)))
    }
}

fn body(bytes: Bytes) -> Body {
    let pieces = stream::unfold(bytes, |mut rest| async move {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some((piece, rest))
    });
    Box::pin(pieces.map(Ok))
}

/// Writes one unfinished file.
struct MemoryWriter {
    spool: MemorySpool,
    file: FileId,
    writer: u64,
}

impl MemoryWriter {
    fn shut(&self) -> StoreError {
        StoreError::new(ErrorKind::Stopped, "write", subject(self.file), "the writer was shut")
    }
}

#[async_trait]
impl SpoolWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let mut shelf = self.spool.shelf();
        let room = usize::try_from(shelf.limit - shelf.used).unwrap_or(usize::MAX);
        let Some(part) = shelf.parts.get_mut(&self.file).filter(|part| part.writer == self.writer) else {
            return Err(self.shut());
        };
        // As a disk does: what fits is written before the error.
        let fits = bytes.slice(..bytes.len().min(room));
        part.bytes.extend_from_slice(&fits);
        shelf.used += fits.len() as u64;
        if fits.len() < bytes.len() { Err(full("write", subject(self.file))) } else { Ok(()) }
    }

    async fn finish(self: Box<Self>) -> Result<ByteSize, StoreError> {
        let mut shelf = self.spool.shelf();
        if shelf.parts.get(&self.file).is_none_or(|part| part.writer != self.writer) {
            return Err(self.shut());
        }
        let part = shelf.parts.remove(&self.file).unwrap_or_default();
        Ok(shelf.finish(self.file, Bytes::from(part.bytes)))
    }
}
