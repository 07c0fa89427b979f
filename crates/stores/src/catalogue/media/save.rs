//! A download on its way onto the disk: a `.part` in the folder itself, then its name.
//!
//! Owns that no file is ever overwritten and that a name stands only over bytes that are durable: written,
//! fsynced, then linked under its name, which fails where something stands there. Killed before that, a
//! `.part` is left, which the next try for the same stem replaces. Paths go through `cap-std`, so a name
//! cannot lead out of the folder. Refuses to know where the bytes came from.

use std::io::{self, ErrorKind as Io, Read as _};

use cap_std::fs::{Dir, OpenOptions};
use landfall_core::{ByteSize, Digest, ErrorKind, Hasher, StoreError};
use tokio::io::AsyncWriteExt as _;

/// Longest stem, in bytes: with extension and `.part` it fits the 255 bytes of a name.
const LONGEST_STEM: usize = 200;

/// Bytes hashed at once.
const PIECE: usize = 256 << 10;

/// Names that Windows keeps for devices, whatever extension follows.
const DEVICES: &[&str] = &["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// An unfinished download. Dropped, it takes its `.part` away.
pub(super) struct Part {
    dir: Dir,
    stem: String,
    file: Option<tokio::fs::File>,
    hasher: Hasher,
    named: bool,
}

/// A finished one.
pub(super) struct Saved {
    pub(super) name: String,
    pub(super) size: ByteSize,
    pub(super) sha256: Digest,
}

impl Part {
    /// Begins; a `.part` of the same stem that a kill left behind is replaced.
    pub(super) async fn begin(dir: &Dir, stem: &str) -> Result<Self, StoreError> {
        check_stem(stem)?;
        let ours = dir.try_clone().map_err(|error| named(stem, error))?;
        let (name, theirs) = (part_name(stem), dir.try_clone().map_err(|error| named(stem, error))?);
        let file = blocking(stem, move || {
            match theirs.remove_file(&name) {
                Err(error) if error.kind() != Io::NotFound => return Err(error),
                _ => {}
            }
            // Made anew and never opened: what stands there could be a link.
            theirs.open_with(&name, OpenOptions::new().write(true).create_new(true))
        })
        .await?;
        let file = tokio::fs::File::from_std(file.into_std());
        Ok(Self { dir: ours, stem: stem.to_owned(), file: Some(file), hasher: Hasher::new(), named: false })
    }

    /// Bytes taken so far.
    pub(super) fn len(&self) -> u64 {
        self.hasher.len()
    }

    /// Takes the next bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(file) = self.file.as_mut() else {
            return Err(named(&self.stem, Io::BrokenPipe.into()));
        };
        for piece in bytes.chunks(PIECE) {
            self.hasher.update(piece);
            file.write_all(piece).await.map_err(|error| named(&self.stem, error))?;
        }
        Ok(())
    }

    /// Makes the bytes durable and gives them their name. A file of the same bytes that stands there
    /// already is adopted; repeating it after a kill is safe.
    ///
    /// # Errors
    /// `Exists` where another file has the name.
    pub(super) async fn finish(mut self, extension: &str) -> Result<Saved, StoreError> {
        let name = format!("{}.{extension}", self.stem);
        if let Some(mut file) = self.file.take() {
            file.flush().await.map_err(|error| named(&name, error))?;
            file.sync_all().await.map_err(|error| named(&name, error))?;
        }
        let size = self.hasher.len();
        let Some(sha256) = self.hasher.digests().sha256 else {
            return Err(named(&name, io::Error::other("no digest")));
        };
        let dir = self.dir.try_clone().map_err(|error| named(&name, error))?;
        let (part, wanted, digest) = (part_name(&self.stem), name.clone(), sha256.clone());
        blocking(&name, move || place(&dir, &part, &wanted, size, &digest)).await?;
        self.named = true;
        Ok(Saved { name, size: ByteSize(size), sha256 })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.named {
            self.file = None;
            // Should it stay, the next try for this stem takes it away.
            drop(self.dir.remove_file(part_name(&self.stem)));
        }
    }
}

fn part_name(stem: &str) -> String {
    format!("{stem}.part")
}

fn place(dir: &Dir, part: &str, name: &str, size: u64, sha256: &Digest) -> io::Result<()> {
    match dir.hard_link(part, dir, name) {
        Ok(()) => dir.remove_file(part)?,
        Err(error) if error.kind() == Io::AlreadyExists => adopt(dir, part, name, size, sha256)?,
        // No links here (FAT, some network folders). Between the look and the rename another program could
        // take the name; nothing that such a file system offers closes that gap.
        Err(_) => match dir.symlink_metadata(name) {
            Err(error) if error.kind() == Io::NotFound => dir.rename(part, dir, name)?,
            Err(error) => return Err(error),
            Ok(_) => adopt(dir, part, name, size, sha256)?,
        },
    }
    #[cfg(unix)]
    dir.open(".")?.into_std().sync_all()?;
    Ok(())
}

/// Takes what stands there for ours where it has the same bytes.
fn adopt(dir: &Dir, part: &str, name: &str, size: u64, sha256: &Digest) -> io::Result<()> {
    let there = dir.symlink_metadata(name)?;
    if !there.is_file() || there.len() != size {
        return Err(Io::AlreadyExists.into());
    }
    let mut file = dir.open(name)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
    if hasher.digests().sha256.as_ref() != Some(sha256) {
        return Err(Io::AlreadyExists.into());
    }
    dir.remove_file(part)
}

/// A stem becomes part of a name on any file system, so it is judged by the strictest.
fn check_stem(stem: &str) -> Result<(), StoreError> {
    let bad = |c: char| {
        c.is_control() || matches!(c, '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*') || is_bidi(c)
    };
    let base = stem.split('.').next().unwrap_or_default().trim_end();
    let device = DEVICES.iter().any(|device| base.eq_ignore_ascii_case(device)) || is_port(base);
    let edge = stem.starts_with(['.', '-', ' ']) || stem.ends_with(['.', ' ']);
    if stem.is_empty() || stem.len() > LONGEST_STEM || stem.contains(bad) || device || edge {
        return Err(StoreError::new(ErrorKind::Unsupported, "store", stem, "no name for a local file"));
    }
    Ok(())
}

/// Marks that turn the direction of writing, with which a name can be made to look like another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// COM and LPT with a digit, the superscript ones included, are devices to Windows.
fn is_port(base: &str) -> bool {
    let mut chars = base.chars();
    let Some(digit) = chars.next_back() else { return false };
    let word = chars.as_str();
    (word.eq_ignore_ascii_case("com") || word.eq_ignore_ascii_case("lpt"))
        && (digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³'))
}

async fn blocking<T: Send + 'static>(
    name: &str,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| named(name, error)),
        Err(join) => Err(named(name, io::Error::other(join))),
    }
}

/// Names a file error by its remedy.
fn named(name: &str, error: io::Error) -> StoreError {
    let (kind, detail) = match error.kind() {
        Io::AlreadyExists => (ErrorKind::Exists, "another file stands there already"),
        Io::NotFound | Io::NotADirectory => (ErrorKind::NotFound, "its folder is not there any more"),
        Io::StorageFull | Io::QuotaExceeded => (ErrorKind::Full, "no space is left"),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => (ErrorKind::Denied, "we may not"),
        Io::InvalidFilename => (ErrorKind::Unsupported, "the file system cannot hold this name"),
        _ => (ErrorKind::Interrupted, "the file system failed"),
    };
    StoreError::new(kind, "store", name, detail).with_source(error)
}

#[cfg(test)]
mod tests;
