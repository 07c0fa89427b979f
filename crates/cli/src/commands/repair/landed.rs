//! `landfall repair` of a job that moves files: the plan, then each finding as it is done with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use landfall_core::engine::{Mended, RepairOptions, RepairPlan, RepairReport};
use landfall_core::ledger::{LookFilter, RunStart};
use landfall_core::state::Reason;
use landfall_core::{ByteSize, Code};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::Repair;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, Screen, count, span};
use crate::wiring::{Context, Session};

/// Findings that the final object holds.
const LISTED: usize = 1000;

pub(super) async fn repair(
    context: &Context,
    session: &Session,
    args: &Repair,
    started: Instant,
) -> Result<Exit, CommandError> {
    let options = RepairOptions { sourceless: session.closed.is_some(), ..options(args)? };
    if options.sourceless {
        context.screen.note(t!("repair.landed.closed"));
    }
    let (ledger, handle) = (&session.engine.ledger, &session.job.handle);
    let plan = session.engine.plan_repair(&session.job, &options).await?;
    show_plan(&context.screen, &plan);
    let kept: Mutex<Vec<Mended>> = Mutex::default();
    let told = |mended: &Mended| {
        if mended.remedy.acts() {
            context.screen.line(line(mended));
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < LISTED {
            kept.push(mended.clone());
        }
    };
    let report = match args.dry_run {
        true => RepairReport::default(),
        false => {
            let start =
                RunStart { command: "repair".to_owned(), at: session.engine.clock.now(), fresh: true };
            let run = ledger.begin_run(handle, start).await?;
            let report = session.engine.repair(&session.job, &options, &told).await?;
            let summary = json!({
                "plan": plan,
                "mended": report.mended,
                "failed": report.failed,
                "interrupted": report.interrupted,
            });
            ledger.end_run(handle, run.id, session.engine.clock.now(), &summary.to_string()).await?;
            report
        }
    };
    let open = ledger.looks(handle.id, &LookFilter { findings: true, section: None }, "", 1).await?;
    let exit = exit(&report, !open.is_empty());
    let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told = Told {
        job: &args.job,
        plan: &plan,
        dry: args.dry_run,
        requests: session.graphs.read().requests,
        time: started.elapsed(),
    };
    show(&context.screen, &report, &kept, &told, exit);
    Ok(exit)
}

/// Kinds of findings by their words.
pub(crate) fn kinds(words: &[String]) -> Result<BTreeSet<Reason>, CommandError> {
    let kind = |word: &String| {
        let word = match word.as_str() {
            "absent" => "absent-at-destination",
            "changed" => "changed-at-destination",
            other => other,
        };
        Reason::FINDINGS.into_iter().find(|kind| kind.name() == word).ok_or_else(|| {
            let names: Vec<&str> = Reason::FINDINGS.iter().map(|kind| kind.name()).collect();
            let detail = format!("{word:?} is no finding of this job; known are {}", names.join(", "));
            CommandError::new(Code::BadArgument, detail)
        })
    };
    words.iter().map(kind).collect()
}

fn options(args: &Repair) -> Result<RepairOptions, CommandError> {
    if args.from.is_some() || args.remove_leaks || args.retry_gone {
        let detail = "--from, --remove-leaks and --retry-gone are about archives; this job moves files";
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    Ok(RepairOptions {
        limit: args.limit,
        include: kinds(&args.include)?,
        only: kinds(&args.pattern)?,
        remove_doubles: args.remove_doubles,
        sourceless: false,
    })
}

/// What the shell is told: what was to be mended and is not, findings that are open still, or neither.
fn exit(report: &RepairReport, open: bool) -> Exit {
    match (report.interrupted, report.failed, open) {
        (true, ..) => Exit::Interrupted,
        (false, 0, false) => Exit::Complete,
        (false, 0, true) => Exit::Findings,
        _ => Exit::Incomplete,
    }
}

fn show_plan(screen: &Screen, plan: &RepairPlan) {
    if plan.findings.is_empty() {
        screen.line(t!("repair.landed.nothing"));
        return;
    }
    let heading = ["table.finding", "repair.landed.remedy", "table.files"].map(ui::word);
    let mut cells = Cells::new(&heading, 2);
    for (finding, remedies) in &plan.findings {
        for (remedy, number) in remedies {
            let words = ui::word(&format!("remedy.{remedy}"));
            cells.row(&[finding.clone(), words, count(*number)]);
        }
    }
    screen.line(cells.to_string());
    screen.line(t!(
        "repair.landed.plan",
        acts = count(plan.acts),
        requests = count(plan.requests),
        units = count(plan.units),
        bytes = ByteSize(plan.bytes)
    ));
}

/// What a call does not know of itself.
struct Told<'a> {
    job: &'a str,
    plan: &'a RepairPlan,
    dry: bool,
    requests: u64,
    time: Duration,
}

fn line(mended: &Mended) -> String {
    let mark = if mended.mended { "+" } else { "!" };
    let words = if mended.words.is_empty() { String::new() } else { format!(": {}", mended.words) };
    let remedy = ui::word(&format!("remedy.{}", mended.remedy.name()));
    format!("{mark} {}  {} ({remedy}){words}", mended.path, mended.finding)
}

fn show(screen: &Screen, report: &RepairReport, kept: &[Mended], told: &Told<'_>, exit: Exit) {
    if screen.is_json() {
        screen.result(&object(report, kept, told, exit));
        return;
    }
    if told.dry {
        screen.line(t!("repair.landed.dry", job = told.job));
        return;
    }
    screen.line(t!(
        "repair.landed.done",
        mended = count(report.mended),
        failed = count(report.failed),
        requests = count(told.requests),
        time = span(told.time)
    ));
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for one in kept.iter().filter(|one| !one.mended) {
        *left.entry(one.finding.as_str()).or_default() += 1;
    }
    for (finding, number) in left {
        screen.line(t!("repair.landed.left", number = count(number), finding = finding));
    }
    if report.interrupted {
        screen.line(t!("repair.landed.interrupted", job = told.job));
    }
}

fn object(report: &RepairReport, kept: &[Mended], told: &Told<'_>, exit: Exit) -> Value {
    json!({
        "job": told.job,
        "command": "repair",
        "dry_run": told.dry,
        "plan": told.plan,
        "mended": report.mended,
        "failed": report.failed,
        "files": kept,
        "requests": told.requests,
        "seconds": told.time.as_secs_f64(),
        "interrupted": report.interrupted,
        "exit": exit.number(),
    })
}
