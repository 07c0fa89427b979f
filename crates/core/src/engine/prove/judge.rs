//! What becomes of one file that lies at the destination: proven by published digests, by its parts or by reading it
//! back, or what it is instead.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::session_memo;
use crate::digest::Hasher;
use crate::engine::content::judge_source;
use crate::engine::parts::Parts;
use crate::engine::sealing::beginning;
use crate::engine::{Engine, Job, Note, Slot};
use crate::error::{ErrorKind, StoreError};
use crate::memo::MemoKey;
use crate::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use crate::row::FileRow;
use crate::state::{Event, Reason, Via};
use crate::store::{Holding, OnConflict, Opening, Owe};
use crate::transport::Body;
use crate::words::ByteSize;

/// Bodies that break are opened again this often.
const REOPENINGS: u32 = 5;

impl Engine {
    /// Judges one DUPE row against what the destination holds.
    pub(in crate::engine) async fn judge(
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
    pub(super) fn compare_published(&self, job: &Job, row: &FileRow, there: &Holding) -> Comparison {
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
    pub(in crate::engine) async fn note_proven(
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
    pub(in crate::engine) async fn differs(
        &self,
        job: &Job,
        row: &mut FileRow,
        there: Holding,
        words: String,
    ) -> Result<(), StoreError> {
        // It was shown not to be what belongs there, whoever put it there; or it is an earlier landing of ours.
        let shown_wrong = job.policy.is_shown_wrong(&row.entry.key, there.revision.as_ref());
        if shown_wrong || self.gives_way(job, row, &there).await? {
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
    pub(in crate::engine) async fn settle_by_reading(
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
    pub(in crate::engine) async fn opening<'a>(
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
            None => Err(crate::engine::internal("prepare", &row.entry.name, &"no answer for an entry")),
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
    pub(in crate::engine) async fn read_back(
        &self,
        job: &Job,
        row: &FileRow,
        there: &Holding,
    ) -> Result<Evidence, StoreError> {
        let open = |from| async move {
            let body = job.destination.read(&there.item, from).await?;
            let meter = Arc::clone(&self.meter);
            let counted = body.inspect(move |piece| {
                if let Ok(bytes) = piece {
                    meter.read_back(bytes.len());
                }
            });
            Ok(Box::pin(counted) as Body)
        };
        self.hash_body(&row.entry.name, there.evidence.size, open).await
    }

    /// Hashes a body of a known size, opening it again where it breaks off.
    pub(in crate::engine) async fn hash_body<F, O>(
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
pub(super) fn proving(row: &FileRow, there: Holding, proof: Proof) -> Vec<Event> {
    let news = (row.holding.as_ref() != Some(&there)).then(|| Event::Noted {
        reason: Reason::Unproven,
        comment: String::new(),
        holding: Some(there),
    });
    news.into_iter().chain([Event::Proven(proof)]).collect()
}

/// True for a file that this destination is known to rewrite after an upload.
pub(in crate::engine) fn rewritable(job: &Job, row: &FileRow) -> bool {
    let extension = row.dest_name().rsplit_once('.').map(|(_, e)| e.to_lowercase());
    extension.is_some_and(|e| job.destination.caps().rewrites.contains(&e))
}
