//! `landfall accept`: what people did at the destination becomes what is expected there.

use std::collections::BTreeMap;
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

/// Findings of other people's work: what is meant where no kind is named.
const PEOPLE: [Reason; 4] = [Reason::Edited, Reason::MovedByUser, Reason::DeletedByUser, Reason::Foreign];

/// Findings that were named and are nobody's work, by kind: damage is not taken for right in passing.
type Left = Mutex<BTreeMap<&'static str, u64>>;

/// Findings that leave the file itself as it was proven: a path means them too.
const HARMLESS: [Reason; 2] = [Reason::Doubled, Reason::ExtraVersions];

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
    let left = Left::default();
    let wanted = |path: &str, reason: Reason| {
        // What nobody did is damage: it is taken for right only where its kind is named.
        let kind = match (include.is_empty(), args.all) {
            (false, _) => include.contains(&reason),
            (true, true) => PEOPLE.contains(&reason),
            (true, false) => PEOPLE.contains(&reason) || HARMLESS.contains(&reason),
        };
        let named = args.paths.is_empty()
            || args.paths.iter().any(|given| given.trim_matches('/') == path)
            || RelPath::new(path).is_ok_and(|path| paths.take_path(&path));
        if named && !kind && include.is_empty() {
            *left.lock().unwrap_or_else(PoisonError::into_inner).entry(reason.name()).or_default() += 1;
        }
        kind && named
    };
    let outcome = settle(context, &session, args, &wanted, &left).await;
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
    left: &Left,
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
    let left = left.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let exit = if failed == 0 && !kept.is_empty() { Exit::Complete } else { Exit::Incomplete };
    if context.screen.is_json() {
        context.screen.result(&json!({
            "job": args.job,
            "command": "accept",
            "dry_run": args.dry_run,
            "accepted": accepted,
            "failed": failed,
            "files": kept,
            "left": left,
            "exit": exit.number(),
        }));
    } else if kept.is_empty() && left.is_empty() {
        context.screen.line(t!("accept.nothing", job = args.job));
    } else if kept.is_empty() {
        // The findings that were left out are named below.
    } else if args.dry_run {
        context.screen.line(t!("accept.dry", number = count(accepted)));
    } else {
        context.screen.line(t!("accept.done", number = count(accepted), failed = count(failed)));
    }
    if !context.screen.is_json() {
        for (kind, number) in &left {
            context.screen.line(t!("accept.left", number = count(*number), kind = kind, job = args.job));
        }
    }
    Ok(exit)
}
