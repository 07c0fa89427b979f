//! The spool: the local folder where fetched bytes wait, named by file id and never by a remote name.
//!
//! Owns how bytes become durable, what a kill leaves behind, and the budget of bytes on disk. It knows
//! neither rows nor states nor digests: the engine records LOCAL after [`SpoolWriter::finish`] has
//! returned and hashes what it reads. Design: `docs/spool.md`.

mod budget;
mod disk;
mod memory;

pub use budget::{SpoolBudget, SpoolRoom};
pub use disk::DiskSpool;
pub use memory::MemorySpool;

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;

use crate::code::Code;
use crate::error::{ErrorKind, StoreError};
use crate::state::Reason;
use crate::transport::Body;
use crate::words::{ByteSize, FileId};

/// The largest piece that a read gives: what [`crate::store::Content::next`] may pass on.
const PIECE: usize = 512 * 1024;

/// Where fetched bytes wait.
#[async_trait]
pub trait Spool: Send + Sync {
    /// Opens the unfinished file for writing at `from`; what lies there beyond is cut off, and `from` 0
    /// begins anew. An earlier writer of the same file is shut. A finished file stays until `finish`.
    ///
    /// # Errors
    /// `NotFound` where fewer than `from` bytes lie there: fetch again from what [`Spool::partial`] says.
    async fn writer(&self, file: FileId, from: u64) -> Result<Box<dyn SpoolWriter>, StoreError>;

    /// The size of the unfinished file; `None` where there is none. After a power cut (not after a kill)
    /// its last bytes may be zeros.
    async fn partial(&self, file: FileId) -> Result<Option<ByteSize>, StoreError>;

    /// The size of the finished file; `None` where there is none.
    async fn size(&self, file: FileId) -> Result<Option<ByteSize>, StoreError>;

    /// Reads the finished file from an offset on, in pieces of at most 512 KiB; beyond its end, nothing.
    ///
    /// # Errors
    /// `NotFound` where there is no finished file.
    async fn read(&self, file: FileId, from: u64) -> Result<Body, StoreError>;

    /// Reads the unfinished file from its beginning, to hash again what a resumed fetch keeps.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn read_partial(&self, file: FileId) -> Result<Body, StoreError>;

    /// Removes the finished and the unfinished file; nothing happens where there is none.
    async fn remove(&self, file: FileId) -> Result<(), StoreError>;

    /// The bytes that lie here, finished or not, counted anew.
    async fn used(&self) -> Result<ByteSize, StoreError>;

    /// The ids that something lies here of, finished or not, within one of 256 shards, ascending.
    async fn lying(&self, shard: u8) -> Result<Vec<FileId>, StoreError>;

    /// Takes in a file of an older temporary folder as finished, durably. The original stays.
    ///
    /// # Errors
    /// `Unsupported` where it is not a plain file, `NotFound` where it is not there.
    async fn adopt(&self, file: FileId, path: &Path) -> Result<ByteSize, StoreError>;
}

/// Writes one unfinished file from front to back.
#[async_trait]
pub trait SpoolWriter: Send {
    /// Appends bytes. Cancelled, it may have written any part of them, and the writer is of no more use.
    ///
    /// # Errors
    /// `Full` with code `SpoolFull` where there is no room; what was written before stays.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the file finished; the bytes outlive a power cut when it returns. Gives its size.
    async fn finish(self: Box<Self>) -> Result<ByteSize, StoreError>;
}

fn subject(file: FileId) -> String {
    format!("spool file {file}")
}

fn absent(operation: &'static str, file: FileId, detail: &str) -> StoreError {
    StoreError::new(ErrorKind::NotFound, operation, subject(file), detail).with_reason(Reason::SpoolFailed)
}

fn full(operation: &'static str, subject: String) -> StoreError {
    StoreError::new(ErrorKind::Full, operation, subject, "no space is left for the spool")
        .with_code(Code::SpoolFull)
        .with_reason(Reason::SpoolFailed)
}

#[cfg(test)]
mod tests;
