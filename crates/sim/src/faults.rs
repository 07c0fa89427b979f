//! What goes wrong, and when.
//!
//! Owns the decision: scripted rules first, then chance from (seed, route, nth call of that route), so that the same
//! sequence of requests meets the same faults. Every subject is hit a bounded number of times, so a correct client
//! always finishes. Refuses to know how a fault is carried out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Faults;
use crate::content::mix;
use crate::route;

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// 429, nothing is done.
    Throttle {
        /// Seconds; no header where absent.
        retry_after: Option<u64>,
    },
    /// 503, nothing is done.
    Unavailable {
        /// Seconds; no header where absent.
        retry_after: Option<u64>,
    },
    /// A plain server error, nothing is done.
    ServerError {
        /// 500, 502 or 504.
        status: u16,
    },
    /// An error with a body of HTML, nothing is done.
    Html {
        /// For example 502 or 404.
        status: u16,
    },
    /// The connection breaks before anything is done.
    DropBefore,
    /// Everything is done, and the connection breaks before the reply.
    LostReply,
    /// Everything is done, and the reply is 504.
    TimeoutAfter,
    /// A download breaks off part way.
    Cut,
    /// A download ends early and says so in its length.
    Truncated,
    /// One byte of a download is wrong.
    WrongByte,
    /// A range is answered with 200 and the whole file.
    WholeBody,
    /// A download URL is refused with 401.
    ExpiredUrl,
    /// An upload session is unknown from now on: 404.
    SessionLost,
    /// An upload session has expired: 401 `expiredToken`.
    SessionExpired,
    /// A fragment is refused with 416 and nothing of it is kept.
    RangeRefused,
    /// The last fragment makes the file, its reply is lost, and sending it again gets 409.
    CommittedUnseen,
    /// A delta token is refused with 410 and a Location.
    Resync,
    /// A delta page without items and with a next link.
    EmptyPage,
    /// A delta page that repeats items.
    RepeatedItems,
    /// A next link that leads to the same page.
    LoopingLink,
    /// The access token is revoked.
    RevokeToken,
    /// 423, nothing is done.
    Locked,
    /// The hash of a new file is published later.
    LateHash {
        /// Seconds.
        seconds: u64,
    },
    /// A new item is not found for a while.
    Stale {
        /// Seconds.
        seconds: u64,
    },
}

/// A fault that a test or an operator asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The route as the request counts name it, for example `PUT fragment`.
    pub route: String,
    /// Which matching call from now on is the first to be hit, counted from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls in a row are hit.
    #[serde(default = "one")]
    pub times: u64,
    /// Part of the subject (path, file name); any where absent.
    #[serde(default)]
    pub subject: Option<String>,
    /// What happens to it.
    pub fault: Fault,
}

fn one() -> u64 {
    1
}

#[derive(Debug)]
struct Scripted {
    rule: FaultRule,
    seen: u64,
}

/// Decides about every request.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    seed: u64,
    level: Faults,
    calls: BTreeMap<&'static str, u64>,
    /// Hits by (route, subject) and by fault.
    hits: BTreeMap<(&'static str, String), Vec<(&'static str, u64)>>,
    scripted: Vec<Scripted>,
}

impl FaultPlan {
    pub(crate) fn new(seed: u64, level: Faults) -> Self {
        Self { seed, level, calls: BTreeMap::new(), hits: BTreeMap::new(), scripted: Vec::new() }
    }

    pub(crate) fn script(&mut self, rule: FaultRule) {
        self.scripted.push(Scripted { rule, seen: 0 });
    }

    pub(crate) fn set_level(&mut self, level: Faults) {
        self.level = level;
    }

    /// The fault that this call meets, if any.
    pub(crate) fn draw(&mut self, route: &'static str, subject: &str) -> Option<Fault> {
        let nth = {
            let calls = self.calls.entry(route).or_default();
            *calls += 1;
            *calls
        };
        if let Some(fault) = self.by_script(route, subject) {
            return Some(fault);
        }
        let (share, per_kind, per_subject) = match self.level {
            Faults::None => return None,
            Faults::Mild => (0.016, 2, 2),
            Faults::Wild => (0.08, 3, 4),
        };
        let mut rng = fastrand::Rng::with_seed(mix(self.seed ^ mix(fnv(route) ^ mix(nth))));
        if rng.f64() >= share {
            return None;
        }
        let menu = menu(route, self.level, &mut rng);
        let fault = *menu.get(rng.usize(..menu.len().max(1)))?;
        let subject = limit_subject(fault, subject);
        let hits = self.hits.entry((route, subject)).or_default();
        let total: u64 = hits.iter().map(|(_, n)| n).sum();
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

    /// An offset that a fault needs, below `limit`; the same for the same route and call.
    pub(crate) fn offset(&self, route: &'static str, limit: u64) -> u64 {
        let nth = self.calls.get(route).copied().unwrap_or(0);
        if limit == 0 { 0 } else { mix(self.seed ^ fnv(route) ^ (nth << 17)) % limit }
    }

    fn by_script(&mut self, route: &str, subject: &str) -> Option<Fault> {
        let mut found = None;
        for scripted in &mut self.scripted {
            let rule = &scripted.rule;
            let fits = rule.subject.as_ref().is_none_or(|part| subject.contains(part.as_str()));
            if rule.route != route || !fits {
                continue;
            }
            scripted.seen += 1;
            if found.is_none() && scripted.seen >= rule.nth && scripted.seen < rule.nth + rule.times {
                found = Some(rule.fault);
            }
        }
        self.scripted.retain(|scripted| scripted.seen + 1 < scripted.rule.nth + scripted.rule.times);
        found
    }
}

/// Faults that would grow without bound by page or by request are bounded over the whole route.
fn limit_subject(fault: Fault, subject: &str) -> String {
    match fault {
        Fault::Resync => subject.split('?').next().unwrap_or_default().to_owned(),
        Fault::RevokeToken => String::new(),
        _ => subject.to_owned(),
    }
}

fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn menu(route: &'static str, level: Faults, rng: &mut fastrand::Rng) -> Vec<Fault> {
    let wild = level == Faults::Wild;
    let seconds = rng.u64(1..=3);
    let mut menu = vec![
        Fault::Throttle { retry_after: Some(seconds) },
        Fault::Unavailable { retry_after: Some(seconds) },
        Fault::Unavailable { retry_after: None },
        Fault::DropBefore,
    ];
    // A session whose URL is lost holds its name for its whole life: too much for a mild day.
    if route::is_write(route) && (wild || route != route::CREATE_SESSION) {
        menu.extend([Fault::LostReply, Fault::TimeoutAfter]);
    }
    if wild {
        menu.extend([
            Fault::Throttle { retry_after: None },
            Fault::ServerError { status: rng.choice([500, 502, 504]).unwrap_or(500) },
            Fault::Html { status: 502 },
        ]);
    }
    if wild && route::is_graph(route) {
        menu.push(Fault::RevokeToken);
    }
    menu.extend(special(route, wild, rng));
    menu
}

fn special(route: &'static str, wild: bool, rng: &mut fastrand::Rng) -> Vec<Fault> {
    let seconds = if wild { rng.u64(1..=20) } else { rng.u64(1..=5) };
    let mut out = Vec::new();
    match route {
        route::DOWNLOAD => {
            out.extend([Fault::Cut, Fault::Truncated, Fault::ExpiredUrl, Fault::Cut]);
            if wild {
                out.extend([Fault::WrongByte, Fault::WholeBody, Fault::Html { status: 403 }]);
            }
        }
        route::PUT_FRAGMENT => {
            out.extend([Fault::LateHash { seconds }, Fault::Stale { seconds: seconds.min(5) }]);
            if wild {
                out.extend([
                    Fault::SessionLost,
                    Fault::SessionExpired,
                    Fault::RangeRefused,
                    Fault::CommittedUnseen,
                ]);
            }
        }
        route::SESSION_STATUS if wild => out.push(Fault::SessionLost),
        route::PUT_CONTENT => {
            out.extend([Fault::LateHash { seconds }, Fault::Stale { seconds: seconds.min(5) }]);
        }
        route::CREATE_CHILD => out.push(Fault::Stale { seconds: seconds.min(3) }),
        route::DELTA if wild => {
            out.extend([Fault::Resync, Fault::EmptyPage, Fault::RepeatedItems, Fault::LoopingLink]);
        }
        _ => {}
    }
    if wild && matches!(route, route::CREATE_SESSION | route::PUT_CONTENT | route::PATCH_ITEM) {
        out.push(Fault::Locked);
    }
    out
}

impl Fault {
    /// The word that the inspection API uses.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttle { .. } => "throttle",
            Self::Unavailable { .. } => "unavailable",
            Self::ServerError { .. } => "server_error",
            Self::Html { .. } => "html",
            Self::DropBefore => "drop_before",
            Self::LostReply => "lost_reply",
            Self::TimeoutAfter => "timeout_after",
            Self::Cut => "cut",
            Self::Truncated => "truncated",
            Self::WrongByte => "wrong_byte",
            Self::WholeBody => "whole_body",
            Self::ExpiredUrl => "expired_url",
            Self::SessionLost => "session_lost",
            Self::SessionExpired => "session_expired",
            Self::RangeRefused => "range_refused",
            Self::CommittedUnseen => "committed_unseen",
            Self::Resync => "resync",
            Self::EmptyPage => "empty_page",
            Self::RepeatedItems => "repeated_items",
            Self::LoopingLink => "looping_link",
            Self::RevokeToken => "revoke_token",
            Self::Locked => "locked",
            Self::LateHash { .. } => "late_hash",
            Self::Stale { .. } => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(seed: u64) -> Vec<Option<Fault>> {
        let mut plan = FaultPlan::new(seed, Faults::Wild);
        (0..2000).map(|i| plan.draw(route::DOWNLOAD, &format!("録音{}.wav", i % 500))).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        assert_eq!(trace(7), trace(7));
        assert_ne!(trace(7), trace(8));
        let share = trace(7).iter().flatten().count();
        assert!((80..300).contains(&share), "{share}");
    }

    #[test]
    fn one_subject_is_hit_a_bounded_number_of_times() {
        let mut plan = FaultPlan::new(3, Faults::Wild);
        let hits = (0..100_000).filter(|_| plan.draw(route::PUT_FRAGMENT, "一つ.wav").is_some()).count();
        assert!((1..=4).contains(&hits), "{hits}");
    }

    #[test]
    fn a_script_hits_exactly_the_nth_call() {
        let mut plan = FaultPlan::new(3, Faults::None);
        let rule = FaultRule {
            route: route::PUT_FRAGMENT.into(),
            nth: 2,
            times: 1,
            subject: Some("東京".into()),
            fault: Fault::SessionLost,
        };
        plan.script(rule);
        let drawn: Vec<_> = ["東京", "京都", "東京", "東京"]
            .map(|name| plan.draw(route::PUT_FRAGMENT, name))
            .into_iter()
            .collect();
        assert_eq!(drawn, [None, None, Some(Fault::SessionLost), None]);
    }
}
