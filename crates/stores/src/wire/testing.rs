//! A transport that answers by script, for the unit tests of this crate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::transport::{Body, Request, Response, Stage, Transport, TransportError};
use landfall_core::{Chance, Clock, VirtualClock};
use secrecy::SecretString;

use super::{Cloud, Credential, Endpoints, Meter, Tokens, Wire, WireParts};

/// One answer of a script.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>, pieces: usize },
    Broken(Stage),
}

/// An answer with a body and no headers.
pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Step {
    Step::Answer { status, headers: Vec::new(), body: body.into(), pieces: 1 }
}

/// The same with a header more.
pub(crate) fn with(step: Step, name: &'static str, value: &str) -> Step {
    match step {
        Step::Answer { status, mut headers, body, pieces } => {
            headers.push((name, value.to_owned()));
            Step::Answer { status, headers, body, pieces }
        }
        broken @ Step::Broken(_) => broken,
    }
}

/// What a script was asked: method, URL, the token, the body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) at: tokio::time::Instant,
}

/// Answers in order; the token endpoint is answered by itself.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: Mutex<VecDeque<Step>>,
    asked: Mutex<Vec<Asked>>,
    logins: Mutex<VecDeque<Step>>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        Arc::new(Self { steps: Mutex::new(steps.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn login(self: Arc<Self>, steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        self.logins.lock().unwrap().extend(steps);
        self
    }

    /// What was asked beside tokens.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| !asked.url.ends_with("/token")).cloned().collect()
    }

    /// The bodies that asked for tokens.
    pub(crate) fn sign_ins(&self) -> Vec<Bytes> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.url.ends_with("/token")).map(|asked| asked.body.clone()).collect()
    }

    pub(crate) fn parts(self: &Arc<Self>) -> WireParts {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting("2026-01-05T00:00:00Z".parse().unwrap()));
        let chance = Arc::new(Chance::seeded(7));
        let lane = LaneConfig { name: "t".into(), quotas: vec![], start: 4, most: 8 };
        WireParts {
            transport: Arc::clone(self) as Arc<dyn Transport>,
            lane: Lane::new(lane, Arc::clone(&clock), Arc::clone(&chance)),
            clock,
            chance,
            meter: Arc::new(Meter::default()),
        }
    }

    pub(crate) fn endpoints() -> Endpoints {
        Endpoints::replaced(Cloud::Global, Some("http://login.sim"), Some("http://graph.sim/v1.0")).unwrap()
    }

    pub(crate) fn wire(self: &Arc<Self>) -> Wire {
        let credential = Credential::Secret(SecretString::from("hush"));
        let tokens = Tokens::new(self.parts(), &Self::endpoints(), "contoso", "app", credential);
        Wire::new(self.parts(), Arc::new(tokens), "http://graph.sim/v1.0")
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let url = request.uri().to_string();
        let login = url.ends_with("/token");
        let count = {
            let mut asked = self.asked.lock().unwrap();
            let token = request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned());
            asked.push(Asked {
                method: request.method().to_string(),
                url,
                token,
                body: request.body().clone(),
                at: tokio::time::Instant::now(),
            });
            asked.iter().filter(|asked| asked.url.ends_with("/token")).count()
        };
        let step = if login {
            let token = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"t{count}"}}"#);
            self.logins.lock().unwrap().pop_front().unwrap_or_else(|| answer(200, token))
        } else {
            self.steps.lock().unwrap().pop_front().expect("the script has an answer for every request")
        };
        match step {
            Step::Broken(stage) => Err(TransportError { stage, detail: "scripted".into() }),
            Step::Answer { status, headers, body, pieces } => {
                let mut response = http::Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let size = body.len().div_ceil(pieces).max(1);
                let pieces: Vec<_> = body.chunks(size).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
                Ok(response.body(Box::pin(futures_util::stream::iter(pieces)) as Body).unwrap())
            }
        }
    }
}
