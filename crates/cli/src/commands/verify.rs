//! `landfall verify`: whether what was proven still holds.
//!
//! An archive is verified by what its database records, every other job by its ledger; this module only tells
//! them apart.

mod archive;
mod landed;

use landfall_core::Code;
use rust_i18n::t;
use tokio::time::Instant;

use crate::args::{Depth, Verify};
use crate::error::{CommandError, Exit};
use crate::wiring::{Asked, Context, Sends, Session};

pub(crate) use archive::was_verified;

/// Verifies and shows what was found.
pub(crate) async fn verify(context: &mut Context, args: &Verify) -> Result<Exit, CommandError> {
    let started = Instant::now();
    makes_sense(args)?;
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

/// Words that would be left aside without a sound are refused.
fn makes_sense(args: &Verify) -> Result<(), CommandError> {
    if args.sample.is_some() && args.depth != Depth::Bytes {
        let detail = "--sample says how many files are read back, so it goes with --depth bytes";
        return Err(CommandError::new(Code::BadArgument, detail).hinted(t!("verify.give_bytes")));
    }
    if args.limit == Some(0) {
        let detail = "--limit 0 would look at nothing";
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    Ok(())
}
