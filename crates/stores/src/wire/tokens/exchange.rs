//! One conversation with the token endpoint, from form to token, with its own patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use landfall_core::transport::{Request, Stage};
use landfall_core::{Code, ErrorKind, Retry, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::aadsts::{Remedy, numbers, remedy};
use super::{Credential, Token, Tokens};
use crate::wire::call::header_text;
use crate::wire::percent::encode;
use crate::wire::redact::shown_text;
use crate::wire::wait::{backoff, http_date, retry_after};

/// Tries before the login service counts as out of reach.
const TRIES: u32 = 8;

/// Longest pause that the login service may ask for between two tries.
const LONGEST: Duration = Duration::from_secs(300);

/// Largest answer that is read.
const LIMIT: usize = 1 << 20;

/// The life of a token whose answer does not say it.
const UNKNOWN_LIFETIME: u64 = 600;

const OPERATION: &str = "sign in to";

/// True for what may be better in a minute by itself.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(code, Code::Unreachable | Code::LoginFailed)
}

/// What one try gave.
enum Try {
    Token(Token),
    Refused(StoreError),
    Wait { pause: Option<Duration>, error: StoreError },
}

impl Tokens {
    /// Asks for a token, with patience for whatever passes by itself.
    pub(super) async fn exchange(&self) -> Result<Token, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.ask().await? {
                Try::Token(token) => {
                    tracing::debug!(expires = %token.expires, "token");
                    return Ok(token);
                }
                Try::Refused(error) => return Err(error),
                Try::Wait { error, .. } if tries == TRIES => return Err(error),
                Try::Wait { pause, .. } => {
                    let pause = pause.unwrap_or_else(|| backoff(&self.parts.chance, tries));
                    if !self.parts.lane.rest(pause.min(LONGEST)).await {
                        let error = self.error(ErrorKind::Stopped, "stopped on request");
                        return Err(error.with_code(Code::Interrupted));
                    }
                }
            }
        }
    }

    async fn ask(&self) -> Result<Try, StoreError> {
        let request = self.request().await?;
        self.parts.meter.sent(0, request.body().len(), 0);
        let response = match self.parts.transport.send(request).await {
            Ok(response) => response,
            Err(error) => {
                let made = self.error(ErrorKind::Interrupted, shown_text(&error.to_string()));
                let code = if error.stage == Stage::Connect { Code::Unreachable } else { Code::LoginFailed };
                return Ok(Try::Wait { pause: None, error: made.with_code(code).with_retry(Retry::Soon) });
            }
        };
        let (head, mut body) = response.into_parts();
        let mut whole = BytesMut::new();
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) if whole.len() + piece.len() <= LIMIT => whole.extend_from_slice(&piece),
                _ => {
                    let error = self
                        .error(ErrorKind::Interrupted, "the answer broke off")
                        .with_code(Code::LoginFailed);
                    return Ok(Try::Wait { pause: None, error: error.with_retry(Retry::Soon) });
                }
            }
        }
        self.parts.meter.received(whole.len());
        Ok(self.read(head.status.as_u16(), &head.headers, &whole))
    }

    async fn request(&self) -> Result<Request, StoreError> {
        let mut form = format!(
            "grant_type=client_credentials&client_id={}&scope={}",
            encode(&self.client),
            encode(&self.scope)
        );
        match &self.credential {
            Credential::Secret(secret) => {
                form.push_str("&client_secret=");
                form.push_str(&encode(secret.expose_secret()));
            }
            Credential::Certificate(certificate) => {
                let now = self.parts.clock.now();
                let signed = certificate.assertion(&self.endpoint, &self.client, now, &self.parts.chance)?;
                push_assertion(&mut form, &signed);
            }
            Credential::Federated(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                    StoreError::new(
                        ErrorKind::Rejected,
                        "read the federated token in",
                        path.display().to_string(),
                        error.to_string(),
                    )
                    .with_code(Code::AssertionRejected)
                })?;
                push_assertion(&mut form, text.trim());
            }
        }
        let uri = self.endpoint.parse().map_err(|_| {
            self.error(ErrorKind::Rejected, "the login endpoint is no URL").with_code(Code::BadConfig)
        })?;
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&self.parts.chance.uuid()) {
            headers.insert("client-request-id", id);
        }
        Ok(request)
    }

    fn read(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Try {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let now = self.parts.clock.now();
        let skew =
            header_text(headers, "date").and_then(http_date).map(|there| there.as_second() - now.as_second());
        if status == 200 {
            let token = json.as_ref().and_then(|json| json.get("access_token")).and_then(Value::as_str);
            let Some(token) = token.filter(|token| !token.is_empty()) else {
                let error = self
                    .error(ErrorKind::Interrupted, "the answer holds no token")
                    .with_code(Code::LoginFailed);
                return Try::Wait { pause: None, error };
            };
            let lifetime = json.as_ref().and_then(|json| json.get("expires_in")).and_then(seconds);
            let lifetime = lifetime.unwrap_or(UNKNOWN_LIFETIME);
            return Try::Token(Token::new(SecretString::from(token), now, lifetime, skew));
        }
        let numbers = json.as_ref().map(numbers).unwrap_or_default();
        let remedy = numbers.iter().find_map(|number| remedy(*number));
        let transient = matches!(status, 408 | 429 | 500..=599) || remedy == Some(Remedy::Wait);
        let said = match json.as_ref().and_then(|json| json.get("error_description")).and_then(Value::as_str)
        {
            // The rest of the text repeats trace ids that the first line does not need.
            Some(text) => shown_text(text.split(" Trace ID").next().unwrap_or(text)),
            None => shown_text(&String::from_utf8_lossy(body)),
        };
        if transient {
            let error =
                self.error(ErrorKind::Interrupted, format!("{status}: {said}")).with_code(Code::LoginFailed);
            return Try::Wait { pause: retry_after(headers), error: error.with_retry(Retry::Soon) };
        }
        let (code, words) = match remedy {
            Some(Remedy::Act(code, words)) => (code, words),
            _ => (Code::LoginFailed, "the login service refuses"),
        };
        let mut detail = format!("{words} ({status}: {})", said.trim_end_matches('.'));
        if let (Code::ClockSkew, Some(skew)) = (code, skew) {
            detail = format!("{detail}; this machine's clock says {now}, the service's is {skew} s ahead");
        }
        Try::Refused(self.error(ErrorKind::Unauthenticated, detail).with_code(code))
    }

    fn error(&self, kind: ErrorKind, detail: impl Into<String>) -> StoreError {
        StoreError::new(kind, OPERATION, format!("tenant {}", self.tenant), detail)
    }
}

fn push_assertion(form: &mut String, assertion: &str) {
    form.push_str("&client_assertion_type=");
    form.push_str(&encode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    form.push_str("&client_assertion=");
    form.push_str(&encode(assertion));
}

/// A number of seconds that may come as a number or as text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
