//! Bytes into the spool, and copies that the service makes by itself.

use std::sync::atomic::Ordering::Relaxed;

use futures_util::StreamExt as _;

use super::work::{RENAMES, Sent, no_source};
use super::{Mode, Mover};
use crate::digest::{Digests, Hasher};
use crate::engine::content::judge_source;
use crate::engine::prove::session_memo;
use crate::engine::sealing::Sealer;
use crate::error::{ErrorKind, StoreError};
use crate::memo::MemoValue;
use crate::proof::{Evidence, SourceLeg};
use crate::row::FileRow;
use crate::seal::Sealed;
use crate::state::{Event, Reason, Via};
use crate::store::{Copy, Landed, Opening};
use crate::words::ByteSize;

/// What passed into the spool: the plain bytes, and what lies there instead where they were sealed.
struct Passed {
    plain: Evidence,
    sealed: Option<(Evidence, Sealed)>,
}

impl Mover {
    pub(super) async fn copy(&self, row: &mut FileRow) -> Result<(), StoreError> {
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let (parent, path) = self.place_of(row).await?;
        let copy = Copy {
            from_drive: slot.source.identity(),
            from_item: row.entry.key.clone(),
            parent,
            name: row.dest_name().to_owned(),
            path,
            memo: session_memo(&self.job, row.id),
        };
        match self.job.destination.copy_from(copy).await? {
            Landed::Held(holding) => {
                let sent = Sent { via: Via::Copy, digests: Digests::none(), size: row.entry.size, leg: None };
                self.landed(row, holding, sent).await
            }
            // A copy never replaces: whatever else stands there stays, and the row says so.
            Landed::Occupied(found) => self.occupied(row, found, RENAMES).await.map(drop),
        }
    }

    /// Brings the bytes into the spool: resumed where a part lies there, judged, fsynced, LOCAL.
    pub(super) async fn fetch(&self, row: &mut FileRow, opening: Option<Opening>) -> Result<(), StoreError> {
        let spool = &self.engine.spool;
        // A finished file that no event names is from before a kill, or from before the source changed.
        let stale = row.reason == Some(Reason::SourceChanged) || self.job.seal.is_some();
        let passed = match spool.size(row.id).await? {
            Some(_) if !stale => None,
            there => {
                if stale && there.is_some() {
                    spool.remove(row.id).await?;
                }
                self.fill_spool(row, opening).await?
            }
        };
        let Passed { plain: read, sealed } = match passed {
            Some(passed) => passed,
            // Some of it was written by an earlier process: only the disk knows what lies there.
            None => {
                let size = spool.size(row.id).await?.unwrap_or_default();
                let open = |from| spool.read(row.id, from);
                let plain = self.engine.hash_body(&row.entry.name, size, open).await?;
                Passed { plain, sealed: None }
            }
        };
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let leg = match judge_source(slot.source.as_ref(), &row.entry, &read).await {
            Ok(leg) => leg,
            Err(error) if error.reason == Some(Reason::SourceMismatch) => {
                self.contradicted(row, &read, error).await?
            }
            Err(error) => {
                spool.remove(row.id).await?;
                return Err(error);
            }
        };
        let (lies, sealed) = match sealed {
            Some((lies, sealed)) => (lies, Some(Box::new(sealed))),
            None => (read, None),
        };
        let event = Event::Spooled { size: lies.size, digests: lies.digests, leg, sealed };
        self.engine.note(&self.job.handle, row, vec![event]).await
    }

    /// Writes what the source gives; returns what passed where all of it passed through here.
    async fn fill_spool(
        &self,
        row: &FileRow,
        opening: Option<Opening>,
    ) -> Result<Option<Passed>, StoreError> {
        let spool = &self.engine.spool;
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let opening = opening.unwrap_or(Opening { token: String::new(), entry: None });
        let limit = self.job.policy.spool_limit.0;
        let used = self.spooled.fetch_add(row.entry.size.0, Relaxed);
        if used > 0 && used + row.entry.size.0 > limit && self.mode == Mode::Download {
            let detail =
                format!("the spool's limit of {} is reached; upload what lies there first", ByteSize(limit));
            return Err(StoreError::new(ErrorKind::Full, "spool", &row.entry.name, detail)
                .with_code(crate::Code::SpoolFull));
        }
        let begun = spool.partial(row.id).await?.unwrap_or_default();
        // After a power cut the end of a part may be zeros; only a published digest would show it.
        let trusted = begun.0 <= row.entry.size.0 && !row.entry.digests.is_empty() && self.job.seal.is_none();
        let from = if trusted { begun.0 } else { 0 };
        let mut writer = spool.writer(row.id, from).await?;
        let mut hasher = Hasher::new();
        let mut sealing = self.job.seal.as_deref().map(Sealer::begin);
        if row.entry.size.0 > 0 {
            let mut body = slot.source.open(&row.entry, &opening, from).await?;
            while let Some(piece) = body.next().await {
                if row.entry.size.0 > (64 << 20) {
                    self.engine.go_on(&row.entry.name)?;
                }
                let piece = piece.map_err(|e| {
                    StoreError::new(ErrorKind::Interrupted, "read", &row.entry.name, "the body broke off")
                        .with_source(e)
                })?;
                self.engine.meter.bytes(piece.len());
                for part in piece.chunks(512 << 10) {
                    hasher.update(part);
                    if let Some(sealing) = &mut sealing {
                        writer.write(sealing.update(part)).await?;
                    }
                }
                if sealing.is_none() {
                    writer.write(piece).await?;
                }
            }
        }
        let plain = Evidence { size: ByteSize(hasher.len()), digests: hasher.digests() };
        let sealed = match sealing {
            None => None,
            Some(sealing) => {
                let (rest, lies, nonce, key) = sealing.finish();
                writer.write(rest).await?;
                Some((lies, Sealed { nonce, key, plain: plain.clone() }))
            }
        };
        writer.finish().await?;
        Ok((from == 0).then_some(Passed { plain, sealed }))
    }

    /// Bytes that contradict the source's listing are believed once two whole reads gave the same.
    async fn contradicted(
        &self,
        row: &FileRow,
        read: &Evidence,
        error: StoreError,
    ) -> Result<SourceLeg, StoreError> {
        let key = self.memo("contradiction", row);
        let sha = read.digests.sha256.as_ref().map(crate::Digest::hex).unwrap_or_default();
        let now = format!("{}:{sha}", read.size.0);
        if self.engine.ledger.memo(&key).await?.as_deref() == Some(now.as_str()) {
            tracing::warn!(file = %row.id, "the source's size or digest is false: two reads agree on other bytes");
            return Ok(SourceLeg::Contradicted);
        }
        self.engine.ledger.remember(&key, MemoValue { text: now, secret: false, expires: None }).await?;
        self.engine.spool.remove(row.id).await?;
        Err(error)
    }
}
