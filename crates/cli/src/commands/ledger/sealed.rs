//! `landfall ledger snapshots`, and the first half of `ledger restore --from`: what lies sealed at a destination is
//! found and opened with nothing but the configuration and the key. The ledger that is there is not touched.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use landfall_core::engine::{Engine, SealedSnapshot, SnapshotFolder, SnapshotListing};
use landfall_core::{ByteSize, Code, ErrorKind, StoreError};
use rust_i18n::t;
use serde_json::json;

use crate::args::{LedgerRestore, LedgerSnapshots};
use crate::config::moment;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::count;
use crate::wiring::{Context, without_ledger};

/// Lists them, the newest last.
pub(super) async fn snapshots(context: &mut Context, args: &LedgerSnapshots) -> Result<Exit, CommandError> {
    let given = args.snapshot.snapshot_to.as_deref();
    let (_, folder) = without_ledger(context, &args.job, given).await?;
    let listing = folder.list().await?;
    opens(&folder, &listing)?;
    let plain = |snapshot: &SealedSnapshot| folder.seal.plain_size(snapshot.holding.evidence.size);
    let all = listing.snapshots.iter().map(|snapshot| {
        json!({
            "at": snapshot.at.to_string(),
            "name": snapshot.name,
            "object": snapshot.holding.item.as_str(),
            "bytes": snapshot.holding.evidence.size.0,
            "ledger_bytes": plain(snapshot).map(|size| size.0),
        })
    });
    context.screen.result(&json!({
        "job": args.job,
        "folder": folder.folder.as_str(),
        "snapshots": all.collect::<Vec<_>>(),
        "others": listing.others,
        "strange": listing.strange,
    }));
    for snapshot in &listing.snapshots {
        let size = plain(snapshot).unwrap_or_default();
        context.screen.line(format!("{}  {size}  {}", snapshot.at, snapshot.name));
    }
    if listing.snapshots.is_empty() {
        context.screen.line(t!("ledger.no_snapshots", folder = folder.folder.as_str(), job = args.job));
    }
    if listing.strange > 0 {
        context.screen.line(t!("ledger.strange", number = count(listing.strange)));
    }
    Ok(Exit::Complete)
}

/// A key that opens nothing of what lies there is the wrong one.
fn opens(folder: &SnapshotFolder, listing: &SnapshotListing) -> Result<(), CommandError> {
    if listing.strange == 0 || listing.others > 0 || !listing.snapshots.is_empty() {
        return Ok(());
    }
    let detail = format!("it opens none of the {} things in {:?}", listing.strange, folder.folder.as_str());
    Err(CommandError::new(Code::WrongSealKey, detail).hinted(t!("ledger.wrong_key")))
}

/// A snapshot that was brought here and opened; the file goes with it.
#[derive(Debug)]
pub(super) struct Brought {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its name after opening.
    pub(super) name: String,
}

impl Drop for Brought {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// Brings the snapshot that is meant beside the ledger.
pub(super) async fn bring(
    context: &mut Context,
    args: &LedgerRestore,
    (job, database): (&str, &Path),
) -> Result<Brought, CommandError> {
    let (engine, folder) = without_ledger(context, job, args.snapshot.snapshot_to.as_deref()).await?;
    let listing = folder.list().await?;
    opens(&folder, &listing)?;
    let newest = match args.at.as_deref() {
        None => None,
        Some(text) => Some(moment(text, machine::now()).ok_or_else(|| {
            let detail = format!("--at {text:?} is no date, RFC 3339 time or age like 30d");
            CommandError::new(Code::BadArgument, detail)
        })?),
    };
    let meant = listing.snapshots.iter().rfind(|snapshot| newest.is_none_or(|newest| snapshot.at <= newest));
    let Some(snapshot) = meant else {
        let detail = format!("no snapshot of {job} that would serve lies in {:?}", folder.folder.as_str());
        return Err(CommandError::new(Code::BadArgument, detail).hinted(t!(
            "ledger.no_snapshots",
            folder = folder.folder.as_str(),
            job = job
        )));
    };
    let name = database.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let path = database.with_file_name(format!("{name}.{}.opened", std::process::id()));
    let brought = Brought { path, name: snapshot.name.clone() };
    match open(&engine, &folder, snapshot, &brought.path).await {
        Ok(_) => Ok(brought),
        Err(error) if error.kind == ErrorKind::Corrupt => {
            let error =
                CommandError::new(Code::LedgerCorrupt, format!("{}: {}", snapshot.name, error.chain()));
            Err(error.hinted(t!("ledger.earlier", job = job)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn open(
    engine: &Engine,
    folder: &SnapshotFolder,
    snapshot: &SealedSnapshot,
    path: &Path,
) -> Result<ByteSize, StoreError> {
    let unwritable = |error: std::io::Error| {
        let subject = path.display().to_string();
        let made = StoreError::new(ErrorKind::Denied, "write", subject, "it cannot be written");
        made.with_code(Code::StateFolder).with_source(error)
    };
    let mut file = std::fs::File::create(path).map_err(unwritable)?;
    let size =
        engine.open_snapshot(folder, snapshot, |plain| file.write_all(plain).map_err(unwritable)).await?;
    file.sync_all().map_err(unwritable)?;
    Ok(size)
}
