//! The JSON lines between Landfall and a resolver command, version 1.
//!
//! Owns both directions of the protocol of `docs/media.md`. An answer is foreign text: unknown fields are
//! ignored, an unknown status counts as an error that may pass, and what cannot be read is garbage.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Ask, MediaItem, MediaKind, Resolved, Unavailable};
use super::is_handle;
use super::variants::{Variant, best_first};
use crate::wire::shown_text;

/// The version of the protocol.
const VERSION: u64 = 1;

/// Most media of one post that are read; X allows four.
const MOST_MEDIA: usize = 64;

/// One line of a command's output, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// About one post.
    Answer { id: String, says: Says },
    /// The command cannot go on.
    Fatal(String),
}

/// What it says about a post.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    This(Resolved),
    /// Not now; until when, where it says so.
    RateLimited(Option<Timestamp>),
}

#[derive(Deserialize)]
struct Raw {
    v: u64,
    id: Option<String>,
    status: String,
    username: Option<String>,
    #[serde(default)]
    media: Vec<RawMedia>,
    reason: Option<String>,
    detail: Option<String>,
    retry_at: Option<Value>,
    retryable: Option<bool>,
}

#[derive(Deserialize)]
struct RawMedia {
    n: Option<u32>,
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    #[serde(default)]
    variants: Vec<RawVariant>,
}

#[derive(Deserialize)]
struct RawVariant {
    #[serde(default)]
    content_type: String,
    bitrate: Option<f64>,
    #[serde(default)]
    url: String,
}

/// The request line for a post. A name that is no handle is not passed on.
pub(super) fn request(ask: &Ask) -> String {
    let mut line = json!({"v": VERSION, "id": ask.id});
    if is_handle(&ask.username)
        && let Some(fields) = line.as_object_mut()
    {
        fields.insert("username".into(), ask.username.clone().into());
    }
    format!("{line}\n")
}

/// Reads one line; `None` for garbage.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    let raw: Raw = serde_json::from_slice(line).ok()?;
    if raw.v != VERSION {
        return None;
    }
    let detail = shown_text(raw.detail.as_deref().unwrap_or_default());
    if raw.status == "fatal" {
        let detail = if detail.is_empty() { "the command cannot go on".to_owned() } else { detail };
        return Some(Line::Fatal(detail));
    }
    let id = raw.id?;
    let says = match raw.status.as_str() {
        "ok" => Says::This(Resolved::Media {
            items: items(raw.media)?,
            username: raw.username.filter(|name| is_handle(name)),
        }),
        "unavailable" => {
            let reason = reason(raw.reason.as_deref().unwrap_or_default());
            Says::This(Resolved::Unavailable { reason, detail })
        }
        "rate_limited" => Says::RateLimited(raw.retry_at.as_ref().and_then(moment)),
        "error" if raw.retryable == Some(false) => {
            Says::This(Resolved::Unavailable { reason: Unavailable::Unknown, detail })
        }
        "error" => Says::This(Resolved::Later { detail }),
        other => {
            let other: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
            Says::This(Resolved::Later { detail: format!("an answer of unknown status {other}") })
        }
    };
    Some(Line::Answer { id, says })
}

/// Media in their order; a number that is missing or there twice makes the answer worthless.
fn items(media: Vec<RawMedia>) -> Option<Vec<MediaItem>> {
    if media.len() > MOST_MEDIA {
        return None;
    }
    let mut items = Vec::with_capacity(media.len());
    for (at, raw) in media.into_iter().enumerate() {
        let n = raw.n.or_else(|| u32::try_from(at + 1).ok())?;
        let kind = if raw.kind == "photo" { MediaKind::Image } else { MediaKind::Video };
        let mut urls = best_first(raw.variants.into_iter().map(RawVariant::read).collect());
        urls.extend(raw.url.filter(|url| !url.is_empty()));
        items.push(MediaItem { n, kind, urls });
    }
    items.sort_by_key(|item| item.n);
    let distinct = items.windows(2).all(|pair| pair.first().map(|a| a.n) != pair.last().map(|b| b.n));
    (distinct && items.iter().all(|item| item.n > 0)).then_some(items)
}

impl RawVariant {
    fn read(self) -> Variant {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and the number only orders variants"
        )]
        let bitrate = self.bitrate.map(|bits| bits as u64);
        Variant { content_type: self.content_type, bitrate, url: self.url }
    }
}

/// A word of the protocol; an unknown one is not taken for proof of anything.
fn reason(word: &str) -> Unavailable {
    match word {
        "deleted" => Unavailable::Deleted,
        "suspended" => Unavailable::Suspended,
        "protected" => Unavailable::Protected,
        "age_gated" => Unavailable::AgeGated,
        "withheld" => Unavailable::Withheld,
        _ => Unavailable::Unknown,
    }
}

/// Seconds since 1970, as a number or as text of digits.
fn moment(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and a pause is held within a day"
    )]
    let seconds = seconds.or_else(|| value.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests;
