//! The Hub store against the simulated Hub, call by call, in virtual time.
//!
//! Each test scripts the one thing that goes wrong and counts what the store did about it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use landfall_core::digest::{Algo, Digest, Digests};
use landfall_core::error::{ErrorKind, Look, StoreError};
use landfall_core::memo::{Memo, MemoKey, MemoValue};
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::proof::Evidence;
use landfall_core::state::Reason;
use landfall_core::store::{Change, Destination, Found, Holding, Listed, Page, Reread};
use landfall_core::transport::{Body, Request, Response, Transport, TransportError};
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Chance, Clock, JobId, RelPath, VirtualClock};
use landfall_sim::{Faults, HubConfig as SimConfig, HubFault, HubFaultRule, HubRoute, HubSim};
use landfall_stores::hub::{HubApi, HubConfig, HubDataset, RepoId, Settings, quotas};
use landfall_stores::wire::WireParts;
use landfall_tests::hub_transport::HubTransport;
use landfall_tests::simulation::in_virtual_time;
use secrecy::SecretString;
use sha2::Digest as _;

const REPO: &str = "me/EventMonitor";

/// Memos in memory.
#[derive(Default)]
struct Shelf(Mutex<BTreeMap<MemoKey, MemoValue>>);

#[async_trait]
impl Memo for Shelf {
    async fn memo(&self, key: &MemoKey) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).map(|value| value.text.clone()))
    }

    async fn remember(&self, key: &MemoKey, value: MemoValue) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.clone(), value);
        Ok(())
    }

    async fn forget(&self, key: &MemoKey) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    async fn memos(&self, _: JobId, _: &'static str, _: &str, _: usize) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// Content in memory.
struct Blob(Bytes);

#[async_trait]
impl Reread for Blob {
    async fn open(&self, from: u64) -> Result<Body, StoreError> {
        let rest = self.0.slice(usize::try_from(from).unwrap().min(self.0.len())..);
        let pieces: Vec<_> = rest.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }
}

/// Never answers from the nth request on: a process that is killed there.
struct Mortal {
    inner: HubTransport,
    left: AtomicU64,
    /// Whether the last request is carried out before the silence.
    after: bool,
}

impl Mortal {
    /// True where this request is the one that the process dies at.
    fn dies(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1)))
            == Ok(0)
    }
}

#[async_trait]
impl Transport for Mortal {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if self.dies() {
            if self.after {
                drop(self.inner.send(request).await);
            }
            return std::future::pending().await;
        }
        self.inner.send(request).await
    }

    async fn send_stream(
        &self,
        head: http::Request<()>,
        length: u64,
        body: Body,
    ) -> Result<Response, TransportError> {
        if self.dies() {
            if self.after {
                drop(self.inner.send_stream(head, length, body).await);
            }
            return std::future::pending().await;
        }
        self.inner.send_stream(head, length, body).await
    }
}

struct Bench {
    sim: HubSim,
    memo: Arc<Shelf>,
}

impl Bench {
    fn new(config: SimConfig) -> Self {
        let sim = HubSim::new(config);
        sim.create_repo(REPO, true);
        Self { sim, memo: Arc::default() }
    }

    fn plain() -> Self {
        Self::new(SimConfig::default())
    }

    fn api(&self, token: Option<&str>) -> HubApi {
        self.api_over(Arc::new(HubTransport { hub: self.sim.clone() }), token)
    }

    fn api_over(&self, transport: Arc<dyn Transport>, token: Option<&str>) -> HubApi {
        // A process that begins later begins at the Hub's present time.
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting(self.sim.now()));
        let chance = Arc::new(Chance::seeded(1));
        let lane = LaneConfig { name: "hub".into(), quotas: quotas(token.is_none()), start: 8, most: 16 };
        HubApi::connect(HubConfig {
            endpoint: "http://hub.sim".into(),
            token: token.map(SecretString::from),
            wire: WireParts {
                transport,
                lane: Lane::new(lane, clock.clone(), chance.clone()),
                clock,
                chance,
                meter: Arc::default(),
            },
            memo: Some(self.memo.clone()),
        })
    }

    async fn dataset(&self) -> HubDataset {
        self.dataset_with(Settings::default()).await
    }

    async fn dataset_with(&self, settings: Settings) -> HubDataset {
        HubDataset::open(&self.api(Some("hf_sim_write")), &repo(), settings).await.unwrap()
    }

    fn fault(&self, route: HubRoute, skip: u32, times: u32, fault: HubFault) {
        self.sim.add_fault(HubFaultRule { route, skip, times, fault });
    }

    /// Commits beyond the repository's first one.
    fn commits(&self) -> usize {
        self.sim.commits(REPO).len() - 1
    }

    fn count(&self, route: &str) -> u64 {
        self.sim.requests().by_route.get(route).copied().unwrap_or(0)
    }

    fn clean(&self) {
        let violations = self.sim.requests().violations;
        assert!(violations.is_empty(), "{violations:?}");
    }
}

fn repo() -> RepoId {
    RepoId::parse(REPO).unwrap()
}

fn content(n: usize) -> Bytes {
    Bytes::from(format!("RCLONE\0\0 録音 {n} {}", "x".repeat(n % 97)))
}

fn path(n: usize) -> String {
    format!("encrypted_images/花子/録音{n:05}")
}

fn evidence(bytes: &[u8]) -> Evidence {
    let sha256 = Digest::new(Algo::Sha256, &sha2::Sha256::digest(bytes));
    Evidence { size: ByteSize(bytes.len() as u64), digests: Digests { sha256, ..Digests::default() } }
}

fn put_at(path: &str, bytes: Bytes) -> Change {
    let path = RelPath::new(path).unwrap();
    Change::Put { path, evidence: evidence(&bytes), bytes: Box::new(Blob(bytes)), replace: false }
}

fn puts(range: std::ops::Range<usize>) -> Vec<Change> {
    range.map(|n| put_at(&path(n), content(n))).collect()
}

fn holding(path: &str, bytes: &[u8]) -> Holding {
    Holding { item: ItemKey(format!("{REPO}:{path}")), revision: None, evidence: evidence(bytes) }
}

fn all_held(answers: Vec<Result<Option<Holding>, StoreError>>, range: std::ops::Range<usize>) {
    assert_eq!(answers.len(), range.len());
    for (answer, n) in answers.into_iter().zip(range) {
        let holding = answer.unwrap().unwrap();
        assert_eq!(holding.evidence, evidence(&content(n)), "file {n}");
        assert!(holding.item.as_str().ends_with(&format!(":{}", path(n))));
    }
}

async fn listing(dataset: &HubDataset, since: Option<Cursor>) -> (Vec<Page>, Option<Cursor>) {
    let mut listing = dataset.changes(since).await.unwrap();
    let mut pages = Vec::new();
    while let Some(page) = listing.next().await.unwrap() {
        pages.push(page);
    }
    let cursor = pages.last().and_then(|page| page.cursor.clone());
    (pages, cursor)
}

fn test<F: Future<Output = ()>>(work: F) {
    in_virtual_time(work);
}

#[test]
fn six_hundred_files_take_two_commits() {
    test(async {
        let bench = Bench::plain();
        let dataset = bench.dataset().await;
        bench.sim.reset_requests();
        all_held(dataset.publish(puts(0..600)).await.unwrap(), 0..600);
        assert_eq!(bench.commits(), 2, "250, then the rest");
        for n in [0, 300, 599] {
            assert_eq!(bench.sim.read(REPO, &path(n)).unwrap(), content(n));
        }
        let api = bench.sim.requests().api;
        assert!(api <= 18, "{api} requests: {:?}", bench.sim.requests().by_route);
        assert_eq!(bench.count("POST lfs/verify"), 0);
        assert_eq!(dataset.batch_now(), 400);
        bench.clean();
    });
}

#[test]
fn the_same_batch_again_sends_nothing() {
    test(async {
        let bench = Bench::plain();
        bench.dataset().await.publish(puts(0..30)).await.unwrap();
        bench.sim.reset_requests();
        all_held(bench.dataset().await.publish(puts(0..30)).await.unwrap(), 0..30);
        assert_eq!(bench.commits(), 1);
        assert_eq!(bench.sim.requests().storage, 0);
        assert_eq!(bench.count("POST lfs/batch"), 0);
    });
}

#[test]
fn a_kill_at_any_request_and_a_repeat_end_alike() {
    let changes = || {
        let mut changes = puts(0..6);
        changes.push(put_at("encrypted_images/空", Bytes::new()));
        changes.push(Change::Move {
            from: holding("images/花子/元", b"RCLONE\0\0 old"),
            path: RelPath::new("encrypted_images/花子/先").unwrap(),
        });
        changes.push(Change::Delete { from: holding("images/花子/捨", b"RCLONE\0\0 gone") });
        changes
    };
    let mut died = 0;
    for after in [false, true] {
        for nth in 0..60 {
            let finished = in_virtual_time(async {
                let bench = Bench::plain();
                let seeds = [("images/花子/元", "RCLONE\0\0 old"), ("images/花子/捨", "RCLONE\0\0 gone")];
                bench.sim.put(
                    REPO,
                    seeds.iter().map(|(p, b)| ((*p).to_owned(), Bytes::from_static(b.as_bytes()))).collect(),
                );
                let transport = Mortal {
                    inner: HubTransport { hub: bench.sim.clone() },
                    left: AtomicU64::new(nth),
                    after,
                };
                let api = bench.api_over(Arc::new(transport), Some("hf_sim_write"));
                let first = tokio::time::timeout(Duration::from_secs(3600), async {
                    let dataset = HubDataset::open(&api, &repo(), Settings::default()).await.unwrap();
                    dataset.publish(changes()).await.unwrap()
                });
                let finished = first.await.is_ok();
                let again = bench.dataset().await.publish(changes()).await.unwrap();
                assert!(again.iter().all(Result::is_ok), "kill at {nth}: {again:?}");
                let have: Vec<String> = bench.sim.files(REPO).into_iter().map(|file| file.path).collect();
                let mut want: Vec<String> = (0..6).map(path).collect();
                want.extend(
                    [".gitattributes", "encrypted_images/空", "encrypted_images/花子/先"].map(String::from),
                );
                want.sort();
                assert_eq!(have, want, "kill at {nth}, after {after}");
                assert_eq!(bench.commits(), 2, "the seed and one batch; kill at {nth}, after {after}");
                bench.clean();
                finished
            });
            died += u32::from(!finished);
            if finished {
                break;
            }
        }
    }
    assert!(died > 20, "only {died} kills hit anything");
}

#[test]
fn a_commit_whose_reply_is_lost_is_looked_for_and_not_repeated() {
    for fault in
        [HubFault::LostReply, HubFault::FailAfter { status: 500 }, HubFault::FailAfter { status: 504 }]
    {
        test(async {
            let bench = Bench::plain();
            let dataset = bench.dataset().await;
            bench.fault(HubRoute::Commit, 0, 1, fault);
            all_held(dataset.publish(puts(0..20)).await.unwrap(), 0..20);
            assert_eq!((bench.commits(), bench.count("POST commit")), (1, 1), "{fault:?}");
            bench.clean();
        });
    }
}

#[test]
fn a_commit_that_was_not_carried_out_is_sent_again() {
    for fault in [
        HubFault::DropBefore,
        HubFault::ServerError { status: 500 },
        HubFault::Html { status: 504 },
        HubFault::Unavailable { retry_after: Some(7) },
        HubFault::Unavailable { retry_after: None },
        HubFault::Throttle { seconds: 40 },
        HubFault::ThrottleHtml,
        HubFault::Conflict,
        HubFault::Unauthorized,
    ] {
        test(async {
            let bench = Bench::plain();
            let dataset = bench.dataset().await;
            bench.fault(HubRoute::Commit, 0, 1, fault);
            all_held(dataset.publish(puts(0..20)).await.unwrap(), 0..20);
            let ours = bench.sim.commits(REPO).iter().filter(|c| c.title.starts_with("landfall")).count();
            assert_eq!(ours, 1, "{fault:?}");
            bench.clean();
        });
    }
}

#[test]
fn every_fault_of_every_other_request_is_survived() {
    use HubFault as F;
    let common = [
        F::Throttle { seconds: 30 },
        F::ThrottleHtml,
        F::Unavailable { retry_after: Some(3) },
        F::ServerError { status: 500 },
        F::Html { status: 502 },
        F::DropBefore,
        F::LostReply,
    ];
    let routes =
        [HubRoute::Info, HubRoute::Tree, HubRoute::PathsInfo, HubRoute::Preupload, HubRoute::LfsBatch];
    let mut cases: Vec<(HubRoute, F)> =
        routes.iter().flat_map(|route| common.iter().map(|fault| (*route, *fault))).collect();
    cases.extend([
        (HubRoute::Tree, F::TreeTimeout { seconds: 100 }),
        (HubRoute::Tree, F::TruncatedPage),
        (HubRoute::Tree, F::ShortPage),
        (HubRoute::StoragePut, F::ServerError { status: 500 }),
        (HubRoute::StoragePut, F::CutBody),
        (HubRoute::StoragePut, F::ExpiredLink),
        (HubRoute::StoragePut, F::LostReply),
        (HubRoute::StoragePut, F::DropBefore),
    ]);
    for (route, fault) in cases {
        test(async {
            let bench = Bench::plain();
            let dataset = bench.dataset().await;
            bench.fault(route, 0, 2, fault);
            all_held(dataset.publish(puts(0..5)).await.unwrap(), 0..5);
            let (pages, _) = listing(&dataset, None).await;
            let files =
                pages.iter().flat_map(|page| &page.items).filter(|item| matches!(item, Listed::File(_)));
            assert!(files.count() >= 5, "{route:?} {fault:?}");
            assert_eq!(bench.commits(), 1, "{route:?} {fault:?}");
            bench.clean();
        });
    }
}

#[test]
fn a_large_object_goes_up_in_parts() {
    test(async {
        let bench =
            Bench::new(SimConfig { multipart_above: 10_000, chunk_size: 4_000, ..SimConfig::default() });
        let dataset = bench.dataset().await;
        let bytes = Bytes::from([b"RCLONE\0\0".as_slice(), &[7; 25_000]].concat());
        bench.fault(HubRoute::StoragePut, 2, 1, HubFault::CutBody);
        bench.fault(HubRoute::LfsComplete, 0, 1, HubFault::LostReply);
        let answers =
            dataset.publish(vec![put_at("encrypted_videos/花子/動画", bytes.clone())]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap().as_ref().unwrap().evidence, evidence(&bytes));
        assert_eq!(bench.sim.read(REPO, "encrypted_videos/花子/動画").unwrap(), bytes);
        bench.clean();
    });
}

#[test]
fn somebody_elses_object_stays_unless_told_otherwise() {
    test(async {
        let bench = Bench::plain();
        bench.sim.put(REPO, vec![(path(1), Bytes::from_static(b"RCLONE\0\0 theirs"))]);
        let dataset = bench.dataset().await;
        let answers = dataset.publish(puts(0..3)).await.unwrap();
        let refused = answers[1].as_ref().unwrap_err();
        assert_eq!((refused.kind, refused.reason), (ErrorKind::Exists, Some(Reason::DifferentAtDestination)));
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert_eq!(bench.sim.read(REPO, &path(1)).unwrap().as_ref(), b"RCLONE\0\0 theirs");
        let mut change = puts(1..2);
        if let Change::Put { replace, .. } = &mut change[0] {
            *replace = true;
        }
        all_held(dataset.publish(change).await.unwrap(), 1..2);
    });
}

#[test]
fn moves_and_deletions_are_guarded() {
    test(async {
        let bench = Bench::plain();
        bench.sim.put(REPO, vec![("a/元".into(), content(1)), ("a/他".into(), content(2))]);
        let dataset = bench.dataset().await;
        let moved = |from: &str, n: usize, to: &str| Change::Move {
            from: holding(from, &content(n)),
            path: RelPath::new(to).unwrap(),
        };
        let answers = dataset
            .publish(vec![
                moved("a/元", 1, "b/先"),
                moved("a/他", 3, "b/違"),
                Change::Delete { from: holding("a/他", &content(3)) },
                moved("a/無", 1, "b/無"),
                Change::Delete { from: holding("a/無", &content(1)) },
            ])
            .await
            .unwrap();
        assert_eq!(answers[0].as_ref().unwrap().as_ref().unwrap().evidence, evidence(&content(1)));
        assert_eq!(answers[1].as_ref().unwrap_err().kind, ErrorKind::Changed);
        assert_eq!(answers[2].as_ref().unwrap_err().kind, ErrorKind::Changed);
        assert_eq!(answers[3].as_ref().unwrap_err().kind, ErrorKind::NotFound);
        assert!(matches!(answers[4], Ok(None)));
        let paths: Vec<String> = bench.sim.files(REPO).into_iter().map(|file| file.path).collect();
        assert_eq!(paths, [".gitattributes", "a/他", "b/先"]);
        assert_eq!(bench.sim.requests().storage, 0, "no byte passes for a move");
        let elsewhere = Change::Delete {
            from: Holding { item: ItemKey::from("me/Other:a"), ..holding("a", &content(1)) },
        };
        let answer = dataset.publish(vec![elsewhere]).await.unwrap();
        assert_eq!(answer[0].as_ref().unwrap_err().kind, ErrorKind::Unsupported);
    });
}

#[test]
fn another_writer_is_waited_for_and_looked_at_again() {
    test(async {
        let bench = Bench::plain();
        let dataset = bench.dataset().await;
        dataset.publish(puts(0..1)).await.unwrap();
        // The head that the store remembers is no longer the head.
        bench.sim.put(REPO, vec![(path(5), Bytes::from_static(b"RCLONE\0\0 theirs"))]);
        bench.fault(HubRoute::Commit, 0, 2, HubFault::Conflict);
        let answers = dataset.publish(puts(4..7)).await.unwrap();
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert_eq!(answers[1].as_ref().unwrap_err().kind, ErrorKind::Exists);
        bench.clean();
    });
}

#[test]
fn a_pointer_without_an_object_is_sent_again() {
    test(async {
        let bench = Bench::plain();
        bench.sim.put(REPO, vec![("alt/同".into(), content(1))]);
        bench.sim.lose_object(REPO, "alt/同");
        let dataset = bench.dataset().await;
        let answers = dataset.publish(puts(0..3)).await.unwrap();
        all_held(answers, 0..3);
        assert_eq!(bench.sim.read(REPO, &path(1)).unwrap(), content(1));
    });
}

#[test]
fn commits_of_the_last_hour_outlive_a_restart() {
    test(async {
        let bench = Bench::plain();
        let began = tokio::time::Instant::now();
        for n in 0..101 {
            // A process for each file: only the memo knows what the earlier ones spent.
            all_held(bench.dataset().await.publish(puts(n..n + 1)).await.unwrap(), n..n + 1);
        }
        assert!(began.elapsed() >= Duration::from_secs(3600), "{:?}", began.elapsed());
        assert_eq!(bench.sim.requests().throttled, 0);
        bench.clean();
    });
}

#[test]
fn the_commit_quota_holds_commits_and_nothing_else() {
    for (retry_after, least) in [(None, 3600), (Some(900), 900)] {
        test(async {
            let bench = Bench::plain();
            let dataset = bench.dataset().await;
            bench.fault(HubRoute::Commit, 0, 1, HubFault::CommitQuota { retry_after });
            let began = tokio::time::Instant::now();
            let reading = async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                bench.api(Some("hf_sim_write")).repo(&repo()).await.unwrap();
                dataset.api().repo(&repo()).await.unwrap();
                began.elapsed()
            };
            let (answers, read) = futures_util::future::join(dataset.publish(puts(0..5)), reading).await;
            all_held(answers.unwrap(), 0..5);
            assert!(read < Duration::from_secs(70), "reading waited {read:?}");
            let waited = began.elapsed();
            assert!(waited >= Duration::from_secs(least) && waited < Duration::from_secs(3700), "{waited:?}");
            bench.clean();
        });
    }
}

#[test]
fn a_full_folder_and_a_full_repository_roll_over_as_planned() {
    test(async {
        let bench =
            Bench::new(SimConfig { files_per_repo: 20, files_per_folder: 10, ..SimConfig::default() });
        let settings = Settings { files_per_repo: 20, files_per_folder: 10, ..Settings::default() };
        let dataset = bench.dataset_with(settings.clone()).await;
        let answers = dataset.publish(puts(0..25)).await.unwrap();
        all_held(answers, 0..25);
        let repos: Vec<String> = dataset.repos().iter().map(RepoId::to_string).collect();
        assert_eq!(repos, [REPO, "me/EventMonitor_2", "me/EventMonitor_3"]);
        assert_eq!(bench.sim.is_private("me/EventMonitor_2"), Some(true));
        let in_all: usize = repos.iter().map(|repo| bench.sim.files(repo).len()).sum();
        assert_eq!(in_all, 25 + 3);
        // Again, by another process: what stands anywhere in the family is there.
        let commits = |repo: &str| bench.sim.commits(repo).len();
        let before: Vec<usize> = repos.iter().map(|repo| commits(repo)).collect();
        let again = bench.dataset_with(settings).await;
        all_held(again.publish(puts(0..25)).await.unwrap(), 0..25);
        assert_eq!(repos.iter().map(|repo| commits(repo)).collect::<Vec<_>>(), before);
        assert!(matches!(
            again.find(&ItemKey::from("encrypted_images/花子"), "録音00024").await,
            Look::Present(Found::File(_))
        ));
        bench.clean();
    });
}

#[test]
fn a_refusal_for_too_many_files_rolls_over_too() {
    // What the client believes is more than what the service takes.
    for (per_repo, per_folder) in [(12, 1000), (1000, 10)] {
        test(async {
            let bench = Bench::new(SimConfig {
                files_per_repo: per_repo,
                files_per_folder: per_folder,
                ..SimConfig::default()
            });
            let dataset = bench.dataset().await;
            dataset.publish(puts(0..8)).await.unwrap();
            all_held(dataset.publish(puts(8..16)).await.unwrap(), 8..16);
            assert_eq!(dataset.repos().len(), 2);
            assert_eq!(bench.sim.files("me/EventMonitor_2").len(), 8 + 1);
        });
    }
}

#[test]
fn an_unchanged_dataset_is_not_listed_again() {
    test(async {
        let bench = Bench::new(SimConfig { page: 7, ..SimConfig::default() });
        let dataset = bench.dataset().await;
        dataset.publish(puts(0..20)).await.unwrap();
        let (pages, cursor) = listing(&dataset, None).await;
        assert!(pages.len() > 2 && pages.iter().rev().skip(1).all(|page| !page.complete));
        bench.sim.reset_requests();
        let (unchanged, cursor) = listing(&dataset, cursor).await;
        assert!(unchanged.len() == 1 && unchanged[0].items.is_empty() && !unchanged[0].restarted);
        assert_eq!(bench.sim.requests().api, 1);
        // Taken up in the middle, at the same commit.
        bench.sim.remove(REPO, &[path(19)]);
        let (rest, _) = listing(&dataset, pages[1].cursor.clone()).await;
        let files = |pages: &[Page]| {
            let items = pages.iter().flat_map(|page| &page.items);
            items.filter(|item| matches!(item, Listed::File(_))).count()
        };
        assert_eq!(files(&pages[..2]) + files(&rest), 21);
        let (changed, _) = listing(&dataset, cursor).await;
        assert!(changed[0].restarted);
        assert_eq!(files(&changed), 20);
    });
}

#[test]
fn four_kinds_of_not_found_are_told_apart() {
    test(async {
        let bench = Bench::plain();
        bench.sim.put(REPO, vec![("a/録".into(), content(1))]);
        let api = bench.api(Some("hf_sim_write"));
        let kind = |error: StoreError| error.kind;
        assert_eq!(kind(api.header(&repo(), "main", "a/無", 0..32).await.unwrap_err()), ErrorKind::NotFound);
        let other = RepoId::parse("me/Nowhere").unwrap();
        let hidden = api.header(&other, "main", "a/録", 0..32).await.unwrap_err();
        assert!(hidden.kind == ErrorKind::Denied && hidden.is_unknown());
        let lost = api.header(&repo(), "nowhere", "a/録", 0..32).await.unwrap_err();
        assert!(lost.is_unknown(), "{lost}");
        for token in [None, Some("hf_sim_other")] {
            let error = bench.api(token).repo(&repo()).await.unwrap_err();
            assert!(error.is_unknown(), "a private repository is unknown to strangers: {error}");
        }
        assert_eq!(bench.api(Some("hf_none")).whoami().await.unwrap_err().kind, ErrorKind::Unauthenticated);
        assert_eq!(api.paths_info(&repo(), "main", &["a/録".into(), "a/無".into()]).await.unwrap().len(), 1);
    });
}

#[test]
fn bytes_are_read_from_the_storage_without_the_token() {
    test(async {
        let bench = Bench::plain();
        let bytes = Bytes::from([b"RCLONE\0\0".as_slice(), &[9; 5000]].concat());
        bench.sim.put(
            REPO,
            vec![("a/録".into(), bytes.clone()), ("README.md".into(), Bytes::from_static(b"hello\n"))],
        );
        let api = bench.api(Some("hf_sim_write"));
        assert_eq!(api.header(&repo(), "main", "a/録", 0..32).await.unwrap(), bytes.slice(..32));
        assert_eq!(api.header(&repo(), "main", "README.md", 0..32).await.unwrap().as_ref(), b"hello\n");
        for fault in [HubFault::ExpiredLink, HubFault::WholeBody, HubFault::ServerError { status: 500 }] {
            bench.fault(HubRoute::StorageGet, 0, 1, fault);
            let body = api.read(&repo(), "main", "a/録", 4000).await.unwrap();
            let read: Vec<u8> = body.map(Result::unwrap).collect::<Vec<_>>().await.concat();
            assert_eq!(read, bytes.slice(4000..).to_vec(), "{fault:?}");
        }
        bench.sim.lose_object(REPO, "a/録");
        assert_eq!(api.header(&repo(), "main", "a/録", 0..32).await.unwrap_err().kind, ErrorKind::Corrupt);
        bench.clean();
    });
}

#[test]
fn a_full_account_stops_the_batch_with_a_code() {
    test(async {
        let bench = Bench::plain();
        let dataset = bench.dataset().await;
        bench.sim.storage_full(true);
        let error = dataset.publish(puts(0..3)).await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Full, Some(landfall_core::Code::DestinationFull)));
        bench.sim.storage_full(false);
        all_held(dataset.publish(puts(0..3)).await.unwrap(), 0..3);
    });
}

#[test]
fn a_revoked_token_is_unknown_and_nothing_more() {
    test(async {
        let bench = Bench::plain();
        let dataset = bench.dataset().await;
        dataset.publish(puts(0..2)).await.unwrap();
        bench.sim.revoke("hf_sim_write");
        let error = dataset.publish(puts(0..3)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthenticated);
        assert!(!format!("{error:?}").contains("hf_sim_write"));
        let look = dataset.find(&ItemKey::from("encrypted_images/花子"), "録音00000").await;
        assert!(matches!(look, Look::Unknown(_)));
    });
}

#[test]
fn a_missing_dataset_is_made_private() {
    test(async {
        let bench = Bench::plain();
        let api = bench.api(Some("hf_sim_write"));
        let new = RepoId::parse("me/Fresh").unwrap();
        assert!(HubDataset::open(&api, &new, Settings::default()).await.is_err());
        let settings = Settings { create: true, ..Settings::default() };
        HubDataset::open(&api, &new, settings).await.unwrap();
        assert_eq!(bench.sim.is_private("me/Fresh"), Some(true));
        assert!(api.create_repo(&new, true).await.unwrap().private, "one that is there is fine");
        let probe = api.probe(&new).await.unwrap();
        assert_eq!((probe.may_write, probe.repo.map(|repo| repo.private)), (Some(true), Some(true)));
        assert_eq!(bench.api(Some("hf_sim_read")).probe(&new).await.unwrap().may_write, Some(false));
    });
}

#[test]
fn thousands_of_recorded_paths_cost_few_requests() {
    test(async {
        let bench = Bench::plain();
        bench.sim.put(REPO, (0..8863).map(|n| (format!("e/{}/録音{n}", n % 20), content(n))).collect());
        let api = bench.api(Some("hf_sim_write"));
        bench.sim.reset_requests();
        let paths: Vec<String> = (0..8863).map(|n| format!("e/{}/録音{n}", n % 20)).collect();
        let head = api.repo(&repo()).await.unwrap().sha;
        let found = api.look_up(&repo(), &head, &paths, None).await.unwrap();
        assert_eq!(found.len(), 8863);
        let api = bench.sim.requests().api;
        assert!(api <= 20, "{api}");
    });
}

#[test]
fn a_hundred_thousand_paths_are_listed_by_tree() {
    test(async {
        let bench = Bench::new(SimConfig { files_per_repo: 200_000, ..SimConfig::default() });
        let paths: Vec<String> = (0..100_000).map(|n| format!("e/{}/録音{n}", n % 20)).collect();
        let bytes = Bytes::from_static(b"RCLONE\0\0 same");
        bench.sim.put(REPO, paths.iter().map(|path| (path.clone(), bytes.clone())).collect());
        let api = bench.api(Some("hf_sim_write"));
        bench.sim.reset_requests();
        let head = api.repo(&repo()).await.unwrap().sha;
        let found = api.look_up(&repo(), &head, &paths, None).await.unwrap();
        assert_eq!(found.len(), 100_000);
        let requests = bench.sim.requests();
        assert!(requests.api <= 120 && requests.throttled == 0, "{requests:?}");
    });
}

#[test]
fn ten_thousand_small_files_cost_few_requests_and_commits() {
    test(async {
        let bench = Bench::new(SimConfig { files_per_folder: 20_000, ..SimConfig::default() });
        let settings = Settings { files_per_folder: 20_000, ..Settings::default() };
        let dataset = bench.dataset_with(settings).await;
        let began = tokio::time::Instant::now();
        for n in 0..10 {
            all_held(
                dataset.publish(puts(n * 1000..(n + 1) * 1000)).await.unwrap(),
                n * 1000..(n + 1) * 1000,
            );
        }
        let requests = bench.sim.requests();
        assert!(requests.api <= 250, "{:?}", requests.by_route);
        assert!(bench.commits() <= 14, "{}", bench.commits());
        assert_eq!(requests.throttled, 0);
        assert!(began.elapsed() < Duration::from_secs(600));
        bench.clean();
    });
}

#[test]
fn whatever_goes_wrong_by_chance_ends_well() {
    let mut injected = 0;
    for seed in 0..40 {
        injected += in_virtual_time(async {
            let faults = if seed % 2 == 0 { Faults::Wild } else { Faults::Mild };
            let bench = Bench::new(SimConfig {
                seed,
                faults,
                page: 9,
                multipart_above: 60,
                chunk_size: 40,
                ..SimConfig::default()
            });
            let mut left = 12;
            loop {
                left -= 1;
                assert!(left > 0, "seed {seed}: it never ends");
                let api = bench.api(Some("hf_sim_write"));
                let dataset = match HubDataset::open(&api, &repo(), Settings::default()).await {
                    Ok(dataset) => dataset,
                    Err(error) => {
                        assert!(error.is_unknown() || error.kind == ErrorKind::Full, "seed {seed}: {error}");
                        continue;
                    }
                };
                let Ok(answers) = dataset.publish(puts(0..40)).await else { continue };
                for answer in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                    assert!(answer.kind != ErrorKind::Exists, "seed {seed}: {answer}");
                }
                if answers.iter().all(Result::is_ok) {
                    all_held(answers, 0..40);
                    break;
                }
            }
            for n in 0..40 {
                assert_eq!(bench.sim.read(REPO, &path(n)).unwrap(), content(n), "seed {seed}");
            }
            let violations = bench.sim.requests().violations;
            assert!(violations.is_empty(), "seed {seed}: {violations:?}");
            let ours = bench.sim.commits(REPO).iter().filter(|c| c.title.starts_with("landfall")).count();
            assert_eq!(ours, 1, "seed {seed}");
            bench.sim.requests().faults.values().sum::<u64>()
        });
    }
    assert!(injected > 100, "only {injected} faults were met");
}
