//! The key check: does this key open what lies there?
//!
//! The format holds no check value, and with a wrong key rclone shows an empty archive. So before
//! anything is written the first block of an existing object is opened. Does not fetch it.

use crate::cipher::Cipher;
use crate::content::{HEADER, MAGIC, Opener, SEALED_BLOCK, TAG};

/// Bytes to read from the beginning of an object, or as many as it has.
pub const CHECK_BYTES: usize = HEADER + SEALED_BLOCK;

/// What the first block of an object says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// The block opens: the object was sealed with this key.
    Fits,
    /// The block does not open: another key, or a damaged object. If another object fits, it is the damage.
    WrongKey,
    /// The object is not sealed, or the cipher does not seal content: nothing can be said.
    NotSealed,
    /// The object holds no block (an empty file does not), or is cut off: nothing can be said.
    TooShort,
}

/// Checks the key by the first bytes of an object. Pass [`CHECK_BYTES`] of them, or the whole object where it
/// is smaller: a part of the first block looks like a wrong key.
#[must_use]
pub fn check_block(cipher: &Cipher, first_bytes: &[u8]) -> KeyCheck {
    let marked = first_bytes.iter().zip(&MAGIC).all(|(byte, mark)| byte == mark);
    if !marked || !cipher.options().data {
        return KeyCheck::NotSealed;
    }
    if first_bytes.len() <= HEADER + TAG {
        return KeyCheck::TooShort;
    }
    let mut opener = Opener::new(cipher);
    let mut plain = Vec::new();
    let first = first_bytes.get(..CHECK_BYTES).unwrap_or(first_bytes);
    let opened = opener.update(first, &mut plain).and_then(|()| opener.finish(&mut plain));
    if opened.is_ok() { KeyCheck::Fits } else { KeyCheck::WrongKey }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keys, Nonce, Options, Sealer};

    fn sealed(cipher: &Cipher, plain: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(cipher, Nonce::from_bytes([3; 24]));
        let mut out = Vec::new();
        sealer.update(plain, &mut out);
        sealer.finish(&mut out);
        out
    }

    #[test]
    fn the_first_block_tells_keys_apart() {
        let ours = Cipher::new(Keys::derive("合言葉".as_bytes(), None), Options::default());
        let other = Cipher::new(Keys::derive("合い言葉".as_bytes(), None), Options::default());
        for size in [1, 65_535, 65_536, 65_537, 200_000] {
            let object = sealed(&ours, &vec![1; size]);
            let first = &object[..object.len().min(CHECK_BYTES)];
            assert_eq!(check_block(&ours, first), KeyCheck::Fits, "{size}");
            assert_eq!(check_block(&other, first), KeyCheck::WrongKey, "{size}");
            assert_eq!(check_block(&ours, &object), KeyCheck::Fits, "{size}");
        }
        let mut damaged = sealed(&ours, b"abc");
        damaged[49] ^= 1;
        assert_eq!(check_block(&ours, &damaged), KeyCheck::WrongKey);
    }

    #[test]
    fn nothing_is_said_of_what_has_no_block() {
        let cipher = Cipher::new(Keys::derive(b"potato", None), Options::default());
        let empty = sealed(&cipher, b"");
        assert_eq!(check_block(&cipher, &empty), KeyCheck::TooShort);
        assert_eq!(check_block(&cipher, b""), KeyCheck::TooShort);
        assert_eq!(check_block(&cipher, b"RCLO"), KeyCheck::TooShort);
        assert_eq!(check_block(&cipher, &sealed(&cipher, b"a")[..48]), KeyCheck::TooShort);
        assert_eq!(check_block(&cipher, b"\xff\xd8\xff\xe0 JFIF"), KeyCheck::NotSealed);
        assert_eq!(check_block(&cipher, b"RCLONE\0\x01"), KeyCheck::NotSealed);
        let names_only =
            Cipher::new(Keys::derive(b"potato", None), Options { data: false, ..Options::default() });
        assert_eq!(check_block(&names_only, &empty), KeyCheck::NotSealed);
    }
}
