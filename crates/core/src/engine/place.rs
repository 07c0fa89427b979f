//! Placement: decides for every listed file whether it takes part, and where it goes.
//!
//! Folders first, by path, then the files that the ledger holds as unsettled (or all of them, where
//! the rules themselves changed). Names that the destination cannot hold, and names that two files
//! would share, are found here, before the first byte.

use std::collections::BTreeMap;

use crate::engine::{Engine, Job, NamePolicy, Slot};
use crate::error::StoreError;
use crate::ledger::{FileFilter, FolderPlacement, FolderRow, Placement, Record};
use crate::memo::{MemoKey, MemoValue};
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::words::{FileId, Quoted, RelPath, fold, fold_hash};

/// Rows decided in one transaction.
const BATCH: usize = 500;

impl Engine {
    /// Places folders and files of the sources that were listed to their end; returns how many files
    /// were decided.
    ///
    /// Repeating it changes nothing. A kill in between leaves rows unsettled, and they are placed next time.
    pub(super) async fn place(&self, job: &Job, listed: &[&Slot]) -> Result<u64, StoreError> {
        let rules = MemoKey::new(job.handle.id, "placement", "rules");
        let now = rules_text(job);
        let all = self.ledger.memo(&rules).await?.is_some_and(|before| before != now);
        let mut placed = 0;
        for slot in listed {
            self.place_folders(job, slot).await?;
            placed += self.place_files(job, slot, all).await?;
        }
        if placed > 0 {
            self.settle_collisions(job).await?;
        }
        if listed.len() == job.slots.len() {
            self.ledger.remember(&rules, MemoValue { text: now, secret: false, expires: None }).await?;
        }
        Ok(placed)
    }

    async fn place_folders(&self, job: &Job, slot: &Slot) -> Result<(), StoreError> {
        let mut after: Option<RelPath> = None;
        loop {
            let rows = self.ledger.folders(job.handle.id, slot.id, after.as_ref(), BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.path.clone();
            let places: Vec<FolderPlacement> = rows
                .iter()
                .filter(|row| row.standing != Standing::Gone)
                .filter_map(|row| changed_place(job, slot, row))
                .collect();
            for (row, place) in rows.iter().filter_map(|row| Some((row, changed_place(job, slot, row)?))) {
                if place.target.is_some() && place.target != row.target {
                    self.remember_place(job, row).await?;
                }
            }
            if !places.is_empty() {
                self.ledger.place_folders(&job.handle, places).await?;
            }
        }
    }

    async fn place_files(&self, job: &Job, slot: &Slot, all: bool) -> Result<u64, StoreError> {
        let mut standings = vec![Standing::Unsettled];
        if all {
            standings.extend([Standing::In, Standing::Outside, Standing::Skipped]);
        }
        let filter = FileFilter { source: Some(slot.id), standings, ..FileFilter::default() };
        let mut after = FileId(0);
        let mut placed = 0;
        loop {
            self.go_on(&slot.label)?;
            let rows = self.ledger.scan(job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(placed) };
            after = last.id;
            placed += rows.len() as u64;
            let mut places = Vec::with_capacity(rows.len());
            let mut records = Vec::new();
            for row in &rows {
                let (place, verdict) = decide(job, slot, row);
                records.extend(verdict.and_then(|v| self.verdict(row, v)));
                places.push(place);
            }
            self.ledger.place(&job.handle, places).await?;
            if !records.is_empty() {
                self.ledger.record(&job.handle, records).await?;
            }
        }
    }

    /// Turns a verdict on a name into an event, where it changes something.
    fn verdict(&self, row: &FileRow, verdict: Verdict) -> Option<Record> {
        let event = match (verdict, row.state) {
            (Verdict::Cannot(reason, comment), State::Pending | State::Local) => {
                Event::Failed { reason, comment, last: true }
            }
            (Verdict::Can, State::Ng) if row.reason.is_some_and(about_names) => {
                Event::Retried { comment: "its name can land now".to_owned() }
            }
            _ => return None,
        };
        Some(Record { file: row.id, expect: row.state, event, at: self.clock.now() })
    }

    /// Finds files of the job that would land on the same name; all but the first of each are refused
    /// or given a name of their own.
    async fn settle_collisions(&self, job: &Job) -> Result<(), StoreError> {
        let mut after = (0, FileId(0));
        let mut group: Vec<FileRow> = Vec::new();
        loop {
            let rows = self.ledger.collisions(job.handle.id, after, BATCH).await?;
            let Some(last) = rows.last() else { return self.settle_group(job, &group).await };
            after = (last.target, last.id);
            for row in rows {
                if group.first().is_some_and(|first| first.target != row.target) {
                    self.settle_group(job, &group).await?;
                    group.clear();
                }
                group.push(row);
            }
        }
    }

    /// Settles files that share one fingerprint, which is a hint: only equal folded paths collide.
    async fn settle_group(&self, job: &Job, group: &[FileRow]) -> Result<(), StoreError> {
        let mut holders: BTreeMap<String, FileId> = BTreeMap::new();
        // Who is on the way or there already keeps the name; the others are still to begin.
        let (settled, open): (Vec<_>, Vec<_>) =
            group.iter().partition(|row| matches!(row.state, State::Dupe | State::Success));
        for row in settled.into_iter().chain(open) {
            let Some(path) = row.dest_path() else { continue };
            let holder = *holders.entry(fold(path.as_str())).or_insert(row.id);
            // Reported, and yet alone: a folder has the name.
            let folder = group.len() == 1;
            if holder != row.id || folder {
                self.collide(job, row, &path, folder).await?;
            }
        }
        Ok(())
    }

    async fn collide(
        &self,
        job: &Job,
        row: &FileRow,
        path: &RelPath,
        folder: bool,
    ) -> Result<(), StoreError> {
        if !matches!(row.state, State::Pending | State::Local) {
            return Ok(());
        }
        if job.policy.names == NamePolicy::Map && job.seal.is_none() {
            let name = apart(row.dest_name(), row.id);
            let mapped = path.parent().unwrap_or_default().join(&name).unwrap_or_default();
            let place = Placement {
                file: row.id,
                standing: Standing::In,
                skip: None,
                fold: fold_hash(&name),
                target: fold_hash(mapped.as_str()),
                dest_name: Some(name),
            };
            return self.ledger.place(&job.handle, vec![place]).await;
        }
        let what = if folder { "a folder" } else { "another file" };
        let event = Event::Failed {
            reason: Reason::NameCollision,
            comment: format!("{what} of this job has the name {} at the destination", Quoted(path.as_str())),
            last: true,
        };
        let record = Record { file: row.id, expect: row.state, event, at: self.clock.now() };
        self.ledger.record(&job.handle, vec![record]).await
    }
}

/// A name of a file's own: its row's number before the extension.
fn apart(name: &str, id: FileId) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}~{id}.{extension}"),
        _ => format!("{name}~{id}"),
    }
}

enum Verdict {
    Can,
    Cannot(Reason, String),
}

fn about_names(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NameIllegal
            | Reason::NameReserved
            | Reason::NameTooLong
            | Reason::NameCollision
            | Reason::TooLarge
            | Reason::FolderIsFile
            | Reason::NameNotSealable
    )
}

fn changed_place(job: &Job, slot: &Slot, row: &FolderRow) -> Option<FolderPlacement> {
    let target =
        row.path.as_ref().and_then(|path| path.below(&slot.scope)).map(|below| match job.policy.names {
            NamePolicy::Refuse => slot.prefix.concat(&below),
            NamePolicy::Map => map_path(job, &slot.prefix, &below),
        });
    let standing = if target.is_some() { Standing::In } else { Standing::Outside };
    if row.standing == standing && row.target == target {
        return None;
    }
    let target_hash = target.as_ref().map_or(0, |t| fold_hash(t.as_str()));
    Some(FolderPlacement { folder: row.id, standing, target, target_hash })
}

/// Maps each name of a path to the nearest that can stand where it goes.
fn map_path(job: &Job, prefix: &RelPath, path: &RelPath) -> RelPath {
    path.segments().fold(prefix.clone(), |at, name| {
        let mapped = map_name(job, &at, name, true);
        at.join(&mapped).unwrap_or(at)
    })
}

/// The nearest name that can stand in a folder: what is reserved just there gets a `_` behind it.
fn map_name(job: &Job, folder: &RelPath, name: &str, is_folder: bool) -> String {
    let mapped = job.destination.maps(name);
    let there = folder.join(&mapped).unwrap_or_default();
    match job.destination.refuses(&there, is_folder) {
        Some((Reason::NameReserved, _)) => format!("{mapped}_"),
        _ => mapped,
    }
}

/// Decides one file's place from its folder, the filters and the destination's rules for names.
fn decide(job: &Job, slot: &Slot, row: &FileRow) -> (Placement, Option<Verdict>) {
    let out =
        |standing, skip| Placement { file: row.id, standing, skip, dest_name: None, target: 0, fold: 0 };
    let Some(path) = row.path() else {
        return (out(Standing::Skipped, Some(row.skip.unwrap_or(Reason::Orphan))), None);
    };
    let Some(below) = path.below(&slot.scope).filter(|p| !p.is_root()) else {
        return (out(Standing::Outside, row.skip), None);
    };
    let listed = row.skip.filter(|reason| !matches!(reason, Reason::Filtered | Reason::Orphan));
    if let Some(reason) = listed {
        return (out(Standing::Skipped, Some(reason)), None);
    }
    if !job.policy.filters.take(&below, &row.entry) {
        return (out(Standing::Skipped, Some(Reason::Filtered)), None);
    }
    let folder = row.folder_target.clone().unwrap_or_else(|| slot.prefix.clone());
    let name = match (&job.seal, job.policy.names) {
        (Some(seal), _) => match seal.name(&row.entry.name) {
            Ok(name) => name,
            Err(error) => {
                let place = Placement { target: 0, ..out(Standing::In, None) };
                return (place, Some(Verdict::Cannot(Reason::NameNotSealable, error.detail)));
            }
        },
        (None, NamePolicy::Refuse) => row.entry.name.clone(),
        (None, NamePolicy::Map) => map_name(job, &folder, &row.entry.name, false),
    };
    let target = folder.join(&name).unwrap_or_default();
    let verdict = verdict_on(job, &target, row);
    let place = Placement {
        file: row.id,
        standing: Standing::In,
        skip: None,
        target: fold_hash(target.as_str()),
        fold: fold_hash(&name),
        dest_name: (name != row.entry.name).then_some(name),
    };
    (place, Some(verdict))
}

fn verdict_on(job: &Job, target: &RelPath, row: &FileRow) -> Verdict {
    if let Some(most) = job.destination.caps().max_size
        && row.entry.size > most
    {
        return Verdict::Cannot(Reason::TooLarge, format!("{} where {most} is the most", row.entry.size));
    }
    match job.destination.refuses(target, false) {
        Some((reason, words)) => Verdict::Cannot(reason, words),
        None => Verdict::Can,
    }
}

fn rules_text(job: &Job) -> String {
    let slots: Vec<String> =
        job.slots.iter().map(|s| format!("{}:{}:{}", s.label, s.scope, s.prefix)).collect();
    let seal = job.seal.as_ref().map(|s| s.fingerprint()).unwrap_or_default();
    format!("1 {} {:?} {}{seal}", job.policy.filters.fingerprint(), job.policy.names, slots.join("|"))
}
