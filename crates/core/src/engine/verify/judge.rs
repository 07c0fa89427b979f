//! One file beside what the listing has under its object's id.

use super::Verify;
use super::places::Place;
use super::telling::{ACCEPTED, Sight, subject};
use crate::engine::prove::rewritable;
use crate::error::StoreError;
use crate::ledger::FoundRow;
use crate::memo::MemoKey;
use crate::proof::{Evidence, Sense, SourceLeg, agree};
use crate::row::FileRow;
use crate::state::{Reason, Via};
use crate::store::KeptTimes;
use crate::words::{RelPath, Times, fold};

/// What the listing says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It stands as it was proven, in this sense.
    Held(Sense),
    /// It does not, or not quite.
    Finding(Reason, Sight),
    /// The listing cannot tell.
    Closer(Why),
}

/// Why one file must be asked for by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It stands as it was proven, after an earlier verify had found otherwise.
    Mended,
    /// Its revision is another one and nothing else: it may have more versions now.
    Revision,
    /// Its revision is another one, and the place publishes no digest that could tell more.
    Silent,
    /// It differs, and its kind is one that the service rewrites by itself.
    Rewritten,
}

/// A file to be looked at by itself.
#[derive(Clone, Debug)]
pub(super) struct Closer {
    pub(super) row: FileRow,
    pub(super) found: FoundRow,
    pub(super) why: Why,
}

impl Verify<'_> {
    /// Judges one file by what the listing has of its object.
    pub(super) async fn judge(&mut self, row: &FileRow, found: &FoundRow) -> Result<Seen, StoreError> {
        let Some(holding) = &row.holding else { return Ok(Seen::Closer(Why::Revision)) };
        let same = agree(&holding.evidence, &found.evidence);
        if found.folder || same == Some(false) {
            return Ok(self.differs(row, found, &holding.evidence));
        }
        if let Some(moved) = self.is_elsewhere(row, found).await? {
            return Ok(moved);
        }
        let moved_on =
            holding.revision.is_some() && found.revision.is_some() && holding.revision != found.revision;
        // Who writes anew sets times as well: the bytes are the graver question, and answered first.
        if moved_on && same.is_none() && self.job.destination.caps().publishes.is_empty() {
            return Ok(Seen::Closer(Why::Silent));
        }
        if let Some(sight) = self.wrong_times(row, found) {
            return Ok(Seen::Finding(Reason::WrongTimes, sight));
        }
        if moved_on {
            return Ok(Seen::Closer(Why::Revision));
        }
        let sense = if same == Some(true) { self.sense } else { Sense::Unchanged };
        Ok(Seen::Held(sense))
    }

    /// What is to be said where times that were set are other ones now.
    pub(super) fn wrong_times(&self, row: &FileRow, found: &FoundRow) -> Option<Sight> {
        let kept = kept(row, self.job.destination.caps().keeps);
        let words = times_differ(kept, row.entry.times, found.times)?;
        let revision = found.revision.as_ref().map(|revision| revision.0.clone());
        Some(Sight { revision, ..Sight::of(words).by(found.changed_by.as_deref()) })
    }

    /// What an object that no longer has the proven content is.
    fn differs(&self, row: &FileRow, found: &FoundRow, expected: &Evidence) -> Seen {
        let words = match (found.folder, expected.size == found.evidence.size) {
            (true, _) => "a folder stands there".to_owned(),
            (_, true) => "the published hash is another one".to_owned(),
            _ => format!("{} bytes, {} were proven", found.evidence.size.0, expected.size.0),
        };
        match &found.changed_by {
            Some(person) => Seen::Finding(Reason::Edited, Sight::of(words).by(Some(person))),
            None if !found.folder && rewritable(self.job, row) => Seen::Closer(Why::Rewritten),
            None => Seen::Finding(Reason::ChangedAtDestination, Sight::of(words)),
        }
    }

    /// The finding where the object lies under another path than the one it was sent to.
    async fn is_elsewhere(&mut self, row: &FileRow, found: &FoundRow) -> Result<Option<Seen>, StoreError> {
        // What the source renamed since is moved by the next run, and until then stands where it landed.
        let renamed = row.reason == Some(Reason::RenamedAtSource);
        let Some(wanted) = row.dest_path().filter(|_| !renamed) else { return Ok(None) };
        let Some(Place { path, by }) = self.path_of(found).await? else { return Ok(None) };
        if fold(path.as_str()) == fold(wanted.as_str()) || self.is_accepted(row, &path).await? {
            return Ok(None);
        }
        let reason = if by.is_some() { Reason::MovedByUser } else { Reason::Misplaced };
        let sight = Sight::of(format!("now at {path}")).by(by.as_deref());
        Ok(Some(Seen::Finding(reason, Sight { at: Some(path), ..sight })))
    }

    /// True where somebody accepted that the file lies there.
    async fn is_accepted(&self, row: &FileRow, path: &RelPath) -> Result<bool, StoreError> {
        for reason in [Reason::MovedByUser, Reason::Misplaced] {
            let key = MemoKey::new(self.job.handle.id, ACCEPTED, subject(row, reason, None));
            if self.engine.ledger.memo(&key).await?.is_some_and(|place| place == path.as_str()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Which times were set when the file was sent: a copy by the service sets none, and what a
/// person made of a file has times of its own.
fn kept(row: &FileRow, keeps: KeptTimes) -> KeptTimes {
    match (row.via, row.leg) {
        (Some(Via::Copy | Via::AlreadyThere), _) | (_, Some(SourceLeg::Accepted)) => KeptTimes::default(),
        _ => keeps,
    }
}

/// Where times that were kept are other ones, in words; compared in whole seconds, as services keep them.
pub(super) fn times_differ(kept: KeptTimes, wanted: Times, found: Times) -> Option<String> {
    let (wanted, found) = (wanted.whole_seconds(), found.whole_seconds());
    let pairs = [
        (kept.modified, "modified", wanted.modified, found.modified),
        (kept.created, "created", wanted.created, found.created),
    ];
    pairs.into_iter().find_map(|(kept, word, wanted, found)| {
        let wanted = wanted.filter(|_| kept)?;
        let found = found?;
        (wanted != found).then(|| format!("{word} {found}, {wanted} at the source"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_that_are_kept_are_compared_and_only_to_the_second() {
        let at = |text: &str| Some(text.parse().unwrap());
        let wanted = Times { created: at("2020-01-01T00:00:00Z"), modified: at("2021-06-21T09:00:00.4Z") };
        let found = Times { created: at("2024-01-01T00:00:00Z"), modified: at("2021-06-21T09:00:00Z") };
        let both = KeptTimes { created: true, modified: true, folders: false };
        assert!(times_differ(both, wanted, found).is_some_and(|words| words.starts_with("created 2024")));
        assert_eq!(times_differ(KeptTimes { created: false, ..both }, wanted, found), None);
        assert_eq!(times_differ(both, Times::default(), found), None);
    }
}
