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

/// Arguments of `ledger restore`.
#[derive(Args, Debug)]
pub(crate) struct LedgerRestore {
    /// A backup or snapshot.
    pub(crate) file: PathBuf,
    /// Put it there even where the present ledger knows more.
    #[arg(long, env = "LANDFALL_FORCE", value_parser = FalseyValueParser::new())]
    pub(crate) force: bool,
}
