//! Child processes and what they used: a simulator that lives as long as its value, and a measured command.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::inspect::ask;

/// How often the peak of memory is read; the kernel keeps the high-water mark itself, so nothing is missed
/// but what came after the last look, and the program's own figure covers that.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A `landfall` command that takes nothing from our environment but what it needs to start.
fn command(landfall: &Path, folder: &Path) -> Command {
    let mut command = Command::new(landfall);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["LANDFALL_", "AZURE_", "HF_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

/// A running simulator; it ends when this is dropped.
pub(crate) struct Simulator {
    child: Child,
    inspect: String,
    /// The line with which it began.
    pub(crate) ready: Value,
}

impl Simulator {
    /// Starts one that writes its configuration into `folder`, and waits until it is ready.
    pub(crate) fn start(landfall: &Path, folder: &Path, flags: &[&str]) -> Result<Self> {
        let mut child = command(landfall, folder)
            .args(["sim", "--listen", "127.0.0.1:0", "--config", "landfall.toml"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the simulator did not start")?;
        let inspect = ready["inspect"].as_str().context("no inspection address")?.to_owned();
        Ok(Self { child, inspect, ready })
    }

    /// What it has counted since the start or the last reset.
    pub(crate) fn requests(&self) -> Result<Value> {
        ask(&self.inspect, "GET", "/requests")
    }

    /// Begins to count anew.
    pub(crate) fn reset(&self) -> Result<()> {
        ask(&self.inspect, "POST", "/requests/reset").map(drop)
    }

    /// What its comparison of a job's two sides has to say; `None` where they are equal.
    pub(crate) fn objections(&self, job: &str) -> Result<Option<String>> {
        let found = ask(&self.inspect, "GET", &format!("/compare?job={job}"))?;
        let lists =
            ["missing", "different", "extra", "doubled", "extra_versions", "leftover_sessions", "violations"];
        let said: Vec<String> = lists
            .iter()
            .filter_map(|name| {
                let list = found[*name].as_array()?;
                list.first().map(|first| format!("{name}: {} ({first})", list.len()))
            })
            .collect();
        Ok((!said.is_empty()).then(|| said.join("; ")))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do then.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What a measured command said and used.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Its final JSON object.
    pub(crate) said: Value,
    /// From start to end, in seconds.
    pub(crate) seconds: f64,
    /// User and system time, in seconds.
    pub(crate) cpu: f64,
    /// High-water mark of resident memory, in bytes.
    pub(crate) peak: u64,
}

/// Runs `landfall ARGS --json` to its end, which must be a success, and measures it.
pub(crate) fn measure(landfall: &Path, folder: &Path, args: &[&str]) -> Result<Measured> {
    measure_to(landfall, folder, args, 0)
}

/// Runs `landfall ARGS --json` to its end, which must be by that exit code, and measures it.
pub(crate) fn measure_to(landfall: &Path, folder: &Path, args: &[&str], code: i32) -> Result<Measured> {
    let begun = Instant::now();
    let mut child = command(landfall, folder)
        .args(args)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(folder.join("command.log"))?)
        .spawn()?;
    let process = format!("/proc/{}", child.id());
    let peak = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (process, peak, ended) = (process.clone(), peak.clone(), ended.clone());
        std::thread::spawn(move || {
            while !ended.load(Relaxed) {
                peak.fetch_max(high_water(&process), Relaxed);
                std::thread::sleep(LOOK_EVERY);
            }
        })
    };
    let mut out = String::new();
    child.stdout.take().context("no standard output")?.read_to_string(&mut out)?;
    // A process that has ended keeps its times until it is waited for.
    while state(&process) != Some('Z') {
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&process).context("no times in /proc")?;
    let status = child.wait()?;
    ended.store(true, Relaxed);
    if watcher.join().is_err() {
        bail!("the watcher ended early");
    }
    if status.code() != Some(code) {
        let log = std::fs::read_to_string(folder.join("command.log")).unwrap_or_default();
        bail!("landfall {} ended with {status}\n{out}\n{log}", args.join(" "));
    }
    let said: Value = serde_json::from_str(&out).context("no JSON object at the end")?;
    let own = said["peak_rss_bytes"].as_u64().unwrap_or(0);
    Ok(Measured { said, seconds, cpu, peak: peak.load(Relaxed).max(own) })
}

fn high_water(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The fields of `stat` after the program's name, which may hold anything.
fn stat(process: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn state(process: &str) -> Option<char> {
    stat(process)?.first()?.chars().next()
}

fn cpu_seconds(process: &str) -> Option<f64> {
    let fields = stat(process)?;
    // Fields 14 and 15 of proc(5), in ticks of a hundredth of a second on Linux.
    let user: u32 = fields.get(11)?.parse().ok()?;
    let system: u32 = fields.get(12)?.parse().ok()?;
    Some(f64::from(user + system) / 100.0)
}
