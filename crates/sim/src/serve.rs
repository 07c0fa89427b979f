//! The simulator on TCP.
//!
//! Owns two listeners: one for Graph, login and inspection, one for content, as the real service keeps content on
//! other hosts. A lost reply closes the socket. Refuses to know what is served.

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

use crate::line::on_line;
use crate::origins::{Host, Origins};
use crate::sim::Sim;

/// How long a request may still be on its way after a throttled reply was sent.
const GRACE: Duration = Duration::from_millis(500);
/// How long `accept` rests after it failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A simulator with its sockets bound.
#[derive(Debug)]
pub struct Served {
    sim: Sim,
    api: TcpListener,
    content: TcpListener,
    /// Base URL of Graph, with `/v1.0`.
    pub graph: String,
    /// Base URL of the login endpoint.
    pub login: String,
    /// Base URL of the inspection API.
    pub inspect: String,
}

impl Sim {
    /// Binds both listeners, the second at a free port of the same address. From now on all URLs lead there.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn serve(&self, listen: SocketAddr) -> io::Result<Served> {
        let api = TcpListener::bind(listen).await?;
        let content = TcpListener::bind(SocketAddr::new(listen.ip(), 0)).await?;
        let origins = Origins::on_tcp(api.local_addr()?, content.local_addr()?);
        let (graph, login, inspect) = (origins.graph.clone(), origins.login.clone(), origins.inspect.clone());
        self.set_origins(origins, GRACE);
        Ok(Served { sim: self.clone(), api, content, graph, login, inspect })
    }
}

impl Served {
    /// One line of JSON that tells a script where everything is.
    #[must_use]
    pub fn ready_json(&self) -> String {
        json!({"graph": self.graph, "login": self.login, "inspect": self.inspect, "env": self.sim.env()})
            .to_string()
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
                accepted = self.api.accept() => take(&mut connections, &self.sim, Host::Api, accepted).await,
                accepted = self.content.accept() => take(&mut connections, &self.sim, Host::Content, accepted).await,
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn take(
    connections: &mut JoinSet<()>,
    sim: &Sim,
    host: Host,
    accepted: io::Result<(TcpStream, SocketAddr)>,
) {
    match accepted {
        Ok((stream, _)) => {
            connections.spawn(connection(sim.clone(), host, stream));
        }
        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
    }
}

async fn connection(sim: Sim, host: Host, stream: TcpStream) {
    // Replies are small and answered at once; waiting for more to send would only add delay.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| {
        let sim = sim.clone();
        async move {
            let reply = sim.call_host(host, request.map(Body::new)).await;
            match host {
                Host::Content => reply.map(|reply| on_line(&sim, reply)),
                Host::Api => reply,
            }
        }
    });
    // An error here is a client that went away, or a fault that closes the socket.
    drop(
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await,
    );
}
