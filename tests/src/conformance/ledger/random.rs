//! One random story told to a ledger and to the memory ledger, compared after every sentence.

use std::sync::Arc;

use landfall_core::ledger::{
    Answer, Enrolment, FileFilter, FolderPlacement, JobHandle, Ledger, LookFilter, Looked, MemoryLedger,
    Placement, Record, RunStart,
};
use landfall_core::proof::{Comparison, Evidence, Proof, ProofKind, Sense, SourceLeg};
use landfall_core::row::Standing;
use landfall_core::state::{Event, Reason, State, Via};
use landfall_core::store::{Holding, Listed, Owe};
use landfall_core::words::{ByteSize, Cursor, FileId, ItemKey, RelPath, SourceId, TreeId, fold_hash};
use landfall_core::{Algo, Digest, Digests, StoreError};

use super::{at, entry, folder, quickxor};

const NAMES: [&str; 9] =
    ["会議.wav", "議事録", "が", "か\u{3099}", "Memo.TXT", "memo.txt", "..", "a/b", "録音"];

/// Tells `steps` random sentences to both and compares what they answer and hold.
///
/// # Panics
/// At the first difference, naming seed and step.
pub async fn compare(ledger: Arc<dyn Ledger>, name: &str, seed: u64, steps: u32) {
    let mut story = Story::begin(ledger, format!("{name}-{seed}"), seed).await;
    for step in 0..steps {
        story.sentence(&format!("seed {seed}, step {step}")).await;
        if step % 8 == 7 {
            story.same(&format!("seed {seed}, step {step}")).await;
        }
    }
    story.same(&format!("seed {seed}, the end")).await;
}

struct Story {
    rng: fastrand::Rng,
    sides: [Arc<dyn Ledger>; 2],
    jobs: [JobHandle; 2],
    sources: [Vec<SourceId>; 2],
    trees: [TreeId; 2],
    clock: i64,
}

/// Ids differ between two databases by a constant only: they count from the job's own base.
fn shape<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?} {:?}", error.kind, error.code),
    }
}

impl Story {
    async fn begin(ledger: Arc<dyn Ledger>, name: String, seed: u64) -> Self {
        let sides: [Arc<dyn Ledger>; 2] = [ledger, Arc::new(MemoryLedger::new())];
        let mut jobs = Vec::new();
        let mut sources = [Vec::new(), Vec::new()];
        let mut trees = Vec::new();
        for (n, side) in sides.iter().enumerate() {
            let job = side.open_job(&name, "宛先", "test", at(0)).await.unwrap();
            for label in ["ada", "bob"] {
                sources[n].push(side.open_source(&job, label, label).await.unwrap());
            }
            trees.push(side.open_tree(&name).await.unwrap());
            jobs.push(job);
        }
        let (jobs, trees) = (jobs.try_into().unwrap(), trees.try_into().unwrap());
        Self { rng: fastrand::Rng::with_seed(seed), sides, jobs, sources, trees, clock: 0 }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())].clone()
    }

    /// A number that does not depend on how many jobs the database already has.
    fn base(&self, side: usize, id: i64) -> i64 {
        id - (self.jobs[side].id.0 << 32)
    }

    async fn sentence(&mut self, context: &str) {
        self.clock += 1;
        let now = at(self.clock);
        let which = self.rng.usize(..2);
        match self.rng.u32(..24) {
            0..=5 => self.enrol(which, context).await,
            6 => {
                let full = self.rng.bool();
                let answers = self.each(async |side, story| {
                    shape(
                        &side
                            .begin_pass(
                                &story.jobs[story.at(side)],
                                story.sources[story.at(side)][which],
                                full,
                            )
                            .await,
                    )
                });
                same(answers.await, context);
            }
            7..=8 => {
                let answers = self.each(async |side, story| {
                    let n = story.at(side);
                    shape(&side.settle_tree(&story.jobs[n], story.sources[n][which], now).await)
                });
                same(answers.await, context);
            }
            9..=10 => self.place(context).await,
            11 => self.place_folders(which, context).await,
            12..=16 => self.record(context).await,
            17..=18 => self.observe(context).await,
            19 => self.settle_owed(context).await,
            20..=21 => self.looked(context).await,
            22 => self.forget_looks(context).await,
            _ => {
                let command = self.pick(&["run", "crawl"]).to_owned();
                let (fresh, end) = (self.rng.bool(), self.rng.bool());
                for n in 0..2 {
                    let start = RunStart { command: command.clone(), at: now, fresh };
                    let run = self.sides[n].begin_run(&self.jobs[n], start).await.unwrap();
                    if end {
                        self.sides[n].end_run(&self.jobs[n], run.id, now, "{}").await.unwrap();
                    }
                }
            }
        }
    }

    fn at(&self, side: &Arc<dyn Ledger>) -> usize {
        usize::from(!Arc::ptr_eq(side, &self.sides[0]))
    }

    async fn each(&self, ask: impl AsyncFn(&Arc<dyn Ledger>, &Self) -> String) -> [String; 2] {
        [ask(&self.sides[0], self).await, ask(&self.sides[1], self).await]
    }

    fn items(&mut self, keys: u32) -> Vec<Listed> {
        let key = |n: u32| if n.is_multiple_of(3) { format!("d{n}") } else { format!("f{n}") };
        (0..self.rng.usize(..12))
            .map(|_| {
                let n = self.rng.u32(1..keys);
                let parent = if self.rng.u8(..3) == 0 {
                    String::new()
                } else {
                    format!("d{}", self.rng.u32(1..6) * 3)
                };
                let name = self.pick(&NAMES);
                let mut file = entry(&key(n), &parent, name, self.rng.u64(..3));
                file.digests = self.pick(&[Digests::none(), quickxor(1), quickxor(2)]);
                match self.rng.u32(..10) {
                    0 => Listed::Gone(ItemKey(key(n))),
                    1 => Listed::Skipped {
                        entry: file,
                        reason: self.pick(&[Reason::Shortcut, Reason::Malware]),
                    },
                    _ if n.is_multiple_of(3) => {
                        folder(&key(n), if parent == key(n) { "" } else { &parent }, name)
                    }
                    _ => Listed::File(file),
                }
            })
            .collect()
    }

    async fn enrol(&mut self, which: usize, context: &str) {
        let items = self.items(30);
        let complete = self.rng.bool();
        let now = at(self.clock);
        let answers = self.each(async |side, story| {
            let n = story.at(side);
            let source = story.sources[n][which];
            let pass = side.cursor(story.jobs[n].id, source).await.unwrap().pass;
            let cursor = Some(Cursor(format!("c{now}")));
            let page = Enrolment { source, pass, items: items.clone(), cursor, complete, at: now };
            shape(&side.enrol(&story.jobs[n], page).await)
        });
        same(answers.await, context);
    }

    async fn observe(&mut self, context: &str) {
        let items = self.items(12);
        let (full, begin, complete, settle) =
            (self.rng.bool(), self.rng.u8(..4) == 0, self.rng.bool(), self.rng.bool());
        let answers = self.each(async |side, story| {
            let tree = story.trees[story.at(side)];
            if begin {
                side.begin_tree_pass(tree, full).await.unwrap();
            }
            let pass = side.tree_cursor(tree).await.unwrap().pass;
            let page = Enrolment {
                source: SourceId(0),
                pass,
                items: items.clone(),
                cursor: None,
                complete,
                at: at(0),
            };
            side.observe(tree, page).await.unwrap();
            if settle { shape(&side.settle_found(tree).await) } else { String::new() }
        });
        same(answers.await, context);
    }

    async fn place(&mut self, context: &str) {
        let filter = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let rows = self.sides[0].scan(self.jobs[0].id, &filter, FileId(0), 1000).await.unwrap();
        let mut places = Vec::new();
        for row in rows {
            if self.rng.u8(..3) == 0 {
                continue;
            }
            let standing = self.pick(&[Standing::In, Standing::In, Standing::Outside, Standing::Skipped]);
            let name = self.pick(&NAMES);
            places.push(Placement {
                file: FileId(self.base(0, row.id.0)),
                standing,
                skip: (standing == Standing::Skipped).then(|| self.pick(&[Reason::Filtered, Reason::Orphan])),
                dest_name: self.rng.bool().then(|| name.to_owned()),
                target: i64::from(self.rng.u8(..6)),
                fold: self.pick(&[0, fold_hash(name), fold_hash(&row.entry.name)]),
            });
        }
        let answers = self.each(async |side, story| {
            let n = story.at(side);
            let mut places = places.clone();
            places.iter_mut().for_each(|p| p.file.0 += story.jobs[n].id.0 << 32);
            shape(&side.place(&story.jobs[n], places).await)
        });
        same(answers.await, context);
    }

    async fn place_folders(&mut self, which: usize, context: &str) {
        let rows = self.sides[0].folders(self.jobs[0].id, self.sources[0][which], None, 1000).await.unwrap();
        for row in rows {
            let standing = self.pick(&[Standing::In, Standing::Outside]);
            let target = RelPath::new(self.pick(&["", "甲", "乙/丙"])).ok();
            let item = self.pick(&[None, Some("root"), Some("d3"), Some("d6")]);
            let (bind, timed, target_hash) = (self.rng.bool(), self.rng.bool(), i64::from(self.rng.u8(..6)));
            let base = self.base(0, row.id.0);
            let answers = self.each(async |side, story| {
                let n = story.at(side);
                let id = landfall_core::FolderId(base + (story.jobs[n].id.0 << 32));
                let place = FolderPlacement { folder: id, standing, target: target.clone(), target_hash };
                side.place_folders(&story.jobs[n], vec![place]).await.unwrap();
                if bind {
                    side.bind_folder(&story.jobs[n], id, item.map(ItemKey::from)).await.unwrap();
                }
                if timed {
                    side.folder_timed(&story.jobs[n], id).await.unwrap();
                }
                String::new()
            });
            same(answers.await, context);
        }
    }

    fn event(&mut self) -> Event {
        let digests = Digests { sha256: Digest::new(Algo::Sha256, &[self.rng.u8(..2); 32]), ..quickxor(1) };
        let evidence = Evidence {
            size: ByteSize(self.rng.u64(..3)),
            digests: self.pick(&[quickxor(1), digests.clone()]),
        };
        let held =
            Holding { item: ItemKey::from("宛先の品"), revision: None, evidence: evidence.clone() };
        let comment = self.pick(&["", "理由", "it's"]).to_owned();
        let reason = self.pick(Reason::ALL);
        let kind = self.pick(&[ProofKind::Hash, ProofKind::Bytes]);
        let sealed = self.pick(&[None, Some(1), Some(2)]).map(|n| Box::new(super::owing::sealed(n)));
        match self.rng.u32(..12) {
            0 => Event::Spooled { size: evidence.size, digests, leg: SourceLeg::Unpublished, sealed },
            1 | 2 => Event::Present {
                holding: held,
                via: self.pick(&Via::ALL),
                sent: digests,
                leg: self.pick(&[None, Some(SourceLeg::Matched)]),
                reason,
            },
            3 => Event::SpoolLost,
            4 | 5 => match Proof::compare(&evidence, &evidence, SourceLeg::Matched, kind, at(self.clock)) {
                Comparison::Proven(proof) => Event::Proven(proof),
                other => panic!("{other:?}"),
            },
            6 => Event::Failed { reason, comment, last: self.rng.bool() },
            7 => Event::Lapsed { reason, comment },
            8 => Event::Retried { comment },
            9 => Event::Intended { via: self.pick(&Via::ALL) },
            10 => {
                Event::Deferred { reason, comment, not_before: self.rng.bool().then(|| at(self.clock + 5)) }
            }
            _ => self.pick(&[
                Event::Noted { reason, comment, holding: Some(held) },
                Event::Checked { sense: Sense::Hash, holding: None, sha256: None, proof: None },
            ]),
        }
    }

    async fn record(&mut self, context: &str) {
        let filter = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let rows = self.sides[0].scan(self.jobs[0].id, &filter, FileId(0), 1000).await.unwrap();
        if rows.is_empty() {
            return;
        }
        let mut records = Vec::new();
        for _ in 0..self.rng.usize(1..3) {
            let row = self.pick(&rows);
            // Mostly events that are legal, sometimes one that is not.
            let mut event = self.event();
            for _ in 0..10 {
                if row.state.apply(&event).is_ok() {
                    break;
                }
                event = self.event();
            }
            records.push(Record {
                file: FileId(self.base(0, row.id.0)),
                expect: row.state,
                event,
                at: at(self.clock),
            });
        }
        let owing = self.rng.bool();
        let owes: Vec<(usize, &str)> =
            (0..self.rng.usize(..3)).map(|_| (self.rng.usize(..2), self.pick(&NAMES))).collect();
        let now = at(self.clock);
        let answers = self.each(async |side, story| {
            let n = story.at(side);
            let mut records = records.clone();
            records.iter_mut().for_each(|r| r.file.0 += story.jobs[n].id.0 << 32);
            if !owing {
                return shape(&side.record(&story.jobs[n], records).await);
            }
            let owe = |(source, subject): &(usize, &str)| Owe {
                source: story.sources[n][*source],
                subject: (*subject).to_owned(),
                text: format!("{{\"{subject}\"}}"),
            };
            shape(&side.record_owing(&story.jobs[n], records, owes.iter().map(owe).collect(), now).await)
        });
        same(answers.await, context);
    }

    async fn settle_owed(&mut self, context: &str) {
        let known = self.sides[0].owed(self.jobs[0].id, 0, 1000).await.unwrap();
        let mut seqs: Vec<i64> = known.iter().map(|o| o.seq).filter(|_| self.rng.bool()).collect();
        seqs.push(self.rng.i64(0..20));
        let answers = self.each(async |side, story| {
            shape(&side.settle_owed(&story.jobs[story.at(side)], seqs.clone()).await)
        });
        same(answers.await, context);
    }

    async fn looked(&mut self, context: &str) {
        let looks: Vec<Looked> = (0..self.rng.usize(..8))
            .map(|_| Looked {
                subject: format!("{}{}", self.pick(&NAMES), self.rng.u8(..4)),
                owner: self.pick(&NAMES).to_owned(),
                section: self.pick(&["ada", "bob"]).to_owned(),
                answer: self.pick(&Answer::ALL),
                finding: self.pick(&[None, None, Some("missing"), Some("違う")]).map(str::to_owned),
                detail: self.pick(&["{}", "it's \0"]).to_owned(),
                at: at(self.clock),
            })
            .collect();
        let answers = self
            .each(async |side, story| shape(&side.looked(&story.jobs[story.at(side)], looks.clone()).await));
        same(answers.await, context);
    }

    async fn forget_looks(&mut self, context: &str) {
        let before = at(self.clock - self.rng.i64(0..60));
        let answers = self
            .each(async |side, story| shape(&side.forget_looks(&story.jobs[story.at(side)], before).await));
        same(answers.await, context);
    }

    /// What both owe, and what was seen.
    async fn outbox(&self, n: usize) -> Vec<String> {
        let (side, job) = (&self.sides[n], self.jobs[n].id);
        let mut view = Vec::new();
        for mut owed in side.owed(job, 0, 1000).await.unwrap() {
            let place = self.sources[n].iter().position(|s| *s == owed.owe.source);
            owed.owe.source.0 = 0;
            view.push(format!("{place:?} {owed:?}"));
        }
        for findings in [false, true] {
            for section in [None, Some("ada")] {
                let filter = LookFilter { findings, section: section.map(str::to_owned) };
                view.extend(
                    side.looks(job, &filter, "", 1000).await.unwrap().iter().map(|l| format!("{l:?}")),
                );
                let page = side.looks(job, &filter, "か", 3).await.unwrap();
                view.extend(page.iter().map(|l| format!("{l:?}")));
            }
        }
        view
    }

    /// Everything that both hold, with ids counted from the job's own base.
    async fn view(&self, n: usize) -> Vec<String> {
        let (side, job) = (&self.sides[n], self.jobs[n].id);
        let filter = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        let mut view = Vec::new();
        let source = |id: SourceId| self.sources[n].iter().position(|s| *s == id);
        let mut rows = side.scan(job, &filter, FileId(0), 1000).await.unwrap();
        rows.extend(side.collisions(job, (0, FileId(0)), 1000).await.unwrap());
        for path in ["会議.wav", "録音/が", "議事録/MEMO.txt"] {
            rows.extend(side.find_path(job, &RelPath::new(path).unwrap()).await.unwrap());
        }
        let pairs = side.matches(job, self.trees[n], &FileFilter::default(), FileId(0), 1000).await.unwrap();
        for (row, found) in pairs {
            rows.push(row);
            view.push(format!("{found:?}"));
        }
        for mut row in rows {
            let place = source(row.source);
            (row.id.0, row.folder.0, row.source.0) = (self.base(n, row.id.0), self.base(n, row.folder.0), 0);
            view.push(format!("{place:?} {row:?}"));
        }
        for id in &self.sources[n] {
            for mut row in side.folders(job, *id, None, 1000).await.unwrap() {
                (row.id.0, row.source.0) = (self.base(n, row.id.0), 0);
                row.parent = row.parent.map(|p| landfall_core::FolderId(self.base(n, p.0)));
                let children = side.child_tally(job, *id, Some(&row.key)).await.unwrap();
                view.push(format!("{row:?} {children:?}"));
            }
            view.push(format!("{:?}", side.cursor(job, *id).await.unwrap()));
            view.push(format!("{:?}", side.tally(job, Some(*id)).await.unwrap()));
            let keys: Vec<_> =
                (0..30).flat_map(|k| [format!("d{k}"), format!("f{k}")]).map(ItemKey).collect();
            view.push(format!("{:?}", side.unknown_keys(job, *id, &keys).await.unwrap()));
            let mut known = side.files_by_key(job, *id, &keys).await.unwrap();
            known.sort_by_key(|row| row.id);
            let known = known.iter().map(|r| (self.base(n, r.id.0), r.state, r.sealed.is_some()));
            view.push(format!("{:?}", known.collect::<Vec<_>>()));
        }
        view.extend(self.outbox(n).await);
        for mut event in side.events(job, 0, 100_000).await.unwrap() {
            event.file.0 = self.base(n, event.file.0);
            view.push(format!("{event:?}"));
        }
        view.push(format!("{:?}", side.tally(job, None).await.unwrap()));
        view.push(format!("{:?}", side.tree_cursor(self.trees[n]).await.unwrap()));
        let runs = side.runs(job, 100).await.unwrap();
        view.extend(
            runs.into_iter()
                .map(|r| format!("{} {} {:?} {} {}", r.command, r.started, r.ended, r.resumed, r.summary)),
        );
        for state in State::ALL {
            let due = FileFilter {
                states: vec![state],
                due: Some(at(self.clock)),
                intended: Some(false),
                retryable: true,
                ..FileFilter::default()
            };
            let rows = side.scan(job, &due, FileId(0), 1000).await.unwrap();
            view.push(format!("{state} {:?}", rows.iter().map(|r| self.base(n, r.id.0)).collect::<Vec<_>>()));
        }
        view
    }

    async fn same(&self, context: &str) {
        let (mine, model) = (self.view(0).await, self.view(1).await);
        for (mine, model) in mine.iter().zip(&model) {
            assert_eq!(mine, model, "{context}");
        }
        assert_eq!(mine.len(), model.len(), "{context}");
    }
}

fn same(answers: [String; 2], context: &str) {
    assert_eq!(answers[0], answers[1], "{context}");
}
