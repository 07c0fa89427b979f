//! Upload sessions, as `graph.md` section 8.3 has them.

use std::time::Duration;

use bytes::Bytes;
use landfall_sim::{Config, Fault, FaultRule, Sim, WorldOp, quick_xor, to_base64};
use serde_json::{Value, json};

use crate::client::{Answer, Client, encode};

const UNIT: usize = 327_680;

struct Session {
    client: Client,
    url: String,
}

async fn open(sim: &Sim, name: &str, item: Value) -> Result<Session, Answer> {
    let mut client = Client::new(sim).await;
    let library = client.library();
    let path = format!("/drives/{library}/root:/{}:/createUploadSession", encode(name));
    let opened = client.graph("POST", &path, json!({"item": item})).await;
    if opened.status != 200 {
        return Err(opened);
    }
    assert_eq!(opened.json()["nextExpectedRanges"][0], "0-");
    let url = opened.json()["uploadUrl"].as_str().unwrap().to_owned();
    Ok(Session { client, url })
}

fn fail() -> Value {
    json!({"@microsoft.graph.conflictBehavior": "fail"})
}

fn payload(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect::<Vec<u8>>().into()
}

impl Session {
    async fn put(&mut self, bytes: &Bytes, from: usize, to: usize) -> Answer {
        let range = format!("bytes {from}-{}/{}", to - 1, bytes.len());
        let url = self.url.clone();
        self.client.raw("PUT", &url, &[("content-range", &range)], bytes.slice(from..to)).await.unwrap()
    }

    async fn status(&mut self) -> Answer {
        let url = self.url.clone();
        self.client.raw("GET", &url, &[], Bytes::new()).await.unwrap()
    }

    async fn cancel(&mut self) -> Answer {
        let url = self.url.clone();
        self.client.raw("DELETE", &url, &[], Bytes::new()).await.unwrap()
    }
}

fn sim() -> Sim {
    Sim::new(Config { files: 3, ..Config::default() })
}

#[tokio::test(start_paused = true)]
async fn fragments_in_order_make_one_version_with_the_given_times() {
    let sim = sim();
    let times =
        json!({"createdDateTime": "2019-01-01T00:00:00Z", "lastModifiedDateTime": "2020-02-02T00:00:00Z"});
    let item = json!({"@microsoft.graph.conflictBehavior": "fail", "fileSystemInfo": times});
    let bytes = payload(UNIT + 10);
    let mut session = open(&sim, "録音.bin", item).await.unwrap();
    let first = session.put(&bytes, 0, UNIT).await;
    assert_eq!((first.status, &first.json()["nextExpectedRanges"][0]), (202, &json!(format!("{UNIT}-"))));
    let last = session.put(&bytes, UNIT, bytes.len()).await;
    assert_eq!(last.status, 201);
    assert_eq!(last.json()["file"]["hashes"]["quickXorHash"], to_base64(quick_xor(&bytes)));
    assert_eq!(last.json()["fileSystemInfo"], times);
    let entry = sim.tree(Some("Documents"), "/").into_iter().find(|e| e.path == "/録音.bin").unwrap();
    assert_eq!((entry.versions, entry.size), (1, bytes.len() as u64));
    assert_eq!(session.status().await.status, 404, "a committed session is gone");
    assert_eq!(session.cancel().await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn wrong_ranges_get_416_with_an_inner_code_and_the_session_lives() {
    let sim = sim();
    let bytes = payload(3 * UNIT);
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    assert_eq!(session.put(&bytes, 0, UNIT).await.status, 202);
    let again = session.put(&bytes, 0, UNIT).await;
    assert_eq!((again.status, again.inner().as_str()), (416, "fragmentOverlap"));
    let ahead = session.put(&bytes, 2 * UNIT, 3 * UNIT).await;
    assert_eq!((ahead.status, ahead.inner().as_str()), (416, "fragmentOutOfOrder"));
    let url = session.url.clone();
    let range = format!("bytes {UNIT}-{}/{}", 2 * UNIT - 1, bytes.len());
    let short =
        session.client.raw("PUT", &url, &[("content-range", &range)], bytes.slice(..100)).await.unwrap();
    assert_eq!((short.status, short.inner().as_str()), (416, "fragmentLengthMismatch"));
    assert_eq!(session.status().await.json()["nextExpectedRanges"][0], format!("{UNIT}-"));
    assert_eq!(session.put(&bytes, UNIT, 2 * UNIT).await.status, 202);
    assert_eq!(session.put(&bytes, 2 * UNIT, 3 * UNIT).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_multiple_is_seen_only_at_the_commit() {
    let sim = sim();
    let bytes = payload(5000);
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    assert_eq!(session.put(&bytes, 0, 1000).await.status, 202);
    assert_eq!(session.put(&bytes, 1000, 5000).await.status, 400);
    assert!(sim.violations()[0].contains("320 KiB"));
}

#[tokio::test(start_paused = true)]
async fn an_open_session_holds_its_name_until_cancelled_or_expired() {
    let sim = sim();
    let mut first = open(&sim, "会議.wav", fail()).await.unwrap();
    let second = open(&sim, "会議.WAV", fail()).await.err().unwrap();
    assert_eq!((second.status, second.code().as_str()), (409, "nameAlreadyExists"));
    assert_eq!(sim.compare("voices").unwrap().leftover_sessions, ["/会議.wav"]);
    assert_eq!(first.cancel().await.status, 204);
    assert!(sim.compare("voices").unwrap().leftover_sessions.is_empty());
    let mut third = open(&sim, "会議.wav", fail()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(24 * 3600 + 1)).await;
    assert_eq!(third.status().await.status, 404);
    assert!(open(&sim, "会議.wav", fail()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_name_taken_meanwhile_refuses_the_last_fragment_and_leaves_the_session() {
    let sim = sim();
    let bytes = payload(100);
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    let op = WorldOp::Write {
        drive: Some("Documents".into()),
        path: "/a.bin".into(),
        text: Some("先".into()),
        size: None,
    };
    sim.change(op).unwrap();
    assert_eq!(session.put(&bytes, 0, 100).await.status, 409);
    assert_eq!(session.status().await.status, 200);
    assert_eq!(session.cancel().await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn replace_makes_a_version_and_rename_makes_another_file() {
    let sim = sim();
    for (behavior, status) in [("fail", 201), ("replace", 200), ("rename", 201)] {
        let item = json!({"@microsoft.graph.conflictBehavior": behavior});
        let mut session = open(&sim, "a.bin", item).await.unwrap();
        assert_eq!(session.put(&payload(100), 0, 100).await.status, status, "{behavior}");
    }
    let there: Vec<_> =
        sim.tree(Some("Documents"), "/").into_iter().map(|entry| (entry.path, entry.versions)).collect();
    assert!(there.contains(&("/a.bin".into(), 2)), "{there:?}");
    assert!(there.contains(&("/a 1.bin".into(), 1)), "{there:?}");
    assert_eq!(open(&sim, "a.bin", fail()).await.err().unwrap().status, 409);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_on_the_upload_url_is_refused_and_noted() {
    let sim = sim();
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    let url = session.url.clone();
    let answer = session.client.graph("GET", &url, Value::Null).await;
    assert_eq!(answer.status, 401);
    assert!(sim.violations()[0].contains("Authorization"));
}

#[tokio::test(start_paused = true)]
async fn empty_files_and_unknown_totals_are_refused() {
    let sim = sim();
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    let url = session.url.clone();
    for range in ["bytes 0-0/0", "bytes 0-99/*", "nonsense"] {
        let answer =
            session.client.raw("PUT", &url, &[("content-range", range)], Bytes::new()).await.unwrap();
        assert!(matches!(answer.status, 400 | 416), "{range}: {}", answer.status);
    }
    assert_eq!(session.status().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_deferred_commit_waits_for_its_post() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let path = format!("/drives/{}/root:/a.bin:/createUploadSession", client.library());
    let opened = client.graph("POST", &path, json!({"item": fail(), "deferCommit": true})).await;
    let url = opened.json()["uploadUrl"].as_str().unwrap().to_owned();
    let mut session = Session { client, url: url.clone() };
    assert_eq!(session.put(&payload(100), 0, 100).await.status, 202);
    let done = session.client.raw("POST", &url, &[], Bytes::new()).await.unwrap();
    assert_eq!(done.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_full_drive_answers_507() {
    let sim = sim();
    sim.change(WorldOp::Quota { drive: Some("Documents".into()), total: None }).unwrap();
    let item = json!({"@microsoft.graph.conflictBehavior": "fail", "fileSize": 100});
    assert_eq!(open(&sim, "a.bin", item).await.err().unwrap().status, 507);
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    let full = session.put(&payload(100), 0, 100).await;
    assert_eq!((full.status, full.code().as_str()), (507, "quotaLimitReached"));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_reply_is_lost_gets_409_when_sent_again() {
    let sim = sim();
    sim.script(FaultRule {
        route: "PUT fragment".into(),
        nth: 2,
        times: 1,
        subject: None,
        fault: Fault::CommittedUnseen,
    });
    let bytes = payload(UNIT + 100);
    let mut session = open(&sim, "a.bin", fail()).await.unwrap();
    assert_eq!(session.put(&bytes, 0, UNIT).await.status, 202);
    let range = format!("bytes {UNIT}-{}/{}", bytes.len() - 1, bytes.len());
    let url = session.url.clone();
    let lost = session.client.raw("PUT", &url, &[("content-range", &range)], bytes.slice(UNIT..)).await;
    assert!(lost.is_err());
    assert_eq!(session.status().await.json()["nextExpectedRanges"][0], format!("{UNIT}-"));
    assert_eq!(session.put(&bytes, UNIT, bytes.len()).await.status, 409);
    assert!(sim.tree(Some("Documents"), "/").iter().any(|entry| entry.path == "/a.bin"));
    assert_eq!(session.cancel().await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_session_never_used_can_be_made_to_end_earlier() {
    let untouched = Duration::from_secs(10);
    let sim = Sim::new(Config { files: 3, untouched_session_lifetime: untouched, ..Config::default() });
    let mut used = open(&sim, "使った.bin", fail()).await.unwrap();
    assert_eq!(used.put(&payload(UNIT + 1), 0, UNIT).await.status, 202);
    let mut unused = open(&sim, "使わない.bin", fail()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(unused.status().await.status, 404);
    assert_eq!(used.status().await.status, 200);
    assert!(open(&sim, "使わない.bin", fail()).await.is_ok());
}
