//! `landfall plan`: what a run would do and cost, and which names cannot land, before the first byte.

mod archive;

use archive::ArchivePlan;
use landfall_core::engine::{MirrorReport, PlanReport};
use landfall_core::state::{Reason, Via};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::moving;
use crate::args::Plan;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, Screen, count, span};
use crate::wiring::{Asked, Context, Session};

/// Names that a table shows; `--json` has the first thousand.
const SHOWN: usize = 20;

/// Makes the plan and shows it, with what a mirror of at most `mirror` files would take away where one is meant.
pub(crate) async fn plan(
    context: &mut Context,
    args: &Plan,
    mirror: Option<u64>,
) -> Result<Exit, CommandError> {
    let paths = moving::filters(&args.selection)?;
    let asked =
        Asked { via: moving::via(args.via), posts: args.posts.clone(), lists: true, ..Asked::default() };
    let session = Session::open(context, &args.job, asked).await?;
    let done = CancellationToken::new();
    let gauge = moving::gauge(&session);
    let engine = async {
        let outcome = session.engine.plan(&session.job, args.full, &paths, args.selection.limit).await;
        done.cancel();
        outcome
    };
    let (planned, ()) = tokio::join!(engine, ui::show_progress(context.screen.clone(), &gauge, done.clone()));
    let missing = session.missing_folder().await;
    let archive = match &session.archive {
        Some(open) => Some(ArchivePlan::of(&session, open).await),
        None => None,
    };
    let mirrored = match (&planned, mirror) {
        (Ok(planned), Some(most)) => {
            Some(session.engine.weigh_mirror(&session.job, &planned.crawl, most).await)
        }
        _ => None,
    };
    session.close().await?;
    let planned = planned?;
    let archive = archive.transpose()?;
    let mirrored = mirrored.transpose()?;
    if let Some(error) = missing? {
        return Err(error);
    }
    show(context, &session, &planned, (archive.as_ref(), mirrored.as_ref()));
    // What a run fetches first is no obstacle.
    let stays = planned.skipped.keys().any(|reason| *reason != Reason::AwaitingMedia);
    let refused = mirrored.as_ref().is_some_and(|mirror| mirror.refused.is_some());
    let lands = planned.unlandable == 0 && !stays && !refused && session.failed.is_empty();
    Ok(if lands { Exit::Complete } else { Exit::Incomplete })
}

fn show(
    context: &Context,
    session: &Session,
    plan: &PlanReport,
    (archive, mirror): (Option<&ArchivePlan>, Option<&MirrorReport>),
) {
    let screen = &context.screen;
    let time = session.graphs.quota.time_for(plan.units);
    if screen.is_json() {
        screen.result(&json!({
            "job": session.job.handle.name,
            "files": plan.files,
            "bytes": plan.bytes.0,
            "present": plan.present,
            "done": plan.done,
            "folders": plan.folders,
            "skipped": plan.skipped.iter().map(|(reason, n)| (reason.name(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
            "unlandable": plan.unlandable,
            "unlandable_first": plan.unlandable_first.iter().map(|u| json!({
                "source": u.source, "path": u.path.as_str(), "reason": u.reason.name(), "comment": u.comment,
            })).collect::<Vec<_>>(),
            "renamed": plan.renamed.iter().map(|(path, name)| json!({ "path": path.as_str(), "name": name })).collect::<Vec<_>>(),
            "requests": plan.requests,
            "resource_units": plan.units,
            "archive": archive.map(ArchivePlan::json),
            "mirror": mirror.map(mirror_json),
            "quota_hours": time.map(|time| time.as_secs_f64() / 3600.0),
            "failed_sources": session.failed.iter().map(|f| json!({ "source": f.label, "error": f.error.json() })).collect::<Vec<_>>(),
        }));
        return;
    }
    let mut cells = Cells::new(&[t!("plan.what").into_owned(), t!("plan.number").into_owned()], 1);
    let mut row = |key: &str, value: String| cells.row(&[t!(key).into_owned(), value]);
    row("plan.files", count(plan.files));
    row("plan.bytes", plan.bytes.to_string());
    row("plan.folders", count(plan.folders));
    row("plan.present", count(plan.present));
    row("plan.done", count(plan.done));
    row("plan.unlandable", count(plan.unlandable));
    row("plan.skipped", count(plan.skipped.values().sum()));
    if !session.failed.is_empty() {
        row("plan.unresolved", count(session.failed.len() as u64));
    }
    match archive {
        Some(archive) => archive.rows(&mut cells),
        None => {
            row("plan.requests", count(plan.requests));
            row("plan.units", count(plan.units));
            row("plan.time", time.map_or_else(|| t!("plan.unlimited").into_owned(), span));
        }
    }
    screen.line(cells.to_string());
    if session.job.policy.via == Via::Copy {
        screen.line(t!("plan.copies"));
    }
    for (reason, n) in &plan.skipped {
        screen.line(format!("{}  {}: {}", count(*n), reason, ui::word(&format!("reason.{reason}"))));
    }
    let many = session.job.slots.len() > 1;
    for unlandable in plan.unlandable_first.iter().take(SHOWN) {
        // Which of many users' files it is, where there are many.
        let whose = if many { format!("{}: ", unlandable.source) } else { String::new() };
        screen.line(format!("{whose}{}  {}: {}", unlandable.path, unlandable.reason, unlandable.comment));
    }
    if plan.unlandable > SHOWN as u64 {
        screen.line(t!("plan.more", number = count(plan.unlandable - SHOWN as u64)));
    }
    for (path, name) in plan.renamed.iter().take(SHOWN) {
        screen.line(t!("plan.renamed", path = path, name = name));
    }
    if let Some(mirror) = mirror {
        tell_mirror(screen, mirror);
    }
    for failed in &session.failed {
        screen.show_error(&failed.error);
    }
}

fn mirror_json(mirror: &MirrorReport) -> Value {
    json!({
        "planned": mirror.plan.files,
        "bytes": mirror.plan.bytes.0,
        "first": mirror.plan.first,
        "refused": mirror.refused,
    })
}

/// What would be deleted is named before it is.
fn tell_mirror(screen: &Screen, mirror: &MirrorReport) {
    let plan = &mirror.plan;
    screen.line(t!("plan.mirror", files = count(plan.files), bytes = plan.bytes));
    for path in &plan.first {
        screen.line(format!("  {path}"));
    }
    let named = plan.first.len() as u64;
    if plan.files > named {
        screen.line(t!("plan.mirror_more", number = count(plan.files - named)));
    }
    if let Some(why) = &mirror.refused {
        screen.line(t!("plan.mirror_refused", why = why));
    }
}
