//! The storage behind the Hub: another host, signed links, no accounts.
//!
//! Owns putting objects and parts, and reading with ranges (`hub.md`, sections 6 and 8). Bytes are kept under the
//! name that the link gives them, whatever they hash to, as the real storage does. Refuses to know commits.

use http::Method;

use super::answer::HubCall;
use super::faults::HubFault;
use super::lfs::store;
use super::link::{Link, Purpose};
use super::object::Object;
use super::reply::HubReply;
use super::state::Hub;

pub(crate) fn handle(hub: &mut Hub, call: &HubCall) -> HubReply {
    let link = match Link::read(hub.config.seed, &call.path, &call.raw_query, call.now) {
        Ok(link) => link,
        Err(refusal) => return refusal,
    };
    match (&call.method, &link.purpose) {
        (&Method::PUT, Purpose::Put) => put(hub, call, &link),
        (&Method::PUT, Purpose::Part { upload, number }) => put_part(hub, call, *upload, *number),
        (&Method::GET, Purpose::Get) => get(hub, call, &link),
        // The method is part of what is signed.
        _ => HubReply::xml(403, "SignatureDoesNotMatch", "The request signature does not match."),
    }
}

fn put(hub: &mut Hub, call: &HubCall, link: &Link) -> HubReply {
    if let Some(refusal) = unmeasured(call) {
        return refusal;
    }
    let object = Object::new(vec![call.body.clone()]);
    let etag = object.etag();
    store(hub, link, object);
    HubReply::empty(200).with("etag", &etag)
}

fn put_part(hub: &mut Hub, call: &HubCall, upload: u64, number: u32) -> HubReply {
    if let Some(refusal) = unmeasured(call) {
        return refusal;
    }
    let Some(parts) = hub.uploads.get_mut(&upload) else {
        return HubReply::xml(404, "NoSuchUpload", "The specified upload does not exist.");
    };
    let part = Object::new(vec![call.body.clone()]);
    let etag = part.etag();
    parts.parts.insert(number, part);
    HubReply::empty(200).with("etag", &etag)
}

/// The storage wants to know the length beforehand.
fn unmeasured(call: &HubCall) -> Option<HubReply> {
    let known = call.header("content-length").is_some();
    (!known).then(|| {
        HubReply::xml(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    })
}

fn get(hub: &Hub, call: &HubCall, link: &Link) -> HubReply {
    let object = hub.repo(&link.repo).and_then(|repo| repo.objects.get(&link.oid));
    let Some(object) = object.filter(|object| !object.lost) else {
        return HubReply::xml(404, "NoSuchKey", "The specified key does not exist.");
    };
    let range = call.header("range").filter(|_| call.fault != Some(HubFault::WholeBody));
    let mut reply = ranged(range, object.len, |from, len| object.slice(from, len));
    reply.set("content-type", "application/octet-stream");
    reply.set("etag", &object.etag());
    reply
}

/// Answers a range, or the whole where none is asked for or it is not understood.
pub(crate) fn ranged(
    range: Option<&str>,
    len: u64,
    read: impl FnOnce(u64, u64) -> Vec<bytes::Bytes>,
) -> HubReply {
    let mut reply = match range.and_then(|text| bounds(text, len)) {
        None => HubReply::of(200, read(0, len)),
        Some((first, last)) if first <= last && first < len => {
            let reply = HubReply::of(206, read(first, last - first + 1));
            reply.with("content-range", &format!("bytes {first}-{last}/{len}"))
        }
        Some(_) => {
            let reply = HubReply::xml(416, "InvalidRange", "The requested range is not satisfiable");
            return reply.with("content-range", &format!("bytes */{len}"));
        }
    };
    reply.set("accept-ranges", "bytes");
    reply
}

/// First and last byte of a single range; several ranges are not understood.
fn bounds(text: &str, len: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = len.saturating_sub(1);
    if first.is_empty() {
        let tail = last.parse::<u64>().ok()?;
        return Some((if tail == 0 { len } else { len.saturating_sub(tail) }, end));
    }
    let last = if last.is_empty() { end } else { last.parse::<u64>().ok()?.min(end) };
    Some((first.parse().ok()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(bounds("bytes=0-31", 100), Some((0, 31)));
        assert_eq!(bounds("bytes=90-", 100), Some((90, 99)));
        assert_eq!(bounds("bytes=-10", 100), Some((90, 99)));
        assert_eq!(bounds("bytes=0-500", 100), Some((0, 99)));
        assert_eq!(bounds("bytes=1-2,5-6", 100), None);
        assert_eq!(ranged(Some("bytes=100-"), 100, |_, _| Vec::new()).status, 416);
        assert_eq!(ranged(Some("bytes=-0"), 100, |_, _| Vec::new()).status, 416);
    }
}
