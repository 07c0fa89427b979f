//! A whole file at once, from a reader to a writer, with the SHA-256 of both sides.
//!
//! Owns its two buffers of one block and nothing else; memory does not grow with the file. Blocks the
//! thread that calls it: belongs on a thread for blocking work. Does not sync, rename or retry.

use std::io::{ErrorKind, Read, Write};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{BLOCK, HEADER, Nonce, Opener, SEALED_BLOCK, Sealer, TAG, read_header};
use crate::cipher::Cipher;
use crate::error::SealError;

/// Size and SHA-256 of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of these bytes.
    pub sha256: [u8; 32],
}

/// What passed on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The plain side.
    pub plain: Content,
    /// The sealed side.
    pub sealed: Content,
}

/// Seals what a reader gives. With `std::io::sink()` as the writer it computes what a file looks like once
/// sealed with a known nonce, which is how an object without a record is proven.
///
/// # Errors
/// [`SealError::Io`]; what was written until then is of no use, and neither is the nonce.
pub fn seal_file(
    cipher: &Cipher,
    nonce: Nonce,
    reader: &mut impl Read,
    writer: &mut impl Write,
) -> Result<Passed, SealError> {
    let mut plain = Side::default();
    let mut sealed = Side::default();
    let mut from = Zeroizing::new(vec![0; BLOCK]);
    let mut to = vec![0; SEALED_BLOCK];
    let mut sealer = Sealer::new(cipher, nonce);
    if cipher.options().data {
        sealed.write(&nonce.header(), writer)?;
    }
    loop {
        let block = fill(reader, &mut from)?;
        if block.is_empty() {
            break;
        }
        plain.take(block);
        if cipher.options().data {
            let out = to.get_mut(..TAG + block.len()).unwrap_or_default();
            sealer.seal(block, out);
            sealed.write(out, writer)?;
        } else {
            sealed.write(block, writer)?;
        }
        if block.len() < BLOCK {
            break;
        }
    }
    written(writer.flush())?;
    Ok(Passed { plain: plain.content(), sealed: sealed.content() })
}

/// Opens what a reader gives. A file cut off at the edge of a block opens without complaint: compare the
/// sizes with what is known of it.
///
/// # Errors
/// What [`Opener`] finds, and [`SealError::Io`]. The blocks before a bad one have been written.
pub fn open_file(
    cipher: &Cipher,
    reader: &mut impl Read,
    writer: &mut impl Write,
) -> Result<Passed, SealError> {
    let mut plain = Side::default();
    let mut sealed = Side::default();
    let mut from = vec![0; SEALED_BLOCK];
    let mut to = Zeroizing::new(vec![0; BLOCK]);
    let mut opener = None;
    if cipher.options().data {
        let header = fill(reader, from.get_mut(..HEADER).unwrap_or_default())?;
        sealed.take(header);
        let Some(header) = header.first_chunk() else {
            return Err(SealError::TooShort { bytes: sealed.size });
        };
        opener = Some(Opener::at_block(cipher, read_header(header)?, 0));
    }
    for number in 0.. {
        let block = fill(reader, &mut from)?;
        if block.is_empty() {
            break;
        }
        sealed.take(block);
        match &mut opener {
            None => plain.write(block, writer)?,
            Some(_) if block.len() <= TAG => return Err(SealError::TruncatedBlock { block: number }),
            Some(opener) => {
                let out = to.get_mut(..block.len() - TAG).unwrap_or_default();
                opener.open(block, out)?;
                plain.write(out, writer)?;
            }
        }
        if block.len() < SEALED_BLOCK {
            break;
        }
    }
    written(writer.flush())?;
    Ok(Passed { plain: plain.content(), sealed: sealed.content() })
}

#[derive(Default)]
struct Side {
    size: u64,
    hash: Sha256,
}

impl Side {
    fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn write(&mut self, bytes: &[u8], writer: &mut impl Write) -> Result<(), SealError> {
        self.take(bytes);
        written(writer.write_all(bytes))
    }

    fn content(self) -> Content {
        Content { size: self.size, sha256: self.hash.finalize().into() }
    }
}

fn written(result: std::io::Result<()>) -> Result<(), SealError> {
    result.map_err(|source| SealError::Io { verb: "written", source })
}

/// Reads until the buffer is full or the input ends.
fn fill<'a>(reader: &mut impl Read, buffer: &'a mut [u8]) -> Result<&'a [u8], SealError> {
    let mut length = 0;
    while let Some(space) = buffer.get_mut(length..).filter(|space| !space.is_empty()) {
        match reader.read(space) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(SealError::Io { verb: "read", source }),
        }
    }
    Ok(buffer.get(..length).unwrap_or_default())
}
