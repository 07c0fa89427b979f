//! Taking pages, settling the tree, placing, and recording events.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::store::{Job, check_complete, check_pass, missing};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::intake::{self, Applied, PLACED_REASONS};
use crate::ledger::types::{EnrolTally, Enrolment, EventRow, FolderPlacement, Placement, Record};
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason};
use crate::store::{Entry, Listed, ListedFolder};
use crate::words::{Epoch, FileId, FolderId, ItemKey, RelPath, SourceId, fold_hash};

/// What every write of one call has in common.
#[derive(Clone, Copy)]
struct Stamp {
    source: SourceId,
    pass: i64,
    at: Timestamp,
    epoch: Epoch,
}

impl Job {
    pub(super) fn enrol(&mut self, page: Enrolment, epoch: Epoch) -> Result<EnrolTally, StoreError> {
        let source = self.source(page.source)?;
        check_pass(&source.cursor, page.pass)?;
        source.cursor.cursor = page.cursor;
        source.cursor.complete = page.complete;
        let root = source.root;
        let stamp = Stamp { source: page.source, pass: page.pass, at: page.at, epoch };
        let mut tally = EnrolTally::default();
        for item in intake::prepare(page.items) {
            match item {
                Listed::File(entry) => self.enrol_file(&entry, None, root, stamp, &mut tally),
                Listed::Skipped { entry, reason } => {
                    self.enrol_file(&entry, Some(reason), root, stamp, &mut tally);
                }
                Listed::Folder(folder) => {
                    tally.folders += 1;
                    self.enrol_folder(&folder, root, stamp, &mut tally);
                }
                Listed::Gone(key) => self.enrol_gone(&key, stamp, &mut tally),
            }
        }
        Ok(tally)
    }

    fn folder_of(&mut self, source: SourceId, parent: Option<&ItemKey>, root: FolderId) -> FolderId {
        let Some(parent) = parent else { return root };
        match self.folder_keys.get(&(source, parent.clone())) {
            Some(id) => *id,
            None => self.add_folder(source, parent.clone(), Some(root)),
        }
    }

    fn enrol_file(
        &mut self,
        entry: &Entry,
        skip: Option<Reason>,
        root: FolderId,
        stamp: Stamp,
        tally: &mut EnrolTally,
    ) {
        tally.skipped += u64::from(skip.is_some());
        let folder = self.folder_of(stamp.source, entry.parent.as_ref(), root);
        self.lose_folder(&entry.key, stamp);
        let name = (stamp.source, entry.key.clone());
        let Some(id) = self.file_keys.get(&name).copied() else {
            let id = self.next_file_id();
            let mut row = FileRow::enrolled(id, stamp.source, folder, entry.clone(), stamp.at, stamp.pass);
            if skip.is_some() {
                row.standing = Standing::Skipped;
                row.skip = skip;
            }
            self.by_name.insert((folder, fold_hash(&entry.name), id));
            self.file_keys.insert(name, id);
            self.files.insert(id, row);
            tally.new += u64::from(skip.is_none());
            return;
        };
        let Some(mut row) = self.filled(id) else { return };
        self.by_name.remove(&(row.folder, fold_hash(&row.entry.name), id));
        let applied = intake::take_file(&mut row, (entry, skip), folder, stamp.pass, stamp.at);
        if skip.is_none() {
            intake::count(tally, &applied);
        }
        self.by_name.insert((row.folder, fold_hash(&row.entry.name), id));
        self.put(row);
        self.log(id, &applied, stamp.at, stamp.epoch);
    }

    fn enrol_folder(&mut self, listed: &ListedFolder, root: FolderId, stamp: Stamp, tally: &mut EnrolTally) {
        let parent = self.folder_of(stamp.source, listed.parent.as_ref(), root);
        let id = self.folder_of(stamp.source, Some(&listed.key), root);
        if let Some(folder) = self.folders.get_mut(&id) {
            intake::take_folder(&mut folder.row, listed, parent, stamp.pass);
        }
        self.lose_file(&listed.key, stamp, tally);
    }

    fn enrol_gone(&mut self, key: &ItemKey, stamp: Stamp, tally: &mut EnrolTally) {
        self.lose_folder(key, stamp);
        self.lose_file(key, stamp, tally);
    }

    fn lose_folder(&mut self, key: &ItemKey, stamp: Stamp) {
        let id = self.folder_keys.get(&(stamp.source, key.clone())).copied();
        if let Some(folder) = id.and_then(|id| self.folders.get_mut(&id)) {
            folder.row.standing = Standing::Gone;
        }
    }

    fn lose_file(&mut self, key: &ItemKey, stamp: Stamp, tally: &mut EnrolTally) {
        let id = self.file_keys.get(&(stamp.source, key.clone())).copied();
        if let Some(id) = id.filter(|id| self.files.get(id).is_some_and(|f| f.standing != Standing::Gone)) {
            tally.gone += 1;
            self.happen(id, Event::Gone, stamp.at, stamp.epoch);
        }
    }

    /// Applies an event that is legal in every state.
    fn happen(&mut self, id: FileId, event: Event, at: Timestamp, epoch: Epoch) {
        let applied = self.files.get_mut(&id).and_then(|row| intake::apply(row, event, at).ok());
        self.log(id, applied.as_slice(), at, epoch);
    }

    fn log(&mut self, file: FileId, applied: &[Applied], at: Timestamp, epoch: Epoch) {
        for Applied { event, from, to } in applied {
            let (reason, comment) = event.detail();
            let seq = i64::try_from(self.events.len()).unwrap_or(i64::MAX) + 1;
            self.events.push(EventRow {
                seq,
                file,
                name: event.name().to_owned(),
                from: *from,
                to: *to,
                reason,
                comment: comment.to_owned(),
                at,
                epoch,
            });
        }
    }

    /// Writes a row back without the columns that scans fill in.
    fn put(&mut self, row: FileRow) {
        self.files
            .insert(row.id, FileRow { folder_path: None, folder_target: None, folder_item: None, ..row });
    }

    pub(super) fn settle_tree(
        &mut self,
        source: SourceId,
        at: Timestamp,
        epoch: Epoch,
    ) -> Result<u64, StoreError> {
        let state = self.source(source)?;
        check_complete(&state.cursor)?;
        let (pass, full, root) = (state.cursor.pass, state.cursor.full, state.root);
        let gone = if full { self.sweep(source, root, pass, at, epoch) } else { 0 };
        let paths = self.paths(source, root);
        let mut moved = BTreeMap::new();
        for folder in self.folders.values_mut().filter(|f| f.row.source == source) {
            let path = paths.get(&folder.row.id).cloned();
            if folder.row.path != path {
                moved.insert(folder.row.id, std::mem::replace(&mut folder.row.path, path));
                if folder.row.standing != Standing::Gone {
                    folder.row.standing = Standing::Unsettled;
                }
            }
        }
        self.unsettle(&moved, at, epoch);
        for (id, before) in &moved {
            if let Some(before) = before {
                self.by_path.remove(&(fold_hash(before.as_str()), *id));
            }
            if let Some(path) = self.folders.get(id).and_then(|f| f.row.path.as_ref()) {
                self.by_path.insert((fold_hash(path.as_str()), *id));
            }
        }
        Ok(gone)
    }

    /// Marks what a full pass did not see as gone.
    fn sweep(&mut self, source: SourceId, root: FolderId, pass: i64, at: Timestamp, epoch: Epoch) -> u64 {
        for folder in self.folders.values_mut().map(|f| &mut f.row) {
            if folder.source == source && folder.id != root && folder.seen != pass {
                folder.standing = Standing::Gone;
            }
        }
        let unseen = |f: &&FileRow| f.source == source && f.seen != pass && f.standing != Standing::Gone;
        let gone: Vec<FileId> = self.files.values().filter(unseen).map(|f| f.id).collect();
        for id in &gone {
            self.happen(*id, Event::Gone, at, epoch);
        }
        gone.len() as u64
    }

    /// The path of every folder that the root reaches through present, named folders.
    fn paths(&self, source: SourceId, root: FolderId) -> BTreeMap<FolderId, RelPath> {
        let mut children: BTreeMap<FolderId, Vec<FolderId>> = BTreeMap::new();
        for row in self.folders.values().map(|f| &f.row) {
            if let Some(parent) =
                row.parent.filter(|_| row.source == source && row.standing != Standing::Gone)
            {
                children.entry(parent).or_default().push(row.id);
            }
        }
        let mut paths = BTreeMap::from([(root, RelPath::root())]);
        let mut open = vec![root];
        while let Some(parent) = open.pop() {
            for id in children.remove(&parent).unwrap_or_default() {
                let name = self.folders.get(&id).and_then(|f| f.row.name.as_deref());
                let path = paths.get(&parent).zip(name).and_then(|(path, name)| path.join(name).ok());
                if let Some(path) = path {
                    paths.insert(id, path);
                    open.push(id);
                }
            }
        }
        paths
    }

    /// Makes the files of moved folders unsettled; those that took part are told of the move.
    fn unsettle(&mut self, moved: &BTreeMap<FolderId, Option<RelPath>>, at: Timestamp, epoch: Epoch) {
        let mut ids: Vec<FileId> = Vec::new();
        for folder in moved.keys() {
            ids.extend(
                self.by_name
                    .range((*folder, i64::MIN, FileId(0))..)
                    .take_while(|k| k.0 == *folder)
                    .map(|k| k.2),
            );
        }
        ids.sort_unstable();
        for id in ids {
            let Some(row) = self.files.get_mut(&id) else { continue };
            let before = row.standing;
            match before {
                Standing::In | Standing::Outside => row.standing = Standing::Unsettled,
                Standing::Skipped if row.skip.is_some_and(|r| PLACED_REASONS.contains(&r)) => {
                    row.standing = Standing::Unsettled;
                    row.skip = None;
                }
                _ => {}
            }
            if before == Standing::In {
                let name = row.entry.name.clone();
                let path = moved.get(&row.folder).cloned().flatten().and_then(|p| p.join(&name).ok());
                let from = path.map_or(name, String::from);
                self.happen(id, Event::Renamed { from }, at, epoch);
            }
        }
    }

    pub(super) fn place_folders(&mut self, places: Vec<FolderPlacement>) {
        for place in places {
            let Some(folder) = self.folders.get_mut(&place.folder) else { continue };
            if folder.row.standing == Standing::Gone {
                continue;
            }
            if folder.row.target != place.target {
                folder.row.dest_item = None;
                folder.row.timed = false;
            }
            folder.row.standing = place.standing;
            folder.row.target = place.target;
            folder.target_hash = place.target_hash;
        }
    }

    pub(super) fn place(&mut self, places: Vec<Placement>) {
        for place in places {
            let Some(row) = self.files.get_mut(&place.file) else { continue };
            if row.standing == Standing::Gone {
                continue;
            }
            row.standing = place.standing;
            row.skip = place.skip;
            row.dest_name = place.dest_name;
            row.target = place.target;
            row.fold = place.fold;
        }
    }

    pub(super) fn record(&mut self, records: Vec<Record>, epoch: Epoch) -> Result<(), StoreError> {
        let mut rows: BTreeMap<FileId, FileRow> = BTreeMap::new();
        let mut log = Vec::new();
        for Record { file, expect, event, at } in records {
            let row = match rows.remove(&file) {
                Some(row) => row,
                None => self.files.get(&file).cloned().ok_or_else(|| missing("record", file.to_string()))?,
            };
            let row = rows.entry(file).or_insert(row);
            if row.state != expect {
                let detail = format!("it is {}, not {expect}", row.state);
                return Err(StoreError::new(ErrorKind::Changed, "record", row.entry.name.clone(), detail));
            }
            let name = row.entry.name.clone();
            let applied = intake::apply(row, event, at).map_err(|illegal| {
                StoreError::new(ErrorKind::Changed, "record", name, "the event cannot be applied")
                    .with_source(illegal)
            })?;
            log.push((file, applied, at));
        }
        self.files.extend(rows);
        for (file, applied, at) in log {
            self.log(file, &[applied], at, epoch);
        }
        Ok(())
    }
}
