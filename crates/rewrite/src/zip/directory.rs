//! The end record, the central directory, and the proof that members and directory tile the file.

use crate::error::{Reason, RewriteError};
use crate::input::{Input, le};
use crate::limits::Limits;

/// The signature and fixed part of each record.
const END: usize = 22;
const END64: usize = 56;
const LOCATOR64: u64 = 20;
const CENTRAL: usize = 46;
const LOCAL: u64 = 30;

/// The extra field in which some archivers write a name that goes before the one in the header.
const NAME_FIELD: u64 = 0x7075;

/// Flags of a member that are understood.
const DESCRIPTOR: u16 = 1 << 3;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// How hard deflate tried, the descriptor, names in UTF-8.
const UTF8: u16 = 1 << 11;
const HARMLESS: u16 = 0b110 | DESCRIPTOR | UTF8;

/// One member as the central directory describes it.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) stored: bool,
    pub(crate) crc: u32,
    pub(crate) packed: u64,
    pub(crate) size: u64,
    /// Where its data begins.
    pub(crate) data: u64,
    local: u64,
    flags: u16,
    method: u16,
    raw_name: Vec<u8>,
}

/// All members, sorted by where they stand.
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
}

/// Where the central directory is and how much it holds.
struct End {
    count: u64,
    size: u64,
    at: u64,
}

impl Directory {
    /// Reads the directory and shows that the archive is nothing but its members.
    pub(crate) fn read(input: &mut Input<'_>, limits: &Limits) -> Result<Self, RewriteError> {
        let end = end_of(input)?;
        if end.count > limits.members as u64 {
            return Err(input.refuse(Reason::OverLimit, "", format!("{} members", end.count)));
        }
        if end.size > limits.held {
            return Err(input.refuse(Reason::OverLimit, "", format!("a directory of {} bytes", end.size)));
        }
        let bytes = input.bytes(end.at, end.size)?;
        let mut entries = central(input, &bytes, end.count)?;
        entries.sort_by_key(|entry| entry.local);
        tile(input, &mut entries, end.at)?;
        doubles(input, &entries)?;
        Ok(Self { entries })
    }
}

/// Finds the end record where it must stand: at the very end, behind the directory and nothing else.
fn end_of(input: &mut Input<'_>) -> Result<End, RewriteError> {
    let Some(at) = input.len().checked_sub(END as u64) else {
        return Err(input.refuse(Reason::NotThisFormat, "", "no end of an archive"));
    };
    let record: [u8; END] = input.array(at)?;
    if !record.starts_with(b"PK\x05\x06") {
        let reason = end_elsewhere(input)?;
        return Err(input.refuse(reason, "", "the archive's end is not the file's end"));
    }
    if le(&record, 20, 2) != 0 {
        return Err(input.refuse(Reason::Hidden, "", "a comment that is not there"));
    }
    if le(&record, 4, 2) != le(&record, 6, 2) || ![0, 0xFFFF].contains(&le(&record, 4, 2)) {
        return Err(input.refuse(Reason::Unsupported, "", "an archive in several volumes"));
    }
    let small = End { count: le(&record, 10, 2), size: le(&record, 12, 4), at: le(&record, 16, 4) };
    if le(&record, 8, 2) != small.count {
        return Err(input.refuse(Reason::Unsupported, "", "an archive in several volumes"));
    }
    let (end, stop) = large(input, at, &small)?;
    if end.at.checked_add(end.size) != Some(stop) {
        return Err(input.refuse(Reason::Hidden, "", "the directory does not reach its end record"));
    }
    Ok(end)
}

/// Tells an archive with something behind it from one that is cut short or none at all.
fn end_elsewhere(input: &mut Input<'_>) -> Result<Reason, RewriteError> {
    let tail = input.len().min(66_000);
    let bytes = input.bytes(input.len() - tail, tail)?;
    if bytes.windows(4).any(|four| four == b"PK\x05\x06") {
        return Ok(Reason::Hidden);
    }
    let begins = input.array::<4>(0)? == *b"PK\x03\x04";
    Ok(if begins { Reason::Truncated } else { Reason::NotThisFormat })
}

/// The end record in its 64-bit form where there is one, and where the directory must stop.
fn large(input: &mut Input<'_>, at: u64, small: &End) -> Result<(End, u64), RewriteError> {
    let full = small.count == 0xFFFF || small.size == 0xFFFF_FFFF || small.at == 0xFFFF_FFFF;
    let locator = match at.checked_sub(LOCATOR64) {
        Some(place) => input.array::<20>(place)?,
        None => [0; 20],
    };
    if !locator.starts_with(b"PK\x06\x07") {
        if full {
            return Err(input.refuse(Reason::Truncated, "", "the 64-bit end record is missing"));
        }
        return Ok((End { count: small.count, size: small.size, at: small.at }, at));
    }
    let place = le(&locator, 8, 8);
    let record: [u8; END64] = input.array(place)?;
    // A longer record could hold anything, so it has exactly its fixed size and touches its locator.
    if !record.starts_with(b"PK\x06\x06") || le(&record, 4, 8) != END64 as u64 - 12 {
        return Err(input.refuse(Reason::Malformed, "", "the 64-bit end record"));
    }
    if place.checked_add(END64 as u64) != Some(at - LOCATOR64) {
        return Err(input.refuse(Reason::Hidden, "", "something behind the 64-bit end record"));
    }
    let end = End { count: le(&record, 32, 8), size: le(&record, 40, 8), at: le(&record, 48, 8) };
    let same = |narrow: u64, wide: u64, full: u64| narrow == full || narrow == wide;
    let agree = same(small.count, end.count, 0xFFFF)
        && same(small.size, end.size, 0xFFFF_FFFF)
        && same(small.at, end.at, 0xFFFF_FFFF)
        && le(&record, 24, 8) == end.count
        && le(&record, 16, 8) == 0;
    if !agree {
        return Err(input.refuse(Reason::Contradicting, "", "the two end records"));
    }
    Ok((end, place))
}

/// Reads every record of the directory; nothing may be left over.
fn central(input: &Input<'_>, mut bytes: &[u8], count: u64) -> Result<Vec<Entry>, RewriteError> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let Some((fixed, rest)) = bytes.split_at_checked(CENTRAL) else {
            return Err(input.refuse(Reason::Malformed, "", "the directory ends within a record"));
        };
        if !fixed.starts_with(b"PK\x01\x02") {
            return Err(input.refuse(Reason::Malformed, "", "a record of the directory"));
        }
        let width = |at| usize::try_from(le(fixed, at, 2)).unwrap_or(usize::MAX);
        let (name_len, extra_len, comment_len) = (width(28), width(30), width(32));
        let Some((variable, rest)) = rest.split_at_checked(name_len + extra_len + comment_len) else {
            return Err(input.refuse(Reason::Malformed, "", "the directory ends within a record"));
        };
        let (raw, extra) = variable.split_at(name_len);
        let name = readable(input, raw)?;
        if comment_len != 0 {
            return Err(input.refuse(Reason::Hidden, &name, "a comment"));
        }
        entries.push(entry(input, fixed, name, raw, extra)?);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(input.refuse(Reason::Hidden, "", "in the directory")) }
}

fn entry(
    input: &Input<'_>,
    fixed: &[u8],
    name: String,
    raw: &[u8],
    extra: &[u8],
) -> Result<Entry, RewriteError> {
    let half = |at| u16::try_from(le(fixed, at, 2)).unwrap_or(u16::MAX);
    let (flags, method) = (half(8), half(10));
    if flags & UTF8 == 0 && !name.is_ascii() {
        return Err(input.refuse(Reason::BadName, &name, "not said to be UTF-8"));
    }
    if flags & ENCRYPTED != 0 || method == 99 {
        return Err(input.refuse(Reason::Encrypted, &name, ""));
    }
    if flags & !HARMLESS != 0 {
        return Err(input.refuse(Reason::Unsupported, &name, format!("flags {flags:#06x}")));
    }
    if method != 0 && method != 8 {
        return Err(input.refuse(Reason::Unsupported, &name, format!("compression method {method}")));
    }
    if half(34) != 0 {
        return Err(input.refuse(Reason::Unsupported, &name, "another volume"));
    }
    let mut wide = Wide::of(extra).map_err(|why| input.refuse(Reason::Contradicting, &name, why))?;
    let size = wide.take(le(fixed, 24, 4));
    let packed = wide.take(le(fixed, 20, 4));
    let local = wide.take(le(fixed, 42, 4));
    let (Some(size), Some(packed), Some(local)) = (size, packed, local) else {
        return Err(input.refuse(Reason::Malformed, &name, "64-bit sizes"));
    };
    let crc = u32::try_from(le(fixed, 16, 4)).unwrap_or_default();
    let (stored, raw_name) = (method == 0, raw.to_vec());
    Ok(Entry { name, stored, crc, packed, size, data: 0, local, flags, method, raw_name })
}

/// The 64-bit numbers of an extra field, each there only if its short form is full.
struct Wide<'a>(Option<&'a [u8]>);

impl<'a> Wide<'a> {
    /// Finds the field; one that could give the member another size or name in other programs is refused.
    fn of(mut extra: &'a [u8]) -> Result<Self, &'static str> {
        let mut found = None;
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let len = usize::try_from(le(head, 2, 2)).unwrap_or(usize::MAX);
            let Some((body, rest)) = rest.split_at_checked(len) else { break };
            match le(head, 0, 2) {
                1 if found.is_some() => return Err("64-bit sizes twice"),
                1 => found = Some(body),
                NAME_FIELD => return Err("another name in an extra field"),
                _ => {}
            }
            extra = rest;
        }
        Ok(Self(found))
    }

    fn take(&mut self, short: u64) -> Option<u64> {
        if short != 0xFFFF_FFFF {
            return Some(short);
        }
        let (number, rest) = self.0?.split_at_checked(8)?;
        self.0 = Some(rest);
        Some(le(number, 0, 8))
    }
}

/// A name that every program reads alike: UTF-8, forward slashes, nothing that climbs.
fn readable(input: &Input<'_>, raw: &[u8]) -> Result<String, RewriteError> {
    let shown = String::from_utf8_lossy(raw);
    let bad = |detail: &str| Err(input.refuse(Reason::BadName, &shown, detail));
    let Ok(name) = std::str::from_utf8(raw) else { return bad("not UTF-8") };
    if name.is_empty() || name.starts_with('/') || name.contains(['\\', ':', '\0']) {
        return bad("absolute, empty or with a forbidden character");
    }
    if name.chars().any(char::is_control) {
        return bad("a control character");
    }
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.split('/').any(|step| step.is_empty() || step == "." || step == "..") {
        return bad("a step that is empty or leads upwards");
    }
    Ok(name.to_owned())
}

/// Members stand one after the other from the first byte to the directory, and each agrees with its own header.
fn tile(input: &mut Input<'_>, entries: &mut [Entry], directory: u64) -> Result<(), RewriteError> {
    let ends: Vec<u64> = entries.iter().skip(1).map(|next| next.local).chain([directory]).collect();
    let mut at = 0;
    for (entry, end) in entries.iter_mut().zip(ends) {
        if entry.local != at {
            let reason = if entry.local < at { Reason::Contradicting } else { Reason::Hidden };
            return Err(input.refuse(reason, &entry.name, format!("it should begin at byte {at}")));
        }
        entry.data = local(input, entry)?;
        let Some(left) = entry.data.checked_add(entry.packed).and_then(|stop| end.checked_sub(stop)) else {
            return Err(input.refuse(Reason::Contradicting, &entry.name, "it reaches into what follows it"));
        };
        if entry.flags & DESCRIPTOR == 0 {
            if left != 0 {
                return Err(input.refuse(Reason::Hidden, &entry.name, format!("{left} bytes behind it")));
            }
        } else {
            descriptor(input, entry, left)?;
        }
        at = end;
    }
    if at == directory { Ok(()) } else { Err(input.refuse(Reason::Hidden, "", "no member, and yet bytes")) }
}

/// Compares a member's own header with the directory; returns where its data begins.
fn local(input: &mut Input<'_>, entry: &Entry) -> Result<u64, RewriteError> {
    let fixed: [u8; 30] = input.array(entry.local)?;
    if !fixed.starts_with(b"PK\x03\x04") {
        return Err(input.refuse(Reason::Malformed, &entry.name, "no header where the directory points"));
    }
    let (name_len, extra_len) = (le(&fixed, 26, 2), le(&fixed, 28, 2));
    let name = input.bytes(entry.local + LOCAL, name_len)?;
    let extra = input.bytes(entry.local + LOCAL + name_len, extra_len)?;
    let at_odds = |what| input.refuse(Reason::Contradicting, &entry.name, what);
    if name != entry.raw_name {
        return Err(at_odds("the names"));
    }
    if le(&fixed, 6, 2) != u64::from(entry.flags) || le(&fixed, 8, 2) != u64::from(entry.method) {
        return Err(at_odds("the flags or methods"));
    }
    let mut wide = Wide::of(&extra).map_err(at_odds)?;
    let size = wide.take(le(&fixed, 22, 4));
    let packed = wide.take(le(&fixed, 18, 4));
    let found = (le(&fixed, 14, 4), packed, size);
    let deferred = entry.flags & DESCRIPTOR != 0 && found.0 == 0;
    let open = |found: Option<u64>, told| found.is_some_and(|it| it == told || deferred && it == 0);
    if !(deferred || found.0 == u64::from(entry.crc))
        || !open(packed, entry.packed)
        || !open(size, entry.size)
    {
        return Err(at_odds("the sizes or check sums"));
    }
    Ok(entry.local + LOCAL + name_len + extra_len)
}

/// What follows a member whose sizes were written behind it: check sum and sizes, and nothing else.
fn descriptor(input: &mut Input<'_>, entry: &Entry, left: u64) -> Result<(), RewriteError> {
    let at = entry.data + entry.packed;
    if ![12, 16, 20, 24].contains(&left) {
        return Err(input.refuse(Reason::Hidden, &entry.name, format!("{left} bytes behind it")));
    }
    let bytes = input.bytes(at, left)?;
    let bytes =
        if left.is_multiple_of(8) { bytes.strip_prefix(b"PK\x07\x08").unwrap_or_default() } else { &bytes };
    let width = if bytes.len() == 12 { 4 } else { 8 };
    let told = (le(bytes, 0, 4), le(bytes, 4, width), le(bytes, 4 + width, width));
    if bytes.is_empty() || told != (u64::from(entry.crc), entry.packed, entry.size) {
        return Err(input.refuse(Reason::Contradicting, &entry.name, "the record behind it"));
    }
    Ok(())
}

/// Names are compared as programs for these files do: without regard to case.
fn doubles(input: &Input<'_>, entries: &[Entry]) -> Result<(), RewriteError> {
    let mut names: Vec<(String, &str)> =
        entries.iter().map(|entry| (entry.name.to_lowercase(), entry.name.as_str())).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if let [(one, _), (other, name)] = pair
            && one == other
        {
            return Err(input.refuse(Reason::Doubled, name, ""));
        }
    }
    Ok(())
}
