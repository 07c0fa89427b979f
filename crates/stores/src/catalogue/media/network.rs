//! The transport that media are downloaded with: names are judged by their addresses as they connect.
//!
//! Owns the filter against rebinding: a name's addresses are looked up once, by the resolver of the
//! connection itself, those that are not public are dropped, and the connection goes to what is left. A
//! look-up before the request would prove nothing, for the name may answer otherwise a moment later. An
//! address in place of a name never reaches a resolver, so it is refused here again unless it is exactly
//! one that an override names. Refuses redirects, cookies, proxies of the environment and decompression.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use landfall_core::transport::{Request, Response, Stage, Transport, TransportError};
use landfall_core::{Code, ErrorKind, StoreError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::addresses::refused;
use super::policy::UrlPolicy;
use crate::wire::shown_text;

/// How the program names itself to hosts of media.
pub const MEDIA_USER_AGENT: &str = "Landfall/0.1.0";

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest silence while an answer or its body is read.
const STALL: Duration = Duration::from_secs(30);

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Sends media requests over the network; see the module's introduction.
#[derive(Clone)]
pub struct MediaTransport {
    client: reqwest::Client,
    loopbacks: BTreeSet<SocketAddr>,
}

impl std::fmt::Debug for MediaTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaTransport").field("loopbacks", &self.loopbacks).finish_non_exhaustive()
    }
}

impl MediaTransport {
    /// Opens a pool. A `proxy` (a URL) is used only where the user names one here: it resolves names by
    /// itself, so that the rules about addresses then rest on it, which is said in the log.
    ///
    /// # Errors
    /// Where the proxy's URL or the machine's trust store cannot be used.
    pub fn new(policy: &UrlPolicy, proxy: Option<&str>) -> Result<Self, StoreError> {
        Self::with_lookup(policy, proxy, Arc::new(system_lookup))
    }

    fn with_lookup(policy: &UrlPolicy, proxy: Option<&str>, lookup: Arc<LookUp>) -> Result<Self, StoreError> {
        // Fails only where a provider is already installed, which then serves as well.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut filter = PublicOnly { lookup, spared: None };
        let mut builder = reqwest::Client::builder()
            .user_agent(MEDIA_USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .pool_idle_timeout(IDLE)
            .referer(false)
            .no_proxy();
        if let Some(proxy) = proxy {
            let parsed = Url::parse(proxy).map_err(|_| unusable("no URL"))?;
            filter.spared = parsed.host_str().map(str::to_ascii_lowercase);
            builder = builder.proxy(reqwest::Proxy::all(parsed.as_str()).map_err(|e| unusable(&text(&e)))?);
            tracing::warn!("media go through a proxy: which addresses are reached is for the proxy to judge");
        }
        let client =
            builder.dns_resolver(Arc::new(filter)).build().map_err(|error| unusable(&text(&error)))?;
        Ok(Self { client, loopbacks: policy.loopbacks() })
    }

    /// The last gate before the network, wherever the request came from.
    fn may_go(&self, uri: &http::Uri) -> bool {
        let Ok(url) = Url::parse(&uri.to_string()) else { return false };
        let address = match url.host() {
            Some(Host::Domain(_)) => return url.scheme() == "https",
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            None => return false,
        };
        let port = url.port_or_known_default().unwrap_or(0);
        url.scheme() == "http" && self.loopbacks.contains(&SocketAddr::new(address, port))
    }
}

#[async_trait]
impl Transport for MediaTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if !self.may_go(request.uri()) {
            let detail = "refused: neither https to a name nor an override".to_owned();
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

/// Looks a name up; a test puts its own in place of the system's.
type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

fn system_lookup(name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
}

/// The resolver of the connection: gives public addresses and no others.
struct PublicOnly {
    lookup: Arc<LookUp>,
    /// The proxy's own name, which the user configured and which is usually inside.
    spared: Option<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let spared = self.spared.as_ref() == Some(&host);
        let found = (self.lookup)(host.clone());
        Box::pin(async move {
            let mut addresses = found.await?;
            if !spared {
                addresses.retain(|address| match refused(address.ip()) {
                    None => true,
                    Some(kind) => {
                        tracing::warn!(host, kind, "an address that is not public is left out");
                        false
                    }
                });
            }
            if addresses.is_empty() {
                return Err(format!("{host} has no public address").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn unusable(detail: &str) -> StoreError {
    StoreError::new(ErrorKind::Rejected, "set up", "the network for media", detail)
        .with_code(Code::Unreachable)
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
    shown_text(&text)
}

#[cfg(test)]
mod tests;
