//! Asks a running simulator what it has seen, by the smallest HTTP client there is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Sends one request to a path of the inspection API; `Null` where the answer has no body.
pub(crate) fn ask(base: &str, method: &str, path: &str) -> Result<Value> {
    let rest = base.strip_prefix("http://").context("the inspection API is plain http")?;
    let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(authority).with_context(|| format!("no simulator at {authority}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(600)))?;
    write!(
        stream,
        "{method} /{prefix}{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path}: {status} {body}");
    }
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        bail!("{method} {path}: a chunked answer");
    }
    if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(body)?) }
}
