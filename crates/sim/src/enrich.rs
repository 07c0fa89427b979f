//! What a document library does to files that it parses.
//!
//! Owns which names are parsed and that the bytes must be a file of that kind: a library that cannot take a file
//! apart leaves it as it is. Size and hash differ afterwards, as at the real service (`graph.md`, section 13); what
//! is written inside is [`Library`]'s.

use crate::content::{Content, to_usize};
use crate::office::Library;

/// Kinds that libraries were reported to rewrite, with how their bytes begin. A page of HTML begins with anything.
const KINDS: [(&str, &[u8]); 24] = [
    ("docx", ZIP),
    ("docm", ZIP),
    ("dotx", ZIP),
    ("dotm", ZIP),
    ("xlsx", ZIP),
    ("xlsm", ZIP),
    ("xltx", ZIP),
    ("xltm", ZIP),
    ("pptx", ZIP),
    ("pptm", ZIP),
    ("potx", ZIP),
    ("potm", ZIP),
    ("doc", COMPOUND),
    ("dot", COMPOUND),
    ("xls", COMPOUND),
    ("ppt", COMPOUND),
    ("pot", COMPOUND),
    ("pdf", b"%PDF-"),
    ("html", b""),
    ("htm", b""),
    ("aspx", b""),
    ("jpg", &[0xFF, 0xD8]),
    ("jpeg", &[0xFF, 0xD8]),
    ("png", b"\x89PNG"),
];
const ZIP: &[u8] = b"PK\x03\x04";
const COMPOUND: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
/// Larger files are left as they are, in bytes.
// Unverified: the service has a limit of its own that nobody has named.
const LARGEST: u64 = 64 << 20;

/// How the bytes of a file begin that a library parses by this name.
fn beginning(name: &str) -> Option<&'static [u8]> {
    let (_, extension) = name.rsplit_once('.')?;
    let known = KINDS.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(extension));
    known.map(|(_, beginning)| *beginning)
}

/// Whether a library would try to take a file apart.
pub(crate) fn is_parsed(name: &str, content: &Content) -> bool {
    let size = 1..=LARGEST;
    beginning(name)
        .is_some_and(|bytes| size.contains(&content.len()) && content.read(0, bytes.len()) == bytes)
}

/// The bytes after the library wrote its properties into them; none if it leaves the file as it is.
pub(crate) fn enriched(library: &Library, name: &str, content: &Content) -> Option<Content> {
    if !is_parsed(name, content) {
        return None;
    }
    let before = content.read(0, to_usize(content.len()));
    let after = library.rewritten(&before).filter(|after| *after != before)?;
    Some(Content::literal(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_file_of_the_kind_that_its_name_says_is_rewritten() {
        let library = Library::default();
        let page = Content::literal("<html><head></head><body>会議</body></html>".as_bytes().to_vec());
        let jpeg = Content::literal(vec![0xFF, 0xD8, 0xFF, 0xD9]);
        assert!(enriched(&library, "議事録.HTM", &page).is_some());
        assert!(enriched(&library, "写真.jpeg", &jpeg).is_some());
        for (name, content) in [
            ("議事録.txt", &page),
            ("議事録.docx", &page),
            ("写真.png", &jpeg),
            ("計画.docx", &Content::literal(b"PK\x03\x04 no archive".to_vec())),
            ("計画.html", &Content::Generated { seed: 3, len: 900 }),
            ("空.pdf", &Content::literal(Vec::new())),
        ] {
            assert!(enriched(&library, name, content).is_none(), "{name}");
        }
    }
}
