//! `landfall demo`.

use crate::args::Demo;
use crate::error::{CommandError, Exit};
use crate::wiring::Context;

/// Shows the story.
pub(crate) async fn demo(context: &mut Context, args: &Demo) -> Result<Exit, CommandError> {
    let _ = (context, args);
    Ok(Exit::Complete)
}
