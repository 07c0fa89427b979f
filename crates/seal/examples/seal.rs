//! By hand, and for the test against rclone: seals, opens and names with the first crypt remote of a file.
//!
//! `seal CONFIG encrypt IN OUT`, `seal CONFIG decrypt IN OUT`, `seal CONFIG name PATH`, `seal CONFIG plain-name PATH`,
//! `seal CONFIG check OBJECT`. `RCLONE_CONFIG_PASS` and the other variables count, as with rclone.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};

use landfall_seal::{
    CHECK_BYTES, Cipher, ConfigFile, Nonce, Remote, SealError, check_block, open_file, seal_file,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [config, what, rest @ ..] = words.as_slice() else { return Err("usage: see the source".into()) };
    let lookup = |name: &str| std::env::var(name).ok();
    let config = ConfigFile::read(&std::fs::read(config)?, None, lookup)?;
    let remote = Remote::load(&config, lookup, None)?;
    let line = run(&remote, what, rest)?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn run(remote: &Remote, what: &str, rest: &[&str]) -> Result<String, Box<dyn Error>> {
    let cipher = remote.cipher();
    match (what, rest) {
        ("encrypt", [input, output]) => {
            let mut nonce = [0; 24];
            File::open("/dev/urandom")?.read_exact(&mut nonce)?;
            let (mut from, mut to) = (File::open(input)?, File::create(output)?);
            let passed = seal_file(remote.for_writing()?, Nonce::from_bytes(nonce), &mut from, &mut to)?;
            Ok(data_encoding::HEXLOWER.encode(&passed.sealed.sha256))
        }
        ("decrypt", [input, output]) => {
            let passed = open_file(cipher, &mut File::open(input)?, &mut File::create(output)?)?;
            Ok(data_encoding::HEXLOWER.encode(&passed.plain.sha256))
        }
        ("name", [path]) => Ok(checked_name(cipher, path)?),
        ("plain-name", [path]) => Ok(cipher.decode_path(path)?),
        ("check", [object]) => {
            let mut first = Vec::new();
            File::open(object)?.take(u64::try_from(CHECK_BYTES)?).read_to_end(&mut first)?;
            Ok(format!("{:?}", check_block(cipher, &first)))
        }
        _ => Err("usage: see the source".into()),
    }
}

fn checked_name(cipher: &Cipher, path: &str) -> Result<String, SealError> {
    let sealed = cipher.encode_path(path)?;
    if cipher.round_trips(path) {
        return Ok(sealed);
    }
    Err(SealError::NameRefused { bytes: path.len(), why: "it would come back under another name" })
}
