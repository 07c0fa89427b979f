//! The chain of events: each event's link covers the event and the link before it.
//!
//! Whoever changes, removes, inserts or reorders an event must make every later link anew, and then the head
//! is another than the one that a signed manifest carries. The chain alone proves nothing against somebody who
//! may write the whole ledger; a head that was handed out does. Format: `docs/evidence.md`, "Chain".

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::digest::Sha256;

const GENESIS: &[u8] = b"landfall chain genesis 1\n";
const EVENT: &[u8] = b"landfall chain event 1\n";

/// What tells one job from every other, unchanged for as long as the job lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobIdentity<'a> {
    /// The job's name.
    pub name: &'a str,
    /// What the ledger keeps to know the job again: its sources and destination as ids.
    pub identity: &'a str,
}

/// One event as the chain covers it: words, not numbers, so that renumbering tables breaks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalEvent<'a> {
    /// Its number within the job, from 1, without gaps.
    pub seq: u64,
    /// The file it happened to.
    pub file: i64,
    /// Its name: `Proven`.
    pub name: Cow<'a, str>,
    /// The reason code, where it has one.
    pub reason: Option<Cow<'a, str>>,
    /// Its words: a comment, a proof kind, an earlier name.
    pub words: Cow<'a, str>,
    /// The state after it: `SUCCESS`.
    pub after: Cow<'a, str>,
    /// When; what lies below a microsecond does not count, for ledgers do not keep it.
    pub at: Timestamp,
}

/// A SHA-256 that covers one event and, through the link before it, all earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(Sha256);

impl Link {
    /// The link before the first event of a job.
    #[must_use]
    pub fn genesis(job: &JobIdentity<'_>) -> Self {
        let mut hash = sha2::Sha256::new_with_prefix(GENESIS);
        text(&mut hash, job.name);
        text(&mut hash, job.identity);
        Self(Sha256::new(hash.finalize().into()))
    }

    /// The link of the event that follows this one.
    #[must_use]
    pub fn next(&self, event: &CanonicalEvent<'_>) -> Self {
        let mut hash = sha2::Sha256::new_with_prefix(EVENT);
        hash.update(self.0.bytes());
        hash.update(event.seq.to_be_bytes());
        hash.update(event.file.to_be_bytes());
        text(&mut hash, &event.name);
        // One byte tells "no reason" from an empty one.
        match &event.reason {
            None => hash.update([0]),
            Some(reason) => {
                hash.update([1]);
                text(&mut hash, reason);
            }
        }
        text(&mut hash, &event.words);
        text(&mut hash, &event.after);
        hash.update(event.at.as_microsecond().to_be_bytes());
        Self(Sha256::new(hash.finalize().into()))
    }

    /// Takes a link as a ledger keeps it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Sha256::new(bytes))
    }

    /// The 32 bytes for a ledger to keep.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn text(hash: &mut sha2::Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text.as_bytes());
}

/// How far a chain reaches: what a ledger writes in the transaction of its events, and what a manifest carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The number of the last event that is covered; 0 before the first.
    pub seq: u64,
    /// That event's link.
    pub link: Link,
}

impl Head {
    /// The head before the first event.
    #[must_use]
    pub fn genesis(job: &JobIdentity<'_>) -> Self {
        Self { seq: 0, link: Link::genesis(job) }
    }

    /// The head after one more event.
    ///
    /// # Errors
    /// Where the event's number is not the next one; the head stays as it is.
    pub fn follow(&self, event: &CanonicalEvent<'_>) -> Result<Self, Broken> {
        let due = self.seq.saturating_add(1);
        if event.seq != due {
            return Err(Broken { seq: due, why: Break::Number { found: event.seq } });
        }
        Ok(Self { seq: due, link: self.link.next(event) })
    }
}

/// One event as a ledger holds it, with its link where the ledger kept one.
#[derive(Clone, Debug)]
pub struct Recorded<'a> {
    /// The event.
    pub event: CanonicalEvent<'a>,
    /// The link that was written with it.
    pub link: Option<Link>,
}

/// Where a chain breaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chain of events breaks at event {seq}: {why}")]
pub struct Broken {
    /// The number of the first event that does not hold.
    pub seq: u64,
    /// In what way.
    pub why: Break,
}

/// In what way a chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// Another number stands where this one is due: an event is missing, doubled or out of order.
    #[error("event {found} stands in its place: one is missing, doubled or out of order")]
    Number {
        /// The number that stands there.
        found: u64,
    },
    /// The event does not give the link that was written with it.
    #[error(
        "the event is not the one that was recorded, or an earlier one without a link of its own was changed"
    )]
    Event,
    /// The chain holds within itself, but a head that is known from elsewhere is not on it.
    #[error(
        "the head known from elsewhere is not on this chain: it was made anew after that head was given out"
    )]
    Head,
    /// A head is known for a later event than there is.
    #[error(
        "the events end before it, and a head known from elsewhere covers {known}: the last ones are missing"
    )]
    Missing {
        /// The event that the known head covers.
        known: u64,
    },
}

/// Walks a chain and says how far it reaches, or where it breaks first.
///
/// `known` are heads from outside the ledger (signed manifests) or its own stored head, in any order. Where no
/// event has a link of its own, a changed event shows only at the next known head.
///
/// # Errors
/// With the number of the first event that does not hold.
pub fn verify<'a>(
    start: Head,
    events: impl IntoIterator<Item = Recorded<'a>>,
    known: &[Head],
) -> Result<Head, Broken> {
    let mut known = known.to_vec();
    known.sort_unstable_by_key(|head| head.seq);
    let mut due = known.into_iter().peekable();
    let mut head = start;
    // A head that lies before the start cannot be judged from here.
    while due.next_if(|known| known.seq < start.seq).is_some() {}
    agree(&head, &mut due)?;
    for recorded in events {
        head = head.follow(&recorded.event)?;
        if recorded.link.is_some_and(|link| link != head.link) {
            return Err(Broken { seq: head.seq, why: Break::Event });
        }
        agree(&head, &mut due)?;
    }
    match due.next() {
        None => Ok(head),
        Some(known) => {
            Err(Broken { seq: head.seq.saturating_add(1), why: Break::Missing { known: known.seq } })
        }
    }
}

fn agree(head: &Head, due: &mut std::iter::Peekable<impl Iterator<Item = Head>>) -> Result<(), Broken> {
    while let Some(known) = due.next_if(|known| known.seq == head.seq) {
        if known.link != head.link {
            return Err(Broken { seq: head.seq, why: Break::Head });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
