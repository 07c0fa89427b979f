//! What a job has landed, as a source: the ledger says what there is, the job's destination gives the bytes.
//!
//! Owns which rows count as held, what their bytes are expected to be, and that sealed ones are opened on
//! the way. It knows no cloud, writes nothing, and never believes its own destination: bytes that are not
//! those of the ledger are refused, however often they come (`docs/restore.md`).

mod body;
mod choice;
mod listing;

pub use choice::{Choice, Kinds, Survey};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::digest::Algo;
use crate::error::{ErrorKind, Look, Retry, StoreError};
use crate::ledger::{FileFilter, FolderRow, Ledger};
use crate::proof::{Evidence, ProofKind, SourceLeg};
use crate::row::{FileRow, Standing};
use crate::seal::Seal;
use crate::state::{Reason, State};
use crate::store::{Authors, Destination, Entry, Listed, Listing, Opening, Source, SourceCaps};
use crate::transport::Body;
use crate::words::{ByteSize, Cursor, FileId, FolderId, ItemKey, JobId, RelPath, Revision, SourceId};

/// Times the same wrong bytes are read before the destination is held to have them.
const WRONG: u32 = 2;
/// Times a body ends at the same too early place before the object is held to be that short.
const SHORT: u32 = 3;

/// Where what has landed lies, and what is needed to read it.
#[derive(Clone)]
pub struct Origin {
    /// The ledger that knows.
    pub ledger: Arc<dyn Ledger>,
    /// The job that landed it.
    pub job: JobId,
    /// Where it landed.
    pub destination: Arc<dyn Destination>,
    /// What it was sealed with, where it was.
    pub seal: Option<Arc<dyn Seal>>,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Origin(job {}, {})", self.job, self.destination.identity())
    }
}

/// How well it is known what a held file's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// By the SHA-256 of its bytes as they were at the source.
    Whole,
    /// By a weaker digest only: no byte of it ever passed through us.
    Weak,
    /// The service rewrote it after the upload: by what it was shown to be since, not by what it was.
    Rewritten,
    /// Somebody accepted another content than was sent: by what was read when it was accepted.
    Accepted,
    /// By its size alone.
    SizeOnly,
}

impl Known {
    /// All five, the best first.
    pub const ALL: [Self; 5] = [Self::Whole, Self::Weak, Self::Rewritten, Self::Accepted, Self::SizeOnly];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "sha256",
            Self::Weak => "weak",
            Self::Rewritten => "rewritten",
            Self::Accepted => "accepted",
            Self::SizeOnly => "size_only",
        }
    }
}

impl Origin {
    /// What the plain bytes of a row are expected to be, and how well that is known.
    #[must_use]
    pub fn expected(&self, row: &FileRow) -> (Evidence, Known) {
        // What stands there now is another content than was sent: what it is was shown part by part, or
        // somebody accepted it, and then its bytes were read.
        if let Some(holding) = row.holding.as_ref().filter(|_| row.sealed.is_none()) {
            if row.leg == Some(SourceLeg::Accepted) && !row.ours.is_empty() {
                let evidence = Evidence { size: holding.evidence.size, digests: row.ours.clone() };
                return (evidence, Known::Accepted);
            }
            if row.proven == Some(ProofKind::Parts) {
                let accepted = row.leg == Some(SourceLeg::Accepted);
                let known = if accepted { Known::Accepted } else { Known::Rewritten };
                return (holding.evidence.clone(), known);
            }
        }
        let evidence = match (&row.sealed, &self.seal) {
            (Some(sealed), _) => sealed.plain.clone(),
            // Sealed by another program: what we know beside the source's word is the ciphertext.
            (None, Some(_)) => Evidence { size: row.entry.size, digests: row.entry.digests.clone() },
            (None, None) => row.evidence(),
        };
        let known = match &evidence.digests {
            digests if digests.get(Algo::Sha256).is_some() => Known::Whole,
            digests if digests.is_empty() => Known::SizeOnly,
            _ => Known::Weak,
        };
        (evidence, known)
    }

    /// One row by its number, where it is held.
    async fn row(&self, file: FileId) -> Result<Option<FileRow>, StoreError> {
        let rows = self.ledger.scan(self.job, &held_rows(None), FileId(file.0 - 1), 1).await?;
        Ok(rows.into_iter().find(|row| row.id == file && is_held(row)))
    }
}

/// Rows of which the destination has been shown to hold the bytes. Standing is the source's affair: what it
/// lost, moved away or filters out since has landed all the same.
fn held_rows(source: Option<SourceId>) -> FileFilter {
    FileFilter {
        source,
        standings: Standing::ALL.to_vec(),
        states: vec![State::Success],
        ..FileFilter::default()
    }
}

fn is_held(row: &FileRow) -> bool {
    row.holding.is_some() && row.reason != Some(Reason::DeletionAccepted)
}

fn file_key(file: FileId) -> ItemKey {
    ItemKey(format!("f{file}"))
}

fn folder_key(folder: FolderId) -> ItemKey {
    ItemKey(format!("d{folder}"))
}

/// The row's number in a key that this source made.
#[must_use]
pub fn file_of(key: &ItemKey) -> Option<FileId> {
    key.as_str().strip_prefix('f')?.parse().ok().map(FileId)
}

/// What was read of a file that was not as it should be.
#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    wrong: u32,
    ended: u64,
    short: u32,
}

/// Doubts by file, shared with the bodies that raise them.
#[derive(Clone, Debug, Default)]
struct Doubts(Arc<Mutex<BTreeMap<FileId, Doubt>>>);

impl Doubts {
    fn change(&self, file: FileId, change: impl FnOnce(&mut Doubt)) -> Doubt {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let doubt = all.entry(file).or_default();
        change(doubt);
        *doubt
    }

    /// Bytes came that are not the file's.
    fn wrong(&self, file: FileId) -> Doubt {
        self.change(file, |doubt| doubt.wrong += 1)
    }

    /// A body came to its end.
    fn whole(&self, file: FileId) {
        if self.of(file).short > 0 {
            self.change(file, |doubt| doubt.short = 0);
        }
    }

    /// A body ended here, too early.
    fn short(&self, file: FileId, at: u64) {
        self.change(file, |doubt| {
            doubt.short = if doubt.ended == at { doubt.short + 1 } else { 1 };
            doubt.ended = at;
        });
    }

    fn of(&self, file: FileId) -> Doubt {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&file).copied().unwrap_or_default()
    }
}

/// One source of a job, by what of it has landed.
#[derive(Debug)]
pub struct Held {
    origin: Origin,
    source: SourceId,
    choice: Choice,
    caps: SourceCaps,
    doubts: Doubts,
}

impl Held {
    /// The part of a job that came from one of its sources.
    #[must_use]
    pub fn new(origin: Origin, source: SourceId, choice: Choice) -> Self {
        let publishes = vec![Algo::Sha256, Algo::QuickXor];
        let caps = SourceCaps { publishes, prepare_batch: 1, ..SourceCaps::default() };
        Self { origin, source, choice, caps, doubts: Doubts::default() }
    }

    /// The entry that a row is listed as.
    fn entry(&self, row: &FileRow, parent: Option<ItemKey>) -> Entry {
        let (evidence, _) = self.origin.expected(row);
        let revision = row.holding.as_ref().map(|holding| {
            let own = holding.revision.as_ref().map_or("", |revision| revision.0.as_str());
            Revision(format!("{} {own}", holding.item))
        });
        Entry {
            key: file_key(row.id),
            parent,
            name: row.entry.name.clone(),
            size: evidence.size,
            times: row.entry.times,
            revision,
            digests: evidence.digests,
            authors: Authors::default(),
        }
    }

    /// The row behind an entry, still as it was listed.
    async fn present(&self, entry: &Entry) -> Result<FileRow, StoreError> {
        let changed = |detail: &str| {
            StoreError::new(ErrorKind::Changed, "read", &entry.name, detail)
                .with_reason(Reason::SourceChanged)
        };
        let row = match file_of(&entry.key) {
            Some(file) => self.origin.row(file).await?,
            None => None,
        };
        let row = row.ok_or_else(|| changed("the ledger no longer says that it landed"))?;
        let (evidence, _) = self.origin.expected(&row);
        if evidence.size != entry.size || evidence.digests != entry.digests {
            return Err(changed("other bytes have landed since"));
        }
        Ok(row)
    }

    /// The object of a row as the destination gives it, before any seal is taken off.
    async fn read(&self, row: &FileRow, from: u64) -> Result<Body, StoreError> {
        let Some(holding) = &row.holding else {
            return Err(refused(row, Reason::AbsentAtDestination, "the ledger names no object"));
        };
        self.origin.destination.read(&holding.item, from).await.map_err(|error| named(row, error))
    }

    /// The verdict on a file whose bytes came wrong or too short as often as it takes.
    fn doubted(&self, row: &FileRow) -> Result<(), StoreError> {
        let doubt = self.doubts.of(row.id);
        if doubt.wrong >= WRONG {
            return Err(not_the_bytes(row));
        }
        if doubt.short >= SHORT {
            let detail = format!("the destination gives {} bytes and no more", doubt.ended);
            return Err(refused(row, Reason::ChangedAtDestination, &detail));
        }
        Ok(())
    }
}

#[async_trait]
impl Source for Held {
    fn caps(&self) -> &SourceCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        format!(
            "held by {} job {} source {}",
            self.origin.destination.identity(),
            self.origin.job,
            self.source
        )
    }

    async fn list(&self, _: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Ok(Box::new(listing::HeldListing::new(self)))
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        entries.iter().map(|_| Ok(Opening { token: String::new(), entry: None })).collect()
    }

    /// A sealed body is opened from its beginning, whatever the offset: what comes before is read and dropped.
    async fn open(&self, entry: &Entry, _: &Opening, from: u64) -> Result<Body, StoreError> {
        let row = self.present(entry).await?;
        self.doubted(&row)?;
        let Some(seal) = &self.origin.seal else {
            if row.sealed.is_some() {
                return Err(refused(&row, Reason::SourceDenied, "it is sealed and this job has no key"));
            }
            let body = self.read(&row, from).await?;
            return Ok(body::counted(body, from, entry.size.0, row.id, self.doubts.clone()));
        };
        if row.sealed.as_ref().is_some_and(|sealed| sealed.key != seal.fingerprint()) {
            return Err(refused(&row, Reason::SourceDenied, "it was sealed with another key"));
        }
        let body = self.read(&row, 0).await?;
        let lies = row.holding.as_ref().map_or(ByteSize(0), |holding| holding.evidence.size);
        let sealed = body::counted(body, 0, lies.0, row.id, self.doubts.clone());
        Ok(body::unsealed(sealed, seal.open(), from, row.id, self.doubts.clone()))
    }

    /// Judges what was read and found wanting: the ledger's word stands, so wrong bytes are never the file.
    ///
    /// An engine asks a source again where bytes contradict its listing, and believes them in the end where the
    /// source insists. Here it is the bytes that lie: once may be an accident on the way, twice is the object.
    async fn look(&self, entry: &Entry) -> Look<Entry> {
        let row = match self.present(entry).await {
            Ok(row) => row,
            Err(error) => return Look::Unknown(error),
        };
        if entry.digests.is_empty() {
            // There is only the size to judge by, and whoever gave more or less of it was noted.
            return match self.doubts.of(row.id) {
                Doubt { wrong: 0, short: 0, .. } => Look::Present(entry.clone()),
                _ => Look::Unknown(not_the_bytes(&row)),
            };
        }
        let again = if self.doubts.wrong(row.id).wrong < WRONG { Retry::Soon } else { Retry::Never };
        Look::Unknown(not_the_bytes(&row).with_retry(again))
    }

    /// The ledger is the one list of what has landed; a second enumeration of it would be the same.
    async fn children(
        &self,
        folder: Option<&ItemKey>,
        _: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        let subject = folder.map_or("", ItemKey::as_str);
        let detail = "what has landed is listed by the ledger alone";
        Err(StoreError::new(ErrorKind::Unsupported, "list", subject, detail))
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        Ok(None)
    }
}

/// The name of a row in error texts.
fn shown(row: &FileRow) -> String {
    row.path().map_or_else(|| row.entry.name.clone(), |path: RelPath| path.to_string())
}

fn refused(row: &FileRow, reason: Reason, detail: &str) -> StoreError {
    let kind = match reason {
        Reason::AbsentAtDestination => ErrorKind::NotFound,
        Reason::SourceDenied => ErrorKind::Denied,
        _ => ErrorKind::Corrupt,
    };
    StoreError::new(kind, "restore", shown(row), detail).with_reason(reason).with_retry(Retry::Never)
}

fn not_the_bytes(row: &FileRow) -> StoreError {
    let detail = "the destination gives other bytes than were proven there";
    refused(row, Reason::ChangedAtDestination, detail)
}

/// An error of the destination as what it is here: a trouble of where the bytes come from.
fn named(row: &FileRow, error: StoreError) -> StoreError {
    if error.code.is_some() {
        return error;
    }
    let made = match error.kind {
        ErrorKind::NotFound | ErrorKind::Exists => {
            refused(row, Reason::AbsentAtDestination, "the destination no longer holds it")
        }
        ErrorKind::Corrupt | ErrorKind::Unsupported => {
            refused(row, Reason::ChangedAtDestination, "what stands there cannot be read as a file")
        }
        ErrorKind::Denied => refused(row, Reason::SourceDenied, "the destination refuses to give it"),
        _ => return error,
    };
    made.with_source(error)
}

/// A folder as it is listed; `None` for the root, and for one that was never named.
fn listed_folder(row: &FolderRow) -> Option<crate::store::ListedFolder> {
    let name = row.name.clone().filter(|name| !name.is_empty())?;
    Some(crate::store::ListedFolder {
        key: folder_key(row.id),
        parent: row.parent.map(folder_key),
        name,
        times: row.times,
        child_count: None,
        authors: Authors::default(),
    })
}

#[cfg(test)]
mod tests;
