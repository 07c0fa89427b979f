//! The archive's seal, written a second time so that nobody judges himself.
//!
//! Owns rclone crypt's standard names (EME over AES-256, base32hex) and contents (XSalsa20-Poly1305 in blocks of
//! 64 KiB) for one fixed pair of passwords, and rclone's obscuring of passwords. Source: the reference on rclone
//! crypt, sections 1 to 3 and 5, with vectors made by rclone 1.75.2. Refuses to know Landfall's seal, other name
//! modes and how a key is derived: scrypt costs seconds in an unoptimised build, so the derived key is a constant.

use aes::cipher::{BlockDecrypt as _, BlockEncrypt as _, Key as AesKey, KeyInit as _};
use aes::{Aes256, Block};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};

/// How sealed content begins.
pub(crate) const MAGIC: &[u8; 8] = b"RCLONE\0\0";
/// Magic and nonce, in bytes.
const HEADER: usize = 32;
/// Plain bytes of a full block.
const BLOCK: usize = 1 << 16;
/// Tag of a block, in bytes.
const TAG: usize = 16;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// `scrypt("password1", "salt1", 16384, 8, 1, 80)`: the key of every archive.
const DERIVED: &str = "f80f31c4d14d636edf9890bfdb35fd9eb5661ca15e3e55672983d877ebd10c44\
                       de031cc7b3c9cffd66af0423bbbe587abf62aeaa0bb4bd5db475b9e6f3d79736\
                       6e41b23bd90e92c18ec9f4e6799821e4";
/// The public key with which rclone hides passwords from a glance.
const OBSCURE: &str = "9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638";

type Cell = [u8; 16];

/// Names and contents under one key.
#[derive(Clone)]
pub(crate) struct Oracle {
    content: XSalsa20Poly1305,
    names: Aes256,
    tweak: Cell,
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").finish_non_exhaustive()
    }
}

/// Why sealed bytes do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// Shorter than a header, or other bytes in front.
    #[error("not sealed")]
    NotSealed,
    /// A block was changed, cut or sealed under another key.
    #[error("block {0} does not authenticate")]
    Block(usize),
}

impl Oracle {
    /// The key of every archive: passwords `password1` and `salt1`.
    pub(crate) fn archive() -> Self {
        Self::of_key(&unhex(DERIVED))
    }

    /// A key as scrypt gives it: 32 bytes for contents, 32 for names, 16 of tweak. Missing bytes are zeros.
    pub(crate) fn of_key(derived: &[u8]) -> Self {
        let mut bytes = derived.iter().copied().chain(std::iter::repeat(0));
        let mut content = Key::default();
        let mut names = AesKey::<Aes256>::default();
        let mut tweak = Cell::default();
        for (cell, byte) in content.iter_mut().chain(&mut names).chain(&mut tweak).zip(&mut bytes) {
            *cell = byte;
        }
        Self { content: XSalsa20Poly1305::new(&content), names: Aes256::new(&names), tweak }
    }

    /// The sealed form of one name.
    pub(crate) fn name(&self, plain: &str) -> String {
        let mut bytes = plain.as_bytes().to_vec();
        let pad = 16 - bytes.len() % 16;
        bytes.resize(bytes.len() + pad, u8::try_from(pad).unwrap_or(16));
        base32(&self.eme(&bytes, true))
    }

    /// The name behind a sealed one. A name that was sealed under another key passes about once in 256 times.
    pub(crate) fn plain_name(&self, sealed: &str) -> Option<String> {
        let bytes = unbase32(sealed)?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(16) || bytes.len() > 2048 {
            return None;
        }
        let mut plain = self.eme(&bytes, false);
        let pad = usize::from(*plain.last()?);
        let keep = plain.len().checked_sub(pad).filter(|_| (1..=16).contains(&pad))?;
        if plain.get(keep..)?.iter().any(|byte| usize::from(*byte) != pad) {
            return None;
        }
        plain.truncate(keep);
        String::from_utf8(plain).ok()
    }

    /// Seals content. The caller sees to it that a nonce serves one content only.
    pub(crate) fn seal(&self, nonce: [u8; 24], plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + plain.len() + (plain.len() / BLOCK + 1) * TAG);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&nonce);
        let mut counter = nonce;
        for block in plain.chunks(BLOCK) {
            // Sealing in memory cannot fail; an empty block would be seen as soon as it is opened.
            out.extend(self.content.encrypt(&Nonce::from(counter), block).unwrap_or_default());
            step(&mut counter);
        }
        out
    }

    /// Opens content.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut counter = nonce(sealed).ok_or(OpenError::NotSealed)?;
        let mut out = Vec::with_capacity(sealed.len());
        for (index, block) in sealed.get(HEADER..).unwrap_or_default().chunks(BLOCK + TAG).enumerate() {
            let plain = self.content.decrypt(&Nonce::from(counter), block);
            let plain = plain.ok().filter(|plain| !plain.is_empty()).ok_or(OpenError::Block(index))?;
            out.extend(plain);
            step(&mut counter);
        }
        Ok(out)
    }

    /// Halevi and Rogaway's ECB-mix-ECB over whole blocks, as rclone uses it.
    fn eme(&self, input: &[u8], encrypt: bool) -> Vec<u8> {
        let aes = |cell: Cell| {
            let mut block = Block::from(cell);
            match encrypt {
                true => self.names.encrypt_block(&mut block),
                false => self.names.decrypt_block(&mut block),
            }
            Cell::from(block)
        };
        let mut zero = Block::default();
        self.names.encrypt_block(&mut zero);
        let masks = doublings(double(zero.into()), input.len() / 16);
        let cells = input.chunks_exact(16).map(|chunk| chunk.try_into().unwrap_or_default());
        let ppp = cells.zip(&masks).map(|(cell, mask)| aes(xor(cell, *mask))).collect::<Vec<Cell>>();
        let mp = ppp.iter().fold(self.tweak, |sum, cell| xor(sum, *cell));
        let mc = aes(mp);
        let mixes = doublings(xor(mp, mc), ppp.len());
        let mut ccc = ppp.iter().zip(mixes).map(|(cell, mix)| xor(*cell, mix)).collect::<Vec<Cell>>();
        let rest = ccc.iter().skip(1).fold(xor(mc, self.tweak), |sum, cell| xor(sum, *cell));
        if let Some(first) = ccc.first_mut() {
            *first = rest;
        }
        ccc.into_iter().zip(&masks).flat_map(|(cell, mask)| xor(aes(cell), *mask)).collect()
    }
}

/// The nonce in the header of sealed content.
pub(crate) fn nonce(sealed: &[u8]) -> Option<[u8; 24]> {
    let (magic, rest) = sealed.split_first_chunk::<8>()?;
    let (nonce, _) = rest.split_first_chunk::<24>()?;
    (magic == MAGIC).then_some(*nonce)
}

/// A password as `rclone.conf` holds it.
pub(crate) fn obscure(plain: &str, iv: [u8; 16]) -> String {
    let mut secret = AesKey::<Aes256>::default();
    for (cell, byte) in secret.iter_mut().zip(unhex(OBSCURE)) {
        *cell = byte;
    }
    let aes = Aes256::new(&secret);
    let mut counter = u128::from_be_bytes(iv);
    let mut out = iv.to_vec();
    for chunk in plain.as_bytes().chunks(16) {
        let mut key = Block::from(counter.to_be_bytes());
        aes.encrypt_block(&mut key);
        out.extend(chunk.iter().zip(key).map(|(byte, mask)| byte ^ mask));
        counter = counter.wrapping_add(1);
    }
    URL_SAFE_NO_PAD.encode(out)
}

/// Bytes of hexadecimal digits; what is no digit ends them.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.chars().map_while(|c| c.to_digit(16)).collect::<Vec<u32>>();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| pair.iter().fold(0u8, |byte, digit| (byte << 4) | u8::try_from(*digit).unwrap_or(0)))
        .collect()
}

fn step(nonce: &mut [u8; 24]) {
    for byte in nonce {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
}

fn xor(a: Cell, b: Cell) -> Cell {
    (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
}

fn double(cell: Cell) -> Cell {
    let wide = u128::from_le_bytes(cell);
    let carry = if wide >> 127 == 1 { 0x87 } else { 0 };
    ((wide << 1) ^ carry).to_le_bytes()
}

fn doublings(first: Cell, count: usize) -> Vec<Cell> {
    std::iter::successors(Some(first), |cell| Some(double(*cell))).take(count).collect()
}

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0u32, 0);
    for byte in
        bytes.iter().copied().chain([0]).take(bytes.len() + usize::from(!bytes.len().is_multiple_of(5)))
    {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 && out.len() < (bytes.len() * 8).div_ceil(5) {
            bits -= 5;
            let digit = usize::try_from((held >> bits) & 31).unwrap_or(0);
            out.push(ALPHABET.get(digit).map_or('0', |byte| char::from(*byte)));
        }
    }
    out
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0);
    for c in text.chars() {
        held = (held << 5) | c.to_digit(32)?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
