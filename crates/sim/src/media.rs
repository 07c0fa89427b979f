//! An origin of photos and videos, as `pbs.twimg.com` and `video.twimg.com` behave.
//!
//! Owns a table of media with what is wrong with each, the size ladder, and counts of requests per medium. The bytes
//! of a medium are a function of its key. Source: the reference on the media catalogue, section 2; X documents none
//! of it. Refuses to know posts and catalogues.

mod key;
mod reply;
mod serve;
mod stub;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, header};
use serde::Serialize;

use crate::config::Faults;
use crate::content::mix;
use crate::sim::CallError;
use crate::url::Query;

pub use key::{MediaKey, PhotoSize};
pub use serve::ServedMedia;
pub use stub::MediaKind;
pub(crate) use stub::hash;

/// What decides how a media origin behaves.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Source of every chance.
    pub seed: u64,
    /// How long every request waits before it is served.
    pub latency: Duration,
    /// How much goes wrong beside what the media themselves say.
    pub faults: Faults,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self { seed: 1, latency: Duration::ZERO, faults: Faults::None }
    }
}

/// One photo or video.
#[derive(Clone, Debug)]
pub struct Medium {
    /// What its bytes really are.
    pub kind: MediaKind,
    /// The `format` under which a photo's original is served; a video has none.
    pub format: &'static str,
    /// Length of the full size in bytes, instead of 200 to 2,000 by key.
    pub size: Option<u64>,
    /// The largest size that is served; larger ones are 404. Videos have no sizes.
    pub top: PhotoSize,
    /// What is wrong with it.
    pub trouble: Trouble,
}

/// What is wrong with a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// 404 in every form.
    Dead,
    /// 410 in every form.
    Gone,
    /// 403 in every form, as where a network is blocked.
    Forbidden,
    /// 403 while there is a `tag` in the query.
    TagForbidden,
    /// 503 for the first requests.
    Unavailable {
        /// How many.
        times: u64,
    },
    /// 429 with `Retry-After` for the first requests.
    Throttled {
        /// How many.
        times: u64,
        /// In seconds.
        retry_after: u64,
    },
    /// The body of the first requests ends early, whatever `Content-Length` said.
    Truncated {
        /// How many.
        times: u64,
    },
    /// The right bytes under `text/plain`.
    WrongType,
    /// 200 with a page of HTML.
    Html,
    /// 200 with a playlist instead of a video.
    Playlist,
    /// A body without end and without length.
    Endless,
    /// 302 to another address.
    Redirect(String),
    /// 200 with no bytes.
    Empty,
}

/// How often the origin was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MediaRequests {
    /// All requests.
    pub total: u64,
    /// By key, known or not.
    pub by_key: BTreeMap<String, u64>,
    /// Bytes of media in replies, as far as they were announced.
    pub bytes_out: u64,
    /// What a client must not do, one sentence each: credentials, other hosts.
    pub violations: Vec<String>,
}

/// A simulated media origin. Clones are the same origin.
#[derive(Clone)]
pub struct MediaSim {
    inner: Arc<Inner>,
}

struct Inner {
    config: MediaConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    media: BTreeMap<String, (Medium, u64)>,
    requests: MediaRequests,
}

impl fmt::Debug for MediaSim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSim").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl MediaSim {
    /// An origin without media: everything is 404.
    #[must_use]
    pub fn new(config: MediaConfig) -> Self {
        Self { inner: Arc::new(Inner { config, state: Mutex::new(State::default()) }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a medium at a URL, or another in the place of the one that was there.
    pub fn set(&self, url: &str, medium: Medium) {
        if let Some(key) = MediaKey::of_url(url) {
            self.state().media.insert(key.text, (medium, 0));
        }
    }

    /// Changes what is wrong with the medium at a URL; false if there is none.
    pub fn trouble(&self, url: &str, trouble: Trouble) -> bool {
        let Some(key) = MediaKey::of_url(url) else { return false };
        match self.state().media.get_mut(&key.text) {
            Some((medium, asked)) => {
                medium.trouble = trouble;
                *asked = 0;
                true
            }
            None => false,
        }
    }

    /// The best bytes that a client can get for a URL, whatever is wrong with the medium.
    #[must_use]
    pub fn content(&self, url: &str) -> Option<Bytes> {
        let key = MediaKey::of_url(url)?;
        let state = self.state();
        let (medium, _) = state.media.get(&key.text)?;
        Some(medium.bytes(&key.text, medium.top))
    }

    /// Counts since the start or the last reset.
    #[must_use]
    pub fn requests(&self) -> MediaRequests {
        self.state().requests.clone()
    }

    /// Starts counting anew. Violations stay.
    pub fn reset_requests(&self) {
        let mut state = self.state();
        let violations = std::mem::take(&mut state.requests.violations);
        state.requests = MediaRequests { violations, ..MediaRequests::default() };
    }

    /// Serves one request. The `Host` header, or else the authority of the URL, says which host it is for.
    ///
    /// # Errors
    /// The connection broke; on TCP the socket would be closed.
    pub async fn call(&self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        if !self.inner.config.latency.is_zero() {
            tokio::time::sleep(self.inner.config.latency).await;
        }
        let host = host_of(&request);
        let path = request.uri().path().to_owned();
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let mut state = self.state();
        state.requests.total += 1;
        for name in [header::AUTHORIZATION, header::COOKIE] {
            if request.headers().contains_key(&name) {
                state.requests.violations.push(format!("{name} was sent to {host}{path}"));
            }
        }
        let Some(key) = MediaKey::new(&host, &path, &query) else {
            state.requests.violations.push(format!("asked {host} for {path}, which is no media host"));
            return Ok(reply::status(404));
        };
        let asked = state.requests.by_key.entry(key.text.clone()).or_default();
        *asked += 1;
        let chance = self.chance(&key.text, *asked);
        let foreign = request.headers().contains_key(header::REFERER);
        let Some((medium, times)) = state.media.get_mut(&key.text) else { return Ok(reply::status(404)) };
        *times += 1;
        let ask = reply::Ask { key: &key, query: &query, foreign, times: *times, chance };
        let answer = reply::answer(medium, &ask);
        state.requests.bytes_out += answer.bytes();
        drop(state);
        answer.into_response()
    }

    /// A number below 1,000 for faults that hit anything, and what it is compared with.
    fn chance(&self, key: &str, asked: u64) -> Option<reply::Fault> {
        let seed = self.inner.config.seed ^ hash(key) ^ (asked << 48);
        let bound = match self.inner.config.faults {
            Faults::None => 0,
            Faults::Mild => 15,
            Faults::Wild => 90,
        };
        // One medium is hit at most three times in a row, so that a client of patience gets through.
        (asked <= 3 && mix(seed) % 1000 < bound).then(|| reply::Fault::drawn(mix(seed ^ 0x6d65)))
    }
}

impl Medium {
    /// A medium with nothing wrong.
    #[must_use]
    pub fn new(kind: MediaKind) -> Self {
        let format = if kind == MediaKind::Png { "png" } else { "jpg" };
        Self { kind, format, size: None, top: PhotoSize::Orig, trouble: Trouble::None }
    }

    /// The same with something wrong.
    #[must_use]
    pub fn with(mut self, trouble: Trouble) -> Self {
        self.trouble = trouble;
        self
    }

    /// The bytes of one size.
    #[must_use]
    pub fn bytes(&self, key: &str, size: PhotoSize) -> Bytes {
        let name = if size == PhotoSize::Orig { key.to_owned() } else { format!("{key} {}", size.name()) };
        let len = self.size.filter(|_| size == PhotoSize::Orig);
        stub::bytes(self.kind, &name, len).into()
    }
}

fn host_of(request: &Request<Body>) -> String {
    let given = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = given.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let host = authority.unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
