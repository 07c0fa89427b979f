//! The Office formats before 2007: another stream of properties.

use std::io::{Cursor, Write};

use cfb::CompoundFile;

use super::Library;

const NAME: &str = "/\u{5}DocumentSummaryInformation";
/// The id of the set of properties, as it is written.
const SET: [u8; 16] =
    [0x02, 0xD5, 0xCD, 0xD5, 0x9C, 0x2E, 0x1B, 0x10, 0x93, 0x97, 0x08, 0x00, 0x2B, 0x2C, 0xF9, 0xAE];

pub(super) fn rewritten(library: &Library, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = CompoundFile::open(Cursor::new(bytes.to_vec())).ok()?;
    let mut stream = file.create_stream(NAME).ok()?;
    stream.write_all(&properties(&library.text())?).ok()?;
    stream.flush().ok()?;
    drop(stream);
    file.flush().ok()?;
    Some(file.into_inner().into_inner())
}

/// A set of two properties: the code page (UTF-8) and the category.
fn properties(text: &str) -> Option<Vec<u8>> {
    let mut value = text.as_bytes().to_vec();
    value.push(0);
    let told = u32::try_from(value.len()).ok()?;
    value.resize(value.len().next_multiple_of(4), 0);
    let section = 32 + u32::try_from(value.len()).ok()?;
    let mut out = vec![0xFE, 0xFF, 0, 0, 6, 0, 2, 0];
    out.extend([0; 16]);
    out.extend(1_u32.to_le_bytes());
    out.extend(SET);
    out.extend(48_u32.to_le_bytes());
    // Size and count; each property's id and place; then the values with their types.
    for number in [section + 8, 2, 1, 24, 2, 32, 2, 65001, 0x1E, told] {
        out.extend(number.to_le_bytes());
    }
    out.extend(value);
    Some(out)
}
