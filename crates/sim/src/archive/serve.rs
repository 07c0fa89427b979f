//! An archive on TCP: the Hub and its storage, the media origin, and a listener for looking inside.
//!
//! Owns the sockets and the paths of the inspection: `GET /check`, `GET /requests`, `POST /damage?n=&seed=`, each
//! answered with JSON. Refuses to know what is served.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Archive;
use crate::hub::ServedHub;
use crate::media::ServedMedia;

/// Where an archive listens. Port 0 means any free one.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveAddresses {
    /// The Hub.
    pub hub: SocketAddr,
    /// The Hub's storage.
    pub storage: SocketAddr,
    /// Both media hosts.
    pub media: SocketAddr,
    /// The inspection.
    pub inspect: SocketAddr,
}

impl ArchiveAddresses {
    /// The Hub at an address, everything else at free ports beside it.
    #[must_use]
    pub fn beside(hub: SocketAddr) -> Self {
        let free = SocketAddr::new(hub.ip(), 0);
        Self { hub, storage: free, media: free, inspect: free }
    }
}

/// An archive with its sockets bound.
#[derive(Debug)]
pub struct ServedArchive {
    archive: Archive,
    served_hub: ServedHub,
    served_media: ServedMedia,
    listener: TcpListener,
    dir: PathBuf,
    /// Base URL of the Hub; what `HF_ENDPOINT` is set to.
    pub hub: String,
    /// Base URL of the storage.
    pub storage: String,
    /// Where both media hosts are served.
    pub media: String,
    /// Base URL of the inspection.
    pub inspect: String,
}

impl Archive {
    /// Binds all listeners. The folder is the one that `/check` looks at; it need not be written yet.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub async fn serve(&self, at: ArchiveAddresses, dir: &Path) -> io::Result<ServedArchive> {
        let served_hub = self.hub.serve(at.hub, at.storage).await?;
        let served_media = self.media.serve(at.media).await?;
        let listener = TcpListener::bind(at.inspect).await?;
        let inspect = format!("http://{}", listener.local_addr()?);
        let (hub, storage) = (served_hub.hub.clone(), served_hub.storage.clone());
        let media = served_media.url.clone();
        let (archive, dir) = (self.clone(), dir.to_path_buf());
        Ok(ServedArchive { archive, served_hub, served_media, listener, dir, hub, storage, media, inspect })
    }
}

impl ServedArchive {
    /// One line of JSON that tells a script where everything is.
    #[must_use]
    pub fn ready_json(&self) -> String {
        let env = self.archive.env(&self.hub);
        let (hub, storage, media, inspect) = (&self.hub, &self.storage, &self.media, &self.inspect);
        json!({"hub": hub, "storage": storage, "media": media, "inspect": inspect, "env": env}).to_string()
    }

    /// Serves until `shutdown` is done; open connections are dropped then.
    ///
    /// # Errors
    /// A listener broke.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let state = Inside { archive: self.archive, dir: self.dir };
        let router = Router::new()
            .route("/check", get(check))
            .route("/requests", get(requests))
            .route("/damage", post(damage))
            .with_state(state);
        let inspection = async { axum::serve(self.listener, router).await };
        let all = async {
            tokio::try_join!(self.served_hub.run(pending()), self.served_media.run(pending()), inspection)
        };
        // Dropping the servers drops their connections, which is what is asked for.
        tokio::select! {
            () = shutdown => Ok(()),
            ended = all => ended.map(|_| ()),
        }
    }
}

#[derive(Clone)]
struct Inside {
    archive: Archive,
    dir: PathBuf,
}

#[derive(Deserialize)]
struct Damage {
    n: usize,
    #[serde(default)]
    seed: u64,
}

async fn check(State(inside): State<Inside>) -> (StatusCode, Json<Value>) {
    match inside.archive.check(&inside.dir).await {
        Ok(check) => (StatusCode::OK, Json(check.to_json())),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": error.to_string()}))),
    }
}

async fn requests(State(inside): State<Inside>) -> Json<Value> {
    Json(json!({"hub": inside.archive.hub.requests(), "media": inside.archive.media.requests()}))
}

async fn damage(State(inside): State<Inside>, Query(damage): Query<Damage>) -> Json<Value> {
    Json(json!(inside.archive.damage(damage.n, damage.seed)))
}
