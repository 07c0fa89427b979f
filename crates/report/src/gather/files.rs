//! What one pass over the files adds up to.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use landfall_core::SourceId;
use landfall_core::ledger::SourceRow;
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Reason, State};

use crate::buckets::{AgeCount, SizeCount};
use crate::report::{Figure, Freshness, Group, Kind, List, Renamed, Row, SizeClass, SourceFigures, Totals};
use crate::table::Table;

/// Extensions that are told apart; hostile names could have one each.
const EXTENSIONS: usize = 1000;
/// Characters of an extension; what is longer is a name with a dot.
const EXTENSION: usize = 12;
/// Kinds that the report names.
const KINDS: usize = 20;

/// Figures under way.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) totals: Totals,
    sealed: bool,
    sources: BTreeMap<SourceId, SourceFigures>,
    states: BTreeMap<State, Figure>,
    proofs: BTreeMap<String, u64>,
    legs: BTreeMap<String, u64>,
    ways: BTreeMap<String, u64>,
    groups: BTreeMap<(&'static str, Option<Reason>), Figure>,
    open: List<Row>,
    skipped: List<Row>,
    renamed: List<Renamed>,
    bytes_at: AgeCount,
    hash_at: AgeCount,
    unchanged_at: AgeCount,
    sizes: SizeCount,
    kinds: BTreeMap<String, Figure>,
    other_kinds: Figure,
}

/// Figures at the end.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) totals: Totals,
    pub(super) states: BTreeMap<String, Figure>,
    pub(super) proofs: BTreeMap<String, u64>,
    pub(super) legs: BTreeMap<String, u64>,
    pub(super) ways: BTreeMap<String, u64>,
    pub(super) groups: Vec<Group>,
    pub(super) open: List<Row>,
    pub(super) skipped: List<Row>,
    pub(super) renamed: List<Renamed>,
    pub(super) freshness: Freshness,
    pub(super) sizes: Vec<SizeClass>,
    pub(super) kinds: Vec<Kind>,
    pub(super) sources: Vec<SourceFigures>,
}

impl Files {
    pub(super) fn new(sources: Vec<SourceRow>, now: Timestamp, sealed: bool) -> Self {
        let named = |row: SourceRow| (row.id, SourceFigures { source: row.label, ..Default::default() });
        Self {
            totals: Totals::default(),
            sealed,
            sources: sources.into_iter().map(named).collect(),
            states: BTreeMap::new(),
            proofs: BTreeMap::new(),
            legs: BTreeMap::new(),
            ways: BTreeMap::new(),
            groups: BTreeMap::new(),
            open: List::default(),
            skipped: List::default(),
            renamed: List::default(),
            bytes_at: AgeCount::new(now),
            hash_at: AgeCount::new(now),
            unchanged_at: AgeCount::new(now),
            sizes: SizeCount::default(),
            kinds: BTreeMap::new(),
            other_kinds: Figure::default(),
        }
    }

    /// Counts one row; one that is not proven goes to the table.
    pub(super) fn take(&mut self, row: &FileRow, table: Option<&mut Table<'_>>) -> io::Result<()> {
        let bytes = row.entry.size.0;
        match (row.standing, row.state) {
            (Standing::Outside, _) => {
                self.totals.outside += 1;
                return Ok(());
            }
            (Standing::Gone, State::Success) => {
                self.totals.gone_landed.add(bytes);
                self.source(row).gone_landed += 1;
                return Ok(());
            }
            (Standing::In, state) => {
                self.part(row, bytes);
                if state == State::Success {
                    self.prove(row, bytes);
                    return Ok(());
                }
                self.totals.open.add(bytes);
            }
            (Standing::Gone, _) => self.totals.gone_open.add(bytes),
            (Standing::Unsettled, _) => {
                self.totals.unsettled.add(bytes);
                self.source(row).unsettled += 1;
            }
            (Standing::Skipped, _) => {
                self.totals.skipped.add(bytes);
                self.source(row).skipped += 1;
            }
        }
        self.miss(row, bytes, table)
    }

    fn source(&mut self, row: &FileRow) -> &mut SourceFigures {
        self.sources.entry(row.source).or_default()
    }

    /// A file that takes part.
    fn part(&mut self, row: &FileRow, bytes: u64) {
        self.totals.all.add(bytes);
        self.source(row).all.add(bytes);
        self.states.entry(row.state).or_default().add(bytes);
        self.sizes.add(bytes);
        let extension = extension(&row.entry.name);
        let known = self.kinds.len() < EXTENSIONS || self.kinds.contains_key(&extension);
        let kind = if known { self.kinds.entry(extension).or_default() } else { &mut self.other_kinds };
        kind.add(bytes);
        if let Some(name) = row.dest_name.as_ref().filter(|_| !self.sealed) {
            self.rename(row, name, false);
        }
    }

    /// A file that is proven.
    fn prove(&mut self, row: &FileRow, bytes: u64) {
        self.totals.proven.add(bytes);
        self.source(row).proven.add(bytes);
        for (counts, word) in [
            (&mut self.proofs, row.proven.map(landfall_core::proof::ProofKind::name)),
            (&mut self.legs, row.leg.map(landfall_core::proof::SourceLeg::name)),
            (&mut self.ways, row.via.map(landfall_core::state::Via::name)),
        ] {
            *counts.entry(word.unwrap_or("unknown").to_owned()).or_default() += 1;
        }
        self.totals.with_sha256 += u64::from(row.ours.sha256.is_some());
        self.bytes_at.add(row.bytes_at);
        self.hash_at.add(row.hash_at);
        self.unchanged_at.add(row.unchanged_at);
        if row.reason == Some(Reason::RenamedAtSource) {
            self.rename(row, &row.comment, true);
        }
    }

    fn rename(&mut self, row: &FileRow, there: &str, afterwards: bool) {
        let sources = &self.sources;
        self.renamed.push(|| Renamed {
            source: label(sources, row),
            path: path(row),
            there: there.to_owned(),
            afterwards,
        });
    }

    /// A file that is not proven.
    fn miss(&mut self, row: &FileRow, bytes: u64, table: Option<&mut Table<'_>>) -> io::Result<()> {
        let standing = super::standing(row.standing, row.state);
        let reason = match row.standing {
            Standing::In => row.reason,
            Standing::Skipped => Some(row.skip.unwrap_or(Reason::Unknown)),
            _ => None,
        };
        self.groups.entry((standing, reason)).or_default().add(bytes);
        let list = if row.standing == Standing::Skipped { &self.skipped } else { &self.open };
        if table.is_none() && list.first.len() >= crate::LISTED {
            // Spares a million texts that nobody would see.
            match row.standing {
                Standing::Skipped => self.skipped.total += 1,
                _ => self.open.total += 1,
            }
            return Ok(());
        }
        let entry = Row {
            source: label(&self.sources, row),
            path: path(row),
            bytes,
            standing: standing.to_owned(),
            reason: reason.map(|reason| reason.name().to_owned()),
            detail: row.comment.clone(),
            attempts: row.attempts,
            not_before: row.not_before,
            since: row.changed_at,
        };
        if let Some(table) = table {
            table.row(&entry)?;
        }
        match row.standing {
            Standing::Skipped => self.skipped.push(|| entry),
            _ => self.open.push(|| entry),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Counted {
        let mut groups: Vec<Group> = self
            .groups
            .into_iter()
            .map(|((standing, reason), figure)| Group {
                standing: standing.to_owned(),
                reason: reason.map(|reason| reason.name().to_owned()),
                figure,
            })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.figure.files));
        Counted {
            totals: self.totals,
            states: self.states.iter().map(|(state, figure)| (state.name().to_owned(), *figure)).collect(),
            proofs: self.proofs,
            legs: self.legs,
            ways: self.ways,
            groups,
            open: self.open,
            skipped: self.skipped,
            renamed: self.renamed,
            freshness: Freshness {
                bytes: self.bytes_at.finish(),
                hash: self.hash_at.finish(),
                unchanged: self.unchanged_at.finish(),
            },
            sizes: self.sizes.finish(),
            kinds: kinds(self.kinds, self.other_kinds),
            sources: self.sources.into_values().collect(),
        }
    }
}

fn label(sources: &BTreeMap<SourceId, SourceFigures>, row: &FileRow) -> String {
    sources.get(&row.source).map(|source| source.source.clone()).unwrap_or_default()
}

/// The path from the source's root; the name alone while the folder has none.
fn path(row: &FileRow) -> String {
    row.path().map_or_else(|| row.entry.name.clone(), |path| path.to_string())
}

/// In lower case without its dot; empty where the name has none.
fn extension(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, tail))
            if !stem.is_empty()
                && !tail.is_empty()
                && tail.chars().count() <= EXTENSION
                && tail.chars().all(char::is_alphanumeric) =>
        {
            tail.to_lowercase()
        }
        _ => String::new(),
    }
}

/// Most files first; those that are not named are one kind at the end.
fn kinds(all: BTreeMap<String, Figure>, mut other: Figure) -> Vec<Kind> {
    let mut kinds: Vec<(String, Figure)> = all.into_iter().collect();
    kinds.sort_by(|a, b| b.1.files.cmp(&a.1.files).then_with(|| a.0.cmp(&b.0)));
    for (_, figure) in kinds.drain(KINDS.min(kinds.len())..) {
        other.files += figure.files;
        other.bytes += figure.bytes;
    }
    let mut kinds: Vec<Kind> =
        kinds.into_iter().map(|(extension, figure)| Kind { extension: Some(extension), figure }).collect();
    if other.files > 0 {
        kinds.push(Kind { extension: None, figure: other });
    }
    kinds
}
