//! Archives of Office.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use fastrand::Rng;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{Library, escaped};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
const TYPES: &str = "[Content_Types].xml";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006";
const CUSTOM: &str = "docProps/custom.xml";
/// Roots of the three items that a library keeps in a file.
const ROOTS: [(&str, &str); 3] = [
    ("ct:contentTypeSchema xmlns:ct", "http://schemas.microsoft.com/office/2006/metadata/contentType"),
    ("p:properties xmlns:p", "http://schemas.microsoft.com/office/2006/metadata/properties"),
    ("FormTemplates xmlns", "http://schemas.microsoft.com/sharepoint/v3/contenttype/forms"),
];

type Members = BTreeMap<String, Vec<u8>>;

pub(super) fn rewritten(library: &Library, bytes: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    let mut members = unpacked(bytes)?;
    let main =
        ["word/_rels/document.xml.rels", "xl/_rels/workbook.xml.rels", "ppt/_rels/presentation.xml.rels"]
            .into_iter()
            .find(|name| members.contains_key(*name))?;
    properties(library, &mut members)?;
    core(library, &mut members);
    for (index, (root, namespace)) in ROOTS.iter().enumerate() {
        item(library, &mut members, main, index, root, namespace)?;
    }
    packed(&members, rng)
}

fn unpacked(bytes: &[u8]) -> Option<Members> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Members::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        members.insert(file.name().ok()?.into_owned(), content);
    }
    Some(members)
}

/// The list of types comes first, the rest as the dice fall; what is small is stored.
fn packed(members: &Members, rng: &mut Rng) -> Option<Vec<u8>> {
    let mut names: Vec<&String> = members.keys().collect();
    rng.shuffle(&mut names);
    names.sort_by_key(|name| *name != TYPES);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        let content = members.get(name)?;
        let method = if content.len() < 64 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let level = (method == CompressionMethod::Deflated).then(|| rng.i64(1..=9));
        let options = SimpleFileOptions::default().compression_method(method).compression_level(level);
        writer.start_file(name.as_str(), options).ok()?;
        writer.write_all(content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

/// Puts a text before the last end tag of this name.
fn insert(members: &mut Members, name: &str, tag: &str, text: &str) -> Option<()> {
    let content = String::from_utf8(members.get(name)?.clone()).ok()?;
    let made = match content.rfind(tag) {
        Some(at) => {
            let (before, after) = content.split_at(at);
            format!("{before}{text}{after}")
        }
        // A list without entries ends itself.
        None => {
            let (before, after) = content.rsplit_once("/>")?;
            format!("{before}>{text}{tag}{after}")
        }
    };
    members.insert(name.to_owned(), made.into_bytes());
    Some(())
}

fn relate(members: &mut Members, list: &str, kind: &str, target: &str) -> Option<()> {
    let text = String::from_utf8_lossy(members.get(list)?).into_owned();
    let id = (1..).map(|number| format!("rId{number}")).find(|id| !text.contains(&format!("\"{id}\"")))?;
    let entry =
        format!("<Relationship Id=\"{id}\" Type=\"{OFFICE}/relationships/{kind}\" Target=\"{target}\"/>");
    insert(members, list, "</Relationships>", &entry)
}

fn declare(members: &mut Members, part: &str, kind: &str) -> Option<()> {
    let entry = format!(
        "<Override PartName=\"/{part}\" ContentType=\"application/vnd.openxmlformats-officedocument.{kind}+xml\"/>"
    );
    insert(members, TYPES, "</Types>", &entry)
}

/// Custom properties: those that are there stay, the library's are replaced.
fn properties(library: &Library, members: &mut Members) -> Option<()> {
    if !members.contains_key(CUSTOM) {
        let root = format!(
            "{HEAD}<Properties xmlns=\"{OFFICE}/custom-properties\" xmlns:vt=\"{OFFICE}/docPropsVTypes\"></Properties>"
        );
        members.insert(CUSTOM.to_owned(), root.into_bytes());
        relate(members, "_rels/.rels", "custom-properties", CUSTOM)?;
        declare(members, CUSTOM, "custom-properties")?;
    }
    let text = String::from_utf8(members.get(CUSTOM)?.clone()).ok()?;
    let kept: String = text
        .split_inclusive("</property>")
        .filter(|one| !one.contains("name=\"ContentTypeId\"") && !one.contains("name=\"Landfall "))
        .collect();
    let first = kept.matches("<property ").count() + 2;
    members.insert(CUSTOM.to_owned(), kept.into_bytes());
    let own = [("ContentTypeId".to_owned(), library.content_type.clone())];
    let columns = library.columns.iter().map(|(name, value)| (format!("Landfall {name}"), value.clone()));
    for (pid, (name, value)) in (first..).zip(own.into_iter().chain(columns)) {
        let entry = format!(
            "<property fmtid=\"{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}\" pid=\"{pid}\" name=\"{}\"><vt:lpwstr>{}</vt:lpwstr></property>",
            escaped(&name),
            escaped(&value)
        );
        insert(members, CUSTOM, "</Properties>", &entry)?;
    }
    Some(())
}

/// A library's status among the core properties, where they are written as usual.
fn core(library: &Library, members: &mut Members) {
    let status = library.columns.first().map(|(_, value)| escaped(value)).unwrap_or_default();
    let name = "docProps/core.xml";
    let Some(text) = members.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()) else {
        return;
    };
    let (open, close) = ("<cp:contentStatus>", "</cp:contentStatus>");
    let kept = match (text.split_once(open), text.split_once(close)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
        _ => text,
    };
    if kept.contains("</cp:coreProperties>") {
        members.insert(name.to_owned(), kept.into_bytes());
        insert(members, name, "</cp:coreProperties>", &format!("{open}{status}{close}"));
    }
}

/// One item of `customXml` with what describes it; an item of the library's own is replaced in its place.
fn item(
    library: &Library,
    members: &mut Members,
    main: &str,
    index: usize,
    root: &str,
    namespace: &str,
) -> Option<()> {
    let body =
        format!("{HEAD}<{root}=\"{namespace}\">{}</{}>", escaped(&library.text()), root.split(' ').next()?);
    let is_own = |(name, content): (&String, &Vec<u8>)| {
        let item = name.starts_with("customXml/item") && !name.starts_with("customXml/itemProps");
        let here = content.windows(namespace.len()).any(|window| window == namespace.as_bytes());
        (item && here).then(|| name.clone())
    };
    if let Some(name) = members.iter().find_map(is_own) {
        members.insert(name, body.into_bytes());
        return Some(());
    }
    let number = (1..).find(|number| !members.contains_key(&format!("customXml/item{number}.xml")))?;
    let (name, props) = (format!("customXml/item{number}.xml"), format!("customXml/itemProps{number}.xml"));
    let id = format!("{{00000000-0000-4000-8000-{:012X}}}", library.seed % 0xFFFF_FFFF * 4 + index as u64);
    let described = format!("{HEAD}<ds:datastoreItem ds:itemID=\"{id}\" xmlns:ds=\"{OFFICE}/customXml\"/>");
    let related = format!(
        "{HEAD}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/relationships/customXmlProps\" Target=\"itemProps{number}.xml\"/></Relationships>"
    );
    members.insert(name.clone(), body.into_bytes());
    members.insert(props.clone(), described.into_bytes());
    members.insert(format!("customXml/_rels/item{number}.xml.rels"), related.into_bytes());
    let types = String::from_utf8_lossy(members.get(TYPES)?).into_owned();
    if !types.contains("Extension=\"xml\"") {
        insert(members, TYPES, "</Types>", "<Default Extension=\"xml\" ContentType=\"application/xml\"/>")?;
    }
    declare(members, &props, "customXmlProperties")?;
    relate(members, main, "customXml", &format!("../{name}"))
}
