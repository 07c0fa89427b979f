//! A scratch folder with the program, and a simulator that the program serves in it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A secret that must not turn up anywhere.
pub(crate) const SECRET_MARK: &str = "MARK-geheim-8d1f77";

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
        let output = self.command(args).output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Rows of a job's log with this status.
    pub(crate) fn log_rows(&self, job: &str, status: &str) -> usize {
        let text = self.read(&format!(".landfall/{job}/upload_log.csv"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.records().filter(|record| record.as_ref().unwrap().get(3) == Some(status)).count()
    }
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
        let compared = self.ask("GET", &format!("compare?job={job}"), "");
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
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() }
}

/// A simulated archive with everything beside its configuration; ended when dropped.
pub(crate) struct ServedArchive {
    pub(crate) bench: Bench,
    child: Child,
    inspect: String,
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
        Self { bench, child, inspect: ready["inspect"].as_str().unwrap().to_owned() }
    }

    /// What the simulator says of database, folders and Hub.
    pub(crate) fn check(&self) -> Value {
        ask(&self.inspect, "GET", "check", "")
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
