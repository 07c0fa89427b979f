//! The program `landfall`: one job, one ledger, one proof for every file.
//!
//! Only this crate reads the environment, the home folder and the terminal. It owns the configuration,
//! the wiring of crates, what a person reads, and exit codes; it knows nothing of protocols and states.

mod args;
mod commands;
mod config;
mod credentials;
mod environment;
mod error;
mod logs;
mod machine;
mod signals;
mod ui;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

rust_i18n::i18n!("locales", fallback = "en");

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ui::usage(&error),
    };
    let environment = environment::Environment::of_process();
    rust_i18n::set_locale(environment.language(cli.global.lang));
    let screen = ui::Screen::new(&cli.global);
    let outcome = logs::begin(&cli.global, &screen)
        .and_then(|()| machine::runtime())
        .and_then(|runtime| runtime.block_on(commands::dispatch(cli, environment, screen.clone())));
    let exit = outcome.unwrap_or_else(|error| {
        screen.error(&error);
        error.exit
    });
    let Some(refused) = screen.refused() else { return exit.into() };
    screen.show_error(&refused);
    exit.max(refused.exit).into()
}
