//! Files that a service rewrote after they were uploaded: is everything that it does not own still what was sent?
//!
//! Given the original and the destination's bytes, [`compare`] shows that nothing but the service's own parts
//! differs and names each of those, or refuses with the exact difference. [`fingerprint`] keeps what is needed of
//! the original, so that a later [`compare_parts`] wants the destination's bytes only. Both read through
//! `Read + Seek`, with memory that does not depend on the file, and take every file to be hostile.
//!
//! Knows no network, no clock, no ledger and no engine. `docs/rewrite.md` has the design and says what a proof of
//! each format proves; the closed lists of what the service may own stand in `owned.rs`.

mod error;
mod format;
mod frame;
mod hash;
mod html;
mod input;
mod jpeg;
mod judge;
mod limits;
mod ole;
mod ooxml;
mod owned;
mod parts;
mod pdf;
mod png;
mod xml;
mod zip;

pub use error::{Reason, Refusal, RewriteError, Side};
pub use format::Format;
pub use hash::{Mark, Sha256};
pub use input::ReadSeek;
pub use judge::{compare, compare_parts, fingerprint};
pub use limits::Limits;
pub use parts::{Body, Change, Entries, How, Insertion, Part, Parts, Proves, Rewrite};
