//! The list of what a site's recycle bin holds.
//!
//! Owns its pages. Source: learn.microsoft.com/graph/api/recyclebin-list-items (v1.0), read 2026-11. Nothing can be
//! brought back by this API on a library. Refuses to change anything.

use serde_json::{Value, json};

use crate::call::Call;
use crate::content::to_usize;
use crate::graph::address::SiteRef;
use crate::graph::read::page_size;
use crate::render::{keep_selected, time};
use crate::reply::{Fail, Reply, member};
use crate::url::encode;
use crate::world::World;
use crate::world::bin::Binned;

const DEFAULT_PAGE: u64 = 200;

/// The latest deletion comes first.
// Unverified: the order; the documentation says nothing of it.
pub(super) fn list(world: &World, site: &SiteRef, call: &Call) -> Result<Reply, Fail> {
    let index = world.resolve_site(site)?;
    let site = world.sites.get(index).ok_or_else(Fail::not_found)?;
    let top = to_usize(page_size(world, call, DEFAULT_PAGE)?);
    // What is deleted while a client pages comes before the first page and moves nothing.
    let from = match call.query.get("$skiptoken") {
        Some(token) => place(world, index, token)?,
        None => site.bin.len(),
    };
    let to = from.saturating_sub(top);
    let page = site.bin.get(to..from).unwrap_or_default();
    let value: Vec<Value> = page.iter().rev().map(|binned| shown(world, binned, call)).collect();
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#sites('{}')/recycleBin/items", world.origins.graph, encode(&site.id())),
        "value": value,
    });
    if to > 0 {
        let mut terms = String::new();
        for name in ["$top", "$select"] {
            if let Some(value) = call.query.get(name) {
                terms.push_str(&format!("{name}={}&", encode(value)));
            }
        }
        let token = world.seal(&format!("b.{index}.{to}"));
        let base = format!("{}/sites/{}/recycleBin/items", world.origins.graph, encode(&site.id()));
        member(&mut body, "@odata.nextLink", format!("{base}?{terms}$skiptoken={token}"));
    }
    Ok(Reply::json(200, &body))
}

fn place(world: &World, site: usize, token: &str) -> Result<usize, Fail> {
    let text = world.unseal(token).unwrap_or_default();
    let rest = text.strip_prefix("b.").and_then(|rest| rest.strip_prefix(&format!("{site}.")));
    rest.and_then(|rest| rest.parse().ok()).ok_or_else(|| Fail::bad("The $skiptoken is not valid."))
}

fn shown(world: &World, binned: &Binned, call: &Call) -> Value {
    let mut value = json!({
        "id": binned.id,
        "name": &*binned.name,
        "size": binned.size,
        "deletedDateTime": time(binned.at),
        "deletedFromLocation": binned.from,
    });
    if world.config.bin_editors {
        member(&mut value, "deletedBy", world.identity(binned.by));
    }
    if let (Some(select), Some(map)) = (call.query.get("$select"), value.as_object_mut()) {
        keep_selected(map, select);
    }
    value
}
