//! Percent-encoding of path segments and form values, and the opposite.

use std::fmt::Write as _;

/// Encodes everything but the unreserved characters of RFC 3986, so a name survives any parser.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Decodes a path; a broken escape stays as it is, a plus stays a plus.
pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = if byte == b'%' { after.get(..2).and_then(hex) } else { None };
        match pair {
            Some(value) => {
                out.push(value);
                rest = after.get(2..).unwrap_or(&[]);
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(pair: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(pair).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(text, 16).ok()
}

/// Makes a foreign URL fit for a request without touching what is legal in it: links are opaque.
pub(crate) fn tolerate(url: &str) -> String {
    // What a URI parser refuses; everything else stays as the service wrote it.
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`');
    if url.bytes().all(legal) {
        return url.to_owned();
    }
    let mut out = String::with_capacity(url.len() + 16);
    for byte in url.bytes() {
        if legal(byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_urls_dislike_are_encoded() {
        assert_eq!(encode("録音 #1 100%'+.wav"), "%E9%8C%B2%E9%9F%B3%20%231%20100%25%27%2B.wav");
        assert_eq!(decode("Shared%20Documents/a+b%zz%E9"), "Shared Documents/a+b%zz\u{fffd}");
        assert_eq!(tolerate("https://a/録 b?x='1'"), "https://a/%E9%8C%B2%20b?x='1'");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text)), text);
        }

        #[test]
        fn any_link_becomes_a_uri(tail in any::<String>()) {
            let tail = tail.replace('#', "");
            let url = format!("https://h/{tail}");
            prop_assert!(tolerate(&url).parse::<http::Uri>().is_ok());
        }
    }
}
