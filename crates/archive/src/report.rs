//! What a verify amounts to, added up from the looks in the ledger, so that a resumed one counts its first half.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use landfall_core::ledger::{Answer, Looked};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// Users named in a report's list of the worst.
const WORST: usize = 20;
/// Plain files named in a report; the count of findings goes on.
pub(crate) const LEAKS: usize = 1000;

/// What a look keeps besides its answer and its finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Detail {
    /// The recorded URL; empty for a finding about a whole post.
    #[serde(default)]
    pub(crate) url: String,
    /// `images` or `videos`, where it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    /// Where the object was found instead: the URL of that place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<String>,
    /// SHA-256 of what lies there, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// Bytes that lie there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// SHA-256 of what lay there when it was shown to be the file's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<String>,
    /// When its bytes were last read back and were those whose hash is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<Timestamp>,
    /// The SHA-256 that was published of it when reading it back showed other bytes, or bytes that nobody can open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) misread: Option<String>,
    /// Why nothing more can be done about it, as the reason's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) settled: Option<String>,
    /// More in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) words: String,
}

impl Detail {
    pub(crate) fn of(look: &Looked) -> Self {
        serde_json::from_str(&look.detail).unwrap_or_default()
    }

    /// True where what lies there is not what was shown to belong there.
    pub(crate) fn is_changed(&self) -> bool {
        self.shown.is_some() && self.shown != self.sha256
    }

    /// Takes note that the bytes were read and are those whose hash is published; gives what is found of them then.
    pub(crate) fn is_read(&mut self, at: Timestamp) -> Option<Finding> {
        (self.read, self.misread) = (Some(at), None);
        self.words.clear();
        self.is_changed().then_some(Finding::Changed)
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Totals of one kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindTotals {
    /// URLs looked at.
    pub checked: u64,
    /// There.
    pub present: u64,
    /// Shown not to be there.
    pub absent: u64,
    /// Looking failed.
    pub unknown: u64,
}

/// What a verify amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Recorded URLs in the part of the catalogue that was asked for.
    pub recorded: u64,
    /// URLs looked at: present, absent and unknown together.
    pub checked: u64,
    /// There.
    pub present: u64,
    /// Shown not to be there.
    pub absent: u64,
    /// Looking failed; nothing is known of them.
    pub unknown: u64,
    /// Findings by their word.
    pub findings: BTreeMap<String, u64>,
    /// Of the absent those that lie elsewhere or were recorded unsealed.
    pub wrong_paths: u64,
    /// Of the present those shown to hold the file's bytes, now or earlier.
    pub proven: u64,
    /// Of the present those never shown so by hash.
    pub never_proven: u64,
    /// Findings that are settled for good, by reason.
    pub settled: BTreeMap<String, u64>,
    /// Plain files that lie on the Hub: those recorded, and those that a repair left there after it had put the
    /// sealed file in their place.
    pub leaks: Vec<String>,
    /// Posts with a finding.
    pub posts_affected: u64,
    /// By kind of file.
    pub kinds: BTreeMap<String, KindTotals>,
    /// The users with most findings.
    pub worst_users: Vec<(String, u64)>,
    /// Each repository's pinned state, and its present one where it moved meanwhile.
    pub repositories: BTreeMap<String, (String, Option<String>)>,
    /// True where an interrupted verify was gone on with.
    pub resumed: bool,
    /// True where somebody asked to stop before the end.
    pub interrupted: bool,
    /// Objects that were read back, and whose bytes are right.
    pub read: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// Objects that could not be read back now; nothing is known of their bytes.
    pub unread: u64,
    /// Requests that looking took.
    pub requests: u64,
    #[serde(skip)]
    owners: BTreeSet<String>,
    #[serde(skip)]
    users: BTreeMap<String, u64>,
}

impl VerifyReport {
    /// Adds one look. Subjects come sorted by post, so that one post is held at a time.
    pub(crate) fn add(&mut self, look: &Looked) {
        let detail = Detail::of(look);
        if !detail.url.is_empty() {
            self.count(look, &detail);
        }
        let Some(finding) = look.finding.as_deref().and_then(Finding::parse) else { return };
        if let Some(reason) = detail.settled {
            *self.settled.entry(reason).or_default() += 1;
            return;
        }
        if finding == Finding::Leak && self.leaks.len() < LEAKS {
            self.leaks.push(detail.url.clone());
        }
        *self.findings.entry(finding.name().to_owned()).or_default() += 1;
        self.wrong_paths += u64::from(matches!(finding, Finding::WrongPath | Finding::UnsealedPath));
        if self.owners.insert(look.owner.clone()) {
            self.posts_affected += 1;
        }
        // Only the newest few are kept: looks come post by post.
        while self.owners.len() > 2 {
            self.owners.pop_first();
        }
        *self.users.entry(look.section.clone()).or_default() += 1;
    }

    fn count(&mut self, look: &Looked, detail: &Detail) {
        self.checked += 1;
        let kind = if detail.kind.is_empty() { "other" } else { &detail.kind };
        let totals = self.kinds.entry(kind.to_owned()).or_default();
        totals.checked += 1;
        match look.answer {
            Answer::Present => {
                self.present += 1;
                totals.present += 1;
                match detail.shown.is_some() && detail.shown == detail.sha256 {
                    true => self.proven += 1,
                    false => self.never_proven += 1,
                }
            }
            Answer::Absent => {
                self.absent += 1;
                totals.absent += 1;
            }
            Answer::Unknown => {
                self.unknown += 1;
                totals.unknown += 1;
            }
        }
    }

    /// Sums up after the last look.
    pub(crate) fn finish(&mut self) {
        let mut users: Vec<(String, u64)> = std::mem::take(&mut self.users).into_iter().collect();
        users.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        users.truncate(WORST);
        self.worst_users = users;
        self.owners.clear();
    }

    /// Findings that are not settled.
    #[must_use]
    pub fn open_findings(&self) -> u64 {
        self.findings.values().sum()
    }

    /// True where everything that is recorded was looked at, nothing was found, and no plain file lies on the Hub.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.open_findings() == 0
            && self.leaks.is_empty()
            && self.unknown == 0
            && self.unread == 0
            && !self.interrupted
    }
}
