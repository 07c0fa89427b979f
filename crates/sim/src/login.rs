//! The login endpoint: tokens for applications.
//!
//! Owns the client credentials flow by secret, by signed assertion and by federated token, with the AADSTS errors of
//! `graph.md`, section 1. Refuses every other flow.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use serde_json::{Value, json};
use webpki::EndEntityCert;
use webpki::ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY};

use crate::call::Call;
use crate::faults::Fault;
use crate::quota::signed;
use crate::reply::Reply;
use crate::route;
use crate::url::{Query, decode};
use crate::world::{Token, World};

/// A refusal of the login endpoint.
struct Denied {
    status: u16,
    error: &'static str,
    code: u32,
    text: &'static str,
}

const fn denied(status: u16, error: &'static str, code: u32, text: &'static str) -> Denied {
    Denied { status, error, code, text }
}

const WRONG_SECRET: Denied = denied(401, "invalid_client", 7_000_215, "Invalid client secret provided.");
const EXPIRED_SECRET: Denied =
    denied(401, "invalid_client", 7_000_222, "The provided client secret keys are expired.");
const UNKNOWN_APP: Denied =
    denied(400, "unauthorized_client", 700_016, "Application was not found in the directory of the tenant.");
const UNKNOWN_TENANT: Denied = denied(400, "invalid_request", 90_002, "Tenant not found.");
const WRONG_SIGNATURE: Denied = denied(
    401,
    "invalid_client",
    700_027,
    "The certificate used to sign the client assertion is not registered.",
);
const WRONG_ISSUER: Denied = denied(
    401,
    "invalid_client",
    700_021,
    "Client assertion application identifier does not match 'client_id'.",
);
const WRONG_AUDIENCE: Denied =
    denied(401, "invalid_client", 700_023, "Client assertion audience claim does not match Realm issuer.");
const OUTSIDE_VALIDITY: Denied =
    denied(401, "invalid_client", 700_024, "Client assertion is not within its valid time range.");
const BUSY: Denied =
    denied(429, "temporarily_unavailable", 90_033, "A transient error has occurred. Please try again.");
const BAD_SCOPE: Denied =
    denied(400, "invalid_scope", 1_002_012, "The provided value for scope is not valid.");
const BAD_GRANT: Denied = denied(400, "unsupported_grant_type", 70_003, "The grant type is not supported.");
const NO_CREDENTIAL: Denied = denied(
    401,
    "invalid_client",
    7_000_218,
    "The request body must contain 'client_assertion' or 'client_secret'.",
);

/// Whether a path is one of the login endpoint.
pub(crate) fn owns(path: &str) -> bool {
    path.ends_with("/oauth2/v2.0/token") || path.ends_with("/.well-known/openid-configuration")
}

/// Answers a request to the login endpoint.
pub(crate) fn handle(world: &mut World, call: &Call) -> Reply {
    let path = decode(&call.path);
    let tenant = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    if path.ends_with("/openid-configuration") {
        world.audit.count(route::OPENID);
        return openid(world, &tenant);
    }
    world.audit.count(route::TOKEN);
    let fault = world.faults.draw(route::TOKEN, "token");
    if let Some(fault) = fault {
        world.note_fault(fault);
        match fault {
            // Another service than Graph: its waiting time binds nobody but those who want a token.
            Fault::Throttle { retry_after } | Fault::Unavailable { retry_after } => {
                let mut reply = refuse(world, &BUSY);
                if let Some(seconds) = retry_after {
                    reply.set("retry-after", &seconds.to_string());
                }
                return reply;
            }
            Fault::RevokeToken | Fault::Locked => {}
            _ => {
                if let Some(reply) = world.refused_by(fault, call) {
                    return reply;
                }
            }
        }
    }
    match issue(world, call, &tenant) {
        Ok(reply) => reply,
        Err(denied) => refuse(world, &denied),
    }
}

fn openid(world: &World, tenant: &str) -> Reply {
    let base = format!("{}/{tenant}", world.origins.login);
    Reply::json(
        200,
        &json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "response_types_supported": ["code", "id_token", "token"],
            "tenant_region_scope": "AS",
        }),
    )
}

fn issue(world: &mut World, call: &Call, tenant: &str) -> Result<Reply, Denied> {
    let form = Query::parse(std::str::from_utf8(&call.body).unwrap_or_default());
    if tenant != world.tenant.id && !tenant.eq_ignore_ascii_case(world.tenant.domain) {
        return Err(UNKNOWN_TENANT);
    }
    if form.get("grant_type") != Some("client_credentials") {
        return Err(BAD_GRANT);
    }
    let basic = basic_credentials(call);
    let (basic_id, basic_secret) = basic.map_or((None, None), |(id, secret)| (Some(id), Some(secret)));
    let client = form.get("client_id").map(str::to_owned).or(basic_id).unwrap_or_default();
    if client != world.tenant.client_id {
        return Err(UNKNOWN_APP);
    }
    if !form.get("scope").is_some_and(|scope| scope.split(' ').any(|one| one.ends_with(".default"))) {
        return Err(BAD_SCOPE);
    }
    let secret = form.get("client_secret").map(str::to_owned).or(basic_secret);
    match (form.get("client_assertion"), secret) {
        (Some(assertion), _) => check_assertion(world, assertion, tenant)?,
        (None, Some(secret)) if secret == world.tenant.secret => {
            if world.tenant.secret_expired {
                return Err(EXPIRED_SECRET);
            }
        }
        (None, Some(_)) => return Err(WRONG_SECRET),
        (None, None) => return Err(NO_CREDENTIAL),
    }
    Ok(grant(world, client))
}

fn grant(world: &mut World, client: String) -> Reply {
    let lifetime = world.config.token_lifetime;
    let expires = world.later(signed(lifetime));
    let roles = world.tenant.roles.clone();
    let claims = json!({
        "aud": "https://graph.microsoft.com", "iss": format!("https://sts.windows.net/{}/", world.tenant.id),
        "appid": client, "tid": world.tenant.id, "roles": roles, "iat": world.seconds(), "nbf": world.seconds(),
        "exp": expires.as_second(), "uti": world.fresh().text(),
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.c2ltdWxhdGVk", part(&json!({"typ": "JWT", "alg": "none"})), part(&claims));
    let now = world.now;
    world.tokens.retain(|_, token| token.expires > now);
    world.tokens.insert(token.clone(), Token { app: client, expires, roles, revoked: false });
    let seconds = lifetime.as_secs().saturating_sub(1);
    Reply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}),
    )
}

fn basic_credentials(call: &Call) -> Option<(String, String)> {
    let coded = call.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(coded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    // Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
    Some((decode(id), decode(secret)))
}

fn check_assertion(world: &World, assertion: &str, tenant: &str) -> Result<(), Denied> {
    let mut parts = assertion.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(WRONG_SIGNATURE);
    };
    let json =
        |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (Some(head), Some(body)) = (json(header), json(claims)) else { return Err(WRONG_SIGNATURE) };
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let federated = world.config.federated_issuer.as_deref().is_some_and(|issuer| issuer == text("iss"));
    if federated {
        if text("sub").is_empty() {
            return Err(WRONG_ISSUER);
        }
        if text("aud") != "api://AzureADTokenExchange" {
            return Err(WRONG_AUDIENCE);
        }
    } else {
        verify(world, &head, header, claims, signature)?;
        if text("iss") != world.tenant.client_id || text("sub") != world.tenant.client_id {
            return Err(WRONG_ISSUER);
        }
        if text("aud") != format!("{}/{tenant}/oauth2/v2.0/token", world.origins.login) {
            return Err(WRONG_AUDIENCE);
        }
    }
    let number = |name: &str| body.get(name).and_then(Value::as_i64);
    let now = world.seconds();
    // Five minutes of skew are forgiven before the beginning, none after the end.
    if number("exp").is_none_or(|exp| exp <= now) || number("nbf").is_some_and(|nbf| nbf > now + 300) {
        return Err(OUTSIDE_VALIDITY);
    }
    Ok(())
}

fn verify(world: &World, head: &Value, header: &str, claims: &str, signature: &str) -> Result<(), Denied> {
    let algorithm: &dyn SignatureVerificationAlgorithm = match head.get("alg").and_then(Value::as_str) {
        Some("RS256") => RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        _ => return Err(WRONG_SIGNATURE),
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| WRONG_SIGNATURE)?;
    let message = format!("{header}.{claims}");
    let known = world.config.certificates.iter().any(|der| {
        let der = CertificateDer::from(der.as_slice());
        EndEntityCert::try_from(&der)
            .is_ok_and(|cert| cert.verify_signature(algorithm, message.as_bytes(), &signature).is_ok())
    });
    if known { Ok(()) } else { Err(WRONG_SIGNATURE) }
}

fn refuse(world: &mut World, denied: &Denied) -> Reply {
    let (trace, correlation) = (world.fresh().text(), world.fresh().text());
    let stamp = world.now.to_string();
    let stamp = format!("{} {}Z", stamp.get(..10).unwrap_or_default(), stamp.get(11..19).unwrap_or_default());
    let text = format!(
        "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
        denied.code, denied.text
    );
    Reply::json(
        denied.status,
        &json!({
            "error": denied.error, "error_description": text, "error_codes": [denied.code], "timestamp": stamp,
            "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", denied.code),
        }),
    )
}
