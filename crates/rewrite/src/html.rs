//! HTML: the block of properties that a library writes into a page, and the names that go with it.

use crate::error::{Reason, RewriteError};
use crate::frame::Frame;
use crate::hash::Mark;
use crate::input::Input;
use crate::limits::Limits;
use crate::owned::{HTML_ATTRIBUTES, HTML_BLOCK, LONGEST_PIECE};

/// The one stretch of a page.
const TEXT: &str = "text";

/// The readings of a page, by which line end around a block came with it: none, the one behind it, the one before
/// it, both. The first is the one that fingerprints use.
pub(crate) fn frames(input: &mut Input<'_>, limits: &Limits) -> Result<Vec<Frame>, RewriteError> {
    if input.len() > limits.text {
        return Err(input.refuse(Reason::OverLimit, "", format!("a page of {} bytes", input.len())));
    }
    let bytes = input.bytes(0, input.len())?;
    if bytes.contains(&0) {
        return Err(input.refuse(Reason::NotThisFormat, "", "no text"));
    }
    let found = pieces(&bytes);
    if found.len() > limits.members {
        return Err(input.refuse(Reason::OverLimit, "", "blocks"));
    }
    let ways = [(false, false), (false, true), (true, false), (true, true)];
    Ok(ways.iter().map(|(before, behind)| reading(&bytes, &found, *before, *behind)).collect())
}

/// A stretch of the page that may be an insertion.
struct Piece {
    start: usize,
    end: usize,
    name: &'static str,
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let mut list = attributes(bytes);
    let (open, close, must) = HTML_BLOCK;
    let mut from = 0;
    while let Some(start) = find(bytes, open.as_bytes(), from) {
        from = start + open.len();
        // The comment ends at its first end, whatever stands in it.
        let Some(end) = find(bytes, b"-->", from).map(|at| at + 3) else { break };
        let block = bytes.get(start..end).unwrap_or_default();
        let whole = block.ends_with(close.as_bytes()) && block.len() as u64 <= LONGEST_PIECE;
        if whole && find(block, must.as_bytes(), 0).is_some() {
            list.push(Piece { start, end, name: "block of properties" });
        }
        from = end;
    }
    list.sort_by_key(|piece| piece.start);
    list
}

/// The library's attributes, within the page's first `html` tag only.
fn attributes(bytes: &[u8]) -> Vec<Piece> {
    let Some(tag) = bytes.windows(5).position(|five| five.eq_ignore_ascii_case(b"<html")) else {
        return Vec::new();
    };
    let end = find(bytes, b">", tag).unwrap_or(tag);
    let inside = bytes.get(..end).unwrap_or_default();
    let place = |text: &&str| {
        let start = find(inside, text.as_bytes(), tag)?;
        Some(Piece { start, end: start + text.len(), name: "attribute of html" })
    };
    HTML_ATTRIBUTES.iter().filter_map(place).collect()
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    tail.windows(what.len()).position(|window| window == what).map(|at| at + from)
}

fn reading(bytes: &[u8], pieces: &[Piece], before: bool, behind: bool) -> Frame {
    let mut frame = Frame::default();
    let mut at = 0;
    for piece in pieces {
        let (mut start, mut end) = (piece.start, piece.end);
        let block = piece.name.starts_with("block");
        if block && before {
            let kept = bytes.get(at..start).unwrap_or_default();
            start -= ending(kept, <[u8]>::ends_with);
        }
        if block && behind {
            let left = bytes.get(end..).unwrap_or_default();
            end += ending(left, <[u8]>::starts_with);
        }
        frame.feed(TEXT, bytes.get(at..start).unwrap_or_default());
        frame.piece(piece.name, Mark::of(bytes.get(start..end).unwrap_or_default()));
        at = end;
    }
    frame.feed(TEXT, bytes.get(at..).unwrap_or_default());
    frame
}

/// The length of the one line end that is there.
fn ending(text: &[u8], is: impl Fn(&[u8], &[u8]) -> bool) -> usize {
    [b"\r\n".as_slice(), b"\n"].iter().find(|line| is(text, line)).map_or(0, |line| line.len())
}
