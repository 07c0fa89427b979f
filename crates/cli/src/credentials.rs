//! Where secrets come from: the environment, a `.env`, a file, or a command; never the configuration.
//!
//! A secret is wrapped at once and never printed. An error names the variable, never its value.

use landfall_core::Code;
use landfall_stores::wire::{Cloud, Credential, Endpoints};
use secrecy::SecretString;

use crate::config::{Config, CredentialPart};
use crate::environment::Environment;
use crate::error::CommandError;

/// Who we are in which tenant.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The tenant.
    pub(crate) tenant: String,
    /// The application.
    pub(crate) client: String,
    /// Its proof.
    pub(crate) credential: Credential,
    /// Where the service is.
    pub(crate) endpoints: Endpoints,
}

/// Puts an identity together. `name` is a `[credentials]` table, or none for the usual variables.
///
/// # Errors
/// Code `MissingVariable`, `BadCertificate`, `BadConfig` or `InsecureEndpoint`.
pub(crate) fn identity(
    name: Option<&str>,
    config: &Config,
    environment: &Environment,
) -> Result<Identity, CommandError> {
    let part = name.and_then(|name| config.credentials.get(name)).cloned().unwrap_or_default();
    let cloud = match &part.cloud {
        None => Cloud::Global,
        Some(word) => Cloud::parse(word.get_ref())
            .ok_or_else(|| config.mistake(word.span(), "known clouds are global, us, dod, china"))?,
    };
    let endpoints = Endpoints::replaced(
        cloud,
        environment.get("LANDFALL_LOGIN_URL"),
        environment.get("LANDFALL_GRAPH_URL"),
    )?;
    let variable = |own: &Option<String>, usual: &str| required(own.as_deref().unwrap_or(usual), environment);
    Ok(Identity {
        tenant: variable(&part.tenant_env, "AZURE_TENANT_ID")?,
        client: variable(&part.client_id_env, "AZURE_CLIENT_ID")?,
        credential: credential(&part, config, environment)?,
        endpoints,
    })
}

fn required(name: &str, environment: &Environment) -> Result<String, CommandError> {
    environment
        .get(name)
        .map(str::to_owned)
        .ok_or_else(|| CommandError::new(Code::MissingVariable, format!("{name} is not set")))
}

fn credential(
    part: &CredentialPart,
    config: &Config,
    environment: &Environment,
) -> Result<Credential, CommandError> {
    if let Some(name) = &part.secret_env {
        return Ok(Credential::Secret(SecretString::from(required(name, environment)?)));
    }
    if let Some(path) = &part.secret_file {
        return Ok(Credential::Secret(from_file(&config.path(path))?));
    }
    if let Some(command) = &part.secret_command {
        return Ok(Credential::Secret(from_command(command)?));
    }
    if let Some(name) = &part.certificate_env {
        return certificate(&required(name, environment)?, config);
    }
    if let Some(name) = &part.federated_token_env {
        return Ok(Credential::Federated(config.path(required(name, environment)?)));
    }
    if let Some(secret) = environment.get("AZURE_CLIENT_SECRET") {
        return Ok(Credential::Secret(SecretString::from(secret.to_owned())));
    }
    if let Some(path) = environment.get("AZURE_CLIENT_CERTIFICATE_PATH") {
        return certificate(path, config);
    }
    if let Some(path) = environment.get("AZURE_FEDERATED_TOKEN_FILE") {
        return Ok(Credential::Federated(config.path(path)));
    }
    Err(CommandError::new(
        Code::MissingVariable,
        "none of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_FEDERATED_TOKEN_FILE is set",
    ))
}

fn certificate(path: &str, config: &Config) -> Result<Credential, CommandError> {
    let path = config.path(path);
    let pem = std::fs::read(&path).map_err(|error| {
        CommandError::new(Code::BadCertificate, format!("read {}: {error}", path.display()))
    })?;
    Ok(Credential::certificate(&pem, &path.display().to_string())?)
}

fn from_file(path: &std::path::Path) -> Result<SecretString, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CommandError::new(Code::MissingVariable, format!("read {}: {error}", path.display()))
    })?;
    one_line(&text)
        .ok_or_else(|| CommandError::new(Code::MissingVariable, format!("{} is empty", path.display())))
}

fn from_command(command: &[String]) -> Result<SecretString, CommandError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(CommandError::new(Code::MissingVariable, "secret_command is empty"));
    };
    // What the command prints may be the secret, so nothing of it comes into an error.
    let output = std::process::Command::new(program)
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| CommandError::new(Code::MissingVariable, format!("start {program:?}: {error}")))?;
    if !output.status.success() {
        return Err(CommandError::new(
            Code::MissingVariable,
            format!("{program:?} ended with {}", output.status),
        ));
    }
    one_line(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| CommandError::new(Code::MissingVariable, format!("{program:?} printed nothing")))
}

fn one_line(text: &str) -> Option<SecretString> {
    let line = text.trim_start_matches('\u{feff}').lines().next()?.trim();
    (!line.is_empty()).then(|| SecretString::from(line.to_owned()))
}

/// A secret that only the environment may give.
///
/// # Errors
/// Code `MissingVariable` where it is not set.
pub(crate) fn required_secret(name: &str, environment: &Environment) -> Result<SecretString, CommandError> {
    required(name, environment).map(SecretString::from)
}

/// The root of the Hub: `HF_ENDPOINT`, or the public one.
///
/// # Errors
/// Code `InsecureEndpoint` where it is neither https nor on this machine.
pub(crate) fn hub_endpoint(environment: &Environment) -> Result<String, CommandError> {
    let endpoint =
        environment.get("HF_ENDPOINT").unwrap_or(landfall_stores::hub::ENDPOINT).trim_end_matches('/');
    // The same rule as for every other endpoint.
    Endpoints::replaced(Cloud::Global, None, Some(endpoint))?;
    Ok(endpoint.to_owned())
}

/// The token of the Hub, looked for where its own library looks: `HF_TOKEN`, the file of `HF_TOKEN_PATH`,
/// `token` in `HF_HOME`, in `huggingface` below the cache folder.
///
/// # Errors
/// Code `MissingVariable` where a file that is named cannot be read.
// Source: huggingface_hub 2.4.0, constants and environment variables, read 2026-11.
pub(crate) fn hub_token(environment: &Environment) -> Result<Option<SecretString>, CommandError> {
    if let Some(token) = environment.get("HF_TOKEN").map(str::trim).filter(|token| !token.is_empty()) {
        return Ok(Some(SecretString::from(token.to_owned())));
    }
    if let Some(path) = environment.get("HF_TOKEN_PATH") {
        return from_file(std::path::Path::new(path)).map(Some);
    }
    let folder = |name: &str| environment.get(name).map(std::path::PathBuf::from);
    let home = folder("HOME").or_else(|| folder("USERPROFILE")).map(|home| home.join(".cache"));
    let cache = folder("XDG_CACHE_HOME").or(home).map(|cache| cache.join("huggingface"));
    let Some(path) = folder("HF_HOME").or(cache).map(|home| home.join("token")) else { return Ok(None) };
    if path.exists() { from_file(&path).map(Some) } else { Ok(None) }
}

/// Nothing gives a token for the Hub: for whoever runs the command that is the same as one that is refused.
pub(crate) fn no_hub_token() -> CommandError {
    let detail = "HF_TOKEN is not set, and nothing else gives a token";
    CommandError::new(Code::HubTokenRefused, detail).titled("hub.no_token")
}

/// The key of the ledger's secrets, where the environment has one: 64 hexadecimal digits.
///
/// # Errors
/// Code `MissingVariable` where the variable holds something else.
pub(crate) fn ledger_key(environment: &Environment) -> Result<Option<[u8; 32]>, CommandError> {
    let Some(text) = environment.get("LANDFALL_LEDGER_KEY") else { return Ok(None) };
    let wrong =
        || CommandError::new(Code::MissingVariable, "LANDFALL_LEDGER_KEY is not 64 hexadecimal digits");
    let mut key = [0_u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        let pair = text.get(at * 2..at * 2 + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(Some(key))
}
