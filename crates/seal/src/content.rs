//! Sealed content: header, blocks, sizes.
//!
//! A sealed file is "RCLONE", two zero bytes, a nonce of 24 bytes, and then one secretbox for every
//! 65,536 bytes: 16 bytes of tag and the text, under nonce plus block number. An empty file is its
//! header. Nothing marks the last block, so a file cut at the edge of a block opens without complaint:
//! whoever knows the size must compare it. Does not know names, files of the system, or stores.
//! Source: rclone's documentation of crypt; behaviour observed with 1.75.2.

mod nonce;
mod opener;
mod sealer;
mod whole;

pub use nonce::Nonce;
pub use opener::Opener;
pub use sealer::Sealer;
pub use whole::{Content, Passed, open_file, seal_file};

use crate::error::SealError;

/// Bytes of the header of a sealed file.
pub const HEADER: usize = 32;
/// Plain bytes in every block but the last.
pub const BLOCK: usize = 65_536;
/// Bytes of a whole block once sealed.
pub const SEALED_BLOCK: usize = TAG + BLOCK;

pub(crate) const TAG: usize = 16;
pub(crate) const MAGIC: [u8; 8] = *b"RCLONE\0\0";

const HEADER_SIZE: u64 = HEADER as u64;
const BLOCK_SIZE: u64 = BLOCK as u64;
const SEALED_BLOCK_SIZE: u64 = SEALED_BLOCK as u64;
const TAG_SIZE: u64 = TAG as u64;

/// The bytes that a file of `plain` bytes has once sealed. Files near 2^64 bytes do not exist; there the
/// result stays at the greatest number.
#[must_use]
pub const fn sealed_size(plain: u64) -> u64 {
    let whole = (plain / BLOCK_SIZE).saturating_mul(SEALED_BLOCK_SIZE);
    let rest = match plain % BLOCK_SIZE {
        0 => 0,
        rest => TAG_SIZE + rest,
    };
    whole.saturating_add(HEADER_SIZE + rest)
}

/// The bytes that a sealed object of `sealed` bytes has once opened.
///
/// # Errors
/// [`SealError::TooShort`] and [`SealError::TruncatedBlock`] for sizes that no sealed file has. A file cut
/// off at the edge of a block has a possible size.
pub const fn opened_size(sealed: u64) -> Result<u64, SealError> {
    let Some(blocks) = sealed.checked_sub(HEADER_SIZE) else {
        return Err(SealError::TooShort { bytes: sealed });
    };
    let block = blocks / SEALED_BLOCK_SIZE;
    match blocks % SEALED_BLOCK_SIZE {
        0 => Ok(block * BLOCK_SIZE),
        1..=TAG_SIZE => Err(SealError::TruncatedBlock { block }),
        rest => Ok(block * BLOCK_SIZE + rest - TAG_SIZE),
    }
}

/// Reads the header of a sealed file.
///
/// # Errors
/// [`SealError::NotSealed`] where the mark is missing.
pub fn read_header(header: &[u8; HEADER]) -> Result<Nonce, SealError> {
    match header.split_first_chunk::<8>() {
        Some((&MAGIC, nonce)) => nonce.try_into().map(Nonce::from_bytes).map_err(|_| SealError::NotSealed),
        _ => Err(SealError::NotSealed),
    }
}

/// Which part of a sealed object holds a part of the plain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of the first block, for [`Opener::at_block`].
    pub block: u64,
    /// Offset in the sealed object, bytes; always the edge of a block.
    pub start: u64,
    /// Bytes to read from there; may reach behind the end of the object.
    pub length: u64,
    /// Plain bytes to drop from what the opener gives.
    pub skip: u64,
}

impl Window {
    /// The window for `length` plain bytes from `offset`. Empty where `length` is 0.
    #[must_use]
    pub const fn new(offset: u64, length: u64) -> Self {
        let block = offset / BLOCK_SIZE;
        let skip = offset % BLOCK_SIZE;
        let blocks = if length == 0 { 0 } else { skip.saturating_add(length).div_ceil(BLOCK_SIZE) };
        Self {
            block,
            start: block.saturating_mul(SEALED_BLOCK_SIZE).saturating_add(HEADER_SIZE),
            length: blocks.saturating_mul(SEALED_BLOCK_SIZE),
            skip,
        }
    }
}

#[cfg(test)]
mod tests;
