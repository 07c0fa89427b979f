//! The demo's sentences and its table.

use landfall_core::ledger::Tally;
use landfall_core::proof::{ProofKind, SourceLeg};
use landfall_core::state::{State, Via};
use landfall_sim::Compare;
use rust_i18n::t;
use serde_json::Value;

use crate::ui::{self, Cells, count};

/// How far the first run came.
pub(super) fn killed(killed: bool, done: u64, files: u64, rows: u64) -> String {
    if !killed {
        return t!("demo.finished").into_owned();
    }
    t!("demo.killed", done = count(done), files = count(files), rows = count(rows)).into_owned()
}

/// What the run after the kill did.
pub(super) fn resumed(summary: &Value) -> String {
    let number = |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    t!(
        "demo.resumed",
        success = count(number("/states/SUCCESS")),
        again = count(number("/files")),
        throttled = count(number("/throttled")),
        retries = count(number("/retries"))
    )
    .into_owned()
}

/// What the simulator says of both sides.
pub(super) fn verdict(compared: &Compare) -> String {
    let total = |name| count(compared.totals.get(name).copied().unwrap_or_default());
    t!(
        "demo.verdict",
        missing = total("missing"),
        different = total("different"),
        extra = total("extra"),
        doubled = total("doubled"),
        versions = total("extra_versions"),
        sessions = total("leftover_sessions"),
        violations = total("violations")
    )
    .into_owned()
}

/// How many files are proven, how, by which way, and what the source's own evidence said.
pub(super) fn proofs(tally: &Tally) -> Cells {
    let mut cells = Cells::new(&[t!("demo.proof").into_owned(), t!("table.files").into_owned()], 1);
    for state in State::ALL.into_iter().filter(|state| tally.files(*state) > 0) {
        cells.row(&[state.name().to_owned(), count(tally.files(state))]);
    }
    for kind in ProofKind::ALL {
        if let Some(files) = tally.proven_by.get(&kind) {
            cells.row(&[ui::word(&format!("proof.{}", kind.name())), count(*files)]);
        }
    }
    for leg in SourceLeg::ALL {
        if let Some(files) = tally.legs.get(&leg) {
            cells.row(&[format!("source {}", leg.name()), count(*files)]);
        }
    }
    for via in Via::ALL {
        if let Some(files) = tally.via.get(&via) {
            cells.row(&[format!("via {}", via.name()), count(*files)]);
        }
    }
    cells
}
