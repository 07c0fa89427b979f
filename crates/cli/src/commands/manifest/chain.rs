//! The chain over a job's events: walked in the ledger, with heads kept on the way.
//!
//! A head every so many events, and one at each manifest, lie in memos, so that the next manifest walks only
//! what is new. They are a convenience and no proof: whoever checks walks from the first event.

use std::borrow::Cow;

use landfall_core::ledger::{EventRow, JobHandle, Ledger};
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::{Code, ErrorKind, StoreError};
use landfall_evidence::chain::{Break, Broken};
use landfall_evidence::{CanonicalEvent, Head, JobIdentity, Link, Sha256};

/// The kind of the memos; the key is the head's seq in 20 digits, so that they sort as numbers.
const KIND: &str = "chain";
/// Events read at a time.
const PAGE: usize = 1000;
/// Events between two heads that are kept: ten memos a million.
const KEPT_EVERY: u64 = 100_000;

/// How a walk over the whole chain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// Every known head lies on it; this is the last.
    Holds(Head),
    /// It breaks; up to `after` a known head lay on it.
    Breaks {
        /// The last known head that lay on it, 0 for none.
        after: u64,
        /// Where and how.
        broken: Broken,
    },
}

/// The head of all events there are, from the newest one that was kept; keeps the new one.
///
/// # Errors
/// Code `LedgerCorrupt` where an event is missing.
pub(super) async fn newest(ledger: &dyn Ledger, job: &JobHandle) -> Result<Head, StoreError> {
    let mut heads = kept(ledger, job).await?;
    let kept = heads.pop();
    let mut head = heads.pop().unwrap_or_else(|| genesis(job));
    if let Some(known) = kept {
        head = reach(ledger, job, head, known).await?;
    }
    loop {
        let events = ledger.events(job.id, number(head.seq), PAGE).await?;
        if events.is_empty() {
            break;
        }
        for event in &events {
            head = head.follow(&canonical(event)).map_err(|broken| corrupt(job, &broken))?;
            if head.seq.is_multiple_of(KEPT_EVERY) {
                keep(ledger, job, &head).await?;
            }
        }
    }
    if kept.is_none_or(|kept| kept.seq < head.seq) {
        keep(ledger, job, &head).await?;
    }
    Ok(head)
}

/// Walks from an earlier head to the newest that was kept: nothing is signed above events that are not there.
///
/// # Errors
/// Code `LedgerCorrupt` where the walk does not come to that head.
async fn reach(
    ledger: &dyn Ledger,
    job: &JobHandle,
    mut head: Head,
    known: Head,
) -> Result<Head, StoreError> {
    while head.seq < known.seq {
        let events = ledger.events(job.id, number(head.seq), PAGE).await?;
        if events.is_empty() {
            let broken = Broken { seq: head.seq.saturating_add(1), why: Break::Missing { known: known.seq } };
            return Err(corrupt(job, &broken));
        }
        for event in events.iter().take_while(|event| u64::try_from(event.seq).is_ok_and(|n| n <= known.seq))
        {
            head = head.follow(&canonical(event)).map_err(|broken| corrupt(job, &broken))?;
        }
    }
    match head.link == known.link {
        true => Ok(head),
        false => Err(corrupt(job, &Broken { seq: head.seq, why: Break::Head })),
    }
}

/// Walks from the first event and looks whether the head given out, and every head that was kept, lies on it.
///
/// # Errors
/// The ledger's own; a chain that breaks is an answer.
pub(super) async fn walk(
    ledger: &dyn Ledger,
    job: &JobHandle,
    given_out: Head,
) -> Result<Walked, StoreError> {
    let mut known = kept(ledger, job).await?;
    known.push(given_out);
    known.sort_unstable_by_key(|head| head.seq);
    let mut due = known.into_iter().peekable();
    let mut head = genesis(job);
    let mut after = 0;
    loop {
        let events = ledger.events(job.id, number(head.seq), PAGE).await?;
        // Before the first event too: a head of no events is the genesis.
        if let Some(broken) = agree(&head, &mut due, &mut after) {
            return Ok(Walked::Breaks { after, broken });
        }
        for event in &events {
            head = match head.follow(&canonical(event)) {
                Ok(head) => head,
                Err(broken) => return Ok(Walked::Breaks { after, broken }),
            };
            if let Some(broken) = agree(&head, &mut due, &mut after) {
                return Ok(Walked::Breaks { after, broken });
            }
        }
        if events.is_empty() {
            break;
        }
    }
    Ok(match due.next() {
        None => Walked::Holds(head),
        Some(known) => {
            let broken = Broken { seq: head.seq.saturating_add(1), why: Break::Missing { known: known.seq } };
            Walked::Breaks { after, broken }
        }
    })
}

/// Compares a head with those that are known for its seq.
fn agree(
    head: &Head,
    due: &mut std::iter::Peekable<impl Iterator<Item = Head>>,
    after: &mut u64,
) -> Option<Broken> {
    while let Some(known) = due.next_if(|known| known.seq == head.seq) {
        if known.link != head.link {
            return Some(Broken { seq: head.seq, why: Break::Head });
        }
        *after = head.seq;
    }
    None
}

/// Every head that was kept, ascending.
async fn kept(ledger: &dyn Ledger, job: &JobHandle) -> Result<Vec<Head>, StoreError> {
    let mut heads = Vec::new();
    let mut after = String::new();
    loop {
        let keys = ledger.memos(job.id, KIND, &after, PAGE).await?;
        let Some(last) = keys.last() else { return Ok(heads) };
        after.clone_from(last);
        for key in keys {
            let text = ledger.memo(&MemoKey::new(job.id, KIND, key.clone())).await?;
            let link = text.as_deref().and_then(Sha256::parse).map(|hex| Link::from_bytes(*hex.bytes()));
            // What cannot be read was not written by this program; the walk goes without it.
            heads.extend(key.parse().ok().zip(link).map(|(seq, link)| Head { seq, link }));
        }
    }
}

async fn keep(ledger: &dyn Ledger, job: &JobHandle, head: &Head) -> Result<(), StoreError> {
    let key = MemoKey::new(job.id, KIND, format!("{:020}", head.seq));
    let value = MemoValue { text: head.link.to_string(), secret: false, expires: None };
    ledger.remember(&key, value).await
}

fn genesis(job: &JobHandle) -> Head {
    Head::genesis(&JobIdentity { name: &job.name, identity: &job.identity })
}

fn canonical(event: &EventRow) -> CanonicalEvent<'_> {
    CanonicalEvent {
        // A ledger counts from 1; what it never wrote is number 0, which is never due.
        seq: u64::try_from(event.seq).unwrap_or_default(),
        file: event.file.0,
        name: Cow::Borrowed(&event.name),
        reason: event.reason.map(|reason| Cow::Borrowed(reason.name())),
        words: Cow::Borrowed(&event.comment),
        after: Cow::Borrowed(event.to.name()),
        at: event.at,
    }
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn corrupt(job: &JobHandle, broken: &Broken) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, "walk the events of", job.name.clone(), broken.to_string())
        .with_code(Code::LedgerCorrupt)
}
