//! The ledger on a SQL database: one implementation, one text of every statement, for SQLite and PostgreSQL.
//!
//! Calls that write go through the writer's queue, calls that read use connections of their own. What the
//! calls do is in the modules below, as functions over one connection; this module only hands them over.

mod found;
mod jobs;
mod listing;
mod looks;
mod memos;
mod moving;
mod owing;
mod reading;
mod settle;
mod verifying;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::clock::Clock;
use landfall_core::ledger::{
    CourseRow, CursorRow, EnrolTally, Enrolment, EventRow, FileFilter, FolderPlacement, FolderRow, FoundRow,
    JobHandle, Ledger, LookFilter, Looked, Placement, Record, RunRow, RunStart, SourceRow, Tally,
};
use landfall_core::proof::{Evidence, Sense};
use landfall_core::row::FileRow;
use landfall_core::store::{Owe, Owed};
use landfall_core::words::{Epoch, FileId, FolderId, ItemKey, JobId, RelPath, RunId, SourceId, TreeId};
use sqlx::{AnyConnection, AnyPool};
use tokio::task::JoinSet;

use crate::error::failed;
use crate::lease::{self, Hold, Lease};
use crate::rows::bulk_of;
use crate::seal::Seal;
use crate::words::Words;
use crate::writer::{Running, Writer};

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// What every call needs besides a connection.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) words: Words,
    pub(crate) seal: Seal,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where the database is, as far as leases go.
#[derive(Debug)]
pub(crate) enum Place {
    /// In this process only.
    Memory,
    /// A file: its locks lie beside it.
    File(std::path::PathBuf),
    /// A server: leases are sessions of their own.
    Server(String),
}

/// A ledger on one database, shared by everything in this process.
#[derive(Debug)]
pub(crate) struct SqlLedger {
    pub(crate) context: Arc<Context>,
    pub(crate) writer: Writer,
    /// Connections for reading; none where the database lives in the writer's connection.
    pub(crate) readers: Option<AnyPool>,
    pub(crate) place: Place,
    pub(crate) leases: Mutex<HashMap<String, Lease>>,
    /// The writer's task: it ends with the ledger.
    pub(crate) tasks: Mutex<JoinSet<()>>,
    /// The lock that says that the database is in use; held until the end.
    pub(crate) in_use: Option<std::fs::File>,
}

impl SqlLedger {
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Running<'c, Result<T, StoreError>> + Send + 'static,
    {
        let Some(readers) = &self.readers else {
            return self.writer.call(work).await;
        };
        let mut connection = readers.acquire().await.map_err(failed("read"))?;
        work(&mut connection).await
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take_lease(&self, name: &str, holder: &str) -> Result<Option<Hold>, StoreError> {
        if self.leases().contains_key(name) {
            return Ok(None);
        }
        Ok(Some(match &self.place {
            Place::Memory => Hold::Alone,
            Place::File(path) => lease::lock_file(path, name, holder)?,
            Place::Server(url) => lease::lock_session(url, name).await?,
        }))
    }
}

impl Drop for SqlLedger {
    /// Leases end with the object, whoever still runs in the process.
    fn drop(&mut self) {
        self.leases().clear();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        if let Some(file) = &self.in_use
            && let Err(error) = file.unlock()
        {
            tracing::debug!(%error, "the lock on the database ends with its file");
        }
    }
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn open_job(
        &self,
        name: &str,
        identity: &str,
        holder: &str,
        at: Timestamp,
    ) -> Result<JobHandle, StoreError> {
        let hold = self.take_lease(name, holder).await?;
        let (job, target, by) = (name.to_owned(), identity.to_owned(), holder.to_owned());
        let opened = self
            .writer
            .call(move |tx| Box::pin(async move { jobs::open(tx, &job, &target, &by, at).await }))
            .await;
        match (&opened, hold) {
            (Ok(handle), Some(hold)) => {
                self.leases().insert(name.to_owned(), Lease { hold, epoch: handle.epoch });
            }
            (Ok(handle), None) => {
                if let Some(lease) = self.leases().get_mut(name) {
                    lease.epoch = handle.epoch;
                }
            }
            (Err(_), Some(hold)) => lease::release(hold).await,
            (Err(_), None) => {}
        }
        opened
    }

    async fn find_job(&self, name: &str) -> Result<Option<JobHandle>, StoreError> {
        let name = name.to_owned();
        self.read(move |tx| Box::pin(async move { jobs::find(tx, &name).await })).await
    }

    async fn close_job(&self, job: &JobHandle) -> Result<(), StoreError> {
        let held = {
            let mut leases = self.leases();
            let own = leases.get(&job.name).is_some_and(|lease| lease.epoch == job.epoch);
            if own { leases.remove(&job.name) } else { None }
        };
        let Some(lease) = held else { return Ok(()) };
        lease::release(lease.hold).await;
        if let (Place::File(_), Some(readers)) = (&self.place, &self.readers) {
            // An empty log tells the next opening that this one came to its end. Where somebody still reads,
            // the log stays, and the next opening looks the file over: slower, not wrong.
            let done = sqlx::query(CHECKPOINT).fetch_optional(readers).await;
            done.map_err(failed("close job"))?;
        }
        Ok(())
    }

    async fn begin_run(&self, job: &JobHandle, start: RunStart) -> Result<RunRow, StoreError> {
        let job = job.clone();
        self.writer.call(move |tx| Box::pin(async move { jobs::begin_run(tx, &job, start).await })).await
    }

    async fn end_run(
        &self,
        job: &JobHandle,
        run: RunId,
        at: Timestamp,
        summary: &str,
    ) -> Result<(), StoreError> {
        let (job, summary) = (job.clone(), summary.to_owned());
        self.writer
            .call(move |tx| Box::pin(async move { jobs::end_run(tx, &job, run, at, &summary).await }))
            .await
    }

    async fn runs(&self, job: JobId, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.read(move |tx| Box::pin(async move { jobs::runs(tx, job, limit).await })).await
    }

    async fn open_source(
        &self,
        job: &JobHandle,
        label: &str,
        identity: &str,
    ) -> Result<SourceId, StoreError> {
        let (job, label, identity) = (job.clone(), label.to_owned(), identity.to_owned());
        self.writer
            .call(move |tx| Box::pin(async move { jobs::open_source(tx, &job, &label, &identity).await }))
            .await
    }

    async fn sources(&self, job: JobId) -> Result<Vec<SourceRow>, StoreError> {
        self.read(move |tx| Box::pin(async move { jobs::sources(tx, job).await })).await
    }

    async fn cursor(&self, job: JobId, source: SourceId) -> Result<CursorRow, StoreError> {
        self.read(move |tx| Box::pin(async move { listing::cursor(tx, job, source).await })).await
    }

    async fn begin_pass(
        &self,
        job: &JobHandle,
        source: SourceId,
        full: bool,
    ) -> Result<CursorRow, StoreError> {
        let job = job.clone();
        self.writer
            .call(move |tx| Box::pin(async move { listing::begin_pass(tx, &job, source, full).await }))
            .await
    }

    async fn enrol(&self, job: &JobHandle, page: Enrolment) -> Result<EnrolTally, StoreError> {
        let (context, job) = (Arc::clone(&self.context), job.clone());
        self.writer
            .call(move |tx| Box::pin(async move { listing::enrol(tx, &context, &job, page).await }))
            .await
    }

    async fn settle_tree(&self, job: &JobHandle, source: SourceId, at: Timestamp) -> Result<u64, StoreError> {
        let (context, job) = (Arc::clone(&self.context), job.clone());
        self.writer
            .call(move |tx| Box::pin(async move { settle::settle(tx, &context, &job, source, at).await }))
            .await
    }

    async fn folders(
        &self,
        job: JobId,
        source: SourceId,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<FolderRow>, StoreError> {
        let after = after.cloned();
        self.read(move |tx| Box::pin(async move { reading::folders(tx, (job, source), after, limit).await }))
            .await
    }

    async fn folder(&self, job: JobId, folder: FolderId) -> Result<Option<FolderRow>, StoreError> {
        self.read(move |tx| Box::pin(async move { reading::folder(tx, job, folder).await })).await
    }

    async fn place_folders(&self, job: &JobHandle, places: Vec<FolderPlacement>) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer
            .call(move |tx| Box::pin(async move { moving::place_folders(tx, &job, places).await }))
            .await
    }

    async fn place(&self, job: &JobHandle, places: Vec<Placement>) -> Result<(), StoreError> {
        let (context, job) = (Arc::clone(&self.context), job.clone());
        self.writer
            .call(move |tx| Box::pin(async move { moving::place(tx, &context, &job, places).await }))
            .await
    }

    async fn collisions(
        &self,
        job: JobId,
        after: (i64, FileId),
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError> {
        let context = Arc::clone(&self.context);
        self.read(move |tx| {
            Box::pin(async move { reading::collisions(tx, &context, job, after, limit).await })
        })
        .await
    }

    async fn child_tally(
        &self,
        job: JobId,
        source: SourceId,
        folder: Option<&ItemKey>,
    ) -> Result<(u64, u64, u64), StoreError> {
        let key = folder.map_or_else(String::new, |key| key.0.clone());
        self.read(move |tx| Box::pin(async move { reading::child_tally(tx, job, source, &key).await })).await
    }

    async fn unknown_keys(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<ItemKey>, StoreError> {
        let list = bulk_of(keys.iter().map(ItemKey::as_str));
        let known = self
            .read(move |tx| Box::pin(async move { reading::known(tx, job, source, &list).await }))
            .await?;
        Ok(keys.iter().filter(|key| !known.contains(key.as_str())).cloned().collect())
    }

    async fn scan(
        &self,
        job: JobId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError> {
        let (context, filter) = (Arc::clone(&self.context), filter.clone());
        self.read(move |tx| {
            Box::pin(async move { reading::scan(tx, &context, job, &filter, after, limit).await })
        })
        .await
    }

    async fn find_path(&self, job: JobId, path: &RelPath) -> Result<Vec<FileRow>, StoreError> {
        let (context, path) = (Arc::clone(&self.context), path.clone());
        self.read(move |tx| Box::pin(async move { reading::find_path(tx, &context, job, &path).await })).await
    }

    async fn record(&self, job: &JobHandle, records: Vec<Record>) -> Result<(), StoreError> {
        let (context, job) = (Arc::clone(&self.context), job.clone());
        self.writer
            .call(move |tx| {
                Box::pin(async move { moving::record(tx, &context, &job, records, vec![]).await })
            })
            .await
    }

    async fn record_owing(
        &self,
        job: &JobHandle,
        records: Vec<Record>,
        owes: Vec<Owe>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (context, job, owes) = (Arc::clone(&self.context), job.clone(), owing::owe_json(owes, at));
        self.writer
            .call(move |tx| Box::pin(async move { moving::record(tx, &context, &job, records, owes).await }))
            .await
    }

    async fn owed(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<Owed>, StoreError> {
        self.read(move |tx| Box::pin(async move { owing::owed(tx, job, after, limit).await })).await
    }

    async fn settle_owed(&self, job: &JobHandle, seqs: Vec<i64>) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer.call(move |tx| Box::pin(async move { owing::settle(tx, &job, seqs).await })).await
    }

    async fn files_by_key(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<FileRow>, StoreError> {
        let list = bulk_of(keys.iter().map(ItemKey::as_str).collect::<BTreeSet<_>>());
        let context = Arc::clone(&self.context);
        self.read(move |tx| {
            Box::pin(async move { reading::files_by_key(tx, &context, (job, source), &list).await })
        })
        .await
    }

    async fn looked(&self, job: &JobHandle, looks: Vec<Looked>) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer.call(move |tx| Box::pin(async move { looks::put(tx, &job, looks).await })).await
    }

    async fn looks(
        &self,
        job: JobId,
        filter: &LookFilter,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Looked>, StoreError> {
        let (filter, after) = (filter.clone(), after.to_owned());
        self.read(move |tx| Box::pin(async move { looks::page(tx, job, &filter, &after, limit).await })).await
    }

    async fn look(&self, job: JobId, subject: &str) -> Result<Option<Looked>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |tx| Box::pin(async move { looks::one(tx, job, &subject).await })).await
    }

    async fn forget_looks(&self, job: &JobHandle, before: Timestamp) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer.call(move |tx| Box::pin(async move { looks::forget(tx, &job, before).await })).await
    }

    async fn unlook(&self, job: &JobHandle, subjects: Vec<String>) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer.call(move |tx| Box::pin(async move { looks::settle(tx, &job, subjects).await })).await
    }

    async fn bind_folder(
        &self,
        job: &JobHandle,
        folder: FolderId,
        item: Option<ItemKey>,
    ) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer
            .call(move |tx| Box::pin(async move { moving::bind_folder(tx, &job, folder, item).await }))
            .await
    }

    async fn folder_timed(&self, job: &JobHandle, folder: FolderId) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer
            .call(move |tx| Box::pin(async move { moving::folder_timed(tx, &job, folder).await }))
            .await
    }

    async fn open_tree(&self, identity: &str) -> Result<TreeId, StoreError> {
        let identity = identity.to_owned();
        self.writer.call(move |tx| Box::pin(async move { found::open(tx, &identity).await })).await
    }

    async fn tree_cursor(&self, tree: TreeId) -> Result<CursorRow, StoreError> {
        self.read(move |tx| Box::pin(async move { Ok(found::cursor(tx, tree).await?.unwrap_or_default()) }))
            .await
    }

    async fn begin_tree_pass(&self, tree: TreeId, full: bool) -> Result<CursorRow, StoreError> {
        self.writer.call(move |tx| Box::pin(async move { found::begin_pass(tx, tree, full).await })).await
    }

    async fn observe(&self, tree: TreeId, page: Enrolment) -> Result<(), StoreError> {
        self.writer.call(move |tx| Box::pin(async move { found::observe(tx, tree, page).await })).await
    }

    async fn settle_found(&self, tree: TreeId) -> Result<u64, StoreError> {
        self.writer.call(move |tx| Box::pin(async move { found::settle(tx, tree).await })).await
    }

    async fn found_child(
        &self,
        tree: TreeId,
        parent: Option<&ItemKey>,
        fold: i64,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let parent = parent.cloned();
        self.read(move |tx| Box::pin(async move { found::children(tx, tree, parent, fold).await })).await
    }

    async fn found_item(&self, tree: TreeId, item: &ItemKey) -> Result<Option<FoundRow>, StoreError> {
        let item = item.clone();
        self.read(move |tx| Box::pin(async move { found::item(tx, tree, &item).await })).await
    }

    async fn matches(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, FoundRow)>, StoreError> {
        let (context, filter) = (Arc::clone(&self.context), filter.clone());
        let range = (after, limit);
        self.read(move |tx| {
            Box::pin(async move { reading::matches(tx, &context, (job, tree), &filter, range).await })
        })
        .await
    }

    async fn held(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, Option<FoundRow>)>, StoreError> {
        let (context, filter) = (Arc::clone(&self.context), filter.clone());
        let range = (after, limit);
        self.read(move |tx| {
            Box::pin(async move { reading::held(tx, &context, (job, tree), &filter, range).await })
        })
        .await
    }

    async fn strangers(
        &self,
        tree: TreeId,
        after: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let after = after.map_or_else(String::new, |item| item.0.clone());
        self.read(move |tx| Box::pin(async move { verifying::strangers(tx, tree, &after, limit).await }))
            .await
    }

    async fn found_like(
        &self,
        tree: TreeId,
        evidence: &Evidence,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let evidence = evidence.clone();
        self.read(move |tx| Box::pin(async move { verifying::like(tx, tree, &evidence, limit).await })).await
    }

    async fn holders(&self, job: JobId, item: &ItemKey) -> Result<Vec<FileId>, StoreError> {
        let item = item.clone();
        self.read(move |tx| Box::pin(async move { verifying::holders(tx, job, &item).await })).await
    }

    async fn carriers(&self, job: JobId, item: &ItemKey) -> Result<u64, StoreError> {
        let item = item.clone();
        self.read(move |tx| Box::pin(async move { verifying::carriers(tx, job, &item).await })).await
    }

    async fn renamed(&self, job: JobId, after: FileId, limit: usize) -> Result<Vec<FileRow>, StoreError> {
        let context = Arc::clone(&self.context);
        self.read(move |tx| {
            Box::pin(async move { verifying::renamed(tx, &context, job, after, limit).await })
        })
        .await
    }

    async fn stalest(&self, job: JobId, limit: usize) -> Result<Vec<FileId>, StoreError> {
        self.read(move |tx| Box::pin(async move { verifying::stalest(tx, job, limit).await })).await
    }

    async fn confirm(
        &self,
        job: &JobHandle,
        files: Vec<FileId>,
        sense: Sense,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let job = job.clone();
        self.writer
            .call(move |tx| Box::pin(async move { verifying::confirm(tx, &job, files, sense, at).await }))
            .await
    }

    async fn tally(&self, job: JobId, source: Option<SourceId>) -> Result<Tally, StoreError> {
        let context = Arc::clone(&self.context);
        self.read(move |tx| Box::pin(async move { reading::tally(tx, &context, job, source).await })).await
    }

    async fn events(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let context = Arc::clone(&self.context);
        self.read(move |tx| Box::pin(async move { reading::events(tx, &context, job, after, limit).await }))
            .await
    }

    async fn course(&self, job: JobId, after: i64, window: u32) -> Result<Vec<CourseRow>, StoreError> {
        let context = Arc::clone(&self.context);
        self.read(move |tx| Box::pin(async move { reading::course(tx, &context, job, after, window).await }))
            .await
    }

    async fn holds(&self, job: JobId, epoch: Epoch) -> Result<bool, StoreError> {
        self.read(move |tx| Box::pin(async move { Ok(jobs::epoch(tx, job).await? == Some(epoch)) })).await
    }
}
