//! What is done about a finding, and what all of it will cost: from the ledger alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Open, RepairOptions};
use crate::engine::verify::Detail;
use crate::engine::{Engine, Job};
use crate::error::StoreError;
use crate::ledger::{FolderRow, Looked};
use crate::row::{FileRow, Standing};
use crate::state::{Reason, State};
use crate::store::{Fee, Prices};

/// What is done about one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Moved back by the service; no byte is sent.
    Move,
    /// The times are set again.
    SetTimes,
    /// An empty folder is made again.
    MakeFolder,
    /// Sent again from the source; what stands there becomes an older version.
    Send,
    /// The second one goes to the recycle bin.
    RemoveDouble,
    /// Left as it is: it is a person's work, and was not asked for by name.
    LeaveToPerson,
    /// Left as it is and listed: nothing is lost by it.
    Keep,
    /// Nothing can be done: the source no longer has the file.
    NoSource,
}

impl Remedy {
    /// True where something is done.
    #[must_use]
    pub fn acts(self) -> bool {
        matches!(self, Self::Move | Self::SetTimes | Self::MakeFolder | Self::Send | Self::RemoveDouble)
    }

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::SetTimes => "set-times",
            Self::MakeFolder => "make-folder",
            Self::Send => "send",
            Self::RemoveDouble => "remove-double",
            Self::LeaveToPerson => "leave-to-person",
            Self::Keep => "keep",
            Self::NoSource => "no-source",
        }
    }
}

impl Serialize for Remedy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What will be done, before anything is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairPlan {
    /// Findings by kind and remedy.
    pub findings: BTreeMap<String, BTreeMap<String, u64>>,
    /// Findings that something is done about.
    pub acts: u64,
    /// Requests, about.
    pub requests: u64,
    /// Units of the service's price list, about.
    pub units: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// What a finding is about.
pub(super) enum About {
    File(Box<FileRow>),
    Folder(Box<FolderRow>),
    /// Something that is in no ledger.
    Stranger,
}

impl About {
    pub(super) fn file(&self) -> Option<&FileRow> {
        match self {
            Self::File(row) => Some(row),
            Self::Folder(_) | Self::Stranger => None,
        }
    }
}

impl Engine {
    /// Says what a repair would do: from the ledger alone, nothing is asked or touched.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn plan_repair(&self, job: &Job, options: &RepairOptions) -> Result<RepairPlan, StoreError> {
        let mut plan = RepairPlan::default();
        let prices = job.destination.caps().prices;
        let source = job.slots.first().map(|slot| slot.source.caps().prices).unwrap_or_default();
        let mut after = String::new();
        loop {
            let page = self.open_findings(job, options, &after).await?;
            let Some((open, last)) = page else { return Ok(plan) };
            after = last;
            for open in open {
                plan.add(&open, &prices, &source, job);
                if options.limit.is_some_and(|limit| plan.acts >= limit) {
                    return Ok(plan);
                }
            }
        }
    }
}

/// What is done about a finding.
pub(super) fn remedy(reason: Reason, about: &About, look: &Looked, options: &RepairOptions) -> Remedy {
    let asked = options.include.contains(&reason);
    let by_person = Detail::of(look).by.is_some();
    let row = match about {
        About::File(row) => row,
        About::Folder(_) if reason == Reason::AbsentAtDestination => return Remedy::MakeFolder,
        About::Folder(_) if by_person && !asked => return Remedy::LeaveToPerson,
        About::Folder(_) => return Remedy::SetTimes,
        About::Stranger => return Remedy::Keep,
    };
    // A later run or another repair may have settled it since.
    if reason.lapses() && row.state == State::Success {
        return Remedy::Keep;
    }
    match reason {
        Reason::Edited | Reason::MovedByUser | Reason::DeletedByUser if !asked => Remedy::LeaveToPerson,
        Reason::Misplaced | Reason::MovedByUser => Remedy::Move,
        Reason::WrongTimes if by_person && !asked => Remedy::LeaveToPerson,
        Reason::WrongTimes => Remedy::SetTimes,
        Reason::Doubled if options.remove_doubles => Remedy::RemoveDouble,
        Reason::AbsentAtDestination
        | Reason::ChangedAtDestination
        | Reason::Edited
        | Reason::DeletedByUser => {
            if row.standing == Standing::In && !options.sourceless {
                Remedy::Send
            } else {
                Remedy::NoSource
            }
        }
        _ => Remedy::Keep,
    }
}

impl RepairPlan {
    fn add(&mut self, open: &Open, to: &Prices, from: &Prices, job: &Job) {
        let finding = self.findings.entry(open.reason.name().to_owned()).or_default();
        *finding.entry(open.remedy.name().to_owned()).or_default() += 1;
        self.acts += u64::from(open.remedy.acts());
        let size = open.about.file().map_or(0, |row| row.entry.size.0);
        match open.remedy {
            Remedy::Move | Remedy::SetTimes | Remedy::MakeFolder | Remedy::RemoveDouble => {
                self.pay(to.amend, 1);
            }
            Remedy::Send => {
                self.bytes += size;
                self.pay(from.prepare, 1);
                self.pay(from.open, 1);
                match size {
                    0 => self.pay(to.empty_file, 1),
                    _ => {
                        self.pay(to.upload, 1);
                        self.pay(to.fragment, size.div_ceil(job.destination.caps().fragment.0.max(1)));
                    }
                }
            }
            Remedy::LeaveToPerson | Remedy::Keep | Remedy::NoSource => {}
        }
    }

    fn pay(&mut self, fee: Fee, times: u64) {
        self.requests += fee.requests * times;
        self.units += fee.units * times;
    }
}
