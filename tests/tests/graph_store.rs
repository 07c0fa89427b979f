//! The Graph store against the simulator, call by call, in virtual time.
//!
//! Each test scripts the one thing that goes wrong and counts what the store did about it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use landfall_core::digest::Hasher;
use landfall_core::error::{ErrorKind, Look, Retry, StoreError};
use landfall_core::memo::{Memo, MemoKey, MemoValue};
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::state::Reason;
use landfall_core::store::{Content, Copy, Destination, Entry, Found, Landed, Listed, Listing, Put, Source};
use landfall_core::transport::Transport;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Chance, Clock, Code, JobId, RelPath, Times, VirtualClock};
use landfall_sim::{Config, Fault, FaultRule, Scenario, Sim, WorldOp};
use landfall_stores::graph::{Drive, Graph, GraphConfig, GraphDestination, GraphSource, Settings, quotas};
use landfall_stores::wire::{Cloud, Credential, Endpoints, ReqwestTransport, USER_AGENT, WireParts};
use landfall_tests::sim_transport::SimTransport;
use landfall_tests::simulation::in_virtual_time;
use secrecy::SecretString;

/// Memos in memory.
#[derive(Default)]
struct Shelf(Mutex<BTreeMap<MemoKey, MemoValue>>);

impl Shelf {
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

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

    async fn memos(
        &self,
        job: JobId,
        kind: &'static str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let shelf = self.0.lock().unwrap();
        let keys = shelf.keys().filter(|k| k.job == job && k.kind == kind && k.key.as_str() > after);
        Ok(keys.take(limit).map(|k| k.key.clone()).collect())
    }
}

/// Content in memory that notes what was asked of it.
struct Bytes512 {
    bytes: Bytes,
    at: usize,
    seeks: Vec<u64>,
    finished: u32,
    confirmed: Vec<u64>,
    /// Never gives more than this: a process that is killed there.
    hangs_at: Option<usize>,
    bad: bool,
}

impl Bytes512 {
    fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { bytes, at: 0, seeks: vec![], finished: 0, confirmed: vec![], hangs_at: None, bad: false }
    }
}

#[async_trait]
impl Content for Bytes512 {
    fn size(&self) -> ByteSize {
        ByteSize(self.bytes.len() as u64)
    }

    async fn seek(&mut self, to: u64) -> Result<(), StoreError> {
        self.at = usize::try_from(to).unwrap();
        self.seeks.push(to);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.hangs_at.is_some_and(|at| self.at >= at) {
            std::future::pending::<()>().await;
        }
        let end = self.bytes.len().min(self.at + 100_000);
        let piece = self.bytes.slice(self.at..end);
        self.at = end;
        Ok((!piece.is_empty()).then_some(piece))
    }

    async fn confirmed(&mut self, offset: u64) -> Result<(), StoreError> {
        self.confirmed.push(offset);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.finished += 1;
        assert_eq!(self.at, self.bytes.len(), "judged before its end");
        if self.bad {
            Err(StoreError::new(ErrorKind::Corrupt, "judge", "x", "its hash differs"))
        } else {
            Ok(())
        }
    }
}

struct Bench {
    sim: Sim,
    graph: Graph,
    memo: Arc<Shelf>,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self::with_secret(config, None)
    }

    fn with_secret(config: Config, secret: Option<&str>) -> Self {
        let sim = Sim::new(config);
        let transport = Arc::new(SimTransport { sim: sim.clone() });
        let urls = ["LANDFALL_LOGIN_URL", "LANDFALL_GRAPH_URL"].map(|name| sim.env()[name].clone());
        Self::over(sim, transport, &urls, secret)
    }

    fn over(sim: Sim, transport: Arc<dyn Transport>, urls: &[String; 2], secret: Option<&str>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting("2026-01-05T00:00:00Z".parse().unwrap()));
        let chance = Arc::new(Chance::seeded(1));
        let env = sim.env();
        let lane =
            LaneConfig { name: "t".into(), quotas: quotas(1_000_000, 100_000_000), start: 8, most: 16 };
        let parts = WireParts {
            transport,
            lane: Lane::new(lane, clock.clone(), chance.clone()),
            clock,
            chance,
            meter: Arc::default(),
        };
        let [login, graph] = urls;
        let secret = secret.unwrap_or(&env["AZURE_CLIENT_SECRET"]);
        let graph = Graph::connect(GraphConfig {
            endpoints: Endpoints::replaced(Cloud::Global, Some(login), Some(graph)).unwrap(),
            tenant: env["AZURE_TENANT_ID"].clone(),
            client: env["AZURE_CLIENT_ID"].clone(),
            credential: Credential::Secret(SecretString::from(secret)),
            wire: parts,
        });
        Self { sim, graph, memo: Arc::default() }
    }

    fn voices(files: u64) -> Self {
        Self::new(Config { files, scenario: Scenario::Voices, ..Config::default() })
    }

    async fn library(&self) -> Drive {
        let site = self.graph.site("https://contoso.sharepoint.com/sites/Archive").await.unwrap();
        self.graph.library(&site, "documents").await.unwrap()
    }

    async fn destination(&self) -> GraphDestination {
        let settings = Settings { fragment: ByteSize(320 * 1024) };
        self.graph.destination(&self.library().await, self.memo.clone(), settings)
    }

    async fn source(&self) -> GraphSource {
        self.graph.source(&self.graph.user_drive("ada@contoso.com").await.unwrap())
    }

    fn count(&self, route: &str) -> u64 {
        self.sim.requests().by_route.get(route).copied().unwrap_or(0)
    }

    fn fault(&self, route: &str, nth: u64, times: u64, fault: Fault) {
        self.sim.script(FaultRule { route: route.into(), nth, times, subject: None, fault });
    }
}

fn key(name: &str) -> MemoKey {
    MemoKey::new(JobId(1), "session", name)
}

fn times() -> Times {
    Times {
        created: Some("2019-01-01T00:00:00Z".parse().unwrap()),
        modified: Some("2020-02-02T03:04:05Z".parse().unwrap()),
    }
}

fn put<'a>(to: &GraphDestination, name: &str, content: &'a mut Bytes512) -> Put<'a> {
    Put {
        parent: to.root(),
        name: name.into(),
        path: RelPath::new(name).unwrap(),
        times: times(),
        content,
        memo: key(name),
        resumed: false,
        replaces: None,
    }
}

fn noise(len: usize) -> Bytes {
    (0..len).map(|i| (i * 31 + (i >> 8)) as u8).collect::<Vec<u8>>().into()
}

async fn pages(mut listing: Box<dyn Listing>) -> (Vec<Listed>, Cursor, bool) {
    let (mut items, mut restarted) = (Vec::new(), false);
    loop {
        let page = listing.next().await.map_err(|e| e.chain()).unwrap().expect("a complete page");
        items.extend(page.items);
        restarted |= page.restarted;
        if page.complete {
            assert!(listing.next().await.unwrap().is_none());
            return (items, page.cursor.unwrap(), restarted);
        }
    }
}

fn files(items: &[Listed]) -> BTreeMap<ItemKey, Entry> {
    let files = items.iter().filter_map(|item| match item {
        Listed::File(entry) => Some((entry.key.clone(), entry.clone())),
        _ => None,
    });
    files.collect()
}

async fn read(mut body: landfall_core::transport::Body) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => all.extend_from_slice(&piece),
            Err(_) => return (all, false),
        }
    }
    (all, true)
}

fn held(landed: Result<Landed, StoreError>) -> landfall_core::store::Holding {
    match landed {
        Ok(Landed::Held(holding)) => holding,
        other => panic!("not held: {other:?}"),
    }
}

#[test]
fn a_delta_lists_everything_once_and_then_only_changes() {
    in_virtual_time(async {
        let bench =
            Bench::new(Config { files: 120, max_page: 11, children_first: true, ..Config::default() });
        let source = bench.source().await;
        for (nth, fault) in [
            (1, Fault::EmptyPage),
            (3, Fault::LoopingLink),
            (5, Fault::Html { status: 502 }),
            (7, Fault::Throttle { retry_after: Some(9) }),
            (9, Fault::RepeatedItems),
        ] {
            bench.fault("GET delta", nth, 1, fault);
        }
        let (items, cursor, restarted) = pages(source.list(None).await.unwrap()).await;
        assert!(!restarted);
        let listed = files(&items);
        let there: Vec<_> =
            bench.sim.tree(Some(&source.identity()), "/").into_iter().filter(|e| !e.folder).collect();
        assert_eq!(listed.len(), there.len());
        assert!(there.iter().all(|e| listed[&ItemKey(e.id.clone())].size.0 == e.size));
        assert!(
            listed.values().all(|entry| entry.digests.quickxor.is_some() && entry.times.modified.is_some())
        );

        let (items, cursor, _) = pages(source.list(Some(cursor)).await.unwrap()).await;
        assert!(files(&items).is_empty());
        let drive = Some(source.identity());
        bench
            .sim
            .change(WorldOp::Write {
                drive: drive.clone(),
                path: "/Recordings/新しい録音.wav".into(),
                text: Some("あ".into()),
                size: None,
            })
            .unwrap();
        let gone = &there[0].path;
        bench.sim.change(WorldOp::Delete { drive: drive.clone(), path: gone.clone() }).unwrap();
        let (items, cursor, _) = pages(source.list(Some(cursor)).await.unwrap()).await;
        let changed = files(&items);
        assert_eq!(changed.values().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["新しい録音.wav"]);
        assert!(items.contains(&Listed::Gone(ItemKey(there[0].id.clone()))));

        bench.sim.change(WorldOp::ForgetDelta { drive: drive.clone() }).unwrap();
        bench
            .sim
            .change(WorldOp::Write { drive, path: gone.clone(), text: Some("い".into()), size: None })
            .unwrap();
        let (items, _, restarted) = pages(source.list(Some(cursor)).await.unwrap()).await;
        assert!(restarted, "an expired link begins again in full");
        // One was written anew, one was deleted and is there again.
        assert_eq!(files(&items).len(), there.len() + 1);
        assert_eq!(bench.sim.violations(), Vec::<String>::new());
    });
}

#[test]
fn children_find_what_the_delta_found() {
    in_virtual_time(async {
        let bench = Bench::new(Config { files: 80, max_page: 7, ..Config::default() });
        let source = bench.source().await;
        let (items, ..) = pages(source.list(None).await.unwrap()).await;
        let mut folders = vec![None];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            let mut page = None;
            loop {
                let (items, next) = source.children(folder.as_ref(), page).await.unwrap();
                folders.extend(items.iter().filter_map(|item| match item {
                    Listed::Folder(folder) => Some(Some(folder.key.clone())),
                    _ => None,
                }));
                found.extend(items);
                page = next;
                if page.is_none() {
                    break;
                }
            }
        }
        assert_eq!(files(&found), files(&items));
        assert!(source.usage().await.unwrap().is_some());
    });
}

#[test]
fn twenty_addresses_cost_one_request_and_every_byte_arrives() {
    in_virtual_time(async {
        let bench = Bench::voices(60);
        let source = bench.source().await;
        let (items, ..) = pages(source.list(None).await.unwrap()).await;
        let entries: Vec<Entry> = files(&items).into_values().take(40).collect();
        bench.sim.reset_requests();
        bench.fault("GET content", 3, 2, Fault::Throttle { retry_after: Some(4) });
        let openings = source.prepare(&entries).await;
        assert!(bench.count("POST $batch") <= 4, "only the throttled ones are asked for again");
        assert_eq!(bench.count("GET item"), 0);
        for (entry, opening) in entries.iter().zip(openings) {
            let opening = opening.map_err(|e| e.chain()).unwrap();
            let (bytes, whole) = read(source.open(entry, &opening, 0).await.unwrap()).await;
            assert!(whole);
            let mut hasher = Hasher::new();
            hasher.update(&bytes);
            assert_eq!(hasher.digests().quickxor, entry.digests.quickxor, "{}", entry.name);
            if bytes.len() > 1000 {
                bench.fault("GET download", 1, 1, Fault::WholeBody);
                let tail = read(source.open(entry, &opening, 1000).await.unwrap()).await.0;
                assert_eq!(tail, bytes[1000..], "a range answered with the whole file");
                let tail = read(source.open(entry, &opening, 999).await.unwrap()).await.0;
                assert_eq!(tail, bytes[999..]);
            }
            let size = bytes.len() as u64;
            assert_eq!(read(source.open(entry, &opening, size).await.unwrap()).await, (vec![], true));
        }
        assert_eq!(bench.sim.violations(), Vec::<String>::new());
    });
}

#[test]
fn an_address_is_renewed_and_a_changed_file_is_noticed() {
    in_virtual_time(async {
        let bench =
            Bench::new(Config { files: 20, download_lifetime: Duration::from_secs(60), ..Config::default() });
        let source = bench.source().await;
        let (items, ..) = pages(source.list(None).await.unwrap()).await;
        let listed = files(&items);
        let entry = listed.values().find(|e| e.size.0 > 100).unwrap();
        let opening = source.prepare(std::slice::from_ref(entry)).await.remove(0).unwrap();
        tokio::time::sleep(Duration::from_secs(300)).await;
        let (bytes, whole) = read(source.open(entry, &opening, 10).await.unwrap()).await;
        assert!(whole && bytes.len() as u64 == entry.size.0 - 10);

        let opening = source.prepare(std::slice::from_ref(entry)).await.remove(0).unwrap();
        bench.fault("GET download", 1, 1, Fault::Cut);
        let (bytes, whole) = read(source.open(entry, &opening, 0).await.unwrap()).await;
        assert!(!whole && (bytes.len() as u64) < entry.size.0, "a body that breaks off ends in an error");

        let path = bench
            .sim
            .tree(Some(&source.identity()), "/")
            .into_iter()
            .find(|e| e.id == entry.key.0)
            .unwrap()
            .path;
        let drive = Some(source.identity());
        bench
            .sim
            .change(WorldOp::Write {
                drive: drive.clone(),
                path: path.clone(),
                text: Some("other".into()),
                size: None,
            })
            .unwrap();
        tokio::time::sleep(Duration::from_secs(300)).await;
        let error = source.open(entry, &opening, 0).await.err().unwrap();
        assert_eq!((error.kind, error.reason), (ErrorKind::Changed, Some(Reason::SourceChanged)));
        bench.sim.change(WorldOp::Delete { drive, path }).unwrap();
        let error = source.open(entry, &opening, 0).await.err().unwrap();
        assert_eq!((error.kind, error.reason), (ErrorKind::NotFound, Some(Reason::SourceGone)));
        let error = source.prepare(std::slice::from_ref(entry)).await.remove(0).err().unwrap();
        assert_eq!((error.kind, error.reason), (ErrorKind::NotFound, Some(Reason::SourceGone)));
        assert!(matches!(source.look(entry).await, Look::Absent));
    });
}

#[test]
fn an_upload_is_one_session_and_its_fragments_and_nothing_else() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        bench.sim.reset_requests();
        let mut content = Bytes512::new(noise(1_000_003));
        let holding = held(to.upload(put(&to, "会議録音.bin", &mut content)).await);
        let routes = bench.sim.requests().by_route;
        assert_eq!(routes.get("POST createUploadSession"), Some(&1));
        assert_eq!(routes.get("PUT fragment"), Some(&4));
        assert_eq!(routes.values().sum::<u64>(), 5, "{routes:?}");
        assert_eq!(content.confirmed, [327_680, 655_360, 983_040]);
        assert_eq!((content.finished, content.seeks.len()), (1, 0));
        let mut hasher = Hasher::new();
        hasher.update(&content.bytes);
        assert_eq!(holding.evidence.digests.quickxor, hasher.digests().quickxor);
        let there =
            bench.sim.tree(Some(&to.identity()), "/").into_iter().find(|e| e.id == holding.item.0).unwrap();
        let seconds = |t: Option<jiff::Timestamp>| t.unwrap().as_second();
        assert_eq!((there.versions, there.times), (1, (seconds(times().created), seconds(times().modified))));
        assert_eq!(bench.memo.len(), 0, "nothing is remembered of a finished upload");
        let (back, whole) = read(to.read(&holding.item, 5).await.unwrap()).await;
        assert!(whole && back == content.bytes[5..]);
        assert_eq!(bench.sim.violations(), Vec::<String>::new());
    });
}

#[test]
fn whatever_happens_to_a_fragment_the_file_lands_once() {
    let faults = [
        Fault::Throttle { retry_after: Some(5) },
        Fault::Throttle { retry_after: None },
        Fault::Unavailable { retry_after: Some(3) },
        Fault::Unavailable { retry_after: None },
        Fault::ServerError { status: 500 },
        Fault::Html { status: 502 },
        Fault::Html { status: 404 },
        Fault::DropBefore,
        Fault::LostReply,
        Fault::TimeoutAfter,
        Fault::SessionLost,
        Fault::SessionExpired,
        Fault::RangeRefused,
        Fault::CommittedUnseen,
        Fault::LateHash { seconds: 30 },
        Fault::Stale { seconds: 10 },
    ];
    for fault in faults {
        for nth in 1..=4 {
            let what = format!("{fault:?} at fragment {nth}");
            in_virtual_time(async move {
                let bench = Bench::voices(3);
                let to = bench.destination().await;
                bench.fault("PUT fragment", nth, 1, fault);
                let mut content = Bytes512::new(noise(1_000_003));
                let landed = to.upload(put(&to, "録音.bin", &mut content)).await;
                let Ok(Landed::Held(holding)) = landed else { panic!("{what}: {landed:?}") };
                assert_eq!(holding.evidence.size, ByteSize(1_000_003), "{what}");
                let all = bench.sim.tree(Some(&to.identity()), "/");
                let same: Vec<_> = all.iter().filter(|e| e.path.starts_with("/録音")).collect();
                assert!(same.len() == 1 && same[0].versions == 1, "{what}: {same:?}");
                let (back, _) = read(to.read(&holding.item, 0).await.unwrap()).await;
                assert!(back == content.bytes, "{what}: other bytes");
                assert_eq!(bench.sim.violations(), Vec::<String>::new(), "{what}");
                assert_eq!(bench.memo.len(), 0, "{what}");
                assert_eq!(bench.sim.compare("voices").unwrap().leftover_sessions.len(), 0, "{what}");
            });
        }
    }
}

#[test]
fn an_interrupted_upload_goes_on_where_the_service_stands() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        let mut content = Bytes512::new(noise(1_000_003));
        content.hangs_at = Some(700_000);
        let killed =
            tokio::time::timeout(Duration::from_secs(5), to.upload(put(&to, "録音.bin", &mut content))).await;
        assert!(killed.is_err());
        assert_eq!(bench.memo.len(), 1, "the session is remembered");
        // Another process.
        let to = bench.destination().await;
        bench.sim.reset_requests();
        let mut content = Bytes512::new(noise(1_000_003));
        let mut again = put(&to, "録音.bin", &mut content);
        again.resumed = true;
        let holding = held(to.upload(again).await);
        assert_eq!(content.seeks, [655_360]);
        assert_eq!((bench.count("POST createUploadSession"), bench.count("PUT fragment")), (0, 2));
        let (back, _) = read(to.read(&holding.item, 0).await.unwrap()).await;
        assert!(back == content.bytes);
        // Once more, as after a kill between the service's answer and the ledger's record.
        let mut content = Bytes512::new(noise(1_000_003));
        let mut again = put(&to, "録音.bin", &mut content);
        again.resumed = true;
        let landed = to.upload(again).await.unwrap();
        assert!(matches!(landed, Landed::Occupied(Found::File(found)) if found.item == holding.item));
        assert_eq!(bench.sim.compare("voices").unwrap().extra_versions.len(), 0);
    });
}

#[test]
fn content_that_is_judged_bad_is_never_committed() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        let mut content = Bytes512::new(noise(700_000));
        content.bad = true;
        let error = to.upload(put(&to, "録音.bin", &mut content)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(matches!(to.find(&to.root(), "録音.bin").await, Look::Absent));
        assert_eq!((bench.memo.len(), bench.count("DELETE session")), (0, 1));
        // The name is free again.
        held(to.upload(put(&to, "録音.bin", &mut Bytes512::new(noise(10)))).await);
    });
}

#[test]
fn a_name_that_is_taken_is_told_apart_from_a_name_that_is_held() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        let drive = Some(to.identity());
        bench
            .sim
            .change(WorldOp::Write {
                drive,
                path: "/議事録.txt".into(),
                text: Some("他人".into()),
                size: None,
            })
            .unwrap();
        let landed = to.upload(put(&to, "議事録.TXT", &mut Bytes512::new(noise(10)))).await.unwrap();
        assert!(matches!(landed, Landed::Occupied(Found::File(_))));
        // A session whose reply was lost holds the name.
        bench.fault("POST createUploadSession", 1, 1, Fault::LostReply);
        let error = to.upload(put(&to, "録音.bin", &mut Bytes512::new(noise(10)))).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Locked, Some(Reason::UploadReserved)));
        assert!(matches!(error.retry, Retry::After(_)));
        tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
        held(to.upload(put(&to, "録音.bin", &mut Bytes512::new(noise(10)))).await);
    });
}

#[test]
fn an_abandoned_upload_leaves_nothing() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        let mut content = Bytes512::new(noise(1_000_003));
        content.hangs_at = Some(400_000);
        let killed =
            tokio::time::timeout(Duration::from_secs(5), to.upload(put(&to, "録音.bin", &mut content))).await;
        assert!(killed.is_err());
        to.abandon(&key("録音.bin")).await.unwrap();
        to.abandon(&key("録音.bin")).await.unwrap();
        assert_eq!(bench.memo.len(), 0);
        assert_eq!(bench.sim.compare("voices").unwrap().leftover_sessions.len(), 0);
    });
}

#[test]
fn a_new_version_is_made_once() {
    for fault in [None, Some(Fault::CommittedUnseen), Some(Fault::LostReply), Some(Fault::SessionLost)] {
        in_virtual_time(async move {
            let bench = Bench::voices(3);
            let to = bench.destination().await;
            let first = held(to.upload(put(&to, "録音.bin", &mut Bytes512::new(noise(500_000)))).await);
            if let Some(fault) = fault {
                bench.fault("PUT fragment", 2, 1, fault);
            }
            let mut content = Bytes512::new(noise(600_000));
            let mut again = put(&to, "録音.bin", &mut content);
            again.replaces = Some(first.item.clone());
            let second = held(to.upload(again).await);
            assert_eq!((second.item.clone(), second.evidence.size.0), (first.item, 600_000));
            let there = bench
                .sim
                .tree(Some(&to.identity()), "/")
                .into_iter()
                .find(|e| e.id == second.item.0)
                .unwrap();
            assert_eq!(there.versions, 2);
        });
    }
}

#[test]
fn empty_files_land_once_with_their_times() {
    let cases: [(&str, Option<Fault>); 6] = [
        ("PUT content", None),
        ("PUT content", Some(Fault::LostReply)),
        ("PUT content", Some(Fault::TimeoutAfter)),
        ("PUT content", Some(Fault::Throttle { retry_after: Some(2) })),
        ("PATCH item", Some(Fault::LostReply)),
        ("PATCH item", Some(Fault::ServerError { status: 500 })),
    ];
    for (route, fault) in cases {
        in_virtual_time(async move {
            let bench = Bench::voices(3);
            let to = bench.destination().await;
            if let Some(fault) = fault {
                bench.fault(route, 1, 1, fault);
            }
            let holding = held(to.upload(put(&to, "空.txt", &mut Bytes512::new(""))).await);
            let there = bench
                .sim
                .tree(Some(&to.identity()), "/")
                .into_iter()
                .find(|e| e.id == holding.item.0)
                .unwrap();
            assert_eq!(there.times.1, times().modified.unwrap().as_second(), "{route} {fault:?}");
            assert_eq!(bench.memo.len(), 0);
            // A stranger's empty file is not ours.
            let landed = to.upload(put(&to, "空.txt", &mut Bytes512::new(""))).await.unwrap();
            assert!(matches!(landed, Landed::Occupied(_)));
        });
    }
}

#[test]
fn folders_are_made_once_by_many_and_files_in_their_place_are_named() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        let path = RelPath::new("2025/東京").unwrap();
        let parent = to.ensure_folder(&to.root(), "2025", &RelPath::new("2025").unwrap()).await.unwrap();
        bench.fault("POST children", 2, 1, Fault::LostReply);
        let made =
            futures_util::future::join_all((0..8).map(|_| to.ensure_folder(&parent, "東京", &path))).await;
        let made: Vec<ItemKey> = made.into_iter().map(Result::unwrap).collect();
        assert!(made.iter().all(|folder| *folder == made[0]));
        let folders: Vec<(ItemKey, Times)> =
            [parent, made[0].clone()].into_iter().map(|f| (f, times())).collect();
        bench.sim.reset_requests();
        assert!(to.set_folder_times(&folders).await.iter().all(Result::is_ok));
        assert_eq!(bench.count("POST $batch"), 1);
        let there =
            bench.sim.tree(Some(&to.identity()), "/").into_iter().find(|e| e.id == made[0].0).unwrap();
        assert_eq!(there.times.1, times().modified.unwrap().as_second());

        held(to.upload(put(&to, "議事録", &mut Bytes512::new(noise(3)))).await);
        let error =
            to.ensure_folder(&to.root(), "議事録", &RelPath::new("議事録").unwrap()).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Exists, Some(Reason::FolderIsFile)));
    });
}

#[test]
fn a_copy_by_the_service_is_watched_over_a_kill() {
    in_virtual_time(async {
        let bench =
            Bench::new(Config { files: 10, copy_duration: Duration::from_secs(120), ..Config::default() });
        let (source, to) = (bench.source().await, bench.destination().await);
        let (items, ..) = pages(source.list(None).await.unwrap()).await;
        let listed = files(&items);
        let entry = listed.values().find(|e| e.size.0 > 0).unwrap();
        let copy = Copy {
            from_drive: source.identity(),
            from_item: entry.key.clone(),
            parent: to.root(),
            name: entry.name.clone(),
            path: RelPath::new(&*entry.name).unwrap(),
            memo: key("copy"),
        };
        let killed = tokio::time::timeout(Duration::from_secs(20), to.copy_from(copy.clone())).await;
        assert!(killed.is_err() && bench.memo.len() == 1);
        let holding = held(to.copy_from(copy.clone()).await);
        assert_eq!(holding.evidence.digests, entry.digests);
        assert_eq!((bench.count("POST copy"), bench.memo.len()), (1, 0));
        let landed = to.copy_from(copy).await.unwrap();
        assert!(matches!(landed, Landed::Occupied(Found::File(found)) if found.item == holding.item));
        assert_eq!(bench.sim.violations(), Vec::<String>::new());
    });
}

#[test]
fn what_a_person_got_wrong_is_named() {
    in_virtual_time(async {
        let bench = Bench::new(Config { scenario: Scenario::Leavers, files: 10, ..Config::default() });
        let code = |error: StoreError| error.code;
        assert_eq!(
            bench.graph.user_drive("nobody@contoso.com").await.map_err(code),
            Err(Some(Code::NoOneDrive))
        );
        assert_eq!(
            bench.graph.site("contoso.sharepoint.com/sites/Nowhere").await.map_err(code),
            Err(Some(Code::SiteNotFound))
        );
        assert_eq!(bench.graph.drive("b!nothing").await.map_err(code), Err(Some(Code::DriveGone)));
        let site = bench.graph.site("contoso.sharepoint.com/sites/Archive").await.unwrap();
        let error = bench.graph.library(&site, "録音庫").await.unwrap_err();
        assert_eq!(error.code, Some(Code::LibraryNotFound));
        assert!(error.detail.contains("Documents"), "{}", error.detail);
        assert_eq!(
            bench.graph.library(&site, "Shared Documents").await.unwrap().id,
            bench.library().await.id
        );
        bench.sim.change(WorldOp::Roles { roles: vec![] }).unwrap();
        bench.sim.change(WorldOp::RevokeTokens).unwrap();
        let error = bench.graph.user_drive("ada@contoso.com").await.unwrap_err();
        assert!(matches!(error.code, Some(Code::PermissionMissing | Code::TokenRefused)), "{error:?}");
        let bench = Bench::with_secret(Config::default(), Some("wrong"));
        let error = bench.graph.sign_in().await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Unauthenticated, Some(Code::WrongSecret)));
        assert!(!error.chain().contains("wrong\""), "the secret is not repeated");
    });
}

#[test]
fn a_deleted_users_drive_is_reached_by_its_site() {
    in_virtual_time(async {
        let bench = Bench::voices(5);
        let drive = bench.graph.user_drive("ada@contoso.com").await.unwrap();
        bench.sim.change(WorldOp::DeleteUser { user: "ada@contoso.com".into() }).unwrap();
        let error = bench.graph.user_drive("ada@contoso.com").await.unwrap_err();
        assert_eq!(error.code, Some(Code::NoOneDrive));
        let again = bench.graph.personal_site(&drive.web_url).await.unwrap();
        assert_eq!(again.id, drive.id);
    });
}

#[test]
fn a_revoked_token_costs_one_renewal_for_all() {
    in_virtual_time(async {
        let bench = Bench::voices(5);
        let source = bench.source().await;
        bench.sim.change(WorldOp::RevokeTokens).unwrap();
        bench.sim.reset_requests();
        let (items, ..) = pages(source.list(None).await.unwrap()).await;
        let entries: Vec<Entry> = files(&items).into_values().collect();
        bench.sim.change(WorldOp::RevokeTokens).unwrap();
        let looks = futures_util::future::join_all(entries.iter().map(|entry| source.look(entry))).await;
        assert!(looks.iter().all(|look| matches!(look, Look::Present(_))));
        assert_eq!(bench.count("POST token"), 2);
    });
}

#[test]
fn a_full_or_locked_destination_stops_with_its_reason() {
    in_virtual_time(async {
        let bench = Bench::voices(3);
        let to = bench.destination().await;
        let drive = Some(to.identity());
        bench.fault("POST createUploadSession", 1, 1, Fault::Locked);
        let error = to.upload(put(&to, "録音.bin", &mut Bytes512::new(noise(9)))).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Locked, Some(Reason::Locked)));
        bench.sim.change(WorldOp::Quota { drive, total: None }).unwrap();
        let error = to.upload(put(&to, "録音.bin", &mut Bytes512::new(noise(900_000)))).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code, error.reason),
            (ErrorKind::Full, Some(Code::DestinationFull), Some(Reason::DestinationFull))
        );
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_store_works_over_real_sockets() {
    let sim = Sim::new(Config { files: 30, faults: landfall_sim::Faults::None, ..Config::default() });
    let served = sim.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&served.ready_json()).unwrap();
    let urls = ["login", "graph"].map(|name| ready[name].as_str().unwrap().to_owned());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(served.run(async move { stopped.await.unwrap_or(()) }));

    let transport = Arc::new(ReqwestTransport::new(USER_AGENT).unwrap());
    let bench = Bench::over(sim, transport, &urls, None);
    let (source, to) = (bench.source().await, bench.destination().await);
    let (items, ..) = pages(source.list(None).await.unwrap()).await;
    let entries: Vec<Entry> = files(&items)
        .into_values()
        .filter(|entry| (1000..100_000).contains(&entry.size.0))
        .take(20)
        .collect();
    bench.fault("GET download", 2, 1, Fault::Cut);
    let mut broken = 0;
    for (entry, opening) in entries.iter().zip(source.prepare(&entries).await) {
        let opening = opening.unwrap();
        let (mut bytes, mut whole) = read(source.open(entry, &opening, 0).await.unwrap()).await;
        while !whole {
            broken += 1;
            let (more, ended) = read(source.open(entry, &opening, bytes.len() as u64).await.unwrap()).await;
            bytes.extend(more);
            whole = ended;
        }
        let mut content = Bytes512::new(bytes);
        let holding = held(to.upload(put(&to, &entry.name, &mut content)).await);
        assert_eq!(holding.evidence.digests.quickxor, entry.digests.quickxor, "{}", entry.name);
    }
    // The cut shows in the body, or before the head was flushed; the wire then asks again by itself.
    let retries = bench.graph.wire().meter().read().retries;
    assert_eq!(broken + retries, 1);
    bench.fault("PUT fragment", 2, 1, Fault::LostReply);
    let mut content = Bytes512::new(noise(1_000_003));
    let holding = held(to.upload(put(&to, "録音 #1%+.bin", &mut content)).await);
    let (back, _) = read(to.read(&holding.item, 7).await.unwrap()).await;
    assert!(back == content.bytes[7..]);
    assert_eq!(bench.sim.violations(), Vec::<String>::new());
    let refused = ReqwestTransport::new(USER_AGENT).unwrap();
    let request = http::Request::get("http://graph.sim/v1.0").body(Bytes::new()).unwrap();
    assert!(refused.send(request).await.is_err(), "nothing leaves in the clear");
    stop.send(()).unwrap();
    server.join_next().await.unwrap().unwrap().unwrap();
}
