//! The seam under every HTTP request: one method, request in, response with a streaming body out.
//!
//! `reqwest` implements it for the network, the simulator's adapter for tests. Retry, pacing and
//! tokens live above it; nothing above it knows which one it has.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

/// A body that arrives in pieces; an error in it means that the connection broke.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// A request with its whole body in memory (at most one upload fragment).
pub type Request = http::Request<Bytes>;

/// A response whose body has not been read yet.
pub type Response = http::Response<Body>;

/// The connection failed: it is not known whether the request took effect.
#[derive(Debug, thiserror::Error)]
#[error("{stage}: {detail}")]
pub struct TransportError {
    /// How far it came.
    pub stage: Stage,
    /// What happened, without URL or secret.
    pub detail: String,
}

/// How far a failed request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No connection was made: the request was certainly not sent.
    Connect,
    /// It was sent, no answer came.
    Answer,
    /// The answer's body broke off.
    Body,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Answer => "no answer",
            Self::Body => "connection broke off",
        })
    }
}

/// Sends one request. It never retries, never follows redirects, never adds credentials.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends and waits for the response's head.
    ///
    /// # Errors
    /// When the connection fails or stalls; an HTTP error status is a response, not an error.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;

    /// Sends a request whose body comes piece by piece, `length` bytes in all, and waits for the response's
    /// head. Where a transport has no way to stream, the body is gathered first.
    ///
    /// # Errors
    /// As [`Transport::send`]; also where the body itself breaks off, so that the service never takes half of it
    /// for the whole.
    async fn send_stream(
        &self,
        head: http::Request<()>,
        length: u64,
        mut body: Body,
    ) -> Result<Response, TransportError> {
        let mut whole = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0).min(1 << 20));
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece?);
        }
        self.send(head.map(|()| whole.freeze())).await
    }
}
