//! Detached signatures in the form of minisign, so that whoever checks needs nothing of ours.
//!
//! Ed25519 over the BLAKE2b-512 of the file (algorithm `ED`), with a trusted comment under a signature of its
//! own. Keys are minisign's files too, the secret one plain or under a password. Seeds, key ids and salts are
//! passed in: this crate has no source of randomness. Legacy signatures (`Ed`, over the whole file) are refused:
//! to check one the whole file must lie in memory, and minisign itself makes them only when asked to.
//!
//! Source: minisign 0.11 as Debian ships it, its man page and files as observed 2026-11. Bytes: `docs/evidence.md`.

mod key;
mod secret;
mod signature;

pub use key::{KeyId, PublicKey};
pub use secret::{Cost, SecretKey};
pub use signature::{Prehash, Signature};

/// Why a key or signature was not taken, or does not fit. No variant carries a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MinisignError {
    /// The text is not what it should be.
    #[error("{what} is unreadable: {why}")]
    Unreadable {
        /// "public key", "secret key" or "signature".
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A signature of the old kind.
    #[error("signature is of the legacy kind, over the whole file: sign again without -l")]
    Legacy,
    /// Another key made the signature.
    #[error("signature was made with key {signed}, and the public key is {given}")]
    OtherKey {
        /// The id in the signature.
        signed: KeyId,
        /// The id of the public key.
        given: KeyId,
    },
    /// The file is not the one that was signed, or the key only bears the right id.
    #[error("signature does not fit: another file, a changed one, or a forged signature")]
    Content,
    /// The trusted comment is not the one that was signed.
    #[error("trusted comment was changed after the signature")]
    TrustedComment,
    /// A comment that does not fit on a line.
    #[error("comment of {bytes} bytes cannot be written: {why}")]
    CommentRefused {
        /// Its bytes.
        bytes: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The secret key is under a password, and none was given.
    #[error("secret key is under a password, and none was given")]
    PasswordMissing,
    /// An empty password protects nothing.
    #[error("password for the secret key is empty")]
    PasswordEmpty,
    /// The password does not open the secret key. A damaged file looks the same.
    #[error("password does not open the secret key, or its file is damaged")]
    PasswordWrong,
    /// The secret key's checksum or public half does not fit.
    #[error("secret key is damaged: its parts do not fit each other")]
    KeyDamaged,
    /// The file asks for more work or memory than minisign ever writes.
    #[error("secret key asks for more work or memory than minisign's highest setting")]
    TooCostly,
    /// The file to be signed or checked could not be read.
    #[error("file could not be read")]
    Io(#[from] std::io::Error),
}

/// The two lines of a key file, or the first two of a signature: comment and payload of `N` bytes.
fn payload<'a, const N: usize>(
    what: &'static str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<(&'a str, zeroize::Zeroizing<[u8; N]>), MinisignError> {
    let wrong = |why| MinisignError::Unreadable { what, why };
    let first = lines.next().ok_or(wrong("it is empty"))?;
    let comment =
        first.strip_prefix(UNTRUSTED).ok_or(wrong("it does not begin with an untrusted comment"))?;
    let second = lines.next().ok_or(wrong("it ends after its comment"))?;
    Ok((comment, decode(second).ok_or(wrong("its second line is not of the right length in base64"))?))
}

fn decode<const N: usize>(text: &str) -> Option<zeroize::Zeroizing<[u8; N]>> {
    use base64::Engine as _;
    let bytes = zeroize::Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(text).ok()?);
    Some(zeroize::Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Cuts the next `N` bytes off; callers know the whole length from its type.
fn take<'a, const N: usize>(
    bytes: &mut &'a [u8],
    otherwise: &'static str,
) -> Result<&'a [u8; N], MinisignError> {
    let (head, tail) = bytes
        .split_first_chunk::<N>()
        .ok_or(MinisignError::Unreadable { what: otherwise, why: "it is too short" })?;
    *bytes = tail;
    Ok(head)
}

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
/// minisign's longest comments, its own final byte left out.
const UNTRUSTED_LIMIT: usize = 1023 - UNTRUSTED.len();
const TRUSTED_LIMIT: usize = 8191 - TRUSTED.len();

#[cfg(test)]
mod tests;
