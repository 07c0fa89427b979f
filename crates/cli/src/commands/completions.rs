//! `landfall completions`: a script that lets a shell complete our words.

use clap::CommandFactory as _;

use crate::args::{Cli, Completions};
use crate::error::Exit;
use crate::wiring::Context;

/// Prints the script.
pub(crate) fn completions(context: &Context, args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "landfall", &mut script);
    context.screen.raw(&String::from_utf8_lossy(&script));
    Exit::Complete
}
