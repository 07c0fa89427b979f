//! JPEG: segments up to the first scan, then the image.

use crate::error::{Reason, RewriteError};
use crate::frame::Frame;
use crate::input::Input;
use crate::limits::Limits;
use crate::owned;

/// Start of scan: what follows is the image itself, to the end of the file.
const SCAN: u8 = 0xDA;

pub(crate) fn frame(input: &mut Input<'_>, limits: &Limits) -> Result<Frame, RewriteError> {
    if input.len() < 4 || input.array::<2>(0)? != [0xFF, 0xD8] {
        return Err(input.refuse(Reason::NotThisFormat, "", "no start of an image"));
    }
    let mut frame = Frame::default();
    frame.pass(input, "header", 0, 2)?;
    let mut at = 2;
    for _ in 0..limits.members {
        let [lead, marker, high, low] = input.array(at)?;
        let len = u64::from(u16::from_be_bytes([high, low])) + 2;
        // Markers without a length and fill bytes do not stand here; programs differ in what they make of them.
        if lead != 0xFF || !(0xC0..=0xFE).contains(&marker) || (0xD0..=0xD9).contains(&marker) || len < 4 {
            return Err(input.refuse(Reason::Malformed, "header", format!("no segment at byte {at}")));
        }
        if marker == SCAN {
            frame.pass(input, "image", at, input.len() - at)?;
            return Ok(frame);
        }
        let head = input.bytes(at + 4, (len - 4).min(owned::SEGMENT_HEAD))?;
        match owned::segment(marker, &head) {
            Some(name) => frame.piece(name, input.mark(at, len)?),
            None => frame.pass(input, "header", at, len)?,
        }
        at += len;
    }
    Err(input.refuse(Reason::OverLimit, "header", "segments"))
}
