//! What the API says about a batch of posts.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::super::{MediaItem, MediaKind, Resolved, Unavailable};
use super::super::is_handle;
use super::super::variants::{Variant, best_first};
use crate::wire::shown_text;

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    data: Vec<Post>,
    #[serde(default)]
    includes: Includes,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Post {
    id: String,
    author_id: Option<String>,
    #[serde(default)]
    attachments: Attachments,
    withheld: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Attachments {
    #[serde(default)]
    media_keys: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Includes {
    #[serde(default)]
    media: Vec<Media>,
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    username: String,
}

#[derive(Deserialize)]
struct Media {
    media_key: String,
    #[serde(rename = "type", default)]
    kind: String,
    url: Option<String>,
    #[serde(default)]
    variants: Vec<Film>,
}

#[derive(Deserialize)]
struct Film {
    #[serde(default)]
    content_type: String,
    // Here the field has an underscore; elsewhere it has none.
    bit_rate: Option<u64>,
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct Fault {
    resource_id: Option<String>,
    value: Option<String>,
    #[serde(default)]
    resource_type: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    detail: String,
}

/// Reads an answer; `None` where it is none. A post that is not in it is not in the result.
pub(super) fn read(body: &[u8]) -> Option<BTreeMap<String, Resolved>> {
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let mut known = BTreeMap::new();
    for fault in &reply.errors {
        if let Some((id, resolved)) = fault.read() {
            known.insert(id, resolved);
        }
    }
    let media: BTreeMap<&str, &Media> =
        reply.includes.media.iter().map(|media| (media.media_key.as_str(), media)).collect();
    for post in &reply.data {
        let author = reply.includes.users.iter().find(|user| Some(&user.id) == post.author_id.as_ref());
        let username = author.map(|user| user.username.clone()).filter(|name| is_handle(name));
        known.insert(post.id.clone(), post.read(&media, username));
    }
    Some(known)
}

impl Post {
    /// The order is that of the keys in the post, never that of the media beside it.
    fn read(&self, media: &BTreeMap<&str, &Media>, username: Option<String>) -> Resolved {
        if self.attachments.media_keys.is_empty() && self.withheld.is_some() {
            let detail = "withheld, and no media are given".to_owned();
            return Resolved::Unavailable { reason: Unavailable::Withheld, detail };
        }
        let items = self.attachments.media_keys.iter().zip(1..).map(|(key, n)| {
            match media.get(key.as_str()) {
                Some(media) => media.item(n),
                // Its place is kept, so that the numbers of the others stay right.
                None => MediaItem { n, kind: kind_of_key(key), urls: Vec::new() },
            }
        });
        Resolved::Media { items: items.collect(), username }
    }
}

impl Media {
    fn item(&self, n: u32) -> MediaItem {
        if self.kind == "photo" {
            return MediaItem { n, kind: MediaKind::Image, urls: self.url.iter().cloned().collect() };
        }
        let films = self.variants.iter().map(|film| Variant {
            content_type: film.content_type.clone(),
            bitrate: film.bit_rate,
            url: film.url.clone(),
        });
        MediaItem { n, kind: MediaKind::Video, urls: best_first(films.collect()) }
    }
}

/// Keys begin with a number for the kind.
// Unverified: kinds other than 3 (photo) and 13 (video).
fn kind_of_key(key: &str) -> MediaKind {
    if key.starts_with("3_") { MediaKind::Image } else { MediaKind::Video }
}

impl Fault {
    /// An error about a post; those about its media or author say nothing about the post itself.
    fn read(&self) -> Option<(String, Resolved)> {
        if !matches!(self.resource_type.as_str(), "tweet" | "") {
            return None;
        }
        let id = self.resource_id.clone().or_else(|| self.value.clone())?;
        // The host in the type has been api.twitter.com and api.x.com; only its end counts.
        let word = self.kind.rsplit('/').next().unwrap_or_default();
        let suspended = self.detail.to_ascii_lowercase().contains("suspended");
        // Unverified: what the API says of suspended, protected and age-gated posts.
        let reason = match word {
            _ if suspended => Unavailable::Suspended,
            "resource-not-found" => Unavailable::Deleted,
            "not-authorized-for-resource" => Unavailable::Protected,
            _ => Unavailable::Unknown,
        };
        Some((id, Resolved::Unavailable { reason, detail: shown_text(&self.detail) }))
    }
}
