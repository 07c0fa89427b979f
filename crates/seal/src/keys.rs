//! Keys, derived from two passwords.
//!
//! Owns scrypt and the split of its 80 bytes. Nothing here prints a key; the fingerprint says whether
//! two keys are equal and nothing else. Does not know where passwords come from (see `config`).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use scrypt::Params;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::names::Eme;

/// What rclone takes where no second password is given.
// Source: rclone, backend/crypt; behaviour observed with 1.75.2.
const BUILT_IN_SALT: [u8; 16] =
    [0xa8, 0x0d, 0xf4, 0x3a, 0x8f, 0xbd, 0x03, 0x08, 0xa7, 0xca, 0xb8, 0x3e, 0x58, 0x1f, 0x86, 0xb1];

/// What the fingerprint is made over. Changing it makes every recorded fingerprint foreign.
const FINGERPRINT_TEXT: &[u8] = b"landfall seal fingerprint 1";

/// scrypt with N = 16384 (2 to the 14), r = 8, p = 1: about 16 MiB and 0.1 seconds.
const LOG_N: u8 = 14;

/// The key for content, the key for names and the tweak of names.
pub struct Keys {
    derived: Zeroizing<[u8; 80]>,
    data: Zeroizing<[u8; 32]>,
    name_sum: u32,
    eme: Eme,
    empty: bool,
}

impl Keys {
    /// Derives the keys from the revealed passwords, byte for byte: nothing is trimmed or normalised.
    ///
    /// An empty or missing `password2` means rclone's built-in salt. An empty `password` means a key of
    /// zeros, as in rclone; [`Keys::are_public`] tells, and nothing should be written with it.
    /// Takes about 0.1 seconds and 16 MiB: derive once, off the runtime's threads.
    #[must_use]
    pub fn derive(password: &[u8], password2: Option<&[u8]>) -> Self {
        let mut derived = Zeroizing::new([0; 80]);
        if !password.is_empty() {
            let salt = password2.filter(|salt| !salt.is_empty()).unwrap_or(&BUILT_IN_SALT);
            stretch(password, salt, &mut derived);
        }
        Self::split(derived, password.is_empty())
    }

    fn split(derived: Zeroizing<[u8; 80]>, empty: bool) -> Self {
        let mut data = Zeroizing::new([0; 32]);
        let mut name = Zeroizing::new([0; 32]);
        let mut tweak = Zeroizing::new([0; 16]);
        let mut parts = derived.iter();
        for (to, from) in data.iter_mut().zip(&mut parts) {
            *to = *from;
        }
        for (to, from) in name.iter_mut().zip(&mut parts) {
            *to = *from;
        }
        for (to, from) in tweak.iter_mut().zip(&mut parts) {
            *to = *from;
        }
        let name_sum = name.iter().map(|&byte| u32::from(byte)).sum();
        let eme = Eme::new(&name, &tweak);
        Self { derived, data, name_sum, eme, empty }
    }

    /// A keyed digest of a fixed text in 32 hexadecimal digits: equal for equal keys, and of no use for
    /// finding the key. It may be stored and printed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.derived).expect("HMAC takes keys of any length");
        mac.update(FINGERPRINT_TEXT);
        let tag = mac.finalize().into_bytes();
        let short: Vec<u8> = tag.iter().take(16).copied().collect();
        data_encoding::HEXLOWER.encode(&short)
    }

    /// Whether the password is empty, so that everybody has these keys.
    #[must_use]
    pub fn are_public(&self) -> bool {
        self.empty
    }

    pub(crate) fn data(&self) -> &Zeroizing<[u8; 32]> {
        &self.data
    }

    pub(crate) fn eme(&self) -> &Eme {
        &self.eme
    }

    /// The sum of the bytes of the name key, which turns the letters of obfuscated names.
    pub(crate) fn name_sum(&self) -> u32 {
        self.name_sum
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "the parameters are constants that a test runs")]
fn stretch(password: &[u8], salt: &[u8], derived: &mut [u8; 80]) {
    let params = Params::new(LOG_N, 8, 1).expect("the parameters of rclone are valid");
    scrypt::scrypt(password, salt, &params, derived).expect("80 bytes are a valid length");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_second_password_is_the_built_in_salt_and_not_an_empty_one() {
        let missing = Keys::derive("パスワード".as_bytes(), None);
        assert_eq!(missing.fingerprint(), Keys::derive("パスワード".as_bytes(), Some(b"")).fingerprint());
        let mut unsalted = Zeroizing::new([0; 80]);
        stretch("パスワード".as_bytes(), b"", &mut unsalted);
        assert_ne!(missing.derived, unsalted);
    }

    #[test]
    fn fingerprints_tell_keys_apart_and_show_nothing_of_them() {
        let keys = Keys::derive(b"potato", Some(b"sausage"));
        let print = keys.fingerprint();
        assert_eq!(print.len(), 32);
        assert_ne!(print, Keys::derive(b"potato", None).fingerprint());
        assert!(!data_encoding::HEXLOWER.encode(&*keys.derived).contains(&print));
        assert_eq!(format!("{keys:?}"), "Keys { .. }");
    }

    #[test]
    fn only_the_empty_password_is_public() {
        assert!(Keys::derive(b"", Some(b"salt")).are_public());
        assert_eq!(*Keys::derive(b"", Some(b"salt")).derived, [0; 80]);
        assert!(!Keys::derive(b" ", None).are_public());
    }
}
