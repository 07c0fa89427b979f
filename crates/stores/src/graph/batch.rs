//! Twenty small requests in one: download addresses, times of folders, questions about items.
//!
//! Owns the `$batch` envelope and the repetition of those parts alone that were throttled or failed.
//! Each part is priced by itself. Reference: reference/graph.md, section 10.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use landfall_core::pacing::Verdict;
use landfall_core::store::{Entry, Opening};
use landfall_core::words::ItemKey;
use landfall_core::{Retry, StoreError, Times};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::destination::write_refused;
use super::item::file_system_info;
use super::place::{Place, source_refused, unexpected};
use super::units;
use crate::wire::{Answer, Call, Refusal, retry_after};

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

/// One request of a batch: what it is about, and itself without its id.
pub(crate) struct Inner {
    pub(crate) subject: String,
    pub(crate) request: Map<String, Value>,
}

/// What one part says.
pub(super) enum Said<T> {
    Done(T),
    Refused(StoreError),
    Again(StoreError),
}

pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 0..=199 | 408 | 424 | 429 | 500..=599)
}

fn read_opening(answer: &Answer, subject: &str) -> Said<Opening> {
    match (answer.status.as_u16(), answer.header("location")) {
        (301 | 302 | 307 | 308, Some(location)) => {
            Said::Done(Opening { token: location.to_owned(), entry: None })
        }
        (status, _) if is_passing(status) => Said::Again(Refusal::of(answer).error("open", subject)),
        (200..=399, _) => Said::Again(unexpected("open", subject, "the answer names no download address")),
        _ => Said::Refused(source_refused(&Refusal::of(answer), subject)),
    }
}

fn read_change(answer: &Answer, subject: &str) -> Said<()> {
    let error = || write_refused(&Refusal::of(answer), "set times of", subject);
    match answer.status.as_u16() {
        200..=299 => Said::Done(()),
        // What was made a moment ago may not be known everywhere yet.
        404 => Said::Again(error()),
        status if is_passing(status) => Said::Again(error()),
        _ => Said::Refused(error()),
    }
}

/// An error once more for another file: what lies beneath it stays with the first.
fn copy_of(error: &StoreError, subject: &str) -> StoreError {
    StoreError { subject: subject.to_owned(), source: None, detail: error.detail.clone(), ..*error }
}

impl Place {
    /// Gets download addresses of any number of entries, one result each, in order.
    pub(crate) async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        let parts: Vec<Inner> = entries
            .iter()
            .map(|entry| {
                let url = self.address.batched_item(entry.key.as_str());
                let request = [("method", json!("GET")), ("url", json!(format!("{url}/content")))];
                Inner {
                    subject: entry.name.clone(),
                    request: request.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                }
            })
            .collect();
        self.batch("open", &parts, 1, read_opening).await
    }

    /// Sets the times of any number of folders, one result each, in order.
    pub(crate) async fn patch_times(&self, folders: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>> {
        let parts: Vec<Inner> = folders
            .iter()
            .map(|(folder, times)| {
                let request = [
                    ("method", json!("PATCH")),
                    ("url", json!(self.address.batched_item(folder.as_str()))),
                    ("headers", json!({"Content-Type": "application/json"})),
                    (
                        "body",
                        json!({"fileSystemInfo": file_system_info(*times).unwrap_or_else(|| json!({}))}),
                    ),
                ];
                Inner {
                    subject: format!("folder {folder}"),
                    request: request.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                }
            })
            .collect();
        self.batch("set times of", &parts, 2, read_change).await
    }

    /// Sends any number of requests by twenties. Each may be repeated without harm.
    pub(super) async fn batch<T: Send>(
        &self,
        operation: &'static str,
        parts: &[Inner],
        price: u64,
        read: fn(&Answer, &str) -> Said<T>,
    ) -> Vec<Result<T, StoreError>> {
        let mut results = Vec::with_capacity(parts.len());
        for chunk in parts.chunks(MOST) {
            results.extend(self.batch_of_twenty(operation, chunk, price, read).await);
        }
        results
    }

    async fn batch_of_twenty<T: Send>(
        &self,
        operation: &'static str,
        parts: &[Inner],
        price: u64,
        read: fn(&Answer, &str) -> Said<T>,
    ) -> Vec<Result<T, StoreError>> {
        let mut results: BTreeMap<usize, Result<T, StoreError>> = BTreeMap::new();
        let mut open: Vec<usize> = (0..parts.len()).collect();
        for round in 1..=ROUNDS {
            if open.is_empty() {
                break;
            }
            if round > 1 {
                // A throttled lane waits by itself; this pause is for parts that failed otherwise.
                self.wire.pause(round - 1).await;
            }
            let answers = match self.ask(operation, parts, &open, price).await {
                Ok(answers) => answers,
                Err(error) => {
                    let copies = open
                        .iter()
                        .filter_map(|at| Some((*at, Err(copy_of(&error, &parts.get(*at)?.subject)))));
                    results.extend(copies);
                    break;
                }
            };
            let mut again = Vec::new();
            for at in open {
                let subject = parts.get(at).map_or("", |part| &part.subject);
                let said = match answers.get(&at) {
                    Some(answer) => read(answer, subject),
                    None => Said::Again(unexpected(operation, subject, "the batch left it out")),
                };
                let result = match said {
                    Said::Done(done) => Ok(done),
                    Said::Refused(error) => Err(error),
                    Said::Again(error) => {
                        again.push(at);
                        Err(error.with_retry(Retry::Soon))
                    }
                };
                results.insert(at, result);
            }
            open = again;
        }
        results.into_values().collect()
    }

    /// Sends one batch and gives the answers by the place of their requests.
    async fn ask(
        &self,
        operation: &'static str,
        parts: &[Inner],
        open: &[usize],
        price: u64,
    ) -> Result<BTreeMap<usize, Answer>, StoreError> {
        let requests = open.iter().filter_map(|at| {
            let mut request = parts.get(*at)?.request.clone();
            request.insert("id".into(), at.to_string().into());
            Some(Value::Object(request))
        });
        let requests: Vec<Value> = requests.collect();
        let count = open.len() as u64;
        let call = Call::new(Method::POST, self.address.batch(), operation, &self.label)
            .cost(units(count * price))
            .batch(count, judge)
            .json(&json!({ "requests": requests }));
        let answer = self.wire.send(&call).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of(&answer).error(operation, &self.label));
        }
        let reply: Reply =
            answer.json().ok_or_else(|| unexpected(operation, &self.label, "the answer is no batch"))?;
        Ok(reply.responses.iter().filter_map(|part| Some((part.index()?, part.answer()))).collect())
    }
}

#[cfg(test)]
mod tests;
