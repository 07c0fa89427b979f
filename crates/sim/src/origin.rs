//! The content hosts: downloads, upload sessions and monitors.
//!
//! Owns everything that is reached by a pre-authenticated URL (`graph.md`, sections 7, 8 and 10). Refuses a bearer
//! token there, as the real hosts do.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::call::Call;
use crate::content::to_usize;
use crate::faults::Fault;
use crate::reply::{Fail, Payload, Reply, Serving};
use crate::route;
use crate::world::World;
use crate::world::commit::{FRAGMENT_LIMIT, Outcome, Progress, SessionState, Span, session_gone};

/// Answers a request to a content host.
pub(crate) fn handle(world: &mut World, call: &Call) -> Reply {
    let route = if call.path.ends_with("/download.aspx") {
        route::DOWNLOAD
    } else if call.path.ends_with("/uploadSession") {
        match call.method.as_str() {
            "PUT" => route::PUT_FRAGMENT,
            "GET" => route::SESSION_STATUS,
            "DELETE" => route::CANCEL_SESSION,
            "POST" => route::COMMIT_SESSION,
            _ => route::UNKNOWN,
        }
    } else if call.path.contains("/_api/v2.0/monitor/") {
        route::MONITOR
    } else {
        route::UNKNOWN
    };
    world.audit.count(route);
    if route::is_write(route) {
        world.audit.requests.writes += 1;
    }
    if call.headers.contains_key("authorization") {
        world.audit.violate(format!("{route} sent an Authorization header to a pre-authenticated URL"));
        if world.config.strict_preauthenticated {
            return world.refuse(&Fail::new(
                401,
                "unauthenticated",
                "Invalid audience Uri in the access token.",
            ));
        }
    }
    let subject = subject_of(world, call, route);
    if route == route::PUT_FRAGMENT {
        world.audit.requests.resource_units += world.config.fragment_ru;
        let (app, units, now) = (world.tenant.client_id.clone(), world.config.fragment_ru, world.now);
        if let Some(seconds) = world.meter.charge(&app, units, now).retry_after {
            return world.throttled(429, Some(seconds));
        }
    }
    let fault = world.faults.draw(route, &subject);
    if let Some(fault) = fault {
        world.note_fault(fault);
        if let Some(reply) = world.refused_by(fault, call) {
            return reply;
        }
    }
    let served = match route {
        route::DOWNLOAD => download(world, call, fault),
        route::MONITOR => monitor(world, call),
        route::UNKNOWN => Err(Fail::not_found()),
        _ => session(world, call, route, fault),
    };
    let reply = served.unwrap_or_else(|fail| world.refuse(&fail));
    world.audit.requests.bytes_out += reply.served();
    world.damage(reply, fault, call)
}

/// What a fault's bound counts by: the file, not the URL, which changes with every attempt.
fn subject_of(world: &World, call: &Call, route: &'static str) -> String {
    match route {
        route::DOWNLOAD => {
            let item =
                parse_tempauth(world, call).and_then(|(drive, item, _)| world.drive(drive)?.item(item));
            item.map_or_else(|| call.path.clone(), |item| format!("{}/{}", item.parent, item.name))
        }
        _ => {
            let session = guid_of(world, call).and_then(|guid| world.sessions.get(&guid));
            session
                .map_or_else(|| call.path.clone(), |session| format!("{}/{}", session.parent, session.name))
        }
    }
}

fn parse_tempauth(world: &World, call: &Call) -> Option<(usize, u32, i64)> {
    let sealed = call.query.get("tempauth")?.strip_prefix("v1.")?;
    let text = world.unseal(sealed)?;
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn unauthenticated(world: &World) -> Fail {
    let text =
        format!("The access token has expired. It's valid from '{}' and to '{}'.", world.now, world.now);
    Fail::new(401, "unauthenticated", text).inner("expiredToken")
}

fn download(world: &mut World, call: &Call, fault: Option<Fault>) -> Result<Reply, Fail> {
    let Some((drive_index, index, expires)) = parse_tempauth(world, call) else {
        return Err(unauthenticated(world));
    };
    let drive = world.drive(drive_index).ok_or_else(Fail::not_found)?;
    let expected = format!(
        "UniqueId={}&Translate=false&tempauth={}&ApiVersion=2.0",
        drive.ids.guid(index).text(),
        call.query.get("tempauth").unwrap_or_default()
    );
    if call.raw_query != expected {
        world.audit.violate("the query of a download URL was altered or reordered".into());
        return Err(unauthenticated(world));
    }
    if expires <= world.now.as_millisecond() || fault == Some(Fault::ExpiredUrl) {
        return Err(unauthenticated(world));
    }
    world.check_drive(drive_index, false)?;
    let drive = world.drive(drive_index).ok_or_else(Fail::not_found)?;
    let item = drive.item(index).filter(|item| item.visible(world.now)).ok_or_else(Fail::not_found)?;
    if item.extra.as_ref().is_some_and(|extra| extra.malware) {
        let mut reply = Reply::text(403, "text/html", "<html><body>Malware detected</body></html>");
        reply.set("x-virus-infected", "Win32/Test.A");
        return Ok(reply);
    }
    let content = item.served().ok_or_else(Fail::not_found)?;
    let name = crate::url::encode(&item.name);
    let etag = drive.etag(index);
    let total = content.len();
    let range = call.header("range").filter(|_| fault != Some(Fault::WholeBody));
    let (from, len, partial) = match range.map(|text| parse_range(text, total)) {
        None | Some(Wanted::Whole) => (0, total, false),
        Some(Wanted::Part(from, len)) => (from, len, true),
        Some(Wanted::Beyond) => {
            let mut reply = Reply::empty(416);
            reply.set("content-range", &format!("bytes */{total}"));
            return Ok(reply);
        }
    };
    let mut reply = Reply::empty(if partial { 206 } else { 200 });
    reply.set("content-type", "application/octet-stream");
    reply.set("content-disposition", &format!("attachment; filename*=UTF-8''{name}"));
    reply.set("accept-ranges", "bytes");
    reply.set("etag", &etag);
    if partial {
        reply.set("content-range", &format!("bytes {from}-{}/{total}", from + len - 1));
    }
    let at = world.faults.offset(route::DOWNLOAD, len);
    let mut serving = Serving { content, from, len, wrong: None, cut: None };
    match fault {
        Some(Fault::Cut) => serving.cut = Some(at),
        Some(Fault::Truncated) if len > 0 => serving.len = at,
        Some(Fault::WrongByte) if len > 0 => serving.wrong = Some(from + at),
        _ => {}
    }
    reply.body = Payload::Content(serving);
    Ok(reply)
}

enum Wanted {
    Whole,
    Part(u64, u64),
    Beyond,
}

fn parse_range(text: &str, total: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(from), _) if from >= total => Wanted::Beyond,
        (Ok(from), Ok(to)) if to >= from => Wanted::Part(from, to.min(total - 1) - from + 1),
        (Ok(from), Err(_)) if last.is_empty() => Wanted::Part(from, total - from),
        (Err(_), Ok(tail)) if first.is_empty() && tail > 0 && total > 0 => {
            let len = tail.min(total);
            Wanted::Part(total - len, len)
        }
        _ => Wanted::Whole,
    }
}

fn guid_of(world: &World, call: &Call) -> Option<String> {
    let guid = call.query.get("guid")?.trim_matches('\'').to_owned();
    let sealed = world.unseal(call.query.get("tempauth")?)?;
    (sealed == guid).then_some(guid)
}

fn session(world: &mut World, call: &Call, route: &'static str, fault: Option<Fault>) -> Result<Reply, Fail> {
    let guid = guid_of(world, call).ok_or_else(session_gone)?;
    match fault {
        Some(Fault::SessionLost) => {
            world.forget_session(&guid);
        }
        Some(Fault::SessionExpired) => {
            world.forget_session(&guid);
            return Err(unauthenticated(world));
        }
        Some(Fault::RangeRefused) => {
            return Err(Fail::new(
                416,
                "invalidRange",
                "The fragment overlaps with bytes that were received before.",
            )
            .inner("fragmentOverlap"));
        }
        _ => {}
    }
    let session = world.sessions.get_mut(&guid).ok_or_else(session_gone)?;
    session.touched = true;
    let drive = session.drive;
    world.check_drive(drive, route != route::SESSION_STATUS)?;
    match route {
        route::CANCEL_SESSION => {
            world.forget_session(&guid);
            Ok(Reply::empty(204))
        }
        route::SESSION_STATUS => Ok(status(world, &guid, 200)),
        route::COMMIT_SESSION => {
            let progress = world.commit_session(&guid)?;
            Ok(finished(world, drive, progress, fault))
        }
        _ => fragment(world, call, &guid, fault),
    }
}

fn status(world: &World, guid: &str, code: u16) -> Reply {
    let Some(session) = world.sessions.get(guid) else { return Reply::empty(404) };
    let ranges = match session.state {
        SessionState::Complete => json!([]),
        _ => json!([format!("{}-", session.next_expected())]),
    };
    Reply::json(
        code,
        &json!({"expirationDateTime": session.expires.to_string(), "nextExpectedRanges": ranges}),
    )
}

fn finished(world: &mut World, drive: usize, progress: Progress, fault: Option<Fault>) -> Reply {
    match progress {
        Progress::Committed { item, created } => {
            if let Some(Fault::LateHash { .. }) = fault {
                world.delay(drive, item, fault);
            }
            let reply = world.shown(if created { 201 } else { 200 }, drive, item);
            if let Some(Fault::Stale { .. }) = fault {
                world.delay(drive, item, fault);
            }
            reply
        }
        Progress::More => Reply::empty(202),
    }
}

fn fragment(world: &mut World, call: &Call, guid: &str, fault: Option<Fault>) -> Result<Reply, Fail> {
    world.audit.requests.bytes_in += call.body.len() as u64;
    let span = parse_span(world, call)?;
    let before = world.sessions.get(guid).cloned().ok_or_else(session_gone)?;
    let drive = before.drive;
    if call.body.len() as u64 > FRAGMENT_LIMIT {
        world.audit.violate(format!("a fragment of \"{}\" is larger than 60 MiB", before.name));
    }
    match world.accept(guid, span, call.body.clone())? {
        Progress::More => {
            let mut reply = status(world, guid, 202);
            // A reply that gets lost only after the last fragment haunts; before it, it is merely lost.
            reply.lost = fault == Some(Fault::CommittedUnseen);
            Ok(reply)
        }
        done @ Progress::Committed { .. } => {
            if fault == Some(Fault::CommittedUnseen) {
                world.haunt(guid, before, span.first);
            }
            Ok(finished(world, drive, done, fault))
        }
    }
}

/// `bytes a-b/total`.
fn parse_span(world: &World, call: &Call) -> Result<Span, Fail> {
    let bad = || Fail::bad("The Content-Range header is missing or malformed.");
    let text = call.header("content-range").ok_or_else(bad)?;
    let (range, total) =
        text.strip_prefix("bytes").map(str::trim_start).and_then(|t| t.split_once('/')).ok_or_else(bad)?;
    let (first, last) = range.split_once('-').ok_or_else(bad)?;
    let total = match total.trim() {
        "*" if world.config.strict_content_range => return Err(bad()),
        "*" => None,
        number => Some(number.parse().map_err(|_| bad())?),
    };
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| bad());
    let span = Span { first: number(first)?, last: number(last)?, total };
    if call.body.is_empty() || to_usize(span.last.saturating_sub(span.first)) + 1 != call.body.len() {
        return Err(Fail::new(416, "invalidRange", "The fragment does not have the announced length.")
            .inner("fragmentLengthMismatch"));
    }
    Ok(span)
}

/// The state of a copy. Done copies stay readable.
fn monitor(world: &World, call: &Call) -> Result<Reply, Fail> {
    let guid = call.path.rsplit('/').next().unwrap_or_default();
    let monitor = world.monitors.get(guid).ok_or_else(Fail::not_found)?;
    Ok(match &monitor.outcome {
        Outcome::Running => Reply::json(
            202,
            &json!({
                "operation": "ItemCopy", "status": "inProgress",
                "percentageComplete": percentage(monitor.started, monitor.ends, world.now),
            }),
        ),
        Outcome::Done { drive, item } => {
            let id = world.drive(*drive).map_or(Value::Null, |drive| drive.ids.item_id(*item).into());
            Reply::json(200, &json!({"percentageComplete": 100.0, "resourceId": id, "status": "completed"}))
        }
        Outcome::Failed { code, message } => Reply::json(
            200,
            &json!({"operation": "ItemCopy", "status": "failed", "error": {"code": code, "message": message}}),
        ),
    })
}

fn percentage(started: Timestamp, ends: Timestamp, now: Timestamp) -> i64 {
    let whole = ends.as_millisecond() - started.as_millisecond();
    let part = now.as_millisecond() - started.as_millisecond();
    if whole <= 0 { 99 } else { (part * 100 / whole).clamp(0, 99) }
}
