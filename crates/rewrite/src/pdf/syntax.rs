//! As much of PDF's syntax as an update of properties uses.

use std::collections::BTreeMap;

/// How deep values may be nested.
const DEPTH: u32 = 24;

/// A dictionary, by its keys.
pub(super) type Dictionary = BTreeMap<Vec<u8>, Value>;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Dictionary(Dictionary),
    Array(Vec<Value>),
    /// Object and generation.
    Reference(u64, u64),
    Integer(u64),
    Name(Vec<u8>),
    /// Strings, other numbers, `true`, `false`, `null`: as they are written.
    Other(Vec<u8>),
}

impl Value {
    pub(super) fn integer(&self) -> Option<u64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(super) fn name(&self) -> &[u8] {
        if let Self::Name(name) = self { name } else { &[] }
    }
}

/// A place in bytes.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    b"()<>[]{}/%".contains(&byte)
}

impl<'a> Cursor<'a> {
    pub(super) fn left(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn space(&mut self) {
        self.at += self.left().iter().take_while(|byte| is_space(**byte)).count();
    }

    pub(super) fn eat(&mut self, text: &[u8]) -> bool {
        let found = self.left().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// A word up to white space or a delimiter.
    pub(super) fn word(&mut self) -> &'a [u8] {
        self.space();
        let end = self.left().iter().take_while(|byte| !is_space(**byte) && !is_delimiter(**byte)).count();
        let word = self.left().get(..end).unwrap_or_default();
        self.at += end;
        word
    }

    /// A number without sign or fraction.
    pub(super) fn integer(&mut self) -> Option<u64> {
        let start = self.at;
        let word = self.word();
        let digits = !word.is_empty() && word.len() < 16 && word.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(word).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        if number.is_none() {
            self.at = start;
        }
        number
    }

    /// `N G obj`, if that is what stands here.
    pub(super) fn object(&mut self) -> Option<(u64, u64)> {
        let start = self.at;
        let found = self.integer().zip(self.integer());
        if found.is_none() || self.word() != b"obj" {
            self.at = start;
            return None;
        }
        found
    }

    /// The next value; none where the syntax breaks.
    pub(super) fn value(&mut self) -> Option<Value> {
        self.nested(DEPTH)
    }

    pub(super) fn dictionary(&mut self) -> Option<Dictionary> {
        match self.value()? {
            Value::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }

    fn nested(&mut self, depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.space();
        let start = self.at;
        if self.eat(b"<<") {
            return self.pairs(depth).map(Value::Dictionary);
        }
        if self.eat(b"[") {
            let mut list = Vec::new();
            loop {
                self.space();
                if self.eat(b"]") {
                    return Some(Value::Array(list));
                }
                list.push(self.nested(depth)?);
            }
        }
        if self.eat(b"/") {
            // No white space may stand between the stroke and the name.
            let blank = self.left().first().copied().is_none_or(is_space);
            return Some(Value::Name(if blank { Vec::new() } else { self.word().to_vec() }));
        }
        if self.eat(b"(") || self.eat(b"<") {
            return self.string(start);
        }
        if let Some(number) = self.integer() {
            let mark = self.at;
            if let Some(generation) = self.integer()
                && self.word() == b"R"
            {
                return Some(Value::Reference(number, generation));
            }
            self.at = mark;
            return Some(Value::Integer(number));
        }
        let word = self.word();
        (!word.is_empty()).then(|| Value::Other(word.to_vec()))
    }

    fn pairs(&mut self, depth: u32) -> Option<Dictionary> {
        let mut dictionary = Dictionary::new();
        loop {
            self.space();
            if self.eat(b">>") {
                return Some(dictionary);
            }
            if !self.eat(b"/") {
                return None;
            }
            let key = self.word().to_vec();
            // Escapes could write one key in two ways, and a doubled key is read differently by each program.
            if key.contains(&b'#') || dictionary.insert(key, self.nested(depth)?).is_some() {
                return None;
            }
        }
    }

    /// The rest of a string whose first byte has been read.
    fn string(&mut self, start: usize) -> Option<Value> {
        if self.bytes.get(start) == Some(&b'<') {
            let len = self.left().iter().position(|byte| *byte == b'>')?;
            self.at += len + 1;
        } else {
            let mut open = 1;
            while open > 0 {
                let byte = *self.left().first()?;
                self.at += if byte == b'\\' { 2 } else { 1 };
                open += match byte {
                    b'(' => 1,
                    b')' => -1,
                    _ => 0,
                };
            }
        }
        Some(Value::Other(self.bytes.get(start..self.at)?.to_vec()))
    }
}
