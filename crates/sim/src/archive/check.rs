//! The look at an archive after a run.
//!
//! Owns the comparison of the database, the local folders and the Hub with the answer files, with the simulator's own
//! seal. It asks the Hub's world and sends no request. Refuses to know how any repair was done.

mod hub;
mod post;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{ExpectedPost, Outcome, Untouched};
use super::database::{self, Dumped};
use super::write::{DATABASE, EXPECTED, UNTOUCHED};
use super::{Archive, text, world};
pub(crate) use hub::files;

use hub::Shelf;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchiveCheck {
    /// Expectations that hold: pattern, case, table and id.
    pub met: Vec<String>,
    /// Everything that is not as it must be, one sentence each.
    pub violated: Vec<String>,
    /// By pattern: how many expectations hold and how many do not.
    pub patterns: BTreeMap<String, (u64, u64)>,
    /// Rows in the database.
    pub rows: usize,
    /// New objects on the Hub that no row names. None may be left at the end of an undisturbed run.
    pub orphans: Vec<String>,
    /// Files of repaired posts that are saved and not in the local folders, though their table records local files.
    pub unstored: usize,
}

impl ArchiveCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.violated.is_empty() && self.orphans.is_empty()
    }

    /// The same as JSON, with `clean`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::json!(self);
        crate::reply::member(&mut value, "clean", self.clean());
        value
    }
}

/// Everything that the parts of the check look at.
struct Look<'a> {
    archive: &'a Archive,
    dir: &'a Path,
    before: BTreeMap<(String, String), Before>,
    now: BTreeMap<(String, String), Dumped>,
    expected: BTreeMap<(String, String), ExpectedPost>,
    shelf: Shelf<'a>,
    check: ArchiveCheck,
}

struct Before {
    row: Dumped,
    may_change: BTreeSet<String>,
}

/// Looks and compares.
///
/// # Errors
/// The folder lacks a file, or one cannot be read.
pub(crate) async fn look(archive: &Archive, dir: &Path) -> io::Result<ArchiveCheck> {
    let (archive, dir) = (archive.clone(), dir.to_path_buf());
    tokio::task::spawn_blocking(move || now(&archive, &dir)).await.map_err(io::Error::other)?
}

fn now(archive: &Archive, dir: &Path) -> io::Result<ArchiveCheck> {
    let rows = database::dump(&dir.join(DATABASE))?;
    let expected = read::<ExpectedPost>(&dir.join(EXPECTED))?;
    let (mut before, mut files) = (BTreeMap::new(), Vec::new());
    for line in read::<Untouched>(&dir.join(UNTOUCHED))? {
        match line {
            Untouched::File { path, sha256, .. } => files.push((path, sha256)),
            Untouched::Row { table, id, may_change, columns, .. } => {
                let may_change = may_change.into_iter().collect();
                let row = Dumped { table: known(&table), id: id.clone(), columns };
                before.insert((table, id), Before { row, may_change });
            }
        }
    }
    let mut look = Look {
        archive,
        dir,
        before,
        now: rows.into_iter().map(|row| ((row.table.to_owned(), row.id.clone()), row)).collect(),
        expected: expected.into_iter().map(|post| ((post.table.clone(), post.id.clone()), post)).collect(),
        shelf: Shelf::new(archive),
        check: ArchiveCheck::default(),
    };
    look.allow_harmed();
    look.check.rows = look.now.len();
    look.rows();
    look.urls();
    look.posts();
    look.local_files(&files);
    look.hub();
    let stray = [archive.media.requests().violations, archive.hub.requests().violations].concat();
    look.check.violated.extend(stray);
    Ok(look.check)
}

impl Look<'_> {
    fn wrong(&mut self, sentence: String) {
        self.check.violated.push(sentence);
    }

    /// What somebody else did to the Hub later may be repaired in any row that it befell.
    fn allow_harmed(&mut self) {
        let harmed = hub::harmed(self.archive);
        for before in self.before.values_mut() {
            let urls = before.row.list("huggingface_urls").unwrap_or_default();
            if urls.iter().any(|url| harmed.contains(url)) {
                let columns = ["huggingface_urls", "local_media"].map(str::to_owned);
                before.may_change.extend(columns);
            }
        }
    }

    /// No row came or went, and no column changed that may not.
    fn rows(&mut self) {
        let mut sentences = Vec::new();
        for (key, before) in &self.before {
            let Some(now) = self.now.get(key) else {
                sentences.push(format!("{} {} is gone", key.0, key.1));
                continue;
            };
            let names = before.row.columns.keys().chain(now.columns.keys()).collect::<BTreeSet<_>>();
            for name in names {
                let (old, new) = (before.row.columns.get(name), now.columns.get(name));
                if old == new {
                    continue;
                }
                if !before.may_change.contains(name) {
                    sentences.push(format!("{} {}: {name} was changed", key.0, key.1));
                } else if !name.starts_with("uploaded") && !python_wrote(now, name) {
                    sentences.push(format!("{} {}: {name} is not written as Python does", key.0, key.1));
                }
            }
        }
        let strangers = self.now.keys().filter(|key| !self.before.contains_key(*key));
        sentences.extend(strangers.map(|(table, id)| format!("{table} {id} is new")));
        self.check.violated.extend(sentences);
    }

    /// Every URL in every row that is not final leads to a sealed object of that post.
    fn urls(&mut self) {
        let mut sentences = Vec::new();
        for (key, row) in &self.now {
            let open = self.expected.get(key).is_none_or(|post| post.outcome != Outcome::Final);
            let before = self.before.get(key).and_then(|before| before.row.list("huggingface_urls"));
            for url in row.list("huggingface_urls").unwrap_or_default() {
                let kept = before.as_ref().is_some_and(|urls| urls.contains(&url));
                if let Err(why) = self.shelf.of_post(&url, &key.1, kept)
                    && (open || !kept)
                {
                    sentences.push(format!("{} {}: {url} {why}", key.0, key.1));
                }
            }
        }
        self.check.violated.extend(sentences);
    }

    /// What is said beforehand has come to pass.
    fn posts(&mut self) {
        for (key, post) in std::mem::take(&mut self.expected) {
            let faults = self.post(&key, &post);
            let counts = self.check.patterns.entry(post.pattern.clone()).or_default();
            if faults.is_empty() {
                counts.0 += 1;
                self.check.met.push(format!("{} {} {} {}", post.pattern, post.case, key.0, key.1));
            } else {
                counts.1 += 1;
                for fault in faults {
                    self.wrong(format!("{} {} {} {}: {fault}", post.pattern, post.case, key.0, key.1));
                }
            }
        }
    }

    /// No local file was lost or changed; one of no bytes may have been filled. Nothing lies outside the folders.
    fn local_files(&mut self, files: &[(String, String)]) {
        let empty = world::sha256(b"");
        for (path, sha256) in files {
            match fs::read(self.dir.join(path)) {
                Ok(bytes) if world::sha256(&bytes) == *sha256 || *sha256 == empty => {}
                Ok(_) => self.wrong(format!("local file {path} was changed")),
                Err(error) => self.wrong(format!("local file {path}: {error}")),
            }
        }
        for place in ["evil", "../evil"] {
            if self.dir.join(place).exists() {
                self.wrong(format!("{place} was made outside the roots"));
            }
        }
    }
}

fn python_wrote(row: &Dumped, column: &str) -> bool {
    let written = row.text(column);
    let list = written.as_deref().and_then(text::list);
    list.is_some_and(|list| Some(text::dumps(&list)) == written)
}

fn known(table: &str) -> &'static str {
    database::TABLES.into_iter().find(|known| *known == table).unwrap_or("unknown")
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let text = fs::read_to_string(path)?;
    let parse = |line: &str| {
        serde_json::from_str(line).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
    };
    text.lines().map(parse).collect()
}
