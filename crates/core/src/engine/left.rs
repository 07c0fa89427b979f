//! The capture of what stays behind at the sources: who was let in, earlier versions, labels.
//!
//! Folders first, by path, because a grant on a folder holds for everything below and services repeat it there
//! without saying so; then files by id. Each page of answers is one memo ([`kept`]): killed and begun again it goes
//! on behind the last one. Memory: a page, and 8 bytes a grant for each folder that somebody was let into.

mod kept;

pub use kept::{Capture, Captured, CapturedPage, CapturedPages};

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_util::future::join_all;

use crate::code::Code;
use crate::engine::{Engine, Job, Slot};
use crate::error::{ErrorKind, Look, Retry, StoreError};
use crate::ledger::{FileFilter, FolderRow};
use crate::row::{FileRow, Standing};
use crate::store::{Bearer, Fee, Grant, LeftBehind, LeftPrices};
use crate::words::{FileId, RelPath};
use kept::Position;

/// Things asked about before the answers are kept: ten batches of Graph's at once.
const PAGE: usize = 200;

/// What a capture would ask, and what that costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftPlan {
    /// Files to be asked about, of those sources that can tell.
    pub files: u64,
    /// Folders; some on the way to the job's own may come on top.
    pub folders: u64,
    /// Where nothing is shared and nothing has a history.
    pub least: Fee,
    /// Where everything is shared and has a history.
    pub most: Fee,
    /// True where one that was cut off is gone on with.
    pub resumes: bool,
}

/// A capture at work.
struct Course<'a> {
    job: &'a Job,
    capture: Capture,
    /// The number of its next page.
    nth: u64,
    at: Option<Position>,
    above: Above,
    asked: &'a AtomicU64,
}

impl Engine {
    /// Says what a capture would cost.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub async fn plan_left(&self, job: &Job) -> Result<LeftPlan, StoreError> {
        let mut plan = LeftPlan::default();
        for (slot, prices) in telling(job) {
            let tally = self.ledger.tally(job.handle.id, Some(slot.id)).await?;
            // The root itself is asked about as well.
            let (files, folders) = (tally.all().files, tally.folders + 1);
            plan.files += files;
            plan.folders += folders;
            for (sum, fee) in [
                (&mut plan.least, prices.least(files + folders)),
                (&mut plan.most, prices.most(files, folders)),
            ] {
                sum.requests += fee.requests;
                sum.units += fee.units;
            }
        }
        let before = Capture::under_way(self.ledger.as_ref(), job.handle.id).await?;
        plan.resumes = before.is_some_and(|capture| capture.sources == asked_of(job));
        Ok(plan)
    }

    /// Asks the sources what stays behind of everything that takes part, and keeps the answers. `asked` counts.
    ///
    /// # Errors
    /// What concerns everything: a stop, refused credentials, a service that answers nothing any more. What was
    /// asked is kept, and a repeat goes on there. A single thing that cannot be asked is kept as unknown.
    pub async fn capture_left(&self, job: &Job, asked: &AtomicU64) -> Result<Capture, StoreError> {
        let mut course = self.take_up(job, asked).await?;
        for (slot, prices) in telling(job) {
            self.capture_folders(&mut course, slot, prices).await?;
        }
        self.capture_files(&mut course).await?;
        course.capture.ended = Some(self.clock.now());
        course.capture.end(self.ledger.as_ref(), job.handle.id).await?;
        Ok(course.capture)
    }

    /// Goes on with the capture that was cut off, where it asked the same sources; else begins one.
    async fn take_up<'a>(&self, job: &'a Job, asked: &'a AtomicU64) -> Result<Course<'a>, StoreError> {
        let (ledger, id) = (self.ledger.as_ref(), job.handle.id);
        let last = Capture::last(ledger, id).await?.map(|capture| capture.number);
        let before = Capture::under_way(ledger, id).await?;
        let sources = asked_of(job);
        if let Some(capture) = before.clone().filter(|capture| capture.sources == sources) {
            let mut course = Course { job, capture, nth: 0, at: None, above: Above::default(), asked };
            let mut pages = course.capture.pages(ledger, id);
            while let Some(page) = pages.next().await? {
                course.learn(&page);
            }
            return Ok(course);
        }
        kept::erase(ledger, id, last.as_slice()).await?;
        let number = last.max(before.map(|capture| capture.number)).unwrap_or_default() + 1;
        let mut capture = Capture::new(number, self.clock.now());
        capture.sources = sources;
        let silent = job.slots.iter().filter(|slot| slot.source.left_prices().is_none());
        capture.silent = silent.map(|slot| slot.label.clone()).collect();
        let known = ledger.sources(id).await?;
        let missing = known.into_iter().filter(|row| job.slot(row.id).is_none());
        capture.unreached = missing.map(|row| row.label).collect();
        capture.begin(ledger, id).await?;
        Ok(Course { job, capture, nth: 0, at: None, above: Above::default(), asked })
    }

    async fn capture_folders(
        &self,
        course: &mut Course<'_>,
        slot: &Slot,
        prices: LeftPrices,
    ) -> Result<(), StoreError> {
        let mut after = match &course.at {
            Some(Position::Files(_)) => return Ok(()),
            Some(Position::Folders(source, _)) if *source > slot.id.0 => return Ok(()),
            Some(Position::Folders(source, path)) if *source == slot.id.0 => RelPath::new(path.clone()).ok(),
            _ => None,
        };
        loop {
            self.go_on(&slot.label)?;
            let rows = self.ledger.folders(course.job.handle.id, slot.id, after.as_ref(), PAGE).await?;
            let Some(last) = rows.last().and_then(|row| row.path.clone()) else { return Ok(()) };
            let mut page = CapturedPage::at(Position::Folders(slot.id.0, last.as_str().to_owned()));
            after = Some(last);
            let chosen: Vec<&FolderRow> = rows.iter().filter(|row| wanted(slot, row)).collect();
            let things: Vec<Bearer> = chosen.iter().map(|row| folder_bearer(slot, row)).collect();
            let answers = self.ask_left(slot, prices, &things).await?;
            for (row, answer) in chosen.iter().zip(answers) {
                page.folders += 1;
                let path = row.path.as_ref().map(RelPath::as_str).unwrap_or_default();
                let Some(mut left) = known(answer, true, &mut page) else { continue };
                course.above.mark(slot.id.0, parent_of(path), &mut left);
                course.above.learn(slot.id.0, path, &left);
                page.take(slot, path, true, left);
            }
            self.keep_left(course, page).await?;
        }
    }

    async fn capture_files(&self, course: &mut Course<'_>) -> Result<(), StoreError> {
        let mut after = match &course.at {
            Some(Position::Files(id)) => FileId(*id),
            _ => FileId(0),
        };
        let filter = FileFilter::default();
        loop {
            self.go_on("files")?;
            let rows = self.ledger.scan(course.job.handle.id, &filter, after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let mut page = CapturedPage::at(Position::Files(after.0));
            let mut by_source: BTreeMap<i64, Vec<&FileRow>> = BTreeMap::new();
            for row in &rows {
                by_source.entry(row.source.0).or_default().push(row);
            }
            for rows in by_source.into_values() {
                self.capture_rows(course, &rows, &mut page).await?;
            }
            self.keep_left(course, page).await?;
        }
    }

    /// Files of one source.
    async fn capture_rows(
        &self,
        course: &Course<'_>,
        rows: &[&FileRow],
        page: &mut CapturedPage,
    ) -> Result<(), StoreError> {
        let Some(slot) = rows.first().and_then(|row| course.job.slot(row.source)) else {
            page.unreached += rows.len() as u64;
            return Ok(());
        };
        let Some(prices) = slot.source.left_prices() else { return Ok(()) };
        let things: Vec<Bearer> = rows.iter().map(|row| file_bearer(row)).collect();
        for (row, answer) in rows.iter().zip(self.ask_left(slot, prices, &things).await?) {
            page.files += 1;
            let Some(mut left) = known(answer, false, page) else { continue };
            let folder = row.folder_path.as_ref().map(RelPath::as_str).unwrap_or_default();
            course.above.mark(slot.id.0, Some(folder), &mut left);
            left.grants.retain(|grant| !grant.inherited);
            let path = row.path().map_or_else(|| row.entry.name.clone(), String::from);
            page.take(slot, &path, false, left);
        }
        Ok(())
    }

    /// Asks about a page of things, in as many batches at once as they fill; the lane says how fast.
    async fn ask_left(
        &self,
        slot: &Slot,
        prices: LeftPrices,
        things: &[Bearer],
    ) -> Result<Vec<Look<LeftBehind>>, StoreError> {
        let batches = things.chunks(prices.batch.max(1)).map(|batch| slot.source.left_behind(batch));
        let asking = join_all(batches);
        let answers: Vec<Look<LeftBehind>> =
            self.or_stop(&slot.label, asking).await?.into_iter().flatten().collect();
        give_up(answers)
    }

    async fn keep_left(&self, course: &mut Course<'_>, page: CapturedPage) -> Result<(), StoreError> {
        if page.asked() + page.unreached > 0 {
            self.still_ours(course.job).await?;
            let nth = (course.nth, &page);
            course.capture.keep(self.ledger.as_ref(), course.job.handle.id, nth).await?;
            course.asked.fetch_add(page.asked(), Relaxed);
            course.nth += 1;
        }
        Ok(())
    }

    /// Memos are not fenced, and these cannot be read again once the source has gone.
    async fn still_ours(&self, job: &Job) -> Result<(), StoreError> {
        if self.ledger.holds(job.handle.id, job.handle.epoch).await? {
            return Ok(());
        }
        let name = &job.handle.name;
        Err(StoreError::new(
            ErrorKind::Rejected,
            "keep what stays behind of",
            name,
            "another process took the job over",
        )
        .with_code(Code::LeaseLost))
    }
}

/// The sources that can tell, in an order that the configuration does not change.
fn telling(job: &Job) -> Vec<(&Slot, LeftPrices)> {
    let mut slots: Vec<(&Slot, LeftPrices)> =
        job.slots.iter().filter_map(|slot| Some((slot, slot.source.left_prices()?))).collect();
    slots.sort_by_key(|(slot, _)| slot.id);
    slots
}

fn asked_of(job: &Job) -> Vec<i64> {
    telling(job).iter().map(|(slot, _)| slot.id.0).collect()
}

/// Folders of the job, and those above it: what is granted there holds for the job's as well.
fn wanted(slot: &Slot, row: &FolderRow) -> bool {
    let above = || row.path.as_ref().is_some_and(|path| slot.scope.below(path).is_some());
    row.standing == Standing::In || (row.standing != Standing::Gone && above())
}

fn folder_bearer(slot: &Slot, row: &FolderRow) -> Bearer {
    let path = row.path.as_ref().filter(|path| !path.is_root());
    let name = path.map_or_else(|| slot.label.clone(), |path| path.as_str().to_owned());
    Bearer { key: row.key.clone(), name, folder: true }
}

fn file_bearer(row: &FileRow) -> Bearer {
    Bearer { key: row.entry.key.clone(), name: row.entry.name.clone(), folder: false }
}

fn parent_of(path: &str) -> Option<&str> {
    (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(head, _)| head))
}

/// What is known of a thing; nothing where the source no longer has it.
fn known(answer: Look<LeftBehind>, folder: bool, page: &mut CapturedPage) -> Option<LeftBehind> {
    match answer {
        Look::Present(left) => Some(left),
        Look::Absent => {
            page.gone += 1;
            None
        }
        Look::Unknown(error) => Some(LeftBehind::unasked(folder, &error.detail)),
    }
}

/// An error instead of the answers, where they say that asking on makes no sense now: nothing is unknown for good
/// only because the service was out of order for an hour.
fn give_up(mut answers: Vec<Look<LeftBehind>>) -> Result<Vec<Look<LeftBehind>>, StoreError> {
    let concerns_all = |answer: &Look<LeftBehind>| match answer {
        Look::Unknown(error) => error.code.is_some() || error.kind == ErrorKind::Stopped,
        _ => false,
    };
    let passing = |answer: &Look<LeftBehind>| match answer {
        Look::Unknown(error) => error.retry != Retry::Never,
        _ => false,
    };
    let at = answers.iter().position(concerns_all).or_else(|| answers.iter().all(passing).then_some(0));
    match at.filter(|at| *at < answers.len()).map(|at| answers.swap_remove(at)) {
        Some(Look::Unknown(error)) => Err(error),
        _ => Ok(answers),
    }
}

impl CapturedPage {
    fn take(&mut self, slot: &Slot, path: &str, folder: bool, left: LeftBehind) {
        if !left.is_nothing() {
            self.things.push(Captured { source: slot.label.clone(), path: path.to_owned(), folder, left });
        }
    }
}

impl Course<'_> {
    /// Takes note of a page that an earlier process kept.
    fn learn(&mut self, page: &CapturedPage) {
        for thing in page.things.iter().filter(|thing| thing.folder) {
            let slot = self.job.slots.iter().find(|slot| slot.label == thing.source);
            if let Some(slot) = slot {
                self.above.learn(slot.id.0, &thing.path, &thing.left);
            }
        }
        self.asked.fetch_add(page.asked(), Relaxed);
        self.nth += 1;
        self.at = Some(page.at.clone());
    }
}

/// The grants of folders, by source and path, so that those below are told from a thing's own.
// Source: learn.microsoft.com/graph/api/resources/permission, read 2026-11: libraries do not return `inheritedFrom`.
#[derive(Debug, Default)]
struct Above(BTreeMap<(i64, String), BTreeSet<u64>>);

impl Above {
    fn learn(&mut self, source: i64, path: &str, left: &LeftBehind) {
        if !left.grants.is_empty() {
            self.0.insert((source, path.to_owned()), left.grants.iter().map(print).collect());
        }
    }

    /// Marks grants that the nearest folder above with any has as well.
    fn mark(&self, source: i64, folder: Option<&str>, left: &mut LeftBehind) {
        if left.grants.is_empty() {
            return;
        }
        let mut at = folder;
        while let Some(path) = at {
            if let Some(prints) = self.0.get(&(source, path.to_owned())) {
                for grant in &mut left.grants {
                    grant.inherited |= prints.contains(&print(grant));
                }
                return;
            }
            at = parent_of(path);
        }
    }
}

fn print(grant: &Grant) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&grant.id, &grant.role).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
