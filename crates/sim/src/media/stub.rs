//! Tiny media: valid files of one pixel whose bytes are a function of a name.
//!
//! Owns the forms of JPEG, PNG, GIF and MP4 as far as a program that looks at them needs, with the unique part in a
//! comment. Refuses to know who asks. Nothing here is a picture worth seeing.

use crate::content::{mix, to_usize};

/// What the bytes of a medium are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    /// A photo, mostly.
    Jpeg,
    /// A photo that was drawn.
    Png,
    /// A GIF proper; the service turns GIFs into MP4, old archives hold some.
    Gif,
    /// A video, or what was a GIF.
    Mp4,
}

impl MediaKind {
    /// As the origin announces it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Mp4 => "video/mp4",
        }
    }

    /// The extension of its bytes, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Mp4 => "mp4",
        }
    }
}

/// Quantisation table of ones, one grey pixel, two Huffman tables of one code each, one scan.
const JPEG_HEAD: &[u8] = &[
    0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0xff, 0xdb, 0, 67,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
];
const JPEG_TAIL: &[u8] = &[
    0xff, 0xc0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0, 0xff, 0xc4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xda,
    0, 8, 1, 1, 0, 0, 63, 0, 0x3f, 0xff, 0xd9,
];
const PNG_HEAD: &[u8] = &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];
/// Width 1, height 1, eight bits of grey.
const PNG_HEADER: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0];
/// Zlib: one stored block of two zero bytes.
const PNG_PIXELS: &[u8] = &[0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff, 0, 0, 0, 2, 0, 1];
const GIF_HEAD: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
const GIF_TAIL: &[u8] = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b";
const MP4_HEAD: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";

/// A hash of a text, the same for ever.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// The bytes that belong to a name: `len` of them, or 200 to 2,000 by name. Never fewer than 200.
pub(crate) fn bytes(kind: MediaKind, name: &str, len: Option<u64>) -> Vec<u8> {
    let seed = hash(name) ^ kind as u64;
    let len = to_usize(len.unwrap_or(200 + mix(seed) % 1801)).max(200);
    let mut noise = Noise { seed, at: 0 };
    match kind {
        MediaKind::Jpeg => jpeg(len, &mut noise),
        MediaKind::Png => png(len, &mut noise),
        MediaKind::Gif => gif(len, &mut noise),
        MediaKind::Mp4 => mp4(len, &mut noise),
    }
}

struct Noise {
    seed: u64,
    at: u64,
}

impl Noise {
    fn take(&mut self, len: usize, out: &mut Vec<u8>) {
        let end = out.len() + len;
        while out.len() < end {
            self.at += 1;
            out.extend(mix(self.seed ^ (self.at << 8)).to_le_bytes());
        }
        out.truncate(end);
    }
}

fn jpeg(len: usize, noise: &mut Noise) -> Vec<u8> {
    let mut out = JPEG_HEAD.to_vec();
    let mut left = len.saturating_sub(JPEG_HEAD.len() + JPEG_TAIL.len());
    while left > 0 {
        // A comment takes at least four bytes, so none may be left over that is shorter.
        let take = if left > 60_000 { 50_000 } else { left };
        out.extend([0xff, 0xfe]);
        out.extend(u16::try_from(take.saturating_sub(2)).unwrap_or(2).to_be_bytes());
        noise.take(take.saturating_sub(4), &mut out);
        left -= take;
    }
    out.extend(JPEG_TAIL);
    out
}

fn png(len: usize, noise: &mut Noise) -> Vec<u8> {
    let mut out = PNG_HEAD.to_vec();
    chunk(*b"IHDR", PNG_HEADER, &mut out);
    let fixed = out.len() + 12 + (12 + PNG_PIXELS.len()) + 12;
    let mut text = b"Comment\0".to_vec();
    noise.take(len.saturating_sub(fixed + text.len()), &mut text);
    // Text is Latin-1 without zeros and control characters.
    for byte in text.iter_mut().skip(8) {
        *byte = b'a' + *byte % 26;
    }
    chunk(*b"tEXt", &text, &mut out);
    chunk(*b"IDAT", PNG_PIXELS, &mut out);
    chunk(*b"IEND", &[], &mut out);
    out
}

fn chunk(kind: [u8; 4], body: &[u8], out: &mut Vec<u8>) {
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    let from = out.len();
    out.extend(kind);
    out.extend(body);
    let sum = crc32(out.get(from..).unwrap_or_default());
    out.extend(sum.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn gif(len: usize, noise: &mut Noise) -> Vec<u8> {
    let mut out = GIF_HEAD.to_vec();
    out.extend([0x21, 0xfe]);
    let mut left = len.saturating_sub(GIF_HEAD.len() + GIF_TAIL.len() + 3);
    while left > 0 {
        // A block takes at least two bytes.
        let take = if left > 257 { 200 } else { left.min(256) };
        let take = if left == 257 { 128 } else { take };
        out.push(u8::try_from(take.saturating_sub(1)).unwrap_or(u8::MAX));
        noise.take(take.saturating_sub(1), &mut out);
        left -= take;
    }
    out.push(0);
    out.extend(GIF_TAIL);
    out
}

/// File type, a box that players pass over, an empty box of media.
fn mp4(len: usize, noise: &mut Noise) -> Vec<u8> {
    let mut out = MP4_HEAD.to_vec();
    let free = len.saturating_sub(MP4_HEAD.len() + 8);
    out.extend(u32::try_from(free).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(*b"free");
    noise.take(free.saturating_sub(8), &mut out);
    out.extend(8u32.to_be_bytes());
    out.extend(*b"mdat");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [MediaKind; 4] = [MediaKind::Jpeg, MediaKind::Png, MediaKind::Gif, MediaKind::Mp4];

    #[test]
    fn lengths_are_exact_also_at_block_edges() {
        for kind in KINDS {
            for len in (200..700).chain([65_535, 65_536, 65_537, 60_001, 60_002, 60_003, 60_004]) {
                let made = bytes(kind, "写真", Some(len));
                assert_eq!(made.len() as u64, len, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_name_gives_its_bytes_and_no_others() {
        for kind in KINDS {
            let made = bytes(kind, "a", None);
            assert!((200..=2000).contains(&made.len()));
            assert_eq!(made, bytes(kind, "a", None));
            assert_ne!(made, bytes(kind, "b", None));
        }
    }

    #[test]
    fn checksums_are_those_of_png() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let made = bytes(MediaKind::Png, "a", None);
        assert!(made.ends_with(&[0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]));
    }

    #[test]
    fn magic_numbers_are_in_front() {
        assert!(bytes(MediaKind::Jpeg, "a", None).starts_with(&[0xff, 0xd8, 0xff]));
        assert!(bytes(MediaKind::Gif, "a", None).starts_with(b"GIF89a"));
        assert_eq!(bytes(MediaKind::Mp4, "a", None).get(4..12), Some(b"ftypisom".as_slice()));
    }
}
