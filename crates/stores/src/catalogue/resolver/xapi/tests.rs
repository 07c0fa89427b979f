use std::collections::VecDeque;
use std::sync::Mutex;

use landfall_core::VirtualClock;
use landfall_core::transport::{Request, Response, TransportError};

use super::super::super::{MediaKind, Unavailable};
use super::*;

/// One scripted answer: status, headers, body.
type Said = (u16, Vec<(&'static str, String)>, String);

/// Answers in order; status, headers, body.
#[derive(Default)]
struct Service {
    says: Mutex<VecDeque<Said>>,
    asked: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let token = request.headers()["authorization"].to_str().unwrap().to_owned();
        self.asked.lock().unwrap().push((request.uri().to_string(), token));
        let (status, headers, body) = self.says.lock().unwrap().pop_front().expect("an answer is scripted");
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        let body = futures_util::stream::iter([Ok(bytes::Bytes::from(body))]);
        Ok(response.body(Box::pin(body) as landfall_core::transport::Body).unwrap())
    }
}

fn api(config: &XApiConfig, says: Vec<Said>) -> (XApi, Arc<Service>, VirtualClock) {
    let service = Arc::new(Service { says: Mutex::new(says.into()), asked: Mutex::default() });
    let clock = VirtualClock::starting(Timestamp::from_second(1_700_000_000).unwrap());
    let chance = Arc::new(Chance::seeded(1));
    let api =
        XApi::new(service.clone(), SecretString::from("hush"), config, Arc::new(clock), chance).unwrap();
    (api, service, clock)
}

fn asks(ids: impl IntoIterator<Item = u64>) -> Vec<Ask> {
    ids.into_iter().map(|id| Ask { id: id.to_string(), username: "alice".into() }).collect()
}

fn ok(body: &str) -> (u16, Vec<(&'static str, String)>, String) {
    (200, Vec::new(), body.to_owned())
}

const PUBLISHED: &str = r#"{"data":[{"id":"1","text":"x","author_id":"9","attachments":{"media_keys":["3_11","13_12","13_99"]}},
  {"id":"5","text":"withheld","withheld":{"country_codes":["XX"]}},{"id":"6","text":"no media"}],
 "includes":{"users":[{"id":"9","username":"alice_new"}],"media":[
  {"media_key":"13_12","type":"video","variants":[
    {"content_type":"application/x-mpegURL","url":"https://video.twimg.com/a.m3u8"},
    {"content_type":"video/mp4","bit_rate":632000,"url":"https://video.twimg.com/s.mp4"},
    {"content_type":"video/mp4","bit_rate":2176000,"url":"https://video.twimg.com/a.mp4?tag=14"}]},
  {"media_key":"3_11","type":"photo","url":"https://pbs.twimg.com/media/KEY1.jpg"}]},
 "errors":[
  {"resource_type":"tweet","parameter":"ids","resource_id":"2","value":"2","title":"Not Found Error","detail":"Could not find tweet","type":"https://api.x.com/2/problems/resource-not-found"},
  {"resource_type":"tweet","value":"3","detail":"Sorry, you are not authorized","type":"https://api.twitter.com/2/problems/not-authorized-for-resource"},
  {"resource_type":"tweet","value":"4","detail":"User has been suspended","type":"https://api.x.com/2/problems/resource-not-found"},
  {"resource_type":"media","resource_id":"1","detail":"gone","type":"https://api.x.com/2/problems/resource-not-found"}]}"#;

#[tokio::test(start_paused = true)]
async fn every_post_gets_its_own_answer_in_the_order_of_its_media_keys() {
    let (api, service, _) = api(&XApiConfig::default(), vec![ok(PUBLISHED)]);
    let mut wanted = asks([7, 6, 5, 4, 3, 2, 1, 1]);
    wanted.push(Ask { id: "１".into(), username: "alice".into() });
    let answers = api.resolve(&wanted).await;
    let Resolved::Media { items, username } = &answers[6] else { panic!("{:?}", answers[6]) };
    assert_eq!(username.as_deref(), Some("alice_new"));
    let seen: Vec<(u32, MediaKind, Vec<&str>)> = items
        .iter()
        .map(|item| (item.n, item.kind, item.urls.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, MediaKind::Image, vec!["https://pbs.twimg.com/media/KEY1.jpg"]),
            (
                2,
                MediaKind::Video,
                vec!["https://video.twimg.com/a.mp4?tag=14", "https://video.twimg.com/s.mp4"]
            ),
            (3, MediaKind::Video, vec![]),
        ]
    );
    assert_eq!(answers[7], answers[6]);
    assert_eq!(answers[0], Resolved::Unanswered);
    assert!(matches!(&answers[1], Resolved::Media { items, .. } if items.is_empty()));
    for (at, expected) in [
        (2, Unavailable::Withheld),
        (3, Unavailable::Suspended),
        (4, Unavailable::Protected),
        (5, Unavailable::Deleted),
        (8, Unavailable::Unknown),
    ] {
        assert!(matches!(&answers[at], Resolved::Unavailable { reason, .. } if *reason == expected), "{at}");
    }
    let (url, token) = service.asked.lock().unwrap()[0].clone();
    assert!(url.starts_with("https://api.x.com/2/tweets?ids=1,2,3,4,5,6,7&tweet.fields="), "{url}");
    assert_eq!((token.as_str(), api.reads()), ("Bearer hush", 7));
    assert!(!format!("{api:?}").contains("hush"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_a_hundred_posts_and_the_cap_is_never_passed() {
    let capped = XApiConfig { max_reads: Some(150), ..XApiConfig::default() };
    let (api, service, _) = api(&capped, vec![ok("{}"), ok("{}")]);
    let answers = api.resolve(&asks(1..=250)).await;
    let counts: Vec<usize> =
        service.asked.lock().unwrap().iter().map(|(url, _)| url.split(',').count()).collect();
    // Field lists hold seven commas of their own.
    let own = FIELDS.matches(',').count();
    assert_eq!(counts, [100 + own, 50 + own]);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Resolved::Later { .. })).count(), 100);
    assert!(api.resolve(&asks([1])).await.iter().all(|answer| matches!(answer, Resolved::Later { .. })));
    assert_eq!(api.reads(), 150);
    let spend = XApiConfig { max_micro_usd: Some(12_000), max_reads: Some(9), ..XApiConfig::default() };
    let price = self::api(&spend, Vec::new()).0.price();
    assert_eq!(price, Some(Price { micro_usd: 5_000, max_reads: Some(2) }));
}

#[tokio::test(start_paused = true)]
async fn limits_are_those_that_the_headers_state() {
    let reset = |seconds: i64| vec![("x-rate-limit-reset", (1_700_000_000 + seconds).to_string())];
    let mut last = reset(900);
    last.push(("x-rate-limit-remaining", "0".into()));
    let says = vec![(429, reset(300), String::new()), (200, last, "{}".into())];
    let (api, service, clock) = api(&XApiConfig::default(), says);
    let until = |seconds: i64| Resolved::RateLimited {
        until: Timestamp::from_second(1_700_000_000 + seconds).unwrap(),
    };
    assert_eq!(api.resolve(&asks([1])).await, [until(300)]);
    assert_eq!(api.resolve(&asks([1])).await, [until(300)]);
    assert_eq!((service.asked.lock().unwrap().len(), api.reads()), (1, 0));
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert!(clock.now().as_second() >= 1_700_000_300);
    assert_eq!(api.resolve(&asks([1])).await, [Resolved::Unanswered]);
    assert_eq!(api.resolve(&asks([1])).await, [until(900)]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_ends_the_resolver_and_a_bad_hour_does_not() {
    for status in [401, 403] {
        let (api, service, _) = api(&XApiConfig::default(), vec![(status, Vec::new(), String::new())]);
        for _ in 0..2 {
            assert!(matches!(api.resolve(&asks([1])).await[..], [Resolved::Fatal { .. }]));
        }
        assert_eq!(service.asked.lock().unwrap().len(), 1);
    }
    let bad = || (503, Vec::new(), "busy".to_owned());
    let (api, _, _) =
        api(&XApiConfig::default(), vec![bad(), bad(), ok("{}"), bad(), bad(), bad(), bad(), ok("<html>")]);
    assert_eq!(api.resolve(&asks([1])).await, [Resolved::Unanswered]);
    assert!(matches!(api.resolve(&asks([1])).await[..], [Resolved::Later { .. }]));
    assert!(matches!(api.resolve(&asks([1])).await[..], [Resolved::Later { .. }]));
}

#[test]
fn a_token_goes_over_https_or_nowhere() {
    for good in ["https://api.x.com/", "http://127.0.0.1:9", "http://x.sim"] {
        assert!(base(good).is_ok(), "{good}");
    }
    for bad in ["http://api.x.com", "http://10.0.0.1", "ftp://127.0.0.1", "https://a:b@api.x.com", ""] {
        assert!(base(bad).is_err(), "{bad}");
    }
}
