//! Findings: each becomes an event once, and a look that says it is open.

use serde::{Deserialize, Serialize};

use super::Verify;
use crate::error::StoreError;
use crate::ledger::{Answer, FoundRow, LookFilter, Looked};
use crate::memo::MemoKey;
use crate::row::FileRow;
use crate::state::{Event, Reason, State};
use crate::words::{FileId, FolderId, ItemKey, RelPath, fold_hash};

/// Open findings read at a time.
const BATCH: usize = 500;

/// What a finding is kept under: the file, the kind, and the object where it is not the file's own.
pub(in crate::engine) fn subject(row: &FileRow, reason: Reason, beside: Option<&ItemKey>) -> String {
    match beside {
        Some(item) => format!("file {:019} {reason} {item}", row.id.0),
        None => format!("file {:019} {reason}", row.id.0),
    }
}

/// The file that a finding is about; `None` for what is in no ledger.
pub(in crate::engine) fn file_of(subject: &str) -> Option<FileId> {
    let id = subject.strip_prefix("file ")?.split(' ').next()?;
    id.parse().ok().map(FileId)
}

/// What a stranger's finding is kept under.
pub(super) fn stranger_subject(item: &ItemKey) -> String {
    format!("item {item}")
}

/// What a folder's finding is kept under.
pub(super) fn folder_subject(folder: FolderId, reason: Reason) -> String {
    format!("folder {:019} {reason}", folder.0)
}

/// The folder that a finding is about.
pub(in crate::engine) fn folder_of(subject: &str) -> Option<FolderId> {
    let id = subject.strip_prefix("folder ")?.split(' ').next()?;
    id.parse().ok().map(FolderId)
}

/// What the destination answered.
fn answer(reason: Reason) -> Answer {
    match reason {
        Reason::AbsentAtDestination | Reason::DeletedByUser => Answer::Absent,
        _ => Answer::Present,
    }
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

/// What a finding's look keeps besides the kind: written by a verify, read by repair and accept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::engine) struct Detail {
    /// The file's path at the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) path: Option<String>,
    /// Where it was sent, or where the stranger lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) target: Option<String>,
    /// Its size.
    pub(in crate::engine) size: u64,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) words: Option<String>,
    /// The object, where it is another one than the file's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) item: Option<String>,
    /// Where the content lies now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) at: Option<String>,
    /// The person who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::engine) by: Option<String>,
}

impl Detail {
    /// Reads a look; what cannot be read says nothing.
    pub(in crate::engine) fn of(look: &Looked) -> Self {
        serde_json::from_str(&look.detail).unwrap_or_default()
    }

    /// The object, where it is another one than the file's own.
    pub(in crate::engine) fn item(&self) -> Option<ItemKey> {
        self.item.as_deref().map(ItemKey::from)
    }
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
        if !reason.lapses() && self.was_accepted(&subject, sight.revision.as_deref()).await? {
            return Ok(());
        }
        *self.report.findings.entry(reason).or_default() += 1;
        let comment = sight.words.clone();
        let event = match (row.state, reason.lapses()) {
            (State::Success, true) => Some(Event::Lapsed { reason, comment }),
            (State::Ng, true) if row.reason == Some(reason) => None,
            _ if self.is_known(&subject).await? => None,
            _ => Some(Event::Observed { reason, comment }),
        };
        if let Some(event) = event {
            self.report.new += 1;
            self.engine.note(&self.job.handle, &mut row, vec![event]).await?;
        }
        let detail = Detail {
            path: row.path().map(String::from),
            target: row.dest_path().map(String::from),
            size: row.entry.size.0,
            words: Some(sight.words),
            item: sight.item.map(|item| item.0),
            at: sight.at.map(String::from),
            by: sight.by,
        };
        let section = self.job.slot(row.source).map(|slot| slot.label.clone()).unwrap_or_default();
        self.look(subject, section, answer(reason), reason, &detail).await
    }

    /// Findings of files that a killed repair had let go stay open until the file has landed again, by a repair
    /// or by a run: there is no proof of it meanwhile that could be looked at.
    pub(super) async fn keep_under_way(&mut self) -> Result<(), StoreError> {
        let filter = LookFilter { findings: true, section: None };
        let mut after = String::new();
        loop {
            self.engine.go_on("verify")?;
            let looks = self.engine.ledger.looks(self.job.handle.id, &filter, &after, BATCH).await?;
            let Some(last) = looks.last() else { return Ok(()) };
            after.clone_from(&last.subject);
            let mut kept = Vec::new();
            for look in looks.into_iter().filter(|look| look.at < self.begun) {
                let Some(reason) = look.finding.as_deref().and_then(Reason::parse) else { continue };
                let Some(id) = file_of(&look.subject).filter(|_| reason.lapses()) else { continue };
                let Some(row) = self.engine.file(self.job, id).await? else { continue };
                if matches!(row.state, State::Success | State::Ng) {
                    continue;
                }
                *self.report.findings.entry(reason).or_default() += 1;
                self.under_way.extend(row.dest_path().map(|path| fold_hash(path.as_str())));
                kept.push(Looked { at: self.engine.clock.now(), ..look });
            }
            if !kept.is_empty() {
                self.engine.ledger.looked(&self.job.handle, kept).await?;
            }
        }
    }

    /// Records a finding of something that is in no ledger.
    pub(super) async fn find_stranger(&mut self, found: &FoundRow, path: &RelPath) -> Result<(), StoreError> {
        let revision = found.revision.as_ref().map(|revision| revision.0.as_str());
        let detail = Detail {
            target: Some(path.as_str().to_owned()),
            size: found.evidence.size.0,
            item: Some(found.item.0.clone()),
            by: found.changed_by.clone(),
            ..Detail::default()
        };
        self.find_rowless(stranger_subject(&found.item), Reason::Foreign, revision, &detail).await
    }

    /// Records a finding of what has no file's row, so that the look is all that is kept.
    pub(super) async fn find_rowless(
        &mut self,
        subject: String,
        reason: Reason,
        revision: Option<&str>,
        detail: &Detail,
    ) -> Result<(), StoreError> {
        if self.was_accepted(&subject, revision).await? {
            return Ok(());
        }
        *self.report.findings.entry(reason).or_default() += 1;
        if !self.is_known(&subject).await? {
            self.report.new += 1;
        }
        self.look(subject, String::new(), answer(reason), reason, detail).await
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
        detail: &Detail,
    ) -> Result<(), StoreError> {
        let owner = detail.path.as_ref().or(detail.target.as_ref()).cloned().unwrap_or_default();
        let look = Looked {
            subject,
            owner,
            section,
            answer,
            finding: Some(reason.name().to_owned()),
            detail: serde_json::to_string(detail).unwrap_or_default(),
            at: self.engine.clock.now(),
        };
        self.engine.ledger.looked(&self.job.handle, vec![look]).await
    }

    /// True where an earlier verify found the same.
    async fn is_known(&self, subject: &str) -> Result<bool, StoreError> {
        Ok(self.engine.ledger.look(self.job.handle.id, subject).await?.is_some())
    }
}
