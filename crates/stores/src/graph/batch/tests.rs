use std::time::Duration;

use super::*;

fn batch(parts: Value) -> Answer {
    let body = json!({ "responses": parts }).to_string();
    Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() }
}

#[test]
fn a_throttled_part_holds_the_lane_for_the_longest_pause() {
    let answer = batch(json!([
        {"id": "0", "status": 302, "headers": {"Location": "https://my.sim/x"}},
        {"id": "1", "status": 429, "headers": {"Retry-After": "7"}},
        {"id": "2", "status": 503, "headers": {"retry-after": 30}},
    ]));
    assert_eq!(judge(&answer), Verdict::Throttled { retry_after: Some(Duration::from_secs(30)) });
    assert_eq!(judge(&batch(json!([{"id": "1", "status": 429}]))), Verdict::Throttled { retry_after: None });
    assert_eq!(judge(&batch(json!([{"id": "1", "status": 404}]))), Verdict::Fine);
}

#[test]
fn parts_are_judged_one_by_one() {
    let part = |value: Value| serde_json::from_value::<Part>(value).unwrap();
    let read = |value: Value| read_opening(&part(value).answer(), "録音.wav");
    assert!(
        matches!(read(json!({"status": 302, "headers": {"location": "u"}})), Said::Done(o) if o.token == "u")
    );
    assert!(matches!(read(json!({"status": 424})), Said::Again(_)));
    assert!(matches!(read(json!({"status": 200, "body": "eA=="})), Said::Again(_)));
    assert!(matches!(read(json!({})), Said::Again(_)));
    let Said::Refused(error) = read(json!({"status": 403, "body": {"error": {"code": "malwareDetected"}}}))
    else {
        panic!()
    };
    assert_eq!(error.reason, Some(landfall_core::state::Reason::Malware));
    let Said::Refused(error) = read(json!({"status": 400, "headers": {"X-Virus-Infected": "E"}})) else {
        panic!()
    };
    assert_eq!(error.reason, Some(landfall_core::state::Reason::Malware));
    assert_eq!(part(json!({"id": 4})).index(), Some(4));
    assert_eq!(part(json!({"id": "x"})).index(), None);
}
