//! The windows of requests, their headers and who is found to have come too early.

use std::time::Duration;

use landfall_sim::HubConfig;

use crate::client::{Client, READ, REPO, file};

fn config() -> HubConfig {
    HubConfig { api_quota: 5, resolver_quota: 2, ..HubConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_told_and_fills_at_the_windows_end() {
    let client = Client::new(config());
    for left in (0..5).rev() {
        let answer = client.get("/api/whoami-v2").await;
        assert_eq!(
            (answer.status, answer.header("ratelimit")),
            (200, format!("\"api\";r={left};t=300").as_str())
        );
        assert_eq!(answer.header("ratelimit-policy"), "\"fixed window\";\"api\";q=5;w=300");
        assert!(answer.header("x-request-id").starts_with("Root=1-"));
    }
    tokio::time::sleep(Duration::from_millis(100_500)).await;
    let refused = client.get("/api/whoami-v2").await;
    assert_eq!((refused.status, refused.header("ratelimit")), (429, "\"api\";r=0;t=200"));
    assert!(
        refused.error().starts_with(
            "We had to rate limit you, you hit the quota of 5 api requests per 5 minutes period."
        )
    );
    // Others, and other classes, have their own; the token of the same account has not.
    assert_eq!(client.with("").get("/api/whoami-v2").await.status, 401);
    assert_eq!(client.get(&format!("/datasets/{REPO}/resolve/main/.gitattributes")).await.status, 200);
    assert_eq!(client.sim.requests().violations.len(), 0);
    tokio::time::sleep(Duration::from_secs(199)).await;
    assert_eq!(client.with(READ).get("/api/whoami-v2").await.status, 429);
    let violations = client.sim.requests().violations;
    assert!(violations.len() == 1 && violations[0].starts_with("GET whoami-v2 came at"), "{violations:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.get("/api/whoami-v2").await.status, 200);
    let requests = client.sim.requests();
    assert_eq!((requests.api, requests.resolvers, requests.throttled), (9, 1, 2));
    assert_eq!(requests.violations.len(), 1, "waiting exactly as long as told is right");
}

#[tokio::test(start_paused = true)]
async fn refused_requests_do_nothing() {
    let client = Client::new(HubConfig { api_quota: 1, ..HubConfig::default() });
    client.get("/api/whoami-v2").await;
    let head = client.sim.head(REPO);
    assert_eq!(client.commit(&[file("録音", "x")]).await.status, 429);
    assert_eq!(client.sim.head(REPO), head);
}

#[tokio::test(start_paused = true)]
async fn seeding_and_looking_cost_nothing() {
    let client = Client::new(HubConfig { api_quota: 0, ..HubConfig::default() });
    client.sim.put(REPO, vec![("録音".into(), "x".into())]);
    let inspected = client.get(&format!("/__sim/files?repo={REPO}")).await;
    assert_eq!(inspected.body.iter().filter(|byte| **byte == b'\n').count(), 2);
    assert_eq!(client.get("/__sim/requests").await.json()["api"], 0);
    assert_eq!(client.get("/api/whoami-v2").await.status, 429);
    assert_eq!(client.get("/__sim/requests").await.json()["by_route"]["GET whoami-v2"], 1);
}
