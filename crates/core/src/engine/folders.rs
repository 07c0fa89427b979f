//! Folders at the destination: parents before children, each made once, by many workers at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::engine::{Engine, Job};
use crate::error::StoreError;
use crate::row::Standing;
use crate::words::{FolderId, ItemKey, RelPath, Times, fold};

/// Folders remembered at a time; past that all are forgotten and asked for anew, which changes nothing.
const REMEMBERED: usize = 20_000;
/// Folders whose times are set in one request.
const TIMED_AT_ONCE: usize = 20;

type Cell = Arc<OnceCell<ItemKey>>;

/// Makes or adopts folders, each once.
pub(super) struct Folders {
    engine: Engine,
    job: Arc<Job>,
    cells: Mutex<BTreeMap<String, Cell>>,
    bound: Mutex<BTreeSet<FolderId>>,
}

impl Folders {
    pub(super) fn new(engine: Engine, job: Arc<Job>) -> Self {
        Self { engine, job, cells: Mutex::default(), bound: Mutex::default() }
    }

    /// The destination's folder at a path; it and its parents are made where they are not there.
    ///
    /// # Errors
    /// As the destination's `ensure_folder`; a failed one is tried anew by the next caller.
    pub(super) fn at<'a>(
        &'a self,
        target: &'a RelPath,
    ) -> Pin<Box<dyn Future<Output = Result<ItemKey, StoreError>> + Send + 'a>> {
        Box::pin(async move {
            let Some(parent) = target.parent() else { return Ok(self.job.destination.root()) };
            let cell = self.cell(target);
            cell.get_or_try_init(|| async {
                let parent = self.at(&parent).await?;
                self.job.destination.ensure_folder(&parent, target.name(), target).await
            })
            .await
            .cloned()
        })
    }

    /// The same for a source folder, bound in the ledger so that no later run asks.
    pub(super) async fn of(
        &self,
        folder: FolderId,
        target: &RelPath,
        known: Option<&ItemKey>,
    ) -> Result<ItemKey, StoreError> {
        if let Some(item) = known {
            return Ok(item.clone());
        }
        let item = self.at(target).await?;
        let first = {
            let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
            if bound.len() >= REMEMBERED {
                bound.clear();
            }
            bound.insert(folder)
        };
        if first {
            self.engine.ledger.bind_folder(&self.job.handle, folder, Some(item.clone())).await?;
        }
        Ok(item)
    }

    /// Forgets a folder that turned out not to be there, and everything below it.
    pub(super) async fn lost(&self, folder: FolderId, target: &RelPath) -> Result<(), StoreError> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tracing::debug!(folder = %target, "destination folder is gone, it will be made again");
        self.engine.ledger.bind_folder(&self.job.handle, folder, None).await
    }

    fn cell(&self, target: &RelPath) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= REMEMBERED {
            cells.clear();
        }
        cells.entry(fold(target.as_str())).or_default().clone()
    }

    /// Carries every folder of the job, empty ones too, and sets their times; returns how many folders
    /// could not be carried, or not with their times.
    pub(super) async fn finish(&self) -> Result<u64, StoreError> {
        let mut failed = 0;
        for slot in &self.job.slots {
            let mut after: Option<RelPath> = None;
            let mut due: Vec<(FolderId, ItemKey, Times)> = Vec::new();
            loop {
                let rows =
                    self.engine.ledger.folders(self.job.handle.id, slot.id, after.as_ref(), 500).await?;
                let Some(last) = rows.last() else { break };
                after = last.path.clone();
                for row in rows {
                    self.engine.go_on(&slot.label)?;
                    let Some(target) = row.target.as_ref().filter(|_| row.standing == Standing::In) else {
                        continue;
                    };
                    let refused = self.job.destination.refuses(target, true).is_some();
                    let carried = match refused {
                        true => None,
                        false => self.carry(row.id, target, row.dest_item.as_ref()).await?,
                    };
                    let Some(item) = carried else {
                        failed += 1;
                        continue;
                    };
                    // The folder that the job begins at is the user's own, not a copy of one.
                    let own = *target == slot.prefix;
                    if !row.timed && !own && row.times.modified.is_some() {
                        due.push((row.id, item, row.times.whole_seconds()));
                    }
                    if due.len() >= TIMED_AT_ONCE {
                        failed += self.set_times(&mut due).await?;
                    }
                }
            }
            failed += self.set_times(&mut due).await?;
        }
        Ok(failed)
    }

    /// Makes one folder; an obstacle in its way is the files' concern and does not end the run.
    async fn carry(
        &self,
        folder: FolderId,
        target: &RelPath,
        known: Option<&ItemKey>,
    ) -> Result<Option<ItemKey>, StoreError> {
        match self.of(folder, target, known).await {
            Ok(item) => Ok(Some(item)),
            Err(error) if error.code.is_some() => Err(error),
            Err(error) => {
                tracing::warn!(folder = %target, error = %error.chain(), "folder could not be carried");
                Ok(None)
            }
        }
    }

    async fn set_times(&self, due: &mut Vec<(FolderId, ItemKey, Times)>) -> Result<u64, StoreError> {
        let mut failed = 0;
        if due.is_empty() {
            return Ok(failed);
        }
        let folders: Vec<(ItemKey, Times)> =
            due.iter().map(|(_, item, times)| (item.clone(), *times)).collect();
        let answers = self.job.destination.set_folder_times(&folders).await;
        for ((folder, item, _), answer) in due.drain(..).zip(answers) {
            match answer {
                Ok(()) => self.engine.ledger.folder_timed(&self.job.handle, folder).await?,
                Err(error) if error.code.is_some() => return Err(error),
                Err(error) => {
                    failed += 1;
                    tracing::warn!(folder = %item, error = %error.chain(), "folder times could not be set");
                }
            }
        }
        Ok(failed)
    }
}
