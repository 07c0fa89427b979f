//! The cases of the media archive: looking at what is recorded, backing up, proving, sealing.
//!
//! The program runs as a user runs it; the Hub is served by this process and counts. Figures stand beside their
//! aims in a table at the end.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use landfall_sim::HubRequests;
use serde_json::Value;

use crate::figures::{count, megabytes, used};
use crate::process::{measure, measure_to};
use crate::world::{Stage, World};

/// Recorded URLs of the archive that the issue names.
const RECORDED: u64 = 8863;
/// Requests for looking at these in one dataset, and how many more each dataset may cost.
const LOOKS: u64 = 20;
const LOOKS_A_REPO: u64 = 2;
/// Objects that lie elsewhere than recorded, and how many requests finding all of them may cost.
const MISPLACED: u64 = 300;
const SEARCHES: u64 = 4;
/// Seconds for that, at 20 ms.
const SECONDS: f64 = 5.0;
/// As many as one dataset may hold, and the requests for looking at them.
const MANY: u64 = 100_000;
const LOOKS_AT_MANY: u64 = 120;
/// Files that were never backed up, the most api requests for them, and the fewest commits: the official client's
/// scale begins at 250 files a commit and ends at 1,000.
const BACKLOG: u64 = 10_000;
const REQUESTS: u64 = 250;
const SCALE: [u64; 4] = [250, 400, 600, 1000];
/// Objects that the key is tried on, once a job, before anything is believed.
const TRIED: u64 = 3;
/// Bytes of a small file.
const SMALL: usize = 10 << 10;
/// Mebibytes of the file that is sealed, and our part of rclone's CPU seconds.
const SEALED: u64 = 2048;
const RATIO: f64 = 0.5;
/// What a command with findings ends with.
const FINDINGS: i32 = 6;

/// Figures for the table.
#[derive(Default)]
struct Sheet {
    rows: Vec<[String; 4]>,
    missed: bool,
}

impl Sheet {
    /// A figure without an aim.
    fn note(&mut self, case: &str, name: &str, value: f64) {
        self.rows.push([case.to_owned(), name.to_owned(), format!("{value:.2}"), "-".to_owned()]);
    }

    fn figure(&mut self, case: &str, name: &str, value: f64, most: f64) {
        let kept = value <= most;
        self.missed |= !kept;
        let shown = if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") };
        println!("  {name:<22} {shown} (at most {most}: {})", if kept { "kept" } else { "NOT KEPT" });
        let name = format!("{name}{}", if kept { "" } else { " **missed**" });
        self.rows.push([case.to_owned(), name, shown, format!("{most}")]);
    }

    fn print(&self) {
        println!("\n| case | figure | measured | at most |\n| --- | --- | --- | --- |");
        for [case, figure, value, most] in &self.rows {
            println!("| {case} | {figure} | {value} | {most} |");
        }
    }
}

/// Runs the cases of the archive that a word means; `false` where an aim was missed.
pub(crate) fn cases(word: &str, landfall: &Path, files: Option<u64>) -> Result<bool> {
    let meant = |case: &str| word == case || word == "archive" || word == "all";
    let own = |usual: u64| files.filter(|_| word != "all" && word != "archive").unwrap_or(usual);
    let mut sheet = Sheet::default();
    if meant("archive-verify") {
        verifies(&mut sheet, landfall)?;
    }
    if meant("archive-backup") {
        backup(&mut sheet, landfall, own(BACKLOG))?;
    }
    if meant("archive-proof") {
        proof(&mut sheet, landfall, own(RECORDED))?;
    }
    if meant("seal") {
        seal(&mut sheet, own(SEALED))?;
    }
    if !sheet.rows.is_empty() {
        sheet.print();
    }
    Ok(!sheet.missed)
}

fn verifies(sheet: &mut Sheet, landfall: &Path) -> Result<()> {
    // Twice as many posts that were never backed up and as many without media stand between them in the table.
    let usual = World { recorded: RECORDED, backlog: 2 * RECORDED, texts: RECORDED, ..World::default() };
    verify(sheet, landfall, "verify, one dataset", &usual, LOOKS)?;
    let three = World { repos: 3, ..usual.clone() };
    verify(sheet, landfall, "verify, three datasets", &three, LOOKS + 3 * LOOKS_A_REPO)?;
    let wrong = World { misplaced: MISPLACED, ..usual };
    verify(sheet, landfall, "verify, 300 wrong paths", &wrong, LOOKS + SEARCHES)?;
    let many = World { recorded: MANY, texts: MANY / 10, ..World::default() };
    verify(sheet, landfall, "verify, 100,000", &many, LOOKS_AT_MANY)
}

fn verify(sheet: &mut Sheet, landfall: &Path, case: &str, world: &World, most: u64) -> Result<()> {
    println!("{case}: {} recorded URLs, {:?} latency", world.recorded, world.latency);
    let stage = world.stage()?;
    let code = if world.misplaced > 0 { FINDINGS } else { 0 };
    let first = measure_to(landfall, stage.folder.path(), &["verify", "tweets"], code)?;
    looked(&first.said, world)?;
    sheet.figure(case, "requests", asked(&stage)? as f64, most as f64);
    if world.recorded == RECORDED {
        sheet.figure(case, "seconds", first.seconds, SECONDS);
    } else {
        sheet.note(case, "seconds", first.seconds);
    }
    sheet.note(case, "peak memory, MB", megabytes(first.peak));
    used(&first, Some(world.recorded));
    stage.hub.reset_requests();
    let second = measure_to(landfall, stage.folder.path(), &["verify", "tweets"], code)?;
    looked(&second.said, world)?;
    println!("  again, with what the ledger knows now");
    sheet.figure(&format!("{case}, again"), "requests", asked(&stage)? as f64, most as f64);
    used(&second, Some(world.recorded));
    Ok(())
}

/// Everything was looked at, and what lies elsewhere was found there.
fn looked(said: &Value, world: &World) -> Result<()> {
    let found = count(&said["findings"], "wrong-path") + count(&said["findings"], "unsealed-path");
    if count(said, "checked") != world.recorded
        || count(said, "unknown") != 0
        || count(said, "absent") != world.misplaced
        || count(said, "wrong_paths") != world.misplaced
        || found != world.misplaced
    {
        bail!("not what was drawn ({world:?}): {said}");
    }
    Ok(())
}

fn backup(sheet: &mut Sheet, landfall: &Path, files: u64) -> Result<()> {
    let case = "backup";
    println!("{case}: {files} files of {SMALL} bytes in the local folders, 20 ms latency");
    let world = World { backlog: files, local: true, size: SMALL, ..World::default() };
    let stage = world.stage()?;
    let plan = measure(landfall, stage.folder.path(), &["plan", "tweets"])?.said["archive"].take();
    println!("  {:<22} {} commits, {} api requests", "plan", plan["commits"], plan["api_requests"]);
    let run = measure(landfall, stage.folder.path(), &["run", "tweets"])?;
    expect_all(&run.said, files)?;
    let seen = asked_by_route(&stage)?;
    sheet.figure(case, "api requests", seen.api as f64, (REQUESTS * files).div_ceil(BACKLOG) as f64);
    let sizes: Vec<String> =
        stage.hub.commits("me/EventMonitor").iter().map(|commit| commit.operations.to_string()).collect();
    println!("  {:<22} {}", "changes a commit", sizes.join(" "));
    sheet.figure(case, "commits", seen.commits as f64, fewest_commits(files) as f64);
    sheet.note(case, "seconds", run.seconds);
    sheet.note(case, "CPU seconds", run.cpu);
    sheet.note(case, "peak memory, MB", megabytes(run.peak));
    used(&run, Some(files));
    let there = stage.hub.files("me/EventMonitor");
    let plain = there.iter().filter(|file| file.path.ends_with(".jpg")).count();
    let sealed = there.iter().filter(|file| file.path.starts_with("encrypted_images/")).count() as u64;
    if plain > 0 || sealed != files {
        bail!("{sealed} sealed and {plain} plain files lie on the Hub");
    }
    stage.hub.reset_requests();
    let second = measure(landfall, stage.folder.path(), &["run", "tweets"])?;
    expect_all(&second.said, files)?;
    println!("  second run");
    let seen = asked_by_route(&stage)?;
    sheet.figure(&format!("{case}, again"), "commits", seen.commits as f64, 0.0);
    used(&second, None);
    Ok(())
}

/// What the scale of the official client makes of so many files, each commit being full and fast.
fn fewest_commits(files: u64) -> u64 {
    let mut left = files;
    let mut full = 0;
    while left > 0 {
        let most = SCALE[full.min(SCALE.len() - 1)];
        left = left.saturating_sub(most);
        full += 1;
    }
    full as u64
}

fn proof(sheet: &mut Sheet, landfall: &Path, objects: u64) -> Result<()> {
    let case = "proof";
    println!("{case}: {objects} objects of {SMALL} bytes without a record, 20 ms latency");
    let world = World { recorded: objects, local: true, size: SMALL, ..World::default() };
    let stage = world.stage()?;
    let plan = measure(landfall, stage.folder.path(), &["plan", "tweets"])?.said;
    let hours = plan["archive"]["proof_hours"].as_f64().unwrap_or_default();
    println!("  {:<22} {} reads, {:.0} s", "plan", plan["archive"]["proof_requests"], hours * 3600.0);
    stage.hub.reset_requests();
    let deep = measure(landfall, stage.folder.path(), &["verify", "tweets", "--depth", "hash"])?;
    looked(&deep.said, &world)?;
    if count(&deep.said, "never_proven") != 0 {
        bail!("not everything was proven: {}", deep.said);
    }
    let seen = asked_by_route(&stage)?;
    sheet.figure(
        case,
        "reads",
        seen.resolvers as f64,
        (count(&plan["archive"], "proof_requests") + TRIED) as f64,
    );
    sheet.figure(case, "api requests", seen.api as f64, looks(objects) as f64);
    sheet.figure(
        case,
        "bytes read",
        seen.bytes_out as f64,
        (32 * objects + TRIED * (SMALL as u64 + 64)) as f64,
    );
    // A minute is for looking and sealing.
    sheet.figure(case, "seconds", deep.seconds, hours * 3600.0 + 60.0);
    sheet.note(case, "seconds by plan", hours * 3600.0);
    sheet.note(case, "CPU seconds", deep.cpu);
    sheet.note(case, "peak memory, MB", megabytes(deep.peak));
    used(&deep, Some(objects));
    stage.hub.reset_requests();
    let again = measure(landfall, stage.folder.path(), &["verify", "tweets", "--depth", "hash"])?;
    println!("  again, with what the ledger knows now");
    let seen = asked_by_route(&stage)?;
    sheet.figure(&format!("{case}, again"), "reads", seen.resolvers as f64, 0.0);
    used(&again, None);
    let plan = measure(landfall, stage.folder.path(), &["plan", "tweets"])?.said;
    sheet.figure(
        &format!("{case}, again"),
        "reads by plan",
        count(&plan["archive"], "proof_requests") as f64,
        0.0,
    );
    Ok(())
}

/// Requests that looking at so many recorded URLs may cost.
fn looks(urls: u64) -> u64 {
    LOOKS.max(urls.div_ceil(500) + 2)
}

fn seal(sheet: &mut Sheet, mebibytes: u64) -> Result<()> {
    println!("seal: one file of {mebibytes} MiB, against rclone");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("seal.sh");
    let output = Command::new("bash").arg(script).arg(mebibytes.to_string()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!(
            "bench/seal.sh ended with {}\n{said}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for line in said.lines() {
        println!("  {line}");
    }
    let ratio = said.lines().find(|line| line.starts_with("rclone copy to crypt  "));
    let ratio = ratio.and_then(|line| line.rsplit_once("ratio ")).context("bench/seal.sh gave no ratio")?;
    sheet.figure("seal", "part of rclone's CPU", ratio.1.trim().parse()?, RATIO);
    Ok(())
}

fn expect_all(said: &Value, files: u64) -> Result<()> {
    if count(&said["states"], "SUCCESS") != files || said["complete"].as_bool() != Some(true) {
        bail!("not everything made landfall: {said}");
    }
    Ok(())
}

/// Requests to the Hub, whatever their class.
fn asked(stage: &Stage) -> Result<u64> {
    let seen = asked_by_route(stage)?;
    Ok(seen.api + seen.resolvers + seen.pages)
}

/// Prints what was asked of the Hub; an error where something was that should not have been.
fn asked_by_route(stage: &Stage) -> Result<HubRequests> {
    let seen = stage.hub.requests();
    println!("  {:<22} {} api, {} resolvers, {} storage", "requests", seen.api, seen.resolvers, seen.storage);
    for (route, number) in &seen.by_route {
        println!("    {route:<28} {number}");
    }
    println!("  {:<22} {} ({} throttled)", "commits", seen.commits, seen.throttled);
    match seen.violations.first() {
        Some(first) => bail!("{} violations, the first: {first}", seen.violations.len()),
        None => Ok(seen),
    }
}
