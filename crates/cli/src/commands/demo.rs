//! `landfall demo`: the whole story on the simulator: move, kill, resume, prove.
//!
//! The simulator is served by this process; the runs are children of this same program over real
//! sockets, so that one of them can be killed. Nothing here is a short cut of its own: configuration,
//! ledger, index and log are those of any job.

mod archive;
mod story;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use landfall_core::Code;
use landfall_core::ledger::Tally;
use landfall_core::state::State;
use landfall_sim::{Config, Fault, FaultRule, Quota, Sim};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::sim;
use crate::args::{Demo, Story};
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{count, span};
use crate::wiring::Context;

/// The job of the simulator's scenario.
const JOB: &str = "voices";

/// How many files there are, where nobody says.
const FILES: u64 = 500;

/// How long a lost upload session holds its name (24 hours at the service).
const SESSION: Duration = Duration::from_secs(10);
/// The length of the simulated quota's minute: short enough that a demo sees it bind.
const WINDOW: Duration = Duration::from_secs(4);

/// How long every simulated request takes.
const LATENCY: Duration = Duration::from_millis(5);

/// How often it is looked whether half has landed.
const POLL: Duration = Duration::from_millis(50);

/// A run that lasts longer than this is broken.
const LIMIT: Duration = Duration::from_secs(300);

/// Tells the story.
pub(crate) async fn demo(context: &mut Context, args: &Demo) -> Result<Exit, CommandError> {
    if args.story == Story::Archive {
        return archive::demo(context, args).await;
    }
    let begun = Instant::now();
    let folder = folder(args)?;
    let files = args.files.unwrap_or(FILES);
    let told = Config {
        seed: args.seed,
        files,
        latency: LATENCY,
        quota: Quota::SmallTenant,
        quota_window: WINDOW,
        // The kill in the middle loses addresses of sessions; here their day is short.
        session_lifetime: SESSION,
        epoch: Some(machine::now()),
        ..Config::default()
    };
    let simulator = Sim::new(told);
    // Its time begins with the first look at it, and clients compare it with this machine's.
    let _begun = simulator.now();
    for rule in troubles() {
        simulator.script(rule);
    }
    let served = simulator
        .serve(([127, 0, 0, 1], 0).into())
        .await
        .map_err(|error| CommandError::new(Code::Internal, format!("serve the simulator: {error}")))?;
    let ready = sim::ready(&served, Quota::SmallTenant, WINDOW);
    let config = folder.join("landfall.toml");
    sim::write(&config, &simulator, &ready)?;
    context.global.config = Some(config);
    let mut serving = JoinSet::new();
    let stop = context.stop.clone();
    serving.spawn(async move { served.run(stop.cancelled_owned()).await });
    let stage = Stage { context, folder, simulator, files };
    let outcome = stage.play(begun).await;
    serving.shutdown().await;
    outcome
}

/// What goes wrong on the way, the same in every demo: enough to be seen, and over within a minute.
fn troubles() -> Vec<FaultRule> {
    let rule =
        |route: &str, nth, fault| FaultRule { route: route.to_owned(), nth, times: 1, subject: None, fault };
    vec![
        rule("GET delta", 1, Fault::Unavailable { retry_after: None }),
        rule("POST createUploadSession", 60, Fault::Throttle { retry_after: Some(1) }),
        rule("POST createUploadSession", 330, Fault::Throttle { retry_after: Some(2) }),
        rule("PUT fragment", 40, Fault::CommittedUnseen),
        rule("PUT fragment", 90, Fault::LostReply),
        rule("PUT fragment", 290, Fault::TimeoutAfter),
        rule("PUT fragment", 350, Fault::LateHash { seconds: 2 }),
        rule("PUT fragment", 400, Fault::SessionLost),
        rule("GET download", 30, Fault::Cut),
        rule("GET download", 300, Fault::WrongByte),
        rule("GET download", 370, Fault::ExpiredUrl),
    ]
}

fn folder(args: &Demo) -> Result<PathBuf, CommandError> {
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => {
            let stamp = machine::now().strftime("%Y%m%d-%H%M%S").to_string();
            std::env::temp_dir().join(format!("landfall-demo-{stamp}-{}", std::process::id()))
        }
    };
    let unusable = |error: std::io::Error| {
        CommandError::new(Code::BadArgument, format!("{}: {error}", folder.display()))
    };
    std::fs::create_dir_all(&folder).map_err(unusable)?;
    if folder.read_dir().map_err(unusable)?.next().is_some() {
        return Err(CommandError::new(Code::BadArgument, format!("{} is not empty", folder.display())));
    }
    folder.canonicalize().map_err(unusable)
}

/// Where the story plays.
struct Stage<'a> {
    context: &'a mut Context,
    folder: PathBuf,
    simulator: Sim,
    files: u64,
}

impl Stage<'_> {
    async fn play(mut self, begun: Instant) -> Result<Exit, CommandError> {
        let screen = self.context.screen.clone();
        screen.line(t!("demo.title", files = count(self.files)));
        screen.line(t!("demo.quota"));
        screen.line(t!("demo.folder", path = self.folder.display()));
        screen.line("");
        screen.line(t!("demo.first"));
        let killed = self.run_and_kill().await?;
        let half = self.tally().await?.files(State::Success);
        screen.line(story::killed(killed, half, self.files, rows_of(&self.folder)));
        screen.line(t!("demo.second"));
        let second = self.run("second").await?;
        screen.line(story::resumed(&second));
        screen.line(t!("demo.third"));
        self.simulator.reset_requests();
        let third = self.run("third").await?;
        let mut told =
            json!({ "killed": killed, "proven_before_kill": half, "second": second, "third": third });
        let well = self.end(&mut told).await?;
        screen.line(if well { t!("demo.done", time = span(begun.elapsed())) } else { t!("demo.broken") });
        if let Some(object) = told.as_object_mut() {
            object.insert("complete".to_owned(), json!(well));
            object.insert("seconds".to_owned(), json!(begun.elapsed().as_secs_f64()));
        }
        screen.result(&told);
        Ok(if well { Exit::Complete } else { Exit::Incomplete })
    }

    /// Lets the simulator judge, shows the proofs and where everything lies. True where all is well.
    async fn end(&mut self, told: &mut Value) -> Result<bool, CommandError> {
        let screen = self.context.screen.clone();
        let asked = self.simulator.requests();
        screen.line(t!("demo.idle", writes = count(asked.writes), requests = count(asked.total)));
        screen.line(t!("demo.judge"));
        let compared = self.simulator.compare(JOB).unwrap_or_default();
        screen.line(story::verdict(&compared));
        screen.line("");
        let tally = self.tally().await?;
        screen.line(story::proofs(&tally).to_string());
        let state = self.folder.join(".landfall").join(JOB);
        screen.line(t!("demo.ledger", path = self.folder.join("landfall.db").display()));
        screen.line(t!("demo.index", path = state.join("index.json").display()));
        screen.line(t!("demo.log", path = state.join("upload_log.csv").display()));
        let well =
            compared.is_clean() && tally.complete() && asked.writes == 0 && tally.all().files == self.files;
        if let Some(object) = told.as_object_mut() {
            object.insert("folder".to_owned(), json!(self.folder.display().to_string()));
            object.insert("third_run_writes".to_owned(), json!(asked.writes));
            object.insert("compare".to_owned(), json!(compared));
        }
        Ok(well)
    }

    /// Starts a run and kills it when half of the files lie at the destination. False where it was quicker.
    async fn run_and_kill(&self) -> Result<bool, CommandError> {
        let mut child = self.start("first")?;
        let deadline = Instant::now() + LIMIT;
        loop {
            tokio::time::sleep(POLL).await;
            if child.try_wait().map_err(|error| broken(&error))?.is_some() {
                return Ok(false);
            }
            let landed =
                self.simulator.tree(Some("Documents"), "/Voices").iter().filter(|e| !e.folder).count();
            let stopped = self.context.stop.is_cancelled() || Instant::now() > deadline;
            if stopped || landed as u64 * 2 >= self.files {
                child.kill().await.map_err(|error| broken(&error))?;
                return Ok(true);
            }
        }
    }

    /// Lets a run come to its end and gives its final object.
    async fn run(&self, name: &str) -> Result<Value, CommandError> {
        let child = self.start(name)?;
        let output = tokio::time::timeout(LIMIT, child.wait_with_output())
            .await
            .map_err(|_| CommandError::new(Code::Internal, format!("the {name} run did not end")))?
            .map_err(|error| broken(&error))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let log = self.folder.join(format!("{name}.txt"));
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            CommandError::new(Code::Internal, format!("the {name} run ended with {}\n{said}", output.status))
        })
    }

    fn start(&self, name: &str) -> Result<Child, CommandError> {
        let log =
            std::fs::File::create(self.folder.join(format!("{name}.txt"))).map_err(|error| broken(&error))?;
        let mut command = Command::from(machine::this_program().map_err(|error| broken(&error))?);
        // What the person has set for a tenant of their own must not reach the demo.
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if text.starts_with("LANDFALL_") || text.starts_with("AZURE_") {
                command.env_remove(&variable);
            }
        }
        command
            .args(["run", JOB, "--json", "--config"])
            .arg(self.folder.join("landfall.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(&error))
    }

    async fn tally(&mut self) -> Result<Tally, CommandError> {
        let config = self.context.load()?;
        let ledger = self.context.ledger(&config).await?;
        Ok(match ledger.find_job(JOB).await? {
            Some(handle) => ledger.tally(handle.id, None).await?,
            None => Tally::default(),
        })
    }
}

fn rows_of(folder: &Path) -> u64 {
    let path = folder.join(".landfall").join(JOB).join("upload_log.csv");
    let Ok(reader) = csv::Reader::from_path(path) else { return 0 };
    reader.into_records().count() as u64
}

fn broken(error: &std::io::Error) -> CommandError {
    CommandError::new(Code::Internal, error.to_string())
}
