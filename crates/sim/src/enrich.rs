//! What a document library does to files that it parses.
//!
//! Owns the list of kinds and the change of bytes. Size and hash differ afterwards, as at the real service
//! (`graph.md`, section 13); what exactly is written inside is kept behind [`enriched`].

use crate::content::Content;

/// Kinds that libraries were reported to rewrite.
const KINDS: [&str; 21] = [
    "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "pptx", "pptm", "potx", "potm", "doc",
    "dot", "xls", "ppt", "pot", "pdf", "html", "htm", "aspx",
];

/// Whether a library would rewrite a file of this name.
pub(crate) fn is_parsed(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| KINDS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// The bytes after the library wrote its properties into them.
pub(crate) fn enriched(name: &str, content: &Content) -> Content {
    let lower = name.to_ascii_lowercase();
    let tail: Vec<u8> = if lower.ends_with(".pdf") {
        b"\n% library properties\n%%EOF\n".to_vec()
    } else if lower.ends_with("html") || lower.ends_with(".htm") || lower.ends_with(".aspx") {
        b"<!-- mso -->".to_vec()
    } else {
        vec![0; 3084]
    };
    content.with_tail(&tail)
}
