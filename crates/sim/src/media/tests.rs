use http_body_util::BodyExt as _;

use http::HeaderMap;

use super::*;

const PHOTO: &str = "https://pbs.twimg.com/media/GnHanako001?format=jpg&name=orig";
const VIDEO: &str = "https://video.twimg.com/ext_tw_video/19/pu/vid/avc1/1280x720/natsu.mp4?tag=12";

fn origin() -> MediaSim {
    MediaSim::new(MediaConfig::default())
}

async fn get(sim: &MediaSim, url: &str) -> (u16, HeaderMap, Option<Bytes>) {
    let request = Request::get(url).body(Body::empty()).unwrap();
    let (parts, body) = sim.call(request).await.unwrap().into_parts();
    let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
    (parts.status.as_u16(), parts.headers, body)
}

async fn status(sim: &MediaSim, url: &str) -> u16 {
    get(sim, url).await.0
}

#[tokio::test]
async fn the_ladder_ends_where_the_medium_ends() {
    let sim = origin();
    let top = Medium { top: PhotoSize::Large, ..Medium::new(MediaKind::Jpeg) };
    sim.set(PHOTO, top);
    let at = |name: &str| format!("https://pbs.twimg.com/media/GnHanako001?format=jpg&name={name}");
    let mut seen = Vec::new();
    for name in ["orig", "4096x4096", "large", "medium"] {
        seen.push(status(&sim, &at(name)).await);
    }
    assert_eq!(seen, [404, 404, 200, 200]);
    let (_, _, large) = get(&sim, &at("large")).await;
    assert_eq!(large, sim.content(PHOTO));
    assert_ne!(large, get(&sim, &at("medium")).await.2, "another size is another file");
    assert_eq!(sim.requests().by_key["pbs.twimg.com/media/GnHanako001"], 6);
}

#[tokio::test]
async fn the_original_is_there_in_one_format_only() {
    let sim = origin();
    sim.set(PHOTO, Medium::new(MediaKind::Png));
    let at = |rest: &str| format!("https://pbs.twimg.com/media/GnHanako001{rest}");
    assert_eq!(status(&sim, &at("?format=jpg&name=orig")).await, 404);
    assert_eq!(status(&sim, &at("?format=webp&name=orig")).await, 404);
    assert_eq!(status(&sim, &at("?format=png&name=orig")).await, 200);
    assert_eq!(status(&sim, &at(".jpg:large")).await, 200);
    let (_, headers, whole) = get(&sim, &at(".png:orig")).await;
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(whole, sim.content(PHOTO));
}

#[tokio::test]
async fn a_tag_or_a_referer_is_refused_and_the_bare_video_is_served() {
    let sim = origin();
    sim.set(VIDEO, Medium::new(MediaKind::Mp4).with(Trouble::TagForbidden));
    let bare = VIDEO.split('?').next().unwrap();
    assert_eq!(status(&sim, VIDEO).await, 403);
    let foreign = Request::get(bare).header("referer", "https://x.com/").body(Body::empty()).unwrap();
    assert_eq!(sim.call(foreign).await.unwrap().status(), 403);
    assert_eq!(get(&sim, bare).await.2, sim.content(VIDEO));
}

#[tokio::test]
async fn what_is_gone_stays_gone_and_what_was_late_comes() {
    let sim = origin();
    sim.set(PHOTO, Medium::new(MediaKind::Jpeg).with(Trouble::Unavailable { times: 1 }));
    assert_eq!([status(&sim, PHOTO).await, status(&sim, PHOTO).await], [503, 200]);
    for (trouble, code) in [(Trouble::Dead, 404), (Trouble::Gone, 410), (Trouble::Forbidden, 403)] {
        assert!(sim.trouble(PHOTO, trouble));
        assert_eq!([status(&sim, PHOTO).await, status(&sim, PHOTO).await], [code, code]);
    }
    assert!(sim.trouble(PHOTO, Trouble::Throttled { times: 1, retry_after: 7 }));
    let (code, headers, _) = get(&sim, PHOTO).await;
    assert_eq!((code, headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(status(&sim, "https://pbs.twimg.com/media/Unknown.jpg").await, 404);
}

#[tokio::test]
async fn damaged_bodies_are_damaged_as_told() {
    let sim = origin();
    sim.set(PHOTO, Medium::new(MediaKind::Jpeg).with(Trouble::Truncated { times: 1 }));
    assert_eq!(get(&sim, PHOTO).await.2, None, "the body breaks off");
    assert_eq!(get(&sim, PHOTO).await.2, sim.content(PHOTO));

    sim.trouble(PHOTO, Trouble::Html);
    let (code, headers, body) = get(&sim, PHOTO).await;
    assert_eq!((code, headers["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(body.unwrap().starts_with(b"<!DOCTYPE html>"));

    sim.trouble(PHOTO, Trouble::WrongType);
    let (_, headers, body) = get(&sim, PHOTO).await;
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(body, sim.content(PHOTO));

    sim.trouble(PHOTO, Trouble::Empty);
    assert_eq!(get(&sim, PHOTO).await.2.unwrap().len(), 0);

    sim.set(VIDEO, Medium::new(MediaKind::Mp4).with(Trouble::Playlist));
    assert!(get(&sim, VIDEO).await.2.unwrap().starts_with(b"#EXTM3U"));
}

#[tokio::test]
async fn an_endless_body_goes_on_for_as_long_as_anyone_reads() {
    let sim = origin();
    sim.set(PHOTO, Medium::new(MediaKind::Jpeg).with(Trouble::Endless));
    let request = Request::get(PHOTO).body(Body::empty()).unwrap();
    let response = sim.call(request).await.unwrap();
    assert!(!response.headers().contains_key("content-length"));
    let mut body = response.into_body();
    let mut read = 0;
    while read < 3 << 20 {
        let frame = body.frame().await.unwrap().unwrap();
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

#[tokio::test]
async fn redirects_name_their_target_and_strangers_are_written_down() {
    let sim = origin();
    let inside = "http://169.254.169.254/latest/meta-data/";
    sim.set(PHOTO, Medium::new(MediaKind::Jpeg).with(Trouble::Redirect(inside.into())));
    let (code, headers, _) = get(&sim, PHOTO).await;
    assert_eq!((code, headers["location"].to_str().unwrap()), (302, inside));
    assert!(sim.requests().violations.is_empty());
    assert_eq!(status(&sim, inside).await, 404);
    let token = Request::get(PHOTO).header("authorization", "Bearer hf_x").body(Body::empty()).unwrap();
    drop(sim.call(token).await.unwrap());
    assert_eq!(sim.requests().violations.len(), 2);
    sim.reset_requests();
    assert_eq!((sim.requests().total, sim.requests().violations.len()), (0, 2));
}

#[tokio::test]
async fn the_host_header_tells_the_hosts_apart() {
    let sim = origin();
    sim.set(VIDEO, Medium::new(MediaKind::Mp4));
    let path = "http://127.0.0.1:9/ext_tw_video/19/pu/vid/avc1/1280x720/natsu.mp4";
    let request = Request::get(path).header("host", "video.twimg.com").body(Body::empty()).unwrap();
    assert_eq!(sim.call(request).await.unwrap().status(), 200);
    let request = Request::get(path).header("host", "pbs.twimg.com").body(Body::empty()).unwrap();
    assert_eq!(sim.call(request).await.unwrap().status(), 404);
}

#[tokio::test]
async fn faults_follow_the_seed_and_spare_the_patient() {
    let trace = async |seed| {
        let sim = MediaSim::new(MediaConfig { seed, faults: Faults::Wild, ..MediaConfig::default() });
        let mut seen = Vec::new();
        for n in 0..200 {
            let url = format!("https://pbs.twimg.com/media/Key{n}.jpg:orig");
            sim.set(&url, Medium::new(MediaKind::Jpeg));
            let request = Request::get(&url).body(Body::empty()).unwrap();
            seen.push(sim.call(request).await.map(|reply| reply.status().as_u16()).ok());
            for _ in 0..2 {
                drop(sim.call(Request::get(&url).body(Body::empty()).unwrap()).await);
            }
            assert_eq!(get(&sim, &url).await.2, sim.content(&url), "the fourth time is the charm");
        }
        seen
    };
    let first = trace(5).await;
    assert_eq!(first, trace(5).await);
    assert_ne!(first, trace(6).await);
    assert!(first.iter().any(|seen| *seen != Some(200)));
}

#[tokio::test]
async fn the_origin_serves_on_tcp() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let sim = origin();
    sim.set(VIDEO, Medium::new(MediaKind::Mp4));
    let served = sim.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let text = "GET /ext_tw_video/19/pu/vid/avc1/1280x720/natsu.mp4 HTTP/1.1\r\n\
                    host: video.twimg.com\r\nconnection: close\r\n\r\n";
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        stop.send(()).unwrap();
        reply
    };
    let (run, reply) = tokio::join!(served.run(async { drop(stopped.await) }), ask);
    run.unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 200"));
    assert!(reply.ends_with(&sim.content(VIDEO).unwrap()));
}
