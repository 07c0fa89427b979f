//! `landfall crawl`: the sources' listing into the ledger, `index.json`, and the audit.

use landfall_core::engine::{AuditReport, CrawlReport};
use landfall_report::Audit;
use rust_i18n::t;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{moving, totals};
use crate::args::Crawl;
use crate::error::{CommandError, Exit};
use crate::ui::{self, count};
use crate::wiring::{Asked, Context, Session};

/// Differences that are shown; `--json` has the first thousand.
const SHOWN: usize = 20;

/// Lists, writes the index, and compares where that is asked for.
pub(crate) async fn crawl(context: &mut Context, args: &Crawl) -> Result<Exit, CommandError> {
    let session = Session::open(context, &args.job, Asked { lists: true, ..Asked::default() }).await?;
    let outcome = both(context, &session, args).await;
    let closed = session.close().await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}

async fn both(context: &Context, session: &Session, args: &Crawl) -> Result<Exit, CommandError> {
    let done = CancellationToken::new();
    let gauge = moving::gauge(session);
    let engine = async {
        let outcome = async {
            let crawled = session.engine.crawl(&session.job, args.full).await?;
            moving::write_index(session).await?;
            let audit = if args.audit { Some(audit(session).await?) } else { None };
            Ok::<_, landfall_core::StoreError>((crawled, audit))
        }
        .await;
        done.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(engine, ui::show_progress(context.screen.clone(), &gauge, done.clone()));
    let (crawled, audit) = outcome?;
    if let Some(error) = session.missing_folder().await? {
        return Err(error);
    }
    show(context, session, &crawled, audit.as_ref()).await?;
    for failed in &session.failed {
        context.screen.show_error(&failed.error);
    }
    for (source, error) in &crawled.failed {
        let error = CommandError::new(landfall_core::Code::UnexpectedAnswer, format!("{source}: {error}"));
        context.screen.show_error(&error);
    }
    if audit.as_ref().is_some_and(|audit| audit.different > 0) {
        return Ok(Exit::Findings);
    }
    let unsure = audit.is_some_and(|audit| audit.complete_as_of.is_none());
    Ok(if unsure || !session.failed.is_empty() || !crawled.failed.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Complete
    })
}

/// The second enumeration; its outcome is kept for the report.
async fn audit(session: &Session) -> Result<AuditReport, landfall_core::StoreError> {
    let audit = session.engine.audit(&session.job).await?;
    let kept = Audit::of(&audit, session.engine.clock.now());
    kept.keep(session.engine.ledger.as_ref(), session.job.handle.id).await?;
    Ok(audit)
}

async fn show(
    context: &Context,
    session: &Session,
    crawled: &CrawlReport,
    audit: Option<&AuditReport>,
) -> Result<(), CommandError> {
    let screen = &context.screen;
    let tally = session.engine.ledger.tally(session.job.handle.id, None).await?;
    let sources = totals::sources(session).await?;
    let index = session.state.join("index.json");
    if screen.is_json() {
        let t = crawled.tally;
        let wire = session.graphs.read();
        screen.result(&json!({
            "job": session.job.handle.name,
            "files": tally.all().files,
            "bytes": tally.all().bytes.0,
            "folders": tally.folders,
            "states": ui::states(&tally),
            "skipped": ui::skipped(&tally),
            "full": crawled.full,
            "pages": crawled.pages,
            "new": t.new, "changed": t.superseded, "renamed": t.renamed, "gone": t.gone, "unchanged": t.unchanged,
            "index": index.display().to_string(),
            "sources": sources,
            "audit": audit.map(audit_json),
            "requests": wire.requests,
            "resource_units": wire.resource_units,
            "throttled": wire.throttled,
            "retries": wire.retries,
            "peak_rss_bytes": crate::machine::peak_rss(),
        }));
        return Ok(());
    }
    screen.line(
        ui::table(&session.job.handle.name, &ui::states(&tally), &ui::skipped(&tally), &sources).to_string(),
    );
    let t = crawled.tally;
    screen.line(t!(
        "crawl.done",
        files = count(tally.all().files),
        bytes = tally.all().bytes,
        folders = count(tally.folders),
        new = count(t.new),
        changed = count(t.superseded),
        gone = count(t.gone)
    ));
    screen.line(t!("crawl.index", path = index.display()));
    if let Some(audit) = audit {
        for difference in audit.differences.iter().take(SHOWN) {
            screen.line(format!("  {difference}"));
        }
        screen.line(match &audit.complete_as_of {
            Some(at) => {
                t!("crawl.complete", files = count(audit.files), bytes = audit.bytes, time = at).into_owned()
            }
            None if audit.different > 0 => t!("crawl.differs", number = count(audit.different)).into_owned(),
            None => t!("crawl.moving", number = count(audit.changed_meanwhile)).into_owned(),
        });
    }
    Ok(())
}

fn audit_json(audit: &AuditReport) -> serde_json::Value {
    json!({
        "files": audit.files,
        "folders": audit.folders,
        "bytes": audit.bytes.0,
        "usage": audit.usage.map(|usage| usage.0),
        "different": audit.different,
        "differences": audit.differences,
        "changed_meanwhile": audit.changed_meanwhile,
        "complete_as_of": audit.complete_as_of.map(|at| at.to_string()),
    })
}
