//! What the tests share: the samples, archives written byte by byte, and short ways to ask.

#![expect(clippy::cast_possible_truncation, reason = "archives of a few KB, made here")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use landfall_rewrite::{Format, Limits, Reason, Refusal, Rewrite, RewriteError, compare};
use zip::write::SimpleFileOptions;

/// A sample by its name; `samples/README.md` says how it was made.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)).unwrap()
}

/// The judgement under the usual limits.
pub(crate) fn judge(name: &str, original: &[u8], destination: &[u8]) -> Result<Rewrite, RewriteError> {
    let format = Format::of(name, original).expect("a format that is judged");
    compare(format, &mut Cursor::new(original), &mut Cursor::new(destination), &Limits::default())
}

/// The refusal that must come.
pub(crate) fn refusal(name: &str, original: &[u8], destination: &[u8]) -> Refusal {
    match judge(name, original, destination) {
        Err(error) => error.refusal().expect("a verdict").clone(),
        Ok(rewrite) => panic!("accepted: {rewrite:#?}"),
    }
}

/// Asserts reason and part of a refusal.
pub(crate) fn refused(original: &[u8], destination: &[u8], reason: Reason, part: &str) -> Refusal {
    let refusal = refusal("報告.docx", original, destination);
    assert_eq!((refusal.reason, refusal.part.as_str()), (reason, part), "{refusal}");
    refusal
}

/// Members of an archive as another reader sees them.
pub(crate) fn unpacked(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    read_by_others(bytes).expect("an archive")
}

/// The same, if the other reader reads it at all.
pub(crate) fn read_by_others(bytes: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        members.insert(file.name().ok()?.into_owned(), content);
    }
    Some(members)
}

/// An archive of these members, by another writer.
pub(crate) fn packed(members: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A member as it is to be written, right or wrong.
#[derive(Clone, Default)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Vec<u8>,
    pub(crate) packed: Option<Vec<u8>>,
    pub(crate) flags: u16,
    pub(crate) method: Option<u16>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) local_size: Option<u32>,
    pub(crate) crc: Option<u32>,
    pub(crate) size: Option<u32>,
    pub(crate) behind: Vec<u8>,
    pub(crate) wide: bool,
    pub(crate) same_place_as: Option<usize>,
}

impl Member {
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        Self { name: name.into(), content: content.into(), ..Self::default() }
    }

    /// Compressed by deflate.
    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        let packed = Some(miniz_oxide::deflate::compress_to_vec(content, 9));
        Self { packed, method: Some(8), ..Self::new(name, content) }
    }
}

pub(crate) fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// The archive of these members; with `wide`, the end record in its 64-bit form too.
pub(crate) fn archive(members: &[Member], wide: bool) -> Vec<u8> {
    let (mut out, mut central, mut places) = (Vec::new(), Vec::new(), Vec::<u32>::new());
    for member in members {
        let stored = member.packed.as_ref().unwrap_or(&member.content);
        let sum = member.crc.unwrap_or_else(|| crc(&member.content));
        let size = member.size.unwrap_or(member.content.len() as u32);
        let method = member.method.unwrap_or(0);
        let place = member.same_place_as.map_or(out.len() as u32, |index| places[index]);
        places.push(place);
        let mut numbers = vec![sum.to_le_bytes(), (stored.len() as u32).to_le_bytes(), size.to_le_bytes()];
        let mut extra = Vec::new();
        if member.wide {
            numbers = vec![sum.to_le_bytes(), [0xFF; 4], [0xFF; 4]];
            extra.extend([1, 0, 16, 0]);
            extra.extend(u64::from(size).to_le_bytes());
            extra.extend((stored.len() as u64).to_le_bytes());
        }
        let head = [20, 0, member.flags.to_le_bytes()[0], member.flags.to_le_bytes()[1]];
        let common = |numbers: &[[u8; 4]]| {
            let mut common = head.to_vec();
            common.extend(method.to_le_bytes());
            common.extend([0, 0, 0x21, 0]);
            numbers.iter().for_each(|number| common.extend(number));
            common
        };
        if member.same_place_as.is_none() {
            let name = member.local_name.as_ref().unwrap_or(&member.name);
            let mut local = numbers.clone();
            if let Some(size) = member.local_size {
                local[2] = size.to_le_bytes();
            }
            out.extend(b"PK\x03\x04");
            out.extend(common(&local));
            out.extend((name.len() as u16).to_le_bytes());
            out.extend((extra.len() as u16).to_le_bytes());
            out.extend(name);
            out.extend(&extra);
            out.extend(stored);
            out.extend(&member.behind);
        }
        central.extend(b"PK\x01\x02\x14\0");
        central.extend(common(&numbers));
        central.extend((member.name.len() as u16).to_le_bytes());
        central.extend((extra.len() as u16).to_le_bytes());
        central.extend([0; 10]);
        central.extend(place.to_le_bytes());
        central.extend(&member.name);
        central.extend(&extra);
    }
    let (at, len) = (out.len() as u64, central.len() as u64);
    out.extend(central);
    let count = members.len() as u64;
    if wide {
        let place = out.len() as u64;
        out.extend(b"PK\x06\x06");
        out.extend(44_u64.to_le_bytes());
        out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [count, count, len, at].iter().for_each(|number| out.extend(number.to_le_bytes()));
        out.extend(b"PK\x06\x07\0\0\0\0");
        out.extend(place.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
    }
    out.extend(b"PK\x05\x06\0\0\0\0");
    let short = if wide { 0xFFFF } else { count as u16 };
    out.extend([short.to_le_bytes(), short.to_le_bytes()].concat());
    let (len, at) = if wide { (u32::MAX, u32::MAX) } else { (len as u32, at as u32) };
    out.extend([len.to_le_bytes(), at.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

/// A document of Word with little in it, as members.
pub(crate) fn small() -> Vec<Member> {
    let types = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="png" ContentType="image/png"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let rels = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;
    let document_rels = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="media/image1.png"/></Relationships>"#;
    vec![
        Member::new("[Content_Types].xml", types.as_bytes()),
        Member::new("_rels/.rels", rels.as_bytes()),
        Member::deflated("word/document.xml", "<w:document>議事録</w:document>".repeat(40).as_bytes()),
        Member::new("word/_rels/document.xml.rels", document_rels.as_bytes()),
        Member::new("word/media/image1.png", &[7; 300]),
    ]
}
