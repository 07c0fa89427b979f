//! Files made by programs of others, rewritten as the service does it.

use std::io::Cursor;

use crate::common::{judge, packed, refusal, sample, unpacked};
use landfall_rewrite::{Format, How, Limits, Parts, Proves, Reason, compare_parts, fingerprint};
use landfall_sim::Library;

const ARCHIVES: [&str; 5] =
    ["python-docx.docx", "openpyxl.xlsx", "python-pptx.pptx", "libreoffice.docx", "libreoffice.xlsx"];
const OTHERS: [&str; 6] =
    ["libreoffice.doc", "libreoffice.xls", "libreoffice.pdf", "page.html", "picture.jpg", "picture.png"];

#[test]
fn every_sample_is_shown_after_each_rewriting_and_by_its_fingerprint_alone() {
    for name in ARCHIVES.iter().chain(&OTHERS) {
        let original = sample(name);
        let format = Format::of(name, &original).unwrap();
        let parts = fingerprint(format, &mut Cursor::new(&original), &Limits::default()).unwrap();
        let kept: Parts = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
        assert_eq!(kept, parts, "{name}");
        let mut now = original.clone();
        for seed in 0..4_u8 {
            // Columns change and the service writes again into what it wrote before.
            let value = "営業".repeat(1 + usize::from(seed));
            let library = Library {
                columns: vec![("部門".to_owned(), value)],
                seed: seed.into(),
                ..Library::default()
            };
            now = library.rewritten(&now).unwrap_or_else(|| panic!("{name} is not rewritten"));
            assert_ne!(now, original, "{name}");
            let rewrite = judge(name, &original, &now).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!rewrite.changes.is_empty() && rewrite.unchanged > 0, "{name}: {rewrite:?}");
            let by_parts = compare_parts(&kept, &mut Cursor::new(&now), &Limits::default()).unwrap();
            assert_eq!(by_parts, rewrite, "{name}");
            assert_eq!(rewrite.destination.size, now.len() as u64);
        }
    }
}

#[test]
fn what_the_service_wrote_is_named_one_by_one() {
    let original = sample("python-docx.docx");
    let now = Library::default().rewritten(&original).unwrap();
    let rewrite = judge("議事録.docx", &original, &now).unwrap();
    let named: Vec<(&str, How)> = rewrite.changes.iter().map(|one| (one.part.as_str(), one.how)).collect();
    let expected = [
        ("[Content_Types].xml", How::Changed),
        ("_rels/.rels", How::Changed),
        ("docProps/core.xml", How::Changed),
        ("word/_rels/document.xml.rels", How::Changed),
        ("customXml/_rels/item2.xml.rels", How::Added),
        ("customXml/_rels/item3.xml.rels", How::Added),
        ("customXml/_rels/item4.xml.rels", How::Added),
        ("customXml/item2.xml", How::Added),
        ("customXml/item3.xml", How::Added),
        ("customXml/item4.xml", How::Added),
        ("customXml/itemProps2.xml", How::Added),
        ("customXml/itemProps3.xml", How::Added),
        ("customXml/itemProps4.xml", How::Added),
        ("docProps/custom.xml", How::Added),
    ];
    assert_eq!(named, expected);
    assert_eq!(rewrite.proves, Proves::EveryPart);
    // The picture and the text are among what was shown.
    let others = unpacked(&original).len() as u64 - 4;
    assert_eq!(rewrite.unchanged, others);
}

#[test]
fn the_same_bytes_are_the_same_file() {
    for name in ARCHIVES.iter().chain(&OTHERS) {
        let original = sample(name);
        let rewrite = judge(name, &original, &original).unwrap();
        assert_eq!((rewrite.proves, rewrite.changes.len()), (Proves::Identical, 0), "{name}");
    }
}

#[test]
fn one_byte_less_in_any_format_is_refused() {
    for name in ARCHIVES.iter().chain(&OTHERS) {
        let original = sample(name);
        let cut = &original[..original.len() - 1];
        let refusal = refusal(name, &original, cut);
        assert!(!refusal.to_string().is_empty(), "{name}");
    }
}

#[test]
fn an_item_of_the_users_is_not_the_services() {
    // python-docx's template brings a bibliography as item 1.
    let original = sample("python-docx.docx");
    let mut members = unpacked(&original);
    assert!(members.contains_key("customXml/item1.xml"));
    members.get_mut("customXml/item1.xml").unwrap().extend(b" ");
    let refusal = refusal("議事録.docx", &original, &packed(&members));
    assert_eq!((refusal.reason, refusal.part.as_str()), (Reason::Differs, "customXml/item1.xml"));
}

#[test]
fn every_member_that_is_not_owned_is_looked_at() {
    for name in ARCHIVES {
        let original = sample(name);
        let rewritten = unpacked(&Library::default().rewritten(&original).unwrap());
        let before = unpacked(&original);
        for (member, content) in &before {
            // Lists are compared by entries, so that white space in them is none of our business.
            let is_list = member.ends_with(".rels") && !member.contains("/_rels/item")
                || member.ends_with("Types].xml");
            if rewritten[member] != *content
                || is_list && !member.contains("slide")
                || member.starts_with("docProps/") && member.ends_with(".xml")
            {
                continue;
            }
            let mut members = rewritten.clone();
            members.get_mut(member).unwrap().push(b' ');
            let refused = refusal(name, &original, &packed(&members));
            assert_eq!((refused.reason, refused.part.as_str()), (Reason::Differs, member.as_str()), "{name}");
            members.remove(member);
            let refused = refusal(name, &original, &packed(&members));
            assert!([Reason::Missing, Reason::NotThisFormat].contains(&refused.reason), "{name}: {refused}");
        }
    }
}

#[test]
fn every_stream_of_an_old_file_is_looked_at() {
    for (name, stream) in [
        ("libreoffice.doc", "/WordDocument"),
        ("libreoffice.doc", "/1Table"),
        ("libreoffice.xls", "/Workbook"),
    ] {
        let original = sample(name);
        let rewritten = Library::default().rewritten(&original).unwrap();
        let mut file = cfb::open_rw_in_memory(rewritten.clone());
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file.open_stream(stream).unwrap(), &mut content).unwrap();
        let last = content.len() - 1;
        content[last] ^= 1;
        std::io::Write::write_all(&mut file.create_stream(stream).unwrap(), &content).unwrap();
        let refused = refusal(name, &original, &file.into_inner().into_inner());
        assert_eq!((refused.reason, refused.part.as_str()), (Reason::Differs, &stream[1..]), "{name}");
        let mut file = cfb::open_rw_in_memory(rewritten);
        file.create_storage("/Macros").unwrap();
        let refused = refusal(name, &original, &file.into_inner().into_inner());
        assert_eq!((refused.reason, refused.part.as_str()), (Reason::NotOwned, "Macros/"), "{name}");
    }
}

/// Only for reading and writing in memory.
mod cfb {
    pub(super) use ::cfb::CompoundFile;
    use std::io::Cursor;

    pub(super) fn open_rw_in_memory(bytes: Vec<u8>) -> CompoundFile<Cursor<Vec<u8>>> {
        CompoundFile::open(Cursor::new(bytes)).unwrap()
    }
}
