//! Other people's work taken as the new truth.
//!
//! What a person changed is read back once, and from then on that content is what is expected: the row is
//! SUCCESS with the source leg `accepted`, so that nobody mistakes it for the source's bytes. A move is
//! remembered; a deletion stays NG, for nothing is there, and is neither missed nor tried again.

use serde::Serialize;

use crate::engine::verify::{ACCEPTED, Detail, file_of};
use crate::engine::{Engine, Job, Shown, trouble};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::{FoundRow, LookFilter, Looked};
use crate::memo::{MemoKey, MemoValue};
use crate::proof::{Comparison, Proof, ProofKind, SourceLeg};
use crate::row::FileRow;
use crate::state::{Event, Reason};
use crate::words::ItemKey;

const BATCH: usize = 500;

/// What became of one finding that was to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The path.
    pub path: String,
    /// The finding.
    pub finding: String,
    /// Whether it is settled.
    pub accepted: bool,
    /// Why not, in words.
    pub words: String,
}

impl Engine {
    /// Accepts the open findings at paths that `wanted` takes. `told` hears of each.
    ///
    /// # Errors
    /// The ledger's own, and what must end everything; a single file's trouble is told.
    pub async fn accept(
        &self,
        job: &Job,
        wanted: &(dyn Fn(&str, Reason) -> bool + Sync),
        dry_run: bool,
        told: &(dyn Fn(&Accepted) + Sync),
    ) -> Result<(), StoreError> {
        let filter = LookFilter { findings: true, section: None };
        let mut after = String::new();
        loop {
            let looks = self.ledger.looks(job.handle.id, &filter, &after, BATCH).await?;
            let Some(last) = looks.last() else { return Ok(()) };
            after.clone_from(&last.subject);
            for look in looks {
                self.go_on("accept")?;
                let Some(reason) = look.finding.as_deref().and_then(Reason::parse) else { continue };
                if !wanted(&look.owner, reason) {
                    continue;
                }
                let path = look.owner.clone();
                let outcome = if dry_run { Ok(()) } else { self.accept_one(job, look, reason).await };
                let words = trouble(outcome)?;
                let finding = reason.to_string();
                told(&Accepted { path, finding, accepted: words.is_empty(), words });
            }
        }
    }

    async fn accept_one(&self, job: &Job, look: Looked, reason: Reason) -> Result<(), StoreError> {
        let row = match file_of(&look.subject) {
            Some(id) => self.file(job, id).await?,
            None => None,
        };
        let (subject, detail) = (look.subject.as_str(), Detail::of(&look));
        match (reason, &row) {
            (Reason::AbsentAtDestination | Reason::DeletedByUser, Some(row)) => {
                let comment = look.owner.clone();
                let event = Event::Observed { reason: Reason::DeletionAccepted, comment };
                self.note(&job.handle, &mut row.clone(), vec![event]).await?;
            }
            (Reason::Edited | Reason::ChangedAtDestination, Some(row)) => {
                let found = self.found_for(job, row, &detail).await?;
                self.accept_content(job, row.clone(), &found).await?;
            }
            (Reason::Misplaced | Reason::MovedByUser, Some(row)) => {
                let found = self.found_for(job, row, &detail).await?;
                self.remember(job, subject, detail.at.as_deref().unwrap_or_default()).await?;
                self.prove_again(job, row.clone(), crate::engine::survey::holding(&found)).await?;
            }
            (_, row) => {
                // What does not touch a proof is settled for the object as it is now.
                let item =
                    detail.item().or_else(|| row.as_ref()?.holding.as_ref().map(|held| held.item.clone()));
                let revision = match &item {
                    Some(item) => self.revision(job, item).await?,
                    None => String::new(),
                };
                self.remember(job, subject, &revision).await?;
            }
        }
        self.close(job, subject).await
    }

    async fn found_for(&self, job: &Job, row: &FileRow, detail: &Detail) -> Result<FoundRow, StoreError> {
        let gone = || {
            let detail = "it is there no longer; verify again";
            StoreError::new(ErrorKind::NotFound, "accept", &row.entry.name, detail)
        };
        let item = detail.item().or_else(|| row.holding.as_ref().map(|held| held.item.clone()));
        self.ledger.found_item(job.tree, &item.ok_or_else(gone)?).await?.ok_or_else(gone)
    }

    /// Reads what a person made of the file, and expects that from now on.
    async fn accept_content(&self, job: &Job, mut row: FileRow, found: &FoundRow) -> Result<(), StoreError> {
        let there = crate::engine::survey::holding(found);
        let read = self.read_back(job, &row, &there).await?;
        let leg = SourceLeg::Accepted;
        let proof = match Proof::compare(&read, &there.evidence, leg, ProofKind::Hash, self.clock.now()) {
            Comparison::Proven(proof) => proof,
            Comparison::Undecided if there.evidence.digests.is_empty() => {
                match Proof::compare(&read, &read, leg, ProofKind::Bytes, self.clock.now()) {
                    Comparison::Proven(proof) => proof,
                    _ => return Err(self.unlike(&row, "it has no digest")),
                }
            }
            Comparison::Undecided => return Err(self.unlike(&row, "no digest in common")),
            Comparison::Differs(words) => return Err(self.unlike(&row, &words)),
        };
        let shown = Shown { there, proof, sent: read.digests };
        self.land_again(job, &mut row, shown, "accepted as it is").await
    }

    fn unlike(&self, row: &FileRow, words: &str) -> StoreError {
        let detail = format!("it is no longer what the listing shows ({words}); verify again");
        StoreError::new(ErrorKind::Changed, "accept", &row.entry.name, detail)
    }

    async fn revision(&self, job: &Job, item: &ItemKey) -> Result<String, StoreError> {
        let found = self.ledger.found_item(job.tree, item).await?;
        Ok(found.and_then(|found| found.revision).map(|revision| revision.0).unwrap_or_default())
    }

    async fn remember(&self, job: &Job, subject: &str, text: &str) -> Result<(), StoreError> {
        let key = MemoKey::new(job.handle.id, ACCEPTED, subject.to_owned());
        self.ledger.remember(&key, MemoValue { text: text.to_owned(), secret: false, expires: None }).await
    }
}
