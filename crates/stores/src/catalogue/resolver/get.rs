//! One GET of a service's JSON, read whole within bounds.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use landfall_core::transport::{Request, Transport};
use landfall_core::{Code, ErrorKind, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use crate::wire::{shown_text, shown_url};

/// Largest answer that is read, in bytes.
const LARGEST: usize = 8 << 20;

/// Longest time for one request with its whole answer.
const TIME: Duration = Duration::from_secs(60);

/// An answer of any status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Sends once; the error is a text without secrets.
pub(super) async fn get(
    transport: &dyn Transport,
    url: &str,
    bearer: Option<&SecretString>,
) -> Result<Reply, String> {
    let mut request = Request::new(bytes::Bytes::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.parse().map_err(|_| "no URL".to_owned())?;
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(bearer) = bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
            .map_err(|_| "the token has a character that no header can hold".to_owned())?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    match tokio::time::timeout(TIME, exchange(transport, request)).await {
        Ok(reply) => reply,
        Err(_) => Err(format!("no answer within {} s", TIME.as_secs())),
    }
}

async fn exchange(transport: &dyn Transport, request: Request) -> Result<Reply, String> {
    let response = transport.send(request).await.map_err(|error| shown_text(&error.to_string()))?;
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| shown_text(&error.to_string()))?;
        if body.len() + piece.len() > LARGEST {
            return Err(format!("an answer of more than {LARGEST} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
}

/// The root of a service, without a slash at its end.
///
/// # Errors
/// `InsecureEndpoint` where it is neither https nor on this machine: a token goes there.
pub(super) fn base(text: &str) -> Result<String, StoreError> {
    let secure = Url::parse(text).is_ok_and(|url| {
        let here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            // A simulator within the process has no network under it.
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".sim"),
            None => false,
        };
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        bare && (url.scheme() == "https" && url.host().is_some() || url.scheme() == "http" && here)
    });
    if secure {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(StoreError::new(ErrorKind::Rejected, "connect to", shown_url(text), "neither https nor this machine")
        .with_code(Code::InsecureEndpoint))
}
