//! What an outsider can check: the chain of events, the manifest, its signature, and lists for common tools.
//!
//! Owns formats and their checks: the hash chain over events ([`chain`]), the manifest of a job ([`manifest`]),
//! detached signatures in the form of minisign ([`minisign`]), `SHA256SUMS` and BagIt ([`lists`]), and the
//! request for a time stamp ([`timestamp`]). Refuses to know ledgers, stores, the network, the clock and the
//! source of randomness: whoever calls passes in events, entries, moments, seeds and nonces. It reads from
//! `BufRead` and writes to `Write`, in memory that does not grow with the number of files.
//!
//! It stands on nothing of ours, so that an auditor can build and read it alone, and so that core, ledger and
//! engine can each stand on it. `docs/evidence.md` has the formats byte by byte.

pub mod chain;
pub mod digest;
pub mod lists;
pub mod manifest;
pub mod minisign;
pub mod timestamp;

pub use chain::{CanonicalEvent, Head, JobIdentity, Link};
pub use digest::{FileDigest, Hex, QuickXorHash, Sha1, Sha256};
pub use timestamp::time_stamp_request;
