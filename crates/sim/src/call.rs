//! One request as the handlers see it.
//!
//! Owns nothing but the parts; the body is complete. Refuses to know where it came from.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::origins::Host;
use crate::reply::Fail;
use crate::url::Query;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) host: Host,
    /// As on the wire, encoded.
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Part of a batch.
    pub(crate) batched: bool,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn json(&self) -> Result<Value, Fail> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|error| {
            Fail::new(400, "BadRequest", format!("Unable to read JSON request payload: {error}"))
        })?;
        if value.is_object() { Ok(value) } else { Err(Fail::bad("The payload must be an object.")) }
    }
}
