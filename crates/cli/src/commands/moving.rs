//! `landfall run`, `download`, `upload` and `retry`: the engine at work, with log, index and progress.
//!
//! Owns the order around a run: take what somebody edited in the log, begin or go on, rotate,
//! move while the log is kept current, and end it with its summary. A run that was interrupted or broke
//! off is left open, so that the next one goes on with it.

use std::time::Duration;

use landfall_core::StoreError;
use landfall_core::engine::{Filters, MirrorReport, RunOptions, RunReport, Stage};
use landfall_core::ledger::{RunRow, RunStart, Tally};
use landfall_core::state::{State, Via};
use landfall_core::{Code, ErrorKind};
use landfall_ledger::export::edits::{self, Edits, Mode};
use landfall_ledger::export::index;
use rust_i18n::t;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{plan, totals};
use crate::args::{Move, Plan, Selection, Way};
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, Gauge, RunSummary, count};
use crate::wiring::{Asked, Context, Sends, Session};

/// How often it is looked whether the crawl has ended.
const PHASE_POLL: Duration = Duration::from_millis(100);

/// The engine's word for a way.
pub(crate) fn via(way: Option<Way>) -> Option<Via> {
    way.map(|way| match way {
        Way::Stream => Via::Stream,
        Way::Spool => Via::Spool,
        Way::Copy => Via::Copy,
    })
}

/// Filters of this call.
pub(super) fn filters(selection: &Selection) -> Result<Filters, CommandError> {
    let include: Vec<String> = selection.path.iter().chain(&selection.include).cloned().collect();
    if include.is_empty() && selection.exclude.is_empty() {
        return Ok(Filters::default());
    }
    Filters::new(&include, &selection.exclude)
        .map_err(|error| CommandError::new(Code::BadArgument, format!("{error}: {}", error.source)))
}

/// Carries out one of the four.
pub(crate) async fn moving(
    context: &mut Context,
    args: &Move,
    stage: Stage,
    command: &'static str,
) -> Result<Exit, CommandError> {
    if args.dry_run {
        return plan::plan(context, &args.plan, args.max_delete.filter(|_| args.mirror)).await;
    }
    let Plan { job, selection, posts, via: way, full } = &args.plan;
    let paths = filters(selection)?;
    let started = Instant::now();
    let sends = Sends::told(args.snapshot.snapshot_to.as_ref());
    let (via, posts) = (via(*way), posts.clone());
    let asked = Asked { via, posts, writes: true, lists: true, sends, ..Asked::default() };
    let session = Session::open(context, job, asked).await?;
    let options = RunOptions {
        stage,
        full: *full,
        limit: selection.limit,
        paths,
        again: args.retry_gone,
        mirror: args.max_delete.filter(|_| args.mirror),
        ..RunOptions::default()
    };
    let outcome = one_run(context, &session, args, options, (command, started)).await;
    let closed = session.close().await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}

async fn one_run(
    context: &Context,
    session: &Session,
    args: &Move,
    options: RunOptions,
    (command, started): (&'static str, Instant),
) -> Result<Exit, CommandError> {
    let ledger = session.engine.ledger.as_ref();
    let handle = &session.job.handle;
    // Before anything is fetched: with another key the destination looks empty.
    session.engine.check_seal(&session.job).await?;
    // Before the run begins: a log that is refused leaves no run behind that never ends.
    let mode = if args.ignore_log { Mode::SetAside } else { Mode::Apply };
    let edited =
        edits::apply_edits(&session.log, ledger, handle, session.engine.clock.as_ref(), mode).await?;
    if let Some(edited) = &edited {
        tell_edits(context, edited);
    }
    let start = RunStart { command: command.to_owned(), at: machine::now(), fresh: false };
    let run = ledger.begin_run(handle, start).await?;
    if run.resumed {
        context.screen.note(t!("run.resumed", time = ui::moment(run.started)));
    }
    session.log.rotate_for(ledger, handle, &run).await?;
    let before = ledger.tally(handle.id, None).await?;
    let stage = options.stage;
    let worked = work(context, session, options).await;
    let mut summary = summarise(session, &before, &run, (command, started)).await?;
    summary.log_edits = edited.as_ref().map(edits_json);
    let exit = judge(context, session, worked, stage, &mut summary).await?;
    if exit <= Exit::Findings {
        let text = serde_json::to_string(&summary).unwrap_or_default();
        ledger.end_run(handle, run.id, machine::now(), &text).await?;
    }
    summary.show(&context.screen);
    Ok(exit)
}

/// The engine, the log and the index beside it, and progress, until all have ended.
async fn work(context: &Context, session: &Session, options: RunOptions) -> Result<RunReport, StoreError> {
    let done = CancellationToken::new();
    let crawls = matches!(options.stage, Stage::All | Stage::Download);
    let gauge = gauge(session);
    let engine = async {
        let outcome = session.engine.run(&session.job, options).await;
        done.cancel();
        outcome
    };
    let ledger = session.engine.ledger.as_ref();
    let handle = &session.job.handle;
    let follow = session.log.follow(ledger, handle, done.clone().cancelled_owned());
    let (outcome, followed, indexed, ()) = tokio::join!(
        engine,
        follow,
        keep_index(session, crawls, done.clone()),
        ui::show_progress(context.screen.clone(), &gauge, done.clone())
    );
    let outcome = outcome?;
    followed?;
    indexed?;
    Ok(outcome)
}

/// Where progress is read from.
pub(crate) fn gauge(session: &Session) -> Gauge {
    Gauge {
        meter: session.engine.meter.clone(),
        wire: session.graphs.meter.clone(),
        lanes: session.graphs.lanes(),
        quota: session.graphs.quota.clone(),
    }
}

/// Writes `index.json` once the crawl has ended.
async fn keep_index(session: &Session, crawls: bool, done: CancellationToken) -> Result<(), StoreError> {
    if !crawls {
        return Ok(());
    }
    while session.engine.meter.read().phase < 2 && !done.is_cancelled() {
        // Both branches only wait; dropping either loses nothing.
        tokio::select! {
            () = done.cancelled() => {}
            () = tokio::time::sleep(PHASE_POLL) => {}
        }
    }
    write_index(session).await
}

/// Writes `index.json` from the ledger.
pub(crate) async fn write_index(session: &Session) -> Result<(), StoreError> {
    let path = session.state.join("index.json");
    let indexed =
        index::write(session.engine.ledger.as_ref(), &session.job.handle, &path, session.engine.clock.now())
            .await?;
    tracing::debug!(files = indexed.files, "index written");
    Ok(())
}

async fn summarise(
    session: &Session,
    before: &Tally,
    run: &RunRow,
    (command, started): (&'static str, Instant),
) -> Result<RunSummary, CommandError> {
    let after = session.engine.ledger.tally(session.job.handle.id, None).await?;
    let moved = session.engine.meter.read();
    let wire = session.graphs.read();
    let spooled = after.files(State::Local).saturating_sub(before.files(State::Local));
    Ok(RunSummary {
        job: session.job.handle.name.clone(),
        command,
        resumed: run.resumed,
        files: if command == "download" { spooled } else { moved.files },
        bytes: moved.bytes,
        states: ui::states(&after),
        skipped: ui::skipped(&after),
        gone: after.gone,
        renamed_after_landing: ui::renamed_after_landing(&after),
        lost: after.lost,
        missed: after.missed(),
        mirror: None,
        complete: after.complete() && session.failed.is_empty(),
        via: ui::ways(before, &after),
        proven_by: ui::proofs(before, &after),
        requests: wire.requests,
        batched: wire.batched,
        resource_units: wire.resource_units,
        throttled: wire.throttled,
        throttled_seconds: gauge(session).throttled_for().as_secs_f64(),
        retries: wire.retries,
        seconds: started.elapsed().as_secs_f64(),
        peak_rss_bytes: machine::peak_rss(),
        interrupted: false,
        folders_failed: 0,
        log_edits: None,
        sources: totals::sources(session).await?,
        error: None,
    })
}

/// Decides what the run amounts to, and says what went wrong.
fn tell_mirror(context: &Context, mirror: &MirrorReport) {
    match &mirror.refused {
        Some(why) => context.screen.note(t!("summary.mirror_refused", why = why)),
        None => {
            let (removed, left) = (count(mirror.removed), count(mirror.left));
            context.screen.note(t!("summary.mirror", removed = removed, left = left));
        }
    }
}

async fn judge(
    context: &Context,
    session: &Session,
    worked: Result<RunReport, StoreError>,
    stage: Stage,
    summary: &mut RunSummary,
) -> Result<Exit, CommandError> {
    for failed in &session.failed {
        context.screen.show_error(&failed.error);
    }
    let report = match worked {
        Ok(report) => report,
        Err(error) if error.kind == ErrorKind::Stopped => {
            summary.interrupted = true;
            summary.complete = false;
            return Ok(Exit::Interrupted);
        }
        Err(error) => {
            let error = CommandError::from(error);
            context.screen.show_error(&error);
            summary.complete = false;
            summary.error = Some(error.json());
            return Ok(error.exit);
        }
    };
    for (source, error) in &report.crawl.failed {
        let error = CommandError::new(Code::UnexpectedAnswer, format!("{source}: {error}"));
        context.screen.show_error(&error);
    }
    if let Some(mirror) = &report.mirror {
        tell_mirror(context, mirror);
        summary.mirror = Some(json!({
            "planned": mirror.plan.files,
            "bytes": mirror.plan.bytes.0,
            "removed": mirror.removed,
            "left": mirror.left,
            "refused": mirror.refused,
        }));
    }
    summary.folders_failed = report.folders_failed;
    summary.interrupted = report.interrupted;
    summary.complete &= report.complete();
    if report.interrupted {
        return Ok(Exit::Interrupted);
    }
    if let Some(error) = session.missing_folder().await? {
        context.screen.show_error(&error);
        summary.complete = false;
        summary.error = Some(error.json());
        return Ok(error.exit);
    }
    let fetched = stage == Stage::Download
        && report.tally.files(State::Pending) + report.tally.files(State::Ng) == 0
        && report.tally.skipped.is_empty()
        && session.failed.is_empty();
    Ok(if summary.complete || fetched { Exit::Complete } else { Exit::Incomplete })
}

/// Says what an edited log changed.
fn tell_edits(context: &Context, edited: &Edits) {
    let screen = &context.screen;
    screen.note(t!(
        "run.edited",
        rows = count(edited.rows),
        changed = count(edited.changed.total()),
        ignored = count(edited.ignored.total())
    ));
    for text in edited.changed.first().iter().take(20) {
        screen.note(format!("  {text}"));
    }
    for text in edited.ignored.first().iter().take(20) {
        screen.note(format!("  {}: {text}", t!("run.ignored")));
    }
    if let Some(backup) = &edited.backup {
        screen.note(t!("run.backup", path = backup.display()));
    }
}

fn edits_json(edited: &Edits) -> serde_json::Value {
    serde_json::json!({
        "rows": edited.rows,
        "changed": edited.changed.total(),
        "ignored": edited.ignored.total(),
        "overtaken": edited.overtaken,
        "backup": edited.backup.as_ref().map(|path| path.display().to_string()),
    })
}
