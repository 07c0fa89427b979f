//! `report --permissions`: asks the sources what stays behind, then reads what was captured.
//!
//! Asking needs the lease and the network, and comes before the report is counted. A closed job asks nothing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use landfall_core::engine::LeftPlan;
use landfall_core::ledger::Ledger;
use landfall_core::{JobId, StoreError};
use landfall_report::{Behind, BehindTable, ReportError};
use rust_i18n::t;
use tokio_util::sync::CancellationToken;

use super::failed;
use crate::args::Report;
use crate::commands::whole::Whole;
use crate::error::CommandError;
use crate::ui::{self, count};
use crate::wiring::{Asked, Context, Session, catalogue_of, closed};

/// Asks the sources, where that is wanted and they are still there.
pub(super) async fn capture(context: &mut Context, args: &Report) -> Result<(), CommandError> {
    if args.captured || !args.wants_left() {
        return Ok(());
    }
    let config = context.load()?;
    if catalogue_of(&config.job(&args.job)?).is_some() {
        context.screen.note(t!("left.none", job = args.job));
        return Ok(());
    }
    let since = {
        let ledger = context.ledger(&config).await?;
        let handle = crate::commands::totals::known(ledger.as_ref(), &args.job).await?;
        closed::since(ledger.as_ref(), handle.id).await?
    };
    if let Some(since) = since {
        context.screen.note(t!("left.closed", job = args.job, time = ui::moment(since)));
        return Ok(());
    }
    let session = Session::open(context, &args.job, Asked { lists: true, ..Asked::default() }).await?;
    let outcome = ask(context, &session).await;
    let closed = session.close().await;
    outcome?;
    Ok(closed?)
}

async fn ask(context: &Context, session: &Session) -> Result<(), StoreError> {
    // What it took to open the job is no part of it.
    let before = session.graphs.read();
    let plan = session.engine.plan_left(&session.job).await?;
    let things = plan.files + plan.folders;
    say(context, session, &plan);
    let (asked, done) = (AtomicU64::new(0), CancellationToken::new());
    let working = || {
        let wire = session.graphs.read();
        t!(
            "left.working",
            asked = count(asked.load(Relaxed)),
            all = count(things),
            requests = count(wire.requests - before.requests),
            throttled = count(wire.throttled - before.throttled)
        )
        .into_owned()
    };
    let capturing = async {
        let outcome = session.engine.capture_left(&session.job, &asked).await;
        done.cancel();
        outcome
    };
    let (outcome, ()) =
        tokio::join!(capturing, ui::show_working(context.screen.clone(), working, done.clone()));
    outcome?;
    if things > 0 {
        let wire = session.graphs.read();
        context.screen.note(t!(
            "left.done",
            asked = count(asked.load(Relaxed)),
            requests = count(wire.requests - before.requests),
            units = count(wire.resource_units - before.resource_units)
        ));
    }
    Ok(())
}

fn say(context: &Context, session: &Session, plan: &LeftPlan) {
    if plan.files + plan.folders == 0 {
        context.screen.note(t!("left.none", job = session.job.handle.name));
        return;
    }
    if plan.resumes {
        context.screen.note(t!("left.resumes"));
    }
    context.screen.note(t!(
        "left.plan",
        files = count(plan.files),
        folders = count(plan.folders),
        requests = count(plan.least.requests),
        units = count(plan.least.units),
        most_requests = count(plan.most.requests),
        most_units = count(plan.most.units)
    ));
}

/// Reads what was captured into the report, and writes its table.
pub(super) async fn read(
    ledger: &dyn Ledger,
    job: JobId,
    report: &mut landfall_report::Report,
    table: Option<&PathBuf>,
) -> Result<Option<u64>, CommandError> {
    let Some(path) = table else {
        let behind = Behind::read(ledger, job, report, None).await;
        report.left_behind = behind.map_err(|error| failed(error, "-".as_ref()))?;
        return Ok(None);
    };
    let mut file = Whole::begin(path)?;
    let mut table = BehindTable::new(&mut file);
    let behind = Behind::read(ledger, job, report, Some(&mut table)).await;
    // A job of which nothing was captured has a table without rows.
    let ended = table.finish().map_err(ReportError::Write);
    let rows = table.rows();
    report.left_behind = behind.map_err(|error| failed(error, path))?;
    ended.map_err(|error| failed(error, path))?;
    file.commit()?;
    Ok(Some(rows))
}

/// What stays behind in one line.
pub(super) async fn line(
    ledger: &dyn Ledger,
    job: JobId,
    report: &landfall_report::Report,
) -> Result<String, StoreError> {
    let Some(behind) = &report.left_behind else {
        let key = match closed::since(ledger, job).await? {
            Some(_) => t!("left.never_closed", job = report.job),
            None => t!("left.never", job = report.job),
        };
        return Ok(key.into_owned());
    };
    if behind.files + behind.folders + behind.unreached_files == 0 {
        return Ok(t!("left.none", job = report.job).into_owned());
    }
    let shared = count(behind.shared_files + behind.shared_folders);
    let (aged, labels) = (count(behind.aged), count(behind.labels.total));
    let (unknown, time) = (count(behind.unknown), ui::moment(behind.begun));
    Ok(match behind.ended {
        Some(_) => {
            t!("left.summary", shared = shared, aged = aged, labels = labels, unknown = unknown, time = time)
        }
        None => {
            t!("left.part", shared = shared, aged = aged, labels = labels, unknown = unknown, time = time)
        }
    }
    .into_owned())
}
