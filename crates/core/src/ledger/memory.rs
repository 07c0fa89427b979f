//! The ledger in memory, for simulation and tests: ordered maps under one lock, deterministic.
//!
//! Several "processes" share one store: a clone is the same process, [`MemoryLedger::another_process`]
//! a different one. Opening a job takes it over, as after a kill, unless the ledger is
//! [`MemoryLedger::exclusive`]; the epoch fences whoever held it before. It knows no disk and is the
//! model that the SQL ledgers are compared with.

mod found;
mod listing;
mod reading;
mod store;
mod verifying;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::Ledger;
use super::types::{
    CourseRow, CursorRow, EnrolTally, Enrolment, EventRow, FileFilter, FolderPlacement, FolderRow, FoundRow,
    JobHandle, LookFilter, Looked, Placement, Record, RunRow, RunStart, SourceRow, Tally,
};
use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::memo::{Memo, MemoKey, MemoValue};
use crate::proof::{Evidence, Sense};
use crate::row::FileRow;
use crate::store::{Owe, Owed};
use crate::words::{ByteSize, Epoch, FileId, FolderId, ItemKey, JobId, RelPath, RunId, SourceId, TreeId};
use store::Store;

/// A ledger that lives as long as the last of its clones.
#[derive(Clone, Debug)]
pub struct MemoryLedger {
    store: Arc<Mutex<Store>>,
    /// Stands for the process: its leases end when the last clone of it is dropped.
    process: Arc<()>,
    clock: Arc<dyn Clock>,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLedger {
    /// An empty ledger whose memos expire by the machine's clock; opening a job always takes it over.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty ledger whose memos expire by the given clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { store: Arc::default(), process: Arc::new(()), clock }
    }

    /// From now on a job that a living process holds cannot be opened by another one.
    #[must_use]
    pub fn exclusive(self) -> Self {
        self.store().exclusive = true;
        self
    }

    /// Another process on the same store.
    #[must_use]
    pub fn another_process(&self) -> Self {
        Self { store: Arc::clone(&self.store), process: Arc::new(()), clock: Arc::clone(&self.clock) }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Memo for MemoryLedger {
    async fn memo(&self, key: &MemoKey) -> Result<Option<String>, StoreError> {
        let now = self.clock.now();
        let mut store = self.store();
        let name = (key.job, key.kind, key.key.clone());
        if store.memos.get(&name).is_some_and(|m| m.expires.is_some_and(|e| e <= now)) {
            store.memos.remove(&name);
        }
        Ok(store.memos.get(&name).map(|m| m.text.clone()))
    }

    async fn remember(&self, key: &MemoKey, value: MemoValue) -> Result<(), StoreError> {
        self.store().memos.insert((key.job, key.kind, key.key.clone()), value);
        Ok(())
    }

    async fn forget(&self, key: &MemoKey) -> Result<(), StoreError> {
        self.store().memos.remove(&(key.job, key.kind, key.key.clone()));
        Ok(())
    }

    async fn memos(
        &self,
        job: JobId,
        kind: &'static str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let now = self.clock.now();
        let mut store = self.store();
        store.memos.retain(|_, m| m.expires.is_none_or(|e| e > now));
        let keys = store.memos.range((job, kind, after.to_owned())..).map(|(k, _)| k);
        let keys = keys.take_while(|k| k.0 == job && k.1 == kind).filter(|k| k.2.as_str() > after);
        Ok(keys.take(limit).map(|k| k.2.clone()).collect())
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn open_job(
        &self,
        name: &str,
        identity: &str,
        _holder: &str,
        _at: Timestamp,
    ) -> Result<JobHandle, StoreError> {
        self.store().open_job(name, identity, &self.process)
    }

    async fn find_job(&self, name: &str) -> Result<Option<JobHandle>, StoreError> {
        Ok(self.store().find_job(name))
    }

    async fn close_job(&self, job: &JobHandle) -> Result<(), StoreError> {
        self.store().close_job(job);
        Ok(())
    }

    async fn begin_run(&self, job: &JobHandle, start: RunStart) -> Result<RunRow, StoreError> {
        self.store().begin_run(job, start)
    }

    async fn end_run(
        &self,
        job: &JobHandle,
        run: RunId,
        at: Timestamp,
        summary: &str,
    ) -> Result<(), StoreError> {
        self.store().end_run(job, run, at, summary)
    }

    async fn runs(&self, job: JobId, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        let store = self.store();
        let runs = store.jobs.get(&job).map(|j| j.runs.iter().rev().take(limit).cloned().collect());
        Ok(runs.unwrap_or_default())
    }

    async fn open_source(
        &self,
        job: &JobHandle,
        label: &str,
        identity: &str,
    ) -> Result<SourceId, StoreError> {
        self.store().open_source(job, label, identity)
    }

    async fn sources(&self, job: JobId) -> Result<Vec<SourceRow>, StoreError> {
        let store = self.store();
        Ok(store
            .jobs
            .get(&job)
            .map(|j| j.sources.values().map(|s| s.row.clone()).collect())
            .unwrap_or_default())
    }

    async fn cursor(&self, job: JobId, source: SourceId) -> Result<CursorRow, StoreError> {
        let store = self.store();
        let source = store.jobs.get(&job).and_then(|j| j.sources.get(&source));
        Ok(source.map(|s| s.cursor.clone()).unwrap_or_default())
    }

    async fn begin_pass(
        &self,
        job: &JobHandle,
        source: SourceId,
        full: bool,
    ) -> Result<CursorRow, StoreError> {
        let mut store = self.store();
        let source = store.fenced(job)?.source(source)?;
        store::next_pass(&mut source.cursor, full);
        Ok(source.cursor.clone())
    }

    async fn enrol(&self, job: &JobHandle, page: Enrolment) -> Result<EnrolTally, StoreError> {
        self.store().fenced(job)?.enrol(page, job.epoch)
    }

    async fn settle_tree(&self, job: &JobHandle, source: SourceId, at: Timestamp) -> Result<u64, StoreError> {
        self.store().fenced(job)?.settle_tree(source, at, job.epoch)
    }

    async fn folders(
        &self,
        job: JobId,
        source: SourceId,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<FolderRow>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.folders_after(source, after, limit)).unwrap_or_default())
    }

    async fn folder(&self, job: JobId, folder: FolderId) -> Result<Option<FolderRow>, StoreError> {
        Ok(self.store().jobs.get(&job).and_then(|j| j.folders.get(&folder)).map(|f| f.row.clone()))
    }

    async fn place_folders(&self, job: &JobHandle, places: Vec<FolderPlacement>) -> Result<(), StoreError> {
        self.store().fenced(job)?.place_folders(places);
        Ok(())
    }

    async fn place(&self, job: &JobHandle, places: Vec<Placement>) -> Result<(), StoreError> {
        self.store().fenced(job)?.place(places);
        Ok(())
    }

    async fn collisions(
        &self,
        job: JobId,
        after: (i64, FileId),
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.collisions(after, limit)).unwrap_or_default())
    }

    async fn child_tally(
        &self,
        job: JobId,
        source: SourceId,
        folder: Option<&ItemKey>,
    ) -> Result<(u64, u64, u64), StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.child_tally(source, folder)).unwrap_or_default())
    }

    async fn unknown_keys(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<ItemKey>, StoreError> {
        let store = self.store();
        let known = |key: &ItemKey| store.jobs.get(&job).is_some_and(|j| j.knows(source, key));
        Ok(keys.iter().filter(|k| !known(k)).cloned().collect())
    }

    async fn scan(
        &self,
        job: JobId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError> {
        let store = self.store();
        Ok(store.jobs.get(&job).map(|j| j.scan(filter, after).take(limit).collect()).unwrap_or_default())
    }

    async fn find_path(&self, job: JobId, path: &RelPath) -> Result<Vec<FileRow>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.find_path(path)).unwrap_or_default())
    }

    async fn record(&self, job: &JobHandle, records: Vec<Record>) -> Result<(), StoreError> {
        self.store().fenced(job)?.record(records, job.epoch)
    }

    async fn record_owing(
        &self,
        job: &JobHandle,
        records: Vec<Record>,
        owes: Vec<Owe>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut store = self.store();
        let rows = store.fenced(job)?;
        rows.record(records, job.epoch)?;
        rows.owe(owes, at);
        Ok(())
    }

    async fn owed(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<Owed>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.owed(after, limit)).unwrap_or_default())
    }

    async fn settle_owed(&self, job: &JobHandle, seqs: Vec<i64>) -> Result<(), StoreError> {
        let mut store = self.store();
        let owed = &mut store.fenced(job)?.owed;
        for seq in seqs {
            owed.remove(&seq);
        }
        Ok(())
    }

    async fn files_by_key(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<FileRow>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.by_key(source, keys)).unwrap_or_default())
    }

    async fn looked(&self, job: &JobHandle, looks: Vec<Looked>) -> Result<(), StoreError> {
        let looks = looks.into_iter().map(super::intake::look).map(|look| (look.subject.clone(), look));
        self.store().fenced(job)?.looks.extend(looks);
        Ok(())
    }

    async fn looks(
        &self,
        job: JobId,
        filter: &LookFilter,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Looked>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.looks(filter, after, limit)).unwrap_or_default())
    }

    async fn look(&self, job: JobId, subject: &str) -> Result<Option<Looked>, StoreError> {
        Ok(self.store().jobs.get(&job).and_then(|j| j.looks.get(subject)).cloned())
    }

    async fn forget_looks(&self, job: &JobHandle, before: Timestamp) -> Result<(), StoreError> {
        let before = super::intake::held_moment(before);
        self.store().fenced(job)?.looks.retain(|_, look| look.at >= before);
        Ok(())
    }

    async fn unlook(&self, job: &JobHandle, subjects: Vec<String>) -> Result<(), StoreError> {
        let mut store = self.store();
        let looks = &mut store.fenced(job)?.looks;
        for subject in subjects {
            looks.remove(&subject);
        }
        Ok(())
    }

    async fn bind_folder(
        &self,
        job: &JobHandle,
        folder: FolderId,
        item: Option<ItemKey>,
    ) -> Result<(), StoreError> {
        let mut store = self.store();
        let row = &mut store.fenced(job)?.folder_mut(folder)?.row;
        row.timed = row.timed && row.dest_item == item;
        row.dest_item = item;
        Ok(())
    }

    async fn folder_timed(&self, job: &JobHandle, folder: FolderId) -> Result<(), StoreError> {
        self.store().fenced(job)?.folder_mut(folder)?.row.timed = true;
        Ok(())
    }

    async fn open_tree(&self, identity: &str) -> Result<TreeId, StoreError> {
        Ok(self.store().open_tree(identity))
    }

    async fn tree_cursor(&self, tree: TreeId) -> Result<CursorRow, StoreError> {
        Ok(self.store().trees.get(&tree).map(|t| t.cursor.clone()).unwrap_or_default())
    }

    async fn begin_tree_pass(&self, tree: TreeId, full: bool) -> Result<CursorRow, StoreError> {
        let mut store = self.store();
        let tree = store.tree(tree)?;
        store::next_pass(&mut tree.cursor, full);
        Ok(tree.cursor.clone())
    }

    async fn observe(&self, tree: TreeId, page: Enrolment) -> Result<(), StoreError> {
        self.store().tree(tree)?.observe(page)
    }

    async fn settle_found(&self, tree: TreeId) -> Result<u64, StoreError> {
        self.store().tree(tree)?.settle()
    }

    async fn found_child(
        &self,
        tree: TreeId,
        parent: Option<&ItemKey>,
        fold: i64,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let store = self.store();
        let parent = parent.map_or(super::intake::ROOT, ItemKey::as_str);
        Ok(store.trees.get(&tree).map(|t| t.children(parent, fold)).unwrap_or_default())
    }

    async fn found_item(&self, tree: TreeId, item: &ItemKey) -> Result<Option<FoundRow>, StoreError> {
        Ok(self.store().trees.get(&tree).and_then(|t| t.item(item)))
    }

    async fn matches(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, FoundRow)>, StoreError> {
        let store = self.store();
        let (Some(job), Some(tree)) = (store.jobs.get(&job), store.trees.get(&tree)) else {
            return Ok(Vec::new());
        };
        Ok(found::matches(job, tree, filter, after, limit))
    }

    async fn held(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, Option<FoundRow>)>, StoreError> {
        let store = self.store();
        let (Some(job), Some(tree)) = (store.jobs.get(&job), store.trees.get(&tree)) else {
            return Ok(Vec::new());
        };
        Ok(found::held(job, tree, filter, after, limit))
    }

    async fn strangers(
        &self,
        tree: TreeId,
        after: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let store = self.store();
        let known = store.jobs.values().flat_map(store::Job::held_items).collect();
        Ok(store.trees.get(&tree).map(|t| t.strangers(&known, after, limit)).unwrap_or_default())
    }

    async fn found_like(
        &self,
        tree: TreeId,
        evidence: &Evidence,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        Ok(self.store().trees.get(&tree).map(|t| t.like(evidence, limit)).unwrap_or_default())
    }

    async fn holders(&self, job: JobId, item: &ItemKey) -> Result<Vec<FileId>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.holders(item)).unwrap_or_default())
    }

    async fn carriers(&self, job: JobId, item: &ItemKey) -> Result<u64, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.carriers(item)).unwrap_or_default())
    }

    async fn renamed(&self, job: JobId, after: FileId, limit: usize) -> Result<Vec<FileRow>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.renamed(after, limit)).unwrap_or_default())
    }

    async fn stalest(&self, job: JobId, limit: usize) -> Result<Vec<FileId>, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.stalest(limit)).unwrap_or_default())
    }

    async fn confirm(
        &self,
        job: &JobHandle,
        files: Vec<FileId>,
        sense: Sense,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.store().fenced(job)?.confirm(&files, sense, super::intake::held_moment(at));
        Ok(())
    }

    async fn tally(&self, job: JobId, source: Option<SourceId>) -> Result<Tally, StoreError> {
        Ok(self.store().jobs.get(&job).map(|j| j.tally(source)).unwrap_or_default())
    }

    async fn events(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let store = self.store();
        let from = usize::try_from(after.max(0)).unwrap_or(usize::MAX);
        let events = store.jobs.get(&job).map(|j| j.events.iter().skip(from).take(limit).cloned().collect());
        Ok(events.unwrap_or_default())
    }

    async fn course(&self, job: JobId, after: i64, window: u32) -> Result<Vec<CourseRow>, StoreError> {
        let events = self.events(job, after, usize::try_from(window).unwrap_or(usize::MAX)).await?;
        let store = self.store();
        let files = store.jobs.get(&job).map(|held| &held.files);
        let mut sums = BTreeMap::<_, (u64, u64)>::new();
        for event in events {
            let size = files.and_then(|files| files.get(&event.file)).map_or(0, |row| row.entry.size.0);
            let sum = sums.entry((event.at.as_second(), event.name, event.reason)).or_default();
            *sum = (sum.0 + 1, sum.1 + size);
        }
        let row = |((second, name, reason), (events, bytes))| CourseRow {
            second,
            name,
            reason,
            events,
            bytes: ByteSize(bytes),
        };
        Ok(sums.into_iter().map(row).collect())
    }

    async fn holds(&self, job: JobId, epoch: Epoch) -> Result<bool, StoreError> {
        Ok(self.store().jobs.get(&job).is_some_and(|j| j.epoch == epoch))
    }
}
