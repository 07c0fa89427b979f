//! Findings: each becomes an event once, and a look that says it is open.

use serde_json::json;

use super::Verify;
use crate::error::StoreError;
use crate::ledger::{Answer, LookFilter, Looked};
use crate::row::FileRow;
use crate::state::{Event, Reason, State};
use crate::words::{ItemKey, RelPath};

/// What a finding is kept under: the file and the kind, so that a file may have two.
pub(in crate::engine) fn subject(row: &FileRow, reason: Reason) -> String {
    format!("file {:019} {reason}", row.id.0)
}

/// What a stranger's finding is kept under.
pub(super) fn stranger_subject(item: &ItemKey) -> String {
    format!("item {item}")
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
        words: &str,
    ) -> Result<(), StoreError> {
        *self.report.findings.entry(reason).or_default() += 1;
        let subject = subject(&row, reason);
        let comment = words.to_owned();
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
            "words": words,
        });
        let section = self.job.slot(row.source).map(|slot| slot.label.clone()).unwrap_or_default();
        self.look(subject, section, answer, reason, &detail).await
    }

    /// Records a finding of something that is in no ledger: it has no row, so the look is all that is kept.
    pub(super) async fn find_stranger(
        &mut self,
        item: &ItemKey,
        path: &RelPath,
        size: u64,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        *self.report.findings.entry(Reason::Foreign).or_default() += 1;
        let subject = stranger_subject(item);
        if !self.is_known(&subject).await? {
            self.report.new += 1;
        }
        let detail = json!({ "target": path.as_str(), "size": size, "by": by });
        self.look(subject, String::new(), Answer::Present, Reason::Foreign, &detail).await
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
