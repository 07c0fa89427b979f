//! How the bytes of an encrypted name are spelled.
//!
//! Owns the three alphabets. Accepts what rclone accepts: base32 in either case, and bits after the
//! last byte that are not zero. Does not know what the bytes mean.

use std::sync::LazyLock;

use data_encoding::{BitOrder, Encoding, Specification};

use super::base32768;
use crate::cipher::NameEncoding;

// The alphabets of RFC 4648: base32hex, in lower case, and base64url; both without padding.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| alphabet("0123456789abcdefghijklmnopqrstuv", true));
static BASE64: LazyLock<Encoding> =
    LazyLock::new(|| alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false));

#[expect(clippy::expect_used, reason = "the alphabets are constants that every test runs")]
fn alphabet(symbols: &str, either_case: bool) -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str(symbols);
    specification.bit_order = BitOrder::MostSignificantFirst;
    specification.check_trailing_bits = false;
    if either_case {
        specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUV");
        specification.translate.to.push_str("abcdefghijklmnopqrstuv");
    }
    specification.encoding().expect("the alphabets are valid")
}

pub(crate) fn encode(encoding: NameEncoding, bytes: &[u8]) -> String {
    match encoding {
        NameEncoding::Base32 => BASE32.encode(bytes),
        NameEncoding::Base64 => BASE64.encode(bytes),
        NameEncoding::Base32768 => base32768::encode(bytes),
    }
}

/// The text says what was wrong.
pub(crate) fn decode(encoding: NameEncoding, text: &str) -> Result<Vec<u8>, &'static str> {
    match encoding {
        NameEncoding::Base32 => BASE32.decode(text.as_bytes()).map_err(|_| "it is not base32"),
        NameEncoding::Base64 => BASE64.decode(text.as_bytes()).map_err(|_| "it is not base64"),
        NameEncoding::Base32768 => base32768::decode(text).ok_or("it is not base32768"),
    }
}

/// base64url as `rclone obscure` prints it.
pub(crate) fn base64url() -> &'static Encoding {
    &BASE64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_read_in_either_case_and_without_padding() {
        assert_eq!(encode(NameEncoding::Base32, b"\xff\x00\x10"), "vs010");
        assert_eq!(decode(NameEncoding::Base32, "VS010").unwrap(), b"\xff\x00\x10");
        assert!(decode(NameEncoding::Base32, "vs010===").is_err());
        assert!(decode(NameEncoding::Base32, "vs01w").is_err());
        assert!(decode(NameEncoding::Base64, "あ").is_err());
    }
}
