//! The cases of damage, how often each is drawn, and the shape of post that it needs.
//!
//! Owns the table and the patterns 1 to 3, 5 and 6 of the reference on the media catalogue; the backlog is in
//! `backlog`. Weights are for 24,000 files. Refuses to know rows, bytes on disk and the check afterwards.

mod backlog;

use super::answer::Action;
use super::draft::{Column, Draft, Layout, Local, Object, nothing};
use super::post::{Drawer, Era, Table, Want};
use crate::media::Trouble;

/// Does the damage.
type Act = fn(&mut Draft, &mut Drawer, &Layout);

/// One kind of damage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) pattern: &'static str,
    pub(crate) name: &'static str,
    /// How many posts of 24,000 files; there is always one.
    pub(crate) weight: u64,
    pub(crate) want: Want,
    pub(crate) act: Act,
}

const ANY: Want = Want { table: None, era: None, files: None, video: None, pair: false, ancient: false };
const ALL: Want = Want { table: Some(Table::All), ..ANY };
const LOG: Want = Want { table: Some(Table::LogOnly), era: Some(Era::Gallery), ..ANY };
const ONE: Want = Want { files: Some(1), ..ANY };
const ONE_ALL: Want = Want { table: Some(Table::All), files: Some(1), ..ANY };
const ENC: Want = Want { table: Some(Table::LogOnly), era: Some(Era::Enc), files: Some(1), ..ANY };
const MODERN: Want = Want { era: Some(Era::Gallery), ..ANY };

const fn case(pattern: &'static str, name: &'static str, weight: u64, want: Want, act: Act) -> Case {
    Case { pattern, name, weight, want, act }
}

const REPAIRS: &[Case] = &[
    case("1", "missing-local", 250, ALL, missing_local),
    case("1", "missing-download", 30, ANY, missing_download),
    case("1", "missing-log-only", 10, LOG, missing_download),
    case("1", "missing-lost", 10, ANY, missing_lost),
    case("1", "missing-resolve", 8, ONE, missing_resolve),
    case("1", "missing-local-empty", 5, ALL, missing_empty),
    case("1", "missing-local-outside", 3, ONE_ALL, missing_outside),
    case("1", "missing-local-absolute", 3, ONE_ALL, missing_absolute),
    case("1", "missing-enc-era", 10, ENC, missing_download),
    case("1", "missing-block-edge", 3, ONE_ALL, missing_edge),
    case("1", "missing-block-edge-and-one", 3, ONE_ALL, missing_edge_and_one),
    case("1b", "wrong-prefix", 120, MODERN, wrong_prefix),
    case("1b", "wrong-repository", 50, MODERN, wrong_repository),
    case("1b", "odd-place", 30, MODERN, odd_place),
    case("2", "plain-path-local", 70, ALL, plain_local),
    case("2", "plain-path-log-only", 10, LOG, plain_download),
    case("2", "plain-path-sealed", 30, MODERN, plain_sealed),
    case("2", "plain-path-leak", 30, ONE_ALL, plain_leak),
    case("2", "plain-path-mixed", 20, Want { files: Some(2), ..ALL }, plain_mixed),
    case("3", "unlisted", 350, MODERN, unlisted),
    case("3", "unlisted-missing", 50, Want { era: Some(Era::Gallery), ..ONE }, unlisted_missing),
    case("3", "unlisted-deleted", 60, ANY, unlisted_deleted),
    case("3", "unlisted-protected", 20, ANY, unlisted_protected),
    case("3", "unlisted-rate-limited-first", 10, ONE, unlisted_limited),
    case("3", "unlisted-no-answer-first", 4, ONE, unlisted_no_answer),
    case("3", "unlisted-garbage-first", 4, ONE, unlisted_garbage),
    case("3", "unlisted-exit-first", 4, ONE, unlisted_exit),
    case("3", "unlisted-error-first", 4, ONE, unlisted_error),
    case("3", "unlisted-renamed", 10, ONE, unlisted_renamed),
    case("5", "mispaired-own-missing", 20, ONE_ALL, mispaired),
    case("6", "malformed-hub-urls", 5, ANY, malformed_hub),
    case("6", "malformed-media-urls", 5, ANY, malformed_media),
    case("6", "hub-url-as-string", 5, Want { era: Some(Era::Gallery), ..ONE_ALL }, text_for_list),
    case("6", "hub-url-twice", 20, ANY, twice),
    case("0", "enc-era", 30, ENC, healthy),
    case("0", "before-snowflakes", 20, Want { ancient: true, ..ANY }, healthy),
    case("0", "block-edge", 3, ONE_ALL, edge),
];

/// Everything but swapped pairs.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    REPAIRS.iter().chain(backlog::CASES)
}

/// Exchanges what two posts of one file have recorded.
pub(crate) fn swap(a: &mut Draft, b: &mut Draft) {
    for (x, y) in a.places.iter_mut().zip(&mut b.places) {
        std::mem::swap(&mut x.recorded, &mut y.recorded);
        for place in [x, y] {
            place.wrong = Some("mispaired");
            place.action = Action::Database;
        }
    }
    a.saved();
    b.saved();
}

fn healthy(draft: &mut Draft, _: &mut Drawer, _: &Layout) {
    draft.outcome = Some(super::answer::Outcome::Healthy);
}

fn edge(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let size = if drawer.chance(50) { 65_536 } else { 65_537 };
    draft.each(|_, place| place.resize(size));
    healthy(draft, drawer, layout);
}

fn missing_local(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.hit(drawer, |post, place, drawer| {
        place.lose(post, layout, Action::Local);
        place.local = Local::Present;
        // The recorded URL may be dead: the local file is enough.
        if drawer.chance(40) {
            place.trouble(Trouble::Dead);
        }
    });
    draft.saved();
}

fn missing_download(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.hit(drawer, |post, place, _| {
        place.lose(post, layout, Action::Download);
        place.local = Local::Absent;
    });
    draft.saved();
}

fn missing_lost(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.hit(drawer, |post, place, _| {
        place.lose(post, layout, Action::GiveUp);
        place.local = Local::Absent;
        place.trouble(Trouble::Dead);
        place.give_up();
    });
    draft.unavailable("deleted");
    draft.final_for(&["deleted", "gone-at-source"]);
}

fn missing_resolve(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.each(|post, place| {
        place.lose(post, layout, Action::Resolve);
        place.local = Local::Absent;
        place.trouble(Trouble::Dead);
    });
    draft.elsewhere(drawer, layout);
    draft.saved();
}

fn missing_empty(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    missing_download(draft, drawer, layout);
    draft.each(|_, place| {
        if place.wrong.is_some() {
            place.local = Local::Empty;
        }
    });
}

fn missing_outside(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    missing_download(draft, drawer, layout);
    draft.each(|_, place| place.local = Local::Outside);
}

fn missing_absolute(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    missing_local(draft, drawer, layout);
    draft.each(|_, place| place.local = Local::Inside);
}

fn missing_edge(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.each(|_, place| place.resize(65_536));
    missing_local(draft, drawer, layout);
}

fn missing_edge_and_one(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.each(|_, place| place.resize(65_537));
    missing_local(draft, drawer, layout);
}

fn wrong_prefix(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.hit(drawer, |post, place, _| {
        let path = format!("batch_encrypted/{}/{}", post.person.handle, layout.path(post, &place.file));
        place.recorded = vec![layout.url(post.repo, &path)];
        place.wrong = Some("wrong-prefix");
        place.action = Action::Database;
    });
    draft.saved();
}

fn wrong_repository(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.hit(drawer, |post, place, drawer| {
        let other = (post.repo + 1 + drawer.rng.usize(..2)) % layout.repos.len().max(1);
        let path = layout.path(post, &place.file);
        place.recorded = vec![layout.url(other, &path)];
        place.wrong = Some("wrong-repository");
        place.action = Action::Database;
    });
    draft.saved();
}

fn odd_place(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    draft.hit(drawer, |post, place, _| {
        let path = format!("batch_encrypted/{}/{}", post.person.handle, layout.path(post, &place.file));
        place.urls.push(layout.url(post.repo, &path));
        place.objects = vec![Object { repo: post.repo, path, sealed: true }];
        place.wrong = Some("wrong-prefix");
        place.action = Action::DatabaseOrMove;
    });
    draft.saved();
}

/// Records the plain path of one file.
fn plain(draft: &mut Draft, layout: &Layout, index: usize, local: Local, action: Action) {
    let Some(place) = draft.places.get_mut(index) else { return };
    let (post, file) = (&draft.post, &place.file);
    let path = format!("{}/{}/{}", file.folder(), post.person.handle, file.name);
    place.recorded = vec![layout.url(post.repo, &path)];
    place.urls = layout.urls(post, file);
    place.objects.clear();
    place.wrong = Some("plain-path");
    place.action = action;
    place.local = local;
    draft.saved();
}

fn plain_local(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    for index in draft.victims(drawer) {
        plain(draft, layout, index, Local::Present, Action::Local);
    }
}

fn plain_download(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    for index in draft.victims(drawer) {
        plain(draft, layout, index, Local::Absent, Action::Download);
    }
}

fn plain_sealed(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    for index in draft.victims(drawer) {
        let before = draft.places.get(index).map(|place| (place.local, place.objects.clone()));
        let Some((local, objects)) = before else { continue };
        plain(draft, layout, index, local, Action::Database);
        if let Some(place) = draft.places.get_mut(index) {
            place.urls.truncate(1);
            place.objects = objects;
        }
    }
}

fn plain_leak(draft: &mut Draft, _: &mut Drawer, layout: &Layout) {
    plain(draft, layout, 0, Local::Present, Action::Local);
    let repo = draft.post.repo;
    if let Some(place) = draft.places.first_mut() {
        let path = format!("{}/{}/{}", place.file.folder(), draft.post.person.handle, place.file.name);
        place.wrong = Some("leak");
        place.objects = vec![Object { repo, path: path.clone(), sealed: false }];
        draft.leaks.push((repo, path));
    }
}

fn plain_mixed(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let index = drawer.rng.usize(..2);
    plain(draft, layout, index, Local::Present, Action::Local);
}

fn unlisted(draft: &mut Draft, drawer: &mut Drawer, _: &Layout) {
    draft.media_urls = nothing(drawer);
    draft.media_after = Some(draft.resolved());
    draft.each(|_, place| place.action = Action::Metadata);
    draft.saved();
}

fn unlisted_missing(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    unlisted(draft, drawer, layout);
    draft.each(|post, place| {
        place.lose(post, layout, Action::Resolve);
        place.local = Local::Absent;
    });
}

fn unlisted_deleted(draft: &mut Draft, drawer: &mut Drawer, _: &Layout) {
    draft.media_urls = nothing(drawer);
    draft.unavailable("deleted");
    draft.final_for(&["deleted"]);
}

fn unlisted_protected(draft: &mut Draft, drawer: &mut Drawer, _: &Layout) {
    draft.media_urls = nothing(drawer);
    draft.unavailable("protected");
    draft.final_for(&["protected"]);
}

/// The first answer is another one.
fn first(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout, answer: serde_json::Value) {
    unlisted(draft, drawer, layout);
    draft.answers.insert(0, answer);
}

fn unlisted_limited(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let answer = serde_json::json!({"v": 1, "id": draft.post.id, "status": "rate_limited", "after": 1});
    first(draft, drawer, layout, answer);
}

fn unlisted_no_answer(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    first(draft, drawer, layout, serde_json::json!({"do": "nothing"}));
}

fn unlisted_garbage(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let text = "Not Found. See --raw for more details. 見つかりません {\"v\":1,";
    first(draft, drawer, layout, serde_json::json!({"do": "print", "text": text}));
}

fn unlisted_exit(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    first(draft, drawer, layout, serde_json::json!({"do": "exit", "code": 1}));
}

fn unlisted_error(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let id = draft.post.id.clone();
    let answer =
        serde_json::json!({"v": 1, "id": id, "status": "error", "retryable": true, "detail": "bad gateway"});
    first(draft, drawer, layout, answer);
}

fn unlisted_renamed(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    unlisted(draft, drawer, layout);
    for answer in &mut draft.answers {
        crate::reply::member(answer, "username", "new_handle");
    }
}

/// The URL of a sibling that is not of this post, while the own object was never there.
fn mispaired(draft: &mut Draft, drawer: &mut Drawer, layout: &Layout) {
    let mut other = drawer.post(Want { files: Some(1), ..ALL });
    other.person = draft.post.person.clone();
    other.repo = draft.post.repo;
    let Some(stranger) = other.files.first() else { return };
    let path = layout.path(&other, stranger);
    draft.each(|post, place| {
        place.lose(post, layout, Action::Local);
        place.local = Local::Present;
        place.recorded = vec![layout.url(post.repo, &path)];
        place.wrong = Some("mispaired");
    });
    draft.strangers.push(other);
    draft.saved();
}

fn malformed_hub(draft: &mut Draft, _: &mut Drawer, _: &Layout) {
    let urls = draft.places.iter().flat_map(|place| place.recorded.clone()).collect::<Vec<String>>();
    let text = super::text::dumps(&urls);
    draft.hub_urls = Some(Column::Text(text.trim_end_matches("\"]").to_owned()));
    malformed(draft);
}

fn malformed_media(draft: &mut Draft, _: &mut Drawer, _: &Layout) {
    draft.media_urls = Column::Text("['https://pbs.twimg.com/media/壊れた.jpg'".to_owned());
    malformed(draft);
}

fn malformed(draft: &mut Draft) {
    draft.each(|_, place| {
        place.wrong = Some("malformed");
        place.action = Action::Report;
    });
    draft.final_for(&["malformed"]);
}

fn text_for_list(draft: &mut Draft, _: &mut Drawer, _: &Layout) {
    let url = draft.places.first().and_then(|place| place.recorded.first()).cloned().unwrap_or_default();
    draft.hub_urls = Some(Column::Text(super::text::dump(&url)));
    draft.each(|_, place| {
        place.wrong = Some("malformed");
        place.action = Action::Database;
    });
    draft.outcome = Some(super::answer::Outcome::SavedOrSame);
    draft.reasons = vec!["malformed".to_owned()];
}

fn twice(draft: &mut Draft, drawer: &mut Drawer, _: &Layout) {
    draft.hit(drawer, |_, place, _| {
        place.recorded = place.recorded.iter().flat_map(|url| [url.clone(), url.clone()]).collect();
        place.wrong = Some("duplicate");
        place.action = Action::Database;
    });
    draft.outcome = Some(super::answer::Outcome::SavedOrSame);
}
