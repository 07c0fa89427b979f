//! `landfall accept`: what people did at the destination becomes what is expected there.

use std::sync::{Mutex, PoisonError};

use landfall_core::engine::{Accepted, Filters};
use landfall_core::ledger::RunStart;
use landfall_core::state::Reason;
use landfall_core::{Code, RelPath};
use rust_i18n::t;
use serde_json::json;

use super::repair::kinds;
use crate::args::Accept;
use crate::error::{CommandError, Exit};
use crate::ui::count;
use crate::wiring::{Asked, Context, Sends, Session, no_landed};

/// Findings of other people's work: what `--all` means.
const PEOPLE: [Reason; 4] = [Reason::Edited, Reason::MovedByUser, Reason::DeletedByUser, Reason::Foreign];

/// Accepts open findings and shows what became of each.
pub(crate) async fn accept(context: &mut Context, args: &Accept) -> Result<Exit, CommandError> {
    if args.paths.is_empty() && !args.all && args.include.is_empty() {
        let detail = "name paths, a kind with --include, or --all";
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    let include = kinds(&args.include)?;
    let paths = Filters::new(&args.paths, &[])
        .map_err(|error| CommandError::new(Code::BadArgument, format!("{error}: {}", error.source)))?;
    let sends = if args.dry_run { Sends::Never } else { Sends::AsConfigured };
    let asked = Asked { writes: !args.dry_run, sends, ..Asked::default() };
    let session = Session::open(context, &args.job, asked).await?;
    let wanted = |path: &str, reason: Reason| {
        let kind = match (include.is_empty(), args.all) {
            (false, _) => include.contains(&reason),
            (true, true) => PEOPLE.contains(&reason),
            (true, false) => true,
        };
        let named = args.paths.is_empty()
            || args.paths.iter().any(|given| given.trim_matches('/') == path)
            || RelPath::new(path).is_ok_and(|path| paths.take_path(&path));
        kind && named
    };
    let outcome = settle(context, &session, args, &wanted).await;
    let closed = session.close().await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}

async fn settle(
    context: &Context,
    session: &Session,
    args: &Accept,
    wanted: &(dyn Fn(&str, Reason) -> bool + Sync),
) -> Result<Exit, CommandError> {
    if session.archive.is_some() {
        return Err(no_landed(&args.job));
    }
    let (engine, job) = (&session.engine, &session.job);
    let kept: Mutex<Vec<Accepted>> = Mutex::default();
    let told = |one: &Accepted| {
        let mark = if one.accepted { "+" } else { "!" };
        let words = if one.words.is_empty() { String::new() } else { format!(": {}", one.words) };
        context.screen.line(format!("{mark} {}  {}{words}", one.path, one.finding));
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(one.clone());
    };
    let run = match args.dry_run {
        true => None,
        false => {
            let start = RunStart { command: "accept".to_owned(), at: engine.clock.now(), fresh: true };
            Some(engine.ledger.begin_run(&job.handle, start).await?)
        }
    };
    engine.accept(job, wanted, args.dry_run, &told).await?;
    let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    let accepted = kept.iter().filter(|one| one.accepted).count() as u64;
    let failed = kept.len() as u64 - accepted;
    if let Some(run) = run {
        let summary = json!({ "accepted": accepted, "failed": failed }).to_string();
        engine.ledger.end_run(&job.handle, run.id, engine.clock.now(), &summary).await?;
    }
    let exit = if failed == 0 && !kept.is_empty() { Exit::Complete } else { Exit::Incomplete };
    if context.screen.is_json() {
        context.screen.result(&json!({
            "job": args.job,
            "command": "accept",
            "dry_run": args.dry_run,
            "accepted": accepted,
            "failed": failed,
            "files": kept,
            "exit": exit.number(),
        }));
    } else if kept.is_empty() {
        context.screen.line(t!("accept.nothing", job = args.job));
    } else if args.dry_run {
        context.screen.line(t!("accept.dry", number = count(accepted)));
    } else {
        context.screen.line(t!("accept.done", number = count(accepted), failed = count(failed)));
    }
    Ok(exit)
}
