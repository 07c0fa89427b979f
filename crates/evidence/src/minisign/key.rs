//! Public keys and their ids.

use ed25519_dalek::VerifyingKey;

use super::{MinisignError, UNTRUSTED, decode, encode, payload, take};

const WHAT: &str = "public key";

/// Eight chosen bytes by which a signature names its key; no proof of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl std::fmt::Display for KeyId {
    /// As minisign prints it: lowest byte last.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// A public key in minisign's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) id: KeyId,
    pub(super) key: VerifyingKey,
}

impl PublicKey {
    /// Reads a public key file, or the one line of it that minisign takes after `-P`.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn parse(text: &str) -> Result<Self, MinisignError> {
        let wrong = |why| MinisignError::Unreadable { what: WHAT, why };
        let mut lines = text.lines();
        let bytes = match decode::<42>(text.trim()) {
            Some(bytes) => {
                lines = "".lines();
                bytes
            }
            None => payload::<42>(WHAT, &mut lines)?.1,
        };
        if lines.next().is_some() {
            return Err(wrong("lines stand behind it"));
        }
        let mut rest = bytes.as_slice();
        if take::<2>(&mut rest, WHAT)? != b"Ed" {
            return Err(wrong("it is not of the kind Ed25519"));
        }
        let id = KeyId(*take::<8>(&mut rest, WHAT)?);
        let key = VerifyingKey::from_bytes(take::<32>(&mut rest, WHAT)?)
            .map_err(|_| wrong("it is no point of the curve"))?;
        // Of such a key anybody can make signatures.
        if key.is_weak() {
            return Err(wrong("it is a weak point of the curve"));
        }
        Ok(Self { id, key })
    }

    /// The id that signatures of this key carry.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The one line for `minisign -P`, and to be printed where it can be compared by eye.
    #[must_use]
    pub fn line(&self) -> String {
        encode(&[b"Ed".as_slice(), &self.id.0, self.key.as_bytes()].concat())
    }

    /// The whole file.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{UNTRUSTED}minisign public key {}\n{}\n", self.id, self.line())
    }
}
