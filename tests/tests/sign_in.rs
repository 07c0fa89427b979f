//! Signing in by certificate and by a federated token, against the simulator's own verification.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::{Chance, Clock, Code, StoreError, VirtualClock};
use landfall_sim::{Config, Sim};
use landfall_stores::graph::{Graph, GraphConfig, quotas};
use landfall_stores::wire::{Cloud, Credential, Endpoints, WireParts};
use landfall_tests::sim_transport::SimTransport;
use landfall_tests::simulation::in_virtual_time;

const PEM: &str = include_str!("../../crates/stores/tests/fixtures/assertion.pem");

fn certificate_der() -> Vec<u8> {
    let begin = PEM.split("-----BEGIN CERTIFICATE-----").nth(1).unwrap();
    let text: String = begin.split("-----END").next().unwrap().split_whitespace().collect();
    STANDARD.decode(text).unwrap()
}

async fn sign_in(config: Config, credential: Credential) -> Result<(), StoreError> {
    let sim = Sim::new(config);
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting("2026-01-05T00:00:00Z".parse().unwrap()));
    let chance = Arc::new(Chance::seeded(3));
    let lane = LaneConfig { name: "t".into(), quotas: quotas(1000, 1_000_000), start: 2, most: 4 };
    let env = sim.env();
    let endpoints = Endpoints::replaced(
        Cloud::Global,
        Some(&env["LANDFALL_LOGIN_URL"]),
        Some(&env["LANDFALL_GRAPH_URL"]),
    )?;
    let wire = WireParts {
        transport: Arc::new(SimTransport { sim }),
        lane: Lane::new(lane, clock.clone(), chance.clone()),
        clock,
        chance,
        meter: Arc::default(),
    };
    let (tenant, client) = (env["AZURE_TENANT_ID"].clone(), env["AZURE_CLIENT_ID"].clone());
    let graph = Graph::connect(GraphConfig { endpoints, tenant, client, credential, wire });
    graph.sign_in().await?;
    graph.user_drive("ada@contoso.com").await.map(drop)
}

#[test]
fn a_registered_certificate_is_accepted_and_another_one_is_not() {
    in_virtual_time(async {
        let credential = || Credential::certificate(PEM.as_bytes(), "assertion.pem").unwrap();
        let known = Config { certificates: vec![certificate_der()], ..Config::default() };
        sign_in(known, credential()).await.unwrap();
        let error = sign_in(Config::default(), credential()).await.unwrap_err();
        assert_eq!(error.code, Some(Code::AssertionRejected), "{}", error.chain());
    });
}

#[test]
fn a_federated_token_file_is_read_afresh_and_its_mistakes_are_named() {
    in_virtual_time(async {
        let issuer = "https://token.example.test";
        let config = || Config { federated_issuer: Some(issuer.into()), ..Config::default() };
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = |audience: &str| {
            let claims = serde_json::json!({
                "iss": issuer, "sub": "system:landfall", "aud": audience, "exp": 1_767_600_000_i64, "nbf": 1_767_500_000_i64
            });
            format!("{}.{}.c2ln", part(serde_json::json!({ "alg": "RS256", "typ": "JWT" })), part(claims))
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("トークン");
        std::fs::write(&path, token("api://AzureADTokenExchange")).unwrap();
        sign_in(config(), Credential::Federated(path.clone())).await.unwrap();
        std::fs::write(&path, token("api://somebody-else")).unwrap();
        let error = sign_in(config(), Credential::Federated(path.clone())).await.unwrap_err();
        assert!(error.code.is_some(), "{}", error.chain());
        std::fs::remove_file(&path).unwrap();
        assert!(sign_in(config(), Credential::Federated(path)).await.unwrap_err().code.is_some());
    });
}
