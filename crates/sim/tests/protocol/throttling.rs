//! Resource units, Retry-After, and the notes about those who do not wait.

use std::time::Duration;

use landfall_sim::{Config, Fault, FaultRule, Quota, Sim};
use serde_json::Value;

use crate::client::Client;

#[tokio::test(start_paused = true)]
async fn the_minute_runs_out_and_comes_back() {
    let config = Config {
        files: 3,
        quota: Quota::SmallTenant,
        quota_window: Duration::from_secs(6),
        rate_limit_headers: true,
        ..Config::default()
    };
    let sim = Sim::new(config);
    let mut client = Client::new(&sim).await;
    let drive = format!("/drives/{}", client.source());
    let mut warned = false;
    for _ in 0..1250 {
        let answer = client.graph("GET", &drive, Value::Null).await;
        assert_eq!(answer.status, 200);
        warned |= answer.header("ratelimit-remaining").is_some();
    }
    assert!(warned);
    let throttled = client.graph("GET", &drive, Value::Null).await;
    assert_eq!((throttled.status, throttled.code().as_str()), (429, "activityLimitReached"));
    let seconds: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&seconds));
    assert!(sim.violations().is_empty());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.graph("GET", &drive, Value::Null).await.status, 429);
    assert_eq!(sim.violations().len(), 1, "that came too early");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert_eq!(client.graph("GET", &drive, Value::Null).await.status, 200);
    assert_eq!(sim.requests().throttled, 2);
    assert_eq!(sim.requests().resource_units, 1253, "throttled calls are charged too");
}

#[tokio::test(start_paused = true)]
async fn latency_is_virtual_and_holds_every_request() {
    let sim = Sim::new(Config { files: 3, latency: Duration::from_millis(20), ..Config::default() });
    let before = tokio::time::Instant::now();
    let mut client = Client::new(&sim).await;
    let drive = format!("/drives/{}", client.source());
    client.graph("GET", &drive, Value::Null).await;
    assert_eq!(before.elapsed(), Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn a_reply_can_be_lost_after_the_work_is_done() {
    let sim = Sim::new(Config { files: 3, ..Config::default() });
    let mut client = Client::new(&sim).await;
    let path = format!("/drives/{}/root/children", client.library());
    for (fault, done) in [(Fault::LostReply, true), (Fault::DropBefore, false)] {
        let name = fault.name();
        let rule = FaultRule { route: "POST children".into(), nth: 1, times: 1, subject: None, fault };
        sim.script(rule);
        let body = serde_json::json!({"name": name, "folder": {}}).to_string();
        assert!(client.try_graph("POST", &path, &[], body.into()).await.is_err());
        let there = sim.tree(Some("Documents"), "/").iter().any(|entry| entry.path == format!("/{name}"));
        assert_eq!(there, done, "{fault:?}");
    }
    assert_eq!(sim.requests().faults["lost_reply"], 1);
}
