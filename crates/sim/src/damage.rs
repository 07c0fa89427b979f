//! Damage to what a job has landed, with the answers.
//!
//! Owns the kinds of damage, which files take which, and what a verifier without fault would say of each. Damage
//! bypasses the protocol: nothing is counted, charged or refused. What is done to a file is in `damage/act.rs`.
//! Refuses to know any verifier.

mod act;
mod job;

use std::collections::BTreeSet;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::content::{Content, to_usize};
use crate::damage::act::Scene;
use crate::damage::job::Landed;
use crate::enrich;
use crate::names::utf16_len;
use crate::world::World;
use crate::world::commit::FRAGMENT_UNIT;
use crate::world::item::Item;

/// Names longer than this take no addition, in UTF-16 units.
const LONGEST_NAME: usize = 200;

/// What is to be damaged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DamageOrder {
    /// The job whose destination is damaged; the scenario's first where absent.
    #[serde(default)]
    pub job: Option<String>,
    /// Names of kinds, or `all`.
    pub kinds: Vec<String>,
    /// The share of the job's files that are damaged, above 0 and up to 1.
    pub rate: f64,
    /// What the choice is drawn from.
    pub seed: u64,
    /// Whether what the application would have written keeps the old bytes as an earlier version. Where it does not,
    /// the bytes are replaced in their place, as by a restored backup.
    #[serde(default)]
    pub versioned: bool,
}

/// One damaged file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Relative to the job's destination, as it stood before; of a foreign file, where it stands now.
    pub path: String,
    /// What was done.
    pub kind: String,
    /// Where the file is now, or its double.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `app`, the display name of a person, `library` or `nobody`.
    pub by: String,
    /// Whether it may be mended unasked: what other people did, doubles, foreign files and versions may not.
    pub repairable: bool,
    /// The finding.
    pub expect: String,
}

/// Why nothing was damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageError {
    /// There is no such job.
    #[error("no job \"{0}\"")]
    NoJob(String),
    /// There is no such kind.
    #[error("unknown kind \"{given}\", known are all, {}", .known.join(", "))]
    UnknownKind {
        /// What was asked for.
        given: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The share is no share.
    #[error("the rate must lie above 0 and not above 1")]
    BadRate,
}

/// What can happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deleted,
    Truncated,
    Flipped,
    FlippedSilently,
    SwappedFragments,
    ZeroLength,
    OtherFormat,
    Moved,
    Renamed,
    Doubled,
    Edited,
    MovedByUser,
    DeletedByUser,
    RewrittenLate,
    TimesLost,
    FolderTimesLost,
    ExtraVersion,
    Foreign,
}

/// Every kind with its name, the finding, and whether it may be mended unasked.
const KINDS: [(Kind, &str, &str, bool); 18] = [
    (Kind::Deleted, "deleted", "absent", true),
    (Kind::Truncated, "truncated", "changed", true),
    (Kind::Flipped, "flipped", "changed", true),
    (Kind::FlippedSilently, "flipped-silently", "changed", true),
    (Kind::SwappedFragments, "swapped-fragments", "changed", true),
    (Kind::ZeroLength, "zero-length", "changed", true),
    (Kind::OtherFormat, "other-format", "changed", true),
    (Kind::Moved, "moved", "misplaced", true),
    (Kind::Renamed, "renamed", "misplaced", true),
    (Kind::Doubled, "doubled", "doubled", false),
    (Kind::Edited, "edited", "edited", false),
    (Kind::MovedByUser, "moved-by-user", "moved-by-user", false),
    (Kind::DeletedByUser, "deleted-by-user", "deleted-by-user", false),
    (Kind::RewrittenLate, "rewritten-late", "rewritten", false),
    (Kind::TimesLost, "times-lost", "wrong-times", true),
    (Kind::FolderTimesLost, "folder-times-lost", "wrong-times", true),
    (Kind::ExtraVersion, "extra-version", "extra-versions", false),
    (Kind::Foreign, "foreign", "foreign", false),
];

impl Kind {
    /// Name, finding, and whether it may be mended unasked.
    fn facts(self) -> (&'static str, &'static str, bool) {
        let known = KINDS.iter().find(|(kind, ..)| *kind == self);
        known.map_or(("", "", false), |(_, name, expect, repairable)| (name, expect, *repairable))
    }

    /// Whether a file can take it. Empty files take little, as one of them is like another.
    fn fits(self, item: &Item, content: &Content, rewrites: bool) -> bool {
        let len = content.len();
        let nameable = utf16_len(&item.name) <= LONGEST_NAME;
        match self {
            Self::FolderTimesLost => false,
            Self::Deleted | Self::DeletedByUser | Self::Edited | Self::TimesLost => true,
            // In a document that the library writes into, a bit may fall into what is the library's own: then nothing
            // of the file is lost, and nobody could tell it from the library's next writing.
            Self::Flipped => len > 0 && !(rewrites && enrich::is_parsed(&item.name, content)),
            Self::Truncated => len > 1,
            Self::OtherFormat => len > 64,
            Self::SwappedFragments => {
                let fragment = |n: u64| content.read(n * FRAGMENT_UNIT, to_usize(FRAGMENT_UNIT));
                len > 2 * FRAGMENT_UNIT && fragment(0) != fragment(1)
            }
            Self::RewrittenLate => rewrites && enrich::is_parsed(&item.name, content),
            Self::Renamed | Self::Doubled => len > 0 && nameable,
            _ => len > 0,
        }
    }
}

fn kinds_of(names: &[String]) -> Result<Vec<Kind>, DamageError> {
    if names.iter().any(|name| name == "all") {
        return Ok(KINDS.iter().map(|(kind, ..)| *kind).collect());
    }
    let known = |given: &String| {
        let found = KINDS.iter().find(|(_, name, ..)| name == given).map(|(kind, ..)| *kind);
        found.ok_or_else(|| DamageError::UnknownKind {
            given: given.clone(),
            known: KINDS.iter().map(|(_, name, ..)| *name).collect(),
        })
    };
    names.iter().map(known).collect()
}

impl World {
    /// Damages what a job has landed and says what was done, by path.
    pub(crate) fn inflict(&mut self, order: &DamageOrder) -> Result<Vec<Damaged>, DamageError> {
        let kinds = kinds_of(&order.kinds)?;
        if !(order.rate > 0.0 && order.rate <= 1.0) {
            return Err(DamageError::BadRate);
        }
        let name = order.job.as_deref();
        let job = self.jobs.iter().find(|job| name.is_none_or(|name| job.name == name)).cloned();
        let job = job.ok_or_else(|| DamageError::NoJob(name.unwrap_or_default().to_owned()))?;
        let landed = Landed::of(self, &job);
        let mut rng = Rng::with_seed(order.seed);
        let plan = self.plan(&landed, &kinds, share(order.rate, landed.files.len()), &mut rng);
        let mut folders = match kinds.contains(&Kind::FolderTimesLost) {
            true => landed.dated_folders(self),
            false => Vec::new(),
        };
        rng.shuffle(&mut folders);
        folders.truncate(share(order.rate, folders.len()));
        let mut scene = Scene::new(self, &landed, order.versioned, rng);
        let mut done: Vec<Damaged> =
            plan.into_iter().filter_map(|(file, kind)| scene.damage(landed.files.get(file)?, kind)).collect();
        done.extend(folders.into_iter().filter_map(|folder| scene.lose_folder_times(folder)));
        done.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(done)
    }

    /// Which file takes what: one kind after the other, those that fit few files first in each round, until enough
    /// files are damaged. No file twice.
    fn plan(&self, landed: &Landed, kinds: &[Kind], wanted: usize, rng: &mut Rng) -> Vec<(usize, Kind)> {
        let Some(drive) = self.drive(landed.drive) else { return Vec::new() };
        let rewrites = self.rewriting(landed.drive) != crate::config::Rewriting::Off;
        let fits = |kind: Kind, file: usize| {
            let item = landed.files.get(file).and_then(|file| drive.item(file.item));
            item.is_some_and(|item| item.content().is_some_and(|content| kind.fits(item, content, rewrites)))
        };
        let mut waiting: Vec<(Kind, Vec<usize>)> = kinds
            .iter()
            .map(|kind| {
                let mut files: Vec<usize> = (0..landed.files.len()).collect();
                files.retain(|file| fits(*kind, *file));
                rng.shuffle(&mut files);
                (*kind, files)
            })
            .collect();
        waiting.sort_by_key(|(_, files)| files.len());
        let mut used = BTreeSet::new();
        let mut plan = Vec::new();
        while plan.len() < wanted {
            let before = plan.len();
            for (kind, files) in &mut waiting {
                let next = std::iter::from_fn(|| files.pop()).find(|file| !used.contains(file));
                if let Some(file) = next.filter(|_| plan.len() < wanted) {
                    used.insert(file);
                    plan.push((file, *kind));
                }
            }
            if plan.len() == before {
                break;
            }
        }
        plan
    }
}

/// A share of so many, rounded, and at least one.
fn share(rate: f64, of: usize) -> usize {
    let mut sum = 0.5;
    let hits = (0..of).filter(|_| {
        sum += rate;
        let hit = sum >= 1.0;
        sum -= if hit { 1.0 } else { 0.0 };
        hit
    });
    hits.count().max(1).min(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_and_never_nothing() {
        for (rate, of, expected) in
            [(0.05, 5000, 250), (0.05, 100, 5), (0.05, 3, 1), (1.0, 7, 7), (0.5, 0, 0)]
        {
            assert_eq!(share(rate, of), expected, "{rate} of {of}");
        }
    }

    #[test]
    fn every_kind_stands_in_the_table_once() {
        let names: BTreeSet<&str> = KINDS.iter().map(|(_, name, ..)| *name).collect();
        assert_eq!(names.len(), KINDS.len());
        for (kind, name, ..) in KINDS {
            assert_eq!(kind.facts().0, name);
            assert_eq!(kinds_of(&[name.to_owned()]).unwrap(), [kind]);
        }
        let error = kinds_of(&["burnt".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("unknown kind \"burnt\", known are all, deleted, "), "{error}");
    }
}
