//! Reading requests: users, sites, drives, items, children, content, versions and permissions.
//!
//! Owns paging of children and the redirect to content. Refuses to change the tree; enumeration by delta has a module
//! of its own.

use serde_json::{Value, json};

use crate::call::Call;
use crate::content::to_usize;
use crate::graph::Target;
use crate::graph::address::{DriveRef, SiteRef};
use crate::names::fold;
use crate::render::{Sheet, View, keep_selected, time};
use crate::reply::{Fail, Reply, member};
use crate::route;
use crate::url::encode;
use crate::world::World;

const DEFAULT_PAGE: u64 = 200;

pub(super) fn user(world: &World, key: &str) -> Result<Reply, Fail> {
    let user = world.user(key).and_then(|index| world.users.get(index)).filter(|user| !user.deleted);
    let user = user.ok_or_else(|| no_user(key))?;
    Ok(Reply::json(
        200,
        &json!({
            "@odata.context": format!("{}/$metadata#users/$entity", world.origins.graph),
            "id": user.id, "userPrincipalName": user.upn, "displayName": user.display, "mail": user.upn,
        }),
    ))
}

fn no_user(key: &str) -> Fail {
    Fail::new(
        404,
        "Request_ResourceNotFound",
        format!(
            "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        ),
    )
}

/// The drive of a person; the several shapes of "there is none" are those of `graph.md`, section 3.
pub(super) fn drive_of_user(world: &World, key: &str) -> Result<usize, Fail> {
    let index = world.user(key).ok_or_else(|| no_user(key))?;
    let user = world.users.get(index).filter(|user| !user.deleted).ok_or_else(|| no_user(key))?;
    user.drive.ok_or_else(|| match index % 3 {
        0 => Fail::new(404, "UnknownError", "404 FILE NOT FOUND"),
        1 => Fail::new(404, "ResourceNotFound", "User's mysite not found."),
        _ => Fail::new(400, "BadRequest", "Unable to retrieve user's mysite URL."),
    })
}

pub(super) fn user_drives(world: &World, key: &str) -> Result<Reply, Fail> {
    let drive = drive_of_user(world, key)?;
    Ok(Reply::json(200, &json!({"value": [world.show_drive(drive)]})))
}

pub(super) fn site(world: &World, site: &SiteRef) -> Result<Reply, Fail> {
    Ok(Reply::json(200, &world.show_site(world.resolve_site(site)?)))
}

pub(super) fn site_drives(world: &World, site: &SiteRef, call: &Call) -> Result<Reply, Fail> {
    let site = world.resolve_site(site)?;
    let drives = world.sites.get(site).map(|site| site.drives.as_slice()).unwrap_or_default();
    let shown: Vec<Value> = drives
        .iter()
        .map(|drive| {
            let mut value = world.show_drive(*drive);
            if let (Some(select), Some(map)) = (call.query.get("$select"), value.as_object_mut()) {
                keep_selected(map, select);
            }
            value
        })
        .collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

pub(super) fn drive(world: &World, drive: &DriveRef, call: &Call) -> Result<Reply, Fail> {
    let index = world.resolve_drive(drive)?;
    let mut value = world.show_drive(index);
    if let (Some(select), Some(map)) = (call.query.get("$select"), value.as_object_mut()) {
        keep_selected(map, select);
    }
    Ok(Reply::json(200, &value))
}

/// The list behind a library. Only what a check before a migration wants to know.
pub(super) fn list(world: &World, drive: &DriveRef) -> Result<Reply, Fail> {
    let index = world.resolve_drive(drive)?;
    let drive = world.drive(index).ok_or_else(Fail::not_found)?;
    let required = drive.requires_checkout;
    Ok(Reply::json(
        200,
        &json!({
            "id": drive.list.text(),
            "name": drive.segment,
            "displayName": drive.name,
            "list": {"contentTypesEnabled": false, "hidden": false, "template": "documentLibrary"},
            "columns": [{"name": "Title", "displayName": "Title", "required": required}],
        }),
    ))
}

pub(super) fn item(
    world: &World,
    call: &Call,
    target: &Target<'_>,
    route: &'static str,
) -> Result<Reply, Fail> {
    let index = world.find(target.drive, target.addr)?;
    match route {
        route::GET_ITEM => {
            let view = View { delta: false, download_url: true };
            let mut value = world.show_item(target.drive, index, view, call.query.get("$select"));
            if let Some(expand) = call.query.get("$expand") {
                world.expand(&mut value, (target.drive, index), expand)?;
            }
            if let Some(map) = value.as_object_mut() {
                map.insert(
                    "@odata.context".into(),
                    format!("{}/$metadata#driveItem", world.origins.graph).into(),
                );
            }
            Ok(Reply::json(200, &value))
        }
        route::CHILDREN => children(world, call, target, index),
        route::GET_CONTENT => content(world, call, target.drive, index),
        route::VERSIONS => paged(world, call, versions(world, target.drive, index)?),
        route::PERMISSIONS => paged(world, call, world.permissions(target.drive, index)?),
        _ => Err(Fail::new(405, "notAllowed", "The HTTP method is not allowed here.")),
    }
}

fn content(world: &World, call: &Call, drive_index: usize, index: u32) -> Result<Reply, Fail> {
    let drive = world.drive(drive_index).ok_or_else(Fail::not_found)?;
    let item = drive.item(index).ok_or_else(Fail::not_found)?;
    let extra = item.extra.as_deref();
    if item.is_folder() || extra.is_some_and(|extra| extra.package.is_some() || extra.shortcut.is_some()) {
        return Err(Fail::not_found());
    }
    if extra.is_some_and(|extra| extra.malware) && call.query.get("AVOverride") != Some("1") {
        return Err(Fail::new(403, "malwareDetected", "Malware detected"));
    }
    if let Some(known) = call.header("if-none-match")
        && (known == drive.etag(index) || known == drive.ctag(index))
    {
        return Ok(Reply::empty(304));
    }
    Ok(Reply::redirect(&world.download_url(drive_index, index)))
}

/// One page of a small collection. Its next link repeats the request.
fn paged(world: &World, call: &Call, all: Vec<Value>) -> Result<Reply, Fail> {
    let top = page_size(world, call, DEFAULT_PAGE)?;
    let from: usize = match call.query.get("$skiptoken") {
        None => 0,
        Some(token) => {
            let text = world.unseal(token).and_then(|text| text.strip_prefix("n|")?.parse().ok());
            text.ok_or_else(|| Fail::bad("The $skiptoken is not valid."))?
        }
    };
    let end = from.saturating_add(to_usize(top));
    let more = all.len() > end;
    let value: Vec<Value> = all.into_iter().skip(from).take(to_usize(top)).collect();
    let mut body = json!({ "value": value });
    if more {
        let path = call.path.trim_start_matches("/v1.0");
        let link = format!("{}{path}?$skiptoken={}", world.origins.graph, world.seal(&format!("n|{end}")));
        member(&mut body, "@odata.nextLink", link);
    }
    Ok(Reply::json(200, &body))
}

fn versions(world: &World, drive_index: usize, index: u32) -> Result<Vec<Value>, Fail> {
    let item = world.drive(drive_index).and_then(|drive| drive.item(index)).ok_or_else(Fail::not_found)?;
    let older = item.extra.as_ref().map(|extra| extra.older.as_slice()).unwrap_or_default();
    let latest = item.next_version();
    let mut value = vec![json!({
        "id": format!("{latest}.0"),
        "lastModifiedDateTime": time(item.modified),
        "lastModifiedBy": world.identity(item.by),
        "size": item.size(),
    })];
    value.extend(older.iter().rev().map(|version| {
        json!({
            "id": format!("{}.0", version.number),
            "lastModifiedDateTime": time(version.modified),
            "lastModifiedBy": world.identity(version.by),
            "size": version.content.len(),
        })
    }));
    Ok(value)
}

fn children(world: &World, call: &Call, target: &Target<'_>, index: u32) -> Result<Reply, Fail> {
    let drive = world.drive(target.drive).ok_or_else(Fail::not_found)?;
    let item = drive.item(index).ok_or_else(Fail::not_found)?;
    let Some(folder) = item.folder() else {
        return Ok(Reply::json(200, &json!({"value": []})));
    };
    let select = call.query.get("$select");
    let top = page_size(world, call, DEFAULT_PAGE)?;
    let after = match call.query.get("$skiptoken") {
        Some(token) => Some(skip_key(world, call, token)?),
        None => None,
    };
    let view = View { delta: false, download_url: true };
    let mut sheet = Sheet::new(world, target.drive, view, select).ok_or_else(Fail::not_found)?;
    let mut value = Vec::new();
    let mut last: Option<&str> = None;
    let mut more = false;
    let range = match &after {
        Some(key) => folder
            .children
            .range::<str, _>((std::ops::Bound::Excluded(key.as_str()), std::ops::Bound::Unbounded)),
        None => folder.children.range::<str, _>(..),
    };
    for (key, child) in range {
        if !drive.item(*child).is_some_and(|item| item.visible(world.now)) {
            continue;
        }
        if value.len() >= to_usize(top) {
            more = true;
            break;
        }
        value.push(sheet.item(*child));
        last = Some(key);
    }
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#Collection(driveItem)", world.origins.graph),
        "value": value,
    });
    if let (true, Some(key)) = (more, last) {
        let link = next_link(world, call, &drive.id, &drive.ids.item_id(index), key);
        member(&mut body, "@odata.nextLink", link);
    }
    Ok(Reply::json(200, &body))
}

/// The page size that `$top` asks for, within what the service gives.
pub(super) fn page_size(world: &World, call: &Call, default: u64) -> Result<u64, Fail> {
    match call.query.get("$top") {
        None => Ok(default.min(world.config.max_page)),
        Some(text) => match text.parse::<u64>() {
            Ok(top) if top > 0 => Ok(top.min(world.config.max_page)),
            _ => Err(Fail::bad("Invalid value for $top.")),
        },
    }
}

/// What of the query a next link must repeat unchanged.
fn paging_terms(call: &Call) -> String {
    format!(
        "{}&{}",
        call.query.get("$top").unwrap_or_default(),
        call.query.get("$select").unwrap_or_default()
    )
}

fn next_link(world: &World, call: &Call, drive: &str, item: &str, key: &str) -> String {
    let mut terms = String::new();
    for name in ["$top", "$select", "$expand"] {
        if let Some(value) = call.query.get(name) {
            terms.push_str(&format!("{name}={}&", encode(value)));
        }
    }
    let token = world.seal(&format!("c|{}|{}", paging_terms(call), fold(key)));
    format!("{}/drives/{drive}/items/{item}/children?{terms}$skiptoken={token}", world.origins.graph)
}

fn skip_key(world: &World, call: &Call, token: &str) -> Result<String, Fail> {
    let altered = || Fail::bad("The $skiptoken is not valid.");
    let text = world.unseal(token).ok_or_else(altered)?;
    let rest = text.strip_prefix("c|").ok_or_else(altered)?;
    let key = rest.strip_prefix(&format!("{}|", paging_terms(call))).ok_or_else(altered)?;
    Ok(key.to_owned())
}
