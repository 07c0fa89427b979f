//! Words, states, proof, seams and the engine of Landfall.
//!
//! This crate owns what a file's journey *is*: the vocabulary ([`words`]), the states and the one
//! function that changes them ([`state`]), what counts as proof ([`proof`]), the seams to stores,
//! ledgers and transports, pacing, and the engine that drives them. It has no network, no database,
//! no terminal, and knows no cloud by name.

pub mod clock;
pub mod code;
pub mod digest;
pub mod engine;
pub mod error;
pub mod held;
pub mod ledger;
pub mod memo;
pub mod pacing;
pub mod proof;
pub mod rewriting;
pub mod row;
pub mod seal;
pub mod spool;
pub mod state;
pub mod store;
pub mod transport;
pub mod words;

pub use clock::{Chance, Clock, SystemClock, VirtualClock};
pub use code::Code;
pub use digest::{Algo, Digest, Digests, Hasher};
pub use error::{ErrorKind, Look, Retry, StoreError};
pub use words::{ByteSize, Epoch, FileId, FolderId, JobId, RelPath, RunId, SourceId, Times};
