//! `landfall ledger`: copies of the ledger, and the way back. It is the one thing that cannot be listed anew.

mod adopt;
mod sealed;

use std::path::{Path, PathBuf};

use landfall_core::{ByteSize, Code, StoreError};
use landfall_ledger::backup;
use rust_i18n::t;
use serde_json::json;

use crate::args::{LedgerBackup, LedgerCommand, LedgerRestore};
use crate::commands::whole::may_replace;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::count;
use crate::wiring::Context;

/// Carries out one of them.
pub(crate) async fn ledger(context: &mut Context, command: LedgerCommand) -> Result<Exit, CommandError> {
    match command {
        LedgerCommand::Backup(args) => backup(context, &args).await,
        LedgerCommand::Restore(args) => restore(context, &args).await,
        LedgerCommand::Snapshots(args) => sealed::snapshots(context, &args).await,
        LedgerCommand::Adopt(args) => adopt::adopt(context, &args.job).await,
    }
}

async fn backup(context: &mut Context, args: &LedgerBackup) -> Result<Exit, CommandError> {
    let (job, file) = match (args.all, args.names.as_slice()) {
        (true, [file]) => (None, PathBuf::from(file)),
        (false, [job, file]) => (Some(job.as_str()), PathBuf::from(file)),
        _ => {
            let detail = "say `ledger backup JOB FILE` or `ledger backup --all FILE`";
            return Err(CommandError::new(Code::BadArgument, detail));
        }
    };
    let config = context.load()?;
    if let Some(job) = job {
        config.job(job)?;
    }
    // The ledger is not opened as for work: a copy before an upgrade must not be what upgrades it.
    let database = database(&config, |url| {
        format!("pg_dump --format=custom --file={:?} {url}", file.display().to_string())
    })?;
    refuse_itself(&database, &file)?;
    may_replace(&file, b"SQLite format 3\0")?;
    let made = backup::backup(&database, &file).await?;
    let jobs: Vec<&str> = made.contents.jobs.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(job) = job.filter(|job| !jobs.contains(job)) {
        // The copy is whole, and still not what was asked for.
        let _gone = std::fs::remove_file(&file);
        let detail = format!("the ledger knows nothing of {job:?} yet");
        return Err(CommandError::new(Code::Incomplete, detail).titled("status.not_run"));
    }
    context.screen.result(&json!({
        "ledger": database.display().to_string(),
        "backup": file.display().to_string(),
        "bytes": made.bytes,
        "jobs": jobs,
    }));
    context.screen.line(t!(
        "ledger.backup",
        path = file.display(),
        bytes = ByteSize(made.bytes),
        jobs = count(jobs.len() as u64),
        names = jobs.join(", ")
    ));
    context.screen.line(t!("ledger.key", path = format!("{}.key", database.display())));
    Ok(Exit::Complete)
}

async fn restore(context: &mut Context, args: &LedgerRestore) -> Result<Exit, CommandError> {
    let config = context.load()?;
    let file = args.file.clone().unwrap_or_else(|| PathBuf::from("FILE"));
    let database = database(&config, |url| {
        format!("pg_restore --clean --if-exists --dbname={url} {:?}", file.display().to_string())
    })?;
    // A copy at the destination is brought beside the ledger first; from there on both are the same.
    let brought = match &args.from {
        Some(job) => Some(sealed::bring(context, args, (job, &database)).await?),
        None => None,
    };
    let (file, name) = match &brought {
        Some(brought) => (brought.path.clone(), brought.name.clone()),
        None => (file.clone(), file.display().to_string()),
    };
    refuse_itself(&database, &file)?;
    let done = match backup::restore(&file, &database, args.force, machine::now()).await {
        Ok(done) => done,
        Err(error) => return Err(refused(error, args)),
    };
    let kept = done.kept.as_ref().map(|path| path.display().to_string());
    context.screen.result(&json!({
        "ledger": database.display().to_string(),
        "from": name,
        "jobs": done.contents.jobs.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "kept": kept,
        "set_back": done.lost,
    }));
    context.screen.line(t!(
        "ledger.restored",
        path = database.display(),
        file = name,
        jobs = count(done.contents.jobs.len() as u64)
    ));
    if let Some(kept) = kept {
        context.screen.line(t!("ledger.kept", path = kept));
    }
    context.screen.line(t!("ledger.after"));
    Ok(Exit::Complete)
}

/// A refusal to restore; of a damaged copy from a destination, that an earlier one may serve.
fn refused(error: StoreError, args: &LedgerRestore) -> CommandError {
    match (&args.from, error.code) {
        (Some(job), Some(Code::LedgerCorrupt)) => {
            CommandError::from(error).hinted(t!("ledger.earlier", job = job))
        }
        _ => error.into(),
    }
}

/// The ledger's file. One on a server has its own tools, and the command for them is said.
fn database(config: &Config, command: impl Fn(&str) -> String) -> Result<PathBuf, CommandError> {
    config.ledger_file().ok_or_else(|| {
        if config.ledger.url.starts_with("postgres") {
            // The address may hold a password: it stays where it is.
            let detail = "the ledger is on a PostgreSQL server, which has tools of its own; no half-made copy is written";
            return CommandError::new(Code::BadArgument, detail)
                .hinted(t!("ledger.postgres", command = command("\"$LEDGER_URL\"")));
        }
        CommandError::new(Code::BadArgument, "the ledger is in memory only; there is nothing to copy")
    })
}

fn refuse_itself(database: &Path, file: &Path) -> Result<(), CommandError> {
    let same = match (database.canonicalize(), file.canonicalize()) {
        (Ok(database), Ok(file)) => database == file,
        _ => database == file,
    };
    if same {
        let detail = format!("{} is the ledger itself", file.display());
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    Ok(())
}
