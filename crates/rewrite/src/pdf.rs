//! PDF: the original is a prefix, and what follows is an incremental update of properties and nothing else.
//!
//! That the prefix is the original proves that it is all there: cut off at its length it is back byte for byte. It
//! proves nothing of what a viewer shows, since an update may replace any object. So the update itself is judged: it
//! may define the document's information, its metadata stream, the catalogue that names that stream, and its own
//! table, and its table must list exactly those. Source: ISO 32000-1, 7.5.

mod original;
mod syntax;
mod table;
mod update;

use crate::error::{Reason, RewriteError, differs};
use crate::format::Format;
use crate::hash::Mark;
use crate::input::Input;
use crate::judge::Verdict;
use crate::limits::Limits;
use crate::parts::How;

/// Whether these first bytes hold the header.
pub(crate) fn begins(head: &[u8]) -> bool {
    head.windows(5).any(|five| five == b"%PDF-")
}

/// That it is a PDF at all.
pub(crate) fn check(input: &mut Input<'_>) -> Result<(), RewriteError> {
    let head = input.bytes(0, input.len().min(Format::HEAD as u64))?;
    if begins(&head) { Ok(()) } else { Err(input.refuse(Reason::NotThisFormat, "", "no header")) }
}

pub(crate) fn judge(
    verdict: &mut Verdict,
    original: &Mark,
    input: &mut Input<'_>,
    limits: &Limits,
) -> Result<(), RewriteError> {
    check(input)?;
    let part = format!("the first {} bytes", original.size);
    let there = input.mark(0, input.len().min(original.size))?;
    if there != *original {
        return Err(differs(Reason::Differs, &part, Some(*original), Some(there)));
    }
    verdict.same(original);
    let tail = input.len() - original.size;
    if tail > limits.held {
        return Err(input.refuse(Reason::OverLimit, "update", format!("{tail} bytes")));
    }
    let bytes = input.bytes(original.size, tail)?;
    let before = original::Facts::read(input, original.size, limits)?;
    for object in update::read(input, &bytes, original.size, &before)? {
        let how = if object.is_new { How::Added } else { How::Changed };
        let after = bytes.get(object.bytes).unwrap_or_default();
        verdict.change(&object.name, how, None, Some(Mark::of(after)));
    }
    Ok(())
}
