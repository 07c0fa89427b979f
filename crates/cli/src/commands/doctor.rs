//! `landfall doctor`: one line for each thing that a job needs, with the next step where it lacks.
//!
//! Every check is tried where those before it allow; none of them writes anything to either side.

mod archive;

use std::path::Path;
use std::sync::Arc;

use landfall_core::ledger::Ledger;
use landfall_core::spool::DiskSpool;
use landfall_core::store::{Destination as _, Source as _};
use landfall_core::{ByteSize, Code};
use landfall_stores::fs::{FsDestination, FsSource};
use landfall_stores::graph::{Drive, Graph};
use landfall_stores::wire::Call;
use rust_i18n::t;
use serde_json::{Value, json};

use crate::config::{Config, DestinationPlace, JobConfig, SourcePlace};
use crate::error::{CommandError, Exit};
use crate::wiring::{Context, Graphs, catalogue_of, destination_drive, source_drive};
use crate::{machine, ui};

/// A difference of clocks from which on signed assertions and tokens begin to fail, in seconds.
const SKEW: u64 = 120;

/// Free space below which a spool is a worry, in bytes.
const LITTLE: u64 = 1 << 30;

/// Application permissions that let a file be written; the last two are more than is needed.
const WRITES: &[&str] = &[
    "Files.ReadWrite.All",
    "Sites.ReadWrite.All",
    "Sites.Selected",
    "Sites.FullControl.All",
    "Sites.Manage.All",
];

/// How one check came out.
enum Finding {
    /// Fine, with what was seen.
    Fine(String),
    /// Could not be seen; the job may still work.
    Unseen(String),
    /// Fine so far, and worth knowing.
    Worry(String),
    /// Wrong.
    Wrong(Box<CommandError>),
}

impl From<CommandError> for Finding {
    fn from(error: CommandError) -> Self {
        Self::Wrong(Box::new(error))
    }
}

/// The findings so far.
struct Chart<'a> {
    context: &'a Context,
    lines: Vec<Value>,
    exit: Exit,
}

impl Chart<'_> {
    fn note(&mut self, check: &str, finding: Finding) {
        let name = ui::word(&format!("doctor.{check}"));
        let screen = &self.context.screen;
        let (state, text, next) = match finding {
            Finding::Fine(text) => ("ok", text, None),
            Finding::Unseen(text) => ("unknown", text, None),
            Finding::Worry(text) => ("warning", text, None),
            Finding::Wrong(error) => {
                self.exit = self.exit.max(error.exit);
                (
                    "wrong",
                    format!("[{}] {}: {}", error.code, error.title(), error.detail),
                    Some(error.remedy()),
                )
            }
        };
        screen.line(format!("{:<8} {name}: {text}", ui::word(&format!("doctor.state.{state}"))));
        if let Some(next) = &next {
            screen.line(format!("{:<8} {} {next}", "", t!("error.next")));
        }
        self.lines.push(json!({ "check": check, "state": state, "detail": text, "next": next }));
    }
}

/// Examines a job.
pub(crate) async fn doctor(context: &mut Context, name: &str) -> Result<Exit, CommandError> {
    let config = context.load()?;
    let job = config.job(name)?;
    let context = &*context;
    let mut chart = Chart { context, lines: Vec::new(), exit: Exit::Complete };
    chart.note("config", Finding::Fine(context.config_path().display().to_string()));
    let ledger = match context.ledger(&config).await {
        Ok(ledger) => {
            chart.note(
                "ledger",
                Finding::Fine(config.ledger.url.split('@').next_back().unwrap_or_default().to_owned()),
            );
            Some(ledger)
        }
        Err(error) => {
            chart.note("ledger", error.into());
            None
        }
    };
    chart.note("spool", spool(&job.spool).await);
    if let Some(ledger) = ledger {
        sides(&mut chart, context, &config, &job, &ledger).await?;
    }
    context.screen.result(&json!({ "job": name, "checks": chart.lines, "ok": chart.exit == Exit::Complete }));
    Ok(chart.exit)
}

async fn spool(folder: &Path) -> Finding {
    if let Err(error) = DiskSpool::open(folder).await {
        return CommandError::from(error).into();
    }
    match machine::free_space(folder) {
        Some(free) if free < LITTLE => {
            Finding::Worry(t!("doctor.little", path = folder.display(), free = ByteSize(free)).into_owned())
        }
        Some(free) => {
            Finding::Fine(t!("doctor.free", path = folder.display(), free = ByteSize(free)).into_owned())
        }
        None => Finding::Fine(folder.display().to_string()),
    }
}

async fn sides(
    chart: &mut Chart<'_>,
    context: &Context,
    config: &Arc<Config>,
    job: &JobConfig,
    ledger: &Arc<dyn Ledger>,
) -> Result<(), CommandError> {
    let mut graphs = Graphs::new(context, config, ledger)?;
    if let Some((place, dataset)) = catalogue_of(job) {
        let patient = archive::Patient { config, job, place, dataset, environment: &context.environment };
        return patient.examine(chart, &mut graphs, ledger).await;
    }
    for spec in &job.sources {
        if let SourcePlace::Folder(path) = &spec.place {
            let found = FsSource::open(path).await;
            chart.note(
                "source",
                found.map_or_else(|e| CommandError::from(e).into(), |s| Finding::Fine(s.identity())),
            );
            continue;
        }
        let Some(graph) = signed_in(chart, &mut graphs, job.source_credentials.as_deref()).await else {
            continue;
        };
        match source_drive(&graph, &spec.place).await {
            Ok(drive) => {
                chart.note("source", state_of(&drive));
                chart.note("listing", listing(&graph, &drive, spec.path.as_str()).await);
            }
            Err(error) => chart.note("source", error.into()),
        }
    }
    if let DestinationPlace::Folder(path) = &job.destination {
        let found = FsDestination::open(path).await;
        chart.note(
            "destination",
            found.map_or_else(|e| CommandError::from(e).into(), |d| Finding::Fine(d.identity())),
        );
        return Ok(());
    }
    let Some(graph) = signed_in(chart, &mut graphs, job.destination_credentials.as_deref()).await else {
        return Ok(());
    };
    chart.note("writing", writing(&graph).await);
    match destination_drive(&graph, &job.destination).await {
        Ok(drive) => {
            chart.note("destination", state_of(&drive));
            library(chart, &graphs, &graph, &drive).await;
            // Graph does not publish a library's version settings.
            chart.note("versions", Finding::Unseen(t!("doctor.not_told").into_owned()));
        }
        Err(error) => chart.note("destination", error.into()),
    }
    Ok(())
}

/// Signs in, once for each set of credentials.
async fn signed_in(chart: &mut Chart<'_>, graphs: &mut Graphs, name: Option<&str>) -> Option<Graph> {
    let known = graphs.knows(name);
    let graph = match graphs.get(name).await {
        Ok(graph) => graph,
        Err(error) => {
            chart.note("token", error.into());
            return None;
        }
    };
    match graph.sign_in().await {
        Ok(_) if known => {}
        Ok(token) => {
            chart.note("token", Finding::Fine(t!("doctor.expires", time = token.expires).into_owned()));
            chart.note("clock", clock(token.skew));
            let grants = if token.grants.is_empty() {
                Finding::Unseen(t!("doctor.opaque").into_owned())
            } else {
                Finding::Fine(token.grants.join(", "))
            };
            chart.note("grants", grants);
        }
        Err(error) => {
            chart.note("token", CommandError::from(error).into());
            return None;
        }
    }
    Some(graph)
}

/// What the token says of writing, for doctor tries none: it can only be seen that it is not allowed.
async fn writing(graph: &Graph) -> Finding {
    const ASKED: &str = "Files.ReadWrite.All, Sites.ReadWrite.All or Sites.Selected";
    let grants = match graph.sign_in().await {
        Ok(token) => token.grants,
        Err(error) => return CommandError::from(error).into(),
    };
    if grants.is_empty() || grants.iter().any(|grant| WRITES.contains(&grant.as_str())) {
        return Finding::Unseen(t!("doctor.untried", grant = ASKED).into_owned());
    }
    let detail = format!("the token has no permission to write: it needs one of {ASKED}");
    CommandError::new(Code::PermissionMissing, detail).into()
}

fn clock(skew: Option<i64>) -> Finding {
    match skew {
        None => Finding::Unseen(t!("doctor.no_date").into_owned()),
        Some(seconds) if seconds.unsigned_abs() > SKEW => {
            let detail = format!("the service's clock is {seconds} s ahead of this machine's");
            CommandError::new(Code::ClockSkew, detail).into()
        }
        Some(seconds) => Finding::Fine(format!("{seconds} s")),
    }
}

fn state_of(drive: &Drive) -> Finding {
    let quota = &drive.quota;
    let mut text = format!("{} ({})", drive.web_url, drive.drive_type);
    if let (Some(used), Some(total)) = (quota.used, quota.total) {
        text.push_str(&format!(", {used} / {total}"));
    }
    match quota.state.as_deref() {
        Some("exceeded") => CommandError::new(Code::DestinationFull, text).into(),
        Some(state @ ("nearing" | "critical")) => Finding::Worry(format!("{text}, {state}")),
        _ => Finding::Fine(text),
    }
}

/// Lists one page: the permission to read is tried, not guessed from the token.
async fn listing(graph: &Graph, drive: &Drive, path: &str) -> Finding {
    use landfall_core::store::Source as _;
    match graph.source(drive).children(None, None).await {
        Ok((items, _)) => Finding::Fine(t!("doctor.listed", number = items.len(), path = path).into_owned()),
        Err(error) => CommandError::from(error).into(),
    }
}

/// What the library's list says of versions and required columns, where it says it.
async fn library(chart: &mut Chart<'_>, graphs: &Graphs, graph: &Graph, drive: &Drive) {
    if !drive.is_library() {
        return;
    }
    let Some(base) = graphs.base(graph) else { return };
    let url = format!("{base}/drives/{}/list?$expand=columns", drive.id);
    let answer = match graph.wire().send(&Call::get(url, "look at", "the library's columns")).await {
        Ok(answer) if answer.status.is_success() => answer.json::<Value>(),
        _ => None,
    };
    let columns = answer.as_ref().and_then(|list| list.get("columns")).and_then(Value::as_array);
    let Some(columns) = columns else {
        chart.note("columns", Finding::Unseen(t!("doctor.not_told").into_owned()));
        return;
    };
    let required: Vec<&str> = columns
        .iter()
        .filter(|column| column.get("required").and_then(Value::as_bool) == Some(true))
        .filter(|column| column.get("readOnly").and_then(Value::as_bool) != Some(true))
        .filter_map(|column| column.get("displayName").or_else(|| column.get("name")).and_then(Value::as_str))
        .filter(|name| !matches!(*name, "Name" | "FileLeafRef"))
        .collect();
    chart.note(
        "columns",
        if required.is_empty() {
            Finding::Fine(t!("doctor.no_columns").into_owned())
        } else {
            CommandError::new(Code::RequiredColumns, required.join(", ")).into()
        },
    );
}
