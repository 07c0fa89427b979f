//! Seals the memos that must not lie readable on a disk: ChaCha20-Poly1305 by `ring`.
//!
//! The memo's own name is bound into each seal, so that one cannot be put in another's place. The key
//! comes from the options (the environment), or from a file readable by its owner only that is made on
//! demand. A lost or other key is no error: the memo is then as if it had never been, and work is repeated.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landfall_core::memo::MemoKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// The first word of a key file, with its version.
const MARK: &str = "landfall-ledger-key-1";

/// The key and where it comes from.
pub(crate) struct Seal {
    given: Option<Zeroizing<[u8; 32]>>,
    file: Option<PathBuf>,
    key: OnceLock<Option<LessSafeKey>>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({:?})", self.file)
    }
}

impl Seal {
    pub(crate) fn new(given: Option<[u8; 32]>, file: Option<PathBuf>) -> Self {
        Self { given: given.map(Zeroizing::new), file, key: OnceLock::new() }
    }

    fn key(&self) -> Option<&LessSafeKey> {
        self.key.get_or_init(|| self.find_key().and_then(|bytes| load(&bytes))).as_ref()
    }

    fn find_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        if let Some(key) = &self.given {
            return Some(key.clone());
        }
        let Some(file) = &self.file else {
            tracing::warn!("no key for the ledger's secrets: a killed upload will be begun anew");
            return fresh();
        };
        match std::fs::read_to_string(file) {
            Ok(text) => read_key(&text).or_else(|| {
                tracing::warn!(file = %file.display(), "the ledger's key file is not one: its secrets are lost");
                fresh()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(file),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the ledger's key file cannot be read");
                fresh()
            }
        }
    }

    /// Seals a text: nonce, then ciphertext and tag. `None` where there is no randomness for a nonce.
    pub(crate) fn seal(&self, name: &MemoKey, text: &str) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut body = text.as_bytes().to_vec();
        let key = self.key()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(name), &mut body).ok()?;
        Some([nonce.as_slice(), &body].concat())
    }

    /// Opens a seal; `None` where the key is lost or another one.
    pub(crate) fn open(&self, name: &MemoKey, sealed: &[u8]) -> Option<String> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let opened = self
            .key()
            .and_then(|key| {
                key.open_in_place(Nonce::assume_unique_for_key(*nonce), bound(name), &mut body).ok()
            })
            .and_then(|text| String::from_utf8(text.to_vec()).ok());
        if opened.is_none() {
            tracing::warn!(
                job = name.job.0,
                kind = name.kind,
                "the key of the ledger's secrets is lost or another one"
            );
        }
        opened
    }
}

fn bound(name: &MemoKey) -> Aad<Vec<u8>> {
    Aad::from(format!("{}|{}|{}", name.job, name.kind, name.key).into_bytes())
}

fn load(bytes: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, bytes).ok().map(LessSafeKey::new)
}

/// A key that lives as long as this process.
fn fresh() -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

fn read_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.trim().strip_prefix(MARK)?.strip_prefix(' ')?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    if digits.len() != 64 {
        return None;
    }
    for (to, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *to = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Makes the key file. Where another process was quicker, its key is taken.
fn make_key(file: &Path) -> Option<Zeroizing<[u8; 32]>> {
    let key = fresh()?;
    let digits: String = key.iter().map(|b| format!("{b:02x}")).collect();
    let text = Zeroizing::new(format!("{MARK} {digits}\n"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut out| {
        out.write_all(text.as_bytes())?;
        out.sync_all()
    });
    match written {
        Ok(()) => Some(key),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(file).ok().and_then(|text| read_key(&text)).or(Some(key))
        }
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the ledger's key file cannot be written");
            Some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_core::JobId;

    fn name(key: &str) -> MemoKey {
        MemoKey::new(JobId(1), "session", key)
    }

    #[test]
    fn a_seal_opens_only_under_its_own_name_and_key() {
        let seal = Seal::new(Some([7; 32]), None);
        let sealed = seal.seal(&name("録音"), "https://up?秘密").unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("https"));
        assert_eq!(seal.open(&name("録音"), &sealed).as_deref(), Some("https://up?秘密"));
        assert_eq!(seal.open(&name("録画"), &sealed), None);
        assert_eq!(Seal::new(Some([8; 32]), None).open(&name("録音"), &sealed), None);
        assert_eq!(seal.open(&name("録音"), &sealed[..5]), None);
        assert_ne!(seal.seal(&name("録音"), "https://up?秘密").unwrap(), sealed, "no nonce serves twice");
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("台帳.key");
        let sealed = Seal::new(None, Some(file.clone())).seal(&name("a"), "text").unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(Seal::new(None, Some(file.clone())).open(&name("a"), &sealed).as_deref(), Some("text"));
        std::fs::write(&file, "something else").unwrap();
        assert_eq!(Seal::new(None, Some(file.clone())).open(&name("a"), &sealed), None);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "something else", "a foreign file is left alone");
    }
}
