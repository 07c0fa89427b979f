//! `landfall repair`: what a verify found is mended, each file by the cheapest way that is proven.
//!
//! An archive is repaired by what its database records, every other job by its ledger; this module only tells
//! them apart.

mod archive;
mod landed;

pub(crate) use landed::kinds;

use tokio::time::Instant;

use crate::args::Repair;
use crate::error::{CommandError, Exit};
use crate::wiring::{Asked, Context, Sends, Session};

/// Repairs and shows what became of each finding.
pub(crate) async fn repair(context: &mut Context, args: &Repair) -> Result<Exit, CommandError> {
    let started = Instant::now();
    let sends = match args.dry_run {
        true => Sends::Never,
        false => Sends::told(args.snapshot.snapshot_to.as_ref()),
    };
    let asked = Asked { posts: args.posts.clone(), writes: !args.dry_run, sends, ..Asked::default() };
    let session = Session::open(context, &args.job, asked).await?;
    let outcome = match session.archive {
        Some(_) => archive::repair(context, &session, args, started).await,
        None => landed::repair(context, &session, args, started).await,
    };
    let closed = session.close().await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}
