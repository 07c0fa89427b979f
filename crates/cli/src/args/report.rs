//! What can be said to `report`, and the two meanings of `--json`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser as _};

/// What `--json` asks for. `report` also takes a file with it; that argument has the name of the global one,
/// which clap then leaves out below `report` while the value still counts for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Json {
    /// Text for people.
    #[default]
    No,
    /// One object on standard output at the end.
    Object,
    /// The report into a file.
    File(PathBuf),
}

impl Json {
    pub(super) fn flag(asked: bool) -> Self {
        if asked { Self::Object } else { Self::No }
    }

    fn file(name: OsString) -> Self {
        if name == "-" { Self::Object } else { Self::File(name.into()) }
    }
}

/// Arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// Write a page that opens from disk and prints on paper.
    #[arg(long, env = "LANDFALL_HTML", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write a table of every file that is not proven or was skipped, for a spreadsheet.
    #[arg(long, env = "LANDFALL_CSV", value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Ask the sources first what stays behind (who was let in, earlier versions, labels), keep it, and list it.
    #[arg(long, env = "LANDFALL_PERMISSIONS", value_parser = FalseyValueParser::new())]
    pub(crate) permissions: bool,
    /// List what stays behind as it was captured last, and ask nobody.
    #[arg(long, env = "LANDFALL_CAPTURED", value_parser = FalseyValueParser::new())]
    pub(crate) captured: bool,
    /// Write a table of everything that stays behind, for a spreadsheet; with --captured as it was captured last.
    #[arg(long, env = "LANDFALL_PERMISSIONS_CSV", value_name = "FILE")]
    pub(crate) permissions_csv: Option<PathBuf>,
    /// Write all figures; without a file as one JSON object on standard output.
    #[arg(id = "json", long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", value_parser = OsStringValueParser::new().map(Json::file))]
    pub(crate) json: Option<Json>,
}

impl Report {
    /// True where what stays behind is wanted at all.
    pub(crate) fn wants_left(&self) -> bool {
        self.permissions || self.captured || self.permissions_csv.is_some()
    }
}
