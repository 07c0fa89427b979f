//! The bytes of one file on their way: read from the source or the spool, hashed in passing, judged
//! against the source's own digest before the last of them is sent.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::digest::{Digests, Hasher};
use crate::engine::Engine;
use crate::error::{ErrorKind, Look, StoreError};
use crate::memo::{MemoKey, MemoValue};
use crate::proof::{Evidence, SourceLeg};
use crate::state::Reason;
use crate::store::{Content, Entry, Opening, Source};
use crate::transport::Body;
use crate::words::{ByteSize, FileId};

/// Largest piece handed on at once.
const PIECE: usize = 512 << 10;
/// A body that breaks off is opened again this often before the file's try counts as failed.
const REOPENINGS: u32 = 5;
/// A file larger than this is left at its next fragment when somebody asks to stop; smaller ones end.
const STOPS_WITHIN: u64 = 64 << 20;

/// Where the bytes come from.
pub(super) enum Feed {
    /// A source, opened by a prepared key.
    Source {
        /// The place.
        source: Arc<dyn Source>,
        /// The file as it was listed.
        entry: Box<Entry>,
        /// The key to its bytes.
        opening: Box<Opening>,
    },
    /// The spool, with what is known of the bytes there.
    Spool {
        /// The row's number, by which the spool names it.
        file: FileId,
        /// Its digests when it was spooled.
        digests: Digests,
        /// What the source's evidence said then.
        leg: Option<SourceLeg>,
    },
}

/// One file's content, for one upload.
pub(super) struct FileContent {
    engine: Engine,
    feed: Feed,
    name: String,
    size: ByteSize,
    memo: MemoKey,
    body: Option<Body>,
    rest: Bytes,
    hasher: Hasher,
    leg: Option<SourceLeg>,
    reopened: u32,
}

impl FileContent {
    pub(super) fn new(engine: &Engine, feed: Feed, name: &str, size: ByteSize, memo: MemoKey) -> Self {
        Self {
            engine: engine.clone(),
            feed,
            name: name.to_owned(),
            size,
            memo,
            body: None,
            rest: Bytes::new(),
            hasher: Hasher::new(),
            leg: None,
            reopened: 0,
        }
    }

    /// What was read, once all of it was.
    pub(super) fn read(&self) -> Option<Evidence> {
        (self.hasher.len() == self.size.0)
            .then(|| Evidence { size: self.size, digests: self.hasher.digests() })
    }

    /// What the source's evidence says of what was read, once it was judged.
    pub(super) fn leg(&self) -> Option<SourceLeg> {
        self.leg
    }

    fn at(&self) -> u64 {
        self.hasher.len()
    }

    async fn open(&mut self) -> Result<Body, StoreError> {
        let at = self.at();
        match &self.feed {
            Feed::Source { source, entry, opening } => source.open(entry, opening, at).await,
            Feed::Spool { file, .. } => self.engine.spool.read(*file, at).await,
        }
    }

    /// The next piece as it arrives, hashed; `None` where the body ends, early or not.
    async fn pull(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.size.0 > STOPS_WITHIN {
            self.engine.go_on(&self.name)?;
        }
        if !self.rest.is_empty() {
            let piece = self.rest.split_to(self.rest.len().min(PIECE));
            self.hasher.update(&piece);
            return Ok(Some(piece));
        }
        if self.body.is_none() {
            self.body = Some(self.open().await?);
        }
        let Some(body) = &mut self.body else { return Ok(None) };
        match body.next().await {
            None => Ok(None),
            Some(Ok(bytes)) => {
                self.engine.meter.bytes(bytes.len());
                self.rest = bytes;
                let piece = self.rest.split_to(self.rest.len().min(PIECE));
                self.hasher.update(&piece);
                Ok(Some(piece))
            }
            Some(Err(error)) => {
                self.body = None;
                self.reopen("the connection broke off").await.map_err(|e| e.with_source(error))?;
                Ok(Some(Bytes::new()))
            }
        }
    }

    /// Waits a little before the body is opened again where it broke off.
    async fn reopen(&mut self, why: &str) -> Result<(), StoreError> {
        self.body = None;
        self.reopened += 1;
        if self.reopened > REOPENINGS {
            let detail = format!("{why} at byte {} of {}", self.at(), self.size.0);
            return Err(StoreError::new(ErrorKind::Interrupted, "read", &self.name, detail)
                .with_reason(Reason::Interrupted));
        }
        let pause = Duration::from_millis(200) * 2_u32.pow(self.reopened);
        tokio::time::sleep(self.engine.chance.jitter(pause)).await;
        Ok(())
    }

    fn mismatch(&self, detail: String) -> StoreError {
        StoreError::new(ErrorKind::Corrupt, "read", &self.name, detail).with_reason(Reason::SourceMismatch)
    }

    /// The bytes in the spool must still be those that were put there.
    fn judge_spool(&mut self, digests: &Digests, leg: Option<SourceLeg>) -> Result<(), StoreError> {
        if self.hasher.digests() != *digests {
            return Err(StoreError::new(
                ErrorKind::Corrupt,
                "read",
                &self.name,
                "the spool file is not what was put there",
            )
            .with_reason(Reason::SpoolFailed));
        }
        self.leg = leg;
        Ok(())
    }
}

/// Judges bytes that were read from a source against what it publishes, looking again where they differ.
///
/// # Errors
/// `Changed` where the source's file is another one by now, `Corrupt` where it still says the same.
pub(super) async fn judge_source(
    source: &dyn Source,
    entry: &Entry,
    read: &Evidence,
) -> Result<SourceLeg, StoreError> {
    let published = Evidence { size: entry.size, digests: entry.digests.clone() };
    let leg = SourceLeg::judge(&published, read);
    if leg == Some(SourceLeg::Matched) {
        return Ok(SourceLeg::Matched);
    }
    let changed = |detail: &str| {
        StoreError::new(ErrorKind::Changed, "read", &entry.name, detail).with_reason(Reason::SourceChanged)
    };
    match source.look(entry).await {
        Look::Present(now) if now.size != entry.size || now.digests != entry.digests => {
            // A hash that was late and is there now decides by itself.
            let late = entry.digests.is_empty() && now.size == entry.size;
            let now = Evidence { size: now.size, digests: now.digests };
            match SourceLeg::judge(&now, read) {
                Some(SourceLeg::Matched) if late => Ok(SourceLeg::Matched),
                _ => Err(changed("the source's file changed while it was read")),
            }
        }
        Look::Present(now) if leg.is_some() && now.revision != entry.revision => {
            Err(changed("the source's file changed while it was read"))
        }
        Look::Present(_) => leg.ok_or_else(|| {
            let detail = format!("{} bytes were read and are not what the source's digest says", read.size.0);
            StoreError::new(ErrorKind::Corrupt, "read", &entry.name, detail)
                .with_reason(Reason::SourceMismatch)
        }),
        Look::Absent => {
            Err(StoreError::new(ErrorKind::NotFound, "read", &entry.name, "it is no longer at the source")
                .with_reason(Reason::SourceGone))
        }
        Look::Unknown(error) => Err(error),
    }
}

#[async_trait]
impl Content for FileContent {
    fn size(&self) -> ByteSize {
        self.size
    }

    async fn seek(&mut self, to: u64) -> Result<(), StoreError> {
        if to == self.at() {
            return Ok(());
        }
        self.rest = Bytes::new();
        self.body = None;
        self.leg = None;
        let saved = self.engine.ledger.memo(&self.memo).await?.and_then(|text| Hasher::load(&text));
        let begin = Hasher::new();
        let now = std::mem::take(&mut self.hasher);
        // The furthest state that does not lie beyond the target; reading on from there reaches it.
        let best = [Some(begin), saved, Some(now)].into_iter().flatten().filter(|h| h.len() <= to);
        self.hasher = best.max_by_key(Hasher::len).unwrap_or_default();
        while self.at() < to {
            let missing = usize::try_from(to - self.at()).unwrap_or(usize::MAX);
            if self.rest.len() > missing {
                let piece = self.rest.split_to(missing);
                self.hasher.update(&piece);
                break;
            }
            if !self.rest.is_empty() {
                let piece = std::mem::take(&mut self.rest);
                self.hasher.update(&piece);
                continue;
            }
            if self.body.is_none() {
                self.body = Some(self.open().await?);
            }
            let Some(body) = &mut self.body else { break };
            match body.next().await {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(_)) | None => self.reopen("the body ended").await?,
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            if self.at() >= self.size.0 {
                return Ok(None);
            }
            let before = self.at();
            match self.pull().await? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) if before + piece.len() as u64 > self.size.0 => {
                    return Err(
                        self.mismatch(format!("the source gives more than its {} bytes", self.size.0))
                    );
                }
                Some(piece) => return Ok(Some(piece)),
                None => {
                    let at = self.at();
                    self.reopen("the body ended").await.map_err(|_| {
                        self.mismatch(format!("the source gives {at} bytes where {} are listed", self.size.0))
                    })?;
                }
            }
        }
    }

    async fn confirmed(&mut self, offset: u64) -> Result<(), StoreError> {
        if offset == self.at() && offset < self.size.0 {
            let value = MemoValue { text: self.hasher.save(), secret: false, expires: None };
            self.engine.ledger.remember(&self.memo, value).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        if self.leg.is_some() {
            return Ok(());
        }
        // One more read shows whether the source has more to give than it listed.
        if self.size.0 > 0 && self.body.is_some() {
            let surplus = match self.rest.is_empty() {
                false => true,
                true => match &mut self.body {
                    Some(body) => matches!(body.next().await, Some(Ok(more)) if !more.is_empty()),
                    None => false,
                },
            };
            if surplus {
                return Err(self.mismatch(format!("the source gives more than its {} bytes", self.size.0)));
            }
        }
        let Some(read) = self.read() else {
            return Err(self.mismatch(format!("{} of {} bytes were read", self.at(), self.size.0)));
        };
        match &self.feed {
            Feed::Source { source, entry, .. } => {
                self.leg = Some(judge_source(source.as_ref(), entry, &read).await?);
                Ok(())
            }
            Feed::Spool { digests, leg, .. } => {
                let (digests, leg) = (digests.clone(), *leg);
                self.judge_spool(&digests, leg)
            }
        }
    }
}
