//! Findings: each becomes an event once, and a look that says it is open.

use serde_json::json;

use super::Verify;
use crate::error::StoreError;
use crate::ledger::{Answer, FoundRow, LookFilter, Looked};
use crate::memo::MemoKey;
use crate::row::FileRow;
use crate::state::{Event, Reason, State};
use crate::words::{ItemKey, RelPath};

/// What a finding is kept under: the file, the kind, and the object where it is not the file's own.
pub(in crate::engine) fn subject(row: &FileRow, reason: Reason, beside: Option<&ItemKey>) -> String {
    match beside {
        Some(item) => format!("file {:019} {reason} {item}", row.id.0),
        None => format!("file {:019} {reason}", row.id.0),
    }
}

/// What a stranger's finding is kept under.
pub(super) fn stranger_subject(item: &ItemKey) -> String {
    format!("item {item}")
}

/// The memos of what somebody accepted, by the finding's subject: the path, or the object's revision then.
pub(in crate::engine) const ACCEPTED: &str = "accepted";

/// What was seen of one finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// In words.
    pub(super) words: String,
    /// The object, where it is another one than the file's own.
    pub(super) item: Option<ItemKey>,
    /// Where that lies, or where the file's own object lies now.
    pub(super) at: Option<RelPath>,
    /// The person who did it.
    pub(super) by: Option<String>,
    /// The object's revision: what is accepted is accepted for this one.
    pub(super) revision: Option<String>,
}

impl Sight {
    /// Words alone.
    pub(super) fn of(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    /// With the person, who is named in the words as well.
    pub(super) fn by(self, person: Option<&str>) -> Self {
        match person {
            Some(person) => {
                Self { words: format!("{}; by {person}", self.words), by: Some(person.to_owned()), ..self }
            }
            None => self,
        }
    }
}

/// True for a finding with which the proof itself no longer holds.
pub(in crate::engine) fn lapses(reason: Reason) -> bool {
    super::LAPSED.contains(&reason)
}

impl Verify<'_> {
    /// Records a finding of a file: news becomes an event, and the look says that it is open.
    pub(super) async fn find(
        &mut self,
        mut row: FileRow,
        reason: Reason,
        sight: Sight,
    ) -> Result<(), StoreError> {
        let beside = sight.item.as_ref().filter(|_| reason == Reason::Doubled);
        let subject = subject(&row, reason, beside);
        if !lapses(reason) && self.was_accepted(&subject, sight.revision.as_deref()).await? {
            return Ok(());
        }
        *self.report.findings.entry(reason).or_default() += 1;
        let comment = sight.words.clone();
        let event = match (row.state, lapses(reason)) {
            (State::Success, true) => Some(Event::Lapsed { reason, comment }),
            (State::Ng, true) if row.reason == Some(reason) => None,
            _ if self.is_known(&subject).await? => None,
            _ => Some(Event::Observed { reason, comment }),
        };
        if let Some(event) = event {
            self.report.new += 1;
            self.engine.note(&self.job.handle, &mut row, vec![event]).await?;
        }
        let answer = match reason {
            Reason::AbsentAtDestination | Reason::DeletedByUser => Answer::Absent,
            _ => Answer::Present,
        };
        let detail = json!({
            "path": row.path().map(|path| path.as_str().to_owned()),
            "target": row.dest_path().map(|path| path.as_str().to_owned()),
            "size": row.entry.size.0,
            "words": sight.words,
            "item": sight.item.map(|item| item.0),
            "at": sight.at.map(String::from),
            "by": sight.by,
        });
        let section = self.job.slot(row.source).map(|slot| slot.label.clone()).unwrap_or_default();
        self.look(subject, section, answer, reason, &detail).await
    }

    /// Records a finding of something that is in no ledger: it has no row, so the look is all that is kept.
    pub(super) async fn find_stranger(&mut self, found: &FoundRow, path: &RelPath) -> Result<(), StoreError> {
        let subject = stranger_subject(&found.item);
        let revision = found.revision.as_ref().map(|revision| revision.0.as_str());
        if self.was_accepted(&subject, revision).await? {
            return Ok(());
        }
        *self.report.findings.entry(Reason::Foreign).or_default() += 1;
        if !self.is_known(&subject).await? {
            self.report.new += 1;
        }
        let detail = json!({
            "target": path.as_str(),
            "size": found.evidence.size.0,
            "item": found.item.as_str(),
            "by": found.changed_by,
        });
        self.look(subject, String::new(), Answer::Present, Reason::Foreign, &detail).await
    }

    /// True where somebody accepted this finding, and the object has not changed since.
    async fn was_accepted(&self, subject: &str, now: Option<&str>) -> Result<bool, StoreError> {
        let key = MemoKey::new(self.job.handle.id, ACCEPTED, subject.to_owned());
        Ok(self.engine.ledger.memo(&key).await?.is_some_and(|then| then == now.unwrap_or_default()))
    }

    async fn look(
        &self,
        subject: String,
        section: String,
        answer: Answer,
        reason: Reason,
        detail: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let owner = detail.get("path").or_else(|| detail.get("target"));
        let look = Looked {
            subject,
            owner: owner.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
            section,
            answer,
            finding: Some(reason.name().to_owned()),
            detail: detail.to_string(),
            at: self.engine.clock.now(),
        };
        self.engine.ledger.looked(&self.job.handle, vec![look]).await
    }

    /// True where an earlier verify found the same.
    async fn is_known(&self, subject: &str) -> Result<bool, StoreError> {
        let Some((before, _)) =
            subject.char_indices().next_back().and_then(|(at, _)| subject.split_at_checked(at))
        else {
            return Ok(false);
        };
        // The shortest subject above its own beginning is the subject itself, or one beside it.
        let looks =
            self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), before, BESIDE).await?;
        Ok(looks.iter().any(|look| look.subject == subject))
    }
}

/// Subjects that may begin like another one: kinds of finding whose words differ in the last letter alone.
const BESIDE: usize = 64;
