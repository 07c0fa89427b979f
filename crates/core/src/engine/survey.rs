//! The survey: one listing of the destination settles what is already there.
//!
//! It binds the job's folders to those that exist, and finds files that lie where ours would go. It
//! costs a page a thousand objects the first time and only changes afterwards, never a request a file.

use std::time::Duration;

use crate::engine::crawl::passes;
use crate::engine::mover::{found_via, same_object};
use crate::engine::{Engine, Job};
use crate::error::{ErrorKind, StoreError};
use crate::ledger::{Enrolment, FileFilter, FolderRow, FoundRow, Record};
use crate::proof::agree;
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State};
use crate::store::Holding;
use crate::words::{FileId, ItemKey, RelPath, SourceId, fold, fold_hash};

const BATCH: usize = 500;
/// Times a broken listing is taken up again.
const RESTARTS: u32 = 6;

impl Engine {
    /// Reads all that the destination holds into the ledger, whatever was known of it before.
    ///
    /// # Errors
    /// Where it cannot be listed; what was read stays.
    pub async fn list_destination(&self, job: &Job) -> Result<(), StoreError> {
        self.meter.phase(2);
        let listed = self.look_at_destination(job, true).await;
        self.meter.phase(0);
        listed
    }

    /// Reads what the destination holds (or, unless `anew`, what changed there since the last look) into the
    /// ledger.
    ///
    /// # Errors
    /// Where it cannot be listed; what was read stays.
    pub(super) async fn look_at_destination(&self, job: &Job, anew: bool) -> Result<(), StoreError> {
        let at = self.ledger.tree_cursor(job.tree).await?;
        let interrupted = at.pass > 0 && !at.complete && at.cursor.is_some();
        if !interrupted {
            let incremental =
                !anew && at.complete && at.cursor.is_some() && job.destination.caps().incremental;
            self.ledger.begin_tree_pass(job.tree, !incremental).await?;
        }
        let mut broken = 0;
        loop {
            match self.observe_pages(job).await {
                Ok(()) => break,
                Err(error) if !passes(&error) || broken >= RESTARTS => {
                    return Err(error);
                }
                Err(error) => {
                    broken += 1;
                    tracing::debug!(error = %error.chain(), "destination listing broke, going on from its cursor");
                    tokio::time::sleep(self.chance.jitter(Duration::from_secs(1 << broken))).await;
                    if self.ledger.tree_cursor(job.tree).await?.cursor.is_none() {
                        self.ledger.begin_tree_pass(job.tree, true).await?;
                    }
                }
            }
        }
        self.ledger.settle_found(job.tree).await?;
        Ok(())
    }

    async fn observe_pages(&self, job: &Job) -> Result<(), StoreError> {
        let mut at = self.ledger.tree_cursor(job.tree).await?;
        let mut listing = job.destination.changes(at.cursor.clone()).await?;
        while let Some(page) = listing.next().await? {
            self.go_on("destination")?;
            if page.restarted {
                at = self.ledger.begin_tree_pass(job.tree, true).await?;
            }
            self.meter.found(page.items.len());
            let complete = page.complete;
            let page = Enrolment {
                source: SourceId(0),
                pass: at.pass,
                items: page.items,
                cursor: page.cursor,
                complete,
                at: self.clock.now(),
            };
            self.ledger.observe(job.tree, page).await?;
            if complete {
                return Ok(());
            }
        }
        Err(StoreError::new(
            ErrorKind::Interrupted,
            "list",
            "destination",
            "the listing ended before its last page",
        ))
    }

    /// Binds folders of the job to those that the destination holds, and unbinds those it no longer does.
    pub(super) async fn bind_folders(&self, job: &Job) -> Result<(), StoreError> {
        for slot in &job.slots {
            let mut walk = Walk::default();
            let mut after: Option<RelPath> = None;
            loop {
                let rows = self.ledger.folders(job.handle.id, slot.id, after.as_ref(), BATCH).await?;
                let Some(last) = rows.last() else { break };
                after = last.path.clone();
                for row in rows.iter().filter(|r| r.standing == Standing::In) {
                    self.bind_folder_found(job, row, &mut walk).await?;
                }
            }
        }
        Ok(())
    }

    async fn bind_folder_found(&self, job: &Job, row: &FolderRow, walk: &mut Walk) -> Result<(), StoreError> {
        let Some(target) = &row.target else { return Ok(()) };
        let found = self.walk_to(job, target, walk).await?;
        if found != row.dest_item {
            self.ledger.bind_folder(&job.handle, row.id, found).await?;
        }
        Ok(())
    }

    /// The destination folder at a path, by the ledger's record of the destination.
    async fn walk_to(
        &self,
        job: &Job,
        target: &RelPath,
        walk: &mut Walk,
    ) -> Result<Option<ItemKey>, StoreError> {
        let root = job.destination.root();
        let segments: Vec<&str> = target.segments().collect();
        let shared = walk.0.iter().zip(&segments).take_while(|((name, _), wanted)| name == *wanted).count();
        walk.0.truncate(shared);
        while let Some(name) = segments.get(walk.0.len()) {
            let parent = match walk.0.last() {
                Some((_, Some(item))) => Some(item.clone()),
                Some((_, None)) => return Ok(None),
                None => None,
            };
            let rows = self.ledger.found_child(job.tree, parent.as_ref(), fold_hash(name)).await?;
            let item = rows.into_iter().find(|r| r.folder && fold(&r.name) == fold(name)).map(|r| r.item);
            walk.0.push(((*name).to_owned(), item));
        }
        Ok(match walk.0.last() {
            Some((_, item)) => item.clone(),
            None => Some(root),
        })
    }

    /// Takes note of files that already lie where ours would go: they become DUPE and get proven.
    pub(super) async fn take_note_of_present(&self, job: &Job) -> Result<u64, StoreError> {
        let filter = FileFilter { states: vec![State::Pending, State::Local], ..FileFilter::default() };
        let mut after = FileId(0);
        let mut noted = 0;
        loop {
            self.go_on("destination")?;
            let pairs = self.ledger.matches(job.handle.id, job.tree, &filter, after, BATCH).await?;
            let Some((last, _)) = pairs.last() else { return Ok(noted) };
            after = last.id;
            let at = self.clock.now();
            let records: Vec<Record> = pairs
                .iter()
                .filter(|(row, found)| is_same_place(row, found))
                // What is to be replaced is not taken for the file, whatever hash it publishes.
                .filter(|(row, found)| !job.policy.is_shown_wrong(&row.entry.key, found.revision.as_ref()))
                .map(|(row, found)| Record {
                    file: row.id,
                    expect: row.state,
                    event: present(row, found),
                    at,
                })
                .collect();
            noted += records.len() as u64;
            if !records.is_empty() {
                self.ledger.record(&job.handle, records).await?;
            }
        }
    }
}

/// The folders on the way to the last path asked for, so that the next one shares them.
#[derive(Default)]
struct Walk(Vec<(String, Option<ItemKey>)>);

pub(super) fn is_same_place(row: &FileRow, found: &FoundRow) -> bool {
    // Our own earlier landing of content that has changed since is not news: the mover replaces it.
    let untouched = row.holding.as_ref().is_some_and(|h| same_object(h, &holding(found)));
    let (outdated, known) = match agree(&row.evidence(), &found.evidence) {
        Some(same) => (untouched && !same, false),
        None => (untouched && is_superseded(row), is_known_to_differ(row)),
    };
    // An empty file is made in two steps; one that we began may lack its times, which the upload mends.
    let half_made = row.intended && row.entry.size.0 == 0;
    !found.folder && !outdated && !known && !half_made && fold(&found.name) == fold(row.dest_name())
}

/// True where what is held is an earlier content's: nothing of the present one has landed.
pub(super) fn is_superseded(row: &FileRow) -> bool {
    row.via.is_none()
}

/// True where what stands in a file's place was read and is another content: no digest would say so again.
pub(super) fn is_known_to_differ(row: &FileRow) -> bool {
    row.reason == Some(Reason::DifferentAtDestination)
}

pub(super) fn present(row: &FileRow, found: &FoundRow) -> Event {
    let via = found_via(row);
    Event::Present {
        holding: holding(found),
        via,
        sent: crate::Digests::none(),
        leg: None,
        reason: Reason::Unproven,
    }
}

/// The folder that holds an object, the root's own key for what lies there.
pub(super) fn lies_in(job: &Job, found: &FoundRow) -> ItemKey {
    found.parent.clone().unwrap_or_else(|| job.destination.root())
}

/// What a listing says, as a holding.
pub(super) fn holding(found: &FoundRow) -> Holding {
    Holding { item: found.item.clone(), revision: found.revision.clone(), evidence: found.evidence.clone() }
}
