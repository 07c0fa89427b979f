//! Twenty download addresses in one request.
//!
//! Owns the `$batch` envelope and the repetition of those parts alone that were throttled or failed.
//! Each part is priced by itself. Reference: reference/graph.md, section 10.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use landfall_core::StoreError;
use landfall_core::pacing::Verdict;
use landfall_core::store::{Entry, Opening};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::place::{Place, source_refused, unexpected};
use super::units;
use crate::wire::{Answer, Call, Refusal, backoff, retry_after};

/// Most requests in one batch. Source: learn.microsoft.com/graph/json-batching, read 2026-11.
pub(crate) const MOST: usize = 20;

/// How often parts that failed are sent again.
const ROUNDS: u32 = 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    responses: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    id: Value,
    status: u16,
    headers: Map<String, Value>,
    body: Value,
}

impl Part {
    /// The part as an answer of its own.
    fn answer(&self) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&text)) {
                headers.insert(name, value);
            }
        }
        let body = if self.body.is_null() { Bytes::new() } else { Bytes::from(self.body.to_string()) };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer { status, headers, body }
    }

    fn index(&self) -> Option<usize> {
        self.id.as_str().and_then(|id| id.parse().ok()).or_else(|| self.id.as_u64()?.try_into().ok())
    }
}

/// What the lane learns from a batch: a throttled part holds it as a throttled request would.
fn judge(answer: &Answer) -> Verdict {
    if answer.status != StatusCode::OK {
        return answer.verdict();
    }
    let reply: Reply = answer.json().unwrap_or_default();
    let pauses: Vec<Option<Duration>> = reply
        .responses
        .iter()
        .filter(|part| matches!(part.status, 429 | 503 | 509))
        .map(|part| retry_after(&part.answer().headers))
        .collect();
    if pauses.is_empty() {
        return Verdict::Fine;
    }
    Verdict::Throttled { retry_after: pauses.into_iter().flatten().max() }
}

/// What one part says.
enum Said {
    At(String),
    Refused(StoreError),
    Again(StoreError),
}

fn read(part: &Part, subject: &str) -> Said {
    let answer = part.answer();
    match (part.status, answer.header("location")) {
        (301 | 302 | 307 | 308, Some(location)) => Said::At(location.to_owned()),
        (408 | 424 | 429 | 500..=599, _) | (0..=199, _) => {
            Said::Again(Refusal::of(&answer).error("open", subject))
        }
        (200..=399, _) => Said::Again(unexpected("open", subject, "the answer names no download address")),
        _ => Said::Refused(source_refused(&Refusal::of(&answer), subject)),
    }
}

/// An error once more for another file: what lies beneath it stays with the first.
fn copy_of(error: &StoreError, subject: &str) -> StoreError {
    StoreError { subject: subject.to_owned(), source: None, detail: error.detail.clone(), ..*error }
}

impl Place {
    /// Gets download addresses of any number of entries, one result each, in order.
    pub(crate) async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        let mut openings = Vec::with_capacity(entries.len());
        for chunk in entries.chunks(MOST) {
            openings.extend(self.prepare_chunk(chunk).await);
        }
        openings
    }

    async fn prepare_chunk(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        let mut done: BTreeMap<usize, Result<Opening, StoreError>> = BTreeMap::new();
        for round in 1..=ROUNDS {
            let open: Vec<(usize, &Entry)> =
                entries.iter().enumerate().filter(|(at, _)| !matches!(done.get(at), Some(Ok(_)))).collect();
            let open: Vec<(usize, &Entry)> = open
                .into_iter()
                .filter(|(at, _)| !matches!(done.get(at), Some(Err(error)) if error.retry == landfall_core::Retry::Never))
                .collect();
            if open.is_empty() {
                break;
            }
            if round > 1 {
                // A throttled lane waits by itself; this pause is for parts that failed otherwise.
                tokio::time::sleep(backoff(self.wire.chance(), round - 1)).await;
            }
            match self.ask(&open).await {
                Ok(said) => done.extend(said),
                Err(error) => {
                    done.extend(open.iter().map(|(at, entry)| (*at, Err(copy_of(&error, &entry.name)))));
                    break;
                }
            }
        }
        entries
            .iter()
            .enumerate()
            .map(|(at, entry)| {
                done.remove(&at).unwrap_or_else(|| Err(unexpected("open", &entry.name, "the batch left it out")))
            })
            .collect()
    }

    /// Sends one batch and reads what it says of each entry.
    async fn ask(&self, open: &[(usize, &Entry)]) -> Result<BTreeMap<usize, Result<Opening, StoreError>>, StoreError> {
        let requests: Vec<Value> = open
            .iter()
            .map(|(at, entry)| {
                let url = self.address.batched_content(entry.key.as_str());
                json!({"id": at.to_string(), "method": "GET", "url": url})
            })
            .collect();
        let count = open.len() as u64;
        let call = Call::new(Method::POST, self.address.batch(), "open", &self.label)
            .cost(units(count))
            .batch(count, judge)
            .json(&json!({ "requests": requests }));
        let answer = self.wire.send(&call).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of(&answer).error("open", &self.label));
        }
        let reply: Reply =
            answer.json().ok_or_else(|| unexpected("open", &self.label, "the answer is no batch"))?;
        let parts: BTreeMap<usize, &Part> =
            reply.responses.iter().filter_map(|part| Some((part.index()?, part))).collect();
        let said = open.iter().map(|(at, entry)| {
            let said = match parts.get(at) {
                Some(part) => read(part, &entry.name),
                None => Said::Again(unexpected("open", &entry.name, "the batch left it out")),
            };
            let result = match said {
                Said::At(token) => Ok(Opening { token, entry: None }),
                Said::Refused(error) => Err(error.with_retry(landfall_core::Retry::Never)),
                Said::Again(error) => Err(error.with_retry(landfall_core::Retry::Soon)),
            };
            (*at, result)
        });
        Ok(said.collect())
    }
}
