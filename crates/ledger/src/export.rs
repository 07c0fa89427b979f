//! What is written from the ledger for people, and what people's files are read back as.
//!
//! [`index`] writes the crawl's snapshot, [`csv`] the log with one row a file, [`edits`] takes a log
//! that somebody changed, [`import`] takes logs, indexes and spooled bytes of older scripts. Everything
//! here goes through the ledger's trait and the paths it is given; it knows no database, no store, no
//! environment and no terminal. A file is replaced through a temporary one, fsync and rename, so a kill at
//! any byte leaves the old or the new one. Formats: `docs/log.md`.

pub mod csv;
pub mod edits;
pub mod import;
pub mod index;

mod bounded;
mod file;
#[cfg(test)]
mod fixture;
mod locate;
mod naming;
mod reading;
mod stamp;

pub use bounded::Noticed;
pub use stamp::Stamp;
