//! A file that appears whole or not at all: written beside its place, made durable, renamed into it.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use landfall_core::Code;

use crate::error::CommandError;

/// A file under way. Dropped before its end it takes its temporary file with it.
#[derive(Debug)]
pub(super) struct Whole {
    path: PathBuf,
    temp: PathBuf,
    out: BufWriter<File>,
}

impl Whole {
    /// Begins beside the file that it will replace.
    pub(super) fn begin(path: &Path) -> Result<Self, CommandError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temp = path.with_file_name(name);
        let file = File::create(&temp).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), temp, out: BufWriter::new(file) })
    }

    /// Puts it in its place.
    pub(super) fn commit(mut self) -> Result<(), CommandError> {
        let done = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| std::fs::rename(&self.temp, &self.path));
        done.map_err(|error| unwritable(&self.path, &error))
    }

    /// Begins, writes and commits.
    pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
        let mut file = Self::begin(path)?;
        file.out.write_all(bytes).map_err(|error| unwritable(path, &error))?;
        file.commit()
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // After a commit it is no longer there.
        let _gone = std::fs::remove_file(&self.temp);
    }
}

/// Refuses to write over a file of another kind: a mistyped name must not cost a configuration.
pub(super) fn may_replace(path: &Path, begins: &[u8]) -> Result<(), CommandError> {
    let mut read = Vec::with_capacity(begins.len());
    match File::open(path) {
        Ok(file) => {
            file.take(begins.len() as u64).read_to_end(&mut read).map_err(|e| unwritable(path, &e))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(path, &error)),
    };
    if read.is_empty() || read == begins {
        return Ok(());
    }
    let detail = format!("{} is there already and is something else; choose another name", path.display());
    Err(CommandError::new(Code::BadArgument, detail))
}

/// The error of an output that cannot be written.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(Code::StateFolder, format!("write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("報告.html");
        Whole::write(&path, "一".as_bytes()).unwrap();
        let mut file = Whole::begin(&path).unwrap();
        file.write_all("二".as_bytes()).unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "一");
        Whole::write(&path, "三".as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "三");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Whole::begin(&folder.path().join("ない").join("x")).is_err());
    }
}
