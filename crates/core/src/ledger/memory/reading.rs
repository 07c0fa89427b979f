//! Scans, look-ups and totals.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::store::Job;
use crate::ledger::intake::spelt;
use crate::ledger::types::{FileFilter, FolderRow, LookFilter, Looked, Tally};
use crate::row::{FileRow, Standing};
use crate::state::{Reason, State};
use crate::store::Owed;
use crate::words::{ByteSize, FileId, FolderId, ItemKey, RelPath, SourceId, fold_hash};

impl Job {
    /// A file's row with its folder's columns.
    pub(super) fn filled(&self, id: FileId) -> Option<FileRow> {
        self.files.get(&id).map(|row| self.fill(row))
    }

    fn fill(&self, row: &FileRow) -> FileRow {
        let folder = self.folders.get(&row.folder).map(|f| &f.row);
        FileRow {
            folder_path: folder.and_then(|f| f.path.clone()),
            folder_target: folder.and_then(|f| f.target.clone()),
            folder_item: folder.and_then(|f| f.dest_item.clone()),
            ..row.clone()
        }
    }

    pub(super) fn scan<'a>(
        &'a self,
        filter: &'a FileFilter,
        after: FileId,
    ) -> impl Iterator<Item = FileRow> + 'a {
        let rows = self.files.range((Bound::Excluded(after), Bound::Unbounded));
        rows.filter(|(_, row)| filter.admits(row)).map(|(_, row)| self.fill(row))
    }

    pub(super) fn folders_after(
        &self,
        source: SourceId,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Vec<FolderRow> {
        let mut rows: Vec<&FolderRow> = self
            .folders
            .values()
            .map(|f| &f.row)
            .filter(|f| f.source == source && f.path.is_some())
            .filter(|f| after.is_none_or(|after| f.path.as_ref().is_some_and(|p| p > after)))
            .collect();
        rows.sort_by_key(|f| (&f.path, f.id));
        // Folders of one path stay in one page, for the path alone is the key to go on from.
        let last = rows.get(limit.saturating_sub(1)).map(|f| f.path.clone());
        rows.iter()
            .enumerate()
            .take_while(|(at, f)| *at < limit || last.as_ref() == Some(&f.path))
            .map(|(_, f)| (*f).clone())
            .collect()
    }

    pub(super) fn collisions(&self, after: (i64, FileId), limit: usize) -> Vec<FileRow> {
        let mut shared: std::collections::BTreeMap<i64, (bool, Vec<FileId>)> =
            std::collections::BTreeMap::new();
        for row in self.files.values().filter(|f| f.standing == Standing::In && f.target != 0) {
            shared.entry(row.target).or_default().1.push(row.id);
        }
        for folder in self.folders.values().filter(|f| f.row.standing == Standing::In && f.target_hash != 0) {
            shared.entry(folder.target_hash).or_default().0 = true;
        }
        shared
            .into_iter()
            .filter(|(_, (folder, files))| *folder || files.len() > 1)
            .flat_map(|(target, (_, files))| files.into_iter().map(move |id| (target, id)))
            .filter(|key| *key > after)
            .take(limit)
            .filter_map(|(_, id)| self.filled(id))
            .collect()
    }

    pub(super) fn child_tally(&self, source: SourceId, folder: Option<&ItemKey>) -> (u64, u64, u64) {
        let key = folder.cloned().unwrap_or_else(|| ItemKey(String::new()));
        let Some(id) = self.folder_keys.get(&(source, key)).copied() else {
            return (0, 0, 0);
        };
        let ids = self.by_name.range((id, i64::MIN, FileId(0))..).take_while(|k| k.0 == id);
        let files = ids.filter_map(|k| self.files.get(&k.2)).filter(|f| f.standing != Standing::Gone);
        let (count, bytes) = files.fold((0, 0), |(n, bytes), f| (n + 1, bytes + f.entry.size.0));
        let present =
            |f: &&FolderRow| f.parent == Some(id) && f.name.is_some() && f.standing != Standing::Gone;
        (count, self.folders.values().map(|f| &f.row).filter(present).count() as u64, bytes)
    }

    pub(super) fn knows(&self, source: SourceId, key: &ItemKey) -> bool {
        let name = (source, key.clone());
        let file = self.file_keys.get(&name).and_then(|id| self.files.get(id));
        let folder = self.folder_keys.get(&name).and_then(|id| self.folders.get(id)).map(|f| &f.row);
        file.is_some_and(|f| f.standing != Standing::Gone)
            || folder.is_some_and(|f| f.name.is_some() && f.standing != Standing::Gone)
    }

    /// The files of these keys, each once, whatever their standing.
    pub(super) fn by_key(&self, source: SourceId, keys: &[ItemKey]) -> Vec<FileRow> {
        let keys: BTreeSet<&ItemKey> = keys.iter().collect();
        let ids = keys.into_iter().filter_map(|key| self.file_keys.get(&(source, key.clone())));
        ids.filter_map(|id| self.filled(*id)).collect()
    }

    /// Exact spelling first; where nothing is spelt so, whatever folds alike.
    pub(super) fn find_path(&self, path: &RelPath) -> Vec<FileRow> {
        let Some(parent) = path.parent() else { return Vec::new() };
        let parent_hash = fold_hash(parent.as_str());
        let name_hash = fold_hash(path.name());
        let folders = self.by_path.range((parent_hash, FolderId(0))..).take_while(|k| k.0 == parent_hash);
        let mut rows: Vec<FileRow> = folders
            .flat_map(|(_, folder)| {
                let from = (*folder, name_hash, FileId(0));
                self.by_name.range(from..).take_while(move |k| k.0 == *folder && k.1 == name_hash)
            })
            .filter_map(|k| self.filled(k.2))
            .filter(|row| row.standing != Standing::Gone)
            .collect();
        rows.sort_by_key(|row| row.id);
        spelt(rows, path)
    }

    /// What is owed, ascending after a number.
    pub(super) fn owed(&self, after: i64, limit: usize) -> Vec<Owed> {
        let owed = self.owed.range((Bound::Excluded(after), Bound::Unbounded));
        owed.take(limit).map(|(_, owed)| owed.clone()).collect()
    }

    /// Looks by subject after one, as the filter says.
    pub(super) fn looks(&self, filter: &LookFilter, after: &str, limit: usize) -> Vec<Looked> {
        let wanted = |look: &&Looked| {
            (!filter.findings || look.finding.is_some())
                && filter.section.as_ref().is_none_or(|section| *section == look.section)
        };
        let looks = self.looks.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        looks.map(|(_, look)| look).filter(wanted).take(limit).cloned().collect()
    }

    pub(super) fn tally(&self, source: Option<SourceId>) -> Tally {
        let mut tally = Tally::default();
        for row in self.files.values().filter(|f| source.is_none_or(|s| s == f.source)) {
            let lapsed = row.state == State::Ng && row.reason.is_some_and(Reason::lapses);
            if lapsed && row.proven.is_some() && row.standing != Standing::In {
                tally.lost += 1;
            }
            match row.standing {
                Standing::In => count(&mut tally, row),
                Standing::Skipped => {
                    let count = row.skip.map(|reason| tally.skipped.entry(reason).or_default());
                    if let Some(count) = count {
                        count.files += 1;
                        count.bytes = ByteSize(count.bytes.0 + row.entry.size.0);
                    }
                }
                Standing::Unsettled => tally.unsettled += 1,
                Standing::Outside => tally.outside += 1,
                Standing::Gone => tally.gone += 1,
            }
        }
        let folders = self.folders.values().map(|f| &f.row);
        let counted = folders.filter(|f| f.parent.is_some() && f.standing == Standing::In);
        tally.folders = counted.filter(|f| source.is_none_or(|s| s == f.source)).count() as u64;
        tally
    }
}

fn count(tally: &mut Tally, row: &FileRow) {
    let count = tally.states.entry(row.state).or_default();
    count.files += 1;
    count.bytes = ByteSize(count.bytes.0 + row.entry.size.0);
    if let Some(reason) = row.reason {
        *tally.reasons.entry((row.state, reason)).or_default() += 1;
    }
    if row.state != State::Success {
        return;
    }
    if let Some(kind) = row.proven {
        *tally.proven_by.entry(kind).or_default() += 1;
    }
    if let Some(leg) = row.leg {
        *tally.legs.entry(leg).or_default() += 1;
    }
    if let Some(via) = row.via {
        *tally.via.entry(via).or_default() += 1;
    }
}
