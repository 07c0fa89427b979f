//! Signatures: four lines of text.

use std::io::{self, Read, Write};

use blake2::{Blake2b512, Digest as _};
use zeroize::Zeroizing;

use super::key::{KeyId, PublicKey};
use super::{
    MinisignError, TRUSTED, TRUSTED_LIMIT, UNTRUSTED, UNTRUSTED_LIMIT, decode, encode, payload, take,
};

const WHAT: &str = "signature";

/// The BLAKE2b-512 of a file, taken as its bytes pass: write the file to it, or let it read one.
#[derive(Clone, Default)]
pub struct Prehash(Blake2b512);

impl std::fmt::Debug for Prehash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prehash")
    }
}

impl Prehash {
    /// Reads a file to its end, in constant memory.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(mut file: impl Read) -> io::Result<Self> {
        let mut prehash = Self::default();
        io::copy(&mut file, &mut prehash)?;
        Ok(prehash)
    }

    fn finish(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

impl Write for Prehash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A detached signature. Nothing of it is to be believed before [`Signature::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    untrusted: String,
    id: KeyId,
    signature: ed25519_dalek::Signature,
    trusted: String,
    global: ed25519_dalek::Signature,
}

impl Signature {
    pub(super) fn made(
        id: KeyId,
        untrusted: &str,
        trusted: &str,
        content: Prehash,
        sign: impl Fn(&[u8]) -> ed25519_dalek::Signature,
    ) -> Result<Self, MinisignError> {
        fits(untrusted, UNTRUSTED_LIMIT)?;
        fits(trusted, TRUSTED_LIMIT)?;
        let signature = sign(&content.finish());
        let global = sign(&covered(&signature, trusted));
        Ok(Self { untrusted: untrusted.to_owned(), id, signature, trusted: trusted.to_owned(), global })
    }

    /// Reads a signature file.
    ///
    /// # Errors
    /// Where it is none, or of the legacy kind.
    pub fn parse(text: &str) -> Result<Self, MinisignError> {
        let wrong = |why| MinisignError::Unreadable { what: WHAT, why };
        let mut lines = text.lines();
        let (untrusted, bytes) = payload::<74>(WHAT, &mut lines)?;
        let mut rest = bytes.as_slice();
        match take::<2>(&mut rest, WHAT)? {
            b"ED" => {}
            b"Ed" => return Err(MinisignError::Legacy),
            _ => return Err(wrong("it is not of the kind Ed25519")),
        }
        let id = KeyId(*take::<8>(&mut rest, WHAT)?);
        let signature = ed25519_dalek::Signature::from_bytes(take::<64>(&mut rest, WHAT)?);
        let third = lines.next().ok_or(wrong("it has no trusted comment"))?;
        let trusted = third.strip_prefix(TRUSTED).ok_or(wrong("its third line is no trusted comment"))?;
        let global: Option<Zeroizing<[u8; 64]>> = lines.next().and_then(decode);
        let global = global.ok_or(wrong("its fourth line is not of the right length in base64"))?;
        if lines.next().is_some() {
            return Err(wrong("lines stand behind it"));
        }
        let global = ed25519_dalek::Signature::from_bytes(&global);
        Ok(Self { untrusted: untrusted.to_owned(), id, signature, trusted: trusted.to_owned(), global })
    }

    /// The id of the key that it names.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// Checks it against a file whose bytes went through `content`, and gives the trusted comment.
    ///
    /// # Errors
    /// Where the key, the file or the trusted comment is another.
    pub fn verify(&self, key: &PublicKey, content: Prehash) -> Result<&str, MinisignError> {
        if self.id != key.id {
            return Err(MinisignError::OtherKey { signed: self.id, given: key.id });
        }
        key.key.verify_strict(&content.finish(), &self.signature).map_err(|_| MinisignError::Content)?;
        key.key
            .verify_strict(&covered(&self.signature, &self.trusted), &self.global)
            .map_err(|_| MinisignError::TrustedComment)?;
        Ok(&self.trusted)
    }

    /// The whole file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = [b"ED".as_slice(), &self.id.0, &self.signature.to_bytes()].concat();
        format!(
            "{UNTRUSTED}{}\n{}\n{TRUSTED}{}\n{}\n",
            self.untrusted,
            encode(&bytes),
            self.trusted,
            encode(&self.global.to_bytes())
        )
    }
}

/// What the second signature covers.
fn covered(signature: &ed25519_dalek::Signature, trusted: &str) -> Vec<u8> {
    [&signature.to_bytes(), trusted.as_bytes()].concat()
}

fn fits(comment: &str, limit: usize) -> Result<(), MinisignError> {
    let refused = |why| MinisignError::CommentRefused { bytes: comment.len(), why };
    if comment.len() > limit {
        return Err(refused("it is longer than minisign reads"));
    }
    // minisign itself parts fields with tabs; anything else could end the line or fool a terminal.
    if comment.chars().any(|letter| letter.is_control() && letter != '\t') {
        return Err(refused("it holds a control character"));
    }
    Ok(())
}
