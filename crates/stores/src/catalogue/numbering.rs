//! Which of a post's media a plain name means.
//!
//! The number in a name counts from 1 over all media, or from 0 over the pictures and the videos apart; no name
//! says which (reference/media-catalogue.md 1.2). The names of the post's other files decide: what fits only one
//! way of counting is that one. Where both fit, nobody may guess: another picture of the same post would be sent
//! under this name and recorded as saved.

use super::names::{Folder, MediaName, folder_of};

/// How a post's files were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// From 1 over all media.
    One,
    /// From 0, pictures and videos each for themselves.
    Zero,
}

/// The number, from 1, of the media that a plain name means, among media of these kinds in the post's order.
/// `names` are the post's other plain names, as far as they are known, with `.enc` where they lie so.
///
/// `None` where the names do not tell.
#[must_use]
pub fn media_number<'a>(
    name: &str,
    id: &str,
    names: impl IntoIterator<Item = &'a str>,
    kinds: &[Folder],
) -> Option<u32> {
    let own = MediaName::of(name, id);
    let kind = folder_of(name);
    let mut all: Vec<&str> = names.into_iter().collect();
    all.push(name);
    let at = match (own, kinds) {
        (Some(MediaName { video: true, index: Some(index), .. }), _) => nth(kinds, Folder::Videos, index),
        // One file of one media: whatever its number.
        (_, [only]) if all.iter().all(|other| bare(other) == name) => (*only == kind).then_some(0),
        (Some(MediaName { index: Some(index), .. }), _) => match base(&all, id, kinds)? {
            Base::One => one(kinds, kind, index),
            Base::Zero => nth(kinds, kind, index),
        },
        _ => None,
    };
    u32::try_from(at? + 1).ok()
}

/// The way of counting that all names fit, where it is the only one.
fn base(names: &[&str], id: &str, kinds: &[Folder]) -> Option<Base> {
    let (mut from_zero, mut from_one, mut shown) = (true, true, false);
    for name in names {
        let Some(MediaName { index: Some(index), video: false, .. }) = MediaName::of(name, id) else {
            continue;
        };
        let kind = folder_of(name);
        // The first uploader's names are all counted from 0.
        shown |= index == 0 || name.ends_with(".enc");
        from_zero &= nth(kinds, kind, index).is_some();
        from_one &= one(kinds, kind, index).is_some();
    }
    match (from_zero, from_one && !shown) {
        (true, false) => Some(Base::Zero),
        (false, true) => Some(Base::One),
        _ => None,
    }
}

/// A plain name for media number `number`, counted as the post's other files are; from 1 where they do not tell.
#[must_use]
pub fn media_name<'a>(
    number: u32,
    id: &str,
    names: impl IntoIterator<Item = &'a str>,
    kinds: &[Folder],
    extension: &str,
) -> String {
    let at = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let names: Vec<&str> = names.into_iter().collect();
    let before = kinds.iter().take(at).filter(|kind| Some(*kind) == kinds.get(at)).count();
    let index = match base(&names, id, kinds) {
        Some(Base::Zero) => u32::try_from(before).unwrap_or(number),
        _ => number,
    };
    format!("{id}_{index}.{extension}")
}

fn bare(name: &str) -> &str {
    name.strip_suffix(".enc").unwrap_or(name)
}

fn one(kinds: &[Folder], kind: Folder, index: u32) -> Option<usize> {
    let at = usize::try_from(index).ok()?.checked_sub(1)?;
    (kinds.get(at) == Some(&kind)).then_some(at)
}

fn nth(kinds: &[Folder], kind: Folder, index: u32) -> Option<usize> {
    let same = kinds.iter().enumerate().filter(|(_, other)| **other == kind);
    same.map(|(at, _)| at).nth(usize::try_from(index).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    use Folder::{Images as I, Videos as V};

    #[test]
    fn a_number_means_what_only_one_way_of_counting_fits() {
        let of =
            |name: &str, names: &[&str], kinds: &[Folder]| media_number(name, "19", names.to_vec(), kinds);
        // One file of one media.
        assert_eq!(of("19_0.jpg", &[], &[I]), Some(1));
        assert_eq!(of("19_1.jpg", &["19_1.jpg"], &[I]), Some(1));
        assert_eq!(of("19_1.mp4", &[], &[I]), None, "the video is not among the media");
        // Counted from 1: the last number is beyond every count from 0.
        assert_eq!(of("19_3.jpg", &[], &[I, I, I]), Some(3));
        assert_eq!(of("19_1.jpg", &["19_3.jpg"], &[I, I, I]), Some(1));
        // Counted from 0: something is called 0, or lies as the first uploader called it.
        assert_eq!(of("19_2.jpg", &["19_0.jpg", "19_3.jpg"], &[I, I, I, I]), Some(3));
        assert_eq!(of("19_1.jpg.enc", &[], &[I, I, I]), Some(2));
        assert_eq!(of("19_1.jpg", &["19_2.jpg.enc"], &[I, I, I]), Some(2));
        // Pictures and videos each for themselves: what is called 0 twice.
        assert_eq!(of("19_0.jpg", &["19_0.mp4"], &[I, V]), Some(1));
        assert_eq!(of("19_0.mp4", &["19_0.jpg"], &[I, V]), Some(2));
        assert_eq!(of("19_video_0.mp4.enc", &[], &[I, V, V]), Some(2));
        // The kinds decide: the second media is no picture, so it was counted from 0.
        assert_eq!(of("19_2.jpg", &[], &[I, V, I, I]), Some(4));
        assert_eq!(of("19_2.mp4", &[], &[I, V]), Some(2));
    }

    #[test]
    fn a_new_name_is_counted_as_the_others_are() {
        let of =
            |number, names: &[&str], kinds: &[Folder]| media_name(number, "19", names.to_vec(), kinds, "jpg");
        assert_eq!(of(2, &[], &[I, I]), "19_2.jpg");
        assert_eq!(of(2, &["19_1.jpg", "19_3.jpg"], &[I, I, I]), "19_2.jpg");
        assert_eq!(of(3, &["19_0.jpg"], &[I, V, I]), "19_1.jpg");
        assert_eq!(of(2, &["19_0.jpg.enc"], &[I, I]), "19_1.jpg");
    }

    #[test]
    fn nothing_is_guessed() {
        let of =
            |name: &str, names: &[&str], kinds: &[Folder]| media_number(name, "19", names.to_vec(), kinds);
        assert_eq!(of("19_1.jpg", &[], &[I, I, I]), None, "the first or the second");
        assert_eq!(of("19_1.jpg", &["19_2.jpg"], &[I, I, I]), None);
        assert_eq!(of("19_0.jpg", &["19_2.jpg"], &[I, I]), None, "a name from 0 and one from 1");
        assert_eq!(of("19_2.jpg", &["19_1.jpg"], &[I]), None, "more files than media");
        assert_eq!(of("花_1.jpg", &[], &[I, I]), None);
        assert_eq!(of("19_1.jpg", &[], &[]), None);
    }
}
