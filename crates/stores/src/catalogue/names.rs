//! Names of media files through all the eras of the programs that made them.
//!
//! The leading digits before the first `_` are the post's id. What the number after it counts is not known
//! from the name alone: from 1 over all media (today), or from 0 for pictures and videos apart (earlier).
//! It knows no file system.

/// Which of the two folders a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Folder {
    /// Pictures.
    Images,
    /// Videos, animations, sounds, playlists.
    Videos,
}

impl Folder {
    /// The first segment of recorded paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Videos => "videos",
        }
    }

    /// Reads the first segment of a recorded path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "images" => Some(Self::Images),
            "videos" => Some(Self::Videos),
            _ => None,
        }
    }
}

/// Extensions that go to `videos`; everything else goes to `images`.
const VIDEOS: [&str; 28] = [
    "mp4", "m4v", "mov", "webm", "mkv", "avi", "wmv", "flv", "ts", "mpg", "mpeg", "3gp", "ogv", "gif",
    "m3u8", "m3u", "mpd", "mp3", "m4a", "aac", "ogg", "oga", "opus", "wav", "flac", "wma", "aiff", "mka",
];

/// The folder that a name belongs to, by its extension only.
#[must_use]
pub fn folder_of(name: &str) -> Folder {
    let extension = split_extension(name.strip_suffix(".enc").unwrap_or(name)).1.to_lowercase();
    if VIDEOS.contains(&extension.as_str()) { Folder::Videos } else { Folder::Images }
}

/// The folder that a media URL's file will most likely belong to; the content decides in the end.
#[must_use]
pub fn folder_of_url(url: &str) -> Folder {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    // `KEY.jpg:large` is an older form.
    let by_name = folder_of(name.split(':').next().unwrap_or_default());
    let host = path.split_once("://").map_or(path, |(_, rest)| rest).split('/').next().unwrap_or_default();
    if host.eq_ignore_ascii_case("video.twimg.com") { Folder::Videos } else { by_name }
}

/// The key in a media URL: the last segment without its extension.
#[must_use]
pub(super) fn key_in(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next()?.split(':').next()?;
    let key = split_extension(last).0;
    (!key.is_empty()).then_some(key)
}

/// A name's stem and extension; a name without a dot, or that begins with its only one, has none.
pub(super) fn split_extension(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (name, ""),
    }
}

/// The name without `.enc` and without its extension: what a key is made of.
#[must_use]
pub(super) fn stem_of(name: &str) -> &str {
    split_extension(name.strip_suffix(".enc").unwrap_or(name)).0
}

/// What tells a post's files apart: an extension may have changed, and a picture and a video that were both
/// counted from 0 share their stem.
#[must_use]
pub fn identity(name: &str) -> (&str, Folder) {
    (stem_of(name), folder_of(name))
}

/// The post's id in a media file's name: the digits before the first `_`.
#[must_use]
pub fn post_id_of(name: &str) -> Option<&str> {
    let (id, _) = name.split_once('_')?;
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// Which program's manner a file is named in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// The path is recorded in the row.
    Recorded,
    /// `<user>/<id>_<num>.<ext>`, counted from 1 over all media.
    Numbered,
    /// `<display name>/<id>_<n>.<ext>`, counted from 0 for pictures and videos apart.
    Early,
    /// `<id>_<num>_<media key>.<ext>`.
    Keyed,
    /// `<user>/<id>/<id>_<n>…` of the first uploader, also `_video_<n>`.
    LogOnly,
}

/// A media file's name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaName {
    /// The post's id, as it stands in the name.
    pub id: String,
    /// The number after it.
    pub index: Option<u32>,
    /// True for `<id>_video_<n>`.
    pub video: bool,
    /// The media key of the repair script's names.
    pub key: Option<String>,
}

impl MediaName {
    /// Takes a name apart; `None` where it is not one of a media file of a post with this id.
    #[must_use]
    pub fn of(name: &str, id: &str) -> Option<Self> {
        let rest = stem_of(name).strip_prefix(id)?.strip_prefix('_')?;
        let (video, rest) = match rest.strip_prefix("video_") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (index, key) = match rest.split_once('_') {
            Some((index, key)) => (index, Some(key.to_owned())),
            None => (rest, None),
        };
        let digits = !index.is_empty() && index.len() < 6 && index.bytes().all(|b| b.is_ascii_digit());
        let index = if digits { index.parse().ok() } else { None };
        Some(Self { id: id.to_owned(), index, video, key })
    }
}

/// A display name as the early downloader made a folder of it.
#[must_use]
pub fn sanitised(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if r#"<>:"|?*\/"#.contains(c) { '_' } else { c }).collect();
    let bare = replaced.trim_matches(|c: char| c.is_whitespace() || c == '.');
    if bare.is_empty() { "unknown".to_owned() } else { bare.to_owned() }
}

/// Names that Windows keeps for devices, whatever the extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Why a name from the database cannot be a folder's or file's name; `None` where it can. Display names
/// in any script can.
#[must_use]
pub fn username_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name == "." || name == ".." {
        return Some("it leads out of its folder");
    }
    if name.contains(['/', '\\']) {
        return Some("it holds a slash, so it leads somewhere else");
    }
    if name.chars().any(|c| c.is_control() || is_bidi(c)) {
        return Some("it holds a control character");
    }
    if name.starts_with('-') {
        return Some("it begins with a hyphen, so a program could take it for an option");
    }
    if name.ends_with(['.', ' ']) {
        return Some("it ends with a dot or a space");
    }
    if name.len() > 255 {
        return Some("it is longer than 255 bytes");
    }
    is_device(name).then_some("it is the name of a device")
}

/// Characters that turn the direction of writing, so that a name reads as another one.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    if DEVICES.contains(&stem.as_str()) {
        return true;
    }
    let number = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    // Windows takes superscript digits for digits here.
    number.is_some_and(|n| {
        matches!(n.chars().next(), Some('1'..='9' | '¹' | '²' | '³')) && n.chars().count() == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_alone_decides_the_folder() {
        for (name, folder) in [
            ("1_1.jpg", Folder::Images),
            ("1_1.WEBP", Folder::Images),
            ("1_1", Folder::Images),
            ("1_1.gif", Folder::Videos),
            ("1_1.MP4", Folder::Videos),
            ("1_1.m3u8", Folder::Videos),
            ("1_video_0.mp4.enc", Folder::Videos),
        ] {
            assert_eq!(folder_of(name), folder, "{name}");
        }
        assert_eq!(folder_of_url("https://pbs.twimg.com/media/KEY?format=jpg&name=orig"), Folder::Images);
        assert_eq!(folder_of_url("https://pbs.twimg.com/media/KEY.jpg:large"), Folder::Images);
        assert_eq!(folder_of_url("https://video.twimg.com/a/pl/x.m3u8?tag=12"), Folder::Videos);
    }

    #[test]
    fn names_of_every_era_are_taken_apart() {
        let id = "1908900169724363186";
        let of = |name: &str| MediaName::of(name, id).map(|n| (n.index, n.video, n.key));
        assert_eq!(of("1908900169724363186_1.jpg"), Some((Some(1), false, None)));
        assert_eq!(of("1908900169724363186_0.jpg.enc"), Some((Some(0), false, None)));
        assert_eq!(of("1908900169724363186_video_2.mp4.enc"), Some((Some(2), true, None)));
        assert_eq!(of("1908900169724363186_3_GnAl_ce.png"), Some((Some(3), false, Some("GnAl_ce".into()))));
        assert_eq!(of("19089001697243631860_1.jpg"), None);
        assert_eq!(post_id_of("1908900169724363186_1.jpg"), Some(id));
        assert_eq!(post_id_of("花子_1.jpg"), None);
    }

    #[test]
    fn a_display_name_becomes_a_folder_as_the_early_downloader_made_it() {
        assert_eq!(sanitised(" 花子/絵:描き. "), "花子_絵_描き");
        assert_eq!(sanitised(" .. "), "unknown");
    }

    #[test]
    fn hostile_names_are_refused_and_japanese_ones_are_not() {
        for good in ["alice_draws", "花子＠お仕事募集中", "a.b", "compact", "com", "com10"] {
            assert_eq!(username_fault(good), None, "{good}");
        }
        let long = "花".repeat(86);
        for bad in [
            "",
            ".",
            "..",
            "../evil",
            "a/b",
            "a\\b",
            "a\0b",
            "a\nb",
            "evil\u{202e}gpj",
            "-rf",
            "dot.",
            "space ",
            "CON",
            "com1",
            "lpt².txt",
            "NUL.jpg",
            &long,
        ] {
            assert!(username_fault(bad).is_some(), "{bad:?}");
        }
    }
}
