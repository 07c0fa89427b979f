//! What goes into a ledger and comes out of it, as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::proof::{Evidence, ProofKind, SourceLeg};
use crate::row::Standing;
use crate::state::{Event, Reason, State, Via};
use crate::store::Listed;
use crate::words::{
    ByteSize, Cursor, Epoch, FileId, FolderId, ItemKey, JobId, RelPath, Revision, RunId, SourceId, Times,
};

/// A job that was found or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobHandle {
    /// Its id.
    pub id: JobId,
    /// Its name in the configuration.
    pub name: String,
    /// What its destination resolved to.
    pub identity: String,
    /// The lease under which writes are made; of a job that was only found, the newest one.
    pub epoch: Epoch,
}

/// How a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// The command ("run", "download").
    pub command: String,
    /// When.
    pub at: Timestamp,
    /// Never go on with an earlier one.
    pub fresh: bool,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The command.
    pub command: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None` where it is under way or was killed.
    pub ended: Option<Timestamp>,
    /// True where `begin_run` went on with an interrupted one.
    pub resumed: bool,
    /// Its summary (JSON), empty before its end.
    pub summary: String,
}

/// One source of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Its id.
    pub id: SourceId,
    /// Its label: the user, drive or folder as the configuration names it.
    pub label: String,
    /// What it resolved to.
    pub identity: String,
}

/// Where a listing stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CursorRow {
    /// Where to take it up; `None` at the very beginning.
    pub cursor: Option<Cursor>,
    /// The pass under way, or the last one; 0 before the first.
    pub pass: i64,
    /// The pass lists everything.
    pub full: bool,
    /// The pass has ended.
    pub complete: bool,
}

/// One page to be taken, with the pass it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The source; for a tree's listing ignored.
    pub source: SourceId,
    /// The pass's number.
    pub pass: i64,
    /// What stands in the page.
    pub items: Vec<Listed>,
    /// The cursor after it.
    pub cursor: Option<Cursor>,
    /// It is the last page.
    pub complete: bool,
    /// When it was read.
    pub at: Timestamp,
}

/// What a page amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnrolTally {
    /// Files not known before.
    pub new: u64,
    /// Files whose content changed.
    pub superseded: u64,
    /// Files renamed or moved by themselves.
    pub renamed: u64,
    /// Files known as they are.
    pub unchanged: u64,
    /// Files that went.
    pub gone: u64,
    /// Things listed and never moved.
    pub skipped: u64,
    /// Folders listed.
    pub folders: u64,
}

impl std::ops::AddAssign for EnrolTally {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.superseded += other.superseded;
        self.renamed += other.renamed;
        self.unchanged += other.unchanged;
        self.gone += other.gone;
        self.skipped += other.skipped;
        self.folders += other.folders;
    }
}

/// One folder of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRow {
    /// Its id.
    pub id: FolderId,
    /// The source that lists it.
    pub source: SourceId,
    /// What the source calls it.
    pub key: ItemKey,
    /// The folder it lies in; `None` only for the source's root folder row.
    pub parent: Option<FolderId>,
    /// Its name, empty for the root; `None` while only children named it.
    pub name: Option<String>,
    /// Its path from the source's root, rebuilt from ids; `None` where a parent is missing.
    pub path: Option<RelPath>,
    /// Its times at the source.
    pub times: Times,
    /// How many direct children the source says it has.
    pub child_count: Option<u64>,
    /// Whether it takes part (`Gone` where the source lost it).
    pub standing: Standing,
    /// Its path at the destination; `None` outside the job.
    pub target: Option<RelPath>,
    /// The destination's folder that carries it.
    pub dest_item: Option<ItemKey>,
    /// Its times were set there.
    pub timed: bool,
    /// The pass that saw it last.
    pub seen: i64,
}

/// Where a folder goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPlacement {
    /// The folder.
    pub folder: FolderId,
    /// Whether it takes part.
    pub standing: Standing,
    /// Its path at the destination.
    pub target: Option<RelPath>,
    /// Fingerprint of the folded path, 0 where there is none.
    pub target_hash: i64,
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The file.
    pub file: FileId,
    /// Whether it takes part.
    pub standing: Standing,
    /// Why it is skipped.
    pub skip: Option<Reason>,
    /// Its name at the destination where it is not the source's.
    pub dest_name: Option<String>,
    /// Fingerprint of the folded destination path, 0 outside the job.
    pub target: i64,
    /// Fingerprint of the folded destination name.
    pub fold: i64,
}

/// Which files a scan gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFilter {
    /// Of this source only.
    pub source: Option<SourceId>,
    /// In one of these standings; empty means `In`.
    pub standings: Vec<Standing>,
    /// In one of these states; empty means any.
    pub states: Vec<State>,
    /// Due at this moment: `not_before` empty or past.
    pub due: Option<Timestamp>,
    /// Only rows with an upload intent (true) or without (false).
    pub intended: Option<bool>,
    /// Only rows that are not settled for good (`last` false).
    pub retryable: bool,
}

/// One event to be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The file.
    pub file: FileId,
    /// The state it is expected to be in.
    pub expect: State,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
}

/// What looking for one recorded thing answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It is there.
    Present,
    /// It is shown not to be there.
    Absent,
    /// Looking failed; nothing may be concluded.
    Unknown,
}

impl Answer {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Present, Self::Absent, Self::Unknown];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }

    /// The number stored in a ledger.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Present => 0,
            Self::Absent => 1,
            Self::Unknown => 2,
        }
    }

    /// Reads a stored number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.number() == number)
    }
}

/// One recorded thing that a verify looked at, and what it found: the newest look replaces the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What was looked at, unique within the job (for a catalogue: post, position and URL).
    pub subject: String,
    /// Whom it belongs to (for a catalogue: the table and post).
    pub owner: String,
    /// By what it is counted (for a catalogue: the user).
    pub section: String,
    /// What looking answered.
    pub answer: Answer,
    /// The kind of finding in one word; `None` where nothing was found.
    pub finding: Option<String>,
    /// More of it, as the writer's own JSON.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// Which looks are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookFilter {
    /// Only those with a finding.
    pub findings: bool,
    /// Only those of this section.
    pub section: Option<String>,
}

/// One thing that a destination tree holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRow {
    /// Its id there.
    pub item: ItemKey,
    /// The folder it lies in; `None` for the root.
    pub parent: Option<ItemKey>,
    /// Its name.
    pub name: String,
    /// True for a folder.
    pub folder: bool,
    /// Size and published digests; zero and none for folders.
    pub evidence: Evidence,
    /// Changes when it changes.
    pub revision: Option<Revision>,
    /// Its times.
    pub times: Times,
    /// The person who changed it last; none where a program did, or the place does not say.
    pub changed_by: Option<String>,
}

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Files.
    pub files: u64,
    /// Bytes as published by the source.
    pub bytes: ByteSize,
}

/// Totals of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that take part, by state.
    pub states: BTreeMap<State, Count>,
    /// Things skipped, by reason.
    pub skipped: BTreeMap<Reason, Count>,
    /// Files that take part, by state and reason.
    pub reasons: BTreeMap<(State, Reason), u64>,
    /// SUCCESS by kind of proof.
    pub proven_by: BTreeMap<ProofKind, u64>,
    /// SUCCESS by what the source's evidence said.
    pub legs: BTreeMap<SourceLeg, u64>,
    /// SUCCESS by way.
    pub via: BTreeMap<Via, u64>,
    /// Listed and not placed yet.
    pub unsettled: u64,
    /// Outside the job's source folder.
    pub outside: u64,
    /// No longer at the source.
    pub gone: u64,
    /// Files that take part no longer, whatever the reason, and of which a verify found what had landed lost or
    /// changed: it may have been the only copy.
    pub lost: u64,
    /// Folders that take part.
    pub folders: u64,
}

impl Tally {
    /// Files in one state.
    #[must_use]
    pub fn files(&self, state: State) -> u64 {
        self.states.get(&state).map_or(0, |c| c.files)
    }

    /// Files that take part, and their bytes.
    #[must_use]
    pub fn all(&self) -> Count {
        self.states.values().fold(Count::default(), |sum, c| Count {
            files: sum.files + c.files,
            bytes: ByteSize(sum.bytes.0 + c.bytes.0),
        })
    }

    /// True where everything that takes part is SUCCESS or is missed with somebody's consent, nothing was skipped or
    /// left unplaced, and nothing that landed earlier was found lost. A source that has lost everything (an unmounted
    /// disk looks like that) is not complete.
    #[must_use]
    pub fn complete(&self) -> bool {
        let emptied = self.all().files == 0 && self.gone > 0;
        !emptied
            && self.all().files == self.files(State::Success) + self.missed()
            && self.skipped.is_empty()
            && self.unsettled == 0
            && self.lost == 0
    }

    /// Files that are not at the destination, to which somebody consented.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.reasons.get(&(State::Ng, Reason::DeletionAccepted)).copied().unwrap_or_default()
    }
}

/// One event as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Ascends without gaps within a job.
    pub seq: i64,
    /// The file.
    pub file: FileId,
    /// The event's name.
    pub name: String,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub reason: Option<Reason>,
    /// In words.
    pub comment: String,
    /// When.
    pub at: Timestamp,
    /// Under which lease it was written.
    pub epoch: Epoch,
}

/// Events of one second that have name and reason in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CourseRow {
    /// The second, as a Unix time.
    pub second: i64,
    /// The events' name.
    pub name: String,
    /// Their reason.
    pub reason: Option<Reason>,
    /// How many.
    pub events: u64,
    /// The sizes of their files at the source, as they are now.
    pub bytes: ByteSize,
}
