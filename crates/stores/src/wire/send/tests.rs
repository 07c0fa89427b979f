use landfall_core::transport::Stage;
use tokio::time::Instant;

use super::*;
use crate::wire::testing::{Script, Step, answer, with};

const URL: &str = "http://graph.sim/v1.0/drives/x";

fn get() -> Call {
    Call::get(URL, "look at", "録音.wav")
}

#[tokio::test(start_paused = true)]
async fn what_passes_by_itself_is_asked_again_and_each_try_is_counted() {
    let script = Script::new([
        answer(500, "x"),
        Step::Broken(Stage::Answer),
        with(answer(429, "{}"), "retry-after", "31"),
        answer(200, r#"{"id":"1"}"#),
    ]);
    let wire = script.wire();
    let start = Instant::now();
    let got = wire.send(&get().cost(crate::graph::units(2))).await.unwrap();
    assert_eq!(got.status, 200);
    assert!(start.elapsed() >= Duration::from_secs(31));
    let asked = script.asked();
    assert!(asked[3].at - asked[2].at >= Duration::from_secs(31), "the lane waits as long as it was told");
    assert!(asked.iter().all(|asked| asked.method == "GET" && asked.url == URL && asked.body.is_empty()));
    assert!(asked.iter().all(|asked| asked.token.as_deref() == Some("Bearer t1")));
    let reading = wire.meter().read();
    assert_eq!((reading.requests, reading.retries, reading.throttled, reading.resource_units), (4, 3, 1, 8));
    assert_eq!(reading.bytes_in, 1 + 2 + 10);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_sent_twice() {
    for (step, again) in [
        (answer(504, ""), false),
        (answer(503, ""), false),
        (Step::Broken(Stage::Answer), false),
        (Step::Broken(Stage::Connect), true),
        (answer(429, ""), true),
        (with(answer(503, ""), "retry-after", "2"), true),
    ] {
        let script = Script::new([step.clone(), answer(200, "")]);
        let got = script.wire().send(&get().once()).await;
        assert_eq!(script.asked().len(), if again { 2 } else { 1 }, "{step:?}");
        match (got, step) {
            (Ok(answer), _) if again => assert_eq!(answer.status, 200),
            (Ok(answer), _) => assert!(answer.status.is_server_error()),
            (Err(error), step) => {
                assert!(matches!(step, Step::Broken(Stage::Answer)));
                assert!(error.is_unknown() && error.kind == ErrorKind::Interrupted);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded() {
    let script = Script::new((0..100).map(|_| answer(500, "<html>proxy</html>")));
    assert_eq!(script.wire().send(&get()).await.unwrap().status, 500);
    assert_eq!(script.asked().len(), MOST_FAILED as usize);
    let script = Script::new((0..100).map(|_| answer(429, "")));
    assert_eq!(script.wire().send(&get()).await.unwrap().status, 429);
    assert!(script.asked().len() <= MOST_THROTTLED as usize);
    let script = Script::new((0..100).map(|_| Step::Broken(Stage::Connect)));
    let error = script.wire().send(&get().once()).await.unwrap_err();
    assert_eq!((script.asked().len(), error.code), (MOST_FAILED as usize, Some(Code::Unreachable)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once() {
    let script = Script::new([answer(401, ""), answer(200, ""), answer(401, ""), answer(401, "")]);
    let wire = script.wire();
    assert_eq!(wire.send(&get()).await.unwrap().status, 200);
    assert_eq!(wire.send(&get()).await.unwrap().status, 401, "one renewal a request");
    let tokens: Vec<_> = script.asked().into_iter().map(|asked| asked.token.unwrap()).collect();
    assert_eq!(tokens, ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]);
}

#[tokio::test(start_paused = true)]
async fn the_token_goes_to_graph_alone() {
    let script = Script::new([answer(200, "")]);
    let wire = script.wire();
    let error = wire.send(&Call::get("http://evil.sim/v1.0/x?token=1", "list", "d")).await.unwrap_err();
    assert_eq!(error.code, Some(Code::UnexpectedAnswer));
    assert!(!error.chain().contains("token=1"));
    let error =
        wire.send(&Call::get("http://example.com/x", "open", "d").pre_authenticated()).await.unwrap_err();
    assert_eq!(error.code, Some(Code::InsecureEndpoint));
    assert_eq!(script.asked().len() + script.sign_ins().len(), 0, "nothing was sent");
    wire.send(&Call::get("http://sp.sim/up?tempauth=1", "upload", "d").pre_authenticated()).await.unwrap();
    assert_eq!(script.asked()[0].token, None);
    assert_eq!(script.sign_ins().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_shorter_than_announced_ends_in_an_error() {
    let short = || with(answer(200, "abc"), "content-length", "5");
    let script = Script::new([short(), answer(200, "abcde")]);
    let wire = script.wire();
    assert_eq!(wire.send(&get()).await.unwrap().body, "abcde", "read whole, it is asked for again");
    let script = Script::new([short()]);
    let Opened::Body { body, .. } = script.wire().open(&get()).await.unwrap() else { panic!("refused") };
    let pieces: Vec<_> = body.collect().await;
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[0].as_ref().unwrap(), "abc");
    assert_eq!(pieces[1].as_ref().unwrap_err().stage, Stage::Body);
}

#[test]
fn a_call_never_shows_its_query() {
    assert_eq!(
        format!("{:?}", Call::get("https://sp.sim/up?tempauth=zz", "x", "y")),
        "Call(GET https://sp.sim/up)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_tries_and_the_wait_between_them() {
    for (step, throttled) in
        [(answer(502, "down"), false), (with(answer(429, "{}"), "retry-after", "3600"), true)]
    {
        let script = Script::new(std::iter::repeat_n(step, 40));
        let wire = script.wire();
        let stop = tokio_util::sync::CancellationToken::new();
        wire.lane().heed(stop.clone());
        let begun = Instant::now();
        let asked = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.cancel();
        };
        let request = get();
        let (sent, ()) = tokio::join!(wire.send(&request), asked);
        let error = sent.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Stopped, Some(Code::Interrupted)));
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        let tries = script.asked().len();
        assert!(if throttled { tries == 1 } else { (2..6).contains(&tries) }, "{tries}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_need_not_wait_is_sent_after_a_stop_too() {
    let script = Script::new([answer(200, "{}"), answer(500, "")]);
    let wire = script.wire();
    let stop = tokio_util::sync::CancellationToken::new();
    wire.lane().heed(stop.clone());
    stop.cancel();
    assert_eq!(wire.send(&get()).await.unwrap().status, 200);
    assert_eq!(wire.send(&get()).await.unwrap_err().kind, ErrorKind::Stopped);
    assert_eq!(script.asked().len(), 2);
}
