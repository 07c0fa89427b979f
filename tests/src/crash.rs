//! Crash points: wrappers that stop the world before or after any call of Transport, Ledger, Memo and Spool.
//!
//! A [`Fuse`] counts the calls of one simulated process. At the chosen one it blows: that call and every
//! later one never return, the harness drops the process, and what it had not made durable is gone.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::ledger::*;
use landfall_core::memo::{Memo, MemoKey, MemoValue};
use landfall_core::proof::{Evidence, Sense};
use landfall_core::row::FileRow;
use landfall_core::spool::{Spool, SpoolWriter};
use landfall_core::store::{Owe, Owed};
use landfall_core::transport::{Body, Request, Response, Transport, TransportError};
use landfall_core::words::{
    ByteSize, Epoch, FileId, FolderId, ItemKey, JobId, RelPath, RunId, SourceId, TreeId,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

/// Counts calls and stops the world at one of them; also hashes their order into a trace.
pub struct Fuse {
    calls: AtomicU64,
    at: Option<u64>,
    blown: Notify,
    dead: std::sync::atomic::AtomicBool,
    trace: Arc<Mutex<Sha256>>,
    /// The call at which it blew, for messages.
    pub last: Mutex<String>,
}

impl Fuse {
    /// Blows at the given call (two per wrapped call: before and after); never where `None`.
    pub fn new(at: Option<u64>, trace: Arc<Mutex<Sha256>>) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicU64::new(0),
            at,
            blown: Notify::new(),
            dead: false.into(),
            trace,
            last: Mutex::default(),
        })
    }

    /// How many points were passed.
    pub fn points(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Returns when it has blown.
    pub async fn blown(&self) {
        self.blown.notified().await;
    }

    async fn point(&self, what: &str) {
        if self.dead.load(Relaxed) {
            std::future::pending::<()>().await;
        }
        self.trace.lock().unwrap().update(what.as_bytes());
        let now = self.calls.fetch_add(1, Relaxed);
        if self.at == Some(now) {
            *self.last.lock().unwrap() = what.to_owned();
            self.dead.store(true, Relaxed);
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, what: &str, call: impl Future<Output = T>) -> T {
        self.point(what).await;
        let result = call.await;
        self.point(what).await;
        result
    }
}

/// A transport with crash points.
pub struct CrashTransport {
    pub inner: Arc<dyn Transport>,
    pub fuse: Arc<Fuse>,
}

#[async_trait]
impl Transport for CrashTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let what = format!("{} {} {}", request.method(), request.uri().path(), request.body().len());
        let reply = self.fuse.around(&what, self.inner.send(request)).await;
        if std::env::var_os("LANDFALL_TRACE").is_some() {
            let status = reply.as_ref().map_or_else(ToString::to_string, |r| r.status().to_string());
            eprintln!("{:?} {what} -> {status}", tokio::time::Instant::now());
        }
        reply
    }

    async fn send_stream(
        &self,
        head: http::Request<()>,
        length: u64,
        body: Body,
    ) -> Result<Response, TransportError> {
        let what = format!("{} {} streamed {length}", head.method(), head.uri().path());
        self.fuse.around(&what, self.inner.send_stream(head, length, body)).await
    }
}

/// A spool with crash points.
pub struct CrashSpool {
    pub inner: Arc<dyn Spool>,
    pub fuse: Arc<Fuse>,
}

struct CrashWriter {
    inner: Box<dyn SpoolWriter>,
    fuse: Arc<Fuse>,
}

#[async_trait]
impl SpoolWriter for CrashWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.fuse.around("spool write", self.inner.write(bytes)).await
    }

    async fn finish(self: Box<Self>) -> Result<ByteSize, StoreError> {
        self.fuse.around("spool finish", self.inner.finish()).await
    }
}

#[async_trait]
impl Spool for CrashSpool {
    async fn writer(&self, file: FileId, from: u64) -> Result<Box<dyn SpoolWriter>, StoreError> {
        let inner = self.fuse.around("spool writer", self.inner.writer(file, from)).await?;
        Ok(Box::new(CrashWriter { inner, fuse: self.fuse.clone() }))
    }

    async fn partial(&self, file: FileId) -> Result<Option<ByteSize>, StoreError> {
        self.fuse.around("spool partial", self.inner.partial(file)).await
    }

    async fn size(&self, file: FileId) -> Result<Option<ByteSize>, StoreError> {
        self.fuse.around("spool size", self.inner.size(file)).await
    }

    async fn read(&self, file: FileId, from: u64) -> Result<Body, StoreError> {
        self.fuse.around("spool read", self.inner.read(file, from)).await
    }

    async fn read_partial(&self, file: FileId) -> Result<Body, StoreError> {
        self.fuse.around("spool read partial", self.inner.read_partial(file)).await
    }

    async fn remove(&self, file: FileId) -> Result<(), StoreError> {
        self.fuse.around("spool remove", self.inner.remove(file)).await
    }

    async fn used(&self) -> Result<ByteSize, StoreError> {
        self.inner.used().await
    }

    async fn lying(&self, shard: u8) -> Result<Vec<FileId>, StoreError> {
        self.inner.lying(shard).await
    }

    async fn adopt(&self, file: FileId, path: &Path) -> Result<ByteSize, StoreError> {
        self.fuse.around("spool adopt", self.inner.adopt(file, path)).await
    }
}

/// A ledger (and memo) with crash points.
pub struct CrashLedger {
    pub inner: Arc<dyn Ledger>,
    pub fuse: Arc<Fuse>,
}

#[async_trait]
impl Memo for CrashLedger {
    async fn memo(&self, key: &MemoKey) -> Result<Option<String>, StoreError> {
        self.fuse.around("memo", self.inner.memo(key)).await
    }

    async fn remember(&self, key: &MemoKey, value: MemoValue) -> Result<(), StoreError> {
        self.fuse.around("remember", self.inner.remember(key, value)).await
    }

    async fn forget(&self, key: &MemoKey) -> Result<(), StoreError> {
        self.fuse.around("forget", self.inner.forget(key)).await
    }

    async fn memos(
        &self,
        job: JobId,
        kind: &'static str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.fuse.around("memos", self.inner.memos(job, kind, after, limit)).await
    }
}

#[async_trait]
impl Ledger for CrashLedger {
    async fn open_job(
        &self,
        name: &str,
        identity: &str,
        holder: &str,
        at: Timestamp,
    ) -> Result<JobHandle, StoreError> {
        self.fuse.around("open_job", self.inner.open_job(name, identity, holder, at)).await
    }

    async fn find_job(&self, name: &str) -> Result<Option<JobHandle>, StoreError> {
        self.fuse.around("find_job", self.inner.find_job(name)).await
    }

    async fn close_job(&self, job: &JobHandle) -> Result<(), StoreError> {
        self.fuse.around("close_job", self.inner.close_job(job)).await
    }

    async fn begin_run(&self, job: &JobHandle, start: RunStart) -> Result<RunRow, StoreError> {
        self.fuse.around("begin_run", self.inner.begin_run(job, start)).await
    }

    async fn end_run(
        &self,
        job: &JobHandle,
        run: RunId,
        at: Timestamp,
        summary: &str,
    ) -> Result<(), StoreError> {
        self.fuse.around("end_run", self.inner.end_run(job, run, at, summary)).await
    }

    async fn runs(&self, job: JobId, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.fuse.around("runs", self.inner.runs(job, limit)).await
    }

    async fn open_source(
        &self,
        job: &JobHandle,
        label: &str,
        identity: &str,
    ) -> Result<SourceId, StoreError> {
        self.fuse.around("open_source", self.inner.open_source(job, label, identity)).await
    }

    async fn sources(&self, job: JobId) -> Result<Vec<SourceRow>, StoreError> {
        self.fuse.around("sources", self.inner.sources(job)).await
    }

    async fn cursor(&self, job: JobId, source: SourceId) -> Result<CursorRow, StoreError> {
        self.fuse.around("cursor", self.inner.cursor(job, source)).await
    }

    async fn begin_pass(
        &self,
        job: &JobHandle,
        source: SourceId,
        full: bool,
    ) -> Result<CursorRow, StoreError> {
        self.fuse.around("begin_pass", self.inner.begin_pass(job, source, full)).await
    }

    async fn enrol(&self, job: &JobHandle, page: Enrolment) -> Result<EnrolTally, StoreError> {
        self.fuse.around("enrol", self.inner.enrol(job, page)).await
    }

    async fn settle_tree(&self, job: &JobHandle, source: SourceId, at: Timestamp) -> Result<u64, StoreError> {
        self.fuse.around("settle_tree", self.inner.settle_tree(job, source, at)).await
    }

    async fn folders(
        &self,
        job: JobId,
        source: SourceId,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<FolderRow>, StoreError> {
        self.fuse.around("folders", self.inner.folders(job, source, after, limit)).await
    }

    async fn folder(&self, job: JobId, folder: FolderId) -> Result<Option<FolderRow>, StoreError> {
        self.fuse.around("folder", self.inner.folder(job, folder)).await
    }

    async fn place_folders(&self, job: &JobHandle, places: Vec<FolderPlacement>) -> Result<(), StoreError> {
        self.fuse.around("place_folders", self.inner.place_folders(job, places)).await
    }

    async fn place(&self, job: &JobHandle, places: Vec<Placement>) -> Result<(), StoreError> {
        self.fuse.around("place", self.inner.place(job, places)).await
    }

    async fn collisions(
        &self,
        job: JobId,
        after: (i64, FileId),
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError> {
        self.fuse.around("collisions", self.inner.collisions(job, after, limit)).await
    }

    async fn child_tally(
        &self,
        job: JobId,
        source: SourceId,
        folder: Option<&ItemKey>,
    ) -> Result<(u64, u64, u64), StoreError> {
        self.fuse.around("child_tally", self.inner.child_tally(job, source, folder)).await
    }

    async fn unknown_keys(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<ItemKey>, StoreError> {
        self.fuse.around("unknown_keys", self.inner.unknown_keys(job, source, keys)).await
    }

    async fn scan(
        &self,
        job: JobId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<FileRow>, StoreError> {
        self.fuse.around("scan", self.inner.scan(job, filter, after, limit)).await
    }

    async fn find_path(&self, job: JobId, path: &RelPath) -> Result<Vec<FileRow>, StoreError> {
        self.fuse.around("find_path", self.inner.find_path(job, path)).await
    }

    async fn record(&self, job: &JobHandle, records: Vec<Record>) -> Result<(), StoreError> {
        self.fuse.around("record", self.inner.record(job, records)).await
    }

    async fn record_owing(
        &self,
        job: &JobHandle,
        records: Vec<Record>,
        owes: Vec<Owe>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.fuse.around("record_owing", self.inner.record_owing(job, records, owes, at)).await
    }

    async fn owed(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<Owed>, StoreError> {
        self.fuse.around("owed", self.inner.owed(job, after, limit)).await
    }

    async fn settle_owed(&self, job: &JobHandle, seqs: Vec<i64>) -> Result<(), StoreError> {
        self.fuse.around("settle_owed", self.inner.settle_owed(job, seqs)).await
    }

    async fn files_by_key(
        &self,
        job: JobId,
        source: SourceId,
        keys: &[ItemKey],
    ) -> Result<Vec<FileRow>, StoreError> {
        self.fuse.around("files_by_key", self.inner.files_by_key(job, source, keys)).await
    }

    async fn looked(&self, job: &JobHandle, looks: Vec<Looked>) -> Result<(), StoreError> {
        self.fuse.around("looked", self.inner.looked(job, looks)).await
    }

    async fn looks(
        &self,
        job: JobId,
        filter: &LookFilter,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Looked>, StoreError> {
        self.fuse.around("looks", self.inner.looks(job, filter, after, limit)).await
    }

    async fn look(&self, job: JobId, subject: &str) -> Result<Option<Looked>, StoreError> {
        self.fuse.around("look", self.inner.look(job, subject)).await
    }

    async fn forget_looks(&self, job: &JobHandle, before: Timestamp) -> Result<(), StoreError> {
        self.fuse.around("forget_looks", self.inner.forget_looks(job, before)).await
    }

    async fn bind_folder(
        &self,
        job: &JobHandle,
        folder: FolderId,
        item: Option<ItemKey>,
    ) -> Result<(), StoreError> {
        self.fuse.around("bind_folder", self.inner.bind_folder(job, folder, item)).await
    }

    async fn unlook(&self, job: &JobHandle, subjects: Vec<String>) -> Result<(), StoreError> {
        self.fuse.around("unlook", self.inner.unlook(job, subjects)).await
    }

    async fn folder_timed(&self, job: &JobHandle, folder: FolderId) -> Result<(), StoreError> {
        self.fuse.around("folder_timed", self.inner.folder_timed(job, folder)).await
    }

    async fn open_tree(&self, identity: &str) -> Result<TreeId, StoreError> {
        self.fuse.around("open_tree", self.inner.open_tree(identity)).await
    }

    async fn tree_cursor(&self, tree: TreeId) -> Result<CursorRow, StoreError> {
        self.fuse.around("tree_cursor", self.inner.tree_cursor(tree)).await
    }

    async fn begin_tree_pass(&self, tree: TreeId, full: bool) -> Result<CursorRow, StoreError> {
        self.fuse.around("begin_tree_pass", self.inner.begin_tree_pass(tree, full)).await
    }

    async fn observe(&self, tree: TreeId, page: Enrolment) -> Result<(), StoreError> {
        self.fuse.around("observe", self.inner.observe(tree, page)).await
    }

    async fn settle_found(&self, tree: TreeId) -> Result<u64, StoreError> {
        self.fuse.around("settle_found", self.inner.settle_found(tree)).await
    }

    async fn found_child(
        &self,
        tree: TreeId,
        parent: Option<&ItemKey>,
        fold: i64,
    ) -> Result<Vec<FoundRow>, StoreError> {
        self.fuse.around("found_child", self.inner.found_child(tree, parent, fold)).await
    }

    async fn found_item(&self, tree: TreeId, item: &ItemKey) -> Result<Option<FoundRow>, StoreError> {
        self.fuse.around("found_item", self.inner.found_item(tree, item)).await
    }

    async fn matches(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, FoundRow)>, StoreError> {
        self.fuse.around("matches", self.inner.matches(job, tree, filter, after, limit)).await
    }

    async fn held(
        &self,
        job: JobId,
        tree: TreeId,
        filter: &FileFilter,
        after: FileId,
        limit: usize,
    ) -> Result<Vec<(FileRow, Option<FoundRow>)>, StoreError> {
        self.fuse.around("held", self.inner.held(job, tree, filter, after, limit)).await
    }

    async fn strangers(
        &self,
        tree: TreeId,
        after: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        self.fuse.around("strangers", self.inner.strangers(tree, after, limit)).await
    }

    async fn found_like(
        &self,
        tree: TreeId,
        evidence: &Evidence,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        self.fuse.around("found_like", self.inner.found_like(tree, evidence, limit)).await
    }

    async fn holders(&self, job: JobId, item: &ItemKey) -> Result<Vec<FileId>, StoreError> {
        self.fuse.around("holders", self.inner.holders(job, item)).await
    }

    async fn carriers(&self, job: JobId, item: &ItemKey) -> Result<u64, StoreError> {
        self.fuse.around("carriers", self.inner.carriers(job, item)).await
    }

    async fn renamed(&self, job: JobId, after: FileId, limit: usize) -> Result<Vec<FileRow>, StoreError> {
        self.fuse.around("renamed", self.inner.renamed(job, after, limit)).await
    }

    async fn stalest(&self, job: JobId, limit: usize) -> Result<Vec<FileId>, StoreError> {
        self.fuse.around("stalest", self.inner.stalest(job, limit)).await
    }

    async fn confirm(
        &self,
        job: &JobHandle,
        files: Vec<FileId>,
        sense: Sense,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.fuse.around("confirm", self.inner.confirm(job, files, sense, at)).await
    }

    async fn tally(&self, job: JobId, source: Option<SourceId>) -> Result<Tally, StoreError> {
        self.fuse.around("tally", self.inner.tally(job, source)).await
    }

    async fn events(&self, job: JobId, after: i64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        self.fuse.around("events", self.inner.events(job, after, limit)).await
    }

    async fn course(&self, job: JobId, after: i64, window: u32) -> Result<Vec<CourseRow>, StoreError> {
        self.fuse.around("course", self.inner.course(job, after, window)).await
    }

    async fn holds(&self, job: JobId, epoch: Epoch) -> Result<bool, StoreError> {
        self.fuse.around("holds", self.inner.holds(job, epoch)).await
    }
}
