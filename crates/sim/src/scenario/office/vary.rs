//! Real files that hold a given text.
//!
//! Owns where in each format the text goes. What is already packed in an archive is copied as it is, so that
//! thousands of files are made in no time. Refuses to know names and scenarios.

use std::io::{Cursor, Read as _, Write as _};

use cfb::CompoundFile;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::office::png_chunk;

/// Samples of one kind with the member and the element that take the text.
type Archive = (&'static [u8], &'static str, &'static str);

const WORD: [Archive; 2] = [
    (include_bytes!("../../../samples/python-docx.docx"), "word/document.xml", "w:t"),
    (include_bytes!("../../../samples/libreoffice.docx"), "word/document.xml", "w:t"),
];
const EXCEL: [Archive; 2] = [
    (include_bytes!("../../../samples/openpyxl.xlsx"), "xl/worksheets/sheet1.xml", "t"),
    (include_bytes!("../../../samples/libreoffice.xlsx"), "xl/sharedStrings.xml", "t"),
];
const POINT: [Archive; 1] =
    [(include_bytes!("../../../samples/python-pptx.pptx"), "ppt/slides/slide1.xml", "a:t")];
const OLD_WORD: &[u8] = include_bytes!("../../../samples/libreoffice.doc");
const OLD_EXCEL: &[u8] = include_bytes!("../../../samples/libreoffice.xls");
const JPEG: &[u8] = include_bytes!("../../../samples/picture.jpg");
const PNG: &[u8] = include_bytes!("../../../samples/picture.png");

/// The `n`-th file of a kind with a text in it; none for kinds that nobody parses.
pub(super) fn file(kind: &str, n: u64, text: &str) -> Option<Vec<u8>> {
    match kind {
        "docx" => archive(&WORD, n, text),
        "xlsx" => archive(&EXCEL, n, text),
        "pptx" => archive(&POINT, n, text),
        "doc" => compound(OLD_WORD, text),
        "xls" => compound(OLD_EXCEL, text),
        "pdf" => Some(pdf(text)),
        "html" => Some(page(text)),
        "jpg" => jpeg(text),
        "png" => png(text),
        _ => None,
    }
}

fn archive(samples: &[Archive], n: u64, text: &str) -> Option<Vec<u8>> {
    let at = usize::try_from(n % samples.len() as u64).ok()?;
    let (bytes, member, element) = samples.get(at)?;
    let mut from = ZipArchive::new(Cursor::new(*bytes)).ok()?;
    from.index_for_name(member)?;
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let is_member = from.by_index_raw(index).ok()?.name().ok()?.as_ref() == *member;
        if is_member {
            let mut content = String::new();
            from.by_index(index).ok()?.read_to_string(&mut content).ok()?;
            to.start_file(*member, SimpleFileOptions::default()).ok()?;
            to.write_all(with_text(&content, element, text)?.as_bytes()).ok()?;
        } else {
            to.raw_copy_file(from.by_index_raw(index).ok()?).ok()?;
        }
    }
    Some(to.finish().ok()?.into_inner())
}

/// Puts a text at the beginning of the first element of this name.
fn with_text(xml: &str, element: &str, text: &str) -> Option<String> {
    let open = format!("<{element}");
    let (at, _) = xml.match_indices(&open).find(|(at, found)| {
        let rest = xml.get(at + found.len()..).unwrap_or_default();
        rest.starts_with('>')
            || rest.starts_with(' ') && !rest.split('>').next().is_some_and(|tag| tag.ends_with('/'))
    })?;
    let end = at + xml.get(at..)?.find('>')? + 1;
    let (before, after) = xml.split_at_checked(end)?;
    Some(format!("{before}{text} {after}"))
}

/// A compound file may hold streams that its program does not know.
fn compound(bytes: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut file = CompoundFile::open(Cursor::new(bytes.to_vec())).ok()?;
    let mut stream = file.create_stream("/資料番号").ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    stream.flush().ok()?;
    drop(stream);
    file.flush().ok()?;
    Some(file.into_inner().into_inner())
}

/// One page, with a table of its objects in plain text and the text as its title.
fn pdf(text: &str) -> Vec<u8> {
    let shown = format!(
        "BT /F1 24 Tf 72 720 Td ({}) Tj ET",
        text.replace(|sign: char| !sign.is_ascii_alphanumeric(), " ")
    );
    let title: String = text.encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{shown}\nendstream", shown.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        format!("<< /Title <FEFF{title}> >>"),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let (start, size) = (out.len(), objects.len() + 1);
    out.push_str(&format!(
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    out.into_bytes()
}

fn page(text: &str) -> Vec<u8> {
    format!(
        "<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta charset=\"utf-8\">\n<title>{text}</title>\n</head>\n<body><h1>{text}</h1><p>会議の記録です。</p></body>\n</html>\n"
    )
    .into_bytes()
}

/// A comment behind the start of the image.
fn jpeg(text: &str) -> Option<Vec<u8>> {
    let (start, rest) = JPEG.split_at_checked(2)?;
    let len = u16::try_from(text.len() + 2).ok()?.to_be_bytes();
    Some([start, &[0xFF, 0xFE], &len, text.as_bytes(), rest].concat())
}

/// A chunk of text behind the header.
fn png(text: &str) -> Option<Vec<u8>> {
    let (start, rest) = PNG.split_at_checked(33)?;
    let body = [b"iTXtComment\0\0\0\0\0".as_slice(), text.as_bytes()].concat();
    Some([start, &png_chunk(&body)?, rest].concat())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::office::Library;

    #[test]
    fn every_copy_has_bytes_of_its_own_and_can_be_taken_apart() {
        let mut seen = BTreeSet::new();
        for kind in ["docx", "xlsx", "pptx", "doc", "xls", "pdf", "html", "jpg", "png"] {
            for n in 0..4 {
                let bytes = file(kind, n, &format!("資料 {n}")).unwrap_or_else(|| panic!("{kind} {n}"));
                let now = Library::default().rewritten(&bytes).unwrap_or_else(|| panic!("{kind} {n}"));
                assert!(now != bytes && seen.insert(bytes), "{kind} {n}");
            }
        }
        assert_eq!(file("wav", 0, "音"), None);
    }

    #[test]
    fn a_text_goes_into_the_first_element_that_can_hold_one() {
        let xml = "<w:tbl/><w:t /><w:t xml:space=\"preserve\">録音</w:t>";
        let expected = "<w:tbl/><w:t /><w:t xml:space=\"preserve\">第一 録音</w:t>";
        assert_eq!(with_text(xml, "w:t", "第一").as_deref(), Some(expected));
        assert_eq!(with_text("<w:p/>", "w:t", "第一"), None);
    }
}
