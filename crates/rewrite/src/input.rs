//! One of the two files: positional reads with bounds, never the whole of it.

use std::io::{Read, Seek, SeekFrom};

use crate::error::{Reason, RewriteError, Side, refused};
use crate::hash::{Mark, Marker};

/// What can be read from any place: a file, a slice in a cursor.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// A file with its length and the side that refusals name.
pub(crate) struct Input<'a> {
    inner: &'a mut dyn ReadSeek,
    len: u64,
    side: Side,
}

impl<'a> Input<'a> {
    pub(crate) fn new(inner: &'a mut dyn ReadSeek, side: Side) -> Result<Self, RewriteError> {
        let len = inner.seek(SeekFrom::End(0)).map_err(|error| RewriteError::Unread(side, error))?;
        Ok(Self { inner, len, side })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn refuse(&self, reason: Reason, part: &str, detail: impl Into<String>) -> RewriteError {
        refused(self.side, reason, part, detail)
    }

    /// Fills the buffer from this place; a place past the end is a file cut short.
    pub(crate) fn fill(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), RewriteError> {
        if at.checked_add(buffer.len() as u64).is_none_or(|end| end > self.len) {
            return Err(self.refuse(Reason::Truncated, "", format!("nothing at byte {at}")));
        }
        let side = self.side;
        let unread = |error| RewriteError::Unread(side, error);
        self.inner.seek(SeekFrom::Start(at)).map_err(unread)?;
        self.inner.read_exact(buffer).map_err(unread)
    }

    /// So many bytes at a place, as an array.
    pub(crate) fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], RewriteError> {
        let mut bytes = [0; N];
        self.fill(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Bytes to hold; the caller has held the length against a limit.
    pub(crate) fn bytes(&mut self, at: u64, len: u64) -> Result<Vec<u8>, RewriteError> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(self.refuse(Reason::Truncated, "", format!("nothing at byte {at}")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.fill(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Passes a range on piece by piece.
    pub(crate) fn each(
        &mut self,
        mut at: u64,
        len: u64,
        mut piece: impl FnMut(&[u8]) -> Result<(), RewriteError>,
    ) -> Result<(), RewriteError> {
        let end = at.saturating_add(len);
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(PIECE).min(PIECE)];
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            buffer.truncate(wanted);
            let part = buffer.as_mut_slice();
            self.fill(at, part)?;
            piece(part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Size and SHA-256 of a range.
    pub(crate) fn mark(&mut self, at: u64, len: u64) -> Result<Mark, RewriteError> {
        let mut marker = Marker::default();
        self.each(at, len, |piece| {
            marker.feed(piece);
            Ok(())
        })?;
        Ok(marker.mark())
    }
}

/// A little-endian number of up to eight bytes at a place in bytes that are held; zero past their end.
pub(crate) fn le(bytes: &[u8], at: usize, width: usize) -> u64 {
    let part = at.checked_add(width).and_then(|end| bytes.get(at..end)).unwrap_or_default();
    part.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
