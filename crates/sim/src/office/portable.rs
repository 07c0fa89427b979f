//! PDF: an update at the end that replaces the document's information.

use super::Library;

/// Only files with a table in plain text; others are left alone.
pub(super) fn rewritten(library: &Library, bytes: &[u8]) -> Option<Vec<u8>> {
    let place = |what: &[u8]| bytes.windows(what.len()).rposition(|window| window == what);
    let trailer = String::from_utf8_lossy(bytes.get(place(b"trailer")?..)?).into_owned();
    let number = |key: &str| -> Option<usize> {
        let (_, rest) = trailer.split_once(key)?;
        let rest = rest.trim_start();
        rest.get(..rest.find(|sign: char| !sign.is_ascii_digit())?)?.parse().ok()
    };
    let (size, root, table) = (number("/Size")?, number("/Root")?, number("startxref")?);
    let info = number("/Info").unwrap_or(size);
    let hex: String = library.text().encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    let mut out = bytes.to_vec();
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    let object = out.len();
    out.extend(format!("{info} 0 obj\n<< /Subject <FEFF{hex}> >>\nendobj\n").bytes());
    let own = out.len();
    let size = size.max(info + 1);
    out.extend(
        format!(
            "xref\n0 1\n0000000000 65535 f \n{info} 1\n{object:010} 00000 n \ntrailer\n<< /Size {size} /Root {root} 0 R /Info {info} 0 R /Prev {table} >>\nstartxref\n{own}\n%%EOF\n"
        )
        .bytes(),
    );
    Some(out)
}
