//! The report as plain data: what the JSON says, and what page and terminal are made of.
//!
//! Every list is cut at [`LISTED`] entries and says how many there are; the CSV has all.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::Audit;
use crate::left::Behind;

/// Entries that a list of the report holds at most.
pub const LISTED: usize = 500;

/// Files and their bytes, as the source publishes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Figure {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// What the configuration asks for, as whoever reads the configuration puts it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Each source in one line.
    pub sources: Vec<String>,
    /// The destination in one line.
    pub destination: String,
    /// Each filter in one line; empty where everything is taken.
    pub filters: Vec<String>,
    /// How files are sealed on their way; `None` where they are not.
    pub seal: Option<String>,
    /// Other rules in one line each (names, conflicts).
    pub rules: Vec<String>,
}

/// A source that is asked for and could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// Its label.
    pub source: String,
    /// Why.
    pub why: String,
}

/// The first entries of a list, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List<T> {
    /// How many there are.
    pub total: u64,
    /// The first [`LISTED`].
    pub first: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { total: 0, first: Vec::new() }
    }
}

impl<T> List<T> {
    pub(crate) fn push(&mut self, entry: impl FnOnce() -> T) {
        self.total += 1;
        if self.first.len() < LISTED {
            self.first.push(entry());
        }
    }
}

/// One file that is not proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The source's label.
    pub source: String,
    /// The path from the source's root, or the name where the path is not known.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// A state's name, or `skipped`, `unsettled`, `gone`.
    pub standing: String,
    /// The reason's word.
    pub reason: Option<String>,
    /// The row's own comment.
    pub detail: String,
    /// Tries that failed.
    pub attempts: u32,
    /// Not tried again before.
    pub not_before: Option<Timestamp>,
    /// When the row last changed.
    pub since: Timestamp,
}

/// Files that are not proven for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// A state's name, or `skipped`, `unsettled`, `gone`.
    pub standing: String,
    /// The reason's word.
    pub reason: Option<String>,
    /// How many, and how large.
    #[serde(flatten)]
    pub figure: Figure,
}

/// One file whose name at the destination is not the one at the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// The source's label.
    pub source: String,
    /// The path at the source.
    pub path: String,
    /// The name at the destination, or, where the source renamed it after it had landed, the words for it.
    pub there: String,
    /// True where the source renamed or moved it after it had landed.
    pub afterwards: bool,
}

/// Totals of the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files that take part.
    pub all: Figure,
    /// Of them those that are proven.
    pub proven: Figure,
    /// Of them those that are not.
    pub open: Figure,
    /// Listed and never moved, with a reason.
    pub skipped: Figure,
    /// Listed anew and not yet placed.
    pub unsettled: Figure,
    /// Proven, and no longer at the source.
    pub gone_landed: Figure,
    /// No longer at the source, and never proven.
    pub gone_open: Figure,
    /// Outside the job's source folder.
    pub outside: u64,
    /// Folders that take part.
    pub folders: u64,
    /// Proven files of which a SHA-256 is kept.
    pub with_sha256: u64,
}

/// Files of one age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Age {
    /// Less than this many days; `None` for the oldest.
    pub below_days: Option<u32>,
    /// Files.
    pub files: u64,
}

/// How long ago something was last done to each proven file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ages {
    /// By age.
    pub ages: Vec<Age>,
    /// Files to which it was never done.
    pub never: u64,
    /// The longest ago.
    pub oldest: Option<Timestamp>,
    /// The latest.
    pub newest: Option<Timestamp>,
}

/// The three dates, never mixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// The bytes were read back and compared.
    pub bytes: Ages,
    /// The published hash was read and compared.
    pub hash: Ages,
    /// The service reported no change: a statement of the service and no proof.
    pub unchanged: Ages,
}

/// Files of about one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SizeClass {
    /// Smaller than this many bytes; `None` for the largest.
    pub below: Option<u64>,
    /// How many, and how large together.
    #[serde(flatten)]
    pub figure: Figure,
}

/// Files of one extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The extension in lower case without its dot; empty where there is none, `None` for all that are not named.
    pub extension: Option<String>,
    /// How many, and how large together.
    #[serde(flatten)]
    pub figure: Figure,
}

/// What happened within one interval of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// Its beginning.
    pub at: Timestamp,
    /// Proofs made.
    pub proven: u64,
    /// The bytes of the files proven.
    pub bytes: u64,
    /// Tries put off because the service throttled.
    pub throttled: u64,
    /// Tries put off for another reason.
    pub deferred: u64,
    /// Files that failed or whose proof lapsed.
    pub failed: u64,
}

/// The course of the job over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// The length of an interval.
    pub seconds: u64,
    /// Those in which something happened, ascending.
    pub intervals: Vec<Interval>,
    /// Events that the ledger holds.
    pub events: u64,
}

/// One run of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The command.
    pub command: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None` where it is under way or was killed.
    pub ended: Option<Timestamp>,
    /// Its summary as it was written, without its list of sources.
    pub summary: serde_json::Value,
}

/// One open finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// By what it is counted (a user).
    pub section: String,
    /// The finding's word.
    pub finding: String,
    /// More in words, where the verify left some.
    pub words: String,
    /// When.
    pub at: Timestamp,
}

/// What the verifies found that is still so, as far as the ledger knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Open ones by their word.
    pub open: BTreeMap<String, u64>,
    /// Those settled for good.
    pub settled: u64,
    /// The first open ones.
    pub list: List<Finding>,
}

/// One source's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceFigures {
    /// Its label.
    pub source: String,
    /// Files that take part.
    pub all: Figure,
    /// Of them those that are proven.
    pub proven: Figure,
    /// Listed and never moved.
    pub skipped: u64,
    /// Listed anew and not yet placed.
    pub unsettled: u64,
    /// Proven, and no longer at the source.
    pub gone_landed: u64,
}

/// What a job's ledger amounts to at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// The program that made it.
    pub program: String,
    /// When.
    pub made_at: Timestamp,
    /// The job.
    pub job: String,
    /// What its destination resolved to.
    pub identity: String,
    /// What was asked for.
    pub asked: Asked,
    /// Sources that could not be reached.
    pub unreached: Vec<Unreached>,
    /// True where everything that is listed is proven and nothing was skipped, left unplaced or out of reach.
    pub complete: bool,
    /// True where the job was being worked on while the ledger was read: figures may be off by that.
    pub moving: bool,
    /// The last second enumeration of the sources.
    pub audit: Option<Audit>,
    /// Totals.
    pub totals: Totals,
    /// Files that take part, by state.
    pub states: BTreeMap<String, Figure>,
    /// Proven files by kind of proof.
    pub proofs: BTreeMap<String, u64>,
    /// Proven files by what the source's own evidence said.
    pub legs: BTreeMap<String, u64>,
    /// Proven files by their way.
    pub ways: BTreeMap<String, u64>,
    /// What is not proven, by state and reason; what was skipped, not placed or lost among it.
    pub groups: Vec<Group>,
    /// Files that are not proven.
    pub open: List<Row>,
    /// Files that were listed and never moved.
    pub skipped: List<Row>,
    /// Files whose name differs; with a seal all names do, and none is listed for it.
    pub renamed: List<Renamed>,
    /// When each was last proven.
    pub freshness: Freshness,
    /// By size.
    pub sizes: Vec<SizeClass>,
    /// By extension, most files first.
    pub kinds: Vec<Kind>,
    /// The course over time.
    pub activity: Activity,
    /// The newest runs first.
    pub runs: Vec<Run>,
    /// Findings.
    pub findings: Findings,
    /// Each source.
    pub sources: Vec<SourceFigures>,
    /// What stays behind at the sources, where somebody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<Behind>,
}
