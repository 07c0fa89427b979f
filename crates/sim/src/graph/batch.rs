//! `$batch`: up to twenty requests in one.
//!
//! Owns the envelope, dependencies and the order of replies, which is not the order of requests. Every inner request
//! is served, charged and throttled by itself (`graph.md`, section 10).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::reply::{Fail, Payload, Reply, member};
use crate::url::Query;
use crate::world::World;

/// More requests in one batch are refused.
const LIMIT: usize = 20;

pub(super) fn serve(world: &mut World, call: &Call) -> Result<Reply, Fail> {
    let body = call.json()?;
    let requests =
        body.get("requests").and_then(Value::as_array).ok_or_else(|| malformed("requests is missing"))?;
    if requests.is_empty() || requests.len() > LIMIT || call.batched {
        return Err(malformed("a batch has 1 to 20 requests and no batch inside"));
    }
    let mut done: BTreeMap<String, u16> = BTreeMap::new();
    let mut responses = Vec::new();
    for request in requests {
        let id = request.get("id").and_then(Value::as_str).ok_or_else(|| malformed("id is missing"))?;
        if done.contains_key(id) {
            return Err(malformed("an id is used twice"));
        }
        let inner = inner_call(call, request)?;
        world.audit.requests.batched += 1;
        let failed = depends_on(request).any(|other| done.get(other).is_none_or(|status| *status >= 400));
        let reply = if failed {
            world.refuse(&Fail::new(424, "failedDependency", "A request that this one depends on failed."))
        } else {
            super::handle(world, &inner)
        };
        done.insert(id.to_owned(), reply.status.as_u16());
        responses.push(outer(id, &reply));
    }
    if responses.len() > 1 {
        responses.rotate_left(1);
    }
    Ok(Reply::json(200, &json!({"responses": responses})))
}

fn malformed(why: &str) -> Fail {
    Fail::new(400, "BadRequest", format!("Invalid batch payload: {why}."))
}

fn depends_on(request: &Value) -> impl Iterator<Item = &str> {
    request.get("dependsOn").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn inner_call(call: &Call, request: &Value) -> Result<Call, Fail> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let method = text("method").ok_or_else(|| malformed("method is missing"))?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| malformed("unknown method"))?;
    let url = text("url").ok_or_else(|| malformed("url is missing"))?;
    let (path, raw_query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    if let Some(token) = call.headers.get("authorization") {
        headers.insert("authorization", token.clone());
    }
    let given = request.get("headers").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed("bad header"))?;
        let value =
            HeaderValue::from_str(value.as_str().unwrap_or_default()).map_err(|_| malformed("bad header"))?;
        headers.insert(name, value);
    }
    let body = match request.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(coded)) => {
            STANDARD.decode(coded).map_err(|_| malformed("body is no base64"))?.into()
        }
        Some(value) => {
            if !headers.contains_key("content-type") {
                return Err(malformed("a body needs a Content-Type header"));
            }
            serde_json::to_vec(value).unwrap_or_default().into()
        }
    };
    Ok(Call {
        method,
        host: call.host,
        path: format!("/v1.0/{}", path.trim_start_matches('/')),
        raw_query: raw_query.to_owned(),
        query: Query::parse(raw_query),
        headers,
        body,
        batched: true,
    })
}

fn outer(id: &str, reply: &Reply) -> Value {
    let mut headers = Map::new();
    for (name, value) in &reply.headers {
        let shown = match name.as_str() {
            "retry-after" => "Retry-After",
            "location" => "Location",
            "content-type" => "Content-Type",
            "www-authenticate" => "WWW-Authenticate",
            _ => continue,
        };
        headers.insert(shown.into(), value.to_str().unwrap_or_default().into());
    }
    let mut response = json!({"id": id, "status": reply.status.as_u16(), "headers": headers});
    if let Payload::Bytes(bytes) = &reply.body
        && !bytes.is_empty()
    {
        let body = serde_json::from_slice::<Value>(bytes).unwrap_or_else(|_| STANDARD.encode(bytes).into());
        member(&mut response, "body", body);
    }
    response
}
