//! Files that the destination rewrote after they had arrived: proven by their parts.
//!
//! The original's parts are taken once, from the source, and kept in a memo; from then on each rewriting is judged
//! by them, with or without the source. Nothing here deletes or sends.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt as _;

use crate::digest::Hasher;
use crate::engine::{Engine, Job};
use crate::error::StoreError;
use crate::memo::{MemoKey, MemoValue};
use crate::proof::{Comparison, Evidence, Proof, SourceLeg, agree};
use crate::rewriting::Rewriting;
use crate::row::FileRow;
use crate::store::{Destination, Entry, Holding, Opening, Reread, Source};
use crate::transport::Body;
use crate::words::{ByteSize, FileId, ItemKey};

/// What comparing parts amounted to.
pub(super) enum Parts {
    /// Shown, with the parts that the service changed.
    Proven(Box<Proof>, Vec<String>),
    /// Shown to differ, or not to be judged; the words say in what.
    Differs(String),
    /// It changed meanwhile, or nobody can judge it here.
    Undecided,
}

/// An original as it is read.
struct Original {
    source: Arc<dyn Source>,
    entry: Entry,
    opening: Opening,
}

#[async_trait]
impl Reread for Original {
    async fn open(&self, from: u64) -> Result<Body, StoreError> {
        self.source.open(&self.entry, &self.opening, from).await
    }
}

/// An object as it is read, hashed in passing.
struct There {
    destination: Arc<dyn Destination>,
    item: ItemKey,
    hasher: Arc<Mutex<Hasher>>,
}

#[async_trait]
impl Reread for There {
    async fn open(&self, from: u64) -> Result<Body, StoreError> {
        let body = self.destination.read(&self.item, from).await?;
        let hasher = Arc::clone(&self.hasher);
        Ok(Box::pin(body.inspect(move |piece| {
            if let Ok(bytes) = piece {
                hasher.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
            }
        })))
    }
}

impl Engine {
    /// Compares an object with the parts of the file that was sent. Reads the object once, and the original where
    /// its parts were never taken.
    ///
    /// # Errors
    /// Where either cannot be read: nothing is known then.
    pub(super) async fn compare_parts(
        &self,
        job: &Job,
        row: &FileRow,
        there: &Holding,
    ) -> Result<Parts, StoreError> {
        let Some(judge) = &job.rewriting else { return Ok(Parts::Undecided) };
        let kept = match self.ledger.memo(&parts_memo(job, row.id)).await? {
            Some(kept) => kept,
            None => match self.take_parts(job, row, judge.as_ref()).await? {
                Ok(kept) => kept,
                Err(words) => return Ok(Parts::Differs(words)),
            },
        };
        let hasher = Arc::new(Mutex::new(Hasher::new()));
        let destination = Arc::clone(&job.destination);
        let reading = There { destination, item: there.item.clone(), hasher: Arc::clone(&hasher) };
        let shown = match judge.compare(row.dest_name(), &kept, &reading).await? {
            Ok(shown) => shown,
            Err(words) => return Ok(Parts::Differs(words)),
        };
        let read = {
            let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
            Evidence { size: ByteSize(hasher.len()), digests: hasher.digests() }
        };
        let leg = row.leg.unwrap_or(SourceLeg::Unpublished);
        let ours = row.evidence();
        let at = self.clock.now();
        Ok(match Proof::compare_parts(&ours, &there.evidence, &read, &shown, leg, at) {
            Comparison::Proven(proof) => Parts::Proven(Box::new(proof), shown.changes),
            Comparison::Differs(words) => Parts::Differs(words),
            Comparison::Undecided => Parts::Undecided,
        })
    }

    /// Takes the parts of the original, from the source, and keeps them.
    async fn take_parts(
        &self,
        job: &Job,
        row: &FileRow,
        judge: &dyn Rewriting,
    ) -> Result<Result<String, String>, StoreError> {
        let (slot, opening) = self.opening(job, row).await?;
        let original = Original { source: Arc::clone(&slot.source), entry: row.entry.clone(), opening };
        let kept = match judge.keep(&row.entry.name, &original).await? {
            Ok(kept) => kept,
            Err(words) => return Ok(Err(format!("the original: {words}"))),
        };
        if agree(&row.evidence(), &kept.original) == Some(false) {
            return Ok(Err("the source no longer has the bytes that were sent".to_owned()));
        }
        let value = MemoValue { text: kept.text.clone(), secret: false, expires: None };
        self.ledger.remember(&parts_memo(job, row.id), value).await?;
        Ok(Ok(kept.text))
    }
}

/// The memo of an original's parts.
fn parts_memo(job: &Job, file: FileId) -> MemoKey {
    MemoKey::new(job.handle.id, "parts", file.to_string())
}
