use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use landfall_core::{Code, ErrorKind};
use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::time::Duration;

use super::*;
use crate::wire::testing::{Script, Step, answer, with};

const PEM: &[u8] = include_bytes!("../../../tests/fixtures/assertion.pem");

fn tokens(script: &Arc<Script>, credential: Credential) -> Tokens {
    Tokens::new(script.parts(), &Script::endpoints(), "contoso.com", "app id", credential)
}

fn secret() -> Credential {
    Credential::Secret(SecretString::from("hu+sh&"))
}

fn form(body: &[u8]) -> std::collections::BTreeMap<String, String> {
    let text = std::str::from_utf8(body).unwrap();
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(k, v)| (k.into(), super::super::percent::decode(v)))
        .collect()
}

fn refusal(code: u64) -> Step {
    let body = format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS{code}: Something is wrong. Trace ID: 1","error_codes":[{code}]}}"#
    );
    answer(401, body)
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_get_one_token_and_it_is_renewed_ahead() {
    let script = Script::new([]);
    let tokens = tokens(&script, secret());
    let got = futures_util::future::join_all((0..10).map(|_| tokens.token())).await;
    assert!(got.iter().all(|token| token.as_ref().unwrap().secret().expose_secret() == "t1"));
    assert_eq!(script.sign_ins().len(), 1);
    let sent = form(&script.sign_ins()[0]);
    assert_eq!((sent["client_id"].as_str(), sent["client_secret"].as_str()), ("app id", "hu+sh&"));
    assert_eq!(sent["scope"], "https://graph.microsoft.com/.default");
    tokio::time::sleep(Duration::from_secs(2870)).await;
    tokens.token().await.unwrap();
    assert_eq!(script.sign_ins().len(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    tokens.token().await.unwrap();
    assert_eq!(script.sign_ins().len(), 2, "at 80 % of its life");
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_happens_once_for_all_who_were_refused() {
    let script = Script::new([]);
    let tokens = tokens(&script, secret());
    let refused = tokens.token().await.unwrap();
    let done = futures_util::future::join_all((0..6).map(|_| tokens.renew(&refused))).await;
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(script.sign_ins().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_login_service_that_stumbles_stops_nobody_who_has_a_token() {
    let script = Script::new([]).login(
        [answer(200, r#"{"access_token":"first","expires_in":"3600"}"#)]
            .into_iter()
            .chain((0..50).map(|_| answer(503, ""))),
    );
    let tokens = tokens(&script, secret());
    tokens.token().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2900)).await;
    assert_eq!(tokens.token().await.unwrap().secret().expose_secret(), "first");
    tokio::time::sleep(Duration::from_secs(800)).await;
    let error = tokens.token().await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Interrupted, Some(Code::LoginFailed)));
}

#[tokio::test(start_paused = true)]
async fn transient_refusals_are_waited_for() {
    let wait = refusal(90_033);
    let script = Script::new([]).login([
        wait,
        with(answer(429, ""), "retry-after", "40"),
        Step::Broken(landfall_core::transport::Stage::Answer),
    ]);
    let start = tokio::time::Instant::now();
    tokens(&script, secret()).token().await.unwrap();
    assert_eq!(script.sign_ins().len(), 4);
    assert!(start.elapsed() >= Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn every_number_of_the_table_names_its_remedy() {
    for (number, code) in [
        (7_000_215, Code::WrongSecret),
        (7_000_222, Code::SecretExpired),
        (700_016, Code::UnknownApp),
        (90_002, Code::UnknownTenant),
        (700_027, Code::AssertionRejected),
        (700_021, Code::AssertionRejected),
        (700_023, Code::AssertionRejected),
        (700_024, Code::ClockSkew),
        (70_011, Code::BadScope),
        (1_002_012, Code::BadScope),
        (53_003, Code::NoConsent),
        (50_105, Code::NoConsent),
        (65_001, Code::NoConsent),
        (999, Code::LoginFailed),
    ] {
        let script = Script::new([]).login([refusal(number)]);
        let error = tokens(&script, secret()).token().await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Unauthenticated, Some(code)), "{number}");
        assert!(error.detail.contains(&format!("AADSTS{number}")) && !error.detail.contains("Trace ID"));
        assert!(!format!("{error:?}").contains("hu+sh"));
        assert_eq!(script.sign_ins().len(), 1, "a verdict is not asked for again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_signs_what_the_service_can_check() {
    let script = Script::new([]);
    let tokens = tokens(&script, Credential::certificate(PEM, "assertion.pem").unwrap());
    tokens.token().await.unwrap();
    let sent = form(&script.sign_ins()[0]);
    assert!(!sent.contains_key("client_secret"));
    assert_eq!(sent["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let (signed, signature) = sent["client_assertion"].rsplit_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&BASE64URL.decode(part).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    assert_eq!(json(header)["alg"], "PS256");
    // openssl x509 -outform der | sha256sum, as base64url.
    let thumbprint: Vec<u8> = (0..32)
        .map(|i| {
            u8::from_str_radix(
                &"51d7e2549250758c427964f827c0f3ad8f4306bd31c59af02fbc6d0aa45cdb97"[2 * i..2 * i + 2],
                16,
            )
            .unwrap()
        })
        .collect();
    assert_eq!(json(header)["x5t#S256"], BASE64URL.encode(thumbprint));
    let claims = json(claims);
    assert_eq!(claims["aud"], "http://login.sim/contoso.com/oauth2/v2.0/token");
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("app id"), Some("app id")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    let key = RsaPublic::of(PEM);
    key.verify(signed.as_bytes(), &BASE64URL.decode(signature).unwrap());
    key.refuse(b"another text", &BASE64URL.decode(signature).unwrap());
}

/// The public half of the fixture's key.
struct RsaPublic(Vec<u8>);

impl RsaPublic {
    fn of(pem: &[u8]) -> Self {
        use ring::signature::KeyPair as _;
        use rustls_pki_types::pem::PemObject as _;
        let der = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        let pair = ring::signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        Self(pair.public_key().as_ref().to_vec())
    }

    fn verify(&self, text: &[u8], signature: &[u8]) {
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &self.0).verify(text, signature).unwrap();
    }

    fn refuse(&self, text: &[u8], signature: &[u8]) {
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &self.0).verify(text, signature).unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_is_read_afresh_each_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let script = Script::new([]);
    let tokens = tokens(&script, Credential::Federated(file.path().to_owned()));
    let token = tokens.token().await.unwrap();
    std::fs::write(file.path(), "second").unwrap();
    tokens.renew(&token).await.unwrap();
    let sent: Vec<String> =
        script.sign_ins().iter().map(|body| form(body)["client_assertion"].clone()).collect();
    assert_eq!(sent, ["first", "second"]);
}

#[test]
fn a_certificate_that_cannot_be_used_says_why() {
    let text = std::str::from_utf8(PEM).unwrap();
    let (key, certificate) = text.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    for (pem, words) in [
        (key.to_owned(), "holds no certificate"),
        (format!("-----BEGIN CERTIFICATE-----{certificate}"), "no unencrypted private key"),
        (String::new(), "no unencrypted private key"),
    ] {
        let error = Credential::certificate(pem.as_bytes(), "app.pem").unwrap_err();
        assert_eq!(error.code, Some(Code::BadCertificate));
        assert!(error.detail.contains(words), "{}", error.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn signing_in_shows_grants_and_the_difference_of_clocks() {
    let claims = BASE64URL.encode(r#"{"roles":["Files.Read.All","Sites.Selected"]}"#);
    let body = format!(r#"{{"access_token":"h.{claims}.s","expires_in":3600}}"#);
    let script = Script::new([]).login([with(answer(200, body), "date", "Mon, 05 Jan 2026 00:07:00 GMT")]);
    let shown = tokens(&script, secret()).sign_in().await.unwrap();
    assert_eq!(shown.grants, ["Files.Read.All", "Sites.Selected"]);
    assert_eq!(shown.skew, Some(420));
}
