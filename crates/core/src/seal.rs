//! The seam to the seal: names and bytes encrypted between a source and a destination.
//!
//! The engine seals into the spool, once, and keeps what it did ([`Sealed`]) in the same transaction
//! that makes the file LOCAL, before the first byte leaves. It knows no cipher; the format is the
//! implementation's business (crate `seal`). A nonce of a seal that was not finished is thrown away.

use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::error::StoreError;
use crate::proof::Evidence;
use crate::words::ByteSize;

/// The number that makes one sealing unlike every other of the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 24]);

impl Nonce {
    /// Lower case hex.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Reads 48 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
        let bytes: Vec<u8> = digits?
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => u8::try_from(high * 16 + low).ok(),
                _ => None,
            })
            .collect::<Option<_>>()?;
        bytes.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nonce({})", self.hex())
    }
}

/// What is kept of one finished sealing: with it the same ciphertext can be made again from the plain bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The nonce that was used.
    pub nonce: Nonce,
    /// Fingerprint of the key.
    pub key: String,
    /// Size and digests of the plain bytes.
    pub plain: Evidence,
}

/// The stored form of [`Sealed`].
#[derive(Serialize, Deserialize)]
struct Stored {
    nonce: String,
    key: String,
    size: u64,
    sha256: Option<String>,
}

impl Sealed {
    /// The text that a ledger keeps.
    #[must_use]
    pub fn save(&self) -> String {
        let stored = Stored {
            nonce: self.nonce.hex(),
            key: self.key.clone(),
            size: self.plain.size.0,
            sha256: self.plain.digests.sha256.as_ref().map(crate::Digest::hex),
        };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads what [`Sealed::save`] wrote.
    #[must_use]
    pub fn load(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let sha256 = match stored.sha256 {
            Some(hex) => Some(crate::Digest::from_hex(crate::Algo::Sha256, &hex)?),
            None => None,
        };
        let plain = Evidence { size: ByteSize(stored.size), digests: Digests { sha256, ..Digests::none() } };
        Some(Self { nonce: Nonce::from_hex(&stored.nonce)?, key: stored.key, plain })
    }
}

/// Seals names and bytes under one key.
pub trait Seal: Send + Sync {
    /// A short keyed mark of the key: equal for equal keys, and telling nothing of them.
    fn fingerprint(&self) -> String;

    /// The name under which a plain last path segment stands at the destination: deterministic.
    ///
    /// # Errors
    /// `Unsupported` where the name cannot be sealed so that it comes back as it was, or is too long.
    fn name(&self, plain: &str) -> Result<String, StoreError>;

    /// The plain name of a sealed one; `None` where it was not sealed with this key (which a wrong key
    /// passes once in 256 names, so it is a hint and no proof).
    fn plain_name(&self, sealed: &str) -> Option<String>;

    /// The number of bytes that so many plain bytes become.
    fn sealed_size(&self, plain: ByteSize) -> ByteSize;

    /// The number of plain bytes in so many sealed ones; `None` for a size that no sealing gives.
    fn plain_size(&self, sealed: ByteSize) -> Option<ByteSize>;

    /// The first bytes of a sealed object that are read to learn its nonce.
    fn header(&self) -> ByteSize;

    /// The nonce in an object's first bytes; `None` where it is not sealed at all.
    fn nonce_of(&self, header: &[u8]) -> Option<Nonce>;

    /// A nonce that was never used before.
    fn nonce(&self) -> Nonce;

    /// Begins to seal.
    fn seal(&self, nonce: Nonce) -> Box<dyn Sealing>;

    /// Begins to open what was sealed.
    fn open(&self) -> Box<dyn Unsealing>;
}

/// One sealing under way.
pub trait Sealing: Send {
    /// Takes plain bytes and appends sealed ones to `out`, as far as blocks are full.
    fn update(&mut self, plain: &[u8], out: &mut Vec<u8>);

    /// Appends what is left.
    fn finish(self: Box<Self>, out: &mut Vec<u8>);
}

/// One opening under way.
pub trait Unsealing: Send {
    /// Takes sealed bytes and appends plain ones, as far as blocks are full and shown to be genuine.
    ///
    /// # Errors
    /// `Corrupt` where a block is not genuine, or the bytes are not sealed at all.
    fn update(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Appends what is left. A body cut at the edge of a block ends without an error: sizes are compared
    /// by the caller.
    ///
    /// # Errors
    /// `Corrupt` as above, or where the end is missing.
    fn finish(self: Box<Self>, out: &mut Vec<u8>) -> Result<(), StoreError>;
}
