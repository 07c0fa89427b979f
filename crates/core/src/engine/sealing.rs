//! Sealing and opening on the way: the engine's use of the seal, with both sides hashed in passing.
//!
//! A wrong key makes a sealed destination look empty, and everything would be sent again beside it. So the
//! key is shown to fit before the first write: its fingerprint against the ledger's, and, where the ledger
//! has none yet, a block of what the destination already holds.

use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::Code;
use crate::digest::Hasher;
use crate::engine::{Engine, Job};
use crate::error::{ErrorKind, StoreError};
use crate::memo::{MemoKey, MemoValue};
use crate::proof::Evidence;
use crate::seal::{Nonce, Seal, Sealing};
use crate::store::{Destination, Listed};
use crate::transport::Body;
use crate::words::{ByteSize, ItemKey};

/// Objects that a key is tried on.
const TRIED: usize = 3;
/// Of each as much is read at most: the header and one full block of any format we know.
const SAMPLE: usize = 128 << 10;
/// Objects looked at to find that many that are sealed.
const LOOKED_AT: usize = 60;

/// One sealing with the sealed side hashed in passing.
pub(super) struct Sealer {
    sealing: Box<dyn Sealing>,
    hasher: Hasher,
    nonce: Nonce,
    key: String,
}

impl Sealer {
    /// Begins with a nonce that was never used.
    pub(super) fn begin(seal: &dyn Seal) -> Self {
        Self::again(seal, seal.nonce())
    }

    /// Begins with the nonce of an earlier sealing, to make the same bytes again. Never for new content.
    pub(super) fn again(seal: &dyn Seal, nonce: Nonce) -> Self {
        let sealing = seal.seal(nonce);
        Self { sealing, hasher: Hasher::new(), nonce, key: seal.fingerprint() }
    }

    /// Seals a piece.
    pub(super) fn update(&mut self, plain: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(plain.len() + 1024);
        self.sealing.update(plain, &mut out);
        self.hasher.update(&out);
        out.into()
    }

    /// Gives the last sealed bytes, and what all of them are.
    pub(super) fn finish(mut self) -> (Bytes, Evidence, Nonce, String) {
        let mut out = Vec::new();
        self.sealing.finish(&mut out);
        self.hasher.update(&out);
        let evidence = Evidence { size: ByteSize(self.hasher.len()), digests: self.hasher.digests() };
        (out.into(), evidence, self.nonce, self.key)
    }
}

/// The first bytes of an object, at most so many.
pub(super) async fn beginning(
    destination: &dyn Destination,
    item: &ItemKey,
    most: usize,
) -> Result<Vec<u8>, StoreError> {
    let mut body = destination.read(item, 0).await?;
    let mut read = Vec::with_capacity(most);
    while read.len() < most {
        match body.next().await {
            Some(Ok(bytes)) => read.extend_from_slice(bytes.get(..most - read.len()).unwrap_or(&bytes)),
            Some(Err(error)) => {
                let detail = "the body broke off";
                return Err(
                    StoreError::new(ErrorKind::Interrupted, "read", item.as_str(), detail).with_source(error)
                );
            }
            None => break,
        }
    }
    Ok(read)
}

impl Engine {
    /// Seals a body again with a known nonce and gives what plain and sealed bytes are: the proof of an
    /// object whose ciphertext nobody kept a record of, for the price of reading its first bytes.
    ///
    /// # Errors
    /// Where the body breaks off.
    pub async fn seal_again(
        &self,
        seal: &dyn Seal,
        nonce: Nonce,
        mut body: Body,
        name: &str,
    ) -> Result<(Evidence, Evidence), StoreError> {
        let mut plain = Hasher::new();
        let mut sealer = Sealer::again(seal, nonce);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|e| {
                StoreError::new(ErrorKind::Interrupted, "read", name, "the body broke off").with_source(e)
            })?;
            self.go_on(name)?;
            for part in piece.chunks(512 << 10) {
                plain.update(part);
                sealer.update(part);
            }
        }
        let (_, sealed, ..) = sealer.finish();
        Ok((Evidence { size: ByteSize(plain.len()), digests: plain.digests() }, sealed))
    }

    /// Shows that the job's key is the one that the destination was sealed with, before anything is written.
    ///
    /// # Errors
    /// `Rejected` with code `WrongSealKey`; and where the destination cannot be looked at.
    pub async fn check_seal(&self, job: &Job) -> Result<(), StoreError> {
        let Some(seal) = &job.seal else { return Ok(()) };
        let memo = MemoKey::new(job.handle.id, "seal", "fingerprint");
        let now = seal.fingerprint();
        match self.ledger.memo(&memo).await? {
            Some(before) if before == now => return Ok(()),
            Some(_) => {
                return Err(wrong_key(job, "this job was sealed with another key before"));
            }
            None => {}
        }
        let mut listing = job.destination.changes(None).await?;
        let (mut tried, mut looked_at) = (0, 0);
        'pages: while let Some(page) = listing.next().await? {
            for item in page.items {
                let Listed::File(entry) = item else { continue };
                if looked_at >= LOOKED_AT || tried >= TRIED {
                    break 'pages;
                }
                if entry.size.0 <= seal.header().0 {
                    continue;
                }
                looked_at += 1;
                let read = beginning(job.destination.as_ref(), &entry.key, SAMPLE).await?;
                if seal.nonce_of(&read).is_none() {
                    continue;
                }
                tried += 1;
                let whole = read.len() as u64 == entry.size.0;
                if opens(seal.as_ref(), &read, whole) {
                    tried = 0;
                    break 'pages;
                }
            }
        }
        if tried > 0 {
            return Err(wrong_key(job, "it does not open what the destination already holds"));
        }
        self.ledger.remember(&memo, MemoValue { text: now, secret: false, expires: None }).await
    }
}

fn opens(seal: &dyn Seal, sealed: &[u8], whole: bool) -> bool {
    let mut plain = Vec::new();
    let mut opening = seal.open();
    let begun = opening.update(sealed, &mut plain).is_ok();
    match whole {
        true => begun && opening.finish(&mut plain).is_ok(),
        false => begun && !plain.is_empty(),
    }
}

fn wrong_key(job: &Job, detail: &str) -> StoreError {
    StoreError::new(ErrorKind::Rejected, "check the seal's key of", &job.handle.name, detail)
        .with_code(Code::WrongSealKey)
}
