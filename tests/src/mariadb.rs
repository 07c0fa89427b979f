//! A scratch MariaDB server for tests: its own folder, a free port on loopback, gone at the end.
//!
//! `LANDFALL_TEST_MYSQL_URL` names a database to be used instead. Where there is no MariaDB the tests fail
//! and say so: nothing is skipped unseen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};

/// Names a running server's database that tests may use instead of a scratch one.
pub const URL_VARIABLE: &str = "LANDFALL_TEST_MYSQL_URL";

/// A server that lives as long as this value.
pub struct ScratchMariaDb {
    url: String,
    running: Option<(Child, tempfile::TempDir)>,
}

impl ScratchMariaDb {
    /// Starts a server with one user and one database, or takes the one that the environment names.
    ///
    /// # Errors
    /// Where MariaDB is not installed or does not start, with what it said.
    pub async fn start() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Ok(Self { url, running: None });
        }
        let install = program("mariadb-install-db")?;
        let server = program("mariadbd")?;
        let folder = tempfile::Builder::new().prefix("landfall-my-").tempdir()?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        // Run by root, the server takes root as its user only where it is told to.
        let user = std::process::Command::new("id").arg("-un").output().context("id cannot be run")?;
        let user = format!("--user={}", String::from_utf8_lossy(&user.stdout).trim());
        let place = format!("--datadir={}", data.display());
        let mut command = Command::new(install);
        command.args([
            "--no-defaults",
            &user,
            &place,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        let output = command.output().await.context("mariadb-install-db cannot be run")?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&said));
        let init = folder.path().join("init.sql");
        let sql = "CREATE DATABASE archive CHARACTER SET utf8mb4;\nCREATE USER landfall@'127.0.0.1' IDENTIFIED BY 'geheim';\nGRANT ALL ON archive.* TO landfall@'127.0.0.1';\n";
        std::fs::write(&init, sql)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(server);
        command.args([
            "--no-defaults".to_owned(),
            user,
            place,
            format!("--socket={}", folder.path().join("socket").display()),
            format!("--pid-file={}", folder.path().join("pid").display()),
            format!("--init-file={}", init.display()),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--skip-name-resolve".to_owned(),
            // Data that is thrown away need not survive a power cut; commits are still ordered.
            "--innodb-flush-log-at-trx-commit=0".to_owned(),
            "--innodb-buffer-pool-size=16M".to_owned(),
        ]);
        let child = command
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("mariadbd does not start")?;
        let url = format!("mysql://landfall:geheim@127.0.0.1:{port}/archive");
        let mut scratch = Self { url, running: Some((child, folder)) };
        scratch.wait(port).await?;
        Ok(scratch)
    }

    /// The port answers only after the init file was run: the server reads it before it listens.
    async fn wait(&mut self, port: u16) -> anyhow::Result<()> {
        let Some((child, folder)) = &mut self.running else { return Ok(()) };
        for _ in 0..1200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                bail!("mariadbd ended with {status}: {log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("mariadbd did not become ready in 60 seconds");
    }

    /// Where the database is.
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
            child.start_kill().context("mariadbd cannot be ended")?;
            let end = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
            end.context("mariadbd does not stop")??;
            drop(folder);
        }
        Ok(())
    }
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let mut folders = vec![Path::new("/usr/sbin").to_owned(), Path::new("/usr/bin").to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.with_context(|| {
        format!("MariaDB is not installed (no {name} found): install Debian's mariadb-server, or set {URL_VARIABLE} to the URL of an empty database")
    })
}
