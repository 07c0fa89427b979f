//! `landfall status`: where a job stands, from the ledger alone, and what to do next.

use std::path::Path;

use landfall_core::ledger::{RunRow, Tally};
use landfall_core::state::State;
use rust_i18n::t;
use serde_json::json;

use super::totals;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, count};
use crate::wiring::{Context, FailedSource, upload_log};

/// Runs that are shown.
const RUNS: usize = 5;

/// Shows totals, sources, the last runs, and what is missing.
pub(crate) async fn status(context: &mut Context, name: &str) -> Result<Exit, CommandError> {
    let config = context.load()?;
    let job = config.job(name)?;
    let ledger = context.ledger(&config).await?;
    let screen = context.screen.clone();
    let handle = totals::known(ledger.as_ref(), name).await?;
    let tally = ledger.tally(handle.id, None).await?;
    let unresolved = totals::missed(ledger.as_ref(), handle.id, &job).await?;
    let sources = totals::known_sources(ledger.as_ref(), handle.id, &unresolved).await?;
    let runs = ledger.runs(handle.id, RUNS).await?;
    let complete = tally.complete() && tally.all().files > 0 && unresolved.is_empty();
    let exit = if complete { Exit::Complete } else { Exit::Incomplete };
    if screen.is_json() {
        screen.result(&json!({
            "job": name,
            "files": tally.all().files,
            "bytes": tally.all().bytes.0,
            "folders": tally.folders,
            "states": ui::states(&tally),
            "skipped": ui::skipped(&tally),
            "reasons": reasons(&tally),
            "gone": tally.gone,
            "renamed_after_landing": ui::renamed_after_landing(&tally),
            "unresolved": unresolved.iter().map(|one| json!({ "source": one.label, "error": one.error.json() })).collect::<Vec<_>>(),
            "outside": tally.outside,
            "unsettled": tally.unsettled,
            "complete": complete,
            "via": ui::ways(&Tally::default(), &tally),
            "proven_by": ui::proofs(&Tally::default(), &tally),
            "sources": sources,
            "runs": runs.iter().map(|run| json!({
                "command": run.command,
                "started": run.started.to_string(),
                "ended": run.ended.map(|at| at.to_string()),
                "summary": serde_json::from_str::<serde_json::Value>(&run.summary).ok(),
            })).collect::<Vec<_>>(),
        }));
        return Ok(exit);
    }
    screen.line(ui::table(name, &ui::states(&tally), &ui::skipped(&tally), &sources).to_string());
    screen.line(t!(
        "status.total",
        files = count(tally.all().files),
        bytes = tally.all().bytes,
        folders = count(tally.folders)
    ));
    for line in ui::departures(tally.gone, ui::renamed_after_landing(&tally)) {
        screen.line(line);
    }
    if let Some(open) = open_rows(&tally) {
        screen.line(open);
    }
    for one in &unresolved {
        let FailedSource { label, error } = one;
        screen.line(format!("{label}: [{}] {}: {}", error.code, error.title(), error.detail));
    }
    for run in &runs {
        screen.line(run_line(run));
    }
    if complete {
        screen.line(t!("summary.complete"));
        return Ok(exit);
    }
    let log = upload_log(&config, name)?.path;
    for line in next_steps(name, &tally, !unresolved.is_empty(), &log) {
        screen.line(line);
    }
    Ok(exit)
}

/// What is not SUCCESS, by reason; nothing where all is.
fn open_rows(tally: &Tally) -> Option<String> {
    let mut open = Cells::new(
        &[t!("table.state").into_owned(), t!("table.reason").into_owned(), t!("table.files").into_owned()],
        2,
    );
    let mut any = false;
    for ((state, reason), number) in tally.reasons.iter().filter(|((state, _), _)| *state != State::Success) {
        any = true;
        open.row(&[
            state.name().to_owned(),
            format!("{reason}: {}", ui::word(&format!("reason.{reason}"))),
            count(*number),
        ]);
    }
    any.then(|| open.to_string())
}

fn run_line(run: &RunRow) -> String {
    let started = ui::moment(run.started);
    match run.ended {
        Some(ended) => {
            t!("status.run", command = run.command, started = started, ended = ui::moment(ended)).into_owned()
        }
        None => t!("status.open", command = run.command, started = started).into_owned(),
    }
}

/// Where the names are, and the commands that go on from here.
fn next_steps(job: &str, tally: &Tally, unresolved: bool, log: &Path) -> Vec<String> {
    let mut lines = vec![t!("status.incomplete", path = log.display()).into_owned()];
    let mut next = Vec::new();
    if tally.files(State::Ng) + tally.files(State::Dupe) > 0 {
        next.push(format!("`landfall retry {job}`"));
    }
    if tally.files(State::Pending) + tally.files(State::Local) + tally.unsettled > 0 || unresolved {
        next.push(format!("`landfall run {job}`"));
    }
    if !next.is_empty() {
        lines.push(format!("{} {}", t!("error.next"), next.join(", ")));
    }
    lines
}

fn reasons(tally: &Tally) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    for ((state, reason), number) in &tally.reasons {
        let of_state = all.entry(state.name()).or_insert_with(|| json!({}));
        if let Some(map) = of_state.as_object_mut() {
            map.insert(reason.name().to_owned(), json!(number));
        }
    }
    serde_json::Value::Object(all)
}
