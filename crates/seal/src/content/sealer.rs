//! Sealing, pushed: plain bytes in, sealed bytes out.
//!
//! Owns the cutting into blocks. At most one block is held back; no memory is taken for a block once the
//! buffers have their size. Does not know where bytes come from and go to.

use std::fmt;

use dryoc::classic::crypto_secretbox::crypto_secretbox_easy;
use zeroize::Zeroizing;

use super::{BLOCK, Nonce, TAG};
use crate::cipher::Cipher;

/// Seals one file. The same plain bytes under the same nonce always give the same sealed bytes.
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
    nonce: Nonce,
    stage: Stage,
    block: u64,
    held: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Header,
    Blocks,
    /// The cipher leaves content as it is.
    Verbatim,
}

impl Sealer {
    /// Begins a file. The nonce must never have served another content.
    #[must_use]
    pub fn new(cipher: &Cipher, nonce: Nonce) -> Self {
        Self::begin(cipher, nonce, Stage::Header, 0)
    }

    /// Goes on at a block of a file whose earlier blocks were sealed with this nonce, without its header. The
    /// plain bytes must be those of the same content, from `block` times 65,536 on.
    #[must_use]
    pub fn at_block(cipher: &Cipher, nonce: Nonce, block: u64) -> Self {
        Self::begin(cipher, nonce, Stage::Blocks, block)
    }

    fn begin(cipher: &Cipher, nonce: Nonce, stage: Stage, block: u64) -> Self {
        let stage = if cipher.options().data { stage } else { Stage::Verbatim };
        Self { key: cipher.data_key(), nonce, stage, block, held: Zeroizing::new(Vec::new()) }
    }

    /// Takes the next plain bytes and appends to `out` what is sealed by now.
    pub fn update(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        match self.stage {
            Stage::Verbatim => return out.extend_from_slice(plain),
            Stage::Header => self.header(out),
            Stage::Blocks => {}
        }
        if !self.held.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(BLOCK - self.held.len()));
            self.held.extend_from_slice(now);
            plain = later;
            if self.held.len() < BLOCK {
                return;
            }
            self.held_block(out);
        }
        let (blocks, rest) = plain.as_chunks::<BLOCK>();
        for block in blocks {
            self.append(block, out);
        }
        if !rest.is_empty() {
            self.held.reserve_exact(BLOCK);
            self.held.extend_from_slice(rest);
        }
    }

    /// Ends the file: appends the header of an empty file, or the last block.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if matches!(self.stage, Stage::Header) {
            self.header(out);
        }
        if !self.held.is_empty() {
            self.held_block(out);
        }
    }

    fn header(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce.header());
        self.stage = Stage::Blocks;
    }

    fn held_block(&mut self, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        self.append(&held, out);
        held.clear();
        self.held = held;
    }

    fn append(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + TAG + plain.len(), 0);
        if let Some(sealed) = out.get_mut(start..) {
            self.seal(plain, sealed);
        }
    }

    /// Seals the next block, of 1 to 65,536 bytes, into a slice that is 16 bytes longer.
    #[expect(clippy::expect_used, reason = "lengths are those that the cipher asks for")]
    pub(super) fn seal(&mut self, plain: &[u8], sealed: &mut [u8]) {
        crypto_secretbox_easy(sealed, plain, &self.nonce.of_block(self.block), &self.key)
            .expect("a sealed block has 16 bytes more than its plain");
        // 2^64 blocks are never reached.
        self.block = self.block.wrapping_add(1);
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("nonce", &self.nonce)
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}
