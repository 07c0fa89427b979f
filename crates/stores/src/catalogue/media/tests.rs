use std::collections::VecDeque;

use bytes::Bytes;
use cap_std::ambient_authority;
use futures_util::StreamExt as _;
use http::HeaderMap;
use landfall_core::transport::{Body, Request, Response, Stage, TransportError};
use landfall_core::{ErrorKind, VirtualClock};

use super::super::MediaKind;
use super::*;

const PHOTO: &str = "https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?format=jpg&name=orig";
const VIDEO: &str = "https://video.twimg.com/ext_tw_video/1/pu/vid/avc1/1280x720/N.mp4?tag=12";

/// One scripted answer.
#[derive(Clone)]
struct Say {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Bytes>,
    end: End,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Whole,
    Broken,
    Silent,
    /// The last piece again and again, a second apart or not.
    Endless(Duration),
}

fn say(status: u16, body: impl Into<Vec<u8>>) -> Say {
    Say { status, headers: Vec::new(), pieces: vec![Bytes::from(body.into())], end: End::Whole }
}

impl Say {
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

fn to(location: &str) -> Say {
    say(302, "").with("location", location)
}

fn jpeg() -> Vec<u8> {
    [&b"\xff\xd8\xff\xe0\x00\x10JFIF"[..], &[7; 900]].concat()
}

fn png() -> Vec<u8> {
    [&b"\x89PNG\r\n\x1a\n"[..], &[9; 900]].concat()
}

fn mp4() -> Vec<u8> {
    [&b"\0\0\0\x18ftypmp42"[..], &[5; 3000]].concat()
}

/// Answers by URL, each URL's answers in order and the last one for ever; anything else is 404.
#[derive(Default)]
struct Origin {
    table: Mutex<BTreeMap<String, VecDeque<Say>>>,
    asked: Mutex<Vec<(String, HeaderMap, tokio::time::Instant)>>,
}

impl Origin {
    fn new<const N: usize>(rows: [(&str, Vec<Say>); N]) -> Arc<Self> {
        let table = rows.into_iter().map(|(url, says)| (url.to_owned(), says.into())).collect();
        Arc::new(Self { table: Mutex::new(table), asked: Mutex::default() })
    }

    fn urls(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(url, ..)| url.clone()).collect()
    }
}

#[async_trait]
impl Transport for Origin {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let url = request.uri().to_string();
        let headers = request.headers().clone();
        self.asked.lock().unwrap().push((url.clone(), headers, tokio::time::Instant::now()));
        let said = self.table.lock().unwrap().get_mut(&url).map(|says| {
            let next = says.front().cloned().unwrap();
            if says.len() > 1 {
                says.pop_front();
            }
            next
        });
        let said = said.unwrap_or_else(|| say(404, ""));
        let mut response = http::Response::builder().status(said.status);
        for (name, value) in &said.headers {
            response = response.header(*name, value);
        }
        let last = said.pieces.last().cloned().unwrap_or_default();
        let pieces = futures_util::stream::iter(said.pieces.into_iter().map(Ok));
        let body: Body = match said.end {
            End::Whole => Box::pin(pieces),
            End::Silent => Box::pin(pieces.chain(futures_util::stream::pending())),
            End::Broken => {
                let error = TransportError { stage: Stage::Body, detail: "reset".into() };
                Box::pin(pieces.chain(futures_util::stream::iter([Err(error)])))
            }
            End::Endless(pause) => {
                Box::pin(pieces.chain(futures_util::stream::repeat(last).then(move |piece| async move {
                    tokio::time::sleep(pause).await;
                    Ok(piece)
                })))
            }
        };
        Ok(response.body(body).unwrap())
    }
}

struct Desk {
    fetcher: MediaFetcher,
    origin: Arc<Origin>,
    folder: tempfile::TempDir,
    dir: Dir,
    clock: VirtualClock,
}

fn desk<const N: usize>(rows: [(&str, Vec<Say>); N]) -> Desk {
    limited(rows, Limits::default())
}

fn limited<const N: usize>(rows: [(&str, Vec<Say>); N], limits: Limits) -> Desk {
    let origin = Origin::new(rows);
    let clock = VirtualClock::starting("2026-11-01T00:00:00Z".parse().unwrap());
    let fetcher = MediaFetcher::new(FetchParts {
        transport: origin.clone(),
        policy: UrlPolicy::new(&PolicyConfig::default()).unwrap(),
        limits,
        clock: Arc::new(clock),
        chance: Arc::new(Chance::seeded(1)),
    });
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    Desk { fetcher, origin, folder, dir, clock }
}

impl Desk {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchFailure> {
        self.fetch_as(url, "1908900169724363186_1", None).await
    }

    async fn fetch_as(
        &self,
        url: &str,
        stem: &str,
        kind: Option<MediaKind>,
    ) -> Result<Fetched, FetchFailure> {
        let name = SaveAs { stem: stem.to_owned(), kind };
        self.fetcher.fetch(&MediaUrl::new(url), &self.dir, &name).await
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test(start_paused = true)]
async fn the_original_is_taken_and_named_by_its_content() {
    let desk = desk([(PHOTO, vec![say(200, png()).with("content-type", "image/png")])]);
    let fetched = desk.fetch("https://pbs.twimg.com/media/GtU9HwvbMAUIyKi.jpg:large").await.unwrap();
    assert_eq!((fetched.name.as_str(), fetched.kind), ("1908900169724363186_1.png", MediaKind::Image));
    assert_eq!((fetched.size, fetched.reduced, fetched.url.as_str()), (ByteSize(908), None, PHOTO));
    assert_eq!(std::fs::read(desk.folder.path().join(&fetched.name)).unwrap(), png());
    assert_eq!(desk.files(), ["1908900169724363186_1.png"]);
    let asked = desk.origin.asked.lock().unwrap();
    let headers = &asked[0].1;
    assert_eq!(headers["accept-encoding"], "identity");
    for name in ["referer", "cookie", "authorization", "host"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_promises_a_video_never_gets_a_picture() {
    let desk = desk([(PHOTO, vec![say(200, jpeg())]), (VIDEO, vec![say(200, mp4())])]);
    for (url, promised) in [(PHOTO, MediaKind::Video), (VIDEO, MediaKind::Image)] {
        let fetched = desk.fetch_as(url, "19_0", Some(promised)).await;
        assert!(matches!(fetched, Err(FetchFailure::NotMedia { .. })), "{fetched:?}");
    }
    assert_eq!(desk.files(), [""; 0], "nothing is left under the name");
    assert_eq!(desk.fetch_as(VIDEO, "19_0", Some(MediaKind::Video)).await.unwrap().name, "19_0.mp4");
}

#[tokio::test(start_paused = true)]
async fn smaller_sizes_follow_only_upon_404_and_are_recorded() {
    let large = "https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?format=jpg&name=large";
    let desk = desk([(large, vec![say(200, jpeg())])]);
    let fetched = desk.fetch(PHOTO).await.unwrap();
    assert_eq!((fetched.reduced.as_deref(), fetched.url.as_str()), (Some("large"), large));
    let sizes: Vec<String> =
        desk.origin.urls().iter().map(|url| url.split("format=").last().unwrap().to_owned()).collect();
    assert_eq!(sizes, ["jpg&name=orig", "png&name=orig", "jpg&name=4096x4096", "jpg&name=large"]);
}

#[tokio::test(start_paused = true)]
async fn a_photo_is_gone_only_after_its_whole_ladder() {
    let none = desk([]);
    assert!(matches!(none.fetch(PHOTO).await, Err(FetchFailure::Gone { .. })));
    assert_eq!(none.origin.urls().len(), 5);
    let gone = desk([(PHOTO, vec![say(410, "")])]);
    assert!(matches!(gone.fetch(PHOTO).await, Err(FetchFailure::Gone { .. })));
    assert_eq!(gone.origin.urls().len(), 1);
    // A size that fails says nothing about the others, and a smaller one is no substitute for it.
    let failing = desk([(PHOTO, vec![say(500, "")])]);
    assert!(matches!(failing.fetch(PHOTO).await, Err(FetchFailure::Later { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_video_refused_with_its_tag_is_asked_for_once_without() {
    let bare = VIDEO.split('?').next().unwrap();
    let served =
        desk([(VIDEO, vec![say(403, "")]), (bare, vec![say(200, mp4()).with("content-type", "video/mp4")])]);
    let fetched = served.fetch(VIDEO).await.unwrap();
    assert_eq!((fetched.name.as_str(), fetched.kind), ("1908900169724363186_1.mp4", MediaKind::Video));
    assert_eq!(served.origin.urls(), [VIDEO, bare]);
    let refused = desk([(VIDEO, vec![say(403, "")]), (bare, vec![say(403, "")])]);
    assert!(matches!(refused.fetch(VIDEO).await, Err(FetchFailure::Later { not_before: Some(_), .. })));
    assert_eq!(refused.origin.urls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_media_is_refused_and_leaves_nothing_behind() {
    for (body, stated, word) in [
        (&b""[..], "image/jpeg", "0 bytes"),
        (b"<!doctype html><title>x</title>", "image/jpeg", "a page"),
        (b"{\"error\":\"nope\"}", "application/json", "JSON"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", "application/x-mpegURL", "a playlist"),
        (b"\xff\xd8\xff\xe0 and more", "text/html; charset=utf-8", "text/html"),
        (b"\xff\xd8\xff\xe0 and more", "video/mp4", "video/mp4"),
    ] {
        for url in [PHOTO, VIDEO] {
            let desk = desk([(url, vec![say(200, body).with("content-type", stated)])]);
            let Err(FetchFailure::NotMedia { detail }) = desk.fetch(url).await else { panic!("{word}") };
            assert!(detail.contains(word), "{detail}");
            assert_eq!(desk.files(), Vec::<String>::new());
            assert_eq!(desk.origin.urls().len(), 1);
        }
    }
    let packed = desk([(PHOTO, vec![say(200, jpeg()).with("content-encoding", "gzip")])]);
    assert!(matches!(packed.fetch(PHOTO).await, Err(FetchFailure::NotMedia { .. })));
}

#[tokio::test(start_paused = true)]
async fn sizes_are_counted_as_they_arrive() {
    let limits = || Limits { image: ByteSize(2000), video: ByteSize(4000), ..Limits::default() };
    let endless = End::Endless(Duration::ZERO);
    for (url, body, fits) in [
        (PHOTO, say(200, jpeg()), true),
        (PHOTO, say(200, jpeg()).ending(endless), false),
        (PHOTO, say(200, jpeg()).with("content-length", 1u64 << 40), false),
        (VIDEO, say(200, mp4()), true),
        (VIDEO, say(200, mp4()).ending(endless), false),
    ] {
        let desk = limited([(url, vec![body])], limits());
        match desk.fetch(url).await {
            Ok(_) => assert!(fits),
            Err(FetchFailure::TooLarge { .. }) => assert!(!fits && desk.files().is_empty()),
            Err(other) => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_asked_for_again_and_never_kept() {
    let short = || say(200, jpeg()).with("content-length", 2000);
    let broken = || say(200, jpeg()).ending(End::Broken);
    let desk = desk([(PHOTO, vec![short(), broken(), say(200, jpeg()).with("content-length", 910)])]);
    assert_eq!(desk.fetch(PHOTO).await.unwrap().size, ByteSize(910));
    assert_eq!(desk.origin.urls().len(), 3);
    // An empty body that was announced as longer is broken, not "no media".
    let never = self::desk([(PHOTO, vec![say(200, "").with("content-length", 910)])]);
    assert!(matches!(never.fetch(PHOTO).await, Err(FetchFailure::Later { .. })));
    assert_eq!((never.files(), never.origin.urls().len()), (Vec::new(), 4));
}

#[tokio::test(start_paused = true)]
async fn silence_and_a_trickle_both_end() {
    let silent = desk([(PHOTO, vec![say(200, jpeg()).ending(End::Silent)])]);
    let before = tokio::time::Instant::now();
    assert!(matches!(silent.fetch(PHOTO).await, Err(FetchFailure::Later { .. })));
    let took = before.elapsed();
    assert!(took >= Duration::from_secs(120) && took < Duration::from_secs(180), "{took:?}");
    let trickle = desk([(PHOTO, vec![say(200, jpeg()).ending(End::Endless(Duration::from_secs(29)))])]);
    let before = tokio::time::Instant::now();
    assert!(matches!(trickle.fetch(PHOTO).await, Err(FetchFailure::Later { .. })));
    let took = before.elapsed();
    assert!(took >= Duration::from_secs(4 * 1800) && took < Duration::from_secs(4 * 1800 + 60), "{took:?}");
    assert_eq!(trickle.files(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_the_host_and_nobody_else() {
    let other = "https://pbs.twimg.com/media/Other?format=jpg&name=orig";
    let desk = desk([
        (PHOTO, vec![say(429, "").with("retry-after", 20), say(200, jpeg())]),
        (other, vec![say(200, jpeg())]),
        (VIDEO, vec![say(200, mp4())]),
    ]);
    let before = tokio::time::Instant::now();
    let first = desk.fetch(PHOTO);
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.fetch_as(other, "2_1", None).await
    };
    let third = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.fetch_as(VIDEO, "3_1", None).await
    };
    let (first, second, third) = tokio::join!(first, second, third);
    first.unwrap();
    second.unwrap();
    third.unwrap();
    for (url, _, at) in desk.origin.asked.lock().unwrap().iter().skip(1) {
        let waited = at.duration_since(before) >= Duration::from_secs(20);
        assert_eq!(waited, url.contains("pbs."), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_hold_is_told_and_not_waited_for() {
    let desk = desk([(PHOTO, vec![say(503, "").with("retry-after", 3600)]), (VIDEO, vec![say(200, mp4())])]);
    let soon = |not_before: Option<jiff::Timestamp>| {
        not_before.unwrap().duration_since(desk.clock.now()).as_secs() >= 3590
    };
    let Err(FetchFailure::Later { not_before, .. }) = desk.fetch(PHOTO).await else { panic!("no hold") };
    assert!(soon(not_before));
    let Err(FetchFailure::Later { not_before, .. }) = desk.fetch(PHOTO).await else { panic!("no hold") };
    assert!(soon(not_before));
    assert_eq!(desk.origin.urls().len(), 1, "asked within the hold");
    desk.fetch(VIDEO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_several_files_in_a_row_is_left_alone_and_no_file_is_blamed() {
    let key = |n: u32| format!("https://video.twimg.com/tweet_video/{n}.mp4");
    let (one, two, three, four) = (key(1), key(2), key(3), key(4));
    let no = || vec![say(403, "")];
    let desk = desk([(&one, no()), (&two, no()), (&three, no()), (&four, vec![say(200, mp4())])]);
    for url in [&one, &one, &two] {
        assert!(matches!(desk.fetch(url).await, Err(FetchFailure::Later { .. })), "{url}");
    }
    let Err(FetchFailure::HostBlocked { until: Some(until), .. }) = desk.fetch(&three).await else {
        panic!("not blocked")
    };
    let before = desk.origin.urls().len();
    assert!(matches!(desk.fetch(&four).await, Err(FetchFailure::HostBlocked { .. })));
    assert_eq!(desk.origin.urls().len(), before, "asked although it has shut us out");
    tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_secs(3600)).await;
    assert!(desk.clock.now() >= until);
    desk.fetch(&four).await.unwrap();
    // It has answered: what it refused before counts no more.
    assert!(matches!(desk.fetch(&one).await, Err(FetchFailure::Later { .. })));
}

#[tokio::test(start_paused = true)]
async fn refused_files_among_served_ones_do_not_block_a_host() {
    let key = |n: u32| format!("https://video.twimg.com/tweet_video/{n}.mp4");
    let (bad, worse, good) = (key(1), key(2), key(3));
    let desk = desk([(&bad, vec![say(403, "")]), (&worse, vec![say(403, "")]), (&good, vec![say(404, "")])]);
    for _ in 0..3 {
        assert!(matches!(desk.fetch(&bad).await, Err(FetchFailure::Later { .. })));
        assert!(matches!(desk.fetch(&worse).await, Err(FetchFailure::Later { .. })));
        assert!(matches!(desk.fetch(&good).await, Err(FetchFailure::Gone { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_by_hand_and_judged_each_time() {
    let hop = |n: u32| format!("https://pbs.twimg.com/hop/{n}");
    let (one, two, three, four) = (hop(1), hop(2), hop(3), hop(4));
    let good = desk([
        (VIDEO, vec![to(&one)]),
        (&one, vec![to("/hop/2")]),
        (&two, vec![to(&three)]),
        (&three, vec![say(200, mp4())]),
    ]);
    assert_eq!(good.fetch(VIDEO).await.unwrap().url, VIDEO);
    let many = desk([
        (VIDEO, vec![to(&one)]),
        (&one, vec![to(&two)]),
        (&two, vec![to(&three)]),
        (&three, vec![to(&four)]),
        (&four, vec![say(200, mp4())]),
    ]);
    assert!(matches!(many.fetch(VIDEO).await, Err(FetchFailure::Refused { .. })));
    assert_eq!(many.origin.urls().len(), 4);
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "http://video.twimg.com/a.mp4",
        "https://evil.example/a.mp4",
        "https://user:secret@pbs.twimg.com/a.mp4",
        "file:///etc/passwd",
    ] {
        let desk = desk([(VIDEO, vec![to(location)])]);
        let Err(FetchFailure::Refused { detail }) = desk.fetch(VIDEO).await else { panic!("{location}") };
        assert!(!detail.contains("secret"), "{detail}");
        assert_eq!(desk.origin.urls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_url_is_never_sent() {
    let desk = desk([]);
    for url in ["http://pbs.twimg.com/media/K.jpg", "https://127.0.0.1/", "https://evil.example/", "猫", ""]
    {
        assert!(matches!(desk.fetch(url).await, Err(FetchFailure::Refused { .. })), "{url}");
    }
    let playlist = desk.fetch("https://video.twimg.com/a/pl/x.m3u8").await;
    assert!(matches!(playlist, Err(FetchFailure::NotMedia { .. })));
    assert_eq!(desk.origin.urls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stands_there_is_adopted_or_left_alone() {
    let same = desk([(PHOTO, vec![say(200, jpeg())])]);
    let at = same.folder.path().join("1908900169724363186_1.jpg");
    std::fs::write(&at, jpeg()).unwrap();
    let stamp = std::fs::metadata(&at).unwrap().modified().unwrap();
    same.fetch(PHOTO).await.unwrap();
    assert_eq!(std::fs::metadata(&at).unwrap().modified().unwrap(), stamp);
    assert_eq!(same.files(), ["1908900169724363186_1.jpg"]);
    for theirs in [vec![], b"theirs".to_vec(), vec![7; 910]] {
        std::fs::write(&at, &theirs).unwrap();
        let Err(FetchFailure::Local(error)) = same.fetch(PHOTO).await else { panic!("overwritten") };
        assert_eq!((error.kind, std::fs::read(&at).unwrap()), (ErrorKind::Exists, theirs));
        assert_eq!(same.files(), ["1908900169724363186_1.jpg"]);
    }
}
