//! Reading back: the bytes of what stands there, those first that were read longest ago; and closer looks.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::judge::{Closer, Why};
use super::telling::Sight;
use super::{ASKING, Sample, Verify, compare_published, compare_read, renewed};
use crate::engine::parts::Parts;
use crate::engine::survey::holding;
use crate::engine::{Engine, Job, Shown, internal};
use crate::error::{ErrorKind, Look, StoreError};
use crate::ledger::FoundRow;
use crate::proof::{Comparison, Proof, Sense, agree};
use crate::row::FileRow;
use crate::state::{Event, Reason, State};
use crate::store::{Found, Holding};
use crate::words::FileId;

/// Files whose reading is recorded together.
const BATCH: usize = 200;

/// What reading one object back showed.
enum Read {
    Right(Box<Proof>),
    Wrong(String),
    Unknown(StoreError),
}

impl Verify<'_> {
    /// Reads back as many files as were asked for.
    pub(super) async fn read_back(&mut self) -> Result<(), StoreError> {
        let (ledger, job) = (&self.engine.ledger, self.job.handle.id);
        // All of them where files are chosen by more than age: eight bytes each.
        let ids = ledger.stalest(job, usize::MAX >> 1).await?;
        let mut left = self.options.sample.of(ids.len() as u64);
        if let (Some(limit), Sample::All) = (self.options.limit, self.options.sample) {
            left = left.min(limit);
        }
        let bytes = match self.options.sample {
            Sample::All => ledger.tally(job, None).await?.all().bytes.0,
            Sample::Files(_) | Sample::Percent(_) => 0,
        };
        self.engine.meter.expect(left, bytes);
        for ids in ids.chunks(BATCH) {
            if left == 0 {
                break;
            }
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                if left > 0
                    && let Some(row) = self.due(*id).await?
                {
                    left -= 1;
                    rows.push(row);
                }
            }
            self.read_batch(rows).await?;
        }
        Ok(())
    }

    /// A file that is still proven and is meant by this verify.
    async fn due(&self, id: FileId) -> Result<Option<FileRow>, StoreError> {
        let row = self.engine.file(self.job, id).await?;
        Ok(row.filter(|row| row.state == State::Success && self.options.takes(row)))
    }

    /// Reads some files, each in a task of its own: hashing takes more of a machine than one thread has.
    async fn read_batch(&mut self, rows: Vec<FileRow>) -> Result<(), StoreError> {
        let most = self.job.policy.files_in_flight.clamp(1, ASKING);
        let job = Arc::new(self.job.clone());
        let mut waiting = rows.into_iter();
        let mut reading = JoinSet::new();
        let mut right = Vec::new();
        let mut others = Vec::new();
        let mut silent = 0;
        loop {
            for row in waiting.by_ref().take(most.saturating_sub(reading.len())) {
                let (engine, job) = (self.engine.clone(), Arc::clone(&job));
                reading.spawn(async move {
                    let read = match row.holding.clone() {
                        Some(there) => read(&engine, &job, &row, &there).await,
                        None => Read::Unknown(internal("read", &row.entry.name, &"nothing is held")),
                    };
                    (row, read)
                });
            }
            let Some(done) = reading.join_next().await else { break };
            let (row, read) = done.map_err(|error| internal("read", "verify", &error))?;
            silent = if matches!(read, Read::Unknown(_)) { silent + 1 } else { 0 };
            match read {
                // Each of them was tried for minutes already: there is nobody to ask.
                Read::Unknown(error) if silent > most && error.kind == ErrorKind::Interrupted => {
                    return Err(error);
                }
                Read::Right(_) if row.ours.sha256.is_some() => {
                    self.report.read_bytes += row.holding.as_ref().map_or(0, |h| h.evidence.size.0);
                    right.push(row.id);
                }
                read => others.push((row, read)),
            }
        }
        self.report.read += right.len() as u64;
        let at = self.engine.clock.now();
        if !right.is_empty() {
            self.engine.ledger.confirm(&self.job.handle, right, Sense::Bytes, at).await?;
        }
        for (row, read) in others {
            self.is_read(row, read).await?;
        }
        self.engine.go_on("verify")
    }

    async fn is_read(&mut self, mut row: FileRow, read: Read) -> Result<(), StoreError> {
        match read {
            Read::Right(proof) => {
                self.report.read += 1;
                self.report.read_bytes += proof.expected().size.0;
                let sha256 = proof.expected().digests.sha256.clone();
                let event = Event::Checked { sense: Sense::Bytes, holding: None, sha256, proof: None };
                self.engine.note(&self.job.handle, &mut row, vec![event]).await
            }
            Read::Unknown(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
            Read::Unknown(error) => {
                tracing::debug!(file = %row.id, error = %error.chain(), "could not be read back");
                self.report.unknown += 1;
                Ok(())
            }
            Read::Wrong(words) => self.is_wrong(row, &words).await,
        }
    }

    /// The bytes are not the file's. Where the object changed since it was listed the next verify says what it is.
    async fn is_wrong(&mut self, row: FileRow, words: &str) -> Result<(), StoreError> {
        let now = match (&row.folder_item, &row.holding) {
            (Some(folder), _) => self.job.destination.find(folder, row.dest_name()).await,
            // What takes part no longer has no place of its own: this verify's listing says what its object is.
            (None, Some(held)) => match self.engine.ledger.found_item(self.job.tree, &held.item).await? {
                Some(found) if !found.folder => Look::Present(Found::File(holding(&found))),
                _ => Look::Absent,
            },
            (None, None) => Look::Absent,
        };
        match (now, &row.holding) {
            (Look::Present(Found::File(there)), Some(held)) if is_the_one(held, &there) => {
                let words = format!(
                    "the bytes are not the file's: {words}, although the service says nothing changed"
                );
                self.find(row, Reason::ChangedAtDestination, Sight::of(words)).await
            }
            (Look::Unknown(error), _) if error.code.is_some() => Err(error),
            _ => {
                self.report.unknown += 1;
                Ok(())
            }
        }
    }

    /// Looks at files of which the listing tells too little, one request or reading each.
    pub(super) async fn look_closer(&mut self, closer: Vec<Closer>) -> Result<(), StoreError> {
        for Closer { row, found, why } in closer {
            self.engine.go_on("verify")?;
            match why {
                Why::Mended => self.is_mended(row, holding(&found)).await?,
                Why::Revision => self.has_versions(row, holding(&found)).await?,
                Why::Silent => self.read_silent(row, found).await?,
                Why::Rewritten => self.is_rewritten(row, holding(&found)).await?,
            }
        }
        Ok(())
    }

    /// A file of which an earlier verify had found something stands as it was proven.
    async fn is_mended(&mut self, row: FileRow, there: Holding) -> Result<(), StoreError> {
        let at = self.engine.clock.now();
        // What only reading had found is taken back only by reading.
        let read = row.reason == Some(Reason::ChangedAtDestination);
        let compared = match read {
            true => Comparison::Undecided,
            false => compare_published(&row, &there.evidence, at),
        };
        let answer = match compared {
            Comparison::Proven(proof) => Read::Right(Box::new(proof)),
            Comparison::Differs(words) => Read::Wrong(words),
            Comparison::Undecided => read_once(self.engine, self.job, &row, &there).await,
        };
        match answer {
            Read::Right(proof) => self.recover(row, there, *proof).await,
            Read::Wrong(words) => {
                let reason = row.reason.unwrap_or(Reason::ChangedAtDestination);
                self.find(row, reason, Sight::of(words)).await
            }
            Read::Unknown(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
            Read::Unknown(_) => {
                self.report.unknown += 1;
                Ok(())
            }
        }
    }

    /// Makes a file SUCCESS again by a new proof.
    pub(super) async fn recover(
        &mut self,
        mut row: FileRow,
        there: Holding,
        proof: Proof,
    ) -> Result<(), StoreError> {
        self.report.recovered += 1;
        self.report.held += 1;
        let shown = Shown { there, proof, sent: crate::Digests::none() };
        self.engine.land_again(self.job, &mut row, shown, "it stands there again").await
    }

    /// The revision is another one and the content the same: more versions, or a change of no account.
    async fn has_versions(&mut self, mut row: FileRow, there: Holding) -> Result<(), StoreError> {
        let versions = match self.job.destination.versions(&there.item).await {
            Ok(versions) => versions,
            Err(error) if error.code.is_some() => return Err(error),
            Err(_) => {
                self.report.unknown += 1;
                return Ok(());
            }
        };
        let later = |at: &Option<jiff::Timestamp>| at.is_some_and(|at| at > row.changed_at);
        let extra = versions.iter().filter(|at| later(at)).count();
        if versions.len() > 1 && extra > 0 {
            let words = format!("{} versions, {extra} of them made after it had landed", versions.len());
            self.report.held += 1;
            let revision = there.revision.map(|revision| revision.0);
            let sight = Sight { revision, ..Sight::of(words) };
            return self.find(row, Reason::ExtraVersions, sight).await;
        }
        self.report.held += 1;
        let holding = Some(Box::new(renewed(&row, there)));
        let event = Event::Checked { sense: self.sense, holding, sha256: None, proof: None };
        self.engine.note(&self.job.handle, &mut row, vec![event]).await
    }

    /// The place publishes no digest, and says that it changed: only its bytes can tell.
    async fn read_silent(&mut self, mut row: FileRow, found: FoundRow) -> Result<(), StoreError> {
        let there = holding(&found);
        match read(self.engine, self.job, &row, &there).await {
            Read::Right(proof) => {
                self.report.held += 1;
                self.report.read += 1;
                self.report.read_bytes += proof.expected().size.0;
                let sha256 = proof.expected().digests.sha256.clone().filter(|_| row.ours.sha256.is_none());
                let event = Event::Checked {
                    sense: Sense::Bytes,
                    holding: Some(Box::new(there)),
                    sha256,
                    proof: None,
                };
                self.engine.note(&self.job.handle, &mut row, vec![event]).await?;
                match self.wrong_times(&row, &found) {
                    Some(sight) => self.find(row, Reason::WrongTimes, sight).await,
                    None => Ok(()),
                }
            }
            Read::Wrong(words) => self.find(row, Reason::ChangedAtDestination, Sight::of(words)).await,
            Read::Unknown(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
            Read::Unknown(_) => {
                self.report.unknown += 1;
                Ok(())
            }
        }
    }

    /// The service may have rewritten it, which the listing cannot tell from damage: its parts are compared again
    /// before anything lapses.
    async fn is_rewritten(&mut self, mut row: FileRow, there: Holding) -> Result<(), StoreError> {
        match self.engine.compare_parts(self.job, &row, &there).await {
            Ok(Parts::Proven(proof, changes)) => {
                self.report.rewritten += 1;
                self.report.held += 1;
                tracing::debug!(file = %row.id, parts = ?changes, "rewritten by the service since");
                if row.state != State::Success {
                    return self.recover(row, there, *proof).await;
                }
                let event = Event::Checked {
                    sense: Sense::Bytes,
                    holding: Some(Box::new(there)),
                    sha256: None,
                    proof: Some(proof),
                };
                self.engine.note(&self.job.handle, &mut row, vec![event]).await
            }
            Ok(Parts::Differs(words)) => {
                let reason = Reason::ChangedAtDestination;
                self.find(row, reason, Sight::of(format!("it is not the file rewritten: {words}"))).await
            }
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
            Ok(Parts::Undecided) | Err(_) => {
                self.report.unknown += 1;
                Ok(())
            }
        }
    }
}

/// True for the object that was proven, unless the service reports a change of its content that no listing has
/// shown yet. A hash that is another one at the same revision is no such report: the content has rotted.
fn is_the_one(held: &Holding, there: &Holding) -> bool {
    let reported = held.revision.is_none() || held.revision != there.revision;
    held.item == there.item && (!reported || agree(&held.evidence, &there.evidence) != Some(false))
}

/// Reads an object back; what seems wrong is read a second time before it is believed.
async fn read(engine: &Engine, job: &Job, row: &FileRow, there: &Holding) -> Read {
    match read_once(engine, job, row, there).await {
        Read::Wrong(_) => read_once(engine, job, row, there).await,
        answer => answer,
    }
}

async fn read_once(engine: &Engine, job: &Job, row: &FileRow, there: &Holding) -> Read {
    let read = match engine.read_back(job, row, there).await {
        Ok(read) => read,
        Err(error) => return Read::Unknown(error),
    };
    match compare_read(row, &read, engine.clock.now()) {
        Comparison::Proven(proof) => Read::Right(Box::new(proof)),
        Comparison::Differs(words) => Read::Wrong(words),
        Comparison::Undecided => {
            let detail = "no digest of its content is known";
            Read::Unknown(StoreError::new(ErrorKind::Unsupported, "compare", &row.entry.name, detail))
        }
    }
}
