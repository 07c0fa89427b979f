//! `landfall job`: a source that is gone for good is said to be so, once.

use landfall_core::Code;
use landfall_core::engine::Capture;
use landfall_core::state::State;
use rust_i18n::t;
use serde_json::json;

use super::totals;
use crate::args::JobCommand;
use crate::config::SourcePlace;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, count};
use crate::wiring::{Context, catalogue_of, closed};

/// Closes a job or opens it again. Both may be repeated.
pub(crate) async fn job(context: &mut Context, command: &JobCommand) -> Result<Exit, CommandError> {
    let (name, closing) = match command {
        JobCommand::Close(args) => (&args.job, true),
        JobCommand::Open(args) => (&args.job, false),
    };
    let config = context.load()?;
    let wanted = config.job(name)?;
    if catalogue_of(&wanted).is_some() {
        let detail = format!(
            "{name} is an archive: its source is the database, without which nothing of it can be verified"
        );
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    let ledger = context.ledger(&config).await?;
    let known = totals::known(ledger.as_ref(), name).await?;
    // Not while somebody is at work on it.
    let handle = ledger.open_job(name, &known.identity, &machine::holder(), machine::now()).await?;
    let before = closed::since(ledger.as_ref(), handle.id).await?;
    let since = before.unwrap_or_else(machine::now);
    let marked = match (closing, before) {
        (true, None) => closed::mark(ledger.as_ref(), handle.id, since).await,
        (false, Some(_)) => closed::unmark(ledger.as_ref(), handle.id).await,
        _ => Ok(()),
    };
    let captured = Capture::last(ledger.as_ref(), handle.id).await;
    let tally = ledger.tally(handle.id, None).await;
    ledger.close_job(&handle).await?;
    marked?;
    let (tally, captured) = (tally?, captured?.is_some());
    let open = tally.all().files - tally.files(State::Success);
    context.screen.result(&json!({
        "job": name,
        "closed": closing,
        "since": closing.then(|| since.to_string()),
        "unproven": open,
        "captured": captured,
    }));
    context.screen.line(match closing {
        true => t!("job.closed", job = name, time = ui::moment(since)),
        false => t!("job.open", job = name),
    });
    if closing && open > 0 {
        context.screen.line(t!("job.unproven", number = count(open), job = name));
    }
    // A folder has nothing of the sort to tell.
    let tells = wanted.sources.iter().any(|source| !matches!(source.place, SourcePlace::Folder(_)));
    if closing && tells && !captured {
        context.screen.line(t!("job.uncaptured", job = name));
    }
    Ok(Exit::Complete)
}
