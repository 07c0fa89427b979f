//! What stays behind at the sources, as the last capture found it: figures, the first entries, and a table of all.
//!
//! Reads the capture's pages one by one and asks nobody. What could not be asked is counted and named: unknown is
//! not absent.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use landfall_core::JobId;
use landfall_core::engine::{Capture, Captured, CapturedPage};
use landfall_core::ledger::Ledger;
use landfall_core::store::{Audience, Grant, LeftBehind, Person};
use serde::Serialize;

use crate::gather::ReportError;
use crate::report::{List, Report};
use crate::table::Sheet;

/// Commands after which a capture may lack what came since.
const LISTING: [&str; 4] = ["run", "download", "upload", "retry"];
/// Labels that are told apart.
const LABELS: usize = 100;

/// Somebody who was let in at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LetIn {
    /// The source's label.
    pub source: String,
    /// The path from the source's root, empty for the root itself.
    pub path: String,
    /// True for a folder: it holds for everything below.
    pub folder: bool,
    /// The grant.
    #[serde(flatten)]
    pub grant: Grant,
}

/// A file with earlier versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aged {
    /// The source's label.
    pub source: String,
    /// The path from the source's root.
    pub path: String,
    /// Versions older than the one that was moved.
    pub older: u64,
}

/// A file or folder with a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labelled {
    /// The source's label.
    pub source: String,
    /// The path from the source's root.
    pub path: String,
    /// True for a folder.
    pub folder: bool,
    /// The sensitivity label.
    pub sensitivity: Option<String>,
    /// The retention label.
    pub retention: Option<String>,
}

/// A file or folder of which something could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// The source's label.
    pub source: String,
    /// The path from the source's root.
    pub path: String,
    /// True for a folder.
    pub folder: bool,
    /// What is not known: `sharing`, `versions`, `sensitivity`, `retention`.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What a capture amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// When it began.
    pub begun: Timestamp,
    /// When it ended; `None` where it was cut off: then this is a part.
    pub ended: Option<Timestamp>,
    /// A later one was begun then and cut off; this is the one before it.
    pub repeated: Option<Timestamp>,
    /// The job was run or listed again then: what came since was not asked about.
    pub outdated: Option<Timestamp>,
    /// Sources of a kind that has nothing of the sort to tell.
    pub silent: Vec<String>,
    /// Sources that could not be reached.
    pub unreached: Vec<String>,
    /// Files that were asked about.
    pub files: u64,
    /// Folders that were asked about.
    pub folders: u64,
    /// Of both those that the source no longer had.
    pub gone: u64,
    /// Files of sources that could not be reached.
    pub unreached_files: u64,
    /// Files with grants of their own.
    pub shared_files: u64,
    /// Folders with grants of their own.
    pub shared_folders: u64,
    /// Grants by whom they let in: `anyone`, `organization`, `people`.
    pub grants: BTreeMap<&'static str, u64>,
    /// Files with earlier versions.
    pub aged: u64,
    /// Those versions.
    pub older: u64,
    /// Files and folders by sensitivity label.
    pub sensitivity: BTreeMap<String, u64>,
    /// Files and folders by retention label.
    pub retention: BTreeMap<String, u64>,
    /// Files and folders of which something is not known.
    pub unknown: u64,
    /// What is not known, by its word.
    pub unknown_by: BTreeMap<&'static str, u64>,
    /// Who was let in where.
    pub let_in: List<LetIn>,
    /// Files with earlier versions.
    pub versions: List<Aged>,
    /// Labels.
    pub labels: List<Labelled>,
    /// What could not be asked.
    pub unasked: List<Unknown>,
}

impl Behind {
    /// Reads the last capture of a job; `None` where there was none. `report` says what happened since; every row
    /// goes to the table as it is met.
    ///
    /// # Errors
    /// Where the ledger cannot be read or the table cannot be written.
    pub async fn read(
        ledger: &dyn Ledger,
        job: JobId,
        report: &Report,
        mut table: Option<&mut BehindTable<'_>>,
    ) -> Result<Option<Self>, ReportError> {
        let under_way = Capture::under_way(ledger, job).await?;
        let last = Capture::last(ledger, job).await?;
        let repeated = last.as_ref().and(under_way.as_ref()).map(|capture| capture.begun);
        let Some(capture) = last.or(under_way) else { return Ok(None) };
        let mut behind = Self::of(&capture, repeated);
        let again = report.runs.iter().filter(|run| LISTING.contains(&run.command.as_str()));
        let again = again.map(|run| run.started).chain(report.audit.iter().map(|audit| audit.at));
        behind.outdated = again.max().filter(|at| *at > capture.begun);
        let mut pages = capture.pages(ledger, job);
        while let Some(page) = pages.next().await? {
            behind.add(page, table.as_deref_mut())?;
        }
        if let Some(table) = table {
            table.finish()?;
        }
        Ok(Some(behind))
    }

    fn of(capture: &Capture, repeated: Option<Timestamp>) -> Self {
        Self {
            begun: capture.begun,
            ended: capture.ended,
            repeated,
            outdated: None,
            silent: capture.silent.clone(),
            unreached: capture.unreached.clone(),
            files: 0,
            folders: 0,
            gone: 0,
            unreached_files: 0,
            shared_files: 0,
            shared_folders: 0,
            grants: BTreeMap::new(),
            aged: 0,
            older: 0,
            sensitivity: BTreeMap::new(),
            retention: BTreeMap::new(),
            unknown: 0,
            unknown_by: BTreeMap::new(),
            let_in: List::default(),
            versions: List::default(),
            labels: List::default(),
            unasked: List::default(),
        }
    }

    fn add(&mut self, page: CapturedPage, mut table: Option<&mut BehindTable<'_>>) -> io::Result<()> {
        self.files += page.files;
        self.folders += page.folders;
        self.gone += page.gone;
        self.unreached_files += page.unreached;
        for thing in page.things {
            if let Some(table) = table.as_deref_mut() {
                table.thing(&thing)?;
            }
            self.sharing(&thing);
            self.rest(thing);
        }
        Ok(())
    }

    fn sharing(&mut self, thing: &Captured) {
        let mut any = false;
        for grant in thing.left.own() {
            any = true;
            *self.grants.entry(audience(grant.audience)).or_default() += 1;
            self.let_in.push(|| LetIn {
                source: thing.source.clone(),
                path: thing.path.clone(),
                folder: thing.folder,
                grant: grant.clone(),
            });
        }
        match thing.folder {
            true => self.shared_folders += u64::from(any),
            false => self.shared_files += u64::from(any),
        }
    }

    fn rest(&mut self, thing: Captured) {
        let Captured { source, path, folder, left } = thing;
        let LeftBehind { older, sensitivity, retention, unknown, .. } = left;
        self.unknown += u64::from(!unknown.is_empty());
        for one in unknown {
            *self.unknown_by.entry(one.aspect.name()).or_default() += 1;
            self.unasked.push(|| Unknown {
                source: source.clone(),
                path: path.clone(),
                folder,
                what: one.aspect.name().to_owned(),
                why: one.why,
            });
        }
        if older > 0 {
            self.aged += 1;
            self.older += older;
            self.versions.push(|| Aged { source: source.clone(), path: path.clone(), older });
        }
        count(&mut self.sensitivity, sensitivity.as_ref());
        count(&mut self.retention, retention.as_ref());
        if sensitivity.is_some() || retention.is_some() {
            self.labels.push(|| Labelled { source, path, folder, sensitivity, retention });
        }
    }
}

/// Counts a label; those beyond what is told apart are counted together.
fn count(labels: &mut BTreeMap<String, u64>, label: Option<&String>) {
    let Some(label) = label else { return };
    let known = labels.len() < LABELS || labels.contains_key(label);
    *labels.entry(if known { label.clone() } else { "…".to_owned() }).or_default() += 1;
}

pub(crate) fn audience(audience: Audience) -> &'static str {
    match audience {
        Audience::Anyone => "anyone",
        Audience::Organization => "organization",
        Audience::People => "people",
    }
}

const HEADER: [&str; 11] =
    ["source", "path", "kind", "what", "value", "who", "address", "role", "how", "expires", "detail"];

/// The CSV of what stays behind: one row a person let in, a file's earlier versions, a label, a thing not known.
/// For a spreadsheet, as the table of files is.
pub struct BehindTable<'a>(Sheet<'a, { HEADER.len() }>);

impl std::fmt::Debug for BehindTable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BehindTable({} rows)", self.rows())
    }
}

impl<'a> BehindTable<'a> {
    /// A table that goes to a writer; it should be buffered.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self(Sheet::new(out, HEADER))
    }

    /// Rows written, the header aside.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.0.rows()
    }

    /// Writes the header where no row came.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }

    fn thing(&mut self, thing: &Captured) -> io::Result<()> {
        for grant in thing.left.own() {
            let nobody = [Person::default()];
            let people = if grant.people.is_empty() { &nobody } else { grant.people.as_slice() };
            for person in people {
                let expires = grant.expires.map(|at| format!("{at:.0}")).unwrap_or_default();
                let how = if grant.link { "link" } else { "direct" };
                let rest = [&person.name, &person.mail, &grant.role, how, &expires, ""];
                self.row(thing, "sharing", audience(grant.audience), rest)?;
            }
        }
        if thing.left.older > 0 {
            self.row(thing, "versions", &thing.left.older.to_string(), [""; 6])?;
        }
        for (what, label) in [("sensitivity", &thing.left.sensitivity), ("retention", &thing.left.retention)]
        {
            if let Some(label) = label {
                self.row(thing, what, label, [""; 6])?;
            }
        }
        for one in &thing.left.unknown {
            self.row(thing, "unknown", one.aspect.name(), ["", "", "", "", "", &one.why])?;
        }
        Ok(())
    }

    fn row(&mut self, thing: &Captured, what: &str, value: &str, rest: [&str; 6]) -> io::Result<()> {
        let kind = if thing.folder { "folder" } else { "file" };
        let path = if thing.path.is_empty() { "/" } else { &thing.path };
        let [who, address, role, how, expires, detail] = rest;
        self.0.row(&[&thing.source, path, kind, what, value, who, address, role, how, expires, detail])
    }
}
