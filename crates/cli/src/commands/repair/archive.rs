//! `landfall repair`: what a verify found is mended, post by post, each file by the cheapest proven way.
//!
//! Owns which findings a call is about and how it is told; what is done about each stands elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_archive::{FileOutcome, Finding, OldProgress, PostOutcome, RepairOptions, RepairReport};
use landfall_core::{Code, ErrorKind};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::Repair;
use crate::commands::verify;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::{self, Screen, count, span};
use crate::wiring::{Context, Session};

/// Posts that the final object holds.
const POSTS: usize = 1000;
/// Times that what was put off is tried within one call.
const ROUNDS: u32 = 4;
/// The shortest wait before that, and the longest.
const SHORTEST: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(300);

/// Repairs and shows what each post got.
pub(super) async fn repair(
    context: &Context,
    session: &Session,
    args: &Repair,
    started: Instant,
) -> Result<Exit, CommandError> {
    if !args.include.is_empty() || args.remove_doubles {
        let detail =
            "--include and --remove-doubles are about files that people work with; an archive has none";
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    let options = options(args)?;
    let kept = Kept { screen: context.screen.clone(), seen: Mutex::default(), met: Mutex::default() };
    let report = kept.totals(mend(context, session, &options, &kept).await?);
    let exit = exit(&report, args.dry_run);
    let told = Told {
        job: &args.job,
        dry: args.dry_run,
        leaks_left: session.archive()?.has_left_leaks().await?,
        requests: session.graphs.read().requests,
        seconds: started.elapsed().as_secs_f64(),
    };
    show(&kept, &report, &told, exit);
    Ok(exit)
}

/// Mends in rounds: what a resolver or service put off is tried again once the time that it named has come.
async fn mend(
    context: &Context,
    session: &Session,
    options: &RepairOptions,
    kept: &Kept,
) -> Result<RepairReport, CommandError> {
    let archive = session.archive()?;
    if options.urls.is_none() && !verify::was_verified(&archive).await? {
        let job = &session.job.handle.name;
        let error =
            CommandError::new(Code::Incomplete, format!("{job} was never verified, so nothing is known"));
        return Err(error.titled("repair.not_verified").hinted(t!("repair.verify_first", job = job)));
    }
    let mut round = 0;
    loop {
        round += 1;
        kept.begin_round();
        let report = match archive.repair(options, &|post| kept.tell(post)).await {
            Err(error) if error.kind == ErrorKind::Stopped => {
                return Ok(RepairReport { interrupted: true, ..RepairReport::default() });
            }
            outcome => outcome?,
        };
        if !report.interrupted {
            kept.end_round();
        }
        let (files, wait) = kept.put_off(machine::now());
        if report.interrupted || options.dry_run || files == 0 || round == ROUNDS || wait > PATIENCE {
            return Ok(report);
        }
        context.screen.note(t!("repair.waiting", files = count(files), time = span(wait)));
        // Dropping either loses nothing: everything is in the ledger by now.
        tokio::select! {
            () = context.stop.cancelled() => return Ok(RepairReport { interrupted: true, ..report }),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn options(args: &Repair) -> Result<RepairOptions, CommandError> {
    let known: BTreeSet<&str> =
        Finding::ALL.iter().flat_map(|finding| [finding.pattern(), finding.name()]).collect();
    if let Some(other) = args.pattern.iter().find(|word| !known.contains(word.as_str()) && *word != "4") {
        let list: Vec<&str> = known.into_iter().collect();
        let detail = format!("--pattern {other:?} is not known; known are {}", list.join(", "));
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    if args.pattern.iter().any(|word| word == "4") {
        let detail = "pattern 4 is what was never backed up: `landfall run` does that";
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    Ok(RepairOptions {
        dry_run: args.dry_run,
        limit: args.limit,
        patterns: args.pattern.iter().cloned().collect(),
        urls: args.from.as_deref().map(doubtful).transpose()?,
        remove_leaks: args.remove_leaks,
        retry_gone: args.retry_gone,
    })
}

/// The URLs that the old checker did not find: unknown, until they are looked at.
fn doubtful(path: &Path) -> Result<BTreeSet<String>, CommandError> {
    let refuse = |what: String| CommandError::new(Code::BadArgument, format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let progress = OldProgress::read(text.trim_start_matches('\u{feff}')).map_err(refuse)?;
    Ok(progress.doubtful().into_iter().map(str::to_owned).collect())
}

fn exit(report: &RepairReport, dry: bool) -> Exit {
    let open = |outcome: &String| match outcome.as_str() {
        "mended" | "settled" => false,
        "planned" => !dry,
        _ => true,
    };
    match report.interrupted {
        true => Exit::Interrupted,
        false if report.files.keys().any(open) => Exit::Incomplete,
        false => Exit::Complete,
    }
}

/// Shows posts as they are done, and keeps what became of each file in the last round that met it.
struct Kept {
    screen: Screen,
    seen: Mutex<BTreeMap<String, PostOutcome>>,
    /// Posts that the present round has met.
    met: Mutex<BTreeSet<String>>,
}

/// When a thing put off may be tried again, where its words end in a time.
fn not_before(words: &str) -> Option<Timestamp> {
    words.rsplit(' ').next()?.parse().ok()
}

impl Kept {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, PostOutcome>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_round(&self) {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What was put off and is no longer met was mended by somebody else meanwhile.
    fn end_round(&self) {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        for post in self.seen().values_mut().filter(|post| !met.contains(&post.post)) {
            for file in post.files.iter_mut().filter(|file| file.outcome == "postponed") {
                file.outcome = "mended".to_owned();
                file.reason = None;
                file.words = "mended by somebody else meanwhile".to_owned();
            }
        }
    }

    /// How many files were put off, and how long until the first of them may be tried again.
    fn put_off(&self, now: Timestamp) -> (u64, Duration) {
        let seen = self.seen();
        let files = seen.values().flat_map(|post| &post.files).filter(|file| file.outcome == "postponed");
        let waits: Vec<Duration> = files
            .map(|file| {
                let wait = not_before(&file.words).map(|at| at.duration_since(now));
                wait.and_then(|wait| wait.try_into().ok()).unwrap_or(SHORTEST)
            })
            .collect();
        // All of them at once: a round looks at everything again.
        (waits.len() as u64, waits.into_iter().max().unwrap_or_default().max(SHORTEST))
    }

    /// The report with each file counted once, as the last round left it.
    fn totals(&self, report: RepairReport) -> RepairReport {
        let mut total =
            RepairReport { bytes: report.bytes, interrupted: report.interrupted, ..RepairReport::default() };
        for post in self.seen().values() {
            *total.posts.entry(post.outcome().to_owned()).or_default() += 1;
            for file in &post.files {
                *total.files.entry(file.outcome.clone()).or_default() += 1;
                *total.steps.entry(file.step.clone()).or_default() += 1;
            }
        }
        total
    }

    /// Keeps a post's outcome, its files of an earlier round replaced one by one.
    fn keep(&self, post: &PostOutcome) {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).insert(post.post.clone());
        let mut seen = self.seen();
        let Some(before) = seen.get_mut(&post.post) else {
            seen.insert(post.post.clone(), post.clone());
            return;
        };
        for file in &post.files {
            let same = |other: &&mut FileOutcome| other.subject == file.subject && other.step == file.step;
            match before.files.iter_mut().find(same) {
                Some(earlier) => *earlier = file.clone(),
                None => before.files.push(file.clone()),
            }
        }
    }

    fn tell(&self, post: &PostOutcome) {
        if post.files.is_empty() {
            return;
        }
        let (number, all) = post.number;
        self.screen.line(t!(
            "repair.post",
            number = number,
            all = all,
            post = post.post,
            user = post.username,
            absent = count(post.absent),
            images = count(post.images),
            videos = count(post.videos)
        ));
        for file in &post.files {
            let mut line = format!(
                "    {}: {}, {}",
                file.subject,
                ui::word(&format!("step.{}", file.step)),
                ui::word(&format!("outcome.{}", file.outcome))
            );
            if let Some(reason) = &file.reason {
                line.push_str(&format!(" ({reason}: {})", ui::word(&format!("reason.{reason}"))));
            }
            if !file.words.is_empty() {
                line.push_str(&format!("; {}", file.words));
            }
            if let Some(url) = &file.url {
                line.push_str(&format!("\n      {url}"));
            }
            self.screen.line(line);
        }
        self.keep(post);
    }
}

/// What a report does not know of itself.
struct Told<'a> {
    job: &'a str,
    dry: bool,
    /// Plain files were replaced and not taken away.
    leaks_left: bool,
    requests: u64,
    seconds: f64,
}

fn show(kept: &Kept, report: &RepairReport, told: &Told<'_>, exit: Exit) {
    let screen = &kept.screen;
    if screen.is_json() {
        screen.result(&object(kept, report, told, exit));
        return;
    }
    let list = |numbers: &BTreeMap<String, u64>| {
        let words =
            numbers.iter().map(|(name, n)| format!("{} {}", count(*n), ui::word(&format!("outcome.{name}"))));
        let words: Vec<String> = words.collect();
        if words.is_empty() { ui::word("repair.none") } else { words.join(", ") }
    };
    screen.line(t!("repair.posts", list = list(&report.posts)));
    screen.line(t!("repair.files", list = list(&report.files)));
    let time = span(Duration::from_secs_f64(told.seconds.max(0.0)));
    screen.line(t!("repair.cost", requests = count(told.requests), time = time));
    screen.line(match exit {
        Exit::Interrupted => t!("repair.interrupted", job = told.job),
        _ if told.dry => t!("repair.dry", job = told.job),
        Exit::Complete if told.leaks_left => t!("repair.leaks_left", job = told.job),
        Exit::Complete => t!("repair.complete", job = told.job),
        _ => t!("repair.incomplete", job = told.job),
    });
}

fn object(kept: &Kept, report: &RepairReport, told: &Told<'_>, exit: Exit) -> Value {
    let posts = kept.seen();
    json!({
        "job": told.job,
        "command": "repair",
        "dry_run": told.dry,
        "posts": report.posts,
        "files": report.files,
        "steps": report.steps,
        "bytes": report.bytes,
        "interrupted": report.interrupted,
        "complete": report.complete(),
        "leaks_left": told.leaks_left,
        "outcomes": posts.values().take(POSTS).map(|post| json!({
            "post": post.post,
            "username": post.username,
            "absent": post.absent,
            "images": post.images,
            "videos": post.videos,
            "outcome": post.outcome(),
            "files": post.files,
        })).collect::<Vec<_>>(),
        "requests": told.requests,
        "seconds": told.seconds,
        "exit": exit.number(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_or_postponed_makes_a_repair_incomplete() {
        let report = |word: &str| RepairReport {
            files: [("mended".to_owned(), 3), (word.to_owned(), 1)].into_iter().collect(),
            ..RepairReport::default()
        };
        assert_eq!(exit(&report("settled"), false), Exit::Complete);
        assert_eq!(exit(&report("planned"), true), Exit::Complete);
        for word in ["left", "postponed", "conflict"] {
            assert_eq!(exit(&report(word), false), Exit::Incomplete, "{word}");
        }
        let stopped = RepairReport { interrupted: true, ..RepairReport::default() };
        assert_eq!(exit(&stopped, false), Exit::Interrupted);
    }

    fn quiet() -> crate::args::Global {
        use clap::Parser as _;
        crate::args::Cli::try_parse_from(["landfall", "-q", "--json", "init"]).unwrap().global
    }

    #[test]
    fn what_was_put_off_is_counted_once_and_waited_for() {
        let kept = Kept { screen: Screen::new(&quiet()), seen: Mutex::default(), met: Mutex::default() };
        let file = |outcome: &str, words: &str| FileOutcome {
            finding: "lost-media".to_owned(),
            subject: "media_urls".to_owned(),
            step: "ask".to_owned(),
            outcome: outcome.to_owned(),
            reason: None,
            words: words.to_owned(),
            url: None,
        };
        let post = |outcome, words| PostOutcome {
            post: "all_tweets/19".to_owned(),
            username: "花子".to_owned(),
            files: vec![file(outcome, words)],
            ..PostOutcome::default()
        };
        let now: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
        kept.tell(&post("postponed", "not before 2026-11-22T02:00:07Z"));
        assert_eq!(kept.put_off(now), (1, Duration::from_secs(7)));
        kept.tell(&post("postponed", "no answer came"));
        assert_eq!(kept.put_off(now), (1, SHORTEST));
        kept.begin_round();
        kept.tell(&post("postponed", "no answer came"));
        kept.end_round();
        assert_eq!(kept.put_off(now).0, 1, "it was met again");
        // A round that does not meet the post: somebody else mended it.
        kept.begin_round();
        kept.end_round();
        assert_eq!(kept.put_off(now).0, 0);
        kept.tell(&post("mended", ""));
        assert_eq!(kept.put_off(now).0, 0);
        let totals = kept.totals(RepairReport::default());
        assert_eq!(totals.files.get("mended"), Some(&1));
        assert_eq!((totals.files.len(), totals.posts.get("mended")), (1, Some(&1)));
    }

    #[test]
    fn every_word_of_an_outcome_has_its_text() {
        let steps = ["correct", "rewrite", "move", "send", "ask", "remove", "choose", "leave"]
            .map(|s| format!("step.{s}"));
        let outcomes =
            ["mended", "planned", "settled", "postponed", "conflict", "left"].map(|o| format!("outcome.{o}"));
        for key in steps.into_iter().chain(outcomes) {
            let (en, ja) = (t!(&key, locale = "en"), t!(&key, locale = "ja"));
            assert!(!en.contains("step.") && !en.contains("outcome.") && en != ja, "{key}");
        }
    }
}
