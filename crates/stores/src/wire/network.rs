//! The transport over a real network: `reqwest` with rustls and ring.
//!
//! Owns the connection pool and its time limits. Refuses redirects, retries, cookies and credentials:
//! all that lives above it.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use landfall_core::transport::{Body, Request, Response, Stage, Transport, TransportError};
use landfall_core::{Code, ErrorKind, StoreError};

use super::endpoint::is_loopback;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest silence while an answer or its body is read.
const STALL: Duration = Duration::from_secs(60);

/// How long an idle connection is kept; load balancers of the service close theirs after some minutes.
// Unverified: the service's own idle limit.
const IDLE: Duration = Duration::from_secs(90);

/// How the program names itself: Microsoft asks for this form and prefers traffic that has it.
// Source: learn.microsoft.com, "Avoid getting throttled in SharePoint Online", read 2026-11.
pub const USER_AGENT: &str = "NONISV|Landfall|Landfall/0.1.0";

/// Sends over the network: HTTP/1.1 and HTTP/2, system proxy, system trust store.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl ReqwestTransport {
    /// Opens a pool with the given `User-Agent`.
    ///
    /// # Errors
    /// Where the machine's trust store or proxy settings cannot be used.
    pub fn new(user_agent: &str) -> Result<Self, StoreError> {
        // Fails only where a provider is already installed, which then serves as well.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(Duration::from_secs(30))
            .referer(false)
            .build()
            .map_err(|error| {
                StoreError::new(ErrorKind::Rejected, "set up", "the network", text(&error))
                    .with_code(Code::Unreachable)
            })?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.execute(request.map(reqwest::Body::from)).await
    }

    async fn send_stream(
        &self,
        head: http::Request<()>,
        length: u64,
        body: Body,
    ) -> Result<Response, TransportError> {
        let mut request = head.map(|()| reqwest::Body::wrap_stream(body));
        // Without it the body would go out in chunks, which signed storage links refuse.
        request.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        self.execute(request).await
    }
}

impl ReqwestTransport {
    async fn execute(&self, request: http::Request<reqwest::Body>) -> Result<Response, TransportError> {
        let url = request.uri().to_string();
        // The last gate before the network: nothing leaves this machine in the clear, wherever the URL came from.
        if request.uri().scheme_str() != Some("https") && !is_loopback(&url) {
            let detail = "refused to send in the clear".to_owned();
            return Err(TransportError { stage: Stage::Connect, detail });
        }
        let request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError { stage: Stage::Connect, detail: text(&error) })?;
        let response = self.client.execute(request).await.map_err(|error| failure(error, Stage::Answer))?;
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        let (head, ()) = head.into_parts();
        let body = response.bytes_stream().map_err(|error| failure(error, Stage::Body));
        Ok(Response::from_parts(head, Box::pin(body)))
    }
}

fn failure(error: reqwest::Error, stage: Stage) -> TransportError {
    let stage = if error.is_connect() { Stage::Connect } else { stage };
    TransportError { stage, detail: text(&error.without_url()) }
}

/// The error and what lies beneath it, without its URL.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        next = inner.source();
    }
    super::redact::shown_text(&text)
}
