//! Digests as git and LFS form them.
//!
//! Owns the blob id, the LFS pointer (`hub.md`, section 4) and their hexadecimal text. Refuses to know what is stored.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub(crate) type Sha1Id = [u8; 20];
pub(crate) type Sha256Id = [u8; 32];

/// The id that git gives to bytes.
pub(crate) fn blob_id(bytes: &[u8]) -> Sha1Id {
    sha1(&[format!("blob {}\0", bytes.len()).as_bytes(), bytes])
}

pub(crate) fn sha1(parts: &[&[u8]]) -> Sha1Id {
    let mut state = Sha1::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().into()
}

pub(crate) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Sha256Id {
    let mut state = Sha256::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().into()
}

/// What git keeps in the place of an LFS object.
pub(crate) fn pointer(oid: &Sha256Id, size: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {size}\n", hex(oid))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

/// Reads 64 hexadecimal digits; capital letters are none, as LFS has them.
pub(crate) fn oid(text: &str) -> Option<Sha256Id> {
    let digits = text.as_bytes();
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (cell, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = *<&[u8; 2]>::try_from(pair).ok()?;
        *cell = (value(high)? << 4) | value(low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        // `git hash-object` of an empty file and of "hello\n".
        assert_eq!(hex(&blob_id(b"")), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(hex(&blob_id(b"hello\n")), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn oids_go_there_and_back_and_capitals_are_refused() {
        let id = sha256([b"".as_slice()]);
        assert_eq!(hex(&id), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(oid(&hex(&id)), Some(id));
        assert_eq!(oid(&hex(&id).to_uppercase()), None);
        assert_eq!(oid("e3b0"), None);
        assert_eq!(pointer(&id, 12).len(), 127);
    }
}
