//! Names as they are shown to a person: readable in any script, harmless in a terminal.

/// Shows a text in double quotes; only what would steer a terminal or turn the reading direction is
/// escaped. Combining marks stay as they are: a name in NFD is a name.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() || turns_direction(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Marks that change in which direction a text is read, so that a name looks like another one.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_readable_and_terminals_safe() {
        assert_eq!(Quoted("カ\u{3099}イト\u{3099}.wav").to_string(), "\"カ\u{3099}イト\u{3099}.wav\"");
        assert_eq!(Quoted("a\u{202e}gpj.exe").to_string(), "\"a\\u{202e}gpj.exe\"");
        assert_eq!(Quoted("\u{1b}[2J\"").to_string(), "\"\\u{1b}[2J\\\"\"");
    }
}
