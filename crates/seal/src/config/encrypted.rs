//! The encrypted form of `rclone.conf`.
//!
//! A line `RCLONE_ENCRYPT_V0:`, then base64 of a nonce and a secretbox of the text. The key is one SHA-256
//! of the password, without salt: weak against guessing, and rclone's choice. Does not know the syntax
//! of what is inside, nor where the password comes from.

use data_encoding::BASE64;
use dryoc::classic::crypto_secretbox::crypto_secretbox_open_easy;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::content::TAG;
use crate::error::SealError;

const MARK: &str = "RCLONE_ENCRYPT_V0:";
const MARK_OF_ANY_VERSION: &str = "RCLONE_ENCRYPT_V";

/// The base64 part and its line, where the text is encrypted.
pub(super) fn sealed_part(text: &str) -> Result<Option<(String, usize)>, SealError> {
    let mut lines = text.lines().enumerate();
    for (index, line) in &mut lines {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line == MARK {
            return Ok(Some((lines.flat_map(|(_, line)| line.trim().chars()).collect(), index + 2)));
        }
        if line.starts_with(MARK_OF_ANY_VERSION) {
            return Err(SealError::ConfigVersion { version: line.chars().take(40).collect() });
        }
        break;
    }
    Ok(None)
}

/// Decrypts the part that [`sealed_part`] found.
pub(super) fn open(part: &str, line: usize, password: &SecretString) -> Result<Zeroizing<String>, SealError> {
    let unreadable = |why| SealError::ConfigUnreadable { line, why };
    let bytes = BASE64.decode(part.as_bytes()).map_err(|_| unreadable("it is not base64"))?;
    let (nonce, sealed) =
        bytes.split_first_chunk::<24>().ok_or_else(|| unreadable("the encrypted part is too short"))?;
    if sealed.len() < TAG {
        return Err(unreadable("the encrypted part is too short"));
    }
    let mut plain = Zeroizing::new(vec![0; sealed.len() - TAG]);
    crypto_secretbox_open_easy(&mut plain, sealed, nonce, &key(password))
        .map_err(|_| SealError::ConfigPasswordWrong)?;
    let text = std::str::from_utf8(&plain).map_err(|_| unreadable("its content is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn key(password: &SecretString) -> Zeroizing<[u8; 32]> {
    let normal: Zeroizing<String> = Zeroizing::new(password.expose_secret().nfkc().collect());
    let mut hash = Sha256::new();
    hash.update(b"[");
    hash.update(normal.as_bytes());
    hash.update(b"][rclone-config]");
    Zeroizing::new(hash.finalize().into())
}
