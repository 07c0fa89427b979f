//! Posts that were never backed up: pattern 4, and the `null` of pattern 6.
//!
//! Owns what the origin, the local folder and the resolver hold of each. Refuses to know what else is wrong with
//! archives.

use super::{ALL, ANY, Case, LOG, MODERN, case};
use crate::archive::answer::Action;
use crate::archive::draft::{Column, Draft, Layout, Local, best, listed, nothing};
use crate::archive::post::{Drawer, Era, File, Want};
use crate::media::{MediaKind, Medium, PhotoSize, Trouble};

const PHOTO: Want = Want { files: Some(1), video: Some(false), ..MODERN };
const VIDEO: Want = Want { files: Some(1), video: Some(true), ..MODERN };
const PAIR: Want = Want { pair: true, ..MODERN };

pub(super) const CASES: &[Case] = &[
    case("4", "backlog", 3100, MODERN, backlog),
    case("4", "backlog-log-only", 480, LOG, backlog),
    case("4", "backlog-local", 200, ALL, local),
    case("4", "backlog-dead", 100, PHOTO, dead),
    case("4", "backlog-dead-resolved", 10, PHOTO, resolved),
    case("4", "backlog-reduced", 50, PHOTO, reduced),
    case("4", "backlog-other-format", 10, PHOTO, other_format),
    case("4", "backlog-playlist-url", 10, VIDEO, playlist_url),
    case("4", "backlog-playlist-body", 3, VIDEO, playlist_body),
    case("4", "backlog-hostile-url", 10, PHOTO, hostile),
    case("4", "backlog-hostile-name", 1, PHOTO, hostile_name),
    case("4", "backlog-tag-refused", 40, VIDEO, tag),
    case("4", "backlog-unavailable-once", 5, ANY_MODERN, unavailable),
    case("4", "backlog-truncated-once", 5, ANY_MODERN, truncated),
    case("4", "backlog-throttled-once", 5, ANY_MODERN, throttled),
    case("4", "backlog-html", 4, PHOTO, html),
    case("4", "backlog-wrong-type", 3, PHOTO, wrong_type),
    case("4", "backlog-empty", 3, PHOTO, empty),
    case("4", "backlog-endless", 2, PHOTO, endless),
    case("4", "backlog-gone", 3, VIDEO, gone),
    case("4", "backlog-redirect-inside", 3, PHOTO, redirect_inside),
    case("4", "backlog-redirect-outside", 3, PHOTO, redirect_outside),
    case("4", "backlog-pair", 20, PAIR, backlog),
    case("4", "backlog-pair-half-dead", 5, PAIR, half_dead),
    case("6", "hub-urls-null", 10, MODERN, null),
];

const ANY_MODERN: Want = Want { files: Some(1), era: Some(Era::Gallery), ..ANY };

/// URLs that nobody may ask.
const HOSTILE: &[&str] = &[
    "http://169.254.169.254/latest/meta-data/",
    "https://127.0.0.1/media/GuHostile001?format=jpg&name=orig",
    "https://pbs.twimg.com@127.0.0.1/media/GuHostile002?format=jpg&name=orig",
    "https://pbs.twimg.com.evil.example/media/GuHostile003.jpg",
    "http://pbs.twimg.com/media/GuHostile004?format=jpg&name=orig",
    "https://[::ffff:127.0.0.1]/media/GuHostile005.jpg",
    "https://2130706433/media/GuHostile006.jpg",
    "file:///etc/passwd",
    "https://pbs.twimg.com:8443/media/GuHostile007.jpg",
    "https://localhost/media/GuHostile008.jpg",
];

fn backlog(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.each(|post, place| {
        place.lose(post, layout, Action::Download);
        place.wrong = Some("never-backed-up");
        place.recorded.clear();
        place.local = Local::Absent;
    });
    draft.hub_urls = Some(nothing(drawer));
    draft.local_media = nothing(drawer);
    draft.saved();
}

fn local(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let recorded = draft.local_media.clone();
    backlog(draft, drawer, layout);
    draft.local_media = recorded;
    draft.each(|_, place| {
        place.action = Action::Local;
        place.local = Local::Present;
    });
    if drawer.chance(50) {
        draft.each(|_, place| place.trouble(Trouble::Dead));
        draft.unavailable("deleted");
    }
}

/// Only the resolver is left to ask, and it says no.
fn lost(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout, trouble: &Trouble, reasons: &[&str]) {
    backlog(draft, drawer, layout);
    draft.each(|_, place| {
        place.trouble(trouble.clone());
        place.give_up();
    });
    draft.unavailable("deleted");
    draft.final_for(reasons);
}

fn dead(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::Dead, &["gone-at-source", "deleted"]);
}

fn gone(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::Gone, &["gone-at-source", "deleted"]);
}

fn html(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::Html, &["not-media", "deleted"]);
}

fn wrong_type(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::WrongType, &["not-media", "deleted"]);
}

fn empty(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::Empty, &["not-media", "deleted"]);
}

fn endless(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::Endless, &["too-large", "deleted"]);
}

fn redirect_outside(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let target = Trouble::Redirect("http://169.254.169.254/latest/meta-data/".to_owned());
    lost(draft, drawer, layout, &target, &["hostile-url", "deleted"]);
}

fn hostile(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    lost(draft, drawer, layout, &Trouble::Dead, &["hostile-url", "deleted"]);
    let url = HOSTILE.get(drawer.hostile % HOSTILE.len()).copied().unwrap_or_default();
    drawer.hostile += 1;
    draft.media_urls = Column::List(vec![url.to_owned()]);
}

fn hostile_name(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    "../evil".clone_into(&mut draft.post.person.handle);
    backlog(draft, drawer, layout);
    draft.each(|_, place| place.give_up());
    draft.final_for(&["hostile-name"]);
}

fn resolved(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    draft.each(|_, place| place.trouble(Trouble::Dead));
    draft.elsewhere(drawer, layout);
}

fn reduced(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    let sizes = [PhotoSize::Huge, PhotoSize::Large, PhotoSize::Medium];
    let top = sizes.get(drawer.rng.usize(..3)).copied().unwrap_or(PhotoSize::Large);
    draft.each(|_, place| {
        place.medium.top = top;
        place.bytes = best(&place.file.url, &place.medium);
    });
}

/// Recorded as JPEG, while the original is a PNG.
fn other_format(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    for place in &mut draft.places {
        let before = place.file.kind.extension();
        place.file.kind = MediaKind::Png;
        place.medium = Medium::new(MediaKind::Png);
        place.bytes = best(&place.file.url, &place.medium);
        let jpeg = place.file.url.replace("format=png", "format=jpg");
        place.file.url = jpeg.replace("format=jpg", "format=png");
        place.file.name = place.file.name.replace(before, "png");
        draft.media_urls = Column::List(vec![jpeg]);
    }
    let files = draft.places.iter().map(|place| place.file.clone()).collect::<Vec<File>>();
    draft.answers = vec![listed(&draft.post, &files, &draft.post.person.handle)];
    backlog(draft, drawer, layout);
}

fn playlist_url(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    let list = draft.places.iter().map(|place| {
        let bare = place.file.url.split(".mp4").next().unwrap_or_default();
        format!("{}.m3u8?tag=12&container=cmaf", bare.replace("/vid/", "/pl/"))
    });
    draft.media_urls = Column::List(list.collect());
    draft.each(|_, place| place.action = Action::Resolve);
}

fn playlist_body(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    resolved(draft, drawer, layout);
    draft.each(|_, place| place.trouble(Trouble::Playlist));
}

fn tag(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    draft.each(|_, place| place.trouble(Trouble::TagForbidden));
}

fn unavailable(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    draft.each(|_, place| place.trouble(Trouble::Unavailable { times: 1 }));
}

fn truncated(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    draft.each(|_, place| place.trouble(Trouble::Truncated { times: 1 }));
}

fn throttled(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    draft.each(|_, place| place.trouble(Trouble::Throttled { times: 1, retry_after: 1 }));
}

fn redirect_inside(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    let post = draft.post.clone();
    for place in &mut draft.places {
        let target = drawer.another(&post, place.file.kind);
        let medium = Medium::new(target.kind);
        place.bytes = best(&target.url, &medium);
        place.trouble(Trouble::Redirect(target.url.clone()));
        draft.more_media.push((target.url, medium));
    }
}

/// Of a photo and a video only one is left.
fn half_dead(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    let index = drawer.rng.usize(..2);
    if let Some(place) = draft.places.get_mut(index) {
        place.trouble(Trouble::Dead);
        place.give_up();
    }
    draft.unavailable("deleted");
    draft.reasons = vec!["gone-at-source".to_owned(), "deleted".to_owned()];
}

fn null(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    backlog(draft, drawer, layout);
    draft.hub_urls = Some(Column::Text("null".to_owned()));
}
