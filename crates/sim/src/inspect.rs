//! The inspection API: what tests and operators may ask a running simulator.
//!
//! Owns `/inspect/…`. Nothing here is counted, delayed, charged or faulted.

use http::Method;
use serde_json::{Value, json};

use crate::change::WorldOp;
use crate::damage::{DamageError, DamageOrder};
use crate::faults::FaultRule;
use crate::render::{drive_type, time};
use crate::reply::Reply;
use crate::url::{Query, decode};
use crate::world::World;

/// Answers a request to the inspection API. `path` is what follows `/inspect`.
pub(crate) fn handle(world: &mut World, method: &Method, path: &str, raw_query: &str, body: &[u8]) -> Reply {
    let query = Query::parse(raw_query);
    match (method.as_str(), decode(path).trim_matches('/')) {
        ("GET", "compare") => {
            let first = world.jobs.first().map(|job| job.name).unwrap_or_default();
            match world.compare(query.get("job").unwrap_or(first)) {
                Some(result) => Reply::json(200, &json!(result)),
                None => problem(404, "no such job"),
            }
        }
        ("GET", "requests") => Reply::json(200, &json!(world.audit.requests)),
        ("POST", "requests/reset") => {
            world.audit.reset();
            Reply::empty(204)
        }
        ("GET", "drives") => Reply::json(200, &drives(world)),
        ("GET", "tree") => tree(world, &query),
        ("POST", "faults") => each(body, |rule: FaultRule| {
            world.faults.script(rule);
            Ok(())
        }),
        ("POST", "world") => each(body, |op: WorldOp| world.change(op).map_err(|error| error.to_string())),
        ("POST", "damage") => damage(world, body),
        _ => problem(
            404,
            "known are compare, requests, requests/reset, drives, tree, faults, world and damage",
        ),
    }
}

fn problem(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({"error": text}))
}

/// One line of JSON for each damaged file.
fn damage(world: &mut World, body: &[u8]) -> Reply {
    let order = match serde_json::from_slice::<DamageOrder>(body) {
        Ok(order) => order,
        Err(error) => return problem(400, &error.to_string()),
    };
    match world.inflict(&order) {
        Ok(done) => {
            let lines: String = done.iter().map(|one| format!("{}\n", json!(one))).collect();
            Reply::text(200, "application/x-ndjson; charset=utf-8", lines)
        }
        Err(error @ DamageError::NoJob(_)) => problem(404, &error.to_string()),
        Err(error) => problem(400, &error.to_string()),
    }
}

/// Takes one object or an array of them.
fn each<T: serde::de::DeserializeOwned>(body: &[u8], mut act: impl FnMut(T) -> Result<(), String>) -> Reply {
    let parsed = serde_json::from_slice::<Value>(body).and_then(|value| match value {
        Value::Array(_) => serde_json::from_value::<Vec<T>>(value),
        one => serde_json::from_value::<T>(one).map(|one| vec![one]),
    });
    match parsed {
        Err(error) => problem(400, &error.to_string()),
        Ok(all) => match all.into_iter().try_for_each(&mut act) {
            Ok(()) => Reply::empty(204),
            Err(text) => problem(400, &text),
        },
    }
}

fn drives(world: &World) -> Value {
    let shown = world.drives.iter().enumerate().map(|(index, drive)| {
        let site = world.site_of(index);
        json!({
            "id": drive.id, "name": drive.name, "driveType": drive_type(drive), "root": drive.ids.item_id(0),
            "site": site.map(crate::world::Site::web_url), "items": drive.items.len(), "used": drive.used,
        })
    });
    json!({"drives": shown.collect::<Vec<_>>(), "jobs": world.jobs.iter().map(|job| job.name).collect::<Vec<_>>()})
}

fn tree(world: &World, query: &Query) -> Reply {
    let index = match world.named_drive(query.get("drive")) {
        Ok(index) => index,
        Err(error) => return problem(404, &error.to_string()),
    };
    let Some(drive) = world.drive(index) else { return problem(404, "no such drive") };
    let path = query.get("path").unwrap_or_default();
    let Some(start) = drive.walk(0, path.split('/').filter(|name| !name.is_empty())) else {
        return problem(404, "no such folder");
    };
    let mut pending = vec![start];
    let mut out = Vec::new();
    while let Some(at) = pending.pop() {
        let Some(item) = drive.item(at) else { continue };
        if let Some(folder) = item.folder() {
            pending.extend(folder.children.values().rev().copied());
        }
        if at != start {
            out.push(json!({
                "path": format!("/{}", drive.path(at).join("/")), "id": drive.ids.item_id(at),
                "folder": item.is_folder(), "size": item.size(), "versions": item.versions(),
                "created": time(item.fs_created), "modified": time(item.fs_modified),
            }));
        }
    }
    Reply::json(200, &json!({"items": out}))
}
