//! The archive as it is drawn: rows, local files, objects on the Hub, media, the resolver's answers and the answer file.
//!
//! Owns the order of drawing and how a draft becomes all of these at once, so that they agree. Refuses to know which
//! damage there is and how anything is written to disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::answer::{ExpectedFile, ExpectedLeak, ExpectedPost, Outcome, VERSION};
use super::cases::{self, Case};
use super::draft::{Column, Draft, Layout, Local, nothing};
use super::post::{Drawer, Post, Table, Want};
use super::text;
use crate::content::mix;
use crate::media::{MediaSim, Medium};

/// Weights of the cases are for so many files.
const WEIGHTS_FOR: u64 = 24_000;
/// Pairs of swapped posts for so many files.
const SWAPPED: u64 = 250;
/// From so many files on there is one of 5 MiB.
const BIG_FROM: u64 = 2000;
/// Stands for the archive's own folder in a column.
pub(crate) const HERE: &str = "{dir}";
/// A folder that belongs to nobody here.
const OUTSIDE: &str = "/srv/landfall-outside";

/// A row before it is written.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) table: Table,
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) display_name: String,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) ms: u64,
    pub(crate) media_urls: Column,
    pub(crate) local_media: Column,
    pub(crate) hub_urls: Column,
    pub(crate) sensitive: bool,
    /// What a repair may change.
    pub(crate) may_change: &'static [&'static str],
}

/// Everything that an archive consists of beside the two origins.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) rows: Vec<Row>,
    /// Relative path and bytes.
    pub(crate) local: BTreeMap<String, Bytes>,
    /// What the resolver says to each id, one after the other.
    pub(crate) answers: BTreeMap<String, Vec<Value>>,
    pub(crate) expected: Vec<ExpectedPost>,
    /// By index of the repository: path and bytes.
    pub(crate) objects: Vec<BTreeMap<String, Bytes>>,
    media: Vec<(String, Medium)>,
    files: u64,
    nonces: u64,
    seed: u64,
}

impl World {
    /// Draws an archive of about so many files.
    pub(crate) fn draw(seed: u64, files: u64, layout: &Layout) -> Self {
        let mut world = Self { seed, ..Self::default() };
        world.objects.resize_with(layout.repos.len(), BTreeMap::new);
        let mut drawer = Drawer::new(seed, files, layout.repos.len());
        for case in cases::cases() {
            for _ in 0..share(case.weight, files) {
                world.damaged(case, &mut drawer, layout);
            }
        }
        for _ in 0..share(SWAPPED, files) {
            world.swapped(&mut drawer, layout);
        }
        let mut big = files >= BIG_FROM;
        while world.files < files {
            let post = drawer.post(Want::default());
            let mut draft = Draft::healthy(post, &mut drawer, layout);
            if std::mem::take(&mut big)
                && let Some(place) = draft.places.first_mut()
            {
                place.resize(5 << 20);
            }
            world.emit(None, draft, &mut drawer, layout);
        }
        for _ in 0..world.rows.len() / 4 {
            world.text_only(&mut drawer);
        }
        // Rows lie in the database as they were taken in, not by what is wrong with them.
        world.rows.sort_by(|a, b| (a.table, a.ms, &a.id).cmp(&(b.table, b.ms, &b.id)));
        world.expected.sort_by(|a, b| (&a.pattern, &a.case, &a.id).cmp(&(&b.pattern, &b.case, &b.id)));
        world
    }

    /// Puts the media into their origin.
    pub(crate) fn publish(&mut self, media: &MediaSim) {
        for (url, medium) in self.media.drain(..) {
            media.set(&url, medium);
        }
    }

    fn damaged(&mut self, case: &Case, drawer: &mut Drawer, layout: &Layout) {
        let post = drawer.post(case.want);
        let mut draft = Draft::healthy(post, drawer, layout);
        (case.act)(&mut draft, drawer, layout);
        for stranger in std::mem::take(&mut draft.strangers) {
            let stranger = Draft::healthy(stranger, drawer, layout);
            self.emit(None, stranger, drawer, layout);
        }
        self.emit(Some((case.pattern, case.name)), draft, drawer, layout);
    }

    fn swapped(&mut self, drawer: &mut Drawer, layout: &Layout) {
        let want = Want { era: Some(super::post::Era::Gallery), files: Some(1), ..Want::default() };
        let first = drawer.post(Want { table: Some(Table::All), ..want });
        let video = first.files.first().is_some_and(|file| file.video);
        let mut second = drawer.post(Want { table: Some(Table::All), video: Some(video), ..want });
        second.person = first.person.clone();
        second.repo = first.repo;
        let mut a = Draft::healthy(first, drawer, layout);
        let mut b = Draft::healthy(second, drawer, layout);
        cases::swap(&mut a, &mut b);
        self.emit(Some(("5", "swapped")), a, drawer, layout);
        self.emit(Some(("5", "swapped")), b, drawer, layout);
    }

    fn text_only(&mut self, drawer: &mut Drawer) {
        let post = drawer.text();
        let (media, local) = (nothing(drawer), nothing(drawer));
        let hub = nothing(drawer);
        self.row(&post, (media, local, hub), &[], drawer);
    }

    fn emit(
        &mut self,
        case: Option<(&'static str, &'static str)>,
        mut draft: Draft,
        drawer: &mut Drawer,
        layout: &Layout,
    ) {
        self.files += draft.places.len() as u64;
        for place in &draft.places {
            self.media.push((place.file.url.clone(), place.medium.clone()));
            for object in &place.objects {
                let bytes = if object.sealed { self.seal(layout, &place.bytes) } else { place.bytes.clone() };
                if let Some(repo) = self.objects.get_mut(object.repo) {
                    repo.insert(object.path.clone(), bytes);
                }
            }
        }
        self.media.append(&mut draft.more_media);
        self.keep_local(&draft);
        let changes: &'static [&'static str] = match draft.outcome {
            Some(Outcome::Saved | Outcome::SavedOrSame) if draft.post.table == Table::All => {
                &["media_urls", "local_media", "huggingface_urls"]
            }
            Some(Outcome::Saved | Outcome::SavedOrSame) => {
                &["media_urls", "huggingface_urls", "uploaded_to_hf"]
            }
            _ => &[],
        };
        let local = local_column(&draft);
        let hub = draft.hub_urls.clone().unwrap_or_else(|| hub_column(&draft, drawer));
        self.row(&draft.post, (draft.media_urls.clone(), local, hub), changes, drawer);
        if let (Some((pattern, name)), Some(outcome)) = (case, draft.outcome) {
            self.expected.push(expected(pattern, name, outcome, &draft, layout));
        }
        self.answers.insert(draft.post.id, draft.answers);
    }

    fn keep_local(&mut self, draft: &Draft) {
        if draft.post.table == Table::LogOnly {
            return;
        }
        for place in &draft.places {
            let bytes = match place.local {
                Local::Present | Local::Inside => place.bytes.clone(),
                Local::Empty => Bytes::new(),
                Local::Absent | Local::Outside => continue,
            };
            self.local.insert(draft.post.local_path(&place.file), bytes);
        }
    }

    fn row(
        &mut self,
        post: &Post,
        (media_urls, local_media, hub_urls): (Column, Column, Column),
        may_change: &'static [&'static str],
        drawer: &mut Drawer,
    ) {
        let texts = ["スケッチ", "おしながき です it's here", "夏祭り🎆 \"quoted\"", "three\nlines\nhere"];
        let text = texts.get(drawer.rng.usize(..texts.len())).copied().unwrap_or_default();
        self.rows.push(Row {
            table: post.table,
            id: post.id.clone(),
            username: post.person.handle.clone(),
            display_name: post.person.display.clone(),
            text: format!("{text} {}", self.rows.len()),
            ms: post.ms,
            media_urls,
            local_media,
            hub_urls,
            sensitive: drawer.chance(10),
            may_change,
        });
    }

    fn seal(&mut self, layout: &Layout, plain: &[u8]) -> Bytes {
        self.nonces += 1;
        // The counter alone makes it unique; the rest keeps archives of two seeds apart.
        let words =
            [self.nonces, mix(self.seed ^ self.nonces), mix(self.seed.wrapping_add(self.nonces) << 1)];
        let mut nonce = [0; 24];
        for (cell, byte) in nonce.iter_mut().zip(words.into_iter().flat_map(u64::to_le_bytes)) {
            *cell = byte;
        }
        layout.oracle.seal(nonce, plain).into()
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn share(weight: u64, files: u64) -> u64 {
    ((weight * files + WEIGHTS_FOR / 2) / WEIGHTS_FOR).max(1)
}

/// The order in which things were uploaded is not the order in which they were posted.
fn hub_column(draft: &Draft, drawer: &mut Drawer) -> Column {
    let mut urls = draft.places.iter().map(|place| place.recorded.clone()).collect::<Vec<Vec<String>>>();
    if drawer.chance(30) {
        drawer.rng.shuffle(&mut urls);
    }
    Column::List(urls.concat())
}

fn local_column(draft: &Draft) -> Column {
    let Column::List(paths) = &draft.local_media else { return draft.local_media.clone() };
    if paths.len() != draft.places.len() {
        return draft.local_media.clone();
    }
    let paths = draft.places.iter().zip(paths).map(|(place, path)| match place.local {
        Local::Inside => format!("{HERE}/{path}"),
        Local::Outside => format!("{OUTSIDE}/{path}"),
        _ => path.clone(),
    });
    Column::List(paths.collect())
}

fn expected(pattern: &str, case: &str, outcome: Outcome, draft: &Draft, layout: &Layout) -> ExpectedPost {
    let files = draft.places.iter().map(|place| ExpectedFile {
        name: place.file.name.clone(),
        wrong: place.wrong.map(str::to_owned),
        action: place.action,
        urls: place.urls.clone(),
        size: place.bytes.len() as u64,
        sha256: sha256(&place.bytes),
    });
    let leaks = draft.leaks.iter().map(|(repo, path)| ExpectedLeak {
        repo: layout.repos.get(*repo).cloned().unwrap_or_default(),
        path: path.clone(),
    });
    ExpectedPost {
        v: VERSION,
        table: draft.post.table.name().to_owned(),
        id: draft.post.id.clone(),
        username: draft.post.person.handle.clone(),
        pattern: pattern.to_owned(),
        case: case.to_owned(),
        outcome,
        reasons: draft.reasons.clone(),
        media_urls: draft.media_after.clone(),
        files: files.collect(),
        leaks: leaks.collect(),
    }
}

impl Column {
    /// The text in the database; the archive's folder stands where it is meant.
    pub(crate) fn text(&self, dir: &str) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            Self::List(list) => {
                let list = list.iter().map(|item| match item.strip_prefix(HERE) {
                    Some(rest) => format!("{dir}{rest}"),
                    None => item.clone(),
                });
                Some(text::dumps(&list.collect::<Vec<String>>()))
            }
        }
    }
}
