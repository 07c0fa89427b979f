//! What a listed item does to the row it names: the pure half of taking a page, shared by every ledger.
//!
//! A ledger loads the rows that a page names, calls [`take_file`] or [`take_folder`] on each, and writes
//! rows and events back. This module knows no storage and no clock.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::types::{EnrolTally, FileFilter, FolderRow, FoundRow, Looked};
use crate::digest::Digests;
use crate::proof::Evidence;
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::store::{Authors, Entry, Listed, ListedFolder, Owe};
use crate::words::{ByteSize, FolderId, ItemKey, RelPath, Times, fold};

/// An event that was applied to a row, with the states around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What happened.
    pub event: Event,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
}

/// Reasons that placement gives and may take back; all others come from the listing and stay until a
/// listing says otherwise.
pub const PLACED_REASONS: [Reason; 2] = [Reason::Filtered, Reason::Orphan];

/// The id under which a destination tree's root is known as a parent.
pub const ROOT: &str = "root";

/// The key a listed item is known by.
#[must_use]
pub fn key_of(item: &Listed) -> &ItemKey {
    match item {
        Listed::File(entry) | Listed::Skipped { entry, .. } => &entry.key,
        Listed::Folder(folder) => &folder.key,
        Listed::Gone(key) => key,
    }
}

/// Prepares a page: of items with the same key only the last stays, in the order of those last ones;
/// the root (key `""`) is left out; names and times are cut to what every ledger can hold.
///
/// A NUL in a name becomes U+2400 (PostgreSQL holds none, and no destination either); times are cut to
/// microseconds.
#[must_use]
pub fn prepare(items: Vec<Listed>) -> Vec<Listed> {
    let last: BTreeMap<ItemKey, usize> =
        items.iter().enumerate().map(|(at, item)| (key_of(item).clone(), at)).collect();
    items
        .into_iter()
        .enumerate()
        .filter(|(at, item)| !key_of(item).as_str().is_empty() && last.get(key_of(item)) == Some(at))
        .map(|(_, item)| held(item))
        .collect()
}

fn held(item: Listed) -> Listed {
    match item {
        Listed::File(entry) => Listed::File(held_entry(entry)),
        Listed::Skipped { entry, reason } => Listed::Skipped { entry: held_entry(entry), reason },
        Listed::Folder(folder) => Listed::Folder(ListedFolder {
            name: held_name(folder.name),
            times: held_times(folder.times),
            authors: held_authors(folder.authors),
            parent: folder.parent.filter(|p| !p.as_str().is_empty()),
            ..folder
        }),
        gone @ Listed::Gone(_) => gone,
    }
}

fn held_entry(entry: Entry) -> Entry {
    Entry {
        name: held_name(entry.name),
        times: held_times(entry.times),
        authors: held_authors(entry.authors),
        parent: entry.parent.filter(|p| !p.as_str().is_empty()),
        ..entry
    }
}

fn held_authors(authors: Authors) -> Authors {
    Authors { created: authors.created.map(held_name), modified: authors.modified.map(held_name) }
}

fn held_name(name: String) -> String {
    if name.contains('\0') { name.replace('\0', "\u{2400}") } else { name }
}

fn held_times(times: Times) -> Times {
    Times { created: times.created.map(held_moment), modified: times.modified.map(held_moment) }
}

/// A moment as every ledger can hold it: cut to microseconds.
#[must_use]
pub fn held_moment(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// What is owed, as every ledger can hold it.
#[must_use]
pub fn owe(owe: Owe) -> Owe {
    Owe { source: owe.source, subject: held_name(owe.subject), text: held_name(owe.text) }
}

/// A look, as every ledger can hold it.
#[must_use]
pub fn look(look: Looked) -> Looked {
    Looked {
        subject: held_name(look.subject),
        owner: held_name(look.owner),
        section: held_name(look.section),
        answer: look.answer,
        finding: look.finding.map(held_name),
        detail: held_name(look.detail),
        at: held_moment(look.at),
    }
}

/// Applies an event to a row.
///
/// # Errors
/// When it is illegal in the row's state; the row is as before.
pub fn apply(
    row: &mut FileRow,
    event: Event,
    at: Timestamp,
) -> Result<Applied, crate::state::IllegalTransition> {
    let from = row.state;
    row.apply(&event, at)?;
    Ok(Applied { event, from, to: row.state })
}

/// Takes a listed file (or, with a reason, a listed thing that is never moved) into its row.
///
/// Where the listing says nothing new only `seen` changes, so that repeating a page changes nothing.
pub fn take_file(
    row: &mut FileRow,
    listed: (&Entry, Option<Reason>),
    folder: FolderId,
    pass: i64,
    at: Timestamp,
) -> Vec<Applied> {
    let (entry, skip) = listed;
    let settled = match (row.standing, skip) {
        (Standing::Gone, _) => false,
        (Standing::Skipped, None) => row.skip.is_some_and(|r| PLACED_REASONS.contains(&r)),
        (_, None) => true,
        (standing, Some(_)) => standing == Standing::Skipped && row.skip == skip,
    };
    if settled && row.folder == folder && row.entry == *entry {
        row.seen = pass;
        return Vec::new();
    }
    let events = row.absorb(entry, folder, pass);
    if skip.is_some() {
        row.standing = Standing::Skipped;
        row.skip = skip;
    }
    // `Renamed` and `Superseded`, the only events of absorbing, are legal in every state.
    events.into_iter().filter_map(|event| apply(row, event, at).ok()).collect()
}

/// Takes a listed folder into its row. A folder that moves, or comes back, has to be placed anew; its
/// path is rebuilt by the settling of the tree.
pub fn take_folder(row: &mut FolderRow, listed: &ListedFolder, parent: FolderId, pass: i64) {
    let moved = row.name.as_deref() != Some(listed.name.as_str()) || row.parent != Some(parent);
    if moved || row.standing == Standing::Gone {
        row.standing = Standing::Unsettled;
    }
    row.timed = row.timed && row.times == listed.times;
    row.name = Some(listed.name.clone());
    row.parent = Some(parent);
    row.times = listed.times;
    row.child_count = listed.child_count;
    row.seen = pass;
}

/// Counts what taking a known file amounted to.
pub fn count(tally: &mut EnrolTally, applied: &[Applied]) {
    let has = |name: &str| applied.iter().any(|a| a.event.name() == name);
    tally.superseded += u64::from(has("Superseded"));
    tally.renamed += u64::from(has("Renamed"));
    tally.unchanged += u64::from(applied.is_empty());
}

impl FileFilter {
    /// True where a row passes.
    #[must_use]
    pub fn admits(&self, row: &FileRow) -> bool {
        let standing = if self.standings.is_empty() {
            row.standing == Standing::In
        } else {
            self.standings.contains(&row.standing)
        };
        standing
            && self.source.is_none_or(|s| s == row.source)
            && (self.states.is_empty() || self.states.contains(&row.state))
            && self.due.is_none_or(|due| row.not_before.is_none_or(|t| t <= due))
            && self.intended.is_none_or(|i| i == row.intended)
            && !(self.retryable && row.last)
    }
}

/// Of rows whose fingerprints agree with a path: those spelt exactly so, else those that fold alike.
#[must_use]
pub fn spelt(rows: Vec<FileRow>, path: &RelPath) -> Vec<FileRow> {
    let is = |row: &FileRow| row.path().is_some_and(|p| p == *path);
    if rows.iter().any(is) {
        return rows.into_iter().filter(is).collect();
    }
    let folded = fold(path.as_str());
    rows.into_iter().filter(|row| row.path().is_some_and(|p| fold(p.as_str()) == folded)).collect()
}

/// The row that a listed item makes; `None` where it went.
#[must_use]
pub fn found_row(item: Listed) -> Option<FoundRow> {
    let under = |parent: Option<ItemKey>| parent.filter(|p| p.as_str() != ROOT);
    match item {
        // A thing that is never moved still holds its name.
        Listed::File(entry) | Listed::Skipped { entry, .. } => Some(FoundRow {
            item: entry.key,
            parent: under(entry.parent),
            name: entry.name,
            folder: false,
            evidence: Evidence { size: entry.size, digests: entry.digests },
            revision: entry.revision,
            times: entry.times,
            changed_by: entry.authors.modified,
        }),
        Listed::Folder(folder) => Some(FoundRow {
            item: folder.key,
            parent: under(folder.parent),
            name: folder.name,
            folder: true,
            evidence: Evidence { size: ByteSize(0), digests: Digests::none() },
            revision: None,
            times: folder.times,
            changed_by: folder.authors.modified,
        }),
        Listed::Gone(_) => None,
    }
}
