//! States, the events that change them, and the reasons they carry.
//!
//! [`State::apply`] is pure and total; nothing else makes a state. The table is design section 2.
//! Reasons are one closed list: the first word of a row's comment in every output.

mod reason;

pub use reason::Reason;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::proof::{Proof, Sense};
use crate::store::Holding;
use crate::words::ByteSize;

/// Where a file stands on its way. Text form: the five capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Known, not moved.
    Pending,
    /// Bytes lie in the spool on disk, fsynced, size and digests known.
    Local,
    /// The destination holds an object at that path that is not (yet) proven to be ours.
    Dupe,
    /// Proven.
    Success,
    /// Failed.
    Ng,
}

impl State {
    /// All five, in the order of the way.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Local, Self::Dupe, Self::Success, Self::Ng];

    /// The name in text: PENDING, LOCAL, DUPE, SUCCESS, NG.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Local => "LOCAL",
            Self::Dupe => "DUPE",
            Self::Success => "SUCCESS",
            Self::Ng => "NG",
        }
    }

    /// Reads a name, as the CSV has it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The number stored in a ledger; never reused for another state.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Local => 1,
            Self::Dupe => 2,
            Self::Success => 3,
            Self::Ng => 4,
        }
    }

    /// Reads a stored number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// The state after an event: the one place where states are made.
    ///
    /// # Errors
    /// When the event cannot happen in this state; nothing has changed then.
    pub fn apply(self, event: &Event) -> Result<Self, IllegalTransition> {
        use State::{Dupe, Local, Ng, Pending, Success};
        let next = match (event, self) {
            (Event::Spooled { .. }, Pending) => Local,
            (Event::Present { .. }, Pending | Local) => Dupe,
            (Event::SpoolLost, Local) => Pending,
            (Event::Proven(_), Dupe) => Success,
            (Event::Vanished { .. } | Event::Displaced, Dupe) => Pending,
            (Event::Failed { .. }, Pending | Local | Dupe) => Ng,
            (Event::Lapsed { .. }, Success) => Ng,
            (Event::Relocated { .. }, Success) => Success,
            (Event::Superseded { .. }, _) => Pending,
            (Event::Renamed { .. } | Event::Gone | Event::Checked { .. } | Event::Observed { .. }, same) => {
                same
            }
            (Event::Retried { .. }, Ng) => Pending,
            (Event::Retried { .. } | Event::Noted { .. }, Dupe) => Dupe,
            (Event::Intended { .. } | Event::Deferred { .. }, same @ (Pending | Local)) => same,
            (Event::Deferred { .. }, Dupe) => Dupe,
            _ => return Err(IllegalTransition { from: self, event: event.name() }),
        };
        Ok(next)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// An event that cannot happen in the state a row is in: a defect, or another writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {event} cannot happen to a file that is {from}")]
pub struct IllegalTransition {
    /// The state the row is in.
    pub from: State,
    /// The event's name.
    pub event: &'static str,
}

/// The way a file's bytes took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Source body to upload, in passing.
    Stream,
    /// Source to spool, spool to upload.
    Spool,
    /// Copied by the service; no byte passed through us.
    Copy,
    /// It was at the destination before we came.
    AlreadyThere,
}

impl Via {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Stream, Self::Spool, Self::Copy, Self::AlreadyThere];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Spool => "spool",
            Self::Copy => "copy",
            Self::AlreadyThere => "already_there",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }
}

/// Something that happened to one file. The first ten change a state as the design's table says; the
/// rest keep it and record what was learnt.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The bytes lie in the spool, fsynced.
    Spooled {
        /// Their number.
        size: ByteSize,
        /// Their digests, computed in passing.
        digests: Digests,
        /// What the source's own evidence says of them.
        leg: crate::proof::SourceLeg,
        /// What is kept of the sealing, where the bytes were sealed on their way.
        sealed: Option<Box<crate::seal::Sealed>>,
    },
    /// An object was found at the destination, or our own upload or copy returned one.
    Present {
        /// What the destination says it holds.
        holding: Holding,
        /// How it came there.
        via: Via,
        /// Digests of the bytes we sent; empty where none passed.
        sent: Digests,
        /// What the source's own evidence says of them, where they were judged.
        leg: Option<crate::proof::SourceLeg>,
        /// Why it is not proven yet.
        reason: Reason,
    },
    /// The spool file is gone or of another size.
    SpoolLost,
    /// A proof is in hand.
    Proven(Proof),
    /// The object is gone again, or the service never kept it.
    Vanished {
        /// What was seen.
        comment: String,
    },
    /// It differs and the policy is to replace it.
    Displaced,
    /// Retries are spent, or it is refused for good.
    Failed {
        /// Why.
        reason: Reason,
        /// In words, with the service's own.
        comment: String,
        /// True where no automatic retry makes sense.
        last: bool,
    },
    /// A later look found that a proof no longer holds.
    Lapsed {
        /// Why.
        reason: Reason,
        /// In words.
        comment: String,
    },
    /// The source's content changed; what was known of the old content is dropped.
    Superseded {
        /// What changed.
        comment: String,
    },
    /// Somebody asked for it to be tried again.
    Retried {
        /// Who or what asked.
        comment: String,
    },
    /// The source moved or renamed it.
    Renamed {
        /// The name before.
        from: String,
    },
    /// The source no longer lists it.
    Gone,
    /// An upload is about to begin: from here on the destination must be asked before sending again.
    Intended {
        /// The way it takes, so that what is found there after a kill is known for what it is.
        via: Via,
    },
    /// A try failed and there will be another.
    Deferred {
        /// Why.
        reason: Reason,
        /// In words.
        comment: String,
        /// Not before this moment.
        not_before: Option<Timestamp>,
    },
    /// Something was learnt about an object that is not proven.
    Noted {
        /// What.
        reason: Reason,
        /// In words.
        comment: String,
        /// What the destination says it holds now.
        holding: Option<Holding>,
    },
    /// A look at the destination confirmed what was known, and told something more.
    Checked {
        /// In which sense.
        sense: Sense,
        /// What the destination says it holds now, where that is news.
        holding: Option<Box<Holding>>,
        /// The SHA-256 of the bytes that were read, where it was not known.
        sha256: Option<crate::Digest>,
        /// A proof that takes the place of the one before: the service rewrote the file, and its parts are the same.
        proof: Option<Box<Proof>>,
    },
    /// What was renamed or moved at the source was moved at the destination as well.
    Relocated {
        /// What the destination says it holds now.
        holding: Box<Holding>,
        /// Where, in words.
        comment: String,
    },
    /// A verify saw something that should not be so, and the proof holds all the same.
    Observed {
        /// What.
        reason: Reason,
        /// In words.
        comment: String,
    },
}

impl Event {
    /// The name in the ledger's event table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Spooled { .. } => "Spooled",
            Self::Present { .. } => "Present",
            Self::SpoolLost => "SpoolLost",
            Self::Proven(_) => "Proven",
            Self::Vanished { .. } => "Vanished",
            Self::Displaced => "Displaced",
            Self::Failed { .. } => "Failed",
            Self::Lapsed { .. } => "Lapsed",
            Self::Superseded { .. } => "Superseded",
            Self::Retried { .. } => "Retried",
            Self::Renamed { .. } => "Renamed",
            Self::Gone => "Gone",
            Self::Intended { .. } => "Intended",
            Self::Deferred { .. } => "Deferred",
            Self::Noted { .. } => "Noted",
            Self::Checked { .. } => "Checked",
            Self::Observed { .. } => "Observed",
            Self::Relocated { .. } => "Relocated",
        }
    }

    /// What the event table keeps besides the name: a reason and words.
    #[must_use]
    pub fn detail(&self) -> (Option<Reason>, &str) {
        match self {
            Self::Failed { reason, comment, .. }
            | Self::Lapsed { reason, comment }
            | Self::Deferred { reason, comment, .. }
            | Self::Noted { reason, comment, .. }
            | Self::Observed { reason, comment } => (Some(*reason), comment),
            Self::Present { reason, .. } => (Some(*reason), ""),
            Self::Relocated { comment, .. } => (None, comment),
            Self::Vanished { comment } | Self::Superseded { comment } | Self::Retried { comment } => {
                (None, comment)
            }
            Self::Renamed { from } => (None, from),
            Self::Proven(proof) => (None, proof.kind().name()),
            _ => (None, ""),
        }
    }
}

#[cfg(test)]
mod tests;
