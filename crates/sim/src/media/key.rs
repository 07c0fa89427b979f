//! What a media URL names.
//!
//! Owns the forms of the two hosts' URLs: `KEY`, `KEY.jpg`, `KEY.jpg:large`, `?format=…&name=…`, and the paths of
//! videos. Refuses to know whether there is such a medium.

use crate::url::Query;

const PHOTOS: &str = "pbs.twimg.com";
const VIDEOS: &str = "video.twimg.com";

/// The sizes of a photo, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhotoSize {
    /// 150 pixels.
    Thumb,
    /// 680 pixels.
    Small,
    /// 1,200 pixels; what comes where nothing is said.
    Medium,
    /// 2,048 pixels.
    Large,
    /// 4,096 pixels.
    Huge,
    /// As it was sent.
    Orig,
}

impl PhotoSize {
    /// As it stands in URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Thumb => "thumb",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Huge => "4096x4096",
            Self::Orig => "orig",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Thumb, Self::Small, Self::Medium, Self::Large, Self::Huge, Self::Orig]
            .into_iter()
            .find(|size| size.name() == name)
    }
}

/// One medium and the form in which it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaKey {
    /// Host and path without extension, size and query for a photo; host and path for a video.
    pub text: String,
    /// What the extension or `format` asks for; a photo only.
    pub format: Option<String>,
    /// The size that is asked for; none for a video and for a name that is no size.
    pub size: Option<PhotoSize>,
    /// Whether it is on the host of videos.
    pub video: bool,
}

impl MediaKey {
    /// Reads a URL of either host; nothing for any other.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let (host, path) = rest.split_once('/')?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self::new(host, &format!("/{path}"), &Query::parse(query))
    }

    pub(crate) fn new(host: &str, path: &str, query: &Query) -> Option<Self> {
        match host {
            VIDEOS => Some(Self { text: format!("{VIDEOS}{path}"), format: None, size: None, video: true }),
            PHOTOS => Some(Self::photo(path, query)),
            _ => None,
        }
    }

    fn photo(path: &str, query: &Query) -> Self {
        let (path, colon) = path.split_once(':').map_or((path, None), |(path, size)| (path, Some(size)));
        let (stem, extension) = path.rsplit_once('.').map_or((path, None), |(stem, ext)| (stem, Some(ext)));
        let name = query.get("name").or(colon);
        Self {
            text: format!("{PHOTOS}{stem}"),
            format: query.get("format").or(extension).map(str::to_owned),
            size: name.map_or(Some(PhotoSize::Medium), PhotoSize::of),
            video: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_photo_have_one_key() {
        for (url, format, size) in [
            ("https://pbs.twimg.com/media/GtU9HwvbMAUIyKi", None, PhotoSize::Medium),
            ("https://pbs.twimg.com/media/GtU9HwvbMAUIyKi.jpg", Some("jpg"), PhotoSize::Medium),
            ("https://pbs.twimg.com/media/GtU9HwvbMAUIyKi.jpg:large", Some("jpg"), PhotoSize::Large),
            (
                "https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?format=png&name=orig",
                Some("png"),
                PhotoSize::Orig,
            ),
            ("https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?name=4096x4096", None, PhotoSize::Huge),
        ] {
            let key = MediaKey::of_url(url).unwrap();
            assert_eq!(key.text, "pbs.twimg.com/media/GtU9HwvbMAUIyKi", "{url}");
            assert_eq!((key.format.as_deref(), key.size), (format, Some(size)), "{url}");
        }
    }

    #[test]
    fn a_video_is_its_path_and_strangers_have_no_key() {
        let key = MediaKey::of_url("https://video.twimg.com/tweet_video/KEY.mp4?tag=12").unwrap();
        assert_eq!(key.text, "video.twimg.com/tweet_video/KEY.mp4");
        assert_eq!(MediaKey::of_url("https://pbs.twimg.com.evil.example/media/KEY.jpg"), None);
        assert_eq!(MediaKey::of_url("https://pbs.twimg.com@127.0.0.1/media/KEY.jpg"), None);
    }
}
