//! Stores of Landfall: places that files come from and go to, and the wire under them.
//!
//! Each store implements the seams of `landfall_core::store` and nothing else. This crate knows no
//! ledger, no terminal and no environment: whoever makes a store passes in everything it needs.

pub mod catalogue;
pub mod fs;
pub mod graph;
pub mod hub;
pub mod rewriting;
pub mod seal;
pub mod wire;
