//! The transformations of one name.
//!
//! `eme` encrypts, `encoding` and `base32768` spell, `obfuscate` turns letters, `version` takes a
//! version out of a name and puts it back. None of them knows paths or options; see `cipher`.

mod base32768;
mod eme;
pub(crate) mod encoding;
pub(crate) mod obfuscate;
pub(crate) mod version;

pub(crate) use eme::Eme;
