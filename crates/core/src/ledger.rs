//! The seam to the ledger: the source of truth, one row a file, one event a change.
//!
//! Row and event are written in one transaction; a listing's page and its cursor too. Every write
//! carries the epoch of the lease under which it is made and is refused when that is no longer the
//! current one. Scans are by key, in pages, so that nothing ever collects a job. Implementations: memory
//! (here), SQLite and PostgreSQL (crate `ledger`); one conformance suite runs against all three.

pub mod intake;
pub mod memory;
mod types;

pub use memory::MemoryLedger;

pub use types::{
    Answer, Count, CourseRow, CursorRow, EnrolTally, Enrolment, EventRow, FileFilter, FolderPlacement,
    FolderRow, FoundRow, JobHandle, LookFilter, Looked, Placement, Record, RunRow, RunStart, SourceRow,
    Tally,
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::memo::Memo;
use crate::proof::{Evidence, Sense};
use crate::row::FileRow;
use crate::store::{Owe, Owed};
use crate::words::{Epoch, FileId, FolderId, ItemKey, JobId, RelPath, RunId, SourceId, TreeId};

/// Keeps what is known. Every call that writes is durable when it returns.
#[async_trait]
pub trait Ledger: Memo + Send + Sync {
    /// Finds or makes a job and takes the lease on it: its epoch grows by one.
    ///
    /// `identity` is what the destination resolved to.
    ///
    /// # Errors
    /// `Locked` with code `JobBusy` where another living process holds it; `Rejected` with code
    /// `TargetChanged` where the identity is another one than before.
    async fn open_job(
        &self,
        name: &str,
        identity: &str,
        holder: &str,
        at: Timestamp,
    ) -> Result<JobHandle, StoreError>;

    /// Finds a job without taking the lease, for commands that only read.
    async fn find_job(&self, name: &str) -> Result<Option<JobHandle>, StoreError>;

    /// Gives the lease back. After a kill it is given back by the death of the process.
    async fn close_job(&self, job: &JobHandle) -> Result<(), StoreError>;

    /// Begins a run, or goes on with the newest one of the same command where that was never ended.
    async fn begin_run(&self, job: &JobHandle, start: RunStart) -> Result<RunRow, StoreError>;

    /// Ends a run with its outcome and summary (JSON).
    async fn end_run(
        &self,
        job: &JobHandle,
        run: RunId,
        at: Timestamp,
        summary: &str,
    ) -> Result<(), StoreError>;

    /// The newest runs first.
    async fn runs(&self, job: JobId, limit: usize) -> Result<Vec<RunRow>, StoreError>;

    /// Finds or makes a source of the job by its label, together with its root folder's row (key `""`,
    /// no parent, name `""`, path the root): whatever a listing gives without a parent lies in that row,
    /// so that every file has a folder. A listing never names the root itself; a sweep spares it.
    ///
    /// # Errors
    /// `Rejected` with code `TargetChanged` where the label resolved to something else before.
    async fn open_source(&self, job: &JobHandle, label: &str, identity: &str)
    -> Result<SourceId, StoreError>;

    /// The job's sources.
    async fn sources(&self, job: JobId) -> Result<Vec<SourceRow>, StoreError>;

    // ---- listing the source -------------------------------------------------------------------

    /// Where the listing of a source stands.
    async fn cursor(&self, job: JobId, source: SourceId) -> Result<CursorRow, StoreError>;

    /// Begins a listing pass: its number grows by one, the cursor is kept for an incremental one and
    /// dropped for a full one.
    async fn begin_pass(
        &self,
        job: &JobHandle,
        source: SourceId,
        full: bool,
    ) -> Result<CursorRow, StoreError>;

    /// Takes one page with its cursor, in one transaction. Items are applied in order, the last of a
    /// key counts; a parent that is not known yet gets a folder row without a name. Repeating a page
    /// changes nothing.
    async fn enrol(&self, job: &JobHandle, page: Enrolment) -> Result<EnrolTally, StoreError>;

    /// After a complete pass: rebuilds the folders' paths, makes files of folders whose path changed
    /// unsettled (with `Renamed` events for them), and, where the pass was full, marks what it did not
    /// see as gone. Returns how many files went. Repeating it changes nothing.
    async fn settle_tree(&self, job: &JobHandle, source: SourceId, at: Timestamp) -> Result<u64, StoreError>;

    /// Folders of one source by path (bytewise, parents before children), after a path; folders
    /// without a path are left out.
    async fn folders(
        &self,
        job: JobId,
        source: SourceId,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<FolderRow>, StoreError>;

    /// One folder.
    async fn folder(&self, job: JobId, folder: FolderId) -> Result<Option<FolderRow>, StoreError>;

    /// Writes where folders go. A folder whose target changes loses its destination item.
    async fn place_folders(&self, job: &JobHandle, places: Vec<FolderPlacement>) -> Result<(), StoreError>;

    /// Writes what placement found for files. The state is not touched.
    async fn place(&self, job: &JobHandle, places: Vec<Placement>) -> Result<(), StoreError>;

    /// Files that share their target with another file or folder that takes part, by (target, id) after a key.
    async fn collisions(
        &self,
        job: JobId,
        after: (i64, FileId),
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError>;

    /// Direct children that the ledger knows of one source folder (`None`: its root): files that take
    /// part or are skipped or outside, folders, and bytes.
    async fn child_tally(
        &self,
        job: JobId,
        source: SourceId,
        folder: Option<&ItemKey>,
    ) -> Result<(u64, u64, u64), StoreError>;

    /// Of these keys, those that the ledger does not know as present files or folders of the source.
    async fn unknown_keys(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<ItemKey>, StoreError>;

    // ---- moving -------------------------------------------------------------------------------

    /// Files by id after a key, as the filter says, with their folder's columns filled in.
    async fn scan(
        &self,
        job: JobId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError>;

    /// Files with this path from the source's root.
    async fn find_path(&self, job: JobId, path: &RelPath) -> Result<Vec<FileRow>, StoreError>;

    /// Applies events, each to its row, in order, all in one transaction: row, event and sequence number.
    ///
    /// # Errors
    /// `Changed` where a row's state is not the one expected or the event is illegal in it: then
    /// nothing of the batch is written. `Rejected` with code `LeaseLost` where the epoch is stale.
    async fn record(&self, job: &JobHandle, records: Vec<Record>) -> Result<(), StoreError>;

    /// As [`Ledger::record`], and notes in the same transaction what is owed to the sources' owners. With
    /// no records it only notes what is owed.
    async fn record_owing(
        &self,
        job: &JobHandle,
        records: Vec<Record>,
        owes: Vec<Owe>,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// What is owed, ascending after a sequence number.
    async fn owed(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<Owed>, StoreError>;

    /// Strikes out what was told. Numbers that are not owed are passed over.
    async fn settle_owed(&self, job: &JobHandle, seqs: Vec<i64>) -> Result<(), StoreError>;

    /// The rows of these keys of one source, whatever their standing, in no order; unknown keys are left out.
    async fn files_by_key(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<FileRow>, StoreError>;

    // ---- what a verify saw ----------------------------------------------------------------------

    /// Writes looks, each replacing the one before of the same subject.
    async fn looked(&self, job: &JobHandle, looks: Vec<Looked>) -> Result<(), StoreError>;

    /// Looks by subject (bytewise) after one, as the filter says.
    async fn looks(
        &self,
        job: JobId,
        filter: &LookFilter,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Looked>, StoreError>;

    /// The look at one subject.
    async fn look(&self, job: JobId, subject: &str) -> Result<Option<Looked>, StoreError>;

    /// Forgets all looks that are older than a moment, because a newer pass did not meet their subjects.
    async fn forget_looks(&self, job: &JobHandle, before: Timestamp) -> Result<(), StoreError>;

    /// Forgets the looks of these subjects, because what they found is settled. Unknown ones are passed over.
    async fn unlook(&self, job: &JobHandle, subjects: Vec<String>) -> Result<(), StoreError>;

    /// Binds a source folder to the destination's folder that carries it, or unbinds it.
    async fn bind_folder(
        &self,
        job: &JobHandle,
        folder: FolderId,
        item: Option<ItemKey>,
    ) -> Result<(), StoreError>;

    /// Notes that a folder's times were set at the destination.
    async fn folder_timed(&self, job: &JobHandle, folder: FolderId) -> Result<(), StoreError>;

    // ---- listing the destination --------------------------------------------------------------

    /// Finds or makes the record of a destination tree by its identity; shared by jobs.
    async fn open_tree(&self, identity: &str) -> Result<TreeId, StoreError>;

    /// Where the listing of a tree stands.
    async fn tree_cursor(&self, tree: TreeId) -> Result<CursorRow, StoreError>;

    /// Begins a pass over a tree.
    async fn begin_tree_pass(&self, tree: TreeId, full: bool) -> Result<CursorRow, StoreError>;

    /// Takes one page of a tree's listing with its cursor, in one transaction.
    async fn observe(&self, tree: TreeId, page: Enrolment) -> Result<(), StoreError>;

    /// After a complete full pass: forgets what it did not see.
    async fn settle_found(&self, tree: TreeId) -> Result<u64, StoreError>;

    /// What a tree holds under a parent with this folded-name fingerprint (`None` parent: the root).
    async fn found_child(
        &self,
        tree: TreeId,
        parent: Option<&ItemKey>,
        fold: i64,
    ) -> Result<Vec<FoundRow>, StoreError>;

    /// What a tree holds under this id.
    async fn found_item(&self, tree: TreeId, item: &ItemKey) -> Result<Option<FoundRow>, StoreError>;

    /// Files that take part and are in one of the filter's states, whose folder is bound, with what
    /// the tree holds under their folder and folded name; by file id after a key. The tree's root has
    /// the id `root`.
    async fn matches(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, FoundRow)>, StoreError>;

    // ---- verifying ----------------------------------------------------------------------------

    /// Files for which the destination is known to hold something, as the filter says, each with what the
    /// tree has under that object's id; by file id after a key.
    async fn held(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, Option<FoundRow>)>, StoreError>;

    /// Files of a tree that are held for no file of any job, by id (bytewise) after one.
    async fn strangers(
        &self,
        tree: TreeId,
        after: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError>;

    /// Files of a tree with exactly this size and these published digests, by id. Without digests: those that
    /// publish none, which says nothing of their content.
    async fn found_like(
        &self,
        tree: TreeId,
        evidence: &Evidence,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError>;

    /// The files of the job for which the destination holds this object, by id: one, or also one that the source
    /// lost and that came back under another key. At most 16.
    async fn holders(&self, job: JobId, item: &ItemKey) -> Result<Vec<FileId>, StoreError>;

    /// How many folders of the job that take part this object of the destination carries.
    async fn carriers(&self, job: JobId, item: &ItemKey) -> Result<u64, StoreError>;

    /// SUCCESS files that were renamed or moved at the source since they landed, by id after a key.
    async fn renamed(&self, job: JobId, after: FileId, limit: usize) -> Result<Vec<FileRow>, StoreError>;

    /// SUCCESS files, whether they take part still or not, those whose bytes were read longest ago first and those never read before them.
    async fn stalest(&self, job: JobId, limit: usize) -> Result<Vec<FileId>, StoreError>;

    /// Notes that files were confirmed in a sense. Changes dates alone and makes no event: a look that
    /// finds everything as it was is no news. Repeating it changes nothing but the dates.
    async fn confirm(
        &self,
        job: &JobHandle,
        files: Vec<FileId>,
        sense: Sense,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    // ---- reading ------------------------------------------------------------------------------

    /// Totals of a job, or of one of its sources.
    async fn tally(&self, job: JobId, source: Option<SourceId>) -> Result<Tally, StoreError>;

    /// Events of a job after a sequence number, ascending.
    async fn events(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<EventRow>, StoreError>;

    /// What happened in each second, by event and reason: the sums of `window` events after a sequence number,
    /// in any order. Numbers have no gaps, so fewer events than `window` in all are the last.
    async fn course(&self, job: JobId, after: i64, window: u32) -> Result<Vec<CourseRow>, StoreError>;

    /// True while this handle's epoch is the current one.
    async fn holds(&self, job: JobId, epoch: Epoch) -> Result<bool, StoreError>;
}
