//! The worker: one file, from its row's state as far as it will go, and what becomes of its failures.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::{Mode, Mover};
use crate::digest::{Digests, Hasher};
use crate::engine::content::{Feed, FileContent, judge_source};
use crate::engine::prove::{rewritable, session_memo};
use crate::error::{ErrorKind, Retry, StoreError};
use crate::ledger::Placement;
use crate::memo::{MemoKey, MemoValue};
use crate::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State, Via};
use crate::store::{Content as _, Copy, Found, Holding, Landed, OnConflict, Opening, Put};
use crate::words::{ByteSize, ItemKey, RelPath, fold_hash};

/// Longest pause between two tries of one file.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Names tried before `on_conflict = "rename"` gives up.
const RENAMES: u32 = 9;

/// What was sent for one file.
struct Sent {
    via: Via,
    digests: Digests,
    size: ByteSize,
    leg: Option<SourceLeg>,
}

impl Mover {
    /// Brings one file as far as it goes; its failure goes to its row.
    pub(super) async fn one(self: Arc<Self>, mut row: FileRow, opening: Option<Result<Opening, StoreError>>) {
        let outcome = match opening {
            Some(Err(error)) => Err(error),
            Some(Ok(opening)) => self.carry(&mut row, Some(opening)).await,
            None => self.carry(&mut row, None).await,
        };
        if let Err(error) = outcome
            && let Err(error) = self.settle_failure(&mut row, error).await
        {
            self.end_with(error);
        }
    }

    async fn carry(&self, row: &mut FileRow, opening: Option<Opening>) -> Result<(), StoreError> {
        let needs_spool = self.job.destination.caps().digest_first
            || self.job.policy.via == Via::Spool
            || row.reason == Some(Reason::SourceMismatch);
        match (self.mode, row.state) {
            (Mode::Run, State::Pending) if self.copies() && row.entry.size.0 > 0 => self.copy(row).await,
            (Mode::Run, State::Pending) if needs_spool && row.entry.size.0 > 0 => {
                self.fetch(row, opening).await?;
                self.upload_spooled(row).await
            }
            (Mode::Run, State::Pending) => self.stream(row, opening).await,
            (Mode::Run | Mode::Upload, State::Local) => self.upload_spooled(row).await,
            (Mode::Download, State::Pending) => self.fetch(row, opening).await,
            _ => Ok(()),
        }
    }

    async fn stream(&self, row: &mut FileRow, opening: Option<Opening>) -> Result<(), StoreError> {
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let opening = opening.unwrap_or(Opening { token: String::new(), entry: None });
        let feed = Feed::Source { source: slot.source.clone(), entry: row.entry.clone(), opening };
        let mut content = FileContent::new(&self.engine, feed, &row.entry.name, row.entry.size, self.memo("hash", row));
        self.upload(row, &mut content, Via::Stream).await
    }

    async fn upload_spooled(&self, row: &mut FileRow) -> Result<(), StoreError> {
        let there = self.engine.spool.size(row.id).await?;
        let size = row.ours_size.unwrap_or(row.entry.size);
        if there != Some(size) {
            self.engine.spool.remove(row.id).await?;
            return self.engine.note(&self.job.handle, row, vec![Event::SpoolLost]).await;
        }
        let feed = Feed::Spool { file: row.id, digests: row.ours.clone(), leg: row.leg };
        let mut content = FileContent::new(&self.engine, feed, &row.entry.name, size, self.memo("hash", row));
        self.upload(row, &mut content, Via::Spool).await
    }

    fn memo(&self, kind: &'static str, row: &FileRow) -> MemoKey {
        MemoKey::new(self.job.handle.id, kind, row.id.to_string())
    }

    async fn upload(&self, row: &mut FileRow, content: &mut FileContent, via: Via) -> Result<(), StoreError> {
        let (parent, path) = self.place_of(row).await?;
        if row.reason == Some(Reason::SourceChanged) {
            self.drop_old_upload(row).await?;
        }
        let _buffer = self.buffer.clone().acquire_many_owned(self.buffer_units(content.size())).await;
        let mut replaces = None;
        for turn in 0..=RENAMES {
            let name = match turn {
                0 => row.dest_name().to_owned(),
                _ => row.dest_name.clone().unwrap_or_else(|| row.entry.name.clone()),
            };
            let put = Put {
                parent: parent.clone(),
                name,
                path: path.clone(),
                times: row.entry.times.whole_seconds(),
                content: &mut *content,
                memo: session_memo(&self.job, row.id),
                resumed: row.intended || turn > 0,
                replaces: replaces.take(),
            };
            match self.job.destination.upload(put).await? {
                Landed::Held(holding) => {
                    let digests = content.read().map(|e| e.digests).unwrap_or_default();
                    let sent = Sent { via, digests, size: content.size(), leg: content.leg() };
                    return self.landed(row, holding, sent).await;
                }
                Landed::Occupied(found) => match self.occupied(row, found, turn).await? {
                    Next::Done => return Ok(()),
                    Next::Replace(item) => {
                        content.seek(0).await?;
                        replaces = Some(item);
                    }
                    Next::Renamed => content.seek(0).await?,
                },
            }
        }
        Ok(())
    }

    /// An upload of the content that was is given up for certain before one of the new content begins:
    /// the two must never meet in one session.
    async fn drop_old_upload(&self, row: &FileRow) -> Result<(), StoreError> {
        let keep = |error: StoreError| match error.code {
            Some(_) => error,
            None => error.with_reason(Reason::SourceChanged).with_retry(Retry::Soon),
        };
        self.engine.ledger.forget(&self.memo("hash", row)).await?;
        self.job.destination.abandon(&session_memo(&self.job, row.id)).await.map_err(keep)
    }

    /// The folder a file goes into, made where it is not there, and the file's path.
    async fn place_of(&self, row: &FileRow) -> Result<(ItemKey, RelPath), StoreError> {
        let (Some(target), Some(path)) = (&row.folder_target, row.dest_path()) else {
            return Err(crate::engine::internal("place", &row.entry.name, &"it has no place"));
        };
        if let Some((reason, words)) = self.job.destination.refuses(&path, false) {
            return Err(StoreError::new(ErrorKind::Unsupported, "upload", path.as_str(), words).with_reason(reason));
        }
        let parent = self.folders.of(row.folder, target, row.folder_item.as_ref()).await?;
        Ok((parent, path))
    }

    /// The destination took our bytes and says what it holds: DUPE, and SUCCESS where that proves it.
    async fn landed(&self, row: &mut FileRow, holding: Holding, sent: Sent) -> Result<(), StoreError> {
        let engine = &self.engine;
        let handle = &self.job.handle;
        let passed = !sent.digests.is_empty() || sent.size.0 == 0;
        let ours = match passed {
            true => Evidence { size: sent.size, digests: sent.digests.clone() },
            false => row.evidence(),
        };
        let leg = sent.leg.or(row.leg).unwrap_or(match row.entry.digests.is_empty() {
            true => SourceLeg::Unpublished,
            false => SourceLeg::Matched,
        });
        let at = engine.clock.now();
        let compared = Proof::compare(&ours, &holding.evidence, leg, ProofKind::Hash, at);
        let reason = match &compared {
            Comparison::Differs(_) if rewritable(&self.job, row) => Reason::Rewritten,
            Comparison::Differs(_) => Reason::CorruptAtDestination,
            Comparison::Undecided => Reason::HashPending,
            Comparison::Proven(_) => Reason::Unproven,
        };
        let present = Event::Present {
            holding: holding.clone(),
            via: sent.via,
            sent: sent.digests,
            leg: sent.leg,
            reason,
        };
        match compared {
            Comparison::Proven(proof) => {
                engine.note(handle, row, vec![present, Event::Proven(proof)]).await?;
                engine.after_proof(&self.job, row).await
            }
            Comparison::Differs(comment) => {
                engine.note(handle, row, vec![present, Event::Noted { reason, comment, holding: None }]).await
            }
            Comparison::Undecided => {
                engine.note(handle, row, vec![present]).await?;
                if self.job.destination.caps().publishes.is_empty() {
                    return engine.settle_by_reading(&self.job, row, holding).await;
                }
                Ok(())
            }
        }
    }

    /// Something stands under the name, and the destination cannot tell whether it is ours.
    async fn occupied(&self, row: &mut FileRow, found: Found, turn: u32) -> Result<Next, StoreError> {
        let Found::File(there) = found else {
            let detail = "a folder has this name at the destination";
            return Err(StoreError::new(ErrorKind::Exists, "upload", &row.entry.name, detail)
                .with_reason(Reason::DifferentAtDestination));
        };
        let leg = row.leg.unwrap_or(SourceLeg::Matched);
        let at = self.engine.clock.now();
        let differs = matches!(
            Proof::compare(&row.evidence(), &there.evidence, leg, ProofKind::Hash, at),
            Comparison::Differs(_)
        );
        let may_be_ours = row.intended && rewritable(&self.job, row);
        // What we landed ourselves and nobody touched since gives way to the source's newer content.
        if differs && turn == 0 && row.holding.as_ref().is_some_and(|h| same_object(h, &there)) {
            return Ok(Next::Replace(there.item));
        }
        if differs && !may_be_ours {
            match self.job.policy.on_conflict {
                OnConflict::Replace if turn == 0 => return Ok(Next::Replace(there.item)),
                OnConflict::Rename if turn < RENAMES => {
                    self.rename(row, turn + 2).await?;
                    return Ok(Next::Renamed);
                }
                _ => {}
            }
        }
        let via = if row.intended { Via::Stream } else { Via::AlreadyThere };
        let present = Event::Present {
            holding: there.clone(),
            via,
            sent: Digests::none(),
            leg: None,
            reason: Reason::Unproven,
        };
        self.engine.note(&self.job.handle, row, vec![present]).await?;
        self.engine.judge(&self.job, row, there, false).await?;
        Ok(Next::Done)
    }

    /// Gives the file another name at the destination, kept in the ledger before it is used.
    async fn rename(&self, row: &mut FileRow, number: u32) -> Result<(), StoreError> {
        let name = match row.entry.name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => format!("{stem}~{number}.{extension}"),
            _ => format!("{}~{number}", row.entry.name),
        };
        let target = row.folder_target.clone().unwrap_or_default().join(&name).unwrap_or_default();
        let place = Placement {
            file: row.id,
            standing: Standing::In,
            skip: None,
            fold: fold_hash(&name),
            target: fold_hash(target.as_str()),
            dest_name: Some(name.clone()),
        };
        self.engine.ledger.place(&self.job.handle, vec![place]).await?;
        row.dest_name = Some(name);
        Ok(())
    }

    async fn copy(&self, row: &mut FileRow) -> Result<(), StoreError> {
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
            Landed::Occupied(found) => match self.occupied(row, found, RENAMES).await? {
                Next::Done => Ok(()),
                Next::Replace(_) | Next::Renamed => Ok(()),
            },
        }
    }

    /// Brings the bytes into the spool: resumed where a part lies there, judged, fsynced, LOCAL.
    async fn fetch(&self, row: &mut FileRow, opening: Option<Opening>) -> Result<(), StoreError> {
        let spool = &self.engine.spool;
        // A finished file that no event names is from before a kill, or from before the source changed.
        let passed = match spool.size(row.id).await? {
            Some(_) if row.reason != Some(Reason::SourceChanged) => None,
            _ => {
                if row.reason == Some(Reason::SourceChanged) {
                    spool.remove(row.id).await?;
                }
                self.fill_spool(row, opening).await?
            }
        };
        let read = match passed {
            Some(read) => read,
            // Some of it was written by an earlier process: only the disk knows what lies there.
            None => {
                let size = spool.size(row.id).await?.unwrap_or_default();
                self.engine.hash_body(&row.entry.name, size, |from| spool.read(row.id, from)).await?
            }
        };
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let leg = match judge_source(slot.source.as_ref(), &row.entry, &read).await {
            Ok(leg) => leg,
            Err(error) if error.reason == Some(Reason::SourceMismatch) => self.contradicted(row, &read, error).await?,
            Err(error) => {
                spool.remove(row.id).await?;
                return Err(error);
            }
        };
        let event = Event::Spooled { size: read.size, digests: read.digests, leg };
        self.engine.note(&self.job.handle, row, vec![event]).await
    }

    /// Writes what the source gives; returns what passed where all of it passed through here.
    async fn fill_spool(&self, row: &FileRow, opening: Option<Opening>) -> Result<Option<Evidence>, StoreError> {
        let spool = &self.engine.spool;
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let opening = opening.unwrap_or(Opening { token: String::new(), entry: None });
        let limit = self.job.policy.spool_limit.0;
        let used = self.spooled.fetch_add(row.entry.size.0, Relaxed);
        if used > 0 && used + row.entry.size.0 > limit && self.mode == Mode::Download {
            let detail = format!("the spool's limit of {} is reached; upload what lies there first", ByteSize(limit));
            return Err(StoreError::new(ErrorKind::Full, "spool", &row.entry.name, detail)
                .with_code(crate::Code::SpoolFull));
        }
        let begun = spool.partial(row.id).await?.unwrap_or_default();
        // After a power cut the end of a part may be zeros; only a published digest would show it.
        let trusted = begun.0 <= row.entry.size.0 && !row.entry.digests.is_empty();
        let from = if trusted { begun.0 } else { 0 };
        let mut writer = spool.writer(row.id, from).await?;
        let mut hasher = Hasher::new();
        if row.entry.size.0 > 0 {
            let mut body = slot.source.open(&row.entry, &opening, from).await?;
            while let Some(piece) = body.next().await {
                if row.entry.size.0 > (64 << 20) {
                    self.engine.go_on(&row.entry.name)?;
                }
                let piece = piece.map_err(|e| {
                    StoreError::new(ErrorKind::Interrupted, "read", &row.entry.name, "the body broke off").with_source(e)
                })?;
                self.engine.meter.bytes(piece.len());
                for part in piece.chunks(512 << 10) {
                    hasher.update(part);
                }
                writer.write(piece).await?;
            }
        }
        writer.finish().await?;
        Ok((from == 0).then(|| Evidence { size: ByteSize(hasher.len()), digests: hasher.digests() }))
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

    /// Writes a failed try to the row: repeated later, NG, or the end of the run.
    async fn settle_failure(&self, row: &mut FileRow, error: StoreError) -> Result<(), StoreError> {
        if error.kind == ErrorKind::Stopped {
            return Ok(());
        }
        if error.code.is_some() {
            return Err(error);
        }
        let reason = error.reason.unwrap_or_else(|| reason_of(&error));
        let lost_folder = error.kind == ErrorKind::NotFound && error.reason.is_none();
        if lost_folder && let Some(target) = row.folder_target.clone() {
            self.folders.lost(row.folder, &target).await?;
        }
        if matches!(reason, Reason::SourceChanged | Reason::SourceGone) {
            self.again.store(true, Relaxed);
        }
        if reason == Reason::SpoolFailed && row.state == State::Local {
            self.engine.spool.remove(row.id).await?;
            return self.engine.note(&self.job.handle, row, vec![Event::SpoolLost]).await;
        }
        let waits = reason == Reason::UploadReserved;
        // Tries count on over retries by hand; each of those gives a full round of them.
        let spent = (row.attempts + 1).is_multiple_of(self.job.policy.attempts.max(1)) && !waits;
        let hopeless = error.retry == Retry::Never && !lost_folder && reason != Reason::SourceGone;
        let comment = error.chain();
        tracing::debug!(file = %row.id, attempt = row.attempts + 1, error = %comment, "a try failed");
        let event = match spent || hopeless {
            true if row.state == State::Success => return Ok(()),
            true => Event::Failed { reason, comment, last: hopeless },
            false => Event::Deferred { reason, comment, not_before: Some(self.next_try(row, &error)) },
        };
        if matches!(event, Event::Failed { .. }) {
            self.job.destination.abandon(&session_memo(&self.job, row.id)).await.or_else(|e| {
                if e.code.is_some() { Err(e) } else { Ok(()) }
            })?;
        }
        self.engine.meter.deferred();
        self.engine.note(&self.job.handle, row, vec![event]).await
    }

    /// When a file is tried again: the service's word, or doubling pauses with jitter.
    fn next_try(&self, row: &FileRow, error: &StoreError) -> Timestamp {
        let pause = match error.retry {
            Retry::After(pause) => pause,
            _ => {
                let doubled = Duration::from_secs(1 << row.attempts.min(7)).min(LONGEST_PAUSE);
                self.engine.chance.jitter(doubled)
            }
        };
        self.engine.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

/// What to do about an occupied name.
enum Next {
    Done,
    Replace(ItemKey),
    Renamed,
}

/// True where an object is still what we left there.
pub(in crate::engine) fn same_object(ours: &Holding, there: &Holding) -> bool {
    ours.item == there.item && ours.evidence == there.evidence
}

fn no_source(row: &FileRow) -> StoreError {
    crate::engine::internal("move", &row.entry.name, &"its source is not part of this job")
}

fn reason_of(error: &StoreError) -> Reason {
    match error.kind {
        ErrorKind::NotFound => Reason::AbsentAtDestination,
        ErrorKind::Exists => Reason::DifferentAtDestination,
        ErrorKind::Denied | ErrorKind::Unauthenticated => Reason::DestinationDenied,
        ErrorKind::Throttled => Reason::Throttled,
        ErrorKind::Locked => Reason::Locked,
        ErrorKind::Full => Reason::DestinationFull,
        ErrorKind::Changed => Reason::SourceChanged,
        ErrorKind::Corrupt => Reason::SourceMismatch,
        ErrorKind::Malware => Reason::Malware,
        ErrorKind::Unsupported | ErrorKind::Rejected => Reason::Rejected,
        ErrorKind::Interrupted | ErrorKind::Stopped => Reason::Interrupted,
    }
}
