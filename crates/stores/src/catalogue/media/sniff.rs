//! What the first bytes of a download are; nothing is decoded.
//!
//! Owns the short list of contents that X serves as media. Everything else is refused, and named where a
//! person would know it: a page, JSON, a playlist. Refuses to know URLs and names: a recorded extension
//! says what somebody once believed.

use super::super::MediaKind;

/// So many bytes decide; a shorter file is judged by all it has.
pub(super) const ENOUGH: usize = 512;

/// A content that is media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// The extension that such a file is stored under.
    pub(super) extension: &'static str,
    /// The first half of its media type.
    pub(super) class: &'static str,
    /// Which of the two folders it belongs into: the archive keeps animations with the videos.
    pub(super) kind: MediaKind,
}

const JPEG: Content = Content { extension: "jpg", class: "image", kind: MediaKind::Image };
const PNG: Content = Content { extension: "png", class: "image", kind: MediaKind::Image };
const WEBP: Content = Content { extension: "webp", class: "image", kind: MediaKind::Image };
const GIF: Content = Content { extension: "gif", class: "image", kind: MediaKind::Video };
const MP4: Content = Content { extension: "mp4", class: "video", kind: MediaKind::Video };

/// Brands of ISO media files that hold pictures, not films.
const PICTURE_BRANDS: &[&[u8]] = &[b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"];

/// Names the content, or says what it is instead of media.
pub(super) fn sniff(first: &[u8]) -> Result<Content, &'static str> {
    let at = |from: usize, to: usize| first.get(from..to).unwrap_or_default();
    if first.is_empty() {
        return Err("0 bytes");
    }
    if first.starts_with(b"\xff\xd8\xff") {
        return Ok(JPEG);
    }
    if first.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(PNG);
    }
    if first.starts_with(b"GIF87a") || first.starts_with(b"GIF89a") {
        return Ok(GIF);
    }
    if first.starts_with(b"RIFF") && at(8, 12) == b"WEBP" {
        return Ok(WEBP);
    }
    if at(4, 8) == b"ftyp" && !PICTURE_BRANDS.contains(&at(8, 12)) {
        return Ok(MP4);
    }
    Err(instead(first))
}

fn instead(first: &[u8]) -> &'static str {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    match text.first() {
        Some(b'#') if text.starts_with(b"#EXTM3U") => "a playlist",
        Some(b'<') => "a page",
        Some(b'{' | b'[') => "JSON",
        _ => "content of no known kind",
    }
}

/// True where a `Content-Type` does not contradict the content. None, or "some bytes", says nothing.
pub(super) fn agrees(content: Content, content_type: Option<&str>) -> bool {
    let Some(stated) = content_type else { return true };
    let essence = stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let class = essence.split('/').next().unwrap_or_default();
    class == content.class || matches!(essence.as_str(), "application/octet-stream" | "binary/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_and_not_a_name() {
        for (bytes, extension) in [
            (&b"\xff\xd8\xff\xe0\x00\x10JFIF"[..], "jpg"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "png"),
            (b"GIF89a\x01\0\x01\0", "gif"),
            (b"GIF87a\x01\0\x01\0", "gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "mp4"),
            (b"\0\0\0\x18ftypisom", "mp4"),
        ] {
            assert_eq!(sniff(bytes).map(|content| content.extension), Ok(extension));
        }
    }

    #[test]
    fn what_is_no_media_is_called_by_its_name() {
        for (bytes, what) in [
            (&b""[..], "0 bytes"),
            (b"#EXTM3U\n#EXT-X-VERSION:3", "a playlist"),
            (b"\xef\xbb\xbf#EXTM3U", "a playlist"),
            (b"<!DOCTYPE html><html>", "a page"),
            (b"\n\n  <html>", "a page"),
            (b"<?xml version=\"1.0\"?><svg onload=\"x\"/>", "a page"),
            (b"{\"errors\":[]}", "JSON"),
            (b"RIFF\x10\0\0\0AVI LIST", "content of no known kind"),
            (b"\0\0\0\x18ftypheic", "content of no known kind"),
            (b"MZ\x90\0", "content of no known kind"),
            (b"\xff\xd8", "content of no known kind"),
        ] {
            assert_eq!(sniff(bytes), Err(what));
        }
    }

    #[test]
    fn the_stated_type_must_not_contradict() {
        for (content, stated, agreed) in [
            (JPEG, Some("image/jpeg"), true),
            (JPEG, Some("image/png; charset=binary"), true),
            (JPEG, Some("IMAGE/JPEG"), true),
            (JPEG, Some("application/octet-stream"), true),
            (JPEG, None, true),
            (JPEG, Some("video/mp4"), false),
            (JPEG, Some("text/html"), false),
            (MP4, Some("video/mp4"), true),
            (MP4, Some("image/jpeg"), false),
            (MP4, Some("application/json"), false),
            (GIF, Some("image/gif"), true),
        ] {
            assert_eq!(agrees(content, stated), agreed, "{stated:?}");
        }
    }
}
