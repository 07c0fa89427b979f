//! EME: a cipher over AES whose block is the whole name, so that every byte depends on all others.
//!
//! Owns the wide block and its padding. Does not know how the result is spelled.
//! Source: Halevi and Rogaway, "A Parallelizable Enciphering Mode", 2003; doubling as in rclone, from
//! the first byte on (little-endian).

use std::fmt;

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroizing;

use crate::error::SealError;

const WIDTH: usize = 16;
/// EME is defined up to 128 blocks of 16 bytes.
const MOST: usize = 128 * WIDTH;

type Word = [u8; WIDTH];

#[derive(Clone, Copy)]
enum Way {
    Seal,
    Open,
}

/// The key schedule of the name key and the tweak, kept so that a name costs under a microsecond.
pub(crate) struct Eme {
    aes: Aes256,
    tweak: Zeroizing<Word>,
}

impl Eme {
    pub(crate) fn new(key: &[u8; 32], tweak: &Word) -> Self {
        Self { aes: Aes256::new(key.into()), tweak: Zeroizing::new(*tweak) }
    }

    /// Pads a name to whole blocks and encrypts it.
    pub(crate) fn seal_name(&self, name: &str) -> Result<Vec<u8>, SealError> {
        let padding = WIDTH - name.len() % WIDTH;
        let padded = name.len() + padding;
        if padded > MOST {
            return Err(SealError::NameRefused { bytes: name.len(), why: "it has more than 2047 bytes" });
        }
        let mut bytes = name.as_bytes().to_vec();
        // At most 16, so it fits.
        bytes.resize(padded, u8::try_from(padding).unwrap_or_default());
        self.pass(&mut bytes, Way::Seal);
        Ok(bytes)
    }

    /// Decrypts and takes the padding off. The text says what was wrong.
    pub(crate) fn open_name(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        if bytes.is_empty() {
            return Err("it is empty");
        }
        if !bytes.len().is_multiple_of(WIDTH) {
            return Err("its length does not fit");
        }
        if bytes.len() > MOST {
            return Err("it is too long");
        }
        self.pass(&mut bytes, Way::Open);
        let padding = bytes.last().copied().map_or(0, usize::from);
        let length = bytes.len().saturating_sub(padding);
        let good = (1..=WIDTH).contains(&padding)
            && bytes.iter().skip(length).all(|&byte| usize::from(byte) == padding);
        if !good {
            return Err("it does not decrypt: another key, or a foreign file");
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Both ways of EME over 1 to 128 whole blocks; they differ only in the direction of AES.
    fn pass(&self, bytes: &mut [u8], way: Way) {
        let (blocks, _) = bytes.as_chunks_mut::<WIDTH>();
        // The mask always comes from encryption.
        let first_mask = double(self.aes(&[0; WIDTH], Way::Seal));

        let mut mask = first_mask;
        let mut sum = *self.tweak;
        for block in blocks.iter_mut() {
            *block = self.aes(&xor(block, &mask), way);
            sum = xor(&sum, block);
            mask = double(mask);
        }

        let turned = self.aes(&sum, way);
        let mut spread = xor(&sum, &turned);
        let mut first = xor(&turned, &self.tweak);
        for block in blocks.iter_mut().skip(1) {
            spread = double(spread);
            *block = xor(block, &spread);
            first = xor(&first, block);
        }
        if let Some(block) = blocks.first_mut() {
            *block = first;
        }

        mask = first_mask;
        for block in blocks.iter_mut() {
            *block = xor(&self.aes(block, way), &mask);
            mask = double(mask);
        }
    }

    fn aes(&self, word: &Word, way: Way) -> Word {
        let mut block: Block<Aes256> = (*word).into();
        match way {
            Way::Seal => self.aes.encrypt_block(&mut block),
            Way::Open => self.aes.decrypt_block(&mut block),
        }
        block.into()
    }
}

impl fmt::Debug for Eme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eme").finish_non_exhaustive()
    }
}

fn xor(one: &Word, other: &Word) -> Word {
    (u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other)).to_le_bytes()
}

/// Multiplies by two in the field of 2^128 elements.
fn double(word: Word) -> Word {
    let value = u128::from_le_bytes(word);
    let carry = (value >> 127) * 0x87;
    ((value << 1) ^ carry).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_carries_into_the_first_byte() {
        let mut top = [0; WIDTH];
        top[15] = 0x80;
        let mut expected = [0; WIDTH];
        expected[0] = 0x87;
        assert_eq!(double(top), expected);
        let mut low = [0; WIDTH];
        low[0] = 0x80;
        expected = [0; WIDTH];
        expected[1] = 0x01;
        assert_eq!(double(low), expected);
    }

    #[test]
    fn one_changed_byte_changes_every_block() {
        let eme = Eme::new(&[7; 32], &[9; 16]);
        let one = eme.seal_name(&"あ".repeat(40)).unwrap();
        let other = eme.seal_name(&format!("{}い", "あ".repeat(39))).unwrap();
        assert_eq!(one.len(), 128);
        assert!(one.chunks(WIDTH).zip(other.chunks(WIDTH)).all(|(a, b)| a != b));
    }

    #[test]
    fn lengths_and_padding_are_checked() {
        let eme = Eme::new(&[7; 32], &[9; 16]);
        assert_eq!(eme.seal_name(&"a".repeat(2047)).unwrap().len(), 2048);
        assert!(matches!(eme.seal_name(&"a".repeat(2048)), Err(SealError::NameRefused { bytes: 2048, .. })));
        assert_eq!(eme.open_name(vec![]), Err("it is empty"));
        assert_eq!(eme.open_name(vec![1; 17]), Err("its length does not fit"));
        assert_eq!(eme.open_name(vec![1; 2064]), Err("it is too long"));
        let mut bad = [b'a'; WIDTH];
        bad[15] = 17;
        eme.pass(&mut bad, Way::Seal);
        assert!(eme.open_name(bad.to_vec()).is_err());
        let mut zero = [0; WIDTH];
        eme.pass(&mut zero, Way::Seal);
        assert!(eme.open_name(zero.to_vec()).is_err());
    }
}
