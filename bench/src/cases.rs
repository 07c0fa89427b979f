//! The cases of moving trees between drives, and their limits.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::figures::{at_least, count, limit, megabytes, requests, used};
use crate::plain;
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

/// Most memory that a verify or a report takes, in bytes, and the most seconds of a report.
const LASTING_MEMORY: u64 = 150_000_000;
const REPORT_SECONDS: f64 = 60.0;
/// Requests of a verify by changes.
const CHANGES: f64 = 20.0;
/// The least rate of a verify by bytes, as a share of a plain download.
const READ_RATE: f64 = 0.8;
/// Bytes a second of a line of 1 Gbit/s.
const GIGABIT: u64 = 125_000_000;

/// A finished job of many files: verify by changes and by hash, and the report.
pub(crate) fn lasting(landfall: &Path, files: u64) -> Result<bool> {
    println!("lasting: a finished job of {files} files");
    let folder = tempfile::tempdir()?;
    let number = files.to_string();
    let flags = ["--scenario", "flat", "--files", &number, "--file-size", "1000", "--landed"];
    let sim = Simulator::start(landfall, folder.path(), &flags)?;
    let run = measure(landfall, folder.path(), &["run", "flat"])?;
    expect_all(&run.said, files)?;
    println!("  the run that found everything in place");
    requests(&sim.requests()?);
    used(&run, Some(files));
    let mut kept = true;
    for (depth, most) in [("exists", CHANGES), ("hash", files as f64 / 1000.0 + CHANGES)] {
        sim.reset()?;
        let verify = measure(landfall, folder.path(), &["verify", "flat", "--depth", depth])?;
        if verify.said["checked"].as_u64() != Some(files) || verify.said["clean"].as_bool() != Some(true) {
            bail!("the verify is not clean: {}", verify.said);
        }
        println!("  verify --depth {depth}");
        let seen = sim.requests()?;
        kept &= limit("requests", count(&seen, "total") as f64, most, "");
        kept &= limit("peak memory", megabytes(verify.peak), megabytes(LASTING_MEMORY), "MB");
        used(&verify, Some(files));
    }
    let html = ["report", "flat", "--html", "report.html", "--csv", "open.csv"];
    let report = measure(landfall, folder.path(), &html)?;
    println!("  report");
    kept &= limit("seconds", report.seconds, REPORT_SECONDS, "s");
    kept &= limit("peak memory", megabytes(report.peak), megabytes(LASTING_MEMORY), "MB");
    Ok(kept)
}

/// Reading everything back, against a plain download of the same bytes from the same simulator: over a line of
/// 1 Gbit/s, and as fast as this machine hands bytes to itself, where whoever hashes them cannot keep up with
/// whoever throws them away.
pub(crate) fn reading(landfall: &Path, gib: u64) -> Result<bool> {
    let lined = read_over(landfall, gib, Some(GIGABIT))?;
    Ok(read_over(landfall, gib, None)? & lined)
}

fn read_over(landfall: &Path, gib: u64, line: Option<u64>) -> Result<bool> {
    let files = gib * 16;
    let over =
        line.map_or("no line in between".to_owned(), |rate| format!("a line of {} MB/s", rate / 1_000_000));
    println!("reading: {files} files of 64 MiB, read back, {over}");
    let folder = tempfile::tempdir()?;
    let (number, rate) = (files.to_string(), line.unwrap_or(0).to_string());
    let flags =
        ["--scenario", "flat", "--files", &number, "--file-size", "67108864", "--landed", "--line", &rate];
    let sim = Simulator::start(landfall, folder.path(), &flags)?;
    let run = measure(landfall, folder.path(), &["run", "flat"])?;
    expect_all(&run.said, files)?;
    let before = plain::download(&sim.ready)?;
    let verify = measure(landfall, folder.path(), &["verify", "flat", "--depth", "bytes"])?;
    if verify.said["read"].as_u64() != Some(files) {
        bail!("not everything was read back: {}", verify.said);
    }
    let bytes = verify.said["read_bytes"].as_u64().unwrap_or(0);
    let after = plain::download(&sim.ready)?;
    let rate = |bytes: u64, seconds: f64| bytes as f64 / 1e6 / seconds;
    let (first, second) = (rate(before.bytes, before.seconds), rate(after.bytes, after.seconds));
    println!("  {:<22} {first:.0} and {second:.0} MB/s, before and after", "plain download");
    let verified = rate(bytes, verify.seconds);
    println!("  {:<22} {verified:.0} MB/s", "verify --depth bytes");
    used(&verify, None);
    Ok(at_least("share of the download", verified / first.max(second), READ_RATE))
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
