//! The machine: its clock, its runtime, what the process uses, what room a disk has.
//!
//! Everything that differs between Linux, macOS and Windows beside signals stands here.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use landfall_core::{Chance, Clock as _, Code, SystemClock};

use crate::error::CommandError;

/// The present moment.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// The runtime that everything runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::new(Code::Internal, format!("start the runtime: {error}")))
}

/// Chance that differs from process to process: jitter and request ids need no more.
pub(crate) fn chance() -> Chance {
    let nanos = now().as_nanosecond().cast_unsigned();
    let folded = u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or_default();
    Chance::seeded(folded ^ (u64::from(std::process::id()) << 32))
}

/// Who holds a lease, for the one who finds it taken.
pub(crate) fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let pid = std::process::id();
    host.map_or_else(|| format!("process {pid}"), |host| format!("process {pid} on {host}"))
}

/// The most memory that this process has held, in bytes; `None` where the machine does not tell.
pub(crate) fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Bytes free for us on the disk under a folder; `None` where the machine does not tell.
///
/// The folder need not be there yet: then the nearest one above it counts.
#[cfg(unix)]
pub(crate) fn free_space(folder: &Path) -> Option<u64> {
    let there = std::path::absolute(folder).ok()?;
    let there = there.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// As on Unix; elsewhere nothing is known.
#[cfg(not(unix))]
pub(crate) fn free_space(_folder: &Path) -> Option<u64> {
    None
}

/// Prepares a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // A file that was there keeps its own mode otherwise.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes a file that only its owner may read, where there is none of that name yet.
pub(crate) fn make_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// This very program, for a child that does a part of the work.
pub(crate) fn this_program() -> std::io::Result<Command> {
    std::env::current_exe().map(Command::new)
}
