//! `landfall verify` of a job that moves files: the ledger beside one listing of the destination.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use landfall_core::engine::{RepairOptions, RepairPlan, Sample, VerifyOptions, VerifyReport};
use landfall_core::ledger::{LookFilter, Looked, RunStart, Tally};
use landfall_core::state::{Reason, State};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::{Depth, Verify};
use crate::commands::whole::{Whole, may_replace, unwritable};
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, Screen, count, span};
use crate::wiring::{Context, Session, since};

/// Findings that are shown one by one.
const SHOWN: usize = 20;
/// Findings read from the ledger at a time.
const LOOKS: usize = 1000;

pub(super) async fn verify(
    context: &Context,
    session: &Session,
    args: &Verify,
    started: Instant,
) -> Result<Exit, CommandError> {
    let options = options(args)?;
    if let Some(path) = &args.list {
        may_replace(path, b"{")?;
    }
    let (ledger, handle) = (&session.engine.ledger, &session.job.handle);
    let start = RunStart { command: "verify".to_owned(), at: session.engine.clock.now(), fresh: true };
    let run = ledger.begin_run(handle, start).await?;
    let report = look(context, session, &options).await?;
    if let Some(path) = &args.list {
        list(session, path).await?;
    }
    let tally = ledger.tally(handle.id, None).await?;
    let exit = exit(&report);
    let told = Told {
        job: &args.job,
        depth: args.depth,
        narrowed: options.limit.is_some() || options.since.is_some(),
        requests: session.graphs.read().requests,
        time: started.elapsed(),
        plan: RepairPlan::default(),
    };
    let object = object(&report, &tally, &told, exit);
    ledger.end_run(handle, run.id, session.engine.clock.now(), &object.to_string()).await?;
    if context.screen.is_json() {
        context.screen.result(&object);
        return Ok(exit);
    }
    let open = ledger.looks(handle.id, &LookFilter { findings: true, section: None }, "", SHOWN).await?;
    let mend = RepairOptions { sourceless: session.closed.is_some(), ..RepairOptions::default() };
    let told = Told { plan: session.engine.plan_repair(&session.job, &mend).await?, ..told };
    show(&context.screen, &report, &open, &told);
    Ok(exit)
}

fn options(args: &Verify) -> Result<VerifyOptions, CommandError> {
    Ok(VerifyOptions {
        depth: match args.depth {
            Depth::Exists => landfall_core::engine::Depth::Exists,
            Depth::Hash => landfall_core::engine::Depth::Hash,
            Depth::Bytes => landfall_core::engine::Depth::Bytes,
        },
        sample: args.sample.map_or(Sample::All, |sample| sample.0),
        since: args.posts.since.as_deref().map(since).transpose()?,
        limit: args.limit,
    })
}

async fn look(
    context: &Context,
    session: &Session,
    options: &VerifyOptions,
) -> Result<VerifyReport, CommandError> {
    let done = CancellationToken::new();
    let work = async {
        let outcome = session.engine.verify(&session.job, options).await;
        done.cancel();
        outcome
    };
    let (wire, meter) = (session.graphs.meter.clone(), session.engine.meter.clone());
    let text = move || {
        let read = meter.read();
        t!(
            "progress.verify_landed",
            requests = count(wire.read().requests),
            listed = count(read.found),
            bytes = landfall_core::ByteSize(read.bytes)
        )
        .into_owned()
    };
    let shown = ui::show_working(context.screen.clone(), text, done.clone());
    let (report, ()) = tokio::join!(work, shown);
    Ok(report?)
}

/// Writes every open finding, a line each, into a file that is whole or not there.
async fn list(session: &Session, path: &Path) -> Result<(), CommandError> {
    let mut file = Whole::begin(path)?;
    let filter = LookFilter { findings: true, section: None };
    let mut after = String::new();
    loop {
        let looks = session.engine.ledger.looks(session.job.handle.id, &filter, &after, LOOKS).await?;
        let Some(last) = looks.last() else { break };
        after.clone_from(&last.subject);
        for look in &looks {
            let mut object: Value = serde_json::from_str(&look.detail).unwrap_or_default();
            if let Some(map) = object.as_object_mut() {
                map.insert("finding".to_owned(), json!(look.finding));
                map.insert("seen".to_owned(), json!(look.at.to_string()));
            }
            writeln!(file, "{object}").map_err(|error| unwritable(path, &error))?;
        }
    }
    file.commit()
}

/// What the shell is told: nothing found, findings, or that something could not be looked at.
fn exit(report: &VerifyReport) -> Exit {
    if report.interrupted {
        Exit::Interrupted
    } else if report.unknown > 0 {
        Exit::Unknown
    } else if report.clean() {
        Exit::Complete
    } else {
        Exit::Findings
    }
}

/// What a report does not know of itself.
struct Told<'a> {
    job: &'a str,
    depth: Depth,
    /// Not every file was asked about.
    narrowed: bool,
    requests: u64,
    time: Duration,
    /// What a repair without further words would do now.
    plan: RepairPlan,
}

fn total(report: &VerifyReport) -> u64 {
    report.findings.values().sum()
}

fn show(screen: &Screen, report: &VerifyReport, open: &[Looked], told: &Told<'_>) {
    screen.line(t!(
        "verify.landed.done",
        checked = count(report.checked),
        requests = count(told.requests),
        time = span(told.time)
    ));
    screen.line(t!(
        "verify.landed.held",
        held = count(report.held),
        hashed = count(report.hashed),
        read = count(report.read),
        bytes = landfall_core::ByteSize(report.read_bytes)
    ));
    if report.rewritten > 0 {
        screen.line(t!("verify.landed.rewritten", files = count(report.rewritten)));
    }
    if report.recovered > 0 {
        screen.line(t!("verify.landed.recovered", files = count(report.recovered)));
    }
    if let Some(why) = &report.bin_unread {
        screen.line(t!("verify.landed.bin", why = why));
    }
    if total(report) > 0 {
        let heading = |keys: &[&str]| keys.iter().map(|key| ui::word(key)).collect::<Vec<_>>();
        let mut cells = Cells::new(&heading(&["table.finding", "table.files"]), 1);
        for (reason, number) in &report.findings {
            let words = ui::word(&format!("reason.{reason}"));
            cells.row(&[format!("{reason}: {words}"), count(*number)]);
        }
        screen.line(cells.to_string());
        for look in open {
            screen.line(line(look));
        }
        let shown = open.len() as u64;
        if total(report) > shown {
            screen.line(t!("verify.landed.more", number = count(total(report) - shown)));
        }
    }
    screen.line(verdict(report, told));
}

/// One open finding: kind, path, words.
pub(crate) fn line(look: &Looked) -> String {
    let detail: Value = serde_json::from_str(&look.detail).unwrap_or_default();
    let words =
        detail.get("words").and_then(Value::as_str).or_else(|| detail.get("by").and_then(Value::as_str));
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    format!("  {}  {}{words}", look.finding.as_deref().unwrap_or_default(), look.owner)
}

fn verdict(report: &VerifyReport, told: &Told<'_>) -> String {
    let job = told.job;
    if report.interrupted {
        t!("verify.landed.interrupted", job = job).into_owned()
    } else if report.unknown > 0 {
        t!("verify.unknown", number = count(report.unknown), job = job).into_owned()
    } else if total(report) > 0 {
        next_step(total(report), told)
    } else if report.checked == 0 && told.narrowed {
        t!("verify.landed.narrowed_nothing", job = job).into_owned()
    } else if report.checked == 0 {
        t!("verify.landed.nothing", job = job).into_owned()
    } else if told.narrowed {
        narrowed(report, told)
    } else {
        match told.depth {
            Depth::Exists => t!("verify.landed.clean_exists", job = job).into_owned(),
            Depth::Hash => t!("verify.landed.clean_hash", job = job).into_owned(),
            Depth::Bytes => {
                t!("verify.landed.clean_bytes", read = count(report.read), files = count(report.checked))
                    .into_owned()
            }
        }
    }
}

/// Nothing was found in a part: it says nothing of the rest.
fn narrowed(report: &VerifyReport, told: &Told<'_>) -> String {
    let (job, files) = (told.job, count(report.checked));
    match told.depth {
        Depth::Exists => t!("verify.landed.narrowed_exists", files = files, job = job),
        Depth::Hash => t!("verify.landed.narrowed_hash", files = files, job = job),
        Depth::Bytes => t!("verify.landed.narrowed_bytes", files = files, read = count(report.read)),
    }
    .into_owned()
}

/// Where findings are sent: to a repair what it would mend, to an acceptance what people did.
fn next_step(findings: u64, told: &Told<'_>) -> String {
    let (number, job) = (count(findings), told.job);
    match (told.plan.acts > 0, of_people(&told.plan) > 0) {
        (true, false) => t!("verify.findings", number = number, job = job),
        (true, true) => t!("verify.landed.findings_both", number = number, job = job),
        (false, true) => t!("verify.landed.findings_people", number = number, job = job),
        (false, false) => t!("verify.landed.findings_kept", number = number, job = job),
    }
    .into_owned()
}

/// Findings that are somebody's work, and so nothing that a repair touches unasked.
fn of_people(plan: &RepairPlan) -> u64 {
    let of = |(finding, remedies): (&String, &BTreeMap<String, u64>)| match finding.as_str() {
        "foreign" => remedies.values().sum(),
        _ => remedies.get("leave-to-person").copied().unwrap_or_default(),
    };
    plan.findings.iter().map(of).sum()
}

fn object(report: &VerifyReport, tally: &Tally, told: &Told<'_>, exit: Exit) -> Value {
    // Every kind is named, so that a reader need not know which there are.
    let findings: serde_json::Map<String, Value> = Reason::FINDINGS
        .into_iter()
        .map(|kind| (kind.name().to_owned(), json!(report.findings.get(&kind).copied().unwrap_or_default())))
        .collect();
    let states: serde_json::Map<String, Value> =
        State::ALL.into_iter().map(|state| (state.name().to_owned(), json!(tally.files(state)))).collect();
    json!({
        "job": told.job,
        "command": "verify",
        "depth": told.depth.word(),
        "checked": report.checked,
        "held": report.held,
        "hashed": report.hashed,
        "read": report.read,
        "read_bytes": report.read_bytes,
        "rewritten": report.rewritten,
        "recovered": report.recovered,
        "findings": findings,
        "new": report.new,
        "unknown": report.unknown,
        "bin_unread": report.bin_unread,
        "clean": report.clean(),
        "narrowed": told.narrowed,
        "states": states,
        "requests": told.requests,
        "seconds": told.time.as_secs_f64(),
        "interrupted": report.interrupted,
        "exit": exit.number(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_sent_only_to_what_would_settle_them() {
        let said = |acts, finding: &str, remedy: &str| {
            let remedies = BTreeMap::from([(remedy.to_owned(), 2)]);
            let findings = BTreeMap::from([(finding.to_owned(), remedies)]);
            let plan = RepairPlan { acts, findings, ..RepairPlan::default() };
            let time = Duration::ZERO;
            next_step(2, &Told { job: "j", depth: Depth::Exists, narrowed: false, requests: 0, time, plan })
        };
        let (repair, accept) = ("landfall repair j -n", "landfall accept j PATH");
        let sent = said(2, "absent-at-destination", "send");
        assert!(sent.contains(repair) && !sent.contains(accept), "{sent}");
        let both = said(1, "edited", "leave-to-person");
        assert!(both.contains(repair) && both.contains(accept), "{both}");
        for (finding, remedy) in [("edited", "leave-to-person"), ("foreign", "keep"), ("doubled", "keep")] {
            let people = said(0, finding, remedy);
            assert!(!people.contains(repair) && people.contains(accept), "{people}");
        }
    }
}
