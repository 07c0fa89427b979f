//! The database of posts: what is none, what is locked, what somebody else writes to meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::refused;
use crate::support::{ServedArchive, pause};

#[test]
fn what_is_no_database_or_has_no_such_table_is_named() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let with = |from: &str, to: &str| sim.verify_with(from, to);
    sim.bench.write("写真.db", "これはデータベースではない、ただの文章です。");
    refused(&with("sqlite:data/eventmonitor.db", "sqlite:写真.db"), 2, "LF0321", "写真.db");
    refused(&with("sqlite:data/eventmonitor.db", "sqlite:無い.db"), 2, "LF0321", "無い.db");
    refused(&with("\"all_tweets\"", "\"al_tweets\""), 2, "LF0313", "all_tweets");
    let columns = "{ name = \"all_tweets\", media_urls = \"urls\" }";
    refused(&with("\"all_tweets\"", columns), 2, "LF0313", "media_urls");
    refused(&with("tables = [\"all_tweets\", \"log_only_tweets\"]", "tables = []"), 2, "LF0102", "tables");
    sim.bench.write("landfall.toml", &toml);
    refused(&sim.bench.landfall(&["backlog", "tweets", "--table", "pixiv"]), 2, "LF0104", "log_only_tweets");
    assert!(!sim.bench.path("無い.db").exists());
}

/// Another program that has the database locked, until it is told to let go.
struct Locker(Child);

impl Locker {
    fn of(sim: &ServedArchive) -> Self {
        let script = r"
import sqlite3, sys
base = sqlite3.connect('data/eventmonitor.db', isolation_level=None)
base.execute('BEGIN EXCLUSIVE')
print('locked', flush=True)
sys.stdin.readline()
base.execute('ROLLBACK')
";
        let mut child = sim.bench.python(script).stdin(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Self(child)
    }

    fn let_go(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn a_database_that_stays_locked_is_named_and_nothing_is_written() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "7"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    let before = sim.bytes();
    let locker = Locker::of(&sim);
    for command in ["verify", "repair", "run"] {
        let output = sim.bench.landfall(&[command, "tweets"]);
        refused(&output, 7, "LF0421", "eventmonitor.db");
        let said = output.stderr.matches("database is locked").count();
        assert_eq!(said, 1, "the driver's words stand there once: {}", output.stderr);
        assert!(!output.stderr.contains("WARN"), "{}", output.stderr);
    }
    assert!(sim.bytes() == before, "something was written");
    locker.let_go();
    sim.settles();
}

#[test]
fn a_database_that_is_locked_for_a_moment_is_waited_for() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "8"]);
    let locker = Locker::of(&sim);
    let verify = sim.bench.start(&["verify", "tweets", "--json"]);
    pause(1500);
    locker.let_go();
    let output = verify.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Puts another program before the simulator's resolver: it writes to the database once, at the moment at
/// which Landfall asks for the nth time, so between its reading of the rows and its writing to them.
fn meanwhile(sim: &ServedArchive, nth: usize, script: &str) {
    std::fs::rename(sim.bench.path("resolver.py"), sim.bench.path("resolver_itself.py")).unwrap();
    let before = "import json, os, runpy, sqlite3\n\
        def meanwhile(base):\n";
    let body: String = script.lines().map(|line| format!("    {line}\n")).collect();
    let when = format!("    return {nth}\n");
    let after = r"
with open('starts', 'a') as starts:
    starts.write('.')
if os.path.getsize('starts') == nth():
    open('meanwhile', 'w').close()
    base = sqlite3.connect('data/eventmonitor.db', timeout=30)
    meanwhile(base)
    base.commit()
    base.close()
runpy.run_path('resolver_itself.py', run_name='__main__')
";
    sim.bench.write("resolver.py", &format!("{before}{body}def nth():\n{when}{after}"));
}

/// The lists in a column, by row; texts that are no list are left out.
fn lists(sim: &ServedArchive, column: &str) -> Vec<(String, Vec<String>)> {
    let script = r"
import json, sqlite3, sys
base = sqlite3.connect('file:data/eventmonitor.db?mode=ro', uri=True)
rows = {}
for table in ('all_tweets', 'log_only_tweets'):
    for id, text in base.execute('SELECT id, ' + sys.argv[1] + ' FROM ' + table):
        try:
            rows[table + '/' + id] = json.loads(text or '[]') or []
        except ValueError:
            pass
print(json.dumps(rows))
";
    let output = sim.bench.python(script).arg(column).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| {
        value.as_array().map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    rows.as_object().unwrap().iter().filter_map(|(id, value)| Some((id.clone(), list(value)?))).collect()
}

/// What others append between our reading and our writing: the first lies on the Hub, the second does not.
const THERE: &str = "https://huggingface.co/datasets/me/EventMonitor/resolve/main/encrypted_images/tanin/kohopkrvqnkafe8u0fbh3pqtqc";
const NOT_THERE: &str =
    "https://huggingface.co/datasets/me/EventMonitor/resolve/main/encrypted_images/tanin/nowhere";

/// Rows that were never backed up.
const BACKLOG: &str = "coalesce(huggingface_urls, '') IN ('', '[]', 'null') AND media_urls LIKE '%https%'";

#[test]
fn what_others_append_to_rows_under_work_survives_whatever_stood_there() {
    let sim = ServedArchive::start(&["--files", "200", "--seed", "9"]);
    sim.put("me/EventMonitor", "encrypted_images/tanin/kohopkrvqnkafe8u0fbh3pqtqc", "他人の写真");
    // A third of what was never backed up says so by the text `null`, a third by NULL, as some programs do.
    sim.sql(&format!("UPDATE all_tweets SET huggingface_urls = 'null' WHERE {BACKLOG} AND rowid % 3 = 1"));
    sim.sql(&format!("UPDATE all_tweets SET huggingface_urls = NULL WHERE {BACKLOG} AND rowid % 3 = 2"));
    let script = format!(
        "for table in ('all_tweets', 'log_only_tweets'):\n    \
             rows = base.execute(f'SELECT id FROM {{table}} WHERE ' + \"{BACKLOG}\").fetchall()\n    \
             for n, (id,) in enumerate(rows):\n        \
                 urls = json.dumps([('{THERE}', '{NOT_THERE}')[n % 2]])\n        \
                 base.execute(f'UPDATE {{table}} SET huggingface_urls = ? WHERE id = ?', (urls, id))"
    );
    meanwhile(&sim, 1, &script);
    let run = sim.bench.landfall(&["run", "tweets", "--json"]);
    assert!(matches!(run.code, 0 | 1), "{}\n{}", run.stdout, run.stderr);
    assert!(sim.bench.path("meanwhile").exists(), "nobody wrote in between");
    let rows = lists(&sim, "huggingface_urls");
    let (mut there, mut nowhere) = (0, 0);
    for (id, urls) in &rows {
        let theirs = urls.iter().filter(|url| *url == THERE || *url == NOT_THERE).count();
        if theirs == 0 {
            continue;
        }
        assert_eq!(theirs, 1, "{id}: {urls:?}");
        assert!([THERE, NOT_THERE].contains(&urls[0].as_str()), "{id}: it stays where it stood: {urls:?}");
        there += usize::from(urls.len() > 1 && urls[0] == THERE);
        nowhere += usize::from(urls.len() > 1 && urls[0] == NOT_THERE);
    }
    assert!(there > 3 && nowhere > 3, "ours stand beside theirs in {there} and {nowhere} rows");
    // What they wrote is judged like everything else.
    let verify = sim.bench.landfall(&["verify", "tweets", "--json"]);
    assert_eq!(verify.code, 6, "{}", verify.stderr);
    let absent = verify.json()["findings"]["absent"].as_u64().unwrap();
    let named = rows.iter().filter(|(_, urls)| urls.iter().any(|url| url == NOT_THERE)).count();
    assert!(absent >= named as u64, "{absent} absent, {named} recorded by others: {}", verify.stdout);
    assert_eq!(sim.check()["orphans"], serde_json::json!([]), "what was sent is recorded");
}

#[test]
fn a_row_that_others_made_unreadable_is_not_written_over_and_told_later() {
    let sim = ServedArchive::start(&["--files", "200", "--seed", "10"]);
    let broken = r#"["https://huggingface.co/datasets/me/Event"#;
    let script = format!(
        "base.execute(\"UPDATE all_tweets SET huggingface_urls = ? WHERE {BACKLOG} AND huggingface_urls = '[]'\", ('{broken}',))"
    );
    meanwhile(&sim, 1, &script);
    let run = sim.bench.landfall(&["run", "tweets", "--json"]);
    assert_eq!(run.code, 1, "{}\n{}", run.stdout, run.stderr);
    let count = format!("SELECT count(*) FROM all_tweets WHERE huggingface_urls = '{broken}'");
    let unreadable: u64 = sim.sql(&count).parse().unwrap();
    assert!(unreadable > 3, "{unreadable}");
    // The other program mends its mistake: what is owed is written then, and nothing is sent again.
    let commits = || sim.hub("GET", "commits?repo=me/EventMonitor", "").lines().count();
    let before = commits();
    sim.sql(&format!("UPDATE all_tweets SET huggingface_urls = '[]' WHERE huggingface_urls = '{broken}'"));
    let again = sim.bench.landfall(&["run", "tweets", "--json"]);
    assert!(matches!(again.code, 0 | 1), "{}\n{}", again.stdout, again.stderr);
    assert_eq!(commits(), before, "it was sent again");
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    sim.settles();
}

#[test]
fn a_row_that_others_repair_at_the_same_moment_keeps_what_they_wrote() {
    let sim = ServedArchive::start(&["--files", "200", "--seed", "11"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets"]).code, 6);
    let theirs = r#"["https://pbs.twimg.com/media/THEIRS?format=jpg&name=orig"]"#;
    let lost = "coalesce(media_urls, '') IN ('', '[]') AND huggingface_urls LIKE '%https%'";
    let script =
        format!("base.execute(\"UPDATE all_tweets SET media_urls = ? WHERE {lost}\", ('{theirs}',))");
    // At the first start the simulator's resolver dies over one of the posts.
    meanwhile(&sim, 2, &script);
    let repair = sim.bench.landfall(&["repair", "tweets", "--pattern", "3", "--json"]);
    assert_eq!(repair.code, 1, "{}\n{}", repair.stdout, repair.stderr);
    let object = repair.json();
    assert!(object["files"]["conflict"].as_u64().is_some_and(|n| n > 0), "{object}");
    assert!(repair.stdout.contains("changed by another program"), "{}", repair.stdout);
    let kept = lists(&sim, "media_urls").iter().filter(|(_, urls)| urls.concat().contains("THEIRS")).count();
    assert!(kept > 3, "{kept}");
    let again = sim.bench.landfall(&["repair", "tweets", "--pattern", "3", "--json"]);
    assert_eq!(again.json()["files"]["conflict"], Value::Null, "it is looked at anew: {}", again.stdout);
    let still = lists(&sim, "media_urls").iter().filter(|(_, urls)| urls.concat().contains("THEIRS")).count();
    assert_eq!(still, kept);
}
