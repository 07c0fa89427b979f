use landfall_core::VirtualClock;
use landfall_core::transport::{Request, Response, TransportError};

use super::*;

/// Answers by post id.
struct Endpoint;

#[async_trait]
impl Transport for Endpoint {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let url = request.uri().to_string();
        let body = if url.ends_with("/tweet-result?id=20&lang=en&token=6dq1a2xwd93") {
            r#"{"__typename":"Tweet","id_str":"20","user":{"screen_name":"jack"},"mediaDetails":[
              {"type":"video","media_url_https":"https://pbs.twimg.com/amplify_video_thumb/1/img/x.jpg","video_info":{"variants":[
                {"content_type":"application/x-mpegURL","url":"https://video.twimg.com/a.m3u8"},
                {"bitrate":1,"content_type":"video/mp4","url":"https://video.twimg.com/a.mp4"}]}},
              {"type":"photo","media_url_https":"https://pbs.twimg.com/media/K.jpg"}]}"#
        } else if url.contains("id=21&") {
            r#"{"__typename":"TweetTombstone","tombstone":{"text":{"text":"This Post was deleted"}}}"#
        } else if url.contains("id=22&") {
            "{}"
        } else {
            "<html>"
        };
        let status = if url.contains("id=24&") { 429 } else { 200 };
        let body = futures_util::stream::iter([Ok(bytes::Bytes::from_static(body.as_bytes()))]);
        Ok(http::Response::builder()
            .status(status)
            .body(Box::pin(body) as landfall_core::transport::Body)
            .unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn media_keep_their_order_and_a_tombstone_proves_nothing() {
    let clock = Arc::new(VirtualClock::starting(jiff::Timestamp::UNIX_EPOCH));
    let resolver = Syndication::new(Arc::new(Endpoint), "http://embed.sim/", clock).unwrap();
    let asks: Vec<Ask> =
        ["20", "21", "22", "23", "24", "25"].map(|id| Ask { id: id.into(), username: "jack".into() }).into();
    let answers = resolver.resolve(&asks).await;
    let Resolved::Media { items, username } = &answers[0] else { panic!("{:?}", answers[0]) };
    assert_eq!(username.as_deref(), Some("jack"));
    assert_eq!(items[0].urls, ["https://video.twimg.com/a.mp4"]);
    assert_eq!(items[1].urls, ["https://pbs.twimg.com/media/K.jpg"]);
    for at in [1, 2] {
        assert!(matches!(&answers[at], Resolved::Unavailable { reason: Unavailable::Unknown, .. }), "{at}");
    }
    assert!(matches!(&answers[3], Resolved::Later { .. }));
    assert!(matches!(&answers[4], Resolved::RateLimited { .. }));
    assert_eq!(answers[4], answers[5], "asked although it wants a pause");
}
