//! Downloads of media from hostile places.
//!
//! Owns which URLs may be asked for ([`UrlPolicy`]), how names are kept from leading inside
//! ([`MediaTransport`]), which sizes are tried, and what counts as media: what the bytes are, not what
//! anybody says. Policy and redirects lie above the transport, so they hold over the simulator as well.
//! Refuses to know posts and databases: a URL goes in, a file with the right extension or a failure named
//! by what follows from it comes out. Design: `docs/media.md`.

pub mod addresses;
mod host;
mod ladder;
mod network;
mod policy;
mod receive;
mod save;
mod sniff;

pub use network::{MEDIA_USER_AGENT, MediaTransport};
pub use policy::{Allowed, MEDIA_HOSTS, PolicyConfig, UrlPolicy, UrlRefused};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cap_std::fs::Dir;
use landfall_core::transport::Transport;
use landfall_core::{ByteSize, Chance, Clock};

use super::{FetchFailure, Fetched, Fetcher, MediaUrl, SaveAs};
use host::Host;
use ladder::{Plan, Rung};
use receive::Miss;

/// Bounds of every download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest picture, in bytes as they arrive.
    pub image: ByteSize,
    /// Largest video, in bytes as they arrive.
    pub video: ByteSize,
    /// Longest silence: for the head of an answer, and between two pieces of its body.
    pub stall: Duration,
    /// Longest download of one file, from its request to its last byte.
    pub total: Duration,
    /// How long a host is left alone that refuses us, and a file that it refuses.
    pub rest: Duration,
    /// Downloads under way at once from one host, in the beginning.
    pub start: usize,
    /// The same at most.
    pub most: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            image: ByteSize(64 << 20),
            video: ByteSize(2 << 30),
            stall: Duration::from_secs(30),
            total: Duration::from_secs(30 * 60),
            rest: Duration::from_secs(3600),
            start: 4,
            most: 8,
        }
    }
}

/// What a fetcher is made of.
#[derive(Clone)]
pub struct FetchParts {
    /// What carries requests: [`MediaTransport`], or a simulator in this process.
    pub transport: Arc<dyn Transport>,
    /// Which URLs may be asked for.
    pub policy: UrlPolicy,
    /// Bounds.
    pub limits: Limits,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub chance: Arc<Chance>,
}

impl std::fmt::Debug for FetchParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchParts").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Downloads media over any transport; safe to use from many tasks at once.
pub struct MediaFetcher {
    parts: FetchParts,
    /// Hosts met so far: as many as the policy allows.
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
}

impl std::fmt::Debug for MediaFetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parts.fmt(f)
    }
}

impl MediaFetcher {
    /// Makes one; must be called inside a runtime.
    #[must_use]
    pub fn new(parts: FetchParts) -> Self {
        Self { parts, hosts: Mutex::new(BTreeMap::new()) }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let (clock, chance) = (Arc::clone(&self.parts.clock), Arc::clone(&self.parts.chance));
            Arc::new(Host::new(name, &self.parts.limits, clock, chance))
        };
        Arc::clone(hosts.entry(name.to_owned()).or_insert_with(make))
    }

    /// A photo: the next smaller size only where the one before is shown not to be there.
    async fn climb(&self, rungs: &[Rung], into: &Dir, name: &SaveAs) -> Result<Fetched, FetchFailure> {
        for rung in rungs {
            match self.receive(&rung.url, into, name).await {
                Ok(mut fetched) => {
                    fetched.reduced = rung.reduced.map(str::to_owned);
                    return Ok(fetched);
                }
                Err(Miss::Absent) => {}
                Err(Miss::Gone) => return Err(gone("the host says that it is gone (410)")),
                Err(Miss::Refused) => return Err(self.refused(&rung.url)),
                Err(Miss::Failed(failure)) => return Err(failure),
            }
        }
        Err(gone("not there in any size (404)"))
    }

    /// Anything else: the next form only where the one before is refused, for hosts refuse `?tag=` at times.
    async fn single(&self, forms: &[Allowed], into: &Dir, name: &SaveAs) -> Result<Fetched, FetchFailure> {
        let mut refused = None;
        for form in forms {
            match self.receive(form, into, name).await {
                Ok(fetched) => return Ok(fetched),
                Err(Miss::Absent) => return Err(gone("not there (404)")),
                Err(Miss::Gone) => return Err(gone("the host says that it is gone (410)")),
                Err(Miss::Failed(failure)) => return Err(failure),
                Err(Miss::Refused) => refused = Some(form),
            }
        }
        Err(refused.map_or_else(|| gone("no form of it to ask for"), |form| self.refused(form)))
    }

    fn refused(&self, url: &Allowed) -> FetchFailure {
        self.host(url.host()).refuses(url.url().path())
    }
}

#[async_trait]
impl Fetcher for MediaFetcher {
    async fn fetch(&self, url: &MediaUrl, into: &Dir, name: &SaveAs) -> Result<Fetched, FetchFailure> {
        let allowed = self
            .parts
            .policy
            .check(url.as_str())
            .map_err(|refused| FetchFailure::Refused { detail: refused.to_string() })?;
        match ladder::plan(allowed) {
            Plan::Photo(rungs) => self.climb(&rungs, into, name).await,
            Plan::File(forms) => self.single(&forms, into, name).await,
            Plan::NotMedia(what) => Err(FetchFailure::NotMedia { detail: what.to_owned() }),
        }
    }
}

fn gone(detail: &str) -> FetchFailure {
    FetchFailure::Gone { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
