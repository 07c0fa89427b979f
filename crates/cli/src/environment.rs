//! The environment: variables of the process, and those of a `.env` file beside the configuration.
//!
//! The process wins over the file. Values are secrets as long as nobody says otherwise: this type never
//! prints them.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_core::Code;

use crate::args::Lang;
use crate::error::CommandError;

/// Variables by name.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    process: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} and {} variables)", self.process.len(), self.file.len())
    }
}

impl Environment {
    /// The variables of this process; those that are not Unicode are left out.
    pub(crate) fn of_process() -> Self {
        let process = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { process, file: BTreeMap::new() }
    }

    /// Adds the `.env` of a folder, if there is one.
    pub(crate) fn with_file_in(mut self, folder: &Path) -> Result<Self, CommandError> {
        let path = folder.join(".env");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => {
                return Err(CommandError::new(Code::BadConfig, format!("read {}: {error}", path.display())));
            }
        };
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            match variable(line) {
                Line::Nothing => {}
                Line::Is(name, value) => {
                    self.file.insert(name, value);
                }
                // The line itself may hold a secret, so only its number is shown.
                Line::Wrong => {
                    let detail = format!("{}: line {} is not NAME=value", path.display(), number + 1);
                    return Err(CommandError::new(Code::BadConfig, detail));
                }
            }
        }
        Ok(self)
    }

    /// A variable; an empty one counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let set = |map: &'_ BTreeMap<String, String>| map.get(name).filter(|v| !v.is_empty()).is_some();
        let map = if set(&self.process) { &self.process } else { &self.file };
        map.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// All variables that are set, the process's before the file's: for a command that gets some of them.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let mut all = self.file.clone();
        all.extend(
            self.process.iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.clone(), v.clone())),
        );
        all.into_iter().collect()
    }

    /// The language of texts: what was asked for, else what the machine is set to.
    pub(crate) fn language(&self, asked: Option<Lang>) -> &'static str {
        let japanese = match asked {
            Some(lang) => lang == Lang::Ja,
            None => ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .find_map(|name| self.get(name))
                .is_some_and(|locale| locale.starts_with("ja")),
        };
        if japanese { "ja" } else { "en" }
    }
}

enum Line {
    Nothing,
    Is(String, String),
    Wrong,
}

/// Reads one line: `NAME=value`, optionally after `export`, the value optionally in quotes.
fn variable(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Line::Nothing;
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else { return Line::Wrong };
    let name = name.trim();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Line::Wrong;
    }
    let value = value.trim();
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    Line::Is(name.to_owned(), unquoted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_shells_write_them() {
        let read = |line: &str| match variable(line) {
            Line::Is(name, value) => format!("{name}|{value}"),
            Line::Nothing => "nothing".to_owned(),
            Line::Wrong => "wrong".to_owned(),
        };
        assert_eq!(read("AZURE_TENANT_ID=abc"), "AZURE_TENANT_ID|abc");
        assert_eq!(read("export A = \"秘密 = x\" "), "A|秘密 = x");
        assert_eq!(read("A='it''s'"), "A|it''s");
        assert_eq!(read("# comment"), "nothing");
        assert_eq!(read("no equals sign"), "wrong");
        assert_eq!(read("a b=c"), "wrong");
    }

    #[test]
    fn the_process_wins_and_empty_is_not_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), "A=file\nB=file\nC=\n").unwrap();
        let own =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let environment = Environment { process: own(&[("A", "process"), ("B", "")]), file: BTreeMap::new() };
        let environment = environment.with_file_in(folder.path()).unwrap();
        assert_eq!(environment.get("A"), Some("process"));
        assert_eq!(environment.get("B"), Some("file"));
        assert_eq!(environment.get("C"), None);
        assert!(!format!("{environment:?}").contains("process\""));
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), "A=1\nsecret-without-name\n").unwrap();
        let error = Environment::default().with_file_in(folder.path()).unwrap_err();
        assert!(error.detail.contains("line 2") && !error.detail.contains("secret"), "{}", error.detail);
    }
}
