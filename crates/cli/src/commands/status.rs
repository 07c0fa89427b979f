//! `landfall status`: where a job stands, from the ledger alone.

use landfall_core::Code;
use landfall_core::ledger::Tally;
use landfall_core::state::State;
use rust_i18n::t;
use serde_json::json;

use super::report;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, count};
use crate::wiring::Context;

/// Runs that are shown.
const RUNS: usize = 5;

/// Shows totals, sources, the last runs, and what is missing.
pub(crate) async fn status(context: &mut Context, name: &str) -> Result<Exit, CommandError> {
    let config = context.load()?;
    config.job(name)?;
    let ledger = context.ledger(&config).await?;
    let screen = context.screen.clone();
    let Some(handle) = ledger.find_job(name).await? else {
        let detail = format!("the ledger knows nothing of {name:?} yet");
        return Err(CommandError::new(Code::Incomplete, detail).hinted(t!("status.never", job = name)));
    };
    let tally = ledger.tally(handle.id, None).await?;
    let sources = report::known_sources(ledger.as_ref(), handle.id).await?;
    let runs = ledger.runs(handle.id, RUNS).await?;
    let complete = tally.complete() && tally.all().files > 0;
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
    if tally.gone > 0 {
        screen.line(t!("status.gone", number = count(tally.gone)));
    }
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
    if any {
        screen.line(open.to_string());
    }
    for run in &runs {
        let ended = run.ended.map_or_else(|| t!("status.open").into_owned(), |at| at.to_string());
        screen.line(t!("status.run", command = run.command, started = run.started, ended = ended));
    }
    screen.line(if complete { t!("summary.complete") } else { t!("summary.incomplete", job = name) });
    Ok(exit)
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
