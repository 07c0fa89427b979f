//! What can be said to `job`.

use clap::Subcommand;

use super::JobName;

/// The commands of `job`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// The source is gone for good: nothing asks for it any more, and nothing lapses for that.
    Close(JobName),
    /// The source is there after all.
    Open(JobName),
}
