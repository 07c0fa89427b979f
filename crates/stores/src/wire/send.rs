//! Sending one call until it has an answer that more tries would not change.
//!
//! Owns the retry rules (reference/graph.md, section 14). Tries are bounded in number and in time. What
//! may have been carried out already is sent again only where the call says that repeating is harmless,
//! or where the service says that it did nothing (429, or 503 with Retry-After), or where no connection
//! was made.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::HeaderValue;
use landfall_core::pacing::{Lane, Permit, Verdict};
use landfall_core::transport::{Body, Request, Stage, Transport, TransportError};
use landfall_core::{Chance, Clock, Code, ErrorKind, StoreError};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::call::{Answer, Auth, Call, Opened, header_text};
use super::endpoint::{require_secure, same_origin};
use super::meter::Meter;
use super::percent::tolerate;
use super::redact::{shown_text, shown_url};
use super::tokens::{Token, Tokens};
use super::wait::backoff;

/// Tries of one call that failed, the first included.
const MOST_FAILED: u32 = 8;

/// Tries of one call that were throttled. The lane waits between them as long as the service asks.
const MOST_THROTTLED: u32 = 20;

/// After this time no further try of one call begins.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Largest answer that is read whole. A delta page of 1,000 items has about 2 MiB.
const WHOLE_LIMIT: usize = 64 << 20;

/// The quota whose units the meter counts as resource units.
pub(crate) const RU_MINUTE: &str = "ru-minute";

/// What a wire is made of.
#[derive(Clone)]
pub struct WireParts {
    /// What carries requests.
    pub transport: Arc<dyn Transport>,
    /// What is throttled together.
    pub lane: Arc<Lane>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Jitter and request ids.
    pub chance: Arc<Chance>,
    /// Where everything is counted.
    pub meter: Arc<Meter>,
}

impl std::fmt::Debug for WireParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WireParts(..)")
    }
}

/// Sends the calls of one app in one tenant.
pub struct Wire {
    pub(super) parts: WireParts,
    tokens: Arc<Tokens>,
    /// The only origin that ever gets the token.
    origin: String,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.origin)
    }
}

/// How often one call was tried.
pub(super) struct Tries {
    since: Instant,
    failed: u32,
    throttled: u32,
    renewed: bool,
}

impl Tries {
    pub(super) fn begin() -> Self {
        Self { since: Instant::now(), failed: 0, throttled: 0, renewed: false }
    }

    fn in_time(&self) -> bool {
        self.since.elapsed() < PATIENCE
    }
}

impl Wire {
    /// Makes a wire whose token goes to `origin` only.
    #[must_use]
    pub fn new(parts: WireParts, tokens: Arc<Tokens>, origin: &str) -> Self {
        Self { parts, tokens, origin: origin.to_owned() }
    }

    /// The counters.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.parts.meter
    }

    /// The lane.
    #[must_use]
    pub fn lane(&self) -> &Arc<Lane> {
        &self.parts.lane
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    /// Chance, for pauses outside the wire.
    #[must_use]
    pub fn chance(&self) -> &Chance {
        &self.parts.chance
    }

    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Sends and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// `Interrupted` where no answer came: unless the call may be repeated, its outcome is unknown.
    pub async fn send(&self, call: &Call) -> Result<Answer, StoreError> {
        let mut tries = Tries::begin();
        loop {
            let (permit, token) = self.enter(call).await?;
            let outcome = self.whole(call, token.as_ref()).await;
            let seen = outcome.as_ref().map(Some);
            if !self.settle(call, &mut tries, permit, seen, token.as_ref()).await? {
                return outcome.map_err(|error| broken(call, error));
            }
        }
    }

    /// Sends and gives a successful answer's body piece by piece. The permit ends with the head: the
    /// body's pace is that of its reader, and a reader that waits for another permit must not hold one.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub async fn open(&self, call: &Call) -> Result<Opened, StoreError> {
        let mut tries = Tries::begin();
        loop {
            let (permit, token) = self.enter(call).await?;
            let outcome = self.streamed(call, token.as_ref()).await;
            let seen = match &outcome {
                Ok(Opened::Refused(answer)) => Ok(Some(answer)),
                Ok(Opened::Body { .. }) => Ok(None),
                Err(error) => Err(error),
            };
            if !self.settle(call, &mut tries, permit, seen, token.as_ref()).await? {
                return outcome.map_err(|error| broken(call, error));
            }
        }
    }

    /// Waits for admission, then takes a token that is fresh at that moment.
    pub(super) async fn enter(&self, call: &Call) -> Result<(Permit, Option<Token>), StoreError> {
        if call.auth == Auth::Bearer && !same_origin(&call.url, &self.origin) {
            // A link that leads elsewhere would carry the token to a stranger.
            let detail = format!("the service names {} as its own", shown_url(&call.url));
            return Err(StoreError::new(ErrorKind::Rejected, call.operation, &call.subject, detail)
                .with_code(Code::UnexpectedAnswer));
        }
        require_secure(&call.url)?;
        let permit = self.parts.lane.admit_or_stop(call.cost.clone()).await;
        let permit = permit.ok_or_else(|| stopped(call.operation, &call.subject))?;
        let token = match call.auth {
            Auth::Bearer => Some(self.tokens.token().await?),
            Auth::PreAuthenticated => None,
        };
        Ok((permit, token))
    }

    /// Tells the lane how it went and says whether to try again, after the pause that belongs before it.
    pub(super) async fn settle(
        &self,
        call: &Call,
        tries: &mut Tries,
        permit: Permit,
        seen: Result<Option<&Answer>, &TransportError>,
        token: Option<&Token>,
    ) -> Result<bool, StoreError> {
        let verdict = match seen {
            Ok(Some(answer)) => (call.judge)(answer),
            Ok(None) => Verdict::Fine,
            Err(_) => Verdict::Failed,
        };
        permit.settle(verdict);
        trace(call, seen);
        if matches!(verdict, Verdict::Throttled { .. }) {
            self.parts.meter.throttled();
            self.parts.lane.keep().await;
        }
        let status = seen.ok().flatten().map(|answer| answer.status.as_u16());
        if let (Some(401), Some(token), false) = (status, token, tries.renewed) {
            tries.renewed = true;
            if self.tokens.renews() {
                self.tokens.renew(token).await?;
            } else {
                // Nobody here can renew it; a service that stumbled once says something else the second time.
                self.wait(call, 1).await?;
            }
            self.parts.meter.retried();
            return Ok(true);
        }
        let again = match verdict {
            Verdict::Fine => false,
            Verdict::Throttled { retry_after } => {
                tries.throttled += 1;
                let undone = matches!(status, Some(429 | 509)) || retry_after.is_some();
                // A batch is answered 200 with throttled parts: its sender repeats those parts alone.
                status != Some(200) && (call.repeatable || undone) && tries.throttled < MOST_THROTTLED
            }
            Verdict::Failed => {
                tries.failed += 1;
                let unsent = seen.is_err_and(|error| error.stage == Stage::Connect);
                (call.repeatable || unsent) && tries.failed < MOST_FAILED
            }
        };
        if !again || !tries.in_time() {
            return Ok(false);
        }
        self.parts.meter.retried();
        if verdict == Verdict::Failed {
            self.wait(call, tries.failed).await?;
        }
        Ok(true)
    }

    /// The pause before the try after so many failures.
    async fn wait(&self, call: &Call, failures: u32) -> Result<(), StoreError> {
        match self.parts.lane.rest(backoff(&self.parts.chance, failures)).await {
            true => Ok(()),
            false => Err(stopped(call.operation, &call.subject)),
        }
    }

    /// The same for the stores, whose next request says so where somebody asked to stop meanwhile.
    pub(crate) async fn pause(&self, failures: u32) {
        self.parts.lane.rest(backoff(&self.parts.chance, failures)).await;
    }

    async fn whole(&self, call: &Call, token: Option<&Token>) -> Result<Answer, TransportError> {
        let response = self.parts.transport.send(self.request(call, token)?).await?;
        let (head, body) = response.into_parts();
        let body = self.collect(guarded(body, expected_length(&head.headers), &self.parts.meter)).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn streamed(&self, call: &Call, token: Option<&Token>) -> Result<Opened, TransportError> {
        let response = self.parts.transport.send(self.request(call, token)?).await?;
        let (head, body) = response.into_parts();
        let body = guarded(body, expected_length(&head.headers), &self.parts.meter);
        if head.status.is_success() {
            return Ok(Opened::Body { status: head.status, headers: head.headers, body });
        }
        // A refusal whose body breaks off is still a refusal.
        let body = self.collect(body).await.unwrap_or_default();
        Ok(Opened::Refused(Answer { status: head.status, headers: head.headers, body }))
    }

    pub(super) fn request(&self, call: &Call, token: Option<&Token>) -> Result<Request, TransportError> {
        self.parts.meter.sent(call.cost.units(RU_MINUTE), call.body.len(), call.batched);
        let mut request = Request::new(call.body.clone());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = tolerate(&call.url).parse().map_err(|_| TransportError {
            stage: Stage::Connect,
            detail: format!("{} is no URL", shown_url(&call.url)),
        })?;
        let headers = request.headers_mut();
        headers.extend(call.headers.iter().cloned());
        if let Ok(id) = HeaderValue::from_str(&self.parts.chance.uuid()) {
            headers.insert("client-request-id", id);
        }
        if let Some(token) = token
            && let Ok(mut value) =
                HeaderValue::from_str(&format!("Bearer {}", token.secret().expose_secret()))
        {
            value.set_sensitive(true);
            headers.insert(http::header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    pub(super) async fn collect(&self, mut body: Body) -> Result<Bytes, TransportError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > WHOLE_LIMIT {
                let detail = format!("an answer of more than {WHOLE_LIMIT} bytes");
                return Err(TransportError { stage: Stage::Body, detail });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

pub(super) fn expected_length(headers: &http::HeaderMap) -> Option<u64> {
    header_text(headers, "content-length")?.trim().parse().ok()
}

/// A body that is counted, and that ends in an error where it is shorter than announced.
pub(super) fn guarded(body: Body, expected: Option<u64>, meter: &Arc<Meter>) -> Body {
    let state = (body, 0u64, Arc::clone(meter), false);
    Box::pin(futures_util::stream::unfold(state, move |(mut body, seen, meter, over)| async move {
        if over {
            return None;
        }
        match body.next().await {
            Some(Ok(piece)) => {
                meter.received(piece.len());
                let seen = seen + piece.len() as u64;
                Some((Ok(piece), (body, seen, meter, false)))
            }
            Some(Err(error)) => Some((Err(error), (body, seen, meter, true))),
            None => {
                let expected = expected.filter(|expected| seen < *expected)?;
                let detail = format!("after {seen} of {expected} bytes");
                Some((Err(TransportError { stage: Stage::Body, detail }), (body, seen, meter, true)))
            }
        }
    }))
}

fn trace(call: &Call, seen: Result<Option<&Answer>, &TransportError>) {
    if !tracing::enabled!(tracing::Level::TRACE) {
        return;
    }
    let (status, request_id) = match seen {
        Ok(Some(answer)) => (answer.status.as_u16(), answer.header("request-id").unwrap_or("")),
        Ok(None) => (200, ""),
        Err(_) => (0, ""),
    };
    tracing::trace!(method = %call.method, url = %shown_url(&call.url), status, request_id, "request");
}

/// The error of what was given up because somebody asked to stop: it ends the work, and can go on later.
pub(crate) fn stopped(operation: &'static str, subject: &str) -> StoreError {
    StoreError::new(ErrorKind::Stopped, operation, subject, "stopped on request").with_code(Code::Interrupted)
}

/// The error of a call that never got an answer.
pub(super) fn broken(call: &Call, error: TransportError) -> StoreError {
    let unreachable = error.stage == Stage::Connect && call.auth == Auth::Bearer;
    let detail = format!("{} at {}", shown_text(&error.to_string()), shown_url(&call.url));
    let made = StoreError::new(ErrorKind::Interrupted, call.operation, &call.subject, detail);
    if unreachable { made.with_code(Code::Unreachable) } else { made }
}

#[cfg(test)]
mod tests;
