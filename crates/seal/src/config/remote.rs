//! A crypt remote: the values that make a cipher, from file and environment.
//!
//! Owns the order in which they override each other, defaults and the choice of the remote. What
//! rclone ignores is ignored here. Does not follow the wrapped path.
//! Source: rclone's documentation; order observed with 1.75.2.

use zeroize::Zeroizing;

use super::{ConfigFile, reveal};
use crate::cipher::{Cipher, NameEncoding, NameMode, Options};
use crate::error::SealError;
use crate::keys::Keys;

/// A remote of the type crypt, ready for use.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its name, without colon.
    pub name: String,
    /// The path that it wraps (`remote = …`), as written; empty where none is given.
    pub wrapped: String,
    cipher: Cipher,
}

impl Remote {
    /// Makes a cipher of a remote; of the first one of the type crypt where no name is given.
    ///
    /// `lookup` gives variables of the environment. `RCLONE_CRYPT_<KEY>`, which rclone takes for a flag, overrides
    /// `RCLONE_CONFIG_<REMOTE>_<KEY>`, and that overrides the file; one that is set and empty hides the file too. A remote may consist of variables alone; for one of that
    /// kind the name must be given. Takes 0.1 seconds, for the key.
    ///
    /// # Errors
    /// Everything that [`SealError`] says about remotes, passwords and options.
    pub fn load(
        config: &ConfigFile,
        lookup: impl Fn(&str) -> Option<String>,
        name: Option<&str>,
    ) -> Result<Self, SealError> {
        let name = match name {
            Some(name) => name.strip_suffix(':').unwrap_or(name).to_owned(),
            None => first(config, &lookup)?,
        };
        let values = Values { config, lookup: &lookup, name: &name };
        match values.kind() {
            None if !config.has(&name) => {
                Err(SealError::RemoteMissing { name: name.clone(), known: known(config) })
            }
            Some(kind) if kind == "crypt" => Ok(()),
            kind => Err(SealError::RemoteNotCrypt { name: name.clone(), kind: kind.unwrap_or_default() }),
        }?;
        let options = values.options()?;
        let password =
            values.revealed("password")?.ok_or_else(|| SealError::PasswordMissing { name: name.clone() })?;
        let password2 = values.revealed("password2")?;
        let keys = Keys::derive(&password, password2.as_ref().map(|salt| salt.as_slice()));
        let wrapped = values.get("remote").unwrap_or_default();
        Ok(Self { wrapped, cipher: Cipher::new(keys, options), name })
    }

    /// The cipher, for reading.
    #[must_use]
    pub fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// The cipher, for writing.
    ///
    /// # Errors
    /// [`SealError::PasswordEmpty`]: rclone accepts an empty password and then everybody has the key.
    pub fn for_writing(&self) -> Result<&Cipher, SealError> {
        if self.cipher.keys().are_public() {
            return Err(SealError::PasswordEmpty { name: self.name.clone() });
        }
        Ok(&self.cipher)
    }
}

struct Values<'a, F> {
    config: &'a ConfigFile,
    lookup: &'a F,
    name: &'a str,
}

impl<F: Fn(&str) -> Option<String>> Values<'_, F> {
    fn kind(&self) -> Option<String> {
        self.of_remote("type").or_else(|| self.config.value(self.name, "type"))
    }

    /// A variable that is set and empty hides the value of the file.
    fn get(&self, key: &str) -> Option<String> {
        (self.lookup)(&format!("RCLONE_CRYPT_{}", key.to_uppercase()))
            .or_else(|| self.of_remote(key))
            .or_else(|| self.config.value(self.name, key))
    }

    /// The name goes into the variable in capitals and otherwise as it is, blanks and hyphens too.
    fn of_remote(&self, key: &str) -> Option<String> {
        (self.lookup)(&format!("RCLONE_CONFIG_{}_{key}", self.name).to_uppercase())
    }

    fn revealed(&self, key: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
        let text = self.get(key).map(Zeroizing::new).filter(|text| !text.is_empty());
        let Some(text) = text else { return Ok(None) };
        let refused = |_| SealError::PasswordNotObscured { name: self.name.to_owned(), key };
        reveal(&text).map(Some).map_err(refused)
    }

    fn options(&self) -> Result<Options, SealError> {
        let rclone = Options::default();
        Ok(Options {
            names: self.mode()?.unwrap_or(rclone.names),
            encoding: self.encoding()?.unwrap_or(rclone.encoding),
            directory_names: self.truth("directory_name_encryption")?.unwrap_or(rclone.directory_names),
            suffix: self.get("suffix").map_or(rclone.suffix, |suffix| dotted(&suffix)),
            data: !self.truth("no_data_encryption")?.unwrap_or(!rclone.data),
        })
    }

    fn mode(&self) -> Result<Option<NameMode>, SealError> {
        let known = |word: &str| match word.to_lowercase().as_str() {
            "standard" => Some(NameMode::Standard),
            "obfuscate" => Some(NameMode::Obfuscate),
            "off" => Some(NameMode::Off),
            _ => None,
        };
        self.choice("filename_encryption", "standard, obfuscate or off", known)
    }

    fn encoding(&self) -> Result<Option<NameEncoding>, SealError> {
        let known = |word: &str| match word.to_lowercase().as_str() {
            "base32" => Some(NameEncoding::Base32),
            "base64" => Some(NameEncoding::Base64),
            "base32768" => Some(NameEncoding::Base32768),
            _ => None,
        };
        self.choice("filename_encoding", "base32, base64 or base32768", known)
    }

    fn truth(&self, key: &'static str) -> Result<Option<bool>, SealError> {
        let known = |word: &str| match word {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Some(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Some(false)),
            "" => Some(None),
            _ => None,
        };
        self.choice(key, "true or false", known).map(Option::flatten)
    }

    fn choice<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        known: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SealError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match known(&value) {
            Some(choice) => Ok(Some(choice)),
            None => Err(SealError::OptionInvalid { name: self.name.to_owned(), key, value, expected }),
        }
    }
}

fn first(config: &ConfigFile, lookup: &impl Fn(&str) -> Option<String>) -> Result<String, SealError> {
    let is_crypt = |name: &&str| Values { config, lookup, name }.kind().as_deref() == Some("crypt");
    let name = config.remotes().find(is_crypt);
    name.map(str::to_owned).ok_or_else(|| SealError::NoCryptRemote { known: known(config) })
}

fn known(config: &ConfigFile) -> Vec<String> {
    config.remotes().map(str::to_owned).collect()
}

/// rclone puts the dot there itself, and knows a word for no suffix.
fn dotted(suffix: &str) -> String {
    if suffix.eq_ignore_ascii_case("none") {
        String::new()
    } else if suffix.starts_with('.') {
        suffix.to_owned()
    } else {
        format!(".{suffix}")
    }
}

#[cfg(test)]
mod tests;
