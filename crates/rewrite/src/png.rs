//! PNG: chunks, of which those with text may be insertions.

use crate::error::{Reason, RewriteError};
use crate::frame::Frame;
use crate::hash::Crc;
use crate::input::Input;
use crate::limits::Limits;
use crate::owned;

/// The first eight bytes.
pub(crate) const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1A\n";

pub(crate) fn frame(input: &mut Input<'_>, limits: &Limits) -> Result<Frame, RewriteError> {
    if input.len() < 8 || input.array::<8>(0)? != MAGIC {
        return Err(input.refuse(Reason::NotThisFormat, "", "no signature"));
    }
    let mut frame = Frame::default();
    frame.pass(input, "image", 0, 8)?;
    let mut at = 8;
    loop {
        let [a, b, c, d, kind @ ..]: [u8; 8] = input.array(at)?;
        let len = u64::from(u32::from_be_bytes([a, b, c, d])) + 12;
        let name = String::from_utf8_lossy(&kind).into_owned();
        if !owned::chunk(kind, len) {
            frame.pass(input, "image", at, len)?;
        } else {
            if frame.pieces.len() >= limits.members {
                return Err(input.refuse(Reason::OverLimit, &name, "chunks"));
            }
            checked(input, &name, at, len)?;
            frame.piece(&name, input.mark(at, len)?);
        }
        at += len;
        if kind == *b"IEND" {
            break;
        }
    }
    // What follows the end is kept to its place like the image.
    if at < input.len() {
        frame.pass(input, "behind the image", at, input.len() - at)?;
    }
    Ok(frame)
}

/// The check sum holds, so that no reader trips over the chunk.
fn checked(input: &mut Input<'_>, name: &str, at: u64, len: u64) -> Result<(), RewriteError> {
    let mut crc = Crc::new();
    input.each(at + 4, len - 8, |piece| {
        crc.feed(piece);
        Ok(())
    })?;
    let told = u32::from_be_bytes(input.array(at + len - 4)?);
    if told == crc.value() { Ok(()) } else { Err(input.refuse(Reason::Corrupt, name, "its check sum")) }
}
