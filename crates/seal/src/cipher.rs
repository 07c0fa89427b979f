//! A cipher: keys and the options that change names or bytes.
//!
//! Owns the rules for whole paths: which segments are encoded, and what happens to versions in names.
//! The transformations of one segment are in `names`, those of content in `content`. Does not know
//! files, stores, or which characters a store refuses.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::content;
use crate::error::SealError;
use crate::keys::Keys;
use crate::names::{encoding, obfuscate, version};

/// How names are hidden (`filename_encryption`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameMode {
    /// Encrypted as a wide block; equal names have equal ciphertexts everywhere.
    #[default]
    Standard,
    /// Letters are turned; hides from eyes, not from anyone who tries.
    Obfuscate,
    /// Names stay, files get a suffix.
    Off,
}

/// How encrypted names are spelled (`filename_encoding`); used with [`NameMode::Standard`] only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameEncoding {
    /// Digits and lower-case letters; any store.
    #[default]
    Base32,
    /// Shorter; only where upper and lower case differ.
    Base64,
    /// 15 bits in each UTF-16 unit; shortest where units are counted and not bytes.
    Base32768,
}

/// What beside the keys changes names or bytes. The default is rclone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How names are hidden.
    pub names: NameMode,
    /// How encrypted names are spelled.
    pub encoding: NameEncoding,
    /// Whether names of directories are hidden too. Of no effect with [`NameMode::Off`].
    pub directory_names: bool,
    /// What files end in with [`NameMode::Off`]: a dot and a word, or empty.
    pub suffix: String,
    /// Whether content is sealed; without it only names are hidden and bytes are kept as they are.
    pub data: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            names: NameMode::default(),
            encoding: NameEncoding::default(),
            directory_names: true,
            suffix: ".bin".to_owned(),
            data: true,
        }
    }
}

/// The options in one line that is stable: what a ledger may keep to notice a change.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.names, self.encoding) {
            (NameMode::Standard, NameEncoding::Base32) => f.write_str("standard/base32"),
            (NameMode::Standard, NameEncoding::Base64) => f.write_str("standard/base64"),
            (NameMode::Standard, NameEncoding::Base32768) => f.write_str("standard/base32768"),
            (NameMode::Obfuscate, _) => f.write_str("obfuscate"),
            (NameMode::Off, _) => write!(f, "off{}", self.suffix),
        }?;
        let directories = self.directory_names && self.names != NameMode::Off;
        write!(f, " directories={directories} data={}", self.data)
    }
}

/// Keys and options. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cipher {
    keys: Arc<Keys>,
    options: Options,
}

impl Cipher {
    /// Joins keys and options.
    #[must_use]
    pub fn new(keys: Keys, options: Options) -> Self {
        Self { keys: Arc::new(keys), options }
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn data_key(&self) -> Zeroizing<[u8; 32]> {
        self.keys.data().clone()
    }

    /// The bytes that a file of `plain` bytes has once sealed.
    #[must_use]
    pub fn sealed_size(&self, plain: u64) -> u64 {
        if self.options.data { content::sealed_size(plain) } else { plain }
    }

    /// The bytes that an object of `sealed` bytes has once opened.
    ///
    /// # Errors
    /// [`SealError::TooShort`] and [`SealError::TruncatedBlock`]: no sealed file has that size. A file cut
    /// off at the edge of a block has a possible size; only the size that was expected tells.
    pub fn opened_size(&self, sealed: u64) -> Result<u64, SealError> {
        if self.options.data { content::opened_size(sealed) } else { Ok(sealed) }
    }

    /// Encodes the name of a file.
    ///
    /// A version in the name (`-v2024-01-02-030405-678` before its last dot) stays in clear, as in rclone;
    /// such names need not decode to themselves: ask [`Cipher::round_trips`] before an upload.
    ///
    /// # Errors
    /// [`SealError::NameRefused`] where the name is empty, has a slash or more than 2,047 bytes.
    pub fn encode_segment(&self, name: &str) -> Result<String, SealError> {
        refuse(name)?;
        if self.options.names == NameMode::Off {
            return Ok(format!("{name}{}", self.options.suffix));
        }
        match version::take(name) {
            Some((rest, stamp)) => Ok(version::put(&self.encode_bare(&rest)?, stamp)),
            None => self.encode_bare(name),
        }
    }

    /// Decodes the name of a file.
    ///
    /// # Errors
    /// [`SealError::NameUnreadable`] where this cipher did not make the name. That a name decodes proves
    /// nothing about the key: one in 256 wrong ones passes the padding.
    pub fn decode_segment(&self, name: &str) -> Result<String, SealError> {
        if self.options.names == NameMode::Off {
            return self.decode_suffix(name);
        }
        let plain = match version::take(name) {
            Some((rest, stamp)) => version::put(&self.decode_bare(&rest)?, stamp),
            None => self.decode_bare(name)?,
        };
        usable(name, plain)
    }

    /// Encodes the name of a directory as it stands in the paths of files. No versions here.
    ///
    /// # Errors
    /// As [`Cipher::encode_segment`].
    pub fn encode_directory(&self, name: &str) -> Result<String, SealError> {
        refuse(name)?;
        if self.keeps_directories() { Ok(name.to_owned()) } else { self.encode_bare(name) }
    }

    /// Decodes the name of a directory as it stands in the paths of files.
    ///
    /// # Errors
    /// As [`Cipher::decode_segment`].
    pub fn decode_directory(&self, name: &str) -> Result<String, SealError> {
        if self.keeps_directories() {
            return Ok(name.to_owned());
        }
        usable(name, self.decode_bare(name)?)
    }

    /// Encodes the path of a file: its last segment as a file, those before as directories.
    ///
    /// # Errors
    /// As [`Cipher::encode_segment`], for any of the segments.
    pub fn encode_path(&self, path: &str) -> Result<String, SealError> {
        each(path, |name| self.encode_directory(name), |name| self.encode_segment(name))
    }

    /// Decodes the path of a file.
    ///
    /// # Errors
    /// As [`Cipher::decode_segment`], for any of the segments.
    pub fn decode_path(&self, path: &str) -> Result<String, SealError> {
        each(path, |name| self.decode_directory(name), |name| self.decode_segment(name))
    }

    /// Whether the path of a file comes back as it was. Where it does not (a name that begins with a version),
    /// rclone too would list the file under another name: flag it and do not upload it.
    #[must_use]
    pub fn round_trips(&self, path: &str) -> bool {
        self.encode_path(path).and_then(|sealed| self.decode_path(&sealed)).is_ok_and(|back| back == path)
    }

    fn keeps_directories(&self) -> bool {
        self.options.names == NameMode::Off || !self.options.directory_names
    }

    fn encode_bare(&self, name: &str) -> Result<String, SealError> {
        if name.is_empty() {
            // A name that is a version and nothing else leaves nothing to encode, in rclone too.
            return Ok(String::new());
        }
        if self.options.names == NameMode::Obfuscate {
            return Ok(obfuscate::encode(self.keys.name_sum(), name));
        }
        let bytes = self.keys.eme().seal_name(name)?;
        Ok(encoding::encode(self.options.encoding, &bytes))
    }

    fn decode_bare(&self, name: &str) -> Result<String, SealError> {
        let unreadable = |why| SealError::NameUnreadable { name: name.to_owned(), why };
        if self.options.names == NameMode::Obfuscate {
            return obfuscate::decode(self.keys.name_sum(), name).map_err(unreadable);
        }
        let bytes = encoding::decode(self.options.encoding, name).map_err(unreadable)?;
        let plain = self.keys.eme().open_name(bytes).map_err(unreadable)?;
        String::from_utf8(plain)
            .map_err(|_| unreadable("it decrypts to no text: another key, or a foreign file"))
    }

    fn decode_suffix(&self, name: &str) -> Result<String, SealError> {
        let unreadable = |why| SealError::NameUnreadable { name: name.to_owned(), why };
        let plain = name
            .strip_suffix(self.options.suffix.as_str())
            .filter(|plain| !plain.is_empty())
            .ok_or_else(|| unreadable("it does not end as sealed files do"))?;
        if version::take(plain).is_some_and(|(rest, _)| rest.is_empty()) {
            return Err(unreadable("nothing is left without its version"));
        }
        Ok(plain.to_owned())
    }
}

fn refuse(name: &str) -> Result<(), SealError> {
    let refused = |why| Err(SealError::NameRefused { bytes: name.len(), why });
    if name.is_empty() {
        refused("it is empty")
    } else if name.contains('/') {
        refused("it is a path and not one name")
    } else {
        Ok(())
    }
}

/// A key that is wrong by chance must not yield a path that leads somewhere else.
fn usable(sealed: &str, plain: String) -> Result<String, SealError> {
    if plain.is_empty() || plain == "." || plain == ".." || plain.contains(['/', '\0']) {
        return Err(SealError::NameUnreadable {
            name: sealed.to_owned(),
            why: "it decrypts to what is no file name: another key, or a foreign file",
        });
    }
    Ok(plain)
}

type Coded = Result<String, SealError>;

fn each(path: &str, directory: impl Fn(&str) -> Coded, file: impl Fn(&str) -> Coded) -> Coded {
    let Some((before, last)) = path.rsplit_once('/') else { return file(path) };
    let mut whole = String::with_capacity(path.len() * 2);
    for segment in before.split('/') {
        whole.push_str(&directory(segment)?);
        whole.push('/');
    }
    whole.push_str(&file(last)?);
    Ok(whole)
}

#[cfg(test)]
mod tests;
