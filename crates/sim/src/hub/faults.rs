//! What goes wrong at the Hub and its storage, and when.
//!
//! Owns the decision: scripted rules first, then chance from (seed, route, nth call of that route), so that the same
//! sequence of requests meets the same faults. Every subject is hit a bounded number of times, so a correct client
//! always finishes. Refuses to know how a fault is carried out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::route::HubRoute;
use crate::config::Faults;
use crate::content::mix;

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HubFault {
    /// 429 as if the bucket were empty: `RateLimit` says nothing is left for so many seconds. Nothing is done.
    Throttle {
        /// Until the window's end.
        seconds: u64,
    },
    /// 429 of a page in front of the Hub: HTML, no `RateLimit`, no `Retry-After`. Nothing is done.
    ThrottleHtml,
    /// 429 of the action quota for commits while `RateLimit` shows requests left. Nothing is done.
    CommitQuota {
        /// Sent as `Retry-After` where given; else the text says about an hour.
        retry_after: Option<u64>,
    },
    /// 503, nothing is done.
    Unavailable {
        /// Seconds; no header where absent.
        retry_after: Option<u64>,
    },
    /// An error in the host's own form (JSON, or XML of the storage), nothing is done.
    ServerError {
        /// 500, 502 or 504.
        status: u16,
    },
    /// An error with a body of HTML, nothing is done.
    Html {
        /// For example 502 or 504.
        status: u16,
    },
    /// The connection breaks before anything is done.
    DropBefore,
    /// Everything is done, and the connection breaks before the reply.
    LostReply,
    /// Everything is done, and the reply is an error; 504 comes as HTML.
    FailAfter {
        /// 500 or 504.
        status: u16,
    },
    /// An upload breaks off part way and nothing of it is kept.
    CutBody,
    /// A download breaks off part way.
    Cut,
    /// A download ends early and says so in its length.
    Truncated,
    /// One byte of a download is wrong.
    WrongByte,
    /// A range is answered with 200 and the whole file.
    WholeBody,
    /// A link to the storage is refused with 403 as expired.
    ExpiredLink,
    /// A recursive listing is answered with 504, and so are all others of this repository for a while.
    TreeTimeout {
        /// How long.
        seconds: u64,
    },
    /// A page of a listing ends in the middle of its JSON.
    TruncatedPage,
    /// A page of a listing holds fewer entries than it might, and links to the rest.
    ShortPage,
    /// `X-Linked-Size` is not the size.
    WrongLinkedSize,
    /// A listing by branch name shows the repository as it was.
    Stale {
        /// How long ago.
        seconds: u64,
    },
    /// Somebody else makes an empty commit first: 412 whether a parent was named or not.
    Conflict,
    /// 401 once, as if the token were gone.
    Unauthorized,
    /// 403 because the storage is full. Nothing is done.
    StorageRefused,
}

/// A fault that a test or an operator asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubFaultRule {
    /// Which requests it is about.
    pub route: HubRoute,
    /// How many of them go well first.
    #[serde(default)]
    pub skip: u32,
    /// How many in a row are hit then.
    #[serde(default = "one")]
    pub times: u32,
    /// What happens to them.
    pub fault: HubFault,
}

fn one() -> u32 {
    1
}

/// Decides about every request.
#[derive(Debug)]
pub(crate) struct HubFaultPlan {
    seed: u64,
    level: Faults,
    calls: BTreeMap<HubRoute, u64>,
    /// Hits by (route, subject) and by fault.
    hits: BTreeMap<(HubRoute, u64), Vec<(&'static str, u32)>>,
    scripted: Vec<HubFaultRule>,
}

impl HubFaultPlan {
    pub(crate) fn new(seed: u64, level: Faults) -> Self {
        Self { seed, level, calls: BTreeMap::new(), hits: BTreeMap::new(), scripted: Vec::new() }
    }

    pub(crate) fn script(&mut self, rule: HubFaultRule) {
        self.scripted.push(rule);
    }

    pub(crate) fn set_level(&mut self, level: Faults) {
        self.level = level;
    }

    /// The fault that this call meets, if any. The subject is what a client would repeat: path, query and body.
    pub(crate) fn draw(&mut self, route: HubRoute, subject: &[&[u8]]) -> Option<HubFault> {
        let nth = {
            let calls = self.calls.entry(route).or_default();
            *calls += 1;
            *calls
        };
        if let Some(fault) = self.by_script(route) {
            return Some(fault);
        }
        let (share, per_kind, per_subject) = match self.level {
            Faults::None => return None,
            Faults::Mild => (0.016, 2, 2),
            Faults::Wild => (0.08, 3, 4),
        };
        let mut rng = fastrand::Rng::with_seed(mix(self.seed ^ mix(route.number() ^ mix(nth))));
        if rng.f64() >= share {
            return None;
        }
        let menu = menu(route, self.level, &mut rng);
        let fault = *menu.get(rng.usize(..menu.len().max(1)))?;
        let hits = self.hits.entry((route, fnv(subject))).or_default();
        let total: u32 = hits.iter().map(|(_, n)| n).sum();
        let same = hits.iter().find(|(kind, _)| *kind == fault.name()).map_or(0, |(_, n)| *n);
        if total >= per_subject || same >= per_kind {
            return None;
        }
        match hits.iter_mut().find(|(kind, _)| *kind == fault.name()) {
            Some((_, n)) => *n += 1,
            None => hits.push((fault.name(), 1)),
        }
        Some(fault)
    }

    /// A number below `limit` that a fault needs; the same for the same route and call.
    pub(crate) fn offset(&self, route: HubRoute, limit: u64) -> u64 {
        let nth = self.calls.get(&route).copied().unwrap_or(0);
        if limit == 0 { 0 } else { mix(self.seed ^ route.number() ^ (nth << 17)) % limit }
    }

    fn by_script(&mut self, route: HubRoute) -> Option<HubFault> {
        let mut found = None;
        for rule in self.scripted.iter_mut().filter(|rule| rule.route == route || rule.route == HubRoute::Any)
        {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if found.is_none() && rule.times > 0 {
                rule.times -= 1;
                found = Some(rule.fault);
            }
        }
        self.scripted.retain(|rule| rule.times > 0);
        found
    }
}

fn fnv(parts: &[&[u8]]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        part.iter().fold(step(hash, 0xff), |hash, byte| step(hash, *byte))
    })
}

fn menu(route: HubRoute, level: Faults, rng: &mut fastrand::Rng) -> Vec<HubFault> {
    let wild = level == Faults::Wild;
    let seconds = rng.u64(1..=3);
    let status = rng.choice([500, 502, 504]).unwrap_or(500);
    let mut menu = vec![HubFault::Unavailable { retry_after: None }, HubFault::DropBefore];
    if route.is_storage() {
        menu.extend([HubFault::ServerError { status: 500 }, HubFault::ExpiredLink]);
    } else {
        menu.extend([HubFault::Throttle { seconds }, HubFault::Unavailable { retry_after: Some(seconds) }]);
        if wild {
            menu.extend([
                HubFault::ThrottleHtml,
                HubFault::ServerError { status },
                HubFault::Html { status: 502 },
            ]);
        }
    }
    if route.writes() {
        menu.extend([HubFault::LostReply, HubFault::FailAfter { status: 504 }]);
        if wild {
            menu.push(HubFault::FailAfter { status: 500 });
        }
    }
    menu.extend(special(route, wild, rng));
    menu
}

fn special(route: HubRoute, wild: bool, rng: &mut fastrand::Rng) -> Vec<HubFault> {
    let seconds = if wild { rng.u64(1..=60) } else { rng.u64(1..=10) };
    let mut out = Vec::new();
    match route {
        HubRoute::Commit => {
            out.extend([HubFault::Conflict, HubFault::FailAfter { status: 504 }, HubFault::LostReply]);
            if wild {
                out.push(HubFault::CommitQuota { retry_after: rng.bool().then_some(seconds) });
            }
        }
        HubRoute::StoragePut => out.extend([HubFault::CutBody, HubFault::CutBody]),
        HubRoute::StorageGet => {
            out.extend([HubFault::Cut, HubFault::Truncated]);
            if wild {
                out.extend([HubFault::WrongByte, HubFault::WholeBody]);
            }
        }
        HubRoute::Tree => {
            out.extend([HubFault::TruncatedPage, HubFault::ShortPage]);
            if wild {
                out.extend([HubFault::TreeTimeout { seconds }, HubFault::Stale { seconds }]);
            }
        }
        HubRoute::PathsInfo if wild => out.push(HubFault::Stale { seconds }),
        HubRoute::Resolve if wild => out.push(HubFault::WrongLinkedSize),
        _ => {}
    }
    out
}

impl HubFault {
    /// The word that counts and the inspection API use.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttle { .. } => "throttle",
            Self::ThrottleHtml => "throttle_html",
            Self::CommitQuota { .. } => "commit_quota",
            Self::Unavailable { .. } => "unavailable",
            Self::ServerError { .. } => "server_error",
            Self::Html { .. } => "html",
            Self::DropBefore => "drop_before",
            Self::LostReply => "lost_reply",
            Self::FailAfter { .. } => "fail_after",
            Self::CutBody => "cut_body",
            Self::Cut => "cut",
            Self::Truncated => "truncated",
            Self::WrongByte => "wrong_byte",
            Self::WholeBody => "whole_body",
            Self::ExpiredLink => "expired_link",
            Self::TreeTimeout { .. } => "tree_timeout",
            Self::TruncatedPage => "truncated_page",
            Self::ShortPage => "short_page",
            Self::WrongLinkedSize => "wrong_linked_size",
            Self::Stale { .. } => "stale",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::StorageRefused => "storage_refused",
        }
    }
}
