//! Nonces: 24 bytes that make every sealing of a file another one.
//!
//! Owns counting and spelling. Randomness comes from the caller, so that tests are repeatable.

use std::fmt;

use super::{HEADER, MAGIC};
use crate::error::SealError;

/// The nonce of one sealed file. Not secret: it stands in the file's header.
///
/// A nonce never serves two contents. Take 24 fresh bytes from the system for every sealing, store them
/// before the first byte leaves, and throw the nonce away where the sealing did not finish.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 24]);

impl Nonce {
    /// Takes 24 bytes, which must be random and new.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in the header.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// Reads 48 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`SealError::NonceUnreadable`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, SealError> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| SealError::NonceUnreadable)?;
        bytes.try_into().map(Self).map_err(|_| SealError::NonceUnreadable)
    }

    /// The 48 hexadecimal digits, in lower case.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The header of a file sealed with this nonce.
    #[must_use]
    pub fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        for (to, from) in header.iter_mut().zip(MAGIC.iter().chain(&self.0)) {
            *to = *from;
        }
        header
    }

    /// The nonce of block `number`: the sum as a number of 192 bits, first byte lowest, wrapping round.
    #[must_use]
    pub fn of_block(&self, number: u64) -> [u8; 24] {
        let mut sum = self.0;
        let mut carry = u128::from(number);
        for byte in &mut sum {
            carry += u128::from(*byte);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        sum
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_numbers_carry_through_all_24_bytes() {
        let all = Nonce::from_bytes([0xff; 24]);
        assert_eq!(all.of_block(0), [0xff; 24]);
        assert_eq!(all.of_block(1), [0; 24]);
        let mut expected = [0; 24];
        expected[0] = 9;
        assert_eq!(all.of_block(10), expected);
        let mut low = [0; 24];
        low[..8].fill(0xff);
        expected = [0; 24];
        expected[8] = 1;
        assert_eq!(Nonce::from_bytes(low).of_block(1), expected);
        expected = [0; 24];
        expected[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Nonce::from_bytes([0; 24]).of_block(u64::MAX), expected);
    }

    #[test]
    fn hex_is_read_as_it_is_written() {
        let nonce = Nonce::from_bytes(std::array::from_fn(|i| u8::try_from(i * 10).unwrap()));
        assert_eq!(Nonce::from_hex(&nonce.hex()).unwrap(), nonce);
        assert_eq!(Nonce::from_hex(&nonce.hex().to_uppercase()).unwrap(), nonce);
        for bad in ["", "00", "あ", &"0".repeat(49), &"g".repeat(48)] {
            assert!(matches!(Nonce::from_hex(bad), Err(SealError::NonceUnreadable)), "{bad}");
        }
    }

    #[test]
    fn the_header_is_read_back() {
        let nonce = Nonce::from_bytes([7; 24]);
        assert_eq!(super::super::read_header(&nonce.header()).unwrap(), nonce);
        let mut header = nonce.header();
        header[7] = 1;
        assert!(matches!(super::super::read_header(&header), Err(SealError::NotSealed)));
    }
}
