//! What the original says of itself: read from the prefix that has been shown to be the original.

use super::syntax::{Cursor, Dictionary, Value};
use crate::error::{Reason, RewriteError};
use crate::input::Input;
use crate::limits::Limits;

/// Bytes at the end in which the last table's place is looked for.
const TAIL: u64 = 2048;
/// Bytes in which a dictionary must end.
const DICTIONARY: u64 = 64 << 10;

/// The original's last table and what it names.
pub(super) struct Facts {
    /// Where the table stands.
    pub(super) table: u64,
    /// One more than the highest object's number.
    pub(super) size: u64,
    pub(super) trailer: Dictionary,
    /// The catalogue, if it can be found for certain.
    pub(super) catalogue: Option<Dictionary>,
}

impl Facts {
    pub(super) fn read(input: &mut Input<'_>, len: u64, limits: &Limits) -> Result<Self, RewriteError> {
        let unreadable = |input: &Input<'_>| {
            input.refuse(Reason::Unsupported, "", "the original's own table is not readable")
        };
        let from = len.saturating_sub(TAIL);
        let tail = input.bytes(from, len - from)?;
        let at = tail.windows(9).rposition(|nine| nine == b"startxref");
        let table = at.and_then(|at| Cursor { bytes: &tail, at: at + 9 }.integer());
        let Some(table) = table.filter(|table| *table < len) else { return Err(unreadable(input)) };
        let Some(trailer) = trailer(input, table, len)? else { return Err(unreadable(input)) };
        let Some(size) = trailer.get(b"Size".as_slice()).and_then(Value::integer) else {
            return Err(unreadable(input));
        };
        let catalogue = match trailer.get(b"Root".as_slice()) {
            Some(Value::Reference(number, generation)) => {
                catalogue(input, len, limits, &format!("{number} {generation} obj"))?
            }
            _ => return Err(unreadable(input)),
        };
        Ok(Self { table, size, trailer, catalogue })
    }

    pub(super) fn reference(&self, key: &[u8]) -> Option<(u64, u64)> {
        reference(&self.trailer, key)
    }
}

/// An entry that leads to an object.
pub(super) fn reference(dictionary: &Dictionary, key: &[u8]) -> Option<(u64, u64)> {
    match dictionary.get(key) {
        Some(Value::Reference(number, generation)) => Some((*number, *generation)),
        _ => None,
    }
}

/// The trailer's dictionary behind a table, or the dictionary of a table that is a stream.
fn trailer(input: &mut Input<'_>, table: u64, len: u64) -> Result<Option<Dictionary>, RewriteError> {
    let mut at = table;
    loop {
        let bytes = input.bytes(at, (len - at).min(DICTIONARY))?;
        let mut cursor = Cursor { bytes: &bytes, at: 0 };
        if at == table && cursor.object().is_some() {
            return Ok(cursor.dictionary());
        }
        cursor.space();
        if at == table && !cursor.eat(b"xref") {
            return Ok(None);
        }
        cursor.space();
        if cursor.eat(b"trailer") {
            return Ok(cursor.dictionary());
        }
        // The entries of a section have twenty bytes each and need not be read.
        let (Some(_), Some(count)) = (cursor.integer(), cursor.integer()) else { return Ok(None) };
        cursor.space();
        let skip = count.saturating_mul(20).saturating_add(cursor.at as u64);
        match at.checked_add(skip).filter(|next| *next < len) {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
}

/// The catalogue, where its object is written once and in the open; a second one or none leaves it unknown.
fn catalogue(
    input: &mut Input<'_>,
    len: u64,
    limits: &Limits,
    head: &str,
) -> Result<Option<Dictionary>, RewriteError> {
    let mut found = Vec::new();
    let mut before: Vec<u8> = vec![b'\n'];
    let mut at = 0_u64;
    input.each(0, len, |piece| {
        before.extend_from_slice(piece);
        let base = (at + piece.len() as u64).wrapping_sub(before.len() as u64);
        for (index, window) in before.windows(head.len() + 1).enumerate() {
            let alone = window.first().is_some_and(|byte| !byte.is_ascii_digit());
            if alone && window.ends_with(head.as_bytes()) && found.len() < 2 {
                found.push(base.wrapping_add(index as u64 + 1));
            }
        }
        at += piece.len() as u64;
        // What could be the beginning of a match stays; whole matches are gone.
        before.drain(..before.len().saturating_sub(head.len()));
        Ok(())
    })?;
    let [place] = found.as_slice() else { return Ok(None) };
    let bytes = input.bytes(*place, (len - place).min(limits.held.min(DICTIONARY)))?;
    let mut cursor = Cursor { bytes: &bytes, at: head.len() };
    Ok(cursor.dictionary())
}
