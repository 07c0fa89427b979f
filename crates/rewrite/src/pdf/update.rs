//! What follows the original: sections of objects, each with a table that lists exactly those.

use std::collections::BTreeMap;
use std::ops::Range;

use super::original::{Facts, reference};
use super::syntax::{Cursor, Dictionary, Value};
use super::table::{Listed, entries};
use crate::error::{Reason, RewriteError};
use crate::input::Input;

/// Keys that a trailer may have: those of the original's, and those of a table that is a stream.
const OWN: [&[u8]; 9] =
    [b"Size", b"Prev", b"ID", b"Type", b"W", b"Index", b"Length", b"Filter", b"DecodeParms"];

/// An object of the update that is the service's.
pub(super) struct Object {
    pub(super) name: String,
    pub(super) is_new: bool,
    pub(super) bytes: Range<usize>,
}

/// An object as it was read, before anyone knows what it is for.
struct Raw {
    generation: u64,
    value: Value,
    stream: Option<Range<usize>>,
    bytes: Range<usize>,
}

struct Reader<'a, 'b> {
    input: &'a Input<'b>,
    cursor: Cursor<'a>,
    base: u64,
    before: &'a Facts,
}

/// Reads all sections; `base` is where the update begins.
pub(super) fn read(
    input: &Input<'_>,
    bytes: &[u8],
    base: u64,
    before: &Facts,
) -> Result<Vec<Object>, RewriteError> {
    let mut reader = Reader { input, cursor: Cursor { bytes, at: 0 }, base, before };
    let (mut table, mut list) = (before.table, Vec::new());
    reader.cursor.space();
    while !reader.cursor.left().is_empty() {
        table = reader.section(table, &mut list)?;
        reader.cursor.space();
    }
    if list.is_empty() { Err(input.refuse(Reason::Hidden, "update", "no object")) } else { Ok(list) }
}

impl Reader<'_, '_> {
    fn refuse(&self, reason: Reason, part: &str, detail: &str) -> RewriteError {
        self.input.refuse(reason, part, detail)
    }

    fn broken(&self, what: &str) -> RewriteError {
        let at = self.base + self.cursor.at as u64;
        self.input.refuse(Reason::Malformed, "update", format!("{what} at byte {at}"))
    }

    /// One section, from its first object to its end mark; returns where its table stands.
    fn section(&mut self, previous: u64, list: &mut Vec<Object>) -> Result<u64, RewriteError> {
        let mut objects = BTreeMap::new();
        loop {
            self.cursor.space();
            let start = self.cursor.at;
            let Some((number, generation)) = self.cursor.object() else { break };
            let raw = self.object(start, generation)?;
            if objects.insert(number, raw).is_some() {
                return Err(self.refuse(Reason::Doubled, &format!("object {number}"), ""));
            }
        }
        let place = self.base + self.cursor.at as u64;
        let (table, trailer, listed, own) =
            if self.cursor.eat(b"xref") { self.classic(place)? } else { self.streamed(&objects)? };
        self.cursor.space();
        if !self.cursor.eat(b"startxref") || self.cursor.integer() != Some(table) {
            return Err(self.broken("no place of the table"));
        }
        self.cursor.space();
        if !self.cursor.eat(b"%%EOF") {
            return Err(self.broken("no end mark"));
        }
        self.trailer(&trailer, previous)?;
        self.listed(&objects, &listed)?;
        for (number, raw) in &objects {
            if Some(*number) != own {
                list.push(self.owned(*number, raw, &trailer, &objects)?);
            } else if *number < self.before.size {
                return Err(self.refuse(Reason::NotOwned, &format!("object {number}"), "under the table"));
            }
        }
        Ok(table)
    }

    fn object(&mut self, start: usize, generation: u64) -> Result<Raw, RewriteError> {
        let value = self.cursor.value().ok_or_else(|| self.broken("no value"))?;
        self.cursor.space();
        let mut stream = None;
        if self.cursor.eat(b"stream") {
            let len = match &value {
                Value::Dictionary(dictionary) => {
                    dictionary.get(b"Length".as_slice()).and_then(Value::integer)
                }
                _ => None,
            };
            let _ = self.cursor.eat(b"\r");
            let len = len.and_then(|len| usize::try_from(len).ok());
            let (true, Some(len)) = (self.cursor.eat(b"\n"), len) else {
                return Err(self.broken("a stream without its length"));
            };
            let end = self.cursor.at.saturating_add(len);
            stream = Some(self.cursor.at..end);
            self.cursor.at = end.min(self.cursor.bytes.len());
            self.cursor.space();
            if !self.cursor.eat(b"endstream") {
                return Err(self.broken("a stream of another length"));
            }
            self.cursor.space();
        }
        if !self.cursor.eat(b"endobj") {
            return Err(self.broken("no end of an object"));
        }
        Ok(Raw { generation, value, stream, bytes: start..self.cursor.at })
    }

    /// A table in plain text.
    fn classic(&mut self, place: u64) -> Result<(u64, Dictionary, Listed, Option<u64>), RewriteError> {
        let mut listed = Vec::new();
        loop {
            self.cursor.space();
            if self.cursor.eat(b"trailer") {
                break;
            }
            let (Some(first), Some(count)) = (self.cursor.integer(), self.cursor.integer()) else {
                return Err(self.broken("no table"));
            };
            for index in 0..count {
                let entry = (self.cursor.integer(), self.cursor.integer());
                let (Some(at), Some(generation)) = entry else { return Err(self.broken("no table")) };
                let number = first.saturating_add(index);
                match (self.cursor.word(), number) {
                    (b"n", _) => listed.push((number, at, generation)),
                    (b"f", 0) => {}
                    _ => return Err(self.refuse(Reason::Missing, &format!("object {number}"), "freed")),
                }
            }
        }
        let trailer = self.cursor.dictionary().ok_or_else(|| self.broken("no trailer"))?;
        Ok((place, trailer, listed, None))
    }

    /// A table that is the section's last object.
    fn streamed(
        &self,
        objects: &BTreeMap<u64, Raw>,
    ) -> Result<(u64, Dictionary, Listed, Option<u64>), RewriteError> {
        let last = objects.iter().max_by_key(|(_, raw)| raw.bytes.start);
        let Some((number, raw)) = last else { return Err(self.broken("no table")) };
        let (Value::Dictionary(dictionary), Some(stream)) = (&raw.value, &raw.stream) else {
            return Err(self.broken("no table"));
        };
        let listed = dictionary
            .get(b"Type".as_slice())
            .filter(|kind| kind.name() == b"XRef")
            .and_then(|_| entries(dictionary, self.cursor.bytes.get(stream.clone())?));
        let Some(listed) = listed else { return Err(self.broken("a table that is not readable")) };
        Ok((self.base + raw.bytes.start as u64, dictionary.clone(), listed, Some(*number)))
    }

    /// The trailer goes on from the one before and leads to the same document.
    fn trailer(&self, trailer: &Dictionary, previous: u64) -> Result<(), RewriteError> {
        if trailer.get(b"Prev".as_slice()).and_then(Value::integer) != Some(previous) {
            return Err(self.refuse(
                Reason::Contradicting,
                "trailer",
                "it does not go on from the table before",
            ));
        }
        for key in [b"Root".as_slice(), b"Encrypt"] {
            if trailer.get(key) != self.before.trailer.get(key) {
                let key = String::from_utf8_lossy(key);
                return Err(self.refuse(Reason::Differs, &format!("trailer: {key}"), ""));
            }
        }
        // What lies past the size counts as absent.
        let size = trailer.get(b"Size".as_slice()).and_then(Value::integer).unwrap_or(0);
        if size < self.before.size {
            return Err(self.refuse(Reason::Contradicting, "trailer: Size", "smaller than the original's"));
        }
        // The first half of the id goes into the key of an encrypted file.
        if trailer.contains_key(b"Encrypt".as_slice()) && first_id(trailer) != first_id(&self.before.trailer)
        {
            return Err(self.refuse(Reason::Differs, "trailer: ID", ""));
        }
        let strange = trailer.keys().find(|key| {
            let known = [b"Root".as_slice(), b"Encrypt", b"Info"];
            !known.contains(&key.as_slice()) && !OWN.contains(&key.as_slice())
        });
        match strange {
            None => Ok(()),
            Some(key) if self.before.trailer.get(key) == trailer.get(key) => Ok(()),
            Some(key) => {
                let name = format!("trailer: {}", String::from_utf8_lossy(key));
                Err(self.refuse(Reason::NotOwned, &name, ""))
            }
        }
    }

    /// The table lists the section's objects where they are, and leads nowhere else.
    fn listed(&self, objects: &BTreeMap<u64, Raw>, listed: &Listed) -> Result<(), RewriteError> {
        for (number, at, generation) in listed {
            let raw = objects.get(number);
            let there = raw.is_some_and(|raw| {
                raw.generation == *generation && self.base + raw.bytes.start as u64 == *at
            });
            if !there {
                let name = format!("object {number}");
                return Err(self.refuse(Reason::Contradicting, &name, "the table leads elsewhere"));
            }
        }
        if let Some(number) = objects.keys().find(|number| !listed.iter().any(|one| one.0 == **number)) {
            return Err(self.refuse(Reason::Hidden, &format!("object {number}"), "not in the table"));
        }
        Ok(())
    }

    /// Names an object that the service may define, or refuses it.
    fn owned(
        &self,
        number: u64,
        raw: &Raw,
        trailer: &Dictionary,
        objects: &BTreeMap<u64, Raw>,
    ) -> Result<Object, RewriteError> {
        let is_new = number >= self.before.size;
        let id = Some((number, raw.generation));
        let old = self.before.catalogue.as_ref();
        let named = |name: &str| Object {
            name: format!("object {number}: {name}"),
            is_new,
            bytes: raw.bytes.clone(),
        };
        let kind = match &raw.value {
            Value::Dictionary(dictionary) => {
                dictionary.get(b"Type".as_slice()).map(Value::name).unwrap_or_default()
            }
            _ => b"",
        };
        let information = reference(trailer, b"Info") == id && kind.is_empty() && raw.stream.is_none();
        if information && (is_new || self.before.reference(b"Info") == id) {
            return Ok(named("information"));
        }
        let metadata = old.and_then(|old| reference(old, b"Metadata"));
        if kind == b"Metadata" && raw.stream.is_some() && (is_new || metadata == id) {
            return Ok(named("metadata"));
        }
        if let (Value::Dictionary(new), Some(old)) = (&raw.value, old)
            && self.before.reference(b"Root") == id
            && raw.stream.is_none()
            && only_metadata(old, new, objects)
        {
            return Ok(named("catalogue"));
        }
        let name = format!("object {number}");
        let what = if is_new { "added" } else { "replaces one of the original's" };
        let what =
            format!("{what}: {}", String::from_utf8_lossy(if kind.is_empty() { b"no type" } else { kind }));
        Err(self.refuse(Reason::NotOwned, &name, &what))
    }
}

fn first_id(trailer: &Dictionary) -> Option<&Value> {
    match trailer.get(b"ID".as_slice()) {
        Some(Value::Array(list)) => list.first(),
        _ => None,
    }
}

/// The catalogue is the same but for the metadata, and those are in this section or where they were.
fn only_metadata(old: &Dictionary, new: &Dictionary, objects: &BTreeMap<u64, Raw>) -> bool {
    let others = |dictionary: &Dictionary| -> Dictionary {
        dictionary
            .iter()
            .filter(|(key, _)| key.as_slice() != b"Metadata")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let led = match reference(new, b"Metadata") {
        Some((number, _)) => {
            objects.contains_key(&number) || reference(old, b"Metadata") == reference(new, b"Metadata")
        }
        None => false,
    };
    led && others(old) == others(new)
}
