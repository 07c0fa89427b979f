//! `landfall seal`: one file or one name by hand, in rclone's format.
//!
//! Writes next to nothing that is there, and leaves nothing behind where it fails. Names no job and needs
//! no configuration but `rclone.conf`.

use std::fs::File;
use std::path::{Path, PathBuf};

use landfall_core::Code;
use landfall_core::seal::Seal as _;
use landfall_seal::{Content, Nonce, Passed, Remote, SealError, open_file, seal_file};
use landfall_stores::seal::CryptSeal;
use serde_json::{Value, json};

use crate::args::{Seal, SealFile, SealKey, SealName};
use crate::error::{CommandError, Exit};
use crate::wiring::{Context, seal_error, seal_remote};

/// Carries out one of the three.
pub(crate) async fn seal(context: &Context, command: Seal) -> Result<Exit, CommandError> {
    let worker = context.clone();
    // Deriving a key and passing a file are work for a thread that may block.
    let work = tokio::task::spawn_blocking(move || match command {
        Seal::Encrypt(args) => encrypt(&worker, &args),
        Seal::Decrypt(args) => decrypt(&worker, &args),
        Seal::Name(args) => name(&worker, &args),
    });
    work.await.map_err(|error| CommandError::new(Code::Internal, error.to_string()))?
}

fn remote(context: &Context, key: &SealKey) -> Result<(PathBuf, Remote), CommandError> {
    // Here --config names rclone.conf; the variable names landfall.toml in every command.
    let variable = context.environment.get("LANDFALL_CONFIG").map(Path::new);
    let given = context.global.config.as_deref().filter(|path| Some(*path) != variable);
    seal_remote(given, key.remote.as_deref(), &context.environment)
}

fn encrypt(context: &Context, args: &SealFile) -> Result<Exit, CommandError> {
    let (path, remote) = remote(context, &args.key)?;
    let cipher = remote.for_writing().map_err(|error| seal_error(&error, &path))?;
    let nonce = CryptSeal::new(cipher.clone()).nonce();
    let passed = through(args, |from, to| seal_file(cipher, Nonce::from_bytes(nonce.0), from, to))?;
    told(context, args, &passed);
    Ok(Exit::Complete)
}

fn decrypt(context: &Context, args: &SealFile) -> Result<Exit, CommandError> {
    let (_, remote) = remote(context, &args.key)?;
    let passed = through(args, |from, to| open_file(remote.cipher(), from, to))?;
    told(context, args, &passed);
    Ok(Exit::Complete)
}

fn name(context: &Context, args: &SealName) -> Result<Exit, CommandError> {
    let (_, remote) = remote(context, &args.key)?;
    let cipher = remote.cipher();
    let segment = &args.segment;
    let named = if args.decode { cipher.decode_segment(segment) } else { cipher.encode_segment(segment) };
    let named = named.map_err(|error| CommandError::new(Code::BadArgument, error.to_string()))?;
    if !args.decode && !cipher.round_trips(segment) {
        let detail = format!("{segment:?} would come back under another name");
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    context.screen.line(&named);
    context.screen.result(&json!({ "name": named }));
    Ok(Exit::Complete)
}

/// Passes one file through; what was written is taken away again where it fails.
fn through(
    args: &SealFile,
    work: impl FnOnce(&mut File, &mut File) -> Result<Passed, SealError>,
) -> Result<Passed, CommandError> {
    let refuse = |path: &Path, error: &std::io::Error| {
        CommandError::new(Code::BadArgument, format!("{}: {error}", path.display()))
    };
    let mut from = File::open(&args.input).map_err(|error| refuse(&args.input, &error))?;
    let mut to = File::create_new(&args.output).map_err(|error| refuse(&args.output, &error))?;
    let passed = work(&mut from, &mut to)
        .map_err(|error| seal_error(&error, &args.input))
        .and_then(|passed| to.sync_all().map(|()| passed).map_err(|error| refuse(&args.output, &error)));
    if passed.is_err() {
        drop(to);
        let _left = std::fs::remove_file(&args.output);
    }
    passed
}

fn told(context: &Context, args: &SealFile, passed: &Passed) {
    let screen = &context.screen;
    screen.line(format!("{}  plain   {} bytes", hex(&passed.plain), passed.plain.size));
    screen.line(format!("{}  sealed  {} bytes", hex(&passed.sealed), passed.sealed.size));
    screen.result(&json!({
        "input": args.input.display().to_string(),
        "output": args.output.display().to_string(),
        "plain": side(&passed.plain),
        "sealed": side(&passed.sealed),
    }));
}

fn side(content: &Content) -> Value {
    json!({ "bytes": content.size, "sha256": hex(content) })
}

fn hex(content: &Content) -> String {
    content.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}
