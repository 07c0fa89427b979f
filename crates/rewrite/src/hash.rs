//! Size and SHA-256 of a part, and the check sum that archives carry.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::Digest as _;

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("a SHA-256 has 32 bytes"))
    }
}

/// What a part's bytes come to: their number and their SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Bytes, after decompression.
    pub size: u64,
    /// Of those bytes.
    pub sha256: Sha256,
}

impl Mark {
    /// Of bytes that are in memory.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut marker = Marker::default();
        marker.feed(bytes);
        marker.mark()
    }
}

/// A [`Mark`] in the making.
#[derive(Clone, Default)]
pub(crate) struct Marker {
    size: u64,
    sha: sha2::Sha256,
}

impl Marker {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha.update(bytes);
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn mark(self) -> Mark {
        Mark { size: self.size, sha256: Sha256(self.sha.finalize().into()) }
    }
}

/// CRC-32 as in ISO 3309, eight bits at a time.
pub(crate) struct Crc(u32);

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut n = 0_u32;
    while n < 256 {
        let mut c = n;
        let mut bit = 0;
        while bit < 8 {
            c = if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "n is below 256, and this runs in the compiler")]
        {
            table[n as usize] = c;
        }
        n += 1;
    }
    table
}

impl Crc {
    pub(crate) fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = (self.0 ^ u32::from(*byte)) & 0xFF;
            let step = TABLE.get(at as usize).copied().unwrap_or_default();
            self.0 = step ^ (self.0 >> 8);
        }
    }

    pub(crate) fn value(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_are_the_published_ones() {
        let mut crc = Crc::new();
        crc.feed(b"12345");
        crc.feed(b"6789");
        assert_eq!(crc.value(), 0xCBF4_3926);
        let mark = Mark::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((mark.size, mark.sha256.to_string().as_str()), (3, text));
    }
}
