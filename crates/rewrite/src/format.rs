//! Which formats a service was seen to rewrite, told by the bytes first and the name second.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A format whose rewriting can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Office Open XML: a zip archive of parts.
    Ooxml,
    /// A compound file: the Office formats before 2007.
    Ole,
    /// PDF.
    Pdf,
    /// HTML, and pages that begin as such.
    Html,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

/// Names of Office Open XML, macro-enabled variants and templates among them.
const OOXML: [&str; 15] = [
    "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "xlsb", "pptx", "pptm", "potx", "potm",
    "ppsx", "ppsm",
];
const HTML: [&str; 3] = ["html", "htm", "aspx"];

impl Format {
    /// How many of a file's first bytes [`Format::of`] wants to see.
    pub const HEAD: usize = 1024;

    /// The format of a file of this name that begins with these bytes, or none that a service would rewrite. An
    /// archive counts by its name, since services leave other archives alone.
    pub fn of(name: &str, head: &[u8]) -> Option<Self> {
        let extension = name.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase()).unwrap_or_default();
        if head.starts_with(b"PK") {
            return OOXML.contains(&extension.as_str()).then_some(Self::Ooxml);
        }
        if head.starts_with(&crate::ole::MAGIC) {
            return Some(Self::Ole);
        }
        if head.starts_with(&crate::png::MAGIC) {
            return Some(Self::Png);
        }
        if head.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return Some(Self::Jpeg);
        }
        // The header may stand a little further on, as readers of PDF allow.
        if head.get(..head.len().min(Self::HEAD)).is_some_and(crate::pdf::begins) {
            return Some(Self::Pdf);
        }
        HTML.contains(&extension.as_str()).then_some(Self::Html)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ooxml => "Office Open XML",
            Self::Ole => "compound file",
            Self::Pdf => "PDF",
            Self::Html => "HTML",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_before_names_and_other_archives_are_none_of_this() {
        let cases: [(&str, &[u8], Option<Format>); 11] = [
            ("報告.docx", b"PK\x03\x04", Some(Format::Ooxml)),
            ("報告.DOCX", b"PK\x03\x04", Some(Format::Ooxml)),
            ("資料.zip", b"PK\x03\x04", None),
            ("報告.docx", &crate::ole::MAGIC, Some(Format::Ole)),
            ("古い.doc", &crate::ole::MAGIC, Some(Format::Ole)),
            ("写真.png", b"\xFF\xD8\xFF\xE0", Some(Format::Jpeg)),
            ("図.png", &crate::png::MAGIC, Some(Format::Png)),
            ("契約.pdf", b"%PDF-1.4\n", Some(Format::Pdf)),
            ("頁.htm", b"<html>", Some(Format::Html)),
            ("メモ.txt", b"<html>", None),
            ("報告.docx", b"", None),
        ];
        for (name, head, format) in cases {
            assert_eq!(Format::of(name, head), format, "{name}");
        }
    }
}
