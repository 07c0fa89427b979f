//! The source over a real SQLite file, real folders and a memory ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use landfall_core::clock::{Clock, SystemClock};
use landfall_core::ledger::MemoryLedger;
use landfall_core::memo::Memo;
use landfall_core::proof::Evidence;
use landfall_core::state::Reason;
use landfall_core::store::{Entry, Gather, Gathered, Holding, Listed, Opening, Owed, Source, Told};
use landfall_core::words::{Cursor, ItemKey, SourceId};
use landfall_core::{Algo, ByteSize, Code, Digest, ErrorKind, JobId, StoreError};
use sha2::Digest as _;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::*;

const SCHEMA: &str = include_str!("../../../../tests/data/media-schema.sql");
const SAMPLES: &str = include_str!("../../../../tests/data/media-samples.sql");
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 JFIF";

struct World {
    folder: tempfile::TempDir,
    ledger: Arc<MemoryLedger>,
}

impl World {
    async fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder, ledger: Arc::new(MemoryLedger::default()) };
        std::fs::write(world.path("posts.db"), "").unwrap();
        world.sql(SCHEMA).await;
        world.sql(sql).await;
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite:{}", self.path("posts.db").display())).await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.unwrap();
    }

    async fn cell(&self, column: &str, id: &str) -> Option<String> {
        let sql = format!(
            "SELECT {column} FROM all_tweets WHERE id = '{id}' UNION ALL SELECT {column} FROM log_only_tweets WHERE id = '{id}'"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.connect().await).await.unwrap().get(0)
    }

    fn config(&self) -> CatalogueConfig {
        CatalogueConfig {
            url: format!("sqlite:{}", self.path("posts.db").display()),
            tables: vec![TableSpec::usual("all_tweets"), TableSpec::usual("log_only_tweets")],
            roots: Roots { images: self.path("images"), videos: self.path("videos") },
            narrowing: Narrowing::default(),
            state: self.path("state"),
        }
    }

    async fn catalogue(&self) -> Arc<Catalogue> {
        Arc::new(Catalogue::open(self.config(), Arc::new(SystemClock)).await.unwrap())
    }

    async fn source_with(
        &self,
        config: CatalogueConfig,
        fetcher: Option<Arc<dyn Fetcher>>,
        resolver: Option<Arc<dyn Resolver>>,
    ) -> CatalogueSource {
        let source = CatalogueSource::new(SourceParts {
            catalogue: Arc::new(Catalogue::open(config, Arc::new(SystemClock)).await.unwrap()),
            layout: Layout::default(),
            memo: Arc::clone(&self.ledger) as Arc<dyn Memo>,
            clock: Arc::new(SystemClock) as Arc<dyn Clock>,
            fetcher,
            resolver,
            url_of: Box::new(|holding| format!("https://hub/{}", holding.item)),
        });
        source.bind(JobId(7), SourceId(3));
        source
    }

    async fn source(&self, web: &Web) -> CatalogueSource {
        let (fetcher, resolver) = (Arc::new(web.clone()), Arc::new(web.clone()));
        self.source_with(self.config(), Some(fetcher), Some(resolver)).await
    }
}

type Failure = fn() -> FetchFailure;

/// What the web gives: bytes by URL, answers by post; everything else is gone.
#[derive(Clone, Default)]
struct Web {
    media: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    failures: Arc<Mutex<BTreeMap<String, Failure>>>,
    posts: Arc<Mutex<BTreeMap<String, Resolved>>>,
    asked: Arc<Mutex<Vec<String>>>,
    fetched: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Fetcher for Web {
    async fn fetch(
        &self,
        url: &MediaUrl,
        into: &cap_std::fs::Dir,
        name: &SaveAs,
    ) -> Result<Fetched, FetchFailure> {
        let url = url.as_str().to_owned();
        self.fetched.lock().unwrap().push(url.clone());
        if let Some(failure) = self.failures.lock().unwrap().get(&url) {
            return Err(failure());
        }
        let Some(bytes) = self.media.lock().unwrap().get(&url).cloned() else {
            return Err(FetchFailure::Gone { detail: "404".into() });
        };
        let (extension, kind) = if bytes.starts_with(b"\xff\xd8") {
            ("jpg", MediaKind::Image)
        } else {
            ("mp4", MediaKind::Video)
        };
        let name = format!("{}.{extension}", name.stem);
        into.write(&name, &bytes).unwrap();
        let sha256 = Digest::new(Algo::Sha256, &sha2::Sha256::digest(&bytes)).unwrap();
        Ok(Fetched { name, size: ByteSize(bytes.len() as u64), sha256, kind, reduced: None, url })
    }
}

#[async_trait]
impl Resolver for Web {
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved> {
        self.asked.lock().unwrap().extend(asks.iter().map(|ask| ask.id.clone()));
        let posts = self.posts.lock().unwrap();
        asks.iter().map(|ask| posts.get(&ask.id).cloned().unwrap_or(Resolved::Unanswered)).collect()
    }

    fn price(&self) -> Option<Price> {
        None
    }
}

async fn gather(source: &CatalogueSource, files: u64) -> Gathered {
    source.gather(Gather { files, bytes: ByteSize(1 << 30), again: false, wanted_only: false }).await.unwrap()
}

async fn list(source: &CatalogueSource, since: Option<Cursor>) -> (BTreeMap<String, Listed>, Cursor) {
    let mut listing = source.list(since).await.unwrap();
    let mut items = BTreeMap::new();
    while let Some(page) = listing.next().await.unwrap() {
        for item in page.items {
            items.insert(landfall_core::ledger::intake::key_of(&item).0.clone(), item);
        }
        if page.complete {
            return (items, page.cursor.unwrap());
        }
    }
    panic!("no last page");
}

fn file<'a>(items: &'a BTreeMap<String, Listed>, key: &str) -> &'a Entry {
    match items.get(key) {
        Some(Listed::File(entry)) => entry,
        other => panic!("{key}: {other:?} of {:?}", items.keys()),
    }
}

fn reason(items: &BTreeMap<String, Listed>, key: &str) -> Reason {
    match items.get(key) {
        Some(Listed::Skipped { reason, .. }) => *reason,
        other => panic!("{key}: {other:?} of {:?}", items.keys()),
    }
}

async fn read(source: &CatalogueSource, entry: &Entry) -> Result<Vec<u8>, StoreError> {
    let opening = Opening { token: String::new(), entry: None };
    let mut body = source.open(entry, &opening, 0).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    Ok(bytes)
}

async fn tell(source: &CatalogueSource, entries: &[(&Entry, &str)]) -> Vec<Told> {
    let mut owed = Vec::new();
    for (seq, (entry, item)) in entries.iter().enumerate() {
        let evidence = Evidence { size: entry.size, digests: entry.digests.clone() };
        let holding = Holding { item: ItemKey::from(*item), revision: None, evidence };
        let owe = source.receipt(entry, &holding).await.unwrap();
        assert_eq!(owe.source, SourceId(3));
        owed.push(Owed { seq: i64::try_from(seq).unwrap(), owe, at: Timestamp::UNIX_EPOCH });
    }
    source.acknowledge(&owed).await
}

const ORIG: &str = "https://pbs.twimg.com/media/GuIxora001?format=jpg&name=orig";
const VIDEO: &str =
    "https://video.twimg.com/ext_tw_video/1939900000000000001/pu/vid/avc1/720x1280/ixora0001.mp4?tag=12";

#[tokio::test]
async fn the_backlog_is_fetched_listed_and_recorded_once_proven() {
    let world = World::new(SAMPLES).await;
    world.put("images/ixora_mass/1939853962245046290_1.jpg", b"\xff\xd8 local");
    let web = Web::default();
    web.media.lock().unwrap().insert(ORIG.into(), JPEG.into());
    web.media.lock().unwrap().insert(VIDEO.into(), b"....ftypmp42".to_vec());
    let hostile = || FetchFailure::Refused { detail: "a private address".into() };
    web.failures.lock().unwrap().insert("http://169.254.169.254/latest/meta-data/".into(), hostile);
    let source = world.source(&web).await;
    let (before, cursor) = list(&source, None).await;
    assert_eq!(
        reason(&before, "all_tweets/1939851445662646288/1939851445662646288_1"),
        Reason::AwaitingMedia
    );
    let gathered = gather(&source, 100).await;
    assert_eq!((gathered.ready, gathered.more), (3, false), "{gathered:?}");
    let (items, cursor) = list(&source, Some(cursor)).await;
    let entry = file(&items, "all_tweets/1939851445662646288/1939851445662646288_1");
    assert_eq!(entry.name, "1939851445662646288_1.jpg");
    assert_eq!(entry.parent, Some(ItemKey::from("encrypted_images/ixora_mass")));
    assert_eq!(read(&source, entry).await.unwrap(), JPEG);
    let local = file(&items, "all_tweets/1939853962245046290/1939853962245046290_1");
    let video = file(&items, "all_tweets/1939853962245046290/1939853962245046290_2");
    assert_eq!(video.parent, Some(ItemKey::from("encrypted_videos/ixora_mass")));
    assert!(
        !web.fetched.lock().unwrap().iter().any(|url| url.contains("GuIxora004")),
        "the local file was there"
    );
    assert_eq!(reason(&items, "all_tweets/1939855220536246291/1939855220536246291_1"), Reason::MediaRefused);
    let told = tell(&source, &[(video, "v"), (local, "i"), (entry, "花")]).await;
    assert!(told.iter().all(|told| matches!(told, Told::Done)), "{told:?}");
    let id = "1939853962245046290";
    assert_eq!(world.cell("huggingface_urls", id).await.unwrap(), r#"["https://hub/i", "https://hub/v"]"#);
    let recorded = world.cell("local_media", id).await.unwrap();
    assert_eq!(
        recorded,
        r#"["images/ixora_mass/1939853962245046290_1.jpg", "videos/ixora_mass/1939853962245046290_2.mp4"]"#
    );
    assert_eq!(
        world.cell("huggingface_urls", "1939851445662646288").await.unwrap(),
        r#"["https://hub/\u82b1"]"#
    );
    // Telling it again changes nothing, and a full listing still names what is done.
    assert!(tell(&source, &[(video, "v")]).await.iter().all(|told| matches!(told, Told::Done)));
    let (full, _) = list(&source, None).await;
    assert_eq!(file(&full, &video.key.0), video);
    let (changes, _) = list(&source, Some(cursor)).await;
    assert!(changes.keys().all(|key| full.contains_key(key)));
}

#[tokio::test]
async fn what_was_gathered_survives_a_restart_and_is_not_fetched_again() {
    let world = World::new(SAMPLES).await;
    let web = Web::default();
    web.media.lock().unwrap().insert(ORIG.into(), JPEG.into());
    let source = world.source(&web).await;
    let (_, cursor) = list(&source, None).await;
    gather(&source, 100).await;
    drop(source);
    let tries = web.fetched.lock().unwrap().len();
    let source = world.source(&web).await;
    let (items, _) = list(&source, Some(cursor)).await;
    file(&items, "all_tweets/1939851445662646288/1939851445662646288_1");
    assert_eq!(gather(&source, 100).await.ready, 0);
    let again = web.fetched.lock().unwrap()[tries..].to_vec();
    assert!(!again.iter().any(|url| url == ORIG), "{again:?}");
}

#[tokio::test]
async fn a_post_that_got_part_of_its_backup_keeps_its_other_slots() {
    let world = World::new(SAMPLES).await;
    let web = Web::default();
    web.media.lock().unwrap().insert(VIDEO.into(), b"....ftypmp42".to_vec());
    let later = || FetchFailure::Later { detail: "503".into(), not_before: None };
    let photo = "https://pbs.twimg.com/media/GuIxora004?format=jpg&name=orig";
    web.failures.lock().unwrap().insert(photo.into(), later);
    let source = world.source(&web).await;
    gather(&source, 100).await;
    let (items, _) = list(&source, None).await;
    let video = "all_tweets/1939853962245046290/1939853962245046290_2";
    tell(&source, &[(file(&items, video), "v")]).await;
    web.failures.lock().unwrap().clear();
    web.media.lock().unwrap().insert(photo.into(), JPEG.into());
    drop(source);
    let source = world.source(&web).await;
    assert_eq!(gather(&source, 100).await.ready, 1);
    let (items, _) = list(&source, None).await;
    file(&items, "all_tweets/1939853962245046290/1939853962245046290_1");
    file(&items, video);
}

#[tokio::test]
async fn what_a_resolver_says_ends_in_a_file_or_in_a_reason() {
    let world = World::new(SAMPLES).await;
    let web = Web::default();
    let again = "https://video.twimg.com/amplify_video/1/vid/carol.mp4";
    web.media.lock().unwrap().insert(again.into(), b"....ftypmp42".to_vec());
    let playlist =
        "https://video.twimg.com/ext_tw_video/1940200000000000001/pu/pl/carol0001.m3u8?tag=12&container=cmaf";
    let not_media = || FetchFailure::NotMedia { detail: "a playlist".into() };
    web.failures.lock().unwrap().insert(playlist.into(), not_media);
    let hostile = || FetchFailure::Refused { detail: "a private address".into() };
    web.failures.lock().unwrap().insert("http://169.254.169.254/latest/meta-data/".into(), hostile);
    let item =
        MediaItem { n: 1, kind: MediaKind::Video, urls: vec!["https://x/gone.mp4".into(), again.into()] };
    let unavailable = |reason| Resolved::Unavailable { reason, detail: "—".into() };
    let answers = [
        ("1940213833528246292", Resolved::Media { items: vec![item], username: Some("carol_new".into()) }),
        ("1939851445662646288", unavailable(Unavailable::Deleted)),
        ("1939852703953846289", unavailable(Unavailable::Protected)),
        ("1939853962245046290", Resolved::Unanswered),
    ];
    web.posts.lock().unwrap().extend(answers.map(|(id, answer)| (id.to_owned(), answer)));
    let source = world.source(&web).await;
    gather(&source, 100).await;
    let (items, _) = list(&source, None).await;
    let carol = file(&items, "log_only_tweets/1940213833528246292/1940213833528246292_1");
    assert_eq!(carol.parent, Some(ItemKey::from("encrypted_videos/carol_log")));
    assert_eq!(reason(&items, "all_tweets/1939851445662646288/1939851445662646288_1"), Reason::PostDeleted);
    assert_eq!(reason(&items, "all_tweets/1939852703953846289/1939852703953846289_2"), Reason::PostProtected);
    assert_eq!(reason(&items, "all_tweets/1939853962245046290/1939853962245046290_2"), Reason::Unresolved);
    // Settled for good: neither fetched nor asked for again, unless told to look again.
    web.asked.lock().unwrap().clear();
    gather(&source, 100).await;
    assert_eq!(
        web.asked.lock().unwrap().iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([&"1939853962245046290".to_owned()])
    );
    let all = Gather { files: 100, bytes: ByteSize(1 << 30), again: true, wanted_only: false };
    source.gather(all).await.unwrap();
    assert!(web.asked.lock().unwrap().contains(&"1939851445662646288".to_owned()));
}

#[tokio::test]
async fn a_wanted_file_takes_the_place_of_exactly_the_url_that_is_wrong() {
    let world = World::new(SAMPLES).await;
    let id = "1763866838430646284";
    let before = world.cell("huggingface_urls", id).await.unwrap();
    let old: Vec<String> = serde_json::from_str(&before).unwrap();
    let web = Web::default();
    let url = "https://video.twimg.com/tweet_video/花.mp4";
    web.media.lock().unwrap().insert(url.into(), b"....ftypmp42".to_vec());
    let item = MediaItem { n: 1, kind: MediaKind::Video, urls: vec![url.into()] };
    web.posts.lock().unwrap().insert(id.into(), Resolved::Media { items: vec![item], username: None });
    let source = world.source(&web).await;
    let wanted = Wanted {
        name: Some(format!("{id}_0.mp4")),
        index: None,
        replaces: Some(old[0].clone()),
        ..Wanted::numbered(PostKey::new("all_tweets", id), 1)
    };
    let key = source.want(&wanted).await.unwrap();
    assert_eq!(key.0, format!("all_tweets/{id}/{id}_0"));
    gather(&source, 100).await;
    let (items, _) = list(&source, None).await;
    let entry = file(&items, &key.0);
    assert_eq!(entry.name, format!("{id}_0.mp4"));
    let told = tell(&source, &[(entry, "neu")]).await;
    assert!(matches!(told[..], [Told::Done]), "{told:?}");
    assert_eq!(world.cell("huggingface_urls", id).await.unwrap(), r#"["https://hub/neu"]"#);
    assert_eq!(
        world.cell("media_urls", id).await.unwrap(),
        r#"["https://video.twimg.com/tweet_video/\u82b1.mp4"]"#
    );
    assert_eq!(source.outcome(&key).await.unwrap().unwrap().stand, Stand::Done);
}

#[tokio::test]
async fn a_picture_and_a_video_of_one_number_are_two_files() {
    let (photo, video) = ("https://pbs.twimg.com/media/A.jpg", "https://video.twimg.com/v.mp4");
    let world = World::new(&row("301", "花子", "花子", &format!(r#"["{photo}", "{video}"]"#), "[]")).await;
    let web = Web::default();
    web.media.lock().unwrap().insert(photo.into(), JPEG.into());
    web.media.lock().unwrap().insert(video.into(), b"....ftypmp42".to_vec());
    let source = world.source(&web).await;
    let wanted = |name: &str, index| Wanted {
        name: Some(name.to_owned()),
        ..Wanted::numbered(PostKey::new("all_tweets", "301"), index)
    };
    let picture = source.want(&wanted("301_0.jpg", 1)).await.unwrap();
    let film = source.want(&wanted("301_0.mp4", 2)).await.unwrap();
    assert_ne!(picture, film);
    // Said again, by this process or by one after a kill, each keeps its key.
    for again in [&source, &world.source(&web).await] {
        assert_eq!(again.want(&wanted("301_0.mp4", 2)).await.unwrap(), film);
        assert_eq!(again.want(&wanted("301_0.jpg", 1)).await.unwrap(), picture);
    }
    gather(&source, 10).await;
    let (items, _) = list(&source, None).await;
    assert_eq!(read(&source, file(&items, &picture.0)).await.unwrap(), JPEG);
    assert_eq!(read(&source, file(&items, &film.0)).await.unwrap(), b"....ftypmp42");
    let told = tell(&source, &[(file(&items, &picture.0), "a"), (file(&items, &film.0), "b")]).await;
    assert!(matches!(told[..], [Told::Done, Told::Done]), "{told:?}");
    assert_eq!(world.cell("huggingface_urls", "301").await.unwrap(), r#"["https://hub/a", "https://hub/b"]"#);
    // Done, they keep their keys too.
    assert_eq!(source.want(&wanted("301_0.mp4", 2)).await.unwrap(), film);
}

#[tokio::test]
async fn another_program_that_writes_meanwhile_loses_nothing() {
    let world = World::new(SAMPLES).await;
    let web = Web::default();
    web.media.lock().unwrap().insert(ORIG.into(), JPEG.into());
    let source = world.source(&web).await;
    gather(&source, 100).await;
    let (items, _) = list(&source, None).await;
    let entry = file(&items, "all_tweets/1939851445662646288/1939851445662646288_1");
    let post =
        source.catalogue().post(&PostKey::new("all_tweets", "1939851445662646288")).await.unwrap().unwrap();
    world.sql(r#"UPDATE all_tweets SET huggingface_urls = '["https://theirs"]' WHERE id = '1939851445662646288'"#).await;
    let update = Update { hub: Some(vec!["ours".into()]), ..Update::default() };
    let written = source.catalogue().write(&post.key(), &post.expected(), &update).await.unwrap();
    let Written::Conflict { now: Some(now) } = written else { panic!("{written:?}") };
    assert_eq!(now.hub.items, ["https://theirs"]);
    assert!(matches!(tell(&source, &[(entry, "a")]).await[..], [Told::Done]));
    let both = world.cell("huggingface_urls", &post.id).await.unwrap();
    assert_eq!(both, r#"["https://theirs", "https://hub/a"]"#);
    world.sql("UPDATE all_tweets SET huggingface_urls = '[broken' WHERE id = '1939851445662646288'").await;
    assert!(matches!(tell(&source, &[(entry, "b")]).await[..], [Told::Conflict(_)]));
    world.sql("DELETE FROM all_tweets WHERE id = '1939851445662646288'").await;
    assert!(matches!(tell(&source, &[(entry, "b")]).await[..], [Told::Conflict(_)]));
}

fn row(id: &str, user: &str, display: &str, media: &str, local: &str) -> String {
    format!(
        "INSERT INTO all_tweets VALUES ('{id}', '{user}', '{display}', 't', '2025-01-01 00:00:00.000000', 'u', '{media}', '{local}', '[]', NULL);"
    )
}

#[tokio::test]
async fn every_bad_row_has_a_reason_and_the_rest_goes_on() {
    let sql = [
        row("101", "../evil", "e", r#"["https://pbs.twimg.com/media/A.jpg"]"#, "[]"),
        row("102", "bob", "b", "[\"https://pbs", "[]"),
        row(
            "103",
            "bob",
            "b",
            r#"["https://pbs.twimg.com/media/B.jpg"]"#,
            r#"["/etc/passwd", "images/bob/../../x.jpg"]"#,
        ),
        row("104", "bob", "b", r#"["https://pbs.twimg.com/media/C.jpg"]"#, r#"["images/bob/104_1.jpg"]"#),
        row("105", "bob", "b", r#"["https://pbs.twimg.com/media/D.jpg"]"#, "[]"),
        row(
            "106",
            "bob",
            "b",
            r#"["https://pbs.twimg.com/media/E.jpg", "https://pbs.twimg.com/media/E.jpg"]"#,
            "null",
        ),
        row("107", "bob", "b", r#"["https://pbs.twimg.com/media/F.jpg"]"#, r#"["images/bob/107_1.jpg"]"#),
    ];
    let world = World::new(&sql.concat()).await;
    world.put("images/bob/104_1.jpg", b"");
    world.put("images/bob/107_1.jpg", b"");
    world.put("images/bob/105_1.jpg", b"\xff\xd8 one");
    world.put("images/bob/105_1.png", b"\x89PNG two");
    let web = Web::default();
    for key in ["A", "B", "E", "F"] {
        web.media.lock().unwrap().insert(format!("https://pbs.twimg.com/media/{key}.jpg"), JPEG.into());
    }
    let source = world.source(&web).await;
    gather(&source, 100).await;
    let (items, _) = list(&source, None).await;
    assert_eq!(reason(&items, "all_tweets/101/row"), Reason::HostileName);
    assert_eq!(reason(&items, "all_tweets/102/row"), Reason::RowUnreadable);
    assert_eq!(file(&items, "all_tweets/103/103_1").size.0, JPEG.len() as u64);
    // A file without bytes is no backup: its URL is dead, and the resolver has not answered yet.
    assert_eq!(reason(&items, "all_tweets/104/104_1"), Reason::Unresolved);
    // Where the media is still to be had it is taken from there, and the user's file stays as it is.
    assert_eq!(file(&items, "all_tweets/107/107_1").size.0, JPEG.len() as u64);
    assert_eq!(std::fs::read(world.path("images/bob/107_1.jpg")).unwrap(), b"");
    assert_eq!(reason(&items, "all_tweets/105/105_1"), Reason::LocalFileAmbiguous);
    file(&items, "all_tweets/106/106_1");
    assert!(!items.contains_key("all_tweets/106/106_2"), "a URL recorded twice is one file");
    assert!(!world.path("evil").exists() && !world.folder.path().parent().unwrap().join("evil").exists());
    let page = source.catalogue().posts("all_tweets", None, 100).await.unwrap();
    let said: Vec<String> = page.findings.iter().map(|f| format!("{} {}", f.post.id, f.detail)).collect();
    assert!(
        said.contains(&"102 media: malformed".to_owned())
            && said.contains(&"106 local: null-text".to_owned()),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_local_file_that_changed_after_it_was_recorded_is_not_sent() {
    let world = World::new(&row(
        "201",
        "花子",
        "はなこ",
        r#"["https://pbs.twimg.com/media/A.jpg"]"#,
        r#"["images/花子/201_1.jpg"]"#,
    ))
    .await;
    world.put("images/花子/201_1.jpg", b"\xff\xd8 as it was");
    let source = world.source(&Web::default()).await;
    gather(&source, 100).await;
    let (items, _) = list(&source, None).await;
    let entry = file(&items, "all_tweets/201/201_1");
    read(&source, entry).await.unwrap();
    let path = world.path("images/花子/201_1.jpg");
    let touched = std::fs::File::options().append(true).open(&path).unwrap();
    touched.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000)).unwrap();
    read(&source, entry).await.unwrap();
    std::fs::write(&path, b"\xff\xd8 as it ist").unwrap();
    assert_eq!(read(&source, entry).await.unwrap_err().reason, Some(Reason::LocalFileChanged));
    // Meant so: somebody asks for what was settled to be looked at again.
    gather(&source, 100).await;
    assert_eq!(list(&source, None).await.0, items, "not by itself");
    source
        .gather(Gather { files: 100, bytes: ByteSize(1 << 30), again: true, wanted_only: false })
        .await
        .unwrap();
    let (anew, _) = list(&source, None).await;
    assert_eq!(read(&source, file(&anew, &entry.key.0)).await.unwrap(), b"\xff\xd8 as it ist");
    let entry = file(&anew, &entry.key.0);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(read(&source, entry).await.unwrap_err().reason, Some(Reason::LocalFileEmpty));
    std::fs::remove_file(&path).unwrap();
    let gone = read(&source, entry).await.unwrap_err();
    assert_eq!((gone.kind, gone.reason), (ErrorKind::NotFound, Some(Reason::LocalFileMissing)));
    #[cfg(unix)]
    {
        world.put("secret.jpg", b"\xff\xd8 as it was");
        std::os::unix::fs::symlink(world.path("secret.jpg"), &path).unwrap();
        assert_eq!(
            read(&source, entry).await.unwrap_err().kind,
            ErrorKind::NotFound,
            "links are not followed"
        );
    }
}

#[tokio::test]
async fn local_files_are_found_through_every_era() {
    let three = r#"["https://pbs.twimg.com/media/A.jpg", "https://video.twimg.com/v.mp4", "https://pbs.twimg.com/media/B.jpg"]"#;
    let world = World::new(&row("301", "hanako", "花子/絵", three, "[]")).await;
    let catalogue = world.catalogue().await;
    let post = catalogue.post(&PostKey::new("all_tweets", "301")).await.unwrap().unwrap();
    let find = |index: u32, size: Option<u64>| {
        let wanted = Wanted { plain_size: size, ..Wanted::numbered(post.key(), index) };
        let found = LocalFiles::new(&world.config().roots).find(&post, &wanted).unwrap();
        found.iter().map(|file| (file.recorded(), file.era)).collect::<Vec<_>>()
    };
    assert_eq!(find(1, None), []);
    // From 0, pictures and videos apart, in the folder of the display name.
    world.put("images/花子_絵/301_0.jpg", b"a");
    world.put("images/花子_絵/301_1.jpg", b"bb");
    world.put("videos/花子_絵/301_0.mp4", b"ccc");
    assert_eq!(find(1, None), [("images/花子_絵/301_0.jpg".to_owned(), Era::Early)]);
    assert_eq!(find(2, None), [("videos/花子_絵/301_0.mp4".to_owned(), Era::Early)]);
    assert_eq!(find(3, None), [("images/花子_絵/301_1.jpg".to_owned(), Era::Early)]);
    // From 1 over all media, in the handle's folder; now two fit, and the size tells them apart.
    world.put("images/hanako/301_3.jpg", b"dddd");
    assert_eq!(find(3, None).len(), 2);
    assert_eq!(find(3, Some(4)), [("images/hanako/301_3.jpg".to_owned(), Era::Numbered)]);
    world.put("videos/hanako/301_2_V.mp4", b"e");
    assert!(find(2, Some(1)).contains(&("videos/hanako/301_2_V.mp4".to_owned(), Era::Keyed)));
    let named = |name: &str| {
        let wanted = Wanted { name: Some(name.into()), index: None, ..Wanted::numbered(post.key(), 1) };
        LocalFiles::new(&world.config().roots).find(&post, &wanted).unwrap().len()
    };
    assert_eq!((named("301_3.png"), named("301_9.jpg")), (1, 0));
}

#[tokio::test]
async fn absolute_paths_count_inside_the_roots_only() {
    let world = World::new("").await;
    std::fs::create_dir_all(world.path("images")).unwrap();
    let files = LocalFiles::new(&world.config().roots);
    let inside = world.path("images/花子/1_1.jpg");
    let (folder, path) = files.locate(inside.to_str().unwrap()).unwrap();
    assert_eq!((folder, path.as_str()), (Folder::Images, "花子/1_1.jpg"));
    assert_eq!(files.locate(r"images\u\1_1.jpg").unwrap().1.as_str(), "u/1_1.jpg");
    for (bad, trouble) in [
        ("/etc/passwd", LocalTrouble::Outside),
        ("C:/Users/x/1_1.jpg", LocalTrouble::Outside),
        ("images/../../etc/passwd", LocalTrouble::Malformed),
        ("notes/1_1.jpg", LocalTrouble::NoFolder),
        ("1_1.jpg", LocalTrouble::NoFolder),
    ] {
        assert_eq!(files.locate(bad), Err(trouble), "{bad}");
    }
    let escape = format!("{}/../x.jpg", world.path("images").display());
    assert!(files.locate(&escape).is_err());
}

#[tokio::test]
async fn a_narrowed_run_gathers_only_what_is_meant_and_lists_everything() {
    let sql = [
        row("401", "Alice", "A", r#"["https://pbs.twimg.com/media/A.jpg"]"#, "[]"),
        row(
            "402",
            "bob",
            "B",
            r#"["https://pbs.twimg.com/media/B.jpg", "https://video.twimg.com/v.mp4"]"#,
            "[]",
        ),
    ];
    let world = World::new(&sql.concat()).await;
    let web = Web::default();
    let mut config = world.config();
    config.narrowing =
        Narrowing { users: ["BOB".to_owned()].into(), kind: Some(Kinds::Videos), ..Narrowing::default() };
    let source = world.source_with(config, Some(Arc::new(web.clone())), None).await;
    gather(&source, 100).await;
    assert_eq!(*web.fetched.lock().unwrap(), ["https://video.twimg.com/v.mp4"]);
    let (items, _) = list(&source, None).await;
    let taken: Vec<&str> = items
        .values()
        .filter_map(|item| match item {
            Listed::Skipped { entry, .. } => Some(entry),
            _ => None,
        })
        .filter(|entry| source.takes(entry))
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(taken, ["402_2"]);
    assert!(items.contains_key("all_tweets/401/401_1"));
    assert_eq!(reason(&items, "all_tweets/402/402_2"), Reason::MediaGone);
}

#[tokio::test]
async fn a_stage_ends_at_its_bound_and_the_next_one_goes_on() {
    let sql: String = (500..530)
        .map(|id| {
            row(&id.to_string(), "u", "u", &format!(r#"["https://pbs.twimg.com/media/{id}.jpg"]"#), "[]")
        })
        .collect();
    let world = World::new(&sql).await;
    let web = Web::default();
    for id in 500..530 {
        web.media.lock().unwrap().insert(format!("https://pbs.twimg.com/media/{id}.jpg"), JPEG.into());
    }
    let source = world.source(&web).await;
    let mut ready = Vec::new();
    loop {
        let gathered = gather(&source, 12).await;
        ready.push(gathered.ready);
        if !gathered.more {
            break;
        }
    }
    assert_eq!(ready.iter().sum::<u64>(), 30);
    assert!(ready.iter().all(|n| *n <= 12) && ready.len() >= 3, "{ready:?}");
}

#[tokio::test]
async fn the_log_only_table_keeps_its_files_in_our_folder_and_gets_its_mark() {
    let world = World::new("DROP VIEW v_pattern; DROP VIEW v_urls; DROP VIEW v_flags; DROP VIEW v_rows; ALTER TABLE log_only_tweets DROP COLUMN local_media; ALTER TABLE log_only_tweets ADD COLUMN uploaded_to_hf BOOLEAN DEFAULT 0; INSERT INTO log_only_tweets (id, username, tweet_text, tweet_date, tweet_url, media_urls) VALUES ('601', 'carol', 't', '2025-01-01 00:00:00', 'u', '[\"https://pbs.twimg.com/media/A.jpg\"]');").await;
    let web = Web::default();
    web.media.lock().unwrap().insert("https://pbs.twimg.com/media/A.jpg".into(), JPEG.into());
    let source = world.source(&web).await;
    gather(&source, 10).await;
    let (items, _) = list(&source, None).await;
    let entry = file(&items, "log_only_tweets/601/601_1");
    let scratch = world.path("state/media/log_only_tweets/images/601_1.jpg");
    assert!(scratch.exists() && !world.path("images").exists());
    assert_eq!(read(&source, entry).await.unwrap(), JPEG);
    assert!(matches!(tell(&source, &[(entry, "a")]).await[..], [Told::Done]));
    assert!(!scratch.exists());
    let mut connection = world.connect().await;
    let mark: i64 = sqlx::query("SELECT uploaded_to_hf FROM log_only_tweets WHERE id = '601'")
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0);
    assert_eq!(mark, 1);
}

#[tokio::test]
async fn opening_says_what_is_wrong_with_the_database() {
    let world = World::new(SAMPLES).await;
    let open = async |change: &dyn Fn(&mut CatalogueConfig)| {
        let mut config = world.config();
        change(&mut config);
        Catalogue::open(config, Arc::new(SystemClock)).await.unwrap_err()
    };
    let missing = open(&|config| config.tables[0] = TableSpec::usual("tweets")).await;
    assert_eq!(missing.code, Some(Code::CatalogueShape));
    assert!(
        missing.chain().contains("table tweets")
            && missing.chain().contains("all_tweets, fixture_hub_files, log_only_tweets"),
        "{}",
        missing.chain()
    );
    let column = open(&|config| config.tables[0].columns.media_urls = "medien".into()).await;
    assert!(column.chain().contains("media_urls, local_media, huggingface_urls"), "{}", column.chain());
    let inject =
        open(&|config| config.tables[0].columns.media_urls = "id\" FROM all_tweets; --".into()).await;
    assert_eq!(inject.code, Some(Code::CatalogueShape));
    for (name, bytes) in [("空.db", &b""[..]), ("text.db", b"id,username\n1,alice\n0000000000000")] {
        world.put(name, bytes);
        let url = format!("sqlite:{}", world.path(name).display());
        let bad = open(&|config| config.url.clone_from(&url)).await;
        assert_eq!(
            (bad.kind, bad.code),
            (ErrorKind::Corrupt, Some(Code::CatalogueUnusable)),
            "{}",
            bad.chain()
        );
    }
    let absent = open(&|config| config.url = "sqlite:/nowhere/花.db".into()).await;
    assert_eq!(absent.kind, ErrorKind::NotFound);
    let strange = open(&|config| config.url = "oracle://u:geheim@h/d".into()).await;
    assert_eq!(strange.code, Some(Code::BadConfig));
    assert!(!strange.chain().contains("geheim"));
    assert!(Path::new(&world.path("posts.db")).exists());
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_then_said_to_be_locked() {
    let world = World::new(SAMPLES).await;
    let catalogue = world.catalogue().await;
    let post = catalogue.posts("all_tweets", None, 1).await.unwrap().posts.remove(0);
    let update = Update { hub: Some(vec!["https://hub/花".into()]), ..Update::default() };
    let mut other = world.connect().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let locked = catalogue.write(&post.key(), &post.expected(), &update).await.unwrap_err();
    assert_eq!(
        (locked.kind, locked.code),
        (ErrorKind::Locked, Some(Code::CatalogueBusy)),
        "{}",
        locked.chain()
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(catalogue.write(&post.key(), &post.expected(), &update).await.unwrap(), Written::Done);
}

#[tokio::test]
async fn reading_changes_no_byte_and_the_first_write_keeps_a_copy() {
    let world = World::new(SAMPLES).await;
    let before = std::fs::read(world.path("posts.db")).unwrap();
    let source = world.source(&Web::default()).await;
    list(&source, None).await;
    let counts = source.catalogue().counts().await.unwrap();
    assert_eq!(std::fs::read(world.path("posts.db")).unwrap(), before);
    // As the views of the schema count: patterns 3 and 4.
    assert_eq!(counts.iter().map(|c| c.lost_media).sum::<u64>(), 5);
    assert_eq!(counts.iter().map(|c| c.backlog).sum::<u64>(), 5);
    let copies = || {
        let names = std::fs::read_dir(world.folder.path()).unwrap();
        names
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains(".landfall-backup-"))
            .count()
    };
    assert_eq!(copies(), 0);
    let post = source.catalogue().posts("all_tweets", None, 1).await.unwrap().posts.remove(0);
    let update = Update { hub: Some(Vec::new()), ..Update::default() };
    for _ in 0..2 {
        let now = source.catalogue().post(&post.key()).await.unwrap().unwrap();
        assert_eq!(
            source.catalogue().write(&now.key(), &now.expected(), &update).await.unwrap(),
            Written::Done
        );
    }
    assert_eq!(copies(), 1);
    assert_eq!(world.cell("huggingface_urls", &post.id).await.unwrap(), "[]");
}
