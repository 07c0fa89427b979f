//! A scratch folder with the program, and a simulator that the program serves in it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A secret that must not turn up anywhere.
pub(crate) const SECRET_MARK: &str = "MARK-geheim-8d1f77";

/// One statement to the database of posts, by a program that is not ours.
const STATEMENT: &str = r"
import sqlite3, sys
base = sqlite3.connect('data/eventmonitor.db', timeout=30)
row = base.execute(sys.argv[1]).fetchone()
base.commit()
print('' if row is None else row[0], end='')
";

/// What a command printed and ended with.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The final object, which is all of standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// An empty folder in which commands run.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Replaces the rest of every line after a beginning.
    pub(crate) fn replace(&self, name: &str, begin: &str, line: &str) {
        let text = self.read(name);
        let lines: Vec<&str> = text.lines().map(|l| if l.starts_with(begin) { line } else { l }).collect();
        assert!(lines.contains(&line), "{begin} does not stand in {name}");
        self.write(name, &(lines.join("\n") + "\n"));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        for (name, _) in std::env::vars() {
            if ["LANDFALL_", "AZURE_", "HF_", "RCLONE_", "X_BEARER"].iter().any(|own| name.starts_with(own)) {
                command.env_remove(name);
            }
        }
        command.env("LANG", "C").env_remove("LC_ALL").env_remove("LC_MESSAGES");
        command.current_dir(self.folder.path()).args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    pub(crate) fn landfall(&self, args: &[&str]) -> Output {
        output_of(&mut self.command(args))
    }

    /// A script in Python, which stands for some other program of the user's.
    pub(crate) fn python(&self, script: &str) -> Command {
        let mut command = Command::new("python3");
        command.current_dir(self.folder.path()).args(["-c", script]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program so that rights of files count for root too.
    pub(crate) fn landfall_without_powers(&self, args: &[&str]) -> Output {
        let id = Command::new("id").arg("-u").output().unwrap();
        if id.stdout != b"0\n" {
            return self.landfall(args);
        }
        let own = self.command(args);
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search").arg(own.get_program()).args(args);
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        output_of(command.current_dir(self.folder.path()).stdin(Stdio::null()))
    }

    /// Rows of a job's log with this status.
    pub(crate) fn log_rows(&self, job: &str, status: &str) -> usize {
        let text = self.read(&format!(".landfall/{job}/upload_log.csv"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.records().filter(|record| record.as_ref().unwrap().get(3) == Some(status)).count()
    }
}

fn output_of(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Asks a process to stop, as Ctrl-C does, and waits for its end: its output, and how long that took.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a child process knows no virtual time")]
pub(crate) fn interrupted(child: Child) -> (std::process::Output, Duration) {
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let begun = std::time::Instant::now();
    (child.wait_with_output().unwrap(), begun.elapsed())
}

/// Waits a little; these tests watch real processes, so their time is the real one.
#[expect(clippy::disallowed_methods, reason = "a child process knows no virtual time")]
pub(crate) fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Looks again and again until something is so, for at most a minute of looking.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if so() {
            return;
        }
        pause(50);
    }
    panic!("{what} never came to be");
}

/// The final object of a run has every field that the issue names, with its type.
#[track_caller]
pub(crate) fn assert_shape(summary: &Value) {
    for field in ["files", "bytes", "requests", "resource_units", "throttled", "retries"] {
        assert!(summary[field].is_u64(), "{field}: {summary}");
    }
    assert!(summary["seconds"].is_f64() && summary["complete"].is_boolean() && summary["job"].is_string());
    assert!(summary["skipped"].is_object());
    for state in ["PENDING", "LOCAL", "DUPE", "SUCCESS", "NG"] {
        assert!(summary["states"][state].is_u64(), "states {state}");
    }
    for way in ["stream", "spool", "copy", "already_there"] {
        assert!(summary["via"][way].is_u64(), "via {way}");
    }
    for kind in ["hash", "bytes", "parts"] {
        assert!(summary["proven_by"][kind].is_u64(), "proven_by {kind}");
    }
    if cfg!(target_os = "linux") {
        assert!(summary["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    }
}

/// A simulator with its configuration in a scratch folder; ended when dropped.
pub(crate) struct Served {
    pub(crate) bench: Bench,
    child: Child,
    inspect: String,
}

impl Served {
    pub(crate) fn start(args: &[&str]) -> Self {
        let bench = Bench::new();
        let mut all = vec!["sim", "--config", "landfall.toml"];
        all.extend(args);
        let mut child = bench.start(&all);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(ready["graph"].is_string() && ready["login"].is_string() && ready["env"].is_object());
        Self { bench, child, inspect: ready["inspect"].as_str().unwrap().to_owned() }
    }

    /// The address of the inspection API.
    pub(crate) fn inspect(&self) -> String {
        self.inspect.clone()
    }

    /// Asks the inspection API.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        ask(&self.inspect, method, path, body)
    }

    pub(crate) fn requests(&self) -> Value {
        self.ask("GET", "requests", "")
    }

    pub(crate) fn reset(&self) {
        self.ask("POST", "requests/reset", "");
    }

    /// The simulator's own comparison finds nothing wrong.
    pub(crate) fn assert_clean(&self, job: &str) {
        self.assert_clean_but(job, &|_| false);
    }

    /// As [`Self::assert_clean`], violations aside that could not be avoided.
    pub(crate) fn assert_clean_but(&self, job: &str, excused: &dyn Fn(&str) -> bool) {
        let mut compared = self.ask("GET", &format!("compare?job={job}"), "");
        if let Some(violations) = compared["violations"].as_array_mut() {
            violations.retain(|violation| !violation.as_str().is_some_and(excused));
        }
        for list in
            ["missing", "different", "extra", "doubled", "extra_versions", "leftover_sessions", "violations"]
        {
            assert_eq!(compared[list], Value::Array(Vec::new()), "{list}: {compared}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Asks an inspection API of a simulator.
fn ask(inspect: &str, method: &str, path: &str, body: &str) -> Value {
    let (head, body) = exchange(inspect, method, path, body);
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {head} {body}");
    if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() }
}

/// One request; the answer's head and its body.
fn exchange(inspect: &str, method: &str, path: &str, body: &str) -> (String, String) {
    let rest = inspect.strip_prefix("http://").unwrap();
    let (host, base) = rest.split_once('/').map_or((rest, String::new()), |(h, b)| (h, format!("/{b}")));
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{method} {base}/{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A simulated archive with everything beside its configuration; ended when dropped.
pub(crate) struct ServedArchive {
    pub(crate) bench: Bench,
    /// The configuration as the simulator wrote it.
    pub(crate) toml: String,
    child: Child,
    inspect: String,
    hub: String,
}

impl ServedArchive {
    pub(crate) fn start(args: &[&str]) -> Self {
        let bench = Bench::new();
        let mut all = vec!["sim", "--scenario", "archive", "--config", "landfall.toml"];
        all.extend(args);
        let mut child = bench.start(&all);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        for field in ["hub", "storage", "media", "inspect"] {
            assert!(ready[field].as_str().is_some_and(|url| url.starts_with("http://")), "{field}: {line}");
        }
        let [inspect, hub] = ["inspect", "hub"].map(|field| ready[field].as_str().unwrap().to_owned());
        let toml = bench.read("landfall.toml");
        Self { bench, toml, child, inspect, hub }
    }

    /// What the simulator says of database, folders and Hub.
    pub(crate) fn check(&self) -> Value {
        ask(&self.inspect, "GET", "check", "")
    }

    /// Asks the inspection of the Hub's own host; the answer's lines are JSON.
    #[track_caller]
    pub(crate) fn hub(&self, method: &str, path: &str, body: &str) -> String {
        let (head, answer) = exchange(&self.hub, method, &format!("__sim/{path}"), body);
        assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {head}");
        answer
    }

    /// From now on something goes wrong at the Hub.
    #[track_caller]
    pub(crate) fn fault(&self, rule: &str) {
        self.hub("POST", "fault", rule);
    }

    /// How often something went wrong at the Hub as it was told.
    pub(crate) fn faults(&self) -> u64 {
        let requests: Value = serde_json::from_str(&self.hub("GET", "requests", "")).unwrap();
        requests["faults"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum()
    }

    /// Uses up what is left of the faults that one kind of request was to meet.
    #[track_caller]
    pub(crate) fn end_faults(&self, route: &str) {
        let (method, path) = match route {
            "any" => ("GET", "api/datasets/me/EventMonitor"),
            "preupload" => ("POST", "api/datasets/me/EventMonitor/preupload/main"),
            "commit" => ("POST", "api/datasets/me/EventMonitor/commit/main"),
            "lfs-batch" => ("POST", "datasets/me/EventMonitor.git/info/lfs/objects/batch"),
            other => panic!("{other}"),
        };
        for _ in 0..1000 {
            let before = self.faults();
            exchange(&self.hub, method, path, "");
            if self.faults() == before {
                return;
            }
        }
        panic!("{route}: the faults do not end");
    }

    /// Somebody else puts a file into a repository, which is made where it is missing.
    pub(crate) fn put(&self, repo: &str, path: &str, text: &str) {
        self.hub("POST", &format!("put?repo={repo}&path={path}"), text);
    }

    /// Some other program's statement to the database; gives the first cell of what it answers.
    #[track_caller]
    pub(crate) fn sql(&self, statement: &str) -> String {
        let output = output_of(self.bench.python(STATEMENT).arg(statement));
        assert_eq!(output.code, 0, "{statement}: {}", output.stderr);
        output.stdout
    }

    /// Every byte of what is the user's: database, local files, keys.
    pub(crate) fn bytes(&self) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        let mut found = std::collections::BTreeMap::new();
        let mut folders: Vec<PathBuf> =
            ["data", "images", "videos"].map(|name| self.bench.path(name)).to_vec();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        found
    }
}

impl Drop for ServedArchive {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
