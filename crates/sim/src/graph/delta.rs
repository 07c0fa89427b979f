//! Enumeration and change tracking by delta.
//!
//! Owns tokens and pages: a full enumeration in order of creation, then changes in order of their numbers with all
//! ancestors (`graph.md`, section 6). Tokens are stateless. Refuses to know what changes mean to a client.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::call::Call;
use crate::content::to_usize;
use crate::faults::Fault;
use crate::graph::Target;
use crate::graph::address::Action;
use crate::graph::read::page_size;
use crate::render::{Sheet, View};
use crate::reply::{Fail, Reply, member};
use crate::url::encode;
use crate::world::World;
use crate::world::drive::Drive;

const DEFAULT_PAGE: u64 = 200;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Full enumeration: changes up to `until` are covered, items below `limit` are named, `at` of them are done.
    Full { until: u64, limit: u64, at: u64 },
    /// Changes after `at`, up to `until`.
    Changes { at: u64, until: u64 },
    /// Everything up to a change is known.
    Done { at: u64 },
}

struct Page {
    items: Vec<u32>,
    next: Option<Place>,
    done: u64,
}

pub(super) fn serve(
    world: &mut World,
    call: &Call,
    target: &Target<'_>,
    action: &Action,
) -> Result<Reply, Fail> {
    let index = world.find(target.drive, target.addr)?;
    if index != 0 {
        return Err(Fail::bad("The delta function is only supported on the root of the drive."));
    }
    let token = match action {
        Action::Delta(Some(token)) => Some(token.clone()),
        _ => call.query.get("token").or(call.query.get("$deltatoken")).map(str::to_owned),
    };
    if target.fault == Some(Fault::Resync) && token.is_some() {
        return Ok(resync(world, target.drive));
    }
    let place = match start(world, call, target.drive, token.as_deref())? {
        Ok(place) => place,
        Err(gone) => return Ok(gone),
    };
    let drive = world.drive(target.drive).ok_or_else(Fail::not_found)?;
    let top = page_size(world, call, DEFAULT_PAGE)?;
    let mut page = match place {
        Place::Full { until, limit, at } => full_page(world, drive, (until, limit, at), top),
        Place::Changes { at, until } => change_page(call, drive, (at, until), top),
        Place::Done { at } => change_page(call, drive, (at, drive.last_change), top),
    };
    match target.fault {
        Some(Fault::EmptyPage) => page = Page { items: Vec::new(), next: Some(place), done: 0 },
        Some(Fault::LoopingLink) if page.next.is_some() => page.next = Some(place),
        Some(Fault::RepeatedItems) => {
            let again: Vec<u32> = page.items.iter().copied().take(5).collect();
            page.items.extend(again);
        }
        _ => {}
    }
    Ok(render(world, call, target.drive, &page))
}

/// Where a token leads. The inner error is a finished 410 reply.
fn start(
    world: &mut World,
    call: &Call,
    index: usize,
    token: Option<&str>,
) -> Result<Result<Place, Reply>, Fail> {
    let drive = world.drive(index).ok_or_else(Fail::not_found)?;
    let fresh = Place::Full { until: drive.last_change, limit: u64::from(drive.count()), at: 0 };
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(Ok(fresh)) };
    if token == "latest" {
        return Ok(Ok(Place::Changes { at: drive.last_change, until: drive.last_change }));
    }
    if let Ok(since) = token.parse::<Timestamp>() {
        return Ok(Ok(Place::Done { at: change_before(drive, since.as_second()) }));
    }
    let oldest = drive.oldest_token;
    let Some((place, terms)) = read_token(world, index, token) else {
        world.audit.violate("a delta link was altered or belongs to another drive".into());
        return Err(Fail::bad("The delta token is not valid."));
    };
    if terms != paging_terms(call) {
        world.audit.violate("a next link or delta link was altered: $top or $select differ".into());
    }
    let known = match place {
        Place::Full { until, .. } => until,
        Place::Changes { at, .. } | Place::Done { at } => at,
    };
    if known < oldest {
        return Ok(Err(resync(world, index)));
    }
    Ok(Ok(place))
}

fn change_before(drive: &Drive, since: i64) -> u64 {
    let newer = drive
        .changes
        .iter()
        .find(|(_, index)| drive.item(**index).is_some_and(|item| item.modified >= since));
    newer.map_or(drive.last_change, |(change, _)| change.saturating_sub(1))
}

fn resync(world: &mut World, index: usize) -> Reply {
    let id = world.drive(index).map(|drive| drive.id.clone()).unwrap_or_default();
    let differences = world.faults.offset(crate::route::DELTA, 2) == 0;
    let inner = if differences { "resyncChangesApplyDifferences" } else { "resyncChangesUploadDifferences" };
    let message = "Resync required. Replace any local items with the server's version.";
    let mut reply = world.refuse(&Fail::new(410, "resyncRequired", message).inner(inner));
    reply.set("location", &format!("{}/drives/{id}/root/delta", world.origins.graph));
    reply
}

fn full_page(world: &World, drive: &Drive, (until, limit, at): (u64, u64, u64), top: u64) -> Page {
    let end = (at + top).min(limit);
    let items = (at..end).filter_map(|n| {
        let n = if world.config.children_first { limit - 1 - n } else { n };
        u32::try_from(n).ok()
    });
    // What is late to be found elsewhere is here, or it would be lost behind the snapshot.
    let items = items.filter(|index| drive.item(*index).is_some_and(|item| !item.deleted)).collect();
    let next = (end < limit).then_some(Place::Full { until, limit, at: end });
    Page { items, next, done: until }
}

fn change_page(call: &Call, drive: &Drive, (at, until): (u64, u64), top: u64) -> Page {
    let mut changed: Vec<(u64, u32)> = Vec::new();
    if at < until {
        changed.extend(drive.changes.range(at + 1..=until).take(to_usize(top) + 1).map(|(n, i)| (*n, *i)));
    }
    let more = changed.len() > to_usize(top);
    changed.truncate(to_usize(top));
    let next = more.then(|| changed.last().map(|(n, _)| Place::Changes { at: *n, until })).flatten();
    let without_parents = call.header("deltaexcludeparent").is_some();
    let mut named = BTreeSet::new();
    let mut items = Vec::new();
    if !changed.is_empty() {
        named.insert(0);
        items.push(0);
    }
    for (_, index) in changed {
        if !without_parents {
            for ancestor in ancestors(drive, index) {
                if named.insert(ancestor) {
                    items.push(ancestor);
                }
            }
        }
        if named.insert(index) {
            items.push(index);
        }
    }
    Page { items, next, done: until }
}

/// Living folders above an item, the highest first.
fn ancestors(drive: &Drive, index: u32) -> Vec<u32> {
    let mut out = Vec::new();
    let mut at = index;
    while let Some(item) = drive.item(at) {
        if at == 0 {
            break;
        }
        at = item.parent;
        if drive.item(at).is_some_and(|parent| !parent.deleted) {
            out.push(at);
        }
    }
    out.reverse();
    out
}

fn render(world: &World, call: &Call, index: usize, page: &Page) -> Reply {
    let select = call.query.get("$select");
    let named = select.is_some_and(|select| select.contains("downloadUrl"));
    let view =
        View { delta: true, download_url: named || (select.is_none() && world.config.delta_download_urls) };
    let mut sheet = Sheet::new(world, index, view, select);
    let value: Vec<Value> = page.items.iter().filter_map(|item| Some(sheet.as_mut()?.item(*item))).collect();
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#Collection(driveItem)", world.origins.graph),
        "value": value,
    });
    match page.next {
        Some(place) => member(&mut body, "@odata.nextLink", link(world, call, index, place)),
        None => {
            let link = link(world, call, index, Place::Done { at: page.done });
            member(&mut body, "@odata.deltaLink", link);
        }
    }
    Reply::json(200, &body)
}

fn paging_terms(call: &Call) -> String {
    format!(
        "{}&{}",
        call.query.get("$top").unwrap_or_default(),
        call.query.get("$select").unwrap_or_default()
    )
}

fn link(world: &World, call: &Call, index: usize, place: Place) -> String {
    let text = match place {
        Place::Full { until, limit, at } => format!("f.{index}.{until}.{limit}.{at}"),
        Place::Changes { at, until } => format!("c.{index}.{at}.{until}"),
        Place::Done { at } => format!("d.{index}.{at}"),
    };
    let token = world.seal(&format!("{text}|{}", paging_terms(call)));
    let mut terms = String::new();
    for name in ["$top", "$select"] {
        if let Some(value) = call.query.get(name) {
            terms.push_str(&format!("{name}={}&", encode(value)));
        }
    }
    let id = world.drive(index).map(|drive| drive.id.as_str()).unwrap_or_default();
    let base = format!("{}/drives/{id}/root", world.origins.graph);
    // Both styles are seen in the wild; clients must not care.
    if index % 2 == 1 && terms.is_empty() {
        format!("{base}/microsoft.graph.delta(token='{token}')")
    } else {
        format!("{base}/delta?{terms}token={token}")
    }
}

fn read_token(world: &World, index: usize, token: &str) -> Option<(Place, String)> {
    let text = world.unseal(token)?;
    let (place, terms) = text.split_once('|')?;
    let mut parts = place.split('.');
    let kind = parts.next()?;
    let mut number = || parts.next()?.parse::<u64>().ok();
    if number()? != index as u64 {
        return None;
    }
    let place = match kind {
        "f" => Place::Full { until: number()?, limit: number()?, at: number()? },
        "c" => Place::Changes { at: number()?, until: number()? },
        "d" => Place::Done { at: number()? },
        _ => return None,
    };
    Some((place, terms.to_owned()))
}
