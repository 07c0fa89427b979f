//! What can be said to `restore` and `drill`.

use clap::Args;
use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};

/// Which of what has landed is wanted.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Only files that match, counted from the source folder; may be given several times.
    #[arg(long, env = "LANDFALL_PATH", value_name = "GLOB", value_delimiter = '\n', value_parser = NonEmptyStringValueParser::new())]
    pub(crate) path: Vec<String>,
    /// Not files that match.
    #[arg(long, env = "LANDFALL_EXCLUDE", value_name = "GLOB", value_delimiter = '\n')]
    pub(crate) exclude: Vec<String>,
}

/// Arguments of `restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// The folder to bring files back to, or job:NAME for the destination of another job.
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Only so many files, drawn at random; the same ones again for the same target.
    #[arg(long, env = "LANDFALL_SAMPLE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) sample: Option<u32>,
    /// Only say what would be done.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

/// Arguments of `drill`.
#[derive(Args, Debug)]
pub(crate) struct Drill {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// How many files, drawn at random.
    #[arg(long, env = "LANDFALL_SAMPLE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) sample: u32,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Only say what would be done.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}
