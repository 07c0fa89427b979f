//! Points at a place in the configuration, as TOML's own errors do: line, column, and a caret.

use std::ops::Range;
use std::path::PathBuf;

use landfall_core::Code;

use crate::error::CommandError;

/// The text of the file and its name.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Draws the line with a caret below the place.
    pub(super) fn mistake(&self, span: Range<usize>, what: &str) -> CommandError {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or("");
        let number = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(begin..).unwrap_or("").lines().next().unwrap_or("");
        let column = before.get(begin..).unwrap_or("").chars().count();
        let marked = self.text.get(start..span.end).unwrap_or("").lines().next().unwrap_or("");
        let gutter = number.to_string();
        let pad = " ".repeat(gutter.len());
        let caret = format!("{}{}", " ".repeat(column), "^".repeat(marked.chars().count().max(1)));
        let detail = format!(
            "{}\nTOML error at line {number}, column {}\n{pad} |\n{gutter} | {line}\n{pad} | {caret}\n{what}",
            self.path.display(),
            column + 1
        );
        CommandError::new(Code::BadConfig, detail)
    }
}

/// Words in a key whose value is not shown, should somebody have written one into the file after all.
const SECRET: [&str; 4] = ["secret", "password", "token", "key"];

/// An error text of the TOML reader, with the values of suspicious keys left out of the line it shows.
pub(super) fn without_secrets(text: &str) -> String {
    let shown = text.lines().map(|line| {
        let cut = line.match_indices('=').map(|(at, _)| at).find(|at| {
            line.get(..*at)
                .is_some_and(|before| SECRET.iter().any(|word| before.to_lowercase().contains(word)))
        });
        match cut {
            Some(at) if line.contains('|') => format!("{}= …", line.get(..at).unwrap_or_default()),
            _ => line.to_owned(),
        }
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_place() {
        let source =
            Source { path: "landfall.toml".into(), text: "[jobs.録音]\nvia = \"fly\"\n".to_owned() };
        let at = source.text.find("\"fly\"").unwrap();
        let error = source.mistake(at..at + 5, "what?");
        let lines: Vec<&str> = error.detail.lines().collect();
        assert_eq!(lines[1], "TOML error at line 2, column 7");
        assert_eq!(lines[3], "2 | via = \"fly\"");
        assert_eq!(lines[4], "  |       ^^^^^");
        assert_eq!(lines[5], "what?");
    }
}
