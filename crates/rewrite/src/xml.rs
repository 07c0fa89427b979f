//! As much of XML as lists of types and relations use: one root, and children without children.
//!
//! Anything else (a document type, text, nesting, a namespace within) is refused rather than skipped, since another
//! reader might understand it.

use std::collections::BTreeMap;

/// An element: its name without prefix, and its attributes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Element {
    /// An attribute's value; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map(String::as_str).unwrap_or_default()
    }

    /// One text for all ways to write this element.
    pub(crate) fn canonical(&self) -> String {
        let pairs: Vec<String> =
            self.attributes.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{} {}", self.name, pairs.join(" "))
    }
}

/// The children of a flat document whose root has this name and namespace.
pub(crate) fn children(bytes: &[u8], root: &str, namespace: &str) -> Result<Vec<Element>, &'static str> {
    let mut reader = Reader::new(bytes)?;
    let (name, attributes, empty) = reader.open()?.ok_or("no root")?;
    let (prefix, local) = split(&name);
    let declared = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
    if local != root || attributes.get(&declared).map(String::as_str) != Some(namespace) {
        return Err("another root than expected");
    }
    let mut list = Vec::new();
    if !empty {
        while let Some((child, attributes, empty)) = reader.open()? {
            let (same, local) = split(&child);
            if same != prefix || attributes.keys().any(|name| name.contains(':') || name.starts_with("xmlns"))
            {
                return Err("a namespace within");
            }
            list.push(Element { name: local.to_owned(), attributes });
            if !empty {
                reader.close(&child)?;
            }
        }
        reader.close(&name)?;
    }
    reader.end()?;
    Ok(list)
}

/// The root's namespace and name of a document of which at least the beginning is here.
pub(crate) fn root(bytes: &[u8]) -> Option<(String, String)> {
    let mut reader = Reader::new(bytes).ok()?;
    let (name, attributes, _) = reader.open().ok()??;
    let (prefix, local) = split(&name);
    let declared = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
    Some((attributes.get(&declared).cloned().unwrap_or_default(), local.to_owned()))
}

fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

/// A start tag: name, attributes, whether it ends itself.
type Tag = (String, BTreeMap<String, String>, bool);

struct Reader<'a> {
    left: &'a str,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        // A beginning may end within a character; what comes before it is enough.
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => bytes
                .get(..error.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok())
                .unwrap_or_default(),
            Err(_) => return Err("not UTF-8"),
        };
        let mut reader = Self { left: text };
        if reader.left.starts_with("<?xml") {
            let (declaration, rest) = reader.left.split_once("?>").ok_or("an endless declaration")?;
            // Whoever declares another encoding is read otherwise by others.
            let lower = declaration.to_ascii_lowercase();
            if lower.contains("encoding") && !lower.contains("utf-8") {
                return Err("not UTF-8");
            }
            reader.left = rest;
        }
        Ok(reader)
    }

    fn space(&mut self) -> bool {
        let trimmed = self.left.trim_start_matches([' ', '\t', '\r', '\n']);
        let moved = trimmed.len() != self.left.len();
        self.left = trimmed;
        moved
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.left.strip_prefix(text);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    /// The next start tag; none where an end tag or the end follows.
    fn open(&mut self) -> Result<Option<Tag>, &'static str> {
        self.space();
        while self.eat("<!--") {
            let (_, rest) = self.left.split_once("-->").ok_or("an endless comment")?;
            self.left = rest;
            self.space();
        }
        if self.left.starts_with("</") || self.left.is_empty() {
            return Ok(None);
        }
        if !self.eat("<") {
            return Err("text");
        }
        let name = self.name()?;
        let mut attributes = BTreeMap::new();
        loop {
            let apart = self.space();
            if self.eat("/>") {
                return Ok(Some((name, attributes, true)));
            }
            if self.eat(">") {
                return Ok(Some((name, attributes, false)));
            }
            let attribute = self.name()?;
            self.space();
            if !apart || !self.eat("=") {
                return Err("a broken attribute");
            }
            self.space();
            if attributes.insert(attribute, self.value()?).is_some() {
                return Err("an attribute twice");
            }
        }
    }

    fn name(&mut self) -> Result<String, &'static str> {
        let end = self.left.find([' ', '\t', '\r', '\n', '=', '/', '>', '<', '"', '\'', '!', '?', '&']);
        let (name, rest) = self.left.split_at(end.unwrap_or(self.left.len()));
        self.left = rest;
        if name.is_empty() { Err("no name") } else { Ok(name.to_owned()) }
    }

    fn value(&mut self) -> Result<String, &'static str> {
        let quote = if self.eat("\"") {
            '"'
        } else if self.eat("'") {
            '\''
        } else {
            return Err("a value without quotes");
        };
        let (raw, rest) = self.left.split_once(quote).ok_or("an endless value")?;
        self.left = rest;
        if raw.contains('<') {
            return Err("a broken value");
        }
        plain(raw)
    }

    fn close(&mut self, name: &str) -> Result<(), &'static str> {
        self.space();
        if !(self.eat("</") && self.eat(name)) {
            return Err("nesting");
        }
        self.space();
        if self.eat(">") { Ok(()) } else { Err("nesting") }
    }

    fn end(&mut self) -> Result<(), &'static str> {
        self.space();
        if self.left.is_empty() { Ok(()) } else { Err("something behind the root") }
    }
}

/// A value with its references resolved.
fn plain(raw: &str) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut parts = raw.split('&');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once(';').ok_or("a broken reference")?;
        let number = match name {
            "amp" => Some(u32::from('&')),
            "lt" => Some(u32::from('<')),
            "gt" => Some(u32::from('>')),
            "quot" => Some(u32::from('"')),
            "apos" => Some(u32::from('\'')),
            _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
                (Some(hex), _) => u32::from_str_radix(hex, 16).ok(),
                (None, Some(decimal)) => decimal.parse().ok(),
                (None, None) => None,
            },
        };
        text.push(number.and_then(char::from_u32).ok_or("an unknown reference")?);
        text.push_str(rest);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_list_may_be_written_in_many_ways() {
        let plain = b"<?xml version=\"1.0\"?><R xmlns=\"u\"><E B=\"2&amp;\" A=\"\xE8\xA1\xA8\"/></R>";
        let other =
            b"\xEF\xBB\xBF<x:R xmlns:x='u'>\r\n <!-- c --> <x:E A='&#x8868;' B='2&#38;' ></x:E>\n</x:R>\n";
        let one = children(plain, "R", "u").unwrap();
        assert_eq!(one, children(other, "R", "u").unwrap());
        assert_eq!(one[0].canonical(), "E A=\"表\" B=\"2&\"");
    }

    #[test]
    fn what_readers_could_take_differently_is_refused() {
        for text in [
            "<!DOCTYPE R><R xmlns='u'/>",
            "<R xmlns='v'/>",
            "<R xmlns='u'>text</R>",
            "<R xmlns='u'><E><F/></E></R>",
            "<R xmlns='u'><E xmlns='w'/></R>",
            "<R xmlns='u'><E A='1' A='2'/></R>",
            "<R xmlns='u'/><R xmlns='u'/>",
            "<R xmlns='u'><E A='&x;'/></R>",
            "<R xmlns='u'><![CDATA[x]]></R>",
            "<R xmlns='u'><E",
            "<?xml version='1.0' encoding='utf-16'?><R xmlns='u'/>",
        ] {
            assert!(children(text.as_bytes(), "R", "u").is_err(), "{text}");
        }
    }
}
