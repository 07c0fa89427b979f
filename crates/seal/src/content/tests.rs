use std::io::{Error, ErrorKind, Read};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::{Cipher, Keys, Options};

static CIPHER: LazyLock<Cipher> =
    LazyLock::new(|| Cipher::new(Keys::derive("合言葉".as_bytes(), None), Options::default()));

fn plain(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

fn sealed(nonce: Nonce, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    seal_file(&CIPHER, nonce, &mut &*plain, &mut out).unwrap();
    out
}

/// Cuts `bytes` at the given places, which may repeat and come in any order.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn size() -> impl Strategy<Value = usize> {
    let edges = [0, 1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK - 1];
    prop_oneof![prop::sample::select(edges.to_vec()), 0..4 * BLOCK]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pieces_of_any_size_give_the_same_bytes(
        size in size(), nonce: [u8; 24],
        one in prop::collection::vec(any::<usize>(), 0..9), two in prop::collection::vec(any::<usize>(), 0..9),
    ) {
        let (plain, nonce) = (plain(size), Nonce::from_bytes(nonce));
        let whole = sealed(nonce, &plain);
        prop_assert_eq!(u64::try_from(whole.len()).unwrap(), sealed_size(u64::try_from(size).unwrap()));
        let mut sealer = Sealer::new(&CIPHER, nonce);
        let mut out = Vec::new();
        pieces(&plain, &one).into_iter().for_each(|piece| sealer.update(piece, &mut out));
        sealer.finish(&mut out);
        prop_assert!(out == whole);

        let mut opener = Opener::new(&CIPHER);
        let mut back = Vec::new();
        for piece in pieces(&whole, &two) {
            opener.update(piece, &mut back).unwrap();
        }
        opener.finish(&mut back).unwrap();
        prop_assert!(back == plain);
    }

    #[test]
    fn any_changed_bit_is_found(size in size(), at: usize, bit in 0u8..8) {
        let plain = plain(size);
        let mut bytes = sealed(Nonce::from_bytes([5; 24]), &plain);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let mut back = Vec::new();
        let result = open_file(&CIPHER, &mut bytes.as_slice(), &mut back);
        match at {
            0..8 => prop_assert!(matches!(result, Err(SealError::NotSealed))),
            // Nothing is behind the nonce of an empty file.
            8..32 if size == 0 => prop_assert!(result.is_ok() && back.is_empty()),
            8..32 => {
                let found = matches!(result, Err(SealError::Unauthentic { block: 0 }));
                prop_assert!(found);
            }
            _ => {
                let bad = (at - HEADER) / SEALED_BLOCK;
                let found = matches!(result, Err(SealError::Unauthentic { block }) if block == bad as u64);
                prop_assert!(found);
                prop_assert!(back == plain[..bad * BLOCK]);
            }
        }
    }

    #[test]
    fn a_cut_is_found_unless_it_is_at_the_edge_of_a_block(size in size(), keep: usize) {
        let bytes = sealed(Nonce::from_bytes([6; 24]), &plain(size));
        let keep = keep % bytes.len();
        let result = open_file(&CIPHER, &mut &bytes[..keep], &mut std::io::sink());
        let edge = keep >= HEADER && (keep - HEADER).is_multiple_of(SEALED_BLOCK);
        prop_assert_eq!(result.is_ok(), edge);
    }

    #[test]
    fn a_window_gives_its_part_of_the_file(size in 1..4 * BLOCK, from: usize, length in 0..3 * BLOCK) {
        let (plain, nonce) = (plain(size), Nonce::from_bytes([0xff; 24]));
        let bytes = sealed(nonce, &plain);
        let from = from % size;
        let length = length.min(size - from);
        let window = Window::new(from as u64, length as u64);
        let start = usize::try_from(window.start).unwrap().min(bytes.len());
        let end = (start + usize::try_from(window.length).unwrap()).min(bytes.len());
        let mut opener = Opener::at_block(&CIPHER, nonce, window.block);
        let mut out = Vec::new();
        opener.update(&bytes[start..end], &mut out).unwrap();
        opener.finish(&mut out).unwrap();
        let skip = usize::try_from(window.skip).unwrap();
        let part = if length == 0 { &[][..] } else { &out[skip..skip + length] };
        prop_assert!(part == &plain[from..from + length]);
    }

    #[test]
    fn foreign_bytes_never_open(marked: bool, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = if marked { MAGIC.to_vec() } else { Vec::new() };
        bytes.extend(rest);
        let mut out = Vec::new();
        let opened = open_file(&CIPHER, &mut bytes.as_slice(), &mut out);
        // A header alone is an empty file; nothing else has a tag that fits.
        prop_assert_eq!(opened.is_ok(), bytes.len() == HEADER && bytes.starts_with(&MAGIC));
        prop_assert!(out.is_empty());
    }

    #[test]
    fn sizes_go_back_and_forth(size in 0u64..1 << 50) {
        prop_assert_eq!(opened_size(sealed_size(size)).unwrap(), size);
    }
}

#[test]
fn sizes_are_those_of_the_format() {
    let known =
        [(0, 32), (1, 49), (65_535, 65_583), (65_536, 65_584), (65_537, 65_601), (1_048_579, 1_048_883)];
    for (plain, sealed) in known {
        assert_eq!(sealed_size(plain), sealed);
        assert_eq!(opened_size(sealed).unwrap(), plain);
    }
    for short in [0, 31] {
        assert!(matches!(opened_size(short), Err(SealError::TooShort { bytes }) if bytes == short));
    }
    for rest in 1..=16 {
        assert!(matches!(opened_size(32 + 65_552 + rest), Err(SealError::TruncatedBlock { block: 1 })));
    }
    assert_eq!(sealed_size(u64::MAX), u64::MAX);
}

#[test]
fn sealing_goes_on_at_a_block() {
    let (plain, nonce) = (plain(3 * BLOCK + 77), Nonce::from_bytes([0xfe; 24]));
    let whole = sealed(nonce, &plain);
    let mut sealer = Sealer::at_block(&CIPHER, nonce, 2);
    let mut out = Vec::new();
    sealer.update(&plain[2 * BLOCK..], &mut out);
    sealer.finish(&mut out);
    assert!(out == whole[HEADER + 2 * SEALED_BLOCK..]);
}

#[test]
fn two_nonces_share_no_block() {
    let plain = plain(BLOCK);
    let one = sealed(Nonce::from_bytes([1; 24]), &plain);
    let other = sealed(Nonce::from_bytes([2; 24]), &plain);
    assert_ne!(one[HEADER..HEADER + 64], other[HEADER..HEADER + 64]);
}

#[test]
fn without_sealed_data_bytes_stay_as_they_are() {
    let names_only =
        Cipher::new(Keys::derive(b"potato", None), Options { data: false, ..Options::default() });
    let content = "写真の中身".as_bytes();
    let mut out = Vec::new();
    let passed = seal_file(&names_only, Nonce::from_bytes([1; 24]), &mut &*content, &mut out).unwrap();
    assert_eq!(out, content);
    assert_eq!(passed.plain, passed.sealed);
    let mut back = Vec::new();
    assert_eq!(open_file(&names_only, &mut out.as_slice(), &mut back).unwrap(), passed);
    assert_eq!(back, content);
    let mut sealer = Sealer::new(&names_only, Nonce::from_bytes([1; 24]));
    let mut opener = Opener::new(&names_only);
    let (mut there, mut again) = (Vec::new(), Vec::new());
    sealer.update(content, &mut there);
    sealer.finish(&mut there);
    opener.update(&there, &mut again).unwrap();
    opener.finish(&mut again).unwrap();
    assert_eq!((there.as_slice(), again.as_slice()), (content, content));
    assert_eq!(names_only.sealed_size(5), 5);
    assert_eq!(names_only.opened_size(5).unwrap(), 5);
}

#[test]
fn an_opener_that_failed_stays_failed() {
    let bytes = sealed(Nonce::from_bytes([1; 24]), &plain(3 * BLOCK));
    let mut bad = bytes.clone();
    bad[HEADER + SEALED_BLOCK + 20] ^= 1;
    let mut opener = Opener::new(&CIPHER);
    let mut out = Vec::new();
    assert!(opener.update(&bad, &mut out).is_err());
    assert_eq!(out.len(), BLOCK);
    assert!(matches!(
        opener.update(&bytes[HEADER + SEALED_BLOCK..], &mut out),
        Err(SealError::Unauthentic { block: 1 })
    ));
    assert_eq!(out.len(), BLOCK);
}

/// Gives one byte at a time, is interrupted in between, and fails at its end.
struct Slow<'a>(&'a [u8], usize, bool);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(Error::from(ErrorKind::Interrupted));
        }
        match self.0.split_first() {
            Some((byte, rest)) => {
                buffer[0] = *byte;
                self.0 = rest;
                Ok(1)
            }
            None if self.2 => Err(Error::from(ErrorKind::ConnectionReset)),
            None => Ok(0),
        }
    }
}

#[test]
fn short_reads_do_not_change_blocks_and_errors_are_passed_on() {
    let (plain, nonce) = (plain(BLOCK + 5), Nonce::from_bytes([1; 24]));
    let mut out = Vec::new();
    seal_file(&CIPHER, nonce, &mut Slow(&plain, 0, false), &mut out).unwrap();
    assert!(out == sealed(nonce, &plain));
    let mut back = Vec::new();
    open_file(&CIPHER, &mut Slow(&out, 0, false), &mut back).unwrap();
    assert!(back == plain);
    let failed = seal_file(&CIPHER, nonce, &mut Slow(&plain, 0, true), &mut std::io::sink());
    assert!(matches!(failed, Err(SealError::Io { verb: "read", .. })));
    let failed = seal_file(&CIPHER, nonce, &mut plain.as_slice(), &mut &mut [0u8; 100][..]);
    assert!(matches!(failed, Err(SealError::Io { verb: "written", .. })));
}
