//! Jobs drawn by chance in a memory ledger, with hostile names, brought into every state by real events.

use jiff::{Timestamp, ToSpan as _};
use landfall_core::ledger::{
    Answer, Enrolment, FileFilter, JobHandle, Ledger, Looked, MemoryLedger, Placement, Record, RunStart,
};
use landfall_core::proof::{Comparison, Evidence, Proof, ProofKind, Sense, SourceLeg};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Reason, State, Via};
use landfall_core::store::{Entry, Holding, Listed};
use landfall_core::words::{Cursor, ItemKey, Revision, Times, fold_hash};
use landfall_core::{Algo, ByteSize, Digest, Digests, FileId, SourceId};
use landfall_report::{Asked, Question, Report, Table, Unreached, gather};

use crate::texts::{ENGLISH, language};

/// Names as nobody should have them and somebody has.
pub(crate) const HOSTILE: [&str; 12] = [
    "<script>alert('会議')<\u{2215}script>.html",
    "</td></tr></table><img src=x onerror=alert(1)>.wav",
    "=HYPERLINK(\"x\",\"請求書\").csv",
    "+81-3-0000.wav",
    "-1.jpg",
    "@花子.txt",
    "\u{202e}gpj.exe",
    "改行\n付き,\"引用\".m4a",
    "👩‍👩‍👧‍👦と𠮷野家.MP4",
    "%{files}%{",
    "' onmouseover='alert(1)",
    "&lt;b&gt;&amp;.pdf",
];

pub(crate) struct World {
    pub(crate) ledger: MemoryLedger,
    pub(crate) job: JobHandle,
    pub(crate) now: Timestamp,
    pub(crate) sealed: bool,
    pub(crate) unreached: Vec<Unreached>,
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl World {
    pub(crate) async fn empty() -> Self {
        let ledger = MemoryLedger::new();
        let now = time("2026-11-22T12:00:00Z");
        let job = ledger.open_job("voices", "site/<b>Documents", "test", now).await.unwrap();
        Self { ledger, job, now, sealed: false, unreached: Vec::new() }
    }

    /// A job of some users and files, everything by the seed.
    pub(crate) async fn drawn(seed: u64, most: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let world = Self { sealed: chance.u8(..8) == 0, ..Self::empty().await };
        for user in 0..chance.usize(1..4) {
            let files: Vec<Entry> = (0..chance.usize(0..most)).map(|n| entry(&mut chance, user, n)).collect();
            let source = world.list(user, &files, true).await;
            world.place(&mut chance).await;
            world.live(&mut chance, source).await;
            // A second listing: some files have gone, some are renamed, some are not placed again.
            let left: Vec<Entry> = files.into_iter().filter_map(|file| later(&mut chance, file)).collect();
            world.list(user, &left, false).await;
            if chance.bool() {
                world.place(&mut chance).await;
            }
        }
        world.looks(&mut chance).await;
        world
    }

    async fn list(&self, user: usize, files: &[Entry], first: bool) -> SourceId {
        let label = format!("user{user}<i>@例え.jp");
        let source = self.ledger.open_source(&self.job, &label, "drive").await.unwrap();
        let pass = self.ledger.begin_pass(&self.job, source, true).await.unwrap().pass;
        let items = files.iter().cloned().map(Listed::File).collect();
        let at = if first { self.now - 24000.hours() } else { self.now - 1.hours() };
        let cursor = Some(Cursor("c".to_owned()));
        let page = Enrolment { source, pass, items, cursor, complete: true, at };
        self.ledger.enrol(&self.job, page).await.unwrap();
        self.ledger.settle_tree(&self.job, source, at).await.unwrap();
        source
    }

    pub(crate) async fn rows(&self) -> Vec<FileRow> {
        let all = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        self.ledger.scan(self.job.id, &all, FileId(i64::MIN), usize::MAX).await.unwrap()
    }

    async fn place(&self, chance: &mut fastrand::Rng) {
        let mut places = Vec::new();
        for row in self.rows().await.iter().filter(|row| row.standing == Standing::Unsettled) {
            let (standing, skip) = match chance.u8(..20) {
                0 => (Standing::Outside, None),
                1 => (Standing::Skipped, Some(Reason::Malware)),
                2 => (Standing::Skipped, Some(Reason::Filtered)),
                3 => (Standing::Unsettled, None),
                _ => (Standing::In, None),
            };
            let dest_name = (chance.u8(..9) == 0).then(|| format!("{}_", row.entry.name));
            let fold = fold_hash(&row.entry.name);
            places.push(Placement { file: row.id, standing, skip, dest_name, target: fold, fold });
        }
        self.ledger.place(&self.job, places).await.unwrap();
    }

    /// Lets each file of a source live a little.
    async fn live(&self, chance: &mut fastrand::Rng, source: SourceId) {
        for row in self.rows().await.into_iter().filter(|r| r.source == source && r.standing == Standing::In)
        {
            let mut at = self.now - chance.i64(1..20_000).hours();
            for _ in 0..chance.u8(..3) {
                let reason = if chance.bool() { Reason::Throttled } else { Reason::Interrupted };
                let comment = "後で <b>試す</b>".to_owned();
                self.record(&row, at, Event::Deferred { reason, comment, not_before: Some(at) }).await;
                at += chance.i64(1..90).seconds();
            }
            match chance.u8(..10) {
                0 => {}
                1 => {
                    let comment = "=拒否,\n\"checked out\"".to_owned();
                    self.record(
                        &row,
                        at,
                        Event::Failed { reason: Reason::SourceDenied, comment, last: true },
                    )
                    .await;
                }
                2 => self.record(&row, at, present(&row)).await,
                n => self.prove(&row, at, n, chance).await,
            }
        }
    }

    async fn prove(&self, row: &FileRow, at: Timestamp, draw: u8, chance: &mut fastrand::Rng) {
        self.record(row, at, present(row)).await;
        let kind = [ProofKind::Hash, ProofKind::Bytes, ProofKind::Parts][usize::from(draw % 3)];
        let ours = Evidence { size: row.entry.size, digests: row.entry.digests.clone() };
        let leg = if chance.bool() { SourceLeg::Matched } else { SourceLeg::Contradicted };
        let Comparison::Proven(proof) = Proof::compare(&ours, &ours, leg, kind, at) else {
            panic!("equal evidence is a proof")
        };
        self.record(row, at, Event::Proven(proof)).await;
        if draw > 7 {
            self.record(row, at + 1.hours(), checked(chance.bool())).await;
        }
        if draw == 9 && chance.bool() {
            let reason = Reason::ChangedAtDestination;
            self.record(row, at + 2.hours(), Event::Lapsed { reason, comment: String::new() }).await;
        }
    }

    async fn record(&self, row: &FileRow, at: Timestamp, event: Event) {
        let now =
            self.ledger.scan(self.job.id, &FileFilter::default(), FileId(row.id.0 - 1), 1).await.unwrap();
        let record = Record { file: row.id, expect: now[0].state, event, at };
        self.ledger.record(&self.job, vec![record]).await.unwrap();
    }

    async fn looks(&self, chance: &mut fastrand::Rng) {
        let look = |n: u8| Looked {
            subject: format!("all_tweets/{n}/0/<u>"),
            owner: format!("all_tweets/{n}"),
            section: "花子".to_owned(),
            answer: Answer::Absent,
            finding: [None, Some("absent".to_owned()), Some("leak".to_owned())][usize::from(n % 3)].clone(),
            detail: ["", "{\"settled\":\"media-gone\"}", "{\"words\":\"<img src=x>\"}"]
                [usize::from(n % 5).min(2)]
            .to_owned(),
            at: self.now,
        };
        let looks = (0..chance.u8(..30)).map(look).collect();
        self.ledger.looked(&self.job, looks).await.unwrap();
    }

    pub(crate) async fn run(&self, command: &str, summary: &str) {
        let start = RunStart { command: command.to_owned(), at: self.now, fresh: true };
        let run = self.ledger.begin_run(&self.job, start).await.unwrap();
        self.ledger.end_run(&self.job, run.id, self.now, summary).await.unwrap();
    }

    pub(crate) async fn report(&self) -> (Report, String) {
        let mut csv = Vec::new();
        let question = Question {
            job: &self.job,
            asked: Asked {
                sources: vec!["onedrive: <b>ada</b>".to_owned()],
                destination: "sharepoint: \"x\"".to_owned(),
                seal: self.sealed.then(|| "rclone-crypt".to_owned()),
                ..Asked::default()
            },
            unreached: self.unreached.clone(),
            program: "Landfall 0.0.0".to_owned(),
            now: self.now,
        };
        let mut table = Table::new(&mut csv, language("en", &ENGLISH));
        let report = gather(&self.ledger, question, Some(&mut table)).await.unwrap();
        (report, String::from_utf8(csv).unwrap())
    }
}

fn entry(chance: &mut fastrand::Rng, user: usize, n: usize) -> Entry {
    let name = HOSTILE[n % HOSTILE.len()];
    let name = if n < HOSTILE.len() { name.to_owned() } else { format!("録音 {n}.{}", n % 40) };
    let digest = chance.u128(..).to_be_bytes();
    let sha256 = chance.bool().then(|| [digest, digest].concat());
    let most = 1 << chance.u32(..45);
    let quickxor = Digest::new(Algo::QuickXor, &[&digest[..], &[0; 4]].concat());
    Entry {
        key: ItemKey(format!("{user}/{n}")),
        parent: None,
        name,
        size: ByteSize(chance.u64(..most)),
        times: Times::default(),
        revision: Some(Revision("1".to_owned())),
        authors: landfall_core::store::Authors::default(),
        digests: Digests {
            quickxor,
            sha256: sha256.and_then(|bytes| Digest::new(Algo::Sha256, &bytes)),
            ..Digests::none()
        },
    }
}

fn later(chance: &mut fastrand::Rng, file: Entry) -> Option<Entry> {
    match chance.u8(..8) {
        0 => None,
        1 => Some(Entry { name: format!("改名 {}", file.name), ..file }),
        _ => Some(file),
    }
}

fn present(row: &FileRow) -> Event {
    let evidence = Evidence { size: row.entry.size, digests: row.entry.digests.clone() };
    let holding = Holding { item: ItemKey("01DEST".to_owned()), revision: None, evidence };
    Event::Present {
        holding,
        via: Via::Stream,
        sent: row.entry.digests.clone(),
        leg: Some(SourceLeg::Matched),
        reason: Reason::HashPending,
    }
}

/// The state that a row which takes part is in, by itself.
pub(crate) fn takes_part(row: &FileRow, state: State) -> bool {
    row.standing == Standing::In && row.state == state
}

/// A look that confirmed a file, by the service's word or by its published hash.
fn checked(hash: bool) -> Event {
    let sense = if hash { Sense::Hash } else { Sense::Unchanged };
    Event::Checked { sense, holding: None, sha256: None, proof: None }
}
