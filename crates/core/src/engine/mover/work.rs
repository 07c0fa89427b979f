//! The worker: one file, from its row's state as far as it will go, and what becomes of its failures.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Mode, Mover};
use crate::digest::Digests;
use crate::engine::content::{Feed, FileContent};
use crate::engine::prove::{rewritable, session_memo};
use crate::engine::survey::{is_known_to_differ, is_superseded};
use crate::error::{ErrorKind, Retry, StoreError};
use crate::ledger::Placement;
use crate::memo::MemoKey;
use crate::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use crate::row::{FileRow, Standing};
use crate::state::{Event, Reason, State, Via};
use crate::store::{Content as _, Found, Holding, Landed, OnConflict, Opening, Put};
use crate::words::{ByteSize, ItemKey, RelPath, fold_hash};

/// Names tried before `on_conflict = "rename"` gives up.
pub(super) const RENAMES: u32 = 9;

/// What was sent for one file.
pub(super) struct Sent {
    pub(super) via: Via,
    pub(super) digests: Digests,
    pub(super) size: ByteSize,
    pub(super) leg: Option<SourceLeg>,
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
        match (self.mode, row.state) {
            (Mode::Run, State::Pending) => match self.way(row) {
                Via::Copy => self.copy(row).await,
                Via::Spool if self.batches() => {
                    self.fetch(row, opening).await?;
                    self.fetched.fetch_add(1, Relaxed);
                    self.wake.notify_one();
                    Ok(())
                }
                Via::Spool => {
                    self.fetch(row, opening).await?;
                    self.upload_spooled(row).await
                }
                Via::Stream | Via::AlreadyThere => self.stream(row, opening).await,
            },
            (Mode::Run | Mode::Upload, State::Local) => self.upload_spooled(row).await,
            (Mode::Download, State::Pending) => self.fetch(row, opening).await,
            _ => Ok(()),
        }
    }

    async fn stream(&self, row: &mut FileRow, opening: Option<Opening>) -> Result<(), StoreError> {
        let slot = self.job.slot(row.source).ok_or_else(|| no_source(row))?;
        let opening = opening.unwrap_or(Opening { token: String::new(), entry: None });
        let feed = Feed::Source {
            source: slot.source.clone(),
            entry: Box::new(row.entry.clone()),
            opening: Box::new(opening),
        };
        let mut content =
            FileContent::new(&self.engine, feed, &row.entry.name, row.entry.size, self.memo("hash", row));
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

    pub(super) fn memo(&self, kind: &'static str, row: &FileRow) -> MemoKey {
        MemoKey::new(self.job.handle.id, kind, row.id.to_string())
    }

    async fn upload(&self, row: &mut FileRow, content: &mut FileContent, via: Via) -> Result<(), StoreError> {
        let (parent, path) = self.place_of(row).await?;
        if row.reason == Some(Reason::SourceChanged) {
            self.drop_old_upload(row).await?;
            self.bring_along(row, &parent).await?;
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
                // What stands there was looked at on the first turn.
                resumed: row.intended && turn == 0,
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
    pub(super) async fn place_of(&self, row: &FileRow) -> Result<(ItemKey, RelPath), StoreError> {
        let (Some(target), Some(path)) = (&row.folder_target, row.dest_path()) else {
            return Err(crate::engine::internal("place", &row.entry.name, &"it has no place"));
        };
        if let Some((reason, words)) = self.job.destination.refuses(&path, false) {
            return Err(
                StoreError::new(ErrorKind::Unsupported, "upload", path.as_str(), words).with_reason(reason)
            );
        }
        let parent = self.folders.of(row.folder, target, row.folder_item.as_ref()).await?;
        Ok((parent, path))
    }

    /// The destination took our bytes and says what it holds: DUPE, and SUCCESS where that proves it.
    pub(super) async fn landed(
        &self,
        row: &mut FileRow,
        holding: Holding,
        sent: Sent,
    ) -> Result<(), StoreError> {
        self.note_landing();
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
                engine.note_proven(&self.job, vec![(row, vec![present, Event::Proven(proof)])]).await
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
    pub(super) async fn occupied(
        &self,
        row: &mut FileRow,
        found: Found,
        turn: u32,
    ) -> Result<Next, StoreError> {
        let Found::File(there) = found else {
            let detail = "a folder has this name at the destination";
            return Err(StoreError::new(ErrorKind::Exists, "upload", &row.entry.name, detail)
                .with_reason(Reason::DifferentAtDestination));
        };
        let leg = row.leg.unwrap_or(SourceLeg::Matched);
        let at = self.engine.clock.now();
        let ours = row.holding.as_ref().is_some_and(|h| same_object(h, &there));
        let differs = match Proof::compare(&row.evidence(), &there.evidence, leg, ProofKind::Hash, at) {
            Comparison::Differs(_) => true,
            Comparison::Proven(_) => false,
            Comparison::Undecided => is_known_to_differ(row) || (ours && is_superseded(row)),
        };
        let may_be_ours = row.intended && rewritable(&self.job, row);
        // What we landed ourselves and nobody touched since gives way to the source's newer content.
        let gives_way =
            differs && turn == 0 && !ours && self.engine.gives_way(&self.job, row, &there).await?;
        if gives_way || (differs && turn == 0 && ours) {
            return Ok(Next::Replace(there.item));
        }
        // It was read and found to be other bytes, although the service may publish the hash of the right ones.
        let shown_wrong = self.job.policy.is_shown_wrong(&row.entry.key, there.revision.as_ref());
        if shown_wrong && turn == 0 {
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
        let via = found_via(row);
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
}

/// What to do about an occupied name.
pub(super) enum Next {
    Done,
    Replace(ItemKey),
    Renamed,
}

/// How an object that was found came there: by an upload that was begun before a kill, or without us.
pub(in crate::engine) fn found_via(row: &FileRow) -> Via {
    row.via.filter(|_| row.intended).unwrap_or(Via::AlreadyThere)
}

/// True where an object is still what we left there: by its revision, or, as a revision also moves when
/// only a column changes, by its published hash.
pub(in crate::engine) fn same_object(ours: &Holding, there: &Holding) -> bool {
    let (mine, theirs) = (&ours.evidence, &there.evidence);
    let revision = ours.revision.is_some() && ours.revision == there.revision;
    let hash = mine.digests.quickxor.is_some() && mine.digests.quickxor == theirs.digests.quickxor;
    ours.item == there.item && mine.size == theirs.size && (revision || hash)
}

pub(super) fn no_source(row: &FileRow) -> StoreError {
    crate::engine::internal("move", &row.entry.name, &"its source is not part of this job")
}
