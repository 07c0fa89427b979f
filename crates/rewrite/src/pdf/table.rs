//! A table that is a stream: the form that PDF has had since 1.5.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::syntax::{Dictionary, Value};

/// Bytes that a table may be decompressed to.
const TABLE: usize = 1 << 20;

/// Where objects are said to be: number, place, generation.
pub(super) type Listed = Vec<(u64, u64, u64)>;

/// The entries of a table that is a stream; none if it is anything but plain.
pub(super) fn entries(dictionary: &Dictionary, stream: &[u8]) -> Option<Listed> {
    let key = |name: &[u8]| dictionary.get(name);
    let bytes = match key(b"Filter") {
        None => stream.to_vec(),
        Some(filter) if filter.name() == b"FlateDecode" => {
            decompress_to_vec_zlib_with_limit(stream, TABLE).ok()?
        }
        Some(_) => return None,
    };
    let integers = |value: &Value| match value {
        Value::Array(list) => list.iter().map(Value::integer).collect::<Option<Vec<u64>>>(),
        _ => None,
    };
    let widths = integers(key(b"W")?)?;
    let [first, second, third] = <[u64; 3]>::try_from(widths).ok()?;
    let total = usize::try_from(first.checked_add(second)?.checked_add(third)?).ok()?;
    if total == 0 || total > 24 || [first, second, third].iter().any(|width| *width > 8) {
        return None;
    }
    let bytes = match key(b"DecodeParms") {
        None => bytes,
        Some(Value::Dictionary(how)) => unpredicted(&bytes, total, how)?,
        Some(_) => return None,
    };
    let size = key(b"Size")?.integer()?;
    let index = key(b"Index").map_or(Some(vec![0, size]), integers)?;
    let numbers = index.chunks(2).flat_map(|pair| match pair {
        [start, count] => *start..start.saturating_add(*count),
        _ => 0..0,
    });
    let mut listed = Vec::new();
    let mut rows = bytes.chunks(total);
    for (number, row) in numbers.zip(rows.by_ref()) {
        let big = |from: u64, width: u64| {
            let (from, end) = (usize::try_from(from).ok()?, usize::try_from(from + width).ok()?);
            Some(row.get(from..end)?.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)))
        };
        let kind = if first == 0 { 1 } else { big(0, first)? };
        match kind {
            0 if number == 0 => {}
            1 => listed.push((number, big(first, second)?, big(first + second, third)?)),
            _ => return None,
        }
    }
    rows.next().is_none().then_some(listed)
}

/// Undoes the difference to the row above, the one predictor that writers of tables use.
fn unpredicted(bytes: &[u8], width: usize, how: &Dictionary) -> Option<Vec<u8>> {
    let number = |name: &[u8]| how.get(name).and_then(Value::integer);
    if number(b"Predictor") == Some(1) {
        return Some(bytes.to_vec());
    }
    if number(b"Predictor")? < 10 || number(b"Columns")? != width as u64 || how.len() != 2 {
        return None;
    }
    let (mut above, mut out) = (vec![0_u8; width], Vec::new());
    for row in bytes.chunks(width + 1) {
        let (kind, row) = row.split_first()?;
        above = match kind {
            0 => row.to_vec(),
            2 => row.iter().zip(&above).map(|(byte, up)| byte.wrapping_add(*up)).collect(),
            _ => return None,
        };
        out.extend_from_slice(&above);
    }
    Some(out)
}
