//! What can be said to `ledger`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};

use super::JobName;

/// The commands of `ledger`.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Copy the ledger into a file while others work: checked, durable, with all its jobs.
    Backup(LedgerBackup),
    /// Put a copy in the ledger's place; what was there is kept beside it.
    Restore(LedgerRestore),
    /// List the sealed snapshots of the ledger that lie at a job's destination.
    Snapshots(LedgerSnapshots),
    /// Rebuild a lost ledger of a finished job from one listing of each side; nothing is sent or read back.
    Adopt(JobName),
}

/// Arguments of `ledger backup`.
#[derive(Args, Debug)]
pub(crate) struct LedgerBackup {
    /// A job that must be in the copy, and the file to write; with --all only the file.
    #[arg(required = true, num_args = 1..=2, value_names = ["JOB", "FILE"])]
    pub(crate) names: Vec<String>,
    /// Whatever jobs there are. A copy has all of them either way.
    #[arg(long, env = "LANDFALL_ALL", value_parser = FalseyValueParser::new())]
    pub(crate) all: bool,
}

/// Where sealed snapshots of the ledger go.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SnapshotTo {
    /// The folder at the job's destination, counted from its root, in which sealed snapshots of the ledger lie, in
    /// place of the configuration's.
    #[arg(long, env = "LANDFALL_SNAPSHOT_TO", value_name = "FOLDER")]
    pub(crate) snapshot_to: Option<String>,
}

/// Arguments of `ledger snapshots`.
#[derive(Args, Debug)]
pub(crate) struct LedgerSnapshots {
    /// The job's name in the configuration.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotTo,
}

/// Arguments of `ledger restore`.
#[derive(Args, Debug)]
pub(crate) struct LedgerRestore {
    /// A backup or snapshot.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    pub(crate) file: Option<PathBuf>,
    /// The newest sealed snapshot at this job's destination, found with nothing but the configuration and the key.
    #[arg(long, env = "LANDFALL_FROM_JOB", value_name = "JOB")]
    pub(crate) from: Option<String>,
    /// With `--from`: the newest that is no younger than this, a date, an RFC 3339 time, or an age like 30d.
    #[arg(long, env = "LANDFALL_AT", value_name = "UTC", requires = "from")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotTo,
    /// Put it there even where the present ledger knows more.
    #[arg(long, env = "LANDFALL_FORCE", value_parser = FalseyValueParser::new())]
    pub(crate) force: bool,
}
