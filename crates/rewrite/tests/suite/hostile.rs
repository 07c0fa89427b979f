//! Files that want to be called proven and are not.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use crate::common::{Member, archive, judge, refusal, refused, sample, small};
use landfall_rewrite::{Format, Limits, Proves, Reason, RewriteError, Side, compare, fingerprint};
use landfall_sim::Library;

/// The document of [`small`], and another made of it.
fn changed(change: impl FnOnce(&mut Vec<Member>)) -> (Vec<u8>, Vec<u8>) {
    let mut members = small();
    let original = archive(&members, false);
    change(&mut members);
    (original, archive(&members, false))
}

/// Replaces a text in a member that is stored.
fn replace(members: &mut [Member], index: usize, what: &str, with: &str) {
    let text = String::from_utf8(members[index].content.clone()).unwrap();
    assert!(text.contains(what));
    members[index].content = text.replace(what, with).into_bytes();
}

#[test]
fn order_and_compression_may_differ_and_nothing_is_named_then() {
    let (original, now) = changed(|members| {
        members.swap(1, 4);
        members[2] = Member::new("word/document.xml", &members[2].content.clone());
        members.push(Member::new("word/media/", b""));
    });
    let rewrite = judge("報告.docx", &original, &now).unwrap();
    assert_eq!((rewrite.proves, rewrite.changes.len(), rewrite.unchanged), (Proves::EveryPart, 0, 5));
}

#[test]
fn a_changed_picture_is_found() {
    let (original, now) = changed(|members| members[4].content[150] ^= 1);
    let refusal = refused(&original, &now, Reason::Differs, "word/media/image1.png");
    assert_eq!(refusal.before.unwrap().size, 300);
    assert_ne!(refusal.before, refusal.after);
}

#[test]
fn a_member_twice_under_one_name_or_in_another_case_is_refused() {
    for name in ["word/media/image1.png", "word/media/IMAGE1.png"] {
        let (original, now) = changed(|members| members.push(Member::new(name, b"evil")));
        refused(&original, &now, Reason::Doubled, "word/media/image1.png");
    }
    let (original, now) = changed(|members| members[4].name = b"word/media/Image1.png".to_vec());
    refused(&original, &now, Reason::Missing, "word/media/image1.png");
}

#[test]
fn bytes_in_gaps_before_and_after_are_found() {
    let (original, now) = changed(|members| members[1].behind = b"hidden".to_vec());
    refused(&original, &now, Reason::Hidden, "_rels/.rels");
    let (original, now) = changed(|members| members[4].behind = archive(&small(), false));
    refused(&original, &now, Reason::Hidden, "word/media/image1.png");
    let whole = archive(&small(), false);
    refused(&whole, &[whole.as_slice(), b"behind"].concat(), Reason::Hidden, "");
    let mut before = b"#!/bin/sh\n".to_vec();
    before.extend(&whole);
    let refusal = refused(&whole, &before, Reason::Hidden, "");
    assert_eq!(refusal.side, Side::Destination);
    // The last bytes are an end record that claims a comment.
    let mut comment = whole.clone();
    comment.extend(b"note");
    let at = whole.len() - 2;
    comment[at] = 4;
    refused(&whole, &comment, Reason::Hidden, "");
    // Compressed data that end before the member does.
    let (original, now) =
        changed(|members| members[2].packed.as_mut().unwrap().extend(b"behind the end of deflate"));
    refused(&original, &now, Reason::Hidden, "word/document.xml");
    let (original, now) = changed(|members| members.push(Member::new("word/media/", b"in a folder")));
    refused(&original, &now, Reason::Hidden, "word/media/");
}

#[test]
fn two_descriptions_of_one_member_that_disagree_are_refused() {
    let (original, now) = changed(|members| members[4].local_name = Some(b"word/media/image2.png".to_vec()));
    refused(&original, &now, Reason::Contradicting, "word/media/image1.png");
    let (original, now) = changed(|members| members[4].local_size = Some(299));
    refused(&original, &now, Reason::Contradicting, "word/media/image1.png");
    // Two names for one place.
    let (original, now) = changed(|members| {
        let twin = Member { same_place_as: Some(4), ..Member::new("word/media/image2.png", &[7; 300]) };
        members.push(twin);
    });
    let refusal = refusal("報告.docx", &original, &now);
    assert_eq!(refusal.reason, Reason::Contradicting, "{refusal}");
}

#[test]
fn what_the_service_does_not_own_may_not_be_added() {
    for name in
        ["word/vbaProject.bin", "customXml/evil.xml", "docProps/custom.xml.exe", "docProps/thumbnail.jpeg"]
    {
        let (original, now) = changed(|members| members.push(Member::new(name, b"Sub AutoOpen()")));
        refused(&original, &now, Reason::NotOwned, name);
    }
    // An item with another root than a library's is somebody else's.
    let (original, now) = changed(|members| members.push(Member::new("customXml/item1.xml", b"<form/>")));
    refused(&original, &now, Reason::NotOwned, "customXml/item1.xml");
    // What describes an item comes with the item or not at all.
    let (original, now) = changed(|members| members.push(Member::new("customXml/itemProps1.xml", b"<x/>")));
    refused(&original, &now, Reason::NotOwned, "customXml/itemProps1.xml");
}

#[test]
fn names_that_climb_or_can_be_read_in_two_ways_are_refused() {
    for name in [
        "../evil.xml",
        "word/../../evil",
        "/etc/passwd",
        "word\\evil.xml",
        "C:evil",
        "word//evil",
        "word/\u{1}",
    ] {
        let (original, now) = changed(|members| members.push(Member::new(name, b"")));
        refused(&original, &now, Reason::BadName, name);
    }
    // Read as UTF-8 by some and as an old code page by others.
    let (original, now) = changed(|members| members.push(Member::new("word/媒体.png", b"")));
    refused(&original, &now, Reason::BadName, "word/媒体.png");
    let (original, now) = changed(|members| members[4].name = b"word/\x83\x5C.png".to_vec());
    assert_eq!(refusal("報告.docx", &original, &now).reason, Reason::BadName);
}

#[test]
fn archives_in_the_64_bit_form_are_read_and_checked_alike() {
    let original = archive(&small(), false);
    let mut members = small();
    members[4].wide = true;
    let now = archive(&members, true);
    assert_eq!(judge("報告.docx", &original, &now).unwrap().proves, Proves::EveryPart);
    members[4].content[9] ^= 1;
    refused(&original, &archive(&members, true), Reason::Differs, "word/media/image1.png");
    let place = now.len() - 22 - 20 - 56;
    let mut other = now.clone();
    other[place + 32] ^= 1;
    assert_eq!(refusal("報告.docx", &original, &other).reason, Reason::Contradicting);
}

#[test]
fn encrypted_and_strange_members_are_not_vouched_for() {
    let (original, now) = changed(|members| members[4].flags = 1);
    refused(&original, &now, Reason::Encrypted, "word/media/image1.png");
    let (original, now) = changed(|members| members[4].method = Some(99));
    refused(&original, &now, Reason::Encrypted, "word/media/image1.png");
    let (original, now) = changed(|members| members[4].method = Some(12));
    refused(&original, &now, Reason::Unsupported, "word/media/image1.png");
}

#[test]
fn bombs_are_named_and_cost_no_memory() {
    // The ratio is asked after 16 MiB.
    let zeros = vec![0; 17 << 20];
    let (original, now) = changed(|members| {
        members.push(Member { crc: Some(0), ..Member::deflated("docProps/custom.xml", &zeros) });
    });
    let refusal = refused(&original, &now, Reason::OverLimit, "docProps/custom.xml");
    assert!(refusal.detail.contains("512"), "{refusal}");
    // What it says of its size changes nothing.
    let (original, now) = changed(|members| {
        let bomb = Member { size: Some(10), crc: Some(0), ..Member::deflated("docProps/custom.xml", &zeros) };
        members.push(bomb);
    });
    refused(&original, &now, Reason::OverLimit, "docProps/custom.xml");

    let limited = |limits: Limits, now: &[u8]| {
        let error = compare(Format::Ooxml, &mut Cursor::new(&original), &mut Cursor::new(now), &limits);
        error.unwrap_err().refusal().unwrap().clone()
    };
    let many = changed(|members| (0..10).for_each(|n| members.push(Member::new(&format!("n{n}"), b"")))).1;
    let refusal = limited(Limits { members: 12, ..Limits::default() }, &many);
    assert_eq!((refusal.reason, refusal.side), (Reason::OverLimit, Side::Destination), "{refusal}");
    let refusal = limited(Limits { total: 1500, ..Limits::default() }, &many);
    assert_eq!(refusal.reason, Reason::OverLimit, "{refusal}");
    let refusal = limited(Limits { held: 100, ..Limits::default() }, &many);
    assert_eq!(refusal.reason, Reason::OverLimit, "{refusal}");
}

#[test]
fn every_cut_of_a_file_is_refused_in_every_format() {
    for name in
        ["libreoffice.docx", "libreoffice.doc", "libreoffice.pdf", "page.html", "picture.jpg", "picture.png"]
    {
        let original = sample(name);
        let now = Library::default().rewritten(&original).unwrap();
        for len in (0..now.len()).step_by(7) {
            let refusal = refusal(name, &original, &now[..len]);
            assert_eq!(refusal.side, Side::Destination, "{name} at {len}: {refusal}");
        }
    }
}

#[test]
fn an_archive_that_is_no_document_is_said_to_be_none() {
    let other = archive(&[Member { flags: 1 << 11, ..Member::new("写真.png", b"x") }], false);
    let refusal = refused(&other, &archive(&small(), false), Reason::NotThisFormat, "");
    assert_eq!(refusal.side, Side::Original);
    let refusal = refused(&archive(&small(), false), &other, Reason::NotThisFormat, "");
    assert_eq!(refusal.side, Side::Destination);
    refused(&archive(&small(), false), b"<html>Error 500</html> and so on", Reason::NotThisFormat, "");
    refused(&archive(&small(), false), b"", Reason::NotThisFormat, "");
}

#[test]
fn wrong_check_sums_and_sizes_are_corrupt() {
    let (original, now) = changed(|members| members[4].crc = Some(1));
    refused(&original, &now, Reason::Corrupt, "word/media/image1.png");
    let (original, now) = changed(|members| members[2].packed.as_mut().unwrap()[5] ^= 0xFF);
    assert_eq!(refusal("報告.docx", &original, &now).part, "word/document.xml");
    let (original, now) = changed(|members| {
        let packed = members[2].packed.as_mut().unwrap();
        packed.truncate(packed.len() - 3);
    });
    refused(&original, &now, Reason::Corrupt, "word/document.xml");
}

#[test]
fn lists_may_only_grow_and_only_for_the_services_parts() {
    let entry = |target: &str, kind: &str| {
        format!(
            "<Relationship Id=\"rId9\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    let end = "</Relationships>";
    let kinds = [
        (1, end, entry("docProps/custom.xml", "custom-properties"), false),
        (1, end, entry("docProps/other.xml", "custom-properties"), false),
        (1, "word/document.xml", "word/other.xml".to_owned(), false),
        (3, end, entry("https://evil.example/t.dotm\" TargetMode=\"External", "attachedTemplate"), false),
        (3, end, entry("../docProps/custom.xml\" TargetMode=\"External", "customXml"), false),
        (3, "media/image1.png", "media/image2.png".to_owned(), false),
        (0, "image/png", "application/vnd.ms-office.vbaProject".to_owned(), false),
        (
            0,
            "</Types>",
            "<Default Extension=\"bin\" ContentType=\"application/vnd.ms-office.vbaProject\"/></Types>"
                .to_owned(),
            false,
        ),
        (
            0,
            "</Types>",
            "<Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>".to_owned(),
            true,
        ),
        (1, "<Relationship ", "\r\n  <Relationship ".to_owned(), true),
    ];
    for (index, what, with, accepted) in kinds {
        let (original, now) = changed(|members| replace(members, index, what, &with));
        let name = String::from_utf8(small()[index].name.clone()).unwrap();
        if accepted {
            assert_eq!(judge("報告.docx", &original, &now).unwrap().changes[0].part, name);
        } else {
            let reason = refusal("報告.docx", &original, &now).reason;
            assert!([Reason::Entries, Reason::Malformed].contains(&reason), "{with}: {reason:?}");
        }
    }
    let (original, now) =
        changed(|members| replace(members, 1, end, &entry("x", "y").replace("rId9", "rId1")));
    refused(&original, &now, Reason::Doubled, "_rels/.rels");
    // What became of the entries is said.
    let (original, now) = changed(|members| replace(members, 3, "media/image1.png", "media/image2.png"));
    let refusal = refused(&original, &now, Reason::Entries, "word/_rels/document.xml.rels");
    assert!(refusal.detail.contains("was changed") && refusal.before != refusal.after, "{refusal}");
}

#[test]
fn a_picture_whose_image_changed_is_refused_and_what_was_put_into_it_is_named() {
    for name in ["picture.jpg", "picture.png"] {
        let original = sample(name);
        let now = Library::default().rewritten(&original).unwrap();
        let rewrite = judge(name, &original, &now).unwrap();
        assert_eq!((rewrite.proves, rewrite.changes.len()), (Proves::WholeWithin, 1), "{name}");
        let mut wrong = now.clone();
        let at = wrong.len() - 40;
        wrong[at] ^= 1;
        let refused = refusal(name, &original, &wrong);
        assert_eq!((refused.reason, refused.part.as_str()), (Reason::Differs, "image"), "{name}");
        let refused = refusal(name, &original, &[now.as_slice(), b"PK\x03\x04"].concat());
        assert!([Reason::Differs, Reason::NotOwned].contains(&refused.reason), "{name}: {refused}");
    }
    // Exif can turn a picture round, so it is none of the service's.
    let original = sample("picture.jpg");
    let exif = [&original[..2], b"\xFF\xE1\x00\x0AExif\0\0II", &original[2..]].concat();
    assert_eq!(refusal("写真.jpg", &original, &exif).part, "header");
    // The picture's own comment must stay.
    let at = original.windows(2).position(|two| two == [0xFF, 0xFE]).unwrap();
    let len = usize::from(u16::from_be_bytes([original[at + 2], original[at + 3]])) + 2;
    let without = [&original[..at], &original[at + len..]].concat();
    let refused = refusal("写真.jpg", &original, &without);
    assert_eq!((refused.reason, refused.part.as_str()), (Reason::Missing, "COM"));
}

#[test]
fn a_page_with_more_than_the_block_is_refused() {
    let original = sample("page.html");
    let now = Library::default().rewritten(&original).unwrap();
    let rewrite = judge("頁.html", &original, &now).unwrap();
    assert_eq!(rewrite.changes.len(), 3);
    let text = String::from_utf8(now).unwrap();
    for (what, with) in [
        ("</body>", "<script src=x></script></body>"),
        ("</mso:CustomDocumentProperties>", "--><script>x</script><!--"),
        ("議事録", "議事禄"),
        ("<mso:CustomDocumentProperties>", "<o:DocumentProperties>"),
    ] {
        assert!(text.contains(what));
        let refused = refusal("頁.html", &original, text.replace(what, with).as_bytes());
        assert_eq!((refused.reason, refused.part.as_str()), (Reason::Differs, "text"), "{with}");
    }
}

#[test]
fn an_update_of_a_pdf_that_changes_a_page_is_refused_although_the_original_is_all_there() {
    let original = sample("libreoffice.pdf");
    let table = || {
        let text = String::from_utf8_lossy(&original).into_owned();
        text.rsplit_once("startxref").unwrap().1.trim().lines().next().unwrap().to_owned()
    };
    let update = |number: u64, body: &str, listed: u64, trailer: &str| {
        let mut now = original.clone();
        let object = now.len();
        now.extend(format!("{number} 0 obj\n{body}\nendobj\n").bytes());
        let own = now.len();
        now.extend(format!("xref\n{listed} 1\n{object:010} 00000 n \ntrailer\n<< /Size 40 /Root 7 0 R {trailer} /Prev {} >>\nstartxref\n{own}\n%%EOF\n", table()).bytes());
        now
    };
    let info = "<< /Title (x) >>";
    assert_eq!(
        judge("契約.pdf", &original, &update(8, info, 8, "/Info 8 0 R")).unwrap().changes[0].part,
        "object 8: information"
    );
    assert_eq!(judge("契約.pdf", &original, &update(39, info, 39, "/Info 39 0 R")).unwrap().changes.len(), 1);
    let page = "<</Type/Page/Parent 4 0 R/Contents 2 0 R>>";
    let catalogue = "<</Type/Catalog/Pages 4 0 R/OpenAction<</S/JavaScript/JS(x)>>>>";
    for (number, body, listed, trailer, reason) in [
        (1, page, 1, "/Info 8 0 R", Reason::NotOwned),
        (1, info, 1, "/Info 1 0 R", Reason::NotOwned),
        (7, catalogue, 7, "/Info 8 0 R", Reason::NotOwned),
        (39, page, 39, "/Info 8 0 R", Reason::NotOwned),
        (8, info, 1, "/Info 8 0 R", Reason::Contradicting),
        (8, info, 8, "/Info 8 0 R /Root 9 0 R", Reason::Malformed),
        (8, info, 8, "/Info 8 0 R /XRefStm 4", Reason::NotOwned),
    ] {
        let refused = refusal("契約.pdf", &original, &update(number, body, listed, trailer));
        assert_eq!(refused.reason, reason, "{body} {trailer}: {refused}");
    }
    // A smaller size would make pages absent.
    let small = String::from_utf8_lossy(&update(8, info, 8, "/Info 8 0 R")[original.len()..])
        .replace("/Size 40", "/Size 2");
    let refused = refusal("契約.pdf", &original, &[original.as_slice(), small.as_bytes()].concat());
    assert_eq!(refused.part, "trailer: Size");
    let mut other = update(8, info, 8, "/Info 8 0 R");
    other[100] ^= 1;
    assert_eq!(refusal("契約.pdf", &original, &other).reason, Reason::Differs);
    let refused = refusal("契約.pdf", &original, &[original.as_slice(), b"\n% a line\n%%EOF\n"].concat());
    assert_eq!(refused.reason, Reason::Malformed);
}

#[test]
fn a_table_that_is_a_stream_is_read_and_must_tell_the_truth() {
    let original = sample("libreoffice.pdf");
    let text = String::from_utf8_lossy(&original).into_owned();
    let table = text.rsplit_once("startxref").unwrap().1.trim().lines().next().unwrap().to_owned();
    let update = |shift: usize, pack: bool| {
        let mut now = original.clone();
        let object = now.len();
        now.extend(b"39 0 obj\n<< /Subject (x) >>\nendobj\n");
        let own = now.len();
        let mut rows = Vec::new();
        for place in [object + shift, own] {
            rows.extend([1]);
            rows.extend(u32::try_from(place).unwrap().to_be_bytes());
            rows.extend([0]);
        }
        let mut how = String::new();
        if pack {
            // Each row as its difference to the one above.
            let (first, second) = rows.split_at(6);
            let second: Vec<u8> = second.iter().zip(first).map(|(byte, up)| byte.wrapping_sub(*up)).collect();
            let predicted = [&[2], first, &[2], &second].concat();
            rows = miniz_oxide::deflate::compress_to_vec_zlib(&predicted, 6);
            how = "/Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 6 >>".to_owned();
        }
        now.extend(format!("40 0 obj\n<< /Type /XRef /W [1 4 1] /Index [39 2] /Size 41 /Root 7 0 R /Info 39 0 R /Prev {table} {how} /Length {} >>\nstream\n", rows.len()).bytes());
        now.extend(rows);
        now.extend(format!("\nendstream\nendobj\nstartxref\n{own}\n%%EOF\n").bytes());
        now
    };
    for pack in [false, true] {
        let rewrite = judge("契約.pdf", &original, &update(0, pack)).unwrap();
        assert_eq!(rewrite.changes[0].part, "object 39: information");
        let refused = refusal("契約.pdf", &original, &update(1, pack));
        assert_eq!((refused.reason, refused.part.as_str()), (Reason::Contradicting, "object 39"));
    }
}

#[test]
fn a_catalogue_may_gain_metadata_and_nothing_else() {
    let original = sample("libreoffice.pdf");
    let text = String::from_utf8_lossy(&original).into_owned();
    let table = text.rsplit_once("startxref").unwrap().1.trim().lines().next().unwrap().to_owned();
    let catalogue = text.split_once("7 0 obj\n").unwrap().1.split_once("\nendobj").unwrap().0;
    let update = |catalogue: &str| {
        let mut now = original.clone();
        let first = now.len();
        now.extend(format!("7 0 obj\n{catalogue}\nendobj\n").bytes());
        let second = now.len();
        now.extend(
            b"39 0 obj\n<< /Type /Metadata /Subtype /XML /Length 4 >>\nstream\n<x/>\nendstream\nendobj\n",
        );
        let own = now.len();
        now.extend(format!("xref\n7 1\n{first:010} 00000 n \n39 1\n{second:010} 00000 n \ntrailer\n<< /Size 40 /Root 7 0 R /Info 8 0 R /Prev {table} >>\nstartxref\n{own}\n%%EOF\n").bytes());
        now
    };
    let grown = catalogue.replacen("<<", "<</Metadata 39 0 R", 1);
    let named: Vec<String> = judge("契約.pdf", &original, &update(&grown))
        .unwrap()
        .changes
        .into_iter()
        .map(|one| one.part)
        .collect();
    assert_eq!(named, ["object 7: catalogue", "object 39: metadata"]);
    let elsewhere = grown.replace("/Pages 4 0 R", "/Pages 39 0 R");
    assert_ne!(elsewhere, grown);
    let refused = refusal("契約.pdf", &original, &update(&elsewhere));
    assert_eq!((refused.reason, refused.part.as_str()), (Reason::NotOwned, "object 7"));
}

#[test]
fn a_compound_file_with_circles_ends() {
    let original = sample("libreoffice.doc");
    // Every entry of the table of sectors leads to sector 0, or every byte of it is another.
    let table = usize::try_from(u32::from_le_bytes(original[76..80].try_into().unwrap()) + 1).unwrap() * 512;
    for value in [0_u8, 1, 2, 0x7F] {
        let mut now = original.clone();
        now[table..table + 512].fill(value);
        let refused = refusal("報告.doc", &original, &now);
        assert_eq!(refused.side, Side::Destination, "{refused}");
    }
}

/// A file that breaks off while it is read.
struct Broken(Cursor<Vec<u8>>, u64);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.1.saturating_sub(self.0.position())).unwrap().min(buffer.len());
        if left == 0 { Err(io::Error::other("gone")) } else { self.0.read(&mut buffer[..left]) }
    }
}

impl Seek for Broken {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_verdict() {
    let original = archive(&small(), false);
    let mut broken = Broken(Cursor::new(original.clone()), 1000);
    let found = compare(Format::Ooxml, &mut Cursor::new(&original), &mut broken, &Limits::default());
    assert!(matches!(found, Err(RewriteError::Unread(Side::Destination, _))), "{found:?}");
}

#[test]
fn a_fingerprint_of_another_version_or_format_is_not_used() {
    let original = archive(&small(), false);
    let mut parts = fingerprint(Format::Ooxml, &mut Cursor::new(&original), &Limits::default()).unwrap();
    let judge = |parts: &_| {
        let found = landfall_rewrite::compare_parts(parts, &mut Cursor::new(b"other"), &Limits::default());
        found.unwrap_err().refusal().unwrap().reason
    };
    parts.format = Format::Pdf;
    assert_eq!(judge(&parts), Reason::NotThisFingerprint);
    parts.version = 2;
    assert_eq!(judge(&parts), Reason::NotThisFingerprint);
}
