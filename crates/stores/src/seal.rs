//! The rclone crypt format (`landfall-seal`) as the seal of a job.
//!
//! Owns the translation between the two seams and the drawing of nonces, which come from the operating
//! system and nowhere else. Refuses to know `rclone.conf`, jobs and where sealed bytes go.

use landfall_core::seal::{Nonce, Seal, Sealing, Unsealing};
use landfall_core::{ByteSize, ErrorKind, StoreError};
use landfall_seal::{Cipher, HEADER, Opener, SealError, Sealer, read_header};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Seals names and bytes as rclone does, under one cipher.
#[derive(Clone, Debug)]
pub struct CryptSeal {
    cipher: Cipher,
    random: SystemRandom,
}

impl CryptSeal {
    /// Takes a cipher that may be written with.
    #[must_use]
    pub fn new(cipher: Cipher) -> Self {
        Self { cipher, random: SystemRandom::new() }
    }
}

impl Seal for CryptSeal {
    fn fingerprint(&self) -> String {
        self.cipher.keys().fingerprint()
    }

    fn name(&self, plain: &str) -> Result<String, StoreError> {
        let refused =
            |detail: String| StoreError::new(ErrorKind::Unsupported, "seal the name", plain, detail);
        let sealed = self.cipher.encode_segment(plain).map_err(|error| refused(error.to_string()))?;
        if self.cipher.round_trips(plain) {
            return Ok(sealed);
        }
        Err(refused("it would come back under another name".to_owned()))
    }

    fn plain_name(&self, sealed: &str) -> Option<String> {
        self.cipher.decode_segment(sealed).ok()
    }

    fn sealed_size(&self, plain: ByteSize) -> ByteSize {
        ByteSize(self.cipher.sealed_size(plain.0))
    }

    fn plain_size(&self, sealed: ByteSize) -> Option<ByteSize> {
        self.cipher.opened_size(sealed.0).ok().map(ByteSize)
    }

    fn header(&self) -> ByteSize {
        ByteSize(HEADER as u64)
    }

    fn nonce_of(&self, header: &[u8]) -> Option<Nonce> {
        let nonce = read_header(header.first_chunk()?).ok()?;
        Nonce::from_hex(&nonce.hex())
    }

    #[expect(clippy::expect_used, reason = "without the system's randomness nothing may be sealed at all")]
    fn nonce(&self) -> Nonce {
        let mut bytes = [0; 24];
        self.random.fill(&mut bytes).expect("the operating system gives random bytes");
        Nonce(bytes)
    }

    fn seal(&self, nonce: Nonce) -> Box<dyn Sealing> {
        Box::new(Pushed(Sealer::new(&self.cipher, landfall_seal::Nonce::from_bytes(nonce.0))))
    }

    fn open(&self) -> Box<dyn Unsealing> {
        Box::new(Opened(Opener::new(&self.cipher)))
    }
}

struct Pushed(Sealer);

impl Sealing for Pushed {
    fn update(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.0.update(plain, out);
    }

    fn finish(self: Box<Self>, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}

struct Opened(Opener);

impl Unsealing for Opened {
    fn update(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.0.update(sealed, out).map_err(|error| corrupt(&error))
    }

    fn finish(self: Box<Self>, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.0.finish(out).map_err(|error| corrupt(&error))
    }
}

fn corrupt(error: &SealError) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, "open", "a sealed object", error.to_string())
}

#[cfg(test)]
mod tests {
    use landfall_seal::{Keys, Options};

    use super::*;

    fn seal(password: &str) -> CryptSeal {
        let options = Options { directory_names: false, ..Options::default() };
        CryptSeal::new(Cipher::new(Keys::derive(password.as_bytes(), Some(b"salt1")), options))
    }

    #[test]
    fn what_is_sealed_comes_back_and_says_its_nonce() {
        let seal = seal("合言葉");
        let nonce = seal.nonce();
        assert_ne!(nonce, seal.nonce());
        let plain: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut sealed = Vec::new();
        let mut sealing = seal.seal(nonce);
        for piece in plain.chunks(7001) {
            sealing.update(piece, &mut sealed);
        }
        sealing.finish(&mut sealed);
        assert_eq!(seal.sealed_size(ByteSize(100_000)).0, sealed.len() as u64);
        assert_eq!(seal.plain_size(ByteSize(sealed.len() as u64)), Some(ByteSize(100_000)));
        assert_eq!(seal.nonce_of(&sealed[..32]), Some(nonce));
        assert_eq!(seal.nonce_of(b"RCLONE"), None);
        let mut back = Vec::new();
        let mut opening = seal.open();
        opening.update(&sealed, &mut back).unwrap();
        opening.finish(&mut back).unwrap();
        assert_eq!(back, plain);
        let mut other = tests::seal("別の合言葉").open();
        let failed = other.update(&sealed, &mut Vec::new()).and_then(|()| other.finish(&mut Vec::new()));
        assert_eq!(failed.unwrap_err().kind, ErrorKind::Corrupt);
    }

    #[test]
    fn names_go_there_and_back_or_are_refused() {
        // Source: reference/media-catalogue.md, the known pair of the password "password1" with the salt "salt1".
        let seal = seal("password1");
        let sealed = seal.name("1908900169724363186_1.jpg").unwrap();
        assert_eq!(sealed, "g2liiurhi8tf1vepet2aqrt26pra5mim6q6samvvn1o4hlq4v3e0");
        assert_eq!(seal.plain_name(&sealed).as_deref(), Some("1908900169724363186_1.jpg"));
        assert_eq!(seal.plain_name("花子.jpg"), None);
        let error = seal.name("-v2024-01-02-030405-678.jpg").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert_eq!(seal.name("a/b").unwrap_err().kind, ErrorKind::Unsupported);
    }
}
