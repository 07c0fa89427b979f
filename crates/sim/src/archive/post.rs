//! Posts and their files before anything is wrong with them.
//!
//! Owns ids with their time inside, the naming eras, media keys and URLs. Source: the reference on the media
//! catalogue, sections 1.2, 1.3 and 2. Refuses to know damage, the Hub and the database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;

use super::people::{self, Person};
use crate::media::MediaKind;

/// When X's ids begin to count, in milliseconds since 1970.
const ID_EPOCH: u64 = 1_288_834_974_657;
/// 2019-01-01 and 2026-01-01, in milliseconds since 1970.
const YEARS: std::ops::Range<u64> = 1_546_300_800_000..1_767_225_600_000;
/// A time for posts whose id has none: 2010-03-01.
const BEFORE_IDS: u64 = 1_267_401_600_000;

/// Which table a post stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    All,
    LogOnly,
}

/// How files were named when the post was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Display name as folder, numbers from 0 by kind, photos always `.jpg`.
    Early,
    /// gallery-dl: handle as folder, numbers from 1 over all media.
    Gallery,
    /// The same with the media key behind the number.
    Keyed,
    /// Sealed content under a plain name in a folder of the post, on the Hub only.
    Enc,
}

/// One photo or video of a post.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// What the bytes are.
    pub(crate) kind: MediaKind,
    /// Whether it is in the folder of videos.
    pub(crate) video: bool,
    /// The best URL.
    pub(crate) url: String,
    /// The URL in the form in which the era wrote it down.
    pub(crate) recorded_url: String,
    /// The plain name.
    pub(crate) name: String,
    /// The size, where it matters.
    pub(crate) size: Option<u64>,
}

/// One post.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) table: Table,
    pub(crate) id: String,
    pub(crate) person: Person,
    pub(crate) era: Era,
    /// Milliseconds since 1970.
    pub(crate) ms: u64,
    /// Index of the repository that has its files.
    pub(crate) repo: usize,
    pub(crate) files: Vec<File>,
}

/// What a case of damage asks of the post that it befalls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Want {
    pub(crate) table: Option<Table>,
    pub(crate) era: Option<Era>,
    /// How many files.
    pub(crate) files: Option<usize>,
    /// All videos, or all photos.
    pub(crate) video: Option<bool>,
    /// A photo and a video.
    pub(crate) pair: bool,
    /// An id from before ids had times.
    pub(crate) ancient: bool,
}

impl Table {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all_tweets",
            Self::LogOnly => "log_only_tweets",
        }
    }
}

impl File {
    /// The folder of its kind.
    pub(crate) fn folder(&self) -> &'static str {
        if self.video { "videos" } else { "images" }
    }
}

impl Post {
    /// Where a file lies locally, relative to the folder of the archive.
    pub(crate) fn local_path(&self, file: &File) -> String {
        let user = if self.era == Era::Early { self.person.folder() } else { self.person.handle.clone() };
        format!("{}/{user}/{}", file.folder(), file.name)
    }
}

/// Draws posts.
#[derive(Debug)]
pub(crate) struct Drawer {
    pub(crate) rng: Rng,
    people: Vec<Person>,
    repos: usize,
    /// Makes ids and keys unique.
    made: u64,
    /// Which hostile URL comes next.
    pub(crate) hostile: usize,
}

impl Drawer {
    pub(crate) fn new(seed: u64, files: u64, repos: usize) -> Self {
        let rng = Rng::with_seed(seed ^ 0x61_7263_6869_7665);
        Self { rng, people: people::people(files), repos, made: 0, hostile: 0 }
    }

    /// True in so many of a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(..100) < percent
    }

    /// A post with at least one file.
    pub(crate) fn post(&mut self, want: Want) -> Post {
        let who = people::draw(&mut self.rng, self.people.len());
        let person = self
            .people
            .get(who)
            .cloned()
            .unwrap_or(Person { handle: "nobody".into(), display: String::new() });
        let table = want.table.unwrap_or(if self.chance(10) { Table::LogOnly } else { Table::All });
        let era = want.era.unwrap_or_else(|| self.era(table));
        let (ms, id) = self.id(want.ancient);
        let repo = self.repo();
        let mut post = Post { table, id, person, era, ms, repo, files: Vec::new() };
        let kinds = self.kinds(want);
        for kind in kinds {
            let file = self.file(&post, kind);
            post.files.push(file);
        }
        post
    }

    /// A post without media.
    pub(crate) fn text(&mut self) -> Post {
        let mut post = self.post(Want { files: Some(1), ..Want::default() });
        post.files.clear();
        post
    }

    /// Another photo or video for a post, under a key of its own.
    pub(crate) fn another(&mut self, post: &Post, kind: MediaKind) -> File {
        let post = Post { files: Vec::new(), ..post.clone() };
        self.file(&post, kind)
    }

    fn era(&mut self, table: Table) -> Era {
        let drawn = self.rng.u32(..100);
        match table {
            Table::LogOnly if drawn < 15 => Era::Enc,
            Table::LogOnly => Era::Gallery,
            Table::All if drawn < 25 => Era::Early,
            Table::All if drawn < 30 => Era::Keyed,
            Table::All => Era::Gallery,
        }
    }

    fn repo(&mut self) -> usize {
        let drawn = self.rng.u32(..100);
        let drawn = if drawn < 70 { 0 } else { 1 + usize::from(drawn >= 90) };
        drawn.min(self.repos.saturating_sub(1))
    }

    fn id(&mut self, ancient: bool) -> (u64, String) {
        self.made += 1;
        if ancient {
            return (BEFORE_IDS + self.made * 1000, (20_000_000 + self.made * 7).to_string());
        }
        let ms = self.rng.u64(YEARS);
        // The low bits hold a counter, so that no two posts of one millisecond are one.
        (ms, (((ms - ID_EPOCH) << 22) | (self.made & 0x3f_ffff)).to_string())
    }

    fn kinds(&mut self, want: Want) -> Vec<MediaKind> {
        if want.pair {
            return vec![self.photo(), MediaKind::Mp4];
        }
        let drawn = self.rng.u32(..80);
        let video = want.video.unwrap_or((72..79).contains(&drawn));
        let count = want.files.unwrap_or(match drawn {
            0..50 => 1,
            50..72 => self.rng.usize(2..=4),
            _ => 1,
        });
        if drawn >= 79 && want.files.is_none() && want.video.is_none() {
            return vec![self.photo(), MediaKind::Mp4];
        }
        (0..count).map(|_| if video { MediaKind::Mp4 } else { self.photo() }).collect()
    }

    fn photo(&mut self) -> MediaKind {
        if self.chance(15) { MediaKind::Png } else { MediaKind::Jpeg }
    }

    /// Eight bytes of the medium's own id and three more, as X makes its keys.
    fn key(&mut self, ms: u64) -> (u64, String) {
        self.made += 1;
        let id = (ms.saturating_sub(ID_EPOCH + 5000) << 22) | (self.made & 0x3f_ffff);
        let rest = self.rng.u32(..).to_be_bytes();
        let bytes = id.to_be_bytes().into_iter().chain(rest.into_iter().skip(1));
        (id, URL_SAFE_NO_PAD.encode(bytes.collect::<Vec<u8>>()))
    }

    fn file(&mut self, post: &Post, kind: MediaKind) -> File {
        let (media_id, key) = self.key(post.ms);
        let video = kind == MediaKind::Mp4;
        let (url, recorded_url) =
            if video { self.video_urls(media_id, &key) } else { self.photo_urls(post.era, kind, &key) };
        let same = post.files.iter().filter(|file| file.video == video).count();
        let (id, at) = (&post.id, post.files.len() + 1);
        let ext = kind.extension();
        let name = match post.era {
            Era::Early if video => format!("{id}_{same}.{ext}"),
            Era::Early => format!("{id}_{same}.jpg"),
            Era::Gallery => format!("{id}_{at}.{ext}"),
            Era::Keyed => format!("{id}_{at}_{key}.{ext}"),
            Era::Enc if video => format!("{id}_video_{same}.{ext}"),
            Era::Enc => format!("{id}_{same}.{ext}"),
        };
        File { kind, video, url, recorded_url, name, size: None }
    }

    fn photo_urls(&mut self, era: Era, kind: MediaKind, key: &str) -> (String, String) {
        let format = if kind == MediaKind::Png { "png" } else { "jpg" };
        let best = format!("https://pbs.twimg.com/media/{key}?format={format}&name=orig");
        let recorded = match era {
            Era::Early if self.chance(30) => format!("https://pbs.twimg.com/media/{key}.{format}:large"),
            Era::Early | Era::Keyed => format!("https://pbs.twimg.com/media/{key}.{format}"),
            Era::Gallery | Era::Enc => best.clone(),
        };
        (best, recorded)
    }

    fn video_urls(&mut self, media_id: u64, key: &str) -> (String, String) {
        let path = match self.rng.u32(..100) {
            0..15 => format!("tweet_video/{key}.mp4"),
            15..35 => format!("amplify_video/{media_id}/vid/avc1/1920x1080/{key}.mp4?tag=14"),
            _ => format!("ext_tw_video/{media_id}/pu/vid/avc1/1280x720/{key}.mp4?tag=12"),
        };
        let url = format!("https://video.twimg.com/{path}");
        (url.clone(), url)
    }
}
