//! Access tokens by client credentials: got once, kept, renewed ahead of time.
//!
//! Owns the token and who may renew it (one task at a time, all others wait for its result). The token
//! is opaque here and never printed. Refuses to know what it is used for. Requests to the login service
//! do not pass the lane: they are not priced by Graph, and a held lane must not keep a token from being
//! renewed.
// Source: reference/graph.md, section 1 (learn.microsoft.com/entra, v2.0 client credentials, read 2026-11).

mod aadsts;
mod assertion;
mod exchange;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landfall_core::StoreError;
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::endpoint::Endpoints;
use super::send::WireParts;

pub use assertion::Certificate;

/// A failed renewal ahead of time is tried again after this long, while the old token still holds.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// How the program proves who it is.
pub enum Credential {
    /// A client secret's value.
    Secret(SecretString),
    /// A certificate with its private key: a signed assertion is made for each token.
    Certificate(Box<Certificate>),
    /// A file that a platform keeps filled with a token of its own; read afresh each time.
    Federated(PathBuf),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Credential::Secret",
            Self::Certificate(_) => "Credential::Certificate",
            Self::Federated(_) => "Credential::Federated",
        })
    }
}

impl Credential {
    /// Takes a PEM text with a private key (PKCS#8 or PKCS#1, RSA) and its certificate.
    ///
    /// # Errors
    /// Kind `Rejected` with code `BadCertificate` where one of both is missing or cannot be used.
    pub fn certificate(pem: &[u8], name: &str) -> Result<Self, StoreError> {
        Ok(Self::Certificate(Box::new(Certificate::from_pem(pem, name)?)))
    }
}

/// A token in hand.
#[derive(Clone)]
pub struct Token {
    secret: Arc<SecretString>,
    serial: u64,
    renew_at: Timestamp,
    expires: Timestamp,
    /// Seconds by which the login service's clock is ahead of ours, where it told.
    skew: Option<i64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token(#{}, expires {})", self.serial, self.expires)
    }
}

impl Token {
    fn new(secret: SecretString, now: Timestamp, lifetime: u64, skew: Option<i64>) -> Self {
        let after = |seconds: u64| now.checked_add(Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        // 80 % of its life or five minutes before its end, whichever is earlier; never before half of it.
        let early = lifetime.saturating_sub(300).max(lifetime / 2);
        Self {
            secret: Arc::new(secret),
            serial: 0,
            renew_at: after((lifetime / 5 * 4).min(early)),
            expires: after(lifetime),
            skew,
        }
    }

    pub(crate) fn secret(&self) -> &SecretString {
        &self.secret
    }
}

/// What signing in showed, for a person who checks a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// When the token ends.
    pub expires: Timestamp,
    /// Seconds by which the service's clock is ahead of ours, where it told; negative where behind.
    pub skew: Option<i64>,
    /// The application permissions that the token carries; empty where it is not readable.
    pub grants: Vec<String>,
}

/// The tokens of one app in one tenant.
pub struct Tokens {
    parts: WireParts,
    /// The token endpoint, which is also the audience of assertions.
    endpoint: String,
    scope: String,
    tenant: String,
    client: String,
    credential: Credential,
    /// Held while a token is renewed, across the waiting: that is what makes renewal happen once for
    /// all. A holder that is cancelled lets go, and the next one renews.
    state: Mutex<State>,
    /// False for a token that somebody gave us and that only they can renew.
    renews: bool,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    serial: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({} in {})", self.client, self.tenant)
    }
}

impl Tokens {
    /// Prepares to ask for tokens; nothing is sent yet.
    #[must_use]
    pub fn new(
        parts: WireParts,
        endpoints: &Endpoints,
        tenant: &str,
        client: &str,
        credential: Credential,
    ) -> Self {
        Self {
            parts,
            endpoint: format!("{}/{}/oauth2/v2.0/token", endpoints.login, super::percent::encode(tenant)),
            scope: endpoints.scope.clone(),
            tenant: tenant.to_owned(),
            client: client.to_owned(),
            credential,
            state: Mutex::new(State::default()),
            renews: true,
        }
    }

    /// A token that was given as such (`HF_TOKEN`): never asked for, never renewed.
    #[must_use]
    pub(crate) fn fixed(parts: WireParts, secret: SecretString) -> Self {
        let token = Token {
            secret: Arc::new(secret),
            serial: 1,
            renew_at: Timestamp::MAX,
            expires: Timestamp::MAX,
            skew: None,
        };
        Self {
            parts,
            endpoint: String::new(),
            scope: String::new(),
            tenant: String::new(),
            client: "a given token".to_owned(),
            credential: Credential::Secret(SecretString::from("")),
            state: Mutex::new(State { token: Some(token), serial: 1 }),
            renews: false,
        }
    }

    /// True where a refused token can be exchanged for a new one.
    pub(crate) fn renews(&self) -> bool {
        self.renews
    }

    /// A token that still has some time to live.
    ///
    /// # Errors
    /// Where none can be had: every code of the reference table names its remedy.
    pub async fn token(&self) -> Result<Token, StoreError> {
        let mut state = self.state.lock().await;
        let now = self.parts.clock.now();
        match &mut state.token {
            Some(token) if now < token.renew_at => Ok(token.clone()),
            Some(token) if now < token.expires => {
                let old = token.clone();
                match self.exchange().await {
                    Ok(fresh) => Ok(state.keep(fresh)),
                    // The old one still holds, so a login service that stumbles stops nobody.
                    Err(error) if error.code.is_none_or(exchange::is_passing) => {
                        token.renew_at = now.checked_add(AGAIN).unwrap_or(token.expires);
                        Ok(old)
                    }
                    Err(error) => Err(error),
                }
            }
            _ => Ok(state.keep(self.exchange().await?)),
        }
    }

    /// Gets a new token because this one was refused. Where somebody else already did, that one serves.
    ///
    /// # Errors
    /// As [`Tokens::token`].
    pub async fn renew(&self, refused: &Token) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|token| token.serial > refused.serial) {
            return Ok(());
        }
        let fresh = self.exchange().await?;
        state.keep(fresh);
        Ok(())
    }

    /// Signs in, if need be, and says what came of it.
    ///
    /// # Errors
    /// As [`Tokens::token`].
    pub async fn sign_in(&self) -> Result<SignIn, StoreError> {
        let token = self.token().await?;
        Ok(SignIn { expires: token.expires, skew: token.skew, grants: assertion::grants(token.secret()) })
    }
}

impl State {
    fn keep(&mut self, mut token: Token) -> Token {
        self.serial += 1;
        token.serial = self.serial;
        self.token = Some(token.clone());
        token
    }
}

#[cfg(test)]
mod tests;
