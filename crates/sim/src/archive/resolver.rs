//! The stand-in for the command that finds a post's media again.
//!
//! Owns the protocol of section 4 of the reference on the media catalogue, in process and as a script for Python.
//! Every id has a list of answers; the last holds for ever. Refuses to know where the answers come from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reply::member;

/// What the script is called in the archive's folder.
pub(crate) const SCRIPT_NAME: &str = "resolver.py";
/// The answers that it reads.
pub(crate) const ANSWERS_NAME: &str = "resolver.jsonl";
/// The script.
pub(crate) const SCRIPT: &str = include_str!("resolver.py");

/// How often each id was asked.
pub(crate) type Asked = BTreeMap<String, usize>;

/// One line of `resolver.jsonl`.
pub(crate) fn line(id: &str, answers: &[Value]) -> String {
    // Some answers come late, so that they come out of order; in milliseconds.
    let delay = crate::media::hash(id) % 5 * 4;
    json!({"v": 1, "id": id, "delay_ms": delay, "answers": answers}).to_string()
}

/// Answers one request line: the lines that come back, or the code with which the command ends.
pub(crate) fn answer(
    answers: &BTreeMap<String, Vec<Value>>,
    asked: &mut Asked,
    request: &str,
    now: i64,
) -> Result<Vec<String>, i32> {
    let request: Value = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(_) => return Ok(vec![fatal()]),
    };
    let id = request.get("id").and_then(Value::as_str).unwrap_or_default();
    let Some(list) = answers.get(id) else {
        let unknown = json!({"v": 1, "id": id, "status": "unavailable", "reason": "unknown", "detail": ""});
        return Ok(vec![unknown.to_string()]);
    };
    let count = asked.entry(id.to_owned()).or_default();
    let chosen = list.get(*count).or(list.last());
    *count += 1;
    let Some(chosen) = chosen else { return Ok(Vec::new()) };
    match chosen.get("do").and_then(Value::as_str) {
        Some("nothing") => Ok(Vec::new()),
        Some("exit") => {
            let code = chosen.get("code").and_then(Value::as_i64).unwrap_or(1);
            Err(i32::try_from(code).unwrap_or(1))
        }
        Some(_) => Ok(vec![chosen.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()]),
        None => Ok(vec![timed(chosen.clone(), now).to_string()]),
    }
}

fn fatal() -> String {
    json!({"v": 1, "status": "fatal", "detail": "the request is no JSON"}).to_string()
}

/// `after` becomes the time at which to ask again.
fn timed(mut answer: Value, now: i64) -> Value {
    if let Some(after) = answer.get("after").and_then(Value::as_i64) {
        member(&mut answer, "retry_at", now + after);
        if let Some(map) = answer.as_object_mut() {
            map.remove("after");
        }
    }
    answer
}
