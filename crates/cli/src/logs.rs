//! The program's own log: what is done, for the one who looks for a mistake.
//!
//! Standard error in lines for people, `--log-file` in JSON lines. Only our crates speak below the level
//! of warnings, so that no library's request line with a token in it can come here.

use std::fs::OpenOptions;

use landfall_core::Code;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Global;
use crate::error::CommandError;
use crate::ui::Screen;

/// The crates whose words are ours.
const OURS: [&str; 5] = ["landfall", "landfall_core", "landfall_ledger", "landfall_stores", "landfall_sim"];

/// Where the driver of databases tells of slow statements.
const STATEMENTS: &str = "sqlx::query";

/// Begins to write the log.
///
/// # Errors
/// Code `BadArgument` where the log file cannot be opened.
pub(crate) fn begin(global: &Global, screen: &Screen) -> Result<(), CommandError> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let people = tracing_subscriber::fmt::layer()
        .with_writer(screen.log_writer())
        .with_ansi(screen.is_terminal())
        .with_target(false)
        .with_filter(targets(level));
    let file = match &global.log_file {
        None => None,
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                CommandError::new(Code::BadArgument, format!("open log file {}: {error}", path.display()))
            })?;
            let layer = tracing_subscriber::fmt::layer()
                .json()
                .with_writer(std::sync::Mutex::new(file))
                .with_filter(targets(level.max(LevelFilter::DEBUG)));
            Some(layer)
        }
    };
    // Fails only where a log was begun before, which then serves.
    let _begun = tracing_subscriber::registry().with(people).with(file).try_init();
    Ok(())
}

fn targets(level: LevelFilter) -> Targets {
    // A statement that took a second is nothing that a person can act on: the disk was busy.
    let statements = if level < LevelFilter::DEBUG { LevelFilter::OFF } else { LevelFilter::WARN };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(STATEMENTS, statements)
        .with_targets(OURS.map(|name| (name, level)))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn slow_statements_are_told_to_those_who_look_for_a_mistake_only() {
        let tells = |level, target: &str| targets(level).would_enable(target, &Level::WARN);
        assert!(!tells(LevelFilter::WARN, "sqlx::query") && !tells(LevelFilter::INFO, "sqlx::query"));
        assert!(tells(LevelFilter::DEBUG, "sqlx::query"));
        assert!(tells(LevelFilter::WARN, "sqlx::pool") && tells(LevelFilter::WARN, "landfall_stores::wire"));
    }
}
