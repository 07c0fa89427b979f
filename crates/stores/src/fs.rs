//! Local folders as source and as destination, through `cap-std`: no path leads out of the root.
//!
//! A key is the path below the root, so a rename is a file gone and a new one. Links are never
//! followed and nothing is ever overwritten. The destination keeps its own things in `.landfall` at its
//! root (unfinished uploads, replaced files), which no listing shows. It knows no ledger and no digest:
//! proofs read back. The second implementation of the seams, there to keep them honest.

mod children;
mod destination;
mod errors;
mod names;
mod place;
mod source;
mod upload;
mod walk;

pub use destination::FsDestination;
pub use source::FsSource;

#[cfg(test)]
mod tests;
