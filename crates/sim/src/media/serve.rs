//! The media origin on TCP: one listener for both hosts, told apart by the `Host` header.
//!
//! Owns the socket. Refuses to know media.

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
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::MediaSim;

/// How long `accept` rests after it failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A media origin with its socket bound.
#[derive(Debug)]
pub struct ServedMedia {
    sim: MediaSim,
    listener: TcpListener,
    /// Where both hosts are served, for example `http://127.0.0.1:8123`.
    pub url: String,
}

impl MediaSim {
    /// Binds the listener.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn serve(&self, listen: SocketAddr) -> io::Result<ServedMedia> {
        let listener = TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(ServedMedia { sim: self.clone(), listener, url })
    }
}

impl ServedMedia {
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
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(self.sim.clone(), stream));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn connection(sim: MediaSim, stream: TcpStream) {
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| {
        let sim = sim.clone();
        async move { sim.call(request.map(Body::new)).await }
    });
    // An error here is a client that went away, or a fault that closes the socket.
    drop(
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await,
    );
}
