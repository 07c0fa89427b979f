//! The documented API of X, version 2, as a resolver. It costs money, so it counts what it reads.
//!
//! Owns batches of 100, the price told beforehand and the cap that is never passed, the service's own
//! window, and what each kind of error means. Refuses to know files. A post that is neither among the
//! answers nor among the errors is unanswered.
// Source: docs.x.com, GET /2/tweets, read 2026-11 (reference/media-catalogue.md, section 3.4).

mod reply;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::transport::Transport;
use landfall_core::{Chance, Clock, StoreError};
use secrecy::SecretString;

use super::super::{Ask, Price, Resolved, Resolver};
use super::gate::Gate;
use super::get::{Reply, base, get};
use super::unaskable;
use crate::wire::{backoff, header_text, shown_text};

/// Posts of one request.
const BATCH: usize = 100;

/// Tries of one request that broke, the first included.
const MOST_TRIES: u32 = 4;

/// What is asked about each post.
const FIELDS: &str = "tweet.fields=attachments,created_at,author_id,possibly_sensitive,withheld\
    &expansions=attachments.media_keys,author_id\
    &media.fields=media_key,type,url,variants,width,height\
    &user.fields=username,protected";

/// How the API is used.
#[derive(Clone, Debug)]
pub struct XApiConfig {
    /// Root of the service.
    pub base: String,
    /// What reading one post costs, in millionths of a US dollar.
    pub micro_usd: u64,
    /// The most posts that may be read in this process.
    pub max_reads: Option<u64>,
    /// The most that may be spent in this process, in millionths of a US dollar.
    pub max_micro_usd: Option<u64>,
}

impl Default for XApiConfig {
    /// The public service at its published price, without a cap.
    fn default() -> Self {
        // Unverified: whether media that come with a post are billed as reads of their own.
        Self { base: "https://api.x.com".into(), micro_usd: 5_000, max_reads: None, max_micro_usd: None }
    }
}

/// Asks the API. One request at a time; safe to share.
pub struct XApi {
    transport: Arc<dyn Transport>,
    bearer: SecretString,
    base: String,
    price: Price,
    used: AtomicU64,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    gate: Gate,
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for XApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XApi").field("base", &self.base).field("price", &self.price).finish_non_exhaustive()
    }
}

impl XApi {
    /// Makes one; nothing is asked and nothing is spent until a post is resolved.
    ///
    /// # Errors
    /// `InsecureEndpoint` where the base is neither https nor on this machine.
    pub fn new(
        transport: Arc<dyn Transport>,
        bearer: SecretString,
        config: &XApiConfig,
        clock: Arc<dyn Clock>,
        chance: Arc<Chance>,
    ) -> Result<Self, StoreError> {
        let affordable =
            config.max_micro_usd.map(|most| most.checked_div(config.micro_usd).unwrap_or(u64::MAX));
        let max_reads = [config.max_reads, affordable].into_iter().flatten().min();
        Ok(Self {
            transport,
            bearer,
            base: base(&config.base)?,
            price: Price { micro_usd: config.micro_usd, max_reads },
            used: AtomicU64::new(0),
            clock,
            chance,
            gate: Gate::default(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Posts read so far in this process.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many of `wanted` posts may still be read.
    fn affordable(&self, wanted: usize) -> usize {
        let Some(most) = self.price.max_reads else { return wanted };
        usize::try_from(most.saturating_sub(self.reads())).unwrap_or(usize::MAX).min(wanted)
    }

    /// Asks for one batch; every id gets an answer.
    async fn batch(&self, ids: &[&str]) -> BTreeMap<String, Resolved> {
        let all = |answer: Resolved| ids.iter().map(|id| ((*id).to_owned(), answer.clone())).collect();
        let url = format!("{}/2/tweets?ids={}&{FIELDS}", self.base, ids.join(","));
        let reply = match self.sent(&url).await {
            Ok(reply) => reply,
            Err(detail) => return all(Resolved::Later { detail }),
        };
        let now = self.clock.now();
        let answer = match reply.status {
            200 => {
                // Counted as soon as it was carried out: posts that were not found may be billed as well.
                self.used.fetch_add(ids.len() as u64, Ordering::Relaxed);
                if header_text(&reply.headers, "x-rate-limit-remaining") == Some("0") {
                    self.gate.pause(now, reset(&reply));
                }
                let Some(mut known) = reply::read(&reply.body) else {
                    return all(Resolved::Later { detail: "an answer that is no JSON of a post".into() });
                };
                let take = |id: &&str| ((*id).to_owned(), known.remove(*id).unwrap_or(Resolved::Unanswered));
                return ids.iter().map(take).collect();
            }
            429 => Resolved::RateLimited { until: self.gate.pause(now, reset(&reply)) },
            401 => self.fatal("the API refuses the token (401)"),
            403 => self.fatal("the API refuses this app (403)"),
            status => Resolved::Later { detail: format!("the API answers {status}: {}", shown(&reply.body)) },
        };
        all(answer)
    }

    fn fatal(&self, detail: &str) -> Resolved {
        self.gate.give_up(detail);
        Resolved::Fatal { detail: detail.to_owned() }
    }

    /// Sends until there is an answer other than "try again".
    async fn sent(&self, url: &str) -> Result<Reply, String> {
        let mut tries = 1;
        loop {
            let reply = get(self.transport.as_ref(), url, Some(&self.bearer)).await;
            let passing = match &reply {
                Ok(reply) => matches!(reply.status, 408 | 500..=599),
                Err(_) => true,
            };
            if !passing || tries >= MOST_TRIES {
                return reply;
            }
            tokio::time::sleep(backoff(&self.chance, tries)).await;
            tries += 1;
        }
    }
}

#[async_trait]
impl Resolver for XApi {
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved> {
        let _turn = self.turn.lock().await;
        let mut ids: Vec<&str> =
            asks.iter().filter(|ask| unaskable(ask).is_none()).map(|ask| ask.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut known = BTreeMap::new();
        for batch in ids.chunks(BATCH) {
            if let Some(closed) = self.gate.closed(self.clock.now()) {
                known.extend(batch.iter().map(|id| ((*id).to_owned(), closed.clone())));
                continue;
            }
            let (within, beyond) = batch.split_at(self.affordable(batch.len()));
            if !within.is_empty() {
                known.extend(self.batch(within).await);
            }
            let detail = format!("the limit of {} paid reads is reached", self.price.max_reads.unwrap_or(0));
            let later = Resolved::Later { detail };
            known.extend(beyond.iter().map(|id| ((*id).to_owned(), later.clone())));
        }
        asks.iter()
            .map(|ask| {
                let answer = unaskable(ask).or_else(|| known.get(&ask.id).cloned());
                answer.unwrap_or(Resolved::Unanswered)
            })
            .collect()
    }

    fn price(&self) -> Option<Price> {
        Some(self.price)
    }
}

/// When the service's window begins anew: seconds since 1970. It sends no Retry-After.
fn reset(reply: &Reply) -> Option<Timestamp> {
    let seconds = header_text(&reply.headers, "x-rate-limit-reset")?.trim().parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

fn shown(body: &[u8]) -> String {
    shown_text(&String::from_utf8_lossy(body.get(..300).unwrap_or(body)))
}

#[cfg(test)]
mod tests;
