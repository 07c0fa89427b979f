//! The ledger of Landfall on SQLite and PostgreSQL, and what is written from it.

pub mod export;
