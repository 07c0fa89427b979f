//! What is kept before the user's database is written: a copy of a SQLite file, old values of the others.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Copies beside the database; older ones of ours are deleted.
const COPIES: usize = 3;

/// Marks our copies in the name of a file.
const MARK: &str = ".landfall-backup-";

/// The name of a copy that is being made; it gets its own name when it is whole.
pub(super) fn copy_under_way(database: &Path, at: Timestamp) -> PathBuf {
    beside(database, &format!("{MARK}{}.part", at.strftime("%Y%m%dT%H%M%SZ")))
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// Makes a whole copy durable, gives it its name, and deletes all but the newest ones.
pub(super) fn finish_copy(database: &Path, part: &Path) -> io::Result<PathBuf> {
    std::fs::File::open(part)?.sync_all()?;
    let mut path = part.with_extension("");
    let mut again = 1;
    while path.exists() {
        again += 1;
        path = beside(&part.with_extension(""), &format!("-{again:02}"));
    }
    std::fs::rename(part, &path)?;
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    #[cfg(unix)]
    std::fs::File::open(&folder)?.sync_all()?;
    let prefix = format!("{}{MARK}", database.file_name().unwrap_or_default().to_string_lossy());
    let mut copies: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.strip_prefix(&prefix).is_some_and(|stamp| {
                stamp.starts_with(|c: char| c.is_ascii_digit()) && !stamp.ends_with(".part")
            })
        })
        .map(|entry| entry.path())
        .collect();
    copies.sort();
    for old in copies.iter().rev().skip(COPIES) {
        std::fs::remove_file(old)?;
    }
    Ok(path)
}

/// The file in our state folder that keeps what servers' rows held before they were written.
pub(super) fn before_images(state: &Path) -> PathBuf {
    state.join("catalogue-before.jsonl")
}

/// Appends one line and makes it durable; a line that a kill cut off is ended first.
pub(super) fn append(path: &Path, line: &serde_json::Value) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut text = String::new();
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            text.push('\n');
        }
    }
    text.push_str(&line.to_string());
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_three_copies_stay_and_nothing_else_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("投稿.db");
        let foreign = folder.path().join("投稿.db.landfall-backup-mine");
        std::fs::write(&foreign, "x").unwrap();
        let mut made = Vec::new();
        for second in 0..5 {
            let part = copy_under_way(&database, Timestamp::from_second(1_750_000_000 + second).unwrap());
            std::fs::write(&part, "copy").unwrap();
            made.push(finish_copy(&database, &part).unwrap());
        }
        let left: Vec<bool> = made.iter().map(|path| path.exists()).collect();
        assert_eq!(left, [false, false, true, true, true]);
        assert!(foreign.exists());
    }

    #[test]
    fn a_line_that_a_kill_cut_off_spoils_no_other_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = before_images(&folder.path().join("state"));
        append(&path, &serde_json::json!({"id": "一"})).unwrap();
        let cut = std::fs::read_to_string(&path).unwrap() + "{\"id\": \"二";
        std::fs::write(&path, cut).unwrap();
        append(&path, &serde_json::json!({"id": "三"})).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), ["{\"id\":\"一\"}", "{\"id\": \"二", "{\"id\":\"三\"}"]);
    }
}
