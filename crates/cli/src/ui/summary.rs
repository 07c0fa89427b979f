//! What a run amounted to: one structure, shown as a JSON object or as a table.
//!
//! `states` and `skipped` are the ledger's totals; everything else is this run's own.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_core::ByteSize;
use landfall_core::ledger::Tally;
use landfall_core::proof::ProofKind;
use landfall_core::state::{Reason, State, Via};
use rust_i18n::t;
use serde::Serialize;

use super::{Cells, Screen, count, span};

/// One source's part, where there are many.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SourceSummary {
    /// Its label.
    pub(crate) source: String,
    /// Files by state.
    pub(crate) states: BTreeMap<&'static str, u64>,
    /// Things never moved, by reason.
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// True where everything of it has made landfall.
    pub(crate) complete: bool,
    /// Why it could not be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<serde_json::Value>,
}

/// The final object of `run`, `download`, `upload` and `retry`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunSummary {
    /// The job.
    pub(crate) job: String,
    /// The command.
    pub(crate) command: &'static str,
    /// True where an interrupted run went on.
    pub(crate) resumed: bool,
    /// Files that came to the destination (or, for `download`, into the spool) in this run, or were found there.
    pub(crate) files: u64,
    /// Content bytes read, repeats included.
    pub(crate) bytes: u64,
    /// Files by state.
    pub(crate) states: BTreeMap<&'static str, u64>,
    /// Things never moved, by reason.
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Files that landed or were listed, and are no longer at the source.
    pub(crate) gone: u64,
    /// Files that the source renamed or moved after they had landed.
    pub(crate) renamed_after_landing: u64,
    /// Files that take part no longer and of which a verify found what had landed lost.
    pub(crate) lost: u64,
    /// Files that are not at the destination, to which somebody consented.
    pub(crate) missed: u64,
    /// What a mirror took away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mirror: Option<serde_json::Value>,
    /// True where everything that is listed has made landfall.
    pub(crate) complete: bool,
    /// Files proven in this run by their way.
    pub(crate) via: BTreeMap<&'static str, u64>,
    /// Files proven in this run by kind of proof.
    pub(crate) proven_by: BTreeMap<&'static str, u64>,
    /// HTTP requests, tries included.
    pub(crate) requests: u64,
    /// Requests inside batches.
    pub(crate) batched: u64,
    /// Resource units by our table.
    pub(crate) resource_units: u64,
    /// Answers that said "too many requests".
    pub(crate) throttled: u64,
    /// Seconds for which everything was held for it.
    pub(crate) throttled_seconds: f64,
    /// Tries after the first.
    pub(crate) retries: u64,
    /// Seconds in all.
    pub(crate) seconds: f64,
    /// The most memory held.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// True where somebody asked to stop.
    pub(crate) interrupted: bool,
    /// Folders that could not be carried.
    pub(crate) folders_failed: u64,
    /// Rows of an edited log: applied and ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_edits: Option<serde_json::Value>,
    /// Each source, where there are many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<SourceSummary>,
    /// What ended the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<serde_json::Value>,
}

/// Files by state, all five.
pub(crate) fn states(tally: &Tally) -> BTreeMap<&'static str, u64> {
    State::ALL.into_iter().map(|state| (state.name(), tally.files(state))).collect()
}

/// Things never moved.
pub(crate) fn skipped(tally: &Tally) -> BTreeMap<&'static str, u64> {
    tally.skipped.iter().map(|(reason, count)| (reason.name(), count.files)).collect()
}

/// Says that a job is complete, and what of it is missed with consent.
pub(crate) fn complete(missed: u64) -> String {
    match missed {
        0 => t!("summary.complete").into_owned(),
        _ => t!("summary.complete_but", number = count(missed)).into_owned(),
    }
}

/// Files that lie at the destination under a name that the source has given up since.
pub(crate) fn renamed_after_landing(tally: &Tally) -> u64 {
    tally.reasons.get(&(State::Success, Reason::RenamedAtSource)).copied().unwrap_or_default()
}

/// What left its place at the source after it was seen there, in words.
pub(crate) fn departures(gone: u64, renamed: u64, lost: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if lost > 0 {
        lines.push(t!("summary.lost", number = count(lost)).into_owned());
    }
    if gone > 0 {
        lines.push(t!("summary.gone", number = count(gone)).into_owned());
    }
    if renamed > 0 {
        lines.push(t!("summary.renamed", number = count(renamed)).into_owned());
    }
    lines
}

/// Ways, all four, less what there was before.
pub(crate) fn ways(before: &Tally, after: &Tally) -> BTreeMap<&'static str, u64> {
    let of = |tally: &Tally, via| tally.via.get(&via).copied().unwrap_or_default();
    Via::ALL.into_iter().map(|via| (via.name(), of(after, via).saturating_sub(of(before, via)))).collect()
}

/// Kinds of proof, all three, less what there was before.
pub(crate) fn proofs(before: &Tally, after: &Tally) -> BTreeMap<&'static str, u64> {
    let of = |tally: &Tally, kind| tally.proven_by.get(&kind).copied().unwrap_or_default();
    ProofKind::ALL
        .into_iter()
        .map(|kind| (kind.name(), of(after, kind).saturating_sub(of(before, kind))))
        .collect()
}

impl RunSummary {
    /// Shows it.
    pub(crate) fn show(&self, screen: &Screen) {
        if screen.is_json() {
            screen.result(&serde_json::to_value(self).unwrap_or_default());
            return;
        }
        screen.line(table(&self.job, &self.states, &self.skipped, &self.sources).to_string());
        screen.line(t!(
            "summary.run",
            files = count(self.files),
            bytes = ByteSize(self.bytes),
            time = span(Duration::from_secs_f64(self.seconds.max(0.0))),
            requests = count(self.requests),
            units = count(self.resource_units)
        ));
        let proofs: Vec<String> = self
            .proven_by
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(kind, n)| format!("{} {}", super::word(&format!("proof.{kind}")), count(*n)))
            .collect();
        if !proofs.is_empty() {
            screen.line(t!("summary.proofs", list = proofs.join(", ")));
        }
        for line in departures(self.gone, self.renamed_after_landing, self.lost) {
            screen.line(line);
        }
        if self.throttled > 0 {
            let time = span(Duration::from_secs_f64(self.throttled_seconds.max(0.0)));
            screen.line(t!("summary.throttled", times = count(self.throttled), time = time));
        }
        screen.line(self.verdict());
    }

    fn verdict(&self) -> String {
        if self.interrupted {
            return t!("summary.interrupted", job = self.job).into_owned();
        }
        if self.complete {
            return complete(self.missed);
        }
        t!("summary.incomplete", job = self.job).into_owned()
    }
}

/// Files by state, one row a source where there are many, then what was skipped.
pub(crate) fn table(
    job: &str,
    states: &BTreeMap<&'static str, u64>,
    skipped: &BTreeMap<&'static str, u64>,
    sources: &[SourceSummary],
) -> Cells {
    let mut headings = vec![t!("table.job").into_owned()];
    headings.extend(State::ALL.iter().map(|state| state.name().to_owned()));
    headings.push(t!("table.skipped").into_owned());
    let mut cells = Cells::new(&headings, 1);
    let row = |name: String, states: &BTreeMap<&'static str, u64>, skipped: &BTreeMap<&'static str, u64>| {
        let mut row = vec![name];
        row.extend(
            State::ALL.iter().map(|state| count(states.get(state.name()).copied().unwrap_or_default())),
        );
        row.push(if skipped.is_empty() {
            "0".to_owned()
        } else {
            skipped.iter().map(|(reason, n)| format!("{} {reason}", count(*n))).collect::<Vec<_>>().join(", ")
        });
        row
    };
    for source in sources {
        let name = match &source.error {
            Some(error) => {
                format!("{} ({})", source.source, error.get("code").and_then(|c| c.as_str()).unwrap_or("-"))
            }
            None => source.source.clone(),
        };
        cells.row(&row(name, &source.states, &source.skipped));
    }
    cells.row(&row(job.to_owned(), states, skipped));
    cells
}
