//! Paths and queries as they stand on the wire.
//!
//! Owns percent-decoding, percent-encoding and the splitting of queries. A `+` in a path stays a plus sign. Refuses
//! to know what a path means.

/// Decodes percent escapes; what is no escape stays.
pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let ahead = bytes.clone().take(2).collect::<Vec<u8>>();
        let escaped = std::str::from_utf8(&ahead).ok().filter(|hex| hex.len() == 2 && !hex.contains('+'));
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes one path segment or query value: only unreserved characters stay.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    out
}

/// A query as names and values, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        });
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a name, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_go_there_and_back_and_a_plus_stays() {
        let name = "録音 #1 100%+'é.wav";
        assert_eq!(decode(&encode(name)), name);
        assert_eq!(decode("a+b%zz%2"), "a+b%zz%2");
    }

    #[test]
    fn queries_decode_their_names() {
        let query = Query::parse("%24top=5&token=a%3Db&flag");
        assert_eq!(query.get("$top"), Some("5"));
        assert_eq!(query.get("token"), Some("a=b"));
        assert_eq!(query.get("flag"), Some(""));
    }
}
