//! What Landfall costs, measured from outside: the simulator in one process, `landfall` in another.
//!
//! `cargo run --release -p landfall-bench -- small|flat|big|archive|all`. Each case works in a folder of its own that
//! is removed afterwards. Requests and resource units are the simulator's counts, CPU and memory the kernel's (Linux).
//! Worlds of drives are served by `landfall sim`; archives, which no scenario has in these sizes, by this program.

mod archive;
mod cases;
mod figures;
mod inspect;
mod plain;
mod process;
mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "usage: landfall-bench CASE [--files N]

  small           2,000 files of 10 KiB at 20 ms latency, no quota: requests a file, and what a second run writes
  flat            a crawl of 100,000 and of 1,000,000 entries in one folder: peak memory
  big             one file of 4 GiB: peak memory
  lasting         verify and report of a finished job of 1,000,000 files: requests, seconds, peak memory
  reading         10 GiB read back by verify, against a plain download of the same bytes
  archive-verify  8,863 recorded URLs in one dataset and in three, 300 of them wrong, and 100,000: requests, seconds
  archive-backup  10,000 files that were never backed up: requests, commits
  archive-proof   a proof by hash of 8,863 older objects under the Hub's quota: requests, seconds (minutes)
  seal            CPU seconds of sealing 2 GiB, against rclone
  archive         the four above
  all             everything

--files N  another number of files (small, lasting, archive-backup, archive-proof), of entries (flat), of MiB (seal), of GiB (reading)";

const CASES: &[&str] = &[
    "small",
    "flat",
    "big",
    "lasting",
    "reading",
    "archive-verify",
    "archive-backup",
    "archive-proof",
    "seal",
    "archive",
    "all",
];

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; `false` where a limit was not kept.
fn start() -> Result<bool> {
    let mut args = std::env::args().skip(1);
    let case = args.next().context(USAGE)?;
    let mut files = None;
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--files", Some(value)) => files = Some(value.parse().context("--files takes a number")?),
            _ => bail!("{USAGE}"),
        }
    }
    if !CASES.contains(&case.as_str()) {
        bail!("{USAGE}");
    }
    let landfall = binary()?;
    let mut kept = true;
    if case == "small" || case == "all" {
        kept &= cases::small(&landfall, files.unwrap_or(2000))?;
    }
    if case == "flat" || case == "all" {
        let sizes = files.map_or(vec![100_000, 1_000_000], |n| vec![n]);
        for entries in sizes {
            kept &= cases::flat(&landfall, entries)?;
        }
    }
    if case == "big" || case == "all" {
        kept &= cases::big(&landfall)?;
    }
    if case == "lasting" || case == "all" {
        kept &= cases::lasting(&landfall, files.unwrap_or(1_000_000))?;
    }
    if case == "reading" || case == "all" {
        kept &= cases::reading(&landfall, files.unwrap_or(10))?;
    }
    Ok(kept & archive::cases(&case, &landfall, files)?)
}

/// The `landfall` beside this program, built first where cargo started us.
fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let landfall = own.with_file_name(format!("landfall{}", std::env::consts::EXE_SUFFIX));
    if let Some(cargo) = std::env::var_os("CARGO") {
        let release = own.parent().is_some_and(|folder| folder.ends_with("release"));
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "landfall"]);
        if release {
            build.arg("--release");
        } else {
            eprintln!("a debug build: the figures of CPU and time mean nothing; use cargo run --release");
        }
        if !build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).status()?.success() {
            bail!("landfall could not be built");
        }
    }
    if !landfall.is_file() {
        bail!("{} is not there; build it with: cargo build --release -p landfall", landfall.display());
    }
    Ok(landfall)
}
