//! The local media folders: found, opened and filled through `cap-std`, so that no recorded path leads out.
//!
//! Links are never followed. A recorded absolute path is taken only where it lies inside a root. A file is
//! looked for under its recorded path, then by the post's id through every naming era; where two fit, both
//! are given and somebody else decides.

mod index;
mod search;

use std::io::{self, ErrorKind as Io};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use landfall_core::{ByteSize, ErrorKind, RelPath, StoreError};

use self::index::Index;
use super::config::Roots;
use super::names::{Era, Folder};

/// A local file that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Which root it lies in.
    pub root: Folder,
    /// Where below it.
    pub path: RelPath,
    /// Its size; 0 is no media.
    pub size: ByteSize,
    /// Modification time in nanoseconds since 1970, 0 where there is none: with path and size it says
    /// whether the file is still the same.
    pub modified: i128,
    /// How it was found.
    pub era: Era,
}

impl LocalFile {
    /// The path as it is recorded in the database.
    #[must_use]
    pub fn recorded(&self) -> String {
        format!("{}/{}", self.root.name(), self.path.as_str())
    }
}

/// Why a recorded path is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalTrouble {
    /// It is absolute and lies outside the configured roots.
    #[error("it lies outside the configured roots")]
    Outside,
    /// It does not begin with `images/` or `videos/`.
    #[error("it does not begin with images/ or videos/")]
    NoFolder,
    /// It is no path that stays below its root.
    #[error("it is no path below a root")]
    Malformed,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// The same with all links resolved, where it is there.
    real: Option<PathBuf>,
    dir: Mutex<Option<Arc<Dir>>>,
}

impl Root {
    fn new(path: &Path) -> Self {
        let real = path.canonicalize().ok();
        Self { path: path.to_owned(), real, dir: Mutex::new(None) }
    }

    fn dir(&self, make: bool) -> io::Result<Arc<Dir>> {
        let mut kept = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = kept.as_ref() {
            return Ok(Arc::clone(dir));
        }
        if make {
            std::fs::create_dir_all(&self.path)?;
        }
        let dir = Arc::new(Dir::open_ambient_dir(&self.path, ambient_authority())?);
        *kept = Some(Arc::clone(&dir));
        Ok(dir)
    }
}

/// The two roots.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    images: Arc<Root>,
    videos: Arc<Root>,
    index: Arc<Mutex<Index>>,
}

impl LocalFiles {
    /// Names the roots; nothing is opened or made yet.
    #[must_use]
    pub fn new(roots: &Roots) -> Self {
        let (images, videos) = (Arc::new(Root::new(&roots.images)), Arc::new(Root::new(&roots.videos)));
        Self { images, videos, index: Arc::default() }
    }

    fn root(&self, folder: Folder) -> &Root {
        match folder {
            Folder::Images => &self.images,
            Folder::Videos => &self.videos,
        }
    }

    /// Forgets what folders held when they were last read.
    pub fn refresh(&self) {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Index::default();
    }

    /// Where a recorded path leads.
    ///
    /// # Errors
    /// Where it is not followed, and why.
    pub fn locate(&self, recorded: &str) -> Result<(Folder, RelPath), LocalTrouble> {
        // Windows wrote backslashes; no handle, file or display-name folder holds one.
        let text = recorded.replace('\\', "/");
        if Path::new(&text).is_absolute() || text.contains(':') && text.get(1..3) == Some(":/") {
            return self.inside(&text);
        }
        let text = text.strip_prefix("./").unwrap_or(&text);
        let (first, rest) = text.split_once('/').ok_or(LocalTrouble::NoFolder)?;
        let folder = Folder::parse(first).ok_or(LocalTrouble::NoFolder)?;
        Ok((folder, below(rest)?))
    }

    fn inside(&self, text: &str) -> Result<(Folder, RelPath), LocalTrouble> {
        for folder in [Folder::Images, Folder::Videos] {
            let root = self.root(folder);
            let rest = [Some(&root.path), root.real.as_ref()]
                .into_iter()
                .flatten()
                .find_map(|root| Path::new(text).strip_prefix(root).ok());
            if let Some(rest) = rest.and_then(Path::to_str) {
                return Ok((folder, below(rest)?));
            }
        }
        Err(LocalTrouble::Outside)
    }

    /// What stands at a path; `None` where nothing does, or something that is no plain file.
    ///
    /// # Errors
    /// Where looking fails: nothing may be concluded then.
    pub fn look(&self, root: Folder, path: &RelPath, era: Era) -> io::Result<Option<LocalFile>> {
        let found = self.root(root).dir(false).and_then(|dir| {
            let (dir, name) = parent(&dir, path)?;
            dir.symlink_metadata(name)
        });
        match found {
            Ok(metadata) if metadata.is_file() => Ok(Some(LocalFile {
                root,
                path: path.clone(),
                era,
                size: ByteSize(metadata.len()),
                modified: modified(&metadata),
            })),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a plain file for reading, with what it is now.
    ///
    /// # Errors
    /// Where it is not there, is a link or no plain file, or may not be read.
    pub fn open(&self, root: Folder, path: &RelPath) -> io::Result<(std::fs::File, ByteSize, i128)> {
        let dir = self.root(root).dir(false)?;
        let (dir, name) = parent(&dir, path)?;
        if !dir.symlink_metadata(&name)?.is_file() {
            return Err(io::Error::new(Io::NotFound, "it is not a plain file"));
        }
        let file = dir.open(&name)?;
        let metadata = file.metadata()?;
        Ok((file.into_std(), ByteSize(metadata.len()), modified(&metadata)))
    }

    /// Opens the folder of a user for writing, making what is missing of it.
    ///
    /// # Errors
    /// Where it cannot be made, or a link stands in its place.
    pub fn user_folder(&self, root: Folder, username: &str) -> io::Result<Dir> {
        let dir = self.root(root).dir(true)?;
        match dir.create_dir(username) {
            Err(error) if error.kind() != Io::AlreadyExists => return Err(error),
            _ => {}
        }
        if !dir.symlink_metadata(username)?.is_dir() {
            return Err(io::Error::new(Io::NotADirectory, "no folder stands there"));
        }
        dir.open_dir(username)
    }

    /// Remembers a file that was put into a folder, so that it is found without reading the folder again.
    pub fn noted(&self, root: Folder, path: &RelPath) {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).add(root, path);
    }
}

fn below(rest: &str) -> Result<RelPath, LocalTrouble> {
    match RelPath::new(rest) {
        Ok(path) if !path.is_root() => Ok(path),
        _ => Err(LocalTrouble::Malformed),
    }
}

/// True where an error means that there is nothing; a link on the way is nothing of ours either.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), Io::NotFound | Io::NotADirectory)
}

/// Opens a path's folder without following a link; gives the name too.
fn parent(root: &Dir, path: &RelPath) -> io::Result<(Dir, String)> {
    let above = path.parent().ok_or(Io::InvalidInput)?;
    Ok((folder(root, &above)?, path.name().to_owned()))
}

fn folder(root: &Dir, path: &RelPath) -> io::Result<Dir> {
    let mut dir = root.try_clone()?;
    for segment in path.segments() {
        if !dir.symlink_metadata(segment)?.is_dir() {
            return Err(Io::NotADirectory.into());
        }
        dir = dir.open_dir(segment)?;
    }
    Ok(dir)
}

pub(super) fn modified(metadata: &Metadata) -> i128 {
    let at = metadata.modified().ok().and_then(|at| jiff::Timestamp::try_from(at.into_std()).ok());
    at.map_or(0, jiff::Timestamp::as_nanosecond)
}

/// A local file error by its remedy.
pub(super) fn local_error(operation: &'static str, subject: &str, error: io::Error) -> StoreError {
    let (kind, detail) = match error.kind() {
        Io::NotFound | Io::NotADirectory => (ErrorKind::NotFound, "the local file is not there"),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            (ErrorKind::Denied, "the local file may not be used")
        }
        Io::StorageFull | Io::QuotaExceeded => (ErrorKind::Full, "no space is left for local files"),
        _ => (ErrorKind::Interrupted, "the file system failed"),
    };
    StoreError::new(kind, operation, subject, detail).with_source(error)
}
