//! The request for a time stamp by RFC 3161: who answers it vouches that a digest was known at a moment.
//!
//! Only the request is made here. It goes to a time stamp authority by HTTP (`application/timestamp-query`), and
//! the answer is judged by `openssl ts -verify`, with the authority's certificates: see `docs/evidence.md`.

use crate::digest::Sha256;

/// OID 2.16.840.1.101.3.4.2.1 (SHA-256) with NULL for its parameters.
const SHA256: &[u8] = &[0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0];

/// A `TimeStampReq` in DER: version 1, the imprint, the nonce, and the wish for the signer's certificate.
///
/// `nonce` is chance from the system, kept until the answer is checked: it ties the answer to this request.
#[must_use]
pub fn time_stamp_request(imprint: &Sha256, nonce: u64) -> Vec<u8> {
    let imprint = tagged(0x30, &[SHA256, &tagged(0x04, imprint.bytes())].concat());
    let parts: [&[u8]; 4] = [&tagged(0x02, &[1]), &imprint, &integer(nonce), &tagged(0x01, &[0xff])];
    tagged(0x30, &parts.concat())
}

/// A number as DER wants it: no superfluous zero, and one before a high bit, which would be a sign.
fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let tail = bytes.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if tail.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    tagged(0x02, &[sign, tail].concat())
}

/// Tag, length, content; nothing here has more than 127 bytes, so one byte of length is enough.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    debug_assert!(length < 0x80, "a request of fixed parts is shorter");
    [&[tag, length], content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_shortest_and_never_negative() {
        for (number, bytes) in [
            (0, &[2, 1, 0][..]),
            (0x7f, &[2, 1, 0x7f]),
            (0x80, &[2, 2, 0, 0x80]),
            (0x0100, &[2, 2, 1, 0]),
            (u64::MAX, &[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            assert_eq!(integer(number), bytes, "{number}");
        }
    }

    #[test]
    fn the_longest_request_fits_one_byte_of_length() {
        let request = time_stamp_request(&Sha256::of(b""), u64::MAX);
        assert_eq!(request[..2], [0x30, u8::try_from(request.len() - 2).unwrap()]);
        assert!(request.len() < 0x80);
    }
}
