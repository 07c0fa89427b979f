//! HTML: the block of properties in its head, and the names that it uses.

use super::{Library, escaped};

const NAMES: &str = " xmlns:mso=\"urn:schemas-microsoft-com:office:office\" xmlns:msdt=\"uuid:C2F41010-65B3-11d1-A29F-00AA00C14882\"";

const BLOCK: &str = "<!--[if gte mso 9]><xml>\r\n<mso:CustomDocumentProperties>\r\n";
const END: &str = "</mso:CustomDocumentProperties>\r\n</xml><![endif]-->\r\n";

pub(super) fn rewritten(library: &Library, bytes: &[u8]) -> Option<Vec<u8>> {
    let text = without(std::str::from_utf8(bytes).ok()?);
    let (before, after) = text.split_once("</head>")?;
    let block = format!(
        "{BLOCK}<mso:ContentTypeId msdt:dt=\"string\">{}</mso:ContentTypeId>\r\n{END}",
        escaped(&library.text())
    );
    let before = match before.split_once("<html") {
        Some((start, rest)) => format!("{start}<html{NAMES}{rest}"),
        None => before.to_owned(),
    };
    Some(format!("{before}{block}</head>{after}").into_bytes())
}

/// The page before a library wrote into it.
fn without(text: &str) -> String {
    let text = text.replace(NAMES, "");
    match (text.split_once(BLOCK), text.split_once(END)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
        _ => text,
    }
}
