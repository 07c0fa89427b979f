//! Which of a video's variants to take: films before playlists, the best first.

/// One variant, whatever the service calls its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The media type as stated.
    pub content_type: String,
    /// Bits per second; GIFs state 0, playlists nothing.
    pub bitrate: Option<u64>,
    /// Where it lies.
    pub url: String,
}

/// The URLs of the films, best first: by bitrate, then by the picture's size as the path states it.
///
/// Playlists are left out: they name pieces of a film and are none.
// Source: reference/media-catalogue.md, section 2: `content_type = video/mp4` with the greatest bitrate.
#[must_use]
pub fn best_first(variants: Vec<Variant>) -> Vec<String> {
    let mut films: Vec<Variant> = variants.into_iter().filter(is_film).collect();
    films.sort_by_key(|film| std::cmp::Reverse((film.bitrate.unwrap_or(0), pixels(&film.url))));
    let mut urls: Vec<String> = Vec::with_capacity(films.len());
    for film in films {
        if !urls.contains(&film.url) {
            urls.push(film.url);
        }
    }
    urls
}

fn is_film(variant: &Variant) -> bool {
    let essence = variant.content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("video/mp4") && !variant.url.is_empty()
}

/// The number of pixels from a path segment like `1280x720`; 0 where none is stated.
fn pixels(url: &str) -> u64 {
    let path = url.split('?').next().unwrap_or_default();
    let size = |segment: &str| {
        let (width, height) = segment.split_once('x')?;
        width.parse::<u64>().ok()?.checked_mul(height.parse().ok()?)
    };
    path.split('/').filter_map(size).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(content_type: &str, bitrate: Option<u64>, url: &str) -> Variant {
        Variant { content_type: content_type.into(), bitrate, url: url.into() }
    }

    #[test]
    fn the_greatest_bitrate_comes_first_and_playlists_never() {
        let best = best_first(vec![
            variant("application/x-mpegURL", None, "https://video.twimg.com/a.m3u8"),
            variant("video/mp4", Some(632_000), "https://video.twimg.com/vid/480x270/a.mp4"),
            variant("video/mp4", Some(2_176_000), "https://video.twimg.com/vid/1280x720/c.mp4"),
            variant("video/mp4", Some(950_000), "https://video.twimg.com/vid/640x360/b.mp4"),
        ]);
        let names: Vec<&str> = best.iter().map(|url| &url[url.len() - 5..]).collect();
        assert_eq!(names, ["c.mp4", "b.mp4", "a.mp4"]);
    }

    #[test]
    fn the_larger_picture_decides_where_bitrates_do_not() {
        let best = best_first(vec![
            variant("video/mp4", Some(0), "https://video.twimg.com/vid/avc1/320x180/s.mp4?tag=1"),
            variant("video/mp4", None, "https://video.twimg.com/vid/avc1/1280x720/l.mp4?tag=9999x9999"),
        ]);
        assert!(best[0].contains("l.mp4"), "{best:?}");
        let gif = "https://video.twimg.com/tweet_video/K.mp4";
        assert_eq!(
            best_first(vec![variant("video/mp4", Some(0), gif), variant("video/mp4", Some(0), gif)]),
            [gif]
        );
    }
}
