//! `landfall sim --scenario archive`: a Hub, the origin of media, and everything that lies beside the configuration.
//!
//! Owns their life and the files; the simulator serves, and judges the archive by its own answer file at a fourth
//! address, `inspect`. Draws nothing itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use landfall_core::Code;
use landfall_sim::{Archive, ArchiveAddresses, ArchiveConfig, HubConfig, ServedArchive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::args::Sim;
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::wiring::Context;

/// An archive with its sockets bound.
pub(in crate::commands) struct Stage {
    archive: Archive,
    served: ServedArchive,
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
        let served = archive.serve(ArchiveAddresses::beside(listen), folder).await.map_err(refuse)?;
        Ok(Self { archive, served, folder: folder.to_owned() })
    }

    /// Writes the configuration, the `.env`, the database, the folders and the answers; gives the line that
    /// says where everything is.
    pub(in crate::commands) async fn write(&self, config: &Path) -> Result<Value, CommandError> {
        let unwritable = |error: std::io::Error| super::unwritable(&self.folder, &error);
        std::fs::create_dir_all(&self.folder).map_err(unwritable)?;
        self.archive.write_to(&self.folder).await.map_err(unwritable)?;
        let env = self.archive.env(&self.served.hub);
        super::write_env(config, env.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
        super::write_toml(config, &self.archive.job_toml(&self.served.media))?;
        Ok(json!({
            "hub": self.served.hub,
            "storage": self.served.storage,
            "media": self.served.media,
            "inspect": self.served.inspect,
            "job": "tweets",
            "env": env,
        }))
    }

    /// Serves until somebody asks to stop.
    pub(in crate::commands) async fn run(self, stop: CancellationToken) -> Result<(), CommandError> {
        let ended = self.served.run(stop.cancelled_owned()).await;
        ended.map_err(|error| CommandError::new(Code::Internal, format!("serve: {error}")))
    }
}
