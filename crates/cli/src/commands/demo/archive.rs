//! `landfall demo archive`: a damaged archive of posts verified, repaired, backed up and verified again.
//!
//! The Hub and the origin of media are served by this process; every step is a child of this same program
//! over real sockets, with the configuration, ledger and database of any job.

use std::path::PathBuf;
use std::process::Stdio;

use futures_util::StreamExt as _;
use landfall_core::Code;
use landfall_core::seal::Seal as _;
use landfall_sim::Archive;
use landfall_stores::catalogue::{Narrowing, Post};
use landfall_stores::hub::{RecordedUrl, RepoId};
use rust_i18n::t;
use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::sim::archive::{Stage, settings};
use super::{LIMIT, broken, folder};
use crate::args::Demo;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{count, span};
use crate::wiring::{Context, Graphs, catalogue, catalogue_of, hub, seal};

/// The job of the simulator's scenario.
const JOB: &str = "tweets";

/// Media files that about 300 posts have.
const FILES: u64 = 450;

/// Variables of a person's own that must not reach the demo.
const OWN: [&str; 5] = ["LANDFALL_", "AZURE_", "HF_", "RCLONE_", "X_BEARER_TOKEN"];

/// Posts looked at for one to read back.
const POSTS: usize = 500;

/// Tells the story.
pub(super) async fn demo(context: &mut Context, args: &Demo) -> Result<Exit, CommandError> {
    let begun = Instant::now();
    let folder = folder(args)?;
    let archive = Archive::new(settings(args.seed, args.files.unwrap_or(FILES)));
    let stage = Stage::set(archive.clone(), ([127, 0, 0, 1], 0).into(), &folder).await?;
    let config = folder.join("landfall.toml");
    stage.write(&config).await?;
    context.global.config = Some(config);
    let mut serving = JoinSet::new();
    serving.spawn(stage.run(context.stop.clone()));
    let outcome = Play { context, folder, archive, told: Map::new() }.play(begun).await;
    serving.shutdown().await;
    outcome
}

/// Where the story plays.
struct Play<'a> {
    context: &'a mut Context,
    folder: PathBuf,
    archive: Archive,
    told: Map<String, Value>,
}

impl Play<'_> {
    async fn play(mut self, begun: Instant) -> Result<Exit, CommandError> {
        let screen = self.context.screen.clone();
        screen.line(t!("archive.title", repos = self.archive.repos().join(", ")));
        screen.line(t!("demo.folder", path = self.folder.display()));
        screen.line("");
        screen.line(t!("archive.verify"));
        let first = self.step("verify", &["verify", JOB]).await?;
        screen.line(figures(&first));
        screen.line(t!("archive.repair"));
        let mended = self.step("repair", &["repair", JOB, "--remove-leaks"]).await?;
        screen.line(format!("   {}", totals(&mended, "files")));
        screen.line(format!("   {}", totals(&mended, "steps")));
        screen.line(t!("archive.run"));
        let run = self.step("run", &["run", JOB]).await?;
        screen.line(format!("   {}; {}", totals(&run, "states"), totals(&run, "skipped")));
        screen.line(t!("archive.back"));
        let (name, bytes) = self.read_back().await?;
        screen.line(t!("archive.equal", name = name, bytes = count(bytes)));
        screen.line(t!("archive.again"));
        let last = self.step("verify-again", &["verify", JOB]).await?;
        screen.line(figures(&last));
        let well = self.judged().await? && last.get("exit").and_then(Value::as_u64) == Some(0);
        self.told.insert("read_back".to_owned(), json!({ "name": name, "bytes": bytes }));
        self.told.insert("folder".to_owned(), json!(self.folder.display().to_string()));
        self.told.insert("complete".to_owned(), json!(well));
        self.told.insert("seconds".to_owned(), json!(begun.elapsed().as_secs_f64()));
        screen.line("");
        let done = t!("archive.done", time = span(begun.elapsed()));
        screen.line(if well { done } else { t!("demo.broken") });
        screen.result(&Value::Object(self.told));
        Ok(if well { Exit::Complete } else { Exit::Incomplete })
    }

    /// Lets the simulator judge. True where all is as it must be.
    async fn judged(&mut self) -> Result<bool, CommandError> {
        let screen = &self.context.screen;
        screen.line(t!("archive.judge"));
        let check = self.archive.check(&self.folder).await.map_err(|error| broken(&error))?;
        let met: u64 = check.patterns.values().map(|(met, _)| met).sum();
        let missed: u64 = check.patterns.values().map(|(_, missed)| missed).sum();
        screen.line(t!(
            "archive.verdict",
            met = count(met),
            missed = count(missed),
            violated = count(check.violated.len() as u64)
        ));
        for sentence in check.violated.iter().take(10) {
            screen.line(format!("   {sentence}"));
        }
        self.told.insert("check".to_owned(), check.to_json());
        Ok(check.clean())
    }

    /// Lets one command come to its end and gives its final object.
    async fn step(&mut self, name: &str, args: &[&str]) -> Result<Value, CommandError> {
        let log = self.folder.join(format!("{name}.txt"));
        let errors = std::fs::File::create(&log).map_err(|error| broken(&error))?;
        let mut command = Command::from(machine::this_program().map_err(|error| broken(&error))?);
        for (variable, _) in std::env::vars_os() {
            if OWN.iter().any(|own| variable.to_string_lossy().starts_with(own)) {
                command.env_remove(&variable);
            }
        }
        let child = command
            .args(args)
            .args(["--json", "--config"])
            .arg(self.folder.join("landfall.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(&error))?;
        let output = tokio::time::timeout(LIMIT, child.wait_with_output())
            .await
            .map_err(|_| CommandError::new(Code::Internal, format!("{name} did not end")))?
            .map_err(|error| broken(&error))?;
        let object: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            CommandError::new(Code::Internal, format!("{name} ended with {}\n{said}", output.status))
        })?;
        if let Some(error) = object.pointer("/error/detail").and_then(Value::as_str) {
            return Err(CommandError::new(Code::Internal, format!("{name}: {error}")));
        }
        self.told.insert(name.replace('-', "_"), object.clone());
        Ok(object)
    }

    /// Reads one backed-up file from the Hub, opens it with the seal, and compares it with the local one.
    async fn read_back(&mut self) -> Result<(String, u64), CommandError> {
        let config = self.context.load()?;
        let job = config.job(JOB)?;
        let nothing = || CommandError::new(Code::Internal, "no file is there to be read back");
        let (place, _) = catalogue_of(&job).ok_or_else(nothing)?;
        let seal = seal(job.seal.as_ref().ok_or_else(nothing)?, &self.context.environment)?;
        let state = config.state_folder(JOB);
        let catalogue = catalogue(place, Narrowing::default(), state, &self.context.environment).await?;
        let table = catalogue.tables().next().map(str::to_owned).ok_or_else(nothing)?;
        let posts = catalogue.posts(&table, None, POSTS).await?.posts;
        let (recorded, local) =
            posts.iter().find_map(|post| one_file(post, |name| seal.plain_name(name))).ok_or_else(nothing)?;
        let ledger = self.context.ledger(&config).await?;
        let mut graphs = Graphs::new(self.context, &config, &ledger)?;
        let api = hub(&self.context.environment, &mut graphs, &ledger).await?;
        let mut body = api.read(&recorded.0, "main", &recorded.1, 0).await?;
        let (mut opening, mut plain) = (seal.open(), Vec::new());
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| CommandError::new(Code::Unreachable, error.to_string()))?;
            opening.update(&piece, &mut plain)?;
        }
        opening.finish(&mut plain)?;
        let ours = std::fs::read(self.folder.join(&local)).map_err(|error| broken(&error))?;
        if ours == plain {
            return Ok((local, plain.len() as u64));
        }
        Err(CommandError::new(Code::Internal, format!("{local} is not what the Hub holds")))
    }
}

/// Repository, path, and the local file of one backup of a post.
fn one_file(post: &Post, plain: impl Fn(&str) -> Option<String>) -> Option<((RepoId, String), String)> {
    let local = post.local.as_ref()?;
    post.hub.items.iter().find_map(|url| {
        let read = RecordedUrl::parse(url, &[]).ok()?;
        let name = plain(read.path.name())?;
        let file = local.items.iter().find(|path| path.ends_with(&format!("/{name}")))?;
        let relative = !file.starts_with('/') && !file.contains("..");
        relative.then(|| ((read.repo.clone(), read.path.as_str().to_owned()), file.clone()))
    })
}

/// The totals of a verify in one line.
fn figures(object: &Value) -> String {
    let number = |key: &str| count(object.get(key).and_then(Value::as_u64).unwrap_or_default());
    let findings = object.get("findings").and_then(Value::as_object);
    let all: u64 = findings.into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    let settled = object.get("settled").and_then(Value::as_object);
    let settled: u64 = settled.into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    t!(
        "archive.figures",
        checked = number("checked"),
        present = number("present"),
        absent = number("absent"),
        unknown = number("unknown"),
        findings = count(all),
        settled = count(settled),
        requests = number("requests")
    )
    .into_owned()
}

/// A table of words and numbers in one line.
fn totals(object: &Value, key: &str) -> String {
    let pairs = object.get(key).and_then(Value::as_object).into_iter().flatten();
    let some = pairs.filter_map(|(name, n)| Some((name, n.as_u64().filter(|n| *n > 0)?)));
    let words: Vec<String> = some.map(|(name, n)| format!("{} {name}", count(n))).collect();
    if words.is_empty() { "0".to_owned() } else { words.join(", ") }
}
