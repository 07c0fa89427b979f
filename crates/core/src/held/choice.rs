//! Which of the held files are wanted, how many that are, and a sample of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::listing::Ancestors;
use super::{Held, Known, Origin, held_rows, is_held};
use crate::Chance;
use crate::engine::Filters;
use crate::error::StoreError;
use crate::row::{FileRow, Standing};
use crate::state::State;
use crate::words::{ByteSize, FileId, RelPath, SourceId};

/// Rows read from the ledger at a time.
pub(super) const BATCH: usize = 500;

/// Which files are wanted.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// By their paths, counted from the folder that the job is about.
    pub paths: Filters,
    /// That folder, in the source.
    pub scope: RelPath,
    /// Only these, where a sample was drawn.
    pub only: Option<Arc<BTreeSet<FileId>>>,
}

impl Choice {
    /// True where everything is wanted, empty folders too.
    pub(super) fn is_all(&self) -> bool {
        self.only.is_none() && self.paths.fingerprint() == Filters::default().fingerprint()
    }

    fn takes(&self, path: &RelPath) -> bool {
        if self.paths.fingerprint() == Filters::default().fingerprint() {
            return true;
        }
        path.below(&self.scope).is_some_and(|below| self.paths.take_path(&below))
    }
}

/// Files and bytes by how well they are known.
pub type Kinds = BTreeMap<Known, (u64, ByteSize)>;

/// What a choice amounts to.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Files and bytes, by how well they are known.
    pub kinds: Kinds,
    /// The first files that cannot be compared by SHA-256 with what they were at the source, and why.
    pub named: Vec<(String, Known)>,
    /// The files themselves, where they were asked for: their plain sizes.
    pub files: BTreeMap<FileId, ByteSize>,
}

impl Survey {
    /// Files and bytes in all.
    #[must_use]
    pub fn all(&self) -> (u64, ByteSize) {
        self.kinds
            .values()
            .fold((0, ByteSize(0)), |(files, bytes), (n, more)| (files + n, ByteSize(bytes.0 + more.0)))
    }
}

/// Names that a survey keeps.
const NAMED: usize = 1000;

impl Held {
    /// The next wanted rows after a number, with their paths; and the number to go on from.
    pub(super) async fn wanted(
        &self,
        after: FileId,
        ancestors: &mut Ancestors,
    ) -> Result<(Vec<(FileRow, RelPath)>, Option<FileId>), StoreError> {
        let (rows, next) = self.rows(after).await?;
        let mut wanted = Vec::with_capacity(rows.len());
        for row in rows {
            if !is_held(&row) || row.source != self.source {
                continue;
            }
            let path = match row.path() {
                Some(path) => Some(path),
                None => ancestors.path(&self.origin, &row).await?,
            };
            // A name that can be no path is listed all the same, so that it is counted and named.
            let path = path.unwrap_or_default();
            if !path.is_root() && !self.choice.takes(&path) || self.is_followed(&row, &path).await? {
                continue;
            }
            wanted.push((row, path));
        }
        Ok((wanted, next))
    }

    /// Held rows after a number; the number to go on from where there may be more.
    async fn rows(&self, after: FileId) -> Result<(Vec<FileRow>, Option<FileId>), StoreError> {
        let Some(only) = &self.choice.only else {
            let filter = held_rows(Some(self.source));
            let rows = self.origin.ledger.scan(self.origin.job, &filter, after, BATCH).await?;
            let next = rows.last().map(|row| row.id);
            return Ok((rows, next));
        };
        let mut rows = Vec::new();
        let mut next = None;
        let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        for file in only.range(range).take(BATCH) {
            next = Some(*file);
            rows.extend(self.origin.row(*file).await?);
        }
        Ok((rows, next))
    }

    /// True for a file that the source lost while another one came under its name and landed too: that one is
    /// what stands there.
    async fn is_followed(&self, row: &FileRow, path: &RelPath) -> Result<bool, StoreError> {
        if row.standing != Standing::Gone {
            return Ok(false);
        }
        let same = self.origin.ledger.find_path(self.origin.job, path).await?;
        Ok(same.iter().any(|other| {
            other.id != row.id
                && other.source == row.source
                && other.standing == Standing::In
                && other.state == State::Success
                && is_held(other)
        }))
    }

    /// Counts what the choice amounts to; `files` keeps each file's number and size.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn survey(&self, survey: &mut Survey, files: bool) -> Result<(), StoreError> {
        let mut ancestors = Ancestors::default();
        let mut after = FileId(0);
        loop {
            let (rows, next) = self.wanted(after, &mut ancestors).await?;
            for (row, path) in rows {
                let (evidence, known) = self.origin.expected(&row);
                let (n, bytes) = survey.kinds.entry(known).or_default();
                *n += 1;
                bytes.0 += evidence.size.0;
                if known != Known::Whole && survey.named.len() < NAMED {
                    survey.named.push((path.to_string(), known));
                }
                if files {
                    survey.files.insert(row.id, evidence.size);
                }
            }
            match next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }
}

impl Origin {
    /// Draws files at random: of equal seeds the same ones, as long as the ledger has them. Memory grows with
    /// the sample and not with the job.
    ///
    /// Each file has a rank that only the seed and its number decide, and the lowest ranks win; so a file that
    /// lands meanwhile displaces one at most, and a larger sample holds the smaller one.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn sample(
        &self,
        sources: &[(SourceId, Choice)],
        number: usize,
        seed: u64,
    ) -> Result<BTreeSet<FileId>, StoreError> {
        let mut best: BTreeSet<(u64, FileId)> = BTreeSet::new();
        for (source, choice) in sources {
            let held = Held::new(self.clone(), *source, choice.clone());
            let mut ancestors = Ancestors::default();
            let mut after = FileId(0);
            loop {
                let (rows, next) = held.wanted(after, &mut ancestors).await?;
                for (row, _) in rows {
                    best.insert((rank(seed, row.id), row.id));
                    if best.len() > number {
                        best.pop_last();
                    }
                }
                match next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        Ok(best.into_iter().map(|(_, file)| file).collect())
    }
}

fn rank(seed: u64, file: FileId) -> u64 {
    // Multiplying by an odd number keeps all numbers apart.
    let mixed = seed ^ file.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Chance::seeded(mixed).below(u64::MAX)
}
