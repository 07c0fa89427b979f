//! Proving: what the destination says it holds against what we know of the content.
//!
//! Most files are proven by the answer to their own upload. What is left (found there, hash late,
//! rewritten, copied by the service) is judged here from one listing for many files, and read back
//! where the destination publishes no digest at all. Nothing here deletes or sends anything.

mod judge;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::engine::prove::judge::proving;
pub(super) use crate::engine::prove::judge::rewritable;
use crate::engine::survey::holding;
use crate::engine::{Engine, Job};
use crate::error::{ErrorKind, Look, StoreError};
use crate::ledger::FileFilter;
use crate::memo::MemoKey;
use crate::proof::{Comparison, Evidence};
use crate::row::FileRow;
use crate::state::{Event, Reason, State};
use crate::store::{Found, Holding, Listed};
use crate::words::{FileId, ItemKey, fold};

/// Files found in their place that are judged side by side.
const JUDGED_AT_ONCE: usize = 8;

const BATCH: usize = 200;
/// First pause before a late hash is asked for again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

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
}

/// True where the object the listing names is the one the row knows, or the row knows none.
///
/// A listing may lag behind our own upload: an older object under that name says nothing then.
fn newer_is_known(row: &FileRow, item: &ItemKey) -> bool {
    row.holding.as_ref().is_none_or(|h| h.item == *item)
}

/// The name under which a destination remembers this file's upload.
pub(super) fn session_memo(job: &Job, file: FileId) -> MemoKey {
    MemoKey::new(job.handle.id, "session", file.to_string())
}
