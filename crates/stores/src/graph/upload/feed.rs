//! Sending content into an open session, fragment by fragment.
//!
//! Owns the position: after every doubt the service is asked where it stands, and the content follows.
//! Refuses to decide what a vanished session means.

use bytes::{Bytes, BytesMut};
use http::{Method, header};
use landfall_core::state::Reason;
use landfall_core::{ErrorKind, Retry, StoreError};

use super::super::destination::write_refused;
use super::super::place::unexpected;
use super::super::units;
use super::{Job, OPERATION, SessionBody, Upload};
use crate::wire::{Answer, Call, Refusal};

/// Doubts in a row about one fragment before the upload is left for another time, its session kept.
const DOUBTS: u32 = 10;

/// How often the service may send an upload back to an earlier byte.
const STEPS_BACK: u32 = 8;

/// How a session ended.
pub(super) enum Fed {
    /// With an answer of success to the last fragment.
    Committed(Answer),
    /// The service does not know it any more.
    Vanished,
    /// Somebody else took the name meanwhile.
    NameTaken,
}

/// Where a session stands.
pub(super) enum Progress {
    At(u64),
    Gone,
}

/// How one fragment ended.
enum Sent {
    Next(u64),
    End(Fed),
}

/// What one answer to a fragment says.
enum Said {
    Next(u64),
    End(Fed),
    /// The service has to be asked where it stands.
    Doubt(StoreError),
}

impl Upload<'_, '_> {
    /// Sends everything from an offset on.
    pub(super) async fn feed(&mut self, url: &str, from: u64) -> Result<Fed, StoreError> {
        let mut start = from;
        let mut back = 0;
        while start < self.job.size {
            self.go_to(start).await?;
            let fragment = match self.fragment(start).await {
                Ok(fragment) => fragment,
                Err(error) => return Err(self.job.give_up(url, error).await),
            };
            let end = start + fragment.len() as u64;
            match self.send(url, start, fragment).await? {
                Sent::End(fed) => return Ok(fed),
                Sent::Next(next) => {
                    if next == end {
                        self.content.confirmed(end).await?;
                    } else {
                        back += 1;
                    }
                    if back > STEPS_BACK {
                        let detail = "the service goes back to earlier bytes again and again";
                        return Err(self.job.error(ErrorKind::Interrupted, detail).with_retry(Retry::Soon));
                    }
                    start = next;
                }
            }
        }
        // Everything was taken and no item came: the look-up tells.
        Ok(Fed::Vanished)
    }

    /// Brings the content to an offset.
    async fn go_to(&mut self, offset: u64) -> Result<(), StoreError> {
        if offset == self.at {
            return Ok(());
        }
        self.content.seek(offset).await?;
        self.rest = Bytes::new();
        self.at = offset;
        // The hash covers what was read in order from the beginning and nothing else.
        self.hash = (offset == 0).then(landfall_core::digest::QuickXor::default);
        Ok(())
    }

    /// Reads the fragment at an offset; after the last byte the content is judged.
    async fn fragment(&mut self, start: u64) -> Result<Bytes, StoreError> {
        let want = (self.job.size - start).min(self.job.to.caps_fragment());
        let want = usize::try_from(want).unwrap_or(usize::MAX);
        let mut fragment = BytesMut::with_capacity(want);
        while fragment.len() < want {
            if self.rest.is_empty() {
                let Some(piece) = self.content.next().await? else {
                    let have = start + fragment.len() as u64;
                    return Err(self.changed(format!("it ended after {have} of {} bytes", self.job.size)));
                };
                self.rest = piece;
            }
            let take = self.rest.len().min(want - fragment.len());
            fragment.extend_from_slice(&self.rest.split_to(take));
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&fragment);
        }
        self.at = start + fragment.len() as u64;
        if self.at == self.job.size {
            if !self.rest.is_empty() {
                return Err(self.changed(format!("it has more than {} bytes", self.job.size)));
            }
            self.content.finish().await?;
        }
        Ok(fragment.freeze())
    }

    fn changed(&self, detail: String) -> StoreError {
        self.job.error(ErrorKind::Changed, detail).with_reason(Reason::SourceChanged)
    }

    /// Sends one fragment until the service stands at another offset, or the session has ended.
    async fn send(&mut self, url: &str, start: u64, fragment: Bytes) -> Result<Sent, StoreError> {
        let end = start + fragment.len() as u64;
        let mut from = start;
        for doubts in 1..=DOUBTS {
            let skip = usize::try_from(from - start).unwrap_or(usize::MAX);
            let piece = fragment.slice(skip.min(fragment.len())..);
            self.whole_sent |= end == self.job.size;
            let error = match self.job.try_fragment(url, from, piece).await? {
                Said::End(fed) => return Ok(Sent::End(fed)),
                Said::Next(next) if next <= from || next > end => {
                    unexpected(OPERATION, self.job.subject(), "the service did not take a fragment")
                }
                Said::Next(next) if next == end => return Ok(Sent::Next(end)),
                Said::Next(next) => {
                    from = next;
                    continue;
                }
                Said::Doubt(error) => error,
            };
            if doubts == DOUBTS {
                return Err(error.with_retry(Retry::Soon));
            }
            tracing::debug!(file = %self.job.subject(), problem = %error.detail, "asking the session where it stands");
            self.job.to.pause(doubts).await;
            match self.job.progress(url).await? {
                Progress::Gone => return Ok(Sent::End(Fed::Vanished)),
                Progress::At(next) if (start..end).contains(&next) => from = next,
                Progress::At(next) => return Ok(Sent::Next(next)),
            }
        }
        Err(unexpected(OPERATION, self.job.subject(), "the service did not take a fragment"))
    }
}

impl Job<'_> {
    /// Closes the session because of the content. Where even that fails, the memo stays for `abandon`.
    async fn give_up(&self, url: &str, error: StoreError) -> StoreError {
        let bad_content = matches!(error.kind, ErrorKind::Changed | ErrorKind::Corrupt | ErrorKind::NotFound);
        if bad_content && let Err(second) = self.discard(url).await {
            tracing::debug!(problem = %second.chain(), "a session could not be closed");
        }
        error
    }

    async fn try_fragment(&self, url: &str, from: u64, piece: Bytes) -> Result<Said, StoreError> {
        let last = from + piece.len() as u64 == self.size;
        let range = format!("bytes {from}-{}/{}", from + piece.len() as u64 - 1, self.size);
        let call = Call::new(Method::PUT, url, OPERATION, self.subject())
            // Unverified: whether fragments are charged, and how much.
            .cost(units(2))
            .pre_authenticated()
            .once()
            .header(header::CONTENT_RANGE, &range)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .bytes(piece);
        let answer = match self.to.place.wire.send(&call).await {
            Ok(answer) => answer,
            Err(error) if error.code.is_none() => return Ok(Said::Doubt(error)),
            Err(error) => return Err(error),
        };
        match answer.status.as_u16() {
            200 | 201 => return Ok(Said::End(Fed::Committed(answer))),
            202 => {
                let next = answer.json::<SessionBody>().and_then(|body| body.next());
                return Ok(next.filter(|_| !last).map_or_else(
                    || {
                        Said::Doubt(unexpected(
                            OPERATION,
                            self.subject(),
                            "the service does not say where it stands",
                        ))
                    },
                    Said::Next,
                ));
            }
            _ => {}
        }
        let refusal = Refusal::of(&answer);
        let error = write_refused(&refusal, OPERATION, self.subject());
        match (refusal.status.as_u16(), error.kind) {
            (_, ErrorKind::Full | ErrorKind::Locked) => Err(error),
            (409, _) if last => Ok(Said::End(Fed::NameTaken)),
            (401 | 404 | 408 | 409 | 410 | 416 | 429 | 500..=599, _) => Ok(Said::Doubt(error)),
            // An expired session may say 403; one that still stands has been refused for good.
            (403, _) => match self.progress(url).await? {
                Progress::Gone => Ok(Said::End(Fed::Vanished)),
                Progress::At(_) => Err(self.refuse(url, error).await),
            },
            _ => Err(self.refuse(url, error).await),
        }
    }

    /// A refusal for good: nothing may be left of the session.
    async fn refuse(&self, url: &str, error: StoreError) -> StoreError {
        if let Err(second) = self.discard(url).await {
            tracing::debug!(problem = %second.chain(), "a session could not be closed");
        }
        error
    }

    /// Asks a session where it stands.
    pub(super) async fn progress(&self, url: &str) -> Result<Progress, StoreError> {
        let call = Call::get(url, OPERATION, self.subject()).cost(units(1)).pre_authenticated();
        let answer = self.to.place.wire.send(&call).await?;
        match answer.status.as_u16() {
            200 => {
                let body: SessionBody = answer.json().ok_or_else(|| {
                    unexpected(OPERATION, self.subject(), "the session does not say where it stands")
                })?;
                // Nothing expected: everything is there, or will be.
                Ok(Progress::At(body.next().unwrap_or(self.size).min(self.size)))
            }
            401 | 403 | 404 | 410 => Ok(Progress::Gone),
            _ => Err(write_refused(&Refusal::of(&answer), OPERATION, self.subject())),
        }
    }
}
