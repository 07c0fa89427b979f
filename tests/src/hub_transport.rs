//! The simulated Hub as a [`Transport`]: the client's real requests, served in process, in virtual time.

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_core::transport::{Body, Request, Response, Stage, Transport, TransportError};
use landfall_sim::HubSim;

/// Carries requests to a Hub in this process.
#[derive(Clone, Debug)]
pub struct HubTransport {
    /// The simulated Hub.
    pub hub: HubSim,
}

impl HubTransport {
    async fn carry(&self, request: http::Request<axum::body::Body>) -> Result<Response, TransportError> {
        let reply = self
            .hub
            .call(request)
            .await
            .map_err(|error| TransportError { stage: Stage::Answer, detail: error.to_string() })?;
        Ok(reply.map(|body| {
            let pieces = body
                .into_data_stream()
                .map_err(|error| TransportError { stage: Stage::Body, detail: error.to_string() });
            pieces.boxed() as Body
        }))
    }
}

#[async_trait]
impl Transport for HubTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.carry(request.map(axum::body::Body::from)).await
    }

    async fn send_stream(
        &self,
        head: http::Request<()>,
        length: u64,
        body: Body,
    ) -> Result<Response, TransportError> {
        let mut request = head.map(|()| axum::body::Body::from_stream(body));
        request.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        self.carry(request).await
    }
}
