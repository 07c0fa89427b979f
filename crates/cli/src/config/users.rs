//! The file of `users = "…"`: one user, personal site or drive a line, with folder and label.
//!
//! With a header its columns are found by name (`user`, `site_url`, `drive`, `path` or `folder`,
//! `label`); without one a line is `who[,folder[,label]]`, a site where it begins with `https://`.

use std::collections::BTreeSet;
use std::path::Path;

use landfall_core::{Code, RelPath};

use super::job::{SourcePlace, SourceSpec, last_segment, local_part};
use crate::error::CommandError;

/// Reads the list. `base` is the folder for those who name none.
///
/// # Errors
/// Code `BadUserList` with the line.
pub(crate) fn read(path: &Path, base: &RelPath) -> Result<Vec<SourceSpec>, CommandError> {
    let refuse = |what: String| CommandError::new(Code::BadUserList, format!("{}: {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("not UTF-8".to_owned()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut columns = Columns::default();
    let mut specs = Vec::new();
    let mut labels = BTreeSet::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|error| refuse(error.to_string()))?;
        let line = record.position().map_or(number as u64 + 1, csv::Position::line);
        if number == 0
            && let Some(header) = Columns::of(&record)
        {
            columns = header.map_err(|what| refuse(format!("line {line}: {what}")))?;
            continue;
        }
        if record.iter().all(str::is_empty) {
            continue;
        }
        let spec = columns.spec(&record, base).map_err(|what| refuse(format!("line {line}: {what}")))?;
        if !labels.insert(spec.label.clone()) {
            return Err(refuse(format!("line {line}: {:?} stands there twice", spec.label)));
        }
        specs.push(spec);
    }
    if specs.is_empty() {
        return Err(refuse("no user stands in it".to_owned()));
    }
    Ok(specs)
}

/// Where each column stands.
struct Columns {
    user: Option<usize>,
    site: Option<usize>,
    drive: Option<usize>,
    path: Option<usize>,
    label: Option<usize>,
}

impl Default for Columns {
    fn default() -> Self {
        Self { user: Some(0), site: None, drive: None, path: Some(1), label: Some(2) }
    }
}

impl Columns {
    /// Reads a header; `None` where the line is none.
    fn of(record: &csv::StringRecord) -> Option<Result<Self, String>> {
        let first = record.get(0)?.to_lowercase();
        if !["user", "site_url", "site", "drive", "label", "path", "folder"].contains(&first.as_str()) {
            return None;
        }
        let mut columns = Self { user: None, site: None, drive: None, path: None, label: None };
        for (at, name) in record.iter().enumerate() {
            let place = match name.to_lowercase().as_str() {
                "user" => &mut columns.user,
                "site_url" | "site" => &mut columns.site,
                "drive" => &mut columns.drive,
                "path" | "folder" => &mut columns.path,
                "label" => &mut columns.label,
                _ => {
                    return Some(Err(format!(
                        "unknown column {name:?}; known are user, site_url, drive, path, label"
                    )));
                }
            };
            *place = Some(at);
        }
        if columns.user.is_none() && columns.site.is_none() && columns.drive.is_none() {
            return Some(Err("no column `user`, `site_url` or `drive`".to_owned()));
        }
        Some(Ok(columns))
    }

    fn spec(&self, record: &csv::StringRecord, base: &RelPath) -> Result<SourceSpec, String> {
        let at = |column: Option<usize>| column.and_then(|c| record.get(c)).filter(|text| !text.is_empty());
        let (place, who, user) = match (at(self.user), at(self.site), at(self.drive)) {
            (Some(site), None, None) | (None, Some(site), None) if site.starts_with("https://") => {
                (SourcePlace::PersonalSite(site.to_owned()), site, last_segment(site))
            }
            (Some(user), None, None) => (SourcePlace::User(user.to_owned()), user, local_part(user)),
            (None, None, Some(drive)) => (SourcePlace::Drive(drive.to_owned()), drive, drive.to_owned()),
            (None, Some(site), None) => {
                return Err(format!("{site:?} is no address that begins with https://"));
            }
            (None, None, None) => return Err("names no user, site or drive".to_owned()),
            _ => return Err("names more than one of user, site and drive".to_owned()),
        };
        let path = match at(self.path) {
            Some(path) => RelPath::lenient(path).map_err(|error| error.to_string())?,
            None => base.clone(),
        };
        let label = at(self.label).map_or_else(|| who.to_owned(), str::to_owned);
        Ok(SourceSpec { label, place, path, user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<SourceSpec>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leavers.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, &RelPath::lenient("/録音").unwrap()).map_err(|error| error.detail)
    }

    #[test]
    fn lists_come_with_and_without_a_header() {
        let specs = list("ada@contoso.com\nben@contoso.com,/Documents,ベン\n# comment\nhttps://c-my.sharepoint.com/personal/dan_c\n").unwrap();
        assert_eq!(specs[0].place, SourcePlace::User("ada@contoso.com".into()));
        assert_eq!((specs[0].path.as_str(), specs[0].user.as_str()), ("録音", "ada"));
        assert_eq!((specs[1].label.as_str(), specs[1].path.as_str()), ("ベン", "Documents"));
        assert_eq!(specs[2].user, "dan_c");
        let specs = list(
            "\u{feff}user,path,site_url\nada@contoso.com,/,\n,/,https://c-my.sharepoint.com/personal/dan_c\n",
        )
        .unwrap();
        assert_eq!(specs.len(), 2);
        assert!(specs[0].path.is_root());
        assert!(matches!(specs[1].place, SourcePlace::PersonalSite(_)));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, words) in [
            ("user,colour\nada,red\n", "line 1: unknown column \"colour\""),
            ("ada@c\nada@c\n", "line 2: \"ada@c\" stands there twice"),
            ("ada@c,../../etc\n", "line 1: "),
            ("user,path\n,/x\n", "line 2: names no user"),
            ("", "no user stands in it"),
        ] {
            let error = list(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
