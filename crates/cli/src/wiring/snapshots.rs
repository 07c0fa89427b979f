//! Snapshots of the ledger after each session, as the configuration says.

use landfall_ledger::backup::{Snapshots, snapshot};

use crate::config::Config;
use crate::error::CommandError;
use crate::machine;

/// The rule for a ledger that is a file; nothing where snapshots are off.
///
/// # Errors
/// Code `BadConfig` where the time between two is none.
pub(super) fn rule(config: &Config) -> Result<Option<Snapshots>, CommandError> {
    let (keep, every) = config.snapshots()?;
    let database = config.ledger_file().filter(|_| keep > 0);
    Ok(database.map(|database| Snapshots {
        database,
        folder: config.path(".landfall").join("snapshots"),
        keep,
        every,
    }))
}

/// Makes one where it is time. What was done is done: a copy that cannot be made is no failure of it.
pub(super) async fn take(rule: &Snapshots) {
    match snapshot(rule, machine::now()).await {
        Ok(Some(path)) => tracing::info!(path = %path.display(), "snapshot of the ledger made"),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = %error.chain(), "no snapshot of the ledger could be made"),
    }
}
