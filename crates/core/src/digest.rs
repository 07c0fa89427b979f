//! Digests and the hasher that computes them in passing.
//!
//! Two algorithms matter to Microsoft's stores: quickXorHash, which they publish and which is weak,
//! and SHA-256, which we compute of every byte that passes and which nobody there publishes. The
//! hasher's whole state can be saved, so an upload that goes on after a kill need not read again
//! what the destination already holds.

mod quickxor;

pub use quickxor::QuickXor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use sha2::digest::common::hazmat::SerializableState;

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algo {
    /// SHA-256: the digest that a proof by `bytes` rests on.
    Sha256,
    /// Microsoft's quickXorHash: finds accidents, not swaps (reference/graph.md, section 0.2).
    QuickXor,
    /// SHA-1, published by some stores.
    Sha1,
}

impl Algo {
    /// The name used in tables, CSV and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::QuickXor => "quickxor",
            Self::Sha1 => "sha1",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::QuickXor | Self::Sha1 => 20,
        }
    }
}

/// One digest of one content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    algo: Algo,
    bytes: Vec<u8>,
}

impl Digest {
    /// Takes the raw bytes; `None` where their number does not fit the algorithm.
    #[must_use]
    pub fn new(algo: Algo, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algo.length()).then(|| Self { algo, bytes: bytes.to_vec() })
    }

    /// Reads base64, as Graph prints quickXorHash.
    #[must_use]
    pub fn from_base64(algo: Algo, text: &str) -> Option<Self> {
        Self::new(algo, &BASE64.decode(text).ok()?)
    }

    /// Reads lower or upper case hex.
    #[must_use]
    pub fn from_hex(algo: Algo, text: &str) -> Option<Self> {
        let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
        let digits = digits?;
        let bytes: Option<Vec<u8>> = digits
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => u8::try_from(high * 16 + low).ok(),
                _ => None,
            })
            .collect();
        Self::new(algo, &bytes?)
    }

    /// The algorithm.
    #[must_use]
    pub fn algo(&self) -> Algo {
        self.algo
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lower case hex.
    #[must_use]
    pub fn hex(&self) -> String {
        self.bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Standard base64 with padding.
    #[must_use]
    pub fn base64(&self) -> String {
        BASE64.encode(&self.bytes)
    }
}

/// The digests known of one content, at most one of each algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256, where the bytes passed through us.
    pub sha256: Option<Digest>,
    /// quickXorHash.
    pub quickxor: Option<Digest>,
    /// SHA-1.
    pub sha1: Option<Digest>,
}

impl Digests {
    /// Nothing known.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Only a quickXorHash, as Graph publishes it.
    #[must_use]
    pub fn quickxor(digest: Digest) -> Self {
        Self { quickxor: Some(digest), ..Self::default() }
    }

    /// The digest of one algorithm.
    #[must_use]
    pub fn get(&self, algo: Algo) -> Option<&Digest> {
        match algo {
            Algo::Sha256 => self.sha256.as_ref(),
            Algo::QuickXor => self.quickxor.as_ref(),
            Algo::Sha1 => self.sha1.as_ref(),
        }
    }

    /// True where nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.quickxor.is_none() && self.sha1.is_none()
    }
}

/// Computes size, SHA-256 and quickXorHash of bytes in passing.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    sha256: sha2::Sha256,
    quickxor: QuickXor,
}

impl Hasher {
    /// Starts anew.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. About a millisecond of CPU for 512 KiB, so callers pass chunks of at most that.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.quickxor.update(bytes);
    }

    /// The number of bytes taken so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.quickxor.len()
    }

    /// True before the first byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The digests of everything taken so far; the hasher can go on afterwards.
    #[must_use]
    pub fn digests(&self) -> Digests {
        Digests {
            sha256: Digest::new(Algo::Sha256, &self.sha256.clone().finalize()),
            quickxor: Digest::new(Algo::QuickXor, &self.quickxor.finish()),
            sha1: None,
        }
    }

    /// Saves the state as text: it holds no content beyond one unfinished block of 64 bytes.
    #[must_use]
    pub fn save(&self) -> String {
        let sha = BASE64.encode(self.sha256.serialize());
        let (block, len) = self.quickxor.state();
        format!("1:{len}:{sha}:{}", BASE64.encode(block))
    }

    /// Goes on from a saved state; `None` where the text is not one.
    #[must_use]
    pub fn load(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        if parts.next()? != "1" {
            return None;
        }
        let len = parts.next()?.parse().ok()?;
        let sha = BASE64.decode(parts.next()?).ok()?;
        let block = BASE64.decode(parts.next()?).ok()?;
        let sha = sha.as_slice().try_into().ok()?;
        Some(Self {
            sha256: sha2::Sha256::deserialize(sha).ok()?,
            quickxor: QuickXor::from_state(&block, len)?,
        })
    }
}

#[cfg(test)]
mod tests;
