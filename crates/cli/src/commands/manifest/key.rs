//! `landfall manifest key`, and opening keys again: minisign's form, so that nobody needs us to check.

use std::path::{Path, PathBuf};

use landfall_core::Code;
use landfall_evidence::minisign::{Cost, KeyId, MinisignError, PublicKey, SecretKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use rust_i18n::t;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::ManifestKey;
use crate::environment::Environment;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::wiring::Context;

/// Where the password of a secret key comes from: the only place.
pub(super) const PASSWORD: &str = "LANDFALL_KEY_PASSWORD";

/// Makes a pair of keys. Neither file is ever written over.
pub(super) fn key(context: &Context, args: &ManifestKey) -> Result<Exit, CommandError> {
    let public = public_path(&args.file);
    for path in [&args.file, &public] {
        if path.exists() {
            let detail = format!("{} is there already; keys are never written over", path.display());
            return Err(CommandError::new(Code::BadArgument, detail));
        }
    }
    let seed = Zeroizing::new(random::<32>()?);
    let secret = SecretKey::from_seed(KeyId(random()?), &seed);
    let password = password(&context.environment);
    let text = match &password {
        Some(password) => secret
            .to_text_under(password, &random()?, Cost::INTERACTIVE)
            .map_err(|error| refused(&args.file, &error))?,
        None => secret.to_text(),
    };
    let unwritable = |path: &Path, error: std::io::Error| {
        CommandError::new(Code::BadArgument, format!("write {}: {error}", path.display()))
    };
    machine::make_private(&args.file, text.expose_secret()).map_err(|error| unwritable(&args.file, error))?;
    std::fs::write(&public, secret.public().to_text()).map_err(|error| unwritable(&public, error))?;
    context.screen.result(&json!({
        "secret": args.file.display().to_string(),
        "public": public.display().to_string(),
        "line": secret.public().line(),
        "key_id": secret.public().id().to_string(),
        "password": password.is_some(),
    }));
    context.screen.line(t!("manifest.key.made", secret = args.file.display(), public = public.display()));
    context.screen.line(secret.public().line());
    context.screen.line(match password {
        Some(_) => t!("manifest.key.under", variable = PASSWORD),
        None => t!("manifest.key.plain", variable = PASSWORD),
    });
    context.screen.line(t!("manifest.key.keep"));
    Ok(Exit::Complete)
}

/// Opens a secret key; its password is in the environment, where it has one.
pub(super) fn secret(path: &Path, environment: &Environment) -> Result<SecretKey, CommandError> {
    let text = read(path)?;
    SecretKey::parse(text.expose_secret(), password(environment).as_ref())
        .map_err(|error| refused(path, &error))
}

/// The public key that a person trusts: a file, or the line itself.
pub(super) fn public(given: &str) -> Result<PublicKey, CommandError> {
    let path = Path::new(given);
    let text = if path.is_file() { read(path)? } else { SecretString::from(given) };
    PublicKey::parse(text.expose_secret()).map_err(|error| {
        CommandError::new(
            Code::BadArgument,
            format!("{given:?} is neither a file nor the line of a public key: {error}"),
        )
    })
}

fn read(path: &Path) -> Result<SecretString, CommandError> {
    std::fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|error| CommandError::new(Code::BadArgument, format!("read {}: {error}", path.display())))
}

fn password(environment: &Environment) -> Option<SecretString> {
    environment.get(PASSWORD).map(SecretString::from)
}

fn public_path(secret: &Path) -> PathBuf {
    let mut path = secret.as_os_str().to_owned();
    path.push(".pub");
    PathBuf::from(path)
}

fn refused(path: &Path, error: &MinisignError) -> CommandError {
    let detail = format!("{}: {error}", path.display());
    let refused = CommandError::new(Code::BadArgument, detail);
    match error {
        MinisignError::PasswordMissing | MinisignError::PasswordWrong => {
            refused.hinted(t!("manifest.key.password", variable = PASSWORD))
        }
        _ => refused,
    }
}

/// Chance from the operating system: keys, salts and nonces stand on it.
pub(super) fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| CommandError::new(Code::Internal, "the operating system gives no random bytes"))?;
    Ok(bytes)
}
