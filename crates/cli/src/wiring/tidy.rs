//! What a session leaves behind: folders that held files on their way and hold none any more are taken away.

use std::path::Path;

/// The catalogue's folder for files of tables that record no local files, in the state folder.
const MEDIA: &str = "media";

/// Takes the empty ones of our own folders away: below the state folder, and of the spool those that its
/// numbering made. A folder that holds something stays, whoever put it there.
pub(super) fn tidy(state: &Path, spool: &Path) {
    let media = state.join(MEDIA);
    if media.is_dir() {
        take_away(&media);
    }
    let numbered = |name: &str| name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    for entry in std::fs::read_dir(spool).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(numbered) && is_folder(&entry) {
            take_away(&entry.path());
        }
    }
}

/// Links are not followed: what lies behind them is not ours.
fn is_folder(entry: &std::fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Takes the empty folders below a folder away, and the folder itself where nothing lies in it any more.
pub(super) fn take_away(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_folder(&entry) {
            take_away(&entry.path());
        }
    }
    // Refused where something lies in it, which is the point.
    let _gone = std::fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_folders_without_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in
            ["job/media/all_tweets/花子", "job/media/log/太郎", "spool/0a/01", "spool/0b/02", "spool/写真"]
        {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("job/media/log/太郎/19_1.jpg"), "絵").unwrap();
        std::fs::write(at("spool/0b/02/523.part"), "途中").unwrap();
        tidy(&at("job"), &at("spool"));
        for gone in ["job/media/all_tweets", "spool/0a"] {
            assert!(!at(gone).exists(), "{gone}");
        }
        for stays in ["job/media/log/太郎/19_1.jpg", "spool/0b/02/523.part", "spool/写真"] {
            assert!(at(stays).exists(), "{stays}");
        }
    }
}
