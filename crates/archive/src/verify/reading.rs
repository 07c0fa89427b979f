//! Reading objects back: the bytes that come against the hash that is published, and whether the seal opens them.
//!
//! Those that were read longest ago come first, so that a nightly share comes to all of them in time. What an earlier
//! reading found wrong stays a finding until a reading shows it right, whatever hash is published meanwhile.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use landfall_core::ledger::{Answer, LookFilter, Looked};
use landfall_core::proof::Sense;
use landfall_core::words::ItemKey;
use landfall_core::{Digest, ErrorKind, Hasher, StoreError};

use super::judge::PROOFS_AT_ONCE;
use super::{Judged, Verdict, VerifyOptions};
use crate::Archive;
use crate::claim::{Name, Place, name_of};
use crate::finding::Finding;
use crate::report::Detail;

/// Looks read from the ledger at a time.
const LOOKS: usize = 1000;
/// Bytes hashed and opened at a time.
const PIECE: usize = 512 << 10;

/// What a verify that read objects back amounts to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadBack {
    /// Objects whose bytes are right.
    pub(super) read: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Objects that could not be read now.
    pub(super) unread: u64,
}

/// One object read to its end.
pub(super) struct Whole {
    /// SHA-256 of the bytes that came, hex.
    pub(super) sha256: Option<String>,
    pub(super) bytes: u64,
    /// Every block opens with the job's key.
    pub(super) genuine: bool,
}

/// What reading one object showed.
enum Read {
    Right(u64),
    Wrong(String),
    Unknown(String),
}

impl Archive {
    /// Reads back as many of the objects that this verify has met as were asked for, and keeps what it saw.
    pub(super) async fn read_back(
        &self,
        options: &VerifyOptions,
        started: Timestamp,
        back: &mut ReadBack,
    ) -> Result<(), StoreError> {
        let mut due = self.due(started).await?;
        due.sort();
        let most = usize::try_from(options.sample.of(due.len() as u64)).unwrap_or(usize::MAX);
        due.truncate(most);
        let reads = due.into_iter().map(|(_, subject)| self.read_look(subject));
        let mut reads = stream::iter(reads).buffer_unordered(PROOFS_AT_ONCE);
        while let Some(read) = reads.next().await {
            match read? {
                Some(Read::Right(bytes)) => {
                    back.read += 1;
                    back.bytes += bytes;
                }
                Some(Read::Unknown(_)) => back.unread += 1,
                Some(Read::Wrong(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Objects that this verify has met and that can be read, with the time of their last reading.
    async fn due(&self, started: Timestamp) -> Result<Vec<(Option<Timestamp>, String)>, StoreError> {
        let (mut due, mut after) = (Vec::new(), String::new());
        loop {
            let looks =
                self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), &after, LOOKS).await?;
            let Some(last) = looks.last() else { return Ok(due) };
            after.clone_from(&last.subject);
            for look in looks.into_iter().filter(|look| look.at >= started) {
                let detail = Detail::of(&look);
                let sound = look.finding.is_none() || detail.misread.is_some();
                if look.answer == Answer::Present && detail.sha256.is_some() && sound {
                    due.push((detail.read, look.subject));
                }
            }
        }
    }

    /// Reads the object of one look and keeps what it showed; `None` where the look is gone meanwhile.
    async fn read_look(&self, subject: String) -> Result<Option<Read>, StoreError> {
        self.engine.go_on("verify")?;
        let Some(look) = self.engine.ledger.look(self.job.handle.id, &subject).await? else {
            return Ok(None);
        };
        let mut detail = Detail::of(&look);
        let Some(place) = self.shelves.parse(&detail.url) else { return Ok(None) };
        let read = self.read_object(&place, detail.sha256.as_deref()).await?;
        let at = self.engine.clock.now();
        let finding = match &read {
            Read::Right(_) => detail.is_read(at),
            Read::Wrong(words) => {
                detail.misread.clone_from(&detail.sha256);
                detail.words.clone_from(words);
                detail.settled = None;
                Some(Finding::Changed)
            }
            Read::Unknown(words) => {
                tracing::debug!(path = place.path, error = words, "could not be read back");
                return Ok(Some(read));
            }
        };
        if matches!(read, Read::Right(_)) && finding.is_none() {
            let item = item_of(&place);
            let files = self.engine.ledger.holders(self.job.handle.id, &item).await?;
            if !files.is_empty() {
                self.engine.ledger.confirm(&self.job.handle, files, Sense::Bytes, at).await?;
            }
        }
        let finding = finding.map(|finding| finding.name().to_owned());
        let look = Looked { finding, detail: detail.text(), at, ..look };
        self.engine.ledger.looked(&self.job.handle, vec![look]).await?;
        Ok(Some(read))
    }

    /// Reads again what an earlier reading had found wrong. Says what may be done where it is wrong still.
    pub(super) async fn read_anew(&self, judged: &mut Judged) -> Result<Option<Verdict>, StoreError> {
        let Some(place) = judged.claim.place.clone() else { return Ok(Some(Verdict::Later)) };
        match self.read_object(&place, judged.detail.sha256.as_deref()).await? {
            Read::Right(_) => {
                judged.finding = judged.detail.is_read(self.engine.clock.now());
                Ok(None)
            }
            Read::Wrong(words) => {
                judged.detail.words = words;
                Ok(Some(Verdict::Replace))
            }
            Read::Unknown(words) => {
                judged.detail.words = words;
                Ok(Some(Verdict::Later))
            }
        }
    }

    /// Reads an object to its end; what seems wrong is read a second time before it is believed.
    async fn read_object(&self, place: &Place, published: Option<&str>) -> Result<Read, StoreError> {
        match self.read_once(place, published).await? {
            Read::Wrong(_) => self.read_once(place, published).await,
            read => Ok(read),
        }
    }

    async fn read_once(&self, place: &Place, published: Option<&str>) -> Result<Read, StoreError> {
        let whole = match self.read_whole(place).await {
            Ok(whole) => whole,
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
            // It is listed, and its bytes are gone from the storage behind.
            Err(error) if error.kind == ErrorKind::Corrupt => return Ok(Read::Wrong(error.chain())),
            Err(error) => return Ok(Read::Unknown(error.chain())),
        };
        if whole.sha256.as_deref() != published {
            let words = "other bytes come than those whose hash is published";
            return Ok(Read::Wrong(words.to_owned()));
        }
        let sealed = matches!(name_of(place, self.seal.as_deref()), Name::Sealed(_) | Name::Enc(_));
        if sealed && !whole.genuine {
            let words = "the object there is damaged: it cannot be opened";
            return Ok(Read::Wrong(words.to_owned()));
        }
        Ok(Read::Right(whole.bytes))
    }

    /// Reads an object to its end, hashed and opened in passing.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) async fn read_whole(&self, place: &Place) -> Result<Whole, StoreError> {
        let item = item_of(place);
        let mut body = self.job.destination.read(&item, 0).await?;
        let mut opening = self.seal.as_ref().map(|seal| seal.open());
        let (mut hasher, mut plain) = (Hasher::new(), Vec::new());
        let mut genuine = opening.is_some();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| {
                let detail = "the body broke off";
                StoreError::new(ErrorKind::Interrupted, "read", item.as_str(), detail).with_source(error)
            })?;
            self.engine.go_on(&place.path)?;
            for part in piece.chunks(PIECE) {
                hasher.update(part);
                plain.clear();
                genuine = genuine && opening.as_mut().is_some_and(|o| o.update(part, &mut plain).is_ok());
            }
        }
        let genuine = genuine && opening.is_some_and(|opening| opening.finish(&mut plain).is_ok());
        let sha256 = hasher.digests().sha256.as_ref().map(Digest::hex);
        Ok(Whole { sha256, bytes: hasher.len(), genuine })
    }
}

/// The id under which the destination knows an object.
fn item_of(place: &Place) -> ItemKey {
    ItemKey(format!("{}:{}", place.repo, place.path))
}
