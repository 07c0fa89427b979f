//! What is mended at the destination itself: moved back, dated again, a double taken away.

use super::{About, Mended, Open, Remedy};
use crate::engine::survey::holding;
use crate::engine::verify::{Detail, compare_published, compare_read, renewed};
use crate::engine::{Engine, Job, Shown, trouble};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::{FolderRow, Looked};
use crate::proof::Comparison;
use crate::row::FileRow;
use crate::state::{Event, State};
use crate::store::{Holding, make_folder_at};

impl Engine {
    /// Carries out one remedy that sends nothing, or none where none is due.
    pub(super) async fn mend_one(&self, job: &Job, open: Open) -> Result<Mended, StoreError> {
        self.go_on("repair")?;
        let Open { look, reason, about, remedy } = open;
        let outcome = match (remedy, about) {
            (Remedy::Move, About::File(row)) => self.move_back(job, *row, &look).await,
            (Remedy::SetTimes, About::File(row)) => self.date_again(job, *row).await,
            (Remedy::RemoveDouble, About::File(row)) => self.remove_double(job, &row, &look).await,
            (Remedy::SetTimes | Remedy::MakeFolder, About::Folder(row)) => self.mend_folder(job, *row).await,
            _ => Ok(()),
        };
        let words = trouble(outcome)?;
        let mended = remedy.acts() && words.is_empty();
        if mended {
            self.close(job, &look.subject).await?;
        }
        Ok(Mended { path: look.owner, finding: reason.to_string(), remedy, mended, words })
    }

    /// Takes a finding out of those that are open: a proof has closed it.
    pub(super) async fn close(&self, job: &Job, subject: &str) -> Result<(), StoreError> {
        self.ledger.unlook(&job.handle, vec![subject.to_owned()]).await
    }

    /// Moves an object back to where it was sent, and proves what stands there then.
    async fn move_back(&self, job: &Job, row: FileRow, look: &Looked) -> Result<(), StoreError> {
        let held = row.holding.clone().map(|held| held.item);
        let item = Detail::of(look).item().or(held).ok_or_else(|| nothing(&row))?;
        let found = self.ledger.found_item(job.tree, &item).await?.ok_or_else(|| nothing(&row))?;
        let folder = row.folder_target.clone().ok_or_else(|| nothing(&row))?;
        let parent = make_folder_at(job.destination.as_ref(), &folder).await?;
        let there = job.destination.relocate(&holding(&found), &parent, row.dest_name()).await?;
        self.prove_again(job, row, there).await
    }

    /// Proves by what the destination publishes, else by reading, that it holds the file again.
    pub(super) async fn prove_again(
        &self,
        job: &Job,
        mut row: FileRow,
        there: Holding,
    ) -> Result<(), StoreError> {
        let at = self.clock.now();
        let mut compared = compare_published(&row, &there.evidence, at);
        if compared == Comparison::Undecided {
            let read = self.read_back(job, &row, &there).await?;
            compared = compare_read(&row, &read, at);
        }
        let proof = match compared {
            Comparison::Proven(proof) => proof,
            Comparison::Differs(words) => return Err(differs(&row, &words)),
            Comparison::Undecided => return Err(differs(&row, "no digest in common")),
        };
        if row.state != State::Success {
            let shown = Shown { there, proof, sent: crate::Digests::none() };
            return self.land_again(job, &mut row, shown, "mended").await;
        }
        let holding = Some(Box::new(renewed(&row, there)));
        let event = Event::Checked { sense: proof.sense(), holding, sha256: None, proof: None };
        self.note(&job.handle, &mut row, vec![event]).await
    }

    /// Makes sure that a folder is there, and dates it again.
    async fn mend_folder(&self, job: &Job, row: FolderRow) -> Result<(), StoreError> {
        let name = row.name.clone().unwrap_or_default();
        let gone =
            || StoreError::new(ErrorKind::NotFound, "mend", &name, "it takes part no longer; verify again");
        let target = row.target.as_ref().ok_or_else(gone)?;
        let item = make_folder_at(job.destination.as_ref(), target).await?;
        self.ledger.bind_folder(&job.handle, row.id, Some(item.clone())).await?;
        for answer in job.destination.set_folder_times(&[(item, row.times.whole_seconds())]).await {
            answer?;
        }
        self.ledger.folder_timed(&job.handle, row.id).await
    }

    async fn date_again(&self, job: &Job, row: FileRow) -> Result<(), StoreError> {
        let item = row.holding.clone().ok_or_else(|| nothing(&row))?.item;
        let there = job.destination.set_times(&item, row.entry.times.whole_seconds()).await?;
        self.prove_again(job, row, there).await
    }

    /// Takes a double away, if the file that it repeats is proven and it is still its double.
    async fn remove_double(&self, job: &Job, row: &FileRow, look: &Looked) -> Result<(), StoreError> {
        let item = Detail::of(look).item().ok_or_else(|| nothing(row))?;
        let found = self.ledger.found_item(job.tree, &item).await?.ok_or_else(|| nothing(row))?;
        let ours = row.holding.as_ref().ok_or_else(|| nothing(row))?;
        if row.state != State::Success || ours.item == item {
            return Err(differs(row, "the file that it repeats is not proven"));
        }
        // The one that stays is read from the service anew: a listing may lag.
        let stays = match &row.folder_item {
            Some(folder) => job.destination.find(folder, row.dest_name()).await,
            None => crate::Look::Absent,
        };
        match stays {
            crate::Look::Present(crate::store::Found::File(stays)) if stays.item == ours.item => {
                // Before the other one goes this one is shown to be the file, now.
                self.prove_again(job, row.clone(), stays).await?;
                job.destination.remove(&holding(&found)).await
            }
            crate::Look::Unknown(error) => Err(error),
            _ => Err(differs(row, "the file that it repeats no longer stands there")),
        }
    }
}

fn nothing(row: &FileRow) -> StoreError {
    StoreError::new(
        ErrorKind::NotFound,
        "mend",
        &row.entry.name,
        "what was found is there no longer; verify again",
    )
}

fn differs(row: &FileRow, words: &str) -> StoreError {
    StoreError::new(ErrorKind::Changed, "mend", &row.entry.name, words.to_owned())
}
