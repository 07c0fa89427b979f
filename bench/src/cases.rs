//! The cases of moving trees between drives, and their limits.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::figures::{count, limit, megabytes, requests, used};
use crate::process::{Simulator, measure};

/// Most requests a small file may cost.
const REQUESTS_A_FILE: f64 = 3.1;
/// Peak memory of a crawl of one flat folder, whatever its size, in bytes.
const CRAWL_MEMORY: u64 = 100_000_000;
/// Peak memory of moving one file of any size, in bytes.
const BIG_MEMORY: u64 = 150_000_000;

/// Many small files, then the same run again.
pub(crate) fn small(landfall: &Path, files: u64) -> Result<bool> {
    println!("small: {files} files of 10 KiB, 20 ms latency, no quota");
    let folder = tempfile::tempdir()?;
    let number = files.to_string();
    let flags = [
        "--scenario",
        "voices",
        "--files",
        &number,
        "--file-size",
        "10240",
        "--latency",
        "20ms",
        "--quota",
        "none",
    ];
    let sim = Simulator::start(landfall, folder.path(), &flags)?;
    let first = measure(landfall, folder.path(), &["run", "voices"])?;
    let seen = sim.requests()?;
    expect_all(&first.said, files)?;
    let a_file = count(&seen, "total") as f64 / files as f64;
    let mut kept = limit("requests a file", a_file, REQUESTS_A_FILE, "");
    requests(&seen);
    let looks = seen["by_route"]["GET item"].as_u64().unwrap_or(0);
    println!("  {:<22} {looks} (the job's own folders, at its start)", "looks at one item");
    used(&first, Some(files));

    sim.reset()?;
    let second = measure(landfall, folder.path(), &["run", "voices"])?;
    let seen = sim.requests()?;
    expect_all(&second.said, files)?;
    println!("  second run");
    kept &= limit("writes", count(&seen, "writes") as f64, 0.0, "");
    requests(&seen);
    used(&second, None);
    Ok(kept & nothing_wrong(&sim, "voices")?)
}

/// The crawl of one folder with many entries.
pub(crate) fn flat(landfall: &Path, entries: u64) -> Result<bool> {
    println!("flat: a crawl of {entries} entries in one folder");
    let folder = tempfile::tempdir()?;
    let number = entries.to_string();
    let sim = Simulator::start(landfall, folder.path(), &["--scenario", "flat", "--files", &number])?;
    let crawl = measure(landfall, folder.path(), &["crawl", "flat"])?;
    let kept = limit("peak memory", megabytes(crawl.peak), megabytes(CRAWL_MEMORY), "MB");
    requests(&sim.requests()?);
    used(&crawl, Some(entries));
    let database = folder.path().join("landfall.db");
    if let Ok(there) = std::fs::metadata(database) {
        println!("  {:<22} {:.0} bytes an entry", "ledger", there.len() as f64 / entries as f64);
    }
    Ok(kept)
}

/// One very large file.
pub(crate) fn big(landfall: &Path) -> Result<bool> {
    println!("big: one file of 4 GiB");
    let folder = tempfile::tempdir()?;
    let sim = Simulator::start(landfall, folder.path(), &["--scenario", "big"])?;
    let run = measure(landfall, folder.path(), &["run", "big"])?;
    let bytes = run.said["bytes"].as_u64().unwrap_or(0);
    if bytes < 4 << 30 {
        bail!("only {bytes} bytes were moved: {}", run.said);
    }
    let kept = limit("peak memory", megabytes(run.peak), megabytes(BIG_MEMORY), "MB");
    requests(&sim.requests()?);
    used(&run, None);
    println!("  {:<22} {:.0} MB/s", "rate", bytes as f64 / 1e6 / run.seconds);
    Ok(kept & nothing_wrong(&sim, "big")?)
}

fn expect_all(said: &Value, files: u64) -> Result<()> {
    if said["states"]["SUCCESS"].as_u64() != Some(files) || said["complete"].as_bool() != Some(true) {
        bail!("not everything made landfall: {said}");
    }
    Ok(())
}

fn nothing_wrong(sim: &Simulator, job: &str) -> Result<bool> {
    let objections = sim.objections(job)?;
    let words = objections.as_deref().unwrap_or("nothing missing, different, extra, doubled or left over");
    println!("  {:<22} {words}", "compare");
    Ok(objections.is_none())
}
