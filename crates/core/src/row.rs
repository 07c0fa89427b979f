//! One file's row in the ledger, and the pure functions by which events and listings change it.
//!
//! Every ledger keeps these columns and changes them only through [`FileRow::apply`] and
//! [`FileRow::absorb`], so that memory, SQLite and PostgreSQL cannot drift apart.

use jiff::Timestamp;

use crate::digest::Digests;
use crate::proof::{Evidence, ProofKind, Sense, SourceLeg};
use crate::seal::Sealed;
use crate::state::{Event, IllegalTransition, Reason, State, Via};
use crate::store::{Entry, Holding};
use crate::words::{ByteSize, FileId, FolderId, ItemKey, RelPath, SourceId};

/// Whether a row takes part in the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Listed, and not placed yet: its path may still change before the pass ends.
    Unsettled,
    /// Part of the job: it has a state.
    In,
    /// Outside the job's source folder; kept because its folder may be moved in.
    Outside,
    /// Listed and never moved, for the reason on the row.
    Skipped,
    /// The source no longer lists it.
    Gone,
}

impl Standing {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Unsettled, Self::In, Self::Outside, Self::Skipped, Self::Gone];

    /// The number stored in a ledger.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Unsettled => 0,
            Self::In => 1,
            Self::Outside => 2,
            Self::Skipped => 3,
            Self::Gone => 4,
        }
    }

    /// Reads a stored number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }
}

/// One file of one job. Columns that an event does not name stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// The row's id.
    pub id: FileId,
    /// The source that lists it.
    pub source: SourceId,
    /// The folder it lies in; directly below the source's root that is the source's root folder row.
    pub folder: FolderId,
    /// What the source says: key, name, size, times, revision, digests. `parent` is the folder's key.
    pub entry: Entry,
    /// Whether it takes part.
    pub standing: Standing,
    /// Why it is skipped, set by listing or placement.
    pub skip: Option<Reason>,
    /// Where it stands on its way.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// In words.
    pub comment: String,
    /// Tries that failed.
    pub attempts: u32,
    /// No automatic retry makes sense.
    pub last: bool,
    /// Not to be tried before.
    pub not_before: Option<Timestamp>,
    /// An upload was begun; the destination must be asked before sending.
    pub intended: bool,
    /// The name at the destination where it is not the source's.
    pub dest_name: Option<String>,
    /// Fingerprint of the folded destination path within the job; 0 before placement.
    pub target: i64,
    /// Fingerprint of the folded destination name.
    pub fold: i64,
    /// Digests of the bytes that passed through us.
    pub ours: Digests,
    /// Number of bytes that passed through us, where it is not the published size.
    pub ours_size: Option<ByteSize>,
    /// What is kept of the sealing of those bytes; `ours` is then what the ciphertext is.
    pub sealed: Option<Sealed>,
    /// What the source's evidence said of them.
    pub leg: Option<SourceLeg>,
    /// What the destination says it holds.
    pub holding: Option<Holding>,
    /// How it came there.
    pub via: Option<Via>,
    /// How it was proven.
    pub proven: Option<ProofKind>,
    /// When the service last reported no change.
    pub unchanged_at: Option<Timestamp>,
    /// When the published hash was last read.
    pub hash_at: Option<Timestamp>,
    /// When the bytes were last read.
    pub bytes_at: Option<Timestamp>,
    /// When the row last changed.
    pub changed_at: Timestamp,
    /// The listing pass that saw it last.
    pub seen: i64,
    /// The folder's path from the source's root; filled by scans, `None` while a parent is missing.
    pub folder_path: Option<RelPath>,
    /// The folder's path at the destination; filled by scans, `None` before placement.
    pub folder_target: Option<RelPath>,
    /// The folder's id at the destination; filled by scans.
    pub folder_item: Option<ItemKey>,
}

impl FileRow {
    /// A row as a listing first enrols it.
    #[must_use]
    pub fn enrolled(
        id: FileId,
        source: SourceId,
        folder: FolderId,
        entry: Entry,
        at: Timestamp,
        pass: i64,
    ) -> Self {
        Self {
            id,
            source,
            folder,
            entry,
            standing: Standing::Unsettled,
            skip: None,
            state: State::Pending,
            reason: None,
            comment: String::new(),
            attempts: 0,
            last: false,
            not_before: None,
            intended: false,
            dest_name: None,
            target: 0,
            fold: 0,
            ours: Digests::none(),
            ours_size: None,
            sealed: None,
            leg: None,
            holding: None,
            via: None,
            proven: None,
            unchanged_at: None,
            hash_at: None,
            bytes_at: None,
            changed_at: at,
            seen: pass,
            folder_path: None,
            folder_target: None,
            folder_item: None,
        }
    }

    /// The path from the source's root, name included; `None` while the folder has none.
    #[must_use]
    pub fn path(&self) -> Option<RelPath> {
        self.folder_path.as_ref()?.join(&self.entry.name).ok()
    }

    /// The path at the destination, from its root; `None` before placement.
    #[must_use]
    pub fn dest_path(&self) -> Option<RelPath> {
        self.folder_target.as_ref()?.join(self.dest_name()).ok()
    }

    /// The name at the destination.
    #[must_use]
    pub fn dest_name(&self) -> &str {
        self.dest_name.as_deref().unwrap_or(&self.entry.name)
    }

    /// What we know of the content: what passed through us, else what the source publishes.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        if self.ours.is_empty() {
            return Evidence { size: self.entry.size, digests: self.entry.digests.clone() };
        }
        Evidence { size: self.ours_size.unwrap_or(self.entry.size), digests: self.ours.clone() }
    }

    /// Changes the row as an event says, at a moment. Nothing has changed where it errs.
    ///
    /// # Errors
    /// When the event cannot happen in the row's state.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), IllegalTransition> {
        self.state = self.state.apply(event)?;
        // A look that leaves a file as it was is no change of it: since when it is so stays readable.
        let looked = matches!(event, Event::Checked { .. } | Event::Observed { .. });
        if !looked || self.state == State::Ng {
            self.changed_at = at;
        }
        match event {
            Event::Spooled { size, digests, leg, sealed } => {
                self.sealed = sealed.as_deref().cloned();
                self.ours = digests.clone();
                self.ours_size = Some(*size);
                self.leg = Some(*leg);
                self.settle_reason(None, "");
            }
            Event::Present { holding, via, sent, leg, reason } => {
                self.leg = leg.or(self.leg);
                self.present(holding, *via, sent, *reason);
            }
            Event::SpoolLost => {
                self.settle_reason(None, "");
                self.holding = None;
            }
            Event::Displaced => {
                self.settle_reason(Some(Reason::DifferentAtDestination), "");
                self.holding = None;
            }
            Event::Proven(proof) => self.prove(proof),
            Event::Vanished { comment } => {
                self.holding = None;
                self.via = None;
                self.settle_reason(Some(Reason::AbsentAtDestination), comment);
                self.attempts += 1;
            }
            Event::Failed { reason, comment, last } => {
                self.settle_reason(Some(*reason), comment);
                self.attempts += 1;
                self.last = *last;
            }
            Event::Lapsed { reason, comment } => self.settle_reason(Some(*reason), comment),
            Event::Superseded { comment } => self.supersede(comment),
            Event::Retried { comment } => {
                // What went wrong before stays readable; a person's own words are never lost.
                if !comment.is_empty() {
                    self.comment = comment.clone();
                }
                self.last = false;
                self.not_before = None;
                // What was taken back is no proof any more, whatever becomes of the file.
                if self.state == State::Pending {
                    self.proven = None;
                }
            }
            Event::Deferred { reason, comment, not_before } => {
                self.settle_reason(Some(*reason), comment);
                self.attempts += 1;
                self.not_before = *not_before;
            }
            Event::Noted { reason, comment, holding } => {
                self.settle_reason(Some(*reason), comment);
                if let Some(holding) = holding {
                    self.holding = Some(holding.clone());
                }
            }
            Event::Checked { .. } | Event::Observed { .. } | Event::Relocated { .. } => self.look(event, at),
            Event::Intended { via } => {
                self.intended = true;
                self.via = Some(*via);
            }
            Event::Gone => self.standing = Standing::Gone,
            Event::Renamed { from } => {
                // What landed keeps its earlier name at the destination: that is never silent.
                if self.state == State::Success {
                    self.reason = Some(Reason::RenamedAtSource);
                    self.comment = format!("landed as {from}");
                }
            }
        }
        Ok(())
    }

    /// What a later look at a landed file tells.
    fn look(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Checked { sense, holding, sha256, proof } => {
                self.confirm(*sense, at);
                if let Some(holding) = holding {
                    self.holding = Some(holding.as_ref().clone());
                }
                if let Some(sha256) = sha256 {
                    self.ours.sha256 = Some(sha256.clone());
                    self.ours_size = self.ours_size.or(Some(self.entry.size));
                }
                if let Some(proof) = proof {
                    self.prove(proof);
                }
            }
            Event::Relocated { holding, .. } => {
                self.holding = Some(holding.as_ref().clone());
                self.settle_reason(None, "");
            }
            // Another reason why the proof does not hold takes the place of the one before; what leaves a proof alone
            // says nothing of why there is none.
            Event::Observed { reason, comment }
                if self.state == State::Ng && (reason.lapses() || *reason == Reason::DeletionAccepted) =>
            {
                self.settle_reason(Some(*reason), comment);
            }
            _ => {}
        }
    }

    /// Notes that a look confirmed it; the state and the reason stay.
    pub fn confirm(&mut self, sense: Sense, at: Timestamp) {
        match sense {
            Sense::Unchanged => self.unchanged_at = Some(at),
            Sense::Hash => (self.unchanged_at, self.hash_at) = (Some(at), Some(at)),
            Sense::Bytes => self.bytes_at = Some(at),
        }
    }

    fn prove(&mut self, proof: &crate::proof::Proof) {
        self.proven = Some(proof.kind());
        self.leg = Some(proof.leg());
        if let Some(holding) = &mut self.holding {
            holding.evidence = proof.expected().clone();
            // What the destination publishes is kept; what reading back showed is ours.
            if proof.kind() == ProofKind::Bytes {
                holding.evidence.digests.sha256 = None;
            }
        }
        let is_ours = proof.kind() != ProofKind::Parts;
        if is_ours && self.ours.is_empty() && proof.expected().digests.sha256.is_some() {
            self.ours = proof.expected().digests.clone();
            self.ours_size = Some(proof.expected().size);
        }
        match proof.sense() {
            Sense::Hash | Sense::Unchanged => self.hash_at = Some(proof.at()),
            Sense::Bytes => self.bytes_at = Some(proof.at()),
        }
        self.settle_reason(None, "");
        self.intended = false;
    }

    fn settle_reason(&mut self, reason: Option<Reason>, comment: &str) {
        self.reason = reason;
        comment.clone_into(&mut self.comment);
        self.not_before = None;
    }

    fn present(&mut self, holding: &Holding, via: Via, sent: &Digests, reason: Reason) {
        self.holding = Some(holding.clone());
        self.via = Some(via);
        if !sent.is_empty() {
            self.ours = sent.clone();
            // What a person made of it has a size of its own, and is not what was sealed.
            if self.leg == Some(SourceLeg::Accepted) {
                self.ours_size = Some(holding.evidence.size);
                self.sealed = None;
            }
        }
        self.settle_reason(Some(reason), "");
    }

    fn supersede(&mut self, comment: &str) {
        self.ours = Digests::none();
        self.ours_size = None;
        self.sealed = None;
        self.leg = None;
        self.via = None;
        self.proven = None;
        self.attempts = 0;
        self.last = false;
        self.settle_reason(Some(Reason::SourceChanged), comment);
    }

    /// Takes what a later listing says of the same key and returns the events that this amounts to.
    ///
    /// Content counts as changed when size or a common digest differs, or, where no digest can tell,
    /// when the revision differs. The row becomes unsettled, for its place may have changed.
    #[must_use]
    pub fn absorb(&mut self, entry: &Entry, folder: FolderId, pass: i64) -> Vec<Event> {
        let mut events = Vec::new();
        if self.folder != folder || self.entry.name != entry.name {
            let from = self.path().map_or_else(|| self.entry.name.clone(), |p| p.to_string());
            events.push(Event::Renamed { from });
        }
        if content_differs(&self.entry, entry) {
            let comment = format!("source content changed: {} to {} bytes", self.entry.size.0, entry.size.0);
            events.push(Event::Superseded { comment });
        }
        self.entry = entry.clone();
        self.folder = folder;
        self.standing = Standing::Unsettled;
        self.skip = None;
        self.seen = pass;
        events
    }
}

fn content_differs(old: &Entry, new: &Entry) -> bool {
    if old.size != new.size {
        return true;
    }
    for (a, b) in [
        (&old.digests.sha256, &new.digests.sha256),
        (&old.digests.quickxor, &new.digests.quickxor),
        (&old.digests.sha1, &new.digests.sha1),
    ] {
        if let (Some(a), Some(b)) = (a, b) {
            return a != b;
        }
    }
    // Where neither has a digest the revision alone tells: a second holds more than one edit.
    if old.digests.is_empty() && new.digests.is_empty() {
        return old.revision != new.revision;
    }
    // A digest that appears where there was none is news about the same revision, not a change.
    old.revision != new.revision && old.times.modified != new.times.modified
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hasher;
    use crate::proof::{Comparison, Proof};
    use crate::store::Authors;
    use crate::words::Times;

    fn landed() -> FileRow {
        let mut hasher = Hasher::new();
        hasher.update("録音".as_bytes());
        let evidence = Evidence { size: ByteSize(6), digests: hasher.digests() };
        let entry = Entry {
            key: ItemKey::from("a"),
            parent: None,
            name: "録音.wav".to_owned(),
            size: evidence.size,
            times: Times::default(),
            revision: None,
            digests: evidence.digests.clone(),
            authors: Authors::default(),
        };
        let at = Timestamp::UNIX_EPOCH;
        let mut row = FileRow::enrolled(FileId(1), SourceId(1), FolderId(1), entry, at, 1);
        let holding = Holding { item: ItemKey::from("b"), revision: None, evidence: evidence.clone() };
        let Comparison::Proven(proof) =
            Proof::compare(&evidence, &evidence, SourceLeg::Matched, ProofKind::Hash, at)
        else {
            panic!("equal evidence is a proof")
        };
        let (via, sent) = (Via::Stream, evidence.digests);
        row.apply(&Event::Present { holding, via, sent, leg: None, reason: Reason::Unproven }, at).unwrap();
        row.apply(&Event::Proven(proof), at).unwrap();
        row
    }

    #[test]
    fn a_finding_that_leaves_the_proof_does_not_hide_why_there_is_none() {
        let (at, comment) = (Timestamp::UNIX_EPOCH, String::new);
        let mut row = landed();
        row.apply(&Event::Observed { reason: Reason::Doubled, comment: comment() }, at).unwrap();
        assert_eq!((row.state, row.reason), (State::Success, None));
        row.apply(&Event::Lapsed { reason: Reason::ChangedAtDestination, comment: comment() }, at).unwrap();
        row.apply(&Event::Observed { reason: Reason::Doubled, comment: comment() }, at).unwrap();
        assert_eq!((row.state, row.reason), (State::Ng, Some(Reason::ChangedAtDestination)));
        row.apply(&Event::Observed { reason: Reason::Edited, comment: comment() }, at).unwrap();
        assert_eq!(row.reason, Some(Reason::Edited), "another reason why it does not hold counts");
    }
}
