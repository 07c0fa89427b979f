//! quickXorHash, the simulator's own.
//!
//! Owns the 160-cell form of the checksum: input is folded into 160 bytes by XOR and placed into the 160-bit
//! result once, at the end. Refuses to know where bytes come from. Algorithm and vectors: `graph.md`, section 15.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The period of the checksum in bytes: input positions that differ by a multiple of it share a cell.
pub(crate) const PERIOD: u64 = 160;
const CELLS: usize = 160;

/// A running quickXorHash.
#[derive(Clone, Debug)]
pub struct QuickXor {
    cells: [u8; CELLS],
    len: u64,
}

impl Default for QuickXor {
    fn default() -> Self {
        Self { cells: [0; CELLS], len: 0 }
    }
}

impl QuickXor {
    /// Starts from cells that are already folded, for content whose fold is known in closed form.
    pub(crate) fn from_cells(cells: [u8; CELLS], len: u64) -> Self {
        Self { cells, len }
    }

    /// Folds more input in.
    pub fn update(&mut self, mut data: &[u8]) {
        let within = usize::try_from(self.len % PERIOD).unwrap_or(0);
        self.len += data.len() as u64;
        if within > 0 {
            let (_, rest) = self.cells.split_at_mut(within);
            let head = data.len().min(rest.len());
            for (cell, byte) in rest.iter_mut().zip(data) {
                *cell ^= byte;
            }
            data = data.get(head..).unwrap_or_default();
        }
        for block in data.chunks(CELLS) {
            for (cell, byte) in self.cells.iter_mut().zip(block) {
                *cell ^= byte;
            }
        }
    }

    /// The 20 bytes of the digest.
    #[must_use]
    pub fn finish(&self) -> [u8; 20] {
        let mut out = [0u8; 20];
        for (i, byte) in self.cells.iter().enumerate() {
            let bit = (11 * i) % 160;
            let (at, shift) = (bit / 8, bit % 8);
            let wide = u16::from(*byte) << shift;
            let [low, high] = wide.to_le_bytes();
            if let Some(cell) = out.get_mut(at) {
                *cell ^= low;
            }
            if let Some(cell) = out.get_mut((at + 1) % 20) {
                *cell ^= high;
            }
        }
        for (cell, byte) in out.iter_mut().skip(12).zip(self.len.to_le_bytes()) {
            *cell ^= byte;
        }
        out
    }
}

/// The digest of one buffer.
#[must_use]
pub fn quick_xor(data: &[u8]) -> [u8; 20] {
    let mut state = QuickXor::default();
    state.update(data);
    state.finish()
}

/// The form that Graph shows: base64 with padding.
#[must_use]
pub fn to_base64(digest: [u8; 20]) -> String {
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn b64(data: &[u8]) -> String {
        to_base64(quick_xor(data))
    }

    #[test]
    fn the_published_vectors_hold() {
        let decode = |text: &str| STANDARD.decode(text).unwrap();
        assert_eq!(b64(b""), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(b64(&decode("Sg==")), "SgAAAAAAAAAAAAAAAQAAAAAAAAA=");
        assert_eq!(b64(&decode("jRRDVA==")), "jaDAEKgAAAAAAAAABAAAAAAAAAA=");
        assert_eq!(b64(b"hello world"), "aCgDG9jwBhDc4Q1yawMZAAAAAAA=");
        assert_eq!(b64(&decode("2fuxhBJXtpWFe8dOfdGeHw==")), "O9tHLAghgSvYohKFyMMxnNCHaHg=");
        assert_eq!(b64(&decode("T6LYJIfDh81JrAK309H2JMJTXis=")), "zBTHrspn3mEcohlJdIUAbjGNaNg=");
        assert_eq!(b64(&[0xff; 20]), "HOc4xznOcX784x//7Mc//vGPf/w=");
        assert_eq!(b64(b"The quick brown fox jumps over the lazy dog"), "bMSlbysmxJL6S75XwfMcQZOpcr4=");
        assert_eq!(b64(&[b'A'; 160]), "AAAAAAAAAAAAAAAAoAAAAAAAAAA=");
        assert_eq!(b64(&[b'A'; 161]), "QQAAAAAAAAAAAAAAoQAAAAAAAAA=");
    }

    #[test]
    fn long_vectors_hold_however_the_input_is_cut() {
        let line = |n: u32| (0..n).map(|i| (i * 7 + 3).to_le_bytes()[0]).collect::<Vec<u8>>();
        assert_eq!(b64(&line(65535)), "XhQes7LH2XNgLVVIzziylbw5oAI=");
        assert_eq!(b64(&line(65536)), "XhQes7LH2XNgLdVXMMezlbw5oAI=");
        assert_eq!(b64(&line(327_680)), "AAAAAAAAAAAAAAAAAAAFAAAAAAA=");
        let long: Vec<u8> = (0..1_000_003u32).map(|i| (i * 31 + (i >> 8)).to_le_bytes()[0]).collect();
        for cut in [1, 7, 159, 160, 161, 4096] {
            let mut state = QuickXor::default();
            for piece in long.chunks(cut) {
                state.update(piece);
            }
            assert_eq!(to_base64(state.finish()), "3MbzMH4uQ3IiKUAOJPtAF+E0+D8=");
        }
    }
}
