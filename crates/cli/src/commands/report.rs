//! `landfall report`: what a job amounts to, as a page, a table, JSON, or a few lines.
//!
//! Reads the ledger and the configuration, and needs no network and no lease unless what stays behind is to be asked
//! first ([`left`]). Owns where the files go: each is
//! written beside its place and renamed into it, so that a kill leaves the old one. What is counted and how
//! it looks is the crate report's.

mod asked;
mod left;

use std::path::{Path, PathBuf};

use landfall_core::{ByteSize, Code};
use landfall_report::{Language, Question, ReportError, Table, Unreached, gather, page};
use rust_i18n::t;
use serde_json::{Value, json};

use super::totals;
use super::whole::{self, Whole};
use crate::args::{Json, Report};
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, Cells, Screen, count};
use crate::wiring::Context;

/// What was written where.
#[derive(Default)]
struct Written {
    html: Option<PathBuf>,
    csv: Option<(PathBuf, u64)>,
    json: Option<PathBuf>,
    left: Option<(PathBuf, u64)>,
}

/// Counts and writes what was asked for.
pub(crate) async fn report(context: &mut Context, args: &Report) -> Result<Exit, CommandError> {
    let config = context.load()?;
    let job = config.job(&args.job)?;
    let json = match &context.global.json {
        Json::File(path) => Some(path.clone()),
        Json::No | Json::Object => None,
    };
    apart([&args.html, &args.csv, &json, &args.permissions_csv])?;
    left::capture(context, args).await?;
    let ledger = context.ledger(&config).await?;
    let handle = totals::known(ledger.as_ref(), &args.job).await?;
    let missed = totals::missed(ledger.as_ref(), handle.id, &job).await?;
    let question = Question {
        job: &handle,
        asked: asked::asked(&job),
        unreached: missed
            .into_iter()
            .map(|one| Unreached {
                source: one.label,
                why: format!("{}: {}", one.error.title(), one.error.detail),
            })
            .collect(),
        program: format!("Landfall {}", env!("CARGO_PKG_VERSION")),
        now: machine::now(),
    };
    let locale = rust_i18n::locale();
    let language = Language { code: &locale, lookup: &ui::word };
    let mut written = Written::default();
    let mut report = match &args.csv {
        Some(path) => {
            let mut file = Whole::begin(path)?;
            let mut table = Table::new(&mut file, language);
            let report = gather(ledger.as_ref(), question, Some(&mut table)).await;
            let rows = table.rows();
            let report = report.map_err(|error| failed(error, path))?;
            file.commit()?;
            written.csv = Some((path.clone(), rows));
            report
        }
        None => {
            gather(ledger.as_ref(), question, None).await.map_err(|error| failed(error, Path::new("-")))?
        }
    };
    let mut left = None;
    if args.wants_left() {
        let rows = left::read(ledger.as_ref(), handle.id, &mut report, args.permissions_csv.as_ref()).await?;
        written.left = args.permissions_csv.clone().zip(rows);
        left = Some(left::line(ledger.as_ref(), handle.id, &report).await?);
    }
    if let Some(path) = &args.html {
        Whole::write(path, page(&report, &language).as_bytes())?;
        written.html = Some(path.clone());
    }
    let object = serde_json::to_value(&report).unwrap_or_default();
    if let Some(path) = json {
        Whole::write(&path, format!("{object:#}\n").as_bytes())?;
        written.json = Some(path);
    }
    show(&context.screen, &report, object, &written);
    if let Some(line) = left {
        context.screen.line(line);
    }
    Ok(exit(&report))
}

/// What the shell is told, as `status` does; a finding that is open is graver.
fn exit(report: &landfall_report::Report) -> Exit {
    if !report.findings.open.is_empty() {
        return Exit::Findings;
    }
    if report.complete { Exit::Complete } else { Exit::Incomplete }
}

/// Two outputs in one file would leave only the last.
fn apart(paths: [&Option<PathBuf>; 4]) -> Result<(), CommandError> {
    let mut named: Vec<&PathBuf> = Vec::new();
    for path in paths.into_iter().flatten() {
        if named.contains(&path) {
            let detail = format!("{} is named for two outputs", path.display());
            return Err(CommandError::new(Code::BadArgument, detail));
        }
        named.push(path);
    }
    Ok(())
}

fn failed(error: ReportError, path: &Path) -> CommandError {
    match error {
        ReportError::Ledger(error) => error.into(),
        ReportError::Write(error) => whole::unwritable(path, &error),
    }
}

fn show(screen: &Screen, report: &landfall_report::Report, mut object: Value, written: &Written) {
    if screen.is_json() {
        if let Some(map) = object.as_object_mut() {
            let shown = |path: &PathBuf| path.display().to_string();
            let files = json!({
                "html": written.html.as_ref().map(shown),
                "csv": written.csv.as_ref().map(|(path, _)| shown(path)),
                "csv_rows": written.csv.as_ref().map(|(_, rows)| rows),
                "json": written.json.as_ref().map(shown),
                "permissions_csv": written.left.as_ref().map(|(path, _)| shown(path)),
                "permissions_csv_rows": written.left.as_ref().map(|(_, rows)| rows),
            });
            map.insert("written".to_owned(), files);
            map.insert("peak_rss_bytes".to_owned(), json!(machine::peak_rss()));
        }
        screen.result(&object);
        return;
    }
    for path in written.html.iter().chain(&written.json) {
        screen.line(t!("page.terminal.written", path = path.display()));
    }
    for (path, rows) in written.csv.iter().chain(&written.left) {
        screen.line(t!("page.terminal.rows", path = path.display(), rows = count(*rows)));
    }
    if written.html.is_none() && written.csv.is_none() && written.json.is_none() {
        screen.line(table(report));
    }
}

/// The figures in a few lines.
fn table(report: &landfall_report::Report) -> String {
    let headings = [report.job.clone(), ui::word("page.files"), ui::word("page.bytes")];
    let mut cells = Cells::new(&headings, 1);
    let totals = &report.totals;
    for (key, figure) in [
        ("proven", totals.proven),
        ("open", totals.open),
        ("skipped", totals.skipped),
        ("unsettled", totals.unsettled),
        ("gone", totals.gone_landed),
    ] {
        if key == "proven" || figure.files > 0 {
            let label = ui::word(&format!("page.terminal.{key}"));
            cells.row(&[label, count(figure.files), ByteSize(figure.bytes).to_string()]);
        }
    }
    let open: u64 = report.findings.open.values().sum();
    if open > 0 {
        cells.row(&[ui::word("page.terminal.findings"), count(open), String::new()]);
    }
    let audited = report.audit.as_ref().and_then(|audit| audit.complete_as_of);
    let audit = match audited {
        Some(at) => format!("{} {}", ui::word("page.terminal.audit"), ui::moment(at)),
        None => ui::word("page.terminal.no_audit"),
    };
    let missed = report.unreached.len() as u64;
    match missed {
        0 => format!("{cells}\n{audit}"),
        _ => format!("{cells}\n{audit}\n{}", t!("page.unreached", number = count(missed))),
    }
}
