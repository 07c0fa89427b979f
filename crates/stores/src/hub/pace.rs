//! What the lane has to learn from the Hub's answers.
//!
//! Owns the judges that the wire asks about each answer, and the taking over of the `RateLimit` headers. Refuses
//! to wait; lanes do that.

use std::time::Duration;

use http::HeaderMap;
use landfall_core::pacing::{Lane, Observed, Verdict};

use super::stated::{bucket, is_action, stated_wait};
use super::{API, RESOLVERS, SHARE};
use crate::wire::Answer;

/// The verdict on an ordinary request.
pub(super) fn judge(answer: &Answer) -> Verdict {
    match answer.status.as_u16() {
        429 => {
            let body = String::from_utf8_lossy(&answer.body);
            Verdict::Throttled { retry_after: stated_wait(&answer.headers, &body) }
        }
        _ => answer.verdict(),
    }
}

/// The verdict on what has a quota of its own (commits, whoami, new repositories): a refusal about that quota does
/// not hold every other request.
pub(super) fn judge_action(answer: &Answer) -> Verdict {
    let limited =
        answer.status.as_u16() == 429 && is_action(&answer.headers, &String::from_utf8_lossy(&answer.body));
    if limited { Verdict::Fine } else { judge(answer) }
}

/// The verdict on a recursive listing: a time-out of the gateway is answered by smaller listings, not by trying
/// the same again.
pub(super) fn judge_tree(answer: &Answer) -> Verdict {
    if answer.status.as_u16() == 504 { Verdict::Fine } else { judge(answer) }
}

/// Takes over what an answer says of its bucket.
pub(super) fn learn(lane: &Lane, headers: &HeaderMap) {
    let Some(bucket) = bucket(headers) else { return };
    let Some(name) = [API, RESOLVERS].into_iter().find(|name| *name == bucket.name) else { return };
    // Without the quota's size nobody knows how much was spent.
    if bucket.quota == 0 {
        return;
    }
    let units = (bucket.quota.saturating_mul(SHARE) / 100).max(1);
    let spent = bucket.quota.saturating_sub(bucket.left);
    lane.observe(name, Observed { units, spent, resets: Duration::from_secs(bucket.resets + 1) });
}
