//! One start of a resolver command: its pipes, its time, its end.
//!
//! Owns that nothing of it outlives the call: the command runs in a process group of its own, which is
//! killed when the call is dropped, times out, or the command is done for. Lines are bounded, so a command
//! that prints without end costs no memory. What it prints on stderr goes to the log, cleaned.

use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{CommandConfig, Heard};
use crate::wire::shown_text;

/// Longest line of an answer, in bytes.
const LONGEST_LINE: usize = 1 << 20;

/// Longest line of stderr that is read, in bytes; less of it is shown.
const LONGEST_WORD: usize = 16 << 10;

/// Lines of stderr that go to the log for one start.
const MOST_WORDS: usize = 200;

/// How long a command may tidy up after its last answer: killed, twscrape leaves its account locked.
const TIDY: Duration = Duration::from_secs(10);

/// Words that stand beside a session's secrets; a line with one of them is not shown.
const COOKIES: &[&str] = &["auth_token", "ct0", "cookie", "guest_token", "x-csrf"];

/// How a start ended. What was heard before holds in any case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With status 0, or stopped by us after its last answer.
    Exited,
    /// Timed out, failed, or was killed.
    Failed(String),
    /// There is no such command, or we may not run it.
    Unstartable(String),
}

/// Runs the command once; what it says goes to `heard`, also where it does not end well.
pub(super) async fn run(
    config: &CommandConfig,
    environment: Vec<(String, String)>,
    time: Duration,
    heard: &mut Heard,
) -> Ending {
    let lines: String = heard.requests.concat();
    let mut child = match start(config, environment) {
        Ok(child) => child,
        Err(error) => return unstartable(config, &error),
    };
    let _group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let Some(mut stdout) = stdout.map(BufReader::new) else {
        return Ending::Failed("it has no output".to_owned());
    };
    let mut aside = pin!(async { tokio::join!(tell(stdin, lines), log(stderr)) });
    let listening = async {
        let mut talk = pin!(listen(&mut stdout, heard));
        // Neither branch loses anything: whichever goes on is polled further below or has been told all.
        tokio::select! {
            () = &mut talk => false,
            _ = &mut aside => { talk.await; true }
        }
    };
    let Ok(aside_over) = timeout(time, listening).await else {
        return Ending::Failed(format!("no end after {} s: stopped", time.as_secs()));
    };
    if heard.fatal.is_some() {
        return Ending::Exited;
    }
    let rest = async {
        if !aside_over {
            tokio::join!(&mut aside, drain(&mut stdout));
        }
        child.wait().await
    };
    match timeout(TIDY, rest).await {
        Ok(Ok(status)) if status.success() => Ending::Exited,
        Ok(Ok(status)) => Ending::Failed(status.to_string()),
        Ok(Err(error)) => Ending::Failed(shown_text(&error.to_string())),
        Err(_) => Ending::Exited,
    }
}

fn start(config: &CommandConfig, environment: Vec<(String, String)>) -> io::Result<Child> {
    let Some((program, arguments)) = config.argv.split_first() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no command is given"));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    if let Some(folder) = &config.folder {
        command.current_dir(folder);
    }
    command.spawn()
}

fn unstartable(config: &CommandConfig, error: &io::Error) -> Ending {
    let program = config.argv.first().map_or("", String::as_str);
    let detail = format!("the resolver {program} cannot be started: {error}");
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => {
            Ending::Unstartable(detail)
        }
        // Too many processes or no memory: a later start may do.
        _ => Ending::Failed(detail),
    }
}

/// Sends all requests and closes. A command that does not read them says so by its answers.
async fn tell(stdin: Option<ChildStdin>, lines: String) {
    let Some(mut stdin) = stdin else { return };
    if stdin.write_all(lines.as_bytes()).await.is_ok() {
        let _closed = stdin.shutdown().await;
    }
}

/// Listens until the output ends or nothing more is to be learned.
async fn listen(stdout: &mut BufReader<ChildStdout>, heard: &mut Heard) {
    each_line(stdout, LONGEST_LINE, |line| {
        heard.take(line);
        if heard.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await;
}

/// Reads what follows the last answer, so that a command which still writes does not fail by it.
async fn drain(stdout: &mut BufReader<ChildStdout>) {
    each_line(stdout, 0, |_| ControlFlow::Continue(())).await;
}

async fn log(stderr: Option<ChildStderr>) {
    let Some(mut stderr) = stderr.map(BufReader::new) else { return };
    let mut lines = 0;
    each_line(&mut stderr, LONGEST_WORD, |line| {
        lines += 1;
        if let Some(line) = line.filter(|_| lines <= MOST_WORDS) {
            let line = clean(&String::from_utf8_lossy(line));
            if !line.is_empty() {
                tracing::info!(line, "resolver");
            }
        }
        ControlFlow::Continue(())
    })
    .await;
}

/// A line as the log may hold it.
fn clean(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    if COOKIES.iter().any(|word| lower.contains(word)) {
        return "[a line about cookies or tokens]".to_owned();
    }
    shown_text(line)
}

/// Gives each line without its end; `None` for one that is longer than `most` bytes.
async fn each_line(
    from: &mut BufReader<impl AsyncRead + Unpin>,
    most: usize,
    mut take: impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
) {
    let mut line = Vec::new();
    let mut fits = true;
    while let Ok(ready) = from.fill_buf().await {
        if ready.is_empty() {
            break;
        }
        let end = ready.iter().position(|byte| *byte == b'\n');
        let piece = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
        fits = fits && line.len() + piece.len() <= most;
        if fits {
            line.extend_from_slice(piece);
        }
        let used = end.map_or(ready.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            if take(fits.then_some(line.as_slice())).is_break() {
                return;
            }
            line.clear();
            fits = true;
        }
    }
    if !line.is_empty() || !fits {
        // What a killed command printed last, and to which nobody listens further.
        let _last = take(fits.then_some(line.as_slice()));
    }
}

/// The command's process group, killed when this is dropped.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let leader =
            child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        Self { leader }
    }

    /// Elsewhere the command alone is killed, by tokio.
    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // It fails where all of the group have ended, which is what is wanted.
            let _gone = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_secrets_do_not_reach_the_log() {
        for line in ["auth_token=abc", "Set-Cookie: x", "{'ct0': 'def'}", "X-CSRF-Token: q"] {
            assert!(!clean(line).contains(['=', ':', '\'']), "{line}");
        }
        assert!(!clean("GET https://x.com/i/api?variables=%7Bsecret%7D").contains("secret"));
        assert_eq!(clean("[twitter][error] AuthRequired: 猫"), "[twitter][error] AuthRequired: 猫");
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_the_next_one_read() {
        let text = format!("one\n{}\nthree\nlast", "x".repeat(100));
        let mut seen = Vec::new();
        each_line(&mut BufReader::new(text.as_bytes()), 10, |line| {
            seen.push(line.map(|line| String::from_utf8_lossy(line).into_owned()));
            ControlFlow::Continue(())
        })
        .await;
        assert_eq!(seen, [Some("one".into()), None, Some("three".into()), Some("last".into())]);
    }
}
