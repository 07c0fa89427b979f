//! Digests as they stand in evidence: SHA-256, and weaker ones under their own names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// `N` bytes, written as lower case hexadecimal digits and read in no other form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>([u8; N]);

/// A SHA-256.
pub type Sha256 = Hex<32>;
/// A SHA-1, as some stores publish it: finds accidents, not forgery.
pub type Sha1 = Hex<20>;

impl<const N: usize> Hex<N> {
    /// Takes the raw bytes.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// Reads lower case digits, exactly as many as there must be; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != N * 2 || !pairs.remainder().is_empty() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair else { return None };
            *byte = (digit(*high)? << 4) | digit(*low)?;
        }
        Some(Self(bytes))
    }
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

impl Sha256 {
    /// The SHA-256 of a text that lies in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl<const N: usize> std::fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> std::fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("not {} lower case hex digits", N * 2)))
    }
}

/// Microsoft's quickXorHash, in base64 as Graph prints it: two swapped pieces of 320 KiB have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuickXorHash([u8; 20]);

impl QuickXorHash {
    /// Takes the raw bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl std::fmt::Display for QuickXorHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl Serialize for QuickXorHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QuickXorHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| D::Error::custom("not 20 bytes in base64"))
    }
}

/// The strongest digest that is known of one content, under its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileDigest {
    /// SHA-256: the bytes passed through Landfall, or were read back.
    #[serde(rename = "sha256")]
    Sha256(Sha256),
    /// Only what Microsoft's stores publish.
    #[serde(rename = "quickXorHash")]
    QuickXorHash(QuickXorHash),
    /// Only the SHA-1 that a store publishes.
    #[serde(rename = "sha1")]
    Sha1(Sha1),
}

impl FileDigest {
    /// The algorithm's name as it stands in every output.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::QuickXorHash(_) => "quickXorHash",
            Self::Sha1(_) => "sha1",
        }
    }

    /// The SHA-256, where it is one.
    #[must_use]
    pub const fn sha256(&self) -> Option<&Sha256> {
        match self {
            Self::Sha256(digest) => Some(digest),
            Self::QuickXorHash(_) | Self::Sha1(_) => None,
        }
    }
}

impl std::fmt::Display for FileDigest {
    /// Prints the value alone: hex, or base64 for quickXorHash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::QuickXorHash(digest) => digest.fmt(f),
            Self::Sha1(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_in_one_form_only() {
        let digest = Sha256::of(b"abc");
        // FIPS 180-4, the example of one block.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Sha256::parse(text), Some(digest));
        for wrong in [&text.to_uppercase(), &text[1..], &format!("{text}0"), &text.replace('b', "g"), ""] {
            assert_eq!(Sha256::parse(wrong), None, "{wrong}");
        }
        // As many bytes as there must be, but not digits.
        assert_eq!(Sha1::parse(&"あ".repeat(13)), None);
    }

    #[test]
    fn a_digest_carries_its_own_name() {
        let quick = FileDigest::QuickXorHash(QuickXorHash::new([7; 20]));
        let text = serde_json::to_string(&quick).unwrap();
        assert_eq!(text, r#"{"quickXorHash":"BwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#);
        assert_eq!(serde_json::from_str::<FileDigest>(&text).unwrap(), quick);
        assert!(serde_json::from_str::<FileDigest>(r#"{"sha256":"BwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#).is_err());
        assert!(serde_json::from_str::<FileDigest>(r#"{"quickXorHash":"BwcH"}"#).is_err());
    }
}
