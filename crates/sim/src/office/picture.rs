//! Pictures: a piece of text about them.

use super::Library;

/// A packet of XMP behind the start of the image.
pub(super) fn jpeg(library: &Library, bytes: &[u8]) -> Option<Vec<u8>> {
    let (start, rest) = bytes.split_at_checked(2)?;
    let packet =
        format!("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>{}</x:xmpmeta>", super::escaped(&library.text()));
    let len = u16::try_from(packet.len() + 2).ok()?.to_be_bytes();
    Some([start, &[0xFF, 0xE1], &len, packet.as_bytes(), rest].concat())
}

/// A chunk of text behind the header.
pub(super) fn png(library: &Library, bytes: &[u8]) -> Option<Vec<u8>> {
    let (start, rest) = bytes.split_at_checked(33)?;
    let body = [b"iTXtLibrary\0\0\0\0\0".as_slice(), library.text().as_bytes()].concat();
    Some([start, &chunk(&body)?, rest].concat())
}

/// A chunk from its name and content.
pub(crate) fn chunk(body: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(body.len().checked_sub(4)?).ok()?.to_be_bytes();
    Some([&len, body, &check_sum(body).to_be_bytes()].concat())
}

/// CRC-32, bit by bit.
fn check_sum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}
