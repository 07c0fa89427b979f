//! `landfall restore`: what has landed is brought back, opened, compared with the ledger, and named where it is
//! not what it was.
//!
//! Owns the order of it and what a person is told. The restore is a run of a job of its own in the same ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_core::engine::{Engine, Job, MeterReading, RunReport};
use landfall_core::held::{Choice, Held, Known, Survey};
use landfall_core::ledger::{Answer, FileFilter, LookFilter, Looked, RunStart, Tally};
use landfall_core::memo::{MemoKey, MemoValue};
use landfall_core::row::Standing;
use landfall_core::state::State;
use landfall_core::words::{FileId, SourceId};
use landfall_core::{Code, StoreError};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::moving;
use crate::args::{Restore, Selection, Wanted};
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, Gauge, Screen, count, span};
use crate::wiring::{Context, Landed, Target};

/// Names in the final object, and on the screen.
const NAMES: usize = 1000;
const SHOWN: usize = 20;
/// Rows read from the ledger at a time.
const BATCH: usize = 500;

/// Which files of each source.
pub(super) type Choices = Vec<(SourceId, Choice)>;

/// Brings back and shows what came of it.
pub(crate) async fn restore(context: &mut Context, args: &Restore) -> Result<Exit, CommandError> {
    let started = Instant::now();
    let mut landed = Landed::open(context, &args.job).await?;
    let target = Target::open(&mut landed, &args.target).await?;
    let choices = choices(&landed, &args.wanted)?;
    if args.dry_run {
        return plan(context, &landed, &target, choices, args).await;
    }
    let (handle, spool) = target.job(&landed).await?;
    let outcome = async {
        let choices = drawn(&landed, handle.id, choices, args.sample).await?;
        let survey = surveyed(&landed, &choices, false).await?;
        let job = target.resolved(&landed, (&handle, &spool), choices).await?;
        let engine = landed.engine(context, &spool).await?;
        let work = Work { landed: &landed, target: &target, engine, job, survey, args };
        work.carry_out(context, started).await
    };
    let outcome = outcome.await;
    let closed = Target::close(&landed, &handle, &spool).await;
    let exit = outcome?;
    closed?;
    Ok(exit)
}

/// What the words of the command line choose.
pub(super) fn choices(landed: &Landed, wanted: &Wanted) -> Result<Choices, CommandError> {
    let selection =
        Selection { path: wanted.path.clone(), exclude: wanted.exclude.clone(), ..Selection::default() };
    Ok(landed.choices(&moving::filters(&selection)?))
}

/// Narrows a choice to a sample. Its seed is kept, so that a restore that goes on has the same one.
async fn drawn(
    landed: &Landed,
    job: landfall_core::JobId,
    choices: Choices,
    sample: Option<u32>,
) -> Result<Choices, CommandError> {
    let Some(number) = sample else { return Ok(choices) };
    let ledger = &landed.origin.ledger;
    let key = MemoKey::new(job, "restore", "seed");
    let before = ledger.memo(&key).await?.and_then(|text| text.parse().ok());
    let seed = match before {
        Some(seed) => seed,
        None => {
            let seed = machine::chance().below(u64::MAX);
            let value = MemoValue { text: seed.to_string(), secret: false, expires: None };
            ledger.remember(&key, value).await?;
            seed
        }
    };
    sampled(landed, choices, number, seed).await
}

/// Narrows a choice to the sample of a seed.
pub(super) async fn sampled(
    landed: &Landed,
    choices: Choices,
    number: u32,
    seed: u64,
) -> Result<Choices, CommandError> {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let only = Arc::new(landed.origin.sample(&choices, number, seed).await?);
    let narrow = |(source, choice)| (source, Choice { only: Some(Arc::clone(&only)), ..choice });
    Ok(choices.into_iter().map(narrow).collect())
}

/// Counts a choice, and refuses one that chooses nothing.
pub(super) async fn surveyed(
    landed: &Landed,
    choices: &Choices,
    files: bool,
) -> Result<Survey, CommandError> {
    let mut survey = Survey::default();
    for (source, choice) in choices {
        Held::new(landed.origin.clone(), *source, choice.clone()).survey(&mut survey, files).await?;
    }
    if survey.all().0 == 0 {
        let detail = format!("nothing that {} has landed matches", landed.handle.name);
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    Ok(survey)
}

/// Says what a restore would do. Writes nothing, not even to the ledger.
async fn plan(
    context: &Context,
    landed: &Landed,
    target: &Target,
    choices: Choices,
    args: &Restore,
) -> Result<Exit, CommandError> {
    let choices = match landed.origin.ledger.find_job(&target.job_name(landed)).await? {
        Some(known) if args.sample.is_some() => drawn(landed, known.id, choices, args.sample).await?,
        // The seed will be another one; how many and about how much is the same.
        _ => match args.sample {
            Some(number) => sampled(landed, choices, number, machine::chance().below(u64::MAX)).await?,
            None => choices,
        },
    };
    let survey = surveyed(landed, &choices, false).await?;
    let left_out = left_out(landed, args).await?;
    let recorded = recorded_only(landed, args, &survey).await?;
    let (files, bytes) = survey.all();
    let screen = &context.screen;
    screen.result(&json!({
        "job": args.job,
        "target": target.to_string(),
        "files": files,
        "bytes": bytes.0,
        "known": kinds(&survey),
        "named": named(&survey),
        "left_out": left_out,
        "recorded_only": recorded,
        "dry_run": true,
    }));
    screen.line(t!("restore.would", files = count(files), bytes = bytes, target = target));
    tell_weak(screen, &survey, "will");
    tell_left_out(screen, &left_out);
    tell_recorded_only(screen, recorded);
    Ok(Exit::Complete)
}

/// Files that are part of the job and not proven at its destination: nothing is brought back of them. Empty where
/// only some files are asked for.
async fn left_out(landed: &Landed, args: &Restore) -> Result<BTreeMap<&'static str, u64>, StoreError> {
    if args.sample.is_some() || !args.wanted.path.is_empty() || !args.wanted.exclude.is_empty() {
        return Ok(BTreeMap::new());
    }
    let tally = landed.origin.ledger.tally(landed.handle.id, None).await?;
    let open = State::ALL.into_iter().filter(|state| *state != State::Success);
    // What takes part no longer and was found lost is missed as much.
    let lost = |state| if state == State::Ng { tally.lost } else { 0 };
    let open = open.map(|state| (state.name(), tally.files(state) + lost(state)));
    Ok(open.filter(|(_, n)| *n > 0).collect())
}

/// Files by how well they are known.
fn kinds(survey: &Survey) -> BTreeMap<&'static str, u64> {
    let of = |known| survey.kinds.get(&known).map_or(0, |(files, _)| *files);
    Known::ALL.into_iter().map(|known| (known.name(), of(known))).collect()
}

fn named(survey: &Survey) -> Vec<Value> {
    survey.named.iter().map(|(path, known)| json!({ "path": path, "known": known.name() })).collect()
}

/// Says what is compared less well than by what was sent, in the words of `known` or, before it is done, of `will`.
fn tell_weak(screen: &Screen, survey: &Survey, words: &str) {
    for known in Known::ALL.into_iter().filter(|known| *known != Known::Whole) {
        let Some((files, _)) = survey.kinds.get(&known) else { continue };
        screen.line(t!(&format!("restore.{words}.{}", known.name()), files = count(*files)));
        for (path, _) in survey.named.iter().filter(|(_, other)| *other == known).take(SHOWN) {
            screen.line(format!("  {path}"));
        }
    }
}

/// Backups that an archive's database records and that a verify saw, beyond those that have a row: another program
/// uploaded them, so nothing is known here to bring them back by. At least so many; none where a part is asked for.
async fn recorded_only(landed: &Landed, args: &Restore, survey: &Survey) -> Result<u64, StoreError> {
    if args.sample.is_some() || !args.wanted.path.is_empty() || !args.wanted.exclude.is_empty() {
        return Ok(0);
    }
    let (mut seen, mut after) = (0_u64, String::new());
    loop {
        let looks =
            landed.origin.ledger.looks(landed.handle.id, &LookFilter::default(), &after, BATCH).await?;
        let Some(last) = looks.last() else { break };
        after.clone_from(&last.subject);
        // Only an archive's looks are about recorded URLs.
        let url = |look: &&Looked| {
            let detail: Value = serde_json::from_str(&look.detail).unwrap_or_default();
            detail.get("url").and_then(Value::as_str).is_some_and(|url| !url.is_empty())
        };
        let there = looks.iter().filter(|look| look.answer == Answer::Present);
        seen += there.filter(url).count() as u64;
    }
    Ok(seen.saturating_sub(survey.all().0))
}

fn tell_recorded_only(screen: &Screen, files: u64) {
    if files > 0 {
        screen.line(t!("restore.recorded_only", files = count(files)));
    }
}

fn tell_left_out(screen: &Screen, left_out: &BTreeMap<&'static str, u64>) {
    if left_out.is_empty() {
        return;
    }
    let list: Vec<String> = left_out.iter().map(|(state, n)| format!("{} {state}", count(*n))).collect();
    screen.line(t!("restore.left_out", list = list.join(", ")));
}

/// A restore with everything open.
struct Work<'a> {
    landed: &'a Landed,
    target: &'a Target,
    engine: Engine,
    job: Arc<Job>,
    survey: Survey,
    args: &'a Restore,
}

/// One file that did not come back.
struct Failed {
    path: String,
    state: &'static str,
    reason: String,
    comment: String,
}

impl Work<'_> {
    async fn carry_out(&self, context: &Context, started: Instant) -> Result<Exit, CommandError> {
        let (ledger, handle) = (&self.engine.ledger, &self.job.handle);
        let start = RunStart { command: "restore".to_owned(), at: machine::now(), fresh: false };
        let run = ledger.begin_run(handle, start).await?;
        if run.resumed {
            context.screen.note(t!("run.resumed", time = ui::moment(run.started)));
        }
        let worked = self.with_progress(context).await;
        let tally = ledger.tally(handle.id, None).await?;
        let left_out = left_out(self.landed, self.args).await?;
        let recorded = recorded_only(self.landed, self.args, &self.survey).await?;
        let (failed, renamed) = self.failed().await?;
        let mut summary = self.summary(&tally, started);
        let exit = judge(&context.screen, worked, &tally, &left_out, &mut summary);
        if let Some(object) = summary.as_object_mut() {
            object.insert("resumed".to_owned(), json!(run.resumed));
            object.insert("left_out".to_owned(), json!(left_out));
            object.insert("recorded_only".to_owned(), json!(recorded));
            object.insert("renamed".to_owned(), json!(renamed));
        }
        if exit <= Exit::Findings {
            ledger.end_run(handle, run.id, machine::now(), &summary.to_string()).await?;
        }
        if let Some(object) = summary.as_object_mut() {
            let one = |f: &Failed| json!({ "path": f.path, "state": f.state, "reason": f.reason, "comment": f.comment });
            object.insert("failed".to_owned(), failed.iter().map(one).collect());
            object.insert("named".to_owned(), Value::Array(named(&self.survey)));
        }
        context.screen.result(&summary);
        self.show(&context.screen, &tally, (&failed, renamed), started);
        tell_left_out(&context.screen, &left_out);
        tell_recorded_only(&context.screen, recorded);
        context.screen.line(verdict(exit));
        Ok(exit)
    }

    async fn with_progress(&self, context: &Context) -> Result<RunReport, StoreError> {
        let done = CancellationToken::new();
        let gauge = gauge(self.landed, &self.engine);
        let work = async {
            let outcome = self.engine.restore(&self.job).await;
            done.cancel();
            outcome
        };
        let progress = ui::show_progress(context.screen.clone(), &gauge, done.clone());
        let (worked, ()) = tokio::join!(work, progress);
        worked
    }

    fn summary(&self, tally: &Tally, started: Instant) -> Value {
        let (files, bytes) = self.survey.all();
        let moved = self.engine.meter.read();
        json!({
            "job": self.args.job,
            "target": self.target.to_string(),
            "files": files,
            "bytes": bytes.0,
            "restored": moved.files,
            "bytes_read": fetched(&moved),
            "known": kinds(&self.survey),
            "states": ui::states(tally),
            "skipped": ui::skipped(tally),
            "requests": self.landed.graphs.read().requests,
            "seconds": started.elapsed().as_secs_f64(),
            "peak_rss_bytes": machine::peak_rss(),
            "interrupted": false,
        })
    }

    /// What did not come back, with its reason, the first of it; and how many came back under another name.
    async fn failed(&self) -> Result<(Vec<Failed>, u64), StoreError> {
        let standings = vec![Standing::In, Standing::Skipped, Standing::Unsettled];
        let filter = FileFilter { standings, ..FileFilter::default() };
        let (mut failed, mut renamed, mut after) = (Vec::new(), 0, FileId(0));
        loop {
            let rows = self.engine.ledger.scan(self.job.handle.id, &filter, after, BATCH).await?;
            let Some(last) = rows.last() else { return Ok((failed, renamed)) };
            after = last.id;
            for row in rows {
                if row.standing == Standing::In && row.state == State::Success {
                    renamed += u64::from(row.dest_name.is_some());
                } else if failed.len() < NAMES {
                    let reason = row.skip.or(row.reason);
                    failed.push(Failed {
                        path: row.path().map_or_else(|| row.entry.name.clone(), |path| path.to_string()),
                        state: row.state.name(),
                        reason: reason.map(|reason| reason.to_string()).unwrap_or_default(),
                        comment: row.comment,
                    });
                }
            }
        }
    }

    fn show(&self, screen: &Screen, tally: &Tally, (failed, renamed): (&[Failed], u64), started: Instant) {
        let name = self.args.job.as_str();
        screen.line(ui::table(name, &ui::states(tally), &ui::skipped(tally), &[]).to_string());
        let moved = self.engine.meter.read();
        screen.line(t!(
            "restore.done",
            files = count(moved.files),
            bytes = landfall_core::ByteSize(fetched(&moved)),
            time = span(started.elapsed()),
            target = self.target
        ));
        tell_weak(screen, &self.survey, "known");
        if renamed > 0 {
            screen.line(t!("restore.renamed", files = count(renamed)));
        }
        for one in failed.iter().take(SHOWN) {
            screen.line(format!("{}  {} {}: {}", one.path, one.state, one.reason, one.comment));
        }
        if failed.len() > SHOWN {
            screen.line(t!("plan.more", number = count((failed.len() - SHOWN) as u64)));
        }
    }
}

/// Bytes that came from where the files had landed. What was read of the target, to compare it, is none of them.
fn fetched(moved: &MeterReading) -> u64 {
    moved.bytes.saturating_sub(moved.read_back)
}

/// Where progress is read from.
pub(super) fn gauge(landed: &Landed, engine: &Engine) -> Gauge {
    Gauge {
        meter: engine.meter.clone(),
        wire: landed.graphs.meter.clone(),
        lanes: landed.graphs.lanes(),
        quota: landed.graphs.quota.clone(),
    }
}

fn judge(
    screen: &Screen,
    worked: Result<RunReport, StoreError>,
    tally: &Tally,
    left_out: &BTreeMap<&'static str, u64>,
    summary: &mut Value,
) -> Exit {
    let mut put = |key: &str, value: Value| {
        if let Some(object) = summary.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    };
    let report = match worked {
        Ok(report) => report,
        Err(error) => {
            let error = CommandError::from(error);
            screen.show_error(&error);
            put("complete", json!(false));
            put("error", error.json());
            return error.exit;
        }
    };
    for (source, error) in &report.crawl.failed {
        screen.show_error(&CommandError::new(Code::UnexpectedAnswer, format!("{source}: {error}")));
    }
    let complete = report.complete() && tally.complete();
    put("complete", json!(complete));
    put("interrupted", json!(report.interrupted));
    put("folders_failed", json!(report.folders_failed));
    if report.interrupted {
        return Exit::Interrupted;
    }
    if complete && left_out.is_empty() { Exit::Complete } else { Exit::Incomplete }
}

fn verdict(exit: Exit) -> String {
    match exit {
        Exit::Complete => t!("restore.complete").into_owned(),
        Exit::Interrupted => t!("restore.interrupted").into_owned(),
        _ => t!("restore.incomplete").into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_knowing_has_words_before_and_after() {
        for known in Known::ALL.into_iter().filter(|known| *known != Known::Whole) {
            for words in ["known", "will"] {
                let key = format!("restore.{words}.{}", known.name());
                let (en, ja) = (t!(&key, locale = "en"), t!(&key, locale = "ja"));
                assert!(!en.starts_with("restore.") && !ja.starts_with("restore.") && en != ja, "{key}");
            }
        }
    }
}
