//! `landfall sim --scenario archive`: a Hub, the origin of media, and everything that lies beside the configuration.
//!
//! Owns the three servers' life and a fourth address, `inspect`, where the simulator judges the archive by
//! its own answer file. Draws nothing itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use landfall_core::Code;
use landfall_sim::{Archive, ArchiveCheck, ArchiveConfig, HubConfig, ServedHub, ServedMedia};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::Sim;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::wiring::Context;

/// The longest head of a request to `inspect`.
const HEAD: usize = 8192;

/// An archive with its sockets bound.
pub(in crate::commands) struct Stage {
    archive: Archive,
    hub: ServedHub,
    media: ServedMedia,
    inspect: TcpListener,
    folder: PathBuf,
}

/// What the simulator is told.
pub(in crate::commands) fn settings(seed: u64, files: u64) -> ArchiveConfig {
    let hub = HubConfig { epoch: Some(machine::now()), ..HubConfig::default() };
    ArchiveConfig { seed, files, hub, ..ArchiveConfig::default() }
}

/// Serves until it is told to stop.
pub(super) async fn serve(context: &Context, args: &Sim) -> Result<Exit, CommandError> {
    let Some(config) = &context.global.config else {
        let detail = "the scenario archive lies on disk: say where with --config";
        return Err(CommandError::new(Code::BadArgument, detail));
    };
    let told =
        ArchiveConfig { latency: args.latency, faults: args.faults, ..settings(args.seed, args.files) };
    let folder = config.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stage = Stage::set(Archive::new(told), args.listen, folder).await?;
    let ready = stage.write(config).await?;
    context.screen.raw(&format!("{ready}\n"));
    stage.run(context.stop.clone()).await?;
    Ok(Exit::Complete)
}

impl Stage {
    /// Binds the sockets: the Hub where it was asked for, the others beside it.
    pub(in crate::commands) async fn set(
        archive: Archive,
        listen: SocketAddr,
        folder: &Path,
    ) -> Result<Self, CommandError> {
        let refuse = |error: std::io::Error| {
            CommandError::new(Code::BadArgument, format!("listen on {listen}: {error}"))
        };
        // Its time begins with the first look at it.
        let _begun = archive.hub.now();
        let beside = SocketAddr::new(listen.ip(), 0);
        let hub = archive.hub.serve(listen, beside).await.map_err(refuse)?;
        let media = archive.media.serve(beside).await.map_err(refuse)?;
        let inspect = TcpListener::bind(beside).await.map_err(refuse)?;
        Ok(Self { archive, hub, media, inspect, folder: folder.to_owned() })
    }

    /// Writes the configuration, the `.env`, the database, the folders and the answers; gives the line that
    /// says where everything is.
    pub(in crate::commands) async fn write(&self, config: &Path) -> Result<Value, CommandError> {
        let unwritable = |error: std::io::Error| super::unwritable(&self.folder, &error);
        std::fs::create_dir_all(&self.folder).map_err(unwritable)?;
        self.archive.write_to(&self.folder).await.map_err(unwritable)?;
        let env = self.archive.env(&self.hub.hub);
        super::write_env(config, env.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
        super::write_toml(config, &self.archive.job_toml(&self.media.url))?;
        let inspect = self.inspect.local_addr().map_err(unwritable)?;
        Ok(json!({
            "hub": self.hub.hub,
            "storage": self.hub.storage,
            "media": self.media.url,
            "inspect": format!("http://{inspect}"),
            "job": "tweets",
            "env": env,
        }))
    }

    /// Serves until somebody asks to stop.
    pub(in crate::commands) async fn run(self, stop: CancellationToken) -> Result<(), CommandError> {
        let Self { archive, hub, media, inspect, folder } = self;
        let mut serving = JoinSet::new();
        serving.spawn(hub.run(stop.clone().cancelled_owned()));
        serving.spawn(media.run(stop.clone().cancelled_owned()));
        serving.spawn(judge(archive, inspect, folder, stop));
        while let Some(ended) = serving.join_next().await {
            ended
                .map_err(std::io::Error::other)
                .and_then(|outcome| outcome)
                .map_err(|error| CommandError::new(Code::Internal, format!("serve: {error}")))?;
        }
        Ok(())
    }
}

/// Answers `GET /check` with the simulator's own judgement, one request at a time.
async fn judge(
    archive: Archive,
    listener: TcpListener,
    folder: PathBuf,
    stop: CancellationToken,
) -> std::io::Result<()> {
    loop {
        // Dropping either is safe: what was not accepted stays in the queue.
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        // Whoever asks and goes away harms nobody else.
        drop(answer(&archive, stream, &folder).await);
    }
}

async fn answer(archive: &Archive, mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let (status, body) = match line.split(' ').nth(1) {
        Some("/check") => match archive.check(folder).await {
            Ok(check) => ("200 OK", judgement(&check)),
            Err(error) => ("500 Internal Server Error", json!({ "error": error.to_string() })),
        },
        Some("/requests") => ("200 OK", json!(archive.hub.requests())),
        _ => ("404 Not Found", json!({ "known": ["/check", "/requests"] })),
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// The judgement for a script.
pub(in crate::commands) fn judgement(check: &ArchiveCheck) -> Value {
    let patterns: Value = check
        .patterns
        .iter()
        .map(|(pattern, (met, missed))| (pattern.clone(), json!({ "met": met, "missed": missed })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "clean": check.clean(),
        "met": check.met.len(),
        "violated": check.violated,
        "patterns": patterns,
        "rows": check.rows,
        "orphans": check.orphans,
        "unstored": check.unstored,
    })
}
