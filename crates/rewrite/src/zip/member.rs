//! One member's bytes, decompressed piece by piece under the limits.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::directory::Entry;
use crate::error::{Reason, RewriteError};
use crate::hash::{Crc, Mark, Marker};
use crate::input::Input;
use crate::limits::Limits;

/// What unpacking one member gave.
pub(crate) struct Unpacked {
    pub(crate) mark: Mark,
    /// The first bytes, as many as were asked for.
    pub(crate) head: Vec<u8>,
}

/// Bytes that leave the decompressor, counted, hashed and held against the limits.
struct Sink<'a> {
    entry: &'a Entry,
    limits: &'a Limits,
    /// Decompressed bytes that the whole file may still have.
    left: u64,
    keep: u64,
    head: Vec<u8>,
    crc: Crc,
    marker: Marker,
}

impl Sink<'_> {
    /// Takes a piece, or says which limit it breaks.
    fn take(&mut self, piece: &[u8]) -> Result<(), String> {
        self.marker.feed(piece);
        self.crc.feed(piece);
        let size = self.marker.size();
        if size > self.left {
            return Err("the decompressed bytes of the whole file".to_owned());
        }
        let (ratio, from) = (self.limits.ratio, self.limits.ratio_from);
        if size > from && size > self.entry.packed.saturating_mul(ratio) {
            return Err(format!("more than {ratio} bytes out of each"));
        }
        let wanted = self.keep.saturating_sub(self.head.len() as u64);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(piece.len());
        self.head.extend(piece.iter().take(wanted));
        Ok(())
    }
}

impl Entry {
    /// Decompresses the member, counting against `total`, and keeps its first `keep` bytes.
    pub(crate) fn unpack(
        &self,
        input: &mut Input<'_>,
        limits: &Limits,
        total: &mut u64,
        keep: u64,
    ) -> Result<Unpacked, RewriteError> {
        let mut sink = Sink {
            entry: self,
            limits,
            left: limits.total.saturating_sub(*total),
            keep,
            head: Vec::new(),
            crc: Crc::new(),
            marker: Marker::default(),
        };
        if self.stored {
            self.copy(input, &mut sink)?;
        } else {
            self.inflate(input, &mut sink)?;
        }
        let told = sink.crc.value();
        let (mark, head) = (sink.marker.mark(), sink.head);
        if mark.size != self.size || told != self.crc {
            return Err(input.refuse(Reason::Corrupt, &self.name, "size or check sum"));
        }
        *total += mark.size;
        Ok(Unpacked { mark, head })
    }

    fn copy(&self, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<(), RewriteError> {
        let side = input.side();
        input.each(self.data, self.packed, |piece| {
            sink.take(piece)
                .map_err(|limit| crate::error::refused(side, Reason::OverLimit, &self.name, limit))
        })
    }

    fn inflate(&self, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<(), RewriteError> {
        let side = input.side();
        let refuse =
            |reason, detail: &str| crate::error::refused(side, reason, &self.name, detail.to_owned());
        let mut state = InflateState::new_boxed(DataFormat::Raw);
        let mut out = vec![0; 64 << 10];
        let mut ended = false;
        input.each(self.data, self.packed, |mut piece| {
            while !piece.is_empty() {
                if ended {
                    return Err(refuse(Reason::Hidden, "behind the end of its compressed data"));
                }
                let step = inflate(&mut state, piece, &mut out, MZFlush::None);
                sink.take(out.get(..step.bytes_written).unwrap_or_default())
                    .map_err(|limit| refuse(Reason::OverLimit, &limit))?;
                piece = piece.get(step.bytes_consumed..).unwrap_or_default();
                match step.status {
                    Ok(MZStatus::StreamEnd) => ended = true,
                    Ok(_) if step.bytes_consumed + step.bytes_written > 0 => {}
                    _ => return Err(refuse(Reason::Corrupt, "its compressed data")),
                }
            }
            Ok(())
        })?;
        // The last piece of input may have been taken in whole while output still waits.
        while !ended {
            let step = inflate(&mut state, &[], &mut out, MZFlush::None);
            sink.take(out.get(..step.bytes_written).unwrap_or_default())
                .map_err(|limit| refuse(Reason::OverLimit, &limit))?;
            match step.status {
                Ok(MZStatus::StreamEnd) => ended = true,
                Ok(_) if step.bytes_written > 0 => {}
                _ => return Err(refuse(Reason::Corrupt, "its compressed data end too early")),
            }
        }
        Ok(())
    }
}
