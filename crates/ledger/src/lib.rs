//! The ledger of Landfall on SQLite and PostgreSQL, and what is written from it.
//!
//! [`open`] gives a [`landfall_core::ledger::Ledger`] for a URL. This crate knows neither stores nor HTTP;
//! the design is in `docs/ledger.md`.

pub mod backup;
mod error;
pub mod export;
mod lease;
mod open;
mod rows;
mod schema;
mod seal;
mod sql;
mod words;
mod writer;

pub use open::{Options, open, open_with};
