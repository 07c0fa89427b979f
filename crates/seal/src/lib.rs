//! The rclone crypt format: what Landfall seals, rclone opens, and the other way round.
//!
//! Owns the derivation of keys from two passwords, the encoding of names, the sealing of content, and
//! the reading of `rclone.conf`. Refuses to know jobs, ledgers, stores, the environment, the clock and
//! the source of randomness: whoever calls passes in nonces, looked-up variables and file contents.
//!
//! Source: rclone's documentation and behaviour (1.75.2, observed 2026-11); `docs/seal.md` has the design.

mod check;
mod cipher;
mod config;
mod content;
mod error;
mod keys;
mod names;

pub use check::{CHECK_BYTES, KeyCheck, check_block};
pub use cipher::{Cipher, NameEncoding, NameMode, Options};
pub use config::{ConfigFile, Places, Remote, obscure, reveal};
pub use content::{
    BLOCK, Content, HEADER, Nonce, Opener, Passed, SEALED_BLOCK, Sealer, Window, open_file, opened_size,
    read_header, seal_file, sealed_size,
};
pub use error::SealError;
pub use keys::Keys;
