//! Office Open XML as a list of parts: members of an archive, and entries of its lists of types and relations.
//!
//! Source: ECMA-376 part 2 (packaging). Which members the service owns is `owned.rs`'s to say.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Reason, RewriteError};
use crate::hash::{Mark, Marker};
use crate::input::Input;
use crate::limits::Limits;
use crate::owned::{self, Member};
use crate::parts::{Entries, Part};
use crate::xml::{self, Element};
use crate::zip::{Directory, Unpacked};

/// The list of content types, which makes an archive a package.
const TYPES: &str = "[Content_Types].xml";
const TYPES_NAMESPACE: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
/// The package's own relations.
const ROOT_RELS: &str = "_rels/.rels";
const RELS_NAMESPACE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
/// The ending of the type of the relation that leads to the document itself, in both dialects.
const DOCUMENT: &str = "/relationships/officeDocument";
/// How much of an item is read to see its root.
const ITEM_HEAD: u64 = 64 << 10;

/// All parts, sorted by name.
pub(crate) fn parts(input: &mut Input<'_>, limits: &Limits) -> Result<Vec<Part>, RewriteError> {
    let directory = Directory::read(input, limits)?;
    let main = main_rels(input, limits, &directory)?;
    let mut total = 0;
    let mut marks = BTreeMap::new();
    let mut items = BTreeSet::new();
    let mut lists = BTreeMap::new();
    for entry in &directory.entries {
        let is_list = entry.name == TYPES || entry.name == ROOT_RELS || entry.name == main;
        if is_list && entry.size > limits.held {
            return Err(input.refuse(Reason::OverLimit, &entry.name, "a list too long to be held"));
        }
        let keep = match owned::member(&entry.name) {
            _ if is_list => limits.held,
            Member::Item(_) => ITEM_HEAD,
            _ => 0,
        };
        let Unpacked { mark, head } = entry.unpack(input, limits, &mut total, keep)?;
        if entry.name.ends_with('/') {
            // A folder is no part; one with content would be a hiding place.
            if mark.size != 0 {
                return Err(input.refuse(Reason::Hidden, &entry.name, "a folder with content"));
            }
            continue;
        }
        if let Member::Item(number) = owned::member(&entry.name)
            && xml::root(&head).is_some_and(|(namespace, _)| owned::item_root(&namespace))
        {
            items.insert(number.to_owned());
        }
        if is_list {
            lists.insert(entry.name.clone(), head);
        }
        marks.insert(entry.name.clone(), mark);
    }
    let package = Package { names: marks.keys().map(String::as_str).collect(), items };
    let mut parts = Vec::with_capacity(marks.len());
    for (name, mark) in &marks {
        let entries = match lists.get(name) {
            Some(bytes) => Some(package.entries(input, name, bytes)?),
            None => None,
        };
        parts.push(Part { name: name.clone(), mark: *mark, owned: package.owns(name), entries });
    }
    Ok(parts)
}

/// Where the relations of the document itself stand.
fn main_rels(input: &mut Input<'_>, limits: &Limits, directory: &Directory) -> Result<String, RewriteError> {
    let named = |name: &str| directory.entries.iter().find(|entry| entry.name == name);
    let (Some(_), Some(root)) = (named(TYPES), named(ROOT_RELS)) else {
        return Err(input.refuse(Reason::NotThisFormat, "", "an archive without types and relations"));
    };
    let bytes = root.unpack(input, limits, &mut 0, limits.held)?.head;
    let relations = relations(input, ROOT_RELS, &bytes)?;
    let mut documents = relations.iter().filter(|one| one.get("Type").ends_with(DOCUMENT));
    let (Some(document), None) = (documents.next(), documents.next()) else {
        return Err(input.refuse(Reason::NotThisFormat, ROOT_RELS, "no one document"));
    };
    let path = document.get("Target").trim_start_matches('/');
    let (folder, file) = path.rsplit_once('/').map_or((String::new(), path), |(f, n)| (format!("{f}/"), n));
    Ok(format!("{folder}_rels/{file}.rels"))
}

fn relations(input: &Input<'_>, name: &str, bytes: &[u8]) -> Result<Vec<Element>, RewriteError> {
    let list = xml::children(bytes, "Relationships", RELS_NAMESPACE)
        .map_err(|why| input.refuse(Reason::Malformed, name, why))?;
    unique(input, name, list.iter().map(|one| one.get("Id").to_owned()))?;
    Ok(list)
}

/// One key, one entry: with two, each reader takes another.
fn unique(input: &Input<'_>, name: &str, keys: impl Iterator<Item = String>) -> Result<(), RewriteError> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(key.to_lowercase()) {
            return Err(input.refuse(Reason::Doubled, name, key));
        }
    }
    Ok(())
}

/// What is in the package, for asking whom an entry concerns.
struct Package<'a> {
    names: BTreeSet<&'a str>,
    /// Numbers of the items that are the service's.
    items: BTreeSet<String>,
}

impl Package<'_> {
    fn owns(&self, name: &str) -> bool {
        match owned::member(name) {
            Member::Properties => true,
            Member::Item(number) | Member::ItemProps(number) | Member::ItemRels(number) => {
                self.items.contains(number)
            }
            Member::Other => false,
        }
    }

    /// Whether an entry may be added: it concerns a part that is there and is the service's.
    fn concerns(&self, list: &str, entry: &Element) -> bool {
        let owned = |path: &str| self.names.contains(path) && self.owns(path);
        match entry.name.as_str() {
            "Override" => {
                let path = entry.get("PartName").strip_prefix('/').unwrap_or_default();
                owned(path) && owned::content_type(entry.get("ContentType"))
            }
            "Default" => {
                let pair = (entry.get("Extension"), entry.get("ContentType"));
                pair == ("xml", "application/xml")
            }
            "Relationship" => {
                let target = resolve(list, entry.get("Target"));
                entry.get("TargetMode") != "External"
                    && owned::relation(entry.get("Type"))
                    && target.is_some_and(|path| owned(&path))
            }
            _ => false,
        }
    }

    fn entries(&self, input: &Input<'_>, name: &str, bytes: &[u8]) -> Result<Entries, RewriteError> {
        let list = if name == TYPES {
            let list = xml::children(bytes, "Types", TYPES_NAMESPACE)
                .map_err(|why| input.refuse(Reason::Malformed, name, why))?;
            let key = |one: &Element| format!("{} {}{}", one.name, one.get("Extension"), one.get("PartName"));
            unique(input, name, list.iter().map(key))?;
            list
        } else {
            relations(input, name, bytes)?
        };
        let (mut owned, mut others) = (Vec::new(), Vec::new());
        for entry in &list {
            let side = if self.concerns(name, entry) { &mut owned } else { &mut others };
            side.push(entry.canonical());
        }
        owned.sort_unstable();
        others.sort_unstable();
        Ok(Entries { others: others.len() as u64, digest: digest(&others).sha256, owned })
    }
}

fn digest(sorted: &[String]) -> Mark {
    let mut marker = Marker::default();
    for one in sorted {
        marker.feed(one.as_bytes());
        marker.feed(b"\n");
    }
    marker.mark()
}

/// The member that a relation in this list leads to; none if it climbs out of the package.
fn resolve(list: &str, target: &str) -> Option<String> {
    if let Some(absolute) = target.strip_prefix('/') {
        return Some(absolute.to_owned());
    }
    let (folder, _) = list.split_once("_rels/")?;
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "." => {}
            ".." => drop(steps.pop()?),
            _ => steps.push(step),
        }
    }
    Some(steps.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_lead_from_the_folder_of_their_part() {
        let cases = [
            ("_rels/.rels", "docProps/core.xml", Some("docProps/core.xml")),
            ("_rels/.rels", "/docProps/core.xml", Some("docProps/core.xml")),
            ("word/_rels/document.xml.rels", "../customXml/item1.xml", Some("customXml/item1.xml")),
            ("word/_rels/document.xml.rels", "../../etc/item1.xml", None),
        ];
        for (list, target, path) in cases {
            assert_eq!(resolve(list, target).as_deref(), path, "{target}");
        }
    }
}
