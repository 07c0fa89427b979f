//! Compound files: the streams and storages of the Office formats before 2007.
//!
//! Compares what a program can reach by name. Free sectors and the slack behind a stream's end are not content and
//! are not compared. Source: MS-CFB, revision 12.

use std::collections::BTreeSet;

use crate::error::{Reason, RewriteError};
use crate::hash::{Mark, Marker};
use crate::input::{Input, le};
use crate::limits::Limits;
use crate::owned;
use crate::parts::Part;

mod sectors;

use sectors::Sectors;

/// The first eight bytes.
pub(crate) const MAGIC: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// One record of the directory.
const RECORD: usize = 128;
/// Storages within storages; Office nests four.
const DEPTH: usize = 32;
/// No record.
const NONE: u64 = 0xFFFF_FFFF;
const STORAGE: u64 = 1;
const STREAM: u64 = 2;
const ROOT: u64 = 5;

/// A directory, and what has been seen of it.
struct Tree<'a> {
    records: Vec<&'a [u8]>,
    seen: BTreeSet<u64>,
    parts: Vec<Part>,
    total: u64,
}

/// The first record, which has no neighbours.
fn is_root(record: &[u8]) -> bool {
    le(record, 66, 1) == ROOT
        && le(record, 67, 1) <= 1
        && [68, 72].iter().all(|at| le(record, *at, 4) == NONE)
}

/// All streams and storages, sorted by path.
pub(crate) fn parts(input: &mut Input<'_>, limits: &Limits) -> Result<Vec<Part>, RewriteError> {
    let mut sectors = Sectors::open(input, limits)?;
    let bytes = sectors.directory(input, limits)?;
    let records: Vec<&[u8]> = bytes.chunks_exact(RECORD).collect();
    let Some(root) = records.first().filter(|record| is_root(record)) else {
        return Err(input.refuse(Reason::Malformed, "", "no root"));
    };
    sectors.open_small(input, limits, le(root, 116, 4), le(root, 120, 4))?;
    let mut tree = Tree { records, seen: BTreeSet::from([0]), parts: Vec::new(), total: 0 };
    tree.storage(input, 0, &[])?;
    let mut open = vec![(0, Vec::new())];
    while let Some((storage, path)) = open.pop() {
        for child in tree.children(input, storage)? {
            let (name, kind) = tree.named(input, child)?;
            let path: Vec<String> = path.iter().cloned().chain([name]).collect();
            if tree.parts.len() >= limits.members || path.len() > DEPTH {
                return Err(input.refuse(Reason::OverLimit, "", "streams or their depth"));
            }
            if kind == STREAM {
                tree.stream(input, &mut sectors, limits, child, &path)?;
            } else {
                tree.storage(input, child, &path)?;
                open.push((child, path));
            }
        }
    }
    let used = tree.records.iter().filter(|record| le(record, 66, 1) != 0).count();
    if used != tree.seen.len() {
        return Err(input.refuse(Reason::Hidden, "", "streams that no storage lists"));
    }
    tree.parts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tree.parts)
}

impl Tree<'_> {
    fn record(&self, input: &Input<'_>, id: u64) -> Result<&[u8], RewriteError> {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        let found = self.records.get(index).copied();
        found.ok_or_else(|| input.refuse(Reason::Malformed, "", "a record that is not there"))
    }

    /// The members of a storage: a tree by order of names, in which no record may stand twice.
    fn children(&mut self, input: &Input<'_>, storage: u64) -> Result<Vec<u64>, RewriteError> {
        // With each branch, the names that its own must lie between: programs look names up by halving.
        let mut open = vec![(le(self.record(input, storage)?, 76, 4), None, None)];
        let (mut list, mut names) = (Vec::new(), BTreeSet::new());
        while let Some((id, low, high)) = open.pop() {
            if id == NONE {
                continue;
            }
            if !self.seen.insert(id) {
                return Err(input.refuse(Reason::Malformed, "", "a circle in the directory"));
            }
            let (name, _) = self.named(input, id)?;
            if !names.insert(name.to_lowercase()) {
                return Err(input.refuse(Reason::Doubled, &name, ""));
            }
            let upper = name.to_uppercase();
            let order = Some((upper.encode_utf16().count(), upper));
            let between = low.is_none() || low < order;
            if !between || high.is_some() && order >= high {
                return Err(input.refuse(Reason::Malformed, &name, "out of order in the directory"));
            }
            let record = self.record(input, id)?;
            open.push((le(record, 68, 4), low, order.clone()));
            open.push((le(record, 72, 4), order, high));
            list.push(id);
        }
        Ok(list)
    }

    fn named(&self, input: &Input<'_>, id: u64) -> Result<(String, u64), RewriteError> {
        let record = self.record(input, id)?;
        let (len, kind) = (le(record, 64, 2), le(record, 66, 1));
        let leaf = kind == STREAM && le(record, 76, 4) == NONE;
        if !(leaf || kind == STORAGE) || le(record, 67, 1) > 1 {
            return Err(input.refuse(Reason::Malformed, "", "a record of no kind, or a stream with streams"));
        }
        let units: Vec<u16> = (0..(len / 2).clamp(1, 32) - 1)
            .map(|unit| u16::try_from(le(record, usize::try_from(unit * 2).unwrap_or(0), 2)).unwrap_or(0))
            .collect();
        match String::from_utf16(&units) {
            Ok(name) if !name.is_empty() && !name.contains(['/', '\\', ':', '!', '\0']) => Ok((name, kind)),
            _ => Err(input.refuse(Reason::BadName, &String::from_utf16_lossy(&units), "")),
        }
    }

    /// A storage counts by its class and state, which say what program opens it.
    fn storage(&mut self, input: &Input<'_>, id: u64, path: &[String]) -> Result<(), RewriteError> {
        let record = self.record(input, id)?;
        let mark = Mark::of(record.get(80..100).unwrap_or_default());
        self.push(format!("{}/", path.join("/")), path, mark);
        Ok(())
    }

    fn stream(
        &mut self,
        input: &mut Input<'_>,
        sectors: &mut Sectors,
        limits: &Limits,
        id: u64,
        path: &[String],
    ) -> Result<(), RewriteError> {
        let record = self.record(input, id)?;
        let width = if sectors.is_large() { 8 } else { 4 };
        let (start, size) = (le(record, 116, 4), le(record, 120, width));
        let name = path.join("/");
        self.total = self.total.saturating_add(size);
        if self.total > limits.total {
            return Err(input.refuse(Reason::OverLimit, &name, "bytes of all streams"));
        }
        let mut marker = Marker::default();
        sectors.each(input, &name, start, size, |piece| marker.feed(piece))?;
        self.push(name, path, marker.mark());
        Ok(())
    }

    fn push(&mut self, name: String, path: &[String], mark: Mark) {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        self.parts.push(Part { name, mark, owned: owned::stream(&steps), entries: None });
    }
}
