//! Opening, pushed: sealed bytes in, plain bytes out.
//!
//! Owns the cutting into blocks and the checking of each. Plain bytes come out only of blocks that were
//! authentic. The end of a file is not marked in the format: an opener accepts a file cut off at the
//! edge of a block, and only whoever knows its size can tell.

use std::fmt;

use dryoc::classic::crypto_secretbox::crypto_secretbox_open_easy;
use zeroize::Zeroizing;

use super::{HEADER, Nonce, SEALED_BLOCK, TAG, read_header};
use crate::cipher::Cipher;
use crate::error::SealError;

/// Opens one file.
pub struct Opener {
    key: Zeroizing<[u8; 32]>,
    stage: Stage,
    block: u64,
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Header,
    Blocks(Nonce),
    /// The cipher leaves content as it is.
    Verbatim,
    /// A block did not open; nothing after it is looked at.
    Failed,
}

impl Opener {
    /// Begins a file at its header.
    #[must_use]
    pub fn new(cipher: &Cipher) -> Self {
        Self::begin(cipher, Stage::Header, 0)
    }

    /// Begins at the edge of a block (see `Window`), without header.
    #[must_use]
    pub fn at_block(cipher: &Cipher, nonce: Nonce, block: u64) -> Self {
        Self::begin(cipher, Stage::Blocks(nonce), block)
    }

    fn begin(cipher: &Cipher, stage: Stage, block: u64) -> Self {
        let stage = if cipher.options().data { stage } else { Stage::Verbatim };
        Self { key: cipher.data_key(), stage, block, held: Vec::new() }
    }

    /// Takes the next sealed bytes and appends to `out` the plain ones of all blocks that are whole by now.
    ///
    /// # Errors
    /// [`SealError::NotSealed`] without the mark; [`SealError::Unauthentic`] with the number of the first block
    /// that does not open. The blocks before it have been appended. Further calls fail too.
    pub fn update(&mut self, mut sealed: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        if matches!(self.stage, Stage::Verbatim) {
            out.extend_from_slice(sealed);
            return Ok(());
        }
        if matches!(self.stage, Stage::Header) {
            sealed = self.fill(sealed, HEADER);
            let Some(header) = self.held.first_chunk::<HEADER>() else { return Ok(()) };
            let nonce = read_header(header).inspect_err(|_| self.stage = Stage::Failed)?;
            self.stage = Stage::Blocks(nonce);
            self.held.clear();
        }
        if !self.held.is_empty() {
            sealed = self.fill(sealed, SEALED_BLOCK);
            if self.held.len() < SEALED_BLOCK {
                return Ok(());
            }
            self.held_block(out)?;
        }
        let (blocks, rest) = sealed.as_chunks::<SEALED_BLOCK>();
        for block in blocks {
            self.append(block, out)?;
        }
        if !rest.is_empty() {
            self.held.reserve_exact(SEALED_BLOCK);
            self.held.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Ends the file and appends the plain bytes of its last block.
    ///
    /// # Errors
    /// [`SealError::TooShort`] without a whole header, [`SealError::TruncatedBlock`] where the last block has no
    /// content, [`SealError::Unauthentic`] where it does not open.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        match (self.stage, self.held.len()) {
            (Stage::Verbatim, _) | (Stage::Blocks(_), 0) => Ok(()),
            (Stage::Header, bytes) => {
                Err(SealError::TooShort { bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
            }
            (Stage::Blocks(_), 1..=TAG) => Err(SealError::TruncatedBlock { block: self.block }),
            (Stage::Blocks(_) | Stage::Failed, _) => self.held_block(out),
        }
    }

    /// Moves bytes into `held` until it has `wanted`; gives back the rest.
    fn fill<'a>(&mut self, sealed: &'a [u8], wanted: usize) -> &'a [u8] {
        let missing = wanted.saturating_sub(self.held.len());
        let (now, later) = sealed.split_at(sealed.len().min(missing));
        self.held.extend_from_slice(now);
        later
    }

    fn held_block(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut held = std::mem::take(&mut self.held);
        self.append(&held, out)?;
        held.clear();
        self.held = held;
        Ok(())
    }

    fn append(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let start = out.len();
        out.resize(start + sealed.len().saturating_sub(TAG), 0);
        let opened = self.open(sealed, out.get_mut(start..).unwrap_or_default());
        if opened.is_err() {
            out.truncate(start);
        }
        opened
    }

    /// Opens the next block into a slice that is 16 bytes shorter.
    pub(super) fn open(&mut self, sealed: &[u8], plain: &mut [u8]) -> Result<(), SealError> {
        let failed = SealError::Unauthentic { block: self.block };
        let Stage::Blocks(nonce) = self.stage else { return Err(failed) };
        let Ok(()) = crypto_secretbox_open_easy(plain, sealed, &nonce.of_block(self.block), &self.key) else {
            self.stage = Stage::Failed;
            return Err(failed);
        };
        self.block = self.block.wrapping_add(1);
        Ok(())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("stage", &self.stage)
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}
