//! The commands, one file each; here they are told apart.

mod accept;
mod backlog;
mod completions;
mod crawl;
mod demo;
mod doctor;
mod drill;
mod init;
mod job;
mod ledger;
mod log;
mod manifest;
mod moving;
mod plan;
mod repair;
mod report;
mod restore;
mod seal;
mod sim;
mod status;
mod totals;
mod verify;
mod whole;

use landfall_core::engine::Stage;
use tokio_util::sync::CancellationToken;

use crate::args::{Cli, Command};
use crate::environment::Environment;
use crate::error::{CommandError, Exit};
use crate::signals;
use crate::ui::Screen;
use crate::wiring::Context;

/// Carries out one command.
///
/// # Errors
/// What ended it before it had a result of its own.
pub(crate) async fn dispatch(
    cli: Cli,
    environment: Environment,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let stop = CancellationToken::new();
    let mut context = Context { global: cli.global, environment, screen: screen.clone(), stop: stop.clone() };
    let work = carry_out(&mut context, cli.command);
    // `watch` never ends by itself, so the work is never dropped half way.
    tokio::select! {
        outcome = work => outcome,
        () = signals::watch(stop, screen) => Ok(Exit::Interrupted),
    }
}

async fn carry_out(context: &mut Context, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Init(args) => init::init(context, &args),
        Command::Doctor(args) => doctor::doctor(context, &args.job).await,
        Command::Plan(args) => plan::plan(context, &args, None).await,
        Command::Crawl(args) => crawl::crawl(context, &args).await,
        Command::Run(args) => moving::moving(context, &args, Stage::All, "run").await,
        Command::Download(args) => moving::moving(context, &args, Stage::Download, "download").await,
        Command::Upload(args) => moving::moving(context, &args, Stage::Upload, "upload").await,
        Command::Retry(args) => moving::moving(context, &args, Stage::Retry, "retry").await,
        Command::Verify(args) => verify::verify(context, &args).await,
        Command::Backlog(args) => backlog::backlog(context, &args).await,
        Command::Repair(args) => repair::repair(context, &args).await,
        Command::Accept(args) => accept::accept(context, &args).await,
        Command::Restore(args) => restore::restore(context, &args).await,
        Command::Drill(args) => drill::drill(context, &args).await,
        Command::Status(args) => status::status(context, &args.job).await,
        Command::Report(args) => report::report(context, &args).await,
        other => beside(context, other).await,
    }
}

/// What is no step of a job: evidence, the ledger, tools for single files and logs, the simulator, the shell.
async fn beside(context: &mut Context, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Manifest(args) => manifest::manifest(context, &args).await,
        Command::Job(command) => job::job(context, &command).await,
        Command::Ledger(command) => ledger::ledger(context, command).await,
        Command::Seal(command) => seal::seal(context, command).await,
        Command::Log(args) => log::log(context, args).await,
        Command::Sim(args) => sim::sim(context, &args).await,
        Command::Demo(args) => demo::demo(context, &args).await,
        Command::Completions(args) => Ok(completions::completions(context, &args)),
        // Told apart before: a command that is in neither list has no meaning.
        other => Err(CommandError::new(
            landfall_core::Code::Internal,
            format!("{other:?} is carried out by nobody"),
        )),
    }
}
