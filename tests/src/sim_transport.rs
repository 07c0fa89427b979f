//! The simulator as a [`Transport`]: the client's real requests, served in process, in virtual time.

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_core::transport::{Request, Response, Stage, Transport, TransportError};
use landfall_sim::Sim;

/// Carries requests to a simulator in this process.
#[derive(Clone, Debug)]
pub struct SimTransport {
    /// The simulated tenant.
    pub sim: Sim,
}

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let request = request.map(axum::body::Body::from);
        let reply = self
            .sim
            .call(request)
            .await
            .map_err(|error| TransportError { stage: Stage::Answer, detail: error.to_string() })?;
        Ok(reply.map(|body| {
            let pieces = body
                .into_data_stream()
                .map_err(|error| TransportError { stage: Stage::Body, detail: error.to_string() });
            pieces.boxed() as landfall_core::transport::Body
        }))
    }
}
