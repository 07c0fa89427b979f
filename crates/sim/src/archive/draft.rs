//! One post on its way into the world: its row, its files and what each store holds of them.
//!
//! Owns the healthy state that every case of damage begins with, and where things lie on the Hub. Refuses to know
//! which damage there is.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{Action, Outcome};
use super::oracle::Oracle;
use super::post::{Drawer, Era, File, Post, Table};
use crate::media::{MediaKey, MediaKind, Medium, Trouble};

/// Where everything on the Hub is.
#[derive(Debug)]
pub(crate) struct Layout {
    /// `owner/name`, the one of the configuration first.
    pub(crate) repos: Vec<String>,
    pub(crate) oracle: Oracle,
}

/// What lies in the local folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    Present,
    Absent,
    /// A file of no bytes.
    Empty,
    /// Present, and recorded by its absolute path.
    Inside,
    /// Recorded by an absolute path outside all roots.
    Outside,
}

/// One object on the Hub.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) repo: usize,
    pub(crate) path: String,
    pub(crate) sealed: bool,
}

/// One file and what is where of it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: File,
    pub(crate) medium: Medium,
    /// The plain bytes that must be saved.
    pub(crate) bytes: Bytes,
    pub(crate) local: Local,
    pub(crate) objects: Vec<Object>,
    /// Hub URLs in the row.
    pub(crate) recorded: Vec<String>,
    pub(crate) wrong: Option<&'static str>,
    pub(crate) action: Action,
    /// URLs that are right in the end.
    pub(crate) urls: Vec<String>,
}

/// A column that holds a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Null,
    /// As it stands.
    Text(String),
    /// Written as Python does.
    List(Vec<String>),
}

/// One post and everything about it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) post: Post,
    pub(crate) places: Vec<Place>,
    pub(crate) media_urls: Column,
    pub(crate) local_media: Column,
    /// What stands in `huggingface_urls` in place of what the files say.
    pub(crate) hub_urls: Option<Column>,
    /// What the resolver says, one after the other; the last for ever.
    pub(crate) answers: Vec<Value>,
    pub(crate) more_media: Vec<(String, Medium)>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) reasons: Vec<String>,
    pub(crate) media_after: Option<Vec<String>>,
    pub(crate) leaks: Vec<(usize, String)>,
    /// Healthy posts that came along: their objects are what this row wrongly names.
    pub(crate) strangers: Vec<Post>,
}

impl Layout {
    /// The URL that the public project writes down.
    pub(crate) fn url(&self, repo: usize, path: &str) -> String {
        let repo = self.repos.get(repo).map_or("me/unknown", String::as_str);
        format!("https://huggingface.co/datasets/{repo}/resolve/main/{path}")
    }

    /// Where a file lies by rule, whatever its era.
    pub(crate) fn path(&self, post: &Post, file: &File) -> String {
        format!("encrypted_{}/{}/{}", file.folder(), post.person.handle, self.oracle.name(&file.name))
    }

    /// Where its era put it.
    pub(crate) fn path_of_era(&self, post: &Post, file: &File) -> String {
        if post.era == Era::Enc {
            let (handle, id) = (&post.person.handle, &post.id);
            return format!("encrypted_{}/{handle}/{id}/{}.enc", file.folder(), file.name);
        }
        self.path(post, file)
    }

    /// Where the layout would put it in each repository, the post's own first.
    pub(crate) fn urls(&self, post: &Post, file: &File) -> Vec<String> {
        let path = self.path(post, file);
        let others = (0..self.repos.len()).filter(|repo| *repo != post.repo);
        std::iter::once(post.repo).chain(others).map(|repo| self.url(repo, &path)).collect()
    }
}

impl Place {
    fn new(post: &Post, file: File, layout: &Layout, local: Local) -> Self {
        let medium = Medium { size: file.size, ..Medium::new(file.kind) };
        let bytes = best(&file.url, &medium);
        let path = layout.path_of_era(post, &file);
        let url = layout.url(post.repo, &path);
        Self {
            file,
            medium,
            bytes,
            local,
            objects: vec![Object { repo: post.repo, path, sealed: true }],
            recorded: vec![url.clone()],
            wrong: None,
            action: Action::None,
            urls: vec![url],
        }
    }

    /// Nothing on the Hub any more.
    pub(crate) fn lose(&mut self, post: &Post, layout: &Layout, action: Action) {
        self.objects.clear();
        self.wrong = Some("missing");
        self.action = action;
        self.urls = layout.urls(post, &self.file);
    }

    /// Nobody has it any more.
    pub(crate) fn give_up(&mut self) {
        self.action = Action::GiveUp;
        self.urls.clear();
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble) {
        self.medium.trouble = trouble;
    }

    /// The size is no accident.
    pub(crate) fn resize(&mut self, size: u64) {
        self.file.size = Some(size);
        self.medium.size = Some(size);
        self.bytes = best(&self.file.url, &self.medium);
    }
}

impl Draft {
    /// A post as it should be.
    pub(crate) fn healthy(post: Post, drawer: &mut Drawer, layout: &Layout) -> Self {
        let mut places = Vec::new();
        for file in &post.files {
            // Log-only files are deleted once they are uploaded; some of the others are gone too.
            let kept = post.table == Table::All && drawer.chance(85);
            let local = if kept { Local::Present } else { Local::Absent };
            places.push(Place::new(&post, file.clone(), layout, local));
        }
        let media_urls = post.files.iter().map(|file| file.recorded_url.clone()).collect::<Vec<String>>();
        let local_media = post.files.iter().map(|file| post.local_path(file)).collect::<Vec<String>>();
        let answers = vec![listed(&post, &post.files, &post.person.handle)];
        Self {
            post,
            places,
            media_urls: Column::List(media_urls),
            local_media: Column::List(local_media),
            hub_urls: None,
            answers,
            more_media: Vec::new(),
            outcome: None,
            reasons: Vec::new(),
            media_after: None,
            leaks: Vec::new(),
            strangers: Vec::new(),
        }
    }

    /// Which files the damage befalls: one, or in a quarter of all posts every one.
    pub(crate) fn victims(&self, drawer: &mut Drawer) -> Vec<usize> {
        let count = self.places.len();
        if count < 2 || drawer.chance(25) { (0..count).collect() } else { vec![drawer.rng.usize(..count)] }
    }

    /// Does something to each victim.
    pub(crate) fn hit(&mut self, drawer: &mut Drawer, mut act: impl FnMut(&Post, &mut Place, &mut Drawer)) {
        for index in self.victims(drawer) {
            if let Some(place) = self.places.get_mut(index) {
                act(&self.post, place, drawer);
            }
        }
    }

    /// Does something to all files.
    pub(crate) fn each(&mut self, mut act: impl FnMut(&Post, &mut Place)) {
        for place in &mut self.places {
            act(&self.post, place);
        }
    }

    pub(crate) fn saved(&mut self) {
        self.outcome = Some(Outcome::Saved);
    }

    pub(crate) fn final_for(&mut self, reasons: &[&str]) {
        self.outcome = Some(Outcome::Final);
        self.reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
    }

    /// The resolver has no more than a reason.
    pub(crate) fn unavailable(&mut self, reason: &str) {
        let id = &self.post.id;
        self.answers = vec![json!({
            "v": 1, "id": id, "status": "unavailable", "reason": reason, "detail": "削除されたか、見られません"
        })];
    }

    /// The resolver knows the file of a post under another address, and nowhere else is it to be had.
    pub(crate) fn elsewhere(&mut self, drawer: &mut Drawer, layout: &Layout) {
        let post = self.post.clone();
        let mut files = Vec::new();
        for place in &mut self.places {
            let fresh = drawer.another(&post, place.file.kind);
            let medium = Medium::new(fresh.kind);
            place.bytes = best(&fresh.url, &medium);
            place.action = Action::Resolve;
            place.urls = layout.urls(&post, &place.file);
            self.more_media.push((fresh.url.clone(), medium));
            files.push(fresh);
        }
        self.answers = vec![listed(&post, &files, &post.person.handle)];
    }

    /// The URLs that the resolver gives in the end.
    pub(crate) fn resolved(&self) -> Vec<String> {
        self.places.iter().map(|place| place.file.url.clone()).collect()
    }
}

/// The best bytes of a medium at a URL.
pub(crate) fn best(url: &str, medium: &Medium) -> Bytes {
    let key = MediaKey::of_url(url).map(|key| key.text).unwrap_or_default();
    medium.bytes(&key, medium.top)
}

/// A way in which a column says that there is nothing.
pub(crate) fn nothing(drawer: &mut Drawer) -> Column {
    match drawer.rng.u32(..10) {
        0..6 => Column::List(Vec::new()),
        6..8 => Column::Null,
        _ => Column::Text(String::new()),
    }
}

/// What the resolver says of a post that it knows.
pub(crate) fn listed(post: &Post, files: &[File], username: &str) -> Value {
    let media = files.iter().enumerate().map(|(index, file)| {
        let n = index + 1;
        if file.kind != MediaKind::Mp4 {
            return json!({"n": n, "type": "photo", "url": file.url});
        }
        let bare = file.url.split(".mp4").next().unwrap_or_default();
        if file.url.contains("/tweet_video/") {
            let best = json!({"content_type": "video/mp4", "bitrate": 0, "url": file.url});
            return json!({"n": n, "type": "animated_gif", "variants": [best]});
        }
        json!({"n": n, "type": "video", "variants": [
            {"content_type": "application/x-mpegURL", "url": format!("{bare}.m3u8?tag=12")},
            {"content_type": "video/mp4", "bitrate": 256_000, "url": format!("{bare}_320x180.mp4?tag=12")},
            {"content_type": "video/mp4", "bitrate": 2_176_000, "url": file.url},
            {"content_type": "video/mp4", "bitrate": 832_000, "url": format!("{bare}_640x360.mp4?tag=12")}
        ]})
    });
    let media = media.collect::<Vec<Value>>();
    json!({"v": 1, "id": post.id, "status": "ok", "username": username, "media": media})
}
