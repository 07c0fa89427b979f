//! `landfall manifest`: what is proven, one line a file, for people who trust neither us nor whoever ran it.
//!
//! The formats and their checks are the crate evidence's (`docs/evidence.md`); this module turns rows and events of the
//! ledger into them. A manifest is made from the ledger alone, under the job's lease, so that lines and head of
//! the chain are of one moment.

mod chain;
mod check;
mod key;
mod rows;
mod sort;
mod told;
mod write;

use std::path::{Path, PathBuf};

use landfall_core::ledger::{FileFilter, FoundRow, JobHandle, Ledger};
use landfall_core::proof::agree;
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::State;
use landfall_core::words::TreeId;
use landfall_core::{Code, FileId};
use landfall_evidence::manifest::Header;

use crate::args::{Manifest, ManifestCommand};
use crate::config::JobConfig;
use crate::error::{CommandError, Exit};
use crate::wiring::Context;
use rows::Places;
use sort::{Line, Mark, Rank, Sorted, Sorter, There};

/// Rows read from the ledger at a time.
const PAGE: usize = 500;

/// Carries out one of the three.
pub(crate) async fn manifest(context: &mut Context, args: &Manifest) -> Result<Exit, CommandError> {
    match (&args.command, &args.job) {
        (Some(ManifestCommand::Check(args)), _) => check::check(context, args).await,
        (Some(ManifestCommand::Key(args)), _) => key::key(context, args),
        (None, Some(job)) => write::write(context, args, job).await,
        (None, None) => Err(CommandError::new(Code::BadArgument, "name a job")),
    }
}

/// What a job has landed, in order.
struct Landed {
    sorted: Sorted,
    /// Proven files that are no lines: without a path, or without a digest of their own bytes.
    unlisted: u64,
}

/// Reads every proven file of a job; with a tree, beside what its listing has under the file's id.
async fn landed(
    ledger: &dyn Ledger,
    job: &JobHandle,
    wanted: &JobConfig,
    tree: Option<TreeId>,
    (folder, about): (&Path, Header),
) -> Result<Landed, CommandError> {
    let mut places = Places::new(wanted, &ledger.sources(job.id).await?);
    let mut sorter = Sorter::new(folder, about);
    let mut unlisted = 0;
    // What has landed counts, whatever the source says of it by now.
    let filter = FileFilter {
        standings: Standing::ALL.to_vec(),
        states: vec![State::Success],
        ..FileFilter::default()
    };
    let mut after = FileId(0);
    loop {
        let pairs: Vec<(FileRow, Option<FoundRow>)> = match tree {
            Some(tree) => ledger.held(job.id, tree, &filter, after, PAGE).await?,
            None => {
                let rows = ledger.scan(job.id, &filter, after, PAGE).await?;
                rows.into_iter().map(|row| (row, None)).collect()
            }
        };
        let Some((last, _)) = pairs.last() else { break };
        after = last.id;
        for (row, found) in pairs {
            let path = places.path(ledger, job.id, &row).await?;
            let entry = path.and_then(|path| rows::entry(&row, path, wanted.seal.is_some()));
            let Some(entry) = entry else {
                unlisted += 1;
                continue;
            };
            let rank = if row.standing == Standing::In { Rank::Listed } else { Rank::Left };
            let there = if tree.is_some() { there(&row, found.as_ref()) } else { There::Unasked };
            let line = Line { entry, mark: Mark { rank, there } };
            sorter.push(line).map_err(|error| spilled(folder, &error))?;
        }
    }
    Ok(Landed { sorted: sorter.finish(), unlisted })
}

/// What a listing says of a file.
fn there(row: &FileRow, found: Option<&FoundRow>) -> There {
    let (Some(holding), Some(found)) = (&row.holding, found) else { return There::Absent };
    if found.folder || found.evidence.size != holding.evidence.size {
        return There::Changed;
    }
    match agree(&holding.evidence, &found.evidence) {
        Some(true) => There::Held,
        Some(false) => There::Changed,
        None => There::SameSize,
    }
}

fn spilled(folder: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(Code::StateFolder, format!("sort in {}: {error}", folder.display()))
}

/// The place of a signature: minisign looks for it there.
fn signature_path(manifest: &Path) -> PathBuf {
    let mut path = manifest.as_os_str().to_owned();
    path.push(".minisig");
    PathBuf::from(path)
}
