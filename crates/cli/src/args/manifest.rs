//! What can be said to `manifest`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `manifest`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Manifest {
    #[command(subcommand)]
    pub(crate) command: Option<ManifestCommand>,
    /// The job's name in the configuration.
    #[arg(required = true)]
    pub(crate) job: Option<String>,
    /// Where to; else JOB and the moment, with .manifest.jsonl, in the present folder. Never written over.
    #[arg(long, env = "LANDFALL_MANIFEST_OUT", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Sign with this secret key of minisign's form; the password, where it has one, is in LANDFALL_KEY_PASSWORD.
    #[arg(long, env = "LANDFALL_MANIFEST_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Write a list that `sha256sum -c` checks in the restored folder.
    #[arg(long, env = "LANDFALL_SUMS", value_name = "FILE")]
    pub(crate) sums: Option<PathBuf>,
    /// Write the tag files of a BagIt bag around a restored tree, which lies in its folder `data`.
    #[arg(long, env = "LANDFALL_BAG", value_name = "FOLDER")]
    pub(crate) bag: Option<PathBuf>,
    /// Write a request for a time stamp (RFC 3161) of the signature, or of the manifest where it is not signed.
    #[arg(long, env = "LANDFALL_TSQ", value_name = "FILE")]
    pub(crate) tsq: Option<PathBuf>,
}

/// The commands of `manifest`.
#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    /// Check a manifest: its form, its signature, the chain of events, the destination.
    Check(ManifestCheck),
    /// Make a pair of keys in minisign's form: FILE, readable for you alone, and FILE.pub.
    Key(ManifestKey),
}

/// Arguments of `manifest check`.
#[derive(Args, Debug)]
pub(crate) struct ManifestCheck {
    /// The manifest; its signature lies beside it, as FILE.minisig.
    pub(crate) file: PathBuf,
    /// The public key, from where you trust it: a file, or the line itself.
    #[arg(long, env = "LANDFALL_PUBLIC_KEY", value_name = "PUBLIC")]
    pub(crate) key: Option<String>,
    /// Compare every line with this job's ledger and with what the destination lists now.
    #[arg(long, env = "LANDFALL_JOB", value_name = "JOB")]
    pub(crate) job: Option<String>,
}

/// Arguments of `manifest key`.
#[derive(Args, Debug)]
pub(crate) struct ManifestKey {
    /// The secret key's file. It is under the password in LANDFALL_KEY_PASSWORD, or under none where that is not set.
    pub(crate) file: PathBuf,
}
