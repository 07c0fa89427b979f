//! The embed endpoint as a resolver: free, undocumented, off unless asked for.
//!
//! Owns one request a post. What it says against a post proves nothing: its tombstone has been seen for
//! public posts, so it is "unavailable here" for unknown reasons and never "deleted". Refuses to know files.
// Source: reference/media-catalogue.md, section 3.5 (read from react-tweet 3.3.1, 2026-11).
// Unverified: its present limits, and whether it still looks at the token.

use std::sync::Arc;

use async_trait::async_trait;
use landfall_core::transport::Transport;
use landfall_core::{Clock, StoreError};
use serde::Deserialize;

use super::super::{Ask, MediaItem, MediaKind, Price, Resolved, Resolver, Unavailable};
use super::gate::Gate;
use super::get::{base, get};
use super::token::token;
use super::variants::{Variant, best_first};
use super::{is_handle, unaskable};

/// Asks the embed endpoint, one post after the other.
pub struct Syndication {
    transport: Arc<dyn Transport>,
    base: String,
    clock: Arc<dyn Clock>,
    gate: Gate,
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Syndication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syndication").field("base", &self.base).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Embed {
    #[serde(rename = "__typename")]
    kind: Option<String>,
    user: Option<User>,
    #[serde(rename = "mediaDetails", default)]
    media: Vec<Media>,
}

#[derive(Deserialize)]
struct User {
    screen_name: Option<String>,
}

#[derive(Deserialize)]
struct Media {
    #[serde(rename = "type", default)]
    kind: String,
    media_url_https: Option<String>,
    video_info: Option<VideoInfo>,
}

#[derive(Deserialize)]
struct VideoInfo {
    #[serde(default)]
    variants: Vec<Film>,
}

#[derive(Deserialize)]
struct Film {
    bitrate: Option<u64>,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    url: String,
}

impl Syndication {
    /// Makes one; `root` is `https://cdn.syndication.twimg.com` or a simulator on this machine.
    ///
    /// # Errors
    /// `InsecureEndpoint` where the root is neither https nor on this machine.
    pub fn new(transport: Arc<dyn Transport>, root: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let turn = tokio::sync::Mutex::new(());
        Ok(Self { transport, base: base(root)?, clock, gate: Gate::default(), turn })
    }

    async fn one(&self, ask: &Ask) -> Resolved {
        if let Some(answer) = unaskable(ask).or_else(|| self.gate.closed(self.clock.now())) {
            return answer;
        }
        let token = token(&ask.id).unwrap_or_default();
        let url = format!("{}/tweet-result?id={}&lang=en&token={token}", self.base, ask.id);
        match get(self.transport.as_ref(), &url, None).await {
            Err(detail) => Resolved::Later { detail },
            Ok(reply) => match reply.status {
                200 => read(&reply.body),
                404 => not_here("the embed endpoint does not know it"),
                429 => Resolved::RateLimited { until: self.gate.pause(self.clock.now(), None) },
                status => Resolved::Later { detail: format!("the embed endpoint answers {status}") },
            },
        }
    }
}

#[async_trait]
impl Resolver for Syndication {
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved> {
        let _turn = self.turn.lock().await;
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            answers.push(self.one(ask).await);
        }
        answers
    }

    fn price(&self) -> Option<Price> {
        None
    }
}

fn not_here(detail: &str) -> Resolved {
    Resolved::Unavailable { reason: Unavailable::Unknown, detail: detail.to_owned() }
}

fn read(body: &[u8]) -> Resolved {
    let Ok(embed) = serde_json::from_slice::<Embed>(body) else {
        return Resolved::Later { detail: "an answer that is no post".to_owned() };
    };
    match embed.kind.as_deref() {
        Some("Tweet") => {}
        Some("TweetTombstone") => return not_here("the embed endpoint shows a tombstone"),
        _ => return not_here("the embed endpoint gives nothing"),
    }
    let items = embed.media.into_iter().zip(1..).map(|(media, n)| media.item(n)).collect();
    let username = embed.user.and_then(|user| user.screen_name).filter(|name| is_handle(name));
    Resolved::Media { items, username }
}

impl Media {
    fn item(self, n: u32) -> MediaItem {
        if self.kind == "photo" {
            return MediaItem { n, kind: MediaKind::Image, urls: self.media_url_https.into_iter().collect() };
        }
        let films = self.video_info.map(|info| info.variants).unwrap_or_default();
        let films = films.into_iter().map(|film| Variant {
            content_type: film.content_type,
            bitrate: film.bitrate,
            url: film.url,
        });
        MediaItem { n, kind: MediaKind::Video, urls: best_first(films.collect()) }
    }
}

#[cfg(test)]
mod tests;
