//! The Hub as one account sees it: whose token, which repositories, and the making of one.
//!
//! Owns the endpoint, the token's place (the endpoint's own origin and nowhere else) and the two wires: one to
//! the Hub, paced by its quotas, one to the storage behind it, which has none of them and never sees the token.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use landfall_core::memo::Memo;
use landfall_core::pacing::{Cost, Lane, LaneConfig};
use landfall_core::words::ByteSize;
use landfall_core::{Code, ErrorKind, Retry, StoreError};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::lanes::CommitLanes;
use super::refusal::HubRefusal;
use super::repo::RepoId;
use super::types::{RepoInfo, Whoami};
use super::{API, pace};
use crate::wire::{
    Answer, Auth, Call, Tokens, Wire, WireParts, encode, header_text, same_origin, shown_text,
};

/// Requests to the storage under way at once, at first and at most.
const STORAGE: (usize, usize) = (8, 32);

/// Tries of a request whose answer was well formed HTTP and still made no sense.
pub(super) const TRIES: u32 = 5;

/// What a connection to the Hub is made of.
#[derive(Clone)]
pub struct HubConfig {
    /// Root of the Hub without a slash at its end (`HF_ENDPOINT`).
    pub endpoint: String,
    /// `HF_TOKEN`; without it only what is public can be seen, and nothing written.
    pub token: Option<SecretString>,
    /// Transport, lane (with [`super::quotas`]), clock, chance and meter.
    pub wire: WireParts,
    /// Where the commits of the last hour are kept over restarts; without it a restart forgets them.
    pub memo: Option<Arc<dyn Memo>>,
}

impl std::fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "HubConfig({}, token {})",
            self.endpoint,
            if self.token.is_some() { "given" } else { "none" }
        )
    }
}

/// A connection to the Hub; clones share it.
#[derive(Clone)]
pub struct HubApi(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) endpoint: String,
    pub(super) wire: Wire,
    pub(super) storage: Wire,
    pub(super) commits: CommitLanes,
    signed: bool,
    who: OnceCell<Whoami>,
    /// Topics of the service's warnings that were shown.
    warned: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for HubApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubApi({})", self.0.endpoint)
    }
}

impl HubApi {
    /// Makes a connection; nothing is sent yet. Must be called inside a runtime.
    #[must_use]
    pub fn connect(config: HubConfig) -> Self {
        let HubConfig { endpoint, token, wire, memo } = config;
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let signed = token.is_some();
        let tokens = Arc::new(Tokens::fixed(wire.clone(), token.unwrap_or_else(|| SecretString::from(""))));
        let commits = CommitLanes::new(&wire, memo);
        let lane = LaneConfig {
            name: "hub-storage".to_owned(),
            quotas: Vec::new(),
            start: STORAGE.0,
            most: STORAGE.1,
        };
        let lane = Lane::new(lane, Arc::clone(&wire.clock), Arc::clone(&wire.chance));
        if let Some(stop) = wire.lane.heeded() {
            lane.heed(stop.clone());
        }
        let storage = Wire::new(WireParts { lane, ..wire.clone() }, Arc::clone(&tokens), &endpoint);
        let wire = Wire::new(wire, tokens, &endpoint);
        let inner = Inner {
            wire,
            storage,
            commits,
            signed,
            who: OnceCell::new(),
            warned: Mutex::default(),
            endpoint,
        };
        Self(Arc::new(inner))
    }

    /// The wire, for its meter and lane.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.0.wire
    }

    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// True where a token was given.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.0.signed
    }

    /// Whose token it is. Asked once and kept: this request has a strict quota of its own.
    ///
    /// # Errors
    /// `Unauthenticated` with code `HubTokenRefused` where the token is not accepted, or where there is none.
    pub async fn whoami(&self) -> Result<&Whoami, StoreError> {
        self.0.who.get_or_try_init(|| self.ask_whoami()).await
    }

    async fn ask_whoami(&self) -> Result<Whoami, StoreError> {
        let subject = self.endpoint();
        if !self.0.signed {
            let error =
                StoreError::new(ErrorKind::Unauthenticated, "sign in to", subject, "no token was given");
            return Err(error.with_code(Code::HubTokenRefused));
        }
        let call = self.call(Method::GET, "/api/whoami-v2", "sign in to", subject);
        let answer = self.ask(&judged(call, pace::judge_action)).await?;
        if !answer.status.is_success() {
            return Err(HubRefusal::of(&answer).error("sign in to", subject));
        }
        let read: WireWho =
            answer.json().ok_or_else(|| self.unexpected("sign in to", subject, "no account"))?;
        Ok(Whoami {
            name: read.name,
            orgs: read.orgs.into_iter().map(|org| (org.name, org.role)).collect(),
            role: read.auth.and_then(|auth| auth.token).and_then(|token| token.role),
        })
    }

    /// What a repository is now; its `sha` pins a run.
    ///
    /// # Errors
    /// `Denied` where the repository is missing or hidden from this token: the two look the same.
    pub async fn repo(&self, repo: &RepoId) -> Result<RepoInfo, StoreError> {
        let subject = repo.to_string();
        self.repo_seen(repo).await?.map_err(|refusal| refusal.error("look at", &subject))
    }

    /// The same with the refusal kept, for those who must tell missing from failing.
    pub(super) async fn repo_seen(&self, repo: &RepoId) -> Result<Result<RepoInfo, HubRefusal>, StoreError> {
        let subject = repo.to_string();
        // The plain address answers the list of files as well; a revision's is no shorter (reference, section 3).
        let call = self.call(Method::GET, &format!("/api/datasets/{repo}"), "look at", &subject);
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(&call).await?;
            if !answer.status.is_success() {
                return Ok(Err(HubRefusal::of(&answer)));
            }
            match answer.json::<WireRepo>() {
                Some(read) if !read.sha.is_empty() => return Ok(Ok(read.info())),
                _ if tries == TRIES => {
                    return Err(self.unexpected("look at", &subject, "the answer names no commit"));
                }
                _ => self.pause(tries).await,
            }
        }
    }

    /// Makes a repository, private unless said otherwise; one that is there already is fine.
    ///
    /// # Errors
    /// Where it may not be made; where a private one was asked for and it turns out to be public.
    pub async fn create_repo(&self, repo: &RepoId, private: bool) -> Result<RepoInfo, StoreError> {
        let subject = repo.to_string();
        // Two generations of clients say the same thing in two fields.
        let body = json!({
            "type": "dataset",
            "name": repo.name(),
            "organization": repo.owner(),
            "private": private,
            "visibility": if private { "private" } else { "public" },
        });
        let call = self.call(Method::POST, "/api/repos/create", "create", &subject).json(&body);
        // Repeating it is harmless: the second answer is 409.
        let call = judged(call, pace::judge_action);
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(&call).await?;
            let refusal = HubRefusal::of(&answer);
            if answer.status.is_success() {
                break;
            }
            let busy = refusal.says("another conflicting operation");
            if answer.status.as_u16() == 409 && !busy {
                break;
            }
            if busy && tries < TRIES {
                self.pause(tries).await;
                continue;
            }
            // A token may lack the right to create and still have the right to write what is there.
            return match self.repo_seen(repo).await? {
                Ok(info) if info.private || !private => Ok(info),
                _ => Err(refusal.error("create", &subject)),
            };
        }
        let info = self.repo(repo).await?;
        if private && !info.private {
            let detail = "it is public and should be private: nothing is sent there";
            return Err(StoreError::new(ErrorKind::Rejected, "create", subject, detail)
                .with_code(Code::UnexpectedAnswer));
        }
        Ok(info)
    }

    /// A call to the Hub that costs one API request.
    pub(super) fn call(&self, method: Method, path: &str, operation: &'static str, subject: &str) -> Call {
        self.call_to(method, format!("{}{path}", self.0.endpoint), operation, subject)
    }

    /// The same for a whole URL, which the caller has shown to be the endpoint's.
    pub(super) fn call_to(
        &self,
        method: Method,
        url: String,
        operation: &'static str,
        subject: &str,
    ) -> Call {
        let call = Call::new(method, url, operation, subject).cost(Cost::of(API, 1));
        let call = judged(call, pace::judge);
        if self.0.signed { call } else { Call { auth: Auth::PreAuthenticated, ..call } }
    }

    /// Sends a call to the Hub and learns from the answer's headers.
    pub(super) async fn ask(&self, call: &Call) -> Result<Answer, StoreError> {
        let answer = self.0.wire.send(call).await?;
        self.learn(&answer.headers);
        Ok(answer)
    }

    /// Takes over what any answer of the Hub says beside its body.
    pub(super) fn learn(&self, headers: &http::HeaderMap) {
        pace::learn(self.0.wire.lane(), headers);
        let Some(warning) = header_text(headers, "x-hf-warning") else { return };
        let topic = warning.split(';').next().unwrap_or("").to_owned();
        if self.0.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(topic) {
            tracing::warn!(text = %shown_text(warning), "the Hub warns");
        }
    }

    /// Refuses a link that leads away from the endpoint.
    pub(super) fn own(&self, url: &str, operation: &'static str, subject: &str) -> Result<(), StoreError> {
        if same_origin(url, self.endpoint()) {
            return Ok(());
        }
        Err(self.unexpected(operation, subject, "a link of the service leads to another host"))
    }

    /// An answer that is well formed HTTP and makes no sense.
    pub(super) fn unexpected(&self, operation: &'static str, subject: &str, detail: &str) -> StoreError {
        StoreError::new(ErrorKind::Interrupted, operation, subject, detail)
            .with_code(Code::UnexpectedAnswer)
            .with_retry(Retry::Soon)
    }

    /// The pause before the try after so many failures.
    pub(super) async fn pause(&self, failures: u32) {
        self.0.wire.pause(failures).await;
    }
}

/// The same call with another judge.
pub(super) fn judged(call: Call, judge: fn(&Answer) -> landfall_core::pacing::Verdict) -> Call {
    Call { judge, ..call }
}

/// A path as the service's addresses hold it: every segment encoded, the slashes kept.
pub(super) fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

#[derive(Deserialize)]
struct WireWho {
    name: String,
    #[serde(default)]
    orgs: Vec<WireOrg>,
    auth: Option<WireAuth>,
}

#[derive(Deserialize)]
struct WireOrg {
    name: String,
    #[serde(rename = "roleInOrg")]
    role: Option<String>,
}

#[derive(Deserialize)]
struct WireAuth {
    #[serde(rename = "accessToken")]
    token: Option<WireToken>,
}

#[derive(Deserialize)]
struct WireToken {
    role: Option<String>,
}

#[derive(Deserialize)]
struct WireRepo {
    #[serde(default)]
    id: String,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    private: bool,
    #[serde(rename = "usedStorage")]
    used: Option<u64>,
}

impl WireRepo {
    fn info(self) -> RepoInfo {
        RepoInfo { id: self.id, sha: self.sha, private: self.private, used: self.used.map(ByteSize) }
    }
}
