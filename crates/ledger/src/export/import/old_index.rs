//! Reads an `index.json` of unknown make, entry by entry, without holding it in memory.
//!
//! An entry is an object with a path, or a folder and a name. The file is an array of them, an object that
//! holds such an array under `entries`, `files`, `items`, `value` or `data`, or an object whose members
//! are entries by id or path. Spellings that are understood stand beside the code that looks for them.
//! Our own `index.json` is one of these forms.

use std::fmt;
use std::path::Path;

use landfall_core::{Code, ErrorKind, StoreError};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::export::file::broken;
use crate::export::reading;

const CONTAINERS: [&str; 5] = ["entries", "files", "items", "value", "data"];
const IDS: [&str; 6] = ["id", "item_id", "itemId", "file_id", "fileId", "key"];
const NAMES: [&str; 4] = ["name", "file_name", "fileName", "filename"];
const PATHS: [&str; 6] = ["path", "relative_path", "relativePath", "file_path", "full_path", "fullPath"];
const FOLDERS: [&str; 5] = ["folder", "parent", "parent_path", "parentPath", "folder_path"];
const SIZES: [&str; 6] = ["size", "file_size_bytes", "file_size", "fileSize", "size_bytes", "length"];

/// Entries between the parser's thread and the ledger's; a few hundred bytes each.
const AHEAD: usize = 256;

/// One entry, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OldEntry {
    pub(super) id: Option<String>,
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) size: Option<u64>,
}

/// The entries of an index that was found to be well formed.
pub(super) struct Entries {
    queue: mpsc::Receiver<OldEntry>,
    parser: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Entries {
    /// The next entry; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<OldEntry>, StoreError> {
        if let Some(entry) = self.queue.recv().await {
            return Ok(Some(entry));
        }
        if let Some(parser) = self.parser.take() {
            parser.await.map_err(|e| broken("read index", e))??;
        }
        Ok(None)
    }
}

/// Reads the file once to see that all of it can be understood, then begins to hand out its entries.
///
/// The second reading is a thread that ends with the file, or as soon as the entries are dropped.
///
/// # Errors
/// `Rejected` with code `LogUnreadable` and the line.
pub(super) async fn open(path: &Path) -> Result<Entries, StoreError> {
    let file = path.to_owned();
    let check = tokio::task::spawn_blocking(move || parse(&file, |_| true));
    check.await.map_err(|e| broken("read index", e))??;
    let (sender, queue) = mpsc::channel(AHEAD);
    let file = path.to_owned();
    let parser =
        tokio::task::spawn_blocking(move || parse(&file, |entry| sender.blocking_send(entry).is_ok()));
    Ok(Entries { queue, parser: Some(parser) })
}

/// Gives every entry to `take` until it answers false.
fn parse(path: &Path, take: impl FnMut(OldEntry) -> bool) -> Result<(), StoreError> {
    let text = reading::text(path)?;
    let mut walk = Walk { take, ended: false };
    let mut json = serde_json::Deserializer::from_reader(std::io::BufReader::new(text));
    let read = Level { walk: &mut walk }.deserialize(&mut json).and_then(|()| json.end());
    match read {
        Err(_) if walk.ended => Ok(()),
        Err(error) => {
            let detail = format!("line {}: it is no index of files in JSON", error.line());
            Err(StoreError::new(ErrorKind::Rejected, "read index", path.display().to_string(), detail)
                .with_code(Code::LogUnreadable)
                .with_source(error))
        }
        Ok(()) => Ok(()),
    }
}

struct Walk<F> {
    take: F,
    ended: bool,
}

impl<F: FnMut(OldEntry) -> bool> Walk<F> {
    fn entry<E: serde::de::Error>(&mut self, key: Option<String>, value: &Value) -> Result<(), E> {
        let Some(entry) = value.as_object().and_then(|map| understand(key, map)) else { return Ok(()) };
        self.ended = !(self.take)(entry);
        if self.ended { Err(E::custom("nobody listens")) } else { Ok(()) }
    }
}

/// An array of entries, or an object that holds or is them.
struct Level<'w, F> {
    walk: &'w mut Walk<F>,
}

impl<'de, F: FnMut(OldEntry) -> bool> DeserializeSeed<'de> for Level<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, F: FnMut(OldEntry) -> bool> Visitor<'de> for Level<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element::<Value>()? {
            if !value.is_object() {
                return Err(A::Error::custom("an entry is no object"));
            }
            self.walk.entry(None, &value)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            if CONTAINERS.contains(&key.as_str()) {
                members.next_value_seed(Level { walk: &mut *self.walk })?;
            } else {
                let value: Value = members.next_value()?;
                self.walk.entry(Some(key), &value)?;
            }
        }
        Ok(())
    }
}

/// Makes an entry of an object; `None` for a folder, and for what names no file (counts, sources).
fn understand(key: Option<String>, map: &Map<String, Value>) -> Option<OldEntry> {
    let text = |names: &[&str]| names.iter().find_map(|n| map.get(*n)?.as_str()).map(str::to_owned);
    if map.get("folder").is_some_and(Value::is_object) || map.contains_key("skipped") {
        return None;
    }
    let name = text(&NAMES);
    let id = text(&IDS);
    let size = SIZES.iter().find_map(|n| {
        let value = map.get(*n)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    });
    let parent = map.get("parentReference").and_then(|p| p.get("path")?.as_str()).map(str::to_owned);
    let folder = parent.or_else(|| text(&FOLDERS));
    let keyed_by_path = name.is_none() || key.as_ref().is_some_and(|k| k.contains('/'));
    let path = match (text(&PATHS), &folder, &name, &key) {
        (Some(path), ..) => path,
        (None, Some(folder), Some(name), _) => format!("{}/{name}", folder.trim_end_matches('/')),
        (None, _, _, Some(key)) if keyed_by_path && (size.is_some() || id.is_some()) => key.clone(),
        (None, None, Some(name), _) => name.clone(),
        _ => return None,
    };
    let id = id.or(key.filter(|key| *key != path));
    Some(OldEntry { id, path, name, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(json: &str) -> Result<Vec<OldEntry>, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.json");
        std::fs::write(&path, json).unwrap();
        let mut all = Vec::new();
        parse(&path, |entry| {
            all.push(entry);
            true
        })?;
        Ok(all)
    }

    #[test]
    fn the_usual_forms_give_the_same_entry() {
        let wanted = OldEntry {
            id: Some("01A".to_owned()),
            path: "会議/朝会.wav".to_owned(),
            name: Some("朝会.wav".to_owned()),
            size: Some(7),
        };
        let entry =
            r#"{"id":"01A","relative_path":"会議/朝会.wav","file_name":"朝会.wav","file_size_bytes":"7"}"#;
        let keyed = r#"{"01A":{"path":"会議/朝会.wav","name":"朝会.wav","size":7}}"#;
        let by_path = r#"{"会議/朝会.wav":{"id":"01A","name":"朝会.wav","size":7}}"#;
        for json in [
            format!("[{entry}]"),
            format!(r#"{{"version":1,"files":[{entry}],"counts":{{"files":1}}}}"#),
            format!("\u{feff}{{\"items\":{keyed}}}"),
            keyed.to_owned(),
            by_path.to_owned(),
        ] {
            assert_eq!(entries(&json).unwrap(), std::slice::from_ref(&wanted), "{json}");
        }
    }

    #[test]
    fn graph_items_give_their_path_and_folders_are_passed_over() {
        let json = r#"{"value":[
            {"id":"F","name":"会議","folder":{"childCount":1},"parentReference":{"path":"/drive/root:"}},
            {"id":"01A","name":"朝会.wav","size":7,"parentReference":{"path":"/drive/root:/会議"}}]}"#;
        let all = entries(json).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].path, "/drive/root:/会議/朝会.wav");
    }

    #[test]
    fn a_broken_index_is_refused_with_its_line() {
        for (json, line) in [("[{\"id\":\"1\",\n\"path\":", 2), ("\"text\"", 1), ("[1]", 1), ("[]\n]", 2)] {
            let error = entries(json).unwrap_err();
            assert_eq!(error.code, Some(Code::LogUnreadable));
            assert!(error.detail.contains(&format!("line {line}:")), "{}", error.detail);
        }
    }
}
