//! Secret keys: plain, or under a password by scrypt as libsodium chooses its parameters.

use blake2::Digest as _;
use ed25519_dalek::{Signer as _, SigningKey};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::key::{KeyId, PublicKey};
use super::signature::{Prehash, Signature};
use super::{MinisignError, UNTRUSTED, encode, payload, take};

const WHAT: &str = "secret key";
/// Algorithm 2, kdf 2, checksum 2, salt 32, work 8, memory 8, then what a password covers.
const FILE: usize = 54 + COVERED;
/// Key id 8, secret and public key 64, checksum 32.
const COVERED: usize = 104;

type Checksum = blake2::Blake2b<blake2::digest::consts::U32>;

/// Work and memory that a password costs whoever tries one, in libsodium's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// libsodium's `opslimit`.
    pub work: u64,
    /// libsodium's `memlimit`, in bytes.
    pub memory: u64,
}

impl Cost {
    /// What minisign writes: 1 GiB of memory and a few seconds a try.
    pub const SENSITIVE: Self = Self { work: 33_554_432, memory: 1 << 30 };
    /// 16 MiB and a tenth of a second: for machines that do not have a gigabyte to spare.
    pub const INTERACTIVE: Self = Self { work: 524_288, memory: 16 << 20 };

    /// scrypt's N (as a power of two) and p for r = 8, chosen as libsodium's `pickparams` does.
    fn parameters(self) -> Result<scrypt::Params, MinisignError> {
        const R: u64 = 8;
        let work = self.work.max(32_768);
        let by_work = work < self.memory / 32;
        let most = if by_work { work / (R * 4) } else { self.memory / (R * 128) };
        let log_n = (1..63).find(|log| 1_u64 << log > most / 2).unwrap_or(63);
        let p = if by_work { 1 } else { ((work / 4) >> log_n).min(0x3fff_ffff) / R };
        // A hostile file must not choose what we spend: 1 GiB, and four times minisign's work.
        if log_n > 20 || p > 4 << (20 - log_n) {
            return Err(MinisignError::TooCostly);
        }
        let (Ok(log_n), Ok(p)) = (u8::try_from(log_n), u32::try_from(p)) else {
            return Err(MinisignError::TooCostly);
        };
        scrypt::Params::new(log_n, 8, p)
            .map_err(|_| MinisignError::Unreadable { what: WHAT, why: "its scrypt parameters make no sense" })
    }

    fn stream(
        self,
        password: &SecretString,
        salt: &[u8; 32],
    ) -> Result<Zeroizing<[u8; COVERED]>, MinisignError> {
        let mut stream = Zeroizing::new([0; COVERED]);
        let password = password.expose_secret().as_bytes();
        scrypt::scrypt(password, salt, &self.parameters()?, stream.as_mut_slice())
            .map_err(|_| MinisignError::TooCostly)?;
        Ok(stream)
    }
}

/// A secret key. It does not print, and its bytes are wiped when it goes.
#[derive(Clone)]
pub struct SecretKey {
    id: KeyId,
    key: SigningKey,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

impl SecretKey {
    /// Makes a key of 40 fresh bytes of chance from the system.
    #[must_use]
    pub fn from_seed(id: KeyId, seed: &Zeroizing<[u8; 32]>) -> Self {
        Self { id, key: SigningKey::from_bytes(seed) }
    }

    /// Reads a secret key file; the password is only looked at where the file is under one.
    ///
    /// Opening costs what the file says: up to 1 GiB of memory and some seconds.
    ///
    /// # Errors
    /// Where it is no secret key, is damaged, or the password is missing or wrong.
    pub fn parse(text: &str, password: Option<&SecretString>) -> Result<Self, MinisignError> {
        let wrong = |why| MinisignError::Unreadable { what: WHAT, why };
        let mut lines = text.lines();
        let (_, bytes) = payload::<FILE>(WHAT, &mut lines)?;
        if lines.next().is_some() {
            return Err(wrong("lines stand behind it"));
        }
        let mut rest = bytes.as_slice();
        if take::<2>(&mut rest, WHAT)? != b"Ed" {
            return Err(wrong("it is not of the kind Ed25519"));
        }
        let kdf = take::<2>(&mut rest, WHAT)?;
        if take::<2>(&mut rest, WHAT)? != b"B2" {
            return Err(wrong("its checksum is of an unknown kind"));
        }
        let salt = take::<32>(&mut rest, WHAT)?;
        let work = u64::from_le_bytes(*take::<8>(&mut rest, WHAT)?);
        let memory = u64::from_le_bytes(*take::<8>(&mut rest, WHAT)?);
        let mut covered = Zeroizing::new(*take::<COVERED>(&mut rest, WHAT)?);
        match kdf {
            [0, 0] => Self::uncovered(&covered, false),
            b"Sc" => {
                let password = password.ok_or(MinisignError::PasswordMissing)?;
                let stream = Cost { work, memory }.stream(password, salt)?;
                covered.iter_mut().zip(stream.iter()).for_each(|(byte, pad)| *byte ^= pad);
                Self::uncovered(&covered, true)
            }
            _ => Err(wrong("it is under a password in an unknown way")),
        }
    }

    fn uncovered(covered: &[u8; COVERED], by_password: bool) -> Result<Self, MinisignError> {
        let mut rest = covered.as_slice();
        let id = KeyId(*take::<8>(&mut rest, WHAT)?);
        let pair = Zeroizing::new(*take::<64>(&mut rest, WHAT)?);
        let checksum = take::<32>(&mut rest, WHAT)?;
        let fits = *checksum == sum(id, &pair);
        // minisign leaves the checksum of a plain key empty.
        if !fits && by_password {
            return Err(MinisignError::PasswordWrong);
        }
        if !fits && *checksum != [0; 32] {
            return Err(MinisignError::KeyDamaged);
        }
        let key = SigningKey::from_keypair_bytes(&pair).map_err(|_| MinisignError::KeyDamaged)?;
        Ok(Self { id, key })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { id: self.id, key: self.key.verifying_key() }
    }

    /// The whole file without a password, as `minisign -G -W` writes it.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let pair = Zeroizing::new(self.key.to_keypair_bytes());
        self.file(*b"\0\0", &[0; 32], Cost { work: 0, memory: 0 }, &self.covered(&pair, [0; 32]))
    }

    /// The whole file under a password, with 32 fresh bytes of salt.
    ///
    /// # Errors
    /// Where the password is empty, or the cost is more than this crate would open again.
    pub fn to_text_under(
        &self,
        password: &SecretString,
        salt: &[u8; 32],
        cost: Cost,
    ) -> Result<SecretString, MinisignError> {
        if password.expose_secret().is_empty() {
            return Err(MinisignError::PasswordEmpty);
        }
        let pair = Zeroizing::new(self.key.to_keypair_bytes());
        let mut covered = self.covered(&pair, sum(self.id, &pair));
        let stream = cost.stream(password, salt)?;
        covered.iter_mut().zip(stream.iter()).for_each(|(byte, pad)| *byte ^= pad);
        Ok(self.file(*b"Sc", salt, cost, &covered))
    }

    fn covered(&self, pair: &[u8; 64], checksum: [u8; 32]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.id.0.as_slice(), pair, &checksum].concat())
    }

    fn file(&self, kdf: [u8; 2], salt: &[u8; 32], cost: Cost, covered: &[u8]) -> SecretString {
        let (work, memory) = (cost.work.to_le_bytes(), cost.memory.to_le_bytes());
        let parts: [&[u8]; 7] = [b"Ed", &kdf, b"B2", salt, &work, &memory, covered];
        let bytes = Zeroizing::new(parts.concat());
        let line = Zeroizing::new(encode(&bytes));
        SecretString::from(format!("{UNTRUSTED}minisign encrypted secret key\n{}\n", *line))
    }

    /// Signs a file whose bytes went through `content`.
    ///
    /// # Errors
    /// Where a comment does not fit on its line.
    pub fn sign(&self, content: Prehash, untrusted: &str, trusted: &str) -> Result<Signature, MinisignError> {
        Signature::made(self.id, untrusted, trusted, content, |bytes| self.key.sign(bytes))
    }
}

fn sum(id: KeyId, pair: &[u8; 64]) -> [u8; 32] {
    Checksum::new().chain_update(b"Ed").chain_update(id.0).chain_update(pair).finalize().into()
}
