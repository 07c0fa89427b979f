//! The syntax of `rclone.conf`.
//!
//! Sections in brackets, `key = value` or `key: value`, comments on lines of their own, values that may
//! stand in back ticks or three quotes. Does not know what keys mean.
//! Source: observed with rclone 1.75.2.

use std::fmt;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::encrypted;
use crate::error::SealError;

/// A configuration that was read: remotes in their order, each with its values.
///
/// `Debug` names remotes and keys, never a value.
#[derive(Clone, Default)]
pub struct ConfigFile {
    sections: Vec<Section>,
}

#[derive(Clone)]
struct Section {
    name: String,
    values: Vec<(String, Zeroizing<String>)>,
}

/// Where keys stand that come before any section.
const FIRST_SECTION: &str = "DEFAULT";
/// Replacements in one value; what names itself would go on for ever.
const MOST_REPLACED: usize = 200;
/// Bytes at which replacing stops: a value that doubles itself must not fill the memory.
const LONGEST: usize = 65_536;

impl ConfigFile {
    /// Reads the bytes of a `rclone.conf`, encrypted or not.
    ///
    /// `command_password` is what `--password-command` printed, `lookup` the environment (for
    /// `RCLONE_CONFIG_PASS`); the command wins. Neither is used where the file is not encrypted.
    ///
    /// # Errors
    /// [`SealError::ConfigUnreadable`], [`SealError::ConfigVersion`], [`SealError::ConfigPasswordMissing`],
    /// [`SealError::ConfigPasswordWrong`].
    pub fn read(
        bytes: &[u8],
        command_password: Option<&SecretString>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SealError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|_| SealError::ConfigUnreadable { line: 1, why: "it is not UTF-8" })?;
        let Some((part, line)) = encrypted::sealed_part(text)? else { return Self::parse(text) };
        let of_command = command_password.map(|password| {
            // The command's line ends, as with any command.
            use secrecy::ExposeSecret as _;
            SecretString::from(password.expose_secret().trim_matches(['\r', '\n']))
        });
        let password = of_command
            .or_else(|| lookup("RCLONE_CONFIG_PASS").filter(|pass| !pass.is_empty()).map(SecretString::from))
            .ok_or(SealError::ConfigPasswordMissing)?;
        Self::parse(&encrypted::open(&part, line, &password)?)
    }

    /// Reads text that is not encrypted.
    ///
    /// # Errors
    /// [`SealError::ConfigUnreadable`] with the line: rclone too gives up on the first such line.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut file = Self::default();
        let mut section = FIRST_SECTION.to_owned();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let unreadable = |why| SealError::ConfigUnreadable { line: index + 1, why };
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim().to_owned();
                file.section(&section);
                continue;
            }
            if section.is_empty() {
                return Err(unreadable("its section has no name"));
            }
            let (key, value) = pair(line).map_err(unreadable)?;
            file.set(&section, key, value);
        }
        Ok(file)
    }

    /// The names of the remotes, in their order.
    pub fn remotes(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| section.name.as_str())
    }

    /// Whether there is a section of that name.
    pub(super) fn has(&self, remote: &str) -> bool {
        self.remotes().any(|name| name == remote)
    }

    /// A value of the file, with `%(key)s` replaced; an empty one counts as none, as in rclone.
    ///
    /// A section `a.b` that has not the key takes it from `a`.
    pub(super) fn value(&self, remote: &str, key: &str) -> Option<String> {
        let mut value = self.inherited(remote, key)?.to_owned();
        for _ in 0..MOST_REPLACED {
            let Some(found) = placeholder(&value).map(str::to_owned) else { break };
            // So does rclone: a key that ends in "s" is not found.
            let named = found.trim_start_matches(['%', '(']).trim_end_matches([')', 's']);
            let instead =
                self.inherited(FIRST_SECTION, named).or_else(|| self.own(remote, named)).unwrap_or_default();
            value = value.replace(&found, instead);
            if value.len() > LONGEST {
                break;
            }
        }
        Some(value).filter(|value| !value.is_empty())
    }

    fn inherited(&self, remote: &str, key: &str) -> Option<&str> {
        let mut section = remote;
        loop {
            if let Some(value) = self.own(section, key) {
                return Some(value);
            }
            (section, _) = section.rsplit_once('.')?;
        }
    }

    fn own(&self, remote: &str, key: &str) -> Option<&str> {
        let section = self.sections.iter().find(|section| section.name == remote)?;
        section.values.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn section(&mut self, name: &str) -> Option<&mut Section> {
        if !self.has(name) {
            self.sections.push(Section { name: name.to_owned(), values: Vec::new() });
        }
        self.sections.iter_mut().find(|section| section.name == name)
    }

    /// The last of equal keys wins.
    fn set(&mut self, section: &str, key: &str, value: &str) {
        let Some(section) = self.section(section) else { return };
        section.values.retain(|(name, _)| name != key);
        section.values.push((key.to_owned(), Zeroizing::new(value.to_owned())));
    }
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |section: &Section| section.values.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        f.debug_map().entries(self.sections.iter().map(|section| (&section.name, keys(section)))).finish()
    }
}

/// The first `%(key)s` of a value.
fn placeholder(value: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(start) = value.get(from..)?.find("%(").map(|at| at + from) {
        let inside = value.get(start + 2..)?;
        let length = inside.find(')')?;
        if length > 0 && inside.get(length..)?.starts_with(")s") {
            return value.get(start..start + 2 + length + 2);
        }
        from = start + 2;
    }
    None
}

/// Key and value of one line.
fn pair(line: &str) -> Result<(&str, &str), &'static str> {
    const NO_SIGN: &str = "there is neither = nor :";
    let quote = ["\"\"\"", "\"", "`"].into_iter().find(|quote| line.starts_with(quote));
    let (key, rest) = match quote {
        Some(quote) => line
            .get(quote.len()..)
            .and_then(|rest| rest.split_once(quote))
            .ok_or("a quote is not closed before the key ends")?,
        None => line.split_at(line.find(['=', ':']).ok_or(NO_SIGN)?),
    };
    let (_, value) = rest.split_once(['=', ':']).ok_or(NO_SIGN)?;
    let key = if quote.is_some() { key } else { key.trim() };
    Ok((key, unquoted(value.trim())?))
}

fn unquoted(value: &str) -> Result<&str, &'static str> {
    let quote = if value.starts_with('`') && value.len() >= 2 {
        "`"
    } else if value.starts_with("\"\"\"") && value.len() >= 6 {
        "\"\"\""
    } else {
        return Ok(value);
    };
    let inside = value.get(quote.len()..).and_then(|rest| rest.rsplit_once(quote));
    inside.map(|(inside, _)| inside).ok_or("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, key: &str) -> Option<String> {
        ConfigFile::parse(text).unwrap().value("保管 庫", key)
    }

    #[test]
    fn values_are_read_as_rclone_reads_them() {
        let text = "\u{feff}# 注釈\r\n; too\r\n[ 保管 庫 ]\r\ntype = crypt\r\nremote: a=b # no comment\r\n\
            ticks = ` x `\r\ntriple=\"\"\" y \"\"\"\r\nplain = \"z\"\r\nKey = 1\r\nkey = 2\r\nempty =\r\n";
        assert_eq!(value(text, "type").as_deref(), Some("crypt"));
        assert_eq!(value(text, "remote").as_deref(), Some("a=b # no comment"));
        assert_eq!(value(text, "ticks").as_deref(), Some(" x "));
        assert_eq!(value(text, "triple").as_deref(), Some(" y "));
        assert_eq!(value(text, "plain").as_deref(), Some("\"z\""));
        assert_eq!(value(text, "Key").as_deref(), Some("1"));
        assert_eq!(value(text, "key").as_deref(), Some("2"));
        assert_eq!(value(text, "empty"), None);
    }

    #[test]
    fn repeated_sections_merge_and_the_last_key_wins() {
        let text = "[保管 庫]\na = 1\nb = 1\n[other]\n[保管 庫]\nb = 2\n\"q = k\" = 3\n";
        assert_eq!(value(text, "a").as_deref(), Some("1"));
        assert_eq!(value(text, "b").as_deref(), Some("2"));
        assert_eq!(value(text, "q = k").as_deref(), Some("3"));
        assert_eq!(ConfigFile::parse(text).unwrap().remotes().collect::<Vec<_>>(), ["保管 庫", "other"]);
    }

    #[test]
    fn placeholders_and_parents_are_followed_as_rclone_does_it() {
        let text = "root = /r\nself = %(self)s%(self)s\n[保管 庫]\nroot = /own\nhome = /媒体\n\
            a = %(home)s/%(root)s/%(none)s\nkeys = x\nb = %(keys)s\nc = %()s %(open\nd = %(self)s\n\
            [保管 庫.中]\nhome =\n";
        assert_eq!(value(text, "a").as_deref(), Some("/媒体//r/"));
        assert_eq!(value(text, "b"), None);
        assert_eq!(value(text, "c").as_deref(), Some("%()s %(open"));
        assert!(value(text, "d").is_some_and(|text| text.len() < 2 * LONGEST + 16));
        let file = ConfigFile::parse(text).unwrap();
        assert_eq!(file.value("保管 庫.中", "keys").as_deref(), Some("x"));
        assert_eq!(file.value("保管 庫.中", "home"), None);
        assert_eq!(file.value("保管 庫.無", "home").as_deref(), Some("/媒体"));
        assert!(!file.has("保管 庫.無"));
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        for (text, at) in [
            ("[a]\nb = 1\n壊れた行\n", 3),
            ("[]\nx = 1\n", 2),
            ("[a]\nx = `open\n", 2),
            ("[a]\n\"x = 1\n", 2),
            ("[a]\n`x` 1\n", 2),
        ] {
            let error = ConfigFile::parse(text).unwrap_err();
            assert!(
                matches!(error, SealError::ConfigUnreadable { line, .. } if line == at),
                "{text} {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(file) = ConfigFile::read(&bytes, None, |_| None) {
                prop_assert!(file.remotes().all(|name| file.has(name)));
            }
        }

        #[test]
        fn written_values_are_read_back(
            values in prop::collection::btree_map("[a-z_]{1,8}", "[^\\s%`\"\\x00-\\x1f][^%`\"\\s\\x00-\\x1f]{0,12}", 0..9),
            section in "[ぁ-んa-z][ぁ-んa-z .-]{0,6}[ぁ-んa-z]", colon: bool, crlf: bool,
        ) {
            let (sign, end) = (if colon { ":" } else { " = " }, if crlf { "\r\n" } else { "\n" });
            let lines: Vec<String> = values.iter().map(|(key, value)| format!("{key}{sign}{value}{end}")).collect();
            let file = ConfigFile::parse(&format!("[{section}]{end}{}", lines.concat())).unwrap();
            for (key, value) in &values {
                prop_assert_eq!(file.value(&section, key), Some(value.clone()));
            }
        }

        #[test]
        fn foreign_lines_never_panic(text in "([ \\[\\]=:`\"%()sa\n]|\u{3042}){0,60}", key in "[sa]{0,2}") {
            if let Ok(file) = ConfigFile::parse(&text) {
                for remote in file.remotes() {
                    prop_assert!(file.value(remote, &key).is_none_or(|value| !value.is_empty()));
                }
            }
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", ConfigFile::parse("[保管]\npassword = 秘密\n").unwrap());
        assert!(shown.contains("password") && !shown.contains("秘密"), "{shown}");
    }
}
