//! Signed links to the storage.
//!
//! Owns their form, their signature and their end (`hub.md`, sections 6 and 8): the method is part of what is
//! signed, and an expired or altered link is refused with 403. Refuses to know what lies behind them.

use std::time::Duration;

use jiff::Timestamp;

use super::digest::{Sha256Id, hex, oid, sha256};
use super::reply::HubReply;
use crate::url::{Query, decode, encode};

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Put a whole object.
    Put,
    /// Put one part of an upload.
    Part { upload: u64, number: u32 },
    /// Read an object.
    Get,
    /// Say at the Hub that all parts are there.
    Complete { upload: u64 },
}

/// A link as it is understood when it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) repo: String,
    pub(crate) oid: Sha256Id,
    pub(crate) purpose: Purpose,
}

impl Link {
    /// Path and query, without host.
    pub(crate) fn sign(&self, seed: u64, now: Timestamp, lifetime: Duration) -> String {
        let until = now.as_second().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
        let path = match self.purpose {
            Purpose::Complete { .. } => "/api/complete_multipart".to_owned(),
            Purpose::Get => format!("/xet-bridge-us/{}/{}", encode(&self.repo), hex(&self.oid)),
            _ => format!("/repos/{}/{}", encode(&self.repo), hex(&self.oid)),
        };
        let what = match self.purpose {
            Purpose::Put => "op=put".to_owned(),
            Purpose::Get => "op=get".to_owned(),
            Purpose::Part { upload, number } => format!("op=part&uploadId={upload}&partNumber={number}"),
            Purpose::Complete { upload } => {
                format!("op=complete&uploadId={upload}&prefix={}&oid={}", encode(&self.repo), hex(&self.oid))
            }
        };
        let query = format!("{what}&X-Amz-Date={}&Expires={until}", now.as_second());
        let signature = self.signature(seed, &query);
        format!("{path}?{query}&Signature={signature}")
    }

    /// Reads a link back.
    pub(crate) fn read(seed: u64, path: &str, raw_query: &str, now: Timestamp) -> Result<Self, HubReply> {
        let denied = || HubReply::xml(403, "AccessDenied", "Request has expired");
        let mismatch = || {
            let text = "The request signature we calculated does not match the signature you provided.";
            HubReply::xml(403, "SignatureDoesNotMatch", text)
        };
        let query = Query::parse(raw_query);
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<u64>().ok());
        let upload = || number("uploadId").ok_or_else(mismatch);
        let purpose = match query.get("op") {
            Some("put") => Purpose::Put,
            Some("get") => Purpose::Get,
            Some("part") => Purpose::Part {
                upload: upload()?,
                number: number("partNumber").and_then(|n| u32::try_from(n).ok()).ok_or_else(mismatch)?,
            },
            Some("complete") => Purpose::Complete { upload: upload()? },
            _ => return Err(mismatch()),
        };
        let mut parts = path.trim_start_matches('/').split('/').skip(1);
        let (repo, name) = if matches!(purpose, Purpose::Complete { .. }) {
            (query.get("prefix").map(str::to_owned), query.get("oid").map(str::to_owned))
        } else {
            (parts.next().map(decode), parts.next().map(str::to_owned))
        };
        let link = Self {
            repo: repo.ok_or_else(mismatch)?,
            oid: name.as_deref().and_then(oid).ok_or_else(mismatch)?,
            purpose,
        };
        let (signed, signature) = raw_query.rsplit_once("&Signature=").ok_or_else(mismatch)?;
        if signature != link.signature(seed, signed) {
            return Err(mismatch());
        }
        let until = query.get("Expires").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        if until < now.as_second() { Err(denied()) } else { Ok(link) }
    }

    fn signature(&self, seed: u64, query: &str) -> String {
        let seed = seed.to_be_bytes();
        let parts: [&[u8]; 4] = [&seed, self.repo.as_bytes(), &self.oid, query.as_bytes()];
        hex(&sha256(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(purpose: Purpose) -> Link {
        Link { repo: "me/arch".into(), oid: [7; 32], purpose }
    }

    #[test]
    fn links_hold_until_their_end_and_not_when_altered() {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let later = start + jiff::SignedDuration::from_secs(61);
        for purpose in [
            Purpose::Put,
            Purpose::Get,
            Purpose::Part { upload: 3, number: 12 },
            Purpose::Complete { upload: 3 },
        ] {
            let link = link(purpose);
            let text = link.sign(5, start, Duration::from_secs(60));
            let (path, query) = text.split_once('?').unwrap();
            assert_eq!(Link::read(5, path, query, start).unwrap(), link);
            assert_eq!(Link::read(6, path, query, start).unwrap_err().status, 403, "another secret");
            assert_eq!(Link::read(5, path, query, later).unwrap_err().status, 403, "too late");
            let altered = query.replace("Expires=1", "Expires=2");
            assert_ne!(altered, query);
            assert_eq!(Link::read(5, path, &altered, later).unwrap_err().status, 403, "a longer life");
        }
    }
}
