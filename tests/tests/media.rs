//! Downloads against the simulated media origin, in process and on TCP, and the resolver wrappers
//! against stand-ins for the tools that they drive.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_core::transport::{Request, Response, Stage, Transport, TransportError};
use landfall_core::{Chance, SystemClock, VirtualClock};
use landfall_sim::{MediaConfig, MediaSim, Medium, PhotoSize, Trouble};
use landfall_stores::catalogue::media::{
    FetchParts, Limits, MediaFetcher, MediaTransport, PolicyConfig, UrlPolicy,
};
use landfall_stores::catalogue::resolver::{CommandConfig, CommandResolver};
use landfall_stores::catalogue::{
    Ask, FetchFailure, Fetched, Fetcher as _, MediaKind, MediaUrl, Resolved, Resolver as _, SaveAs,
    Unavailable,
};

/// The simulated origin in this process.
struct InProcess(MediaSim);

fn save_as(stem: &str) -> SaveAs {
    SaveAs { stem: stem.to_owned(), kind: None }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let reply = self.0.call(request.map(axum::body::Body::from)).await;
        let reply =
            reply.map_err(|error| TransportError { stage: Stage::Answer, detail: error.to_string() })?;
        Ok(reply.map(|body| {
            let broken =
                |error: axum::Error| TransportError { stage: Stage::Body, detail: error.to_string() };
            body.into_data_stream().map_err(broken).boxed() as landfall_core::transport::Body
        }))
    }
}

const PHOTO: &str = "https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?format=jpg&name=orig";
const VIDEO: &str = "https://video.twimg.com/ext_tw_video/1/pu/vid/avc1/1280x720/Name.mp4?tag=12";

struct Desk {
    sim: MediaSim,
    fetcher: MediaFetcher,
    folder: tempfile::TempDir,
}

fn desk() -> Desk {
    let sim = MediaSim::new(MediaConfig::default());
    let limits = Limits { image: landfall_core::ByteSize(1 << 20), ..Limits::default() };
    let fetcher = MediaFetcher::new(FetchParts {
        transport: Arc::new(InProcess(sim.clone())),
        policy: UrlPolicy::new(&PolicyConfig::default()).unwrap(),
        limits,
        clock: Arc::new(VirtualClock::starting("2026-11-01T00:00:00Z".parse().unwrap())),
        chance: Arc::new(Chance::seeded(7)),
    });
    Desk { sim, fetcher, folder: tempfile::tempdir().unwrap() }
}

impl Desk {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchFailure> {
        let dir =
            cap_std::fs::Dir::open_ambient_dir(self.folder.path(), cap_std::ambient_authority()).unwrap();
        self.fetcher.fetch(&MediaUrl::new(url), &dir, &save_as("1933518818577690629_1")).await
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().next().is_none()
    }
}

fn photo() -> Medium {
    Medium::new(landfall_sim::MediaKind::Jpeg)
}

fn video() -> Medium {
    Medium::new(landfall_sim::MediaKind::Mp4)
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_has_arrives_byte_for_byte() {
    for (url, medium, kind, name) in [
        (PHOTO, photo(), MediaKind::Image, "1933518818577690629_1.jpg"),
        (PHOTO, Medium::new(landfall_sim::MediaKind::Png), MediaKind::Image, "1933518818577690629_1.png"),
        (
            PHOTO,
            photo().with(Trouble::Unavailable { times: 1 }),
            MediaKind::Image,
            "1933518818577690629_1.jpg",
        ),
        (PHOTO, photo().with(Trouble::Truncated { times: 1 }), MediaKind::Image, "1933518818577690629_1.jpg"),
        (
            PHOTO,
            photo().with(Trouble::Throttled { times: 2, retry_after: 5 }),
            MediaKind::Image,
            "1933518818577690629_1.jpg",
        ),
        (VIDEO, video(), MediaKind::Video, "1933518818577690629_1.mp4"),
        (VIDEO, video().with(Trouble::TagForbidden), MediaKind::Video, "1933518818577690629_1.mp4"),
    ] {
        let desk = desk();
        let trouble = medium.trouble.clone();
        desk.sim.set(url, medium);
        let fetched = desk.fetch(url).await.unwrap_or_else(|failure| panic!("{trouble:?}: {failure:?}"));
        assert_eq!(
            (fetched.name.as_str(), fetched.kind, &fetched.reduced),
            (name, kind, &None),
            "{trouble:?}"
        );
        let content = desk.sim.content(url).unwrap();
        assert_eq!(std::fs::read(desk.folder.path().join(name)).unwrap(), content, "{trouble:?}");
        assert_eq!(desk.sim.requests().violations, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_photo_without_its_original_is_kept_reduced_and_says_so() {
    let desk = desk();
    desk.sim.set(PHOTO, Medium { top: PhotoSize::Large, ..photo() });
    assert_eq!(desk.fetch(PHOTO).await.unwrap().reduced.as_deref(), Some("large"));
}

#[tokio::test(start_paused = true)]
async fn every_trouble_of_the_origin_has_its_name() {
    let away = Trouble::Redirect("http://169.254.169.254/latest/meta-data".into());
    for (url, trouble, expected) in [
        (PHOTO, Trouble::Dead, "Gone"),
        (PHOTO, Trouble::Gone, "Gone"),
        (VIDEO, Trouble::Dead, "Gone"),
        (PHOTO, Trouble::Forbidden, "Later"),
        (VIDEO, Trouble::Forbidden, "Later"),
        (PHOTO, Trouble::WrongType, "NotMedia"),
        (PHOTO, Trouble::Html, "NotMedia"),
        (VIDEO, Trouble::Playlist, "NotMedia"),
        (PHOTO, Trouble::Empty, "NotMedia"),
        (PHOTO, Trouble::Endless, "TooLarge"),
        (PHOTO, away.clone(), "Refused"),
        (VIDEO, away, "Refused"),
        (PHOTO, Trouble::Unavailable { times: 1000 }, "Later"),
        (PHOTO, Trouble::Truncated { times: 1000 }, "Later"),
    ] {
        let desk = desk();
        desk.sim.set(url, if url == PHOTO { photo() } else { video() }.with(trouble.clone()));
        let failure = format!("{:?}", desk.fetch(url).await.expect_err(expected));
        assert!(failure.starts_with(expected), "{trouble:?}: {failure}");
        assert!(desk.is_empty(), "{trouble:?} left something behind");
        assert_eq!(desk.sim.requests().violations, Vec::<String>::new(), "{trouble:?}");
    }
}

#[tokio::test]
async fn an_override_carries_real_requests_to_the_origin_on_tcp_and_nothing_else() {
    let sim = MediaSim::new(MediaConfig::default());
    sim.set(PHOTO, photo());
    let served = sim.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let overrides =
        ["pbs.twimg.com", "video.twimg.com"].map(|host| (host.to_owned(), served.url.clone())).to_vec();
    let policy = UrlPolicy::new(&PolicyConfig { overrides, ..PolicyConfig::default() }).unwrap();
    let direct = MediaUrl::new(format!("{}/media/GtU9HwvbMAUIyKi?format=jpg&name=orig", served.url));
    let fetcher = MediaFetcher::new(FetchParts {
        transport: Arc::new(MediaTransport::new(&policy, None).unwrap()),
        policy,
        limits: Limits::default(),
        clock: Arc::new(SystemClock),
        chance: Arc::new(Chance::seeded(7)),
    });
    let folder = tempfile::tempdir().unwrap();
    let dir = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
    let talk = async {
        let fetched = fetcher.fetch(&MediaUrl::new(PHOTO), &dir, &save_as("猫_1")).await.unwrap();
        assert_eq!((fetched.name.as_str(), fetched.url.as_str()), ("猫_1.jpg", PHOTO));
        let refused = fetcher.fetch(&direct, &dir, &save_as("猫_2")).await;
        assert!(matches!(refused, Err(FetchFailure::Refused { .. })), "{refused:?}");
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = served.run(async { drop(stopped.await) });
    let (ran, ()) = tokio::join!(run, async {
        talk.await;
        drop(stop);
    });
    ran.unwrap();
    assert_eq!((sim.requests().total, sim.requests().violations), (1, Vec::new()));
}

fn wrapper(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("resolvers").join(name)
}

/// Runs a wrapper over a stand-in for its tool: a Python text that sees the tool's arguments.
async fn wrapped(name: &str, tool: &str, ids: &[&str]) -> Vec<Resolved> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tool");
    std::fs::write(&program, format!("#!/usr/bin/env python3\nimport json, os, sys, time\n{tool}\n"))
        .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let wrapper = wrapper(name).display().to_string();
    let argv = [wrapper.as_str(), "--program", program.to_str().unwrap(), "--timeout", "5"];
    let environment =
        ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let mut config = CommandConfig::new(argv.map(str::to_owned).to_vec(), environment.collect());
    config.each = Duration::from_secs(30);
    let asks: Vec<Ask> =
        ids.iter().map(|id| Ask { id: (*id).to_owned(), username: "alice_draws".into() }).collect();
    CommandResolver::new(config, Arc::new(SystemClock)).resolve(&asks).await
}

/// The shapes that gallery-dl 1.32.18 prints with `-j`; exit status 0 whatever happened.
const GALLERY: &str = r#"
url = sys.argv[-1]
assert sys.argv[1:4] == ["--config-ignore", "-j", "-o"] and sys.argv[-2] == "--", sys.argv
post = url.rsplit("/", 1)[1]
assert url == "https://x.com/alice_draws/status/" + post
def meta(**more): return dict({"tweet_id": int(post), "count": 2, "author": {"name": "alice_draws"}}, **more)
if post == "1":
    out = [[2, meta()],
      [3, "https://pbs.twimg.com/media/QUOTED?format=jpg&name=orig", dict(meta(), tweet_id=999, num=1, type="photo")],
      [3, "https://pbs.twimg.com/media/K1?format=jpg&name=orig", meta(num=1, type="photo", extension="jpg")],
      [3, "https://video.twimg.com/a.mp4?tag=14", meta(num=2, type="video", extension="mp4", bitrate=2176000)]]
elif post == "2": out = [[-1, {"error": "AuthRequired", "message": "'Protected Tweet'"}]]
elif post == "3": out = [[-1, {"error": "AuthRequired", "message": "authenticated cookies needed ('NSFW Tweet')"}]]
elif post == "4": out = [[-1, {"error": "AbortExtraction", "message": "Tweet unavailable ('Suspended')"}]]
elif post == "5": out = []
elif post == "6": print("Traceback: not JSON"); sys.exit(0)
elif post == "7": time.sleep(60)
elif post == "8": out = [[-1, {"error": "HttpError", "message": "'502 Bad Gateway' for x"}]]
elif post == "9": out = [[2, meta(count=0)]]
elif post == "10": out = [[-1, {"error": "AbortExtraction", "message": "Rate limit exceeded"}]]
elif post == "11": out = [[-1, {"error": "AbortExtraction", "message": "Could not authenticate you"}]]
print(json.dumps(out, indent=2))
"#;

#[tokio::test]
async fn the_gallery_dl_wrapper_believes_records_and_not_exit_codes() {
    let ids = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let answers = wrapped("landfall-resolve-gallery-dl", GALLERY, &ids).await;
    let Resolved::Media { items, username } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(username.as_deref(), Some("alice_draws"));
    let urls: Vec<(u32, &str)> = items.iter().map(|item| (item.n, item.urls[0].as_str())).collect();
    assert_eq!(
        urls,
        [
            (1, "https://pbs.twimg.com/media/K1?format=jpg&name=orig"),
            (2, "https://video.twimg.com/a.mp4?tag=14")
        ]
    );
    for (at, expected) in
        [(1, Unavailable::Protected), (2, Unavailable::AgeGated), (3, Unavailable::Suspended)]
    {
        assert!(
            matches!(&answers[at], Resolved::Unavailable { reason, .. } if *reason == expected),
            "{at}: {answers:?}"
        );
    }
    assert_eq!((&answers[4], &answers[5]), (&Resolved::Unanswered, &Resolved::Unanswered));
    assert!(
        matches!((&answers[6], &answers[7]), (Resolved::Later { .. }, Resolved::Later { .. })),
        "{answers:?}"
    );
    assert!(matches!(&answers[8], Resolved::Media { items, .. } if items.is_empty()));
}

#[tokio::test]
async fn the_gallery_dl_wrapper_passes_limits_and_dead_logins_on() {
    let limited = wrapped("landfall-resolve-gallery-dl", GALLERY, &["10", "5"]).await;
    assert!(limited.iter().all(|answer| matches!(answer, Resolved::RateLimited { .. })), "{limited:?}");
    let fatal = wrapped("landfall-resolve-gallery-dl", GALLERY, &["1", "11", "2"]).await;
    assert!(matches!(&fatal[0], Resolved::Media { .. }), "{fatal:?}");
    assert!(fatal[1..].iter().all(|answer| matches!(answer, Resolved::Fatal { .. })), "{fatal:?}");
}

/// The shapes of twscrape 0.20.1 with `--raw`, and its plain text with exit status 0.
const TWSCRAPE: &str = r#"
assert sys.argv[1] == "--db" and sys.argv[3] == "tweet_details" and sys.argv[5] == "--raw", sys.argv
assert os.environ["TWS_TELEMETRY"] == "0" and os.environ["TWS_RAISE_WHEN_NO_ACCOUNT"] == "1"
post = sys.argv[4]
def page(result): return {"data": {"threaded_conversation_with_injections_v2": {"instructions": [{"entries": [
  {"entryId": "tweet-" + post, "content": {"itemContent": {"tweet_results": {"result": result}}}}]}]}}}
if post == "1":
    print(json.dumps(page({"__typename": "Tweet", "rest_id": "1",
      "core": {"user_results": {"result": {"core": {"screen_name": "alice_new"}}}},
      "legacy": {"extended_entities": {"media": [
        {"type": "video", "media_url_https": "https://pbs.twimg.com/x_video_thumb/t.jpg", "video_info": {"variants": [
          {"content_type": "application/x-mpegURL", "url": "https://video.twimg.com/a.m3u8"},
          {"content_type": "video/mp4", "bitrate": 632000, "url": "https://video.twimg.com/s.mp4"},
          {"content_type": "video/mp4", "bitrate": 2176000, "url": "https://video.twimg.com/l.mp4"}]}},
        {"type": "photo", "media_url_https": "https://pbs.twimg.com/media/K2.jpg"}]}}})))
elif post == "2":
    print(json.dumps(page({"__typename": "TweetTombstone", "tombstone": {"text": {"text":
      "You\u2019re unable to view this Post because this account owner limits who can view their Posts."}}})))
elif post == "3": print("Not Found. See --raw for more details.")
elif post == "4": time.sleep(60)
elif post == "5":
    sys.stderr.write("twscrape.accounts_pool.NoAccountError: No account available for queue TweetDetail\n")
    sys.exit(1)
elif post == "6": print("{\"cut off")
"#;

#[tokio::test]
async fn the_twscrape_wrapper_keeps_the_order_and_takes_no_text_for_an_answer() {
    let answers = wrapped("landfall-resolve-twscrape", TWSCRAPE, &["1", "2", "3", "6"]).await;
    let Resolved::Media { items, username } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(username.as_deref(), Some("alice_new"));
    assert_eq!(
        (items[0].n, items[0].kind, items[1].n, items[1].kind),
        (1, MediaKind::Video, 2, MediaKind::Image)
    );
    assert_eq!(items[0].urls, ["https://video.twimg.com/l.mp4", "https://video.twimg.com/s.mp4"]);
    assert!(
        matches!(&answers[1], Resolved::Unavailable { reason: Unavailable::Protected, .. }),
        "{answers:?}"
    );
    assert_eq!(answers[2..], [Resolved::Unanswered, Resolved::Unanswered]);
    let locked = wrapped("landfall-resolve-twscrape", TWSCRAPE, &["4"]).await;
    assert!(matches!(locked[..], [Resolved::RateLimited { .. }]), "{locked:?}");
    let none = wrapped("landfall-resolve-twscrape", TWSCRAPE, &["5", "1"]).await;
    assert!(none.iter().all(|answer| matches!(answer, Resolved::Fatal { .. })), "{none:?}");
}
