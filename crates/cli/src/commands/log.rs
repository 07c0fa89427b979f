//! `landfall log export`, `import` and `rotate`: the log by hand.

use std::sync::Arc;

use landfall_core::ledger::{JobHandle, Ledger};
use landfall_core::spool::DiskSpool;
use landfall_core::{Code, RelPath, SystemClock};
use landfall_ledger::export::Noticed;
use landfall_ledger::export::csv::{Export, Rotated, Scope, export};
use landfall_ledger::export::import::{self, Import, Imported};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::args::{Log, LogExport, LogImport, LogRotate};
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, count};
use crate::wiring::{Context, make_state_folder, upload_log};

/// Notices of one kind that are shown; `--json` has the first thousand.
const SHOWN: usize = 20;

/// Carries out one of the three.
pub(crate) async fn log(context: &mut Context, command: Log) -> Result<Exit, CommandError> {
    match command {
        Log::Export(args) => write(context, &args).await,
        Log::Import(args) => read(context, &args).await,
        Log::Rotate(args) => rotate(context, &args).await,
    }
}

/// The ledger and a job that it knows; no lease.
async fn known(
    context: &mut Context,
    job: &str,
) -> Result<(Arc<Config>, Arc<dyn Ledger>, JobHandle), CommandError> {
    let config = context.load()?;
    config.job(job)?;
    let ledger = context.ledger(&config).await?;
    let Some(handle) = ledger.find_job(job).await? else {
        let detail = format!("the ledger knows nothing of {job:?} yet: run `landfall crawl {job}` first");
        return Err(CommandError::new(Code::BadArgument, detail));
    };
    Ok((config, ledger, handle))
}

async fn write(context: &mut Context, args: &LogExport) -> Result<Exit, CommandError> {
    let (config, ledger, handle) = known(context, &args.job).await?;
    let stamp = config.stamp()?;
    let scope = if args.all { Scope::All } else { Scope::Current };
    let what = Export { scope, stamp: &stamp, spreadsheet: args.spreadsheet };
    let output = match (&args.output, context.screen.is_json()) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => {
            make_state_folder(&config.state_folder(&args.job))?;
            Some(config.state_folder(&args.job).join("upload_log.export.csv"))
        }
        (None, false) => None,
    };
    let Some(path) = output else {
        export(ledger.as_ref(), &handle, &what, &mut tokio::io::stdout()).await?;
        return Ok(Exit::Complete);
    };
    let unwritable = |error: std::io::Error| {
        CommandError::new(Code::StateFolder, format!("write {}: {error}", path.display()))
    };
    let mut file = tokio::fs::File::create(&path).await.map_err(unwritable)?;
    let poured = export(ledger.as_ref(), &handle, &what, &mut file).await?;
    file.flush().await.map_err(unwritable)?;
    file.sync_all().await.map_err(unwritable)?;
    context.screen.line(t!("log.exported", rows = count(poured.rows), path = path.display()));
    context.screen.result(&json!({
        "job": args.job, "file": path.display().to_string(),
        "rows": poured.rows, "bytes": poured.bytes, "sha256": poured.digest,
    }));
    Ok(Exit::Complete)
}

async fn rotate(context: &mut Context, args: &LogRotate) -> Result<Exit, CommandError> {
    let (config, ledger, handle) = known(context, &args.job).await?;
    let log = upload_log(&config, &args.job)?;
    if args.dry_run {
        let edited = log.is_edited(ledger.as_ref(), &handle).await?;
        context.screen.line(if edited {
            t!("log.edited")
        } else {
            t!("log.would_rotate", path = log.path.display())
        });
        context.screen.result(&json!({ "job": args.job, "rotated": false, "edited": edited }));
        return Ok(Exit::Complete);
    }
    let handle = ledger.open_job(&handle.name, &handle.identity, &machine::holder(), machine::now()).await?;
    let rotated = log.rotate(ledger.as_ref(), &handle, machine::now()).await;
    ledger.close_job(&handle).await?;
    let (text, backup, exit) = match rotated? {
        Rotated::Done { backup: Some(backup) } => {
            (t!("log.rotated", path = backup.display()), Some(backup), Exit::Complete)
        }
        Rotated::Done { backup: None } | Rotated::Already => (t!("log.nothing"), None, Exit::Complete),
        Rotated::Edited => (t!("log.edited"), None, Exit::Incomplete),
    };
    context.screen.line(text);
    context.screen.result(&json!({
        "job": args.job,
        "rotated": exit == Exit::Complete,
        "backup": backup.map(|path| path.display().to_string()),
    }));
    Ok(exit)
}

async fn read(context: &mut Context, args: &LogImport) -> Result<Exit, CommandError> {
    let (config, ledger, handle) = known(context, &args.job).await?;
    let job = config.job(&args.job)?;
    let base = match &args.base {
        Some(base) => {
            RelPath::lenient(base).map_err(|error| CommandError::new(Code::BadArgument, error.to_string()))?
        }
        None => job.sources.first().map(|source| source.path.clone()).unwrap_or_default(),
    };
    let what = Import {
        files: args.files.clone(),
        temp_dir: args.temp_dir.clone(),
        base,
        zone: config.zone()?,
        dry_run: args.dry_run,
    };
    let spool = DiskSpool::open(&job.spool).await?;
    let handle = ledger.open_job(&handle.name, &handle.identity, &machine::holder(), machine::now()).await?;
    let imported = import::import(ledger.as_ref(), &handle, &spool, &SystemClock, &what).await;
    let refreshed = match &imported {
        Ok(_) if !args.dry_run => {
            upload_log(&config, &args.job)?.refresh(ledger.as_ref(), &handle).await.map(drop)
        }
        _ => Ok(()),
    };
    ledger.close_job(&handle).await?;
    let imported = imported?;
    refreshed?;
    show(context, args, &imported);
    Ok(if imported.refused.is_empty() { Exit::Complete } else { Exit::Usage })
}

fn show(context: &Context, args: &LogImport, imported: &Imported) {
    let screen = &context.screen;
    let lists = [
        ("not_adopted", &imported.not_adopted),
        ("changed", &imported.changed),
        ("overtaken", &imported.overtaken),
        ("disagreements", &imported.disagreements),
        ("resized", &imported.resized),
        ("unknown", &imported.unknown),
    ];
    for refusal in &imported.refused {
        let code = refusal.error.code.unwrap_or(Code::LogUnreadable);
        screen.show_error(&CommandError::new(code, refusal.error.chain()));
    }
    if screen.is_json() {
        let mut object = json!({
            "job": args.job,
            "dry_run": args.dry_run,
            "rows": imported.rows,
            "entries": imported.entries,
            "adopted": imported.adopted,
            "adopted_bytes": imported.adopted_bytes,
            "to_prove": imported.to_prove,
            "unchanged": imported.unchanged,
            "refused": imported.refused.iter().map(|refusal| json!({
                "file": refusal.path.display().to_string(),
                "code": refusal.error.code.unwrap_or(Code::LogUnreadable).to_string(),
                "detail": refusal.error.chain(),
            })).collect::<Vec<_>>(),
        });
        for (name, list) in lists {
            if let Some(map) = object.as_object_mut() {
                map.insert(name.to_owned(), noticed(list));
            }
        }
        screen.result(&object);
        return;
    }
    screen.line(t!(
        "log.imported",
        rows = count(imported.rows),
        adopted = count(imported.adopted),
        prove = count(imported.to_prove),
        unchanged = count(imported.unchanged)
    ));
    for (name, list) in lists.into_iter().filter(|(_, list)| list.total() > 0) {
        screen.line(format!("{}: {}", ui::word(&format!("log.{name}")), count(list.total())));
        for text in list.first().iter().take(SHOWN) {
            screen.line(format!("  {text}"));
        }
    }
}

fn noticed(list: &Noticed) -> Value {
    json!({ "total": list.total(), "first": list.first() })
}
