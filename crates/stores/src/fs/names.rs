//! Which names a folder can hold, and the nearest one where it cannot.
//!
//! Source: learn.microsoft.com/windows/win32/fileio/naming-a-file for Windows; POSIX and `NAME_MAX` else.

use landfall_core::RelPath;
use landfall_core::state::Reason;
use sha2::{Digest as _, Sha256};

/// Our own folder at the root of a destination.
pub(super) const OURS: &str = ".landfall";

/// Bytes a name may have (`NAME_MAX`; Windows counts UTF-16 units, of which no name has more than bytes).
const NAME_MAX: usize = 255;

const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// True for our own folder's name, in any case: a file system may not tell cases apart.
pub(super) fn is_ours(name: &str) -> bool {
    name.eq_ignore_ascii_case(OURS)
}

/// Says why a path cannot stand below the root.
pub(super) fn refuses(path: &RelPath, windows: bool) -> Option<(Reason, String)> {
    if path.segments().next().is_some_and(is_ours) {
        return Some((Reason::NameReserved, format!("{OURS:?} at the root is Landfall's own folder")));
    }
    path.segments().find_map(|name| refuses_name(name, windows))
}

fn refuses_name(name: &str, windows: bool) -> Option<(Reason, String)> {
    if name.len() > NAME_MAX {
        let detail = format!("a name of {} bytes; the file system takes {NAME_MAX}", name.len());
        return Some((Reason::NameTooLong, detail));
    }
    if let Some(bad) = name.chars().find(|c| is_illegal(*c, windows)) {
        return Some((Reason::NameIllegal, format!("{bad:?} cannot stand in a name here")));
    }
    if windows && name.ends_with(['.', ' ']) {
        return Some((Reason::NameIllegal, "a name cannot end with a dot or a space here".to_owned()));
    }
    if windows && is_device(name) {
        return Some((Reason::NameReserved, format!("{name:?} names a device here")));
    }
    None
}

fn is_illegal(c: char, windows: bool) -> bool {
    c == '\0' || c == '/' || windows && (c < ' ' || "<>:\"\\|?*".contains(c))
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    DEVICES.contains(&stem.as_str())
        || numbered.is_some_and(|n| {
            n.chars().count() == 1 && n.contains(|c: char| c.is_ascii_digit() || "¹²³".contains(c))
        })
}

/// The nearest name that can stand there; a name that can is given back as it is. Where it is cut, eight
/// hex digits of its SHA-256 keep it apart from others. The ledger remembers the original.
pub(super) fn maps(name: &str, windows: bool) -> String {
    let mut mapped = String::new();
    for c in name.chars() {
        if is_illegal(c, windows) { mapped.push_str(&escaped(c)) } else { mapped.push(c) }
    }
    if windows && let Some(last) = mapped.chars().next_back().filter(|c| matches!(c, '.' | ' ')) {
        mapped.pop();
        mapped.push_str(&escaped(last));
    }
    if is_ours(&mapped) || windows && is_device(&mapped) {
        mapped.insert(0, '_');
    }
    if mapped.len() <= NAME_MAX {
        return mapped;
    }
    let tail = mapped.rfind('.').filter(|dot| *dot > 0 && mapped.len() - dot <= 16).unwrap_or(mapped.len());
    let (stem, extension) = mapped.split_at(tail);
    let mark: String = Sha256::digest(name).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let room = NAME_MAX - extension.len() - mark.len() - 1;
    let cut = (0..=room).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or(0);
    let stem = stem.get(..cut).unwrap_or_default();
    format!("{stem}~{mark}{extension}")
}

fn escaped(c: char) -> String {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(path: &str, windows: bool) -> Option<Reason> {
        refuses(&RelPath::new(path).unwrap(), windows).map(|(reason, _)| reason)
    }

    #[test]
    fn each_platform_refuses_what_it_cannot_hold() {
        let long = "録".repeat(86);
        for (path, unix, windows) in [
            ("会議/議事録.wav", None, None),
            (".landfall/x", Some(Reason::NameReserved), Some(Reason::NameReserved)),
            ("a/.landfall", None, None),
            (long.as_str(), Some(Reason::NameTooLong), Some(Reason::NameTooLong)),
            ("a/b:c", None, Some(Reason::NameIllegal)),
            ("a\\..\\b", None, Some(Reason::NameIllegal)),
            ("dot./x", None, Some(Reason::NameIllegal)),
            ("a/NUL.txt", None, Some(Reason::NameReserved)),
            ("a/com1", None, Some(Reason::NameReserved)),
            ("a/com10", None, None),
        ] {
            assert_eq!(reason(path, false), unix, "{path} on Unix");
            assert_eq!(reason(path, true), windows, "{path} on Windows");
        }
    }

    #[test]
    fn long_names_that_begin_alike_stay_apart_and_keep_their_extension() {
        let (one, two) = (format!("{}1.wav", "録".repeat(100)), format!("{}2.wav", "録".repeat(100)));
        assert_ne!(maps(&one, false), maps(&two, false));
        assert!(maps(&one, false).ends_with(".wav"));
    }

    proptest! {
        #[test]
        fn what_is_mapped_is_taken(name in "[^/\0]{1,300}", windows: bool) {
            prop_assume!(name != "." && name != "..");
            let mapped = maps(&name, windows);
            prop_assert_eq!(reason(&mapped, windows), None, "{}", mapped);
            if reason(&name, windows).is_none() {
                prop_assert_eq!(mapped, name);
            }
        }
    }
}
