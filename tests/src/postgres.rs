//! A scratch PostgreSQL server for tests: its own folder, a free port on loopback, gone at the end.
//!
//! `initdb` refuses root, so root runs it as another user. `LANDFALL_TEST_POSTGRES_URL` names a server
//! to be used instead. Where there is no PostgreSQL the tests fail and say so: nothing is skipped unseen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};

/// Names a running server that tests may use instead of a scratch one.
pub const URL_VARIABLE: &str = "LANDFALL_TEST_POSTGRES_URL";

/// A server that lives as long as this value.
pub struct ScratchPostgres {
    url: String,
    running: Option<(Child, tempfile::TempDir)>,
}

impl ScratchPostgres {
    /// Starts a server, or takes the one that the environment names.
    ///
    /// # Errors
    /// Where PostgreSQL is not installed or does not start, with what it said.
    pub async fn start() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Ok(Self { url, running: None });
        }
        let programs = programs()?;
        let user = unprivileged()?;
        let folder = tempfile::Builder::new().prefix("landfall-pg-").tempdir()?;
        if let Some(user) = &user {
            run(Command::new("chown").arg(user).arg(folder.path())).await?;
        }
        let data = folder.path().join("data");
        let init = ["-U", "landfall", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"];
        run(as_user(user.as_deref(), &programs.join("initdb")).args(init).arg(&data)).await?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = as_user(user.as_deref(), &programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(folder.path()).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        // Data that is thrown away need not survive a power cut; commits are still ordered.
        server.args(["-c", "fsync=off", "-c", "log_min_messages=fatal"]).kill_on_drop(true);
        let log = std::fs::File::create(folder.path().join("log"))?;
        let child = server.stdout(log.try_clone()?).stderr(log).spawn().context("postgres does not start")?;
        let url = format!("postgres://landfall@127.0.0.1:{port}/postgres");
        let mut scratch = Self { url, running: Some((child, folder)) };
        scratch.wait(&programs, port).await?;
        Ok(scratch)
    }

    async fn wait(&mut self, programs: &Path, port: u16) -> anyhow::Result<()> {
        let Some((child, folder)) = &mut self.running else { return Ok(()) };
        for _ in 0..600 {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            if ready.status().await?.success() {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                bail!("postgres ended with {status}: {log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("postgres did not become ready in 30 seconds");
    }

    /// Where the server is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server and waits for its end.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some((mut child, folder)) = self.running.take() {
            terminate(&folder.path().join("data"));
            let end = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
            end.context("postgres does not stop")??;
        }
        Ok(())
    }
}

impl Drop for ScratchPostgres {
    /// A test that failed leaves no server behind.
    fn drop(&mut self) {
        if let Some((_, folder)) = &self.running {
            terminate(&folder.path().join("data"));
        }
    }
}

/// Asks the server of a data folder to stop at once; the pid is the first line of its file.
fn terminate(data: &Path) {
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    if let Some(pid) = pid.lines().next() {
        drop(std::process::Command::new("kill").args(["-QUIT", pid]).status());
    }
}

fn programs() -> anyhow::Result<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().find(|folder| folder.join("initdb").exists());
    found.with_context(|| {
        format!("PostgreSQL is not installed (no initdb found): install it, or set {URL_VARIABLE} to a server's URL")
    })
}

/// The user to run as where we are root: `postgres`, or whoever owns nothing.
fn unprivileged() -> anyhow::Result<Option<String>> {
    let id = std::process::Command::new("id").arg("-u").output().context("id cannot be run")?;
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return Ok(None);
    }
    for user in ["postgres", "nobody"] {
        if std::process::Command::new("id").arg(user).output()?.status.success() {
            return Ok(Some(user.to_owned()));
        }
    }
    bail!("PostgreSQL refuses root and there is neither a user postgres nor nobody");
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", "65534", "--clear-groups", "--"]).arg(program);
            command
        }
    }
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().await.with_context(|| format!("{command:?} cannot be run"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    Ok(())
}
