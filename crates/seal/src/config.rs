//! `rclone.conf`, read as rclone reads it.
//!
//! Owns the syntax of the file, its encrypted form, obscured passwords, overrides by environment, and the
//! making of a cipher from a remote. Reads no file and no variable itself: text and a function that looks
//! variables up are passed in. Knows no type of remote but `crypt`.
//! Source: rclone's documentation; behaviour observed with 1.75.2.

mod encrypted;
mod ini;
mod obscured;
mod places;
mod remote;

pub use ini::ConfigFile;
pub use obscured::{obscure, reveal};
pub use places::Places;
pub use remote::Remote;
