//! The Hub on TCP.
//!
//! Owns two listeners: the Hub with its inspection, and the storage, under another host name as the real one has it,
//! so that a client that sends its token along or follows where it must not is found out. A lost reply closes the
//! socket. Refuses to know what is served.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::HubSim;
use super::answer::HubHost;
use super::state::HubOrigins;

/// How long a request may still be on its way after a throttled reply was sent.
const GRACE: Duration = Duration::from_millis(500);
/// How long `accept` rests after it failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A Hub with its sockets bound.
#[derive(Debug)]
pub struct ServedHub {
    sim: HubSim,
    hub_listener: TcpListener,
    storage_listener: TcpListener,
    /// Base URL of the Hub, without a trailing slash; what `HF_ENDPOINT` is set to.
    pub hub: String,
    /// Base URL of the storage.
    pub storage: String,
}

impl HubSim {
    /// Binds both listeners. From now on all URLs lead there; those of the storage name `localhost` where it listens
    /// on the loopback address.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub async fn serve(&self, hub: SocketAddr, storage: SocketAddr) -> io::Result<ServedHub> {
        let hub_listener = TcpListener::bind(hub).await?;
        let storage_listener = TcpListener::bind(storage).await?;
        let (at, stored_at) = (hub_listener.local_addr()?, storage_listener.local_addr()?);
        let storage = if stored_at.ip().is_loopback() {
            format!("http://localhost:{}", stored_at.port())
        } else {
            format!("http://{stored_at}")
        };
        let hub = format!("http://{at}");
        let origins = HubOrigins { hub: hub.clone(), lfs: storage.clone(), cdn: storage.clone() };
        self.set_origins(origins, GRACE);
        Ok(ServedHub { sim: self.clone(), hub_listener, storage_listener, hub, storage })
    }

    fn set_origins(&self, origins: HubOrigins, grace: Duration) {
        let mut hub = self.hub();
        hub.origins = origins;
        hub.grace = hub.grace.max(grace);
    }
}

impl ServedHub {
    /// One line of JSON that tells a script where everything is and which tokens there are.
    #[must_use]
    pub fn ready_json(&self) -> String {
        let hub = self.sim.hub();
        let tokens: Vec<_> = hub
            .config
            .tokens
            .iter()
            .map(|token| json!({"token": token.token, "user": token.user, "role": token.role}))
            .collect();
        json!({"hub": self.hub, "storage": self.storage, "tokens": tokens}).to_string()
    }

    /// Serves until `shutdown` is done; open connections are dropped then.
    ///
    /// # Errors
    /// None at present; failing connections only end themselves.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            // Dropping any of these is safe: accept keeps its queue, and a joined connection is over.
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                accepted = self.hub_listener.accept() => {
                    take(&mut connections, &self.sim, HubHost::Hub, accepted).await;
                }
                accepted = self.storage_listener.accept() => {
                    take(&mut connections, &self.sim, HubHost::Storage, accepted).await;
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn take(
    connections: &mut JoinSet<()>,
    sim: &HubSim,
    host: HubHost,
    accepted: io::Result<(TcpStream, SocketAddr)>,
) {
    match accepted {
        Ok((stream, _)) => {
            connections.spawn(connection(sim.clone(), host, stream));
        }
        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
    }
}

async fn connection(sim: HubSim, host: HubHost, stream: TcpStream) {
    // Replies are small and answered at once; waiting for more to send would only add delay.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| {
        let sim = sim.clone();
        async move { sim.call_host(host, request.map(Body::new)).await }
    });
    // An error here is a client that went away, or a fault that closes the socket.
    drop(
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await,
    );
}
