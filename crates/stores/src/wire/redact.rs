//! Keeps secrets out of every text: URLs lose query and userinfo, bodies are cut and cleaned.
//!
//! Owns what may be shown of a URL or of a body that a service sent. Refuses to know who asks. The rule
//! is one-sided on purpose: rather too much goes than one pre-authenticated URL stays.

/// Longest text of a foreign body that enters an error, in bytes.
const BODY_LIMIT: usize = 1024;

/// What stands in place of something that was taken out.
const GONE: &str = "[redacted]";

/// Names whose value is a secret, as they appear in queries, forms and JSON.
const SECRET_NAMES: &[&str] = &[
    "tempauth",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "sig",
    "signature",
    "client_secret",
    "client_assertion",
    "secret",
    "password",
    "authorization",
    "bearer",
    "assertion",
];

/// A URL as a person may see it: scheme, host and path.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or("");
    let Some((scheme, rest)) = bare.split_once("://") else {
        return bare.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or("");
    // A delta link may carry its token in the path: delta(token='…').
    let path = path.find("(token=").map_or(path, |at| path.get(..at).unwrap_or(""));
    format!("{scheme}://{host}{path}")
}

/// A foreign text as a person may see it: one line, at most 1 KiB, without anything that opens a door.
#[must_use]
pub fn shown_text(text: &str) -> String {
    let cut = floor(text, BODY_LIMIT);
    let mut out = String::with_capacity(cut.len());
    let mut secret_next = false;
    for piece in cut.split_inclusive(is_delimiter) {
        let body = piece.trim_end_matches(is_delimiter);
        let tail = piece.get(body.len()..).unwrap_or("");
        if !body.is_empty() {
            let named = opens_secret(body, tail);
            if secret_next && !named && body != ":" && body != "=" {
                out.push_str(GONE);
                secret_next = false;
            } else {
                push_clean(&mut out, body);
                secret_next = named || (secret_next && (body == ":" || body == "="));
            }
        }
        out.extend(tail.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    if cut.len() < text.len() {
        out.push('…');
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | ',' | '\\' | '{' | '}' | ';')
}

/// True where the next word is the value of a secret: after a JSON key, a header's name or `Bearer`.
/// The word "token" in a sentence is none of these.
fn opens_secret(piece: &str, tail: &str) -> bool {
    let bare = piece.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let key = tail.starts_with('"') || piece.ends_with([':', '=']) || bare.eq_ignore_ascii_case("bearer");
    key && SECRET_NAMES.iter().any(|name| bare.eq_ignore_ascii_case(name))
}

fn push_clean(out: &mut String, piece: &str) {
    let lower = piece.to_ascii_lowercase();
    let named = SECRET_NAMES
        .iter()
        .filter_map(|name| {
            let at = lower.find(name)?;
            let after = lower.get(at + name.len()..)?;
            after.starts_with(['=', ':']).then_some(at + name.len() + 1).filter(|_| after.len() > 1)
        })
        .min();
    // A query holds secrets under names that nobody has listed, so it goes whole.
    let query =
        lower.find('?').filter(|at| lower.get(*at..).is_some_and(|q| q.contains('='))).map(|at| at + 1);
    let token = lower.find("eyj").filter(|at| lower.len() - at > 16);
    match [named, query, token].into_iter().flatten().min() {
        Some(at) => {
            out.push_str(piece.get(..at).unwrap_or(""));
            out.push_str(GONE);
        }
        None => out.push_str(piece),
    }
}

/// The longest prefix of at most `limit` bytes that ends between two characters.
fn floor(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_lose_query_and_userinfo() {
        assert_eq!(
            shown_url("https://ada:pw@my.sim/_layouts/15/download.aspx?UniqueId=1&tempauth=eyJ0#x"),
            "https://my.sim/_layouts/15/download.aspx"
        );
        assert_eq!(
            shown_url("http://g.sim/v1.0/drives/b!1/root/delta(token='abc')"),
            "http://g.sim/v1.0/drives/b!1/root/delta"
        );
        assert_eq!(shown_url("https://host"), "https://host");
    }

    #[test]
    fn secrets_leave_a_body() {
        for (body, secret) in [
            (r#"{"uploadUrl":"https://sp.sim/up?guid='1'&tempauth=zzz"}"#, "zzz"),
            (r#"{"access_token":"opaque-one"}"#, "opaque-one"),
            (r#"{"access_token" : "opaque-one"}"#, "opaque-one"),
            ("Authorization: Bearer abcdef", "abcdef"),
            ("client_secret=hush&x=1", "hush"),
            ("see eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.sig", "hbGci"),
            (r"https://a.sim/x\u0026tempauth=zzz", "zzz"),
            ("<a href=\"/x?sig=qqq\">会議</a>", "qqq"),
        ] {
            let shown = shown_text(body);
            assert!(!shown.contains(secret), "{shown}");
            assert!(shown.contains(GONE), "{shown}");
        }
        for plain in ["The resource could not be found.", "The access token has expired."] {
            assert_eq!(shown_text(plain), plain);
        }
        assert_eq!(shown_text("会議 録音\n二行目"), "会議 録音 二行目");
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        let shown = shown_text(&"録".repeat(2000));
        assert!(shown.len() <= BODY_LIMIT + "…".len());
        assert!(shown.ends_with('…'));
    }

    proptest! {
        #[test]
        fn a_secret_in_a_query_never_survives(head in "[a-z ]{0,40}", secret in "[A-Z0-9]{12,40}", tail in "[a-z ]{0,20}") {
            let text = format!("{head} https://sp.sim/a/b?guid='1'&tempauth={secret} {tail}");
            prop_assert!(!shown_text(&text).contains(&secret));
            let url = format!("https://u:{secret}@sp.sim/a?x={secret}");
            prop_assert!(!shown_url(&url).contains(&secret));
        }
    }
}
