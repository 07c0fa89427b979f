//! `landfall verify`: whether what was proven still holds.
//!
//! An archive is verified by what its database records, every other job by its ledger; this module only tells
//! them apart.

mod archive;
mod landed;

use tokio::time::Instant;

use crate::args::Verify;
use crate::error::{CommandError, Exit};
use crate::wiring::{Asked, Context, Sends, Session};

pub(crate) use archive::was_verified;

/// Verifies and shows what was found.
pub(crate) async fn verify(context: &mut Context, args: &Verify) -> Result<Exit, CommandError> {
    let started = Instant::now();
    let sends = Sends::told(args.snapshot.snapshot_to.as_ref());
    let asked = Asked { posts: args.posts.clone(), ages: true, sends, ..Asked::default() };
    let session = Session::open(context, &args.job, asked).await?;
    let outcome = match session.archive {
        Some(_) => archive::verify(context, &session, args, started).await,
        None => landed::verify(context, &session, args, started).await,
    };
    let closed = session.close().await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}
