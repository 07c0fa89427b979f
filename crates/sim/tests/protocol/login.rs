//! Tokens: who gets one and how it is refused.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use landfall_sim::{Config, Sim, WorldOp};
use serde_json::Value;

use crate::client::{Answer, Client};

fn sim() -> Sim {
    Sim::new(Config { files: 3, ..Config::default() })
}

async fn token(sim: &Sim, tenant: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let mut client = Client::new(sim).await;
    let url = format!("http://login.sim/{tenant}/oauth2/v2.0/token");
    client.raw("POST", &url, headers, form.to_owned().into()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn credentials_in_a_basic_header_do_as_well() {
    let sim = sim();
    let env = sim.env();
    let pair = format!("{}:{}", env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"].replace('~', "%7E"));
    let header = format!("Basic {}", STANDARD.encode(pair));
    let form = "grant_type=client_credentials&scope=.default";
    let answer = token(&sim, "contoso.onmicrosoft.com", &[("authorization", &header)], form).await;
    assert_eq!((answer.status, answer.json()["token_type"].clone()), (200, Value::from("Bearer")));
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_code() {
    let sim = sim();
    let env = sim.env();
    let (tenant, id, secret) =
        (&env["AZURE_TENANT_ID"], &env["AZURE_CLIENT_ID"], &env["AZURE_CLIENT_SECRET"]);
    let form = |id: &str, secret: &str, scope: &str| {
        format!("grant_type=client_credentials&scope={scope}&client_id={id}&client_secret={secret}")
    };
    let scope = "https%3A%2F%2Fgraph.microsoft.com%2F.default";
    for (tenant, form, status, code) in [
        (tenant.as_str(), form(id, "wrong", scope), 401, 7_000_215),
        (tenant.as_str(), form("nobody", secret, scope), 400, 700_016),
        ("00000000-0000-0000-0000-000000000000", form(id, secret, scope), 400, 90_002),
        (tenant.as_str(), form(id, secret, "Files.Read.All"), 400, 1_002_012),
        (tenant.as_str(), format!("{}&client_assertion=a.b.c", form(id, secret, scope)), 401, 700_027),
    ] {
        let answer = token(&sim, tenant, &[], &form).await;
        assert_eq!((answer.status, answer.json()["error_codes"][0].as_u64()), (status, Some(code)), "{form}");
        let text = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
    }
    sim.change(WorldOp::ExpireSecret { expired: true }).unwrap();
    let url = format!("http://login.sim/{tenant}/oauth2/v2.0/token");
    let request = Request::post(url).body(Body::from(form(id, secret, scope))).unwrap();
    assert_eq!(sim.call(request).await.unwrap().status(), 401);
}

#[tokio::test(start_paused = true)]
async fn tokens_expire_are_revoked_and_carry_roles() {
    let sim = sim();
    let mut client = Client::new(&sim).await;
    let drive = format!("/drives/{}", client.source());
    assert_eq!(client.graph("GET", &drive, Value::Null).await.status, 200);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let expired = client.graph("GET", &drive, Value::Null).await;
    assert_eq!((expired.status, expired.code().as_str()), (401, "InvalidAuthenticationToken"));
    assert!(expired.header("www-authenticate").unwrap().starts_with("Bearer"));
    client.sign_in().await;
    sim.change(WorldOp::RevokeTokens).unwrap();
    assert_eq!(client.graph("GET", &drive, Value::Null).await.status, 401);
    sim.change(WorldOp::Roles { roles: vec!["Files.Read.All".into()] }).unwrap();
    client.sign_in().await;
    assert_eq!(client.graph("GET", &drive, Value::Null).await.status, 200);
    let library = format!("/drives/{}/root:/a.txt:/content", client.library());
    let denied = client.graph("PUT", &library, Value::Null).await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "accessDenied"));
}

/// A client assertion, signed with the key of the tests.
fn assertion(alg: &str, claims: &Value) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
    let key = RsaKeyPair::from_pkcs8(include_bytes!("fixtures/key.pk8")).unwrap();
    let header = serde_json::json!({"alg": alg, "typ": "JWT"}).to_string();
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let padding: &dyn RsaEncoding = if alg == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(padding, &ring::rand::SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(start_paused = true)]
async fn assertions_are_checked_against_registered_certificates() {
    let certificates = vec![include_bytes!("fixtures/cert.der").to_vec()];
    let sim = Sim::new(Config { files: 3, certificates, ..Config::default() });
    let strange = Sim::new(Config { files: 3, ..Config::default() });
    let env = sim.env();
    let id = &env["AZURE_CLIENT_ID"];
    let url = format!("http://login.sim/{}/oauth2/v2.0/token", env["AZURE_TENANT_ID"]);
    let claims = |aud: &str, iss: &str, exp: i64| serde_json::json!({"aud": aud, "iss": iss, "sub": iss, "jti": "1", "iat": 1_767_571_200, "exp": exp});
    let soon = 1_767_571_200 + 600;
    for (sim, alg, claims, code) in [
        (&sim, "PS256", claims(&url, id, soon), None),
        (&sim, "RS256", claims(&url, id, soon), None),
        (&strange, "PS256", claims(&url, id, soon), Some(700_027)),
        (&sim, "PS256", claims(&url, "someone", soon), Some(700_021)),
        (&sim, "PS256", claims("https://elsewhere.example.net", id, soon), Some(700_023)),
        (&sim, "PS256", claims(&url, id, soon - 601), Some(700_024)),
    ] {
        let jwt = assertion(alg, &claims);
        let form = format!(
            "grant_type=client_credentials&scope=.default&client_id={id}&client_assertion={jwt}&client_assertion_type=x"
        );
        let answer = sim.call(Request::post(&url).body(Body::from(form)).unwrap()).await.unwrap();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error_codes"][0].as_u64(), code, "{alg} {claims}");
    }
}

#[tokio::test(start_paused = true)]
async fn federated_tokens_are_taken_from_the_known_issuer_only() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let issuer = "https://tokens.example.net";
    let sim = Sim::new(Config { files: 3, federated_issuer: Some(issuer.into()), ..Config::default() });
    let env = sim.env();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for (iss, status) in [(issuer, 200), ("https://elsewhere.example.net", 401)] {
        let claims = serde_json::json!({
            "iss": iss, "sub": "repo:contoso/migration", "aud": "api://AzureADTokenExchange", "exp": 1_800_000_000,
        });
        let jwt = format!("{}.{}.c2ln", part(serde_json::json!({"alg": "RS256"})), part(claims));
        let form = format!(
            "grant_type=client_credentials&scope=.default&client_id={}&client_assertion={jwt}&client_assertion_type=x",
            env["AZURE_CLIENT_ID"]
        );
        let url = format!("http://login.sim/{}/oauth2/v2.0/token", env["AZURE_TENANT_ID"]);
        let answer = sim.call(Request::post(url).body(Body::from(form)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{iss}");
    }
}
