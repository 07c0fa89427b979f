//! Seals one file into another with the SHA-256 of both sides, syncs it, and prints what that cost.
//!
//! `speed CONFIG IN OUT`: CONFIG is an `rclone.conf` whose first crypt remote is used. Prints one JSON line with
//! CPU seconds (user and system, of this process from its start) and bytes. `bench/seal.sh` calls it.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use landfall_seal::{ConfigFile, Nonce, Remote, seal_file};

/// Parts of a second in `/proc/self/stat`: a constant of the kernel's interface (`USER_HZ`).
const TICKS: f64 = 100.0;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, input, output] = arguments.as_slice() else {
        return Err("usage: speed CONFIG IN OUT".into());
    };
    let config = ConfigFile::read(&std::fs::read(Path::new(config))?, None, |_| None)?;
    let remote = Remote::load(&config, |_| None, None)?;
    let mut nonce = [0; 24];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut nonce)?;
    let mut to = File::create(output)?;
    let passed =
        seal_file(remote.for_writing()?, Nonce::from_bytes(nonce), &mut File::open(input)?, &mut to)?;
    to.sync_all()?;
    let hex = |digest: [u8; 32]| data_encoding::HEXLOWER.encode(&digest);
    writeln!(
        std::io::stdout(),
        "{{\"cpu_seconds\":{:.2},\"plain_bytes\":{},\"sealed_bytes\":{},\"plain_sha256\":\"{}\",\"sealed_sha256\":\"{}\"}}",
        cpu_seconds()?,
        passed.plain.size,
        passed.sealed.size,
        hex(passed.plain.sha256),
        hex(passed.sealed.sha256),
    )?;
    Ok(())
}

/// User and system time of this process so far.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may hold blanks; after it come fields 3 and on.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(times.sum::<Result<f64, _>>()? / TICKS)
}
