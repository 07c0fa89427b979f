//! `landfall ledger adopt`: the ledger of a finished job again, from one listing of each side.

use landfall_core::Code;
use landfall_core::engine::AdoptReport;
use landfall_core::ledger::RunStart;
use landfall_core::state::State;
use rust_i18n::t;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::commands::moving;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, count, span};
use crate::wiring::{Asked, Context, Session};

/// Adopts and shows what was found.
pub(super) async fn adopt(context: &mut Context, job: &str) -> Result<Exit, CommandError> {
    let started = Instant::now();
    let session = Session::open(context, job, Asked { lists: true, ..Asked::default() }).await?;
    let outcome = work(context, &session, started).await;
    let closed = session.close().await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}

async fn work(context: &Context, session: &Session, started: Instant) -> Result<Exit, CommandError> {
    let (ledger, handle) = (&session.engine.ledger, &session.job.handle);
    if session.archive.is_some() {
        let detail =
            format!("{} is an archive: `verify` finds by its database what lies on the Hub", handle.name);
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    let start = RunStart { command: "adopt".to_owned(), at: machine::now(), fresh: true };
    let run = ledger.begin_run(handle, start).await?;
    let done = CancellationToken::new();
    let gauge = moving::gauge(session);
    let adopting = async {
        let adopted = session.engine.adopt(&session.job).await;
        done.cancel();
        adopted
    };
    let shown = ui::show_progress(context.screen.clone(), &gauge, done.clone());
    let (report, ()) = tokio::join!(adopting, shown);
    let report = report?;
    moving::write_index(session).await?;
    for failed in &session.failed {
        context.screen.show_error(&failed.error);
    }
    for (source, error) in &report.crawl.failed {
        let error = CommandError::new(Code::UnexpectedAnswer, format!("{source}: {error}"));
        context.screen.show_error(&error);
    }
    let complete = report.tally.complete() && report.crawl.failed.is_empty() && session.failed.is_empty();
    let exit = if complete { Exit::Complete } else { Exit::Incomplete };
    let object = json!({
        "job": handle.name,
        "command": "adopt",
        "files": report.tally.all().files,
        "proven": report.proven,
        "unproven": report.unproven,
        "states": ui::states(&report.tally),
        "skipped": ui::skipped(&report.tally),
        "requests": session.graphs.read().requests,
        "seconds": started.elapsed().as_secs_f64(),
        "exit": exit.number(),
    });
    ledger.end_run(handle, run.id, machine::now(), &object.to_string()).await?;
    context.screen.result(&object);
    show(context, session, &report, started);
    Ok(exit)
}

fn show(context: &Context, session: &Session, report: &AdoptReport, started: Instant) {
    let screen = &context.screen;
    let job = session.job.handle.name.as_str();
    let requests = count(session.graphs.read().requests);
    let time = span(started.elapsed());
    screen.line(t!("ledger.adopted", proven = count(report.proven), requests = requests, time = time));
    if report.unproven > 0 {
        screen.line(t!("ledger.unproven", number = count(report.unproven), job = job));
    }
    let open = report.tally.files(State::Pending) + report.tally.files(State::Ng);
    if open > 0 {
        screen.line(t!("ledger.open", number = count(open), job = job));
    }
}
