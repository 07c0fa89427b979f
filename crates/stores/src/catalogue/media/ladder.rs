//! In which order the sizes and forms of one media file are asked for.
//!
//! Owns what is known of X's media URLs: the forms that a photo's URL was recorded in, its sizes, and the
//! `?tag=` of videos. Refuses to send anything. X documents none of it.
// Source: reference/media-catalogue.md, section 2 (client observations, read 2026-11).

use super::policy::Allowed;

/// The sizes of a photo below the original, largest first. Smaller ones are not worth keeping.
const SIZES: &[&str] = &["4096x4096", "large", "medium"];

/// Longest key of a photo that is taken for one; those seen have 15 characters.
const LONGEST_KEY: usize = 64;

/// One try: where, and how its size is called where it is not the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    pub(super) url: Allowed,
    pub(super) reduced: Option<&'static str>,
}

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// A photo: each rung after a 404 of the one before.
    Photo(Vec<Rung>),
    /// One file as it was recorded; after a 403 the same without its query, where there was one.
    File(Vec<Allowed>),
    /// By its URL already no media file.
    NotMedia(&'static str),
}

/// Reads a URL that has passed the policy.
pub(super) fn plan(allowed: Allowed) -> Plan {
    let path = allowed.url().path().to_owned();
    let lower = path.to_ascii_lowercase();
    if lower.ends_with(".m3u8") || lower.ends_with(".m3u") {
        return Plan::NotMedia("a playlist, not the video");
    }
    if lower.contains("_video_thumb/") {
        return Plan::NotMedia("the preview of a video, not the video");
    }
    if allowed.host() == "pbs.twimg.com"
        && let Some((key, format)) = photo(&allowed, &path)
    {
        return Plan::Photo(rungs(&allowed, &key, format));
    }
    let bare = allowed.url().query().map(|_| allowed.with_query(None));
    Plan::File([allowed].into_iter().chain(bare).collect())
}

/// The key and format of a photo, from `KEY?format=F&name=N`, `KEY.F`, `KEY.F:N` and mixtures of them.
fn photo(allowed: &Allowed, path: &str) -> Option<(String, &'static str)> {
    let name = path.strip_prefix("/media/")?;
    let name = name.split_once(':').map_or(name, |(name, _size)| name);
    let (key, extension) = name.split_once('.').map_or((name, None), |(key, ext)| (key, Some(ext)));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || key.len() > LONGEST_KEY || !key.chars().all(plain) {
        return None;
    }
    let stated = allowed.url().query_pairs().find(|(name, _)| name == "format").map(|(_, value)| value);
    let format = match stated.as_deref().or(extension).map(str::to_ascii_lowercase).as_deref() {
        Some("png") => "png",
        // An original asked for as webp is answered with 404, so that word is never carried over.
        _ => "jpg",
    };
    Some((key.to_owned(), format))
}

fn rungs(allowed: &Allowed, key: &str, format: &'static str) -> Vec<Rung> {
    let other = if format == "png" { "jpg" } else { "png" };
    let path = format!("/media/{key}");
    let rung = |format: &str, size: &str, reduced: Option<&'static str>| Rung {
        url: allowed.at(&path, &format!("format={format}&name={size}")),
        reduced,
    };
    let originals = [rung(format, "orig", None), rung(other, "orig", None)];
    originals.into_iter().chain(SIZES.iter().map(|size| rung(format, size, Some(*size)))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::policy::{PolicyConfig, UrlPolicy};
    use super::*;

    fn planned(url: &str) -> Plan {
        plan(UrlPolicy::new(&PolicyConfig::default()).unwrap().check(url).unwrap())
    }

    fn asked(url: &str) -> Vec<String> {
        match planned(url) {
            Plan::Photo(rungs) => rungs.iter().map(|rung| rung.url.url().to_string()).collect(),
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn every_form_of_a_photo_gives_the_same_ladder() {
        let ladder: Vec<String> =
            ["jpg&name=orig", "png&name=orig", "jpg&name=4096x4096", "jpg&name=large", "jpg&name=medium"]
                .iter()
                .map(|rest| format!("https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?format={rest}"))
                .collect();
        for form in [
            "GtU9HwvbMAUIyKi?format=jpg&name=orig",
            "GtU9HwvbMAUIyKi?format=jpg&name=small",
            "GtU9HwvbMAUIyKi?name=large&format=jpg",
            "GtU9HwvbMAUIyKi.jpg",
            "GtU9HwvbMAUIyKi.jpg:orig",
            "GtU9HwvbMAUIyKi.jpg:large",
            "GtU9HwvbMAUIyKi.jpg?name=large",
            "GtU9HwvbMAUIyKi.webp",
            "GtU9HwvbMAUIyKi?format=webp&name=orig",
            "GtU9HwvbMAUIyKi",
        ] {
            assert_eq!(asked(&format!("https://pbs.twimg.com/media/{form}")), ladder, "{form}");
        }
    }

    #[test]
    fn a_png_is_asked_for_as_png_first() {
        let ladder = asked("https://pbs.twimg.com/media/K.png:orig");
        assert!(ladder[0].ends_with("format=png&name=orig") && ladder[1].ends_with("format=jpg&name=orig"));
        assert!(ladder[2].ends_with("format=png&name=4096x4096"));
    }

    #[test]
    fn webp_never_enters_a_request() {
        for form in ["K?format=webp&name=orig", "K.webp:orig", "K?format=WEBP"] {
            let ladder = asked(&format!("https://pbs.twimg.com/media/{form}"));
            assert!(ladder.iter().all(|url| !url.to_ascii_lowercase().contains("webp")), "{ladder:?}");
        }
    }

    #[test]
    fn a_video_is_asked_for_as_recorded_and_then_bare() {
        let planned_urls = |url: &str| match planned(url) {
            Plan::File(forms) => forms.iter().map(|form| form.url().to_string()).collect::<Vec<_>>(),
            other => panic!("{url}: {other:?}"),
        };
        let bare = "https://video.twimg.com/amplify_video/1/vid/N.mp4";
        let tagged = format!("{bare}?tag=16");
        assert_eq!(planned_urls(&tagged), [tagged.as_str(), bare]);
        assert_eq!(planned_urls(bare), [bare]);
    }

    #[test]
    fn previews_and_playlists_are_not_the_media() {
        for url in [
            "https://video.twimg.com/ext_tw_video/1/pu/pl/x.m3u8?tag=12",
            "https://video.twimg.com/x.M3U8",
            "https://pbs.twimg.com/ext_tw_video_thumb/1/pu/img/x.jpg",
            "https://pbs.twimg.com/tweet_video_thumb/K.jpg",
            "https://pbs.twimg.com/amplify_video_thumb/1/img/x.jpg",
        ] {
            assert!(matches!(planned(url), Plan::NotMedia(_)), "{url}");
        }
    }
}
