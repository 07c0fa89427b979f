//! Bytes in the storage behind the Hub.
//!
//! Owns objects as they were put, in the pieces in which they came. Refuses to know repositories and links.

use bytes::Bytes;

use super::digest::{Sha256Id, hex, sha256};

/// One object. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pieces: Vec<Bytes>,
    pub(crate) len: u64,
    /// The hash of the bytes; the name under which they lie may claim another.
    pub(crate) sha256: Sha256Id,
    /// The pointer is there and the bytes are gone.
    pub(crate) lost: bool,
}

impl Object {
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let sha256 = sha256(pieces.iter().map(AsRef::as_ref));
        Self { pieces, len, sha256, lost: false }
    }

    /// For bytes whose hash is known already.
    pub(crate) fn of(bytes: Bytes, sha256: Sha256Id) -> Self {
        Self { len: bytes.len() as u64, pieces: vec![bytes], sha256, lost: false }
    }

    /// A run of the bytes, without copying; shorter at the end.
    pub(crate) fn slice(&self, from: u64, len: u64) -> Vec<Bytes> {
        let (mut at, end) = (0, from.saturating_add(len));
        let mut out = Vec::new();
        for piece in &self.pieces {
            let next = at + piece.len() as u64;
            let (low, high) = (from.clamp(at, next) - at, end.clamp(at, next) - at);
            if low < high {
                out.push(piece.slice(within(low)..within(high)));
            }
            at = next;
        }
        out
    }

    pub(crate) fn bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// One byte in the middle is wrong from now on, and the name stays.
    pub(crate) fn flip(&mut self) {
        let mut bytes = self.bytes().to_vec();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x20;
        }
        *self = Self { lost: self.lost, ..Self::new(vec![bytes.into()]) };
    }

    /// What the storage answers as `ETag` of a part, with its quotes.
    pub(crate) fn etag(&self) -> String {
        let mut text = hex(&self.sha256);
        text.truncate(32);
        format!("\"{text}\"")
    }
}

fn within(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_across_pieces_is_the_run_of_the_whole() {
        let whole = b"0123456789abcdef";
        let object = Object::new(whole.chunks(5).map(Bytes::copy_from_slice).collect());
        assert_eq!(object.sha256, Object::new(vec![Bytes::from_static(whole)]).sha256);
        for from in 0..20u64 {
            for len in 0..20u64 {
                let (low, high) = (within(from).min(16), within(from + len).min(16));
                assert_eq!(object.slice(from, len).concat(), &whole[low..high], "{from} {len}");
            }
        }
    }

    #[test]
    fn a_flipped_object_differs_in_one_byte() {
        let mut object = Object::new(vec![Bytes::from_static(b"abc"), Bytes::from_static(b"def")]);
        object.flip();
        assert_eq!(object.bytes().as_ref(), b"abcDef");
    }
}
