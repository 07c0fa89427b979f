//! The folder of sealed snapshots: their names, and what lies there.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::error::{ErrorKind, StoreError};
use crate::memo::MemoKey;
use crate::proof::Evidence;
use crate::seal::Seal;
use crate::store::{Destination, Holding, Listed, folder_at, make_folder_at};
use crate::words::{ItemKey, JobId, RelPath};

const MARK: &str = ".ledger-";
const SECONDS: &str = "%Y%m%dT%H%M%S";
/// What [`SECONDS`] makes of a moment has so many letters.
const SECONDS_LONG: usize = 15;
const ENDING: &str = "Z.db";

/// Where the snapshots of one job's ledger lie.
#[derive(Clone)]
pub struct SnapshotFolder {
    /// The job, for what is remembered.
    pub job: JobId,
    /// The job's name, with which their own names begin: a folder may serve many jobs.
    pub series: String,
    /// The place.
    pub destination: Arc<dyn Destination>,
    /// Their folder in it.
    pub folder: RelPath,
    /// The key they are sealed with, names and bytes.
    pub seal: Arc<dyn Seal>,
}

impl std::fmt::Debug for SnapshotFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SnapshotFolder({:?} of {})", self.folder, self.series)
    }
}

/// One snapshot at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSnapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// Its name after opening.
    pub name: String,
    /// What the destination holds.
    pub holding: Holding,
}

/// What lies in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotListing {
    /// The snapshots of this job, the oldest first.
    pub snapshots: Vec<SealedSnapshot>,
    /// Those of other jobs under the same key.
    pub others: u64,
    /// What this key does not open, and what is no snapshot.
    pub strange: u64,
}

/// The plain name of a job's snapshot.
pub(super) fn name_of(series: &str, at: Timestamp) -> String {
    let seconds = at.strftime(SECONDS);
    format!("{series}{MARK}{seconds}{:03}{ENDING}", at.as_millisecond().rem_euclid(1000))
}

/// Job and moment in a plain name; `None` where it is no snapshot's.
fn parse(name: &str) -> Option<(&str, Timestamp)> {
    let (series, stamp) = name.strip_suffix(ENDING)?.rsplit_once(MARK)?;
    let (seconds, millis) = stamp.split_at_checked(SECONDS_LONG)?;
    let millis: u16 = millis.parse().ok().filter(|_| millis.len() == 3)?;
    let at = DateTime::strptime(SECONDS, seconds).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((series, at.checked_add(SignedDuration::from_millis(millis.into())).ok()?))
}

impl SnapshotFolder {
    /// Where a snapshot of this moment would lie.
    ///
    /// # Errors
    /// `Unsupported` where its name cannot be sealed.
    pub fn path(&self, at: Timestamp) -> Result<RelPath, StoreError> {
        self.path_of(&self.seal.name(&name_of(&self.series, at))?)
    }

    pub(super) fn path_of(&self, sealed: &str) -> Result<RelPath, StoreError> {
        let refused = |error| StoreError::new(ErrorKind::Unsupported, "name", sealed, format!("{error}"));
        self.folder.join(sealed).map_err(refused)
    }

    pub(super) fn memo(&self, kind: &'static str) -> MemoKey {
        MemoKey::new(self.job, kind, self.folder.as_str())
    }

    pub(super) fn sending(&self) -> MemoKey {
        self.memo("snapshot-sending")
    }

    pub(super) fn session(&self) -> MemoKey {
        self.memo("snapshot-session")
    }

    pub(super) fn hash(&self) -> MemoKey {
        self.memo("snapshot-hash")
    }

    pub(super) async fn make(&self) -> Result<ItemKey, StoreError> {
        make_folder_at(self.destination.as_ref(), &self.folder).await
    }

    /// What lies in the folder; nothing where there is none.
    ///
    /// # Errors
    /// Where it cannot be looked.
    pub async fn list(&self) -> Result<SnapshotListing, StoreError> {
        let mut listing = SnapshotListing::default();
        let Some(folder) = folder_at(self.destination.as_ref(), &self.folder).await? else {
            return Ok(listing);
        };
        let mut page = None;
        loop {
            let (items, next) = self.destination.children(&folder, page).await?;
            for item in items {
                let Listed::File(entry) = item else {
                    listing.strange += u64::from(!matches!(item, Listed::Gone(_)));
                    continue;
                };
                let plain = self.seal.plain_name(&entry.name);
                match plain.as_deref().and_then(parse) {
                    None => listing.strange += 1,
                    Some((series, _)) if series != self.series => listing.others += 1,
                    Some((_, at)) => {
                        let evidence = Evidence { size: entry.size, digests: entry.digests };
                        let holding = Holding { item: entry.key, revision: entry.revision, evidence };
                        let name = plain.unwrap_or_default();
                        listing.snapshots.push(SealedSnapshot { at, name, holding });
                    }
                }
            }
            page = next;
            if page.is_none() {
                break;
            }
        }
        listing.snapshots.sort_by_key(|snapshot| snapshot.at);
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_job_and_moment_and_nothing_else_is_a_snapshot() {
        let at: Timestamp = "2026-11-22T09:08:07.065432Z".parse().unwrap();
        let name = name_of("録音.2026", at);
        assert_eq!(name, "録音.2026.ledger-20261122T090807065Z.db");
        assert_eq!(parse(&name), Some(("録音.2026", "2026-11-22T09:08:07.065Z".parse().unwrap())));
        for other in [
            "録音.wav",
            "録音.ledger-.db",
            "録音.ledger-20261122T090807Z.db",
            "録音.ledger-20261122T0908070650Z.db",
            "録音.ledger-20261122T09080７065Z.db",
            "録音.ledger-20261322T090807065Z.db",
            "録音.ledger-20261122T090807065Z.db.part",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
