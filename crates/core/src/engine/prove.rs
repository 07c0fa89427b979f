//! Proving: what the destination says it holds against what we know of the content.
//!
//! Most files are proven by the answer to their own upload. What is left (found there, hash late,
//! rewritten, copied by the service) is judged here from one listing for many files, and read back
//! where the destination publishes no digest at all. Nothing here deletes or sends anything.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::digest::Hasher;
use crate::engine::content::judge_source;
use crate::engine::parts::Parts;
use crate::engine::sealing::beginning;
use crate::engine::survey::holding;
use crate::engine::{Engine, Job, Note, Slot};
use crate::error::{ErrorKind, Look, StoreError};
use crate::ledger::FileFilter;
use crate::memo::MemoKey;
use crate::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use crate::row::FileRow;
use crate::state::{Event, Reason, State, Via};
use crate::store::{Found, Holding, Listed, OnConflict, Opening, Owe};
use crate::transport::Body;
use crate::words::{ByteSize, FileId, ItemKey, fold};

/// Files found in their place that are judged side by side.
const JUDGED_AT_ONCE: usize = 8;

const BATCH: usize = 200;
/// First pause before a late hash is asked for again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Bodies that break are opened again this often.
const REOPENINGS: u32 = 5;

/// What one pass over the unproven files left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unproven {
    /// Still waiting for a hash.
    pub(super) waiting: u64,
}

impl Engine {
    /// Proves everything that can be proven without sending anything: judges from the listing at hand,
    /// looks again while hashes are late, and reads back what stays without one.
    pub(super) async fn prove_all(&self, job: &Job) -> Result<(), StoreError> {
        self.meter.phase(4);
        let begun = self.clock.now();
        let mut pause = FIRST_PAUSE;
        loop {
            let left = self.prove_listed(job, false).await?;
            if left.waiting == 0 {
                return Ok(());
            }
            let waited = self.clock.now().duration_since(begun).unsigned_abs();
            if waited >= job.policy.hash_wait || self.stop.is_cancelled() {
                break;
            }
            tracing::debug!(files = left.waiting, "waiting for hashes that are late");
            tokio::time::sleep(self.chance.jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(30));
            self.look_at_destination(job, false).await?;
            self.prove_late(job).await?;
        }
        self.go_on("proof")?;
        self.prove_listed(job, true).await?;
        Ok(())
    }

    /// Judges every DUPE row by the ledger's record of the destination. What the published digests show is
    /// recorded together, a page of rows at a time; the others are judged each for itself.
    pub(super) async fn prove_listed(&self, job: &Job, read_back: bool) -> Result<Unproven, StoreError> {
        let filter = FileFilter { states: vec![State::Dupe], ..FileFilter::default() };
        let mut after = FileId(0);
        let mut left = Unproven::default();
        loop {
            let rows = self.ledger.scan(job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(left) };
            after = last.id;
            let others = self.prove_shown(job, rows).await?;
            // What is read back is read one by one.
            let at_once = if read_back { 1 } else { JUDGED_AT_ONCE };
            let judged: Vec<Result<FileRow, StoreError>> = futures_util::stream::iter(others)
                .map(|(row, there)| self.prove_row(job, row, there, read_back))
                .buffer_unordered(at_once)
                .collect()
                .await;
            for row in judged {
                let row = row?;
                if row.state == State::Dupe && row.reason == Some(Reason::HashPending) {
                    left.waiting += 1;
                }
            }
        }
    }

    /// Proves those of some rows that the published digests show, in one transaction, and gives back the others
    /// with what the destination holds for them.
    async fn prove_shown(
        &self,
        job: &Job,
        rows: Vec<FileRow>,
    ) -> Result<Vec<(FileRow, Look<Holding>)>, StoreError> {
        let looked: Vec<Result<(FileRow, Look<Holding>), StoreError>> = futures_util::stream::iter(rows)
            .map(|row| async move {
                self.go_on("proof")?;
                let there = self.whereabouts(job, &row).await?;
                Ok((row, there))
            })
            .buffer_unordered(JUDGED_AT_ONCE)
            .collect()
            .await;
        let (mut shown, mut others) = (Vec::new(), Vec::new());
        for pair in looked {
            let (row, there) = pair?;
            let proof = match &there {
                Look::Present(there) => self.compare_published(job, &row, there),
                Look::Absent | Look::Unknown(_) => Comparison::Undecided,
            };
            match (there, proof) {
                (Look::Present(there), Comparison::Proven(proof)) => {
                    let events = proving(&row, there, proof);
                    shown.push((row, events));
                }
                (there, _) => others.push((row, there)),
            }
        }
        self.note_proven(job, shown.iter_mut().map(|(row, events)| (row, std::mem::take(events))).collect())
            .await?;
        Ok(others)
    }

    async fn prove_row(
        &self,
        job: &Job,
        mut row: FileRow,
        there: Look<Holding>,
        read_back: bool,
    ) -> Result<FileRow, StoreError> {
        self.go_on("proof")?;
        match there {
            Look::Present(there) => self.judge(job, &mut row, there, read_back).await?,
            Look::Absent => {
                let comment = "the destination no longer holds it".to_owned();
                self.note(&job.handle, &mut row, vec![Event::Vanished { comment }]).await?;
            }
            Look::Unknown(error) if error.code.is_some() => return Err(error),
            Look::Unknown(error) => {
                tracing::debug!(file = %row.id, error = %error.chain(), "could not look");
            }
        }
        Ok(row)
    }

    /// Lists the folders of files whose hash is late: a hash that appears need not be a change that an
    /// incremental listing shows.
    // Unverified: whether a late hash makes a new delta entry; both are handled.
    async fn prove_late(&self, job: &Job) -> Result<(), StoreError> {
        let filter = FileFilter { states: vec![State::Dupe], ..FileFilter::default() };
        let mut after = FileId(0);
        loop {
            let rows = self.ledger.scan(job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let mut waiting: BTreeMap<ItemKey, BTreeMap<ItemKey, FileRow>> = BTreeMap::new();
            for row in rows.into_iter().filter(|row| row.reason == Some(Reason::HashPending)) {
                let (Some(folder), Some(holding)) = (row.folder_item.clone(), &row.holding) else { continue };
                let item = holding.item.clone();
                waiting.entry(folder).or_default().insert(item, row);
            }
            for (folder, rows) in waiting {
                self.prove_in_folder(job, &folder, rows).await?;
            }
        }
    }

    async fn prove_in_folder(
        &self,
        job: &Job,
        folder: &ItemKey,
        mut rows: BTreeMap<ItemKey, FileRow>,
    ) -> Result<(), StoreError> {
        let mut page = None;
        while !rows.is_empty() {
            self.go_on("proof")?;
            let (items, next) = match job.destination.children(folder, page).await {
                Ok(answer) => answer,
                Err(error) if error.code.is_some() => return Err(error),
                // Unknown is not absent: the next round asks again.
                Err(_) => return Ok(()),
            };
            for item in items {
                let Listed::File(entry) = item else { continue };
                let Some(mut row) = rows.remove(&entry.key) else { continue };
                let evidence = Evidence { size: entry.size, digests: entry.digests };
                let there = Holding { item: entry.key, revision: entry.revision, evidence };
                self.judge(job, &mut row, there, false).await?;
            }
            match next {
                Some(cursor) => page = Some(cursor),
                None => break,
            }
        }
        Ok(())
    }

    /// What the destination holds for a row: by its record, else by asking for this one file.
    async fn whereabouts(&self, job: &Job, row: &FileRow) -> Result<Look<Holding>, StoreError> {
        if let Some(ours) = &row.holding
            && let Some(found) = self.ledger.found_item(job.tree, &ours.item).await?
            && !found.folder
        {
            return Ok(Look::Present(holding(&found)));
        }
        let Some(folder) = &row.folder_item else { return self.ask(job, row).await };
        let parent = (*folder != job.destination.root()).then_some(folder);
        let rows = self.ledger.found_child(job.tree, parent, row.fold).await?;
        let same = rows.into_iter().find(|f| !f.folder && fold(&f.name) == fold(row.dest_name()));
        match same {
            Some(found) if newer_is_known(row, &found.item) => Ok(Look::Present(holding(&found))),
            _ => self.ask(job, row).await,
        }
    }

    async fn ask(&self, job: &Job, row: &FileRow) -> Result<Look<Holding>, StoreError> {
        let Some(folder) = &row.folder_item else {
            return Ok(Look::Unknown(StoreError::new(
                ErrorKind::Interrupted,
                "find",
                row.dest_name(),
                "its folder at the destination is not known",
            )));
        };
        Ok(match job.destination.find(folder, row.dest_name()).await {
            Look::Present(Found::File(holding)) => Look::Present(holding),
            Look::Present(Found::Folder(_)) | Look::Absent => Look::Absent,
            Look::Unknown(error) => Look::Unknown(error),
        })
    }

    /// Judges one DUPE row against what the destination holds.
    pub(super) async fn judge(
        &self,
        job: &Job,
        row: &mut FileRow,
        there: Holding,
        read_back: bool,
    ) -> Result<(), StoreError> {
        if sealed_by_another(job, row) {
            return self.judge_sealed(job, row, there).await;
        }
        match self.compare_published(job, row, &there) {
            Comparison::Proven(proof) => self.proven(job, row, there, proof).await,
            Comparison::Differs(words) => self.differs(job, row, there, words).await,
            Comparison::Undecided => {
                let silent = job.destination.caps().publishes.is_empty();
                let late = there.evidence.digests.is_empty() && !silent;
                if late && !read_back {
                    return self
                        .remark(job, row, Reason::HashPending, "no hash published yet", Some(there))
                        .await;
                }
                self.settle_by_reading(job, row, there).await
            }
        }
    }

    /// What the digests that both sides publish say of a file, without reading anything.
    fn compare_published(&self, job: &Job, row: &FileRow, there: &Holding) -> Comparison {
        if sealed_by_another(job, row) {
            return Comparison::Undecided;
        }
        let leg = row.leg.unwrap_or(match row.entry.digests.is_empty() {
            true => SourceLeg::Unpublished,
            false => SourceLeg::Matched,
        });
        Proof::compare(&row.evidence(), &there.evidence, leg, ProofKind::Hash, self.clock.now())
    }

    /// Judges an object that we have no record of having sealed: its nonce is read, and the source's bytes
    /// are sealed again with it.
    async fn judge_sealed(&self, job: &Job, row: &mut FileRow, there: Holding) -> Result<(), StoreError> {
        let Some(seal) = &job.seal else { return Ok(()) };
        let expected = seal.sealed_size(row.entry.size);
        if expected != there.evidence.size {
            let words = format!("size {} there, {} as sealed", there.evidence.size.0, expected.0);
            return self.differs(job, row, there, words).await;
        }
        let most = usize::try_from(seal.header().0).unwrap_or(usize::MAX);
        let header = beginning(job.destination.as_ref(), &there.item, most).await?;
        let Some(nonce) = seal.nonce_of(&header) else {
            return self.differs(job, row, there, "it is not sealed".to_owned()).await;
        };
        let (slot, opening) = self.opening(job, row).await?;
        let body = match row.entry.size.0 {
            0 => futures_util::stream::empty().boxed(),
            _ => slot.source.open(&row.entry, &opening, 0).await?,
        };
        let (plain, sealed) = self.seal_again(seal.as_ref(), nonce, body, &row.entry.name).await?;
        let leg = judge_source(slot.source.as_ref(), &row.entry, &plain).await?;
        let at = self.clock.now();
        match Proof::compare(&sealed, &there.evidence, leg, ProofKind::Hash, at) {
            Comparison::Proven(proof) => self.proven(job, row, there, proof).await,
            Comparison::Differs(words) => self.differs(job, row, there, words).await,
            Comparison::Undecided => {
                let theirs = self.read_back(job, row, &there).await?;
                match Proof::compare(&sealed, &theirs, leg, ProofKind::Bytes, at) {
                    Comparison::Proven(proof) => self.proven(job, row, there, proof).await,
                    Comparison::Differs(words) => self.differs(job, row, there, words).await,
                    Comparison::Undecided => Ok(()),
                }
            }
        }
    }

    async fn proven(
        &self,
        job: &Job,
        row: &mut FileRow,
        there: Holding,
        proof: Proof,
    ) -> Result<(), StoreError> {
        let events = proving(row, there, proof);
        self.note_proven(job, vec![(row, events)]).await
    }

    /// Records events of which each file's last is a proof, together with what the sources' owners are owed for
    /// them, in one transaction; then gives back what the files no longer need.
    pub(super) async fn note_proven(
        &self,
        job: &Job,
        files: Vec<(&mut FileRow, Vec<Event>)>,
    ) -> Result<(), StoreError> {
        let mut notes = Vec::with_capacity(files.len());
        for (row, events) in files {
            let held = events.iter().rev().find_map(|event| match event {
                Event::Present { holding, .. } | Event::Noted { holding: Some(holding), .. } => Some(holding),
                _ => None,
            });
            let owe = match (job.slot(row.source), held.or(row.holding.as_ref())) {
                (Some(slot), Some(held)) => slot.source.receipt(&row.entry, held).await,
                _ => None,
            };
            let owe = owe.map(|owe| Owe { source: row.source, ..owe });
            notes.push(Note { row, events, owe });
        }
        for row in self.note_all(&job.handle, notes).await? {
            self.after_proof(job, row).await?;
        }
        Ok(())
    }

    /// Gives back what a proven file no longer needs: the spool file, and what was remembered for it.
    async fn after_proof(&self, job: &Job, row: &FileRow) -> Result<(), StoreError> {
        self.spool.remove(row.id).await?;
        if row.via != Some(Via::Stream) || row.ours.is_empty() {
            job.destination.abandon(&session_memo(job, row.id)).await?;
        }
        for kind in ["hash", "contradiction"] {
            let key = MemoKey::new(job.handle.id, kind, row.id.to_string());
            if row.entry.size.0 > job.destination.caps().fragment.0 || row.attempts > 0 {
                self.ledger.forget(&key).await?;
            }
        }
        Ok(())
    }

    /// Decides what an object that differs is.
    pub(super) async fn differs(
        &self,
        job: &Job,
        row: &mut FileRow,
        there: Holding,
        words: String,
    ) -> Result<(), StoreError> {
        // It was shown not to be what belongs there, whoever put it there.
        if job.policy.is_shown_wrong(&row.entry.key, there.revision.as_ref()) {
            return self.note(&job.handle, row, vec![Event::Displaced]).await;
        }
        let ours = matches!(row.via, Some(Via::Stream | Via::Spool | Via::Copy));
        if ours && rewritable(job, row) {
            return self.settle_by_parts(job, row, there, &words).await;
        }
        if ours {
            return self.remark(job, row, Reason::CorruptAtDestination, &words, Some(there)).await;
        }
        // Both need the file sent: as a new version of that object, or under another name beside it.
        if job.policy.on_conflict != OnConflict::Keep {
            return self.note(&job.handle, row, vec![Event::Displaced]).await;
        }
        self.remark(job, row, Reason::DifferentAtDestination, &words, Some(there)).await
    }

    /// Proves a file that the destination rewrote by its parts; what cannot be shown stays DUPE with the difference.
    async fn settle_by_parts(
        &self,
        job: &Job,
        row: &mut FileRow,
        there: Holding,
        words: &str,
    ) -> Result<(), StoreError> {
        match self.compare_parts(job, row, &there).await {
            Ok(Parts::Proven(proof, changes)) => {
                tracing::debug!(file = %row.id, parts = ?changes, "rewritten by the destination");
                self.proven(job, row, there, *proof).await
            }
            Ok(Parts::Differs(detail)) => {
                let words = format!("{words}; {detail}");
                self.remark(job, row, Reason::Rewritten, &words, Some(there)).await
            }
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
            Ok(Parts::Undecided) | Err(_) => {
                self.remark(job, row, Reason::Rewritten, words, Some(there)).await
            }
        }
    }

    /// Writes what was learnt, where it is news.
    async fn remark(
        &self,
        job: &Job,
        row: &mut FileRow,
        reason: Reason,
        comment: &str,
        there: Option<Holding>,
    ) -> Result<(), StoreError> {
        let same = there.is_none() || row.holding == there;
        if row.reason == Some(reason) && row.comment == comment && same {
            return Ok(());
        }
        let event = Event::Noted { reason, comment: comment.to_owned(), holding: there };
        self.note(&job.handle, row, vec![event]).await
    }

    /// Reads what has no common digest: the source where we never read it, then the object.
    pub(super) async fn settle_by_reading(
        &self,
        job: &Job,
        row: &mut FileRow,
        there: Holding,
    ) -> Result<(), StoreError> {
        let (ours, leg) = match row.ours.sha256.is_some() {
            true => (row.evidence(), row.leg.unwrap_or(SourceLeg::Unpublished)),
            false => self.measure(job, row).await?,
        };
        let at = self.clock.now();
        if let Comparison::Proven(proof) = Proof::compare(&ours, &there.evidence, leg, ProofKind::Hash, at) {
            return self.proven(job, row, there, proof).await;
        }
        let theirs = self.read_back(job, row, &there).await?;
        let at = self.clock.now();
        match Proof::compare(&ours, &theirs, leg, ProofKind::Bytes, at) {
            Comparison::Proven(proof) => self.proven(job, row, there, proof).await,
            Comparison::Differs(words) => self.differs(job, row, there, words).await,
            Comparison::Undecided => {
                self.remark(job, row, Reason::Unproven, "no digest in common", Some(there)).await
            }
        }
    }

    /// The key to a row's bytes at its source.
    pub(super) async fn opening<'a>(
        &self,
        job: &'a Job,
        row: &FileRow,
    ) -> Result<(&'a Slot, Opening), StoreError> {
        let slot = job.slot(row.source).ok_or_else(|| {
            let detail = "its source is not part of this run";
            StoreError::new(ErrorKind::Interrupted, "read", &row.entry.name, detail)
        })?;
        match slot.source.prepare(std::slice::from_ref(&row.entry)).await.into_iter().next() {
            Some(opening) => Ok((slot, opening?)),
            None => Err(super::internal("prepare", &row.entry.name, &"no answer for an entry")),
        }
    }

    /// Reads the source's bytes only to know their digests.
    async fn measure(&self, job: &Job, row: &FileRow) -> Result<(Evidence, SourceLeg), StoreError> {
        let (slot, opening) = self.opening(job, row).await?;
        let open = |from| slot.source.open(&row.entry, &opening, from);
        let read = self.hash_body(&row.entry.name, row.entry.size, open).await?;
        let leg = judge_source(slot.source.as_ref(), &row.entry, &read).await?;
        Ok((read, leg))
    }

    /// Reads an object back from the destination, only to know its digests.
    pub(super) async fn read_back(
        &self,
        job: &Job,
        row: &FileRow,
        there: &Holding,
    ) -> Result<Evidence, StoreError> {
        let open = |from| job.destination.read(&there.item, from);
        self.hash_body(&row.entry.name, there.evidence.size, open).await
    }

    /// Hashes a body of a known size, opening it again where it breaks off.
    pub(super) async fn hash_body<F, O>(
        &self,
        name: &str,
        size: ByteSize,
        open: O,
    ) -> Result<Evidence, StoreError>
    where
        O: Fn(u64) -> F,
        F: Future<Output = Result<Body, StoreError>>,
    {
        let mut hasher = Hasher::new();
        for attempt in 0..=REOPENINGS {
            if attempt > 0 {
                tokio::time::sleep(self.chance.jitter(Duration::from_millis(200 << attempt))).await;
            }
            let mut body = open(hasher.len()).await?;
            while let Some(Ok(bytes)) = body.next().await {
                self.go_on(name)?;
                for piece in bytes.chunks(512 << 10) {
                    hasher.update(piece);
                }
                self.meter.bytes(bytes.len());
            }
            if hasher.len() >= size.0 {
                break;
            }
        }
        Ok(Evidence { size: ByteSize(hasher.len()), digests: hasher.digests() })
    }
}

/// True for a file of a sealed job that was sealed by nobody we know of: no digest of the plain bytes is the object's.
fn sealed_by_another(job: &Job, row: &FileRow) -> bool {
    job.seal.is_some() && row.sealed.is_none()
}

/// The events that make a row proven, with what is there where that is news.
fn proving(row: &FileRow, there: Holding, proof: Proof) -> Vec<Event> {
    let news = (row.holding.as_ref() != Some(&there)).then(|| Event::Noted {
        reason: Reason::Unproven,
        comment: String::new(),
        holding: Some(there),
    });
    news.into_iter().chain([Event::Proven(proof)]).collect()
}

/// True where the object the listing names is the one the row knows, or the row knows none.
///
/// A listing may lag behind our own upload: an older object under that name says nothing then.
fn newer_is_known(row: &FileRow, item: &ItemKey) -> bool {
    row.holding.as_ref().is_none_or(|h| h.item == *item)
}

/// True for a file that this destination is known to rewrite after an upload.
pub(super) fn rewritable(job: &Job, row: &FileRow) -> bool {
    let extension = row.dest_name().rsplit_once('.').map(|(_, e)| e.to_lowercase());
    extension.is_some_and(|e| job.destination.caps().rewrites.contains(&e))
}

/// The name under which a destination remembers this file's upload.
pub(super) fn session_memo(job: &Job, file: FileId) -> MemoKey {
    MemoKey::new(job.handle.id, "session", file.to_string())
}
