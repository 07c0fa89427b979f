//! `landfall verify`: every recorded backup of a catalogue looked at, and what it amounts to.
//!
//! Reads the user's database and the Hub, writes to neither. Owns the figures that a person sees, the loud
//! word on plain files, and the old checker's progress file; what is a finding is judged elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_archive::{Archive, Finding, OldProgress, VerifyOptions, VerifyReport};
use landfall_core::engine::Sample;
use landfall_core::ledger::{Answer, LookFilter};
use landfall_core::{ByteSize, Code, StoreError};
use rust_i18n::t;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::{Depth, Verify};
use crate::commands::whole::Whole;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, Screen, count, span};
use crate::wiring::{Context, Session};

/// Looks read from the ledger at a time.
const LOOKS: usize = 1000;
/// Digits of a commit that are shown.
const SHORT: usize = 12;

/// Verifies and shows what was found.
pub(super) async fn verify(
    context: &Context,
    session: &Session,
    args: &Verify,
    started: Instant,
) -> Result<Exit, CommandError> {
    let report = look(context, session, args).await?;
    let told = Told {
        job: &args.job,
        depth: args.depth,
        narrowed: args.limit.is_some() || !args.posts.is_empty(),
        requests: session.graphs.read().requests,
        seconds: started.elapsed().as_secs_f64(),
    };
    let exit = exit(&report);
    show(&context.screen, &report, &told, exit);
    Ok(exit)
}

async fn look(context: &Context, session: &Session, args: &Verify) -> Result<VerifyReport, CommandError> {
    let archive = session.archive()?;
    let options = VerifyOptions {
        depth: match args.depth {
            Depth::Exists => landfall_archive::Depth::Exists,
            Depth::Hash => landfall_archive::Depth::Hash,
            Depth::Bytes => landfall_archive::Depth::Bytes,
        },
        sample: args.sample.map_or(Sample::All, |sample| sample.0),
        batch: args.batch_size,
        delay: args.delay,
        fresh: args.fresh,
        limit: args.limit,
        ..VerifyOptions::default()
    };
    let done = CancellationToken::new();
    let work = async {
        let outcome = archive.verify(&options).await;
        done.cancel();
        outcome
    };
    let wire = session.graphs.meter.clone();
    let text = move || t!("progress.verify", requests = count(wire.read().requests)).into_owned();
    let shown = ui::show_working(context.screen.clone(), text, done.clone());
    let (report, ()) = tokio::join!(work, shown);
    let report = report?;
    if let Some(path) = &args.progress_file {
        write_progress(&archive, &report, path).await?;
    }
    Ok(report)
}

/// What the shell is told: nothing found, findings, or that something could not be looked at.
pub(crate) fn exit(report: &VerifyReport) -> Exit {
    if report.interrupted {
        return Exit::Interrupted;
    }
    if report.unknown > 0 || report.unread > 0 {
        return Exit::Unknown;
    }
    if report.clean() { Exit::Complete } else { Exit::Findings }
}

/// Writes the old checker's file from the ledger. What is unknown is left out of it: it has no word for that.
async fn write_progress(archive: &Archive, report: &VerifyReport, path: &Path) -> Result<(), CommandError> {
    let mut progress = OldProgress::default();
    let mut after = String::new();
    let (ledger, job) = (&archive.engine.ledger, archive.job.handle.id);
    loop {
        let looks = ledger.looks(job, &LookFilter::default(), &after, LOOKS).await?;
        let Some(last) = looks.last() else { break };
        after.clone_from(&last.subject);
        for look in looks {
            let detail: Value = serde_json::from_str(&look.detail).unwrap_or_default();
            let url = detail.get("url").and_then(Value::as_str).filter(|url| !url.is_empty());
            if let (Some(url), Answer::Present | Answer::Absent) = (url, look.answer) {
                progress.checked_urls.insert(url.to_owned(), look.answer == Answer::Present);
            }
        }
    }
    progress.last_index = report.checked;
    progress.stats.total = report.recorded;
    progress.stats.checked = report.checked;
    progress.stats.existing = report.present;
    progress.stats.missing = report.absent;
    progress.stats.wrong_path = report.wrong_paths;
    let refuse = |error: std::io::Error| {
        CommandError::new(Code::BadArgument, format!("write {}: {error}", path.display()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(refuse)?;
    }
    Whole::write(path, progress.write().as_bytes())
}

/// What a report does not know of itself.
struct Told<'a> {
    job: &'a str,
    depth: Depth,
    /// Not everything that is recorded was asked about.
    narrowed: bool,
    requests: u64,
    seconds: f64,
}

fn found(report: &VerifyReport, finding: Finding) -> u64 {
    report.findings.get(finding.name()).copied().unwrap_or_default()
}

fn show(screen: &Screen, report: &VerifyReport, told: &Told<'_>, exit: Exit) {
    if screen.is_json() {
        screen.result(&object(report, told, exit));
        return;
    }
    if report.resumed {
        screen.line(t!("verify.resumed"));
    }
    screen.line(t!(
        "verify.done",
        recorded = count(report.recorded),
        requests = count(told.requests),
        time = span(std::time::Duration::from_secs_f64(told.seconds.max(0.0)))
    ));
    screen.line(t!(
        "verify.checked",
        checked = count(report.checked),
        present = count(report.present),
        absent = count(report.absent),
        unknown = count(report.unknown)
    ));
    screen.line(t!("verify.absent", wrong = count(report.wrong_paths)));
    screen.line(t!(
        "verify.present",
        mispaired = count(found(report, Finding::Mispaired)),
        unsealed = count(found(report, Finding::Leak)),
        changed = count(found(report, Finding::Changed))
    ));
    screen.line(t!("verify.proven", proven = count(report.proven), never = count(report.never_proven)));
    if told.depth == Depth::Bytes {
        screen.line(t!(
            "verify.read",
            read = count(report.read),
            bytes = ByteSize(report.read_bytes),
            unread = count(report.unread)
        ));
    }
    screen.line(t!("verify.posts", posts = count(report.posts_affected)));
    tables(screen, report);
    for (repo, (head, moved)) in &report.repositories {
        let head = head.get(..SHORT).unwrap_or(head);
        screen.line(match moved {
            None => t!("verify.head", repo = repo, head = head).into_owned(),
            Some(now) => t!("verify.moved", repo = repo, head = head, now = now.get(..SHORT).unwrap_or(now))
                .into_owned(),
        });
    }
    leaks(screen, report, told.job);
    screen.line(verdict(report, told));
}

fn tables(screen: &Screen, report: &VerifyReport) {
    let heading = |keys: &[&str]| keys.iter().map(|key| ui::word(key)).collect::<Vec<_>>();
    if report.open_findings() > 0 {
        let mut cells = Cells::new(&heading(&["table.finding", "table.pattern", "table.urls"]), 2);
        for finding in Finding::ALL.into_iter().filter(|finding| found(report, *finding) > 0) {
            let words = ui::word(&format!("finding.{}", finding.name()));
            let name = format!("{}: {words}", finding.name());
            cells.row(&[name, finding.pattern().to_owned(), count(found(report, finding))]);
        }
        screen.line(cells.to_string());
    }
    let mut cells = Cells::new(
        &heading(&[
            "table.kind",
            "verify.word.checked",
            "verify.word.present",
            "verify.word.absent",
            "verify.word.unknown",
        ]),
        1,
    );
    for (kind, totals) in &report.kinds {
        let numbers = [totals.checked, totals.present, totals.absent, totals.unknown];
        let mut row = vec![ui::word(&format!("kind.{kind}"))];
        row.extend(numbers.map(count));
        cells.row(&row);
    }
    screen.line(cells.to_string());
    if !report.worst_users.is_empty() {
        let mut cells = Cells::new(&heading(&["table.user", "table.findings"]), 1);
        for (user, number) in &report.worst_users {
            cells.row(&[user.clone(), count(*number)]);
        }
        screen.line(cells.to_string());
    }
    for (reason, number) in &report.settled {
        // What nobody can mend is settled by the word of its finding.
        let list = if Finding::parse(reason).is_some() { "finding" } else { "reason" };
        let words = ui::word(&format!("{list}.{reason}"));
        screen.line(t!("verify.settled", number = count(*number), reason = reason, words = words));
    }
}

/// Plain files that everyone with access can see are said loudly, with what can be done about them.
fn leaks(screen: &Screen, report: &VerifyReport, job: &str) {
    // Those that a repair replaced and left are told of as loudly.
    let leaks = report.leaks.len() as u64;
    if leaks > 0 {
        screen.line("");
        screen.line(t!("verify.leak", number = count(leaks), job = job));
        screen.line("");
    }
}

fn verdict(report: &VerifyReport, told: &Told<'_>) -> String {
    let job = told.job;
    if report.interrupted {
        return t!("verify.interrupted", job = job).into_owned();
    }
    let unknown = report.unknown + report.unread;
    if unknown > 0 {
        return t!("verify.unknown", number = count(unknown), job = job).into_owned();
    }
    if report.open_findings() > 0 {
        return t!("verify.findings", number = count(report.open_findings()), job = job).into_owned();
    }
    if !report.leaks.is_empty() {
        return t!("verify.leaks_left", number = count(report.leaks.len() as u64), job = job).into_owned();
    }
    if report.recorded == 0 {
        return t!("verify.nothing").into_owned();
    }
    clean(report, told)
}

/// Nothing is open. What is settled is neither there nor proven for that, so "every backup" is not said beside it,
/// nor where only a part was asked about.
fn clean(report: &VerifyReport, told: &Told<'_>) -> String {
    let settled: u64 = report.settled.values().sum();
    let found = match settled {
        0 => t!("verify.found_nothing").into_owned(),
        settled => t!("verify.found_settled", number = count(settled)).into_owned(),
    };
    let every = settled == 0 && !told.narrowed;
    let (checked, there) = (count(report.checked), count(report.present));
    let words = if told.depth == Depth::Bytes {
        let read = count(report.read);
        match every {
            true => t!("verify.clean_bytes", found = found, read = read, there = there),
            false => t!("verify.part_bytes", found = found, checked = checked, read = read, there = there),
        }
    } else if told.depth == Depth::Hash || report.never_proven == 0 {
        match every {
            true => t!("verify.clean", found = found),
            false => t!("verify.part", found = found, checked = checked, proven = count(report.proven)),
        }
    } else {
        t!("verify.clean_unproven", found = found, number = count(report.never_proven), job = told.job)
    };
    words.into_owned()
}

fn object(report: &VerifyReport, told: &Told<'_>, exit: Exit) -> Value {
    let mut object = serde_json::to_value(report).unwrap_or_default();
    let repositories: BTreeMap<&String, Value> = report
        .repositories
        .iter()
        .map(|(repo, (head, moved))| (repo, json!({ "commit": head, "moved_to": moved })))
        .collect();
    let users: Vec<Value> =
        report.worst_users.iter().map(|(user, number)| json!({ "user": user, "findings": number })).collect();
    let more = [
        ("job", json!(told.job)),
        ("command", json!("verify")),
        ("depth", json!(told.depth.word())),
        ("clean", json!(report.clean())),
        ("narrowed", json!(told.narrowed)),
        ("mispaired", json!(found(report, Finding::Mispaired))),
        ("unsealed", json!(found(report, Finding::Leak))),
        ("repositories", json!(repositories)),
        ("worst_users", json!(users)),
        ("requests", json!(told.requests)),
        ("seconds", json!(told.seconds)),
        ("exit", json!(exit.number())),
    ];
    if let Some(map) = object.as_object_mut() {
        map.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    object
}

/// True where a job was ever verified.
pub(crate) async fn was_verified(archive: &Archive) -> Result<bool, StoreError> {
    let job = archive.job.handle.id;
    Ok(!archive.engine.ledger.looks(job, &LookFilter::default(), "", 1).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_graver_than_findings_and_an_interruption_graver_than_both() {
        let report = |unknown, absent: u64, interrupted| {
            let mut report = VerifyReport::default();
            report.unknown = unknown;
            report.findings.extend((absent > 0).then(|| ("absent".to_owned(), absent)));
            report.interrupted = interrupted;
            report
        };
        assert_eq!(exit(&report(0, 0, false)), Exit::Complete);
        assert_eq!(exit(&report(0, 2, false)), Exit::Findings);
        assert_eq!(exit(&report(1, 2, false)), Exit::Unknown);
        assert_eq!(exit(&report(1, 2, true)), Exit::Interrupted);
    }

    #[test]
    fn a_plain_file_that_a_repair_left_is_a_finding() {
        let mut report = VerifyReport::default();
        report.recorded = 3;
        report.leaks.push("https://huggingface.co/datasets/me/x/resolve/main/images/a.jpg".to_owned());
        let told = Told { job: "tweets", depth: Depth::Exists, narrowed: false, requests: 1, seconds: 0.0 };
        assert_eq!((exit(&report), report.clean()), (Exit::Findings, false));
        assert!(verdict(&report, &told).contains("`landfall repair tweets --remove-leaks`"));
    }

    #[test]
    fn what_is_settled_is_not_said_to_be_there() {
        let mut report = VerifyReport::default();
        (report.recorded, report.checked, report.present, report.proven) = (9, 9, 7, 7);
        let told = Told { job: "tweets", depth: Depth::Exists, narrowed: false, requests: 1, seconds: 0.0 };
        assert!(verdict(&report, &told).contains("Every recorded backup is there"));
        let part = verdict(&report, &Told { narrowed: true, ..told });
        assert!(part.contains("Of 9 looked at, 7 are there"), "{part}");
        report.settled.insert("deleted".to_owned(), 2);
        let words = verdict(&report, &told);
        assert!(words.contains('2') && words.contains('7'), "{words}");
        assert!(!words.contains("Every recorded backup"), "{words}");
        assert_eq!(exit(&report), Exit::Complete);
    }

    #[test]
    fn every_finding_has_words_in_both_languages() {
        for finding in Finding::ALL {
            let key = format!("finding.{}", finding.name());
            let (en, ja) = (t!(&key, locale = "en"), t!(&key, locale = "ja"));
            assert!(!en.starts_with("finding.") && !ja.starts_with("finding.") && en != ja, "{key}");
        }
    }
}
