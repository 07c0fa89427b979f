//! Passwords as `rclone obscure` writes them: AES-256-CTR with a key that everybody has.
//!
//! Hides a password from a glance, protects nothing, and has no check value: a text in plain that happens
//! to be base64url of 22 characters or more is "revealed" to rubbish, here as in rclone. The key check
//! finds that out where there is an archive.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroizing;

use crate::error::SealError;
use crate::names::encoding::base64url;

/// Public and fixed: part of the form, not a secret.
const KEY: [u8; 32] = [
    0x9c, 0x93, 0x5b, 0x48, 0x73, 0x0a, 0x55, 0x4d, 0x6b, 0xfd, 0x7c, 0x63, 0xc8, 0x86, 0xa9, 0x2b, 0xd3,
    0x90, 0x19, 0x8e, 0xb8, 0x12, 0x8a, 0xfb, 0xf4, 0xde, 0x16, 0x2b, 0x8b, 0x95, 0xf6, 0x38,
];

/// Obscures a password with 16 random bytes from the caller.
#[must_use]
pub fn obscure(password: &[u8], start: [u8; 16]) -> String {
    let mut bytes = start.to_vec();
    bytes.extend_from_slice(&turn(password, start));
    base64url().encode(&bytes)
}

/// Reads an obscured password. The result need not be text.
///
/// # Errors
/// [`SealError::NotObscured`] where the text is not base64url or has less than 16 bytes.
pub fn reveal(text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let bytes = base64url().decode(text.as_bytes()).map_err(|_| SealError::NotObscured)?;
    let (start, hidden) = bytes.split_first_chunk::<16>().ok_or(SealError::NotObscured)?;
    Ok(turn(hidden, *start))
}

/// Counter mode: the same both ways.
fn turn(bytes: &[u8], start: [u8; 16]) -> Zeroizing<Vec<u8>> {
    let aes = Aes256::new(&KEY.into());
    let mut counter = u128::from_be_bytes(start);
    let mut out = Zeroizing::new(bytes.to_vec());
    for chunk in out.chunks_mut(16) {
        let mut stream = counter.to_be_bytes().into();
        aes.encrypt_block(&mut stream);
        for (byte, mask) in chunk.iter_mut().zip(stream) {
            *byte ^= mask;
        }
        counter = counter.wrapping_add(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_carries_round_the_end() {
        let password = "とても長い合言葉とても長い合言葉".as_bytes();
        let text = obscure(password, [0xff; 16]);
        assert_eq!(&**reveal(&text).unwrap(), password);
    }

    #[test]
    fn what_is_not_obscured_is_refused() {
        for bad in ["", "potato", "合言葉", "IMEUm2sCRswfwtjsQojXl6wPcIn4tw==", "gssa_0u7oN-2Pfhd3CXti"] {
            assert!(matches!(reveal(bad), Err(SealError::NotObscured)), "{bad}");
        }
    }
}
