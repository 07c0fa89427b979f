//! The maps themselves, and jobs, runs, sources, leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use jiff::Timestamp;

use super::found::Tree;
use crate::code::Code;
use crate::error::{ErrorKind, StoreError};
use crate::ledger::intake;
use crate::ledger::types::{CursorRow, EventRow, FolderRow, JobHandle, Looked, RunRow, RunStart, SourceRow};
use crate::memo::MemoValue;
use crate::row::{FileRow, Standing};
use crate::store::{Owe, Owed};
use crate::words::{
    Epoch, FileId, FolderId, ItemKey, JobId, RelPath, RunId, SourceId, Times, TreeId, fold_hash,
};

/// Ids of files and folders hold their job's id above this many bits, as in the SQL ledgers.
const JOB_BITS: u32 = 32;

#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) exclusive: bool,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) trees: BTreeMap<TreeId, Tree>,
    pub(super) memos: BTreeMap<(JobId, &'static str, String), MemoValue>,
    sources: i64,
    runs: i64,
}

#[derive(Debug)]
pub(super) struct Job {
    id: JobId,
    name: String,
    identity: String,
    pub(super) epoch: Epoch,
    lease: Weak<()>,
    pub(super) runs: Vec<RunRow>,
    pub(super) sources: BTreeMap<SourceId, SourceState>,
    pub(super) folders: BTreeMap<FolderId, Folder>,
    pub(super) files: BTreeMap<FileId, FileRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) owed: BTreeMap<i64, Owed>,
    next_owed: i64,
    pub(super) looks: BTreeMap<String, Looked>,
    pub(super) file_keys: BTreeMap<(SourceId, ItemKey), FileId>,
    pub(super) folder_keys: BTreeMap<(SourceId, ItemKey), FolderId>,
    /// Files by folder and fingerprint of their folded name.
    pub(super) by_name: BTreeSet<(FolderId, i64, FileId)>,
    /// Folders by the fingerprint of their folded path.
    pub(super) by_path: BTreeSet<(i64, FolderId)>,
    next_file: i64,
    next_folder: i64,
}

#[derive(Debug)]
pub(super) struct SourceState {
    pub(super) row: SourceRow,
    pub(super) cursor: CursorRow,
    pub(super) root: FolderId,
}

#[derive(Debug)]
pub(super) struct Folder {
    pub(super) row: FolderRow,
    pub(super) target_hash: i64,
}

pub(super) fn missing(operation: &'static str, subject: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::NotFound, operation, subject, "the ledger has no such row")
}

fn changed_target(operation: &'static str, subject: &str, before: &str, now: &str) -> StoreError {
    let detail = format!("it was {before:?} before and is {now:?} now");
    StoreError::new(ErrorKind::Rejected, operation, subject, detail).with_code(Code::TargetChanged)
}

/// Refuses a page of another pass than the present one.
pub(super) fn check_pass(cursor: &CursorRow, pass: i64) -> Result<(), StoreError> {
    if cursor.pass == pass {
        return Ok(());
    }
    let detail = format!("the page belongs to pass {pass}, the ledger is at pass {}", cursor.pass);
    Err(StoreError::new(ErrorKind::Changed, "enrol", "page", detail))
}

/// Refuses to settle what is not listed to its end.
pub(super) fn check_complete(cursor: &CursorRow) -> Result<(), StoreError> {
    if cursor.complete {
        return Ok(());
    }
    let detail = format!("pass {} has not come to its end", cursor.pass);
    Err(StoreError::new(ErrorKind::Rejected, "settle", "listing", detail))
}

pub(super) fn next_pass(cursor: &mut CursorRow, full: bool) {
    cursor.pass += 1;
    cursor.full = full;
    cursor.complete = false;
    if full {
        cursor.cursor = None;
    }
}

impl Store {
    pub(super) fn open_job(
        &mut self,
        name: &str,
        identity: &str,
        process: &Arc<()>,
    ) -> Result<JobHandle, StoreError> {
        let exclusive = self.exclusive;
        let next = JobId(i64::try_from(self.jobs.len()).unwrap_or(i64::MAX) + 1);
        let known = self.jobs.values().find(|j| j.name == name).map(|j| j.id);
        let job = self.jobs.entry(known.unwrap_or(next)).or_insert_with(|| Job::new(next, name, identity));
        if exclusive && job.lease.upgrade().is_some_and(|holder| !Arc::ptr_eq(&holder, process)) {
            return Err(StoreError::new(ErrorKind::Locked, "open job", name, "another process works on it")
                .with_code(Code::JobBusy));
        }
        if job.identity != identity {
            return Err(changed_target("open job", name, &job.identity, identity));
        }
        job.epoch = Epoch(job.epoch.0 + 1);
        job.lease = Arc::downgrade(process);
        Ok(job.handle())
    }

    pub(super) fn find_job(&self, name: &str) -> Option<JobHandle> {
        self.jobs.values().find(|j| j.name == name).map(Job::handle)
    }

    pub(super) fn close_job(&mut self, job: &JobHandle) {
        if let Ok(job) = self.fenced(job) {
            job.lease = Weak::new();
        }
    }

    /// The job, where the handle's epoch is the current one.
    pub(super) fn fenced(&mut self, handle: &JobHandle) -> Result<&mut Job, StoreError> {
        let job = self.jobs.get_mut(&handle.id).ok_or_else(|| missing("open job", handle.name.clone()))?;
        if job.epoch != handle.epoch {
            let detail = format!("the lease of epoch {} was lost to epoch {}", handle.epoch, job.epoch);
            return Err(StoreError::new(ErrorKind::Rejected, "write to job", handle.name.clone(), detail)
                .with_code(Code::LeaseLost));
        }
        Ok(job)
    }

    pub(super) fn begin_run(&mut self, job: &JobHandle, start: RunStart) -> Result<RunRow, StoreError> {
        let next = RunId(self.runs + 1);
        let job = self.fenced(job)?;
        let newest = job.runs.iter_mut().rev().find(|r| r.command == start.command);
        if let Some(run) = newest.filter(|r| r.ended.is_none() && !start.fresh) {
            run.resumed = true;
            return Ok(run.clone());
        }
        let (command, started) = (start.command, start.at);
        let run = RunRow { id: next, command, started, ended: None, resumed: false, summary: String::new() };
        job.runs.push(run.clone());
        self.runs += 1;
        Ok(run)
    }

    pub(super) fn end_run(
        &mut self,
        job: &JobHandle,
        run: RunId,
        at: Timestamp,
        summary: &str,
    ) -> Result<(), StoreError> {
        let job = self.fenced(job)?;
        let run =
            job.runs.iter_mut().find(|r| r.id == run).ok_or_else(|| missing("end run", run.to_string()))?;
        run.ended = Some(at);
        summary.clone_into(&mut run.summary);
        Ok(())
    }

    pub(super) fn open_source(
        &mut self,
        job: &JobHandle,
        label: &str,
        identity: &str,
    ) -> Result<SourceId, StoreError> {
        let next = SourceId(self.sources + 1);
        let job = self.fenced(job)?;
        if let Some(known) = job.sources.values().find(|s| s.row.label == label) {
            if known.row.identity != identity {
                return Err(changed_target("open source", label, &known.row.identity, identity));
            }
            return Ok(known.row.id);
        }
        let root = job.add_folder(next, ItemKey(String::new()), None);
        if let Some(folder) = job.folders.get_mut(&root) {
            folder.row.name = Some(String::new());
            folder.row.path = Some(RelPath::root());
        }
        job.by_path.insert((fold_hash(""), root));
        let row = SourceRow { id: next, label: label.to_owned(), identity: identity.to_owned() };
        job.sources.insert(next, SourceState { row, cursor: CursorRow::default(), root });
        self.sources += 1;
        Ok(next)
    }

    pub(super) fn open_tree(&mut self, identity: &str) -> TreeId {
        if let Some((id, _)) = self.trees.iter().find(|(_, t)| t.identity == identity) {
            return *id;
        }
        let id = TreeId(i64::try_from(self.trees.len()).unwrap_or(i64::MAX) + 1);
        self.trees.insert(id, Tree::new(identity));
        id
    }

    pub(super) fn tree(&mut self, tree: TreeId) -> Result<&mut Tree, StoreError> {
        self.trees.get_mut(&tree).ok_or_else(|| missing("open tree", tree.to_string()))
    }
}

impl Job {
    fn new(id: JobId, name: &str, identity: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            identity: identity.to_owned(),
            epoch: Epoch(0),
            lease: Weak::new(),
            runs: Vec::new(),
            sources: BTreeMap::new(),
            folders: BTreeMap::new(),
            files: BTreeMap::new(),
            events: Vec::new(),
            owed: BTreeMap::new(),
            next_owed: 0,
            looks: BTreeMap::new(),
            file_keys: BTreeMap::new(),
            folder_keys: BTreeMap::new(),
            by_name: BTreeSet::new(),
            by_path: BTreeSet::new(),
            next_file: id.0 << JOB_BITS,
            next_folder: id.0 << JOB_BITS,
        }
    }

    fn handle(&self) -> JobHandle {
        JobHandle { id: self.id, name: self.name.clone(), identity: self.identity.clone(), epoch: self.epoch }
    }

    pub(super) fn source(&mut self, source: SourceId) -> Result<&mut SourceState, StoreError> {
        self.sources.get_mut(&source).ok_or_else(|| missing("open source", source.to_string()))
    }

    pub(super) fn folder_mut(&mut self, folder: FolderId) -> Result<&mut Folder, StoreError> {
        self.folders.get_mut(&folder).ok_or_else(|| missing("write folder", folder.to_string()))
    }

    /// A folder row that nobody has named yet.
    pub(super) fn add_folder(
        &mut self,
        source: SourceId,
        key: ItemKey,
        parent: Option<FolderId>,
    ) -> FolderId {
        self.next_folder += 1;
        let id = FolderId(self.next_folder);
        let row = FolderRow {
            id,
            source,
            key: key.clone(),
            parent,
            name: None,
            path: None,
            times: Times::default(),
            child_count: None,
            standing: Standing::Unsettled,
            target: None,
            dest_item: None,
            timed: false,
            seen: 0,
        };
        self.folder_keys.insert((source, key), id);
        self.folders.insert(id, Folder { row, target_hash: 0 });
        id
    }

    /// Notes what is owed, under numbers that were never given before.
    pub(super) fn owe(&mut self, owes: Vec<Owe>, at: Timestamp) {
        for owe in owes.into_iter().map(intake::owe) {
            self.next_owed += 1;
            let owed = Owed { seq: self.next_owed, owe, at: intake::held_moment(at) };
            self.owed.insert(owed.seq, owed);
        }
    }

    pub(super) fn next_file_id(&mut self) -> FileId {
        self.next_file += 1;
        FileId(self.next_file)
    }
}
