//! The digests of one content in one column.
//!
//! Each digest is one byte for its algorithm, then its bytes. A digest that equals the one the source
//! publishes is that byte with the high bit set and nothing more: after a proof the same value would
//! otherwise stand in a row three times.

use landfall_core::{Algo, Digest, Digests, StoreError};

use crate::error::corrupt;

/// Set in the algorithm's byte where the digest is the source's own.
const SAME: u8 = 0x80;

const ALGOS: [(u8, Algo, usize); 3] = [(1, Algo::Sha256, 32), (2, Algo::QuickXor, 20), (3, Algo::Sha1, 20)];

/// Packs digests, against those that the source publishes where these are known.
pub(super) fn pack(digests: &Digests, published: Option<&Digests>) -> Vec<u8> {
    let mut packed = Vec::new();
    for (tag, algo, _) in ALGOS {
        let Some(digest) = digests.get(algo) else { continue };
        if published.and_then(|p| p.get(algo)) == Some(digest) {
            packed.push(tag | SAME);
        } else {
            packed.push(tag);
            packed.extend_from_slice(digest.bytes());
        }
    }
    packed
}

/// Unpacks what [`pack`] made.
pub(super) fn unpack(packed: Option<&[u8]>, published: Option<&Digests>) -> Result<Digests, StoreError> {
    let mut digests = Digests::none();
    let mut rest = packed.unwrap_or_default();
    while let Some((tag, tail)) = rest.split_first() {
        let known = ALGOS.into_iter().find(|(number, ..)| *number == tag & !SAME);
        let (_, algo, length) = known.ok_or_else(|| corrupt(format!("digest {tag} is unknown")))?;
        let digest = if tag & SAME != 0 {
            rest = tail;
            published.and_then(|p| p.get(algo)).cloned()
        } else {
            let (bytes, after) =
                tail.split_at_checked(length).ok_or_else(|| corrupt("a digest is cut short"))?;
            rest = after;
            Digest::new(algo, bytes)
        };
        match algo {
            Algo::Sha256 => digests.sha256 = digest,
            Algo::QuickXor => digests.quickxor = digest,
            Algo::Sha1 => digests.sha1 = digest,
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digests(choice: (Option<u8>, Option<u8>, Option<u8>)) -> Digests {
        let digest = |algo, length, byte: Option<u8>| byte.and_then(|b| Digest::new(algo, &vec![b; length]));
        Digests {
            sha256: digest(Algo::Sha256, 32, choice.0),
            quickxor: digest(Algo::QuickXor, 20, choice.1),
            sha1: digest(Algo::Sha1, 20, choice.2),
        }
    }

    proptest! {
        #[test]
        fn packed_digests_come_back(
            ours: (Option<u8>, Option<u8>, Option<u8>),
            published in proptest::option::of((proptest::option::of(0..2_u8), proptest::option::of(0..2_u8), proptest::option::of(0..2_u8))),
        ) {
            let ours = digests((ours.0.map(|b| b % 2), ours.1.map(|b| b % 2), ours.2.map(|b| b % 2)));
            let published = published.map(digests);
            let packed = pack(&ours, published.as_ref());
            prop_assert_eq!(unpack(Some(&packed), published.as_ref()).unwrap(), ours);
        }
    }

    #[test]
    fn damage_is_noticed() {
        assert!(unpack(Some(&[9]), None).is_err());
        assert!(unpack(Some(&[1, 2, 3]), None).is_err());
        assert!(unpack(None, None).unwrap().is_empty());
    }
}
