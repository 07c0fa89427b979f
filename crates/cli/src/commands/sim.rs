//! `landfall sim`: a simulator of Microsoft Graph, or of a Hub with its archive, on this machine.
//!
//! With `--config` it writes that file, the `.env` beside it and the scenario's side files, so that the
//! commands after it need nothing else. It refuses to overwrite a configuration of somebody else.

pub(super) mod archive;
mod damage;

use std::path::Path;
use std::time::Duration;

use landfall_core::Code;
use landfall_sim::{Config, Quota, Scenario, Served};
use serde_json::Value;

use crate::args::{Sim, SimCommand, World};
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::wiring::Context;

/// The first line of every file that the simulator writes.
const MARK: &str = "# Written by landfall sim; it may overwrite this file.";

/// Resource units in a window of the simulated small tenant.
const SMALL_TENANT: u64 = 1250;

/// Serves until it is told to stop, or does something to a simulator that serves.
pub(crate) async fn sim(context: &Context, args: &Sim) -> Result<Exit, CommandError> {
    if let Some(SimCommand::Damage(args)) = &args.command {
        return damage::damage(context, args).await;
    }
    if let Some(config) = &context.global.config
        && !args.force
    {
        refuse_foreign(config)?;
        refuse_foreign(&config.with_file_name(".env"))?;
    }
    let World::Graph(scenario) = args.scenario else { return archive::serve(context, args).await };
    let sim = landfall_sim::Sim::new(settings(args, scenario));
    // Its time begins with the first look at it, and clients compare it with this machine's.
    let _begun = sim.now();
    let served = sim.serve(args.listen).await.map_err(|error| {
        CommandError::new(Code::BadArgument, format!("listen on {}: {error}", args.listen))
    })?;
    let ready = ready(&served, args.quota, args.quota_window);
    if let Some(config) = &context.global.config {
        write(config, &sim, &ready)?;
    }
    context.screen.raw(&format!("{ready}\n"));
    served
        .run(context.stop.clone().cancelled_owned())
        .await
        .map_err(|error| CommandError::new(Code::Internal, format!("serve: {error}")))?;
    Ok(Exit::Complete)
}

/// What the simulator is told.
fn settings(args: &Sim, scenario: Scenario) -> Config {
    Config {
        seed: args.seed,
        scenario,
        files: args.files,
        file_size: args.file_size,
        landed: args.landed,
        latency: args.latency,
        line: args.line,
        faults: args.faults,
        quota: args.quota,
        quota_window: args.quota_window,
        session_lifetime: args.session_lifetime,
        epoch: Some(machine::now()),
        ..Config::default()
    }
}

/// The line that says where everything is, our own variable for the quota included.
pub(super) fn ready(served: &Served, quota: Quota, window: Duration) -> Value {
    let mut ready: Value = serde_json::from_str(&served.ready_json()).unwrap_or_default();
    let words = match quota {
        Quota::None => "none".to_owned(),
        Quota::SmallTenant => format!("{SMALL_TENANT}/{}ms", window.as_millis()),
    };
    if let Some(env) = ready.get_mut("env").and_then(Value::as_object_mut) {
        env.insert("LANDFALL_QUOTA".to_owned(), Value::String(words));
    }
    ready
}

fn refuse_foreign(path: &Path) -> Result<(), CommandError> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.starts_with(MARK.as_bytes()) || bytes.is_empty() => Ok(()),
        Ok(_) => Err(CommandError::new(
            Code::BadArgument,
            format!("{} was not written by the simulator; give another --config, or --force", path.display()),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// Writes the configuration, the `.env` beside it, and the scenario's side files.
pub(super) fn write(config: &Path, sim: &landfall_sim::Sim, ready: &Value) -> Result<(), CommandError> {
    let folder = config.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let env = ready.get("env").and_then(Value::as_object).into_iter().flatten();
    write_env(config, env.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))?;
    for (name, bytes) in sim.side_files() {
        let path = config.with_file_name(name);
        std::fs::write(&path, bytes).map_err(|error| unwritable(&path, &error))?;
    }
    write_toml(config, &sim.job_toml())
}

/// Writes the `.env` beside a configuration.
fn write_env<'a>(
    config: &Path,
    variables: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), CommandError> {
    let mut env = format!("{MARK}\n");
    for (name, value) in variables {
        env.push_str(&format!("{name}={value}\n"));
    }
    let path = config.with_file_name(".env");
    machine::write_private(&path, &env).map_err(|error| unwritable(&path, &error))
}

/// Writes a configuration with the mark that says whose it is.
fn write_toml(config: &Path, text: &str) -> Result<(), CommandError> {
    std::fs::write(config, format!("{MARK}\n{text}")).map_err(|error| unwritable(config, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(Code::BadArgument, format!("write {}: {error}", path.display()))
}
