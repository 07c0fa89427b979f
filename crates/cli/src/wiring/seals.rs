//! The seal of a job: `rclone.conf` found and read as rclone does, its remote turned into a cipher.
//!
//! Owns where the file is looked for and what its errors mean for a person. A seal that may not be
//! written with never gets out of here.

use std::path::{Path, PathBuf};

use landfall_core::Code;
use landfall_seal::{ConfigFile, Places, Remote, SealError};
use landfall_stores::seal::CryptSeal;

use crate::config::SealSpec;
use crate::environment::Environment;
use crate::error::CommandError;

/// Opens a job's seal.
///
/// # Errors
/// Code `SealConfig` where file or remote cannot be used, or hides folders too; `MissingVariable` where the
/// file is encrypted and its password is not set.
pub(crate) fn seal(spec: &SealSpec, environment: &Environment) -> Result<CryptSeal, CommandError> {
    let (path, remote) = remote(spec.config.as_deref(), spec.remote.as_deref(), environment)?;
    let refuse = |what: &str| {
        let detail = format!("{}: remote {:?} {what}", path.display(), remote.name);
        CommandError::new(Code::SealConfig, detail)
    };
    let cipher = remote.for_writing().map_err(|error| of(&error, &path))?;
    if cipher.options().directory_names && cipher.options().names != landfall_seal::NameMode::Off {
        return Err(refuse("has directory_name_encryption = true, and the folders of this layout are plain"));
    }
    if !cipher.options().data {
        return Err(refuse("has no_data_encryption = true: it would upload plain bytes"));
    }
    Ok(CryptSeal::new(cipher.clone()))
}

/// Finds and reads a remote. Takes a tenth of a second, for the key.
///
/// # Errors
/// As [`seal`].
pub(crate) fn remote(
    config: Option<&Path>,
    name: Option<&str>,
    environment: &Environment,
) -> Result<(PathBuf, Remote), CommandError> {
    let lookup = |variable: &str| environment.get(variable).map(str::to_owned);
    let home = lookup("HOME").or_else(|| lookup("USERPROFILE")).map(PathBuf::from);
    let places = Places { given: config, home: home.as_deref(), ..Places::default() };
    let paths = places.paths(lookup);
    for path in &paths {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && config.is_none() => continue,
            Err(error) => {
                return Err(CommandError::new(Code::SealConfig, format!("read {}: {error}", path.display())));
            }
        };
        let read = ConfigFile::read(&bytes, None, lookup).and_then(|file| Remote::load(&file, lookup, name));
        return match read {
            Ok(remote) => Ok((path.clone(), remote)),
            Err(error) => Err(of(&error, path)),
        };
    }
    // A remote may stand in variables alone.
    match Remote::load(&ConfigFile::default(), lookup, name) {
        Ok(remote) => Ok((PathBuf::from("the environment"), remote)),
        Err(_) => {
            let looked: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let detail = format!("no rclone.conf is there: looked at {}", looked.join(", "));
            Err(CommandError::new(Code::SealConfig, detail))
        }
    }
}

/// What an error of the seal means for a person.
pub(crate) fn of(error: &SealError, path: &Path) -> CommandError {
    let code = match error {
        SealError::ConfigPasswordMissing => Code::MissingVariable,
        SealError::Unauthentic { .. } => Code::WrongSealKey,
        SealError::NotSealed
        | SealError::TooShort { .. }
        | SealError::TruncatedBlock { .. }
        | SealError::NameRefused { .. }
        | SealError::NameUnreadable { .. }
        | SealError::Io { .. } => Code::BadArgument,
        _ => Code::SealConfig,
    };
    let mut detail = format!("{}: {error}", path.display());
    let mut next = std::error::Error::source(error);
    while let Some(inner) = next {
        detail.push_str(&format!(": {inner}"));
        next = inner.source();
    }
    CommandError::new(code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(remote: &str) -> Result<CryptSeal, CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rclone.conf");
        std::fs::write(&path, remote).unwrap();
        let spec = SealSpec { config: Some(path), remote: Some("secret".to_owned()) };
        seal(&spec, &Environment::default())
    }

    fn conf(more: &str) -> String {
        let password = landfall_seal::obscure("合言葉".as_bytes(), [7; 16]);
        format!("[secret]\ntype = crypt\nremote = ./x\npassword = {password}\n{more}\n")
    }

    #[test]
    fn only_a_key_that_hides_content_and_keeps_folders_is_taken() {
        assert!(opened(&conf("directory_name_encryption = false")).is_ok());
        for (more, words) in [
            ("", "directory_name_encryption = true"),
            ("directory_name_encryption = false\nno_data_encryption = true", "plain bytes"),
            ("filename_encryption = rot13", "filename_encryption"),
        ] {
            let error = opened(&conf(more)).unwrap_err();
            assert_eq!(error.code, Code::SealConfig, "{more}");
            assert!(error.detail.contains(words), "{}", error.detail);
        }
        let missing = opened("[other]\ntype = crypt\npassword = x\n").unwrap_err();
        assert!(missing.detail.contains("no remote \"secret\""), "{}", missing.detail);
        let empty =
            opened("[secret]\ntype = crypt\nremote = x\ndirectory_name_encryption = false\n").unwrap_err();
        assert_eq!(empty.code, Code::SealConfig);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let spec = SealSpec { config: Some("/無い/rclone.conf".into()), remote: None };
        let error = seal(&spec, &Environment::default()).unwrap_err();
        assert_eq!(error.code, Code::SealConfig);
        assert!(error.detail.contains("無い"), "{}", error.detail);
    }
}
