//! A row of the ledger as a line of the manifest.
//!
//! Paths are those under which `restore` brings files back, so that lists of sums fit there: the source's own names
//! from its root, of many sources each below its label. What the destination calls a file is its id.

use std::collections::BTreeMap;

use landfall_core::ledger::{FolderRow, Ledger, SourceRow};
use landfall_core::proof::{ProofKind, SourceLeg};
use landfall_core::row::FileRow;
use landfall_core::words::{FolderId, SourceId};
use landfall_core::{ByteSize, Digests, JobId, RelPath, StoreError};
use landfall_evidence::manifest::{self, AtSource, Entry, FilePath, Held, Object};
use landfall_evidence::{FileDigest, QuickXorHash, Sha1, Sha256};

use crate::config::JobConfig;
use crate::wiring::safe;

/// Folders remembered at a time; past that all are forgotten and read again, which changes nothing.
const REMEMBERED: usize = 20_000;
/// No tree is deeper; a chain of parents that is longer goes in a circle.
const DEEPEST: usize = 1000;

/// Where the files of each source lie in a restored tree.
pub(super) struct Places {
    /// The folder of each source.
    sources: BTreeMap<SourceId, RelPath>,
    /// Folders above files that the source has lost.
    folders: BTreeMap<FolderId, Option<FolderRow>>,
}

impl Places {
    pub(super) fn new(job: &JobConfig, sources: &[SourceRow]) -> Self {
        let many = job.listed || sources.len() > 1;
        let place = |source: &SourceRow| {
            let prefix =
                if many { RelPath::new(safe(&source.label)).unwrap_or_default() } else { RelPath::root() };
            (source.id, prefix)
        };
        Self { sources: sources.iter().map(place).collect(), folders: BTreeMap::new() }
    }

    /// The path of a file; nothing where it has none.
    pub(super) async fn path(
        &mut self,
        ledger: &dyn Ledger,
        job: JobId,
        row: &FileRow,
    ) -> Result<Option<FilePath>, StoreError> {
        let path = match row.path() {
            Some(path) => Some(path),
            None => self.lost_path(ledger, job, row).await?,
        };
        let place = path.zip(self.sources.get(&row.source));
        let place = place.and_then(|(path, prefix)| FilePath::new(String::from(prefix.concat(&path))).ok());
        Ok(place)
    }

    /// The path of a file whose folder the source has lost, by the names its folders had.
    async fn lost_path(
        &mut self,
        ledger: &dyn Ledger,
        job: JobId,
        row: &FileRow,
    ) -> Result<Option<RelPath>, StoreError> {
        let mut names = vec![row.entry.name.clone()];
        let mut at = row.folder;
        for _ in 0..DEEPEST {
            let folder = match self.folders.get(&at) {
                Some(known) => known.clone(),
                None => {
                    let read = ledger.folder(job, at).await?;
                    if self.folders.len() >= REMEMBERED {
                        self.folders.clear();
                    }
                    self.folders.insert(at, read.clone());
                    read
                }
            };
            let Some(FolderRow { name: Some(name), parent, .. }) = folder else { return Ok(None) };
            let Some(parent) = parent else {
                let path = names.iter().rev().try_fold(RelPath::root(), |path, name| path.join(name));
                return Ok(path.ok());
            };
            names.push(name);
            at = parent;
        }
        Ok(None)
    }
}

/// The line of a proven file; nothing where no digest of its bytes is known, or nobody knows what holds it.
/// `sealed` says that the job seals what it sends.
pub(super) fn entry(row: &FileRow, path: FilePath, sealed: bool) -> Option<Entry> {
    let holding = row.holding.as_ref()?;
    let theirs = &holding.evidence;
    let (size, digests) = match &row.sealed {
        Some(sealed) => (sealed.plain.size, sealed.plain.digests.clone()),
        // Sealed by another program: what we read is the ciphertext, and of the plain bytes there is the source's word.
        None if sealed => (row.entry.size, row.entry.digests.clone()),
        None => (row.evidence().size, row.evidence().digests),
    };
    let held = match row.proven? {
        _ if sealed || row.sealed.is_some() => {
            let digest = digest(&row.ours).or_else(|| digest(&theirs.digests))?;
            Some(Held::Sealed(object(theirs.size, digest)))
        }
        ProofKind::Parts => Some(Held::Rewritten(object(theirs.size, digest(&theirs.digests)?))),
        ProofKind::Hash | ProofKind::Bytes => None,
    };
    Some(Entry {
        path,
        size: size.0,
        digest: digest(&digests)?,
        held,
        id: holding.item.as_str().to_owned(),
        proof: proof(row)?,
        source: AtSource {
            created: row.entry.times.created,
            created_by: row.entry.authors.created.clone(),
            modified: row.entry.times.modified,
            modified_by: row.entry.authors.modified.clone(),
        },
    })
}

fn proof(row: &FileRow) -> Option<manifest::Proof> {
    let kind = match row.proven? {
        ProofKind::Hash => manifest::ProofKind::Hash,
        ProofKind::Bytes => manifest::ProofKind::Bytes,
        ProofKind::Parts => manifest::ProofKind::Parts,
    };
    let (unchanged_at, hash_at, bytes_at) = (row.unchanged_at, row.hash_at, row.bytes_at);
    let accepted = row.leg == Some(SourceLeg::Accepted);
    Some(manifest::Proof { kind, accepted, unchanged_at, hash_at, bytes_at })
}

fn object(size: ByteSize, digest: FileDigest) -> Object {
    Object { size: size.0, digest }
}

/// The strongest one that is known.
fn digest(digests: &Digests) -> Option<FileDigest> {
    let twenty = |digest: &landfall_core::Digest| <[u8; 20]>::try_from(digest.bytes()).ok();
    if let Some(sha256) = &digests.sha256 {
        return Some(FileDigest::Sha256(Sha256::new(<[u8; 32]>::try_from(sha256.bytes()).ok()?)));
    }
    if let Some(quickxor) = &digests.quickxor {
        return Some(FileDigest::QuickXorHash(QuickXorHash::new(twenty(quickxor)?)));
    }
    Some(FileDigest::Sha1(Sha1::new(twenty(digests.sha1.as_ref()?)?)))
}
