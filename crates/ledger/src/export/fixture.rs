//! A small crawled job in a memory ledger, for the tests of this folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use jiff::Timestamp;
use landfall_core::ledger::{
    Enrolment, FileFilter, JobHandle, Ledger, MemoryLedger, Placement, Record, RunRow, RunStart,
};
use landfall_core::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason, State, Via};
use landfall_core::store::{Authors, Entry, Holding, Listed, ListedFolder};
use landfall_core::words::{Cursor, ItemKey, Times, fold_hash};
use landfall_core::{ByteSize, Clock, Digests, FileId, Hasher, RelPath, SourceId};
use tempfile::TempDir;

use super::csv::UploadLog;

/// A clock that is set by hand.
#[derive(Debug)]
pub(super) struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(super) struct World {
    pub(super) ledger: MemoryLedger,
    pub(super) job: JobHandle,
    pub(super) clock: Hand,
    pub(super) folder: TempDir,
    pub(super) log: UploadLog,
}

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn evidence(content: &str) -> Evidence {
    let mut hasher = Hasher::new();
    hasher.update(content.as_bytes());
    Evidence { size: ByteSize(content.len() as u64), digests: hasher.digests() }
}

impl World {
    /// One source, crawled at 2026-11-21 09:00 UTC.
    pub(super) async fn crawled(files: &[(&str, &str)]) -> Self {
        let world = Self::empty().await;
        world.crawl("ada", files).await;
        world
    }

    pub(super) async fn empty() -> Self {
        let ledger = MemoryLedger::new();
        let at = time("2026-11-21T09:00:00Z");
        let job = ledger.open_job("voices", "site/Documents", "test", at).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = UploadLog::at(folder.path().join("upload_log.csv"));
        Self { ledger, job, clock: Hand(Mutex::new(at)), folder, log }
    }

    pub(super) fn at(&self, text: &str) {
        *self.clock.0.lock().unwrap() = time(text);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A full pass over one source with these files, settled and placed.
    pub(super) async fn crawl(&self, label: &str, files: &[(&str, &str)]) -> SourceId {
        let source = self.ledger.open_source(&self.job, label, &format!("drive-{label}")).await.unwrap();
        let pass = self.ledger.begin_pass(&self.job, source, true).await.unwrap().pass;
        let mut items = Vec::new();
        let mut folders = BTreeMap::new();
        for (path, content) in files {
            let path = RelPath::new(*path).unwrap();
            let parent = folder_of(&path.parent().unwrap(), &mut folders, &mut items);
            items.push(Listed::File(entry(&path, parent, content)));
        }
        let at = self.clock.now();
        let cursor = Some(Cursor("https://graph.test/delta?token=geheim".to_owned()));
        let page = Enrolment { source, pass, items, cursor, complete: true, at };
        self.ledger.enrol(&self.job, page).await.unwrap();
        self.ledger.settle_tree(&self.job, source, at).await.unwrap();
        self.place(Standing::In, None, |_| true).await;
        source
    }

    /// Places unsettled files that a test picks.
    pub(super) async fn place(
        &self,
        standing: Standing,
        skip: Option<Reason>,
        pick: impl Fn(&FileRow) -> bool,
    ) {
        let all = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let rows = self.ledger.scan(self.job.id, &all, FileId(0), usize::MAX).await.unwrap();
        let places =
            rows.iter().filter(|row| row.standing != Standing::Gone && pick(row)).map(|row| Placement {
                file: row.id,
                standing,
                skip,
                dest_name: None,
                target: fold_hash(row.path().unwrap().as_str()),
                fold: fold_hash(&row.entry.name),
            });
        self.ledger.place(&self.job, places.collect()).await.unwrap();
    }

    pub(super) async fn row(&self, path: &str) -> FileRow {
        let mut rows = self.ledger.find_path(self.job.id, &RelPath::new(path).unwrap()).await.unwrap();
        assert_eq!(rows.len(), 1, "{path}");
        rows.remove(0)
    }

    pub(super) async fn record(&self, path: &str, event: Event) {
        let row = self.row(path).await;
        let record = Record { file: row.id, expect: row.state, event, at: self.clock.now() };
        self.ledger.record(&self.job, vec![record]).await.unwrap();
    }

    /// Brings a PENDING file into a state, as the engine would.
    pub(super) async fn bring(&self, path: &str, state: State) {
        let ours = self.row(path).await.entry.clone();
        let ours = Evidence { size: ours.size, digests: ours.digests };
        let holding = Holding { item: ItemKey("01DEST".to_owned()), revision: None, evidence: ours.clone() };
        let present = Event::Present {
            holding,
            via: Via::Stream,
            sent: Digests::none(),
            leg: None,
            reason: Reason::Unproven,
        };
        match state {
            State::Pending => {}
            State::Local => {
                let spooled = Event::Spooled {
                    size: ours.size,
                    digests: ours.digests,
                    leg: SourceLeg::Matched,
                    sealed: None,
                };
                self.record(path, spooled).await;
            }
            State::Dupe => self.record(path, present).await,
            State::Success => {
                self.record(path, present).await;
                let at = self.clock.now();
                let Comparison::Proven(proof) =
                    Proof::compare(&ours, &ours, SourceLeg::Matched, ProofKind::Hash, at)
                else {
                    panic!("equal evidence is a proof")
                };
                self.record(path, Event::Proven(proof)).await;
            }
            State::Ng => {
                let comment = "the item is checked out".to_owned();
                self.record(path, Event::Failed { reason: Reason::SourceDenied, comment, last: false }).await;
            }
        }
    }

    pub(super) async fn run(&self, at: &str) -> RunRow {
        self.at(at);
        let start = RunStart { command: "run".to_owned(), at: time(at), fresh: false };
        self.ledger.begin_run(&self.job, start).await.unwrap()
    }

    pub(super) async fn refresh(&self) -> super::csv::Refreshed {
        self.log.refresh(&self.ledger, &self.job).await.unwrap()
    }

    pub(super) fn text(&self) -> String {
        std::fs::read_to_string(&self.log.path).unwrap()
    }

    /// Rewrites the log as somebody with an editor would.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{from:?} is not in {text}");
        std::fs::write(&self.log.path, text.replacen(from, to, 1)).unwrap();
    }

    pub(super) async fn states(&self) -> BTreeMap<State, u64> {
        let tally = self.ledger.tally(self.job.id, None).await.unwrap();
        tally.states.into_iter().map(|(state, count)| (state, count.files)).filter(|(_, n)| *n > 0).collect()
    }
}

fn entry(path: &RelPath, parent: Option<ItemKey>, content: &str) -> Entry {
    let evidence = evidence(content);
    let modified = Some(time("2025-06-21T00:00:00Z"));
    Entry {
        key: ItemKey(format!("id:{path}")),
        parent,
        name: path.name().to_owned(),
        size: evidence.size,
        times: Times { created: modified, modified },
        revision: None,
        digests: Digests { sha256: None, ..evidence.digests },
        authors: Authors::default(),
    }
}

fn folder_of(
    path: &RelPath,
    known: &mut BTreeMap<RelPath, ItemKey>,
    items: &mut Vec<Listed>,
) -> Option<ItemKey> {
    let above = path.parent()?;
    if let Some(key) = known.get(path) {
        return Some(key.clone());
    }
    let parent = folder_of(&above, known, items);
    let key = ItemKey(format!("id:{path}"));
    known.insert(path.clone(), key.clone());
    items.push(Listed::Folder(ListedFolder {
        key: key.clone(),
        parent,
        name: path.name().to_owned(),
        times: Times::default(),
        child_count: None,
        authors: Authors::default(),
    }));
    Some(key)
}
