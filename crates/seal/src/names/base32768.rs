//! base32768: 15 bits in each UTF-16 unit, first bits first.
//!
//! Owns the two alphabets: 128 characters for a rest of up to 7 bits, 32,768 for everything else.
//! Both consist of runs of 32 code points. Does not know what the bits mean.
//! Source: the alphabet inside rclone 1.75.2, cut into blocks of 32 by code point.

use std::sync::LazyLock;

/// First and last code point of each run of whole blocks, in order.
const RANGES: [(u16, u16); 54] = [
    (0x0180, 0x019f),
    (0x0240, 0x029f),
    (0x04a0, 0x04bf),
    (0x0500, 0x051f),
    (0x0680, 0x06bf),
    (0x0760, 0x079f),
    (0x07c0, 0x07df),
    (0x1000, 0x101f),
    (0x10a0, 0x10bf),
    (0x1100, 0x115f),
    (0x1180, 0x119f),
    (0x11e0, 0x123f),
    (0x1260, 0x127f),
    (0x12e0, 0x12ff),
    (0x1320, 0x133f),
    (0x13a0, 0x13df),
    (0x1420, 0x165f),
    (0x16a0, 0x16df),
    (0x1780, 0x179f),
    (0x1820, 0x185f),
    (0x18c0, 0x18df),
    (0x1980, 0x199f),
    (0x19e0, 0x19ff),
    (0x1a20, 0x1a3f),
    (0x1bc0, 0x1bdf),
    (0x1c00, 0x1c1f),
    (0x1d00, 0x1d1f),
    (0x21e0, 0x21ff),
    (0x22c0, 0x22df),
    (0x2340, 0x23df),
    (0x2400, 0x241f),
    (0x2500, 0x275f),
    (0x2780, 0x27bf),
    (0x2800, 0x297f),
    (0x29a0, 0x29bf),
    (0x2a20, 0x2a5f),
    (0x2a80, 0x2abf),
    (0x2ae0, 0x2b5f),
    (0x2c00, 0x2c1f),
    (0x2c80, 0x2cdf),
    (0x2d00, 0x2d1f),
    (0x2d40, 0x2d5f),
    (0x2ea0, 0x2edf),
    (0x31c0, 0x31df),
    (0x3400, 0x4d9f),
    (0x4dc0, 0x9fbf),
    (0xa000, 0xa47f),
    (0xa4a0, 0xa4bf),
    (0xa500, 0xa5ff),
    (0xa640, 0xa65f),
    (0xa6a0, 0xa6df),
    (0xa700, 0xa75f),
    (0xa780, 0xa79f),
    (0xa840, 0xa85f),
];

/// The first blocks are the alphabet of rests.
const REST_BLOCKS: usize = 4;
const REST_BITS: u32 = 7;
const UNIT_BITS: u32 = 15;

/// The first code point of every block, ascending.
static BLOCKS: LazyLock<Vec<u16>> =
    LazyLock::new(|| RANGES.iter().flat_map(|&(first, last)| (first..=last).step_by(32)).collect());

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for &byte in bytes {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        if held >= UNIT_BITS {
            held -= UNIT_BITS;
            text.extend(symbol(REST_BLOCKS, bits >> held));
            bits &= (1 << held) - 1;
        }
    }
    // What is left is filled up with ones.
    if held > REST_BITS {
        let fill = UNIT_BITS - held;
        text.extend(symbol(REST_BLOCKS, ((bits + 1) << fill) - 1));
    } else if held > 0 {
        let fill = REST_BITS - held;
        text.extend(symbol(0, ((bits + 1) << fill) - 1));
    }
    text
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0u32, 0u32);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let (value, width) = value(character)?;
        if width == REST_BITS && characters.peek().is_some() {
            return None;
        }
        bits = (bits << width) | value;
        held += width;
        while held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

/// The character of a value, counted from the first block of its alphabet.
fn symbol(alphabet: usize, value: u32) -> Option<char> {
    let block = BLOCKS.get(alphabet + usize::try_from(value >> 5).ok()?)?;
    char::from_u32(u32::from(*block) | (value & 31))
}

/// The value of a character and how many bits it stands for.
fn value(character: char) -> Option<(u32, u32)> {
    let point = u16::try_from(u32::from(character)).ok()?;
    let block = BLOCKS.binary_search(&(point & !31)).ok()?;
    let (block, width) = match block.checked_sub(REST_BLOCKS) {
        Some(block) => (block, UNIT_BITS),
        None => (block, REST_BITS),
    };
    Some((u32::try_from(block).ok()? << 5 | u32::from(point & 31), width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabets_have_their_sizes_and_their_order() {
        assert_eq!(BLOCKS.len(), 1028);
        assert!(BLOCKS.is_sorted());
        assert!(BLOCKS.iter().all(|block| block % 32 == 0));
        assert!((0..0x8000).all(|v| value(symbol(REST_BLOCKS, v).unwrap()) == Some((v, UNIT_BITS))));
        assert!((0..0x80).all(|v| value(symbol(0, v).unwrap()) == Some((v, REST_BITS))));
    }

    #[test]
    fn every_length_comes_back() {
        for length in 0..64u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37) ^ 0xa5).collect();
            let text = encode(&bytes);
            assert_eq!(decode(&text), Some(bytes));
        }
    }

    #[test]
    fn foreign_characters_and_a_rest_in_the_middle_are_refused() {
        assert_eq!(decode("abc"), None);
        assert_eq!(decode("😀"), None);
        let rest = symbol(0, 5).unwrap();
        let unit = symbol(REST_BLOCKS, 5).unwrap();
        assert_eq!(decode(&format!("{rest}{unit}")), None);
        assert!(decode(&format!("{unit}{rest}")).is_some());
    }
}
