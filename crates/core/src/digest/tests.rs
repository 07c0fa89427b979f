//! Published vectors, an independent bit-level oracle, and saved states.

use proptest::prelude::*;

use super::*;

/// The definition, bit by bit: slow, and written without sharing a line with the fast form.
fn oracle(bytes: &[u8]) -> [u8; 20] {
    let mut bits = [false; 160];
    for (i, byte) in bytes.iter().enumerate() {
        for bit in 0..8 {
            if byte >> bit & 1 == 1 {
                bits[(11 * i + bit) % 160] ^= true;
            }
        }
    }
    let mut out = [0_u8; 20];
    for (i, set) in bits.iter().enumerate() {
        out[i / 8] |= u8::from(*set) << (i % 8);
    }
    for (k, byte) in (bytes.len() as u64).to_le_bytes().iter().enumerate() {
        out[12 + k] ^= byte;
    }
    out
}

fn quick(bytes: &[u8]) -> String {
    let mut hash = QuickXor::default();
    hash.update(bytes);
    Digest::new(Algo::QuickXor, &hash.finish()).unwrap().base64()
}

#[test]
fn the_published_vectors_hold() {
    let counted = |n: usize| (0..n).map(|i| u8::try_from((i * 7 + 3) % 256).unwrap()).collect::<Vec<_>>();
    let mixed: Vec<u8> =
        (0..1_000_003_usize).map(|i| u8::try_from((i * 31 + (i >> 8)) % 256).unwrap()).collect();
    for (input, expected) in [
        (Vec::new(), "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        (BASE64.decode("Sg==").unwrap(), "SgAAAAAAAAAAAAAAAQAAAAAAAAA="),
        (b"a".to_vec(), "YQAAAAAAAAAAAAAAAQAAAAAAAAA="),
        (BASE64.decode("jRRDVA==").unwrap(), "jaDAEKgAAAAAAAAABAAAAAAAAAA="),
        (b"hello world".to_vec(), "aCgDG9jwBhDc4Q1yawMZAAAAAAA="),
        (BASE64.decode("2fuxhBJXtpWFe8dOfdGeHw==").unwrap(), "O9tHLAghgSvYohKFyMMxnNCHaHg="),
        (BASE64.decode("T6LYJIfDh81JrAK309H2JMJTXis=").unwrap(), "zBTHrspn3mEcohlJdIUAbjGNaNg="),
        (vec![0xff; 20], "HOc4xznOcX784x//7Mc//vGPf/w="),
        (b"The quick brown fox jumps over the lazy dog".to_vec(), "bMSlbysmxJL6S75XwfMcQZOpcr4="),
        (vec![b'A'; 160], "AAAAAAAAAAAAAAAAoAAAAAAAAAA="),
        (vec![b'A'; 161], "QQAAAAAAAAAAAAAAoQAAAAAAAAA="),
        ((0..=255).collect(), "QkGEfSisZcA7k+FCh71r2dbCayY="),
        (counted(65535), "XhQes7LH2XNgLVVIzziylbw5oAI="),
        (counted(65536), "XhQes7LH2XNgLdVXMMezlbw5oAI="),
        (counted(327_680), "AAAAAAAAAAAAAAAAAAAFAAAAAAA="),
        (mixed, "3MbzMH4uQ3IiKUAOJPtAF+E0+D8="),
    ] {
        assert_eq!(quick(&input), expected, "length {}", input.len());
    }
}

#[test]
fn two_swapped_fragments_fool_quickxor_and_not_sha256() {
    let first: Vec<u8> = (0..327_680_u32).map(|i| i.to_le_bytes()[0] ^ 0x5a).collect();
    let second: Vec<u8> = (0..327_680_u32).map(|i| i.to_le_bytes()[1]).collect();
    let (mut ab, mut ba) = (Hasher::new(), Hasher::new());
    ab.update(&first);
    ab.update(&second);
    ba.update(&second);
    ba.update(&first);
    assert_eq!(ab.digests().quickxor, ba.digests().quickxor);
    assert_ne!(ab.digests().sha256, ba.digests().sha256);
}

#[test]
fn hex_and_base64_refuse_what_is_no_digest() {
    assert!(Digest::from_hex(Algo::Sha1, "abc").is_none());
    assert!(Digest::from_hex(Algo::Sha1, &"zz".repeat(20)).is_none());
    assert!(Digest::from_base64(Algo::QuickXor, "aGVsbG8=").is_none());
    let digest = Digest::from_hex(Algo::Sha1, &"a1".repeat(20)).unwrap();
    assert_eq!(digest.hex(), "a1".repeat(20));
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_digests(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        cuts in proptest::collection::vec(0_usize..2000, 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut hasher = Hasher::new();
        let mut at = 0;
        for cut in cuts {
            hasher.update(&bytes[at..cut]);
            // Every cut is also a kill: the state goes through its saved form.
            hasher = Hasher::load(&hasher.save()).unwrap();
            at = cut;
        }
        hasher.update(&bytes[at..]);
        let mut whole = Hasher::new();
        whole.update(&bytes);
        prop_assert_eq!(hasher.digests(), whole.digests());
        let expected = oracle(&bytes);
        let quickxor = whole.digests().quickxor.unwrap();
        prop_assert_eq!(quickxor.bytes(), &expected[..]);
    }
}
