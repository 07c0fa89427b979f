//! The closed lists of what the service may own in each format. This is the only place that says so.
//!
//! Source: graph.md, section 13 (reports of users, read 2026-11); learn.microsoft.com, "Document Information Panel
//! and Document Properties" and "Document Properties and Content Types", read 2026-11: columns are written into the
//! core and custom properties, content types into items of `customXml` that are known by the namespace of their
//! root and never by their number.
//!
//! A list that is too short leaves a file unproven, with the exact difference; a list that is too long calls a file
//! proven that is not. So what is only imagined is left out.

/// Members of an archive that hold a document's properties.
// Unverified: that `app.xml` is written by services at all. Its content is counts, the program and the template.
const PROPERTIES: [&str; 3] = ["docProps/app.xml", "docProps/core.xml", "docProps/custom.xml"];

/// Namespaces of roots of `customXml/itemN.xml` that only a document library writes. All other items are the user's
/// (bibliographies, form data) and must stay as they are.
// Unverified: that this list is complete. The first three were named by Microsoft, the rest seen in documents.
const ITEM_ROOTS: [&str; 8] = [
    "http://schemas.microsoft.com/office/2006/metadata/contentType",
    "http://schemas.microsoft.com/office/2006/metadata/properties",
    "http://schemas.microsoft.com/sharepoint/v3/contenttype/forms",
    "http://schemas.microsoft.com/office/2006/metadata/customXsn",
    "http://schemas.microsoft.com/office/2006/metadata/longProperties",
    "http://schemas.microsoft.com/sharepoint/events",
    "office.server.policy",
    "http://schemas.microsoft.com/sharepoint/v4",
];

/// Content types that an added entry may give to a part of the service's.
const TYPES: [&str; 5] = [
    "application/vnd.openxmlformats-package.core-properties+xml",
    "application/vnd.openxmlformats-officedocument.custom-properties+xml",
    "application/vnd.openxmlformats-officedocument.extended-properties+xml",
    "application/vnd.openxmlformats-officedocument.customXmlProperties+xml",
    "application/xml",
];

/// Endings of the types of relations that lead to parts of the service's.
const RELATIONS: [&str; 5] = [
    "/metadata/core-properties",
    "/relationships/custom-properties",
    "/relationships/extended-properties",
    "/relationships/customXml",
    "/relationships/customXmlProps",
];

/// Streams in the root of a compound file that hold a document's properties.
const STREAMS: [&str; 2] = ["\u{5}SummaryInformation", "\u{5}DocumentSummaryInformation"];

/// The storage in which compound files of Word keep what later formats keep in `customXml`.
// Unverified: that services write it into files of the old formats. MS-OSHARED names it as the place for that.
const STORE: &str = "MsoDataStore";

/// The longest piece that a service may insert into HTML, JPEG or PNG, in bytes.
pub(crate) const LONGEST_PIECE: u64 = 1 << 20;

/// Attributes that come into the `html` tag together with the block of properties.
// Unverified: which of them are written today. Older servers wrote both.
pub(crate) const HTML_ATTRIBUTES: [&str; 2] = [
    r#" xmlns:mso="urn:schemas-microsoft-com:office:office""#,
    r#" xmlns:msdt="uuid:C2F41010-65B3-11d1-A29F-00AA00C14882""#,
];

/// How the inserted block of HTML begins and ends, and what it must hold.
pub(crate) const HTML_BLOCK: (&str, &str, &str) =
    ("<!--[if gte mso 9]><xml>", "</xml><![endif]-->", "<mso:CustomDocumentProperties>");

/// Chunks of PNG that a service may insert.
// Unverified: nobody reported which chunk it is. These hold text about a picture and cannot change how it looks.
const CHUNKS: [&[u8; 4]; 3] = [b"tEXt", b"iTXt", b"zTXt"];

/// Beginnings of JPEG segments that a service may insert: marker, and what its payload begins with.
// Unverified: one report says that twelve bytes were added, and not which. These hold text about a picture; Exif and
// colour profiles are left out, because they change how it looks.
const SEGMENTS: [(u8, &[u8], &str); 3] = [
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0", "APP1 XMP"),
    (0xED, b"Photoshop 3.0\0", "APP13"),
    (0xFE, b"", "COM"),
];

/// How much of a segment's payload [`segment`] wants to see.
pub(crate) const SEGMENT_HEAD: u64 = 32;

/// The kinds of members of an archive, as far as ownership goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member<'a> {
    /// A document's properties: the service's.
    Properties,
    /// `customXml/itemN.xml` with this N: the service's if its root says so.
    Item(&'a str),
    /// What describes item N: the service's if the item is.
    ItemProps(&'a str),
    /// Where item N leads: the service's if the item is.
    ItemRels(&'a str),
    /// Everything else.
    Other,
}

/// What a member's name says of it.
pub(crate) fn member(name: &str) -> Member<'_> {
    let numbered = |start: &str, end: &str| {
        let number = name.strip_prefix(start)?.strip_suffix(end)?;
        (number.len() < 10 && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some(number)
    };
    if PROPERTIES.contains(&name) {
        Member::Properties
    } else if let Some(number) = numbered("customXml/item", ".xml") {
        Member::Item(number)
    } else if let Some(number) = numbered("customXml/itemProps", ".xml") {
        Member::ItemProps(number)
    } else if let Some(number) = numbered("customXml/_rels/item", ".xml.rels") {
        Member::ItemRels(number)
    } else {
        Member::Other
    }
}

/// Whether an item of `customXml` with this root's namespace is a library's.
pub(crate) fn item_root(namespace: &str) -> bool {
    ITEM_ROOTS.contains(&namespace)
}

/// Whether a content type is one of the service's parts.
pub(crate) fn content_type(value: &str) -> bool {
    TYPES.contains(&value)
}

/// Whether a relation of this type leads to a part of the service's.
pub(crate) fn relation(kind: &str) -> bool {
    RELATIONS.iter().any(|ending| kind.ends_with(ending))
}

/// Whether a stream or storage of a compound file is the service's, by its path from the root.
pub(crate) fn stream(path: &[&str]) -> bool {
    match path {
        [only] => STREAMS.contains(only) || *only == STORE,
        [first, ..] => *first == STORE,
        [] => false,
    }
}

/// Whether a chunk of PNG may be an insertion.
pub(crate) fn chunk(kind: [u8; 4], size: u64) -> bool {
    size <= LONGEST_PIECE && CHUNKS.contains(&&kind)
}

/// The name of a JPEG segment that may be an insertion.
pub(crate) fn segment(marker: u8, payload: &[u8]) -> Option<&'static str> {
    SEGMENTS
        .iter()
        .find(|(known, start, _)| *known == marker && payload.starts_with(start))
        .map(|(_, _, name)| *name)
}
