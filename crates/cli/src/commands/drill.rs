//! `landfall drill`: a sample of what has landed is brought back into a temporary folder, compared with the
//! ledger and deleted, and the job's record says so: the archive can be read.
//!
//! Works in lots, so that the disk never holds more than one of them. What a drill that was killed left behind
//! is taken away by the next one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_core::engine::{Drilled, Unequal};
use landfall_core::ledger::{JobHandle, RunStart};
use landfall_core::proof::Sense;
use landfall_core::store::Destination;
use landfall_core::words::FileId;
use landfall_core::{ByteSize, Code, StoreError};
use landfall_stores::fs::FsDestination;
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::restore;
use crate::args::Drill;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, Screen, count, span};
use crate::wiring::{Context, Landed};

/// The folder in the job's state folder that a drill works in.
const FOLDER: &str = "drill";
/// Files and bytes of one lot at most; a larger file is a lot of its own.
const LOT_FILES: usize = 200;
const LOT_BYTES: u64 = 1 << 30;
/// Names in the final object, and on the screen.
const NAMES: usize = 1000;
const SHOWN: usize = 20;
/// Files confirmed in one transaction.
const BATCH: usize = 500;

/// Drills and shows what was found.
pub(crate) async fn drill(context: &mut Context, args: &Drill) -> Result<Exit, CommandError> {
    let started = Instant::now();
    let landed = Landed::open(context, &args.job).await?;
    let seed = machine::chance().below(u64::MAX);
    let choices = restore::choices(&landed, &args.wanted)?;
    let choices = restore::sampled(&landed, choices, args.sample, seed).await?;
    let survey = restore::surveyed(&landed, &choices, true).await?;
    let (files, bytes) = survey.all();
    if args.dry_run {
        let screen = &context.screen;
        screen.result(&json!({
            "job": args.job, "files": files, "bytes": bytes.0, "sample": args.sample, "dry_run": true,
        }));
        screen.line(t!("drill.would", files = count(files), bytes = bytes));
        return Ok(Exit::Complete);
    }
    let handle = landed.lease().await?;
    let folder = landed.state.join(FOLDER);
    let lots = lots(survey.files.iter().map(|(file, size)| (*file, *size)));
    let drilling = Drilling { landed: &landed, handle: &handle, folder: &folder, args, seed, started };
    let outcome = drilling.carry_out(context, lots).await;
    let cleared = clear(&folder);
    let closed = landed.origin.ledger.close_job(&handle).await;
    let exit = outcome?;
    cleared?;
    closed?;
    Ok(exit)
}

/// Puts files together so that no lot is too large for a disk.
fn lots(files: impl Iterator<Item = (FileId, ByteSize)>) -> Vec<BTreeSet<FileId>> {
    let mut lots: Vec<BTreeSet<FileId>> = Vec::new();
    let mut bytes = 0;
    for (file, size) in files {
        match lots.last_mut() {
            Some(lot) if lot.len() < LOT_FILES && bytes + size.0 <= LOT_BYTES => {
                lot.insert(file);
                bytes += size.0;
            }
            _ => {
                lots.push(BTreeSet::from([file]));
                bytes = size.0;
            }
        }
    }
    lots
}

/// Takes the drill's folder away, with whatever an earlier one left in it.
fn clear(folder: &Path) -> Result<(), CommandError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let detail = format!("take {} away: {error}", folder.display());
            Err(CommandError::new(Code::StateFolder, detail))
        }
        _ => Ok(()),
    }
}

struct Drilling<'a> {
    landed: &'a Landed,
    handle: &'a JobHandle,
    folder: &'a PathBuf,
    args: &'a Drill,
    seed: u64,
    started: Instant,
}

impl Drilling<'_> {
    async fn carry_out(&self, context: &Context, lots: Vec<BTreeSet<FileId>>) -> Result<Exit, CommandError> {
        let ledger = &self.landed.origin.ledger;
        let start = RunStart { command: "drill".to_owned(), at: machine::now(), fresh: false };
        let run = ledger.begin_run(self.handle, start).await?;
        let (drilled, ended) = self.with_progress(context, lots).await;
        let mut summary = self.summary(&drilled);
        let exit = match ended {
            Ok(()) => exit(&drilled),
            Err(error) if error.exit == Exit::Interrupted => Exit::Interrupted,
            Err(error) => {
                context.screen.show_error(&error);
                put(&mut summary, "error", error.json());
                error.exit
            }
        };
        put(&mut summary, "passed", json!(exit == Exit::Complete));
        put(&mut summary, "interrupted", json!(exit == Exit::Interrupted));
        // A drill that was stopped is no drill; the next one begins with files of its own.
        if exit != Exit::Interrupted {
            ledger.end_run(self.handle, run.id, machine::now(), &summary.to_string()).await?;
        }
        put(&mut summary, "different_files", names(&drilled.different));
        put(&mut summary, "unreadable_files", names(&drilled.unreadable));
        context.screen.result(&summary);
        self.show(&context.screen, &drilled, exit);
        Ok(exit)
    }

    async fn with_progress(
        &self,
        context: &Context,
        lots: Vec<BTreeSet<FileId>>,
    ) -> (Drilled, Result<(), CommandError>) {
        let mut drilled = Drilled::default();
        let engine = match self.landed.engine(context, &self.folder.join("spool")).await {
            Ok(engine) => engine,
            Err(error) => return (drilled, Err(error)),
        };
        let done = CancellationToken::new();
        let gauge = restore::gauge(self.landed, &engine);
        let work = async {
            let mut outcome = Ok(());
            for lot in lots {
                outcome = self.one(&engine, lot, &mut drilled).await;
                if outcome.is_err() {
                    break;
                }
            }
            done.cancel();
            outcome
        };
        let progress = ui::show_progress(context.screen.clone(), &gauge, done.clone());
        let (outcome, ()) = tokio::join!(work, progress);
        (drilled, outcome)
    }

    /// One lot: brought back, compared, confirmed, deleted.
    async fn one(
        &self,
        engine: &landfall_core::engine::Engine,
        lot: BTreeSet<FileId>,
        all: &mut Drilled,
    ) -> Result<(), CommandError> {
        let files = self.folder.join("files");
        clear(&files)?;
        let to: Arc<dyn Destination> = Arc::new(FsDestination::open(&files).await?);
        let policy = self.landed.policy();
        let drilled = engine.drill(&self.landed.origin, &Arc::new(lot), to, &policy).await;
        clear(&files)?;
        let drilled = drilled?;
        self.confirm(&drilled.equal).await?;
        all.bytes.0 += drilled.bytes.0;
        all.equal.extend(drilled.equal);
        all.weak.extend(drilled.weak);
        all.different.extend(drilled.different);
        all.unreadable.extend(drilled.unreadable);
        Ok(())
    }

    /// Notes that the bytes of these files were read today, for that is what happened: the whole object was read
    /// from the destination, and the SHA-256 of what came is the one of what was sent.
    ///
    /// Of a sealed file it is the plain bytes that were compared. Each block of the object was shown to be genuine
    /// on the way and none was missing, so the ciphertext is the one that was proven too. What is compared by a
    /// weaker digest (rewritten by the service, copied by it) is not noted: equal is then no proof by bytes.
    async fn confirm(&self, files: &[FileId]) -> Result<(), StoreError> {
        let (ledger, at) = (&self.landed.origin.ledger, machine::now());
        for files in files.chunks(BATCH) {
            ledger.confirm(self.handle, files.to_vec(), Sense::Bytes, at).await?;
        }
        Ok(())
    }

    fn summary(&self, drilled: &Drilled) -> Value {
        let (equal, weak) = (drilled.equal.len(), drilled.weak.len());
        let (different, unreadable) = (drilled.different.len(), drilled.unreadable.len());
        json!({
            "job": self.args.job,
            "sample": self.args.sample,
            "seed": self.seed,
            "files": equal + weak + different + unreadable,
            "bytes": drilled.bytes.0,
            "equal": equal,
            "equal_weak": weak,
            "different": different,
            "unreadable": unreadable,
            "requests": self.landed.graphs.read().requests,
            "seconds": self.started.elapsed().as_secs_f64(),
        })
    }

    fn show(&self, screen: &Screen, drilled: &Drilled, exit: Exit) {
        screen.line(t!(
            "drill.done",
            equal = count(drilled.equal.len() as u64),
            weak = count(drilled.weak.len() as u64),
            different = count(drilled.different.len() as u64),
            unreadable = count(drilled.unreadable.len() as u64),
            bytes = drilled.bytes,
            time = span(self.started.elapsed())
        ));
        for one in drilled.different.iter().chain(&drilled.unreadable).take(SHOWN) {
            let reason = one.reason.map(|reason| reason.to_string()).unwrap_or_default();
            screen.line(format!("{}  {reason}: {}", one.path, one.comment));
        }
        screen.line(match exit {
            Exit::Complete => t!("drill.passed"),
            Exit::Interrupted => t!("drill.interrupted"),
            _ => t!("drill.failed", job = self.args.job),
        });
    }
}

/// What the shell is told: all equal, something that is not what it was, or something that could not be read.
fn exit(drilled: &Drilled) -> Exit {
    use landfall_core::state::Reason;
    let gone = |one: &Unequal| one.reason == Some(Reason::AbsentAtDestination);
    if !drilled.different.is_empty() || drilled.unreadable.iter().any(gone) {
        return Exit::Findings;
    }
    if drilled.unreadable.is_empty() { Exit::Complete } else { Exit::Unknown }
}

fn put(summary: &mut Value, key: &str, value: Value) {
    if let Some(object) = summary.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn names(unequal: &[Unequal]) -> Value {
    let one = |one: &Unequal| {
        json!({
            "path": one.path,
            "reason": one.reason.map(landfall_core::state::Reason::name),
            "comment": one.comment,
        })
    };
    unequal.iter().take(NAMES).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lot_is_too_large_and_none_is_empty() {
        let sizes = [1, LOT_BYTES, LOT_BYTES * 2, 5, LOT_BYTES - 5, 1];
        let files = sizes.into_iter().zip(1..).map(|(size, id)| (FileId(id), ByteSize(size)));
        let lots: Vec<usize> = lots(files).iter().map(BTreeSet::len).collect();
        assert_eq!(lots, [1, 1, 1, 2, 1]);
        let many = (0..450).map(|id| (FileId(id), ByteSize(1)));
        assert_eq!(super::lots(many).iter().map(BTreeSet::len).collect::<Vec<_>>(), [200, 200, 50]);
        assert!(super::lots(std::iter::empty()).is_empty());
    }
}
