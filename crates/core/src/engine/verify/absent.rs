//! Files whose object the listing no longer has: asked for once more, then looked for elsewhere and in the bin.

use futures_util::StreamExt as _;

use super::telling::Sight;
use super::{ASKING, Verify, compare_published, compare_read, expected, renewed};
use crate::digest::{Algo, Digests};
use crate::engine::Engine;
use crate::engine::survey::holding;
use crate::error::{Look, StoreError};
use crate::ledger::FoundRow;
use crate::proof::{Comparison, Evidence};
use crate::row::FileRow;
use crate::state::{Event, Reason, State};
use crate::store::{Binned, Found, Holding};
use crate::words::{RelPath, fold};

/// Objects of the same content that are considered for one file.
const CANDIDATES: usize = 8;

impl Verify<'_> {
    /// Settles what became of files whose object is gone.
    pub(super) async fn look_for_gone(&mut self, rows: Vec<FileRow>) -> Result<(), StoreError> {
        let (engine, job) = (self.engine, self.job);
        let asked: Vec<(FileRow, Look<Found>)> = futures_util::stream::iter(rows)
            .map(|row| async move {
                let look = ask(engine, job, &row).await;
                (row, look)
            })
            .buffered(ASKING)
            .collect()
            .await;
        let mut lost = Vec::new();
        for (row, look) in asked {
            self.engine.go_on("verify")?;
            match look {
                Look::Unknown(error) if error.code.is_some() => return Err(error),
                Look::Unknown(error) => {
                    tracing::debug!(file = %row.id, error = %error.chain(), "could not look");
                    self.report.unknown += 1;
                }
                Look::Present(Found::File(there)) => self.is_replaced(row, there).await?,
                Look::Present(Found::Folder(_)) | Look::Absent => match self.lies_elsewhere(&row).await? {
                    Some((reason, sight)) => self.find(row, reason, sight).await?,
                    None => lost.push(row),
                },
            }
        }
        self.search_bin(lost).await
    }

    /// Something stands at the file's path, and it is not the object that was proven.
    async fn is_replaced(&mut self, mut row: FileRow, there: Holding) -> Result<(), StoreError> {
        if let Some(ours) = &row.holding
            && ours.item == there.item
        {
            // The listing lagged behind: the next one shows it.
            self.report.unknown += 1;
            return Ok(());
        }
        let at = self.engine.clock.now();
        let mut compared = compare_published(&row, &there.evidence, at);
        if compared == Comparison::Undecided {
            let read = self.engine.read_back(self.job, &row, &there).await?;
            compared = compare_read(&row, &read, at);
        }
        match compared {
            Comparison::Proven(proof) => {
                let sense = proof.sense();
                let holding = Some(Box::new(renewed(&row, there.clone())));
                match row.state {
                    State::Success => {
                        let event = Event::Checked { sense, holding, sha256: None, proof: None };
                        self.engine.note(&self.job.handle, &mut row, vec![event]).await?;
                        self.report.held += 1;
                    }
                    _ => self.recover(row, there, proof).await?,
                }
                Ok(())
            }
            Comparison::Undecided => {
                self.report.unknown += 1;
                Ok(())
            }
            Comparison::Differs(words) => {
                let found = self.engine.ledger.found_item(self.job.tree, &there.item).await?;
                let by = found.and_then(|found| found.changed_by);
                let reason = if by.is_some() { Reason::Edited } else { Reason::ChangedAtDestination };
                let sight = Sight::of(format!("another object stands there: {words}")).by(by.as_deref());
                self.find(row, reason, Sight { item: Some(there.item), ..sight }).await
            }
        }
    }

    /// The finding where the same content lies elsewhere in the job's part of the destination, held for nobody.
    async fn lies_elsewhere(&mut self, row: &FileRow) -> Result<Option<(Reason, Sight)>, StoreError> {
        let Some(held) = &row.holding else { return Ok(None) };
        let content = published(&held.evidence, &self.job.destination.caps().publishes);
        let like = self.engine.ledger.found_like(self.job.tree, &content, CANDIDATES).await?;
        for found in like {
            let free = self.engine.ledger.holders(self.job.handle.id, &found.item).await?.is_empty();
            if !free || self.claimed.contains(&found.item) {
                continue;
            }
            let Some(place) = self.path_of(&found).await? else { continue };
            if !self.is_ours(&place.path) || !self.is_the_same(row, &found).await? {
                continue;
            }
            self.claimed.insert(found.item.clone());
            let reason = if place.by.is_some() { Reason::MovedByUser } else { Reason::Misplaced };
            let sight = Sight::of(format!("now at {}", place.path)).by(place.by.as_deref());
            return Ok(Some((reason, Sight { item: Some(found.item), at: Some(place.path), ..sight })));
        }
        Ok(None)
    }

    /// True where the listing's digests tell that it is the same content, or reading shows it.
    pub(super) async fn is_the_same(&self, row: &FileRow, found: &FoundRow) -> Result<bool, StoreError> {
        let at = self.engine.clock.now();
        match compare_published(row, &found.evidence, at) {
            Comparison::Proven(_) => Ok(true),
            Comparison::Differs(_) => Ok(false),
            Comparison::Undecided => match self.engine.read_back(self.job, row, &holding(found)).await {
                Ok(read) => Ok(matches!(compare_read(row, &read, at), Comparison::Proven(_))),
                Err(error) if error.code.is_some() => Err(error),
                // Unknown is not the same: nothing is concluded from it but that it is not shown.
                Err(_) => Ok(false),
            },
        }
    }

    /// Looks through the recycle bin for what is nowhere else: one listing for all of them.
    async fn search_bin(&mut self, rows: Vec<FileRow>) -> Result<(), StoreError> {
        let mut lost = Vec::with_capacity(rows.len());
        for row in rows {
            let gone = self.is_folder_gone(&row).await?;
            lost.push((row, gone));
        }
        let mut page = None;
        while !lost.is_empty() && self.report.bin_unread.is_none() {
            self.engine.go_on("verify")?;
            let (items, next) = match self.job.destination.bin(page).await {
                Ok(answer) => answer,
                Err(error) if error.kind == crate::ErrorKind::Stopped => return Err(error),
                Err(error) => {
                    self.report.bin_unread = Some(error.chain().to_string());
                    break;
                }
            };
            for binned in items {
                let Some(path) = &binned.path else { continue };
                while let Some(at) = lost.iter().position(|(row, gone)| is_binned(row, *gone, path, &binned))
                {
                    let (row, _) = lost.swap_remove(at);
                    let sight = match &binned.by {
                        Some(person) => Sight::of("deleted; it lies in the recycle bin").by(Some(person)),
                        None => Sight::of("it lies in the recycle bin; who deleted it is not said"),
                    };
                    self.find(row, Reason::DeletedByUser, sight).await?;
                }
            }
            match next {
                Some(cursor) => page = Some(cursor),
                None => break,
            }
        }
        for (row, _) in lost {
            let words = match &self.report.bin_unread {
                Some(why) => {
                    format!("the destination no longer holds it; the recycle bin could not be read: {why}")
                }
                None => "the destination no longer holds it".to_owned(),
            };
            self.find(row, Reason::AbsentAtDestination, Sight::of(words)).await?;
        }
        Ok(())
    }

    /// True where the folder that a file was sent into is no longer listed: it may have been deleted as a whole.
    async fn is_folder_gone(&self, row: &FileRow) -> Result<bool, StoreError> {
        let Some(folder) = row.folder_item.as_ref().filter(|item| **item != self.job.destination.root())
        else {
            return Ok(false);
        };
        Ok(self.engine.ledger.found_item(self.job.tree, folder).await?.is_none())
    }
}

/// True where something in the recycle bin is a file, or a folder with which it went.
fn is_binned(row: &FileRow, folder_gone: bool, path: &RelPath, binned: &Binned) -> bool {
    let Some(wanted) = row.dest_path().map(|wanted| fold(wanted.as_str())) else { return false };
    let path = fold(path.as_str());
    let below = || wanted.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'));
    (wanted == path && expected(row).size == binned.size) || (folder_gone && below())
}

/// What a listing says of this content: only the digests that the place publishes.
fn published(evidence: &Evidence, publishes: &[Algo]) -> Evidence {
    let digest = |algo| evidence.digests.get(algo).filter(|_| publishes.contains(&algo)).cloned();
    let digests =
        Digests { sha256: digest(Algo::Sha256), sha1: digest(Algo::Sha1), quickxor: digest(Algo::QuickXor) };
    Evidence { size: evidence.size, digests }
}

/// Asks for the one file at its path: a listing may lag behind, and absence is a grave thing to say.
async fn ask(engine: &Engine, job: &crate::engine::Job, row: &FileRow) -> Look<Found> {
    let Some(folder) = &row.folder_item else { return Look::Absent };
    if let Err(error) = engine.go_on("verify") {
        return Look::Unknown(error);
    }
    job.destination.find(folder, row.dest_name()).await
}
