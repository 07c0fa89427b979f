//! Which names and paths SharePoint and OneDrive take, and the nearest one that they take.
//!
//! Owns the rules. Refuses to know what stands at the destination: collisions are found elsewhere.
// Source: reference/graph.md, section 12 (support.microsoft.com, "Restrictions and limitations in
// OneDrive and SharePoint", read 2026-11).

use landfall_core::RelPath;
use landfall_core::state::Reason;

/// Longest decoded path below the host, in UTF-16 units.
// Unverified: that the site's part counts; it is the stricter reading.
const PATH_LIMIT: usize = 400;

/// Longest name, in UTF-16 units.
const SEGMENT_LIMIT: usize = 255;

/// Names that no item may have, in lower case.
const RESERVED: &[&str] = &[".lock", "con", "prn", "aux", "nul", "desktop.ini"];

/// Says why a path cannot stand below a drive's root, whose own path is `prefix`.
pub(crate) fn refuses(prefix: &str, path: &RelPath, folder: bool) -> Option<(Reason, String)> {
    let last = path.segments().count().saturating_sub(1);
    for (depth, name) in path.segments().enumerate() {
        if let Some(refusal) = refuses_name(name, depth == 0, folder || depth < last) {
            return Some(refusal);
        }
    }
    let whole = units(prefix) + 1 + units(path.as_str());
    (whole > PATH_LIMIT).then(|| {
        let words = format!(
            "the path has {whole} characters with the library's own, at most {PATH_LIMIT} are possible"
        );
        (Reason::NameTooLong, words)
    })
}

/// Says why one name cannot stand.
fn refuses_name(name: &str, at_root: bool, folder: bool) -> Option<(Reason, String)> {
    if let Some(bad) = name.chars().find(|c| is_illegal(*c)) {
        return Some((Reason::NameIllegal, format!("{name:?} holds the character {bad:?}")));
    }
    if name.starts_with(' ') || name.ends_with([' ', '.']) {
        return Some((
            Reason::NameIllegal,
            format!("{name:?} begins with a space or ends in a space or full stop"),
        ));
    }
    if units(name) > SEGMENT_LIMIT {
        let words = format!("the name has {} characters, at most {SEGMENT_LIMIT} are possible", units(name));
        return Some((Reason::NameTooLong, words));
    }
    let reserved = is_reserved(name) || (folder && name.starts_with('~')) || (at_root && is_forms(name));
    reserved.then(|| (Reason::NameReserved, format!("{name:?} is reserved")))
}

/// Length as the service counts it.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn is_illegal(c: char) -> bool {
    c.is_control() || matches!(c, '"' | '*' | ':' | '<' | '>' | '?' | '/' | '\\' | '|')
}

fn is_forms(name: &str) -> bool {
    name.eq_ignore_ascii_case("forms")
}

fn is_reserved(name: &str) -> bool {
    let lower = name.to_lowercase();
    let device = |prefix: &str| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    RESERVED.contains(&lower.as_str())
        || device("com")
        || device("lpt")
        || lower.contains("_vti_")
        || lower.starts_with("~$")
}

/// The nearest name that is taken anywhere but at a library's root: look-alikes of full width in place
/// of what is refused, so that a person reads the old name in the new one. Names that are taken stay.
pub(crate) fn maps(name: &str) -> String {
    let mut mapped: String = name.chars().map(look_alike).collect();
    if let Some(rest) = mapped.strip_prefix(' ') {
        mapped = format!("\u{2420}{rest}");
    }
    if let Some(rest) = mapped.strip_suffix(' ') {
        mapped = format!("{rest}\u{2420}");
    }
    if let Some(rest) = mapped.strip_suffix('.') {
        mapped = format!("{rest}．");
    }
    // Of a leading tilde nobody knows here whether it is a folder's, so it always goes.
    if let Some(rest) = mapped.strip_prefix('~') {
        mapped = format!("～{rest}");
    }
    while let Some(at) = mapped.to_ascii_lowercase().find("_vti_") {
        mapped.replace_range(at..=at, "＿");
    }
    if is_reserved(&mapped) {
        mapped = widen_first(&mapped);
    }
    shorten(mapped, name)
}

fn look_alike(c: char) -> char {
    match c {
        '"' => '＂',
        '*' => '＊',
        ':' => '：',
        '<' => '＜',
        '>' => '＞',
        '?' => '？',
        '/' => '／',
        '\\' => '＼',
        '|' => '｜',
        '\u{7f}' => '\u{2421}',
        c if c.is_control() => {
            // The pictures of the first 32 control characters follow one another; the others have none.
            let code = u32::from(c);
            if code < 0x20 { char::from_u32(0x2400 + code).unwrap_or('\u{fffd}') } else { '\u{fffd}' }
        }
        c => c,
    }
}

/// The first character in full width, where it has one.
fn widen_first(name: &str) -> String {
    let mut chars = name.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let wide = if first.is_ascii_graphic() {
        char::from_u32(u32::from(first) - 0x21 + 0xff01).unwrap_or('＿')
    } else {
        '＿'
    };
    format!("{wide}{}", chars.as_str())
}

/// A name that fits: its beginning, a mark made of the whole old name, and its extension.
fn shorten(mapped: String, original: &str) -> String {
    if units(&mapped) <= SEGMENT_LIMIT {
        return mapped;
    }
    let (stem, extension) = match mapped.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && units(extension) <= 16 => {
            (stem, format!(".{extension}"))
        }
        _ => (mapped.as_str(), String::new()),
    };
    let mark: String = ring::digest::digest(&ring::digest::SHA256, original.as_bytes())
        .as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tail = format!("~{mark}{extension}");
    let room = SEGMENT_LIMIT - units(&tail);
    let mut short = String::new();
    let mut used = 0;
    for c in stem.chars() {
        used += c.len_utf16();
        if used > room {
            break;
        }
        short.push(c);
    }
    short + &tail
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(path: &str, folder: bool) -> Option<Reason> {
        refuses("sites/Archive/Shared Documents", &RelPath::new(path).unwrap(), folder)
            .map(|(reason, _)| reason)
    }

    #[test]
    fn names_are_refused_for_their_reason() {
        for bad in ["a:b", "問?", "a\\b", "x\u{1}y", "録音/ a", "a /b", "a.", "b./c.wav"] {
            assert_eq!(reason(bad, false), Some(Reason::NameIllegal), "{bad}");
        }
        for bad in
            ["CON", "lpt9", "Desktop.ini", ".lock", "a_VTI_b", "~$議事録.docx", "forms/a.wav", "x/~b/c"]
        {
            assert_eq!(reason(bad, false), Some(Reason::NameReserved), "{bad}");
        }
        assert_eq!(reason("~b", true), Some(Reason::NameReserved));
        for good in [
            "会議録音_2025-06-21_東京 #1 100%'+.wav",
            "~b.tmp",
            "x/Forms",
            "con.txt",
            "com10",
            "a..b",
            "が/か\u{3099}",
        ] {
            assert_eq!(reason(good, false), None, "{good}");
        }
    }

    #[test]
    fn lengths_count_as_the_service_counts() {
        assert_eq!(reason(&"あ".repeat(255), false), None);
        assert_eq!(reason(&"😀".repeat(128), false), Some(Reason::NameTooLong));
        // 30 characters of the library, a slash, and 369 of our own are 400.
        let tail = |n: usize| format!("{}/{}", "a".repeat(200), "b".repeat(n - 201));
        assert_eq!(reason(&tail(369), false), None);
        assert_eq!(reason(&tail(370), false), Some(Reason::NameTooLong));
    }

    #[test]
    fn the_mapped_name_reads_like_the_old_one() {
        for (old, new) in [
            ("a:b?.wav", "a：b？.wav"),
            ("メモ.", "メモ．"),
            (" x ", "␠x␠"),
            ("~$a.docx", "～$a.docx"),
            ("CON", "ＣON"),
            ("a_vti_b", "a＿vti_b"),
            ("desktop.ini", "ｄesktop.ini"),
            ("会議.wav", "会議.wav"),
        ] {
            assert_eq!(maps(old), new);
        }
        let long = format!("{}.wav", "録".repeat(300));
        assert!(maps(&long).ends_with(".wav") && maps(&long) != maps(&format!("{}.wav", "録".repeat(301))));
    }

    proptest! {
        #[test]
        fn a_mapped_name_is_taken(name in "[^/\0]{1,40}|[~. _vti_$COMcon1]{1,20}|.{200,400}") {
            let name = name.replace(['/', '\0'], "x");
            prop_assume!(!name.is_empty());
            let mapped = maps(&name);
            prop_assert_eq!(refuses_name(&mapped, false, true), None, "{:?} became {:?}", name, mapped);
            prop_assert_eq!(maps(&mapped), mapped.clone());
        }

        #[test]
        fn a_name_that_is_taken_stays(name in "[a-zA-Z0-9あ-ん録音。．＿～#%'+~ .]{1,60}") {
            prop_assume!(refuses_name(&name, false, true).is_none());
            prop_assert_eq!(maps(&name), name);
        }
    }
}
