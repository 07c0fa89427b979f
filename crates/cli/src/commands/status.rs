//! `landfall status`: where a job stands, from the ledger alone, and what to do next.

use jiff::Timestamp;
use landfall_core::ledger::{RunRow, Tally};
use landfall_core::state::{Reason, State};
use rust_i18n::t;
use serde_json::{Value, json};

use super::totals;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, SourceSummary, count};
use crate::wiring::{Context, FailedSource, closed, upload_log};

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
    let closed = closed::since(ledger.as_ref(), handle.id).await?;
    if screen.is_json() {
        let shown = Shown { name, tally: &tally, unresolved: &unresolved, sources: &sources, runs: &runs };
        screen.result(&shown.object(complete, closed));
        return Ok(exit);
    }
    screen.line(ui::table(name, &ui::states(&tally), &ui::skipped(&tally), &sources).to_string());
    screen.line(t!(
        "status.total",
        files = count(tally.all().files),
        bytes = tally.all().bytes,
        folders = count(tally.folders)
    ));
    for line in ui::departures(tally.gone, ui::renamed_after_landing(&tally), tally.lost) {
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
    if let Some(since) = closed {
        screen.line(t!("job.closed", job = name, time = ui::moment(since)));
    }
    if complete {
        screen.line(ui::complete(tally.missed()));
        return Ok(exit);
    }
    let log = upload_log(&config, name)?.path;
    screen.line(t!("status.incomplete", path = log.display()));
    let next = match closed {
        Some(_) => mending(name, &tally),
        None => next_steps(name, &tally, !unresolved.is_empty()),
    };
    if !next.is_empty() {
        screen.line(format!("{} {}", t!("error.next"), next.join(", ")));
    }
    Ok(exit)
}

/// What both forms show.
struct Shown<'a> {
    name: &'a str,
    tally: &'a Tally,
    unresolved: &'a [FailedSource],
    sources: &'a [SourceSummary],
    runs: &'a [RunRow],
}

impl Shown<'_> {
    fn object(&self, complete: bool, closed: Option<Timestamp>) -> Value {
        let failed = |one: &FailedSource| json!({ "source": one.label, "error": one.error.json() });
        let run = |run: &RunRow| {
            json!({
                "command": run.command,
                "started": run.started.to_string(),
                "ended": run.ended.map(|at| at.to_string()),
                "summary": serde_json::from_str::<Value>(&run.summary).ok(),
            })
        };
        json!({
            "job": self.name,
            "files": self.tally.all().files,
            "bytes": self.tally.all().bytes.0,
            "folders": self.tally.folders,
            "states": ui::states(self.tally),
            "skipped": ui::skipped(self.tally),
            "reasons": reasons(self.tally),
            "gone": self.tally.gone,
            "lost": self.tally.lost,
            "missed": self.tally.missed(),
            "renamed_after_landing": ui::renamed_after_landing(self.tally),
            "unresolved": self.unresolved.iter().map(failed).collect::<Vec<_>>(),
            "outside": self.tally.outside,
            "unsettled": self.tally.unsettled,
            "complete": complete,
            "closed": closed.map(|at| at.to_string()),
            "via": ui::ways(&Tally::default(), self.tally),
            "proven_by": ui::proofs(&Tally::default(), self.tally),
            "sources": self.sources,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }
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

/// The commands that go on from here.
fn next_steps(job: &str, tally: &Tally, unresolved: bool) -> Vec<String> {
    let mut next = Vec::new();
    // A retry leaves alone what a verify found, and what somebody accepted is settled.
    let left = failed(tally, |reason| reason.lapses() || reason == Reason::DeletionAccepted);
    if tally.files(State::Ng).saturating_sub(left) + tally.files(State::Dupe) > 0 {
        next.push(format!("`landfall retry {job}`"));
    }
    if tally.files(State::Pending) + tally.files(State::Local) + tally.unsettled > 0 || unresolved {
        next.push(format!("`landfall run {job}`"));
    }
    next.extend(mending(job, tally));
    next
}

/// What goes on without the source: mending, and settling what people did.
fn mending(job: &str, tally: &Tally) -> Vec<String> {
    let people = |reason| matches!(reason, Reason::Edited | Reason::MovedByUser | Reason::DeletedByUser);
    let mut next = Vec::new();
    if failed(tally, |reason| reason.lapses() && !people(reason)) > 0 {
        next.push(format!("`landfall repair {job} -n`"));
    }
    if failed(tally, people) > 0 {
        next.push(format!("`landfall accept {job} PATH…`"));
    }
    next
}

/// Files that are NG for such a reason.
fn failed(tally: &Tally, such: impl Fn(Reason) -> bool) -> u64 {
    let ng = tally.reasons.iter().filter(|((state, reason), _)| *state == State::Ng && such(*reason));
    ng.map(|(_, number)| number).sum()
}

fn reasons(tally: &Tally) -> Value {
    let mut all = serde_json::Map::new();
    for ((state, reason), number) in &tally.reasons {
        let of_state = all.entry(state.name()).or_insert_with(|| json!({}));
        if let Some(map) = of_state.as_object_mut() {
            map.insert(reason.name().to_owned(), json!(number));
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_verify_found_is_never_sent_to_a_retry() {
        let mut tally = Tally::default();
        let mut fail = |reason| {
            tally.states.entry(State::Ng).or_default().files += 1;
            *tally.reasons.entry((State::Ng, reason)).or_default() += 1;
            next_steps("j", &tally, false)
        };
        assert!(fail(Reason::DeletionAccepted).is_empty());
        assert_eq!(fail(Reason::AbsentAtDestination), ["`landfall repair j -n`"]);
        assert_eq!(fail(Reason::Edited), ["`landfall repair j -n`", "`landfall accept j PATH…`"]);
        let all = fail(Reason::Locked);
        assert_eq!(all, ["`landfall retry j`", "`landfall repair j -n`", "`landfall accept j PATH…`"]);
        assert_eq!(mending("j", &tally), all[1..]);
    }
}
