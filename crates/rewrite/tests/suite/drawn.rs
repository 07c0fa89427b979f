//! Drawn changes: whatever is accepted, other readers read the same from it.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::OnceLock;

use crate::common::{judge, packed, read_by_others, sample, unpacked};
use landfall_rewrite::Reason;
use landfall_sim::Library;
use proptest::prelude::*;

const NAME: &str = "libreoffice.docx";

/// A sample, what the service made of it, and the members of both.
struct Case {
    original: Vec<u8>,
    now: Vec<u8>,
    before: BTreeMap<String, Vec<u8>>,
    after: BTreeMap<String, Vec<u8>>,
}

fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| {
        let original = sample(NAME);
        let now = Library::default().rewritten(&original).unwrap();
        let (before, after) = (unpacked(&original), unpacked(&now));
        Case { original, now, before, after }
    })
}

/// Members that the service did not touch and may not touch.
fn others() -> Vec<&'static str> {
    let is_other = |name: &&str| name.starts_with("word/") && !name.ends_with(".rels");
    case().before.keys().map(String::as_str).filter(is_other).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_bit_of_any_member_that_is_not_owned_is_found(
        member in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let names = others();
        let name = names[member.index(names.len())];
        let mut members = case().after.clone();
        let content = members.get_mut(name).unwrap();
        let place = at.index(content.len());
        content[place] ^= 1 << bit;
        let error = judge(NAME, &case().original, &packed(&members)).unwrap_err();
        let refusal = error.refusal().unwrap();
        prop_assert_eq!((refusal.reason, refusal.part.as_str()), (Reason::Differs, name));
    }

    #[test]
    fn whatever_the_order_and_the_columns_it_is_shown(seed in any::<u64>(), value in "\\PC{0,40}") {
        let library = Library { seed, columns: vec![("部門".to_owned(), value)], ..Library::default() };
        let now = library.rewritten(&case().original).unwrap();
        let rewrite = judge(NAME, &case().original, &now).unwrap();
        prop_assert!(rewrite.changes.len() > 5);
    }

    #[test]
    fn a_flipped_bit_of_the_archive_is_refused_or_changes_nothing_that_others_read(
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut now = case().now.clone();
        let place = at.index(now.len());
        now[place] ^= 1 << bit;
        if judge(NAME, &case().original, &now).is_ok() {
            let members = read_by_others(&now).unwrap();
            for name in others() {
                prop_assert_eq!(&members[name], &case().before[name]);
            }
        }
    }

    #[test]
    fn a_flipped_byte_of_any_other_format_is_refused_or_the_original_is_still_within(
        which in 0..6_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let name = ["libreoffice.doc", "libreoffice.pdf", "picture.jpg", "picture.png", "page.html", "libreoffice.xls"][which];
        let original = sample(name);
        let mut now = Library::default().rewritten(&original).unwrap();
        let place = at.index(now.len());
        now[place] = byte;
        match judge(name, &original, &now) {
            Err(error) => prop_assert!(error.refusal().is_some()),
            Ok(_) if original.starts_with(&[0xD0, 0xCF]) => {
                // The other reader is stricter about fields that hold no content; what it does read is the same.
                if let Some(found) = streams(&now) {
                    prop_assert_eq!(streams(&original).unwrap(), found);
                }
            }
            Ok(_) => prop_assert!(within(&original, &now)),
        }
    }
}

/// Streams that the service does not own, as another reader sees them.
fn streams(bytes: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).ok()?;
    let names: Vec<_> =
        file.walk().filter(cfb::Entry::is_stream).map(|entry| entry.path().to_owned()).collect();
    let mut found = BTreeMap::new();
    for path in names {
        let name = path.to_string_lossy().into_owned();
        let mut content = Vec::new();
        file.open_stream(&path).ok()?.read_to_end(&mut content).ok()?;
        if !name.ends_with("SummaryInformation") {
            found.insert(name, content);
        }
    }
    Some(found)
}

/// Whether all bytes of one are in the other, in their order.
fn within(original: &[u8], now: &[u8]) -> bool {
    let mut later = now.iter();
    original.iter().all(|byte| later.any(|other| other == byte))
}
